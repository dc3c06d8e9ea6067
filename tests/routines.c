/* For the unit tests, into which no host loads the extension: takes SQLite's table of functions before main, as the
** extension's entry point does, through the one door at which SQLite hands it out. */
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>

struct sqlite3_api_routines;
extern const struct sqlite3_api_routines *sqlite3_api;
const struct sqlite3_api_routines *sqlite3_api;

static int take(sqlite3 *db, char **message, const struct sqlite3_api_routines *routines)
{
  (void)db, (void)message;
  sqlite3_api = routines;
  return SQLITE_OK;
}

__attribute__((constructor)) static void take_routines(void)
{
  void (*entry)(void) = (void (*)(void))take;
  sqlite3 *db = NULL;
  sqlite3_auto_extension(entry);
  sqlite3_open(":memory:", &db);
  sqlite3_close(db);
  sqlite3_cancel_auto_extension(entry);
  if (!sqlite3_api) {
    fputs("SQLite does not hand out its functions\n", stderr);
    abort();
  }
}

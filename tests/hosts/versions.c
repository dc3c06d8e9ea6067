/* A host that claims to be another SQLite: `old` reports a version before 3.40, `second` is a second library in the
** process (the same functions in another table of routines), `entry` calls the entry point as a statically linked
** application would. Prints what the extension said of it. */
#include <dlfcn.h>
#include <sqlite3ext.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* sqlite3ext.h turns the names into uses of this pointer; an application gets it from the first extension it loads. */
SQLITE_EXTENSION_INIT1

typedef int (*entry_point)(sqlite3 *db, char **message, const sqlite3_api_routines *api);

static sqlite3_api_routines copy;
static const sqlite3_api_routines *host;

static const char *old_version(void) { return "3.39.4"; }
static int old_number(void) { return 3039004; }

/* Called by sqlite3_load_extension on this very program: how the host's table of routines is found. */
__attribute__((visibility("default"))) int sqlite3_extension_init(sqlite3 *db, char **message, const sqlite3_api_routines *api);
int sqlite3_extension_init(sqlite3 *db, char **message, const sqlite3_api_routines *api)
{
  (void)message;
  SQLITE_EXTENSION_INIT2(api);
  host = api;
  copy = *api;
  const char *mode = getenv("MODE"), *path = getenv("LIFEBOAT_SO");
  void *library = dlopen(path, RTLD_NOW);
  entry_point init = library ? (entry_point)dlsym(library, "sqlite3_lifeboat_init") : NULL;
  if (!init) {
    printf("%s\n", dlerror());
    return SQLITE_ERROR;
  }
  char *said = NULL;
  if (strcmp(mode, "old") == 0) {
    copy.libversion = old_version;
    copy.libversion_number = old_number;
  } else if (init(db, &said, host) != SQLITE_OK_LOAD_PERMANENTLY) {
    printf("the host itself was refused: %s\n", said ? said : "");
    return SQLITE_ERROR;
  }
  int rc = init(db, &said, &copy);
  printf("%d: %s\n", rc, said ? said : "");
  sqlite3_free(said);
  /* A refusal spoils nothing: the host itself still gets in. */
  rc = init(db, &said, host);
  printf("%d\n", rc);
  return SQLITE_OK;
}

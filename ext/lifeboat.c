/* Lifeboat: backups of SQLite databases from SQL. This file is the entry point; it knows what is registered, not how
** anything works.
**
**     .load ./build/lifeboat
**     SELECT backup_create('main', '{"dir":"/data/backups"}');
**     SELECT name, created_at, bytes FROM backups('/data/backups');
**
** The library stays loaded once loaded (SQLITE_OK_LOAD_PERMANENTLY): connections of other threads may be inside it when
** the one that loaded it closes. Functions are SQLITE_DIRECTONLY and tables SQLITE_VTAB_DIRECTONLY, so that a
** trigger or view hidden in a database cannot reach them.
*/
#include <pthread.h>
#include <sqlite3ext.h>

#include "api/backup_table.h"
#include "api/functions.h"
#include "api/session.h"
#include "api/table.h"
#include "core/version.h"
#include "vfs/vfs.h"

SQLITE_EXTENSION_INIT1

/* The host's routines are one static table for each SQLite library: two of them in one process cannot share ours. The
** pointer to it is set once: other threads may be using it. */
static int accept_host(const sqlite3_api_routines *api, char **message)
{
  static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
  static const sqlite3_api_routines *host;
  if (api->libversion_number() < LB_SQLITE_OLDEST) {
    *message = api->mprintf("lifeboat " LB_VERSION " needs SQLite " LB_SQLITE_OLDEST_TEXT " or newer, this is %s",
                            api->libversion());
    return SQLITE_ERROR;
  }
  pthread_mutex_lock(&mutex);
  if (!host) {
    host = api;
    SQLITE_EXTENSION_INIT2(api);
  }
  bool accepted = host == api;
  pthread_mutex_unlock(&mutex);
  if (!accepted) {
    *message = api->mprintf("lifeboat is already loaded into another SQLite library in this process");
    return SQLITE_ERROR;
  }
  return SQLITE_OK;
}

static int register_all(sqlite3 *db, lb_session *session)
{
  lb_error err = LB_ERROR_INIT;
  int rc = lb_vfs_register(&err) ? SQLITE_ERROR : SQLITE_OK;
  for (const lb_function *f = lb_functions; f->name; f++) {
    for (int args = f->least; args <= f->most && rc == SQLITE_OK; args++) {
      lb_session_retain(session);
      rc = sqlite3_create_function_v2(db, f->name, args, SQLITE_UTF8 | SQLITE_DIRECTONLY, session, f->call, NULL, NULL,
                                      lb_session_release);
    }
  }
  for (const lb_table *t = lb_tables; t->name && rc == SQLITE_OK; t++) {
    rc = lb_table_register(db, t, session);
    if (rc == SQLITE_OK) rc = lb_function_register_table(db, t->name);
  }
  if (rc == SQLITE_OK) rc = lb_backup_table_register(db, session);
  return rc;
}

__attribute__((visibility("default")))
int sqlite3_lifeboat_init(sqlite3 *db, char **message, const sqlite3_api_routines *api);

int sqlite3_lifeboat_init(sqlite3 *db, char **message, const sqlite3_api_routines *api)
{
  int rc = accept_host(api, message);
  if (rc) return rc;
  /* Once is enough: functions could not be replaced while a statement runs, and settings would be lost. */
  if (lb_session_exists(db)) return SQLITE_OK_LOAD_PERMANENTLY;
  lb_session *session = lb_session_open(db);
  if (!session) return SQLITE_NOMEM;
  rc = register_all(db, session);
  lb_session_release(session);
  return rc ? rc : SQLITE_OK_LOAD_PERMANENTLY;
}

/* What one connection has of Lifeboat: its settings, and how to see that it was interrupted.
**
** Registered functions and modules share one session by reference counting; SQLite releases each when the connection
** closes.
*/
#ifndef LB_API_SESSION_H
#define LB_API_SESSION_H

#include <sqlite3ext.h>

#include "job/job.h"

typedef struct lb_session {
  sqlite3 *db;
  lb_config config;
  int references;
  struct lb_session *next;
} lb_session;

lb_session *lb_session_open(sqlite3 *db);  /* one reference; NULL: out of memory */
bool lb_session_exists(sqlite3 *db);       /* the extension is loaded into this connection already */
void lb_session_retain(lb_session *session);
void lb_session_release(void *session);    /* as SQLite's destructors want it */

/* One call of a function or a scan of a table: a job whose task sees the caller's interrupts. */
typedef struct lb_call {
  lb_job job;
  sqlite3 *db;
  sqlite3_stmt *probe;   /* how interrupts are seen before SQLite 3.41 */
} lb_call;

void lb_call_begin(lb_call *call, lb_session *session);
void lb_call_end(lb_call *call);

/* The result code for SQLite. Codes that make SQLite roll the caller's transaction back (SQLITE_IOERR, SQLITE_FULL) are
** reported as SQLITE_ERROR: a full backup disk is no reason to lose the caller's work. */
int lb_sqlite_code(const lb_error *err);

#endif

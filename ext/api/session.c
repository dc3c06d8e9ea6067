/* See session.h. */
#include "api/session.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

SQLITE_EXTENSION_INIT3

static pthread_mutex_t sessions_mutex = PTHREAD_MUTEX_INITIALIZER;
static lb_session *sessions;

lb_session *lb_session_open(sqlite3 *db)
{
  lb_session *session = calloc(1, sizeof *session);
  if (!session) return NULL;
  session->db = db;
  session->references = 1;
  pthread_mutex_lock(&sessions_mutex);
  session->next = sessions;
  sessions = session;
  pthread_mutex_unlock(&sessions_mutex);
  return session;
}

bool lb_session_exists(sqlite3 *db)
{
  pthread_mutex_lock(&sessions_mutex);
  lb_session *s = sessions;
  while (s && s->db != db) s = s->next;
  pthread_mutex_unlock(&sessions_mutex);
  return s != NULL;
}

void lb_session_retain(lb_session *session)
{
  session->references++;
}

void lb_session_release(void *pointer)
{
  lb_session *session = pointer;
  if (--session->references > 0) return;
  pthread_mutex_lock(&sessions_mutex);
  for (lb_session **at = &sessions; *at; at = &(*at)->next) {
    if (*at == session) {
      *at = session->next;
      break;
    }
  }
  pthread_mutex_unlock(&sessions_mutex);
  lb_config_free(&session->config);
  free(session);
}

/* ---- interrupts ---- */

#if SQLITE_VERSION_NUMBER >= 3041000
static int is_interrupted(sqlite3 *db) { return sqlite3_is_interrupted(db); }
#elif SQLITE_VERSION_NUMBER < 3040000
#error "build against the headers of SQLite 3.40 or newer"
#elif defined(SQLITE_CORE)
static int is_interrupted(sqlite3 *db) { (void)db; return 0; }
#else
/* Built against an older header, loaded into a newer SQLite: the table of routines only ever grows at its end, and
** is_interrupted is what 3.41 added first. */
typedef struct routines_3_41 {
  sqlite3_api_routines known;
  int (*is_interrupted)(sqlite3 *db);
} routines_3_41;
static int is_interrupted(sqlite3 *db) { return ((const routines_3_41 *)sqlite3_api)->is_interrupted(db); }
#endif

static bool interrupted(void *ctx)
{
  lb_call *call = ctx;
  if (!call->probe) return is_interrupted(call->db);
  bool stop = sqlite3_step(call->probe) == SQLITE_INTERRUPT;
  sqlite3_reset(call->probe);
  return stop;
}

void lb_call_begin(lb_call *call, lb_session *session)
{
  memset(call, 0, sizeof *call);
  call->db = session->db;
  call->job.caller = session->db;
  call->job.config = &session->config;
  call->job.task.interrupted = interrupted;
  call->job.task.interrupted_ctx = call;
  /* Without memory for the probe there are no interrupts before 3.41; everything else works. */
  if (sqlite3_libversion_number() < 3041000 && sqlite3_prepare_v2(session->db, "SELECT 1", -1, &call->probe, NULL)) {
    call->job.task.interrupted = NULL;
  }
}

void lb_call_end(lb_call *call)
{
  sqlite3_finalize(call->probe);
  lb_buf_free(&call->job.notes);
  lb_buf_free(&call->job.history_notes);
}

int lb_sqlite_code(const lb_error *err)
{
  switch (err->code) {
  case LB_OK:        return SQLITE_OK;
  case LB_BUSY:      return SQLITE_BUSY;
  case LB_CORRUPT:   return SQLITE_CORRUPT_VTAB;  /* plain SQLITE_CORRUPT makes the host's connection read-only */
  case LB_INTERRUPT: return SQLITE_INTERRUPT;
  case LB_NOMEM:     return SQLITE_NOMEM;
  case LB_PERM:      return SQLITE_PERM;
  case LB_NOTFOUND:  return SQLITE_CANTOPEN;
  default:           return SQLITE_ERROR;
  }
}

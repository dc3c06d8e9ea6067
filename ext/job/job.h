/* What every use case gets: who asks, the settings, the running task, and a place for notes.
**
** A job is a readable sequence of steps; it is the only layer that knows both databases and backup files.
** One lb_job serves one call of one SQL function.
*/
#ifndef LB_JOB_JOB_H
#define LB_JOB_JOB_H

#include <sqlite3ext.h>
#include <sys/stat.h>

#include "catalog/history.h"
#include "catalog/listing.h"
#include "core/buffer.h"
#include "core/config.h"
#include "core/json.h"
#include "core/task.h"

typedef struct lb_job {
  sqlite3 *caller;           /* the connection whose function was called */
  const lb_config *config;
  lb_task task;              /* interrupted, interrupted_ctx and draw are set by the caller */
  lb_json *json;
  lb_buf notes;              /* lines */
  lb_buf history_notes;      /* lines that only history gets */

  /* For the history row. */
  int64_t started;
  double started_monotonic;
  lb_run run;
} lb_job;

/* Begins: opens the JSON connection, lists the task. Settings say whether it draws. */
int lb_job_begin(lb_job *job, const char *operation, const char *subject, lb_error *err);

/* Ends: the run goes to history in dir (NULL, or a folder that does not exist: nowhere), with err as its outcome. What
** fails here is warned of, never an error. Texts of job->run must be valid still. */
void lb_job_end(lb_job *job, const char *dir, const lb_error *err);

/* A note "what: why", also in the host's log: for what history should have had, so that it may not have the note. */
void lb_job_warn(lb_job *job, const char *what, const lb_error *why);
void lb_job_note_history(lb_job *job, const char *format, ...) __attribute__((format(printf, 2, 3)));
void lb_job_note(lb_job *job, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The folder of backups: the option, else the setting, as an absolute path (allocated). It must exist. */
char *lb_job_dir(lb_job *job, const char *option, lb_error *err);

/* Compressors: the option (0: none), else the setting, else one a processor up to 8. */
int lb_job_threads(lb_job *job, int64_t option, lb_error *err);
int lb_job_jobs(int64_t option);  /* database connections: the option (0: none), else one a processor up to 8 */
int64_t lb_job_timeout(lb_job *job, int64_t option, lb_error *err);  /* option -1: none */

/* Whether text is a postgres:// or postgresql:// URI. */
bool lb_job_is_postgres(const char *text);

/* Fails where a database that was named is a server's address but no URI; shows nothing of it. */
int lb_job_check_database(const char *text, lb_error *err);

/* A backup file opened for reading: locked shared, so that no rotation takes it away meanwhile. */
typedef struct lb_opened {
  int fd;
  struct stat st;  /* from before anything was read */
  char *path;
  struct lb_reader *reader;
  lb_backup about;
} lb_opened;

/* backup: as the user calls it (catalog/resolve.h); type and target_source: see there. */
int lb_job_open_backup(lb_job *job, const char *dir, const char *backup, lb_type type, const char *target_source,
                       lb_opened *opened, lb_error *err);
/* The same in the folder of the settings, which need not exist where backup is a path. */
int lb_job_find_backup(lb_job *job, const char *backup, lb_type type, lb_opened *opened, lb_error *err);
void lb_job_close_backup(lb_opened *opened);

/* What the configuration names as the database: a path or URI, NULL with err set when it names none. what: "source" or
** "target", as which it could have been passed. */
const char *lb_job_configured_database(lb_job *job, const char *what, lb_error *err);

#endif

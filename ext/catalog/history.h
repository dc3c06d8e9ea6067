/* catalog.db in the folder of backups: every run, and the results of verifications. Useful, never needed to restore;
** rebuilt empty if lost, set aside as catalog.db.damaged when SQLite calls it corrupt. A file of that name that is not
** ours (history_file.h) is left alone, and everything here fails with LB_EXISTS.
**
** Several processes may write it at once. Failing to write history never fails the operation it tells of: the caller
** warns (lb_history_warn).
*/
#ifndef LB_CATALOG_HISTORY_H
#define LB_CATALOG_HISTORY_H

#include <stdint.h>
#include <sys/stat.h>

#include "core/error.h"

typedef struct lb_run {
  const char *operation;       /* create, restore, verify, rotate, delete */
  const char *backup;          /* file name or path; NULL where none came to be */
  const char *source;          /* absolute path or URI without password; NULL: not known */
  const char *target;          /* of a restore */
  int64_t started;             /* seconds UTC */
  double seconds;              /* of the whole run */
  double snapshot_seconds;     /* how long the source's snapshot was held; negative: none */
  int64_t bytes, raw_bytes;    /* -1: not known */
  const char *error;           /* NULL: it went well */
  const char *notes;           /* NULL or lines of text */
} lb_run;

int lb_history_add(const char *dir, const lb_run *run, lb_error *err);

/* The last verification of a backup file (by its base name, size and modification time, so that another file under
** the same name does not inherit it). st: of the file that was verified, from before that: the path may lead to
** another one by now. result: "ok" or what is wrong. */
int lb_history_verified(const char *dir, const char *path, const struct stat *st, const char *level,
                        const char *result, lb_error *err);

/* Reads them back, newest first; the row's texts are valid during the call only. A missing catalog.db has no rows. */
typedef struct lb_run_row { lb_run run; int64_t id; } lb_run_row;
int lb_history_each(const char *dir, int (*each)(void *ctx, const lb_run_row *row, lb_error *err), void *ctx,
                    lb_error *err);

/* lb_verification.mtime of a file: nanoseconds since 1970. */
int64_t lb_history_mtime(const struct stat *st);

/* Whether the result of a file with that mtime is about this file, which has the same name and size. Folders are moved
** by tools that carry whole seconds only: what is below one need not be the same where the file has nothing there. */
bool lb_history_same_mtime(int64_t mtime, const struct stat *st);

typedef struct lb_verification {
  const char *file;
  int64_t bytes, mtime, at;
  const char *level, *result;
} lb_verification;
int lb_history_each_verification(const char *dir, int (*each)(void *ctx, const lb_verification *v, lb_error *err),
                                 void *ctx, lb_error *err);

/* What history should have told, in the host's log (sqlite3_log), code SQLITE_WARNING. */
void lb_history_warn(const char *what, const lb_error *why);

#endif

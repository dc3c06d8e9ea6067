/* A place that a SQLite database is restored to, and the ways to put one there without ever leaving less than there
** was.
**
** NEW         nothing is there: the staged file is renamed into place.
** DATABASE    a readable database: its content is replaced by the Backup API in one write transaction of its own; a
**             crash rolls back, connected readers in WAL mode go on with the old content.
** UNREADABLE  a file that SQLite cannot open: kept byte for byte, then replaced by rename, while nobody has it open.
** MEMORY      a schema of the caller's connection that no path reaches: as DATABASE, on that connection.
**
** A part of a DATABASE is changed by SQL on `db`, between begin and commit. What only the caller's connection reaches
** is copied instead, the copy is changed, and put back whole: nothing of ours runs SQL on the caller's connection.
*/
#ifndef LB_SQLITE_TARGET_H
#define LB_SQLITE_TARGET_H

#include <stdbool.h>
#include <stdint.h>

#include "core/buffer.h"
#include "core/file.h"
#include "sqlite/source.h"

typedef enum lb_target_kind {
  LB_TARGET_NEW,
  LB_TARGET_DATABASE,
  LB_TARGET_UNREADABLE,
  LB_TARGET_MEMORY
} lb_target_kind;

typedef struct lb_target {
  lb_target_kind kind;
  char *path;             /* absolute; NULL for MEMORY */
  char *dir;              /* its folder; NULL for MEMORY */
  char *label;
  char *schema;           /* of db */
  sqlite3 *db;            /* NULL for NEW */
  bool own;               /* db is private */
  bool had_shm;           /* a -shm was there before we came */
  bool wal;               /* DATABASE: it is in WAL mode */
  bool left_wal;          /* it was, until prepare */
  int64_t page_size;      /* DATABASE, MEMORY */
  int64_t bytes;          /* of the file */
  int64_t mode, uid, gid; /* of the file; -1 for NEW and MEMORY */
  int64_t timeout_ms;
  lb_task *task;
  lb_sqlite_source before;/* DATABASE: the connection that `save` read through; tells whether somebody wrote since */
  uint64_t saved_stamp;
  bool saved;
  lb_buf copy;            /* name of the file that saving has made, with its NUL */
  bool copied;            /* as lb_target_copy does; saved_stamp is that of the copy */
  bool written;           /* pages of the new content were put into it */
  bool touched;           /* its content was replaced, or a transaction of ours was begun: closing it is SQLite's */
} lb_target;

/* Looks at what is there. spec: a schema of the caller's connection, or a path; a word without '/' and '.' that is
** neither is LB_NOTFOUND, not a new file. Changes nothing. */
int lb_target_open(lb_target *target, sqlite3 *caller, const char *spec, int64_t timeout_ms, lb_task *task,
                   lb_error *err);

/* Keeps everybody else out of an UNREADABLE one until it is closed; LB_BUSY where somebody has it open. Others need no
** holding yet. */
int lb_target_hold(lb_target *target, lb_error *err);

/* Bytes that saving it takes in its folder. */
int64_t lb_target_save_bytes(const lb_target *target);

/* Makes a DATABASE ready to take pages of page_size (0: any): one in WAL mode with other pages leaves WAL mode for
** the time of the restore, which only works where nobody else has it open; else LB_UNSUPPORTED names both sizes.
** Before save, which keeps a connection of its own. Closing the target puts it back into WAL mode. */
int lb_target_prepare(lb_target *target, int64_t page_size, lb_error *err);

/* Keeps what is there as PATH.before_restore.STAMP; *saved is its path, allocated, or NULL where there was nothing. For
** UNREADABLE the -wal and -journal go along; for NEW a stale -wal or -journal is kept that way, and notes name it.
** Called again it replaces the copy that it has made. */
int lb_target_save(lb_target *target, char **saved, lb_buf *notes, lb_error *err);

/* Removes the copy that was just saved of a target that we have not changed. false: it could not be; a note. */
bool lb_target_unsave(const lb_target *target, lb_buf *notes);

/* Whether a DATABASE is certain to have its old content after lb_target_put has failed, and why. */
bool lb_target_is_as_it_was(const lb_target *target, const lb_error *why);

/* A snapshot of a target on the caller's connection as a file in dir, in rollback mode. Whatever is saved and put
** afterwards has to find the target as it was copied, else it is LB_BUSY. */
int lb_target_copy(lb_target *target, const char *dir, lb_partial *file, lb_error *err);

/* Begins the transaction that changes a DATABASE on a connection of our own, `db`, by SQL: nobody else writes from here
** on, with a rollback journal nobody reads either. Waits for the lock up to timeout_ms. What was saved is what is
** there; where somebody committed in between it is saved again, with a note. */
int lb_target_begin(lb_target *target, lb_buf *notes, lb_error *err);
int lb_target_commit(lb_target *target, lb_error *err);
void lb_target_rollback(lb_target *target);  /* nothing to do outside of a transaction */

/* Puts a database in place. staged lies in the target's folder, is whole, checked, in rollback mode (header), and is
** consumed when it is renamed. NULL for it, with DATABASE only: the content is read where it lies, at path through the
** VFS named vfs, and says rollback mode. mode, uid, gid: for NEW, -1 where not known. wal: the content's own journal
** mode, used for NEW and UNREADABLE; the others keep theirs. page_size 0: an empty database of no byte, which is
** staged. Notes get what a user should know. */
typedef struct lb_target_content {
  lb_partial *staged;
  const char *path, *vfs;
  bool wal;
  int64_t page_size, mode, uid, gid;
} lb_target_content;
int lb_target_put(lb_target *target, const lb_target_content *content, lb_buf *notes, lb_error *err);

/* Removes all but the newest `keep` saved copies of this target, and never `saved`, the one just made. Failing to
** is only a note. */
void lb_target_prune(const lb_target *target, const char *saved, int keep, lb_buf *notes);

void lb_target_close(lb_target *target);

#endif

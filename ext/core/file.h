/* Files: exact reads and writes, durable creation, locks, space.
**
** Durable means: written under a hidden name, fsync, rename, fsync of the folder. A partial is such a file in
** the making: `.NAME.XXXXXX.partial`, created O_EXCL|O_NOFOLLOW with mode 0600 and flock()ed while it is written, so
** that a later run can tell a crash's leftover (no lock) from work in progress.
*/
#ifndef LB_CORE_FILE_H
#define LB_CORE_FILE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "core/error.h"

/* Paths. The results are allocated; the caller frees them. NULL: out of memory, err is set. */
char *lb_path_join(const char *dir, const char *name, lb_error *err);
char *lb_path_dir(const char *path, lb_error *err);          /* "." when there is none */
char *lb_path_absolute(const char *path, lb_error *err);     /* symlinks resolved; the last part may be missing */
const char *lb_path_base(const char *path);                  /* points into path */
char *lb_text_copy(const char *text, lb_error *err);
char *lb_text_printf(lb_error *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* All n bytes at offset, or a failure that names the path. EINTR and short counts are handled. */
int lb_file_write(int fd, const void *data, size_t n, int64_t offset, const char *path, lb_error *err);
int lb_file_read(int fd, void *data, size_t n, int64_t offset, const char *path, lb_error *err);
/* Whether writes go past the page cache (O_DIRECT), as whole blocks from aligned memory. set: does nothing where that
** cannot be; lb_file_write ends it when a file system or an alignment asks for that. */
void lb_file_set_direct(int fd, bool direct);
bool lb_file_is_direct(int fd);

int lb_file_sync(int fd, const char *path, lb_error *err);
int lb_dir_sync(const char *dir, lb_error *err);

/* rename() that never replaces: EEXIST where `to` is there. As rename() it returns 0, or -1 with errno. */
int lb_file_rename_new(const char *from, const char *to);

/* Starts writing [offset, offset+n) back to the disk without waiting, so that the fsync at the end is short. */
void lb_file_flush_early(int fd, int64_t offset, int64_t n);

/* Throws [offset, offset+n) away where the file system can: it reads as zeros, or as before. For scratch. */
void lb_file_forget(int fd, int64_t offset, int64_t n);

/* Fails when dir's file system has less than `need` bytes free, saying both figures and `what` needs them. */
int lb_space_check(const char *dir, int64_t need, const char *what, lb_error *err);

/* flock() without waiting. false: somebody else holds it, or (errno other than EWOULDBLOCK) it cannot be locked. */
bool lb_file_lock(int fd, bool exclusive);
void lb_file_unlock(int fd);

/* close() alone lets go of the lock only when no child that was forked meanwhile has the descriptor still. */
void lb_file_close_locked(int fd);

/* Reads a small text file whole into a new string (the caller frees); fails above max bytes. */
char *lb_file_slurp(const char *path, size_t max, lb_error *err);

typedef struct lb_partial {
  int fd;         /* -1 when not open */
  char *dir;
  char *path;     /* while it has no final name */
} lb_partial;

#define LB_PARTIAL_INIT { -1, NULL, NULL }

/* Creates .NAME.XXXXXX.partial in dir. The caller writes through partial->fd. */
int lb_partial_create(lb_partial *partial, const char *dir, const char *name, lb_error *err);

/* fsync, rename to dir/name without ever replacing what is there (LB_EXISTS), fsync of the folder.
** After LB_EXISTS the partial is as before: another name can be tried. Afterwards the lock is a shared one. */
int lb_partial_publish(lb_partial *partial, const char *name, lb_error *err);

/* The same, but replaces dir/name. */
int lb_partial_replace(lb_partial *partial, const char *name, lb_error *err);

/* Closes, and removes the file if it was not published. Safe to call always. */
void lb_partial_close(lb_partial *partial);

/* Removes leftovers of crashed runs: files `.PREFIX*.partial` in dir that nobody has locked, each with its -journal. */
void lb_partial_sweep(const char *dir, const char *prefix);

/* Writes a small file durably, replacing what is there. */
int lb_file_put(const char *dir, const char *name, const void *data, size_t n, lb_error *err);

#endif

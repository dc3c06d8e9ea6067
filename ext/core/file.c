/* See file.h. */
#include "core/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include "core/buffer.h"

/* ---- paths ---- */

char *lb_text_copy(const char *text, lb_error *err)
{
  char *copy = strdup(text);
  if (!copy) lb_fail_nomem(err);
  return copy;
}

char *lb_text_printf(lb_error *err, const char *format, ...)
{
  char *text = NULL;
  va_list args;
  va_start(args, format);
  int n = vasprintf(&text, format, args);
  va_end(args);
  if (n < 0) {
    lb_fail_nomem(err);
    return NULL;
  }
  return text;
}

char *lb_path_join(const char *dir, const char *name, lb_error *err)
{
  size_t n = strlen(dir);
  return lb_text_printf(err, "%s%s%s", dir, n && dir[n - 1] == '/' ? "" : "/", name);
}

const char *lb_path_base(const char *path)
{
  const char *slash = strrchr(path, '/');
  return slash ? slash + 1 : path;
}

char *lb_path_dir(const char *path, lb_error *err)
{
  const char *slash = strrchr(path, '/');
  if (!slash) return lb_text_copy(".", err);
  if (slash == path) return lb_text_copy("/", err);
  return lb_text_printf(err, "%.*s", (int)(slash - path), path);
}

char *lb_path_absolute(const char *path, lb_error *err)
{
  char *whole = realpath(path, NULL);
  if (whole) return whole;
  if (errno == ENOMEM) {
    lb_fail_nomem(err);
    return NULL;
  }
  char *result = NULL, *dir = lb_path_dir(path, err);
  char *real_dir = dir ? realpath(dir, NULL) : NULL;
  if (real_dir) {
    result = lb_path_join(real_dir, lb_path_base(path), err);
  } else if (dir) {
    lb_fail_errno(err, errno, "cannot open folder %s", dir);
  }
  free(dir);
  free(real_dir);
  return result;
}

/* ---- bytes ---- */

void lb_file_set_direct(int fd, bool direct)
{
#ifdef O_DIRECT
  int flags = fcntl(fd, F_GETFL);
  if (flags >= 0) (void)fcntl(fd, F_SETFL, direct ? flags | O_DIRECT : flags & ~O_DIRECT);
#else
  (void)fd, (void)direct;
#endif
}

bool lb_file_is_direct(int fd)
{
#ifdef O_DIRECT
  int flags = fcntl(fd, F_GETFL);
  return flags >= 0 && (flags & O_DIRECT);
#else
  (void)fd;
  return false;
#endif
}

static bool end_direct(int fd)
{
  if (!lb_file_is_direct(fd)) return false;
  lb_file_set_direct(fd, false);
  return true;
}

int lb_file_write(int fd, const void *data, size_t n, int64_t offset, const char *path, lb_error *err)
{
  const char *at = data;
  while (n) {
    ssize_t done = pwrite(fd, at, n, (off_t)offset);
    if (done < 0 && (errno == EINTR || (errno == EINVAL && end_direct(fd)))) continue;
    if (done < 0) return lb_fail_errno(err, errno, "cannot write %s", path);
    at += done;
    offset += done;
    n -= (size_t)done;
  }
  return LB_OK;
}

int lb_file_read(int fd, void *data, size_t n, int64_t offset, const char *path, lb_error *err)
{
  char *at = data;
  while (n) {
    ssize_t done = pread(fd, at, n, (off_t)offset);
    if (done < 0 && errno == EINTR) continue;
    if (done < 0) return lb_fail_errno(err, errno, "cannot read %s", path);
    if (done == 0) return lb_fail(err, LB_CORRUPT, "%s: truncated at byte %lld", path, (long long)offset);
    at += done;
    offset += done;
    n -= (size_t)done;
  }
  return LB_OK;
}

int lb_file_sync(int fd, const char *path, lb_error *err)
{
  if (fsync(fd)) return lb_fail_errno(err, errno, "cannot write %s to disk", path);
  return LB_OK;
}

int lb_dir_sync(const char *dir, lb_error *err)
{
  int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return lb_fail_errno(err, errno, "cannot open folder %s", dir);
  /* Some file systems cannot fsync a folder and say EINVAL; there is nothing more to do on them. */
  if (fsync(fd) && errno != EINVAL) lb_fail_errno(err, errno, "cannot write folder %s to disk", dir);
  close(fd);
  return err->code;
}

void lb_file_flush_early(int fd, int64_t offset, int64_t n)
{
#ifdef SYNC_FILE_RANGE_WRITE
  sync_file_range(fd, (off_t)offset, (off_t)n, SYNC_FILE_RANGE_WRITE);
#else
  (void)fd, (void)offset, (void)n;
#endif
}

void lb_file_forget(int fd, int64_t offset, int64_t n)
{
#ifdef FALLOC_FL_PUNCH_HOLE
  if (n > 0) (void)!fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)offset, (off_t)n);
#else
  (void)fd, (void)offset, (void)n;
#endif
}

int lb_space_check(const char *dir, int64_t need, const char *what, lb_error *err)
{
  struct statvfs fs;
  if (statvfs(dir, &fs)) return lb_fail_errno(err, errno, "cannot open folder %s", dir);
  int64_t available = (int64_t)fs.f_bavail * (int64_t)fs.f_frsize;
  if (available >= need || fs.f_blocks == 0) return LB_OK;  /* some network file systems do not know */
  return lb_fail(err, LB_FULL, "not enough space in %s: %s needs about %lld bytes, %lld are free", dir, what,
                 (long long)need, (long long)available);
}

/* File systems without RENAME_NOREPLACE get link() and unlink(). */
int lb_file_rename_new(const char *from, const char *to)
{
  if (renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE) == 0) return 0;
  if (errno != EINVAL && errno != ENOSYS) return -1;
  if (link(from, to) == 0) return unlink(from);
  if (errno != EPERM && errno != EOPNOTSUPP && errno != ENOSYS) return -1;
  /* No links here either (FUSE, network shares): an empty placeholder claims the name. */
  int fd = open(to, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
  if (fd < 0) return -1;
  close(fd);
  if (rename(from, to) == 0) return 0;
  int why = errno;
  unlink(to);
  errno = why;
  return -1;
}

bool lb_file_lock(int fd, bool exclusive)
{
  int rc;
  do rc = flock(fd, (exclusive ? LOCK_EX : LOCK_SH) | LOCK_NB);
  while (rc && errno == EINTR);
  return rc == 0;
}

void lb_file_unlock(int fd)
{
  flock(fd, LOCK_UN);  /* it cannot fail where it could be locked */
}

void lb_file_close_locked(int fd)
{
  lb_file_unlock(fd);
  close(fd);
}

char *lb_file_slurp(const char *path, size_t max, lb_error *err)
{
  int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
  struct stat st;
  char *text = NULL;
  if (fd < 0 || fstat(fd, &st)) {
    lb_fail_errno(err, errno, "cannot read %s", path);
  } else if (!S_ISREG(st.st_mode) || st.st_size < 0 || (uint64_t)st.st_size > max) {
    lb_fail(err, LB_CORRUPT, "%s: not a regular file of at most %zu bytes", path, max);
  } else if (!(text = calloc(1, (size_t)st.st_size + 1))) {
    lb_fail_nomem(err);
  } else if (lb_file_read(fd, text, (size_t)st.st_size, 0, path, err)) {
    free(text);
    text = NULL;
  }
  if (fd >= 0) close(fd);
  return text;
}

/* ---- partials ---- */

/* A process that has closed its standard streams gets their numbers for what it opens next, and writes into that what
** it means for the terminal, our progress included: a file that is written never has one of them. */
static int create_apart(const char *path)
{
  int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
  if (fd < 0 || fd > STDERR_FILENO) return fd;
  int apart = fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1), problem = errno;
  if (apart < 0) unlink(path);
  close(fd);
  errno = problem;
  return apart;
}

int lb_partial_create(lb_partial *partial, const char *dir, const char *name, lb_error *err)
{
  struct timespec now;
  partial->fd = -1;
  partial->dir = lb_text_copy(dir, err);
  if (!partial->dir) return err->code;
  for (unsigned attempt = 0; attempt < 100; attempt++) {
    clock_gettime(CLOCK_MONOTONIC, &now);
    unsigned unique = (unsigned)now.tv_nsec * 2654435761u + (unsigned)getpid() + attempt;
    free(partial->path);
    partial->path = lb_text_printf(err, "%s/.%s.%06x.partial", dir, name, unique & 0xffffff);
    if (!partial->path) return err->code;
    partial->fd = create_apart(partial->path);
    if (partial->fd >= 0) {
      /* A sweep may have seen the file before it was locked: then it is, or soon will be, unlinked.
      ** A file system without locks still gets its backup: the sweep cannot lock there either, and leaves it. */
      struct stat st;
      bool locked = lb_file_lock(partial->fd, true) || errno != EWOULDBLOCK;
      if (locked && fstat(partial->fd, &st) == 0 && st.st_nlink > 0) return LB_OK;
      close(partial->fd);
      partial->fd = -1;
    } else if (errno != EEXIST) {
      break;
    }
  }
  lb_fail_errno(err, errno, "cannot create a file in folder %s", dir);
  free(partial->path);
  partial->path = NULL;
  return err->code;
}

static int publish(lb_partial *partial, const char *name, bool replace, lb_error *err)
{
  char *final = lb_path_join(partial->dir, name, err);
  if (!final) return err->code;
  if (lb_file_sync(partial->fd, partial->path, err) == LB_OK) {
    int rc = replace ? rename(partial->path, final) : lb_file_rename_new(partial->path, final);
    if (rc) {
      lb_fail_errno(err, errno, "cannot rename %s to %s", partial->path, final);
    } else {
      free(partial->path);
      partial->path = NULL;
      lb_file_lock(partial->fd, false);  /* it is whole: others may read it, and none may remove it yet */
      lb_dir_sync(partial->dir, err);
    }
  }
  free(final);
  return err->code;
}

int lb_partial_publish(lb_partial *partial, const char *name, lb_error *err)
{
  return publish(partial, name, false, err);
}

int lb_partial_replace(lb_partial *partial, const char *name, lb_error *err)
{
  return publish(partial, name, true, err);
}

void lb_partial_close(lb_partial *partial)
{
  if (partial->path) unlink(partial->path);
  if (partial->fd >= 0) lb_file_close_locked(partial->fd);
  free(partial->path);
  free(partial->dir);
  *partial = (lb_partial)LB_PARTIAL_INIT;
}

static bool is_partial_of(const char *name, const char *prefix)
{
  size_t n = strlen(name), p = strlen(prefix), s = strlen(".partial");
  return name[0] == '.' && n >= 1 + p + s && memcmp(name + 1, prefix, p) == 0 && strcmp(name + n - s, ".partial") == 0;
}

/* A database in the making may have had a journal. */
static void remove_leftover(int dir, const char *name)
{
  char journal[NAME_MAX + 1];
  int n = snprintf(journal, sizeof journal, "%s-journal", name);
  unlinkat(dir, name, 0);
  if (n > 0 && (size_t)n < sizeof journal) unlinkat(dir, journal, 0);
}

void lb_partial_sweep(const char *dir, const char *prefix)
{
  DIR *d = opendir(dir);
  if (!d) return;
  struct dirent *item;
  while ((item = readdir(d))) {
    if (!is_partial_of(item->d_name, prefix)) continue;
    int fd = openat(dirfd(d), item->d_name, O_RDWR | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
    struct stat st;
    if (fd < 0) continue;
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && lb_file_lock(fd, true)) remove_leftover(dirfd(d), item->d_name);
    close(fd);
  }
  closedir(d);
}

int lb_file_put(const char *dir, const char *name, const void *data, size_t n, lb_error *err)
{
  lb_partial partial = LB_PARTIAL_INIT;
  if (lb_partial_create(&partial, dir, name, err) == LB_OK &&
      lb_file_write(partial.fd, data, n, 0, partial.path, err) == LB_OK) {
    lb_partial_replace(&partial, name, err);
  }
  lb_partial_close(&partial);
  return err->code;
}

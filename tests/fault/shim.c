/* A hostile machine for one call: preloaded (LD_PRELOAD) below libc's wrappers, it counts the operations of one class
** and, at the N-th, fails it with an errno, fails it and all that follow (a full disk stays full), or kills the process
** in the middle of it. It also watches that what gets a final name was flushed to disk before, and its folder after.
**
** How it is used: the driver (drive.py) finds the fault_* functions in its own process, calls fault_arm(), and
** fault_step() runs one sqlite3_step() with the fault armed: nothing but the code under test is counted. Every N is
** walked until a call ends in which the fault did not happen (fault_happened() is 0).
**
** What it does not do: real flushing (fsync is counted and watched, not done: the tests are about order, and about what
** is left in the files; a power failure is not simulated), and calls that libc makes inside itself.
*/
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define PUBLIC __attribute__((visibility("default")))

enum fault_class { NOTHING, WRITE, SYNC, RENAME, UNLINK, OPEN, SIZE, READ, MAP, THREAD, ALLOC };
enum fault_mode { ONCE, FROM_THEN_ON, KILL };

static _Atomic bool armed;
static _Atomic long counted;
static _Atomic bool happened;
static int class_now, mode_now, errno_now;
static long at_now;

#define REAL(name) static __typeof__(name) *real_##name
REAL(write); REAL(pwrite); REAL(rename); REAL(renameat2); REAL(link); REAL(unlink);
REAL(unlinkat); REAL(open); REAL(openat); REAL(ftruncate); REAL(fallocate); REAL(posix_fallocate); REAL(read);
REAL(pread); REAL(mmap); REAL(pthread_create);
static int (*real_step)(void *stmt);

__attribute__((constructor)) static void find_real(void)
{
#define FIND(name) *(void **)&real_##name = dlsym(RTLD_NEXT, #name)
  FIND(write); FIND(pwrite); FIND(rename); FIND(renameat2); FIND(link); FIND(unlink);
  FIND(unlinkat); FIND(open); FIND(openat); FIND(ftruncate); FIND(fallocate); FIND(posix_fallocate); FIND(read);
  FIND(pread); FIND(mmap); FIND(pthread_create);
}

/* Whether this call is to fail (errno is set). To be killed means to die here; a write dies half done, in torn(). */
static bool fails(int class)
{
  if (!atomic_load(&armed) || class != class_now) return false;
  long n = atomic_fetch_add(&counted, 1) + 1;
  if (n < at_now || (n > at_now && mode_now != FROM_THEN_ON)) return false;
  atomic_store(&happened, true);
  if (mode_now == KILL && class != WRITE) kill(getpid(), SIGKILL);
  errno = errno_now;
  return true;
}

/* ---- watching ---- */

enum { FILES_MAX = 256, NAMES_MAX = 64 };
typedef struct watched { dev_t dev; ino_t ino; bool dirty; } watched;
typedef struct name_change { dev_t dev; ino_t dir; char path[PATH_MAX]; bool removed; } name_change;

static pthread_mutex_t watch = PTHREAD_MUTEX_INITIALIZER;
static watched files[FILES_MAX];
static name_change changes[NAMES_MAX];
static int file_count, change_count;
static char report[16384];

static void complain(const char *what, const char *path)
{
  size_t n = strlen(report);
  snprintf(report + n, sizeof report - n, "%s: %s\n", what, path);
}

static watched *find_file(const struct stat *st)
{
  for (int i = 0; i < file_count; i++) {
    if (files[i].dev == st->st_dev && files[i].ino == st->st_ino) return &files[i];
  }
  if (file_count == FILES_MAX) abort();
  files[file_count] = (watched){ st->st_dev, st->st_ino, false };
  return &files[file_count++];
}

static void saw_write(int fd)
{
  struct stat st;
  if (!atomic_load(&armed) || fstat(fd, &st) || !S_ISREG(st.st_mode)) return;
  pthread_mutex_lock(&watch);
  find_file(&st)->dirty = true;
  pthread_mutex_unlock(&watch);
}

static void saw_sync(int fd)
{
  struct stat st;
  if (!atomic_load(&armed) || fstat(fd, &st)) return;
  pthread_mutex_lock(&watch);
  if (S_ISDIR(st.st_mode)) {
    int kept = 0;
    for (int i = 0; i < change_count; i++) {
      if (changes[i].dev != st.st_dev || changes[i].dir != st.st_ino) changes[kept++] = changes[i];
    }
    change_count = kept;
  } else {
    find_file(&st)->dirty = false;
  }
  pthread_mutex_unlock(&watch);
}

static bool ends_with(const char *text, const char *end)
{
  size_t n = strlen(text), m = strlen(end);
  return n >= m && strcmp(text + n - m, end) == 0;
}

/* History keeps itself by SQLite's own rules, and what it sets aside is lost anyway. */
static bool is_final(const char *path)
{
  const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
  return name[0] != '.' && strncmp(name, "catalog.db", 10) != 0;
}

static void add_change(const char *path, bool removed)
{
  char dir[PATH_MAX];
  const char *slash = strrchr(path, '/');
  struct stat st;
  snprintf(dir, sizeof dir, "%.*s", slash ? (int)(slash - path) + 1 : 1, slash ? path : ".");
  if (stat(dir, &st)) return;
  if (change_count == NAMES_MAX) abort();
  name_change *c = &changes[change_count++];
  c->dev = st.st_dev;
  c->dir = st.st_ino;
  c->removed = removed;
  snprintf(c->path, sizeof c->path, "%s", path);
}

/* A -wal or -journal whose removal is not on disk yet would, after a power failure, be replayed into the new file. */
static void check_siblings(const char *path)
{
  size_t n = strlen(path);
  for (int i = 0; i < change_count; i++) {
    const name_change *c = &changes[i];
    if (!c->removed || strncmp(c->path, path, n) != 0) continue;
    if (strcmp(c->path + n, "-wal") == 0 || strcmp(c->path + n, "-journal") == 0) {
      complain("renamed into place before its sibling's removal was flushed", c->path);
    }
  }
}

static void saw_name(const char *from, const char *to, const struct stat *st, bool moved)
{
  if (!atomic_load(&armed)) return;
  pthread_mutex_lock(&watch);
  if (moved && is_final(from)) add_change(from, true);
  if (is_final(to) && !ends_with(to, ".partial")) {
    if (find_file(st)->dirty) complain("got its name before it was flushed", to);
    check_siblings(to);
    add_change(to, false);
  }
  pthread_mutex_unlock(&watch);
}

static void saw_unlink(const char *path)
{
  if (!atomic_load(&armed) || !(ends_with(path, "-wal") || ends_with(path, "-journal")) || !is_final(path)) return;
  pthread_mutex_lock(&watch);
  add_change(path, true);
  pthread_mutex_unlock(&watch);
}

/* ---- what the driver calls ---- */

PUBLIC void fault_arm(int class, long at, int errnum, int mode)
{
  class_now = class;
  at_now = at;
  errno_now = errnum;
  mode_now = mode;
  file_count = change_count = 0;
  report[0] = 0;
  atomic_store(&counted, 0);
  atomic_store(&happened, false);
  *(void **)&real_step = dlsym(RTLD_DEFAULT, "sqlite3_step");
}

PUBLIC int fault_step(void *stmt)
{
  atomic_store(&armed, true);
  int rc = real_step(stmt);
  atomic_store(&armed, false);
  return rc;
}

/* Backups of long ago are made by a clock that is set back. */
static _Atomic long clock_shift;
PUBLIC void fault_shift_clock(long seconds) { atomic_store(&clock_shift, seconds); }

PUBLIC time_t time(time_t *out)
{
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  now.tv_sec += atomic_load(&clock_shift);
  if (out) *out = now.tv_sec;
  return now.tv_sec;
}

PUBLIC int fault_happened(void) { return atomic_load(&happened); }
PUBLIC long fault_counted(void) { return atomic_load(&counted); }

/* What was seen that must not be, line by line; a name whose folder was not flushed after it included. */
PUBLIC const char *fault_report(void)
{
  for (int i = 0; i < change_count; i++) {
    if (!changes[i].removed) complain("its folder was not flushed after it got its name", changes[i].path);
  }
  change_count = 0;
  return report;
}

/* ---- files ---- */

/* A disk fills in the middle of a write, and a process dies there. */
static ssize_t torn(int fd, const void *data, size_t n, off_t offset)
{
  int errnum = errno;
  if (n > 1 && mode_now != ONCE) {
    (void)!(offset < 0 ? real_write(fd, data, n / 2) : real_pwrite(fd, data, n / 2, offset));
  }
  if (mode_now == KILL) kill(getpid(), SIGKILL);
  errno = errnum;
  return -1;
}

PUBLIC ssize_t write(int fd, const void *data, size_t n)
{
  if (fails(WRITE)) return torn(fd, data, n, -1);
  saw_write(fd);
  return real_write(fd, data, n);
}

PUBLIC ssize_t pwrite(int fd, const void *data, size_t n, off_t offset)
{
  if (fails(WRITE)) return torn(fd, data, n, offset);
  saw_write(fd);
  return real_pwrite(fd, data, n, offset);
}

PUBLIC ssize_t pwrite64(int fd, const void *data, size_t n, off64_t offset) { return pwrite(fd, data, n, offset); }

PUBLIC ssize_t read(int fd, void *data, size_t n)
{
  return fails(READ) ? -1 : real_read(fd, data, n);
}

PUBLIC ssize_t pread(int fd, void *data, size_t n, off_t offset)
{
  return fails(READ) ? -1 : real_pread(fd, data, n, offset);
}

PUBLIC ssize_t pread64(int fd, void *data, size_t n, off64_t offset) { return pread(fd, data, n, offset); }

static int flush(int fd)
{
  if (fails(SYNC)) return -1;
  saw_sync(fd);
  return 0;
}

PUBLIC int fsync(int fd) { return flush(fd); }
PUBLIC int fdatasync(int fd) { return flush(fd); }

PUBLIC int ftruncate(int fd, off_t size)
{
  if (fails(SIZE)) return -1;
  saw_write(fd);
  return real_ftruncate(fd, size);
}

PUBLIC int ftruncate64(int fd, off64_t size) { return ftruncate(fd, size); }

PUBLIC int fallocate(int fd, int mode, off_t offset, off_t n)
{
  if (fails(SIZE)) return -1;
  saw_write(fd);
  return real_fallocate(fd, mode, offset, n);
}

PUBLIC int fallocate64(int fd, int mode, off64_t offset, off64_t n) { return fallocate(fd, mode, offset, n); }

PUBLIC int posix_fallocate(int fd, off_t offset, off_t n)
{
  if (fails(SIZE)) return errno;
  saw_write(fd);
  return real_posix_fallocate(fd, offset, n);
}

PUBLIC int posix_fallocate64(int fd, off64_t offset, off64_t n) { return posix_fallocate(fd, offset, n); }

static mode_t mode_of(int flags, va_list args)
{
  return flags & (O_CREAT | O_TMPFILE) ? va_arg(args, mode_t) : 0;
}

PUBLIC int open(const char *path, int flags, ...)
{
  va_list args;
  va_start(args, flags);
  mode_t mode = mode_of(flags, args);
  va_end(args);
  return fails(OPEN) ? -1 : real_open(path, flags, mode);
}

PUBLIC int open64(const char *path, int flags, ...)
{
  va_list args;
  va_start(args, flags);
  mode_t mode = mode_of(flags, args);
  va_end(args);
  return open(path, flags | O_LARGEFILE, mode);
}

PUBLIC int openat(int dir, const char *path, int flags, ...)
{
  va_list args;
  va_start(args, flags);
  mode_t mode = mode_of(flags, args);
  va_end(args);
  return fails(OPEN) ? -1 : real_openat(dir, path, flags, mode);
}

PUBLIC int openat64(int dir, const char *path, int flags, ...)
{
  va_list args;
  va_start(args, flags);
  mode_t mode = mode_of(flags, args);
  va_end(args);
  return openat(dir, path, flags | O_LARGEFILE, mode);
}

/* ---- names ---- */

PUBLIC int rename(const char *from, const char *to)
{
  struct stat st = { 0 };
  if (fails(RENAME)) return -1;
  if (stat(from, &st)) return real_rename(from, to);
  int rc = real_rename(from, to);
  if (rc == 0) saw_name(from, to, &st, true);
  return rc;
}

/* Only with AT_FDCWD or absolute paths, which is all that is used. */
PUBLIC int renameat2(int from_dir, const char *from, int to_dir, const char *to, unsigned flags)
{
  struct stat st = { 0 };
  if (fails(RENAME)) return -1;
  if (stat(from, &st)) return real_renameat2(from_dir, from, to_dir, to, flags);
  int rc = real_renameat2(from_dir, from, to_dir, to, flags);
  if (rc == 0) saw_name(from, to, &st, true);
  return rc;
}

PUBLIC int link(const char *from, const char *to)
{
  struct stat st = { 0 };
  if (fails(RENAME)) return -1;
  if (stat(from, &st)) return real_link(from, to);
  int rc = real_link(from, to);
  if (rc == 0) saw_name(from, to, &st, false);
  return rc;
}

PUBLIC int unlink(const char *path)
{
  if (fails(UNLINK)) return -1;
  int rc = real_unlink(path);
  if (rc == 0) saw_unlink(path);
  return rc;
}

PUBLIC int unlinkat(int dir, const char *path, int flags)
{
  return fails(UNLINK) ? -1 : real_unlinkat(dir, path, flags);
}

/* ---- memory and threads ---- */

PUBLIC void *mmap(void *at, size_t n, int protection, int flags, int fd, off_t offset)
{
  if (fails(MAP)) return MAP_FAILED;
  return real_mmap(at, n, protection, flags, fd, offset);
}

PUBLIC void *mmap64(void *at, size_t n, int protection, int flags, int fd, off64_t offset)
{
  return mmap(at, n, protection, flags, fd, offset);
}

PUBLIC int pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*run)(void *), void *arg)
{
  return fails(THREAD) ? EAGAIN : real_pthread_create(thread, attr, run, arg);
}

/* A sanitizer brings its own; its malloc and libc's must not be mixed. */
#ifndef WITHOUT_ALLOC
extern void *__libc_malloc(size_t n);
extern void *__libc_calloc(size_t n, size_t size);
extern void *__libc_realloc(void *old, size_t n);

PUBLIC void *malloc(size_t n) { return fails(ALLOC) ? NULL : __libc_malloc(n); }
PUBLIC void *calloc(size_t n, size_t size) { return fails(ALLOC) ? NULL : __libc_calloc(n, size); }
PUBLIC void *realloc(void *old, size_t n) { return fails(ALLOC) ? NULL : __libc_realloc(old, n); }
#endif

/* See buffered_vfs.h. */
#include "sqlite/buffered_vfs.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/file.h"

SQLITE_EXTENSION_INIT3

/* Writes stay below 128 KiB: SQLite's unix VFS writes nothing for more and reports a full disk. */
enum { WINDOW = 64 * 1024, COLLECT = 64 * 1024, EARLY = 8 * 1024 * 1024 };

static const char vfs_name[] = "lifeboat-buffered";

typedef struct buffered_file {
  sqlite3_file base;
  sqlite3_file *real;           /* lies right behind this struct */
  bool ahead;                   /* reads come from the window */
  unsigned char *window;        /* WINDOW bytes; NULL: not needed yet */
  sqlite3_int64 window_start;
  int window_bytes;             /* of content in the window */
  int lent;                     /* pages that SQLite uses where they lie in the window, which stays as it is then */
  unsigned char *waiting;       /* COLLECT bytes that are not written yet; NULL: not needed yet */
  sqlite3_int64 waiting_start;
  int waiting_bytes;
  int failed;                   /* result of a write that nobody was told of yet */
  int early;                    /* descriptor of a -wal or journal, whose writing back is begun early; -1: of no use */
  sqlite3_int64 early_start, early_end;  /* what was written since */
} buffered_file;

static buffered_file *of(sqlite3_file *file) { return (buffered_file *)file; }
static sqlite3_file *real_of(sqlite3_file *file) { return ((buffered_file *)file)->real; }

/* A transaction of a gigabyte goes through the -wal or the journal, whose sync would find all of it still in memory.
** Begun while SQLite is at the next pages, it has little left to wait for. A hint: what fails here does not matter. */
static void begin_write_back(buffered_file *f, int n, sqlite3_int64 offset)
{
  if (f->early < 0) return;
  if (offset != f->early_end) f->early_start = offset;
  f->early_end = offset + n;
  if (f->early_end - f->early_start < EARLY) return;
  lb_file_flush_early(f->early, f->early_start, f->early_end - f->early_start);
  f->early_start = f->early_end;
}

/* SQLite ignores what some calls return (unlock, close, hints). A failed write is kept until one that counts
** reports it: forgetting it would let a checkpoint believe that its pages are in the database. */
static int flush(buffered_file *f)
{
  int n = f->waiting_bytes;
  f->waiting_bytes = 0;
  int rc = n ? f->real->pMethods->xWrite(f->real, f->waiting, n, f->waiting_start) : SQLITE_OK;
  if (rc && !f->failed) f->failed = rc;
  if (n && !rc) begin_write_back(f, n, f->waiting_start);
  return f->failed;
}

/* For the calls whose result SQLite heeds: read, write, truncate, sync. */
static int flush_and_report(buffered_file *f)
{
  int rc = flush(f);
  f->failed = SQLITE_OK;
  return rc;
}

/* Before any call after which the file may be another's to change. */
static int settle(sqlite3_file *file)
{
  of(file)->window_bytes = 0;
  return flush(of(file));
}

static int settle_and_report(sqlite3_file *file)
{
  of(file)->window_bytes = 0;
  return flush_and_report(of(file));
}

static bool overlap(sqlite3_int64 a, int a_bytes, sqlite3_int64 b, int b_bytes)
{
  return a < b + b_bytes && b < a + a_bytes;
}

/* ---- reading ---- */

/* Fills the window from offset on. Less than a window is read where the file ends. */
static int fill_window(buffered_file *f, sqlite3_int64 offset)
{
  sqlite3_int64 size;
  f->window_bytes = 0;
  int rc = flush_and_report(f);
  if (rc == SQLITE_OK) rc = f->real->pMethods->xFileSize(f->real, &size);
  if (rc || size <= offset) return rc;
  int n = size - offset < WINDOW ? (int)(size - offset) : WINDOW;
  rc = f->real->pMethods->xRead(f->real, f->window, n, offset);
  if (rc) return rc;
  f->window_start = offset;
  f->window_bytes = n;
  return SQLITE_OK;
}

static bool in_window(const buffered_file *f, int n, sqlite3_int64 offset)
{
  return offset >= f->window_start && offset + n <= f->window_start + f->window_bytes;
}

static int file_read(sqlite3_file *file, void *data, int n, sqlite3_int64 offset)
{
  buffered_file *f = of(file);
  int rc = SQLITE_OK;
  if (overlap(offset, n, f->waiting_start, f->waiting_bytes)) rc = flush_and_report(f);
  if (f->ahead && !f->window) f->window = malloc(WINDOW);
  if (rc == SQLITE_OK && f->ahead && f->window) {
    if (!in_window(f, n, offset) && !f->lent) rc = fill_window(f, offset);
    if (rc == SQLITE_OK && in_window(f, n, offset)) {
      memcpy(data, f->window + (offset - f->window_start), (size_t)n);
      return SQLITE_OK;
    }
  }
  return rc ? rc : f->real->pMethods->xRead(f->real, data, n, offset);
}

/* A page without a copy of it: SQLite's interface for mapped files, though nothing is mapped here. */
static int file_fetch(sqlite3_file *file, sqlite3_int64 offset, int n, void **page)
{
  buffered_file *f = of(file);
  int rc = SQLITE_OK;
  *page = NULL;
  if (!f->ahead || f->waiting_bytes) return SQLITE_OK;
  if (!f->window) f->window = malloc(WINDOW);
  if (f->window && !in_window(f, n, offset) && !f->lent) rc = fill_window(f, offset);
  if (rc || !in_window(f, n, offset)) return rc;
  f->lent++;
  *page = f->window + (offset - f->window_start);
  return SQLITE_OK;
}

static int file_unfetch(sqlite3_file *file, sqlite3_int64 offset, void *page)
{
  (void)offset;
  if (page) of(file)->lent--;
  return SQLITE_OK;
}

/* ---- writing ---- */

static int file_write(sqlite3_file *file, const void *data, int n, sqlite3_int64 offset)
{
  buffered_file *f = of(file);
  if (overlap(offset, n, f->window_start, f->window_bytes)) f->window_bytes = 0;
  bool follows = f->waiting_bytes && offset == f->waiting_start + f->waiting_bytes && f->waiting_bytes + n <= COLLECT;
  if (!follows) {
    int rc = flush_and_report(f);
    if (rc) return rc;
    if (!f->waiting) f->waiting = malloc(COLLECT);
    if (!f->waiting || n > COLLECT) return f->real->pMethods->xWrite(f->real, data, n, offset);
    f->waiting_start = offset;
  }
  memcpy(f->waiting + f->waiting_bytes, data, (size_t)n);
  f->waiting_bytes += n;
  return SQLITE_OK;
}

/* ---- everything else goes through ---- */

static int file_close(sqlite3_file *file)
{
  buffered_file *f = of(file);
  int rc = settle(file), closed = f->real->pMethods->xClose(f->real);
  if (f->early >= 0) close(f->early);
  free(f->window);
  free(f->waiting);
  return rc ? rc : closed;
}

static int file_truncate(sqlite3_file *file, sqlite3_int64 size)
{
  int rc = settle_and_report(file);
  return rc ? rc : real_of(file)->pMethods->xTruncate(real_of(file), size);
}

static int file_sync(sqlite3_file *file, int flags)
{
  int rc = settle_and_report(file);
  return rc ? rc : real_of(file)->pMethods->xSync(real_of(file), flags);
}

static int file_size(sqlite3_file *file, sqlite3_int64 *size)
{
  int rc = flush(of(file));
  return rc ? rc : real_of(file)->pMethods->xFileSize(real_of(file), size);
}

static int file_lock(sqlite3_file *file, int level)
{
  int rc = settle(file);
  return rc ? rc : real_of(file)->pMethods->xLock(real_of(file), level);
}

static int file_unlock(sqlite3_file *file, int level)
{
  int rc = settle(file), unlocked = real_of(file)->pMethods->xUnlock(real_of(file), level);
  return rc ? rc : unlocked;
}

static int file_reserved(sqlite3_file *file, int *out)
{
  return real_of(file)->pMethods->xCheckReservedLock(real_of(file), out);
}

static int file_control(sqlite3_file *file, int op, void *arg)
{
  sqlite3_int64 none = 0;
  if (op == SQLITE_FCNTL_MMAP_SIZE) arg = &none;  /* a mapped file that shrinks would kill the host: SIGBUS */
  return real_of(file)->pMethods->xFileControl(real_of(file), op, arg);
}

static int file_sector(sqlite3_file *file) { return real_of(file)->pMethods->xSectorSize(real_of(file)); }
static int file_traits(sqlite3_file *file) { return real_of(file)->pMethods->xDeviceCharacteristics(real_of(file)); }

static int file_shm_map(sqlite3_file *file, int region, int size, int extend, void volatile **out)
{
  return real_of(file)->pMethods->xShmMap(real_of(file), region, size, extend, out);
}

static int file_shm_lock(sqlite3_file *file, int offset, int n, int flags)
{
  return real_of(file)->pMethods->xShmLock(real_of(file), offset, n, flags);
}

static void file_shm_barrier(sqlite3_file *file) { real_of(file)->pMethods->xShmBarrier(real_of(file)); }
static int file_shm_unmap(sqlite3_file *file, int gone)
{
  return real_of(file)->pMethods->xShmUnmap(real_of(file), gone);
}

#define COMMON_METHODS \
  .xClose = file_close, .xRead = file_read, .xWrite = file_write, .xTruncate = file_truncate, .xSync = file_sync, \
  .xFileSize = file_size, .xLock = file_lock, .xUnlock = file_unlock, .xCheckReservedLock = file_reserved, \
  .xFileControl = file_control, .xSectorSize = file_sector, .xDeviceCharacteristics = file_traits

/* Version 3 has xFetch, with which the window lends pages; version 1 is what a VFS without shared memory gives. */
static const sqlite3_io_methods plain_methods = { .iVersion = 1, COMMON_METHODS };
static const sqlite3_io_methods shm_methods = { .iVersion = 3, COMMON_METHODS, .xShmMap = file_shm_map,
                                                .xShmLock = file_shm_lock, .xShmBarrier = file_shm_barrier,
                                                .xShmUnmap = file_shm_unmap, .xFetch = file_fetch,
                                                .xUnfetch = file_unfetch };

static int vfs_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags, int *out_flags)
{
  sqlite3_vfs *host = vfs->pAppData;
  buffered_file *f = of(file);
  memset(f, 0, sizeof *f);
  f->real = (sqlite3_file *)(f + 1);
  f->real->pMethods = NULL;
  int rc = host->xOpen(host, name, f->real, flags, out_flags);
  f->early = -1;
  if (!f->real->pMethods) return rc;
  /* SQLite keeps no locks on these two, which closing this descriptor would drop. */
  bool log = flags & (SQLITE_OPEN_WAL | SQLITE_OPEN_MAIN_JOURNAL);
  if (log && name) f->early = open(name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
  f->base.pMethods = f->real->pMethods->iVersion >= 2 ? &shm_methods : &plain_methods;
  return rc;
}

static sqlite3_vfs *host_of(sqlite3_vfs *vfs) { return vfs->pAppData; }

static int vfs_delete(sqlite3_vfs *vfs, const char *name, int sync)
{
  return host_of(vfs)->xDelete(host_of(vfs), name, sync);
}

static int vfs_access(sqlite3_vfs *vfs, const char *name, int flags, int *out)
{
  return host_of(vfs)->xAccess(host_of(vfs), name, flags, out);
}

static int vfs_full_path(sqlite3_vfs *vfs, const char *name, int size, char *out)
{
  return host_of(vfs)->xFullPathname(host_of(vfs), name, size, out);
}

static int vfs_random(sqlite3_vfs *vfs, int n, char *out) { return host_of(vfs)->xRandomness(host_of(vfs), n, out); }
static int vfs_sleep(sqlite3_vfs *vfs, int us) { return host_of(vfs)->xSleep(host_of(vfs), us); }
static int vfs_time(sqlite3_vfs *vfs, double *t) { return host_of(vfs)->xCurrentTime(host_of(vfs), t); }
static int vfs_error(sqlite3_vfs *vfs, int n, char *out) { return host_of(vfs)->xGetLastError(host_of(vfs), n, out); }

static sqlite3_vfs the_vfs;
static pthread_mutex_t register_mutex = PTHREAD_MUTEX_INITIALIZER;

const char *lb_buffered_vfs(lb_error *err)
{
  pthread_mutex_lock(&register_mutex);
  if (!the_vfs.zName) {
    sqlite3_vfs *host = sqlite3_vfs_find(NULL);
    the_vfs = (sqlite3_vfs){
      .iVersion = 1,
      .szOsFile = (int)sizeof(buffered_file) + host->szOsFile,
      .mxPathname = host->mxPathname,
      .zName = vfs_name,
      .pAppData = host,
      .xOpen = vfs_open,
      .xDelete = vfs_delete,
      .xAccess = vfs_access,
      .xFullPathname = vfs_full_path,
      .xRandomness = vfs_random,
      .xSleep = vfs_sleep,
      .xCurrentTime = vfs_time,
      .xGetLastError = vfs_error,
    };
    if (sqlite3_vfs_register(&the_vfs, 0)) the_vfs.zName = NULL;
  }
  const char *name = the_vfs.zName;
  pthread_mutex_unlock(&register_mutex);
  if (!name) lb_fail_nomem(err);
  return name;
}

static buffered_file *main_file(sqlite3 *db)
{
  sqlite3_file *file = NULL;
  if (sqlite3_file_control(db, "main", SQLITE_FCNTL_FILE_POINTER, &file) || !file || !file->pMethods) return NULL;
  return file->pMethods == &plain_methods || file->pMethods == &shm_methods ? of(file) : NULL;
}

void lb_buffered_read_ahead(sqlite3 *db, bool on)
{
  buffered_file *f = main_file(db);
  if (!f) return;
  f->window_bytes = 0;
  f->ahead = on;
}

void lb_buffered_lend_pages(sqlite3 *db)
{
  /* Any size: SQLite asks xFetch only if there is one, and file_control keeps it from the file underneath. */
  if (main_file(db)) sqlite3_exec(db, "PRAGMA main.mmap_size=1099511627776", NULL, NULL, NULL);
}

/* See vfs.h. */
#include "vfs/vfs.h"

#include <pthread.h>
#include <sqlite3ext.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "core/buffer.h"
#include "vfs/cache.h"

SQLITE_EXTENSION_INIT3

enum { PAGE_SECTOR = 4096, FORMAT_OFFSET = 18, FORMAT_BYTES = 2, FORMAT_ROLLBACK = 1, FORMAT_WAL = 2 };

static const char beginning[] = "SQLite format 3";  /* with its NUL: 16 bytes */

typedef struct backup_file {
  sqlite3_file base;
  lb_cached_file *cached;          /* NULL: a plain file, and `real` is open */
  lb_cache_trail trail;
  lb_error *failure;               /* why the last read that failed did; NULL: none has */
  sqlite3_file *real;              /* of the default VFS; lies right behind this struct */
} backup_file;

static backup_file *of(sqlite3_file *file) { return (backup_file *)file; }

/* ---- a file ---- */

static int file_close(sqlite3_file *file)
{
  backup_file *f = of(file);
  lb_cache_close(f->cached);
  free(f->failure);
  return f->cached ? SQLITE_OK : f->real->pMethods->xClose(f->real);
}

static int result_of(const lb_error *err, int otherwise)
{
  sqlite3_log(err->code == LB_NOMEM ? SQLITE_NOMEM : err->code == LB_CORRUPT ? SQLITE_IOERR_DATA : otherwise,
              "lifeboat: %s", err->message);
  return err->code == LB_NOMEM ? SQLITE_IOERR_NOMEM : err->code == LB_CORRUPT ? SQLITE_IOERR_DATA : otherwise;
}

static int read_failed(backup_file *f, const lb_error *err)
{
  if (!f->failure) f->failure = malloc(sizeof *f->failure);
  if (f->failure) *f->failure = *err;
  return result_of(err, SQLITE_IOERR_READ);
}

/* Bytes 18 and 19 of the content, where they lie in what was read: a -wal is never looked at. */
static void present_as_rollback(unsigned char *data, int n, sqlite3_int64 offset)
{
  for (sqlite3_int64 at = FORMAT_OFFSET; at < FORMAT_OFFSET + FORMAT_BYTES; at++) {
    if (at >= offset && at < offset + n && data[at - offset] == FORMAT_WAL) data[at - offset] = FORMAT_ROLLBACK;
  }
}

static int file_read(sqlite3_file *file, void *data, int n, sqlite3_int64 offset)
{
  backup_file *f = of(file);
  lb_error err = LB_ERROR_INIT;
  bool short_read = false;
  int rc = SQLITE_OK;
  if (!f->cached) rc = f->real->pMethods->xRead(f->real, data, n, offset);
  else if (lb_cache_read(f->cached, &f->trail, (uint64_t)offset, data, (size_t)n, &short_read, &err)) {
    return read_failed(f, &err);
  }
  if (short_read) rc = SQLITE_IOERR_SHORT_READ;
  if ((rc == SQLITE_OK || rc == SQLITE_IOERR_SHORT_READ) && offset < FORMAT_OFFSET + FORMAT_BYTES) {
    present_as_rollback(data, n, offset);
  }
  return rc;
}

static int file_size(sqlite3_file *file, sqlite3_int64 *size)
{
  backup_file *f = of(file);
  if (!f->cached) return f->real->pMethods->xFileSize(f->real, size);
  *size = (sqlite3_int64)lb_cache_content_bytes(f->cached);
  return SQLITE_OK;
}

static int file_write(sqlite3_file *file, const void *data, int n, sqlite3_int64 offset)
{
  (void)file, (void)data, (void)n, (void)offset;
  return SQLITE_READONLY;
}

static int file_truncate(sqlite3_file *file, sqlite3_int64 size)
{
  (void)file, (void)size;
  return SQLITE_READONLY;
}

static int file_sync(sqlite3_file *file, int flags)
{
  (void)file, (void)flags;
  return SQLITE_OK;
}

static int file_lock(sqlite3_file *file, int level)
{
  (void)file, (void)level;
  return SQLITE_OK;
}

static int file_reserved(sqlite3_file *file, int *out)
{
  (void)file;
  *out = 0;
  return SQLITE_OK;
}

/* It cannot move or change as far as anybody who has it open sees. */
static int file_control(sqlite3_file *file, int op, void *arg)
{
  switch (op) {
  case LB_VFS_FAILURE:
    if (of(file)->failure) *(lb_error *)arg = *of(file)->failure;
    return SQLITE_OK;
  case SQLITE_FCNTL_VFSNAME:
    *(char **)arg = sqlite3_mprintf("%s", LB_VFS_NAME);
    return SQLITE_OK;
  case SQLITE_FCNTL_HAS_MOVED:
  case SQLITE_FCNTL_LOCKSTATE:
    *(int *)arg = 0;
    return SQLITE_OK;
  default:
    return SQLITE_NOTFOUND;
  }
}

static int file_sector(sqlite3_file *file)
{
  (void)file;
  return PAGE_SECTOR;
}

static int file_traits(sqlite3_file *file)
{
  (void)file;
  return SQLITE_IOCAP_IMMUTABLE;
}

/* Version 1: without shared memory there is no WAL, and without xFetch PRAGMA mmap_size has no effect. */
static const sqlite3_io_methods methods = {
  .iVersion = 1, .xClose = file_close, .xRead = file_read, .xWrite = file_write, .xTruncate = file_truncate,
  .xSync = file_sync, .xFileSize = file_size, .xLock = file_lock, .xUnlock = file_lock,
  .xCheckReservedLock = file_reserved, .xFileControl = file_control, .xSectorSize = file_sector,
  .xDeviceCharacteristics = file_traits,
};

/* ---- opening ---- */

static sqlite3_vfs *host_of(sqlite3_vfs *vfs) { return vfs->pAppData; }

static int refuse(int rc, const char *name, const char *why)
{
  sqlite3_log(rc, "lifeboat: %s: %s", name, why);
  return rc;
}

static int begins_like_database(sqlite3_file *file, bool *yes)
{
  char head[sizeof beginning];
  int rc = file->pMethods->xRead(file, head, sizeof head, 0);
  *yes = rc == SQLITE_OK && memcmp(head, beginning, sizeof head) == 0;
  return rc == SQLITE_IOERR_SHORT_READ ? SQLITE_OK : rc;
}

/* A database in use, or one that crashed: what is beside it belongs to it. */
static int refuse_live(sqlite3_vfs *host, const char *name)
{
  static const char *const suffixes[] = { "-wal", "-journal" };
  for (int i = 0; i < 2; i++) {
    int there = 0;
    char *path = sqlite3_mprintf("%s%s", name, suffixes[i]);
    if (!path) return SQLITE_NOMEM;
    int rc = host->xAccess(host, path, SQLITE_ACCESS_EXISTS, &there);
    sqlite3_free(path);
    if (rc) return rc;
    if (there) {
      return refuse(SQLITE_CANTOPEN, name, "it has a -wal or -journal beside it, so it is a database and not a whole "
                                           "backup: open it without vfs=lifeboat");
    }
  }
  return SQLITE_OK;
}

/* Looks at the file through the default VFS: a descriptor of ours, once closed, would drop the locks of a database that
** SQLite has open in this process. A plain database stays open that way. */
static int open_plain(sqlite3_vfs *host, const char *name, backup_file *f, bool *plain)
{
  int out = 0;
  *plain = false;
  int rc = host->xOpen(host, name, f->real, SQLITE_OPEN_READONLY | SQLITE_OPEN_MAIN_DB, &out);
  if (rc == SQLITE_OK) rc = begins_like_database(f->real, plain);
  if (rc == SQLITE_OK && *plain) rc = refuse_live(host, name);
  if ((rc || !*plain) && f->real->pMethods) f->real->pMethods->xClose(f->real);
  return rc;
}

/* An empty content is an empty database. */
static int open_backup(const char *name, backup_file *f)
{
  lb_error err = LB_ERROR_INIT;
  char head[sizeof beginning];
  bool short_read;
  f->cached = lb_cache_open(name, &err);
  if (f->cached && lb_cache_read(f->cached, &f->trail, 0, head, sizeof head, &short_read, &err) == LB_OK) {
    if (lb_cache_content_bytes(f->cached) == 0 || memcmp(head, beginning, sizeof head) == 0) return SQLITE_OK;
    lb_cache_close(f->cached);
    return refuse(SQLITE_NOTADB, name, "what is inside is not a SQLite database");
  }
  lb_cache_close(f->cached);
  return result_of(&err, SQLITE_CANTOPEN);
}

static int vfs_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags, int *out_flags)
{
  sqlite3_vfs *host = host_of(vfs);
  backup_file *f = of(file);
  bool plain;
  f->base.pMethods = NULL;
  if (flags & (SQLITE_OPEN_MAIN_JOURNAL | SQLITE_OPEN_WAL)) return SQLITE_CANTOPEN;
  if (!(flags & SQLITE_OPEN_MAIN_DB)) return host->xOpen(host, name, file, flags, out_flags);
  if (!name) return SQLITE_CANTOPEN;
  memset(f, 0, sizeof *f);
  f->real = (sqlite3_file *)(f + 1);
  f->real->pMethods = NULL;
  int rc = open_plain(host, name, f, &plain);
  if (rc == SQLITE_OK && !plain) rc = open_backup(name, f);
  if (rc) return rc;
  f->base.pMethods = &methods;
  if (out_flags) *out_flags = (flags & ~(SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE)) | SQLITE_OPEN_READONLY;
  return SQLITE_OK;
}

/* ---- everything else ---- */

static bool belongs_to_database(const char *name)
{
  size_t n = strlen(name);
  return (n > 4 && strcmp(name + n - 4, "-wal") == 0) || (n > 8 && strcmp(name + n - 8, "-journal") == 0);
}

static int vfs_delete(sqlite3_vfs *vfs, const char *name, int sync)
{
  return belongs_to_database(name) ? SQLITE_IOERR_DELETE : host_of(vfs)->xDelete(host_of(vfs), name, sync);
}

static int vfs_access(sqlite3_vfs *vfs, const char *name, int flags, int *out)
{
  *out = 0;
  return belongs_to_database(name) ? SQLITE_OK : host_of(vfs)->xAccess(host_of(vfs), name, flags, out);
}

static int vfs_full_path(sqlite3_vfs *vfs, const char *name, int size, char *out)
{
  return host_of(vfs)->xFullPathname(host_of(vfs), name, size, out);
}

static void *vfs_dl_open(sqlite3_vfs *vfs, const char *name) { return host_of(vfs)->xDlOpen(host_of(vfs), name); }
static void vfs_dl_error(sqlite3_vfs *vfs, int n, char *out) { host_of(vfs)->xDlError(host_of(vfs), n, out); }
static void (*vfs_dl_sym(sqlite3_vfs *vfs, void *library, const char *symbol))(void)
{
  return host_of(vfs)->xDlSym(host_of(vfs), library, symbol);
}
static void vfs_dl_close(sqlite3_vfs *vfs, void *library) { host_of(vfs)->xDlClose(host_of(vfs), library); }
static int vfs_random(sqlite3_vfs *vfs, int n, char *out) { return host_of(vfs)->xRandomness(host_of(vfs), n, out); }
static int vfs_sleep(sqlite3_vfs *vfs, int us) { return host_of(vfs)->xSleep(host_of(vfs), us); }
static int vfs_time(sqlite3_vfs *vfs, double *t) { return host_of(vfs)->xCurrentTime(host_of(vfs), t); }
static int vfs_error(sqlite3_vfs *vfs, int n, char *out) { return host_of(vfs)->xGetLastError(host_of(vfs), n, out); }

int lb_vfs_register(lb_error *err)
{
  static sqlite3_vfs the_vfs;
  static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
  pthread_mutex_lock(&mutex);
  sqlite3_vfs *host = the_vfs.zName ? NULL : sqlite3_vfs_find(NULL);
  if (!the_vfs.zName && !host) lb_fail(err, LB_ERROR, "SQLite has no VFS to build on");
  if (host) {
    the_vfs = (sqlite3_vfs){
      .iVersion = 1,
      .szOsFile = (int)sizeof(backup_file) + host->szOsFile,
      .mxPathname = host->mxPathname,
      .zName = LB_VFS_NAME,
      .pAppData = host,
      .xOpen = vfs_open,
      .xDelete = vfs_delete,
      .xAccess = vfs_access,
      .xFullPathname = vfs_full_path,
      .xDlOpen = vfs_dl_open,
      .xDlError = vfs_dl_error,
      .xDlSym = vfs_dl_sym,
      .xDlClose = vfs_dl_close,
      .xRandomness = vfs_random,
      .xSleep = vfs_sleep,
      .xCurrentTime = vfs_time,
      .xGetLastError = vfs_error,
    };
    if (sqlite3_vfs_register(&the_vfs, 0)) {
      the_vfs.zName = NULL;
      lb_fail_nomem(err);
    }
  }
  pthread_mutex_unlock(&mutex);
  return err->code;
}

/* RFC 3986: what is not unreserved is encoded, but for the slash. */
char *lb_vfs_uri(const char *path, lb_error *err)
{
  lb_buf uri = { 0 };
  lb_buf_text(&uri, "file:");
  for (const unsigned char *p = (const unsigned char *)path; *p; p++) {
    bool plain = (*p >= '0' && *p <= '9') || (*p >= 'A' && *p <= 'Z') || (*p >= 'a' && *p <= 'z') ||
                 strchr("/-._~", *p);
    lb_buf_printf(&uri, plain ? "%c" : "%%%02X", *p);
  }
  lb_buf_text(&uri, "?vfs=" LB_VFS_NAME);
  char *text = lb_buf_take(&uri);
  if (!text) lb_fail_nomem(err);
  return text;
}

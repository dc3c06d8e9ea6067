/* See sink_vfs.h.
**
** A content of at most one block is collected in that block and given away at the end. A longer one reserves page 1 as
** the sink's head, and its blocks begin with page 2.
*/
#include "sqlite/sink_vfs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

SQLITE_EXTENSION_INIT3

struct lb_sink_vfs {
  sqlite3_vfs vfs;
  char name[48];
  lb_sink *sink;
  lb_task *task;
  lb_error err;              /* the first failure; SQLite only sees SQLITE_IOERR */
  int64_t page_size, expected;
  bool whole;                /* everything fits one block: no head */
  bool registered;
  unsigned char head[LB_HEAD_MAX];
  bool have_head;
  unsigned char *block;      /* being filled; NULL: claim one first */
  int64_t block_start;       /* content offset of block[0] */
  int64_t next;              /* content offset behind the last byte taken */
  int64_t size;              /* of the file as SQLite sees it */
  int64_t reported;          /* of next, to the task */
};

typedef struct sink_file {
  sqlite3_file base;
  lb_sink_vfs *owner;
} sink_file;

static int submit_block(lb_sink_vfs *v)
{
  size_t n = (size_t)(v->next - v->block_start);
  v->block = NULL;
  v->block_start = v->next;
  return v->sink->submit(v->sink, n, &v->err);
}

/* Takes n bytes at v->next; data NULL: zeros. */
static int take(lb_sink_vfs *v, const unsigned char *data, int64_t n)
{
  while (n > 0) {
    if (!v->block) v->block = v->sink->claim(v->sink, &v->err);
    if (!v->block) return v->err.code;
    int64_t used = v->next - v->block_start, room = (int64_t)v->sink->block_bytes - used;
    int64_t part = n < room ? n : room;
    if (data) {
      memcpy(v->block + used, data, (size_t)part);
      data += part;
    } else {
      memset(v->block + used, 0, (size_t)part);
    }
    v->next += part;
    n -= part;
    if (part == room && submit_block(v)) return v->err.code;
  }
  return LB_OK;
}

/* Page 1 comes at any time; a small content is all in one block, where anything may be overwritten. */
static int take_page(lb_sink_vfs *v, const unsigned char *data, int64_t n, int64_t offset)
{
  if (!v->whole && offset < v->page_size) {
    if (offset + n > v->page_size) return lb_fail(&v->err, LB_ERROR, "internal: a write across page 1");
    memcpy(v->head + offset, data, (size_t)n);
    v->have_head = true;
    return LB_OK;
  }
  if (offset > v->next && take(v, NULL, offset - v->next)) return v->err.code;
  if (offset < v->next) {
    if (!v->block || offset < v->block_start || offset + n > v->next) {
      return lb_fail(&v->err, LB_ERROR, "internal: page at %lld written twice", (long long)offset);
    }
    memcpy(v->block + (offset - v->block_start), data, (size_t)n);
    return LB_OK;
  }
  return take(v, data, n);
}

static int sink_write(sqlite3_file *file, const void *data, int n, sqlite3_int64 offset)
{
  lb_sink_vfs *v = ((sink_file *)file)->owner;
  if (v->err.code) return SQLITE_IOERR_WRITE;
  if (offset + n > v->expected) {
    lb_fail(&v->err, LB_BUSY, "the source grew while it was read; try again");
  } else if (take_page(v, data, n, offset) == LB_OK && v->next - v->reported >= 1 << 20) {
    v->reported = v->next;
    lb_task_poll(v->task, &v->err);
  }
  if (v->err.code) return SQLITE_IOERR_WRITE;
  if (offset + n > v->size) v->size = offset + n;
  return SQLITE_OK;
}

/* SQLite looks at the header of a new file once, before anything is written. */
static int sink_read(sqlite3_file *file, void *data, int n, sqlite3_int64 offset)
{
  (void)offset;
  lb_sink_vfs *v = ((sink_file *)file)->owner;
  if (v->size) {
    lb_fail(&v->err, LB_ERROR, "internal: a read from the sink");
    return SQLITE_IOERR_READ;
  }
  memset(data, 0, (size_t)n);
  return SQLITE_IOERR_SHORT_READ;
}

static int sink_size(sqlite3_file *file, sqlite3_int64 *size)
{
  *size = ((sink_file *)file)->owner->size;
  return SQLITE_OK;
}

static int sink_truncate(sqlite3_file *file, sqlite3_int64 size)
{
  (void)file, (void)size;
  return SQLITE_OK;
}

static int sink_ok(sqlite3_file *file) { (void)file; return SQLITE_OK; }
static int sink_ok_int(sqlite3_file *file, int i) { (void)file, (void)i; return SQLITE_OK; }
static int sink_reserved(sqlite3_file *file, int *out) { (void)file; *out = 0; return SQLITE_OK; }
static int sink_control(sqlite3_file *file, int op, void *arg)
{
  (void)file, (void)op, (void)arg;
  return SQLITE_NOTFOUND;
}
static int sink_sector(sqlite3_file *file) { (void)file; return 512; }
static int sink_traits(sqlite3_file *file) { (void)file; return SQLITE_IOCAP_UNDELETABLE_WHEN_OPEN; }

static const sqlite3_io_methods sink_methods = {
  .iVersion = 1,
  .xClose = sink_ok,
  .xRead = sink_read,
  .xWrite = sink_write,
  .xTruncate = sink_truncate,
  .xSync = sink_ok_int,
  .xFileSize = sink_size,
  .xLock = sink_ok_int,
  .xUnlock = sink_ok_int,
  .xCheckReservedLock = sink_reserved,
  .xFileControl = sink_control,
  .xSectorSize = sink_sector,
  .xDeviceCharacteristics = sink_traits,
};

static int vfs_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags, int *out_flags)
{
  (void)name;
  file->pMethods = NULL;
  if (!(flags & SQLITE_OPEN_MAIN_DB)) return SQLITE_CANTOPEN;  /* no journal was asked for, so none is expected */
  ((sink_file *)file)->owner = vfs->pAppData;
  file->pMethods = &sink_methods;
  if (out_flags) *out_flags = flags;
  return SQLITE_OK;
}

static int vfs_delete(sqlite3_vfs *vfs, const char *name, int sync)
{
  (void)vfs, (void)name, (void)sync;
  return SQLITE_OK;
}

static int vfs_access(sqlite3_vfs *vfs, const char *name, int flags, int *out)
{
  (void)vfs, (void)name, (void)flags;
  *out = 0;
  return SQLITE_OK;
}

static int vfs_full_path(sqlite3_vfs *vfs, const char *name, int size, char *out)
{
  (void)vfs;
  snprintf(out, (size_t)size, "%s", name);
  return SQLITE_OK;
}

static sqlite3_vfs *host_vfs(void) { return sqlite3_vfs_find(NULL); }
static int vfs_random(sqlite3_vfs *vfs, int n, char *out)
{
  (void)vfs;
  return host_vfs()->xRandomness(host_vfs(), n, out);
}
static int vfs_sleep(sqlite3_vfs *vfs, int us) { (void)vfs; return host_vfs()->xSleep(host_vfs(), us); }
static int vfs_time(sqlite3_vfs *vfs, double *t) { (void)vfs; return host_vfs()->xCurrentTime(host_vfs(), t); }

lb_sink_vfs *lb_sink_vfs_open(lb_sink *sink, int64_t page_size, int64_t page_count, lb_task *task, lb_error *err)
{
  lb_sink_vfs *v = calloc(1, sizeof *v);
  if (!v) {
    lb_fail_nomem(err);
    return NULL;
  }
  v->sink = sink;
  v->task = task;
  v->page_size = page_size;
  v->expected = page_size * page_count;
  v->whole = v->expected <= (int64_t)sink->block_bytes;
  if (!v->whole) {
    v->next = v->block_start = page_size;
    if (sink->reserve_head(sink, (size_t)page_size, err)) {
      free(v);
      return NULL;
    }
  }
  snprintf(v->name, sizeof v->name, "lifeboat-sink-%p", (void *)v);
  v->vfs = (sqlite3_vfs){
    .iVersion = 1,
    .szOsFile = sizeof(sink_file),
    .mxPathname = 64,
    .zName = v->name,
    .pAppData = v,
    .xOpen = vfs_open,
    .xDelete = vfs_delete,
    .xAccess = vfs_access,
    .xFullPathname = vfs_full_path,
    .xRandomness = vfs_random,
    .xSleep = vfs_sleep,
    .xCurrentTime = vfs_time,
  };
  if (sqlite3_vfs_register(&v->vfs, 0)) {
    lb_fail_nomem(err);
    free(v);
    return NULL;
  }
  v->registered = true;
  return v;
}

const char *lb_sink_vfs_name(const lb_sink_vfs *v)
{
  return v->name;
}

int lb_sink_vfs_failure(const lb_sink_vfs *v, lb_error *err)
{
  if (v->err.code && err->code == LB_OK) *err = v->err;
  return err->code;
}

int lb_sink_vfs_finish(lb_sink_vfs *v, lb_error *err)
{
  if (!v->err.code && v->next < v->expected) take(v, NULL, v->expected - v->next);
  if (!v->err.code && v->block && v->next > v->block_start) submit_block(v);
  if (!v->err.code && !v->whole) {
    if (v->have_head) v->sink->fill_head(v->sink, v->head, &v->err);
    else lb_fail(&v->err, LB_ERROR, "internal: page 1 never came");
  }
  return lb_sink_vfs_failure(v, err);
}

void lb_sink_vfs_close(lb_sink_vfs *v)
{
  if (!v) return;
  if (v->registered) sqlite3_vfs_unregister(&v->vfs);
  free(v);
}

/* See source.h.
**
** Why the private connection is opened READWRITE with query_only: a READONLY one cannot roll back the hot journal of a
** crashed writer, and leaves -wal and -shm files that belong to the backup's user. Why it never checkpoints: a backup
** must not change the source, and SQLite before 3.51.3 has a WAL-reset bug that needs a checkpoint to bite.
*/
#include "sqlite/source.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/file.h"
#include "sqlite/buffered_vfs.h"
#include "sqlite/recognize.h"
#include "sqlite/sink_vfs.h"

SQLITE_EXTENSION_INIT3

/* ---- choosing the connection ---- */

static bool locks_others_out(sqlite3 *db, const char *schema)
{
  char mode[16] = "";
  lb_error err = LB_ERROR_INIT;
  lb_db_pragma_text(db, schema, "locking_mode", mode, sizeof mode, schema, &err);
  return strcmp(mode, "exclusive") == 0;
}

/* Whether another connection, opened by path, would see what this one sees. */
static bool visible_by_path(sqlite3 *db, const char *schema)
{
  const char *path = sqlite3_db_filename(db, schema);
  sqlite3_vfs *vfs = NULL;
  int moved = 0;
  if (!path || !path[0]) return false;
  if (sqlite3_file_control(db, schema, SQLITE_FCNTL_VFS_POINTER, &vfs) || vfs != sqlite3_vfs_find(NULL)) return false;
  if (sqlite3_file_control(db, schema, SQLITE_FCNTL_HAS_MOVED, &moved) == SQLITE_OK && moved) return false;
  if (sqlite3_uri_boolean(path, "immutable", 0) || sqlite3_uri_boolean(path, "nolock", 0)) return false;
  return !locks_others_out(db, schema);
}

static int open_private(lb_sqlite_source *s, const char *name, int flags, lb_error *err)
{
  s->own = true;
  s->had_shm = s->path && lb_db_has_shm(s->path);
  /* A URI may name a VFS of its own. */
  const char *vfs = flags & SQLITE_OPEN_URI ? NULL : lb_buffered_vfs(err);
  if (err->code) return err->code;
  s->db = lb_db_open(name, SQLITE_OPEN_READWRITE | flags, vfs, s->timeout_ms, s->task, s->label, err);
  if (!s->db) return err->code;
  return lb_db_exec(s->db, "PRAGMA query_only=1", s->label, err);
}

static int open_schema(lb_sqlite_source *s, sqlite3 *caller, bool view, lb_error *err)
{
  const char *path = sqlite3_db_filename(caller, s->schema);
  bool on_disk = path && path[0];
  s->label = on_disk ? lb_text_copy(path, err) : lb_text_printf(err, "%s (in memory)", s->schema);
  if (on_disk) s->path = lb_text_copy(path, err);
  if (err->code) return err->code;
  bool writing = sqlite3_txn_state(caller, s->schema) == SQLITE_TXN_WRITE;
  if (writing && !view) {
    return lb_fail(err, LB_BUSY, "%s: this connection has an open write transaction: COMMIT first, then back up",
                   s->label);
  }
  if (!writing && visible_by_path(caller, s->schema)) {
    free(s->schema);
    s->schema = lb_text_copy("main", err);
    return s->schema ? open_private(s, path, 0, err) : err->code;
  }
  s->db = caller;
  return LB_OK;
}

static int open_file(lb_sqlite_source *s, const char *spec, lb_error *err)
{
  bool uri = strncmp(spec, "file:", 5) == 0;
  s->schema = lb_text_copy("main", err);
  s->label = lb_text_copy(spec, err);
  if (err->code) return err->code;
  if (!uri) {
    struct stat st;
    if (stat(spec, &st)) {
      if (errno != ENOENT && errno != ENOTDIR) return lb_fail_errno(err, errno, "%s", spec);
      return lb_fail(err, LB_NOTFOUND,
                     strchr(spec, '/') || strchr(spec, '.')
                         ? "%s: no such database file"
                         : "%s: neither a schema of this connection nor a database file",
                     spec);
    }
    if (!S_ISREG(st.st_mode)) return lb_fail(err, LB_MISUSE, "%s: not a regular file", spec);
    s->path = lb_path_absolute(spec, err);
    if (!s->path) return err->code;
    free(s->label);
    s->label = lb_text_copy(s->path, err);
    return s->label ? open_private(s, s->path, 0, err) : err->code;
  }
  if (open_private(s, spec, SQLITE_OPEN_URI, err)) return err->code;
  const char *path = sqlite3_db_filename(s->db, "main");
  if (path && path[0]) {
    s->path = lb_text_copy(path, err);
    /* Only now is the path known; -shm files are made by the first read, which has not happened yet. */
    s->had_shm = lb_db_has_shm(path);
  } else if (!strstr(spec, "cache=shared")) {
    lb_fail(err, LB_MISUSE, "%s: a database in memory that nobody else has, so it is always empty (name the schema of "
            "the connection that holds the one you mean)", spec);
  }
  return err->code;
}

static int open_source(lb_sqlite_source *s, sqlite3 *caller, const char *spec, int64_t timeout_ms, bool view,
                       lb_task *task, lb_error *err)
{
  memset(s, 0, sizeof *s);
  s->task = task;
  s->timeout_ms = timeout_ms;
  bool is_schema = caller && sqlite3_db_readonly(caller, spec) >= 0;
  if (is_schema) {
    s->schema = lb_text_copy(spec, err);
    if (s->schema) open_schema(s, caller, view, err);
  } else {
    open_file(s, spec, err);
  }
  if (err->code) lb_sqlite_source_close(s);
  return err->code;
}

int lb_sqlite_source_open(lb_sqlite_source *s, sqlite3 *caller, const char *spec, int64_t timeout_ms, lb_task *task,
                          lb_error *err)
{
  return open_source(s, caller, spec, timeout_ms, false, task, err);
}

int lb_sqlite_source_open_view(lb_sqlite_source *s, sqlite3 *caller, const char *spec, int64_t timeout_ms,
                               lb_task *task, lb_error *err)
{
  return open_source(s, caller, spec, timeout_ms, true, task, err);
}

/* ---- the snapshot ---- */

/* Reading the header is what takes the lock, rolls a hot journal back, and finds a file that is not a database. */
static int take_snapshot(lb_sqlite_source *s, lb_error *err)
{
  int64_t cookie;
  if (s->own) {
    if (lb_db_exec(s->db, "BEGIN", s->label, err)) return err->code;
    s->in_snapshot = true;
  }
  lb_db_pragma_integer(s->db, s->schema, "user_version", &cookie, s->label, err);
  lb_db_pragma_text(s->db, s->schema, "journal_mode", s->journal_mode, sizeof s->journal_mode, s->label, err);
  lb_db_pragma_integer(s->db, s->schema, "page_size", &s->page_size, s->label, err);
  lb_db_pragma_integer(s->db, s->schema, "page_count", &s->page_count, s->label, err);
  return err->code;
}

/* A connection that could only be opened READONLY, on a folder that could be written. */
static bool would_leave_shm(const lb_sqlite_source *s)
{
  if (s->had_shm || sqlite3_db_readonly(s->db, "main") != 1) return false;
  return !sqlite3_uri_boolean(sqlite3_db_filename(s->db, "main"), "immutable", 0);
}

int lb_sqlite_source_begin(lb_sqlite_source *s, lb_error *err)
{
  if (s->own && s->path && lb_sqlite_recognize(s->path, false, err)) return err->code;
  if (s->own && s->path && would_leave_shm(s) && lb_sqlite_refuse_shm(s->path, err)) return err->code;
  s->snapshot_began = lb_clock_monotonic();
  take_snapshot(s, err);
  if (s->own && s->path) lb_sqlite_explain_wal(s->path, err);
  if (err->code == LB_BUSY && s->own) {
    lb_error why = *err;
    lb_error_clear(err);
    lb_fail(err, LB_BUSY, "%s; waited %lld ms (option timeout_ms)", why.message, (long long)s->timeout_ms);
  }
  return err->code;
}

bool lb_sqlite_source_blocks_writers(const lb_sqlite_source *s)
{
  return s->own && s->path && strcmp(s->journal_mode, "wal") != 0;
}

static int run_backup(lb_sqlite_source *s, lb_sink_vfs *vfs, lb_error *err)
{
  sqlite3 *dest =
      lb_db_open("sink", SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, lb_sink_vfs_name(vfs), 0, NULL, s->label, err);
  if (!dest) return err->code;
  int off;
  sqlite3_db_config(dest, SQLITE_DBCONFIG_DEFENSIVE, 0, &off);  /* or it would not honour journal_mode=OFF */
  lb_db_exec(dest,
             "PRAGMA locking_mode=EXCLUSIVE; PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; PRAGMA cache_size=64",
             s->label, err);
  sqlite3_backup *backup = err->code ? NULL : sqlite3_backup_init(dest, "main", s->db, s->schema);
  if (backup) {
    int rc = sqlite3_backup_step(backup, -1);
    sqlite3_backup_finish(backup);
    if (rc != SQLITE_DONE) {
      lb_sink_vfs_failure(vfs, err);
      lb_db_fail(NULL, rc, s->label, err);
    }
  } else if (!err->code) {
    lb_db_fail(dest, sqlite3_errcode(dest), s->label, err);
  }
  lb_db_close(dest);
  return err->code ? err->code : lb_sink_vfs_finish(vfs, err);
}

int lb_sqlite_source_copy(lb_sqlite_source *s, lb_sink *sink, lb_error *err)
{
  if (s->page_count == 0) return err->code;  /* an empty database is an empty file */
  /* Every page passes once: a small cache stays in the processor's (4 % less time on 1 GB). */
  if (s->own && lb_db_exec(s->db, "PRAGMA cache_size=64", s->label, err)) return err->code;
  if (s->in_snapshot) {
    lb_buffered_read_ahead(s->db, true);
    lb_buffered_lend_pages(s->db);
  }
  lb_sink_vfs *vfs = lb_sink_vfs_open(sink, s->page_size, s->page_count, s->task, err);
  if (vfs) run_backup(s, vfs, err);
  lb_sink_vfs_close(vfs);
  if (s->in_snapshot) lb_buffered_read_ahead(s->db, false);
  return err->code;
}

void lb_sqlite_source_end(lb_sqlite_source *s)
{
  if (s->in_snapshot) sqlite3_exec(s->db, "COMMIT", NULL, NULL, NULL);
  if (s->snapshot_began > 0) s->snapshot_seconds = lb_clock_monotonic() - s->snapshot_began;
  s->in_snapshot = false;
  s->snapshot_began = 0;
}

/* In WAL mode data_version tells; with a rollback journal the header's change counter does, which can be read (through
** SQLite's own file) even while somebody holds the database exclusively. */
int lb_sqlite_source_stamp(lb_sqlite_source *s, uint64_t *stamp, lb_error *err)
{
  if (strcmp(s->journal_mode, "wal") == 0) {
    int64_t version = 0;
    lb_db_pragma_integer(s->db, s->schema, "data_version", &version, s->label, err);
    *stamp = (uint64_t)version;
    return err->code;
  }
  sqlite3_file *file = NULL;
  unsigned char counter[4] = { 0 };
  int rc = sqlite3_file_control(s->db, s->schema, SQLITE_FCNTL_FILE_POINTER, &file);
  if (rc == SQLITE_OK && file && file->pMethods) rc = file->pMethods->xRead(file, counter, sizeof counter, 24);
  if (rc && rc != SQLITE_IOERR_SHORT_READ) return lb_db_fail(NULL, rc, s->label, err);
  *stamp = lb_get_u32(counter);
  return LB_OK;
}

void lb_sqlite_source_close(lb_sqlite_source *s)
{
  lb_sqlite_source_end(s);
  if (s->own) lb_db_close_untouched(s->db, s->path, s->had_shm);
  free(s->schema);
  free(s->path);
  free(s->label);
  memset(s, 0, sizeof *s);
}

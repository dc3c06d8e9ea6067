/* See target.h. Here: looking at what is there. Saving it: target_save.c; replacing it: target_put.c. */
#include "sqlite/target.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/holders.h"
#include "sqlite/buffered_vfs.h"
#include "sqlite/recognize.h"

SQLITE_EXTENSION_INIT3

/* Holds the file exclusively through SQLite's own descriptor: no connection that ever read it is still there.
** Connections that are open but idle hold no lock, so whoever has the file open is looked up as well. */
int lb_target_hold(lb_target *t, lb_error *err)
{
  sqlite3_file *file = NULL;
  lb_buf holders = { 0 };
  if (t->kind != LB_TARGET_UNREADABLE) return LB_OK;
  int rc = sqlite3_file_control(t->db, "main", SQLITE_FCNTL_FILE_POINTER, &file);
  if (rc == SQLITE_OK) rc = file->pMethods->xLock(file, SQLITE_LOCK_SHARED);
  if (rc == SQLITE_OK) rc = file->pMethods->xLock(file, SQLITE_LOCK_EXCLUSIVE);
  if (rc) {
    lb_holders_of_locks(t->path, &holders);
    lb_fail(err, LB_BUSY, "%s: cannot be read as a database, and cannot be replaced while it is in use%s", t->path,
            holders.data ? holders.data : "");
  } else if (lb_holders_of_file(t->path, 1, &holders)) {
    lb_fail(err, LB_BUSY, "%s: cannot be read as a database, and cannot be replaced while it is open (by %s): close it "
            "there first", t->path, holders.data ? holders.data : "?");
  }
  lb_buf_free(&holders);
  return err->code;
}

/* Reads the header under a lock, which also rolls back a hot journal. */
static int look_inside(lb_target *t, lb_error *err)
{
  char mode[16] = "";
  int64_t ignored;
  lb_db_pragma_integer(t->db, t->schema, "user_version", &ignored, t->label, err);
  lb_db_pragma_text(t->db, t->schema, "journal_mode", mode, sizeof mode, t->label, err);
  lb_db_pragma_integer(t->db, t->schema, "page_size", &t->page_size, t->label, err);
  t->wal = strcmp(mode, "wal") == 0;
  return err->code;
}

static void remember_file(lb_target *t, const struct stat *st)
{
  t->bytes = (int64_t)st->st_size;
  t->mode = st->st_mode & 07777;
  t->uid = st->st_uid;
  t->gid = st->st_gid;
}

static int open_existing(lb_target *t, const struct stat *st, lb_error *err)
{
  remember_file(t, st);
  t->own = true;
  t->kind = LB_TARGET_DATABASE;
  lb_error inside = LB_ERROR_INIT;
  bool readable = lb_sqlite_recognize(t->path, true, &inside) == LB_OK;
  t->had_shm = lb_db_has_shm(t->path);
  const char *vfs = lb_buffered_vfs(err);
  if (!vfs) return err->code;
  t->db = lb_db_open(t->path, SQLITE_OPEN_READWRITE, vfs, t->timeout_ms, t->task, t->label, err);
  if (!t->db) return err->code;
  if (sqlite3_db_readonly(t->db, "main")) {
    return lb_fail(err, LB_PERM, "%s: permission denied: the file cannot be written", t->path);
  }
  /* synchronous=FULL is what writing behind relies on (buffered_vfs.h). */
  if (readable && look_inside(t, &inside) == LB_OK) return lb_db_exec(t->db, "PRAGMA synchronous=FULL", t->label, err);
  if (inside.code != LB_CORRUPT) {
    lb_sqlite_explain_wal(t->path, &inside);
    *err = inside;
    return err->code;
  }
  t->kind = LB_TARGET_UNREADABLE;
  return LB_OK;
}

static int set_path(lb_target *t, const char *spec, lb_error *err)
{
  t->path = lb_path_absolute(spec, err);
  if (!t->path) {
    lb_error_prefix(err, "target %s: ", spec);
    return err->code;
  }
  t->dir = lb_path_dir(t->path, err);
  t->label = lb_text_copy(t->path, err);
  return err->code;
}

static int open_path(lb_target *t, const char *spec, lb_error *err)
{
  struct stat st;
  if (strncmp(spec, "file:", 5) == 0) return lb_fail(err, LB_MISUSE, "target %s: pass a plain path, not a URI", spec);
  if (!spec[0]) return lb_fail(err, LB_MISUSE, "target is empty: pass the path of a database, or main");
  if (set_path(t, spec, err)) return err->code;
  t->schema = lb_text_copy("main", err);
  if (err->code) return err->code;
  if (stat(t->path, &st) == 0) {
    if (!S_ISREG(st.st_mode)) return lb_fail(err, LB_MISUSE, "%s: not a regular file", t->path);
    return open_existing(t, &st, err);
  }
  if (errno != ENOENT) return lb_fail_errno(err, errno, "%s", t->path);
  if (lstat(t->path, &st) == 0) return lb_fail(err, LB_MISUSE, "%s: a symbolic link that leads nowhere", t->path);
  /* More likely a schema's name with a slip than a file that is to be called that. */
  if (!strpbrk(spec, "/.")) {
    return lb_fail(err, LB_NOTFOUND, "%s: neither a schema of this connection nor a file (for a new file write ./%s)",
                   spec, spec);
  }
  t->kind = LB_TARGET_NEW;
  return LB_OK;
}

/* On the caller's connection: in memory, or a file that only this connection reaches. */
static int open_callers(lb_target *t, sqlite3 *caller, const char *schema, const lb_sqlite_source *probe, lb_error *err)
{
  struct stat st;
  t->db = caller;
  t->schema = lb_text_copy(schema, err);
  t->kind = LB_TARGET_MEMORY;
  if (probe->path && stat(probe->path, &st) == 0) {
    t->kind = LB_TARGET_DATABASE;
    remember_file(t, &st);
    set_path(t, probe->path, err);
  } else {
    t->label = lb_text_copy(probe->label, err);
  }
  if (!err->code) look_inside(t, err);
  return err->code;
}

/* Whoever has set query_only does not expect a statement of this connection to change anything. */
static bool may_only_read(sqlite3 *caller, const char *schema)
{
  lb_error ignored = LB_ERROR_INIT;
  int64_t query_only = 0;
  lb_db_integer(caller, "PRAGMA query_only", &query_only, schema, &ignored);
  return query_only || sqlite3_db_readonly(caller, schema) == 1;
}

/* A schema: by its path through a connection of our own where the backup of it would do the same, else on the
** caller's. */
static int open_schema(lb_target *t, sqlite3 *caller, const char *schema, lb_error *err)
{
  if (sqlite3_txn_state(caller, schema) != SQLITE_TXN_NONE) {
    return lb_fail(err, LB_BUSY, "%s: this connection has an open transaction on it: COMMIT or ROLLBACK first", schema);
  }
  if (may_only_read(caller, schema)) {
    return lb_fail(err, LB_PERM, "%s: this connection may only read it: pass its path to restore over it", schema);
  }
  lb_sqlite_source probe;
  if (lb_sqlite_source_open(&probe, caller, schema, t->timeout_ms, t->task, err)) return err->code;
  if (probe.own) open_path(t, probe.path, err);
  else open_callers(t, caller, schema, &probe, err);
  lb_sqlite_source_close(&probe);
  return err->code;
}

int lb_target_open(lb_target *t, sqlite3 *caller, const char *spec, int64_t timeout_ms, lb_task *task, lb_error *err)
{
  memset(t, 0, sizeof *t);
  t->mode = t->uid = t->gid = -1;
  t->timeout_ms = timeout_ms;
  t->task = task;
  if (caller && sqlite3_db_readonly(caller, spec) >= 0) open_schema(t, caller, spec, err);
  else open_path(t, spec, err);
  if (err->code) lb_target_close(t);
  return err->code;
}

int64_t lb_target_save_bytes(const lb_target *t)
{
  return t->kind == LB_TARGET_DATABASE ? t->bytes : 0;
}

/* Failing leaves a sound database in rollback mode. That happens only when somebody came in between. */
static void return_to_wal(lb_target *t)
{
  lb_error err = LB_ERROR_INIT;
  sqlite3_busy_timeout(t->db, (int)t->timeout_ms);
  lb_db_exec(t->db, "PRAGMA main.journal_mode=WAL", t->label, &err);
}

/* A target that was not touched is left as it was: closing must not checkpoint its -wal either. */
void lb_target_close(lb_target *t)
{
  if (t->before.db) lb_sqlite_source_close(&t->before);
  if (t->left_wal) return_to_wal(t);
  if (t->own && (t->touched || t->left_wal)) lb_db_close(t->db);
  else if (t->own) lb_db_close_untouched(t->db, t->path, t->had_shm);
  lb_buf_free(&t->copy);
  free(t->path);
  free(t->dir);
  free(t->label);
  free(t->schema);
  memset(t, 0, sizeof *t);
}

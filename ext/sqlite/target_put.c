/* See target.h. Here: putting the staged content in place. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sqlite/buffered_vfs.h"
#include "sqlite/recognize.h"
#include "sqlite/target_lock.h"

SQLITE_EXTENSION_INIT3

enum { PAGES_A_STEP = 2048, HEADER_KEPT = 64 * 1024 };

/* ---- by rename: NEW and UNREADABLE ---- */

static void remove_sibling(const lb_target *t, const char *suffix, lb_error *err)
{
  char *path = lb_text_printf(err, "%s%s", t->path, suffix);
  if (path && unlink(path) && errno != ENOENT) lb_fail_errno(err, errno, "cannot remove the stale %s", path);
  free(path);
}

/* The staged file gets the content's own journal mode, and the owner and mode that the target has or should have. */
static int finish_staged(const lb_target *t, const lb_target_content *c, lb_buf *notes, lb_error *err)
{
  lb_partial *staged = c->staged;
  unsigned char mode_bytes[2] = { c->wal ? 2 : 1, c->wal ? 2 : 1 };
  struct stat st;
  if (fstat(staged->fd, &st)) return lb_fail_errno(err, errno, "%s", staged->path);
  if (st.st_size && lb_file_write(staged->fd, mode_bytes, 2, LB_SQLITE_MODE_OFFSET, staged->path, err))
    return err->code;
  bool existing = t->kind == LB_TARGET_UNREADABLE;
  int64_t mode = existing ? t->mode : c->mode, uid = existing ? t->uid : c->uid, gid = existing ? t->gid : c->gid;
  bool other_owner = uid >= 0 && gid >= 0 && ((uid_t)uid != st.st_uid || (gid_t)gid != st.st_gid);
  bool owned = !other_owner || fchown(staged->fd, (uid_t)uid, (gid_t)gid) == 0;
  if (!owned) {
    lb_buf_printf(notes, "%sthe owner of the original (uid %lld, gid %lld) could not be set", notes->len ? "\n" : "",
                  (long long)uid, (long long)gid);
  }
  if (!owned && mode > 0) mode &= 0600;  /* the group bits were meant for another group */
  /* A manifest may say anything: nobody's database becomes writable for all, or executable. */
  if (mode >= 0 && fchmod(staged->fd, (mode_t)(mode & (existing ? 0777 : 0664))))
    lb_fail_errno(err, errno, "cannot set the mode of %s", staged->path);
  return err->code;
}

/* Unpacking took its time: a database that appeared meanwhile owns the -wal and -journal beside it. */
static int check_still_new(const lb_target *t, lb_error *err)
{
  struct stat st;
  if (t->kind != LB_TARGET_NEW || err->code || (lstat(t->path, &st) && errno == ENOENT)) return err->code;
  return lb_fail(err, LB_EXISTS, "%s: somebody created it during the restore; nothing was replaced", t->path);
}

/* Siblings go first: a stale -wal or -journal beside the new file would be replayed into it. What was to be kept of
** them has been renamed away by save. */
static int put_by_rename(lb_target *t, const lb_target_content *c, lb_buf *notes, lb_error *err)
{
  finish_staged(t, c, notes, err);
  if (!err->code && check_still_new(t, err) == LB_OK) {
    remove_sibling(t, "-wal", err);
    remove_sibling(t, "-journal", err);
    remove_sibling(t, "-shm", err);
  }
  if (!err->code) lb_dir_sync(t->dir, err);
  if (err->code) return err->code;
  const char *name = lb_path_base(t->path);
  if (t->kind == LB_TARGET_UNREADABLE) lb_partial_replace(c->staged, name, err);
  else lb_partial_publish(c->staged, name, err);
  /* Whoever opens the new database from here on in this process must not lose its locks to a late close of ours. */
  if (!c->staged->path && c->staged->fd >= 0) {
    close(c->staged->fd);
    c->staged->fd = -1;
  }
  if (err->code != LB_EXISTS) return err->code;
  lb_error_clear(err);
  return lb_fail(err, LB_EXISTS, "%s: somebody created it during the restore; nothing was replaced", t->path);
}

/* ---- by the Backup API: DATABASE and MEMORY ---- */

static int fail_page_size(const lb_target *t, int64_t page_size, lb_error *err)
{
  return lb_fail(err, LB_UNSUPPORTED, "%s: the target has pages of %lld bytes and the backup of %lld; %s", t->label,
                 (long long)t->page_size, (long long)page_size,
                 t->kind == LB_TARGET_MEMORY ? "an in-memory database cannot change its page size: restore to a file"
                                             : "changing that in WAL mode needs the database alone: close its other "
                                               "connections and try again");
}

int lb_target_prepare(lb_target *t, int64_t page_size, lb_error *err)
{
  char mode[16] = "";
  lb_error why = LB_ERROR_INIT;
  if (check_still_new(t, err)) return err->code;  /* save is about to move what lies beside it */
  if (page_size == 0 || t->page_size == page_size || t->kind == LB_TARGET_NEW || t->kind == LB_TARGET_UNREADABLE)
    return LB_OK;
  if (t->kind == LB_TARGET_MEMORY || (t->wal && !t->own)) return fail_page_size(t, page_size, err);
  if (!t->wal) return LB_OK;
  lb_db_text(t->db, "PRAGMA main.journal_mode=DELETE", mode, sizeof mode, t->label, &why);
  if (why.code || strcmp(mode, "delete") != 0) return fail_page_size(t, page_size, err);
  t->wal = false;
  t->left_wal = true;
  return LB_OK;
}

/* Gives the memory (or the disk) of copied pages back, so that the journal or the -wal grows into it. The header stays,
** which SQLite looks at in every step. */
static void forget_copied(const lb_target *t, const lb_target_content *c, int64_t *forgotten, int64_t copied)
{
  /* With other pages SQLite may come back to those around the lock-byte page. */
  if (!c->staged || t->page_size != c->page_size) return;
  lb_file_forget(c->staged->fd, *forgotten, copied - *forgotten);
  if (copied > *forgotten) *forgotten = copied;
}

static int copy_pages(lb_target *t, const lb_target_content *c, sqlite3_backup *backup, lb_error *err)
{
  int rc, left = sqlite3_backup_remaining(backup), pages = left;
  int64_t forgotten = HEADER_KEPT;
  if (t->own) lb_buffered_read_ahead(t->db, true);  /* the pages that SQLite reads to journal them */
  lb_task_phase(t->task, "writing the target", (int64_t)sqlite3_backup_pagecount(backup) * c->page_size);
  do {
    rc = sqlite3_backup_step(backup, PAGES_A_STEP);
    if (rc != SQLITE_READONLY) t->written = true;
    int now = sqlite3_backup_remaining(backup);
    lb_task_advance(t->task, (int64_t)(left - now) * c->page_size);
    left = now;
    if (rc == SQLITE_OK) forget_copied(t, c, &forgotten, (int64_t)(pages - left) * c->page_size);
    if (rc == SQLITE_OK && lb_task_poll(t->task, err)) return err->code;  /* after DONE it is committed */
  } while (rc == SQLITE_OK);
  if (rc == SQLITE_READONLY) return fail_page_size(t, c->page_size, err);
  if (rc != SQLITE_DONE) return lb_db_fail(rc == SQLITE_BUSY ? NULL : t->db, rc, t->label, err);
  return LB_OK;
}

/* A step without pages takes the destination's lock. */
static int try_step(void *backup)
{
  int rc = sqlite3_backup_step(backup, 0);
  return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

typedef struct replacing {
  const lb_target_content *content;
  sqlite3 *source;  /* where the Backup API reads it from */
} replacing;

/* One attempt: everything in one transaction of the target. *again: somebody wrote after the copy was saved. */
static int replace_content(lb_target *t, void *ctx, bool *again, lb_error *err)
{
  const replacing *r = ctx;
  sqlite3_backup *backup = sqlite3_backup_init(t->db, t->schema, r->source, "main");
  if (!backup) return lb_db_fail(t->db, sqlite3_errcode(t->db), t->label, err);
  if (lb_target_wait_lock(t, try_step, backup, err) == LB_OK) {
    *again = t->own && lb_target_changed(t, err);
    if (!*again && !err->code) copy_pages(t, r->content, backup, err);
  }
  int rc = sqlite3_backup_finish(backup);
  if (t->own) lb_buffered_read_ahead(t->db, false);
  if (rc && rc != SQLITE_BUSY && rc != SQLITE_LOCKED && !err->code) lb_db_fail(t->db, rc, t->label, err);
  return err->code;
}

/* A source without any page makes the Backup API commit as soon as it has the lock, before anybody could look
** whether the saved copy is current. So an empty content becomes one page, of the size that the target has. */
static int fill_empty(const lb_target *t, sqlite3 *staged, lb_error *err)
{
  lb_buf sql = { 0 };
  lb_buf_printf(&sql, "PRAGMA page_size=%lld; VACUUM", (long long)t->page_size);
  if (sql.failed) lb_fail_nomem(err);
  else lb_db_exec(staged, sql.data, t->label, err);
  lb_buf_free(&sql);
  return err->code;
}

/* Where the Backup API reads from. NULL: err is set. */
static sqlite3 *open_content(const lb_target *t, const lb_target_content *c, lb_error *err)
{
  sqlite3 *db = NULL;
  if (!c->staged) {
    db = lb_db_open(c->path, SQLITE_OPEN_READONLY, c->vfs, 0, NULL, t->label, err);
  } else {
    const char *vfs = lb_buffered_vfs(err);
    if (vfs) db = lb_db_open(c->staged->path, SQLITE_OPEN_READWRITE, vfs, 0, NULL, t->label, err);
    if (db && c->page_size == 0) fill_empty(t, db, err);
  }
  if (db) lb_db_exec(db, "PRAGMA query_only=1; PRAGMA cache_size=64", t->label, err);
  if (db && c->staged) {
    lb_buffered_read_ahead(db, true);  /* the file is ours: nobody else writes it */
    lb_buffered_lend_pages(db);
  }
  return db;
}

/* A connection has one encoding, which it has learnt when it was opened: others answer every statement with an error
** about attached databases now. *changed is left alone where that cannot be known. */
static void compare_encodings(const lb_target *t, sqlite3 *content, char was[16], char now[16], bool *changed)
{
  lb_error ignored = LB_ERROR_INIT;
  lb_db_text(t->db, "PRAGMA main.encoding", was, 16, t->label, &ignored);
  lb_db_text(content, "PRAGMA encoding", now, 16, t->label, &ignored);
  if (!ignored.code) *changed = strcmp(was, now) != 0;
}

static int put_by_backup(lb_target *t, const lb_target_content *c, lb_buf *notes, lb_error *err)
{
  sqlite3 *content = NULL;
  char was[16], now[16];
  bool changed = false;
  if (t->copied && lb_target_changed(t, err)) return lb_target_fail_copied(t, err);
  if (!err->code) content = open_content(t, c, err);
  if (!err->code && t->own) compare_encodings(t, content, was, now, &changed);
  if (!err->code && t->own) {
    sqlite3_busy_timeout(t->db, 0);
    /* Pages that have to leave the cache cost a sync of the journal; in WAL mode nothing. */
    lb_db_exec(t->db, t->wal ? "PRAGMA cache_size=-4000" : "PRAGMA cache_size=-16000", t->label, err);
  }
  replacing r = { c, content };
  if (!err->code) lb_target_attempt(t, replace_content, &r, notes, err);
  lb_db_close(content);
  if (changed && !err->code) {
    lb_buf_printf(notes, "%sits text encoding was %s and is %s now: connections that are open have to be opened again",
                  notes->len ? "\n" : "", was, now);
  }
  return err->code;
}

int lb_target_put(lb_target *t, const lb_target_content *c, lb_buf *notes, lb_error *err)
{
  if (err->code) return err->code;
  bool by_rename = t->kind == LB_TARGET_NEW || t->kind == LB_TARGET_UNREADABLE;
  t->touched = (by_rename ? put_by_rename(t, c, notes, err) : put_by_backup(t, c, notes, err)) == LB_OK;
  return err->code;
}

/* Some tables of a backup into a SQLite database that goes on living. The steps, in this order because nothing is
** written before the backup is proven: open the backup, in place where the VFS can; look at both databases; check the
** backup; save what is there; lock; move the rows in one transaction.
**
** A target that only the caller's connection reaches (in memory, locked by it) is copied, the copy is changed, and
** takes its place as a whole restore does it: no SQL of ours runs on the caller's connection.
*/
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "archive/reader.h"
#include "core/file.h"
#include "job/restoration.h"
#include "job/stage.h"
#include "sqlite/part.h"
#include "sqlite/target.h"

SQLITE_EXTENSION_INIT3

typedef struct restoring {
  lb_restoration *r;
  lb_target target;
  lb_check_level level;
  lb_stage stage;            /* the backup unpacked, where it cannot be read in place */
  bool staged;
  sqlite3 *from;
  lb_partial copy;           /* of a target on the caller's connection */
  sqlite3 *to;               /* the target's own connection, or one to the copy */
  lb_sqlite_part_request request;
  lb_sqlite_part *part;
} restoring;

/* ---- the backup ---- */

static bool has_sibling(const char *path, const char *suffix)
{
  lb_error ignored = LB_ERROR_INIT;
  struct stat st;
  char *name = lb_text_printf(&ignored, "%s%s", path, suffix);
  bool there = !name || lstat(name, &st) == 0;
  free(name);
  return there;
}

/* A plain file that SQLite has left something beside is for unpacking to judge. */
static bool opens_in_place(const restoring *s)
{
  const lb_opened *b = &s->r->backup;
  int64_t raw = lb_reader_raw_bytes(b->reader);
  switch (lb_reader_kind_of(b->reader)) {
  case LB_READER_PLAIN:  return !has_sibling(b->path, "-wal") && !has_sibling(b->path, "-journal");
  case LB_READER_STREAM: return strcmp(lb_reader_codec(b->reader)->name, "gzip") == 0 && s->level != LB_CHECK_FULL;
  default:               return s->level != LB_CHECK_FULL || lb_stage_fits_cache(b, (uint64_t)raw);
  }
}

static const char *scratch_dir(const restoring *s, lb_error *err)
{
  const char *dir = s->target.dir ? s->target.dir : s->r->dir;
  if (!dir) lb_fail(err, LB_NOTFOUND, "no folder to unpack in: name one with BACKUP_DIR or the option dir");
  return dir;
}

static int unpack(restoring *s, lb_error *err)
{
  lb_restoration *r = s->r;
  const char *dir = scratch_dir(s, err);
  char *name = dir ? lb_text_printf(err, "%s.restore", s->target.path ? lb_path_base(s->target.path) : "memory") : NULL;
  if (name && lb_stage_unpack(r->job, &r->backup, dir, name, r->threads, false, &s->stage, err) == LB_OK) {
    s->staged = true;
    s->from = lb_db_open(s->stage.file.path, SQLITE_OPEN_READWRITE, NULL, 0, &r->job->task, r->backup.path, err);
  }
  free(name);
  return err->code;
}

static int open_from(restoring *s, lb_error *err)
{
  lb_restoration *r = s->r;
  int64_t pages = 0, size = 0;
  if (lb_stage_peek(&r->backup, &s->stage.header, err)) return err->code;
  lb_task_phase(&r->job->task, "opening the backup", 0);
  if (opens_in_place(s)) s->from = lb_stage_attach(r->job, &r->backup, err);
  else unpack(s, err);
  if (!s->from) return err->code;
  lb_db_exec(s->from, "PRAGMA query_only=1; PRAGMA cache_size=-8000", r->backup.path, err);
  lb_db_integer(s->from, "PRAGMA main.page_count", &pages, r->backup.path, err);
  lb_db_integer(s->from, "PRAGMA main.page_size", &size, r->backup.path, err);
  r->bytes = pages * size;
  return err->code;
}

static int check_blocks(restoring *s, lb_error *err)
{
  lb_restoration *r = s->r;
  lb_reader_report report = { 0 };
  int64_t raw = lb_reader_raw_bytes(r->backup.reader);
  lb_task_phase(&r->job->task, "verifying", raw > 0 ? raw : 0);
  if (lb_reader_pass(r->backup.reader, r->threads, NULL, NULL, &r->job->task, &report, err)) return err->code;
  return lb_stage_check_length(&r->backup, &s->stage.header, report.raw_bytes, err);
}

/* Every block, which unpacking has seen already; then the tables, or with full the whole database. */
static int verify(restoring *s, lb_error *err)
{
  lb_restoration *r = s->r;
  lb_buf damage = { 0 };
  if (s->level == LB_CHECK_NONE) return LB_OK;
  if (!s->staged && check_blocks(s, err)) return err->code;
  if (s->level == LB_CHECK_QUICK) return lb_sqlite_part_check(s->part, s->level, err);
  lb_task_phase(&r->job->task, "integrity_check", 0);
  lb_sqlite_check(s->from, "main", LB_CHECK_FULL, r->backup.path, &damage, &r->job->notes, err);
  if (damage.len) lb_fail(err, LB_CORRUPT, "%s: the database inside is damaged: %s", r->backup.path, damage.data);
  lb_buf_free(&damage);
  return err->code;
}

/* Through the VFS a bad block is an I/O error without words: a look at all of them finds which. */
static void explain_damage(restoring *s, lb_error *err)
{
  lb_error why = LB_ERROR_INIT;
  const char *path = s->r->backup.path;
  if (s->staged || !s->from || !path || err->code == LB_MISUSE) return;
  if (strncmp(err->message, path, strlen(path)) != 0) return;
  check_blocks(s, &why);
  if (why.code == LB_CORRUPT) *err = why;
}

/* ---- the target ---- */

static int check_target(const restoring *s, lb_error *err)
{
  const lb_target *t = &s->target;
  if (t->kind == LB_TARGET_NEW) {
    return lb_fail(err, LB_NOTFOUND, "%s: no such database: \"tables\" are restored into one that is there (without "
                   "\"tables\" a new one is made)", t->label);
  }
  if (t->kind != LB_TARGET_UNREADABLE) return LB_OK;
  return lb_fail(err, LB_CORRUPT, "%s: cannot be read as a database, so no part of it can be restored (restore all of "
                 "it, without \"tables\")", t->label);
}

static int check_space(const restoring *s, lb_error *err)
{
  int64_t need = s->r->o.pre_restore ? lb_target_save_bytes(&s->target) : 0;
  return s->target.dir ? lb_space_check(s->target.dir, need, "the restore", err) : LB_OK;
}

static int open_to(restoring *s, lb_error *err)
{
  lb_target *t = &s->target;
  char sql[64];
  if (t->own) {
    s->to = t->db;
    return LB_OK;
  }
  const char *dir = scratch_dir(s, err);
  if (!dir || lb_target_copy(t, dir, &s->copy, err)) return err->code;
  s->to = lb_db_open(s->copy.path, SQLITE_OPEN_READWRITE, NULL, 0, &s->r->job->task, t->label, err);
  if (!s->to) return err->code;
  sqlite3_snprintf(sizeof sql, sql, "PRAGMA page_size=%lld; PRAGMA synchronous=OFF", (long long)t->page_size);
  return lb_db_exec(s->to, sql, t->label, err);
}

static int open_part(restoring *s, lb_error *err)
{
  lb_restoration *r = s->r;
  lb_sqlite_part_request *q = &s->request;
  *q = (lb_sqlite_part_request){
    .from = s->from, .to = s->to, .from_label = r->backup.path, .to_label = s->target.label,
    .mode = lb_rows_mode_of(r->o.rows), .common_columns = r->o.columns && strcmp(r->o.columns, "common") == 0,
    .task = &r->job->task, .notes = &r->job->notes,
  };
  q->tables = lb_restoration_tables(r, &q->table_count, err);
  if (!err->code) s->part = lb_sqlite_part_open(q, err);
  return err->code;
}

/* ---- writing ---- */

static int begin(restoring *s, lb_error *err)
{
  lb_task_phase(&s->r->job->task, "locking the target", 0);
  if (s->target.own) return lb_target_begin(&s->target, &s->r->job->notes, err);
  return lb_db_exec(s->to, "BEGIN", s->target.label, err);
}

/* The copy takes the target's place. */
static int put_copy(restoring *s, lb_error *err)
{
  lb_target_content content = { .staged = &s->copy, .page_size = s->target.page_size, .mode = -1, .uid = -1,
                                .gid = -1 };
  lb_db_close(s->to);
  s->to = NULL;
  lb_task_phase(&s->r->job->task, "putting it in place", 0);
  return lb_target_put(&s->target, &content, &s->r->job->notes, err);
}

static void undo(restoring *s)
{
  if (s->target.own) lb_target_rollback(&s->target);  /* else only the copy was worked on */
  if (!s->target.own || sqlite3_get_autocommit(s->target.db)) lb_restore_sqlite_unsave(s->r, &s->target);
}

static int commit(restoring *s, lb_error *err)
{
  if (s->target.own) return lb_target_commit(&s->target, err);
  return lb_db_exec(s->to, "COMMIT", s->target.label, err);
}

static int write(restoring *s, lb_error *err)
{
  int before = lb_db_pages_written(s->to);
  if (begin(s, err) || lb_sqlite_part_run(s->part, &s->r->tables, err)) {
    undo(s);
    return err->code;
  }
  if (commit(s, err)) return err->code;
  if (lb_db_pages_written(s->to) == before) {
    lb_restore_sqlite_unsave(s->r, &s->target);
    return LB_OK;
  }
  if (!s->target.own && put_copy(s, err)) return err->code;
  lb_restore_sqlite_prune(s->r, &s->target);
  return LB_OK;
}

static int restore(restoring *s, const char *backup, lb_error *err)
{
  lb_restoration *r = s->r;
  s->level = lb_stage_level(r->o.verify, LB_CHECK_QUICK, LB_CHECK_FULL);
  if (check_target(s, err)) return err->code;
  if (strchr(backup, '/') && lb_restore_sqlite_refuse_itself(&s->target, backup, err)) return err->code;
  if (lb_restoration_open(r, backup, LB_TYPE_SQLITE, s->target.path, err)) return err->code;
  if (lb_restore_sqlite_refuse_itself(&s->target, r->backup.path, err) || check_space(s, err)) return err->code;
  if (open_from(s, err) || open_to(s, err) || open_part(s, err) || verify(s, err)) return err->code;
  if (lb_restore_sqlite_save(r, &s->target, err) || write(s, err)) return err->code;
  r->check = s->level == LB_CHECK_NONE ? NULL : "ok";  /* anything else was an error */
  return LB_OK;
}

int lb_restore_part(lb_restoration *r, const char *backup, const char *target, lb_error *err)
{
  restoring s = { .r = r, .stage = { .file = LB_PARTIAL_INIT }, .copy = LB_PARTIAL_INIT };
  if (lb_restore_sqlite_open_target(r, target, &s.target, err)) return err->code;
  r->label = lb_text_copy(s.target.label, err);
  if (r->label && restore(&s, backup, err)) explain_damage(&s, err);
  lb_sqlite_part_close(s.part);
  lb_restoration_free_tables((char **)s.request.tables, s.request.table_count);
  lb_db_close(s.from);
  if (!s.target.own) lb_db_close(s.to);
  lb_stage_close(&s.stage);
  lb_partial_close(&s.copy);
  lb_target_close(&s.target);
  return err->code;
}

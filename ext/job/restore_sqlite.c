/* A backup's content into a SQLite database. The steps, in this order because nothing is destroyed before its
** replacement is proven: open the backup, look at the target, unpack beside it, check what was unpacked, save what is
** there, put it in place.
**
** Without a check of the database inside (verify false), a target in WAL mode takes its pages straight from the backup,
** each block checked as it is read: damage rolls the one write transaction back, readers go on with the old content
** meanwhile, and nothing is written twice. With a rollback journal readers would wait for the inflating.
*/
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "archive/reader.h"
#include "core/file.h"
#include "job/restoration.h"
#include "job/stage.h"
#include "sqlite/recognize.h"
#include "sqlite/target.h"
#include "vfs/vfs.h"

SQLITE_EXTENSION_INIT3

enum { SAVED_COPIES_KEPT = 3 };

typedef struct restoring {
  lb_restoration *r;
  lb_target target;
  lb_stage stage;
  lb_check_level level;
  bool in_place;   /* nothing is staged: the content is read where it lies */
} restoring;

int lb_restore_sqlite_refuse_itself(const lb_target *target, const char *backup, lb_error *err)
{
  struct stat b, t;
  if (!target->path || stat(backup, &b) || stat(target->path, &t)) return LB_OK;
  if (b.st_dev != t.st_dev || b.st_ino != t.st_ino) return LB_OK;
  return lb_fail(err, LB_MISUSE, "%s: backup and target are the same file", target->path);
}

/* An in-memory database has no page that anybody could miss while its schema is empty. */
static bool holds_nothing(const lb_target *t)
{
  int64_t objects = 1;
  lb_error err = LB_ERROR_INIT;
  if (t->kind == LB_TARGET_MEMORY) lb_db_object_count(t->db, t->schema, &objects, t->label, &err);
  return t->kind == LB_TARGET_NEW || objects == 0;
}

/* A backup as the target: the two arguments were exchanged, more likely than anything else. */
static int refuse_packed(const restoring *s, lb_error *err)
{
  if (s->target.kind != LB_TARGET_UNREADABLE || !lb_sqlite_is_packed(s->target.path)) return LB_OK;
  return lb_fail(err, LB_MISUSE, "target %s: is a compressed file, such as a backup, and no database: the backup is "
                 "the first argument (to put a database there, move the file away)", s->target.path);
}

static int refuse_overwrite(const restoring *s, lb_error *err)
{
  if (s->r->o.overwrite || holds_nothing(&s->target)) return LB_OK;
  return lb_fail(err, LB_EXISTS, "target exists: %s (pass {\"overwrite\":true} to replace it)", s->target.label);
}

/* Room for the unpacked copy (read in place: for what the target grows by), for the saved one, and for what SQLite
** journals while it replaces the content. */
static int check_space(const restoring *s, const char *stage_dir, lb_error *err)
{
  const int64_t most = INT64_MAX / 8;  /* a stream of another tool may claim anything */
  int64_t claimed = lb_reader_raw_bytes(s->r->backup.reader), raw = claimed < 0 ? 0 : claimed < most ? claimed : most;
  int64_t old = s->target.bytes, need = s->in_place ? (raw > old ? raw - old : 0) : raw;
  if (s->target.kind == LB_TARGET_DATABASE) need += old > raw ? old : raw;
  if (s->r->o.pre_restore) need += lb_target_save_bytes(&s->target);
  return lb_space_check(stage_dir, need, "the restore", err);
}

static int unpack(restoring *s, const char *dir, lb_error *err)
{
  char *name = lb_text_printf(err, "%s.restore", s->target.path ? lb_path_base(s->target.path) : "memory");
  bool keep = s->target.kind == LB_TARGET_NEW || s->target.kind == LB_TARGET_UNREADABLE;
  if (name && lb_stage_unpack(s->r->job, &s->r->backup, dir, name, s->r->threads, keep, &s->stage, err) == LB_OK) {
    lb_stage_check(s->r->job, &s->stage, s->level, s->r->backup.path, err);
  }
  free(name);
  return err->code;
}

/* What can be known of a content that is not unpacked first. */
static int look_in_place(restoring *s, lb_error *err)
{
  lb_opened *backup = &s->r->backup;
  if (lb_stage_peek(backup, &s->stage.header, err)) return err->code;
  s->stage.bytes = (uint64_t)lb_reader_raw_bytes(backup->reader);
  return lb_stage_check_length(backup, &s->stage.header, s->stage.bytes, err);
}

static int stage(restoring *s, lb_error *err)
{
  const char *dir = s->target.dir ? s->target.dir : s->r->dir;
  lb_reader *reader = s->r->backup.reader;
  if (!dir) return lb_fail(err, LB_NOTFOUND, "no folder to unpack in: name one with BACKUP_DIR or the option dir");
  s->in_place = s->level == LB_CHECK_NONE && s->target.kind == LB_TARGET_DATABASE && s->target.wal &&
                lb_reader_kind_of(reader) == LB_READER_INDEXED && lb_reader_raw_bytes(reader) > 0;
  if (check_space(s, dir, err)) return err->code;
  return s->in_place ? look_in_place(s, err) : unpack(s, dir, err);
}

int lb_restore_sqlite_save(lb_restoration *r, lb_target *target, lb_error *err)
{
  if (!r->o.pre_restore || target->kind == LB_TARGET_MEMORY) {
    if (target->kind == LB_TARGET_MEMORY && r->o.pre_restore && !holds_nothing(target)) {
      lb_job_note(r->job, "an in-memory database is not saved before it is %s", r->o.tables ? "changed" : "replaced");
    }
    return LB_OK;
  }
  if (lb_target_save(target, &r->saved, &r->job->notes, err)) {
    lb_error_prefix(
        err, "the target could not be saved first (nothing was changed; {\"pre_restore\":false} goes without): ");
  }
  return err->code;
}

void lb_restore_sqlite_prune(lb_restoration *r, const lb_target *target)
{
  if (r->saved) lb_target_prune(target, r->saved, SAVED_COPIES_KEPT, &r->job->notes);
}

/* What has not changed need not be kept: whoever tries again until nobody is in the way, or mends an error first, would
** fill the disk with copies, and push out the one from before the accident. */
void lb_restore_sqlite_unsave(lb_restoration *r, const lb_target *target)
{
  if (r->saved && lb_target_unsave(target, &r->job->notes)) lb_restoration_unsaved(r);
}

/* SQLite only knows that reading failed. Reading all of it again tells which block it was. */
static void name_damage(restoring *s, lb_error *err)
{
  lb_reader_report report = { 0 };
  lb_error damage = LB_ERROR_INIT;
  lb_reader_pass(s->r->backup.reader, s->r->threads, NULL, NULL, &s->r->job->task, &report, &damage);
  if (damage.code == LB_CORRUPT) *err = damage;
}

static int put_in_place(restoring *s, lb_error *err)
{
  const lb_manifest *m = &s->r->backup.about.manifest;
  bool from_manifest = s->r->backup.about.indexed;
  lb_target_content content = {
    .staged = s->in_place ? NULL : &s->stage.file, .path = s->r->backup.path, .vfs = LB_VFS_NAME,
    .wal = s->stage.header.wal, .page_size = s->stage.header.page_size,
    .mode = from_manifest ? m->mode : -1, .uid = from_manifest ? m->uid : -1, .gid = from_manifest ? m->gid : -1,
  };
  lb_task_phase(&s->r->job->task, "putting it in place", 0);
  if (lb_target_put(&s->target, &content, &s->r->job->notes, err)) {
    if (lb_target_is_as_it_was(&s->target, err)) lb_restore_sqlite_unsave(s->r, &s->target);
    if (s->in_place && err->code == LB_IO) name_damage(s, err);
    return err->code;
  }
  lb_restore_sqlite_prune(s->r, &s->target);
  return LB_OK;
}

static int restore(restoring *s, const char *backup, lb_error *err)
{
  lb_restoration *r = s->r;
  s->level = lb_stage_level(r->o.verify, LB_CHECK_FULL, LB_CHECK_FULL);
  if (strchr(backup, '/') && lb_restore_sqlite_refuse_itself(&s->target, backup, err)) return err->code;
  if (lb_restoration_open(r, backup, LB_TYPE_SQLITE, s->target.path, err)) return err->code;
  if (lb_restore_sqlite_refuse_itself(&s->target, r->backup.path, err) || refuse_packed(s, err) ||
      refuse_overwrite(s, err) || stage(s, err)) {
    return err->code;
  }
  if (lb_target_prepare(&s->target, s->stage.header.page_size, err)) return err->code;
  if (lb_restore_sqlite_save(r, &s->target, err) || put_in_place(s, err)) return err->code;
  r->bytes = (int64_t)s->stage.bytes;
  r->created = s->target.kind == LB_TARGET_NEW;
  r->check = s->level == LB_CHECK_NONE ? NULL : "ok";  /* anything else was an error */
  return LB_OK;
}

/* A schema that is an attached backup. */
static int refuse_backup(sqlite3 *caller, const char *schema, lb_error *err)
{
  char *vfs = NULL;
  if (!caller || sqlite3_file_control(caller, schema, SQLITE_FCNTL_VFSNAME, &vfs) != SQLITE_OK) return LB_OK;
  if (vfs && strcmp(vfs, LB_VFS_NAME) == 0) {
    lb_fail(err, LB_MISUSE, "%s: is a backup, which is no target: %s (name a database: main, a path)", schema,
            sqlite3_db_filename(caller, schema));
  }
  sqlite3_free(vfs);
  return err->code;
}

int lb_restore_sqlite_open_target(lb_restoration *r, const char *spec, lb_target *target, lb_error *err)
{
  int64_t timeout = lb_job_timeout(r->job, r->o.timeout_ms, err);
  if (err->code || refuse_backup(r->job->caller, spec, err)) return err->code;
  return lb_target_open(target, r->job->caller, spec, timeout, &r->job->task, err);
}

int lb_restore_sqlite(lb_restoration *r, const char *backup, const char *target, lb_error *err)
{
  restoring s = { .r = r, .stage = { .file = LB_PARTIAL_INIT } };
  if (lb_restore_sqlite_open_target(r, target, &s.target, err)) return err->code;
  r->label = lb_text_copy(s.target.label, err);
  if (r->label && lb_target_hold(&s.target, err) == LB_OK) restore(&s, backup, err);
  lb_stage_close(&s.stage);
  lb_target_close(&s.target);
  return err->code;
}

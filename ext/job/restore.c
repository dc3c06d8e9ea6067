/* See restore.h. The steps, in this order because nothing is destroyed before its replacement is proven:
** open the backup, look at the target, unpack beside it, check what was unpacked, save what is there, put it in place.
*/
#include "job/restore.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "archive/reader.h"
#include "core/clock.h"
#include "core/file.h"
#include "core/options.h"
#include "job/stage.h"
#include "sqlite/target.h"

enum { SAVED_COPIES_KEPT = 3 };

typedef struct restore_options {
  char *dir, *verify;
  int overwrite, pre_restore;
  int64_t threads, timeout_ms;
} restore_options;

static const lb_option known[] = {
  { "overwrite", LB_OPTION_BOOL, offsetof(restore_options, overwrite), 0, 0, NULL },
  { "pre_restore", LB_OPTION_BOOL, offsetof(restore_options, pre_restore), 0, 0, NULL },
  { "verify", LB_OPTION_LEVEL, offsetof(restore_options, verify), 0, 0, "quick|full" },
  { "dir", LB_OPTION_TEXT, offsetof(restore_options, dir), 0, 0, NULL },
  { "threads", LB_OPTION_INT, offsetof(restore_options, threads), 1, 64, NULL },
  { "timeout_ms", LB_OPTION_INT, offsetof(restore_options, timeout_ms), 0, 86400000, NULL },
  { NULL, 0, 0, 0, 0, NULL },
};

typedef struct restoring {
  lb_job *job;
  restore_options o;
  char *dir;
  lb_opened backup;
  lb_target target;
  bool have_target;
  lb_stage stage;
  int threads;
  lb_check_level level;
  char *saved;
} restoring;

/* A path needs no folder of backups; a name does. */
static int find_dir(restoring *r, const char *backup, lb_error *err)
{
  lb_error why = LB_ERROR_INIT;
  r->dir = lb_job_dir(r->job, r->o.dir, &why);
  if (!r->dir && (r->o.dir || !strchr(backup, '/'))) *err = why;
  return err->code;
}

static int refuse_itself(const restoring *r, const char *backup, lb_error *err)
{
  struct stat b, t;
  if (!r->target.path || stat(backup, &b) || stat(r->target.path, &t)) return LB_OK;
  if (b.st_dev != t.st_dev || b.st_ino != t.st_ino) return LB_OK;
  return lb_fail(err, LB_MISUSE, "%s: backup and target are the same file", r->target.path);
}

/* An in-memory database has no page that anybody could miss while its schema is empty. */
static bool holds_nothing(const lb_target *t)
{
  int64_t objects = 1;
  lb_error err = LB_ERROR_INIT;
  if (t->kind == LB_TARGET_MEMORY) lb_db_object_count(t->db, t->schema, &objects, t->label, &err);
  return t->kind == LB_TARGET_NEW || objects == 0;
}

static int look_at_target(restoring *r, const char *target, lb_error *err)
{
  int64_t timeout = lb_job_timeout(r->job, r->o.timeout_ms, err);
  if (err->code || lb_target_open(&r->target, r->job->caller, target, timeout, &r->job->task, err)) return err->code;
  r->have_target = true;
  r->job->run.target = r->target.label;
  return LB_OK;
}

static int refuse_overwrite(const restoring *r, lb_error *err)
{
  if (r->o.overwrite || holds_nothing(&r->target)) return LB_OK;
  return lb_fail(err, LB_EXISTS, "target exists: %s (pass {\"overwrite\":true} to replace it)", r->target.label);
}

/* Room for the unpacked copy, for the saved one, and for what SQLite journals while it replaces the content. */
static int check_space(const restoring *r, const char *stage_dir, lb_error *err)
{
  const int64_t most = INT64_MAX / 8;  /* a stream of another tool may claim anything */
  int64_t raw = lb_reader_raw_bytes(r->backup.reader), need = raw < 0 ? 0 : raw < most ? raw : most;
  if (r->target.kind == LB_TARGET_DATABASE) need += r->target.bytes > need ? r->target.bytes : need;
  if (r->o.pre_restore) need += lb_target_save_bytes(&r->target);
  return lb_space_check(stage_dir, need, "the restore", err);
}

static int unpack(restoring *r, lb_error *err)
{
  const char *dir = r->target.dir ? r->target.dir : r->dir;
  char *name = NULL;
  if (!dir) return lb_fail(err, LB_NOTFOUND, "no folder to unpack in: name one with BACKUP_DIR or the option dir");
  if (check_space(r, dir, err)) return err->code;
  name = lb_text_printf(err, "%s.restore", r->target.path ? lb_path_base(r->target.path) : "memory");
  bool keep = r->target.kind == LB_TARGET_NEW || r->target.kind == LB_TARGET_UNREADABLE;
  if (name && lb_stage_unpack(r->job, &r->backup, dir, name, r->threads, keep, &r->stage, err) == LB_OK) {
    lb_stage_check(r->job, &r->stage, r->level, r->backup.path, err);
  }
  free(name);
  return err->code;
}

static int save(restoring *r, lb_error *err)
{
  if (!r->o.pre_restore || r->target.kind == LB_TARGET_MEMORY) {
    if (r->target.kind == LB_TARGET_MEMORY && r->o.pre_restore && !holds_nothing(&r->target)) {
      lb_job_note(r->job, "an in-memory database is not saved before it is replaced");
    }
    return LB_OK;
  }
  if (lb_target_save(&r->target, &r->saved, err)) {
    lb_error_prefix(
        err, "the target could not be saved first (nothing was changed; {\"pre_restore\":false} goes without): ");
  }
  return err->code;
}

static int put_in_place(restoring *r, lb_error *err)
{
  const lb_manifest *m = &r->backup.about.manifest;
  bool from_manifest = r->backup.about.indexed;
  lb_target_content content = {
    .staged = &r->stage.file, .wal = r->stage.header.wal, .page_size = r->stage.header.page_size,
    .mode = from_manifest ? m->mode : -1, .uid = from_manifest ? m->uid : -1, .gid = from_manifest ? m->gid : -1,
  };
  lb_task_phase(&r->job->task, "putting it in place", 0);
  if (lb_target_put(&r->target, &content, &r->job->notes, err)) return err->code;
  if (r->saved) lb_target_prune(&r->target, r->saved, SAVED_COPIES_KEPT, &r->job->notes);
  return LB_OK;
}

static char *format_report(const restoring *r, lb_error *err)
{
  lb_buf out = { 0 };
  lb_buf_text(&out, "{");
  lb_json_put_text(&out, "backup", r->backup.path);
  lb_json_put_text(&out, "target", r->target.label);
  lb_json_put_text(&out, "pre_restore", r->saved);
  lb_json_put_int(&out, "bytes", (int64_t)r->stage.bytes);
  lb_json_put_real(&out, "seconds", lb_clock_monotonic() - r->job->started_monotonic);
  lb_json_put_text(&out, "check", r->level == LB_CHECK_NONE ? NULL : "ok");  /* anything else was an error */
  lb_json_put_text(&out, "notes", r->job->notes.len ? r->job->notes.data : NULL);
  lb_buf_text(&out, "}");
  char *text = lb_buf_take(&out);
  if (!text) lb_fail_nomem(err);
  return text;
}

static int restore(restoring *r, const char *backup, const char *target, lb_error *err)
{
  r->level = lb_stage_level(r->o.verify, LB_CHECK_FULL, LB_CHECK_FULL);
  r->threads = lb_job_threads(r->job, r->o.threads, err);
  if (err->code || find_dir(r, backup, err) || look_at_target(r, target, err)) return err->code;
  if (strchr(backup, '/') && refuse_itself(r, backup, err)) return err->code;
  if (lb_job_open_backup(r->job, r->dir ? r->dir : ".", backup, r->target.path, &r->backup, err)) return err->code;
  r->job->run.backup = lb_path_base(r->backup.path);
  r->job->run.source = r->backup.about.manifest.source;
  if (refuse_itself(r, r->backup.path, err) || refuse_overwrite(r, err) || unpack(r, err)) return err->code;
  if (lb_target_prepare(&r->target, r->stage.header.page_size, err)) return err->code;
  if (save(r, err) || put_in_place(r, err)) return err->code;
  r->job->run.bytes = (int64_t)lb_reader_stored_bytes(r->backup.reader);
  r->job->run.raw_bytes = (int64_t)r->stage.bytes;
  return LB_OK;
}

static void finish(restoring *r, const lb_error *err)
{
  lb_job_end(r->job, r->dir, err);
  lb_stage_close(&r->stage);
  if (r->have_target) lb_target_close(&r->target);
  lb_job_close_backup(&r->backup);
  lb_options_free(known, &r->o);
  free(r->saved);
  free(r->dir);
}

int lb_job_restore(lb_job *job, const char *backup, const char *target, const char *options, char **report,
                   lb_error *err)
{
  restoring r = { .job = job, .o = { .pre_restore = 1, .timeout_ms = -1 }, .backup = { .fd = -1 },
                  .stage = { .file = LB_PARTIAL_INIT } };
  *report = NULL;
  if (!options && !backup && !target) options = lb_config_text(job->config, LB_CONFIG_RESTORE_OPTIONS);
  if (!backup) backup = lb_config_text(job->config, LB_CONFIG_BACKUP);
  if (!target) target = lb_config_text(job->config, LB_CONFIG_TARGET);
  if (!backup) lb_fail(err, LB_MISUSE, "no backup named: pass one ('latest', a file name or a path)");
  else if (!target) target = lb_job_configured_source(job, err);
  char *subject = target ? lb_config_scrub_url(target, err) : NULL;
  lb_job_begin(job, "restore", subject ? subject : "", err);
  if (!err->code && lb_job_is_postgres(target)) {
    lb_fail(err, LB_UNSUPPORTED, "%s: PostgreSQL is not supported by this version yet", subject);
  }
  if (!err->code && lb_options_parse(job->json, options, known, &r.o, err) == LB_OK) restore(&r, backup, target, err);
  if (!err->code) *report = format_report(&r, err);
  finish(&r, err);
  free(subject);
  return err->code;
}

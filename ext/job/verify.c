/* See verify.h. quick reads every byte of the file; full also unpacks it and has SQLite check the database, or restores
** it into a scratch database of a PostgreSQL server. */
#include "job/verify.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "archive/reader.h"
#include "core/file.h"
#include "core/options.h"
#include "job/postgres.h"
#include "job/stage.h"
#include "sqlite/check.h"
#include "sqlite/connection.h"

typedef struct verify_options {
  char *level, *dir, *verify_uri;
  int raise;
  int64_t threads, jobs;
} verify_options;

static const lb_option known[] = {
  { "level", LB_OPTION_TEXT, offsetof(verify_options, level), 0, 0, "quick|full" },
  { "raise", LB_OPTION_BOOL, offsetof(verify_options, raise), 0, 0, NULL },
  { "dir", LB_OPTION_TEXT, offsetof(verify_options, dir), 0, 0, NULL },
  { "threads", LB_OPTION_INT, offsetof(verify_options, threads), 1, 64, NULL },
  { "jobs", LB_OPTION_INT, offsetof(verify_options, jobs), 1, 64, NULL },
  { "verify_uri", LB_OPTION_TEXT, offsetof(verify_options, verify_uri), 0, 0, NULL },
  { NULL, 0, 0, 0, 0, NULL },
};

static int read_options(lb_job *job, const char *text, verify_options *o, lb_error *err)
{
  if (!text) return LB_OK;
  if (text[0] == '{') return lb_options_parse(job->json, text, known, o, err);
  if (lb_option_set(&known[0], text, o, err)) {
    lb_error_clear(err);
    lb_fail(err, LB_MISUSE, "level \"%s\": must be quick, full, or a JSON object of options", text);
  }
  return err->code;
}

/* One verification. */
typedef struct verifying {
  lb_job *job;
  const verify_options *o;
  int threads;
  lb_opened *backup;
  lb_buf *lines;         /* of damage */
} verifying;

/* What is wrong with the backup is a line of the result, anything else an error. */
static int sort_out(verifying *v, const lb_error *inside, lb_error *err)
{
  if (inside->code == LB_CORRUPT) lb_buf_text(v->lines, inside->message);
  else if (inside->code) *err = *inside;
  return err->code;
}

static int check_bytes(verifying *v, lb_error *err)
{
  lb_reader_report report = { .damage = v->lines };
  int64_t raw = lb_reader_raw_bytes(v->backup->reader);
  lb_task_phase(&v->job->task, "verifying", raw > 0 ? raw : 0);
  lb_reader_pass(v->backup->reader, v->threads, NULL, NULL, &v->job->task, &report, err);
  v->job->run.raw_bytes = (int64_t)report.raw_bytes;
  return err->code;
}

static int check_in_place(verifying *v, lb_error *err)
{
  const char *path = v->backup->path;
  lb_buf damage = { 0 };
  lb_task_phase(&v->job->task, "integrity_check", 0);
  sqlite3 *db = lb_stage_attach(v->job, v->backup, err);
  if (db) lb_sqlite_check(db, "main", LB_CHECK_FULL, path, &damage, &v->job->notes, err);
  lb_db_close(db);
  if (damage.len) lb_fail(err, LB_CORRUPT, "%s: the database inside is damaged: %s", path, damage.data);
  lb_buf_free(&damage);
  return err->code;
}

static int check_sqlite(verifying *v, bool full, lb_error *err)
{
  lb_stage stage = { .file = LB_PARTIAL_INIT };
  lb_error inside = LB_ERROR_INIT;
  lb_sqlite_header header;
  uint64_t bytes = (uint64_t)v->job->run.raw_bytes;
  if (lb_stage_peek(v->backup, &header, &inside) ||
      lb_stage_check_length(v->backup, &header, bytes, &inside) || !full) {
    return sort_out(v, &inside, err);
  }
  if (lb_stage_fits_cache(v->backup, bytes)) {
    check_in_place(v, &inside);
    return sort_out(v, &inside, err);
  }
  char *dir = lb_path_dir(v->backup->path, err);
  if (dir && lb_stage_unpack(v->job, v->backup, dir, LB_STAGE_VERIFY, v->threads, false, &stage, &inside) == LB_OK) {
    lb_stage_check(v->job, &stage, LB_CHECK_FULL, v->backup->path, &inside);
  }
  lb_stage_close(&stage);
  free(dir);
  return sort_out(v, &inside, err);
}

/* A script of another tool has no index that would tell that its end is missing: it is read, and must end as pg_dump
** ends. */
static int check_foreign_script(verifying *v, lb_content *content, lb_error *err)
{
  lb_pg_survey survey = { 0 };
  lb_task_phase(&v->job->task, "reading the script", v->job->run.raw_bytes);
  if (lb_pg_survey_read(&content->source, NULL, &v->job->task, &survey, err) == LB_OK && !survey.complete) {
    lb_fail(err, LB_CORRUPT, "the last line of pg_dump is missing: the dump was not finished");
  }
  lb_error_prefix(err, "%s: ", v->backup->path);
  lb_pg_survey_free(&survey);
  return err->code;
}

static int check_postgres(verifying *v, bool full, lb_error *err)
{
  lb_content content = { 0 };
  lb_error inside = LB_ERROR_INIT;
  lb_opened *b = v->backup;
  if (lb_content_open(&content, b->reader, b->path, v->job, v->threads, &inside) == LB_OK &&
      (content.has_table || check_foreign_script(v, &content, &inside) == LB_OK) && full) {
    lb_postgres_verify_full(v->job, &content, &b->about.manifest, v->o->verify_uri, lb_job_jobs(v->o->jobs), &inside);
  }
  lb_content_close(&content);
  return sort_out(v, &inside, err);
}

/* A file that does not even open (no footer, garbage) is a result as well, as long as it is there. */
static int verify(verifying *v, const char *dir, const char *name, lb_error *err)
{
  bool full = v->o->level && strcmp(v->o->level, "full") == 0;
  v->threads = lb_job_threads(v->job, v->o->threads, err);
  if (err->code) return err->code;
  lb_error opening = LB_ERROR_INIT;
  if (lb_job_open_backup(v->job, dir, name, LB_TYPE_NONE, NULL, v->backup, &opening)) {
    return sort_out(v, &opening, err);
  }
  v->job->run.bytes = (int64_t)lb_reader_stored_bytes(v->backup->reader);
  v->job->run.source = v->backup->about.manifest.source;
  if (check_bytes(v, err) || v->lines->len) return err->code;
  bool postgres = lb_content_is_script(v->backup, err);
  if (err->code) return err->code;
  return postgres ? check_postgres(v, full, err) : check_sqlite(v, full, err);
}

/* The result is remembered where the backup is listed; one that lies elsewhere is in no listing. It lies where the file
** itself is: a path may lead there through links. */
static void remember(const verifying *v, const char *dir, const char *path, const struct stat *st, const char *result)
{
  lb_error why = LB_ERROR_INIT;
  char *real = lb_path_absolute(path, &why), *folder = real ? lb_path_dir(real, &why) : NULL;
  if (folder && strcmp(folder, dir) == 0) {
    lb_history_verified(dir, real, st, v->o->level ? v->o->level : "quick", result, &why);
  }
  if (why.code) lb_job_warn(v->job, "the result of the verification was not recorded", &why);
  free(folder);
  free(real);
}

/* What is wrong, or "ok"; allocated. */
static char *take_result(lb_buf *lines, lb_error *err)
{
  if (lines->len && lines->data[lines->len - 1] == '\n') lines->data[--lines->len] = 0;
  char *result = lines->len ? lb_buf_take(lines) : lb_text_copy("ok", err);
  if (!result) lb_fail_nomem(err);
  return result;
}

int lb_job_verify_listed(lb_job *job, const char *dir, lb_backup *backup, lb_error *err)
{
  verify_options o = { 0 };
  lb_opened opened = { .fd = -1 };
  lb_buf lines = { 0 };
  lb_run run = job->run;
  struct stat st;
  if (stat(backup->path, &st)) return lb_fail_errno(err, errno, "cannot open backup %s", backup->path);
  verifying v = { .job = job, .o = &o, .backup = &opened, .lines = &lines };
  verify(&v, dir, backup->path, err);
  char *result = err->code ? NULL : take_result(&lines, err);
  if (result) {
    remember(&v, dir, backup->path, &st, result);
    result[strcspn(result, "\n")] = 0;
    free(backup->verify_result);
    backup->verify_result = result;
  }
  job->run = run;  /* what was noted there is of the file, which this run is not about */
  lb_job_close_backup(&opened);
  lb_buf_free(&lines);
  return err->code;
}

int lb_job_verify(lb_job *job, const char *backup, const char *level_or_options, char **result, lb_error *err)
{
  verify_options o = { 0 };
  lb_opened opened = { .fd = -1 };
  lb_buf lines = { 0 };
  char *dir = NULL;
  *result = NULL;
  lb_job_begin(job, "verify", backup, err);
  if (!err->code && read_options(job, level_or_options, &o, err) == LB_OK) {
    lb_error why = LB_ERROR_INIT;
    dir = lb_job_dir(job, o.dir, &why);
    if (!dir && (o.dir || !strchr(backup, '/'))) *err = why;
  }
  verifying v = { .job = job, .o = &o, .backup = &opened, .lines = &lines };
  if (!err->code) verify(&v, dir ? dir : ".", backup, err);
  if (!err->code) *result = take_result(&lines, err);
  if (!err->code && opened.path && dir) {
    job->run.backup = lb_path_base(opened.path);
    remember(&v, dir, opened.path, &opened.st, *result);
  }
  if (!err->code && o.raise && strcmp(*result, "ok") != 0)
    lb_fail(err, LB_CORRUPT, "backup %s is damaged: %s", backup, *result);
  lb_job_end(job, dir, err);
  lb_job_close_backup(&opened);
  lb_options_free(known, &o);
  lb_buf_free(&lines);
  free(dir);
  if (err->code) {
    free(*result);
    *result = NULL;
  }
  return err->code;
}

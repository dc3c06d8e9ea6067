/* See verify.h. quick reads every byte of the file; full also unpacks it and has SQLite check the database. */
#include "job/verify.h"

#include <stdlib.h>
#include <string.h>

#include "archive/reader.h"
#include "core/file.h"
#include "core/options.h"
#include "job/stage.h"

typedef struct verify_options {
  char *level, *dir;
  int raise;
  int64_t threads;
} verify_options;

static const lb_option known[] = {
  { "level", LB_OPTION_TEXT, offsetof(verify_options, level), 0, 0, "quick|full" },
  { "raise", LB_OPTION_BOOL, offsetof(verify_options, raise), 0, 0, NULL },
  { "dir", LB_OPTION_TEXT, offsetof(verify_options, dir), 0, 0, NULL },
  { "threads", LB_OPTION_INT, offsetof(verify_options, threads), 1, 64, NULL },
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

/* Every byte, then what is inside. Damage goes to lines. */
static int check_whole(lb_job *job, lb_opened *backup, int threads, lb_buf *lines, lb_error *err)
{
  lb_reader_report report = { .damage = lines };
  int64_t raw = lb_reader_raw_bytes(backup->reader);
  lb_task_phase(&job->task, "verifying", raw > 0 ? raw : 0);
  if (lb_reader_pass(backup->reader, threads, NULL, NULL, &job->task, &report, err)) return err->code;
  lb_error inside = LB_ERROR_INIT;
  lb_sqlite_header header;
  bool sqlite = backup->about.name.type != LB_TYPE_POSTGRES && backup->about.manifest.type != LB_TYPE_POSTGRES;
  if (!lines->len && sqlite && (lb_stage_peek(backup, &header, &inside) ||
                                lb_stage_check_length(backup, &header, report.raw_bytes, &inside))) {
    lb_buf_text(lines, inside.message);
  }
  job->run.raw_bytes = (int64_t)report.raw_bytes;
  return err->code;
}

static int check_database(lb_job *job, lb_opened *backup, int threads, lb_buf *lines, lb_error *err)
{
  lb_stage stage;
  char *dir = lb_path_dir(backup->path, err);
  if (!dir) return err->code;
  lb_error inside = LB_ERROR_INIT;
  if (lb_stage_unpack(job, backup, dir, "verify", threads, false, &stage, &inside) == LB_OK) {
    lb_stage_check(job, &stage, LB_CHECK_FULL, backup->path, &inside);
  }
  lb_stage_close(&stage);
  if (inside.code == LB_CORRUPT) lb_buf_text(lines, inside.message);
  else if (inside.code) *err = inside;
  free(dir);
  return err->code;
}

/* A file that does not even open (no footer, garbage) is a result as well, as long as it is there. */
static int verify(lb_job *job, const char *dir, const char *name, const verify_options *o, lb_opened *backup,
                  lb_buf *lines, lb_error *err)
{
  bool full = o->level && strcmp(o->level, "full") == 0;
  int threads = lb_job_threads(job, o->threads, err);
  if (err->code) return err->code;
  lb_error opening = LB_ERROR_INIT;
  if (lb_job_open_backup(job, dir, name, NULL, backup, &opening)) {
    if (opening.code != LB_CORRUPT) return *err = opening, err->code;
    lb_buf_text(lines, opening.message);
    return LB_OK;
  }
  job->run.bytes = (int64_t)lb_reader_stored_bytes(backup->reader);
  job->run.source = backup->about.manifest.source;
  if (check_whole(job, backup, threads, lines, err) == LB_OK && full && !lines->len) {
    check_database(job, backup, threads, lines, err);
  }
  return err->code;
}

/* The result is remembered where the backup is listed; one that lies elsewhere is in no listing. */
static void remember(lb_job *job, const char *dir, const char *path, const verify_options *o, const char *result)
{
  lb_error why = LB_ERROR_INIT;
  char *folder = lb_path_dir(path, &why);
  if (folder && strcmp(folder, dir) == 0 &&
      lb_history_verified(dir, path, o->level ? o->level : "quick", result, &why)) {
    lb_job_note(job, "the result was not recorded: %s", why.message);
  }
  free(folder);
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
  if (!err->code) verify(job, dir ? dir : ".", backup, &o, &opened, &lines, err);
  if (lines.len && lines.data[lines.len - 1] == '\n') lines.data[--lines.len] = 0;
  if (!err->code) {
    *result = lines.len ? lb_buf_take(&lines) : lb_text_copy("ok", err);
    if (!*result) lb_fail_nomem(err);
  }
  if (!err->code && opened.path && dir) {
    job->run.backup = lb_path_base(opened.path);
    remember(job, dir, opened.path, &o, *result);
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

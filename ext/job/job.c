/* See job.h. */
#include "job/job.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "archive/reader.h"
#include "catalog/resolve.h"
#include "core/clock.h"
#include "core/file.h"
#include "sqlite/recognize.h"

int lb_job_begin(lb_job *job, const char *operation, const char *subject, lb_error *err)
{
  job->started = lb_clock_now();
  job->started_monotonic = lb_clock_monotonic();
  job->run =
      (lb_run){ .operation = operation, .started = job->started, .snapshot_seconds = -1, .bytes = -1, .raw_bytes = -1 };
  job->task.draw = lb_config_is_on(job->config, LB_CONFIG_PROGRESS);
  lb_task_begin(&job->task, operation, subject);
  job->json = lb_json_open(err);
  return err->code;
}

void lb_job_end(lb_job *job, const char *dir, const lb_error *err)
{
  struct stat st;
  lb_error why = LB_ERROR_INIT;
  lb_buf notes = { 0 };
  lb_buf_append(&notes, job->notes.data, job->notes.len);
  if (job->history_notes.len) lb_buf_printf(&notes, "%s%s", notes.len ? "\n" : "", job->history_notes.data);
  job->run.seconds = lb_clock_monotonic() - job->started_monotonic;
  job->run.error = err->code ? err->message : NULL;
  job->run.notes = notes.len ? notes.data : NULL;
  if (dir && stat(dir, &st) == 0 && lb_history_add(dir, &job->run, &why)) {
    lb_job_warn(job, "history was not written", &why);
  }
  job->run.notes = NULL;
  lb_buf_free(&notes);
  lb_json_close(job->json);
  job->json = NULL;
  lb_task_end(&job->task);
}

static void put_line(lb_buf *lines, const char *format, va_list args)
{
  if (lines->len) lb_buf_text(lines, "\n");
  lb_buf_vprintf(lines, format, args);
}

void lb_job_note(lb_job *job, const char *format, ...)
{
  va_list args;
  va_start(args, format);
  put_line(&job->notes, format, args);
  va_end(args);
}

void lb_job_note_history(lb_job *job, const char *format, ...)
{
  va_list args;
  va_start(args, format);
  put_line(&job->history_notes, format, args);
  va_end(args);
}

void lb_job_warn(lb_job *job, const char *what, const lb_error *why)
{
  lb_job_note(job, "%s: %s", what, why->message);
  lb_history_warn(what, why);
}

/* A path as one word of a command line for the shell, quoted where it has to be. */
static void put_shell_word(lb_buf *out, const char *path)
{
  static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789/._-+:=@%,";
  if (*path == '-') lb_buf_text(out, "./");
  if (path[strspn(path, plain)] == 0) {
    lb_buf_text(out, path);
    return;
  }
  lb_buf_text(out, "'");
  for (; *path; path++) {
    if (*path == '\'') lb_buf_text(out, "'\\''");
    else lb_buf_append(out, path, 1);
  }
  lb_buf_text(out, "'");
}

static int fail_no_dir(const char *dir, lb_error *err)
{
  lb_buf word = { 0 };
  put_shell_word(&word, dir);
  if (word.failed) lb_fail_nomem(err);
  else lb_fail(err, LB_NOTFOUND,
               "no folder for backups: %s does not exist (make it: mkdir -p %s; or name another with BACKUP_DIR or the "
               "option dir)", dir, word.data);
  lb_buf_free(&word);
  return err->code;
}

char *lb_job_dir(lb_job *job, const char *option, lb_error *err)
{
  const char *dir = option ? option : lb_config_text(job->config, LB_CONFIG_DIR);
  struct stat st;
  if (!*dir) {
    lb_fail(err, LB_MISUSE, "the name of the folder of backups is empty (leave it out to mean BACKUP_DIR)");
    return NULL;
  }
  if (stat(dir, &st)) {
    if (errno == ENOENT) fail_no_dir(dir, err);
    else lb_fail_errno(err, errno, "folder of backups %s", dir);
    return NULL;
  }
  if (!S_ISDIR(st.st_mode)) {
    lb_fail(err, LB_MISUSE, "folder of backups %s: not a folder", dir);
    return NULL;
  }
  return lb_path_absolute(dir, err);
}

static int64_t some_processors(void)
{
  int64_t processors = sysconf(_SC_NPROCESSORS_ONLN);
  return processors < 1 ? 1 : processors < 8 ? processors : 8;
}

int lb_job_threads(lb_job *job, int64_t option, lb_error *err)
{
  int64_t threads = option;
  if (!threads) lb_config_integer(job->config, LB_CONFIG_THREADS, some_processors(), &threads, err);
  return (int)threads;
}

int lb_job_jobs(int64_t option)
{
  return (int)(option ? option : some_processors());
}

int64_t lb_job_timeout(lb_job *job, int64_t option, lb_error *err)
{
  int64_t timeout = option;
  if (option < 0) lb_config_integer(job->config, LB_CONFIG_TIMEOUT_MS, 5000, &timeout, err);
  return timeout;
}

bool lb_job_is_postgres(const char *text)
{
  return lb_config_is_uri(text);
}

static int fail_address(lb_error *err)
{
  return lb_fail(err, LB_MISUSE, "not a postgresql:// URI (key=value connection strings are not accepted)");
}

int lb_job_check_database(const char *text, lb_error *err)
{
  return lb_config_is_address(text) ? fail_address(err) : (int)LB_OK;
}

const char *lb_job_configured_database(lb_job *job, const char *what, lb_error *err)
{
  const char *type = lb_config_text(job->config, LB_CONFIG_DB_TYPE);
  const char *path = lb_config_text(job->config, LB_CONFIG_DB_PATH),
             *url = lb_config_text(job->config, LB_CONFIG_DATABASE_URL);
  if (type && strcmp(type, "sqlite") != 0 && strcmp(type, "postgres") != 0) {
    lb_fail(err, LB_MISUSE, "ADMIN_DB_TYPE must be sqlite or postgres, not \"%s\"", type);
    return NULL;
  }
  bool postgres = type ? strcmp(type, "postgres") == 0 : !path && url;
  const char *source = postgres ? url : path;
  if (!source) {
    lb_fail(err, LB_MISUSE, postgres ? "no database named: set ADMIN_DATABASE_URL, or pass a %s (a postgresql:// URI)"
                                     : "no database named: set ADMIN_DB_PATH, or pass a %s (main, a path)", what);
  } else if (postgres ? !lb_job_is_postgres(source) : lb_config_is_address(source)) {
    fail_address(err);
    return NULL;
  }
  return source;
}

/* Opening a database that this process has open, and closing it again, would drop SQLite's locks on it. */
static int lock_opened(lb_opened *o, lb_error *err)
{
  if (lb_sqlite_is_open_here(o->path)) {
    return lb_fail(err, LB_BUSY,
                   "backup %s is a database that this process has open: close it first, or back it up with "
                   "backup_create",
                   o->path);
  }
  o->fd = open(o->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  if (o->fd < 0) return lb_fail_errno(err, errno, "cannot open backup %s", o->path);
  if (fstat(o->fd, &o->st)) return lb_fail_errno(err, errno, "cannot open backup %s", o->path);
  if (!S_ISREG(o->st.st_mode)) return lb_fail(err, LB_MISUSE, "backup %s: not a regular file", o->path);
  if (!lb_file_lock(o->fd, false) && errno == EWOULDBLOCK) {
    return lb_fail(err, LB_BUSY, "backup %s is being written or removed by another process", o->path);
  }
  return LB_OK;
}

int lb_job_open_backup(lb_job *job, const char *dir, const char *backup, lb_type type, const char *target_source,
                       lb_opened *o, lb_error *err)
{
  memset(o, 0, sizeof *o);
  o->fd = -1;
  if (lb_resolve(dir, backup, target_source, type, job->json, &o->path, err) == LB_OK &&
      lock_opened(o, err) == LB_OK) {
    o->reader = lb_reader_open(o->fd, o->path, err);
    if (o->reader) lb_backup_read(o->path, job->json, &o->about, err);
  }
  if (err->code) lb_job_close_backup(o);
  return err->code;
}

int lb_job_find_backup(lb_job *job, const char *backup, lb_type type, lb_opened *o, lb_error *err)
{
  lb_error why = LB_ERROR_INIT;
  char *dir = lb_job_dir(job, NULL, &why);
  if (!dir && !strchr(backup, '/') && !err->code) *err = why;
  if (!err->code) lb_job_open_backup(job, dir ? dir : ".", backup, type, NULL, o, err);
  free(dir);
  return err->code;
}

void lb_job_close_backup(lb_opened *o)
{
  lb_reader_close(o->reader);
  lb_backup_free(&o->about);
  if (o->fd >= 0) lb_file_close_locked(o->fd);
  free(o->path);
  memset(o, 0, sizeof *o);
  o->fd = -1;
}

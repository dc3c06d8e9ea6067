/* See restore.h. Options in, the way that they and the target ask for, the report. restoration.c: what ways share. */
#include "job/restore.h"

#include <stdlib.h>
#include <string.h>

#include "job/restoration.h"

#define COMMON_OPTIONS \
  { "overwrite", LB_OPTION_BOOL, offsetof(lb_restore_options, overwrite), 0, 0, NULL }, \
  { "pre_restore", LB_OPTION_BOOL, offsetof(lb_restore_options, pre_restore), 0, 0, NULL }, \
  { "verify", LB_OPTION_LEVEL, offsetof(lb_restore_options, verify), 0, 0, "quick|full" }, \
  { "dir", LB_OPTION_TEXT, offsetof(lb_restore_options, dir), 0, 0, NULL }, \
  { "threads", LB_OPTION_INT, offsetof(lb_restore_options, threads), 1, 64, NULL }, \
  { "tables", LB_OPTION_LIST, offsetof(lb_restore_options, tables), 1, 0, NULL }, \
  { "rows", LB_OPTION_TEXT, offsetof(lb_restore_options, rows), 0, 0, "replace|missing|merge" }, \
  { "columns", LB_OPTION_TEXT, offsetof(lb_restore_options, columns), 0, 0, "all|common" }

const lb_option lb_restore_sqlite_options[] = {
  COMMON_OPTIONS,
  { "timeout_ms", LB_OPTION_INT, offsetof(lb_restore_options, timeout_ms), 0, 86400000, NULL },
  { NULL, 0, 0, 0, 0, NULL },
};

const lb_option lb_restore_postgres_options[] = {
  COMMON_OPTIONS,
  { "mode", LB_OPTION_TEXT, offsetof(lb_restore_options, mode), 0, 0, "transaction|swap" },
  { "jobs", LB_OPTION_INT, offsetof(lb_restore_options, jobs), 1, 64, NULL },
  { "create", LB_OPTION_BOOL, offsetof(lb_restore_options, create), 0, 0, NULL },
  { "force", LB_OPTION_BOOL, offsetof(lb_restore_options, force), 0, 0, NULL },
  { "drop_old", LB_OPTION_BOOL, offsetof(lb_restore_options, drop_old), 0, 0, NULL },
  { "no_owner", LB_OPTION_BOOL, offsetof(lb_restore_options, no_owner), 0, 0, NULL },
  { "no_privileges", LB_OPTION_BOOL, offsetof(lb_restore_options, no_privileges), 0, 0, NULL },
  { "lock_timeout", LB_OPTION_INT, offsetof(lb_restore_options, lock_timeout), 0, 86400000, NULL },
  { "name", LB_OPTION_TEXT, offsetof(lb_restore_options, name), 0, 0, NULL },
  { NULL, 0, 0, 0, 0, NULL },
};

/* A path needs no folder of backups; a name does. */
static int find_dir(lb_restoration *r, const char *backup, lb_error *err)
{
  lb_error why = LB_ERROR_INIT;
  r->dir = lb_job_dir(r->job, r->o.dir, &why);
  if (!r->dir && (r->o.dir || !strchr(backup, '/'))) *err = why;
  return err->code;
}

/* ---- a part ---- */

static int check_options(const lb_restore_options *o, lb_error *err)
{
  const char *whole = o->mode ? "mode" : o->create ? "create" : o->force ? "force" : o->drop_old ? "drop_old"
    : o->no_owner ? "no_owner" : o->no_privileges ? "no_privileges" : NULL;
  if (o->tables && whole) {
    return lb_fail(err, LB_MISUSE, "option \"%s\" is for a restore of the whole database, not of some \"tables\"",
                   whole);
  }
  if (o->tables || (!o->rows && !o->columns)) return LB_OK;
  return lb_fail(err, LB_MISUSE, "option \"%s\" is for a restore of some tables: pass \"tables\" too",
                 o->rows ? "rows" : "columns");
}

static void put_tables(const lb_restoration *r, lb_buf *out)
{
  lb_buf_text(out, ",\"tables\":[");
  for (int i = 0; i < r->tables.count; i++) {
    const lb_rows_count *c = &r->tables.list[i];
    lb_buf_text(out, i ? ",{" : "{");
    lb_json_put_text(out, "table", c->table);
    lb_json_put_int(out, "added", c->added);
    lb_json_put_int(out, "changed", c->changed);
    lb_json_put_int(out, "removed", c->removed);
    lb_json_put_int(out, "kept", c->kept);
    lb_buf_text(out, "}");
  }
  lb_buf_text(out, "]");
}

/* The report has them in its own words. */
static void note_tables(const lb_restoration *r)
{
  for (int i = 0; i < r->tables.count; i++) {
    const lb_rows_count *c = &r->tables.list[i];
    lb_job_note_history(r->job, "table %s: %lld rows added, %lld changed, %lld removed, %lld kept", c->table,
                        (long long)c->added, (long long)c->changed, (long long)c->removed, (long long)c->kept);
  }
}

/* ---- all of it ---- */

static char *format_report(const lb_restoration *r, lb_error *err)
{
  lb_buf out = { 0 };
  lb_buf_text(&out, "{");
  lb_json_put_text(&out, "backup", r->backup.path);
  lb_json_put_text(&out, "target", r->label);
  lb_json_put_text(&out, "pre_restore", r->saved);
  lb_json_put_key(&out, "created");
  lb_buf_text(&out, r->created ? "true" : "false");
  if (r->previous) lb_json_put_text(&out, "previous", r->previous);
  lb_json_put_int(&out, "bytes", r->bytes);
  lb_json_put_real(&out, "seconds", r->job->run.seconds);
  lb_json_put_text(&out, "check", r->check);
  lb_json_put_text(&out, "notes", r->job->notes.len ? r->job->notes.data : NULL);
  if (r->o.tables) put_tables(r, &out);
  lb_buf_text(&out, "}");
  char *text = lb_buf_take(&out);
  if (!text) lb_fail_nomem(err);
  return text;
}

static int restore(lb_restoration *r, const char *backup, const char *target, bool postgres, lb_error *err)
{
  r->threads = lb_job_threads(r->job, r->o.threads, err);
  if (err->code || find_dir(r, backup, err)) return err->code;
  if (postgres && r->o.tables) lb_restore_part_postgres(r, backup, target, err);
  else if (postgres) lb_restore_postgres(r, backup, target, err);
  else if (r->o.tables) lb_restore_part(r, backup, target, err);
  else lb_restore_sqlite(r, backup, target, err);
  r->job->run.target = r->label;
  if (!err->code) r->job->run.raw_bytes = r->bytes;
  return err->code;
}

int lb_job_restore(lb_job *job, const char *backup, const char *target, const char *options, char **report,
                   lb_error *err)
{
  lb_restoration r = { .job = job, .o = { .pre_restore = 1, .timeout_ms = -1, .lock_timeout = -1 },
                       .backup = { .fd = -1 } };
  *report = NULL;
  if (!options && !backup && !target) options = lb_config_text(job->config, LB_CONFIG_RESTORE_OPTIONS);
  if (!backup) backup = lb_config_text(job->config, LB_CONFIG_BACKUP);
  if (!target) target = lb_config_text(job->config, LB_CONFIG_TARGET);
  if (!backup) lb_fail(err, LB_MISUSE, "no backup named: pass one ('latest', a file name or a path)");
  else if (!target) target = lb_job_configured_database(job, "target", err);
  else if (lb_job_check_database(target, err)) target = NULL;
  char *subject = target ? lb_config_scrub_url(target, err) : NULL;
  lb_job_begin(job, "restore", subject ? subject : "", err);
  bool postgres = target && lb_job_is_postgres(target);
  const lb_option *known = postgres ? lb_restore_postgres_options : lb_restore_sqlite_options;
  if (!err->code && lb_options_parse(job->json, options, known, &r.o, err) == LB_OK &&
      check_options(&r.o, err) == LB_OK) {
    restore(&r, backup, target, postgres, err);
  }
  if (!err->code) note_tables(&r);
  lb_job_end(job, r.dir, err);
  if (!err->code) *report = format_report(&r, err);  /* after the end: a history that was not written is a note */
  lb_job_close_backup(&r.backup);
  lb_options_free(known, &r.o);
  lb_rows_counts_free(&r.tables);
  free(r.label);
  free(r.saved);
  free(r.previous);
  free(r.dir);
  free(subject);
  return err->code;
}

/* The tables: docs/reference.md describes each. */
#include <stdlib.h>
#include <string.h>

#include "api/table.h"
#include "core/task.h"
#include "job/diff.h"
#include "job/inspect.h"
#include "job/rotate.h"

/* A folder given as the argument, else the configured one; a connection for JSON comes with it. */
static char *begin_listing(lb_call *call, lb_session *session, const char *argument, lb_error *err)
{
  lb_call_begin(call, session);
  call->job.json = lb_json_open(err);
  return err->code ? NULL : lb_job_dir(&call->job, argument, err);
}

static void end_listing(lb_call *call, char *dir)
{
  lb_json_close(call->job.json);
  lb_call_end(call);
  free(dir);
}

/* ---- backups, backup_list ---- */

#define BACKUPS_COLUMNS \
  "path TEXT, file TEXT, name TEXT, type TEXT, kind TEXT, created_at TEXT, bytes INTEGER, raw_bytes INTEGER, " \
  "verified_at TEXT, verify_result TEXT, pinned INTEGER, note TEXT, keep_until TEXT, codec TEXT, source TEXT, " \
  "content_hash TEXT, problem TEXT"
enum { BACKUPS_COUNT = 17 };

static void add_backup(lb_rows *rows, const lb_backup *b)
{
  lb_rows_text(rows, b->path);
  lb_rows_text(rows, b->file);
  lb_rows_text(rows, b->name.name);
  lb_rows_text(rows, lb_type_text(b->name.type));
  lb_rows_text(rows, lb_kind_text(b->name.kind));
  lb_rows_time(rows, b->created);
  lb_rows_integer(rows, b->bytes);
  lb_rows_integer_or_null(rows, b->indexed ? b->manifest.raw_bytes : -1);
  lb_rows_time(rows, b->verified_at);
  lb_rows_text(rows, b->verify_result);
  lb_rows_integer(rows, b->pinned);
  lb_rows_text(rows, b->note);
  lb_rows_time(rows, b->manifest.keep_until);
  lb_rows_text(rows, b->manifest.codec);
  lb_rows_text(rows, b->manifest.source);
  lb_rows_text(rows, b->manifest.content_hash);
  lb_rows_text(rows, b->problem);
}

static int fill_backups(lb_scan *scan, lb_rows *rows, lb_error *err)
{
  lb_call call;
  lb_listing listing = { 0 };
  char *dir = begin_listing(&call, scan->session, scan->arguments[0], err);
  if (dir && lb_listing_read(dir, call.job.json, &listing, err) == LB_OK) {
    for (int i = 0; i < listing.count; i++) add_backup(rows, &listing.items[i]);
  }
  lb_listing_free(&listing);
  end_listing(&call, dir);
  return err->code;
}

/* ---- backup_plan ---- */

static int fill_plan(lb_scan *scan, lb_rows *rows, lb_error *err)
{
  lb_call call;
  lb_plan plan = { 0 };
  lb_call_begin(&call, scan->session);
  lb_job_plan(&call.job, scan->arguments[0], &plan, err);
  for (int i = 0; i < plan.count && !err->code; i++) {
    const lb_backup *b = &plan.listing.items[plan.decisions[i].item];
    lb_rows_text(rows, b->path);
    lb_rows_text(rows, b->name.name);
    lb_rows_time(rows, b->created);
    lb_rows_text(rows, plan.decisions[i].remove ? "remove" : "keep");
    lb_rows_text(rows, plan.decisions[i].reason);
    lb_rows_text(rows, b->file);
    lb_rows_integer(rows, b->bytes);
  }
  lb_plan_free(&plan);
  lb_call_end(&call);
  return err->code;
}

/* ---- backup_config ---- */

static int fill_config(lb_scan *scan, lb_rows *rows, lb_error *err)
{
  const lb_config *config = &scan->session->config;
  for (lb_config_key key = 0; key < LB_CONFIG_COUNT; key++) {
    const char *value = lb_config_text(config, key);
    bool database = key == LB_CONFIG_TARGET || key == LB_CONFIG_DB_PATH;
    bool url = key == LB_CONFIG_DATABASE_URL ||
               (database && value && (lb_config_is_uri(value) || lb_config_is_address(value)));
    char *shown = value && url ? lb_config_scrub_url(value, err) : NULL;
    lb_rows_text(rows, lb_config_name(key));
    lb_rows_text(rows, shown ? shown : url ? NULL : value);
    lb_rows_text(rows, lb_config_origin(config, key));
    lb_rows_text(rows, lb_config_description(key));
    free(shown);
  }
  return err->code;
}

/* ---- backup_activity ---- */

static int fill_activity(lb_scan *scan, lb_rows *rows, lb_error *err)
{
  (void)scan;
  lb_activity *list = NULL;
  int count = lb_task_list(&list);
  if (count < 0) return lb_fail_nomem(err);
  for (int i = 0; i < count; i++) {
    const lb_activity *a = &list[i];
    lb_rows_integer(rows, a->id);
    lb_rows_text(rows, a->operation);
    lb_rows_text(rows, a->subject);
    lb_rows_text(rows, a->phase);
    lb_rows_integer(rows, a->done);
    lb_rows_integer_or_null(rows, a->total > 0 ? a->total : -1);
    lb_rows_real(rows, a->rate);
    lb_rows_real_or_null(rows, a->total > 0 ? a->eta : -1);
    lb_rows_real(rows, a->elapsed);
  }
  free(list);
  return err->code;
}

/* ---- backup_history ---- */

static int add_run(void *ctx, const lb_run_row *row, lb_error *err)
{
  (void)err;
  lb_rows *rows = ctx;
  const lb_run *run = &row->run;
  lb_rows_integer(rows, row->id);
  lb_rows_text(rows, run->operation);
  lb_rows_text(rows, run->backup);
  lb_rows_text(rows, run->source);
  lb_rows_text(rows, run->target);
  lb_rows_time(rows, run->started);
  lb_rows_real(rows, run->seconds);
  lb_rows_real_or_null(rows, run->snapshot_seconds);
  lb_rows_integer_or_null(rows, run->bytes);
  lb_rows_integer_or_null(rows, run->raw_bytes);
  lb_rows_text(rows, run->error);
  lb_rows_text(rows, run->notes);
  return LB_OK;
}

static int fill_history(lb_scan *scan, lb_rows *rows, lb_error *err)
{
  lb_call call;
  lb_call_begin(&call, scan->session);
  char *dir = lb_job_dir(&call.job, scan->arguments[0], err);
  if (dir) lb_history_each(dir, add_run, rows, err);
  lb_call_end(&call);
  free(dir);
  return err->code;
}

/* ---- backup_contents ---- */

enum { CONTENTS_ROWS = 3, CONTENTS_BYTES = 4 };

static int add_content(void *ctx, const lb_inspected *item, lb_error *err)
{
  (void)err;
  lb_rows *rows = ctx;
  lb_rows_text(rows, item->kind);
  lb_rows_text(rows, item->schema);
  lb_rows_text(rows, item->name);
  lb_rows_integer_or_null(rows, item->rows);
  lb_rows_integer_or_null(rows, item->bytes);
  return LB_OK;
}

static int fill_contents(lb_scan *scan, lb_rows *rows, lb_error *err)
{
  lb_call call;
  lb_inspect inspect = { .rows = scan->wanted >> CONTENTS_ROWS & 1, .bytes = scan->wanted >> CONTENTS_BYTES & 1,
                         .each = add_content, .ctx = rows };
  if (!scan->arguments[0]) {
    return lb_fail(err, LB_MISUSE, "backup_contents needs a backup: pass 'latest', a file name or a path, as in "
                                   "SELECT * FROM backup_contents('latest')");
  }
  lb_call_begin(&call, scan->session);
  lb_job_inspect(&call.job, scan->arguments[0], &inspect, err);
  lb_call_end(&call);
  return err->code;
}

/* ---- backup_diff ---- */

enum { DIFF_ADDED = 3, DIFF_REMOVED = 4, DIFF_CHANGED = 5, DIFF_COLUMNS = 7, DIFF_ROWS = 64 };

/* What lasts from one piece of its rows to the next. */
typedef struct diffing {
  lb_call call;
  lb_comparison *comparison;
  int rows;   /* to make at once: one, then ever more, so that the first comes early */
} diffing;

static void close_diff(void *state)
{
  diffing *d = state;
  lb_job_diff_close(d->comparison);
  lb_call_end(&d->call);
  free(d);
}

static int open_diff(lb_scan *scan, lb_error *err)
{
  static const uint32_t counts = 1u << DIFF_ADDED | 1u << DIFF_REMOVED | 1u << DIFF_CHANGED | 1u << DIFF_COLUMNS;
  const char *a = scan->arguments[0], *b = scan->arguments[1];
  lb_difference_wanted wanted = { .counts = scan->wanted & counts };
  if (!a || !b) {
    return lb_fail(err, LB_MISUSE, "backup_diff compares two sides, as in SELECT * FROM backup_diff('latest', 'main')");
  }
  diffing *d = calloc(1, sizeof *d);
  if (!d) return lb_fail_nomem(err);
  scan->state = d;
  d->rows = 1;
  lb_call_begin(&d->call, scan->session);
  d->comparison = lb_job_diff_open(&d->call.job, a, b, scan->arguments[2], &wanted, err);
  return err->code;
}

static int fill_diff(lb_scan *scan, lb_rows *rows, lb_error *err)
{
  lb_difference one;
  bool any = true;
  if (!scan->state && open_diff(scan, err)) return err->code;
  diffing *d = scan->state;
  for (int i = 0; i < d->rows && any; i++) {
    if (lb_job_diff_next(d->comparison, &one, &any, err) || !any) break;
    lb_rows_text(rows, one.schema);
    lb_rows_text(rows, one.name);
    lb_rows_text(rows, one.change);
    lb_rows_integer_or_null(rows, one.added);
    lb_rows_integer_or_null(rows, one.removed);
    lb_rows_integer_or_null(rows, one.changed);
    lb_rows_text(rows, one.key);
    lb_rows_text(rows, one.columns);
    lb_rows_text(rows, one.notes);
  }
  if (d->rows < DIFF_ROWS) d->rows *= 2;
  scan->more = any;
  return err->code;
}

const lb_table lb_tables[] = {
  { "backups", BACKUPS_COLUMNS, BACKUPS_COUNT, { "dir" }, fill_backups, NULL },
  { "backup_list", BACKUPS_COLUMNS, BACKUPS_COUNT, { "dir" }, fill_backups, NULL },
  { "backup_plan", "path TEXT, name TEXT, created_at TEXT, action TEXT, reason TEXT, file TEXT, bytes INTEGER", 7,
    { "options" }, fill_plan, NULL },
  { "backup_config", "key TEXT, value TEXT, origin TEXT, description TEXT", 4, { NULL }, fill_config, NULL },
  { "backup_activity",
    "id INTEGER, operation TEXT, subject TEXT, phase TEXT, done INTEGER, total INTEGER, rate REAL, "
    "eta REAL, elapsed REAL",
    9, { NULL }, fill_activity, NULL },
  { "backup_history",
    "id INTEGER, operation TEXT, backup TEXT, source TEXT, target TEXT, started_at TEXT, seconds REAL, "
    "snapshot_seconds REAL, bytes INTEGER, raw_bytes INTEGER, error TEXT, notes TEXT",
    12, { "dir" }, fill_history, NULL },
  { "backup_contents", "kind TEXT, schema TEXT, name TEXT, rows INTEGER, bytes INTEGER", 5, { "backup" }, fill_contents,
    NULL },
  { "backup_diff",
    "schema TEXT, name TEXT, change TEXT, added INTEGER, removed INTEGER, changed INTEGER, key TEXT, columns TEXT, "
    "notes TEXT",
    9, { "a", "b", "table" }, fill_diff, close_diff },
  { NULL, NULL, 0, { NULL }, NULL, NULL },
};

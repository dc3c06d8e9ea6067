/* See history.h.
**
** Two tables in catalog.db: `run`, one row for every operation, and `verification`, the last result for every file. The
** file itself is history_file.h's. Every call opens and closes its own connection: calls are rare, and nothing of ours
** stays open in the host. */
#include "catalog/history.h"

#include <errno.h>
#include <sqlite3ext.h>
#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>

#include "catalog/history_file.h"
#include "core/clock.h"
#include "core/file.h"

SQLITE_EXTENSION_INIT3

enum { NS_A_SECOND = 1000000000 };

/* Ids and rowids grow with every row, so that the highest are the newest. */
static const char add_run_sql[] =
  "INSERT INTO run(operation, backup, source, target, started, seconds, snapshot_seconds, bytes, raw_bytes, error,"
  " notes) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)";
static const char trim_run_sql[] = "DELETE FROM run WHERE id <= (SELECT max(id) FROM run) - 10000";
/* What a full verification found wrong with these very bytes, a quick one that finds nothing does not take back. */
static const char add_verification_sql[] =
  "INSERT OR REPLACE INTO verification(file, bytes, mtime, at, level, result) SELECT ?1, ?2, ?3, ?4, ?5, ?6"
  " WHERE NOT (?5 = 'quick' AND ?6 = 'ok' AND EXISTS (SELECT 1 FROM verification WHERE file = ?1 AND bytes = ?2"
  " AND (mtime = ?3 OR (?3 % 1000000000 = 0 AND mtime - mtime % 1000000000 = ?3))"  /* lb_history_same_mtime */
  " AND level = 'full' AND result <> 'ok'))";
static const char old_verifications_sql[] =
  "SELECT rowid, file FROM verification WHERE rowid <= (SELECT max(rowid) FROM verification) - 10000";
static const char forget_verification_sql[] = "DELETE FROM verification WHERE rowid = ?1";

/* Two lines, because SQLite cuts one at 210 bytes. */
void lb_history_warn(const char *what, const lb_error *why)
{
  sqlite3_log(SQLITE_WARNING, "lifeboat: %s:", what);
  sqlite3_log(SQLITE_WARNING, "lifeboat: %s", why->message);
}

static const char *text_at(sqlite3_stmt *row, int column)
{
  return (const char *)sqlite3_column_text(row, column);
}

/* ---- writing ---- */

/* How one row is written: the insert, what binds its values, what forgets old ones (returns SQLite's result code). */
typedef struct write_plan {
  const char *insert;
  void (*bind)(sqlite3_stmt *stmt, const void *row);
  int (*trim)(lb_history_file *file);
  const void *row;
} write_plan;

static int insert_row(lb_history_file *file, const write_plan *plan, lb_error *err)
{
  sqlite3_stmt *stmt = NULL;
  bool empty;
  int rc = sqlite3_exec(file->db, "BEGIN IMMEDIATE", NULL, NULL, NULL);
  if (rc != SQLITE_OK) return lb_history_file_fail(file, rc, err);
  if (lb_history_file_check(file, &empty, err) || lb_history_file_schema(file, err)) return err->code;
  rc = sqlite3_prepare_v2(file->db, plan->insert, -1, &stmt, NULL);
  if (rc == SQLITE_OK) {
    plan->bind(stmt, plan->row);
    rc = sqlite3_step(stmt);
    if (rc == SQLITE_DONE) rc = SQLITE_OK;
  }
  sqlite3_finalize(stmt);
  if (rc == SQLITE_OK) rc = plan->trim(file);
  if (rc == SQLITE_OK) rc = sqlite3_exec(file->db, "COMMIT", NULL, NULL, NULL);
  return rc == SQLITE_OK ? LB_OK : lb_history_file_fail(file, rc, err);
}

static int try_write(lb_history_file *file, const write_plan *plan, lb_error *err)
{
  if (lb_history_file_create(file, err) == LB_OK &&
      lb_history_file_open(file, "PRAGMA synchronous=NORMAL", err) == LB_OK) {
    insert_row(file, plan, err);
  }
  lb_history_file_close(file); /* rolls back what was not committed */
  return err->code;
}

static int write_row(const char *dir, const write_plan *plan, lb_error *err)
{
  lb_history_file file;
  lb_error first = LB_ERROR_INIT;
  if (lb_history_file_init(&file, dir, err) == LB_OK && try_write(&file, plan, &first)) {
    if (first.code != LB_CORRUPT || !file.ours) *err = first;
    else if (lb_history_file_set_aside(&file, err) == LB_OK) try_write(&file, plan, err);
  }
  lb_history_file_free(&file);
  return err->code;
}

static void bind_text(sqlite3_stmt *stmt, int at, const char *text)
{
  sqlite3_bind_text(stmt, at, text, -1, SQLITE_STATIC); /* NULL binds NULL */
}

static void bind_known(sqlite3_stmt *stmt, int at, int64_t value)
{
  if (value >= 0) sqlite3_bind_int64(stmt, at, value);
}

static void bind_run(sqlite3_stmt *stmt, const void *row)
{
  const lb_run *run = row;
  bind_text(stmt, 1, run->operation);
  bind_text(stmt, 2, run->backup);
  bind_text(stmt, 3, run->source);
  bind_text(stmt, 4, run->target);
  sqlite3_bind_int64(stmt, 5, run->started);
  sqlite3_bind_double(stmt, 6, run->seconds);
  if (run->snapshot_seconds >= 0) sqlite3_bind_double(stmt, 7, run->snapshot_seconds);
  bind_known(stmt, 8, run->bytes);
  bind_known(stmt, 9, run->raw_bytes);
  bind_text(stmt, 10, run->error);
  bind_text(stmt, 11, run->notes);
}

static int trim_runs(lb_history_file *file)
{
  return sqlite3_exec(file->db, trim_run_sql, NULL, NULL, NULL);
}

int lb_history_add(const char *dir, const lb_run *run, lb_error *err)
{
  write_plan plan = { add_run_sql, bind_run, trim_runs, run };
  return write_row(dir, &plan, err);
}

int64_t lb_history_mtime(const struct stat *st)
{
  return (int64_t)st->st_mtim.tv_sec * NS_A_SECOND + st->st_mtim.tv_nsec;
}

bool lb_history_same_mtime(int64_t mtime, const struct stat *st)
{
  int64_t now = lb_history_mtime(st);
  return mtime == now || (now % NS_A_SECOND == 0 && mtime - mtime % NS_A_SECOND == now);
}

static void bind_verification(sqlite3_stmt *stmt, const void *row)
{
  const lb_verification *v = row;
  bind_text(stmt, 1, v->file);
  sqlite3_bind_int64(stmt, 2, v->bytes);
  sqlite3_bind_int64(stmt, 3, v->mtime);
  sqlite3_bind_int64(stmt, 4, v->at);
  bind_text(stmt, 5, v->level);
  bind_text(stmt, 6, v->result);
}

/* Whether no file of this name lies beside the history; in doubt there is one. */
static bool is_gone(const lb_history_file *file, const char *name)
{
  struct stat st;
  lb_error no_memory = LB_ERROR_INIT;
  char *dir = name ? lb_path_dir(file->path, &no_memory) : NULL;
  char *path = dir ? lb_path_join(dir, name, &no_memory) : NULL;
  bool gone = path && lstat(path, &st) && errno == ENOENT;
  free(path);
  free(dir);
  return gone;
}

/* A result stays as long as its file does: a damaged backup whose result was forgotten would pass for a good one. */
static int trim_verifications(lb_history_file *file)
{
  sqlite3_stmt *old = NULL, *forget = NULL;
  int rc = sqlite3_prepare_v2(file->db, old_verifications_sql, -1, &old, NULL);
  if (rc == SQLITE_OK) rc = sqlite3_prepare_v2(file->db, forget_verification_sql, -1, &forget, NULL);
  while (rc == SQLITE_OK && (rc = sqlite3_step(old)) == SQLITE_ROW) {
    rc = SQLITE_OK;
    if (!is_gone(file, text_at(old, 1))) continue;
    sqlite3_bind_int64(forget, 1, sqlite3_column_int64(old, 0));
    sqlite3_step(forget);
    rc = sqlite3_reset(forget);
  }
  sqlite3_finalize(forget);
  sqlite3_finalize(old);
  return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

int lb_history_verified(const char *dir, const char *path, const struct stat *st, const char *level,
                        const char *result, lb_error *err)
{
  lb_verification v = { lb_path_base(path), st->st_size, lb_history_mtime(st), lb_clock_now(), level, result };
  write_plan plan = { add_verification_sql, bind_verification, trim_verifications, &v };
  return write_row(dir, &plan, err);
}

/* ---- reading ---- */

static const char *text_or_empty(sqlite3_stmt *row, int column)
{
  const char *text = text_at(row, column);
  return text ? text : "";
}

/* A NULL, or what is no number, is not known. */
static int64_t known_at(sqlite3_stmt *row, int column)
{
  return sqlite3_column_type(row, column) == SQLITE_INTEGER ? sqlite3_column_int64(row, column) : -1;
}

static int read_rows(const char *dir, const char *sql, int (*take)(void *ctx, sqlite3_stmt *row, lb_error *err),
                     void *ctx, lb_error *err)
{
  lb_history_file file;
  sqlite3_stmt *stmt = NULL;
  bool empty;
  if (lb_history_file_init(&file, dir, err)) goto done;
  if (access(file.path, F_OK) && errno == ENOENT) goto done;
  if (lb_history_file_open(&file, "PRAGMA query_only=1", err)) goto done;
  if (lb_history_file_check(&file, &empty, err) || empty) goto done;
  int rc = sqlite3_prepare_v2(file.db, sql, -1, &stmt, NULL);
  while (rc == SQLITE_OK && (rc = sqlite3_step(stmt)) == SQLITE_ROW && take(ctx, stmt, err) == LB_OK) rc = SQLITE_OK;
  if (err->code == LB_OK && rc != SQLITE_DONE) lb_history_file_fail(&file, rc, err);

done:
  sqlite3_finalize(stmt);
  lb_history_file_free(&file);
  return err->code;
}

typedef struct run_reader {
  int (*each)(void *ctx, const lb_run_row *row, lb_error *err);
  void *ctx;
} run_reader;

static int take_run(void *ctx, sqlite3_stmt *row, lb_error *err)
{
  run_reader *reader = ctx;
  lb_run_row r = { .id = sqlite3_column_int64(row, 0) };
  r.run.operation = text_or_empty(row, 1);
  r.run.backup = text_at(row, 2);
  r.run.source = text_at(row, 3);
  r.run.target = text_at(row, 4);
  r.run.started = sqlite3_column_int64(row, 5);
  r.run.seconds = sqlite3_column_double(row, 6);
  r.run.snapshot_seconds = sqlite3_column_type(row, 7) == SQLITE_NULL ? -1 : sqlite3_column_double(row, 7);
  r.run.bytes = known_at(row, 8);
  r.run.raw_bytes = known_at(row, 9);
  r.run.error = text_at(row, 10);
  r.run.notes = text_at(row, 11);
  return reader->each(reader->ctx, &r, err);
}

int lb_history_each(const char *dir, int (*each)(void *ctx, const lb_run_row *row, lb_error *err), void *ctx,
                    lb_error *err)
{
  run_reader reader = { each, ctx };
  return read_rows(dir, "SELECT id, operation, backup, source, target, started, seconds, snapshot_seconds,"
                   " bytes, raw_bytes, error, notes FROM run ORDER BY id DESC", take_run, &reader, err);
}

typedef struct verification_reader {
  int (*each)(void *ctx, const lb_verification *v, lb_error *err);
  void *ctx;
} verification_reader;

static int take_verification(void *ctx, sqlite3_stmt *row, lb_error *err)
{
  verification_reader *reader = ctx;
  lb_verification v = { text_or_empty(row, 0), sqlite3_column_int64(row, 1), sqlite3_column_int64(row, 2),
                        sqlite3_column_int64(row, 3), text_or_empty(row, 4), text_or_empty(row, 5) };
  return reader->each(reader->ctx, &v, err);
}

int lb_history_each_verification(const char *dir, int (*each)(void *ctx, const lb_verification *v, lb_error *err),
                                 void *ctx, lb_error *err)
{
  verification_reader reader = { each, ctx };
  return read_rows(dir, "SELECT file, bytes, mtime, at, level, result FROM verification"
                   " ORDER BY rowid DESC", take_verification, &reader, err);
}

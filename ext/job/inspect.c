/* See inspect.h.
**
** Of a backup of ours the names alone are read in place, from the blocks that hold the schema. Counting rows and pages
** reads all of the database, and at random: it is unpacked for that.
**
** Rows are counted by SQLite on a hardened connection. Where that cannot be done here, because a table needs a module
** that this SQLite lacks for example, their number is not known: the data's trouble, as in a verification. Bytes come
** from walking the b-trees (sqlite/sizes.h); a virtual table and a view have none of their own.
*/
#include "job/inspect.h"

#include <stdlib.h>
#include <string.h>

#include "archive/reader.h"
#include "core/file.h"
#include "job/content.h"
#include "job/stage.h"
#include "postgres/contents.h"
#include "sqlite/sizes.h"

SQLITE_EXTENSION_INIT3

typedef struct inspecting {
  lb_job *job;
  const lb_inspect *what;
  lb_opened *backup;
  sqlite3 *db;
  lb_sqlite_sizes *sizes;  /* NULL: not asked for, or the database is empty */
} inspecting;

/* ---- PostgreSQL ---- */

static int inspect_postgres(inspecting *in, lb_error *err)
{
  lb_pg_contents contents = { 0 };
  lb_reader *reader = in->backup->reader;
  const char *json = lb_reader_contents(reader);
  if (!json) {
    return lb_fail(err, LB_UNSUPPORTED,
                   "%s: a dump of another tool has no table of contents: restore it into an empty database to see what "
                   "is inside", in->backup->path);
  }
  if (lb_pg_contents_parse(in->job->json, json, lb_reader_block_count(reader), &contents, err)) {
    lb_error_prefix(err, "%s: ", in->backup->path);
  }
  for (int i = 0; i < contents.table_count && !err->code; i++) {
    const lb_pg_table *t = &contents.tables[i];
    lb_inspected item = { "table", t->schema, t->name, (int64_t)t->rows, (int64_t)t->bytes };
    in->what->each(in->what->ctx, &item, err);
  }
  lb_pg_contents_free(&contents);
  return err->code;
}

/* ---- SQLite ---- */

/* What of a failure to count is the data's trouble. */
static bool is_uncountable(int rc, bool is_virtual)
{
  switch (rc & 0xff) {
  case SQLITE_ERROR:     return true;
  case SQLITE_INTERRUPT: return false;
  case SQLITE_NOMEM:     return false;
  default:               return is_virtual;  /* a module may fail with anything */
  }
}

static int count_rows(inspecting *in, const char *table, bool is_virtual, int64_t *rows, lb_error *err)
{
  sqlite3_stmt *stmt = NULL;
  char *sql = sqlite3_mprintf("SELECT count(*) FROM main.\"%w\"", table);
  int rc = sql ? sqlite3_prepare_v2(in->db, sql, -1, &stmt, NULL) : SQLITE_NOMEM;
  if (rc == SQLITE_OK) rc = sqlite3_step(stmt);
  if (rc == SQLITE_ROW) *rows = sqlite3_column_int64(stmt, 0);
  else if (!is_uncountable(rc, is_virtual)) lb_db_fail(in->db, rc, in->backup->path, err);
  sqlite3_finalize(stmt);
  sqlite3_free(sql);
  return err->code;
}

static int tell(inspecting *in, const char *kind, const char *name, int64_t root, lb_error *err)
{
  lb_inspected item = { kind, NULL, name, -1, in->what->bytes && root ? 0 : -1 };
  if (lb_task_poll(&in->job->task, err)) return err->code;
  if (in->what->rows && strcmp(kind, "table") == 0 && count_rows(in, name, root == 0, &item.rows, err)) {
    return err->code;
  }
  if (in->sizes && root && lb_sqlite_sizes_of(in->sizes, root, name, &item.bytes, err)) return err->code;
  return in->what->each(in->what->ctx, &item, err);
}

static int tell_all(inspecting *in, lb_error *err)
{
  static const char list[] =
      "SELECT 'table', 'sqlite_schema', 1 UNION ALL "
      "SELECT type, name, rootpage FROM main.sqlite_schema WHERE type IN ('table', 'index', 'view')";
  sqlite3_stmt *stmt = NULL;
  int rc = sqlite3_prepare_v2(in->db, list, -1, &stmt, NULL);
  while (rc == SQLITE_OK && (rc = sqlite3_step(stmt)) == SQLITE_ROW) {
    const char *kind = (const char *)sqlite3_column_text(stmt, 0), *name = (const char *)sqlite3_column_text(stmt, 1);
    rc = kind ? SQLITE_OK : SQLITE_NOMEM;
    if (kind && tell(in, kind, name ? name : "", sqlite3_column_int64(stmt, 2), err)) break;
  }
  if (rc != SQLITE_DONE && !err->code) lb_db_fail(in->db, rc, in->backup->path, err);
  sqlite3_finalize(stmt);
  return err->code;
}

static int inspect_file(inspecting *in, lb_stage *stage, lb_error *err)
{
  const char *label = in->backup->path;
  lb_task *task = &in->job->task;
  lb_task_phase(task, "looking inside", in->what->bytes ? (int64_t)stage->bytes : 0);
  in->db = lb_db_open(stage->file.path, SQLITE_OPEN_READWRITE, NULL, 0, task, label, err);
  if (!in->db) return err->code;
  lb_db_stand_in_collations(in->db);
  lb_db_exec(in->db, "PRAGMA query_only=1; PRAGMA locking_mode=EXCLUSIVE; PRAGMA cache_size=-24000", label, err);
  if (in->what->bytes && stage->bytes && !err->code) {
    in->sizes = lb_sqlite_sizes_open(stage->file.fd, &stage->header, stage->bytes, label, task, err);
  }
  if (!err->code) tell_all(in, err);
  lb_sqlite_sizes_close(in->sizes);
  lb_db_close(in->db);
  return err->code;
}

static int inspect_in_place(inspecting *in, lb_error *err)
{
  lb_sqlite_header header;
  uint64_t bytes = (uint64_t)lb_reader_raw_bytes(in->backup->reader);
  if (lb_stage_peek(in->backup, &header, err) || lb_stage_check_length(in->backup, &header, bytes, err)) {
    return err->code;
  }
  lb_task_phase(&in->job->task, "looking inside", 0);
  in->db = lb_stage_attach(in->job, in->backup, err);
  if (in->db) tell_all(in, err);
  lb_db_close(in->db);
  return err->code;
}

static int inspect_sqlite(inspecting *in, lb_error *err)
{
  bool names_only = !in->what->rows && !in->what->bytes;
  if (names_only && lb_reader_kind_of(in->backup->reader) == LB_READER_INDEXED) return inspect_in_place(in, err);
  lb_stage stage = { .file = LB_PARTIAL_INIT };
  int threads = lb_job_threads(in->job, 0, err);
  char *dir = err->code ? NULL : lb_path_dir(in->backup->path, err);
  if (dir && lb_stage_unpack(in->job, in->backup, dir, LB_STAGE_CONTENTS, threads, false, &stage, err) == LB_OK) {
    inspect_file(in, &stage, err);
  }
  lb_stage_close(&stage);
  free(dir);
  return err->code;
}

int lb_job_inspect(lb_job *job, const char *name, const lb_inspect *inspect, lb_error *err)
{
  lb_opened backup = { .fd = -1 };
  inspecting in = { .job = job, .what = inspect, .backup = &backup };
  lb_job_begin(job, "contents", name, err);
  if (!err->code && lb_job_find_backup(job, name, LB_TYPE_NONE, &backup, err) == LB_OK) {
    bool postgres = lb_content_is_script(&backup, err);
    if (postgres && !err->code) inspect_postgres(&in, err);
    else if (!err->code) inspect_sqlite(&in, err);
  }
  lb_job_end(job, NULL, err);
  lb_job_close_backup(&backup);
  return err->code;
}

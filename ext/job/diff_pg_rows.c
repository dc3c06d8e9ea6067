/* See diff_pg_rows.h. The tables of the temporary database are a and b, their columns c0, c1, …: names of PostgreSQL
** may differ in upper and lower case only, which SQLite does not tell apart.
*/
#include "job/diff_pg_rows.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/file.h"

SQLITE_EXTENSION_INIT3

/* ---- how rows are told apart ---- */

static int find_column(const lb_table_rows *t, const char *name)
{
  for (int i = 0; i < lb_table_rows_columns(t); i++) {
    if (strcmp(lb_table_rows_column(t, i), name) == 0) return i;
  }
  return -1;
}

static bool has(char *const *columns, int count, const char *name)
{
  for (int i = 0; i < count; i++) if (strcmp(columns[i], name) == 0) return true;
  return false;
}

/* A key. */
typedef struct key { char *const *columns; int count; } key;

/* The key that both sides have; none, and what there is to note, where they do not. */
static key shared_key(const lb_pg_rows *r, const lb_pg_keys *const keys[2], lb_buf *notes)
{
  key of[2] = { { NULL, 0 }, { NULL, 0 } };
  for (int s = 0; s < 2; s++) {
    const lb_table_rows *t = r->tables[s] ? r->tables[s] : r->tables[1 - s];
    const lb_pg_keys *from = keys[r->tables[s] ? s : 1 - s];
    of[s].columns = lb_pg_keys_find(from, lb_table_rows_schema(t), lb_table_rows_name(t), &of[s].count);
  }
  bool same = of[0].count == of[1].count;
  for (int i = 0; i < of[0].count; i++) {
    same = same && has(of[1].columns, of[1].count, of[0].columns[i]);
    for (int s = 0; s < 2; s++) same = same && (!r->tables[s] || find_column(r->tables[s], of[0].columns[i]) >= 0);
  }
  if (same) return of[0];
  lb_buf_printf(notes, "%sthe primary keys differ: whole rows are compared", notes->len ? "\n" : "");
  return (key){ NULL, 0 };
}

static bool note_only_in(const lb_table_rows *have, const lb_table_rows *lack, const char *side, lb_buf *notes)
{
  bool any = false;
  for (int i = 0; i < lb_table_rows_columns(have); i++) {
    const char *name = lb_table_rows_column(have, i);
    if (find_column(lack, name) >= 0) continue;
    if (any) lb_buf_printf(notes, ", %s", name);
    else lb_buf_printf(notes, "%scolumns only in %s: %s", notes->len ? "\n" : "", side, name);
    any = true;
  }
  return any;
}

static void add_field(lb_pg_rows *r, const char *label)
{
  lb_match *m = &r->diff.match;
  const char *name = r->names[m->count];
  m->fields[m->count++] = (lb_match_field){ .name = { name, name }, .label = label };
}

static int make_match(lb_pg_rows *r, const lb_pg_keys *const keys[2], lb_error *err)
{
  lb_match *m = &r->diff.match;
  lb_buf *notes = &r->diff.notes;
  const lb_table_rows *a = r->tables[r->tables[0] ? 0 : 1], *b = r->tables[r->tables[1] ? 1 : 0];
  int most = lb_table_rows_columns(a);
  m->fields = calloc((size_t)most + 1, sizeof *m->fields);
  r->names = calloc((size_t)most + 1, sizeof *r->names);
  if (!m->fields || !r->names) return lb_fail_nomem(err);
  for (int i = 0; i < most; i++) snprintf(r->names[i], sizeof r->names[i], "c%d", i);
  bool only_a = note_only_in(a, b, "a", notes), only_b = note_only_in(b, a, "b", notes);
  m->same_columns = !only_a && !only_b;
  key k = shared_key(r, keys, notes);
  for (int i = 0; i < k.count; i++) add_field(r, lb_table_rows_column(a, find_column(a, k.columns[i])));
  for (int i = 0; i < most; i++) {
    const char *name = lb_table_rows_column(a, i);
    if (!has(k.columns, k.count, name) && find_column(b, name) >= 0) add_field(r, name);
  }
  m->by = k.count ? LB_MATCH_KEY : LB_MATCH_WHOLE;
  m->key_count = k.count ? k.count : m->count;
  return notes->failed ? lb_fail_nomem(err) : LB_OK;
}

/* ---- loading ---- */

static int open_scratch(lb_pg_rows *r, lb_error *err)
{
  static const char label[] = "temporary database";
  int off;
  r->db = lb_db_open("", SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL, 0, &r->job->task, label, err);
  if (!r->db) return err->code;
  sqlite3_db_config(r->db, SQLITE_DBCONFIG_DEFENSIVE, 0, &off);  /* or it would not honour journal_mode=OFF */
  for (int s = 0; s < 2; s++) r->scratch[s].rows = (lb_diff_side){ r->db, "main", label, true };
  return lb_db_exec(r->db, "PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; PRAGMA temp_store=FILE; "
                           "PRAGMA cache_size=-8000", label, err);
}

static sqlite3_stmt *make_table(lb_pg_rows *r, int side, lb_error *err)
{
  const lb_match *m = &r->diff.match;
  const lb_diff_side *s = &r->scratch[side].rows;
  lb_buf create = { 0 }, insert = { 0 };
  sqlite3_stmt *stmt = NULL;
  lb_buf_printf(&create, "CREATE TABLE %s(", r->diff.shapes[side].name);
  lb_buf_printf(&insert, "INSERT INTO %s VALUES(", r->diff.shapes[side].name);
  for (int i = 0; i < m->count; i++) {
    lb_buf_printf(&create, "%s%s", i ? ", " : "", r->names[i]);
    lb_buf_text(&insert, i ? ", ?" : "?");
  }
  lb_buf_text(&create, m->count ? ")" : "no_column)");
  lb_buf_text(&insert, m->count ? ")" : "NULL)");
  if (create.failed || insert.failed) lb_fail_nomem(err);
  if (lb_db_exec(s->db, create.data, s->label, err) == LB_OK) {
    int rc = sqlite3_prepare_v2(s->db, insert.data, -1, &stmt, NULL);
    if (rc) lb_db_fail(s->db, rc, s->label, err);
  }
  lb_buf_free(&create);
  lb_buf_free(&insert);
  return stmt;
}

static int bind(sqlite3_stmt *stmt, int i, const lb_pg_datum *v)
{
  switch (v->type) {
  case LB_PG_IS_INTEGER: return sqlite3_bind_int64(stmt, i, v->integer);
  case LB_PG_IS_REAL:    return sqlite3_bind_double(stmt, i, v->real);
  case LB_PG_IS_TEXT:    return sqlite3_bind_text64(stmt, i, v->data, v->len, SQLITE_TRANSIENT, SQLITE_UTF8);
  case LB_PG_IS_BLOB:    return sqlite3_bind_blob64(stmt, i, v->len ? v->data : "", v->len, SQLITE_TRANSIENT);
  default:               return sqlite3_bind_null(stmt, i);
  }
}

/* places: of each field among the table's columns. */
static int load_rows(lb_pg_rows *r, int side, const int *places, lb_row_scan *scan, sqlite3_stmt *insert, lb_error *err)
{
  const lb_diff_side *s = &r->scratch[side].rows;
  size_t most = (size_t)sqlite3_limit(s->db, SQLITE_LIMIT_LENGTH, -1);
  bool found = false;
  while (lb_row_scan_next(scan, &found, err) == LB_OK && found) {
    int rc = SQLITE_OK;
    for (int i = 0; i < r->diff.match.count && rc == SQLITE_OK; i++) {
      lb_pg_datum value;
      if (lb_row_scan_value(scan, places[i], most, &value, err)) return err->code;
      rc = bind(insert, i + 1, &value);
    }
    if (rc == SQLITE_OK) {
      sqlite3_step(insert);
      rc = sqlite3_reset(insert);
    }
    if (rc) return lb_db_fail(s->db, rc, s->label, err);
  }
  return err->code;
}

/* A task within the whole: what interrupts the one interrupts the other. */
static lb_task part_of(const lb_task *task)
{
  return (lb_task){ .interrupted = task->interrupted, .interrupted_ctx = task->interrupted_ctx };
}

static int load_table(lb_pg_rows *r, int side, lb_error *err)
{
  const lb_match *m = &r->diff.match;
  lb_table_rows *table = r->tables[side];
  lb_task task = part_of(&r->job->task);
  lb_row_wish all = LB_ROW_WISH_ALL;
  int threads = lb_job_threads(r->job, 0, err);
  int *places = calloc((size_t)m->count + 1, sizeof *places);
  if (!places) lb_fail_nomem(err);
  sqlite3_stmt *insert = err->code ? NULL : make_table(r, side, err);
  for (int i = 0; places && i < m->count; i++) places[i] = find_column(table, m->fields[i].label);
  lb_row_scan *scan = err->code ? NULL : lb_row_scan_open(table, &all, threads, &task, err);
  if (scan && lb_db_exec(r->db, "BEGIN", r->scratch[side].rows.label, err) == LB_OK) {
    load_rows(r, side, places, scan, insert, err);
    lb_db_exec(r->db, "COMMIT", r->scratch[side].rows.label, err);
  }
  lb_row_scan_close(scan);
  sqlite3_finalize(insert);
  free(places);
  return err->code;
}

/* ---- opening ---- */

/* A table that one side does not have is no error, as long as the other one has it. */
static int find_tables(lb_pg_rows *r, const char *const paths[2], const char *table, lb_error *err)
{
  lb_error missing[2] = { LB_ERROR_INIT, LB_ERROR_INIT };
  for (int s = 0; s < 2; s++) {
    if (lb_table_rows_open(&r->opening, paths[s], table, &r->tables[s], &missing[s]) &&
        missing[s].code != LB_NOTFOUND) {
      *err = missing[s];
      return err->code;
    }
  }
  if (!r->tables[0] && !r->tables[1]) *err = missing[0];
  return err->code;
}

int lb_pg_rows_open(lb_pg_rows *r, lb_job *job, const char *const paths[2], const char *table,
                    const lb_pg_keys *const keys[2], lb_error *err)
{
  static const char *const names[2] = { "a", "b" };
  *r = (lb_pg_rows){ .job = job };
  r->opening = (lb_job){ .caller = job->caller, .config = job->config, .task = part_of(&job->task) };
  r->diff = (lb_table_diff){ .job = job, .sides = r->scratch };
  if (find_tables(r, paths, table, err) || open_scratch(r, err) || make_match(r, keys, err)) return err->code;
  for (int s = 0; s < 2; s++) {
    lb_shape *shape = &r->diff.shapes[s];
    shape->name = lb_text_copy(names[s], err);
    if (!r->tables[s]) continue;
    shape->kind = LB_TABLE_ORDINARY;
    shape->rowid = "rowid";
    if (err->code || load_table(r, s, err)) return err->code;
  }
  const lb_diff_side *const sides[2] = { &r->scratch[0].rows, &r->scratch[1].rows };
  const lb_shape *const shapes[2] = { &r->diff.shapes[0], &r->diff.shapes[1] };
  r->diff.diff = lb_diff_open(sides, shapes, &r->diff.match, NULL, &job->task, err);
  return err->code;
}

void lb_pg_rows_close(lb_pg_rows *r)
{
  lb_table_diff_close(&r->diff);
  lb_db_close(r->db);
  for (int s = 0; s < 2; s++) lb_table_rows_close(r->tables[s]);
  lb_buf_free(&r->opening.notes);
  free(r->names);
  *r = (lb_pg_rows){ 0 };
}

/* See merge_plan.h. */
#include "postgres/merge_plan.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "postgres/quote.h"
#include "sql/merge_below.h"
#include "sql/merge_columns.h"
#include "sql/merge_table.h"

/* Columns of merge_columns.sql. */
enum { NAME, GENERATED, NEEDED, PLACE, OPERATOR, NUMBER, ALWAYS };

/* Columns of merge_below.sql. */
enum { BELOW, BELOW_KIND, BELOW_SCHEMA, BELOW_NAME };

void lb_merge_note(const lb_pg_merge *m, const char *format, ...)
{
  lb_buf *notes = m->request->notes;
  va_list args;
  if (notes->len) lb_buf_text(notes, "\n");
  va_start(args, format);
  lb_buf_vprintf(notes, format, args);
  va_end(args);
}

int lb_merge_run_sql(const lb_pg_merge *m, lb_buf *sql, int64_t *rows, lb_error *err)
{
  char *text = lb_buf_take(sql);
  PGresult *result = text ? lb_pg_query(m->request->pg, err, text, 0, NULL) : NULL;
  if (!text) lb_fail_nomem(err);
  if (result && rows) *rows = strtoll(PQcmdTuples(result), NULL, 10);
  PQclear(result);
  free(text);
  return err->code;
}

int lb_merge_takes_owner(lb_error *err, const char *why)
{
  if (err->code != LB_PERM) return err->code;
  lb_error_prefix(err, "%s: ", why);
  err->advised = true;
  return err->code;
}

bool lb_merge_finds(const lb_pg_merge *m, lb_buf *sql, lb_error *err)
{
  char *text = lb_buf_take(sql);
  char *found = text ? lb_pg_value(m->request->pg, err, text, 0, NULL) : NULL;
  bool any = found != NULL;
  if (!text) lb_fail_nomem(err);
  free(found);
  free(text);
  return any;
}

void lb_merge_put_key(lb_buf *sql, const lb_merge_table *t, const char *a, const char *b)
{
  const char *and = "";
  for (int place = 1; place <= t->key_count; place++) {
    for (int i = 0; i < t->column_count; i++) {
      const lb_merge_column *c = &t->columns[i];
      if (c->key != place) continue;
      lb_buf_printf(sql, "%s%s.%s %s %s.%s", and, a, c->name, c->operator, b, c->name);
      and = " AND ";
    }
  }
}

static char *quoted(const char *name, lb_error *err)
{
  lb_buf out = { 0 };
  lb_pg_put_identifier(&out, name);
  char *text = lb_buf_take(&out);
  if (!text) lb_fail_nomem(err);
  return text;
}

static int fail_table(const lb_pg_merge *m, const lb_merge_table *t, const char *what, const char *names,
                      const char *advice, lb_error *err)
{
  return lb_fail(err, LB_MISUSE, "%s: table %s: %s%s%s", m->request->pg->label, t->label, what, names, advice);
}

/* ---- the table ---- */

static int check_kind(const lb_pg_merge *m, const lb_merge_table *t, const char *kind, const char *rules, lb_error *err)
{
  switch (*kind) {
  case 'r': case 'p': break;
  case 'v': case 'm': return fail_table(m, t, "it is a view here", "", "", err);
  case 'f': return fail_table(m, t, "it is a foreign table here, whose rows are on another server", "", "", err);
  default:  return fail_table(m, t, "it is no table here", "", "", err);
  }
  if (!rules) return LB_OK;
  return fail_table(m, t, "rules would take the writes elsewhere: ", rules, " (ALTER TABLE … DISABLE RULE)", err);
}

static int find_table(const lb_pg_merge *m, lb_merge_table *t, lb_error *err)
{
  const char *params[] = { t->wanted->schema, t->wanted->name };
  PGresult *row = lb_pg_query(m->request->pg, err, lb_sql_merge_table, 2, params);
  if (!row) return err->code;
  if (PQntuples(row) != 1) {
    fail_table(m, t, "there is no such table", "", " (restore the backup into a new database, and take it from there)",
               err);
  } else {
    const char *rules = PQgetisnull(row, 0, 2) ? NULL : PQgetvalue(row, 0, 2);
    bool replace = m->request->mode == LB_ROWS_REPLACE;
    t->oid = lb_text_copy(PQgetvalue(row, 0, 0), err);
    t->partitioned = *PQgetvalue(row, 0, 1) == 'p';
    if (!err->code) check_kind(m, t, PQgetvalue(row, 0, 1), rules, err);
    if (!err->code && replace && !PQgetisnull(row, 0, 3)) {
      fail_table(m, t, "a backup has not all of its rows, as it belongs to the extension ", PQgetvalue(row, 0, 3),
                 " (\"rows\":\"missing\" or \"merge\" are possible)", err);
    }
  }
  PQclear(row);
  return err->code;
}

static int name_table(lb_merge_table *t, int number, lb_error *err)
{
  lb_buf name = { 0 };
  lb_pg_put_qualified(&name, t->wanted->schema, t->wanted->name);
  t->quoted = lb_buf_take(&name);
  if (!t->quoted) return lb_fail_nomem(err);
  t->label = lb_text_printf(err, "%s.%s", t->wanted->schema, t->wanted->name);
  t->temp = lb_text_printf(err, "pg_temp.lifeboat_rows_%d", number);
  return err->code;
}

/* ---- columns ---- */

static int take_columns(lb_merge_table *t, const PGresult *rows, lb_error *err)
{
  t->columns = calloc((size_t)PQntuples(rows) + 1, sizeof *t->columns);
  if (!t->columns) return lb_fail_nomem(err);
  for (int i = 0; i < PQntuples(rows) && !err->code; i++) {
    lb_merge_column *c = &t->columns[t->column_count++];
    c->name = quoted(PQgetvalue(rows, i, NAME), err);
    c->plain = lb_text_copy(PQgetvalue(rows, i, NAME), err);
    c->number = lb_text_copy(PQgetvalue(rows, i, NUMBER), err);
    c->generated = *PQgetvalue(rows, i, GENERATED) == '1';
    c->needed = *PQgetvalue(rows, i, NEEDED) == '1';
    c->always = *PQgetvalue(rows, i, ALWAYS) == '1';
    if (PQgetisnull(rows, i, PLACE)) continue;
    c->key = atoi(PQgetvalue(rows, i, PLACE));
    c->operator = lb_text_copy(PQgetvalue(rows, i, OPERATOR), err);
    t->key_count++;
  }
  return err->code;
}

static int read_columns(const lb_pg_merge *m, lb_merge_table *t, lb_error *err)
{
  const char *params[] = { t->oid };
  PGresult *rows = lb_pg_query(m->request->pg, err, lb_sql_merge_columns, 1, params);
  if (rows) take_columns(t, rows, err);
  PQclear(rows);
  return err->code;
}

static bool is_lacking(const lb_merge_table *t, const char *name)
{
  for (int i = 0; i < t->lacking_count; i++) if (strcmp(t->lacking[i], name) == 0) return true;
  return false;
}

/* A column of the script: one of the target's, or one more of those that cannot be written. unknown: that it does not
** have at all. */
static int take_script_column(lb_merge_table *t, const char *plain, lb_buf *unknown, lb_error *err)
{
  int i = 0;
  while (i < t->column_count && strcmp(t->columns[i].plain, plain) != 0) i++;
  if (i < t->column_count && !t->columns[i].generated) {
    t->columns[i].common = true;
    return LB_OK;
  }
  char *name = quoted(plain, err);
  bool known = name && is_lacking(t, name);
  char **list = name && !known ? realloc(t->lacking, ((size_t)t->lacking_count + 1) * sizeof *list) : NULL;
  if (list) {
    t->lacking = list;
    list[t->lacking_count++] = name;
    if (i == t->column_count) lb_buf_printf(unknown, "%s%s", unknown->len ? ", " : "", plain);
    return LB_OK;
  }
  free(name);
  return name && known ? LB_OK : lb_fail_nomem(err);
}

/* A script without rows of the table says nothing of its columns. */
static int match_columns(const lb_pg_merge *m, lb_merge_table *t, lb_buf *unknown, lb_error *err)
{
  const lb_pg_merge_request *q = m->request;
  bool any = false;
  for (int i = 0; i < t->wanted->count && !err->code; i++) {
    int number = t->wanted->tables[i];
    if (lb_pg_outline_columns(q->outline, number, q->source, q->contents, err)) return err->code;
    const lb_pg_outlined *o = &q->outline->tables[number];
    if (!o->has_columns) continue;
    if (!o->column_count) return fail_table(m, t, "the script does not say which columns its rows have", "", "", err);
    any = true;
    for (int c = 0; c < o->column_count && !err->code; c++) take_script_column(t, o->columns[c], unknown, err);
  }
  for (int i = 0; i < t->column_count && !any; i++) t->columns[i].common = !t->columns[i].generated;
  return err->code;
}

static void list_own(const lb_merge_table *t, lb_buf *own, const char **needed)
{
  for (int i = 0; i < t->column_count; i++) {
    const lb_merge_column *c = &t->columns[i];
    if (c->common || c->generated) continue;
    lb_buf_printf(own, "%s%s", own->len ? ", " : "", c->plain);
    if (c->needed) *needed = c->plain;
  }
}

static int check_key(const lb_pg_merge *m, const lb_merge_table *t, lb_error *err)
{
  for (int i = 0; i < t->column_count; i++) {
    if (!t->columns[i].key || t->columns[i].common) continue;
    return fail_table(m, t, "the backup lacks a column of its primary key: ", t->columns[i].plain, "", err);
  }
  if (t->key_count || m->request->mode == LB_ROWS_REPLACE) return LB_OK;
  return fail_table(m, t, "it has no primary key by which rows could be told apart", "",
                    ", only \"rows\":\"replace\" is possible", err);
}

static int check_columns(const lb_pg_merge *m, lb_merge_table *t, lb_error *err)
{
  lb_buf unknown = { 0 }, own = { 0 };
  const char *needed = NULL;
  if (match_columns(m, t, &unknown, err)) goto done;
  list_own(t, &own, &needed);
  if (unknown.failed || own.failed) {
    lb_fail_nomem(err);
  } else if (unknown.len && !m->request->common_columns) {
    fail_table(m, t, "it lacks columns that the backup has: ", unknown.data,
               " (ALTER TABLE … ADD COLUMN, or pass {\"columns\":\"common\"} to leave them out)", err);
  } else if (check_key(m, t, err) == LB_OK && needed) {
    fail_table(m, t, "the backup lacks a column that is NOT NULL and has no default: ", needed, "", err);
  }
  if (!err->code && unknown.len) {
    lb_merge_note(m, "%s: columns of the backup that the target lacks were left out: %s", t->label, unknown.data);
  }
  if (!err->code && own.len) {
    lb_merge_note(m, "%s: columns that only the target has kept their values, new rows have the default: %s", t->label,
                  own.data);
  }
done:
  lb_buf_free(&unknown);
  lb_buf_free(&own);
  return err->code;
}

/* ---- all of them ---- */

/* From here on nobody alters it. */
static int keep_shape(const lb_pg_merge *m, const lb_merge_table *t, lb_error *err)
{
  lb_buf sql = { 0 };
  lb_buf_printf(&sql, "LOCK TABLE %s IN ACCESS SHARE MODE", t->quoted);
  return lb_merge_run_sql(m, &sql, NULL, err);
}

static int plan_table(const lb_pg_merge *m, lb_merge_table *t, int number, lb_error *err)
{
  if (name_table(t, number, err) || find_table(m, t, err) || keep_shape(m, t, err)) return err->code;
  free(t->oid);
  t->oid = NULL;
  if (find_table(m, t, err)) return err->code;  /* it may have become another one before it was locked */
  t->sql = t->partitioned ? lb_text_copy(t->quoted, err) : lb_text_printf(err, "ONLY %s", t->quoted);
  return err->code || read_columns(m, t, err) ? err->code : check_columns(m, t, err);
}

/* Whether the script tells what was in a partition: it has it, or rows of all of them by the table's own name. */
static bool has_rows_of(const lb_pg_merge *m, const lb_merge_table *t, const char *schema, const char *name)
{
  const lb_pg_wanted *w = t->wanted;
  for (int i = 0; i < w->count; i++) {
    const lb_pg_outlined *o = &m->request->outline->tables[w->tables[i]];
    if (strcmp(o->name, name) == 0 && strcmp(o->schema, schema) == 0) return true;
    if (strcmp(o->name, w->name) == 0 && strcmp(o->schema, w->schema) == 0) return true;
  }
  return false;
}

static int check_partition(const lb_pg_merge *m, const lb_merge_table *t, const PGresult *rows, int i, lb_error *err)
{
  const char *schema = PQgetvalue(rows, i, BELOW_SCHEMA), *name = PQgetvalue(rows, i, BELOW_NAME);
  char kind = *PQgetvalue(rows, i, BELOW_KIND);
  if (kind == 'f') {
    return fail_table(m, t, "one of its partitions is a foreign table, whose rows are on another server: ", name,
                      " (name the others, one by one)", err);
  }
  bool all = m->request->mode != LB_ROWS_REPLACE || !m->request->partial || !t->partitioned || kind == 'p';
  if (all || has_rows_of(m, t, schema, name)) return LB_OK;
  return fail_table(m, t, "the backup has not this partition, and may be of a part of the database: ", name,
                    ", whose rows would all go (name the partitions that it has, or pass {\"rows\":\"merge\"})", err);
}

static int look_below(const lb_pg_merge *m, const lb_merge_table *t, lb_buf *below, lb_error *err)
{
  const char *params[] = { t->oid };
  PGresult *rows = lb_pg_query(m->request->pg, err, lb_sql_merge_below, 1, params);
  for (int i = 0; rows && i < PQntuples(rows) && !err->code; i++) {
    lb_buf_printf(below, "%s%s", below->len ? "," : "{", PQgetvalue(rows, i, BELOW));
    check_partition(m, t, rows, i, err);
  }
  PQclear(rows);
  return err->code;
}

int lb_merge_find_below(lb_pg_merge *m, lb_error *err)
{
  lb_buf below = { 0 };
  for (int i = 0; i < m->count && !err->code; i++) look_below(m, &m->tables[i], &below, err);
  lb_buf_text(&below, "}");
  free(m->below);
  m->below = err->code ? NULL : lb_buf_take(&below);
  if (!err->code && !m->below) lb_fail_nomem(err);
  lb_buf_free(&below);
  return err->code;
}

int lb_merge_plan(lb_pg_merge *m, lb_error *err)
{
  const lb_pg_merge_request *q = m->request;
  m->tables = calloc((size_t)q->wanted_count + 1, sizeof *m->tables);
  if (!m->tables) return lb_fail_nomem(err);
  for (int i = 0; i < q->wanted_count && !err->code; i++) {
    lb_merge_table *t = &m->tables[m->count++];
    t->wanted = &q->wanted[i];
    plan_table(m, t, i + 1, err);
  }
  return err->code ? err->code : lb_merge_find_below(m, err);
}

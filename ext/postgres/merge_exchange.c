/* See merge_plan.h. Here: rows that have exchanged unique values, or handed them on.
**
** The server looks at each row by itself, so that such rows cannot be updated in any order. Deleting and inserting them
** again would take along what refers to them (CASCADE). So one column of each UNIQUE that they are about becomes NULL
** first, which collides with nothing, and all get their values afterwards; NOT NULL is off in between. A table with
** checks that are still to come cannot be altered: it is taken off before the first row moves, and put on again after
** the checks. All of it is undone by a rollback.
*/
#include <stdlib.h>
#include <string.h>

#include "postgres/merge_plan.h"
#include "sql/merge_not_null.h"
#include "sql/merge_unique.h"

/* A column of the UNIQUE that the restore may write; NULL: its columns are those of the key. */
static const lb_merge_column *choose(const lb_merge_table *t, const char *numbers)
{
  for (const char *p = numbers; *p; p += strspn(p, " ")) {
    size_t n = strcspn(p, " ");
    const lb_merge_column *c = lb_merge_column_of(t, p, n);
    if (c && c->common && !c->key && !c->always) return c;
    p += n;
  }
  return NULL;
}

static bool is_listed(const lb_merge_table *t, const lb_merge_column *column)
{
  for (int i = 0; i < t->cleared_count; i++) if (t->cleared[i].column == column) return true;
  return false;
}

static int learn_not_null(const lb_pg_merge *m, const lb_merge_table *t, lb_merge_cleared *c, lb_error *err)
{
  const char *params[] = { t->oid, c->column->number };
  PGresult *row = lb_pg_query(m->request->pg, err, lb_sql_merge_not_null, 2, params);
  if (row && PQntuples(row) == 1 && *PQgetvalue(row, 0, 0) == '1') {
    c->constraint = strdup(PQgetvalue(row, 0, 1));
    if (!c->constraint) lb_fail_nomem(err);
  }
  PQclear(row);
  return err->code;
}

static int choose_columns(const lb_pg_merge *m, lb_merge_table *t, lb_error *err)
{
  const char *params[] = { t->oid };
  PGresult *rows = lb_pg_query(m->request->pg, err, lb_sql_merge_unique, 1, params);
  t->cleared = rows ? calloc((size_t)PQntuples(rows) + 1, sizeof *t->cleared) : NULL;
  if (rows && !t->cleared) lb_fail_nomem(err);
  for (int i = 0; t->cleared && i < PQntuples(rows) && !err->code; i++) {
    const lb_merge_column *column = choose(t, PQgetvalue(rows, i, 0));
    if (!column || is_listed(t, column)) continue;
    lb_merge_cleared *c = &t->cleared[t->cleared_count++];
    *c = (lb_merge_cleared){ .column = column, .numbers = strdup(PQgetvalue(rows, i, 0)) };
    if (!c->numbers) lb_fail_nomem(err);
    else learn_not_null(m, t, c, err);
  }
  PQclear(rows);
  return err->code;
}

static int alter(const lb_pg_merge *m, const lb_merge_table *t, const lb_merge_cleared *c, bool on, lb_error *err)
{
  lb_buf sql = { 0 };
  if (!c->constraint) return LB_OK;
  lb_buf_printf(&sql, "ALTER TABLE %s ", t->sql);
  if (on && *c->constraint) lb_buf_printf(&sql, "ADD CONSTRAINT %s NOT NULL %s", c->constraint, c->column->name);
  else lb_buf_printf(&sql, "ALTER COLUMN %s %s NOT NULL", c->column->name, on ? "SET" : "DROP");
  lb_merge_run_sql(m, &sql, NULL, err);
  return lb_merge_takes_owner(err, "rows have exchanged unique values, which only the table's owner can undo");
}

int lb_merge_exchange_begin(const lb_pg_merge *m, lb_merge_table *t, lb_error *err)
{
  if (choose_columns(m, t, err)) return err->code;
  for (int i = 0; i < t->cleared_count && !err->code; i++) alter(m, t, &t->cleared[i], false, err);
  return err->code;
}

int lb_merge_exchange_end(const lb_pg_merge *m, const lb_merge_table *t, lb_error *err)
{
  for (int i = 0; i < t->cleared_count && !err->code; i++) alter(m, t, &t->cleared[i], true, err);
  return err->code;
}

/* In rows that will change, where a column of the UNIQUE does. */
static void put_clear(lb_buf *sql, const lb_merge_table *t)
{
  lb_buf_printf(sql, "UPDATE %s AS t SET ", t->sql);
  for (int i = 0; i < t->cleared_count; i++) {
    const lb_merge_cleared *c = &t->cleared[i];
    lb_buf_printf(sql, "%s%s = CASE WHEN ", i ? ", " : "", c->column->name);
    lb_merge_put_changes(sql, t, c->numbers);
    lb_buf_printf(sql, " THEN NULL ELSE t.%s END", c->column->name);
  }
  lb_buf_printf(sql, " FROM %s AS s WHERE ", t->temp);
  lb_merge_put_key(sql, t, "t", "s");
  lb_buf_text(sql, " AND ");
  lb_merge_put_differs(sql, t);
}

int lb_merge_exchange(const lb_pg_merge *m, lb_merge_table *t, lb_error *err)
{
  lb_buf sql = { 0 };
  int64_t rows = 0;
  if (!t->cleared_count) return lb_merge_update(m, t, err);
  put_clear(&sql, t);
  if (lb_merge_run_sql(m, &sql, &rows, err) || lb_merge_update(m, t, err)) return err->code;
  t->changed = rows;  /* some may have been what they should be behind the first step */
  return LB_OK;
}

void lb_merge_exchange_free(lb_merge_table *t)
{
  for (int i = 0; i < t->cleared_count; i++) {
    free(t->cleared[i].numbers);
    free(t->cleared[i].constraint);
  }
  free(t->cleared);
  t->cleared = NULL;
  t->cleared_count = 0;
}

/* See merge_plan.h. Here: from the temporary tables into the true ones, a statement a table and step.
**
** Rows that change come first, so that none of them still refers to one that goes. Where a row that goes has a unique
** value that another one is to have, that table waits until it is gone; what still collides then is for
** merge_exchange.c.
*/
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "postgres/merge_plan.h"

/* ---- writing SQL ---- */

/* Of the columns that are in both: "a", "b", each behind a prefix such as "s.". */
static void put_common(lb_buf *sql, const lb_merge_table *t, const char *prefix, bool keys)
{
  const char *comma = "";
  for (int i = 0; i < t->column_count; i++) {
    const lb_merge_column *c = &t->columns[i];
    if (!c->common || (c->key && !keys)) continue;
    lb_buf_printf(sql, "%s%s%s", comma, prefix, c->name);
    comma = ", ";
  }
}

void lb_merge_put_differs(lb_buf *sql, const lb_merge_table *t)
{
  lb_buf_text(sql, "ROW(");
  put_common(sql, t, "t.", false);
  lb_buf_text(sql, ")" LB_MERGE_IMAGE_DIFFERS "ROW(");
  put_common(sql, t, "s.", false);
  lb_buf_text(sql, ")::pg_catalog.record");
}

const lb_merge_column *lb_merge_column_of(const lb_merge_table *t, const char *number, size_t n)
{
  for (int i = 0; i < t->column_count; i++) {
    const char *own = t->columns[i].number;
    if (strlen(own) == n && memcmp(own, number, n) == 0) return &t->columns[i];
  }
  return NULL;
}

void lb_merge_put_changes(lb_buf *sql, const lb_merge_table *t, const char *numbers)
{
  lb_buf theirs = { 0 }, ours = { 0 };
  for (const char *p = numbers; *p; p += strspn(p, " ")) {
    size_t n = strcspn(p, " ");
    const lb_merge_column *c = lb_merge_column_of(t, p, n);
    if (c && c->common) {
      lb_buf_printf(&theirs, "%st.%s", theirs.len ? ", " : "", c->name);
      lb_buf_printf(&ours, "%ss.%s", ours.len ? ", " : "", c->name);
    }
    p += n;
  }
  if (theirs.failed || ours.failed) sql->failed = true;
  else if (ours.len) {
    lb_buf_printf(sql, "ROW(%s)" LB_MERGE_IMAGE_DIFFERS "ROW(%s)::pg_catalog.record", theirs.data, ours.data);
  }
  lb_buf_free(&theirs);
  lb_buf_free(&ours);
}

static bool may_differ(const lb_merge_table *t)
{
  for (int i = 0; i < t->column_count; i++) {
    const lb_merge_column *c = &t->columns[i];
    if (c->common && !c->key && (!c->always || c->loosened)) return true;
  }
  return false;
}

/* ---- what the server refuses ---- */

static bool is_state(const lb_pg_merge *m, const char *state)
{
  return strcmp(m->request->pg->state, state) == 0;
}

static bool collides(const lb_pg_merge *m)
{
  return is_state(m, "23505") || is_state(m, "23P01");  /* unique, exclusion */
}

static const char *advice_for(const lb_pg_merge *m)
{
  if (collides(m)) {
    return m->request->mode != LB_ROWS_REPLACE
      ? " (another row of the target is in its way: change or delete that, or pass {\"rows\":\"replace\"})"
      : " (rows of the target are in each other's way: delete those, and try again)";
  }
  if (is_state(m, "23514") || is_state(m, "23502")) return " (change the table so that it takes the backup's rows)";
  return is_state(m, "23503") || is_state(m, "23001") ? " (restore the tables at the other end as well)" : "";
}

int lb_merge_explain(const lb_pg_merge *m, lb_error *err)
{
  lb_error why = *err;
  if (!err->code || strncmp(m->request->pg->state, "23", 2) != 0) return err->code;
  lb_error_clear(err);
  return lb_fail(err, why.code, "nothing was changed: %s%s", why.message, advice_for(m));
}

static int run_rows(const lb_pg_merge *m, lb_buf *sql, int64_t *rows, lb_error *err)
{
  m->request->pg->state[0] = 0;
  return lb_merge_run_sql(m, sql, rows, err);
}

/* ---- with a key ---- */

int lb_merge_update(const lb_pg_merge *m, lb_merge_table *t, lb_error *err)
{
  lb_buf sql = { 0 };
  const char *comma = "";
  lb_buf_printf(&sql, "UPDATE %s AS t SET ", t->sql);
  for (int i = 0; i < t->column_count; i++) {
    const lb_merge_column *c = &t->columns[i];
    if (!c->common || c->key || (c->always && !c->loosened)) continue;
    lb_buf_printf(&sql, "%s%s = s.%s", comma, c->name, c->name);
    comma = ", ";
  }
  lb_buf_printf(&sql, " FROM %s AS s WHERE ", t->temp);
  lb_merge_put_key(&sql, t, "t", "s");
  lb_buf_text(&sql, " AND ");
  lb_merge_put_differs(&sql, t);
  return run_rows(m, &sql, &t->changed, err);
}

/* *collided: nothing was done. */
static int try_update(lb_pg_merge *m, lb_merge_table *t, bool *collided, lb_error *err)
{
  lb_pg *pg = m->request->pg;
  *collided = false;
  if (lb_merge_guard_update(m, t, err) || lb_pg_exec(pg, "SAVEPOINT lifeboat_update", err)) return err->code;
  if (lb_merge_update(m, t, err) == LB_OK) return lb_pg_exec(pg, "RELEASE SAVEPOINT lifeboat_update", err);
  *collided = collides(m);
  if (!*collided) return err->code;
  lb_error_clear(err);
  pg->state[0] = 0;  /* not to be taken for the reason of a later error */
  return lb_pg_exec(pg, "ROLLBACK TO SAVEPOINT lifeboat_update", err);
}

/* last: no rows go any more that might be in the way. */
static int change(lb_pg_merge *m, lb_merge_table *t, bool last, lb_error *err)
{
  bool collided;
  if (m->request->mode == LB_ROWS_MISSING || !t->key_count || !may_differ(t)) return LB_OK;
  if (t->exchanges) {
    t->late = !last;
    if (!last) return LB_OK;
    return lb_merge_guard_update(m, t, err) || lb_merge_exchange(m, t, err) ? lb_merge_explain(m, err) : LB_OK;
  }
  if (try_update(m, t, &collided, err)) return lb_merge_explain(m, err);
  t->late = collided && !last;
  t->exchanges = m->again = collided && last;
  return LB_OK;
}

static int remove_gone(const lb_pg_merge *m, lb_merge_table *t, lb_error *err)
{
  lb_buf sql = { 0 };
  lb_buf_printf(&sql, "DELETE FROM %s AS t WHERE NOT EXISTS (SELECT FROM %s AS s WHERE ", t->sql, t->temp);
  lb_merge_put_key(&sql, t, "t", "s");
  lb_buf_text(&sql, ")");
  return run_rows(m, &sql, &t->removed, err);
}

static int insert_missing(const lb_pg_merge *m, lb_merge_table *t, lb_error *err)
{
  lb_buf sql = { 0 };
  lb_buf_printf(&sql, "INSERT INTO %s (", t->quoted);
  put_common(&sql, t, "", true);
  lb_buf_text(&sql, ") OVERRIDING SYSTEM VALUE SELECT ");
  put_common(&sql, t, "s.", true);
  lb_buf_printf(&sql, " FROM %s AS s WHERE NOT EXISTS (SELECT FROM %s AS t WHERE ", t->temp, t->sql);
  lb_merge_put_key(&sql, t, "t", "s");
  lb_buf_text(&sql, ")");
  return run_rows(m, &sql, &t->added, err);
}

/* ---- without ---- */

/* A row as one text, by which equal ones are paired off. */
static void put_whole(lb_buf *sql, const lb_merge_table *t, const char *prefix)
{
  lb_buf_text(sql, "ROW(");
  put_common(sql, t, prefix, true);
  lb_buf_text(sql, ")::pg_catalog.text COLLATE pg_catalog.\"C\"");
}

/* The n-th of some equal rows. */
static void put_numbered(lb_buf *sql, const lb_merge_table *t, const char *what, const char *from, const char *alias)
{
  char prefix[8];
  snprintf(prefix, sizeof prefix, "%s.", alias);
  lb_buf_printf(sql, "(SELECT %s, ", what);
  put_whole(sql, t, prefix);
  lb_buf_text(sql, " AS lifeboat_whole, pg_catalog.row_number() OVER (PARTITION BY ");
  put_whole(sql, t, prefix);
  lb_buf_printf(sql, ") AS lifeboat_number FROM %s AS %s)", from, alias);
}

static void put_counted(lb_buf *sql, const lb_merge_table *t, const char *from)
{
  lb_buf_text(sql, "(SELECT ");
  put_whole(sql, t, "c.");
  lb_buf_printf(sql, " AS lifeboat_whole, pg_catalog.count(*) AS lifeboat_count FROM %s AS c GROUP BY 1)", from);
}

static int remove_surplus(const lb_pg_merge *m, lb_merge_table *t, lb_error *err)
{
  lb_buf sql = { 0 };
  lb_buf_printf(&sql, "DELETE FROM %s AS t USING ", t->sql);
  put_numbered(&sql, t, "x.tableoid AS place, x.ctid AS tid", t->sql, "x");
  lb_buf_text(&sql, " AS x LEFT JOIN ");
  put_counted(&sql, t, t->temp);
  lb_buf_text(&sql, " AS s ON s.lifeboat_whole = x.lifeboat_whole WHERE t.tableoid = x.place AND t.ctid = x.tid AND "
                    "x.lifeboat_number > COALESCE(s.lifeboat_count, 0)");
  return run_rows(m, &sql, &t->removed, err);
}

static int insert_lacking(const lb_pg_merge *m, lb_merge_table *t, lb_error *err)
{
  lb_buf sql = { 0 };
  lb_buf_printf(&sql, "INSERT INTO %s (", t->quoted);
  put_common(&sql, t, "", true);
  lb_buf_text(&sql, ") OVERRIDING SYSTEM VALUE SELECT ");
  put_common(&sql, t, "s.", true);
  lb_buf_printf(&sql, " FROM %s AS s JOIN ", t->temp);
  put_numbered(&sql, t, "x.ctid AS tid", t->temp, "x");
  lb_buf_text(&sql, " AS x ON x.tid = s.ctid LEFT JOIN ");
  put_counted(&sql, t, t->sql);
  lb_buf_text(&sql, " AS t ON t.lifeboat_whole = x.lifeboat_whole WHERE x.lifeboat_number > "
                    "COALESCE(t.lifeboat_count, 0)");
  return run_rows(m, &sql, &t->added, err);
}

/* ---- all of them ---- */

static int count_rows(const lb_pg_merge *m, const lb_merge_table *t, int64_t *rows, lb_error *err)
{
  lb_buf sql = { 0 };
  lb_buf_printf(&sql, "SELECT pg_catalog.count(*) FROM %s", t->sql);
  char *text = lb_buf_take(&sql), *count = text ? lb_pg_value(m->request->pg, err, text, 0, NULL) : NULL;
  if (count) *rows = strtoll(count, NULL, 10);
  if (!text) lb_fail_nomem(err);
  free(count);
  free(text);
  return err->code;
}

/* Tables that refer to others go before these, as far as there is such an order. turns: m->count numbers. */
static int put_in_order(const lb_pg_merge *m, int *turns, lb_error *err)
{
  bool *done = calloc((size_t)m->count + 1, sizeof *done);
  if (!done) return lb_fail_nomem(err);
  for (int turn = 0; turn < m->count; turn++) {
    int next = -1;
    for (int i = 0; i < m->count; i++) {
      bool free_to_go = !done[i];
      for (int j = 0; j < m->count; j++) {
        if (j != i && !done[j] && lb_merge_refers(m, &m->tables[j], &m->tables[i])) free_to_go = false;
      }
      if (!done[i] && (next < 0 || free_to_go)) next = i;
      if (free_to_go) break;
    }
    done[next] = true;
    turns[turn] = next;
  }
  free(done);
  return LB_OK;
}

static int delete_from(lb_pg_merge *m, lb_merge_table *t, lb_error *err)
{
  if (lb_merge_guard_keyless(m, t, err)) return err->code;
  return (t->key_count ? remove_gone(m, t, err) : remove_surplus(m, t, err)) ? lb_merge_explain(m, err) : LB_OK;
}

/* All is looked at before the first row goes: one may drag others along (CASCADE), and these others. What went so is
** told by how many are left. */
static int delete_all(lb_pg_merge *m, const int *turns, lb_error *err)
{
  for (int i = 0; i < m->count; i++) m->tables[i].dragged = false;
  for (int i = 0; i < m->count && !err->code; i++) lb_merge_guard_delete(m, &m->tables[i], err);
  for (int i = 0; i < m->count && !err->code; i++) delete_from(m, &m->tables[turns[i]], err);
  for (int i = 0; i < m->count && !err->code; i++) {
    lb_merge_table *t = &m->tables[i];
    int64_t left = 0;
    if (t->dragged && count_rows(m, t, &left, err) == LB_OK) t->removed = t->before - left;
  }
  return err->code;
}

/* Rows that followed what they refer to (ON UPDATE CASCADE and the like) become the script's again: no more changed. */
static int settle(const lb_pg_merge *m, lb_merge_table *t, lb_error *err)
{
  int64_t changed = t->changed;
  if (!t->disturbed || m->request->mode == LB_ROWS_MISSING || !may_differ(t)) return LB_OK;
  if (lb_merge_update(m, t, err)) return lb_merge_explain(m, err);
  t->changed = changed;
  return LB_OK;
}

static int move_rows(lb_pg_merge *m, const int *turns, lb_error *err)
{
  bool replace = m->request->mode == LB_ROWS_REPLACE;
  for (int i = 0; i < m->count && !err->code; i++) {
    m->tables[i].disturbed = false;
    count_rows(m, &m->tables[i], &m->tables[i].before, err);
  }
  for (int i = 0; i < m->count && !err->code && !m->again; i++) change(m, &m->tables[turns[i]], !replace, err);
  if (replace && !err->code && !m->again) delete_all(m, turns, err);
  for (int i = 0; i < m->count && !err->code && !m->again; i++) {
    if (m->tables[turns[i]].late) change(m, &m->tables[turns[i]], true, err);
  }
  for (int i = 0; i < m->count && !err->code && !m->again; i++) settle(m, &m->tables[i], err);
  for (int i = 0; i < m->count && !err->code && !m->again; i++) {
    lb_merge_table *t = &m->tables[i];
    if (t->key_count ? insert_missing(m, t, err) : insert_lacking(m, t, err)) lb_merge_explain(m, err);
  }
  for (int i = 0; i < m->count && !err->code && !m->again; i++) lb_merge_move_sequences(m, &m->tables[i], err);
  return err->code;
}

int lb_merge_move(lb_pg_merge *m, lb_error *err)
{
  int *turns = calloc((size_t)m->count + 1, sizeof *turns);
  if (!turns) return lb_fail_nomem(err);
  if (put_in_order(m, turns, err) == LB_OK) move_rows(m, turns, err);
  free(turns);
  return err->code;
}

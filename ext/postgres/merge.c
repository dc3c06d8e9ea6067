/* See merge.h. The steps; merge_plan.c looks at the tables, merge_load.c copies, merge_rows.c moves rows, merge_links.c
** looks after triggers, keys and sequences. */
#include "postgres/merge.h"

#include <stdlib.h>

#include "postgres/merge_plan.h"
#include "postgres/quote.h"

/* What values mean that a script has as text, and that keys are checked, whatever the role or the database have set. */
#define OWN_SETTINGS "SET LOCAL xmloption = content; SET LOCAL array_nulls = on; SELECT pg_catalog.set_config(" \
  "'session_replication_role', 'origin', true) WHERE pg_catalog.current_setting('session_replication_role') <> 'origin'"

/* Names and rows are in the script's encoding from here on. */
static int begin(const lb_pg_merge_request *q, lb_error *err)
{
  lb_buf sql = { 0 };
  if (lb_pg_exec(q->pg, "BEGIN ISOLATION LEVEL READ COMMITTED, READ WRITE", err) ||
      lb_pg_fix_settings(q->pg, q->lock_timeout, err) || lb_pg_exec(q->pg, OWN_SETTINGS, err) ||
      !q->outline->encoding) {
    return err->code;
  }
  lb_buf_text(&sql, "SET LOCAL client_encoding = ");
  lb_pg_put_literal(&sql, q->outline->encoding);
  if (sql.failed) lb_fail_nomem(err);
  else lb_pg_exec(q->pg, sql.data, err);
  lb_buf_free(&sql);
  return err->code;
}

lb_pg_merge *lb_pg_merge_open(const lb_pg_merge_request *request, lb_error *err)
{
  lb_pg_merge *m = calloc(1, sizeof *m);
  if (!m) {
    lb_fail_nomem(err);
    return NULL;
  }
  m->request = request;
  if (begin(request, err) == LB_OK && lb_merge_plan(m, err) == LB_OK) return m;
  lb_pg_merge_close(m);
  return NULL;
}

int lb_pg_merge_load(lb_pg_merge *m, lb_error *err)
{
  return lb_merge_load(m, err);
}

int lb_pg_merge_lock(lb_pg_merge *m, lb_error *err)
{
  lb_buf sql = { 0 };
  lb_task_phase(m->request->task, "locking tables", 0);
  for (int i = 0; i < m->count; i++) lb_buf_printf(&sql, "%s%s", i ? ", " : "LOCK TABLE ", m->tables[i].sql);
  lb_buf_text(&sql, " IN EXCLUSIVE MODE");
  if (lb_merge_run_sql(m, &sql, NULL, err)) return err->code;
  return lb_merge_find_below(m, err);  /* one may have been attached meanwhile */
}

/* Once more from the beginning for each table whose rows turn out to be in each other's way. */
static int move_rows(lb_pg_merge *m, lb_error *err)
{
  lb_pg *pg = m->request->pg;
  lb_pg_exec(pg, "SAVEPOINT lifeboat_rows", err);
  do {
    m->again = false;
    if (err->code || lb_merge_unlink(m, err) || lb_merge_move(m, err)) return err->code;
    if (!m->again) return lb_merge_relink(m, err);
    lb_merge_forget_links(m);
    for (int i = 0; i < m->count; i++) {
      lb_merge_table *t = &m->tables[i];
      t->added = t->changed = t->removed = 0;
      t->late = false;
    }
  } while (lb_pg_exec(pg, "ROLLBACK TO SAVEPOINT lifeboat_rows", err) == LB_OK);
  return err->code;
}

int lb_pg_merge_run(lb_pg_merge *m, lb_rows_counts *counts, lb_error *err)
{
  lb_task_phase(m->request->task, "restoring rows", 0);
  if (move_rows(m, err)) return err->code;
  for (int i = 0; i < m->count && !err->code; i++) {
    const lb_merge_table *t = &m->tables[i];
    lb_rows_count *c = lb_rows_counts_add(counts, t->label, err);
    if (!c) break;
    c->added = t->added;
    c->changed = t->changed;
    c->removed = t->removed;
    c->kept = t->before - t->removed - t->changed;
  }
  return err->code;
}

bool lb_pg_merge_changed(const lb_pg_merge *m)
{
  bool changed = m->sequences_moved;
  for (int i = 0; i < m->count; i++) {
    const lb_merge_table *t = &m->tables[i];
    if (t->added || t->changed || t->removed) changed = true;
  }
  return changed;
}

static void free_table(lb_merge_table *t)
{
  for (int i = 0; i < t->column_count; i++) {
    free(t->columns[i].name);
    free(t->columns[i].plain);
    free(t->columns[i].number);
    free(t->columns[i].operator);
  }
  for (int i = 0; i < t->lacking_count; i++) free(t->lacking[i]);
  free(t->columns);
  free(t->lacking);
  free(t->label);
  free(t->sql);
  free(t->quoted);
  free(t->oid);
  free(t->temp);
}

void lb_pg_merge_close(lb_pg_merge *m)
{
  if (!m) return;
  lb_merge_forget_links(m);
  for (int i = 0; i < m->count; i++) free_table(&m->tables[i]);
  free(m->tables);
  free(m->below);
  free(m);
}

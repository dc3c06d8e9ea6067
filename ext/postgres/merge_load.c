/* See merge_plan.h. Here: the script's rows into temporary tables.
**
** With a table of contents only the parts of the wanted tables are read. A part is read by the script reader, not
** trusted to have a known form: it must hold one COPY and nothing else. Of a script of another tool everything passes
** by, and the COPYs that the outline has noted are taken.
*/
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "postgres/ddl.h"
#include "postgres/merge_plan.h"
#include "postgres/results.h"
#include "postgres/script.h"
#include "postgres/statement.h"

typedef struct loading {
  lb_pg_merge *merge;
  const lb_pg_part *part;      /* NULL: a script of another tool */
  const lb_merge_table *table; /* whose COPY is at hand; NULL: none, or one that is not wanted */
  int outlined;                /* the same in the outline */
  lb_buf what;
  int64_t next_copy;           /* of the outline */
  bool copied;                 /* the part's COPY has ended */
} loading;

/* ---- the tables ---- */

static int make_table(const lb_pg_merge *m, const lb_merge_table *t, lb_error *err)
{
  lb_buf sql = { 0 };
  const char *comma = "";
  lb_buf_printf(&sql, "CREATE TEMPORARY TABLE %s ON COMMIT DROP AS SELECT ", t->temp + strlen("pg_temp."));
  for (int i = 0; i < t->column_count; i++) {
    if (!t->columns[i].common) continue;
    lb_buf_printf(&sql, "%s%s", comma, t->columns[i].name);
    comma = ", ";
  }
  for (int i = 0; i < t->lacking_count; i++, comma = ", ") {
    lb_buf_printf(&sql, "%sNULL::pg_catalog.text AS %s", comma, t->lacking[i]);
  }
  lb_buf_printf(&sql, " FROM %s WITH NO DATA", t->sql);
  return lb_merge_run_sql(m, &sql, NULL, err);
}

/* An index says what the planner needs to know, and that no two rows share a key. */
static int index_table(const lb_pg_merge *m, const lb_merge_table *t, lb_error *err)
{
  lb_pg *pg = m->request->pg;
  lb_buf sql = { 0 };
  if (t->key_count) {
    const char *comma = "";
    lb_buf_printf(&sql, "CREATE UNIQUE INDEX ON %s (", t->temp);
    for (int i = 0; i < t->column_count; i++) {
      if (!t->columns[i].key) continue;
      lb_buf_printf(&sql, "%s%s", comma, t->columns[i].name);
      comma = ", ";
    }
    lb_buf_text(&sql, ")");
    pg->state[0] = 0;
    if (lb_merge_run_sql(m, &sql, NULL, err)) {
      if (strcmp(pg->state, "23505") == 0) lb_error_prefix(err, "two rows of the backup share a key of %s: ", t->label);
      return err->code;
    }
  }
  lb_buf_printf(&sql, "ANALYZE %s", t->temp);
  return lb_merge_run_sql(m, &sql, NULL, err);
}

/* ---- COPY ---- */

static const lb_merge_table *table_of(const lb_pg_merge *m, int outlined)
{
  for (int i = 0; i < m->count; i++) {
    const lb_pg_wanted *w = m->tables[i].wanted;
    for (int j = 0; j < w->count; j++) if (w->tables[j] == outlined) return &m->tables[i];
  }
  return NULL;
}

static int fail_part(const loading *l, const char *what, lb_error *err)
{
  return lb_fail(err, LB_CORRUPT, "block %" PRIu64 " of the backup: the data of table %s %s", l->part->block,
                 l->table->label, what);
}

/* Whether its columns are those by which the table was planned: of its first COPY. */
typedef struct comparing {
  const lb_pg_outlined *with;
  int at;
  bool same, failed;
} comparing;

static bool compare_column(void *ctx, lb_span column)
{
  comparing *c = ctx;
  lb_buf name = { 0 };
  lb_span_name(column, &name);
  c->failed = name.failed;
  c->same = name.data && c->at < c->with->column_count && strcmp(name.data, c->with->columns[c->at]) == 0;
  c->at++;
  lb_buf_free(&name);
  return c->same;
}

static int check_copy(const loading *l, const char *sql, size_t len, lb_span columns, lb_error *err)
{
  comparing c = { .with = &l->merge->request->outline->tables[l->outlined] };
  lb_ddl ddl;
  lb_ddl_read(sql, len, &ddl);
  if (ddl.kind != LB_DDL_COPY || !ddl.plain) {
    return lb_fail(err, LB_UNSUPPORTED, "%s has options: only plain COPY … FROM stdin is read", l->what.data);
  }
  bool names = columns.len && lb_statement_names(columns, compare_column, &c);
  if (c.failed) return lb_fail_nomem(err);
  if (names && c.same && c.at == c.with->column_count) return LB_OK;
  return lb_fail(err, LB_CORRUPT, "%s has other columns than the table's first COPY", l->what.data);
}

/* Only its columns count: they were read as names, and come back as such. */
static int begin_copy(loading *l, const char *sql, size_t len, uint64_t offset, lb_error *err)
{
  lb_qualified name;
  lb_span columns;
  lb_buf copy = { 0 };
  l->what.len = 0;
  lb_statement_describe(sql, len, offset, &l->what);
  if (!lb_statement_copy(sql, len, &name, &columns)) return lb_fail(err, LB_CORRUPT, "%s cannot be read", l->what.data);
  if (l->what.failed) return lb_fail_nomem(err);
  if (check_copy(l, sql, len, columns, err)) return err->code;
  lb_buf_printf(&copy, "COPY %s ", l->table->temp);
  lb_buf_append(&copy, columns.at, columns.len);
  lb_buf_text(&copy, " FROM stdin");
  if (copy.failed) lb_fail_nomem(err);
  else lb_copy_begin(l->merge->request->pg, copy.data, l->what.data, err);
  lb_buf_free(&copy);
  return err->code;
}

static int take_statement(void *ctx, const char *sql, size_t len, uint64_t offset, bool copy, const char *comment,
                          lb_error *err)
{
  loading *l = ctx;
  const lb_pg_outline *o = l->merge->request->outline;
  (void)comment;
  if (l->part) {
    if (!copy || l->copied) return fail_part(l, "is not one COPY statement", err);
    return begin_copy(l, sql, len, offset, err);
  }
  l->table = NULL;
  while (copy && l->next_copy < o->copy_count && o->copies[l->next_copy].offset < offset) l->next_copy++;
  if (copy && l->next_copy < o->copy_count && o->copies[l->next_copy].offset == offset) {
    l->outlined = o->copies[l->next_copy].table;
    l->table = table_of(l->merge, l->outlined);
  }
  return l->table ? begin_copy(l, sql, len, offset, err) : LB_OK;
}

static int take_data(void *ctx, const char *data, size_t len, lb_error *err)
{
  loading *l = ctx;
  return l->table ? lb_copy_put(l->merge->request->pg, l->what.data, data, len, err) : LB_OK;
}

static int take_copy_end(void *ctx, uint64_t rows, lb_error *err)
{
  loading *l = ctx;
  lb_pg *pg = l->merge->request->pg;
  uint64_t stored = 0;
  l->copied = true;
  if (!l->table) return LB_OK;
  if (lb_copy_end(pg, l->what.data, NULL, err) || lb_results_wait(pg, l->what.data, &stored, err)) return err->code;
  if (l->part && rows != l->part->rows) return fail_part(l, "has not the rows that the table of contents tells", err);
  if (rows == stored) return LB_OK;
  return lb_fail(err, LB_CORRUPT, "%s: %" PRIu64 " rows were sent, the server stored %" PRIu64, l->what.data, rows,
                 stored);
}

static int take_meta(void *ctx, const char *line, uint64_t offset, lb_error *err)
{
  loading *l = ctx;
  (void)line;
  (void)offset;
  return l->part ? fail_part(l, "is not one COPY statement", err) : LB_OK;
}

static const lb_script_ops load_ops = { take_statement, take_data, take_copy_end, take_meta };

/* ---- reading ---- */

static int load_part(loading *l, uint64_t offset, lb_error *err)
{
  const lb_pg_merge_request *q = l->merge->request;
  lb_script *script = lb_script_open(&load_ops, l, offset, err);
  l->copied = false;
  for (uint64_t b = 0; script && b < l->part->blocks && !err->code; b++) {
    const unsigned char *data = NULL;
    size_t n = 0;
    if (lb_task_poll(q->task, err) || q->source->block(q->source, l->part->block + b, &data, &n, err)) break;
    lb_task_advance(q->task, (int64_t)n);
    lb_script_feed(script, data, n, err);
  }
  if (script && !err->code && lb_script_end(script, err) == LB_OK && !l->copied) {
    fail_part(l, "has no COPY statement", err);
  }
  lb_script_close(script);
  return err->code;
}

static int load_parts(loading *l, lb_error *err)
{
  const lb_pg_merge_request *q = l->merge->request;
  const lb_pg_contents *c = q->contents;
  uint64_t offset = 0;
  int64_t total = 0;
  for (int64_t i = 0; i < c->part_count; i++) {
    if (c->parts[i].kind == LB_PART_DATA && table_of(l->merge, c->parts[i].table)) total += (int64_t)c->parts[i].bytes;
  }
  lb_task_phase(q->task, "loading", total);
  for (int64_t i = 0; i < c->part_count && !err->code; i++) {
    l->part = &c->parts[i];
    l->outlined = l->part->table;  /* the outline's numbers */
    l->table = l->part->kind == LB_PART_DATA ? table_of(l->merge, l->outlined) : NULL;
    if (l->table) load_part(l, offset, err);
    offset += l->part->bytes;
  }
  return err->code;
}

static int feed(void *ctx, const void *data, size_t n, lb_error *err)
{
  return lb_script_feed(ctx, data, n, err);
}

static int load_script(loading *l, lb_error *err)
{
  const lb_pg_merge_request *q = l->merge->request;
  lb_script *script = lb_script_open(&load_ops, l, 0, err);
  lb_task_phase(q->task, "loading", 0);
  if (script && q->source->stream(q->source, feed, script, err) == LB_OK) lb_script_end(script, err);
  lb_script_close(script);
  return err->code;
}

int lb_merge_load(lb_pg_merge *m, lb_error *err)
{
  loading l = { .merge = m };
  for (int i = 0; i < m->count && !err->code; i++) make_table(m, &m->tables[i], err);
  if (!err->code) m->request->contents ? load_parts(&l, err) : load_script(&l, err);
  if (err->code) lb_copy_settle(m->request->pg);
  lb_buf_free(&l.what);
  for (int i = 0; i < m->count && !err->code; i++) index_table(m, &m->tables[i], err);
  return err->code;
}

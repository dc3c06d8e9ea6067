/* See load_schema.h.
**
** A run is a row of statements of one class: indexes and keys, or foreign keys; comments and the like that pg_dump
** writes behind them belong to it. Anything else is a barrier, executed alone. A run has three steps:
**   1. what concerns partitioned tables, in order on the first lane: it builds nothing, and locks across tables;
**   2. the rest at once, largest tables first. An index needs a SHARE lock, so indexes of one table build at once as
**      well; ALTER TABLE … ADD PRIMARY KEY would keep them all out, so a plain key is built as a unique index here.
**      Foreign keys lock two tables against writing: two that share a table are never under way at once (a deadlock);
**   3. in order on the first lane: ADD CONSTRAINT … USING INDEX for those keys, comments, CLUSTER ON, REPLICA IDENTITY.
** What comes out is what the statements in their order would have made. Sessions' settings between statements
** (default_tablespace) are barriers on all lanes.
*/
#include "postgres/load_schema.h"

#include <stdlib.h>
#include <string.h>

#include "postgres/relkinds.h"
#include "postgres/results.h"

/* ---- the list ---- */

int lb_schema_add(lb_schema *schema, const char *sql, size_t len, uint64_t offset, lb_error *err)
{
  if (len > LB_POST_DATA_MAX - schema->bytes) {
    return lb_fail(err, LB_UNSUPPORTED, "the statements behind the data are larger than 1 GiB: restore with "
                   "gunzip and psql");
  }
  if (schema->count == schema->capacity) {
    size_t capacity = schema->capacity ? schema->capacity * 2 : 256;
    lb_schema_statement *list = realloc(schema->list, capacity * sizeof *list);
    if (!list) return lb_fail_nomem(err);
    schema->list = list;
    schema->capacity = capacity;
  }
  lb_schema_statement *s = &schema->list[schema->count];
  *s = (lb_schema_statement){ .sql = malloc(len + 1), .len = len, .offset = offset };
  if (!s->sql) return lb_fail_nomem(err);
  memcpy(s->sql, sql, len);
  s->sql[len] = 0;
  lb_statement_read(s->sql, len, &s->st);
  schema->count++;
  schema->bytes += len;
  return LB_OK;
}

void lb_schema_free(lb_schema *schema)
{
  for (size_t i = 0; i < schema->count; i++) free(schema->list[i].sql);
  free(schema->list);
  memset(schema, 0, sizeof *schema);
}

/* ---- one statement ---- */

static int run_one(lb_execute *x, const lb_schema_statement *s, lb_error *err)
{
  bool run;
  if (lb_execute_admit(x, &s->st, s->sql, s->len, s->offset, &run, err) || !run) return err->code;
  return lb_execute_statement(x, &s->st, s->sql, x->what.data, err);
}

static int run_barrier(lb_execute *x, lb_lanes *lanes, const lb_schema_statement *s, lb_error *err)
{
  bool run;
  if (s->st.kind != LB_STATEMENT_SET && s->st.kind != LB_STATEMENT_SESSION) return run_one(x, s, err);
  if (lb_execute_admit(x, &s->st, s->sql, s->len, s->offset, &run, err) || !run) return err->code;
  return lb_lanes_all(lanes, s->sql, x->what.data, err);
}

/* ---- a run ---- */

typedef struct task_of {
  const lb_schema_statement *s;
  int table, referenced;   /* relkinds.h's numbers */
  int64_t bytes;
  bool alone;              /* step 1 */
  char *index;             /* a key that is built as an index: the statement of step 2 */
} task_of;

typedef struct run {
  lb_execute *x;
  lb_lanes *lanes;
  const lb_relkinds *relkinds;
  task_of *tasks;
  size_t count;
} run;

static bool is_builder(lb_statement_kind kind)
{
  return kind == LB_STATEMENT_INDEX || kind == LB_STATEMENT_KEY;
}

static char *write_index(const lb_statement *st, lb_error *err)
{
  lb_buf sql = { 0 };
  lb_buf_text(&sql, "CREATE UNIQUE INDEX ");
  lb_buf_append(&sql, st->name.at, st->name.len);
  lb_buf_text(&sql, " ON ");
  lb_buf_append(&sql, st->table.whole.at, st->table.whole.len);
  lb_buf_text(&sql, " USING btree ");
  lb_buf_append(&sql, st->columns.at, st->columns.len);
  char *text = lb_buf_take(&sql);
  if (!text) lb_fail_nomem(err);
  return text;
}

static int run_using_index(lb_execute *x, const task_of *t, lb_error *err)
{
  const lb_statement *st = &t->s->st;
  lb_buf sql = { 0 };
  const char *what = lb_execute_describe(x, t->s->sql, t->s->len, t->s->offset);
  lb_buf_text(&sql, "ALTER TABLE ONLY ");
  lb_buf_append(&sql, st->table.whole.at, st->table.whole.len);
  lb_buf_text(&sql, " ADD CONSTRAINT ");
  lb_buf_append(&sql, st->name.at, st->name.len);
  lb_buf_text(&sql, st->primary ? " PRIMARY KEY USING INDEX " : " UNIQUE USING INDEX ");
  lb_buf_append(&sql, st->name.at, st->name.len);
  if (sql.failed) lb_fail_nomem(err);
  else lb_execute_statement(x, st, sql.data, what, err);
  lb_buf_free(&sql);
  return err->code;
}

static int plan_task(run *r, const lb_schema_statement *s, lb_error *err)
{
  task_of *t = &r->tasks[r->count++];
  *t = (task_of){ .s = s, .table = -1, .referenced = -1 };
  if (s->st.kind == LB_STATEMENT_FOLLOWER) return LB_OK;
  t->table = lb_relkinds_find(r->relkinds, &s->st.table, err);
  t->alone = t->table < 0 || lb_relkinds_is_partitioned(r->relkinds, t->table);
  if (t->table >= 0) t->bytes = lb_relkinds_bytes(r->relkinds, t->table);
  if (s->st.kind == LB_STATEMENT_FOREIGN_KEY) {
    t->referenced = lb_relkinds_find(r->relkinds, &s->st.referenced, err);
    t->alone = t->alone || t->referenced < 0 || lb_relkinds_is_partition(r->relkinds, t->table) ||
               lb_relkinds_is_partition(r->relkinds, t->referenced) ||
               lb_relkinds_is_partitioned(r->relkinds, t->referenced);
  }
  if (!err->code && !t->alone && s->st.plain) t->index = write_index(&s->st, err);
  return err->code;
}

static int larger_first(const void *a, const void *b)
{
  const task_of *x = *(task_of *const *)a, *y = *(task_of *const *)b;
  if (x->bytes != y->bytes) return x->bytes > y->bytes ? -1 : 1;
  return x->s->offset < y->s->offset ? -1 : x->s->offset > y->s->offset;
}

static int run_at_once(run *r, lb_error *err)
{
  task_of **order = calloc(r->count, sizeof *order);
  lb_lane_work *work = calloc(r->count, sizeof *work);
  size_t n = 0;
  if (!order || !work) lb_fail_nomem(err);
  for (size_t i = 0; i < r->count && !err->code; i++) {
    if (!r->tasks[i].alone && r->tasks[i].s->st.kind != LB_STATEMENT_FOLLOWER) order[n++] = &r->tasks[i];
  }
  if (n) qsort(order, n, sizeof *order, larger_first);
  for (size_t i = 0; i < n; i++) {
    const task_of *t = order[i];
    bool locks = t->s->st.kind == LB_STATEMENT_FOREIGN_KEY || (t->s->st.kind == LB_STATEMENT_KEY && !t->index);
    work[i] = (lb_lane_work){ .sql = t->index ? t->index : t->s->sql, .origin = t->s->sql, .len = t->s->len,
                              .offset = t->s->offset, .table = { locks ? t->table : -1, locks ? t->referenced : -1 } };
    r->x->load->statements += !t->index;
  }
  if (n && !err->code) lb_lanes_run(r->lanes, work, n, err);
  free(order);
  free(work);
  return err->code;
}

static int run_steps(run *r, lb_error *err)
{
  for (size_t i = 0; i < r->count && !err->code; i++) if (r->tasks[i].alone) run_one(r->x, r->tasks[i].s, err);
  if (err->code || run_at_once(r, err)) return err->code;
  for (size_t i = 0; i < r->count && !err->code; i++) {
    if (r->tasks[i].index) run_using_index(r->x, &r->tasks[i], err);
    else if (r->tasks[i].s->st.kind == LB_STATEMENT_FOLLOWER) run_one(r->x, r->tasks[i].s, err);
  }
  return err->code;
}

/* How many statements from `from` on make a run; 0: the first of them is a barrier. */
static size_t run_length(const lb_schema *schema, size_t from)
{
  lb_statement_kind first = schema->list[from].st.kind;
  bool builders = is_builder(first);
  size_t i = from;
  if (!builders && first != LB_STATEMENT_FOREIGN_KEY) return 0;
  for (; i < schema->count; i++) {
    lb_statement_kind kind = schema->list[i].st.kind;
    if (kind == LB_STATEMENT_FOLLOWER) continue;
    if (builders ? !is_builder(kind) : kind != LB_STATEMENT_FOREIGN_KEY) break;
  }
  return i - from;
}

static int run_several(lb_schema *schema, size_t from, size_t count, lb_execute *x, lb_lanes *lanes,
                       const lb_relkinds *relkinds, lb_error *err)
{
  run r = { x, lanes, relkinds, calloc(count, sizeof *r.tasks), 0 };
  if (!r.tasks) return lb_fail_nomem(err);
  while (r.count < count && !err->code) plan_task(&r, &schema->list[from + r.count], err);
  if (!err->code) run_steps(&r, err);
  for (size_t i = 0; i < r.count; i++) free(r.tasks[i].index);
  free(r.tasks);
  return err->code;
}

int lb_schema_run(lb_schema *schema, lb_execute *x, lb_lanes *lanes, lb_error *err)
{
  lb_relkinds relkinds = { 0 };
  lb_relkinds_read(lanes->pg[0], &relkinds, err);
  for (size_t i = 0; i < schema->count && !err->code;) {
    size_t count = run_length(schema, i);
    if (count) run_several(schema, i, count, x, lanes, &relkinds, err);
    else run_barrier(x, lanes, &schema->list[i], err);
    i += count ? count : 1;
  }
  lb_relkinds_free(&relkinds);
  return err->code;
}

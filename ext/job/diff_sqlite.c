/* Two SQLite databases: see which pages differ, then go through the tables. A table that the pages prove to be the same
** is not read; of another one, only where its rows may differ. diff_table.c has one table.
*/
#include "job/diff_sides.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/file.h"
#include "job/diff_table.h"

SQLITE_EXTENSION_INIT3

/* A table that one side has, or both. */
typedef struct entry {
  char *name;
  lb_shape_listed listed[2];
  const struct entry *owner;  /* the virtual table that it is part of; NULL: none */
} entry;

struct lb_sqlite_diff {
  lb_job *job;
  lb_difference_wanted wanted;
  lb_side *sides;
  lb_diff_pages pages;
  lb_table_diff table;      /* the one at hand */
  bool rows;                /* the table was named: its rows are told */

  entry *entries;           /* by name */
  size_t count, capacity, at;
  int listing;              /* the side that is being listed */
};

/* ---- the list of tables ---- */

/* A view is no table, so that what the other side has under its name is only there. */
static int add_entry(void *ctx, const char *name, const lb_shape_listed *listed, lb_error *err)
{
  lb_sqlite_diff *c = ctx;
  if (listed->kind == LB_TABLE_VIEW) return LB_OK;
  if (c->count == c->capacity) {
    size_t capacity = c->capacity ? c->capacity * 2 : 64;
    entry *grown = realloc(c->entries, capacity * sizeof *grown);
    if (!grown) return lb_fail_nomem(err);
    c->entries = grown;
    c->capacity = capacity;
  }
  entry *e = &c->entries[c->count];
  *e = (entry){ .name = lb_text_copy(name, err) };
  if (!e->name) return err->code;
  e->listed[c->listing] = *listed;
  c->count++;
  return LB_OK;
}

static int by_name(const void *a, const void *b)
{
  const entry *x = a, *y = b;
  int order = sqlite3_stricmp(x->name, y->name);
  return order ? order : (x->listed[0].kind == LB_TABLE_NONE) - (y->listed[0].kind == LB_TABLE_NONE);
}

/* Two entries of one name become one. */
static void join_entries(lb_sqlite_diff *c)
{
  size_t kept = 0;
  qsort(c->entries, c->count, sizeof *c->entries, by_name);
  for (size_t i = 0; i < c->count; i++) {
    entry *e = &c->entries[i], *last = kept ? &c->entries[kept - 1] : NULL;
    if (last && sqlite3_stricmp(last->name, e->name) == 0) {
      last->listed[1] = e->listed[1];
      free(e->name);
    } else {
      c->entries[kept++] = *e;
    }
  }
  c->count = kept;
}

static int order_of_name(const void *name, const void *e)
{
  return sqlite3_stricmp(name, ((const entry *)e)->name);
}

/* The first one where a damaged schema has a table twice. */
static int add_row(void *ctx, const char *name, int64_t row, lb_error *err)
{
  lb_sqlite_diff *c = ctx;
  entry *e = c->count ? bsearch(name, c->entries, c->count, sizeof *c->entries, order_of_name) : NULL;
  if (e && !e->listed[c->listing].row) e->listed[c->listing].row = row;
  return err->code;
}

static bool is_kind(const entry *e, lb_table_kind kind)
{
  return e->listed[0].kind == kind || e->listed[1].kind == kind;
}

/* The virtual table that a table is part of, by its name: of docs and docs_old, docs_old for docs_old_data. */
static int find_owner(const lb_sqlite_diff *c, entry *part, lb_error *err)
{
  char *name = lb_text_copy(part->name, err);
  for (char *end = name ? strrchr(name, '_') : NULL; end && !part->owner; end = strrchr(name, '_')) {
    *end = 0;
    const entry *e = bsearch(name, c->entries, c->count, sizeof *c->entries, order_of_name);
    if (e && is_kind(e, LB_TABLE_VIRTUAL)) part->owner = e;
  }
  free(name);
  return err->code;
}

static int find_owners(lb_sqlite_diff *c, lb_error *err)
{
  for (size_t i = 0; i < c->count && !err->code; i++) {
    if (is_kind(&c->entries[i], LB_TABLE_SHADOW)) find_owner(c, &c->entries[i], err);
  }
  return err->code;
}

static int list_tables(lb_sqlite_diff *c, lb_error *err)
{
  for (c->listing = 0; c->listing < 2; c->listing++) {
    const lb_diff_side *side = &c->sides[c->listing].rows;
    if (lb_shape_list(side->db, side->schema, side->label, add_entry, c, err)) return err->code;
  }
  if (c->count) join_entries(c);
  for (c->listing = 0; c->listing < 2; c->listing++) {
    const lb_diff_side *side = &c->sides[c->listing].rows;
    if (lb_shape_list_rows(side->db, side->schema, side->label, add_row, c, err)) return err->code;
  }
  return find_owners(c, err);
}

/* SQLite's own tables, and what virtual tables keep their content in, are not told of: unless it is a table like any
** other on one side, whose rows may be gone. */
static bool is_told(const entry *e)
{
  return strncasecmp(e->name, "sqlite_", 7) != 0 && (is_kind(e, LB_TABLE_ORDINARY) || is_kind(e, LB_TABLE_VIRTUAL));
}

/* ---- virtual tables ---- */

/* A virtual table is what its own tables have. */
static int compare_virtual(lb_sqlite_diff *c, const entry *e, lb_difference *d, lb_error *err)
{
  lb_buf *notes = &c->table.notes;
  bool both = e->listed[0].kind && e->listed[1].kind, same = true, any = false;
  for (size_t i = 0; i < c->count && !err->code; i++) {
    const entry *own = &c->entries[i];
    if (!both || own->owner != e) continue;
    lb_difference one = { 0 };
    if (lb_table_diff_open(&c->table, c->job, c->sides, own->name, own->listed, err) == LB_OK) {
      lb_table_diff_sum(&c->table, &c->pages, false, &one, err);
    }
    lb_table_diff_close(&c->table);
    same = same && one.change && strcmp(one.change, "same") == 0;
    any = true;
  }
  d->name = e->name;
  d->added = d->removed = d->changed = -1;
  if (!both) d->change = e->listed[0].kind ? "only in a" : "only in b";
  else if (e->listed[0].kind != e->listed[1].kind || !any) d->change = "not compared";
  else d->change = same ? "same" : "changed";
  lb_buf_printf(notes, "virtual table%s", !both ? "" : any ? ": compared by the tables that it keeps its content in"
                                              : ": what it keeps its content in is not known here");
  d->notes = notes->data;
  return notes->failed ? lb_fail_nomem(err) : err->code;
}

/* ---- one after the other ---- */

static int next_table(lb_sqlite_diff *c, lb_difference *d, bool *any, lb_error *err)
{
  lb_table_diff_close(&c->table);
  while (c->at < c->count && !is_told(&c->entries[c->at])) c->at++;
  *any = c->at < c->count;
  if (!*any || lb_task_poll(&c->job->task, err)) return err->code;
  const entry *e = &c->entries[c->at++];
  if (is_kind(e, LB_TABLE_VIRTUAL)) return compare_virtual(c, e, d, err);
  if (lb_table_diff_open(&c->table, c->job, c->sides, e->name, e->listed, err)) return err->code;
  return lb_table_diff_sum(&c->table, &c->pages, c->wanted.counts, d, err);
}

int lb_sqlite_diff_next(lb_sqlite_diff *c, lb_difference *d, bool *any, lb_error *err)
{
  if (c->rows) lb_table_diff_row(&c->table, d, any, err);
  else next_table(c, d, any, err);
  return err->code;
}

/* ---- opening ---- */

static int begin_table(lb_sqlite_diff *c, const char *name, lb_error *err)
{
  int64_t roots[2];
  c->rows = true;
  if (lb_table_diff_open(&c->table, c->job, c->sides, name, NULL, err) || lb_table_diff_check(&c->table, name, err)) {
    return err->code;
  }
  for (int s = 0; s < 2; s++) roots[s] = c->table.shapes[s].root;
  if (roots[0] && roots[1] && lb_diff_pages_find(c->job, c->sides, roots, &c->pages, err)) return err->code;
  lb_task_phase(&c->job->task, "comparing rows", 0);
  return lb_table_diff_begin(&c->table, &c->pages, err);
}

static int begin_tables(lb_sqlite_diff *c, lb_error *err)
{
  static const int64_t all[2] = { 0, 0 };
  if (list_tables(c, err) || lb_diff_pages_find(c->job, c->sides, all, &c->pages, err)) return err->code;
  lb_task_phase(&c->job->task, "comparing rows", 0);
  return LB_OK;
}

lb_sqlite_diff *lb_sqlite_diff_open(lb_job *job, lb_side sides[2], const char *table,
                                    const lb_difference_wanted *wanted, lb_error *err)
{
  lb_sqlite_diff *c = calloc(1, sizeof *c);
  if (!c) {
    lb_fail_nomem(err);
    return NULL;
  }
  c->job = job;
  c->sides = sides;
  c->wanted = *wanted;
  if (table) begin_table(c, table, err);
  else begin_tables(c, err);
  if (!err->code) return c;
  lb_sqlite_diff_close(c);
  return NULL;
}

void lb_sqlite_diff_close(lb_sqlite_diff *c)
{
  if (!c) return;
  lb_table_diff_close(&c->table);
  lb_diff_pages_close(&c->pages);
  for (size_t i = 0; i < c->count; i++) free(c->entries[i].name);
  free(c->entries);
  free(c);
}

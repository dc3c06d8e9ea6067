/* See diff_table.h. */
#include "job/diff_table.h"

#include <stdlib.h>
#include <string.h>

SQLITE_EXTENSION_INIT3

static bool is_there(const lb_table_diff *t, int side)
{
  return t->shapes[side].kind != LB_TABLE_NONE;
}

/* The table as one side has it; where both do, as a has it. */
static const lb_shape *any_shape(const lb_table_diff *t)
{
  return &t->shapes[is_there(t, 0) ? 0 : 1];
}

int lb_table_diff_open(lb_table_diff *t, lb_job *job, lb_side sides[2], const char *name,
                       const lb_shape_listed listed[2], lb_error *err)
{
  *t = (lb_table_diff){ .job = job, .sides = sides };
  for (int s = 0; s < 2; s++) {
    const lb_diff_side *side = &sides[s].rows;
    const lb_shape_listed *known = listed ? &listed[s] : NULL;
    if (lb_shape_read(side->db, side->schema, name, known, side->label, &t->shapes[s], err)) return err->code;
  }
  return LB_OK;
}

void lb_table_diff_close(lb_table_diff *t)
{
  lb_diff_close(t->diff);
  lb_stretches_close(t->stretches);
  lb_match_free(&t->match);
  for (int s = 0; s < 2; s++) lb_shape_free(&t->shapes[s]);
  lb_buf_free(&t->notes);
  lb_buf_free(&t->key);
  lb_buf_free(&t->columns);
  *t = (lb_table_diff){ 0 };
}

int lb_table_diff_check(const lb_table_diff *t, const char *name, lb_error *err)
{
  const char *labels[2] = { t->sides[0].rows.label, t->sides[1].rows.label };
  if (!is_there(t, 0) && !is_there(t, 1)) {
    return lb_fail(err, LB_NOTFOUND, "no table \"%s\" in %s, nor in %s", name, labels[0], labels[1]);
  }
  for (int s = 0; s < 2; s++) {
    if (t->shapes[s].kind == LB_TABLE_VIEW) return lb_fail(err, LB_MISUSE, "\"%s\" is a view in %s", name, labels[s]);
    if (t->shapes[s].kind != LB_TABLE_VIRTUAL) continue;
    return lb_fail(err, LB_MISUSE, "\"%s\" is a virtual table in %s: name one of the tables that it keeps its content "
                                   "in (backup_contents lists them)", name, labels[s]);
  }
  return LB_OK;
}

/* ---- what the pages tell ---- */

/* Equal pages mean equal rows only where they are read in the same way. */
static bool same_statement(const lb_table_diff *t)
{
  const char *a = t->shapes[0].sql, *b = t->shapes[1].sql;
  return is_there(t, 0) && is_there(t, 1) && a && b && *a && strcmp(a, b) == 0;
}

static int ask_pages(lb_table_diff *t, const lb_diff_pages *pages, bool *same, lb_error *err)
{
  const lb_shape *base = &t->shapes[pages->base], *other = &t->shapes[1 - pages->base];
  *same = false;
  if (!pages->changes || !same_statement(t)) return LB_OK;
  if (base->root == other->root && lb_changes_tree_is_same(pages->changes, base->root, base->name, same, err)) {
    return err->code;
  }
  if (*same || !base->rowid || !other->rowid) return LB_OK;
  return lb_stretches_open(pages->changes, base->root, other->root, base->name, &t->stretches, err);
}

int lb_table_diff_begin(lb_table_diff *t, const lb_diff_pages *pages, lb_error *err)
{
  bool same = false;
  const lb_shape *first = any_shape(t), *second = is_there(t, 0) && is_there(t, 1) ? &t->shapes[1] : first;
  const lb_diff_side *const sides[2] = { &t->sides[0].rows, &t->sides[1].rows };
  const lb_shape *const shapes[2] = { &t->shapes[0], &t->shapes[1] };
  if (lb_match_make(first, second, &t->match, &t->notes, err) || ask_pages(t, pages, &same, err)) return err->code;
  if (!same) t->diff = lb_diff_open(sides, shapes, &t->match, t->stretches, &t->job->task, err);
  return err->code;
}

/* ---- telling ---- */

static const char *text_of(lb_buf *buf, lb_error *err)
{
  if (buf->failed) lb_fail_nomem(err);
  return buf->len ? buf->data : NULL;
}

/* The names of columns in a JSON array; which(field) tells whether it is one of them. */
static const char *list_columns(lb_table_diff *t, const bool *differs, lb_error *err)
{
  bool any = false;
  t->columns.len = 0;
  lb_buf_text(&t->columns, "[");
  for (int i = t->match.key_count; i < t->match.count; i++) {
    if (!(differs ? differs[i] : lb_diff_field_differs(t->diff, i))) continue;
    lb_json_put_item(&t->columns, t->match.fields[i].label);
    any = true;
  }
  lb_buf_text(&t->columns, "]");
  const char *text = text_of(&t->columns, err);
  return any ? text : NULL;
}

int lb_table_diff_row(lb_table_diff *t, lb_difference *d, bool *any, lb_error *err)
{
  lb_diff_kind kind = LB_DIFF_END;
  if (t->diff && lb_diff_next(t->diff, &kind, err)) return err->code;
  *any = kind != LB_DIFF_END;
  if (!*any) return LB_OK;
  d->name = any_shape(t)->name;
  d->change = kind == LB_DIFF_ADDED ? "added" : kind == LB_DIFF_REMOVED ? "removed" : "changed";
  d->added = kind == LB_DIFF_ADDED;
  d->removed = kind == LB_DIFF_REMOVED;
  d->changed = kind == LB_DIFF_CHANGED;
  t->key.len = 0;
  lb_diff_key(t->diff, &t->key);
  d->key = text_of(&t->key, err);
  if (d->changed) d->columns = list_columns(t, NULL, err);
  return err->code;
}

/* Goes through the rows; differs gets what differs in any of them. */
static int count_rows(lb_table_diff *t, bool counts, int64_t numbers[4], bool *differs, lb_error *err)
{
  lb_diff_kind kind = LB_DIFF_END;
  while (lb_diff_next(t->diff, &kind, err) == LB_OK && kind != LB_DIFF_END) {
    numbers[kind]++;
    if (!counts) break;
    for (int i = t->match.key_count; i < t->match.count && kind == LB_DIFF_CHANGED; i++) {
      differs[i] = differs[i] || lb_diff_field_differs(t->diff, i);
    }
  }
  return err->code;
}

/* A table that only one side has: all its rows. */
static int count_all(const lb_table_diff *t, int side, int64_t *rows, lb_error *err)
{
  const lb_diff_side *s = &t->sides[side].rows;
  char *sql = sqlite3_mprintf("SELECT count(*) FROM \"%w\".\"%w\"", s->schema, t->shapes[side].name);
  if (sql) lb_db_integer(s->db, sql, rows, s->label, err);
  else lb_fail_nomem(err);
  sqlite3_free(sql);
  return err->code;
}

static int sum_one_side(lb_table_diff *t, bool counts, lb_difference *d, lb_error *err)
{
  int side = is_there(t, 0) ? 0 : 1;
  d->change = side == 0 ? "only in a" : "only in b";
  if (!counts) return LB_OK;
  d->added = d->removed = d->changed = 0;
  return count_all(t, side, side == 0 ? &d->removed : &d->added, err);
}

int lb_table_diff_totals(lb_table_diff *t, bool counts, lb_difference *d, lb_error *err)
{
  int64_t numbers[4] = { 0 };
  bool *differs = calloc((size_t)t->match.count + 1, sizeof *differs);
  if (!differs) return lb_fail_nomem(err);
  if (t->diff && count_rows(t, counts, numbers, differs, err) == LB_OK && counts) {
    d->columns = list_columns(t, differs, err);
  }
  free(differs);
  bool rows_differ = numbers[LB_DIFF_ADDED] || numbers[LB_DIFF_REMOVED] || numbers[LB_DIFF_CHANGED];
  d->change = rows_differ || !t->match.same_columns ? "changed" : "same";
  if (counts || !rows_differ) {
    d->added = numbers[LB_DIFF_ADDED];
    d->removed = numbers[LB_DIFF_REMOVED];
    d->changed = numbers[LB_DIFF_CHANGED];
  }
  lb_match_describe(&t->match, &t->key);
  d->key = text_of(&t->key, err);
  d->notes = text_of(&t->notes, err);
  return err->code;
}

int lb_table_diff_sum(lb_table_diff *t, const lb_diff_pages *pages, bool counts, lb_difference *d, lb_error *err)
{
  d->name = any_shape(t)->name;
  d->added = d->removed = d->changed = -1;
  if (!is_there(t, 0) || !is_there(t, 1)) return sum_one_side(t, counts, d, err);
  return lb_table_diff_begin(t, pages, err) ? err->code : lb_table_diff_totals(t, counts, d, err);
}

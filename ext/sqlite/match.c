/* See match.h. */
#include "sqlite/match.h"

#include <stdlib.h>
#include <string.h>

SQLITE_EXTENSION_INIT3

static const lb_column *find_column(const lb_shape *shape, const char *name)
{
  for (int i = 0; i < shape->count; i++) {
    if (sqlite3_stricmp(shape->columns[i].name, name) == 0) return &shape->columns[i];
  }
  return NULL;
}

/* The column of the primary key at a place, from 1. */
static const lb_column *key_column(const lb_shape *shape, int place)
{
  for (int i = 0; i < shape->count; i++) if (shape->columns[i].key == place) return &shape->columns[i];
  return NULL;
}

/* ---- notes ---- */

static void note(lb_buf *notes, const char *text)
{
  lb_buf_printf(notes, "%s%s", notes->len ? "\n" : "", text);
}

static bool note_only_in(const lb_shape *have, const lb_shape *lack, const char *side, lb_buf *notes)
{
  bool any = false;
  for (int i = 0; i < have->count; i++) {
    if (find_column(lack, have->columns[i].name)) continue;
    if (!any) {
      note(notes, "columns only in ");
      lb_buf_printf(notes, "%s: ", side);
    }
    lb_buf_printf(notes, "%s%s", any ? ", " : "", have->columns[i].name);
    any = true;
  }
  return any;
}

/* ---- the key ---- */

static bool same_keys(const lb_shape *a, const lb_shape *b)
{
  if (!a->key_count || a->key_count != b->key_count) return false;
  for (int i = 0; i < a->count; i++) {
    const lb_column *other = a->columns[i].key ? find_column(b, a->columns[i].name) : NULL;
    if (a->columns[i].key && (!other || !other->key)) return false;
  }
  return true;
}

static lb_match_by choose(const lb_shape *a, const lb_shape *b, lb_buf *notes)
{
  if (same_keys(a, b)) return LB_MATCH_KEY;
  if (a->key_count || b->key_count) {
    note(notes, "the primary keys differ: whole rows are compared");
    return LB_MATCH_WHOLE;
  }
  if (a->rowid && b->rowid) return LB_MATCH_ROWID;
  note(notes, "the rowid cannot be reached: whole rows are compared");
  return LB_MATCH_WHOLE;
}

/* Whether a table's own b-tree has the rows in the order of the key, compared bytewise. */
static bool is_ordered(const lb_shape *shape)
{
  if (!shape->without_rowid) return shape->key_is_rowid;
  for (int i = 0; i < shape->count; i++) if (shape->columns[i].key && !shape->columns[i].bytewise) return false;
  return true;
}

static void add_field(lb_match *m, const char *name_a, const char *name_b)
{
  m->fields[m->count++] = (lb_match_field){ .name = { name_a, name_b }, .label = name_a };
}

static void add_key(lb_match *m, const lb_shape *a, const lb_shape *b)
{
  bool order_of_b = !is_ordered(a) && is_ordered(b);
  for (int place = 1; place <= a->key_count; place++) {
    const lb_column *first = key_column(a, place), *second = first ? find_column(b, first->name) : NULL;
    if (!second) continue;  /* cannot be: the keys are the same */
    add_field(m, first->name, second->name);
    m->fields[m->count - 1].descending = order_of_b ? second->descending : first->descending;
    m->null_keys = m->null_keys || (!a->key_is_rowid && !a->without_rowid && !first->not_null) ||
                   (!b->key_is_rowid && !b->without_rowid && !second->not_null);
  }
}

/* A key that is not bytewise is: two that its collation takes as one are two here. */
static void note_collations(const lb_shape *a, const lb_shape *b, lb_buf *notes)
{
  bool bytewise = true;
  for (int i = 0; i < a->count; i++) bytewise = bytewise && a->columns[i].bytewise;
  for (int i = 0; i < b->count; i++) bytewise = bytewise && b->columns[i].bytewise;
  if (!bytewise) note(notes, "keys are told apart by their bytes, whatever their collation");
}

int lb_match_make(const lb_shape *a, const lb_shape *b, lb_match *m, lb_buf *notes, lb_error *err)
{
  *m = (lb_match){ 0 };
  m->fields = calloc((size_t)a->count + 1, sizeof *m->fields);
  if (!m->fields) return lb_fail_nomem(err);
  bool only_a = note_only_in(a, b, "a", notes), only_b = note_only_in(b, a, "b", notes);
  m->same_columns = !only_a && !only_b;
  if (m->same_columns && a->sql && b->sql && strcmp(a->sql, b->sql) != 0) note(notes, "the CREATE statements differ");
  m->by = choose(a, b, notes);
  if (m->by == LB_MATCH_ROWID) add_field(m, a->rowid, b->rowid);
  if (m->by == LB_MATCH_KEY) add_key(m, a, b);
  int keys = m->count;
  for (int i = 0; i < a->count; i++) {
    const lb_column *other = find_column(b, a->columns[i].name);
    if (other && !(m->by == LB_MATCH_KEY && a->columns[i].key)) add_field(m, a->columns[i].name, other->name);
  }
  m->key_count = m->by == LB_MATCH_WHOLE ? m->count : keys;
  const lb_shape *shapes[2] = { a, b };
  for (int s = 0; s < 2; s++) {
    m->by_rowid[s] = m->by == LB_MATCH_ROWID || (m->by == LB_MATCH_KEY && shapes[s]->key_is_rowid);
    m->ordered[s] = m->by_rowid[s] || (m->by == LB_MATCH_KEY && is_ordered(shapes[s]));
  }
  if (m->by == LB_MATCH_KEY) note_collations(a, b, notes);
  return notes->failed ? lb_fail_nomem(err) : err->code;
}

void lb_match_free(lb_match *m)
{
  free(m->fields);
  *m = (lb_match){ 0 };
}

void lb_match_describe(const lb_match *m, lb_buf *out)
{
  if (m->by == LB_MATCH_ROWID) lb_buf_text(out, "rowid");
  if (m->by == LB_MATCH_WHOLE) lb_buf_text(out, "whole rows");
  if (m->by != LB_MATCH_KEY) return;
  lb_buf_text(out, "primary key (");
  for (int i = 0; i < m->key_count; i++) lb_buf_printf(out, "%s%s", i ? ", " : "", m->fields[i].label);
  lb_buf_text(out, ")");
}

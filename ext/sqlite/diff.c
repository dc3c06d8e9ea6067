/* See diff.h. diff_select.c has the statements; this is the merge.
**
** A side's key is copied before the side goes on, so that each row can be held against the one before it. Where the
** pages tell which stretches of rowids may differ, and rows come by rowid, both sides go through one stretch after the
** other.
*/
#include "sqlite/diff.h"

#include <stdlib.h>
#include <string.h>

#include "core/json.h"
#include "sqlite/diff_select.h"
#include "sqlite/value.h"

SQLITE_EXTENSION_INIT3

enum { POLL_ROWS = 256 };

/* One side's rows. */
typedef struct rows {
  lb_diff_reading reading;
  sqlite3_stmt *stmt;     /* NULL: none */
  bool here;              /* a row is at hand */
  bool advance;           /* it has been told: go on before the next one */
  lb_value *key;          /* of the row before; its texts and blobs are in `bytes` */
  bool has_key;
  lb_buf bytes;
} rows;

struct lb_diff {
  const lb_match *match;
  lb_stretches *stretches;  /* that are gone through one by one; NULL: there is nothing to go through */
  lb_task *task;
  lb_encoding encoding;
  rows side[2];
  lb_diff_kind told;
  bool *differs;            /* of each field, of the row told last */
  uint64_t count;           /* rows read */
};

/* ---- values ---- */

static bool value_of(const rows *r, int field, lb_value *v, lb_error *err)
{
  if (lb_value_at(r->stmt, field, r->reading.encoding, v)) return true;
  lb_fail_nomem(err);
  return false;
}

/* Fields from `first` to `end` of the rows at hand, as ORDER BY has them: all values, then all classes. */
static int order_of(const lb_diff *d, int first, int end, lb_error *err)
{
  lb_value a, b;
  int class_order = 0;
  for (int i = first; i < end; i++) {
    if (!value_of(&d->side[0], i, &a, err) || !value_of(&d->side[1], i, &b, err)) return 0;
    int order = lb_value_order(&a, &b, d->encoding), sign = d->match->fields[i].descending ? -1 : 1;
    if (order) return order * sign;
    if (!class_order) class_order = lb_value_class_order(&a, &b) * sign;
  }
  return class_order;
}

static bool key_has_null(const rows *r, int key_count)
{
  for (int i = 0; i < key_count; i++) if (sqlite3_column_type(r->stmt, i) == SQLITE_NULL) return true;
  return false;
}

/* Below 0: the first side's row comes first, and so on; 0: the two are one row. Without a column that both have, no two
** rows are one, unless there is no column at all, as PostgreSQL allows: all rows are alike then. */
static int order_of_rows(const lb_diff *d, lb_error *err)
{
  const lb_match *m = d->match;
  if (!d->side[0].here) return 1;
  if (!d->side[1].here) return -1;
  if (m->count == 0) return m->same_columns ? 0 : -1;
  int order = order_of(d, 0, m->key_count, err);
  if (order || err->code || !m->null_keys || !key_has_null(&d->side[0], m->key_count)) return order;
  return order_of(d, m->key_count, m->count, err);
}

/* ---- keys ascend ---- */

/* Copies the key of the row at hand. */
static int keep_key(rows *r, int key_count, lb_error *err)
{
  r->bytes.len = 0;
  r->has_key = true;
  for (int i = 0; i < key_count; i++) {
    if (!value_of(r, i, &r->key[i], err)) return err->code;
    lb_buf_append(&r->bytes, r->key[i].bytes, r->key[i].bytes ? r->key[i].n : 0);
  }
  lb_buf_append(&r->bytes, "", 1);  /* there is something, even if all of them are empty */
  if (r->bytes.failed) return lb_fail_nomem(err);
  size_t at = 0;
  for (int i = 0; i < key_count; i++) {
    if (!r->key[i].bytes) r->key[i].n = 0;
    else r->key[i].bytes = r->bytes.data + at;
    at += r->key[i].n;
  }
  return LB_OK;
}

static int out_of_order(const rows *r, lb_error *err)
{
  return lb_fail(err, LB_CORRUPT,
                 "%s: the rows of %s are not in the order of their key, or a key is there twice: the database is "
                 "damaged (PRAGMA integrity_check tells where)", r->reading.side->label, r->reading.shape->name);
}

/* Equal keys are right only where whole rows are compared, or with a NULL in them. */
static int check_order(const lb_diff *d, const rows *r, lb_error *err)
{
  const lb_match *m = d->match;
  int class_order = 0;
  for (int i = 0; i < m->key_count && r->has_key; i++) {
    lb_value v;
    if (!value_of(r, i, &v, err)) return err->code;
    int sign = m->fields[i].descending ? -1 : 1, order = lb_value_order(&r->key[i], &v, d->encoding) * sign;
    if (order < 0) return LB_OK;
    if (order > 0) return out_of_order(r, err);
    if (!class_order) class_order = lb_value_class_order(&r->key[i], &v) * sign;
  }
  if (!r->has_key || class_order < 0) return LB_OK;
  bool may_repeat = m->by == LB_MATCH_WHOLE || (m->null_keys && key_has_null(r, m->key_count));
  return class_order > 0 || !may_repeat ? out_of_order(r, err) : LB_OK;
}

/* ---- going on ---- */

static int go_on(lb_diff *d, rows *r, lb_error *err)
{
  if (!r->stmt) return LB_OK;
  if (r->here && keep_key(r, d->match->key_count, err)) return err->code;
  if (++d->count % POLL_ROWS == 0 && lb_task_poll(d->task, err)) return err->code;
  int rc = sqlite3_step(r->stmt);
  r->here = rc == SQLITE_ROW;
  if (r->here) return check_order(d, r, err);
  return rc == SQLITE_DONE ? LB_OK : lb_db_fail(r->reading.side->db, rc, r->reading.side->label, err);
}

/* Both sides to the next stretch of rowids; *more false: there is none. */
static int next_stretch(lb_diff *d, bool *more, lb_error *err)
{
  int64_t first, last;
  *more = false;
  if (!d->stretches || lb_stretches_next(d->stretches, &first, &last, more, err) || !*more) return err->code;
  for (int s = 0; s < 2; s++) {
    rows *r = &d->side[s];
    sqlite3_reset(r->stmt);
    sqlite3_bind_int64(r->stmt, 1, first);
    sqlite3_bind_int64(r->stmt, 2, last);
    if (go_on(d, r, err)) return err->code;
  }
  return LB_OK;
}

/* To the next pair of rows. *any false: there are no more. */
static int next_rows(lb_diff *d, bool *any, lb_error *err)
{
  *any = false;
  for (int s = 0; s < 2; s++) {
    rows *r = &d->side[s];
    if (r->advance && go_on(d, r, err)) return err->code;
    r->advance = false;
  }
  bool more = true;
  while (more && !d->side[0].here && !d->side[1].here) {
    if (next_stretch(d, &more, err)) return err->code;
  }
  *any = d->side[0].here || d->side[1].here;
  return LB_OK;
}

/* Whether anything but the key differs in the rows at hand. */
static bool compare_rows(lb_diff *d, lb_error *err)
{
  const lb_match *m = d->match;
  bool any = false;
  for (int i = m->key_count; i < m->count && !err->code; i++) {
    lb_value a, b;
    if (!value_of(&d->side[0], i, &a, err) || !value_of(&d->side[1], i, &b, err)) return false;
    d->differs[i] = lb_value_order(&a, &b, d->encoding) || lb_value_class_order(&a, &b);
    any = any || d->differs[i];
  }
  return any;
}

int lb_diff_next(lb_diff *d, lb_diff_kind *kind, lb_error *err)
{
  bool any;
  *kind = d->told = LB_DIFF_END;
  while (next_rows(d, &any, err) == LB_OK && any) {
    int order = order_of_rows(d, err);
    if (err->code) break;
    d->side[0].advance = order <= 0;
    d->side[1].advance = order >= 0;
    if (order) d->told = order < 0 ? LB_DIFF_REMOVED : LB_DIFF_ADDED;
    else if (compare_rows(d, err)) d->told = LB_DIFF_CHANGED;
    if (d->told) break;
  }
  *kind = d->told;
  return err->code;
}

/* ---- telling ---- */

void lb_diff_key(const lb_diff *d, lb_buf *json)
{
  int s = d->told == LB_DIFF_ADDED;
  lb_buf_text(json, "{");
  for (int i = 0; i < d->match->key_count; i++) {
    lb_json_put_key(json, d->match->fields[i].label);
    lb_value_json(d->side[s].stmt, i, json);
  }
  lb_buf_text(json, "}");
}

bool lb_diff_field_differs(const lb_diff *d, int field)
{
  return d->differs[field];
}

/* ---- opening ---- */

static int choose_encoding(lb_diff *d, lb_error *err)
{
  lb_encoding of[2];
  for (int s = 0; s < 2; s++) {
    const lb_diff_side *side = d->side[s].reading.side;
    if (lb_encoding_of(side->db, side->label, &of[s], err)) return err->code;
  }
  /* A connection that is not ours keeps its own; the other one can be given it. */
  d->encoding = d->side[0].reading.side->own ? of[1] : of[0];
  if (d->side[0].reading.side->own && d->side[1].reading.side->own) d->encoding = of[0];
  for (int s = 0; s < 2; s++) {
    d->side[s].reading.encoding = d->encoding;
    d->side[s].reading.translated = of[s] != d->encoding;
  }
  return LB_OK;
}

static int prepare(lb_diff *d, lb_error *err)
{
  const lb_match *m = d->match;
  if (choose_encoding(d, err)) return err->code;
  bool natural = lb_diff_is_natural(&d->side[0].reading) && lb_diff_is_natural(&d->side[1].reading);
  if (d->stretches && !natural) {
    lb_diff_reading readings[2] = { d->side[0].reading, d->side[1].reading };
    if (lb_diff_store_stretches(readings, d->stretches, err)) return err->code;
    d->stretches = NULL;
  }
  for (int s = 0; s < 2; s++) {
    rows *r = &d->side[s];
    r->key = calloc((size_t)m->key_count + 1, sizeof *r->key);
    if (!r->key) return lb_fail_nomem(err);
    r->stmt = lb_diff_select(&r->reading, err);
    if (err->code) return err->code;
    r->advance = r->stmt && !d->stretches;
  }
  return LB_OK;
}

lb_diff *lb_diff_open(const lb_diff_side *const sides[2], const lb_shape *const tables[2], const lb_match *match,
                      lb_stretches *stretches, lb_task *task, lb_error *err)
{
  lb_diff *d = calloc(1, sizeof *d);
  if (!d || !(d->differs = calloc((size_t)match->count + 1, sizeof *d->differs))) {
    lb_fail_nomem(err);
    free(d);
    return NULL;
  }
  d->match = match;
  d->stretches = stretches;
  d->task = task;
  for (int s = 0; s < 2; s++) {
    d->side[s].reading = (lb_diff_reading){ .side = sides[s], .shape = tables[s], .match = match, .number = s,
                                            .stretches = stretches != NULL };
  }
  if (prepare(d, err) == LB_OK) return d;
  lb_diff_close(d);
  return NULL;
}

void lb_diff_close(lb_diff *d)
{
  if (!d) return;
  for (int s = 0; s < 2; s++) {
    sqlite3_finalize(d->side[s].stmt);
    free(d->side[s].key);
    lb_buf_free(&d->side[s].bytes);
  }
  free(d->differs);
  free(d);
}

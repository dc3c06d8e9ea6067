/* See table_rows.h: reading. Bytes come block by block, or from the front; the script's reader says what of them is
** data of the table; that is cut into rows; values are made of a row's fields when they are asked for.
**
** A part of a backup of ours holds one COPY and nothing else, of as many rows as the table of contents says.
*/
#include <stdlib.h>
#include <string.h>

#include "archive/ahead.h"
#include "core/file.h"
#include "job/table_name.h"
#include "job/table_parts.h"
#include "postgres/copy_rows.h"
#include "postgres/script.h"
#include "postgres/session.h"

/* Which field of a COPY a column is. */
typedef struct shape {
  int *fields;        /* by column */
  int count;          /* of fields */
} shape;

struct lb_row_scan {
  lb_table_rows *rows;
  lb_task *task;
  lb_row_wish wish;           /* its low and high serve only open() */
  int64_t number;             /* of the row at hand, or the one that was stepped over last */
  int64_t skip;               /* rows to step over */
  bool drained;               /* no more bytes */

  lb_ahead *ahead;            /* with a table of contents: */
  int64_t plan_part;          /*   the block that is asked for next */
  uint64_t plan_block;
  int64_t part;               /*   the part at hand, and how many of its blocks are fed */
  uint64_t fed;
  bool *passed;               /*   parts that cannot have what is wanted */
  lb_front *front;            /* without */

  lb_script *script;
  lb_pg_session session;
  bool copy_seen, wanted;     /* of the part, or the script, one COPY was; the one at hand is the table's */
  uint64_t copied;            /* rows of the part's */
  bool ours;                  /* a script of ours, unpacked: it has no COPY of a table without rows, as pg_dump's has */
  shape *shapes;              /* a tag is an index */
  int shape_count, shape;
  lb_copy_rows *cut;
  lb_pg_definitions *path;    /* only for the search_path that names are in */
  lb_buf field, value;
};

/* ---- statements ---- */

static const lb_pg_part *part_of(const lb_row_scan *s)
{
  return s->ahead ? s->rows->parts[s->part].part : NULL;
}

static int fail_copy(const lb_row_scan *s, uint64_t offset, const char *what, lb_error *err)
{
  const lb_table_rows *r = s->rows;
  const lb_pg_part *part = part_of(s);
  if (part) {
    return lb_fail(err, LB_CORRUPT, "%s: table %s, block %llu: %s", r->backup.path, r->name,
                   (unsigned long long)part->block, what);
  }
  return lb_fail(err, LB_UNSUPPORTED, "%s: table %s, byte %llu of the script: %s", r->backup.path, r->name,
                 (unsigned long long)offset, what);
}

static int find_column(const lb_table_rows *r, lb_span name, lb_error *err)
{
  lb_buf text = { 0 };
  int i = 0;
  lb_span_name(name, &text);
  if (text.failed) lb_fail_nomem(err);
  while (i < r->column_count && !(text.data && strcmp(r->columns[i].raw, text.data) == 0)) i++;
  lb_buf_free(&text);
  return i;
}

/* The fields of a COPY as the table's columns; without a list they are the table's own. *fits: every column has one,
** and every field is one. */
static int read_shape(const lb_row_scan *s, const lb_ddl *copy, bool own, shape *new, bool *fits, lb_error *err)
{
  const lb_table_rows *r = s->rows;
  lb_tokens columns = copy->columns;
  lb_ddl_column column;
  int known = 0;
  *new = (shape){ .fields = malloc(((size_t)r->column_count + 1) * sizeof *new->fields) };
  if (!new->fields) return lb_fail_nomem(err);
  for (int i = 0; i < r->column_count; i++) new->fields[i] = copy->has_columns ? -1 : i;
  while (copy->has_columns && new->count < INT32_MAX && lb_ddl_next_column(&columns, &column)) {
    int i = find_column(r, column.name, err);
    if (i < r->column_count && new->fields[i] < 0) {
      new->fields[i] = new->count;
      known++;
    }
    new->count++;
  }
  if (!copy->has_columns) known = new->count = own ? r->column_count : 0;
  *fits = known == r->column_count && known == new->count;
  return err->code;
}

/* Looks for a shape among those that there are, or adds it. */
static int choose_shape(lb_row_scan *s, shape new, lb_error *err)
{
  size_t bytes = (size_t)s->rows->column_count * sizeof *new.fields;
  for (s->shape = 0; s->shape < s->shape_count; s->shape++) {
    if (bytes == 0 || memcmp(s->shapes[s->shape].fields, new.fields, bytes) == 0) {
      free(new.fields);
      return LB_OK;
    }
  }
  shape *grown = realloc(s->shapes, ((size_t)s->shape_count + 1) * sizeof *grown);
  if (!grown) {
    free(new.fields);
    return lb_fail_nomem(err);
  }
  s->shapes = grown;
  s->shapes[s->shape_count++] = new;
  return LB_OK;
}

static int begin_copy(lb_row_scan *s, const lb_ddl *ddl, bool own, uint64_t offset, lb_error *err)
{
  shape new;
  bool fits = false;
  s->wanted = s->copy_seen = true;
  if (!ddl->plain) return fail_copy(s, offset, "its COPY has options: only plain COPY … FROM stdin is read", err);
  if (read_shape(s, ddl, own, &new, &fits, err) || !fits) {
    free(new.fields);
    return fail_copy(s, offset, "its COPY has other columns than the definition of the table", err);
  }
  if (choose_shape(s, new, err)) return err->code;
  return lb_copy_rows_begin(s->cut, s->rows->column_count, s->shape, err);
}

/* Whether a statement is about the table, or one that it is a part of. */
static int look_at(lb_row_scan *s, const lb_ddl *ddl, uint64_t offset, lb_error *err)
{
  const lb_table_rows *r = s->rows;
  lb_buf schema = { 0 }, name = { 0 };
  lb_pg_definitions_name(s->path, &ddl->name, &schema, &name);
  if (schema.failed || name.failed) lb_fail_nomem(err);
  bool mine = !err->code && lb_raw_names_have(&r->sources, schema.data, name.data);
  bool above = !err->code && !mine && lb_raw_names_have(&r->above, schema.data, name.data);
  bool own = mine && strcmp(schema.data, r->own.schema) == 0 && strcmp(name.data, r->own.name) == 0;
  lb_buf_free(&schema);
  lb_buf_free(&name);
  s->wanted = false;
  if (mine && ddl->kind == LB_DDL_COPY) return begin_copy(s, ddl, own, offset, err);
  if (mine) {
    fail_copy(s, offset, "its rows are INSERT statements: load the script into a database to query it", err);
  } else if (above) {
    fail_copy(s, offset, "its rows are among those of a table that it is a partition of: ask for that table", err);
  }
  return err->code;
}

static bool starts_with(const char *text, const char *with)
{
  return strncmp(text, with, strlen(with)) == 0;
}

static int take_statement(void *ctx, const char *sql, size_t len, uint64_t offset, bool copy, const char *comment,
                          lb_error *err)
{
  lb_row_scan *s = ctx;
  lb_ddl ddl;
  lb_ddl_read(sql, len, &ddl);
  s->ours = s->ours || (copy && starts_with(comment, "Data for Name: ") && !strstr(comment, "; Owner: "));
  if (s->ahead && (!copy || s->copy_seen)) return fail_copy(s, offset, "it is not one COPY statement", err);
  if (lb_pg_session_statement(&s->session, &ddl, offset, err)) return err->code;
  if (ddl.kind == LB_DDL_SEARCH_PATH) return lb_pg_definitions_take(s->path, &ddl, err);
  if (ddl.kind == LB_DDL_COPY || ddl.kind == LB_DDL_INSERT) look_at(s, &ddl, offset, err);
  if (s->ahead && !s->copy_seen && !err->code) return fail_copy(s, offset, "its rows are those of another table", err);
  return err->code;
}

static int take_data(void *ctx, const char *data, size_t len, lb_error *err)
{
  lb_row_scan *s = ctx;
  return s->wanted ? lb_copy_rows_put(s->cut, data, len, err) : LB_OK;
}

static int take_copy_end(void *ctx, uint64_t rows, lb_error *err)
{
  lb_row_scan *s = ctx;
  s->copied = rows;
  return err->code;
}

static int take_meta(void *ctx, const char *line, uint64_t offset, lb_error *err)
{
  lb_row_scan *s = ctx;
  if (s->ahead) return fail_copy(s, offset, "it is not one COPY statement", err);
  return lb_pg_session_meta(&s->session, line, offset, err);
}

static const lb_script_ops scan_ops = { take_statement, take_data, take_copy_end, take_meta };

/* ---- bytes ---- */

/* The next part, from this one on, that may have rows that are wanted. */
static int64_t wanted_part(const lb_row_scan *s, int64_t part)
{
  while (part < s->rows->part_count && s->passed[part]) part++;
  return part;
}

/* The blocks of the parts, as far as rows of them are wanted. */
static bool plan(void *ctx, uint64_t *block)
{
  lb_row_scan *s = ctx;
  const lb_table_rows *r = s->rows;
  if (s->plan_part == r->part_count || r->parts[s->plan_part].before >= s->wish.last) return false;
  const lb_pg_part *part = r->parts[s->plan_part].part;
  *block = part->block + s->plan_block;
  if (++s->plan_block == part->blocks) {
    s->plan_block = 0;
    s->plan_part = wanted_part(s, s->plan_part + 1);
  }
  return true;
}

static int end_part(lb_row_scan *s, lb_error *err)
{
  int rc = lb_script_end(s->script, err);
  lb_script_close(s->script);
  s->script = NULL;
  if (!rc && (!s->copy_seen || s->copied != part_of(s)->rows)) {
    rc = fail_copy(s, 0, "it does not have the rows that the table of contents tells of", err);
  }
  s->part = wanted_part(s, s->part + 1);
  s->fed = 0;
  return rc;
}

static bool is_of_the_host(const lb_error *err)
{
  return err->code == LB_INTERRUPT || err->code == LB_NOMEM;
}

/* The file's name is told already. */
static int fail_read(const lb_row_scan *s, lb_error *err)
{
  if (!is_of_the_host(err)) lb_error_prefix(err, "table %s: ", s->rows->name);
  return err->code;
}

static int feed_part(lb_row_scan *s, lb_error *err)
{
  uint64_t block;
  const unsigned char *data;
  size_t n;
  if (lb_ahead_read(s->ahead, &block, &data, &n, err)) {
    return fail_read(s, err);
  }
  s->drained = n == 0;
  if (s->drained) return LB_OK;
  if (!s->script) {
    s->copy_seen = s->wanted = false;
    s->copied = 0;
    s->number = s->rows->parts[s->part].before;  /* all rows of the part before it are given */
    s->script = lb_script_open(&scan_ops, s, 0, err);
    if (!s->script) return err->code;
  }
  if (lb_script_feed(s->script, data, n, err)) return err->code;
  return ++s->fed == part_of(s)->blocks ? end_part(s, err) : LB_OK;
}

static int feed_front(lb_row_scan *s, lb_error *err)
{
  const unsigned char *data;
  size_t n;
  if (lb_front_read(s->front, &data, &n, err)) {
    return fail_read(s, err);
  }
  s->drained = n == 0;
  if (n) return lb_script_feed(s->script, data, n, err);
  if (lb_script_end(s->script, err)) return err->code;
  if (s->copy_seen || s->ours || !s->rows->has_data) return LB_OK;
  return lb_fail(err, LB_NOTFOUND, "%s: the dump has no data of table %s", s->rows->backup.path, s->rows->name);
}

/* What the script's reader says of its own has no place: it is told which file and table. */
static int feed(lb_row_scan *s, lb_error *err)
{
  int rc = s->ahead ? feed_part(s, err) : feed_front(s, err);
  if (rc && !is_of_the_host(err) && !strstr(err->message, s->rows->backup.path)) {
    lb_error_prefix(err, "%s: table %s: ", s->rows->backup.path, s->rows->name);
  }
  return rc;
}

/* ---- scans ---- */

/* Parts whose keys are all below what is wanted, or above it. */
static int pass_over(lb_row_scan *s, lb_error *err)
{
  const lb_table_rows *r = s->rows;
  int64_t ignored;
  int key = lb_table_rows_key(r, &ignored);
  s->passed = calloc((size_t)r->part_count + 1, sizeof *s->passed);
  if (!s->passed) return lb_fail_nomem(err);
  for (int64_t i = 0; key >= 0 && i < r->part_count; i++) {
    s->passed[i] = r->parts[i].key == key && !lb_key_range_meets(r->parts[i].part->keys, r->columns[key].kind,
                                                                 &s->wish.low, &s->wish.high);
  }
  return LB_OK;
}

/* At the part with the row `first`, or the next one that is wanted. */
static void seek(lb_row_scan *s)
{
  const lb_table_rows *r = s->rows;
  int64_t low = 0, high = r->part_count, first = s->wish.first;
  while (low < high) {
    int64_t middle = low + (high - low) / 2;
    if (r->parts[middle].before < first) low = middle + 1;
    else high = middle;
  }
  s->part = s->plan_part = wanted_part(s, low ? low - 1 : 0);
  s->number = s->part < r->part_count ? r->parts[s->part].before : r->count;
  s->skip = first - 1 > s->number ? first - 1 - s->number : 0;
}

lb_row_scan *lb_row_scan_open(lb_table_rows *r, const lb_row_wish *wish, int threads, lb_task *task, lb_error *err)
{
  lb_row_scan *s = calloc(1, sizeof *s);
  if (!s) {
    lb_fail_nomem(err);
    return NULL;
  }
  s->rows = r;
  s->task = task;
  s->wish = *wish;
  if (s->wish.first < 1) s->wish.first = 1;
  s->skip = s->wish.first - 1;
  if (r->content.has_table && pass_over(s, err) == LB_OK) seek(s);
  s->cut = err->code ? NULL : lb_copy_rows_open(err);
  s->path = err->code ? NULL : lb_pg_definitions_open(err);
  if (!err->code && r->encoding_name) s->session.encoding = lb_text_copy(r->encoding_name, err);
  if (!err->code && r->content.has_table) s->ahead = lb_ahead_open(r->content.reader, threads, plan, s, task, err);
  else if (!err->code) {
    s->front = lb_front_open(r->content.reader, task, err);
    if (s->front) s->script = lb_script_open(&scan_ops, s, 0, err);
  }
  if (!err->code) return s;
  lb_row_scan_close(s);
  return NULL;
}

void lb_row_scan_close(lb_row_scan *s)
{
  if (!s) return;
  lb_ahead_close(s->ahead);
  lb_front_close(s->front);
  lb_script_close(s->script);
  lb_pg_session_free(&s->session);
  for (int i = 0; i < s->shape_count; i++) free(s->shapes[i].fields);
  free(s->shapes);
  free(s->passed);
  lb_copy_rows_close(s->cut);
  lb_pg_definitions_close(s->path);
  lb_buf_free(&s->field);
  lb_buf_free(&s->value);
  free(s);
}

static int fail_row(const lb_row_scan *s, int64_t number, lb_error *err)
{
  if (is_of_the_host(err)) return err->code;
  lb_error_prefix(err, "%s: table %s, row %lld: ", s->rows->backup.path, s->rows->name, (long long)number);
  return err->code;
}

int lb_row_scan_next(lb_row_scan *s, bool *found, lb_error *err)
{
  *found = false;
  while (s->number < s->wish.last) {
    if (s->skip) {
      int64_t skipped = (int64_t)lb_copy_rows_skip(s->cut, (uint64_t)s->skip);
      s->skip -= skipped;
      s->number += skipped;
    }
    if (!s->skip) {
      if (lb_copy_rows_next(s->cut, found, &s->shape, err)) return fail_row(s, s->number + 1, err);
      s->number += *found;
    }
    if (*found || s->drained) break;
    if (feed(s, err)) return err->code;
  }
  return LB_OK;
}

int64_t lb_row_scan_number(const lb_row_scan *s)
{
  return s->number;
}

int lb_row_scan_value(lb_row_scan *s, int column, size_t most, lb_pg_datum *value, lb_error *err)
{
  const lb_table_column *c = &s->rows->columns[column];
  lb_copy_field field;
  int rc = lb_copy_rows_field(s->cut, s->shapes[s->shape].fields[column], &s->field, &field, err);
  *value = (lb_pg_datum){ .type = LB_PG_IS_NULL };
  if (!rc && !field.null) {
    rc = lb_pg_datum_read(c->kind, field.text, field.len, s->rows->encoding, &s->value, value, err);
  }
  if (!rc && (value->type == LB_PG_IS_TEXT || value->type == LB_PG_IS_BLOB) && value->len > most) {
    rc = lb_fail(err, LB_UNSUPPORTED, "it has %zu bytes, and this connection takes %zu at most (SQLITE_LIMIT_LENGTH)",
                 value->len, most);
  }
  if (!rc) return LB_OK;
  if (!is_of_the_host(err)) lb_error_prefix(err, "column %s: ", c->name);
  return fail_row(s, s->number, err);
}

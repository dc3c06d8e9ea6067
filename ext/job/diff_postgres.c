/* Two backups of PostgreSQL. Tables are compared by the tables of contents: equal numbers of rows and bytes and equal
** checksums mean equal rows, in whatever order they lie in the backups, and none is read. Rows of other tables are
** (diff_pg_rows.c) where their numbers, or they themselves, are asked for.
*/
#include <stdlib.h>
#include <string.h>

#include "job/content.h"
#include "job/diff_pg_rows.h"
#include "job/diff_sides.h"
#include "postgres/encoding.h"
#include "postgres/quote.h"

struct lb_pg_diff {
  lb_job *job;
  lb_difference_wanted wanted;
  lb_side *sides;
  lb_pg_contents contents[2];
  const lb_pg_table **tables[2];  /* by schema and name */
  int at[2];
  lb_content content[2];          /* opened when rows are needed, as are keys */
  lb_pg_keys *keys[2];
  lb_pg_rows rows;                /* of the table at hand */
  bool named;                     /* a table was named: its rows are told */
  lb_buf schema, name;            /* of it */
};

static int order_of_tables(const lb_pg_table *a, const lb_pg_table *b)
{
  int order = strcmp(a->schema, b->schema);
  return order ? order : strcmp(a->name, b->name);
}

static int by_name(const void *a, const void *b)
{
  return order_of_tables(*(const lb_pg_table *const *)a, *(const lb_pg_table *const *)b);
}

/* ---- opening ---- */

static int read_contents(lb_pg_diff *c, int s, lb_error *err)
{
  const lb_opened *backup = &c->sides[s].backup;
  const char *json = lb_reader_contents(backup->reader);
  if (!json) {
    return lb_fail(err, LB_UNSUPPORTED, "%s: a dump of another tool has no table of contents to compare: restore it "
                                        "and back it up with backup_create", backup->path);
  }
  if (lb_pg_contents_parse(c->job->json, json, lb_reader_block_count(backup->reader), &c->contents[s], err)) {
    lb_error_prefix(err, "%s: ", backup->path);
    return err->code;
  }
  int count = c->contents[s].table_count;
  c->tables[s] = calloc((size_t)count + 1, sizeof *c->tables[s]);
  if (!c->tables[s]) return lb_fail_nomem(err);
  for (int i = 0; i < count; i++) c->tables[s][i] = &c->contents[s].tables[i];
  qsort(c->tables[s], (size_t)count, sizeof *c->tables[s], by_name);
  return LB_OK;
}

static int read_keys(lb_pg_diff *c, int s, lb_error *err)
{
  lb_content *content = &c->content[s];
  const lb_opened *backup = &c->sides[s].backup;
  if (c->keys[s] || lb_content_open(content, backup->reader, backup->path, c->job, 1, err)) return err->code;
  c->keys[s] = lb_pg_keys_read(&content->source, &content->table, &c->job->task, err);
  return err->code;
}

static int open_rows(lb_pg_diff *c, const char *table, lb_error *err)
{
  if (read_keys(c, 0, err) || read_keys(c, 1, err)) return err->code;
  const lb_pg_keys *const keys[2] = { c->keys[0], c->keys[1] };
  const char *const paths[2] = { c->sides[0].backup.path, c->sides[1].backup.path };
  return lb_pg_rows_open(&c->rows, c->job, paths, table, keys, err);
}

static int open_named(lb_pg_diff *c, const char *table, lb_error *err)
{
  c->named = true;
  if (open_rows(c, table, err)) return err->code;
  const lb_table_rows *rows = c->rows.tables[c->rows.tables[0] ? 0 : 1];
  lb_pg_name_in_json(lb_table_rows_schema(rows), &c->schema);
  lb_pg_name_in_json(lb_table_rows_name(rows), &c->name);
  return c->schema.failed || c->name.failed ? lb_fail_nomem(err) : LB_OK;
}

lb_pg_diff *lb_pg_diff_open(lb_job *job, lb_side sides[2], const char *table, const lb_difference_wanted *wanted,
                            lb_error *err)
{
  lb_pg_diff *c = calloc(1, sizeof *c);
  if (!c) {
    lb_fail_nomem(err);
    return NULL;
  }
  c->job = job;
  c->sides = sides;
  c->wanted = *wanted;
  lb_task_phase(&job->task, "comparing rows", 0);
  for (int s = 0; s < 2 && !err->code; s++) read_contents(c, s, err);
  if (!err->code && table) open_named(c, table, err);
  if (!err->code) return c;
  lb_pg_diff_close(c);
  return NULL;
}

void lb_pg_diff_close(lb_pg_diff *c)
{
  if (!c) return;
  lb_pg_rows_close(&c->rows);
  lb_buf_free(&c->schema);
  lb_buf_free(&c->name);
  for (int s = 0; s < 2; s++) {
    lb_pg_keys_close(c->keys[s]);
    lb_content_close(&c->content[s]);
    lb_pg_contents_free(&c->contents[s]);
    free(c->tables[s]);
  }
  free(c);
}

/* ---- a table ---- */

/* Checksums told that rows differ. What SQLite holds exactly and PostgreSQL writes in two ways is all that is left. */
static void note_writing(lb_pg_diff *c, lb_difference *d, lb_error *err)
{
  lb_buf *notes = &c->rows.diff.notes;
  if (d->added || d->removed || d->changed || !c->rows.diff.match.same_columns) return;
  lb_buf_printf(notes, "%srows differ only in how numbers are written, as 1.1 and 1.10", notes->len ? "\n" : "");
  if (notes->failed) lb_fail_nomem(err);
  d->notes = notes->data;
}

static int compare_rows(lb_pg_diff *c, const lb_pg_table *table, lb_difference *d, lb_error *err)
{
  lb_buf name = { 0 };
  bool differ = d->change && strcmp(d->change, "changed") == 0;
  lb_pg_put_qualified(&name, table->schema, table->name);
  if (name.failed) lb_fail_nomem(err);
  else if (open_rows(c, name.data, err) == LB_OK &&
           lb_table_diff_totals(&c->rows.diff, c->wanted.counts, d, err) == LB_OK && differ) {
    d->change = "changed";
    note_writing(c, d, err);
  }
  lb_buf_free(&name);
  return err->code;
}

static int compare(lb_pg_diff *c, const lb_pg_table *a, const lb_pg_table *b, lb_difference *d, lb_error *err)
{
  bool known = c->contents[0].checksums && c->contents[1].checksums;
  bool alike = a->rows == b->rows && a->bytes == b->bytes;
  if (alike && (a->rows == 0 || (known && a->checksum == b->checksum))) {
    d->change = "same";
    d->added = d->removed = d->changed = 0;
    return LB_OK;
  }
  if (known || !alike) d->change = "changed";
  return d->change && !c->wanted.counts ? LB_OK : compare_rows(c, a, d, err);
}

static int next_table(lb_pg_diff *c, lb_difference *d, bool *any, lb_error *err)
{
  const lb_pg_table *a = c->tables[0][c->at[0]], *b = c->tables[1][c->at[1]];  /* NULL behind the last */
  lb_pg_rows_close(&c->rows);
  *any = a || b;
  if (!*any || lb_task_poll(&c->job->task, err)) return err->code;
  int order = !a ? 1 : !b ? -1 : order_of_tables(a, b);
  const lb_pg_table *one = order <= 0 ? a : b;
  c->at[0] += order <= 0;
  c->at[1] += order >= 0;
  d->schema = one->schema;
  d->name = one->name;
  if (order == 0) return compare(c, a, b, d, err);
  d->change = order < 0 ? "only in a" : "only in b";
  d->added = order < 0 ? 0 : (int64_t)b->rows;
  d->removed = order < 0 ? (int64_t)a->rows : 0;
  d->changed = 0;
  return LB_OK;
}

int lb_pg_diff_next(lb_pg_diff *c, lb_difference *d, bool *any, lb_error *err)
{
  if (!c->named) return next_table(c, d, any, err);
  if (lb_table_diff_row(&c->rows.diff, d, any, err) == LB_OK) {
    d->schema = c->schema.data;
    d->name = c->name.data;
  }
  return err->code;
}

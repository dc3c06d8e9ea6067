/* Two backups of PostgreSQL, by their tables of contents alone: equal numbers of rows, bytes and checksums mean equal
** rows, in whatever order they lie in the backups. No row is read.
*/
#include <stdlib.h>
#include <string.h>

#include "job/diff_sides.h"
#include "postgres/contents.h"

struct lb_pg_diff {
  lb_pg_contents contents[2];
  const lb_pg_table **tables[2];  /* by schema and name */
  int at[2];
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

static int read_contents(lb_pg_diff *c, lb_job *job, const lb_side *side, int s, lb_error *err)
{
  const lb_reader *reader = side->backup.reader;
  const char *json = lb_reader_contents(reader);
  if (!json) {
    return lb_fail(err, LB_UNSUPPORTED, "%s: a dump of another tool has no table of contents to compare: restore it "
                                        "and back it up with backup_create", side->backup.path);
  }
  if (lb_pg_contents_parse(job->json, json, lb_reader_block_count(reader), &c->contents[s], err)) {
    lb_error_prefix(err, "%s: ", side->backup.path);
    return err->code;
  }
  int count = c->contents[s].table_count;
  c->tables[s] = calloc((size_t)count + 1, sizeof *c->tables[s]);
  if (!c->tables[s]) return lb_fail_nomem(err);
  for (int i = 0; i < count; i++) c->tables[s][i] = &c->contents[s].tables[i];
  qsort(c->tables[s], (size_t)count, sizeof *c->tables[s], by_name);
  return LB_OK;
}

lb_pg_diff *lb_pg_diff_open(lb_job *job, lb_side sides[2], const char *table, const lb_difference_wanted *wanted,
                            lb_error *err)
{
  (void)wanted;
  if (table) {
    lb_fail(err, LB_UNSUPPORTED, "the rows of PostgreSQL backups are not compared, only their tables: leave the "
                                 "table's name out, or restore both and compare there");
    return NULL;
  }
  lb_pg_diff *c = calloc(1, sizeof *c);
  if (!c) {
    lb_fail_nomem(err);
    return NULL;
  }
  for (int s = 0; s < 2 && !err->code; s++) read_contents(c, job, &sides[s], s, err);
  if (!err->code) return c;
  lb_pg_diff_close(c);
  return NULL;
}

/* ---- telling ---- */

static void compare(const lb_pg_diff *c, const lb_pg_table *a, const lb_pg_table *b, lb_difference *d)
{
  bool known = c->contents[0].checksums && c->contents[1].checksums;
  bool same = a->rows == b->rows && a->bytes == b->bytes;
  if (!same || (known && a->checksum != b->checksum)) {
    d->change = "changed";
  } else if (known || a->rows == 0) {
    d->change = "same";
    d->added = d->removed = d->changed = 0;
  } else {
    d->change = "not compared";
    d->notes = "as many rows of as many bytes on both sides; checksums are not known, for want of xxhash";
  }
}

int lb_pg_diff_next(lb_pg_diff *c, lb_difference *d, bool *any, lb_error *err)
{
  const lb_pg_table *a = c->tables[0][c->at[0]], *b = c->tables[1][c->at[1]];  /* NULL behind the last */
  *any = a || b;
  if (!*any) return err->code;
  int order = !a ? 1 : !b ? -1 : order_of_tables(a, b);
  const lb_pg_table *one = order <= 0 ? a : b;
  d->schema = one->schema;
  d->name = one->name;
  if (order == 0) {
    compare(c, a, b, d);
  } else {
    d->change = order < 0 ? "only in a" : "only in b";
    d->added = order < 0 ? 0 : (int64_t)b->rows;
    d->removed = order < 0 ? (int64_t)a->rows : 0;
    d->changed = 0;
  }
  c->at[0] += order <= 0;
  c->at[1] += order >= 0;
  return err->code;
}

void lb_pg_diff_close(lb_pg_diff *c)
{
  if (!c) return;
  for (int s = 0; s < 2; s++) {
    lb_pg_contents_free(&c->contents[s]);
    free(c->tables[s]);
  }
  free(c);
}

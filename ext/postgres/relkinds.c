/* See relkinds.h. */
#include "postgres/relkinds.h"

#include <stdlib.h>
#include <string.h>

enum { SCHEMA, NAME, KIND, IS_PARTITION, BYTES };

static const char query[] =
  "SELECT n.nspname, c.relname, c.relkind, c.relispartition, pg_catalog.pg_table_size(c.oid) "
  "FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace "
  "WHERE c.relkind IN ('r', 'p', 'm') AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')";

static int by_name(const PGresult *rows, int row, const char *schema, const char *name)
{
  int order = strcmp(PQgetvalue(rows, row, SCHEMA), schema);
  return order ? order : strcmp(PQgetvalue(rows, row, NAME), name);
}

static int compare(const void *a, const void *b, void *ctx)
{
  const PGresult *rows = ctx;
  int other = *(const int *)b;
  return by_name(rows, *(const int *)a, PQgetvalue(rows, other, SCHEMA), PQgetvalue(rows, other, NAME));
}

int lb_relkinds_read(lb_pg *pg, lb_relkinds *relkinds, lb_error *err)
{
  *relkinds = (lb_relkinds){ .rows = lb_pg_query(pg, err, query, 0, NULL) };
  if (!relkinds->rows) return err->code;
  relkinds->count = PQntuples(relkinds->rows);
  relkinds->order = calloc((size_t)relkinds->count + 1, sizeof *relkinds->order);
  if (!relkinds->order) return lb_fail_nomem(err);
  for (int i = 0; i < relkinds->count; i++) relkinds->order[i] = i;
  qsort_r(relkinds->order, (size_t)relkinds->count, sizeof *relkinds->order, compare, relkinds->rows);
  return LB_OK;
}

void lb_relkinds_free(lb_relkinds *relkinds)
{
  PQclear(relkinds->rows);
  free(relkinds->order);
  memset(relkinds, 0, sizeof *relkinds);
}

int lb_relkinds_find(const lb_relkinds *relkinds, const lb_qualified *name, lb_error *err)
{
  lb_buf schema = { 0 }, table = { 0 };
  int low = 0, high = relkinds->count, found = -1;
  lb_span_name(name->schema, &schema);
  lb_span_name(name->name, &table);
  if (schema.failed || table.failed) lb_fail_nomem(err);
  while (!err->code && schema.len && table.len && low < high && found < 0) {
    int middle = low + (high - low) / 2, row = relkinds->order[middle];
    int order = by_name(relkinds->rows, row, schema.data, table.data);
    if (order == 0) found = row;
    else if (order < 0) low = middle + 1;
    else high = middle;
  }
  lb_buf_free(&schema);
  lb_buf_free(&table);
  return found;
}

bool lb_relkinds_is_partitioned(const lb_relkinds *relkinds, int table)
{
  return *PQgetvalue(relkinds->rows, table, KIND) == 'p';
}

bool lb_relkinds_is_partition(const lb_relkinds *relkinds, int table)
{
  return *PQgetvalue(relkinds->rows, table, IS_PARTITION) == 't';
}

int64_t lb_relkinds_bytes(const lb_relkinds *relkinds, int table)
{
  return strtoll(PQgetvalue(relkinds->rows, table, BYTES), NULL, 10);
}

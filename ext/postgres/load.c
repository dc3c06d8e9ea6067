/* See load.h: loading in order on one connection, and ANALYZE. */
#include "postgres/load.h"

#include <stdlib.h>

#include "postgres/execute.h"
#include "postgres/lanes.h"
#include "postgres/quote.h"
#include "postgres/script.h"

/* ---- in order ---- */

static int feed(void *ctx, const void *data, size_t n, lb_error *err)
{
  return lb_script_feed(ctx, data, n, err);
}

/* A script that ends before all data came was cut by whoever made it, however well its end looks. */
static int check_all_came(const lb_execute *x, lb_error *err)
{
  const lb_pg_contents *c = x->load->contents;
  for (int64_t i = x->part; c && i < c->part_count; i++) {
    if (c->parts[i].kind != LB_PART_DATA) continue;
    const lb_pg_table *t = &c->tables[c->parts[i].table];
    return lb_fail(err, LB_CORRUPT, "the script has no data of table %s.%s for block %llu of its table of contents",
                   t->schema, t->name, (unsigned long long)c->parts[i].block);
  }
  return LB_OK;
}

int lb_pg_load_serial(lb_pg_load *load, lb_error *err)
{
  lb_execute x;
  lb_script *script = NULL;
  if (lb_execute_begin(&x, load, err) == LB_OK) script = lb_script_open(&lb_execute_ops, &x, 0, err);
  if (script && load->source->stream(load->source, feed, script, err) == LB_OK &&
      lb_script_end(script, err) == LB_OK && check_all_came(&x, err) == LB_OK) {
    lb_execute_end(&x, err);
  }
  lb_script_close(script);
  lb_execute_free(&x);
  return err->code;
}

/* ---- ANALYZE ---- */

/* Partitions are analyzed with the table at their top. A foreign table would be read over the network, and so are
** tables above one: their local children go alone. */
static const char tables_query[] =
  "WITH RECURSIVE above_foreign(oid) AS (SELECT i.inhparent FROM pg_catalog.pg_inherits i "
  "JOIN pg_catalog.pg_class c ON c.oid = i.inhrelid WHERE c.relkind = 'f' "
  "UNION SELECT i.inhparent FROM pg_catalog.pg_inherits i JOIN above_foreign a ON i.inhrelid = a.oid) "
  "SELECT n.nspname, c.relname FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace "
  "WHERE c.relkind IN ('r', 'p', 'm') AND c.relpersistence <> 't' AND c.oid NOT IN (SELECT oid FROM above_foreign) "
  "AND (NOT c.relispartition OR EXISTS (SELECT FROM pg_catalog.pg_inherits i JOIN above_foreign a "
  "ON a.oid = i.inhparent WHERE i.inhrelid = c.oid)) "
  "AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname NOT LIKE 'pg\\_toast%' "
  "ORDER BY CASE c.relkind WHEN 'p' THEN 9223372036854775807 ELSE pg_catalog.pg_relation_size(c.oid) END DESC";

static int analyze_table(lb_lane_work *work, const char *schema, const char *name, lb_error *err)
{
  lb_buf sql = { 0 };
  lb_buf_text(&sql, "ANALYZE ");
  lb_pg_put_qualified(&sql, schema, name);
  *work = (lb_lane_work){ .sql = lb_buf_take(&sql), .table = { -1, -1 } };
  return work->sql ? LB_OK : lb_fail_nomem(err);
}

static int open_lanes(lb_pg_load *load, int count, lb_lanes *lanes, lb_error *err)
{
  const char *encoding = PQparameterStatus(load->pg->conn, "client_encoding");
  /* Other connections do not see what a transaction of the caller's has made. */
  int jobs = PQtransactionStatus(load->pg->conn) != PQTRANS_IDLE ? 1 : load->jobs < count ? load->jobs : count;
  lb_buf preamble = { 0 };
  lb_buf_text(&preamble, "SET client_encoding = ");
  lb_pg_put_literal(&preamble, encoding ? encoding : "UTF8");
  if (preamble.failed) lb_fail_nomem(err);
  else lb_lanes_open(lanes, load, jobs, preamble.data, err);
  lb_buf_free(&preamble);
  return err->code;
}

int lb_pg_load_analyze(lb_pg_load *load, lb_error *err)
{
  lb_lanes lanes = { 0 };
  lb_pg_exec(load->pg, "SET search_path TO ''", err);  /* what the script left may have operators of its own */
  PGresult *tables = lb_pg_query(load->pg, err, tables_query, 0, NULL);
  int count = tables ? PQntuples(tables) : 0;
  lb_lane_work *work = calloc((size_t)count + 1, sizeof *work);
  if (!work) lb_fail_nomem(err);
  for (int i = 0; i < count && !err->code; i++) {
    analyze_table(&work[i], PQgetvalue(tables, i, 0), PQgetvalue(tables, i, 1), err);
  }
  if (!err->code && count && open_lanes(load, count, &lanes, err) == LB_OK) {
    lb_lanes_run(&lanes, work, (size_t)count, err);
  }
  lb_lanes_close(&lanes);
  for (int i = 0; work && i < count; i++) free((char *)work[i].sql);
  free(work);
  PQclear(tables);
  return err->code;
}

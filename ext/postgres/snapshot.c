/* See snapshot.h. */
#include "postgres/snapshot.h"

#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "core/file.h"
#include "postgres/quote.h"
#include "sql/waiters.h"

#define BEGIN_READING "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY"

/* COPY of a query is planned as any other: with these it reads the table itself, in its order, not an index that has
** all its columns (which may be damaged where the table is whole), and without workers. Nor does it keep long values in
** case that they come again. */
static int read_tables_themselves(lb_pg *pg, lb_error *err)
{
  if (pg->version >= 140000 && lb_pg_exec(pg, "SET LOCAL enable_memoize = off", err)) return err->code;
  return lb_pg_exec(pg, "SET LOCAL enable_seqscan = on; SET LOCAL enable_indexonlyscan = off; "
                    "SET LOCAL max_parallel_workers_per_gather = 0", err);
}

/* libpq reads into a buffer of 16 KiB, which grows for a value that does not fit and stays so: after this one it holds
** what a socket does, and a lane's rows are fetched in one call instead of in a dozen. */
static int widen_input(lb_pg *pg, lb_error *err)
{
  free(lb_pg_value(pg, err, "SELECT pg_catalog.repeat(' ', 200000)", 0, NULL));
  return err->code;
}

int lb_pg_snapshot_take(lb_pg *pg, int64_t lock_timeout, lb_pg_snapshot *snapshot, lb_error *err)
{
  *snapshot = (lb_pg_snapshot){ .lock_timeout = lock_timeout };
  snapshot->lanes = calloc(1, sizeof *snapshot->lanes);
  if (!snapshot->lanes) return lb_fail_nomem(err);
  snapshot->lanes[0] = pg;
  snapshot->lane_count = 1;
  if (lb_pg_exec(pg, BEGIN_READING, err) || lb_pg_fix_settings(pg, lock_timeout, err) ||
      read_tables_themselves(pg, err) || widen_input(pg, err)) {
    return err->code;
  }
  snapshot->id = lb_pg_value(pg, err, "SELECT pg_catalog.pg_export_snapshot()", 0, NULL);
  if (!snapshot->id && !err->code) lb_fail(err, LB_ERROR, "%s: no snapshot could be exported", pg->label);
  snapshot->taken = lb_clock_monotonic();
  return err->code;
}

/* The snapshot of a leader whose session was ended is gone as well: then that is what happened. */
static int fail_joining(const lb_pg_snapshot *snapshot, const lb_error *why, lb_error *err)
{
  if (lb_pg_exec(snapshot->lanes[0], "SELECT 1", err)) return err->code;
  return lb_fail(err, (lb_code)why->code,
                 "a second connection did not find the snapshot of the first (is a transaction pooler such as "
                 "pgbouncer in between? connect to the server itself): %s", why->message);
}

/* SET TRANSACTION SNAPSHOT has to come before any query, SET LOCAL of settings may follow. */
static int join(lb_pg *pg, const lb_pg_snapshot *snapshot, lb_error *err)
{
  lb_buf sql = { 0 };
  lb_error why = LB_ERROR_INIT;
  lb_buf_text(&sql, BEGIN_READING "; SET TRANSACTION SNAPSHOT ");
  lb_pg_put_literal(&sql, snapshot->id);
  if (sql.failed) lb_fail_nomem(err);
  else if (lb_pg_exec(pg, sql.data, &why)) fail_joining(snapshot, &why, err);
  else if (lb_pg_fix_settings(pg, snapshot->lock_timeout, err) == LB_OK && read_tables_themselves(pg, err) == LB_OK) {
    widen_input(pg, err);
  }
  lb_buf_free(&sql);
  return err->code;
}

int lb_pg_snapshot_widen(lb_pg_snapshot *snapshot, int lanes, lb_buf *notes, lb_error *err)
{
  if (lanes <= snapshot->lane_count) return LB_OK;
  lb_pg **all = realloc(snapshot->lanes, (size_t)lanes * sizeof *all);
  if (!all) return lb_fail_nomem(err);
  snapshot->lanes = all;
  while (snapshot->lane_count < lanes) {
    lb_error why = LB_ERROR_INIT;
    lb_pg *pg = lb_pg_open_again(all[0], NULL, &why);
    if (!pg && why.code != LB_BUSY) return lb_fail(err, (lb_code)why.code, "%s", why.message);
    if (!pg) {
      lb_buf_printf(notes, "%sonly %d of %d connections: %s", notes->len ? "\n" : "", snapshot->lane_count, lanes,
                    why.message);
      return LB_OK;
    }
    all[snapshot->lane_count++] = pg;
    if (join(pg, snapshot, err)) return err->code;
  }
  return LB_OK;
}

char *lb_pg_snapshot_waiter(const lb_pg_snapshot *snapshot, lb_error *err)
{
  PGresult *rows = lb_pg_query(snapshot->lanes[0], err, lb_sql_waiters, 0, NULL);
  char *text = NULL;
  if (rows && PQntuples(rows)) {
    text = lb_text_printf(err, "process %s waits for %s on %s.%s", PQgetvalue(rows, 0, 0), PQgetvalue(rows, 0, 3),
                          PQgetvalue(rows, 0, 1), PQgetvalue(rows, 0, 2));
  }
  PQclear(rows);
  return text;
}

void lb_pg_snapshot_end(lb_pg_snapshot *snapshot)
{
  lb_error ignored = LB_ERROR_INIT;
  for (int i = 1; i < snapshot->lane_count; i++) lb_pg_close(snapshot->lanes[i]);
  if (snapshot->lane_count && PQtransactionStatus(snapshot->lanes[0]->conn) != PQTRANS_IDLE) {
    lb_pg_cancel(snapshot->lanes[0]);
    lb_pg_exec(snapshot->lanes[0], "ROLLBACK", &ignored);
  }
  free(snapshot->lanes);
  free(snapshot->id);
  memset(snapshot, 0, sizeof *snapshot);
}

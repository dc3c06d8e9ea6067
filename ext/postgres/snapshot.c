/* See snapshot.h. */
#include "postgres/snapshot.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "postgres/quote.h"

#define GONE_SECONDS 2.0
#define BEGIN_READING "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY"

int lb_pg_snapshot_take(lb_pg *pg, int64_t lock_timeout, lb_pg_snapshot *snapshot, lb_error *err)
{
  *snapshot = (lb_pg_snapshot){ .lock_timeout = lock_timeout };
  snapshot->lanes = calloc(1, sizeof *snapshot->lanes);
  if (!snapshot->lanes) return lb_fail_nomem(err);
  snapshot->lanes[0] = pg;
  snapshot->lane_count = 1;
  if (lb_pg_exec(pg, BEGIN_READING, err) || lb_pg_fix_settings(pg, lock_timeout, err)) return err->code;
  snapshot->id = lb_pg_value(pg, err, "SELECT pg_catalog.pg_export_snapshot()", 0, NULL);
  if (!snapshot->id && !err->code) lb_fail(err, LB_ERROR, "%s: no snapshot could be exported", pg->label);
  snapshot->taken = lb_clock_monotonic();
  return err->code;
}

/* SET TRANSACTION SNAPSHOT has to come before any query, SET LOCAL of settings may follow. */
static int join(lb_pg *pg, const lb_pg_snapshot *snapshot, lb_error *err)
{
  lb_buf sql = { 0 };
  lb_buf_text(&sql, BEGIN_READING "; SET TRANSACTION SNAPSHOT ");
  lb_pg_put_literal(&sql, snapshot->id);
  if (sql.failed) lb_fail_nomem(err);
  else if (lb_pg_exec(pg, sql.data, err)) {
    lb_error_prefix(err, "a second connection did not find the snapshot of the first (is a transaction pooler such as "
                         "pgbouncer in between? connect to the server itself): ");
  } else lb_pg_fix_settings(pg, snapshot->lock_timeout, err);
  lb_buf_free(&sql);
  return err->code;
}

/* As many connections as are wanted, or as the server has; why: its refusal. */
static int add_lanes(lb_pg_snapshot *snapshot, int wanted, lb_error *why, lb_error *err)
{
  while (snapshot->lane_count < wanted) {
    lb_pg *pg = lb_pg_open_again(snapshot->lanes[0], NULL, why);
    if (!pg) return why->code == LB_BUSY ? LB_OK : lb_fail(err, (lb_code)why->code, "%s", why->message);
    snapshot->lanes[snapshot->lane_count++] = pg;
    if (join(pg, snapshot, err)) return err->code;
  }
  return LB_OK;
}

/* Waits until the server has forgotten a session that was closed, so that its place is free. */
static int await_gone(lb_pg *pg, int pid, lb_error *err)
{
  double until = lb_clock_monotonic() + GONE_SECONDS;
  bool there = true;
  while (there && !err->code && lb_clock_monotonic() < until) {
    char number[16];
    snprintf(number, sizeof number, "%d", pid);
    const char *params[] = { number };
    if (lb_pg_exec(pg, "SELECT pg_catalog.pg_stat_clear_snapshot()", err)) break;
    char *found = lb_pg_value(pg, err, "SELECT 1 FROM pg_catalog.pg_stat_activity WHERE pid = $1::int4", 1, params);
    there = found != NULL;
    free(found);
    poll(NULL, 0, 5);
    if (pg->task) lb_task_poll(pg->task, err);
  }
  return err->code;
}

/* Only where the server had fewer than were asked for is its place waited for. */
static int give_back(lb_pg_snapshot *snapshot, int keep, bool scarce, lb_error *err)
{
  while (snapshot->lane_count > keep && !err->code) {
    lb_pg *pg = snapshot->lanes[--snapshot->lane_count];
    int pid = PQbackendPID(pg->conn);
    lb_pg_close(pg);
    if (scarce) await_gone(snapshot->lanes[0], pid, err);
  }
  return err->code;
}

int lb_pg_snapshot_widen(lb_pg_snapshot *snapshot, int lanes, int spare, lb_buf *notes, lb_error *err)
{
  lb_error why = LB_ERROR_INIT;
  if (lanes <= snapshot->lane_count) return LB_OK;
  lb_pg **all = realloc(snapshot->lanes, (size_t)(lanes + spare) * sizeof *all);
  if (!all) return lb_fail_nomem(err);
  snapshot->lanes = all;
  if (add_lanes(snapshot, lanes + spare, &why, err)) return err->code;
  int keep = snapshot->lane_count - spare < 1 ? 1 : snapshot->lane_count - spare;
  if (keep < lanes) {
    lb_buf_printf(notes, "%sonly %d of %d connections: %s", notes->len ? "\n" : "", keep, lanes, why.message);
  }
  return give_back(snapshot, keep, keep < lanes, err);
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

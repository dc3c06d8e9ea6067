/* See lanes.h. One thread; the connections are polled together. */
#include "postgres/lanes.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "postgres/execute.h"
#include "postgres/results.h"

enum { WAIT_MS = 100 };

static int add_lane(lb_lanes *lanes, lb_pg_load *load, int jobs, const char *preamble, bool *enough, lb_error *err)
{
  lb_error why = LB_ERROR_INIT;
  lb_pg *pg = lb_pg_open_again(load->pg, NULL, &why);
  if (!pg && why.code == LB_BUSY) {
    lb_load_note(load, "only %d of %d connections: %s", lanes->count, jobs, why.message);
    *enough = true;
    return LB_OK;
  }
  if (!pg) return lb_fail(err, why.code, "%s", why.message);
  lanes->pg[lanes->count++] = pg;
  if (lb_execute_settings(pg, false, err)) return err->code;
  return *preamble ? lb_pg_exec(pg, preamble, err) : LB_OK;
}

int lb_lanes_open(lb_lanes *lanes, lb_pg_load *load, int jobs, const char *preamble, lb_error *err)
{
  bool enough = false;
  if (jobs < 1) jobs = 1;
  *lanes = (lb_lanes){ .task = load->task };
  lanes->pg = calloc((size_t)jobs, sizeof *lanes->pg);
  lanes->polls = calloc((size_t)jobs, sizeof *lanes->polls);
  if (!lanes->pg || !lanes->polls) return lb_fail_nomem(err);
  lanes->pg[lanes->count++] = load->pg;
  while (lanes->count < jobs && !enough) {
    if (lb_task_poll(load->task, err) || add_lane(lanes, load, jobs, preamble, &enough, err)) return err->code;
  }
  return LB_OK;
}

void lb_lanes_close(lb_lanes *lanes)
{
  for (int i = 0; i < lanes->count; i++) {
    lb_copy_settle(lanes->pg[i]);
    if (i) lb_pg_close(lanes->pg[i]);
  }
  free(lanes->pg);
  free(lanes->polls);
  memset(lanes, 0, sizeof *lanes);
}

int lb_lanes_wait(lb_lanes *lanes, lb_error *err)
{
  if (poll(lanes->polls, (nfds_t)lanes->count, WAIT_MS) < 0 && errno != EINTR) {
    return lb_fail_errno(err, errno, "waiting for %s", lanes->pg[0]->label);
  }
  return lb_task_poll(lanes->task, err);
}

int lb_lanes_all(lb_lanes *lanes, const char *sql, const char *what, lb_error *err)
{
  for (int i = 0; i < lanes->count && !err->code; i++) lb_results_run(lanes->pg[i], sql, what, err);
  return err->code;
}

/* ---- statements at once ---- */

typedef struct runner {
  lb_lanes *lanes;
  lb_lane_work *work;
  size_t count, first;     /* all before first are started */
  lb_lane_work **running;  /* of each lane; NULL: idle */
  bool none;               /* nothing is free to go before some of it is done: idle lanes need not look again */
} runner;

static bool shares_table(const lb_lane_work *a, const lb_lane_work *b)
{
  for (int i = 0; i < 2; i++) {
    if (a->table[i] >= 0 && (a->table[i] == b->table[0] || a->table[i] == b->table[1])) return true;
  }
  return false;
}

static lb_lane_work *next_work(runner *r)
{
  while (r->first < r->count && r->work[r->first].started) r->first++;
  for (size_t i = r->first; i < r->count; i++) {
    bool free_to_go = !r->work[i].started;
    for (int k = 0; free_to_go && k < r->lanes->count; k++) {
      free_to_go = !r->running[k] || !shares_table(&r->work[i], r->running[k]);
    }
    if (free_to_go) return &r->work[i];
  }
  return NULL;
}

/* What the lane's socket has to have for the next step; nothing while it is idle. */
static void set_poll(runner *r, int lane)
{
  PGconn *conn = r->lanes->pg[lane]->conn;
  short events = POLLIN | (PQflush(conn) == 1 ? POLLOUT : 0);
  r->lanes->polls[lane] = (struct pollfd){ .fd = r->running[lane] ? PQsocket(conn) : -1, .events = events };
}

static int start_work(runner *r, int lane, lb_error *err)
{
  lb_lane_work *w = r->none ? NULL : next_work(r);
  r->none = !w;
  if (!w) return LB_OK;
  if (lb_pg_send(r->lanes->pg[lane], w->sql, err)) return err->code;
  PQsetSingleRowMode(r->lanes->pg[lane]->conn);
  w->started = true;
  r->running[lane] = w;
  return LB_OK;
}

static int step_work(runner *r, int lane, lb_error *err)
{
  lb_lane_work *w = r->running[lane];
  lb_pg *pg = r->lanes->pg[lane];
  lb_buf what = { 0 };
  uint64_t tuples;
  bool done;
  if (w->len) lb_statement_describe(w->origin, w->len, w->offset, &what);
  else lb_buf_text(&what, w->sql);
  if (what.failed) lb_fail_nomem(err);
  else lb_results_step(pg, what.data, &tuples, &done, err);
  lb_buf_free(&what);
  if (!err->code && done) {
    r->running[lane] = NULL;
    r->none = false;
  }
  return err->code;
}

int lb_lanes_run(lb_lanes *lanes, lb_lane_work *work, size_t count, lb_error *err)
{
  runner r = { lanes, work, count, 0, calloc((size_t)lanes->count, sizeof *r.running), false };
  int busy = 1;
  if (!r.running) return lb_fail_nomem(err);
  while (busy && !err->code) {
    busy = 0;
    for (int i = 0; i < lanes->count && !err->code; i++) {
      if (r.running[i]) step_work(&r, i, err);
      if (!r.running[i] && !err->code) start_work(&r, i, err);
      set_poll(&r, i);
      busy += r.running[i] != NULL;
    }
    if (busy && !err->code) lb_lanes_wait(lanes, err);
  }
  for (int i = 0; i < lanes->count; i++) if (r.running[i]) lb_copy_settle(lanes->pg[i]);
  free(r.running);
  return err->code;
}

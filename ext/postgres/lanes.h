/* Several connections that load one database at once. Private to the loading modules.
*/
#ifndef LB_POSTGRES_LANES_H
#define LB_POSTGRES_LANES_H

#include <poll.h>

#include "postgres/load.h"

typedef struct lb_lanes {
  lb_pg **pg;             /* pg[0] is the caller's */
  struct pollfd *polls;   /* one a lane: fd -1 while it has nothing to wait for */
  int count;
  lb_task *task;
} lb_lanes;

/* load->pg and up to jobs - 1 more. preamble: statements that the others begin with, or "". Fewer are enough, with a
** note, where the server has no connection left. */
int lb_lanes_open(lb_lanes *lanes, lb_pg_load *load, int jobs, const char *preamble, lb_error *err);
void lb_lanes_close(lb_lanes *lanes);  /* cancels what still runs; safe on a zeroed one */

/* Waits until one of the lanes with something to wait for has it, or at most 100 ms; polls the task. */
int lb_lanes_wait(lb_lanes *lanes, lb_error *err);

/* On each of them, one after the other. */
int lb_lanes_all(lb_lanes *lanes, const char *sql, const char *what, lb_error *err);

/* One statement of several that may run in any order. */
typedef struct lb_lane_work {
  const char *sql;
  size_t len;             /* of what describes it, from the script; 0: sql itself does */
  const char *origin;
  uint64_t offset;
  int table[2];           /* not at once with others that name the same numbers; -1: none */
  bool started;
} lb_lane_work;

/* Runs them all, at most one a lane at a time, in their order as far as their tables allow. The first failure cancels
** the others. */
int lb_lanes_run(lb_lanes *lanes, lb_lane_work *work, size_t count, lb_error *err);

#endif

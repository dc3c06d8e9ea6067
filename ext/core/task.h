/* One running operation: how it is interrupted, what it is doing, and how far it is.
**
** The task lives on the thread that called the SQL function. That thread polls it (lb_task_poll) wherever
** work may take long; workers only read `stop` and add to `done`. Running tasks are listed for
** backup_activity, which any thread may read. With `draw` set, polling draws a progress bar on standard error.
*/
#ifndef LB_CORE_TASK_H
#define LB_CORE_TASK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/error.h"

#define LB_TASK_TEXT 512

typedef struct lb_task {
  /* Set by the caller before lb_task_begin. */
  bool (*interrupted)(void *ctx);  /* asked on the calling thread only; NULL: never */
  void *interrupted_ctx;
  bool draw;

  /* The module's own. */
  atomic_bool stop;                /* set once interrupted or failed: workers give up early */
  _Atomic int64_t done;            /* bytes of the phase that are done */
  _Atomic int64_t total;           /* bytes of the phase, 0 when not known */
  int64_t id;                      /* unique in this process */
  char operation[16];              /* create, restore, verify, … */
  char subject[LB_TASK_TEXT];      /* what it works on; no passwords */
  const char *phase;               /* a literal; guarded by the list's mutex */
  double started;                  /* lb_clock_monotonic() */
  double phase_started;
  double drawn;
  int drawn_columns;               /* of the bar that stands on the terminal; 0: none */
  struct lb_task *next;
} lb_task;

/* A copy of what a task shows, for backup_activity. */
typedef struct lb_activity {
  int64_t id, done, total;
  char operation[16], subject[LB_TASK_TEXT], phase[32];
  double elapsed;  /* seconds since it began */
  double rate;     /* bytes a second in this phase; 0 when not known yet */
  double eta;      /* seconds to the end of this phase; negative when not known */
} lb_activity;

void lb_task_begin(lb_task *task, const char *operation, const char *subject);
void lb_task_phase(lb_task *task, const char *phase, int64_t total);
void lb_task_advance(lb_task *task, int64_t bytes);  /* any thread */
bool lb_task_stopped(lb_task *task);                 /* any thread */

/* On the calling thread: fails with LB_INTERRUPT once the caller was interrupted; draws when it is time. */
int lb_task_poll(lb_task *task, lb_error *err);
void lb_task_end(lb_task *task);

/* Copies the running tasks, oldest first, into a new array that the caller frees. Returns the number, or -1
** without memory. */
int lb_task_list(lb_activity **list);

#endif

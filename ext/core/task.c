/* See task.h. */
#include "core/task.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/bar.h"
#include "core/clock.h"

static pthread_mutex_t list_mutex = PTHREAD_MUTEX_INITIALIZER;
static lb_task *list_head;
static int64_t last_id;

/* The threads whose stacks hold the listed tasks do not exist in a forked child. */
static void before_fork(void) { pthread_mutex_lock(&list_mutex); }
static void in_parent(void) { pthread_mutex_unlock(&list_mutex); }
static void in_child(void)
{
  list_head = NULL;
  pthread_mutex_unlock(&list_mutex);
}
static pthread_once_t once = PTHREAD_ONCE_INIT;
static void watch_forks(void) { pthread_atfork(before_fork, in_parent, in_child); }

void lb_task_begin(lb_task *task, const char *operation, const char *subject)
{
  atomic_store(&task->stop, false);
  atomic_store(&task->done, 0);
  atomic_store(&task->total, 0);
  snprintf(task->operation, sizeof task->operation, "%s", operation);
  snprintf(task->subject, sizeof task->subject, "%s", subject);
  task->started = task->phase_started = lb_clock_monotonic();
  task->drawn = 0;
  task->drawn_columns = 0;
  pthread_once(&once, watch_forks);
  pthread_mutex_lock(&list_mutex);
  task->phase = "starting";
  task->id = ++last_id;
  task->next = NULL;
  lb_task **end = &list_head;
  while (*end) end = &(*end)->next;
  *end = task;
  pthread_mutex_unlock(&list_mutex);
}

void lb_task_phase(lb_task *task, const char *phase, int64_t total)
{
  pthread_mutex_lock(&list_mutex);
  task->phase = phase;
  task->phase_started = lb_clock_monotonic();
  atomic_store(&task->done, 0);
  atomic_store(&task->total, total);
  pthread_mutex_unlock(&list_mutex);
}

void lb_task_advance(lb_task *task, int64_t bytes)
{
  atomic_fetch_add(&task->done, bytes);
}

bool lb_task_stopped(lb_task *task)
{
  return atomic_load(&task->stop);
}

static void describe(const lb_task *task, lb_activity *a)
{
  memset(a, 0, sizeof *a);
  a->id = task->id;
  a->done = atomic_load(&task->done);
  a->total = atomic_load(&task->total);
  snprintf(a->operation, sizeof a->operation, "%s", task->operation);
  snprintf(a->subject, sizeof a->subject, "%s", task->subject);
  snprintf(a->phase, sizeof a->phase, "%s", task->phase);
  double now = lb_clock_monotonic();
  double spent = now - task->phase_started;
  a->elapsed = now - task->started;
  a->rate = spent > 0 ? (double)a->done / spent : 0;
  a->eta = a->rate > 0 && a->total >= a->done ? (double)(a->total - a->done) / a->rate : -1;
}

static void draw(lb_task *task)
{
  lb_activity a;
  pthread_mutex_lock(&list_mutex);
  describe(task, &a);
  pthread_mutex_unlock(&list_mutex);
  if (!lb_bar_draw(&a, &task->drawn_columns)) task->draw = false;
}

int lb_task_poll(lb_task *task, lb_error *err)
{
  if (task->interrupted && task->interrupted(task->interrupted_ctx)) {
    atomic_store(&task->stop, true);
    return lb_fail(err, LB_INTERRUPT, "interrupted");
  }
  if (task->draw) {
    double now = lb_clock_monotonic();
    if (now - task->drawn >= 0.2 && now - task->started >= 0.2) {
      task->drawn = now;
      draw(task);
    }
  }
  return err->code;
}

void lb_task_end(lb_task *task)
{
  pthread_mutex_lock(&list_mutex);
  for (lb_task **at = &list_head; *at; at = &(*at)->next) {
    if (*at == task) {
      *at = task->next;
      break;
    }
  }
  pthread_mutex_unlock(&list_mutex);
  lb_bar_wipe(&task->drawn_columns);
}

int lb_task_list(lb_activity **list)
{
  int n = 0;
  *list = NULL;
  pthread_mutex_lock(&list_mutex);
  for (lb_task *t = list_head; t; t = t->next) n++;
  *list = calloc((size_t)n + 1, sizeof **list);
  if (*list) {
    int i = 0;
    for (lb_task *t = list_head; t; t = t->next) describe(t, &(*list)[i++]);
  } else {
    n = -1;
  }
  pthread_mutex_unlock(&list_mutex);
  return n;
}

/* See task.h. */
#include "core/task.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

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
  task->drew = false;
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

/* Returns false where nobody listens. A pipe that was closed at its other end would end the host by a signal, which is
** taken back here: it goes to the thread that writes. */
static bool write_quietly(const char *text, size_t n)
{
  static const struct timespec at_once = { 0 };
  sigset_t pipe, pending, before;
  sigemptyset(&pipe);
  sigaddset(&pipe, SIGPIPE);
  sigpending(&pending);
  pthread_sigmask(SIG_BLOCK, &pipe, &before);
  bool written = write(STDERR_FILENO, text, n) >= 0;
  if (!written && errno == EPIPE && !sigismember(&pending, SIGPIPE)) {
    while (sigtimedwait(&pipe, NULL, &at_once) < 0 && errno == EINTR) continue;
  }
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  return written;
}

/* One line, rewritten in place: create admin.db: reading [#####.....]  52%  412.0 MB/s  eta 2 s */
static void draw(lb_task *task)
{
  lb_activity a;
  pthread_mutex_lock(&list_mutex);
  describe(task, &a);
  pthread_mutex_unlock(&list_mutex);
  char bar[21] = "", line[256];
  int percent = a.total > 0 ? (int)(a.done * 100 / a.total) : 0;
  if (percent > 100) percent = 100;
  for (int i = 0; i < 20; i++) bar[i] = i < percent / 5 ? '#' : '.';
  const char *base = strrchr(a.subject, '/');
  int n = snprintf(line, sizeof line, "\r%s %.40s: %s [%s] %3d%%  %.1f MB/s", a.operation, base ? base + 1 : a.subject,
                   a.phase, bar, percent, a.rate / 1e6);
  if (a.eta >= 0 && n > 0 && (size_t)n < sizeof line) {
    n += snprintf(line + n, sizeof line - (size_t)n, "  eta %.0f s", a.eta);
  }
  if (n > 0 && (size_t)n < sizeof line) n += snprintf(line + n, sizeof line - (size_t)n, "\033[K");
  if (n > (int)sizeof line - 1) n = (int)sizeof line - 1;
  task->draw = task->drew = write_quietly(line, (size_t)n);
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
  if (task->drew) write_quietly("\r\033[K", 4);
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

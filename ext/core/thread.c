/* See thread.h. */
#include "core/thread.h"

#include <signal.h>
#include <time.h>

int lb_thread_start(pthread_t *thread, void *(*run)(void *ctx), void *ctx)
{
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  int rc = pthread_create(thread, NULL, run, ctx);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  return rc;
}

void lb_cond_init(pthread_cond_t *cond)
{
  pthread_condattr_t monotonic;
  pthread_condattr_init(&monotonic);
  pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
  pthread_cond_init(cond, &monotonic);
  pthread_condattr_destroy(&monotonic);
}

void lb_cond_wait(pthread_cond_t *cond, pthread_mutex_t *mutex, int milliseconds)
{
  struct timespec until;
  clock_gettime(CLOCK_MONOTONIC, &until);
  until.tv_nsec += milliseconds * 1000000L;
  until.tv_sec += until.tv_nsec / 1000000000L;
  until.tv_nsec %= 1000000000L;
  pthread_cond_timedwait(cond, mutex, &until);
}

/* What every thread of ours has in common, and a wait that ends by itself. */
#ifndef LB_CORE_THREAD_H
#define LB_CORE_THREAD_H

#include <pthread.h>

/* pthread_create's result. The thread blocks all signals: the host's handlers run on the host's threads. */
int lb_thread_start(pthread_t *thread, void *(*run)(void *ctx), void *ctx);

/* A condition that lb_cond_wait can wait for: by the clock that nobody sets. */
void lb_cond_init(pthread_cond_t *cond);

/* Until it is signalled, or at most so many milliseconds (below 1000); it may end earlier. The mutex is held. */
void lb_cond_wait(pthread_cond_t *cond, pthread_mutex_t *mutex, int milliseconds);

#endif

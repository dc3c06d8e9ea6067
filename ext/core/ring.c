/* See ring.h. One mutex guards everything; blocks are large enough (256 KiB) that it is never contended. */
#include "core/ring.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "core/thread.h"

enum { WAIT_MS = 50, YIELDING_NICE = 5 };  /* nice: added to the host's; the kernel ends at 19 */

typedef enum slot_state { FREE, CLAIMED, SUBMITTED, WORKING, DONE } slot_state;

typedef struct entry {
  lb_slot slot;  /* first: an lb_slot* of the user is an entry* of ours */
  slot_state state;
} entry;

typedef struct worker {
  lb_ring *ring;
  void *state;
  pthread_t thread;
} worker;

struct lb_ring {
  lb_ring_ops ops;
  void *ctx;
  lb_task *task;
  pthread_mutex_t mutex;
  pthread_cond_t work_ready;   /* signalled to workers: a slot was submitted, or closing */
  pthread_cond_t work_done;    /* signalled to the producer: a slot is done, or the ring failed */
  bool closing;
  lb_error err;
  entry *entries;
  int slots;
  int started;                 /* workers: each has a state and a thread */
  worker *workers;
  unsigned char *memory;
  uint64_t produced, taken, consumed;  /* sequence numbers; entry of sequence s is s % slots */
};

static entry *entry_at(lb_ring *ring, uint64_t sequence)
{
  return &ring->entries[sequence % (uint64_t)ring->slots];
}

/* Waking the producer costs a worker its processor for a moment. So it is woken for the last block, for a failure, and
** once all that was submitted has been taken: by then it finds several that are done. */
static bool worth_waking(const lb_ring *ring)
{
  return ring->err.code != LB_OK || ring->produced - ring->taken < (uint64_t)ring->started;
}

/* Below what the host runs at, which may be low already. */
static void yield_to_host(void)
{
  errno = 0;
  int now = getpriority(PRIO_PROCESS, 0);
  if (errno == 0) (void)setpriority(PRIO_PROCESS, (id_t)gettid(), now + YIELDING_NICE);
}

static void *worker_main(void *arg)
{
  worker *self = arg;
  lb_ring *ring = self->ring;
  if (ring->ops.yielding) yield_to_host();
  pthread_mutex_lock(&ring->mutex);
  for (;;) {
    while (!ring->closing && ring->taken == ring->produced) pthread_cond_wait(&ring->work_ready, &ring->mutex);
    if (ring->closing) break;
    entry *e = entry_at(ring, ring->taken++);
    e->state = WORKING;
    bool skip = ring->err.code != LB_OK;
    pthread_mutex_unlock(&ring->mutex);

    lb_error err = LB_ERROR_INIT;
    if (!skip && !lb_task_stopped(ring->task)) ring->ops.work(ring->ctx, self->state, &e->slot, &err);

    pthread_mutex_lock(&ring->mutex);
    if (err.code != LB_OK && ring->err.code == LB_OK) ring->err = err;
    e->state = DONE;
    if (worth_waking(ring)) pthread_cond_signal(&ring->work_done);
  }
  pthread_mutex_unlock(&ring->mutex);
  return NULL;
}

static void close_worker(lb_ring *ring, const worker *w)
{
  if (ring->ops.worker_close) ring->ops.worker_close(w->state);
}

static int start_worker(lb_ring *ring, worker *w, lb_error *err)
{
  w->ring = ring;
  if (ring->ops.worker_open) {
    w->state = ring->ops.worker_open(ring->ctx, err);
    if (!w->state) return err->code;
  }
  int rc = lb_thread_start(&w->thread, worker_main, w);
  if (rc == 0) {
    ring->started++;
    return LB_OK;
  }
  close_worker(ring, w);
  /* Where no more threads may be (a container's limit), it goes on with those that there are. */
  return rc == EAGAIN && ring->started ? (int)LB_OK : lb_fail_errno(err, rc, "cannot start a thread");
}

lb_ring *lb_ring_open(const lb_ring_ops *ops, void *ctx, int threads, int slots, size_t in_bytes, size_t out_bytes,
                      lb_task *task, lb_error *err)
{
  lb_ring *ring = calloc(1, sizeof *ring);
  if (!ring) {
    lb_fail_nomem(err);
    return NULL;
  }
  ring->ops = *ops;
  ring->ctx = ctx;
  ring->task = task;
  ring->slots = slots;
  pthread_mutex_init(&ring->mutex, NULL);
  pthread_cond_init(&ring->work_ready, NULL);
  lb_cond_init(&ring->work_done);

  ring->entries = calloc((size_t)slots, sizeof *ring->entries);
  ring->workers = calloc((size_t)threads, sizeof *ring->workers);
  size_t bytes = (size_t)slots * (in_bytes + out_bytes);
  ring->memory = malloc(bytes ? bytes : 1);
  if (!ring->entries || !ring->workers || !ring->memory) {
    lb_fail_nomem(err);
    lb_ring_close(ring);
    return NULL;
  }
  for (int i = 0; i < slots; i++) {
    ring->entries[i].slot.in = ring->memory + (size_t)i * (in_bytes + out_bytes);
    ring->entries[i].slot.out = ring->entries[i].slot.in + in_bytes;
  }
  for (int i = 0; i < threads && ring->started == i; i++) {
    if (start_worker(ring, &ring->workers[i], err)) {
      lb_ring_close(ring);
      return NULL;
    }
  }
  return ring;
}

lb_slot *lb_ring_claim(lb_ring *ring)
{
  /* FREE and CLAIMED are only ever seen and set by the producing thread, so no lock is needed to look. */
  entry *e = entry_at(ring, ring->produced);
  if (ring->produced - ring->consumed >= (uint64_t)ring->slots) return NULL;
  e->state = CLAIMED;
  e->slot.in_len = e->slot.out_len = 0;
  e->slot.number = e->slot.hash = e->slot.crc = 0;
  lb_error_clear(&e->slot.err);
  return &e->slot;
}

void lb_ring_submit(lb_ring *ring, lb_slot *slot)
{
  pthread_mutex_lock(&ring->mutex);
  ((entry *)slot)->state = SUBMITTED;
  ring->produced++;
  pthread_cond_signal(&ring->work_ready);
  pthread_mutex_unlock(&ring->mutex);
}

lb_slot *lb_ring_next(lb_ring *ring, bool wait, lb_error *err)
{
  lb_slot *found = NULL;
  pthread_mutex_lock(&ring->mutex);
  while (err->code == LB_OK && ring->consumed != ring->produced) {
    entry *e = entry_at(ring, ring->consumed);
    if (ring->err.code != LB_OK) {
      *err = ring->err;
    } else if (e->state == DONE) {
      found = &e->slot;
      break;
    } else if (!wait) {
      break;
    } else {
      lb_cond_wait(&ring->work_done, &ring->mutex, WAIT_MS);
      pthread_mutex_unlock(&ring->mutex);
      lb_task_poll(ring->task, err);
      pthread_mutex_lock(&ring->mutex);
    }
  }
  pthread_mutex_unlock(&ring->mutex);
  return found;
}

void lb_ring_release(lb_ring *ring, lb_slot *slot)
{
  pthread_mutex_lock(&ring->mutex);
  ((entry *)slot)->state = FREE;
  ring->consumed++;
  pthread_mutex_unlock(&ring->mutex);
}

void lb_ring_close(lb_ring *ring)
{
  if (!ring) return;
  pthread_mutex_lock(&ring->mutex);
  ring->closing = true;
  pthread_cond_broadcast(&ring->work_ready);
  pthread_mutex_unlock(&ring->mutex);
  for (int i = 0; i < ring->started; i++) pthread_join(ring->workers[i].thread, NULL);
  for (int i = 0; i < ring->started; i++) close_worker(ring, &ring->workers[i]);
  pthread_mutex_destroy(&ring->mutex);
  pthread_cond_destroy(&ring->work_ready);
  pthread_cond_destroy(&ring->work_done);
  free(ring->memory);
  free(ring->workers);
  free(ring->entries);
  free(ring);
}

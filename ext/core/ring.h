/* A bounded ring of slots between one producer, some workers, and one consumer that sees them in order.
**
** The producer claims the next slot, fills it and submits it; any worker works on it; the consumer takes
** slots in the order of their submission and releases them. When all slots are in use the producer waits:
** that is the back-pressure that bounds memory. Producer and consumer are one thread in every use so far
** (it drains what is done whenever it waits for room), so only the workers run beside it.
**
** Workers block all signals: the host's handlers run on the host's threads. The first worker that fails
** stops the ring; its error is what claim and next then report.
*/
#ifndef LB_CORE_RING_H
#define LB_CORE_RING_H

#include <stddef.h>
#include <stdint.h>

#include "core/error.h"
#include "core/task.h"

typedef struct lb_slot {
  unsigned char *in;    /* capacity: in_bytes of lb_ring_open */
  unsigned char *out;   /* capacity: out_bytes of lb_ring_open */
  size_t in_len, out_len;
  uint64_t number;      /* the user's: which block this is */
  uint64_t hash;        /* the user's: results that travel with the block */
  uint32_t crc;
  lb_error err;         /* set by a worker that goes on after a bad block (see lb_ring_ops.work) */
} lb_slot;

typedef struct lb_ring_ops {
  /* Makes and frees the state of one worker, a compressor for example. Called on the thread that opens and
  ** closes the ring. NULL from open with err set is a failure. Both may be NULL. */
  void *(*worker_open)(void *ctx, lb_error *err);
  void (*worker_close)(void *worker);
  /* Works on one slot, on a worker's thread. A failure in err stops the ring; one in slot->err does not. */
  int (*work)(void *ctx, void *worker, lb_slot *slot, lb_error *err);
  /* Workers run at a lower priority (5 nicer): the producer, who may hold a lock, and the host come first. */
  bool yielding;
} lb_ring_ops;

typedef struct lb_ring lb_ring;

/* Starts `threads` workers (1 or more), or as many of them as the system lets, on `slots` slots. in_bytes and out_bytes
** are 0 where workers have memory of their own. task may not be NULL; it is polled while waiting. */
lb_ring *lb_ring_open(const lb_ring_ops *ops, void *ctx, int threads, int slots, size_t in_bytes, size_t out_bytes,
                      lb_task *task, lb_error *err);

/* The next free slot, or NULL with err untouched when all are in use. The slot's fields are reset. */
lb_slot *lb_ring_claim(lb_ring *ring);
void lb_ring_submit(lb_ring *ring, lb_slot *slot);

/* The oldest submitted slot once it is done, or NULL: with wait, only on failure (err set) or when nothing is
** submitted; without, also when it is not done yet. */
lb_slot *lb_ring_next(lb_ring *ring, bool wait, lb_error *err);
void lb_ring_release(lb_ring *ring, lb_slot *slot);

/* Stops and joins the workers, whatever they are doing, and frees all. Accepts NULL. */
void lb_ring_close(lb_ring *ring);

#endif

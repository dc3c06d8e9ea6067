/* See ahead.h. The ring's slots are blocks in the plan's order; their numbers are noted here as well, so that a
** child of fork() knows which ones are still to come. */
#include "archive/ahead.h"

#include <stdlib.h>
#include <unistd.h>

#include "archive/opened.h"
#include "core/ring.h"

enum { ALONE = 4 };  /* blocks that are read without threads: a lookup is over by then */

struct lb_ahead {
  lb_reader *reader;
  int threads;
  lb_ahead_plan plan;
  void *ctx;
  lb_task *task;
  lb_cursor *cursor;     /* reads where no threads do */
  int read;              /* blocks read so far, up to ALONE */
  lb_ring *ring;         /* NULL: no threads yet, or none any more */
  pid_t pid;             /* of the process whose threads they are */
  lb_slot *slot;         /* the one that was given last */
  uint64_t *numbers;     /* of the blocks in the ring, oldest first, from `first` on, in a circle */
  int first, count, slots;
};

lb_ahead *lb_ahead_open(lb_reader *r, int threads, lb_ahead_plan plan, void *ctx, lb_task *task, lb_error *err)
{
  lb_ahead *a = calloc(1, sizeof *a);
  if (!a) {
    lb_fail_nomem(err);
    return NULL;
  }
  *a = (lb_ahead){ .reader = r, .threads = threads, .plan = plan, .ctx = ctx, .task = task,
                   .slots = 2 * threads + 2 };
  a->cursor = lb_cursor_open(r, err);
  a->numbers = malloc((size_t)a->slots * sizeof *a->numbers);
  if (a->cursor && !a->numbers) lb_fail_nomem(err);
  if (!err->code) return a;
  lb_ahead_close(a);
  return NULL;
}

/* ---- threads ---- */

static void *worker_open(void *ctx, lb_error *err)
{
  return lb_cursor_open(((lb_ahead *)ctx)->reader, err);
}

static void worker_close(void *worker)
{
  lb_cursor_close(worker);
}

/* What fails is told when the block's turn comes. */
static int work(void *ctx, void *worker, lb_slot *slot, lb_error *err)
{
  (void)ctx;
  (void)err;
  lb_cursor_decode(worker, slot->number, slot->out, &slot->out_len, &slot->err);
  return LB_OK;
}

static const lb_ring_ops ring_ops = { worker_open, worker_close, work, false };

/* Where no thread or no memory is left, it goes on without. */
static void start(lb_ahead *a)
{
  lb_error why = LB_ERROR_INIT;
  size_t stored, largest;
  lb_index_largest(&a->reader->index, &stored, &largest);
  a->pid = getpid();
  a->ring = lb_ring_open(&ring_ops, a, a->threads, a->slots, 0, largest, a->task, &why);
  if (!a->ring) a->threads = 0;
}

/* In a child of fork(): the threads are not here, and a mutex may be held by one of them for ever. */
static bool forked(const lb_ahead *a)
{
  return a->ring && a->pid != getpid();
}

static void fill(lb_ahead *a)
{
  lb_slot *slot;
  uint64_t number;
  while (a->count < a->slots && (slot = lb_ring_claim(a->ring)) && a->plan(a->ctx, &number)) {
    slot->number = number;
    a->numbers[(a->first + a->count++) % a->slots] = number;
    lb_ring_submit(a->ring, slot);
  }
}

static uint64_t take_number(lb_ahead *a)
{
  uint64_t number = a->numbers[a->first];
  a->first = (a->first + 1) % a->slots;
  a->count--;
  return number;
}

static int read_ring(lb_ahead *a, uint64_t *block, const unsigned char **data, size_t *n, lb_error *err)
{
  if (a->slot) lb_ring_release(a->ring, a->slot);
  a->slot = NULL;
  fill(a);
  if (!a->count) return LB_OK;
  a->slot = lb_ring_next(a->ring, true, err);
  if (!a->slot) return err->code;
  *block = take_number(a);
  if (a->slot->err.code) {
    *err = a->slot->err;
    return err->code;
  }
  if (!a->slot->out_len) return lb_fail(err, LB_INTERRUPT, "interrupted");  /* a worker saw the stop, and skipped it */
  *data = a->slot->out;
  *n = a->slot->out_len;
  return LB_OK;
}

/* ---- reading ---- */

static int read_alone(lb_ahead *a, uint64_t *block, const unsigned char **data, size_t *n, lb_error *err)
{
  if (a->count) *block = take_number(a);
  else if (!a->plan(a->ctx, block)) return LB_OK;
  a->read += a->read < ALONE;
  return lb_cursor_read(a->cursor, *block, data, n, err);
}

int lb_ahead_read(lb_ahead *a, uint64_t *block, const unsigned char **data, size_t *n, lb_error *err)
{
  *data = NULL;
  *n = 0;
  if (lb_task_poll(a->task, err)) return err->code;
  if (forked(a)) {
    a->ring = NULL;
    a->slot = NULL;
    a->threads = 0;
  }
  if (!a->ring && a->threads && a->read == ALONE) start(a);
  return a->ring ? read_ring(a, block, data, n, err) : read_alone(a, block, data, n, err);
}

void lb_ahead_close(lb_ahead *a)
{
  if (!a) return;
  if (!forked(a)) lb_ring_close(a->ring);
  lb_cursor_close(a->cursor);
  free(a->numbers);
  free(a);
}

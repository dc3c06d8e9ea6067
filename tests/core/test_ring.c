/* The ring: order, back-pressure, failures of workers, interrupts, and that closing early leaves nothing running. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "core/ring.h"

enum { SLOTS = 6, THREADS = 3, BLOCKS = 3000 };

typedef struct plant {
  uint64_t fail_at;  /* number of the block that fails; 0: none */
  uint64_t bad_at;   /* number of the block that is bad, while the ring goes on */
  atomic_int opened, closed, worked;
  int open_fails_at;
} plant;

static void *worker_open(void *ctx, lb_error *err)
{
  plant *p = ctx;
  if (p->open_fails_at && p->opened + 1 == p->open_fails_at) {
    lb_fail(err, LB_UNSUPPORTED, "no worker");
    return NULL;
  }
  p->opened++;
  return p;
}

static void worker_close(void *worker)
{
  ((plant *)worker)->closed++;
}

static int work(void *ctx, void *worker, lb_slot *slot, lb_error *err)
{
  plant *p = ctx;
  if (worker != ctx) return lb_fail(err, LB_ERROR, "the state of another ring");
  p->worked++;
  if (slot->number % 7 == 0) usleep(300); /* out of order on purpose */
  if (p->fail_at && slot->number == p->fail_at) return lb_fail(err, LB_IO, "block %d failed", (int)slot->number);
  if (p->bad_at && slot->number == p->bad_at) lb_fail(&slot->err, LB_CORRUPT, "block %d is bad", (int)slot->number);
  memcpy(slot->out, slot->in, slot->in_len);
  slot->out_len = slot->in_len;
  return LB_OK;
}

static const lb_ring_ops ops = { worker_open, worker_close, work, false };

/* Pushes blocks 1..BLOCKS through and counts what comes out, in order; bad ones apart. */
static int run(plant *p, lb_task *task, int *bad, lb_error *err)
{
  int taken = 0;
  uint64_t next = 1;
  lb_ring *ring = lb_ring_open(&ops, p, THREADS, SLOTS, sizeof next, sizeof next, task, err);
  if (!ring) return -1;
  for (;;) {
    lb_slot *slot = next <= BLOCKS ? lb_ring_claim(ring) : NULL;
    if (slot) {
      assert_int_equal(slot->err.code, LB_OK);
      slot->number = next;
      memcpy(slot->in, &next, sizeof next);
      slot->in_len = sizeof next;
      next++;
      lb_ring_submit(ring, slot);
      continue;
    }
    if (!(slot = lb_ring_next(ring, true, err))) break;
    uint64_t value;
    memcpy(&value, slot->out, sizeof value);
    assert_int_equal(slot->number, ++taken);
    if (slot->err.code) ++*bad;
    else assert_int_equal(value, taken);
    lb_ring_release(ring, slot);
  }
  lb_ring_close(ring);
  return taken;
}

static void test_order(void **state)
{
  (void)state;
  lb_error err = LB_ERROR_INIT;
  lb_task task = { 0 };
  plant p = { .bad_at = 100 };
  int bad = 0;
  assert_int_equal(run(&p, &task, &bad, &err), BLOCKS);
  assert_int_equal(err.code, LB_OK);
  assert_int_equal(bad, 1); /* and the slot's error was gone when it was used again */
  assert_int_equal(p.worked, BLOCKS);
  assert_int_equal(p.opened, THREADS);
  assert_int_equal(p.closed, THREADS);
}

static void test_back_pressure(void **state)
{
  (void)state;
  lb_error err = LB_ERROR_INIT;
  lb_task task = { 0 };
  plant p = { 0 };
  lb_ring *ring = lb_ring_open(&ops, &p, 1, 2, 8, 8, &task, &err);
  assert_null(lb_ring_next(ring, true, &err)); /* nothing submitted: it does not wait */
  lb_slot *first = lb_ring_claim(ring);
  lb_ring_submit(ring, first);
  lb_ring_submit(ring, lb_ring_claim(ring));
  assert_null(lb_ring_claim(ring));
  assert_ptr_equal(lb_ring_next(ring, true, &err), first);
  assert_null(lb_ring_claim(ring)); /* taken, not yet released */
  lb_ring_release(ring, first);
  assert_non_null(lb_ring_claim(ring));
  lb_ring_close(ring); /* with a claimed and a submitted slot */
  assert_int_equal(p.closed, 1);
}

static void test_worker_fails(void **state)
{
  (void)state;
  lb_error err = LB_ERROR_INIT;
  lb_task task = { 0 };
  plant p = { .fail_at = 500 };
  int bad = 0;
  assert_true(run(&p, &task, &bad, &err) < 500);
  assert_int_equal(err.code, LB_IO);
  assert_string_equal(err.message, "block 500 failed");
  assert_int_equal(p.closed, THREADS);
}

static void test_open_fails(void **state)
{
  (void)state;
  lb_error err = LB_ERROR_INIT;
  lb_task task = { 0 };
  plant p = { .open_fails_at = 2 };
  int bad = 0;
  assert_int_equal(run(&p, &task, &bad, &err), -1);
  assert_int_equal(err.code, LB_UNSUPPORTED);
  assert_int_equal(p.closed, 1);
}

static int sleep_long(void *ctx, void *worker, lb_slot *slot, lb_error *err)
{
  (void)ctx, (void)worker, (void)slot, (void)err;
  usleep(200000);
  return LB_OK;
}

static bool always(void *ctx)
{
  (void)ctx;
  return true;
}

static void test_interrupt_while_waiting(void **state)
{
  (void)state;
  static const lb_ring_ops slow = { NULL, NULL, sleep_long, false };
  lb_error err = LB_ERROR_INIT;
  lb_task task = { .interrupted = always };
  lb_ring *ring = lb_ring_open(&slow, NULL, 1, 2, 8, 8, &task, &err);
  lb_ring_submit(ring, lb_ring_claim(ring));
  assert_null(lb_ring_next(ring, true, &err));
  assert_int_equal(err.code, LB_INTERRUPT);
  lb_ring_close(ring);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_order), cmocka_unit_test(test_back_pressure), cmocka_unit_test(test_worker_fails),
    cmocka_unit_test(test_open_fails), cmocka_unit_test(test_interrupt_while_waiting),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

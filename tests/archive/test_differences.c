/* Which stretches of two contents their indexes do not prove equal: held against a model that looks at every byte, over
** contents of few values in blocks of few lengths, so that all cases come up.
*/
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "archive/differences.h"
#include "core/hash.h"

enum { MOST = 200 };

/* A content whose bytes are the hash of their block. */
typedef struct content {
  lb_index index;
  unsigned char bytes[MOST];
  uint64_t places[MOST];   /* of each byte: where its block begins, and how long it is */
} content;

static uint32_t seed = 3;

static uint32_t random_below(uint32_t n)
{
  seed = seed * 1664525 + 1013904223;
  return (seed >> 8) % n;
}

static void add_block(content *c, uint32_t raw, uint64_t hash)
{
  lb_error err = LB_ERROR_INIT;
  lb_block block = { .stored = 1, .raw = raw };
  uint64_t offset = c->index.raw_total;
  if (offset + raw > MOST) return;
  for (uint32_t i = 0; i < raw; i++) {
    c->bytes[offset + i] = (unsigned char)hash;
    c->places[offset + i] = offset << 32 | raw;
  }
  assert_int_equal(lb_index_add(&c->index, &block, hash, &err), LB_OK);
}

static void make(content *c, uint32_t blocks, bool varying)
{
  memset(c, 0, sizeof *c);
  if (random_below(2)) add_block(c, 2, random_below(2));
  for (uint32_t i = 0; i < blocks; i++) {
    uint32_t most = varying || i + 1 == blocks ? 1 + random_below(4) : 4;
    add_block(c, most, random_below(3));
  }
}

typedef struct told {
  bool unequal[MOST];
  uint64_t end;
  int stop_after;
} told;

static int take(void *ctx, uint64_t offset, uint64_t n, lb_error *err)
{
  told *t = ctx;
  assert_true(n > 0);
  assert_true(offset + n <= MOST);
  assert_true(offset == 0 || offset > t->end || t->end == 0);  /* in order, and not two where one would do */
  for (uint64_t i = 0; i < n; i++) t->unequal[offset + i] = true;
  t->end = offset + n;
  return t->stop_after && --t->stop_after == 0 ? lb_fail(err, LB_INTERRUPT, "stop") : LB_OK;
}

static void compare(const content *a, const content *b)
{
  lb_error err = LB_ERROR_INIT;
  told t = { .end = 0 };
  uint64_t end = a->index.raw_total > b->index.raw_total ? a->index.raw_total : b->index.raw_total;
  assert_int_equal(lb_index_differences(&a->index, &b->index, take, &t, &err), LB_OK);
  for (uint64_t i = 0; i < MOST; i++) {
    bool same_block = i < a->index.raw_total && i < b->index.raw_total && a->places[i] == b->places[i];
    bool want = i < end && !(lb_hash_available() && same_block && a->bytes[i] == b->bytes[i]);
    assert_int_equal(t.unequal[i], want);
  }
}

static void test_model(void **state)
{
  (void)state;
  content a, b;
  for (int i = 0; i < 20000; i++) {
    make(&a, random_below(12), random_below(2));
    make(&b, random_below(12), random_below(2));
    compare(&a, &b);
    compare(&a, &a);
    lb_index_free(&a.index);
    lb_index_free(&b.index);
  }
}

static void test_without_hashes(void **state)
{
  (void)state;
  lb_error err = LB_ERROR_INIT;
  content a, b;
  told t = { .end = 0 };
  make(&a, 5, false);
  b = a;
  b.index.hashes = NULL;
  assert_int_equal(lb_index_differences(&a.index, &b.index, take, &t, &err), LB_OK);
  assert_int_equal(t.end, a.index.raw_total);
  for (uint64_t i = 0; i < t.end; i++) assert_true(t.unequal[i]);
  lb_index_free(&a.index);
}

static void test_ends_early(void **state)
{
  (void)state;
  lb_error err = LB_ERROR_INIT;
  content a, b;
  told t = { .stop_after = 1 };
  memset(&a, 0, sizeof a);
  memset(&b, 0, sizeof b);
  for (int i = 0; i < 6; i++) {
    add_block(&a, 2, 1);
    add_block(&b, 2, i % 2);
  }
  assert_int_equal(lb_index_differences(&a.index, &b.index, take, &t, &err), LB_INTERRUPT);
  assert_true(t.end < a.index.raw_total || !lb_hash_available());
  lb_index_free(&a.index);
  lb_index_free(&b.index);
}

static void test_find(void **state)
{
  (void)state;
  content a;
  make(&a, 12, true);
  for (uint64_t i = 0; i < a.index.raw_total; i++) {
    assert_int_equal(lb_index_raw_offset(&a.index, lb_index_find(&a.index, i)), a.places[i] >> 32);
  }
  assert_int_equal(lb_index_find(&a.index, MOST * 2), a.index.count - 1);
  lb_index_free(&a.index);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_model), cmocka_unit_test(test_without_hashes), cmocka_unit_test(test_ends_early),
    cmocka_unit_test(test_find),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

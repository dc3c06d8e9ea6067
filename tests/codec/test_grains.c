/* Grains: what does not shrink is told from what does, by frequency or by repetition; runs cover the content. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "codec/grains.h"

enum { COUNT = 16, SIZE = COUNT * LB_GRAIN };

static unsigned char content[SIZE + 100];
static lb_grains grains;
static uint64_t seed = 1;

/* splitmix64 (Steele, Lea, Flood 2014) */
static unsigned char chance(void)
{
  uint64_t z = seed += 0x9e3779b97f4a7c15u;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return (unsigned char)(z >> 40);
}

static void fill_random(size_t from, size_t n)
{
  for (size_t i = from; i < from + n; i++) content[i] = chance();
}

static size_t count_random(size_t len)
{
  size_t n = 0;
  lb_find_grains(content, len, &grains);
  for (size_t i = 0; i < grains.count; i++) n += grains.random[i];
  return n;
}

static void test_random_bytes(void **state)
{
  (void)state;
  size_t found = 0;
  for (int i = 0; i < 100; i++) {
    fill_random(0, SIZE);
    found += count_random(SIZE);
  }
  assert_in_range(found, 100 * COUNT * 9 / 10, 100 * COUNT);
}

static void test_what_codes_shorten(void **state)
{
  (void)state;
  memset(content, 0, SIZE);
  assert_int_equal(count_random(SIZE), 0);
  for (size_t i = 0; i < SIZE; i++) content[i] = (unsigned char)"0123456789abcdef"[chance() % 16];
  assert_int_equal(count_random(SIZE), 0);
  for (size_t i = 0; i < SIZE; i++) content[i] = chance() % 128;
  assert_int_equal(count_random(SIZE), 0);
}

/* Records of one length, each with a key of random bytes in the same columns and nothing much in the others. */
static void test_columns(void **state)
{
  (void)state;
  for (size_t record = 8; record <= 100; record++) {
    for (size_t i = 0; i < SIZE; i++) content[i] = i % record < record * 3 / 4 ? chance() : (unsigned char)(i % record);
    assert_int_equal(count_random(SIZE), 0);
  }
}

/* Every byte is as frequent as any other, and a pointer back does for all of it. */
static void test_repetition(void **state)
{
  (void)state;
  for (size_t i = 0; i < SIZE; i++) content[i] = (unsigned char)(i * 37 + i / 256);
  assert_int_equal(count_random(SIZE), 0);
  for (size_t i = 0; i < SIZE; i++) content[i] = (unsigned char)(i % 251);
  assert_int_equal(count_random(SIZE), 0);
  fill_random(0, 9001);
  for (size_t i = 9001; i < SIZE; i++) content[i] = content[i - 9001];
  assert_in_range(count_random(SIZE), 0, 2);  /* at most where it was for the first time */
}

/* A single grain is left to deflate; what is less than a grain too. */
static void test_runs(void **state)
{
  static const size_t want[] = { 3 * LB_GRAIN, 2 * LB_GRAIN, 6 * LB_GRAIN, 4 * LB_GRAIN, LB_GRAIN + 100 };
  bool random;
  (void)state;
  memset(content, 'x', sizeof content);
  fill_random(1 * LB_GRAIN, LB_GRAIN);
  fill_random(3 * LB_GRAIN, 2 * LB_GRAIN);
  fill_random(11 * LB_GRAIN, 4 * LB_GRAIN);
  fill_random(SIZE, 100);
  lb_find_grains(content, sizeof content, &grains);
  assert_int_equal(grains.count, COUNT);
  size_t at = 0;
  for (size_t i = 0; i < sizeof want / sizeof *want; i++) {
    assert_int_equal(lb_run_of_grains(&grains, at, sizeof content, &random), want[i]);
    assert_int_equal(random, i % 2);
    at += want[i];
  }
  assert_int_equal(at, sizeof content);
}

static void test_ends(void **state)
{
  bool random;
  (void)state;
  lb_find_grains(content, 0, &grains);
  assert_int_equal(lb_run_of_grains(&grains, 0, 0, &random), 0);
  assert_false(random);
  fill_random(0, SIZE);
  lb_find_grains(content, LB_GRAIN, &grains);
  assert_int_equal(lb_run_of_grains(&grains, 0, LB_GRAIN, &random), LB_GRAIN);
  assert_false(random);
  lb_find_grains(content, 2 * LB_GRAIN + 1, &grains);
  assert_int_equal(lb_run_of_grains(&grains, 0, 2 * LB_GRAIN + 1, &random), 2 * LB_GRAIN);
  assert_true(random);
  assert_int_equal(lb_run_of_grains(&grains, 2 * LB_GRAIN, 2 * LB_GRAIN + 1, &random), 1);
  assert_false(random);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_random_bytes), cmocka_unit_test(test_what_codes_shorten), cmocka_unit_test(test_columns),
    cmocka_unit_test(test_repetition), cmocka_unit_test(test_runs), cmocka_unit_test(test_ends),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

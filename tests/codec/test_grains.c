/* Grains: what does not shrink, and digits, are told from the rest, by frequency or by repetition; runs cover the
** content. */
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

static void fill_digits(size_t from, size_t n)
{
  for (size_t i = from; i < from + n; i++) content[i] = (unsigned char)"0123456789abcdef"[chance() % 16];
}

static size_t count(lb_grain_kind kind, size_t len)
{
  size_t n = 0;
  lb_find_grains(content, len, &grains);
  for (size_t i = 0; i < grains.count; i++) n += grains.kinds[i] == kind;
  return n;
}

static size_t count_shrinking(void)
{
  return count(LB_GRAIN_SHRINKS, SIZE);
}

static void test_random_bytes(void **state)
{
  (void)state;
  size_t found = 0;
  for (int i = 0; i < 100; i++) {
    fill_random(0, SIZE);
    found += count(LB_GRAIN_RANDOM, SIZE);
  }
  assert_in_range(found, 100 * COUNT * 9 / 10, 100 * COUNT);
}

static void test_what_codes_shorten(void **state)
{
  (void)state;
  memset(content, 0, SIZE);
  assert_int_equal(count_shrinking(), COUNT);
  for (size_t i = 0; i < SIZE; i++) content[i] = chance() % 128;
  assert_int_equal(count_shrinking(), COUNT);
}

/* Between values there is something else, which may not be much. */
static void test_digits(void **state)
{
  (void)state;
  size_t found = 0;
  for (int i = 0; i < 100; i++) {
    fill_digits(0, SIZE);
    for (size_t at = 50; at < SIZE; at += LB_GRAIN) memcpy(content + at, "\n12\tname\t\\\\x", 13);
    found += count(LB_GRAIN_DIGITS, SIZE);
  }
  assert_in_range(found, 100 * COUNT * 99 / 100, 100 * COUNT);
  for (size_t i = 0; i < SIZE; i++) if (i % LB_GRAIN < LB_GRAIN_OTHERS_MOST + 1) content[i] = 'x';
  assert_int_equal(count_shrinking(), COUNT);
}

/* Digits of text are not all as frequent, and digits may repeat. */
static void test_digits_that_shrink(void **state)
{
  (void)state;
  for (size_t i = 0; i < SIZE; i++) content[i] = (unsigned char)"0123456789"[chance() % 10];
  assert_int_equal(count_shrinking(), COUNT);
  for (size_t i = 0; i < SIZE; i += 2) {
    content[i] = (unsigned char)"67"[chance() % 2];
    content[i + 1] = (unsigned char)"0123456789abcdef"[chance() % 16];
  }
  assert_int_equal(count_shrinking(), COUNT);
  fill_digits(0, SIZE);
  for (size_t i = 5001; i < SIZE; i++) content[i] = content[i - 5001];
  assert_in_range(count_shrinking(), COUNT - 2, COUNT);
}

/* Records of one length, each with a key of random bytes in the same columns and nothing much in the others. */
static void test_columns(void **state)
{
  (void)state;
  for (size_t record = 8; record <= 100; record++) {
    for (size_t i = 0; i < SIZE; i++) content[i] = i % record < record * 3 / 4 ? chance() : (unsigned char)(i % record);
    assert_int_equal(count_shrinking(), COUNT);
  }
}

/* Every byte is as frequent as any other, and a pointer back does for all of it. */
static void test_repetition(void **state)
{
  (void)state;
  for (size_t i = 0; i < SIZE; i++) content[i] = (unsigned char)(i * 37 + i / 256);
  assert_int_equal(count_shrinking(), COUNT);
  for (size_t i = 0; i < SIZE; i++) content[i] = (unsigned char)(i % 251);
  assert_int_equal(count_shrinking(), COUNT);
  fill_random(0, 9001);
  for (size_t i = 9001; i < SIZE; i++) content[i] = content[i - 9001];
  assert_in_range(count_shrinking(), COUNT - 2, COUNT);  /* but where it was for the first time */
}

/* Values that all begin with the same bytes: whichever these are, they are to be found. */
static void test_headers(void **state)
{
  (void)state;
  size_t random = 0, digits = 0;
  for (int i = 0; i < 50; i++) {
    fill_random(0, SIZE);
    for (size_t at = 1000; at + 300 < SIZE; at += 1000) memcpy(content + at, content, 300);
    random += count_shrinking();
    fill_digits(0, SIZE);
    for (size_t at = 400; at + 100 < SIZE; at += 400) memcpy(content + at, content, 100);
    digits += count_shrinking();
  }
  assert_in_range(random, 50 * COUNT * 95 / 100, 50 * COUNT);
  assert_in_range(digits, 50 * COUNT * 95 / 100, 50 * COUNT);
}

/* A single grain is left to deflate; what is less than a grain too. */
static void test_runs(void **state)
{
  static const size_t want[] = { 3 * LB_GRAIN, 2 * LB_GRAIN, 3 * LB_GRAIN, 3 * LB_GRAIN, 4 * LB_GRAIN, LB_GRAIN + 100 };
  static const lb_grain_kind kinds[] = { LB_GRAIN_SHRINKS, LB_GRAIN_RANDOM, LB_GRAIN_SHRINKS, LB_GRAIN_DIGITS,
                                         LB_GRAIN_RANDOM, LB_GRAIN_SHRINKS };
  lb_grain_kind kind;
  (void)state;
  memset(content, 'x', sizeof content);
  fill_random(1 * LB_GRAIN, LB_GRAIN);
  fill_random(3 * LB_GRAIN, 2 * LB_GRAIN);
  fill_digits(6 * LB_GRAIN, LB_GRAIN);
  fill_digits(8 * LB_GRAIN, 3 * LB_GRAIN);
  fill_random(11 * LB_GRAIN, 4 * LB_GRAIN);
  fill_random(SIZE, 100);
  lb_find_grains(content, sizeof content, &grains);
  assert_int_equal(grains.count, COUNT);
  size_t at = 0;
  for (size_t i = 0; i < sizeof want / sizeof *want; i++) {
    assert_int_equal(lb_run_of_grains(&grains, at, sizeof content, &kind), want[i]);
    assert_int_equal(kind, kinds[i]);
    at += want[i];
  }
  assert_int_equal(at, sizeof content);
}

static void test_ends(void **state)
{
  lb_grain_kind kind;
  (void)state;
  lb_find_grains(content, 0, &grains);
  assert_int_equal(lb_run_of_grains(&grains, 0, 0, &kind), 0);
  assert_int_equal(kind, LB_GRAIN_SHRINKS);
  fill_random(0, SIZE);
  lb_find_grains(content, LB_GRAIN, &grains);
  assert_int_equal(lb_run_of_grains(&grains, 0, LB_GRAIN, &kind), LB_GRAIN);
  assert_int_equal(kind, LB_GRAIN_SHRINKS);
  lb_find_grains(content, 2 * LB_GRAIN + 1, &grains);
  assert_int_equal(lb_run_of_grains(&grains, 0, 2 * LB_GRAIN + 1, &kind), 2 * LB_GRAIN);
  assert_int_equal(kind, LB_GRAIN_RANDOM);
  assert_int_equal(lb_run_of_grains(&grains, 2 * LB_GRAIN, 2 * LB_GRAIN + 1, &kind), 1);
  assert_int_equal(kind, LB_GRAIN_SHRINKS);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_random_bytes), cmocka_unit_test(test_what_codes_shorten), cmocka_unit_test(test_digits),
    cmocka_unit_test(test_digits_that_shrink), cmocka_unit_test(test_columns),
    cmocka_unit_test(test_repetition), cmocka_unit_test(test_runs), cmocka_unit_test(test_ends),
    cmocka_unit_test(test_headers),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

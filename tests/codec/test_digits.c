/* Hexadecimal digits as deflate: zlib reads what was written, whatever is among them, and it is as small as promised. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "codec/digits.h"

enum { SIZE = 70000 };

static lb_digits digits;
static unsigned char content[SIZE], back[SIZE + 1];

/* Inflates exactly `made` bytes; whether that was the end of the stream. */
static bool inflates(const unsigned char *deflated, size_t made, const unsigned char *want, size_t len)
{
  z_stream z = { 0 };
  assert_int_equal(inflateInit2(&z, -15), Z_OK);
  z.next_in = (unsigned char *)(uintptr_t)deflated;
  z.avail_in = (unsigned)made;
  z.next_out = back;
  z.avail_out = sizeof back;
  int rc = inflate(&z, Z_SYNC_FLUSH);
  assert_true(rc == Z_OK || rc == Z_STREAM_END);
  assert_int_equal(z.avail_in, 0);
  assert_int_equal(z.total_out, len);
  assert_memory_equal(back, want, len);
  inflateEnd(&z);
  return rc == Z_STREAM_END;
}

/* out is as large as was asked for: the sanitizer sees a byte beyond. */
static size_t check(const unsigned char *raw, size_t len, size_t others)
{
  size_t made = 0, room = lb_digits_bound(len, others);
  for (int final = 0; final < 2; final++) {
    unsigned char *out = malloc(room);
    made = lb_digits_deflate(&digits, raw, len, final, out);
    assert_in_range(made, 1, room);
    assert_int_equal(inflates(out, made, raw, len), final);
    free(out);
  }
  return made;
}

static void test_digits_only(void **state)
{
  (void)state;
  for (size_t i = 0; i < SIZE; i++) content[i] = (unsigned char)"0123456789abcdef"[i * 2654435761u >> 7 & 15];
  for (size_t len = 0; len < 300; len++) check(content, len, 0);
  assert_in_range(check(content, SIZE, 0), SIZE / 2, SIZE * 51 / 100);
}

/* As COPY writes them: the end of a row here and there, at every place among those that are taken at once. */
static void test_others_between(void **state)
{
  (void)state;
  for (size_t i = 0; i < SIZE; i++) {
    content[i] = (unsigned char)(i % 37 == 36 ? "\n\t\\xgF/:`G"[i / 37 % 10] : "0123456789abcdef"[i * 2654435761u >> 7 & 15]);
  }
  for (size_t len = 0; len < 600; len++) check(content, len, len / 37);
  check(content, SIZE, SIZE / 37);
}

static void test_every_byte(void **state)
{
  (void)state;
  for (size_t i = 0; i < SIZE; i++) content[i] = (unsigned char)(i * 167);
  for (size_t len = 0; len < 600; len++) check(content, len, len);
  check(content, SIZE, SIZE);
}

static void test_the_longest_codes(void **state)
{
  (void)state;
  memset(content, 'f', SIZE);
  check(content, SIZE, 0);
  memset(content, 'x', SIZE);
  for (size_t len = 0; len < 300; len++) check(content, len, len);
  check(content, SIZE, SIZE);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_digits_only), cmocka_unit_test(test_others_between), cmocka_unit_test(test_every_byte),
    cmocka_unit_test(test_the_longest_codes),
  };
  lb_digits_prepare(&digits);
  return cmocka_run_group_tests(tests, NULL, NULL);
}

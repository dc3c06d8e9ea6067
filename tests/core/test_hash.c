/* The content hash is the XXH3-64 that docs/format.md says, or 0 where it was not built in. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "core/hash.h"

/* Values of seed 0, written down here: a hash that changed would call every older backup damaged. */
static void test_known_values(void **state)
{
  (void)state;
  bool built = lb_hash_available();
  assert_int_equal(lb_hash64(NULL, 0), built ? 0x2d06800538d394c2u : 0);
  assert_int_equal(lb_hash64("hello", 5), built ? 0x9555e8555c62dcfdu : 0);
}

/* In pieces of every size, and twice with the same hasher. */
static void test_pieces(void **state)
{
  (void)state;
  unsigned char bytes[3000];
  lb_hasher hasher = { 0 };
  for (size_t i = 0; i < sizeof bytes; i++) bytes[i] = (unsigned char)(i * i >> 3);
  for (size_t piece = 1; piece <= sizeof bytes; piece += 1 + piece / 4) {
    assert_true(lb_hasher_begin(&hasher));
    for (size_t at = 0; at < sizeof bytes; at += piece) {
      lb_hasher_take(&hasher, bytes + at, at + piece < sizeof bytes ? piece : sizeof bytes - at);
      lb_hasher_take(&hasher, NULL, 0);
    }
    assert_int_equal(lb_hasher_end(&hasher), lb_hash64(bytes, sizeof bytes));
  }
  assert_true(lb_hasher_begin(&hasher));
  assert_int_equal(lb_hasher_end(&hasher), lb_hash64(NULL, 0));
  lb_hasher_free(&hasher);
}

int main(void)
{
  const struct CMUnitTest tests[] = { cmocka_unit_test(test_known_values), cmocka_unit_test(test_pieces) };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

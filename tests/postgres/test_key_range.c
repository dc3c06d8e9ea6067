/* Ranges of keys: what rows make of them, and what they let through. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "postgres/key_range.h"

static lb_key_range of_rows(lb_pg_kind kind, int field, int count, const char *const *rows)
{
  lb_key_range range = { 0 };
  for (int i = 0; i < count; i++) lb_key_range_take(&range, kind, field, rows[i], strlen(rows[i]));
  return range;
}
#define OF_ROWS(kind, field, ...) \
  of_rows(kind, field, (int)(sizeof (const char *[]){ __VA_ARGS__ } / sizeof (char *)), (const char *[]){ __VA_ARGS__ })

static void test_integers(void **state)
{
  (void)state;
  lb_key_range r = OF_ROWS(LB_PG_INTEGER, 0, "5\tx\n", "-9223372036854775808\tx\n", "7\n");
  assert_int_equal(r.kind, LB_KEYS_INTEGERS);
  assert_true(r.low == INT64_MIN && r.high == 7);
  r = OF_ROWS(LB_PG_INTEGER, 2, "1\t2\t3\n", "4\t\t-6\trest\n");
  assert_true(r.kind == LB_KEYS_INTEGERS && r.low == -6 && r.high == 3);
}

static void test_texts(void **state)
{
  (void)state;
  lb_key_range r = OF_ROWS(LB_PG_TEXT, 1, "1\tb\n", "1\ta z\n", "1\tab\t\n");
  assert_int_equal(r.kind, LB_KEYS_TEXTS);
  assert_string_equal(r.low_text, "a z");
  assert_string_equal(r.high_text, "b");
  r = OF_ROWS(LB_PG_TEXT, 0, "\n", "~\n");
  assert_string_equal(r.low_text, "");
  assert_string_equal(r.high_text, "~");
}

/* One such row, wherever it comes, and nothing is known. */
static void test_unknown(void **state)
{
  (void)state;
  const char *texts[] = { "\\N\n", "a\\tb\n", "k\xc3\xa4se\n", "\x7f\n", "0123456789012345678901234567890123456789x\n" };
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
    assert_int_equal(OF_ROWS(LB_PG_TEXT, 0, "a\n", texts[i]).kind, LB_KEYS_UNKNOWN);
    assert_int_equal(OF_ROWS(LB_PG_TEXT, 0, texts[i], "a\n").kind, LB_KEYS_UNKNOWN);
  }
  assert_int_equal(OF_ROWS(LB_PG_TEXT, 0, "0123456789012345678901234567890123456789\n").kind, LB_KEYS_TEXTS);
  const char *numbers[] = { "\\N\n", "\n", "9223372036854775808\n", "1.5\n", "x\n" };
  for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
    assert_int_equal(OF_ROWS(LB_PG_INTEGER, 0, "1\n", numbers[i]).kind, LB_KEYS_UNKNOWN);
    assert_int_equal(OF_ROWS(LB_PG_INTEGER, 0, numbers[i], "1\n").kind, LB_KEYS_UNKNOWN);
  }
  assert_int_equal(OF_ROWS(LB_PG_INTEGER, 1, "1\n").kind, LB_KEYS_UNKNOWN);  /* a row without that field */
  assert_false(lb_key_kind_has_ranges(LB_PG_NUMERIC));
}

static lb_pg_datum none = { .type = LB_PG_IS_NULL };

static bool meets_integer(int64_t low, int64_t high)
{
  lb_key_range r = { .kind = LB_KEYS_INTEGERS, .low = 10, .high = 20 };
  lb_pg_datum from = { .type = LB_PG_IS_INTEGER, .integer = low }, to = { .type = LB_PG_IS_INTEGER, .integer = high };
  return lb_key_range_meets(&r, LB_PG_INTEGER, &from, &to);
}

static bool meets_text(const char *low, const char *high)
{
  lb_key_range r = { .kind = LB_KEYS_TEXTS, .low_text = "b", .high_text = "cc" };
  lb_pg_datum from = { .type = LB_PG_IS_TEXT, .data = low, .len = strlen(low) };
  lb_pg_datum to = { .type = LB_PG_IS_TEXT, .data = high, .len = strlen(high) };
  return lb_key_range_meets(&r, LB_PG_TEXT, &from, &to);
}

static void test_meets(void **state)
{
  (void)state;
  assert_true(meets_integer(10, 10) && meets_integer(20, 20) && meets_integer(15, 15) && meets_integer(INT64_MIN, INT64_MAX));
  assert_false(meets_integer(9, 9) || meets_integer(21, 21) || meets_integer(INT64_MIN, 9) || meets_integer(21, INT64_MAX));
  assert_true(meets_text("b", "b") && meets_text("cc", "cc") && meets_text("ba", "ba") && meets_text("", "z"));
  assert_false(meets_text("a", "a") || meets_text("ccc", "ccc") || meets_text("c~", "z") || meets_text("", "Z"));
  assert_true(meets_text("\xc4\x80", "\xc4\x80"));  /* not plain: it may stand elsewhere in UTF-16 */
}

/* What does not fit bounds nothing. */
static void test_meets_all(void **state)
{
  (void)state;
  lb_key_range integers = { .kind = LB_KEYS_INTEGERS, .low = 1, .high = 2 };
  lb_pg_datum text = { .type = LB_PG_IS_TEXT, .data = "9", .len = 1 }, nine = { .type = LB_PG_IS_INTEGER, .integer = 9 };
  assert_true(lb_key_range_meets(&integers, LB_PG_INTEGER, &none, &none));
  assert_true(lb_key_range_meets(&integers, LB_PG_INTEGER, &text, &text));
  assert_true(lb_key_range_meets(&integers, LB_PG_TEXT, &nine, &nine));    /* a column whose type is not known is text */
  assert_true(lb_key_range_meets(NULL, LB_PG_INTEGER, &nine, &nine));
  assert_false(lb_key_range_meets(&integers, LB_PG_INTEGER, &nine, &none));
}

int main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_integers), cmocka_unit_test(test_texts), cmocka_unit_test(test_unknown),
    cmocka_unit_test(test_meets),    cmocka_unit_test(test_meets_all),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Times: text and back, and what is no time. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "core/clock.h"

static void test_round_trip(void **state)
{
  (void)state;
  static const struct { int64_t t; const char *datetime, *stamp; } cases[] = {
    { 0, "1970-01-01 00:00:00", "19700101_000000" },
    { 951782400, "2000-02-29 00:00:00", "20000229_000000" },
    { 1762257600, "2025-11-04 12:00:00", "20251104_120000" },
    { 4102444799, "2099-12-31 23:59:59", "20991231_235959" },
    { 253402300799, "9999-12-31 23:59:59", "99991231_235959" },
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    char datetime[LB_DATETIME_BYTES], stamp[LB_STAMP_BYTES];
    int64_t t = -1;
    lb_clock_datetime(cases[i].t, datetime);
    assert_string_equal(datetime, cases[i].datetime);
    lb_clock_stamp(cases[i].t, stamp);
    assert_string_equal(stamp, cases[i].stamp);
    assert_true(lb_clock_parse_datetime(datetime, &t));
    assert_int_equal(t, cases[i].t);
    t = -1;
    assert_true(lb_clock_parse_stamp(stamp, &t));
    assert_int_equal(t, cases[i].t);
  }
}

static void test_out_of_range_is_clamped(void **state)
{
  (void)state;
  char datetime[LB_DATETIME_BYTES], stamp[LB_STAMP_BYTES];
  lb_clock_datetime(INT64_MAX, datetime);
  assert_string_equal(datetime, "9999-12-31 23:59:59");
  lb_clock_stamp(INT64_MIN, stamp);
  assert_string_equal(stamp, "19700101_000000");
}

static void test_no_times(void **state)
{
  (void)state;
  int64_t t = 42;
  static const char *const stamps[] = { "", "20251104", "20251104-120000", "2025110a_120000", "20250229_000000",
                                        "20251301_000000", "20250100_000000", "20251104_240000", "20251104_126000",
                                        "20251104_12006", "-0251104_120000", "20251104_1200 0" };
  for (size_t i = 0; i < sizeof stamps / sizeof stamps[0]; i++) {
    if (lb_clock_parse_stamp(stamps[i], &t)) fail_msg("taken for a time: %s", stamps[i]);
  }
  static const char *const datetimes[] = { "", "2025-11-04", "2025-11-04T12:00:00", "2025-11-31 00:00:00",
                                           "2025-11-04 12:00:60" };
  for (size_t i = 0; i < sizeof datetimes / sizeof datetimes[0]; i++) {
    if (lb_clock_parse_datetime(datetimes[i], &t)) fail_msg("taken for a time: %s", datetimes[i]);
  }
  assert_int_equal(t, 42);
}

static void test_clocks(void **state)
{
  (void)state;
  double before = lb_clock_monotonic();
  assert_true(lb_clock_now() > 1700000000);
  assert_true(lb_clock_monotonic() >= before);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_round_trip), cmocka_unit_test(test_out_of_range_is_clamped), cmocka_unit_test(test_no_times),
    cmocka_unit_test(test_clocks),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

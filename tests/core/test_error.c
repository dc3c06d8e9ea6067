/* Messages are UTF-8, whatever goes into them. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "core/error.h"
#include "core/utf8.h"

static void test_text(void **state)
{
  lb_error err = LB_ERROR_INIT;
  (void)state;
  lb_fail(&err, LB_MISUSE, "no table \"n\xE9m\" (\xC3\xA9, \xF0\x9F\x98)");
  assert_string_equal(err.message, "no table \"n?m\" (\xC3\xA9, ?\?\?)");
  lb_error_prefix(&err, "a\xFF: ");
  assert_string_equal(err.message, "a?: no table \"n?m\" (\xC3\xA9, ?\?\?)");
  lb_error_advise(&err, "look at \"%s\"", "n\xE9m");
  assert_string_equal(err.message, "a?: no table \"n?m\" (\xC3\xA9, ?\?\?) (look at \"n?m\")");
  lb_error_clear(&err);
  lb_error_advise(&err, "nothing is set");
  assert_string_equal(err.message, "");
  lb_fail_errno(&err, ENOENT, "\xE9");
  assert_memory_equal(err.message, "?: ", 3);
}

/* The cut is in the middle of a character. */
static void test_cut(void **state)
{
  lb_error err = LB_ERROR_INIT;
  char text[LB_MESSAGE_MAX * 2 + 1];
  (void)state;
  for (size_t i = 0; i < sizeof text - 1; i += 2) memcpy(text + i, "\xC3\xA9", 2);
  text[sizeof text - 1] = 0;
  lb_fail(&err, LB_MISUSE, "%s", text);
  assert_int_equal(strlen(err.message), LB_MESSAGE_MAX - 1);
  assert_true(lb_utf8_is_valid(err.message, strlen(err.message)));
}

int main(void)
{
  const struct CMUnitTest tests[] = { cmocka_unit_test(test_text), cmocka_unit_test(test_cut) };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

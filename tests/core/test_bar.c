/* The progress bar: what gives way on a narrow terminal, and what of a name is not shown as it is. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "core/bar.h"

static lb_activity at_half(const char *operation, const char *subject, const char *phase)
{
  lb_activity a = { .done = 500, .total = 1000, .rate = 509.1e6, .eta = 2 };
  snprintf(a.operation, sizeof a.operation, "%s", operation);
  snprintf(a.subject, sizeof a.subject, "%s", subject);
  snprintf(a.phase, sizeof a.phase, "%s", phase);
  return a;
}

static void test_all_of_it(void **state)
{
  (void)state;
  char line[LB_BAR_BYTES];
  lb_activity a = at_half("create", "/srv/app/admin.db", "compressing");
  const char *whole = "create admin.db: compressing [##########..........]  50%  509.1 MB/s  eta 2 s";
  assert_int_equal(lb_bar_compose(&a, 0, line), strlen(whole));
  assert_string_equal(line, whole);
  assert_int_equal(lb_bar_compose(&a, 79, line), strlen(whole));
  assert_string_equal(line, whole);
  a.eta = -1;
  a.total = 0;
  lb_bar_compose(&a, 0, line);
  assert_string_equal(line, "create admin.db: compressing [....................]   0%  509.1 MB/s");
}

static void test_what_gives_way(void **state)
{
  (void)state;
  char line[LB_BAR_BYTES];
  lb_activity a = at_half("verify", "/b/admin_sqlite_20261127_183911.db.gz", "verifying");
  assert_int_equal(lb_bar_compose(&a, 79, line), 79);
  assert_string_equal(line, "verify admin_sqlite: verifying [##########..........]  50%  509.1 MB/s  eta 2 s");
  lb_bar_compose(&a, 60, line);
  assert_string_equal(line, "verify admin_sq: verifying [##...]  50%  509.1 MB/s  eta 2 s");
  lb_bar_compose(&a, 40, line);
  assert_string_equal(line, "verify : verifying []  50%  509.1 MB/s  ");
  for (int columns = 1; columns < 130; columns++) {
    assert_true(lb_bar_compose(&a, columns, line) <= columns);
    assert_true((int)strlen(line) <= columns);
  }
}

static void test_names_are_anybodys(void **state)
{
  (void)state;
  char line[LB_BAR_BYTES];
  lb_activity a = at_half("create", "a\033[2J\nb\xc2\x9b\xff\xc3\xa4.db", "compressing");
  int columns = lb_bar_compose(&a, 0, line);
  assert_int_equal(columns, strlen(line) - 1);
  assert_memory_equal(line, "create a?[2J?b??\xc3\xa4.db: ", 23);
  /* Wide characters are not cut apart, and take two columns. */
  char name[LB_TASK_TEXT] = "";
  for (int i = 0; i < 100; i++) strcat(name, "\xe6\xbc\xa2");
  a = at_half("create", name, "compressing");
  for (columns = 1; columns < 130; columns++) {
    int wide = lb_bar_compose(&a, columns, line), bytes = (int)strlen(line), wides = 0;
    for (const char *at = line; (at = strchr(at, '\xe6')); at += 3, wides++) assert_memory_equal(at, "\xe6\xbc\xa2", 3);
    assert_int_equal(wide, bytes - wides);
    assert_true(wide <= columns);
  }
}

int main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_all_of_it),
    cmocka_unit_test(test_what_gives_way),
    cmocka_unit_test(test_names_are_anybodys),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Quoting: names and texts that try to break out, and patterns as psql reads them. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdlib.h>

#include "postgres/quote.h"

static void expect(lb_buf *out, const char *text)
{
  char *got = lb_buf_take(out);
  assert_string_equal(got, text);
  free(got);
}

static void test_names(void **state)
{
  (void)state;
  lb_buf out = { 0 };
  lb_pg_put_identifier(&out, "a\"; DROP TABLE b; --");
  expect(&out, "\"a\"\"; DROP TABLE b; --\"");
  lb_pg_put_identifier(&out, "");
  expect(&out, "\"\"");
  lb_pg_put_qualified(&out, "S.x", "\"\"");
  expect(&out, "\"S.x\".\"\"\"\"\"\"");
}

static void test_literals(void **state)
{
  (void)state;
  lb_buf out = { 0 };
  lb_pg_put_literal(&out, "it's");
  expect(&out, "'it''s'");
  lb_pg_put_literal(&out, "\\'; x");
  expect(&out, "E'\\\\''; x'");
  lb_pg_put_literal(&out, "");
  expect(&out, "''");
}

static void test_comments(void **state)
{
  (void)state;
  lb_buf out = { 0 };
  lb_pg_put_comment(&out, "a\n\\! sh\r\t\x7f\xc3\xa4");
  expect(&out, "a?\\! sh???\xc3\xa4");
}

typedef struct pattern_case {
  const char *pattern, *schema, *name;  /* name NULL: refused; schema "": the pattern has none */
} pattern_case;

static void test_patterns(void **state)
{
  (void)state;
  static const pattern_case cases[] = {
    { "users", "", "^(users)$" },
    { "Users", "", "^(users)$" },
    { "\"Users\"", "", "^(Users)$" },
    { "public.t*", "^(public)$", "^(t.*)$" },
    { "a?b", "", "^(a.b)$" },
    { "\"a*.b?\"", "", "^(a\\*\\.b\\?)$" },
    { "\"a\"\"b\"", "", "^(a\"b)$" },
    { "\"S\"x.\"T\"", "^(Sx)$", "^(T)$" },
    { "a$b", "", "^(a\\$b)$" },
    { "t[0-9]+", "", "^(t[0-9]+)$" },
    { "int[]", "", "^(int\\[])$" },
    { "a|b.c", "^(a|b)$", "^(c)$" },
    { "\xc3\x84", "", "^(\xc3\x84)$" },
    { "", NULL, NULL }, { ".", NULL, NULL }, { "a.", NULL, NULL }, { ".a", NULL, NULL }, { "a.b.c", NULL, NULL },
    { "\"a", NULL, NULL }, { "\"\"", NULL, NULL }, { "a.\"\"", NULL, NULL },
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    lb_buf schema = { 0 }, name = { 0 };
    bool valid = lb_pg_pattern(cases[i].pattern, &schema, &name);
    if (valid != (cases[i].name != NULL)) fail_msg("pattern %s: %s", cases[i].pattern, valid ? "taken" : "refused");
    if (valid) {
      expect(&schema, cases[i].schema);
      expect(&name, cases[i].name);
    }
    lb_buf_free(&schema);
    lb_buf_free(&name);
  }
}

int main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_names), cmocka_unit_test(test_literals), cmocka_unit_test(test_comments),
    cmocka_unit_test(test_patterns),
  };
  return cmocka_run_group_tests_name("quote", tests, NULL, NULL);
}

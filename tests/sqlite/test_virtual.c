/* Declarations of virtual tables: whose content a full-text index is over, whatever the quotes, comments and blanks. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "sqlite/virtual.h"

static void expect(const char *sql, const char *module, const char *content)
{
  lb_error err = LB_ERROR_INIT;
  lb_virtual v;
  assert_int_equal(lb_virtual_read(sql, &v, &err), LB_OK);
  if (module) assert_string_equal(v.module ? v.module : "none", module);
  else assert_null(v.module);
  if (content) assert_string_equal(v.content ? v.content : "none", content);
  else assert_null(v.content);
  lb_virtual_free(&v);
}

static void test_content(void **state)
{
  (void)state;
  expect("CREATE VIRTUAL TABLE f USING fts5(a, b, content='notes', content_rowid='id')", "fts5", "notes");
  expect("CREATE VIRTUAL TABLE f USING fts5(content=notes,a)", "fts5", "notes");
  expect("create virtual table f using FTS4(content=\"a \"\"b\", x)", "FTS4", "a \"b");
  expect("CREATE VIRTUAL TABLE \"x USING y\" USING fts5 ( a ,\n CONTENT = [odd name] )", "fts5", "odd name");
  expect("CREATE VIRTUAL TABLE IF NOT EXISTS main.f USING fts3(a, content=`it's`)", "fts3", "it's");
  expect("CREATE VIRTUAL TABLE f USING fts5(a, tokenize = 'porter, content=no', content = 'it''s')", "fts5", "it's");
  expect("CREATE VIRTUAL TABLE f USING fts5(a /* content=no, */, -- content=no\n content='yes')", "fts5", "yes");
  expect("CREATE VIRTUAL TABLE f USING fts5(a, c=notes)", "fts5", "notes");
  expect("CREATE VIRTUAL TABLE f USING fts5(a, CONTEN = 'notes', content_r=id, columnsize=0)", "fts5", "notes");
}

static void test_none(void **state)
{
  (void)state;
  expect("CREATE VIRTUAL TABLE f USING fts5(a, content='')", "fts5", NULL);
  expect("CREATE VIRTUAL TABLE f USING fts5(a, content=)", "fts5", NULL);
  expect("CREATE VIRTUAL TABLE f USING fts5(content, x)", "fts5", NULL);
  expect("CREATE VIRTUAL TABLE f USING fts5(a content='notes')", "fts5", NULL);
  expect("CREATE VIRTUAL TABLE f USING fts5(a, content_rowid='id')", "fts5", NULL);
  expect("CREATE VIRTUAL TABLE f USING fts5(a, content_='id', contentless_delete=1, con, col=0)", "fts5", NULL);
  expect("CREATE VIRTUAL TABLE f USING fts4(a, con=notes)", "fts4", NULL);
  expect("CREATE VIRTUAL TABLE f USING \"r\"\"tree\"(id, content='notes')", "r\"tree", NULL);
  expect("CREATE VIRTUAL TABLE f USING fts4", "fts4", NULL);
  expect("CREATE TABLE f(content)", NULL, NULL);
  expect("CREATE VIRTUAL TABLE f", NULL, NULL);
  expect("CREATE VIRTUAL TABLE f USING", NULL, NULL);
  expect("", NULL, NULL);
}

/* Nothing behind the end is read, wherever it comes (the sanitizer would tell). */
static void test_cut_anywhere(void **state)
{
  static const char sql[] = "CREATE VIRTUAL TABLE [a b] USING fts5(x, /* c */ content = 'it''s', \"q\"\"r\", [s] -- t";
  (void)state;
  for (size_t n = 0; n < sizeof sql; n++) {
    lb_error err = LB_ERROR_INIT;
    lb_virtual v;
    char *cut = strndup(sql, n);
    assert_non_null(cut);
    assert_int_equal(lb_virtual_read(cut, &v, &err), LB_OK);
    lb_virtual_free(&v);
    free(cut);
  }
}

int main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_content), cmocka_unit_test(test_none), cmocka_unit_test(test_cut_anywhere),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

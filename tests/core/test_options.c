/* Options: every kind of field, and the exact message of every refusal. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "core/options.h"

typedef struct options {
  int64_t level, days;
  int overwrite;
  char *dir, *compress, *verify, *tables;
} options;

static const lb_option known[] = {
  { "dir", LB_OPTION_TEXT, offsetof(options, dir), 0, 0, NULL },
  { "level", LB_OPTION_INT, offsetof(options, level), 1, 22, NULL },
  { "days", LB_OPTION_INT, offsetof(options, days), 0, INT64_MAX, NULL },
  { "overwrite", LB_OPTION_BOOL, offsetof(options, overwrite), 0, 0, NULL },
  { "compress", LB_OPTION_TEXT, offsetof(options, compress), 0, 0, "gzip|zstd" },
  { "verify", LB_OPTION_LEVEL, offsetof(options, verify), 0, 0, "quick|full" },
  { "tables", LB_OPTION_LIST, offsetof(options, tables), 0, 0, NULL },
  { NULL, LB_OPTION_INT, 0, 0, 0, NULL },
};

static int open_json(void **state)
{
  lb_error err = LB_ERROR_INIT;
  *state = lb_json_open(&err);
  return *state ? 0 : -1;
}

static int close_json(void **state)
{
  lb_json_close(*state);
  return 0;
}

static void test_all_kinds(void **state)
{
  lb_error err = LB_ERROR_INIT;
  options o = { .level = 7, .days = 30 };
  assert_int_equal(lb_options_parse(*state, NULL, known, &o, &err), LB_OK);
  assert_int_equal(lb_options_parse(*state, "", known, &o, &err), LB_OK);
  assert_int_equal(lb_options_parse(*state, "{\"level\":null,\"dir\":null}", known, &o, &err), LB_OK);
  assert_int_equal(o.level, 7);
  assert_null(o.dir);
  assert_int_equal(lb_options_parse(*state, "{\"level\":22,\"overwrite\":true,\"dir\":\"/a b\",\"compress\":\"zstd\","
                                    "\"verify\":\"full\"}", known, &o, &err), LB_OK);
  assert_int_equal(o.level, 22);
  assert_int_equal(o.days, 30);
  assert_int_equal(o.overwrite, 1);
  assert_string_equal(o.dir, "/a b");
  assert_string_equal(o.compress, "zstd");
  assert_string_equal(o.verify, "full");
  /* Replaced texts are freed (the sanitizer would tell); the last of two equal keys wins. */
  assert_int_equal(lb_options_parse(*state, "{\"verify\":false,\"overwrite\":0,\"dir\":\"x\",\"dir\":\"y\"}", known, &o,
                                    &err), LB_OK);
  assert_string_equal(o.verify, "false");
  assert_string_equal(o.dir, "y");
  assert_int_equal(o.overwrite, 0);
  lb_options_free(known, &o);
  assert_null(o.dir);
  assert_null(o.verify);
}

static void test_messages(void **state)
{
  static const struct { const char *json, *message; } cases[] = {
    { "{\"foo\":1}", "unknown option \"foo\" (valid: dir, level, days, overwrite, compress, verify, tables)" },
    { "{\"level\":23}", "option \"level\" must be a whole number from 1 to 22" },
    { "{\"level\":0}", "option \"level\" must be a whole number from 1 to 22" },
    { "{\"level\":1.0}", "option \"level\" must be a whole number from 1 to 22" },
    { "{\"level\":\"1\"}", "option \"level\" must be a whole number from 1 to 22" },
    { "{\"level\":9223372036854775808}", "option \"level\" must be a whole number from 1 to 22" },
    { "{\"days\":-1}", "option \"days\" must be a whole number of at least 0" },
    { "{\"overwrite\":\"yes\"}", "option \"overwrite\" must be true or false" },
    { "{\"overwrite\":2}", "option \"overwrite\" must be true or false" },
    { "{\"dir\":\"\"}", "option \"dir\" must be a text that is not empty" },
    { "{\"dir\":[\"x\"]}", "option \"dir\" must be a text that is not empty" },
    { "{\"compress\":\"bzip2\"}", "option \"compress\" must be one of gzip, zstd" },
    { "{\"compress\":\"gzip|zstd\"}", "option \"compress\" must be one of gzip, zstd" },
    { "{\"compress\":\"gz\"}", "option \"compress\" must be one of gzip, zstd" },
    { "{\"verify\":\"deep\"}", "option \"verify\" must be true, false or one of quick, full" },
    { "{\"tables\":\"\"}", "option \"tables\" must be a text or an array of texts" },
    { "{\"tables\":1}", "option \"tables\" must be a text or an array of texts" },
    { "{\"tables\":true}", "option \"tables\" must be a text or an array of texts" },
    { "{\"tables\":{\"a\":\"b\"}}", "option \"tables\" must be a text or an array of texts" },
    { "{\"tables\":[\"a\",1]}", "option \"tables\" must be a text or an array of texts" },
    { "{\"tables\":[\"a\",null]}", "option \"tables\" must be a text or an array of texts" },
    { "{\"tables\":[\"a\",\"\"]}", "option \"tables\" must be a text or an array of texts" },
    { "{\"tables\":[[\"a\"]]}", "option \"tables\" must be a text or an array of texts" },
    { "{\"tables\":[\"a\\u0000b\"]}", "options: a JSON text may not contain \\u0000; they are written as in {\"dir\":\"…\"}" },
    { "[]", "options: not a JSON object; they are written as in {\"dir\":\"…\"}" },
    { "level=1", "options: not a JSON object; they are written as in {\"dir\":\"…\"}" },
    { "{\"dir\":\"a\\u0000b\"}", "options: a JSON text may not contain \\u0000; they are written as in {\"dir\":\"…\"}" },
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    lb_error err = LB_ERROR_INIT;
    options o = { 0 };
    assert_int_equal(lb_options_parse(*state, cases[i].json, known, &o, &err), LB_MISUSE);
    assert_string_equal(err.message, cases[i].message);
    lb_options_free(known, &o);
  }
}

static int join(void *ctx, const char *text, lb_error *err)
{
  (void)err;
  lb_buf_printf(ctx, "%s;", text);
  return LB_OK;
}

/* What a list holds, read back as its users read it. */
static void expect_list(lb_json *json, const char *list, const char *want)
{
  lb_error err = LB_ERROR_INIT;
  lb_buf out = { 0 };
  assert_non_null(list);
  assert_int_equal(lb_json_each_text(json, list, join, &out, &err), LB_OK);
  assert_string_equal(out.data, want);
  lb_buf_free(&out);
}

static void test_lists(void **state)
{
  lb_error err = LB_ERROR_INIT;
  options o = { 0 };
  assert_int_equal(lb_options_parse(*state, "{\"tables\":[\"a\",\"b c\",\"\\u00fc\\\"\"],\"level\":3}", known, &o, &err),
                   LB_OK);
  expect_list(*state, o.tables, "a;b c;\xc3\xbc\";");
  assert_int_equal(o.level, 3);  /* members behind a list are read */
  assert_int_equal(lb_options_parse(*state, "{\"tables\":\"x\\\"y\\n\"}", known, &o, &err), LB_OK);
  assert_string_equal(o.tables, "[\"x\\\"y\\u000a\"]");
  assert_int_equal(lb_options_parse(*state, "{\"tables\":null}", known, &o, &err), LB_OK);
  expect_list(*state, o.tables, "x\"y\n;");
  /* A refused one changes nothing; one without any text is as if not given. */
  assert_int_equal(lb_options_parse(*state, "{\"tables\":[2]}", known, &o, &err), LB_MISUSE);
  expect_list(*state, o.tables, "x\"y\n;");
  lb_error_clear(&err);
  assert_int_equal(lb_options_parse(*state, "{\"tables\":[]}", known, &o, &err), LB_OK);
  assert_null(o.tables);
  assert_int_equal(lb_option_set(&known[6], "public.\"T\"", &o, &err), LB_OK);
  expect_list(*state, o.tables, "public.\"T\";");
  assert_int_equal(lb_option_set(&known[6], "", &o, &err), LB_MISUSE);
  assert_string_equal(err.message, "option \"tables\" must be a text or an array of texts");
  lb_options_free(known, &o);
  assert_null(o.tables);
}

static void test_a_list_that_may_not_be_empty(void **state)
{
  static const lb_option needed[] = {
    { "tables", LB_OPTION_LIST, offsetof(options, tables), 1, 0, NULL }, { NULL, LB_OPTION_INT, 0, 0, 0, NULL },
  };
  lb_error err = LB_ERROR_INIT;
  options o = { 0 };
  assert_int_equal(lb_options_parse(*state, "{\"tables\":[]}", needed, &o, &err), LB_MISUSE);
  assert_string_equal(err.message, "option \"tables\" must be a text or an array of texts, and not empty");
  assert_null(o.tables);
  lb_error_clear(&err);
  assert_int_equal(lb_options_parse(*state, "{\"tables\":[\"a\"]}", needed, &o, &err), LB_OK);
  expect_list(*state, o.tables, "a;");
  lb_options_free(needed, &o);
}

static int set(int option, const char *text, options *o, lb_error *err)
{
  lb_error_clear(err);
  return lb_option_set(&known[option], text, o, err);
}

static void test_from_text(void **state)
{
  (void)state;
  lb_error err = LB_ERROR_INIT;
  options o = { 0 };
  enum { DIR, LEVEL, DAYS, OVERWRITE, COMPRESS, VERIFY };
  assert_int_equal(set(LEVEL, "9", &o, &err), LB_OK);
  assert_int_equal(o.level, 9);
  static const char *const no_numbers[] = { "", " 1", "1 ", "1x", "+1", "-", "0x1", "99999999999999999999", "23" };
  for (size_t i = 0; i < sizeof no_numbers / sizeof no_numbers[0]; i++) {
    assert_int_equal(set(LEVEL, no_numbers[i], &o, &err), LB_MISUSE);
    assert_string_equal(err.message, "option \"level\" must be a whole number from 1 to 22");
  }
  assert_int_equal(o.level, 9);
  static const char *const yes[] = { "on", "true", "1", "yes" }, *const no[] = { "off", "false", "0", "no" };
  for (int i = 0; i < 4; i++) {
    assert_int_equal(set(OVERWRITE, yes[i], &o, &err), LB_OK);
    assert_int_equal(o.overwrite, 1);
    assert_int_equal(set(OVERWRITE, no[i], &o, &err), LB_OK);
    assert_int_equal(o.overwrite, 0);
  }
  assert_int_equal(set(OVERWRITE, "", &o, &err), LB_MISUSE);
  assert_int_equal(set(VERIFY, "on", &o, &err), LB_OK);
  assert_string_equal(o.verify, "true");
  assert_int_equal(set(VERIFY, "quick", &o, &err), LB_OK);
  assert_string_equal(o.verify, "quick");
  assert_int_equal(set(COMPRESS, "", &o, &err), LB_MISUSE);
  assert_int_equal(set(DIR, "/x", &o, &err), LB_OK);
  assert_string_equal(o.dir, "/x");
  lb_options_free(known, &o);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_all_kinds), cmocka_unit_test(test_messages), cmocka_unit_test(test_from_text),
    cmocka_unit_test(test_lists), cmocka_unit_test(test_a_list_that_may_not_be_empty),
  };
  return cmocka_run_group_tests(tests, open_json, close_json);
}

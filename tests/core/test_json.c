/* JSON: members of every type, what is refused, and that what is written reads back. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <locale.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/json.h"

/* Members as text: "key=type:value;" one after the other. */
static int describe(void *ctx, const lb_json_member *m, lb_error *err)
{
  (void)err;
  lb_buf *out = ctx;
  lb_buf_printf(out, "%s=%d:", m->key, (int)m->type);
  if (m->type == LB_JSON_INTEGER) lb_buf_printf(out, "%lld", (long long)m->integer);
  if (m->text) {
    assert_int_equal(m->text_len, strlen(m->text));
    lb_buf_text(out, m->text);
  }
  lb_buf_text(out, ";");
  return LB_OK;
}

static void expect(const char *text, const char *members)
{
  lb_error err = LB_ERROR_INIT;
  lb_buf out = { 0 };
  lb_json *json = lb_json_open(&err);
  assert_non_null(json);
  lb_buf_text(&out, "");
  assert_int_equal(lb_json_each(json, text, describe, &out, &err), LB_OK);
  assert_string_equal(out.data, members);
  lb_buf_free(&out);
  lb_json_close(json);
}

static void test_types(void **state)
{
  (void)state;
  expect("{}", "");
  expect("{\"a\":1,\"b\":null,\"c\":true,\"d\":false,\"e\":1.5,\"f\":\"x\",\"g\":[1,2],\"h\":{\"i\":1}}",
         "a=3:1;b=0:;c=1:;d=2:;e=4:;f=5:x;g=6:[1,2];h=7:{\"i\":1};");
  expect("{\"n\":-9223372036854775808,\"m\":9223372036854775807,\"big\":9223372036854775808}",
         "n=3:-9223372036854775808;m=3:9223372036854775807;big=4:;");
  expect("{\"t\":\"\",\"u\":\"\\u00fc\\n\\\"\",\"k\\u0041\":1}", "t=5:;u=5:\xc3\xbc\n\";kA=3:1;");
  expect("{\"a\":1,\"a\":2}", "a=3:1;a=3:2;");
  expect("{\"p\":\"C:\\\\u0000\"}", "p=5:C:\\u0000;");
}

static void test_refused(void **state)
{
  (void)state;
  static const char *const texts[] = { "", " ", "1", "[1]", "null", "\"x\"", "{", "{\"a\":}", "{a:1}", "{'a':1}",
                                       "{\"a\":1,}", "{} x", "{\"a\":\"\\u0000\"}", "{\"a\\u0000b\":1}", "{\"a\":[\"x\\u0000\"]}" };
  lb_error err = LB_ERROR_INIT;
  lb_json *json = lb_json_open(&err);
  lb_buf out = { 0 };
  for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
    lb_error_clear(&err);
    if (lb_json_each(json, texts[i], describe, &out, &err) != LB_MISUSE) fail_msg("not refused: %s", texts[i]);
  }
  assert_int_equal(out.len, 0);
  char *deep = malloc(20001);
  memset(deep, '[', 20000);
  memcpy(deep, "{\"a\":", 5);
  deep[20000] = 0;
  lb_error_clear(&err);
  assert_int_equal(lb_json_each(json, deep, describe, &out, &err), LB_MISUSE);
  free(deep);
  lb_buf_free(&out);
  lb_json_close(json);
}

static int stop_at_second(void *ctx, const lb_json_member *m, lb_error *err)
{
  ++*(int *)ctx;
  return strcmp(m->key, "b") == 0 ? lb_fail(err, LB_FULL, "stopped at b") : LB_OK;
}

static void test_callback_error_ends_it(void **state)
{
  (void)state;
  lb_error err = LB_ERROR_INIT;
  lb_json *json = lb_json_open(&err);
  int calls = 0;
  assert_int_equal(lb_json_each(json, "{\"a\":1,\"b\":2,\"c\":3}", stop_at_second, &calls, &err), LB_FULL);
  assert_string_equal(err.message, "stopped at b");
  assert_int_equal(calls, 2);
  lb_error_clear(&err);
  calls = 0;
  assert_int_equal(lb_json_each(json, "{\"x\":1}", stop_at_second, &calls, &err), LB_OK); /* usable afterwards */
  assert_int_equal(calls, 1);
  lb_json_close(json);
}

static void test_writing(void **state)
{
  (void)state;
  lb_buf buf = { 0 };
  setlocale(LC_ALL, "de_DE.UTF-8"); /* where it is installed, printf would write a comma */
  lb_buf_text(&buf, "{");
  lb_json_put_text(&buf, "te\"xt", "a\"b\\c\n\x01\xc3\xbc\xff\xc3(\xed\xa0\x80" "end");
  lb_json_put_text(&buf, "null", NULL);
  lb_json_put_int(&buf, "int", INT64_MIN);
  lb_json_put_real(&buf, "real", 1.23456);
  lb_json_put_real(&buf, "nan", NAN);
  lb_json_put_real(&buf, "huge", 1e308);
  lb_buf_text(&buf, ",\"nested\":[1,{}]}"); /* reading gives an array as its source text */
  assert_false(buf.failed);
  char *start = strstr(buf.data, "\"huge\":");
  assert_non_null(start);
  assert_int_equal(strncmp(buf.data,
    "{\"te\\\"xt\":\"a\\\"b\\\\c\\u000a\\u0001\xc3\xbc\xef\xbf\xbd\xef\xbf\xbd(\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"
    "end\","
    "\"null\":null,\"int\":-9223372036854775808,\"real\":1.235,\"nan\":null,", (size_t)(start - buf.data)), 0);
  lb_error err = LB_ERROR_INIT;
  lb_buf out = { 0 };
  lb_json *json = lb_json_open(&err);
  assert_int_equal(lb_json_each(json, buf.data, describe, &out, &err), LB_OK);
  assert_non_null(strstr(out.data, "te\"xt=5:a\"b\\c\n\x01\xc3\xbc"));
  assert_non_null(strstr(out.data, "huge=4:;nested=6:[1,{}];"));
  lb_buf_free(&out);
  lb_buf_free(&buf);
  lb_json_close(json);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_types), cmocka_unit_test(test_refused), cmocka_unit_test(test_callback_error_ends_it),
    cmocka_unit_test(test_writing),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

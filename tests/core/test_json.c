/* JSON: members of every type, what is refused, and that what is written reads back. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <locale.h>
#include <math.h>
#include <sqlite3.h>
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

typedef struct texts {
  lb_json *json;
  lb_buf out;
} texts;

static int join(void *ctx, const char *text, lb_error *err)
{
  texts *t = ctx;
  if (strcmp(text, "stop") == 0) return lb_fail(err, LB_FULL, "stopped");
  lb_buf_printf(&t->out, "%s;", text);
  return LB_OK;
}

static void test_each_text(void **state)
{
  (void)state;
  static const struct { const char *array; int code; const char *told; } cases[] = {
    { "[]", LB_OK, "" }, { "[\"a\",\"\",\"\\u00fc\"]", LB_OK, "a;;\xc3\xbc;" },
    { "[\"a\",1]", LB_MISUSE, "a;" }, { "[null]", LB_MISUSE, "" }, { "[[\"a\"]]", LB_MISUSE, "" },
    { "{\"a\":\"b\"}", LB_MISUSE, "" }, { "\"a\"", LB_MISUSE, "" }, { "[\"a\"", LB_MISUSE, "" }, { "", LB_MISUSE, "" },
    { "['a']", LB_MISUSE, "" }, { "[\"a\",\"b\\u0000\"]", LB_MISUSE, "" }, { "[\"a\",\"stop\",\"b\"]", LB_FULL, "a;" },
  };
  lb_error err = LB_ERROR_INIT;
  lb_json *json = lb_json_open(&err);
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    texts t = { json, { 0 } };
    lb_error_clear(&err);
    lb_buf_text(&t.out, "");
    if (lb_json_each_text(json, cases[i].array, join, &t, &err) != cases[i].code) {
      fail_msg("%s: %d %s", cases[i].array, err.code, err.message);
    }
    assert_string_equal(t.out.data, cases[i].told);
    lb_buf_free(&t.out);
  }
  lb_json_close(json);
}

#define NESTED "SELECT p.value ->> 0, p.value ->> 1 FROM json_each(?1, '$.parts') AS p"

/* Each row as "text,number;", and by the way the same connection for something else. */
static int join_row(void *ctx, sqlite3_stmt *row, lb_error *err)
{
  texts *t = ctx;
  const char *text = (const char *)sqlite3_column_text(row, 0);
  lb_buf_printf(&t->out, "%s,%lld;", text ? text : "-", (long long)sqlite3_column_int64(row, 1));
  if (text && strcmp(text, "stop") == 0) return lb_fail(err, LB_FULL, "stopped");
  return lb_json_each_text(t->json, "[\"!\"]", join, t, err);
}

static void test_rows(void **state)
{
  (void)state;
  static const struct { const char *sql, *text; int code; const char *told; } cases[] = {
    { NESTED, "{\"parts\":[[\"a\",1],[\"\\u00fc\",9223372036854775807],[]]}", LB_OK,
      "a,1;!;\xc3\xbc,9223372036854775807;!;-,0;!;" },
    { NESTED, "{\"parts\":[]}", LB_OK, "" },
    { NESTED, "{}", LB_OK, "" },
    { NESTED, "[1]", LB_OK, "" },
    { NESTED, "{\"parts\":[[\"a\",1],[\"stop\",2],[\"b\",3]]}", LB_FULL, "a,1;!;stop,2;" },
    { NESTED, "{\"parts\":[[\"a\",1]", LB_CORRUPT, "" },
    { NESTED, "", LB_CORRUPT, "" },
    { NESTED, "{parts:[]}", LB_CORRUPT, "" },
    { NESTED, "{\"parts\":[[\"a\\u0000\",1]]}", LB_CORRUPT, "" },
    { "SELECT i.value, 1 FROM json_each(?1) AS p, json_each(p.value) AS i", "[[\"a\"],\"no JSON\"]", LB_CORRUPT, "a,1;!;" },
    { "SELECT nonsense", "{}", LB_ERROR, "" },
  };
  lb_error err = LB_ERROR_INIT;
  lb_json *json = lb_json_open(&err);
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    texts t = { json, { 0 } };
    lb_error_clear(&err);
    lb_buf_text(&t.out, "");
    if (lb_json_rows(json, cases[i].sql, cases[i].text, join_row, &t, &err) != cases[i].code) {
      fail_msg("%s: %d %s", cases[i].text, err.code, err.message);
    }
    assert_string_equal(t.out.data, cases[i].told);
    lb_buf_free(&t.out);
  }
  lb_json_close(json);
}

/* A list that is made is a list that is read, as a member of an object too. */
static int nested_texts(void *ctx, const lb_json_member *m, lb_error *err)
{
  texts *t = ctx;
  assert_int_equal(m->type, LB_JSON_ARRAY);
  return lb_json_each_text(t->json, m->text, join, t, err);
}

static void test_items(void **state)
{
  (void)state;
  lb_error err = LB_ERROR_INIT;
  texts t = { lb_json_open(&err), { 0 } };
  lb_buf buf = { 0 };
  lb_buf_text(&buf, "{\"list\":[");
  lb_json_put_item(&buf, "[");
  lb_json_put_item(&buf, "");
  lb_json_put_item(&buf, "a\"\xff");
  lb_buf_text(&buf, "],\"more\":[]}");
  assert_int_equal(lb_json_each(t.json, buf.data, nested_texts, &t, &err), LB_OK);
  assert_string_equal(t.out.data, "[;;a\"\xef\xbf\xbd;");
  lb_buf_free(&buf);
  lb_buf_free(&t.out);
  lb_json_close(t.json);
}

static void test_bytes(void **state)
{
  (void)state;
  lb_buf buf = { 0 };
  assert_true(lb_json_put_bytes(&buf, "a\0\"\xc3\xbc\n", 6));
  assert_string_equal(buf.data, "\"a\\u0000\\\"\xc3\xbc\\u000a\"");
  assert_true(lb_json_put_bytes(&buf, "", 0));
  size_t n = buf.len;
  assert_false(lb_json_put_bytes(&buf, "a\xff", 2));
  assert_false(lb_json_put_bytes(&buf, "a\xc3", 2));
  assert_false(lb_json_put_bytes(&buf, "\xed\xa0\x80", 3));
  assert_int_equal(buf.len, n);
  lb_buf_free(&buf);
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
    cmocka_unit_test(test_each_text), cmocka_unit_test(test_rows), cmocka_unit_test(test_items),
    cmocka_unit_test(test_bytes), cmocka_unit_test(test_writing),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

/* COPY text into rows and fields: escapes, rows that do not fit, and the same result however the bytes are cut. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "postgres/copy_rows.h"

/* All rows of text as "[field|field]", NULL as (null); an error ends it with "!message". */
static void read_pieces(const char *text, size_t n, int fields, size_t piece, lb_buf *out)
{
  lb_error err = LB_ERROR_INIT;
  lb_buf buf = { 0 };
  lb_copy_rows *rows = lb_copy_rows_open(&err);
  lb_copy_rows_begin(rows, fields, 7, &err);
  lb_buf_text(out, "");
  for (size_t at = 0; at < n && !err.code; at += piece) {
    size_t len = n - at < piece ? n - at : piece;
    char *copy = malloc(len);  /* of its own, so that sanitizers see a look beyond it */
    memcpy(copy, text + at, len);
    lb_copy_rows_put(rows, copy, len, &err);
    free(copy);
    bool found = true;
    int tag;
    while (!err.code && lb_copy_rows_next(rows, &found, &tag, &err) == LB_OK && found) {
      assert_int_equal(tag, 7);
      lb_buf_text(out, "[");
      for (int i = 0; i < fields && !err.code; i++) {
        lb_copy_field f;
        if (lb_copy_rows_field(rows, i, &buf, &f, &err)) break;
        if (i) lb_buf_text(out, "|");
        if (f.null) lb_buf_text(out, "(null)");
        else lb_buf_append(out, f.text, f.len);
      }
      if (!err.code) lb_buf_text(out, "]");
    }
  }
  if (err.code) lb_buf_printf(out, "!%d %s", err.code, err.message);
  lb_copy_rows_close(rows);
  lb_buf_free(&buf);
}

static void expect_bytes(const char *text, size_t n, int fields, const char *want, size_t want_len)
{
  static const size_t pieces[] = { SIZE_MAX / 2, 1, 3, 7 };
  for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++) {
    lb_buf out = { 0 };
    read_pieces(text, n, fields, pieces[i], &out);
    if (out.len != want_len) assert_string_equal(out.data, want);
    assert_memory_equal(out.data, want, want_len);
    lb_buf_free(&out);
  }
}

static void expect(const char *text, int fields, const char *want)
{
  expect_bytes(text, strlen(text), fields, want, strlen(want));
}

static void test_rows(void **state)
{
  (void)state;
  expect("1\tone\n2\t\\N\n\t\n", 2, "[1|one][2|(null)][|]");
  expect("a\n\n\\N\nN\n\\N \n", 1, "[a][][(null)][N][N ]");
  expect("\n\n", 0, "[][]");
  expect("no newline yet", 1, "");
  expect("", 3, "");
}

static void test_escapes(void **state)
{
  (void)state;
  expect("\\b\\f\\n\\r\\t\\v\n", 1, "[\b\f\n\r\t\v]");
  expect("a\\\\b\\q\\\\\\N\n", 1, "[a\\bq\\N]");
  expect("\\101\\1012\\1x\\x41\\x4g\\xg\n", 1, "[AA2\1xA\4gxg]");
  expect("\\777\\xfff\n", 1, "[\xff\xff" "f]");
  expect("a\\\tb\tc\\\\\td\n", 3, "[a\tb|c\\|d]");
  expect("\\\\.\n\\\\N\n", 1, "[\\.][\\N]");
}

static void test_line_ends(void **state)
{
  (void)state;
  expect("a\tb\r\nc\t\\N\r\n\\r\t\\\r\r\n", 2, "[a|b][c|(null)][\r|\r]");
  expect("a\r\nb\n", 1, "[a]!9 it ends with LF alone, and rows before it do not");
  expect("a\nb\r\n", 1, "[a]!9 it ends with CR LF, and rows before it do not");
  expect("\r\n\r\n", 0, "[][]");
}

static void test_refused(void **state)
{
  (void)state;
  expect("1\t2\n1\n", 2, "[1|2]!9 it has 1 field, its COPY 2 columns");
  expect("1\t2\t3\n", 2, "!9 it has 3 fields, its COPY 2 columns");
  expect("1\t2\n", 1, "!9 it has 2 fields, its COPY 1 column");
  expect("x\n", 0, "!9 it has 1 field, its COPY 0 columns");
  expect("a\\\nb\n", 1, "!9 a backslash at its end escapes nothing");
  expect("\\\n", 1, "!9 a backslash at its end escapes nothing");
  expect("a\\.\n", 1, "[!9 it has \\. inside, which ends a COPY");
  expect("a\\000b\n", 1, "[!9 it has a zero byte");
  expect("\\x0\n", 1, "[!9 it has a zero byte");
  expect_bytes("a\0b\n", 4, 1, "[!9 it has a zero byte", 22);
}

/* Several COPY of other columns before a row is asked for; rows that are stepped over; one that is longer than what is
** kept. */
static void test_several(void **state)
{
  (void)state;
  lb_error err = LB_ERROR_INIT;
  lb_buf buf = { 0 };
  lb_copy_field f;
  bool found;
  int tag;
  lb_copy_rows *rows = lb_copy_rows_open(&err);
  lb_copy_rows_begin(rows, 1, 0, &err);
  lb_copy_rows_put(rows, "a\nb\n", 4, &err);
  for (int i = 1; i < 50; i++) lb_copy_rows_begin(rows, 3, i, &err);
  lb_copy_rows_begin(rows, 2, 50, &err);
  lb_copy_rows_put(rows, "c\td\ne\tf\n", 8, &err);
  assert_int_equal(lb_copy_rows_skip(rows, 1), 1);
  assert_int_equal(lb_copy_rows_next(rows, &found, &tag, &err), LB_OK);
  assert_true(found && tag == 0);
  assert_int_equal(lb_copy_rows_next(rows, &found, &tag, &err), LB_OK);
  assert_true(found && tag == 50);
  lb_copy_rows_field(rows, 1, &buf, &f, &err);
  assert_true(f.len == 1 && *f.text == 'd');
  assert_int_equal(lb_copy_rows_skip(rows, 5), 1);
  assert_int_equal(lb_copy_rows_next(rows, &found, &tag, &err), LB_OK);
  assert_false(found);
  lb_copy_rows_begin(rows, 1, 3, &err);
  char *wide = malloc(1000000);
  memset(wide, 'x', 1000000);
  for (int i = 0; i < 20; i++) lb_copy_rows_put(rows, wide, 1000000, &err);
  lb_copy_rows_put(rows, "\nend\n", 5, &err);
  assert_int_equal(lb_copy_rows_next(rows, &found, &tag, &err), LB_OK);
  lb_copy_rows_field(rows, 0, &buf, &f, &err);
  assert_true(found && tag == 3 && f.len == 20000000);
  lb_copy_rows_put(rows, "more\n", 5, &err);
  assert_int_equal(lb_copy_rows_skip(rows, 5), 2);
  assert_int_equal(err.code, LB_OK);
  free(wide);
  lb_buf_free(&buf);
  lb_copy_rows_close(rows);
}

/* Bytes of no sense: an error or rows, never a look beyond them. Each is its own allocation in read_pieces. */
static void test_hostile(void **state)
{
  (void)state;
  static const char letters[] = "\\\\\\\t\n\rNx.07ab";
  uint32_t seed = 1;
  for (int round = 0; round < 3000; round++) {
    char text[40];
    size_t n = round % sizeof text;
    for (size_t i = 0; i < n; i++) {
      seed = seed * 1664525 + 1013904223;
      text[i] = letters[(seed >> 16) % (sizeof letters - 1)];
    }
    lb_buf whole = { 0 };
    read_pieces(text, n, round % 3 + 1, SIZE_MAX / 2, &whole);
    expect_bytes(text, n, round % 3 + 1, whole.data, whole.len);
    lb_buf_free(&whole);
  }
}

int main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_rows), cmocka_unit_test(test_escapes), cmocka_unit_test(test_line_ends),
    cmocka_unit_test(test_refused), cmocka_unit_test(test_several), cmocka_unit_test(test_hostile),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Values of PostgreSQL as SQLite holds them, and text of other encodings. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "postgres/datum.h"

static lb_buf out, buf;

/* "i 7", "r 0.5", "t text", "b hexadecimal", "!message". */
static const char *read_as(lb_pg_kind kind, const char *text, size_t n, const char *encoding)
{
  lb_error err = LB_ERROR_INIT;
  lb_pg_datum d;
  lb_pg_encoding *e = lb_pg_encoding_open(encoding, &err);
  assert_non_null(e);
  out.len = 0;
  if (lb_pg_datum_read(kind, text, n, e, &buf, &d, &err)) lb_buf_printf(&out, "!%s", err.message);
  else if (d.type == LB_PG_IS_INTEGER) lb_buf_printf(&out, "i %lld", (long long)d.integer);
  else if (d.type == LB_PG_IS_REAL) lb_buf_printf(&out, "r %.17g", d.real);
  else if (d.type == LB_PG_IS_TEXT) lb_buf_printf(&out, "t %.*s", (int)d.len, d.data);
  else {
    lb_buf_text(&out, "b ");
    for (size_t i = 0; i < d.len; i++) lb_buf_printf(&out, "%02x", (unsigned char)d.data[i]);
  }
  lb_pg_encoding_close(e);
  return out.data;
}

static const char *as(lb_pg_kind kind, const char *text)
{
  return read_as(kind, text, strlen(text), NULL);
}

static void test_integers(void **state)
{
  (void)state;
  assert_string_equal(as(LB_PG_INTEGER, "0"), "i 0");
  assert_string_equal(as(LB_PG_INTEGER, "-9223372036854775808"), "i -9223372036854775808");
  assert_string_equal(as(LB_PG_INTEGER, "9223372036854775807"), "i 9223372036854775807");
  assert_string_equal(as(LB_PG_INTEGER, "9223372036854775808"), "t 9223372036854775808");
  assert_string_equal(as(LB_PG_INTEGER, "-9223372036854775809"), "t -9223372036854775809");
  assert_string_equal(as(LB_PG_INTEGER, ""), "t ");
  assert_string_equal(as(LB_PG_INTEGER, "-"), "t -");
  assert_string_equal(as(LB_PG_INTEGER, "12 "), "t 12 ");
  assert_string_equal(as(LB_PG_BOOLEAN, "t"), "i 1");
  assert_string_equal(as(LB_PG_BOOLEAN, "f"), "i 0");
  assert_string_equal(as(LB_PG_BOOLEAN, "true"), "t true");
  assert_string_equal(as(LB_PG_BOOLEAN, ""), "t ");
}

static void test_numbers(void **state)
{
  (void)state;
  assert_string_equal(as(LB_PG_NUMERIC, "1.10"), "r 1.1000000000000001");
  assert_string_equal(as(LB_PG_NUMERIC, "5.00"), "i 5");
  assert_string_equal(as(LB_PG_NUMERIC, "-0.000"), "i 0");
  assert_string_equal(as(LB_PG_NUMERIC, "9223372036854775807.0"), "i 9223372036854775807");
  assert_string_equal(as(LB_PG_NUMERIC, "9223372036854775808"), "t 9223372036854775808");
  assert_string_equal(as(LB_PG_NUMERIC, "1000000000000000000000.00"), "r 1e+21");
  assert_string_equal(as(LB_PG_NUMERIC, "123456789012.345"), "r 123456789012.345");
  assert_string_equal(as(LB_PG_NUMERIC, "1234567890123.456"), "t 1234567890123.456");
  assert_string_equal(as(LB_PG_NUMERIC, "0.00000000000000123456789012345"), "r 1.2345678901234501e-15");
  assert_string_equal(as(LB_PG_NUMERIC, "0.1234567890123456"), "t 0.1234567890123456");
  assert_string_equal(as(LB_PG_NUMERIC, "NaN"), "t NaN");
  assert_string_equal(as(LB_PG_NUMERIC, "-Infinity"), "t -Infinity");
  assert_string_equal(as(LB_PG_NUMERIC, "."), "t .");
  assert_string_equal(as(LB_PG_NUMERIC, "1."), "t 1.");
  assert_string_equal(as(LB_PG_NUMERIC, "1e5"), "t 1e5");
  assert_string_equal(as(LB_PG_NUMERIC, "1.2.3"), "t 1.2.3");
  assert_string_equal(as(LB_PG_NUMERIC, ""), "t ");
  char wide[600] = "0.";
  memset(wide + 2, '0', 500);
  strcpy(wide + 502, "1");
  assert_string_equal(as(LB_PG_NUMERIC, wide) + 2, wide);
  assert_string_equal(as(LB_PG_REAL, "0.30000000000000004"), "r 0.30000000000000004");
  assert_string_equal(as(LB_PG_REAL, "-1.5e-300"), "r -1.5000000000000001e-300");
  assert_string_equal(as(LB_PG_REAL, "4.9e-324"), "r 4.9406564584124654e-324");
  assert_string_equal(as(LB_PG_REAL, "1e400"), "t 1e400");
  assert_string_equal(as(LB_PG_REAL, "Infinity"), "t Infinity");
  assert_string_equal(as(LB_PG_REAL, "nan"), "t nan");
  assert_string_equal(as(LB_PG_REAL, "0x10"), "t 0x10");
  assert_string_equal(as(LB_PG_REAL, " 1"), "t  1");
  assert_string_equal(as(LB_PG_REAL, wide) + 2, wide);
}

/* The host's locale, one with a decimal comma here, has nothing to say about it. */
static void test_locale(void **state)
{
  (void)state;
  char dir[] = "/tmp/lb_locale_XXXXXX", command[400];
  assert_non_null(mkdtemp(dir));
  snprintf(command, sizeof command,
           "cd %s && printf 'LC_NUMERIC\\ndecimal_point \",\"\\nthousands_sep \"\"\\ngrouping -1\\nEND LC_NUMERIC\\n"
           "LC_CTYPE\\ncopy \"POSIX\"\\nEND LC_CTYPE\\n' >source && "
           "localedef -c -i source -f ANSI_X3.4-1968 %s/comma >/dev/null 2>&1; test -d comma", dir, dir);
  assert_int_equal(system(command), 0);
  setenv("LOCPATH", dir, 1);
  assert_non_null(setlocale(LC_NUMERIC, "comma"));
  assert_string_equal(as(LB_PG_NUMERIC, "1.5"), "r 1,5");  /* printf's comma, not ours */
  setlocale(LC_NUMERIC, "C");
  snprintf(command, sizeof command, "rm -rf %s", dir);
  assert_int_equal(system(command), 0);
}

static void test_bytea(void **state)
{
  (void)state;
  assert_string_equal(as(LB_PG_BYTEA, "\\x00fFa0"), "b 00ffa0");
  assert_string_equal(as(LB_PG_BYTEA, "\\x"), "b ");
  assert_string_equal(as(LB_PG_BYTEA, "\\x0"), "!this is no bytea");
  assert_string_equal(as(LB_PG_BYTEA, "\\x0g"), "!this is no bytea");
  assert_string_equal(as(LB_PG_BYTEA, ""), "b ");
  assert_string_equal(as(LB_PG_BYTEA, "a\\\\b\\000\\377"), "b 615c6200ff");
  assert_string_equal(as(LB_PG_BYTEA, "\\400"), "!this is no bytea");
  assert_string_equal(as(LB_PG_BYTEA, "\\18"), "!this is no bytea");
  assert_string_equal(as(LB_PG_BYTEA, "\\"), "!this is no bytea");
  char wide[10003] = "\\x";
  memset(wide + 2, '4', 10000);
  assert_int_equal(strlen(as(LB_PG_BYTEA, wide)), 10002);
}

static void test_text(void **state)
{
  (void)state;
  assert_string_equal(as(LB_PG_TEXT, "gr\xc3\xbc\xc3\x9f"), "t gr\xc3\xbc\xc3\x9f");
  assert_string_equal(as(LB_PG_TEXT, "gr\xfc"), "b 6772fc");
  assert_string_equal(as(LB_PG_INTEGER, "\xff"), "b ff");
  assert_string_equal(read_as(LB_PG_TEXT, "\xff", 1, "SQL_ASCII"), "b ff");
  assert_string_equal(read_as(LB_PG_TEXT, "\xc3\xbc", 2, "SQL_ASCII"), "t \xc3\xbc");
  assert_string_equal(read_as(LB_PG_TEXT, "\xc3\xbc", 2, "MULE_INTERNAL"), "b c3bc");
  assert_string_equal(read_as(LB_PG_TEXT, "plain", 5, "MULE_INTERNAL"), "t plain");
  assert_string_equal(read_as(LB_PG_TEXT, "gr\xfc", 3, "LATIN1"), "t gr\xc3\xbc");
  assert_string_equal(read_as(LB_PG_TEXT, "\xa4", 1, "latin-9"), "t \xe2\x82\xac");
  assert_string_equal(read_as(LB_PG_TEXT, "\xb4\xc1", 2, "EUC_JP"), "t \xe6\xbc\xa2");
  assert_string_equal(read_as(LB_PG_TEXT, "\xb4", 1, "EUC_JP"), "b b4");
  assert_string_equal(read_as(LB_PG_TEXT, "\xca", 1, "KOI8R"), "t \xd0\xb9");
  lb_error err = LB_ERROR_INIT;
  assert_null(lb_pg_encoding_open("SJIS", &err));
  assert_string_equal(err.message, "the script is in SJIS, in which quotes cannot be told from parts of characters: dump "
                                   "again in UTF8 (pg_dump --encoding=UTF8)");
}

static void test_names(void **state)
{
  (void)state;
  lb_error err = LB_ERROR_INIT;
  lb_pg_encoding *latin = lb_pg_encoding_open("LATIN1", &err), *utf8 = lb_pg_encoding_open(NULL, &err);
  lb_buf name = { 0 };
  lb_pg_encoding_name(latin, "n\xe9m", &name);
  lb_pg_encoding_name(utf8, ",n\xe9m,\xc3\xa9\xed\xa0\x80", &name);
  lb_pg_name_in_json(",\xe9", &name);
  assert_string_equal(name.data, "n\xc3\xa9m,n\xef\xbf\xbdm,\xc3\xa9\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd,\xef\xbf\xbd");
  lb_buf_free(&name);
  lb_pg_encoding_close(latin);
  lb_pg_encoding_close(utf8);
}

static int free_buffers(void **state)
{
  (void)state;
  lb_buf_free(&out);
  lb_buf_free(&buf);
  return 0;
}

int main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_integers), cmocka_unit_test(test_numbers), cmocka_unit_test(test_locale),
    cmocka_unit_test(test_bytea), cmocka_unit_test(test_text), cmocka_unit_test(test_names),
  };
  return cmocka_run_group_tests(tests, NULL, free_buffers);
}

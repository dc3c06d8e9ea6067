/* Values from their binary form into COPY's text: what PostgreSQL 15 itself writes for the same bytes (binary_out.bats
** holds many more against a server), there and back with wire.h, and bytes that are no value of the type. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "postgres/wire_text.h"

static unsigned char *bytes_of(const char *hex, size_t *n)
{
  *n = strlen(hex) / 2;
  unsigned char *bytes = malloc(*n ? *n : 1);  /* of its own, so that sanitizers see a look beyond it */
  for (size_t i = 0; i < *n; i++) {
    unsigned byte;
    if (sscanf(hex + 2 * i, "%2x", &byte) != 1) abort();
    bytes[i] = (unsigned char)byte;
  }
  return bytes;
}

static void expect(lb_wire wire, const char *hex, const char *text)
{
  size_t n;
  unsigned char *bytes = bytes_of(hex, &n);
  lb_buf out = { 0 };
  lb_buf_text(&out, "before ");
  if (!lb_wire_text(wire, bytes, n, &out)) fail_msg("%s was refused, for '%s'", hex, text);
  assert_string_equal(out.data + 7, text);
  assert_int_equal(out.len, 7 + strlen(text));
  lb_buf_free(&out);
  free(bytes);
}

static void refuse(lb_wire wire, const char *const *all)
{
  lb_buf out = { 0 };
  lb_buf_text(&out, "before");
  for (; *all; all++) {
    size_t n;
    unsigned char *bytes = bytes_of(*all, &n);
    if (lb_wire_text(wire, bytes, n, &out)) fail_msg("%s was taken", *all);
    assert_string_equal(out.data, "before");
    assert_int_equal(out.len, 6);
    free(bytes);
  }
  lb_buf_free(&out);
}

#define REFUSE(wire, ...) refuse(wire, (const char *const[]){ __VA_ARGS__, NULL })

static void expect_more(lb_wire wire, const char *first, const char *more, const char *text)
{
  size_t n, m;
  unsigned char *one = bytes_of(first, &n), *two = bytes_of(more, &m);
  lb_buf out = { 0 };
  assert_true(lb_wire_text(wire, one, n, &out) && lb_wire_text_more(wire, two, m, &out));
  assert_string_equal(out.data, text);
  lb_buf_free(&out);
  free(one);
  free(two);
}

static void test_pieces(void **state)
{
  (void)state;
  expect_more(LB_WIRE_STRING, "61095c", "5c62", "a\\t\\\\\\\\b");
  expect_more(LB_WIRE_STRING, "", "", "");
  expect_more(LB_WIRE_BYTEA, "00ff", "5c610102030405060708", "\\\\x00ff5c610102030405060708");
  expect_more(LB_WIRE_BYTEA, "", "", "\\\\x");
}

static void test_strings(void **state)
{
  (void)state;
  expect(LB_WIRE_STRING, "", "");
  expect(LB_WIRE_STRING, "616263", "abc");
  expect(LB_WIRE_STRING, "08090a0b0c0d5c", "\\b\\t\\n\\v\\f\\r\\\\");
  expect(LB_WIRE_STRING, "01070e1f7f80ff", "\x01\x07\x0e\x1f\x7f\x80\xff");
  /* At every place of sixteen bytes that are looked at together, and behind them. */
  for (int at = 0; at < 40; at++) {
    char hex[81], text[42];
    for (int i = 0; i < 40; i++) snprintf(hex + 2 * i, 3, "%02x", i == at ? '\n' : 'a' + i % 26);
    for (int i = 0, k = 0; i < 40; i++) {
      if (i == at) text[k++] = '\\';
      text[k++] = i == at ? 'n' : (char)('a' + i % 26);
      text[k] = 0;
    }
    expect(LB_WIRE_STRING, hex, text);
  }
  expect(LB_WIRE_JSONB, "015b315d", "[1]");
  expect(LB_WIRE_JSONB, "01225c6e22", "\"\\\\n\"");
  REFUSE(LB_WIRE_JSONB, "", "00", "025b315d");
  expect(LB_WIRE_BYTEA, "", "\\\\x");
  expect(LB_WIRE_BYTEA, "00ffab", "\\\\x00ffab");
  expect(LB_WIRE_BYTEA, "000102030405060708090a0b0c0d0e0f10f1e2d3c4b5a69788796a5b4c3d2e1f",
         "\\\\x000102030405060708090a0b0c0d0e0f10f1e2d3c4b5a69788796a5b4c3d2e1f");
  expect(LB_WIRE_UUID, "00112233445566778899aabbccddeeff", "00112233-4455-6677-8899-aabbccddeeff");
  REFUSE(LB_WIRE_UUID, "", "00112233445566778899aabbccddee", "00112233445566778899aabbccddeeff00");
  REFUSE(LB_WIRE_NONE, "", "00");
  REFUSE(LB_WIRE_FLOAT8, "3ff8000000000000");
  REFUSE(LB_WIRE_FLOAT4, "3dcccccd");
}

static void test_integers(void **state)
{
  (void)state;
  expect(LB_WIRE_BOOL, "01", "t");
  expect(LB_WIRE_BOOL, "00", "f");
  expect(LB_WIRE_INT2, "8000", "-32768");
  expect(LB_WIRE_INT2, "7fff", "32767");
  expect(LB_WIRE_INT4, "00000000", "0");
  expect(LB_WIRE_INT4, "00000009", "9");
  expect(LB_WIRE_INT4, "0000000a", "10");
  expect(LB_WIRE_INT4, "00000063", "99");
  expect(LB_WIRE_INT4, "00000064", "100");
  expect(LB_WIRE_INT4, "ffffffff", "-1");
  expect(LB_WIRE_INT4, "80000000", "-2147483648");
  expect(LB_WIRE_INT4, "7fffffff", "2147483647");
  expect(LB_WIRE_INT8, "8000000000000000", "-9223372036854775808");
  expect(LB_WIRE_INT8, "7fffffffffffffff", "9223372036854775807");
  REFUSE(LB_WIRE_BOOL, "", "0000");
  REFUSE(LB_WIRE_INT2, "", "00", "000000");
  REFUSE(LB_WIRE_INT4, "", "000000", "0000000000");
  REFUSE(LB_WIRE_INT8, "", "00000000", "00000000000000", "000000000000000000");
}

static void test_numerics(void **state)
{
  (void)state;
  expect(LB_WIRE_NUMERIC, "0000000000000000", "0");
  expect(LB_WIRE_NUMERIC, "0000000000000002", "0.00");
  expect(LB_WIRE_NUMERIC, "00010000000000000001", "1");
  expect(LB_WIRE_NUMERIC, "000200004000000200011388", "-1.50");
  expect(LB_WIRE_NUMERIC, "000200010000000000010929", "12345");
  expect(LB_WIRE_NUMERIC, "00010001000000000001", "10000");
  expect(LB_WIRE_NUMERIC, "00040002000000010001000000001388", "100000000.5");
  expect(LB_WIRE_NUMERIC, "0001ffff000000040001", "0.0001");
  expect(LB_WIRE_NUMERIC, "0001fffe0000000503e8", "0.00001");
  expect(LB_WIRE_NUMERIC, "0001fffe0000000103e8", "0.0");
  expect(LB_WIRE_NUMERIC, "00000000c0000000", "NaN");
  expect(LB_WIRE_NUMERIC, "00000000d0000000", "Infinity");
  expect(LB_WIRE_NUMERIC, "00000000f0000000", "-Infinity");
  /* Too short, groups missing or too many, of more than four digits, a sign or a scale that is none. */
  REFUSE(LB_WIRE_NUMERIC, "", "00000000000000", "0001000000000000", "00000000000000000001", "00010000000000002710",
         "00010000800000000001", "0001000000004000" "0001");
}

static void test_addresses(void **state)
{
  (void)state;
  expect(LB_WIRE_INET, "022000040a000001", "10.0.0.1");
  expect(LB_WIRE_INET, "02080004ff00640a", "255.0.100.10/8");
  expect(LB_WIRE_INET, "0200000400000000", "0.0.0.0/0");
  expect(LB_WIRE_CIDR, "022001040a000001", "10.0.0.1/32");
  expect(LB_WIRE_CIDR, "03800110" "20010db8000000000000000000000001", "2001:db8::1/128");
  expect(LB_WIRE_INET, "03800010" "00000000000000000000000000000000", "::");
  expect(LB_WIRE_INET, "03800010" "00000000000000000000000000000001", "::1");
  expect(LB_WIRE_INET, "03800010" "00000000000000000000000000000002", "::2");
  expect(LB_WIRE_INET, "03400010" "0000000000000000000000000000abcd", "::abcd/64");
  expect(LB_WIRE_INET, "03800010" "00000000000000000000ffff01020304", "::ffff:1.2.3.4");
  expect(LB_WIRE_INET, "03800010" "00000000000000000000000001020304", "::1.2.3.4");
  /* Family, bits, length. */
  REFUSE(LB_WIRE_INET, "", "012000040a000001", "022100040a000001", "022000050a000001", "022000040a0000",
         "022000040a00000100", "03810010" "00000000000000000000000000000001", "02200010" "00000000000000000000000000000001");
}

static void test_times(void **state)
{
  (void)state;
  expect(LB_WIRE_DATE, "00000000", "2000-01-01");
  expect(LB_WIRE_DATE, "ffffffff", "1999-12-31");
  expect(LB_WIRE_DATE, "0000003b", "2000-02-29");
  expect(LB_WIRE_DATE, "0000003c", "2000-03-01");
  expect(LB_WIRE_DATE, "7fffffff", "infinity");
  expect(LB_WIRE_DATE, "80000000", "-infinity");
  expect(LB_WIRE_DATE, "fff4dbf9", "0001-01-01");
  expect(LB_WIRE_DATE, "fff4dbf8", "0001-12-31 BC");
  expect(LB_WIRE_DATE, "ffda97a7", "4714-11-24 BC");
  expect(LB_WIRE_DATE, "7fda970c", "5874897-12-31");
  expect(LB_WIRE_TIME, "0000000000000000", "00:00:00");
  expect(LB_WIRE_TIME, "000000141dd75fff", "23:59:59.999999");
  expect(LB_WIRE_TIME, "000000141dd76000", "24:00:00");
  expect(LB_WIRE_TIME, "000000000007a120", "00:00:00.5");
  REFUSE(LB_WIRE_TIME, "000000141dd76001", "ffffffffffffffff", "00000000", "");
  expect(LB_WIRE_TIMESTAMP, "0000000000000000", "2000-01-01 00:00:00");
  expect(LB_WIRE_TIMESTAMP, "ffffffffffffffff", "1999-12-31 23:59:59.999999");
  expect(LB_WIRE_TIMESTAMPTZ, "ffffffffffffffff", "1999-12-31 23:59:59.999999+00");
  expect(LB_WIRE_TIMESTAMP, "7fffff5bb3b29fff", "294276-12-31 23:59:59.999999");
  expect(LB_WIRE_TIMESTAMP, "fd0f7cc1411fa000", "4714-11-24 00:00:00 BC");
  expect(LB_WIRE_TIMESTAMP, "7fffffffffffffff", "infinity");
  expect(LB_WIRE_TIMESTAMPTZ, "8000000000000000", "-infinity");
  expect(LB_WIRE_TIMESTAMPTZ, "ff1af9deec5b2000", "0044-03-15 00:00:00+00 BC");
  REFUSE(LB_WIRE_TIMESTAMP, "", "00000000", "000000000000000000");
  REFUSE(LB_WIRE_DATE, "", "0000000000000000");
}

/* Every day of five thousand years as wire.h reads it again, and the others by counting. */
static void test_calendar(void **state)
{
  (void)state;
  for (int32_t day = -730119; day < 2921940; day++) {
    char text[LB_WIRE_TIME_BYTES];
    int32_t back;
    char *end = lb_wire_put_date(day, text);
    if (!lb_wire_date(text, (size_t)(end - text), &back) || back != day) fail_msg("day %d: %.*s", day, (int)(end - text), text);
  }
}

int main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_pieces), cmocka_unit_test(test_strings), cmocka_unit_test(test_integers), cmocka_unit_test(test_numerics),
    cmocka_unit_test(test_addresses), cmocka_unit_test(test_times), cmocka_unit_test(test_calendar),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

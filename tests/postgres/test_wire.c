/* Values into their binary form: the bytes that PostgreSQL 15 itself writes for them (COPY … TO … WITH (FORMAT binary);
** binary.bats holds many more against a server), and what is left to the server. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "postgres/wire.h"

static bool put(lb_wire wire, const char *text, lb_buf *out)
{
  size_t n = strlen(text);
  char *copy = malloc(n ? n : 1);  /* of its own, so that sanitizers see a look beyond it */
  memcpy(copy, text, n);
  bool done = lb_wire_put(wire, copy, n, out);
  free(copy);
  return done;
}

/* hex: the field, its length included. */
static void expect(lb_wire wire, const char *text, const char *hex)
{
  lb_buf out = { 0 };
  char got[512] = "";
  if (!put(wire, text, &out)) fail_msg("'%s' was refused", text);
  for (size_t i = 0; i < out.len; i++) snprintf(got + 2 * i, 3, "%02x", (unsigned char)out.data[i]);
  assert_string_equal(got, hex);
  lb_buf_free(&out);
}

static void refuse(lb_wire wire, const char *const *texts)
{
  lb_buf out = { 0 };
  lb_buf_text(&out, "before");
  for (; *texts; texts++) {
    if (put(wire, *texts, &out)) fail_msg("'%s' was taken", *texts);
    assert_string_equal(out.data, "before");
    assert_int_equal(out.len, 6);
  }
  lb_buf_free(&out);
}

#define REFUSE(wire, ...) refuse(wire, (const char *const[]){ __VA_ARGS__, NULL })

static void test_strings(void **state)
{
  (void)state;
  expect(LB_WIRE_STRING, "", "00000000");
  expect(LB_WIRE_STRING, "ab\tc", "0000000461620963");
  expect(LB_WIRE_JSONB, "[1]", "00000004015b315d");
  expect(LB_WIRE_BYTEA, "\\x", "00000000");
  expect(LB_WIRE_BYTEA, "\\x00FfaB", "0000000300ffab");
  expect(LB_WIRE_BYTEA, "\\x000102030405060708090a0b0c0d0e0f1011", "00000012000102030405060708090a0b0c0d0e0f1011");
  REFUSE(LB_WIRE_BYTEA, "", "\\", "abc", "\\x1", "\\x0g", "\\x01 02", "x00", "\\\\x00", "\\x0001020304050607080g",
         "\\x0/", "\\x0:", "\\x`0", "\\x@0", "\\xG0", "\\x00010203040506`7", "\\x0001020304/50607", "\\x00010203:4050607");
  expect(LB_WIRE_UUID, "00112233-4455-6677-8899-aAbBcCdDeEfF", "0000001000112233445566778899aabbccddeeff");
  REFUSE(LB_WIRE_UUID, "", "00112233445566778899aabbccddeeff", "{00112233-4455-6677-8899-aabbccddeeff}",
         "00112233-4455-6677-8899-aabbccddeef", "00112233-4455-6677-8899-aabbccddeefg",
         "00112233-4455-6677-8899aaabbccddeeff", "0011-22334455-6677-8899-aabbccddeeff");
  REFUSE(LB_WIRE_NONE, "", "1");
}

static void test_integers(void **state)
{
  (void)state;
  expect(LB_WIRE_BOOL, "t", "0000000101");
  expect(LB_WIRE_BOOL, "f", "0000000100");
  REFUSE(LB_WIRE_BOOL, "", "T", "true", "1", "0", "tt");
  expect(LB_WIRE_INT2, "-32768", "000000028000");
  expect(LB_WIRE_INT2, "32767", "000000027fff");
  expect(LB_WIRE_INT4, "-1", "00000004ffffffff");
  expect(LB_WIRE_INT4, "2147483647", "000000047fffffff");
  expect(LB_WIRE_INT4, "-2147483648", "0000000480000000");
  expect(LB_WIRE_INT4, "007", "0000000400000007");
  expect(LB_WIRE_INT8, "9223372036854775807", "000000087fffffffffffffff");
  expect(LB_WIRE_INT8, "-9223372036854775808", "000000088000000000000000");
  expect(LB_WIRE_INT8, "0", "000000080000000000000000");
  REFUSE(LB_WIRE_INT2, "32768", "-32769");
  REFUSE(LB_WIRE_INT4, "2147483648", "-2147483649", "4294967296", "", "-", "+1", " 1", "1 ", "1.0", "0x1", "1_000", "1e1");
  REFUSE(LB_WIRE_INT8, "9223372036854775808", "-9223372036854775809", "18446744073709551616", "99999999999999999999999");
}

static void test_floats(void **state)
{
  (void)state;
  expect(LB_WIRE_FLOAT8, "1.5", "000000083ff8000000000000");
  expect(LB_WIRE_FLOAT8, "-0", "000000088000000000000000");
  expect(LB_WIRE_FLOAT8, "0.1", "000000083fb999999999999a");
  expect(LB_WIRE_FLOAT8, "1.7976931348623157e+308", "000000087fefffffffffffff");
  expect(LB_WIRE_FLOAT8, "2.2250738585072014e-308", "000000080010000000000000");
  expect(LB_WIRE_FLOAT4, "0.1", "000000043dcccccd");
  expect(LB_WIRE_FLOAT4, "3.4028235e+38", "000000047f7fffff");
  expect(LB_WIRE_FLOAT4, "16777217", "000000044b800000");
  REFUSE(LB_WIRE_FLOAT8, "", "NaN", "Infinity", "-Infinity", "1e309", "1e-400", "1.5x", "0x1p3", " 1", "1 ", ".", "e5", "1e",
         "1,5", "1.5.5");
  REFUSE(LB_WIRE_FLOAT4, "1e39", "3.5e38", "1e-60");
  if (setlocale(LC_NUMERIC, "de_DE.UTF-8")) expect(LB_WIRE_FLOAT8, "1.5", "000000083ff8000000000000");
  setlocale(LC_NUMERIC, "C");
}

static void test_numerics(void **state)
{
  (void)state;
  expect(LB_WIRE_NUMERIC, "0", "000000080000000000000000");
  expect(LB_WIRE_NUMERIC, "0.00", "000000080000000000000002");
  expect(LB_WIRE_NUMERIC, "-0.0", "000000080000000000000001");
  expect(LB_WIRE_NUMERIC, "1", "0000000a00010000000000000001");
  expect(LB_WIRE_NUMERIC, "-1.50", "0000000c000200004000000200011388");
  expect(LB_WIRE_NUMERIC, "12345", "0000000c000200010000000000010929");
  expect(LB_WIRE_NUMERIC, "10000", "0000000a00010001000000000001");
  expect(LB_WIRE_NUMERIC, "100000000.5", "0000001000040002000000010001000000001388");
  expect(LB_WIRE_NUMERIC, "0.0001", "0000000a0001ffff000000040001");
  expect(LB_WIRE_NUMERIC, "0.00001", "0000000a0001fffe0000000503e8");
  expect(LB_WIRE_NUMERIC, "00012.5", "0000000c000200000000000" "1000c1388");
  expect(LB_WIRE_NUMERIC, "99.123456", "0000000e000300000000" "0006006304d2" "15e0");
  REFUSE(LB_WIRE_NUMERIC, "", "-", ".5", "5.", "+1", " 1", "1 ", "NaN", "Infinity", "1e5", "1.2.3", "--1", "1_0", "0x1");
}

static void test_addresses(void **state)
{
  (void)state;
  expect(LB_WIRE_INET, "10.1.2.3", "00000008022000040a010203");
  expect(LB_WIRE_INET, "10.1.2.3/8", "00000008020800040a010203");
  expect(LB_WIRE_CIDR, "10.0.0.0/8", "00000008020801040a000000");
  expect(LB_WIRE_INET, "::1", "000000140380001000000000000000000000000000000001");
  expect(LB_WIRE_CIDR, "2001:db8::/32", "000000140320011020010db8000000000000000000000000");
  REFUSE(LB_WIRE_INET, "", "10", "10.1", "10.1.2.3/", "10.1.2.3/33", "10.1.2.3/1000", "::1/129", "10.1.2.3/-1", "fe80::1%eth0", "::1/08", "10.1.2.3/08",
         " 10.1.2.3", "10.1.2.3 ", "10.1.2.256", "1:2");
  REFUSE(LB_WIRE_CIDR, "10.0.0.0", "10/8", "::1", "10.1.0.0/8", "10.0.0.1/31", "2001:db8::1/32");
  expect(LB_WIRE_CIDR, "10.1.2.3/32", "00000008022001040a010203");
  expect(LB_WIRE_CIDR, "0.0.0.0/0", "000000080200010400000000");
}

static void test_times(void **state)
{
  (void)state;
  expect(LB_WIRE_DATE, "2000-01-01", "0000000400000000");
  expect(LB_WIRE_DATE, "2000-02-29", "000000040000003b");
  expect(LB_WIRE_DATE, "1999-12-31", "00000004ffffffff");
  expect(LB_WIRE_DATE, "0001-01-01", "00000004fff4dbf9");
  expect(LB_WIRE_DATE, "9999-12-31", "00000004002c95d3");
  expect(LB_WIRE_DATE, "infinity", "000000047fffffff");
  expect(LB_WIRE_DATE, "-infinity", "0000000480000000");
  REFUSE(LB_WIRE_DATE, "", "2021-1-05", "20210105", "2021-02-29", "1900-02-29", "2021-00-01", "2021-13-01", "2021-01-00",
         "2021-04-31", "0000-01-01", "10000-01-01", "0044-03-15 BC", "2021-01-05 ", "2021/01/05", "-2021-01-1", "Infinity");
  expect(LB_WIRE_TIME, "00:00:00", "000000080000000000000000");
  expect(LB_WIRE_TIME, "23:59:59.999999", "00000008000000141dd75fff");
  expect(LB_WIRE_TIME, "12:00:00.5", "000000080000000a0ef35120");
  REFUSE(LB_WIRE_TIME, "", "24:00:00", "23:60:00", "23:59:60", "1:00:00", "12:00", "12:00:00.", "12:00:00.1234567", "12:00:00+01",
         "12:00:00 AM");
  expect(LB_WIRE_TIMESTAMP, "2000-01-01 00:00:00.000001", "000000080000000000000001");
  expect(LB_WIRE_TIMESTAMP, "1999-12-31 23:59:59", "00000008fffffffffff0bdc0");
  expect(LB_WIRE_TIMESTAMP, "infinity", "000000087fffffffffffffff");
  expect(LB_WIRE_TIMESTAMP, "-infinity", "000000088000000000000000");
  REFUSE(LB_WIRE_TIMESTAMP, "", "2021-01-05", "2021-01-05T00:00:00", "2021-01-05 00:00:00+00", "2021-01-05 24:00:00", "now",
         "2021-01-05 00:00:00 BC", "2021-01-05  0:00:00", "epoch");
  expect(LB_WIRE_TIMESTAMPTZ, "2000-01-01 00:00:00+00", "000000080000000000000000");
  expect(LB_WIRE_TIMESTAMPTZ, "2000-01-01 02:00:00+02", "000000080000000000000000");
  expect(LB_WIRE_TIMESTAMPTZ, "1999-12-31 18:29:59.25-05:30:01", "00000008000000000003d090");
  REFUSE(LB_WIRE_TIMESTAMPTZ, "2021-01-05 00:00:00", "2021-01-05 00:00:00Z", "2021-01-05 00:00:00 +00", "2021-01-05 00:00:00+0",
         "2021-01-05 00:00:00+16", "2021-01-05 00:00:00+01:60", "2021-01-05 00:00:00+0100", "2021-01-05 00:00:00 Europe/Berlin",
         "2021-01-05 00:00:00+01:00:60", "2021-01-05 00:00:00+00 BC");
}

static void test_which(void **state)
{
  (void)state;
  assert_int_equal(lb_wire_of(25), LB_WIRE_STRING);
  assert_int_equal(lb_wire_of(3802), LB_WIRE_JSONB);
  assert_int_equal(lb_wire_of(0), LB_WIRE_NONE);
  assert_int_equal(lb_wire_of(1186), LB_WIRE_NONE);  /* interval */
  assert_int_equal(lb_wire_of(18), LB_WIRE_NONE);    /* "char" */
  lb_buf out = { 0 };
  lb_wire_put_null(&out);
  assert_int_equal(out.len, 4);
  assert_memory_equal(out.data, "\xff\xff\xff\xff", 4);
  lb_buf_free(&out);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_strings), cmocka_unit_test(test_integers), cmocka_unit_test(test_floats),
    cmocka_unit_test(test_numerics), cmocka_unit_test(test_addresses), cmocka_unit_test(test_times),
    cmocka_unit_test(test_which),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

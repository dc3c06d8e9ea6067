/* See wire.h. */
#include "postgres/wire.h"

#include <arpa/inet.h>
#include <errno.h>
#include <locale.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "postgres/hex.h"

enum { NUMERIC_BYTES = 1000, NUMBER_BYTES = 64, VALUE_MOST = 24 };

lb_wire lb_wire_of(uint32_t oid)
{
  switch (oid) {
  case 16:   return LB_WIRE_BOOL;
  case 17:   return LB_WIRE_BYTEA;
  case 20:   return LB_WIRE_INT8;
  case 21:   return LB_WIRE_INT2;
  case 23:   return LB_WIRE_INT4;
  case 25:   return LB_WIRE_STRING;  /* text */
  case 114:  return LB_WIRE_STRING;  /* json */
  case 650:  return LB_WIRE_CIDR;
  case 700:  return LB_WIRE_FLOAT4;
  case 701:  return LB_WIRE_FLOAT8;
  case 869:  return LB_WIRE_INET;
  case 1042: return LB_WIRE_STRING;  /* character(n) */
  case 1043: return LB_WIRE_STRING;  /* character varying */
  case 1082: return LB_WIRE_DATE;
  case 1083: return LB_WIRE_TIME;
  case 1114: return LB_WIRE_TIMESTAMP;
  case 1184: return LB_WIRE_TIMESTAMPTZ;
  case 1700: return LB_WIRE_NUMERIC;
  case 2950: return LB_WIRE_UUID;
  case 3802: return LB_WIRE_JSONB;
  default:   return LB_WIRE_NONE;
  }
}

/* ---- bytes ---- */

void lb_wire_u16(unsigned char *p, uint16_t v)
{
  p[0] = (unsigned char)(v >> 8);
  p[1] = (unsigned char)v;
}

void lb_wire_u32(unsigned char *p, uint32_t v)
{
  lb_wire_u16(p, (uint16_t)(v >> 16));
  lb_wire_u16(p + 2, (uint16_t)v);
}

void lb_wire_u64(unsigned char *p, uint64_t v)
{
  lb_wire_u32(p, (uint32_t)(v >> 32));
  lb_wire_u32(p + 4, (uint32_t)v);
}

/* head: what stands before the bytes in the value. */
static bool put_string(const char *text, size_t len, const char *head, lb_buf *out)
{
  unsigned char size[4];
  size_t before = strlen(head);
  if (len + before > INT32_MAX) return false;
  lb_wire_u32(size, (uint32_t)(len + before));
  lb_buf_append(out, size, sizeof size);
  if (before) lb_buf_append(out, head, before);
  lb_buf_append(out, text, len);
  return !out->failed;
}

static bool put_number(uint64_t v, size_t bytes, lb_buf *out)
{
  unsigned char field[4 + 8] = { 0 }, wide[8];
  lb_wire_u64(wide, v);
  field[3] = (unsigned char)bytes;
  memcpy(field + 4, wide + 8 - bytes, bytes);
  lb_buf_append(out, field, 4 + bytes);
  return !out->failed;
}

void lb_wire_put_null(lb_buf *out)
{
  lb_buf_append(out, "\xff\xff\xff\xff", 4);
}

#define LANES 16
typedef unsigned char lanes __attribute__((vector_size(LANES)));
typedef uint16_t pairs __attribute__((vector_size(LANES)));
typedef unsigned char half __attribute__((vector_size(LANES / 2)));

/* Sixteen digits at once, without a branch on any: random bytes make each of them a surprise. *bad gathers the lanes
** with anything else in them. */
static void read_sixteen(const char *p, unsigned char *bytes, lanes *bad)
{
  lanes c, digit, letter, value;
  pairs pair;
  memcpy(&c, p, sizeof c);
  digit = c - '0';
  letter = (c | 32) - 'a';
  *bad |= (lanes)((digit > 9) & (letter > 5));
  value = (c & 15) + ((lanes)(digit > 9) & 9);
  memcpy(&pair, &value, sizeof pair);
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
  pair = pair << 4 | pair >> 8;
#else
  pair = pair >> 4 | pair;
#endif
  half packed = __builtin_convertvector(pair, half);
  memcpy(bytes, &packed, sizeof packed);
}

/* n digits, an even number. false: something else is among them. */
static bool read_hex(const char *p, size_t n, unsigned char *bytes)
{
  lanes bad = { 0 };
  uint64_t halves[2];
  int other = 0;
  for (; n >= LANES; p += LANES, bytes += LANES / 2, n -= LANES) read_sixteen(p, bytes, &bad);
  for (size_t i = 0; i < n; i += 2) {
    int high = lb_hex_digit(p[i]), low = lb_hex_digit(p[i + 1]);
    other |= high | low;
    bytes[i / 2] = (unsigned char)((unsigned)high << 4 | ((unsigned)low & 15));
  }
  memcpy(halves, &bad, sizeof halves);
  return other >= 0 && !(halves[0] | halves[1]);
}

static bool put_bytea(const char *p, size_t n, lb_buf *out)
{
  unsigned char piece[4096], size[4];
  size_t mark = out->len;
  if (n < 2 || n % 2 || p[0] != '\\' || p[1] != 'x' || n / 2 > INT32_MAX) return false;
  lb_wire_u32(size, (uint32_t)(n / 2 - 1));
  lb_buf_append(out, size, sizeof size);
  for (size_t i = 2; i < n; i += 2 * sizeof piece) {
    size_t digits = n - i < 2 * sizeof piece ? n - i : 2 * sizeof piece;
    if (!read_hex(p + i, digits, piece)) {
      out->len = mark;
      return false;
    }
    lb_buf_append(out, piece, digits / 2);
  }
  return !out->failed;
}

static bool put_uuid(const char *p, size_t n, lb_buf *out)
{
  static const struct { size_t from, digits; } groups[] = { { 0, 8 }, { 9, 4 }, { 14, 4 }, { 19, 4 }, { 24, 12 } };
  unsigned char field[4 + 16] = { 0, 0, 0, 16 }, *at = field + 4;
  if (n != 36) return false;
  for (size_t i = 0; i < sizeof groups / sizeof *groups; i++) {
    if (i && p[groups[i].from - 1] != '-') return false;
    if (!read_hex(p + groups[i].from, groups[i].digits, at)) return false;
    at += groups[i].digits / 2;
  }
  lb_buf_append(out, field, sizeof field);
  return !out->failed;
}

/* ---- numbers ---- */

bool lb_wire_digits(const char *p, size_t n, int *value)
{
  int v = 0;
  for (size_t i = 0; i < n; i++) {
    if (p[i] < '0' || p[i] > '9') return false;
    v = v * 10 + (p[i] - '0');
  }
  *value = v;
  return true;
}

/* -?digits within bytes * 8 bits. */
static bool put_integer(const char *p, size_t n, size_t bytes, lb_buf *out)
{
  bool negative = n && *p == '-';
  uint64_t most = (UINT64_C(1) << (bytes * 8 - 1)) - !negative, v = 0;
  size_t i = negative;
  if (i == n || n > 20) return false;
  for (; i < n; i++) {
    unsigned digit = (unsigned char)p[i] - (unsigned)'0';
    if (digit > 9 || v > (most - digit) / 10) return false;
    v = v * 10 + digit;
  }
  return put_number(negative ? 0 - v : v, bytes, out);
}

static locale_t c_locale;
static void make_locale(void) { c_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0); }

/* Whatever the host's locale takes for a decimal point. NaN and infinity are left to the server, and what its own
** strtod would call out of range. */
static bool put_float(const char *p, size_t n, bool wide, lb_buf *out)
{
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  char text[NUMBER_BYTES], *end;
  uint64_t bits = 0;
  if (n == 0 || n >= sizeof text) return false;
  for (size_t i = 0; i < n; i++) if ((p[i] < '0' || p[i] > '9') && !(p[i] && strchr("+-.eE", p[i]))) return false;
  memcpy(text, p, n);
  text[n] = 0;
  pthread_once(&once, make_locale);
  if (!c_locale) return false;
  errno = 0;
  if (wide) {
    double v = strtod_l(text, &end, c_locale);
    memcpy(&bits, &v, sizeof v);
  } else {
    float v = strtof_l(text, &end, c_locale);
    uint32_t narrow;
    memcpy(&narrow, &v, sizeof v);
    bits = narrow;
  }
  return errno == 0 && end == text + n && put_number(bits, wide ? 8 : 4, out);
}

/* -?digits[.digits]: groups of four digits, those at the point on a whole group; zero groups at either end are left
** out. NaN and infinity are left to the server. */
static bool put_numeric(const char *p, size_t n, lb_buf *out)
{
  unsigned char field[4 + 8 + NUMERIC_BYTES], *group = field + 12;
  bool negative = n && *p == '-';
  if (n > NUMERIC_BYTES) return false;
  p += negative;
  n -= negative;
  const char *point = memchr(p, '.', n);
  size_t whole = point ? (size_t)(point - p) : n, places = point ? n - whole - 1 : 0;
  if (whole == 0 || (point && places == 0)) return false;
  int weight = (int)((whole + 3) / 4) - 1, digits = 0, value = 0;
  size_t missing = (4 - whole % 4) % 4, filled = missing, groups = 0, last = 0;
  for (size_t i = 0; i < n; i++) {
    if (i == whole) continue;
    if (p[i] < '0' || p[i] > '9') return false;
    value = value * 10 + (p[i] - '0');
    if (++filled < 4 && i + 1 < n) continue;
    for (; filled < 4; filled++) value *= 10;
    if (value == 0 && groups == 0) {
      weight--;
    } else {
      lb_wire_u16(group + 2 * groups++, (uint16_t)value);
      if (value) last = groups;
    }
    filled = 0;
    value = 0;
  }
  digits = (int)last;
  lb_wire_u32(field, (uint32_t)(8 + 2 * digits));
  lb_wire_u16(field + 4, (uint16_t)digits);
  lb_wire_u16(field + 6, (uint16_t)(digits ? weight : 0));
  lb_wire_u16(field + 8, negative && digits ? 0x4000 : 0);
  lb_wire_u16(field + 10, (uint16_t)places);
  lb_buf_append(out, field, (size_t)(12 + 2 * digits));
  return !out->failed;
}

/* ---- addresses ---- */

/* Family (that of IPv6 is one more than that of IPv4, whatever the system calls it), bits of the network, whether it is
** a cidr, length, address. */
static bool put_address(const char *p, size_t n, bool cidr, lb_buf *out)
{
  unsigned char field[4 + 4 + 16] = { 0 };
  char text[INET6_ADDRSTRLEN];
  const char *slash = memchr(p, '/', n);
  size_t len = slash ? (size_t)(slash - p) : n;
  bool six = memchr(p, ':', len) != NULL;
  int size = six ? 16 : 4, bits = 8 * size;
  if (len >= sizeof text || (cidr && !slash)) return false;
  memcpy(text, p, len);
  text[len] = 0;
  if (inet_pton(six ? AF_INET6 : AF_INET, text, field + 8) != 1) return false;
  if (slash) {
    size_t digits = n - len - 1;
    if (digits < 1 || digits > 3 || (digits > 1 && slash[1] == '0') || !lb_wire_digits(slash + 1, digits, &bits) ||
        bits > 8 * size) {
      return false;
    }
  }
  for (int i = bits; cidr && i < 8 * size; i++) if (field[8 + i / 8] & 128 >> i % 8) return false;
  field[3] = (unsigned char)(4 + size);
  field[4] = six ? 3 : 2;
  field[5] = (unsigned char)bits;
  field[6] = cidr;
  field[7] = (unsigned char)size;
  lb_buf_append(out, field, (size_t)(8 + size));
  return !out->failed;
}

/* ---- all of them ---- */

static bool put_moment(lb_wire wire, const char *p, size_t n, lb_buf *out)
{
  int64_t microseconds;
  bool read = wire == LB_WIRE_TIME ? lb_wire_time(p, n, &microseconds)
                                   : lb_wire_timestamp(p, n, wire == LB_WIRE_TIMESTAMPTZ, &microseconds);
  return read && put_number((uint64_t)microseconds, 8, out);
}

static bool put_date(const char *p, size_t n, lb_buf *out)
{
  int32_t days;
  return lb_wire_date(p, n, &days) && put_number((uint32_t)days, 4, out);
}

bool lb_wire_put(lb_wire wire, const char *p, size_t n, lb_buf *out)
{
  switch (wire) {
  case LB_WIRE_NONE:        return false;
  case LB_WIRE_STRING:      return put_string(p, n, "", out);
  case LB_WIRE_BOOL:        return n == 1 && (*p == 't' || *p == 'f') && put_number(*p == 't', 1, out);
  case LB_WIRE_INT2:        return put_integer(p, n, 2, out);
  case LB_WIRE_INT4:        return put_integer(p, n, 4, out);
  case LB_WIRE_INT8:        return put_integer(p, n, 8, out);
  case LB_WIRE_FLOAT4:      return put_float(p, n, false, out);
  case LB_WIRE_FLOAT8:      return put_float(p, n, true, out);
  case LB_WIRE_NUMERIC:     return put_numeric(p, n, out);
  case LB_WIRE_BYTEA:       return put_bytea(p, n, out);
  case LB_WIRE_UUID:        return put_uuid(p, n, out);
  case LB_WIRE_JSONB:       return put_string(p, n, "\x01", out);
  case LB_WIRE_INET:        return put_address(p, n, false, out);
  case LB_WIRE_CIDR:        return put_address(p, n, true, out);
  case LB_WIRE_DATE:        return put_date(p, n, out);
  case LB_WIRE_TIME:
  case LB_WIRE_TIMESTAMP:
  case LB_WIRE_TIMESTAMPTZ: return put_moment(wire, p, n, out);
  }
  return false;
}

/* See wire_text.h. Rows of a backup pass here, so that fields are written where they stay. */
#include "postgres/wire_text.h"

#include <arpa/inet.h>
#include <string.h>

enum { NUMBER_BYTES = 24, GROUP_DIGITS = 4, GROUP_MOST = 9999, SCALE_MOST = 16383 };

#define LANES 16
typedef unsigned char lanes __attribute__((vector_size(LANES)));
typedef uint16_t pairs __attribute__((vector_size(LANES)));
typedef unsigned char half __attribute__((vector_size(LANES / 2)));

/* ---- strings ---- */

static bool is_plain(lanes c)
{
  lanes special = (lanes)((c < 32) | (c == '\\'));
  uint64_t halves[2];
  memcpy(halves, &special, sizeof halves);
  return !(halves[0] | halves[1]);
}

/* Other control characters stand for themselves. */
static char *put_character(unsigned char c, char *to)
{
  static const char letters[] = "btnvfr";  /* of 8 to 13 */
  bool control = c >= 8 && c <= 13;
  if (control || c == '\\') *to++ = '\\';
  *to++ = control ? letters[c - 8] : (char)c;
  return to;
}

static char *put_escaped(const unsigned char *p, size_t n, char *to)
{
  for (; n >= LANES; p += LANES, n -= LANES) {
    lanes c;
    memcpy(&c, p, sizeof c);
    if (is_plain(c)) {
      memcpy(to, &c, sizeof c);
      to += LANES;
    } else {
      for (int i = 0; i < LANES; i++) to = put_character(p[i], to);
    }
  }
  for (size_t i = 0; i < n; i++) to = put_character(p[i], to);
  return to;
}

static bool put_string(const unsigned char *p, size_t n, lb_buf *out)
{
  char *to = lb_buf_room(out, 2 * n);
  if (to) lb_buf_end(out, put_escaped(p, n, to));
  return to != NULL;
}

static char digit_of(unsigned nibble) { return "0123456789abcdef"[nibble]; }

static char *put_hex(const unsigned char *p, size_t n, char *to)
{
  for (; n >= LANES / 2; p += LANES / 2, n -= LANES / 2, to += LANES) {
    half bytes;
    lanes digits;
    memcpy(&bytes, p, sizeof bytes);
    pairs pair = __builtin_convertvector(bytes, pairs);
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    pair = pair >> 4 | (pair & 15) << 8;
#else
    pair = (pair >> 4) << 8 | (pair & 15);
#endif
    memcpy(&digits, &pair, sizeof digits);
    digits += '0' + ((lanes)(digits > 9) & ('a' - '0' - 10));
    memcpy(to, &digits, sizeof digits);
  }
  for (size_t i = 0; i < n; i++) {
    *to++ = digit_of(p[i] >> 4);
    *to++ = digit_of(p[i] & 15);
  }
  return to;
}

static bool put_digits(const unsigned char *p, size_t n, lb_buf *out)
{
  char *to = lb_buf_room(out, 2 * n);
  if (to) lb_buf_end(out, put_hex(p, n, to));
  return to != NULL;
}

/* \x before the digits, its backslash escaped. */
static bool put_bytea(const unsigned char *p, size_t n, lb_buf *out)
{
  char *to = lb_buf_room(out, 3 + 2 * n);
  if (!to) return false;
  memcpy(to, "\\\\x", 3);
  lb_buf_end(out, to + 3);
  return put_digits(p, n, out);
}

static bool put_uuid(const unsigned char *p, size_t n, lb_buf *out)
{
  static const unsigned char groups[] = { 4, 2, 2, 2, 6 };
  char *to = n == 16 ? lb_buf_room(out, 36) : NULL;
  if (!to) return false;
  for (size_t i = 0; i < sizeof groups; p += groups[i++]) {
    if (i) *to++ = '-';
    to = put_hex(p, groups[i], to);
  }
  lb_buf_end(out, to);
  return true;
}

/* A version byte, then the text. */
static bool put_jsonb(const unsigned char *p, size_t n, lb_buf *out)
{
  return n && *p == 1 && put_string(p + 1, n - 1, out);
}

/* ---- numbers ---- */

static char *put_four(unsigned value, char *to)
{
  return lb_wire_put_two(value % 100, lb_wire_put_two(value / 100, to));
}

static char *put_unsigned(uint64_t v, char *to)
{
  char digits[NUMBER_BYTES], *end = digits + sizeof digits, *p = end;
  for (; v >= 100; v /= 100) lb_wire_put_two((unsigned)(v % 100), p -= 2);
  if (v >= 10) lb_wire_put_two((unsigned)v, p -= 2);
  else *--p = (char)('0' + v);
  memcpy(to, p, (size_t)(end - p));
  return to + (end - p);
}

static bool put_integer(int64_t v, lb_buf *out)
{
  char *to = lb_buf_room(out, NUMBER_BYTES);
  if (!to) return false;
  if (v < 0) *to++ = '-';
  lb_buf_end(out, put_unsigned(v < 0 ? 0 - (uint64_t)v : (uint64_t)v, to));
  return true;
}

static bool put_bool(bool value, lb_buf *out)
{
  lb_buf_byte(out, value ? 't' : 'f');
  return !out->failed;
}

static bool put_word(const char *word, lb_buf *out)
{
  lb_buf_text(out, word);
  return !out->failed;
}

/* Groups of four digits, the first one 10000 to the power of weight; groups that are not there are zeros. */
static char *put_groups(const unsigned char *groups, int count, int weight, int scale, char *to)
{
  if (weight < 0) *to++ = '0';
  for (int g = 0; g <= weight; g++) {
    unsigned value = g < count ? lb_wire_get_u16(groups + 2 * g) : 0;
    to = g ? put_four(value, to) : put_unsigned(value, to);
  }
  if (scale) *to++ = '.';
  char *end = to + scale;
  for (int g = weight + 1; to < end; g++) to = put_four(g >= 0 && g < count ? lb_wire_get_u16(groups + 2 * g) : 0, to);
  return end;
}

/* Count of groups, weight, sign, digits behind the point; the groups. */
static bool put_numeric(const unsigned char *p, size_t n, lb_buf *out)
{
  if (n < 8) return false;
  unsigned count = lb_wire_get_u16(p), sign = lb_wire_get_u16(p + 4), scale = lb_wire_get_u16(p + 6);
  int weight = (int16_t)lb_wire_get_u16(p + 2);
  if (n != 8 + 2 * (size_t)count) return false;
  if (sign == 0xC000) return put_word("NaN", out);
  if (sign == 0xD000) return put_word("Infinity", out);
  if (sign == 0xF000) return put_word("-Infinity", out);
  if ((sign != 0 && sign != 0x4000) || scale > SCALE_MOST) return false;
  for (unsigned g = 0; g < count; g++) if (lb_wire_get_u16(p + 8 + 2 * g) > GROUP_MOST) return false;
  size_t whole = weight < 0 ? 1 : GROUP_DIGITS * ((size_t)weight + 1);
  char *to = lb_buf_room(out, 2 + whole + scale + GROUP_DIGITS);
  if (!to) return false;
  if (sign) *to++ = '-';
  lb_buf_end(out, put_groups(p + 8, (int)count, weight, (int)scale, to));
  return true;
}

/* ---- addresses ---- */

static char *put_four_bytes(const unsigned char *p, char *to)
{
  for (int i = 0; i < 4; i++) {
    if (i) *to++ = '.';
    to = put_unsigned(p[i], to);
  }
  return to;
}

/* Family, bits of the network, whether it is a cidr, length, address: as wire.c puts them. */
static bool put_address(const unsigned char *p, size_t n, lb_buf *out)
{
  if (n != 8 && n != 20) return false;
  unsigned size = (unsigned)n - 4, bits = p[1];
  bool six = size == 16, cidr = p[2];
  if (p[0] != (six ? 3 : 2) || p[3] != size || bits > 8 * size) return false;
  char *to = lb_buf_room(out, INET6_ADDRSTRLEN + NUMBER_BYTES);
  if (!to || (six && !inet_ntop(AF_INET6, p + 4, to, INET6_ADDRSTRLEN))) return false;
  to = six ? to + strlen(to) : put_four_bytes(p + 4, to);
  if (cidr || bits < 8 * size) {
    *to++ = '/';
    to = put_unsigned(bits, to);
  }
  lb_buf_end(out, to);
  return true;
}

/* ---- all of them ---- */

static bool put_moment(lb_wire wire, const unsigned char *p, lb_buf *out)
{
  char *to = lb_buf_room(out, LB_WIRE_TIME_BYTES), *end;
  if (!to) return false;
  if (wire == LB_WIRE_DATE) end = lb_wire_put_date((int32_t)lb_wire_get_u32(p), to);
  else if (wire == LB_WIRE_TIME) end = lb_wire_put_time((int64_t)lb_wire_get_u64(p), to);
  else end = lb_wire_put_timestamp((int64_t)lb_wire_get_u64(p), wire == LB_WIRE_TIMESTAMPTZ, to);
  lb_buf_end(out, end ? end : to);
  return end != NULL;
}

bool lb_wire_text_more(lb_wire wire, const unsigned char *p, size_t n, lb_buf *out)
{
  return wire == LB_WIRE_BYTEA ? put_digits(p, n, out) : put_string(p, n, out);
}

bool lb_wire_text(lb_wire wire, const unsigned char *p, size_t n, lb_buf *out)
{
  switch (wire) {
  case LB_WIRE_NONE:
  case LB_WIRE_FLOAT4:
  case LB_WIRE_FLOAT8:      return false;
  case LB_WIRE_STRING:      return put_string(p, n, out);
  case LB_WIRE_BOOL:        return n == 1 && put_bool(*p, out);
  case LB_WIRE_INT2:        return n == 2 && put_integer((int16_t)lb_wire_get_u16(p), out);
  case LB_WIRE_INT4:        return n == 4 && put_integer((int32_t)lb_wire_get_u32(p), out);
  case LB_WIRE_INT8:        return n == 8 && put_integer((int64_t)lb_wire_get_u64(p), out);
  case LB_WIRE_NUMERIC:     return put_numeric(p, n, out);
  case LB_WIRE_BYTEA:       return put_bytea(p, n, out);
  case LB_WIRE_UUID:        return put_uuid(p, n, out);
  case LB_WIRE_JSONB:       return put_jsonb(p, n, out);
  case LB_WIRE_INET:
  case LB_WIRE_CIDR:        return put_address(p, n, out);
  case LB_WIRE_DATE:        return n == 4 && put_moment(wire, p, out);
  case LB_WIRE_TIME:
  case LB_WIRE_TIMESTAMP:
  case LB_WIRE_TIMESTAMPTZ: return n == 8 && put_moment(wire, p, out);
  }
  return false;
}

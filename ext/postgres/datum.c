/* See datum.h. */
#include "postgres/datum.h"

#include <locale.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "postgres/hex.h"

enum {
  DIGITS_EXACT = 15,     /* any number of so many digits is the same after having been a double (DBL_DIG) */
  EXPONENT_MOST = 290,   /* and so many places from the point are in a double's range */
  NUMBER_BYTES = 400     /* longer numbers are not held as a double anyway */
};

lb_pg_kind lb_pg_kind_of(const char *type)
{
  static const struct { const char *name; lb_pg_kind kind; } kinds[] = {
    { "smallint", LB_PG_INTEGER }, { "integer", LB_PG_INTEGER }, { "bigint", LB_PG_INTEGER }, { "int", LB_PG_INTEGER },
    { "int2", LB_PG_INTEGER }, { "int4", LB_PG_INTEGER }, { "int8", LB_PG_INTEGER }, { "oid", LB_PG_INTEGER },
    { "smallserial", LB_PG_INTEGER }, { "serial", LB_PG_INTEGER }, { "bigserial", LB_PG_INTEGER },
    { "boolean", LB_PG_BOOLEAN }, { "bool", LB_PG_BOOLEAN }, { "real", LB_PG_REAL }, { "double", LB_PG_REAL },
    { "float", LB_PG_REAL }, { "float4", LB_PG_REAL }, { "float8", LB_PG_REAL }, { "numeric", LB_PG_NUMERIC },
    { "decimal", LB_PG_NUMERIC }, { "dec", LB_PG_NUMERIC }, { "bytea", LB_PG_BYTEA },
  };
  for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
    if (strcmp(kinds[i].name, type) == 0) return kinds[i].kind;
  }
  return LB_PG_TEXT;
}

const char *lb_pg_kind_affinity(lb_pg_kind kind)
{
  static const char *const affinities[] = {
    [LB_PG_TEXT] = "TEXT", [LB_PG_INTEGER] = "INTEGER", [LB_PG_BOOLEAN] = "INTEGER", [LB_PG_REAL] = "REAL",
    [LB_PG_NUMERIC] = "NUMERIC", [LB_PG_BYTEA] = "BLOB",
  };
  return affinities[kind];
}

/* ---- numbers ---- */

static bool is_digit(char c) { return c >= '0' && c <= '9'; }

bool lb_pg_datum_integer(const char *p, size_t n, int64_t *integer)
{
  bool negative = n && *p == '-';
  uint64_t most = negative ? (uint64_t)INT64_MAX + 1 : INT64_MAX, v = 0;
  size_t i = negative;
  if (i == n) return false;
  for (; i < n; i++) {
    if (!is_digit(p[i])) return false;
    uint64_t digit = (uint64_t)(p[i] - '0');
    if (v > (most - digit) / 10) return false;
    v = v * 10 + digit;
  }
  *integer = negative ? (int64_t)(0 - v) : (int64_t)v;
  return true;
}

static locale_t c_locale;
static void make_locale(void) { c_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0); }

/* Whatever the host's locale takes for a decimal point. */
static bool read_double(const char *p, size_t n, double *real)
{
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  char text[NUMBER_BYTES], *end;
  if (n == 0 || n >= sizeof text) return false;
  for (size_t i = 0; i < n; i++) if (!is_digit(p[i]) && !strchr("+-.eE", p[i])) return false;
  memcpy(text, p, n);
  text[n] = 0;
  pthread_once(&once, make_locale);
  if (!c_locale) return false;
  *real = strtod_l(text, &end, c_locale);
  return end == text + n && isfinite(*real);
}

/* -?digits[.digits]: whether a double is the same number. *whole: bytes that make it, where what follows is zeros. */
static bool fits_double(const char *p, size_t n, size_t *whole)
{
  size_t i = n && *p == '-', first = n, last = 0, point = n;
  for (; i < n; i++) {
    if (p[i] == '.' && point == n) point = i;
    else if (!is_digit(p[i])) return false;
    else if (p[i] != '0') {
      if (first == n) first = i;
      last = i;
    }
  }
  *whole = first == n || last < point ? point : n;
  if (first == n) return true;
  size_t digits = last - first + 1 - (first < point && last > point);
  return digits <= DIGITS_EXACT && n <= EXPONENT_MOST;
}

static void read_numeric(const char *p, size_t n, lb_pg_datum *v)
{
  size_t whole = n;
  bool fits = n && is_digit(p[n - 1]) && fits_double(p, n, &whole);
  if (lb_pg_datum_integer(p, whole, &v->integer)) v->type = LB_PG_IS_INTEGER;
  else if (fits && read_double(p, n, &v->real)) v->type = LB_PG_IS_REAL;
}

/* ---- bytea ---- */

/* \x, then two digits a byte; blanks between bytes are the server's to take, and nobody writes them. */
static bool from_hex(const char *p, size_t n, lb_buf *out)
{
  char piece[4096];
  size_t used = 0;
  if (n % 2) return false;
  for (size_t i = 2; i < n && !out->failed; i += 2) {
    int high = lb_hex_digit(p[i]), low = lb_hex_digit(p[i + 1]);
    if (high < 0 || low < 0) return false;
    piece[used++] = (char)(high << 4 | low);
    if (used < sizeof piece) continue;
    lb_buf_append(out, piece, used);
    used = 0;
  }
  lb_buf_append(out, piece, used);
  return true;
}

/* The older form, of bytea_output = escape: \\ and \ooo. */
static bool from_escape(const char *p, size_t n, lb_buf *out)
{
  for (size_t i = 0; i < n && !out->failed; i++) {
    char c = p[i];
    if (c == '\\' && n - i > 1 && p[i + 1] == '\\') i++;
    else if (c == '\\') {
      if (n - i < 4 || p[i + 1] < '0' || p[i + 1] > '3') return false;
      for (int k = 2; k < 4; k++) if (p[i + (size_t)k] < '0' || p[i + (size_t)k] > '7') return false;
      c = (char)((p[i + 1] - '0') << 6 | (p[i + 2] - '0') << 3 | (p[i + 3] - '0'));
      i += 3;
    }
    lb_buf_append(out, &c, 1);
  }
  return true;
}

static int read_bytea(const char *p, size_t n, lb_buf *buf, lb_pg_datum *v, lb_error *err)
{
  buf->len = 0;
  lb_buf_append(buf, "", 0);
  bool hex = n >= 2 && p[0] == '\\' && p[1] == 'x';
  if (!(hex ? from_hex(p, n, buf) : from_escape(p, n, buf))) return lb_fail(err, LB_CORRUPT, "this is no bytea");
  if (buf->failed) return lb_fail_nomem(err);
  *v = (lb_pg_datum){ .type = LB_PG_IS_BLOB, .data = buf->data, .len = buf->len };
  return LB_OK;
}

int lb_pg_datum_read(lb_pg_kind kind, const char *text, size_t len, lb_pg_encoding *encoding, lb_buf *buf,
                     lb_pg_datum *v, lb_error *err)
{
  *v = (lb_pg_datum){ .type = LB_PG_IS_TEXT, .data = text, .len = len };
  switch (kind) {
  case LB_PG_INTEGER:
    if (lb_pg_datum_integer(text, len, &v->integer)) v->type = LB_PG_IS_INTEGER;
    break;
  case LB_PG_BOOLEAN:
    v->integer = len && *text == 't';
    if (len == 1 && (*text == 't' || *text == 'f')) v->type = LB_PG_IS_INTEGER;
    break;
  case LB_PG_REAL:
    if (read_double(text, len, &v->real)) v->type = LB_PG_IS_REAL;
    break;
  case LB_PG_NUMERIC:
    read_numeric(text, len, v);
    break;
  case LB_PG_BYTEA:
    return read_bytea(text, len, buf, v, err);
  case LB_PG_TEXT:
    break;
  }
  if (v->type == LB_PG_IS_TEXT && !lb_pg_encoding_text(encoding, text, len, buf, &v->data, &v->len)) {
    if (buf->failed) return lb_fail_nomem(err);
    *v = (lb_pg_datum){ .type = LB_PG_IS_BLOB, .data = text, .len = len };
  }
  return LB_OK;
}

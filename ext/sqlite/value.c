/* See value.h. */
#include "sqlite/value.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/json.h"

SQLITE_EXTENSION_INIT3

int lb_encoding_of(sqlite3 *db, const char *label, lb_encoding *encoding, lb_error *err)
{
  char text[16] = "";
  lb_db_text(db, "PRAGMA encoding", text, sizeof text, label, err);
  *encoding = strcmp(text, "UTF-16le") == 0 ? LB_UTF16LE : strcmp(text, "UTF-16be") == 0 ? LB_UTF16BE : LB_UTF8;
  return err->code;
}

bool lb_value_at(sqlite3_stmt *row, int column, lb_encoding encoding, lb_value *v)
{
  *v = (lb_value){ .type = sqlite3_column_type(row, column) };
  switch (v->type) {
  case SQLITE_INTEGER:
    v->integer = sqlite3_column_int64(row, column);
    return true;
  case SQLITE_FLOAT:
    v->real = sqlite3_column_double(row, column);
    return true;
  case SQLITE_TEXT:
    v->bytes = encoding == LB_UTF8 ? sqlite3_column_text(row, column) : sqlite3_column_text16(row, column);
    v->n = (size_t)(encoding == LB_UTF8 ? sqlite3_column_bytes(row, column) : sqlite3_column_bytes16(row, column));
    return v->bytes != NULL;
  case SQLITE_BLOB:
    v->bytes = sqlite3_column_blob(row, column);
    v->n = (size_t)sqlite3_column_bytes(row, column);
    return v->bytes || v->n == 0;
  default:
    return true;
  }
}

/* ---- order ---- */

/* NULL, numbers, text, blobs. */
static int rank(const lb_value *v)
{
  switch (v->type) {
  case SQLITE_NULL:    return 0;
  case SQLITE_INTEGER:
  case SQLITE_FLOAT:   return 1;
  case SQLITE_TEXT:    return 2;
  default:             return 3;
  }
}

static int order_of_bytes(const void *a, size_t n, const void *b, size_t m)
{
  size_t both = n < m ? n : m;
  int order = both ? memcmp(a, b, both) : 0;
  return order ? order : (n > m) - (n < m);
}

/* Texts lie in the machine's byte order; a database of UTF-16 compares the bytes of its own. */
static int order_of_units(const unsigned char *a, size_t n, const unsigned char *b, size_t m, bool big_endian)
{
  size_t both = (n < m ? n : m) / 2 * 2;
  for (size_t i = 0; i < both; i += 2) {
    uint16_t x, y;
    memcpy(&x, a + i, 2);
    memcpy(&y, b + i, 2);
    if (x == y) continue;
    if (!big_endian) {
      x = (uint16_t)(x << 8 | x >> 8);
      y = (uint16_t)(y << 8 | y >> 8);
    }
    return x < y ? -1 : 1;
  }
  return (n > m) - (n < m);
}

int lb_value_text_order(const void *a, size_t n, const void *b, size_t m, lb_encoding encoding)
{
  if (encoding == LB_UTF8) return order_of_bytes(a, n, b, m);
  return order_of_units(a, n, b, m, encoding == LB_UTF16BE);
}

/* Exact, where a conversion to double would not be. */
static int order_of_integer_and_real(int64_t i, double r)
{
  if (r < -9223372036854775808.0) return 1;
  if (r >= 9223372036854775808.0) return -1;
  int64_t whole = (int64_t)r;
  if (i != whole) return i < whole ? -1 : 1;
  double rest = r - (double)whole;
  return rest > 0 ? -1 : rest < 0;
}

static int order_of_numbers(const lb_value *a, const lb_value *b)
{
  if (a->type == SQLITE_INTEGER && b->type == SQLITE_INTEGER) {
    return (a->integer > b->integer) - (a->integer < b->integer);
  }
  if (a->type == SQLITE_INTEGER) return order_of_integer_and_real(a->integer, b->real);
  if (b->type == SQLITE_INTEGER) return -order_of_integer_and_real(b->integer, a->real);
  return (a->real > b->real) - (a->real < b->real);
}

int lb_value_order(const lb_value *a, const lb_value *b, lb_encoding encoding)
{
  int r = rank(a), s = rank(b);
  if (r != s) return r < s ? -1 : 1;
  switch (r) {
  case 0:  return 0;
  case 1:  return order_of_numbers(a, b);
  case 2:  return lb_value_text_order(a->bytes, a->n, b->bytes, b->n, encoding);
  default: return order_of_bytes(a->bytes, a->n, b->bytes, b->n);
  }
}

int lb_value_class_order(const lb_value *a, const lb_value *b)
{
  return (b->type == SQLITE_INTEGER) - (a->type == SQLITE_INTEGER);
}

/* ---- JSON ---- */

static void put_hex(lb_buf *out, const char *kind, const unsigned char *bytes, size_t n)
{
  static const char digits[] = "0123456789abcdef";
  lb_buf_printf(out, "{\"%s\":\"", kind);
  for (size_t i = 0; i < n; i++) {
    char pair[2] = { digits[bytes[i] >> 4], digits[bytes[i] & 15] };
    lb_buf_append(out, pair, 2);
  }
  lb_buf_text(out, "\"}");
}

/* The shortest that reads back as the same, always recognisable as a real. What is neither digit, sign nor exponent is
** the decimal point of the host's locale. */
static void put_real(lb_buf *out, double value)
{
  char text[64];
  bool whole = true;
  if (!isfinite(value)) {
    lb_buf_text(out, value > 0 ? "9e999" : "-9e999");  /* as SQLite's own JSON has it */
    return;
  }
  for (int digits = 15; digits <= 17; digits++) {
    snprintf(text, sizeof text, "%.*g", digits, value);
    if (strtod(text, NULL) == value) break;
  }
  for (const char *p = text; *p;) {
    size_t point = strcspn(p, "0123456789+-e");
    if (point) lb_buf_text(out, ".");
    else lb_buf_append(out, p, 1);
    whole = whole && !point && *p != 'e';
    p += point ? point : 1;
  }
  if (whole) lb_buf_text(out, ".0");
}

void lb_value_json(sqlite3_stmt *row, int column, lb_buf *out)
{
  switch (sqlite3_column_type(row, column)) {
  case SQLITE_INTEGER:
    lb_buf_printf(out, "%lld", (long long)sqlite3_column_int64(row, column));
    break;
  case SQLITE_FLOAT:
    put_real(out, sqlite3_column_double(row, column));
    break;
  case SQLITE_TEXT: {
    const char *text = (const char *)sqlite3_column_text(row, column);
    size_t n = (size_t)sqlite3_column_bytes(row, column);
    if (!text) out->failed = true;
    else if (!lb_json_put_bytes(out, text, n)) put_hex(out, "text", (const unsigned char *)text, n);
    break;
  }
  case SQLITE_BLOB:
    put_hex(out, "blob", sqlite3_column_blob(row, column), (size_t)sqlite3_column_bytes(row, column));
    break;
  default:
    lb_buf_text(out, "null");
  }
}

/* See key_range.h. */
#include "postgres/key_range.h"

#include <string.h>

bool lb_key_kind_has_ranges(lb_pg_kind kind)
{
  return kind == LB_PG_INTEGER || kind == LB_PG_TEXT;
}

/* No control characters, and no backslash: a text of COPY that has none means itself. Looks at all bytes at once. */
bool lb_key_text_is_plain(const char *text, size_t n)
{
  int odd = 0;
  for (size_t i = 0; i < n; i++) odd |= (text[i] < ' ') | (text[i] > '~') | (text[i] == '\\');
  return !odd;
}

static void take_integer(lb_key_range *r, int64_t key)
{
  if (r->kind == LB_KEYS_NONE || key < r->low) r->low = key;
  if (r->kind == LB_KEYS_NONE || key > r->high) r->high = key;
  r->kind = LB_KEYS_INTEGERS;
}

static int compare_texts(const char *a, size_t a_len, const char *b, size_t b_len)
{
  int order = memcmp(a, b, a_len < b_len ? a_len : b_len);
  return order ? order : (a_len > b_len) - (a_len < b_len);
}

static void put_text(char *to, const char *text, size_t n)
{
  memcpy(to, text, n);
  to[n] = 0;
}

static void take_text(lb_key_range *r, const char *text, size_t n)
{
  bool first = r->kind == LB_KEYS_NONE;
  if (first || compare_texts(text, n, r->low_text, strlen(r->low_text)) < 0) put_text(r->low_text, text, n);
  if (first || compare_texts(text, n, r->high_text, strlen(r->high_text)) > 0) put_text(r->high_text, text, n);
  r->kind = LB_KEYS_TEXTS;
}

void lb_key_range_take(lb_key_range *r, lb_pg_kind kind, int field, const char *row, size_t n)
{
  const char *end = row + n;
  if (r->kind == LB_KEYS_UNKNOWN) return;
  for (; field > 0 && row; field--) {
    row = memchr(row, '\t', (size_t)(end - row));
    if (row) row++;
  }
  const char *stop = row ? memchr(row, '\t', (size_t)(end - row)) : NULL;
  size_t len = row ? (size_t)((stop ? stop : end - 1) - row) : 0;
  int64_t integer;
  bool plain = row && len <= LB_KEY_TEXT_MAX && lb_key_text_is_plain(row, len);
  if (plain && kind == LB_PG_TEXT) take_text(r, row, len);
  else if (plain && lb_pg_datum_integer(row, len, &integer)) take_integer(r, integer);
  else r->kind = LB_KEYS_UNKNOWN;
}

bool lb_key_range_is_sound(const lb_key_range *r)
{
  if (r->kind == LB_KEYS_INTEGERS) return r->low <= r->high;
  return r->kind == LB_KEYS_TEXTS && strcmp(r->low_text, r->high_text) <= 0;
}

/* < 0: the bound is below the key. What is no bound is as if it were equal. */
static int compare(const lb_key_range *r, const lb_pg_datum *bound, int64_t integer, const char *text)
{
  if (r->kind == LB_KEYS_INTEGERS && bound->type == LB_PG_IS_INTEGER) {
    return (bound->integer > integer) - (bound->integer < integer);
  }
  if (r->kind != LB_KEYS_TEXTS || bound->type != LB_PG_IS_TEXT || !lb_key_text_is_plain(bound->data, bound->len)) {
    return 0;
  }
  return compare_texts(bound->data, bound->len, text, strlen(text));
}

bool lb_key_range_meets(const lb_key_range *r, lb_pg_kind kind, const lb_pg_datum *low, const lb_pg_datum *high)
{
  lb_key_kind fitting = kind == LB_PG_INTEGER ? LB_KEYS_INTEGERS : kind == LB_PG_TEXT ? LB_KEYS_TEXTS : LB_KEYS_NONE;
  if (!r || r->kind != fitting) return true;
  return compare(r, low, r->high, r->high_text) <= 0 && compare(r, high, r->low, r->low_text) >= 0;
}

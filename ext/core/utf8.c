/* See utf8.h. */
#include "core/utf8.h"

#include <stdint.h>
#include <string.h>

#include "core/buffer.h"

size_t lb_utf8_length(const void *data, size_t n)
{
  const unsigned char *p = data;
  if (p[0] < 0x80) return 1;
  size_t need = p[0] >= 0xC2 && p[0] <= 0xDF ? 2 : (p[0] & 0xF0) == 0xE0 ? 3 : p[0] >= 0xF0 && p[0] <= 0xF4 ? 4 : 0;
  if (need > n) return 0;
  for (size_t i = 1; i < need; i++) {
    if ((p[i] & 0xC0) != 0x80) return 0;
  }
  if ((p[0] == 0xE0 && p[1] < 0xA0) || (p[0] == 0xED && p[1] > 0x9F)) return 0;
  if ((p[0] == 0xF0 && p[1] < 0x90) || (p[0] == 0xF4 && p[1] > 0x8F)) return 0;
  return need;
}

/* Bytes up to the first above 127, at least those of whole words before it. */
static size_t ascii_words(const unsigned char *p, size_t n)
{
  size_t i = 0;
  for (; n - i >= sizeof(uint64_t); i += sizeof(uint64_t)) {
    uint64_t word;
    memcpy(&word, p + i, sizeof word);
    if (word & 0x8080808080808080u) break;
  }
  return i;
}

bool lb_utf8_is_ascii(const void *data, size_t n)
{
  const unsigned char *p = data;
  for (size_t i = ascii_words(p, n); i < n; i++) if (p[i] & 0x80) return false;
  return true;
}

bool lb_utf8_is_valid(const void *data, size_t n)
{
  const unsigned char *p = data;
  for (size_t i = 0, k; i < n; i += k) {
    if (!(p[i] & 0x80) && (k = ascii_words(p + i, n - i))) continue;
    k = lb_utf8_length(p + i, n - i);
    if (!k) return false;
  }
  return true;
}

char *lb_utf8_mended(const char *text, lb_error *err)
{
  lb_buf mended = { 0 };
  size_t n = strlen(text);
  for (size_t i = 0, k; i < n; i += k ? k : 1) {
    k = lb_utf8_length(text + i, n - i);
    if (k) lb_buf_append(&mended, text + i, k);
    else lb_buf_text(&mended, "\xEF\xBF\xBD");
  }
  char *result = lb_buf_take(&mended);
  if (!result) lb_fail_nomem(err);
  return result;
}

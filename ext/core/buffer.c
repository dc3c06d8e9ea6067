/* See buffer.h. */
#include "core/buffer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool reserve(lb_buf *buf, size_t more)
{
  if (buf->failed) return false;
  if (more >= SIZE_MAX / 2 - buf->len) {
    buf->failed = true;
    return false;
  }
  size_t need = buf->len + more + 1;
  if (need <= buf->cap) return true;
  size_t cap = buf->cap ? buf->cap : 64;
  while (cap < need) cap *= 2;
  char *data = realloc(buf->data, cap);
  if (!data) {
    buf->failed = true;
    return false;
  }
  buf->data = data;
  buf->cap = cap;
  return true;
}

char *lb_buf_grow(lb_buf *buf, size_t n)
{
  return reserve(buf, n) ? buf->data + buf->len : NULL;
}

void lb_buf_append(lb_buf *buf, const void *data, size_t n)
{
  if (!reserve(buf, n)) return;
  if (n) memcpy(buf->data + buf->len, data, n);
  buf->len += n;
  buf->data[buf->len] = 0;
}

void lb_buf_text(lb_buf *buf, const char *text)
{
  lb_buf_append(buf, text, strlen(text));
}

void lb_buf_vprintf(lb_buf *buf, const char *format, va_list args)
{
  va_list again;
  va_copy(again, args);
  int n = vsnprintf(NULL, 0, format, again);
  va_end(again);
  if (n < 0 || !reserve(buf, (size_t)n)) {
    buf->failed = true;
    return;
  }
  vsnprintf(buf->data + buf->len, (size_t)n + 1, format, args);
  buf->len += (size_t)n;
}

void lb_buf_printf(lb_buf *buf, const char *format, ...)
{
  va_list args;
  va_start(args, format);
  lb_buf_vprintf(buf, format, args);
  va_end(args);
}

void lb_buf_u32(lb_buf *buf, uint32_t v)
{
  unsigned char b[4];
  lb_put_u32(b, v);
  lb_buf_append(buf, b, sizeof b);
}

void lb_buf_u64(lb_buf *buf, uint64_t v)
{
  unsigned char b[8];
  lb_put_u64(b, v);
  lb_buf_append(buf, b, sizeof b);
}

char *lb_buf_take(lb_buf *buf)
{
  if (!buf->data) lb_buf_append(buf, "", 0);
  char *data = buf->failed ? NULL : buf->data;
  if (!data) free(buf->data);
  memset(buf, 0, sizeof *buf);
  return data;
}

void lb_buf_free(lb_buf *buf)
{
  free(buf->data);
  memset(buf, 0, sizeof *buf);
}

uint16_t lb_get_u16(const void *p)
{
  const unsigned char *b = p;
  return (uint16_t)(b[0] | b[1] << 8);
}

uint32_t lb_get_u32(const void *p)
{
  const unsigned char *b = p;
  return (uint32_t)b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
}

uint64_t lb_get_u64(const void *p)
{
  return lb_get_u32(p) | (uint64_t)lb_get_u32((const unsigned char *)p + 4) << 32;
}

void lb_put_u16(void *p, uint16_t v)
{
  unsigned char *b = p;
  b[0] = (unsigned char)v;
  b[1] = (unsigned char)(v >> 8);
}

void lb_put_u32(void *p, uint32_t v)
{
  lb_put_u16(p, (uint16_t)v);
  lb_put_u16((unsigned char *)p + 2, (uint16_t)(v >> 16));
}

void lb_put_u64(void *p, uint64_t v)
{
  lb_put_u32(p, (uint32_t)v);
  lb_put_u32((unsigned char *)p + 4, (uint32_t)(v >> 32));
}

/* A growing byte buffer whose first failed allocation sticks: later appends are no-ops, and the owner
** looks at `failed` once, at the end. data is always NUL-terminated when it is not NULL.
*/
#ifndef LB_CORE_BUFFER_H
#define LB_CORE_BUFFER_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct lb_buf {
  char *data;    /* NULL while empty */
  size_t len;    /* bytes in use, the terminating NUL not counted */
  size_t cap;
  bool failed;   /* an allocation failed: the content is not complete */
} lb_buf;

void lb_buf_append(lb_buf *buf, const void *data, size_t n);
void lb_buf_text(lb_buf *buf, const char *text);
void lb_buf_printf(lb_buf *buf, const char *format, ...) __attribute__((format(printf, 2, 3)));
void lb_buf_vprintf(lb_buf *buf, const char *format, va_list args) __attribute__((format(printf, 2, 0)));
void lb_buf_u32(lb_buf *buf, uint32_t v);  /* little-endian, as every number in our files */
void lb_buf_u64(lb_buf *buf, uint64_t v);

/* Room for n bytes behind those in use, or NULL; lb_buf_end is told where ended what was written there. */
char *lb_buf_grow(lb_buf *buf, size_t n);  /* lb_buf_room's, where there is none yet */
static inline char *lb_buf_room(lb_buf *buf, size_t n)
{
  return n < buf->cap - buf->len ? buf->data + buf->len : lb_buf_grow(buf, n);
}

static inline void lb_buf_end(lb_buf *buf, char *end)
{
  buf->len = (size_t)(end - buf->data);
  *end = 0;
}

static inline void lb_buf_byte(lb_buf *buf, char byte)
{
  char *to = lb_buf_room(buf, 1);
  if (!to) return;
  *to = byte;
  lb_buf_end(buf, to + 1);
}

/* Gives the text to the caller, who frees it with free(); "" for an empty buffer, NULL when failed. */
char *lb_buf_take(lb_buf *buf);
void lb_buf_free(lb_buf *buf);

/* Little-endian numbers at p, which need not be aligned. */
uint16_t lb_get_u16(const void *p);
uint32_t lb_get_u32(const void *p);
uint64_t lb_get_u64(const void *p);
void lb_put_u16(void *p, uint16_t v);
void lb_put_u32(void *p, uint32_t v);
void lb_put_u64(void *p, uint64_t v);

#endif

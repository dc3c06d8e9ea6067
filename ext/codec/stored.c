/* See stored.h. */
#include "codec/stored.h"

#include <string.h>

#include "core/buffer.h"

#define BLOCK_MOST 65535

size_t lb_stored_bytes(size_t raw)
{
  size_t blocks = raw ? (raw + BLOCK_MOST - 1) / BLOCK_MOST : 1;
  return blocks * 5 + raw;
}

size_t lb_store(const void *raw, size_t raw_len, bool final, void *out)
{
  const unsigned char *from = raw;
  unsigned char *to = out;
  size_t left = raw_len;
  do {
    size_t n = left < BLOCK_MOST ? left : BLOCK_MOST;
    left -= n;
    to[0] = final && left == 0;
    lb_put_u16(to + 1, (uint16_t)n);
    lb_put_u16(to + 3, (uint16_t)~n);
    if (n) memcpy(to + 5, from, n);
    from += n;
    to += 5 + n;
  } while (left);
  return (size_t)(to - (unsigned char *)out);
}

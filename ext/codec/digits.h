/* Hexadecimal digits as deflate (RFC 1951, 3.2.7): the text that COPY of PostgreSQL makes of bytea, where it does not
** shrink otherwise.
**
** Deflaters look for repetition in it and find what three digits in a row have by chance: half a byte a digit is
** better, and several times as fast to make. The code is always the same: 4 bits for a digit, 5 for 'f', 12 or 13 for
** all else.
*/
#ifndef LB_CODEC_DIGITS_H
#define LB_CODEC_DIGITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct lb_digits {
  uint32_t entries[257];       /* of each byte and of the end: the code's bits from 0 on, its length from 16 on */
  unsigned char header[64];    /* of a block, the tables of codes included: header_bits, of which the first is 0 */
  unsigned header_bits;
} lb_digits;

void lb_digits_prepare(lb_digits *digits);

/* The most bytes that raw ones become, of which `others` are no digits. */
size_t lb_digits_bound(size_t raw_len, size_t others);

/* One block; it ends on a byte's boundary. final: nothing follows it. out has room for lb_digits_bound(); returns the
** bytes. */
size_t lb_digits_deflate(const lb_digits *digits, const void *raw, size_t raw_len, bool final, void *out);

#endif

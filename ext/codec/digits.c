/* See digits.h. Lengths of codes: 15 x 4 bits, 1 x 5, 15 x 12, 226 x 13 fill the space of codes exactly, as every
** inflater asks. There are two distance codes of one bit, which are never used: fewer are legal, but less usual.
*/
#include "codec/digits.h"

#include <endian.h>
#include <string.h>

enum {
  SYMBOLS = 257, END = 256, DISTANCES = 2, LENGTH_MOST = 13,
  LONG = 12, LONGS = 15,       /* so many of the others, the first ones, have LONG bits */
  HEADER_BOUND = 64, TAIL = 16 /* bytes: the end of the block, an empty stored one, what a store of 8 goes beyond */
};

typedef struct writer {
  unsigned char *out;          /* whole bytes before it are written */
  uint64_t bits;
  unsigned count;              /* of bits, less than 8 after flush */
} writer;

static void put(writer *w, uint32_t bits, unsigned count)
{
  w->bits |= (uint64_t)bits << w->count;
  w->count += count;
}

/* Writes 8 bytes, of which those count that are whole. */
static void flush(writer *w)
{
  uint64_t little = htole64(w->bits);
  memcpy(w->out, &little, sizeof little);
  w->out += w->count / 8;
  w->bits >>= w->count & ~7u;
  w->count &= 7;
}

/* ---- the code ---- */

static unsigned length_of(unsigned symbol)
{
  if (symbol == 'f') return 5;
  if ((symbol >= '0' && symbol <= '9') || (symbol >= 'a' && symbol <= 'e')) return 4;
  return symbol < LONGS ? LONG : LENGTH_MOST;
}

/* Codes count up among those of one length, and are sent from their highest bit on (RFC 1951, 3.1.1 and 3.2.2). */
static uint32_t reversed(unsigned code, unsigned length)
{
  uint32_t bits = 0;
  for (unsigned i = 0; i < length; i++) bits |= (uint32_t)(code >> i & 1) << (length - 1 - i);
  return bits;
}

static void make_entries(lb_digits *digits)
{
  unsigned code = 0;
  for (unsigned length = 1; length <= LENGTH_MOST; length++, code <<= 1) {
    for (unsigned symbol = 0; symbol < SYMBOLS; symbol++) {
      if (length_of(symbol) == length) digits->entries[symbol] = reversed(code++, length) | length << 16;
    }
  }
}

/* The lengths of codes are themselves in a code, which knows those that occur: 1, 4, 5, 12 and 13. */
static void put_length(writer *w, unsigned length)
{
  switch (length) {
  case 13: put(w, 0, 1); break;  /* 0 */
  case 4:  put(w, 1, 2); break;  /* 10 */
  case 12: put(w, 3, 3); break;  /* 110 */
  case 1:  put(w, 7, 4); break;  /* 1110 */
  default: put(w, 15, 4);        /* 1111: 5 */
  }
  flush(w);
}

static void make_header(lb_digits *digits)
{
  /* 3.2.7's order of lengths: 16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1 */
  static const unsigned char lengths[18] = { [9] = 4, [11] = 2, [12] = 3, [14] = 1, [17] = 4 };
  unsigned char out[HEADER_BOUND + sizeof(uint64_t)];
  writer w = { .out = out };
  put(&w, 0, 1);
  put(&w, 2, 2);
  put(&w, SYMBOLS - 257, 5);
  put(&w, DISTANCES - 1, 5);
  put(&w, sizeof lengths - 4, 4);
  for (unsigned i = 0; i < sizeof lengths; i++) {
    flush(&w);
    put(&w, lengths[i], 3);
  }
  for (unsigned symbol = 0; symbol < SYMBOLS; symbol++) put_length(&w, length_of(symbol));
  for (unsigned i = 0; i < DISTANCES; i++) put_length(&w, 1);
  digits->header_bits = (unsigned)(w.out - out) * 8 + w.count;
  memcpy(digits->header, out, sizeof digits->header);
}

void lb_digits_prepare(lb_digits *digits)
{
  make_entries(digits);
  make_header(digits);
}

/* ---- a block ---- */

size_t lb_digits_bound(size_t raw_len, size_t others)
{
  return HEADER_BOUND + raw_len / 8 * 5 + 5 + others + TAIL;
}

/* What follows the last whole byte of the header is in bits. */
static writer begin(const lb_digits *digits, bool final, unsigned char *out)
{
  size_t whole = digits->header_bits / 8;
  memcpy(out, digits->header, whole);
  out[0] |= final;
  return (writer){ out + whole, digits->header[whole], digits->header_bits % 8 };
}

static void put_symbol(writer *w, const lb_digits *digits, unsigned symbol)
{
  put(w, digits->entries[symbol] & 0xffff, digits->entries[symbol] >> 16);
}

/* An empty stored block fills the last byte where others follow. */
static size_t end(writer *w, const unsigned char *begin, bool final)
{
  if (!final) {
    put(w, 0, 3);
    w->count = (w->count + 7) & ~7u;
    flush(w);
    put(w, 0xffff0000, 32);
  }
  w->count = (w->count + 7) & ~7u;
  flush(w);
  return (size_t)(w->out - begin);
}

size_t lb_digits_deflate(const lb_digits *digits, const void *raw, size_t raw_len, bool final, void *out)
{
  const unsigned char *in = raw;
  size_t i = 0;
  writer w = begin(digits, final, out);
  for (; i + 4 <= raw_len; i += 4) {  /* 4 x 13 bits and the 7 that flush leaves */
    put_symbol(&w, digits, in[i]);
    put_symbol(&w, digits, in[i + 1]);
    put_symbol(&w, digits, in[i + 2]);
    put_symbol(&w, digits, in[i + 3]);
    flush(&w);
  }
  for (; i < raw_len; i++) put_symbol(&w, digits, in[i]);
  flush(&w);
  put_symbol(&w, digits, END);
  flush(&w);
  return end(&w, out, final);
}

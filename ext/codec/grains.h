/* What deflate does badly, told from the rest by a look at it: content that does not shrink (pictures, archives, keys
** in a BLOB), and such content as hexadecimal digits.
**
** The first is better stored: deflating gains nothing on it, its bytes spoil the codes of their neighbours, and one
** code a byte is the slowest that inflating gets. For the second there is digits.h.
*/
#ifndef LB_CODEC_GRAINS_H
#define LB_CODEC_GRAINS_H

#include <stddef.h>

enum { LB_GRAIN = 4096, LB_GRAINS_MOST = 1024 };  /* bytes in a grain; grains in a block of 4 MiB, the longest */

typedef enum lb_grain_kind {
  LB_GRAIN_SHRINKS,
  LB_GRAIN_RANDOM,    /* does not shrink */
  LB_GRAIN_DIGITS     /* shrinks by nothing but that it has 16 different bytes, 0 to 9 and a to f, and hardly others */
} lb_grain_kind;

enum { LB_GRAIN_OTHERS_MOST = 64 };  /* bytes of a grain of digits that are none */

typedef struct lb_grains {
  size_t count;                          /* whole grains; what follows the last one is taken to shrink */
  unsigned char kinds[LB_GRAINS_MOST];   /* lb_grain_kind */
} lb_grains;

/* Looks at the grains of raw; content of more than LB_GRAINS_MOST is all taken to shrink. The same content has the same
** grains, always. */
void lb_find_grains(const void *raw, size_t raw_len, lb_grains *grains);

/* The bytes, of raw_len, that are of one kind from `from` on, which is a multiple of LB_GRAIN and at most raw_len. */
size_t lb_run_of_grains(const lb_grains *grains, size_t from, size_t raw_len, lb_grain_kind *kind);

#endif

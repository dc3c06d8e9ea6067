/* Content that deflate does not shrink (pictures, archives, keys in a BLOB), told from the rest by a look at it.
**
** Such content is better stored: deflating gains nothing on it, its bytes spoil the codes of their neighbours, and one
** code a byte is the slowest that inflating gets.
*/
#ifndef LB_CODEC_GRAINS_H
#define LB_CODEC_GRAINS_H

#include <stdbool.h>
#include <stddef.h>

enum { LB_GRAIN = 4096, LB_GRAINS_MOST = 1024 };  /* bytes in a grain; grains in a block of 4 MiB, the longest */

typedef struct lb_grains {
  size_t count;                 /* whole grains; what follows the last one is taken to shrink */
  bool random[LB_GRAINS_MOST];  /* does not shrink */
} lb_grains;

/* Looks at the grains of raw; content of more than LB_GRAINS_MOST is all taken to shrink. The same content has the same
** grains, always. */
void lb_find_grains(const void *raw, size_t raw_len, lb_grains *grains);

/* The bytes, of raw_len, that are of one kind from `from` on, which is a multiple of LB_GRAIN and at most raw_len.
** *random: their kind. */
size_t lb_run_of_grains(const lb_grains *grains, size_t from, size_t raw_len, bool *random);

#endif

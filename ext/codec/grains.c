/* See grains.h.
**
** Deflate has two ways to save: frequent bytes get short codes, and what was there before is pointed at. So a grain
** does not shrink if its bytes are all about equally frequent, and nothing of it has been there before.
**
** Frequency: some bytes of the grain are sampled, and pairs of equal ones counted. Of random bytes one pair in 256 is
** equal; of hexadecimal digits, one in 16. The samples' places are uneven, so that they meet every column of records of
** one length (a linear congruence: Numerical Recipes, 7.1).
**
** Repetition: wherever a grain has a certain byte, it has an anchor, and the 8 bytes behind it are looked up among
** those behind earlier anchors. What repeats itself repeats its anchors, if it is longer than some hundred bytes.
**
** Both can be deceived, by long records of random bytes with a short constant piece that has few equal bytes: a part of
** what deflate would save is then not saved.
**
** A single grain is not told apart: each change costs a table of codes and the memory of what was before.
*/
#include "codec/grains.h"

#include <stdint.h>
#include <string.h>

#include "core/buffer.h"

enum {
  STEP_BITS = 4, SAMPLES = LB_GRAIN >> STEP_BITS,
  SAMPLES_AT_ONCE = 32,    /* so often is text, which has its equal pairs soon, done with */
  PAIRS_RANDOM = 155,      /* 127.5 of 32640 are to be expected, and 11.3 is the standard deviation */
  ANCHOR = 0xa5,
  SEEN_BITS = 11,          /* a block of 256 KiB of random bytes has 1024 anchors */
  RUN_LEAST = 2
};

typedef struct anchors {
  uint64_t words[1 << SEEN_BITS];
} anchors;

static bool bytes_are_even(const unsigned char *grain)
{
  unsigned char count[256] = { 0 };
  unsigned pairs = 0;
  uint32_t column = 0;
  for (int i = 0; i < SAMPLES; i++) {
    if (i % SAMPLES_AT_ONCE == 0 && pairs > PAIRS_RANDOM) return false;
    column = column * 1664525 + 1013904223;
    pairs += count[grain[((unsigned)i << STEP_BITS) + (column >> (32 - STEP_BITS))]]++;
  }
  return pairs <= PAIRS_RANDOM;
}

static bool repeats(const unsigned char *grain, anchors *seen)
{
  const unsigned char *end = grain + LB_GRAIN - sizeof(uint64_t), *at = grain;
  bool found = false;
  while (at < end && (at = memchr(at, ANCHOR, (size_t)(end - at)))) {
    uint64_t word = lb_get_u64(++at);
    uint64_t *slot = &seen->words[(word * 0x9e3779b97f4a7c15u) >> (64 - SEEN_BITS)];
    if (*slot == word) found = true;
    *slot = word;
  }
  return found;
}

void lb_find_grains(const void *raw, size_t raw_len, lb_grains *grains)
{
  const unsigned char *bytes = raw;
  anchors seen = { 0 };
  size_t run = 0;
  grains->count = raw_len / LB_GRAIN <= LB_GRAINS_MOST ? raw_len / LB_GRAIN : 0;
  for (size_t i = 0; i < grains->count; i++) {
    const unsigned char *grain = bytes + i * LB_GRAIN;
    grains->random[i] = bytes_are_even(grain) && !repeats(grain, &seen);
    if (!grains->random[i] && run < RUN_LEAST) memset(grains->random + i - run, false, run);
    run = grains->random[i] ? run + 1 : 0;
  }
  if (run < RUN_LEAST) memset(grains->random + grains->count - run, false, run);
}

size_t lb_run_of_grains(const lb_grains *grains, size_t from, size_t raw_len, bool *random)
{
  size_t first = from / LB_GRAIN, i = first;
  *random = first < grains->count && grains->random[first];
  while (i < grains->count && grains->random[i] == *random) i++;
  return i < grains->count || *random ? (i - first) * LB_GRAIN : raw_len - from;
}

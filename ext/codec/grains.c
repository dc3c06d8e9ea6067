/* See grains.h.
**
** Deflate has two ways to save: frequent bytes get short codes, and what was there before is pointed at. So a grain
** does not shrink if its bytes are all about equally frequent, and nothing of it has been there before; and digits of
** which both are true have nothing for deflate to find.
**
** Frequency: some bytes of the grain are sampled, and pairs of equal ones counted. Of random bytes one pair in 256 is
** equal; of hexadecimal digits, one in 16. The samples' places are uneven, so that they meet every column of records of
** one length (a linear congruence: Numerical Recipes, 7.1).
**
** Repetition: wherever a grain has a certain byte, or pair of digits, it has an anchor, and the 8 bytes behind it are
** looked up among those behind earlier anchors. What repeats itself repeats its anchors, if it is longer than some
** hundred bytes.
**
** Both can be deceived, by long records of random bytes with a short constant piece that has few equal bytes: a part of
** what deflate would save is then not saved.
**
** A single grain is not told apart: each change costs a table of codes and the memory of what was before.
*/
#include "codec/grains.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "core/buffer.h"

enum {
  STEP_BITS = 4, SAMPLES = LB_GRAIN >> STEP_BITS,
  SAMPLES_AT_ONCE = 32,    /* so often is text, which has its equal pairs soon, done with */
  PAIRS_RANDOM = 155,      /* 127.5 of 32640 are to be expected, and 11.3 is the standard deviation */
  PAIRS_DIGITS = 2200,     /* 2040, and 43.7 */
  OTHERS_AT_ONCE = 4,      /* of SAMPLES_AT_ONCE: so many are no digits that the grain is none of digits */
  ANCHOR = 0xa5,
  SEEN_BITS = 11,          /* a block of 256 KiB of random bytes, or of digits, has 1024 anchors */
  RUN_LEAST = 2
};

typedef struct anchors {
  uint64_t words[1 << SEEN_BITS];
} anchors;

static bool is_digit(unsigned char c)
{
  return (unsigned char)(c - '0') < 10 || (unsigned char)(c - 'a') < 6;
}

/* What the grain is if nothing repeats. */
static lb_grain_kind look_at_bytes(const unsigned char *grain)
{
  unsigned char count[256] = { 0 };
  unsigned pairs = 0, others = 0;
  uint32_t column = 0;
  for (int i = 0; i < SAMPLES; i++) {
    if (i % SAMPLES_AT_ONCE == 0 && pairs > PAIRS_RANDOM && others > OTHERS_AT_ONCE) return LB_GRAIN_SHRINKS;
    column = column * 1664525 + 1013904223;
    unsigned char byte = grain[((unsigned)i << STEP_BITS) + (column >> (32 - STEP_BITS))];
    pairs += count[byte]++;
    others += !is_digit(byte);
  }
  if (pairs <= PAIRS_RANDOM) return LB_GRAIN_RANDOM;
  if (pairs > PAIRS_DIGITS) return LB_GRAIN_SHRINKS;
  others = 0;
  for (int i = 0; i < LB_GRAIN; i++) others += !is_digit(grain[i]);
  return others <= LB_GRAIN_OTHERS_MOST ? LB_GRAIN_DIGITS : LB_GRAIN_SHRINKS;
}

static const unsigned char *next_anchor(const unsigned char *at, const unsigned char *end, lb_grain_kind kind)
{
  if (kind == LB_GRAIN_RANDOM) {
    at = memchr(at, ANCHOR, (size_t)(end - at));
    return at ? at + 1 : NULL;
  }
  for (; at < end; at++) if (memcmp(at, "a5", 2) == 0) return at + 2;
  return NULL;
}

static bool repeats(const unsigned char *grain, lb_grain_kind kind, anchors *seen)
{
  const unsigned char *end = grain + LB_GRAIN - sizeof(uint64_t) - 1, *at = grain;
  bool found = false;
  while (at < end && (at = next_anchor(at, end, kind))) {
    uint64_t word = lb_get_u64(at);
    uint64_t *slot = &seen->words[(word * 0x9e3779b97f4a7c15u) >> (64 - SEEN_BITS)];
    if (*slot == word) found = true;
    *slot = word;
  }
  return found;
}

static lb_grain_kind kind_of(const unsigned char *grain, anchors *seen)
{
  lb_grain_kind kind = look_at_bytes(grain);
  return kind != LB_GRAIN_SHRINKS && repeats(grain, kind, seen) ? LB_GRAIN_SHRINKS : kind;
}

void lb_find_grains(const void *raw, size_t raw_len, lb_grains *grains)
{
  const unsigned char *bytes = raw;
  anchors seen = { 0 };
  size_t run = 0;
  grains->count = raw_len / LB_GRAIN <= LB_GRAINS_MOST ? raw_len / LB_GRAIN : 0;
  for (size_t i = 0; i <= grains->count; i++) {
    if (i < grains->count) grains->kinds[i] = (unsigned char)kind_of(bytes + i * LB_GRAIN, &seen);
    bool more = i < grains->count && run && grains->kinds[i] == grains->kinds[i - 1];
    if (!more && run < RUN_LEAST) memset(grains->kinds + i - run, LB_GRAIN_SHRINKS, run);
    run = more ? run + 1 : 1;
  }
}

size_t lb_run_of_grains(const lb_grains *grains, size_t from, size_t raw_len, lb_grain_kind *kind)
{
  size_t first = from / LB_GRAIN, i = first;
  *kind = first < grains->count ? (lb_grain_kind)grains->kinds[first] : LB_GRAIN_SHRINKS;
  while (i < grains->count && grains->kinds[i] == (unsigned char)*kind) i++;
  return i < grains->count || *kind != LB_GRAIN_SHRINKS ? (i - first) * LB_GRAIN : raw_len - from;
}

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
** Repetition: wherever a grain has one of certain bytes, it has an anchor, and the 8 bytes behind it are looked up
** among those behind earlier anchors. What repeats itself repeats its anchors, if it is longer than some hundred bytes,
** or some dozen digits: a key or a header that all values begin with. With a quarter of the anchors, one in three
** headers of 250 bytes had none, and what deflate saves on them, up to half, was lost.
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
  PAIRS_BEYOND = 160,      /* of digits, whose n samples have n * n / 32: 2040, and 43.7 */
  OTHERS_AT_ONCE = 4,      /* of SAMPLES_AT_ONCE: so many are no digits that the grain is none of digits */
  COUNTED_AT_ONCE = 128,
  SEEN_BITS = 11,          /* so many anchors have digits in the 32 KiB that deflate sees, random bytes in 128 */
  RANDOM_REPEATS = 2,      /* anchors, each for 64 bytes: one may be of a text that ends or begins in the grain */
  DIGIT_REPEATS = 8,       /* each for 16 digits: less does not outweigh the 5 % that their code saves */
  RUN_LEAST = 2
};

#define RANDOM_ANCHORS "\xc1\xf5\xf9\xfb"  /* which UTF-8 does not have */
#define DIGIT_ANCHORS "a"

typedef struct anchors {
  uint64_t words[1 << SEEN_BITS];
} anchors;

static bool is_digit(unsigned char c)
{
  return (unsigned char)(c - '0') < 10 || (unsigned char)(c - 'a') < 6;
}

/* Counted in bytes at first, which processors add many at once. */
static unsigned count_others(const unsigned char *grain)
{
  unsigned others = 0;
  for (const unsigned char *at = grain; at < grain + LB_GRAIN; at += COUNTED_AT_ONCE) {
    unsigned char n = 0;
    for (int i = 0; i < COUNTED_AT_ONCE; i++) n += !is_digit(at[i]);
    others += n;
  }
  return others;
}

static bool too_many_pairs(unsigned pairs, unsigned samples)
{
  return pairs > samples * samples / 32 + PAIRS_BEYOND;
}

/* What the grain is if nothing repeats. */
static lb_grain_kind look_at_bytes(const unsigned char *grain)
{
  unsigned char count[256] = { 0 };
  unsigned pairs = 0, others = 0;
  uint32_t column = 0;
  for (unsigned i = 0; i < SAMPLES; i++) {
    if (i % SAMPLES_AT_ONCE == 0 && pairs > PAIRS_RANDOM && (others > OTHERS_AT_ONCE || too_many_pairs(pairs, i))) {
      return LB_GRAIN_SHRINKS;
    }
    column = column * 1664525 + 1013904223;
    unsigned char byte = grain[(i << STEP_BITS) + (column >> (32 - STEP_BITS))];
    pairs += count[byte]++;
    others += !is_digit(byte);
  }
  if (pairs <= PAIRS_RANDOM) return LB_GRAIN_RANDOM;
  if (too_many_pairs(pairs, SAMPLES)) return LB_GRAIN_SHRINKS;
  return count_others(grain) <= LB_GRAIN_OTHERS_MOST ? LB_GRAIN_DIGITS : LB_GRAIN_SHRINKS;
}

/* Looks no further than where enough repeats: what is new behind that will have its anchors when it comes again. */
static bool repeats(const unsigned char *grain, lb_grain_kind kind, anchors *seen)
{
  const unsigned char *end = grain + LB_GRAIN - sizeof(uint64_t);
  int enough = kind == LB_GRAIN_RANDOM ? RANDOM_REPEATS : DIGIT_REPEATS;
  for (const char *anchor = kind == LB_GRAIN_RANDOM ? RANDOM_ANCHORS : DIGIT_ANCHORS; *anchor; anchor++) {
    const unsigned char *at = grain;
    while (at < end && (at = memchr(at, *anchor, (size_t)(end - at)))) {
      uint64_t word = lb_get_u64(++at);
      uint64_t *slot = &seen->words[(word * 0x9e3779b97f4a7c15u) >> (64 - SEEN_BITS)];
      if (*slot == word && --enough == 0) return true;
      *slot = word;
    }
  }
  return false;
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

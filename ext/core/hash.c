/* See hash.h. The library is compiled in here and nowhere else. */
#include "core/hash.h"

#ifdef LB_WITH_XXHASH
#define XXH_INLINE_ALL
#include <xxhash.h>

bool lb_hash_available(void)
{
  return true;
}

uint64_t lb_hash64(const void *data, size_t n)
{
  return XXH3_64bits(n ? data : "", n);
}

bool lb_hasher_begin(lb_hasher *h)
{
  if (!h->state) h->state = XXH3_createState();
  return h->state && XXH3_64bits_reset(h->state) == XXH_OK;
}

void lb_hasher_take(lb_hasher *h, const void *data, size_t n)
{
  if (n) XXH3_64bits_update(h->state, data, n);
}

uint64_t lb_hasher_end(const lb_hasher *h)
{
  return XXH3_64bits_digest(h->state);
}

void lb_hasher_free(lb_hasher *h)
{
  XXH3_freeState(h->state);
  h->state = NULL;
}

#else

bool lb_hash_available(void)
{
  return false;
}

uint64_t lb_hash64(const void *data, size_t n)
{
  (void)data, (void)n;
  return 0;
}

bool lb_hasher_begin(lb_hasher *h)
{
  (void)h;
  return true;
}

void lb_hasher_take(lb_hasher *h, const void *data, size_t n)
{
  (void)h, (void)data, (void)n;
}

uint64_t lb_hasher_end(const lb_hasher *h)
{
  (void)h;
  return 0;
}

void lb_hasher_free(lb_hasher *h)
{
  (void)h;
}

#endif

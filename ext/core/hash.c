/* See hash.h. The library is compiled in here and nowhere else. */
#include "core/hash.h"

#ifdef LB_WITH_XXHASH
#define XXH_INLINE_ALL
#include <xxhash.h>
#endif

bool lb_hash_available(void)
{
#ifdef LB_WITH_XXHASH
  return true;
#else
  return false;
#endif
}

uint64_t lb_hash64(const void *data, size_t n)
{
#ifdef LB_WITH_XXHASH
  return XXH3_64bits(n ? data : "", n);
#else
  (void)data, (void)n;
  return 0;
#endif
}

/* The content hash: XXH3-64, or not built in.
**
** XXH3 with seed 0 and the default secret, of the library xxhash (header-only; github.com/Cyan4973/xxHash,
** doc/xxhash_spec.md). It finds damage and tells contents apart; it is no defence against forgery. Any thread may call.
*/
#ifndef LB_CORE_HASH_H
#define LB_CORE_HASH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

bool lb_hash_available(void);

/* Of n bytes (data may be NULL when n is 0); 0 where it was not built in. */
uint64_t lb_hash64(const void *data, size_t n);

/* The same of bytes that come one after the other. begin starts anew, as often as it is called; false: no memory. */
typedef struct lb_hasher { void *state; } lb_hasher;  /* zeroed first; freed by lb_hasher_free */
bool lb_hasher_begin(lb_hasher *hasher);
void lb_hasher_take(lb_hasher *hasher, const void *data, size_t n);
uint64_t lb_hasher_end(const lb_hasher *hasher);
void lb_hasher_free(lb_hasher *hasher);

#endif

/* Stored deflate blocks: bytes as they are (RFC 1951, 3.2.4). */
#ifndef LB_CODEC_STORED_H
#define LB_CODEC_STORED_H

#include <stdbool.h>
#include <stddef.h>

/* The bytes that lb_store makes of raw ones: never fewer than 5. */
size_t lb_stored_bytes(size_t raw);

/* raw_len bytes as stored blocks into out, which has room for lb_stored_bytes(raw_len); returns their bytes. final:
** nothing follows them. What precedes them ends on a byte's boundary. */
size_t lb_store(const void *raw, size_t raw_len, bool final, void *out);

#endif

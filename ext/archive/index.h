/* The index and the footer of a backup file, to and from bytes. Pure functions on buffers: no files, no threads.
**
** Layout: docs/format.md. Decoding takes hostile bytes. Records and footers are accepted only as the very bytes that
** encoding would make, and the stream within them has a checksum, so that whatever is flipped is noticed.
*/
#ifndef LB_ARCHIVE_INDEX_H
#define LB_ARCHIVE_INDEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "codec/codec.h"
#include "core/buffer.h"

#define LB_BLOCK_MAX (4u << 20)      /* raw bytes of a block */
#define LB_FOOTER_PAYLOAD 44       /* bytes; fixed for all versions */

typedef struct lb_block {
  uint64_t offset;                   /* in the file */
  uint32_t stored, raw;              /* bytes there, and decoded */
  uint32_t crc;                      /* CRC-32 of the stored bytes */
  uint64_t raw_offset;               /* where it begins in the content; set by lb_index_add and lb_index_decode */
} lb_block;

typedef struct lb_index {
  uint32_t block_bytes;              /* raw size of every block but the head and the last; with contents: the most */
  uint32_t head_bytes;               /* raw size of block 0 where a head was reserved, else 0 */
  uint64_t raw_total;
  uint64_t count, capacity;
  lb_block *blocks;
  uint64_t *hashes;                  /* one a block, of the raw bytes; NULL: not known */
  char *manifest;                    /* JSON; NULL: none */
  char *contents;                    /* JSON; NULL: none. Where there is one, blocks are of any length, and no head */
} lb_index;

typedef struct lb_footer {
  uint64_t index_offset, index_stored, index_payload;
  uint32_t index_crc;
} lb_footer;

/* Appends a block. hash is kept when lb_hash_available(). */
int lb_index_add(lb_index *index, const lb_block *block, uint64_t hash, lb_error *err);
void lb_index_free(lb_index *index);

/* Where the content of a block (below count) begins. */
uint64_t lb_index_raw_offset(const lb_index *index, uint64_t number);

/* The block with the content byte at offset; the last one where the content ends before. */
uint64_t lb_index_find(const lb_index *index, uint64_t offset);

/* The hash over all blocks' hashes (0 without them). */
int lb_index_content_hash(const lb_index *index, uint64_t *hash, lb_error *err);

/* The sizes of the largest block, each 1 or more: what the buffers of a reader need. */
void lb_index_largest(const lb_index *index, size_t *stored, size_t *raw);

/* The index stream. data_end is where the blocks end and the index begins in the file. On failure index is empty. */
int lb_index_encode(const lb_index *index, lb_buf *payload, lb_error *err);
int lb_index_decode(const void *payload, size_t len, uint64_t data_end, lb_index *index, lb_error *err);

/* The tail of a file: the stream as records, then the footer. */
int lb_index_pack(const lb_codec *codec, const lb_buf *payload, uint64_t index_offset, lb_buf *tail, lb_error *err);

/* How many bytes the records of a stream of n bytes take. */
uint64_t lb_index_stored_bytes(const lb_codec *codec, uint64_t n);

/* The stream out of its records, in place; checked against the footer. */
int lb_index_unpack(const lb_codec *codec, unsigned char *stored, const lb_footer *footer, lb_error *err);

size_t lb_footer_bytes(const lb_codec *codec);
/* tail: lb_footer_bytes() bytes. false: not a footer, or not a whole one. Sets err where it is of a newer version. */
bool lb_footer_decode(const lb_codec *codec, const void *tail, lb_footer *footer, lb_error *err);

#endif

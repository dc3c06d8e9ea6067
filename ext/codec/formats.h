/* The rows of the codec table, and what they share. Private to ext/codec. */
#ifndef LB_CODEC_FORMATS_H
#define LB_CODEC_FORMATS_H

#include "codec/codec.h"

extern const lb_codec lb_codec_gzip;
#ifdef LB_WITH_ZSTD
extern const lb_codec lb_codec_zstd;
#endif

/* Our mark, the same bytes in both formats (docs/format.md): kind u8, version u8, reserved u16; then, for data, the
** member's size u32 and the block's number u64; for a record, its payload. */
#define LB_MARK_VERSION 1
#define LB_MARK_BYTES 4
#define LB_MARK_DATA_BYTES 16

void lb_mark_put(void *p, lb_member_kind kind);
void lb_mark_put_data(void *p, size_t member_bytes, uint64_t number);

/* Reads a mark of mark_bytes bytes, of which at least LB_MARK_BYTES, for data LB_MARK_DATA_BYTES, are at p. mark_offset
** is where it lies in its member. false: it is none. stored_bytes is set for data only. */
bool lb_mark_get(const void *p, size_t available, size_t mark_bytes, size_t mark_offset, lb_member *member);

#endif

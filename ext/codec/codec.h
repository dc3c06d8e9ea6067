/* The compression formats, each a row of operations in one table.
**
** A codec turns one block of content into one member: a piece that the format's ordinary tools (gunzip, zstd) decode
** as part of a concatenation. It also wraps our own records (index, footer) into members that those tools skip as
** empty. Layout to the byte: docs/format.md. Sources: RFC 1951 and 1952; RFC 8878 for zstd.
**
** A codec knows neither files nor threads. Every state is for one thread at a time; different states are independent.
** What is not built in is still in the table of names, so that asking for it gives "not built with …".
*/
#ifndef LB_CODEC_CODEC_H
#define LB_CODEC_CODEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/error.h"

/* The kinds of member, as stored in our records (see docs/format.md). */
typedef enum lb_member_kind { LB_MEMBER_DATA = 1, LB_MEMBER_INDEX = 2, LB_MEMBER_FOOTER = 3 } lb_member_kind;

#define LB_RECORD_MAX 8192  /* payload bytes of one index or footer record: BusyBox refuses FEXTRA above 16 KB */

/* What lb_codec.member_at finds at the beginning of a member. */
typedef struct lb_member {
  bool ours;               /* carries our mark */
  lb_member_kind kind;
  uint64_t stored_bytes;   /* the whole member; 0 where it is another tool's gzip */
  uint64_t number;         /* of a data member: its place among the blocks */
  size_t payload_offset;   /* of an index or footer record: where its payload begins within the member */
  size_t payload_bytes;
} lb_member;

typedef struct lb_codec {
  const char *name;        /* "gzip", "zstd": the value of the option `compress` */
  const char *suffix;      /* ".gz", ".zst" */
  int level_min, level_max, level_default;
  int level_shared;        /* the default where the processors are shared with what makes the content: a server */

  size_t (*bound)(size_t raw);        /* the most that compress makes of raw bytes */
  size_t (*stored_size)(size_t raw);  /* exactly what store makes of raw bytes */

  void *(*compressor_open)(int level, lb_error *err);
  void (*compressor_close)(void *compressor);
  /* One data member for raw_len bytes into out (capacity: bound(raw_len)); *out_len gets its size. number: the
  ** block's. */
  int (*compress)(void *compressor, uint64_t number, const void *raw, size_t raw_len, void *out, size_t *out_len,
                  lb_error *err);
  /* The same without compression, of a size that depends on raw_len alone: its place can be kept free. raw_len is at
  ** most LB_HEAD_MAX. */
  void (*store)(uint64_t number, const void *raw, size_t raw_len, void *out);

  void *(*decompressor_open)(lb_error *err);
  void (*decompressor_close)(void *decompressor);
  /* The whole of one data member back into exactly raw_len bytes; anything else is LB_CORRUPT. Checks the member's own
  ** checksum. The bytes are hostile. */
  int (*decompress)(void *decompressor, const void *member, size_t member_len, void *raw, size_t raw_len,
                    lb_error *err);

  /* Wraps a payload of at most LB_RECORD_MAX bytes into a member that decodes to nothing. out has room for
  ** record_size(payload_len) bytes, which is what is written. */
  size_t (*record_size)(size_t payload_len);
  void (*record)(lb_member_kind kind, const void *payload, size_t payload_len, void *out);

  /* Describes the member that begins at data. false: not a member of this format, or more than len bytes are needed. */
  bool (*member_at)(const void *data, size_t len, lb_member *member);

  /* The size of the content that a file of another tool claims, or -1; an estimate. head and tail are the file's first
  ** and last bytes, stored its size. */
  int64_t (*claimed_size)(const void *head, size_t head_len, const void *tail, size_t tail_len, uint64_t stored);

  /* A stream decoder for files of other tools: any concatenation of members, in pieces. */
  void *(*stream_open)(lb_error *err);
  void (*stream_close)(void *stream);
  /* Takes up to *in_len bytes and makes up to *out_len; both get what was used. *at_end: the input so far ends on a
  ** member's end, so that the file may end here. Garbage after a member is LB_CORRUPT. */
  int (*stream_decode)(void *stream, const void *in, size_t *in_len, void *out, size_t *out_len, bool *at_end,
                       lb_error *err);
} lb_codec;

/* By name ("gzip"), by file suffix (path ends in ".gz"), by the first bytes of a file (at least 4). NULL: none fits. */
const lb_codec *lb_codec_by_suffix(const char *path);
const lb_codec *lb_codec_by_magic(const void *data, size_t len);

/* The name of the format that data begins with, whether it was built in or not; NULL: none that is known. */
const char *lb_codec_name_of(const void *data, size_t len);

/* The i-th codec that was built in, from 0; NULL behind the last. */
const lb_codec *lb_codec_at(int i);

/* By name; a codec that is known but was not built in is LB_UNSUPPORTED, an unknown one LB_MISUSE. */
const lb_codec *lb_codec_get(const char *name, lb_error *err);

/* CRC-32 (RFC 1952) of n bytes, continued from crc (0 to begin). The fastest that was built in. */
uint32_t lb_crc32(uint32_t crc, const void *data, size_t n);

/* "zlib 1.2.13, ISA-L 2.30.0, zstd 1.5.4, xxhash 0.8.1": what was built in. A literal or a static buffer. */
const char *lb_codec_versions(void);

#endif

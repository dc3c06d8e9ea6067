/* See codec.h. The table of formats, our mark, and the CRC. What a format does is in gzip.c and zstd.c. */
#include "codec/codec.h"

#include <stdio.h>
#include <string.h>
#include <zlib.h>

#include "codec/formats.h"
#include "core/buffer.h"

#ifdef LB_WITH_ISAL
#include <isa-l.h>
#endif
#ifdef LB_WITH_ZSTD
#include <zstd.h>
#endif
#ifdef LB_WITH_XXHASH
#include <xxhash.h> /* its version only: core/hash.c has it */
#endif

typedef struct format {
  const char *name, *suffix;
  const lb_codec *codec;  /* NULL: not built in */
} format;

static const format formats[] = {
  { "gzip", ".gz", &lb_codec_gzip },
#ifdef LB_WITH_ZSTD
  { "zstd", ".zst", &lb_codec_zstd },
#else
  { "zstd", ".zst", NULL },
#endif
};

enum { GZIP, ZSTD, FORMATS };

/* RFC 1952, 2.3; RFC 8878, 3.1: a frame, or one of the sixteen kinds of skippable frame. */
static const format *format_of(const void *data, size_t len)
{
  const unsigned char *b = data;
  if (len >= 3 && b[0] == 0x1f && b[1] == 0x8b && b[2] == 8) return &formats[GZIP];
  if (len < 4) return NULL;
  uint32_t magic = lb_get_u32(b);
  if (magic == 0xfd2fb528 || (magic & 0xfffffff0) == 0x184d2a50) return &formats[ZSTD];
  return NULL;
}

const lb_codec *lb_codec_by_magic(const void *data, size_t len)
{
  const format *f = format_of(data, len);
  return f ? f->codec : NULL;
}

const char *lb_codec_name_of(const void *data, size_t len)
{
  const format *f = format_of(data, len);
  return f ? f->name : NULL;
}

const lb_codec *lb_codec_by_suffix(const char *path)
{
  size_t n = strlen(path);
  for (int i = 0; i < FORMATS; i++) {
    size_t s = strlen(formats[i].suffix);
    if (n > s && strcmp(path + n - s, formats[i].suffix) == 0) return formats[i].codec;
  }
  return NULL;
}

const lb_codec *lb_codec_at(int i)
{
  int n = 0;
  for (int f = 0; f < FORMATS; f++) {
    if (formats[f].codec && n++ == i) return formats[f].codec;
  }
  return NULL;
}

const lb_codec *lb_codec_get(const char *name, lb_error *err)
{
  for (int i = 0; i < FORMATS; i++) {
    if (strcmp(formats[i].name, name)) continue;
    if (!formats[i].codec) lb_fail(err, LB_UNSUPPORTED, "not built with %s", name);
    return formats[i].codec;
  }
  lb_fail(err, LB_MISUSE, "unknown compression: %s (it is gzip or zstd)", name);
  return NULL;
}

/* ---- our mark ---- */

void lb_mark_put(void *p, lb_member_kind kind)
{
  unsigned char *b = p;
  b[0] = (unsigned char)kind;
  b[1] = LB_MARK_VERSION;
  lb_put_u16(b + 2, 0);
}

void lb_mark_put_data(void *p, size_t member_bytes, uint64_t number)
{
  unsigned char *b = p;
  lb_mark_put(b, LB_MEMBER_DATA);
  lb_put_u32(b + 4, (uint32_t)member_bytes);
  lb_put_u64(b + 8, number);
}

bool lb_mark_get(const void *p, size_t available, size_t mark_bytes, size_t mark_offset, lb_member *member)
{
  const unsigned char *b = p;
  if (available < LB_MARK_BYTES || mark_bytes < LB_MARK_BYTES) return false;
  if (b[1] != LB_MARK_VERSION || lb_get_u16(b + 2) != 0) return false;
  if (b[0] == LB_MEMBER_DATA) {
    if (mark_bytes != LB_MARK_DATA_BYTES || available < LB_MARK_DATA_BYTES) return false;
    member->stored_bytes = lb_get_u32(b + 4);
    member->number = lb_get_u64(b + 8);
  } else if (b[0] == LB_MEMBER_INDEX || b[0] == LB_MEMBER_FOOTER) {
    if (mark_bytes > LB_MARK_BYTES + LB_RECORD_MAX) return false;
    member->payload_offset = mark_offset + LB_MARK_BYTES;
    member->payload_bytes = mark_bytes - LB_MARK_BYTES;
  } else {
    return false;
  }
  member->ours = true;
  member->kind = (lb_member_kind)b[0];
  return true;
}

/* ---- the CRC, and what was built in ---- */

uint32_t lb_crc32(uint32_t crc, const void *data, size_t n)
{
#ifdef LB_WITH_ISAL
  return crc32_gzip_refl(crc, data, n);
#else
  return (uint32_t)crc32_z(crc, n ? data : (const void *)"", n);
#endif
}

#define TEXT_OF(x) #x
#define NUMBER_TEXT(x) TEXT_OF(x)

const char *lb_codec_versions(void)
{
  return "zlib " ZLIB_VERSION
#ifdef LB_WITH_ISAL
         ", ISA-L " NUMBER_TEXT(ISAL_MAJOR_VERSION) "." NUMBER_TEXT(ISAL_MINOR_VERSION) "." NUMBER_TEXT(
           ISAL_PATCH_VERSION)
#endif
#ifdef LB_WITH_ZSTD
         ", zstd " ZSTD_VERSION_STRING
#endif
#ifdef LB_WITH_XXHASH
         ", xxhash " NUMBER_TEXT(XXH_VERSION_MAJOR) "." NUMBER_TEXT(XXH_VERSION_MINOR) "." NUMBER_TEXT(
           XXH_VERSION_RELEASE)
#endif
    ;
}

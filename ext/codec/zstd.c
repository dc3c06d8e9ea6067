/* The zstd format (RFC 8878): each block is a skippable frame with our mark, then a frame with content size and
** checksum. Records are skippable frames alone. Nothing here when zstd is not built in.
**
** The mark before each frame makes a file that was cut off between two frames look unlike a whole one, and lets a file
** without its index be walked, as in gzip. store() writes its frame by hand, of raw blocks, so that its size depends on
** the length alone; that frame has no checksum of its own: the index has one.
*/
#include "codec/formats.h"

#ifdef LB_WITH_ZSTD

#include <stdlib.h>
#include <string.h>
#include <zstd.h>
#include <zstd_errors.h>

#include "core/buffer.h"

#define SKIPPABLE 0x184d2a50u
#define FRAME 0xfd2fb528u
#define MARK_AT 12                        /* magic, length, 'L', 'B', two zero bytes */
#define DATA_HEADER (MARK_AT + LB_MARK_DATA_BYTES)
#define STORED_HEADER 9                   /* magic, descriptor, content size u32 */
#define STORED_MAX 131072                 /* RFC 8878, 3.1.1.2.4: Block_Maximum_Size */
#define STORED_DESCRIPTOR 0xa0            /* content size of 4 bytes, single segment, no checksum */

static size_t stored_size(size_t raw)
{
  size_t blocks = raw ? (raw + STORED_MAX - 1) / STORED_MAX : 1;
  return DATA_HEADER + STORED_HEADER + blocks * 3 + raw;
}

static size_t bound(size_t raw)
{
  size_t packed = DATA_HEADER + ZSTD_compressBound(raw), stored = stored_size(raw);
  return packed > stored ? packed : stored;
}

static void put_header(unsigned char *out, size_t mark_bytes)
{
  lb_put_u32(out, SKIPPABLE);
  lb_put_u32(out + 4, (uint32_t)(mark_bytes + 4));
  out[8] = 'L';
  out[9] = 'B';
  lb_put_u16(out + 10, 0);
}

static void put_data_header(unsigned char *out, size_t size, uint64_t number)
{
  put_header(out, LB_MARK_DATA_BYTES);
  lb_mark_put_data(out + MARK_AT, size, number);
}

static void *compressor_open(int level, lb_error *err)
{
  ZSTD_CCtx *c = ZSTD_createCCtx();
  if (c && !ZSTD_isError(ZSTD_CCtx_setParameter(c, ZSTD_c_compressionLevel, level)) &&
      !ZSTD_isError(ZSTD_CCtx_setParameter(c, ZSTD_c_checksumFlag, 1)) &&
      !ZSTD_isError(ZSTD_CCtx_setParameter(c, ZSTD_c_contentSizeFlag, 1))) {
    return c;
  }
  ZSTD_freeCCtx(c);
  lb_fail_nomem(err);
  return NULL;
}

static void compressor_close(void *compressor)
{
  ZSTD_freeCCtx(compressor);
}

static int zstd_compress(void *compressor, uint64_t number, const void *raw, size_t raw_len, void *out, size_t *out_len,
                         lb_error *err)
{
  unsigned char *b = out;
  size_t n = ZSTD_compress2(compressor, b + DATA_HEADER, bound(raw_len) - DATA_HEADER, raw, raw_len);
  if (ZSTD_isError(n)) {
    if (ZSTD_getErrorCode(n) == ZSTD_error_memory_allocation) return lb_fail_nomem(err);
    return lb_fail(err, LB_ERROR, "zstd cannot compress: %s", ZSTD_getErrorName(n));
  }
  *out_len = DATA_HEADER + n;
  put_data_header(b, *out_len, number);
  return LB_OK;
}

static void zstd_store(uint64_t number, const void *raw, size_t raw_len, void *out)
{
  const unsigned char *from = raw;
  unsigned char *to = (unsigned char *)out + DATA_HEADER;
  size_t left = raw_len;
  put_data_header(out, stored_size(raw_len), number);
  lb_put_u32(to, FRAME);
  to[4] = STORED_DESCRIPTOR;
  lb_put_u32(to + 5, (uint32_t)raw_len);
  to += STORED_HEADER;
  do {
    size_t n = left < STORED_MAX ? left : STORED_MAX;
    left -= n;
    uint32_t header = (uint32_t)n << 3 | (left == 0);  /* type 0: raw */
    lb_put_u16(to, (uint16_t)header);
    to[2] = (unsigned char)(header >> 16);
    if (n) memcpy(to + 3, from, n);
    from += n;
    to += 3 + n;
  } while (left);
}

static void *decompressor_open(lb_error *err)
{
  ZSTD_DCtx *d = ZSTD_createDCtx();
  if (!d) lb_fail_nomem(err);
  return d;
}

static void decompressor_close(void *decompressor)
{
  ZSTD_freeDCtx(decompressor);
}

static bool member_at(const void *data, size_t len, lb_member *member)
{
  const unsigned char *b = data;
  memset(member, 0, sizeof *member);
  if (len < 4) return false;
  uint32_t magic = lb_get_u32(b);
  if (magic == FRAME) {
    size_t n = ZSTD_findFrameCompressedSize(b, len);
    member->stored_bytes = ZSTD_isError(n) ? 0 : n;
    return !ZSTD_isError(n);
  }
  if ((magic & 0xfffffff0u) != SKIPPABLE || len < 8) return false;
  size_t n = lb_get_u32(b + 4);
  member->stored_bytes = 8 + (uint64_t)n;
  if (magic != SKIPPABLE || n < 4 + LB_MARK_BYTES) return true;
  if (len < MARK_AT + LB_MARK_BYTES) return false;
  if (b[8] != 'L' || b[9] != 'B' || lb_get_u16(b + 10) != 0) return true;
  lb_mark_get(b + MARK_AT, len - MARK_AT, n - 4, MARK_AT, member);
  return true;
}

static int zstd_decompress(void *decompressor, const void *member, size_t member_len, void *raw, size_t raw_len,
                           lb_error *err)
{
  const unsigned char *b = member;
  lb_member m;
  if (member_len < DATA_HEADER || !member_at(b, member_len, &m) || !m.ours || m.kind != LB_MEMBER_DATA ||
      m.stored_bytes != member_len) {
    return lb_fail(err, LB_CORRUPT, "the header is damaged");
  }
  size_t frame_len = member_len - DATA_HEADER;
  /* One frame and no more: ZSTD_decompressDCtx would take several. */
  if (ZSTD_findFrameCompressedSize(b + DATA_HEADER, frame_len) != frame_len) {
    return lb_fail(err, LB_CORRUPT, "the frame's length does not match");
  }
  size_t n = ZSTD_decompressDCtx(decompressor, raw, raw_len, b + DATA_HEADER, frame_len);
  if (ZSTD_isError(n)) {
    if (ZSTD_getErrorCode(n) == ZSTD_error_memory_allocation) return lb_fail_nomem(err);
    return lb_fail(err, LB_CORRUPT, "the compressed data is damaged (%s)", ZSTD_getErrorName(n));
  }
  if (n != raw_len) return lb_fail(err, LB_CORRUPT, "the length does not match");
  return LB_OK;
}

static size_t record_size(size_t payload_len)
{
  return MARK_AT + LB_MARK_BYTES + payload_len;
}

static void zstd_record(lb_member_kind kind, const void *payload, size_t payload_len, void *out)
{
  unsigned char *b = out;
  put_header(b, LB_MARK_BYTES + payload_len);
  lb_mark_put(b + MARK_AT, kind);
  if (payload_len) memcpy(b + MARK_AT + LB_MARK_BYTES, payload, payload_len);
}

static int64_t claimed_size(const void *head, size_t head_len, const void *tail, size_t tail_len, uint64_t stored)
{
  (void)tail, (void)tail_len, (void)stored;
  unsigned long long n = ZSTD_getFrameContentSize(head, head_len);
  return n == ZSTD_CONTENTSIZE_UNKNOWN || n == ZSTD_CONTENTSIZE_ERROR || n > INT64_MAX ? -1 : (int64_t)n;
}

/* ---- streams ---- */

typedef struct stream {
  ZSTD_DCtx *dctx;
  bool inside;      /* a frame has begun and not ended */
  bool ended_one;   /* a frame was read to its end */
} stream;

static void *stream_open(lb_error *err)
{
  stream *s = calloc(1, sizeof *s);
  if (s) s->dctx = ZSTD_createDCtx();
  if (s && s->dctx) return s;
  free(s);
  lb_fail_nomem(err);
  return NULL;
}

static void stream_close(void *arg)
{
  stream *s = arg;
  if (!s) return;
  ZSTD_freeDCtx(s->dctx);
  free(s);
}

static int stream_decode(void *arg, const void *in, size_t *in_len, void *out, size_t *out_len, bool *at_end,
                         lb_error *err)
{
  stream *s = arg;
  ZSTD_inBuffer from = { in, *in_len, 0 };
  ZSTD_outBuffer to = { out, *out_len, 0 };
  *in_len = *out_len = 0;
  *at_end = !s->inside && s->ended_one;
  if (!s->inside && from.size == 0) return LB_OK;
  size_t rc = ZSTD_decompressStream(s->dctx, &to, &from);
  *in_len = from.pos;
  *out_len = to.pos;
  if (ZSTD_isError(rc)) {
    ZSTD_ErrorCode code = ZSTD_getErrorCode(rc);
    if (code == ZSTD_error_memory_allocation) return lb_fail_nomem(err);
    if (code == ZSTD_error_prefix_unknown && s->ended_one) {
      return lb_fail(err, LB_CORRUPT, "trailing bytes that are not zstd");
    }
    if (code == ZSTD_error_frameParameter_windowTooLarge) {  /* its default limit, which zstd itself has as well */
      return lb_fail(err, LB_UNSUPPORTED, "zstd data that takes more than 128 MiB of memory to read (made with "
                     "zstd --long): unpack it first, with zstd -d --long=31");
    }
    return lb_fail(err, LB_CORRUPT, "damaged zstd data (%s)", ZSTD_getErrorName(rc));
  }
  s->inside = rc != 0;
  if (rc == 0) s->ended_one = true;
  *at_end = !s->inside;
  return LB_OK;
}

const lb_codec lb_codec_zstd = {
  .name = "zstd", .suffix = ".zst", .level_min = 1, .level_max = 19, .level_default = 3, .level_shared = 3,
  .bound = bound, .stored_size = stored_size,
  .compressor_open = compressor_open, .compressor_close = compressor_close,
  .compress = zstd_compress, .store = zstd_store,
  .decompressor_open = decompressor_open, .decompressor_close = decompressor_close, .decompress = zstd_decompress,
  .record_size = record_size, .record = zstd_record, .member_at = member_at, .claimed_size = claimed_size,
  .stream_open = stream_open, .stream_close = stream_close, .stream_decode = stream_decode,
};

#endif

/* The gzip format: each block a member of its own (RFC 1952), which gunzip reads as one file.
**
** A member of ours has a header of fixed bytes, and an extra field whose subfield 'L','B' carries our mark: for data
** the member's size and the block's number, for a record its payload. What deflates and inflates is an engine: ISA-L at
** levels 1 to 3 and for inflating where it is built in, zlib otherwise. It deflates the runs of a block in which it may
** find something; the others are stored, or written as digits (grains.h). A block that would grow is stored instead, so
** that bound() is what store() makes.
*/
#include <stdlib.h>
#include <string.h>

#include "codec/digits.h"
#include "codec/engine.h"
#include "codec/formats.h"
#include "codec/grains.h"
#include "codec/stored.h"
#include "core/buffer.h"

#define FIXED_BYTES 10                                    /* up to and with the OS byte */
#define MARK_AT 16                                        /* behind XLEN, the subfield's two letters and its length */
#define DATA_HEADER (MARK_AT + LB_MARK_DATA_BYTES)
#define TRAILER_BYTES 8
#define RECORD_EXTRA (MARK_AT + LB_MARK_BYTES + 2 + TRAILER_BYTES)

/* magic, deflate, FEXTRA alone, no time, no hint, unknown system */
static const unsigned char fixed[FIXED_BYTES] = { 0x1f, 0x8b, 8, 4, 0, 0, 0, 0, 0, 0xff };

typedef struct compressor {
  const lb_engine *engine;
  void *state;
  lb_grains grains;  /* of the block at work */
  lb_digits digits;
} compressor;

static const lb_engine *engine_of_level(int level)
{
#ifdef LB_WITH_ISAL
  if (level <= 3) return &lb_engine_isal;
#endif
  (void)level;
  return &lb_engine_zlib;
}

static const lb_engine *inflater(void)
{
  return engine_of_level(1);
}

static size_t stored_size(size_t raw)
{
  return DATA_HEADER + lb_stored_bytes(raw) + TRAILER_BYTES;
}

static void put_header(unsigned char *out, size_t mark_bytes)
{
  memcpy(out, fixed, FIXED_BYTES);
  lb_put_u16(out + 10, (uint16_t)(mark_bytes + 4));
  out[12] = 'L';
  out[13] = 'B';
  lb_put_u16(out + 14, (uint16_t)mark_bytes);
}

/* Header and trailer around deflate data of deflated bytes, which is at its place already. Returns the whole size. */
static size_t frame(unsigned char *out, uint64_t number, size_t deflated, const void *raw, size_t raw_len)
{
  size_t size = DATA_HEADER + deflated + TRAILER_BYTES;
  put_header(out, LB_MARK_DATA_BYTES);
  lb_mark_put_data(out + MARK_AT, size, number);
  lb_put_u32(out + DATA_HEADER + deflated, lb_crc32(0, raw, raw_len));
  lb_put_u32(out + DATA_HEADER + deflated + 4, (uint32_t)raw_len);
  return size;
}

static void gzip_store(uint64_t number, const void *raw, size_t raw_len, void *out)
{
  size_t n = lb_store(raw, raw_len, true, (unsigned char *)out + DATA_HEADER);
  frame(out, number, n, raw, raw_len);
}

static void *compressor_open(int level, lb_error *err)
{
  compressor *c = calloc(1, sizeof *c);
  if (!c) {
    lb_fail_nomem(err);
    return NULL;
  }
  c->engine = engine_of_level(level);
  c->state = c->engine->compressor_open(level, err);
  lb_digits_prepare(&c->digits);
  if (c->state) return c;
  free(c);
  return NULL;
}

static void compressor_close(void *arg)
{
  compressor *c = arg;
  if (!c) return;
  c->engine->compressor_close(c->state);
  free(c);
}

static bool store_run(const void *raw, size_t raw_len, bool final, void *out, size_t *out_len)
{
  if (*out_len < lb_stored_bytes(raw_len)) return false;
  *out_len = lb_store(raw, raw_len, final, out);
  return true;
}

static bool put_digits(const lb_digits *digits, const void *raw, size_t raw_len, bool final, void *out,
                       size_t *out_len)
{
  if (*out_len < lb_digits_bound(raw_len, raw_len / LB_GRAIN * LB_GRAIN_OTHERS_MOST)) return false;
  *out_len = lb_digits_deflate(digits, raw, raw_len, final, out);
  return true;
}

/* As lb_engine.deflate, for a run of one kind. */
static bool deflate_run(compressor *c, lb_grain_kind kind, const void *raw, size_t raw_len, bool final, void *out,
                        size_t *out_len)
{
  switch (kind) {
  case LB_GRAIN_RANDOM: return store_run(raw, raw_len, final, out, out_len);
  case LB_GRAIN_DIGITS: return put_digits(&c->digits, raw, raw_len, final, out, out_len);
  default:              return c->engine->deflate(c->state, raw, raw_len, final, out, out_len);
  }
}

/* The same for a whole block. */
static bool deflate_runs(compressor *c, const unsigned char *raw, size_t raw_len, unsigned char *out, size_t *out_len)
{
  size_t done = 0, made = 0;
  lb_find_grains(raw, raw_len, &c->grains);
  do {
    lb_grain_kind kind;
    size_t run = lb_run_of_grains(&c->grains, done, raw_len, &kind), n = *out_len - made;
    if (!deflate_run(c, kind, raw + done, run, done + run == raw_len, out + made, &n)) return false;
    done += run;
    made += n;
  } while (done < raw_len);
  *out_len = made;
  return true;
}

static int gzip_compress(void *arg, uint64_t number, const void *raw, size_t raw_len, void *out, size_t *out_len,
                         lb_error *err)
{
  compressor *c = arg;
  size_t deflated = stored_size(raw_len) - DATA_HEADER - TRAILER_BYTES;
  (void)err;
  if (deflate_runs(c, raw, raw_len, (unsigned char *)out + DATA_HEADER, &deflated)) {
    *out_len = frame(out, number, deflated, raw, raw_len);
  } else {
    gzip_store(number, raw, raw_len, out);
    *out_len = stored_size(raw_len);
  }
  return LB_OK;
}

static void *decompressor_open(lb_error *err)
{
  return inflater()->decompressor_open(err);
}

static void decompressor_close(void *decompressor)
{
  if (decompressor) inflater()->decompressor_close(decompressor);
}

static bool member_at(const void *data, size_t len, lb_member *member)
{
  const unsigned char *b = data;
  memset(member, 0, sizeof *member);
  if (len < FIXED_BYTES || b[0] != fixed[0] || b[1] != fixed[1] || b[2] != fixed[2]) return false;
  if (b[3] != fixed[3]) return true;
  if (len < MARK_AT + LB_MARK_BYTES) return false;
  size_t extra = lb_get_u16(b + 10), mark = lb_get_u16(b + 14);
  if (b[12] != 'L' || b[13] != 'B' || extra != mark + 4) return true;
  if (lb_mark_get(b + MARK_AT, len - MARK_AT, mark, MARK_AT, member) && member->kind != LB_MEMBER_DATA) {
    member->stored_bytes = RECORD_EXTRA + member->payload_bytes;
  }
  return true;
}

static int gzip_decompress(void *decompressor, const void *member, size_t member_len, void *raw, size_t raw_len,
                           lb_error *err)
{
  const unsigned char *b = member;
  lb_member m;
  if (member_len < DATA_HEADER + TRAILER_BYTES || memcmp(b, fixed, FIXED_BYTES) || !member_at(b, member_len, &m) ||
      !m.ours || m.kind != LB_MEMBER_DATA || m.stored_bytes != member_len) {
    return lb_fail(err, LB_CORRUPT, "the header is damaged");
  }
  const unsigned char *trailer = b + member_len - TRAILER_BYTES;
  if (lb_get_u32(trailer + 4) != raw_len) return lb_fail(err, LB_CORRUPT, "the length does not match");
  if (!inflater()->inflate(decompressor, b + DATA_HEADER, member_len - DATA_HEADER - TRAILER_BYTES, raw, raw_len)) {
    return lb_fail(err, LB_CORRUPT, "the compressed data is damaged");
  }
  if (lb_get_u32(trailer) != lb_crc32(0, raw, raw_len)) return lb_fail(err, LB_CORRUPT, "the checksum does not match");
  return LB_OK;
}

static size_t record_size(size_t payload_len)
{
  return RECORD_EXTRA + payload_len;
}

static void gzip_record(lb_member_kind kind, const void *payload, size_t payload_len, void *out)
{
  static const unsigned char empty[2 + TRAILER_BYTES] = { 3 };  /* one final fixed block with nothing in it */
  unsigned char *b = out;
  put_header(b, LB_MARK_BYTES + payload_len);
  lb_mark_put(b + MARK_AT, kind);
  if (payload_len) memcpy(b + MARK_AT + LB_MARK_BYTES, payload, payload_len);
  memcpy(b + MARK_AT + LB_MARK_BYTES + payload_len, empty, sizeof empty);
}

/* The last member's length modulo 4 GiB. Deflate makes at most 1032 bytes of one and hardly ever grows: what is outside
** that is a longer file, or one of several members. */
static int64_t claimed_size(const void *head, size_t head_len, const void *tail, size_t tail_len, uint64_t stored)
{
  (void)head, (void)head_len;
  if (tail_len < TRAILER_BYTES) return -1;
  uint64_t size = lb_get_u32((const unsigned char *)tail + tail_len - 4);
  bool too_small = size + size / 64 + 4096 < stored, too_large = size / 1032 > stored;
  return too_small || too_large ? -1 : (int64_t)size;
}

static void *stream_open(lb_error *err)
{
  return inflater()->stream_open(err);
}

static void stream_close(void *stream)
{
  if (stream) inflater()->stream_close(stream);
}

static int stream_decode(void *stream, const void *in, size_t *in_len, void *out, size_t *out_len, bool *at_end,
                         lb_error *err)
{
  return inflater()->stream_decode(stream, in, in_len, out, out_len, at_end, err);
}

const lb_codec lb_codec_gzip = {
  .name = "gzip", .suffix = ".gz", .level_min = 1, .level_max = 9, .level_default = 2, .level_shared = 1,
  .bound = stored_size, .stored_size = stored_size,
  .compressor_open = compressor_open, .compressor_close = compressor_close,
  .compress = gzip_compress, .store = gzip_store,
  .decompressor_open = decompressor_open, .decompressor_close = decompressor_close, .decompress = gzip_decompress,
  .record_size = record_size, .record = gzip_record, .member_at = member_at, .claimed_size = claimed_size,
  .stream_open = stream_open, .stream_close = stream_close, .stream_decode = stream_decode,
};

/* Deflate by zlib: levels 4 to 9, and everything where ISA-L is not built in. */
#include <limits.h>
#include <stdlib.h>
#include <zlib.h>

#include "codec/engine.h"

static z_stream *new_stream(lb_error *err)
{
  z_stream *s = calloc(1, sizeof *s);
  if (!s) lb_fail_nomem(err);
  return s;
}

/* The buffers of one call. zlib's type for input has no const where ZLIB_CONST is not set. */
static void point(z_stream *s, const void *in, size_t in_len, void *out, size_t out_len)
{
  s->next_in = (Bytef *)(size_t)in;
  s->avail_in = in_len < INT_MAX ? (uInt)in_len : INT_MAX;
  s->next_out = out;
  s->avail_out = out_len < INT_MAX ? (uInt)out_len : INT_MAX;
}

/* ---- blocks ---- */

static void *compressor_open(int level, lb_error *err)
{
  z_stream *s = new_stream(err);
  if (s && deflateInit2(s, level, Z_DEFLATED, -15, 9, Z_DEFAULT_STRATEGY) != Z_OK) {
    lb_fail_nomem(err);
    free(s);
    return NULL;
  }
  return s;
}

static void compressor_close(void *compressor)
{
  if (!compressor) return;
  deflateEnd(compressor);
  free(compressor);
}

static bool zlib_deflate(void *compressor, const void *raw, size_t raw_len, bool final, void *out, size_t *out_len)
{
  z_stream *s = compressor;
  deflateReset(s);
  point(s, raw, raw_len, out, *out_len);
  int rc = deflate(s, final ? Z_FINISH : Z_FULL_FLUSH);
  if (final ? rc != Z_STREAM_END : rc != Z_OK || s->avail_in != 0 || s->avail_out == 0) return false;
  *out_len = s->total_out;
  return true;
}

static void *inflater_open(int window_bits, lb_error *err)
{
  z_stream *s = new_stream(err);
  if (s && inflateInit2(s, window_bits) != Z_OK) {
    lb_fail_nomem(err);
    free(s);
    return NULL;
  }
  return s;
}

static void *decompressor_open(lb_error *err)
{
  return inflater_open(-15, err);
}

static void decompressor_close(void *decompressor)
{
  if (!decompressor) return;
  inflateEnd(decompressor);
  free(decompressor);
}

static bool zlib_inflate(void *decompressor, const void *in, size_t in_len, void *raw, size_t raw_len)
{
  z_stream *s = decompressor;
  inflateReset(s);
  point(s, in, in_len, raw, raw_len);
  return inflate(s, Z_FINISH) == Z_STREAM_END && s->avail_in == 0 && s->total_out == raw_len;
}

/* ---- streams ---- */

typedef struct stream {
  z_stream *inflater;
  bool inside;      /* a member has begun and not ended */
  bool ended_one;   /* a member was read to its end */
} stream;

static void *stream_open(lb_error *err)
{
  stream *s = calloc(1, sizeof *s);
  if (!s) {
    lb_fail_nomem(err);
    return NULL;
  }
  s->inflater = inflater_open(15 + 16, err);  /* 16: with gzip's header and trailer, checked */
  if (s->inflater) return s;
  free(s);
  return NULL;
}

static void stream_close(void *arg)
{
  stream *s = arg;
  if (!s) return;
  decompressor_close(s->inflater);
  free(s);
}

static int begin_member(stream *s, unsigned char first, lb_error *err)
{
  if (first != 0x1f) {
    return s->ended_one ? lb_fail(err, LB_CORRUPT, "trailing bytes that are not gzip")
                        : lb_fail(err, LB_CORRUPT, "not gzip");
  }
  inflateReset(s->inflater);
  s->inside = true;
  return LB_OK;
}

static int stream_decode(void *arg, const void *in, size_t *in_len, void *out, size_t *out_len, bool *at_end,
                         lb_error *err)
{
  stream *s = arg;
  z_stream *z = s->inflater;
  size_t in_n = *in_len, out_n = *out_len;
  *in_len = *out_len = 0;
  *at_end = !s->inside && s->ended_one;
  if (!s->inside && in_n == 0) return LB_OK;
  if (!s->inside && begin_member(s, *(const unsigned char *)in, err)) return err->code;
  point(z, in, in_n, out, out_n);
  uInt in_given = z->avail_in, out_given = z->avail_out;
  int rc = inflate(z, Z_NO_FLUSH);
  *in_len = in_given - z->avail_in;
  *out_len = out_given - z->avail_out;
  if (rc == Z_MEM_ERROR) return lb_fail_nomem(err);
  if (rc != Z_OK && rc != Z_STREAM_END && rc != Z_BUF_ERROR) {
    return lb_fail(err, LB_CORRUPT, "damaged gzip data (%s)", z->msg ? z->msg : "preset dictionary");
  }
  if (rc == Z_STREAM_END) {
    s->inside = false;
    s->ended_one = true;
  }
  *at_end = !s->inside;
  return LB_OK;
}

const lb_engine lb_engine_zlib = {
  compressor_open, compressor_close, zlib_deflate,
  decompressor_open, decompressor_close, zlib_inflate,
  stream_open, stream_close, stream_decode,
};

/* Deflate by ISA-L's igzip: levels 1 to 3, and all inflating. Nothing here when ISA-L is not built in.
**
** A piece is deflated in one stateless call. Inflating a block is raw deflate, and the caller compares the checksum:
** with ISA-L's own modes it is easy to get none. For streams ISA-L parses headers and checks trailers.
*/
#include "codec/engine.h"

#ifdef LB_WITH_ISAL

#include <isa-l.h>
#include <stdlib.h>

typedef struct compressor {
  struct isal_zstream stream;
  int level;
  uint32_t buffer_bytes;
  unsigned char *buffer;
} compressor;

static uint32_t buffer_bytes_of(int level)
{
  return level == 1 ? ISAL_DEF_LVL1_DEFAULT : level == 2 ? ISAL_DEF_LVL2_DEFAULT : ISAL_DEF_LVL3_DEFAULT;
}

static void compressor_close(void *arg)
{
  compressor *c = arg;
  if (!c) return;
  free(c->buffer);
  free(c);
}

static void *compressor_open(int level, lb_error *err)
{
  compressor *c = calloc(1, sizeof *c);
  if (c) {
    c->level = level;
    c->buffer_bytes = buffer_bytes_of(level);
    c->buffer = calloc(1, c->buffer_bytes);
  }
  if (c && c->buffer) return c;
  lb_fail_nomem(err);
  compressor_close(c);
  return NULL;
}

static bool isal_engine_deflate(void *arg, const void *raw, size_t raw_len, bool final, void *out, size_t *out_len)
{
  compressor *c = arg;
  struct isal_zstream *s = &c->stream;
  isal_deflate_stateless_init(s);
  s->level = (uint32_t)c->level;
  s->level_buf = c->buffer;
  s->level_buf_size = c->buffer_bytes;
  s->gzip_flag = IGZIP_DEFLATE;
  s->flush = final ? NO_FLUSH : FULL_FLUSH;
  s->end_of_stream = final;
  s->next_in = (uint8_t *)(uintptr_t)raw;
  s->avail_in = (uint32_t)raw_len;
  s->next_out = out;
  s->avail_out = (uint32_t)*out_len;
  if (isal_deflate_stateless(s) != COMP_OK || s->avail_in != 0) return false;
  *out_len = s->total_out;
  return true;
}

static void *decompressor_open(lb_error *err)
{
  struct inflate_state *state = calloc(1, sizeof *state);
  if (!state) lb_fail_nomem(err);
  return state;
}

static bool isal_engine_inflate(void *decompressor, const void *in, size_t in_len, void *raw, size_t raw_len)
{
  struct inflate_state *s = decompressor;
  if (in_len > UINT32_MAX || raw_len > UINT32_MAX) return false;
  isal_inflate_init(s);
  s->crc_flag = ISAL_DEFLATE;
  s->next_in = (uint8_t *)(uintptr_t)in;
  s->avail_in = (uint32_t)in_len;
  s->next_out = raw;
  s->avail_out = (uint32_t)raw_len;
  return isal_inflate_stateless(s) == ISAL_DECOMP_OK && s->block_state == ISAL_BLOCK_FINISH && s->avail_in == 0 &&
         s->avail_out == 0 && s->total_out == raw_len;
}

/* ---- streams ---- */

#define FLAGS_RESERVED 0xe0   /* RFC 1952, 2.3 */

typedef struct stream {
  struct inflate_state state;
  struct isal_gzip_header header;
  bool in_header;   /* of the member that has begun */
  bool inside;      /* a member has begun and not ended */
  bool ended_one;   /* a member was read to its end */
} stream;

static void *stream_open(lb_error *err)
{
  stream *s = calloc(1, sizeof *s);
  if (!s) lb_fail_nomem(err);
  return s;
}

static int begin_member(stream *s, unsigned char first, lb_error *err)
{
  if (first != 0x1f) {
    return s->ended_one ? lb_fail(err, LB_CORRUPT, "trailing bytes that are not gzip")
                        : lb_fail(err, LB_CORRUPT, "not gzip");
  }
  isal_inflate_init(&s->state);
  s->state.crc_flag = ISAL_GZIP_NO_HDR_VER;
  isal_gzip_header_init(&s->header);
  s->inside = s->in_header = true;
  return LB_OK;
}

/* With ISAL_GZIP, isal_inflate forgets a header's own checksum (FHCRC) from one piece of input to the next: the header
** is read by itself, into what we keep. Flags that are not defined may mean that something unknown stands before the
** data: a reader has to refuse them (2.3.1.2), as gunzip and zlib do, and ISA-L does not. */
static int decode_piece(stream *s)
{
  if (s->in_header) {
    int rc = isal_read_gzip_header(&s->state, &s->header);
    if (rc != ISAL_DECOMP_OK) return rc;
    if (s->header.flags & FLAGS_RESERVED) return ISAL_INVALID_WRAPPER;
    s->in_header = false;
  }
  return isal_inflate(&s->state);
}

static int stream_decode(void *arg, const void *in, size_t *in_len, void *out, size_t *out_len, bool *at_end,
                         lb_error *err)
{
  stream *s = arg;
  struct inflate_state *state = &s->state;
  uint32_t in_n = *in_len < INT32_MAX ? (uint32_t)*in_len : INT32_MAX;
  uint32_t out_n = *out_len < INT32_MAX ? (uint32_t)*out_len : INT32_MAX;
  *in_len = *out_len = 0;
  *at_end = !s->inside && s->ended_one;
  if (!s->inside && in_n == 0) return LB_OK;
  if (!s->inside && begin_member(s, *(const unsigned char *)in, err)) return err->code;
  state->next_in = (uint8_t *)(uintptr_t)in;
  state->avail_in = in_n;
  state->next_out = out;
  state->avail_out = out_n;
  int rc = decode_piece(s);
  *in_len = in_n - state->avail_in;
  *out_len = out_n - state->avail_out;
  if (rc == ISAL_INCORRECT_CHECKSUM) return lb_fail(err, LB_CORRUPT, "the gzip checksum does not match");
  if (rc < 0 || rc == ISAL_NEED_DICT) {
    return lb_fail(err, LB_CORRUPT, s->ended_one ? "damaged gzip data, or trailing bytes that are not gzip"
                                                 : "damaged gzip data");
  }
  if (!s->in_header && state->block_state == ISAL_BLOCK_FINISH) {
    s->inside = false;
    s->ended_one = true;
  }
  *at_end = !s->inside;
  return LB_OK;
}

const lb_engine lb_engine_isal = {
  compressor_open, compressor_close, isal_engine_deflate,
  decompressor_open, free, isal_engine_inflate,
  stream_open, free, stream_decode,
};

#endif

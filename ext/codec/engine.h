/* What turns bytes into raw deflate (RFC 1951) and back: one row of operations per library. gzip.c frames what they
** make.
**
** States are for one thread at a time. Private to ext/codec.
*/
#ifndef LB_CODEC_ENGINE_H
#define LB_CODEC_ENGINE_H

#include <stdbool.h>
#include <stddef.h>

#include "core/error.h"

typedef struct lb_engine {
  void *(*compressor_open)(int level, lb_error *err);
  void (*compressor_close)(void *compressor);
  /* One piece of a deflate stream, which points at nothing before it. final: the stream ends with it; without, it ends
  ** on a byte's boundary. *out_len: capacity in, size out. false: it does not fit, and out holds nothing of use. */
  bool (*deflate)(void *compressor, const void *raw, size_t raw_len, bool final, void *out, size_t *out_len);

  void *(*decompressor_open)(lb_error *err);
  void (*decompressor_close)(void *decompressor);
  /* True when in is exactly one deflate stream of exactly raw_len bytes. */
  bool (*inflate)(void *decompressor, const void *in, size_t in_len, void *raw, size_t raw_len);

  /* As in lb_codec: any concatenation of gzip members. */
  void *(*stream_open)(lb_error *err);
  void (*stream_close)(void *stream);
  int (*stream_decode)(void *stream, const void *in, size_t *in_len, void *out, size_t *out_len, bool *at_end,
                       lb_error *err);
} lb_engine;

extern const lb_engine lb_engine_zlib;
#ifdef LB_WITH_ISAL
extern const lb_engine lb_engine_isal;
#endif

#endif

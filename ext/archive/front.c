/* A STREAM or PLAIN from its front, in pieces that the caller asks for: see reader.h, opened.h. */
#include <stdlib.h>

#include "archive/opened.h"
#include "core/file.h"

struct lb_front {
  const lb_reader *reader;
  lb_task *task;           /* NULL: nobody interrupts */
  void *stream;            /* NULL: PLAIN */
  unsigned char *in, *out; /* one allocation, a piece each */
  uint64_t offset;         /* in the file, of what is in `in` */
  size_t have, used;       /* bytes of it */
  bool filled;             /* the decoder made a whole piece, and may have more of the same input */
  bool at_end;             /* the file may end here */
};

lb_front *lb_front_open(const lb_reader *r, lb_task *task, lb_error *err)
{
  lb_front *f = calloc(1, sizeof *f);
  if (f) f->in = malloc(2 * LB_READER_PIECE);
  if (!f || !f->in) {
    free(f);
    lb_fail_nomem(err);
    return NULL;
  }
  f->reader = r;
  f->task = task;
  f->out = f->in + LB_READER_PIECE;
  if (r->codec) f->stream = r->codec->stream_open(err);
  if (err->code == LB_OK) return f;
  lb_front_close(f);
  return NULL;
}

void lb_front_close(lb_front *f)
{
  if (!f) return;
  if (f->stream) f->reader->codec->stream_close(f->stream);
  free(f->in);
  free(f);
}

/* The next piece of the file; have is 0 behind its end. */
static int fill(lb_front *f, lb_error *damage, lb_error *err)
{
  const lb_reader *r = f->reader;
  lb_error found = LB_ERROR_INIT;
  if (f->task && lb_task_poll(f->task, err)) return err->code;
  f->offset += f->have;
  f->used = 0;
  uint64_t left = r->size - f->offset;
  f->have = left < LB_READER_PIECE ? (size_t)left : LB_READER_PIECE;
  if (f->have && lb_file_read(r->fd, f->in, f->have, (int64_t)f->offset, r->path, &found)) {
    if (found.code == LB_CORRUPT) return lb_fail(damage, LB_CORRUPT, "it became shorter while it was read");
    return lb_fail(err, found.code, "%s", found.message);
  }
  if (f->have == 0 && f->stream && !f->at_end) {
    return lb_fail(damage, LB_CORRUPT, "truncated: the %s data goes on after the file's end", r->codec->name);
  }
  return LB_OK;
}

static int decode(lb_front *f, size_t *made, lb_error *damage, lb_error *err)
{
  lb_error found = LB_ERROR_INIT;
  size_t took = f->have - f->used;
  *made = LB_READER_PIECE;
  if (f->reader->codec->stream_decode(f->stream, f->in + f->used, &took, f->out, made, &f->at_end, &found)) {
    if (found.code == LB_NOMEM) return lb_fail_nomem(err);
    if (found.code != LB_CORRUPT) return lb_fail(err, found.code, "%s: %s", f->reader->path, found.message);
  } else if (took == 0 && *made == 0 && f->used < f->have) {
    lb_fail(&found, LB_CORRUPT, "damaged data");
  }
  f->used += took;
  f->filled = *made == LB_READER_PIECE;
  if (!found.code) return LB_OK;
  return lb_fail(damage, LB_CORRUPT, "%s near byte %llu", found.message, (unsigned long long)(f->offset + f->used));
}

int lb_front_next(lb_front *f, const unsigned char **data, size_t *n, lb_error *damage, lb_error *err)
{
  *data = f->stream ? f->out : f->in;
  *n = 0;
  while (*n == 0) {
    if (f->used == f->have && !f->filled) {
      if (fill(f, damage, err)) return LB_ERROR;
      if (f->have == 0) return LB_OK;
    }
    if (!f->stream) f->used = *n = f->have;
    else if (decode(f, n, damage, err)) return LB_ERROR;
    else if (f->task && lb_task_poll(f->task, err)) return LB_ERROR;
  }
  return LB_OK;
}

int lb_front_read(lb_front *f, const unsigned char **data, size_t *n, lb_error *err)
{
  lb_error damage = LB_ERROR_INIT;
  if (err->code || lb_front_next(f, data, n, &damage, err) == LB_OK) return err->code;
  return damage.code ? lb_fail(err, damage.code, "%s: %s", f->reader->path, damage.message) : err->code;
}

int lb_reader_sequential(const lb_reader *r, uint64_t limit, lb_reader_take take, void *ctx, lb_task *task,
                         uint64_t *raw_bytes, lb_error *damage, lb_error *err)
{
  const unsigned char *data;
  size_t n = 1;
  *raw_bytes = 0;
  lb_front *f = lb_front_open(r, task, err);
  while (f && *raw_bytes < limit && lb_front_next(f, &data, &n, damage, err) == LB_OK && n) {
    if (take && take(ctx, *raw_bytes, data, n, err)) break;
    *raw_bytes += n;
    if (task) lb_task_advance(task, (int64_t)n);
  }
  lb_front_close(f);
  return err->code;
}

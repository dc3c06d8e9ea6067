/* See writer.h.
**
** Two kinds of thread: workers deflate blocks, with checksum and hash while the block is in their cache; the caller's
** thread fills blocks and hands finished ones, in order, to what appends to the file (core/appender.h). It does so
** whenever it asks for a block, so that the bytes never wait long, and waits only when every slot is in use. The head's
** place is left free at the front and filled last; zeros are there until then.
*/
#include "archive/writer.h"

#include <stdlib.h>
#include <string.h>

#include "archive/index.h"
#include "core/appender.h"
#include "core/file.h"
#include "core/hash.h"
#include "core/ring.h"

#define BLOCK_SMALLEST (256u << 10)
#define BLOCKS_MOST (128 << 10)
#define WAITING_BYTES (4u << 20)

struct lb_writer {
  lb_sink sink;             /* first: an lb_sink* is an lb_writer* */
  int fd;
  char *path;
  const lb_codec *codec;
  int level;
  lb_task *task;
  lb_ring *ring;
  lb_appender *appender;
  unsigned char *head;      /* as it is stored; NULL: not filled yet */
  lb_slot *claimed;         /* what the producer is filling */
  lb_index index;           /* blocks that were written */
  uint64_t next_number;     /* of the next block to submit */
  uint64_t offset;          /* where the next block goes */
  bool varying;             /* blocks of any length */
  bool last_seen;           /* a block that was not full: nothing may follow */
  bool failed;              /* the file is of no use any more */
};

size_t lb_writer_block_bytes(const lb_codec *codec, int64_t raw_expected)
{
  /* zstd finds more in larger blocks; deflate looks back 32 KiB and gains nothing. */
  size_t n = strcmp(codec->name, "zstd") == 0 ? 4 * BLOCK_SMALLEST : BLOCK_SMALLEST;
  while (n < LB_BLOCK_MAX && raw_expected / (int64_t)n > BLOCKS_MOST) n *= 2;
  return n;
}

/* ---- workers ---- */

/* The ring frees by the state alone: it needs the codec beside it. */
typedef struct worker {
  const lb_codec *codec;
  void *compressor;
} worker;

static void *worker_begin(void *ctx, lb_error *err)
{
  lb_writer *w = ctx;
  worker *self = calloc(1, sizeof *self);
  if (!self) {
    lb_fail_nomem(err);
    return NULL;
  }
  self->codec = w->codec;
  self->compressor = w->codec->compressor_open(w->level, err);
  if (self->compressor) return self;
  free(self);
  return NULL;
}

static void worker_end(void *arg)
{
  worker *self = arg;
  self->codec->compressor_close(self->compressor);
  free(self);
}

static int work(void *ctx, void *arg, lb_slot *slot, lb_error *err)
{
  worker *self = arg;
  (void)ctx;
  slot->hash = lb_hash64(slot->in, slot->in_len);
  if (self->codec->compress(self->compressor, slot->number, slot->in, slot->in_len, slot->out, &slot->out_len, err)) {
    return err->code;
  }
  slot->crc = lb_crc32(0, slot->out, slot->out_len);
  return LB_OK;
}

static const lb_ring_ops ring_ops = { worker_begin, worker_end, work, true };

/* ---- writing ---- */

static int fail(lb_writer *w, lb_error *err)
{
  w->failed = true;
  return err->code;
}

static int check_usable(const lb_writer *w, lb_error *err)
{
  if (w->failed) return lb_fail(err, LB_ERROR, "%s: writing it has failed before", w->path);
  return LB_OK;
}

static int write_slot(lb_writer *w, lb_slot *slot, lb_error *err)
{
  lb_block block = { w->offset, (uint32_t)slot->out_len, (uint32_t)slot->in_len, slot->crc, 0 };
  if (slot->out_len == 0) return lb_fail(err, LB_INTERRUPT, "interrupted");  /* a worker saw the stop, and skipped it */
  if (lb_appender_put(w->appender, slot->out, slot->out_len, err)) return err->code;
  if (lb_index_add(&w->index, &block, slot->hash, err)) return err->code;
  w->offset += slot->out_len;
  lb_task_advance(w->task, (int64_t)slot->in_len);
  return LB_OK;
}

/* Writes the oldest block. false: there is none that is done (wait: none at all), or it failed. */
static bool write_next(lb_writer *w, bool wait, lb_error *err)
{
  lb_slot *slot = lb_ring_next(w->ring, wait, err);
  if (!slot) return false;
  write_slot(w, slot, err);
  lb_ring_release(w->ring, slot);
  return err->code == LB_OK;
}

/* ---- the sink ---- */

static unsigned char *claim_slot(lb_writer *w, bool wait, lb_error *err)
{
  if (check_usable(w, err)) return NULL;
  lb_task_poll(w->task, err);
  while (err->code == LB_OK && write_next(w, false, err)) continue;
  while (err->code == LB_OK && !(w->claimed = lb_ring_claim(w->ring)) && wait) write_next(w, true, err);
  if (err->code == LB_OK) return w->claimed ? w->claimed->in : NULL;
  w->claimed = NULL;
  fail(w, err);
  return NULL;
}

static unsigned char *sink_claim(lb_sink *sink, lb_error *err) { return claim_slot((lb_writer *)sink, true, err); }
static unsigned char *sink_try_claim(lb_sink *sink, lb_error *err) { return claim_slot((lb_writer *)sink, false, err); }

static int sink_submit(lb_sink *sink, size_t bytes, lb_error *err)
{
  lb_writer *w = (lb_writer *)sink;
  lb_slot *slot = w->claimed;
  if (check_usable(w, err)) return err->code;
  if (!slot || bytes > w->sink.block_bytes) {
    lb_fail(err, LB_MISUSE, "%s: a block was submitted that was not claimed", w->path);
    return fail(w, err);
  }
  w->claimed = NULL;
  if (bytes == 0) return LB_OK;  /* the next claim hands out the same slot */
  if (w->last_seen) {
    lb_fail(err, LB_MISUSE, "%s: a block follows one that was not full", w->path);
    return fail(w, err);
  }
  w->last_seen = !w->varying && bytes < w->sink.block_bytes;
  slot->in_len = bytes;
  slot->number = w->next_number++;
  lb_ring_submit(w->ring, slot);
  return LB_OK;
}

static int sink_reserve_head(lb_sink *sink, size_t bytes, lb_error *err)
{
  lb_writer *w = (lb_writer *)sink;
  lb_block block = { 0, (uint32_t)w->codec->stored_size(bytes), (uint32_t)bytes, 0, 0 };
  if (check_usable(w, err)) return err->code;
  bool late = w->next_number || w->claimed || w->index.head_bytes;
  if (bytes == 0 || bytes > LB_HEAD_MAX || late || w->varying) {
    lb_fail(err, LB_MISUSE, "%s: a head of %zu bytes cannot be reserved now", w->path, bytes);
    return fail(w, err);
  }
  if (lb_index_add(&w->index, &block, 0, err)) return fail(w, err);
  if (lb_appender_put(w->appender, NULL, block.stored, err)) return fail(w, err);
  w->index.head_bytes = block.raw;
  w->offset = block.stored;
  w->next_number = 1;
  return LB_OK;
}

static int sink_fill_head(lb_sink *sink, const void *data, lb_error *err)
{
  lb_writer *w = (lb_writer *)sink;
  if (check_usable(w, err)) return err->code;
  if (!w->index.head_bytes) {
    lb_fail(err, LB_MISUSE, "%s: no head was reserved", w->path);
    return fail(w, err);
  }
  lb_block *block = &w->index.blocks[0];
  unsigned char *stored = malloc(block->stored);
  if (!stored) {
    lb_fail_nomem(err);
    return fail(w, err);
  }
  w->codec->store(0, data, block->raw, stored);
  block->crc = lb_crc32(0, stored, block->stored);
  if (w->index.hashes) w->index.hashes[0] = lb_hash64(data, block->raw);
  if (!w->head) lb_task_advance(w->task, block->raw);
  free(w->head);
  w->head = stored;
  return LB_OK;
}

/* ---- open, end, close ---- */

/* A block that is worked on and one behind it for each thread, and some more, so that threads have work while the
** caller waits for its own: rows of PostgreSQL come by fits and starts. */
static int slots_of(int threads, size_t block_bytes)
{
  int more = (int)(WAITING_BYTES / block_bytes);
  return 2 * threads + 2 + (more < 4 * threads ? more : 4 * threads);
}

lb_writer *lb_writer_open(int fd, const char *path, const lb_writer_options *options, lb_task *task, lb_error *err)
{
  lb_writer *w = calloc(1, sizeof *w);
  if (!w) {
    lb_fail_nomem(err);
    return NULL;
  }
  w->fd = fd;
  w->codec = options->codec;
  w->level = options->level;
  w->varying = options->varying;
  w->task = task;
  size_t n = lb_writer_block_bytes(w->codec, options->raw_expected);
  w->sink = (lb_sink){ n, sink_reserve_head, sink_claim, sink_try_claim, sink_submit, sink_fill_head };
  w->index.block_bytes = (uint32_t)n;
  w->path = lb_text_copy(path, err);
  if (w->path) {
    w->ring = lb_ring_open(&ring_ops, w, options->threads, slots_of(options->threads, n), n, w->codec->bound(n), task,
                           err);
  }
  if (w->ring) w->appender = lb_appender_open(fd, w->path, err);
  if (w->appender) return w;
  lb_writer_close(w);
  return NULL;
}

lb_sink *lb_writer_sink(lb_writer *w)
{
  return &w->sink;
}

int lb_writer_end_data(lb_writer *w, lb_writer_figures *figures, lb_error *err)
{
  if (check_usable(w, err)) return err->code;
  while (write_next(w, true, err)) continue;
  if (err->code == LB_OK && w->index.head_bytes && !w->head) {
    lb_fail(err, LB_MISUSE, "%s: the head was reserved and never filled", w->path);
  }
  if (err->code == LB_OK) lb_appender_end(w->appender, err);
  if (err->code == LB_OK && w->head) lb_file_write(w->fd, w->head, w->index.blocks[0].stored, 0, w->path, err);
  if (err->code == LB_OK) lb_task_poll(w->task, err);
  figures->raw_bytes = w->index.raw_total;
  figures->stored_bytes = w->offset;
  figures->blocks = w->index.count;
  figures->block_bytes = w->sink.block_bytes;
  figures->content_hash = 0;
  if (err->code == LB_OK) lb_index_content_hash(&w->index, &figures->content_hash, err);
  return err->code ? fail(w, err) : LB_OK;
}

static int set_texts(lb_writer *w, const char *manifest, const char *contents, lb_error *err)
{
  if (w->varying ? !contents : contents && w->index.head_bytes) {
    return lb_fail(err, LB_MISUSE, "%s: contents %s", w->path, contents ? "beside a head" : "are missing");
  }
  free(w->index.manifest);
  free(w->index.contents);
  w->index.manifest = lb_text_copy(manifest, err);
  w->index.contents = contents ? lb_text_copy(contents, err) : NULL;
  return err->code;
}

int lb_writer_finish(lb_writer *w, const char *manifest, const char *contents, lb_error *err)
{
  lb_buf payload = { 0 }, tail = { 0 };
  if (check_usable(w, err)) return err->code;
  if (set_texts(w, manifest, contents, err) == LB_OK && lb_index_encode(&w->index, &payload, err) == LB_OK &&
      lb_index_pack(w->codec, &payload, w->offset, &tail, err) == LB_OK &&
      lb_file_write(w->fd, tail.data, tail.len, (int64_t)w->offset, w->path, err) == LB_OK) {
    w->offset += tail.len;
  }
  lb_buf_free(&payload);
  lb_buf_free(&tail);
  return err->code ? fail(w, err) : LB_OK;
}

void lb_writer_close(lb_writer *w)
{
  if (!w) return;
  lb_ring_close(w->ring);
  lb_appender_close(w->appender);
  lb_index_free(&w->index);
  free(w->head);
  free(w->path);
  free(w);
}

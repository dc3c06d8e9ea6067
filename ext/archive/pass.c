/* Passes over the content of a file: by blocks on workers where there is an index, else from the front on one thread.
**
** By blocks: the caller's thread only hands out block numbers and collects what was found, in order. A worker
** reads the stored bytes, checks their checksum, inflates, checks the codec's own checksum and the content's hash, and
** gives the block to `take`, all while it is in its cache. A stream is the same, but that the caller's thread gives the
** blocks to `take` as it collects them: what is not collected holds its slot, so that workers are never far ahead.
*/
#include <fcntl.h>
#include <stdlib.h>

#include "archive/opened.h"
#include "core/file.h"
#include "core/hash.h"
#include "core/ring.h"

#define DAMAGE_MOST 100
#define AHEAD_BYTES ((uint64_t)4 << 20)
#define SLOTS_A_THREAD 8   /* a slot is a number: enough of them that the caller seldom has to wake */

/* ---- one block ---- */

/* Reports what is wrong with a block, as the one place that says which and where. */
static void block_damage(const lb_block *b, uint64_t number, const char *what, lb_error *damage)
{
  lb_fail(damage, LB_CORRUPT, "block %llu at byte %llu: %s", (unsigned long long)number, (unsigned long long)b->offset,
          what);
}

static int decode_block(const lb_reader *r, void *decompressor, uint64_t number, const unsigned char *stored,
                        unsigned char *raw, lb_error *damage, lb_error *err)
{
  const lb_block *b = &r->index.blocks[number];
  lb_error found = LB_ERROR_INIT;
  lb_member member;
  if (lb_crc32(0, stored, b->stored) != b->crc) {
    block_damage(b, number, "stored checksum does not match", damage);
  } else if (!r->codec->member_at(stored, b->stored, &member) || !member.ours || member.number != number) {
    block_damage(b, number, "it is another block", damage);
  } else if (r->codec->decompress(decompressor, stored, b->stored, raw, b->raw, &found)) {
    if (found.code != LB_CORRUPT) {
      *err = found;
      return err->code;
    }
    block_damage(b, number, found.message, damage);
  } else if (r->index.hashes && lb_hash_available() && lb_hash64(raw, b->raw) != r->index.hashes[number]) {
    block_damage(b, number, "content hash does not match", damage);
  }
  return LB_OK;
}

int lb_reader_block(const lb_reader *r, void *decompressor, uint64_t number, unsigned char *stored, unsigned char *raw,
                    lb_error *damage, lb_error *err)
{
  const lb_block *b = &r->index.blocks[number];
  lb_error found = LB_ERROR_INIT;
  if (lb_file_read(r->fd, stored, b->stored, (int64_t)b->offset, r->path, &found) == LB_OK) {
    return decode_block(r, decompressor, number, stored, raw, damage, err);
  }
  if (found.code == LB_CORRUPT) {  /* shorter than when it was opened */
    block_damage(b, number, "the file ends before it does", damage);
    return LB_OK;
  }
  *err = found;
  return err->code;
}

/* ---- by blocks ---- */

typedef struct pass {
  const lb_reader *reader;
  lb_reader_take take;
  void *take_ctx;
  bool in_order;        /* take is for the caller's thread */
  lb_task *task;
  lb_reader_report *report;
  size_t stored_most, raw_most;   /* bytes of the largest block */
} pass;

/* A worker uses the same memory for every block: it stays in its processor's cache, which the ring's would not. Only
** what the caller is to take in order lies in the ring's. */
typedef struct worker {
  const lb_codec *codec;
  void *decompressor;
  unsigned char *stored, *raw;
} worker;

static void worker_close(void *arg)
{
  worker *w = arg;
  if (w->decompressor) w->codec->decompressor_close(w->decompressor);
  free(w->stored);
  free(w);
}

static void *worker_open(void *ctx, lb_error *err)
{
  const pass *p = ctx;
  worker *w = calloc(1, sizeof *w);
  if (!w) {
    lb_fail_nomem(err);
    return NULL;
  }
  w->codec = p->reader->codec;
  w->stored = malloc(p->stored_most + p->raw_most);
  if (!w->stored) lb_fail_nomem(err);
  else w->decompressor = w->codec->decompressor_open(err);
  if (!w->decompressor) {
    worker_close(w);
    return NULL;
  }
  w->raw = w->stored + p->stored_most;
  return w;
}

static int work(void *ctx, void *arg, lb_slot *slot, lb_error *err)
{
  const pass *p = ctx;
  worker *w = arg;
  const lb_index *index = &p->reader->index;
  size_t raw = index->blocks[slot->number].raw;
  unsigned char *to = p->in_order ? slot->out : w->raw;
  if (lb_reader_block(p->reader, w->decompressor, slot->number, w->stored, to, &slot->err, err)) return err->code;
  if (slot->err.code == LB_OK && p->take && !p->in_order &&
      p->take(p->take_ctx, lb_index_raw_offset(index, slot->number), to, raw, err)) {
    return err->code;
  }
  slot->out_len = raw;
  return LB_OK;
}

static const lb_ring_ops ring_ops = { worker_open, worker_close, work, false };

/* Adds a line to the report, or fails where nobody asked for lines. The pass goes on while it returns LB_OK. */
static int report_damage(const lb_reader *r, lb_reader_report *report, const lb_error *damage, lb_error *err)
{
  if (!report->damage) return lb_fail(err, LB_CORRUPT, "%s: %s", r->path, damage->message);
  lb_buf_text(report->damage, damage->message);
  lb_buf_text(report->damage, "\n");
  report->damaged++;
  return report->damage->failed ? lb_fail_nomem(err) : LB_OK;
}

static int collect(pass *p, lb_slot *slot, lb_error *err)
{
  if (slot->out_len == 0) return lb_fail(err, LB_INTERRUPT, "interrupted");  /* a worker saw the stop, and skipped it */
  if (slot->err.code) return report_damage(p->reader, p->report, &slot->err, err);
  if (p->in_order && p->take(p->take_ctx, p->report->raw_bytes, slot->out, slot->out_len, err)) return err->code;
  p->report->raw_bytes += slot->out_len;
  lb_task_advance(p->task, (int64_t)slot->out_len);
  return LB_OK;
}

/* Asks for what comes, so that no worker waits for a disk. *asked: up to where. */
static void read_ahead(const lb_reader *r, uint64_t number, uint64_t *asked)
{
  if (r->index.blocks[number].offset + AHEAD_BYTES < *asked) return;
  posix_fadvise(r->fd, (off_t)*asked, (off_t)AHEAD_BYTES, POSIX_FADV_WILLNEED);
  *asked += AHEAD_BYTES;
}

static int run_blocks(lb_ring *ring, pass *p, lb_error *err)
{
  uint64_t next = 0, asked = 0;
  while (err->code == LB_OK && p->report->damaged < DAMAGE_MOST) {
    lb_slot *slot;
    if (lb_task_poll(p->task, err)) break;
    while (next < p->reader->index.count && (slot = lb_ring_claim(ring))) {
      read_ahead(p->reader, next, &asked);
      slot->number = next++;
      lb_ring_submit(ring, slot);
    }
    slot = lb_ring_next(ring, true, err);
    if (!slot) break;
    collect(p, slot, err);
    lb_ring_release(ring, slot);
  }
  return err->code;
}

static int pass_blocks(pass *p, int threads, lb_error *err)
{
  const lb_reader *r = p->reader;
  lb_index_largest(&r->index, &p->stored_most, &p->raw_most);
  /* Waiting threads would only cost memory. */
  if ((uint64_t)threads > r->index.count) threads = r->index.count ? (int)r->index.count : 1;
  int slots = p->in_order ? 2 * threads + 2 : SLOTS_A_THREAD * threads;
  lb_ring *ring = lb_ring_open(&ring_ops, p, threads, slots, 0, p->in_order ? p->raw_most : 0, p->task, err);
  if (!ring) return err->code;
  posix_fadvise(r->fd, 0, 0, POSIX_FADV_SEQUENTIAL);  /* a hint: nothing depends on it */
  run_blocks(ring, p, err);
  lb_ring_close(ring);
  return err->code;
}

/* A stream on one thread. */
static int stream_blocks(pass *p, lb_reader *r, lb_error *err)
{
  const unsigned char *data;
  size_t n;
  lb_cursor *cursor = lb_cursor_open(r, err);
  if (!cursor) return err->code;
  for (uint64_t i = 0; i < r->index.count; i++) {
    if (lb_task_poll(p->task, err) || lb_cursor_read(cursor, i, &data, &n, err)) break;
    if (p->take(p->take_ctx, p->report->raw_bytes, data, n, err)) break;
    p->report->raw_bytes += n;
    lb_task_advance(p->task, (int64_t)n);
  }
  lb_cursor_close(cursor);
  return err->code;
}

/* ---- from the front ---- */

/* Where damage is collected, a damaged stream is one line: what follows it cannot be read. */
static int pass_sequential(const lb_reader *r, lb_reader_take take, void *ctx, lb_task *task, lb_reader_report *report,
                           lb_error *err)
{
  lb_error damage = LB_ERROR_INIT;
  lb_reader_sequential(r, UINT64_MAX, take, ctx, task, &report->raw_bytes, &damage, err);
  if (err->code == LB_OK && damage.code) report_damage(r, report, &damage, err);
  return err->code;
}

int lb_reader_pass(lb_reader *r, int threads, lb_reader_take take, void *ctx, lb_task *task, lb_reader_report *report,
                   lb_error *err)
{
  pass p = { .reader = r, .take = take, .take_ctx = ctx, .in_order = false, .task = task, .report = report };
  report->raw_bytes = 0;
  report->damaged = 0;
  if (r->kind == LB_READER_INDEXED) return pass_blocks(&p, threads, err);
  return pass_sequential(r, take, ctx, task, report, err);
}

int lb_reader_stream(lb_reader *r, int threads, lb_reader_take take, void *ctx, lb_task *task, uint64_t *raw_bytes,
                     lb_error *err)
{
  lb_reader_report report = { 0 };
  pass p = { .reader = r, .take = take, .take_ctx = ctx, .in_order = true, .task = task, .report = &report };
  if (r->kind != LB_READER_INDEXED) pass_sequential(r, take, ctx, task, &report, err);
  else if (threads > 1) pass_blocks(&p, threads, err);
  else stream_blocks(&p, r, err);
  *raw_bytes = report.raw_bytes;
  return err->code;
}

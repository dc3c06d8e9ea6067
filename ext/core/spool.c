/* See spool.h. The file is a queue: blocks are written at its end, and read again at `poured`, in order. While nothing
** waits, a block goes straight into the buffer of the sink behind. Once something does, all waits, up to what the page
** cache takes at ease, so that nothing competes with the producer for processors; only beyond that is poured meanwhile.
*/
#include "core/spool.h"

#include <stdlib.h>
#include <unistd.h>

#include "core/file.h"

enum { COPY_BLOCK = 256 * 1024, FLUSH_EVERY = 8 * 1024 * 1024, AT_EASE_MOST = 1024 * 1024 * 1024 };

struct lb_spool {
  lb_sink sink;      /* first: a lb_sink* given to a producer is a lb_spool* of ours */
  lb_sink *into;     /* NULL: a plain copy */
  int fd;
  const char *path;
  lb_task *task;
  size_t head;       /* of a plain copy */
  int64_t size;      /* bytes that went into the file */
  int64_t poured;    /* bytes of them that the sink behind has taken */
  int64_t at_ease;   /* bytes that may wait in memory */
  int64_t flushed;   /* up to where writing to the disk was begun */
  bool passing;      /* the block that was claimed last is the sink's own */
  unsigned char *block;
};

/* A sixteenth of the memory: less than what the kernel lets be dirty before it makes writers wait for the disk. */
static int64_t bytes_at_ease(size_t block_bytes)
{
  long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
  int64_t share = pages > 0 && page > 0 ? (int64_t)pages * page / 16 : 0;
  if (share > AT_EASE_MOST) share = AT_EASE_MOST;
  return share > (int64_t)block_bytes ? share : (int64_t)block_bytes;
}

static int spool_reserve(lb_sink *sink, size_t bytes, lb_error *err)
{
  lb_spool *spool = (lb_spool *)sink;
  if (spool->into) return spool->into->reserve_head(spool->into, bytes, err);
  spool->head = bytes;
  spool->size = (int64_t)bytes;
  return LB_OK;
}

static unsigned char *spool_claim(lb_sink *sink, lb_error *err)
{
  lb_spool *spool = (lb_spool *)sink;
  bool nothing_waits = spool->into && spool->poured == spool->size;
  unsigned char *block = nothing_waits ? spool->into->try_claim(spool->into, err) : NULL;
  spool->passing = block != NULL;
  if (err->code) return NULL;
  return block ? block : spool->block;
}

/* Moves the oldest block that waits; claim says whether to wait for room. False: there was none, or it failed. */
static bool pour_one(lb_spool *spool, unsigned char *(*claim)(lb_sink *, lb_error *), lb_error *err)
{
  int64_t left = spool->size - spool->poured;
  size_t n = left < (int64_t)spool->into->block_bytes ? (size_t)left : spool->into->block_bytes;
  unsigned char *block = n ? claim(spool->into, err) : NULL;
  if (!block || lb_file_read(spool->fd, block, n, spool->poured, spool->path, err)) return false;
  spool->poured += (int64_t)n;
  return spool->into->submit(spool->into, n, err) == LB_OK;
}

static int spool_submit(lb_sink *sink, size_t bytes, lb_error *err)
{
  lb_spool *spool = (lb_spool *)sink;
  if (spool->passing) return spool->into->submit(spool->into, bytes, err);
  if (lb_file_write(spool->fd, spool->block, bytes, spool->size, spool->path, err)) return err->code;
  spool->size += (int64_t)bytes;
  if (!spool->into) {
    lb_task_advance(spool->task, (int64_t)bytes);
    if (spool->size - spool->flushed >= FLUSH_EVERY) {
      lb_file_flush_early(spool->fd, spool->flushed, spool->size - spool->flushed);
      spool->flushed = spool->size;
    }
    return LB_OK;
  }
  /* Only whole blocks while more may come: every block but the last has to be full. */
  while (spool->size - spool->poured > spool->at_ease && pour_one(spool, spool->into->try_claim, err)) continue;
  return err->code;
}

static int spool_fill_head(lb_sink *sink, const void *data, lb_error *err)
{
  lb_spool *spool = (lb_spool *)sink;
  if (spool->into) return spool->into->fill_head(spool->into, data, err);
  lb_task_advance(spool->task, (int64_t)spool->head);
  return lb_file_write(spool->fd, data, spool->head, 0, spool->path, err);
}

lb_spool *lb_spool_open(int fd, const char *path, lb_sink *into, lb_task *task, lb_error *err)
{
  size_t block_bytes = into ? into->block_bytes : COPY_BLOCK;
  lb_spool *spool = calloc(1, sizeof *spool);
  unsigned char *block = malloc(block_bytes);
  if (!spool || !block) {
    lb_fail_nomem(err);
    free(spool);
    free(block);
    return NULL;
  }
  *spool = (lb_spool){
    .sink = { block_bytes, spool_reserve, spool_claim, spool_claim, spool_submit, spool_fill_head },
    .into = into, .fd = fd, .path = path, .task = task, .block = block, .at_ease = bytes_at_ease(block_bytes),
  };
  return spool;
}

lb_sink *lb_spool_sink(lb_spool *spool)
{
  return &spool->sink;
}

int lb_spool_pour(lb_spool *spool, lb_error *err)
{
  while (!err->code && spool->poured < spool->size && pour_one(spool, spool->into->claim, err)) continue;
  return err->code;
}

void lb_spool_close(lb_spool *spool)
{
  if (!spool) return;
  free(spool->block);
  free(spool);
}

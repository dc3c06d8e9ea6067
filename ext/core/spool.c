/* See spool.h. */
#include "core/spool.h"

#include <stdlib.h>

#include "core/file.h"

enum { SPOOL_BLOCK = 256 * 1024, FLUSH_EVERY = 8 * 1024 * 1024 };

struct lb_spool {
  lb_sink sink;  /* first: a lb_sink* given to a producer is a lb_spool* of ours */
  int fd;
  const char *path;
  lb_task *task;
  size_t head;
  int64_t size, flushed;
  unsigned char *block;
};

static int spool_reserve(lb_sink *sink, size_t bytes, lb_error *err)
{
  (void)err;
  lb_spool *spool = (lb_spool *)sink;
  spool->head = bytes;
  spool->size = (int64_t)bytes;
  return LB_OK;
}

static unsigned char *spool_claim(lb_sink *sink, lb_error *err)
{
  (void)err;
  return ((lb_spool *)sink)->block;
}

static int spool_submit(lb_sink *sink, size_t bytes, lb_error *err)
{
  lb_spool *spool = (lb_spool *)sink;
  if (lb_file_write(spool->fd, spool->block, bytes, spool->size, spool->path, err)) return err->code;
  spool->size += (int64_t)bytes;
  lb_task_advance(spool->task, (int64_t)bytes);
  if (spool->size - spool->flushed >= FLUSH_EVERY) {
    lb_file_flush_early(spool->fd, spool->flushed, spool->size - spool->flushed);
    spool->flushed = spool->size;
  }
  return LB_OK;
}

static int spool_fill_head(lb_sink *sink, const void *data, lb_error *err)
{
  lb_spool *spool = (lb_spool *)sink;
  lb_task_advance(spool->task, (int64_t)spool->head);
  return lb_file_write(spool->fd, data, spool->head, 0, spool->path, err);
}

lb_spool *lb_spool_open(int fd, const char *path, lb_task *task, lb_error *err)
{
  lb_spool *spool = calloc(1, sizeof *spool);
  unsigned char *block = malloc(SPOOL_BLOCK);
  if (!spool || !block) {
    lb_fail_nomem(err);
    free(spool);
    free(block);
    return NULL;
  }
  *spool = (lb_spool){
    .sink = { SPOOL_BLOCK, spool_reserve, spool_claim, spool_submit, spool_fill_head },
    .fd = fd, .path = path, .task = task, .block = block,
  };
  return spool;
}

lb_sink *lb_spool_sink(lb_spool *spool)
{
  return &spool->sink;
}

int lb_spool_pour(lb_spool *spool, lb_sink *into, lb_error *err)
{
  for (int64_t offset = 0; offset < spool->size && !err->code; ) {
    int64_t left = spool->size - offset;
    size_t n = left < (int64_t)into->block_bytes ? (size_t)left : into->block_bytes;
    unsigned char *block = into->claim(into, err);
    if (!block || lb_file_read(spool->fd, block, n, offset, spool->path, err)) break;
    into->submit(into, n, err);
    offset += (int64_t)n;
  }
  return err->code;
}

void lb_spool_close(lb_spool *spool)
{
  if (!spool) return;
  free(spool->block);
  free(spool);
}

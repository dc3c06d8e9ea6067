/* See appender.h. */
#include "core/appender.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "core/thread.h"

enum { PIECES = 3, ALIGNMENT = 4096 };
#define PIECE_BYTES ((size_t)1 << 20)

struct lb_appender {
  int fd;
  char *path;
  unsigned char *memory;     /* of all pieces */
  size_t used;               /* of the piece at hand, which is number `filled` */
  pthread_t thread;
  bool started;              /* else pieces are written where they are filled */
  pthread_mutex_t mutex;     /* of what follows */
  pthread_cond_t is_filled, is_written;
  uint64_t filled, written;  /* how many pieces */
  bool ending;
  lb_error err;              /* what went wrong first: nothing is written any more */
};

static unsigned char *memory_of(lb_appender *a, uint64_t piece)
{
  return a->memory + piece % PIECES * PIECE_BYTES;
}

static int write_piece(lb_appender *a, uint64_t piece, size_t n, lb_error *err)
{
  int64_t offset = (int64_t)(piece * PIECE_BYTES);
  if (lb_file_write(a->fd, memory_of(a, piece), n, offset, a->path, err)) return err->code;
  if (!lb_file_is_direct(a->fd)) lb_file_flush_early(a->fd, offset, (int64_t)n);
  return LB_OK;
}

static void *write_pieces(void *ctx)
{
  lb_appender *a = ctx;
  pthread_mutex_lock(&a->mutex);
  for (;;) {
    while (!a->ending && a->written == a->filled) pthread_cond_wait(&a->is_filled, &a->mutex);
    if (a->written == a->filled) break;
    uint64_t piece = a->written;
    lb_error err = a->err;
    pthread_mutex_unlock(&a->mutex);
    if (!err.code) write_piece(a, piece, PIECE_BYTES, &err);
    pthread_mutex_lock(&a->mutex);
    a->err = err;
    a->written++;
    pthread_cond_signal(&a->is_written);
  }
  pthread_mutex_unlock(&a->mutex);
  return NULL;
}

lb_appender *lb_appender_open(int fd, const char *path, lb_error *err)
{
  lb_appender *a = calloc(1, sizeof *a);
  if (a) {
    a->fd = fd;
    a->path = strdup(path);
    a->memory = aligned_alloc(ALIGNMENT, PIECES * PIECE_BYTES);
    pthread_mutex_init(&a->mutex, NULL);
    pthread_cond_init(&a->is_filled, NULL);
    pthread_cond_init(&a->is_written, NULL);
  }
  if (!a || !a->path || !a->memory) {
    lb_fail_nomem(err);
    lb_appender_close(a);
    return NULL;
  }
  lb_file_set_direct(fd, true);
  a->started = lb_thread_start(&a->thread, write_pieces, a) == 0;
  return a;
}

/* To the thread, and until there is room for the next one. */
static int hand_over(lb_appender *a, lb_error *err)
{
  a->used = 0;
  if (!a->started) {
    if (!a->err.code) write_piece(a, a->filled++, PIECE_BYTES, &a->err);
    *err = a->err;
    return err->code;
  }
  pthread_mutex_lock(&a->mutex);
  a->filled++;
  pthread_cond_signal(&a->is_filled);
  while (a->filled - a->written == PIECES) pthread_cond_wait(&a->is_written, &a->mutex);
  *err = a->err;
  pthread_mutex_unlock(&a->mutex);
  return err->code;
}

int lb_appender_put(lb_appender *a, const void *data, size_t n, lb_error *err)
{
  const unsigned char *p = data;
  while (n && !err->code) {
    size_t room = PIECE_BYTES - a->used, take = n < room ? n : room;
    unsigned char *to = memory_of(a, a->filled) + a->used;
    if (p) memcpy(to, p, take);
    else memset(to, 0, take);
    a->used += take;
    n -= take;
    if (p) p += take;
    if (a->used == PIECE_BYTES) hand_over(a, err);
  }
  return err->code;
}

static void end_thread(lb_appender *a)
{
  pthread_mutex_lock(&a->mutex);
  a->ending = true;
  pthread_cond_signal(&a->is_filled);
  pthread_mutex_unlock(&a->mutex);
  if (a->started) pthread_join(a->thread, NULL);
  a->started = false;
}

/* What is left is no whole block, which alone can be written past the page cache. */
int lb_appender_end(lb_appender *a, lb_error *err)
{
  end_thread(a);
  lb_file_set_direct(a->fd, false);
  if (!err->code) *err = a->err;
  if (!err->code && a->used) write_piece(a, a->filled, a->used, err);
  a->used = 0;
  return err->code;
}

void lb_appender_close(lb_appender *a)
{
  if (!a) return;
  end_thread(a);
  pthread_mutex_destroy(&a->mutex);
  pthread_cond_destroy(&a->is_filled);
  pthread_cond_destroy(&a->is_written);
  free(a->memory);
  free(a->path);
  free(a);
}

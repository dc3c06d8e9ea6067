/* The bound that a backup is measured against: the same codec, level and threads, on the same bytes in memory.
**
**     bound FILE CODEC LEVEL THREADS
**
** Reads the file into memory, then prints two lines: `compress SECONDS BYTES` and `inflate SECONDS BYTES`. The clock
** runs only while blocks go from memory to memory: no reading, no writing, no order between the blocks. The block size
** is the one that a backup of the file has. Uses the project's own table of codecs, so that both sides run the same
** code.
*/
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "archive/writer.h"
#include "core/clock.h"
#include "core/file.h"

typedef struct piece {
  unsigned char *stored;
  size_t stored_bytes, raw_bytes;
} piece;

typedef struct bound {
  const lb_codec *codec;
  int level, threads;
  unsigned char *raw;
  size_t bytes, block_bytes, count;
  piece *pieces;
  bool keep;                  /* compressed blocks are kept for inflating */
  _Atomic size_t next;
  _Atomic uint64_t stored_total;
} bound;

static void stop(const lb_error *err)
{
  if (!err->code) return;
  fprintf(stderr, "bound: %s\n", err->message);
  exit(1);
}

static void *get(size_t n)
{
  void *p = malloc(n ? n : 1);
  if (p) return p;
  fprintf(stderr, "bound: out of memory\n");
  exit(1);
}

static void *compress_blocks(void *arg)
{
  bound *b = arg;
  lb_error err = LB_ERROR_INIT;
  void *state = b->codec->compressor_open(b->level, &err);
  stop(&err);
  unsigned char *out = get(b->codec->bound(b->block_bytes));
  for (size_t i; (i = atomic_fetch_add(&b->next, 1)) < b->count;) {
    piece *p = &b->pieces[i];
    b->codec->compress(state, i, b->raw + i * b->block_bytes, p->raw_bytes, out, &p->stored_bytes, &err);
    stop(&err);
    atomic_fetch_add(&b->stored_total, p->stored_bytes);
    if (b->keep) memcpy(p->stored = get(p->stored_bytes), out, p->stored_bytes);
  }
  free(out);
  b->codec->compressor_close(state);
  return NULL;
}

static void *inflate_blocks(void *arg)
{
  bound *b = arg;
  lb_error err = LB_ERROR_INIT;
  void *state = b->codec->decompressor_open(&err);
  stop(&err);
  unsigned char *out = get(b->block_bytes);
  for (size_t i; (i = atomic_fetch_add(&b->next, 1)) < b->count;) {
    piece *p = &b->pieces[i];
    b->codec->decompress(state, p->stored, p->stored_bytes, out, p->raw_bytes, &err);
    stop(&err);
  }
  free(out);
  b->codec->decompressor_close(state);
  return NULL;
}

static double run(bound *b, void *(*work)(void *))
{
  pthread_t thread[64];
  b->next = 0;
  b->stored_total = 0;
  double began = lb_clock_monotonic();
  for (int i = 0; i < b->threads; i++) {
    if (pthread_create(&thread[i], NULL, work, b)) {
      fprintf(stderr, "bound: cannot start a thread\n");
      exit(1);
    }
  }
  for (int i = 0; i < b->threads; i++) pthread_join(thread[i], NULL);
  return lb_clock_monotonic() - began;
}

static void load(bound *b, const char *path)
{
  lb_error err = LB_ERROR_INIT;
  struct stat st;
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0 || fstat(fd, &st)) {
    perror(path);
    exit(1);
  }
  b->bytes = (size_t)st.st_size;
  b->raw = get(b->bytes);
  lb_file_read(fd, b->raw, b->bytes, 0, path, &err);
  close(fd);
  stop(&err);
  b->block_bytes = lb_writer_block_bytes(b->codec, (int64_t)b->bytes);
  b->count = (b->bytes + b->block_bytes - 1) / b->block_bytes;
  b->pieces = get(b->count * sizeof *b->pieces);
  for (size_t i = 0; i < b->count; i++) {
    size_t left = b->bytes - i * b->block_bytes;
    b->pieces[i] = (piece){ .raw_bytes = left < b->block_bytes ? left : b->block_bytes };
  }
}

int main(int argc, char **argv)
{
  bound b = { 0 };
  lb_error err = LB_ERROR_INIT;
  if (argc != 5) {
    fprintf(stderr, "usage: bound FILE CODEC LEVEL THREADS\n");
    return 2;
  }
  b.codec = lb_codec_get(argv[2], &err);
  stop(&err);
  b.level = atoi(argv[3]);
  b.threads = atoi(argv[4]);
  if (b.level < b.codec->level_min || b.level > b.codec->level_max || b.threads < 1 || b.threads > 64) {
    fprintf(stderr, "bound: level or threads out of range\n");
    return 2;
  }
  load(&b, argv[1]);
  double seconds = run(&b, compress_blocks);
  printf("compress %.4f %llu\n", seconds, (unsigned long long)b.stored_total);
  b.keep = true;
  run(&b, compress_blocks);
  printf("inflate %.4f %zu\n", run(&b, inflate_blocks), b.bytes);
  for (size_t i = 0; i < b.count; i++) free(b.pieces[i].stored);
  free(b.pieces);
  free(b.raw);
  return 0;
}

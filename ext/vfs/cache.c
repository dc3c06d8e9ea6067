/* See cache.h.
**
** One mutex guards everything but the content of blocks; it is never held while a block is inflated or copied. A block
** is EMPTY (known, not inflated), LOADING (by one thread; others wait) or READY. A load that fails leaves it EMPTY,
** and whoever waited tries for himself: so everybody gets the error that is his, and read-ahead needs none.
**
** Blocks that read-ahead wants stand in a queue, in order. Threads of the cache take them from its front; so does a
** reader who waits, and one who arrives at a block before they do. No thread of ours touches SQLite.
*/
#include "vfs/cache.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "archive/access.h"
#include "core/file.h"

enum { BUCKETS = 4096, THREADS_MOST = 2, IDLE_DECODERS = 3, AHEAD_MOST = 16, SKIP_MOST = 3, SCAN_RUN = 3, STREAMS = 4 };
#define STACK_BYTES (512u << 10)  /* inflating needs little of it */

typedef enum block_state { EMPTY, LOADING, READY } block_state;

typedef struct block {
  lb_cached_file *file;
  uint64_t number;
  unsigned char *data;
  size_t n, capacity;
  block_state state;
  int pins;                        /* readers at it */
  bool queued;
  struct block *hash_next;
  struct block *newer, *older;     /* all blocks, by last use */
  struct block *queue_next;
} block;

struct lb_cached_file {
  dev_t device;
  ino_t inode;
  off_t size;
  struct timespec modified;
  int fd;
  lb_access *access;
  int references;
  int loading;                     /* blocks of it that are being inflated */
  lb_decoder *idle[IDLE_DECODERS];
  int idle_count;
  size_t largest;                  /* content bytes of its largest block */
  lb_cached_file *next;
};

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t loaded = PTHREAD_COND_INITIALIZER;   /* a block is no longer LOADING */
static pthread_cond_t wanted = PTHREAD_COND_INITIALIZER;   /* the queue has something, or threads are to end */
static lb_cached_file *files;
static block *buckets[BUCKETS];
static block *newest, *oldest;
static block *queue_first, *queue_last;
static size_t limit = LB_CACHE_DEFAULT, held;
static uint64_t inflated;
static pthread_t threads[THREADS_MOST];
static int thread_count;
static unsigned generation;        /* of threads: those of an earlier one end */

/* ---- the table of blocks; all with the mutex held ---- */

static block **bucket_of(const lb_cached_file *file, uint64_t number)
{
  uint64_t h = ((uint64_t)(uintptr_t)file >> 4) * 0x9e3779b97f4a7c15u + number * 0xc2b2ae3d27d4eb4fu;
  return &buckets[(h >> 32) % BUCKETS];
}

static block *look_up(const lb_cached_file *file, uint64_t number)
{
  block *b = *bucket_of(file, number);
  while (b && (b->file != file || b->number != number)) b = b->hash_next;
  return b;
}

static void list_remove(block *b)
{
  *(b->newer ? &b->newer->older : &newest) = b->older;
  *(b->older ? &b->older->newer : &oldest) = b->newer;
}

static void list_add(block *b)
{
  b->newer = NULL;
  b->older = newest;
  *(newest ? &newest->newer : &oldest) = b;
  newest = b;
}

static void queue_remove(block *b)
{
  block *before = NULL;
  if (!b->queued) return;
  for (block *at = queue_first; at != b; at = at->queue_next) before = at;
  *(before ? &before->queue_next : &queue_first) = b->queue_next;
  if (queue_last == b) queue_last = before;
  b->queued = false;
}

/* Out of the table; the memory is the caller's. */
static void take_out(block *b)
{
  block **at = bucket_of(b->file, b->number);
  while (*at != b) at = &(*at)->hash_next;
  *at = b->hash_next;
  queue_remove(b);
  list_remove(b);
  held -= b->capacity;
}

static void discard(block *b)
{
  if (!b) return;
  free(b->data);
  free(b);
}

static block *oldest_idle(void)
{
  block *b = oldest;
  while (b && (b->pins || b->queued || b->state == LOADING)) b = b->newer;
  return b;
}

/* Makes room for n bytes. Returns a block that was thrown out and whose memory fits, to be used again, or NULL;
** *enough: there is room. */
static block *make_room(size_t n, bool *enough)
{
  block *spare = NULL, *b;
  while (held + n > limit && (b = oldest_idle())) {
    take_out(b);
    discard(spare);
    spare = b;
  }
  *enough = held + n <= limit;
  if (spare && spare->capacity == n) return spare;
  discard(spare);
  return NULL;
}

/* A new, EMPTY block. NULL: no memory, or (not `must`) no room. */
static block *add_block(lb_cached_file *file, uint64_t number, bool must)
{
  uint64_t offset;
  size_t n;
  bool enough;
  lb_access_extent(file->access, number, &offset, &n);
  block *b = make_room(n, &enough);
  if (!b && (enough || must)) {
    b = calloc(1, sizeof *b);
    if (b) b->data = malloc(n);
    if (b && !b->data) {
      free(b);
      b = NULL;
    }
    if (b) b->capacity = n;
  }
  if (!b) return NULL;
  *b = (block){ .file = file, .number = number, .data = b->data, .n = n, .capacity = b->capacity };
  block **bucket = bucket_of(file, number);
  b->hash_next = *bucket;
  *bucket = b;
  list_add(b);
  held += b->capacity;
  return b;
}

/* ---- inflating ---- */

static lb_decoder *take_decoder(lb_cached_file *file)
{
  return file->idle_count ? file->idle[--file->idle_count] : NULL;
}

/* Inflates an EMPTY block; lets go of the mutex meanwhile. A block that somebody loads cannot go away. */
static int load(block *b, lb_error *err)
{
  lb_cached_file *file = b->file;
  lb_decoder *decoder = take_decoder(file), *surplus = NULL;
  queue_remove(b);
  b->state = LOADING;
  file->loading++;
  inflated++;
  pthread_mutex_unlock(&mutex);
  if (!decoder) decoder = lb_decoder_open(file->access, err);
  if (decoder) lb_decoder_read(decoder, b->number, b->data, err);
  pthread_mutex_lock(&mutex);
  if (decoder && file->idle_count < IDLE_DECODERS) file->idle[file->idle_count++] = decoder;
  else surplus = decoder;
  b->state = err->code ? EMPTY : READY;
  lb_decoder_close(surplus);  /* while the file cannot be closed yet */
  file->loading--;
  pthread_cond_broadcast(&loaded);
  return err->code;
}

/* What a reader does instead of waiting. false: there is nothing to do. */
static bool help(const lb_cached_file *file)
{
  lb_error ignored = LB_ERROR_INIT;  /* whoever wants the block will try again */
  block *b = queue_first;
  if (!b || b->file != file) return false;
  load(b, &ignored);
  return true;
}

static void *work(void *arg)
{
  unsigned mine = (unsigned)(uintptr_t)arg;
  pthread_mutex_lock(&mutex);
  while (generation == mine) {
    lb_error ignored = LB_ERROR_INIT;
    if (queue_first) load(queue_first, &ignored);
    else pthread_cond_wait(&wanted, &mutex);
  }
  pthread_mutex_unlock(&mutex);
  return NULL;
}

/* At normal priority: somebody is waiting, or about to, for what they do. They block all signals: the host's handlers
** run on the host's threads. */
static void start_threads(void)
{
  long processors = sysconf(_SC_NPROCESSORS_ONLN);
  int most = processors > THREADS_MOST ? THREADS_MOST : (int)processors - 1;
  pthread_attr_t attributes;
  sigset_t all, before;
  if (pthread_attr_init(&attributes)) return;
  pthread_attr_setstacksize(&attributes, STACK_BYTES);
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  while (thread_count < most) {
    if (pthread_create(&threads[thread_count], &attributes, work, (void *)(uintptr_t)generation)) break;
    thread_count++;
  }
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  pthread_attr_destroy(&attributes);
}

/* ---- read-ahead ---- */

/* At most a quarter of the cache, so that it leaves what others use. */
static uint64_t window_of(const lb_cached_file *file)
{
  size_t fits = limit / 4 / file->largest;
  return fits > AHEAD_MOST ? AHEAD_MOST : fits;
}

static void read_ahead(lb_cached_file *file, uint64_t from, uint64_t count)
{
  if (!thread_count) start_threads();
  if (!thread_count) return;
  uint64_t end = lb_access_count(file->access);
  for (uint64_t number = from; number < end && number < from + count; number++) {
    block *b = look_up(file, number);
    if (!b) b = add_block(file, number, false);
    if (!b) return;
    if (b->state != EMPTY || b->queued) continue;
    b->queued = true;
    b->queue_next = NULL;
    *(queue_last ? &queue_last->queue_next : &queue_first) = b;
    queue_last = b;
    pthread_cond_signal(&wanted);
  }
}

/* A scan is a stream of blocks that follow one another, some left out now and then where others' pages are; a
** connection may be at several (a table and its index). From the fourth block of one on (a lookup may touch three),
** ever more blocks are asked for ahead of it. Enough of them that a thread that is late to wake still finds work: 4
** MiB measured better than 2. */
static void follow(lb_cached_file *file, lb_cache_trail *trail, uint64_t number)
{
  for (int i = 0; i < STREAMS; i++) {
    uint64_t next = trail->streams[i].next;
    if (number + 1 == next) return;
    if (next == 0 || number < next || number > next + SKIP_MOST) continue;
    trail->streams[i].next = number + 1;
    unsigned run = ++trail->streams[i].run;
    uint64_t window = window_of(file);
    if (run >= SCAN_RUN) read_ahead(file, number + 1, run < window ? run : window);
    return;
  }
  trail->streams[trail->turn].next = number + 1;
  trail->streams[trail->turn].run = 0;
  trail->turn = (trail->turn + 1) % STREAMS;
}

/* ---- reading ---- */

/* The block, READY and pinned, or NULL. With the mutex held. */
static block *pin(lb_cached_file *file, lb_cache_trail *trail, uint64_t number, lb_error *err)
{
  block *b = look_up(file, number);
  if (!b) b = add_block(file, number, true);
  if (!b) {
    lb_fail_nomem(err);
    return NULL;
  }
  b->pins++;
  if (newest != b) {
    list_remove(b);
    list_add(b);
  }
  follow(file, trail, number);
  while (b->state != READY) {
    if (b->state == EMPTY) {
      if (load(b, err)) break;
    } else if (!help(file)) {
      pthread_cond_wait(&loaded, &mutex);
    }
  }
  if (b->state == READY) return b;
  b->pins--;
  return NULL;
}

int lb_cache_read(lb_cached_file *file, lb_cache_trail *trail, uint64_t offset, void *data, size_t n, bool *short_read,
                  lb_error *err)
{
  unsigned char *to = data;
  uint64_t end = lb_access_bytes(file->access);
  *short_read = offset > end || n > end - offset;
  while (n && offset < end) {
    uint64_t number = lb_access_find(file->access, offset), begin;
    size_t bytes;
    lb_access_extent(file->access, number, &begin, &bytes);
    size_t at = (size_t)(offset - begin), took = bytes - at < n ? bytes - at : n;
    pthread_mutex_lock(&mutex);
    block *b = pin(file, trail, number, err);
    pthread_mutex_unlock(&mutex);
    if (!b) return err->code;
    memcpy(to, b->data + at, took);
    pthread_mutex_lock(&mutex);
    b->pins--;
    pthread_mutex_unlock(&mutex);
    to += took;
    offset += took;
    n -= took;
  }
  memset(to, 0, n);
  return LB_OK;
}

uint64_t lb_cache_content_bytes(const lb_cached_file *file)
{
  return lb_access_bytes(file->access);
}

void lb_cache_limit(size_t bytes)
{
  bool enough;
  pthread_mutex_lock(&mutex);
  limit = bytes;
  discard(make_room(0, &enough));
  pthread_mutex_unlock(&mutex);
}

lb_cache_figures lb_cache_look(void)
{
  pthread_mutex_lock(&mutex);
  lb_cache_figures figures = { limit, held, inflated, thread_count };
  pthread_mutex_unlock(&mutex);
  return figures;
}

/* ---- fork ---- */

static void before_fork(void) { pthread_mutex_lock(&mutex); }
static void after_fork_in_parent(void) { pthread_mutex_unlock(&mutex); }

/* Only the thread that forked is here, and it is not in the cache: nobody reads, nobody inflates. Decompressors that
** were at work, and files that were being closed, are lost to the child. */
static void after_fork_in_child(void)
{
  pthread_cond_t none = PTHREAD_COND_INITIALIZER;
  loaded = wanted = none;
  queue_first = queue_last = NULL;
  thread_count = 0;
  generation++;
  for (block *b = newest; b; b = b->older) {
    b->pins = 0;
    b->queued = false;
    if (b->state == LOADING) b->state = EMPTY;
  }
  for (lb_cached_file *f = files; f; f = f->next) f->loading = 0;
  pthread_mutex_unlock(&mutex);
}

static void watch_forks(void)
{
  pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child);
}

/* ---- files ---- */

static void free_file(lb_cached_file *file)
{
  if (!file) return;
  while (file->idle_count) lb_decoder_close(take_decoder(file));
  lb_access_close(file->access);
  if (file->fd >= 0) close(file->fd);
  free(file);
}

static lb_cached_file *find_file(const struct stat *st)
{
  lb_cached_file *f = files;
  while (f && (f->device != st->st_dev || f->inode != st->st_ino || f->size != st->st_size ||
               f->modified.tv_sec != st->st_mtim.tv_sec || f->modified.tv_nsec != st->st_mtim.tv_nsec)) {
    f = f->next;
  }
  if (f) f->references++;
  return f;
}

static lb_cached_file *open_file(int fd, const struct stat *st, const char *path, lb_error *err)
{
  lb_cached_file *file = calloc(1, sizeof *file);
  if (!file) {
    lb_fail_nomem(err);
    return NULL;
  }
  *file = (lb_cached_file){ .device = st->st_dev, .inode = st->st_ino, .size = st->st_size, .modified = st->st_mtim,
                            .fd = -1, .references = 1 };
  file->access = lb_access_open(fd, path, err);
  if (file->access) {
    file->fd = fd;
    file->largest = lb_access_largest(file->access);
    return file;
  }
  free(file);
  return NULL;
}

/* Opened without the mutex: an index may have to be made. Who comes second throws his own away. */
static lb_cached_file *share(lb_cached_file *file, const struct stat *st)
{
  pthread_mutex_lock(&mutex);
  lb_cached_file *other = find_file(st);
  if (!other) {
    file->next = files;
    files = file;
  }
  pthread_mutex_unlock(&mutex);
  if (!other) return file;
  free_file(file);
  return other;
}

lb_cached_file *lb_cache_open(const char *path, lb_error *err)
{
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  struct stat st;
  pthread_once(&once, watch_forks);
  int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  if (fd < 0 || fstat(fd, &st)) {
    lb_fail_errno(err, errno, "cannot open backup %s", path);
    if (fd >= 0) close(fd);
    return NULL;
  }
  pthread_mutex_lock(&mutex);
  lb_cached_file *file = find_file(&st);
  pthread_mutex_unlock(&mutex);
  if (file) {
    close(fd);
    return file;
  }
  file = open_file(fd, &st, path, err);
  if (file) return share(file, &st);
  close(fd);
  return NULL;
}

/* Its blocks go; those that are being inflated are waited for. With the mutex held. */
static void drop_blocks(lb_cached_file *file)
{
  block *next;
  for (block *b = newest; b; b = b->older) {
    if (b->file == file) queue_remove(b);
  }
  while (file->loading) pthread_cond_wait(&loaded, &mutex);
  for (block *b = newest; b; b = next) {
    next = b->older;
    if (b->file != file) continue;
    take_out(b);
    discard(b);
  }
}

void lb_cache_close(lb_cached_file *file)
{
  pthread_t ending[THREADS_MOST];
  int count = 0;
  if (!file) return;
  pthread_mutex_lock(&mutex);
  if (--file->references > 0) {
    pthread_mutex_unlock(&mutex);
    return;
  }
  lb_cached_file **at = &files;
  while (*at != file) at = &(*at)->next;
  *at = file->next;
  drop_blocks(file);
  if (!files) {
    count = thread_count;
    memcpy(ending, threads, sizeof ending);
    thread_count = 0;
    generation++;
    pthread_cond_broadcast(&wanted);
  }
  pthread_mutex_unlock(&mutex);
  for (int i = 0; i < count; i++) pthread_join(ending[i], NULL);
  free_file(file);
}

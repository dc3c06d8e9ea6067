/* See diff_pages.h. A live database gives its pages as a backup of it would be made (sqlite/source.h), into a sink that
** hashes them in the blocks that the backup has, and reads of the backup only those that differ.
*/
#include "job/diff_pages.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "archive/differences.h"
#include "core/hash.h"
#include "sqlite/leaves.h"
#include "sqlite/value.h"

enum { PIECE = 256 << 10, SMALL_PART = 8, RESERVED_OFFSET = 20 };

/* ---- two backups ---- */

typedef struct comparing {
  lb_job *job;
  lb_side *base, *other;
  lb_changes *changes;
  unsigned char *buffers[2];
} comparing;

static int read_piece(lb_side *side, uint64_t offset, unsigned char *to, size_t n, lb_error *err)
{
  bool short_read;
  return lb_cache_read(side->cached, &side->trail, offset, to, n, &short_read, err);
}

/* A stretch of content, read and compared page by page. */
static int compare_stretch(void *ctx, uint64_t offset, uint64_t n, lb_error *err)
{
  comparing *c = ctx;
  uint64_t size = c->base->pages.size, end = offset + n;
  for (uint64_t at = offset / size * size; at < end; at += PIECE) {
    size_t bytes = (size_t)(end - at < PIECE ? (end - at + size - 1) / size * size : PIECE);
    lb_task_advance(&c->job->task, (int64_t)bytes);
    if (lb_task_poll(&c->job->task, err) || read_piece(c->base, at, c->buffers[0], bytes, err) ||
        read_piece(c->other, at, c->buffers[1], bytes, err) ||
        lb_changes_compare(c->changes, (uint32_t)(at / size) + 1, c->buffers[0], c->buffers[1],
                           (uint32_t)(bytes / size), err)) {
      return err->code;
    }
  }
  return LB_OK;
}

static bool is_indexed(const lb_side *side)
{
  return !side->live && lb_reader_kind_of(side->backup.reader) == LB_READER_INDEXED;
}

static bool have_hashes(const lb_side *a, const lb_side *b)
{
  return is_indexed(a) && is_indexed(b) && lb_reader_has_hashes(a->backup.reader) &&
         lb_reader_has_hashes(b->backup.reader);
}

static bool one_file(const lb_side *a, const lb_side *b)
{
  struct stat x, y;
  return fstat(a->backup.fd, &x) == 0 && fstat(b->backup.fd, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

static int compare_backups(comparing *c, lb_error *err)
{
  const lb_side *a = c->base, *b = c->other;
  uint64_t bytes = a->bytes > b->bytes ? a->bytes : b->bytes;
  lb_task_phase(&c->job->task, "comparing pages", (int64_t)bytes);
  if (one_file(a, b)) return LB_OK;
  if (have_hashes(a, b)) return lb_reader_differences(a->backup.reader, b->backup.reader, compare_stretch, c, err);
  return compare_stretch(c, 0, bytes, err);
}

/* ---- a live database ---- */

/* A sink that keeps nothing. Its buffer is buffers[1]; the head is page 1. */
typedef struct passing {
  lb_sink sink;
  comparing *c;
  uint64_t offset;       /* of what comes next, in the content */
  bool hashed;           /* the base has blocks of this size, with hashes */
  bool fits;             /* pages have the same room on both sides */
} passing;

static int pass_reserve(lb_sink *sink, size_t bytes, lb_error *err)
{
  (void)err;
  ((passing *)sink)->offset = bytes;
  return LB_OK;
}

static unsigned char *pass_claim(lb_sink *sink, lb_error *err)
{
  (void)err;
  return ((passing *)sink)->c->buffers[1];
}

/* Page 1 has counters that differ always. */
static void take_page_1(passing *p, const unsigned char *data)
{
  const lb_pages *base = &p->c->base->pages;
  lb_changes_mark(p->c->changes, 1);
  p->fits = base->size - data[RESERVED_OFFSET] == base->usable;
}

static int pass_submit(lb_sink *sink, size_t n, lb_error *err)
{
  passing *p = (passing *)sink;
  comparing *c = p->c;
  uint64_t at = p->offset, size = c->base->pages.size;
  const unsigned char *data = c->buffers[1];
  if (n == 0) return LB_OK;
  p->offset += n;
  lb_task_advance(&c->job->task, (int64_t)n);
  if (at == 0) take_page_1(p, data);
  if (p->hashed && lb_reader_has_block(c->base->backup.reader, at, n, lb_hash64(data, n))) return LB_OK;
  if (at < c->base->bytes && read_piece(c->base, at, c->buffers[0], n, err)) return err->code;
  return lb_changes_compare(c->changes, (uint32_t)(at / size) + 1, c->buffers[0], data, (uint32_t)(n / size), err);
}

static int pass_fill_head(lb_sink *sink, const void *data, lb_error *err)
{
  (void)err;
  take_page_1((passing *)sink, data);
  return LB_OK;
}

/* Blocks of the base, where they hold whole pages; a file that was forged need not have such. */
static size_t passing_block(const comparing *c, bool *hashed)
{
  const lb_reader *reader = c->base->backup.reader;
  size_t block = is_indexed(c->base) ? lb_reader_block_bytes(reader) : 0;
  *hashed = block && block % c->base->pages.size == 0 && lb_hash_available() && lb_reader_has_hashes(reader);
  return *hashed ? block : PIECE;
}

static int pass_live(comparing *c, size_t block, bool hashed, bool *fits, lb_error *err)
{
  lb_sqlite_source *source = &c->other->source;
  passing p = { .sink = { block, pass_reserve, pass_claim, pass_claim, pass_submit, pass_fill_head }, .c = c,
                .hashed = hashed };
  lb_task_phase(&c->job->task, "comparing pages", source->page_size * source->page_count);
  lb_sqlite_source_copy(source, &p.sink, err);
  *fits = p.fits;
  return lb_db_exec(source->db, "PRAGMA cache_size=-8000", source->label, err);
}

/* ---- whether and how ---- */

static bool same_encoding(const lb_side sides[2], lb_error *err)
{
  lb_encoding of[2];
  for (int s = 0; s < 2; s++) {
    if (lb_encoding_of(sides[s].rows.db, sides[s].rows.label, &of[s], err)) return false;
  }
  return of[0] == of[1];
}

/* Whether a table has less than an eighth of the pages; also where that cannot be told. */
static bool is_small(const lb_pages *pages, int64_t root, lb_error *err)
{
  lb_leaf leaf = { .page = 1 };
  uint32_t count = 0;
  lb_error inside = LB_ERROR_INIT;
  lb_leaves *leaves = lb_leaves_open(pages, root, "the table", &inside);
  while (leaves && leaf.page && count <= pages->count / SMALL_PART) {
    if (lb_leaves_next(leaves, &leaf, &inside)) break;
    count++;
  }
  lb_leaves_close(leaves);
  if (inside.code && inside.code != LB_CORRUPT) *err = inside;
  return inside.code || count <= pages->count / SMALL_PART;
}

static int compare(comparing *c, bool *fits, lb_error *err)
{
  bool live = c->other->live, hashed;
  size_t block = passing_block(c, &hashed);
  *fits = live || c->base->pages.usable == c->other->pages.usable;
  for (int i = 0; i < 2; i++) {
    c->buffers[i] = malloc(block < PIECE ? PIECE : block);
    if (!c->buffers[i]) lb_fail_nomem(err);
  }
  c->changes = err->code ? NULL : lb_changes_open(&c->base->pages, &c->other->pages, err);
  if (!err->code && live) pass_live(c, block, hashed, fits, err);
  else if (!err->code && *fits) compare_backups(c, err);
  free(c->buffers[0]);
  free(c->buffers[1]);
  return err->code;
}

int lb_diff_pages_find(lb_job *job, lb_side sides[2], const int64_t root[2], lb_diff_pages *pages, lb_error *err)
{
  bool fits = false, useful = false;
  *pages = (lb_diff_pages){ .base = sides[0].pages.read ? 0 : 1 };
  comparing c = { .job = job, .base = &sides[pages->base], .other = &sides[1 - pages->base] };
  if (!c.base->pages.read || !c.other->pages.size || c.base->pages.size != c.other->pages.size) return LB_OK;
  if (!same_encoding(sides, err)) return err->code;
  bool cheap = !c.other->live && have_hashes(c.base, c.other);
  if (root[pages->base] && !cheap && is_small(&c.base->pages, root[pages->base], err)) return err->code;
  if (compare(&c, &fits, err) == LB_OK && fits) lb_changes_judge(c.changes, &job->task, &useful, err);
  pages->changes = c.changes;
  if (!useful) lb_diff_pages_close(pages);
  return err->code;
}

void lb_diff_pages_close(lb_diff_pages *pages)
{
  lb_changes_close(pages->changes);
  pages->changes = NULL;
}

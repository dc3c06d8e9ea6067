/* See changes.h. Overflow pages are told from those of b-trees by their first byte: it is the highest of a page number,
** so 0 or 1 in any database of less than 2^25 pages, and a b-tree's is 2, 5, 10 or 13.
*/
#include "sqlite/changes.h"

#include <stdlib.h>
#include <string.h>

#include "sqlite/leaves.h"
#include "sqlite/recognize.h"

enum { POLL_PAGES = 64, FIRST_TRUNK_OFFSET = 32, AUTO_VACUUM_OFFSET = 52, MAP_ENTRY = 5 };
#define KEPT_MAX ((size_t)16 << 20)
#define TELLABLE_PAGES 0x01ffffffu     /* see above */
#define LOCK_BYTE 0x40000000u          /* the page with it holds nothing */

struct lb_changes {
  const lb_pages *base;
  lb_pages other;                      /* reads through read_other */
  const lb_pages *readable;            /* the other side itself, where it can be read */
  uint32_t most, count;                /* pages of the larger side; pages that differ */
  unsigned char *differs;              /* a bit a page */
  uint32_t *kept_numbers;              /* ascending */
  unsigned char *kept;
  size_t kept_count, kept_capacity;
  bool kept_all;
};

static bool bit(const unsigned char *bits, uint32_t n) { return bits[n / 8] >> n % 8 & 1; }
static void set_bit(unsigned char *bits, uint32_t n) { bits[n / 8] |= (unsigned char)(1 << n % 8); }
static size_t bytes_of_bits(uint32_t most) { return (size_t)most / 8 + 1; }

/* ---- the other side ---- */

static const unsigned char *find_kept(const lb_changes *c, uint32_t page)
{
  size_t low = 0, high = c->kept_count;
  while (low < high) {
    size_t middle = low + (high - low) / 2;
    if (c->kept_numbers[middle] < page) low = middle + 1;
    else high = middle;
  }
  return low < c->kept_count && c->kept_numbers[low] == page ? c->kept + low * c->base->size : NULL;
}

/* A page that differs and was not kept is none above a table's leaves: it is shown as a leaf without rows. */
static int read_other(void *ctx, uint32_t page, void *data, size_t n, lb_error *err)
{
  const lb_changes *c = ctx;
  if (!bit(c->differs, page)) return c->base->read(c->base->ctx, page, data, n, err);
  if (c->readable) return c->readable->read(c->readable->ctx, page, data, n, err);
  const unsigned char *kept = find_kept(c, page);
  memset(data, 0, n);
  if (kept) memcpy(data, kept, n);
  else *(unsigned char *)data = LB_BTREE_LEAF_TABLE;
  return LB_OK;
}

static int keep(lb_changes *c, uint32_t page, const unsigned char *data, lb_error *err)
{
  size_t size = c->base->size;
  if (!c->kept_all || data[0] != LB_BTREE_INTERIOR_TABLE) return LB_OK;
  if (c->kept_count == c->kept_capacity) {
    size_t capacity = c->kept_capacity ? c->kept_capacity * 2 : 16;
    if (capacity * size > KEPT_MAX || (c->kept_count && c->kept_numbers[c->kept_count - 1] >= page)) {
      c->kept_all = false;
      return LB_OK;
    }
    uint32_t *numbers = realloc(c->kept_numbers, capacity * sizeof *numbers);
    if (!numbers) return lb_fail_nomem(err);
    c->kept_numbers = numbers;
    unsigned char *kept = realloc(c->kept, capacity * size);
    if (!kept) return lb_fail_nomem(err);
    c->kept = kept;
    c->kept_capacity = capacity;
  }
  c->kept_numbers[c->kept_count] = page;
  memcpy(c->kept + c->kept_count++ * size, data, size);
  return LB_OK;
}

/* ---- comparing ---- */

lb_changes *lb_changes_open(const lb_pages *base, const lb_pages *other, lb_error *err)
{
  lb_changes *c = calloc(1, sizeof *c);
  if (!c) {
    lb_fail_nomem(err);
    return NULL;
  }
  c->base = base;
  c->readable = other->read ? other : NULL;
  c->other = *other;
  c->other.read = read_other;
  c->other.ctx = c;
  c->other.usable = base->usable;
  c->most = base->count > other->count ? base->count : other->count;
  c->kept_all = true;
  c->differs = calloc(1, bytes_of_bits(c->most));
  if (!c->differs) {
    lb_fail_nomem(err);
    lb_changes_close(c);
    return NULL;
  }
  uint32_t both = base->count < other->count ? base->count : other->count;
  for (uint32_t page = both; page++ < c->most;) lb_changes_mark(c, page);
  return c;
}

void lb_changes_close(lb_changes *c)
{
  if (!c) return;
  free(c->differs);
  free(c->kept_numbers);
  free(c->kept);
  free(c);
}

void lb_changes_mark(lb_changes *c, uint32_t page)
{
  if (page < 1 || page > c->most || bit(c->differs, page)) return;
  set_bit(c->differs, page);
  c->count++;
}

int lb_changes_compare(lb_changes *c, uint32_t first, const unsigned char *base, const unsigned char *other,
                       uint32_t count, lb_error *err)
{
  size_t size = c->base->size;
  for (uint32_t i = 0; i < count; i++) {
    uint32_t page = first + i;
    bool both = page <= c->base->count && page <= c->other.count;
    if (both && memcmp(base + i * size, other + i * size, size) == 0) continue;
    lb_changes_mark(c, page);
    if (!c->readable && page <= c->other.count && keep(c, page, other + i * size, err)) return err->code;
  }
  return LB_OK;
}

/* ---- judging ---- */

/* What is known of the base's pages that differ; a bit a page. */
typedef struct judging {
  lb_changes *c;
  lb_task *task;
  unsigned char *free_pages, *overflow, *owned;
  unsigned char *page;
  uint32_t pages_per_map;   /* of an auto-vacuum database, else 0 */
  bool sound;
} judging;

/* The list of free pages: trunks, each with the numbers of others. false: it makes no sense. */
static bool walk_free_pages(judging *j, uint32_t trunk, lb_error *err)
{
  const lb_pages *base = j->c->base;
  for (uint32_t passed = 0; trunk && !err->code; passed++) {
    if (trunk > base->count || bit(j->free_pages, trunk)) return false;
    if (base->read(base->ctx, trunk, j->page, base->size, err)) return true;
    if (passed % POLL_PAGES == 0 && lb_task_poll(j->task, err)) return true;
    set_bit(j->free_pages, trunk);
    uint32_t count = lb_page_u32(j->page + 4);
    if (count > base->usable / 4 - 2) return false;
    for (uint32_t i = 0; i < count; i++) {
      uint32_t leaf = lb_page_u32(j->page + 8 + 4 * i);
      if (leaf < 1 || leaf > base->count || bit(j->free_pages, leaf)) return false;
      set_bit(j->free_pages, leaf);
    }
    trunk = lb_page_u32(j->page);
  }
  return true;
}

static bool is_map_page(const judging *j, uint32_t page)
{
  if (!j->pages_per_map || page < 2) return false;
  uint32_t map = (page - 2) / j->pages_per_map * j->pages_per_map + 2;
  if (map == LOCK_BYTE / j->c->base->size + 1) map++;
  return page == map;
}

/* Marks the overflow pages of a b-tree's page. false: it makes no sense. */
static bool claim_overflow(judging *j, uint32_t number, lb_error *err)
{
  const lb_pages *base = j->c->base;
  lb_error inside = LB_ERROR_INIT;
  lb_btree_page page;
  lb_btree_cell cell;
  if (lb_btree_page_at(base, number, "a tree", j->page, &page, &inside)) return false;
  for (uint32_t i = 0; i < page.cells; i++) {
    if (lb_btree_cell_at(&page, i, &cell, &inside)) return false;
    uint32_t next = cell.overflow;
    for (uint64_t k = 0; k < cell.overflow_pages; k++) {
      if (next < 1 || next > base->count || bit(j->owned, next)) return false;
      set_bit(j->owned, next);
      if (k + 1 < cell.overflow_pages && lb_btree_next_overflow(base, next, &next, err)) return true;
    }
  }
  return true;
}

/* Sorts one page that differs. false: it makes no sense. */
static bool look_at(judging *j, uint32_t page, lb_error *err)
{
  const lb_pages *base = j->c->base;
  if (bit(j->free_pages, page) || is_map_page(j, page) || page == LOCK_BYTE / base->size + 1) return true;
  if (base->read(base->ctx, page, j->page, base->size, err)) return true;
  switch (j->page[page == 1 ? LB_SQLITE_HEADER_BYTES : 0]) {
  case LB_BTREE_INTERIOR_TABLE:
    return true;
  case LB_BTREE_INTERIOR_INDEX: case LB_BTREE_LEAF_INDEX: case LB_BTREE_LEAF_TABLE:
    return claim_overflow(j, page, err);
  default:
    set_bit(j->overflow, page);
    return true;
  }
}

static int judge(judging *j, lb_error *err)
{
  const lb_pages *base = j->c->base;
  if (base->read(base->ctx, 1, j->page, base->size, err)) return err->code;
  if (lb_page_u32(j->page + AUTO_VACUUM_OFFSET)) j->pages_per_map = base->usable / MAP_ENTRY + 1;
  j->sound = base->count <= TELLABLE_PAGES && walk_free_pages(j, lb_page_u32(j->page + FIRST_TRUNK_OFFSET), err);
  for (uint32_t page = 1; page <= base->count && j->sound && !err->code; page++) {
    if (!bit(j->c->differs, page)) continue;
    lb_task_advance(j->task, base->size);
    if (page % POLL_PAGES == 0 && lb_task_poll(j->task, err)) return err->code;
    j->sound = look_at(j, page, err);
  }
  size_t n = bytes_of_bits(base->count);
  for (size_t i = 0; i < n; i++) j->sound = j->sound && !(j->overflow[i] & ~j->owned[i]);
  return err->code;
}

int lb_changes_judge(lb_changes *c, lb_task *task, bool *useful, lb_error *err)
{
  judging j = { .c = c, .task = task };
  *useful = false;
  if (c->base->count == 0 || c->count > c->most / 2) return LB_OK;
  size_t n = bytes_of_bits(c->base->count);
  j.page = malloc(c->base->size);
  j.free_pages = calloc(3, n);
  if (!j.page || !j.free_pages) {
    lb_fail_nomem(err);
  } else {
    j.overflow = j.free_pages + n;
    j.owned = j.overflow + n;
    if (judge(&j, err) == LB_OK) *useful = j.sound;
  }
  free(j.page);
  free(j.free_pages);
  return err->code;
}

/* ---- trees ---- */

/* A walk over the interior pages of a tree: those that wait, each with its level. */
typedef struct waiting { uint32_t page, level; } waiting;

typedef struct walk {
  lb_changes *c;
  const char *name;
  unsigned char *data, *seen;   /* the page at hand; a bit for each page, so that a walk ends */
  waiting *stack;
  size_t count, capacity;
  int depth;
  bool is_table, same;
} walk;

/* A page of the tree: it is equal, or the walk is over. */
static int visit(walk *w, uint32_t page, uint32_t from, uint32_t level, lb_error *err)
{
  lb_changes *c = w->c;
  if (lb_btree_check_number(c->base, w->name, page, from, err)) return err->code;
  if (bit(w->seen, page)) return lb_btree_damaged(c->base, w->name, page, "it is in use twice", err);
  set_bit(w->seen, page);
  if (bit(c->differs, page)) w->same = false;
  if (level == (uint32_t)w->depth || !w->same) return LB_OK;
  if (w->count == w->capacity) {
    size_t capacity = w->capacity ? w->capacity * 2 : 256;
    waiting *grown = realloc(w->stack, capacity * sizeof *grown);
    if (!grown) return lb_fail_nomem(err);
    w->stack = grown;
    w->capacity = capacity;
  }
  w->stack[w->count++] = (waiting){ page, level };
  return LB_OK;
}

static int look_below(walk *w, waiting at, lb_error *err)
{
  lb_btree_page page;
  lb_btree_cell cell;
  if (lb_btree_read(w->c->base, at.page, w->name, w->data, &page, err)) return err->code;
  if (page.leaf || page.table != w->is_table) {
    return lb_btree_damaged(w->c->base, w->name, at.page, "it is no page above the leaves of its tree", err);
  }
  for (uint32_t i = 0; i < page.cells && w->same; i++) {
    if (lb_btree_cell_at(&page, i, &cell, err) || visit(w, cell.child, at.page, at.level + 1, err)) return err->code;
  }
  return w->same ? visit(w, lb_btree_last_child(&page), at.page, at.level + 1, err) : LB_OK;
}

int lb_changes_tree_is_same(lb_changes *c, int64_t root, const char *name, bool *same, lb_error *err)
{
  walk w = { .c = c, .name = name, .same = true };
  *same = c->count == 0;
  if (*same || root < 1 || root > c->base->count || bit(c->differs, (uint32_t)root)) return LB_OK;
  w.data = malloc(c->base->size);
  w.seen = calloc(1, bytes_of_bits(c->base->count));
  if (!w.data || !w.seen) {
    lb_fail_nomem(err);
  } else if (lb_btree_depth(c->base, root, name, w.data, &w.depth, &w.is_table, err) == LB_OK) {
    visit(&w, (uint32_t)root, 1, 0, err);
  }
  while (!err->code && w.same && w.count) look_below(&w, w.stack[--w.count], err);
  free(w.data);
  free(w.seen);
  free(w.stack);
  *same = w.same;
  return err->code;
}

/* ---- stretches ---- */

struct lb_stretches {
  const lb_changes *changes;
  lb_leaves *leaves[2];
  lb_leaf at[2];          /* the leaf of each side that has what comes next */
  int64_t next;           /* the rowid up to which all is told */
  bool over;
};

int lb_stretches_open(lb_changes *c, int64_t base_root, int64_t other_root, const char *name, lb_stretches **out,
                      lb_error *err)
{
  *out = NULL;
  if (!c->kept_all) return LB_OK;
  lb_stretches *s = calloc(1, sizeof *s);
  if (!s) return lb_fail_nomem(err);
  s->changes = c;
  s->next = INT64_MIN;
  s->leaves[0] = lb_leaves_open(c->base, base_root, name, err);
  if (s->leaves[0]) s->leaves[1] = lb_leaves_open(&c->other, other_root, name, err);
  if (s->leaves[1] && lb_leaves_next(s->leaves[0], &s->at[0], err) == LB_OK) {
    lb_leaves_next(s->leaves[1], &s->at[1], err);
  }
  if (err->code) lb_stretches_close(s);
  else *out = s;
  return err->code;
}

/* What both leaves at hand may hold: to *last; whether it is equal. */
static int one_step(lb_stretches *s, int64_t *last, bool *equal, lb_error *err)
{
  *equal = s->at[0].page == s->at[1].page && !bit(s->changes->differs, s->at[0].page);
  *last = s->at[0].last < s->at[1].last ? s->at[0].last : s->at[1].last;
  for (int i = 0; i < 2; i++) {
    if (s->at[i].last == *last && *last < INT64_MAX && lb_leaves_next(s->leaves[i], &s->at[i], err)) return err->code;
  }
  s->over = *last == INT64_MAX;
  return LB_OK;
}

int lb_stretches_next(lb_stretches *s, int64_t *first, int64_t *last, bool *more, lb_error *err)
{
  int64_t end;
  bool equal = true;
  *more = false;
  while (!s->over) {
    if (one_step(s, &end, &equal, err)) return err->code;
    if (equal && *more) {
      s->next = end == INT64_MAX ? end : end + 1;
      break;
    }
    if (!equal) {
      if (!*more) *first = s->next;
      *last = end;
      *more = true;
    }
    if (!s->over) s->next = end + 1;
  }
  return LB_OK;
}

void lb_stretches_close(lb_stretches *s)
{
  if (!s) return;
  lb_leaves_close(s->leaves[0]);
  lb_leaves_close(s->leaves[1]);
  free(s);
}

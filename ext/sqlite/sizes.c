/* See sizes.h. A tree's pages that are known but not read yet wait on a stack; a page is marked as seen before it gets
** there. Of an overflow page only the first four bytes are read: the number of the next one.
*/
#include "sqlite/sizes.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "core/file.h"

enum {
  RESERVED_OFFSET = 20,     /* in the file's header: bytes at the end of each page that are not SQLite's */
  USABLE_MIN = 480,
  POLL_PAGES = 64,
  INTERIOR_INDEX = 2, INTERIOR_TABLE = 5, LEAF_INDEX = 10, LEAF_TABLE = 13
};
#define PAGES_MAX 0xfffffffeu

struct lb_sqlite_sizes {
  int fd;
  const char *label, *name;
  lb_task *task;
  uint32_t page_size, usable, page_count;
  unsigned char *page;      /* the one that is being looked at */
  unsigned char *seen;      /* a bit for each page of the file */
  uint32_t *waiting;
  size_t waiting_count, waiting_capacity;
  uint64_t visited;         /* pages of this tree */
};

/* Where a kind of page has what. */
typedef struct layout {
  unsigned header;          /* bytes before the pointers to cells */
  bool child, payload;      /* a cell begins with the number of a page; holds payload */
  bool table;               /* a rowid stands between the payload's length and the payload */
} layout;

static bool layout_of(unsigned char type, layout *l)
{
  switch (type) {
  case INTERIOR_INDEX: *l = (layout){ 12, true, true, false };  return true;
  case INTERIOR_TABLE: *l = (layout){ 12, true, false, true };  return true;
  case LEAF_INDEX:     *l = (layout){ 8, false, true, false };  return true;
  case LEAF_TABLE:     *l = (layout){ 8, false, true, true };   return true;
  default:             return false;
  }
}

static uint32_t get_u16(const unsigned char *p)
{
  return (uint32_t)p[0] << 8 | p[1];
}

static uint32_t get_u32(const unsigned char *p)
{
  return get_u16(p) << 16 | get_u16(p + 2);
}

/* Moves *at behind a varint; false where it does not end before `end`. */
static bool get_varint(const unsigned char **at, const unsigned char *end, uint64_t *value)
{
  uint64_t v = 0;
  for (int i = 0; i < 9 && *at < end; i++) {
    unsigned char byte = *(*at)++;
    if (i == 8) {
      *value = v << 8 | byte;
      return true;
    }
    v = v << 7 | (byte & 0x7f);
    if (byte < 0x80) {
      *value = v;
      return true;
    }
  }
  return false;
}

static int damaged(lb_sqlite_sizes *s, uint32_t page, const char *what, lb_error *err)
{
  return lb_fail(err, LB_CORRUPT, "%s: the database is damaged: page %u of %s: %s", s->label, page, s->name, what);
}

/* Counts page `number`, which page `from` points to. */
static int visit(lb_sqlite_sizes *s, uint64_t number, uint32_t from, lb_error *err)
{
  if (number < 1 || number > s->page_count) {
    return lb_fail(err, LB_CORRUPT, "%s: the database is damaged: page %u of %s points to page %llu of %u", s->label,
                   from, s->name, (unsigned long long)number, s->page_count);
  }
  unsigned char *byte = &s->seen[number / 8], bit = (unsigned char)(1 << number % 8);
  if (*byte & bit) return damaged(s, (uint32_t)number, "it is in use twice", err);
  *byte |= bit;
  lb_task_advance(s->task, s->page_size);
  return ++s->visited % POLL_PAGES ? LB_OK : lb_task_poll(s->task, err);
}

static int put_aside(lb_sqlite_sizes *s, uint64_t number, uint32_t from, lb_error *err)
{
  if (visit(s, number, from, err)) return err->code;
  if (s->waiting_count == s->waiting_capacity) {
    size_t capacity = s->waiting_capacity ? s->waiting_capacity * 2 : 256;  /* never beyond twice the file's pages */
    uint32_t *grown = realloc(s->waiting, capacity * sizeof *grown);
    if (!grown) return lb_fail_nomem(err);
    s->waiting = grown;
    s->waiting_capacity = capacity;
  }
  s->waiting[s->waiting_count++] = (uint32_t)number;
  return LB_OK;
}

static int read_at(lb_sqlite_sizes *s, uint32_t page, void *data, size_t n, lb_error *err)
{
  return lb_file_read(s->fd, data, n, (int64_t)(page - 1) * s->page_size, s->label, err);
}

/* The chain that holds `bytes` of a payload, from page `first` on; `from` is the page with the cell. */
static int follow_overflow(lb_sqlite_sizes *s, uint32_t first, uint64_t bytes, uint32_t from, lb_error *err)
{
  uint64_t a_page = s->usable - 4, count = bytes / a_page + (bytes % a_page != 0);
  unsigned char next[4] = { 0 };
  uint32_t page = first;
  for (uint64_t i = 0; i < count; i++) {
    if (visit(s, page, from, err)) return err->code;
    if (i + 1 < count && read_at(s, page, next, sizeof next, err)) return err->code;
    from = page;
    page = get_u32(next);
  }
  return LB_OK;
}

/* How much of a payload its cell holds itself: section 1.6, "the amount of payload that spills". */
static uint64_t local_payload(const lb_sqlite_sizes *s, const layout *l, uint64_t payload)
{
  uint64_t u = s->usable, most = l->table ? u - 35 : (u - 12) * 64 / 255 - 23;
  uint64_t least = (u - 12) * 32 / 255 - 23;
  if (payload <= most) return payload;
  uint64_t fitting = least + (payload - least) % (u - 4);
  return fitting <= most ? fitting : least;
}

static int look_at_cell(lb_sqlite_sizes *s, uint32_t number, const layout *l, uint32_t offset, lb_error *err)
{
  const unsigned char *at = s->page + offset, *end = s->page + s->usable;
  uint64_t payload, rowid;
  if (l->child) {
    if (put_aside(s, get_u32(at), number, err)) return err->code;
    at += 4;
  }
  if (!l->payload) return LB_OK;
  if (!get_varint(&at, end, &payload) || (l->table && !get_varint(&at, end, &rowid))) {
    return damaged(s, number, "a cell goes beyond its end", err);
  }
  if (payload > (uint64_t)s->page_count * s->usable) return damaged(s, number, "a row longer than the file", err);
  uint64_t local = local_payload(s, l, payload);
  if (local == payload) return LB_OK;
  if (local + 4 > (uint64_t)(end - at)) return damaged(s, number, "a cell goes beyond its end", err);
  return follow_overflow(s, get_u32(at + local), payload - local, number, err);
}

/* is_table: whether its tree is a table's. */
static int look_at_page(lb_sqlite_sizes *s, uint32_t number, bool is_root, bool *is_table, lb_error *err)
{
  uint32_t base = number == 1 ? LB_SQLITE_HEADER_BYTES : 0;
  layout l;
  if (read_at(s, number, s->page, s->page_size, err)) return err->code;
  if (!layout_of(s->page[base], &l)) return damaged(s, number, "it is no page of a b-tree", err);
  if (is_root) *is_table = l.table;
  if (l.table != *is_table) return damaged(s, number, "a table's page in an index, or the reverse", err);
  uint32_t count = get_u16(s->page + base + 3), pointers = base + l.header, cells = pointers + 2 * count;
  if (cells > s->usable) return damaged(s, number, "more cells than fit", err);
  /* The last child first: the stack then gives the first one, and reading goes forward. */
  if (l.child && put_aside(s, get_u32(s->page + base + 8), number, err)) return err->code;
  for (uint32_t i = count; i-- > 0;) {
    uint32_t offset = get_u16(s->page + pointers + 2 * i);
    if (offset < cells || offset > s->usable - 4) return damaged(s, number, "a cell outside of it", err);
    if (look_at_cell(s, number, &l, offset, err)) return err->code;
  }
  return LB_OK;
}

int lb_sqlite_sizes_of(lb_sqlite_sizes *s, int64_t root, const char *name, int64_t *bytes, lb_error *err)
{
  bool is_table = false, is_root = true;
  s->name = name;
  s->visited = 0;
  s->waiting_count = 0;
  /* The schema, which says where a tree begins, begins at page 1. */
  if (lb_task_poll(s->task, err) == LB_OK) put_aside(s, root < 0 ? 0 : (uint64_t)root, 1, err);
  while (!err->code && s->waiting_count) {
    look_at_page(s, s->waiting[--s->waiting_count], is_root, &is_table, err);
    is_root = false;
  }
  *bytes = (int64_t)(s->visited * s->page_size);
  return err->code;
}

lb_sqlite_sizes *lb_sqlite_sizes_open(int fd, const lb_sqlite_header *header, uint64_t bytes, const char *label,
                                      lb_task *task, lb_error *err)
{
  unsigned char reserved = 0;
  lb_sqlite_sizes *s = calloc(1, sizeof *s);
  if (!s) {
    lb_fail_nomem(err);
    return NULL;
  }
  uint64_t pages = bytes / (uint64_t)header->page_size;
  if (header->page_count > 0 && (uint64_t)header->page_count < pages) pages = (uint64_t)header->page_count;
  if (pages > PAGES_MAX) pages = PAGES_MAX;
  s->fd = fd;
  s->label = label;
  s->task = task;
  s->page_size = (uint32_t)header->page_size;
  s->page_count = (uint32_t)pages;
  s->page = malloc(s->page_size);
  s->seen = calloc(1, (size_t)(pages / 8 + 1));
  if (!s->page || !s->seen) {
    lb_fail_nomem(err);
  } else if (lb_file_read(fd, &reserved, 1, RESERVED_OFFSET, label, err) == LB_OK) {
    s->usable = s->page_size - reserved;
    if (s->usable < USABLE_MIN) lb_fail(err, LB_CORRUPT, "%s: the database is damaged: its pages have no room", label);
  }
  if (!err->code) return s;
  lb_sqlite_sizes_close(s);
  return NULL;
}

void lb_sqlite_sizes_close(lb_sqlite_sizes *s)
{
  if (!s) return;
  free(s->waiting);
  free(s->seen);
  free(s->page);
  free(s);
}

/* See sizes.h. A tree's pages that are known but not read yet wait on a stack; a page is marked as seen before it gets
** there. Of an overflow page only the first four bytes are read: the number of the next one.
*/
#include "sqlite/sizes.h"

#include <stdbool.h>
#include <stdlib.h>

#include "core/file.h"
#include "sqlite/btree.h"

enum { POLL_PAGES = 64 };

struct lb_sqlite_sizes {
  lb_pages pages;
  int fd;
  const char *name;
  lb_task *task;
  unsigned char *page;      /* the one that is being looked at */
  unsigned char *seen;      /* a bit for each page of the file */
  uint32_t *waiting;
  size_t waiting_count, waiting_capacity;
  uint64_t visited;         /* pages of this tree */
};

static int read_page(void *ctx, uint32_t page, void *data, size_t n, lb_error *err)
{
  const lb_sqlite_sizes *s = ctx;
  return lb_file_read(s->fd, data, n, (int64_t)(page - 1) * s->pages.size, s->pages.label, err);
}

/* Counts page `number`, which page `from` points to. */
static int visit(lb_sqlite_sizes *s, uint64_t number, uint32_t from, lb_error *err)
{
  if (lb_btree_check_number(&s->pages, s->name, number, from, err)) return err->code;
  unsigned char *byte = &s->seen[number / 8], bit = (unsigned char)(1 << number % 8);
  if (*byte & bit) return lb_btree_damaged(&s->pages, s->name, (uint32_t)number, "it is in use twice", err);
  *byte |= bit;
  lb_task_advance(s->task, s->pages.size);
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

/* The chain of a cell's overflow pages; `from` is the page with the cell. */
static int follow_overflow(lb_sqlite_sizes *s, const lb_btree_cell *cell, uint32_t from, lb_error *err)
{
  uint32_t page = cell->overflow, next = 0;
  for (uint64_t i = 0; i < cell->overflow_pages; i++) {
    if (visit(s, page, from, err)) return err->code;
    if (i + 1 < cell->overflow_pages && lb_btree_next_overflow(&s->pages, page, &next, err)) return err->code;
    from = page;
    page = next;
  }
  return LB_OK;
}

/* is_table: whether its tree is a table's. */
static int look_at_page(lb_sqlite_sizes *s, uint32_t number, bool is_root, bool *is_table, lb_error *err)
{
  lb_btree_page page;
  lb_btree_cell cell;
  if (lb_btree_read(&s->pages, number, s->name, s->page, &page, err)) return err->code;
  if (is_root) *is_table = page.table;
  if (page.table != *is_table) {
    return lb_btree_damaged(&s->pages, s->name, number, "a table's page in an index, or the reverse", err);
  }
  /* The last child first: the stack then gives the first one, and reading goes forward. */
  if (!page.leaf && put_aside(s, lb_btree_last_child(&page), number, err)) return err->code;
  for (uint32_t i = page.cells; i-- > 0;) {
    if (lb_btree_cell_at(&page, i, &cell, err)) return err->code;
    if (!page.leaf && put_aside(s, cell.child, number, err)) return err->code;
    if (cell.overflow_pages && follow_overflow(s, &cell, number, err)) return err->code;
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
  *bytes = (int64_t)(s->visited * s->pages.size);
  return err->code;
}

lb_sqlite_sizes *lb_sqlite_sizes_open(int fd, const lb_sqlite_header *header, uint64_t bytes, const char *label,
                                      lb_task *task, lb_error *err)
{
  lb_sqlite_sizes *s = calloc(1, sizeof *s);
  if (!s) {
    lb_fail_nomem(err);
    return NULL;
  }
  s->pages = (lb_pages){ .read = read_page, .ctx = s, .label = label };
  s->fd = fd;
  s->task = task;
  if (lb_pages_init(&s->pages, header->page_size, header->page_count, bytes, err) == LB_OK) {
    s->page = malloc(s->pages.size);
    s->seen = calloc(1, (size_t)s->pages.count / 8 + 1);
    if (!s->page || !s->seen) lb_fail_nomem(err);
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

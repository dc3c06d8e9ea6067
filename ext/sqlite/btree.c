/* See btree.h. */
#include "sqlite/btree.h"

#include "sqlite/recognize.h"

enum {
  RESERVED_OFFSET = 20,     /* in the file's header: bytes at the end of each page that are not SQLite's */
  USABLE_MIN = 480,
  INTERIOR_HEADER = 12, LEAF_HEADER = 8
};

static uint32_t get_u16(const unsigned char *p)
{
  return (uint32_t)p[0] << 8 | p[1];
}

uint32_t lb_page_u32(const unsigned char *p)
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

int lb_btree_damaged(const lb_pages *pages, const char *name, uint32_t page, const char *what, lb_error *err)
{
  return lb_fail(err, LB_CORRUPT, "%s: the database is damaged: page %u of %s: %s", pages->label, page, name, what);
}

int lb_btree_check_number(const lb_pages *pages, const char *name, uint64_t number, uint32_t from, lb_error *err)
{
  if (number >= 1 && number <= pages->count) return LB_OK;
  return lb_fail(err, LB_CORRUPT, "%s: the database is damaged: page %u of %s points to page %llu of %u", pages->label,
                 from, name, (unsigned long long)number, pages->count);
}

int lb_pages_init(lb_pages *pages, int64_t page_size, int64_t page_count, uint64_t bytes, lb_error *err)
{
  unsigned char head[RESERVED_OFFSET + 1];
  uint64_t count = bytes / (uint64_t)page_size;
  if (page_count > 0 && (uint64_t)page_count < count) count = (uint64_t)page_count;
  pages->size = (uint32_t)page_size;
  pages->count = count < LB_PAGES_MAX ? (uint32_t)count : LB_PAGES_MAX;
  if (pages->read(pages->ctx, 1, head, sizeof head, err)) return err->code;
  pages->usable = pages->size - head[RESERVED_OFFSET];
  if (pages->usable >= USABLE_MIN) return LB_OK;
  return lb_fail(err, LB_CORRUPT, "%s: the database is damaged: its pages have no room", pages->label);
}

static uint32_t header_offset(uint32_t number)
{
  return number == 1 ? LB_SQLITE_HEADER_BYTES : 0;
}

int lb_btree_page_at(const lb_pages *pages, uint32_t number, const char *name, const unsigned char *data,
                     lb_btree_page *page, lb_error *err)
{
  const unsigned char *header = data + header_offset(number);
  *page = (lb_btree_page){ .pages = pages, .name = name, .data = data, .number = number };
  switch (header[0]) {
  case LB_BTREE_INTERIOR_INDEX: break;
  case LB_BTREE_INTERIOR_TABLE: page->table = true; break;
  case LB_BTREE_LEAF_INDEX:     page->leaf = true; break;
  case LB_BTREE_LEAF_TABLE:     page->table = page->leaf = true; break;
  default: return lb_btree_damaged(pages, name, number, "it is no page of a b-tree", err);
  }
  page->cells = get_u16(header + 3);
  page->pointers = header_offset(number) + (page->leaf ? LEAF_HEADER : INTERIOR_HEADER);
  if (page->pointers + 2 * page->cells <= pages->usable) return LB_OK;
  return lb_btree_damaged(pages, name, number, "more cells than fit", err);
}

int lb_btree_read(const lb_pages *pages, uint32_t number, const char *name, unsigned char *data, lb_btree_page *page,
                  lb_error *err)
{
  if (pages->read(pages->ctx, number, data, pages->size, err)) return err->code;
  return lb_btree_page_at(pages, number, name, data, page, err);
}

uint32_t lb_btree_last_child(const lb_btree_page *page)
{
  return lb_page_u32(page->data + header_offset(page->number) + 8);
}

/* How much of a payload its cell holds itself: section 1.6, "the amount of payload that spills". */
static uint64_t local_payload(const lb_btree_page *page, uint64_t payload)
{
  uint64_t u = page->pages->usable, most = page->table ? u - 35 : (u - 12) * 64 / 255 - 23;
  uint64_t least = (u - 12) * 32 / 255 - 23;
  if (payload <= most) return payload;
  uint64_t fitting = least + (payload - least) % (u - 4);
  return fitting <= most ? fitting : least;
}

static int beyond(const lb_btree_page *page, lb_error *err)
{
  return lb_btree_damaged(page->pages, page->name, page->number, "a cell goes beyond its end", err);
}

int lb_btree_cell_at(const lb_btree_page *page, uint32_t index, lb_btree_cell *cell, lb_error *err)
{
  const lb_pages *pages = page->pages;
  uint32_t offset = get_u16(page->data + page->pointers + 2 * index);
  const unsigned char *at = page->data + offset, *end = page->data + pages->usable;
  uint64_t payload = 0, rowid = 0;
  *cell = (lb_btree_cell){ 0 };
  if (offset < page->pointers + 2 * page->cells || offset > pages->usable - 4) {
    return lb_btree_damaged(pages, page->name, page->number, "a cell outside of it", err);
  }
  if (!page->leaf) {
    cell->child = lb_page_u32(at);
    at += 4;
  }
  bool has_payload = page->leaf || !page->table;
  if (has_payload && !get_varint(&at, end, &payload)) return beyond(page, err);
  if (page->table && !get_varint(&at, end, &rowid)) return beyond(page, err);
  cell->rowid = (int64_t)rowid;
  if (payload > (uint64_t)pages->count * pages->usable) {
    return lb_btree_damaged(pages, page->name, page->number, "a row longer than the file", err);
  }
  uint64_t local = local_payload(page, payload), chunk = pages->usable - 4;
  if (local == payload) return LB_OK;
  if (local + 4 > (uint64_t)(end - at)) return beyond(page, err);
  cell->overflow = lb_page_u32(at + local);
  cell->overflow_pages = (payload - local) / chunk + ((payload - local) % chunk != 0);
  return LB_OK;
}

int lb_btree_next_overflow(const lb_pages *pages, uint32_t page, uint32_t *next, lb_error *err)
{
  unsigned char bytes[4];
  if (pages->read(pages->ctx, page, bytes, sizeof bytes, err)) return err->code;
  *next = lb_page_u32(bytes);
  return LB_OK;
}

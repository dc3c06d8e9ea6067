/* B-trees of a database file, page by page: what a page and its cells say, and where they lead.
**
** Pages come from wherever a read function has them: a file, the blocks of a backup. They are hostile: every number is
** held against the page and the file; what does not fit is LB_CORRUPT and names the page. The content of rows is not
** looked at. Source: sqlite.org/fileformat2.html, sections 1.5 to 1.7.
*/
#ifndef LB_SQLITE_BTREE_H
#define LB_SQLITE_BTREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/error.h"

#define LB_PAGES_MAX 0xfffffffeu
#define LB_BTREE_DEPTH_MAX 20   /* levels above the leaves: SQLite goes no deeper */
enum { LB_BTREE_INTERIOR_INDEX = 2, LB_BTREE_INTERIOR_TABLE = 5, LB_BTREE_LEAF_INDEX = 10, LB_BTREE_LEAF_TABLE = 13 };

/* A database as pages, numbered from 1. */
typedef struct lb_pages {
  int (*read)(void *ctx, uint32_t page, void *data, size_t n, lb_error *err);  /* its first n bytes */
  void *ctx;
  const char *label;           /* for messages: which database */
  uint32_t size, usable, count;  /* bytes of a page, without what is reserved at its end; pages */
} lb_pages;

/* Sets size, usable and count from the header's fields and the file's length; read, ctx and label are set by then.
** page_count: 0 where the header does not know. */
int lb_pages_init(lb_pages *pages, int64_t page_size, int64_t page_count, uint64_t bytes, lb_error *err);

uint32_t lb_page_u32(const unsigned char *p);  /* big-endian, as every number in a database file */

/* A page of a tree. Its data stays where it was read to. */
typedef struct lb_btree_page {
  const lb_pages *pages;
  const char *name;            /* for messages: of which table or index */
  const unsigned char *data;
  uint32_t number;
  bool table;                  /* of a table's tree: keys are rowids, rows are in the leaves only */
  bool leaf;
  uint32_t cells;
  uint32_t pointers;           /* offset of the first cell's offset */
} lb_btree_page;

typedef struct lb_btree_cell {
  uint32_t child;              /* of an interior page: the tree with what comes before this cell */
  int64_t rowid;               /* of a table's cell */
  uint32_t overflow;           /* the first page with what does not fit; 0: everything fits */
  uint64_t overflow_pages;     /* how many there are */
} lb_btree_cell;

/* Takes page `number` apart, whose bytes are data. */
int lb_btree_page_at(const lb_pages *pages, uint32_t number, const char *name, const unsigned char *data,
                     lb_btree_page *page, lb_error *err);

/* The same for a page in range that is read into data first (pages->size bytes). */
int lb_btree_read(const lb_pages *pages, uint32_t number, const char *name, unsigned char *data, lb_btree_page *page,
                  lb_error *err);

int lb_btree_cell_at(const lb_btree_page *page, uint32_t index, lb_btree_cell *cell, lb_error *err);
uint32_t lb_btree_last_child(const lb_btree_page *page);  /* of an interior page: what comes behind all cells */

/* The page behind an overflow page; 0: it is the last one. */
int lb_btree_next_overflow(const lb_pages *pages, uint32_t page, uint32_t *next, lb_error *err);

/* "LABEL: the database is damaged: page N of NAME: WHAT" */
int lb_btree_damaged(const lb_pages *pages, const char *name, uint32_t page, const char *what, lb_error *err);

/* Whether the page exists; else that `from` points to it is the damage. */
int lb_btree_check_number(const lb_pages *pages, const char *name, uint64_t number, uint32_t from, lb_error *err);

#endif

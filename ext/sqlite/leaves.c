/* See leaves.h. The walk holds one page a level: the way from the root to the page above the leaf told last. */
#include "sqlite/leaves.h"

#include <stdlib.h>

typedef struct level {
  unsigned char *data;
  lb_btree_page page;
  uint32_t next;          /* the child to go to: of a cell, or (page.cells) the last one; beyond it: done */
  int64_t first, last;    /* rowids of the whole page; of first: of what is left */
} level;

struct lb_leaves {
  const lb_pages *pages;
  const char *name;
  int depth;              /* pages above a leaf */
  int at;                 /* the level that is being worked on; -1: done */
  uint32_t root;
  level levels[LB_BTREE_DEPTH_MAX];
};

int lb_btree_depth(const lb_pages *pages, int64_t root, const char *name, unsigned char *buffer, int *depth,
                   bool *is_table, lb_error *err)
{
  lb_btree_page page;
  lb_btree_cell cell;
  uint64_t number = root < 0 ? 0 : (uint64_t)root;
  uint32_t from = 1;  /* the schema, which says where a tree begins, begins at page 1 */
  for (*depth = 0; *depth <= LB_BTREE_DEPTH_MAX; ++*depth) {
    if (lb_btree_check_number(pages, name, number, from, err) ||
        lb_btree_read(pages, (uint32_t)number, name, buffer, &page, err)) {
      return err->code;
    }
    if (*depth == 0) *is_table = page.table;
    if (page.table != *is_table) {
      return lb_btree_damaged(pages, name, page.number, "a table's page in an index, or the reverse", err);
    }
    if (page.leaf) return LB_OK;
    from = page.number;
    number = lb_btree_last_child(&page);
    if (page.cells && lb_btree_cell_at(&page, 0, &cell, err)) return err->code;
    if (page.cells) number = cell.child;
  }
  return lb_btree_damaged(pages, name, from, "the tree is too deep", err);
}

static int enter(lb_leaves *l, uint32_t number, int64_t first, int64_t last, lb_error *err)
{
  level *v = &l->levels[l->at + 1];
  if (!v->data && !(v->data = malloc(l->pages->size))) return lb_fail_nomem(err);
  if (lb_btree_read(l->pages, number, l->name, v->data, &v->page, err)) return err->code;
  if (!v->page.table || v->page.leaf) {
    return lb_btree_damaged(l->pages, l->name, number, "it is no page above a table's leaves", err);
  }
  v->next = 0;
  v->first = first;
  v->last = last;
  l->at++;
  return LB_OK;
}

/* The next child of the level, with its rowids; what is left of the level begins behind them. */
static int next_child(lb_leaves *l, level *v, lb_leaf *child, lb_error *err)
{
  lb_btree_cell cell = { 0 };
  *child = (lb_leaf){ .first = v->first, .last = v->last };
  if (v->next == v->page.cells) {
    child->page = lb_btree_last_child(&v->page);
  } else {
    if (lb_btree_cell_at(&v->page, v->next, &cell, err)) return err->code;
    if (cell.rowid < v->first || cell.rowid >= v->last) {
      return lb_btree_damaged(l->pages, l->name, v->page.number, "its keys are out of order", err);
    }
    child->page = cell.child;
    child->last = cell.rowid;
    v->first = cell.rowid + 1;
  }
  v->next++;
  return lb_btree_check_number(l->pages, l->name, child->page, v->page.number, err);
}

int lb_leaves_next(lb_leaves *l, lb_leaf *leaf, lb_error *err)
{
  if (l->depth == 0 && l->root) {
    *leaf = (lb_leaf){ l->root, INT64_MIN, INT64_MAX };
    l->root = 0;
    return LB_OK;
  }
  while (l->at >= 0) {
    level *v = &l->levels[l->at];
    if (v->next > v->page.cells) {
      l->at--;
      continue;
    }
    if (next_child(l, v, leaf, err) || l->at + 1 == l->depth) return err->code;
    if (enter(l, leaf->page, leaf->first, leaf->last, err)) return err->code;
  }
  *leaf = (lb_leaf){ 0 };
  return LB_OK;
}

lb_leaves *lb_leaves_open(const lb_pages *pages, int64_t root, const char *name, lb_error *err)
{
  lb_leaves *l = calloc(1, sizeof *l);
  bool is_table = false;
  if (!l || !(l->levels[0].data = malloc(pages->size))) {
    lb_fail_nomem(err);
    free(l);
    return NULL;
  }
  l->pages = pages;
  l->name = name;
  l->at = -1;
  if (lb_btree_depth(pages, root, name, l->levels[0].data, &l->depth, &is_table, err) == LB_OK) {
    l->root = (uint32_t)root;
    if (!is_table) lb_btree_damaged(pages, name, l->root, "it is no page of a table", err);
    else if (l->depth) enter(l, l->root, INT64_MIN, INT64_MAX, err);
  }
  if (!err->code) return l;
  lb_leaves_close(l);
  return NULL;
}

void lb_leaves_close(lb_leaves *l)
{
  if (!l) return;
  for (int i = 0; i < LB_BTREE_DEPTH_MAX; i++) free(l->levels[i].data);
  free(l);
}

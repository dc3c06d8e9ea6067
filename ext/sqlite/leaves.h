/* The leaves of a table's b-tree in the order of their rowids, told from the pages above them: no leaf is read but the
** first, which tells how deep the tree is.
**
** Each leaf comes with the rowids that it may hold; these stretches follow one another without gaps, from the smallest
** to the largest rowid there can be. Pages are hostile: keys that do not ascend within what the page above says, leaves
** at another depth, and numbers of pages out of range are LB_CORRUPT. Because keys ascend, a walk ends.
*/
#ifndef LB_SQLITE_LEAVES_H
#define LB_SQLITE_LEAVES_H

#include "sqlite/btree.h"

typedef struct lb_leaf {
  uint32_t page;          /* 0: there are no more */
  int64_t first, last;    /* rowids */
} lb_leaf;

typedef struct lb_leaves lb_leaves;

/* pages and name must stay valid. Memory: a page for each level. NULL: err is set. */
lb_leaves *lb_leaves_open(const lb_pages *pages, int64_t root, const char *name, lb_error *err);
int lb_leaves_next(lb_leaves *leaves, lb_leaf *leaf, lb_error *err);
void lb_leaves_close(lb_leaves *leaves);  /* accepts NULL */

/* How many pages there are from the root down to the first leaf; is_table: whether it is a table's tree. */
int lb_btree_depth(const lb_pages *pages, int64_t root, const char *name, unsigned char *buffer, int *depth,
                   bool *is_table, lb_error *err);

#endif

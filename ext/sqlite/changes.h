/* Which pages of two databases differ, by number, and what follows from that for their tables.
**
** One side is the base: its pages can be read at any time. Of the other it is enough that they come by once (a live
** database in a snapshot gives its pages in order and only once): of those that differ, the pages above the leaves of
** tables are kept; all others are as the base has them, or are not needed.
**
** What is concluded from equal pages:
**
** - A table whose tree begins at the same page, all of whose pages are equal, has equal rows.
** - A leaf that is in both trees of a table, and is equal, has equal rows, which are in the other table as well.
**
** Both look at a tree's interior pages only. Rows that go on in overflow pages need one thing more: that no overflow
** page differs whose leaf is equal (SQLite may write a long value in place). Such a page would differ and belong
** neither to the free pages nor to a page that differs as well. Where there is one, nothing is concluded.
**
** This takes a database that is sound; one that was made to deceive could show less than it is. The schema (names,
** CREATE statements, encoding) is for the caller to compare: equal pages read otherwise under another schema.
*/
#ifndef LB_SQLITE_CHANGES_H
#define LB_SQLITE_CHANGES_H

#include "core/task.h"
#include "sqlite/btree.h"

typedef struct lb_changes lb_changes;

/* Both sides have pages of one size with as much room. other->read may be NULL: see above. Memory: a bit a page, and
** kept pages of at most 16 MiB. base and other must stay valid. */
lb_changes *lb_changes_open(const lb_pages *base, const lb_pages *other, lb_error *err);
void lb_changes_close(lb_changes *changes);  /* accepts NULL */

/* Compares `count` pages from number `first` on, of both sides. Pages that are not compared are taken as equal; those
** that only one side has differ. */
int lb_changes_compare(lb_changes *changes, uint32_t first, const unsigned char *base, const unsigned char *other,
                       uint32_t count, lb_error *err);
void lb_changes_mark(lb_changes *changes, uint32_t page);  /* differs, for what is known without comparing */

/* When all has been compared: reads the pages of the base that differ, and decides whether anything can be concluded.
** Not where most pages differ: that would not be worth while. */
int lb_changes_judge(lb_changes *changes, lb_task *task, bool *useful, lb_error *err);

/* ---- of useful ones ---- */

/* Whether the trees that begin at `root` in both databases are equal. Memory meanwhile: a bit a page. */
int lb_changes_tree_is_same(lb_changes *changes, int64_t root, const char *name, bool *same, lb_error *err);

/* The stretches of rowids, in order and disjoint, outside of which the two tables are equal. */
typedef struct lb_stretches lb_stretches;

/* *stretches NULL without an error: they are not known, because too much would have had to be kept. */
int lb_stretches_open(lb_changes *changes, int64_t base_root, int64_t other_root, const char *name,
                      lb_stretches **stretches, lb_error *err);
int lb_stretches_next(lb_stretches *stretches, int64_t *first, int64_t *last, bool *more, lb_error *err);
void lb_stretches_close(lb_stretches *stretches);  /* accepts NULL */

#endif

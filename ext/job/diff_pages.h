/* Which pages of the two sides of a comparison differ. */
#ifndef LB_JOB_DIFF_PAGES_H
#define LB_JOB_DIFF_PAGES_H

#include "job/side.h"
#include "sqlite/changes.h"

typedef struct lb_diff_pages {
  lb_changes *changes;   /* NULL: nothing is known, or nothing follows from it */
  int base;              /* the side that is the base of changes */
} lb_diff_pages;

/* Compares the pages of the two sides as far as that costs less than reading their rows: at least one of them is a
** backup, pages are of one size and text of one encoding. Blocks whose hashes are equal are not read; of a live
** database all pages come by once.
**
** root: the page of each side where the only table begins that is of interest, or 0: all are. Where that table is a
** small part of the database, pages are compared only if hashes tell which. */
int lb_diff_pages_find(lb_job *job, lb_side sides[2], const int64_t root[2], lb_diff_pages *pages, lb_error *err);
void lb_diff_pages_close(lb_diff_pages *pages);

#endif

/* One table of a comparison: its shape on both sides, how rows are told apart, and the rows that differ. */
#ifndef LB_JOB_DIFF_TABLE_H
#define LB_JOB_DIFF_TABLE_H

#include "job/diff.h"
#include "job/diff_pages.h"
#include "sqlite/match.h"

typedef struct lb_table_diff {
  lb_job *job;
  lb_side *sides;           /* two */
  lb_shape shapes[2];       /* of kind LB_TABLE_NONE where that side has none */
  lb_match match;
  lb_stretches *stretches;
  lb_diff *diff;            /* NULL: the table is known to be the same */
  lb_buf notes, key, columns;
} lb_table_diff;

/* Looks at the table of that name on both sides. listed: NULL, or what a list of each side told of it. Close it also
** after a failure; it is all zero then. */
int lb_table_diff_open(lb_table_diff *t, lb_job *job, lb_side sides[2], const char *name,
                       const lb_shape_listed listed[2], lb_error *err);
void lb_table_diff_close(lb_table_diff *t);

/* Fails where there is no such table, or none that has rows of its own. */
int lb_table_diff_check(const lb_table_diff *t, const char *name, lb_error *err);

/* Begins to compare rows; then row tells one after the other. */
int lb_table_diff_begin(lb_table_diff *t, const lb_diff_pages *pages, lb_error *err);
int lb_table_diff_row(lb_table_diff *t, lb_difference *d, bool *any, lb_error *err);

/* The same, but tells how many there are; without counts the first that differs ends it. */
int lb_table_diff_totals(lb_table_diff *t, bool counts, lb_difference *d, lb_error *err);

/* All of it for a table that may be on one side only: begins, and tells the totals. */
int lb_table_diff_sum(lb_table_diff *t, const lb_diff_pages *pages, bool counts, lb_difference *d, lb_error *err);

#endif

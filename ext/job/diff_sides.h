/* The two kinds of comparison, each with both sides open. For diff.c, which opens and closes these. */
#ifndef LB_JOB_DIFF_SIDES_H
#define LB_JOB_DIFF_SIDES_H

#include "job/diff.h"
#include "job/side.h"

/* Both are open as long as their sides are. next sets what it knows of the difference; *any false: no more. */
typedef struct lb_sqlite_diff lb_sqlite_diff;
lb_sqlite_diff *lb_sqlite_diff_open(lb_job *job, lb_side sides[2], const char *table,
                                    const lb_difference_wanted *wanted, lb_error *err);
int lb_sqlite_diff_next(lb_sqlite_diff *diff, lb_difference *difference, bool *any, lb_error *err);
void lb_sqlite_diff_close(lb_sqlite_diff *diff);  /* accepts NULL */

typedef struct lb_pg_diff lb_pg_diff;
lb_pg_diff *lb_pg_diff_open(lb_job *job, lb_side sides[2], const char *table, const lb_difference_wanted *wanted,
                            lb_error *err);
int lb_pg_diff_next(lb_pg_diff *diff, lb_difference *difference, bool *any, lb_error *err);
void lb_pg_diff_close(lb_pg_diff *diff);  /* accepts NULL */

#endif

/* backup_diff: what changed from one backup or database to another. */
#ifndef LB_JOB_DIFF_H
#define LB_JOB_DIFF_H

#include "job/job.h"

/* A table, or, where a table was named, one of its rows that differs. Texts are valid until the next call. */
typedef struct lb_difference {
  const char *schema;     /* of PostgreSQL, else NULL */
  const char *name;
  const char *change;     /* "same", "changed", "only in a", "only in b", "not compared"; of a row "added", "removed",
                          ** "changed" */
  int64_t added, removed, changed;  /* rows; -1: not known, or not asked for */
  const char *key;        /* how rows were told apart; of a row its key, as JSON. NULL: rows were not looked at */
  const char *columns;    /* JSON: which differ in rows that changed; NULL: none */
  const char *notes;      /* lines; NULL: none */
} lb_difference;

typedef struct lb_difference_wanted {
  bool counts;            /* added, removed, changed, columns: else the first row that differs is enough */
} lb_difference_wanted;

typedef struct lb_comparison lb_comparison;

/* a, b: see job/side.h; table NULL: all tables. It lasts until it is closed, and so do the snapshots of both sides; job
** must last longer. It is no run in history. NULL: err is set. */
lb_comparison *lb_job_diff_open(lb_job *job, const char *a, const char *b, const char *table,
                                const lb_difference_wanted *wanted, lb_error *err);

/* *any false: there are no more. */
int lb_job_diff_next(lb_comparison *comparison, lb_difference *difference, bool *any, lb_error *err);
void lb_job_diff_close(lb_comparison *comparison);  /* accepts NULL */

#endif

/* What SQLite's checks tell, line by line: damage, told apart from what is merely odd about the data. */
#ifndef LB_SQLITE_FINDINGS_H
#define LB_SQLITE_FINDINGS_H

#include <stdbool.h>

#include "core/buffer.h"

enum { LB_FINDINGS_MAX = 100 /* lines */, LB_FINDING_BYTES = 160 /* of one that is kept */ };

typedef struct lb_findings {
  lb_buf *damage, *notes;
  int lines;                        /* of damage */
  int broken;                       /* rows that break a rule of their table */
  char first[LB_FINDING_BYTES];     /* of these */
  int rounded;                      /* entries of indexes that were computed with another rounding */
  char first_rounded[LB_FINDING_BYTES];
  char failed[LB_FINDING_BYTES];    /* why no row was held against a CHECK; "": they were */
} lb_findings;

/* Whether a result code of SQLite's is about the file. */
bool lb_sqlite_is_damage(int rc);

/* SQLite goes on when it cannot get a page, and tells of it as of damage. What is out of memory or cannot be read is
** none: the result code, or SQLITE_OK where the line is of the database. */
int lb_finding_failure(const char *line);

/* Copies a line; where there is no place for all of it, it ends with a whole character. */
void lb_finding_keep(char kept[LB_FINDING_BYTES], const char *line);

/* Damage goes to `damage`, LB_FINDINGS_MAX lines at most; what is merely odd is counted. */
void lb_findings_take(lb_findings *f, const char *line);

/* How many lines were of what is merely odd: they count for SQLite's limit as well. */
int lb_findings_odd(const lb_findings *f);

/* Back to what they were before, when `damage` was so long. Notes stay. */
void lb_findings_forget(lb_findings *f, const lb_findings *before, size_t damage);

/* Notes what was counted, each line once. */
void lb_findings_note(const lb_findings *f);

#endif

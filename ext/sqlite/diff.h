/* The rows of two tables that differ: both are read in the order of their key and merged, so that memory is bounded by
** the longest row. Where a table's own b-tree is not in that order, SQLite sorts, in temporary files.
**
** Keys and values are compared exactly (value.h). What must hold for that is checked as rows come: keys that do not
** ascend, or come twice, are LB_CORRUPT, never other rows. Rows whose key has a NULL, and rows without a key, are equal
** when the whole row is; each counts as often as it is there.
**
** The tables may be in databases of any encoding, on one connection or two. On a private connection collations and
** temporary tables may be made; on another only SELECT is run.
*/
#ifndef LB_SQLITE_DIFF_H
#define LB_SQLITE_DIFF_H

#include "core/task.h"
#include "sqlite/changes.h"
#include "sqlite/match.h"

typedef struct lb_diff_side {
  sqlite3 *db;
  const char *schema;
  const char *label;     /* for messages */
  bool own;              /* the connection is private */
} lb_diff_side;

typedef enum lb_diff_kind { LB_DIFF_END, LB_DIFF_ADDED, LB_DIFF_REMOVED, LB_DIFF_CHANGED } lb_diff_kind;

typedef struct lb_diff lb_diff;

/* Compares tables[0] of sides[0] with tables[1] of sides[1] as match says; a table of kind LB_TABLE_NONE has no rows.
** stretches: outside of these rowids the two are known to be equal (NULL: nothing is); both sides are private then.
** All must stay valid until it is closed. NULL: err is set. */
lb_diff *lb_diff_open(const lb_diff_side *const sides[2], const lb_shape *const tables[2], const lb_match *match,
                      lb_stretches *stretches, lb_task *task, lb_error *err);

/* The next row that differs. LB_DIFF_END: there are no more. */
int lb_diff_next(lb_diff *diff, lb_diff_kind *kind, lb_error *err);

/* Of the row told last: its key as a JSON object of the key's columns; and whether a field of match differs, of a row
** that changed. */
void lb_diff_key(const lb_diff *diff, lb_buf *json);
bool lb_diff_field_differs(const lb_diff *diff, int field);

void lb_diff_close(lb_diff *diff);  /* accepts NULL */

#endif

/* The statement that gives one table's rows in the order in which two tables are compared. For diff.c only. */
#ifndef LB_SQLITE_DIFF_SELECT_H
#define LB_SQLITE_DIFF_SELECT_H

#include "sqlite/diff.h"
#include "sqlite/value.h"

/* How a table is read. */
typedef struct lb_diff_reading {
  const lb_diff_side *side;
  const lb_shape *shape;
  const lb_match *match;
  int number;                /* of the side: 0 or 1 */
  lb_encoding encoding;      /* whose order texts are in */
  bool translated;           /* the database has another one */
  bool stretches;            /* only the rows of some stretches of rowids */
} lb_diff_reading;

/* Whether rows come in the order of the table's own b-tree, so that nothing has to be sorted. */
bool lb_diff_is_natural(const lb_diff_reading *reading);

/* Puts stretches into a temporary table of each side, where a statement that is not natural finds them. */
int lb_diff_store_stretches(const lb_diff_reading readings[2], lb_stretches *stretches, lb_error *err);

/* The statement; columns are the match's fields (one, NULL, where there are none). A natural one with stretches takes
** the first and last rowid of a stretch as ?1 and ?2. Without a table NULL, without an error. */
sqlite3_stmt *lb_diff_select(const lb_diff_reading *reading, lb_error *err);

#endif

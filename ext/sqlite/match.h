/* How the rows of two tables are told apart and compared: decided from the shapes of the tables, without reading.
**
** By the primary key where both have the same columns in it; by rowid where neither has one; else whole rows are held
** against whole rows. Columns are those that both tables have, by name, in upper or lower case.
*/
#ifndef LB_SQLITE_MATCH_H
#define LB_SQLITE_MATCH_H

#include "core/buffer.h"
#include "sqlite/shape.h"

typedef enum lb_match_by { LB_MATCH_KEY, LB_MATCH_ROWID, LB_MATCH_WHOLE } lb_match_by;

/* What is selected of a row: a column that both tables have, or the rowid. Names are those of the shapes. */
typedef struct lb_match_field {
  const char *name[2];     /* in each table */
  const char *label;       /* what it is called when it is told of */
  bool descending;         /* of a key's */
} lb_match_field;

typedef struct lb_match {
  lb_match_by by;
  lb_match_field *fields;  /* those of the key come first; whole rows are their own key */
  int count, key_count;    /* 0: the tables have no column in common, so that no row is in both */
  bool null_keys;          /* a key may have NULL in it, which SQLite lets come more than once */
  bool ordered[2];         /* each table's b-tree is in the order of the key */
  bool by_rowid[2];        /* that key is its rowid */
  bool same_columns;       /* no column is in one of them only */
} lb_match;

/* b may be a itself. Notes (lines) tell what differs about the tables, and what is odd about the comparison. Valid as
** long as the shapes. Free it also after a failure. */
int lb_match_make(const lb_shape *a, const lb_shape *b, lb_match *match, lb_buf *notes, lb_error *err);
void lb_match_free(lb_match *match);

/* "primary key (a, b)", "rowid", "whole rows" */
void lb_match_describe(const lb_match *match, lb_buf *out);

#endif

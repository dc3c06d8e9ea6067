/* Rows of a script into tables that are there: what a restore of some tables does on a server.
**
** All on one connection, in one transaction: the rows are copied into temporary tables, then the tables are locked
** against writers, and rows are deleted, updated and inserted by the primary key. Where there is none, equal rows are
** paired off, and only `replace` is possible. What is equal is not written.
**
** Columns are matched by name; those that only the target has keep their values. Triggers of users are disabled and set
** back to what each was; foreign keys stay on: those between the restored tables are checked when all rows are there,
** and one that would delete or change rows of other tables (CASCADE and the like) is an error instead. Sequences that
** fill the columns are moved forward. A partition that a backup of a part may not have had is not emptied.
**
** It takes the right to write; to own the tables where they have triggers, or foreign keys among each other.
*/
#ifndef LB_POSTGRES_MERGE_H
#define LB_POSTGRES_MERGE_H

#include "core/rows.h"
#include "postgres/outline.h"

typedef struct lb_pg_merge lb_pg_merge;

typedef struct lb_pg_merge_request {
  lb_pg *pg;
  lb_source *source;
  const lb_pg_contents *contents;  /* NULL: a script of another tool */
  lb_pg_outline *outline;
  const lb_pg_wanted *wanted;
  int wanted_count;
  lb_rows_mode mode;
  bool partial;                    /* the script may lack tables that were there when it was made */
  bool common_columns;             /* columns of the script that the target lacks are left out; else an error */
  int64_t lock_timeout;            /* ms; 0: none */
  lb_task *task;
  lb_buf *notes;
} lb_pg_merge_request;

/* Begins the transaction and looks at the tables: whatever can be said before a row is read is an error here. The
** request has to live as long. NULL: err is set. */
lb_pg_merge *lb_pg_merge_open(const lb_pg_merge_request *request, lb_error *err);

/* Copies the rows into temporary tables. */
int lb_pg_merge_load(lb_pg_merge *merge, lb_error *err);

/* Keeps writers out of the tables until the end. */
int lb_pg_merge_lock(lb_pg_merge *merge, lb_error *err);

/* Moves the rows. The caller commits, or rolls back. */
int lb_pg_merge_run(lb_pg_merge *merge, lb_rows_counts *counts, lb_error *err);

/* Whether lb_pg_merge_run has written any row, or moved a sequence. If not, a rollback loses nothing. */
bool lb_pg_merge_changed(const lb_pg_merge *merge);

void lb_pg_merge_close(lb_pg_merge *merge);  /* accepts NULL; the transaction is the caller's to end */

#endif

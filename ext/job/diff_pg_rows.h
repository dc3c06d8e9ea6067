/* The rows of one table of two PostgreSQL backups: loaded into a temporary SQLite database, a table for each side, and
** compared there (sqlite/diff.h).
**
** Memory is bounded; the database lies in a temporary file as large as the rows of both sides, which is gone when it is
** closed. Values are what backup_table gives (postgres/datum.h).
*/
#ifndef LB_JOB_DIFF_PG_ROWS_H
#define LB_JOB_DIFF_PG_ROWS_H

#include "job/diff_table.h"
#include "job/table_rows.h"
#include "postgres/keys.h"

typedef struct lb_pg_rows {
  lb_job *job;
  lb_job opening;              /* of the tables: opening one is a job of its own */
  sqlite3 *db;
  lb_side scratch[2];          /* only `rows` of them, both on db */
  lb_table_rows *tables[2];    /* NULL where that side has none */
  lb_table_diff diff;          /* what is compared: lb_table_diff_row and lb_table_diff_totals tell of it */
  char (*names)[12];           /* of the columns of db's tables */
} lb_pg_rows;

/* paths: of the backups; table: as in SQL (job/table_name.h). A table that only one side has is empty on the other.
** All must stay valid until it is closed, also after a failure. */
int lb_pg_rows_open(lb_pg_rows *rows, lb_job *job, const char *const paths[2], const char *table,
                    const lb_pg_keys *const keys[2], lb_error *err);
void lb_pg_rows_close(lb_pg_rows *rows);

#endif

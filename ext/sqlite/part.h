/* Some tables of one database, rows and all, into another that goes on living: what a restore of a part does once a
** backup is open and the target is locked. Knows two connections; nothing of backup files.
**
** Rows are told apart by the PRIMARY KEY, or by the rowid where a table has none, and move one by one: read on `from`,
** looked up, inserted, updated and deleted on `to`. So the two may have different encodings and page sizes, memory is a
** row, and what was equal is not written. A row that collides in another UNIQUE constraint is put aside until all
** others are in their place: two rows may have exchanged a value. What collides then is an error.
**
** Columns are matched by name. Those that only the target has keep their values in rows that are there and get their
** default in new ones. Triggers are off on `to` (lb_db_open): their names are told, and what they write to. Full-text
** indexes over a restored table are rebuilt; one may be named like a table. Foreign keys are checked at the end: what
** is broken now, and was not before, is an error, unless the same row was an orphan in the backup as well. A table that
** the target lacks is made, with indexes and triggers.
**
** It does not: look into tables of virtual tables, restore views, run anything that is inside either database. What
** an index of the target needs (a collation, a function) has to be known here, else it is an error.
*/
#ifndef LB_SQLITE_PART_H
#define LB_SQLITE_PART_H

#include "core/buffer.h"
#include "core/rows.h"
#include "sqlite/check.h"

typedef struct lb_sqlite_part lb_sqlite_part;

typedef struct lb_sqlite_part_request {
  sqlite3 *from, *to;            /* from lb_db_open; `main` of each is meant */
  const char *from_label, *to_label;
  char *const *tables;           /* names as somebody wrote them; one may come twice, or be a full-text index */
  int table_count;
  lb_rows_mode mode;
  bool common_columns;           /* columns of the backup that the target lacks are left out; else they are an error */
  lb_task *task;
  lb_buf *notes;                 /* lines */
} lb_sqlite_part_request;

/* Finds the tables in both databases and compares their columns and keys. Changes settings of `to`, and nothing else;
** called outside of a transaction. Everything that can be said
** before a row is touched is an error here. The request's texts and connections have to live as long as the part. NULL:
** err is set. */
lb_sqlite_part *lb_sqlite_part_open(const lb_sqlite_part_request *request, lb_error *err);
void lb_sqlite_part_close(lb_sqlite_part *part);  /* accepts NULL */

/* SQLite's check of these tables in `from`; damage is LB_CORRUPT. */
int lb_sqlite_part_check(lb_sqlite_part *part, lb_check_level level, lb_error *err);

/* Moves the rows, inside a write transaction of `to` that the caller has begun, and commits or rolls back: after a
** failure it must be rolled back. The schema is looked at again, since it may have changed before the lock was had. */
int lb_sqlite_part_run(lb_sqlite_part *part, lb_rows_counts *counts, lb_error *err);

#endif

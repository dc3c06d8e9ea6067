/* The statements that move the rows of one table. For the part modules only.
**
** All number their parameters alike: ?1 is the rowid of the backup's row, then its columns, then what finds a row of
** the target again (its *ids*: the rowid, or the key where there is none). So a row that was read, or put aside, is
** bound the same way to whatever is done with it.
*/
#ifndef LB_SQLITE_PART_SQL_H
#define LB_SQLITE_PART_SQL_H

#include "sqlite/part_plan.h"

/* One UPDATE for each set of columns that differ, so that indexes of the others are left alone; for the sets of a table
** with more of them, the last one, which sets all. */
#define LB_PART_UPDATES 16
typedef struct lb_part_update {
  bool *differs;             /* by column of the table */
  sqlite3_stmt *stmt;
} lb_part_update;

typedef struct lb_part_move {
  const lb_sqlite_part_request *request;
  const lb_part_table *table;
  int ids;                   /* columns that find a row of the target again */
  sqlite3_stmt *read;        /* rows of the backup: rowid or NULL, columns */
  sqlite3_stmt *find;        /* the target's row of a key: ids, then of each column whether it differs (0, 1) */
  sqlite3_stmt *find_null;   /* the same where the key has NULLs; NULL: such a row is never found */
  sqlite3_stmt *insert;
  sqlite3_stmt *remove;      /* ?1 …: ids */
  lb_part_update updates[LB_PART_UPDATES];
  int update_count;
  bool *differs;             /* columns of the row at hand */

  /* Once a row was put aside, in temp.lb_aside: what `read` gives, whether it was in the target, its own columns. The
  ** table is dropped by whoever is done with it. */
  sqlite3_stmt *put_new, *put_old, *insert_old;
} lb_part_move;

int lb_part_move_open(lb_part_move *move, const lb_sqlite_part *part, const lb_part_table *table, lb_error *err);
void lb_part_move_close(lb_part_move *move);

/* The UPDATE for the row that `found` (one of find and find_null) stands on; *stmt NULL: nothing differs. It belongs to
** the move. */
int lb_part_move_update(lb_part_move *move, sqlite3_stmt *found, sqlite3_stmt **stmt, lb_error *err);

/* Makes temp.lb_aside and its statements, unless they are there. */
int lb_part_move_open_aside(lb_part_move *move, lb_error *err);

/* All rows of the target: ids, key. In the order of the key, which is that of the backup as well: its blocks are then
** read one after the other. */
sqlite3_stmt *lb_part_scan(const lb_part_move *move, lb_error *err);

/* Makes temp.lb_gone, of ids, and what puts a row there: its parameters are the ids. */
sqlite3_stmt *lb_part_note_gone(const lb_part_move *move, lb_error *err);

/* Whether the backup has a row of the target; the parameters are what the scan gives. null: for keys with NULLs. */
sqlite3_stmt *lb_part_probe(const lb_part_move *move, bool null, lb_error *err);

const char *lb_part_key_name(const lb_part_move *move, int i);

/* The column in what `read` gives of part i of the key. */
int lb_part_key_column(const lb_part_move *move, int i);

#endif

/* Read-only, eponymous virtual tables: each is a declaration, hidden arguments, and a function that fills rows.
**
**     SELECT * FROM backups;                          -- the argument is NULL
**     SELECT * FROM backups('/other/dir');            -- the argument is '/other/dir'
**     SELECT * FROM backup_diff('latest', 'main');    -- the first two of three
**
** Most tables fill all rows at once. One whose rows may be more than memory should hold fills some and says that there
** are more: it is called again when SQLite has taken these. What it keeps from one call to the next is its state, which
** is closed as soon as there are no more, else when the scan ends: in either case before the statement commits.
*/
#ifndef LB_API_TABLE_H
#define LB_API_TABLE_H

#include <sqlite3ext.h>

#include "api/rows.h"
#include "api/session.h"

enum { LB_TABLE_ARGUMENTS = 3, LB_TABLE_COLUMNS = 28 };  /* at most */

typedef struct lb_scan {
  lb_session *session;
  char *arguments[LB_TABLE_ARGUMENTS];  /* NULL: not given, or NULL */
  uint32_t wanted;  /* bit n: column n is looked at; what is costly and not wanted may be NULL */
  void *state;      /* of the table; NULL at the first call */
  bool more;        /* set by fill: call again. false at each call */
} lb_scan;

typedef struct lb_table {
  const char *name;       /* NULL ends the table of tables */
  const char *columns;    /* "path TEXT, name TEXT": the visible ones */
  int column_count;
  const char *arguments[LB_TABLE_ARGUMENTS];  /* names of the hidden columns, which follow the others */
  int (*fill)(lb_scan *scan, lb_rows *rows, lb_error *err);
  void (*close)(void *state);  /* NULL: it has no state. Also called after a failure */
} lb_table;

extern const lb_table lb_tables[];

int lb_table_register(sqlite3 *db, const lb_table *table, lb_session *session);

#endif

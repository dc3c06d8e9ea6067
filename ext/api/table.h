/* Read-only, eponymous virtual tables: each is a declaration, at most one hidden argument, and a function that
** fills rows.
**
**     SELECT * FROM backups;                 -- the argument is NULL
**     SELECT * FROM backups('/other/dir');   -- the argument is '/other/dir'
**
** rows->wanted tells fill which columns the statement looks at.
*/
#ifndef LB_API_TABLE_H
#define LB_API_TABLE_H

#include <sqlite3ext.h>

#include "api/rows.h"
#include "api/session.h"

typedef struct lb_table {
  const char *name;       /* NULL ends the table of tables */
  const char *columns;    /* "path TEXT, name TEXT": the visible ones */
  int column_count;
  const char *argument;   /* name of the hidden column, which follows the others; NULL: none */
  int (*fill)(lb_session *session, const char *argument, lb_rows *rows, lb_error *err);
} lb_table;

extern const lb_table lb_tables[];

int lb_table_register(sqlite3 *db, const lb_table *table, lb_session *session);

#endif

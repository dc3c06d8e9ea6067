/* What a table looks like, as far as comparing its rows with another's needs it: columns, key, where its tree begins.
**
** Asked by PRAGMA statements, which no table of a hostile schema can stand in for. Generated columns are left out: they
** follow from the others.
*/
#ifndef LB_SQLITE_SHAPE_H
#define LB_SQLITE_SHAPE_H

#include <stdbool.h>

#include "sqlite/connection.h"

typedef enum lb_table_kind {
  LB_TABLE_NONE, LB_TABLE_ORDINARY, LB_TABLE_VIRTUAL, LB_TABLE_VIEW,
  LB_TABLE_SHADOW    /* where a virtual table keeps its content; told as ordinary where its module is not there */
} lb_table_kind;

typedef struct lb_column {
  char *name;
  int key;           /* place in the primary key, from 1; 0: not in it */
  bool not_null;
  bool descending;   /* of a key's column: as its index has it */
  bool bytewise;     /* the same: compared by BINARY */
} lb_column;

typedef struct lb_shape {
  lb_table_kind kind;
  char *name, *sql;
  int64_t root;          /* page */
  bool without_rowid;
  bool key_is_rowid;     /* INTEGER PRIMARY KEY */
  const char *rowid;     /* a name by which the rowid is reached; NULL: there is none */
  lb_column *columns;
  int count, key_count;
} lb_shape;

/* What a list of all tables tells of one. SQLite goes through all of them to tell it: whoever wants it of each should
** not ask one by one. */
typedef struct lb_shape_listed {
  lb_table_kind kind;
  bool without_rowid;
  int64_t row;           /* its row in sqlite_schema; 0: not known */
} lb_shape_listed;

/* name: in upper or lower case. Without such a table shape->kind is LB_TABLE_NONE. listed: NULL, or what a list of the
** same snapshot told of it. Free it also after a failure. */
int lb_shape_read(sqlite3 *db, const char *schema, const char *name, const lb_shape_listed *listed, const char *label,
                  lb_shape *shape, lb_error *err);
void lb_shape_free(lb_shape *shape);

/* Calls each() for every table and view of the schema, in no order; listed->row is not known. */
typedef int (*lb_shape_each)(void *ctx, const char *name, const lb_shape_listed *listed, lb_error *err);
int lb_shape_list(sqlite3 *db, const char *schema, const char *label, lb_shape_each each, void *ctx, lb_error *err);

/* Calls each() for every table of sqlite_schema, with its row there. */
typedef int (*lb_shape_each_row)(void *ctx, const char *name, int64_t row, lb_error *err);
int lb_shape_list_rows(sqlite3 *db, const char *schema, const char *label, lb_shape_each_row each, void *ctx,
                       lb_error *err);

#endif

/* A table of a database's main schema as SQLite describes it: what kind it is, its columns, its key.
**
** Everything is asked of SQLite (sqlite_schema, PRAGMA table_list, table_xinfo, index_list, index_xinfo); no CREATE
** TABLE is parsed here. Names are hostile.
*/
#ifndef LB_SQLITE_TABLE_INFO_H
#define LB_SQLITE_TABLE_INFO_H

#include "sqlite/connection.h"

typedef enum lb_table_kind {
  LB_TABLE_NONE,      /* neither a table nor a view of that name */
  LB_TABLE_ORDINARY,
  LB_TABLE_VIEW,
  LB_TABLE_VIRTUAL,
  LB_TABLE_SHADOW,    /* belongs to a virtual table; known only where its module is */
  LB_TABLE_INTERNAL   /* sqlite_… */
} lb_table_kind;

/* sqlite.org/datatype3.html, section 3. */
typedef enum lb_affinity {
  LB_AFFINITY_BLOB, LB_AFFINITY_TEXT, LB_AFFINITY_NUMERIC, LB_AFFINITY_INTEGER, LB_AFFINITY_REAL
} lb_affinity;

typedef struct lb_table_column {
  char *name;
  lb_affinity affinity;
  bool not_null, has_default, generated;
} lb_table_column;

/* A column of the PRIMARY KEY and how its values are compared there. */
typedef struct lb_table_key {
  int column;
  char *collation;
} lb_table_key;

typedef struct lb_table_info {
  lb_table_kind kind;
  char *name;                 /* as the database spells it */
  char *sql;                  /* CREATE …; NULL: none */

  /* Of an ordinary table only. */
  bool without_rowid, strict, autoincrement;
  bool rowid_is_key;          /* INTEGER PRIMARY KEY: the column is the rowid */
  char *rowid;                /* an SQL expression for the rowid; NULL: there is none, or columns hide its names */
  lb_table_column *columns;
  int column_count;
  lb_table_key *key;          /* in its own order; none: rows are told apart by the rowid */
  int key_count;
} lb_table_info;

/* Names are compared as SQLite does. A name that the database does not have: LB_TABLE_NONE. label is for messages. */
int lb_table_info_read(sqlite3 *db, const char *name, const char *label, lb_table_info *info, lb_error *err);
void lb_table_info_free(lb_table_info *info);  /* accepts one that is all zero */

/* The number of a column of that name; -1: none. */
int lb_table_info_column(const lb_table_info *info, const char *name);

#endif

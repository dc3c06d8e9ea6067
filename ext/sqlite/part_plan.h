/* What the part modules share: the tables of a partial restore and how their columns go together. For these modules
** only. */
#ifndef LB_SQLITE_PART_PLAN_H
#define LB_SQLITE_PART_PLAN_H

#include "sqlite/part.h"
#include "sqlite/table_info.h"

/* A column that both have. */
typedef struct lb_part_column {
  int from, to;             /* its number on either side */
  int key;                  /* its place in the key, from 1; 0: not part of it */
  bool compare;             /* may differ between rows of one key */
  bool exact;               /* and 1 differs from 1.0 */
} lb_part_column;

typedef struct lb_part_table {
  lb_table_info from, to;
  bool missing;             /* in the target: it is made */
  lb_part_column *columns;
  int column_count;
  int *own;                 /* ordinary columns that only the target has */
  int own_count;
  bool keeps_rowid;         /* the rowid is apart from the columns, and the backup's is taken over where it is free */
  bool null_keys;           /* a key may have NULLs, which are equal to nothing: the rowid then counts too */
  bool touched;             /* rows were added, changed or removed */
} lb_part_table;

struct lb_sqlite_part {
  const lb_sqlite_part_request *request;
  lb_part_table *tables;
  int count;
  lb_buf indexes;           /* names of full-text indexes that are asked for, or were made: to be rebuilt */
  lb_buf rebuilt;           /* names of full-text indexes that were rebuilt, or are told not to be */
};

/* Finds the tables that the request names, and full-text indexes. */
int lb_part_find(lb_sqlite_part *part, lb_error *err);

/* Whether a table is one of them. */
bool lb_part_has(const lb_sqlite_part *part, const char *name);

/* Reads a table of the target anew, and works out how its rows are matched. note: differences go to the notes. */
int lb_part_match(lb_sqlite_part *part, lb_part_table *table, bool note, lb_error *err);
void lb_part_table_free(lb_part_table *table);

/* Makes a table that the target lacks; with indexes and triggers when its rows are there. A virtual one: `from` is what
** the backup has. */
int lb_part_make_table(const lb_sqlite_part *part, lb_part_table *table, lb_error *err);
int lb_part_make_virtual(const lb_sqlite_part *part, const lb_table_info *from, lb_error *err);
int lb_part_make_rest(const lb_sqlite_part *part, const lb_part_table *table, lb_error *err);

/* Names one after another, each with its NUL, each once. */
bool lb_part_names_have(const lb_buf *names, const char *name);
void lb_part_names_add(lb_buf *names, const char *name);

void lb_part_note(const lb_sqlite_part *part, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* ---- statements ---- */

/* Prepares the text of sql, which is freed. NULL: err is set, naming label. */
sqlite3_stmt *lb_part_prepare(sqlite3 *db, sqlite3_str *sql, const char *label, lb_error *err);

sqlite3_stmt *lb_part_query(sqlite3 *db, const char *sql, const char *label, lb_error *err);

/* A column's value as a parameter of another statement, valid until `from` steps on. utf16: texts of a database that
** has them so are not converted on their way. Returns a SQLite result code. */
int lb_part_bind(sqlite3_stmt *to, int parameter, sqlite3_stmt *from, int column, bool utf16);

#endif

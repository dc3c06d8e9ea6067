/* The SQL functions: docs/reference.md describes each. */
#ifndef LB_API_FUNCTIONS_H
#define LB_API_FUNCTIONS_H

#include <sqlite3ext.h>

typedef struct lb_function {
  const char *name;   /* NULL ends the table */
  int least, most;    /* arguments */
  void (*call)(sqlite3_context *ctx, int argc, sqlite3_value **argv);  /* user data: the lb_session */
} lb_function;

extern const lb_function lb_functions[];

/* Makes a function of a table's name that says how the table is used; name must live as long as db. */
int lb_function_register_table(sqlite3 *db, const char *name);

#endif

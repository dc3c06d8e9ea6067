/* The statements behind the data: indexes and keys at once, everything else in its order. Private to the loading
** modules. */
#ifndef LB_POSTGRES_LOAD_SCHEMA_H
#define LB_POSTGRES_LOAD_SCHEMA_H

#include "postgres/execute.h"
#include "postgres/lanes.h"

#define LB_POST_DATA_MAX ((size_t)1 << 30)  /* bytes of statements that are held in memory */

typedef struct lb_schema_statement {
  char *sql;
  size_t len;
  uint64_t offset;
  lb_statement st;         /* its spans point into sql */
} lb_schema_statement;

typedef struct lb_schema {
  lb_schema_statement *list;
  size_t count, capacity, bytes;
} lb_schema;

int lb_schema_add(lb_schema *schema, const char *sql, size_t len, uint64_t offset, lb_error *err);
void lb_schema_free(lb_schema *schema);

/* Executes them; x is the executor on lanes->pg[0]. */
int lb_schema_run(lb_schema *schema, lb_execute *x, lb_lanes *lanes, lb_error *err);

#endif

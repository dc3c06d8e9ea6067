/* The rows of all tables, over all lanes of a snapshot at once. Private to dump.c. */
#ifndef LB_POSTGRES_DUMP_DATA_H
#define LB_POSTGRES_DUMP_DATA_H

#include "postgres/dump.h"
#include "postgres/parts.h"

/* What else is to be done in every turn of the loop; fd: what that waits for, -1: nothing any more. */
typedef struct lb_pg_meanwhile {
  int (*tick)(void *ctx, lb_error *err);
  void *ctx;
  int fd;
} lb_pg_meanwhile;

/* parts NULL: rows are counted and hashed, not written. Tables are added to contents in the order of relations.
** meanwhile may be NULL. */
int lb_pg_dump_data(const lb_pg_dump *dump, lb_pg_parts *parts, lb_pg_meanwhile *meanwhile, lb_pg_contents *contents,
                    lb_error *err);

#endif

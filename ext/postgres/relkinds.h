/* The tables of a database that is being loaded, by name: how large they are, and whether partitions are in play.
** Private to the loading modules. */
#ifndef LB_POSTGRES_RELKINDS_H
#define LB_POSTGRES_RELKINDS_H

#include "postgres/connection.h"
#include "postgres/statement.h"

/* What the server says: rows of schema, name, relkind, is a partition, bytes. */
typedef struct lb_relkinds {
  PGresult *rows;
  int *order;              /* row numbers by schema and name, as bytes */
  int count;
} lb_relkinds;

int lb_relkinds_read(lb_pg *pg, lb_relkinds *relkinds, lb_error *err);
void lb_relkinds_free(lb_relkinds *relkinds);  /* safe on a zeroed one */

/* The number of a table that an SQL text names with its schema; -1: none such, or a name without a schema. */
int lb_relkinds_find(const lb_relkinds *relkinds, const lb_qualified *name, lb_error *err);
bool lb_relkinds_is_partitioned(const lb_relkinds *relkinds, int table);
bool lb_relkinds_is_partition(const lb_relkinds *relkinds, int table);
int64_t lb_relkinds_bytes(const lb_relkinds *relkinds, int table);

#endif

/* What a script says of its tables: their names, columns and partitions, collected statement by statement.
**
** Names are bytes of the script's encoding, without quotes. A name without a schema is one of the search_path's first
** schema, as in dumps before PostgreSQL 10.3; without a search_path it is public. Types are followed through domains
** to built-in ones; anything else is text. Memory: names and types of all columns.
*/
#ifndef LB_POSTGRES_DEFINITIONS_H
#define LB_POSTGRES_DEFINITIONS_H

#include "postgres/datum.h"
#include "postgres/ddl.h"

typedef struct lb_pg_definition {
  lb_ddl_kind kind;          /* TABLE, PARTITIONED, FOREIGN, VIEW, TYPE, DOMAIN; COPY: only rows were seen */
  const char *schema, *name;
} lb_pg_definition;

typedef struct lb_pg_column { const char *name; lb_pg_kind kind; } lb_pg_column;

typedef struct lb_pg_definitions lb_pg_definitions;

lb_pg_definitions *lb_pg_definitions_open(lb_error *err);
void lb_pg_definitions_close(lb_pg_definitions *d);  /* accepts NULL */

/* Takes the next statement of the script. */
int lb_pg_definitions_take(lb_pg_definitions *d, const lb_ddl *ddl, lb_error *err);

/* The name that a statement gives, with the search_path of those before it. Appended to schema and name. */
void lb_pg_definitions_name(const lb_pg_definitions *d, const lb_qualified *q, lb_buf *schema, lb_buf *name);

/* After the last statement, before anything below: sorts and links. It may be called again after further ones. */
void lb_pg_definitions_settle(lb_pg_definitions *d);

int lb_pg_definitions_count(const lb_pg_definitions *d);
lb_pg_definition lb_pg_definition_at(const lb_pg_definitions *d, int i);  /* by schema and name */
int lb_pg_definition_find(const lb_pg_definitions *d, const char *schema, const char *name);  /* -1: none */

/* The partitioned table that it is a partition of; -1: none. */
int lb_pg_definition_parent(const lb_pg_definitions *d, int i);

/* The columns that COPY has values of, in their order: generated ones left out, inherited ones first. An array that
** the caller frees; its names are valid as long as d. Who inherits from thousands of tables, or in a circle, is an
** error. */
int lb_pg_definition_columns(const lb_pg_definitions *d, int i, lb_pg_column **columns, int *count, lb_error *err);

#endif

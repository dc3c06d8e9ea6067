/* Which table of a script somebody means by "schema.table", and what to tell him when there is none. */
#ifndef LB_JOB_TABLE_NAME_H
#define LB_JOB_TABLE_NAME_H

#include "postgres/contents.h"
#include "postgres/definitions.h"

/* What a script has: names in messages and in questions are UTF-8, however the script writes them. */
typedef struct lb_tables {
  const char *path;                     /* of the backup, for messages */
  const lb_pg_definitions *definitions; /* settled */
  const lb_pg_contents *contents;       /* NULL: a dump of another tool */
  lb_pg_encoding *encoding;
} lb_tables;

/* One of both, or neither (-1): a definition; or a table of contents that nothing defines. */
typedef struct lb_table_choice { int definition, table; } lb_table_choice;

/* wanted: as in SQL, names in lower case unless in double quotes, with or without a schema. A name that is none, and
** one that several schemas have, is an error; no table of that name is no error, and leaves both at -1. */
int lb_tables_choose(const lb_tables *tables, const char *wanted, lb_table_choice *choice, lb_error *err);

/* The error that no table is called so: says what is meant by the name otherwise, names tables that are near. */
int lb_tables_fail_unknown(const lb_tables *tables, const char *wanted, lb_error *err);

/* schema.table, in double quotes where they are needed. Names are the script's bytes. Appended to out. */
void lb_tables_put_name(lb_pg_encoding *encoding, const char *schema, const char *name, lb_buf *out);

/* Whether a table of contents is the one that the script calls schema.name: names that are no UTF-8 look otherwise
** there. */
bool lb_tables_is_listed(const lb_pg_table *listed, const char *schema, const char *name, lb_error *err);

#endif

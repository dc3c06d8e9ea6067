/* What of a database every restore leaves as it is: extensions that belong to others than its user, on managed services
** to the service, so that he may not drop them; their tables and sequences. Private to the loading modules.
**
** What a script says about them would be refused. It is left out instead, as it is there already, and told.
*/
#ifndef LB_POSTGRES_KEPT_H
#define LB_POSTGRES_KEPT_H

#include "postgres/connection.h"
#include "postgres/tokens.h"

enum { LB_KEPT_NAME, LB_KEPT_OWNER };  /* columns of extensions */

typedef struct lb_pg_kept {
  PGresult *extensions;
  PGresult *schemas;       /* their names */
  PGresult *relations;     /* schema, name, extension */
} lb_pg_kept;

int lb_pg_kept_read(lb_pg *pg, lb_pg_kept *kept, lb_error *err);
void lb_pg_kept_free(lb_pg_kept *kept);  /* safe on a zeroed one */

/* The names of the schemas as a parameter, text[]. */
void lb_pg_kept_put_schemas(const lb_pg_kept *kept, lb_buf *array);

bool lb_pg_kept_extension(const lb_pg_kept *kept, const char *name);
bool lb_pg_kept_schema(const lb_pg_kept *kept, const char *name);  /* that one of them, or a part of it, lies in */

/* *extension: whose table or sequence it is that an SQL text names; NULL: of none, or named without its schema. */
int lb_pg_kept_relation(const lb_pg_kept *kept, const lb_qualified *name, const char **extension, lb_error *err);

#endif

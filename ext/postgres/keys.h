/* The primary keys that a backup gives its tables, out of the statements behind its data.
**
** Names are the script's bytes, without quotes. A table that the statement names without its schema is left out: what
** wrote the script has such a one in any schema.
*/
#ifndef LB_POSTGRES_KEYS_H
#define LB_POSTGRES_KEYS_H

#include "core/source.h"
#include "core/task.h"
#include "postgres/contents.h"

typedef struct lb_pg_keys lb_pg_keys;

/* Reads the blocks of kind LB_PART_POST_DATA. Memory: the names. NULL: err is set. */
lb_pg_keys *lb_pg_keys_read(lb_source *source, const lb_pg_contents *contents, lb_task *task, lb_error *err);
void lb_pg_keys_close(lb_pg_keys *keys);  /* accepts NULL */

/* The columns of a table's key in its order; *count 0 and NULL: it has none. */
char *const *lb_pg_keys_find(const lb_pg_keys *keys, const char *schema, const char *name, int *count);

#endif

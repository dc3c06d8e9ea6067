/* What target.h's parts about whole databases share: statements that an interrupt does not break off, and the mark of a
** scratch database. For ext/postgres/database.c, scratch.c and swap.c only.
*/
#ifndef LB_POSTGRES_DATABASE_H
#define LB_POSTGRES_DATABASE_H

#include "postgres/connection.h"

/* A database's comment begins with this while it is a scratch one; the comment to come follows after a newline. */
#define LB_PG_SCRATCH_MARK "scratch database of lifeboat: dropped when its maker is gone"

#define LB_PG_NAME_MAX 63  /* bytes of a name; the server would cut a longer one without a word */

/* LB_MISUSE for a name that is empty or too long. */
int lb_pg_name_check(const char *name, lb_error *err);

/* lb_pg_exec that an interrupt of the task does not break off: for what must not be left in doubt, and for cleaning up
** after an interrupt. Frees sql's content. */
int lb_pg_exec_whole(lb_pg *pg, lb_buf *sql, lb_error *err);
int lb_pg_rollback(lb_pg *pg);  /* the same for ROLLBACK, where a transaction is open; its failure has no consequence */

/* COMMENT ON DATABASE name IS comment (NULL: none). */
int lb_pg_database_comment(lb_pg *pg, const char *name, const char *comment, lb_error *err);

/* The comment of a database as a new text; NULL without err: none. */
char *lb_pg_database_comment_read(lb_pg *pg, const char *name, lb_error *err);

/* LB_BUSY while anybody else is in a database, workers of its subscriptions left aside, or has a transaction prepared
** in it; a session that was closed just now is waited for. */
int lb_pg_database_refuse_use(lb_pg *pg, const char *name, lb_error *err);

#endif

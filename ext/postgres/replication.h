/* Logical replication, as far as a restore meets it: subscriptions that are loaded or dropped, and what an exchanged
** database leaves behind.
**
** A slot on a publisher is named by one subscription only. A dump has its name, so that a copy of a subscription would
** use, or drop, the slot of the database that was backed up: nothing here ever connects a copy to it. Source:
** PostgreSQL's manual, ALTER SUBSCRIPTION, DROP SUBSCRIPTION.
*/
#ifndef LB_POSTGRES_REPLICATION_H
#define LB_POSTGRES_REPLICATION_H

#include "postgres/connection.h"

/* Subscriptions of pg's database that are not enabled, which is how a dump makes them, give up their slots' names; a
** line each in notes (NULL: none) says how to attach one again. Inside or outside of a transaction. The session's
** search_path is empty afterwards. */
int lb_pg_subscriptions_detach(lb_pg *pg, lb_buf *notes, lb_error *err);

/* LB_UNSUPPORTED where a subscription of pg's database has a slot: dropping that is work on another server, which no
** transaction can take back. */
int lb_pg_subscriptions_refuse(lb_pg *pg, lb_error *err);

/* Drops all subscriptions of a database, over a connection of its own, which an interrupt does not break off: DROP
** DATABASE would refuse them. Their slots stay on their publishers. Outside of a transaction. dropped: how many, also
** where it fails. */
int lb_pg_subscriptions_drop(lb_pg *maintenance, const char *database, int *dropped, lb_error *err);

/* Whether a database has any. */
bool lb_pg_subscriptions_any(lb_pg *maintenance, const char *database, lb_error *err);

/* A line each in notes for slots of a database that another has replaced, and for its subscriptions that have one: what
** becomes of them, and what to do. dropped: it goes; else it goes on under this name. */
int lb_pg_replication_notes(lb_pg *maintenance, const char *database, bool dropped, lb_buf *notes, lb_error *err);

#endif

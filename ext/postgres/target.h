/* The database that a restore is about: what is there, how it is emptied, made anew, and exchanged.
*/
#ifndef LB_POSTGRES_TARGET_H
#define LB_POSTGRES_TARGET_H

#include "postgres/connection.h"

/* ---- looking ---- */

/* Keeps other restores out of the database of pg for as long as that connection is open: LB_BUSY where one is at
** work. */
int lb_pg_target_claim(lb_pg *pg, lb_error *err);

/* Which session that is, for lb_pg_target_alone; allocated. NULL: err is set. */
char *lb_pg_target_session(lb_pg *pg, lb_error *err);

/* Whether nobody else is in the database of pg who could have made objects of their own, besides the session `claimant`
** and those of the name lifeboat; one that was closed just now is waited for. Another restore, which has claimed the
** database since that session was lost, is somebody else. */
bool lb_pg_target_alone(lb_pg *pg, const char *claimant);

/* Objects of users in the database of pg: schemas other than public, relations, functions, types, large objects,
** extensions other than those of template0, event triggers, publications, casts, servers …: 0 is an empty database.
** Extensions that the user may not drop, and their schemas, do not count. */
int lb_pg_target_count(lb_pg *pg, int64_t *objects, lb_error *err);

/* Whether dropping what is there and a load that takes `makes` locks fit the server's lock table
** (max_locks_per_transaction × all processes that it has room for, of which a tenth is left to others). Else LB_FULL
** with the figures, advising {"mode":"swap"} or a larger max_locks_per_transaction. */
int lb_pg_target_fits_one_transaction(lb_pg *pg, uint64_t makes, lb_error *err);

/* ---- transaction mode ---- */

/* LOCK TABLE … IN EXCLUSIVE MODE on all tables of users, within the transaction that pg has open: readers go on. */
int lb_pg_target_keep_writers_out(lb_pg *pg, lb_error *err);

/* Drops all objects of users within the transaction that pg has open, and makes public what a new database has. What it
** cannot drop (a subscription with a slot, an object of somebody else) is an error, but for extensions: these stay. */
int lb_pg_target_empty(lb_pg *pg, lb_error *err);

/* ---- databases ---- */

/* A statement about a database, without the database's name: head "name" tail. */
typedef struct lb_pg_property {
  char *head, *tail;
} lb_pg_property;

/* What of a database lies outside its content. Texts are plain; NULL: the server's default. */
typedef struct lb_pg_properties {
  char *encoding, *collate, *ctype;
  char *provider, *locale, *rules;       /* "libc", "icu", "builtin"; locale of the latter two; ICU's rules */
  char *owner, *comment, *tablespace;
  lb_pg_property *statements;            /* ALTER DATABASE … SET, GRANT … and the like, in their order: settings, ACL,
                                         ** security labels, connection limit */
  int statement_count;
} lb_pg_properties;

/* Of the database that pg is connected to. */
int lb_pg_properties_read(lb_pg *pg, lb_pg_properties *properties, lb_error *err);
void lb_pg_properties_free(lb_pg_properties *properties);

/* A connection to the server's maintenance database (postgres, else template1; template1 when uri names postgres) with
** uri's other parameters. NULL: err is set. */
lb_pg *lb_pg_maintenance_open(const char *uri, lb_task *task, lb_error *err);

/* The user of pg, where he may not create databases, for the caller to free; NULL: he may, or err is set. */
char *lb_pg_lacks_createdb(lb_pg *pg, lb_error *err);

/* CREATE DATABASE from template0 with the encoding and locale of properties (NULL: the server's). LB_EXISTS where the
** name is taken. A locale that the server does not have is an error that names it. After an interrupt there is none.
** Dropping is not broken off by one. */
int lb_pg_database_create(lb_pg *maintenance, const char *name, const lb_pg_properties *properties, lb_error *err);
/* Owner, comment, settings, ACL of properties onto a database, in one transaction. no_owner: the owner stays. A scratch
** database keeps its mark beside the comment until lb_pg_database_swap gives it a name of its own. */
int lb_pg_database_dress(lb_pg *maintenance, const char *name, const lb_pg_properties *properties, bool no_owner,
                         lb_error *err);
/* Whether that may be done, and nothing is changed. */
int lb_pg_database_try_dress(lb_pg *maintenance, const char *name, const lb_pg_properties *properties, bool no_owner,
                             lb_error *err);
/* IF EXISTS, a template as well. Its subscriptions are dropped first, unless somebody else is in it; their slots stay
** on the publishers. The caller has closed its sessions there; those of others are LB_BUSY, after up to 5 s. */
int lb_pg_database_drop(lb_pg *maintenance, const char *name, lb_error *err);

/* `fresh` takes the place of `name`, which becomes `aside`: both renames in one transaction. Sessions that are still in
** `name` are LB_BUSY with their application names, users and pids, or, with force, ended (new ones have to wait
** meanwhile, and then find the new database); prepared transactions cannot be ended. On failure, also of this process
** or the server, everything is as before. The caller has closed its own sessions in both. */
int lb_pg_database_swap(lb_pg *maintenance, const char *name, const char *fresh, const char *aside, bool force,
                        lb_error *err);

/* Whether the user of pg may let another database take the place of the one that it is connected to: renaming takes its
** owner's rights, and so does making the other one his (not with no_owner). LB_PERM says what to do. */
int lb_pg_swap_check(lb_pg *pg, bool no_owner, lb_error *err);

/* The scratch database `fresh` becomes `name`, which there is none of: LB_EXISTS where it came meanwhile. Nobody may be
** connected to it. */
int lb_pg_database_settle(lb_pg *maintenance, const char *fresh, const char *name, lb_error *err);

/* Scratch databases of ours are called lifeboat_PURPOSE_PID_STAMP and have a comment that says so. Their maker holds an
** advisory lock on `maintenance` for as long as that connection is open. A crash leaves one behind: the sweep drops
** those whose maker is gone, sessions in them ended. purpose: lower-case letters, at most 16. *name is allocated. */
int lb_pg_scratch_create(lb_pg *maintenance, const char *purpose, const lb_pg_properties *properties, char **name,
                         lb_error *err);
/* lb_pg_database_drop, through another connection where that one is lost. */
int lb_pg_scratch_drop(lb_pg *maintenance, const char *name, lb_error *err);
void lb_pg_scratch_sweep(lb_pg *maintenance);

#endif

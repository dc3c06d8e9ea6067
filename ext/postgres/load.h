/* A script into a database, over libpq.
**
** Any error of the server is an error of the call, with the statement's beginning and its offset in the script.
** Settings in a preamble that the server does not know become notes. \restrict and \unrestrict are skipped, as are the
** statements around the only \connect (CREATE DATABASE, ALTER DATABASE … OWNER): the target was named by the caller.
*/
#ifndef LB_POSTGRES_LOAD_H
#define LB_POSTGRES_LOAD_H

#include "core/source.h"
#include "postgres/connection.h"
#include "postgres/contents.h"

typedef struct lb_pg_load {
  lb_pg *pg;
  lb_source *source;
  const lb_pg_contents *contents;  /* NULL: a script of another tool */
  lb_task *task;
  lb_buf *notes;
  int jobs;                        /* connections of lb_pg_load_parallel, pg among them */
  bool no_owner, no_privileges;
  bool no_roles;                   /* a roles part is left out */
  bool no_policies;                /* policies and user mappings of roles are left out */
  bool no_tablespaces;             /* everything goes into the database's own */
  /* Results. */
  uint64_t statements, rows;       /* that were executed, and copied */
} lb_pg_load;

/* In order, on pg, inside or outside of a transaction as the caller has begun it. With contents, every part's rows are
** held against it. */
int lb_pg_load_serial(lb_pg_load *load, lb_error *err);

/* Only with contents and source->range: pre-data on pg, then data parts at once on `jobs` connections, then sequences
** and large objects, then post-data: indexes and keys at once, everything else in its order. Not atomic: for a database
** that nobody uses yet. Ends with what was written being durable. */
int lb_pg_load_parallel(lb_pg_load *load, lb_error *err);

/* ANALYZE of all tables of users, largest first; several at once with jobs > 1 outside of a transaction. Foreign
** tables, and tables above one, are left out: it would ask their servers. */
int lb_pg_load_analyze(lb_pg_load *load, lb_error *err);

#endif

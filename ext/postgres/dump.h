/* A whole database as one SQL script into a sink: schema by pg_dump, data by parallel COPY, all under one snapshot.
**
** Each connection is read by a thread into a chunk of its own; a chunk that is full becomes one COPY statement of the
** script, written by the caller's thread. So tables' data interleave in the script, statement by statement, each
** beginning a block; big heap tables are read in ctid ranges by several connections. The sink's claim is the
** back-pressure. Memory: two chunks a connection; long rows come in pieces (dump_long.h).
**
** The order: roles (where asked for), pre-data, data, sequences, large objects, post-data. The pg_dumps of all of them
** begin at once, so that no later ALTER TABLE can come between their locks and ours; post-data waits in spool, the
** large objects in their pipe.
*/
#ifndef LB_POSTGRES_DUMP_H
#define LB_POSTGRES_DUMP_H

#include "core/stream.h"
#include "postgres/contents.h"
#include "postgres/program.h"
#include "postgres/relations.h"
#include "postgres/snapshot.h"

typedef enum lb_pg_roles { LB_PG_ROLES_NONE, LB_PG_ROLES_BARE, LB_PG_ROLES_PASSWORDS } lb_pg_roles;

typedef struct lb_pg_dump {
  lb_pg_snapshot *snapshot;
  const lb_pg_tools *tools;
  const lb_pg_filter *filter;
  const lb_pg_relations *relations;
  lb_pg_roles roles;
  int spool_fd;              /* an empty file of the caller's; path for messages */
  const char *spool_path;
  lb_task *task;
  lb_buf *notes;
} lb_pg_dump;

/* Starts the pg_dumps, and waits until they have their locks. LB_BUSY: somebody waits to change a table and is in their
** way, as our locks are in somebody's; end the snapshot, and try again with a new one. pg_dump waits for at most
** lock_wait ms, more than 0. NULL: err is set. */
typedef struct lb_pg_dumping lb_pg_dumping;
lb_pg_dumping *lb_pg_dump_begin(const lb_pg_dump *dump, int64_t lock_wait, lb_error *err);

/* Writes the script. contents gets what lies in which block. */
int lb_pg_dump_run(lb_pg_dumping *dumping, lb_sink *sink, lb_pg_contents *contents, lb_error *err);
void lb_pg_dump_end(lb_pg_dumping *dumping);  /* accepts NULL */

/* Counts rows and checksums of all tables, writes nothing: contents gets the tables, without parts. */
int lb_pg_dump_measure(const lb_pg_dump *dump, lb_pg_contents *contents, lb_error *err);

#endif

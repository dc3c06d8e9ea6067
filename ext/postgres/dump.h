/* A whole database as one SQL script into a sink: schema by pg_dump, data by parallel COPY, all under one snapshot.
**
** One thread, one event loop over the connections: whichever has rows is read into its own chunk; a chunk that is full
** becomes one COPY statement of the script. So tables' data interleave in the script, statement by statement, each
** beginning a block; big heap tables are read in ctid ranges by several connections. The sink's claim is the
** back-pressure. Memory: a chunk a connection, or the longest row (which libpq holds twice).
**
** The order: roles (where asked for), pre-data, data, sequences, large objects, post-data. Both pg_dumps of the schema
** begin at once, so that no later ALTER TABLE can come between them; post-data waits in spool.
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

/* Writes the script. contents gets what lies in which block. */
int lb_pg_dump_run(const lb_pg_dump *dump, lb_sink *sink, lb_pg_contents *contents, lb_error *err);

/* Counts rows and checksums of all tables, writes nothing: contents gets the tables, without parts. For verification. */
int lb_pg_dump_measure(const lb_pg_dump *dump, lb_pg_contents *contents, lb_error *err);

#endif

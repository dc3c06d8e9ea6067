/* One exported snapshot of a database, read by several connections at once.
**
** The leader's transaction (REPEATABLE READ, READ ONLY) exports it and stays open; the others join it. What is read on
** any of them is the database at one moment. Source: PostgreSQL's manual, "Snapshot Synchronization Functions".
*/
#ifndef LB_POSTGRES_SNAPSHOT_H
#define LB_POSTGRES_SNAPSHOT_H

#include "postgres/connection.h"

typedef struct lb_pg_snapshot {
  lb_pg **lanes;       /* lanes[0] is the leader, and not ours to close */
  int lane_count;
  char *id;            /* as pg_dump --snapshot wants it */
  int64_t lock_timeout;
  double taken;        /* lb_clock_monotonic() */
} lb_pg_snapshot;

/* Takes it on pg, with the settings of lb_pg_fix_settings. lock_timeout: ms, 0: none. */
int lb_pg_snapshot_take(lb_pg *pg, int64_t lock_timeout, lb_pg_snapshot *snapshot, lb_error *err);

/* Opens connections until there are `lanes`. A transaction pooler, where an exported snapshot is not found on another
** connection, is an error that says to connect to the server itself. Fewer than asked are enough (with a note in notes)
** where the server has no connection left. */
int lb_pg_snapshot_widen(lb_pg_snapshot *snapshot, int lanes, lb_buf *notes, lb_error *err);

/* Who waits until the leader lets go of a table: "process 4711 waits for AccessExclusiveLock on public.orders".
** Allocated; NULL without err: nobody. */
char *lb_pg_snapshot_waiter(const lb_pg_snapshot *snapshot, lb_error *err);

/* Ends the transactions, closes the other lanes. Safe on a zeroed one. */
void lb_pg_snapshot_end(lb_pg_snapshot *snapshot);

#endif

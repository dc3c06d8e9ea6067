/* A SQLite database to back up: one snapshot of it, read by the Online Backup API in one step.
**
** The source is read through a private connection wherever that can see the same content. The caller's own connection
** serves in-memory schemas, schemas on another VFS, files that were moved away, and connections that lock others out.
** Reading leaves the source's folder as it was: no checkpoint, no -wal or -shm of ours (docs/architecture.md has why).
*/
#ifndef LB_SQLITE_SOURCE_H
#define LB_SQLITE_SOURCE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/buffer.h"
#include "core/stream.h"
#include "sqlite/connection.h"

typedef struct lb_sqlite_source {
  sqlite3 *db;
  bool own;               /* db is private; else the caller's */
  char *schema;           /* of db */
  char *path;             /* absolute; NULL for an in-memory database */
  char *label;            /* for messages: the path, or "main (in memory)" */
  lb_task *task;
  int64_t timeout_ms;
  bool had_shm;           /* a -shm file was there before we came */
  bool in_snapshot;
  double snapshot_began;

  /* Known from begin on. */
  int64_t page_size, page_count;
  char journal_mode[16];  /* delete, truncate, persist, memory, wal, off */
  double snapshot_seconds;/* how long it was held; known after end */
} lb_sqlite_source;

/* spec: a schema of the caller's connection, a path or a file: URI. caller may be NULL: then no schema is looked up.
** A schema with an open write transaction is LB_BUSY: what is not committed would be missing. */
int lb_sqlite_source_open(lb_sqlite_source *source, sqlite3 *caller, const char *spec, int64_t timeout_ms,
                          lb_task *task, lb_error *err);

/* The same for reading by statements, through source->db. A schema with an open write transaction is read by the
** caller's connection, with what is not committed yet. */
int lb_sqlite_source_open_view(lb_sqlite_source *source, sqlite3 *caller, const char *spec, int64_t timeout_ms,
                               lb_task *task, lb_error *err);

/* Takes the snapshot: from here to end, the content is as it is now. */
int lb_sqlite_source_begin(lb_sqlite_source *source, lb_error *err);

/* Whether holding the snapshot keeps others from committing (a rollback journal; WAL does not). */
bool lb_sqlite_source_blocks_writers(const lb_sqlite_source *source);

/* All pages into the sink. */
int lb_sqlite_source_copy(lb_sqlite_source *source, lb_sink *sink, lb_error *err);

void lb_sqlite_source_end(lb_sqlite_source *source);

/* Changes whenever somebody commits to the source: compare before and after. Outside a snapshot. */
int lb_sqlite_source_stamp(lb_sqlite_source *source, uint64_t *stamp, lb_error *err);

void lb_sqlite_source_close(lb_sqlite_source *source);

#endif

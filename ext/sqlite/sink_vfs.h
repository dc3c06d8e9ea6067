/* A write-only VFS: SQLite believes it writes a database file, and its pages come out as blocks of a sink.
**
** The destination of the Online Backup API. Pages arrive in order, but for page 1, which SQLite holds until it commits;
** pages that are never written (the lock-byte page at 1 GiB) come out as zeros. Nothing that was given away is read
** back.
*/
#ifndef LB_SQLITE_SINK_VFS_H
#define LB_SQLITE_SINK_VFS_H

#include <sqlite3ext.h>
#include <stdint.h>

#include "core/stream.h"
#include "core/task.h"

typedef struct lb_sink_vfs lb_sink_vfs;

/* Registers a VFS of its own for one database of page_size × page_count bytes. */
lb_sink_vfs *lb_sink_vfs_open(lb_sink *sink, int64_t page_size, int64_t page_count, lb_task *task, lb_error *err);

/* The name to pass to sqlite3_open_v2, with any file name. */
const char *lb_sink_vfs_name(const lb_sink_vfs *vfs);

/* What the sink or the VFS reported first, where SQLite only said "disk I/O error"; LB_OK when it is not to blame. */
int lb_sink_vfs_failure(const lb_sink_vfs *vfs, lb_error *err);

/* After the backup is done and its connection closed: gives the rest away (last block, page 1), checks that all
** came. */
int lb_sink_vfs_finish(lb_sink_vfs *vfs, lb_error *err);

/* Unregisters and frees. Accepts NULL. */
void lb_sink_vfs_close(lb_sink_vfs *vfs);

#endif

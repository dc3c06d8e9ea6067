/* The host's default VFS with larger strides: reads of a snapshot come from a window of 64 KiB, and writes that follow
** one another go down together.
**
** SQLite reads and journals page by page; on a database of a gigabyte the system calls cost as much as the bytes. Files
** are opened by the host's VFS underneath, so that locks, shared memory and journals are those that every other
** connection sees.
**
** Reading ahead is right only while nobody can change the pages that this connection reads from the database file: in
** a read transaction (a rollback journal's SHARED lock; in WAL mode a checkpoint only writes pages that this reader
** finds in the WAL instead). It is off until lb_buffered_read_ahead turns it on, for that long.
**
** Writing behind keeps SQLite's order: what was collected goes down before the same file is synced, truncated, locked,
** unlocked or closed, and before a read that overlaps it. So data that SQLite has synced is on disk before its next
** write to another file, which is all that SQLite relies on with synchronous=FULL: a connection that writes sets that.
** A write that failed is reported by the next call whose result SQLite heeds.
**
** What goes into a -wal or a journal is given to the disk early, so that its sync does not have to wait for all of it.
*/
#ifndef LB_SQLITE_BUFFERED_VFS_H
#define LB_SQLITE_BUFFERED_VFS_H

#include <sqlite3ext.h>
#include <stdbool.h>

#include "core/error.h"

/* The name to open connections with. Registers the VFS at the first call, from any thread; it stays registered. NULL:
** err is set. */
const char *lb_buffered_vfs(lb_error *err);

/* For a connection that was opened with it: begins or ends reading ahead in the main database's file. */
void lb_buffered_read_ahead(sqlite3 *db, bool on);

/* For a connection that never writes: while it reads ahead, SQLite uses pages where they lie in the window, through its
** interface for mapped files, instead of copying each into its cache. The window keeps its content as long as a page of
** it is in use. Nothing is mapped. */
void lb_buffered_lend_pages(sqlite3 *db);

#endif

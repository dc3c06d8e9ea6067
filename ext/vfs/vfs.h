/* The VFS `lifeboat`: a SQLite backup presented to SQLite as a read-only database, without unpacking it.
**
**     ATTACH 'file:/data/backups/admin_sqlite_20251104_120000.db.gz?vfs=lifeboat' AS old;
**     SELECT * FROM old.agents WHERE id = 7;
**
** Pages come from the blocks that hold them, each checked as it is read; inflated blocks stay in a cache that all
** connections of the process share (cache.h). A scan has the next blocks inflated ahead of it. The database is
** immutable: nothing is locked, journals and -wal files beside it are not looked at, whatever their content; a header
** that says WAL is presented as saying rollback. Writing is SQLITE_READONLY. The backup's file stays open, so that one
** that is deleted goes on working until the last connection closes; it is not locked: rotation may remove it.
**
** A plain database file is read through the default VFS, likewise immutable; with a -wal or -journal beside it, it is
** refused, because it is one in use or one that crashed. Temporary files, and the super-journal of a transaction on
** other databases, of a connection whose main database is ours are given to the default VFS too.
**
** A bad block is SQLITE_IOERR_DATA; which one, and why a file does not open, sqlite3_log says. What is inside is
** hostile as far as SQLite copes: it is not checked here that pages make sense. Source: sqlite.org, "The SQLite OS
** Interface", "URI Filenames", "The Virtual Filesystem Object" (SQLITE_IOCAP_IMMUTABLE).
*/
#ifndef LB_VFS_VFS_H
#define LB_VFS_VFS_H

#include "core/error.h"

#define LB_VFS_NAME "lifeboat"

/* For sqlite3_file_control on a database of this VFS: makes the lb_error that it is given what made the last read fail
** that did, and leaves it alone where none has. SQLite's own message is only "disk I/O error". */
#define LB_VFS_FAILURE 0x4c424641

/* Registers it with the host's SQLite, once a process (later calls do nothing); it is never the default. */
int lb_vfs_register(lb_error *err);

/* The URI that opens a backup's file, whose path is absolute, through it; percent-encoded. Allocated. */
char *lb_vfs_uri(const char *path, lb_error *err);

#endif

/* How many bytes each b-tree of a database file takes, as dbstat counts them: interior, leaf and overflow pages, each
** as a whole. SQLite need not have dbstat compiled in, and nothing is read twice.
**
** The file is hostile: every page number is held against the file's length, and no page is visited twice, in whatever
** tree, so that a walk ends after as many pages as there are. What breaks these rules is LB_CORRUPT. It does not look
** at the content of rows, at free pages or at pointer maps (btree.h reads the pages).
*/
#ifndef LB_SQLITE_SIZES_H
#define LB_SQLITE_SIZES_H

#include <stdint.h>

#include "core/error.h"
#include "core/task.h"
#include "sqlite/recognize.h"

typedef struct lb_sqlite_sizes lb_sqlite_sizes;

/* fd: the whole database, with nothing in a -wal; stays the caller's, who closes it when no connection has the file
** open any more (POSIX locks). header: of that file, not of an empty one; bytes: its length. label, for messages, must
** stay valid. Memory: a page, a bit for each page, and four bytes for each page that is known and waits to be read.
** NULL: err is set. */
lb_sqlite_sizes *lb_sqlite_sizes_open(int fd, const lb_sqlite_header *header, uint64_t bytes, const char *label,
                                      lb_task *task, lb_error *err);

/* Bytes of the tree that begins at page `root`, of the table or index `name`. Each tree can be asked for once. */
int lb_sqlite_sizes_of(lb_sqlite_sizes *sizes, int64_t root, const char *name, int64_t *bytes, lb_error *err);

void lb_sqlite_sizes_close(lb_sqlite_sizes *sizes);  /* accepts NULL */

#endif

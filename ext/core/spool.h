/* A sink that is a file: content goes down uncompressed, at its own offsets.
**
** Used where a lock on the source may not be held as long as compressing takes, and for plain copies of a database.
*/
#ifndef LB_CORE_SPOOL_H
#define LB_CORE_SPOOL_H

#include "core/stream.h"
#include "core/task.h"

typedef struct lb_spool lb_spool;

/* fd is open for reading and writing, empty, and stays the caller's; path is for messages. */
lb_spool *lb_spool_open(int fd, const char *path, lb_task *task, lb_error *err);
lb_sink *lb_spool_sink(lb_spool *spool);

/* Feeds what was collected into another sink, in order. */
int lb_spool_pour(lb_spool *spool, lb_sink *into, lb_error *err);
void lb_spool_close(lb_spool *spool);  /* accepts NULL */

#endif

/* A sink that takes everything at once: what the sink behind it has no room for yet waits in a file.
**
** Used where a lock on the source may not be held as long as compressing takes. Without a sink behind it, it is a plain
** copy: content goes to the file, uncompressed, at its own offsets.
*/
#ifndef LB_CORE_SPOOL_H
#define LB_CORE_SPOOL_H

#include "core/stream.h"
#include "core/task.h"

typedef struct lb_spool lb_spool;

/* fd is open for reading and writing, empty, and stays the caller's; path is for messages. into: the sink behind, or
** NULL. */
lb_spool *lb_spool_open(int fd, const char *path, lb_sink *into, lb_task *task, lb_error *err);
lb_sink *lb_spool_sink(lb_spool *spool);

/* Gives the sink behind all that still waits. */
int lb_spool_pour(lb_spool *spool, lb_error *err);
void lb_spool_close(lb_spool *spool);  /* accepts NULL */

#endif

/* A file that is written from its beginning to its end, by a thread of its own, past the page cache.
**
** What goes through the page cache costs a copy and a page for every 4 KiB, pushes out what the host and others have
** there, and is in the way of their commits when it is written back. O_DIRECT spares all that, and is no faster where
** the caller waits for the disk: so a thread does, with some pieces in hand. Where a file system has no such writes the
** thread makes ordinary ones.
*/
#ifndef LB_CORE_APPENDER_H
#define LB_CORE_APPENDER_H

#include <stddef.h>

#include "core/error.h"

typedef struct lb_appender lb_appender;

/* fd is open for writing, empty, and stays the caller's, who does not use it before lb_appender_end. path is for
** messages. Memory: 3 MiB. */
lb_appender *lb_appender_open(int fd, const char *path, lb_error *err);

/* The next n bytes, copied; data NULL: zeros. A failure may be that of an earlier call's bytes. */
int lb_appender_put(lb_appender *appender, const void *data, size_t n, lb_error *err);

/* All of it is written, not yet synced, and fd is an ordinary one again. */
int lb_appender_end(lb_appender *appender, lb_error *err);

void lb_appender_close(lb_appender *appender);  /* accepts NULL */

#endif

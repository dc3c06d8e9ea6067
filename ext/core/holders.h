/* Who holds a file: for messages such as "locked by pid 4242 (php-fpm)".
**
** Read from Linux's /proc without opening the file itself (closing a descriptor would drop SQLite's POSIX locks in
** this process). Processes of other users may be invisible; where /proc is absent nobody is found.
*/
#ifndef LB_CORE_HOLDERS_H
#define LB_CORE_HOLDERS_H

#include "core/buffer.h"

/* Appends " (locked by pid 4242 (php-fpm), …)" for the locks on path, path-wal and path-shm; nothing where none is
** known. Names who excludes others, else who shares; this process, which may hold locks of its own, only where nobody
** else does. */
void lb_holders_of_locks(const char *path, lb_buf *out);

/* Appends "pid 4242 (php-fpm), this process" for whoever has path open, this process only beyond `own` descriptors.
** Returns how many hold it. */
int lb_holders_of_file(const char *path, int own, lb_buf *out);

/* Whether this process has path open. */
bool lb_holders_open_here(const char *path);

#endif

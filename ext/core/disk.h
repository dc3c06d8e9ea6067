/* Damage told from a disk that fails.
**
** SQLite calls damaged what the disk does not give: of a read that ends with EIO its VFS says SQLITE_IOERR_CORRUPTFS,
** which a statement turns into SQLITE_CORRUPT. What is to be done with a damaged file (set it aside, take it for none,
** remember that it is) must not be done for that.
*/
#ifndef LB_CORE_DISK_H
#define LB_CORE_DISK_H

#include <stdbool.h>

struct sqlite3;

/* Whether the last failure of the operating system on the file of a schema was the disk's. A VFS that does not tell:
** false. */
bool lb_disk_failed(struct sqlite3 *db, const char *schema);

#endif

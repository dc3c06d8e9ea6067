/* See disk.h. */
#include "core/disk.h"

#include <errno.h>
#include <sqlite3ext.h>

SQLITE_EXTENSION_INIT3

/* Those of which unixRead() of SQLite's os_unix.c makes SQLITE_IOERR_CORRUPTFS. */
bool lb_disk_failed(sqlite3 *db, const char *schema)
{
  int errnum = 0;
  if (sqlite3_file_control(db, schema, SQLITE_FCNTL_LAST_ERRNO, &errnum) != SQLITE_OK) return false;
  return errnum == EIO || errnum == ENXIO || errnum == ERANGE;
}

/* The file catalog.db itself: whose it is, opening it, making it, setting a damaged one aside. What lies in its tables
** is history.h's.
**
** A folder of backups may hold a database of somebody else under that name, so a file is taken for ours only when it
** says so: it is empty, or its header has our application_id, or it was made before there was one (application_id 0,
** user_version 1 and exactly our tables). Any other is left as it is: LB_EXISTS.
*/
#ifndef LB_CATALOG_HISTORY_FILE_H
#define LB_CATALOG_HISTORY_FILE_H

#include <sqlite3ext.h>
#include <stdbool.h>
#include <sys/stat.h>

#include "core/error.h"

#define LB_HISTORY_APPLICATION_ID 0x4c666274 /* "Lfbt" */

typedef struct lb_history_file {
  sqlite3 *db;
  char *path;
  struct stat opened;  /* which file it was: another process may set a damaged one aside at the same time */
  bool ours;           /* its header says so, or it is empty: it may be set aside */
} lb_history_file;

/* Sets the path; file needs no close before an open, but a free of the path: lb_history_file_free does both. */
int lb_history_file_init(lb_history_file *file, const char *dir, lb_error *err);
void lb_history_file_free(lb_history_file *file);

/* Makes it, empty, where there is none; as root for the owner of the folder. */
int lb_history_file_create(const lb_history_file *file, lb_error *err);

/* Opens one that exists and is ours, with pragmas executed. SQLite itself falls back to reading where it may not be
** written. */
int lb_history_file_open(lb_history_file *file, const char *pragmas, lb_error *err);
void lb_history_file_close(lb_history_file *file);

/* The same question as at the open, asked of the database: one that lies in a transaction is answered for good.
** *empty: it has no tables yet. */
int lb_history_file_check(lb_history_file *file, bool *empty, lb_error *err);

/* Makes what tables it lacks, within the caller's transaction, and says that it is ours. */
int lb_history_file_schema(lb_history_file *file, lb_error *err);

/* Renames a damaged one, with what SQLite keeps beside it, to the first free name of catalog.db.damaged,
** catalog.db.damaged_2, …. */
int lb_history_file_set_aside(const lb_history_file *file, lb_error *err);

/* Sets err from a result code of SQLite. */
int lb_history_file_fail(const lb_history_file *file, int rc, lb_error *err);

#endif

/* One side of a comparison: a backup, or a database of SQLite, opened for reading.
**
** A spec is a schema of the caller's connection, else a plain database file, which is read as it is now like a schema,
** else a backup. A backup of SQLite is read in place, by statements through the VFS and by pages.
*/
#ifndef LB_JOB_SIDE_H
#define LB_JOB_SIDE_H

#include "archive/reader.h"
#include "job/job.h"
#include "sqlite/btree.h"
#include "sqlite/diff.h"
#include "sqlite/source.h"
#include "vfs/cache.h"

typedef struct lb_side {
  lb_diff_side rows;         /* what statements are run on; of SQLite */
  bool live;                 /* a database; else a backup */
  bool postgres;             /* a backup of PostgreSQL: only `backup` is open */

  lb_sqlite_source source;   /* of a live one */
  sqlite3_stmt *hold;        /* keeps the caller's connection in its snapshot; NULL: it is not used */

  lb_opened backup;          /* of a backup */
  lb_cached_file *cached;
  lb_cache_trail trail;

  lb_pages pages;            /* size 0: there are none, or nothing is known of them. read NULL: not at any time */
  uint64_t bytes;            /* of the database; of a backup */
} lb_side;

/* Opens both sides of a comparison, in a snapshot each. `latest` of one is of the database that the other is, or of its
** kind of database. Close them also after a failure. */
int lb_side_open_both(lb_job *job, const char *const specs[2], lb_side sides[2], lb_error *err);
void lb_side_close(lb_side *side);

/* Makes an error out of SQLite's what it was about: a block of a backup that could not be read. */
void lb_side_explain(const lb_side *side, lb_error *err);

#endif

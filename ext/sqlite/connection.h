/* Connections of our own to SQLite databases, and SQLite's errors as ours.
**
** Everything goes through the host's function table (sqlite3ext.h); nothing links libsqlite3.
*/
#ifndef LB_SQLITE_CONNECTION_H
#define LB_SQLITE_CONNECTION_H

#include <sqlite3ext.h>
#include <stddef.h>
#include <stdint.h>

#include "core/error.h"
#include "core/task.h"

/* Opens path (or a file: URI when flags has SQLITE_OPEN_URI) and hardens the connection: what is inside a database must
** not run (triggers and views off, no functions but SQLite's harmless ones, defensive), and no mmap, so that a file cut
** short by somebody is an error and not a SIGBUS. Locks are waited for up to timeout_ms; the task is polled while
** statements run. vfs: NULL for the default. NULL: err is set, naming label. */
sqlite3 *lb_db_open(const char *path, int flags, const char *vfs, int64_t timeout_ms, lb_task *task, const char *label,
                    lb_error *err);
void lb_db_close(sqlite3 *db);  /* accepts NULL */

/* A collation, as sqlite3_create_collation_v2 takes it: byte by byte, whatever the encoding. */
int lb_db_compare_bytes(void *ctx, int n, const void *a, int m, const void *b);

/* From here on a collation that is not known here is one that compares bytes: for connections that neither look up nor
** order by one. Without it SQLite does not so much as count the rows of some tables. Names that begin with
** LB_OWN_COLLATIONS are not stood in for. */
#define LB_OWN_COLLATIONS "lifeboat_"
void lb_db_stand_in_collations(sqlite3 *db);

/* Closes a connection that only read the database at path (NULL: in memory) and leaves its folder as it was: no
** checkpoint of a -wal with content, no -shm of ours. had_shm: lb_db_has_shm(path) before the first read. */
void lb_db_close_untouched(sqlite3 *db, const char *path, bool had_shm);
bool lb_db_has_shm(const char *path);

int lb_db_exec(sqlite3 *db, const char *sql, const char *label, lb_error *err);

/* The first column of the first row. */
int lb_db_integer(sqlite3 *db, const char *sql, int64_t *value, const char *label, lb_error *err);
int lb_db_text(sqlite3 *db, const char *sql, char *value, size_t size, const char *label, lb_error *err);

/* Pages that db has written to its files so far, or to their -wal: the same number before a transaction and after its
** commit proves that this one changed nothing. */
int lb_db_pages_written(sqlite3 *db);

/* Turns the result code rc of db into err: "LABEL: database is locked (locked by pid 4242 (php-fpm))". */
int lb_db_fail(sqlite3 *db, int rc, const char *label, lb_error *err);

/* The first column of the first row of `PRAGMA schema.pragma`. */
int lb_db_pragma_integer(sqlite3 *db, const char *schema, const char *pragma, int64_t *value, const char *label,
                         lb_error *err);
int lb_db_pragma_text(sqlite3 *db, const char *schema, const char *pragma, char *value, size_t size, const char *label,
                      lb_error *err);

/* Objects in a schema: 0 when it holds nothing. */
int lb_db_object_count(sqlite3 *db, const char *schema, int64_t *count, const char *label, lb_error *err);

#endif

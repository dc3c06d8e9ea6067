/* See history.h.
**
** Two tables in catalog.db: `run`, one row for every operation, and `verification`, the last result for every file. The
** file lies among the backups, so it is as hostile as they are: no triggers, no views, no trusted functions.
** Every call opens and closes its own connection: calls are rare, and nothing of ours stays open in the host. */
#include "catalog/history.h"

#include <errno.h>
#include <fcntl.h>
#include <sqlite3ext.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/file.h"

SQLITE_EXTENSION_INIT3

#define CATALOG "catalog.db"
#define SCHEMA_VERSION 1
#define BUSY_MS 5000

static const char schema_sql[] =
  "CREATE TABLE IF NOT EXISTS run(id INTEGER PRIMARY KEY, operation TEXT NOT NULL, backup TEXT, source TEXT,"
  " target TEXT, started INTEGER NOT NULL, seconds REAL, snapshot_seconds REAL, bytes INTEGER, raw_bytes INTEGER,"
  " error TEXT, notes TEXT);"
  "CREATE TABLE IF NOT EXISTS verification(file TEXT NOT NULL UNIQUE, bytes INTEGER NOT NULL, mtime INTEGER NOT NULL,"
  " at INTEGER NOT NULL, level TEXT, result TEXT NOT NULL);"
  "PRAGMA user_version=1;";

/* Ids and rowids grow with every row, so that the highest are the newest. */
static const char add_run_sql[] =
  "INSERT INTO run(operation, backup, source, target, started, seconds, snapshot_seconds, bytes, raw_bytes, error,"
  " notes) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)";
static const char trim_run_sql[] = "DELETE FROM run WHERE id <= (SELECT max(id) FROM run) - 10000";
static const char add_verification_sql[] =
  "INSERT OR REPLACE INTO verification(file, bytes, mtime, at, level, result) VALUES(?1, ?2, ?3, ?4, ?5, ?6)";
static const char trim_verification_sql[] =
  "DELETE FROM verification WHERE rowid <= (SELECT max(rowid) FROM verification) - 10000";

typedef struct catalog {
  sqlite3 *db;
  char *path;
  struct stat opened;  /* which file it was: another process may set a damaged one aside at the same time */
} catalog;

/* ---- connection ---- */

static lb_code code_of_sqlite(int rc)
{
  switch (rc & 0xff) {
  case SQLITE_NOMEM:                        return LB_NOMEM;
  case SQLITE_BUSY: case SQLITE_LOCKED:     return LB_BUSY;
  case SQLITE_FULL:                         return LB_FULL;
  case SQLITE_READONLY: case SQLITE_PERM: case SQLITE_CANTOPEN: return LB_PERM;
  case SQLITE_CORRUPT: case SQLITE_NOTADB:  return LB_CORRUPT;
  case SQLITE_IOERR:                        return LB_IO;
  default:                                  return LB_ERROR;
  }
}

static int fail_sqlite(const catalog *c, int rc, lb_error *err)
{
  const char *reason = c->db ? sqlite3_errmsg(c->db) : sqlite3_errstr(rc);
  return lb_fail(err, code_of_sqlite(rc), "history %s: %s", c->path, reason);
}

static void close_catalog(catalog *c)
{
  sqlite3_close(c->db);
  c->db = NULL;
}

static void harden(sqlite3 *db)
{
  sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
  sqlite3_db_config(db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
  sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, NULL);
  sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_VIEW, 0, NULL);
  sqlite3_busy_timeout(db, BUSY_MS);
}

/* Never creates the file. For writing, SQLite itself falls back to reading where the file may not be written. */
static int open_existing(catalog *c, const char *pragmas, lb_error *err)
{
  if (lstat(c->path, &c->opened)) return lb_fail_errno(err, errno, "cannot open %s", c->path);
  if (!S_ISREG(c->opened.st_mode)) return lb_fail(err, LB_CORRUPT, "history %s: not a regular file", c->path);
  int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_NOFOLLOW;
  int rc = sqlite3_open_v2(c->path, &c->db, flags, NULL);
  if (rc == SQLITE_OK) {
    harden(c->db);
    rc = sqlite3_exec(c->db, pragmas, NULL, NULL, NULL);
  }
  return rc == SQLITE_OK ? LB_OK : fail_sqlite(c, rc, err);
}

static int catalog_path(catalog *c, const char *dir, lb_error *err)
{
  /* SQLITE_OPEN_NOFOLLOW refuses a link anywhere in a path; only catalog.db itself is meant. */
  char *real = lb_path_absolute(dir, err);
  c->db = NULL;
  c->path = real ? lb_path_join(real, CATALOG, err) : NULL;
  free(real);
  return err->code;
}

static int get_user_version(catalog *c, int *version, lb_error *err)
{
  sqlite3_stmt *stmt = NULL;
  int rc = sqlite3_prepare_v2(c->db, "PRAGMA user_version", -1, &stmt, NULL);
  if (rc == SQLITE_OK && (rc = sqlite3_step(stmt)) == SQLITE_ROW) {
    *version = sqlite3_column_int(stmt, 0);
    rc = SQLITE_OK;
  }
  sqlite3_finalize(stmt);
  if (rc != SQLITE_OK) return fail_sqlite(c, rc, err);
  if (*version <= SCHEMA_VERSION) return LB_OK;
  return lb_fail(err, LB_UNSUPPORTED, "history %s was written by a newer version", c->path);
}

/* ---- writing ---- */

/* SQLite would create it by the host's umask; nobody but its owner has business here. */
static int create_file(const char *path, lb_error *err)
{
  int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
  if (fd < 0 && errno != EEXIST) return lb_fail_errno(err, errno, "cannot create %s", path);
  if (fd >= 0) close(fd);
  return LB_OK;
}

/* A stale journal must go too: it would be rolled back into the new file. */
static int set_aside(catalog *c, lb_error *err)
{
  static const char *const companions[] = { "-journal", "-wal", "-shm" };
  struct stat now;
  if (lstat(c->path, &now) || now.st_ino != c->opened.st_ino || now.st_dev != c->opened.st_dev) return LB_OK;
  char *damaged = lb_text_printf(err, "%s.damaged", c->path);
  if (damaged && rename(c->path, damaged)) lb_fail_errno(err, errno, "cannot rename %s", c->path);
  free(damaged);
  for (size_t i = 0; err->code == LB_OK && i < sizeof companions / sizeof companions[0]; i++) {
    char *path = lb_text_printf(err, "%s%s", c->path, companions[i]);
    if (path && unlink(path) && errno != ENOENT) lb_fail_errno(err, errno, "cannot remove %s", path);
    free(path);
  }
  return err->code;
}

/* The statements of one row: what binds its values, the insert, the trim. */
typedef struct write_plan {
  const char *insert, *trim;
  void (*bind)(sqlite3_stmt *stmt, const void *row);
  const void *row;
} write_plan;

static int insert_row(catalog *c, const write_plan *plan, lb_error *err)
{
  sqlite3_stmt *stmt = NULL;
  int version = 0;
  int rc = sqlite3_exec(c->db, "BEGIN IMMEDIATE", NULL, NULL, NULL);
  if (rc == SQLITE_OK && get_user_version(c, &version, err)) return err->code;
  if (rc == SQLITE_OK) rc = sqlite3_exec(c->db, schema_sql, NULL, NULL, NULL);
  if (rc == SQLITE_OK) rc = sqlite3_prepare_v2(c->db, plan->insert, -1, &stmt, NULL);
  if (rc == SQLITE_OK) {
    plan->bind(stmt, plan->row);
    rc = sqlite3_step(stmt);
    if (rc == SQLITE_DONE) rc = SQLITE_OK;
  }
  sqlite3_finalize(stmt);
  if (rc == SQLITE_OK) rc = sqlite3_exec(c->db, plan->trim, NULL, NULL, NULL);
  if (rc == SQLITE_OK) rc = sqlite3_exec(c->db, "COMMIT", NULL, NULL, NULL);
  return rc == SQLITE_OK ? LB_OK : fail_sqlite(c, rc, err);
}

static int try_write(catalog *c, const write_plan *plan, lb_error *err)
{
  if (create_file(c->path, err) == LB_OK && open_existing(c, "PRAGMA synchronous=NORMAL", err) == LB_OK) {
    insert_row(c, plan, err);
  }
  close_catalog(c); /* rolls back what was not committed */
  return err->code;
}

static int write_row(const char *dir, const write_plan *plan, lb_error *err)
{
  catalog c;
  if (catalog_path(&c, dir, err)) return err->code;
  lb_error first = LB_ERROR_INIT;
  if (try_write(&c, plan, &first) == LB_CORRUPT) {
    if (set_aside(&c, err) == LB_OK) try_write(&c, plan, err);
  } else if (first.code != LB_OK) {
    lb_fail(err, first.code, "%s", first.message);
  }
  free(c.path);
  return err->code;
}

static void bind_text(sqlite3_stmt *stmt, int at, const char *text)
{
  sqlite3_bind_text(stmt, at, text, -1, SQLITE_STATIC); /* NULL binds NULL */
}

static void bind_known(sqlite3_stmt *stmt, int at, int64_t value)
{
  if (value >= 0) sqlite3_bind_int64(stmt, at, value);
}

static void bind_run(sqlite3_stmt *stmt, const void *row)
{
  const lb_run *run = row;
  bind_text(stmt, 1, run->operation);
  bind_text(stmt, 2, run->backup);
  bind_text(stmt, 3, run->source);
  bind_text(stmt, 4, run->target);
  sqlite3_bind_int64(stmt, 5, run->started);
  sqlite3_bind_double(stmt, 6, run->seconds);
  if (run->snapshot_seconds >= 0) sqlite3_bind_double(stmt, 7, run->snapshot_seconds);
  bind_known(stmt, 8, run->bytes);
  bind_known(stmt, 9, run->raw_bytes);
  bind_text(stmt, 10, run->error);
  bind_text(stmt, 11, run->notes);
}

int lb_history_add(const char *dir, const lb_run *run, lb_error *err)
{
  write_plan plan = { add_run_sql, trim_run_sql, bind_run, run };
  return write_row(dir, &plan, err);
}

int64_t lb_history_mtime(const struct stat *st)
{
  return (int64_t)st->st_mtim.tv_sec * 1000000000 + st->st_mtim.tv_nsec;
}

static void bind_verification(sqlite3_stmt *stmt, const void *row)
{
  const lb_verification *v = row;
  bind_text(stmt, 1, v->file);
  sqlite3_bind_int64(stmt, 2, v->bytes);
  sqlite3_bind_int64(stmt, 3, v->mtime);
  sqlite3_bind_int64(stmt, 4, v->at);
  bind_text(stmt, 5, v->level);
  bind_text(stmt, 6, v->result);
}

int lb_history_verified(const char *dir, const char *path, const char *level, const char *result, lb_error *err)
{
  struct stat st;
  if (stat(path, &st)) return lb_fail_errno(err, errno, "cannot open backup %s", path);
  lb_verification v = { lb_path_base(path), st.st_size, lb_history_mtime(&st), lb_clock_now(), level, result };
  write_plan plan = { add_verification_sql, trim_verification_sql, bind_verification, &v };
  return write_row(dir, &plan, err);
}

/* ---- reading ---- */

static const char *text_at(sqlite3_stmt *row, int column)
{
  return (const char *)sqlite3_column_text(row, column);
}

static const char *text_or_empty(sqlite3_stmt *row, int column)
{
  const char *text = text_at(row, column);
  return text ? text : "";
}

/* A NULL, or what is no number, is not known. */
static int64_t known_at(sqlite3_stmt *row, int column)
{
  return sqlite3_column_type(row, column) == SQLITE_INTEGER ? sqlite3_column_int64(row, column) : -1;
}

static bool has_table(catalog *c, const char *name)
{
  return sqlite3_table_column_metadata(c->db, "main", name, NULL, NULL, NULL, NULL, NULL, NULL) == SQLITE_OK;
}

static int read_rows(const char *dir, const char *table, const char *sql,
                     int (*take)(void *ctx, sqlite3_stmt *row, lb_error *err), void *ctx, lb_error *err)
{
  catalog c;
  sqlite3_stmt *stmt = NULL;
  int version;
  if (catalog_path(&c, dir, err)) return err->code;
  if (access(c.path, F_OK) && errno == ENOENT) goto done;
  if (open_existing(&c, "PRAGMA query_only=1", err) || get_user_version(&c, &version, err)) goto done;
  if (version == 0 && !has_table(&c, table)) goto done; /* created by a run that has not written yet */
  int rc = sqlite3_prepare_v2(c.db, sql, -1, &stmt, NULL);
  while (rc == SQLITE_OK && (rc = sqlite3_step(stmt)) == SQLITE_ROW && take(ctx, stmt, err) == LB_OK) rc = SQLITE_OK;
  if (err->code == LB_OK && rc != SQLITE_DONE) fail_sqlite(&c, rc, err);

done:
  sqlite3_finalize(stmt);
  close_catalog(&c);
  free(c.path);
  return err->code;
}

typedef struct run_reader {
  int (*each)(void *ctx, const lb_run_row *row, lb_error *err);
  void *ctx;
} run_reader;

static int take_run(void *ctx, sqlite3_stmt *row, lb_error *err)
{
  run_reader *reader = ctx;
  lb_run_row r = { .id = sqlite3_column_int64(row, 0) };
  r.run.operation = text_or_empty(row, 1);
  r.run.backup = text_at(row, 2);
  r.run.source = text_at(row, 3);
  r.run.target = text_at(row, 4);
  r.run.started = sqlite3_column_int64(row, 5);
  r.run.seconds = sqlite3_column_double(row, 6);
  r.run.snapshot_seconds = sqlite3_column_type(row, 7) == SQLITE_NULL ? -1 : sqlite3_column_double(row, 7);
  r.run.bytes = known_at(row, 8);
  r.run.raw_bytes = known_at(row, 9);
  r.run.error = text_at(row, 10);
  r.run.notes = text_at(row, 11);
  return reader->each(reader->ctx, &r, err);
}

int lb_history_each(const char *dir, int (*each)(void *ctx, const lb_run_row *row, lb_error *err), void *ctx,
                    lb_error *err)
{
  run_reader reader = { each, ctx };
  return read_rows(dir, "run", "SELECT id, operation, backup, source, target, started, seconds, snapshot_seconds,"
                   " bytes, raw_bytes, error, notes FROM run ORDER BY id DESC", take_run, &reader, err);
}

typedef struct verification_reader {
  int (*each)(void *ctx, const lb_verification *v, lb_error *err);
  void *ctx;
} verification_reader;

static int take_verification(void *ctx, sqlite3_stmt *row, lb_error *err)
{
  verification_reader *reader = ctx;
  lb_verification v = { text_or_empty(row, 0), sqlite3_column_int64(row, 1), sqlite3_column_int64(row, 2),
                        sqlite3_column_int64(row, 3), text_or_empty(row, 4), text_or_empty(row, 5) };
  return reader->each(reader->ctx, &v, err);
}

int lb_history_each_verification(const char *dir, int (*each)(void *ctx, const lb_verification *v, lb_error *err),
                                 void *ctx, lb_error *err)
{
  verification_reader reader = { each, ctx };
  return read_rows(dir, "verification", "SELECT file, bytes, mtime, at, level, result FROM verification"
                   " ORDER BY rowid DESC", take_verification, &reader, err);
}

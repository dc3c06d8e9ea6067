/* See connection.h. */
#include "sqlite/connection.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/holders.h"

SQLITE_EXTENSION_INIT3

static lb_code code_of_sqlite(int rc)
{
  switch (rc & 0xff) {
  case SQLITE_BUSY: case SQLITE_LOCKED:     return LB_BUSY;
  case SQLITE_FULL:                         return LB_FULL;
  case SQLITE_PERM: case SQLITE_READONLY: case SQLITE_AUTH: return LB_PERM;
  case SQLITE_CORRUPT: case SQLITE_NOTADB:  return LB_CORRUPT;
  case SQLITE_NOMEM:                        return LB_NOMEM;
  case SQLITE_INTERRUPT:                    return LB_INTERRUPT;
  case SQLITE_IOERR:                        return LB_IO;
  case SQLITE_CANTOPEN:                     return LB_PERM;
  default:                                  return LB_ERROR;
  }
}

/* SQLite says of words in a schema that it does not know that the schema is malformed, which need not be so. Of a
** function that stands in for one of its own (see forget_functions) it says that it is that. */
static int fail_in_words(int rc, const char *label, const char *text, lb_error *err)
{
  bool malformed = strncmp(text, "malformed database schema", strlen("malformed database schema")) == 0;
  if (malformed && !strstr(text, "unsafe use of ")) {
    return lb_fail(err, code_of_sqlite(rc), "%s: %s (damaged, or of a newer SQLite than this one, which is %s)", label,
                   text, sqlite3_libversion());
  }
  return lb_fail(err, code_of_sqlite(rc), "%s: %s", label, text);
}

int lb_db_fail(sqlite3 *db, int rc, const char *label, lb_error *err)
{
  const char *text = db ? sqlite3_errmsg(db) : sqlite3_errstr(rc);
  switch (rc & 0xff) {
  case SQLITE_BUSY: {
    lb_buf holders = { 0 };
    lb_holders_of_locks(label, &holders);
    lb_fail(err, LB_BUSY, "%s: database is locked%s", label, holders.data ? holders.data : "");
    lb_buf_free(&holders);
    break;
  }
  case SQLITE_NOTADB:
    lb_fail(err, LB_CORRUPT,
            "%s: file is not a database (an encrypted one, such as SQLCipher's, cannot be read either)", label);
    break;
  case SQLITE_CANTOPEN: {
    int errnum = db ? sqlite3_system_errno(db) : 0;
    if (errnum) lb_fail_errno(err, errnum, "%s: unable to open database file", label);
    else lb_fail(err, LB_PERM, "%s: %s", label, text);
    break;
  }
  case SQLITE_IOERR: {
    int errnum = db ? sqlite3_system_errno(db) : 0;
    if (errnum) lb_fail_errno(err, errnum, "%s: %s", label, text);
    else lb_fail(err, LB_IO, "%s: %s", label, text);
    break;
  }
  case SQLITE_READONLY:
    /* Of somebody who only wants to read, SQLite says that he attempted to write. */
    if (rc == SQLITE_READONLY_ROLLBACK) {
      lb_fail(err, LB_PERM, "%s: its last writer crashed, and its -journal has to be rolled back before it can be "
              "read, which takes write permission on both and on their folder (do this as the owner of the database, "
              "or copy both to a folder of your own and use the copy)", label);
    } else {
      lb_fail(err, LB_PERM, "%s: %s", label, text);
    }
    break;
  case SQLITE_INTERRUPT:
    lb_fail(err, LB_INTERRUPT, "interrupted");
    break;
  case SQLITE_NOMEM:
    lb_fail_nomem(err);
    break;
  default:
    fail_in_words(rc, label, text, err);
  }
  return err->code;
}

static int poll_task(void *task)
{
  lb_error err = LB_ERROR_INIT;
  return lb_task_poll(task, &err) != LB_OK;
}

/* ---- what a schema may call ---- */

/* Whether a row of PRAGMA function_list is a function that SQLite neither takes for harmless nor keeps from schemas. */
static bool is_suspect(sqlite3_stmt *row)
{
  return (sqlite3_column_int(row, 5) & (SQLITE_INNOCUOUS | SQLITE_DIRECTONLY)) == 0;
}

static int encoding_of(const char *name)
{
  if (name && strcmp(name, "utf16le") == 0) return SQLITE_UTF16LE;
  if (name && strcmp(name, "utf16be") == 0) return SQLITE_UTF16BE;
  return SQLITE_UTF8;
}

/* Scalar functions; only these can be in a schema. */
typedef struct functions {
  lb_buf added;   /* suspect ones of programs: each a shape and its name */
  lb_buf own;     /* names of SQLite's, each with its 0 */
  bool suspect;   /* there are suspect ones among SQLite's */
} functions;

typedef struct shape {
  int encoding, arguments;
} shape;

static void take_function(functions *f, sqlite3_stmt *row, const char *name)
{
  if (sqlite3_column_int(row, 1)) {
    lb_buf_append(&f->own, name, strlen(name) + 1);
    f->suspect |= is_suspect(row);
  } else if (is_suspect(row)) {
    shape s = { encoding_of((const char *)sqlite3_column_text(row, 3)), sqlite3_column_int(row, 4) };
    lb_buf_append(&f->added, &s, sizeof s);
    lb_buf_append(&f->added, name, strlen(name) + 1);
  }
}

/* Returns SQLite's result code. */
static int list_functions(sqlite3 *db, functions *f)
{
  sqlite3_stmt *stmt = NULL;
  int rc = sqlite3_prepare_v2(db, "PRAGMA function_list", -1, &stmt, NULL);
  while (rc == SQLITE_OK && (rc = sqlite3_step(stmt)) == SQLITE_ROW) {
    const char *name = (const char *)sqlite3_column_text(stmt, 0), *type = (const char *)sqlite3_column_text(stmt, 2);
    if (name && type && strcmp(type, "s") == 0) take_function(f, stmt, name);
    rc = SQLITE_OK;
  }
  sqlite3_finalize(stmt);
  if (rc != SQLITE_DONE) return rc;
  return f->added.failed || f->own.failed ? SQLITE_NOMEM : SQLITE_OK;
}

static bool is_own(const functions *f, const char *name)
{
  for (size_t at = 0; at < f->own.len; at += strlen(f->own.data + at) + 1) {
    if (strcmp(f->own.data + at, name) == 0) return true;
  }
  return false;
}

/* One that stands in for SQLite's own, lower() for one, stays: it hides that even when it is taken away, and a schema
** that calls it would be malformed. *kept: there is such a one. */
static int forget_functions(sqlite3 *db, const functions *f, bool *kept)
{
  int rc = SQLITE_OK;
  for (size_t at = 0; at < f->added.len && rc == SQLITE_OK;) {
    shape s;
    memcpy(&s, f->added.data + at, sizeof s);
    const char *name = f->added.data + at + sizeof s;
    if (is_own(f, name)) *kept = true;
    else rc = sqlite3_create_function_v2(db, name, s.arguments, s.encoding, NULL, NULL, NULL, NULL, NULL);
    at += sizeof s + strlen(name) + 1;
  }
  return rc;
}

/* One index, CHECK or generated column with a function that is not for schemas makes all of a schema unreadable that is
** not trusted, and so the database. One that is not known is no such trouble: it matters only where it is called. So
** those that programs add to every connection (sqlite3_auto_extension) are taken away; what is left is SQLite's own.
** Some versions, 3.40 for one, mark their JSON functions by mistake as not for schemas: there the schema has to be
** trusted, which lets it call nothing but these. */
static void distrust(sqlite3 *db)
{
  int now;
  bool kept = false;
  functions f = { .suspect = false };
  sqlite3_db_config(db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, &now);
  if (list_functions(db, &f) == SQLITE_OK && forget_functions(db, &f, &kept) == SQLITE_OK && f.suspect && !kept) {
    sqlite3_db_config(db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 1, &now);
  }
  lb_buf_free(&f.added);
  lb_buf_free(&f.own);
}

static void harden(sqlite3 *db)
{
  int now;
  sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 1, &now);
  sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, &now);
  sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_VIEW, 0, &now);
  sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0, &now);
  distrust(db);
}

sqlite3 *lb_db_open(const char *path, int flags, const char *vfs, int64_t timeout_ms, lb_task *task, const char *label,
                    lb_error *err)
{
  sqlite3 *db = NULL;
  /* A cache of its own, though the program may share those of its connections (sqlite3_enable_shared_cache). */
  int rc = sqlite3_open_v2(path, &db, flags | SQLITE_OPEN_FULLMUTEX | SQLITE_OPEN_PRIVATECACHE, vfs);
  if (rc) {
    lb_db_fail(db, rc, label, err);
    sqlite3_close(db);
    return NULL;
  }
  sqlite3_extended_result_codes(db, 1);
  harden(db);
  sqlite3_busy_timeout(db, (int)timeout_ms);
  if (task) sqlite3_progress_handler(db, 100000, poll_task, task);
  if (lb_db_exec(db, "PRAGMA mmap_size=0; PRAGMA cell_size_check=1", label, err)) {
    sqlite3_close(db);
    return NULL;
  }
  return db;
}

/* ---- collations ---- */

int lb_db_compare_bytes(void *ctx, int n, const void *a, int m, const void *b)
{
  (void)ctx;
  size_t both = (size_t)(n < m ? n : m);
  int order = both ? memcmp(a, b, both) : 0;
  return order ? order : (n > m) - (n < m);
}

/* Ours are asked for in the database's encoding as well, before SQLite goes for the one that there is. */
static void stand_in(void *ctx, sqlite3 *db, int format, const char *name)
{
  (void)ctx;
  if (strncmp(name, LB_OWN_COLLATIONS, strlen(LB_OWN_COLLATIONS)) == 0) return;
  sqlite3_create_collation_v2(db, name, format, NULL, lb_db_compare_bytes, NULL);
}

void lb_db_stand_in_collations(sqlite3 *db)
{
  sqlite3_collation_needed(db, NULL, stand_in);
}

void lb_db_close(sqlite3 *db)
{
  sqlite3_close_v2(db);
}

/* ---- leaving no trace ---- */

static bool sibling_exists(const char *path, const char *suffix, int64_t *size)
{
  char *name = sqlite3_mprintf("%s%s", path, suffix);
  struct stat st;
  bool there = name && lstat(name, &st) == 0;
  if (there && size) *size = (int64_t)st.st_size;
  sqlite3_free(name);
  return there;
}

bool lb_db_has_shm(const char *path)
{
  return sibling_exists(path, "-shm", NULL);
}

static void forbid_checkpoint(sqlite3 *db)
{
  int on;
  sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, &on);
}

/* Removes the -shm that our reading made. Holding the database exclusively proves that nobody uses it: every connection
** in WAL mode holds a shared lock. In exclusive locking mode SQLite keeps the wal-index in memory and opens no -shm. */
static void remove_own_shm(const char *path, bool keep_wal)
{
  lb_error err = LB_ERROR_INIT;
  sqlite3 *db = lb_db_open(path, SQLITE_OPEN_READWRITE, NULL, 0, NULL, path, &err);
  if (!db) return;
  if (keep_wal) forbid_checkpoint(db);
  if (lb_db_exec(db, "PRAGMA locking_mode=EXCLUSIVE; BEGIN; PRAGMA user_version", path, &err) == LB_OK) {
    char *shm = sqlite3_mprintf("%s-shm", path);
    if (shm) unlink(shm);
    sqlite3_free(shm);
  }
  lb_db_close(db);
}

void lb_db_close_untouched(sqlite3 *db, const char *path, bool had_shm)
{
  int64_t wal_bytes = 0;
  bool pending = db && path && sibling_exists(path, "-wal", &wal_bytes) && wal_bytes > 0;
  if (pending) forbid_checkpoint(db);
  lb_db_close(db);
  /* Without a -wal there is none to keep, and no -shm: unless the disk was full, which leaves both, hardly begun. */
  if (db && path && !had_shm && lb_db_has_shm(path)) remove_own_shm(path, pending);
}

/* ---- statements ---- */

int lb_db_pages_written(sqlite3 *db)
{
  int pages = 0, ignored = 0;
  sqlite3_db_status(db, SQLITE_DBSTATUS_CACHE_WRITE, &pages, &ignored, 0);
  return pages;
}

int lb_db_exec(sqlite3 *db, const char *sql, const char *label, lb_error *err)
{
  if (err->code) return err->code;
  int rc = sqlite3_exec(db, sql, NULL, NULL, NULL);
  return rc ? lb_db_fail(db, rc, label, err) : LB_OK;
}

/* Prepares sql and steps to its first row; NULL with err set when there is none. */
static sqlite3_stmt *first_row(sqlite3 *db, const char *sql, const char *label, lb_error *err)
{
  sqlite3_stmt *stmt = NULL;
  if (err->code) return NULL;
  int rc = sqlite3_prepare_v2(db, sql, -1, &stmt, NULL);
  if (rc == SQLITE_OK) rc = sqlite3_step(stmt);
  if (rc == SQLITE_ROW) return stmt;
  if (rc == SQLITE_DONE) lb_fail(err, LB_ERROR, "%s: no answer to %s", label, sql);
  else lb_db_fail(db, rc, label, err);
  sqlite3_finalize(stmt);
  return NULL;
}

int lb_db_integer(sqlite3 *db, const char *sql, int64_t *value, const char *label, lb_error *err)
{
  sqlite3_stmt *stmt = first_row(db, sql, label, err);
  if (stmt) *value = sqlite3_column_int64(stmt, 0);
  sqlite3_finalize(stmt);
  return err->code;
}

int lb_db_text(sqlite3 *db, const char *sql, char *value, size_t size, const char *label, lb_error *err)
{
  sqlite3_stmt *stmt = first_row(db, sql, label, err);
  if (stmt) {
    const char *text = (const char *)sqlite3_column_text(stmt, 0);
    snprintf(value, size, "%s", text ? text : "");
  }
  sqlite3_finalize(stmt);
  return err->code;
}

int lb_db_pragma_integer(sqlite3 *db, const char *schema, const char *pragma, int64_t *value, const char *label,
                         lb_error *err)
{
  char *sql = sqlite3_mprintf("PRAGMA \"%w\".%s", schema, pragma);
  if (sql) lb_db_integer(db, sql, value, label, err);
  else lb_fail_nomem(err);
  sqlite3_free(sql);
  return err->code;
}

int lb_db_pragma_text(sqlite3 *db, const char *schema, const char *pragma, char *value, size_t size, const char *label,
                      lb_error *err)
{
  char *sql = sqlite3_mprintf("PRAGMA \"%w\".%s", schema, pragma);
  if (sql) lb_db_text(db, sql, value, size, label, err);
  else lb_fail_nomem(err);
  sqlite3_free(sql);
  return err->code;
}

int lb_db_object_count(sqlite3 *db, const char *schema, int64_t *count, const char *label, lb_error *err)
{
  char *sql = sqlite3_mprintf("SELECT count(*) FROM \"%w\".sqlite_schema", schema);
  if (sql) lb_db_integer(db, sql, count, label, err);
  else lb_fail_nomem(err);
  sqlite3_free(sql);
  return err->code;
}

/* See history_file.h.
**
** The file lies among the backups, so it is as hostile as they are: no triggers, no views, no trusted functions. */
#include "catalog/history_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/disk.h"
#include "core/file.h"

SQLITE_EXTENSION_INIT3

#define CATALOG "catalog.db"
#define SCHEMA_VERSION 1
#define BUSY_MS 5000
#define SET_ASIDE_MOST 1000

#define TEXT_OF_(n) #n
#define TEXT_OF(n) TEXT_OF_(n)

/* Offsets in the header of a database: https://sqlite.org/fileformat2.html#the_database_header */
enum { WRITE_VERSION_AT = 18, USER_VERSION_AT = 60, APPLICATION_ID_AT = 68, HEADER_BYTES = 100 };

static const char schema_sql[] =
  "CREATE TABLE IF NOT EXISTS run(id INTEGER PRIMARY KEY, operation TEXT NOT NULL, backup TEXT, source TEXT,"
  " target TEXT, started INTEGER NOT NULL, seconds REAL, snapshot_seconds REAL, bytes INTEGER, raw_bytes INTEGER,"
  " error TEXT, notes TEXT);"
  "CREATE TABLE IF NOT EXISTS verification(file TEXT NOT NULL UNIQUE, bytes INTEGER NOT NULL, mtime INTEGER NOT NULL,"
  " at INTEGER NOT NULL, level TEXT, result TEXT NOT NULL);"
  "PRAGMA application_id=" TEXT_OF(LB_HISTORY_APPLICATION_ID) ";"
  "PRAGMA user_version=" TEXT_OF(SCHEMA_VERSION) ";";

/* All tables of a database with their columns, and those of a catalog from before there was an application_id. */
static const char shape_sql[] =
  "SELECT group_concat(name || '(' || (SELECT group_concat(name) FROM pragma_table_info(t.name)) || ')')"
  " FROM (SELECT name FROM sqlite_schema WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'"
  " ORDER BY name) AS t";
static const char shape_before[] =
  "run(id,operation,backup,source,target,started,seconds,snapshot_seconds,bytes,raw_bytes,error,notes),"
  "verification(file,bytes,mtime,at,level,result)";

/* ---- errors ---- */

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

static int fail_foreign(const lb_history_file *file, const char *what, lb_error *err)
{
  return lb_fail(err, LB_EXISTS, "%s is not Lifeboat's: it is %s (move it, or choose another folder of backups)",
                 file->path, what);
}

static const char *advice(lb_code code)
{
  if (code == LB_BUSY) return " (another process is using it: try again when it is done)";
  if (code == LB_PERM) return " (let the owner of its folder have it, or move it away: it is made anew)";
  return "";
}

/* Why a file could not be opened, where it is not for want of a permission, but of descriptors for example; else 0. */
static int trouble_of_process(const lb_history_file *file, int rc)
{
  int errnum = file->db && (rc & 0xff) == SQLITE_CANTOPEN ? sqlite3_system_errno(file->db) : 0;
  return errnum == EACCES || errnum == EPERM || errnum == EROFS ? 0 : errnum;
}

int lb_history_file_fail(const lb_history_file *file, int rc, lb_error *err)
{
  bool known = file->db && (sqlite3_errcode(file->db) & 0xff) == (rc & 0xff);
  const char *reason = known ? sqlite3_errmsg(file->db) : sqlite3_errstr(rc);
  lb_code code = code_of_sqlite(rc);
  int errnum = trouble_of_process(file, rc);
  if (errnum) return lb_fail_errno(err, errnum, "history %s: %s", file->path, reason);
  if (code == LB_CORRUPT && lb_disk_failed(file->db, "main")) return lb_history_file_fail(file, SQLITE_IOERR, err);
  /* Closing it would put a -wal into the damaged file, and remove it. */
  if (code == LB_CORRUPT) sqlite3_db_config(file->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
  if (code == LB_CORRUPT && !file->ours) return fail_foreign(file, "a damaged database without our mark", err);
  return lb_fail(err, code, "history %s: %s%s", file->path, reason, advice(code));
}

/* ---- whose it is ---- */

static uint32_t read_be32(const unsigned char *at)
{
  return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static bool has_wal(const lb_history_file *file, lb_error *err)
{
  struct stat st;
  char *wal = lb_text_printf(err, "%s-wal", file->path);
  bool has = wal && lstat(wal, &st) == 0;
  free(wal);
  return has;
}

/* Reads the header through SQLite's own file: no lock is taken, no journal looked at, and no descriptor of ours is
** closed, which would drop the locks of an application that has this very file open. */
static int recognize(lb_history_file *file, lb_error *err)
{
  sqlite3_file *f = NULL;
  sqlite3_int64 bytes = 0;
  unsigned char head[HEADER_BYTES];
  int rc = sqlite3_file_control(file->db, "main", SQLITE_FCNTL_FILE_POINTER, &f);
  if (rc == SQLITE_OK) rc = f && f->pMethods ? f->pMethods->xFileSize(f, &bytes) : SQLITE_CANTOPEN;
  if (rc == SQLITE_OK && bytes == 0) {
    file->ours = true; /* created by a run that has not written yet */
    return LB_OK;
  }
  if (rc == SQLITE_OK) rc = f->pMethods->xRead(f, head, sizeof head, 0);
  if (rc == SQLITE_IOERR_SHORT_READ) rc = SQLITE_OK; /* the rest is zeros */
  if (rc != SQLITE_OK) return lb_history_file_fail(file, rc, err);
  static const unsigned char zeros[HEADER_BYTES];
  if (memcmp(head, zeros, sizeof head) == 0) {
    file->ours = true; /* nobody's; a power cut in our first transaction leaves one, whose journal mends it */
    return LB_OK;
  }
  if (memcmp(head, "SQLite format 3", 16) != 0) return fail_foreign(file, "no SQLite database", err);
  uint32_t id = read_be32(head + APPLICATION_ID_AT);
  file->ours = id == LB_HISTORY_APPLICATION_ID;
  /* One from before was never in WAL mode; looking into a database that is may change files beside it. */
  bool may_be_ours = id == 0 && read_be32(head + USER_VERSION_AT) == SCHEMA_VERSION && head[WRITE_VERSION_AT] == 1 &&
    !has_wal(file, err);
  return file->ours || may_be_ours ? LB_OK : fail_foreign(file, "a database of something else", err);
}

static int get_integer(lb_history_file *file, const char *pragma, int *value, lb_error *err)
{
  sqlite3_stmt *stmt = NULL;
  int rc = sqlite3_prepare_v2(file->db, pragma, -1, &stmt, NULL);
  if (rc == SQLITE_OK && (rc = sqlite3_step(stmt)) == SQLITE_ROW) {
    *value = sqlite3_column_int(stmt, 0);
    rc = SQLITE_OK;
  }
  sqlite3_finalize(stmt);
  return rc == SQLITE_OK ? LB_OK : lb_history_file_fail(file, rc, err);
}

/* Of a database that has no application_id: *empty, or with the tables of before, or somebody else's. */
static int check_shape(lb_history_file *file, int version, bool *empty, lb_error *err)
{
  sqlite3_stmt *stmt = NULL;
  bool before = false;
  int rc = sqlite3_prepare_v2(file->db, shape_sql, -1, &stmt, NULL);
  if (rc == SQLITE_OK && (rc = sqlite3_step(stmt)) == SQLITE_ROW) {
    const char *shape = (const char *)sqlite3_column_text(stmt, 0);
    *empty = !shape && version == 0;
    before = shape && version == SCHEMA_VERSION && strcmp(shape, shape_before) == 0;
    rc = SQLITE_OK;
  }
  sqlite3_finalize(stmt);
  if (rc != SQLITE_OK) return lb_history_file_fail(file, rc, err);
  return *empty || before ? LB_OK : fail_foreign(file, "a database of something else", err);
}

int lb_history_file_check(lb_history_file *file, bool *empty, lb_error *err)
{
  int id = 0, version = 0;
  *empty = false;
  if (get_integer(file, "PRAGMA application_id", &id, err)) return err->code;
  if (get_integer(file, "PRAGMA user_version", &version, err)) return err->code;
  if (id == 0) return check_shape(file, version, empty, err);
  if (id != LB_HISTORY_APPLICATION_ID) return fail_foreign(file, "a database of something else", err);
  if (version <= SCHEMA_VERSION) return LB_OK;
  return lb_fail(err, LB_UNSUPPORTED, "history %s was written by a newer version", file->path);
}

/* ---- open and close ---- */

int lb_history_file_init(lb_history_file *file, const char *dir, lb_error *err)
{
  memset(file, 0, sizeof *file);
  /* SQLITE_OPEN_NOFOLLOW refuses a link anywhere in a path; only catalog.db itself is meant. */
  char *real = lb_path_absolute(dir, err);
  file->path = real ? lb_path_join(real, CATALOG, err) : NULL;
  free(real);
  return err->code;
}

void lb_history_file_free(lb_history_file *file)
{
  lb_history_file_close(file);
  free(file->path);
  file->path = NULL;
}

void lb_history_file_close(lb_history_file *file)
{
  sqlite3_close(file->db);
  file->db = NULL;
}

static void harden(sqlite3 *db)
{
  sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
  sqlite3_db_config(db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
  sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, NULL);
  sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_VIEW, 0, NULL);
  sqlite3_busy_timeout(db, BUSY_MS);
}

int lb_history_file_open(lb_history_file *file, const char *pragmas, lb_error *err)
{
  file->ours = false;
  if (lstat(file->path, &file->opened)) return lb_fail_errno(err, errno, "cannot open %s", file->path);
  if (!S_ISREG(file->opened.st_mode)) return fail_foreign(file, "not a regular file", err);
  /* A cache that the program's connections share answers "locked" at once, where another one waits. */
  int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_NOFOLLOW | SQLITE_OPEN_PRIVATECACHE;
  int rc = sqlite3_open_v2(file->path, &file->db, flags, NULL);
  if (rc != SQLITE_OK) return lb_history_file_fail(file, rc, err);
  harden(file->db);
  bool empty;
  if (recognize(file, err) || (!file->ours && lb_history_file_check(file, &empty, err))) return err->code;
  rc = sqlite3_exec(file->db, pragmas, NULL, NULL, NULL);
  return rc == SQLITE_OK ? LB_OK : lb_history_file_fail(file, rc, err);
}

/* ---- make, set aside ---- */

/* Root looks into the folder of a service, whose user must be able to go on: the file becomes that user's, and as
** readable as the folder is. Where that cannot be done (a user namespace, a share) it stays root's. */
static void give_to_folder(const lb_history_file *file, int fd)
{
  struct stat folder;
  lb_error ignored = LB_ERROR_INIT;
  char *dir = lb_path_dir(file->path, &ignored);
  if (dir && stat(dir, &folder) == 0 && folder.st_uid != 0 && fchown(fd, folder.st_uid, folder.st_gid) == 0) {
    (void)!fchmod(fd, 0600 | (folder.st_mode & 0064));
  }
  free(dir);
}

/* SQLite would create it by the host's umask; nobody but its owner has business here. */
int lb_history_file_create(const lb_history_file *file, lb_error *err)
{
  int fd = open(file->path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
  if (fd < 0) return errno == EEXIST ? LB_OK : lb_fail_errno(err, errno, "cannot create %s", file->path);
  if (geteuid() == 0) give_to_folder(file, fd);
  close(fd);
  return LB_OK;
}

int lb_history_file_schema(lb_history_file *file, lb_error *err)
{
  int rc = sqlite3_exec(file->db, schema_sql, NULL, NULL, NULL);
  return rc == SQLITE_OK ? LB_OK : lb_history_file_fail(file, rc, err);
}

/* The file itself, then what SQLite keeps beside it: a -wal may have what the file lacks, and a stale journal must not
** stay, or it would be rolled back into the new file. */
static const char *const parts[] = { "", "-journal", "-wal", "-shm" };
enum { PARTS = sizeof parts / sizeof parts[0] };

static bool is_free(const char *name, lb_error *err)
{
  struct stat st;
  bool taken = false;
  for (int i = 0; i < PARTS && !taken; i++) {
    char *path = lb_text_printf(err, "%s%s", name, parts[i]);
    taken = !path || lstat(path, &st) == 0;
    free(path);
  }
  return !taken;
}

/* The first name that nothing has; allocated. */
static char *free_name(const lb_history_file *file, lb_error *err)
{
  for (int n = 1; n <= SET_ASIDE_MOST && !err->code; n++) {
    char *name = n == 1 ? lb_text_printf(err, "%s.damaged", file->path)
                        : lb_text_printf(err, "%s.damaged_%d", file->path, n);
    if (name && is_free(name, err)) return name;
    free(name);
  }
  lb_fail(err, LB_EXISTS, "%s is damaged, and %s.damaged to .damaged_%d exist (remove them)", file->path, file->path,
          SET_ASIDE_MOST);
  return NULL;
}

int lb_history_file_set_aside(const lb_history_file *file, lb_error *err)
{
  struct stat now;
  if (lstat(file->path, &now) || now.st_ino != file->opened.st_ino || now.st_dev != file->opened.st_dev) return LB_OK;
  char *name = free_name(file, err);
  for (int i = 0; i < PARTS && err->code == LB_OK; i++) {
    char *from = lb_text_printf(err, "%s%s", file->path, parts[i]), *to = lb_text_printf(err, "%s%s", name, parts[i]);
    if (from && to && lb_file_rename_new(from, to) && !(i > 0 && errno == ENOENT)) {
      lb_fail_errno(err, errno, "cannot rename %s to %s", from, to);
    }
    free(from);
    free(to);
  }
  free(name);
  return err->code;
}

/* See recognize.h. */
#include "sqlite/recognize.h"

#include <errno.h>
#include <fcntl.h>
#include <sqlite3ext.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/file.h"
#include "core/holders.h"

SQLITE_EXTENSION_INIT3

bool lb_sqlite_header_read(const void *data, size_t n, lb_sqlite_header *header)
{
  const unsigned char *b = data;
  if (n < LB_SQLITE_HEADER_BYTES || memcmp(b, "SQLite format 3", 16) != 0) return false;
  int64_t page_size = b[16] << 8 | b[17];
  if (page_size == 1) page_size = 65536;
  if (page_size < 512 || page_size > 65536 || (page_size & (page_size - 1))) return false;
  header->page_size = page_size;
  header->page_count = (int64_t)b[28] << 24 | b[29] << 16 | b[30] << 8 | b[31];
  bool count_valid = memcmp(b + 24, b + 92, 4) == 0;  /* SQLite before 3.7.0 leaves both alone */
  if (!count_valid) header->page_count = 0;
  header->wal = b[LB_SQLITE_MODE_OFFSET] == 2 || b[LB_SQLITE_MODE_OFFSET + 1] == 2;
  return true;
}

/* The first bytes of a file through SQLite's VFS. *got: how many there were; *size: of the file. */
static int read_head(const char *path, unsigned char head[LB_SQLITE_HEADER_BYTES], size_t *got, int64_t *size)
{
  sqlite3_vfs *vfs = sqlite3_vfs_find(NULL);
  const char *name = sqlite3_create_filename(path, "", "", 0, NULL);
  sqlite3_file *file = calloc(1, (size_t)vfs->szOsFile);
  int flags = SQLITE_OPEN_READONLY | SQLITE_OPEN_MAIN_DB;
  int rc = name && file ? vfs->xOpen(vfs, name, file, flags, &flags) : SQLITE_NOMEM;
  *got = 0;
  if (rc == SQLITE_OK) {
    sqlite3_int64 bytes = 0;
    rc = file->pMethods->xFileSize(file, &bytes);
    *size = bytes;
    *got = bytes < LB_SQLITE_HEADER_BYTES ? (size_t)bytes : LB_SQLITE_HEADER_BYTES;
    if (rc == SQLITE_OK && *got) rc = file->pMethods->xRead(file, head, (int)*got, 0);
  }
  if (file && file->pMethods) file->pMethods->xClose(file);
  free(file);
  sqlite3_free_filename((char *)(uintptr_t)name);
  return rc;
}

/* Whether a sibling has more than `least` bytes and, with magic, begins with it. Nobody locks these files, so that a
** descriptor of our own does no harm. */
static bool sibling_has(const char *path, const char *suffix, int64_t least, const void *magic, size_t n)
{
  lb_error err = LB_ERROR_INIT;
  unsigned char head[8];
  struct stat st;
  char *name = lb_text_printf(&err, "%s%s", path, suffix);
  int fd = name ? open(name, O_RDONLY | O_CLOEXEC | O_NONBLOCK) : -1;
  bool has = fd >= 0 && fstat(fd, &st) == 0 && st.st_size > least;
  if (has && magic) has = pread(fd, head, n, 0) == (ssize_t)n && memcmp(head, magic, n) == 0;
  if (fd >= 0) close(fd);
  free(name);
  return has;
}

/* sqlite.org/fileformat2.html: 3, the rollback journal. */
bool lb_sqlite_has_hot_journal(const char *path)
{
  static const unsigned char magic[8] = { 0xd9, 0xd5, 0x05, 0xf9, 0x20, 0xa1, 0x63, 0xd7 };
  enum { JOURNAL_HEADER = 28 };
  return sibling_has(path, "-journal", JOURNAL_HEADER, magic, sizeof magic);
}

/* sqlite.org/fileformat2.html: 4.1, the WAL; the last bit is its byte order. */
static bool may_be_mended(const char *path)
{
  static const unsigned char wal_le[4] = { 0x37, 0x7f, 0x06, 0x82 }, wal_be[4] = { 0x37, 0x7f, 0x06, 0x83 };
  enum { WAL_HEADER = 32 };
  return lb_sqlite_has_hot_journal(path) || sibling_has(path, "-wal", WAL_HEADER, wal_le, sizeof wal_le) ||
         sibling_has(path, "-wal", WAL_HEADER, wal_be, sizeof wal_be);
}

/* Whoever uses a database in WAL mode holds a lock on it, and has its -wal beside the name that he opened it by. */
static bool lacks_wal(const char *path, lb_buf *holders)
{
  lb_error ignored = LB_ERROR_INIT;
  struct stat st;
  char *wal = lb_text_printf(&ignored, "%s-wal", path);
  holders->len = 0;
  if (wal && lstat(wal, &st) && errno == ENOENT) lb_holders_of_locks(path, holders);
  free(wal);
  return holders->len > 0;
}

/* It looks so for a moment where somebody opens it first or closes it last. */
int lb_sqlite_refuse_without_wal(const char *path, lb_error *err)
{
  enum { TRIES = 50, WAIT_MS = 20 };
  lb_buf holders = { 0 };
  int tries = 0;
  while (tries < TRIES && lacks_wal(path, &holders)) {
    tries++;
    sqlite3_sleep(WAIT_MS);
  }
  if (tries == TRIES) {
    lb_fail(err, LB_BUSY,
            "%s: in use%s, but without a -wal beside this name, so that its commits are not seen here: it is in use "
            "under another name (a hard link, a file that is mounted elsewhere): pass that one; or somebody has "
            "removed its -wal",
            path, holders.data);
  }
  lb_buf_free(&holders);
  return err->code;
}

int lb_sqlite_recognize(const char *path, bool whole, lb_error *err)
{
  unsigned char head[LB_SQLITE_HEADER_BYTES];
  lb_sqlite_header header;
  size_t got;
  int64_t size = 0;
  if (read_head(path, head, &got, &size)) return LB_OK;  /* opening it will say why */
  if (size == 0) {
    if (sibling_has(path, "-wal", 0, NULL, 0) || sibling_has(path, "-journal", 0, NULL, 0)) {
      lb_fail(err, LB_CORRUPT, "%s: empty, but a -wal or -journal lies beside it: not a whole database", path);
    }
  } else if (may_be_mended(path)) {
    return LB_OK;
  } else if (!lb_sqlite_header_read(head, got, &header)) {
    lb_fail(err, LB_CORRUPT,
            "%s: file is not a database (an encrypted one, such as SQLCipher's, cannot be read either)", path);
  } else if (whole && size / header.page_size < header.page_count) {
    lb_fail(err, LB_CORRUPT, "%s: truncated: %lld bytes, where its header speaks of %lld pages of %lld bytes", path,
            (long long)size, (long long)header.page_count, (long long)header.page_size);
  } else if (header.wal) {
    lb_sqlite_refuse_without_wal(path, err);
  }
  return err->code;
}

static bool says_wal(const char *path)
{
  unsigned char head[LB_SQLITE_HEADER_BYTES];
  lb_sqlite_header header;
  size_t got;
  int64_t size = 0;
  return read_head(path, head, &got, &size) == SQLITE_OK && lb_sqlite_header_read(head, got, &header) && header.wal;
}

/* A sibling that is there and may not be read. */
static bool is_closed(const char *path, const char *suffix)
{
  lb_error err = LB_ERROR_INIT;
  char *name = lb_text_printf(&err, "%s%s", path, suffix);
  bool closed = name && access(name, R_OK) && errno == EACCES;
  free(name);
  return closed;
}

/* immutable=1 takes no notice of a -wal, so its commits would be missing. */
static void fail_read_only_media(const char *path, lb_error *err)
{
  if (sibling_has(path, "-wal", 0, NULL, 0)) {
    lb_fail(err, LB_PERM, "%s: a database in WAL mode on a read-only file system, with a -wal beside it: copy both to "
            "a folder that can be written, and use the copy", path);
  } else {
    lb_fail(err, LB_PERM, "%s: a database in WAL mode on a read-only file system, where SQLite cannot make its -shm "
            "file: if nobody writes to it elsewhere, back it up with backup_create('file:%s?immutable=1')", path, path);
  }
}

/* The database may be backed up to another disk all the same. */
static int fail_no_room(const char *path, lb_error *err)
{
  lb_error_clear(err);
  if (sibling_has(path, "-wal", 0, NULL, 0)) {
    return lb_fail(err, LB_FULL, "%s: the disk is full: there is no room for its -shm file, without which SQLite "
                   "does not read a database in WAL mode (32 KiB will do)", path);
  }
  return lb_fail(err, LB_FULL, "%s: the disk is full: there is no room for its -shm file, without which SQLite does "
                 "not read a database in WAL mode (32 KiB will do; to back it up while nobody has it open, "
                 "backup_create('file:%s?immutable=1') goes without)", path, path);
}

/* EROFS is not for a permission to mend. */
static bool may_not_write(const char *path)
{
  return access(path, W_OK) && errno == EACCES;
}

static int fail_unwritable(const char *path, lb_error *err)
{
  return lb_fail(err, LB_PERM, "%s: permission denied: reading a database in WAL mode that nobody has open takes write "
                 "permission on it and on its folder, for the -shm file (grant that, or do this as the owner of the "
                 "database)", path);
}

int lb_sqlite_refuse_shm(const char *path, lb_error *err)
{
  return says_wal(path) && may_not_write(path) ? fail_unwritable(path, err) : LB_OK;
}

void lb_sqlite_explain_wal(const char *path, lb_error *err)
{
  lb_error why = LB_ERROR_INIT;
  if (err->code == LB_FULL && says_wal(path)) fail_no_room(path, err);
  if ((err->code != LB_PERM && err->code != LB_NOTFOUND) || !says_wal(path)) return;
  char *dir = lb_path_dir(path, &why);
  const char *sibling = is_closed(path, "-wal") ? "-wal" : is_closed(path, "-shm") ? "-shm" : NULL;
  if (sibling) {
    lb_fail(&why, LB_PERM, "%s: permission denied: a database in WAL mode is read with its %s file, which this user "
            "may not read (grant that, or do this as the owner of the database)", path, sibling);
  } else if (dir && access(dir, W_OK) && errno == EROFS) {
    fail_read_only_media(path, &why);
  } else if (may_not_write(path) || (dir && may_not_write(dir))) {
    fail_unwritable(path, &why);
  }
  if (why.code) *err = why;
  free(dir);
}

bool lb_sqlite_is_plain(const char *path)
{
  unsigned char head[LB_SQLITE_HEADER_BYTES];
  lb_sqlite_header header;
  size_t got;
  int64_t size = 0;
  return read_head(path, head, &got, &size) == SQLITE_OK && (size == 0 || lb_sqlite_header_read(head, got, &header));
}

bool lb_sqlite_is_packed(const char *path)
{
  static const unsigned char gzip[] = { 0x1f, 0x8b, 8 }, zstd[] = { 0x28, 0xb5, 0x2f, 0xfd };
  unsigned char head[LB_SQLITE_HEADER_BYTES];
  size_t got;
  int64_t size;
  if (read_head(path, head, &got, &size) != SQLITE_OK) return false;
  return (got >= sizeof gzip && memcmp(head, gzip, sizeof gzip) == 0) ||
         (got >= sizeof zstd && memcmp(head, zstd, sizeof zstd) == 0);
}

bool lb_sqlite_is_open_here(const char *path)
{
  unsigned char head[LB_SQLITE_HEADER_BYTES];
  lb_sqlite_header header;
  size_t got;
  int64_t size;
  if (!lb_holders_open_here(path)) return false;
  return read_head(path, head, &got, &size) == SQLITE_OK && lb_sqlite_header_read(head, got, &header);
}

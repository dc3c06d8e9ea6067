/* See stage.h. */
#include "job/stage.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "archive/reader.h"
#include "vfs/cache.h"
#include "vfs/vfs.h"

int lb_stage_fail_dump(const lb_opened *backup, lb_error *err)
{
  return lb_fail(err, LB_MISUSE, "%s: holds a PostgreSQL dump, not a SQLite database: backup_restore with a "
                 "postgresql:// target loads it, backup_table reads its tables without a server", backup->path);
}

static int fail_not_sqlite(const lb_opened *backup, const char *head, size_t n, lb_error *err)
{
  bool dump = memmem(head, n, "PostgreSQL database dump", 24) || backup->about.manifest.type == LB_TYPE_POSTGRES;
  if (dump) return lb_stage_fail_dump(backup, err);
  return lb_fail(err, LB_CORRUPT, "%s: what is inside is not a SQLite database", backup->path);
}

int lb_stage_peek(lb_opened *backup, lb_sqlite_header *header, lb_error *err)
{
  char head[512] = "";
  size_t n = 0;
  *header = (lb_sqlite_header){ 0 };
  if (lb_reader_peek(backup->reader, head, sizeof head, &n, err)) return err->code;
  if (n == 0) return LB_OK;  /* an empty database */
  if (!lb_sqlite_header_read(head, n, header)) return fail_not_sqlite(backup, head, n, err);
  return LB_OK;
}

static bool has_wal(const char *path, lb_error *err)
{
  struct stat st;
  char *wal = lb_text_printf(err, "%s-wal", path);
  bool there = wal && stat(wal, &st) == 0 && st.st_size > 0;
  free(wal);
  return there;
}

/* A plain .db that has a -wal beside it is a live database: without the -wal its newest commits would be lost. One with
** a journal has half a transaction in it, which only the journal takes back. */
static int refuse_live(const lb_opened *backup, const lb_sqlite_header *header, lb_error *err)
{
  const char *path = backup->path, *left = NULL;
  if (lb_reader_kind_of(backup->reader) != LB_READER_PLAIN) return LB_OK;
  if (has_wal(path, err)) left = "-wal file beside it";
  else if (lb_sqlite_has_hot_journal(path)) left = "-journal beside it, of a transaction that did not end";
  if (!left && header->wal) lb_sqlite_refuse_without_wal(path, err);
  if (!left || err->code) return err->code;
  return lb_fail(err, LB_MISUSE, "%s: has a %s, so it is a database in use and not a whole backup: back it up with "
                 "backup_create('%s') and restore that", path, left, path);
}

typedef struct unpacking {
  lb_partial *file;
  bool keep;
} unpacking;

/* Called by all workers at once: each block has its own place. */
static int take_block(void *ctx, uint64_t offset, const void *data, size_t n, lb_error *err)
{
  unpacking *u = ctx;
  if (lb_file_write(u->file->fd, data, n, (int64_t)offset, u->file->path, err)) return err->code;
  if (u->keep) lb_file_flush_early(u->file->fd, (int64_t)offset, (int64_t)n);
  return LB_OK;
}

/* Readable whatever its journal mode: offsets 18 and 19 say rollback until the file is put in place. */
static int clear_wal_mode(lb_stage *stage, lb_error *err)
{
  static const unsigned char rollback[2] = { 1, 1 };
  if (!stage->header.wal) return LB_OK;
  return lb_file_write(stage->file.fd, rollback, 2, LB_SQLITE_MODE_OFFSET, stage->file.path, err);
}

int lb_stage_check_length(const lb_opened *backup, const lb_sqlite_header *header, uint64_t bytes, lb_error *err)
{
  uint64_t page = (uint64_t)header->page_size, pages = (uint64_t)header->page_count;
  if (bytes == 0 && page == 0) return LB_OK;
  if (page && bytes % page == 0 && bytes / page >= pages) return LB_OK;
  return lb_fail(err, LB_CORRUPT,
                 "%s: not a whole SQLite database: %llu bytes inside, the header speaks of %llu pages of %llu bytes",
                 backup->path, (unsigned long long)bytes, (unsigned long long)pages, (unsigned long long)page);
}

int lb_stage_unpack(lb_job *job, lb_opened *backup, const char *dir, const char *name, int threads, bool keep,
                    lb_stage *stage, lb_error *err)
{
  *stage = (lb_stage){ .file = LB_PARTIAL_INIT };
  if (lb_stage_peek(backup, &stage->header, err) || refuse_live(backup, &stage->header, err)) return err->code;
  int64_t expected = lb_reader_raw_bytes(backup->reader);
  if (expected > 0 && lb_space_check(dir, expected, "unpacking the backup", err)) return err->code;
  lb_partial_sweep(dir, name);
  if (lb_partial_create(&stage->file, dir, name, err)) return err->code;
  /* Whole extents at once, and a full disk found now. File systems that cannot do it say so; then it is only slower.
  ** Scratch is better off without: what is not allocated yet is not written out by other files' fsync either. */
  bool indexed = lb_reader_kind_of(backup->reader) == LB_READER_INDEXED;
  if (keep && indexed && expected > 0) (void)!fallocate(stage->file.fd, 0, 0, (off_t)expected);
  lb_task_phase(&job->task, "unpacking", expected > 0 ? expected : 0);
  unpacking u = { &stage->file, keep };
  lb_reader_report report = { 0 };
  if (lb_reader_pass(backup->reader, threads, take_block, &u, &job->task, &report, err)) return err->code;
  stage->bytes = report.raw_bytes;
  if (lb_stage_check_length(backup, &stage->header, stage->bytes, err)) return err->code;
  return clear_wal_mode(stage, err);
}

void lb_stage_sweep(const char *dir)
{
  lb_partial_sweep(dir, LB_STAGE_VERIFY ".");
  lb_partial_sweep(dir, LB_STAGE_CONTENTS ".");
}

int lb_stage_check(lb_job *job, lb_stage *stage, lb_check_level level, const char *label, lb_error *err)
{
  if (level == LB_CHECK_NONE || err->code) return err->code;
  lb_buf damage = { 0 };
  lb_task_phase(&job->task, level == LB_CHECK_FULL ? "integrity_check" : "quick_check", 0);
  lb_sqlite_check_file(stage->file.path, level, &job->task, label, &damage, &job->notes, err);
  if (damage.len) lb_fail(err, LB_CORRUPT, "%s: the database inside is damaged: %s", label, damage.data);
  lb_buf_free(&damage);
  return err->code;
}

/* A file of another tool would be read twice, if at any place at all. */
bool lb_stage_fits_cache(const lb_opened *backup, uint64_t bytes)
{
  return lb_reader_kind_of(backup->reader) == LB_READER_INDEXED && bytes <= lb_cache_look().limit;
}

sqlite3 *lb_stage_attach(lb_job *job, const lb_opened *backup, lb_error *err)
{
  if (lb_vfs_register(err)) return NULL;
  return lb_db_open(backup->path, SQLITE_OPEN_READONLY, LB_VFS_NAME, 0, &job->task, backup->path, err);
}

void lb_stage_close(lb_stage *stage)
{
  lb_partial_close(&stage->file);
}

lb_check_level lb_stage_level(const char *text, lb_check_level fallback, lb_check_level of_true)
{
  if (!text) return fallback;
  if (strcmp(text, "false") == 0) return LB_CHECK_NONE;
  if (strcmp(text, "quick") == 0) return LB_CHECK_QUICK;
  return strcmp(text, "true") == 0 ? of_true : LB_CHECK_FULL;
}

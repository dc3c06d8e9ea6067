/* See side.h.
**
** A live side is private wherever its content can be seen so; its snapshot lasts until it is closed. With an open write
** transaction it is the caller's own connection, which alone sees what is not committed.
*/
#include "job/side.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "catalog/resolve.h"
#include "core/file.h"
#include "job/content.h"
#include "job/stage.h"
#include "vfs/vfs.h"

SQLITE_EXTENSION_INIT3

/* On private connections. Sorting goes to files. */
#define SETTINGS "PRAGMA temp_store=FILE; PRAGMA cache_size=-8000; PRAGMA query_only=1"

/* ---- a live side ---- */

/* A statement that has not ended keeps its connection in the snapshot. An empty schema has nothing to keep. */
static int hold_snapshot(lb_side *side, lb_error *err)
{
  sqlite3 *db = side->rows.db;
  char *sql = sqlite3_mprintf("SELECT 1 FROM \"%w\".sqlite_schema", side->rows.schema);
  int rc = sql ? sqlite3_prepare_v2(db, sql, -1, &side->hold, NULL) : SQLITE_NOMEM;
  if (rc == SQLITE_OK) rc = sqlite3_step(side->hold);
  if (rc != SQLITE_ROW && rc != SQLITE_DONE) lb_db_fail(db, rc, side->rows.label, err);
  sqlite3_free(sql);
  return err->code;
}

static int open_live(lb_job *job, const char *spec, bool schema, lb_side *side, lb_error *err)
{
  lb_sqlite_source *s = &side->source;
  int64_t timeout = lb_job_timeout(job, -1, err);
  side->live = true;
  if (err->code || lb_sqlite_source_open_view(s, schema ? job->caller : NULL, spec, timeout, &job->task, err)) {
    return err->code;
  }
  side->rows = (lb_diff_side){ s->db, s->schema, s->label, s->own };
  /* Nothing may be read before it has looked what lies there: SQLite deletes the -wal of an empty file. */
  if (lb_sqlite_source_begin(s, err)) return err->code;
  if (!s->own) return hold_snapshot(side, err);
  lb_db_stand_in_collations(s->db);
  if (lb_db_exec(s->db, SETTINGS, s->label, err)) return err->code;
  side->pages = (lb_pages){ .label = s->label, .size = (uint32_t)s->page_size,
                            .count = s->page_count > LB_PAGES_MAX ? LB_PAGES_MAX : (uint32_t)s->page_count };
  return LB_OK;
}

/* ---- a backup ---- */

static int read_page(void *ctx, uint32_t page, void *data, size_t n, lb_error *err)
{
  lb_side *side = ctx;
  bool short_read;
  uint64_t offset = (uint64_t)(page - 1) * side->pages.size;
  return lb_cache_read(side->cached, &side->trail, offset, data, n, &short_read, err);
}

/* The VFS opens the file once more, by its name: it has to be the one that was opened and locked. */
static int check_same_file(const lb_side *side, lb_error *err)
{
  struct stat opened, named;
  if (fstat(side->backup.fd, &opened) || stat(side->backup.path, &named) || opened.st_dev != named.st_dev ||
      opened.st_ino != named.st_ino) {
    lb_fail(err, LB_BUSY, "backup %s was replaced while it was being opened: try again", side->backup.path);
  }
  return err->code;
}

static int open_sqlite_backup(lb_job *job, lb_side *side, lb_error *err)
{
  const char *path = side->backup.path;
  lb_sqlite_header header;
  if (lb_stage_peek(&side->backup, &header, err) || lb_vfs_register(err)) return err->code;
  side->cached = lb_cache_open(path, err);
  if (!side->cached) return err->code;
  side->bytes = lb_cache_content_bytes(side->cached);
  if (lb_stage_check_length(&side->backup, &header, side->bytes, err)) return err->code;
  side->rows = (lb_diff_side){ NULL, "main", path, true };
  side->rows.db = lb_db_open(path, SQLITE_OPEN_READONLY, LB_VFS_NAME, 0, &job->task, path, err);
  if (!side->rows.db || lb_db_exec(side->rows.db, SETTINGS "; BEGIN", path, err) || check_same_file(side, err)) {
    return err->code;
  }
  lb_db_stand_in_collations(side->rows.db);
  if (!header.page_size) return LB_OK;
  side->pages = (lb_pages){ .read = read_page, .ctx = side, .label = path, .size = (uint32_t)header.page_size };
  return lb_pages_init(&side->pages, header.page_size, header.page_count, side->bytes, err);
}

/* What the other side, where it is open already, tells of which backup is meant. */
typedef struct hint {
  const char *source;
  lb_type type;
} hint;

static hint hint_of(const lb_side *other)
{
  if (other->live) return (hint){ other->source.path, LB_TYPE_SQLITE };
  if (!other->backup.path) return (hint){ NULL, LB_TYPE_NONE };
  return (hint){ other->backup.about.manifest.source, other->postgres ? LB_TYPE_POSTGRES : LB_TYPE_SQLITE };
}

static int open_backup(lb_job *job, const char *dir, const char *spec, hint h, lb_side *side, lb_error *err)
{
  char *path = NULL;
  if (lb_job_is_postgres(spec)) {
    return lb_fail(err, LB_MISUSE, "backup_diff compares backups, not a server: make one with "
                                   "backup_create('postgresql://…') and compare it with another");
  }
  if (lb_resolve(dir, spec, h.source, h.type, job->json, &path, err) == LB_OK) {
    if (lb_sqlite_is_plain(path)) {
      open_live(job, path, false, side, err);
    } else if (lb_job_open_backup(job, dir, path, LB_TYPE_NONE, NULL, &side->backup, err) == LB_OK) {
      side->postgres = lb_content_is_script(&side->backup, err);
      if (!err->code && !side->postgres) open_sqlite_backup(job, side, err);
    }
  }
  free(path);
  return err->code;
}

/* ---- both ---- */

static bool is_schema(const lb_job *job, const char *spec)
{
  return job->caller && sqlite3_db_readonly(job->caller, spec) >= 0;
}

static int open_side(lb_job *job, const char *spec, const lb_side *other, lb_side *side, lb_error *err)
{
  lb_error why = LB_ERROR_INIT;
  if (is_schema(job, spec)) return open_live(job, spec, true, side, err);
  char *dir = lb_job_dir(job, NULL, &why);
  if (!dir && !strchr(spec, '/')) *err = why;  /* a path needs no folder of backups */
  else open_backup(job, dir ? dir : ".", spec, hint_of(other), side, err);
  free(dir);
  return err->code;
}

/* What says most of which database is meant comes first. */
static int place_in_line(const lb_job *job, const char *spec)
{
  if (is_schema(job, spec)) return 0;
  return strchr(spec, '/') ? 1 : 2;
}

int lb_side_open_both(lb_job *job, const char *const specs[2], lb_side sides[2], lb_error *err)
{
  for (int s = 0; s < 2; s++) {
    sides[s] = (lb_side){ .backup = { .fd = -1 } };
  }
  int first = place_in_line(job, specs[1]) < place_in_line(job, specs[0]) ? 1 : 0, second = 1 - first;
  if (open_side(job, specs[first], &sides[second], &sides[first], err) == LB_OK) {
    open_side(job, specs[second], &sides[first], &sides[second], err);
  }
  return err->code;
}

void lb_side_explain(const lb_side *side, lb_error *err)
{
  lb_error why = LB_ERROR_INIT;
  if (!err->code || err->code == LB_INTERRUPT || !side->cached || !side->rows.db) return;
  sqlite3_file_control(side->rows.db, "main", LB_VFS_FAILURE, &why);
  if (why.code) *err = why;
}

void lb_side_close(lb_side *side)
{
  sqlite3_finalize(side->hold);
  if (side->live) {
    lb_sqlite_source_close(&side->source);
  } else {
    lb_db_close(side->rows.db);
    lb_cache_close(side->cached);
    lb_job_close_backup(&side->backup);
  }
  *side = (lb_side){ .backup = { .fd = -1 } };
}

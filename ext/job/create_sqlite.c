/* A backup of a SQLite database. The steps: look where to, take the snapshot, compress it into a partial, publish it.
*/
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "archive/reader.h"
#include "core/clock.h"
#include "core/spool.h"
#include "core/utf8.h"
#include "job/creation.h"
#include "job/stage.h"
#include "sqlite/check.h"
#include "sqlite/source.h"

typedef struct creating {
  lb_creation *c;
  lb_sqlite_source source;
  bool spool;
} creating;

/* A snapshot that keeps others from committing may not last as long as compressing does: what the compressors have no
** room for waits in a spool. Without the space for that, the backup is still made, and the lock is held longer. */
static int check_space(creating *s, lb_error *err)
{
  const char *dir = s->c->dir;
  int64_t raw = s->source.page_size * s->source.page_count;
  int64_t need = (int64_t)((double)raw * s->c->ratio) + 65536;
  lb_error tight = LB_ERROR_INIT;
  s->spool = lb_sqlite_source_blocks_writers(&s->source);
  if (s->spool && lb_space_check(dir, need + raw, "the backup", &tight)) {
    s->spool = false;
    lb_job_note(s->c->job, "no space to spool in %s: writers waited until the backup was compressed", dir);
  }
  return lb_space_check(dir, need, "the backup", err);
}

static int check_snapshot(creating *s, lb_error *err)
{
  lb_buf damage = { 0 };
  const char *label = s->source.label;
  lb_task_phase(&s->c->job->task, "quick_check", 0);
  lb_sqlite_check(s->source.db, s->source.schema, LB_CHECK_QUICK, label, &damage, &s->c->job->notes, err);
  if (damage.len) lb_fail(err, LB_CORRUPT, "%s is damaged, no backup was made: %s", label, damage.data);
  lb_buf_free(&damage);
  return err->code;
}

/* Through an unlinked file: nothing of it is left whatever happens. */
static int copy_through_spool(creating *s, lb_sink *sink, lb_error *err)
{
  lb_partial file = LB_PARTIAL_INIT;
  lb_spool *spool = NULL;
  if (lb_partial_create(&file, s->c->dir, s->c->name, err) == LB_OK) {
    unlink(file.path);
    spool = lb_spool_open(file.fd, file.path, sink, &s->c->job->task, err);
  }
  if (spool) lb_sqlite_source_copy(&s->source, lb_spool_sink(spool), err);
  lb_sqlite_source_end(&s->source);
  if (spool && !err->code) lb_spool_pour(spool, err);
  lb_spool_close(spool);
  lb_partial_close(&file);
  return err->code;
}

static int copy_directly(creating *s, lb_sink *sink, lb_error *err)
{
  lb_sqlite_source_copy(&s->source, sink, err);
  lb_sqlite_source_end(&s->source);
  return err->code;
}

static char *format_manifest(creating *s, lb_error *err)
{
  struct stat st;
  char hash[40];
  lb_manifest m;
  lb_creation_manifest(s->c, hash, &m);
  m.journal_mode = s->source.journal_mode;
  m.page_size = s->source.page_size;
  m.page_count = s->source.page_count;
  if (s->source.path && stat(s->source.path, &st) == 0) {
    m.mode = (int64_t)(st.st_mode & 07777);
    m.uid = (int64_t)st.st_uid;
    m.gid = (int64_t)st.st_gid;
  }
  return lb_manifest_format(&m, err);
}

static int write_file(creating *s, lb_error *err)
{
  lb_creation *c = s->c;
  lb_writer_options how = { .codec = c->codec, .level = c->level, .threads = c->threads,
                            .raw_expected = s->source.page_size * s->source.page_count };
  lb_writer *writer = lb_writer_open(c->file.fd, c->file.path, &how, &c->job->task, err);
  if (!writer) return err->code;
  lb_task_phase(&c->job->task, "compressing", how.raw_expected);
  if (s->spool) copy_through_spool(s, lb_writer_sink(writer), err);
  else copy_directly(s, lb_writer_sink(writer), err);
  if (!err->code) lb_writer_end_data(writer, &c->figures, err);
  char *manifest = err->code ? NULL : format_manifest(s, err);
  if (manifest) lb_writer_finish(writer, manifest, NULL, err);
  free(manifest);
  lb_writer_close(writer);
  return err->code;
}

/* Unpacks what was written and has SQLite check it, before it gets its name. */
static int verify_full(creating *s, lb_error *err)
{
  lb_creation *c = s->c;
  lb_stage stage;
  lb_reader *reader = lb_reader_open(c->file.fd, c->file.path, err);
  if (!reader) return err->code;
  lb_opened opened = { .fd = c->file.fd, .path = c->file.path, .reader = reader };
  if (lb_stage_unpack(c->job, &opened, c->dir, LB_STAGE_VERIFY, c->threads, false, &stage, err) == LB_OK) {
    lb_stage_check(c->job, &stage, LB_CHECK_FULL, c->name, err);
  }
  lb_stage_close(&stage);
  lb_reader_close(reader);
  lb_error_prefix(err, "the new backup did not verify: ");
  return err->code;
}

static int verify_and_publish(creating *s, lb_error *err)
{
  lb_check_level level = lb_stage_level(s->c->o.verify, LB_CHECK_NONE, LB_CHECK_QUICK);
  if (level == LB_CHECK_QUICK) lb_creation_verify_quick(s->c, err);
  if (level == LB_CHECK_FULL) verify_full(s, err);
  if (err->code || lb_creation_publish(s->c, err)) return err->code;
  if (level != LB_CHECK_NONE) lb_creation_remember(s->c, level == LB_CHECK_FULL ? "full" : "quick");
  return LB_OK;
}

/* After the file. Of those in memory, main has no other name than that; an attached one is called by its schema, of
** which nothing is a folder or a suffix. */
static char *usual_name(const lb_sqlite_source *source, lb_error *err)
{
  if (source->path) return lb_name_of_path(source->path, err);
  bool attached = !source->own && strcasecmp(source->schema, "main") != 0;
  char *schema = lb_text_copy(attached ? source->schema : "memory", err);
  for (char *p = schema; p && *p; p++) if (*p == '/' || *p == '.') *p = '_';
  char *name = schema ? lb_name_of_path(schema, err) : NULL;
  free(schema);
  return name;
}

static int create(creating *s, lb_error *err)
{
  lb_creation *c = s->c;
  if (s->source.path) c->source = lb_utf8_mended(s->source.path, err);  /* as the manifests of others have it */
  c->job->run.source = c->source;
  c->label = s->source.label;
  char *usual = usual_name(&s->source, err);
  if (usual) lb_creation_name(c, usual, err);
  free(usual);
  if (err->code || lb_sqlite_source_begin(&s->source, err) || check_space(s, err)) return err->code;
  if (c->o.check && check_snapshot(s, err)) return err->code;
  c->created = lb_clock_now();
  return write_file(s, err) ? err->code : verify_and_publish(s, err);
}

int lb_create_sqlite(lb_creation *c, const char *source, lb_error *err)
{
  creating s = { .c = c };
  int64_t timeout = lb_job_timeout(c->job, c->o.timeout_ms, err);
  if (err->code) return err->code;
  if (lb_sqlite_source_open(&s.source, c->job->caller, source, timeout, &c->job->task, err)) return err->code;
  create(&s, err);
  lb_sqlite_source_end(&s.source);
  if (s.source.snapshot_seconds > 0) c->job->run.snapshot_seconds = s.source.snapshot_seconds;
  lb_sqlite_source_close(&s.source);
  return err->code;
}

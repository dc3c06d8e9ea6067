/* See create.h. The steps: look where to, take the snapshot, compress it into a partial, publish it, remember it. */
#include "job/create.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "archive/reader.h"
#include "archive/writer.h"
#include "core/clock.h"
#include "core/file.h"
#include "core/options.h"
#include "core/spool.h"
#include "core/version.h"
#include "job/stage.h"
#include "sqlite/check.h"
#include "sqlite/source.h"

typedef struct create_options {
  char *dir, *name, *compress, *verify, *note;
  int64_t level, threads, retention_days, timeout_ms;
  int check;
} create_options;

static const lb_option known[] = {
  { "dir", LB_OPTION_TEXT, offsetof(create_options, dir), 0, 0, NULL },
  { "name", LB_OPTION_TEXT, offsetof(create_options, name), 0, 0, NULL },
  { "compress", LB_OPTION_TEXT, offsetof(create_options, compress), 0, 0, "gzip|zstd" },
  { "level", LB_OPTION_INT, offsetof(create_options, level), 1, 22, NULL },
  { "threads", LB_OPTION_INT, offsetof(create_options, threads), 1, 64, NULL },
  { "verify", LB_OPTION_LEVEL, offsetof(create_options, verify), 0, 0, "quick|full" },
  { "check", LB_OPTION_BOOL, offsetof(create_options, check), 0, 0, NULL },
  { "retention_days", LB_OPTION_INT, offsetof(create_options, retention_days), 1, 36500, NULL },
  { "note", LB_OPTION_TEXT, offsetof(create_options, note), 0, 0, NULL },
  { "timeout_ms", LB_OPTION_INT, offsetof(create_options, timeout_ms), 0, 86400000, NULL },
  { NULL, 0, 0, 0, 0, NULL },
};

/* Everything one backup in the making holds. */
typedef struct creating {
  lb_job *job;
  create_options o;
  char *dir, *name;
  const lb_codec *codec;
  int level, threads;
  lb_sqlite_source source;
  bool opened;
  bool spool;
  lb_partial file;
  lb_writer_figures figures;
  char *path;
} creating;

static int choose_codec(creating *c, lb_error *err)
{
  int64_t level;
  c->codec = lb_codec_get(c->o.compress ? c->o.compress : lb_config_text(c->job->config, LB_CONFIG_COMPRESS), err);
  if (!c->codec) return err->code;
  if (lb_config_integer(c->job->config, LB_CONFIG_LEVEL, c->codec->level_default, &level, err)) return err->code;
  if (c->o.level) level = c->o.level;
  if (level < c->codec->level_min || level > c->codec->level_max) {
    return lb_fail(err, LB_MISUSE, "level %lld: %s has levels %d to %d", (long long)level, c->codec->name,
                   c->codec->level_min, c->codec->level_max);
  }
  c->level = (int)level;
  c->threads = lb_job_threads(c->job, c->o.threads, err);
  return err->code;
}

static int choose_name(creating *c, lb_error *err)
{
  const char *given = c->o.name ? c->o.name : lb_config_text(c->job->config, LB_CONFIG_NAME);
  if (given) c->name = lb_text_copy(given, err);
  else c->name = lb_name_of_path(c->source.path ? c->source.path : "memory.db", err);
  return c->name ? lb_name_check(c->name, err) : err->code;
}

/* Two sources under one name would rotate each other away. Also tells how well the last one compressed. */
static int look_at_others(creating *c, double *ratio, lb_error *err)
{
  lb_listing listing = { 0 };
  *ratio = 1.0 / 3;
  if (lb_listing_read(c->dir, c->job->json, &listing, err)) return err->code;
  for (int i = 0; i < listing.count; i++) {
    const lb_backup *b = &listing.items[i];
    if (strcmp(b->name.name, c->name) != 0 || b->name.type != LB_TYPE_SQLITE || b->name.kind != LB_KIND_FULL) continue;
    if (!b->indexed || b->problem) continue;
    const char *theirs = b->manifest.source, *ours = c->source.path;
    if ((theirs && ours && strcmp(theirs, ours) != 0) || (!theirs != !ours)) {
      lb_fail(err, LB_MISUSE,
              "the name \"%s\" in %s belongs to another source, %s: pass {\"name\":\"…\"} to keep %s apart, or "
              "move the old backups away",
              c->name, c->dir, theirs ? theirs : "an in-memory database", c->source.label);
    } else if (b->manifest.raw_bytes > 0) {
      *ratio = 1.1 * (double)b->bytes / (double)b->manifest.raw_bytes;
    }
    break;
  }
  lb_listing_free(&listing);
  return err->code;
}

/* A snapshot that keeps others from committing may not last as long as compressing does: what the compressors have no
** room for waits in a spool. Without the space for that, the backup is still made, and the lock is held longer. */
static int check_space(creating *c, double ratio, lb_error *err)
{
  int64_t raw = c->source.page_size * c->source.page_count;
  int64_t need = (int64_t)((double)raw * ratio) + 65536;
  lb_error tight = LB_ERROR_INIT;
  c->spool = lb_sqlite_source_blocks_writers(&c->source);
  if (c->spool && lb_space_check(c->dir, need + raw, "the backup", &tight)) {
    c->spool = false;
    lb_job_note(c->job, "no space to spool in %s: writers waited until the backup was compressed", c->dir);
  }
  return lb_space_check(c->dir, need, "the backup", err);
}

static int check_snapshot(creating *c, lb_error *err)
{
  lb_buf damage = { 0 };
  lb_task_phase(&c->job->task, "quick_check", 0);
  lb_sqlite_check(c->source.db, c->source.schema, LB_CHECK_QUICK, c->source.label, &damage, &c->job->notes, err);
  if (damage.len) lb_fail(err, LB_CORRUPT, "%s is damaged, no backup was made: %s", c->source.label, damage.data);
  lb_buf_free(&damage);
  return err->code;
}

/* Through an unlinked file: nothing of it is left whatever happens. */
static int copy_through_spool(creating *c, lb_sink *sink, lb_error *err)
{
  lb_partial file = LB_PARTIAL_INIT;
  lb_spool *spool = NULL;
  if (lb_partial_create(&file, c->dir, c->name, err) == LB_OK) {
    unlink(file.path);
    spool = lb_spool_open(file.fd, file.path, sink, &c->job->task, err);
  }
  if (spool) lb_sqlite_source_copy(&c->source, lb_spool_sink(spool), err);
  lb_sqlite_source_end(&c->source);
  if (spool && !err->code) lb_spool_pour(spool, err);
  lb_spool_close(spool);
  lb_partial_close(&file);
  return err->code;
}

static int copy_directly(creating *c, lb_sink *sink, lb_error *err)
{
  lb_sqlite_source_copy(&c->source, sink, err);
  lb_sqlite_source_end(&c->source);
  return err->code;
}

static char *format_manifest(creating *c, int64_t created, lb_error *err)
{
  struct stat st = { 0 };
  bool stated = c->source.path && stat(c->source.path, &st) == 0;
  char hash[40] = "";
  if (lb_hash_available())
    snprintf(hash, sizeof hash, "xxh3-64-blocks:%016llx", (unsigned long long)c->figures.content_hash);
  lb_manifest m = {
    .source = c->source.path,
    .tool = "lifeboat " LB_VERSION,
    .note = c->o.note,
    .codec = (char *)c->codec->name,
    .content_hash = hash[0] ? hash : NULL,
    .journal_mode = c->source.journal_mode,
    .name = c->name,
    .type = LB_TYPE_SQLITE,
    .kind = LB_KIND_FULL,
    .created = created,
    .keep_until = c->o.retention_days ? created + c->o.retention_days * 86400 : 0,
    .raw_bytes = (int64_t)c->figures.raw_bytes,
    .page_size = c->source.page_size,
    .page_count = c->source.page_count,
    .block_bytes = (int64_t)c->figures.block_bytes,
    .level = c->level,
    .mode = stated ? (int64_t)(st.st_mode & 07777) : -1,
    .uid = stated ? (int64_t)st.st_uid : -1,
    .gid = stated ? (int64_t)st.st_gid : -1,
  };
  return lb_manifest_format(&m, err);
}

static int write_file(creating *c, int64_t created, lb_error *err)
{
  lb_writer_options how = { c->codec, c->level, c->threads, c->source.page_size * c->source.page_count };
  lb_writer *writer = lb_writer_open(c->file.fd, c->file.path, &how, &c->job->task, err);
  if (!writer) return err->code;
  lb_task_phase(&c->job->task, "compressing", how.raw_expected);
  if (c->spool) copy_through_spool(c, lb_writer_sink(writer), err);
  else copy_directly(c, lb_writer_sink(writer), err);
  if (!err->code) lb_writer_end_data(writer, &c->figures, err);
  char *manifest = err->code ? NULL : format_manifest(c, created, err);
  if (manifest) lb_writer_finish(writer, manifest, err);
  free(manifest);
  lb_writer_close(writer);
  return err->code;
}

/* Reads back what was written, before it gets its name. */
static int verify_file(creating *c, lb_check_level level, lb_error *err)
{
  if (level == LB_CHECK_NONE) return LB_OK;
  lb_reader *reader = lb_reader_open(c->file.fd, c->file.path, err);
  if (!reader) return err->code;
  lb_opened opened = { .fd = c->file.fd, .path = c->file.path, .reader = reader };
  if (level == LB_CHECK_FULL) {
    lb_stage stage;
    if (lb_stage_unpack(c->job, &opened, c->dir, "verify", c->threads, false, &stage, err) == LB_OK) {
      lb_stage_check(c->job, &stage, LB_CHECK_FULL, c->name, err);
    }
    lb_stage_close(&stage);
  } else {
    lb_reader_report report = { 0 };
    lb_task_phase(&c->job->task, "verifying", (int64_t)c->figures.raw_bytes);
    lb_reader_pass(reader, c->threads, NULL, NULL, &c->job->task, &report, err);
  }
  lb_reader_close(reader);
  lb_error_prefix(err, "the new backup did not verify: ");
  return err->code;
}

/* NAME_sqlite_STAMP, then _2, _3, … where that second has one already. */
static int publish(creating *c, int64_t created, lb_error *err)
{
  lb_name name = { .type = LB_TYPE_SQLITE, .kind = LB_KIND_FULL, .created = created, .suffix = c->codec->suffix };
  snprintf(name.name, sizeof name.name, "%s", c->name);
  for (name.serial = 1; name.serial < 1000; name.serial++) {
    lb_error one = LB_ERROR_INIT;
    char *file = lb_name_format(&name, &one);
    if (file) lb_partial_publish(&c->file, file, &one);
    if (!one.code) c->path = lb_path_join(c->dir, file, &one);
    free(file);
    if (one.code != LB_EXISTS) {
      if (one.code) *err = one;
      return err->code;
    }
  }
  return lb_fail(err, LB_EXISTS, "%s: a thousand backups of this second exist", c->dir);
}

static int create_sqlite(creating *c, const char *source, lb_error *err)
{
  double ratio;
  int64_t timeout = lb_job_timeout(c->job, c->o.timeout_ms, err);
  if (err->code || lb_sqlite_source_open(&c->source, c->job->caller, source, timeout, &c->job->task, err))
    return err->code;
  c->opened = true;
  c->job->run.source = c->source.path;
  if (choose_name(c, err) || look_at_others(c, &ratio, err)) return err->code;
  lb_partial_sweep(c->dir, c->name);
  if (lb_partial_create(&c->file, c->dir, c->name, err)) return err->code;
  if (lb_sqlite_source_begin(&c->source, err) || check_space(c, ratio, err)) return err->code;
  if (c->o.check && check_snapshot(c, err)) return err->code;

  int64_t created = lb_clock_now();
  if (write_file(c, created, err)) return err->code;
  lb_check_level level = lb_stage_level(c->o.verify, LB_CHECK_NONE, LB_CHECK_QUICK);
  if (verify_file(c, level, err) || publish(c, created, err)) return err->code;
  if (level != LB_CHECK_NONE) {
    lb_error why = LB_ERROR_INIT;
    lb_history_verified(c->dir, c->path, level == LB_CHECK_FULL ? "full" : "quick", "ok", &why);
  }
  return err->code;
}

static void finish(creating *c, const lb_error *err)
{
  lb_job *job = c->job;
  struct stat st;
  if (c->opened) lb_sqlite_source_end(&c->source);
  job->run.backup = c->path ? lb_path_base(c->path) : NULL;
  job->run.snapshot_seconds = c->opened && c->source.snapshot_seconds > 0 ? c->source.snapshot_seconds : -1;
  if (c->path && stat(c->path, &st) == 0) job->run.bytes = (int64_t)st.st_size;
  if (c->path) job->run.raw_bytes = (int64_t)c->figures.raw_bytes;
  lb_job_end(job, c->dir, err);
  if (c->opened) lb_sqlite_source_close(&c->source);
  lb_partial_close(&c->file);
  free(c->dir);
  free(c->name);
  lb_options_free(known, &c->o);
}

int lb_job_create(lb_job *job, const char *source, const char *options, char **path, lb_error *err)
{
  creating c = { .job = job, .o = { .timeout_ms = -1 }, .file = LB_PARTIAL_INIT };
  *path = NULL;
  if (!source) source = lb_job_configured_source(job, err);
  char *subject = source ? lb_config_scrub_url(source, err) : NULL;
  lb_job_begin(job, "create", subject ? subject : "", err);
  if (!err->code && lb_job_is_postgres(source)) {
    lb_fail(err, LB_UNSUPPORTED, "%s: PostgreSQL is not supported by this version yet", subject);
  }
  if (!err->code) lb_options_parse(job->json, options, known, &c.o, err);
  if (!err->code) c.dir = lb_job_dir(job, c.o.dir, err);
  if (c.dir && choose_codec(&c, err) == LB_OK) create_sqlite(&c, source, err);
  finish(&c, err);
  if (err->code) free(c.path);
  else *path = c.path;
  free(subject);
  return err->code;
}

/* See creation.h. */
#include "job/creation.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "archive/reader.h"
#include "core/clock.h"
#include "core/hash.h"
#include "core/version.h"
#include "job/stage.h"

#define COMMON_OPTIONS \
  { "dir", LB_OPTION_TEXT, offsetof(lb_create_options, dir), 0, 0, NULL }, \
  { "name", LB_OPTION_TEXT, offsetof(lb_create_options, name), 0, 0, NULL }, \
  { "compress", LB_OPTION_TEXT, offsetof(lb_create_options, compress), 0, 0, "gzip|zstd" }, \
  { "level", LB_OPTION_INT, offsetof(lb_create_options, level), 1, INT64_MAX, NULL },  /* the codec knows how many */ \
  { "threads", LB_OPTION_INT, offsetof(lb_create_options, threads), 1, 64, NULL }, \
  { "verify", LB_OPTION_LEVEL, offsetof(lb_create_options, verify), 0, 0, "quick|full" }, \
  { "retention_days", LB_OPTION_INT, offsetof(lb_create_options, retention_days), 1, 36500, NULL }, \
  { "note", LB_OPTION_TEXT, offsetof(lb_create_options, note), 0, 0, NULL }

const lb_option lb_create_sqlite_options[] = {
  COMMON_OPTIONS,
  { "check", LB_OPTION_BOOL, offsetof(lb_create_options, check), 0, 0, NULL },
  { "timeout_ms", LB_OPTION_INT, offsetof(lb_create_options, timeout_ms), 0, 86400000, NULL },
  { NULL, 0, 0, 0, 0, NULL },
};

const lb_option lb_create_postgres_options[] = {
  COMMON_OPTIONS,
  { "jobs", LB_OPTION_INT, offsetof(lb_create_options, jobs), 1, 64, NULL },
  { "lock_timeout", LB_OPTION_INT, offsetof(lb_create_options, lock_timeout), 0, 86400000, NULL },
  { "schemas", LB_OPTION_LIST, offsetof(lb_create_options, schemas), 1, 0, NULL },
  { "tables", LB_OPTION_LIST, offsetof(lb_create_options, tables), 1, 0, NULL },
  { "exclude_tables", LB_OPTION_LIST, offsetof(lb_create_options, exclude_tables), 0, 0, NULL },
  { "data_only", LB_OPTION_BOOL, offsetof(lb_create_options, data_only), 0, 0, NULL },
  { "schema_only", LB_OPTION_BOOL, offsetof(lb_create_options, schema_only), 0, 0, NULL },
  { "roles", LB_OPTION_LEVEL, offsetof(lb_create_options, roles), 0, 0, "passwords" },
  { "verify_uri", LB_OPTION_TEXT, offsetof(lb_create_options, verify_uri), 0, 0, NULL },
  { NULL, 0, 0, 0, 0, NULL },
};

static int choose_codec(lb_creation *c, lb_error *err)
{
  int64_t level;
  c->codec = lb_codec_get(c->o.compress ? c->o.compress : lb_config_text(c->job->config, LB_CONFIG_COMPRESS), err);
  if (!c->codec) return err->code;
  int usual = c->type == LB_TYPE_POSTGRES ? c->codec->level_shared : c->codec->level_default;
  if (lb_config_integer(c->job->config, LB_CONFIG_LEVEL, usual, &level, err)) return err->code;
  if (c->o.level) level = c->o.level;
  if (level < c->codec->level_min || level > c->codec->level_max) {
    return lb_fail(err, LB_MISUSE, "level %lld: %s has levels %d to %d", (long long)level, c->codec->name,
                   c->codec->level_min, c->codec->level_max);
  }
  c->level = (int)level;
  c->threads = lb_job_threads(c->job, c->o.threads, err);
  return err->code;
}

int lb_creation_begin(lb_creation *c, lb_error *err)
{
  c->dir = lb_job_dir(c->job, c->o.dir, err);
  return c->dir ? choose_codec(c, err) : err->code;
}

/* Two sources under one name would rotate each other away. Also tells how well the last one compressed. */
static int look_at_others(lb_creation *c, lb_error *err)
{
  lb_listing listing = { 0 };
  c->ratio = 1.0 / 3;
  if (lb_listing_read(c->dir, c->job->json, &listing, err)) return err->code;
  for (int i = 0; i < listing.count; i++) {
    const lb_backup *b = &listing.items[i];
    if (strcmp(b->name.name, c->name) != 0 || b->name.type != c->type || b->name.kind != LB_KIND_FULL) continue;
    if (!b->indexed || b->problem) continue;
    const char *theirs = b->manifest.source;
    /* What a restore saves never rotates others away, and must not fail for the database's having moved. */
    bool other = (theirs && c->source && strcmp(theirs, c->source) != 0) || (!theirs != !c->source);
    if (other && c->kind == LB_KIND_FULL) {
      lb_fail(err, LB_MISUSE,
              "the name \"%s\" in %s belongs to another source, %s: pass {\"name\":\"…\"} to keep %s apart, or "
              "move the old backups away",
              c->name, c->dir, theirs ? theirs : "an in-memory database", c->label);
    } else if (!other && b->manifest.raw_bytes > 0) {
      c->ratio = 1.1 * (double)b->bytes / (double)b->manifest.raw_bytes;
    }
    break;
  }
  lb_listing_free(&listing);
  return err->code;
}

int lb_creation_name(lb_creation *c, const char *usual, lb_error *err)
{
  const char *given = c->o.name ? c->o.name : lb_config_text(c->job->config, LB_CONFIG_NAME);
  c->name = lb_text_copy(given ? given : usual, err);
  if (!c->name || lb_name_check(c->name, err) || look_at_others(c, err)) return err->code;
  lb_partial_sweep(c->dir, c->name);
  lb_stage_sweep(c->dir);
  return lb_partial_create(&c->file, c->dir, c->name, err);
}

void lb_creation_manifest(const lb_creation *c, char hash[40], lb_manifest *m)
{
  hash[0] = 0;
  if (lb_hash_available()) snprintf(hash, 40, "xxh3-64-blocks:%016llx", (unsigned long long)c->figures.content_hash);
  lb_manifest_init(m);
  m->source = c->source;
  m->tool = "lifeboat " LB_VERSION;
  m->note = c->o.note;
  m->codec = (char *)c->codec->name;
  m->content_hash = hash[0] ? hash : NULL;
  m->name = c->name;
  m->type = c->type;
  m->kind = c->kind;
  m->created = c->created;
  m->keep_until = c->o.retention_days ? c->created + c->o.retention_days * 86400 : 0;
  m->raw_bytes = (int64_t)c->figures.raw_bytes;
  m->block_bytes = (int64_t)c->figures.block_bytes;
  m->level = c->level;
}

/* A serial beyond every one of this second, whatever the suffix, also where those before it are gone: the newer backup
** sorts as the newer. */
static int next_serial(const char *dir, const lb_name *name)
{
  lb_name other;
  int serial = 1;
  DIR *d = opendir(dir);
  struct dirent *item;
  while (d && (item = readdir(d))) {
    if (!lb_name_parse(item->d_name, &other) || other.created != name->created || other.type != name->type) continue;
    if (other.kind != name->kind || strcmp(other.name, name->name) != 0) continue;
    if (other.serial >= serial) serial = other.serial + 1;
  }
  if (d) closedir(d);
  return serial;
}

int lb_creation_publish(lb_creation *c, lb_error *err)
{
  lb_name name = { .type = c->type, .kind = c->kind, .created = c->created, .suffix = c->codec->suffix };
  snprintf(name.name, sizeof name.name, "%s", c->name);
  int first = next_serial(c->dir, &name);
  for (name.serial = first; name.serial < first + 1000 && name.serial <= LB_SERIAL_MOST; name.serial++) {
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
  return lb_fail(err, LB_EXISTS, "%s: no name is free for one more backup of this second", c->dir);
}

int lb_creation_verify_quick(lb_creation *c, lb_error *err)
{
  lb_reader_report report = { 0 };
  lb_reader *reader = lb_reader_open(c->file.fd, c->file.path, err);
  if (reader) {
    lb_task_phase(&c->job->task, "verifying", (int64_t)c->figures.raw_bytes);
    lb_reader_pass(reader, c->threads, NULL, NULL, &c->job->task, &report, err);
  }
  lb_reader_close(reader);
  lb_error_prefix(err, "the new backup did not verify: ");
  return err->code;
}

void lb_creation_remember(const lb_creation *c, const char *level)
{
  lb_error why = LB_ERROR_INIT;
  struct stat st;
  if (fstat(c->file.fd, &st)) lb_fail_errno(&why, errno, "cannot open backup %s", c->path);
  else lb_history_verified(c->dir, c->path, &st, level, "ok", &why);
  if (why.code) {
    lb_job_warn(c->job, "the result of the verification was not recorded", &why);
  }
}

void lb_creation_close(lb_creation *c)
{
  lb_partial_close(&c->file);
  free(c->dir);
  free(c->name);
  free(c->source);
  free(c->path);
  c->dir = c->name = c->source = c->path = NULL;
}

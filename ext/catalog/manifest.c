/* The manifest: what a backup file says of itself, as JSON. The keys are listed in listing.h.
**
** Reading goes by a table of fields. The text comes from a file, so that every field may hold anything: a wrong type or
** a value out of range makes the whole manifest unusable, and the message names the field. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "catalog/listing.h"
#include "core/buffer.h"
#include "core/clock.h"

typedef enum field_kind { TEXT, NUMBER, TIME } field_kind;

typedef struct field {
  const char *key;
  field_kind kind;
  size_t offset;
  int64_t max;  /* of a number */
} field;

#define AT(member) offsetof(lb_manifest, member)

/* In the order in which they are written. */
static const field fields[] = {
  { "tool", TEXT, AT(tool), 0 },
  { "source", TEXT, AT(source), 0 },
  { "name", TEXT, AT(name), 0 },
  { "created", TIME, AT(created), 0 },
  { "keep_until", TIME, AT(keep_until), 0 },
  { "raw_bytes", NUMBER, AT(raw_bytes), INT64_MAX },
  { "codec", TEXT, AT(codec), 0 },
  { "level", NUMBER, AT(level), 1000 },
  { "block_bytes", NUMBER, AT(block_bytes), INT32_MAX },
  { "content_hash", TEXT, AT(content_hash), 0 },
  { "page_size", NUMBER, AT(page_size), 65536 },
  { "page_count", NUMBER, AT(page_count), UINT32_MAX },
  { "journal_mode", TEXT, AT(journal_mode), 0 },
  { "server_version", TEXT, AT(server_version), 0 },
  { "pg_dump_version", TEXT, AT(pg_dump_version), 0 },
  { "database", TEXT, AT(database), 0 },
  { "encoding", TEXT, AT(encoding), 0 },
  { "locale_provider", TEXT, AT(locale_provider), 0 },
  { "collate", TEXT, AT(collate), 0 },
  { "ctype", TEXT, AT(ctype), 0 },
  { "locale", TEXT, AT(locale), 0 },
  { "icu_rules", TEXT, AT(icu_rules), 0 },
  { "scope", TEXT, AT(scope), 0 },
  { "tables", NUMBER, AT(tables), INT32_MAX },
  { "uid", NUMBER, AT(uid), UINT32_MAX },
  { "gid", NUMBER, AT(gid), UINT32_MAX },
  { "note", TEXT, AT(note), 0 },
};
enum { FIELDS = sizeof fields / sizeof fields[0] };

static char **text_of(lb_manifest *manifest, const field *f)
{
  return (char **)((char *)manifest + f->offset);
}

static int64_t *number_of(lb_manifest *manifest, const field *f)
{
  return (int64_t *)((char *)manifest + f->offset);
}

void lb_manifest_init(lb_manifest *manifest)
{
  memset(manifest, 0, sizeof *manifest);
  for (int i = 0; i < FIELDS; i++) {
    if (fields[i].kind == NUMBER) *number_of(manifest, &fields[i]) = -1;
  }
  manifest->mode = -1;
}

void lb_manifest_free(lb_manifest *manifest)
{
  for (int i = 0; i < FIELDS; i++) {
    if (fields[i].kind == TEXT) free(*text_of(manifest, &fields[i]));
  }
  lb_manifest_init(manifest);
}

/* ---- reading ---- */

typedef struct parse {
  lb_manifest *manifest;
  bool has_format;
} parse;

static int fail_field(const char *key, lb_error *err)
{
  return lb_fail(err, LB_CORRUPT, "manifest: field \"%s\" is not valid", key);
}

static int take_field(lb_manifest *manifest, const field *f, const lb_json_member *m, lb_error *err)
{
  if (f->kind == NUMBER) {
    if (m->type != LB_JSON_INTEGER || m->integer < 0 || m->integer > f->max) return fail_field(f->key, err);
    *number_of(manifest, f) = m->integer;
    return LB_OK;
  }
  if (m->type != LB_JSON_TEXT) return fail_field(f->key, err);
  if (f->kind == TIME) {
    int64_t t;
    if (m->text_len != LB_DATETIME_BYTES - 1 || !lb_clock_parse_datetime(m->text, &t) || t < 0) {
      return fail_field(f->key, err);
    }
    *number_of(manifest, f) = t;
    return LB_OK;
  }
  char *copy = strdup(m->text);
  if (!copy) return lb_fail_nomem(err);
  free(*text_of(manifest, f));
  *text_of(manifest, f) = copy;
  return LB_OK;
}

static int take_format(parse *p, const lb_json_member *m, lb_error *err)
{
  if (m->type != LB_JSON_INTEGER) return fail_field(m->key, err);
  if (m->integer != 1) {
    return lb_fail(err, LB_UNSUPPORTED, "manifest: format %lld is not known to this version", (long long)m->integer);
  }
  p->has_format = true;
  return LB_OK;
}

static int take_mode(lb_manifest *manifest, const lb_json_member *m, lb_error *err)
{
  if (m->type != LB_JSON_TEXT || m->text_len < 1 || m->text_len > 5) return fail_field(m->key, err);
  int64_t mode = 0;
  for (const char *p = m->text; *p; p++) {
    if (*p < '0' || *p > '7') return fail_field(m->key, err);
    mode = mode * 8 + (*p - '0');
  }
  if (mode > 07777) return fail_field(m->key, err);
  manifest->mode = mode;
  return LB_OK;
}

static int take_type(lb_manifest *manifest, const lb_json_member *m, lb_error *err)
{
  manifest->type = m->type == LB_JSON_TEXT ? lb_type_of_text(m->text) : LB_TYPE_NONE;
  return manifest->type == LB_TYPE_NONE ? fail_field(m->key, err) : LB_OK;
}

static int take_kind(lb_manifest *manifest, const lb_json_member *m, lb_error *err)
{
  static const lb_kind kinds[] = { LB_KIND_FULL, LB_KIND_BEFORE_RESTORE, LB_KIND_PARTIAL };
  for (size_t i = 0; m->type == LB_JSON_TEXT && i < sizeof kinds / sizeof kinds[0]; i++) {
    if (strcmp(m->text, lb_kind_text(kinds[i])) != 0) continue;
    manifest->kind = kinds[i];
    return LB_OK;
  }
  return fail_field(m->key, err);
}

static int take_member(void *ctx, const lb_json_member *m, lb_error *err)
{
  parse *p = ctx;
  if (m->type == LB_JSON_NULL) return LB_OK;
  if (strcmp(m->key, "format") == 0) return take_format(p, m, err);
  if (strcmp(m->key, "type") == 0) return take_type(p->manifest, m, err);
  if (strcmp(m->key, "kind") == 0) return take_kind(p->manifest, m, err);
  if (strcmp(m->key, "mode") == 0) return take_mode(p->manifest, m, err);
  for (int i = 0; i < FIELDS; i++) {
    if (strcmp(m->key, fields[i].key) == 0) return take_field(p->manifest, &fields[i], m, err);
  }
  return LB_OK;
}

int lb_manifest_parse(lb_json *json, const char *text, lb_manifest *manifest, lb_error *err)
{
  lb_manifest_init(manifest);
  parse p = { manifest, false };
  lb_error own = LB_ERROR_INIT;
  if (lb_json_each(json, text, take_member, &p, &own)) {
    /* What is misuse in an argument is damage in a file. */
    if (own.code == LB_MISUSE) lb_fail(err, LB_CORRUPT, "manifest: %s", own.message);
    else lb_fail(err, own.code, "%s", own.message);
  } else if (!p.has_format) {
    fail_field("format", err);
  } else if (manifest->name && lb_name_check(manifest->name, &own)) {
    fail_field("name", err);
  }
  if (err->code != LB_OK) lb_manifest_free(manifest);
  return err->code;
}

/* ---- writing ---- */

static void put_field(lb_buf *buf, const lb_manifest *manifest, const field *f)
{
  const char *at = (const char *)manifest + f->offset;
  if (f->kind == TEXT) {
    const char *text = *(char *const *)at;
    if (text) lb_json_put_text(buf, f->key, text);
    return;
  }
  int64_t number = *(const int64_t *)at;
  if (f->kind == NUMBER && number >= 0) lb_json_put_int(buf, f->key, number);
  if (f->kind == TIME && number > 0) {
    char text[LB_DATETIME_BYTES];
    lb_clock_datetime(number, text);
    lb_json_put_text(buf, f->key, text);
  }
}

char *lb_manifest_format(const lb_manifest *manifest, lb_error *err)
{
  lb_buf buf = { 0 };
  lb_buf_text(&buf, "{");
  lb_json_put_int(&buf, "format", 1);
  if (manifest->type != LB_TYPE_NONE) lb_json_put_text(&buf, "type", lb_type_text(manifest->type));
  lb_json_put_text(&buf, "kind", lb_kind_text(manifest->kind));
  for (int i = 0; i < FIELDS; i++) put_field(&buf, manifest, &fields[i]);
  if (manifest->mode >= 0) {
    char mode[16];
    snprintf(mode, sizeof mode, "%04o", (unsigned)(manifest->mode & 07777));
    lb_json_put_text(&buf, "mode", mode);
  }
  lb_buf_text(&buf, "}");
  char *text = lb_buf_take(&buf);
  if (!text) lb_fail_nomem(err);
  return text;
}

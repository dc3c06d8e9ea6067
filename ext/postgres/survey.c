/* See survey.h. */
#include "postgres/survey.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "postgres/script.h"
#include "postgres/statement.h"

enum { HEAD_BYTES = 4096, TAIL_BYTES = 512, NAMES_MAX = 100000 };

/* Names without duplicates: a hash table by open addressing, whose list is in order of arrival. */
typedef struct names {
  char **list;
  unsigned char *uses;     /* of each */
  int count, capacity;
  int *slots;              /* index + 1 into list; 0: free. Twice the capacity */
} names;

typedef struct surveying {
  lb_pg_survey *survey;
  lb_script *script;
  lb_task *task;
  names roles, made, extensions, tablespaces;
  int use;                 /* LB_ROLE_… of the roles of the statement at hand */
  char head[HEAD_BYTES];   /* the beginning of the script: its versions are comments, which a reader does not tell */
  size_t head_len;
  char tail[TAIL_BYTES + 1];  /* its end, for the same reason */
  size_t tail_len;
  const lb_pg_watch *watch;  /* NULL: nobody else listens */
  lb_error *err;           /* of the statement at hand, for callbacks without one */
} surveying;

/* ---- names ---- */

static size_t slot_of(const names *n, const char *name)
{
  size_t size = (size_t)n->capacity * 2, h = 1469598103934665603u;
  for (const char *p = name; *p; p++) h = (h ^ (unsigned char)*p) * 1099511628211u;
  for (h %= size; n->slots[h] && strcmp(n->list[n->slots[h] - 1], name) != 0;) h = (h + 1) % size;
  return h;
}

static int grow(names *n, lb_error *err)
{
  int capacity = n->capacity ? n->capacity * 2 : 64;
  char **list = realloc(n->list, (size_t)capacity * sizeof *list);
  if (!list) return lb_fail_nomem(err);
  n->list = list;
  unsigned char *uses = realloc(n->uses, (size_t)capacity);
  if (!uses) return lb_fail_nomem(err);
  n->uses = uses;
  int *slots = calloc((size_t)capacity * 2, sizeof *slots);
  if (!slots) return lb_fail_nomem(err);
  free(n->slots);
  n->slots = slots;
  n->capacity = capacity;
  for (int i = 0; i < n->count; i++) n->slots[slot_of(n, n->list[i])] = i + 1;
  return LB_OK;
}

static int add_name(names *n, lb_span span, int use, lb_error *err)
{
  lb_buf text = { 0 };
  if (n->count == n->capacity && grow(n, err)) return err->code;
  lb_span_name(span, &text);
  char *name = lb_buf_take(&text);
  if (!name) return lb_fail_nomem(err);
  size_t slot = slot_of(n, name);
  if (n->slots[slot]) n->uses[n->slots[slot] - 1] |= (unsigned char)use;
  if (n->slots[slot] || !*name) {
    free(name);
    return LB_OK;
  }
  if (n->count == NAMES_MAX) {
    free(name);
    return lb_fail(err, LB_UNSUPPORTED, "the script names more than %d roles or extensions", NAMES_MAX);
  }
  n->uses[n->count] = (unsigned char)use;
  n->list[n->count++] = name;
  n->slots[slot] = n->count;
  return LB_OK;
}

static void free_names(names *n)
{
  for (int i = 0; i < n->count; i++) free(n->list[i]);
  free(n->list);
  free(n->uses);
  free(n->slots);
}

/* ---- reading ---- */

static void take_role(void *ctx, lb_span name)
{
  surveying *s = ctx;
  if (!s->err->code) add_name(&s->roles, name, s->use, s->err);
}

/* public, and a schema that stays with an extension, may belong to the role already. */
static int use_of(lb_statement_kind kind, const char *sql, size_t len)
{
  static const char schema[] = "ALTER SCHEMA ";
  bool made = len < sizeof schema - 1 || strncmp(sql, schema, sizeof schema - 1) != 0;
  switch (kind) {
  case LB_STATEMENT_OWNER:         return made ? LB_ROLE_OWNS | LB_ROLE_GIVEN : LB_ROLE_OWNS;
  case LB_STATEMENT_PRIVILEGE:     return LB_ROLE_GRANTS;
  case LB_STATEMENT_AUTHORIZATION: return LB_ROLE_ACTS;
  default:                         return LB_ROLE_NAMED;
  }
}

/* SET client_encoding = 'UTF8' */
static int take_encoding(surveying *s, const char *sql, size_t len, const lb_statement *st, lb_error *err)
{
  const char *open = memchr(sql, '\'', len);
  const char *close = open ? memchr(open + 1, '\'', len - (size_t)(open + 1 - sql)) : NULL;
  if (!lb_span_is(st->name, "client_encoding") || !close || s->survey->encoding) return LB_OK;
  s->survey->encoding = strndup(open + 1, (size_t)(close - open - 1));
  return s->survey->encoding ? LB_OK : lb_fail_nomem(err);
}

static int take_statement(void *ctx, const char *sql, size_t len, uint64_t offset, bool copy, const char *comment,
                          lb_error *err)
{
  surveying *s = ctx;
  lb_statement st;
  (void)comment;
  s->survey->statements++;
  if (s->watch && s->watch->statement(s->watch->ctx, sql, len, offset, copy, err)) return err->code;
  if (copy) return LB_OK;
  lb_span tablespace;
  lb_statement_read(sql, len, &st);
  if (lb_statement_tablespace(sql, len, &tablespace) && add_name(&s->tablespaces, tablespace, 0, err)) return err->code;
  lb_pg_locks_add(&s->survey->locks, sql, len, &st);
  if (st.kind == LB_STATEMENT_ROLE) return add_name(&s->made, st.name, 0, err);
  if (st.kind == LB_STATEMENT_EXTENSION) return add_name(&s->extensions, st.name, 0, err);
  if (st.kind == LB_STATEMENT_SET) return take_encoding(s, sql, len, &st, err);
  if (st.kind == LB_STATEMENT_DATABASE) return LB_OK;
  s->err = err;
  s->use = use_of(st.kind, sql, len);
  lb_statement_roles(sql, len, take_role, s);
  s->use = LB_ROLE_DEFAULTS;
  lb_statement_defaults(sql, len, take_role, s);
  return err->code;
}

static int take_data(void *ctx, const char *data, size_t len, lb_error *err)
{
  (void)ctx;
  (void)data;
  (void)len;
  (void)err;
  return LB_OK;
}

static int take_copy_end(void *ctx, uint64_t rows, lb_error *err)
{
  surveying *s = ctx;
  (void)err;
  s->survey->rows += rows;
  return LB_OK;
}

/* The database that \connect names: plain, in double quotes, or -reuse-previous=on "dbname='…'". */
static char *connect_target(const char *line, lb_error *err)
{
  static const char option[] = "-reuse-previous=on ";
  lb_buf name = { 0 }, text = { 0 };
  const char *p = line + strlen("\\connect");
  p += strspn(p, " \t");
  if (strncmp(p, option, sizeof option - 1) == 0) p += sizeof option - 1;
  size_t len = strlen(p);
  while (len && strchr(" \t\r", p[len - 1])) len--;
  bool quoted = len >= 2 && *p == '"';
  if (quoted) lb_span_name((lb_span){ p, len }, &name);
  else lb_buf_append(&name, p, len);
  lb_buf_append(&name, "", 0);
  if (quoted && !name.failed && strncmp(name.data, "dbname='", 8) == 0) {
    for (const char *c = name.data + 8; *c && *c != '\''; c++) {
      if (*c == '\\' && c[1]) c++;
      lb_buf_append(&text, c, 1);
    }
    lb_buf_free(&name);
    name = text;
  }
  char *target = lb_buf_take(&name);
  if (!target) lb_fail_nomem(err);
  return target;
}

static int take_meta(void *ctx, const char *line, uint64_t offset, lb_error *err)
{
  surveying *s = ctx;
  lb_pg_survey *survey = s->survey;
  if (strncmp(line, "\\connect", strlen("\\connect")) != 0) return LB_OK;
  char *target = connect_target(line, err);
  if (!target) return err->code;
  if (!survey->connects_to) {
    survey->connects_to = target;
    return LB_OK;
  }
  if (strcmp(survey->connects_to, target) != 0) {
    lb_fail(err, LB_UNSUPPORTED, "byte %llu of the script: it goes on to another database (\"%s\" after \"%s\"), as "
            "pg_dumpall writes them; restore such a script with psql, or dump each database by itself",
            (unsigned long long)offset, target, survey->connects_to);
  }
  free(target);
  return err->code;
}

static void keep_tail(surveying *s, const char *data, size_t n)
{
  size_t fresh = n < TAIL_BYTES ? n : TAIL_BYTES, kept = TAIL_BYTES - fresh;
  if (kept > s->tail_len) kept = s->tail_len;
  memmove(s->tail, s->tail + s->tail_len - kept, kept);
  memcpy(s->tail + kept, data + n - fresh, fresh);
  s->tail_len = kept + fresh;
}

static int feed(void *ctx, const void *data, size_t n, lb_error *err)
{
  surveying *s = ctx;
  size_t room = sizeof s->head - 1 - s->head_len;
  if (room > n) room = n;
  memcpy(s->head + s->head_len, data, room);
  s->head_len += room;
  keep_tail(s, data, n);
  if (lb_task_poll(s->task, err)) return err->code;
  return lb_script_feed(s->script, data, n, err);
}

static const lb_script_ops survey_ops = { take_statement, take_data, take_copy_end, take_meta };

/* Reads one stretch of the script, whole in itself, which begins at offset. */
static int open_stretch(surveying *s, uint64_t offset, lb_error *err)
{
  s->script = lb_script_open(&survey_ops, s, offset, err);
  return err->code;
}

static int close_stretch(surveying *s, lb_error *err)
{
  if (s->script && !err->code) lb_script_end(s->script, err);
  lb_script_close(s->script);
  s->script = NULL;
  return err->code;
}

static int read_parts(surveying *s, lb_source *source, const lb_pg_contents *c, lb_error *err)
{
  uint64_t offset = 0;
  for (int64_t i = 0; i < c->part_count && !err->code; i++) {
    const lb_pg_part *part = &c->parts[i];
    if (part->kind == LB_PART_DATA) {
      s->survey->statements++;
      s->survey->rows += part->rows;
    } else if (open_stretch(s, offset, err) == LB_OK) {
      for (uint64_t b = 0; b < part->blocks && !err->code; b++) {
        const unsigned char *data = NULL;
        size_t n = 0;
        if (source->block(source, part->block + b, &data, &n, err) == LB_OK) feed(s, data, n, err);
      }
      close_stretch(s, err);
    }
    offset += part->bytes;
  }
  return err->code;
}

/* ---- the result ---- */

/* The words behind "-- Dumped … version " up to the line's end; NULL: no such line. */
static int take_version(const char *head, const char *label, char **out, lb_error *err)
{
  const char *at = strstr(head, label);
  if (!at) return LB_OK;
  at += strlen(label);
  *out = strndup(at, strcspn(at, " \r\n"));
  return *out ? LB_OK : lb_fail_nomem(err);
}

/* Where text is found for the last time; NULL: nowhere. */
static const char *find_last(const char *in, const char *text)
{
  const char *found = NULL;
  while ((in = strstr(in, text))) found = in++;
  return found;
}

/* Whether pg_dump's last comment is there, and nothing behind it but empty lines, "--" and \unrestrict. */
static bool ends_complete(const char *tail)
{
  const char *line = find_last(tail, "-- PostgreSQL database dump complete");
  if (!line) line = find_last(tail, "-- PostgreSQL database cluster dump complete");
  if (!line || (line != tail && line[-1] != '\n')) return false;
  for (line += strcspn(line, "\n"); *line; line += strcspn(line, "\n")) {
    line += strspn(line, "\r\n");
    bool rule = line[0] == '-' && line[1] == '-' && strcspn(line, "\r\n") == 2;
    if (*line && !rule && strncmp(line, "\\unrestrict ", 12) != 0) return false;
  }
  return true;
}

static bool has_name(const names *n, const char *name)
{
  return n->capacity && n->slots[slot_of(n, name)];
}

static char **give_list(names *n, int *count)
{
  char **list = n->list;
  *count = n->count;
  n->list = NULL;
  n->count = 0;
  return list;
}

/* Roles that the script itself makes need not be there before. */
static void give_names(surveying *s)
{
  lb_pg_survey *survey = s->survey;
  int count;
  survey->role_uses = s->roles.uses;
  s->roles.uses = NULL;
  survey->roles = give_list(&s->roles, &count);
  for (int i = 0; i < count; i++) {
    if (has_name(&s->made, survey->roles[i])) {
      free(survey->roles[i]);
      continue;
    }
    survey->role_uses[survey->role_count] = survey->role_uses[i];
    survey->roles[survey->role_count++] = survey->roles[i];
  }
  survey->extensions = give_list(&s->extensions, &survey->extension_count);
  survey->tablespaces = give_list(&s->tablespaces, &survey->tablespace_count);
  survey->locks.made += (uint64_t)survey->role_count + (uint64_t)survey->tablespace_count;
}

int lb_pg_survey_read(lb_source *source, const lb_pg_contents *contents, lb_task *task, lb_pg_survey *survey,
                      lb_error *err)
{
  return lb_pg_survey_watch(source, contents, task, NULL, survey, err);
}

int lb_pg_survey_watch(lb_source *source, const lb_pg_contents *contents, lb_task *task, const lb_pg_watch *watch,
                       lb_pg_survey *survey, lb_error *err)
{
  surveying s = { .survey = survey, .task = task, .watch = watch };
  memset(survey, 0, sizeof *survey);
  if (contents) read_parts(&s, source, contents, err);
  else if (open_stretch(&s, 0, err) == LB_OK) {
    source->stream(source, feed, &s, err);
    close_stretch(&s, err);
  }
  for (size_t i = 0; i < s.head_len; i++) if (!s.head[i]) s.head[i] = ' ';
  survey->complete = contents || ends_complete(s.tail);
  if (!err->code && take_version(s.head, "\n-- Dumped from database version ", &survey->version, err) == LB_OK) {
    take_version(s.head, "\n-- Dumped by pg_dump version ", &survey->dump_version, err);
  }
  give_names(&s);
  free_names(&s.roles);
  free_names(&s.made);
  free_names(&s.extensions);
  free_names(&s.tablespaces);
  if (err->code) lb_pg_survey_free(survey);
  return err->code;
}

void lb_pg_survey_free(lb_pg_survey *survey)
{
  for (int i = 0; i < survey->role_count; i++) free(survey->roles[i]);
  for (int i = 0; i < survey->extension_count; i++) free(survey->extensions[i]);
  for (int i = 0; i < survey->tablespace_count; i++) free(survey->tablespaces[i]);
  free(survey->roles);
  free(survey->role_uses);
  free(survey->extensions);
  free(survey->tablespaces);
  free(survey->encoding);
  free(survey->connects_to);
  free(survey->version);
  free(survey->dump_version);
  memset(survey, 0, sizeof *survey);
}

/* See dump.h. This file is the script's order; the rows are dump_data.c's. */
#include "postgres/dump.h"

#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "postgres/dump_data.h"
#include "postgres/parts.h"
#include "postgres/quote.h"

enum { ARGUMENTS_MAX = 24, READ_BYTES = 65536, SEQUENCES_AT_ONCE = 100 };

/* A pg_dump, and the beginning of what it wrote: whoever has that knows that it has its locks. */
typedef struct child {
  lb_pg_program *program;
  char head[4096];
  size_t head_len;
} child;

struct lb_pg_dumping {
  const lb_pg_dump *dump;
  lb_json *json;
  int64_t lock_wait;
  child before, objects, after;
  int64_t spooled;      /* bytes of post-data in the spool */
  bool after_ended;
  lb_pg_meanwhile meanwhile;
  char buffer[READ_BYTES];
};

/* ---- pg_dump ---- */

typedef struct arguments {
  char **list;
  int count, capacity;
  const char *option;   /* what the next pattern is for */
  bool in_any_schema;   /* a pattern without a dot means a table in any schema, as in relations.h */
} arguments;

static int add_argument(arguments *a, lb_error *err, const char *option, const char *value)
{
  if (a->count + 2 > a->capacity) {
    int capacity = a->capacity ? a->capacity * 2 : ARGUMENTS_MAX;
    char **list = realloc(a->list, (size_t)capacity * sizeof *list);
    if (!list) return lb_fail_nomem(err);
    a->list = list;
    a->capacity = capacity;
  }
  a->list[a->count] = lb_text_printf(err, "%s%s", option, value);
  if (!a->list[a->count]) return err->code;
  a->list[++a->count] = NULL;
  return LB_OK;
}

static void free_arguments(arguments *a)
{
  for (int i = 0; i < a->count; i++) free(a->list[i]);
  free(a->list);
}

/* Whether a dot stands outside of quotes. */
static bool names_schema(const char *pattern)
{
  bool quoted = false;
  for (const char *p = pattern; *p; p++) {
    if (*p == '"') quoted = !quoted;
    else if (*p == '.' && !quoted) return true;
  }
  return false;
}

static int add_pattern(void *ctx, const char *pattern, lb_error *err)
{
  arguments *a = ctx;
  char *option = lb_text_printf(err, "%s%s", a->option, a->in_any_schema && !names_schema(pattern) ? "*." : "");
  if (option) add_argument(a, err, option, pattern);
  free(option);
  return err->code;
}

static int add_patterns(arguments *a, lb_json *json, const char *option, const char *list, bool tables, lb_error *err)
{
  a->option = option;
  a->in_any_schema = tables;
  return list ? lb_json_each_text(json, list, add_pattern, a, err) : LB_OK;
}

static int start_pg_dump(lb_pg_dumping *s, child *c, const char *section, lb_error *err)
{
  const lb_pg_filter *f = s->dump->filter;
  arguments a = { 0 };
  char timeout[32];
  snprintf(timeout, sizeof timeout, "%lld", (long long)s->lock_wait);
  add_argument(&a, err, s->dump->tools->dump, "");
  add_argument(&a, err, "--no-password", "");
  add_argument(&a, err, "--section=", section);
  add_argument(&a, err, "--snapshot=", s->dump->snapshot->id);
  /* That of the rows: a client_encoding set by ALTER DATABASE or ALTER ROLE would be another. */
  add_argument(&a, err, "--encoding=", s->dump->snapshot->lanes[0]->encoding);
  add_argument(&a, err, "--lock-wait-timeout=", timeout);
  if (f->schema_only) add_argument(&a, err, "--schema-only", "");
  if (strcmp(section, "data") == 0) add_argument(&a, err, "--exclude-table-data=*.*", "");
  if (!err->code && add_patterns(&a, s->json, "--schema=", f->schemas, false, err) == LB_OK &&
      add_patterns(&a, s->json, "--table=", f->tables, true, err) == LB_OK &&
      add_patterns(&a, s->json, "--exclude-table=", f->exclude_tables, true, err) == LB_OK) {
    c->program = lb_pg_program_start(s->dump->snapshot->lanes[0], (const char *const *)a.list, err);
  }
  free_arguments(&a);
  return err->code;
}

/* A table that is locked, or gone meanwhile: another snapshot may fare better. What may not be locked stays so, and a
** server that has no room for the lock says, in any language, which setting to raise: to try again would only take that
** room from others again and again. */
static bool is_in_the_way(const char *message)
{
  return strstr(message, "LOCK TABLE") && !strstr(message, "permission denied") &&
         !strstr(message, "max_locks_per_transaction");
}

/* It writes nothing before it has locked and read everything. */
static int await_locks(child *c, lb_error *err)
{
  lb_error why = LB_ERROR_INIT;
  if (!c->program) return LB_OK;
  if (lb_pg_program_read(c->program, c->head, sizeof c->head, true, &c->head_len, NULL, err)) return err->code;
  if (c->head_len || lb_pg_program_finish(c->program, &why) == LB_OK) return LB_OK;
  return lb_fail(err, is_in_the_way(why.message) ? LB_BUSY : (lb_code)why.code, "%s", why.message);
}

/* As lb_pg_program_read. */
static int read_child(child *c, void *data, size_t size, bool wait, size_t *got, bool *again, lb_error *err)
{
  if (!c->head_len) return lb_pg_program_read(c->program, data, size, wait, got, again, err);
  *again = false;
  *got = c->head_len < size ? c->head_len : size;
  memcpy(data, c->head, *got);
  memmove(c->head, c->head + *got, c->head_len - *got);
  c->head_len -= *got;
  return LB_OK;
}

static int finish_child(lb_pg_dumping *s, child *c, lb_error *err)
{
  if (lb_pg_program_finish(c->program, err) == LB_OK) lb_pg_program_warnings(c->program, s->dump->notes);
  return err->code;
}

/* All that is left of a program's output becomes a part. */
static int copy_output(lb_pg_dumping *s, child *c, lb_part_kind kind, lb_pg_parts *parts, lb_error *err)
{
  size_t n = 1;
  bool again;
  lb_pg_parts_begin(parts, kind, -1);
  while (n && !err->code) {
    read_child(c, s->buffer, sizeof s->buffer, true, &n, &again, err);
    if (n && !err->code) lb_pg_parts_write(parts, s->buffer, n, err);
  }
  if (!err->code) finish_child(s, c, err);
  return err->code ? err->code : lb_pg_parts_end(parts, 0, err);
}

/* pg_dump -n public writes CREATE SCHEMA for what every new database has. Schemas come first in the script, so that the
** first such line behind the end of a comment of pg_dump's is the statement. A line may come in two reads: what could
** be the beginning of it is kept back. */
static int copy_pre_data(lb_pg_dumping *s, lb_pg_parts *parts, lb_error *err)
{
  static const char made[] = "\n--\n\nCREATE SCHEMA public;\n",
                    instead[] = "\n--\n\nCREATE SCHEMA IF NOT EXISTS public;\n";
  const size_t length = sizeof made - 1;
  bool looking = s->dump->filter->schemas != NULL, again;
  size_t n = 1, kept = 0;
  lb_pg_parts_begin(parts, LB_PART_PRE_DATA, -1);
  while (n && !err->code) {
    if (read_child(&s->before, s->buffer + kept, sizeof s->buffer - kept, true, &n, &again, err)) return err->code;
    size_t have = kept + n, from = 0;
    const char *found = looking ? memmem(s->buffer, have, made, length) : NULL;
    if (found) {
      looking = false;
      from = (size_t)(found - s->buffer) + length;
      lb_pg_parts_write(parts, s->buffer, from - length, err);
      lb_pg_parts_write(parts, instead, sizeof instead - 1, err);
    }
    kept = !looking || !n ? 0 : have < length - 1 ? have : length - 1;
    if (have - kept > from) lb_pg_parts_write(parts, s->buffer + from, have - kept - from, err);
    memmove(s->buffer, s->buffer + have - kept, kept);
  }
  if (!err->code) finish_child(s, &s->before, err);
  return err->code ? err->code : lb_pg_parts_end(parts, 0, err);
}

/* ---- post-data, read while rows are ---- */

static int spool_some(lb_pg_dumping *s, bool wait, bool *again, lb_error *err)
{
  size_t n = 0;
  *again = false;
  if (read_child(&s->after, s->buffer, sizeof s->buffer, wait, &n, again, err)) return err->code;
  if (n == 0 && !*again) {
    s->after_ended = true;
    s->meanwhile.fd = -1;
    return finish_child(s, &s->after, err);
  }
  if (n && lb_file_write(s->dump->spool_fd, s->buffer, n, s->spooled, s->dump->spool_path, err)) return err->code;
  s->spooled += (int64_t)n;
  return LB_OK;
}

static int tick(void *ctx, lb_error *err)
{
  lb_pg_dumping *s = ctx;
  bool again;
  return s->after.program && !s->after_ended ? spool_some(s, false, &again, err) : LB_OK;
}

static int write_post_data(lb_pg_dumping *s, lb_pg_parts *parts, lb_error *err)
{
  bool again;
  while (!s->after_ended && !err->code) spool_some(s, true, &again, err);
  lb_pg_parts_begin(parts, LB_PART_POST_DATA, -1);
  for (int64_t at = 0; at < s->spooled && !err->code;) {
    size_t n = s->spooled - at < READ_BYTES ? (size_t)(s->spooled - at) : READ_BYTES;
    if (lb_file_read(s->dump->spool_fd, s->buffer, n, at, s->dump->spool_path, err) == LB_OK) {
      lb_pg_parts_write(parts, s->buffer, n, err);
    }
    at += (int64_t)n;
  }
  return err->code ? err->code : lb_pg_parts_end(parts, 0, err);
}

/* ---- what pg_dump does not write for us ---- */

/* The settings that pg_dump's scripts begin with, where no pg_dump of the schema writes them. */
static int write_preamble(const lb_pg_dump *dump, lb_pg_parts *parts, lb_part_kind kind, lb_error *err)
{
  lb_buf text = { 0 };
  lb_buf_text(&text, "--\n-- PostgreSQL database dump\n--\n\nSET statement_timeout = 0;\nSET lock_timeout = 0;\n"
                     "SET idle_in_transaction_session_timeout = 0;\nSET client_encoding = ");
  lb_pg_put_literal(&text, dump->snapshot->lanes[0]->encoding);
  lb_buf_text(&text, ";\nSET standard_conforming_strings = on;\n"
                     "SELECT pg_catalog.set_config('search_path', '', false);\nSET check_function_bodies = false;\n"
                     "SET xmloption = content;\nSET client_min_messages = warning;\nSET row_security = off;\n\n");
  lb_pg_parts_begin(parts, kind, -1);
  if (text.failed) lb_fail_nomem(err);
  else lb_pg_parts_write(parts, text.data, text.len, err);
  lb_buf_free(&text);
  return err->code;
}

static void put_setval(lb_buf *out, const lb_pg_sequence *s, const char *value, bool called)
{
  lb_buf name = { 0 };
  lb_pg_put_qualified(&name, s->schema, s->name);
  lb_buf_text(out, "SELECT pg_catalog.setval(");
  lb_pg_put_literal(out, name.data ? name.data : "");
  lb_buf_printf(out, ", %s, %s);\n", value, called ? "true" : "false");
  out->failed |= name.failed;
  lb_buf_free(&name);
}

static int write_some_sequences(const lb_pg_dump *dump, int first, int count, lb_pg_parts *parts, lb_error *err)
{
  lb_buf sql = { 0 }, out = { 0 };
  const lb_pg_sequence *s = &dump->relations->sequences[first];
  for (int i = 0; i < count; i++) {
    lb_buf_printf(&sql, "%sSELECT %d AS place, last_value, is_called FROM ", i ? " UNION ALL " : "", i);
    lb_pg_put_qualified(&sql, s[i].schema, s[i].name);
  }
  lb_buf_text(&sql, " ORDER BY place");
  if (sql.failed) lb_fail_nomem(err);
  PGresult *result = err->code ? NULL : lb_pg_query(dump->snapshot->lanes[0], err, sql.data, 0, NULL);
  for (int i = 0; result && i < PQntuples(result) && i < count; i++) {
    put_setval(&out, &s[i], PQgetvalue(result, i, 1), PQgetvalue(result, i, 2)[0] == 't');
  }
  PQclear(result);
  if (out.failed) lb_fail_nomem(err);
  if (!err->code) lb_pg_parts_write(parts, out.data, out.len, err);
  lb_buf_free(&sql);
  lb_buf_free(&out);
  return err->code;
}

static int write_sequences(const lb_pg_dump *dump, lb_pg_parts *parts, lb_error *err)
{
  int count = dump->relations->sequence_count;
  if (count == 0) return LB_OK;
  lb_pg_parts_begin(parts, LB_PART_SEQUENCES, -1);
  lb_pg_parts_write(parts, "--\n-- Sequences\n--\n\n", 20, err);
  for (int i = 0; i < count && !err->code; i += SEQUENCES_AT_ONCE) {
    write_some_sequences(dump, i, count - i < SEQUENCES_AT_ONCE ? count - i : SEQUENCES_AT_ONCE, parts, err);
  }
  if (!err->code) lb_pg_parts_write(parts, "\n\n", 2, err);
  return err->code ? err->code : lb_pg_parts_end(parts, 0, err);
}

/* ---- roles ---- */

/* The quote that is still open behind the line, 0: none. quote: what was open before. pg_dumpall doubles every quote
** and every backslash within quotes, so that counting them is enough. */
static char quote_behind(const char *line, size_t n, char quote)
{
  if (!quote && n > 1 && line[0] == '-' && line[1] == '-') return 0;
  for (size_t i = 0; i < n; i++) {
    if (quote ? line[i] == quote : line[i] == '\'' || line[i] == '"') quote = quote ? 0 : line[i];
  }
  return quote;
}

/* A line, with those that follow while a quote is open: a name or a comment may have several. */
static size_t line_length(const char *text, size_t len)
{
  char quote = 0;
  size_t n = 0;
  do {
    const char *line = text + n, *end = memchr(line, '\n', len - n);
    size_t length = end ? (size_t)(end - line) + 1 : len - n;
    quote = quote_behind(line, length, quote);
    n += length;
  } while (quote && n < len);
  return n;
}

/* A role that is there already is no error: roles belong to the server, and the target's may have them. */
static void put_role_line(lb_buf *out, const char *line, size_t n)
{
  static const char create[] = "CREATE ROLE ";
  bool wrap = n > sizeof create && memcmp(line, create, sizeof create - 1) == 0 &&
              memcmp(line + n - 2, ";\n", 2) == 0 && !memmem(line, n, "$lifeboat$", 10);
  if (!wrap) {
    lb_buf_append(out, line, n);
    return;
  }
  lb_buf_text(out, "DO $lifeboat$BEGIN ");
  lb_buf_append(out, line, n - 1);
  lb_buf_text(out, " EXCEPTION WHEN duplicate_object THEN NULL; END$lifeboat$;\n");
}

static int read_roles(lb_pg_dumping *s, lb_buf *script, lb_error *err)
{
  const char *argv[] = { s->dump->tools->dumpall, "--roles-only", "--no-password",
                         s->dump->roles == LB_PG_ROLES_BARE ? "--no-role-passwords" : NULL, NULL };
  lb_pg_program *program = lb_pg_program_start(s->dump->snapshot->lanes[0], argv, err);
  size_t n = 1;
  bool again;
  while (program && n && !err->code) {
    if (lb_pg_program_read(program, s->buffer, sizeof s->buffer, true, &n, &again, err) == LB_OK) {
      lb_buf_append(script, s->buffer, n);
    }
  }
  if (!err->code && lb_pg_program_finish(program, err) == LB_OK) lb_pg_program_warnings(program, s->dump->notes);
  lb_pg_program_close(program);
  return script->failed ? lb_fail_nomem(err) : err->code;
}

/* Whether it failed for a right: of passwords, where the server's words may be in any language, or of connecting. */
static bool is_forbidden(lb_pg_dumping *s, const char *message)
{
  lb_error ignored = LB_ERROR_INIT;
  if (strstr(message, "permission denied") || strstr(message, "pg_hba.conf")) return true;
  if (s->dump->roles == LB_PG_ROLES_BARE) return false;
  char *may = lb_pg_value(s->dump->snapshot->lanes[0], &ignored,
                          "SELECT pg_catalog.has_table_privilege('pg_catalog.pg_authid', 'SELECT')", 0, NULL);
  bool forbidden = may && may[0] == 'f';
  free(may);
  return forbidden;
}

/* Not everybody may read roles: then the backup is made without, and says so. */
static int write_roles(lb_pg_dumping *s, lb_pg_parts *parts, lb_error *err)
{
  lb_buf script = { 0 }, out = { 0 };
  lb_error why = LB_ERROR_INIT;
  if (s->dump->roles == LB_PG_ROLES_NONE) return LB_OK;
  if (read_roles(s, &script, &why)) {
    lb_buf_free(&script);
    if (why.code != LB_ERROR || !is_forbidden(s, why.message)) return lb_fail(err, why.code, "%s", why.message);
    lb_buf_printf(s->dump->notes, "%sroles were left out: %s", s->dump->notes->len ? "\n" : "", why.message);
    return LB_OK;
  }
  for (size_t at = 0, n; at < script.len; at += n) {
    n = line_length(script.data + at, script.len - at);
    put_role_line(&out, script.data + at, n);
  }
  lb_buf_free(&script);
  if (out.failed) lb_fail_nomem(err);
  lb_pg_parts_begin(parts, LB_PART_ROLES, -1);
  if (!err->code) lb_pg_parts_write(parts, out.data, out.len, err);
  lb_buf_free(&out);
  return err->code ? err->code : lb_pg_parts_end(parts, 0, err);
}

/* ---- the script ---- */

static int write_script(lb_pg_dumping *s, lb_pg_parts *parts, lb_pg_contents *contents, lb_error *err)
{
  const lb_pg_dump *dump = s->dump;
  if (write_roles(s, parts, err)) return err->code;
  if (s->before.program) copy_pre_data(s, parts, err);
  else if (write_preamble(dump, parts, LB_PART_PRE_DATA, err) == LB_OK) lb_pg_parts_end(parts, 0, err);
  if (!dump->filter->schema_only && !err->code) {
    s->meanwhile = (lb_pg_meanwhile){ tick, s, s->after.program ? lb_pg_program_fd(s->after.program) : -1 };
    if (lb_pg_dump_data(dump, parts, &s->meanwhile, contents, err) || write_sequences(dump, parts, err)) {
      return err->code;
    }
    if (s->objects.program) copy_output(s, &s->objects, LB_PART_LARGE_OBJECTS, parts, err);
  }
  return s->after.program && !err->code ? write_post_data(s, parts, err) : err->code;
}

static int start_all(lb_pg_dumping *s, lb_error *err)
{
  const lb_pg_filter *f = s->dump->filter;
  bool objects = s->dump->relations->large_objects && !f->schema_only;
  if (!f->data_only && (start_pg_dump(s, &s->before, "pre-data", err) || start_pg_dump(s, &s->after, "post-data", err)))
    return err->code;
  if (objects && start_pg_dump(s, &s->objects, "data", err)) return err->code;
  if (await_locks(&s->before, err) || await_locks(&s->after, err)) return err->code;
  return await_locks(&s->objects, err);
}

lb_pg_dumping *lb_pg_dump_begin(const lb_pg_dump *dump, int64_t lock_wait, lb_error *err)
{
  lb_pg_dumping *s = calloc(1, sizeof *s);
  if (!s) {
    lb_fail_nomem(err);
    return NULL;
  }
  s->dump = dump;
  s->lock_wait = lock_wait;
  s->json = lb_json_open(err);
  if (s->json && start_all(s, err) == LB_OK) return s;
  lb_pg_dump_end(s);
  return NULL;
}

int lb_pg_dump_run(lb_pg_dumping *s, lb_sink *sink, lb_pg_contents *contents, lb_error *err)
{
  lb_pg_parts parts = { .sink = sink, .contents = contents };
  return write_script(s, &parts, contents, err);
}

void lb_pg_dump_end(lb_pg_dumping *s)
{
  if (!s) return;
  lb_pg_program_close(s->before.program);
  lb_pg_program_close(s->objects.program);
  lb_pg_program_close(s->after.program);
  lb_json_close(s->json);
  free(s);
}

int lb_pg_dump_measure(const lb_pg_dump *dump, lb_pg_contents *contents, lb_error *err)
{
  return lb_pg_dump_data(dump, NULL, NULL, contents, err);
}

/* See json.h.
**
** Reading goes through json_each(), so JSON means here what it means to the SQLite that hosts us. json_valid() is asked
** first: newer versions of SQLite read JSON5 too, and what is accepted shall not depend on the version.
** Not here: paths into nested values; a caller that needs them has SQL of its own (lb_json_rows).
*/
#include "core/json.h"

#include <math.h>
#include <sqlite3ext.h>
#include <stdlib.h>
#include <string.h>

#include "core/utf8.h"

SQLITE_EXTENSION_INIT3

struct lb_json {
  sqlite3 *db;
  sqlite3_stmt *check;  /* the type of the value at the top, NULL when the text is not JSON */
  sqlite3_stmt *each;
};

/* The message is SQLite's: memory is the only thing that can be missing, or a SQLite built without JSON. */
static int fail_sqlite(lb_json *json, int rc, lb_error *err)
{
  if (rc == SQLITE_NOMEM) return lb_fail_nomem(err);
  return lb_fail(err, LB_ERROR, "cannot read JSON: %s", json->db ? sqlite3_errmsg(json->db) : sqlite3_errstr(rc));
}

lb_json *lb_json_open(lb_error *err)
{
  lb_json *json = calloc(1, sizeof *json);
  if (!json) {
    lb_fail_nomem(err);
    return NULL;
  }
  int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_MEMORY | SQLITE_OPEN_NOMUTEX;
  int rc = sqlite3_open_v2(":memory:", &json->db, flags, NULL);
  if (rc == SQLITE_OK) {
    sqlite3_db_config(json->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    sqlite3_db_config(json->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    rc = sqlite3_prepare_v3(json->db, "SELECT CASE WHEN json_valid(?1) THEN json_type(?1) END", -1,
                            SQLITE_PREPARE_PERSISTENT, &json->check, NULL);
  }
  if (rc == SQLITE_OK) {
    rc = sqlite3_prepare_v3(json->db, "SELECT key, type, value FROM json_each(?1)", -1, SQLITE_PREPARE_PERSISTENT,
                            &json->each, NULL);
  }
  if (rc != SQLITE_OK) {
    fail_sqlite(json, rc, err);
    lb_json_close(json);
    return NULL;
  }
  return json;
}

void lb_json_close(lb_json *json)
{
  if (!json) return;
  sqlite3_finalize(json->check);
  sqlite3_finalize(json->each);
  sqlite3_close(json->db);
  free(json);
}

/* ---- reading ---- */

/* SQLite cuts a text at \u0000, or hands out a text with a NUL inside: neither may pass as the shorter text. */
static bool has_nul_escape(const char *text)
{
  for (const char *at = strchr(text, '\\'); at; at = strchr(at, '\\')) {
    if (strncmp(at, "\\u0000", 6) == 0) return true;
    if (!at[1]) return false;
    at += 2;
  }
  return false;
}

/* wanted: the type at the top, NULL where any will do; complaint: what to say when it is something else. */
static int check_top(lb_json *json, const char *text, size_t n, const char *wanted, const char *complaint,
                     lb_error *err)
{
  int rc = sqlite3_bind_text64(json->check, 1, text, n, SQLITE_STATIC, SQLITE_UTF8);
  if (rc == SQLITE_OK) rc = sqlite3_step(json->check);
  if (rc == SQLITE_ROW) {
    const char *type = (const char *)sqlite3_column_text(json->check, 0);
    if (!type && sqlite3_errcode(json->db) == SQLITE_NOMEM) lb_fail_nomem(err);
    else if (!type || (wanted && strcmp(type, wanted) != 0)) lb_fail(err, LB_MISUSE, "%s", complaint);
  } else {
    fail_sqlite(json, rc, err);
  }
  sqlite3_reset(json->check);
  sqlite3_clear_bindings(json->check);
  if (err->code == LB_OK && has_nul_escape(text)) lb_fail(err, LB_MISUSE, "a JSON text may not contain \\u0000");
  return err->code;
}

static lb_json_type type_of(const char *name, int column_type)
{
  static const struct { const char *name; lb_json_type type; } types[] = {
    { "null", LB_JSON_NULL }, { "true", LB_JSON_TRUE }, { "false", LB_JSON_FALSE }, { "integer", LB_JSON_INTEGER },
    { "real", LB_JSON_REAL }, { "text", LB_JSON_TEXT }, { "array", LB_JSON_ARRAY }, { "object", LB_JSON_OBJECT },
  };
  /* An integer that does not fit 64 bits comes as a real. */
  if (strcmp(name, "integer") == 0 && column_type != SQLITE_INTEGER) return LB_JSON_REAL;
  for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
    if (strcmp(name, types[i].name) == 0) return types[i].type;
  }
  return LB_JSON_NULL;
}

/* The member of the row that the statement stands on. */
static int member_of_row(sqlite3_stmt *row, lb_json_member *m, lb_error *err)
{
  memset(m, 0, sizeof *m);
  m->key = (const char *)sqlite3_column_text(row, 0);
  const char *type = (const char *)sqlite3_column_text(row, 1);
  if (!m->key || !type) return lb_fail_nomem(err);
  m->type = type_of(type, sqlite3_column_type(row, 2));
  if (m->type == LB_JSON_INTEGER) m->integer = sqlite3_column_int64(row, 2);
  if (m->type == LB_JSON_TEXT || m->type == LB_JSON_ARRAY || m->type == LB_JSON_OBJECT) {
    m->text = (const char *)sqlite3_column_text(row, 2);
    if (!m->text) return lb_fail_nomem(err);
    m->text_len = (size_t)sqlite3_column_bytes(row, 2);
  }
  return LB_OK;
}

int lb_json_each(lb_json *json, const char *text, int (*each)(void *ctx, const lb_json_member *m, lb_error *err),
                 void *ctx, lb_error *err)
{
  size_t n = strlen(text);
  if (check_top(json, text, n, "object", "not a JSON object", err)) return err->code;
  int rc = sqlite3_bind_text64(json->each, 1, text, n, SQLITE_STATIC, SQLITE_UTF8);
  while (err->code == LB_OK && (rc == SQLITE_OK || rc == SQLITE_ROW) && (rc = sqlite3_step(json->each)) == SQLITE_ROW) {
    lb_json_member m;
    if (member_of_row(json->each, &m, err) == LB_OK) each(ctx, &m, err);
  }
  if (err->code == LB_OK && rc != SQLITE_DONE) fail_sqlite(json, rc, err);
  sqlite3_reset(json->each);
  sqlite3_clear_bindings(json->each);
  return err->code;
}

/* Runs sql for text, whose top was checked. corrupt: a failure of SQLite's JSON functions is the text's. */
static int run_rows(lb_json *json, const char *sql, const char *text, size_t n, bool corrupt,
                    int (*each)(void *ctx, sqlite3_stmt *row, lb_error *err), void *ctx, lb_error *err)
{
  sqlite3_stmt *row = NULL;
  bool prepared = false;
  int rc = sqlite3_prepare_v2(json->db, sql, -1, &row, NULL);
  if (rc == SQLITE_OK) rc = sqlite3_bind_text64(row, 1, text, n, SQLITE_STATIC, SQLITE_UTF8);
  if (rc == SQLITE_OK) prepared = true;
  while (prepared && err->code == LB_OK && (rc = sqlite3_step(row)) == SQLITE_ROW) each(ctx, row, err);
  if (err->code == LB_OK && rc == SQLITE_ERROR && prepared && corrupt) {
    lb_fail(err, LB_CORRUPT, "not the JSON that is expected: %s", sqlite3_errmsg(json->db));
  } else if (err->code == LB_OK && rc != SQLITE_DONE) {
    fail_sqlite(json, rc, err);
  }
  sqlite3_finalize(row);
  return err->code;
}

int lb_json_rows(lb_json *json, const char *sql, const char *text,
                 int (*each)(void *ctx, sqlite3_stmt *row, lb_error *err), void *ctx, lb_error *err)
{
  size_t n = strlen(text);
  lb_error own = LB_ERROR_INIT;
  if (check_top(json, text, n, NULL, "not JSON", &own)) {
    /* What is misuse in an argument is damage in a file. */
    return lb_fail(err, own.code == LB_MISUSE ? LB_CORRUPT : own.code, "%s", own.message);
  }
  return run_rows(json, sql, text, n, true, each, ctx, err);
}

typedef struct texts {
  int (*each)(void *ctx, const char *text, lb_error *err);
  void *ctx;
} texts;

static int text_of_row(void *ctx, sqlite3_stmt *row, lb_error *err)
{
  const texts *t = ctx;
  lb_json_member m;
  if (member_of_row(row, &m, err)) return err->code;
  if (m.type != LB_JSON_TEXT) return lb_fail(err, LB_MISUSE, "not a JSON array of texts");
  return t->each(t->ctx, m.text, err);
}

int lb_json_each_text(lb_json *json, const char *array, int (*each)(void *ctx, const char *text, lb_error *err),
                      void *ctx, lb_error *err)
{
  texts t = { each, ctx };
  size_t n = strlen(array);
  if (check_top(json, array, n, "array", "not a JSON array of texts", err)) return err->code;
  /* A key of an array is its place. */
  return run_rows(json, "SELECT key, type, value FROM json_each(?1)", array, n, false, text_of_row, &t, err);
}

/* ---- writing ---- */

static void put_characters(lb_buf *buf, const unsigned char *p, size_t bytes)
{
  for (const unsigned char *end = p + bytes; p < end;) {
    size_t n = lb_utf8_length(p, (size_t)(end - p));
    if (n == 0) lb_buf_append(buf, "\xEF\xBF\xBD", 3); /* U+FFFD: a file name need not be UTF-8, but JSON is */
    else if (*p == '"' || *p == '\\') lb_buf_printf(buf, "\\%c", *p);
    else if (*p < 0x20) lb_buf_printf(buf, "\\u%04x", *p);
    else lb_buf_append(buf, p, n);
    p += n ? n : 1;
  }
}

static void put_string(lb_buf *buf, const char *text)
{
  lb_buf_append(buf, "\"", 1);
  put_characters(buf, (const unsigned char *)text, strlen(text));
  lb_buf_append(buf, "\"", 1);
}

bool lb_json_put_bytes(lb_buf *buf, const char *text, size_t n)
{
  const unsigned char *p = (const unsigned char *)text, *end = p + n;
  for (const unsigned char *at = p; at < end;) {
    size_t length = lb_utf8_length(at, (size_t)(end - at));
    if (!length) return false;
    at += length;
  }
  lb_buf_append(buf, "\"", 1);
  put_characters(buf, p, n);
  lb_buf_append(buf, "\"", 1);
  return true;
}

void lb_json_put_key(lb_buf *buf, const char *key)
{
  if (buf->len && buf->data[buf->len - 1] != '{') lb_buf_append(buf, ",", 1);
  put_string(buf, key);
  lb_buf_append(buf, ":", 1);
}

void lb_json_put_text(lb_buf *buf, const char *key, const char *value)
{
  lb_json_put_key(buf, key);
  if (value) put_string(buf, value);
  else lb_buf_text(buf, "null");
}

void lb_json_put_item(lb_buf *buf, const char *value)
{
  if (buf->len && buf->data[buf->len - 1] != '[') lb_buf_append(buf, ",", 1);
  put_string(buf, value);
}

void lb_json_put_int(lb_buf *buf, const char *key, int64_t value)
{
  lb_json_put_key(buf, key);
  lb_buf_printf(buf, "%lld", (long long)value);
}

void lb_json_put_real(lb_buf *buf, const char *key, double value)
{
  char number[400]; /* the largest double has 309 digits before the point */
  lb_json_put_key(buf, key);
  if (!isfinite(value)) {
    lb_buf_text(buf, "null");
    return;
  }
  /* SQLite's printf always writes a point; the C library's asks the host's locale. */
  lb_buf_text(buf, sqlite3_snprintf(sizeof number, number, "%.3f", value));
}

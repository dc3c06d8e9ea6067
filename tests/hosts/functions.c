/* A program that gives each connection functions of its own (sqlite3_auto_extension), which its database calls in an
** index, a CHECK and a generated column. Lifeboat's connections get them too: it must be able to read that schema, and
** call none of them, as the database may be another one than the program believes. LIKE stands in for SQLite's own,
** which a connection has no more where it is taken away. Prints "ok". */
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int calls;

static void half(sqlite3_context *ctx, int count, sqlite3_value **values)
{
  (void)count;
  calls++;
  sqlite3_result_int64(ctx, sqlite3_value_int64(values[0]) / 2);
}

static void like(sqlite3_context *ctx, int count, sqlite3_value **values)
{
  const char *pattern = (const char *)sqlite3_value_text(values[0]), *text = (const char *)sqlite3_value_text(values[1]);
  unsigned escape = count == 3 ? sqlite3_value_text(values[2])[0] : 0;
  sqlite3_result_int(ctx, pattern && text && sqlite3_strlike(pattern, text, escape) == 0);
}

static int add_functions(sqlite3 *db, char **message, const struct sqlite3_api_routines *api)
{
  (void)message, (void)api;
  sqlite3_create_function(db, "half", 1, SQLITE_UTF8 | SQLITE_DETERMINISTIC, NULL, half, NULL, NULL);
  sqlite3_create_function(db, "half16", -1, SQLITE_UTF16LE | SQLITE_DETERMINISTIC, NULL, half, NULL, NULL);
  sqlite3_create_function(db, "like", 2, SQLITE_UTF8 | SQLITE_DETERMINISTIC, NULL, like, NULL, NULL);
  sqlite3_create_function(db, "like", 3, SQLITE_UTF8 | SQLITE_DETERMINISTIC, NULL, like, NULL, NULL);
  return SQLITE_OK;
}

/* Runs sql; its last value must be want, where that is given. */
static void run(sqlite3 *db, const char *sql, const char *want)
{
  char got[4096] = "";
  sqlite3_stmt *stmt = NULL;
  for (const char *rest = sql; *rest; sqlite3_finalize(stmt), stmt = NULL) {
    int rc = sqlite3_prepare_v2(db, rest, -1, &stmt, &rest);
    while (rc == SQLITE_OK && stmt && (rc = sqlite3_step(stmt)) == SQLITE_ROW) {
      const char *text = (const char *)sqlite3_column_text(stmt, 0);
      snprintf(got, sizeof got, "%s", text ? text : "NULL");
      rc = SQLITE_OK;
    }
    if (rc != SQLITE_OK && rc != SQLITE_DONE) {
      fprintf(stderr, "%s: %s\n", sql, sqlite3_errmsg(db));
      exit(1);
    }
  }
  if (want && strcmp(got, want) != 0) {
    fprintf(stderr, "%s: %s instead of %s\n", sql, got, want);
    exit(1);
  }
}

/* words: the end of the error. */
static void fails(sqlite3 *db, const char *sql, const char *words)
{
  char *message = NULL;
  int rc = sqlite3_exec(db, sql, NULL, NULL, &message);
  const char *at = rc == SQLITE_OK || !message ? NULL : strstr(message, words);
  if (!at || at[strlen(words)]) {
    fprintf(stderr, "%s: %s instead of %s\n", sql, message ? message : "no error", words);
    exit(1);
  }
  sqlite3_free(message);
}

int main(int argc, char **argv)
{
  sqlite3 *db = NULL;
  char *message = NULL;
  if (argc != 2) return 1;
  sqlite3_auto_extension((void (*)(void))add_functions);
  if (sqlite3_open("app.db", &db)) return 1;
  sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 1, NULL);
  if (sqlite3_load_extension(db, argv[1], NULL, &message)) {
    fprintf(stderr, "%s\n", message);
    return 1;
  }
  run(db, "CREATE TABLE t(id INTEGER PRIMARY KEY, n CHECK (half(n) >= 0), h AS (half16(n)) STORED);"
          "CREATE INDEX by_half ON t(half(n)); INSERT INTO t(n) VALUES (2), (4), (6);"
          "CREATE TABLE u(id INTEGER PRIMARY KEY, x); INSERT INTO u VALUES (1, 'one')", NULL);
  calls = 0;
  run(db, "SELECT backup_create('main', '{\"check\":true,\"verify\":\"full\"}') LIKE '%.db.gz'", "1");
  run(db, "SELECT notes LIKE 'table t not checked: unknown function: half%' FROM backup_history", "1");
  run(db, "SELECT group_concat(change) FROM backup_diff('latest', './app.db')", "same,same");
  run(db, "SELECT backup_restore('latest', './new.db') ->> '$.check'", "ok");
  run(db, "DELETE FROM u; SELECT backup_restore('latest', 'main', '{\"tables\":[\"u\"]}') ->> '$.tables[0].added'", "1");
  fails(db, "SELECT backup_restore('latest', 'main', '{\"tables\":[\"none\"]}')", "(its tables: t, u)");
  run(db, "ATTACH 'like.db' AS like; CREATE TABLE like.t(x CHECK (x LIKE 'a%'))", NULL);
  fails(db, "SELECT backup_create('like')", "unsafe use of LIKE()");
  run(db, "SELECT backup_restore('latest', 'main', '{\"overwrite\":true}') ->> '$.check'", "ok");
  if (calls) {
    fprintf(stderr, "a schema called functions of the program %d times\n", calls);
    return 1;
  }
  run(db, "SELECT sum(h) FROM t WHERE half(n) > 1", "5");
  run(db, "PRAGMA integrity_check", "ok");
  sqlite3_close(db);
  puts("ok");
  return 0;
}

/* See functions.h. Each function: arguments in, one job, its result or error out. */
#include "api/functions.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "api/session.h"
#include "catalog/marks.h"
#include "catalog/resolve.h"
#include "codec/codec.h"
#include "core/file.h"
#include "core/version.h"
#include "job/attach.h"
#include "job/create.h"
#include "job/restore.h"
#include "job/rotate.h"
#include "job/verify.h"

SQLITE_EXTENSION_INIT3

enum { ARGUMENTS_MAX = 3 };

/* One call: copies of its text arguments (SQL that runs meanwhile may move a sqlite3_value's memory), and its
** outcome. */
typedef struct invocation {
  sqlite3_context *ctx;
  lb_session *session;
  lb_call call;
  char *args[ARGUMENTS_MAX];
  lb_error err;
} invocation;

/* SQLITE_DIRECTONLY keeps a function out of triggers, views and indexes, but SQLite 3.40 still runs it from a CHECK
** of a hostile table. So some statement that is running has to name the function itself. */
static bool called_by_statement(sqlite3 *db, const char *function)
{
  sqlite3_stmt *stmt = NULL;
  while ((stmt = sqlite3_next_stmt(db, stmt))) {
    const char *sql = sqlite3_stmt_busy(stmt) ? sqlite3_sql(stmt) : NULL;
    if (sql && strcasestr(sql, function)) return true;
  }
  return false;
}

/* required: how many of the arguments may not be NULL. */
static bool begin(invocation *in, const char *function, sqlite3_context *ctx, int argc, sqlite3_value **argv,
                  int required)
{
  in->ctx = ctx;
  in->session = sqlite3_user_data(ctx);
  memset(in->args, 0, sizeof in->args);
  in->err.code = LB_OK;
  in->err.message[0] = 0;
  if (!called_by_statement(sqlite3_context_db_handle(ctx), function)) {
    lb_fail(&in->err, LB_MISUSE, "unsafe use of %s(): something inside the database calls it", function);
  }
  lb_call_begin(&in->call, in->session);
  for (int i = 0; i < argc && i < ARGUMENTS_MAX; i++) {
    if (sqlite3_value_type(argv[i]) == SQLITE_NULL) {
      if (i < required) lb_fail(&in->err, LB_MISUSE, "argument %d is NULL", i + 1);
      continue;
    }
    const char *text = sqlite3_value_type(argv[i]) == SQLITE_BLOB ? NULL : (const char *)sqlite3_value_text(argv[i]);
    if (!text || strlen(text) != (size_t)sqlite3_value_bytes(argv[i])) {
      lb_fail(&in->err, LB_MISUSE, "argument %d is not a text", i + 1);
    } else {
      in->args[i] = lb_text_copy(text, &in->err);
    }
  }
  return in->err.code == LB_OK;
}

static void end(invocation *in)
{
  if (in->err.code == LB_NOMEM) {
    sqlite3_result_error_nomem(in->ctx);
  } else if (in->err.code) {
    sqlite3_result_error(in->ctx, in->err.message, -1);
    sqlite3_result_error_code(in->ctx, lb_sqlite_code(&in->err));
  }
  for (int i = 0; i < ARGUMENTS_MAX; i++) free(in->args[i]);
  lb_call_end(&in->call);
}

/* Gives a text that was allocated with malloc to SQLite. */
static void result_text(invocation *in, char *text)
{
  if (text) sqlite3_result_text(in->ctx, text, -1, free);
}

static void create_function(sqlite3_context *ctx, int argc, sqlite3_value **argv)
{
  invocation in;
  char *path = NULL;
  if (begin(&in, "backup_create", ctx, argc, argv, 1)) {
    lb_job_create(&in.call.job, in.args[0], in.args[1], &path, &in.err);
    result_text(&in, path);
  }
  end(&in);
}

static void restore_function(sqlite3_context *ctx, int argc, sqlite3_value **argv)
{
  invocation in;
  char *report = NULL;
  if (begin(&in, "backup_restore", ctx, argc, argv, 2)) {
    lb_job_restore(&in.call.job, in.args[0], in.args[1], in.args[2], &report, &in.err);
    result_text(&in, report);
    sqlite3_result_subtype(ctx, 'J');  /* JSON, for SQLite's own JSON functions */
  }
  end(&in);
}

static void verify_function(sqlite3_context *ctx, int argc, sqlite3_value **argv)
{
  invocation in;
  char *result = NULL;
  if (begin(&in, "backup_verify", ctx, argc, argv, 1)) {
    lb_job_verify(&in.call.job, in.args[0], in.args[1], &result, &in.err);
    result_text(&in, result);
  }
  end(&in);
}

static void rotate_function(sqlite3_context *ctx, int argc, sqlite3_value **argv)
{
  invocation in;
  int64_t removed = 0;
  if (begin(&in, "backup_rotate", ctx, argc, argv, 0)) {
    lb_job_rotate(&in.call.job, in.args[0], &removed, &in.err);
    sqlite3_result_int64(ctx, removed);
  }
  end(&in);
}

static void delete_function(sqlite3_context *ctx, int argc, sqlite3_value **argv)
{
  invocation in;
  int64_t removed = 0;
  if (begin(&in, "backup_delete", ctx, argc, argv, 1)) {
    lb_job_delete(&in.call.job, in.args[0], &removed, &in.err);
    sqlite3_result_int64(ctx, removed);
  }
  end(&in);
}

/* The path of a backup as the user calls it; the caller frees. */
static char *find_backup(invocation *in)
{
  char *path = NULL, *dir = NULL;
  lb_error why = LB_ERROR_INIT;
  lb_json *json = lb_json_open(&in->err);
  dir = lb_job_dir(&in->call.job, NULL, &why);
  if (!dir && !strchr(in->args[0], '/') && !in->err.code) in->err = why;
  if (!in->err.code) lb_resolve(dir ? dir : ".", in->args[0], NULL, LB_TYPE_NONE, json, &path, &in->err);
  lb_json_close(json);
  free(dir);
  return path;
}

static void pin_function(sqlite3_context *ctx, int argc, sqlite3_value **argv)
{
  invocation in;
  if (begin(&in, "backup_pin", ctx, argc, argv, 1)) {
    bool pin = argc < 2 || sqlite3_value_int(argv[1]) != 0;
    if (argc > 1 && sqlite3_value_type(argv[1]) != SQLITE_INTEGER)
      lb_fail(&in.err, LB_MISUSE, "argument 2 must be 1 or 0");
    char *path = in.err.code ? NULL : find_backup(&in);
    if (path && lb_mark_pin(path, pin, &in.err) == LB_OK) sqlite3_result_int(ctx, pin);
    free(path);
  }
  end(&in);
}

static void note_function(sqlite3_context *ctx, int argc, sqlite3_value **argv)
{
  invocation in;
  if (begin(&in, "backup_note", ctx, argc, argv, 1)) {
    char *path = find_backup(&in);
    if (path && lb_mark_note(path, in.args[1], &in.err) == LB_OK && in.args[1]) {
      sqlite3_result_text(ctx, in.args[1], -1, SQLITE_TRANSIENT);
    }
    free(path);
  }
  end(&in);
}

static void set_function(sqlite3_context *ctx, int argc, sqlite3_value **argv)
{
  invocation in;
  if (begin(&in, "backup_set", ctx, argc, argv, 1) &&
      lb_config_set(&in.session->config, in.args[0], in.args[1], &in.err) == LB_OK) {
    if (strcmp(in.args[0], lb_config_name(LB_CONFIG_CACHE_MB)) == 0) {
      lb_job_cache_limit(&in.session->config, &in.err);
    }
    if (in.args[1]) sqlite3_result_text(ctx, in.args[1], -1, SQLITE_TRANSIENT);
  }
  end(&in);
}

static void uri_function(sqlite3_context *ctx, int argc, sqlite3_value **argv)
{
  invocation in;
  char *uri = NULL;
  if (begin(&in, "backup_uri", ctx, argc, argv, 1)) {
    lb_job_uri(&in.call.job, in.args[0], &uri, &in.err);
    result_text(&in, uri);
  }
  end(&in);
}

static void version_function(sqlite3_context *ctx, int argc, sqlite3_value **argv)
{
  (void)argc, (void)argv;
  char *text = sqlite3_mprintf("lifeboat " LB_VERSION " (%s; SQLite %s)", lb_codec_versions(), sqlite3_libversion());
  if (text) sqlite3_result_text(ctx, text, -1, sqlite3_free);
  else sqlite3_result_error_nomem(ctx);
}

/* SQLite keeps tables and functions apart by name, and would only say that there is no such function. */
static void table_function(sqlite3_context *ctx, int argc, sqlite3_value **argv)
{
  const char *name = sqlite3_user_data(ctx);
  char *text = sqlite3_mprintf("%s is a table, not a function: SELECT * FROM %s%s", name, name, argc ? "(…)" : "");
  (void)argv;
  if (text) sqlite3_result_error(ctx, text, -1);
  else sqlite3_result_error_nomem(ctx);
  sqlite3_free(text);
}

int lb_function_register_table(sqlite3 *db, const char *name)
{
  return sqlite3_create_function_v2(db, name, -1, SQLITE_UTF8 | SQLITE_DIRECTONLY, (void *)(uintptr_t)name,
                                    table_function, NULL, NULL, NULL);
}

const lb_function lb_functions[] = {
  { "backup_create", 0, 2, create_function },
  { "backup_restore", 0, 3, restore_function },
  { "backup_verify", 1, 2, verify_function },
  { "backup_rotate", 0, 1, rotate_function },
  { "backup_delete", 1, 1, delete_function },
  { "backup_pin", 1, 2, pin_function },
  { "backup_note", 2, 2, note_function },
  { "backup_set", 2, 2, set_function },
  { "backup_uri", 1, 1, uri_function },
  { "backup_version", 0, 0, version_function },
  { NULL, 0, 0, NULL },
};

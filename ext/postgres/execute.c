/* See execute.h.
**
** Settings of our own: the search_path that a session of psql would begin with; no lock_timeout;
** maintenance_work_mem at least 256 MB, since an index is built several times faster by a sort in memory; outside of a
** transaction synchronous_commit = off, made up for by lb_execute_end. That one writes a record of
** WAL in a transaction that commits synchronously, and so flushes everything before it: a transaction with
** an id but without WAL of its own would not (PostgreSQL's source, RecordTransactionCommit).
*/
#include "postgres/execute.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "postgres/quote.h"
#include "postgres/results.h"

enum { LOGGED_SINCE = 150000 };

#define MEMORY_SETTING \
  "SELECT pg_catalog.set_config('maintenance_work_mem', '256MB', false) WHERE pg_catalog.pg_size_bytes(" \
  "pg_catalog.current_setting('maintenance_work_mem')) < 268435456"

/* One line each: a name in it may hold anything. */
void lb_load_note(lb_pg_load *load, const char *format, ...)
{
  char text[1024];
  va_list args;
  if (!load->notes) return;
  va_start(args, format);
  vsnprintf(text, sizeof text, format, args);
  va_end(args);
  lb_buf_text(load->notes, load->notes->len ? "\n" : "");
  lb_pg_put_comment(load->notes, text);
}

int lb_execute_settings(lb_pg *pg, bool inside, lb_error *err)
{
  if (lb_pg_exec(pg, "SET lock_timeout = 0", err) || lb_pg_exec(pg, MEMORY_SETTING, err) ||
      lb_pg_exec(pg, "RESET search_path", err)) {
    return err->code;
  }
  return inside ? LB_OK : lb_pg_exec(pg, "SET synchronous_commit = off", err);
}

/* Every database has plpgsql. */
static void note_kept_extensions(lb_execute *x)
{
  const PGresult *rows = x->kept.extensions;
  for (int i = 0; i < PQntuples(rows); i++) {
    const char *name = PQgetvalue(rows, i, LB_KEPT_NAME), *owner = PQgetvalue(rows, i, LB_KEPT_OWNER);
    if (strcmp(name, "plpgsql") == 0) continue;
    lb_load_note(x->load, "extension %s belongs to %s: it stays as it is", name, owner);
  }
}

int lb_execute_begin(lb_execute *x, lb_pg_load *load, lb_error *err)
{
  *x = (lb_execute){ .load = load };
  x->inside = PQtransactionStatus(load->pg->conn) != PQTRANS_IDLE;
  lb_buf_text(&x->preamble, "");
  if (x->preamble.failed) return lb_fail_nomem(err);
  if (lb_execute_settings(load->pg, x->inside, err) || lb_pg_kept_read(load->pg, &x->kept, err)) return err->code;
  note_kept_extensions(x);
  return LB_OK;
}

int lb_execute_end(lb_execute *x, lb_error *err)
{
  if (x->absent) lb_load_note(x->load, "statements that drop what is not there: skipped (%d)", x->absent);
  if (x->script_block) {
    return lb_fail(err, LB_CORRUPT, "the script ends inside a transaction that it began: it is not whole");
  }
  if (x->inside) return LB_OK;
  if (lb_pg_exec(x->load->pg, "SET synchronous_commit = on", err) ||
      lb_pg_exec(x->load->pg, "SELECT pg_catalog.pg_logical_emit_message(true, 'lifeboat', '')", err)) {
    return err->code;
  }
  return lb_pg_exec(x->load->pg, "RESET synchronous_commit", err);
}

void lb_execute_free(lb_execute *x)
{
  lb_copy_settle(x->load->pg);
  lb_buf_free(&x->preamble);
  lb_buf_free(&x->settings);
  lb_buf_free(&x->roles);
  lb_pg_kept_free(&x->kept);
  lb_buf_free(&x->what);
  lb_copy_in_free(&x->copy);
}

/* ---- statements ---- */

const char *lb_execute_describe(lb_execute *x, const char *sql, size_t len, uint64_t offset)
{
  x->what.len = 0;
  lb_statement_describe(sql, len, offset, &x->what);
  return x->what.failed ? "statement" : x->what.data;
}

/* Of an unlogged table's identity that comes from a server before 15, which knows none that is not, pg_dump says that
** it is LOGGED all the same: a word that only servers from 15 on know. */
static int run_statement(lb_pg *pg, const char *sql, const char *what, lb_error *err)
{
  lb_span word;
  if (pg->version >= LOGGED_SINCE || !lb_statement_logged(sql, strlen(sql), &word)) {
    return lb_results_run(pg, sql, what, err);
  }
  char *plain = lb_text_copy(sql, err);
  if (!plain) return err->code;
  memset(plain + (word.at - sql), ' ', word.len);
  lb_results_run(pg, plain, what, err);
  free(plain);
  return err->code;
}

/* The server does it as the view's owner, in this session's settings. Those of pg_dump's scripts have row_security off,
** so that no rows are left out in silence; but what the owner sees, with its policies, is what the view had. Of another
** owner than the backup's that is not known. */
static int run_refresh(const lb_execute *x, const char *sql, const char *what, lb_error *err)
{
  lb_pg *pg = x->load->pg;
  char *secure = lb_pg_value(pg, err, "SELECT pg_catalog.current_setting('row_security')", 0, NULL);
  bool off = secure && strcmp(secure, "off") == 0 && !x->load->no_owner;
  free(secure);
  if (err->code || (off && lb_pg_exec(pg, "SET row_security = on", err)) || lb_results_run(pg, sql, what, err)) {
    return err->code;
  }
  return off ? lb_pg_exec(pg, "SET row_security = off", err) : LB_OK;
}

/* Behind the server's words, which name what is not permitted. They may be in any language: then it is the last one. */
static const char *advice_for(const lb_statement *st, const char *words)
{
  switch (st->kind) {
  case LB_STATEMENT_EXTENSION:
    return "let a superuser make it in a database, where a restore leaves it then: an empty one, or with "
           "{\"mode\":\"transaction\"}; or connect as a superuser";
  case LB_STATEMENT_OWNER: return "pass {\"no_owner\":true}, or connect as a superuser";
  case LB_STATEMENT_PRIVILEGE:
  case LB_STATEMENT_AUTHORIZATION: return "pass {\"no_privileges\":true}, or connect as a superuser";
  case LB_STATEMENT_ROLE:
  case LB_STATEMENT_ROLE_CHANGE:
  case LB_STATEMENT_MEMBERSHIP: return "let a superuser make the roles first: those that are there stay as they are";
  default: break;
  }
  if (strstr(words, "permission denied for schema")) {
    return "connect as the database's owner, or GRANT CREATE ON SCHEMA … TO the user";
  }
  if (strstr(words, "permission denied for database")) {
    return "connect as the database's owner, or GRANT CREATE ON DATABASE … TO the user";
  }
  return "connect as somebody who may, such as a superuser; psql goes on without: gunzip -c FILE | psql DATABASE";
}

/* A full verification says by itself what its user may not do. */
static void advise(const lb_execute *x, const lb_statement *st, lb_error *err)
{
  bool verifying = x->load->no_roles && st->kind != LB_STATEMENT_EXTENSION;
  if (err->code == LB_PERM && !verifying) lb_error_advise(err, "%s", advice_for(st, err->message));
}

int lb_execute_statement(lb_execute *x, const lb_statement *st, const char *sql, const char *what, lb_error *err)
{
  lb_pg *pg = x->load->pg;
  bool refresh = st->kind == LB_STATEMENT_REFRESH;
  if (refresh ? run_refresh(x, sql, what, err) : run_statement(pg, sql, what, err)) {
    advise(x, st, err);
    return err->code;
  }
  bool open = PQtransactionStatus(pg->conn) == PQTRANS_INTRANS;
  if (open != (x->inside || x->script_block)) {
    return lb_fail(err, LB_UNSUPPORTED, "%s: it %s a transaction, which a script may not do here", what,
                   open ? "began" : "ended");
  }
  x->load->statements++;
  return LB_OK;
}

/* ---- pg_dump --clean ---- */

/* It drops everything before it makes it, without IF EXISTS, in the order of keys, tables, schemas; a view that tables
** depend on is replaced first by one that reads none. What is loaded into has nothing of a user's. */
static bool is_cleaning(lb_execute *x, const lb_statement *st)
{
  switch (st->kind) {
  case LB_STATEMENT_DROP: break;
  case LB_STATEMENT_RELATION: x->made = x->made || !st->placeholder; break;
  case LB_STATEMENT_SET:
  case LB_STATEMENT_BEGIN:
  case LB_STATEMENT_COMMIT:
  case LB_STATEMENT_SESSION:
  case LB_STATEMENT_AUTHORIZATION:
  case LB_STATEMENT_DATABASE: return false;
  default: x->made = true;
  }
  return !x->made;
}

/* Undefined: table, column, function, another object; no such schema. */
static bool is_absence(const char *state)
{
  static const char *const states[] = { "42P01", "42703", "42883", "42704", "3F000" };
  for (size_t i = 0; i < sizeof states / sizeof *states; i++) {
    if (!strcmp(state, states[i])) return true;
  }
  return false;
}

/* Nothing is lost where what is to be dropped is not there. */
static int run_cleaning(lb_execute *x, const lb_statement *st, const char *sql, const char *what, lb_error *err)
{
  lb_pg *pg = x->load->pg;
  lb_error why = LB_ERROR_INIT;
  bool open = PQtransactionStatus(pg->conn) == PQTRANS_INTRANS;
  if (open && lb_pg_exec(pg, "SAVEPOINT lifeboat_clean", err)) return err->code;
  if (lb_execute_statement(x, st, sql, what, &why) == LB_OK) {
    return open ? lb_pg_exec(pg, "RELEASE SAVEPOINT lifeboat_clean", err) : LB_OK;
  }
  bool refused = why.code == LB_ERROR || why.code == LB_REFUSED || why.code == LB_NOTFOUND;
  if (!refused || !is_absence(pg->state)) {
    return lb_fail(err, (lb_code)why.code, "%s", why.message);
  }
  x->absent++;
  return open ? lb_pg_exec(pg, "ROLLBACK TO SAVEPOINT lifeboat_clean; RELEASE SAVEPOINT lifeboat_clean", err) : LB_OK;
}

/* ---- what a script's reader hands over ---- */

static void keep_setting(lb_execute *x, const lb_statement *st, const char *sql, size_t len)
{
  if (!x->keep || (st->kind != LB_STATEMENT_SET && st->kind != LB_STATEMENT_SESSION)) return;
  lb_buf_append(&x->preamble, sql, len);
  lb_buf_text(&x->preamble, ";\n");
}

int lb_execute_keeper(const lb_pg_kept *kept, const char *copy, size_t len, const char **extension, lb_error *err)
{
  lb_qualified table;
  lb_span columns;
  *extension = NULL;
  return lb_statement_copy(copy, len, &table, &columns) ? lb_pg_kept_relation(kept, &table, extension, err) : LB_OK;
}

void lb_execute_note_kept(lb_pg_load *load, const char *what, const char *extension, uint64_t rows)
{
  if (!rows) return;
  lb_load_note(load, "%s: %" PRIu64 " rows are not loaded: the table belongs to extension %s, which stays as it is",
               what, rows, extension);
}

static int take_copy(lb_execute *x, const char *sql, size_t len, uint64_t offset, lb_error *err)
{
  const lb_pg_contents *c = x->load->contents;
  while (c && x->part < c->part_count && c->parts[x->part].kind != LB_PART_DATA) x->part++;
  const char *what = lb_execute_describe(x, sql, len, offset);
  if (c && x->part == c->part_count) {
    return lb_fail(err, LB_CORRUPT, "%s: the table of contents does not have its data", what);
  }
  if (lb_execute_keeper(&x->kept, sql, len, &x->keeper, err) || x->keeper) return err->code;
  return lb_copy_in_begin(&x->copy, x->load->pg, sql, len, c ? (int64_t)c->parts[x->part].bytes : -1, what, err);
}

static int take_statement(void *ctx, const char *sql, size_t len, uint64_t offset, bool copy, const char *comment,
                          lb_error *err)
{
  lb_execute *x = ctx;
  lb_statement st;
  bool run;
  (void)comment;
  if (copy) return take_copy(x, sql, len, offset, err);
  lb_statement_read(sql, len, &st);
  if (lb_execute_admit(x, &st, sql, len, offset, &run, err) || !run) return err->code;
  const char *what = lb_execute_describe(x, sql, len, offset);
  if (is_cleaning(x, &st) ? run_cleaning(x, &st, sql, what, err) : lb_execute_statement(x, &st, sql, what, err)) {
    return err->code;
  }
  keep_setting(x, &st, sql, len);
  return x->preamble.failed ? lb_fail_nomem(err) : LB_OK;
}

/* ---- COPY ---- */

static int take_data(void *ctx, const char *data, size_t len, lb_error *err)
{
  lb_execute *x = ctx;
  return x->keeper ? LB_OK : lb_copy_in_put(&x->copy, data, len, err);
}

int lb_execute_check_rows(const lb_pg_load *load, const lb_pg_part *part, const char *what, uint64_t sent,
                          uint64_t stored, lb_error *err)
{
  const lb_pg_table *t = part ? &load->contents->tables[part->table] : NULL;
  if (part && part->rows != sent) {
    return lb_fail(err, LB_CORRUPT, "%s: table %s.%s has %" PRIu64 " rows there, %" PRIu64 " by the table of contents",
                   what, t->schema, t->name, sent, part->rows);
  }
  if (sent != stored) {
    return lb_fail(err, LB_CORRUPT, "%s: %" PRIu64 " rows were sent, the server stored %" PRIu64 " (is there a "
                   "trigger or a rule on the table?)", what, sent, stored);
  }
  return LB_OK;
}

static int take_copy_end(void *ctx, uint64_t rows, lb_error *err)
{
  lb_execute *x = ctx;
  lb_pg *pg = x->load->pg;
  const lb_pg_part *part = x->load->contents ? &x->load->contents->parts[x->part++] : NULL;
  uint64_t stored = 0;
  if (x->keeper) {
    lb_execute_note_kept(x->load, x->what.data, x->keeper, rows);
    return lb_execute_check_rows(x->load, part, x->what.data, rows, rows, err);
  }
  if (lb_copy_in_end(&x->copy, err) || lb_results_wait(pg, x->copy.what, &stored, err)) return err->code;
  stored += x->copy.stored;
  x->load->statements++;
  x->load->rows += stored;
  return lb_execute_check_rows(x->load, part, x->what.data, rows, stored, err);
}

/* \connect: the target was named by the caller; the settings that pg_dump repeats behind it follow. */
static int take_meta(void *ctx, const char *line, uint64_t offset, lb_error *err)
{
  (void)ctx;
  (void)line;
  (void)offset;
  (void)err;
  return LB_OK;
}

const lb_script_ops lb_execute_ops = { take_statement, take_data, take_copy_end, take_meta };

/* See connection.h. Here: statements, and what fails in them; connect.c connects. libpq runs in non-blocking mode
** throughout; what waits is lb_pg_wait. One wait is libpq's own and cannot be interrupted: the look-up of a host's
** name.
*/
#include "postgres/connection.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "core/file.h"
#include "core/thread.h"
#include "postgres/environment.h"
#include "postgres/quote.h"

#define CANCEL_SECONDS 5.0
#define POLL_MS 100
#define OID_TEXT 25

/* ---- what failed ---- */

typedef struct sqlstate_code {
  const char *prefix;
  lb_code code;
} sqlstate_code;

static lb_code code_of_sqlstate(const char *state)
{
  static const sqlstate_code known[] = {
    { "57014", LB_BUSY }, { "53100", LB_FULL }, { "55P03", LB_BUSY }, { "55006", LB_BUSY }, { "40P01", LB_BUSY },
    { "53300", LB_BUSY }, { "08", LB_IO }, { "57P", LB_IO }, { "58", LB_IO },
    { "42501", LB_PERM }, { "28", LB_PERM }, { "3D000", LB_NOTFOUND }, { "42P04", LB_EXISTS },
    { "42P06", LB_EXISTS }, { "42P07", LB_EXISTS }, { "42710", LB_EXISTS }, { "42723", LB_EXISTS },
    { "42704", LB_ERROR }, { "22023", LB_ERROR },  /* a role, a tablespace, a locale that this server has not */
    { "21", LB_REFUSED }, { "22", LB_REFUSED }, { "23", LB_REFUSED }, { "2B", LB_REFUSED }, { "3F", LB_REFUSED },
    { "42", LB_REFUSED }, { "44", LB_REFUSED }, { "P0", LB_REFUSED },
  };
  for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
    if (strncmp(state, known[i].prefix, strlen(known[i].prefix)) == 0) return known[i].code;
  }
  return LB_ERROR;
}

int lb_pg_fail_connection(lb_pg *pg, const char *what, lb_error *err)
{
  char *words = lb_pg_one_line(pg->farewell ? pg->farewell : PQerrorMessage(pg->conn));
  lb_fail(err, LB_IO, "%s: %s: %s", pg->label, what,
          words && words[0] ? words : "the connection to the server was lost");
  free(words);
  return err->code;
}

/* A function of the database's own that finds what it calls by the search_path of its users: our sessions have none, as
** those of pg_dump, so that names lead where the dump means. The query inside tells it from a name of ours. */
static bool lacks_search_path(const char *state, const PGresult *result)
{
  bool unknown = strcmp(state, "42883") == 0 || strcmp(state, "42P01") == 0 || strcmp(state, "42704") == 0;
  return unknown && PQresultErrorField(result, PG_DIAG_INTERNAL_QUERY);
}

int lb_pg_fail_result(lb_pg *pg, const PGresult *result, const char *what, lb_error *err)
{
  static const struct { int field; const char *before; } parts[] = {
    { PG_DIAG_MESSAGE_PRIMARY, ": " }, { PG_DIAG_MESSAGE_DETAIL, "; detail: " }, { PG_DIAG_MESSAGE_HINT, "; hint: " },
  };
  const char *state = result ? PQresultErrorField(result, PG_DIAG_SQLSTATE) : NULL;
  if (!state || !PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY)) return lb_pg_fail_connection(pg, what, err);
  snprintf(pg->state, sizeof pg->state, "%s", state);
  lb_buf text = { 0 };
  for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
    const char *field = PQresultErrorField(result, parts[i].field);
    char *line = field ? lb_pg_one_line(field) : NULL;
    if (line) lb_buf_printf(&text, "%s%s", parts[i].before, line);
    free(line);
  }
  if (lacks_search_path(state, result)) {
    lb_buf_text(&text, " (a function calls it, and runs without a search_path here as in any restore: ALTER FUNCTION … "
                "SET search_path = … gives it one)");
  }
  lb_fail(err, code_of_sqlstate(state), "%s: %s%s", pg->label, what, text.data ? text.data : "");
  lb_buf_free(&text);
  return err->code;
}

/* ---- waiting ---- */

static int wait_for(lb_pg *pg, short events, lb_error *err)
{
  struct pollfd p = { PQsocket(pg->conn), events, 0 };
  if (p.fd < 0) return lb_pg_fail_connection(pg, "waiting for the server", err);
  if (poll(&p, 1, POLL_MS) < 0 && errno != EINTR) {
    return lb_fail_errno(err, errno, "%s: waiting for the server", pg->label);
  }
  return pg->task ? lb_task_poll(pg->task, err) : err->code;
}

int lb_pg_wait(lb_pg *pg, bool write, lb_error *err)
{
  return wait_for(pg, write ? POLLIN | POLLOUT : POLLIN, err);
}

void lb_pg_close(lb_pg *pg)
{
  if (!pg) return;
  if (pg->conn) {
    lb_pg_cancel(pg);
    PQfinish(pg->conn);
  }
  if (pg->uri) explicit_bzero(pg->uri, strlen(pg->uri));
  free(pg->uri);
  free(pg->label);
  free(pg->source);
  free(pg->database);
  free(pg->encoding);
  free(pg->version_text);
  free(pg->farewell);
  free(pg);
}

/* ---- statements ---- */

static int flush(lb_pg *pg, lb_error *err)
{
  int left;
  while ((left = PQflush(pg->conn)) == 1) {
    if (lb_pg_wait(pg, true, err)) return err->code;
    /* A server that waits for us to read would never take the rest. */
    if (!PQconsumeInput(pg->conn)) left = -1;
    if (left < 0) break;
  }
  return left < 0 ? lb_pg_fail_connection(pg, "sending a statement", err) : (int)LB_OK;
}

int lb_pg_send(lb_pg *pg, const char *sql, lb_error *err)
{
  if (!PQsendQuery(pg->conn, sql)) return lb_pg_fail_connection(pg, "sending a statement", err);
  return flush(pg, err);
}

int lb_pg_send_query(lb_pg *pg, const char *sql, const char *param, lb_error *err)
{
  if (!PQsendQueryParams(pg->conn, sql, 1, NULL, &param, NULL, NULL, 1) || !PQsetSingleRowMode(pg->conn)) {
    return lb_pg_fail_connection(pg, "sending a query", err);
  }
  return flush(pg, err);
}

/* The next result, waited for; NULL at the end of the statement or with err set. */
static PGresult *next_result(lb_pg *pg, lb_error *err)
{
  while (PQisBusy(pg->conn)) {
    if (lb_pg_wait(pg, false, err)) return NULL;
    if (!PQconsumeInput(pg->conn)) {
      /* The server's last words, if it had any, are a result: "terminating connection due to …". */
      PGresult *last = PQisBusy(pg->conn) ? NULL : PQgetResult(pg->conn);
      lb_pg_fail_result(pg, last, "running a statement", err);
      PQclear(last);
      return NULL;
    }
  }
  return PQgetResult(pg->conn);
}

/* The beginning of a statement, to name it by. */
static void put_statement(char out[84], const char *sql)
{
  size_t n = strcspn(sql, "\n");
  size_t cut = n > 77 ? 77 : n;
  while (cut < n && cut > 0 && ((unsigned char)sql[cut] & 0xc0) == 0x80) cut--;
  snprintf(out, 84, "%.*s%s", (int)cut, sql, cut < strlen(sql) ? "…" : "");
}

/* Reads all results; the last one is returned, or NULL with err set at the first that failed. */
static PGresult *collect(lb_pg *pg, const char *sql, lb_error *err)
{
  char name[84];
  PGresult *kept = NULL, *result;
  put_statement(name, sql);
  while ((result = next_result(pg, err))) {
    ExecStatusType status = PQresultStatus(result);
    PQclear(kept);
    kept = result;
    if (status == PGRES_COPY_IN || status == PGRES_COPY_OUT || status == PGRES_COPY_BOTH) {
      lb_fail(err, LB_ERROR, "%s: %s: COPY where no data is expected", pg->label, name);
      break;
    }
    if (status == PGRES_FATAL_ERROR || status == PGRES_BAD_RESPONSE) lb_pg_fail_result(pg, result, name, err);
    if (PQstatus(pg->conn) == CONNECTION_BAD) {
      lb_pg_fail_connection(pg, name, err);
      break;
    }
  }
  if (!err->code && !kept) lb_pg_fail_connection(pg, name, err);
  if (!err->code) return kept;
  lb_pg_cancel(pg);
  PQclear(kept);
  return NULL;
}

int lb_pg_exec(lb_pg *pg, const char *sql, lb_error *err)
{
  if (err->code) return err->code;
  if (lb_pg_send(pg, sql, err)) {
    lb_pg_cancel(pg);
    return err->code;
  }
  PQclear(collect(pg, sql, err));
  return err->code;
}

int lb_pg_execf(lb_pg *pg, lb_error *err, const char *format, ...)
{
  char *sql = NULL;
  va_list args;
  va_start(args, format);
  int n = vasprintf(&sql, format, args);
  va_end(args);
  if (n < 0) return lb_fail_nomem(err);
  lb_pg_exec(pg, sql, err);
  free(sql);
  return err->code;
}

PGresult *lb_pg_query(lb_pg *pg, lb_error *err, const char *sql, int count, const char *const *params)
{
  Oid types[16];
  if (err->code) return NULL;
  if (count < 0 || count > (int)(sizeof types / sizeof types[0])) {
    lb_fail(err, LB_ERROR, "%s: %d parameters, 16 at most", pg->label, count);
    return NULL;
  }
  for (int i = 0; i < count; i++) types[i] = OID_TEXT;
  if (!PQsendQueryParams(pg->conn, sql, count, types, params, NULL, NULL, 0)) {
    lb_pg_fail_connection(pg, "sending a query", err);
    return NULL;
  }
  if (flush(pg, err)) {
    lb_pg_cancel(pg);
    return NULL;
  }
  return collect(pg, sql, err);
}

char *lb_pg_value(lb_pg *pg, lb_error *err, const char *sql, int count, const char *const *params)
{
  PGresult *result = lb_pg_query(pg, err, sql, count, params);
  char *value = NULL;
  if (result && PQntuples(result) > 0 && PQnfields(result) > 0 && !PQgetisnull(result, 0, 0)) {
    value = lb_text_copy(PQgetvalue(result, 0, 0), err);
  }
  PQclear(result);
  return value;
}

/* ---- cancelling ---- */

/* One step of reading away what a cancelled statement still says. false: it is over, or cannot be waited for. */
static bool drain(lb_pg *pg)
{
  struct pollfd p = { PQsocket(pg->conn), POLLIN, 0 };
  while (!PQisBusy(pg->conn)) {
    PGresult *result = PQgetResult(pg->conn);
    ExecStatusType status = PQresultStatus(result);
    PQclear(result);
    if (!result) return false;
    char *row = NULL;
    int got = 0;
    if (status == PGRES_COPY_IN) PQputCopyEnd(pg->conn, "cancelled");
    while (status == PGRES_COPY_OUT && (got = PQgetCopyData(pg->conn, &row, 1)) > 0) PQfreemem(row);
    if (status == PGRES_COPY_OUT && got == 0) break;
  }
  PQflush(pg->conn);
  if (p.fd < 0 || (poll(&p, 1, POLL_MS) < 0 && errno != EINTR)) return false;
  return PQconsumeInput(pg->conn) == 1;
}

/* A request to cancel, which has a thread of its own: PQcancel waits for the server without an end, and a network that
** is gone or a machine that stands still would keep us. Whoever is later frees it. */
typedef struct cancelling {
  PGcancel *cancel;
  pthread_mutex_t mutex;  /* of what follows */
  pthread_cond_t sent;
  bool over, left;        /* PQcancel has come back; nobody waits for that any more */
} cancelling;

static void free_cancelling(cancelling *c)
{
  PQfreeCancel(c->cancel);
  pthread_cond_destroy(&c->sent);
  pthread_mutex_destroy(&c->mutex);
  free(c);
}

static void *send_cancel(void *ctx)
{
  cancelling *c = ctx;
  char words[256];
  if (c->cancel) PQcancel(c->cancel, words, sizeof words);
  pthread_mutex_lock(&c->mutex);
  bool left = c->left;
  c->over = true;
  pthread_cond_signal(&c->sent);
  pthread_mutex_unlock(&c->mutex);
  if (left) free_cancelling(c);
  return NULL;
}

/* false: it is not known to have arrived. */
static bool request_cancel(lb_pg *pg, double deadline)
{
  pthread_t thread;
  cancelling *c = calloc(1, sizeof *c);
  if (!c) return false;
  c->cancel = PQgetCancel(pg->conn);
  pthread_mutex_init(&c->mutex, NULL);
  lb_cond_init(&c->sent);
  if (lb_thread_start(&thread, send_cancel, c)) send_cancel(c);
  else pthread_detach(thread);
  pthread_mutex_lock(&c->mutex);
  while (!c->over && lb_clock_monotonic() < deadline) lb_cond_wait(&c->sent, &c->mutex, POLL_MS);
  bool over = c->over;
  c->left = !over;
  pthread_mutex_unlock(&c->mutex);
  if (over) free_cancelling(c);
  return over;
}

void lb_pg_cancel(lb_pg *pg)
{
  if (pg->unheard || PQstatus(pg->conn) != CONNECTION_OK || PQtransactionStatus(pg->conn) != PQTRANS_ACTIVE) return;
  double deadline = lb_clock_monotonic() + CANCEL_SECONDS;
  pg->unheard = !request_cancel(pg, deadline);
  while (!pg->unheard && drain(pg)) pg->unheard = lb_clock_monotonic() > deadline;
}

/* ---- settings ---- */

typedef struct session_setting {
  int since;  /* the server version that knows it */
  const char *sql;
} session_setting;

int lb_pg_fix_settings(lb_pg *pg, int64_t lock_timeout, lb_error *err)
{
  static const session_setting settings[] = {
    { 0, "DateStyle = ISO" }, { 0, "IntervalStyle = postgres" }, { 0, "TimeZone = 'UTC'" },
    { 0, "extra_float_digits = 3" },
    { 0, "bytea_output = hex" }, { 0, "standard_conforming_strings = on" }, { 0, "synchronize_seqscans = off" },
    { 0, "quote_all_identifiers = off" }, { 0, "row_security = off" }, { 0, "statement_timeout = 0" },
    { 0, "idle_in_transaction_session_timeout = 0" }, { 140000, "idle_session_timeout = 0" },
    { 170000, "transaction_timeout = 0" }, { 110000, "jit = off" },
  };
  lb_buf sql = { 0 };
  lb_buf_text(&sql, "SET LOCAL client_encoding = ");
  lb_pg_put_literal(&sql, pg->encoding);
  for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++) {
    if (pg->version >= settings[i].since) lb_buf_printf(&sql, "; SET LOCAL %s", settings[i].sql);
  }
  lb_buf_printf(&sql, "; SET LOCAL lock_timeout = %lld; SELECT pg_catalog.set_config('search_path', '', true)",
                (long long)lock_timeout);
  char *text = lb_buf_take(&sql);
  if (!text) return lb_fail_nomem(err);
  lb_pg_exec(pg, text, err);
  free(text);
  return err->code;
}

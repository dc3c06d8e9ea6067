/* See connection.h. libpq runs in non-blocking mode throughout; what waits is lb_pg_wait. Two waits are libpq's own and
** cannot be interrupted: the look-up of a host's name, and the connection that carries a cancel request.
*/
#include "postgres/connection.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "core/file.h"
#include "postgres/environment.h"
#include "postgres/quote.h"

#define OLDEST_SERVER 100000
#define CONNECT_SECONDS 30
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
  };
  for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
    if (strncmp(state, known[i].prefix, strlen(known[i].prefix)) == 0) return known[i].code;
  }
  return LB_ERROR;
}

int lb_pg_fail_connection(lb_pg *pg, const char *what, lb_error *err)
{
  char *words = lb_pg_one_line(PQerrorMessage(pg->conn));
  lb_fail(err, LB_IO, "%s: %s: %s", pg->label, what,
          words && words[0] ? words : "the connection to the server was lost");
  free(words);
  return err->code;
}

int lb_pg_fail_result(lb_pg *pg, const PGresult *result, const char *what, lb_error *err)
{
  static const struct { int field; const char *before; } parts[] = {
    { PG_DIAG_MESSAGE_PRIMARY, ": " }, { PG_DIAG_MESSAGE_DETAIL, "; detail: " }, { PG_DIAG_MESSAGE_HINT, "; hint: " },
  };
  const char *state = result ? PQresultErrorField(result, PG_DIAG_SQLSTATE) : NULL;
  if (!state || !PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY)) return lb_pg_fail_connection(pg, what, err);
  lb_buf text = { 0 };
  for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
    const char *field = PQresultErrorField(result, parts[i].field);
    char *line = field ? lb_pg_one_line(field) : NULL;
    if (line) lb_buf_printf(&text, "%s%s", parts[i].before, line);
    free(line);
  }
  lb_fail(err, code_of_sqlstate(state), "%s: %s%s", pg->label, what, text.data ? text.data : "");
  lb_buf_free(&text);
  return err->code;
}

/* ---- why a connection was not made ---- */

typedef struct refusal {
  const char *words;   /* in libpq's or the server's message */
  const char *also;    /* and this; NULL: nothing */
  lb_code code;
  const char *hint;    /* NULL: the words say it all */
} refusal;

/* A failed connection has no SQLSTATE, only words; in another language they are shown without a hint. First match. */
static const refusal refusals[] = {
  { "role \"", "does not exist", LB_PERM, "name another user in the URI, or create this one" },
  { "database \"", "does not exist", LB_NOTFOUND,
    "create it, or to restore into a new database pass {\"create\":true}" },
  { "too many c", NULL, LB_BUSY, "lower \"jobs\", end idle sessions, or raise max_connections" },
  { "connection slots", NULL, LB_BUSY, "lower \"jobs\", end idle sessions, or raise max_connections" },
  { "no password supplied", NULL, LB_PERM, NULL },
  { "no encryption", NULL, LB_PERM, "the server may want TLS: add sslmode=require to the URI, or see its pg_hba.conf" },
  { "SSL off", NULL, LB_PERM, "the server may want TLS: add sslmode=require to the URI, or see its pg_hba.conf" },
  { "does not support SSL", NULL, LB_PERM, "it has no TLS: sslmode=disable connects without, unprotected" },
  { "certificate", NULL, LB_PERM, "see sslrootcert, sslcert and sslkey in libpq's manual" },
  { "no pg_hba.conf entry", NULL, LB_PERM, "the server's pg_hba.conf must let this user in from here" },
  { "authentication failed", NULL, LB_PERM, "check user name and password" },
  { "not permitted to log in", NULL, LB_PERM, NULL },
  { "permission denied", NULL, LB_PERM, NULL },
  { "not currently accepting connections", NULL, LB_PERM, NULL },
  { "the database system is", NULL, LB_BUSY, "try again once it accepts connections" },
  { "Connection refused", NULL, LB_BUSY, "is the server up, and are host and port right?" },
  { "No such file or directory", NULL, LB_BUSY,
    "is the server up, and does it keep its socket in this folder with this port?" },
  { "could not translate host name", NULL, LB_BUSY, "is the host's name right?" },
  { "timeout expired", NULL, LB_BUSY,
    "is the server up and reachable? connect_timeout in the URI sets how long to wait" },
  { "timed out", NULL, LB_BUSY, "is the server up and reachable?" },
  { "unreachable", NULL, LB_BUSY, "is the network up?" },
  { "No route to host", NULL, LB_BUSY, "is the network up?" },
  { "server closed the connection", NULL, LB_BUSY, "is it a PostgreSQL server, and does it stay up?" },
};

static int fail_connecting(const lb_pg *pg, const char *words, lb_error *err)
{
  lb_code code = LB_ERROR;
  const char *hint = NULL;
  for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++) {
    const refusal *r = &refusals[i];
    if (!strstr(words, r->words) || (r->also && !strstr(words, r->also))) continue;
    code = r->code;
    hint = r->hint;
    break;
  }
  if (PQconnectionNeedsPassword(pg->conn)) {
    code = LB_PERM;
    hint = "it wants a password: set PGPASSWORD or PGPASSFILE, or put it into the URI (ADMIN_DATABASE_URL)";
  }
  char *line = lb_pg_one_line(words);
  lb_fail(err, code, "%s: %s%s%s%s", pg->label, line && line[0] ? line : "no connection", hint ? " (" : "",
          hint ? hint : "", hint ? ")" : "");
  free(line);
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

/* ---- connecting ---- */

static void drop_notice(void *ctx, const PGresult *result)
{
  (void)ctx;
  (void)result;
}

/* Seconds; 0: as long as it takes, as libpq has it. */
static int connect_timeout(PGconn *conn)
{
  int seconds = CONNECT_SECONDS;
  PQconninfoOption *info = PQconninfo(conn);
  for (PQconninfoOption *o = info; o && o->keyword; o++) {
    if (strcmp(o->keyword, "connect_timeout") != 0 || !o->val || !o->val[0]) continue;
    long given = strtol(o->val, NULL, 10);
    seconds = given < 0 ? 0 : given > 86400 ? 86400 : (int)given;
  }
  if (info) PQconninfoFree(info);
  return seconds;
}

static int finish_connecting(lb_pg *pg, lb_error *err)
{
  int seconds = connect_timeout(pg->conn);
  double deadline = lb_clock_monotonic() + seconds;
  PostgresPollingStatusType state = PGRES_POLLING_WRITING;
  while (state != PGRES_POLLING_OK) {
    if (PQstatus(pg->conn) == CONNECTION_BAD || state == PGRES_POLLING_FAILED) {
      return fail_connecting(pg, PQerrorMessage(pg->conn), err);
    }
    struct pollfd p = { PQsocket(pg->conn), state == PGRES_POLLING_READING ? POLLIN : POLLOUT, 0 };
    int ready = poll(&p, 1, POLL_MS);
    if (ready < 0 && errno != EINTR) return lb_fail_errno(err, errno, "%s: connecting", pg->label);
    if (pg->task && lb_task_poll(pg->task, err)) return err->code;
    if (ready > 0) {
      state = PQconnectPoll(pg->conn);
    } else if (seconds && lb_clock_monotonic() > deadline) {
      char words[80];
      snprintf(words, sizeof words, "no answer within %d s: timeout expired", seconds);
      return fail_connecting(pg, words, err);
    }
  }
  return LB_OK;
}

/* What ALTER ROLE and ALTER DATABASE may have set against us: a search_path in which an operator of somebody's stands
** in for the server's, backslashes that escape in strings, limits of time that end a backup half-way. Every setting is
** made by qualified names, since the search_path is not ours yet. The answer: whether the server is in recovery. */
static char *take_session(lb_pg *pg, lb_error *err)
{
  static const struct { int since; const char *name, *value; } settings[] = {
    { 0, "search_path", "" }, { 0, "standard_conforming_strings", "on" }, { 0, "statement_timeout", "0" },
    { 0, "idle_in_transaction_session_timeout", "0" }, { 140000, "idle_session_timeout", "0" },
    { 170000, "transaction_timeout", "0" },
  };
  lb_buf sql = { 0 };
  lb_buf_text(&sql, "SELECT pg_catalog.pg_is_in_recovery()");
  for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++) {
    if (pg->version < settings[i].since) continue;
    lb_buf_printf(&sql, ", pg_catalog.set_config('%s', '%s', false)", settings[i].name, settings[i].value);
  }
  if (sql.failed) lb_fail_nomem(err);
  char *standby = sql.failed ? NULL : lb_pg_value(pg, err, sql.data, 0, NULL);
  lb_buf_free(&sql);
  return standby;
}

/* What is asked once, right after connecting. */
static int learn_server(lb_pg *pg, lb_error *err)
{
  const char *text = PQparameterStatus(pg->conn, "server_version");
  const char *encoding = PQparameterStatus(pg->conn, "server_encoding");
  const char *strings = PQparameterStatus(pg->conn, "standard_conforming_strings");
  pg->version = PQserverVersion(pg->conn);
  pg->escapes = strings && strcmp(strings, "off") == 0;
  pg->version_text = lb_text_printf(err, "%.*s", text ? (int)strcspn(text, " ") : 0, text ? text : "");
  if (!pg->version_text) return err->code;
  if (pg->version < OLDEST_SERVER) {
    return lb_fail(err, LB_UNSUPPORTED, "%s: the server is PostgreSQL %s, 10 is the oldest that is supported",
                   pg->label, pg->version_text);
  }
  /* A pooler need not pass the encoding on. */
  pg->encoding = encoding ? lb_text_copy(encoding, err) : lb_pg_value(pg, err, "SHOW server_encoding", 0, NULL);
  char *standby = pg->encoding ? take_session(pg, err) : NULL;
  if (!standby && !err->code) lb_fail(err, LB_ERROR, "%s: the server does not tell its encoding or state", pg->label);
  pg->standby = standby && standby[0] == 't';
  free(standby);
  return err->code;
}

/* Connects, and knows nothing of the server yet. keys and values begin with "dbname", uri. source is taken over. */
static lb_pg *connect_with(const char *const *keys, const char *const *values, char *source, lb_task *task,
                           lb_error *err)
{
  lb_pg *pg = source ? calloc(1, sizeof *pg) : NULL;
  if (!pg) {
    free(source);
    lb_fail_nomem(err);
    return NULL;
  }
  pg->task = task;
  pg->source = source;
  pg->uri = lb_text_copy(values[0], err);
  pg->conn = PQconnectStartParams(keys, values, 1);
  if (!pg->conn) lb_fail_nomem(err);
  if (pg->conn) {
    PQsetNoticeReceiver(pg->conn, drop_notice, NULL);
    pg->label = lb_pg_label_of(pg->conn, err);
    pg->database = lb_text_copy(PQdb(pg->conn) ? PQdb(pg->conn) : "", err);
  }
  if (err->code || finish_connecting(pg, err)) goto failed;
  if (PQsetnonblocking(pg->conn, 1)) {
    lb_pg_fail_connection(pg, "connecting", err);
    goto failed;
  }
  /* Of several hosts it may be another than the first that answered. */
  free(pg->label);
  pg->label = lb_pg_label_of(pg->conn, err);
  if (pg->label) return pg;
failed:
  lb_pg_close(pg);
  return NULL;
}

static lb_pg *learn_or_close(lb_pg *pg, lb_error *err)
{
  if (!pg || (err->code == LB_OK && learn_server(pg, err) == LB_OK)) return pg;
  lb_pg_close(pg);
  return NULL;
}

/* ---- poolers ---- */

static long backend_pid(lb_pg *pg, lb_error *err)
{
  char *text = lb_pg_value(pg, err, "SELECT pg_catalog.pg_backend_pid()", 0, NULL);
  long pid = text ? strtol(text, NULL, 10) : -1;
  free(text);
  return pid;
}

/* A pool of transactions gives every transaction whichever session is free: our settings, and pg_dump's, an empty
** search_path for one, would stay in sessions that applications get next. Whoever has another process than the one that
** connecting told of is behind a pooler; where a second connection's transaction then gets the first one's process,
** though the first is still connected, the pool is not one of sessions. Before anything is set. */
static int refuse_transaction_pool(lb_pg *pg, const char *const *keys, const char *const *values, lb_error *err)
{
  long first = backend_pid(pg, err), second = -1;
  if (err->code || first == PQbackendPID(pg->conn)) return err->code;
  lb_pg *other = connect_with(keys, values, lb_text_copy(pg->source, err), pg->task, err);
  if (other && lb_pg_exec(other, "BEGIN", err) == LB_OK) {
    second = backend_pid(other, err);
    if (!err->code) lb_pg_exec(other, "ROLLBACK", err);
  }
  lb_pg_close(other);
  if (err->code || first != second) return err->code;
  return lb_fail(err, LB_UNSUPPORTED,
                 "%s: the pooler in between (PgBouncer, for example) gives each transaction another session, where our "
                 "settings would stay for others: connect to the server itself, or to a pool of sessions", pg->label);
}

lb_pg *lb_pg_open(const char *uri, lb_task *task, lb_error *err)
{
  static const char *const keys[] = { "dbname", "fallback_application_name", NULL };
  const char *values[] = { uri, "lifeboat", NULL };
  char *source = lb_pg_source_of(uri, NULL, err);
  lb_pg *pg = source ? connect_with(keys, values, source, task, err) : NULL;
  if (pg) refuse_transaction_pool(pg, keys, values, err);
  return learn_or_close(pg, err);
}

/* The same server is meant, not another of the URI's hosts, nor another address of its name: a snapshot that one server
** exported is unknown to others. */
lb_pg *lb_pg_open_again(const lb_pg *pg, const char *database, lb_error *err)
{
  const char *keys[8] = { "dbname", "fallback_application_name", "dbname", "host", "port" };
  const char *host = PQhost(pg->conn), *address = PQhostaddr(pg->conn), *password = PQpass(pg->conn);
  const char *values[8] = { pg->uri, "lifeboat", database ? database : pg->database, host, PQport(pg->conn) };
  int count = 5;
  if (host && host[0] != '/' && host[0] != '@' && address && address[0]) {
    keys[count] = "hostaddr";
    values[count++] = address;
  }
  if (password && password[0]) {
    keys[count] = "password";
    values[count++] = password;
  }
  bool same = !database || strcmp(database, pg->database) == 0;
  char *source = same ? lb_text_copy(pg->source, err) : lb_pg_source_of(pg->uri, database, err);
  return learn_or_close(source ? connect_with(keys, values, source, pg->task, err) : NULL, err);
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

void lb_pg_cancel(lb_pg *pg)
{
  char words[256];
  if (PQstatus(pg->conn) != CONNECTION_OK || PQtransactionStatus(pg->conn) != PQTRANS_ACTIVE) return;
  PGcancel *cancel = PQgetCancel(pg->conn);
  if (cancel) PQcancel(cancel, words, sizeof words);
  PQfreeCancel(cancel);
  double deadline = lb_clock_monotonic() + CANCEL_SECONDS;
  while (drain(pg)) {
    if (lb_clock_monotonic() > deadline) return;
  }
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
    { 170000, "transaction_timeout = 0" },
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

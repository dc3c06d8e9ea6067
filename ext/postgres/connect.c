/* See connection.h. Here: how a connection comes about, and what is refused at that. Statements: connection.c. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "core/file.h"
#include "postgres/connection.h"
#include "postgres/environment.h"
#include "postgres/quote.h"

#define OLDEST_SERVER 100000
#define CONNECT_SECONDS 30
#define POLL_MS 100
#define STATE_BYTES 7   /* "3D000: " */

/* ---- why a connection was not made ---- */

typedef struct refusal {
  const char *words;   /* in libpq's or the server's message */
  const char *also;    /* and this; NULL: nothing */
  lb_code code;
  const char *hint;    /* NULL: the words say it all */
} refusal;

/* A failed connection has no SQLSTATE but in its words, where libpq puts it when it is asked for all that the server
** said: "FATAL:  3D000: …". Those words may be in any language; what a pooler passes on has the words alone. First
** match. */
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
  { ":  3D000: ", NULL, LB_NOTFOUND, "create it, or to restore into a new database pass {\"create\":true}" },
  { ":  53300: ", NULL, LB_BUSY, "lower \"jobs\", end idle sessions, or raise max_connections" },
  { ":  57P03: ", NULL, LB_BUSY, "try again once it accepts connections" },
  { ":  28P01: ", NULL, LB_PERM, "check user name and password" },
  { ":  28", NULL, LB_PERM, "check the user's name, and that the server's pg_hba.conf lets it in from here" },
  { ":  42501: ", NULL, LB_PERM, NULL },
  { ":  55000: ", NULL, LB_PERM, NULL },
};

static bool ends_in_source_line(const char *line, size_t n)
{
  while (n && line[n - 1] >= '0' && line[n - 1] <= '9') n--;
  return n > 3 && memcmp(line + n - 3, ".c:", 3) == 0;
}

/* Where "3D000: " stands in a line; NULL: nowhere. */
static char *find_state(char *line, size_t n)
{
  for (char *at = line; (at = memmem(at, n - (size_t)(at - line), ":  ", 3)) != NULL; at += 3) {
    char *state = at + 3;
    if (n - (size_t)(state - line) < STATE_BYTES) break;
    if (strspn(state, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ") == 5 && state[5] == ':' && state[6] == ' ') return state;
  }
  return NULL;
}

/* Takes away what nobody reads: SQLSTATEs, and lines that tell a place in the server's source. Allocated. */
static char *plain_words(const char *words)
{
  char *plain = strdup(words), *to = plain;
  for (char *line = plain; line && *line;) {
    size_t n = strcspn(line, "\n"), all = n + (line[n] == '\n');
    char *state = find_state(line, n);
    size_t before = state ? (size_t)(state - line) : all, behind = state ? before + STATE_BYTES : all;
    if (!ends_in_source_line(line, n)) {
      memmove(to, line, before);
      memmove(to + before, line + behind, all - behind);
      to += before + all - behind;
    }
    line += all;
  }
  if (plain) *to = 0;
  return plain;
}

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
  char *plain = plain_words(words), *line = plain ? lb_pg_one_line(plain) : NULL;
  lb_fail(err, code, "%s: %s%s%s%s", pg->label, line && line[0] ? line : "no connection", hint ? " (" : "",
          hint ? hint : "", hint ? ")" : "");
  free(line);
  free(plain);
  return err->code;
}

/* ---- connecting ---- */

/* A server that ends a session while no statement runs says why in a notice; all that libpq says afterwards is that
** there is no connection. */
static void take_notice(void *ctx, const PGresult *result)
{
  lb_pg *pg = ctx;
  const char *severity = PQresultErrorField(result, PG_DIAG_SEVERITY_NONLOCALIZED);
  const char *words = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
  bool ends = severity && (strcmp(severity, "FATAL") == 0 || strcmp(severity, "PANIC") == 0);
  if (ends && words && !pg->farewell) pg->farewell = strdup(words);
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
** in for the server's, backslashes that escape in strings, limits of time that end a backup half-way, transactions that
** may only read, of a database that a restore is to fill, or that see it as it was before the restore had its locks;
** arrays whose NULL is a text like any other; an encoding in which a name of the database's cannot be told (of the URI
** or the environment as well). Every setting is made by qualified names, since the search_path is not ours yet. The
** answer: whether the server is in recovery. */
static char *take_session(lb_pg *pg, lb_error *err)
{
  static const struct { int since; const char *name, *value; } settings[] = {
    { 0, "search_path", "" }, { 0, "standard_conforming_strings", "on" }, { 0, "statement_timeout", "0" },
    { 0, "default_transaction_read_only", "off" }, { 0, "default_transaction_isolation", "read committed" },
    { 0, "default_transaction_deferrable", "off" }, { 0, "array_nulls", "on" },
    { 0, "idle_in_transaction_session_timeout", "0" }, { 140000, "idle_session_timeout", "0" },
    { 170000, "transaction_timeout", "0" },
  };
  lb_buf sql = { 0 };
  lb_buf_text(&sql, "SELECT pg_catalog.pg_is_in_recovery()");
  for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++) {
    if (pg->version < settings[i].since) continue;
    lb_buf_printf(&sql, ", pg_catalog.set_config('%s', '%s', false)", settings[i].name, settings[i].value);
  }
  lb_buf_text(&sql, ", pg_catalog.set_config('client_encoding', ");
  lb_pg_put_literal(&sql, pg->encoding);
  lb_buf_text(&sql, ", false)");
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
    PQsetErrorVerbosity(pg->conn, PQERRORS_VERBOSE);  /* see refusals */
    PQsetNoticeReceiver(pg->conn, take_notice, pg);
    pg->label = lb_pg_label_of(pg->conn, err);
    pg->database = lb_text_copy(PQdb(pg->conn) ? PQdb(pg->conn) : "", err);
  }
  if (err->code || finish_connecting(pg, err)) goto failed;
  if (PQsetnonblocking(pg->conn, 1)) {
    lb_pg_fail_connection(pg, "connecting", err);
    goto failed;
  }
  PQsetErrorVerbosity(pg->conn, PQERRORS_DEFAULT);
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

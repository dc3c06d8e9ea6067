/* See environment.h and connection.h.
**
** Where a URI leads is only known to libpq: host, port and database may come from the environment, a service file, or
** what it was built with. It is asked by a connection that cannot begin: libpq settles host, port and database before
** it checks sslmode, so one with an impossible sslmode fails in between, before any name is looked up or socket opened.
*/
#include "postgres/environment.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/config.h"
#include "core/file.h"
#include "postgres/quote.h"

#define NO_SSLMODE "not-to-be-connected"

/* ---- the text of a URI ---- */

static const char *body_of_uri(const char *uri)
{
  static const char *const schemes[] = { "postgresql://", "postgres://" };
  for (size_t i = 0; i < sizeof schemes / sizeof schemes[0]; i++) {
    if (strncmp(uri, schemes[i], strlen(schemes[i])) == 0) return uri + strlen(schemes[i]);
  }
  return NULL;
}

/* libpq ends user and password at the first '@', which must come before any '/'. Another one before the query is the
** rest of a password that was not encoded. */
static bool has_stray_at(const char *body)
{
  size_t n = strcspn(body, "@/");
  const char *rest = body[n] == '@' ? body + n + 1 : body;
  return memchr(rest, '@', strcspn(rest, "?")) != NULL;
}

static bool are_ports(const char *text)
{
  while (*text) {
    size_t n = strcspn(text, ",");
    if (n > 5 || strspn(text, "0123456789") != n) return false;
    if (n > 0 && (atoi(text) < 1 || atoi(text) > 65535)) return false;
    text += n + (text[n] == ',');
  }
  return true;
}

static const char *value_of(const PQconninfoOption *info, const char *keyword)
{
  for (; info && info->keyword; info++) {
    if (strcmp(info->keyword, keyword) == 0) return info->val ? info->val : "";
  }
  return "";
}

/* libpq quotes pieces of a URI that it does not understand: only what looks like a parameter's name is shown. */
static int fail_parse(const char *reason, lb_error *err)
{
  char *text = lb_pg_one_line(reason ? reason : "out of memory");
  if (!text) return lb_fail_nomem(err);
  char *first = strchr(text, '"'), *last = strrchr(text, '"');
  bool hide = first && last > first &&
              strspn(first + 1, "abcdefghijklmnopqrstuvwxyz_") != (size_t)(last - first - 1);
  if (hide) *first = 0;
  lb_fail(err, LB_MISUSE, "not a valid postgresql:// URI: %s%s", text, hide ? "(not shown)" : "");
  free(text);
  return err->code;
}

int lb_pg_check_uri(const char *uri, lb_error *err)
{
  const char *body = body_of_uri(uri);
  if (!body && lb_config_is_uri(uri)) {
    return lb_fail(err, LB_MISUSE, "not a valid postgresql:// URI: its scheme must be in lower case");
  }
  if (!body) return lb_fail(err, LB_MISUSE, "not a postgresql:// URI (key=value connection strings are not accepted)");
  if (has_stray_at(body)) {
    return lb_fail(err, LB_MISUSE, "not a valid postgresql:// URI: an \"@\" in the wrong place (inside a user name, "
                   "password or database write %%40 for \"@\", %%2F for \"/\", %%3A for \":\")");
  }
  char *reason = NULL;
  PQconninfoOption *info = PQconninfoParse(uri, &reason);
  if (!info) {
    fail_parse(reason, err);
  } else if (!are_ports(value_of(info, "port"))) {
    lb_fail(err, LB_MISUSE, "not a valid postgresql:// URI: its port is no number from 1 to 65535 (inside a user name, "
            "password or database write %%40 for \"@\", %%2F for \"/\", %%3A for \":\")");
  }
  PQfreemem(reason);
  PQconninfoFree(info);
  return err->code;
}

/* ---- one line ---- */

/* The length of the UTF-8 sequence at p, 0 when it is none (RFC 3629, without its finer bounds). */
static size_t utf8_length(const unsigned char *p)
{
  size_t n = p[0] < 0x80 ? 1 : p[0] >= 0xc2 && p[0] < 0xe0 ? 2 : (p[0] & 0xf0) == 0xe0 ? 3
             : p[0] >= 0xf0 && p[0] < 0xf5 ? 4 : 0;
  for (size_t i = 1; i < n; i++) {
    if ((p[i] & 0xc0) != 0x80) return 0;
  }
  return n;
}

char *lb_pg_one_line(const char *text)
{
  lb_buf out = { 0 };
  size_t end = strlen(text);
  while (end > 0 && strchr("\r\n\t ", text[end - 1])) end--;
  for (size_t i = 0; i < end; ) {
    size_t n = utf8_length((const unsigned char *)text + i);
    if (text[i] == '\n') {
      lb_buf_text(&out, text[i + 1] == '\t' ? " " : "; ");
      i += 1 + strspn(text + i + 1, "\t\r\n ");
    } else if (n == 0 || (unsigned char)text[i] < 0x20 || text[i] == 0x7f) {
      lb_buf_text(&out, "?");
      i++;
    } else {
      lb_buf_append(&out, text + i, n);
      i += n;
    }
  }
  return lb_buf_take(&out);
}

/* ---- where it leads ---- */

/* A connection that was never begun, but knows its parameters. NULL: err is set. */
static PGconn *probe(const char *uri, const char *database, lb_error *err)
{
  const char *keys[] = { "dbname", "sslmode", database ? "dbname" : NULL, NULL };
  const char *values[] = { uri, NO_SSLMODE, database, NULL };
  if (lb_pg_check_uri(uri, err)) return NULL;
  PGconn *conn = PQconnectStartParams(keys, values, 1);
  if (!conn) {
    lb_fail_nomem(err);
  } else if (PQstatus(conn) != CONNECTION_BAD || !strstr(PQerrorMessage(conn), NO_SSLMODE)) {
    char *words = lb_pg_one_line(PQerrorMessage(conn));
    lb_fail(err, LB_MISUSE, "postgresql:// URI: %s", words ? words : "out of memory");
    free(words);
    PQfinish(conn);
    conn = NULL;
  }
  return conn;
}

/* Percent-encodes all but RFC 3986's unreserved characters and those of `also`. */
static void put_encoded(lb_buf *out, const char *text, size_t n, const char *also)
{
  static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
  for (size_t i = 0; i < n; i++) {
    if (strchr(plain, text[i]) || strchr(also, text[i])) lb_buf_append(out, text + i, 1);
    else lb_buf_printf(out, "%%%02X", (unsigned char)text[i]);
  }
}

/* The item that begins at or behind *at in a comma-separated list; false behind the last one. */
static bool next_item(const char **at, const char **item, size_t *n)
{
  if (!*at) return false;
  *item = *at;
  *n = strcspn(*at, ",");
  *at = (*at)[*n] ? *at + *n + 1 : NULL;
  return true;
}

static bool is_folder(const char *host) { return host[0] == '/' || host[0] == '@'; }

static bool names_folder(const char *hosts)
{
  const char *item;
  size_t n;
  while (next_item(&hosts, &item, &n)) {
    if (is_folder(item)) return true;
  }
  return false;
}

/* The port that goes with a host: each host has one of its own, or all have the same. */
static void next_port(const char **ports, const char *all, char out[6])
{
  const char *item = "";
  size_t n = 0;
  if (!next_item(ports, &item, &n)) {
    item = all;
    n = strcspn(all, ",");
  }
  if (n > 5) n = 5;
  snprintf(out, 6, "%.*s", n ? (int)n : 4, n ? item : "5432");
}

/* Host names are the same in either case; folders are not, but a slash at their end says nothing. */
static void put_host(lb_buf *out, const char *host, size_t n)
{
  bool folder = is_folder(host), bracket = !folder && memchr(host, ':', n);
  while (folder && n > 1 && host[n - 1] == '/') n--;
  if (bracket) lb_buf_text(out, "[");
  for (size_t i = 0; i < n; i++) {
    char c = !folder && host[i] >= 'A' && host[i] <= 'Z' ? (char)(host[i] - 'A' + 'a') : host[i];
    put_encoded(out, &c, 1, folder ? "/" : bracket ? ":" : "");
  }
  if (bracket) lb_buf_text(out, "]");
}

static char *source_text(const char *hosts, const char *ports, const char *database)
{
  lb_buf out = { 0 }, folder_ports = { 0 };
  bool folders = names_folder(hosts), first = true;
  const char *host, *next = ports;
  size_t n;
  lb_buf_text(&out, "postgresql://");
  if (folders) {
    lb_buf_text(&out, "/");
    put_encoded(&out, database, strlen(database), "");
    lb_buf_text(&out, "?host=");
  }
  while (next_item(&hosts, &host, &n)) {
    char port[6];
    next_port(&next, ports, port);
    if (!first) lb_buf_text(&out, ",");
    put_host(&out, host, n);
    if (!folders && strcmp(port, "5432") != 0) lb_buf_printf(&out, ":%s", port);
    lb_buf_printf(&folder_ports, "%s%s", first ? "" : ",", port);
    first = false;
  }
  if (folders) {
    lb_buf_printf(&out, "&port=%s", folder_ports.data ? folder_ports.data : "");
  } else {
    lb_buf_text(&out, "/");
    put_encoded(&out, database, strlen(database), "");
  }
  if (folder_ports.failed) out.failed = true;
  lb_buf_free(&folder_ports);
  return lb_buf_take(&out);
}

char *lb_pg_source_of(const char *uri, const char *database, lb_error *err)
{
  PGconn *conn = probe(uri, database, err);
  if (!conn) return NULL;
  char *source = NULL;
  PQconninfoOption *info = PQconninfo(conn);
  const char *mode = value_of(info, "replication");
  const char *hosts = value_of(info, "host"), *ports = value_of(info, "port"), *name = PQdb(conn);
  if (!hosts[0]) hosts = value_of(info, "hostaddr");
  if (!hosts[0]) hosts = PQhost(conn);
  if (mode[0] && strcmp(mode, "false") != 0 && strcmp(mode, "off") != 0) {
    lb_fail(err, LB_MISUSE, "postgresql:// URI: with the parameter replication a connection takes no queries: leave it "
            "out");
  } else if (info && !are_ports(ports)) {
    lb_fail(err, LB_MISUSE, "PGPORT or the port of a service is no number from 1 to 65535: %s", ports);
  } else if (info) {
    source = source_text(hosts ? hosts : "", ports, name ? name : "");
  }
  if (!source) lb_fail_nomem(err);
  PQconninfoFree(info);
  PQfinish(conn);
  return source;
}

char *lb_pg_source_of_uri(const char *uri, lb_error *err)
{
  return lb_pg_source_of(uri, NULL, err);
}

char *lb_pg_database_of_uri(const char *uri, lb_error *err)
{
  PGconn *conn = probe(uri, NULL, err);
  char *database = conn ? lb_text_copy(PQdb(conn) ? PQdb(conn) : "", err) : NULL;
  PQfinish(conn);
  return database;
}

char *lb_pg_label_of(PGconn *conn, lb_error *err)
{
  const char *host = PQhost(conn), *port = PQport(conn), *database = PQdb(conn);
  bool bracket = host && !is_folder(host) && strchr(host, ':');
  lb_buf raw = { 0 };
  lb_buf_text(&raw, "database \"");
  lb_pg_put_comment(&raw, database ? database : "");
  lb_buf_printf(&raw, bracket ? "\" on [%s]:%s" : "\" on %s:%s", host ? host : "", port && port[0] ? port : "5432");
  char *text = lb_buf_take(&raw);
  char *label = text ? lb_pg_one_line(text) : NULL;
  free(text);
  if (!label) lb_fail_nomem(err);
  return label;
}

/* ---- for a child ---- */

static const char *const inherited[] = { "PATH", "HOME", "TZ", "KRB5CCNAME", "KRB5_CONFIG", "SSL_CERT_FILE",
                                         "SSL_CERT_DIR", "OPENSSL_CONF" };
#define INHERITED (sizeof inherited / sizeof inherited[0])

/* What libpq would take from the environment, but we give otherwise or not at all. PGCLIENTENCODING: a dump is in the
** encoding of its database. PGSERVICE: what it says is in force already. */
static const char *const withheld[] = { "PGPASSWORD", "PGPASSFILE", "PGSERVICE", "PGSERVICEFILE", "PGHOST",
                                        "PGHOSTADDR", "PGPORT", "PGDATABASE", "PGCLIENTENCODING", "PGAPPNAME",
                                        "PGOPTIONS" };

static bool is_withheld(const char *variable)
{
  for (size_t i = 0; i < sizeof withheld / sizeof withheld[0]; i++) {
    if (strcmp(withheld[i], variable) == 0) return true;
  }
  return false;
}

static int add(char **environment, const char *variable, const char *value, lb_error *err)
{
  if (!value || !value[0] || err->code) return err->code;
  while (*environment) environment++;
  *environment = lb_text_printf(err, "%s=%s", variable, value);
  return err->code;
}

char **lb_pg_environment_base(size_t room, lb_error *err)
{
  char **environment = calloc(INHERITED + 1 + room + 1, sizeof *environment);
  if (!environment) {
    lb_fail_nomem(err);
    return NULL;
  }
  for (size_t i = 0; i < INHERITED; i++) add(environment, inherited[i], getenv(inherited[i]), err);
  add(environment, "LC_ALL", "C", err);
  if (!err->code) return environment;
  lb_pg_environment_free(environment);
  return NULL;
}

/* A dump is written in the session's kind of strings, and must not be in the one where backslashes escape: our own
** loader refuses it. Said only where it is needed, because not every pooler lets options pass. */
static void add_options(char **environment, const lb_pg *pg, const PQconninfoOption *info, lb_error *err)
{
  const char *options = NULL;
  for (; info->keyword; info++) {
    if (strcmp(info->keyword, "options") == 0) options = info->val;
  }
  char *all = pg->escapes
                  ? lb_text_printf(err, "%s -c standard_conforming_strings=on", options ? options : "") : NULL;
  add(environment, "PGOPTIONS", all ? all : options, err);
  free(all);
}

/* The very server that pg is connected to: of several hosts the one that answered, of several addresses that one. */
static void add_place(char **environment, const lb_pg *pg, const char *database, lb_error *err)
{
  const char *host = PQhost(pg->conn), *app = PQparameterStatus(pg->conn, "application_name");
  add(environment, "PGHOST", host, err);
  if (host && !is_folder(host)) add(environment, "PGHOSTADDR", PQhostaddr(pg->conn), err);
  add(environment, "PGPORT", PQport(pg->conn), err);
  add(environment, "PGDATABASE", database ? database : pg->database, err);
  add(environment, "PGAPPNAME", app && app[0] ? app : "lifeboat", err);
}

static int copy_password(const lb_pg *pg, const PQconninfoOption *info, char **password, lb_error *err)
{
  const char *text = PQpass(pg->conn);
  if (value_of(info, "sslpassword")[0]) {
    return lb_fail(err, LB_UNSUPPORTED, "%s: a client key with a passphrase (sslpassword) cannot be handed to pg_dump "
                   "(use a key without one, readable by its owner only)", pg->label);
  }
  if (text && text[0]) *password = lb_text_copy(text, err);
  return err->code;
}

char **lb_pg_environment(const lb_pg *pg, const char *database, char **password, lb_error *err)
{
  *password = NULL;
  PQconninfoOption *info = PQconninfo(pg->conn);
  size_t count = 0;
  while (info && info[count].keyword) count++;
  char **environment = info ? lb_pg_environment_base(count + 6, err) : NULL;
  if (environment) {
    add_place(environment, pg, database, err);
    add_options(environment, pg, info, err);
    for (size_t i = 0; i < count; i++) {
      if (info[i].envvar && !is_withheld(info[i].envvar)) add(environment, info[i].envvar, info[i].val, err);
    }
    copy_password(pg, info, password, err);
  } else {
    lb_fail_nomem(err);
  }
  if (info) PQconninfoFree(info);
  if (!err->code) return environment;
  if (*password) explicit_bzero(*password, strlen(*password));
  free(*password);
  *password = NULL;
  lb_pg_environment_free(environment);
  return NULL;
}

void lb_pg_environment_free(char **environment)
{
  for (char **at = environment; at && *at; at++) free(*at);
  free(environment);
}

/* See target.h: databases as a whole, what lies outside their content, and the connection that works on them.
*/
#include "postgres/database.h"

#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "core/file.h"
#include "postgres/quote.h"
#include "postgres/replication.h"
#include "postgres/target.h"
#include "sql/database_grants.h"
#include "sql/database_properties.h"

#define ANSWER_SECONDS 10.0

/* ---- shared with scratch.c and swap.c ---- */

int lb_pg_name_check(const char *name, lb_error *err)
{
  size_t n = strlen(name);
  if (n && n <= LB_PG_NAME_MAX) return LB_OK;
  return lb_fail(err, LB_MISUSE, "a database's name has 1 to %d bytes, this one %zu: \"%.80s\" (pass a shorter one)",
                 LB_PG_NAME_MAX, n, name);
}

int lb_pg_exec_whole(lb_pg *pg, lb_buf *sql, lb_error *err)
{
  lb_task deaf = { 0 }, *task = pg->task;
  if (sql->failed) lb_fail_nomem(err);
  else {
    pg->task = &deaf;
    lb_pg_exec(pg, sql->data, err);
    pg->task = task;
  }
  lb_buf_free(sql);
  return err->code;
}

int lb_pg_rollback(lb_pg *pg)
{
  lb_error ignored = LB_ERROR_INIT;
  lb_buf sql = { 0 };
  PGTransactionStatusType status = PQtransactionStatus(pg->conn);
  if (status != PQTRANS_INTRANS && status != PQTRANS_INERROR) return LB_OK;
  lb_buf_text(&sql, "ROLLBACK");
  return lb_pg_exec_whole(pg, &sql, &ignored);
}

int lb_pg_database_comment(lb_pg *pg, const char *name, const char *comment, lb_error *err)
{
  lb_buf sql = { 0 };
  lb_buf_text(&sql, "COMMENT ON DATABASE ");
  lb_pg_put_identifier(&sql, name);
  lb_buf_text(&sql, " IS ");
  if (comment) lb_pg_put_literal(&sql, comment);
  else lb_buf_text(&sql, "NULL");
  return lb_pg_exec_whole(pg, &sql, err);
}

char *lb_pg_database_comment_read(lb_pg *pg, const char *name, lb_error *err)
{
  return lb_pg_value(pg, err, "SELECT pg_catalog.shobj_description(oid, 'pg_database') FROM pg_catalog.pg_database"
                     " WHERE datname = $1", 1, &name);
}

/* ---- properties: reading ---- */

static int add_statement(lb_pg_properties *p, lb_buf *head, lb_buf *tail, lb_error *err)
{
  lb_pg_property *all = realloc(p->statements, ((size_t)p->statement_count + 1) * sizeof *all);
  lb_pg_property one = { lb_buf_take(head), lb_buf_take(tail) };
  if (all) p->statements = all;
  if (all && one.head && one.tail) {
    all[p->statement_count++] = one;
    return LB_OK;
  }
  free(one.head);
  free(one.tail);
  return lb_fail_nomem(err);
}

static int add_simple(lb_pg_properties *p, const char *head, const char *tail, lb_error *err)
{
  lb_buf before = { 0 }, after = { 0 };
  lb_buf_text(&before, head);
  lb_buf_text(&after, tail);
  return add_statement(p, &before, &after, err);
}

/* Settings that are lists of names: the catalogue has them ready to be parsed again (GUC_LIST_QUOTE in the server). */
static bool is_name_list(const char *setting, size_t n)
{
  static const char *const lists[] = { "local_preload_libraries", "search_path", "session_preload_libraries",
                                       "shared_preload_libraries", "temp_tablespaces", "unix_socket_directories" };
  for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
    if (strlen(lists[i]) == n && !strncmp(setting, lists[i], n)) return true;
  }
  return false;
}

/* One element of such a list, quotes removed, as a literal. Returns where it ends. */
static const char *put_list_element(const char *at, lb_buf *out)
{
  lb_buf name = { 0 };
  if (*at == '"') {
    for (at++; *at && (*at != '"' || at[1] == '"'); at++) {
      lb_buf_append(&name, at, 1);
      if (*at == '"') at++;
    }
    at += *at == '"';
  }
  size_t rest = strcspn(at, ",");
  size_t kept = rest;
  while (kept && strchr(" \t\n\r\f\v", at[kept - 1])) kept--;
  lb_buf_append(&name, at, kept);
  if (name.failed) out->failed = true;
  else lb_pg_put_literal(out, name.data ? name.data : "");
  lb_buf_free(&name);
  return at + rest;
}

static void put_name_list(const char *value, lb_buf *out)
{
  const char *at = value;
  if (!*at) lb_buf_text(out, "''");
  while (*at) {
    at += strspn(at, " \t\n\r\f\v");
    at = put_list_element(at, out);
    if (*at != ',') break;
    lb_buf_text(out, ", ");
    at++;
  }
}

/* setting is "name=value"; role NULL: for everybody. */
static int add_setting(lb_pg_properties *p, const char *role, const char *setting, lb_error *err)
{
  const char *equals = strchr(setting, '=');
  if (!equals) return LB_OK;
  lb_buf head = { 0 }, tail = { 0 }, name = { 0 };
  lb_buf_append(&name, setting, (size_t)(equals - setting));
  if (role) {
    lb_buf_text(&head, "ALTER ROLE ");
    lb_pg_put_identifier(&head, role);
    lb_buf_text(&head, " IN DATABASE ");
  } else lb_buf_text(&head, "ALTER DATABASE ");
  lb_buf_text(&tail, " SET ");
  lb_pg_put_identifier(&tail, name.data ? name.data : "");
  lb_buf_text(&tail, " TO ");
  if (is_name_list(setting, (size_t)(equals - setting))) put_name_list(equals + 1, &tail);
  else lb_pg_put_literal(&tail, equals + 1);
  if (name.failed) tail.failed = true;
  lb_buf_free(&name);
  return add_statement(p, &head, &tail, err);
}

static int read_settings(lb_pg *pg, lb_pg_properties *p, lb_error *err)
{
  PGresult *result = lb_pg_query(pg, err, "SELECT r.rolname, c FROM pg_catalog.pg_db_role_setting s"
    " JOIN pg_catalog.pg_database d ON d.oid = s.setdatabase AND d.datname = current_database()"
    " LEFT JOIN pg_catalog.pg_roles r ON r.oid = s.setrole CROSS JOIN LATERAL unnest(s.setconfig) WITH ORDINALITY"
    " AS u(c, place) WHERE s.setrole = 0 OR r.oid IS NOT NULL ORDER BY r.rolname NULLS FIRST, place", 0, NULL);
  for (int i = 0; i < PQntuples(result); i++) {
    const char *role = PQgetisnull(result, i, 0) ? NULL : PQgetvalue(result, i, 0);
    if (add_setting(p, role, PQgetvalue(result, i, 1), err)) break;
  }
  PQclear(result);
  return err->code;
}

/* A grant by somebody else than the owner is made in his name. */
static int add_grant(lb_pg_properties *p, const PGresult *r, int row, lb_error *err)
{
  lb_buf head = { 0 }, tail = { 0 };
  if (!PQgetisnull(r, row, 0)) {
    lb_buf_text(&head, "SET LOCAL ROLE ");
    lb_pg_put_identifier(&head, PQgetvalue(r, row, 0));
    lb_buf_text(&head, "; ");
  }
  lb_buf_printf(&head, "GRANT %s ON DATABASE ", PQgetvalue(r, row, 2));
  lb_buf_text(&tail, " TO ");
  if (PQgetisnull(r, row, 1)) lb_buf_text(&tail, "PUBLIC");
  else lb_pg_put_identifier(&tail, PQgetvalue(r, row, 1));
  if (*PQgetvalue(r, row, 3) == '1') lb_buf_text(&tail, " WITH GRANT OPTION");
  if (!PQgetisnull(r, row, 0)) lb_buf_text(&tail, "; RESET ROLE");
  return add_statement(p, &head, &tail, err);
}

static int read_grants(lb_pg *pg, lb_pg_properties *p, lb_error *err)
{
  char *own = lb_pg_value(pg, err, "SELECT 1 FROM pg_catalog.pg_database WHERE datname = current_database()"
                          " AND datacl IS NOT NULL", 0, NULL);
  if (!own) return err->code;
  free(own);
  PGresult *result = lb_pg_query(pg, err, lb_sql_database_grants, 0, NULL);
  if (!result) return err->code;
  lb_buf head = { 0 }, tail = { 0 };
  lb_buf_text(&head, "REVOKE ALL ON DATABASE ");
  lb_buf_text(&tail, " FROM PUBLIC, ");
  lb_pg_put_identifier(&tail, p->owner);
  add_statement(p, &head, &tail, err);
  for (int i = 0; i < PQntuples(result) && !err->code; i++) add_grant(p, result, i, err);
  PQclear(result);
  return err->code;
}

static int read_labels(lb_pg *pg, lb_pg_properties *p, lb_error *err)
{
  PGresult *result = lb_pg_query(pg, err, "SELECT l.provider, l.label FROM pg_catalog.pg_shseclabel l"
    " JOIN pg_catalog.pg_database d ON d.oid = l.objoid AND d.datname = current_database()"
    " WHERE l.classoid = 'pg_catalog.pg_database'::regclass ORDER BY l.provider", 0, NULL);
  for (int i = 0; i < PQntuples(result) && !err->code; i++) {
    lb_buf head = { 0 }, tail = { 0 };
    lb_buf_text(&head, "SECURITY LABEL FOR ");
    lb_pg_put_identifier(&head, PQgetvalue(result, i, 0));
    lb_buf_text(&head, " ON DATABASE ");
    lb_buf_text(&tail, " IS ");
    lb_pg_put_literal(&tail, PQgetvalue(result, i, 1));
    add_statement(p, &head, &tail, err);
  }
  PQclear(result);
  return err->code;
}

static int read_row(const PGresult *r, lb_pg_properties *p, lb_error *err)
{
  char **fields[] = { &p->encoding, &p->collate, &p->ctype, &p->provider, &p->locale, &p->rules, &p->owner, &p->comment,
                      &p->tablespace };
  for (int i = 0; i < (int)(sizeof fields / sizeof *fields); i++) {
    if (PQgetisnull(r, 0, i)) continue;
    *fields[i] = lb_text_copy(PQgetvalue(r, 0, i), err);
    if (!*fields[i]) return err->code;
  }
  const char *limit = PQgetvalue(r, 0, 9);
  if (strtol(limit, NULL, 10) >= 0) {
    char tail[64];
    snprintf(tail, sizeof tail, " CONNECTION LIMIT %ld", strtol(limit, NULL, 10));
    if (add_simple(p, "ALTER DATABASE ", tail, err)) return err->code;
  }
  if (*PQgetvalue(r, 0, 10) == '1') add_simple(p, "ALTER DATABASE ", " IS_TEMPLATE true", err);
  return err->code;
}

int lb_pg_properties_read(lb_pg *pg, lb_pg_properties *properties, lb_error *err)
{
  memset(properties, 0, sizeof *properties);
  PGresult *result = lb_pg_query(pg, err, lb_sql_database_properties, 0, NULL);
  if (result && PQntuples(result) != 1) lb_fail(err, LB_NOTFOUND, "%s was renamed or dropped meanwhile", pg->label);
  if (!err->code) read_row(result, properties, err);
  PQclear(result);
  if (!err->code && !read_settings(pg, properties, err) && !read_grants(pg, properties, err)) {
    read_labels(pg, properties, err);
  }
  if (err->code) lb_pg_properties_free(properties);
  return err->code;
}

void lb_pg_properties_free(lb_pg_properties *p)
{
  char *texts[] = { p->encoding, p->collate, p->ctype, p->provider, p->locale, p->rules, p->owner, p->comment,
                    p->tablespace };
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) free(texts[i]);
  for (int i = 0; i < p->statement_count; i++) {
    free(p->statements[i].head);
    free(p->statements[i].tail);
  }
  free(p->statements);
  memset(p, 0, sizeof *p);
}

/* ---- the maintenance connection ---- */

static void put_percent(lb_buf *out, const char *text)
{
  for (; *text; text++) lb_buf_printf(out, "%%%02X", (unsigned char)*text);
}

/* uri with another database: all its parameters as those of a query. */
static char *uri_for(const PQconninfoOption *options, const char *database)
{
  lb_buf uri = { 0 };
  lb_buf_printf(&uri, "postgresql:///%s", database);
  char separator = '?';
  for (; options->keyword; options++) {
    if (!options->val || !strcmp(options->keyword, "dbname")) continue;
    lb_buf_printf(&uri, "%c%s=", separator, options->keyword);
    put_percent(&uri, options->val);
    separator = '&';
  }
  return lb_buf_take(&uri);
}

static void forget(char *uri)
{
  if (uri) explicit_bzero(uri, strlen(uri));
  free(uri);
}

static lb_pg *open_database(const PQconninfoOption *options, const char *database, lb_task *task, lb_error *err)
{
  lb_pg *pg = NULL;
  char *uri = uri_for(options, database);
  if (uri) pg = lb_pg_open(uri, task, err);
  else lb_fail_nomem(err);
  forget(uri);
  return pg;
}

static bool names_postgres(const PQconninfoOption *options)
{
  for (; options->keyword; options++) {
    if (!strcmp(options->keyword, "dbname") && options->val) return !strcmp(options->val, "postgres");
  }
  return false;
}

lb_pg *lb_pg_maintenance_open(const char *uri, lb_task *task, lb_error *err)
{
  PQconninfoOption *options = PQconninfoParse(uri, NULL);
  if (!options) {
    lb_fail(err, LB_MISUSE, "not a URI that libpq understands (postgresql://USER@HOST:PORT/DATABASE)");
    return NULL;
  }
  lb_error first = LB_ERROR_INIT, second = LB_ERROR_INIT;
  lb_pg *pg = NULL;
  if (!names_postgres(options)) pg = open_database(options, "postgres", task, &first);
  /* Who may not enter postgres may enter template1; any other failure would only come again. */
  if (!pg && (!first.code || first.code == LB_NOTFOUND || first.code == LB_PERM)) {
    pg = open_database(options, "template1", task, &second);
  }
  if (!pg) {
    const lb_error *why = first.code ? &first : &second;
    lb_fail(err, (lb_code)why->code, "the server's maintenance database: %s", why->message);
  }
  PQconninfoFree(options);
  return pg;
}

/* ---- making, dressing, dropping ---- */

char *lb_pg_lacks_createdb(lb_pg *pg, lb_error *err)
{
  return lb_pg_value(pg, err, "SELECT rolname FROM pg_catalog.pg_roles WHERE rolname = current_user"
                     " AND NOT rolcreatedb AND NOT rolsuper", 0, NULL);
}

static void put_option(lb_buf *sql, const char *option, const char *value)
{
  if (!value) return;
  lb_buf_printf(sql, " %s ", option);
  lb_pg_put_literal(sql, value);
}

static int put_locale(lb_buf *sql, const lb_pg *pg, const lb_pg_properties *p, lb_error *err)
{
  bool libc = !p->provider || !strcmp(p->provider, "libc");
  bool builtin = p->provider && !strcmp(p->provider, "builtin");
  int oldest = libc ? 0 : builtin ? 170000 : 150000;
  if (pg->version < oldest || (p->rules && pg->version < 160000)) {
    return lb_fail(err, LB_UNSUPPORTED, "the database's locale (%s, \"%s\"%s) is not known to a server of version %s "
                   "(make the database yourself, with a locale that it knows, and restore into it)", p->provider,
                   p->locale ? p->locale : "", p->rules ? ", with rules" : "", pg->version_text);
  }
  if (pg->version >= 150000 && p->provider) lb_buf_printf(sql, " LOCALE_PROVIDER %s", libc ? "libc" : p->provider);
  put_option(sql, "LC_COLLATE", p->collate);
  put_option(sql, "LC_CTYPE", p->ctype);
  if (!libc) put_option(sql, builtin ? "BUILTIN_LOCALE" : "ICU_LOCALE", p->locale);
  put_option(sql, "ICU_RULES", p->rules);
  return LB_OK;
}

static int refuse_existing(lb_pg *pg, const char *name, lb_error *err)
{
  char *there = lb_pg_value(pg, err, "SELECT 1 FROM pg_catalog.pg_database WHERE datname = $1", 1, &name);
  if (there) lb_fail(err, LB_EXISTS, "database \"%s\" exists already", name);
  free(there);
  return err->code;
}

/* An interrupt breaks off a CREATE DATABASE, which may wait for a checkpoint or for somebody's lock; where it came too
** late, the database is there. */
static void drop_late(lb_pg *maintenance, const char *name)
{
  lb_error why = LB_ERROR_INIT, ignored = LB_ERROR_INIT;
  lb_task deaf = { 0 }, *task = maintenance->task;
  maintenance->task = &deaf;
  if (refuse_existing(maintenance, name, &why) == LB_EXISTS) lb_pg_database_drop(maintenance, name, &ignored);
  maintenance->task = task;
}

int lb_pg_database_create(lb_pg *maintenance, const char *name, const lb_pg_properties *p, lb_error *err)
{
  lb_buf sql = { 0 };
  if (lb_pg_name_check(name, err) || refuse_existing(maintenance, name, err)) return err->code;
  lb_buf_text(&sql, "CREATE DATABASE ");
  lb_pg_put_identifier(&sql, name);
  lb_buf_text(&sql, " TEMPLATE template0");
  if (p) {
    put_option(&sql, "ENCODING", p->encoding);
    if (put_locale(&sql, maintenance, p, err)) {
      lb_buf_free(&sql);
      return err->code;
    }
    if (p->tablespace) {
      lb_buf_text(&sql, " TABLESPACE ");
      lb_pg_put_identifier(&sql, p->tablespace);
    }
  }
  if (sql.failed) lb_fail_nomem(err);
  else lb_pg_exec(maintenance, sql.data, err);
  lb_buf_free(&sql);
  if (!err->code) return LB_OK;
  if (err->code == LB_INTERRUPT) {
    drop_late(maintenance, name);
    return err->code;
  }
  if (p && (err->code == LB_ERROR || err->code == LB_REFUSED)) {
    lb_error_prefix(err, "database \"%s\" (encoding %s, locale %s%s%s) could not be made (make one yourself, of what "
                    "the server has, and restore into it): ", name, p->encoding ? p->encoding : "default",
                    p->collate ? p->collate : "default", p->locale ? ", " : "", p->locale ? p->locale : "");
  } else if (err->code == LB_PERM) {
    lb_error_prefix(err, "database \"%s\" could not be made (this takes CREATEDB; a restore goes without, into a "
                    "database that is there, with {\"mode\":\"transaction\"}): ", name);
  } else lb_error_prefix(err, "database \"%s\" could not be made: ", name);
  return err->code;
}

static int put_owner(lb_pg *pg, const char *name, const char *owner, lb_error *err)
{
  lb_buf sql = { 0 };
  lb_buf_text(&sql, "ALTER DATABASE ");
  lb_pg_put_identifier(&sql, name);
  lb_buf_text(&sql, " OWNER TO ");
  lb_pg_put_identifier(&sql, owner);
  return lb_pg_exec_whole(pg, &sql, err);
}

/* A scratch database goes on being one: its mark stays in front of the comment. */
static int put_comment(lb_pg *pg, const char *name, const char *comment, lb_error *err)
{
  char *now = lb_pg_database_comment_read(pg, name, err);
  if (err->code) return err->code;
  bool scratch = now && !strncmp(now, LB_PG_SCRATCH_MARK, strlen(LB_PG_SCRATCH_MARK));
  free(now);
  if (!scratch) return lb_pg_database_comment(pg, name, comment, err);
  char *both = lb_text_printf(err, "%s%s%s", LB_PG_SCRATCH_MARK, comment ? "\n" : "", comment ? comment : "");
  if (both) lb_pg_database_comment(pg, name, both, err);
  free(both);
  return err->code;
}

static int put_statements(lb_pg *pg, const char *name, const lb_pg_properties *p, lb_error *err)
{
  for (int i = 0; i < p->statement_count && !err->code; i++) {
    lb_buf sql = { 0 };
    lb_buf_text(&sql, p->statements[i].head);
    lb_pg_put_identifier(&sql, name);
    lb_buf_text(&sql, p->statements[i].tail);
    lb_pg_exec_whole(pg, &sql, err);
  }
  return err->code;
}

static int dress(lb_pg *maintenance, const char *name, const lb_pg_properties *p, bool no_owner, const char *end,
                 lb_error *err)
{
  lb_pg_exec(maintenance, "BEGIN", err);
  if (!err->code && !no_owner && p->owner) put_owner(maintenance, name, p->owner, err);
  if (!err->code && !put_comment(maintenance, name, p->comment, err) && !put_statements(maintenance, name, p, err)) {
    lb_pg_exec(maintenance, end, err);
  }
  if (err->code) {
    lb_pg_rollback(maintenance);
    lb_error_prefix(err, "owner, settings and privileges of database \"%s\": ", name);
  }
  return err->code;
}

int lb_pg_database_dress(lb_pg *maintenance, const char *name, const lb_pg_properties *p, bool no_owner, lb_error *err)
{
  return dress(maintenance, name, p, no_owner, "COMMIT", err);
}

int lb_pg_database_try_dress(lb_pg *maintenance, const char *name, const lb_pg_properties *p, bool no_owner,
                             lb_error *err)
{
  return dress(maintenance, name, p, no_owner, "ROLLBACK", err);
}

static bool is_template(lb_pg *pg, const char *name, lb_error *err)
{
  static const char query[] = "SELECT 1 FROM pg_catalog.pg_database WHERE datname = $1 AND datistemplate";
  char *is = lb_pg_value(pg, err, query, 1, &name);
  free(is);
  return is != NULL;
}

static bool is_late(void *deadline)
{
  return lb_clock_monotonic() > *(double *)deadline;
}

/* What follows waits as long as the server takes: one that does not even answer this is not waited for. */
static bool is_template_now(lb_pg *pg, const char *name, lb_error *err)
{
  double deadline = lb_clock_monotonic() + ANSWER_SECONDS;
  lb_task limit = { .interrupted = is_late, .interrupted_ctx = &deadline }, *task = pg->task;
  pg->task = &limit;
  bool is = is_template(pg, name, err);
  pg->task = task;
  if (err->code == LB_INTERRUPT) {
    lb_error_clear(err);
    lb_fail(err, LB_IO, "%s: the server does not answer", pg->label);
  }
  return is;
}

static int set_template(lb_pg *pg, const char *name, bool on, lb_error *err)
{
  lb_buf sql = { 0 };
  lb_buf_text(&sql, "ALTER DATABASE ");
  lb_pg_put_identifier(&sql, name);
  lb_buf_text(&sql, on ? " IS_TEMPLATE true" : " IS_TEMPLATE false");
  return lb_pg_exec_whole(pg, &sql, err);
}

static int drop_subscriptions(lb_pg *maintenance, const char *name, int *dropped, lb_error *err)
{
  if (!lb_pg_subscriptions_any(maintenance, name, err) || lb_pg_database_refuse_use(maintenance, name, err)) {
    return err->code;
  }
  return lb_pg_subscriptions_drop(maintenance, name, dropped, err);
}

/* Also how an interrupted call cleans up after itself: not broken off. A template cannot be dropped, so it is made an
** ordinary database first; what was not dropped is a template again. */
int lb_pg_database_drop(lb_pg *maintenance, const char *name, lb_error *err)
{
  int dropped = 0;
  lb_error ignored = LB_ERROR_INIT;
  lb_buf sql = { 0 };
  lb_task deaf = { 0 }, *task = maintenance->task;
  bool template = is_template_now(maintenance, name, err);
  maintenance->task = &deaf;
  if (template) set_template(maintenance, name, false, err);
  if (!err->code && drop_subscriptions(maintenance, name, &dropped, err) == LB_OK) {
    lb_buf_text(&sql, "DROP DATABASE IF EXISTS ");
    lb_pg_put_identifier(&sql, name);
    lb_pg_exec_whole(maintenance, &sql, err);
  }
  if (template && err->code) set_template(maintenance, name, true, &ignored);
  maintenance->task = task;
  if (err->code && dropped) {
    lb_error_prefix(err, "%d of its subscriptions went, their slots stay on the publishers: ", dropped);
  }
  if (err->code) lb_error_prefix(err, "database \"%s\" could not be dropped: ", name);
  return err->code;
}

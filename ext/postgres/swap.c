/* See target.h: one database takes another's place.
**
** ALTER DATABASE … RENAME locks its database against new sessions first, and then waits up to 5 s for those that are
** still there. With force, a second connection ends them meanwhile. So nothing needs to be set and taken back to keep
** new sessions out: they wait for the lock, and whatever ends this process or the server ends the transaction with it.
** Source: PostgreSQL's manual, ALTER DATABASE; RenameDatabase and CountOtherDBBackends in its source.
*/
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "postgres/database.h"
#include "postgres/quote.h"
#include "postgres/target.h"
#include "sql/database_sessions.h"

#define LINGER_SECONDS 2.0  /* a session that was closed just now is still seen for a moment */
#define FORCE_SECONDS 10.0
#define SHOWN_MAX 10

typedef struct sessions {
  int64_t count;     /* of sessions */
  int64_t prepared;  /* of prepared transactions */
  lb_buf text;
} sessions;

static void put_session(lb_buf *out, const PGresult *r, int row)
{
  const char *name = PQgetvalue(r, row, 2), *kind = PQgetvalue(r, row, 3);
  bool prepared = PQgetisnull(r, row, 0);
  if (out->len) lb_buf_text(out, ", ");
  lb_buf_text(out, prepared ? "prepared transaction \"" : "\"");
  lb_pg_put_comment(out, *name ? name : *kind ? kind : "no name");
  lb_buf_text(out, "\" (user ");
  lb_pg_put_comment(out, *PQgetvalue(r, row, 1) ? PQgetvalue(r, row, 1) : "none");
  if (!prepared) lb_buf_printf(out, ", pid %s", PQgetvalue(r, row, 0));
  lb_buf_text(out, ")");
}

/* A subscription's own, which goes with it. */
static bool is_worker(const PGresult *r, int row)
{
  static const char kind[] = "logical replication";
  return strncmp(PQgetvalue(r, row, 3), kind, sizeof kind - 1) == 0;
}

static int look(lb_pg *pg, const char *name, bool workers, sessions *there, lb_error *err)
{
  int64_t all = 0;
  lb_buf_free(&there->text);
  memset(there, 0, sizeof *there);
  PGresult *result = lb_pg_query(pg, err, lb_sql_database_sessions, 1, &name);
  for (int i = 0; i < PQntuples(result); i++) {
    if (!workers && is_worker(result, i)) continue;
    if (PQgetisnull(result, i, 0)) there->prepared++;
    else there->count++;
    if (all++ < SHOWN_MAX) put_session(&there->text, result, i);
  }
  if (all > SHOWN_MAX) lb_buf_printf(&there->text, " and %lld more", (long long)(all - SHOWN_MAX));
  PQclear(result);
  return err->code;
}

/* About a tenth of a second, in which the server has nothing to say. */
static int pause_briefly(lb_pg *pg, lb_error *err)
{
  if (lb_pg_wait(pg, false, err)) return err->code;
  return PQconsumeInput(pg->conn) ? LB_OK : lb_pg_fail_connection(pg, "waiting for sessions to end", err);
}

static int refuse_sessions(lb_pg *pg, const char *name, bool force, lb_error *err)
{
  sessions there = { 0 };
  double until = lb_clock_monotonic() + LINGER_SECONDS;
  while (!look(pg, name, true, &there, err)) {
    bool waits = there.count && !force && !there.prepared;
    if (!waits || lb_clock_monotonic() > until || pause_briefly(pg, err)) break;
  }
  const char *text = there.text.data ? there.text.data : "";
  if (!err->code && there.prepared) {
    lb_fail(err, LB_BUSY, "database \"%s\" is in use: %s (COMMIT PREPARED or ROLLBACK PREPARED what is prepared)", name,
            text);
  } else if (!err->code && there.count && !force) {
    lb_fail(err, LB_BUSY, "database \"%s\" is in use: %s (end these sessions, or pass {\"force\":true})", name, text);
  }
  lb_buf_free(&there.text);
  return err->code;
}

int lb_pg_database_refuse_use(lb_pg *pg, const char *name, lb_error *err)
{
  sessions there = { 0 };
  double until = lb_clock_monotonic() + LINGER_SECONDS;
  while (!look(pg, name, false, &there, err) && (there.count || there.prepared)) {
    if (lb_clock_monotonic() > until) {
      lb_fail(err, LB_BUSY, "it is in use: %s", there.text.data ? there.text.data : "");
    }
    if (err->code || pause_briefly(pg, err)) break;
  }
  lb_buf_free(&there.text);
  return err->code;
}

static int end_sessions(lb_pg *helper, const char *name, lb_error *err)
{
  PGresult *result = lb_pg_query(helper, err, "SELECT pg_catalog.pg_terminate_backend(a.pid)"
    " FROM pg_catalog.pg_stat_activity a WHERE a.datname = $1 AND a.pid <> pg_catalog.pg_backend_pid()"
    " AND a.usesysid IS NOT NULL", 1, &name);
  PQclear(result);
  if (err->code == LB_PERM) {
    lb_error_prefix(err, "the sessions in database \"%s\" could not be ended (connect as a superuser or a member of "
                         "pg_signal_backend): ", name);
  }
  return err->code;
}

static void put_rename(lb_buf *sql, const char *from, const char *to)
{
  lb_buf_text(sql, "ALTER DATABASE ");
  lb_pg_put_identifier(sql, from);
  lb_buf_text(sql, " RENAME TO ");
  lb_pg_put_identifier(sql, to);
}

/* Waits for the statement that was sent on pg; helper, unless NULL, ends the sessions that it waits for. The server's
** refusal goes to answer, everything else that fails to err. */
static int await_rename(lb_pg *pg, lb_pg *helper, const char *name, lb_error *answer, lb_error *err)
{
  while (PQisBusy(pg->conn)) {
    if (helper && end_sessions(helper, name, err)) return err->code;
    if (lb_pg_wait(pg, false, err)) return err->code;
    if (!PQconsumeInput(pg->conn)) return lb_pg_fail_connection(pg, "renaming a database", err);
  }
  PGresult *result;
  while ((result = PQgetResult(pg->conn))) {
    if (PQresultStatus(result) != PGRES_COMMAND_OK) lb_pg_fail_result(pg, result, "renaming a database", answer);
    PQclear(result);
  }
  if (PQstatus(pg->conn) == CONNECTION_BAD) lb_pg_fail_connection(pg, "renaming a database", err);
  return err->code;
}

/* Begins the transaction, in which name becomes aside. In between a session may come before the lock: with a helper it
** is tried again. */
static int move_aside(lb_pg *pg, lb_pg *helper, const char *name, const char *aside, lb_error *err)
{
  double until = lb_clock_monotonic() + FORCE_SECONDS;
  lb_error answer;
  lb_buf sql = { 0 };
  put_rename(&sql, name, aside);
  if (sql.failed) lb_fail_nomem(err);
  do {
    lb_error_clear(&answer);
    if (err->code || lb_pg_exec(pg, "BEGIN", err)) break;
    if (!lb_pg_send(pg, sql.data, err)) await_rename(pg, helper, name, &answer, err);
    if (err->code) lb_pg_cancel(pg);
    if (err->code || answer.code) lb_pg_rollback(pg);
  } while (!err->code && answer.code == LB_BUSY && helper && lb_clock_monotonic() < until);
  lb_buf_free(&sql);
  if (!err->code && answer.code) lb_fail(err, (lb_code)answer.code, "%s", answer.message);
  return err->code;
}

/* The comment that was to come once the database is no longer a scratch one. */
static int unmark(lb_pg *pg, const char *name, lb_error *err)
{
  size_t n = strlen(LB_PG_SCRATCH_MARK);
  char *comment = lb_pg_database_comment_read(pg, name, err);
  if (comment && !strncmp(comment, LB_PG_SCRATCH_MARK, n)) {
    lb_pg_database_comment(pg, name, comment[n] == '\n' ? comment + n + 1 : NULL, err);
  }
  free(comment);
  return err->code;
}

static int finish(lb_pg *pg, const char *name, const char *fresh, lb_error *err)
{
  lb_buf rename = { 0 }, commit = { 0 };
  put_rename(&rename, fresh, name);
  lb_buf_text(&commit, "COMMIT");
  if (!lb_pg_exec_whole(pg, &rename, err) && !unmark(pg, name, err) && lb_pg_exec_whole(pg, &commit, err) &&
      PQstatus(pg->conn) == CONNECTION_BAD) {
    lb_error_prefix(err, "the connection was lost at the COMMIT, so that \"%s\" may be the old or the new database "
                         "(see whether \"%s\" is still there): ", name, fresh);
  }
  lb_buf_free(&commit);
  return err->code;
}

int lb_pg_database_settle(lb_pg *maintenance, const char *fresh, const char *name, lb_error *err)
{
  if (lb_pg_name_check(name, err)) return err->code;
  if (lb_pg_exec(maintenance, "BEGIN", err) || finish(maintenance, name, fresh, err)) {
    lb_pg_rollback(maintenance);  /* a BEGIN that is broken off may have begun all the same */
    lb_error_prefix(err, "the loaded database could not be given its name: ");
  }
  return err->code;
}

static int check_names(const lb_pg *pg, const char *name, const char *fresh, const char *aside, lb_error *err)
{
  if (lb_pg_name_check(name, err) || lb_pg_name_check(fresh, err) || lb_pg_name_check(aside, err)) return err->code;
  if (strcmp(pg->database, name) && strcmp(pg->database, fresh)) return LB_OK;
  return lb_fail(err, LB_MISUSE, "database \"%s\" is the server's maintenance database and cannot be exchanged "
                 "(pass {\"mode\":\"transaction\"})", pg->database);
}

static int check_may_create(lb_pg *pg, lb_error *err)
{
  char *lacking = lb_pg_lacks_createdb(pg, err);
  if (lacking) {
    lb_fail(err, LB_PERM, "database \"%s\": a swap makes a new one, which \"%s\" may not (ALTER ROLE %s CREATEDB, or "
            "pass {\"mode\":\"transaction\"})", pg->database, lacking, lacking);
  }
  free(lacking);
  return err->code;
}

int lb_pg_swap_check(lb_pg *pg, bool no_owner, lb_error *err)
{
  /* Who has a role's rights need not be let take it on, from 16 on. */
  const char *owners = "SELECT pg_catalog.pg_get_userbyid(datdba) FROM pg_catalog.pg_database WHERE datname = "
    "pg_catalog.current_database() AND NOT (pg_catalog.pg_has_role(datdba, 'USAGE') AND pg_catalog.pg_has_role(datdba, "
    "$1))";
  const char *right = no_owner ? "USAGE" : pg->version >= 160000 ? "SET" : "MEMBER";
  char *owner = lb_pg_value(pg, err, owners, 1, &right);
  if (owner) {
    const char *user = PQuser(pg->conn);
    /* A GRANT that is repeated without options leaves them as they are: createrole_self_grant may give one alone. */
    const char *with = pg->version >= 160000 ? " WITH INHERIT TRUE, SET TRUE" : "";
    lb_fail(err, LB_PERM, "database \"%s\" belongs to \"%s\", and a swap renames it: connect as its owner or a "
            "superuser, or GRANT %s TO %s%s (or pass {\"mode\":\"transaction\"})", pg->database, owner, owner,
            user ? user : "the user", with);
  }
  free(owner);
  return err->code ? err->code : check_may_create(pg, err);
}

int lb_pg_database_swap(lb_pg *maintenance, const char *name, const char *fresh, const char *aside, bool force,
                        lb_error *err)
{
  lb_pg *helper = NULL;
  if (check_names(maintenance, name, fresh, aside, err)) return err->code;
  if (refuse_sessions(maintenance, name, force, err)) return err->code;
  if (force) helper = lb_pg_open_again(maintenance, NULL, err);
  if (!err->code && !move_aside(maintenance, helper, name, aside, err)) finish(maintenance, name, fresh, err);
  lb_pg_close(helper);
  if (err->code) {
    lb_pg_rollback(maintenance);
    lb_error_prefix(err, "database \"%s\" was not exchanged: ", name);
  }
  return err->code;
}

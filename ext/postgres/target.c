/* See target.h: looking at a database and emptying it. What there is to drop is asked of the catalogue in phases
** (sql/postgres/target_drops.sql), since a CASCADE takes along what a later phase would have named. public is not
** dropped but emptied and reset: so that of a role that does not own the schema can be emptied too, and the
** schema stays the one that initdb made.
**
** Not touched: what users put into pg_catalog, comments on the server's own objects, privileges on their columns, and
** whatever lies outside a database's content (target.h, lb_pg_properties).
*/
#include "postgres/target.h"

#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "core/file.h"
#include "postgres/kept.h"
#include "postgres/quote.h"
#include "postgres/replication.h"
#include "sql/target_count.h"
#include "sql/target_drops.h"
#include "sql/target_locks.h"
#include "sql/target_privileges.h"
#include "sql/target_tables.h"

#define DROP_PHASES 9

#define CLAIM_CLASS "1818588276"  /* "lert": what no other program's locks are likely to be called */
#define CLAIM CLAIM_CLASS ", 1"

#define LINGER_SECONDS 2.0  /* a session that was closed just now is still seen for a moment */
#define CLAIM_SECONDS 1.0   /* and has what it had */

/* ---- looking ---- */

/* Waits for the socket, which has nothing to say: false when the time is over. */
static bool wait_a_moment(lb_pg *pg, double until, lb_error *err)
{
  return lb_clock_monotonic() < until && lb_pg_wait(pg, false, err) == LB_OK && PQconsumeInput(pg->conn);
}

/* Advisory locks are each database's own, and go with a session: that of a restore which has ended just now may still
** be there. */
int lb_pg_target_claim(lb_pg *pg, lb_error *err)
{
  double until = lb_clock_monotonic() + CLAIM_SECONDS;
  bool mine;
  do {
    char *got = lb_pg_value(pg, err, "SELECT pg_catalog.pg_try_advisory_lock(" CLAIM ")", 0, NULL);
    mine = got && *got == 't';
    free(got);
  } while (!mine && !err->code && wait_a_moment(pg, until, err));
  if (mine || err->code) return err->code;
  return lb_fail(err, LB_BUSY, "%s: another restore of Lifeboat is at work there (wait for it, or end its session)",
                 pg->label);
}

char *lb_pg_target_session(lb_pg *pg, lb_error *err)
{
  return lb_pg_value(pg, err, "SELECT pg_catalog.pg_backend_pid()", 0, NULL);
}

/* Our sessions need not be called lifeboat: the URI may say how. One so called that has the claim, and is not the one
** that had it for us, is another restore's. Of what kind a session of somebody else's is, not everybody is told; it has
** a user, as the server's own workers have not. */
bool lb_pg_target_alone(lb_pg *pg, const char *claimant)
{
  static const char others[] = "SELECT 1 FROM pg_catalog.pg_stat_activity a, LATERAL (SELECT EXISTS (SELECT FROM "
    "pg_catalog.pg_locks l WHERE l.pid = a.pid AND l.locktype = 'advisory' AND l.database = a.datid AND l.granted "
    "AND l.classid = " CLAIM_CLASS " AND l.objid = 1 AND l.objsubid = 2)) c(claims) WHERE a.datname = "
    "pg_catalog.current_database() AND a.pid <> pg_catalog.pg_backend_pid() AND a.pid::text <> $1 "
    "AND a.usesysid IS NOT NULL AND coalesce(a.backend_type, 'client backend') = 'client backend' "
    "AND (a.application_name <> 'lifeboat' OR c.claims) LIMIT 1";
  lb_error err = LB_ERROR_INIT;
  double until = lb_clock_monotonic() + LINGER_SECONDS;
  bool alone;
  do {
    char *other = lb_pg_value(pg, &err, others, 1, &claimant);
    alone = !other && !err.code;
    free(other);
  } while (!alone && wait_a_moment(pg, until, &err));
  return alone;
}

int lb_pg_target_count(lb_pg *pg, int64_t *objects, lb_error *err)
{
  *objects = 0;
  lb_pg_kept kept = { 0 };
  lb_buf schemas = { 0 };
  if (lb_pg_kept_read(pg, &kept, err) == LB_OK) lb_pg_kept_put_schemas(&kept, &schemas);
  if (schemas.failed) lb_fail_nomem(err);
  const char *params[] = { schemas.data };
  char *n = err->code ? NULL : lb_pg_value(pg, err, lb_sql_target_count, 1, params);
  if (n) *objects = strtoll(n, NULL, 10);
  else lb_fail(err, LB_ERROR, "%s: its objects could not be counted", pg->label);
  free(n);
  lb_buf_free(&schemas);
  lb_pg_kept_free(&kept);
  return err->code;
}

static uint64_t number(const PGresult *result, int column)
{
  return strtoull(PQgetvalue(result, 0, column), NULL, 10);
}

/* The server's table holds at least a tenth more than it promises; that is left to others as well. */
int lb_pg_target_fits_one_transaction(lb_pg *pg, uint64_t makes, lb_error *err)
{
  PGresult *result = lb_pg_query(pg, err, lb_sql_target_locks, 0, NULL);
  PGresult *privileges = lb_pg_query(pg, err, lb_sql_target_privileges, 0, NULL);  /* a lock each, on newer servers */
  if (err->code) goto done;
  uint64_t drops = number(result, 0) + (uint64_t)PQntuples(privileges), ours = number(result, 1) / 10 * 9;
  if (drops + makes > ours) {
    lb_fail(err, LB_FULL, "%s: replacing its content in one transaction takes about %llu locks (%llu to drop what is "
            "there, %llu for what is made), and nine tenths of the server's lock table are %llu "
            "(max_locks_per_transaction %s x %s processes): pass {\"mode\":\"swap\"}, or raise "
            "max_locks_per_transaction and restart the server", pg->label, (unsigned long long)(drops + makes),
            (unsigned long long)drops, (unsigned long long)makes, (unsigned long long)ours, PQgetvalue(result, 0, 2),
            PQgetvalue(result, 0, 3));
  }
done:
  PQclear(result);
  PQclear(privileges);
  return err->code;
}

/* ---- emptying ---- */

#define WHO_MAY \
  "connect as the owner of everything in it or as a superuser, or pass {\"mode\":\"swap\"}, which drops nothing"

static int explain(lb_pg *pg, const char *statement, lb_error *err)
{
  lb_buf shown = { 0 };
  lb_pg_put_comment(&shown, statement);
  const char *advice = err->code != LB_PERM ? "" : " (" WHO_MAY ")";
  lb_error_prefix(err, "%s could not be emptied%s: %.300s: ", pg->label, advice, shown.data ? shown.data : "");
  lb_buf_free(&shown);
  return err->code;
}

/* Executes the statements that a query gives, a row each. */
static int run_listed(lb_pg *pg, const char *query, int count, const char *const *params, lb_error *err)
{
  PGresult *result = lb_pg_query(pg, err, query, count, params);
  for (int i = 0; i < PQntuples(result) && !err->code; i++) {
    const char *statement = PQgetvalue(result, i, 0);
    if (pg->task && lb_task_poll(pg->task, err)) break;
    if (lb_pg_exec(pg, statement, err)) explain(pg, statement, err);
  }
  PQclear(result);
  return err->code;
}

static int drop_large_objects(lb_pg *pg, lb_error *err)
{
  static const char sql[] = "SELECT count(pg_catalog.lo_unlink(oid)) FROM pg_catalog.pg_largeobject_metadata";
  PGresult *result = lb_pg_query(pg, err, sql, 0, NULL);
  if (!result) explain(pg, "lo_unlink of all large objects", err);
  PQclear(result);
  return err->code;
}

int lb_pg_target_keep_writers_out(lb_pg *pg, lb_error *err)
{
  char *tables = lb_pg_value(pg, err, lb_sql_target_tables, 0, NULL);
  char *sql = tables ? lb_text_printf(err, "LOCK TABLE %s IN EXCLUSIVE MODE", tables) : NULL;
  if (sql && lb_pg_exec(pg, sql, err) == LB_PERM) lb_error_advise(err, WHO_MAY);
  free(tables);
  free(sql);
  return err->code;
}

/* A CASCADE goes on from what the user may drop to what he may not: an extension that requires one of his. */
static int all_stayed(lb_pg *pg, const lb_pg_kept *before, lb_error *err)
{
  lb_pg_kept after = { 0 };
  lb_pg_kept_read(pg, &after, err);
  for (int i = 0; i < PQntuples(before->extensions) && !err->code; i++) {
    const char *name = PQgetvalue(before->extensions, i, LB_KEPT_NAME);
    if (lb_pg_kept_extension(&after, name)) continue;
    lb_fail(err, LB_PERM, "%s could not be emptied: extension %s, which belongs to %s, would go with what it depends "
            "on (let its owner drop it, connect as a superuser, or pass {\"mode\":\"swap\"}, which drops nothing)",
            pg->label, name, PQgetvalue(before->extensions, i, LB_KEPT_OWNER));
  }
  lb_pg_kept_free(&after);
  return err->code;
}

static int drop_all(lb_pg *pg, lb_error *err)
{
  lb_pg_kept kept = { 0 };
  lb_buf schemas = { 0 };
  if (lb_pg_kept_read(pg, &kept, err) == LB_OK) lb_pg_kept_put_schemas(&kept, &schemas);
  if (schemas.failed) lb_fail_nomem(err);
  for (int phase = 1; phase <= DROP_PHASES && !err->code; phase++) {
    const char digit[] = { (char)('0' + phase), '\0' };
    run_listed(pg, lb_sql_target_drops, 2, (const char *const[]){ digit, schemas.data }, err);
  }
  if (!err->code) all_stayed(pg, &kept, err);
  lb_buf_free(&schemas);
  lb_pg_kept_free(&kept);
  return err->code;
}

/* The names in our statements are what the catalogue means only under a search_path without schemas of users. */
int lb_pg_target_empty(lb_pg *pg, lb_error *err)
{
  if (PQtransactionStatus(pg->conn) != PQTRANS_INTRANS) {
    return lb_fail(err, LB_MISUSE, "%s is emptied inside a transaction only", pg->label);
  }
  char *path = lb_pg_value(pg, err, "SELECT current_setting('search_path')", 0, NULL);
  if (!path) return lb_fail(err, LB_ERROR, "%s: search_path could not be read", pg->label);
  if (lb_pg_exec(pg, "SET LOCAL search_path TO ''", err) || lb_pg_subscriptions_refuse(pg, err)) goto done;
  if (drop_all(pg, err) || run_listed(pg, lb_sql_target_privileges, 0, NULL, err) ||
      drop_large_objects(pg, err)) {
    goto done;
  }
  const char *params[] = { path };
  free(lb_pg_value(pg, err, "SELECT pg_catalog.set_config('search_path', $1, true)", 1, params));
done:
  free(path);
  return err->code;
}

/* See results.h. */
#include "postgres/results.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* "COPY t, line 3, column x: "abc"": which line of the data it was. */
static void add_context(const PGresult *result, lb_error *err)
{
  const char *context = PQresultErrorField(result, PG_DIAG_CONTEXT);
  size_t len = strlen(err->message);
  if (!context || strncmp(context, "COPY ", 5) != 0 || len + 3 >= sizeof err->message) return;
  snprintf(err->message + len, sizeof err->message - len, "; %.*s", (int)strcspn(context, "\n"), context);
}

static int judge(lb_pg *pg, const PGresult *result, const char *what, uint64_t *tuples, lb_error *err)
{
  bool first = !err->code;
  switch (PQresultStatus(result)) {
  case PGRES_COMMAND_OK:
    *tuples = strtoull(PQcmdTuples((PGresult *)result), NULL, 10);
    return err->code;
  case PGRES_TUPLES_OK: case PGRES_SINGLE_TUPLE: case PGRES_EMPTY_QUERY:
    return err->code;
  case PGRES_COPY_IN: case PGRES_COPY_OUT: case PGRES_COPY_BOTH:
    return lb_fail(err, LB_UNSUPPORTED, "%s: it copies data where none is expected", what);
  default:
    lb_pg_fail_result(pg, result, what, err);
    if (first) add_context(result, err);
    return err->code;
  }
}

int lb_results_step(lb_pg *pg, const char *what, uint64_t *tuples, bool *done, lb_error *err)
{
  bool broken = PQflush(pg->conn) < 0;
  broken = !PQconsumeInput(pg->conn) || broken;  /* what the server said last is still there to be read */
  *done = false;
  while (!PQisBusy(pg->conn)) {
    PGresult *result = PQgetResult(pg->conn);
    if (!result) {
      *done = true;
      break;
    }
    ExecStatusType status = PQresultStatus(result);
    judge(pg, result, what, tuples, err);
    PQclear(result);
    if (status == PGRES_COPY_IN || status == PGRES_COPY_OUT || status == PGRES_COPY_BOTH) return err->code;
  }
  if (broken || (*done && PQstatus(pg->conn) == CONNECTION_BAD)) return lb_pg_fail_connection(pg, what, err);
  return err->code;
}

int lb_results_wait(lb_pg *pg, const char *what, uint64_t *tuples, lb_error *err)
{
  bool done = false;
  lb_error waiting = LB_ERROR_INIT;
  for (;;) {
    lb_results_step(pg, what, tuples, &done, err);
    if (done || PQstatus(pg->conn) == CONNECTION_BAD || err->code == LB_UNSUPPORTED) return err->code;
    if (lb_pg_wait(pg, PQflush(pg->conn) == 1, &waiting)) return lb_fail(err, waiting.code, "%s", waiting.message);
  }
}

int lb_results_run(lb_pg *pg, const char *sql, const char *what, lb_error *err)
{
  uint64_t tuples = 0;
  if (lb_pg_send(pg, sql, err)) return err->code;
  PQsetSingleRowMode(pg->conn);
  return lb_results_wait(pg, what, &tuples, err);
}

int lb_copy_begin(lb_pg *pg, const char *sql, const char *what, lb_error *err)
{
  uint64_t tuples = 0;
  if (lb_pg_send(pg, sql, err)) return err->code;
  for (;;) {
    if (PQflush(pg->conn) < 0 || !PQconsumeInput(pg->conn)) return lb_results_wait(pg, what, &tuples, err);
    if (!PQisBusy(pg->conn)) break;
    if (lb_pg_wait(pg, PQflush(pg->conn) == 1, err)) return err->code;
  }
  PGresult *result = PQgetResult(pg->conn);
  bool copying = result && PQresultStatus(result) == PGRES_COPY_IN;
  if (result && !copying) judge(pg, result, what, &tuples, err);
  PQclear(result);
  if (copying) return LB_OK;
  lb_results_wait(pg, what, &tuples, err);
  return lb_fail(err, LB_ERROR, "%s: the server takes no data", what);
}

/* The answer that has been waiting behind a connection that takes no more data says why. */
static int fail_copy(lb_pg *pg, const char *what, lb_error *err)
{
  uint64_t tuples = 0;
  bool done = false;
  PQputCopyEnd(pg->conn, NULL);
  lb_results_step(pg, what, &tuples, &done, err);
  return lb_pg_fail_connection(pg, what, err);
}

static int flush(lb_pg *pg, const char *what, lb_error *err)
{
  for (;;) {
    int rc = PQflush(pg->conn);
    if (rc < 0 || PQstatus(pg->conn) == CONNECTION_BAD) return fail_copy(pg, what, err);
    if (rc == 0) return LB_OK;
    if (lb_pg_wait(pg, true, err)) return err->code;
    PQconsumeInput(pg->conn);  /* notices must be read away; what has gone wrong is told by the results */
  }
}

int lb_copy_put(lb_pg *pg, const char *what, const void *data, size_t n, lb_error *err)
{
  const char *p = data;
  while (n) {
    int piece = n > (1 << 30) ? 1 << 30 : (int)n;
    if (flush(pg, what, err)) return err->code;
    if (PQputCopyData(pg->conn, p, piece) != 1) return fail_copy(pg, what, err);
    p += piece;
    n -= (size_t)piece;
  }
  return LB_OK;
}

int lb_copy_end(lb_pg *pg, const char *what, const char *reason, lb_error *err)
{
  return PQputCopyEnd(pg->conn, reason) == 1 ? LB_OK : fail_copy(pg, what, err);
}

void lb_copy_settle(lb_pg *pg)
{
  if (PQtransactionStatus(pg->conn) != PQTRANS_ACTIVE) return;
  PQputCopyEnd(pg->conn, "the load was given up");  /* does nothing where no COPY is open */
  lb_pg_cancel(pg);
}

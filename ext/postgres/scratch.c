/* See target.h: databases that are dropped again.
**
** Whether a maker is alive is told by its advisory lock: pg_locks shows those of all databases, so that it does not
** matter which one either of us has for maintenance. It is taken before the database is made: who sees the database
** sees the lock. A maker that dies while the server still makes the database leaves one without a mark; it is dropped
** if it has our kind of name and nothing in it.
*/
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/file.h"
#include "postgres/database.h"
#include "postgres/quote.h"
#include "postgres/target.h"
#include "sql/scratch_orphans.h"

#define NAMES_TRIED 10
#define LOCK_CLASS "1818583924"  /* "lebt": the first key of our locks; the second is a hash of the name */
#define PURPOSE_MAX 16

/* Takes the lock: 1, or 0 where somebody else has it; -1 with err set. */
static int lock_name(lb_pg *pg, const char *name, lb_error *err)
{
  char *got = lb_pg_value(pg, err, "SELECT pg_catalog.pg_try_advisory_lock(" LOCK_CLASS ", pg_catalog.hashtext($1))",
                          1, &name);
  int taken = err->code ? -1 : got && *got == 't';
  free(got);
  return taken;
}

static void unlock_name(lb_pg *pg, const char *name)
{
  lb_error ignored = LB_ERROR_INIT;
  free(lb_pg_value(pg, &ignored, "SELECT pg_catalog.pg_advisory_unlock(" LOCK_CLASS ", pg_catalog.hashtext($1))", 1,
                   &name));
}

static int make(lb_pg *pg, const char *name, const lb_pg_properties *properties, lb_error *err)
{
  if (lb_pg_database_create(pg, name, properties, err)) return err->code;
  if (!lb_pg_database_comment(pg, name, LB_PG_SCRATCH_MARK, err)) return LB_OK;
  lb_error ignored = LB_ERROR_INIT;
  lb_pg_database_drop(pg, name, &ignored);
  return err->code;
}

/* Tries one name: LB_EXISTS when it is taken. */
static int try_name(lb_pg *pg, const char *name, const lb_pg_properties *properties, lb_error *err)
{
  int taken = lock_name(pg, name, err);
  if (taken < 0) return err->code;
  if (!taken) return lb_fail(err, LB_EXISTS, "scratch database \"%s\" belongs to another process", name);
  if (make(pg, name, properties, err)) unlock_name(pg, name);
  return err->code;
}

int lb_pg_scratch_create(lb_pg *maintenance, const char *purpose, const lb_pg_properties *properties, char **name,
                         lb_error *err)
{
  *name = NULL;
  size_t n = strlen(purpose);
  if (!n || n > PURPOSE_MAX || strspn(purpose, "abcdefghijklmnopqrstuvwxyz") != n) {
    return lb_fail(err, LB_MISUSE, "not a purpose of a scratch database: \"%.40s\"", purpose);
  }
  char stamp[LB_STAMP_BYTES];
  lb_clock_stamp(lb_clock_now(), stamp);
  for (int i = 0; i < NAMES_TRIED; i++) {
    char suffix[16] = "";
    lb_error why = LB_ERROR_INIT;
    if (i) snprintf(suffix, sizeof suffix, "_%d", i);
    *name = lb_text_printf(err, "lifeboat_%s_%ld_%s%s", purpose, (long)getpid(), stamp, suffix);
    if (!*name || !try_name(maintenance, *name, properties, &why)) return err->code;
    free(*name);
    *name = NULL;
    if (why.code != LB_EXISTS || i == NAMES_TRIED - 1) return lb_fail(err, (lb_code)why.code, "%s", why.message);
  }
  return err->code;
}

/* The connection is idle for as long as a load takes, and may be lost by its end. */
int lb_pg_scratch_drop(lb_pg *maintenance, const char *name, lb_error *err)
{
  lb_error why = LB_ERROR_INIT;
  if (lb_pg_database_drop(maintenance, name, &why) == LB_OK) return LB_OK;
  if (PQstatus(maintenance->conn) != CONNECTION_BAD) return lb_fail(err, (lb_code)why.code, "%s", why.message);
  lb_task deaf = { 0 }, *task = maintenance->task;
  maintenance->task = &deaf;
  lb_pg *pg = lb_pg_open_again(maintenance, NULL, err);
  maintenance->task = task;
  if (pg) lb_pg_database_drop(pg, name, err);
  else lb_error_prefix(err, "database \"%s\" could not be dropped: ", name);
  lb_pg_close(pg);
  return err->code;
}

/* ---- sweeping ---- */

static bool is_empty(lb_pg *maintenance, const char *name)
{
  lb_error ignored = LB_ERROR_INIT;
  int64_t objects = 1;
  lb_pg *pg = lb_pg_open_again(maintenance, name, &ignored);
  bool empty = pg && !lb_pg_target_count(pg, &objects, &ignored) && !objects;
  lb_pg_close(pg);
  return empty;
}

static void end_orphans(lb_pg *pg, const char *name)
{
  lb_error ignored = LB_ERROR_INIT;
  PGresult *result = lb_pg_query(pg, &ignored, "SELECT pg_catalog.pg_terminate_backend(pid) FROM"
                                 " pg_catalog.pg_stat_activity WHERE datname = $1", 1, &name);
  PQclear(result);
}

static void drop_orphan(lb_pg *pg, const char *name)
{
  lb_error ignored = LB_ERROR_INIT;
  end_orphans(pg, name);
  lb_pg_database_drop(pg, name, &ignored);
}

void lb_pg_scratch_sweep(lb_pg *maintenance)
{
  lb_error ignored = LB_ERROR_INIT;
  const char *params[] = { LB_PG_SCRATCH_MARK, LOCK_CLASS };
  PGresult *result = lb_pg_query(maintenance, &ignored, lb_sql_scratch_orphans, 2, params);
  for (int i = 0; i < PQntuples(result); i++) {
    const char *name = PQgetvalue(result, i, 0);
    if (maintenance->task && lb_task_poll(maintenance->task, &ignored)) break;
    if (*PQgetvalue(result, i, 1) == '1' || is_empty(maintenance, name)) drop_orphan(maintenance, name);
  }
  PQclear(result);
}

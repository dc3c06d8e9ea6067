/* The database of a restore. As a cmocka program: what needs no server. With arguments, `test_target URI COMMAND …`: the
** functions one by one, for target.bats, which compares what they leave on real servers. Prints `error CODE: MESSAGE`
** with status 1 where one fails.
**
**     count, fits NEW, replication [dropped], empty    on the URI's database
**     locks                                            empty, then the number of locks that it took; rolled back
**     copy NAME, recreate ASIDE NAME                   a database like the URI's; one in its place, by way of a scratch one
**     swap NAME FRESH ASIDE [force], drop NAME         over the maintenance connection
**     scratch PURPOSE [hold], sweep                    hold: prints the name, then waits for its end
*/
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "postgres/database.h"
#include "postgres/replication.h"
#include "postgres/target.h"

/* ---- without a server ---- */

static void test_names(void **state)
{
  (void)state;
  char longest[LB_PG_NAME_MAX + 2];
  lb_error err = LB_ERROR_INIT;
  memset(longest, 'x', sizeof longest);
  longest[LB_PG_NAME_MAX] = '\0';
  assert_int_equal(lb_pg_name_check(longest, &err), LB_OK);
  longest[LB_PG_NAME_MAX] = 'x';
  longest[LB_PG_NAME_MAX + 1] = '\0';
  assert_int_equal(lb_pg_name_check(longest, &err), LB_MISUSE);
  assert_non_null(strstr(err.message, "1 to 63 bytes, this one 64"));
  lb_error_clear(&err);
  assert_int_equal(lb_pg_name_check("", &err), LB_MISUSE);
}

static void test_no_uri(void **state)
{
  (void)state;
  lb_error err = LB_ERROR_INIT;
  assert_null(lb_pg_maintenance_open("postgresql://user:secret@[host/db", NULL, &err));
  assert_int_equal(err.code, LB_MISUSE);
  assert_null(strstr(err.message, "secret"));
}

static void test_empty_properties(void **state)
{
  (void)state;
  lb_pg_properties p = { 0 };
  lb_pg_properties_free(&p);
  assert_null(p.statements);
}

static int run_units(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_names), cmocka_unit_test(test_no_uri), cmocka_unit_test(test_empty_properties),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

/* ---- with one ---- */

typedef struct call {
  const char *uri, *command;
  char **args;
  int count;
  lb_task task;
  lb_pg *pg;  /* the URI's database, or the maintenance connection */
} call;

static void print_number(lb_pg *pg, const char *sql, lb_error *err)
{
  char *n = lb_pg_value(pg, err, sql, 0, NULL);
  if (n) puts(n);
  free(n);
}

static void empty(call *c, bool count_locks, lb_error *err)
{
  if (lb_pg_exec(c->pg, "BEGIN", err) || lb_pg_target_empty(c->pg, err)) return;
  if (!count_locks) {
    lb_pg_exec(c->pg, "COMMIT", err);
    return;
  }
  print_number(c->pg, "SELECT count(DISTINCT (locktype, database, relation, classid, objid, objsubid)) FROM pg_locks"
                      " WHERE pid = pg_backend_pid()", err);
  lb_pg_exec(c->pg, "ROLLBACK", err);
}

/* A database named args[0] with the properties of the URI's. */
static void copy(call *c, bool scratch, lb_error *err)
{
  lb_pg_properties p = { 0 };
  char *fresh = NULL;
  lb_pg *maintenance = lb_pg_maintenance_open(c->uri, &c->task, err);
  if (!maintenance || lb_pg_properties_read(c->pg, &p, err)) goto done;
  if (!scratch) {
    if (!lb_pg_database_create(maintenance, c->args[0], &p, err)) {
      lb_pg_database_dress(maintenance, c->args[0], &p, false, err);
    }
    goto done;
  }
  lb_pg_close(c->pg);
  c->pg = NULL;
  if (!lb_pg_scratch_create(maintenance, "restore", &p, &fresh, err) &&
      !lb_pg_database_dress(maintenance, fresh, &p, false, err)) {
    lb_pg_database_swap(maintenance, c->args[1], fresh, c->args[0], false, err);
  }
done:
  free(fresh);
  lb_pg_properties_free(&p);
  lb_pg_close(maintenance);
}

static void content(call *c, lb_error *err)
{
  int64_t objects = 0;
  lb_buf lines = { 0 };
  c->pg = lb_pg_open(c->uri, &c->task, err);
  if (!c->pg) return;
  if (!strcmp(c->command, "count") && !lb_pg_target_count(c->pg, &objects, err)) printf("%" PRId64 "\n", objects);
  if (!strcmp(c->command, "fits")) lb_pg_target_fits_one_transaction(c->pg, strtoull(c->args[0], NULL, 10), err);
  if (!strcmp(c->command, "replication")) lb_pg_replication_notes(c->pg, c->pg->database, c->count > 0, &lines, err);
  if (!strcmp(c->command, "empty")) empty(c, false, err);
  if (!strcmp(c->command, "locks")) empty(c, true, err);
  if (!strcmp(c->command, "copy")) copy(c, false, err);
  if (!strcmp(c->command, "recreate")) copy(c, true, err);
  if (lines.data) fputs(lines.data, stdout);
  lb_buf_free(&lines);
}

static void scratch(call *c, lb_error *err)
{
  char *name = NULL;
  if (lb_pg_scratch_create(c->pg, c->args[0], NULL, &name, err)) return;
  puts(name);
  fflush(stdout);
  free(name);
  while (c->count > 1) sleep(1);
}

static void databases(call *c, lb_error *err)
{
  c->pg = lb_pg_maintenance_open(c->uri, &c->task, err);
  if (!c->pg) return;
  if (!strcmp(c->command, "swap")) {
    lb_pg_database_swap(c->pg, c->args[0], c->args[1], c->args[2], c->count > 3, err);
  }
  if (!strcmp(c->command, "drop")) lb_pg_database_drop(c->pg, c->args[0], err);
  if (!strcmp(c->command, "scratch")) scratch(c, err);
  if (!strcmp(c->command, "sweep")) lb_pg_scratch_sweep(c->pg);
  if (!strcmp(c->command, "where")) puts(c->pg->database);
}

int main(int argc, char **argv)
{
  if (argc < 3) return run_units();
  call c = { .uri = argv[1], .command = argv[2], .args = argv + 3, .count = argc - 3 };
  lb_error err = LB_ERROR_INIT;
  const char *const whole[] = { "swap", "drop", "scratch", "sweep", "where" };
  bool over_maintenance = false;
  for (size_t i = 0; i < sizeof whole / sizeof *whole; i++) over_maintenance |= !strcmp(c.command, whole[i]);
  if (over_maintenance) databases(&c, &err);
  else content(&c, &err);
  lb_pg_close(c.pg);
  if (err.code) printf("error %d: %s\n", err.code, err.message);
  return err.code != LB_OK;
}

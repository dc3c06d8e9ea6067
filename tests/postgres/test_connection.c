/* Connections. Without LB_TEST_PG_URI: what needs no server. With it (connection.bats starts a server that asks for a
** password, and runs this): the rest, pg_dump over such a connection included.
*/
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/config.h"
#include "postgres/connection.h"
#include "postgres/environment.h"
#include "postgres/program.h"
#include "postgres/snapshot.h"
#include "postgres/tools.h"
#include "private.h"

/* ---- without a server ---- */

static void expect_scrubbed(const char *url, const char *shown)
{
  lb_error err = LB_ERROR_INIT;
  char *got = lb_config_scrub_url(url, &err);
  assert_string_equal(got, shown);
  free(got);
}

static void test_scrubbed(void **state)
{
  (void)state;
  expect_scrubbed("postgresql://u:secret@db:5432/x", "postgresql://u@db:5432/x");
  expect_scrubbed("postgresql://u:se@cret@db/x", "postgresql://u@db/x");
  expect_scrubbed("postgresql://u:se?cret@db/x", "postgresql://u@db/x");
  expect_scrubbed("postgresql://u:se?a=cret@db/x", "postgresql://u@db/x");
  expect_scrubbed("postgresql://u:se#cret@db/x", "postgresql://u@db/x");
  expect_scrubbed("postgresql://u:se/cret@db/x", "postgresql://u@db/x");
  expect_scrubbed("postgresql://u:pw@db/x?user=a@b", "postgresql://u@db/x?user=a@b");
  expect_scrubbed("postgresql://db:5432/x?user=a@b", "postgresql://db:5432/x?user=a@b");
  expect_scrubbed("postgresql://[::1]:5432,b:1/x", "postgresql://[::1]:5432,b:1/x");
  expect_scrubbed("postgresql:///x?password=a&host=/tmp", "postgresql:///x?host=/tmp");
  expect_scrubbed("postgresql:///x?pass%77ord=a&sslpassword=b", "postgresql:///x");
  expect_scrubbed("postgresql:///x?host=/tmp&password=a&port=1", "postgresql:///x?host=/tmp&port=1");
  expect_scrubbed("/srv/app.db", "/srv/app.db");
}

static void expect_source(const char *uri, const char *source)
{
  lb_error err = LB_ERROR_INIT;
  char *got = lb_pg_source_of_uri(uri, &err);
  if (!got) fail_msg("%s: %s", uri, err.message);
  assert_string_equal(got, source);
  free(got);
}

static void clear_environment(void)
{
  static const char *const names[] = { "PGHOST", "PGHOSTADDR", "PGPORT", "PGDATABASE", "PGUSER", "PGSERVICE",
                                       "PGSERVICEFILE", "PGPASSWORD", "PGPASSFILE" };
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) unsetenv(names[i]);
}

static void test_source(void **state)
{
  (void)state;
  clear_environment();
  expect_source("postgresql://u:pw@DB.example/app", "postgresql://db.example/app");
  expect_source("postgres://other@db.example:5432/app?sslmode=require", "postgresql://db.example/app");
  expect_source("postgresql://db:5433/a%20b%2Fc", "postgresql://db:5433/a%20b%2Fc");
  expect_source("postgresql://who@db", "postgresql://db/who");
  expect_source("postgresql://a,b:5433/x", "postgresql://a,b:5433/x");
  expect_source("postgresql://[::1]:5433/x", "postgresql://[::1]:5433/x");
  expect_source("postgresql:///x?host=/tmp/s/&user=u", "postgresql:///x?host=/tmp/s&port=5432");
  expect_source("postgresql://%2Ftmp%2Fs:7/x", "postgresql:///x?host=/tmp/s&port=7");
  setenv("PGHOST", "envhost", 1);
  setenv("PGPORT", "7", 1);
  expect_source("postgresql:///x", "postgresql://envhost:7/x");
  unsetenv("PGHOST");
  unsetenv("PGPORT");
  char path[80];
  snprintf(path, sizeof path, "%s/service", folder);
  FILE *f = fopen(path, "w");
  fputs("[here]\nhost=svc\nport=99\ndbname=served\npassword=pw\n", f);
  fclose(f);
  setenv("PGSERVICEFILE", path, 1);
  expect_source("postgresql:///?service=here", "postgresql://svc:99/served");
  unsetenv("PGSERVICEFILE");
}

static void test_bad_uris(void **state)
{
  (void)state;
  static const char *const uris[] = {
    "host=db password=sEcret", "postgresql://u:sEcret@x@db/app", "postgresql://u:pa/sEcret@db/app",
    "postgresql://u:sEcret/x", "postgresql://u:sEcr%zzet@db/app", "postgresql://u@db/x?sEcret", "mysql://u:sEcret@db/x",
    "postgresql://u:1/sEcret@db/app", "postgresql://h:99999/sEcret", "postgresql://h/x?pasword=sEcret",
  };
  for (size_t i = 0; i < sizeof uris / sizeof uris[0]; i++) {
    lb_error err = LB_ERROR_INIT;
    assert_null(lb_pg_open(uris[i], &task, &err));
    if (err.code != LB_MISUSE) fail_msg("%s: %d %s", uris[i], err.code, err.message);
    if (strstr(err.message, "sEcr") || strstr(err.message, "ecret")) fail_msg("shown: %s", err.message);
  }
}

static void test_nobody_there(void **state)
{
  (void)state;
  lb_error err = LB_ERROR_INIT;
  char uri[160];
  snprintf(uri, sizeof uri, "postgresql://u:pw@/x?host=%s&port=7", folder);
  assert_null(lb_pg_open(uri, &task, &err));
  assert_int_equal(err.code, LB_BUSY);
  assert_non_null(strstr(err.message, "No such file or directory"));
  assert_non_null(strstr(err.message, "is the server up"));
  lb_error_clear(&err);
  assert_null(lb_pg_open("postgresql://127.0.0.1:1/x", &task, &err));
  assert_int_equal(err.code, LB_BUSY);
  assert_non_null(strstr(err.message, "Connection refused"));
}

/* Somebody listens, but never answers. */
static void test_silent_server(void **state)
{
  (void)state;
  lb_error err = LB_ERROR_INIT;
  struct sockaddr_un address = { .sun_family = AF_UNIX };
  char uri[160];
  snprintf(address.sun_path, sizeof address.sun_path, "%s/.s.PGSQL.8", folder);
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
  assert_int_equal(listen(fd, 5), 0);
  snprintf(uri, sizeof uri, "postgresql://u:pw@/x?host=%s&port=8&connect_timeout=1", folder);
  interrupt_at = lb_clock_monotonic() + 0.15;
  assert_null(lb_pg_open(uri, &task, &err));
  interrupt_at = 0;
  assert_int_equal(err.code, LB_INTERRUPT);
  lb_error_clear(&err);
  assert_null(lb_pg_open(uri, &task, &err));
  assert_int_equal(err.code, LB_BUSY);
  assert_non_null(strstr(err.message, "no answer within 1 s"));
  close(fd);
  unlink(address.sun_path);
}

/* What a server says that turns everybody away, in a language that nobody here knows. */
typedef struct refusing {
  int listening;
  const char *state;
} refusing;

static void *refuse_one(void *arg)
{
  const refusing *r = arg;
  unsigned char head[4], rest[512];
  char said[300];
  int fd = accept(r->listening, NULL, NULL);
  if (fd < 0 || recv(fd, head, 4, MSG_WAITALL) != 4) return NULL;
  size_t left = ((size_t)head[2] << 8 | head[3]) - 4;
  if (left > sizeof rest || recv(fd, rest, left, MSG_WAITALL) != (ssize_t)left) return NULL;
  int n = snprintf(said, sizeof said, "SFEHLER%cVFATAL%cC%s%cMgeht: nicht%cDdarum%cFpostmaster.c%cL27%cRf%c", 0, 0, r->state,
                   0, 0, 0, 0, 0, 0);
  unsigned char message[310] = { 'E', 0, 0, (unsigned char)((n + 5) >> 8), (unsigned char)(n + 5) };
  memcpy(message + 5, said, (size_t)n);
  (void)!write(fd, message, (size_t)n + 6);
  close(fd);
  return NULL;
}

static void test_refused_in_another_language(void **state)
{
  (void)state;
  static const struct { const char *state; int code; const char *hint; } known[] = {
    { "3D000", LB_NOTFOUND, "pass {\"create\":true}" }, { "53300", LB_BUSY, "lower \"jobs\"" },
    { "57P03", LB_BUSY, "try again" }, { "28P01", LB_PERM, "check user name" }, { "28000", LB_PERM, "pg_hba.conf" },
    { "42501", LB_PERM, NULL }, { "55000", LB_PERM, NULL }, { "XX000", LB_ERROR, NULL },
  };
  struct sockaddr_un address = { .sun_family = AF_UNIX };
  char uri[160];
  snprintf(address.sun_path, sizeof address.sun_path, "%s/.s.PGSQL.9", folder);
  snprintf(uri, sizeof uri, "postgresql://u:pw@/x?host=%s&port=9", folder);
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
  assert_int_equal(listen(fd, 5), 0);
  for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
    lb_error err = LB_ERROR_INIT;
    pthread_t thread;
    refusing r = { fd, known[i].state };
    assert_int_equal(pthread_create(&thread, NULL, refuse_one, &r), 0);
    assert_null(lb_pg_open(uri, &task, &err));
    pthread_join(thread, NULL);
    assert_int_equal(err.code, known[i].code);
    assert_non_null(strstr(err.message, ":  geht: nicht; D"));   /* detail: libpq's word for it */
    if (known[i].hint) assert_non_null(strstr(err.message, known[i].hint));
    assert_null(strstr(err.message, known[i].state));
    assert_null(strstr(err.message, "postmaster.c"));
  }
  close(fd);
  unlink(address.sun_path);
}

/* ---- with a server ---- */

static const char *server_uri;

static lb_pg *connected(void)
{
  lb_error err = LB_ERROR_INIT;
  lb_pg *pg = lb_pg_open(server_uri, &task, &err);
  if (!pg) fail_msg("%s", err.message);
  return pg;
}

static void test_open(void **state)
{
  (void)state;
  lb_error err = LB_ERROR_INIT;
  lb_pg *pg = connected();
  char *source = lb_pg_source_of_uri(server_uri, &err);
  assert_string_equal(pg->source, source);
  assert_null(strstr(pg->source, getenv("LB_TEST_PG_PASSWORD")));
  assert_string_equal(pg->encoding, "UTF8");
  assert_string_equal(pg->database, "postgres");
  assert_false(pg->standby);
  char *app = lb_pg_value(pg, &err, "SHOW application_name", 0, NULL);
  assert_string_equal(app, "lifeboat");
  lb_pg *again = lb_pg_open_again(pg, "template1", &err);
  assert_non_null(again);
  assert_string_equal(again->database, "template1");
  assert_string_not_equal(again->source, pg->source);
  lb_pg *third = lb_pg_open_again(again, NULL, &err);
  assert_string_equal(third->database, "template1");
  assert_string_equal(third->source, again->source);
  lb_pg_close(third);
  lb_pg_close(again);
  assert_null(lb_pg_open_again(pg, "no such = db", &err));
  assert_int_equal(err.code, LB_NOTFOUND);
  assert_non_null(strstr(err.message, "\"create\":true"));
  free(app);
  free(source);
  lb_pg_close(pg);
}

static void test_refused(void **state)
{
  (void)state;
  lb_error err = LB_ERROR_INIT;
  char *bare = lb_config_scrub_url(server_uri, &err);
  setenv("PGPASSFILE", "/nonexistent", 1);
  assert_null(lb_pg_open(bare, &task, &err));
  assert_int_equal(err.code, LB_PERM);
  assert_non_null(strstr(err.message, "set PGPASSWORD"));
  lb_error_clear(&err);
  setenv("PGPASSWORD", "wrongSecret", 1);
  assert_null(lb_pg_open(bare, &task, &err));
  assert_int_equal(err.code, LB_PERM);
  assert_null(strstr(err.message, "wrongSecret"));
  unsetenv("PGPASSWORD");
  free(bare);
}

static void expect_code(lb_pg *pg, const char *sql, int code, const char *words)
{
  lb_error err = LB_ERROR_INIT;
  assert_int_equal(lb_pg_exec(pg, sql, &err), code);
  if (!strstr(err.message, words)) fail_msg("%s", err.message);
}

static void test_statements(void **state)
{
  (void)state;
  lb_error err = LB_ERROR_INIT;
  lb_pg *pg = connected();
  const char *params[] = { "12", NULL };
  char *value = lb_pg_value(pg, &err, "SELECT $1::int + 30 WHERE $2 IS NULL", 2, params);
  assert_string_equal(value, "42");
  free(value);
  assert_null(lb_pg_value(pg, &err, "SELECT NULL", 0, NULL));
  assert_null(lb_pg_value(pg, &err, "SELECT 1 WHERE false", 0, NULL));
  assert_int_equal(err.code, LB_OK);
  assert_int_equal(lb_pg_exec(pg, "DO $$ BEGIN RAISE NOTICE 'unheard'; END $$; SELECT 1", &err), LB_OK);
  assert_int_equal(lb_pg_execf(pg, &err, "CREATE TEMP TABLE %s(i int)", "t"), LB_OK);
  expect_code(pg, "SELECT 1; SELECT nonsense; SELECT 2", LB_REFUSED, "column \"nonsense\" does not exist");
  expect_code(pg, "DO $$ BEGIN RAISE 'a' USING errcode='53100', detail='b', hint='c'; END $$", LB_FULL,
              "a; detail: b; hint: c");
  expect_code(pg, "DO $$ BEGIN RAISE 'a' USING errcode='55P03'; END $$", LB_BUSY, "a");
  expect_code(pg, "DO $$ BEGIN RAISE 'a' USING errcode='42501'; END $$", LB_PERM, "a");
  expect_code(pg, "DO $$ BEGIN RAISE 'a' USING errcode='23514'; END $$", LB_REFUSED, "a");
  expect_code(pg, "DO $$ BEGIN RAISE 'a' USING errcode='53200'; END $$", LB_ERROR, "a");
  expect_code(pg, "GRANT nobody_there TO postgres", LB_ERROR, "does not exist");  /* a role: the server lacks it */
  expect_code(pg, "CREATE DATABASE postgres", LB_EXISTS, "exists");
  expect_code(pg, "COPY (SELECT generate_series(1, 100000)) TO STDOUT", LB_ERROR, "COPY");
  expect_code(pg, "COPY t FROM STDIN", LB_ERROR, "COPY");
  expect_code(pg, "SELECT 1", LB_OK, "");  /* still usable */
  assert_int_equal(lb_pg_exec(pg, "BEGIN", &err), LB_OK);
  assert_int_equal(lb_pg_fix_settings(pg, 1500, &err), LB_OK);
  value = lb_pg_value(pg, &err, "SELECT current_setting('lock_timeout') || current_setting('search_path') ||"
                      " current_setting('row_security') || current_setting('extra_float_digits')", 0, NULL);
  assert_string_equal(value, "1500msoff3");
  free(value);
  expect_code(pg, "ROLLBACK; SELECT pg_terminate_backend(pg_backend_pid())", LB_IO, "terminating connection");
  lb_pg_close(pg);
}

/* A session that is ended between two statements: the server's words come with the next one. */
static void test_farewell(void **state)
{
  (void)state;
  lb_error err = LB_ERROR_INIT;
  lb_pg *pg = connected(), *other = connected();
  assert_int_equal(lb_pg_execf(other, &err, "SELECT pg_terminate_backend(%d)", PQbackendPID(pg->conn)), LB_OK);
  for (int i = 0; i < 50 && PQstatus(pg->conn) != CONNECTION_BAD; i++) {
    lb_pg_wait(pg, false, &err);
    PQconsumeInput(pg->conn);
    PQisBusy(pg->conn);
  }
  assert_int_equal(PQstatus(pg->conn), CONNECTION_BAD);
  expect_code(pg, "SELECT 1", LB_IO, "sending a statement: terminating connection due to administrator command");
  lb_pg_close(other);
  lb_pg_close(pg);
}

/* A leader that is ended takes its snapshot with it: its end is told, not that a second connection finds none. */
static void test_lost_leader(void **state)
{
  (void)state;
  lb_error err = LB_ERROR_INIT;
  lb_buf notes = { 0 };
  lb_pg_snapshot snapshot;
  lb_pg *pg = connected(), *other = connected();
  assert_int_equal(lb_pg_snapshot_take(pg, 0, &snapshot, &err), LB_OK);
  assert_int_equal(lb_pg_snapshot_widen(&snapshot, 2, &notes, &err), LB_OK);
  assert_int_equal(lb_pg_execf(other, &err, "SELECT pg_terminate_backend(%d, 5000)", PQbackendPID(pg->conn)), LB_OK);
  assert_int_equal(lb_pg_snapshot_widen(&snapshot, 3, &notes, &err), LB_IO);
  if (!strstr(err.message, "terminating connection")) fail_msg("%s", err.message);
  lb_pg_snapshot_end(&snapshot);
  lb_pg_close(other);
  lb_pg_close(pg);
}

/* A statement longer than socket buffers, to a server that answers as long: neither may wait for the other. */
static void test_long(void **state)
{
  (void)state;
  lb_error err = LB_ERROR_INIT;
  lb_pg *pg = connected();
  size_t size = 8 << 20;
  char *text = malloc(size + 1);
  memset(text, 'x', size);
  text[size] = 0;
  const char *params[] = { text };
  char *back = lb_pg_value(pg, &err, "SELECT $1", 1, params);
  assert_int_equal(strlen(back), size);
  free(back);
  free(text);
  lb_pg_close(pg);
}

static void test_interrupt(void **state)
{
  (void)state;
  lb_error err = LB_ERROR_INIT;
  lb_pg *pg = connected(), *other = connected();
  double began = lb_clock_monotonic();
  interrupt_at = began + 0.15;
  assert_int_equal(lb_pg_exec(pg, "SELECT 'lifeboat sleeps', pg_sleep(60)", &err), LB_INTERRUPT);
  interrupt_at = 0;
  assert_true(lb_clock_monotonic() - began < 3);
  lb_error_clear(&err);
  char *left = lb_pg_value(other, &err, "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND"
                           " query LIKE 'SELECT ''lifeboat sleeps%'", 0, NULL);
  assert_string_equal(left, "0");
  free(left);
  assert_int_equal(lb_pg_exec(pg, "SELECT 1", &err), LB_OK);
  lb_pg_close(pg);
  lb_pg_close(other);
}

/* pg_dump itself: the password is in neither its arguments nor its environment, and yet it gets in. */
static void test_dump(void **state)
{
  (void)state;
  lb_error err = LB_ERROR_INIT;
  lb_pg *pg = connected();
  lb_pg_tools tools;
  lb_buf out = { 0 };
  char piece[4096], path[80];
  const char *password = getenv("LB_TEST_PG_PASSWORD");
  unsetenv("PG_BINDIR");
  assert_int_equal(lb_pg_tools_find(pg, &tools, &err), LB_OK);
  put_program("spy", "tr '\\0' '\\n' </proc/self/environ; tr '\\0' '\\n' </proc/$$/cmdline; exec \"$0.real\" \"$@\"");
  snprintf(path, sizeof path, "%s/spy.real", folder);
  assert_int_equal(symlink(tools.dump, path), 0);
  snprintf(path, sizeof path, "%s/spy", folder);
  const char *argv[] = { path, "--schema-only", NULL };
  lb_pg_program *program = lb_pg_program_start(pg, argv, &err);
  size_t got = program ? 1 : 0;
  while (got > 0 && lb_pg_program_read(program, piece, sizeof piece, true, &got, NULL, &err) == LB_OK) {
    lb_buf_append(&out, piece, got);
  }
  if (err.code || lb_pg_program_finish(program, &err)) fail_msg("%s", err.message);
  lb_pg_program_close(program);
  assert_non_null(strstr(out.data, "PGPASSFILE=/proc/self/fd/9"));
  assert_non_null(strstr(out.data, "PGDATABASE=postgres"));
  assert_null(strstr(out.data, password));
  assert_non_null(strstr(out.data, "SET row_security = off"));
  lb_buf_free(&out);

  const char *wrong[] = { tools.dump, "--table=nowhere", NULL };
  program = lb_pg_program_start(pg, wrong, &err);
  do lb_pg_program_read(program, piece, sizeof piece, true, &got, NULL, &err); while (got > 0);
  assert_int_equal(lb_pg_program_finish(program, &err), LB_ERROR);
  assert_non_null(strstr(err.message, "no matching tables were found"));
  lb_pg_program_close(program);
  lb_pg_tools_free(&tools);
  lb_pg_close(pg);
}

/* ---- all ---- */

int main(void)
{
  const struct CMUnitTest alone[] = {
    cmocka_unit_test(test_scrubbed), cmocka_unit_test(test_source), cmocka_unit_test(test_bad_uris),
    cmocka_unit_test(test_nobody_there), cmocka_unit_test(test_silent_server),
    cmocka_unit_test(test_refused_in_another_language),
  };
  const struct CMUnitTest served[] = {
    cmocka_unit_test(test_open), cmocka_unit_test(test_refused), cmocka_unit_test(test_statements),
    cmocka_unit_test(test_farewell), cmocka_unit_test(test_lost_leader), cmocka_unit_test(test_long),
    cmocka_unit_test(test_interrupt), cmocka_unit_test(test_dump),
  };
  server_uri = getenv("LB_TEST_PG_URI");
  if (!server_uri) return cmocka_run_group_tests_name("connection", alone, make_folder, remove_folder);
  return cmocka_run_group_tests_name("connection, served", served, make_folder, remove_folder);
}

/* Child programs, and which pg_dump is found: with programs of its own that play pg_dump. Over a connection they are run
** in test_connection.c.
*/
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <fcntl.h>
#include <signal.h>
#include <string.h>

#include "postgres/environment.h"
#include "postgres/program.h"
#include "postgres/tools.h"
#include "private.h"

static void test_tools(void **state)
{
  (void)state;
  lb_error err = LB_ERROR_INIT;
  lb_pg_tools tools;
  lb_pg pg = { .task = &task, .version = 180001, .version_text = "18.1", .label = "database" };
  unsetenv("PG_BINDIR");
  assert_int_equal(lb_pg_tools_find(NULL, &tools, &err), LB_OK);
  assert_in_range(tools.version, 10, 99);
  assert_int_equal(access(tools.dumpall, X_OK), 0);
  lb_pg_tools_free(&tools);
  put_program("pg_dump", "echo 'pg_dump (PostgreSQL) 9.6.1'");
  assert_int_equal(lb_pg_tools_find(&pg, &tools, &err), LB_UNSUPPORTED);
  assert_non_null(strstr(err.message, "9.6.1, older than the server (18.1)"));
  assert_non_null(strstr(err.message, "postgresql-client-18"));
  assert_non_null(strstr(err.message, folder));
  lb_error_clear(&err);
  put_program("pg_dump", "echo 'pg_dump (PostgreSQL) 18beta1 (Debian x)'");
  assert_int_equal(lb_pg_tools_find(&pg, &tools, &err), LB_OK);
  assert_int_equal(tools.version, 18);
  assert_string_equal(tools.version_text, "18beta1");
  lb_pg_tools_free(&tools);
  put_program("pg_dump", "echo nonsense");
  assert_int_equal(lb_pg_tools_find(&pg, &tools, &err), LB_UNSUPPORTED);
  assert_non_null(strstr(err.message, "does not say its version"));
  lb_error_clear(&err);
  setenv("PG_BINDIR", "/nonexistent", 1);
  assert_int_equal(lb_pg_tools_find(&pg, &tools, &err), LB_UNSUPPORTED);
  assert_non_null(strstr(err.message, "PG_BINDIR=/nonexistent"));
  unsetenv("PG_BINDIR");
}

/* All of a program's output, then its end. */
static int run_script(const char *script, const char *password, bool is_dump, lb_buf *out, lb_error *err)
{
  put_program("play", script);
  char path[80], piece[512];
  snprintf(path, sizeof path, "%s/play", folder);
  const char *argv[] = { path, NULL };
  char **environment = lb_pg_environment_base(0, err);
  lb_pg_program *program = lb_pg_program_run(&task, argv, environment, password, is_dump, err);
  size_t got = program ? 1 : 0;
  while (got > 0 && lb_pg_program_read(program, piece, sizeof piece, true, &got, NULL, err) == LB_OK) {
    lb_buf_append(out, piece, got);
  }
  if (!err->code) lb_pg_program_finish(program, err);
  lb_pg_program_close(program);
  lb_pg_environment_free(environment);
  return err->code;
}

#define COMPLETE "echo '--'; echo '-- PostgreSQL database dump complete'; echo '--'; echo"

static void test_completion(void **state)
{
  (void)state;
  lb_error err = LB_ERROR_INIT;
  lb_buf out = { 0 };
  assert_int_equal(run_script(COMPLETE, NULL, true, &out, &err), LB_OK);
  assert_int_equal(run_script(COMPLETE "; echo '\\unrestrict abc'; echo", NULL, true, &out, &err), LB_OK);
  assert_int_equal(run_script("yes padding | head -c 100000; " COMPLETE, NULL, true, &out, &err), LB_OK);
  assert_int_equal(run_script(COMPLETE "; echo more", NULL, true, &out, &err), LB_ERROR);
  assert_non_null(strstr(err.message, "play failed (its output is not complete)"));
  lb_error_clear(&err);
  assert_int_equal(run_script(COMPLETE "; exit 3", NULL, true, &out, &err), LB_ERROR);
  assert_non_null(strstr(err.message, "exit status 3"));
  lb_error_clear(&err);
  assert_int_equal(run_script(COMPLETE "; kill -9 $$", NULL, true, &out, &err), LB_ERROR);
  assert_non_null(strstr(err.message, "signal 9"));
  lb_error_clear(&err);
  /* More on standard error than a pipe holds, before any output: nobody waits for the other; the last words come out. */
  assert_int_equal(run_script("yes noise | head -c 3000000 >&2; echo last words >&2; exit 1", NULL, true, &out, &err),
                   LB_ERROR);
  assert_non_null(strstr(err.message, "last words"));
  assert_in_range(strlen(err.message), 1000, 3600);
  lb_buf_free(&out);
}

static void test_ignored_sigchld(void **state)
{
  (void)state;
  lb_error err = LB_ERROR_INIT;
  lb_buf out = { 0 };
  signal(SIGCHLD, SIG_IGN);
  assert_int_equal(run_script(COMPLETE, NULL, true, &out, &err), LB_OK);
  assert_int_equal(run_script("echo half; echo words >&2", NULL, true, &out, &err), LB_ERROR);
  assert_non_null(strstr(err.message, "words"));
  lb_error_clear(&err);
  assert_int_equal(run_script(COMPLETE "; printf '\\\\unrestrict abc'", NULL, true, &out, &err), LB_ERROR);
  assert_non_null(strstr(err.message, "its output is not complete"));
  signal(SIGCHLD, SIG_DFL);
  lb_buf_free(&out);
}

static void test_descriptors(void **state)
{
  (void)state;
  lb_error err = LB_ERROR_INIT;
  lb_buf out = { 0 };
  int leak = open("/dev/null", O_RDONLY), high = fcntl(leak, F_DUPFD, 50), low = fcntl(leak, F_DUPFD, 9);
  signal(SIGUSR1, SIG_IGN);
  /* The shell itself has its script open as 10. */
  assert_int_equal(run_script("cd /proc/$$/fd; for f in *; do [ $f = 10 ] || [ ! -e $f ] || printf '%s ' $f; done;"
                              " echo; stat -Lc %a 9; cat 9; grep SigIgn /proc/self/status",
                              "p:\\w", false, &out, &err), LB_OK);
  signal(SIGUSR1, SIG_DFL);
  close(leak);
  close(high);
  close(low);
  assert_non_null(out.data);
  assert_non_null(strstr(out.data, "0 1 2 9 \n"));
  assert_non_null(strstr(out.data, "600\n*:*:*:*:p\\:\\\\w\n"));
  /* glibc ignores two signals of its own in a child, 32 and 33. */
  const char *ignored = strstr(out.data, "SigIgn:");
  assert_non_null(ignored);
  assert_int_equal(strtoull(ignored + 7, NULL, 16) & 0x7fffffff, 0);
  lb_buf_free(&out);
  lb_buf none = { 0 };
  assert_int_equal(run_script("ls -l /proc/self/fd/9", NULL, false, &none, &err), LB_ERROR);
  lb_error_clear(&err);
  assert_int_equal(run_script("true", "a\nb", false, &none, &err), LB_UNSUPPORTED);
  lb_buf_free(&none);
}

static void test_interrupted_program(void **state)
{
  (void)state;
  lb_error err = LB_ERROR_INIT;
  lb_buf out = { 0 };
  double began = lb_clock_monotonic();
  interrupt_at = began + 0.2;
  assert_int_equal(run_script("echo $$; exec sleep 60", NULL, true, &out, &err), LB_INTERRUPT);
  interrupt_at = 0;
  assert_true(lb_clock_monotonic() - began < 2);
  assert_int_equal(kill(atoi(out.data), 0), -1);
  lb_buf_free(&out);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_tools), cmocka_unit_test(test_completion), cmocka_unit_test(test_ignored_sigchld),
    cmocka_unit_test(test_descriptors), cmocka_unit_test(test_interrupted_program),
  };
  return cmocka_run_group_tests(tests, make_folder, remove_folder);
}

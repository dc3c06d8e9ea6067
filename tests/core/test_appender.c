/* Appending by a thread: what is in the file is what was put, wherever pieces end; failures arrive. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <signal.h>
#include <unistd.h>

#include "core/appender.h"
#include "core/file.h"
#include "core/thread.h"

#define MB ((size_t)1 << 20)

static char path[64];  /* of the one file; in the working folder, whose file system may take direct writes */

static int make_path(void **state)
{
  (void)state;
  strcpy(path, "appender.XXXXXX");
  int fd = mkstemp(path);
  return fd >= 0 && close(fd) == 0 ? 0 : -1;
}

static int remove_path(void **state)
{
  (void)state;
  return unlink(path);
}

static int open_anew(void)
{
  int fd = open(path, O_RDWR | O_TRUNC);
  assert_true(fd >= 0);
  return fd;
}

static void *no_thread(void *ctx)
{
  return ctx;
}

static void expect_content(const unsigned char *want, size_t n)
{
  lb_error err = LB_ERROR_INIT;
  int fd = open(path, O_RDONLY);
  unsigned char *got = malloc(n + 1);
  assert_int_equal(lseek(fd, 0, SEEK_END), n);
  assert_int_equal(lb_file_read(fd, got, n, 0, path, &err), LB_OK);
  assert_memory_equal(got, want, n);
  free(got);
  close(fd);
}

/* total bytes in portions of `portion`; the first `zeros` of them as none. */
static void append(size_t total, size_t portion, size_t zeros)
{
  lb_error err = LB_ERROR_INIT;
  int fd = open_anew();
  unsigned char *data = malloc(total + 1);
  for (size_t i = 0; i < total; i++) data[i] = i < zeros ? 0 : (unsigned char)(i * 7 + i / 251);
  lb_appender *a = lb_appender_open(fd, path, &err);
  assert_non_null(a);
  if (zeros) assert_int_equal(lb_appender_put(a, NULL, zeros, &err), LB_OK);
  for (size_t at = zeros; at < total; at += portion) {
    assert_int_equal(lb_appender_put(a, data + at, total - at < portion ? total - at : portion, &err), LB_OK);
  }
  assert_int_equal(lb_appender_end(a, &err), LB_OK);
  assert_false(lb_file_is_direct(fd));
  lb_appender_close(a);
  expect_content(data, total);
  free(data);
  close(fd);
}

static void test_content(void **state)
{
  static const size_t totals[] = { 0, 1, 4095, 4096, 4097, MB - 1, MB, MB + 1, 3 * MB, 7 * MB + 12345 };
  (void)state;
  for (size_t i = 0; i < sizeof totals / sizeof *totals; i++) {
    append(totals[i], 100003, 0);
    append(totals[i], 5 * MB, 0);
    if (totals[i] > 70000) append(totals[i], 300007, 70000);
  }
}

/* A limit that is not at a block: the write that meets it is done in part, and what is left cannot be aligned. */
static void expect_no_room(void)
{
  lb_error err = LB_ERROR_INIT;
  struct rlimit before, limit;
  signal(SIGXFSZ, SIG_IGN);
  assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
  limit = before;
  limit.rlim_cur = 2 * MB + 5000;
  int fd = open_anew();
  unsigned char *data = calloc(1, MB);
  assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
  lb_appender *a = lb_appender_open(fd, path, &err);
  assert_non_null(a);
  for (int i = 0; i < 20 && !err.code; i++) lb_appender_put(a, data, MB, &err);
  if (!err.code) lb_appender_end(a, &err);
  assert_int_not_equal(err.code, LB_OK);
  assert_non_null(strstr(err.message, path));
  lb_error again = LB_ERROR_INIT;
  assert_int_not_equal(lb_appender_end(a, &again), LB_OK);
  lb_appender_close(a);
  assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
  free(data);
  close(fd);
}

static void test_no_room(void **state)
{
  (void)state;
  expect_no_room();
}

/* With stacks that no memory holds there is no thread: the caller's writes, and tells of its failures as well. */
static void test_without_a_thread(void **state)
{
  pthread_attr_t before, none;
  (void)state;
  assert_int_equal(pthread_getattr_default_np(&before), 0);
  assert_int_equal(pthread_attr_init(&none), 0);
  assert_int_equal(pthread_attr_setstacksize(&none, (size_t)1 << 50), 0);
  assert_int_equal(pthread_setattr_default_np(&none), 0);
  pthread_t thread;
  assert_int_not_equal(lb_thread_start(&thread, no_thread, NULL), 0);
  append(3 * MB + 5, 100003, 0);
  expect_no_room();
  assert_int_equal(pthread_setattr_default_np(&before), 0);
  pthread_attr_destroy(&none);
  pthread_attr_destroy(&before);
}

static void test_closed_in_the_middle(void **state)
{
  lb_error err = LB_ERROR_INIT;
  unsigned char *data = calloc(1, MB + 5);
  (void)state;
  int fd = open_anew();
  lb_appender *a = lb_appender_open(fd, path, &err);
  assert_int_equal(lb_appender_put(a, data, MB + 5, &err), LB_OK);
  lb_appender_close(a);
  lb_appender_close(NULL);
  free(data);
  close(fd);
}

/* What cannot go past the page cache goes through it. */
static void test_unaligned(void **state)
{
  lb_error err = LB_ERROR_INIT;
  (void)state;
  int fd = open_anew();
  lb_file_set_direct(fd, true);
  assert_int_equal(lb_file_write(fd, "abc", 3, 0, path, &err), LB_OK);
  assert_int_equal(lb_file_write(fd, "def", 3, 3, path, &err), LB_OK);
  expect_content((const unsigned char *)"abcdef", 6);
  close(fd);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, make_path, remove_path)

int main(void)
{
  const struct CMUnitTest tests[] = {
    TEST(test_content), TEST(test_no_room), TEST(test_without_a_thread), TEST(test_closed_in_the_middle),
    TEST(test_unaligned),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

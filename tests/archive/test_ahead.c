/* Blocks in an order that the reader of them chooses, inflated ahead: the order, damage that waits for its turn, an end at
** any time, a child of fork(); and files of other tools from their front, in pieces.
*/
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "archive/ahead.h"
#include "archive/writer.h"
#include "core/file.h"

enum { BLOCKS = 40, BYTES = 3000 };

static lb_task task;

static void fill(unsigned char *block, unsigned number)
{
  for (unsigned i = 0; i < BYTES; i++) block[i] = (unsigned char)(i % 97 ? number * 7 + i % 13 : i);
}

static int new_file(void)
{
  char path[] = "/tmp/lb_ahead_XXXXXX";
  int fd = mkstemp(path);
  assert_true(fd >= 0);
  unlink(path);
  return fd;
}

static int write_file(void)
{
  lb_error err = LB_ERROR_INIT;
  lb_writer_figures f;
  int fd = new_file();
  lb_writer_options options = { lb_codec_at(0), 1, 1, 0, true };
  lb_writer *w = lb_writer_open(fd, "new", &options, &task, &err);
  for (unsigned i = 0; i < BLOCKS; i++) {
    lb_sink *sink = lb_writer_sink(w);
    unsigned char *block = sink->claim(sink, &err);
    fill(block, i);
    assert_int_equal(sink->submit(sink, BYTES, &err), LB_OK);
  }
  assert_int_equal(lb_writer_end_data(w, &f, &err), LB_OK);
  assert_int_equal(lb_writer_finish(w, "{}", "{}", &err), LB_OK);
  lb_writer_close(w);
  return fd;
}

/* Every third block, from the last on. */
typedef struct order { int next, asked; } order;
static bool plan(void *ctx, uint64_t *block)
{
  order *o = ctx;
  if (o->next < 0) return false;
  *block = (uint64_t)o->next;
  o->next -= 3;
  o->asked++;
  return true;
}

/* Reads blocks from `from` on, to the end or to a failure; returns the one that would be next. */
static int read_on(lb_ahead *a, int from, lb_error *err)
{
  unsigned char want[BYTES];
  const unsigned char *data;
  uint64_t block;
  size_t n;
  while (lb_ahead_read(a, &block, &data, &n, err) == LB_OK && n) {
    assert_int_equal(block, from);
    assert_int_equal(n, BYTES);
    fill(want, (unsigned)from);
    assert_memory_equal(data, want, BYTES);
    from -= 3;
  }
  return from;
}

static int threads_here(void)
{
  int count = -2;  /* . and .. */
  DIR *d = opendir("/proc/self/task");
  while (readdir(d)) count++;
  closedir(d);
  return count;
}

/* Whether there are so many: one that was joined is still listed for a moment. */
static bool threads_become(int want)
{
  for (int i = 0; i < 1000 && threads_here() != want; i++) usleep(1000);
  return threads_here() == want;
}

static void test_order(void **state)
{
  (void)state;
  lb_error err = LB_ERROR_INIT;
  int fd = write_file();
  lb_reader *r = lb_reader_open(fd, "x", &err);
  for (int threads = 0; threads < 4; threads++) {
    order o = { BLOCKS - 1, 0 };
    lb_ahead *a = lb_ahead_open(r, threads, plan, &o, &task, &err);
    assert_int_equal(read_on(a, BLOCKS - 1, &err), -3);
    assert_int_equal(err.code, LB_OK);
    assert_int_equal(o.asked, BLOCKS / 3 + 1);
    assert_int_equal(read_on(a, 0, &err), 0);  /* it stays at the end */
    lb_ahead_close(a);
  }
  lb_reader_close(r);
  close(fd);
}

/* Threads begin late, stay a bounded number of blocks ahead, and are gone when it is closed, wherever that is. */
static void test_bounds(void **state)
{
  (void)state;
  lb_error err = LB_ERROR_INIT;
  int fd = write_file(), before = threads_here();
  lb_reader *r = lb_reader_open(fd, "x", &err);
  for (int stop = 0; stop < 12; stop++) {
    order o = { BLOCKS - 1, 0 };
    const unsigned char *data;
    uint64_t block;
    size_t n;
    lb_ahead *a = lb_ahead_open(r, 2, plan, &o, &task, &err);
    for (int i = 0; i < stop; i++) assert_int_equal(lb_ahead_read(a, &block, &data, &n, &err), LB_OK);
    assert_true(o.asked <= stop + 6);
    if (stop <= 4) assert_true(o.asked == stop);
    assert_true(threads_become(stop <= 4 ? before : before + 2));
    lb_ahead_close(a);
    assert_true(threads_become(before));
  }
  lb_reader_close(r);
  close(fd);
}

static void test_damage(void **state)
{
  (void)state;
  lb_error err = LB_ERROR_INIT;
  int fd = write_file();
  lb_reader *r = lb_reader_open(fd, "x", &err);
  unsigned char file[BLOCKS * BYTES];
  uint64_t size = lb_reader_stored_bytes(r);
  assert_true(size < sizeof file);
  assert_int_equal(lb_file_read(fd, file, size, 0, "x", &err), LB_OK);
  lb_member member;
  uint64_t at = 0;
  for (int i = 0; i < 12; i++) {
    assert_true(lb_codec_at(0)->member_at(file + at, size - at, &member));
    at += member.stored_bytes;
  }
  assert_int_equal(lb_file_write(fd, "\xff\x00\xff", 3, (int64_t)at + 40, "x", &err), LB_OK);
  for (int threads = 0; threads < 3; threads++) {
    char want[80];
    order o = { BLOCKS - 1, 0 };
    lb_ahead *a = lb_ahead_open(r, threads, plan, &o, &task, &err);
    assert_int_equal(read_on(a, BLOCKS - 1, &err), 12);
    snprintf(want, sizeof want, "x: block 12 at byte %d: stored checksum does not match", (int)at);
    assert_string_equal(err.message, want);
    lb_ahead_close(a);
    lb_error_clear(&err);
  }
  lb_reader_close(r);
  close(fd);
}

static void test_fork(void **state)
{
  (void)state;
  lb_error err = LB_ERROR_INIT;
  int fd = write_file(), status;
  lb_reader *r = lb_reader_open(fd, "x", &err);
  order o = { BLOCKS - 1, 0 };
  const unsigned char *data;
  uint64_t block;
  size_t n;
  lb_ahead *a = lb_ahead_open(r, 2, plan, &o, &task, &err);
  for (int i = 0; i < 6; i++) assert_int_equal(lb_ahead_read(a, &block, &data, &n, &err), LB_OK);
  pid_t child = fork();
  if (child == 0) {
    alarm(20);
    int end = read_on(a, BLOCKS - 1 - 18, &err);
    lb_ahead_close(a);
    _exit(end == -3 && err.code == LB_OK ? 0 : 1);
  }
  assert_int_equal(read_on(a, BLOCKS - 1 - 18, &err), -3);
  lb_ahead_close(a);
  assert_int_equal(waitpid(child, &status, 0), child);
  assert_int_equal(status, 0);
  lb_reader_close(r);
  close(fd);
}

/* ---- from the front ---- */

static void expect_front(int fd, const char *name, size_t bytes, const char *message)
{
  lb_error err = LB_ERROR_INIT;
  const unsigned char *data;
  size_t n = 1, total = 0;
  lb_reader *r = lb_reader_open(fd, name, &err);
  assert_non_null(r);
  lb_front *front = lb_front_open(r, &task, &err);
  while (n && lb_front_read(front, &data, &n, &err) == LB_OK) {
    for (size_t i = 0; i < n; i++) assert_int_equal(data[i], (total + i) / 1000 % 251);
    total += n;
  }
  assert_string_equal(err.message, message);
  assert_int_equal(total, bytes);
  lb_front_close(front);
  lb_reader_close(r);
}

static void test_front(void **state)
{
  (void)state;
  enum { LENGTH = 1000000 };
  char command[200];
  int plain = new_file(), packed = new_file();
  unsigned char *content = malloc(LENGTH);
  lb_error err = LB_ERROR_INIT;
  for (int i = 0; i < LENGTH; i++) content[i] = (unsigned char)(i / 1000 % 251);
  assert_int_equal(lb_file_write(plain, content, LENGTH, 0, "x", &err), LB_OK);
  snprintf(command, sizeof command, "gzip -c </proc/%d/fd/%d >/proc/%d/fd/%d", (int)getpid(), plain, (int)getpid(), packed);
  assert_int_equal(system(command), 0);
  expect_front(plain, "x.sql", LENGTH, "");
  expect_front(packed, "x.sql.gz", LENGTH, "");
  off_t size = lseek(packed, 0, SEEK_END);
  assert_int_equal(ftruncate(packed, size - 4), 0);
  expect_front(packed, "x.sql.gz", LENGTH, "x.sql.gz: truncated: the gzip data goes on after the file's end");
  assert_int_equal(ftruncate(plain, 0), 0);
  expect_front(plain, "x.sql", 0, "");
  free(content);
  close(plain);
  close(packed);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_order), cmocka_unit_test(test_bounds), cmocka_unit_test(test_damage),
    cmocka_unit_test(test_fork), cmocka_unit_test(test_front),
  };
  lb_task_begin(&task, "test", "ahead");
  int failed = cmocka_run_group_tests(tests, NULL, NULL);
  lb_task_end(&task);
  return failed;
}

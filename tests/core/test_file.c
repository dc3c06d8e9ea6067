/* Files: paths, exact reads, partials (made, published, swept), locks, space. */
#include "catalog/folder.h"

#include <sys/file.h>

#include "core/file.h"

static int count_files(void)
{
  DIR *d = opendir(folder);
  int n = -2; /* . and .. */
  while (readdir(d)) n++;
  closedir(d);
  return n;
}

static void test_paths(void **state)
{
  (void)state;
  lb_error err = LB_ERROR_INIT;
  static const struct { const char *path, *dir, *base; } cases[] = {
    { "a", ".", "a" }, { "/a", "/", "a" }, { "/a/b", "/a", "b" }, { "a/b/", "a/b", "" },
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    char *dir = lb_path_dir(cases[i].path, &err);
    assert_string_equal(dir, cases[i].dir);
    assert_string_equal(lb_path_base(cases[i].path), cases[i].base);
    free(dir);
  }
  char *joined = lb_path_join("/a/", "b", &err);
  assert_string_equal(joined, "/a/b");
  free(joined);
  assert_int_equal(symlink(folder, in_folder("link")), 0);
  char *whole = lb_path_absolute(in_folder("link/missing"), &err);
  assert_string_equal(whole, in_folder("missing"));
  free(whole);
  assert_null(lb_path_absolute(in_folder("no/such"), &err));
  assert_int_equal(err.code, LB_NOTFOUND);
}

static void test_read_and_slurp(void **state)
{
  (void)state;
  lb_error err = LB_ERROR_INIT;
  char data[4] = "";
  put_file("f", "12345", 5);
  int fd = open(in_folder("f"), O_RDONLY);
  assert_int_equal(lb_file_read(fd, data, 3, 1, "f", &err), LB_OK);
  assert_memory_equal(data, "234", 3);
  assert_int_equal(lb_file_read(fd, data, 3, 3, "f", &err), LB_CORRUPT);
  assert_string_equal(err.message, "f: truncated at byte 5");
  lb_error_clear(&err);
  assert_int_equal(lb_file_write(fd, "x", 1, 0, "f", &err), LB_IO); /* it is open for reading only */
  close(fd);
  lb_error_clear(&err);
  char *text = lb_file_slurp(in_folder("f"), 5, &err);
  assert_string_equal(text, "12345");
  free(text);
  assert_null(lb_file_slurp(in_folder("f"), 4, &err));
  lb_error_clear(&err);
  assert_null(lb_file_slurp(folder, 4096, &err));
  lb_error_clear(&err);
  assert_int_equal(symlink("f", in_folder("link")), 0);
  assert_null(lb_file_slurp(in_folder("link"), 5, &err));
}

static void test_publish(void **state)
{
  (void)state;
  lb_error err = LB_ERROR_INIT;
  lb_partial partial = LB_PARTIAL_INIT;
  struct stat st;
  put_file("taken", "old", 3);
  assert_int_equal(lb_partial_create(&partial, folder, "new", &err), LB_OK);
  assert_int_equal(fstat(partial.fd, &st), 0);
  assert_int_equal(st.st_mode & 07777, 0600);
  assert_int_equal(lb_file_write(partial.fd, "new", 3, 0, "new", &err), LB_OK);
  assert_int_equal(lb_partial_publish(&partial, "taken", &err), LB_EXISTS);
  lb_error_clear(&err);
  assert_int_equal(lb_partial_publish(&partial, "new", &err), LB_OK); /* another name can be tried */
  lb_partial_close(&partial);
  char *text = lb_file_slurp(in_folder("taken"), 9, &err);
  assert_string_equal(text, "old");
  free(text);
  text = lb_file_slurp(in_folder("new"), 9, &err);
  assert_string_equal(text, "new");
  free(text);
  assert_int_equal(lb_file_put(folder, "taken", "put", 3, &err), LB_OK);
  text = lb_file_slurp(in_folder("taken"), 9, &err);
  assert_string_equal(text, "put");
  free(text);
  assert_int_equal(count_files(), 2);
}

static void test_unpublished_is_removed(void **state)
{
  (void)state;
  lb_error err = LB_ERROR_INIT;
  lb_partial partial = LB_PARTIAL_INIT;
  assert_int_equal(lb_partial_create(&partial, folder, "x", &err), LB_OK);
  assert_int_equal(count_files(), 1);
  lb_partial_close(&partial);
  assert_int_equal(count_files(), 0);
  lb_partial_close(&partial);
  assert_int_equal(lb_partial_create(&partial, in_folder("none"), "x", &err), LB_NOTFOUND);
  lb_partial_close(&partial);
}

static void test_published_is_readable(void **state)
{
  (void)state;
  lb_error err = LB_ERROR_INIT;
  lb_partial partial = LB_PARTIAL_INIT;
  assert_int_equal(lb_partial_create(&partial, folder, "x", &err), LB_OK);
  int reader = open(partial.path, O_RDONLY);
  assert_false(lb_file_lock(reader, false));
  assert_int_equal(lb_partial_publish(&partial, "x", &err), LB_OK);
  assert_false(lb_file_lock(reader, true));
  assert_true(lb_file_lock(reader, false));
  close(reader);
  lb_partial_close(&partial);
}

/* What the process writes to its standard streams must not get into a file of ours when they are closed. */
static void test_no_standard_stream(void **state)
{
  (void)state;
  lb_error err = LB_ERROR_INIT;
  lb_partial partial = LB_PARTIAL_INIT;
  int kept = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 10);
  assert_true(kept > 2);
  close(STDERR_FILENO);
  int rc = lb_partial_create(&partial, folder, "x", &err), flags = fcntl(partial.fd, F_GETFD);
  ssize_t written = write(STDERR_FILENO, "x", 1);
  dup2(kept, STDERR_FILENO);
  close(kept);
  assert_int_equal(rc, LB_OK);
  assert_true(partial.fd > STDERR_FILENO && flags == FD_CLOEXEC && written < 0);
  lb_partial_close(&partial);
  assert_int_equal(count_files(), 0);
}

static void test_sweep(void **state)
{
  (void)state;
  lb_error err = LB_ERROR_INIT;
  lb_partial partial = LB_PARTIAL_INIT;
  assert_int_equal(lb_partial_create(&partial, folder, "a_busy", &err), LB_OK);
  put_file(".a_crashed.000001.partial", "x", 1);
  put_file(".a_crashed.000001.partial-journal", "x", 1);
  put_file(".b_crashed.000001.partial", "x", 1);
  put_file(".b_crashed.000001.partial-journal", "x", 1);
  put_file("a.partial", "x", 1);
  put_file(".a_other", "x", 1);
  assert_int_equal(symlink("a.partial", in_folder(".a_link.partial")), 0);
  lb_partial_sweep(folder, "a");
  assert_false(file_exists(".a_crashed.000001.partial") || file_exists(".a_crashed.000001.partial-journal"));
  assert_true(file_exists(".b_crashed.000001.partial-journal"));
  assert_true(file_exists(".b_crashed.000001.partial") && file_exists("a.partial") && file_exists(".a_other"));
  assert_true(file_exists(".a_link.partial"));
  assert_int_equal(access(partial.path, F_OK), 0); /* locked: work in progress */
  lb_partial_close(&partial);
}

static void test_locks_and_space(void **state)
{
  (void)state;
  lb_error err = LB_ERROR_INIT;
  put_file("f", "x", 1);
  int a = open(in_folder("f"), O_RDONLY), b = open(in_folder("f"), O_RDONLY);
  assert_true(lb_file_lock(a, false));
  assert_true(lb_file_lock(b, false));
  assert_false(lb_file_lock(b, true));
  close(a);
  assert_true(lb_file_lock(b, true));
  close(b);
  assert_int_equal(lb_space_check(folder, 1, "the test", &err), LB_OK);
  assert_int_equal(lb_space_check(folder, INT64_MAX, "the test", &err), LB_FULL);
  assert_non_null(strstr(err.message, "the test needs about 9223372036854775807 bytes"));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, folder_make, folder_remove)

int main(void)
{
  const struct CMUnitTest tests[] = {
    TEST(test_paths), TEST(test_read_and_slurp), TEST(test_publish), TEST(test_unpublished_is_removed),
    TEST(test_published_is_readable), TEST(test_no_standard_stream), TEST(test_sweep), TEST(test_locks_and_space),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

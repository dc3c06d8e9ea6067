/* Pins, notes, and the removal of a backup with them. */
#include "folder.h"

#include <sys/file.h>

#include "catalog/marks.h"

#define FILE_NAME "admin_sqlite_20251104_120000.db.gz"

static void test_pin(void **state)
{
  (void)state;
  lb_error err = LB_ERROR_INIT;
  put_foreign_gzip(FILE_NAME);
  assert_false(lb_mark_is_pinned(in_folder(FILE_NAME)));
  assert_int_equal(lb_mark_pin(in_folder(FILE_NAME), true, &err), LB_OK);
  assert_int_equal(lb_mark_pin(in_folder(FILE_NAME), true, &err), LB_OK);
  assert_true(lb_mark_is_pinned(in_folder(FILE_NAME)));
  struct stat st;
  assert_int_equal(stat(in_folder(FILE_NAME ".pin"), &st), 0);
  assert_int_equal(st.st_mode & 07777, 0600);
  assert_int_equal(st.st_size, 0);
  assert_int_equal(lb_mark_pin(in_folder(FILE_NAME), false, &err), LB_OK);
  assert_int_equal(lb_mark_pin(in_folder(FILE_NAME), false, &err), LB_OK);
  assert_false(lb_mark_is_pinned(in_folder(FILE_NAME)));
  assert_int_equal(lb_mark_pin(in_folder("none.db.gz"), true, &err), LB_NOTFOUND);
  assert_false(file_exists("none.db.gz.pin"));
}

static void test_note(void **state)
{
  (void)state;
  lb_error err = LB_ERROR_INIT;
  char *text = NULL;
  put_foreign_gzip(FILE_NAME);
  assert_int_equal(lb_mark_read_note(in_folder(FILE_NAME), &text, &err), LB_OK);
  assert_null(text);
  assert_int_equal(lb_mark_note(in_folder(FILE_NAME), "before the move\nto v2 ü", &err), LB_OK);
  assert_int_equal(lb_mark_read_note(in_folder(FILE_NAME), &text, &err), LB_OK);
  assert_string_equal(text, "before the move\nto v2 ü");
  free(text);
  assert_int_equal(lb_mark_note(in_folder(FILE_NAME), "", &err), LB_OK);
  assert_false(file_exists(FILE_NAME ".note"));
  assert_int_equal(lb_mark_note(in_folder(FILE_NAME), NULL, &err), LB_OK);
  char longest[4098];
  memset(longest, 'n', sizeof longest);
  longest[4097] = 0;
  assert_int_equal(lb_mark_note(in_folder(FILE_NAME), longest, &err), LB_MISUSE);
  lb_error_clear(&err);
  longest[4096] = 0;
  assert_int_equal(lb_mark_note(in_folder(FILE_NAME), longest, &err), LB_OK);
  assert_int_equal(lb_mark_note(in_folder("none.db.gz"), "x", &err), LB_NOTFOUND);
}

static void test_remove(void **state)
{
  (void)state;
  lb_error err = LB_ERROR_INIT;
  put_foreign_gzip(FILE_NAME);
  lb_mark_pin(in_folder(FILE_NAME), true, &err);
  lb_mark_note(in_folder(FILE_NAME), "x", &err);
  int other = open(in_folder(FILE_NAME), O_RDONLY);
  assert_int_equal(flock(other, LOCK_SH), 0); /* as a restore does */
  assert_int_equal(lb_mark_remove_backup(in_folder(FILE_NAME), &err), LB_BUSY);
  assert_non_null(strstr(err.message, "in use by another process"));
  assert_true(file_exists(FILE_NAME) && file_exists(FILE_NAME ".pin"));
  close(other);
  lb_error_clear(&err);
  assert_int_equal(lb_mark_remove_backup(in_folder(FILE_NAME), &err), LB_BUSY); /* pinned since somebody decided */
  assert_non_null(strstr(err.message, "is pinned"));
  lb_error_clear(&err);
  assert_int_equal(lb_mark_pin(in_folder(FILE_NAME), false, &err), LB_OK);
  assert_int_equal(lb_mark_remove_backup(in_folder(FILE_NAME), &err), LB_OK);
  assert_false(file_exists(FILE_NAME) || file_exists(FILE_NAME ".pin") || file_exists(FILE_NAME ".note"));
  assert_int_equal(lb_mark_remove_backup(in_folder(FILE_NAME), &err), LB_NOTFOUND);
}

static void test_remove_only_regular_files(void **state)
{
  (void)state;
  lb_error err = LB_ERROR_INIT;
  put_foreign_gzip(FILE_NAME);
  assert_int_equal(symlink(FILE_NAME, in_folder("link")), 0);
  assert_int_equal(mkdir(in_folder("directory"), 0700), 0);
  assert_int_equal(mkfifo(in_folder("fifo"), 0600), 0);
  static const char *const names[] = { "link", "directory", "fifo" };
  for (int i = 0; i < 3; i++) {
    lb_error_clear(&err);
    assert_int_equal(lb_mark_remove_backup(in_folder(names[i]), &err), LB_BUSY);
    assert_non_null(strstr(err.message, "not a regular file"));
    assert_true(file_exists(names[i]));
  }
  assert_true(file_exists(FILE_NAME));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, folder_make, folder_remove)

int main(void)
{
  const struct CMUnitTest tests[] = {
    TEST(test_pin), TEST(test_note), TEST(test_remove), TEST(test_remove_only_regular_files),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

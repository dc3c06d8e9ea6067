/* catalog.db: what is written reads back, nothing is created by reading, damage is set aside. */
#include "folder.h"

#include <sqlite3.h>

#include "catalog/history.h"
#include "core/buffer.h"

static int put_run(void *ctx, const lb_run_row *row, lb_error *err)
{
  const lb_run *r = &row->run;
  lb_buf_printf(ctx, "%lld|%s|%s|%s|%s|%lld|%.2f|%.2f|%lld|%lld|%s|%s\n", (long long)row->id, r->operation,
                r->backup ? r->backup : "-", r->source ? r->source : "-", r->target ? r->target : "-",
                (long long)r->started, r->seconds, r->snapshot_seconds, (long long)r->bytes, (long long)r->raw_bytes,
                r->error ? r->error : "-", r->notes ? r->notes : "-");
  (void)err;
  return LB_OK;
}

static int put_verification(void *ctx, const lb_verification *v, lb_error *err)
{
  (void)err;
  lb_buf_printf(ctx, "%s|%lld|%s|%s\n", v->file, (long long)v->bytes, v->level, v->result);
  return LB_OK;
}

static void expect_runs(const char *text)
{
  lb_error err = LB_ERROR_INIT;
  lb_buf out = { 0 };
  lb_buf_text(&out, "");
  assert_int_equal(lb_history_each(folder, put_run, &out, &err), LB_OK);
  assert_string_equal(out.data, text);
  lb_buf_free(&out);
}

static const lb_run create = { "create", "a.db.gz", "/srv/a.db", NULL, 1000, 1.5, 0.25, 10, 100, NULL, "two\nnotes" };
static const lb_run restore = { "restore", NULL, NULL, "/srv/b.db", 2000, 0.5, -1, -1, -1, "disk full", NULL };

static void test_runs(void **state)
{
  (void)state;
  lb_error err = LB_ERROR_INIT;
  expect_runs("");
  assert_false(file_exists("catalog.db"));
  assert_int_equal(lb_history_add(folder, &create, &err), LB_OK);
  assert_int_equal(lb_history_add(folder, &restore, &err), LB_OK);
  expect_runs("2|restore|-|-|/srv/b.db|2000|0.50|-1.00|-1|-1|disk full|-\n"
              "1|create|a.db.gz|/srv/a.db|-|1000|1.50|0.25|10|100|-|two\nnotes\n");
  struct stat st;
  assert_int_equal(stat(in_folder("catalog.db"), &st), 0);
  assert_int_equal(st.st_mode & 07777, 0600);
  assert_false(file_exists("catalog.db-journal"));
}

static void test_verifications(void **state)
{
  (void)state;
  lb_error err = LB_ERROR_INIT;
  lb_buf out = { 0 };
  put_file("a.db.gz", "12345", 5);
  put_file("b.db.gz", "1", 1);
  add_verification("a.db.gz", "quick", "block 1 is damaged\nblock 2", &err);
  assert_int_equal(add_verification("b.db.gz", "full", "ok", &err), LB_OK);
  assert_int_equal(add_verification("a.db.gz", "full", "ok", &err), LB_OK);
  assert_int_equal(lb_history_each_verification(folder, put_verification, &out, &err), LB_OK);
  assert_string_equal(out.data, "a.db.gz|5|full|ok\nb.db.gz|1|full|ok\n"); /* the last of each file */
  lb_buf_free(&out);
}

static void execute(const char *sql)
{
  sqlite3 *db;
  assert_int_equal(sqlite3_open(in_folder("catalog.db"), &db), SQLITE_OK);
  assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
  sqlite3_close(db);
}

static bool has_content(const char *name, const void *data, size_t n)
{
  char found[8192];
  FILE *f = fopen(in_folder(name), "rb");
  size_t got = f ? fread(found, 1, sizeof found, f) : 0;
  if (f) fclose(f);
  return f && got == n && memcmp(found, data, n) == 0;
}

/* A file of ours of which SQLite cannot read more than the header. */
static void put_damaged(unsigned char data[5000])
{
  lb_error err = LB_ERROR_INIT;
  remove(in_folder("catalog.db"));
  assert_int_equal(lb_history_add(folder, &create, &err), LB_OK);
  FILE *f = fopen(in_folder("catalog.db"), "rb");
  assert_int_equal(fread(data, 1, 100, f), 100);
  fclose(f);
  memset(data + 100, 'g', 4900);
  put_file("catalog.db", data, 5000);
}

static void test_damage_is_set_aside(void **state)
{
  (void)state;
  lb_error err = LB_ERROR_INIT;
  lb_buf out = { 0 };
  unsigned char damaged[5000];
  put_damaged(damaged);
  put_file("catalog.db-journal", "journal", 7);
  put_file("catalog.db-wal", "pages", 5);
  put_file("catalog.db.damaged", "precious", 8);
  put_file("catalog.db.damaged_2-wal", "precious", 8);
  assert_int_equal(lb_history_each(folder, put_run, &out, &err), LB_CORRUPT);
  assert_true(has_content("catalog.db", damaged, sizeof damaged));
  lb_error_clear(&err);
  assert_int_equal(lb_history_add(folder, &create, &err), LB_OK);
  assert_true(has_content("catalog.db.damaged", "precious", 8));
  assert_true(has_content("catalog.db.damaged_2-wal", "precious", 8));
  assert_true(has_content("catalog.db.damaged_3", damaged, sizeof damaged));
  assert_true(has_content("catalog.db.damaged_3-wal", "pages", 5));
  assert_false(file_exists("catalog.db-journal"));
  assert_false(file_exists("catalog.db-wal"));
  assert_int_equal(lb_history_each(folder, put_run, &out, &err), LB_OK);
  assert_true(strncmp(out.data, "1|create|", 9) == 0);
  lb_buf_free(&out);
}

/* Neither read nor written, and with it what lies beside it. */
static void expect_left_alone(bool with_wal)
{
  static char before[8192], wal[] = "pages";
  lb_error err = LB_ERROR_INIT;
  lb_buf out = { 0 };
  FILE *f = fopen(in_folder("catalog.db"), "rb");
  size_t n = fread(before, 1, sizeof before, f);
  fclose(f);
  if (with_wal) put_file("catalog.db-wal", wal, sizeof wal);
  put_file("a.db.gz", "12345", 5);
  assert_int_equal(lb_history_each(folder, put_run, &out, &err), LB_EXISTS);
  assert_non_null(strstr(err.message, "catalog.db is not Lifeboat's: "));
  assert_non_null(strstr(err.message, " (move it, or choose another folder of backups)"));
  lb_error_clear(&err);
  assert_int_equal(lb_history_add(folder, &create, &err), LB_EXISTS);
  lb_error_clear(&err);
  assert_int_equal(add_verification("a.db.gz", "quick", "ok", &err), LB_EXISTS);
  assert_true(has_content("catalog.db", before, n));
  assert_int_equal(has_content("catalog.db-wal", wal, sizeof wal), with_wal);
  assert_false(file_exists("catalog.db.damaged"));
  remove(in_folder("catalog.db-wal"));
  lb_buf_free(&out);
}

static void expect_foreign(void)
{
  expect_left_alone(false);
  expect_left_alone(true);
}

static void test_other_files_are_left_alone(void **state)
{
  (void)state;
  unsigned char damaged[5000];
  char garbage[5000];
  memset(garbage, 'g', sizeof garbage);
  put_file("catalog.db", garbage, sizeof garbage);
  expect_foreign();
  put_file("catalog.db", "SQLite", 6);
  expect_foreign();
  put_damaged(damaged); /* one from before has nothing in its header that would tell it from others */
  memset(damaged + 68, 0, 4);
  put_file("catalog.db", damaged, sizeof damaged);
  expect_foreign();
  static const char *const others[] = {
    "CREATE TABLE product(a)",
    "CREATE TABLE product(a); PRAGMA user_version=1",
    "CREATE TABLE product(a); PRAGMA application_id=7",
    "CREATE TABLE run(id, speed); CREATE TABLE verification(file); PRAGMA user_version=1",
    "VACUUM",
    "PRAGMA journal_mode=wal; CREATE TABLE product(a); PRAGMA user_version=1",
  };
  for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
    remove(in_folder("catalog.db"));
    execute(others[i]);
    expect_foreign();
  }
}

/* Before there was an application_id, the tables and user_version 1 were all. */
static void test_one_from_before_is_adopted(void **state)
{
  (void)state;
  lb_error err = LB_ERROR_INIT;
  lb_history_add(folder, &create, &err);
  execute("PRAGMA application_id=0");
  expect_runs("1|create|a.db.gz|/srv/a.db|-|1000|1.50|0.25|10|100|-|two\nnotes\n");
  assert_int_equal(lb_history_add(folder, &restore, &err), LB_OK);
  execute("CREATE TABLE more(a)"); /* now the header says whose it is */
  expect_runs("2|restore|-|-|/srv/b.db|2000|0.50|-1.00|-1|-1|disk full|-\n"
              "1|create|a.db.gz|/srv/a.db|-|1000|1.50|0.25|10|100|-|two\nnotes\n");
  unsigned char head[100];
  FILE *f = fopen(in_folder("catalog.db"), "rb");
  assert_int_equal(fread(head, 1, sizeof head, f), sizeof head);
  fclose(f);
  assert_memory_equal(head + 68, "Lfbt", 4);
}

static int count_row(void *ctx, const lb_run_row *row, lb_error *err)
{
  (void)row, (void)err;
  ++*(int *)ctx;
  return LB_OK;
}

static void test_bounded(void **state)
{
  (void)state;
  lb_error err = LB_ERROR_INIT;
  int rows = 0;
  assert_int_equal(lb_history_add(folder, &create, &err), LB_OK);
  execute("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10500)"
          "INSERT INTO run(operation, started) SELECT 'create', i FROM n");
  assert_int_equal(lb_history_add(folder, &create, &err), LB_OK);
  assert_int_equal(lb_history_each(folder, count_row, &rows, &err), LB_OK);
  assert_int_equal(rows, 10000);
}

static void test_hostile_files(void **state)
{
  (void)state;
  lb_error err = LB_ERROR_INIT;
  int rows = 0;
  assert_int_equal(lb_history_add(folder, &create, &err), LB_OK);
  /* A trigger must not run, or the trigger's row would be the second. */
  execute("CREATE TRIGGER t AFTER INSERT ON run BEGIN INSERT INTO run(operation, started) VALUES('trigger', 1); END");
  assert_int_equal(lb_history_add(folder, &create, &err), LB_OK);
  assert_int_equal(lb_history_each(folder, count_row, &rows, &err), LB_OK);
  assert_int_equal(rows, 2);
  execute("DROP TABLE run; CREATE VIEW run AS SELECT 1 AS id, 'x' AS operation");
  assert_int_not_equal(lb_history_each(folder, count_row, &rows, &err), LB_OK);
  lb_error_clear(&err);
  execute("PRAGMA user_version=2");
  assert_int_equal(lb_history_add(folder, &create, &err), LB_UNSUPPORTED);
  lb_error_clear(&err);
  remove(in_folder("catalog.db"));
  put_file("elsewhere", "", 0);
  assert_int_equal(symlink("elsewhere", in_folder("catalog.db")), 0);
  assert_int_equal(lb_history_add(folder, &create, &err), LB_EXISTS); /* a link is never followed */
  struct stat st;
  assert_int_equal(stat(in_folder("elsewhere"), &st), 0);
  assert_int_equal(st.st_size, 0);
  assert_int_equal(lstat(in_folder("catalog.db"), &st), 0);
  assert_true(S_ISLNK(st.st_mode));
}

static void test_waits_for_a_writer(void **state)
{
  (void)state;
  lb_error err = LB_ERROR_INIT;
  assert_int_equal(lb_history_add(folder, &create, &err), LB_OK);
  sqlite3 *db;
  int rows = 0;
  assert_int_equal(sqlite3_open(in_folder("catalog.db"), &db), SQLITE_OK);
  assert_int_equal(sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
  assert_int_equal(lb_history_each(folder, count_row, &rows, &err), LB_OK); /* reading goes on */
  assert_int_equal(rows, 1);
  assert_int_equal(lb_history_add(folder, &create, &err), LB_BUSY); /* after five seconds */
  sqlite3_close(db);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, folder_make, folder_remove)

int main(void)
{
  const struct CMUnitTest tests[] = {
    TEST(test_runs), TEST(test_verifications), TEST(test_damage_is_set_aside),
    TEST(test_other_files_are_left_alone), TEST(test_one_from_before_is_adopted), TEST(test_bounded),
    TEST(test_hostile_files), TEST(test_waits_for_a_writer),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

/* What a user may call a backup, and what the errors say. */
#include "folder.h"

#include "catalog/history.h"
#include "catalog/resolve.h"

static lb_json *json;

/* The base name of what it resolves to, or the message of the error, with the folder's name as DIR. */
static const char *resolve(const char *backup, const char *target, lb_type type)
{
  static char text[LB_MESSAGE_MAX];
  lb_error err = LB_ERROR_INIT;
  char *path = NULL;
  lb_resolve(folder, backup, target, type, json, &path, &err);
  assert_true((path == NULL) == (err.code != LB_OK));
  const char *from = path ? path : err.message;
  text[0] = 0;
  for (const char *at; (at = strstr(from, folder)); from = at + strlen(folder)) {
    snprintf(text + strlen(text), sizeof text - strlen(text), "%.*sDIR", (int)(at - from), from);
  }
  snprintf(text + strlen(text), sizeof text - strlen(text), "%s", from);
  free(path);
  return text;
}

static void test_latest(void **state)
{
  (void)state;
  assert_string_equal(resolve("latest", NULL, 0), "no backup for \"latest\" in DIR (it has: nothing)");
  put_foreign_gzip("admin_sqlite_20251101_000000.db.gz");
  assert_string_equal(resolve("latest", NULL, 0), "DIR/admin_sqlite_20251101_000000.db.gz");
  put_backup_of("admin_sqlite_20251102_000000.db.gz", "/a/admin.db", "2025-11-02 00:00:00");
  put_backup_of("admin_sqlite_20251102_000000_2.db.gz", "/a/admin.db", "2025-11-02 00:00:00");
  put_file("admin_sqlite_20251103_000000.db.gz", "garbage, not gzip", 17);
  assert_string_equal(resolve("latest", NULL, 0), "DIR/admin_sqlite_20251102_000000_2.db.gz");
  assert_string_equal(resolve("latest:admin", NULL, 0), "DIR/admin_sqlite_20251102_000000_2.db.gz");
  assert_string_equal(resolve("admin_sqlite_latest.db.zst", NULL, 0), "DIR/admin_sqlite_20251102_000000_2.db.gz");
  assert_string_equal(resolve("latest:shop", NULL, 0), "no backup for \"latest:shop\" in DIR (it has: admin (sqlite))");
  assert_string_equal(resolve("admin_postgres_latest.sql.gz", NULL, 0), "no backup for "
                      "\"admin_postgres_latest.sql.gz\" in DIR (it has: admin (sqlite); postgres is needed)");
  assert_string_equal(resolve("latest", NULL, LB_TYPE_POSTGRES),
                      "no backup for \"latest\" in DIR (it has: admin (sqlite); postgres is needed)");
  lb_error err = LB_ERROR_INIT;
  add_verification("admin_sqlite_20251102_000000_2.db.gz", "quick", "block 0 is damaged", &err);
  assert_string_equal(resolve("latest", NULL, 0), "DIR/admin_sqlite_20251102_000000.db.gz");
}

static void test_what_there_is(void **state)
{
  (void)state;
  char name[64];
  put_foreign_gzip("admin_sqlite_before_restore_20251101_000000.db.gz");
  assert_string_equal(resolve("latest", NULL, 0),
                      "no backup for \"latest\" in DIR (it has: what restores saved, to be named by file)");
  put_foreign_gzip("f_postgres_partial_20251101_000000.sql.gz");
  for (char c = 'a'; c <= 'e'; c++) {
    snprintf(name, sizeof name, "%c_sqlite_20251101_000000.db.gz", c);
    put_foreign_gzip(name);
    snprintf(name, sizeof name, "%c_sqlite_20251102_000000.db.gz", c);
    put_foreign_gzip(name);
  }
  const char *text = resolve("latest:x", NULL, LB_TYPE_SQLITE);
  for (char c = 'a'; c <= 'd'; c++) {
    snprintf(name, sizeof name, "%c (sqlite), ", c);
    assert_non_null(strstr(text, name));
  }
  assert_non_null(strstr(text, ", …)"));
}

static void test_only_damaged(void **state)
{
  (void)state;
  put_file("admin_sqlite_20251103_000000.db.gz", "garbage, not gzip", 17);
  assert_string_equal(resolve("latest", NULL, 0), "no good backup for \"latest\" in DIR: the 1 found is damaged");
}

static void test_several_sources(void **state)
{
  (void)state;
  put_backup_of("admin_sqlite_20251102_000000.db.gz", "/a/admin.db", "2025-11-02 00:00:00");
  put_backup_of("shop_sqlite_20251103_000000.db.gz", "/a/shop.db", "2025-11-03 00:00:00");
  put_foreign_gzip("admin_postgres_20251101_000000.sql.gz");
  assert_string_equal(resolve("latest", NULL, 0),
                      "\"latest\" fits several sources in DIR: shop (sqlite, of /a/shop.db); admin (sqlite, of "
                      "/a/admin.db); admin (postgres) (pass latest:NAME or a file name)");
  assert_string_equal(resolve("latest", "/a/admin.db", 0), "DIR/admin_sqlite_20251102_000000.db.gz");
  assert_string_equal(resolve("latest", NULL, LB_TYPE_POSTGRES), "DIR/admin_postgres_20251101_000000.sql.gz");
  assert_string_equal(resolve("latest:shop", NULL, 0), "DIR/shop_sqlite_20251103_000000.db.gz");
  assert_string_equal(resolve("latest:admin", NULL, 0),
                      "\"latest:admin\" fits several sources in DIR: admin (sqlite, of /a/admin.db); admin (postgres) "
                      "(pass a file name: SELECT file, source FROM backups)");
  assert_string_equal(resolve("admin_sqlite_latest.db.gz", NULL, 0), "DIR/admin_sqlite_20251102_000000.db.gz");
  assert_non_null(strstr(resolve("latest", "/other.db", 0), "fits several sources"));
  assert_string_equal(resolve("admin_sqlite_latest.db.gz", NULL, LB_TYPE_POSTGRES),
                      "\"admin_sqlite_latest.db.gz\" names a sqlite backup; a postgres one is needed");
}

static void test_files(void **state)
{
  (void)state;
  char path[600];
  put_foreign_gzip("admin_sqlite_20251101_000000.db.gz");
  put_file("a name\nof two lines", "x", 1);
  assert_string_equal(resolve("admin_sqlite_20251101_000000.db.gz", NULL, 0), "DIR/admin_sqlite_20251101_000000.db.gz");
  snprintf(path, sizeof path, "%s/a name\nof two lines", folder); /* in a path anything is just a character */
  assert_string_equal(resolve(path, NULL, 0), "DIR/a name\nof two lines");
  assert_string_equal(resolve("x.db.gz", NULL, 0),
                      "no backup \"x.db.gz\" in DIR (for a file elsewhere pass a path with '/', such as ./x.db.gz)");
  snprintf(path, sizeof path, "%s/x.db.gz", folder);
  assert_string_equal(resolve(path, NULL, 0), "no such backup: DIR/x.db.gz");
  assert_string_equal(resolve(folder, NULL, 0), "not a backup: DIR is not a regular file");
  assert_string_equal(resolve("", NULL, 0), "the name of a backup may not be empty");
  assert_string_equal(resolve("..", NULL, 0), "the name of a backup may not contain \"..\": \"..\"");
  assert_string_equal(resolve("a\nb", NULL, 0), "the name of a backup may not hold control characters");
  assert_string_equal(resolve(".x.partial", NULL, 0), "not the name of a backup: \".x.partial\" begins with a dot");
  assert_string_equal(resolve("latest:", NULL, 0), "name \"\" cannot be a backup's: it is empty");
  assert_string_equal(resolve("latest:../x", NULL, 0), "name \"../x\" cannot be a backup's: it begins with a dot");
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, folder_make, folder_remove)

int main(void)
{
  const struct CMUnitTest tests[] = {
    TEST(test_latest), TEST(test_what_there_is), TEST(test_only_damaged), TEST(test_several_sources), TEST(test_files),
  };
  lb_error err = LB_ERROR_INIT;
  json = lb_json_open(&err);
  int rc = json ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
  lb_json_close(json);
  return rc;
}

/* Names of backup files: which are of the scheme, what they tell, and that format and parse are inverse. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "catalog/names.h"

#define NOON 1762257600 /* 2025-11-04 12:00:00 UTC */

static void test_parse(void **state)
{
  (void)state;
  static const struct {
    const char *file, *name;
    lb_type type;
    lb_kind kind;
    int serial;
    const char *suffix;
  } cases[] = {
    { "admin_sqlite_20251104_120000.db.gz", "admin", LB_TYPE_SQLITE, LB_KIND_FULL, 1, ".gz" },
    { "admin_sqlite_20251104_120000.db", "admin", LB_TYPE_SQLITE, LB_KIND_FULL, 1, "" },
    { "admin_sqlite_20251104_120000_2.db.zst", "admin", LB_TYPE_SQLITE, LB_KIND_FULL, 2, ".zst" },
    { "admin_postgres_20251104_120000_17.sql.gz", "admin", LB_TYPE_POSTGRES, LB_KIND_FULL, 17, ".gz" },
    { "admin_postgres_before_restore_20251104_120000.sql.gz", "admin", LB_TYPE_POSTGRES, LB_KIND_BEFORE_RESTORE, 1,
      ".gz" },
    { "x_sqlite_sqlite_20251104_120000.db.gz", "x_sqlite", LB_TYPE_SQLITE, LB_KIND_FULL, 1, ".gz" },
    { "x_before_restore_sqlite_20251104_120000.db.gz", "x_before_restore", LB_TYPE_SQLITE, LB_KIND_FULL, 1, ".gz" },
    { "a b'; DROP\xff_sqlite_20251104_120000.db", "a b'; DROP\xff", LB_TYPE_SQLITE, LB_KIND_FULL, 1, "" },
    { "v1.2.db_sqlite_20251104_120000.db", "v1.2.db", LB_TYPE_SQLITE, LB_KIND_FULL, 1, "" },
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    lb_name name;
    lb_error err = LB_ERROR_INIT;
    assert_true(lb_name_parse(cases[i].file, &name));
    assert_string_equal(name.name, cases[i].name);
    assert_int_equal(name.type, cases[i].type);
    assert_int_equal(name.kind, cases[i].kind);
    assert_int_equal(name.serial, cases[i].serial);
    assert_string_equal(name.suffix, cases[i].suffix);
    assert_int_equal(name.created, NOON);
    char *file = lb_name_format(&name, &err);
    assert_string_equal(file, cases[i].file);
    free(file);
  }
}

static void test_not_of_the_scheme(void **state)
{
  (void)state;
  static const char *const files[] = {
    "", ".", "..", "_", ".db", "admin.db.gz", "catalog.db",
    "admin_sqlite_20251104_120000.db.gz.pin", "admin_sqlite_20251104_120000.db.gz.note",
    "admin_sqlite_20251104_120000.sql.gz", "admin_postgres_20251104_120000.db.gz", "admin_mysql_20251104_120000.db.gz",
    "admin_sqlite_20251104_120000.db.bz2", "admin_sqlite_20251104_120000.gz", "admin_sqlite_20251104_120000",
    "admin_sqlite_20251304_120000.db.gz", "admin_sqlite_20250230_120000.db.gz", "admin_sqlite_20251104_250000.db.gz",
    "admin_sqlite_20251104_1200.db.gz", "admin_sqlite_20251104120000.db.gz",
    "admin_sqlite_20251104_120000_1.db.gz", "admin_sqlite_20251104_120000_02.db.gz",
    "admin_sqlite_20251104_120000_12345678.db.gz", "admin_sqlite_20251104_120000_.db.gz",
    "admin_sqlite_20251104_120000_x.db.gz", "_sqlite_20251104_120000.db.gz", "sqlite_20251104_120000.db.gz",
    ".admin_sqlite_20251104_120000.db.gz", ".admin_sqlite_20251104_120000.db.gz.3f2a11.partial",
    "a..b_sqlite_20251104_120000.db.gz", "a\nb_sqlite_20251104_120000.db.gz", "a/b_sqlite_20251104_120000.db.gz",
    "admin_sqlite_latest.db.gz", "_20251104_120000.db", "20251104_120000.db",
  };
  for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
    lb_name name;
    if (lb_name_parse(files[i], &name)) fail_msg("taken for a backup: %s", files[i]);
  }
}

static void test_check(void **state)
{
  (void)state;
  char text[131];
  memset(text, 'n', 130);
  text[128] = 0;
  lb_error err = LB_ERROR_INIT;
  assert_int_equal(lb_name_check(text, &err), LB_OK);
  assert_int_equal(lb_name_check("with space, ümlaut and 'quote'", &err), LB_OK);
  static const struct { const char *name, *message; } bad[] = {
    { "", "name \"\" cannot be a backup's: it is empty" },
    { ".x", "name \".x\" cannot be a backup's: it begins with a dot" },
    { "..", "name \"..\" cannot be a backup's: it begins with a dot" },
    { "a..", "name \"a..\" cannot be a backup's: it contains \"..\"" },
    { "a/b", "name \"a/b\" cannot be a backup's: it contains a '/'" },
    { "a\x1b[2J", "this name cannot be a backup's: it contains a control character" },
    { "a\x7f", "this name cannot be a backup's: it contains a control character" },
  };
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    lb_error_clear(&err);
    assert_int_equal(lb_name_check(bad[i].name, &err), LB_MISUSE);
    assert_string_equal(err.message, bad[i].message);
  }
  lb_error_clear(&err);
  text[128] = 'n', text[129] = 0;
  assert_int_equal(lb_name_check(text, &err), LB_MISUSE);
  assert_non_null(strstr(err.message, "longer than 128 bytes"));
}

static void test_of_path(void **state)
{
  (void)state;
  static const struct { const char *path, *name; } cases[] = {
    { "data/admin.db", "admin" }, { "/srv/app/shop.v2.sqlite3", "shop.v2" }, { "admin", "admin" },
    { "/x/.hidden.db", "_hidden" }, { "/x/.db", "_db" }, { "/x/a\nb.db", "a_b" }, { "/x/..db", "_" },
    { "/x/a..b.db", "a._b" }, { "", "database" }, { "/x/", "database" }, { "/x/..", "_" },
  };
  lb_error err = LB_ERROR_INIT;
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    char *name = lb_name_of_path(cases[i].path, &err);
    assert_string_equal(name, cases[i].name);
    assert_int_equal(lb_name_check(name, &err), LB_OK);
    free(name);
  }
  char longest[200];
  memset(longest, 'a', 127);
  strcpy(longest + 127, "\xc3\xbc.db"); /* the character would be cut in the middle */
  char *name = lb_name_of_path(longest, &err);
  assert_int_equal(strlen(name), 127);
  free(name);
}

static void test_latest(void **state)
{
  (void)state;
  lb_name name;
  assert_true(lb_name_parse_latest("admin_sqlite_latest.db.gz", &name));
  assert_string_equal(name.name, "admin");
  assert_int_equal(name.type, LB_TYPE_SQLITE);
  assert_true(lb_name_parse_latest("my_app_postgres_latest.sql", &name));
  assert_string_equal(name.name, "my_app");
  assert_int_equal(name.type, LB_TYPE_POSTGRES);
  assert_false(lb_name_parse_latest("latest", &name));
  assert_false(lb_name_parse_latest("admin_sqlite_latest.sql.gz", &name));
  assert_false(lb_name_parse_latest("admin_latest.db.gz", &name));
  assert_false(lb_name_parse_latest("_sqlite_latest.db.gz", &name));
}

int main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_parse), cmocka_unit_test(test_not_of_the_scheme), cmocka_unit_test(test_check),
    cmocka_unit_test(test_of_path), cmocka_unit_test(test_latest),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

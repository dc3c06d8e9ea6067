/* Values: the order is SQLite's own in each encoding, and JSON keeps them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <locale.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

#include "sqlite/value.h"

static const char values[] =
    "(NULL), (0), (0.0), (-0.0), (1), (1.0), (-1), (1.5), (9223372036854775807), (-9223372036854775808),"
    "(9223372036854775807.0), (-9223372036854775808.0), (9007199254740993), (9007199254740992.0), (9007199254740992),"
    "(1e300), (-1e300), (9e999), (-9e999), (''), ('a'), ('A'), ('a '), ('ab'), ('b'), (char(0)), ('a' || char(0)),"
    "(char(228)), (char(65518)), (char(57344)), (char(128512)), (char(128513)), (char(256)), (char(255)), (x''), (x'00'),"
    "(x'61'), (x'ff'), (x'6162')";

static sqlite3 *open_db(const char *encoding)
{
  sqlite3 *db;
  char sql[100];
  assert_int_equal(sqlite3_open(":memory:", &db), SQLITE_OK);
  sqlite3_snprintf(sizeof sql, sql, "PRAGMA encoding='%s'; CREATE TABLE t(v)", encoding);
  assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
  char *insert = sqlite3_mprintf("INSERT INTO t VALUES %s", values);
  assert_int_equal(sqlite3_exec(db, insert, NULL, NULL, NULL), SQLITE_OK);
  sqlite3_free(insert);
  return db;
}

/* Every pair, as SQLite compares it and as we do. */
static void check_encoding(const char *name, lb_encoding want)
{
  lb_error err = LB_ERROR_INIT;
  lb_encoding encoding;
  sqlite3 *db = open_db(name);
  sqlite3_stmt *stmt;
  int pairs = 0;
  assert_int_equal(lb_encoding_of(db, "x", &encoding, &err), LB_OK);
  assert_int_equal(encoding, want);
  /* NULL is below all, and equal to itself */
  assert_int_equal(sqlite3_prepare_v2(db,
                                      "SELECT a.v, b.v, CASE WHEN a.v IS b.v THEN 0 WHEN a.v IS NULL THEN -1 WHEN b.v IS "
                                      "NULL THEN 1 WHEN a.v < b.v THEN -1 ELSE 1 END, typeof(a.v) < typeof(b.v), "
                                      "typeof(a.v) > typeof(b.v) FROM t AS a, t AS b", -1, &stmt, NULL), SQLITE_OK);
  while (sqlite3_step(stmt) == SQLITE_ROW) {
    lb_value a, b;
    int order = sqlite3_column_int(stmt, 2);
    int of_class = sqlite3_column_int(stmt, 4) - sqlite3_column_int(stmt, 3);
    assert_true(lb_value_at(stmt, 0, encoding, &a));
    assert_true(lb_value_at(stmt, 1, encoding, &b));
    int ours = lb_value_order(&a, &b, encoding);
    assert_int_equal((ours > 0) - (ours < 0), order);
    if (order == 0) assert_int_equal(lb_value_class_order(&a, &b), of_class);
    pairs++;
  }
  assert_int_equal(pairs, 39 * 39);
  sqlite3_finalize(stmt);
  sqlite3_close(db);
}

static void test_order(void **state)
{
  (void)state;
  check_encoding("UTF-8", LB_UTF8);
  check_encoding("UTF-16le", LB_UTF16LE);
  check_encoding("UTF-16be", LB_UTF16BE);
}

static void check_json(const char *expression, const char *want)
{
  sqlite3 *db = open_db("UTF-8");
  sqlite3_stmt *stmt;
  lb_buf buf = { 0 };
  char *sql = sqlite3_mprintf("SELECT %s", expression);
  assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &stmt, NULL), SQLITE_OK);
  assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
  lb_value_json(stmt, 0, &buf);
  assert_string_equal(buf.data, want);
  if (sqlite3_column_type(stmt, 0) == SQLITE_FLOAT) {
    char *saved = setlocale(LC_NUMERIC, "C");
    assert_non_null(saved);
    assert_true(strtod(buf.data, NULL) == sqlite3_column_double(stmt, 0));
  }
  lb_buf_free(&buf);
  sqlite3_finalize(stmt);
  sqlite3_free(sql);
  sqlite3_close(db);
}

static void test_json(void **state)
{
  (void)state;
  static const char *const cases[][2] = {
    { "NULL", "null" }, { "7", "7" }, { "-9223372036854775808", "-9223372036854775808" }, { "1.0", "1.0" },
    { "-0.5", "-0.5" }, { "0.1 + 0.2", "0.30000000000000004" }, { "1e21", "1e+21" }, { "1e-7", "1e-07" },
    { "123456789012.25", "123456789012.25" }, { "9e999", "9e999" }, { "-9e999", "-9e999" }, { "'a\"b'", "\"a\\\"b\"" },
    { "''", "\"\"" }, { "x'00FF'", "{\"blob\":\"00ff\"}" }, { "x''", "{\"blob\":\"\"}" },
    { "CAST(x'61ff' AS TEXT)", "{\"text\":\"61ff\"}" }, { "char(0, 97)", "\"\\u0000a\"" },
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    setlocale(LC_ALL, "de_DE.UTF-8"); /* where it is installed, printf would write a comma */
    check_json(cases[i][0], cases[i][1]);
  }
  setlocale(LC_ALL, "C");
}

int main(void)
{
  const struct CMUnitTest tests[] = { cmocka_unit_test(test_order), cmocka_unit_test(test_json) };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

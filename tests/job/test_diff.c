/* How much of its backups a comparison reads: blocks that were inflated are counted, against how many there are. Without
** xxhash nothing can be left out: then only that the answers are right is seen.
*/
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/hash.h"
#include "job/create.h"
#include "job/diff.h"
#include "vfs/cache.h"

enum { BLOCK = 256 << 10, ROWS = 20000 };

static char dir[] = "/tmp/lb_diff_XXXXXX";
static char live[64];
static char *before, *after;
static sqlite3 *db;
static lb_config config;
static uint64_t blocks;   /* of one of the backups */

static void run(const char *sql)
{
  char *message = NULL;
  if (sqlite3_exec(db, sql, NULL, NULL, &message)) fail_msg("%s: %s", sql, message);
}

static char *backup(void)
{
  lb_error err = LB_ERROR_INIT;
  lb_job job = { .caller = db, .config = &config };
  char *path = NULL;
  lb_job_create(&job, "main", NULL, &path, &err);
  assert_string_equal(err.message, "");
  lb_buf_free(&job.notes);
  return path;
}

static int setup(void **state)
{
  (void)state;
  if (!mkdtemp(dir)) return -1;
  setenv("BACKUP_DIR", dir, 1);
  snprintf(live, sizeof live, "%s/app.db", dir);
  if (sqlite3_open(live, &db)) return -1;
  run("PRAGMA synchronous=off; BEGIN; CREATE TABLE quiet(id INTEGER PRIMARY KEY, body);"
      "CREATE TABLE busy(id INTEGER PRIMARY KEY, body); CREATE TABLE keyed(k TEXT PRIMARY KEY, body);"
      "CREATE INDEX quiet_body ON quiet(body);"
      "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000)"
      "  INSERT INTO quiet SELECT i, hex(randomblob(60)) FROM n; INSERT INTO busy SELECT * FROM quiet;"
      "INSERT INTO keyed SELECT substr(body, 1, 20), body FROM quiet; COMMIT");
  before = backup();
  run("UPDATE busy SET body = 'new' WHERE id = 10000; UPDATE keyed SET body = 'new' WHERE rowid = 15000");
  after = backup();
  sqlite3_stmt *stmt;
  sqlite3_prepare_v2(db, "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size", -1, &stmt, NULL);
  sqlite3_step(stmt);
  blocks = (uint64_t)sqlite3_column_int64(stmt, 0) / BLOCK;
  sqlite3_finalize(stmt);
  return blocks > 30 ? 0 : -1;
}

static int teardown(void **state)
{
  (void)state;
  char command[100];
  sqlite3_close(db);
  free(before);
  free(after);
  snprintf(command, sizeof command, "rm -rf %s", dir);
  return system(command);
}

/* Returns how many blocks were inflated; *differ: rows, or tables, that do. */
static uint64_t compare(const char *a, const char *b, const char *table, int64_t *differ)
{
  lb_error err = LB_ERROR_INIT;
  lb_job job = { .caller = db, .config = &config };
  lb_difference_wanted wanted = { .counts = true };
  lb_difference one;
  bool any = true;
  uint64_t at_first = lb_cache_look().inflated;
  *differ = 0;
  lb_comparison *c = lb_job_diff_open(&job, a, b, table, &wanted, &err);
  while (c && lb_job_diff_next(c, &one, &any, &err) == LB_OK && any) *differ += strcmp(one.change, "same") != 0;
  lb_job_diff_close(c);
  lb_buf_free(&job.notes);
  assert_string_equal(err.message, "");
  return lb_cache_look().inflated - at_first;
}

static void check(const char *a, const char *b, const char *table, int64_t want, uint64_t most)
{
  int64_t differ;
  uint64_t inflated = compare(a, b, table, &differ);
  assert_int_equal(differ, want);
  if (lb_hash_available() && inflated > most) {
    fail_msg("%s: %llu of 2 * %llu blocks were read, %llu would do", table ? table : "all tables",
             (unsigned long long)inflated, (unsigned long long)blocks, (unsigned long long)most);
  }
}

static void test_two_backups(void **state)
{
  (void)state;
  check(before, after, NULL, 2, blocks / 3);
  check(before, after, "busy", 1, blocks / 3);
  check(before, after, "keyed", 1, blocks / 3);
  check(before, after, "quiet", 0, blocks / 3);
  check(before, before, NULL, 0, 4);
  check(after, before, NULL, 2, blocks / 3);
}

static void test_a_database(void **state)
{
  (void)state;
  check(before, "main", NULL, 2, blocks / 4);
  check("main", before, NULL, 2, blocks / 4);
  check(after, live, NULL, 0, blocks / 4);
  check(before, "main", "quiet", 0, blocks / 4);
  check(before, "main", "busy", 1, blocks / 4);
}

/* What cannot be proved is read, all of it: else the numbers above would say nothing. */
static void test_what_cannot_be_proved(void **state)
{
  (void)state;
  int64_t differ;
  char path[80];
  snprintf(path, sizeof path, "%s/vacuumed.db", dir);
  char *sql = sqlite3_mprintf("VACUUM INTO %Q", path);
  run("PRAGMA page_size=8192");
  run(sql);
  sqlite3_free(sql);
  assert_true(compare(before, path, NULL, &differ) > blocks / 2);  /* the index is not read */
  assert_int_equal(differ, 2);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_two_backups), cmocka_unit_test(test_a_database), cmocka_unit_test(test_what_cannot_be_proved),
  };
  return cmocka_run_group_tests(tests, setup, teardown);
}

/* What equal pages say of two databases: held against SQLite's own answer over databases that were edited at random,
** with rows that overflow, free pages, page sizes and auto-vacuum; among the edits are values written in place, which
** change an overflow page and nothing else. Then hostile trees.
*/
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/file.h"
#include "sqlite/changes.h"
#include "sqlite/leaves.h"
#include "sqlite/recognize.h"

static char dir[] = "/tmp/lb_changes_XXXXXX";
static lb_task task;
static uint32_t seed = 1;

static uint32_t random_below(uint32_t n)
{
  seed = seed * 1664525 + 1013904223;
  return (seed >> 8) % n;
}

/* ---- a database as pages ---- */

typedef struct file {
  char path[64];
  unsigned char *data;
  uint64_t bytes;
  uint32_t page_size;
  lb_pages pages;
  int64_t reads;
} file;

static int read_page(void *ctx, uint32_t page, void *data, size_t n, lb_error *err)
{
  file *f = ctx;
  (void)err;
  assert_true(page >= 1 && (uint64_t)page * f->page_size <= f->bytes);
  memcpy(data, f->data + (uint64_t)(page - 1) * f->page_size, n);
  f->reads++;
  return LB_OK;
}

static void load(file *f, const char *name)
{
  lb_error err = LB_ERROR_INIT;
  lb_sqlite_header header;
  struct stat st;
  memset(f, 0, sizeof *f);
  snprintf(f->path, sizeof f->path, "%s/%s", dir, name);
  int fd = open(f->path, O_RDONLY);
  assert_true(fd >= 0 && fstat(fd, &st) == 0);
  f->bytes = (uint64_t)st.st_size;
  f->data = malloc(f->bytes);
  assert_int_equal(lb_file_read(fd, f->data, f->bytes, 0, f->path, &err), LB_OK);
  close(fd);
  assert_true(lb_sqlite_header_read(f->data, f->bytes, &header));
  f->page_size = (uint32_t)header.page_size;
  f->pages = (lb_pages){ .read = read_page, .ctx = f, .label = name };
  assert_int_equal(lb_pages_init(&f->pages, header.page_size, header.page_count, f->bytes, &err), LB_OK);
}

static void unload(file *f)
{
  free(f->data);
}

static sqlite3 *open_db(const char *name)
{
  char path[80];
  sqlite3 *db;
  snprintf(path, sizeof path, "%s/%s", dir, name);
  assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
  return db;
}

static void run(sqlite3 *db, const char *format, ...)
{
  va_list args;
  char *message = NULL;
  va_start(args, format);
  char *sql = sqlite3_vmprintf(format, args);
  va_end(args);
  if (sqlite3_exec(db, sql, NULL, NULL, &message)) fail_msg("%s: %s", sql, message);
  sqlite3_free(sql);
}

static int64_t number(sqlite3 *db, const char *format, ...)
{
  va_list args;
  sqlite3_stmt *stmt;
  va_start(args, format);
  char *sql = sqlite3_vmprintf(format, args);
  va_end(args);
  if (sqlite3_prepare_v2(db, sql, -1, &stmt, NULL)) fail_msg("%s: %s", sql, sqlite3_errmsg(db));
  assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
  int64_t value = sqlite3_column_int64(stmt, 0);
  sqlite3_finalize(stmt);
  sqlite3_free(sql);
  return value;
}

static void copy_db(const char *from, const char *to)
{
  char command[200];
  snprintf(command, sizeof command, "cp %s/%s %s/%s", dir, from, dir, to);
  assert_int_equal(system(command), 0);
}

/* ---- random edits ---- */

static const char *const tables[] = { "small", "long", "w", "quiet", "wide" };
enum { TABLES = 5 };

static void make(const char *name, int page_size, int vacuum)
{
  char path[80];
  snprintf(path, sizeof path, "%s/%s", dir, name);
  unlink(path);
  sqlite3 *db = open_db(name);
  run(db, "PRAGMA page_size=%d; PRAGMA auto_vacuum=%d; PRAGMA synchronous=off; PRAGMA journal_mode=memory; BEGIN;"
          "CREATE TABLE small(id INTEGER PRIMARY KEY, a, b);"
          "CREATE TABLE long(id INTEGER PRIMARY KEY, body, k);"
          "CREATE TABLE w(k TEXT PRIMARY KEY, v) WITHOUT ROWID;"
          "CREATE TABLE quiet(id INTEGER PRIMARY KEY, body);"
          "CREATE TABLE wide(id INTEGER PRIMARY KEY, k UNIQUE, v);"
          "CREATE INDEX long_k ON long(k);"
          "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 900)"
          "  INSERT INTO small SELECT i * 3, i, hex(randomblob(i %% 30)) FROM n;"
          "INSERT INTO long SELECT id, hex(randomblob(id * 7 %% 1500)), hex(randomblob(id %% 700)) FROM small;"
          "INSERT INTO w SELECT 'key ' || id, hex(randomblob(id %% 400)) FROM small;"
          "INSERT INTO quiet SELECT id, hex(randomblob(id * 11 %% 1300)) FROM small;"
          "INSERT INTO wide SELECT id, hex(randomblob(20)), zeroblob(id %% 90) FROM small;"
          "DELETE FROM long WHERE id BETWEEN 300 AND 500; COMMIT", page_size, vacuum);
  sqlite3_close(db);
}

/* Writes a byte of a value where it lies: what may change is one overflow page. */
static void write_in_place(sqlite3 *db, const char *table)
{
  sqlite3_blob *blob;
  int64_t id = number(db, "SELECT id FROM %s WHERE length(body) > 5 ORDER BY random() LIMIT 1", table);
  assert_int_equal(sqlite3_blob_open(db, "main", table, "body", id, 1, &blob), SQLITE_OK);
  int n = sqlite3_blob_bytes(blob);
  assert_int_equal(sqlite3_blob_write(blob, "#", 1, (int)random_below((uint32_t)n)), SQLITE_OK);
  sqlite3_blob_close(blob);
}

static void edit(sqlite3 *db, bool in_place)
{
  int id = (int)random_below(2800);
  switch (random_below(in_place ? 10 : 8)) {
  case 0: run(db, "UPDATE small SET b = b || 'x' WHERE id BETWEEN %d AND %d", id, id + 3); break;
  case 1: run(db, "DELETE FROM small WHERE id BETWEEN %d AND %d", id, id + 60); break;
  case 2: run(db, "INSERT OR REPLACE INTO small VALUES(%d, 1, 'new')", id); break;
  case 3: run(db, "INSERT OR REPLACE INTO long VALUES(%d, hex(randomblob(%d)), hex(randomblob(%d)))", id, id, id % 900); break;
  case 4: run(db, "DELETE FROM long WHERE id BETWEEN %d AND %d", id, id + 30); break;
  case 5: run(db, "UPDATE w SET v = v || 'y' WHERE k = 'key %d'", id / 3 * 3); break;
  case 6: run(db, "UPDATE wide SET v = zeroblob(%d) WHERE id = %d", id % 90, id / 3 * 3); break;
  case 7: run(db, "INSERT INTO small(a) VALUES(%d)", id); break;
  case 8: write_in_place(db, "long"); break;
  case 9: write_in_place(db, "quiet"); break;
  }
}

/* ---- what is concluded, and what is so ---- */

typedef struct pair {
  sqlite3 *db;             /* main: a; b */
  file a, b;
  lb_pages other;          /* b, whose pages may be read or only come by */
  lb_changes *changes;
  bool useful;
} pair;

static void compare_all(pair *p, bool readable)
{
  lb_error err = LB_ERROR_INIT;
  p->other = p->b.pages;
  if (!readable) p->other.read = NULL;
  p->changes = lb_changes_open(&p->a.pages, &p->other, &err);
  uint32_t both = p->a.pages.count < p->b.pages.count ? p->a.pages.count : p->b.pages.count;
  lb_changes_mark(p->changes, 1);
  assert_int_equal(lb_changes_compare(p->changes, 2, p->a.data + p->a.page_size, p->b.data + p->b.page_size, both - 1,
                                      &err), LB_OK);
  /* what only the other side has comes by as well */
  if (p->b.pages.count > both) {
    assert_int_equal(lb_changes_compare(p->changes, both + 1, p->b.data, p->b.data + (uint64_t)both * p->b.page_size,
                                        p->b.pages.count - both, &err), LB_OK);
  }
  assert_int_equal(lb_changes_judge(p->changes, &task, &p->useful, &err), LB_OK);
}

static bool rows_differ(pair *p, const char *table, const char *where)
{
  return number(p->db, "SELECT EXISTS (SELECT * FROM (SELECT * FROM main.%s WHERE %s EXCEPT SELECT * FROM b.%s)) OR "
                       "EXISTS (SELECT * FROM (SELECT * FROM b.%s WHERE %s EXCEPT SELECT * FROM main.%s))",
                table, where, table, table, where, table);
}

static void check_stretches(pair *p, const char *table, int64_t root_a, int64_t root_b)
{
  lb_error err = LB_ERROR_INIT;
  lb_stretches *s;
  int64_t first, last, before = INT64_MIN, told = 0;
  bool more;
  char *outside = sqlite3_mprintf("1");
  assert_int_equal(lb_stretches_open(p->changes, root_a, root_b, table, &s, &err), LB_OK);
  assert_non_null(s);
  while (lb_stretches_next(s, &first, &last, &more, &err) == LB_OK && more) {
    assert_true(first <= last && (told == 0 || first > before));
    outside = sqlite3_mprintf("%z AND id NOT BETWEEN %lld AND %lld", outside, first, last);
    before = last;
    told++;
  }
  assert_int_equal(err.code, LB_OK);
  lb_stretches_close(s);
  if (told < 90 && rows_differ(p, table, outside)) fail_msg("%s: rows differ outside of the stretches", table);
  sqlite3_free(outside);
}

/* Returns how many tables were concluded to be the same. */
static int check_pair(bool readable, bool *useful)
{
  lb_error err = LB_ERROR_INIT;
  pair p = { .db = open_db("a.db") };
  int same_tables = 0;
  run(p.db, "ATTACH '%s/b.db' AS b", dir);
  load(&p.a, "a.db");
  load(&p.b, "b.db");
  compare_all(&p, readable);
  *useful = p.useful;
  for (int i = 0; i < TABLES && p.useful; i++) {
    int64_t root_a = number(p.db, "SELECT rootpage FROM main.sqlite_schema WHERE name = '%s'", tables[i]);
    int64_t root_b = number(p.db, "SELECT rootpage FROM b.sqlite_schema WHERE name = '%s'", tables[i]);
    bool same = false;
    if (root_a == root_b) assert_int_equal(lb_changes_tree_is_same(p.changes, root_a, tables[i], &same, &err), LB_OK);
    if (same && rows_differ(&p, tables[i], "1")) fail_msg("%s is not the same", tables[i]);
    same_tables += same;
    if (strcmp(tables[i], "w") != 0) check_stretches(&p, tables[i], root_a, root_b);
  }
  lb_changes_close(p.changes);
  unload(&p.a);
  unload(&p.b);
  sqlite3_close(p.db);
  return same_tables;
}

static void test_random_edits(void **state)
{
  (void)state;
  static const struct { int page_size, vacuum; } kinds[] = { { 512, 0 }, { 512, 1 }, { 1024, 2 }, { 4096, 0 } };
  int useful_ones = 0, same = 0, rounds = 0;
  for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
    make("a.db", kinds[k].page_size, kinds[k].vacuum);
    for (int round = 0; round < 6; round++) {
      bool useful;
      copy_db("a.db", "b.db");
      sqlite3 *db = open_db("b.db");
      run(db, "PRAGMA synchronous=off; PRAGMA journal_mode=memory; BEGIN");
      for (uint32_t n = random_below(8); n-- > 0;) edit(db, round % 3 == 0);
      run(db, "COMMIT");
      sqlite3_close(db);
      same += check_pair(round % 2, &useful);
      useful_ones += useful;
      rounds++;
      if (round % 7 == 0) copy_db("b.db", "a.db");
    }
  }
  /* it would be easy to conclude nothing */
  assert_true(useful_ones > rounds * 2 / 3);
  assert_true(same > useful_ones * 2);
}

/* A value of an equal leaf, written in place: nothing may be concluded. The same in a row whose leaf differs as well:
** that much can be told. */
static void test_overflow_alone(void **state)
{
  (void)state;
  bool useful;
  make("a.db", 1024, 0);
  for (int also_leaf = 0; also_leaf < 2; also_leaf++) {
    sqlite3_blob *blob;
    copy_db("a.db", "b.db");
    sqlite3 *db = open_db("b.db");
    int64_t id = number(db, "SELECT id FROM quiet WHERE length(body) > 2500 LIMIT 1");
    assert_int_equal(sqlite3_blob_open(db, "main", "quiet", "body", id, 1, &blob), SQLITE_OK);
    assert_int_equal(sqlite3_blob_write(blob, "#", 1, sqlite3_blob_bytes(blob) - 1), SQLITE_OK);
    if (also_leaf) assert_int_equal(sqlite3_blob_write(blob, "#", 1, 0), SQLITE_OK);
    sqlite3_blob_close(blob);
    sqlite3_close(db);
    int same = check_pair(true, &useful);
    assert_int_equal(useful, also_leaf);
    assert_int_equal(same, also_leaf ? TABLES - 1 : 0);
  }
}

/* Equal tables cost their interior pages; here, one in a hundred. */
static void test_reads_little(void **state)
{
  (void)state;
  lb_error err = LB_ERROR_INIT;
  bool same;
  sqlite3 *db = open_db("c.db");
  run(db, "CREATE TABLE t(id INTEGER PRIMARY KEY, a); CREATE TABLE u(a);"
          "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000)"
          "  INSERT INTO t SELECT i, hex(zeroblob(100)) FROM n; INSERT INTO u VALUES(1)");
  sqlite3_close(db);
  copy_db("c.db", "d.db");
  db = open_db("d.db");
  run(db, "UPDATE u SET a = 2; UPDATE t SET a = 'x' WHERE id = 10000");
  int64_t root = number(db, "SELECT rootpage FROM sqlite_schema WHERE name = 't'");
  sqlite3_close(db);
  pair p = { 0 };
  load(&p.a, "c.db");
  load(&p.b, "d.db");
  compare_all(&p, false);
  assert_true(p.useful);
  p.a.reads = p.b.reads = 0;
  assert_int_equal(lb_changes_tree_is_same(p.changes, root, "t", &same, &err), LB_OK);
  assert_false(same);
  lb_stretches *s;
  int64_t first = 0, last = 0, rows = 0;
  bool more;
  assert_int_equal(lb_stretches_open(p.changes, root, root, "t", &s, &err), LB_OK);
  while (lb_stretches_next(s, &first, &last, &more, &err) == LB_OK && more) {
    assert_true(first <= 10000 && last >= 10000);
    rows += last - first + 1;
  }
  assert_in_range(rows, 1, 100);
  lb_stretches_close(s);
  assert_in_range(p.a.reads + p.b.reads, 1, p.a.pages.count / 50);
  lb_changes_close(p.changes);
  unload(&p.a);
  unload(&p.b);
}

/* ---- hostile trees ---- */

static void put(file *f, uint32_t page, uint32_t offset, uint32_t value, int bytes)
{
  for (int i = 0; i < bytes; i++) {
    f->data[(uint64_t)(page - 1) * f->page_size + offset + (uint32_t)i] = (unsigned char)(value >> 8 * (bytes - 1 - i));
  }
}

static void walk(file *f, int64_t root, const char *message)
{
  lb_error err = LB_ERROR_INIT;
  lb_leaf leaf;
  int64_t next = INT64_MIN, leaves = 0;
  lb_leaves *l = lb_leaves_open(&f->pages, root, "t", &err);
  while (l && lb_leaves_next(l, &leaf, &err) == LB_OK && leaf.page) {
    assert_int_equal(leaf.first, next);
    assert_true(leaf.last >= leaf.first);
    if (leaf.last < INT64_MAX) next = leaf.last + 1;
    assert_true(++leaves <= f->pages.count * 4);
  }
  lb_leaves_close(l);
  assert_string_equal(err.message, message);
}

static void test_hostile(void **state)
{
  (void)state;
  static const struct { uint32_t offset, value; int bytes; const char *message; } cases[] = {
    { 0, 13, 1, "" },                   /* a leaf after all */
    { 0, 10, 1, "it is no page of a table" },
    { 0, 0, 1, "page 2 of t: it is no page of a b-tree" },
    { 3, 0xffff, 2, "page 2 of t: more cells than fit" },
    { 8, 0, 4, "page 2 of t points to page 0 of" },
    { 8, 0xffffffff, 4, "page 2 of t points to page 4294967295 of" },
    { 8, 2, 4, "page 2 of t: its keys are out of order" },
    { 12, 1, 2, "page 2 of t: a cell outside of it" },
    { 12, 511, 2, "page 2 of t: a cell outside of it" },
  };
  sqlite3 *db = open_db("h.db");
  run(db, "PRAGMA page_size=512; CREATE TABLE t(id INTEGER PRIMARY KEY, a); CREATE TABLE two(a);"
          "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 9000) INSERT INTO t SELECT i, i FROM n");
  assert_int_equal(number(db, "SELECT rootpage FROM sqlite_schema WHERE name = 't'"), 2);
  sqlite3_close(db);
  file good, f;
  load(&good, "h.db");
  walk(&good, 2, "");
  walk(&good, 0, "h.db: the database is damaged: page 1 of t points to page 0 of 186");
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    lb_error err = LB_ERROR_INIT;
    lb_leaf leaf;
    load(&f, "h.db");
    put(&f, 2, cases[i].offset, cases[i].value, cases[i].bytes);
    lb_leaves *l = lb_leaves_open(&f.pages, 2, "t", &err);
    while (l && lb_leaves_next(l, &leaf, &err) == LB_OK && leaf.page) continue;
    lb_leaves_close(l);
    if (cases[i].message[0] ? !strstr(err.message, cases[i].message) : err.code) fail_msg("%zu: %s", i, err.message);
    unload(&f);
  }
  /* any page as any other: it ends, and nothing is read that is not there */
  for (int i = 0; i < 800; i++) {
    lb_error err = LB_ERROR_INIT;
    lb_leaf leaf;
    int64_t leaves = 0;
    bool same;
    load(&f, "h.db");
    for (uint32_t n = 1 + random_below(6); n-- > 0;) {
      uint32_t page = 1 + random_below(f.pages.count);
      if (random_below(2)) put(&f, page, random_below(510), random_below(256), 1);
      else memcpy(f.data + (page - 1) * 512, f.data + random_below(f.pages.count) * 512, 512);
    }
    lb_leaves *l = lb_leaves_open(&f.pages, 2, "t", &err);
    while (l && lb_leaves_next(l, &leaf, &err) == LB_OK && leaf.page) assert_true(++leaves < 200000);
    lb_leaves_close(l);
    pair p = { .a = f, .b = good };
    p.a.pages.ctx = &p.a;
    p.b.pages.ctx = &p.b;
    if (f.data[16] == 2 && f.data[20] == 0) compare_all(&p, i % 2);
    err = (lb_error)LB_ERROR_INIT;
    if (p.changes && p.useful) {
      lb_changes_tree_is_same(p.changes, 2, "t", &same, &err);
      lb_stretches *s = NULL;
      int64_t first, last;
      bool more = true;
      err = (lb_error)LB_ERROR_INIT;
      lb_stretches_open(p.changes, 2, 2, "t", &s, &err);
      while (s && more && lb_stretches_next(s, &first, &last, &more, &err) == LB_OK) assert_true(++leaves < 400000);
      lb_stretches_close(s);
    }
    lb_changes_close(p.changes);
    unload(&f);
  }
  unload(&good);
}

static int setup(void **state)
{
  (void)state;
  lb_task_begin(&task, "test", "changes");
  return mkdtemp(dir) ? 0 : -1;
}

static int teardown(void **state)
{
  (void)state;
  char command[100];
  lb_task_end(&task);
  snprintf(command, sizeof command, "rm -rf %s", dir);
  return system(command);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_random_edits), cmocka_unit_test(test_overflow_alone), cmocka_unit_test(test_reads_little),
    cmocka_unit_test(test_hostile),
  };
  return cmocka_run_group_tests(tests, setup, teardown);
}

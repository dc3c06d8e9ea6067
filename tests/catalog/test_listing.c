/* The listing: what belongs to it, in which order, with which problems; and the manifest. */
#include "folder.h"

#include "catalog/history.h"
#include "catalog/marks.h"
#include "core/buffer.h"
#include "core/clock.h"

static lb_json *json;

static void read_folder(lb_listing *listing)
{
  lb_error err = LB_ERROR_INIT;
  lb_listing_read(folder, json, listing, &err);
  assert_string_equal(err.message, "");
}

/* The listing as "file: problem" lines, newest first. */
static void expect_listing(const char *text)
{
  lb_listing listing;
  lb_buf out = { 0 };
  lb_buf_text(&out, "");
  read_folder(&listing);
  for (int i = 0; i < listing.count; i++) {
    const lb_backup *b = &listing.items[i];
    /* The reader's own words are tested with the reader; here it is enough that they are there. */
    bool own = b->problem && strstr(b->problem, folder);
    lb_buf_printf(&out, "%s: %s\n", b->file, !b->problem ? "good" : own ? "reader" : b->problem);
    assert_int_equal(lb_backup_is_good(b), !b->problem);
  }
  assert_string_equal(out.data, text);
  lb_buf_free(&out);
  lb_listing_free(&listing);
}

static void test_what_belongs(void **state)
{
  (void)state;
  expect_listing("");
  put_foreign_gzip("admin_sqlite_20251101_000000.db.gz");
  put_foreign_gzip("admin_sqlite_20251101_000000_2.db.gz");
  put_foreign_gzip("admin_sqlite_20251101_000000_10.db.gz");
  put_foreign_gzip("admin_postgres_before_restore_20251102_000000.sql.gz");
  /* By the manifest's time, not by the name's: it is the newest. */
  put_backup_of("shop_sqlite_20201101_000000.db.gz", "/a/shop.db", "2025-11-03 00:00:00");
  put_file("admin_sqlite_20251101_000000.db.gz.pin", "", 0);
  put_file("catalog.db.damaged", "x", 1);
  put_file("notes.txt", "x", 1);
  put_file(".admin_sqlite_20251101_000000.db.gz.aabbcc.partial", "x", 1);
  assert_int_equal(symlink("admin_sqlite_20251101_000000.db.gz", in_folder("link_sqlite_20251101_000000.db.gz")), 0);
  assert_int_equal(mkdir(in_folder("dir_sqlite_20251101_000000.db.gz"), 0700), 0);
  assert_int_equal(mkfifo(in_folder("fifo_sqlite_20251101_000000.db.gz"), 0600), 0);
  expect_listing("shop_sqlite_20201101_000000.db.gz: good\n"
                 "admin_postgres_before_restore_20251102_000000.sql.gz: good\n"
                 "admin_sqlite_20251101_000000_10.db.gz: good\n"
                 "admin_sqlite_20251101_000000_2.db.gz: good\n"
                 "admin_sqlite_20251101_000000.db.gz: good\n");
}

/* Files of one second: the serial tells, then the files' own times, which a copy may have lost, then the name. */
static void test_one_second(void **state)
{
  (void)state;
  static const char page[512] = "SQLite format 3";
  static const struct { const char *name; long ns; } files[] = {
    { "admin_sqlite_20251101_000000.db.gz", 300 }, { "admin_sqlite_20251101_000000_2.db.gz", 0 },
    { "admin_sqlite_20251101_000000.db", 200 }, { "admin_postgres_20251101_000000.sql.gz", 200 },
    { "shop_sqlite_20251101_000000.db.gz", 100 },
  };
  for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
    struct timespec times[2] = { { 1800000000, files[i].ns }, { 1800000000, files[i].ns } };
    if (strchr(files[i].name, 'z')) put_foreign_gzip(files[i].name);
    else put_file(files[i].name, page, sizeof page);
    assert_int_equal(utimensat(AT_FDCWD, in_folder(files[i].name), times, 0), 0);
  }
  expect_listing("admin_sqlite_20251101_000000_2.db.gz: good\n"
                 "admin_sqlite_20251101_000000.db.gz: good\n"
                 "admin_sqlite_20251101_000000.db: good\n"
                 "admin_postgres_20251101_000000.sql.gz: good\n"
                 "shop_sqlite_20251101_000000.db.gz: good\n");
}

static void test_problems(void **state)
{
  (void)state;
  static const char page[512] = "SQLite format 3", other[512] = "SQLite format 2";
  put_file("a_sqlite_20250101_000009.db.gz", "", 0);
  put_file("a_sqlite_20250101_000008.db.gz", page, sizeof page);
  put_file("a_sqlite_20250101_000007.db", page, sizeof page);
  put_file("a_sqlite_20250101_000006.db", page, sizeof page - 1);
  put_file("a_sqlite_20250101_000005.db", other, sizeof other);
  put_file("a_postgres_20250101_000004.sql", "SELECT 1;", 9);
  put_foreign_gzip("a_sqlite_20250101_000003.db");
  put_foreign_gzip("a_sqlite_20250101_000002.db.zst");
  put_file("a_sqlite_20250101_000001.db.gz", "\x1f\x8b\x08\0\0\0\0\0\0\3", 10);
  expect_listing("a_sqlite_20250101_000009.db.gz: empty file\n"
                 "a_sqlite_20250101_000008.db.gz: reader\n"
                 "a_sqlite_20250101_000007.db: good\n"
                 "a_sqlite_20250101_000006.db: truncated SQLite database\n"
                 "a_sqlite_20250101_000005.db: not a SQLite database\n"
                 "a_postgres_20250101_000004.sql: good\n"
                 "a_sqlite_20250101_000003.db: compressed, though its name does not say so\n"
                 "a_sqlite_20250101_000002.db.zst: not a zstd file\n"
                 "a_sqlite_20250101_000001.db.gz: truncated gzip file\n");
}

static void test_hostile_manifests(void **state)
{
  (void)state;
  put_backup("a_sqlite_20250101_000004.db.gz", "{\"format\":1,\"created\":5}");
  put_backup("a_sqlite_20250101_000003.db.gz", "{\"format\":2}");
  put_backup("a_sqlite_20250101_000002.db.gz", "{\"format\":1,\"type\":\"postgres\"}");
  put_backup("a_sqlite_20250101_000001.db.gz", "[]");
  put_backup("a_sqlite_20250101_000000.db.gz", "{\"format\":1}");
  expect_listing("a_sqlite_20250101_000004.db.gz: manifest: field \"created\" is not valid\n"
                 "a_sqlite_20250101_000003.db.gz: manifest: format 2 is not known to this version\n"
                 "a_sqlite_20250101_000002.db.gz: its name and its manifest tell different types of database\n"
                 "a_sqlite_20250101_000001.db.gz: manifest: not a JSON object\n"
                 "a_sqlite_20250101_000000.db.gz: good\n");
}

static void test_truncated_file_of_ours(void **state)
{
  (void)state;
  struct stat st;
  put_backup_of("a_sqlite_20250101_000000.db.gz", "/a.db", "2025-01-01 00:00:00");
  assert_int_equal(stat(in_folder("a_sqlite_20250101_000000.db.gz"), &st), 0);
  assert_int_equal(truncate(in_folder("a_sqlite_20250101_000000.db.gz"), st.st_size - 1), 0);
  expect_listing("a_sqlite_20250101_000000.db.gz: reader\n");
}

static void test_marks_and_verification(void **state)
{
  (void)state;
  lb_error err = LB_ERROR_INIT;
  lb_listing listing;
  const char *file = "a_sqlite_20250101_000000.db.gz";
  put_backup(file, "{\"format\":1,\"source\":\"/a.db\",\"note\":\"from the manifest\"}");
  lb_mark_pin(in_folder(file), true, &err);
  read_folder(&listing);
  assert_true(listing.items[0].pinned && listing.items[0].indexed);
  assert_string_equal(listing.items[0].note, "from the manifest");
  assert_string_equal(listing.items[0].manifest.source, "/a.db");
  assert_int_equal(listing.items[0].verified_at, 0);
  lb_listing_free(&listing);

  lb_mark_note(in_folder(file), "by the user", &err);
  add_verification(file, "quick", "block 3 is damaged\nblock 4 is damaged", &err);
  read_folder(&listing);
  assert_string_equal(listing.items[0].note, "by the user");
  assert_string_equal(listing.items[0].verify_result, "block 3 is damaged");
  assert_true(listing.items[0].verified_at > 0);
  assert_null(listing.items[0].problem);
  assert_false(lb_backup_is_good(&listing.items[0]));
  lb_listing_free(&listing);

  /* Another file under the same name does not inherit the result, though it is of the same size. */
  struct timespec times[2] = { { 1000, 0 }, { 1000, 0 } };
  assert_int_equal(utimensat(AT_FDCWD, in_folder(file), times, 0), 0);
  lb_backup backup;
  assert_int_equal(lb_backup_read(in_folder(file), json, &backup, &err), LB_OK);
  assert_null(backup.verify_result);
  assert_true(lb_backup_is_good(&backup) && backup.pinned);
  lb_backup_free(&backup);
}

static void test_one_file_of_any_name(void **state)
{
  (void)state;
  lb_error err = LB_ERROR_INIT;
  lb_backup backup;
  put_backup("copy.bin", "{\"format\":1,\"name\":\"admin\",\"type\":\"sqlite\",\"created\":\"2025-01-02 03:04:05\"}");
  assert_int_equal(lb_backup_read(in_folder("copy.bin"), json, &backup, &err), LB_OK);
  assert_null(backup.problem);
  assert_string_equal(backup.name.name, "admin");
  assert_int_equal(backup.name.type, LB_TYPE_SQLITE);
  assert_int_equal(backup.created, 1735787045);
  lb_backup_free(&backup);
  put_foreign_gzip("foreign.bin");
  assert_int_equal(lb_backup_read(in_folder("foreign.bin"), json, &backup, &err), LB_OK);
  assert_int_equal(backup.name.type, LB_TYPE_NONE);
  lb_backup_free(&backup);
  assert_int_equal(lb_backup_read(in_folder("none"), json, &backup, &err), LB_NOTFOUND);
  lb_error_clear(&err);
  assert_int_equal(lb_backup_read(folder, json, &backup, &err), LB_MISUSE);
  lb_error_clear(&err);
  lb_listing listing;
  assert_int_equal(lb_listing_read(in_folder("none"), json, &listing, &err), LB_NOTFOUND);
}

static void test_manifest_round_trip(void **state)
{
  (void)state;
  lb_error err = LB_ERROR_INIT;
  lb_manifest m;
  char tool[] = "lifeboat 0.1.0", source[] = "/srv/a \"b\"\n.db";
  lb_manifest_init(&m);
  char *text = lb_manifest_format(&m, &err);
  assert_string_equal(text, "{\"format\":1,\"kind\":\"full\"}");
  free(text);
  m.tool = tool;
  m.source = source;
  m.type = LB_TYPE_SQLITE;
  m.kind = LB_KIND_BEFORE_RESTORE;
  m.created = 1762257600;
  m.raw_bytes = 1LL << 40;
  m.uid = 0;
  m.mode = 0640;
  m.block_bytes = 262144;
  text = lb_manifest_format(&m, &err);
  assert_string_equal(text, "{\"format\":1,\"type\":\"sqlite\",\"kind\":\"before_restore\",\"tool\":\"lifeboat 0.1.0\","
                      "\"source\":\"/srv/a \\\"b\\\"\\u000a.db\",\"created\":\"2025-11-04 12:00:00\","
                      "\"raw_bytes\":1099511627776,\"block_bytes\":262144,\"uid\":0,\"mode\":\"0640\"}");
  lb_manifest back;
  assert_int_equal(lb_manifest_parse(json, text, &back, &err), LB_OK);
  char *again = lb_manifest_format(&back, &err);
  assert_string_equal(again, text);
  assert_int_equal(back.page_size, -1);
  free(text);
  free(again);
  lb_manifest_free(&back);
}

static void test_manifest_of_postgres(void **state)
{
  (void)state;
  static const char text[] =
    "{\"format\":1,\"type\":\"postgres\",\"kind\":\"full\",\"source\":\"postgresql:///shop\",\"raw_bytes\":9,"
    "\"server_version\":\"15.20\",\"pg_dump_version\":\"18.1\",\"database\":\"shop\",\"encoding\":\"LATIN1\","
    "\"locale_provider\":\"libc\",\"collate\":\"de_DE\",\"ctype\":\"C\",\"tables\":0}";
  lb_error err = LB_ERROR_INIT;
  lb_manifest m;
  assert_int_equal(lb_manifest_parse(json, text, &m, &err), LB_OK);
  assert_string_equal(m.server_version, "15.20");
  assert_string_equal(m.pg_dump_version, "18.1");
  assert_string_equal(m.database, "shop");
  assert_string_equal(m.encoding, "LATIN1");
  assert_string_equal(m.locale_provider, "libc");
  assert_string_equal(m.collate, "de_DE");
  assert_string_equal(m.ctype, "C");
  assert_int_equal(m.tables, 0);
  char *again = lb_manifest_format(&m, &err);
  assert_string_equal(again, text);
  free(again);
  lb_manifest_free(&m);
  assert_int_equal(m.tables, -1);
}

static void test_manifest_refused(void **state)
{
  (void)state;
  static const char *const bad[] = {
    "\"type\":\"oracle\"", "\"type\":1", "\"kind\":\"half\"", "\"created\":\"2025-13-01 00:00:00\"",
    "\"created\":\"2025-01-01 00:00:00Z\"", "\"created\":\"1969-01-01 00:00:00\"", "\"raw_bytes\":-1",
    "\"raw_bytes\":1.5", "\"raw_bytes\":\"1\"", "\"raw_bytes\":9223372036854775808", "\"page_size\":65537",
    "\"block_bytes\":4294967296", "\"uid\":4294967296", "\"mode\":640", "\"mode\":\"0888\"", "\"mode\":\"\"",
    "\"mode\":\"77777\"", "\"source\":[]", "\"note\":{}", "\"name\":\"../x\"", "\"name\":\"\"", "\"tool\":\"\\u0000\"",
    "\"tables\":-1", "\"tables\":2147483648", "\"tables\":\"1\"", "\"encoding\":1", "\"server_version\":150020",
  };
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    char text[200];
    lb_manifest m;
    lb_error err = LB_ERROR_INIT;
    snprintf(text, sizeof text, "{\"format\":1,\"source\":\"/leak\",%s}", bad[i]);
    if (lb_manifest_parse(json, text, &m, &err) != LB_CORRUPT) fail_msg("not refused: %s", bad[i]);
    assert_null(m.source);
  }
  lb_manifest m;
  lb_error err = LB_ERROR_INIT;
  assert_int_equal(lb_manifest_parse(json, "{}", &m, &err), LB_CORRUPT);
  lb_error_clear(&err);
  assert_int_equal(lb_manifest_parse(json, "{\"format\":1,\"note\":null,\"from\":[\"the future\"]}", &m, &err), LB_OK);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, folder_make, folder_remove)

int main(void)
{
  const struct CMUnitTest tests[] = {
    TEST(test_what_belongs), TEST(test_problems), TEST(test_hostile_manifests), TEST(test_truncated_file_of_ours),
    TEST(test_one_second), TEST(test_marks_and_verification), TEST(test_one_file_of_any_name),
    cmocka_unit_test(test_manifest_round_trip), cmocka_unit_test(test_manifest_of_postgres),
    cmocka_unit_test(test_manifest_refused),
  };
  lb_error err = LB_ERROR_INIT;
  json = lb_json_open(&err);
  int rc = json ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
  lb_json_close(json);
  return rc;
}

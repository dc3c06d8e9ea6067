/* The cache of blocks, and the index that gzip of another tool gets: any place of the content is what it was; the limit
** holds; files are shared, told apart and let go; scans are read ahead.
*/
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "archive/gzip_index.h"
#include "archive/writer.h"
#include "core/file.h"
#include "vfs/cache.h"
#include "vfs/vfs.h"

#define CONTENT ((size_t)12 << 20)
#define BLOCK (256u << 10)

static unsigned char *content, *back;
static lb_task task;
static char dir[] = "/tmp/lb_cache_XXXXXX";
static char path_a[64], path_b[64], path_gz[64];

static int write_backup(const char *path, const unsigned char *data, size_t n)
{
  lb_error err = LB_ERROR_INIT;
  lb_writer_figures figures;
  int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
  lb_writer_options o = { .codec = lb_codec_get("gzip", &err), .level = 1, .threads = 2, .raw_expected = (int64_t)n };
  lb_writer *w = lb_writer_open(fd, path, &o, &task, &err);
  lb_sink *sink = lb_writer_sink(w);
  for (size_t at = 0; at < n;) {
    unsigned char *to = sink->claim(sink, &err);
    size_t took = n - at < sink->block_bytes ? n - at : sink->block_bytes;
    memcpy(to, data + at, took);
    sink->submit(sink, took, &err);
    at += took;
  }
  lb_writer_end_data(w, &figures, &err);
  lb_writer_finish(w, "{}", NULL, &err);
  lb_writer_close(w);
  assert_string_equal(err.message, "");
  return close(fd);
}

/* Members of these many bytes each, at this level: what cat of several .gz files makes. */
static void write_gzip(const char *path, const unsigned char *data, size_t n, size_t member, const char *mode)
{
  unlink(path);
  for (size_t at = 0; at < n; at += member) {
    gzFile f = gzopen(path, mode);
    assert_non_null(f);
    size_t took = n - at < member ? n - at : member;
    assert_int_equal(gzwrite(f, data + at, (unsigned)took), took);
    assert_int_equal(gzclose(f), Z_OK);
  }
}

static int setup(void **state)
{
  (void)state;
  uint32_t seed = 11;
  content = malloc(CONTENT);
  back = malloc(CONTENT + 100);
  for (size_t i = 0; i < CONTENT; i++) {
    seed = seed * 1664525 + 1013904223;
    content[i] = (unsigned char)(i / 70000 % 3 ? (seed >> 24) & 0x3f : "a row of a table "[i % 17] + (i >> 18));
  }
  lb_task_begin(&task, "test", "cache");
  if (!mkdtemp(dir)) return -1;
  snprintf(path_a, sizeof path_a, "%s/a.db.gz", dir);
  snprintf(path_b, sizeof path_b, "%s/b.db.gz", dir);
  snprintf(path_gz, sizeof path_gz, "%s/old.db.gz", dir);
  write_backup(path_a, content, CONTENT);
  write_backup(path_b, content + 1000, CONTENT / 2);
  return 0;
}

static int teardown(void **state)
{
  (void)state;
  lb_task_end(&task);
  unlink(path_a);
  unlink(path_b);
  unlink(path_gz);
  rmdir(dir);
  free(content);
  free(back);
  return 0;
}

static lb_cached_file *open_file(const char *path)
{
  lb_error err = LB_ERROR_INIT;
  lb_cached_file *file = lb_cache_open(path, &err);
  assert_string_equal(err.message, "");
  return file;
}

static void check_at(lb_cached_file *file, lb_cache_trail *trail, const unsigned char *of, size_t total, size_t offset,
                     size_t n)
{
  lb_error err = LB_ERROR_INIT;
  bool short_read;
  size_t there = offset >= total ? 0 : total - offset < n ? total - offset : n;
  memset(back, 0xa5, n);
  assert_int_equal(lb_cache_read(file, trail, offset, back, n, &short_read, &err), LB_OK);
  assert_int_equal(short_read, there < n);
  assert_memory_equal(back, of + (there ? offset : 0), there);
  for (size_t i = there; i < n; i++) assert_int_equal(back[i], 0);
}

static void read_around(lb_cached_file *file, const unsigned char *of, size_t total)
{
  lb_cache_trail trail = { 0 };
  uint32_t seed = 5;
  for (int i = 0; i < 400; i++) {
    seed = seed * 1664525 + 1013904223;
    check_at(file, &trail, of, total, (seed >> 4) % total, 1 + (seed & 0x3fff));
  }
  check_at(file, &trail, of, total, 0, total);
  check_at(file, &trail, of, total, total - 10, 100);
  check_at(file, &trail, of, total, total, 100);
  check_at(file, &trail, of, total, total + 5000, 100);
}

static void test_any_place(void **state)
{
  (void)state;
  lb_cached_file *a = open_file(path_a), *b = open_file(path_b);
  assert_int_equal(lb_cache_content_bytes(a), CONTENT);
  read_around(a, content, CONTENT);
  read_around(b, content + 1000, CONTENT / 2);
  lb_cache_close(a);
  read_around(b, content + 1000, CONTENT / 2);
  lb_cache_close(b);
  assert_int_equal(lb_cache_look().bytes, 0);
  assert_int_equal(lb_cache_look().threads, 0);
}

static void test_other_gzip(void **state)
{
  (void)state;
  static const struct { size_t member; const char *mode; } kinds[] = {
    { CONTENT, "ab6" }, { CONTENT, "ab1" }, { CONTENT, "ab0" }, { 777777, "ab6" }, { BLOCK, "ab9" }, { CONTENT, "abh" },
  };
  for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
    write_gzip(path_gz, content, CONTENT, kinds[i].member, kinds[i].mode);
    lb_cached_file *file = open_file(path_gz);
    assert_int_equal(lb_cache_content_bytes(file), CONTENT);
    read_around(file, content, CONTENT);
    lb_cache_close(file);
  }
}

/* More points than are kept: every other one goes, and each place is still found. */
static void test_gzip_points(void **state)
{
  (void)state;
  lb_error err = LB_ERROR_INIT;
  size_t total = (size_t)540 << 20, n = 1u << 20;
  struct stat st;
  unlink(path_gz);
  gzFile f = gzopen(path_gz, "wb1");
  memset(back, 'x', n);
  for (size_t i = 0; i < total / n; i++) {
    memcpy(back, &i, sizeof i);
    assert_int_equal(gzwrite(f, back, (unsigned)n), n);
    assert_int_equal(gzflush(f, Z_SYNC_FLUSH), Z_OK);  /* a place for a point */
  }
  assert_int_equal(gzclose(f), Z_OK);
  int fd = open(path_gz, O_RDONLY);
  assert_int_equal(fstat(fd, &st), 0);
  lb_gzip_index *index = lb_gzip_index_build(fd, (uint64_t)st.st_size, &err);
  assert_non_null(index);
  assert_int_equal(lb_gzip_index_bytes(index), total);
  assert_in_range(lb_gzip_index_points(index), 257, 300);
  lb_gzip_place *place = lb_gzip_place_open(index, &err);
  for (size_t i = 0; i < total / n; i += 67) {
    size_t at = (i * 211) % (total / n);
    assert_int_equal(lb_gzip_place_read(place, at * n / LB_GZIP_INDEX_BLOCK, back, &err), LB_OK);
    assert_memory_equal(back, &at, sizeof at);
  }
  lb_gzip_place_close(place);
  lb_gzip_index_free(index);
  close(fd);
}

static void test_limit(void **state)
{
  (void)state;
  lb_cache_trail trail = { 0 };
  lb_cache_limit(4 * BLOCK);
  lb_cached_file *a = open_file(path_a), *b = open_file(path_b);
  for (size_t at = 0; at < CONTENT; at += 50000) {
    check_at(a, &trail, content, CONTENT, at, 4096);
    check_at(b, &trail, content + 1000, CONTENT / 2, at / 2, 4096);
    assert_true(lb_cache_look().bytes <= 4 * BLOCK);
  }
  /* what was used last is still there, and what was not is gone */
  uint64_t before = lb_cache_look().inflated;
  check_at(b, &trail, content + 1000, CONTENT / 2, CONTENT / 2 - 4096, 4096);
  assert_int_equal(lb_cache_look().inflated, before);
  check_at(b, &trail, content + 1000, CONTENT / 2, 0, 4096);
  assert_int_equal(lb_cache_look().inflated, before + 1);
  lb_cache_limit(1);
  assert_int_equal(lb_cache_look().bytes, 0);
  check_at(a, &trail, content, CONTENT, 300000, 700000);  /* one block at a time, and no more */
  lb_cache_close(a);
  lb_cache_close(b);
  lb_cache_limit(LB_CACHE_DEFAULT);
}

static void test_files_are_shared_and_told_apart(void **state)
{
  (void)state;
  lb_cache_trail trail = { 0 };
  lb_error err = LB_ERROR_INIT;
  lb_cached_file *one = open_file(path_a), *two = open_file(path_a);
  assert_ptr_equal(one, two);
  check_at(one, &trail, content, CONTENT, 5, 10);
  uint64_t before = lb_cache_look().inflated;
  check_at(two, &trail, content, CONTENT, 1000, 10);
  assert_int_equal(lb_cache_look().inflated, before);
  lb_cache_close(two);
  /* another file under the name, while the first is open and deleted */
  assert_int_equal(unlink(path_a), 0);
  write_backup(path_a, content + 77, CONTENT - 77);
  two = open_file(path_a);
  assert_ptr_not_equal(one, two);
  check_at(two, &trail, content + 77, CONTENT - 77, 12345, 100);
  check_at(one, &trail, content, CONTENT, CONTENT - 100, 100);
  lb_cache_close(one);
  lb_cache_close(two);
  write_backup(path_a, content, CONTENT);
  assert_null(lb_cache_open("/nonexistent/a.db.gz", &err));
  assert_int_equal(err.code, LB_NOTFOUND);
  lb_cache_close(NULL);
}

static void test_scans_are_read_ahead(void **state)
{
  (void)state;
  lb_cache_trail trail = { 0 };
  lb_cached_file *a = open_file(path_a);
  for (size_t at = 0; at < 3 * BLOCK; at += 4096) check_at(a, &trail, content, CONTENT, at, 4096);
  assert_int_equal(lb_cache_look().threads, 0);  /* three blocks are no scan yet */
  uint64_t before = lb_cache_look().inflated;
  for (size_t at = 0; at < CONTENT; at += 4096) check_at(a, &trail, content, CONTENT, at, 4096);
  if (sysconf(_SC_NPROCESSORS_ONLN) > 1) assert_in_range(lb_cache_look().threads, 1, 2);
  assert_int_equal(lb_cache_look().inflated, before + CONTENT / BLOCK - 3);  /* each block once */
  lb_cache_close(a);
  assert_int_equal(lb_cache_look().threads, 0);
}

static void test_uri(void **state)
{
  (void)state;
  lb_error err = LB_ERROR_INIT;
  char *uri = lb_vfs_uri("/a b/c%?#&=\xc3\xa4/X_1-2.3~.db.gz", &err);
  assert_string_equal(uri, "file:/a%20b/c%25%3F%23%26%3D%C3%A4/X_1-2.3~.db.gz?vfs=lifeboat");
  free(uri);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_any_place), cmocka_unit_test(test_other_gzip), cmocka_unit_test(test_gzip_points),
    cmocka_unit_test(test_limit), cmocka_unit_test(test_files_are_shared_and_told_apart),
    cmocka_unit_test(test_scans_are_read_ahead), cmocka_unit_test(test_uri),
  };
  return cmocka_run_group_tests(tests, setup, teardown);
}

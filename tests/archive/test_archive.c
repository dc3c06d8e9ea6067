/* Backup files: what the writer makes, the reader and other tools give back; nothing that is changed in a file of ours
** goes unnoticed.
*/
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "archive/index.h"
#include "archive/reader.h"
#include "archive/writer.h"
#include "core/file.h"
#include "core/hash.h"

#define MANIFEST "{\"format\":1,\"note\":\"gr\xc3\xbc\xc3\x9f\"}"
#define RAW_MOST ((4u << 20) + 4096 + 1)

static unsigned char *content, *back;
static lb_task task;

static int setup(void **state)
{
  (void)state;
  uint32_t seed = 7;
  content = malloc(RAW_MOST);
  back = malloc(RAW_MOST);
  for (size_t i = 0; i < RAW_MOST; i++) {
    seed = seed * 1664525 + 1013904223;
    /* stretches of noise between stretches that compress */
    content[i] = (unsigned char)(i / 100000 % 2 ? seed >> 24 : "row of a table, "[i % 16] + (seed >> 30));
  }
  lb_task_begin(&task, "test", "archive");
  return 0;
}

static int teardown(void **state)
{
  (void)state;
  lb_task_end(&task);
  free(content);
  free(back);
  return 0;
}

/* A file without a name. */
static int new_file(void)
{
  char path[] = "/tmp/lb_archive_XXXXXX";
  int fd = mkstemp(path);
  assert_true(fd >= 0);
  unlink(path);
  return fd;
}

static off_t size_of(int fd)
{
  return lseek(fd, 0, SEEK_END);
}

/* Writes n bytes of content, the first `head` of them as a head. Returns the file. */
static int write_file(const lb_codec *codec, int level, int threads, size_t n, size_t head, lb_writer_figures *f)
{
  lb_error err = LB_ERROR_INIT;
  int fd = new_file();
  lb_writer_options options = { codec, level, threads, (int64_t)n, false };
  lb_writer *w = lb_writer_open(fd, "new", &options, &task, &err);
  assert_non_null(w);
  lb_sink *sink = lb_writer_sink(w);
  if (head) assert_int_equal(sink->reserve_head(sink, head, &err), LB_OK);
  for (size_t at = head; at < n; at += sink->block_bytes) {
    size_t part = n - at < sink->block_bytes ? n - at : sink->block_bytes;
    unsigned char *block = sink->claim(sink, &err);
    assert_non_null(block);
    memcpy(block, content + at, part);
    assert_int_equal(sink->submit(sink, part, &err), LB_OK);
  }
  if (head) assert_int_equal(sink->fill_head(sink, content, &err), LB_OK);
  assert_int_equal(lb_writer_end_data(w, f, &err), LB_OK);
  assert_int_equal(lb_writer_finish(w, MANIFEST, NULL, &err), LB_OK);
  assert_int_equal(f->raw_bytes, n);
  assert_int_equal(lb_hash_available(), n ? f->content_hash != 0 : lb_hash_available());
  lb_writer_close(w);
  return fd;
}

typedef struct taken {
  _Atomic uint64_t bytes;
} taken;

static int take(void *ctx, uint64_t offset, const void *data, size_t n, lb_error *err)
{
  taken *t = ctx;
  if (offset > RAW_MOST || n > RAW_MOST - offset) return lb_fail(err, LB_ERROR, "beyond the content");
  memcpy(back + offset, data, n);
  atomic_fetch_add(&t->bytes, n);
  return LB_OK;
}

/* The result of opening and reading a file that is called path. */
static int read_file(int fd, const char *path, uint64_t *bytes, lb_error *err)
{
  taken t = { 0 };
  lb_reader_report report = { 0, NULL, 0 };
  lb_reader *r = lb_reader_open(fd, path, err);
  if (r) lb_reader_pass(r, 2, take, &t, &task, &report, err);
  if (r && err->code == LB_OK) assert_int_equal(report.raw_bytes, t.bytes);
  lb_reader_close(r);
  *bytes = t.bytes;
  return err->code;
}

static void check_tool(const char *tool, int fd, size_t n)
{
  char command[200];
  snprintf(command, sizeof command, "%s < /proc/%d/fd/%d", tool, (int)getpid(), fd);
  FILE *p = popen(command, "r");
  assert_non_null(p);
  assert_int_equal(fread(back, 1, RAW_MOST, p), n);
  assert_int_equal(pclose(p), 0);
  assert_memory_equal(back, content, n);
}

static void check_round_trip(const lb_codec *codec, int level, int threads, size_t n, size_t head)
{
  lb_error err = LB_ERROR_INIT;
  lb_writer_figures f;
  uint64_t bytes;
  size_t got;
  int fd = write_file(codec, level, threads, n, head, &f);
  memset(back, 0, n);
  assert_int_equal(read_file(fd, "x", &bytes, &err), LB_OK);
  assert_int_equal(bytes, n);
  assert_memory_equal(back, content, n);

  lb_reader *r = lb_reader_open(fd, "x", &err);
  assert_int_equal(lb_reader_kind_of(r), LB_READER_INDEXED);
  assert_ptr_equal(lb_reader_codec(r), codec);
  assert_string_equal(lb_reader_manifest(r), MANIFEST);
  assert_int_equal(lb_reader_raw_bytes(r), n);
  assert_int_equal(lb_reader_stored_bytes(r), size_of(fd));
  memset(back, 0, 5000);
  assert_int_equal(lb_reader_peek(r, back, 5000, &got, &err), LB_OK);
  assert_int_equal(got, n < 5000 ? n : 5000);
  assert_memory_equal(back, content, got);
  lb_reader_close(r);
  check_tool(strcmp(codec->name, "zstd") ? "gunzip -c" : "zstd -dcq", fd, n);
  close(fd);
}

static void test_round_trips(void **state)
{
  (void)state;
  const lb_codec *codec;
  for (int i = 0; (codec = lb_codec_at(i)); i++) {
    size_t b = lb_writer_block_bytes(codec, 0);
    const size_t sizes[] = { 0, 1, b - 1, b, b + 1, 3 * b, RAW_MOST };
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
      check_round_trip(codec, codec->level_default, 1 + (int)s % 3, sizes[s], 0);
      if (sizes[s] + 4096 <= RAW_MOST) check_round_trip(codec, codec->level_default, 2, sizes[s] + 4096, 4096);
    }
    check_round_trip(codec, codec->level_min, 2, 70000, 65536);
    check_round_trip(codec, codec->level_max, 2, 70000, 512);
  }
}

static void test_block_bytes(void **state)
{
  (void)state;
  const lb_codec *gzip = lb_codec_by_suffix("a.gz");
  assert_int_equal(lb_writer_block_bytes(gzip, 0), 256 << 10);
  assert_int_equal(lb_writer_block_bytes(gzip, (int64_t)32 << 30), 256 << 10);
  assert_int_equal(lb_writer_block_bytes(gzip, (int64_t)33 << 30), 512 << 10);
  assert_int_equal(lb_writer_block_bytes(gzip, INT64_MAX), 4 << 20);
}

/* Without a name that gives the format away: the bytes alone must do. Below 4 bytes nothing tells what it was. */
static void check_noticed(const unsigned char *bytes, size_t n, const char *path, const char *what, size_t at)
{
  lb_error err = LB_ERROR_INIT;
  uint64_t got;
  static int fd = -1;  /* one file for all cases: there are tens of thousands */
  if (fd < 0) fd = new_file();
  assert_int_equal(ftruncate(fd, (off_t)n), 0);
  assert_int_equal(lb_file_write(fd, bytes, n, 0, "copy", &err), LB_OK);
  if (read_file(fd, path, &got, &err) != LB_CORRUPT) {
    fail_msg("%s at %zu went unnoticed: %d %s", what, at, (int)err.code, err.message);
  }
  assert_memory_equal(err.message, path, strlen(path));
}

static void check_all_damage(const lb_codec *codec, size_t n, size_t head)
{
  lb_error err = LB_ERROR_INIT;
  lb_writer_figures f;
  int fd = write_file(codec, codec->level_default, 1, n, head, &f);
  size_t size = (size_t)size_of(fd);
  unsigned char *bytes = calloc(1, size + 200);
  assert_int_equal(lb_file_read(fd, bytes, size, 0, "copy", &err), LB_OK);
  for (size_t i = 0; i < size; i++) {
    for (int bit = (int)(i % 4); bit < 8; bit += 4) {
      bytes[i] ^= (unsigned char)(1 << bit);
      check_noticed(bytes, size, "x", "a flip", i);
      bytes[i] ^= (unsigned char)(1 << bit);
    }
    bytes[i] = (unsigned char)~bytes[i];
    check_noticed(bytes, size, "x", "an inverted byte", i);
    bytes[i] = (unsigned char)~bytes[i];
  }
  char name[16];
  snprintf(name, sizeof name, "x%s", codec->suffix);
  for (size_t cut = 0; cut < size; cut++) check_noticed(bytes, cut, cut < 4 ? name : "x", "a cut", cut);
  for (size_t more = 1; more < 200; more += 1 + more / 4) check_noticed(bytes, size + more, "x", "zeros", more);
  memmove(bytes + size, bytes, 200);  /* a file may be shorter than that */
  for (size_t more = 1; more < 200; more += 1 + more / 4) check_noticed(bytes, size + more, "x", "a repeat", more);
  memmove(bytes + 1, bytes, size);
  check_noticed(bytes, size + 1, "x", "a byte in front", 0);
  free(bytes);
  close(fd);
}

static void test_all_damage_is_noticed(void **state)
{
  (void)state;
  const lb_codec *codec;
  for (int i = 0; (codec = lb_codec_at(i)); i++) {
    check_all_damage(codec, 0, 0);
    check_all_damage(codec, 300, 0);
    check_all_damage(codec, 900, 512);
  }
}

/* Every damaged block is a line; the pass goes on. */
static void test_damage_report(void **state)
{
  (void)state;
  const lb_codec *codec;
  for (int i = 0; (codec = lb_codec_at(i)); i++) {
    lb_error err = LB_ERROR_INIT;
    lb_writer_figures f;
    lb_buf lines = { 0 };
    lb_reader_report report = { 0, &lines, 0 };
    char want[200];
    size_t b = lb_writer_block_bytes(codec, 0), head = codec->stored_size(512);
    int fd = write_file(codec, 1, 2, 512 + 3 * b, 512, &f);
    assert_int_equal(lb_file_write(fd, "\xff\x00\xff\x00", 4, 100, "x", &err), LB_OK);
    assert_int_equal(lb_file_write(fd, "\xff\x00\xff\x00", 4, (int64_t)head + 500, "x", &err), LB_OK);
    lb_reader *r = lb_reader_open(fd, "x", &err);
    assert_int_equal(lb_reader_pass(r, 2, NULL, NULL, &task, &report, &err), LB_OK);
    snprintf(want, sizeof want, "block 0 at byte 0: stored checksum does not match\n"
             "block 1 at byte %zu: stored checksum does not match\n", head);
    assert_string_equal(lines.data, want);
    assert_int_equal(report.damaged, 2);
    assert_int_equal(report.raw_bytes, 2 * b);
    report.damage = NULL;
    assert_int_equal(lb_reader_pass(r, 2, NULL, NULL, &task, &report, &err), LB_CORRUPT);
    assert_string_equal(err.message, "x: block 0 at byte 0: stored checksum does not match");
    lb_buf_free(&lines);
    lb_reader_close(r);
    close(fd);
  }
}

static int refuse(void *ctx, uint64_t offset, const void *data, size_t n, lb_error *err)
{
  (void)ctx, (void)offset, (void)data, (void)n;
  return lb_fail(err, LB_CORRUPT, "no more, please");
}

static bool always(void *ctx)
{
  (void)ctx;
  return true;
}

/* What take says, and an interrupt, are errors even where damage is collected. */
static void test_failures_are_not_damage(void **state)
{
  (void)state;
  for (int indexed = 0; indexed < 2; indexed++) {
    lb_error err = LB_ERROR_INIT;
    lb_writer_figures f;
    lb_buf lines = { 0 };
    lb_reader_report report = { 0, &lines, 0 };
    int fd = write_file(lb_codec_by_suffix("a.gz"), 1, 2, 600000, 0, &f);
    if (!indexed) {
      close(fd);
      fd = new_file();
      assert_int_equal(lb_file_write(fd, content, 100000, 0, "x", &err), LB_OK);
    }
    lb_reader *r = lb_reader_open(fd, "x", &err);
    assert_int_equal(lb_reader_pass(r, 2, refuse, NULL, &task, &report, &err), LB_CORRUPT);
    assert_string_equal(err.message, "no more, please");
    lb_error_clear(&err);
    task.interrupted = always;
    assert_int_equal(lb_reader_pass(r, 2, NULL, NULL, &task, &report, &err), LB_INTERRUPT);
    task.interrupted = NULL;
    atomic_store(&task.stop, false);
    assert_int_equal(report.damaged, 0);
    lb_buf_free(&lines);
    lb_reader_close(r);
    close(fd);
  }
}

static int file_of_command(const char *command)
{
  char whole[300], path[] = "/tmp/lb_foreign_XXXXXX";
  int fd = mkstemp(path);
  assert_true(fd >= 0);
  snprintf(whole, sizeof whole, "%s > %s", command, path);
  FILE *p = popen(whole, "w");
  assert_non_null(p);
  assert_int_equal(fwrite(content, 1, 500000, p), 500000);
  assert_int_equal(pclose(p), 0);
  unlink(path);
  return fd;
}

static void check_foreign(const char *command, const char *path)
{
  lb_error err = LB_ERROR_INIT;
  uint64_t bytes;
  size_t got;
  int fd = file_of_command(command);
  lb_reader *r = lb_reader_open(fd, path, &err);
  assert_non_null(r);
  assert_int_equal(lb_reader_kind_of(r), LB_READER_STREAM);
  assert_null(lb_reader_manifest(r));
  assert_true(lb_reader_raw_bytes(r) == 500000 || lb_reader_raw_bytes(r) == -1);
  assert_int_equal(lb_reader_peek(r, back, 100, &got, &err), LB_OK);
  assert_int_equal(got, 100);
  assert_memory_equal(back, content, 100);
  lb_reader_close(r);
  memset(back, 0, 500000);
  assert_int_equal(read_file(fd, path, &bytes, &err), LB_OK);
  assert_int_equal(bytes, 500000);
  assert_memory_equal(back, content, 500000);

  off_t size = size_of(fd);
  assert_int_equal(lb_file_write(fd, "garbage", 7, size, path, &err), LB_OK);
  assert_int_equal(read_file(fd, path, &bytes, &err), LB_CORRUPT);
  assert_non_null(strstr(err.message, "trailing bytes"));
  lb_error_clear(&err);
  assert_int_equal(ftruncate(fd, size - 3), 0);
  assert_int_equal(read_file(fd, path, &bytes, &err), LB_CORRUPT);
  assert_non_null(strstr(err.message, "truncated"));
  lb_error_clear(&err);
  assert_int_equal(ftruncate(fd, size / 2), 0);
  assert_int_equal(lb_file_write(fd, "\0\0\0\0\0\0\0\0\0\0", 10, size / 2 - 2000, path, &err), LB_OK);
  assert_int_equal(read_file(fd, path, &bytes, &err), LB_CORRUPT);
  close(fd);
}

static void test_files_of_other_tools(void **state)
{
  (void)state;
  check_foreign("gzip -6", "a.db.gz");
  check_foreign("gzip -1", "a.db");
#ifdef LB_WITH_ZSTD
  check_foreign("zstd -q -3", "a.db.zst");
#endif
  lb_error err = LB_ERROR_INIT;
  uint64_t bytes;
  int fd = file_of_command("cat");
  assert_int_equal(read_file(fd, "a.db", &bytes, &err), LB_OK);
  assert_int_equal(bytes, 500000);
  assert_int_equal(read_file(fd, "a.db.gz", &bytes, &err), LB_CORRUPT);
  close(fd);
#ifndef LB_WITH_ZSTD
  lb_error_clear(&err);
  fd = new_file();
  assert_int_equal(write(fd, "\x28\xb5\x2f\xfd\0\0\0\0", 8), 8);
  assert_int_equal(read_file(fd, "a.db.zst", &bytes, &err), LB_UNSUPPORTED);
  assert_string_equal(err.message, "a.db.zst: not built with zstd");
  close(fd);
#endif
}

/* Runs the reader that was written from docs/format.md alone; it lies beside this file. Returns its exit status. */
static int run_format_reader(const char *command, int fd, char *out, size_t room)
{
  char line[500];
  int dir = (int)(strrchr(__FILE__, '/') - __FILE__);
  snprintf(line, sizeof line, "python3 %.*s/lbformat.py %s /proc/%d/fd/%d 2>&1", dir, __FILE__, command, (int)getpid(),
           fd);
  FILE *p = popen(line, "r");
  assert_non_null(p);
  out[fread(out, 1, room - 1, p)] = 0;
  return pclose(p);
}

static void test_format_reader(void **state)
{
  (void)state;
  const lb_codec *codec;
  char out[4000];
  for (int i = 0; (codec = lb_codec_at(i)); i++) {
    lb_writer_figures f;
    int fd = write_file(codec, codec->level_default, 2, RAW_MOST, 4096, &f);
    if (run_format_reader("index", fd, out, sizeof out)) fail_msg("%s", out);
    assert_non_null(strstr(out, "manifest " MANIFEST "\n"));
    assert_non_null(strstr(out, "\nok\n"));
    assert_int_equal(ftruncate(fd, (off_t)f.stored_bytes), 0);
    assert_int_not_equal(run_format_reader("index", fd, out, sizeof out), 0);
    if (i == 0) {
      if (run_format_reader("walk", fd, out, sizeof out)) fail_msg("%s", out);
      assert_non_null(strstr(out, "block 0 offset 0 stored 4141 raw 4096\n"));
      assert_non_null(strstr(out, "\nblock 17 offset "));
      assert_null(strstr(out, "\nblock 18 "));
    }
    close(fd);
  }
}

static void test_misuse_of_the_sink(void **state)
{
  (void)state;
  lb_error err = LB_ERROR_INIT;
  lb_writer_figures f;
  int fd = new_file();
  lb_writer_options options = { lb_codec_by_suffix("a.gz"), 2, 1, 0, false };
  lb_writer *w = lb_writer_open(fd, "new", &options, &task, &err);
  lb_sink *sink = lb_writer_sink(w);
  assert_int_equal(sink->reserve_head(sink, 512, &err), LB_OK);
  assert_int_equal(lb_writer_end_data(w, &f, &err), LB_MISUSE);  /* the head was not filled */
  lb_error_clear(&err);
  assert_int_equal(lb_writer_finish(w, "{}", NULL, &err), LB_ERROR);   /* and so there is nothing to finish */
  lb_writer_close(w);

  lb_error_clear(&err);
  w = lb_writer_open(fd, "new", &options, &task, &err);
  sink = lb_writer_sink(w);
  assert_non_null(sink->claim(sink, &err));
  assert_int_equal(sink->submit(sink, 10, &err), LB_OK);
  assert_non_null(sink->claim(sink, &err));
  assert_int_equal(sink->submit(sink, 10, &err), LB_MISUSE);     /* behind a block that was not full */
  lb_writer_close(w);
  close(fd);

  lb_error_clear(&err);
  fd = open("/dev/full", O_WRONLY);
  w = lb_writer_open(fd, "full", &options, &task, &err);
  sink = lb_writer_sink(w);
  assert_non_null(sink->claim(sink, &err));
  assert_int_equal(sink->submit(sink, 10, &err), LB_OK);
  assert_int_equal(lb_writer_end_data(w, &f, &err), LB_FULL);
  lb_writer_close(w);
  close(fd);
}

/* A whole, self-consistent tail that lies about the blocks: the block's own checks must hold. */
static void test_forged_tail(void **state)
{
  (void)state;
  lb_error err = LB_ERROR_INIT;
  uint64_t bytes;
  size_t n;
  const lb_codec *codec = lb_codec_by_suffix("a.gz");
  void *c = codec->compressor_open(2, &err);
  unsigned char member[2000];
  assert_int_equal(codec->compress(c, 5, content, 1000, member, &n, &err), LB_OK);
  codec->compressor_close(c);
  for (int lie = 0; lie < 3; lie++) {
    lb_buf payload = { 0 }, tail = { 0 };
    lb_index index = { .block_bytes = 4096 };
    if (lie == 1) lb_put_u64(member + 24, 0);
    lb_block block = { 0, (uint32_t)n, lie == 1 ? 999 : 1000, lb_crc32(0, member, n), 0 };
    assert_int_equal(lb_index_add(&index, &block, lie == 2 ? 1 : lb_hash64(content, block.raw), &err), LB_OK);
    assert_int_equal(lb_index_encode(&index, &payload, &err), LB_OK);
    assert_int_equal(lb_index_pack(codec, &payload, n, &tail, &err), LB_OK);
    int fd = new_file();
    assert_int_equal(lb_file_write(fd, member, n, 0, "x", &err), LB_OK);
    assert_int_equal(lb_file_write(fd, tail.data, tail.len, (int64_t)n, "x", &err), LB_OK);
    int rc = read_file(fd, "x", &bytes, &err);
    assert_int_equal(rc, lie == 2 && !lb_hash_available() ? LB_OK : LB_CORRUPT);
    if (lie == 0) assert_non_null(strstr(err.message, "another block"));
    if (lie == 1) assert_non_null(strstr(err.message, "length"));
    if (lie == 2 && rc) assert_non_null(strstr(err.message, "content hash"));
    lb_error_clear(&err);
    close(fd);
    lb_index_free(&index);
    lb_buf_free(&payload);
    lb_buf_free(&tail);
  }
}

int main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_round_trips), cmocka_unit_test(test_block_bytes),
    cmocka_unit_test(test_all_damage_is_noticed), cmocka_unit_test(test_damage_report),
    cmocka_unit_test(test_failures_are_not_damage), cmocka_unit_test(test_files_of_other_tools),
    cmocka_unit_test(test_format_reader),
    cmocka_unit_test(test_misuse_of_the_sink), cmocka_unit_test(test_forged_tail),
  };
  return cmocka_run_group_tests(tests, setup, teardown);
}

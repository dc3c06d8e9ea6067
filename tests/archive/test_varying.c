/* Files whose blocks are of any length, and the two ways of reading that a script needs: single blocks by number, and
** all content in order on the caller's thread.
*/
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <stdio.h>
#include <unistd.h>

#include "archive/index.h"
#include "archive/reader.h"
#include "archive/writer.h"
#include "core/file.h"

#define CONTENTS "[[\"t\xc3\xa4\",1,2]]"
#define PART 300000u

static unsigned char *content, *back;
static size_t content_bytes;
static lb_task task;

/* The parts of a script; one is longer than a block, others are of a few bytes. */
static const size_t parts[] = { 1, 5000, 7, PART, 2, 262144, 131, 1 };
enum { PARTS = sizeof parts / sizeof *parts };

static int setup(void **state)
{
  (void)state;
  uint32_t seed = 3;
  for (int i = 0; i < PARTS; i++) content_bytes += parts[i];
  content = malloc(content_bytes);
  back = malloc(content_bytes);
  for (size_t i = 0; i < content_bytes; i++) {
    seed = seed * 1664525 + 1013904223;
    content[i] = (unsigned char)(i % 50000 < 1000 ? (char)(seed >> 24) : "a row\t17\t\\N\n"[i % 12]);
  }
  lb_task_begin(&task, "test", "varying");
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

static int new_file(void)
{
  char path[] = "/tmp/lb_varying_XXXXXX";
  int fd = mkstemp(path);
  assert_true(fd >= 0);
  unlink(path);
  return fd;
}

static void submit_part(lb_sink *sink, const unsigned char *data, size_t n)
{
  lb_error err = LB_ERROR_INIT;
  while (n) {
    size_t take = n < sink->block_bytes ? n : sink->block_bytes;
    unsigned char *block = sink->claim(sink, &err);
    assert_non_null(block);
    memcpy(block, data, take);
    assert_int_equal(sink->submit(sink, take, &err), LB_OK);
    data += take;
    n -= take;
  }
}

/* A file of all parts, each of which begins a block. */
static int write_file(const lb_codec *codec, int threads, lb_writer_figures *f)
{
  lb_error err = LB_ERROR_INIT;
  int fd = new_file();
  lb_writer_options options = { codec, codec->level_default, threads, 0, true };
  lb_writer *w = lb_writer_open(fd, "new", &options, &task, &err);
  assert_non_null(w);
  const unsigned char *at = content;
  for (int i = 0; i < PARTS; at += parts[i++]) submit_part(lb_writer_sink(w), at, parts[i]);
  assert_int_equal(lb_writer_end_data(w, f, &err), LB_OK);
  assert_int_equal(lb_writer_finish(w, "{}", CONTENTS, &err), LB_OK);
  assert_int_equal(f->raw_bytes, content_bytes);
  lb_writer_close(w);
  return fd;
}

typedef struct taken {
  pthread_t thread;      /* that all calls must come from */
  uint64_t next;
  uint64_t refuse_from;  /* take fails at this offset */
} taken;

static int take_in_order(void *ctx, uint64_t offset, const void *data, size_t n, lb_error *err)
{
  taken *t = ctx;
  if (!pthread_equal(t->thread, pthread_self())) return lb_fail(err, LB_ERROR, "another thread");
  if (offset != t->next || n == 0 || n > content_bytes - offset) return lb_fail(err, LB_ERROR, "out of order");
  if (offset >= t->refuse_from) return lb_fail(err, LB_FULL, "no more, please");
  memcpy(back + offset, data, n);
  t->next += n;
  return LB_OK;
}

static int stream(lb_reader *r, int threads, uint64_t refuse_from, uint64_t *bytes, lb_error *err)
{
  taken t = { pthread_self(), 0, refuse_from };
  lb_error_clear(err);
  memset(back, 0, content_bytes);
  int rc = lb_reader_stream(r, threads, take_in_order, &t, &task, bytes, err);
  assert_int_equal(*bytes, t.next);
  assert_int_equal(rc, err->code);
  return rc;
}

static int take_anywhere(void *ctx, uint64_t offset, const void *data, size_t n, lb_error *err)
{
  (void)ctx;
  if (offset > content_bytes || n > content_bytes - offset) return lb_fail(err, LB_ERROR, "beyond the content");
  memcpy(back + offset, data, n);
  return LB_OK;
}

static void check_pass(lb_reader *r)
{
  lb_error err = LB_ERROR_INIT;
  lb_reader_report report = { 0 };
  memset(back, 0, content_bytes);
  assert_int_equal(lb_reader_pass(r, 3, take_anywhere, NULL, &task, &report, &err), LB_OK);
  assert_int_equal(report.raw_bytes, content_bytes);
  assert_memory_equal(back, content, content_bytes);
}

/* Every block by number, last first, then the first again. */
static void check_cursor(lb_reader *r, lb_cursor *cursor)
{
  lb_error err = LB_ERROR_INIT;
  const unsigned char *data;
  size_t n, end = content_bytes;
  for (uint64_t i = lb_reader_block_count(r); i-- > 0;) {
    assert_int_equal(lb_cursor_read(cursor, i, &data, &n, &err), LB_OK);
    end -= n;
    assert_memory_equal(data, content + end, n);
  }
  assert_int_equal(end, 0);
  assert_int_equal(lb_cursor_read(cursor, 1, &data, &n, &err), LB_OK);
  assert_int_equal(n, parts[1]);
  assert_memory_equal(data, content + 1, n);
  assert_int_equal(lb_cursor_read(cursor, lb_reader_block_count(r), &data, &n, &err), LB_MISUSE);
  assert_non_null(strstr(err.message, "x: block "));
  assert_null(data);
}

static void check_tool(const char *tool, int fd)
{
  char command[200];
  snprintf(command, sizeof command, "%s < /proc/%d/fd/%d", tool, (int)getpid(), fd);
  FILE *p = popen(command, "r");
  assert_non_null(p);
  memset(back, 0, content_bytes);
  assert_int_equal(fread(back, 1, content_bytes, p), content_bytes);
  assert_int_equal(pclose(p), 0);
  assert_memory_equal(back, content, content_bytes);
}

static void test_round_trip(void **state)
{
  (void)state;
  const lb_codec *codec;
  for (int i = 0; (codec = lb_codec_at(i)); i++) {
    lb_error err = LB_ERROR_INIT;
    lb_writer_figures f;
    uint64_t bytes;
    int fd = write_file(codec, 1 + i, &f);
    lb_reader *r = lb_reader_open(fd, "x", &err);
    assert_non_null(r);
    assert_string_equal(lb_reader_contents(r), CONTENTS);
    assert_int_equal(lb_reader_block_count(r), f.blocks);
    assert_int_equal(f.blocks, PARTS + (PART > f.block_bytes));
    check_pass(r);
    for (int threads = 1; threads < 4; threads++) {
      assert_int_equal(stream(r, threads, UINT64_MAX, &bytes, &err), LB_OK);
      assert_int_equal(bytes, content_bytes);
      assert_memory_equal(back, content, content_bytes);
    }
    lb_cursor *cursor = lb_cursor_open(r, &err);
    assert_non_null(cursor);
    check_cursor(r, cursor);
    lb_cursor_close(cursor);
    lb_reader_close(r);
    check_tool(strcmp(codec->name, "zstd") ? "gunzip -c" : "zstd -dcq", fd);
    close(fd);
  }
}

static void *read_all(void *arg)
{
  lb_reader *r = arg;
  lb_error err = LB_ERROR_INIT;
  lb_cursor *cursor = lb_cursor_open(r, &err);
  const unsigned char *data;
  size_t n;
  uintptr_t good = 0;
  for (int round = 0; cursor && round < 3; round++) {
    size_t at = 0;
    for (uint64_t i = 0; i < lb_reader_block_count(r); i++) {
      if (lb_cursor_read(cursor, i, &data, &n, &err) == LB_OK && memcmp(data, content + at, n) == 0) good++;
      at += n;
    }
  }
  lb_cursor_close(cursor);
  return (void *)good;
}

static void test_cursors_on_threads(void **state)
{
  (void)state;
  lb_error err = LB_ERROR_INIT;
  lb_writer_figures f;
  int fd = write_file(lb_codec_at(0), 2, &f);
  lb_reader *r = lb_reader_open(fd, "x", &err);
  pthread_t threads[4];
  for (int i = 0; i < 4; i++) assert_int_equal(pthread_create(&threads[i], NULL, read_all, r), 0);
  for (int i = 0; i < 4; i++) {
    void *good;
    assert_int_equal(pthread_join(threads[i], &good), 0);
    assert_int_equal((uintptr_t)good, 3 * f.blocks);
  }
  lb_reader_close(r);
  close(fd);
}

static void test_damage(void **state)
{
  (void)state;
  const lb_codec *codec;
  for (int i = 0; (codec = lb_codec_at(i)); i++) {
    lb_error err = LB_ERROR_INIT;
    lb_writer_figures f;
    uint64_t bytes;
    const unsigned char *data;
    size_t n;
    char want[100];
    int fd = write_file(codec, 2, &f);
    lb_reader *r = lb_reader_open(fd, "x", &err);
    lb_cursor *cursor = lb_cursor_open(r, &err);
    /* Block 1 begins behind block 0, whose only byte is stored: the member says how long it is. */
    unsigned char first[200];
    lb_member member;
    assert_int_equal(lb_file_read(fd, first, sizeof first, 0, "x", &err), LB_OK);
    assert_true(codec->member_at(first, sizeof first, &member));
    assert_int_equal(lb_file_write(fd, "\xff\x00\xff\x00", 4, (int64_t)member.stored_bytes + 60, "x", &err), LB_OK);
    snprintf(want, sizeof want, "x: block 1 at byte %d: stored checksum does not match", (int)member.stored_bytes);
    assert_int_equal(lb_cursor_read(cursor, 1, &data, &n, &err), LB_CORRUPT);
    assert_string_equal(err.message, want);
    assert_null(data);
    lb_error_clear(&err);
    assert_int_equal(lb_cursor_read(cursor, 2, &data, &n, &err), LB_OK);  /* the others are whole */
    assert_memory_equal(data, content + 5001, 7);
    for (int threads = 1; threads < 4; threads++) {
      assert_int_equal(stream(r, threads, UINT64_MAX, &bytes, &err), LB_CORRUPT);
      assert_string_equal(err.message, want);
      assert_int_equal(bytes, 1);
    }
    lb_error_clear(&err);
    assert_int_equal(ftruncate(fd, 10), 0);
    assert_int_equal(lb_cursor_read(cursor, 0, &data, &n, &err), LB_CORRUPT);
    assert_string_equal(err.message, "x: block 0 at byte 0: the file ends before it does");
    lb_cursor_close(cursor);
    lb_reader_close(r);
    close(fd);
  }
}

/* No byte of a small file can change without opening it or streaming it saying so. */
static void test_every_byte_counts(void **state)
{
  (void)state;
  const lb_codec *codec;
  for (int i = 0; (codec = lb_codec_at(i)); i++) {
    lb_error err = LB_ERROR_INIT;
    lb_writer_figures f;
    int fd = new_file();
    lb_writer_options options = { codec, codec->level_default, 1, 0, true };
    lb_writer *w = lb_writer_open(fd, "new", &options, &task, &err);
    for (size_t n = 1; n < 20; n += 6) submit_part(lb_writer_sink(w), content, n);
    assert_int_equal(lb_writer_end_data(w, &f, &err), LB_OK);
    assert_int_equal(lb_writer_finish(w, "{}", CONTENTS, &err), LB_OK);
    lb_writer_close(w);
    off_t size = lseek(fd, 0, SEEK_END);
    for (off_t at = 0; at < size; at++) {
      unsigned char byte, changed;
      uint64_t bytes;
      assert_int_equal(pread(fd, &byte, 1, at), 1);
      changed = (unsigned char)(byte ^ (1 << at % 8));
      assert_int_equal(pwrite(fd, &changed, 1, at), 1);
      lb_error_clear(&err);
      lb_reader *r = lb_reader_open(fd, "x", &err);
      taken t = { pthread_self(), 0, UINT64_MAX };
      if (r) lb_reader_stream(r, 1, take_in_order, &t, &task, &bytes, &err);
      if (err.code != LB_CORRUPT) fail_msg("%s: byte %d: %d %s", codec->name, (int)at, err.code, err.message);
      lb_reader_close(r);
      assert_int_equal(pwrite(fd, &byte, 1, at), 1);
    }
    close(fd);
  }
}

static bool always(void *ctx)
{
  (void)ctx;
  return true;
}

/* Files of all three kinds, whose content is ours: what take says, and an interrupt, end a stream. */
static void check_stream_of(int fd, lb_reader_kind kind)
{
  lb_error err = LB_ERROR_INIT;
  uint64_t bytes;
  lb_reader *r = lb_reader_open(fd, "x", &err);
  assert_non_null(r);
  assert_int_equal(lb_reader_kind_of(r), kind);
  for (int threads = 1; threads < 4; threads++) {
    assert_int_equal(stream(r, threads, UINT64_MAX, &bytes, &err), LB_OK);
    assert_int_equal(bytes, content_bytes);
    assert_memory_equal(back, content, content_bytes);
    assert_int_equal(stream(r, threads, 5001, &bytes, &err), LB_FULL);
    assert_string_equal(err.message, "no more, please");
    assert_in_range(bytes, 5001, content_bytes - 1);
    task.interrupted = always;
    assert_int_equal(stream(r, threads, UINT64_MAX, &bytes, &err), LB_INTERRUPT);
    assert_int_equal(bytes, 0);
    task.interrupted = NULL;
    atomic_store(&task.stop, false);
  }
  lb_error_clear(&err);
  lb_cursor *cursor = lb_cursor_open(r, &err);
  assert_int_equal(cursor != NULL, kind == LB_READER_INDEXED);
  if (!cursor) {
    assert_int_equal(err.code, LB_MISUSE);
    assert_null(lb_reader_contents(r));
    assert_int_equal(lb_reader_block_count(r), 0);
  }
  lb_cursor_close(cursor);
  lb_reader_close(r);
}

static void test_stream_of_all_kinds(void **state)
{
  (void)state;
  lb_error err = LB_ERROR_INIT;
  lb_writer_figures f;
  uint64_t bytes;
  int fd = write_file(lb_codec_at(0), 2, &f);
  check_stream_of(fd, LB_READER_INDEXED);
  close(fd);

  fd = new_file();
  assert_int_equal(lb_file_write(fd, content, content_bytes, 0, "x", &err), LB_OK);
  check_stream_of(fd, LB_READER_PLAIN);
  close(fd);

  char path[] = "/tmp/lb_varying_XXXXXX", command[100];
  fd = mkstemp(path);
  assert_true(fd >= 0);
  snprintf(command, sizeof command, "gzip -1 > %s", path);
  FILE *p = popen(command, "w");
  assert_non_null(p);
  assert_int_equal(fwrite(content, 1, content_bytes, p), content_bytes);
  assert_int_equal(pclose(p), 0);
  unlink(path);
  check_stream_of(fd, LB_READER_STREAM);
  assert_int_equal(ftruncate(fd, lseek(fd, 0, SEEK_END) - 3), 0);
  lb_reader *r = lb_reader_open(fd, "x", &err);
  assert_int_equal(stream(r, 2, UINT64_MAX, &bytes, &err), LB_CORRUPT);
  assert_string_equal(err.message, "x: truncated: the gzip data goes on after the file's end");
  lb_reader_close(r);
  close(fd);
}

/* Contents and lengths belong together; where they do not, nothing is written. */
static void test_misuse(void **state)
{
  (void)state;
  lb_error err = LB_ERROR_INIT;
  lb_writer_figures f;
  int fd = new_file();
  lb_writer_options options = { lb_codec_at(0), 2, 1, 0, true };
  lb_writer *w = lb_writer_open(fd, "new", &options, &task, &err);
  assert_int_equal(lb_writer_end_data(w, &f, &err), LB_OK);
  assert_int_equal(lb_writer_finish(w, "{}", NULL, &err), LB_MISUSE);
  assert_string_equal(err.message, "new: contents are missing");
  lb_writer_close(w);
  lb_error_clear(&err);

  w = lb_writer_open(fd, "new", &options, &task, &err);
  lb_sink *sink = lb_writer_sink(w);
  assert_int_equal(sink->reserve_head(sink, 512, &err), LB_MISUSE);
  lb_writer_close(w);
  lb_error_clear(&err);

  options.varying = false;
  w = lb_writer_open(fd, "new", &options, &task, &err);
  sink = lb_writer_sink(w);
  assert_int_equal(sink->reserve_head(sink, 512, &err), LB_OK);
  assert_int_equal(sink->fill_head(sink, content, &err), LB_OK);
  assert_int_equal(lb_writer_end_data(w, &f, &err), LB_OK);
  assert_int_equal(lb_writer_finish(w, "{}", "[]", &err), LB_MISUSE);
  assert_string_equal(err.message, "new: contents beside a head");
  lb_writer_close(w);
  close(fd);
}

/* The reader that was written from docs/format.md alone agrees. */
static void test_format_reader(void **state)
{
  (void)state;
  const lb_codec *codec;
  for (int i = 0; (codec = lb_codec_at(i)); i++) {
    lb_writer_figures f;
    char line[500], out[4000];
    int fd = write_file(codec, 2, &f);
    snprintf(line, sizeof line, "python3 %.*s/lbformat.py index /proc/%d/fd/%d 2>&1",
             (int)(strrchr(__FILE__, '/') - __FILE__), __FILE__, (int)getpid(), fd);
    FILE *p = popen(line, "r");
    assert_non_null(p);
    out[fread(out, 1, sizeof out - 1, p)] = 0;
    if (pclose(p)) fail_msg("%s", out);
    assert_non_null(strstr(out, "\ncontents " CONTENTS "\n"));
    assert_non_null(strstr(out, " raw 7\n"));
    assert_non_null(strstr(out, "\nok\n"));
    close(fd);
  }
}

int main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_round_trip), cmocka_unit_test(test_cursors_on_threads), cmocka_unit_test(test_damage),
    cmocka_unit_test(test_every_byte_counts),
    cmocka_unit_test(test_stream_of_all_kinds), cmocka_unit_test(test_misuse), cmocka_unit_test(test_format_reader),
  };
  return cmocka_run_group_tests(tests, setup, teardown);
}

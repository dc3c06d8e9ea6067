/* Codecs: every level of each one gives back what it was given, to us and to gunzip and zstd; damage is noticed;
** streams of other tools are read in pieces of any size.
*/
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "codec/codec.h"
#include "core/buffer.h"

#define BIG (300 * 1024)

static unsigned char text[BIG], noise[BIG];

static int setup(void **state)
{
  (void)state;
  uint32_t seed = 1;
  for (size_t i = 0; i < BIG; i++) {
    seed = seed * 1664525 + 1013904223;
    noise[i] = (unsigned char)(seed >> 24);
    text[i] = (unsigned char)("the quick brown fox "[i % 20] + (noise[i] < 20));
  }
  return 0;
}

static unsigned char *make_member(const lb_codec *codec, int level, uint64_t number, const void *raw, size_t n,
                                  size_t *out_len)
{
  lb_error err = LB_ERROR_INIT;
  void *c = codec->compressor_open(level, &err);
  assert_non_null(c);
  unsigned char *out = malloc(codec->bound(n));
  assert_int_equal(codec->compress(c, number, raw, n, out, out_len, &err), LB_OK);
  assert_true(*out_len <= codec->bound(n));
  codec->compressor_close(c);
  return out;
}

static int unpack(const lb_codec *codec, const void *member, size_t n, void *raw, size_t raw_len)
{
  lb_error err = LB_ERROR_INIT;
  void *d = codec->decompressor_open(&err);
  assert_non_null(d);
  int rc = codec->decompress(d, member, n, raw, raw_len, &err);
  codec->decompressor_close(d);
  return rc;
}

static void check_round_trip(const lb_codec *codec, int level, const unsigned char *raw, size_t n)
{
  size_t size;
  lb_member m;
  unsigned char *back = malloc(n + 1), *member = make_member(codec, level, 7, raw, n, &size);
  assert_int_equal(unpack(codec, member, size, back, n), LB_OK);
  assert_memory_equal(back, raw, n);
  assert_true(codec->member_at(member, size, &m));
  assert_true(m.ours && m.kind == LB_MEMBER_DATA && m.number == 7 && m.stored_bytes == size);
  if (n) assert_int_equal(unpack(codec, member, size, back, n - 1), LB_CORRUPT);
  assert_int_equal(unpack(codec, member, size, back, n + 1), LB_CORRUPT);
  assert_int_equal(unpack(codec, member, size - 1, back, n), LB_CORRUPT);
  free(member);
  free(back);
}

/* Feeds data in pieces of `piece` bytes and takes `room` at a time. LB_OK only when all ends on a member's end. */
static int decode_stream(const lb_codec *codec, const unsigned char *data, size_t n, size_t piece, size_t room,
                         lb_buf *out)
{
  lb_error err = LB_ERROR_INIT;
  bool at_end = false;
  unsigned char buffer[4096];
  void *s = codec->stream_open(&err);
  assert_non_null(s);
  for (size_t at = 0, in = 0, made = 0; err.code == LB_OK && (at < n || made == room); at += in) {
    in = n - at < piece ? n - at : piece;
    made = room;
    codec->stream_decode(s, data + at, &in, buffer, &made, &at_end, &err);
    lb_buf_append(out, buffer, made);
  }
  codec->stream_close(s);
  return err.code ? (int)err.code : at_end ? LB_OK : LB_CORRUPT;
}

static void check_stream(const lb_codec *codec, const unsigned char *data, size_t n, const void *want, size_t want_len)
{
  /* Byte by byte only what is short: ISA-L moves its window with each call. */
  const size_t least = want_len > 65536 ? 61 : 1;
  const size_t pieces[] = { least, 7 * least, 4096, 1 << 20 }, rooms[] = { least, 100, 4096 };
  for (size_t p = 0; p < 4; p++) {
    for (size_t r = 0; r < 3; r++) {
      lb_buf out = { 0 };
      assert_int_equal(decode_stream(codec, data, n, pieces[p], rooms[r], &out), LB_OK);
      assert_int_equal(out.len, want_len);
      assert_memory_equal(out.data, want, want_len);
      lb_buf_free(&out);
    }
  }
}

static void run_tool(const char *tool, const unsigned char *data, size_t n, const unsigned char *want, size_t want_len)
{
  char path[] = "/tmp/lb_codec_XXXXXX", command[200];
  unsigned char *got = malloc(want_len + 1);
  int fd = mkstemp(path);
  assert_true(fd >= 0 && write(fd, data, n) == (ssize_t)n);
  close(fd);
  snprintf(command, sizeof command, "%s < %s", tool, path);
  FILE *p = popen(command, "r");
  assert_non_null(p);
  assert_int_equal(fread(got, 1, want_len + 1, p), want_len);
  assert_int_equal(pclose(p), 0);
  assert_memory_equal(got, want, want_len);
  unlink(path);
  free(got);
}

static void test_round_trips(void **state)
{
  static const size_t sizes[] = { 0, 1, 65535, 65536, BIG };
  (void)state;
  const lb_codec *codec;
  for (int i = 0; (codec = lb_codec_at(i)); i++) {
    for (int level = codec->level_min; level <= codec->level_max; level++) {
      for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        check_round_trip(codec, level, text, sizes[s]);
        check_round_trip(codec, level, noise, sizes[s]);
      }
    }
  }
}

/* Noise between text is stored, and text between noise is not; digits have half a byte each. */
static void test_mixed(void **state)
{
  (void)state;
  static unsigned char mixed[BIG], digits[BIG];
  lb_error err = LB_ERROR_INIT;
  const lb_codec *codec = lb_codec_get("gzip", &err);
  for (size_t i = 0; i < BIG; i++) {
    digits[i] = i % 10000 ? (unsigned char)"0123456789abcdef"[noise[i] % 16] : '\n';
    mixed[i] = i % 49152 < 20000 ? text[i] : i % 49152 < 32768 ? noise[i] : digits[i];
  }
  for (int level = codec->level_min; level <= codec->level_max; level++) {
    size_t size;
    unsigned char *member = make_member(codec, level, 7, mixed, BIG, &size);
    assert_true(size < BIG * 2 / 3);
    assert_non_null(memmem(member, size, noise + 20480, 32768 - 20480));
    run_tool("gunzip", member, size, mixed, BIG);
    run_tool("busybox gunzip", member, size, mixed, BIG);
    if (level == codec->level_min || level == codec->level_max) check_stream(codec, member, size, mixed, BIG);
    free(member);
    check_round_trip(codec, level, mixed, BIG);
    member = make_member(codec, level, 7, digits, BIG, &size);
    assert_in_range(size, BIG / 2, BIG * 52 / 100);
    run_tool("gunzip", member, size, digits, BIG);
    run_tool("busybox gunzip", member, size, digits, BIG);
    if (level == codec->level_max) check_stream(codec, member, size, digits, BIG);
    free(member);
    check_round_trip(codec, level, digits, BIG);
  }
}

static void test_store(void **state)
{
  static const size_t sizes[] = { 0, 1, 512, 4096, 65535, 65536 };
  (void)state;
  const lb_codec *codec;
  unsigned char *back = malloc(65536);
  for (int i = 0; (codec = lb_codec_at(i)); i++) {
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
      size_t n = codec->stored_size(sizes[s]);
      unsigned char *member = malloc(n);
      codec->store(0, noise, sizes[s], member);
      assert_int_equal(unpack(codec, member, n, back, sizes[s]), LB_OK);
      assert_memory_equal(back, noise, sizes[s]);
      free(member);
    }
  }
  free(back);
}

/* zstd ignores some bits of a frame; the archive's checksum over stored bytes is what covers those. */
static void test_flips_in_gzip(void **state)
{
  (void)state;
  unsigned char back[2000];
  size_t n;
  const lb_codec *codec = lb_codec_by_suffix("x.gz");
  for (int level = 2; level <= 6; level += 4) {
    unsigned char *member = make_member(codec, level, 3, text, sizeof back, &n);
    for (size_t i = 0; i < n; i++) {
      if (i >= 24 && i < 32) continue;  /* the number, which the archive compares */
      member[i] ^= 0x10;
      if (unpack(codec, member, n, back, sizeof back) == LB_OK) {
        /* A bit of deflate's padding, or a code that nothing uses, may differ: never the content. */
        assert_true(i >= 32 && i + 8 < n);
        assert_memory_equal(back, text, sizeof back);
      }
      member[i] ^= 0x10;
    }
    free(member);
  }
}

static void test_records(void **state)
{
  static const size_t sizes[] = { 0, 1, 44, LB_RECORD_MAX };
  (void)state;
  const lb_codec *codec;
  for (int i = 0; (codec = lb_codec_at(i)); i++) {
    for (size_t s = 0; s < 4; s++) {
      lb_member m;
      size_t n = codec->record_size(sizes[s]);
      unsigned char *record = malloc(n);
      codec->record(LB_MEMBER_INDEX, noise, sizes[s], record);
      assert_true(codec->member_at(record, n, &m));
      assert_true(m.ours && m.kind == LB_MEMBER_INDEX && m.stored_bytes == n && m.payload_bytes == sizes[s]);
      assert_memory_equal(record + m.payload_offset, noise, sizes[s]);
      for (size_t cut = 0; cut < m.payload_offset; cut++) {
        lb_member part;
        if (codec->member_at(record, cut, &part)) assert_false(part.ours);
      }
      free(record);
    }
  }
}

static void test_streams(void **state)
{
  (void)state;
  const lb_codec *codec;
  for (int i = 0; (codec = lb_codec_at(i)); i++) {
    size_t a, b;
    unsigned char *one = make_member(codec, codec->level_default, 0, text, 30000, &a);
    unsigned char *two = make_member(codec, codec->level_max, 1, text + 30000, 100, &b);
    size_t record = codec->record_size(500);
    unsigned char *all = malloc(a + b + record + 8);
    memcpy(all, one, a);
    memcpy(all + a, two, b);
    codec->record(LB_MEMBER_INDEX, noise, 500, all + a + b);
    size_t n = a + b + record;
    check_stream(codec, all, n, text, 30100);
    for (size_t cut = 1; cut < n; cut++) {
      lb_buf out = { 0 };
      int rc = decode_stream(codec, all, cut, 4096, 4096, &out);
      assert_int_equal(rc, cut == a || cut == a + b || (codec->level_max > 9 && (cut == 28 || cut == a + 28))
                             ? LB_OK : LB_CORRUPT);
      lb_buf_free(&out);
    }
    for (size_t extra = 1; extra <= 8; extra++) {
      for (int fill = 0; fill <= 'x'; fill += 'x') {
        lb_buf out = { 0 };
        memset(all + n, fill, extra);
        assert_int_equal(decode_stream(codec, all, n + extra, 4096, 4096, &out), LB_CORRUPT);
        lb_buf_free(&out);
      }
    }
    free(one);
    free(two);
    free(all);
  }
}

/* RFC 1952, 2.3.1.2: a reader has to refuse flags that it does not know, wherever in the stream the member stands. */
static void test_unknown_gzip_flags(void **state)
{
  (void)state;
  size_t a, b;
  lb_error err = LB_ERROR_INIT;
  const lb_codec *codec = lb_codec_get("gzip", &err);
  unsigned char *one = make_member(codec, 2, 0, text, 30000, &a), *two = make_member(codec, 9, 1, text, 100, &b);
  unsigned char *all = malloc(a + b);
  memcpy(all, one, a);
  memcpy(all + a, two, b);
  for (size_t member = 0; member <= a; member += a) {
    for (unsigned char flag = 0x20; flag; flag <<= 1) {
      for (size_t piece = 1; piece < 6; piece++) {
        lb_buf out = { 0 };
        all[member + 3] |= flag;
        assert_int_equal(decode_stream(codec, all, a + b, piece, 4096, &out), LB_CORRUPT);
        assert_int_equal(out.len, member ? 30000 : 0);
        all[member + 3] &= (unsigned char)~flag;
        lb_buf_free(&out);
      }
    }
  }
  check_stream(codec, one, a, text, 30000);
  free(one);
  free(two);
  free(all);
}

/* The beginnings of gzip members by other tools: every optional field, alone and together. Their own checksum (FHCRC)
** is that of the bytes before it. */
static size_t put_gzip_header(unsigned char *out, int flags)
{
  size_t n = 10;
  memcpy(out, "\x1f\x8b\x08\0\0\0\0\0\0\x03", n);
  out[3] = (unsigned char)flags;
  if (flags & 4) memcpy(out + n, "\x06\0AB\x02\0xy", 8), n += 8;
  if (flags & 8) memcpy(out + n, "shop.db", 8), n += 8;
  if (flags & 16) memcpy(out + n, "a comment", 10), n += 10;
  if (flags & 2) {
    uint32_t crc = lb_crc32(0, out, n);
    out[n++] = (unsigned char)crc;
    out[n++] = (unsigned char)(crc >> 8);
  }
  return n;
}

static void test_gzip_headers(void **state)
{
  static const unsigned char empty[] = { 3, 0, 0, 0, 0, 0, 0, 0, 0, 0 };
  lb_error err = LB_ERROR_INIT;
  const lb_codec *codec = lb_codec_get("gzip", &err);
  (void)state;
  for (int flags = 0; flags < 32; flags += 2) {
    unsigned char all[400];
    size_t header = put_gzip_header(all, flags), n = header, size;
    memcpy(all + n, empty, sizeof empty);
    n += sizeof empty;
    n += put_gzip_header(all + n, flags);
    memcpy(all + n, empty, sizeof empty);
    n += sizeof empty;
    unsigned char *data = make_member(codec, 1, 0, "some text", 9, &size);
    memcpy(all + n, data, size);
    free(data);
    check_stream(codec, all, n + size, "some text", 9);
    if (!(flags & 2)) continue;
    lb_buf out = { 0 };
    all[header - 1] ^= 1;
    assert_int_equal(decode_stream(codec, all, n + size, 7, 4096, &out), LB_CORRUPT);
    lb_buf_free(&out);
  }
}

/* What zstd --long=31 makes: a window of 2 GiB, for a block of one byte. */
static void test_long_window(void **state)
{
  static const unsigned char frame[] = { 0x28, 0xb5, 0x2f, 0xfd, 0, 0xa8, 9, 0, 0, 'x' };
  lb_error err = LB_ERROR_INIT;
  const lb_codec *codec = lb_codec_get("zstd", &err);
  lb_buf out = { 0 };
  (void)state;
  if (!codec) return;
  assert_int_equal(decode_stream(codec, frame, sizeof frame, sizeof frame, 1, &out), LB_UNSUPPORTED);
  lb_buf_free(&out);
}

static void test_other_tools_read_members(void **state)
{
  (void)state;
  const lb_codec *codec;
  for (int i = 0; (codec = lb_codec_at(i)); i++) {
    for (int level = codec->level_min; level <= codec->level_max; level++) {
      size_t n;
      unsigned char *member = make_member(codec, level, 0, text, BIG, &n);
      size_t head = codec->stored_size(4096), tail = codec->record_size(100);
      unsigned char *all = malloc(head + n + tail), *want = malloc(4096 + BIG);
      codec->store(0, noise, 4096, all);
      memcpy(all + head, member, n);
      codec->record(LB_MEMBER_INDEX, noise, 100, all + head + n);
      memcpy(want, noise, 4096);
      memcpy(want + 4096, text, BIG);
      run_tool(i ? "zstd -dcq" : "gunzip -c", all, head + n + tail, want, 4096 + BIG);
      free(all);
      free(want);
      free(member);
    }
  }
}

static void test_lookups(void **state)
{
  (void)state;
  lb_error err = LB_ERROR_INIT;
  assert_string_equal(lb_codec_get("gzip", &err)->suffix, ".gz");
  assert_null(lb_codec_get("lzma", &err));
  assert_int_equal(err.code, LB_MISUSE);
  assert_ptr_equal(lb_codec_by_suffix("/a/b.db.gz"), lb_codec_get("gzip", &err));
  assert_null(lb_codec_by_suffix("/a/b.db"));
  assert_string_equal(lb_codec_name_of("\x28\xb5\x2f\xfd", 4), "zstd");
  assert_null(lb_codec_name_of("SQLite format 3", 16));
  lb_error_clear(&err);
#ifdef LB_WITH_ZSTD
  assert_non_null(lb_codec_get("zstd", &err));
#else
  assert_null(lb_codec_get("zstd", &err));
  assert_int_equal(err.code, LB_UNSUPPORTED);
  assert_string_equal(err.message, "not built with zstd");
#endif
  assert_int_equal(lb_crc32(0, "123456789", 9), 0xcbf43926);  /* the check value of CRC-32 */
  assert_int_equal(lb_crc32(lb_crc32(0, "1234", 4), "56789", 5), 0xcbf43926);
  assert_non_null(strstr(lb_codec_versions(), "zlib "));
}

int main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_round_trips), cmocka_unit_test(test_mixed), cmocka_unit_test(test_store),
    cmocka_unit_test(test_flips_in_gzip),
    cmocka_unit_test(test_records), cmocka_unit_test(test_streams), cmocka_unit_test(test_unknown_gzip_flags),
    cmocka_unit_test(test_gzip_headers), cmocka_unit_test(test_long_window),
    cmocka_unit_test(test_other_tools_read_members), cmocka_unit_test(test_lookups),
  };
  return cmocka_run_group_tests(tests, setup, NULL);
}

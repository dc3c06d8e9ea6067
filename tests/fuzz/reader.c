/* libFuzzer target: the bytes are a backup file, and once more the payload of an index. Opening, decoding, and every way of
** reading it (peek, pass, stream, cursor, access at any place) may fail, never crash; and they must agree: what a pass
** finds whole, a stream, a cursor and an access give, byte for byte, and nothing else. The index is decoded by itself as
** well, since its checksum would stop most mutations.
**
** `make fuzz` builds a corpus of real backups first (run.sh), so that mutations start from valid files.
*/
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <zlib.h>

#include "archive/access.h"
#include "archive/index.h"
#include "archive/reader.h"
#include "core/buffer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int take(void *ctx, uint64_t offset, const void *bytes, size_t n, lb_error *err)
{
  (void)ctx, (void)offset, (void)err;
  volatile unsigned char last = n ? ((const unsigned char *)bytes)[n - 1] : 0;  /* the sanitizer sees a wrong length */
  (void)last;
  return LB_OK;
}

static void decode_index(const uint8_t *data, size_t size)
{
  lb_error err = LB_ERROR_INIT;
  lb_index index = { 0 };
  uint64_t data_end = size >= 8 ? lb_get_u64(data) & 0xffffff : 0;
  if (size >= 8 && lb_index_decode(data + 8, size - 8, data_end, &index, &err) == LB_OK && index.count) {
    const lb_block *last = &index.blocks[index.count - 1];
    if (lb_index_raw_offset(&index, index.count - 1) + last->raw != index.raw_total) abort();
    if (index.contents && (index.head_bytes || strlen(index.contents) > size)) abort();
  }
  lb_index_free(&index);
}

static lb_buf content;  /* what a stream gave */

static int take_in_order(void *ctx, uint64_t offset, const void *bytes, size_t n, lb_error *err)
{
  uint64_t *next = ctx;
  if (offset != *next) abort();
  *next += n;
  lb_buf_append(&content, bytes, n);
  return take(NULL, offset, bytes, n, err);
}

/* All content in order, in the three ways there are; each must say whether the file is whole. */
static void read_in_order(lb_reader *reader, lb_task *task, bool whole, uint64_t want)
{
  lb_error err = LB_ERROR_INIT;
  uint64_t taken, next = 0;
  for (int threads = 1; threads < 3; threads++, next = 0) {
    lb_error_clear(&err);
    content.len = 0;
    lb_reader_stream(reader, threads, take_in_order, &next, task, &taken, &err);
    if (taken != next || whole != (err.code == LB_OK) || (whole && taken != want)) abort();
  }
  lb_error_clear(&err);
  lb_cursor *cursor = lb_cursor_open(reader, &err);
  if (!cursor != (lb_reader_kind_of(reader) != LB_READER_INDEXED)) abort();
  bool good = true;
  for (uint64_t i = lb_reader_block_count(reader); cursor && i-- > 0;) {
    const unsigned char *data;
    size_t n;
    lb_error_clear(&err);
    if (lb_cursor_read(cursor, i, &data, &n, &err) == LB_OK) take(NULL, 0, data, n, &err), next += n;
    else good = false;
  }
  if (cursor && (good != whole || (whole && next != want))) abort();
  lb_cursor_close(cursor);
}

/* Whether zlib takes all of it, as gzip members. */
static bool zlib_reads(const uint8_t *data, size_t size)
{
  static unsigned char out[1 << 16];
  z_stream z = { .next_in = (Bytef *)(uintptr_t)data, .avail_in = (uInt)size };
  int rc = inflateInit2(&z, 15 + 16);
  do {
    if (rc == Z_STREAM_END) inflateReset(&z);
    do {
      z.next_out = out;
      z.avail_out = sizeof out;
      rc = inflate(&z, Z_NO_FLUSH);
    } while (rc == Z_OK);
  } while (rc == Z_STREAM_END && z.avail_in);
  inflateEnd(&z);
  return rc == Z_STREAM_END;
}

/* All blocks, the last one first. A file that only has a front cannot be opened so, and one that is not packed. The gzip
** of other tools is read by zlib then, which refuses incomplete Huffman codes; ISA-L, which made the pass, takes them. */
static void read_anywhere(int fd, bool whole, const uint8_t *data, size_t size)
{
  lb_error err = LB_ERROR_INIT;
  lb_access *access = lb_access_open(fd, "fuzz", &err);
  lb_decoder *decoder = access ? lb_decoder_open(access, &err) : NULL;
  unsigned char *raw = decoder ? malloc(lb_access_largest(access) + 1) : NULL;
  if (whole && !access && err.code != LB_UNSUPPORTED && err.code != LB_MISUSE && zlib_reads(data, size)) abort();
  if (whole && access && lb_access_bytes(access) != content.len) abort();
  for (uint64_t i = raw ? lb_access_count(access) : 0; i-- > 0;) {
    uint64_t offset;
    size_t n;
    lb_error_clear(&err);
    lb_access_extent(access, i, &offset, &n);
    if (n > lb_access_largest(access) || (n && lb_access_find(access, offset + n - 1) != i)) abort();
    bool good = lb_decoder_read(decoder, i, raw, &err) == LB_OK;
    if (whole && (!good || (n && memcmp(raw, content.data + offset, n)))) abort();
  }
  free(raw);
  lb_decoder_close(decoder);
  lb_access_close(access);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  lb_error err = LB_ERROR_INIT;
  decode_index(data, size);
  int fd = memfd_create("fuzz", MFD_CLOEXEC);
  if (fd < 0 || write(fd, data, size) != (ssize_t)size) return 0;
  lb_reader *reader = lb_reader_open(fd, "fuzz", &err);
  if (reader) {
    char head[512];
    size_t got;
    lb_task task = { 0 };
    lb_reader_report report = { 0 };
    lb_reader_peek(reader, head, sizeof head, &got, &err);
    lb_error_clear(&err);
    lb_task_begin(&task, "fuzz", "");
    lb_reader_pass(reader, 1, take, NULL, &task, &report, &err);
    bool whole = err.code == LB_OK;
    read_in_order(reader, &task, whole, report.raw_bytes);
    read_anywhere(fd, whole, data, size);
    lb_task_end(&task);
  }
  lb_reader_close(reader);
  close(fd);
  return 0;
}

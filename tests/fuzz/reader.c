/* libFuzzer target: the bytes are a backup file, and once more the payload of an index. Opening, decoding, and a pass over
** all of it may fail, never crash. The index is decoded by itself as well, since its checksum would stop most mutations.
**
** `make fuzz` builds a corpus of real backups first (tests/fuzz/corpus.sh), so that mutations start from valid files.
*/
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

#include "archive/index.h"
#include "archive/reader.h"

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
    lb_index_raw_offset(&index, index.count - 1);
  }
  lb_index_free(&index);
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
    lb_task_end(&task);
  }
  lb_reader_close(reader);
  close(fd);
  return 0;
}

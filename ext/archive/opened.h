/* What a reader is made of. Private to ext/archive: reader.c opens; pass.c, front.c, cursor.c and
** ahead.c read. */
#ifndef LB_ARCHIVE_OPENED_H
#define LB_ARCHIVE_OPENED_H

#include "archive/index.h"
#include "archive/reader.h"

struct lb_reader {
  int fd;
  char *path;
  lb_reader_kind kind;
  const lb_codec *codec;   /* NULL for PLAIN */
  uint64_t size;           /* of the file, when it was opened */
  int64_t claimed;         /* content bytes of a STREAM, or -1 */
  lb_index index;          /* of INDEXED */
};

#define LB_READER_PIECE (256 << 10)   /* bytes read and made at once, where there are no blocks */

/* Reads and decodes block `number` into raw (at least its raw size); stored has room for its stored size. A damaged
** block is LB_CORRUPT in `damage` ("block 12 at byte 3145728: …"); other failures are in err. */
int lb_reader_block(const lb_reader *reader, void *decompressor, uint64_t number, unsigned char *stored,
                    unsigned char *raw, lb_error *damage, lb_error *err);

/* lb_cursor_read into raw, which has room for the largest block. */
int lb_cursor_decode(lb_cursor *cursor, uint64_t block, unsigned char *raw, size_t *n, lb_error *err);

/* lb_front_read, with damage told apart from other failures: anything but LB_OK means that one of the two is set. */
int lb_front_next(lb_front *front, const unsigned char **data, size_t *n, lb_error *damage, lb_error *err);

/* Reads a STREAM or PLAIN from its beginning, giving pieces to take (which may be NULL) until `limit` bytes of content
** or the end. task may be NULL. *raw_bytes counts what was taken. Damage and other failures are told apart as above;
** both end it. */
int lb_reader_sequential(const lb_reader *reader, uint64_t limit, lb_reader_take take, void *ctx, lb_task *task,
                         uint64_t *raw_bytes, lb_error *damage, lb_error *err);

#endif

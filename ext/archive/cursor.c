/* See reader.h: any block of an INDEXED file, in any order. What a block must be is in pass.c. */
#include <stdlib.h>

#include "archive/opened.h"

struct lb_cursor {
  const lb_reader *reader;
  void *decompressor;
  unsigned char *stored, *raw;  /* one allocation, as large as the largest block */
};

lb_cursor *lb_cursor_open(lb_reader *r, lb_error *err)
{
  if (r->kind != LB_READER_INDEXED) {
    lb_fail(err, LB_MISUSE, "%s: it has no index: it is read from the front only", r->path);
    return NULL;
  }
  lb_cursor *cursor = calloc(1, sizeof *cursor);
  if (!cursor) {
    lb_fail_nomem(err);
    return NULL;
  }
  size_t stored, raw;
  lb_index_largest(&r->index, &stored, &raw);
  cursor->reader = r;
  cursor->stored = malloc(stored + raw);
  cursor->raw = cursor->stored ? cursor->stored + stored : NULL;
  if (!cursor->stored) lb_fail_nomem(err);
  else cursor->decompressor = r->codec->decompressor_open(err);
  if (cursor->decompressor) return cursor;
  lb_cursor_close(cursor);
  return NULL;
}

int lb_cursor_decode(lb_cursor *cursor, uint64_t block, unsigned char *raw, size_t *n, lb_error *err)
{
  const lb_reader *r = cursor->reader;
  lb_error damage = LB_ERROR_INIT;
  *n = 0;
  if (err->code) return err->code;
  if (block >= r->index.count) {
    return lb_fail(err, LB_MISUSE, "%s: block %llu was asked for, but it has %llu blocks", r->path,
                   (unsigned long long)block, (unsigned long long)r->index.count);
  }
  if (lb_reader_block(r, cursor->decompressor, block, cursor->stored, raw, &damage, err)) return err->code;
  if (damage.code) return lb_fail(err, damage.code, "%s: %s", r->path, damage.message);
  *n = r->index.blocks[block].raw;
  return LB_OK;
}

int lb_cursor_read(lb_cursor *cursor, uint64_t block, const unsigned char **data, size_t *n, lb_error *err)
{
  *data = NULL;
  if (lb_cursor_decode(cursor, block, cursor->raw, n, err)) return err->code;
  *data = cursor->raw;
  return LB_OK;
}

void lb_cursor_close(lb_cursor *cursor)
{
  if (!cursor) return;
  if (cursor->decompressor) cursor->reader->codec->decompressor_close(cursor->decompressor);
  free(cursor->stored);
  free(cursor);
}

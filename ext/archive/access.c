/* See access.h. What a block of ours must be is in pass.c. */
#include "archive/access.h"

#include <stdlib.h>
#include <string.h>

#include "archive/gzip_index.h"
#include "archive/opened.h"

struct lb_access {
  lb_reader *reader;
  lb_gzip_index *gzip;   /* NULL: the reader has an index */
};

struct lb_decoder {
  const lb_access *access;
  void *decompressor;    /* of an indexed file */
  unsigned char *stored;
  lb_gzip_place *place;  /* of another */
};

static int open_foreign(lb_access *a, int fd, lb_error *err)
{
  const lb_reader *r = a->reader;
  if (r->kind == LB_READER_PLAIN) {
    return lb_fail(err, LB_MISUSE, "%s: it is not compressed: open it as it is, with the setting immutable=1", r->path);
  }
  if (strcmp(r->codec->name, "gzip") != 0) {
    return lb_fail(err, LB_UNSUPPORTED,
                   "%s: %s of another tool can only be read from its front: restore it to look inside", r->path,
                   r->codec->name);
  }
  a->gzip = lb_gzip_index_build(fd, r->size, err);
  if (!a->gzip) lb_error_prefix(err, "%s: ", r->path);
  return err->code;
}

lb_access *lb_access_open(int fd, const char *path, lb_error *err)
{
  lb_access *a = calloc(1, sizeof *a);
  if (!a) {
    lb_fail_nomem(err);
    return NULL;
  }
  a->reader = lb_reader_open(fd, path, err);
  if (a->reader && a->reader->kind != LB_READER_INDEXED) open_foreign(a, fd, err);
  if (err->code == LB_OK) return a;
  lb_access_close(a);
  return NULL;
}

void lb_access_close(lb_access *a)
{
  if (!a) return;
  lb_gzip_index_free(a->gzip);
  lb_reader_close(a->reader);
  free(a);
}

uint64_t lb_access_bytes(const lb_access *a)
{
  return a->gzip ? lb_gzip_index_bytes(a->gzip) : a->reader->index.raw_total;
}

uint64_t lb_access_count(const lb_access *a)
{
  if (!a->gzip) return a->reader->index.count;
  uint64_t bytes = lb_gzip_index_bytes(a->gzip);
  return bytes / LB_GZIP_INDEX_BLOCK + (bytes % LB_GZIP_INDEX_BLOCK != 0);
}

size_t lb_access_largest(const lb_access *a)
{
  size_t stored, raw;
  if (a->gzip) return LB_GZIP_INDEX_BLOCK;
  lb_index_largest(&a->reader->index, &stored, &raw);
  return raw;
}

uint64_t lb_access_find(const lb_access *a, uint64_t offset)
{
  return a->gzip ? offset / LB_GZIP_INDEX_BLOCK : lb_index_find(&a->reader->index, offset);
}

void lb_access_extent(const lb_access *a, uint64_t block, uint64_t *offset, size_t *n)
{
  if (a->gzip) {
    uint64_t left = lb_gzip_index_bytes(a->gzip) - block * LB_GZIP_INDEX_BLOCK;
    *offset = block * LB_GZIP_INDEX_BLOCK;
    *n = left < LB_GZIP_INDEX_BLOCK ? (size_t)left : LB_GZIP_INDEX_BLOCK;
  } else {
    *offset = a->reader->index.blocks[block].raw_offset;
    *n = a->reader->index.blocks[block].raw;
  }
}

lb_decoder *lb_decoder_open(const lb_access *a, lb_error *err)
{
  size_t stored, raw;
  lb_decoder *d = calloc(1, sizeof *d);
  if (!d) {
    lb_fail_nomem(err);
    return NULL;
  }
  d->access = a;
  if (a->gzip) {
    d->place = lb_gzip_place_open(a->gzip, err);
  } else {
    lb_index_largest(&a->reader->index, &stored, &raw);
    d->stored = malloc(stored);
    if (!d->stored) lb_fail_nomem(err);
    else d->decompressor = a->reader->codec->decompressor_open(err);
  }
  if (err->code == LB_OK) return d;
  lb_decoder_close(d);
  return NULL;
}

void lb_decoder_close(lb_decoder *d)
{
  if (!d) return;
  if (d->decompressor) d->access->reader->codec->decompressor_close(d->decompressor);
  free(d->stored);
  lb_gzip_place_close(d->place);
  free(d);
}

int lb_decoder_read(lb_decoder *d, uint64_t block, unsigned char *raw, lb_error *err)
{
  const lb_reader *r = d->access->reader;
  lb_error damage = LB_ERROR_INIT;
  if (d->place) {
    if (lb_gzip_place_read(d->place, block, raw, err)) lb_error_prefix(err, "%s: ", r->path);
  } else if (lb_reader_block(r, d->decompressor, block, d->stored, raw, &damage, err) == LB_OK && damage.code) {
    lb_fail(err, damage.code, "%s: %s", r->path, damage.message);
  }
  return err->code;
}

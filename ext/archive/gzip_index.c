/* See gzip_index.h. */
#include "archive/gzip_index.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "codec/codec.h"
#include "core/file.h"

#define WINDOW (32u << 10)
#define PIECE (64u << 10)          /* read and inflated at once */
#define SPACING (1u << 20)         /* content bytes between points, to begin with */
#define POINTS_MOST 512
#define GZIP_BITS (15 + 16)
#define TRAILER_BYTES 8            /* CRC and length behind a member */

typedef struct point {
  uint64_t out, in;                /* content byte; the first byte of the file that was not taken whole */
  int bits;                        /* of the byte before `in` that still belong to what follows */
  unsigned have;                   /* bytes in window */
  unsigned char *window;
} point;

struct lb_gzip_index {
  int fd;
  uint64_t size, bytes;
  uint64_t spacing;
  size_t count;
  point points[POINTS_MOST];
  uint32_t *crcs;                  /* one a block */
  uint64_t blocks, capacity;
};

static int damaged(uint64_t offset, const char *what, lb_error *err)
{
  return lb_fail(err, LB_CORRUPT, "%s near byte %llu", what, (unsigned long long)offset);
}

/* ---- building ---- */

typedef struct builder {
  lb_gzip_index *index;
  z_stream z;
  unsigned char in[PIECE], out[PIECE];
  bool inside, ended_one;          /* a member has begun and not ended; one was read to its end */
} builder;

static void thin_out(lb_gzip_index *index)
{
  size_t kept = 0;
  for (size_t i = 0; i < index->count; i++) {
    if (i % 2) free(index->points[i].window);
    else index->points[kept++] = index->points[i];
  }
  index->count = kept;
  index->spacing *= 2;
}

static int add_point(builder *b, uint64_t in, lb_error *err)
{
  lb_gzip_index *index = b->index;
  if (index->count && index->bytes - index->points[index->count - 1].out < index->spacing) return LB_OK;
  if (index->count == POINTS_MOST) {
    thin_out(index);
    if (index->bytes - index->points[index->count - 1].out < index->spacing) return LB_OK;
  }
  point *p = &index->points[index->count];
  *p = (point){ .out = index->bytes, .in = in, .bits = b->z.data_type & 7, .window = malloc(WINDOW) };
  if (!p->window) return lb_fail_nomem(err);
  index->count++;
  return inflateGetDictionary(&b->z, p->window, &p->have) == Z_OK ? (int)LB_OK : lb_fail_nomem(err);
}

/* Takes content into the checksums of its blocks. */
static int add_content(lb_gzip_index *index, const unsigned char *data, size_t n, lb_error *err)
{
  while (n) {
    size_t at = index->bytes % LB_GZIP_INDEX_BLOCK, room = LB_GZIP_INDEX_BLOCK - at, took = n < room ? n : room;
    if (at == 0) {
      if (index->blocks == index->capacity) {
        uint64_t capacity = index->capacity ? index->capacity * 2 : 256;
        uint32_t *crcs = realloc(index->crcs, capacity * sizeof *crcs);
        if (!crcs) return lb_fail_nomem(err);
        index->crcs = crcs;
        index->capacity = capacity;
      }
      index->crcs[index->blocks++] = 0;
    }
    uint32_t *crc = &index->crcs[index->blocks - 1];
    *crc = lb_crc32(*crc, data, took);
    index->bytes += took;
    data += took;
    n -= took;
  }
  return LB_OK;
}

/* Inflates what was read, which ends at byte `end` of the file. */
static int build_from_piece(builder *b, uint64_t end, lb_error *err)
{
  for (;;) {
    uInt had = b->z.avail_in;
    b->z.next_out = b->out;
    b->z.avail_out = PIECE;
    int rc = inflate(&b->z, Z_BLOCK);
    size_t made = PIECE - b->z.avail_out;
    uint64_t in = end - b->z.avail_in;
    if (had != b->z.avail_in) b->inside = true;
    if (rc == Z_MEM_ERROR) return lb_fail_nomem(err);
    if (rc != Z_OK && rc != Z_BUF_ERROR && rc != Z_STREAM_END) {
      return damaged(in, b->ended_one ? "damaged gzip data, or trailing bytes that are not gzip" : "damaged gzip data",
                     err);
    }
    if (add_content(b->index, b->out, made, err)) return err->code;
    if (rc == Z_STREAM_END) {
      b->inside = false;
      b->ended_one = true;
      if (inflateReset(&b->z) != Z_OK) return lb_fail_nomem(err);
    } else if ((b->z.data_type & 128) && !(b->z.data_type & 64) && add_point(b, in, err)) {
      return err->code;
    }
    if (b->z.avail_in == 0 && b->z.avail_out != 0) return LB_OK;
    if (rc == Z_BUF_ERROR && had == b->z.avail_in && made == 0) return damaged(in, "damaged gzip data", err);
  }
}

static int build(builder *b, lb_error *err)
{
  lb_gzip_index *index = b->index;
  for (uint64_t offset = 0; offset < index->size;) {
    size_t n = index->size - offset < PIECE ? (size_t)(index->size - offset) : PIECE;
    if (lb_file_read(index->fd, b->in, n, (int64_t)offset, "it", err)) return err->code;
    offset += n;
    b->z.next_in = b->in;
    b->z.avail_in = (uInt)n;
    if (build_from_piece(b, offset, err)) return err->code;
  }
  if (b->inside || !b->ended_one) {
    return lb_fail(err, LB_CORRUPT, "truncated: the gzip data goes on after the file's end");
  }
  return LB_OK;
}

lb_gzip_index *lb_gzip_index_build(int fd, uint64_t size, lb_error *err)
{
  lb_gzip_index *index = calloc(1, sizeof *index);
  builder *b = calloc(1, sizeof *b);
  if (index && b && inflateInit2(&b->z, GZIP_BITS) == Z_OK) {
    index->fd = fd;
    index->size = size;
    index->spacing = SPACING;
    b->index = index;
    build(b, err);
    inflateEnd(&b->z);
  } else {
    lb_fail_nomem(err);
  }
  free(b);
  if (err->code == LB_OK) return index;
  lb_gzip_index_free(index);
  return NULL;
}

void lb_gzip_index_free(lb_gzip_index *index)
{
  if (!index) return;
  for (size_t i = 0; i < index->count; i++) free(index->points[i].window);
  free(index->crcs);
  free(index);
}

uint64_t lb_gzip_index_bytes(const lb_gzip_index *index) { return index->bytes; }
size_t lb_gzip_index_points(const lb_gzip_index *index) { return index->count; }

/* ---- reading ---- */

struct lb_gzip_place {
  const lb_gzip_index *index;
  z_stream z;
  bool live;                       /* z is at content byte `out` */
  bool raw;                        /* z began at a point: it sees neither header nor trailer of this member */
  bool ended;                      /* z is at the end of a member */
  uint64_t out, in;                /* `in`: the next byte of the file to read into `data` */
  unsigned char data[PIECE];
};

lb_gzip_place *lb_gzip_place_open(const lb_gzip_index *index, lb_error *err)
{
  lb_gzip_place *place = calloc(1, sizeof *place);
  if (place && inflateInit2(&place->z, -15) == Z_OK) {
    place->index = index;
    return place;
  }
  free(place);
  lb_fail_nomem(err);
  return NULL;
}

void lb_gzip_place_close(lb_gzip_place *place)
{
  if (!place) return;
  inflateEnd(&place->z);
  free(place);
}

static int fill(lb_gzip_place *place, lb_error *err)
{
  uint64_t left = place->index->size - place->in;
  size_t n = left < PIECE ? (size_t)left : PIECE;
  if (n == 0) return damaged(place->in, "the gzip data ends too early", err);
  if (lb_file_read(place->index->fd, place->data, n, (int64_t)place->in, "it", err)) return err->code;
  place->in += n;
  place->z.next_in = place->data;
  place->z.avail_in = (uInt)n;
  return LB_OK;
}

/* To the point: its bits of the byte before, and the content before it. */
static int start_at(lb_gzip_place *place, const point *p, lb_error *err)
{
  place->live = place->ended = false;
  place->z.avail_in = 0;
  place->in = p->in - (p->bits != 0);
  if (inflateReset2(&place->z, -15) != Z_OK) return lb_fail_nomem(err);
  if (p->bits) {
    if (fill(place, err)) return err->code;
    int byte = *place->z.next_in++;
    place->z.avail_in--;
    inflatePrime(&place->z, p->bits, byte >> (8 - p->bits));
  }
  if (p->have && inflateSetDictionary(&place->z, p->window, p->have) != Z_OK) return lb_fail_nomem(err);
  place->out = p->out;
  place->raw = place->live = true;
  return LB_OK;
}

/* At a member's end: what follows is read as whole members, whose header and trailer zlib takes care of. */
static int next_member(lb_gzip_place *place, lb_error *err)
{
  for (int skip = place->raw ? TRAILER_BYTES : 0; skip > 0;) {
    if (place->z.avail_in == 0 && fill(place, err)) return err->code;
    uInt n = place->z.avail_in < (uInt)skip ? place->z.avail_in : (uInt)skip;
    place->z.next_in += n;
    place->z.avail_in -= n;
    skip -= (int)n;
  }
  place->raw = place->ended = false;
  return inflateReset2(&place->z, GZIP_BITS) == Z_OK ? (int)LB_OK : lb_fail_nomem(err);
}

static int inflate_to(lb_gzip_place *place, unsigned char *to, size_t n, lb_error *err)
{
  z_stream *z = &place->z;
  z->next_out = to;
  z->avail_out = (uInt)n;
  while (z->avail_out) {
    if (place->ended && next_member(place, err)) return err->code;
    if (z->avail_in == 0 && fill(place, err)) return err->code;
    int rc = inflate(z, Z_NO_FLUSH);
    if (rc == Z_STREAM_END) {
      place->ended = true;
    } else if (rc == Z_MEM_ERROR) {
      return lb_fail_nomem(err);
    } else if (rc != Z_OK) {
      return damaged(place->in - z->avail_in, "damaged gzip data", err);
    }
  }
  place->out += n;
  return LB_OK;
}

static const point *point_before(const lb_gzip_index *index, uint64_t offset)
{
  size_t low = 0, high = index->count;  /* the first point is at 0 */
  while (high - low > 1) {
    size_t middle = (low + high) / 2;
    if (index->points[middle].out <= offset) low = middle;
    else high = middle;
  }
  return &index->points[low];
}

static int seek(lb_gzip_place *place, uint64_t offset, unsigned char *scratch, size_t n, lb_error *err)
{
  const point *p = point_before(place->index, offset);
  bool near = place->live && place->out <= offset && place->out >= p->out;
  if (!near && start_at(place, p, err)) return err->code;
  while (place->out < offset) {
    uint64_t left = offset - place->out;
    if (inflate_to(place, scratch, left < n ? (size_t)left : n, err)) return err->code;
  }
  return LB_OK;
}

int lb_gzip_place_read(lb_gzip_place *place, uint64_t block, unsigned char *raw, lb_error *err)
{
  const lb_gzip_index *index = place->index;
  uint64_t offset = block * LB_GZIP_INDEX_BLOCK, left = index->bytes - offset;
  size_t n = left < LB_GZIP_INDEX_BLOCK ? (size_t)left : LB_GZIP_INDEX_BLOCK;
  if (seek(place, offset, raw, n, err) == LB_OK && inflate_to(place, raw, n, err) == LB_OK &&
      lb_crc32(0, raw, n) != index->crcs[block]) {
    lb_fail(err, LB_CORRUPT, "the content from byte %llu on is not what it was when the file was opened",
            (unsigned long long)offset);
  }
  if (err->code) place->live = false;
  return err->code;
}

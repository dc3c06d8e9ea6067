/* See reader.h. Opening goes from the back: footer, index, table of blocks, each checked before the next is believed.
**
** A footer is looked for in every codec, whatever the first bytes say: a file of ours whose beginning is damaged is
** still one of ours. Without a footer the first bytes decide: with our mark it is a damaged file of ours, without it
** another tool's.
*/
#include "archive/reader.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "archive/opened.h"
#include "core/file.h"

#define EDGE_BYTES 256   /* enough of the file's beginning for a mark, and of its end for a footer */

static int open_index(lb_reader *r, const lb_footer *footer, lb_error *err)
{
  uint64_t footer_bytes = lb_footer_bytes(r->codec);
  /* index_payload < index_stored <= size: no sum below can overflow, and the memory is bounded by the file's size. */
  if (footer->index_stored > r->size - footer_bytes || footer->index_payload >= footer->index_stored ||
      footer->index_offset != r->size - footer_bytes - footer->index_stored ||
      footer->index_stored != lb_index_stored_bytes(r->codec, footer->index_payload)) {
    return lb_fail(err, LB_CORRUPT, "damaged: the footer does not fit the file (something was cut out or inserted)");
  }
  unsigned char *stored = malloc(footer->index_stored);
  if (!stored) return lb_fail_nomem(err);
  if (lb_file_read(r->fd, stored, footer->index_stored, (int64_t)footer->index_offset, "its index", err) == LB_OK &&
      lb_index_unpack(r->codec, stored, footer, err) == LB_OK) {
    lb_index_decode(stored, footer->index_payload, footer->index_offset, &r->index, err);
  }
  free(stored);
  return err->code;
}

/* Sets the codec where the file ends in its footer. */
static bool find_footer(lb_reader *r, const unsigned char *tail, size_t tail_len, lb_footer *footer, lb_error *err)
{
  const lb_codec *codec;
  for (int i = 0; (codec = lb_codec_at(i)); i++) {
    size_t n = lb_footer_bytes(codec);
    if (n <= tail_len && lb_footer_decode(codec, tail + tail_len - n, footer, err)) {
      r->codec = codec;
      r->kind = LB_READER_INDEXED;
      return true;
    }
  }
  return false;
}

static int open_foreign(lb_reader *r, const unsigned char *head, size_t head_len, const unsigned char *tail,
                        size_t tail_len, lb_error *err)
{
  lb_member member;
  const char *format = lb_codec_name_of(head, head_len);
  const lb_codec *promised = lb_codec_by_suffix(r->path);
  if (!format) {
    r->kind = LB_READER_PLAIN;
    if (promised) {
      return lb_fail(err, LB_CORRUPT, "damaged: it does not begin like a %s file, though its name says so",
                     promised->name);
    }
    return LB_OK;
  }
  r->kind = LB_READER_STREAM;
  r->codec = lb_codec_get(format, err);
  if (!r->codec) return err->code;
  if (r->codec->member_at(head, head_len, &member) && member.ours) {
    return lb_fail(err, LB_CORRUPT, "damaged: the footer is missing (the file was cut off, or something was appended)");
  }
  r->claimed = r->codec->claimed_size(head, head_len, tail, tail_len, r->size);
  return LB_OK;
}

static int open_contents(lb_reader *r, lb_error *err)
{
  unsigned char head[EDGE_BYTES], tail[EDGE_BYTES];
  lb_footer footer;
  struct stat st;
  if (fstat(r->fd, &st)) return lb_fail_errno(err, errno, "cannot read it");
  if (!S_ISREG(st.st_mode)) return lb_fail(err, LB_MISUSE, "not a regular file");
  r->size = (uint64_t)st.st_size;
  size_t n = r->size < EDGE_BYTES ? (size_t)r->size : EDGE_BYTES;
  if (lb_file_read(r->fd, head, n, 0, "it", err) ||
      lb_file_read(r->fd, tail, n, (int64_t)(r->size - n), "it", err)) {
    return err->code;
  }
  if (!find_footer(r, tail, n, &footer, err)) return open_foreign(r, head, n, tail, n, err);
  return err->code ? err->code : open_index(r, &footer, err);
}

lb_reader *lb_reader_open(int fd, const char *path, lb_error *err)
{
  lb_reader *r = calloc(1, sizeof *r);
  if (!r) {
    lb_fail_nomem(err);
    return NULL;
  }
  r->fd = fd;
  r->claimed = -1;
  r->path = lb_text_copy(path, err);
  if (r->path && open_contents(r, err) == LB_OK) return r;
  lb_error_prefix(err, "%s: ", path);
  lb_reader_close(r);
  return NULL;
}

void lb_reader_close(lb_reader *r)
{
  if (!r) return;
  lb_index_free(&r->index);
  free(r->path);
  free(r);
}

lb_reader_kind lb_reader_kind_of(const lb_reader *r)
{
  return r->kind;
}

const lb_codec *lb_reader_codec(const lb_reader *r)
{
  return r->codec;
}

const char *lb_reader_manifest(const lb_reader *r)
{
  return r->index.manifest;
}

const char *lb_reader_contents(const lb_reader *r)
{
  return r->index.contents;
}

uint64_t lb_reader_block_count(const lb_reader *r)
{
  return r->index.count;
}

uint64_t lb_reader_stored_bytes(const lb_reader *r)
{
  return r->size;
}

int64_t lb_reader_raw_bytes(const lb_reader *r)
{
  if (r->kind == LB_READER_INDEXED) return (int64_t)r->index.raw_total;
  return r->kind == LB_READER_PLAIN ? (int64_t)r->size : r->claimed;
}

/* ---- peek ---- */

typedef struct peeked {
  unsigned char *data;
  size_t capacity, len;
} peeked;

static int peek_take(void *ctx, uint64_t offset, const void *data, size_t n, lb_error *err)
{
  peeked *p = ctx;
  (void)offset, (void)err;
  if (n > p->capacity - p->len) n = p->capacity - p->len;
  if (n) memcpy(p->data + p->len, data, n);
  p->len += n;
  return LB_OK;
}

static int peek_indexed(lb_reader *r, peeked *p, lb_error *err)
{
  const unsigned char *data;
  size_t n;
  lb_cursor *cursor = lb_cursor_open(r, err);
  for (uint64_t i = 0; cursor && i < r->index.count && p->len < p->capacity; i++) {
    if (lb_cursor_read(cursor, i, &data, &n, err)) break;
    peek_take(p, 0, data, n, err);
  }
  lb_cursor_close(cursor);
  return err->code;
}

int lb_reader_peek(lb_reader *r, void *data, size_t n, size_t *got, lb_error *err)
{
  peeked p = { data, n, 0 };
  lb_error damage = LB_ERROR_INIT;
  uint64_t taken;
  if (r->kind == LB_READER_INDEXED) {
    peek_indexed(r, &p, err);
  } else {
    lb_reader_sequential(r, n, peek_take, &p, NULL, &taken, &damage, err);
  }
  *got = p.len;
  return damage.code ? lb_fail(err, damage.code, "%s: %s", r->path, damage.message) : err->code;
}

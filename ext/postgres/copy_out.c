/* See copy_out.h. */
#include "postgres/copy_out.h"

#include <string.h>

#include "postgres/wire_text.h"

enum { SIGNATURE_BYTES = 11, HEADER_BYTES = SIGNATURE_BYTES + 8, IS_TRAILER = 0xffff };

typedef struct input {
  const unsigned char *at;
  size_t left;
} input;

/* NULL: there are not so many. */
static const unsigned char *take(input *in, size_t n)
{
  const unsigned char *p = in->at;
  if (n > in->left) return NULL;
  in->at += n;
  in->left -= n;
  return p;
}

/* The signature, flags, the length of an extension and that; flags say what the rows have besides, which nobody asked
** for. */
static int take_header(lb_copy_out *copy, input *in, lb_error *err)
{
  const unsigned char *p = take(in, HEADER_BYTES);
  bool known = p && memcmp(p, "PGCOPY\n\377\r\n\0", SIGNATURE_BYTES) == 0 &&
               lb_wire_get_u32(p + SIGNATURE_BYTES) == 0 && take(in, lb_wire_get_u32(p + SIGNATURE_BYTES + 4));
  if (!known) return lb_fail(err, LB_ERROR, "COPY began with no header that is known");
  copy->begun = true;
  return LB_OK;
}

static int take_field(const lb_copy_out *copy, int column, input *in, lb_buf *rows, lb_error *err)
{
  const unsigned char *size = take(in, 4), *value = NULL;
  uint32_t n = size ? lb_wire_get_u32(size) : 0;
  if (n == UINT32_MAX) {
    lb_buf_append(rows, "\\N", 2);
    return LB_OK;
  }
  if (size) value = take(in, n);
  if (!value) return lb_fail(err, LB_ERROR, "column %d of a row ends early", column + 1);
  if (lb_wire_text(copy->wires[column], value, n, rows) || rows->failed) return LB_OK;
  return lb_fail(err, LB_ERROR, "column %d of a row has %u bytes that are no value of its type", column + 1, n);
}

static int take_fields(const lb_copy_out *copy, input *in, lb_buf *rows, lb_error *err)
{
  for (int i = 0; i < copy->count && !err->code; i++) {
    if (i) lb_buf_byte(rows, '\t');
    take_field(copy, i, in, rows, err);
  }
  lb_buf_byte(rows, '\n');
  return err->code;
}

int lb_copy_out_take(lb_copy_out *copy, const void *data, size_t len, lb_buf *rows, lb_error *err)
{
  input in = { data, len };
  if (!copy->begun && (take_header(copy, &in, err) || !in.left)) return err->code;
  const unsigned char *p = copy->ended ? NULL : take(&in, 2);
  unsigned fields = p ? lb_wire_get_u16(p) : 0;
  if (!p || (fields != IS_TRAILER && fields != (unsigned)copy->count)) {
    return lb_fail(err, LB_ERROR, "a row has not the %d columns that were asked for", copy->count);
  }
  copy->ended = fields == IS_TRAILER;
  if (!copy->ended && take_fields(copy, &in, rows, err)) return err->code;
  if (in.left) return lb_fail(err, LB_ERROR, "a row goes on behind its last column");
  return rows->failed ? lb_fail_nomem(err) : LB_OK;
}

/* See parts.h. */
#include "postgres/parts.h"

#include <string.h>

void lb_pg_parts_begin(lb_pg_parts *p, lb_part_kind kind, int table)
{
  p->part = (lb_pg_part){ .kind = kind, .table = table, .block = p->blocks };
}

static int submit(lb_pg_parts *p, lb_error *err)
{
  if (p->sink->submit(p->sink, p->used, err)) return err->code;
  p->block = NULL;
  p->used = 0;
  p->blocks++;
  return LB_OK;
}

int lb_pg_parts_write(lb_pg_parts *p, const void *data, size_t n, lb_error *err)
{
  const char *from = data;
  p->part.bytes += n;
  while (n) {
    if (!p->block && !(p->block = p->sink->claim(p->sink, err))) return err->code;
    size_t room = p->sink->block_bytes - p->used, piece = n < room ? n : room;
    memcpy(p->block + p->used, from, piece);
    p->used += piece;
    from += piece;
    n -= piece;
    if (p->used == p->sink->block_bytes && submit(p, err)) return err->code;
  }
  return LB_OK;
}

int lb_pg_parts_end(lb_pg_parts *p, uint64_t rows, lb_error *err)
{
  if (p->used && submit(p, err)) return err->code;
  p->part.blocks = p->blocks - p->part.block;
  p->part.rows = rows;
  return p->part.blocks ? lb_pg_contents_add_part(p->contents, &p->part, err) : LB_OK;
}

/* Writes a script part by part into a sink; every part begins a block, and is noted in the table of contents. */
#ifndef LB_POSTGRES_PARTS_H
#define LB_POSTGRES_PARTS_H

#include "core/stream.h"
#include "postgres/contents.h"

typedef struct lb_pg_parts {
  lb_sink *sink;
  lb_pg_contents *contents;
  unsigned char *block;   /* the one that is being filled; NULL: none */
  size_t used;
  uint64_t blocks;        /* submitted so far */
  lb_pg_part part;        /* the one that is being written */
} lb_pg_parts;

void lb_pg_parts_begin(lb_pg_parts *parts, lb_part_kind kind, int table);
int lb_pg_parts_write(lb_pg_parts *parts, const void *data, size_t n, lb_error *err);

/* A part without a byte leaves no trace. rows: of DATA. */
int lb_pg_parts_end(lb_pg_parts *parts, uint64_t rows, lb_error *err);

#endif

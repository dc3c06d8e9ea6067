/* Rows that a server sends for COPY … TO STDOUT (FORMAT binary), as the rows of its text format. For the server the
** binary form is less work, and a bytea has half the bytes.
**
** Source: PostgreSQL's manual, "COPY", "Binary Format", and "Message Formats": a CopyData has one row.
*/
#ifndef LB_POSTGRES_COPY_OUT_H
#define LB_POSTGRES_COPY_OUT_H

#include "core/error.h"
#include "postgres/wire.h"

typedef struct lb_copy_out {
  const lb_wire *wires;  /* of the columns, in their order */
  int count;
  bool begun, ended;     /* the header has come, the trailer */
} lb_copy_out;

/* Appends the row of one CopyData, with its newline; nothing where that has only the header or the trailer. On failure
** (LB_ERROR: the bytes are not of that form; where and why) rows is incomplete. */
int lb_copy_out_take(lb_copy_out *copy, const void *data, size_t len, lb_buf *rows, lb_error *err);

#endif

/* The text of COPY, fed in pieces, cut into rows and fields.
**
** A row is a line, fields are parted by tabs, \N alone is NULL; inside, \b \f \n \r \t \v, \ooo and \xhh are bytes and
** a backslash before anything else means that. What the server would not load is an error: another number of fields
** than the COPY has columns, a backslash at the end of a line, \. inside one, a zero byte, lines that end with CR LF
** among others. The bytes are hostile. Source: PostgreSQL's manual, COPY, "Text Format".
**
** Several COPY may be fed one after the other before the first row is asked for. Memory: what was fed and not yet asked
** for, or the longest row.
*/
#ifndef LB_POSTGRES_COPY_ROWS_H
#define LB_POSTGRES_COPY_ROWS_H

#include "core/buffer.h"
#include "core/error.h"

#define LB_COPY_ROW_MAX ((size_t)1 << 30)  /* bytes of a row; the server takes no longer one either */

typedef struct lb_copy_field {
  bool null;
  bool coded;         /* a byte of it was written as \ooo or \xhh */
  const char *text;   /* not ended by a zero byte */
  size_t len;
} lb_copy_field;

typedef struct lb_copy_rows lb_copy_rows;

lb_copy_rows *lb_copy_rows_open(lb_error *err);
void lb_copy_rows_close(lb_copy_rows *rows);  /* accepts NULL */

/* What is put from here on belongs to a COPY of so many columns (0 or more), which the caller calls tag. */
int lb_copy_rows_begin(lb_copy_rows *rows, int fields, int tag, lb_error *err);
int lb_copy_rows_put(lb_copy_rows *rows, const char *data, size_t n, lb_error *err);

/* Steps over whole rows, `most` at most, without looking into them; returns how many. */
uint64_t lb_copy_rows_skip(lb_copy_rows *rows, uint64_t most);

/* The next row, if there is a whole one: *found, and the tag of its COPY. */
int lb_copy_rows_next(lb_copy_rows *rows, bool *found, int *tag, lb_error *err);

/* Field i (from 0, below the COPY's columns) of the row at hand: valid until the next call of next or put, what was
** escaped until buf, where it is then, is used again. */
int lb_copy_rows_field(lb_copy_rows *rows, int i, lb_buf *buf, lb_copy_field *field, lb_error *err);

/* Bytes that were put and are in no whole row yet. */
size_t lb_copy_rows_pending(const lb_copy_rows *rows);

/* All that was put, as it stands, from the row on that the last call of next gave or refused; with no such row, what is
** pending. Valid until the next call of put. */
void lb_copy_rows_rest(const lb_copy_rows *rows, const char **data, size_t *n);

#endif

/* Rows that are too long for one message.
**
** libpq has a row of COPY whole before it hands it over, and twice then. From a table that may have such rows
** (lb_pg_relation.marked) they come without their long values, and every row has a field more, its mark, which says of
** these where they are. When the COPY has ended, they are read by a query that gives their values in pieces. They stand
** behind its other rows, which says nothing: the rows of a table have no order.
**
** Private to dump_rows.c and dump_data.c.
*/
#ifndef LB_POSTGRES_DUMP_LONG_H
#define LB_POSTGRES_DUMP_LONG_H

#include "postgres/dump_rows.h"

void lb_dump_long_begin(lb_dump_rows *rows);  /* a COPY */

/* The row that was appended to the chunk's text from `before` on loses its mark, or is taken away and noted. */
int lb_dump_long_mark(lb_dump_rows *rows, size_t before, lb_error *err);

/* When the COPY has ended and rest.left is not 0: the query, whose parameter is rest.places. */
int lb_dump_long_query(lb_dump_rows *rows, lb_buf *sql, lb_error *err);

int lb_dump_long_take(lb_dump_rows *rows, const PGresult *piece, lb_error *err);
int lb_dump_long_end(lb_dump_rows *rows, lb_error *err);  /* after the last piece, if there was any */

#endif

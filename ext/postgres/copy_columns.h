/* Whether the rows of a COPY … FROM stdin can be sent in binary form. Private to copy_in.c. */
#ifndef LB_POSTGRES_COPY_COLUMNS_H
#define LB_POSTGRES_COPY_COLUMNS_H

#include "postgres/connection.h"
#include "postgres/tokens.h"
#include "postgres/wire.h"

/* *wires, of *count columns, is the caller's to free; NULL: the statement is not COPY table (columns) FROM stdin and
** nothing more, the table is no ordinary one or has triggers or rules, so that it matters which rows one COPY has, a
** column's type is not known to wire.h, or the client_encoding is one in which a backslash may be part of a character.
** The spans point into sql. What fails is told as a failure of `what`. */
int lb_copy_columns_know(lb_pg *pg, const char *sql, size_t len, const char *what, lb_qualified *table,
                         lb_span *columns, lb_wire **wires, int *count, lb_error *err);

#endif

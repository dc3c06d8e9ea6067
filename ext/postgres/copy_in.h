/* The data of one COPY … FROM stdin on its way to the server. Private to the loading modules.
**
** It is handed in as text. Where every column is of a type that wire.h knows, it is sent in COPY's binary form: reading
** numbers, times and escapes out of text takes the server half of its time, which is the bound of a restore. The first
** row with anything in it that wire.h leaves to the server, or that is longer than LB_COPY_IN_ROW_MAX, ends the binary
** COPY, and from that row on the same table is loaded by the statement as it stands, as text; so what is wrong with a
** row is told by the server, in its words. Source: PostgreSQL's manual, "COPY".
*/
#ifndef LB_POSTGRES_COPY_IN_H
#define LB_POSTGRES_COPY_IN_H

#include "postgres/connection.h"
#include "postgres/copy_rows.h"
#include "postgres/wire.h"

#define LB_COPY_IN_ROW_MAX ((size_t)1 << 20)
#define LB_COPY_IN_SMALL (64 << 10)  /* bytes of data that are not worth the question */

typedef struct lb_copy_in {
  lb_pg *pg;
  const char *what;        /* for messages about the data and its end */
  lb_buf from;             /* the same with the row that the text begins with */
  lb_buf sql;              /* the statement as it stands */
  bool undecided;          /* which form the data gets: it is held back */
  lb_buf held;
  lb_wire *wires;          /* of the columns; NULL: the data goes as text */
  int columns;
  lb_copy_rows *cut;       /* the text into rows and fields */
  lb_buf out, field;
  uint64_t sent;           /* rows that went as binary */
  uint64_t stored;         /* rows, by the COPY that was ended in the middle */
} lb_copy_in;

/* Sends the statement and waits until the server takes data; *copy is zeroed before the first one. bytes: how many are
** to come: less than LB_COPY_IN_SMALL go as text. -1: not known; then the statement waits for as many, or for the end.
** what is for messages and stays where it is until the end. */
int lb_copy_in_begin(lb_copy_in *copy, lb_pg *pg, const char *sql, size_t len, int64_t bytes, const char *what,
                     lb_error *err);

/* As lb_copy_put. */
int lb_copy_in_put(lb_copy_in *copy, const char *data, size_t n, lb_error *err);

/* Queues the end; the results follow, to whose count of rows `stored` belongs. */
int lb_copy_in_end(lb_copy_in *copy, lb_error *err);

void lb_copy_in_free(lb_copy_in *copy);  /* safe on a zeroed one */

#endif

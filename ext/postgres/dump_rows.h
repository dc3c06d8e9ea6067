/* The rows that a lane reads, made into chunks of a script. Private to dump_data.c.
**
** Rows collect as the text format of COPY has them. A full chunk becomes a part of the script: COPY … FROM stdin, the
** rows, \. on its own. A backup of data alone is loaded with keys and triggers in place: there every table is one part,
** of as many chunks as it takes.
*/
#ifndef LB_POSTGRES_DUMP_ROWS_H
#define LB_POSTGRES_DUMP_ROWS_H

#include "core/hash.h"
#include "postgres/copy_out.h"
#include "postgres/dump.h"
#include "postgres/key_range.h"
#include "postgres/parts.h"

typedef struct lb_dump_chunk {
  int relation;
  bool begins, ends;    /* a part */
  lb_buf text;          /* its rows; empty where they are only measured */
  uint64_t rows, bytes, checksum;
  uint64_t part_rows;   /* up to here */
  lb_key_range keys;    /* up to here */
} lb_dump_chunk;

/* What all lanes and the caller share, and nobody changes meanwhile. */
typedef struct lb_dump_tables {
  const lb_pg_dump *dump;
  lb_pg_contents *contents;  /* the caller's thread alone writes there */
  int *number;               /* of each relation: its table in contents, which several may share */
  bool measure, whole;       /* keep no rows; one part a table, whatever its size */
  bool checksums;
} lb_dump_tables;

/* Rows that are too long for one message (dump_long.h). */
typedef struct lb_dump_long {
  bool marked;          /* rows come with that field */
  lb_buf places;        /* of those to be read: an array of tid */
  uint64_t left;        /* how many */
  bool open;            /* the row that is being read */
  unsigned attribute;   /* and its field: of the table's, */
  int field;            /* and among what is asked for, from 0 */
  uint64_t bytes;
  lb_hasher hasher;
} lb_dump_long;

/* The rows of one lane. give: takes what is in the chunk and leaves an empty one, which may have the memory of another;
** its failure is that of the call. */
typedef struct lb_dump_rows {
  const lb_dump_tables *tables;
  int (*give)(void *ctx, lb_dump_chunk *chunk, lb_error *err);
  void *ctx;
  lb_dump_chunk chunk;
  lb_copy_out binary;   /* with wires: in what form they come; otherwise it is text */
  bool keyed;           /* the table's parts tell the range of keys */
  lb_dump_long rest;
} lb_dump_rows;

/* Adds the tables to contents, in the order of relations. parts NULL: only measure. */
int lb_dump_tables_open(lb_dump_tables *tables, const lb_pg_dump *dump, const lb_pg_parts *parts,
                        lb_pg_contents *contents, lb_error *err);
void lb_dump_tables_close(lb_dump_tables *tables);

/* On the lane's thread. A COPY of a relation begins; what each CopyData has; its end. A chunk lives on from one COPY of
** a relation to the next, so that small ranges fill it; never into another relation. */
int lb_dump_rows_begin(lb_dump_rows *rows, int relation, lb_error *err);
int lb_dump_rows_take(lb_dump_rows *rows, const char *data, size_t n, lb_error *err);
int lb_dump_rows_take_piece(lb_dump_rows *rows, const PGresult *piece, lb_error *err);  /* of what rest.left counts */
int lb_dump_rows_end(lb_dump_rows *rows, lb_error *err);
int lb_dump_rows_flush(lb_dump_rows *rows, lb_error *err);  /* what is left in the chunk */
void lb_dump_rows_close(lb_dump_rows *rows);


/* On the caller's thread: counts the rows of a chunk, and writes them. Afterwards it is empty. */
int lb_dump_chunk_write(const lb_dump_tables *tables, lb_pg_parts *parts, lb_dump_chunk *chunk, lb_error *err);
void lb_dump_chunk_clear(lb_dump_chunk *chunk);  /* but for its memory */

/* For dump_long.c: something was appended to the chunk's text; rows do not get longer than that. */
int lb_dump_rows_pass(lb_dump_rows *rows, bool row_ends, lb_error *err);
int lb_dump_rows_check(uint64_t row_bytes, lb_error *err);
int lb_dump_rows_settle(lb_dump_rows *rows, lb_error *err);  /* ends a part that was given away without its end */

#endif

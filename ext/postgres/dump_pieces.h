/* In what pieces tables are read, and in what order the connections of a dump take them.
**
** A piece is a table, or a ctid range of a heap table that, whole, would keep its connection busy well beyond the share
** that each has: a server from 14 on reads such a range without scanning the rest. Where it need not be, a table is not
** cut: ranges cost the server more (docs/architecture.md).
*/
#ifndef LB_POSTGRES_DUMP_PIECES_H
#define LB_POSTGRES_DUMP_PIECES_H

#include "postgres/relations.h"

typedef struct lb_dump_piece {
  int relation;        /* what is read */
  uint64_t from, to;   /* pages; to 0: to the end, however many there are by now */
  bool ranged;
} lb_dump_piece;

/* version: the server's, as PQserverVersion. Relations are those that lb_pg_relations_lock has weighed, heaviest first.
** The caller frees *pieces. LB_NOMEM alone. */
int lb_dump_pieces_plan(const lb_pg_relations *relations, int connections, int version, lb_dump_piece **pieces,
                        size_t *count, lb_error *err);

/* Every relation whole, in the order that they have. */
int lb_dump_pieces_whole(const lb_pg_relations *relations, lb_dump_piece **pieces, size_t *count, lb_error *err);

#endif

/* See dump_pieces.h. */
#include "postgres/dump_pieces.h"

#include <stdlib.h>

#ifndef LB_PIECE_PAGES            /* a test makes both small */
#define LB_PIECE_PAGES 8192       /* 64 MiB */
#define LB_SHARE_MOST 1.5         /* what a whole table may be of the share that each connection has of all */
#endif
#define PAGE_BYTES 8192

typedef struct plan {
  const lb_pg_relations *relations;
  double most;           /* bytes of a table that is not cut */
  lb_dump_piece *pieces;
  size_t count;
} plan;

static int open_plan(plan *p, size_t count, lb_error *err)
{
  p->pieces = calloc(count + 1, sizeof *p->pieces);
  return p->pieces ? LB_OK : lb_fail_nomem(err);
}

static double bytes_of_all(const lb_pg_relations *r)
{
  double bytes = 0;
  for (int i = 0; i < r->table_count; i++) bytes += (double)r->tables[i].bytes;
  return bytes;
}

static size_t pieces_of(const plan *p, const lb_pg_relation *t, int version)
{
  bool can = version >= 140000 && t->heap && !t->condition && t->pages >= 2 * LB_PIECE_PAGES;
  return can && (double)t->bytes > p->most ? (size_t)(t->pages / LB_PIECE_PAGES) : 1;
}

static void add_pieces(plan *p, int relation, size_t n)
{
  for (size_t k = 0; k < n; k++) {
    /* The last is open: the table may have grown since it was weighed, and what was added may be in the snapshot. */
    uint64_t end = k + 1 < n ? (k + 1) * LB_PIECE_PAGES : 0;
    p->pieces[p->count++] =
        (lb_dump_piece){ .relation = relation, .from = k * LB_PIECE_PAGES, .to = end, .ranged = n > 1 };
  }
}

/* One that outweighs a piece would keep its connection busy when all others have ended, if it began late. */
static bool goes_first(const lb_pg_relation *t, size_t pieces)
{
  return pieces == 1 && t->bytes > (uint64_t)LB_PIECE_PAGES * PAGE_BYTES;
}

static void add_some(plan *p, int version, bool first)
{
  for (int i = 0; i < p->relations->table_count; i++) {
    size_t n = pieces_of(p, &p->relations->tables[i], version);
    if (goes_first(&p->relations->tables[i], n) == first) add_pieces(p, i, n);
  }
}

int lb_dump_pieces_plan(const lb_pg_relations *relations, int connections, int version, lb_dump_piece **pieces,
                        size_t *count, lb_error *err)
{
  plan p = { .relations = relations, .most = bytes_of_all(relations) / connections * LB_SHARE_MOST };
  size_t n = 0;
  for (int i = 0; i < relations->table_count; i++) n += pieces_of(&p, &relations->tables[i], version);
  if (open_plan(&p, n, err) == LB_OK) {
    add_some(&p, version, true);
    add_some(&p, version, false);
  }
  *pieces = p.pieces;
  *count = p.count;
  return err->code;
}

int lb_dump_pieces_whole(const lb_pg_relations *relations, lb_dump_piece **pieces, size_t *count, lb_error *err)
{
  plan p = { .relations = relations };
  if (open_plan(&p, (size_t)relations->table_count, err) == LB_OK) {
    for (int i = 0; i < relations->table_count; i++) add_pieces(&p, i, 1);
  }
  *pieces = p.pieces;
  *count = p.count;
  return err->code;
}

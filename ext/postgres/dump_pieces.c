/* See dump_pieces.h. */
#include "postgres/dump_pieces.h"

#include <stdlib.h>

#ifndef LB_PIECE_PAGES            /* a test makes both small */
#define LB_PIECE_PAGES 8192       /* 64 MiB */
#define LB_SHARE_MOST 1.5         /* what a connection may get in whole tables, of the share that each has of all */
#endif
#define PAGE_BYTES 8192

typedef struct plan {
  const lb_pg_relations *relations;
  double most;           /* bytes of whole tables that a connection may get */
  double *busy;          /* bytes of these that each one has so far */
  int connections;
  size_t *cuts;          /* of each table, how many pieces it is read in */
  lb_dump_piece *pieces;
  size_t count;
} plan;

static int open_pieces(plan *p, size_t count, lb_error *err)
{
  p->pieces = calloc(count + 1, sizeof *p->pieces);
  return p->pieces ? LB_OK : lb_fail_nomem(err);
}

static int open_plan(plan *p, lb_error *err)
{
  p->busy = calloc((size_t)p->connections + 1, sizeof *p->busy);
  p->cuts = calloc((size_t)p->relations->table_count + 1, sizeof *p->cuts);
  return p->busy && p->cuts ? LB_OK : lb_fail_nomem(err);
}

static double bytes_of_all(const lb_pg_relations *r)
{
  double bytes = 0;
  for (int i = 0; i < r->table_count; i++) bytes += (double)r->tables[i].bytes;
  return bytes;
}

static bool can_cut(const lb_pg_relation *t, int version)
{
  return version >= 140000 && t->heap && !t->condition && t->pages >= 2 * LB_PIECE_PAGES;
}

static double *least_busy(const plan *p)
{
  double *least = p->busy;
  for (int i = 1; i < p->connections; i++) if (p->busy[i] < *least) least = &p->busy[i];
  return least;
}

/* As the connections will take them, one after the other: nine tables of the same size, each less than a share, would
** keep one of eight connections busy twice as long as the others. */
static size_t cut_all(plan *p, int version)
{
  size_t count = 0;
  for (int i = 0; i < p->relations->table_count; i++) {
    const lb_pg_relation *t = &p->relations->tables[i];
    double *least = least_busy(p), whole = *least + (double)t->bytes;
    bool cut = can_cut(t, version) && whole > p->most;
    if (!cut) *least = whole;
    p->cuts[i] = cut ? (size_t)(t->pages / LB_PIECE_PAGES) : 1;
    count += p->cuts[i];
  }
  return count;
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

static void add_some(plan *p, bool first)
{
  for (int i = 0; i < p->relations->table_count; i++) {
    if (goes_first(&p->relations->tables[i], p->cuts[i]) == first) add_pieces(p, i, p->cuts[i]);
  }
}

int lb_dump_pieces_plan(const lb_pg_relations *relations, int connections, int version, lb_dump_piece **pieces,
                        size_t *count, lb_error *err)
{
  plan p = { .relations = relations, .connections = connections,
             .most = bytes_of_all(relations) / connections * LB_SHARE_MOST };
  if (open_plan(&p, err) == LB_OK && open_pieces(&p, cut_all(&p, version), err) == LB_OK) {
    add_some(&p, true);
    add_some(&p, false);
  }
  free(p.busy);
  free(p.cuts);
  *pieces = p.pieces;
  *count = p.count;
  return err->code;
}

int lb_dump_pieces_whole(const lb_pg_relations *relations, lb_dump_piece **pieces, size_t *count, lb_error *err)
{
  plan p = { .relations = relations };
  if (open_pieces(&p, (size_t)relations->table_count, err) == LB_OK) {
    for (int i = 0; i < relations->table_count; i++) add_pieces(&p, i, 1);
  }
  *pieces = p.pieces;
  *count = p.count;
  return err->code;
}

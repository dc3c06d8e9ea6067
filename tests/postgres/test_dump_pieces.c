/* What tables are cut into, and in what order. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "postgres/dump_pieces.h"

enum { TABLES_MOST = 9, PIECE_PAGES = 8192, PAGE_BYTES = 8192, NEW = 140000 };

/* Tables of so many pieces' size, heaviest first; a fraction is bytes beside the pages. */
typedef struct database {
  lb_pg_relation tables[TABLES_MOST];
  lb_pg_relations relations;
} database;

static void make(database *d, int count, const double *sizes)
{
  memset(d, 0, sizeof *d);
  for (int i = 0; i < count; i++) {
    d->tables[i].heap = true;
    d->tables[i].pages = (uint64_t)(sizes[i] * PIECE_PAGES);
    d->tables[i].bytes = d->tables[i].pages * PAGE_BYTES;
  }
  d->relations = (lb_pg_relations){ .tables = d->tables, .table_count = count };
}

/* As text: a table's number for a whole one, with the pieces from and to for a range: "1 0:0-1 0:1-". */
static const char *plan(const database *d, int connections, int version)
{
  static char text[4096];
  lb_error err = LB_ERROR_INIT;
  lb_dump_piece *pieces;
  size_t count, n = 0;
  assert_int_equal(lb_dump_pieces_plan(&d->relations, connections, version, &pieces, &count, &err), LB_OK);
  text[0] = 0;
  for (size_t i = 0; i < count; i++) {
    const lb_dump_piece *p = &pieces[i];
    n += (size_t)snprintf(text + n, sizeof text - n, "%s%d", i ? " " : "", p->relation);
    if (!p->ranged) {
      assert_true(p->from == 0 && p->to == 0);
      continue;
    }
    assert_true(p->from % PIECE_PAGES == 0 && p->to % PIECE_PAGES == 0);
    n += (size_t)snprintf(text + n, sizeof text - n, ":%d-", (int)(p->from / PIECE_PAGES));
    if (p->to) n += (size_t)snprintf(text + n, sizeof text - n, "%d", (int)(p->to / PIECE_PAGES));
  }
  free(pieces);
  return text;
}

static void test_one_table(void **state)
{
  database d;
  (void)state;
  make(&d, 1, (const double[]){ 3.9 });
  assert_string_equal(plan(&d, 1, NEW), "0");
  assert_string_equal(plan(&d, 2, NEW), "0:0-1 0:1-2 0:2-");
  make(&d, 1, (const double[]){ 1.99 });  /* two pieces of 64 MiB are the least */
  assert_string_equal(plan(&d, 8, NEW), "0");
  make(&d, 0, NULL);
  assert_string_equal(plan(&d, 2, NEW), "");
}

static void test_share(void **state)
{
  database d;
  (void)state;
  make(&d, 2, (const double[]){ 2.9, 1.1 });  /* 1.45 of the 2 that each of two connections has */
  assert_string_equal(plan(&d, 2, NEW), "0 1");
  assert_string_equal(plan(&d, 3, NEW), "1 0:0-1 0:1-");
  make(&d, 2, (const double[]){ 3.1, 0.9 });
  assert_string_equal(plan(&d, 2, NEW), "0:0-1 0:1-2 0:2- 1");
}

/* Each of the nine is less than a share and a half; one of eight connections would have two of them. */
static void test_one_too_many(void **state)
{
  database d;
  (void)state;
  make(&d, 9, (const double[]){ 3, 3, 3, 3, 3, 3, 3, 3, 3 });
  assert_string_equal(plan(&d, 8, NEW), "0 1 2 3 4 5 6 7 8:0-1 8:1-2 8:2-");
  assert_string_equal(plan(&d, 3, NEW), "0 1 2 3 4 5 6 7 8");
  d.tables[0].pages = 5;  /* with TOAST: its connection is busy, though it cannot be cut */
  assert_string_equal(plan(&d, 8, NEW), "0 1 2 3 4 5 6 7 8:0-1 8:1-2 8:2-");
}

/* With TOAST a table of few pages may be the heaviest one, and cannot be cut. */
static void test_order(void **state)
{
  database d;
  (void)state;
  make(&d, 5, (const double[]){ 9, 3, 2.2, 0.4, 0.2 });
  assert_string_equal(plan(&d, 4, NEW), "1 2 0:0-1 0:1-2 0:2-3 0:3-4 0:4-5 0:5-6 0:6-7 0:7-8 0:8- 3 4");
  d.tables[0].pages = 5;
  assert_string_equal(plan(&d, 4, NEW), "0 1 2 3 4");
}

static void test_not_cut(void **state)
{
  database d;
  (void)state;
  make(&d, 1, (const double[]){ 3 });
  assert_string_equal(plan(&d, 2, 130099), "0");
  d.tables[0].condition = "WHERE a";
  assert_string_equal(plan(&d, 2, NEW), "0");
  d.tables[0].condition = NULL;
  d.tables[0].heap = false;
  assert_string_equal(plan(&d, 2, NEW), "0");
}

static void test_whole(void **state)
{
  database d;
  lb_error err = LB_ERROR_INIT;
  lb_dump_piece *pieces;
  size_t count;
  (void)state;
  make(&d, 3, (const double[]){ 0.1, 9, 2 });
  assert_int_equal(lb_dump_pieces_whole(&d.relations, &pieces, &count, &err), LB_OK);
  assert_int_equal(count, 3);
  for (int i = 0; i < 3; i++) assert_true(pieces[i].relation == i && !pieces[i].ranged);
  free(pieces);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_one_table), cmocka_unit_test(test_share), cmocka_unit_test(test_one_too_many),
    cmocka_unit_test(test_order), cmocka_unit_test(test_not_cut), cmocka_unit_test(test_whole),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

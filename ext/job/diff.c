/* See diff.h. Opens both sides; what they are decides how they are compared (diff_sqlite.c, diff_postgres.c). */
#include "job/diff.h"

#include <stdlib.h>

#include "core/file.h"
#include "job/diff_sides.h"

struct lb_comparison {
  lb_job *job;
  lb_side sides[2];
  lb_sqlite_diff *sqlite;   /* one of them */
  lb_pg_diff *postgres;
};

/* SQLite's message of a block that could not be read says too little. */
static void explain(const lb_comparison *c, lb_error *err)
{
  for (int s = 0; s < 2; s++) lb_side_explain(&c->sides[s], err);
}

int lb_job_diff_next(lb_comparison *c, lb_difference *d, bool *any, lb_error *err)
{
  *d = (lb_difference){ .added = -1, .removed = -1, .changed = -1 };
  if (c->sqlite) lb_sqlite_diff_next(c->sqlite, d, any, err);
  else lb_pg_diff_next(c->postgres, d, any, err);
  explain(c, err);
  if (err->code) *any = false;
  return err->code;
}

static int begin(lb_comparison *c, const char *table, const lb_difference_wanted *wanted, lb_error *err)
{
  if (c->sides[0].postgres != c->sides[1].postgres) {
    return lb_fail(err, LB_MISUSE, "one side is a backup of PostgreSQL, the other of SQLite: they cannot be compared");
  }
  if (c->sides[0].postgres) c->postgres = lb_pg_diff_open(c->job, c->sides, table, wanted, err);
  else c->sqlite = lb_sqlite_diff_open(c->job, c->sides, table, wanted, err);
  return err->code;
}

lb_comparison *lb_job_diff_open(lb_job *job, const char *a, const char *b, const char *table,
                                const lb_difference_wanted *wanted, lb_error *err)
{
  const char *const specs[2] = { a, b };
  lb_comparison *c = calloc(1, sizeof *c);
  char *subject = lb_text_printf(err, "%s, %s", a, b);
  if (!c) lb_fail_nomem(err);
  if (err->code) {
    free(subject);
    free(c);
    return NULL;
  }
  c->job = job;
  for (int s = 0; s < 2; s++) c->sides[s].backup.fd = -1;
  lb_job_begin(job, "diff", subject, err);
  free(subject);
  if (!err->code && lb_side_open_both(job, specs, c->sides, err) == LB_OK) begin(c, table, wanted, err);
  explain(c, err);
  if (!err->code) return c;
  lb_job_diff_close(c);
  return NULL;
}

void lb_job_diff_close(lb_comparison *c)
{
  lb_error none = LB_ERROR_INIT;
  if (!c) return;
  lb_sqlite_diff_close(c->sqlite);
  lb_pg_diff_close(c->postgres);
  for (int s = 0; s < 2; s++) lb_side_close(&c->sides[s]);
  lb_job_end(c->job, NULL, &none);
  free(c);
}

/* See part.h. The steps; part_plan.c finds tables and matches columns, part_rows.c moves rows, part_orphans.c,
** part_links.c, part_indexes.c, part_fulltext.c and part_triggers.c look after what hangs on them, part_make.c makes
** what is missing. */
#include "sqlite/part.h"

#include <stdlib.h>

#include "sqlite/part_links.h"
#include "sqlite/part_plan.h"
#include "sqlite/part_rows.h"

SQLITE_EXTENSION_INIT3

lb_sqlite_part *lb_sqlite_part_open(const lb_sqlite_part_request *request, lb_error *err)
{
  lb_sqlite_part *part = calloc(1, sizeof *part);
  if (!part) {
    lb_fail_nomem(err);
    return NULL;
  }
  part->request = request;
  /* Keys that cascade would change other tables; they are looked at when all rows are there. */
  lb_db_exec(request->to, "PRAGMA foreign_keys=OFF; PRAGMA temp_store=FILE; PRAGMA cache_size=-16000",
             request->to_label, err);
  if (!err->code) lb_part_find(part, err);
  for (int i = 0; i < part->count && !err->code; i++) lb_part_match(part, &part->tables[i], false, err);
  if (!err->code && lb_part_match_indexes(part, err) == LB_OK) return part;
  lb_sqlite_part_close(part);
  return NULL;
}

void lb_sqlite_part_close(lb_sqlite_part *part)
{
  if (!part) return;
  for (int i = 0; i < part->count; i++) lb_part_table_free(&part->tables[i]);
  free(part->tables);
  lb_buf_free(&part->indexes);
  lb_buf_free(&part->rebuilt);
  free(part);
}

int lb_sqlite_part_check(lb_sqlite_part *part, lb_check_level level, lb_error *err)
{
  const lb_sqlite_part_request *q = part->request;
  lb_buf damage = { 0 };
  lb_task_phase(q->task, "checking tables", 0);
  for (int i = 0; i < part->count && !err->code && !damage.len; i++) {
    lb_sqlite_check_table(q->from, part->tables[i].from.name, level, q->from_label, &damage, q->notes, err);
  }
  if (damage.len) lb_fail(err, LB_CORRUPT, "%s: the database inside is damaged: %s", q->from_label, damage.data);
  lb_buf_free(&damage);
  return err->code;
}

/* Before anything moves, so that all that is wrong with any table is said first. */
static int match_all(lb_sqlite_part *part, lb_error *err)
{
  for (int i = 0; i < part->count && !err->code; i++) {
    lb_part_table *t = &part->tables[i];
    t->missing = false;
    if (lb_part_match(part, t, true, err) == LB_OK && t->missing && lb_part_make_table(part, t, err) == LB_OK) {
      lb_part_match(part, t, true, err);
    }
  }
  return err->code ? err->code : lb_part_match_indexes(part, err);
}

static int move_table(lb_sqlite_part *part, lb_part_table *t, lb_rows_counts *counts, lb_error *err)
{
  lb_rows_count *count = lb_rows_counts_add(counts, t->to.name, err);
  if (!count || lb_part_move_rows(part, t, count, err) || lb_part_raise_sequence(part, t, err)) return err->code;
  return t->missing ? lb_part_make_rest(part, t, err) : LB_OK;
}

int lb_sqlite_part_run(lb_sqlite_part *part, lb_rows_counts *counts, lb_error *err)
{
  const lb_sqlite_part_request *q = part->request;
  if (match_all(part, err) || lb_part_orphans_before(part, err)) return err->code;
  lb_task_phase(q->task, "restoring rows", 0);
  for (int i = 0; i < part->count && !err->code; i++) move_table(part, &part->tables[i], counts, err);
  if (!err->code && lb_part_rebuild(part, err) == LB_OK) lb_part_orphans_after(part, err);
  return err->code;
}

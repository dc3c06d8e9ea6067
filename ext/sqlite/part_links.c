/* See part_links.h. Here: the order in which all is looked after, and AUTOINCREMENT. */
#include "sqlite/part_links.h"

SQLITE_EXTENSION_INIT3

int lb_part_rebuild(lb_sqlite_part *part, lb_error *err)
{
  if (lb_part_make_indexes(part, err) == LB_OK) lb_part_rebuild_fulltext(part, err);
  for (int i = 0; i < part->count && !err->code; i++) {
    if (part->tables[i].touched) lb_part_note_triggers(part, &part->tables[i], err);
  }
  return err->code;
}

/* ---- AUTOINCREMENT ---- */

static bool has_sequence(sqlite3 *db)
{
  lb_error none = LB_ERROR_INIT;
  int64_t there = 0;
  lb_db_integer(db, "SELECT count(*) FROM main.sqlite_schema WHERE name = 'sqlite_sequence'", &there, "", &none);
  return there > 0;
}

int lb_part_raise_sequence(const lb_sqlite_part *part, const lb_part_table *t, lb_error *err)
{
  const lb_sqlite_part_request *q = part->request;
  int64_t last = 0;
  if (!t->to.autoincrement || !has_sequence(q->from)) return LB_OK;
  char *ask = sqlite3_mprintf("SELECT coalesce(max(CAST(seq AS INTEGER)), 0) FROM main.sqlite_sequence WHERE name = %Q",
                              t->from.name);
  char *raise = NULL;
  if (ask && lb_db_integer(q->from, ask, &last, q->from_label, err) == LB_OK && last > 0) {
    raise = sqlite3_mprintf("UPDATE main.sqlite_sequence SET seq = max(seq, %lld) WHERE name = %Q; "
                            "INSERT INTO main.sqlite_sequence(name, seq) SELECT %Q, %lld WHERE NOT EXISTS (SELECT 1 "
                            "FROM main.sqlite_sequence WHERE name = %Q)", last, t->to.name, t->to.name, last,
                            t->to.name);
    if (raise) lb_db_exec(q->to, raise, q->to_label, err);
    else lb_fail_nomem(err);
  } else if (!ask) {
    lb_fail_nomem(err);
  }
  sqlite3_free(ask);
  sqlite3_free(raise);
  return err->code;
}

/* See part_links.h. Here: triggers and AUTOINCREMENT. */
#include "sqlite/part_links.h"

SQLITE_EXTENSION_INIT3

/* ---- triggers ---- */

static int note_triggers(const lb_sqlite_part *part, const lb_part_table *t, lb_error *err)
{
  const lb_sqlite_part_request *q = part->request;
  sqlite3_stmt *stmt = NULL;
  lb_buf names = { 0 };
  int rc = sqlite3_prepare_v2(q->to, "SELECT name FROM main.sqlite_schema WHERE type = 'trigger' AND "
                              "tbl_name = ?1 COLLATE NOCASE ORDER BY name", -1, &stmt, NULL);
  if (rc == SQLITE_OK) rc = sqlite3_bind_text(stmt, 1, t->to.name, -1, SQLITE_STATIC);
  while (rc == SQLITE_OK && (rc = sqlite3_step(stmt)) == SQLITE_ROW) {
    const char *name = (const char *)sqlite3_column_text(stmt, 0);
    lb_buf_printf(&names, "%s%s", names.len ? ", " : "", name ? name : "?");
    rc = SQLITE_OK;
  }
  if (rc != SQLITE_DONE) lb_db_fail(q->to, rc, q->to_label, err);
  else if (names.failed) lb_fail_nomem(err);
  else if (names.len) lb_part_note(part, "triggers on %s did not run: %s", t->to.name, names.data);
  sqlite3_finalize(stmt);
  lb_buf_free(&names);
  return err->code;
}

int lb_part_rebuild(lb_sqlite_part *part, lb_error *err)
{
  for (int i = 0; i < part->count && !err->code; i++) {
    if (part->tables[i].touched) note_triggers(part, &part->tables[i], err);
  }
  return err->code ? err->code : lb_part_rebuild_fulltext(part, err);
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

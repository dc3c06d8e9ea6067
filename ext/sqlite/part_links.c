/* See part_links.h.
**
** Orphans (rows with a foreign key that leads nowhere) are found by SQLite, PRAGMA foreign_key_check, and kept in a
** temporary table, stage by stage. They are told apart by table, rowid, parent and the number of the key among the
** table's (a row may have two that lead to one parent); rows of a table WITHOUT ROWID, of which SQLite tells no more
** than that there is one, are counted.
*/
#include "sqlite/part_links.h"

#include <stdlib.h>
#include <string.h>


SQLITE_EXTENSION_INIT3

enum { BEFORE, AFTER, BACKUP, ORPHANS_TOLD = 5 };

/* An orphan that was there before, or is one in the backup too, is nothing that this restore has done. */
#define NEW_ORPHANS \
  "SELECT tbl, r, parent FROM temp.lb_orphans AS a WHERE stage = 1 AND r IS NOT NULL AND NOT EXISTS (SELECT 1 " \
  "FROM temp.lb_orphans AS b WHERE b.tbl = a.tbl AND b.r = a.r AND b.parent = a.parent AND b.fk = a.fk " \
  "AND b.stage <> 1) UNION ALL SELECT tbl, NULL, parent FROM temp.lb_orphans WHERE r IS NULL " \
  "GROUP BY tbl, parent, fk " \
  "HAVING sum(stage = 1) > max(sum(stage = 0), sum(stage = 2))"

static bool is_part(const lb_sqlite_part *part, const char *table)
{
  for (int i = 0; i < part->count; i++) {
    if (sqlite3_stricmp(part->tables[i].from.name, table) == 0) return true;
  }
  return false;
}

/* ---- foreign keys ---- */

static int keep_orphan(sqlite3_stmt *keep, int stage, sqlite3_stmt *found)
{
  int rc = sqlite3_bind_int(keep, 1, stage);
  for (int i = 0; i < 4 && rc == SQLITE_OK; i++) rc = lb_part_bind(keep, i + 2, found, i, false);
  if (rc == SQLITE_OK) sqlite3_step(keep);
  return rc == SQLITE_OK ? sqlite3_reset(keep) : rc;
}

/* Runs the check of one table and keeps what it finds. A schema that SQLite cannot check (a parent without the key) is
** a note, once. */
static int keep_orphans(const lb_sqlite_part *part, sqlite3 *db, const char *table, int stage, lb_error *err)
{
  const lb_sqlite_part_request *q = part->request;
  sqlite3_stmt *keep = lb_part_query(q->to, "INSERT INTO temp.lb_orphans VALUES (?1, ?2, ?3, ?4, ?5)", q->to_label,
                                     err);
  sqlite3_stmt *check = NULL;
  char *sql = sqlite3_mprintf("PRAGMA main.foreign_key_check(\"%w\")", table);
  int rc = sql ? sqlite3_prepare_v2(db, sql, -1, &check, NULL) : SQLITE_NOMEM;
  while (rc == SQLITE_OK && !err->code && (rc = sqlite3_step(check)) == SQLITE_ROW) {
    rc = keep_orphan(keep, stage, check);
    if (rc) lb_db_fail(q->to, rc, q->to_label, err);
  }
  if (rc == SQLITE_ERROR && stage == AFTER) {
    lb_part_note(part, "foreign keys of %s were not checked: %s", table, sqlite3_errmsg(db));
  } else if (rc != SQLITE_DONE && rc != SQLITE_ERROR) {
    lb_db_fail(db, rc, db == q->to ? q->to_label : q->from_label, err);
  }
  sqlite3_finalize(check);
  sqlite3_finalize(keep);
  sqlite3_free(sql);
  return err->code;
}

/* The restored tables, and those that refer to one of them. */
static int keep_all_orphans(const lb_sqlite_part *part, int stage, lb_error *err)
{
  const lb_sqlite_part_request *q = part->request;
  sqlite3_stmt *tables = NULL;
  int rc = sqlite3_prepare_v2(q->to, "SELECT m.name, f.\"table\" FROM main.sqlite_schema AS m, "
                              "pragma_foreign_key_list(m.name, 'main') AS f WHERE m.type = 'table' AND m.rootpage > 0 "
                              "GROUP BY 1, 2 ORDER BY 1", -1, &tables, NULL);
  char *last = NULL;
  while (rc == SQLITE_OK && !err->code && (rc = sqlite3_step(tables)) == SQLITE_ROW) {
    const char *child = (const char *)sqlite3_column_text(tables, 0);
    const char *parent = (const char *)sqlite3_column_text(tables, 1);
    rc = child && parent ? SQLITE_OK : SQLITE_NOMEM;
    if (rc || (last && strcmp(last, child) == 0) || (!is_part(part, child) && !is_part(part, parent))) continue;
    free(last);
    last = strdup(child);
    if (!last) lb_fail_nomem(err);
    else keep_orphans(part, q->to, child, stage, err);
  }
  if (rc != SQLITE_DONE && !err->code) lb_db_fail(q->to, rc, q->to_label, err);
  sqlite3_finalize(tables);
  free(last);
  return err->code;
}

int lb_part_orphans_before(lb_sqlite_part *part, lb_error *err)
{
  const lb_sqlite_part_request *q = part->request;
  lb_task_phase(q->task, "checking foreign keys", 0);
  if (lb_db_exec(q->to, "CREATE TEMP TABLE lb_orphans(stage, tbl COLLATE NOCASE, r, parent COLLATE NOCASE, fk); "
                 "CREATE INDEX temp.lb_orphans_tbl ON lb_orphans(tbl, r)", q->to_label, err)) {
    return err->code;
  }
  return keep_all_orphans(part, BEFORE, err);
}

static void put_name(lb_buf *names, const char *name)
{
  size_t n = strlen(name);
  for (const char *at = names->data; at && (at = strstr(at, name)); at++) {
    bool begins = at == names->data || at[-1] == ' ', ends = !at[n] || at[n] == ',';
    if (begins && ends) return;
  }
  lb_buf_printf(names, "%s%s", names->len ? ", " : "", name);
}

/* What would mend it: the parent of a restored table, or the table that refers to one. */
static void advise(const lb_sqlite_part *part, const char *child, const char *parent, lb_buf *tables)
{
  if (!is_part(part, child)) put_name(tables, child);
  else if (!is_part(part, parent)) put_name(tables, parent);
}

/* *count: of new orphans; the first ones are told in `told`. */
static int list_orphans(const lb_sqlite_part *part, int64_t *count, lb_buf *told, lb_buf *tables, lb_error *err)
{
  const lb_sqlite_part_request *q = part->request;
  sqlite3_stmt *stmt = NULL;
  int rc = sqlite3_prepare_v2(q->to, NEW_ORPHANS, -1, &stmt, NULL);
  *count = 0;
  while (rc == SQLITE_OK && (rc = sqlite3_step(stmt)) == SQLITE_ROW) {
    const char *child = (const char *)sqlite3_column_text(stmt, 0), *row = (const char *)sqlite3_column_text(stmt, 1);
    const char *parent = (const char *)sqlite3_column_text(stmt, 2);
    rc = child && parent ? SQLITE_OK : SQLITE_NOMEM;
    if (rc) break;
    if (++*count <= ORPHANS_TOLD) {
      lb_buf_printf(told, "%s%s%s%s refers to %s", told->len ? "; " : "", child, row ? " row " : "", row ? row : "",
                    parent);
    }
    advise(part, child, parent, tables);
  }
  if (rc != SQLITE_DONE) lb_db_fail(q->to, rc, q->to_label, err);
  sqlite3_finalize(stmt);
  return err->code;
}

static int fail_orphans(const lb_sqlite_part *part, int64_t count, const lb_buf *told, const lb_buf *tables,
                        lb_error *err)
{
  lb_buf text = { 0 };
  lb_buf_printf(&text, "%s: rows would refer to rows that are not there, nothing was changed: %s",
                part->request->to_label, told->data ? told->data : "");
  if (count > ORPHANS_TOLD) lb_buf_printf(&text, "; and %lld more", (long long)(count - ORPHANS_TOLD));
  if (tables->len) lb_buf_printf(&text, " (restore as well: %s)", tables->data);
  if (text.failed) lb_fail_nomem(err);
  else lb_fail(err, LB_ERROR, "%s", text.data);
  lb_buf_free(&text);
  return err->code;
}

static void note_orphans(const lb_sqlite_part *part)
{
  int64_t count = 0;
  lb_error ignored = LB_ERROR_INIT;
  lb_db_integer(part->request->to, "SELECT count(*) FROM temp.lb_orphans AS a WHERE stage = 1 AND NOT EXISTS (SELECT 1 "
                "FROM temp.lb_orphans AS b WHERE b.stage = 0 AND b.tbl = a.tbl AND b.r IS a.r AND b.parent = a.parent "
                "AND b.fk = a.fk)",
                &count, part->request->to_label, &ignored);
  if (count) {
    lb_part_note(part, "rows that refer to rows which are not there, as they did in the backup: %lld",
                 (long long)count);
  }
}

int lb_part_orphans_after(lb_sqlite_part *part, lb_error *err)
{
  int64_t count = 0;
  lb_buf told = { 0 }, tables = { 0 };
  lb_task_phase(part->request->task, "checking foreign keys", 0);
  keep_all_orphans(part, AFTER, err);
  if (!err->code && list_orphans(part, &count, &told, &tables, err) == LB_OK && count) {
    lb_buf_free(&told);
    lb_buf_free(&tables);
    for (int i = 0; i < part->count && !err->code; i++) {
      keep_orphans(part, part->request->from, part->tables[i].from.name, BACKUP, err);
    }
    if (!err->code && list_orphans(part, &count, &told, &tables, err) == LB_OK) {
      if (count) fail_orphans(part, count, &told, &tables, err);
      else note_orphans(part);
    }
  }
  lb_buf_free(&told);
  lb_buf_free(&tables);
  return err->code;
}

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

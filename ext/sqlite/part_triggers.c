/* See part_links.h. Here: triggers, which do not run, and what they would have written to.
**
** SQLite tells that itself: statements that would fire them are compiled, and an authorizer hears of each table that a
** trigger writes, whatever other triggers are in between. What a hostile schema is not allowed otherwise (triggers,
** views, virtual tables that are not said to be harmless) is on meanwhile: nothing of it is run.
*/
#include <stdlib.h>
#include <string.h>

#include "sqlite/part_links.h"

SQLITE_EXTENSION_INIT3

typedef struct watching {
  const lb_sqlite_part *part;
  lb_buf *names;
} watching;

/* An authorizer, which forbids nothing. inside: the trigger that does it. What is restored or rebuilt as well is told
** of elsewhere. */
static int note_write(void *ctx, int action, const char *table, const char *column, const char *schema,
                      const char *inside)
{
  watching *w = ctx;
  (void)column;
  bool writes = action == SQLITE_INSERT || action == SQLITE_UPDATE || action == SQLITE_DELETE;
  if (!writes || !inside || !table || !schema || strcmp(schema, "main") != 0) return SQLITE_OK;
  if (!lb_part_has(w->part, table) && !lb_part_names_have(&w->part->rebuilt, table)) lb_part_names_add(w->names, table);
  return SQLITE_OK;
}

static void allow(sqlite3 *db, bool on, bool trusted)
{
  int now;
  sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_TRIGGER, on, &now);
  sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_VIEW, on, &now);
  sqlite3_db_config(db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, trusted, &now);
}

/* Every column, so that triggers of single ones are heard too. */
static char *write_update(sqlite3 *db, const lb_table_info *info)
{
  sqlite3_str *sql = sqlite3_str_new(db);
  const char *comma = "";
  sqlite3_str_appendf(sql, "UPDATE main.\"%w\" SET ", info->name);
  for (int i = 0; i < info->column_count; i++) {
    if (info->columns[i].generated) continue;
    sqlite3_str_appendf(sql, "%s\"%w\" = \"%w\"", comma, info->columns[i].name, info->columns[i].name);
    comma = ", ";
  }
  return sqlite3_str_finish(sql);
}

/* Compiles what would fire triggers. why: of the first one that cannot be compiled here, as where a virtual table that
** it writes to is damaged: whatever the reason, it is one of the trigger's, not of the rows that are to be restored. */
static int compile(sqlite3 *db, const char *sql, lb_buf *why, const char *label, lb_error *err)
{
  sqlite3_stmt *stmt = NULL;
  if (!sql) return lb_fail_nomem(err);
  int rc = sqlite3_prepare_v2(db, sql, -1, &stmt, NULL);
  sqlite3_finalize(stmt);
  if (rc == SQLITE_NOMEM || rc == SQLITE_INTERRUPT) return lb_db_fail(db, rc, label, err);
  if (rc && !why->len) lb_buf_text(why, sqlite3_errmsg(db));
  return LB_OK;
}

int lb_part_find_writes(const lb_sqlite_part *part, const lb_part_table *t, lb_buf *names, lb_buf *why, lb_error *err)
{
  const lb_sqlite_part_request *q = part->request;
  watching w = { part, names };
  char *statements[] = { sqlite3_mprintf("INSERT INTO main.\"%w\" DEFAULT VALUES", t->to.name),
                         write_update(q->to, &t->to), sqlite3_mprintf("DELETE FROM main.\"%w\"", t->to.name) };
  int trusted = 0;
  sqlite3_db_config(q->to, SQLITE_DBCONFIG_TRUSTED_SCHEMA, -1, &trusted);
  allow(q->to, true, true);
  sqlite3_set_authorizer(q->to, note_write, &w);
  for (int i = 0; i < 3; i++) {
    compile(q->to, statements[i], why, q->to_label, err);
    sqlite3_free(statements[i]);
  }
  sqlite3_set_authorizer(q->to, NULL, NULL);
  allow(q->to, false, trusted != 0);
  return names->failed || why->failed ? lb_fail_nomem(err) : err->code;
}

/* ---- the note ---- */

/* Names of triggers, separated by commas. */
static int list_triggers(const lb_sqlite_part *part, const lb_part_table *t, lb_buf *names, lb_error *err)
{
  const lb_sqlite_part_request *q = part->request;
  sqlite3_stmt *stmt = NULL;
  int rc = sqlite3_prepare_v2(q->to, "SELECT name FROM main.sqlite_schema WHERE type = 'trigger' AND "
                              "tbl_name = ?1 COLLATE NOCASE ORDER BY name", -1, &stmt, NULL);
  if (rc == SQLITE_OK) rc = sqlite3_bind_text(stmt, 1, t->to.name, -1, SQLITE_STATIC);
  while (rc == SQLITE_OK && (rc = sqlite3_step(stmt)) == SQLITE_ROW) {
    const char *name = (const char *)sqlite3_column_text(stmt, 0);
    lb_buf_printf(names, "%s%s", names->len ? ", " : "", name ? name : "?");
    rc = SQLITE_OK;
  }
  if (rc != SQLITE_DONE) lb_db_fail(q->to, rc, q->to_label, err);
  else if (names->failed) lb_fail_nomem(err);
  sqlite3_finalize(stmt);
  return err->code;
}

/* (they write to: f, log; what else is not known here: no such function: nowhere) */
static void put_writes(lb_buf *text, const lb_buf *names, const lb_buf *why)
{
  for (size_t at = 0; at < names->len; at += strlen(names->data + at) + 1) {
    lb_buf_printf(text, "%s%s", at ? ", " : " (they write to: ", names->data + at);
  }
  if (why->len) {
    lb_buf_printf(text, "%s is not known here: %s", names->len ? "; what else" : " (what they write to", why->data);
  }
  if (names->len || why->len) lb_buf_text(text, ")");
}

int lb_part_note_triggers(const lb_sqlite_part *part, const lb_part_table *t, lb_error *err)
{
  lb_buf text = { 0 }, names = { 0 }, why = { 0 };
  if (list_triggers(part, t, &text, err) == LB_OK && text.len &&
      lb_part_find_writes(part, t, &names, &why, err) == LB_OK) {
    put_writes(&text, &names, &why);
    if (text.failed) lb_fail_nomem(err);
    else lb_part_note(part, "triggers on %s did not run: %s", t->to.name, text.data);
  }
  lb_buf_free(&text);
  lb_buf_free(&names);
  lb_buf_free(&why);
  return err->code;
}

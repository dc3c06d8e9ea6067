/* See part_plan.h. Here: making what the target lacks, from the backup's own words.
**
** They are hostile: a schema may hold any text that SQLite takes for a CREATE when it opens the database. Each is run
** as one statement, of the kind that it should be, and what it made is looked at before a row is put there.
*/
#include <stdlib.h>
#include <string.h>

#include "sqlite/part_links.h"

SQLITE_EXTENSION_INIT3

/* What SQLite puts before the text that somebody wrote. */
static bool begins_with(const char *sql, const char *type)
{
  static const struct { const char *type, *words; } kinds[] = {
    { "table", "CREATE TABLE " }, { "virtual table", "CREATE VIRTUAL TABLE " }, { "index", "CREATE INDEX " },
    { "index", "CREATE UNIQUE INDEX " }, { "trigger", "CREATE TRIGGER " },
  };
  for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
    if (strcmp(kinds[i].type, type) == 0 && sqlite3_strnicmp(sql, kinds[i].words, (int)strlen(kinds[i].words)) == 0) {
      return true;
    }
  }
  return false;
}

/* Mostly something of that name is there: `index i already exists`, `there is already a table named i`. */
static void fail_make(const lb_sqlite_part *part, const char *type, const char *name, int rc, lb_error *err)
{
  const lb_sqlite_part_request *q = part->request;
  const char *why = sqlite3_errmsg(q->to);
  bool taken = rc == SQLITE_ERROR && strstr(why, " already ");
  if (taken) lb_fail(err, LB_ERROR, "%s: %s (rename or drop that one in the target, and try again)", q->to_label, why);
  else lb_db_fail(q->to, rc, q->to_label, err);
  lb_error_prefix(err, "the %s %s could not be made: ", type, name);
}

static int make(const lb_sqlite_part *part, const char *type, const char *name, const char *sql, lb_error *err)
{
  const lb_sqlite_part_request *q = part->request;
  sqlite3_stmt *stmt = NULL;
  const char *rest = "";
  if (!begins_with(sql, type)) {
    return lb_fail(err, LB_CORRUPT, "%s: the %s %s is not made by a CREATE %s", q->from_label, type, name, type);
  }
  int rc = sqlite3_prepare_v2(q->to, sql, -1, &stmt, &rest);
  bool alone = rc == SQLITE_OK && !rest[strspn(rest, " \t\r\n;")];
  if (rc == SQLITE_OK && alone) rc = sqlite3_step(stmt);
  if (rc == SQLITE_OK) lb_fail(err, LB_CORRUPT, "%s: the %s %s is more than one statement", q->from_label, type, name);
  else if (rc != SQLITE_DONE) {
    fail_make(part, type, name, rc, err);
  }
  sqlite3_finalize(stmt);
  return err->code;
}

int lb_part_make_table(const lb_sqlite_part *part, lb_part_table *t, lb_error *err)
{
  const lb_sqlite_part_request *q = part->request;
  lb_table_info made = { 0 };
  if (make(part, "table", t->from.name, t->from.sql ? t->from.sql : "", err) ||
      lb_table_info_read(q->to, t->from.name, q->to_label, &made, err)) {
    return err->code;
  }
  if (made.kind != LB_TABLE_ORDINARY || made.column_count != t->from.column_count) {
    lb_fail(err, LB_CORRUPT, "%s: what makes the table %s makes something else", q->from_label, t->from.name);
  }
  lb_table_info_free(&made);
  return err->code;
}

/* Views are on meanwhile: the module may ask what columns its content has. */
int lb_part_make_virtual(const lb_sqlite_part *part, const lb_table_info *from, lb_error *err)
{
  const lb_sqlite_part_request *q = part->request;
  lb_table_info made = { 0 };
  lb_part_allow_views(q->to, true);
  make(part, "virtual table", from->name, from->sql, err);
  lb_part_allow_views(q->to, false);
  if (err->code || lb_table_info_read(q->to, from->name, q->to_label, &made, err)) return err->code;
  if (made.kind != LB_TABLE_VIRTUAL || strcmp(made.sql, from->sql) != 0) {
    lb_fail(err, LB_CORRUPT, "%s: what makes the virtual table %s makes something else", q->from_label, from->name);
  }
  lb_table_info_free(&made);
  return err->code;
}

/* Indexes first, in the order in which they were made. */
int lb_part_make_rest(const lb_sqlite_part *part, const lb_part_table *t, lb_error *err)
{
  const lb_sqlite_part_request *q = part->request;
  lb_buf names = { 0 };
  sqlite3_stmt *stmt = NULL;
  int rc = sqlite3_prepare_v2(q->from, "SELECT type, name, sql FROM main.sqlite_schema WHERE type IN ('index', "
                              "'trigger') AND tbl_name = ?1 COLLATE NOCASE AND sql IS NOT NULL ORDER BY type, rowid",
                              -1, &stmt, NULL);
  if (rc == SQLITE_OK) rc = sqlite3_bind_text(stmt, 1, t->from.name, -1, SQLITE_STATIC);
  while (rc == SQLITE_OK && (rc = sqlite3_step(stmt)) == SQLITE_ROW) {
    const char *type = (const char *)sqlite3_column_text(stmt, 0), *name = (const char *)sqlite3_column_text(stmt, 1);
    const char *sql = (const char *)sqlite3_column_text(stmt, 2);
    rc = type && name && sql ? SQLITE_OK : SQLITE_NOMEM;
    if (rc == SQLITE_OK && make(part, type, name, sql, err)) break;
    lb_buf_printf(&names, "%s%s %s", names.len ? ", " : "", type, name);
  }
  if (rc != SQLITE_DONE && !err->code) lb_db_fail(q->from, rc, q->from_label, err);
  sqlite3_finalize(stmt);
  if (!err->code) {
    lb_part_note(part, names.len ? "table %s was missing and was made, with %s" : "table %s was missing and was made",
                 t->from.name, names.data);
  }
  lb_buf_free(&names);
  return err->code;
}

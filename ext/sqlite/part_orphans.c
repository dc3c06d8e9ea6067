/* See part_links.h. Here: foreign keys.
**
** Orphans (rows with a foreign key that leads nowhere) are found by SQLite, PRAGMA foreign_key_check, and kept in a
** temporary table, stage by stage. One is the same as before when the same row, told by its PRIMARY KEY or else by its
** rowid, has the same values in the same columns: a rowid may be another row's by now, and a row that led nowhere may
** lead elsewhere. Rows of a table WITHOUT ROWID, of which SQLite tells no more than that there is one, are counted.
*/
#include <stdlib.h>
#include <string.h>

#include "sqlite/part_links.h"

SQLITE_EXTENSION_INIT3

enum { BEFORE, AFTER, BACKUP, ORPHANS_TOLD = 5 };

#define SAME_ORPHAN \
  "b.tbl = a.tbl AND b.parent = a.parent AND b.fk = a.fk AND b.id IS a.id AND b.key IS a.key"

/* An orphan that was there before, or is one in the backup too, is nothing that this restore has done. */
#define NEW_ORPHANS \
  "SELECT tbl, r, parent FROM temp.lb_orphans AS a WHERE stage = 1 AND r IS NOT NULL AND NOT EXISTS (SELECT 1 " \
  "FROM temp.lb_orphans AS b WHERE " SAME_ORPHAN " AND b.stage <> 1) " \
  "UNION ALL SELECT tbl, NULL, parent FROM temp.lb_orphans WHERE r IS NULL GROUP BY tbl, parent, fk " \
  "HAVING sum(stage = 1) > max(sum(stage = 0), sum(stage = 2))"

/* ---- the check ---- */

/* Of each foreign key its columns and, as SQL, the values that a row `t` has in them: texts, since a column may be of
** another type in the backup. A key's number is no name for it: a key that is added gets the first one. */
static int put_keys(sqlite3 *db, const char *table, sqlite3_str *names, sqlite3_str *values)
{
  sqlite3_stmt *list = NULL;
  int rc = sqlite3_prepare_v2(db, "SELECT id, \"from\" FROM pragma_foreign_key_list(?1, 'main') ORDER BY id, seq", -1,
                              &list, NULL);
  int last = -1;
  if (rc == SQLITE_OK) rc = sqlite3_bind_text(list, 1, table, -1, SQLITE_STATIC);
  while (rc == SQLITE_OK && (rc = sqlite3_step(list)) == SQLITE_ROW) {
    int id = sqlite3_column_int(list, 0);
    const char *column = (const char *)sqlite3_column_text(list, 1);
    rc = column ? SQLITE_OK : SQLITE_NOMEM;
    if (rc) break;
    if (id != last) sqlite3_str_appendf(names, " WHEN %d THEN ''", id);
    if (id != last) sqlite3_str_appendf(values, " WHEN %d THEN ''", id);
    sqlite3_str_appendf(names, " || quote(%Q) || ','", column);
    sqlite3_str_appendf(values, " || quote(iif(typeof(t.\"%w\") = 'blob', t.\"%w\", CAST(t.\"%w\" AS TEXT))) || ','",
                        column, column, column);
    last = id;
  }
  sqlite3_finalize(list);
  return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

/* What tells a row `t` from others: its key, or where that is the rowid, or has a NULL, the rowid. */
static void put_id(sqlite3_str *sql, const lb_table_info *info)
{
  int count = info->rowid_is_key ? 0 : info->key_count;
  sqlite3_str_appendall(sql, "CASE WHEN 1");
  for (int i = 0; i < count; i++) {
    sqlite3_str_appendf(sql, " AND t.\"%w\" IS NOT NULL", info->columns[info->key[i].column].name);
  }
  sqlite3_str_appendall(sql, count ? " THEN ''" : " THEN c.rowid");
  for (int i = 0; i < count; i++) {
    sqlite3_str_appendf(sql, " || quote(t.\"%w\") || ','", info->columns[info->key[i].column].name);
  }
  sqlite3_str_appendall(sql, " ELSE c.rowid END");
}

/* Gives rowid, parent, the key's columns, what tells the row, its values. Rows that cannot be looked at, because they
** have no rowid or columns hide it, have no values. NULL: out of memory. */
static char *write_check(sqlite3 *db, const lb_table_info *info, const char *names, const char *values)
{
  sqlite3_str *sql = sqlite3_str_new(db);
  sqlite3_str_appendf(sql, "SELECT c.rowid, c.parent, CASE c.fkid%s END, ", names);
  if (info->rowid) put_id(sql, info);
  else sqlite3_str_appendall(sql, "c.rowid");
  if (info->rowid) sqlite3_str_appendf(sql, ", CASE c.fkid%s END", values);
  else sqlite3_str_appendall(sql, ", NULL");
  sqlite3_str_appendf(sql, " FROM pragma_foreign_key_check(%Q, 'main') AS c", info->name);
  if (info->rowid) sqlite3_str_appendf(sql, " LEFT JOIN main.\"%w\" AS t ON t.%s = c.rowid", info->name, info->rowid);
  return sqlite3_str_finish(sql);
}

/* *check NULL: the table has no foreign keys. */
static int prepare_check(sqlite3 *db, const lb_table_info *info, sqlite3_stmt **check)
{
  sqlite3_str *names = sqlite3_str_new(db), *values = sqlite3_str_new(db);
  int rc = put_keys(db, info->name, names, values);
  if (rc == SQLITE_OK) rc = sqlite3_str_errcode(names) ? sqlite3_str_errcode(names) : sqlite3_str_errcode(values);
  bool any = sqlite3_str_length(names) > 0;
  char *name_list = sqlite3_str_finish(names), *value_list = sqlite3_str_finish(values);
  char *sql = rc == SQLITE_OK && any ? write_check(db, info, name_list, value_list) : NULL;
  if (rc == SQLITE_OK && any) rc = sql ? sqlite3_prepare_v2(db, sql, -1, check, NULL) : SQLITE_NOMEM;
  sqlite3_free(name_list);
  sqlite3_free(value_list);
  sqlite3_free(sql);
  return rc;
}

static int keep_orphan(sqlite3_stmt *keep, int stage, sqlite3_stmt *found)
{
  int rc = sqlite3_bind_int(keep, 1, stage);
  for (int i = 0; i < 5 && rc == SQLITE_OK; i++) rc = lb_part_bind(keep, i + 3, found, i, false);
  if (rc == SQLITE_OK) sqlite3_step(keep);
  return rc == SQLITE_OK ? sqlite3_reset(keep) : rc;
}

/* Runs the check of one table and keeps what it finds. A schema that SQLite cannot check (a parent without the key) is
** a note, once. */
static int keep_orphans(const lb_sqlite_part *part, sqlite3 *db, const char *table, int stage, lb_error *err)
{
  const lb_sqlite_part_request *q = part->request;
  const char *label = db == q->to ? q->to_label : q->from_label;
  lb_table_info info;
  sqlite3_stmt *check = NULL;
  if (lb_table_info_read(db, table, label, &info, err)) return err->code;
  sqlite3_stmt *keep = lb_part_query(q->to, "INSERT INTO temp.lb_orphans VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
                                     q->to_label, err);
  int rc = keep ? prepare_check(db, &info, &check) : SQLITE_OK;
  if (rc == SQLITE_OK && check) rc = sqlite3_bind_text(keep, 2, info.name, -1, SQLITE_STATIC);
  while (check && rc == SQLITE_OK && !err->code && (rc = sqlite3_step(check)) == SQLITE_ROW) {
    rc = keep_orphan(keep, stage, check);
    if (rc) lb_db_fail(q->to, rc, q->to_label, err);
  }
  if (rc == SQLITE_ERROR && stage == AFTER) {
    lb_part_note(part, "foreign keys of %s were not checked: %s", table, sqlite3_errmsg(db));
  } else if (rc != SQLITE_OK && rc != SQLITE_DONE && rc != SQLITE_ERROR) {
    lb_db_fail(db, rc, label, err);
  }
  sqlite3_finalize(check);
  sqlite3_finalize(keep);
  lb_table_info_free(&info);
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
    if (rc || (last && strcmp(last, child) == 0) || (!lb_part_has(part, child) && !lb_part_has(part, parent))) continue;
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
  if (lb_db_exec(q->to, "CREATE TEMP TABLE lb_orphans(stage, tbl COLLATE NOCASE, r, parent COLLATE NOCASE, "
                 "fk COLLATE NOCASE, id, key); CREATE INDEX temp.lb_orphans_tbl ON lb_orphans(tbl, id)",
                 q->to_label, err)) {
    return err->code;
  }
  return keep_all_orphans(part, BEFORE, err);
}

/* ---- what is new ---- */

static void put_name(lb_buf *names, const char *name)
{
  size_t n = strlen(name);
  for (const char *at = names->data; at && (at = strstr(at, name)); at++) {
    bool begins = at == names->data || at[-1] == ' ', ends = !at[n] || at[n] == ',';
    if (begins && ends) return;
  }
  lb_buf_printf(names, "%s%s", names->len ? ", " : "", name);
}

/* What would mend it, if the backup has it: the parent of a restored table, or the table that refers to one. */
static int advise(const lb_sqlite_part *part, const char *child, const char *parent, lb_buf *tables, lb_error *err)
{
  const lb_sqlite_part_request *q = part->request;
  const char *table = !lb_part_has(part, child) ? child : parent;
  lb_table_info info;
  if (lb_part_has(part, table) || lb_table_info_read(q->from, table, q->from_label, &info, err)) return err->code;
  if (info.kind == LB_TABLE_ORDINARY) put_name(tables, table);
  lb_table_info_free(&info);
  return err->code;
}

/* *count: of new orphans; the first ones are told in `told`. */
static int list_orphans(const lb_sqlite_part *part, int64_t *count, lb_buf *told, lb_error *err)
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
  }
  if (rc != SQLITE_DONE) lb_db_fail(q->to, rc, q->to_label, err);
  sqlite3_finalize(stmt);
  return err->code;
}

/* Once for each pair of tables: there may be as many new orphans as rows. */
static int advise_all(const lb_sqlite_part *part, lb_buf *tables, lb_error *err)
{
  const lb_sqlite_part_request *q = part->request;
  sqlite3_stmt *stmt = NULL;
  int rc = sqlite3_prepare_v2(q->to, "SELECT tbl, parent FROM (" NEW_ORPHANS ") GROUP BY 1, 2", -1, &stmt, NULL);
  while (rc == SQLITE_OK && (rc = sqlite3_step(stmt)) == SQLITE_ROW) {
    const char *child = (const char *)sqlite3_column_text(stmt, 0);
    const char *parent = (const char *)sqlite3_column_text(stmt, 1);
    rc = child && parent ? SQLITE_OK : SQLITE_NOMEM;
    if (rc == SQLITE_OK && advise(part, child, parent, tables, err)) break;
  }
  if (rc != SQLITE_DONE && !err->code) lb_db_fail(q->to, rc, q->to_label, err);
  sqlite3_finalize(stmt);
  return err->code;
}

static int fail_orphans(const lb_sqlite_part *part, int64_t count, const lb_buf *told, lb_error *err)
{
  lb_buf text = { 0 }, tables = { 0 };
  if (advise_all(part, &tables, err) == LB_OK) {
    lb_buf_printf(&text, "%s: rows would refer to rows that are not there, nothing was changed: %s",
                  part->request->to_label, told->data ? told->data : "");
    if (count > ORPHANS_TOLD) lb_buf_printf(&text, "; and %lld more", (long long)(count - ORPHANS_TOLD));
    if (tables.len) lb_buf_printf(&text, " (restore as well: %s)", tables.data);
    if (text.failed || tables.failed) lb_fail_nomem(err);
    else lb_fail(err, LB_ERROR, "%s", text.data);
  }
  lb_buf_free(&text);
  lb_buf_free(&tables);
  return err->code;
}

static void note_orphans(const lb_sqlite_part *part)
{
  int64_t count = 0;
  lb_error ignored = LB_ERROR_INIT;
  lb_db_integer(part->request->to, "SELECT count(*) FROM temp.lb_orphans AS a WHERE stage = 1 AND NOT EXISTS (SELECT 1 "
                "FROM temp.lb_orphans AS b WHERE b.stage = 0 AND " SAME_ORPHAN ")",
                &count, part->request->to_label, &ignored);
  if (count) {
    lb_part_note(part, "rows that refer to rows which are not there, as they did in the backup: %lld",
                 (long long)count);
  }
}

int lb_part_orphans_after(lb_sqlite_part *part, lb_error *err)
{
  const lb_sqlite_part_request *q = part->request;
  int64_t any = 0, count = 0;
  lb_buf told = { 0 };
  lb_task_phase(q->task, "checking foreign keys", 0);
  keep_all_orphans(part, AFTER, err);
  lb_db_integer(q->to, "SELECT EXISTS (" NEW_ORPHANS ")", &any, q->to_label, err);
  if (err->code || !any) return err->code;
  for (int i = 0; i < part->count && !err->code; i++) {
    keep_orphans(part, q->from, part->tables[i].from.name, BACKUP, err);
  }
  if (!err->code && list_orphans(part, &count, &told, err) == LB_OK) {
    if (count) fail_orphans(part, count, &told, err);
    else note_orphans(part);
  }
  lb_buf_free(&told);
  return err->code;
}

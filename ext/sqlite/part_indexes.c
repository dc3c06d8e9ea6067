/* See part_links.h. Here: full-text indexes with external content that the request names, or that the target lacks.
**
** What is in one follows from its table: nothing is taken from the backup but the words that make it. One that is
** missing is made where its table was made as well, and where triggers write to it, which fail without it. Else nobody
** can know whether it was dropped on purpose: it has to be named.
*/
#include <stdlib.h>
#include <string.h>

#include "sqlite/part_links.h"
#include "sqlite/virtual.h"

SQLITE_EXTENSION_INIT3

void lb_part_allow_views(sqlite3 *db, bool allow)
{
  int now;
  sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_VIEW, allow, &now);
}

/* Read at once: a rebuild would end a statement on the schema. */
int lb_part_list_indexes(sqlite3 *db, const char *label, lb_buf *names, lb_error *err)
{
  sqlite3_stmt *stmt = NULL;
  int rc = sqlite3_prepare_v2(db, "SELECT name, sql FROM main.sqlite_schema WHERE type = 'table' AND rootpage = 0", -1,
                              &stmt, NULL);
  while (rc == SQLITE_OK && !err->code && (rc = sqlite3_step(stmt)) == SQLITE_ROW) {
    const char *name = (const char *)sqlite3_column_text(stmt, 0), *sql = (const char *)sqlite3_column_text(stmt, 1);
    lb_virtual v = { 0 };
    rc = SQLITE_OK;
    if (!name || !sql || lb_virtual_read(sql, &v, err)) continue;
    if (v.content) {
      lb_buf_append(names, name, strlen(name) + 1);
      lb_buf_append(names, v.content, strlen(v.content) + 1);
    }
    lb_virtual_free(&v);
  }
  if (rc != SQLITE_DONE && !err->code) lb_db_fail(db, rc, label, err);
  sqlite3_finalize(stmt);
  if (names->failed) lb_fail_nomem(err);
  return err->code;
}

/* ---- those that are named ---- */

/* A view is nothing that can be restored. */
static int refuse_missing(const lb_sqlite_part *part, const char *index, const lb_virtual *v, lb_error *err)
{
  const lb_sqlite_part_request *q = part->request;
  lb_table_info content;
  if (lb_table_info_read(q->from, v->content, q->from_label, &content, err)) return err->code;
  if (content.kind == LB_TABLE_VIEW) {
    lb_fail(err, LB_MISUSE, "%s: %s is a virtual table (%s) over the view %s, which is not here: make that view first "
            "(the backup has its CREATE VIEW)", q->to_label, index, v->module, content.name);
  } else {
    lb_fail(err, LB_MISUSE, "%s: %s is a virtual table (%s) over %s, which is not here: restore %s as well",
            q->to_label, index, v->module, v->content, v->content);
  }
  lb_table_info_free(&content);
  return err->code;
}

static int match_content(const lb_sqlite_part *part, const char *index, const lb_virtual *v, lb_error *err)
{
  const lb_sqlite_part_request *q = part->request;
  lb_table_info content;
  if (lb_part_has(part, v->content)) return LB_OK;
  if (lb_table_info_read(q->to, v->content, q->to_label, &content, err)) return err->code;
  bool missing = content.kind == LB_TABLE_NONE;
  lb_table_info_free(&content);
  return missing ? refuse_missing(part, index, v, err) : LB_OK;
}

/* What has its name in the target has to be such an index over the same table. */
static int match_there(const lb_sqlite_part *part, const lb_table_info *there, const lb_virtual *v, lb_error *err)
{
  lb_virtual other;
  if (there->kind == LB_TABLE_NONE) return LB_OK;
  if (lb_virtual_read(there->sql ? there->sql : "", &other, err)) return err->code;
  if (!other.content || sqlite3_stricmp(other.content, v->content) != 0) {
    lb_fail(err, LB_MISUSE, "%s: table %s: it is a virtual table (%s) over %s in the backup, and something else here",
            part->request->to_label, there->name, v->module, v->content);
  }
  lb_virtual_free(&other);
  return err->code;
}

static int match_index(const lb_sqlite_part *part, const char *index, lb_error *err)
{
  const lb_sqlite_part_request *q = part->request;
  lb_table_info from = { 0 }, there = { 0 };
  lb_virtual v = { 0 };
  if (lb_table_info_read(q->from, index, q->from_label, &from, err) == LB_OK &&
      lb_table_info_read(q->to, index, q->to_label, &there, err) == LB_OK &&
      lb_virtual_read(from.sql, &v, err) == LB_OK && match_there(part, &there, &v, err) == LB_OK) {
    match_content(part, index, &v, err);
  }
  lb_virtual_free(&v);
  lb_table_info_free(&from);
  lb_table_info_free(&there);
  return err->code;
}

int lb_part_match_indexes(const lb_sqlite_part *part, lb_error *err)
{
  const lb_buf *names = &part->indexes;
  for (size_t at = 0; at < names->len && !err->code; at += strlen(names->data + at) + 1) {
    match_index(part, names->data + at, err);
  }
  return err->code;
}

/* ---- those that are missing ---- */

static bool is_missing(const lb_sqlite_part *part, const char *name, lb_error *err)
{
  lb_table_info info;
  if (lb_table_info_read(part->request->to, name, part->request->to_label, &info, err)) return false;
  bool missing = info.kind == LB_TABLE_NONE;
  lb_table_info_free(&info);
  return missing;
}

/* Whether triggers of the table cannot be compiled for want of the index. */
static bool triggers_need(const lb_sqlite_part *part, const lb_part_table *t, const char *index, lb_error *err)
{
  static const char lacking[] = "no such table: main.";
  lb_buf names = { 0 }, why = { 0 };
  lb_part_find_writes(part, t, &names, &why, err);
  bool need = why.len && strncmp(why.data, lacking, strlen(lacking)) == 0 &&
              sqlite3_stricmp(why.data + strlen(lacking), index) == 0;
  lb_buf_free(&names);
  lb_buf_free(&why);
  return need;
}

static bool is_wanted(const lb_sqlite_part *part, const char *index, const char *content, lb_error *err)
{
  if (lb_part_names_have(&part->indexes, index)) return true;
  for (int i = 0; i < part->count; i++) {
    const lb_part_table *t = &part->tables[i];
    if (sqlite3_stricmp(t->to.name, content) == 0) return t->missing || triggers_need(part, t, index, err);
  }
  return false;
}

/* Rows are worth more than an index whose tokenizer, for one, is not here: only one that is named has to come back. */
static int make_index(lb_sqlite_part *part, const char *index, lb_error *err)
{
  const lb_sqlite_part_request *q = part->request;
  bool named = lb_part_names_have(&part->indexes, index);
  lb_error why = LB_ERROR_INIT;
  lb_table_info from;
  if (lb_table_info_read(q->from, index, q->from_label, &from, err)) return err->code;
  lb_db_exec(q->to, "SAVEPOINT lb_index", q->to_label, err);
  if (!err->code && lb_part_make_virtual(part, &from, &why) == LB_OK) {
    lb_part_names_add(&part->indexes, from.name);
    lb_part_note(part, "full-text index %s was missing and was made", from.name);
  } else if (why.code == LB_ERROR && !named) {
    lb_part_names_add(&part->rebuilt, from.name);
    lb_part_note(part, "full-text index %s is missing: %s", from.name, why.message);
    lb_db_exec(q->to, "ROLLBACK TO lb_index", q->to_label, err);
  } else if (!err->code) {
    *err = why;
  }
  lb_db_exec(q->to, "RELEASE lb_index", q->to_label, err);
  lb_table_info_free(&from);
  return err->code;
}

/* One after another: the triggers that cannot be compiled tell of one at a time. *any: there may be more. */
static int make_next(lb_sqlite_part *part, const lb_buf *list, bool *any, lb_error *err)
{
  *any = false;
  for (size_t at = 0; at < list->len && !err->code;) {
    const char *index = list->data + at, *content = index + strlen(index) + 1;
    at += strlen(index) + strlen(content) + 2;
    if (lb_part_names_have(&part->rebuilt, index) || !is_missing(part, index, err)) continue;
    if (!is_wanted(part, index, content, err) || err->code) continue;
    *any = true;
    make_index(part, index, err);
  }
  return err->code;
}

int lb_part_make_indexes(lb_sqlite_part *part, lb_error *err)
{
  const lb_sqlite_part_request *q = part->request;
  lb_buf list = { 0 };
  bool any = true;
  lb_part_list_indexes(q->from, q->from_label, &list, err);
  while (any && !err->code) make_next(part, &list, &any, err);
  lb_buf_free(&list);
  return err->code;
}

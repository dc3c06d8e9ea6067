/* See part_sql.h. */
#include "sqlite/part_sql.h"

#include <stdlib.h>

SQLITE_EXTENSION_INIT3

/* ---- writing SQL ---- */

static const char *to_name(const lb_part_move *m, int column) { return m->table->to.columns[column].name; }

const char *lb_part_key_name(const lb_part_move *m, int i) { return to_name(m, m->table->to.key[i].column); }

/* By the key, which may have a column twice, under two collations. */
int lb_part_key_column(const lb_part_move *m, int i)
{
  for (int c = 0; c < m->table->column_count; c++) {
    if (m->table->columns[c].to == m->table->to.key[i].column) return c + 1;
  }
  return 0;
}

static int first_id(const lb_part_move *m) { return m->table->column_count + 2; }

/* "id" = ?n COLLATE "BINARY" AND …, with the parameters of the backup's row. */
static void put_where_key(sqlite3_str *sql, const lb_part_move *m, const char *operator)
{
  const lb_table_info *to = &m->table->to;
  for (int i = 0; i < to->key_count; i++) {
    sqlite3_str_appendf(sql, "%s\"%w\" %s ?%d COLLATE \"%w\"", i ? " AND " : "", lb_part_key_name(m, i), operator,
                        lb_part_key_column(m, i) + 1, to->key[i].collation);
  }
  if (!to->key_count) sqlite3_str_appendf(sql, "%s = ?1", to->rowid);
}

/* What finds a row of the target again: a list, and a condition whose parameters begin at `first`. */
static void put_ids(sqlite3_str *sql, const lb_part_move *m)
{
  const lb_table_info *to = &m->table->to;
  if (to->rowid) sqlite3_str_appendall(sql, to->rowid);
  for (int i = 0; i < to->key_count && !to->rowid; i++) {
    sqlite3_str_appendf(sql, "%s\"%w\"", i ? ", " : "", lb_part_key_name(m, i));
  }
}

static void put_where_ids(sqlite3_str *sql, const lb_part_move *m, int first)
{
  const lb_table_info *to = &m->table->to;
  if (to->rowid) sqlite3_str_appendf(sql, "%s = ?%d", to->rowid, first);
  for (int i = 0; i < to->key_count && !to->rowid; i++) {
    sqlite3_str_appendf(sql, "%s\"%w\" IS ?%d COLLATE \"%w\"", i ? " AND " : "", lb_part_key_name(m, i), first + i,
                        to->key[i].collation);
  }
}

/* Of each column, whether the target's row differs from the parameters. */
static void put_differs(sqlite3_str *sql, const lb_part_move *m)
{
  bool looks = m->request->mode != LB_ROWS_MISSING;
  for (int i = 0; i < m->table->column_count; i++) {
    const lb_part_column *c = &m->table->columns[i];
    const char *name = to_name(m, c->to);
    if (!looks || !c->compare) sqlite3_str_appendall(sql, ", 0");
    else if (!c->exact) sqlite3_str_appendf(sql, ", \"%w\" IS NOT ?%d COLLATE BINARY", name, i + 2);
    else sqlite3_str_appendf(sql, ", \"%w\" IS NOT ?%d COLLATE BINARY OR typeof(\"%w\") <> typeof(?%d)", name, i + 2,
                             name, i + 2);
  }
}

static void put_columns(sqlite3_str *sql, const lb_part_move *m, int own)
{
  const lb_part_table *t = m->table;
  const char *comma = "";
  if (t->keeps_rowid) {
    sqlite3_str_appendall(sql, t->to.rowid);
    comma = ", ";
  }
  for (int i = 0; i < t->column_count; i++, comma = ", ") {
    sqlite3_str_appendf(sql, "%s\"%w\"", comma, to_name(m, t->columns[i].to));
  }
  for (int i = 0; i < own; i++) sqlite3_str_appendf(sql, ", \"%w\"", to_name(m, t->own[i]));
}

static void put_parameters(sqlite3_str *sql, int first, int count)
{
  for (int i = 0; i < count; i++) sqlite3_str_appendf(sql, "%s?%d", i ? ", " : "", first + i);
}

/* ---- the statements ---- */

static sqlite3_stmt *on_target(const lb_part_move *m, sqlite3_str *sql, lb_error *err)
{
  return lb_part_prepare(m->request->to, sql, m->request->to_label, err);
}

/* Where a table WITHOUT ROWID has a collation that is not known here, in its key or (newer versions of SQLite) in any
** column, any look at it is "no query solution". A sort by the columns says which collation it is. */
static int check_collations(sqlite3 *db, const lb_table_info *info, const char *label, lb_error *err)
{
  lb_error none = LB_ERROR_INIT;
  if (!info->without_rowid) return LB_OK;
  sqlite3_str *sql = sqlite3_str_new(db);
  sqlite3_str_appendf(sql, "SELECT * FROM main.\"%w\"", info->name);
  sqlite3_stmt *look = lb_part_prepare(db, sql, label, &none);
  sqlite3_finalize(look);
  if (look) return LB_OK;
  sql = sqlite3_str_new(db);
  sqlite3_str_appendf(sql, "SELECT 1 FROM main.\"%w\"", info->name);
  for (int i = 0; i < info->column_count; i++) {
    sqlite3_str_appendf(sql, "%s\"%w\"", i ? ", " : " ORDER BY ", info->columns[i].name);
  }
  sqlite3_finalize(lb_part_prepare(db, sql, label, err));
  if (!err->code) *err = none;
  return err->code;
}

/* Not by an index of the backup's: what is wrong in one does no harm then. */
static int prepare_read(lb_part_move *m, lb_error *err)
{
  const lb_sqlite_part_request *q = m->request;
  const lb_table_info *from = &m->table->from;
  sqlite3_str *sql = sqlite3_str_new(q->from);
  sqlite3_str_appendf(sql, "SELECT %s", from->rowid ? from->rowid : "NULL");
  for (int i = 0; i < m->table->column_count; i++) {
    sqlite3_str_appendf(sql, ", \"%w\"", from->columns[m->table->columns[i].from].name);
  }
  sqlite3_str_appendf(sql, " FROM main.\"%w\" NOT INDEXED", from->name);
  m->read = lb_part_prepare(q->from, sql, q->from_label, err);
  return err->code;
}

static int prepare_find(lb_part_move *m, lb_error *err)
{
  const lb_table_info *to = &m->table->to;
  for (int null = 0; null <= m->table->null_keys && !err->code; null++) {
    if (null && (!to->rowid || !m->table->from.rowid)) break;
    sqlite3_str *sql = sqlite3_str_new(m->request->to);
    sqlite3_str_appendall(sql, "SELECT ");
    put_ids(sql, m);
    put_differs(sql, m);
    sqlite3_str_appendf(sql, " FROM main.\"%w\" WHERE ", to->name);
    if (null) sqlite3_str_appendf(sql, "%s = ?1 AND ", to->rowid);
    put_where_key(sql, m, null ? "IS" : "=");
    *(null ? &m->find_null : &m->find) = on_target(m, sql, err);
  }
  return err->code;
}

/* OR ABORT, because a table may say what else is to happen: REPLACE in its UNIQUE would take a row away unseen. own:
** columns that only the target has, behind the others. */
static sqlite3_stmt *prepare_insert(const lb_part_move *m, int own, lb_error *err)
{
  int skipped = !m->table->keeps_rowid;
  sqlite3_str *sql = sqlite3_str_new(m->request->to);
  sqlite3_str_appendf(sql, "INSERT OR ABORT INTO main.\"%w\"(", m->table->to.name);
  put_columns(sql, m, own);
  sqlite3_str_appendall(sql, ") VALUES (");
  put_parameters(sql, 1 + skipped, m->table->column_count + 1 - skipped + own);
  sqlite3_str_appendall(sql, ")");
  return on_target(m, sql, err);
}

static sqlite3_stmt *prepare_update(const lb_part_move *m, const bool *differs, lb_error *err)
{
  const char *comma = "";
  sqlite3_str *sql = sqlite3_str_new(m->request->to);
  sqlite3_str_appendf(sql, "UPDATE OR ABORT main.\"%w\" SET ", m->table->to.name);
  for (int i = 0; i < m->table->column_count; i++) {
    if (!differs[i]) continue;
    sqlite3_str_appendf(sql, "%s\"%w\" = ?%d", comma, to_name(m, m->table->columns[i].to), i + 2);
    comma = ", ";
  }
  sqlite3_str_appendall(sql, " WHERE ");
  put_where_ids(sql, m, first_id(m));
  return on_target(m, sql, err);
}

static bool covers(const lb_part_move *m, const bool *set, const bool *differs, bool exactly)
{
  for (int i = 0; i < m->table->column_count; i++) {
    if (exactly ? set[i] != differs[i] : differs[i] && !set[i]) return false;
  }
  return true;
}

static sqlite3_stmt *add_update(lb_part_move *m, lb_error *err)
{
  bool last = m->update_count == LB_PART_UPDATES - 1;
  bool *differs = calloc((size_t)m->table->column_count, sizeof *differs);
  for (int i = 0; differs && i < m->table->column_count; i++) {
    differs[i] = last ? m->table->columns[i].compare : m->differs[i];
  }
  if (!differs) lb_fail_nomem(err);
  sqlite3_stmt *stmt = differs ? prepare_update(m, differs, err) : NULL;
  if (stmt) m->updates[m->update_count++] = (lb_part_update){ differs, stmt };
  else free(differs);
  return stmt;
}

int lb_part_move_update(lb_part_move *m, sqlite3_stmt *found, sqlite3_stmt **stmt, lb_error *err)
{
  bool any = false;
  *stmt = NULL;
  for (int i = 0; i < m->table->column_count; i++) {
    m->differs[i] = sqlite3_column_int(found, m->ids + i);
    any = any || m->differs[i];
  }
  for (int i = 0; any && i < m->update_count && !*stmt; i++) {
    if (covers(m, m->updates[i].differs, m->differs, i < LB_PART_UPDATES - 1)) *stmt = m->updates[i].stmt;
  }
  if (any && !*stmt) *stmt = add_update(m, err);
  return err->code;
}

static int prepare_remove(lb_part_move *m, lb_error *err)
{
  sqlite3_str *sql = sqlite3_str_new(m->request->to);
  sqlite3_str_appendf(sql, "DELETE FROM main.\"%w\" WHERE ", m->table->to.name);
  put_where_ids(sql, m, 1);
  m->remove = on_target(m, sql, err);
  return err->code;
}

/* ---- rows that are put aside ---- */

static int make_aside(const lb_part_move *m, lb_error *err)
{
  lb_buf sql = { 0 };
  lb_buf_text(&sql, "CREATE TEMP TABLE lb_aside(r");
  for (int i = 0; i < m->table->column_count; i++) lb_buf_printf(&sql, ", c%d", i);
  lb_buf_text(&sql, ", was_there");
  for (int i = 0; i < m->table->own_count; i++) lb_buf_printf(&sql, ", e%d", i);
  lb_buf_text(&sql, ")");
  if (sql.failed) lb_fail_nomem(err);
  else lb_db_exec(m->request->to, sql.data, m->request->to_label, err);
  lb_buf_free(&sql);
  return err->code;
}

static void prepare_put_new(lb_part_move *m, lb_error *err)
{
  sqlite3_str *sql = sqlite3_str_new(m->request->to);
  sqlite3_str_appendall(sql, "INSERT INTO temp.lb_aside VALUES (");
  put_parameters(sql, 1, m->table->column_count + 1);
  sqlite3_str_appendall(sql, ", 0");
  for (int i = 0; i < m->table->own_count; i++) sqlite3_str_appendall(sql, ", NULL");
  sqlite3_str_appendall(sql, ")");
  m->put_new = on_target(m, sql, err);
}

/* With the columns that only the target has; the row is whole again when it comes back. */
static void prepare_put_old(lb_part_move *m, lb_error *err)
{
  const lb_part_table *t = m->table;
  sqlite3_str *sql = sqlite3_str_new(m->request->to);
  sqlite3_str_appendf(sql, "INSERT INTO temp.lb_aside SELECT %s, ", t->to.rowid ? t->to.rowid : "NULL");
  put_parameters(sql, 2, t->column_count);
  sqlite3_str_appendall(sql, ", 1");
  for (int i = 0; i < t->own_count; i++) sqlite3_str_appendf(sql, ", \"%w\"", to_name(m, t->own[i]));
  sqlite3_str_appendf(sql, " FROM main.\"%w\" WHERE ", t->to.name);
  put_where_ids(sql, m, first_id(m));
  m->put_old = on_target(m, sql, err);
}

int lb_part_move_open_aside(lb_part_move *m, lb_error *err)
{
  if (m->put_new || make_aside(m, err)) return err->code;
  prepare_put_new(m, err);
  prepare_put_old(m, err);
  m->insert_old = prepare_insert(m, m->table->own_count, err);
  return err->code;
}

/* ---- rows that the backup lacks ---- */

sqlite3_stmt *lb_part_note_gone(const lb_part_move *m, lb_error *err)
{
  lb_buf create = { 0 };
  for (int i = 0; i < m->ids; i++) lb_buf_printf(&create, "%s%d", i ? ", i" : "CREATE TEMP TABLE lb_gone(i", i);
  lb_buf_text(&create, ")");
  if (create.failed) lb_fail_nomem(err);
  else lb_db_exec(m->request->to, create.data, m->request->to_label, err);
  lb_buf_free(&create);
  if (err->code) return NULL;
  sqlite3_str *sql = sqlite3_str_new(m->request->to);
  sqlite3_str_appendall(sql, "INSERT INTO temp.lb_gone VALUES (");
  put_parameters(sql, 1, m->ids);
  sqlite3_str_appendall(sql, ")");
  return on_target(m, sql, err);
}

sqlite3_stmt *lb_part_probe(const lb_part_move *m, bool null, lb_error *err)
{
  const lb_sqlite_part_request *q = m->request;
  const lb_table_info *from = &m->table->from;
  sqlite3_str *sql = sqlite3_str_new(q->from);
  sqlite3_str_appendf(sql, "SELECT 1 FROM main.\"%w\" WHERE ", from->name);
  if (null || !from->key_count) sqlite3_str_appendf(sql, "%s = ?1", from->rowid);
  for (int i = 0; i < from->key_count; i++) {
    sqlite3_str_appendf(sql, "%s\"%w\" %s ?%d COLLATE \"%w\"", null || i ? " AND " : "",
                        from->columns[from->key[i].column].name, null ? "IS" : "=", m->ids + 1 + i,
                        from->key[i].collation);
  }
  return lb_part_prepare(q->from, sql, q->from_label, err);
}

sqlite3_stmt *lb_part_scan(const lb_part_move *m, lb_error *err)
{
  const lb_table_info *to = &m->table->to;
  sqlite3_str *sql = sqlite3_str_new(m->request->to);
  sqlite3_str_appendall(sql, "SELECT ");
  put_ids(sql, m);
  for (int i = 0; i < to->key_count; i++) sqlite3_str_appendf(sql, ", \"%w\"", lb_part_key_name(m, i));
  sqlite3_str_appendf(sql, " FROM main.\"%w\"", to->name);
  for (int i = 0; i < to->key_count && !to->rowid_is_key; i++) {
    sqlite3_str_appendf(sql, "%s\"%w\" COLLATE \"%w\"", i ? ", " : " ORDER BY ", lb_part_key_name(m, i),
                        to->key[i].collation);
  }
  return on_target(m, sql, err);
}

/* ---- all of them ---- */

int lb_part_move_open(lb_part_move *m, const lb_sqlite_part *part, const lb_part_table *table, lb_error *err)
{
  *m = (lb_part_move){ .request = part->request, .table = table,
                       .ids = table->to.rowid ? 1 : table->to.key_count };
  m->differs = calloc((size_t)table->column_count, sizeof *m->differs);
  if (!m->differs) return lb_fail_nomem(err);
  if (check_collations(part->request->from, &table->from, part->request->from_label, err) ||
      check_collations(part->request->to, &table->to, part->request->to_label, err)) {
    return err->code;
  }
  if (prepare_read(m, err) || prepare_find(m, err) || prepare_remove(m, err)) return err->code;
  m->insert = prepare_insert(m, 0, err);
  return err->code;
}

void lb_part_move_close(lb_part_move *m)
{
  sqlite3_stmt *all[] = { m->read, m->find, m->find_null, m->insert, m->remove, m->put_new, m->put_old, m->insert_old };
  for (size_t i = 0; i < sizeof all / sizeof *all; i++) sqlite3_finalize(all[i]);
  for (int i = 0; i < m->update_count; i++) {
    free(m->updates[i].differs);
    sqlite3_finalize(m->updates[i].stmt);
  }
  free(m->differs);
}

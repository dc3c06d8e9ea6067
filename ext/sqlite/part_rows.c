/* See part_rows.h. The order: rows whose key the backup lacks go first (replace), then the backup's rows pass by, and
** at the end those that were put aside.
**
** What is put aside lies in a temporary table, on disk where there is much of it: the rows to be removed, so that no
** table is changed while it is scanned, and the rows that collided.
*/
#include "sqlite/part_rows.h"

#include <string.h>

#include "sqlite/part_sql.h"

SQLITE_EXTENSION_INIT3

enum { POLL_ROWS = 256, SHOWN_BYTES = 40 };

typedef struct moving {
  lb_part_move sql;
  const lb_sqlite_part_request *request;
  const lb_part_table *table;
  lb_rows_count *count;
  bool utf16, utf16_there;  /* texts of the backup, of the target */
  int64_t before;           /* rows of the target */
  int since_poll;
} moving;

/* ---- one row ---- */

static int poll_rows(moving *m, lb_error *err)
{
  if (++m->since_poll < POLL_ROWS) return LB_OK;
  m->since_poll = 0;
  return lb_task_poll(m->request->task, err);
}

/* As many of the row's values as the statement has parameters. */
static int bind_row(const moving *m, sqlite3_stmt *stmt, sqlite3_stmt *row, bool utf16)
{
  int n = sqlite3_bind_parameter_count(stmt), rc = SQLITE_OK;
  for (int i = 0; i <= m->table->column_count && i < n && rc == SQLITE_OK; i++) {
    rc = lb_part_bind(stmt, i + 1, row, i, utf16);
  }
  return rc;
}

/* One value of a row that is in the way, for a message. */
static void put_value(lb_buf *out, sqlite3_stmt *row, int column)
{
  int type = sqlite3_column_type(row, column);  /* before it is made a text */
  if (type == SQLITE_NULL) {
    lb_buf_text(out, "NULL");
  } else if (type == SQLITE_BLOB) {
    lb_buf_printf(out, "a blob of %d bytes", sqlite3_column_bytes(row, column));
  } else {
    const char *text = (const char *)sqlite3_column_text(row, column);
    int n = text ? (int)strlen(text) : 0;
    if (n > SHOWN_BYTES) {
      for (n = SHOWN_BYTES; n > 0 && ((unsigned char)text[n] & 0xc0) == 0x80;) n--;
    }
    lb_buf_printf(out, "%.*s%s", n, text ? text : "", text && text[n] ? "…" : "");
  }
}

static bool collides(int rc)
{
  return rc == SQLITE_CONSTRAINT_UNIQUE || rc == SQLITE_CONSTRAINT_PRIMARYKEY || rc == SQLITE_CONSTRAINT_ROWID;
}

static const char *advice_of(const moving *m, int rc)
{
  if (!collides(rc)) return "";
  return m->request->mode == LB_ROWS_REPLACE
             ? " (two rows of the backup are in each other's way here)"
             : " (another row of the target is in its way: change or delete that, or pass {\"rows\":\"replace\"})";
}

static int fail_row(const moving *m, int rc, sqlite3_stmt *row, lb_error *err)
{
  const lb_sqlite_part_request *q = m->request;
  const lb_table_info *to = &m->table->to;
  if ((rc & 0xff) != SQLITE_CONSTRAINT && (rc & 0xff) != SQLITE_MISMATCH) {
    return lb_db_fail(q->to, rc, q->to_label, err);
  }
  char *why = sqlite3_mprintf("%s", sqlite3_errmsg(q->to));
  lb_buf key = { 0 };
  for (int i = 0; i < to->key_count; i++) {
    lb_buf_printf(&key, "%s%s=", i ? ", " : "", lb_part_key_name(&m->sql, i));
    put_value(&key, row, lb_part_key_column(&m->sql, i));
  }
  if (!to->key_count) {
    lb_buf_text(&key, "rowid=");
    put_value(&key, row, 0);
  }
  lb_fail(err, LB_ERROR, "%s: table %s: the backup's row %s does not fit, nothing was changed: %s%s", q->to_label,
          to->name, key.data ? key.data : "?", why ? why : "?", advice_of(m, rc));
  lb_buf_free(&key);
  sqlite3_free(why);
  return err->code;
}

static int step_write(sqlite3_stmt *stmt)
{
  sqlite3_step(stmt);
  return sqlite3_reset(stmt);
}

static int fail_target(const moving *m, int rc, lb_error *err)
{
  return lb_db_fail(m->request->to, rc, m->request->to_label, err);
}

/* ids: the statement that stands on the target's row; its first columns find it again. */
static int bind_ids(const moving *m, sqlite3_stmt *stmt, int first, sqlite3_stmt *ids)
{
  int rc = SQLITE_OK;
  for (int i = 0; i < m->sql.ids && rc == SQLITE_OK; i++) rc = lb_part_bind(stmt, first + i, ids, i, m->utf16_there);
  return rc;
}

static int put_aside(moving *m, sqlite3_stmt *row, sqlite3_stmt *ids, lb_error *err)
{
  if (lb_part_move_open_aside(&m->sql, err)) return err->code;
  sqlite3_stmt *put = ids ? m->sql.put_old : m->sql.put_new;
  int rc = bind_row(m, put, row, m->utf16);
  if (rc == SQLITE_OK && ids) rc = bind_ids(m, put, m->table->column_count + 2, ids);
  if (rc == SQLITE_OK) rc = step_write(put);
  if (rc == SQLITE_OK && ids) {
    rc = bind_ids(m, m->sql.remove, 1, ids);
    if (rc == SQLITE_OK) rc = step_write(m->sql.remove);
  }
  return rc ? fail_target(m, rc, err) : LB_OK;
}

static int insert_row(moving *m, lb_error *err)
{
  int rc = bind_row(m, m->sql.insert, m->sql.read, m->utf16);
  if (rc == SQLITE_OK) rc = step_write(m->sql.insert);
  if (collides(rc)) put_aside(m, m->sql.read, NULL, err);
  else if (rc) fail_row(m, rc, m->sql.read, err);
  m->count->added++;
  return err->code;
}

/* found stands on the target's row. */
static int update_row(moving *m, sqlite3_stmt *found, lb_error *err)
{
  sqlite3_stmt *update;
  if (lb_part_move_update(&m->sql, found, &update, err) || !update) return err->code;
  int rc = bind_row(m, update, m->sql.read, m->utf16);
  if (rc == SQLITE_OK) rc = bind_ids(m, update, m->table->column_count + 2, found);
  if (rc == SQLITE_OK) rc = step_write(update);
  if (collides(rc)) put_aside(m, m->sql.read, found, err);
  else if (rc) fail_row(m, rc, m->sql.read, err);
  m->count->changed++;
  return err->code;
}

static bool has_null_key(const moving *m)
{
  for (int i = 0; i < m->table->to.key_count; i++) {
    if (sqlite3_column_type(m->sql.read, lb_part_key_column(&m->sql, i)) == SQLITE_NULL) return true;
  }
  return false;
}

static int move_row(moving *m, lb_error *err)
{
  sqlite3_stmt *find = m->table->null_keys && has_null_key(m) ? m->sql.find_null : m->sql.find;
  if (m->before == m->count->removed || !find) return insert_row(m, err);  /* nothing is there to be found */
  int rc = bind_row(m, find, m->sql.read, m->utf16);
  if (rc == SQLITE_OK) rc = sqlite3_step(find);
  if (rc == SQLITE_DONE) insert_row(m, err);
  else if (rc != SQLITE_ROW) fail_target(m, rc, err);
  else update_row(m, find, err);
  sqlite3_reset(find);
  return err->code;
}

/* ---- rows that the backup lacks ---- */

typedef struct removing {
  sqlite3_stmt *scan, *probe, *probe_null, *note;
} removing;

/* Whether the row that the scan stands on is in the backup. */
static int probe(const moving *m, const removing *r, bool *there, lb_error *err)
{
  const lb_sqlite_part_request *q = m->request;
  bool null = false;
  for (int i = 0; i < m->table->to.key_count; i++) {
    if (sqlite3_column_type(r->scan, m->sql.ids + i) == SQLITE_NULL) null = true;
  }
  sqlite3_stmt *stmt = null ? r->probe_null : r->probe;
  *there = false;
  if (!stmt) return LB_OK;
  int rc = SQLITE_OK, n = sqlite3_bind_parameter_count(stmt);
  for (int i = 0; i < m->sql.ids + m->table->to.key_count && i < n && rc == SQLITE_OK; i++) {
    rc = lb_part_bind(stmt, i + 1, r->scan, i, m->utf16_there);
  }
  if (rc == SQLITE_OK) rc = sqlite3_step(stmt);
  *there = rc == SQLITE_ROW;
  if (rc != SQLITE_ROW && rc != SQLITE_DONE) lb_db_fail(q->from, rc, q->from_label, err);
  sqlite3_reset(stmt);
  return err->code;
}

static int scan_target(moving *m, removing *r, lb_error *err)
{
  int rc;
  while ((rc = sqlite3_step(r->scan)) == SQLITE_ROW) {
    bool there;
    m->before++;
    if (poll_rows(m, err) || probe(m, r, &there, err)) return err->code;
    if (there) continue;
    rc = bind_ids(m, r->note, 1, r->scan);
    if (rc == SQLITE_OK) rc = step_write(r->note);
    if (rc) return fail_target(m, rc, err);
  }
  return rc == SQLITE_DONE ? LB_OK : fail_target(m, rc, err);
}

static int remove_gone(moving *m, lb_error *err)
{
  const lb_sqlite_part_request *q = m->request;
  sqlite3_stmt *gone = lb_part_query(q->to, "SELECT * FROM temp.lb_gone", q->to_label, err);
  int rc = SQLITE_DONE;
  while (gone && (rc = sqlite3_step(gone)) == SQLITE_ROW && poll_rows(m, err) == LB_OK) {
    rc = bind_ids(m, m->sql.remove, 1, gone);
    if (rc == SQLITE_OK) rc = step_write(m->sql.remove);
    if (rc) break;
    m->count->removed++;
  }
  if (rc != SQLITE_DONE && !err->code) fail_target(m, rc, err);
  sqlite3_finalize(gone);
  return err->code;
}

static int find_gone(moving *m, lb_error *err)
{
  removing r = { .note = lb_part_note_gone(&m->sql, err) };
  bool by_rowid = m->table->null_keys && m->table->from.rowid && m->table->to.rowid;
  if (!err->code) r.scan = lb_part_scan(&m->sql, err);
  if (!err->code) r.probe = lb_part_probe(&m->sql, false, err);
  if (!err->code && by_rowid) r.probe_null = lb_part_probe(&m->sql, true, err);
  if (!err->code) scan_target(m, &r, err);
  sqlite3_finalize(r.scan);
  sqlite3_finalize(r.probe);
  sqlite3_finalize(r.probe_null);
  sqlite3_finalize(r.note);
  return err->code;
}

static int remove_rows(moving *m, lb_error *err)
{
  if (find_gone(m, err) || remove_gone(m, err)) return err->code;
  return lb_db_exec(m->request->to, "DROP TABLE temp.lb_gone", m->request->to_label, err);
}

static int count_rows(moving *m, lb_error *err)
{
  const lb_sqlite_part_request *q = m->request;
  char *sql = sqlite3_mprintf("SELECT count(*) FROM main.\"%w\"", m->table->to.name);
  if (sql) lb_db_integer(q->to, sql, &m->before, q->to_label, err);
  else lb_fail_nomem(err);
  sqlite3_free(sql);
  return err->code;
}

/* ---- rows that were put aside ---- */

/* A rowid that is taken is no loss where the table has a key: SQLite then gives another one. */
static int bring_back(const moving *m, sqlite3_stmt *row, lb_error *err)
{
  int there = m->table->column_count + 1;
  bool old = sqlite3_column_int(row, there);
  sqlite3_stmt *insert = old ? m->sql.insert_old : m->sql.insert;
  int rc = bind_row(m, insert, row, m->utf16_there);
  for (int i = 0; old && i < m->table->own_count && rc == SQLITE_OK; i++) {
    rc = lb_part_bind(insert, m->table->column_count + 2 + i, row, there + 1 + i, m->utf16_there);
  }
  if (rc == SQLITE_OK) rc = step_write(insert);
  if (rc == SQLITE_CONSTRAINT_ROWID && m->table->to.key_count) {
    rc = sqlite3_bind_null(insert, 1);
    if (rc == SQLITE_OK) rc = step_write(insert);
  }
  return rc ? fail_row(m, rc, row, err) : LB_OK;
}

static int bring_all_back(moving *m, lb_error *err)
{
  const lb_sqlite_part_request *q = m->request;
  if (!m->sql.put_new) return LB_OK;
  sqlite3_stmt *row = lb_part_query(q->to, "SELECT * FROM temp.lb_aside ORDER BY _rowid_", q->to_label, err);
  int rc = SQLITE_DONE;
  while (row && (rc = sqlite3_step(row)) == SQLITE_ROW) {
    if (poll_rows(m, err) || bring_back(m, row, err)) break;
  }
  if (rc != SQLITE_DONE && !err->code) fail_target(m, rc, err);
  sqlite3_finalize(row);
  return lb_db_exec(q->to, "DROP TABLE temp.lb_aside", q->to_label, err);
}

/* ---- a table ---- */

static bool is_utf16(sqlite3 *db, const char *label, lb_error *err)
{
  char encoding[16] = "";
  lb_db_text(db, "PRAGMA main.encoding", encoding, sizeof encoding, label, err);
  return strncmp(encoding, "UTF-16", 6) == 0;
}

static int64_t bytes_of(const moving *m)
{
  int64_t bytes = 0;
  for (int i = 1; i <= m->table->column_count; i++) {
    int type = sqlite3_column_type(m->sql.read, i);
    bool long_one = type == SQLITE_TEXT || type == SQLITE_BLOB;  /* a number would be made a text */
    bytes += !long_one ? 8 : m->utf16 ? sqlite3_column_bytes16(m->sql.read, i) : sqlite3_column_bytes(m->sql.read, i);
  }
  return bytes;
}

static int move_all(moving *m, lb_error *err)
{
  const lb_sqlite_part_request *q = m->request;
  int rc;
  while ((rc = sqlite3_step(m->sql.read)) == SQLITE_ROW) {
    if (move_row(m, err) || poll_rows(m, err)) return err->code;
    lb_task_advance(q->task, bytes_of(m));
  }
  return rc == SQLITE_DONE ? LB_OK : lb_db_fail(q->from, rc, q->from_label, err);
}

int lb_part_move_rows(lb_sqlite_part *part, lb_part_table *table, lb_rows_count *count, lb_error *err)
{
  const lb_sqlite_part_request *q = part->request;
  moving m = { .request = q, .table = table, .count = count };
  m.utf16 = is_utf16(q->from, q->from_label, err);
  m.utf16_there = is_utf16(q->to, q->to_label, err);
  if (!err->code && lb_part_move_open(&m.sql, part, table, err)) {
    lb_error_prefix(err, "table %s cannot be restored by itself here: ", table->from.name);
  } else if (!err->code && (q->mode == LB_ROWS_REPLACE ? remove_rows(&m, err) : count_rows(&m, err)) == LB_OK &&
             move_all(&m, err) == LB_OK) {
    bring_all_back(&m, err);
  }
  count->kept = m.before - count->removed - count->changed;
  table->touched = count->added || count->changed || count->removed;
  lb_part_move_close(&m.sql);
  return err->code;
}

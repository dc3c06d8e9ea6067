/* See diff_select.h.
**
** Order: all fields of the key as BINARY has them, then their classes, because 1 and 1.0 are one place in an index but
** two keys here. A natural order needs no classes: what an index does not tell apart is there once. Where keys may come
** twice the rest of the row follows in the same way, so that equal rows meet.
**
** A sorted table is read without its indexes, from front to end: in the order of an index rows lie at random, and each
** would be another block of a backup.
*/
#include "sqlite/diff_select.h"

#include <string.h>

SQLITE_EXTENSION_INIT3

#define COLLATION LB_OWN_COLLATIONS "order"

enum { CLASSES_A_TERM = 500 };  /* an expression may be 1000 deep */

bool lb_diff_is_natural(const lb_diff_reading *r)
{
  return r->match->by_rowid[r->number] || (r->match->ordered[r->number] && !r->translated);
}

/* ---- what a private connection is given ---- */

/* The other database's order: SQLite hands texts over in its encoding. */
static int add_order(const lb_diff_reading *r, lb_error *err)
{
  static const int formats[] = { [LB_UTF8] = SQLITE_UTF8, [LB_UTF16LE] = SQLITE_UTF16LE,
                                 [LB_UTF16BE] = SQLITE_UTF16BE };
  int rc = sqlite3_create_collation_v2(r->side->db, COLLATION, formats[r->encoding], NULL, lb_db_compare_bytes, NULL);
  return rc ? lb_db_fail(r->side->db, rc, r->side->label, err) : LB_OK;
}

static sqlite3_stmt *stretches_table(const lb_diff_reading *r, lb_error *err)
{
  sqlite3 *db = r->side->db;
  sqlite3_stmt *insert = NULL;
  lb_db_exec(db, "PRAGMA query_only=0; DROP TABLE IF EXISTS temp.lifeboat_stretches;"
                 "CREATE TEMP TABLE lifeboat_stretches(first INTEGER PRIMARY KEY, last INTEGER)", r->side->label, err);
  int rc = err->code ? SQLITE_OK : sqlite3_prepare_v2(db, "INSERT INTO temp.lifeboat_stretches VALUES(?1, ?2)", -1,
                                                      &insert, NULL);
  if (rc) lb_db_fail(db, rc, r->side->label, err);
  return insert;
}

static int store_one(const lb_diff_reading *r, sqlite3_stmt *insert, int64_t first, int64_t last, lb_error *err)
{
  sqlite3_bind_int64(insert, 1, first);
  sqlite3_bind_int64(insert, 2, last);
  sqlite3_step(insert);
  int rc = sqlite3_reset(insert);
  return rc ? lb_db_fail(r->side->db, rc, r->side->label, err) : LB_OK;
}

int lb_diff_store_stretches(const lb_diff_reading readings[2], lb_stretches *stretches, lb_error *err)
{
  int64_t first, last;
  bool more = true;
  sqlite3_stmt *insert[2] = { NULL, NULL };
  for (int s = 0; s < 2 && !err->code; s++) insert[s] = stretches_table(&readings[s], err);
  while (!err->code && lb_stretches_next(stretches, &first, &last, &more, err) == LB_OK && more) {
    if (store_one(&readings[0], insert[0], first, last, err) == LB_OK) {
      store_one(&readings[1], insert[1], first, last, err);
    }
  }
  for (int s = 0; s < 2; s++) {
    sqlite3_finalize(insert[s]);
    lb_db_exec(readings[s].side->db, "PRAGMA query_only=1", readings[s].side->label, err);
  }
  return err->code;
}

/* ---- the statement ---- */

/* By its plain name, or of the table t of a join. */
static void put_field(lb_buf *sql, const lb_diff_reading *r, int field, bool joined)
{
  char *name = sqlite3_mprintf("\"%w\"", r->match->fields[field].name[r->number]);
  if (!name) sql->failed = true;
  else lb_buf_printf(sql, "%s%s", joined ? "t." : "", name);
  sqlite3_free(name);
}

/* SQLite takes as many terms as columns, and the values have one each: so classes that follow one another go into one,
** where what differs first decides as it would in terms of their own. */
static void put_classes(lb_buf *sql, const lb_diff_reading *r, int first, int end, bool joined)
{
  int in_term = 0;
  for (int i = first; i < end; i++) {
    bool down = r->match->fields[i].descending;
    bool goes_on = in_term > 0 && in_term < CLASSES_A_TERM && !down;
    lb_buf_text(sql, goes_on ? " || typeof(" : ", typeof(");
    put_field(sql, r, i, joined);
    lb_buf_text(sql, down ? ") DESC" : ")");
    in_term = down ? 0 : goes_on ? in_term + 1 : 1;
  }
}

static void put_order(lb_buf *sql, const lb_diff_reading *r, int first, int end, bool classes, bool joined)
{
  for (int i = first; i < end; i++) {
    bool down = r->match->fields[i].descending;
    lb_buf_text(sql, i ? ", " : " ORDER BY ");
    put_field(sql, r, i, joined);
    if (!r->match->by_rowid[r->number]) lb_buf_printf(sql, " COLLATE %s", r->translated ? COLLATION : "BINARY");
    lb_buf_text(sql, down ? " DESC" : "");
  }
  if (classes) put_classes(sql, r, first, end, joined);
}

static void put_from(lb_buf *sql, const lb_diff_reading *r, bool joined)
{
  char *table = sqlite3_mprintf("\"%w\".\"%w\"", r->side->schema, r->shape->name);
  const char *indexes = r->shape->without_rowid ? "" : " NOT INDEXED";
  if (!table) sql->failed = true;
  else if (joined) {
    lb_buf_printf(sql, " FROM temp.lifeboat_stretches AS s CROSS JOIN %s AS t%s ON t.%s BETWEEN s.first AND s.last",
                  table, indexes, r->shape->rowid);
  } else {
    lb_buf_printf(sql, " FROM %s%s", table, indexes);
  }
  sqlite3_free(table);
}

static void put_select(lb_buf *sql, const lb_diff_reading *r)
{
  const lb_match *m = r->match;
  bool natural = lb_diff_is_natural(r), joined = r->stretches && !natural;
  lb_buf_text(sql, m->count ? "SELECT " : "SELECT NULL");
  for (int i = 0; i < m->count; i++) {
    if (i) lb_buf_text(sql, ", ");
    put_field(sql, r, i, joined);
  }
  put_from(sql, r, joined);
  if (r->stretches && natural) lb_buf_printf(sql, " WHERE %s BETWEEN ?1 AND ?2", r->shape->rowid);
  put_order(sql, r, 0, m->key_count, !natural, joined);
  if (!natural && m->null_keys) put_order(sql, r, m->key_count, m->count, true, joined);
}

sqlite3_stmt *lb_diff_select(const lb_diff_reading *r, lb_error *err)
{
  lb_buf sql = { 0 };
  sqlite3_stmt *stmt = NULL;
  if (r->shape->kind == LB_TABLE_NONE) return NULL;
  if (r->translated && !lb_diff_is_natural(r) && add_order(r, err)) return NULL;
  put_select(&sql, r);
  if (sql.failed) {
    lb_fail_nomem(err);
  } else {
    int rc = sqlite3_prepare_v2(r->side->db, sql.data, -1, &stmt, NULL);
    if (rc) lb_db_fail(r->side->db, rc, r->side->label, err);
  }
  lb_buf_free(&sql);
  return stmt;
}

/* See shape.h. */
#include "sqlite/shape.h"

#include <stdlib.h>
#include <string.h>

#include "core/file.h"

SQLITE_EXTENSION_INIT3

/* One statement of ours, row by row. */
typedef int (*take_row)(void *ctx, sqlite3_stmt *row, lb_error *err);

/* Frees sql, which sqlite3_mprintf made. */
static int each_row(sqlite3 *db, char *sql, const char *label, take_row take, void *ctx, lb_error *err)
{
  sqlite3_stmt *stmt = NULL;
  int rc = sql ? sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) : SQLITE_NOMEM;
  while (rc == SQLITE_OK && (rc = sqlite3_step(stmt)) == SQLITE_ROW) {
    rc = SQLITE_OK;
    if (take(ctx, stmt, err)) break;
  }
  if (rc && rc != SQLITE_DONE && !err->code) lb_db_fail(db, rc, label, err);
  sqlite3_finalize(stmt);
  sqlite3_free(sql);
  return err->code;
}

static char *text_at(sqlite3_stmt *row, int column, lb_error *err)
{
  const char *text = (const char *)sqlite3_column_text(row, column);
  return lb_text_copy(text ? text : "", err);
}

static bool text_is(sqlite3_stmt *row, int column, const char *wanted)
{
  const char *text = (const char *)sqlite3_column_text(row, column);
  return text && sqlite3_stricmp(text, wanted) == 0;
}

/* ---- PRAGMA table_list: schema, name, type, ncol, wr, strict ---- */

static lb_table_kind kind_at(sqlite3_stmt *row)
{
  if (text_is(row, 2, "virtual")) return LB_TABLE_VIRTUAL;
  if (text_is(row, 2, "shadow")) return LB_TABLE_SHADOW;
  return text_is(row, 2, "view") ? LB_TABLE_VIEW : LB_TABLE_ORDINARY;
}

typedef struct listing {
  lb_shape_each each;
  void *ctx;
} listing;

static int tell(void *ctx, sqlite3_stmt *row, lb_error *err)
{
  const listing *l = ctx;
  const char *name = (const char *)sqlite3_column_text(row, 1);
  lb_shape_listed listed = { .kind = kind_at(row), .without_rowid = sqlite3_column_int(row, 4) != 0 };
  return name ? l->each(l->ctx, name, &listed, err) : lb_fail_nomem(err);
}

int lb_shape_list(sqlite3 *db, const char *schema, const char *label, lb_shape_each each, void *ctx, lb_error *err)
{
  listing l = { each, ctx };
  return each_row(db, sqlite3_mprintf("PRAGMA \"%w\".table_list", schema), label, tell, &l, err);
}

typedef struct listing_rows {
  lb_shape_each_row each;
  void *ctx;
} listing_rows;

/* A name that is NULL is a damaged schema's, and no table's. */
static int tell_row(void *ctx, sqlite3_stmt *row, lb_error *err)
{
  const listing_rows *l = ctx;
  const char *name = (const char *)sqlite3_column_text(row, 1);
  return name ? l->each(l->ctx, name, sqlite3_column_int64(row, 0), err) : LB_OK;
}

int lb_shape_list_rows(sqlite3 *db, const char *schema, const char *label, lb_shape_each_row each, void *ctx,
                       lb_error *err)
{
  listing_rows l = { each, ctx };
  char *sql = sqlite3_mprintf("SELECT rowid, name FROM \"%w\".sqlite_schema WHERE type = 'table'", schema);
  return each_row(db, sql, label, tell_row, &l, err);
}

static int take_table(void *ctx, sqlite3_stmt *row, lb_error *err)
{
  lb_shape *shape = ctx;
  if (shape->kind) return LB_OK;
  shape->kind = kind_at(row);
  shape->name = text_at(row, 1, err);
  shape->without_rowid = sqlite3_column_int(row, 4) != 0;
  return err->code;
}

static int take_statement(void *ctx, sqlite3_stmt *row, lb_error *err)
{
  lb_shape *shape = ctx;
  shape->root = sqlite3_column_int64(row, 0);
  free(shape->sql);
  shape->sql = text_at(row, 1, err);
  return err->code;
}

/* ---- PRAGMA table_xinfo: cid, name, type, notnull, dflt_value, pk, hidden ---- */

typedef struct reading {
  lb_shape *shape;
  unsigned taken;        /* of the rowid's names: a bit each */
  char *key_index;       /* the index of the primary key; NULL: none */
} reading;

static const char *const rowid_names[] = { "rowid", "_rowid_", "oid" };

static int take_column(void *ctx, sqlite3_stmt *row, lb_error *err)
{
  reading *r = ctx;
  lb_shape *shape = r->shape;
  for (unsigned i = 0; i < 3; i++) if (text_is(row, 1, rowid_names[i])) r->taken |= 1u << i;
  if (sqlite3_column_int(row, 6)) return LB_OK;
  lb_column *grown = realloc(shape->columns, ((size_t)shape->count + 1) * sizeof *grown);
  if (!grown) return lb_fail_nomem(err);
  shape->columns = grown;
  lb_column *c = &shape->columns[shape->count];
  *c = (lb_column){ .name = text_at(row, 1, err), .not_null = sqlite3_column_int(row, 3) != 0,
                    .key = sqlite3_column_int(row, 5), .bytewise = true };
  if (!c->name) return err->code;
  shape->count++;
  shape->key_count += c->key > 0;
  return LB_OK;
}

/* ---- PRAGMA index_list: seq, name, unique, origin, partial; index_xinfo: seqno, cid, name, desc, coll, key ---- */

static int take_index(void *ctx, sqlite3_stmt *row, lb_error *err)
{
  reading *r = ctx;
  if (!r->key_index && text_is(row, 3, "pk")) r->key_index = text_at(row, 1, err);
  return err->code;
}

static int take_index_column(void *ctx, sqlite3_stmt *row, lb_error *err)
{
  reading *r = ctx;
  (void)err;
  for (int i = 0; i < r->shape->count && sqlite3_column_int(row, 5); i++) {
    lb_column *c = &r->shape->columns[i];
    if (!c->key || !text_is(row, 2, c->name)) continue;
    c->descending = sqlite3_column_int(row, 3) != 0;
    c->bytewise = text_is(row, 4, "BINARY");
  }
  return LB_OK;
}

static int read_columns(sqlite3 *db, const char *schema, const char *label, lb_shape *shape, lb_error *err)
{
  reading r = { .shape = shape };
  each_row(db, sqlite3_mprintf("PRAGMA \"%w\".table_xinfo(\"%w\")", schema, shape->name), label, take_column, &r, err);
  if (!err->code && shape->key_count) {
    each_row(db, sqlite3_mprintf("PRAGMA \"%w\".index_list(\"%w\")", schema, shape->name), label, take_index, &r, err);
  }
  if (!err->code && r.key_index) {
    each_row(db, sqlite3_mprintf("PRAGMA \"%w\".index_xinfo(\"%w\")", schema, r.key_index), label, take_index_column,
             &r, err);
  }
  shape->key_is_rowid = !shape->without_rowid && shape->key_count == 1 && !r.key_index;
  for (unsigned i = 0; i < 3 && !shape->without_rowid && !shape->rowid; i++) {
    if (!(r.taken >> i & 1)) shape->rowid = rowid_names[i];
  }
  free(r.key_index);
  return err->code;
}

static void take_listed(lb_shape *shape, const char *name, const lb_shape_listed *listed, lb_error *err)
{
  shape->kind = listed->kind;
  shape->without_rowid = listed->without_rowid;
  if (shape->kind) shape->name = lb_text_copy(name, err);
}

int lb_shape_read(sqlite3 *db, const char *schema, const char *name, const lb_shape_listed *listed, const char *label,
                  lb_shape *shape, lb_error *err)
{
  *shape = (lb_shape){ 0 };
  if (listed) take_listed(shape, name, listed, err);
  else each_row(db, sqlite3_mprintf("PRAGMA \"%w\".table_list(\"%w\")", schema, name), label, take_table, shape, err);
  if (err->code || !shape->kind || shape->kind == LB_TABLE_VIEW) return err->code;
  char *sql = listed && listed->row
                  ? sqlite3_mprintf("SELECT rootpage, sql FROM \"%w\".sqlite_schema WHERE rowid = %lld", schema,
                                    (long long)listed->row)
                  : sqlite3_mprintf("SELECT rootpage, sql FROM \"%w\".sqlite_schema WHERE type = 'table' AND name = %Q "
                                    "COLLATE NOCASE", schema, shape->name);
  each_row(db, sql, label, take_statement, shape, err);
  if (err->code || shape->kind == LB_TABLE_VIRTUAL) return err->code;
  return read_columns(db, schema, label, shape, err);
}

void lb_shape_free(lb_shape *shape)
{
  for (int i = 0; i < shape->count; i++) free(shape->columns[i].name);
  free(shape->columns);
  free(shape->name);
  free(shape->sql);
  *shape = (lb_shape){ 0 };
}

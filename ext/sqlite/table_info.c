/* See table_info.h. */
#include "sqlite/table_info.h"

#include <stdlib.h>
#include <string.h>

#include "core/file.h"

SQLITE_EXTENSION_INIT3

enum { COLUMNS_MAX = 32767 };  /* as many as SQLite can be compiled for */

typedef struct reading {
  sqlite3 *db;
  const char *label;
  lb_table_info *info;
} reading;

/* Runs sql with the table's name as ?1 and gives each row to take. */
static int each_row(const reading *r, const char *sql, const char *name,
                    int (*take)(lb_table_info *info, sqlite3_stmt *row, lb_error *err), lb_error *err)
{
  sqlite3_stmt *stmt = NULL;
  if (err->code) return err->code;
  int rc = sqlite3_prepare_v2(r->db, sql, -1, &stmt, NULL);
  if (rc == SQLITE_OK) rc = sqlite3_bind_text(stmt, 1, name, -1, SQLITE_STATIC);
  while (rc == SQLITE_OK && !err->code && (rc = sqlite3_step(stmt)) == SQLITE_ROW) {
    take(r->info, stmt, err);
    rc = SQLITE_OK;
  }
  if (rc != SQLITE_DONE && rc != SQLITE_OK) lb_db_fail(r->db, rc, r->label, err);
  sqlite3_finalize(stmt);
  return err->code;
}

static char *text_of(sqlite3_stmt *row, int column, lb_error *err)
{
  const char *text = (const char *)sqlite3_column_text(row, column);
  return lb_text_copy(text ? text : "", err);
}

/* ---- what kind ---- */

static int take_schema(lb_table_info *info, sqlite3_stmt *row, lb_error *err)
{
  bool view = sqlite3_column_int(row, 1), has_sql = sqlite3_column_type(row, 2) != SQLITE_NULL;
  if (info->name) return LB_OK;  /* a damaged schema may have it twice */
  info->name = text_of(row, 0, err);
  if (has_sql) info->sql = text_of(row, 2, err);
  info->kind = view ? LB_TABLE_VIEW : sqlite3_column_int(row, 3) ? LB_TABLE_ORDINARY : LB_TABLE_VIRTUAL;
  if (info->name && sqlite3_strnicmp(info->name, "sqlite_", 7) == 0) info->kind = LB_TABLE_INTERNAL;
  return err->code;
}

static int take_list(lb_table_info *info, sqlite3_stmt *row, lb_error *err)
{
  const char *type = (const char *)sqlite3_column_text(row, 0);
  (void)err;
  if (type && strcmp(type, "shadow") == 0) info->kind = LB_TABLE_SHADOW;
  info->without_rowid = sqlite3_column_int(row, 1);
  info->strict = sqlite3_column_int(row, 2);
  return LB_OK;
}

/* ---- columns ---- */

static bool has_word(const char *type, const char *word)
{
  size_t n = strlen(word);
  for (; *type; type++) {
    if (sqlite3_strnicmp(type, word, (int)n) == 0) return true;
  }
  return false;
}

/* In this order: sqlite.org/datatype3.html, section 3.1. ANY of a STRICT table converts nothing either. */
static lb_affinity affinity_of(const char *type, bool strict)
{
  if (strict && sqlite3_stricmp(type, "ANY") == 0) return LB_AFFINITY_BLOB;
  if (has_word(type, "INT")) return LB_AFFINITY_INTEGER;
  if (has_word(type, "CHAR") || has_word(type, "CLOB") || has_word(type, "TEXT")) return LB_AFFINITY_TEXT;
  if (!*type || has_word(type, "BLOB")) return LB_AFFINITY_BLOB;
  if (has_word(type, "REAL") || has_word(type, "FLOA") || has_word(type, "DOUB")) return LB_AFFINITY_REAL;
  return LB_AFFINITY_NUMERIC;
}

static int take_column(lb_table_info *info, sqlite3_stmt *row, lb_error *err)
{
  enum { VIRTUAL = 2, STORED = 3 };
  const char *type = (const char *)sqlite3_column_text(row, 1);
  int hidden = sqlite3_column_int(row, 4);
  if (info->column_count == COLUMNS_MAX) return lb_fail(err, LB_CORRUPT, "table %s has too many columns", info->name);
  lb_table_column *grown = realloc(info->columns, ((size_t)info->column_count + 1) * sizeof *grown);
  if (!grown) return lb_fail_nomem(err);
  info->columns = grown;
  grown[info->column_count] = (lb_table_column){
    .name = text_of(row, 0, err), .affinity = affinity_of(type ? type : "", info->strict),
    .not_null = sqlite3_column_int(row, 2), .has_default = sqlite3_column_type(row, 3) != SQLITE_NULL,
    .generated = hidden == VIRTUAL || hidden == STORED,
  };
  info->column_count++;
  return err->code;
}

int lb_table_info_column(const lb_table_info *info, const char *name)
{
  for (int i = 0; i < info->column_count; i++) {
    if (sqlite3_stricmp(info->columns[i].name, name) == 0) return i;
  }
  return -1;
}

/* ---- the key ---- */

static int add_key(lb_table_info *info, int column, const char *collation, lb_error *err)
{
  if (column < 0 || column >= info->column_count) return lb_fail(err, LB_CORRUPT, "the key of %s", info->name);
  lb_table_key *grown = realloc(info->key, ((size_t)info->key_count + 1) * sizeof *grown);
  if (!grown) return lb_fail_nomem(err);
  info->key = grown;
  grown[info->key_count++] = (lb_table_key){ column, lb_text_copy(collation, err) };
  return err->code;
}

static int take_key(lb_table_info *info, sqlite3_stmt *row, lb_error *err)
{
  const char *collation = (const char *)sqlite3_column_text(row, 1);
  return add_key(info, sqlite3_column_int(row, 0), collation ? collation : "BINARY", err);
}

/* A PRIMARY KEY without an index of its own is the rowid. */
static int take_rowid_key(lb_table_info *info, sqlite3_stmt *row, lb_error *err)
{
  info->rowid_is_key = true;
  return add_key(info, sqlite3_column_int(row, 0), "BINARY", err);
}

static int name_rowid(lb_table_info *info, lb_error *err)
{
  static const char *const names[] = { "rowid", "_rowid_", "oid" };
  if (info->without_rowid) return LB_OK;
  if (info->rowid_is_key) {
    char *quoted = sqlite3_mprintf("\"%w\"", info->columns[info->key[0].column].name);
    info->rowid = quoted ? lb_text_copy(quoted, err) : NULL;
    if (!quoted) lb_fail_nomem(err);
    sqlite3_free(quoted);
    return err->code;
  }
  for (int i = 0; i < 3 && !info->rowid; i++) {
    if (lb_table_info_column(info, names[i]) < 0) info->rowid = lb_text_copy(names[i], err);
    if (err->code) break;
  }
  return err->code;
}

/* SQLite tells it of the column that is the rowid. */
static void find_autoincrement(const reading *r)
{
  lb_table_info *info = r->info;
  int automatic = 0;
  if (!info->rowid_is_key) return;
  const char *column = info->columns[info->key[0].column].name;
  if (sqlite3_table_column_metadata(r->db, "main", info->name, column, NULL, NULL, NULL, NULL, &automatic) == SQLITE_OK)
    info->autoincrement = automatic;
}

static int read_ordinary(const reading *r, lb_error *err)
{
  const lb_table_info *info = r->info;
  each_row(r, "SELECT name, type, \"notnull\", dflt_value, hidden FROM pragma_table_xinfo(?1, 'main')", info->name,
           take_column, err);
  each_row(r, "SELECT x.cid, x.coll FROM pragma_index_list(?1, 'main') AS l, pragma_index_xinfo(l.name, 'main') AS x "
              "WHERE l.origin = 'pk' AND x.key ORDER BY x.seqno",
           info->name, take_key, err);
  if (!info->key_count) {
    each_row(r, "SELECT cid FROM pragma_table_xinfo(?1, 'main') WHERE pk", info->name, take_rowid_key, err);
  }
  if (!err->code && !info->column_count) lb_fail(err, LB_CORRUPT, "%s: table %s has no columns", r->label, info->name);
  if (!err->code && name_rowid(r->info, err) == LB_OK) find_autoincrement(r);
  return err->code;
}

int lb_table_info_read(sqlite3 *db, const char *name, const char *label, lb_table_info *info, lb_error *err)
{
  reading r = { db, label, info };
  *info = (lb_table_info){ 0 };
  each_row(&r, "SELECT name, type = 'view', sql, rootpage > 0 FROM main.sqlite_schema "
               "WHERE type IN ('table', 'view') AND name = ?1 COLLATE NOCASE", name, take_schema, err);
  if (!err->code && !info->name && sqlite3_strnicmp(name, "sqlite_", 7) == 0) info->kind = LB_TABLE_INTERNAL;
  if (!err->code && info->kind == LB_TABLE_ORDINARY) {
    each_row(&r, "SELECT type, wr, strict FROM pragma_table_list(?1) WHERE schema = 'main'", info->name, take_list,
             err);
    if (info->kind == LB_TABLE_ORDINARY) read_ordinary(&r, err);
  }
  if (err->code) lb_table_info_free(info);
  return err->code;
}

void lb_table_info_free(lb_table_info *info)
{
  for (int i = 0; i < info->column_count; i++) free(info->columns[i].name);
  for (int i = 0; i < info->key_count; i++) free(info->key[i].collation);
  free(info->columns);
  free(info->key);
  free(info->name);
  free(info->sql);
  free(info->rowid);
  *info = (lb_table_info){ 0 };
}

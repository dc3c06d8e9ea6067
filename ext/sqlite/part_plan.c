/* See part_plan.h. */
#include "sqlite/part_plan.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "sqlite/virtual.h"

SQLITE_EXTENSION_INIT3

enum { NAMES_TOLD = 30 };

void lb_part_note(const lb_sqlite_part *part, const char *format, ...)
{
  lb_buf *notes = part->request->notes;
  va_list args;
  if (notes->len) lb_buf_text(notes, "\n");
  va_start(args, format);
  lb_buf_vprintf(notes, format, args);
  va_end(args);
}

bool lb_part_names_have(const lb_buf *names, const char *name)
{
  for (size_t at = 0; at < names->len; at += strlen(names->data + at) + 1) {
    if (sqlite3_stricmp(names->data + at, name) == 0) return true;
  }
  return false;
}

void lb_part_names_add(lb_buf *names, const char *name)
{
  if (!lb_part_names_have(names, name)) lb_buf_append(names, name, strlen(name) + 1);
}

/* ---- statements ---- */

sqlite3_stmt *lb_part_query(sqlite3 *db, const char *sql, const char *label, lb_error *err)
{
  sqlite3_stmt *stmt = NULL;
  if (err->code) return NULL;
  int rc = sqlite3_prepare_v2(db, sql, -1, &stmt, NULL);
  if (rc) lb_db_fail(db, rc, label, err);
  return stmt;
}

sqlite3_stmt *lb_part_prepare(sqlite3 *db, sqlite3_str *sql, const char *label, lb_error *err)
{
  char *text = sqlite3_str_finish(sql);
  sqlite3_stmt *stmt = text ? lb_part_query(db, text, label, err) : NULL;
  if (!text) lb_fail_nomem(err);
  sqlite3_free(text);
  return stmt;
}

/* SQLite takes U+FEFF at the beginning of a UTF-16 text that it is given for a byte order mark, and drops it (swapped,
** it would swap all of the text). Of two it drops one, so that a text that begins so gets another in front. */
static int bind_utf16(sqlite3_stmt *to, int parameter, const char *text, size_t n)
{
  static const uint16_t mark = 0xfeff, swapped = 0xfffe;
  bool taken = n >= sizeof mark && (!memcmp(text, &mark, sizeof mark) || !memcmp(text, &swapped, sizeof swapped));
  if (!taken) return sqlite3_bind_text64(to, parameter, text, n, SQLITE_STATIC, SQLITE_UTF16);
  char *marked = sqlite3_malloc64(n + sizeof mark);
  if (!marked) return SQLITE_NOMEM;
  memcpy(marked, &mark, sizeof mark);
  memcpy(marked + sizeof mark, text, n);
  return sqlite3_bind_text64(to, parameter, marked, n + sizeof mark, sqlite3_free, SQLITE_UTF16);
}

/* An empty blob has no address, and without one SQLite would bind NULL. */
int lb_part_bind(sqlite3_stmt *to, int parameter, sqlite3_stmt *from, int column, bool utf16)
{
  const void *data;
  switch (sqlite3_column_type(from, column)) {
  case SQLITE_INTEGER:
    return sqlite3_bind_int64(to, parameter, sqlite3_column_int64(from, column));
  case SQLITE_FLOAT:
    return sqlite3_bind_double(to, parameter, sqlite3_column_double(from, column));
  case SQLITE_TEXT:
    data = utf16 ? sqlite3_column_text16(from, column) : (const void *)sqlite3_column_text(from, column);
    if (!data) return SQLITE_NOMEM;
    if (utf16) return bind_utf16(to, parameter, data, (size_t)sqlite3_column_bytes16(from, column));
    return sqlite3_bind_text64(to, parameter, data, (sqlite3_uint64)sqlite3_column_bytes(from, column), SQLITE_STATIC,
                               SQLITE_UTF8);
  case SQLITE_BLOB:
    data = sqlite3_column_blob(from, column);
    if (!data) return sqlite3_column_bytes(from, column) ? SQLITE_NOMEM : sqlite3_bind_zeroblob(to, parameter, 0);
    return sqlite3_bind_blob64(to, parameter, data, (sqlite3_uint64)sqlite3_column_bytes(from, column), SQLITE_STATIC);
  default:
    return sqlite3_bind_null(to, parameter);
  }
}

/* ---- which tables ---- */

static int fail_unknown(const lb_sqlite_part *part, const char *name, lb_error *err)
{
  const lb_sqlite_part_request *q = part->request;
  lb_buf names = { 0 };
  sqlite3_stmt *stmt = NULL;
  int count = 0, rc = sqlite3_prepare_v2(q->from, "SELECT name FROM pragma_table_list WHERE schema = 'main' AND "
                                         "type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY name",
                                         -1, &stmt, NULL);
  while (rc == SQLITE_OK && (rc = sqlite3_step(stmt)) == SQLITE_ROW && count <= NAMES_TOLD) {
    const char *text = (const char *)sqlite3_column_text(stmt, 0);
    if (count++ == NAMES_TOLD) text = "…";
    lb_buf_printf(&names, "%s%s", names.len ? ", " : "", text ? text : "?");
    rc = SQLITE_OK;
  }
  sqlite3_finalize(stmt);
  lb_fail(err, LB_MISUSE, "%s: it has no table \"%.200s\" (its tables: %s)", q->from_label, name,
          names.data ? names.data : "none");
  lb_buf_free(&names);
  return err->code;
}

/* The virtual table that a shadow table belongs to, by name; allocated, NULL where none is found. */
static char *find_owner(sqlite3 *db, const char *shadow)
{
  sqlite3_stmt *stmt = NULL;
  char *owner = NULL;
  if (sqlite3_prepare_v2(db, "SELECT name FROM main.sqlite_schema WHERE type = 'table' AND rootpage = 0 AND "
                         "substr(?1, 1, length(name) + 1) = name || '_' COLLATE NOCASE ORDER BY length(name) DESC",
                         -1, &stmt, NULL) == SQLITE_OK &&
      sqlite3_bind_text(stmt, 1, shadow, -1, SQLITE_STATIC) == SQLITE_OK && sqlite3_step(stmt) == SQLITE_ROW) {
    owner = sqlite3_mprintf("%s", sqlite3_column_text(stmt, 0));
  }
  sqlite3_finalize(stmt);
  return owner;
}

/* prefix: "" or what the table has to do with the virtual one. */
static int refuse_virtual(const lb_sqlite_part *part, const lb_table_info *info, const char *prefix, lb_error *err)
{
  const char *label = part->request->from_label;
  lb_virtual v;
  if (lb_virtual_read(info->sql ? info->sql : "", &v, err)) return err->code;
  if (v.content) {
    lb_fail(err, LB_MISUSE, "%s: %s%s is a virtual table (%s) over %s: restore %s, and it is rebuilt", label, prefix,
            info->name, v.module, v.content, info->name);
  } else {
    lb_fail(err, LB_MISUSE,
            "%s: %s%s is a virtual table (%s), which is not restored by itself: ATTACH backup_uri(…) and copy its "
            "rows, or restore the whole database", label, prefix, info->name, v.module ? v.module : "?");
  }
  lb_virtual_free(&v);
  return err->code;
}

/* docs_content, made by the application for docs with content='docs_content': a table like any other, but SQLite goes
** by the name, and on connections like ours lets nobody write it. To restore docs would only rebuild it from what is
** here. */
static int refuse_content(const lb_sqlite_part *part, const lb_table_info *info, const lb_table_info *owner,
                          lb_error *err)
{
  lb_virtual v;
  if (lb_virtual_read(owner->sql ? owner->sql : "", &v, err)) return err->code;
  if (v.content && sqlite3_stricmp(v.content, info->name) == 0) {
    lb_fail(err, LB_MISUSE, "%s: %s has the name of a table that belongs to %s, a virtual table (%s) over it, and is "
            "not restored by itself: ATTACH backup_uri(…) and copy its rows, or restore the whole database",
            part->request->from_label, info->name, owner->name, v.module);
  }
  lb_virtual_free(&v);
  return err->code;
}

static int refuse_shadow(const lb_sqlite_part *part, const lb_table_info *info, lb_error *err)
{
  const lb_sqlite_part_request *q = part->request;
  lb_table_info owner = { 0 };
  char *name = find_owner(q->from, info->name);
  char *prefix = name ? sqlite3_mprintf("%s belongs to %s; ", info->name, name) : NULL;
  if (prefix && lb_table_info_read(q->from, name, q->from_label, &owner, err) == LB_OK && owner.name) {
    if (refuse_content(part, info, &owner, err) == LB_OK) refuse_virtual(part, &owner, prefix, err);
  } else if (!err->code) {
    lb_fail(err, LB_MISUSE, "%s: %s belongs to a virtual table and is not restored by itself", q->from_label,
            info->name);
  }
  lb_table_info_free(&owner);
  sqlite3_free(name);
  sqlite3_free(prefix);
  return err->code;
}

static int check_kind(const lb_sqlite_part *part, const char *name, const lb_table_info *info, lb_error *err)
{
  const char *label = part->request->from_label;
  switch (info->kind) {
  case LB_TABLE_NONE:    return fail_unknown(part, name, err);
  case LB_TABLE_VIEW:    return lb_fail(err, LB_MISUSE, "%s: %s is a view: restore the tables that it reads", label,
                                        info->name);
  case LB_TABLE_VIRTUAL: return refuse_virtual(part, info, "", err);
  case LB_TABLE_SHADOW:  return refuse_shadow(part, info, err);
  case LB_TABLE_INTERNAL:
    return lb_fail(err, LB_MISUSE, "%s: %.200s is SQLite's own and not restored by itself", label, name);
  default:               return LB_OK;
  }
}

bool lb_part_has(const lb_sqlite_part *part, const char *name)
{
  for (int i = 0; i < part->count; i++) {
    if (sqlite3_stricmp(part->tables[i].from.name, name) == 0) return true;
  }
  return false;
}

/* A full-text index with external content is none of the tables: it is rebuilt from one. */
static bool take_index(lb_sqlite_part *part, const lb_table_info *info, lb_error *err)
{
  lb_virtual v;
  if (info->kind != LB_TABLE_VIRTUAL || lb_virtual_read(info->sql ? info->sql : "", &v, err)) return false;
  bool index = v.content != NULL;
  if (index) lb_part_names_add(&part->indexes, info->name);
  if (part->indexes.failed) lb_fail_nomem(err);
  lb_virtual_free(&v);
  return index;
}

int lb_part_find(lb_sqlite_part *part, lb_error *err)
{
  const lb_sqlite_part_request *q = part->request;
  part->tables = calloc((size_t)q->table_count, sizeof *part->tables);
  if (!part->tables) return lb_fail_nomem(err);
  for (int i = 0; i < q->table_count && !err->code; i++) {
    lb_table_info from;
    if (lb_table_info_read(q->from, q->tables[i], q->from_label, &from, err)) return err->code;
    bool other = take_index(part, &from, err) || err->code || check_kind(part, q->tables[i], &from, err);
    if (other || lb_part_has(part, from.name)) lb_table_info_free(&from);
    else part->tables[part->count++].from = from;
  }
  return err->code;
}

/* ---- columns ---- */

static int fail_table(const lb_sqlite_part *part, const lb_part_table *t, const char *what, const char *names,
                      const char *advice, lb_error *err)
{
  return lb_fail(err, LB_MISUSE, "%s: table %s: %s%s%s", part->request->to_label, t->from.name, what, names, advice);
}

static void put_name(lb_buf *names, const char *name)
{
  lb_buf_printf(names, "%s%s", names->len ? ", " : "", name);
}

static int key_place(const lb_table_info *info, int column)
{
  for (int i = 0; i < info->key_count; i++) {
    if (info->key[i].column == column) return i + 1;
  }
  return 0;
}

static void pair_columns(lb_part_table *t, lb_buf *lacking)
{
  for (int i = 0; i < t->from.column_count; i++) {
    const lb_table_column *from = &t->from.columns[i];
    int to = lb_table_info_column(&t->to, from->name);
    if (to < 0 && !from->generated) put_name(lacking, from->name);
    if (to < 0 || t->to.columns[to].generated) continue;
    lb_part_column *c = &t->columns[t->column_count++];
    *c = (lb_part_column){ .from = i, .to = to, .key = key_place(&t->to, to), .compare = true,
                           .exact = t->to.columns[to].affinity == LB_AFFINITY_BLOB };
    if (c->key) c->compare = c->exact || sqlite3_stricmp(t->to.key[c->key - 1].collation, "BINARY") != 0;
  }
}

static void find_own(lb_part_table *t, lb_buf *own, const char **needed)
{
  for (int i = 0; i < t->to.column_count; i++) {
    const lb_table_column *c = &t->to.columns[i];
    if (c->generated || lb_table_info_column(&t->from, c->name) >= 0) continue;
    t->own[t->own_count++] = i;
    put_name(own, c->name);
    if (c->not_null && !c->has_default) *needed = c->name;
  }
}

/* What the target's own columns do to the backup's values, where these are not just stored. */
static int note_conversions(const lb_sqlite_part *part, const lb_part_table *t, lb_error *err)
{
  static const char *const affinities[] = { "none", "TEXT", "NUMERIC", "INTEGER", "REAL" };
  lb_buf types = { 0 }, computed = { 0 };
  for (int i = 0; i < t->from.column_count; i++) {
    const lb_table_column *from = &t->from.columns[i];
    int at = lb_table_info_column(&t->to, from->name);
    const lb_table_column *to = at < 0 ? NULL : &t->to.columns[at];
    if (!to || from->generated) continue;
    if (to->generated) put_name(&computed, to->name);
    else if (to->affinity != from->affinity) {
      lb_buf_printf(&types, "%s%s (%s in the backup, %s here)", types.len ? ", " : "", to->name,
                    affinities[from->affinity], affinities[to->affinity]);
    }
  }
  if (types.failed || computed.failed) lb_fail_nomem(err);
  if (!err->code && types.len) lb_part_note(part, "%s: values get the type of the target's column: %s", t->to.name,
                                            types.data);
  if (!err->code && computed.len) {
    lb_part_note(part, "%s: columns that are generated in the target are computed, whatever the backup has in them: %s",
                 t->to.name, computed.data);
  }
  lb_buf_free(&types);
  lb_buf_free(&computed);
  return err->code;
}

static int match_columns(const lb_sqlite_part *part, lb_part_table *t, bool note, lb_error *err)
{
  const lb_sqlite_part_request *q = part->request;
  lb_buf lacking = { 0 }, own = { 0 };
  const char *needed = NULL;
  t->columns = calloc((size_t)t->from.column_count, sizeof *t->columns);
  t->own = calloc((size_t)t->to.column_count, sizeof *t->own);
  if (t->columns && t->own) {
    pair_columns(t, &lacking);
    find_own(t, &own, &needed);
  }
  if (!t->columns || !t->own || lacking.failed || own.failed) {
    lb_fail_nomem(err);
  } else if (lacking.len && !q->common_columns) {
    fail_table(part, t, "it lacks columns that the backup has: ", lacking.data,
               " (ALTER TABLE … ADD COLUMN, or pass {\"columns\":\"common\"} to leave them out)", err);
  } else if (needed) {
    fail_table(part, t, "the backup lacks a column that is NOT NULL and has no default: ", needed, "", err);
  } else if (!t->column_count) {
    fail_table(part, t, "no column is in the backup as well", "", "", err);
  } else if (note && lacking.len) {
    lb_part_note(part, "%s: columns of the backup that the target lacks were left out: %s", t->to.name, lacking.data);
  }
  if (!err->code && note && own.len) {
    lb_part_note(part, "%s: columns that only the target has kept their values, new rows have the default: %s",
                 t->to.name, own.data);
  }
  if (!err->code && note) note_conversions(part, t, err);
  lb_buf_free(&lacking);
  lb_buf_free(&own);
  return err->code;
}

/* ---- keys ---- */

static void put_key(lb_buf *out, const lb_table_info *info)
{
  for (int i = 0; i < info->key_count; i++) {
    const lb_table_key *k = &info->key[i];
    lb_buf_printf(out, "%s%s%s%s", i ? ", " : "", info->columns[k->column].name,
                  sqlite3_stricmp(k->collation, "BINARY") == 0 ? "" : " COLLATE ",
                  sqlite3_stricmp(k->collation, "BINARY") == 0 ? "" : k->collation);
  }
  if (!info->key_count) lb_buf_text(out, "rowid");
}

static bool same_key(const lb_table_info *a, const lb_table_info *b)
{
  if (a->key_count != b->key_count) return false;
  for (int i = 0; i < a->key_count; i++) {
    const lb_table_column *x = &a->columns[a->key[i].column], *y = &b->columns[b->key[i].column];
    if (sqlite3_stricmp(x->name, y->name) != 0 || x->affinity != y->affinity ||
        sqlite3_stricmp(a->key[i].collation, b->key[i].collation) != 0) {
      return false;
    }
  }
  return true;
}

static int fail_key(const lb_sqlite_part *part, const lb_part_table *t, lb_error *err)
{
  lb_buf from = { 0 }, to = { 0 };
  put_key(&from, &t->from);
  put_key(&to, &t->to);
  if (from.failed || to.failed) lb_fail_nomem(err);
  else lb_fail(err, LB_MISUSE, "%s: table %s: its key is not the backup's, so rows cannot be told apart: (%s) in the "
               "backup, (%s) in the target, or of another type (ATTACH backup_uri(…) and copy what you need)",
               part->request->to_label, t->from.name, from.data, to.data);
  lb_buf_free(&from);
  lb_buf_free(&to);
  return err->code;
}

static int match_keys(const lb_sqlite_part *part, lb_part_table *t, bool note, lb_error *err)
{
  if (!same_key(&t->from, &t->to)) return fail_key(part, t, err);
  if (!t->to.key_count && (!t->from.rowid || !t->to.rowid)) {
    return fail_table(part, t, "it has no PRIMARY KEY, and its columns hide the rowid", "", "", err);
  }
  t->keeps_rowid = t->to.rowid && !t->to.rowid_is_key;
  t->null_keys = false;
  for (int i = 0; i < t->to.key_count && !t->to.without_rowid && !t->to.rowid_is_key; i++) {
    if (!t->to.columns[t->to.key[i].column].not_null) t->null_keys = true;
  }
  if (note && !t->to.key_count && !t->missing) {
    lb_part_note(part, "%s has no PRIMARY KEY: its rows were told apart by rowid", t->to.name);
  }
  return LB_OK;
}

int lb_part_match(lb_sqlite_part *part, lb_part_table *t, bool note, lb_error *err)
{
  const lb_sqlite_part_request *q = part->request;
  lb_table_info_free(&t->to);
  free(t->columns);
  free(t->own);
  t->columns = NULL;
  t->own = NULL;
  t->column_count = t->own_count = 0;
  if (lb_table_info_read(q->to, t->from.name, q->to_label, &t->to, err)) return err->code;
  if (t->to.kind == LB_TABLE_NONE) {
    t->missing = true;
    return LB_OK;
  }
  if (t->to.kind != LB_TABLE_ORDINARY) {
    return fail_table(part, t, "it is a table in the backup, and something else here", "", "", err);
  }
  return match_columns(part, t, note, err) ? err->code : match_keys(part, t, note, err);
}

void lb_part_table_free(lb_part_table *t)
{
  lb_table_info_free(&t->from);
  lb_table_info_free(&t->to);
  free(t->columns);
  free(t->own);
}

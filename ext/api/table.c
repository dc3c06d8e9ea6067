/* See table.h. */
#include "api/table.h"

#include <stdlib.h>
#include <string.h>

SQLITE_EXTENSION_INIT3

/* What a module's functions get: the table, and the connection's session. */
typedef struct binding {
  const lb_table *table;
  lb_session *session;
} binding;

typedef struct vtab {
  sqlite3_vtab base;
  binding *binding;
} vtab;

typedef struct cursor {
  sqlite3_vtab_cursor base;
  lb_scan scan;
  lb_rows rows;
  int64_t row;      /* of rows */
  int64_t passed;   /* rows before these */
} cursor;

static const lb_table *table_of(const cursor *c)
{
  return ((const vtab *)c->base.pVtab)->binding->table;
}

static char *declaration(const lb_table *table)
{
  char *sql = sqlite3_mprintf("CREATE TABLE x(%s", table->columns);
  for (int i = 0; i < LB_TABLE_ARGUMENTS && table->arguments[i]; i++) {
    sql = sqlite3_mprintf("%z, \"%w\" HIDDEN", sql, table->arguments[i]);
  }
  return sqlite3_mprintf("%z)", sql);
}

static int table_connect(sqlite3 *db, void *aux, int argc, const char *const *argv, sqlite3_vtab **out, char **message)
{
  (void)argc, (void)argv;
  binding *b = aux;
  char *sql = declaration(b->table);
  if (!sql) return SQLITE_NOMEM;
  int rc = sqlite3_declare_vtab(db, sql);
  sqlite3_free(sql);
  if (rc) {
    *message = sqlite3_mprintf("%s", sqlite3_errmsg(db));
    return rc;
  }
  sqlite3_vtab_config(db, SQLITE_VTAB_DIRECTONLY);
  vtab *v = sqlite3_malloc64(sizeof *v);
  if (!v) return SQLITE_NOMEM;
  memset(v, 0, sizeof *v);
  v->binding = b;
  *out = &v->base;
  return SQLITE_OK;
}

static int table_disconnect(sqlite3_vtab *base)
{
  sqlite3_free(base);
  return SQLITE_OK;
}

/* The only constraints that are taken: equality on a hidden column. The first bits of idxNum tell which of them there
** are, in the order of argv; the others, which columns are wanted. */
enum { WANTED_SHIFT = LB_TABLE_ARGUMENTS, WANTED_MASK = (1 << LB_TABLE_COLUMNS) - 1 };

/* The constraint that gives a hidden column its value: its place, or -1; *unusable: there is one, but not in this
** plan. */
static int find_argument(const sqlite3_index_info *info, int column, bool *unusable)
{
  *unusable = false;
  for (int i = 0; i < info->nConstraint; i++) {
    if (info->aConstraint[i].iColumn != column || info->aConstraint[i].op != SQLITE_INDEX_CONSTRAINT_EQ) continue;
    if (info->aConstraint[i].usable) return i;
    *unusable = true;
  }
  return -1;
}

/* An argument that cannot be used in this plan makes SQLite try another order of a join. A scan is work: SQLite had
** better not put one inside another loop. */
static int table_best_index(sqlite3_vtab *base, sqlite3_index_info *info)
{
  const lb_table *table = ((vtab *)base)->binding->table;
  int given = 0;
  info->estimatedCost = 1e6;
  info->estimatedRows = 100;
  info->idxNum = (int)(info->colUsed & WANTED_MASK) << WANTED_SHIFT;
  for (int k = 0; k < LB_TABLE_ARGUMENTS && table->arguments[k]; k++) {
    bool unusable;
    int at = find_argument(info, table->column_count + k, &unusable);
    if (at < 0 && unusable) return SQLITE_CONSTRAINT;
    if (at < 0) continue;
    info->aConstraintUsage[at].argvIndex = ++given;
    info->aConstraintUsage[at].omit = 1;
    info->idxNum |= 1 << k;
  }
  return SQLITE_OK;
}

static int table_open(sqlite3_vtab *base, sqlite3_vtab_cursor **out)
{
  (void)base;
  cursor *c = sqlite3_malloc64(sizeof *c);
  if (!c) return SQLITE_NOMEM;
  memset(c, 0, sizeof *c);
  *out = &c->base;
  return SQLITE_OK;
}

static void close_state(cursor *c)
{
  if (c->scan.state) table_of(c)->close(c->scan.state);
  c->scan.state = NULL;
}

static void forget(cursor *c)
{
  close_state(c);
  lb_rows_free(&c->rows);
  for (int i = 0; i < LB_TABLE_ARGUMENTS; i++) free(c->scan.arguments[i]);
  memset(&c->scan, 0, sizeof c->scan);
  c->row = c->passed = 0;
}

static int table_close(sqlite3_vtab_cursor *base)
{
  forget((cursor *)base);
  sqlite3_free(base);
  return SQLITE_OK;
}

static int read_arguments(cursor *c, int plan, sqlite3_value **argv, lb_error *err)
{
  const lb_table *table = table_of(c);
  for (int k = 0, at = 0; k < LB_TABLE_ARGUMENTS; k++) {
    if (!(plan >> k & 1)) continue;
    sqlite3_value *value = argv[at++];
    if (sqlite3_value_type(value) == SQLITE_NULL) continue;
    const char *text = sqlite3_value_type(value) == SQLITE_BLOB ? NULL : (const char *)sqlite3_value_text(value);
    if (!text || strlen(text) != (size_t)sqlite3_value_bytes(value)) {
      return lb_fail(err, LB_MISUSE, "argument %s is not a text", table->arguments[k]);
    }
    if (!(c->scan.arguments[k] = strdup(text))) return lb_fail_nomem(err);
  }
  return LB_OK;
}

static int report(cursor *c, const lb_error *err)
{
  if (!err->code) return SQLITE_OK;
  sqlite3_vtab *base = c->base.pVtab;
  sqlite3_free(base->zErrMsg);
  base->zErrMsg = sqlite3_mprintf("%s", err->message);
  return lb_sqlite_code(err);
}

/* The next rows, or none where there are no more. */
static int fill(cursor *c, lb_error *err)
{
  const lb_table *table = table_of(c);
  do {
    c->passed += lb_rows_count(&c->rows);
    c->row = 0;
    lb_rows_clear(&c->rows);
    c->scan.more = false;
    table->fill(&c->scan, &c->rows, err);
    if (!err->code && c->rows.failed) lb_fail_nomem(err);
    if (err->code) c->scan.more = false;
  } while (c->scan.more && lb_rows_count(&c->rows) == 0);
  if (!c->scan.more) close_state(c);
  return err->code;
}

static int table_filter(sqlite3_vtab_cursor *base, int plan, const char *name, int argc, sqlite3_value **argv)
{
  (void)name, (void)argc;
  cursor *c = (cursor *)base;
  lb_error err = LB_ERROR_INIT;
  forget(c);
  c->scan.session = ((vtab *)base->pVtab)->binding->session;
  c->scan.wanted = (uint32_t)plan >> WANTED_SHIFT;
  c->rows.columns = table_of(c)->column_count;
  if (read_arguments(c, plan, argv, &err) == LB_OK) fill(c, &err);
  return report(c, &err);
}

static int table_next(sqlite3_vtab_cursor *base)
{
  cursor *c = (cursor *)base;
  lb_error err = LB_ERROR_INIT;
  if (++c->row >= lb_rows_count(&c->rows) && c->scan.more) fill(c, &err);
  return report(c, &err);
}

static int table_eof(sqlite3_vtab_cursor *base)
{
  cursor *c = (cursor *)base;
  return c->row >= lb_rows_count(&c->rows);
}

static int table_column(sqlite3_vtab_cursor *base, sqlite3_context *ctx, int column)
{
  cursor *c = (cursor *)base;
  if (column >= c->rows.columns) {
    const char *argument = c->scan.arguments[column - c->rows.columns];
    if (argument) sqlite3_result_text(ctx, argument, -1, SQLITE_TRANSIENT);
    return SQLITE_OK;
  }
  const lb_cell *cell = lb_rows_cell(&c->rows, c->row, column);
  switch (cell->type) {
  case LB_CELL_INTEGER: sqlite3_result_int64(ctx, cell->integer); break;
  case LB_CELL_REAL:    sqlite3_result_double(ctx, cell->real); break;
  case LB_CELL_TEXT:    sqlite3_result_text(ctx, cell->text, -1, SQLITE_TRANSIENT); break;
  case LB_CELL_NULL:    break;
  }
  return SQLITE_OK;
}

static int table_rowid(sqlite3_vtab_cursor *base, sqlite3_int64 *rowid)
{
  cursor *c = (cursor *)base;
  *rowid = c->passed + c->row + 1;
  return SQLITE_OK;
}

static const sqlite3_module module = {
  .iVersion = 0,
  .xConnect = table_connect,  /* no xCreate: the table exists by its name alone */
  .xBestIndex = table_best_index,
  .xDisconnect = table_disconnect,
  .xOpen = table_open,
  .xClose = table_close,
  .xFilter = table_filter,
  .xNext = table_next,
  .xEof = table_eof,
  .xColumn = table_column,
  .xRowid = table_rowid,
};

static void release_binding(void *pointer)
{
  binding *b = pointer;
  lb_session_release(b->session);
  free(b);
}

int lb_table_register(sqlite3 *db, const lb_table *table, lb_session *session)
{
  binding *b = malloc(sizeof *b);
  if (!b) return SQLITE_NOMEM;
  *b = (binding){ table, session };
  lb_session_retain(session);
  return sqlite3_create_module_v2(db, table->name, &module, b, release_binding);
}

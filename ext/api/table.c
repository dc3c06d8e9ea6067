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
  lb_rows rows;
  int64_t row;
  char *argument;
} cursor;

static int table_connect(sqlite3 *db, void *aux, int argc, const char *const *argv, sqlite3_vtab **out, char **message)
{
  (void)argc, (void)argv;
  binding *b = aux;
  char *sql = sqlite3_mprintf("CREATE TABLE x(%s%s%s%s)", b->table->columns, b->table->argument ? ", " : "",
                              b->table->argument ? b->table->argument : "", b->table->argument ? " HIDDEN" : "");
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

/* The one constraint that is taken: equality on the hidden column (HAS_ARGUMENT in idxNum, argv[0]). One that cannot be
** used in this plan makes SQLite try another order of a join. The other bits of idxNum: the columns that are wanted. */
enum { HAS_ARGUMENT = 1, WANTED_SHIFT = 1, WANTED_MASK = 0x3fffffff };

static int table_best_index(sqlite3_vtab *base, sqlite3_index_info *info)
{
  const lb_table *table = ((vtab *)base)->binding->table;
  info->estimatedCost = 1000;
  info->estimatedRows = 100;
  info->idxNum = (int)(info->colUsed & WANTED_MASK) << WANTED_SHIFT;
  for (int i = 0; i < info->nConstraint; i++) {
    if (!table->argument || info->aConstraint[i].iColumn != table->column_count ||
        info->aConstraint[i].op != SQLITE_INDEX_CONSTRAINT_EQ) continue;
    if (!info->aConstraint[i].usable) return SQLITE_CONSTRAINT;
    info->aConstraintUsage[i].argvIndex = 1;
    info->aConstraintUsage[i].omit = 1;
    info->idxNum |= HAS_ARGUMENT;
    break;
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

static void forget(cursor *c)
{
  lb_rows_free(&c->rows);
  free(c->argument);
  c->argument = NULL;
  c->row = 0;
}

static int table_close(sqlite3_vtab_cursor *base)
{
  forget((cursor *)base);
  sqlite3_free(base);
  return SQLITE_OK;
}

static int table_filter(sqlite3_vtab_cursor *base, int plan, const char *name, int argc, sqlite3_value **argv)
{
  (void)name;
  cursor *c = (cursor *)base;
  binding *b = ((vtab *)base->pVtab)->binding;
  lb_error err = LB_ERROR_INIT;
  forget(c);
  c->rows.columns = b->table->column_count;
  c->rows.wanted = (uint32_t)plan >> WANTED_SHIFT;
  if (plan & HAS_ARGUMENT && argc == 1 && sqlite3_value_type(argv[0]) != SQLITE_NULL) {
    const char *text = (const char *)sqlite3_value_text(argv[0]);
    if (!text || !(c->argument = strdup(text))) return SQLITE_NOMEM;
  }
  b->table->fill(b->session, c->argument, &c->rows, &err);
  if (!err.code && c->rows.failed) lb_fail_nomem(&err);
  if (!err.code) return SQLITE_OK;
  sqlite3_free(base->pVtab->zErrMsg);
  base->pVtab->zErrMsg = sqlite3_mprintf("%s", err.message);
  return lb_sqlite_code(&err);
}

static int table_next(sqlite3_vtab_cursor *base)
{
  ((cursor *)base)->row++;
  return SQLITE_OK;
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
    if (c->argument) sqlite3_result_text(ctx, c->argument, -1, SQLITE_TRANSIENT);
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
  *rowid = ((cursor *)base)->row + 1;
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

/* See backup_table.h. Rows are job/table_rows.h's; here they become a virtual table, read-only, in the schema temp
** only: one that lived in a database file would name a file of another machine one day, and need the extension.
**
** SQLite connects a table anew whenever the schema was read again (ATTACH and DETACH make it do so). What was opened is
** therefore kept from CREATE to DROP by the table's name, so that `latest` stays the backup that it was, and one that
** was deleted meanwhile goes on.
**
** rowid is the number of the row in the backup. Comparisons with it, and with the column by which parts of the backup
** can be told apart (the key), choose what is read; arguments come in this order:
**
**     idxNum   argv
**     1        rowid = ?        (the next two are not used then)
**     2        rowid >= ?       (64 as well: rowid > ?)
**     4        rowid <= ?       (128 as well: rowid < ?)
**     8        key = ?          (the next two are not used then)
**     16       key >= ? or key > ?
**     32       key <= ? or key < ?
**
** SQLite checks each of them again, so the bounds need not be exact, only wide enough.
*/
#include "api/backup_table.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "job/table_rows.h"

SQLITE_EXTENSION_INIT3

enum { ROWID_EQUAL = 1, ROWID_FROM = 2, ROWID_TO = 4, KEY_EQUAL = 8, KEY_FROM = 16, KEY_TO = 32, ARGUMENTS_MOST = 6,
       ROWID_ABOVE = 64, ROWID_BELOW = 128 };
enum { ROWS_GUESSED = 1000000, THREADS_MOST = 2 };

/* What was opened for a table, by the module's and the connected tables' references. */
typedef struct opened {
  lb_table_rows *rows;
  char *name;              /* of the virtual table */
  char *arguments;         /* as they stand */
  int references;
  struct opened *next;
} opened;

typedef struct module_data {
  lb_session *session;
  opened *list;            /* tables between CREATE and DROP */
} module_data;

typedef struct vtab {
  sqlite3_vtab base;
  module_data *data;
  opened *opened;
} vtab;

typedef struct cursor {
  sqlite3_vtab_cursor base;
  lb_call call;
  bool called;
  lb_row_scan *scan;
  bool found;
} cursor;

/* ---- what is opened ---- */

static void release(opened *o)
{
  if (!o || --o->references > 0) return;
  lb_table_rows_close(o->rows);
  free(o->name);
  free(o->arguments);
  free(o);
}

static void forget(module_data *data, const char *name)
{
  opened **at = &data->list;
  while (*at && sqlite3_stricmp((*at)->name, name) != 0) at = &(*at)->next;
  opened *found = *at;
  if (!found) return;
  *at = found->next;
  release(found);
}

static opened *find(const module_data *data, const char *name, const char *arguments)
{
  opened *o = data->list;
  while (o && (sqlite3_stricmp(o->name, name) != 0 || strcmp(o->arguments, arguments) != 0)) o = o->next;
  return o;
}

/* An argument of the module without its quotes; NULL: out of memory. */
static char *dequote(const char *text, const char *quotes, lb_error *err)
{
  char *copy = lb_text_copy(text, err), quote = *text;
  size_t n = strlen(text);
  if (!copy || n < 2 || !strchr(quotes, quote) || text[n - 1] != quote) return copy;
  char *to = copy;
  for (const char *p = text + 1; p < text + n - 1; p++) {
    *to++ = *p;
    if (*p == quote) p++;
  }
  *to = 0;
  return copy;
}

static opened *open_rows(module_data *data, const char *name, const char *arguments, const char *const *argv,
                         lb_error *err)
{
  opened *o = calloc(1, sizeof *o);
  if (!o) {
    lb_fail_nomem(err);
    return NULL;
  }
  /* Double quotes belong to a table's name: they are read with it. */
  char *backup = dequote(argv[0], "'\"", err), *table = dequote(argv[1], "'", err);
  o->references = 1;
  o->name = lb_text_copy(name, err);
  o->arguments = lb_text_copy(arguments, err);
  if (!err->code) {
    lb_call call;
    lb_call_begin(&call, data->session);
    lb_table_rows_open(&call.job, backup, table, &o->rows, err);
    lb_call_end(&call);
  }
  free(backup);
  free(table);
  if (!err->code) return o;
  release(o);
  return NULL;
}

/* ---- a table ---- */

/* SQLite's columns are the same whatever their case: what comes twice gets a number, as in its own results. */
static bool is_taken(char *const *names, int count, const char *name)
{
  for (int i = 0; i < count; i++) if (sqlite3_stricmp(names[i], name) == 0) return true;
  return false;
}

static char *column_name(const lb_table_rows *rows, int i, char *const *names)
{
  char *name = sqlite3_mprintf("%s", lb_table_rows_column(rows, i));
  for (int k = 1; name && is_taken(names, i, name); k++) {
    sqlite3_free(name);
    name = sqlite3_mprintf("%s:%d", lb_table_rows_column(rows, i), k);
  }
  return name;
}

static char *declaration(const lb_table_rows *rows)
{
  int count = lb_table_rows_columns(rows), named = 0;
  char **names = calloc((size_t)count + 1, sizeof *names);
  lb_buf sql = { 0 };
  lb_buf_text(&sql, "CREATE TABLE x(");
  for (; names && named < count && (names[named] = column_name(rows, named, names)); named++) {
    char *column = sqlite3_mprintf("%s\"%w\" %s", named ? ", " : "", names[named],
                                   lb_pg_kind_affinity(lb_table_rows_kind(rows, named)));
    if (column) lb_buf_text(&sql, column);
    sql.failed = sql.failed || !column;
    sqlite3_free(column);
  }
  /* A table without columns has rows all the same, and SQLite wants one. */
  lb_buf_text(&sql, count ? ")" : "\"no columns\")");
  sql.failed = sql.failed || !names || named < count;
  for (int i = 0; i < named; i++) sqlite3_free(names[i]);
  free(names);
  return lb_buf_take(&sql);
}

static int declare(sqlite3 *db, const lb_table_rows *rows, char **message)
{
  char *sql = declaration(rows);
  if (!sql) return SQLITE_NOMEM;
  int rc = sqlite3_declare_vtab(db, sql);
  free(sql);
  if (rc) *message = sqlite3_mprintf("%s", sqlite3_errmsg(db));
  return rc;
}

static int fail(char **message, const lb_error *err)
{
  if (err->code == LB_NOMEM) return SQLITE_NOMEM;
  *message = sqlite3_mprintf("%s", err->message);
  return lb_sqlite_code(err);
}

static int check_call(const char *schema, int arguments, lb_error *err)
{
  if (strcmp(schema, "temp") != 0) {
    return lb_fail(err, LB_MISUSE, "backup_table makes tables in the schema temp only: CREATE VIRTUAL TABLE temp.…");
  }
  if (arguments == 2) return LB_OK;
  return lb_fail(err, LB_MISUSE, "backup_table needs a backup and a table: CREATE VIRTUAL TABLE temp.old USING "
                                 "backup_table('latest', 'public.agents')");
}

/* argv: module, schema, table, then the arguments. */
static int connect_table(sqlite3 *db, module_data *data, int argc, const char *const *argv, bool anew,
                         sqlite3_vtab **out, char **message)
{
  lb_error err = LB_ERROR_INIT;
  if (check_call(argv[1], argc - 3, &err)) return fail(message, &err);
  vtab *v = sqlite3_malloc64(sizeof *v);
  char *arguments = lb_text_printf(&err, "%s,%s", argv[3], argv[4]);
  if (!v || !arguments) lb_fail_nomem(&err);
  opened *o = err.code || anew ? NULL : find(data, argv[2], arguments);
  if (!o && !err.code) {
    o = open_rows(data, argv[2], arguments, argv + 3, &err);
    if (o) {
      forget(data, argv[2]);
      o->next = data->list;
      data->list = o;
    }
  }
  free(arguments);
  int rc = err.code ? fail(message, &err) : declare(db, o->rows, message);
  if (rc) {
    if (o) forget(data, argv[2]);
    sqlite3_free(v);
    return rc;
  }
  sqlite3_vtab_config(db, SQLITE_VTAB_DIRECTONLY);
  memset(v, 0, sizeof *v);
  v->data = data;
  v->opened = o;
  o->references++;
  *out = &v->base;
  return SQLITE_OK;
}

static int table_create(sqlite3 *db, void *aux, int argc, const char *const *argv, sqlite3_vtab **out, char **message)
{
  return connect_table(db, aux, argc, argv, true, out, message);
}

static int table_connect(sqlite3 *db, void *aux, int argc, const char *const *argv, sqlite3_vtab **out, char **message)
{
  return connect_table(db, aux, argc, argv, false, out, message);
}

static int table_disconnect(sqlite3_vtab *base)
{
  vtab *v = (vtab *)base;
  release(v->opened);
  sqlite3_free(v);
  return SQLITE_OK;
}

static int table_destroy(sqlite3_vtab *base)
{
  vtab *v = (vtab *)base;
  opened *o = v->opened;
  for (opened **at = &v->data->list; *at; at = &(*at)->next) {
    if (*at != o) continue;
    *at = o->next;
    release(o);
    break;
  }
  return table_disconnect(base);
}

static int table_rename(sqlite3_vtab *base, const char *name)
{
  vtab *v = (vtab *)base;
  char *copy = strdup(name);
  if (!copy) return SQLITE_NOMEM;
  free(v->opened->name);
  v->opened->name = copy;
  return SQLITE_OK;
}

/* ---- plans ---- */

/* Its place among the three of a column; -1: none. */
static int place_of(unsigned char op)
{
  switch (op) {
  case SQLITE_INDEX_CONSTRAINT_EQ: return 0;
  case SQLITE_INDEX_CONSTRAINT_GT:
  case SQLITE_INDEX_CONSTRAINT_GE: return 1;
  case SQLITE_INDEX_CONSTRAINT_LT:
  case SQLITE_INDEX_CONSTRAINT_LE: return 2;
  default:                         return -1;
  }
}

static int strict_bit_of(unsigned char op)
{
  return op == SQLITE_INDEX_CONSTRAINT_GT ? ROWID_ABOVE : op == SQLITE_INDEX_CONSTRAINT_LT ? ROWID_BELOW : 0;
}

/* Which argument a constraint can be; -1: none. Texts that are compared in another way than byte by byte cannot. */
static int argument_of(sqlite3_index_info *info, int i, int key)
{
  const struct sqlite3_index_constraint *c = &info->aConstraint[i];
  int place = c->usable ? place_of(c->op) : -1;
  if (place < 0 || c->iColumn < 0) return place;
  bool binary = c->iColumn == key && sqlite3_stricmp(sqlite3_vtab_collation(info, i), "BINARY") == 0;
  return binary ? 3 + place : -1;
}

/* The first constraint of each kind. A row that is looked for by the key costs the parts that may have it: one, where
** rows lie in the order of their keys. */
static int table_best_index(sqlite3_vtab *base, sqlite3_index_info *info)
{
  const lb_table_rows *table = ((vtab *)base)->opened->rows;
  int64_t count = lb_table_rows_count(table), at_once = 0;
  int chosen[ARGUMENTS_MOST] = { -1, -1, -1, -1, -1, -1 }, arguments = 0, key = lb_table_rows_key(table, &at_once);
  for (int i = 0; i < info->nConstraint; i++) {
    int place = argument_of(info, i, key);
    if (place >= 0 && chosen[place] < 0) chosen[place] = i;
  }
  for (int i = 0; i < ARGUMENTS_MOST; i += 3) if (chosen[i] >= 0) chosen[i + 1] = chosen[i + 2] = -1;
  info->idxNum = 0;
  for (int i = 0; i < ARGUMENTS_MOST; i++) {
    if (chosen[i] < 0) continue;
    info->idxNum |= 1 << i | (i < 3 ? strict_bit_of(info->aConstraint[chosen[i]].op) : 0);
    info->aConstraintUsage[chosen[i]].argvIndex = ++arguments;
  }
  double rows = count < 0 ? ROWS_GUESSED : (double)count, found = rows, cost = rows;
  if (arguments) found = cost = rows / 4;
  if (info->idxNum & KEY_EQUAL) {
    found = 1;
    cost = (double)at_once;
  }
  if (info->idxNum & ROWID_EQUAL) {
    found = 1;
    cost = rows / 10;
    info->idxFlags = SQLITE_INDEX_SCAN_UNIQUE;
  }
  info->estimatedRows = (sqlite3_int64)found;
  info->estimatedCost = cost + 100;
  info->orderByConsumed = info->nOrderBy == 1 && info->aOrderBy[0].iColumn < 0 && !info->aOrderBy[0].desc;
  return SQLITE_OK;
}

/* ---- scans ---- */

static int table_open(sqlite3_vtab *base, sqlite3_vtab_cursor **out)
{
  (void)base;
  cursor *c = sqlite3_malloc64(sizeof *c);
  if (!c) return SQLITE_NOMEM;
  memset(c, 0, sizeof *c);
  *out = &c->base;
  return SQLITE_OK;
}

static void end_scan(cursor *c)
{
  lb_row_scan_close(c->scan);
  c->scan = NULL;
  if (c->called) lb_call_end(&c->call);
  c->called = c->found = false;
}

static int table_close(sqlite3_vtab_cursor *base)
{
  end_scan((cursor *)base);
  sqlite3_free(base);
  return SQLITE_OK;
}

static int fail_scan(sqlite3_vtab *v, const lb_error *err)
{
  sqlite3_free(v->zErrMsg);
  v->zErrMsg = NULL;
  return fail(&v->zErrMsg, err);
}

/* The next whole number, downwards for a lower bound; false: far out. */
static bool whole(double real, bool lower, int64_t *number)
{
  const double most = 9.2e18;
  real = lower ? floor(real) : ceil(real);
  if (!(real > -most && real < most)) return false;
  *number = (int64_t)real;
  return true;
}

/* A bound that lets through whatever may compare equal: SQLite looks again. Nothing compares with NULL. */
static void narrow(sqlite3_value *value, bool lower, bool strict, int64_t *bound)
{
  switch (sqlite3_value_type(value)) {
  case SQLITE_INTEGER:
    *bound = sqlite3_value_int64(value);
    if (strict && *bound != (lower ? INT64_MAX : INT64_MIN)) *bound += lower ? 1 : -1;
    break;
  case SQLITE_NULL:
    *bound = lower ? INT64_MAX : 0;
    break;
  case SQLITE_FLOAT:
    whole(sqlite3_value_double(value), lower, bound);
    break;
  default: break;
  }
}

/* The same for the key. */
static void narrow_key(sqlite3_value *value, bool lower, lb_row_wish *wish)
{
  lb_pg_datum *bound = lower ? &wish->low : &wish->high;
  switch (sqlite3_value_type(value)) {
  case SQLITE_INTEGER:
    *bound = (lb_pg_datum){ .type = LB_PG_IS_INTEGER, .integer = sqlite3_value_int64(value) };
    break;
  case SQLITE_NULL:
    wish->last = 0;
    break;
  case SQLITE_FLOAT:
    if (whole(sqlite3_value_double(value), lower, &bound->integer)) bound->type = LB_PG_IS_INTEGER;
    break;
  case SQLITE_TEXT:
    bound->data = (const char *)sqlite3_value_text(value);
    bound->len = (size_t)sqlite3_value_bytes(value);
    if (bound->data) bound->type = LB_PG_IS_TEXT;
    break;
  default: break;
  }
}

static lb_row_wish wish_of(int plan, sqlite3_value **argv)
{
  lb_row_wish wish = LB_ROW_WISH_ALL;
  if (plan & (ROWID_EQUAL | ROWID_FROM)) narrow(*argv, true, plan & ROWID_ABOVE, &wish.first);
  if (plan & ROWID_FROM) argv++;
  if (plan & (ROWID_EQUAL | ROWID_TO)) narrow(*argv++, false, plan & ROWID_BELOW, &wish.last);
  if (plan & (KEY_EQUAL | KEY_FROM)) narrow_key(*argv, true, &wish);
  if (plan & KEY_FROM) argv++;
  if (plan & (KEY_EQUAL | KEY_TO)) narrow_key(*argv, false, &wish);
  return wish;
}

/* Called for each row, as table_column is for each value: an error is 4 KiB, which are not worth a memset. */
static int step(cursor *c)
{
  lb_error err;
  lb_error_clear(&err);
  if (lb_row_scan_next(c->scan, &c->found, &err) == LB_OK) return SQLITE_OK;
  return fail_scan(c->base.pVtab, &err);
}

static int table_filter(sqlite3_vtab_cursor *base, int plan, const char *name, int argc, sqlite3_value **argv)
{
  cursor *c = (cursor *)base;
  vtab *v = (vtab *)base->pVtab;
  lb_error err = LB_ERROR_INIT;
  lb_row_wish wish = wish_of(plan, argv);
  (void)name, (void)argc;
  end_scan(c);
  lb_call_begin(&c->call, v->data->session);
  c->called = true;
  int threads = lb_job_threads(&c->call.job, 0, &err) - 1;
  if (threads > THREADS_MOST) threads = THREADS_MOST;
  if (!err.code) c->scan = lb_row_scan_open(v->opened->rows, &wish, threads, &c->call.job.task, &err);
  return err.code ? fail_scan(base->pVtab, &err) : step(c);
}

static int table_next(sqlite3_vtab_cursor *base)
{
  return step((cursor *)base);
}

static int table_eof(sqlite3_vtab_cursor *base)
{
  return !((cursor *)base)->found;
}

static void give(sqlite3_context *ctx, const lb_pg_datum *d)
{
  switch (d->type) {
  case LB_PG_IS_NULL:    break;
  case LB_PG_IS_INTEGER: sqlite3_result_int64(ctx, d->integer); break;
  case LB_PG_IS_REAL:    sqlite3_result_double(ctx, d->real); break;
  case LB_PG_IS_TEXT:    sqlite3_result_text64(ctx, d->data, d->len, SQLITE_TRANSIENT, SQLITE_UTF8); break;
  case LB_PG_IS_BLOB:    sqlite3_result_blob64(ctx, d->data, d->len, SQLITE_TRANSIENT); break;
  }
}

static int table_column(sqlite3_vtab_cursor *base, sqlite3_context *ctx, int column)
{
  cursor *c = (cursor *)base;
  vtab *v = (vtab *)base->pVtab;
  lb_pg_datum value;
  lb_error err;
  lb_error_clear(&err);
  if (column >= lb_table_rows_columns(v->opened->rows)) return SQLITE_OK;
  size_t most = (size_t)sqlite3_limit(v->data->session->db, SQLITE_LIMIT_LENGTH, -1);
  if (lb_row_scan_value(c->scan, column, most, &value, &err) == LB_OK) {
    give(ctx, &value);
    return SQLITE_OK;
  }
  if (err.code == LB_NOMEM) sqlite3_result_error_nomem(ctx);
  else sqlite3_result_error(ctx, err.message, -1);
  return lb_sqlite_code(&err);
}

static int table_rowid(sqlite3_vtab_cursor *base, sqlite3_int64 *rowid)
{
  *rowid = lb_row_scan_number(((cursor *)base)->scan);
  return SQLITE_OK;
}

static const sqlite3_module module = {
  .iVersion = 0,
  .xCreate = table_create,
  .xConnect = table_connect,
  .xBestIndex = table_best_index,
  .xDisconnect = table_disconnect,
  .xDestroy = table_destroy,
  .xOpen = table_open,
  .xClose = table_close,
  .xFilter = table_filter,
  .xNext = table_next,
  .xEof = table_eof,
  .xColumn = table_column,
  .xRowid = table_rowid,
  .xRename = table_rename,
};

static void release_module(void *pointer)
{
  module_data *data = pointer;
  while (data->list) forget(data, data->list->name);
  lb_session_release(data->session);
  free(data);
}

int lb_backup_table_register(sqlite3 *db, lb_session *session)
{
  module_data *data = calloc(1, sizeof *data);
  if (!data) return SQLITE_NOMEM;
  data->session = session;
  lb_session_retain(session);
  return sqlite3_create_module_v2(db, "backup_table", &module, data, release_module);
}

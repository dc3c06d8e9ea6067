/* See outline.h. */
#include "postgres/outline.h"

#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "postgres/ddl.h"
#include "postgres/script.h"
#include "postgres/statement.h"

enum { TABLES_MAX = 100000, COLUMNS_MAX = 1664 };

typedef struct reading {
  lb_pg_outline *outline;
  const lb_pg_contents *contents;
  int table_capacity, partition_capacity;
  int64_t copy_capacity;
  lb_pg_outlined *now;         /* whose columns are read */
  char *path;                  /* what SET search_path named first: the schema of names without one, in old dumps */
  bool stop;                   /* behind the COPY statement */
  lb_error *err;
} reading;

static char *schema_of(const reading *r, const lb_qualified *name, lb_error *err)
{
  return name->schema.len ? lb_span_text(name->schema, err) : lb_text_copy(r->path ? r->path : "", err);
}

/* ---- tables and partitions ---- */

static lb_pg_outlined *add_table(reading *r, char *schema, char *name, lb_error *err)
{
  lb_pg_outline *o = r->outline;
  bool full = o->table_count == r->table_capacity;
  int capacity = r->table_capacity ? r->table_capacity * 2 : 64;
  lb_pg_outlined *list = full && !err->code ? realloc(o->tables, (size_t)capacity * sizeof *list) : NULL;
  if (list) {
    o->tables = list;
    r->table_capacity = capacity;
  }
  if (o->table_count >= TABLES_MAX) lb_fail(err, LB_UNSUPPORTED, "the script has more than %d tables", TABLES_MAX);
  else if (!schema || !name || (full && !list)) lb_fail_nomem(err);
  if (err->code) {
    free(schema);
    free(name);
    return NULL;
  }
  lb_pg_outlined *t = &o->tables[o->table_count++];
  *t = (lb_pg_outlined){ .schema = schema, .name = name, .table = -1 };
  return t;
}

static lb_pg_outlined *find_table(const lb_pg_outline *o, const char *schema, const char *name)
{
  for (int i = o->table_count - 1; i >= 0; i--) {  /* pieces of one table mostly follow one another */
    lb_pg_outlined *t = &o->tables[i];
    if (strcmp(t->name, name) == 0 && strcmp(t->schema, schema) == 0) return t;
  }
  return NULL;
}

static int add_partition(reading *r, const lb_qualified *parent, const lb_qualified *child, lb_error *err)
{
  lb_pg_outline *o = r->outline;
  if (o->partition_count == r->partition_capacity) {
    int capacity = r->partition_capacity ? r->partition_capacity * 2 : 64;
    lb_pg_attached *list = capacity > TABLES_MAX ? NULL : realloc(o->partitions, (size_t)capacity * sizeof *list);
    if (!list) return lb_fail_nomem(err);
    o->partitions = list;
    r->partition_capacity = capacity;
  }
  o->partitions[o->partition_count++] = (lb_pg_attached){
    schema_of(r, child, err), lb_span_text(child->name, err),
    schema_of(r, parent, err), lb_span_text(parent->name, err),
  };
  return err->code;
}

/* ---- columns ---- */

static bool take_column(void *ctx, lb_span name)
{
  reading *r = ctx;
  lb_pg_outlined *t = r->now;
  char **list = realloc(t->columns, ((size_t)t->column_count + 1) * sizeof *list);
  if (!list) lb_fail_nomem(r->err);
  if (list) t->columns = list;
  if (!r->err->code && t->column_count >= COLUMNS_MAX) {
    lb_fail(r->err, LB_CORRUPT, "table %s.%s has more than %d columns", t->schema, t->name, COLUMNS_MAX);
  }
  if (r->err->code) return false;
  t->columns[t->column_count] = lb_span_text(name, r->err);
  if (t->columns[t->column_count]) t->column_count++;
  return !r->err->code;
}

static int read_columns(reading *r, lb_pg_outlined *t, lb_span columns, lb_error *err)
{
  if (t->has_columns) return LB_OK;
  t->has_columns = true;
  r->now = t;
  r->err = err;
  if (columns.len && !lb_statement_names(columns, take_column, r)) {
    lb_fail(err, LB_CORRUPT, "the columns of table %s.%s cannot be read", t->schema, t->name);
  }
  return err->code;
}

static int add_copy(reading *r, uint64_t offset, int table, lb_error *err)
{
  lb_pg_outline *o = r->outline;
  if (o->copy_count == r->copy_capacity) {
    int64_t capacity = r->copy_capacity ? r->copy_capacity * 2 : 64;
    lb_pg_copied *list = realloc(o->copies, (size_t)capacity * sizeof *list);
    if (!list) return lb_fail_nomem(err);
    o->copies = list;
    r->copy_capacity = capacity;
  }
  o->copies[o->copy_count++] = (lb_pg_copied){ offset, table };
  return LB_OK;
}

static int take_copy(reading *r, const char *sql, size_t len, uint64_t offset, lb_error *err)
{
  lb_qualified name;
  lb_span columns;
  if (!lb_statement_copy(sql, len, &name, &columns)) return LB_OK;
  if (r->contents) {
    r->stop = true;
    return read_columns(r, r->now, columns, err);
  }
  char *schema = schema_of(r, &name, err);
  char *table = lb_span_text(name.name, err);
  lb_pg_outlined *t = schema && table ? find_table(r->outline, schema, table) : NULL;
  if (t) {
    free(schema);
    free(table);
  } else {
    t = add_table(r, schema, table, err);
  }
  if (!t || add_copy(r, offset, (int)(t - r->outline->tables), err)) return err->code;
  return read_columns(r, t, columns, err);
}

/* ---- statements ---- */

static int take_encoding(reading *r, lb_span value, lb_error *err)
{
  if (r->outline->encoding) return LB_OK;
  r->outline->encoding = strndup(value.at ? value.at : "", value.len);
  return r->outline->encoding ? LB_OK : lb_fail_nomem(err);
}

/* SET search_path = public, pg_catalog: dumps older than 2018 go on without schemas. */
static int take_path(reading *r, lb_span schema, lb_error *err)
{
  free(r->path);
  r->path = schema.len ? lb_span_text(schema, err) : NULL;
  return err->code;
}

static int take_statement(void *ctx, const char *sql, size_t len, uint64_t offset, bool copy, const char *comment,
                          lb_error *err)
{
  reading *r = ctx;
  lb_ddl ddl;
  (void)comment;
  if (copy) return take_copy(r, sql, len, offset, err);
  lb_ddl_read(sql, len, &ddl);
  switch (ddl.kind) {
  case LB_DDL_SEARCH_PATH: return take_path(r, ddl.name.name, err);
  case LB_DDL_ENCODING:    return take_encoding(r, ddl.name.name, err);
  case LB_DDL_ATTACH:      return add_partition(r, &ddl.name, &ddl.of, err);
  case LB_DDL_TABLE: case LB_DDL_PARTITIONED: case LB_DDL_FOREIGN:  /* before 12 they are made in their place */
    return ddl.partition ? add_partition(r, &ddl.of, &ddl.name, err) : LB_OK;
  case LB_DDL_INSERT:
    r->outline->inserts = true;
    return LB_OK;
  default: return LB_OK;
  }
}

static int watch(void *ctx, const char *sql, size_t len, uint64_t offset, bool copy, lb_error *err)
{
  return take_statement(ctx, sql, len, offset, copy, "", err);
}

static int ignore_data(void *ctx, const char *data, size_t len, lb_error *err)
{
  (void)ctx, (void)data, (void)len;
  return err->code;
}

static int ignore_end(void *ctx, uint64_t rows, lb_error *err)
{
  (void)ctx, (void)rows;
  return err->code;
}

static int ignore_meta(void *ctx, const char *line, uint64_t offset, lb_error *err)
{
  (void)ctx, (void)line, (void)offset;
  return err->code;
}

static const lb_script_ops outline_ops = { take_statement, ignore_data, ignore_end, ignore_meta };

/* ---- reading ---- */

static int read_schema_part(reading *r, lb_source *source, const lb_pg_part *part, lb_task *task, lb_error *err)
{
  lb_script *script = lb_script_open(&outline_ops, r, 0, err);
  for (uint64_t b = 0; script && b < part->blocks && !err->code; b++) {
    const unsigned char *data = NULL;
    size_t n = 0;
    if (lb_task_poll(task, err) || source->block(source, part->block + b, &data, &n, err)) break;
    lb_script_feed(script, data, n, err);
  }
  if (script && !err->code) lb_script_end(script, err);
  lb_script_close(script);
  return err->code;
}

static int read_contents(reading *r, lb_source *source, const lb_pg_contents *c, lb_task *task, lb_error *err)
{
  for (int i = 0; i < c->table_count && !err->code; i++) {
    lb_pg_outlined *t = add_table(r, strdup(c->tables[i].schema), strdup(c->tables[i].name), err);
    if (t) t->table = i;
  }
  for (int64_t i = 0; i < c->part_count && !err->code; i++) {
    if (c->parts[i].kind == LB_PART_PRE_DATA) read_schema_part(r, source, &c->parts[i], task, err);
  }
  r->outline->complete = true;
  return err->code;
}

static int compare_partitions(const void *a, const void *b)
{
  const lb_pg_attached *x = a, *y = b;
  int order = strcmp(x->schema, y->schema);
  return order ? order : strcmp(x->name, y->name);
}

static int read_script(reading *r, lb_source *source, lb_task *task, lb_error *err)
{
  lb_pg_survey survey;
  lb_pg_watch watcher = { watch, r };
  if (lb_pg_survey_watch(source, NULL, task, &watcher, &survey, err)) return err->code;
  r->outline->complete = survey.complete;
  lb_pg_survey_free(&survey);
  return LB_OK;
}

int lb_pg_outline_read(lb_source *source, const lb_pg_contents *contents, lb_task *task, lb_pg_outline *outline,
                       lb_error *err)
{
  reading r = { .outline = outline, .contents = contents };
  memset(outline, 0, sizeof *outline);
  if (contents) read_contents(&r, source, contents, task, err);
  else read_script(&r, source, task, err);
  free(r.path);
  if (!err->code && outline->partition_count) {
    qsort(outline->partitions, (size_t)outline->partition_count, sizeof *outline->partitions, compare_partitions);
  }
  if (err->code) lb_pg_outline_free(outline);
  return err->code;
}

int lb_pg_outline_columns(lb_pg_outline *outline, int table, lb_source *source, const lb_pg_contents *contents,
                          lb_error *err)
{
  lb_pg_outlined *t = &outline->tables[table];
  reading r = { .outline = outline, .contents = contents, .now = t };
  const unsigned char *data = NULL;
  size_t n = 0;
  if (t->has_columns || !contents) return LB_OK;
  int64_t part = 0;
  while (part < contents->part_count && contents->parts[part].table != t->table) part++;
  if (part == contents->part_count) return LB_OK;  /* it had no rows */
  lb_script *script = lb_script_open(&outline_ops, &r, 0, err);
  if (script && source->block(source, contents->parts[part].block, &data, &n, err) == LB_OK) {
    lb_script_feed(script, data, n, err);
  }
  lb_script_close(script);
  if (!err->code && !r.stop) {
    lb_fail(err, LB_CORRUPT, "block %llu of the backup: the data of table %s.%s is not one COPY statement",
            (unsigned long long)contents->parts[part].block, t->schema, t->name);
  }
  return err->code;
}

void lb_pg_outline_free(lb_pg_outline *o)
{
  for (int i = 0; i < o->table_count; i++) {
    for (int c = 0; c < o->tables[i].column_count; c++) free(o->tables[i].columns[c]);
    free(o->tables[i].columns);
    free(o->tables[i].schema);
    free(o->tables[i].name);
  }
  for (int i = 0; i < o->partition_count; i++) {
    free(o->partitions[i].schema);
    free(o->partitions[i].name);
    free(o->partitions[i].parent_schema);
    free(o->partitions[i].parent);
  }
  free(o->tables);
  free(o->copies);
  free(o->partitions);
  free(o->encoding);
  memset(o, 0, sizeof *o);
}

/* See definitions.h. Texts lie in one buffer, so that they are offsets until the script has ended. */
#include "postgres/definitions.h"

#include <stdlib.h>
#include <string.h>

enum {
  DEPTH_MAX = 100,      /* of domains of domains */
  ANCESTORS_MAX = 1000, /* tables, each as often as it is inherited from */
  COLUMNS_MAX = 1600    /* PostgreSQL's own limit */
};

typedef size_t text;   /* offset into texts; 0: none */

typedef struct column {
  text name, type_schema, type;
  bool array, generated;
} column;

typedef struct entry {
  lb_ddl_kind kind;
  text schema, name;
  text of_schema, of;        /* type of a typed table; parent that a partition's columns come from; base of a domain */
  bool typed, array;
  size_t columns, column_count;   /* in columns */
  size_t parents, parent_count;   /* INHERITS: in links */
  int parent;                /* the table that it is a partition of: after settling; -1: none */
} entry;

/* A pair of names: a partition and its parent, or in the second half only a parent of INHERITS. */
typedef struct link { text schema, name, parent_schema, parent; } link;

typedef struct links { link *list; size_t count, capacity; } links;

struct lb_pg_definitions {
  lb_buf texts;
  lb_buf path;               /* the first schema of the search_path */
  column *columns;
  size_t column_count, column_capacity;
  entry *entries;
  size_t entry_count, entry_capacity;
  links partitions, inherits;
};

lb_pg_definitions *lb_pg_definitions_open(lb_error *err)
{
  lb_pg_definitions *d = calloc(1, sizeof *d);
  if (d) {
    lb_buf_append(&d->texts, "", 1);  /* offset 0 is no text */
    lb_buf_text(&d->path, "public");
    if (!d->texts.failed && !d->path.failed) return d;
  }
  lb_pg_definitions_close(d);
  lb_fail_nomem(err);
  return NULL;
}

void lb_pg_definitions_close(lb_pg_definitions *d)
{
  if (!d) return;
  lb_buf_free(&d->texts);
  lb_buf_free(&d->path);
  free(d->columns);
  free(d->entries);
  free(d->partitions.list);
  free(d->inherits.list);
  free(d);
}

/* ---- collecting ---- */

static const char *at(const lb_pg_definitions *d, text t) { return d->texts.data + t; }

/* Room for one more in an array of items of so many bytes. */
static void *grow(void *list, size_t count, size_t *capacity, size_t bytes, lb_error *err)
{
  if (count < *capacity) return list;
  size_t more = *capacity ? *capacity * 2 : 64;
  void *grown = realloc(list, more * bytes);
  if (!grown) lb_fail_nomem(err);
  else *capacity = more;
  return grown;
}

static text keep(lb_pg_definitions *d, lb_span span)
{
  text t = d->texts.len;
  if (!span.len) return 0;
  lb_span_name(span, &d->texts);
  lb_buf_append(&d->texts, "", 1);
  return t;
}

/* A name's schema, or the search_path's. */
static text keep_schema(lb_pg_definitions *d, const lb_qualified *q)
{
  if (q->schema.len) return keep(d, q->schema);
  text t = d->texts.len;
  lb_buf_append(&d->texts, d->path.data, d->path.len + 1);
  return t;
}

void lb_pg_definitions_name(const lb_pg_definitions *d, const lb_qualified *q, lb_buf *schema, lb_buf *name)
{
  if (q->schema.len) lb_span_name(q->schema, schema);
  else lb_buf_append(schema, d->path.data, d->path.len);
  lb_span_name(q->name, name);
  lb_buf_append(schema, "", 0);
  lb_buf_append(name, "", 0);
}

static int add_column(lb_pg_definitions *d, const lb_ddl_column *c, lb_error *err)
{
  column *grown = grow(d->columns, d->column_count, &d->column_capacity, sizeof *grown, err);
  if (!grown) return err->code;
  d->columns = grown;
  column *new = &grown[d->column_count++];
  *new = (column){ .name = keep(d, c->name), .array = c->type.array, .generated = c->generated };
  /* Built-in types stand without a schema, also those of a search_path. */
  new->type_schema = c->type.name.schema.len ? keep(d, c->type.name.schema) : 0;
  new->type = keep(d, c->type.name.name);
  return LB_OK;
}

static int add_link(lb_pg_definitions *d, links *list, const lb_qualified *child, const lb_qualified *parent,
                    lb_error *err)
{
  link *grown = grow(list->list, list->count, &list->capacity, sizeof *grown, err);
  if (!grown) return err->code;
  list->list = grown;
  grown[list->count++] = (link){ keep_schema(d, child), keep(d, child->name), keep_schema(d, parent),
                                 keep(d, parent->name) };
  return LB_OK;
}

static int add_lists(lb_pg_definitions *d, entry *e, const lb_ddl *ddl, lb_error *err)
{
  lb_tokens columns = ddl->columns, inherits = ddl->inherits;
  lb_ddl_column c;
  lb_qualified parent;
  e->columns = d->column_count;
  while (ddl->has_columns && lb_ddl_next_column(&columns, &c)) if (add_column(d, &c, err)) return err->code;
  e->column_count = d->column_count - e->columns;
  e->parents = d->inherits.count;
  while (inherits.p && lb_ddl_next_parent(&inherits, &parent)) {
    if (add_link(d, &d->inherits, &ddl->name, &parent, err)) return err->code;
  }
  e->parent_count = d->inherits.count - e->parents;
  return LB_OK;
}

static int add_entry(lb_pg_definitions *d, const lb_ddl *ddl, lb_error *err)
{
  entry *grown = grow(d->entries, d->entry_count, &d->entry_capacity, sizeof *grown, err);
  if (!grown) return err->code;
  d->entries = grown;
  if (d->entry_count == INT32_MAX) return lb_fail(err, LB_UNSUPPORTED, "the script defines too many tables");
  entry *e = &grown[d->entry_count++];
  const lb_qualified *of = ddl->kind == LB_DDL_DOMAIN ? &ddl->type.name : &ddl->of;
  *e = (entry){ .kind = ddl->kind, .schema = keep_schema(d, &ddl->name), .name = keep(d, ddl->name.name),
                .typed = ddl->typed, .array = ddl->type.array, .parent = -1 };
  if (of->name.len) {
    bool built_in = ddl->kind == LB_DDL_DOMAIN && !of->schema.len;
    e->of_schema = built_in ? 0 : keep_schema(d, of);
    e->of = keep(d, of->name);
  }
  return add_lists(d, e, ddl, err);
}

int lb_pg_definitions_take(lb_pg_definitions *d, const lb_ddl *ddl, lb_error *err)
{
  switch (ddl->kind) {
  case LB_DDL_TABLE:
  case LB_DDL_PARTITIONED:
  case LB_DDL_FOREIGN:
    if (ddl->partition) add_link(d, &d->partitions, &ddl->name, &ddl->of, err);
    if (!err->code) add_entry(d, ddl, err);
    break;
  case LB_DDL_VIEW:
  case LB_DDL_TYPE:
  case LB_DDL_DOMAIN:
  case LB_DDL_COPY:
    add_entry(d, ddl, err);
    break;
  case LB_DDL_ATTACH:
    add_link(d, &d->partitions, &ddl->of, &ddl->name, err);
    break;
  case LB_DDL_SEARCH_PATH:
    d->path.len = 0;
    lb_buf_append(&d->path, "", 0);
    lb_span_name(ddl->name.name, &d->path);
    break;
  case LB_DDL_ENCODING:
  case LB_DDL_BACKSLASHES:
  case LB_DDL_INSERT:
  case LB_DDL_NONE:
    break;
  }
  return d->texts.failed || d->path.failed ? lb_fail_nomem(err) : err->code;
}

/* ---- settling ---- */

static int compare(const lb_pg_definitions *d, const entry *e, const char *schema, const char *name)
{
  int order = strcmp(at(d, e->schema), schema);
  return order ? order : strcmp(at(d, e->name), name);
}

/* What is defined comes before what only a COPY tells of, so that of one name the first counts. */
static int compare_entries(const void *a, const void *b, void *ctx)
{
  const lb_pg_definitions *d = ctx;
  const entry *x = a, *y = b;
  int order = compare(d, x, at(d, y->schema), at(d, y->name));
  return order ? order : (x->kind == LB_DDL_COPY) - (y->kind == LB_DDL_COPY);
}

int lb_pg_definition_find(const lb_pg_definitions *d, const char *schema, const char *name)
{
  size_t low = 0, high = d->entry_count;
  while (low < high) {
    size_t middle = low + (high - low) / 2;
    if (compare(d, &d->entries[middle], schema, name) < 0) low = middle + 1;
    else high = middle;
  }
  return low < d->entry_count && compare(d, &d->entries[low], schema, name) == 0 ? (int)low : -1;
}

void lb_pg_definitions_settle(lb_pg_definitions *d)
{
  size_t kept = 0;
  if (d->entry_count) qsort_r(d->entries, d->entry_count, sizeof *d->entries, compare_entries, d);
  for (size_t i = 0; i < d->entry_count; i++) {
    const entry *e = &d->entries[i];
    if (kept && compare(d, &d->entries[kept - 1], at(d, e->schema), at(d, e->name)) == 0) continue;
    d->entries[kept++] = *e;
  }
  d->entry_count = kept;
  for (size_t i = 0; i < d->partitions.count; i++) {
    const link *l = &d->partitions.list[i];
    int child = lb_pg_definition_find(d, at(d, l->schema), at(d, l->name));
    if (child >= 0) d->entries[child].parent = lb_pg_definition_find(d, at(d, l->parent_schema), at(d, l->parent));
  }
}

int lb_pg_definitions_count(const lb_pg_definitions *d)
{
  return (int)d->entry_count;
}

lb_pg_definition lb_pg_definition_at(const lb_pg_definitions *d, int i)
{
  const entry *e = &d->entries[i];
  return (lb_pg_definition){ e->kind, at(d, e->schema), at(d, e->name) };
}

int lb_pg_definition_parent(const lb_pg_definitions *d, int i)
{
  return d->entries[i].parent;
}

/* ---- columns ---- */

static lb_pg_kind kind_of_type(const lb_pg_definitions *d, text schema, text type, bool array)
{
  for (int depth = 0; depth < DEPTH_MAX && !array && type; depth++) {
    if (!schema || strcmp(at(d, schema), "pg_catalog") == 0) return lb_pg_kind_of(at(d, type));
    int i = lb_pg_definition_find(d, at(d, schema), at(d, type));
    if (i < 0 || d->entries[i].kind != LB_DDL_DOMAIN) break;
    schema = d->entries[i].of_schema;
    type = d->entries[i].of;
    array = d->entries[i].array;
  }
  return LB_PG_TEXT;
}

typedef struct gathered {
  const column **list;
  bool *generated;     /* of each: the definition nearest to the table counts */
  size_t count;
  int tables;          /* looked at so far */
} gathered;

/* Columns of the same name are one: a partition's or an heir's own definition says more about it. */
static int gather_own(const lb_pg_definitions *d, const entry *e, gathered *g, lb_error *err)
{
  for (size_t k = 0; k < e->column_count; k++) {
    const column *c = &d->columns[e->columns + k];
    size_t i = 0;
    while (i < g->count && strcmp(at(d, g->list[i]->name), at(d, c->name)) != 0) i++;
    if (i < g->count) {
      if (c->type) g->list[i] = c;
      g->generated[i] = g->generated[i] || c->generated;
      continue;
    }
    if (g->count == COLUMNS_MAX) return lb_fail(err, LB_UNSUPPORTED, "it has more columns than any server takes");
    g->generated[g->count] = c->generated;
    g->list[g->count++] = c;
  }
  return LB_OK;
}

/* Recursive, as deep as tables are above each other: the number of tables bounds that as well. */
static int gather(const lb_pg_definitions *d, int i, gathered *g, lb_error *err)
{
  const entry *e = &d->entries[i];
  if (g->tables++ == ANCESTORS_MAX) {
    return lb_fail(err, LB_UNSUPPORTED, "it inherits from more than %d tables", ANCESTORS_MAX);
  }
  bool takes_over = e->of && e->kind != LB_DDL_DOMAIN;
  int of = takes_over ? lb_pg_definition_find(d, at(d, e->of_schema), at(d, e->of)) : -1;
  if (of >= 0 && gather(d, of, g, err)) return err->code;
  for (size_t k = 0; k < e->parent_count; k++) {
    const link *l = &d->inherits.list[e->parents + k];
    int parent = lb_pg_definition_find(d, at(d, l->parent_schema), at(d, l->parent));
    if (parent >= 0 && gather(d, parent, g, err)) return err->code;
  }
  return gather_own(d, e, g, err);
}

int lb_pg_definition_columns(const lb_pg_definitions *d, int i, lb_pg_column **columns, int *count, lb_error *err)
{
  gathered g = { .list = calloc(COLUMNS_MAX, sizeof *g.list), .generated = calloc(COLUMNS_MAX, sizeof *g.generated) };
  *columns = NULL;
  *count = 0;
  if (!g.list || !g.generated) lb_fail_nomem(err);
  else gather(d, i, &g, err);
  if (!err->code && !(*columns = calloc(g.count + 1, sizeof **columns))) lb_fail_nomem(err);
  for (size_t k = 0; k < g.count && !err->code; k++) {
    const column *c = g.list[k];
    if (g.generated[k]) continue;
    (*columns)[(*count)++] =
        (lb_pg_column){ at(d, c->name), kind_of_type(d, c->type_schema, c->type, c->array) };
  }
  free(g.list);
  free(g.generated);
  return err->code;
}

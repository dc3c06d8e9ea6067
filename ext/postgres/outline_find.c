/* See outline.h. Here: from names that somebody wrote to tables of the script. */
#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "postgres/outline.h"

enum { NAMES_TOLD = 30, DEPTH_MAX = 100 };  /* of partitions below one another */

typedef struct request {
  const char *text;       /* as it was written */
  lb_buf schema, name;    /* by psql's rules; schema.len 0: none was given */
} request;

typedef struct found {
  const char *schema, *name;
} found;

typedef struct finding {
  const lb_pg_outline *outline;
  found *list;            /* what fits a request */
  int count;
} finding;

/* ---- names ---- */

/* false: it cannot be a name. */
static bool parse(request *r)
{
  lb_buf *part = &r->name;
  bool quoted = false, dotted = false;
  for (const char *p = r->text; *p; p++) {
    char c = *p >= 'A' && *p <= 'Z' && !quoted ? (char)(*p - 'A' + 'a') : *p;
    if (c == '"' && quoted && p[1] == '"') {
      lb_buf_append(part, p++, 1);
    } else if (c == '"') {
      quoted = !quoted;
    } else if (c == '.' && !quoted) {
      if (dotted) return false;
      dotted = true;
      r->schema = r->name;
      r->name = (lb_buf){ 0 };
      part = &r->name;
    } else {
      lb_buf_append(part, &c, 1);
    }
  }
  return !quoted && r->name.len && (!dotted || r->schema.len);
}

/* Also as it stands: what backup_contents tells, without having to quote it. */
static bool fits_as_it_stands(const request *r, const char *schema, const char *name)
{
  size_t n = strlen(schema);
  if (strcmp(r->text, name) == 0) return true;
  return strncmp(r->text, schema, n) == 0 && r->text[n] == '.' && strcmp(r->text + n + 1, name) == 0;
}

static bool fits(const request *r, const char *schema, const char *name)
{
  if (!r->name.len || strcmp(r->name.data, name) != 0) return false;
  return !r->schema.len || strcmp(r->schema.data, schema) == 0;
}

/* ---- what fits ---- */

static int add(finding *f, const char *schema, const char *name, lb_error *err)
{
  for (int i = 0; i < f->count; i++) {
    if (strcmp(f->list[i].schema, schema) == 0 && strcmp(f->list[i].name, name) == 0) return LB_OK;
  }
  found *list = realloc(f->list, ((size_t)f->count + 1) * sizeof *list);
  if (!list) return lb_fail_nomem(err);
  f->list = list;
  list[f->count++] = (found){ schema, name };
  return LB_OK;
}

/* Tables with rows, and partitioned ones above them. */
static int collect(finding *f, const request *r, bool (*match)(const request *, const char *, const char *),
                   lb_error *err)
{
  const lb_pg_outline *o = f->outline;
  for (int i = 0; i < o->table_count && !err->code; i++) {
    if (match(r, o->tables[i].schema, o->tables[i].name)) add(f, o->tables[i].schema, o->tables[i].name, err);
  }
  for (int i = 0; i < o->partition_count && !err->code; i++) {
    const lb_pg_attached *a = &o->partitions[i];
    if (match(r, a->parent_schema, a->parent)) add(f, a->parent_schema, a->parent, err);
  }
  return err->code;
}

static void put_table(lb_buf *out, const char *schema, const char *name)
{
  lb_buf_printf(out, "%s%s%s%s", out->len ? ", " : "", schema, *schema ? "." : "", name);
}

static int fail_unknown(const finding *f, const request *r, lb_error *err)
{
  const lb_pg_outline *o = f->outline;
  lb_buf names = { 0 };
  for (int i = 0; i < o->table_count && i < NAMES_TOLD; i++) {
    put_table(&names, o->tables[i].schema, o->tables[i].name);
  }
  if (o->table_count > NAMES_TOLD) lb_buf_text(&names, ", …");
  lb_fail(err, LB_MISUSE, "it has no rows of a table \"%.200s\" (it has those of: %s)%s", r->text,
          names.data ? names.data : "none",
          o->inserts ? "; its INSERT statements are not taken apart: restore it into a new database, and take the "
                       "table from there" : "");
  lb_buf_free(&names);
  return err->code;
}

static int fail_several(const finding *f, const request *r, lb_error *err)
{
  lb_buf names = { 0 };
  for (int i = 0; i < f->count && i < NAMES_TOLD; i++) put_table(&names, f->list[i].schema, f->list[i].name);
  lb_fail(err, LB_MISUSE, "there are several tables \"%.200s\": %s (name the schema as well, and put what is not in "
          "lower case in double quotes)", r->text,
          names.data ? names.data : "");
  lb_buf_free(&names);
  return err->code;
}

/* ---- what belongs to it ---- */

static int compare_child(const void *key, const void *partition)
{
  const found *k = key;
  const lb_pg_attached *p = partition;
  int order = strcmp(k->schema, p->schema);
  return order ? order : strcmp(k->name, p->name);
}

/* Whether a table is the one, or a partition below it. A hostile script may lead in a circle. */
static bool is_below(const lb_pg_outline *o, const char *schema, const char *name, const found *top)
{
  found at = { schema, name };
  for (int depth = 0; depth <= DEPTH_MAX; depth++) {
    if (strcmp(at.schema, top->schema) == 0 && strcmp(at.name, top->name) == 0) return true;
    const lb_pg_attached *p = o->partition_count ? bsearch(&at, o->partitions, (size_t)o->partition_count,
                                                           sizeof *o->partitions, compare_child) : NULL;
    if (!p) return false;
    at = (found){ p->parent_schema, p->parent };
  }
  return false;
}

static int want(const lb_pg_outline *o, const found *f, lb_pg_wanted *w, lb_error *err)
{
  *w = (lb_pg_wanted){ .schema = lb_text_copy(f->schema, err), .name = lb_text_copy(f->name, err) };
  w->tables = calloc((size_t)o->table_count + 1, sizeof *w->tables);
  if (!w->tables) lb_fail_nomem(err);
  for (int i = 0; i < o->table_count && !err->code; i++) {
    if (is_below(o, o->tables[i].schema, o->tables[i].name, f)) w->tables[w->count++] = i;
  }
  return err->code;
}

static int refuse_overlap(const lb_pg_wanted *list, int count, lb_error *err)
{
  for (int a = 0; a < count; a++) {
    for (int b = 0; b < a; b++) {
      for (int i = 0; i < list[a].count; i++) {
        for (int j = 0; j < list[b].count; j++) {
          if (list[a].tables[i] != list[b].tables[j]) continue;
          return lb_fail(err, LB_MISUSE, "of the tables %s and %s one is part of the other: name one of them",
                         list[a].name, list[b].name);
        }
      }
    }
  }
  return LB_OK;
}

static int find_one(const lb_pg_outline *o, const char *text, lb_pg_wanted *list, int *count, lb_error *err)
{
  finding f = { .outline = o };
  request r = { .text = text };
  bool named = parse(&r);
  if (r.name.failed || r.schema.failed) lb_fail_nomem(err);
  if (!err->code && named) collect(&f, &r, fits, err);
  if (!err->code && (!f.count || !strchr(text, '"'))) collect(&f, &r, fits_as_it_stands, err);
  if (!err->code && !f.count) fail_unknown(&f, &r, err);
  if (!err->code && f.count > 1) fail_several(&f, &r, err);
  bool there = false;
  for (int i = 0; !err->code && i < *count; i++) {
    if (strcmp(list[i].name, f.list[0].name) == 0 && strcmp(list[i].schema, f.list[0].schema) == 0) there = true;
  }
  if (!err->code && !there && want(o, &f.list[0], &list[(*count)++], err) == LB_OK && !list[*count - 1].count) {
    fail_unknown(&f, &r, err);  /* a partitioned table whose partitions' rows are not there */
  }
  free(f.list);
  lb_buf_free(&r.schema);
  lb_buf_free(&r.name);
  return err->code;
}

int lb_pg_outline_find(const lb_pg_outline *o, char *const *names, int count, lb_pg_wanted **wanted, int *wanted_count,
                       lb_error *err)
{
  *wanted_count = 0;
  *wanted = calloc((size_t)count + 1, sizeof **wanted);
  if (!*wanted) return lb_fail_nomem(err);
  for (int i = 0; i < count && !err->code; i++) find_one(o, names[i], *wanted, wanted_count, err);
  return err->code ? err->code : refuse_overlap(*wanted, *wanted_count, err);
}

void lb_pg_wanted_free(lb_pg_wanted *wanted, int count)
{
  for (int i = 0; i < count; i++) {
    free(wanted[i].schema);
    free(wanted[i].name);
    free(wanted[i].tables);
  }
  free(wanted);
}

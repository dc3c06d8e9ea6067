/* See filter.h. */
#include "postgres/filter.h"

#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "postgres/quote.h"
#include "sql/filter_partitions.h"
#include "sql/filter_unfit.h"

/* ---- patterns to array parameters ---- */

enum { SCHEMAS = 0, TABLES = 1, EXCLUDED = 3 };  /* places in lb_pg_patterns; of tables the name is one behind */

typedef struct pattern_sink {
  lb_pg_patterns *p;
  int schema, name;  /* places; name -1: a pattern of schemas */
} pattern_sink;

/* A pattern without a dot means that schema, or a table in any schema. */
static int take_pattern(void *ctx, const char *text, lb_error *err)
{
  pattern_sink *s = ctx;
  lb_buf schema = { 0 }, name = { 0 };
  bool understood = lb_pg_pattern(text, &schema, &name);
  bool dotted = schema.len > 0;
  if (schema.failed || name.failed) lb_fail_nomem(err);
  else if (!understood || (s->name < 0 && dotted)) {
    lb_fail(err, LB_MISUSE, "pattern \"%s\": must be %s (with * and ? for any characters, \"…\" to keep case)", text,
            s->name < 0 ? "the name of a schema" : "table or schema.table");
  } else if (s->name < 0) {
    lb_pg_put_element(&s->p->text[s->schema], name.data);
  } else {
    lb_pg_put_element(&s->p->text[s->schema], dotted ? schema.data : "");
    lb_pg_put_element(&s->p->text[s->name], name.data);
  }
  lb_buf_free(&schema);
  lb_buf_free(&name);
  return err->code;
}

static int read_list(lb_json *json, const char *list, lb_pg_patterns *p, int schema, int name, lb_error *err)
{
  pattern_sink sink = { p, schema, name };
  if (!list) return LB_OK;
  if (lb_json_each_text(json, list, take_pattern, &sink, err)) return err->code;
  p->given[schema] = true;
  lb_pg_end_array(&p->text[schema]);
  if (name >= 0) {
    p->given[name] = true;
    lb_pg_end_array(&p->text[name]);
  }
  return p->text[schema].failed || (name >= 0 && p->text[name].failed) ? lb_fail_nomem(err) : LB_OK;
}

int lb_pg_patterns_read(lb_json *json, const lb_pg_filter *filter, lb_pg_patterns *patterns, lb_error *err)
{
  memset(patterns, 0, sizeof *patterns);
  if (read_list(json, filter->schemas, patterns, SCHEMAS, -1, err) == LB_OK &&
      read_list(json, filter->tables, patterns, TABLES, TABLES + 1, err) == LB_OK) {
    read_list(json, filter->exclude_tables, patterns, EXCLUDED, EXCLUDED + 1, err);
  }
  if (err->code) lb_pg_patterns_free(patterns);
  return err->code;
}

PGresult *lb_pg_patterns_query(lb_pg *pg, const char *sql, const lb_pg_patterns *patterns, lb_error *err)
{
  const char *values[LB_PG_PATTERNS];
  for (int i = 0; i < LB_PG_PATTERNS; i++) values[i] = patterns->given[i] ? patterns->text[i].data : NULL;
  return lb_pg_query(pg, err, sql, LB_PG_PATTERNS, values);
}

void lb_pg_patterns_free(lb_pg_patterns *patterns)
{
  for (int i = 0; i < LB_PG_PATTERNS; i++) lb_buf_free(&patterns->text[i]);
  memset(patterns, 0, sizeof *patterns);
}

/* ---- partitions ---- */

static int put_given(void *ctx, const char *text, lb_error *err)
{
  (void)err;
  lb_json_put_item(ctx, text);
  return LB_OK;
}

static int put_partition(const lb_pg *pg, lb_buf *list, const char *schema, const char *name, lb_error *err)
{
  lb_buf pattern = { 0 };
  lb_pg_put_qualified(&pattern, schema, name);
  if (list->len > 1) lb_buf_text(list, ",");
  if (pattern.failed) lb_fail_nomem(err);
  else if (!lb_json_put_bytes(list, pattern.data, pattern.len)) {
    lb_fail(err, LB_UNSUPPORTED, "%s: a partition of a table that \"tables\" or \"exclude_tables\" names has a name "
            "that is not UTF-8: choose by \"schemas\", or back up all", pg->label);
  }
  lb_buf_free(&pattern);
  return err->code;
}

/* The list, and the partitions that its patterns mean without naming them; NULL as NULL. */
static char *with_partitions(lb_pg *pg, lb_json *json, char *list, lb_error *err)
{
  lb_pg_filter only = { .tables = list };
  lb_pg_patterns patterns;
  if (!list || lb_pg_patterns_read(json, &only, &patterns, err)) return NULL;
  const char *values[] = { patterns.text[TABLES].data, patterns.text[TABLES + 1].data };
  PGresult *rows = lb_pg_query(pg, err, lb_sql_filter_partitions, 2, values);
  lb_buf out = { 0 };
  lb_buf_text(&out, "[");
  if (rows) lb_json_each_text(json, list, put_given, &out, err);
  for (int i = 0; rows && i < PQntuples(rows) && !err->code; i++) {
    put_partition(pg, &out, PQgetvalue(rows, i, 0), PQgetvalue(rows, i, 1), err);
  }
  lb_buf_text(&out, "]");
  PQclear(rows);
  lb_pg_patterns_free(&patterns);
  char *text = err->code ? NULL : lb_buf_take(&out);
  if (!text && !err->code) lb_fail_nomem(err);
  if (!text) lb_buf_free(&out);
  return text;
}

/* ---- what fits nothing ---- */

enum { OF_TABLES, PLACE, IS_EXCLUDED };  /* columns of filter_unfit.sql */

typedef struct naming {
  const PGresult *unfit;
  bool tables, excluded;  /* which of them */
  int place;              /* in the list, from 1 */
  lb_buf names;
} naming;

static int name_unfit(void *ctx, const char *pattern, lb_error *err)
{
  naming *n = ctx;
  (void)err;
  n->place++;
  for (int i = 0; i < PQntuples(n->unfit); i++) {
    bool tables = PQgetvalue(n->unfit, i, OF_TABLES)[0] == 't';
    bool excluded = PQgetvalue(n->unfit, i, IS_EXCLUDED)[0] == 't';
    if (tables != n->tables || excluded != n->excluded || atoi(PQgetvalue(n->unfit, i, PLACE)) != n->place) continue;
    lb_buf_printf(&n->names, "%s\"%s\"", n->names.len ? ", " : "", pattern);
  }
  return LB_OK;
}

static int fail_unfit(const lb_pg *pg, lb_json *json, const PGresult *unfit, const char *list, bool tables,
                      bool excluded, const char *words, lb_error *err)
{
  naming n = { .unfit = unfit, .tables = tables, .excluded = excluded };
  if (list && lb_json_each_text(json, list, name_unfit, &n, err) == LB_OK && n.names.len) {
    lb_fail(err, LB_NOTFOUND, words, pg->label, n.names.data);
  }
  lb_buf_free(&n.names);
  return err->code;
}

static int check_fit(lb_pg *pg, lb_json *json, const lb_pg_filter *f, lb_error *err)
{
  lb_pg_patterns patterns;
  if ((!f->schemas && !f->tables) || lb_pg_patterns_read(json, f, &patterns, err)) return err->code;
  PGresult *unfit = lb_pg_patterns_query(pg, lb_sql_filter_unfit, &patterns, err);
  if (unfit && PQntuples(unfit) &&
      fail_unfit(pg, json, unfit, f->schemas, false, false, "%s: no schema fits %s", err) == LB_OK &&
      fail_unfit(pg, json, unfit, f->tables, true, false, "%s: no table fits %s", err) == LB_OK) {
    fail_unfit(pg, json, unfit, f->tables, true, true, "%s: exclude_tables leaves nothing of what fits %s", err);
  }
  PQclear(unfit);
  lb_pg_patterns_free(&patterns);
  return err->code;
}

int lb_pg_filter_expand(lb_pg *pg, lb_json *json, const lb_pg_filter *wanted, lb_pg_filter *expanded, lb_error *err)
{
  *expanded = (lb_pg_filter){ .data_only = wanted->data_only, .schema_only = wanted->schema_only };
  if (wanted->schemas) expanded->schemas = lb_text_copy(wanted->schemas, err);
  if (!err->code) expanded->tables = with_partitions(pg, json, wanted->tables, err);
  if (!err->code) expanded->exclude_tables = with_partitions(pg, json, wanted->exclude_tables, err);
  /* Of partitions that go along some may be left out. */
  lb_pg_filter asked = { .schemas = wanted->schemas, .tables = wanted->tables,
                         .exclude_tables = expanded->exclude_tables };
  if (!err->code) check_fit(pg, json, &asked, err);
  if (err->code) lb_pg_filter_free(expanded);
  return err->code;
}

void lb_pg_filter_free(lb_pg_filter *expanded)
{
  free(expanded->schemas);
  free(expanded->tables);
  free(expanded->exclude_tables);
  memset(expanded, 0, sizeof *expanded);
}

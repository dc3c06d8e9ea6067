/* See ddl.h. */
#include "postgres/ddl.h"

#include <string.h>

/* ---- types and columns ---- */

/* What may follow a type in the definition of a column. WITH does not end one ("timestamp with time zone"). */
static bool ends_type(const lb_tokens *t)
{
  static const char *const words[] = { "collate", "default", "generated", "not", "null", "constraint", "check",
                                       "primary", "unique", "references", "storage", "compression", "options" };
  for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
    if (lb_token_is(t, words[i])) return true;
  }
  return t->type == LB_TOKEN_END || lb_token_is_symbol(t, ',') || lb_token_is_symbol(t, ')');
}

static void read_type(lb_tokens *t, lb_ddl_type *type)
{
  *type = (lb_ddl_type){ 0 };
  if (lb_token_is(t, "with") || ends_type(t)) return;
  if (!lb_token_qualified(t, &type->name)) return;
  while (!ends_type(t)) {
    lb_span span;
    bool simple;
    if (lb_token_is_symbol(t, '[')) type->array = true;
    if (!lb_token_parentheses(t, &span, &simple)) lb_token_next(t);
  }
}

/* To the comma behind this column or constraint, and over it. Whether GENERATED ALWAYS AS (…) was met. */
static bool skip_element(lb_tokens *t)
{
  bool generated = false;
  while (t->type != LB_TOKEN_END && !lb_token_is_symbol(t, ')')) {
    lb_span span;
    bool simple;
    if (lb_token_is_symbol(t, ',')) {
      lb_token_next(t);
      break;
    }
    if (lb_token_is(t, "generated")) {
      lb_tokens look = *t;
      lb_token_next(&look);
      generated = generated || (lb_token_take(&look, "always") && lb_token_take(&look, "as") &&
                                lb_token_is_symbol(&look, '('));
    }
    if (!lb_token_parentheses(t, &span, &simple)) lb_token_next(t);
  }
  return generated;
}

/* A column may be called EXCLUDE, the other words are reserved. */
static bool is_constraint(const lb_tokens *t)
{
  static const char *const words[] = { "constraint", "check", "primary", "unique", "foreign", "like" };
  for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
    if (lb_token_is(t, words[i])) return true;
  }
  lb_tokens look = *t;
  return lb_token_take(&look, "exclude") && (lb_token_is(&look, "using") || lb_token_is_symbol(&look, '('));
}

bool lb_ddl_next_column(lb_tokens *t, lb_ddl_column *column)
{
  while (is_constraint(t)) skip_element(t);
  *column = (lb_ddl_column){ 0 };
  if (!lb_token_name(t, &column->name)) return false;
  read_type(t, &column->type);
  column->generated = skip_element(t);
  return true;
}

bool lb_ddl_next_parent(lb_tokens *t, lb_qualified *parent)
{
  if (!lb_token_qualified(t, parent)) return false;
  if (lb_token_is_symbol(t, ',')) lb_token_next(t);
  return true;
}

/* ---- statements ---- */

/* A list of columns, if there is one; goes on behind it. */
static void take_columns(lb_tokens *t, lb_ddl *ddl)
{
  lb_tokens open = *t;
  lb_span span;
  bool simple;
  if (!lb_token_parentheses(t, &span, &simple)) return;
  lb_token_next(&open);
  ddl->columns = open;
  ddl->has_columns = true;
}

static lb_ddl_kind read_table(lb_tokens *t, lb_ddl *ddl)
{
  if (lb_token_both(t, "if", "not")) lb_token_take(t, "exists");
  if (!lb_token_qualified(t, &ddl->name)) return LB_DDL_NONE;
  ddl->typed = lb_token_take(t, "of");
  ddl->partition = !ddl->typed && lb_token_both(t, "partition", "of");
  if ((ddl->typed || ddl->partition) && !lb_token_qualified(t, &ddl->of)) return LB_DDL_NONE;
  take_columns(t, ddl);
  if (lb_token_take(t, "inherits") && lb_token_is_symbol(t, '(')) {
    lb_token_next(t);
    ddl->inherits = *t;
  }
  while (lb_token_seek(t, "partition")) {
    if (lb_token_is(t, "by")) return LB_DDL_PARTITIONED;
  }
  return LB_DDL_TABLE;
}

static lb_ddl_kind read_create(lb_tokens *t, lb_ddl *ddl)
{
  if (lb_token_take(t, "table") || lb_token_both(t, "unlogged", "table")) return read_table(t, ddl);
  if (lb_token_both(t, "foreign", "table")) return read_table(t, ddl) ? LB_DDL_FOREIGN : LB_DDL_NONE;
  if (lb_token_take(t, "type")) {
    if (!lb_token_qualified(t, &ddl->name) || !lb_token_take(t, "as")) return LB_DDL_NONE;
    take_columns(t, ddl);
    return ddl->has_columns ? LB_DDL_TYPE : LB_DDL_NONE;
  }
  if (lb_token_take(t, "domain")) {
    if (!lb_token_qualified(t, &ddl->name)) return LB_DDL_NONE;
    lb_token_take(t, "as");
    read_type(t, &ddl->type);
    return LB_DDL_DOMAIN;
  }
  lb_token_both(t, "or", "replace");
  if (!lb_token_take(t, "materialized")) lb_token_take(t, "recursive");
  return lb_token_take(t, "view") && lb_token_qualified(t, &ddl->name) ? LB_DDL_VIEW : LB_DDL_NONE;
}

static lb_ddl_kind read_attach(lb_tokens *t, lb_ddl *ddl)
{
  if (!lb_token_take(t, "table")) return LB_DDL_NONE;
  if (lb_token_both(t, "if", "exists")) lb_token_take(t, "only");
  else lb_token_take(t, "only");
  bool attach = lb_token_qualified(t, &ddl->name) && lb_token_both(t, "attach", "partition");
  return attach && lb_token_qualified(t, &ddl->of) ? LB_DDL_ATTACH : LB_DDL_NONE;
}

static lb_ddl_kind read_copy(lb_tokens *t, lb_ddl *ddl)
{
  if (!lb_token_qualified(t, &ddl->name)) return LB_DDL_NONE;
  take_columns(t, ddl);
  if (!lb_token_both(t, "from", "stdin")) return LB_DDL_NONE;
  ddl->plain = t->type == LB_TOKEN_END;
  return LB_DDL_COPY;
}

/* A value without its quotes. */
static lb_span value_of(const lb_tokens *t)
{
  bool quoted = t->type == LB_TOKEN_STRING && t->span.len >= 2 && *t->span.at == '\'';
  return quoted ? (lb_span){ t->span.at + 1, t->span.len - 2 } : t->span;
}

/* The first name of the path: a word, in double quotes, or in a string, as in '' and '"$user", public'. */
static lb_ddl_kind read_path(lb_tokens *t, lb_ddl *ddl)
{
  lb_span value = value_of(t);
  lb_tokens inner = lb_tokens_begin(value.at, value.len);
  lb_token_name(&inner, &ddl->name.name);
  return LB_DDL_SEARCH_PATH;
}

static lb_ddl_kind read_set(lb_tokens *t, lb_ddl *ddl)
{
  lb_span setting = { 0 };
  if (!lb_token_take(t, "session")) lb_token_take(t, "local");
  if (!lb_token_name(t, &setting)) return LB_DDL_NONE;
  if (lb_token_is_symbol(t, '=')) lb_token_next(t);
  else lb_token_take(t, "to");
  if (lb_span_is(setting, "search_path")) return read_path(t, ddl);
  lb_span value = value_of(t);
  if (lb_span_is(setting, "client_encoding")) {
    ddl->name.name = value;
    return LB_DDL_ENCODING;
  }
  bool off = lb_span_is(value, "off") || lb_span_is(value, "false") || lb_span_is(value, "no") ||
             lb_span_is(value, "0");
  return lb_span_is(setting, "standard_conforming_strings") && off ? LB_DDL_BACKSLASHES : LB_DDL_NONE;
}

/* SELECT pg_catalog.set_config('search_path', '', false) */
static lb_ddl_kind read_select(lb_tokens *t, lb_ddl *ddl)
{
  static const char setting[] = "'search_path'";
  lb_qualified function;
  if (!lb_token_qualified(t, &function) || !lb_span_is(function.name, "set_config")) return LB_DDL_NONE;
  if (!lb_token_is_symbol(t, '(')) return LB_DDL_NONE;
  lb_token_next(t);
  if (t->span.len != sizeof setting - 1 || memcmp(t->span.at, setting, t->span.len) != 0) return LB_DDL_NONE;
  lb_token_next(t);
  if (!lb_token_is_symbol(t, ',')) return LB_DDL_NONE;
  lb_token_next(t);
  return read_path(t, ddl);
}

static lb_ddl_kind read_kind(lb_tokens *t, lb_ddl *ddl)
{
  if (lb_token_take(t, "create")) return read_create(t, ddl);
  if (lb_token_take(t, "alter")) return read_attach(t, ddl);
  if (lb_token_take(t, "copy")) return read_copy(t, ddl);
  if (lb_token_take(t, "set")) return read_set(t, ddl);
  if (lb_token_take(t, "select")) return read_select(t, ddl);
  if (lb_token_both(t, "insert", "into")) return lb_token_qualified(t, &ddl->name) ? LB_DDL_INSERT : LB_DDL_NONE;
  return LB_DDL_NONE;
}

void lb_ddl_read(const char *sql, size_t len, lb_ddl *ddl)
{
  lb_tokens t = lb_tokens_begin(sql, len);
  *ddl = (lb_ddl){ 0 };
  ddl->kind = read_kind(&t, ddl);
}

/* See copy_columns.h. */
#include "postgres/copy_columns.h"

#include <stdlib.h>
#include <string.h>

#include "postgres/encoding.h"
#include "postgres/quote.h"
#include "postgres/statement.h"
#include "sql/copy_columns.h"

static bool is_plain(const char *sql, size_t len, lb_qualified *table, lb_span *columns)
{
  if (!lb_statement_copy(sql, len, table, columns) || columns->len == 0) return false;
  lb_tokens t = lb_tokens_begin(columns->at + columns->len, len - (size_t)(columns->at + columns->len - sql));
  return lb_token_take(&t, "from") && lb_token_take(&t, "stdin") && t.type == LB_TOKEN_END;
}

typedef struct list {
  lb_buf array;  /* of names, as PostgreSQL writes an array */
  int count;
} list;

/* A name without a character is an error of the script, which the server tells. */
static bool take_name(void *ctx, lb_span span)
{
  list *names = ctx;
  lb_buf name = { 0 };
  lb_span_name(span, &name);
  bool taken = name.len > 0;
  if (taken) lb_pg_put_element(&names->array, name.data);
  names->array.failed = names->array.failed || name.failed;
  names->count++;
  lb_buf_free(&name);
  return taken && !names->array.failed;
}

static PGresult *ask(lb_pg *pg, const char *what, const lb_qualified *table, const list *names, lb_error *err)
{
  lb_buf schema = { 0 }, name = { 0 };
  lb_error why = LB_ERROR_INIT;
  PGresult *types = NULL;
  lb_span_name(table->schema, &schema);
  lb_span_name(table->name, &name);
  const char *params[] = { schema.len ? schema.data : NULL, name.len ? name.data : "", names->array.data };
  if (schema.failed || name.failed) lb_fail_nomem(err);
  else types = lb_pg_query(pg, &why, lb_sql_copy_columns, 3, params);
  lb_error_prefix(&why, "%s: looking up its columns: ", what);
  if (why.code) lb_fail(err, (lb_code)why.code, "%s", why.message);
  lb_buf_free(&schema);
  lb_buf_free(&name);
  return types;
}

/* NULL without an error: a type is not known, or a column missing. */
static lb_wire *read_wires(const PGresult *types, int count, lb_error *err)
{
  if (PQntuples(types) != count) return NULL;
  lb_wire *wires = calloc((size_t)count + 1, sizeof *wires);
  bool known = wires != NULL;
  if (!wires) lb_fail_nomem(err);
  for (int i = 0; i < count && known; i++) {
    wires[i] = lb_wire_of((uint32_t)strtoul(PQgetvalue(types, i, 0), NULL, 10));
    known = wires[i] != LB_WIRE_NONE;
  }
  if (known) return wires;
  free(wires);
  return NULL;
}

int lb_copy_columns_know(lb_pg *pg, const char *sql, size_t len, const char *what, lb_qualified *table,
                         lb_span *columns, lb_wire **wires, int *count, lb_error *err)
{
  list names = { 0 };
  *wires = NULL;
  if (!lb_pg_encoding_has_ascii(PQparameterStatus(pg->conn, "client_encoding")) ||
      !is_plain(sql, len, table, columns)) {
    return LB_OK;
  }
  if (lb_statement_names(*columns, take_name, &names)) {
    lb_pg_end_array(&names.array);
    PGresult *types = names.array.failed ? NULL : ask(pg, what, table, &names, err);
    if (types) *wires = read_wires(types, names.count, err);
    PQclear(types);
  }
  *count = names.count;
  if (names.array.failed) lb_fail_nomem(err);
  lb_buf_free(&names.array);
  return err->code;
}

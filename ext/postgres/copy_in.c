/* See copy_in.h. */
#include "postgres/copy_in.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "postgres/results.h"
#include "postgres/statement.h"

enum { PIECE_BYTES = 128 * 1024, COLUMNS_MOST = 1600 };
enum { NAME, TYPE, CLASS };  /* columns of types_query */

/* The columns of a table and their types, a domain's being what it is made of. The script has the search_path by now,
** and may have operators of its own in it. */
static const char types_query[] =
  "WITH RECURSIVE base(name, type) AS ("
  "SELECT attname, atttypid FROM pg_catalog.pg_attribute "
  "WHERE attrelid OPERATOR(pg_catalog.=) pg_catalog.to_regclass($1) AND attnum OPERATOR(pg_catalog.>) 0 "
  "AND NOT attisdropped UNION ALL "
  "SELECT b.name, t.typbasetype FROM base b JOIN pg_catalog.pg_type t ON t.oid OPERATOR(pg_catalog.=) b.type "
  "WHERE t.typtype OPERATOR(pg_catalog.=) 'd') "
  "SELECT b.name, b.type, t.typtype FROM base b JOIN pg_catalog.pg_type t ON t.oid OPERATOR(pg_catalog.=) b.type "
  "WHERE t.typtype OPERATOR(pg_catalog.<>) 'd'";

/* ---- which columns ---- */

typedef struct choice {
  lb_copy_in *copy;
  const PGresult *types;
  lb_buf name;
} choice;

static bool take_column(void *ctx, lb_span span)
{
  choice *c = ctx;
  lb_copy_in *copy = c->copy;
  c->name.len = 0;
  lb_span_name(span, &c->name);
  if (c->name.failed || copy->columns == COLUMNS_MOST) return false;
  for (int row = 0; row < PQntuples(c->types); row++) {
    if (strcmp(PQgetvalue(c->types, row, NAME), c->name.data) != 0) continue;
    bool is_enum = *PQgetvalue(c->types, row, CLASS) == 'e';
    lb_wire wire = is_enum ? LB_WIRE_STRING : lb_wire_of((uint32_t)strtoul(PQgetvalue(c->types, row, TYPE), NULL, 10));
    copy->wires[copy->columns++] = wire;
    return wire != LB_WIRE_NONE;
  }
  return false;
}

/* *known: every column is of a type that can be sent in its binary form. */
static int know_columns(lb_copy_in *copy, const lb_qualified *table, lb_span columns, bool *known, lb_error *err)
{
  choice c = { .copy = copy };
  lb_buf name = { 0 };
  *known = false;
  lb_buf_append(&name, table->whole.at, table->whole.len);
  const char *params[] = { name.data };
  PGresult *types = name.failed ? NULL : lb_pg_query(copy->pg, err, types_query, 1, params);
  copy->wires = calloc(COLUMNS_MOST, sizeof *copy->wires);
  c.types = types;
  if (types && copy->wires) *known = lb_statement_names(columns, take_column, &c);
  if (!err->code && (name.failed || c.name.failed || !copy->wires)) lb_fail_nomem(err);
  PQclear(types);
  lb_buf_free(&name);
  lb_buf_free(&c.name);
  return err->code;
}

/* COPY table (columns) FROM stdin, and nothing behind it. */
static bool is_plain(const char *sql, size_t len, lb_qualified *table, lb_span *columns)
{
  if (!lb_statement_copy(sql, len, table, columns) || columns->len == 0) return false;
  lb_tokens t = lb_tokens_begin(columns->at + columns->len, len - (size_t)(columns->at + columns->len - sql));
  return lb_token_take(&t, "from") && lb_token_take(&t, "stdin") && t.type == LB_TOKEN_END;
}

/* ---- the two forms ---- */

static void drop_binary(lb_copy_in *copy)
{
  free(copy->wires);
  lb_copy_rows_close(copy->cut);
  copy->wires = NULL;
  copy->cut = NULL;
}

static int begin_binary(lb_copy_in *copy, const lb_qualified *table, lb_span columns, lb_error *err)
{
  static const char header[] = "PGCOPY\n\xff\r\n\0" "\0\0\0\0" "\0\0\0\0";  /* no flags, no extension */
  lb_buf sql = { 0 };
  lb_buf_text(&sql, "COPY ");
  lb_buf_append(&sql, table->whole.at, table->whole.len);
  lb_buf_text(&sql, " ");
  lb_buf_append(&sql, columns.at, columns.len);
  lb_buf_text(&sql, " FROM stdin WITH (FORMAT binary)");
  copy->cut = lb_copy_rows_open(err);
  if (sql.failed) lb_fail_nomem(err);
  else if (copy->cut && lb_copy_rows_begin(copy->cut, copy->columns, 0, err) == LB_OK) {
    lb_copy_begin(copy->pg, sql.data, copy->what, err);
  }
  lb_buf_free(&sql);
  lb_buf_append(&copy->out, header, sizeof header - 1);
  return copy->out.failed ? lb_fail_nomem(err) : err->code;
}

int lb_copy_in_begin(lb_copy_in *copy, lb_pg *pg, const char *sql, size_t len, bool small, const char *what,
                     lb_error *err)
{
  lb_qualified table;
  lb_span columns;
  bool known = false;
  copy->pg = pg;
  copy->what = what;
  copy->columns = 0;
  copy->sent = copy->stored = 0;
  copy->out.len = 0;
  if (!small && is_plain(sql, len, &table, &columns) && know_columns(copy, &table, columns, &known, err)) {
    return err->code;
  }
  if (known) {
    copy->sql.len = 0;
    lb_buf_append(&copy->sql, sql, len);
    return copy->sql.failed ? lb_fail_nomem(err) : begin_binary(copy, &table, columns, err);
  }
  drop_binary(copy);
  return lb_copy_begin(pg, sql, what, err);
}

static int send(lb_copy_in *copy, lb_error *err)
{
  if (copy->out.failed) return lb_fail_nomem(err);
  lb_copy_put(copy->pg, copy->what, copy->out.data, copy->out.len, err);
  copy->out.len = 0;
  return err->code;
}

static int end_binary(lb_copy_in *copy, lb_error *err)
{
  lb_buf_append(&copy->out, "\xff\xff", 2);
  return send(copy, err) ? err->code : lb_copy_end(copy->pg, copy->what, NULL, err);
}

/* What was not sent yet goes as text, and so does all that follows. */
static int give_up(lb_copy_in *copy, lb_error *err)
{
  const char *rest;
  size_t n;
  if (end_binary(copy, err) || lb_results_wait(copy->pg, copy->what, &copy->stored, err)) return err->code;
  copy->from.len = 0;
  lb_buf_printf(&copy->from, "%s, from its row %" PRIu64 " on", copy->what, copy->sent + 1);
  if (copy->from.failed) return lb_fail_nomem(err);
  if (copy->sent) copy->what = copy->from.data;  /* the server counts lines from here */
  if (lb_copy_begin(copy->pg, copy->sql.data, copy->what, err)) return err->code;
  lb_copy_rows_rest(copy->cut, &rest, &n);
  lb_copy_put(copy->pg, copy->what, rest, n, err);
  drop_binary(copy);
  return err->code;
}

/* ---- rows ---- */

/* The row at hand in its binary form; false: it is left to the server, and nothing of it was appended. */
static bool put_row(lb_copy_in *copy)
{
  size_t mark = copy->out.len;
  unsigned char count[2];
  lb_error err = LB_ERROR_INIT;
  bool fits = true;
  lb_wire_u16(count, (uint16_t)copy->columns);
  lb_buf_append(&copy->out, count, sizeof count);
  for (int i = 0; i < copy->columns && fits; i++) {
    lb_copy_field f;
    fits = lb_copy_rows_field(copy->cut, i, &copy->field, &f, &err) == LB_OK && !f.coded;
    if (fits && f.null) lb_wire_put_null(&copy->out);
    else if (fits) fits = lb_wire_put(copy->wires[i], f.text, f.len, &copy->out);
  }
  if (!fits) copy->out.len = mark;
  return fits;
}

int lb_copy_in_put(lb_copy_in *copy, const char *data, size_t n, lb_error *err)
{
  lb_error row = LB_ERROR_INIT;
  bool found = true;
  int tag;
  if (!copy->wires) return lb_copy_put(copy->pg, copy->what, data, n, err);
  if (lb_copy_rows_put(copy->cut, data, n, err)) return err->code;
  if (memchr(data, '\r', n)) return give_up(copy, err);  /* line ends of another kind, or none the server would take */
  while (found && lb_copy_rows_next(copy->cut, &found, &tag, &row) == LB_OK) {
    if (found && !put_row(copy)) return give_up(copy, err);
    copy->sent += found;
    if (copy->out.len >= PIECE_BYTES && send(copy, err)) return err->code;
  }
  if (row.code || lb_copy_rows_pending(copy->cut) > LB_COPY_IN_ROW_MAX) return give_up(copy, err);
  return send(copy, err);
}

int lb_copy_in_end(lb_copy_in *copy, lb_error *err)
{
  if (copy->wires && lb_copy_rows_pending(copy->cut) && give_up(copy, err)) return err->code;
  if (!copy->wires) return lb_copy_end(copy->pg, copy->what, NULL, err);
  end_binary(copy, err);
  drop_binary(copy);
  return err->code;
}

void lb_copy_in_free(lb_copy_in *copy)
{
  drop_binary(copy);
  lb_buf_free(&copy->from);
  lb_buf_free(&copy->sql);
  lb_buf_free(&copy->out);
  lb_buf_free(&copy->field);
}

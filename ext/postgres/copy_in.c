/* See copy_in.h. */
#include "postgres/copy_in.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "postgres/copy_columns.h"
#include "postgres/results.h"

enum { PIECE_BYTES = 128 * 1024 };

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
  copy->out.len = 0;
  lb_buf_append(&copy->out, header, sizeof header - 1);
  return copy->out.failed ? lb_fail_nomem(err) : err->code;
}

/* The statement is sent, in the form that its data is to have. */
static int decide(lb_copy_in *copy, bool small, lb_error *err)
{
  lb_qualified table;
  lb_span columns;
  const lb_buf *sql = &copy->sql;
  copy->undecided = false;
  if (!small && lb_copy_columns_know(copy->pg, sql->data, sql->len, copy->what, &table, &columns, &copy->wires,
                                     &copy->columns, err)) {
    return err->code;
  }
  return copy->wires ? begin_binary(copy, &table, columns, err) : lb_copy_begin(copy->pg, sql->data, copy->what, err);
}

int lb_copy_in_begin(lb_copy_in *copy, lb_pg *pg, const char *sql, size_t len, int64_t bytes, const char *what,
                     lb_error *err)
{
  copy->pg = pg;
  copy->what = what;
  copy->sent = copy->stored = 0;
  copy->undecided = true;
  copy->held.len = copy->sql.len = 0;
  lb_buf_append(&copy->sql, sql, len);
  if (copy->sql.failed) return lb_fail_nomem(err);
  return bytes >= 0 ? decide(copy, bytes < LB_COPY_IN_SMALL, err) : LB_OK;
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

static int put(lb_copy_in *copy, const char *data, size_t n, lb_error *err)
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

int lb_copy_in_put(lb_copy_in *copy, const char *data, size_t n, lb_error *err)
{
  if (!copy->undecided) return put(copy, data, n, err);
  lb_buf_append(&copy->held, data, n);
  if (copy->held.failed) return lb_fail_nomem(err);
  if (copy->held.len < LB_COPY_IN_SMALL) return LB_OK;
  return decide(copy, false, err) ? err->code : put(copy, copy->held.data, copy->held.len, err);
}

int lb_copy_in_end(lb_copy_in *copy, lb_error *err)
{
  if (copy->undecided && (decide(copy, true, err) || put(copy, copy->held.data, copy->held.len, err))) return err->code;
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
  lb_buf_free(&copy->held);
  lb_buf_free(&copy->sql);
  lb_buf_free(&copy->out);
  lb_buf_free(&copy->field);
}

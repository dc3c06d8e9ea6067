/* See dump_long.h. */
#include "postgres/dump_long.h"

#include <string.h>

#include "postgres/quote.h"
#include "postgres/wire_text.h"

#define PIECE_BYTES "1048576"

enum { ATTRIBUTE, IS_BYTEA, PLACE, BYTES, COLUMNS };

static const lb_pg_relation *relation_of(const lb_dump_rows *r)
{
  return &r->tables->dump->relations->tables[r->chunk.relation];
}

void lb_dump_long_begin(lb_dump_rows *r)
{
  lb_dump_long *l = &r->rest;
  l->marked = relation_of(r)->marked != NULL;
  l->places.len = 0;
  l->left = 0;
  l->open = false;
}

int lb_dump_long_mark(lb_dump_rows *r, size_t before, lb_error *err)
{
  lb_buf *text = &r->chunk.text;
  char *row = text->data + before, *end = text->data + text->len - 1, *tab = memrchr(row, '\t', (size_t)(end - row));
  if (!tab || *end != '\n') return lb_fail(err, LB_ERROR, "a row of COPY has no end");
  bool is_long = end - tab != 3 || memcmp(tab, "\t\\N", 3) != 0;
  if (is_long) {
    *end = 0;
    lb_pg_put_element(&r->rest.places, tab + 1);
    r->rest.left++;
    lb_buf_end(text, row);
  } else {
    *tab = '\n';
    lb_buf_end(text, tab + 1);
  }
  return r->rest.places.failed ? lb_fail_nomem(err) : LB_OK;
}

/* The server makes a value once and cuts it then, as OFFSET 0 keeps the makings of a part of a query to itself: cut
** from the table, it would be unpacked anew for every piece. Only a long value has several. */
int lb_dump_long_query(lb_dump_rows *r, lb_buf *sql, lb_error *err)
{
  const lb_pg_relation *t = relation_of(r);
  lb_buf_printf(sql, "SELECT v.attribute, v.is_bytea, p.place, "
                "pg_catalog.substring(v.value, p.place + 1, " PIECE_BYTES ") FROM (SELECT %s FROM ONLY ", t->columns);
  lb_pg_put_qualified(sql, t->schema, t->name);
  lb_buf_printf(sql, " WHERE ctid = ANY ($1::pg_catalog.tid[]) OFFSET 0) AS r CROSS JOIN LATERAL (SELECT * FROM "
                "(VALUES %s) AS a(attribute, is_bytea, value) OFFSET 0) AS v CROSS JOIN LATERAL "
                "pg_catalog.generate_series(0, greatest(pg_catalog.octet_length(v.value) - 1, 0), " PIECE_BYTES ") "
                "AS p(place)", t->pieces);
  lb_pg_end_array(&r->rest.places);
  return sql->failed || r->rest.places.failed ? lb_fail_nomem(err) : LB_OK;
}

static int begin_row(lb_dump_long *l, lb_error *err)
{
  l->open = true;
  l->field = -1;
  l->bytes = 0;
  return lb_hasher_begin(&l->hasher) ? LB_OK : lb_fail_nomem(err);
}

static int end_row(lb_dump_rows *r, lb_error *err)
{
  lb_dump_chunk *c = &r->chunk;
  if (r->rest.left-- == 0) return lb_fail(err, LB_ERROR, "more long rows came than were asked for");
  r->rest.open = false;
  lb_buf_byte(&c->text, '\n');
  c->rows++;
  c->part_rows++;
  c->bytes++;
  if (r->tables->checksums) c->checksum += lb_hasher_end(&r->rest.hasher);
  return lb_dump_rows_pass(r, true, err);
}

/* A key that has ranges is short: it is whole in its first piece. */
static void take_key(lb_dump_rows *r, size_t from)
{
  lb_buf *text = &r->chunk.text;
  size_t end = text->len;
  lb_buf_byte(text, '\n');
  if (!text->failed) {
    lb_key_range_take(&r->chunk.keys, relation_of(r)->key_kind, 0, text->data + from, text->len - from);
  }
  text->len = end;
}

static int put_piece(lb_dump_rows *r, lb_wire wire, const PGresult *piece, bool begins, lb_error *err)
{
  lb_dump_long *l = &r->rest;
  lb_buf *text = &r->chunk.text;
  const unsigned char *value = (const unsigned char *)PQgetvalue(piece, 0, BYTES);
  size_t before = text->len, n = (size_t)PQgetlength(piece, 0, BYTES), from;
  if (begins && l->field > 0) lb_buf_byte(text, '\t');
  from = text->len;
  if (PQgetisnull(piece, 0, BYTES)) lb_buf_append(text, "\\N", 2);
  else if (begins) lb_wire_text(wire, value, n, text);
  else lb_wire_text_more(wire, value, n, text);
  if (begins && r->keyed && l->field == relation_of(r)->key_field) take_key(r, from);
  if (text->failed) return lb_fail_nomem(err);
  l->bytes += text->len - before;
  r->chunk.bytes += text->len - before;
  if (r->tables->checksums) lb_hasher_take(&l->hasher, text->data + before, text->len - before);
  return lb_dump_rows_check(l->bytes, err) ? err->code : lb_dump_rows_pass(r, false, err);
}

int lb_dump_long_take(lb_dump_rows *r, const PGresult *piece, lb_error *err)
{
  lb_dump_long *l = &r->rest;
  if (PQnfields(piece) != COLUMNS || PQgetlength(piece, 0, ATTRIBUTE) != 4 || PQgetlength(piece, 0, IS_BYTEA) != 1 ||
      PQgetlength(piece, 0, PLACE) != 4) {
    return lb_fail(err, LB_ERROR, "a piece of a row is none");
  }
  unsigned attribute = lb_wire_get_u32((const unsigned char *)PQgetvalue(piece, 0, ATTRIBUTE));
  bool begins = lb_wire_get_u32((const unsigned char *)PQgetvalue(piece, 0, PLACE)) == 0;
  if (begins && l->open && attribute <= l->attribute && end_row(r, err)) return err->code;
  if (begins && !l->open && begin_row(l, err)) return err->code;
  if (begins) l->field++;
  else if (!l->open || attribute != l->attribute) return lb_fail(err, LB_ERROR, "a piece of a row has no beginning");
  l->attribute = attribute;
  return put_piece(r, *PQgetvalue(piece, 0, IS_BYTEA) ? LB_WIRE_BYTEA : LB_WIRE_STRING, piece, begins, err);
}

/* No part is left without its end meanwhile: other lanes may not write before that. */
int lb_dump_long_end(lb_dump_rows *r, lb_error *err)
{
  if (r->rest.open && (end_row(r, err) || lb_dump_rows_settle(r, err))) return err->code;
  return r->rest.left ? lb_fail(err, LB_ERROR, "long rows that were to be read in pieces did not come") : LB_OK;
}

/* See dump_rows.h. */
#include "postgres/dump_rows.h"

#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "core/hash.h"
#include "postgres/dump_long.h"
#include "postgres/quote.h"

#define CHUNK_BYTES ((size_t)4 << 20)
#ifndef LB_ROW_MOST             /* a test makes it small */
#define LB_ROW_MOST 0x3ffffffe  /* what a server takes for a line of COPY, which has to be below its MaxAllocSize */
#endif

static const lb_pg_relation *relation_of(const lb_dump_tables *d, int number)
{
  return &d->dump->relations->tables[number];
}

/* Where rows are loaded, and counted. */
static const char *schema_into(const lb_pg_relation *t) { return t->root_name ? t->root_schema : t->schema; }
static const char *name_into(const lb_pg_relation *t) { return t->root_name ? t->root_name : t->name; }

/* ---- tables ---- */

/* Partitions that are loaded through one table are that table in contents. */
static int add_table(lb_dump_tables *d, const lb_pg_relation *t, int *index, lb_error *err)
{
  for (int i = 0; t->root_name && i < d->contents->table_count; i++) {
    *index = i;
    if (strcmp(d->contents->tables[i].name, t->root_name) == 0 &&
        strcmp(d->contents->tables[i].schema, t->root_schema) == 0) {
      return LB_OK;
    }
  }
  if (lb_pg_contents_add_table(d->contents, schema_into(t), name_into(t), index, err) || !t->key) return err->code;
  char **key = &d->contents->tables[*index].key;
  *key = lb_text_copy(t->key, err);
  return err->code;
}

int lb_dump_tables_open(lb_dump_tables *d, const lb_pg_dump *dump, const lb_pg_parts *parts, lb_pg_contents *contents,
                        lb_error *err)
{
  const lb_pg_relations *all = dump->relations;
  contents->checksums = lb_hash_available();
  *d = (lb_dump_tables){ .dump = dump, .contents = contents, .measure = !parts, .whole = dump->filter->data_only,
                         .checksums = contents->checksums };
  d->number = calloc((size_t)all->table_count + 1, sizeof *d->number);
  if (!d->number) return lb_fail_nomem(err);
  for (int i = 0; i < all->table_count; i++) if (add_table(d, &all->tables[i], &d->number[i], err)) return err->code;
  return LB_OK;
}

void lb_dump_tables_close(lb_dump_tables *d)
{
  free(d->number);
}

/* ---- writing ---- */

static int begin_part(const lb_dump_tables *d, lb_pg_parts *parts, int relation, lb_error *err)
{
  const lb_pg_relation *t = relation_of(d, relation);
  lb_buf head = { 0 };
  lb_buf_text(&head, "--\n-- Data for Name: ");
  lb_pg_put_comment(&head, name_into(t));
  lb_buf_text(&head, "; Type: TABLE DATA; Schema: ");
  lb_pg_put_comment(&head, schema_into(t));
  lb_buf_text(&head, "\n--\n\nCOPY ");
  lb_pg_put_qualified(&head, schema_into(t), name_into(t));
  if (t->columns[0]) lb_buf_printf(&head, " (%s)", t->columns);
  lb_buf_text(&head, " FROM stdin;\n");
  lb_pg_parts_begin(parts, LB_PART_DATA, d->number[relation]);
  if (head.failed) lb_fail_nomem(err);
  else lb_pg_parts_write(parts, head.data, head.len, err);
  lb_buf_free(&head);
  return err->code;
}

static int end_part(lb_pg_parts *parts, uint64_t rows, lb_key_range *keys, lb_error *err)
{
  static const char end[] = "\\.\n\n\n";
  bool known = keys->kind == LB_KEYS_INTEGERS || keys->kind == LB_KEYS_TEXTS;
  parts->part.keys = known ? keys : NULL;
  if (lb_pg_parts_write(parts, end, sizeof end - 1, err)) return err->code;
  return lb_pg_parts_end(parts, rows, err);
}

static int write_text(const lb_dump_tables *d, lb_pg_parts *parts, lb_dump_chunk *c, lb_error *err)
{
  if (c->begins && begin_part(d, parts, c->relation, err)) return err->code;
  if (lb_pg_parts_write(parts, c->text.data, c->text.len, err) || !c->ends) return err->code;
  return end_part(parts, c->part_rows, &c->keys, err);
}

/* A large row does not leave its memory to those behind it. */
void lb_dump_chunk_clear(lb_dump_chunk *c)
{
  lb_buf text = c->text;
  if (text.cap > 4 * CHUNK_BYTES) lb_buf_free(&text);
  text.len = 0;
  *c = (lb_dump_chunk){ .relation = c->relation, .text = text };
}

int lb_dump_chunk_write(const lb_dump_tables *d, lb_pg_parts *parts, lb_dump_chunk *c, lb_error *err)
{
  lb_pg_table *t = &d->contents->tables[d->number[c->relation]];
  t->rows += c->rows;
  t->bytes += c->bytes;
  t->checksum += c->checksum;
  if (!d->measure) write_text(d, parts, c, err);
  lb_dump_chunk_clear(c);
  return err->code;
}

/* ---- a row ---- */

static int fail_rows(const lb_dump_rows *r, lb_error *err)
{
  const lb_pg_relation *t = relation_of(r->tables, r->chunk.relation);
  lb_buf what = { 0 };
  lb_buf_printf(&what, "%s: reading ", r->tables->dump->snapshot->lanes[0]->label);
  lb_pg_put_qualified(&what, t->schema, t->name);
  lb_buf_text(&what, ": ");
  lb_error_prefix(err, what.failed ? "reading a table: " : what.data);
  lb_buf_free(&what);
  return err->code;
}

/* psql could not load a larger one either. */
int lb_dump_rows_check(uint64_t row_bytes, lb_error *err)
{
  if (row_bytes <= LB_ROW_MOST) return LB_OK;
  return lb_fail(err, LB_UNSUPPORTED, "as text a row has more than %zu bytes, which is all that a server takes: leave "
                 "the table out with \"exclude_tables\"", (size_t)LB_ROW_MOST);
}

/* The chunk and the part go on, the part with what it has so far. */
static int give(lb_dump_rows *r, bool ends, lb_error *err)
{
  lb_dump_chunk *c = &r->chunk;
  lb_dump_chunk goes_on = { .relation = c->relation, .part_rows = c->part_rows, .keys = c->keys };
  c->ends = ends;
  if (r->give(r->ctx, c, err)) return err->code;
  lb_buf text = c->text;
  *c = goes_on;
  c->text = text;
  if (!ends) return LB_OK;
  c->begins = true;
  c->part_rows = 0;
  c->keys = (lb_key_range){ 0 };
  return LB_OK;
}

int lb_dump_rows_pass(lb_dump_rows *r, bool row_ends, lb_error *err)
{
  lb_buf *text = &r->chunk.text;
  if (text->failed) return lb_fail_nomem(err);
  if (r->tables->measure) text->len = 0;
  return text->len < CHUNK_BYTES ? LB_OK : give(r, row_ends && !r->tables->whole, err);
}

int lb_dump_rows_settle(lb_dump_rows *r, lb_error *err)
{
  return r->chunk.begins || r->tables->whole ? LB_OK : give(r, true, err);
}

static int count_row(lb_dump_rows *r, size_t before, lb_error *err)
{
  const lb_pg_relation *t = relation_of(r->tables, r->chunk.relation);
  lb_dump_chunk *c = &r->chunk;
  const char *row = c->text.data + before;
  size_t n = c->text.len - before;
  if (row[n - 1] != '\n') return lb_fail(err, LB_ERROR, "a row of COPY has no end");
  if (lb_dump_rows_check(n, err)) return err->code;
  c->rows++;
  c->part_rows++;
  c->bytes += n;
  if (r->tables->checksums) c->checksum += lb_hash64(row, n - 1);
  if (r->keyed) lb_key_range_take(&c->keys, t->key_kind, t->key_field, row, n);
  return LB_OK;
}

int lb_dump_rows_take(lb_dump_rows *r, const char *data, size_t n, lb_error *err)
{
  lb_buf *text = &r->chunk.text;
  size_t before = text->len;
  if (!r->binary.wires) lb_buf_append(text, data, n);
  else lb_copy_out_take(&r->binary, data, n, text, err);
  if (text->failed) return lb_fail_nomem(err);
  if (r->rest.marked && !err->code && text->len > before) lb_dump_long_mark(r, before, err);
  if (!err->code && text->len > before) count_row(r, before, err);
  return err->code ? fail_rows(r, err) : lb_dump_rows_pass(r, true, err);
}

int lb_dump_rows_take_piece(lb_dump_rows *r, const PGresult *piece, lb_error *err)
{
  return lb_dump_long_take(r, piece, err) ? fail_rows(r, err) : LB_OK;
}

/* ---- a COPY ---- */

int lb_dump_rows_begin(lb_dump_rows *r, int relation, lb_error *err)
{
  const lb_pg_relation *t = relation_of(r->tables, relation);
  const lb_pg_table *listed = &r->tables->contents->tables[r->tables->number[relation]];
  if (r->chunk.relation != relation && lb_dump_rows_flush(r, err)) return err->code;
  r->chunk.relation = relation;
  r->chunk.begins = true;
  /* Not so of a partition whose key is another one than that of those before it in the same table of contents. */
  r->keyed = t->key && listed->key && strcmp(t->key, listed->key) == 0;
  r->binary = (lb_copy_out){ .wires = t->expressions ? t->wires : NULL, .count = t->wire_count };
  lb_dump_long_begin(r);
  return LB_OK;
}

int lb_dump_rows_end(lb_dump_rows *r, lb_error *err)
{
  if (r->binary.wires && !r->binary.ended) lb_fail(err, LB_ERROR, "its rows end early");
  if (err->code || lb_dump_long_end(r, err)) return fail_rows(r, err);
  return r->tables->whole ? give(r, true, err) : LB_OK;
}

int lb_dump_rows_flush(lb_dump_rows *r, lb_error *err)
{
  return r->chunk.rows ? give(r, true, err) : LB_OK;
}

void lb_dump_rows_close(lb_dump_rows *r)
{
  lb_buf_free(&r->chunk.text);
  lb_buf_free(&r->rest.places);
  lb_hasher_free(&r->rest.hasher);
}

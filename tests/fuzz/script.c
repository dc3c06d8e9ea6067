/* libFuzzer target: the bytes are an SQL script. It is read whole, in pieces whose sizes its first bytes choose, and
** byte by byte; all three must tell the same, fail with the same code, and keep what script.h promises of offsets, texts and
** rows. abort() on anything else. What it tells goes on to those who read definitions and rows, and to those who read
** binary rows of a server. `make fuzz` runs it after the reader's target.
*/
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/buffer.h"
#include "postgres/copy_out.h"
#include "postgres/copy_rows.h"
#include "postgres/ddl.h"
#include "postgres/script.h"
#include "postgres/wire_text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct heard {
  lb_buf log;           /* all that was told */
  const uint8_t *data;
  size_t size;
  uint64_t last;        /* end of what was told last, in the script */
  uint64_t newlines;    /* in the COPY data at hand */
  bool copying;
} heard;

static void require(bool promise)
{
  if (!promise) abort();
}

/* The text stands in the script at offset, behind all that was told before. */
static void require_at(heard *h, const char *text, size_t len, uint64_t offset)
{
  require(offset >= h->last && offset <= h->size && len <= h->size - offset);
  require(memcmp(h->data + offset, text, len) == 0);
  h->last = offset + len;
}

static void require_span(lb_span span, const char *text, size_t len)
{
  require(!span.len || (span.at >= text && span.len <= len && (size_t)(span.at - text) <= len - span.len));
}

/* A definition points into its statement, whatever that is; the text is of its own, so that the sanitizer sees a look
** beyond it. */
static void look_at_statement(const char *sql, size_t len)
{
  lb_ddl ddl;
  lb_ddl_column column;
  lb_qualified parent;
  char *text = malloc(len);
  require(text);
  memcpy(text, sql, len);
  lb_ddl_read(text, len, &ddl);
  require_span(ddl.name.name, text, len);
  require_span(ddl.name.schema, text, len);
  require_span(ddl.of.name, text, len);
  lb_tokens columns = ddl.columns, inherits = ddl.inherits;
  while (ddl.has_columns && lb_ddl_next_column(&columns, &column)) {
    require_span(column.name, text, len);
    require_span(column.type.name.name, text, len);
  }
  while (inherits.p && lb_ddl_next_parent(&inherits, &parent)) require_span(parent.name, text, len);
  free(text);
}

/* Bytes as a value in binary form, copied so that the sanitizer sees a look beyond them: all of it is turned into one
** field, or nothing; and where that can be turned back, it is the same text again. */
static void look_at_binary(lb_wire wire, const void *data, size_t len)
{
  lb_buf text = { 0 }, back = { 0 }, again = { 0 };
  unsigned char *value = malloc(len ? len : 1);
  require(value);
  memcpy(value, data, len);
  if (!lb_wire_text(wire, value, len, &text)) require(text.len == 0);
  else if (text.len) require(!memchr(text.data, '\n', text.len) && !memchr(text.data, '\t', text.len));
  size_t escape = wire == LB_WIRE_BYTEA && text.len;
  if (wire != LB_WIRE_STRING && wire != LB_WIRE_JSONB && text.len &&
      lb_wire_put(wire, text.data + escape, text.len - escape, &back)) {
    require(lb_wire_text(wire, (const unsigned char *)back.data + 4, back.len - 4, &again));
    require(again.len == text.len && memcmp(again.data, text.data, text.len) == 0);
  }
  lb_buf_free(&text);
  lb_buf_free(&back);
  lb_buf_free(&again);
  free(value);
}

/* What a server may send: the header, the number of columns, and these bytes. */
static void look_at_sent_rows(const uint8_t *data, size_t size)
{
  static const char head[] = "PGCOPY\n\377\r\n\0\0\0\0\0\0\0\0\0\0\2";
  static const lb_wire wires[] = { LB_WIRE_STRING, LB_WIRE_NUMERIC };
  lb_copy_out copy = { .wires = wires, .count = 2 };
  lb_buf rows = { 0 };
  lb_error err = LB_ERROR_INIT;
  char *sent = malloc(sizeof head - 1 + size);
  require(sent);
  memcpy(sent, head, sizeof head - 1);
  memcpy(sent + sizeof head - 1, data, size);
  lb_copy_out_take(&copy, sent, sizeof head - 1 + size, &rows, &err);
  require(err.code ? err.code == LB_ERROR : rows.len && rows.data[rows.len - 1] == '\n');
  lb_buf_free(&rows);
  free(sent);
}

/* A value of any type: all of it is turned, into as many bytes as its length says, or nothing. */
static void look_at_value(const lb_copy_field *field)
{
  lb_buf out = { 0 };
  for (lb_wire wire = LB_WIRE_NONE; wire <= LB_WIRE_TIMESTAMPTZ; wire++) {
    size_t before = out.len;
    bool put = lb_wire_put(wire, field->text, field->len, &out);
    look_at_binary(wire, field->text, field->len);
    require(put ? out.len >= before + 4 : out.len == before);
    if (!put) continue;
    const unsigned char *size = (const unsigned char *)out.data + before;
    require(out.len - before - 4 == lb_wire_get_u32(size));
    look_at_binary(wire, size + 4, out.len - before - 4);
  }
  lb_buf_free(&out);
}

/* COPY data as rows of two fields, in pieces of `piece` bytes. */
static void look_at_rows(const uint8_t *data, size_t size, size_t piece)
{
  lb_error err = LB_ERROR_INIT;
  lb_buf buf = { 0 };
  lb_copy_field field;
  lb_copy_rows *rows = lb_copy_rows_open(&err);
  require(rows && lb_copy_rows_begin(rows, 2, 0, &err) == LB_OK);
  for (size_t at = 0; at < size && !err.code; at += piece) {
    bool found = true;
    int tag;
    lb_copy_rows_put(rows, (const char *)data + at, size - at < piece ? size - at : piece, &err);
    while (found && lb_copy_rows_next(rows, &found, &tag, &err) == LB_OK) {
      for (int i = 0; found && i < 2 && !err.code; i++) {
        if (lb_copy_rows_field(rows, i, &buf, &field, &err) == LB_OK && !field.null) look_at_value(&field);
      }
    }
  }
  require(err.code == LB_OK || err.code == LB_CORRUPT);
  lb_copy_rows_close(rows);
  lb_buf_free(&buf);
}

static int hear_statement(void *ctx, const char *sql, size_t len, uint64_t offset, bool copy, const char *comment,
                          lb_error *err)
{
  (void)err;
  heard *h = ctx;
  require(!h->copying && len > 0 && strlen(sql) == len && strlen(comment) <= h->size);
  require_at(h, sql, len, offset);
  look_at_statement(sql, len);
  lb_buf_printf(&h->log, "statement %llu %d %s: %s\n", (unsigned long long)offset, copy, comment, sql);
  if (copy) lb_buf_text(&h->log, "data ");
  h->copying = copy;
  h->newlines = 0;
  return LB_OK;
}

static int hear_data(void *ctx, const char *data, size_t len, lb_error *err)
{
  (void)err;
  heard *h = ctx;
  require(h->copying && len > 0);
  for (size_t i = 0; i < len; i++) h->newlines += data[i] == '\n';
  lb_buf_append(&h->log, data, len);
  return LB_OK;
}

static int hear_end(void *ctx, uint64_t rows, lb_error *err)
{
  (void)err;
  heard *h = ctx;
  require(h->copying && rows == h->newlines);
  lb_buf_printf(&h->log, "rows %llu\n", (unsigned long long)rows);
  h->copying = false;
  return LB_OK;
}

static int hear_meta(void *ctx, const char *line, uint64_t offset, lb_error *err)
{
  (void)err;
  heard *h = ctx;
  require(!h->copying && line[0] == '\\' && !strchr(line, '\n'));
  require_at(h, line, strlen(line), offset);
  lb_buf_printf(&h->log, "meta %llu %s\n", (unsigned long long)offset, line);
  return LB_OK;
}

/* Reads the script in pieces of sizes[i % count] bytes; the code comes last in the log. */
static void hear(heard *h, const uint8_t *sizes, size_t count)
{
  static const lb_script_ops ops = { hear_statement, hear_data, hear_end, hear_meta };
  lb_error err = LB_ERROR_INIT;
  lb_script *script = lb_script_open(&ops, h, 0, &err);
  require(script);
  int rc = LB_OK;
  size_t at = 0;
  for (size_t i = 0; !rc && at < h->size; i++) {
    size_t n = count ? sizes[i % count] : h->size;
    if (n > h->size - at) n = h->size - at;
    if (n == 0) n = 1;
    char *piece = malloc(n);  /* of its own, so that the sanitizer sees a look beyond it */
    require(piece);
    memcpy(piece, h->data + at, n);
    rc = lb_script_feed(script, piece, n, &err);
    free(piece);
    at += n;
  }
  if (!rc) rc = lb_script_end(script, &err);
  require(rc == err.code && (rc == LB_OK) == (err.message[0] == 0));
  require(rc || !h->copying);
  lb_buf_printf(&h->log, "end %d %s", rc, err.message);
  require(!h->log.failed);
  lb_script_close(script);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  static const uint8_t one[] = { 1 };
  if (size < 4) return 0;
  heard whole = { .data = data + 4, .size = size - 4 }, parts = whole, bytes = whole;
  hear(&whole, NULL, 0);
  hear(&parts, data, 4);
  hear(&bytes, one, 1);
  require(whole.log.len == parts.log.len && memcmp(whole.log.data, parts.log.data, whole.log.len) == 0);
  require(whole.log.len == bytes.log.len && memcmp(whole.log.data, bytes.log.data, whole.log.len) == 0);
  look_at_rows(data + 4, size - 4, (size_t)data[0] + 1);
  look_at_sent_rows(data, size);
  lb_script_looks_like_dump(data, size);
  lb_script_other_format(data, size);
  lb_buf_free(&whole.log);
  lb_buf_free(&parts.log);
  lb_buf_free(&bytes.log);
  return 0;
}

/* See copy_rows.h. */
#include "postgres/copy_rows.h"

#include <stdlib.h>
#include <string.h>

#include "postgres/hex.h"

#define KEPT_BYTES ((size_t)16 << 20)  /* capacity that outlives a long row */

/* Where the data of a COPY begins in the buffer. */
typedef struct stretch {
  size_t from;
  int fields, tag;
  bool begun, crlf;   /* its first row was seen, and ended with CR LF */
} stretch;

typedef struct span { size_t at, len; } span;  /* in the buffer */

struct lb_copy_rows {
  lb_buf text;
  size_t row, at;        /* the row at hand, and behind it */
  size_t searched;       /* there is no newline between at and this */
  stretch *stretches;
  size_t first, count, capacity;  /* the one that at is in, and how many there are with those before it */
  size_t backslash;      /* the first one of the row at hand, or its end: fields before it are what they stand for */
  bool zero;             /* a zero byte is in it */
  span *fields;          /* of the row at hand */
  int fields_capacity;
};

lb_copy_rows *lb_copy_rows_open(lb_error *err)
{
  lb_copy_rows *r = calloc(1, sizeof *r);
  if (!r) lb_fail_nomem(err);
  return r;
}

void lb_copy_rows_close(lb_copy_rows *r)
{
  if (!r) return;
  lb_buf_free(&r->text);
  free(r->stretches);
  free(r->fields);
  free(r);
}

/* ---- feeding ---- */

int lb_copy_rows_begin(lb_copy_rows *r, int fields, int tag, lb_error *err)
{
  if (r->text.len == r->at) r->first = r->count = 0;  /* nothing is left of those before */
  if (fields > r->fields_capacity) {
    span *grown = realloc(r->fields, (size_t)fields * sizeof *grown);
    if (!grown) return lb_fail_nomem(err);
    r->fields = grown;
    r->fields_capacity = fields;
  }
  if (r->count == r->capacity) {
    size_t capacity = r->capacity ? r->capacity * 2 : 16;
    stretch *grown = realloc(r->stretches, capacity * sizeof *grown);
    if (!grown) return lb_fail_nomem(err);
    r->stretches = grown;
    r->capacity = capacity;
  }
  r->stretches[r->count++] = (stretch){ .from = r->text.len, .fields = fields, .tag = tag };
  return LB_OK;
}

/* Throws away what was read: something was. */
static void compact(lb_copy_rows *r)
{
  size_t left = r->text.len - r->at;
  if (left == 0 && r->text.cap > KEPT_BYTES) lb_buf_free(&r->text);
  if (left) memmove(r->text.data, r->text.data + r->at, left);
  r->text.len = left;
  r->searched -= r->searched < r->at ? r->searched : r->at;
  r->count -= r->first;
  memmove(r->stretches, r->stretches + r->first, r->count * sizeof *r->stretches);
  for (size_t i = 0; i < r->count; i++) {
    size_t *from = &r->stretches[i].from;
    *from -= *from < r->at ? *from : r->at;
  }
  r->first = r->row = r->at = 0;
}

int lb_copy_rows_put(lb_copy_rows *r, const char *data, size_t n, lb_error *err)
{
  if (r->at && r->at >= r->text.len / 2) compact(r);
  if (r->text.len - r->at > LB_COPY_ROW_MAX) {
    return lb_fail(err, LB_UNSUPPORTED, "a row of it is longer than 1 GiB, more than any server takes");
  }
  lb_buf_append(&r->text, data, n);
  return r->text.failed ? lb_fail_nomem(err) : LB_OK;
}

/* ---- rows ---- */

/* The next line without its newline; false: there is no whole one. Goes on to the COPY that it belongs to. */
static bool next_line(lb_copy_rows *r, span *line)
{
  const char *data = r->text.data;
  if (r->searched < r->at) r->searched = r->at;
  const char *end = data ? memchr(data + r->searched, '\n', r->text.len - r->searched) : NULL;
  r->row = r->at;
  if (!end) {
    r->searched = r->text.len;
    return false;
  }
  while (r->first + 1 < r->count && r->stretches[r->first + 1].from <= r->at) r->first++;
  *line = (span){ r->at, (size_t)(end - data) - r->at };
  r->at = (size_t)(end - data) + 1;
  return true;
}

uint64_t lb_copy_rows_skip(lb_copy_rows *r, uint64_t most)
{
  uint64_t skipped = 0;
  span line;
  while (skipped < most && next_line(r, &line)) skipped++;
  return skipped;
}

/* An odd number of backslashes before `end`: the byte there is escaped. */
static bool is_escaped(const char *begin, const char *end)
{
  const char *p = end;
  while (p > begin && p[-1] == '\\') p--;
  return (end - p) % 2;
}

/* The first line tells how all of a COPY end; a CR of the data is escaped. */
static int take_end(lb_copy_rows *r, stretch *s, span *line, lb_error *err)
{
  const char *p = r->text.data + line->at;
  bool crlf = line->len && p[line->len - 1] == '\r' && !is_escaped(p, p + line->len - 1);
  if (!s->begun) s->crlf = crlf;
  s->begun = true;
  if (crlf != s->crlf) return lb_fail(err, LB_CORRUPT, "it ends with %s, and rows before it do not",
                                      crlf ? "CR LF" : "LF alone");
  line->len -= crlf;
  if (is_escaped(p, p + line->len)) return lb_fail(err, LB_CORRUPT, "a backslash at its end escapes nothing");
  return LB_OK;
}

/* Notes the fields up to the COPY's number; returns how many there are. */
static int cut(lb_copy_rows *r, int most, span line)
{
  const char *data = r->text.data, *end = data + line.at + line.len, *from = data + line.at;
  int count = 0;
  for (;;) {
    const char *tab = memchr(from, '\t', (size_t)(end - from));
    while (tab && is_escaped(from, tab)) tab = memchr(tab + 1, '\t', (size_t)(end - tab - 1));
    if (count < most) r->fields[count] = (span){ (size_t)(from - data), (size_t)((tab ? tab : end) - from) };
    if (count < INT32_MAX) count++;
    if (!tab) return count;
    from = tab + 1;
  }
}

int lb_copy_rows_next(lb_copy_rows *r, bool *found, int *tag, lb_error *err)
{
  span line;
  *found = next_line(r, &line);
  if (!*found) return LB_OK;
  stretch *s = &r->stretches[r->first];
  *tag = s->tag;
  if (take_end(r, s, &line, err)) return err->code;
  const char *row = r->text.data + line.at, *first = memchr(row, '\\', line.len);
  r->backslash = first ? (size_t)(first - r->text.data) : line.at + line.len;
  r->zero = memchr(row, 0, line.len) != NULL;
  int count = s->fields == 0 && line.len == 0 ? 0 : cut(r, s->fields, line);
  if (count == s->fields) return LB_OK;
  return lb_fail(err, LB_CORRUPT, "it has %d field%s, its COPY %d column%s", count, count == 1 ? "" : "s", s->fields,
                 s->fields == 1 ? "" : "s");
}

/* ---- fields ---- */

static bool is_octal(char c) { return c >= '0' && c <= '7'; }

/* The byte that is written from p on, behind its backslash; *used: how many bytes of p that takes. */
static char escape(const char *p, size_t n, size_t *used)
{
  static const char letters[] = "bfnrtv", bytes[] = "\b\f\n\r\t\v";
  const char *letter = memchr(letters, *p, sizeof letters - 1);
  size_t i = 0;
  int value = 0;
  *used = 1;
  if (letter) return bytes[letter - letters];
  if (is_octal(*p)) {
    for (; i < n && i < 3 && is_octal(p[i]); i++) value = value * 8 + (p[i] - '0');
    *used = i;
  } else if (*p == 'x' && n > 1 && lb_hex_digit(p[1]) >= 0) {
    for (i = 1; i < n && i < 3 && lb_hex_digit(p[i]) >= 0; i++) value = value * 16 + lb_hex_digit(p[i]);
    *used = i;
  } else {
    return *p;
  }
  return (char)(value & 0xff);  /* the server takes the low byte of \777 too */
}

static int unescape(const char *p, size_t n, lb_buf *buf, bool *coded, lb_error *err)
{
  const char *end = p + n;
  buf->len = 0;
  lb_buf_append(buf, "", 0);
  for (;;) {
    const char *backslash = memchr(p, '\\', (size_t)(end - p));
    lb_buf_append(buf, p, (size_t)((backslash ? backslash : end) - p));
    if (!backslash || buf->failed) break;
    p = backslash + 1;
    if (p == end) return lb_fail(err, LB_CORRUPT, "a backslash at the end escapes nothing");
    if (*p == '.') return lb_fail(err, LB_CORRUPT, "it has \\. inside, which ends a COPY");
    size_t used;
    char c = escape(p, (size_t)(end - p), &used);
    *coded = *coded || used > 1 || is_octal(*p);
    lb_buf_append(buf, &c, 1);
    p += used;
  }
  return buf->failed ? lb_fail_nomem(err) : LB_OK;
}

int lb_copy_rows_field(lb_copy_rows *r, int i, lb_buf *buf, lb_copy_field *f, lb_error *err)
{
  const char *p = r->text.data + r->fields[i].at;
  size_t n = r->fields[i].len;
  *f = (lb_copy_field){ .text = p, .len = n };
  if (r->fields[i].at + n <= r->backslash && !r->zero) return LB_OK;
  if (n == 2 && p[0] == '\\' && p[1] == 'N') {
    f->null = true;
    return LB_OK;
  }
  if (memchr(p, '\\', n)) {
    if (unescape(p, n, buf, &f->coded, err)) return err->code;
    f->text = buf->data;
    f->len = buf->len;
  }
  if (memchr(f->text, 0, f->len)) return lb_fail(err, LB_CORRUPT, "it has a zero byte");
  return LB_OK;
}

size_t lb_copy_rows_pending(const lb_copy_rows *r)
{
  return r->text.len - r->at;
}

void lb_copy_rows_rest(const lb_copy_rows *r, const char **data, size_t *n)
{
  *data = r->text.data + r->row;
  *n = r->text.len - r->row;
}

/* See script.h.
**
** The lexer (script_lex.h) says where statements end and when a line is a command or a comment outside them; COPY has
** its own two states (script_copy.h). Here is what joins them: the text of the statement at hand, and who is told.
*/
#include "postgres/script.h"

#include <stdlib.h>
#include <string.h>

#include "core/buffer.h"
#include "postgres/script_copy.h"
#include "postgres/script_lex.h"

#define LINE_BYTES_MAX 65536         /* of a command; of a comment that is kept */
#define TEXT_KEPT ((size_t)1 << 20)  /* capacity that outlives a long statement */

typedef enum state {
  STATEMENTS,
  COMMENT,    /* in a comment that is a line of its own: it may name an entry */
  META,       /* in a line with a command of psql */
  COPY_LINE,  /* behind a COPY statement, on its line */
  COPY_DATA
} state;

struct lb_script {
  lb_script_ops ops;
  void *ctx;
  bool failed;
  state state;
  int bom;           /* bytes of a byte order mark seen at byte 0; 3: no more to come */
  uint64_t began;    /* where the command or COPY at hand did */
  lb_lex lex;        /* its offset is that of the piece at hand */
  lb_buf text;       /* of the statement, up to the end of the piece before */
  lb_buf line;       /* of the comment or command at hand */
  bool too_long;     /* the comment at hand: it names nothing */
  lb_buf entry;      /* pg_dump's last "Name: …" */
  lb_copy_lines copy;
};

typedef unsigned long long offset_t;  /* for messages */

static int refuse(lb_error *err, uint64_t at, const char *what)
{
  return lb_fail(err, LB_UNSUPPORTED, "%s, at byte %llu of the script", what, (offset_t)at);
}

/* ---- statements ---- */

static int append(lb_script *s, const char *data, size_t n, lb_error *err)
{
  if (n > LB_SCRIPT_STATEMENT_MAX - s->text.len) {
    return lb_fail(err, LB_UNSUPPORTED, "the statement at byte %llu of the script is longer than 1 GiB, more than "
                   "any server takes", (offset_t)s->lex.begun_at);
  }
  lb_buf_append(&s->text, data, n);
  return s->text.failed ? lb_fail_nomem(err) : LB_OK;
}

/* Keeps what of data, up to end, belongs to the statement. Called once a piece, or at the statement's end. */
static int keep_text(lb_script *s, const char *data, size_t end, lb_error *err)
{
  uint64_t at = s->lex.begun_at, piece = s->lex.offset;
  if (at < piece && !s->text.len && append(s, &s->lex.lead, 1, err)) return err->code;
  size_t from = at > piece ? (size_t)(at - piece) : 0;
  return append(s, data + from, end - from, err);
}

static size_t trimmed(const lb_buf *text)
{
  size_t len = text->len;
  while (len && strchr(" \t\n\r\f", text->data[len - 1]) && text->data[len - 1]) len--;
  return len;
}

static void forget_statement(lb_script *s)
{
  lb_lex_reset(&s->lex);
  if (s->text.cap > TEXT_KEPT) lb_buf_free(&s->text);
  s->text.len = 0;
}

/* Tells the statement that ends before byte end of data. */
static int tell_statement(lb_script *s, const char *data, size_t end, lb_error *err)
{
  if (!s->lex.begun) {
    lb_lex_reset(&s->lex);
    return LB_OK;
  }
  if (keep_text(s, data, end, err)) return err->code;
  size_t len = trimmed(&s->text);
  s->text.data[len] = 0;
  if (memchr(s->text.data, 0, len)) {
    return lb_fail(err, LB_CORRUPT, "the statement at byte %llu of the script has a zero byte: this is no SQL script, "
                   "or it is damaged", (offset_t)s->lex.begun_at);
  }
  bool copy = lb_copy_is(s->text.data);
  if (copy && lb_copy_check(s->text.data, s->lex.begun_at, err)) return err->code;
  s->state = copy ? COPY_LINE : STATEMENTS;
  s->began = s->lex.begun_at;
  int rc = s->ops.statement(s->ctx, s->text.data, len, s->began, copy, s->entry.data ? s->entry.data : "", err);
  forget_statement(s);
  return rc;
}

static int open_line(lb_script *s, state as, size_t i, lb_error *err)
{
  if (as == META && (s->lex.begun || !s->lex.line_start)) {
    return refuse(err, s->lex.offset + i, "a backslash in the middle of a line or statement (only \\connect, "
                  "\\restrict and \\unrestrict, each a line of its own, are taken)");
  }
  s->state = as;
  s->began = s->lex.offset + i;
  s->too_long = false;
  s->line.len = 0;
  lb_buf_append(&s->line, "\\", as == META);
  return s->line.failed ? lb_fail_nomem(err) : LB_OK;
}

static int take_statements(lb_script *s, const char *data, size_t n, size_t *i, lb_error *err)
{
  switch (lb_lex_take(&s->lex, data, n, i)) {
  case LB_LEX_MORE:      return LB_OK;
  case LB_LEX_SEMICOLON: return tell_statement(s, data, *i - 1, err);
  case LB_LEX_BACKSLASH: return open_line(s, META, *i - 1, err);
  case LB_LEX_COMMENT:   return open_line(s, COMMENT, *i, err);
  case LB_LEX_NOMEM:     return lb_fail_nomem(err);
  case LB_LEX_ZERO:      break;
  }
  return lb_fail(err, LB_CORRUPT, "a zero byte at byte %llu of the script: this is no SQL script, or it is damaged",
                 (offset_t)(s->lex.offset + *i - 1));
}

/* ---- comments ---- */

static bool starts_with(const lb_buf *buf, const char *text)
{
  return buf->len >= strlen(text) && memcmp(buf->data, text, strlen(text)) == 0;
}

/* A whole comment, its dashes left out: pg_dump's name for the entry that follows. */
static int read_comment(lb_script *s, lb_error *err)
{
  static const char *const kinds[] = { " Name: ", " Data for Name: ", " Statistics for Name: " };
  bool entry = false;
  for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) entry = entry || starts_with(&s->line, kinds[i]);
  entry = entry && strstr(s->line.data, "; Type: ");
  if (!entry && !starts_with(&s->line, " PostgreSQL database ")) return LB_OK;
  s->entry.len = 0;  /* a dump that begins or ends belongs to no entry */
  lb_buf_append(&s->entry, s->line.data + 1, entry ? s->line.len - 1 : 0);
  return s->entry.failed ? lb_fail_nomem(err) : LB_OK;
}

static int take_comment(lb_script *s, const char *data, size_t n, size_t *i, lb_error *err)
{
  size_t from = *i;
  while (*i < n && data[*i] != '\n' && data[*i] != '\r') (*i)++;
  s->too_long = s->too_long || *i - from > LINE_BYTES_MAX - s->line.len;
  if (!s->too_long) lb_buf_append(&s->line, data + from, *i - from);
  if (s->line.failed) return lb_fail_nomem(err);
  if (*i == n) return LB_OK;
  s->state = STATEMENTS;  /* where the lexer is still in the comment, and ends it at this byte */
  return s->too_long || !s->line.len ? LB_OK : read_comment(s, err);
}

/* ---- commands of psql ---- */

/* Behind a command's name: blank, arguments without what psql would run or take for another command. */
static bool harmless_arguments(const char *p)
{
  char quote = 0;
  if (*p != ' ' && *p != '\t') return false;
  for (; *p; p++) {
    if (!quote && (*p == '\\' || *p == '`')) return false;
    if (quote == '\'' && *p == '\\' && p[1]) p++;
    else if (*p == quote) quote = 0;
    else if (!quote && (*p == '\'' || *p == '"')) quote = *p;
  }
  return !quote;
}

static bool one_word(const char *p)
{
  p += strspn(p, " \t");
  size_t len = strcspn(p, " \t'\"");
  return len && p[len + strspn(p + len, " \t")] == 0;
}

static bool known_meta(const char *line)
{
  static const char *const commands[] = { "\\connect", "\\restrict", "\\unrestrict" };
  for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
    size_t len = strlen(commands[i]);
    if (strncmp(line, commands[i], len) || !harmless_arguments(line + len)) continue;
    return i == 0 || one_word(line + len);
  }
  return false;
}

static int tell_meta(lb_script *s, lb_error *err)
{
  s->state = STATEMENTS;
  if (s->line.data[s->line.len - 1] == '\r') s->line.data[--s->line.len] = 0;
  if (memchr(s->line.data, 0, s->line.len) || !known_meta(s->line.data)) {
    int shown = 1;
    while (shown < 32 && s->line.data[shown] > ' ' && s->line.data[shown] < 127) shown++;
    return lb_fail(err, LB_UNSUPPORTED, "%.*s at byte %llu of the script: only \\connect, \\restrict and \\unrestrict "
                   "with plain arguments are taken; load the script with psql if you trust it", shown, s->line.data,
                   (offset_t)s->began);
  }
  s->entry.len = 0;
  lb_buf_append(&s->entry, "", 0);
  if (s->entry.failed) return lb_fail_nomem(err);
  return s->ops.meta(s->ctx, s->line.data, s->began, err);
}

static int take_meta(lb_script *s, const char *data, size_t n, size_t *i, lb_error *err)
{
  const char *newline = memchr(data + *i, '\n', n - *i);
  size_t end = newline ? (size_t)(newline - data) : n;
  if (end - *i > LINE_BYTES_MAX - s->line.len) {
    return refuse(err, s->began, "a backslash command longer than 64 KiB");
  }
  lb_buf_append(&s->line, data + *i, end - *i);
  *i = end;
  if (s->line.failed) return lb_fail_nomem(err);
  return newline ? tell_meta(s, err) : LB_OK;
}

/* ---- COPY ---- */

static int take_copy_line(lb_script *s, const char *data, size_t n, size_t *i, lb_error *err)
{
  while (*i < n && data[*i] != '\n') {
    if (!strchr(" \t\r", data[*i]) || !data[*i]) {
      return refuse(err, s->lex.offset + *i, "something behind COPY … FROM stdin; (data must begin on the next line)");
    }
    (*i)++;
  }
  if (*i == n) return LB_OK;
  (*i)++;
  s->state = COPY_DATA;
  s->copy = (lb_copy_lines){ 0 };
  return LB_OK;
}

static int end_copy(lb_script *s, lb_error *err)
{
  s->state = STATEMENTS;
  s->lex.line_start = true;
  return s->ops.copy_end(s->ctx, s->copy.rows, err);
}

static int take_copy_data(lb_script *s, const char *data, size_t n, size_t *i, lb_error *err)
{
  size_t used = 0;
  bool ended = false;
  int rc = lb_copy_feed(&s->copy, data + *i, n - *i, &s->ops, s->ctx, &used, &ended, err);
  *i += used;
  return rc || !ended ? rc : end_copy(s, err);
}

/* ---- the whole ---- */

lb_script *lb_script_open(const lb_script_ops *ops, void *ctx, uint64_t at, lb_error *err)
{
  lb_script *s = calloc(1, sizeof *s);
  if (!s) {
    lb_fail_nomem(err);
    return NULL;
  }
  s->ops = *ops;
  s->ctx = ctx;
  s->bom = at ? 3 : 0;
  s->lex.offset = at;
  s->lex.line_start = true;
  return s;
}

/* A byte order mark at byte 0 is skipped, as psql does; half of one begins no statement that a server takes. */
static int take_bom(lb_script *s, const char *data, size_t n, size_t *i, lb_error *err)
{
  static const char mark[] = "\xef\xbb\xbf";
  while (s->bom < 3 && *i < n) {
    if (data[*i] == mark[s->bom]) {
      s->bom++;
      (*i)++;
    } else if (s->bom) {
      return lb_fail(err, LB_CORRUPT, "the script begins with a part of a byte order mark: this is no SQL script, or "
                     "it is damaged");
    } else {
      s->bom = 3;
    }
  }
  return LB_OK;
}

static int take_some(lb_script *s, const char *data, size_t n, size_t *i, lb_error *err)
{
  switch (s->state) {
  case COMMENT:   return take_comment(s, data, n, i, err);
  case META:      return take_meta(s, data, n, i, err);
  case COPY_LINE: return take_copy_line(s, data, n, i, err);
  case COPY_DATA: return take_copy_data(s, data, n, i, err);
  default:        return take_statements(s, data, n, i, err);
  }
}

static int refuse_ended(lb_error *err)
{
  return lb_fail(err, LB_MISUSE, "the reader of this script has ended, or failed before");
}

int lb_script_feed(lb_script *s, const void *piece, size_t n, lb_error *err)
{
  const char *data = piece;
  size_t i = 0;
  if (s->failed) return refuse_ended(err);
  int rc = take_bom(s, data, n, &i, err);
  while (!rc && i < n) rc = take_some(s, data, n, &i, err);
  if (!rc && n && s->lex.begun) rc = keep_text(s, data, n, err);
  s->failed = rc != LB_OK;
  s->lex.offset += n;
  return rc;
}

static int ends_inside(const char *what, uint64_t at, lb_error *err)
{
  return lb_fail(err, LB_CORRUPT, "the script ends in the middle of %s, which began at byte %llu: it is cut off", what,
                 (offset_t)at);
}

/* The end outside COPY: a last statement may lack its semicolon. */
static int end_statements(lb_script *s, lb_error *err)
{
  lb_lex *lex = &s->lex;
  lb_lex_end(lex);
  switch (lex->state) {
  case LB_LEX_PLAIN:         break;
  case LB_LEX_BLOCK_COMMENT: return ends_inside("a comment", lex->token_at, err);
  case LB_LEX_NAME:          return ends_inside("a quoted identifier", lex->token_at, err);
  case LB_LEX_DOLLAR_STRING: return ends_inside("a dollar-quoted string", lex->token_at, err);
  default:                   return ends_inside("a quoted string", lex->token_at, err);
  }
  if (lex->parens || lex->begins) return ends_inside("a statement", lex->begun_at, err);
  if (tell_statement(s, "", 0, err)) return err->code;
  return s->state == COPY_LINE ? ends_inside("COPY", s->began, err) : LB_OK;
}

static int end_state(lb_script *s, lb_error *err)
{
  if (s->bom == 1 || s->bom == 2) return ends_inside("a byte order mark", 0, err);
  if (s->state == META) return tell_meta(s, err);
  if (s->state == COPY_DATA && lb_copy_at_marker(&s->copy)) return end_copy(s, err);
  if (s->state == COPY_DATA || s->state == COPY_LINE) return ends_inside("COPY", s->began, err);
  return end_statements(s, err);
}

int lb_script_end(lb_script *s, lb_error *err)
{
  if (s->failed) return refuse_ended(err);
  int rc = end_state(s, err);
  s->failed = true;  /* nothing may follow */
  return rc;
}

void lb_script_close(lb_script *s)
{
  if (!s) return;
  lb_lex_free(&s->lex);
  lb_buf_free(&s->text);
  lb_buf_free(&s->line);
  lb_buf_free(&s->entry);
  free(s);
}

/* ---- recognizing one ---- */

static bool line_is(const char *line, size_t len, const char *text)
{
  while (len && strchr(" \t\r", line[len - 1]) && line[len - 1]) len--;
  return len == strlen(text) && memcmp(line, text, len) == 0;
}

static bool may_precede(const char *line, size_t len)
{
  return line_is(line, len, "") || (len >= 2 && memcmp(line, "--", 2) == 0) ||
         (len >= 10 && memcmp(line, "\\restrict ", 10) == 0);
}

bool lb_script_looks_like_dump(const void *head, size_t n)
{
  const char *p = head, *end = p + n;
  if (n >= 3 && memcmp(p, "\xef\xbb\xbf", 3) == 0) p += 3;
  while (p < end) {
    const char *newline = memchr(p, '\n', (size_t)(end - p));
    size_t len = (size_t)((newline ? newline : end) - p);
    if (line_is(p, len, "-- PostgreSQL database dump")) return true;
    if (line_is(p, len, "-- PostgreSQL database cluster dump")) return true;
    if (!newline || !may_precede(p, len)) return false;
    p = newline + 1;
  }
  return false;
}

const char *lb_script_other_format(const void *head, size_t n)
{
  static const struct { size_t at, len; const char *bytes, *what; } formats[] = {
    { 0, 5, "PGDMP", "is in pg_dump's custom format (pg_restore -f dump.sql FILE makes a script of it)" },
    { 257, 5, "ustar", "is a tar archive (if it is pg_dump's, pg_restore -f dump.sql FILE makes a script of it; else "
      "unpack it)" },
    { 0, 6, "\xfd" "7zXZ\0", "is compressed by xz (unxz it first)" },
    { 0, 3, "BZh", "is compressed by bzip2 (bunzip2 it first)" },
    { 0, 4, "\x04\x22\x4d\x18", "is compressed by lz4 (unlz4 it first)" },
    { 0, 4, "PK\3\4", "is a zip archive (unzip it first)" },
  };
  for (size_t i = 0; i < sizeof formats / sizeof *formats; i++) {
    size_t at = formats[i].at, len = formats[i].len;
    if (n >= at + len && memcmp((const char *)head + at, formats[i].bytes, len) == 0) return formats[i].what;
  }
  return NULL;
}

/* See script_copy.h.
**
** Statements are tokenized once more, whole, since they are short; the reader before has found where they end.
**
** Data goes through in pieces as large as they come. The marker, a line of backslash and dot, can only begin behind a
** newline, so one pass of vector compares looks for newline, backslash, dot at neighbouring places and counts newlines
** on the way. What may be the beginning of a marker at the end of a piece is held back as a count, not as bytes: these
** are known.
*/
#include "postgres/script_copy.h"

#include <string.h>
#include <strings.h>

/* ---- statements ---- */

typedef enum token_kind { TOKEN_END, TOKEN_WORD, TOKEN_NAME, TOKEN_STRING, TOKEN_OTHER } token_kind;

typedef struct token {
  token_kind kind;
  const char *text;  /* of a name or string: between its quotes, as it stands */
  size_t len;
} token;

static bool starts_word(char c)
{
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (unsigned char)c >= 128;
}

static bool continues_word(char c)
{
  return starts_word(c) || (c >= '0' && c <= '9') || c == '$';
}

static const char *skip_block_comment(const char *p)
{
  size_t depth = 0;
  while (*p) {
    if (p[0] == '/' && p[1] == '*') {
      depth++;
      p += 2;
    } else if (p[0] == '*' && p[1] == '/') {
      p += 2;
      if (--depth == 0) break;
    } else {
      p++;
    }
  }
  return p;
}

static const char *skip_blank(const char *p)
{
  for (;;) {
    p += strspn(p, " \t\n\r\f");
    if (p[0] == '-' && p[1] == '-') p += strcspn(p, "\n\r");
    else if (p[0] == '/' && p[1] == '*') p = skip_block_comment(p);
    else return p;
  }
}

/* A quoted token that opens at p: quotes are doubled inside, or behind a backslash where there are escapes. */
static token quoted(const char **at, token_kind kind, bool escapes)
{
  const char *p = *at, quote = *p, *end = p + 1;
  for (; *end; end++) {
    if (escapes && *end == '\\' && end[1]) end++;
    else if (*end == quote && end[1] == quote) end++;
    else if (*end == quote) break;
  }
  *at = *end ? end + 1 : end;
  return (token){ kind, p + 1, (size_t)(end - p - 1) };
}

static token next_token(const char **at)
{
  const char *p = *at = skip_blank(*at);
  if (!*p) return (token){ TOKEN_END, p, 0 };
  if (*p == '"') return quoted(at, TOKEN_NAME, false);
  if (*p == '\'') return quoted(at, TOKEN_STRING, false);
  if ((*p == 'e' || *p == 'E') && p[1] == '\'') {
    (*at)++;
    return quoted(at, TOKEN_STRING, true);
  }
  if (!starts_word(*p)) {
    (*at)++;
    return (token){ TOKEN_OTHER, p, 1 };
  }
  while (continues_word(**at)) (*at)++;
  return (token){ TOKEN_WORD, p, (size_t)(*at - p) };
}

static bool has_text(const token *t, const char *text)
{
  return t->len == strlen(text) && strncasecmp(t->text, text, t->len) == 0;
}

static bool is_word(const token *t, const char *word)
{
  return t->kind == TOKEN_WORD && has_text(t, word);
}

static bool is_char(const token *t, char c)
{
  return t->kind == TOKEN_OTHER && *t->text == c;
}

bool lb_copy_is(const char *sql)
{
  token first = next_token(&sql);
  return is_word(&first, "copy");
}

/* Goes past the table's name and its list of columns; gives the token behind them. */
static token behind_table(token t, const char **at)
{
  while (t.kind == TOKEN_WORD || t.kind == TOKEN_NAME) {
    t = next_token(at);
    if (!is_char(&t, '.')) break;
    t = next_token(at);
  }
  if (!is_char(&t, '(')) return t;
  while (t.kind != TOKEN_END && !is_char(&t, ')')) t = next_token(at);
  return t.kind == TOKEN_END ? t : next_token(at);
}

static int check_format(const char **at, uint64_t offset, lb_error *err)
{
  token format = next_token(at);
  if (format.kind != TOKEN_OTHER && has_text(&format, "text")) return LB_OK;
  return lb_fail(err, LB_UNSUPPORTED, "COPY at byte %llu of the script has its data in csv, binary or another format "
                 "than text: load it with psql, or write the dump with pg_dump", (unsigned long long)offset);
}

/* The options that may follow: those that leave rows what they are, a line each. */
static int check_options(const char *at, uint64_t offset, lb_error *err)
{
  static const char *const harmless[] = { "with", "as", "delimiter", "delimiters", "null", "default", "freeze",
                                          "encoding", "true", "false", "on", "off" };
  for (token t = next_token(&at); t.kind != TOKEN_END; t = next_token(&at)) {
    bool known = t.kind == TOKEN_STRING || is_char(&t, '(') || is_char(&t, ')') || is_char(&t, ',');
    for (size_t i = 0; !known && i < sizeof harmless / sizeof *harmless; i++) known = is_word(&t, harmless[i]);
    if (is_word(&t, "format") || is_word(&t, "csv") || is_word(&t, "binary")) {
      if (!is_word(&t, "format")) at = t.text;  /* the old spelling: the word is the format */
      if (check_format(&at, offset, err)) return err->code;
    } else if (!known) {
      int shown = 0;
      while (shown < 64 && (size_t)shown < t.len && t.text[shown] >= ' ' && t.text[shown] < 127) shown++;
      return lb_fail(err, LB_UNSUPPORTED, "COPY at byte %llu of the script has \"%.*s\" among its options: only "
                     "DELIMITER, NULL, DEFAULT, FREEZE, ENCODING and FORMAT text are taken here; load it with psql",
                     (unsigned long long)offset, shown, t.text);
    }
  }
  return LB_OK;
}

static int refuse(lb_error *err, uint64_t offset, const char *what)
{
  return lb_fail(err, LB_UNSUPPORTED, "COPY at byte %llu of the script %s: only COPY … FROM stdin is taken",
                 (unsigned long long)offset, what);
}

int lb_copy_check(const char *sql, uint64_t offset, lb_error *err)
{
  next_token(&sql);
  token t = next_token(&sql);
  if (is_word(&t, "binary")) return check_format(&t.text, offset, err);
  if (is_char(&t, '(')) return refuse(err, offset, "writes the result of a query, as no dump does");
  t = behind_table(t, &sql);
  if (is_word(&t, "to")) return refuse(err, offset, "writes data out, as no dump does");
  if (!is_word(&t, "from")) return refuse(err, offset, "is not understood");
  t = next_token(&sql);
  if (!is_word(&t, "stdin")) return refuse(err, offset, "reads a file or runs a program on the server");
  return check_options(sql, offset, err);
}

/* ---- data ---- */

static const char marker[] = "\\.\r";  /* and a newline, with or without the carriage return */

#define LANES 16
typedef unsigned char lanes __attribute__((vector_size(LANES)));

static lanes load(const char *p)
{
  lanes v;
  memcpy(&v, p, sizeof v);
  return v;
}

static uint64_t sum(lanes v)
{
  uint64_t total = 0;
  for (int i = 0; i < LANES; i++) total += v[i];
  return total;
}

/* The number of newlines. */
static uint64_t count_lines(const char *p, size_t n)
{
  const lanes newline = (lanes){ 0 } + (unsigned char)'\n';
  uint64_t total = 0;
  while (n >= LANES) {
    lanes found = { 0 };
    for (int i = 0; i < 255 && n >= LANES; i++, p += LANES, n -= LANES) found -= (lanes)(load(p) == newline);
    total += sum(found);
  }
  for (; n; p++, n--) total += *p == '\n';
  return total;
}

/* Whether the newline at p, if it is one, stands before what is or may become a marker. */
static bool before_marker(const char *p, size_t n)
{
  return p[0] == '\n' && (n < 2 || p[1] == marker[0]) && (n < 3 || p[2] == marker[1]);
}

/* Where the first such newline is; n: nowhere. */
static size_t find_marker(const char *p, size_t n)
{
  const lanes first = (lanes){ 0 } + (unsigned char)'\n', second = (lanes){ 0 } + (unsigned char)marker[0],
              third = (lanes){ 0 } + (unsigned char)marker[1];
  size_t at = 0;
  for (; n - at >= LANES + 2; at += LANES) {
    lanes hit = (lanes)((load(p + at) == first) & (load(p + at + 1) == second) & (load(p + at + 2) == third));
    uint64_t halves[2];
    memcpy(halves, &hit, sizeof halves);
    if (halves[0] | halves[1]) break;
  }
  while (at < n && !before_marker(p + at, n - at)) at++;
  return at;
}

/* Rows up to and with the newline before what may be a marker, or all. Searched and counted by strides that stay in the
** first cache, told as one; a newline that happens to end a stride ends the piece as well, which does no harm. */
static int tell_rows(lb_copy_lines *lines, const char *data, size_t n, const lb_script_ops *ops, void *ctx,
                     size_t *used, lb_error *err)
{
  enum { STRIDE = 16384 };
  size_t end = 0;
  bool found = false;
  while (end < n && !found) {
    size_t stride = n - end > STRIDE ? STRIDE : n - end;
    size_t at = find_marker(data + end, stride);
    found = at < stride;
    if (found) stride = at + 1;
    lines->rows += count_lines(data + end, stride);
    end += stride;
  }
  lines->inside = !found;
  *used = end;
  return ops->copy_data(ctx, data, end, err);
}

/* One byte at the beginning of a line: of a marker, or else what was held is told and the line is a row. */
static int step_marker(lb_copy_lines *lines, char c, const lb_script_ops *ops, void *ctx, bool *taken, bool *ended,
                       lb_error *err)
{
  *ended = c == '\n' && lines->held >= 2;
  *taken = *ended || (lines->held < 3 && c == marker[lines->held]);
  if (*taken) {
    lines->held++;
    return LB_OK;
  }
  int held = lines->held;
  lines->held = 0;
  lines->inside = true;
  return held ? ops->copy_data(ctx, marker, (size_t)held, err) : LB_OK;
}

int lb_copy_feed(lb_copy_lines *lines, const char *data, size_t n, const lb_script_ops *ops, void *ctx, size_t *used,
                 bool *ended, lb_error *err)
{
  int rc = LB_OK;
  *used = 0;
  *ended = false;
  while (!rc && *used < n && !*ended) {
    size_t took = 0;
    if (lines->inside) {
      rc = tell_rows(lines, data + *used, n - *used, ops, ctx, &took, err);
    } else {
      bool taken = false;
      rc = step_marker(lines, data[*used], ops, ctx, &taken, ended, err);
      took = taken;
    }
    *used += took;
  }
  return rc;
}

bool lb_copy_at_marker(const lb_copy_lines *lines)
{
  return !lines->inside && lines->held >= 2;
}

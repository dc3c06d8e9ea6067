/* See tokens.h. */
#include "postgres/tokens.h"

#include <string.h>

static bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }
static bool is_digit(char c) { return c >= '0' && c <= '9'; }
static bool begins_word(char c)
{
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (unsigned char)c >= 0x80;
}
static bool goes_on_word(char c) { return begins_word(c) || is_digit(c) || c == '$'; }

static const char *skip_comment(const char *p, const char *end)
{
  int depth = 0;
  if (p[1] == '-') {
    const char *line = memchr(p, '\n', (size_t)(end - p));
    return line ? line : end;
  }
  while (p < end) {
    if (end - p > 1 && p[0] == '/' && p[1] == '*') { depth++; p += 2; }
    else if (end - p > 1 && p[0] == '*' && p[1] == '/') { depth--; p += 2; if (!depth) return p; }
    else p++;
  }
  return end;
}

static const char *skip_blank(const char *p, const char *end)
{
  for (;;) {
    while (p < end && is_space(*p)) p++;
    if (end - p < 2 || !((p[0] == '-' && p[1] == '-') || (p[0] == '/' && p[1] == '*'))) return p;
    p = skip_comment(p, end);
  }
}

/* Behind the closing quote of what begins at p; a doubled quote does not close. */
static const char *skip_quoted(const char *p, const char *end, bool backslashes)
{
  char quote = *p++;
  while (p < end) {
    if (backslashes && *p == '\\') p += end - p > 1 ? 2 : 1;
    else if (*p != quote) p++;
    else if (end - p > 1 && p[1] == quote) p += 2;
    else return p + 1;
  }
  return end;
}

/* $tag$…$tag$; NULL: p begins none. */
static const char *skip_dollar(const char *p, const char *end)
{
  const char *tag = p + 1;
  if (tag < end && is_digit(*tag)) return NULL;
  while (tag < end && *tag != '$' && goes_on_word(*tag)) tag++;
  if (tag >= end || *tag != '$') return NULL;
  size_t n = (size_t)(tag + 1 - p);
  const char *found = memmem(p + n, (size_t)(end - p) - n, p, n);
  return found ? found + n : end;
}

lb_token_type lb_token_next(lb_tokens *t)
{
  const char *p = t->p = skip_blank(t->p, t->end), *end = t->end, *stop = NULL;
  t->type = LB_TOKEN_SYMBOL;
  if (p >= end) t->type = LB_TOKEN_END;
  else if (begins_word(*p)) {
    const char *q = p + 1;
    while (q < end && goes_on_word(*q)) q++;
    t->type = LB_TOKEN_WORD;
    stop = q;
    if (q - p == 1 && q < end && *q == '\'' && strchr("eEnNbBxX", *p)) {
      t->type = LB_TOKEN_STRING;
      stop = skip_quoted(q, end, *p == 'e' || *p == 'E');
    } else if (q - p == 1 && (*p == 'u' || *p == 'U') && end - q > 1 && *q == '&' && (q[1] == '\'' || q[1] == '"')) {
      t->type = LB_TOKEN_STRING;  /* also a name with escapes: pg_dump writes none, and nobody decodes it here */
      stop = skip_quoted(q + 1, end, false);
    }
  } else if (*p == '"') {
    t->type = LB_TOKEN_QUOTED;
    stop = skip_quoted(p, end, false);
  } else if (*p == '\'') {
    t->type = LB_TOKEN_STRING;
    stop = skip_quoted(p, end, false);
  } else if (*p == '$' && (stop = skip_dollar(p, end))) {
    t->type = LB_TOKEN_STRING;
  }
  if (!stop) stop = p < end ? p + 1 : end;
  t->span = (lb_span){ p, (size_t)(stop - p) };
  t->p = stop;
  return t->type;
}

lb_tokens lb_tokens_begin(const char *sql, size_t len)
{
  lb_tokens t = { .p = sql, .end = sql + len };
  lb_token_next(&t);
  return t;
}

bool lb_span_is(lb_span span, const char *word)
{
  size_t n = strlen(word);
  if (span.len != n) return false;
  for (size_t i = 0; i < n; i++) {
    char c = span.at[i];
    if ((c >= 'A' && c <= 'Z' ? c + 32 : c) != word[i]) return false;
  }
  return true;
}

void lb_span_name(lb_span span, lb_buf *out)
{
  bool quoted = span.len >= 2 && (*span.at == '"' || *span.at == '\'');
  for (size_t i = quoted; i + quoted < span.len; i++) {
    char c = span.at[i];
    if (!quoted && c >= 'A' && c <= 'Z') c += 32;
    lb_buf_append(out, &c, 1);
    if (quoted && c == *span.at) i++;
  }
}

char *lb_span_text(lb_span span, lb_error *err)
{
  lb_buf name = { 0 };
  lb_span_name(span, &name);
  char *text = lb_buf_take(&name);
  if (!text) lb_fail_nomem(err);
  return text;
}

/* ---- what a parser asks ---- */

bool lb_token_is(const lb_tokens *t, const char *word)
{
  return t->type == LB_TOKEN_WORD && lb_span_is(t->span, word);
}

bool lb_token_is_symbol(const lb_tokens *t, char c)
{
  return t->type == LB_TOKEN_SYMBOL && *t->span.at == c;
}

bool lb_token_take(lb_tokens *t, const char *word)
{
  if (!lb_token_is(t, word)) return false;
  lb_token_next(t);
  return true;
}

bool lb_token_both(lb_tokens *t, const char *first, const char *second)
{
  lb_tokens before = *t;
  if (lb_token_take(t, first) && lb_token_take(t, second)) return true;
  *t = before;
  return false;
}

bool lb_token_name(lb_tokens *t, lb_span *name)
{
  if (t->type != LB_TOKEN_WORD && t->type != LB_TOKEN_QUOTED) return false;
  *name = t->span;
  lb_token_next(t);
  return true;
}

bool lb_token_qualified(lb_tokens *t, lb_qualified *q)
{
  *q = (lb_qualified){ 0 };
  if (!lb_token_name(t, &q->name)) return false;
  q->whole = q->name;
  if (!lb_token_is_symbol(t, '.')) return true;
  lb_token_next(t);
  q->schema = q->name;
  if (!lb_token_name(t, &q->name)) return false;
  q->whole.len = (size_t)(q->name.at + q->name.len - q->whole.at);
  return true;
}

bool lb_token_parentheses(lb_tokens *t, lb_span *span, bool *simple)
{
  const char *at = t->span.at;
  int depth = 0;
  bool name_next = true;
  if (!lb_token_is_symbol(t, '(')) return false;
  *simple = true;
  do {
    if (lb_token_is_symbol(t, '(')) { if (depth++) *simple = false; }
    else if (lb_token_is_symbol(t, ')')) { depth--; if (name_next) *simple = false; }
    else if (name_next && (t->type == LB_TOKEN_WORD || t->type == LB_TOKEN_QUOTED)) name_next = false;
    else if (!name_next && lb_token_is_symbol(t, ',')) name_next = true;
    else *simple = false;
    *span = (lb_span){ at, (size_t)(t->span.at + t->span.len - at) };
    lb_token_next(t);
  } while (depth && t->type != LB_TOKEN_END);
  return depth == 0;
}

bool lb_token_seek(lb_tokens *t, const char *word)
{
  int depth = 0;
  for (; t->type != LB_TOKEN_END; lb_token_next(t)) {
    if (lb_token_is_symbol(t, '(')) depth++;
    else if (lb_token_is_symbol(t, ')')) depth--;
    else if (depth == 0 && lb_token_is(t, word)) { lb_token_next(t); return true; }
  }
  return false;
}

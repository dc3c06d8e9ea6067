/* See script_lex.h.
**
** Each state has a function that takes bytes of the piece and says how far it came; one that took none has changed the
** state. Quoted texts are searched, not stepped through.
*/
#include "postgres/script_lex.h"

#include <string.h>

static bool is_blank(char c)
{
  return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f';
}

static bool starts_word(char c)
{
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (unsigned char)c >= 128;
}

static bool continues_tag(char c)
{
  return starts_word(c) || (c >= '0' && c <= '9');
}

/* ---- words ---- */

static void add_to_word(lb_lex *lex, char c)
{
  if (lex->word_len < LB_LEX_WORD_MAX - 1) lex->word[lex->word_len] = c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
  lex->word_len++;
}

static bool word_is(const lb_lex *lex, const char *keyword)
{
  return lex->word_len == strlen(keyword) && memcmp(lex->word, keyword, lex->word_len) == 0;
}

static lb_lex_head next_head(const lb_lex *lex)
{
  switch (lex->head) {
  case LB_LEX_NOTHING:
    return word_is(lex, "create") ? LB_LEX_CREATE : LB_LEX_OTHER;
  case LB_LEX_CREATE:
    if (word_is(lex, "or")) return LB_LEX_OR;
    return word_is(lex, "function") || word_is(lex, "procedure") ? LB_LEX_ROUTINE : LB_LEX_OTHER;
  case LB_LEX_OR:
    return word_is(lex, "replace") ? LB_LEX_REPLACE : LB_LEX_OTHER;
  case LB_LEX_REPLACE:
    return word_is(lex, "function") || word_is(lex, "procedure") ? LB_LEX_ROUTINE : LB_LEX_OTHER;
  default:
    return lex->head;
  }
}

/* Counts BEGIN ATOMIC and CASE, which END with END, in the body of a routine; those in parentheses are closed there. */
static void finish_word(lb_lex *lex)
{
  bool after_begin = lex->begin_seen;
  lex->begin_seen = false;
  if (lex->head != LB_LEX_ROUTINE) {
    lex->head = next_head(lex);
  } else if (lex->parens == 0) {
    lex->begin_seen = word_is(lex, "begin");
    if (after_begin && word_is(lex, "atomic")) lex->begins++;
    else if (lex->begins && word_is(lex, "case")) lex->begins++;
    else if (lex->begins && word_is(lex, "end")) lex->begins--;
  }
}

static void take_word(lb_lex *lex, const char *data, size_t n, size_t *i)
{
  while (*i < n && (continues_tag(data[*i]) || data[*i] == '$')) add_to_word(lex, data[(*i)++]);
  if (*i == n) return;
  lex->state = LB_LEX_PLAIN;
  if (data[*i] == '\'' && word_is(lex, "e")) {
    lex->state = LB_LEX_ESCAPED;
    lex->begin_seen = false;
    lex->token_at = lex->offset + *i;
    (*i)++;
  } else {
    finish_word(lex);
  }
}

/* ---- between tokens ---- */

/* The byte at i of the piece belongs to the statement, whose first it is if none has begun. */
static void begin_statement(lb_lex *lex, size_t i)
{
  if (lex->begun) return;
  lex->begun = true;
  lex->begun_at = lex->offset + i;
}

/* The same for the byte before i, which was no beginning of a comment. */
static void begin_before(lb_lex *lex, size_t i, char lead)
{
  if (lex->begun) return;
  lex->begun = true;
  lex->begun_at = lex->offset + i - 1;
  lex->lead = lead;
}

static void take_blank(lb_lex *lex, char c)
{
  bool newline = c == '\n' || c == '\r';
  if (lex->joint) lex->joint = newline || lex->joint == LB_LEX_NEWLINE ? LB_LEX_NEWLINE : LB_LEX_BLANK;
  if (!lex->begun) lex->line_start = c == '\n';
}

static void open_string(lb_lex *lex)
{
  bool continued = lex->joint == LB_LEX_CLOSED || lex->joint == LB_LEX_NEWLINE;
  lex->state = continued ? LB_LEX_ESCAPED : LB_LEX_STRING;
}

static void open_dollar(lb_lex *lex)
{
  lex->state = LB_LEX_DOLLAR;
  lex->word_len = 0;
  lex->tag.len = 0;
  lb_buf_append(&lex->tag, "$", 1);
}

static void take_punctuation(lb_lex *lex, char c)
{
  lex->begin_seen = false;
  switch (c) {
  case '\'': open_string(lex); break;
  case '"': lex->state = LB_LEX_NAME; break;
  case '$': open_dollar(lex); break;
  case '(': lex->parens++; break;
  case ')': lex->parens -= lex->parens > 0; break;
  default: break;
  }
}

/* A byte that begins a token; blanks were skipped. Bytes that are events belong to no statement. */
static lb_lex_event take_token(lb_lex *lex, char c, size_t i)
{
  if (c == '\\') return LB_LEX_BACKSLASH;
  if (c == 0) return LB_LEX_ZERO;
  if (c == ';' && lex->parens == 0 && lex->begins == 0) return LB_LEX_SEMICOLON;
  lex->token_at = lex->offset + i;
  if (c == '-' || c == '/') {
    lex->state = c == '-' ? LB_LEX_DASH : LB_LEX_SLASH;
    if (c == '/') lex->joint = LB_LEX_APART;  /* only a comment of the other kind may stand in a joint */
    return LB_LEX_MORE;
  }
  begin_statement(lex, i);
  if (starts_word(c)) {
    lex->state = LB_LEX_WORD;
    lex->word_len = 0;
    add_to_word(lex, c);
  } else {
    take_punctuation(lex, c);
  }
  lex->joint = LB_LEX_APART;
  return LB_LEX_MORE;
}

static lb_lex_event take_plain(lb_lex *lex, const char *data, size_t n, size_t *i)
{
  lb_lex_event event = LB_LEX_MORE;
  while (*i < n && lex->state == LB_LEX_PLAIN && event == LB_LEX_MORE) {
    char c = data[*i];
    if (is_blank(c)) take_blank(lex, c);
    else event = take_token(lex, c, *i);
    (*i)++;
  }
  return event;
}

/* ---- comments ---- */

static lb_lex_event take_dash(lb_lex *lex, const char *data, size_t *i)
{
  if (data[*i] != '-') {
    lex->state = LB_LEX_PLAIN;
    lex->joint = LB_LEX_APART;
    lex->begin_seen = false;
    begin_before(lex, *i, '-');
    return LB_LEX_MORE;
  }
  bool told = !lex->begun && lex->line_start;
  lex->state = LB_LEX_LINE_COMMENT;
  lex->line_start = false;
  (*i)++;
  return told ? LB_LEX_COMMENT : LB_LEX_MORE;
}

static void take_slash(lb_lex *lex, const char *data, size_t *i)
{
  if (data[*i] != '*') {
    lex->state = LB_LEX_PLAIN;
    lex->begin_seen = false;
    begin_before(lex, *i, '/');
    return;
  }
  lex->state = LB_LEX_BLOCK_COMMENT;
  lex->comment_depth = 1;
  lex->comment_last = 0;
  lex->line_start = false;
  (*i)++;
}

static void take_line_comment(lb_lex *lex, const char *data, size_t n, size_t *i)
{
  while (*i < n && data[*i] != '\n' && data[*i] != '\r') (*i)++;
  if (*i < n) lex->state = LB_LEX_PLAIN;
}

static void take_block_comment(lb_lex *lex, const char *data, size_t n, size_t *i)
{
  while (*i < n && lex->comment_depth) {
    char c = data[(*i)++];
    bool opens = lex->comment_last == '/' && c == '*', closes = lex->comment_last == '*' && c == '/';
    lex->comment_depth += opens;
    lex->comment_depth -= closes;
    lex->comment_last = opens || closes ? 0 : c;
  }
  if (!lex->comment_depth) lex->state = LB_LEX_PLAIN;
}

/* ---- quotes ---- */

/* To the next quote. One that is doubled closes and opens again, which comes to the same. */
static void take_until(lb_lex *lex, char quote, const char *data, size_t n, size_t *i)
{
  const char *found = memchr(data + *i, quote, n - *i);
  *i = found ? (size_t)(found - data) + 1 : n;
  if (found) lex->state = LB_LEX_PLAIN;
}

static void take_escaped(lb_lex *lex, const char *data, size_t n, size_t *i)
{
  for (; *i < n; (*i)++) {
    if (lex->backslash) lex->backslash = false;  /* and so is whatever stands here */
    else if (data[*i] == '\\') lex->backslash = true;
    else if (data[*i] == '\'') break;
  }
  if (*i == n) return;
  (*i)++;
  lex->state = LB_LEX_PLAIN;
  lex->joint = LB_LEX_CLOSED;
}

/* What follows a $: a tag and another $ open a string; anything else was no tag, and a word may have begun. */
static void take_dollar(lb_lex *lex, const char *data, size_t n, size_t *i)
{
  while (*i < n && (lex->word_len ? continues_tag(data[*i]) : starts_word(data[*i]))) {
    lb_buf_append(&lex->tag, data + *i, 1);
    add_to_word(lex, data[(*i)++]);
  }
  if (*i == n) return;
  if (data[*i] != '$') {
    lex->state = lex->word_len ? LB_LEX_WORD : LB_LEX_PLAIN;
    return;
  }
  lb_buf_append(&lex->tag, "$", 1);
  lex->state = LB_LEX_DOLLAR_STRING;
  lex->tag_matched = 0;
  (*i)++;
}

/* The first place where the tag stands ends it. Inside a tag is no $, so a mismatch begins anew at this byte. */
static void take_dollar_string(lb_lex *lex, const char *data, size_t n, size_t *i)
{
  while (*i < n && lex->tag_matched < lex->tag.len) {
    if (lex->tag_matched == 0) {
      const char *found = memchr(data + *i, '$', n - *i);
      *i = found ? (size_t)(found - data) : n;
      if (!found) break;
    }
    char c = data[(*i)++];
    if (c == lex->tag.data[lex->tag_matched]) lex->tag_matched++;
    else lex->tag_matched = c == '$';
  }
  if (lex->tag_matched == lex->tag.len) lex->state = LB_LEX_PLAIN;
}

/* ---- the machine ---- */

lb_lex_event lb_lex_take(lb_lex *lex, const char *data, size_t n, size_t *i)
{
  lb_lex_event event = LB_LEX_MORE;
  while (event == LB_LEX_MORE && *i < n) {
    switch (lex->state) {
    case LB_LEX_PLAIN:         event = take_plain(lex, data, n, i); break;
    case LB_LEX_WORD:          take_word(lex, data, n, i); break;
    case LB_LEX_DASH:          event = take_dash(lex, data, i); break;
    case LB_LEX_SLASH:         take_slash(lex, data, i); break;
    case LB_LEX_LINE_COMMENT:  take_line_comment(lex, data, n, i); break;
    case LB_LEX_BLOCK_COMMENT: take_block_comment(lex, data, n, i); break;
    case LB_LEX_STRING:        take_until(lex, '\'', data, n, i); break;
    case LB_LEX_ESCAPED:       take_escaped(lex, data, n, i); break;
    case LB_LEX_NAME:          take_until(lex, '"', data, n, i); break;
    case LB_LEX_DOLLAR:        take_dollar(lex, data, n, i); break;
    case LB_LEX_DOLLAR_STRING: take_dollar_string(lex, data, n, i); break;
    }
    if (lex->tag.failed) event = LB_LEX_NOMEM;
  }
  return event;
}

void lb_lex_end(lb_lex *lex)
{
  if (lex->state == LB_LEX_DASH) begin_before(lex, 0, '-');
  else if (lex->state == LB_LEX_SLASH) begin_before(lex, 0, '/');
  else if (lex->state == LB_LEX_WORD || lex->state == LB_LEX_DOLLAR) finish_word(lex);
  else if (lex->state != LB_LEX_LINE_COMMENT) return;
  lex->state = LB_LEX_PLAIN;
}

void lb_lex_reset(lb_lex *lex)
{
  lex->begun = lex->begin_seen = lex->line_start = false;
  lex->head = LB_LEX_NOTHING;
  lex->begins = lex->parens = 0;
  lex->joint = LB_LEX_APART;
  lb_buf_free(&lex->tag);
}

void lb_lex_free(lb_lex *lex)
{
  lb_buf_free(&lex->tag);
}

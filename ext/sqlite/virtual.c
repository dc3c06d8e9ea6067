/* See virtual.h. Tokens as SQLite has them: names in any of four quotes, strings, comments, single bytes. */
#include "sqlite/virtual.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/buffer.h"

typedef struct token {
  const char *at;
  size_t n;        /* 0: the end */
} token;

static bool is_word(unsigned char c)
{
  bool letter = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
  return letter || (c >= '0' && c <= '9') || c == '_' || c == '$' || c >= 0x80;
}

static const char *skip_blank(const char *p)
{
  for (;;) {
    p += strspn(p, " \t\r\n\f");
    if (p[0] == '-' && p[1] == '-') {
      p += strcspn(p, "\n");
    } else if (p[0] == '/' && p[1] == '*') {
      const char *end = strstr(p + 2, "*/");
      if (!end) return p + strlen(p);
      p = end + 2;
    } else {
      return p;
    }
  }
}

/* The length of what is in quotes at p, quotes included; up to the end where it is not closed. */
static size_t quoted_length(const char *p)
{
  char close = *p == '[' ? ']' : *p;
  const char *q = p + 1;
  while (*q && (*q != close || (close != ']' && q[1] == close))) q += *q == close ? 2 : 1;
  return (size_t)(q - p) + (*q ? 1 : 0);
}

static token next(const char **p)
{
  *p = skip_blank(*p);
  token t = { *p, 0 };
  if (!**p) return t;
  if (strchr("'\"`[", **p)) t.n = quoted_length(*p);
  else while (is_word((unsigned char)(*p)[t.n])) t.n++;
  if (!t.n) t.n = 1;
  *p += t.n;
  return t;
}

static bool is(token t, const char *text)
{
  return t.n == strlen(text) && strncasecmp(t.at, text, t.n) == 0;
}

static char *unquote(token t, lb_error *err)
{
  lb_buf out = { 0 };
  char open = t.n ? *t.at : 0, close = open == '[' ? ']' : open;
  if (!open || !strchr("'\"`[", open)) {
    lb_buf_append(&out, t.at, t.n);
  } else {
    for (size_t i = 1; i < t.n && (t.at[i] != close || (i + 1 < t.n && close != ']')); i++) {
      lb_buf_append(&out, t.at + i, 1);
      if (t.at[i] == close) i++;
    }
  }
  char *text = lb_buf_take(&out);
  if (!text) lb_fail_nomem(err);
  return text;
}

/* FTS5 takes any beginning of an option's name, and `content` is the first one with a c. */
static bool is_content(token t, bool abbreviated)
{
  return is(t, "content") || (abbreviated && t.n && t.n < 7 && strncasecmp(t.at, "content", t.n) == 0);
}

/* Behind the opening parenthesis: an argument `content = VALUE`. */
static int read_arguments(const char *p, bool abbreviated, lb_virtual *v, lb_error *err)
{
  int depth = 1;
  bool first = true;  /* of an argument */
  for (token t = next(&p); t.n && depth; t = next(&p)) {
    if (first && depth == 1 && is_content(t, abbreviated)) {
      const char *behind = p;
      if (is(next(&behind), "=")) {
        token value = next(&behind);
        bool given = value.n && !is(value, ",") && !is(value, ")");
        free(v->content);
        v->content = given ? unquote(value, err) : NULL;
        if (err->code) return err->code;
      }
    }
    first = is(t, ",") && depth == 1;
    if (is(t, "(")) depth++;
    if (is(t, ")")) depth--;
  }
  if (v->content && !*v->content) {
    free(v->content);
    v->content = NULL;
  }
  return LB_OK;
}

int lb_virtual_read(const char *sql, lb_virtual *v, lb_error *err)
{
  enum { FTS5 = 2 };
  static const char *const modules[] = { "fts3", "fts4", "fts5" };
  const char *p = sql;
  *v = (lb_virtual){ 0 };
  if (!is(next(&p), "CREATE") || !is(next(&p), "VIRTUAL") || !is(next(&p), "TABLE")) return LB_OK;
  token t = next(&p);
  while (t.n && !is(t, "USING")) t = next(&p);  /* a name that is USING is in quotes */
  token module = next(&p);
  if (!t.n || !module.n) return LB_OK;
  v->module = unquote(module, err);
  if (err->code || !is(next(&p), "(")) return err->code;
  for (int i = 0; i < 3; i++) {
    if (strcasecmp(v->module, modules[i]) == 0 && read_arguments(p, i == FTS5, v, err)) break;
  }
  if (err->code) lb_virtual_free(v);
  return err->code;
}

void lb_virtual_free(lb_virtual *v)
{
  free(v->module);
  free(v->content);
  *v = (lb_virtual){ 0 };
}

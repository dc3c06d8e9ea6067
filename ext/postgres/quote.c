/* See quote.h. The rules of patterns are those of psql's manual, "Patterns", since pg_dump selects what it describes by
** the same pattern: what it and we choose must agree.
*/
#include "postgres/quote.h"

#include <string.h>

/* Appends text with each byte of `doubled` doubled. */
static void put_doubled(lb_buf *out, const char *text, const char *doubled)
{
  while (*text) {
    size_t n = strcspn(text, doubled);
    lb_buf_append(out, text, n);
    text += n;
    if (!*text) break;
    lb_buf_append(out, text, 1);
    lb_buf_append(out, text++, 1);
  }
}

void lb_pg_put_identifier(lb_buf *out, const char *name)
{
  lb_buf_text(out, "\"");
  put_doubled(out, name, "\"");
  lb_buf_text(out, "\"");
}

void lb_pg_put_qualified(lb_buf *out, const char *schema, const char *name)
{
  lb_pg_put_identifier(out, schema);
  lb_buf_text(out, ".");
  lb_pg_put_identifier(out, name);
}

void lb_pg_put_literal(lb_buf *out, const char *text)
{
  lb_buf_text(out, strchr(text, '\\') ? "E'" : "'");
  put_doubled(out, text, "'\\");
  lb_buf_text(out, "'");
}

void lb_pg_put_element(lb_buf *array, const char *text)
{
  lb_buf_text(array, array->len ? ",\"" : "{\"");
  for (const char *p = text; *p; p++) {
    if (*p == '"' || *p == '\\') lb_buf_text(array, "\\");
    lb_buf_append(array, p, 1);
  }
  lb_buf_text(array, "\"");
}

void lb_pg_end_array(lb_buf *array)
{
  lb_buf_text(array, array->len ? "}" : "{}");
}

void lb_pg_put_comment(lb_buf *out, const char *name)
{
  for (; *name; name++) {
    unsigned char c = (unsigned char)*name;
    if (c < 0x20 || c == 0x7f) lb_buf_text(out, "?");
    else lb_buf_append(out, name, 1);
  }
}

/* One character outside quotes, as a piece of a regular expression. Letters fold as they do in SQL; what has a meaning
** in regular expressions keeps it, but for the dollar sign, which names may have, and for [], which means an array
** type. */
static void put_unquoted(lb_buf *part, const char *at)
{
  char c = *at >= 'A' && *at <= 'Z' ? (char)(*at - 'A' + 'a') : *at;
  if (c == '*') lb_buf_text(part, ".*");
  else if (c == '?') lb_buf_text(part, ".");
  else if (c == '$') lb_buf_text(part, "\\$");
  else if (c == '[' && at[1] == ']') lb_buf_text(part, "\\[");
  else lb_buf_append(part, &c, 1);
}

static void put_quoted(lb_buf *part, const char *at)
{
  if (strchr("|*+?()[]{}.^$\\", *at)) lb_buf_text(part, "\\");
  lb_buf_append(part, at, 1);
}

/* Splits the pattern into parts[0] and, behind a dot, parts[1]. Returns how many there are, 0 when it is not valid. */
static int split(const char *pattern, lb_buf parts[2])
{
  int count = 1;
  bool quoted = false;
  for (const char *at = pattern; *at; at++) {
    lb_buf *part = &parts[count - 1];
    if (*at == '"' && quoted && at[1] == '"') {
      lb_buf_append(part, at++, 1);
    } else if (*at == '"') {
      quoted = !quoted;
    } else if (quoted) {
      put_quoted(part, at);
    } else if (*at != '.') {
      put_unquoted(part, at);
    } else if (count++ == 2) {
      return 0;
    }
  }
  if (quoted) return 0;
  for (int i = 0; i < count; i++) {
    if (parts[i].len == 0) return 0;
  }
  return count;
}

static void put_anchored(lb_buf *out, const lb_buf *part)
{
  lb_buf_text(out, "^(");
  lb_buf_append(out, part->data, part->len);
  lb_buf_text(out, ")$");
  if (part->failed) out->failed = true;
}

bool lb_pg_pattern(const char *pattern, lb_buf *schema, lb_buf *name)
{
  lb_buf parts[2] = { { 0 }, { 0 } };
  int count = split(pattern, parts);
  if (count == 2) put_anchored(schema, &parts[0]);
  if (count > 0) put_anchored(name, &parts[count - 1]);
  lb_buf_free(&parts[0]);
  lb_buf_free(&parts[1]);
  return count > 0;
}

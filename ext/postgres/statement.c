/* See statement.h. A tokenizer, and one function for each beginning word that matters. */
#include "postgres/statement.h"

#include <string.h>

enum { EXCERPT_BYTES = 80 };

/* ---- tokens ---- */

typedef enum token_type { TOKEN_END, TOKEN_WORD, TOKEN_QUOTED, TOKEN_STRING, TOKEN_SYMBOL } token_type;

typedef struct tokens {
  const char *p, *end;
  token_type type;     /* of the current token */
  lb_span span;
} tokens;

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

static token_type next(tokens *t)
{
  const char *p = t->p = skip_blank(t->p, t->end), *end = t->end, *stop = NULL;
  t->type = TOKEN_SYMBOL;
  if (p >= end) t->type = TOKEN_END;
  else if (begins_word(*p)) {
    const char *q = p + 1;
    while (q < end && goes_on_word(*q)) q++;
    t->type = TOKEN_WORD;
    stop = q;
    if (q - p == 1 && q < end && *q == '\'' && strchr("eEnNbBxX", *p)) {
      t->type = TOKEN_STRING;
      stop = skip_quoted(q, end, *p == 'e' || *p == 'E');
    } else if (q - p == 1 && (*p == 'u' || *p == 'U') && end - q > 1 && *q == '&' && (q[1] == '\'' || q[1] == '"')) {
      t->type = TOKEN_STRING;  /* also a name with escapes: nothing that pg_dump writes, and nobody decodes it here */
      stop = skip_quoted(q + 1, end, false);
    }
  } else if (*p == '"') {
    t->type = TOKEN_QUOTED;
    stop = skip_quoted(p, end, false);
  } else if (*p == '\'') {
    t->type = TOKEN_STRING;
    stop = skip_quoted(p, end, false);
  } else if (*p == '$' && (stop = skip_dollar(p, end))) {
    t->type = TOKEN_STRING;
  }
  if (!stop) stop = p < end ? p + 1 : end;
  t->span = (lb_span){ p, (size_t)(stop - p) };
  t->p = stop;
  return t->type;
}

static tokens begin(const char *sql, size_t len)
{
  tokens t = { .p = sql, .end = sql + len };
  next(&t);
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

static bool is_word(const tokens *t, const char *word) { return t->type == TOKEN_WORD && lb_span_is(t->span, word); }
static bool is_symbol(const tokens *t, char c) { return t->type == TOKEN_SYMBOL && *t->span.at == c; }

/* Steps over the word if it is there. */
static bool take_word(tokens *t, const char *word)
{
  if (!is_word(t, word)) return false;
  next(t);
  return true;
}

/* Both, or neither. */
static bool take_words(tokens *t, const char *first, const char *second)
{
  tokens before = *t;
  if (take_word(t, first) && take_word(t, second)) return true;
  *t = before;
  return false;
}

static bool take_name(tokens *t, lb_span *name)
{
  if (t->type != TOKEN_WORD && t->type != TOKEN_QUOTED) return false;
  *name = t->span;
  next(t);
  return true;
}

static bool take_qualified(tokens *t, lb_qualified *q)
{
  *q = (lb_qualified){ 0 };
  if (!take_name(t, &q->name)) return false;
  q->whole = q->name;
  if (!is_symbol(t, '.')) return true;
  next(t);
  q->schema = q->name;
  if (!take_name(t, &q->name)) return false;
  q->whole.len = (size_t)(q->name.at + q->name.len - q->whole.at);
  return true;
}

/* Steps over (…); simple tells whether only names and commas were in it. */
static bool take_parentheses(tokens *t, lb_span *span, bool *simple)
{
  const char *at = t->span.at;
  int depth = 0;
  bool name_next = true;
  if (!is_symbol(t, '(')) return false;
  *simple = true;
  do {
    if (is_symbol(t, '(')) { if (depth++) *simple = false; }
    else if (is_symbol(t, ')')) { depth--; if (name_next) *simple = false; }
    else if (name_next && (t->type == TOKEN_WORD || t->type == TOKEN_QUOTED)) name_next = false;
    else if (!name_next && is_symbol(t, ',')) name_next = true;
    else *simple = false;
    *span = (lb_span){ at, (size_t)(t->span.at + t->span.len - at) };
    next(t);
  } while (depth && t->type != TOKEN_END);
  return depth == 0;
}

/* Goes on to the next place outside parentheses where `word` stands, and steps over it. */
static bool seek_word(tokens *t, const char *word)
{
  int depth = 0;
  for (; t->type != TOKEN_END; next(t)) {
    if (is_symbol(t, '(')) depth++;
    else if (is_symbol(t, ')')) depth--;
    else if (depth == 0 && is_word(t, word)) { next(t); return true; }
  }
  return false;
}

/* ---- kinds ---- */

static lb_statement_kind read_set(tokens *t, lb_statement *st)
{
  if (take_words(t, "session", "authorization")) return LB_STATEMENT_AUTHORIZATION;
  if (!take_word(t, "session")) take_word(t, "local");
  if (!take_name(t, &st->name)) return LB_STATEMENT_SESSION;
  if (is_symbol(t, '=')) next(t);
  else if (!take_word(t, "to")) return LB_STATEMENT_SESSION;  /* also custom.setting: known to the server or not */
  lb_span v = t->span;
  if (t->type == TOKEN_STRING && v.len >= 2) v = (lb_span){ v.at + 1, v.len - 2 };
  st->is_off = lb_span_is(v, "off") || lb_span_is(v, "false") || lb_span_is(v, "no") || lb_span_is(v, "0");
  return LB_STATEMENT_SET;
}

static lb_statement_kind read_transaction(tokens *t, lb_statement_kind kind)
{
  if (!take_word(t, "work")) take_word(t, "transaction");
  return t->type == TOKEN_END ? kind : LB_STATEMENT_CONTROL;
}

/* SELECT pg_catalog.set_config(…), SELECT pg_catalog.lo_create(…) */
static lb_statement_kind read_select(tokens *t)
{
  lb_qualified function;
  lb_span arguments;
  bool simple;
  if (!take_qualified(t, &function) || !take_parentheses(t, &arguments, &simple)) return LB_STATEMENT_OTHER;
  if (lb_span_is(function.name, "lo_create")) return LB_STATEMENT_RELATION;
  if (t->type == TOKEN_END && lb_span_is(function.name, "set_config")) return LB_STATEMENT_SESSION;
  return LB_STATEMENT_OTHER;
}

static lb_statement_kind read_index(tokens *t, lb_statement *st)
{
  bool named = take_name(t, &st->name) && take_word(t, "on");
  if (named) take_word(t, "only");
  return named && take_qualified(t, &st->table) ? LB_STATEMENT_INDEX : LB_STATEMENT_OTHER;
}

static lb_statement_kind read_create(tokens *t, lb_statement *st)
{
  static const char *const relations[] = { "table", "view", "sequence", "materialized" };
  if (take_word(t, "database")) return LB_STATEMENT_DATABASE;
  if (take_word(t, "role")) return take_name(t, &st->name) ? LB_STATEMENT_ROLE : LB_STATEMENT_OTHER;
  if (take_word(t, "extension")) {
    if (take_word(t, "if")) { take_word(t, "not"); take_word(t, "exists"); }
    return take_name(t, &st->name) ? LB_STATEMENT_EXTENSION : LB_STATEMENT_OTHER;
  }
  if (take_word(t, "index") || take_words(t, "unique", "index")) return read_index(t, st);
  if (take_words(t, "or", "replace") || take_word(t, "unlogged") || take_word(t, "foreign")) take_word(t, "recursive");
  for (size_t i = 0; i < sizeof relations / sizeof *relations; i++) {
    if (is_word(t, relations[i])) return LB_STATEMENT_RELATION;
  }
  return LB_STATEMENT_OTHER;
}

static lb_statement_kind read_constraint(tokens *t, lb_statement *st)
{
  bool simple = false;
  if (!take_name(t, &st->name)) return LB_STATEMENT_OTHER;
  if (take_words(t, "foreign", "key")) {
    if (!take_parentheses(t, &st->columns, &simple) || !take_word(t, "references")) return LB_STATEMENT_OTHER;
    return take_qualified(t, &st->referenced) ? LB_STATEMENT_FOREIGN_KEY : LB_STATEMENT_OTHER;
  }
  st->primary = take_words(t, "primary", "key");
  if (!st->primary && !take_word(t, "unique")) return LB_STATEMENT_OTHER;
  if (take_parentheses(t, &st->columns, &simple)) st->plain = simple && t->type == TOKEN_END;
  return LB_STATEMENT_KEY;
}

static lb_statement_kind read_alter_table(tokens *t, lb_statement *st)
{
  take_word(t, "only");
  if (!take_qualified(t, &st->table)) return LB_STATEMENT_OTHER;
  if (take_words(t, "add", "constraint")) return read_constraint(t, st);
  if (take_words(t, "cluster", "on") || take_words(t, "replica", "identity")) return LB_STATEMENT_FOLLOWER;
  return LB_STATEMENT_OTHER;
}

static lb_statement_kind read_alter(tokens *t, lb_statement *st)
{
  tokens all = *t;
  if (take_word(t, "database")) return LB_STATEMENT_DATABASE;
  if (take_words(t, "default", "privileges")) return LB_STATEMENT_PRIVILEGE;
  if (take_word(t, "role")) return take_name(t, &st->name) ? LB_STATEMENT_ROLE_CHANGE : LB_STATEMENT_OTHER;
  while (seek_word(&all, "owner")) {
    lb_span role;
    if (take_word(&all, "to") && take_name(&all, &role) && all.type == TOKEN_END) return LB_STATEMENT_OWNER;
  }
  if (take_word(t, "table")) return read_alter_table(t, st);
  if (take_word(t, "index")) {
    lb_qualified index;
    return take_qualified(t, &index) && !is_word(t, "attach") ? LB_STATEMENT_FOLLOWER : LB_STATEMENT_OTHER;
  }
  return LB_STATEMENT_OTHER;
}

/* A GRANT without ON is one of membership in a role: no privilege on an object. */
static lb_statement_kind read_grant(tokens *t)
{
  if (!seek_word(t, "on")) return LB_STATEMENT_OTHER;
  return is_word(t, "database") ? LB_STATEMENT_DATABASE : LB_STATEMENT_PRIVILEGE;
}

static lb_statement_kind read_comment(tokens *t)
{
  if (!take_word(t, "on")) return LB_STATEMENT_OTHER;
  if (is_word(t, "database")) return LB_STATEMENT_DATABASE;
  return is_word(t, "index") || is_word(t, "constraint") ? LB_STATEMENT_FOLLOWER : LB_STATEMENT_OTHER;
}

/* How a backup of ours makes a role that may be there already (dump.c): DO $lifeboat$BEGIN CREATE ROLE … */
static lb_statement_kind read_do(const tokens *t, lb_statement *st)
{
  static const char head[] = "$lifeboat$BEGIN ";
  size_t n = sizeof head - 1;
  if (t->type != TOKEN_STRING || t->span.len <= n || memcmp(t->span.at, head, n) != 0) return LB_STATEMENT_OTHER;
  tokens inner = begin(t->span.at + n, t->span.len - n);
  return take_words(&inner, "create", "role") && take_name(&inner, &st->name) ? LB_STATEMENT_ROLE : LB_STATEMENT_OTHER;
}

static lb_statement_kind read_kind(tokens *t, lb_statement *st)
{
  if (take_word(t, "set")) return read_set(t, st);
  if (take_word(t, "reset")) return is_word(t, "session") ? LB_STATEMENT_AUTHORIZATION : LB_STATEMENT_SESSION;
  if (take_word(t, "create")) return read_create(t, st);
  if (take_word(t, "alter")) return read_alter(t, st);
  if (take_word(t, "grant") || take_word(t, "revoke")) return read_grant(t);
  if (take_word(t, "comment")) return read_comment(t);
  if (take_word(t, "do")) return read_do(t, st);
  if (take_word(t, "select")) return read_select(t);
  if (take_word(t, "begin") || take_words(t, "start", "transaction")) return read_transaction(t, LB_STATEMENT_BEGIN);
  if (take_word(t, "commit") || take_word(t, "end")) return read_transaction(t, LB_STATEMENT_COMMIT);
  if (is_word(t, "rollback") || is_word(t, "abort") || is_word(t, "savepoint") || is_word(t, "release") ||
      take_words(t, "prepare", "transaction")) {
    return LB_STATEMENT_CONTROL;
  }
  if (take_words(t, "drop", "database")) return LB_STATEMENT_DATABASE;
  if (take_words(t, "security", "label")) {
    return seek_word(t, "on") && is_word(t, "database") ? LB_STATEMENT_DATABASE : LB_STATEMENT_OTHER;
  }
  return LB_STATEMENT_OTHER;
}

void lb_statement_read(const char *sql, size_t len, lb_statement *st)
{
  tokens t = begin(sql, len);
  *st = (lb_statement){ 0 };
  st->kind = read_kind(&t, st);
}

/* ---- names ---- */

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

typedef struct role_taker {
  void (*take)(void *ctx, lb_span name);
  void *ctx;
} role_taker;

static bool is_no_role(lb_span name)
{
  static const char *const words[] = { "public", "current_user", "current_role", "session_user", "user", "default",
                                       "none" };
  for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
    if (lb_span_is(name, words[i])) return true;
  }
  return false;
}

static void take_roles(tokens *t, const role_taker *r)
{
  lb_span name;
  do {
    if (is_symbol(t, ',')) next(t);
    take_word(t, "group");
    if (!take_name(t, &name)) return;
    if (!is_no_role(name)) r->take(r->ctx, name);
  } while (is_symbol(t, ','));
}

static void roles_of_grant(tokens *t, bool grant, const role_taker *r)
{
  tokens look = *t;
  if (!seek_word(&look, "on")) {  /* membership: GRANT a, b TO c */
    take_word(t, "admin");
    take_roles(t, r);
  }
  if (!seek_word(t, grant ? "to" : "from")) return;
  take_roles(t, r);
  if (seek_word(t, "granted") && take_word(t, "by")) take_roles(t, r);
}

static void roles_of_alter(tokens *t, const role_taker *r)
{
  if (take_words(t, "default", "privileges")) {
    if (take_word(t, "for") && (take_word(t, "role") || take_word(t, "user"))) take_roles(t, r);
    if (seek_word(t, "grant")) roles_of_grant(t, true, r);
    return;
  }
  while (seek_word(t, "owner")) {
    if (take_word(t, "to")) take_roles(t, r);
  }
}

/* ALTER DEFAULT PRIVILEGES … REVOKE names roles behind FROM; every other form names them behind TO. */
void lb_statement_roles(const char *sql, size_t len, void (*take)(void *ctx, lb_span name), void *ctx)
{
  tokens t = begin(sql, len);
  role_taker r = { take, ctx };
  if (take_word(&t, "alter")) {
    tokens revoke = t;
    roles_of_alter(&t, &r);
    if (take_words(&revoke, "default", "privileges") && seek_word(&revoke, "revoke")) {
      roles_of_grant(&revoke, false, &r);
    }
  } else if (take_word(&t, "grant")) roles_of_grant(&t, true, &r);
  else if (take_word(&t, "revoke")) roles_of_grant(&t, false, &r);
  else if (take_words(&t, "create", "policy")) { if (seek_word(&t, "to")) take_roles(&t, &r); }
  else if (take_words(&t, "create", "user")) { if (take_words(&t, "mapping", "for")) take_roles(&t, &r); }
  else if (take_words(&t, "set", "session")) {
    if (!take_word(&t, "authorization")) return;
    if (t.type == TOKEN_STRING && t.span.len > 2 && *t.span.at == '\'') take(ctx, t.span);
    else take_roles(&t, &r);
  }
}

/* ---- messages ---- */

/* Bytes of a whole UTF-8 character at p; 0: none. */
static size_t character(const unsigned char *p, size_t n)
{
  size_t need = *p < 0x80 ? 1 : *p >= 0xc2 && *p < 0xe0 ? 2 : (*p & 0xf0) == 0xe0 ? 3 : *p >= 0xf0 && *p < 0xf5 ? 4 : 0;
  if (need > n) return 0;
  for (size_t i = 1; i < need; i++) if ((p[i] & 0xc0) != 0x80) return 0;
  return need;
}

void lb_statement_describe(const char *sql, size_t len, uint64_t offset, lb_buf *out)
{
  size_t i = 0;
  lb_buf_printf(out, "statement at byte %llu (", (unsigned long long)offset);
  while (i < len && i < EXCERPT_BYTES && sql[i] != '\'' && sql[i] != '$') {
    size_t n = character((const unsigned char *)sql + i, len - i);
    bool control = (unsigned char)sql[i] < ' ' || sql[i] == 0x7f;
    lb_buf_append(out, control ? " " : n ? sql + i : "?", control || !n ? 1 : n);
    i += n ? n : 1;
  }
  lb_buf_text(out, i < len ? "…)" : ")");
}

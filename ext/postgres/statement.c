/* See statement.h. One function for each beginning word that matters. */
#include "postgres/statement.h"

#include <string.h>

#include "core/utf8.h"

enum { EXCERPT_BYTES = 80 };

/* ---- kinds ---- */

static lb_statement_kind read_set(lb_tokens *t, lb_statement *st)
{
  if (lb_token_both(t, "session", "authorization")) return LB_STATEMENT_AUTHORIZATION;
  if (!lb_token_take(t, "session")) lb_token_take(t, "local");
  if (!lb_token_name(t, &st->name)) return LB_STATEMENT_SESSION;
  if (lb_token_is_symbol(t, '=')) lb_token_next(t);
  else if (!lb_token_take(t, "to")) return LB_STATEMENT_SESSION;  /* also custom.setting: known to the server or not */
  lb_span v = t->span;
  if (t->type == LB_TOKEN_STRING && v.len >= 2) v = (lb_span){ v.at + 1, v.len - 2 };
  st->is_off = lb_span_is(v, "off") || lb_span_is(v, "false") || lb_span_is(v, "no") || lb_span_is(v, "0");
  return LB_STATEMENT_SET;
}

static lb_statement_kind read_transaction(lb_tokens *t, lb_statement_kind kind)
{
  if (!lb_token_take(t, "work")) lb_token_take(t, "transaction");
  return t->type == LB_TOKEN_END ? kind : LB_STATEMENT_CONTROL;
}

/* ('sequence', …): the name is in a string, from which a quote in it would have to be taken out first. */
static lb_statement_kind read_setval(lb_span arguments, lb_statement *st)
{
  lb_tokens t = lb_tokens_begin(arguments.at, arguments.len);
  if (!lb_token_is_symbol(&t, '(') || lb_token_next(&t) != LB_TOKEN_STRING) return LB_STATEMENT_OTHER;
  lb_span text = t.span;
  if (text.len < 2 || *text.at != '\'' || memchr(text.at + 1, '\'', text.len - 2)) return LB_STATEMENT_OTHER;
  lb_tokens name = lb_tokens_begin(text.at + 1, text.len - 2);
  bool whole = lb_token_qualified(&name, &st->table) && name.type == LB_TOKEN_END;
  return whole ? LB_STATEMENT_SETVAL : LB_STATEMENT_OTHER;
}

/* SELECT pg_catalog.set_config(…) and the like: setval, lo_create, lo_unlink */
static lb_statement_kind read_select(lb_tokens *t, lb_statement *st)
{
  lb_qualified function;
  lb_span arguments;
  bool simple;
  if (!lb_token_qualified(t, &function) || !lb_token_parentheses(t, &arguments, &simple)) return LB_STATEMENT_OTHER;
  if (lb_span_is(function.name, "lo_create")) return LB_STATEMENT_RELATION;
  if (lb_span_is(function.name, "lo_unlink")) return LB_STATEMENT_DROP;
  if (lb_span_is(function.name, "setval")) return read_setval(arguments, st);
  if (t->type == LB_TOKEN_END && lb_span_is(function.name, "set_config")) return LB_STATEMENT_SESSION;
  return LB_STATEMENT_OTHER;
}

static lb_statement_kind read_index(lb_tokens *t, lb_statement *st)
{
  bool named = lb_token_name(t, &st->name) && lb_token_take(t, "on");
  if (named) lb_token_take(t, "only");
  return named && lb_token_qualified(t, &st->table) ? LB_STATEMENT_INDEX : LB_STATEMENT_OTHER;
}

/* pg_dump's stand-in for a view that others depend on in a circle. */
static bool is_placeholder(lb_tokens t)
{
  return lb_token_take(&t, "view") && lb_token_seek(&t, "as") && lb_token_take(&t, "select") && lb_token_is(&t, "null");
}

static lb_statement_kind read_create(lb_tokens *t, lb_statement *st)
{
  static const char *const relations[] = { "table", "view", "sequence", "materialized" };
  if (lb_token_take(t, "database")) return LB_STATEMENT_DATABASE;
  if (lb_token_take(t, "role")) return lb_token_name(t, &st->name) ? LB_STATEMENT_ROLE : LB_STATEMENT_OTHER;
  if (lb_token_take(t, "extension")) {
    if (lb_token_take(t, "if")) { lb_token_take(t, "not"); lb_token_take(t, "exists"); }
    return lb_token_name(t, &st->name) ? LB_STATEMENT_EXTENSION : LB_STATEMENT_OTHER;
  }
  if (lb_token_take(t, "index") || lb_token_both(t, "unique", "index")) return read_index(t, st);
  if (lb_token_take(t, "schema")) {
    return lb_token_name(t, &st->name) && t->type == LB_TOKEN_END ? LB_STATEMENT_SCHEMA : LB_STATEMENT_OTHER;
  }
  if (lb_token_both(t, "or", "replace")) st->placeholder = is_placeholder(*t);
  else if (!lb_token_take(t, "unlogged")) lb_token_take(t, "foreign");
  lb_token_take(t, "recursive");
  for (size_t i = 0; i < sizeof relations / sizeof *relations; i++) {
    if (lb_token_is(t, relations[i])) return LB_STATEMENT_RELATION;
  }
  return LB_STATEMENT_OTHER;
}

static lb_statement_kind read_constraint(lb_tokens *t, lb_statement *st)
{
  bool simple = false;
  if (!lb_token_name(t, &st->name)) return LB_STATEMENT_OTHER;
  if (lb_token_both(t, "foreign", "key")) {
    if (!lb_token_parentheses(t, &st->columns, &simple) || !lb_token_take(t, "references")) return LB_STATEMENT_OTHER;
    return lb_token_qualified(t, &st->referenced) ? LB_STATEMENT_FOREIGN_KEY : LB_STATEMENT_OTHER;
  }
  st->primary = lb_token_both(t, "primary", "key");
  if (!st->primary && !lb_token_take(t, "unique")) return LB_STATEMENT_OTHER;
  if (lb_token_parentheses(t, &st->columns, &simple)) st->plain = simple && t->type == LB_TOKEN_END;
  return LB_STATEMENT_KEY;
}

static lb_statement_kind read_alter_table(lb_tokens *t, lb_statement *st)
{
  lb_token_take(t, "only");
  if (!lb_token_qualified(t, &st->table)) return LB_STATEMENT_OTHER;
  if (lb_token_both(t, "add", "constraint")) return read_constraint(t, st);
  if (lb_token_both(t, "cluster", "on") || lb_token_both(t, "replica", "identity")) return LB_STATEMENT_FOLLOWER;
  return lb_token_seek(t, "drop") ? LB_STATEMENT_DROP : LB_STATEMENT_OTHER;
}

static lb_statement_kind read_alter(lb_tokens *t, lb_statement *st)
{
  lb_tokens all = *t;
  if (lb_token_take(t, "database")) return LB_STATEMENT_DATABASE;
  if (lb_token_both(t, "default", "privileges")) return LB_STATEMENT_PRIVILEGE;
  if (lb_token_take(t, "role")) {
    if (!lb_token_name(t, &st->name)) return LB_STATEMENT_OTHER;
    return lb_token_both(t, "in", "database") ? LB_STATEMENT_DATABASE : LB_STATEMENT_ROLE_CHANGE;
  }
  while (lb_token_seek(&all, "owner")) {
    lb_span role;
    if (lb_token_take(&all, "to") && lb_token_name(&all, &role) && all.type == LB_TOKEN_END) return LB_STATEMENT_OWNER;
  }
  if (lb_token_take(t, "table")) return read_alter_table(t, st);
  if (lb_token_take(t, "domain")) return lb_token_seek(t, "drop") ? LB_STATEMENT_DROP : LB_STATEMENT_OTHER;
  if (lb_token_take(t, "index")) {
    lb_qualified index;
    return lb_token_qualified(t, &index) && !lb_token_is(t, "attach") ? LB_STATEMENT_FOLLOWER : LB_STATEMENT_OTHER;
  }
  return LB_STATEMENT_OTHER;
}

/* A GRANT without ON is one of membership in a role: no privilege on an object. pg_dumpall names one member. */
static lb_statement_kind read_grant(lb_tokens *t, lb_statement *st)
{
  lb_tokens all = *t;
  if (!lb_token_seek(t, "on")) {
    bool one = lb_token_seek(&all, "to") && lb_token_name(&all, &st->name) && !lb_token_is_symbol(&all, ',');
    return one ? LB_STATEMENT_MEMBERSHIP : LB_STATEMENT_OTHER;
  }
  return lb_token_is(t, "database") ? LB_STATEMENT_DATABASE : LB_STATEMENT_PRIVILEGE;
}

static lb_statement_kind read_comment(lb_tokens *t, lb_statement *st)
{
  if (!lb_token_take(t, "on")) return LB_STATEMENT_OTHER;
  if (lb_token_is(t, "database")) return LB_STATEMENT_DATABASE;
  if (lb_token_is(t, "policy")) return LB_STATEMENT_POLICY;
  if (lb_token_take(t, "schema")) return lb_token_name(t, &st->name) ? LB_STATEMENT_SCHEMA_COMMENT : LB_STATEMENT_OTHER;
  if (lb_token_take(t, "extension")) {
    return lb_token_name(t, &st->name) ? LB_STATEMENT_EXTENSION : LB_STATEMENT_OTHER;
  }
  return lb_token_is(t, "index") || lb_token_is(t, "constraint") ? LB_STATEMENT_FOLLOWER : LB_STATEMENT_OTHER;
}

static lb_statement_kind read_drop(lb_tokens *t, lb_statement *st)
{
  if (lb_token_is(t, "database")) return LB_STATEMENT_DATABASE;
  st->schema = lb_token_take(t, "schema");
  if (st->schema || lb_token_take(t, "extension")) {
    lb_token_both(t, "if", "exists");
    lb_token_name(t, &st->name);
  }
  return LB_STATEMENT_DROP;
}

/* How a backup of ours makes a role that may be there already (dump.c): DO $lifeboat$BEGIN CREATE ROLE … */
static lb_statement_kind read_do(const lb_tokens *t, lb_statement *st)
{
  static const char head[] = "$lifeboat$BEGIN ";
  size_t n = sizeof head - 1;
  if (t->type != LB_TOKEN_STRING || t->span.len <= n || memcmp(t->span.at, head, n) != 0) return LB_STATEMENT_OTHER;
  lb_tokens inner = lb_tokens_begin(t->span.at + n, t->span.len - n);
  bool role = lb_token_both(&inner, "create", "role") && lb_token_name(&inner, &st->name);
  return role ? LB_STATEMENT_ROLE : LB_STATEMENT_OTHER;
}

static lb_statement_kind read_kind(lb_tokens *t, lb_statement *st)
{
  if (lb_token_take(t, "set")) return read_set(t, st);
  if (lb_token_take(t, "reset")) return lb_token_is(t, "session") ? LB_STATEMENT_AUTHORIZATION : LB_STATEMENT_SESSION;
  if (lb_token_take(t, "create")) return read_create(t, st);
  if (lb_token_take(t, "alter")) return read_alter(t, st);
  if (lb_token_take(t, "grant") || lb_token_take(t, "revoke")) return read_grant(t, st);
  if (lb_token_take(t, "comment")) return read_comment(t, st);
  if (lb_token_take(t, "do")) return read_do(t, st);
  if (lb_token_take(t, "select")) return read_select(t, st);
  if (lb_token_both(t, "insert", "into")) {
    return lb_token_qualified(t, &st->table) ? LB_STATEMENT_INSERT : LB_STATEMENT_OTHER;
  }
  if (lb_token_take(t, "begin") || lb_token_both(t, "start", "transaction")) {
    return read_transaction(t, LB_STATEMENT_BEGIN);
  }
  if (lb_token_take(t, "commit") || lb_token_take(t, "end")) return read_transaction(t, LB_STATEMENT_COMMIT);
  if (lb_token_is(t, "rollback") || lb_token_is(t, "abort") || lb_token_is(t, "savepoint") ||
      lb_token_is(t, "release") || lb_token_both(t, "prepare", "transaction")) {
    return LB_STATEMENT_CONTROL;
  }
  if (lb_token_take(t, "drop")) return read_drop(t, st);
  if (lb_token_both(t, "refresh", "materialized")) return LB_STATEMENT_REFRESH;
  if (lb_token_both(t, "security", "label")) {
    return lb_token_seek(t, "on") && lb_token_is(t, "database") ? LB_STATEMENT_DATABASE : LB_STATEMENT_OTHER;
  }
  return LB_STATEMENT_OTHER;
}

static void count_role(void *ctx, lb_span name)
{
  (void)name;
  ++*(int *)ctx;
}

/* Those of everybody are like any other statement. */
static bool is_policy(const char *sql, size_t len)
{
  int roles = 0;
  lb_tokens t = lb_tokens_begin(sql, len);
  if (!lb_token_both(&t, "create", "policy") && !(lb_token_both(&t, "create", "user") && lb_token_is(&t, "mapping"))) {
    return false;
  }
  lb_statement_roles(sql, len, count_role, &roles);
  return roles > 0;
}

void lb_statement_read(const char *sql, size_t len, lb_statement *st)
{
  lb_tokens t = lb_tokens_begin(sql, len);
  *st = (lb_statement){ 0 };
  st->kind = read_kind(&t, st);
  if (st->kind == LB_STATEMENT_OTHER && is_policy(sql, len)) st->kind = LB_STATEMENT_POLICY;
}

/* ---- roles ---- */

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

static void take_roles(lb_tokens *t, const role_taker *r)
{
  lb_span name;
  do {
    if (lb_token_is_symbol(t, ',')) lb_token_next(t);
    lb_token_take(t, "group");
    if (!lb_token_name(t, &name)) return;
    if (!is_no_role(name)) r->take(r->ctx, name);
  } while (lb_token_is_symbol(t, ','));
}

static void roles_of_grant(lb_tokens *t, bool grant, const role_taker *r)
{
  lb_tokens look = *t;
  if (!lb_token_seek(&look, "on")) {  /* membership: GRANT a, b TO c */
    lb_token_take(t, "admin");
    take_roles(t, r);
  }
  if (!lb_token_seek(t, grant ? "to" : "from")) return;
  take_roles(t, r);
  if (lb_token_seek(t, "granted") && lb_token_take(t, "by")) take_roles(t, r);
}

/* Behind ALTER DEFAULT PRIVILEGES. */
static void roles_of_defaults(lb_tokens *t, const role_taker *r)
{
  if (lb_token_take(t, "for") && (lb_token_take(t, "role") || lb_token_take(t, "user"))) take_roles(t, r);
}

static void roles_of_alter(lb_tokens *t, const role_taker *r)
{
  if (lb_token_both(t, "default", "privileges")) {
    roles_of_defaults(t, r);
    if (lb_token_seek(t, "grant")) roles_of_grant(t, true, r);
    return;
  }
  while (lb_token_seek(t, "owner")) {
    if (lb_token_take(t, "to")) take_roles(t, r);
  }
}

/* ALTER DEFAULT PRIVILEGES … REVOKE names roles behind FROM; every other form names them behind TO. */
void lb_statement_roles(const char *sql, size_t len, void (*take)(void *ctx, lb_span name), void *ctx)
{
  lb_tokens t = lb_tokens_begin(sql, len);
  role_taker r = { take, ctx };
  if (lb_token_take(&t, "alter")) {
    lb_tokens revoke = t;
    roles_of_alter(&t, &r);
    if (lb_token_both(&revoke, "default", "privileges") && lb_token_seek(&revoke, "revoke")) {
      roles_of_grant(&revoke, false, &r);
    }
  } else if (lb_token_take(&t, "grant")) roles_of_grant(&t, true, &r);
  else if (lb_token_take(&t, "revoke")) roles_of_grant(&t, false, &r);
  else if (lb_token_both(&t, "create", "schema")) { if (lb_token_seek(&t, "authorization")) take_roles(&t, &r); }
  else if (lb_token_both(&t, "create", "policy")) { if (lb_token_seek(&t, "to")) take_roles(&t, &r); }
  else if (lb_token_both(&t, "create", "user")) { if (lb_token_both(&t, "mapping", "for")) take_roles(&t, &r); }
  else if (lb_token_both(&t, "set", "session")) {
    if (!lb_token_take(&t, "authorization")) return;
    if (t.type == LB_TOKEN_STRING && t.span.len > 2 && *t.span.at == '\'') take(ctx, t.span);
    else take_roles(&t, &r);
  }
}

void lb_statement_defaults(const char *sql, size_t len, void (*take)(void *ctx, lb_span name), void *ctx)
{
  lb_tokens t = lb_tokens_begin(sql, len);
  role_taker r = { take, ctx };
  if (lb_token_take(&t, "alter") && lb_token_both(&t, "default", "privileges")) roles_of_defaults(&t, &r);
}

/* ---- tablespaces ---- */

static bool tablespace_of_set(lb_tokens *t, lb_span *name)
{
  if (!lb_token_take(t, "default_tablespace")) return false;
  if (lb_token_is_symbol(t, '=')) lb_token_next(t);
  else if (!lb_token_take(t, "to")) return false;
  *name = t->span;
  return !lb_token_is(t, "default") && t->type != LB_TOKEN_END && !(t->type == LB_TOKEN_STRING && t->span.len <= 2);
}

/* Only at the end of what has no query in it, where the word could be a column. */
bool lb_statement_tablespace(const char *sql, size_t len, lb_span *name)
{
  lb_tokens t = lb_tokens_begin(sql, len);
  if (lb_token_take(&t, "set")) return tablespace_of_set(&t, name);
  if (!lb_token_take(&t, "create")) return false;
  lb_token_take(&t, "unlogged");
  lb_token_take(&t, "unique");
  if (!lb_token_take(&t, "table") && !lb_token_take(&t, "index")) return false;
  while (lb_token_seek(&t, "tablespace")) {
    if (lb_token_name(&t, name) && t.type == LB_TOKEN_END) return true;
  }
  return false;
}

/* ---- identities ---- */

bool lb_statement_logged(const char *sql, size_t len, lb_span *word)
{
  lb_qualified name;
  lb_tokens t = lb_tokens_begin(sql, len);
  if (!lb_token_both(&t, "alter", "table")) return false;
  do {  /* tables and columns may have that name */
    if (!lb_token_seek(&t, "identity")) return false;
  } while (!lb_token_is_symbol(&t, '('));
  lb_token_next(&t);
  if (!lb_token_both(&t, "sequence", "name") || !lb_token_qualified(&t, &name)) return false;
  *word = t.span;
  return lb_token_is(&t, "logged");
}

/* ---- COPY ---- */

bool lb_statement_copy(const char *sql, size_t len, lb_qualified *table, lb_span *columns)
{
  bool simple;
  lb_tokens t = lb_tokens_begin(sql, len);
  *columns = (lb_span){ NULL, 0 };
  if (!lb_token_take(&t, "copy") || !lb_token_qualified(&t, table)) return false;
  if (lb_token_is_symbol(&t, '(') && (!lb_token_parentheses(&t, columns, &simple) || !simple)) return false;
  return lb_token_is(&t, "from");
}

bool lb_statement_names(lb_span list, bool (*take)(void *ctx, lb_span name), void *ctx)
{
  lb_span name;
  lb_tokens t = lb_tokens_begin(list.at, list.len);
  if (!lb_token_is_symbol(&t, '(')) return false;
  do {
    lb_token_next(&t);
    if (!lb_token_name(&t, &name) || !take(ctx, name)) return false;
  } while (lb_token_is_symbol(&t, ','));
  return lb_token_is_symbol(&t, ')');
}

/* ---- messages ---- */

void lb_statement_describe(const char *sql, size_t len, uint64_t offset, lb_buf *out)
{
  size_t i = 0;
  lb_buf_printf(out, "statement at byte %llu (", (unsigned long long)offset);
  while (i < len && i < EXCERPT_BYTES && sql[i] != '\'' && sql[i] != '$') {
    size_t n = lb_utf8_length(sql + i, len - i);
    bool control = (unsigned char)sql[i] < ' ' || sql[i] == 0x7f;
    lb_buf_append(out, control ? " " : n ? sql + i : "?", control || !n ? 1 : n);
    i += n ? n : 1;
  }
  lb_buf_text(out, i < len ? "…)" : ")");
}

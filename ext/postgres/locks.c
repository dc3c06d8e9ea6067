/* See locks.h. The numbers were measured, on servers 13, 15 and 18. */
#include "postgres/locks.h"

enum {
  STORED = 3,          /* a table, its TOAST table, that one's index */
  COMPOSITE = 2,       /* CREATE TYPE may make a relation as well */
  REFRESHED = 5,       /* what is swapped in, its TOAST table and index, and two types */
  EXTENSION = 40,      /* those of contrib take up to 36, pg_stat_statements with its many updates */
  ROLE = 4,            /* with its comment and settings; from 16 on its creator becomes a member */
  MEMBERSHIP = 3,
  CATALOGUE = 64,      /* what is read and written of it, and objects that any database has */
  GRANTS_LOCK = 180000
};

static unsigned of_create(lb_tokens *t)
{
  if (lb_token_take(t, "extension")) return EXTENSION;
  if (lb_token_take(t, "role")) return ROLE;
  if (lb_token_take(t, "type")) return COMPOSITE;
  lb_token_take(t, "unlogged");
  return lb_token_is(t, "table") || lb_token_is(t, "materialized") ? STORED : 1;
}

/* ADD GENERATED … AS IDENTITY makes a sequence, EXCLUDE an index; CHECK and FOREIGN KEY make no relation. */
static unsigned of_alter_table(lb_tokens *t)
{
  lb_span name;
  if (!lb_token_seek(t, "add")) return 0;
  return !lb_token_take(t, "constraint") || (lb_token_name(t, &name) && lb_token_is(t, "exclude"));
}

static unsigned locks_of(const char *sql, size_t len, const lb_statement *st)
{
  lb_tokens t = lb_tokens_begin(sql, len);
  if (lb_token_take(&t, "create")) return of_create(&t);
  switch (st->kind) {
  case LB_STATEMENT_ROLE:       return ROLE;
  case LB_STATEMENT_MEMBERSHIP: return MEMBERSHIP;
  case LB_STATEMENT_REFRESH:    return REFRESHED;
  case LB_STATEMENT_RELATION:   return 1;  /* a large object */
  case LB_STATEMENT_KEY:        return 1;
  default:                      break;
  }
  if (lb_token_both(&t, "alter", "table")) return of_alter_table(&t);
  return lb_token_both(&t, "comment", "on") && lb_token_is(&t, "constraint");
}

/* GRANT … ON what TO …, REVOKE … ON what FROM … */
static void add_grant(lb_pg_locks *locks, const char *sql, size_t len)
{
  lb_tokens t = lb_tokens_begin(sql, len);
  if ((!lb_token_is(&t, "grant") && !lb_token_is(&t, "revoke")) || !lb_token_seek(&t, "on")) return;
  if (lb_token_is(&t, "table") || lb_token_is(&t, "sequence") || lb_token_is(&t, "large")) return;
  uint64_t hash = 1469598103934665603u;
  for (; t.type != LB_TOKEN_END && !lb_token_is(&t, "to") && !lb_token_is(&t, "from"); lb_token_next(&t)) {
    for (size_t i = 0; i < t.span.len; i++) hash = (hash ^ (unsigned char)t.span.at[i]) * 1099511628211u;
  }
  locks->granted += hash != locks->last;
  locks->last = hash;
}

void lb_pg_locks_add(lb_pg_locks *locks, const char *sql, size_t len, const lb_statement *st)
{
  locks->made += locks_of(sql, len, st);
  if (st->kind == LB_STATEMENT_PRIVILEGE) add_grant(locks, sql, len);
}

uint64_t lb_pg_locks_sum(const lb_pg_locks *locks, int version)
{
  return CATALOGUE + locks->made + (version >= GRANTS_LOCK ? locks->granted : 0);
}

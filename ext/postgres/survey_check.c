/* See survey.h: what a script needs, held against a server and the rights of its user there. */
#include "postgres/survey.h"

#include <stdlib.h>

#include "core/file.h"

/* What the server, or its user, lacks, as lists for a message. */
typedef struct lacking {
  lb_buf avoidable, named;  /* roles: that options go without, and others */
  lb_buf owners, grantors;  /* roles to which, or in whose name, the user may not give */
  lb_buf tablespaces, extensions;
  bool spoken;              /* the script's encoding */
} lacking;

#define ROLE_QUERY "SELECT 1 FROM pg_catalog.pg_roles WHERE rolname = $1"

static int find_missing(lb_pg *pg, const char *query, const char *name, lb_buf *missing, lb_error *err)
{
  char *found = lb_pg_value(pg, err, query, 1, &name);
  if (!found && !err->code) lb_buf_printf(missing, "%s%s", missing->len ? ", " : "", name);
  free(found);
  return missing->failed ? lb_fail_nomem(err) : err->code;
}

/* used: the LB_ROLE_… that count. */
static int find_missing_roles(const lb_pg_survey *survey, lb_pg *pg, int used, lacking *l, lb_error *err)
{
  for (int i = 0; i < survey->role_count && !err->code; i++) {
    int uses = survey->role_uses[i];
    if (!(uses & used)) continue;
    find_missing(pg, ROLE_QUERY, survey->roles[i],
                 uses & LB_ROLE_NAMED ? &l->named : &l->avoidable, err);
  }
  return err->code;
}

/* Roles that are there and that the user may not give to, or act for. Who gives an object away goes on to fill and to
** alter it, which takes the rights of its new owner. What is pg_database_owner's is whoever's the database is. */
#define UNLESS_THERE "SELECT 1 WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = $1 AND NOT "
#define HAS_ROLE(right) "pg_catalog.pg_has_role(oid, '" right "')"
#define GIVE_QUERY(right) \
  UNLESS_THERE "(rolname = 'pg_database_owner' OR (" HAS_ROLE(right) " AND " HAS_ROLE("USAGE") ")))"
#define DEFAULT_QUERY(right) UNLESS_THERE HAS_ROLE(right) ")"
#define ACT_QUERY UNLESS_THERE "(rolname = session_user OR (SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = " \
  "session_user)))"

static int find_rights(const lb_pg_survey *survey, lb_pg *pg, int used, lacking *l, lb_error *err)
{
  bool sets = pg->version >= 160000;  /* membership has parts */
  for (int i = 0; i < survey->role_count && !err->code; i++) {
    const char *role = survey->roles[i];
    int uses = survey->role_uses[i];
    size_t before = l->grantors.len;
    if (used & LB_ROLE_OWNS && uses & LB_ROLE_GIVEN) {
      find_missing(pg, sets ? GIVE_QUERY("SET") : GIVE_QUERY("MEMBER"), role, &l->owners, err);
    }
    if (used & uses & LB_ROLE_ACTS) find_missing(pg, ACT_QUERY, role, &l->grantors, err);
    if (used & LB_ROLE_GRANTS && uses & LB_ROLE_DEFAULTS && l->grantors.len == before) {
      find_missing(pg, sets ? DEFAULT_QUERY("USAGE") : DEFAULT_QUERY("MEMBER"), role, &l->grantors, err);
    }
  }
  return err->code;
}

/* A role's name is in the script's encoding, which the connection is told while it looks. */
static int speak(lb_pg *pg, const char *encoding, bool *spoken, lb_error *err)
{
  static const char query[] =
    "SELECT pg_catalog.set_config('client_encoding', $1, false) WHERE pg_catalog.pg_char_to_encoding($1) IN (0, "
    "pg_catalog.pg_char_to_encoding(pg_catalog.getdatabaseencoding())) OR (pg_catalog.getdatabaseencoding() = "
    "'SQL_ASCII' AND pg_catalog.pg_char_to_encoding($1) >= 0) OR EXISTS (SELECT FROM "
    "pg_catalog.pg_conversion WHERE condefault AND conforencoding = pg_catalog.pg_char_to_encoding($1) AND "
    "pg_catalog.pg_encoding_to_char(contoencoding) = pg_catalog.getdatabaseencoding())";
  const char *params[] = { encoding };
  *spoken = true;
  if (!encoding) return LB_OK;
  char *set = lb_pg_value(pg, err, query, 1, params);
  *spoken = set != NULL;
  free(set);
  return err->code;
}

/* What connecting has set. */
static void speak_again(lb_pg *pg)
{
  lb_error ignored = LB_ERROR_INIT;
  const char *params[] = { pg->encoding };
  free(lb_pg_value(pg, &ignored, "SELECT pg_catalog.set_config('client_encoding', $1, false)", 1, params));
}

static int report(const lb_pg_survey *survey, lb_pg *pg, const lacking *l, lb_error *err)
{
  lb_buf text = { 0 };
  if (l->avoidable.len) {
    lb_buf_printf(&text, "; missing roles: %s (CREATE ROLE them, or pass {\"no_owner\":true,\"no_privileges\":true})",
                  l->avoidable.data);
  }
  if (l->named.len) {
    lb_buf_printf(&text, "; missing roles that policies, user mappings or memberships name: %s (CREATE ROLE them)",
                  l->named.data);
  }
  bool missing = text.len || l->tablespaces.len || l->extensions.len || !l->spoken;
  if (l->owners.len) {
    lb_buf_printf(&text, "; objects go to roles that the user may not give to: %s (pass {\"no_owner\":true}, connect "
                  "as a superuser, or GRANT those that are none to the user%s)", l->owners.data,
                  pg->version >= 160000 ? " WITH INHERIT TRUE, SET TRUE" : "");
  }
  if (l->grantors.len) {
    lb_buf_printf(&text, "; the user may not grant in the name of: %s (pass {\"no_privileges\":true}, or connect as a "
                  "superuser)", l->grantors.data);
  }
  if (l->tablespaces.len) {
    lb_buf_printf(&text, "; missing tablespaces: %s (CREATE TABLESPACE them)", l->tablespaces.data);
  }
  if (l->extensions.len) {
    lb_buf_printf(&text, "; extensions that the server does not have: %s (install their packages on the server's "
                  "machine, such as postgresql-%d-NAME or postgresql-contrib)", l->extensions.data,
                  pg->version / 10000);
  }
  if (!l->spoken) {
    lb_buf_printf(&text, "; encoding %s of the script cannot be converted to %s of the database (create it with "
                  "ENCODING '%s')", survey->encoding, pg->encoding, survey->encoding);
  }
  if (text.failed) lb_fail_nomem(err);
  else if (text.len) {
    lb_fail(err, missing ? LB_NOTFOUND : LB_PERM, "%s: nothing was touched%s", pg->label, text.data);
  }
  lb_buf_free(&text);
  return err->code;
}

/* used 0: neither roles nor tablespaces. */
static int find_all(const lb_pg_survey *survey, lb_pg *pg, int used, lacking *l, lb_error *err)
{
  if (speak(pg, survey->encoding, &l->spoken, err) || find_missing_roles(survey, pg, used, l, err) ||
      find_rights(survey, pg, used, l, err)) {
    return err->code;
  }
  for (int i = 0; used && i < survey->tablespace_count && !err->code; i++) {
    find_missing(pg, "SELECT 1 FROM pg_catalog.pg_tablespace WHERE spcname = $1", survey->tablespaces[i],
                 &l->tablespaces, err);
  }
  for (int i = 0; i < survey->extension_count && !err->code; i++) {
    find_missing(pg, "SELECT 1 FROM pg_catalog.pg_available_extensions WHERE name = $1", survey->extensions[i],
                 &l->extensions, err);
  }
  return err->code;
}

static int check(const lb_pg_survey *survey, lb_pg *pg, int used, lb_error *err)
{
  lacking l = { .spoken = true };
  if (find_all(survey, pg, used, &l, err) == LB_OK) report(survey, pg, &l, err);
  speak_again(pg);
  lb_buf_free(&l.avoidable);
  lb_buf_free(&l.named);
  lb_buf_free(&l.owners);
  lb_buf_free(&l.grantors);
  lb_buf_free(&l.tablespaces);
  lb_buf_free(&l.extensions);
  return err->code;
}

int lb_pg_survey_check(const lb_pg_survey *survey, lb_pg *pg, bool no_owner, bool no_privileges, lb_error *err)
{
  int used = LB_ROLE_NAMED | (no_owner ? 0 : LB_ROLE_OWNS) | (no_privileges ? 0 : LB_ROLE_GRANTS) |
             (no_owner || no_privileges ? 0 : LB_ROLE_ACTS);
  return check(survey, pg, used, err);
}

int lb_pg_survey_check_needs(const lb_pg_survey *survey, lb_pg *pg, lb_error *err)
{
  return check(survey, pg, 0, err);
}

/* ---- what a verification goes without ---- */

/* What takes a superuser, but for oneself. Default privileges are also a member's to change. */
#define SELF_QUERY ROLE_QUERY " AND (rolname = current_user OR (SELECT rolsuper FROM pg_catalog.pg_roles WHERE " \
  "rolname = current_user))"
#define DEFAULTS_QUERY ROLE_QUERY " AND pg_catalog.pg_has_role(oid, 'USAGE')"

static int find_lacking_rights(const lb_pg_survey *survey, lb_pg *pg, int i, lb_pg_lacks *lacks, lb_error *err)
{
  const char *role = survey->roles[i];
  int uses = survey->role_uses[i];
  size_t before = lacks->grantors.len;
  if (uses & LB_ROLE_OWNS) find_missing(pg, SELF_QUERY, role, &lacks->owners, err);
  if (uses & LB_ROLE_ACTS) find_missing(pg, SELF_QUERY, role, &lacks->grantors, err);
  if (uses & LB_ROLE_DEFAULTS && lacks->grantors.len == before) {
    find_missing(pg, DEFAULTS_QUERY, role, &lacks->grantors, err);
  }
  return err->code;
}

static int find_lacks(const lb_pg_survey *survey, lb_pg *pg, lb_pg_lacks *lacks, lb_error *err)
{
  static const char tablespace[] = "SELECT 1 FROM pg_catalog.pg_tablespace WHERE spcname = $1 AND (oid = "
    "(SELECT dattablespace FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database()) OR "
    "pg_catalog.has_tablespace_privilege(oid, 'CREATE'))";
  for (int i = 0; i < survey->role_count && !err->code; i++) {
    find_missing(pg, ROLE_QUERY, survey->roles[i], &lacks->roles, err);
    find_lacking_rights(survey, pg, i, lacks, err);
  }
  for (int i = 0; i < survey->tablespace_count && !err->code; i++) {
    find_missing(pg, tablespace, survey->tablespaces[i], &lacks->tablespaces, err);
  }
  return err->code;
}

int lb_pg_survey_lacks(const lb_pg_survey *survey, lb_pg *pg, lb_pg_lacks *lacks, lb_error *err)
{
  bool spoken;
  if (speak(pg, survey->encoding, &spoken, err) == LB_OK) find_lacks(survey, pg, lacks, err);
  speak_again(pg);
  return err->code;
}

void lb_pg_lacks_free(lb_pg_lacks *lacks)
{
  lb_buf_free(&lacks->roles);
  lb_buf_free(&lacks->owners);
  lb_buf_free(&lacks->grantors);
  lb_buf_free(&lacks->tablespaces);
}

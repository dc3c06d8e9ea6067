/* See execute.h: which statements of a script are executed, left out, refused or noted. What the server has already, or
** what belongs to somebody else, is asked once, or looked up in what was asked at the beginning.
*/
#include "postgres/execute.h"

#include <stdlib.h>
#include <string.h>

#include "core/file.h"

enum { UNKNOWN_SETTINGS_MAX = 100, NAME_MAX_BYTES = 256 };

/* The script has the search_path by now, and may have an operator of its own in it. */
#define SCHEMA_QUERY "SELECT 1 FROM pg_catalog.pg_namespace WHERE nspname OPERATOR(pg_catalog.=) $1"
#define SCHEMA_OWNER_QUERY "SELECT pg_catalog.pg_get_userbyid(nspowner) FROM pg_catalog.pg_namespace " \
  "WHERE nspname OPERATOR(pg_catalog.=) $1 AND NOT pg_catalog.pg_has_role(nspowner, 'USAGE')"
#define ROLE_QUERY "SELECT 1 FROM pg_catalog.pg_roles WHERE rolname OPERATOR(pg_catalog.=) $1"

/* ---- settings, transactions, roles ---- */

/* Finds name in a list of texts; each has `mark` bytes before the name itself. */
static const char *find(const lb_buf *list, const char *name, size_t mark)
{
  for (size_t at = 0; at < list->len; at += strlen(list->data + at) + 1) {
    if (strcmp(list->data + at + mark, name) == 0) return list->data + at;
  }
  return NULL;
}

/* Whether the server has a setting of this name; the answer is remembered. session_authorization and the like are known
** to current_setting, though not to pg_settings. */
static int know_setting(lb_execute *x, const char *name, bool *known, lb_error *err)
{
  const char *seen = find(&x->settings, name, 1);
  if (!seen) {
    const char *params[] = { name };
    char *value = lb_pg_value(x->load->pg, err, "SELECT pg_catalog.current_setting($1, true) IS NOT NULL", 1, params);
    if (!value) return err->code ? err->code : lb_fail_nomem(err);
    bool is_known = *value == 't';
    free(value);
    size_t at = x->settings.len;
    lb_buf_text(&x->settings, is_known ? "+" : "-");
    lb_buf_append(&x->settings, name, strlen(name) + 1);
    if (x->settings.failed) return lb_fail_nomem(err);
    seen = x->settings.data + at;
    if (!is_known && ++x->unknown > UNKNOWN_SETTINGS_MAX) {
      return lb_fail(err, LB_UNSUPPORTED, "the script sets more than %d settings that the server does not know",
                     UNKNOWN_SETTINGS_MAX);
    }
    if (!is_known) {
      lb_load_note(x->load, "setting %s is not known to server %s: skipped", name, x->load->pg->version_text);
    }
  }
  *known = *seen == '+';
  return LB_OK;
}

static int admit_setting(lb_execute *x, const lb_statement *st, const char *what, bool *run, lb_error *err)
{
  char *name = lb_span_text(st->name, err);
  if (!name) return err->code;
  if (strcmp(name, "standard_conforming_strings") == 0 && st->is_off) {
    lb_fail(err, LB_UNSUPPORTED, "%s: a script with backslashes in plain strings cannot be read safely; dump again "
            "with standard_conforming_strings = on", what);
  } else if (x->load->no_tablespaces && strcmp(name, "default_tablespace") == 0) {
    *run = false;
  } else if (strlen(name) < NAME_MAX_BYTES) {
    know_setting(x, name, run, err);
  }
  free(name);
  return err->code;
}

/* Inside the caller's transaction the script's own BEGIN … COMMIT (pg_dump has one around large objects) is left
** out. */
static int admit_transaction(lb_execute *x, lb_statement_kind kind, const char *what, bool *run, lb_error *err)
{
  bool opens = kind == LB_STATEMENT_BEGIN;
  if (kind == LB_STATEMENT_CONTROL || opens == x->script_block) {
    return lb_fail(err, LB_UNSUPPORTED, "%s: only BEGIN … COMMIT around statements is taken, no other control of "
                   "transactions; load the script with psql if you trust it", what);
  }
  x->script_block = opens;
  *run = !x->inside;
  return LB_OK;
}

/* pg_dumpall's script makes every role of a server; those that are there already stay as they are, and in the roles
** that they are in. */
static int admit_role(lb_execute *x, const lb_statement *st, bool *run, lb_error *err)
{
  char *name = lb_span_text(st->name, err), *there = NULL;
  const char *params[] = { name };
  if (!name) return err->code;
  if (st->kind != LB_STATEMENT_ROLE) *run = !find(&x->roles, name, 0);
  else there = lb_pg_value(x->load->pg, err, ROLE_QUERY, 1, params);
  if (there) {
    *run = false;
    lb_load_note(x->load, "role %s is there already: left as it is", name);
    lb_buf_append(&x->roles, name, strlen(name) + 1);
    if (x->roles.failed) lb_fail_nomem(err);
  }
  free(there);
  free(name);
  return err->code;
}

/* ---- what is there, and what stays ---- */

/* pg_dump -n public makes the schema that every new database has; and where an extension stays, its schema does. */
static int admit_schema(lb_execute *x, const lb_statement *st, bool *run, lb_error *err)
{
  char *name = lb_span_text(st->name, err), *there = NULL;
  const char *params[] = { name };
  if (!name) return err->code;
  if (strcmp(name, "public") == 0 || lb_pg_kept_schema(&x->kept, name)) {
    there = lb_pg_value(x->load->pg, err, SCHEMA_QUERY, 1, params);
  }
  if (there) {
    *run = false;
    lb_load_note(x->load, "schema %s is there already: not made", name);
  }
  free(there);
  free(name);
  return err->code;
}

/* To make or to drop an extension, or to comment on it, which is its owner's to do. */
static int admit_extension(lb_execute *x, const lb_statement *st, bool *run, lb_error *err)
{
  char *name = lb_span_text(st->name, err);
  *run = name && !lb_pg_kept_extension(&x->kept, name);
  free(name);
  return err->code;
}

/* A schema stays with an extension that does, and public does; who it belongs to may not be the user. */
static int admit_schema_comment(lb_execute *x, const lb_statement *st, bool *run, lb_error *err)
{
  char *name = lb_span_text(st->name, err), *owner = NULL;
  const char *params[] = { name };
  if (!name) return err->code;
  if (strcmp(name, "public") == 0 || lb_pg_kept_schema(&x->kept, name)) {
    owner = lb_pg_value(x->load->pg, err, SCHEMA_OWNER_QUERY, 1, params);
  }
  if (owner) {
    *run = false;
    lb_load_note(x->load, "schema %s belongs to %s: its comment stays as it is", name, owner);
  }
  free(owner);
  free(name);
  return err->code;
}

static int admit_drop(lb_execute *x, const lb_statement *st, bool *run, lb_error *err)
{
  if (!st->name.len) return LB_OK;
  if (!st->schema) return admit_extension(x, st, run, err);
  char *name = lb_span_text(st->name, err);
  *run = name && !lb_pg_kept_schema(&x->kept, name);
  free(name);
  return err->code;
}

static int admit_setval(lb_execute *x, const lb_statement *st, bool *run, lb_error *err)
{
  const char *extension = NULL;
  if (lb_pg_kept_relation(&x->kept, &st->table, &extension, err) || !extension) return err->code;
  *run = false;
  lb_load_note(x->load, "sequence %.*s is not set: it belongs to extension %s, which stays as it is",
               (int)st->table.whole.len, st->table.whole.at, extension);
  return LB_OK;
}

/* What is found is another text for each table, also of one extension. */
static int admit_insert(lb_execute *x, const lb_statement *st, bool *run, lb_error *err)
{
  const char *extension = NULL;
  if (lb_pg_kept_relation(&x->kept, &st->table, &extension, err) || !extension) return err->code;
  *run = false;
  if (x->inserts != extension) {
    lb_load_note(x->load, "rows of %.*s are not loaded: the table belongs to extension %s, which stays as it is",
                 (int)st->table.whole.len, st->table.whole.at, extension);
  }
  x->inserts = extension;
  return LB_OK;
}

/* ---- all of them ---- */

static void note_database(lb_execute *x, const char *what)
{
  if (!x->database_noted) lb_load_note(x->load, "%s and others on the database itself: skipped", what);
  x->database_noted = true;
}

int lb_execute_admit(lb_execute *x, const lb_statement *st, const char *sql, size_t len, uint64_t offset, bool *run,
                     lb_error *err)
{
  const lb_pg_load *load = x->load;
  const char *what = lb_execute_describe(x, sql, len, offset);
  *run = true;
  switch (st->kind) {
  case LB_STATEMENT_SET:           return admit_setting(x, st, what, run, err);
  case LB_STATEMENT_BEGIN:
  case LB_STATEMENT_COMMIT:
  case LB_STATEMENT_CONTROL:       return admit_transaction(x, st->kind, what, run, err);
  case LB_STATEMENT_ROLE:
  case LB_STATEMENT_ROLE_CHANGE:
  case LB_STATEMENT_MEMBERSHIP:    return admit_role(x, st, run, err);
  case LB_STATEMENT_SCHEMA:        return admit_schema(x, st, run, err);
  case LB_STATEMENT_EXTENSION:     return admit_extension(x, st, run, err);
  case LB_STATEMENT_SCHEMA_COMMENT: return admit_schema_comment(x, st, run, err);
  case LB_STATEMENT_DROP:          return admit_drop(x, st, run, err);
  case LB_STATEMENT_INSERT:        return admit_insert(x, st, run, err);
  case LB_STATEMENT_SETVAL:        return admit_setval(x, st, run, err);
  case LB_STATEMENT_OWNER:         *run = !load->no_owner; break;
  case LB_STATEMENT_PRIVILEGE:     *run = !load->no_privileges; break;
  case LB_STATEMENT_POLICY:        *run = !load->no_policies; break;
  case LB_STATEMENT_AUTHORIZATION: *run = !load->no_privileges && !load->no_owner; break;
  case LB_STATEMENT_DATABASE:
    note_database(x, what);
    *run = false;
    break;
  default: break;
  }
  return LB_OK;
}

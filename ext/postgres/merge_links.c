/* See merge_plan.h. Here: triggers, foreign keys and sequences of the tables.
**
** All of it is undone by a rollback. What was deferred is checked before it is set back, since a table with checks that
** are still to come cannot be altered.
*/
#include <stdlib.h>
#include <string.h>

#include "postgres/merge_plan.h"
#include "postgres/quote.h"
#include "sql/merge_actions.h"
#include "sql/merge_references.h"
#include "sql/merge_sequences.h"
#include "sql/merge_triggers.h"

static int runf(const lb_pg_merge *m, lb_buf *sql, lb_error *err)
{
  return lb_merge_run_sql(m, sql, NULL, err);
}

static PGresult *ask(const lb_pg_merge *m, const char *sql, lb_error *err)
{
  const char *params[] = { m->below };
  return lb_pg_query(m->request->pg, err, sql, 1, params);
}

/* ---- triggers ---- */

/* Columns of merge_triggers.sql. */
enum { TRIGGER_TABLE, TRIGGER, STATE, TRIGGER_OID, TRIGGER_NAME };

static const char *words_for(char state)
{
  return state == 'O' ? "ENABLE" : state == 'A' ? "ENABLE ALWAYS" : state == 'R' ? "ENABLE REPLICA" : "DISABLE";
}

static int set_triggers(const lb_pg_merge *m, const PGresult *rows, bool on, lb_error *err)
{
  for (int i = 0; i < PQntuples(rows) && !err->code; i++) {
    char state = *PQgetvalue(rows, i, STATE);
    lb_buf sql = { 0 };
    if (!on && state != 'O' && state != 'A') continue;
    lb_buf_printf(&sql, "ALTER TABLE ONLY %s %s TRIGGER %s", PQgetvalue(rows, i, TRIGGER_TABLE),
                  on ? words_for(state) : "DISABLE", PQgetvalue(rows, i, TRIGGER));
    runf(m, &sql, err);
  }
  return lb_merge_takes_owner(err, "triggers are off during this, which takes the tables' owner");
}

/* Of tables whose rows were touched; those of partitions are named with the table above. */
static void note_triggers(const lb_pg_merge *m, const lb_merge_table *t)
{
  lb_buf names = { 0 };
  for (int i = 0; i < PQntuples(m->triggers); i++) {
    char trigger = *PQgetvalue(m->triggers, i, STATE);
    if (strcmp(PQgetvalue(m->triggers, i, TRIGGER_OID), t->oid) != 0 || (trigger != 'O' && trigger != 'A')) continue;
    lb_buf_printf(&names, "%s%s", names.len ? ", " : "", PQgetvalue(m->triggers, i, TRIGGER_NAME));
  }
  if (names.data && (t->added || t->changed || t->removed)) {
    lb_merge_note(m, "triggers on %s did not run: %s", t->label, names.data);
  }
  lb_buf_free(&names);
}

/* ---- foreign keys ---- */

/* Columns of merge_references.sql. */
enum { KEY_TABLE, KEY, DEFERRABLE, QUALIFIED, REFERRING, REFERRED };

static int alter_reference(const lb_pg_merge *m, const PGresult *rows, int i, const char *how, lb_error *err)
{
  lb_buf sql = { 0 };
  lb_buf_printf(&sql, "ALTER TABLE %s ALTER CONSTRAINT %s %s", PQgetvalue(rows, i, KEY_TABLE), PQgetvalue(rows, i, KEY),
                how);
  runf(m, &sql, err);
  return lb_merge_takes_owner(err, "foreign keys between the tables wait until all rows are there, which takes their "
                              "owner");
}

static int defer(const lb_pg_merge *m, const PGresult *rows, lb_error *err)
{
  for (int i = 0; i < PQntuples(rows) && !err->code; i++) {
    if (*PQgetvalue(rows, i, DEFERRABLE) == '0') {
      alter_reference(m, rows, i, "DEFERRABLE INITIALLY DEFERRED", err);
    } else {
      lb_buf sql = { 0 };
      lb_buf_printf(&sql, "SET CONSTRAINTS %s DEFERRED", PQgetvalue(rows, i, QUALIFIED));
      runf(m, &sql, err);
    }
  }
  return err->code;
}

static int undefer(const lb_pg_merge *m, const PGresult *rows, lb_error *err)
{
  for (int i = 0; i < PQntuples(rows) && !err->code; i++) {
    if (*PQgetvalue(rows, i, DEFERRABLE) == '0') alter_reference(m, rows, i, "NOT DEFERRABLE", err);
  }
  return err->code;
}

int lb_merge_unlink(lb_pg_merge *m, lb_error *err)
{
  m->triggers = ask(m, lb_sql_merge_triggers, err);
  m->references = m->triggers ? ask(m, lb_sql_merge_references, err) : NULL;
  for (int i = 0; m->references && i < m->count && !err->code; i++) {
    if (m->tables[i].exchanges) lb_merge_exchange_begin(m, &m->tables[i], err);
    if (!err->code) lb_merge_identities_begin(m, &m->tables[i], err);
  }
  if (err->code || set_triggers(m, m->triggers, false, err)) return err->code;
  return defer(m, m->references, err);
}

int lb_merge_relink(lb_pg_merge *m, lb_error *err)
{
  m->request->pg->state[0] = 0;
  if (lb_pg_exec(m->request->pg, "SET CONSTRAINTS ALL IMMEDIATE", err)) return lb_merge_explain(m, err);
  if (undefer(m, m->references, err) || set_triggers(m, m->triggers, true, err)) return err->code;
  for (int i = 0; i < m->count && !err->code; i++) {
    if (lb_merge_exchange_end(m, &m->tables[i], err) || lb_merge_identities_end(m, &m->tables[i], err)) break;
    note_triggers(m, &m->tables[i]);
  }
  return err->code;
}

void lb_merge_forget_links(lb_pg_merge *m)
{
  PQclear(m->triggers);
  PQclear(m->references);
  m->triggers = m->references = NULL;
  for (int i = 0; i < m->count; i++) lb_merge_exchange_free(&m->tables[i]);
}

/* Whether a waits for b: the one that refers goes first. */
bool lb_merge_refers(const lb_pg_merge *m, const lb_merge_table *a, const lb_merge_table *b)
{
  for (int i = 0; i < PQntuples(m->references); i++) {
    if (strcmp(PQgetvalue(m->references, i, REFERRING), a->oid) == 0 &&
        strcmp(PQgetvalue(m->references, i, REFERRED), b->oid) == 0) {
      return true;
    }
  }
  return false;
}

/* ---- what would happen to other rows ---- */

/* Columns of merge_actions.sql. */
enum { CHILD, CHILD_NAME, ON_DELETE, ON_UPDATE, CONDITION, NUMBERS, CHILD_OID };

static PGresult *actions_on(const lb_pg_merge *m, const lb_merge_table *t, lb_error *err)
{
  const char *params[] = { t->oid };
  return lb_pg_query(m->request->pg, err, lb_sql_merge_actions, 1, params);
}

/* A row that comes between the look and the statement would go along unseen. */
static int keep_still(const lb_pg_merge *m, const char *child, lb_error *err)
{
  lb_buf sql = { 0 };
  lb_buf_printf(&sql, "LOCK TABLE %s IN SHARE MODE", child);
  return runf(m, &sql, err);
}

/* ours: the referring table is one of the list. Of these it is only rows that could not be changed before, as unique
** values were in their way, or that merge leaves as they are. */
static int fail_action(const lb_pg_merge *m, const lb_merge_table *t, const char *child, bool ours, const char *what,
                       lb_error *err)
{
  static const char *const texts[] = {
    "%s: rows of %s refer to rows of %s that %s, and would be deleted or changed along; nothing was changed (restore "
    "as well: %s)",
    "%s: rows of %s refer to rows of %s that %s, and would be deleted or changed along; nothing was changed (change or "
    "delete these rows first, in: %s)",
  };
  return lb_fail(err, LB_ERROR, texts[ours], m->request->pg->label, child, t->label, what, child);
}

/* The table of the list; NULL: another one. */
static lb_merge_table *listed(lb_pg_merge *m, const char *oid)
{
  for (int i = 0; i < m->count; i++) if (strcmp(m->tables[i].oid, oid) == 0) return &m->tables[i];
  return NULL;
}

/* AND: the backup has row r. */
static void put_known(lb_buf *sql, const lb_merge_table *t)
{
  lb_buf_printf(sql, " AND EXISTS (SELECT FROM %s AS s WHERE ", t->temp);
  lb_merge_put_key(sql, t, "r", "s");
  lb_buf_text(sql, ")");
}

/* Rows that go themselves need no protection. */
static int guard_gone(const lb_pg_merge *m, const lb_merge_table *t, const PGresult *actions, int i,
                      const lb_merge_table *child, lb_error *err)
{
  lb_buf sql = { 0 };
  const char *name = PQgetvalue(actions, i, CHILD);
  if (keep_still(m, name, err)) return err->code;
  lb_buf_printf(&sql, "SELECT 1 FROM %s AS r WHERE EXISTS (SELECT FROM %s AS t WHERE %s AND NOT EXISTS (SELECT FROM %s "
                "AS s WHERE ", name, t->sql, PQgetvalue(actions, i, CONDITION), t->temp);
  lb_merge_put_key(&sql, t, "t", "s");
  lb_buf_text(&sql, "))");
  if (child && child->key_count) put_known(&sql, child);
  lb_buf_text(&sql, " LIMIT 1");
  if (lb_merge_finds(m, &sql, err)) {
    fail_action(m, t, PQgetvalue(actions, i, CHILD_NAME), child, "the backup lacks", err);
  }
  return err->code;
}

static int guard_delete(lb_pg_merge *m, const lb_merge_table *t, bool keyless, lb_error *err)
{
  PGresult *actions = actions_on(m, t, err);
  for (int i = 0; actions && i < PQntuples(actions) && !err->code; i++) {
    lb_merge_table *child = listed(m, PQgetvalue(actions, i, CHILD_OID));
    if (*PQgetvalue(actions, i, ON_DELETE) == '0' || (child && !child->key_count) != keyless) continue;
    if (!t->key_count) {
      fail_action(m, t, PQgetvalue(actions, i, CHILD_NAME), child, "may go, as it has no primary key", err);
    } else if (guard_gone(m, t, actions, i, child, err) == LB_OK && child && child != t) {
      child->dragged = true;
    }
  }
  PQclear(actions);
  return err->code;
}

int lb_merge_guard_delete(lb_pg_merge *m, const lb_merge_table *t, lb_error *err)
{
  return guard_delete(m, t, false, err);
}

int lb_merge_guard_keyless(lb_pg_merge *m, const lb_merge_table *t, lb_error *err)
{
  return guard_delete(m, t, true, err);
}

/* Rows that get their own values from the backup need no protection, nor those that go. */
static int guard_changed(lb_pg_merge *m, const lb_merge_table *t, const PGresult *actions, int i, const char *changes,
                         lb_error *err)
{
  lb_buf sql = { 0 };
  lb_merge_table *child = listed(m, PQgetvalue(actions, i, CHILD_OID));
  bool ours = child && child->key_count;
  if (ours) child->disturbed = true;
  if (ours && m->request->mode == LB_ROWS_REPLACE) return LB_OK;
  if (keep_still(m, PQgetvalue(actions, i, CHILD), err)) return err->code;
  lb_buf_printf(&sql, "SELECT 1 FROM %s AS r JOIN %s AS t ON %s JOIN %s AS s ON ", PQgetvalue(actions, i, CHILD),
                t->sql, PQgetvalue(actions, i, CONDITION), t->temp);
  lb_merge_put_key(&sql, t, "t", "s");
  lb_buf_printf(&sql, " WHERE %s", changes);
  if (ours) {
    lb_buf_printf(&sql, " AND NOT EXISTS (SELECT FROM %s AS k WHERE ", child->temp);
    lb_merge_put_key(&sql, child, "r", "k");
    lb_buf_text(&sql, ")");
  }
  lb_buf_text(&sql, " LIMIT 1");
  if (lb_merge_finds(m, &sql, err)) fail_action(m, t, PQgetvalue(actions, i, CHILD_NAME), child, "change", err);
  return err->code;
}

int lb_merge_guard_update(lb_pg_merge *m, const lb_merge_table *t, lb_error *err)
{
  PGresult *actions = actions_on(m, t, err);
  for (int i = 0; actions && i < PQntuples(actions) && !err->code; i++) {
    lb_buf changes = { 0 };
    if (*PQgetvalue(actions, i, ON_UPDATE) == '0') continue;
    lb_merge_put_changes(&changes, t, PQgetvalue(actions, i, NUMBERS));
    if (changes.failed) lb_fail_nomem(err);
    else if (changes.len) guard_changed(m, t, actions, i, changes.data, err);
    lb_buf_free(&changes);
  }
  PQclear(actions);
  return err->code;
}

/* ---- sequences ---- */

/* Values that the sequence never gives, since they lie behind its end, do not count. No rollback takes a move back. */
int lb_merge_move_sequences(lb_pg_merge *m, const lb_merge_table *t, lb_error *err)
{
  int64_t moved = 0;
  const char *params[] = { t->oid };
  PGresult *rows = lb_pg_query(m->request->pg, err, lb_sql_merge_sequences, 1, params);
  for (int i = 0; rows && i < PQntuples(rows) && !err->code; i++) {
    const char *sequence = PQgetvalue(rows, i, 0), *column = PQgetvalue(rows, i, 1);
    lb_buf sql = { 0 };
    lb_buf_printf(&sql, "SELECT pg_catalog.setval(");
    lb_pg_put_literal(&sql, sequence);
    lb_buf_printf(&sql, "::pg_catalog.regclass, x.last::bigint) FROM (SELECT pg_catalog.max(%s) AS last FROM %s "
                  "WHERE %s <= %s) AS x, %s AS s WHERE x.last > s.last_value OR (x.last = s.last_value "
                  "AND NOT s.is_called)", column, t->sql, column, PQgetvalue(rows, i, 2), sequence);
    lb_merge_run_sql(m, &sql, &moved, err);
    if (moved) m->sequences_moved = true;
  }
  PQclear(rows);
  return err->code;
}

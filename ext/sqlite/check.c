/* See check.h. */
#include "sqlite/check.h"

#include <limits.h>
#include <string.h>

#include "core/disk.h"
#include "core/file.h"
#include "sqlite/findings.h"

SQLITE_EXTENSION_INIT3

/* A table that needs what this process does not have cannot be checked; the file may be perfect. */
static bool is_missing_feature(const char *message)
{
  static const char *const beginnings[] = { "no such collation sequence", "no such module", "no such function",
                                            "unknown function", "unsafe use of", "unknown tokenizer",
                                            "no such tokenizer" };
  for (size_t i = 0; i < sizeof beginnings / sizeof *beginnings; i++) {
    if (strstr(message, beginnings[i])) return true;
  }
  return false;
}

/* One check of a schema, or of a table in it. */
typedef struct checking {
  sqlite3 *db;
  const char *schema, *label;
  lb_findings found;
  bool ignores;      /* the connection does not look at CHECK constraints */
  bool ignored;      /* it did not before */
} checking;

static checking begin(sqlite3 *db, const char *schema, const char *label, lb_buf *damage, lb_buf *notes)
{
  lb_error ignored = LB_ERROR_INIT;
  int64_t on = 0;
  lb_db_integer(db, "PRAGMA ignore_check_constraints", &on, label, &ignored);
  return (checking){ .db = db, .schema = schema, .label = label, .found = { .damage = damage, .notes = notes },
                     .ignores = on != 0, .ignored = on != 0 };
}

/* Once the connection's error has been told. */
static void end(const checking *c)
{
  lb_error ignored = LB_ERROR_INIT;
  if (c->ignores && !c->ignored) lb_db_exec(c->db, "PRAGMA ignore_check_constraints=OFF", c->label, &ignored);
}

static char *write_check(const checking *c, const char *pragma, const char *table, bool all)
{
  if (table) return sqlite3_mprintf("PRAGMA \"%w\".%s(\"%w\")", c->schema, pragma, table);
  return sqlite3_mprintf("PRAGMA \"%w\".%s(%d)", c->schema, pragma, all ? INT_MAX : LB_FINDINGS_MAX);
}

/* Steps through one PRAGMA …_check, of one table or (NULL) of all. all: beyond the first LB_FINDINGS_MAX rows that
** break a rule. Returns the SQLite result code. */
static int step_through(checking *c, const char *pragma, const char *table, bool all)
{
  sqlite3_stmt *stmt = NULL;
  char *sql = write_check(c, pragma, table, all);
  int rc = sql ? sqlite3_prepare_v2(c->db, sql, -1, &stmt, NULL) : SQLITE_NOMEM;
  while (rc == SQLITE_OK && (rc = sqlite3_step(stmt)) == SQLITE_ROW) {
    const char *line = (const char *)sqlite3_column_text(stmt, 0);
    if (line && strcmp(line, "ok") != 0) lb_findings_take(&c->found, line);
    rc = line ? lb_finding_failure(line) : SQLITE_OK;
    if (rc == SQLITE_OK && c->found.lines >= LB_FINDINGS_MAX) rc = SQLITE_DONE;
  }
  sqlite3_finalize(stmt);
  sqlite3_free(sql);
  return rc;
}

/* A CHECK may end in an error instead of an answer: json_extract() does over what is no JSON, or is in words of a newer
** version's. That says no more of the file than a row that breaks it, and all else is looked at without. */
static int collect(checking *c, const char *pragma, const char *table, bool all)
{
  lb_error ignored = LB_ERROR_INIT;
  const lb_findings before = c->found;
  size_t damage = before.damage->len;
  int rc = step_through(c, pragma, table, all);
  if (rc != SQLITE_ERROR || c->ignores || is_missing_feature(sqlite3_errmsg(c->db))) return rc;
  char why[LB_FINDING_BYTES];
  lb_finding_keep(why, sqlite3_errmsg(c->db));
  c->ignores = true;
  lb_db_exec(c->db, "PRAGMA ignore_check_constraints=ON", c->label, &ignored);
  lb_findings_forget(&c->found, &before, damage);
  rc = step_through(c, pragma, table, all);
  if (rc == SQLITE_DONE) memcpy(c->found.failed, why, sizeof why);
  return rc;
}

/* What the disk did not give says nothing of what is in the file. */
static int tell_from_disk(const checking *c, int rc)
{
  return (rc & 0xff) == SQLITE_CORRUPT && lb_disk_failed(c->db, c->schema) ? SQLITE_IOERR : rc;
}

/* quick_check of SQLite 3.40 takes columns of a WITHOUT ROWID table for NULL where the key has them in another order
** than the table. integrity_check finds all that is really wrong, so what it says of such a complaint holds.
** Where nothing was told but what is merely odd, what else there is may only have had no place: SQLite looks at the
** trees first, so it cannot be very many lines. */
static int judge(checking *c, const char *pragma, const char *table)
{
  lb_findings *f = &c->found;
  const lb_findings before = *f;
  size_t damage = f->damage->len;
  int rc = collect(c, pragma, table, false);
  bool any = f->lines > before.lines || lb_findings_odd(f) > lb_findings_odd(&before);
  if (rc == SQLITE_DONE && any && !strcmp(pragma, "quick_check")) {
    pragma = "integrity_check";
    lb_findings_forget(f, &before, damage);
    rc = collect(c, pragma, table, false);
  }
  int odd = lb_findings_odd(f) - lb_findings_odd(&before);
  if (rc == SQLITE_DONE && !table && f->lines == before.lines && odd >= LB_FINDINGS_MAX) {
    lb_findings_forget(f, &before, damage);
    rc = collect(c, pragma, table, true);
  }
  return tell_from_disk(c, rc);
}

/* The connection knows nothing of a failure that it took for a line of the result. */
static void fail_check(const checking *c, int rc, lb_error *err)
{
  lb_db_fail((sqlite3_errcode(c->db) & 0xff) == (rc & 0xff) ? c->db : NULL, rc, c->label, err);
}

/* Returns the SQLite result code; a table that needs what is not here is a note. */
static int check_one(checking *c, const char *pragma, const char *table)
{
  lb_buf *notes = c->found.notes;
  const lb_findings before = c->found;
  int rc = judge(c, pragma, table);
  /* A check of one table ends with so many lines, whatever they are. */
  bool same = c->found.lines == before.lines;
  bool cut = same && lb_findings_odd(&c->found) - lb_findings_odd(&before) >= LB_FINDINGS_MAX;
  if (rc == SQLITE_DONE && cut) {
    lb_buf_printf(notes, "%stable %s not checked to its end: %d rows or more %s", notes->len ? "\n" : "", table,
                  LB_FINDINGS_MAX, c->found.broken > before.broken ? "break a rule of it" : "are rounded otherwise in "
                  "an index");
  }
  if (rc == SQLITE_DONE || !is_missing_feature(sqlite3_errmsg(c->db))) return rc;
  lb_buf_printf(notes, "%stable %s not checked: %s", notes->len ? "\n" : "", table, sqlite3_errmsg(c->db));
  return SQLITE_DONE;
}

/* One by one, so that one table with an unknown collation does not hide the state of the others. */
static int check_tables(checking *c, const char *pragma, lb_error *err)
{
  lb_buf *damage = c->found.damage;
  char *list = sqlite3_mprintf("SELECT name FROM \"%w\".sqlite_schema WHERE type='table' AND rootpage>0", c->schema);
  sqlite3_stmt *tables = NULL;
  int rc = list ? sqlite3_prepare_v2(c->db, list, -1, &tables, NULL) : SQLITE_NOMEM;
  while (rc == SQLITE_OK && (rc = sqlite3_step(tables)) == SQLITE_ROW) {
    const char *name = (const char *)sqlite3_column_text(tables, 0), *table = name ? name : "?";
    int one = check_one(c, pragma, table);
    if (lb_sqlite_is_damage(one)) {
      lb_buf_printf(damage, "%stable %s: %s", damage->len ? "\n" : "", table, sqlite3_errmsg(c->db));
      one = SQLITE_DONE;
    }
    rc = one == SQLITE_DONE ? SQLITE_OK : one;
  }
  if (rc != SQLITE_DONE) fail_check(c, rc, err);
  sqlite3_finalize(tables);
  sqlite3_free(list);
  return err->code;
}

static void note_foreign_keys(sqlite3 *db, const char *schema, lb_buf *notes)
{
  char *sql = sqlite3_mprintf("PRAGMA \"%w\".foreign_key_check", schema);
  sqlite3_stmt *stmt = NULL;
  int violations = 0;
  if (sql && sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) == SQLITE_OK) {
    while (violations < LB_FINDINGS_MAX && sqlite3_step(stmt) == SQLITE_ROW) violations++;
  }
  sqlite3_finalize(stmt);
  sqlite3_free(sql);
  if (violations) {
    lb_buf_printf(notes, "%s%d%s foreign key violations in the data", notes->len ? "\n" : "", violations,
                  violations == LB_FINDINGS_MAX ? " or more" : "");
  }
}

int lb_sqlite_check(sqlite3 *db, const char *schema, lb_check_level level, const char *label, lb_buf *damage,
                    lb_buf *notes, lb_error *err)
{
  if (level == LB_CHECK_NONE || err->code) return err->code;
  const char *pragma = level == LB_CHECK_FULL ? "integrity_check" : "quick_check";
  checking c = begin(db, schema, label, damage, notes);
  int rc = judge(&c, pragma, NULL);
  if (rc != SQLITE_DONE) {
    if (lb_sqlite_is_damage(rc)) {
      lb_buf_printf(damage, "%s%s", damage->len ? "\n" : "", sqlite3_errmsg(db));
    } else if (is_missing_feature(sqlite3_errmsg(db))) {
      check_tables(&c, pragma, err);
    } else {
      fail_check(&c, rc, err);
    }
  }
  end(&c);
  if (!err->code && !damage->len) lb_findings_note(&c.found);
  if (!err->code && level == LB_CHECK_FULL && !damage->len) note_foreign_keys(db, schema, notes);
  if (damage->failed || notes->failed) lb_fail_nomem(err);
  return err->code;
}

int lb_sqlite_check_table(sqlite3 *db, const char *table, lb_check_level level, const char *label, lb_buf *damage,
                          lb_buf *notes, lb_error *err)
{
  if (level == LB_CHECK_NONE || err->code) return err->code;
  const char *pragma = level == LB_CHECK_FULL ? "integrity_check" : "quick_check";
  checking c = begin(db, "main", label, damage, notes);
  int rc = check_one(&c, pragma, table);
  if (lb_sqlite_is_damage(rc)) lb_buf_printf(damage, "%s%s", damage->len ? "\n" : "", sqlite3_errmsg(db));
  else if (rc != SQLITE_DONE) lb_db_fail(db, rc, label, err);
  else if (!damage->len) lb_findings_note(&c.found);
  end(&c);
  return err->code;
}

int lb_sqlite_check_file(const char *path, lb_check_level level, lb_task *task, const char *label, lb_buf *damage,
                         lb_buf *notes, lb_error *err)
{
  if (level == LB_CHECK_NONE) return err->code;
  sqlite3 *db = lb_db_open(path, SQLITE_OPEN_READWRITE, NULL, 0, task, label, err);
  if (!db) return err->code;
  if (lb_db_exec(db, "PRAGMA query_only=1; PRAGMA locking_mode=EXCLUSIVE; PRAGMA cache_size=-24000", label, err) ==
      LB_OK) {
    lb_sqlite_check(db, "main", level, label, damage, notes, err);
  } else if (err->code == LB_CORRUPT && lb_disk_failed(db, "main")) {
    lb_error_clear(err);
    lb_db_fail(NULL, SQLITE_IOERR, label, err);
  }
  lb_db_close(db);
  return err->code;
}

/* See check.h. */
#include "sqlite/check.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/file.h"

SQLITE_EXTENSION_INIT3

enum { LINES_MAX = 100, KEPT_BYTES = 160 };

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

static bool is_damage(int rc)
{
  return (rc & 0xff) == SQLITE_CORRUPT || (rc & 0xff) == SQLITE_NOTADB || rc == SQLITE_IOERR_DATA;
}

/* SQLite goes on when it cannot get a page, and tells of it as of damage. What is out of memory or cannot be read is
** none: the result code, or SQLITE_OK where the line is of the database. */
static int failure_in(const char *line)
{
  const char *code = strstr(line, "unable to get the page. error code=");
  int rc = code ? atoi(strchr(code, '=') + 1) : SQLITE_OK;
  if (rc == SQLITE_IOERR_NOMEM) return SQLITE_NOMEM;
  return is_damage(rc) ? SQLITE_OK : rc;
}

/* A row that breaks a rule of its table (CHECK, NOT NULL, the types of STRICT and of affinities). The application has
** written it so, and a backup that has it is as good as the database was. */
static bool is_broken_rule(const char *line)
{
  static const char *const beginnings[] = { "CHECK constraint failed in ", "NULL value in ", "NUMERIC value in ",
                                            "TEXT value in " };
  for (size_t i = 0; i < sizeof beginnings / sizeof *beginnings; i++) {
    if (strncmp(line, beginnings[i], strlen(beginnings[i])) == 0) return true;
  }
  return strncmp(line, "non-", 4) == 0 && strstr(line, " value in ") && strncmp(line, "non-unique", 10) != 0;
}

/* A full-text index that does not fit its rows, which SQLite looks at from 3.44 on: that of external content is so as
** soon as somebody forgets a trigger. It is made of the rows, and can be made of them again. */
static bool is_unfit_index(const char *line)
{
  static const char malformed[] = "malformed inverted index for FTS",
                    unreadable[] = "unable to validate the inverted index for FTS";
  return !strncmp(line, malformed, sizeof malformed - 1) || !strncmp(line, unreadable, sizeof unreadable - 1);
}

/* What has been found so far. */
typedef struct findings {
  lb_buf *damage, *notes;
  int lines;         /* of damage */
  int broken;        /* rows that break a rule */
  char first[KEPT_BYTES];   /* of these */
  char failed[KEPT_BYTES];  /* why no row was held against a CHECK; "": they were */
  bool ignores;      /* the connection does not look at CHECK constraints */
  bool ignored;      /* it did not before */
} findings;

static findings begin(sqlite3 *db, const char *label, lb_buf *damage, lb_buf *notes)
{
  lb_error ignored = LB_ERROR_INIT;
  int64_t on = 0;
  lb_db_integer(db, "PRAGMA ignore_check_constraints", &on, label, &ignored);
  return (findings){ .damage = damage, .notes = notes, .ignores = on != 0, .ignored = on != 0 };
}

/* Once the connection's error has been told. */
static void end(sqlite3 *db, const char *label, const findings *f)
{
  lb_error ignored = LB_ERROR_INIT;
  if (f->ignores && !f->ignored) lb_db_exec(db, "PRAGMA ignore_check_constraints=OFF", label, &ignored);
}

/* Where there is no place for all of it, it ends with a whole character. */
static void keep_line(char kept[KEPT_BYTES], const char *line)
{
  size_t n = strlen(line), room = KEPT_BYTES - sizeof "…";
  bool cut = n > room;
  if (cut) n = room;
  while (cut && n && (line[n] & 0xc0) == 0x80) n--;
  snprintf(kept, KEPT_BYTES, "%.*s%s", (int)n, line, cut ? "…" : "");
}

/* Once, though a database may be checked twice on its way. */
static void note_once(lb_buf *notes, const char *line)
{
  if (!notes->data || !strstr(notes->data, line)) lb_buf_printf(notes, "%s%s", notes->len ? "\n" : "", line);
}

static void take_line(findings *f, const char *line)
{
  if (is_unfit_index(line)) {
    note_once(f->notes, line);
  } else if (!is_broken_rule(line)) {
    if (f->lines++ < LINES_MAX) lb_buf_printf(f->damage, "%s%s", f->damage->len ? "\n" : "", line);
  } else if (f->broken++ == 0) {
    keep_line(f->first, line);
  }
}

static char *write_check(const char *schema, const char *pragma, const char *table, bool all)
{
  if (table) return sqlite3_mprintf("PRAGMA \"%w\".%s(\"%w\")", schema, pragma, table);
  return sqlite3_mprintf("PRAGMA \"%w\".%s(%d)", schema, pragma, all ? INT_MAX : LINES_MAX);
}

/* Steps through one PRAGMA …_check, of one table or (NULL) of all. all: beyond the first LINES_MAX rows that break a
** rule. Returns the SQLite result code. */
static int step_through(sqlite3 *db, const char *schema, const char *pragma, const char *table, bool all, findings *f)
{
  sqlite3_stmt *stmt = NULL;
  char *sql = write_check(schema, pragma, table, all);
  int rc = sql ? sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) : SQLITE_NOMEM;
  while (rc == SQLITE_OK && (rc = sqlite3_step(stmt)) == SQLITE_ROW) {
    const char *line = (const char *)sqlite3_column_text(stmt, 0);
    if (line && strcmp(line, "ok") != 0) take_line(f, line);
    rc = line ? failure_in(line) : SQLITE_OK;
    if (rc == SQLITE_OK && f->lines >= LINES_MAX) rc = SQLITE_DONE;
  }
  sqlite3_finalize(stmt);
  sqlite3_free(sql);
  return rc;
}

static void forget(findings *f, const findings *before, size_t damage)
{
  f->damage->len = damage;
  if (f->damage->data) f->damage->data[damage] = 0;
  f->lines = before->lines;
  f->broken = before->broken;
}

/* A CHECK may end in an error instead of an answer: json_extract() does over what is no JSON, or is in words of a newer
** version's. That says no more of the file than a row that breaks it, and all else is looked at without. */
static int collect(sqlite3 *db, const char *schema, const char *pragma, const char *table, bool all, findings *f)
{
  lb_error ignored = LB_ERROR_INIT;
  const findings before = *f;
  size_t damage = f->damage->len;
  int rc = step_through(db, schema, pragma, table, all, f);
  if (rc != SQLITE_ERROR || f->ignores || is_missing_feature(sqlite3_errmsg(db))) return rc;
  char why[KEPT_BYTES];
  keep_line(why, sqlite3_errmsg(db));
  f->ignores = true;
  lb_db_exec(db, "PRAGMA ignore_check_constraints=ON", schema, &ignored);
  forget(f, &before, damage);
  rc = step_through(db, schema, pragma, table, all, f);
  if (rc == SQLITE_DONE) memcpy(f->failed, why, sizeof why);
  return rc;
}

/* quick_check of SQLite 3.40 takes columns of a WITHOUT ROWID table for NULL where the key has them in another order
** than the table. integrity_check finds all that is really wrong, so what it says of such a complaint holds.
** Where broken rules were all that was told, what else there is may only have had no place: SQLite looks at the trees
** first, so it cannot be very many lines. */
static int judge(sqlite3 *db, const char *schema, const char *pragma, const char *table, findings *f)
{
  const findings before = *f;
  size_t damage = f->damage->len;
  int rc = collect(db, schema, pragma, table, false, f);
  if (rc == SQLITE_DONE && (f->lines > before.lines || f->broken > before.broken) && !strcmp(pragma, "quick_check")) {
    pragma = "integrity_check";
    forget(f, &before, damage);
    rc = collect(db, schema, pragma, table, false, f);
  }
  if (rc == SQLITE_DONE && !table && f->lines == before.lines && f->broken - before.broken >= LINES_MAX) {
    forget(f, &before, damage);
    rc = collect(db, schema, pragma, table, true, f);
  }
  return rc;
}

static void note_rules(const findings *f, lb_buf *notes)
{
  char line[256];
  if (f->broken == 1) snprintf(line, sizeof line, "1 row in the data breaks a rule of its table: %s", f->first);
  else snprintf(line, sizeof line, "%d rows in the data break a rule of their table, the first one: %s", f->broken,
                f->first);
  if (f->broken) note_once(notes, line);
  snprintf(line, sizeof line, "CHECK constraints not checked: %s", f->failed);
  if (f->failed[0]) note_once(notes, line);
}

/* The connection knows nothing of a failure that it took for a line of the result. */
static void fail_check(sqlite3 *db, int rc, const char *label, lb_error *err)
{
  lb_db_fail((sqlite3_errcode(db) & 0xff) == (rc & 0xff) ? db : NULL, rc, label, err);
}

/* Returns the SQLite result code; a table that needs what is not here is a note. */
static int check_one(sqlite3 *db, const char *schema, const char *pragma, const char *table, findings *f,
                     lb_buf *notes)
{
  const findings before = *f;
  int rc = judge(db, schema, pragma, table, f);
  /* A check of one table ends with so many lines, whatever they are. */
  bool cut = rc == SQLITE_DONE && f->lines == before.lines && f->broken - before.broken >= LINES_MAX;
  if (cut) {
    lb_buf_printf(notes, "%stable %s not checked to its end: %d rows or more break a rule of it",
                  notes->len ? "\n" : "", table, LINES_MAX);
  }
  if (rc == SQLITE_DONE || !is_missing_feature(sqlite3_errmsg(db))) return rc;
  lb_buf_printf(notes, "%stable %s not checked: %s", notes->len ? "\n" : "", table, sqlite3_errmsg(db));
  return SQLITE_DONE;
}

/* One by one, so that one table with an unknown collation does not hide the state of the others. */
static int check_tables(sqlite3 *db, const char *schema, const char *pragma, const char *label, findings *f,
                        lb_buf *notes, lb_error *err)
{
  char *list = sqlite3_mprintf("SELECT name FROM \"%w\".sqlite_schema WHERE type='table' AND rootpage>0", schema);
  sqlite3_stmt *tables = NULL;
  int rc = list ? sqlite3_prepare_v2(db, list, -1, &tables, NULL) : SQLITE_NOMEM;
  while (rc == SQLITE_OK && (rc = sqlite3_step(tables)) == SQLITE_ROW) {
    const char *table = (const char *)sqlite3_column_text(tables, 0);
    int one = check_one(db, schema, pragma, table ? table : "?", f, notes);
    if (is_damage(one)) {
      lb_buf_printf(f->damage, "%stable %s: %s", f->damage->len ? "\n" : "", table ? table : "?", sqlite3_errmsg(db));
      one = SQLITE_DONE;
    }
    rc = one == SQLITE_DONE ? SQLITE_OK : one;
  }
  if (rc != SQLITE_DONE) fail_check(db, rc, label, err);
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
    while (violations < LINES_MAX && sqlite3_step(stmt) == SQLITE_ROW) violations++;
  }
  sqlite3_finalize(stmt);
  sqlite3_free(sql);
  if (violations) {
    lb_buf_printf(notes, "%s%d%s foreign key violations in the data", notes->len ? "\n" : "", violations,
                  violations == LINES_MAX ? " or more" : "");
  }
}

int lb_sqlite_check(sqlite3 *db, const char *schema, lb_check_level level, const char *label, lb_buf *damage,
                    lb_buf *notes, lb_error *err)
{
  if (level == LB_CHECK_NONE || err->code) return err->code;
  const char *pragma = level == LB_CHECK_FULL ? "integrity_check" : "quick_check";
  findings f = begin(db, label, damage, notes);
  int rc = judge(db, schema, pragma, NULL, &f);
  if (rc != SQLITE_DONE) {
    if (is_damage(rc)) {
      lb_buf_printf(damage, "%s%s", damage->len ? "\n" : "", sqlite3_errmsg(db));
    } else if (is_missing_feature(sqlite3_errmsg(db))) {
      check_tables(db, schema, pragma, label, &f, notes, err);
    } else {
      fail_check(db, rc, label, err);
    }
  }
  end(db, label, &f);
  if (!err->code && !damage->len) note_rules(&f, notes);
  if (!err->code && level == LB_CHECK_FULL && !damage->len) note_foreign_keys(db, schema, notes);
  if (damage->failed || notes->failed) lb_fail_nomem(err);
  return err->code;
}

int lb_sqlite_check_table(sqlite3 *db, const char *table, lb_check_level level, const char *label, lb_buf *damage,
                          lb_buf *notes, lb_error *err)
{
  if (level == LB_CHECK_NONE || err->code) return err->code;
  const char *pragma = level == LB_CHECK_FULL ? "integrity_check" : "quick_check";
  findings f = begin(db, label, damage, notes);
  int rc = check_one(db, "main", pragma, table, &f, notes);
  if (is_damage(rc)) lb_buf_printf(damage, "%s%s", damage->len ? "\n" : "", sqlite3_errmsg(db));
  else if (rc != SQLITE_DONE) lb_db_fail(db, rc, label, err);
  else if (!damage->len) note_rules(&f, notes);
  end(db, label, &f);
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
  }
  lb_db_close(db);
  return err->code;
}

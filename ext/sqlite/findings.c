/* See findings.h. */
#include "sqlite/findings.h"

#include <sqlite3ext.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool lb_sqlite_is_damage(int rc)
{
  return (rc & 0xff) == SQLITE_CORRUPT || (rc & 0xff) == SQLITE_NOTADB || rc == SQLITE_IOERR_DATA;
}

int lb_finding_failure(const char *line)
{
  const char *code = strstr(line, "unable to get the page. error code=");
  int rc = code ? atoi(strchr(code, '=') + 1) : SQLITE_OK;
  if (rc == SQLITE_IOERR_NOMEM) return SQLITE_NOMEM;
  return lb_sqlite_is_damage(rc) ? SQLITE_OK : rc;
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

/* An index on an expression has values that another SQLite computed, which rounded otherwise in the last digit: newer
** ones tell that from a row that is missing in the index. The row itself is sound, and REINDEX makes the entry anew. */
static bool is_rounded(const char *line)
{
  return strncmp(line, "index ", 6) == 0 && strstr(line, " stores an imprecise floating-point value for row ");
}

void lb_finding_keep(char kept[LB_FINDING_BYTES], const char *line)
{
  size_t n = strlen(line), room = LB_FINDING_BYTES - sizeof "…";
  bool cut = n > room;
  if (cut) n = room;
  while (cut && n && (line[n] & 0xc0) == 0x80) n--;
  snprintf(kept, LB_FINDING_BYTES, "%.*s%s", (int)n, line, cut ? "…" : "");
}

/* Once, though a database may be checked twice on its way. */
static void note_once(lb_buf *notes, const char *line)
{
  if (!notes->data || !strstr(notes->data, line)) lb_buf_printf(notes, "%s%s", notes->len ? "\n" : "", line);
}

void lb_findings_take(lb_findings *f, const char *line)
{
  if (is_unfit_index(line)) {
    note_once(f->notes, line);
  } else if (is_rounded(line)) {
    if (f->rounded++ == 0) lb_finding_keep(f->first_rounded, line);
  } else if (!is_broken_rule(line)) {
    if (f->lines++ < LB_FINDINGS_MAX) lb_buf_printf(f->damage, "%s%s", f->damage->len ? "\n" : "", line);
  } else if (f->broken++ == 0) {
    lb_finding_keep(f->first, line);
  }
}

int lb_findings_odd(const lb_findings *f)
{
  return f->broken + f->rounded;
}

void lb_findings_forget(lb_findings *f, const lb_findings *before, size_t damage)
{
  f->damage->len = damage;
  if (f->damage->data) f->damage->data[damage] = 0;
  f->lines = before->lines;
  f->broken = before->broken;
  f->rounded = before->rounded;
}

void lb_findings_note(const lb_findings *f)
{
  char line[320];
  if (f->broken == 1) snprintf(line, sizeof line, "1 row in the data breaks a rule of its table: %s", f->first);
  else snprintf(line, sizeof line, "%d rows in the data break a rule of their table, the first one: %s", f->broken,
                f->first);
  if (f->broken) note_once(f->notes, line);
  snprintf(line, sizeof line, "entries of indexes that another SQLite rounded otherwise (REINDEX makes them anew): %d, "
           "the first one: %s", f->rounded, f->first_rounded);
  if (f->rounded) note_once(f->notes, line);
  snprintf(line, sizeof line, "CHECK constraints not checked: %s", f->failed);
  if (f->failed[0]) note_once(f->notes, line);
}

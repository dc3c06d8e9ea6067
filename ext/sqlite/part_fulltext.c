/* See part_links.h. Here: full-text indexes whose content is a restored table, or a view that reads one.
**
** Views are off on `to`: a schema is hostile. For a view that is some index's content they are on while it is looked at
** and the index is rebuilt, which only reads; triggers and functions that a schema may not call stay off.
*/
#include <string.h>

#include "sqlite/part_links.h"
#include "sqlite/virtual.h"

SQLITE_EXTENSION_INIT3

static bool touched(const lb_sqlite_part *part, const char *table)
{
  for (int i = 0; i < part->count; i++) {
    const lb_part_table *t = &part->tables[i];
    if (t->touched && sqlite3_stricmp(t->from.name, table) == 0) return true;
  }
  return false;
}

/* ---- what an index reads ---- */

typedef struct reading {
  const lb_sqlite_part *part;
  bool restored;  /* a table that was touched is among what is read */
} reading;

/* An authorizer, which forbids nothing. */
static int note_read(void *ctx, int action, const char *table, const char *column, const char *schema,
                     const char *inside)
{
  reading *r = ctx;
  (void)column, (void)inside;
  if (action == SQLITE_READ && table && schema && strcmp(schema, "main") == 0 && touched(r->part, table)) {
    r->restored = true;
  }
  return SQLITE_OK;
}

/* *why: it cannot be compiled here, and may read anything; from SQLite, freed by the caller. */
static bool view_reads_touched(const lb_sqlite_part *part, const char *view, char **why)
{
  sqlite3 *db = part->request->to;
  sqlite3_stmt *stmt = NULL;
  reading r = { part, false };
  char *sql = sqlite3_mprintf("SELECT * FROM main.\"%w\"", view);
  lb_part_allow_views(db, true);
  sqlite3_set_authorizer(db, note_read, &r);
  if (!sql || sqlite3_prepare_v2(db, sql, -1, &stmt, NULL)) *why = sqlite3_mprintf("%s", sqlite3_errmsg(db));
  sqlite3_set_authorizer(db, NULL, NULL);
  lb_part_allow_views(db, false);
  sqlite3_finalize(stmt);
  sqlite3_free(sql);
  return r.restored;
}

/* ---- rebuilding ---- */

static void note_stale(lb_sqlite_part *part, const char *fts, const char *why)
{
  lb_part_names_add(&part->rebuilt, fts);
  lb_part_note(part, "full-text index %s could not be rebuilt here, run INSERT INTO \"%s\"(\"%s\") VALUES "
               "('rebuild') where it can: %s", fts, fts, fts, why);
}

/* A module or tokenizer that is not here is the program's whose database it is: rows are worth more than the index. */
static int rebuild_one(lb_sqlite_part *part, const char *fts, lb_error *err)
{
  const lb_sqlite_part_request *q = part->request;
  char *sql = sqlite3_mprintf("INSERT INTO main.\"%w\"(\"%w\") VALUES ('rebuild')", fts, fts);
  lb_task_phase(q->task, "rebuilding full-text", 0);
  int rc = sql ? sqlite3_exec(q->to, sql, NULL, NULL, NULL) : SQLITE_NOMEM;
  lb_part_names_add(&part->rebuilt, fts);
  if (rc == SQLITE_OK) lb_part_note(part, "full-text index %s was rebuilt", fts);
  else if ((rc & 0xff) == SQLITE_ERROR) note_stale(part, fts, sqlite3_errmsg(q->to));
  else lb_db_fail(q->to, rc, q->to_label, err);
  sqlite3_free(sql);
  return err->code;
}

static int rebuild_over_view(lb_sqlite_part *part, const char *fts, const char *view, bool wanted, lb_error *err)
{
  char *why = NULL;
  bool reads = view_reads_touched(part, view, &why);
  if (why) {
    note_stale(part, fts, why);
  } else if (reads || wanted) {
    lb_part_allow_views(part->request->to, true);
    rebuild_one(part, fts, err);
    lb_part_allow_views(part->request->to, false);
  }
  sqlite3_free(why);
  return err->code;
}

static int rebuild_if_stale(lb_sqlite_part *part, const char *fts, const char *content, lb_error *err)
{
  const lb_sqlite_part_request *q = part->request;
  bool wanted = lb_part_names_have(&part->indexes, fts);
  lb_table_info info;
  if (touched(part, content)) return rebuild_one(part, fts, err);
  if (lb_table_info_read(q->to, content, q->to_label, &info, err)) return err->code;
  bool view = info.kind == LB_TABLE_VIEW;
  lb_table_info_free(&info);
  if (view) return rebuild_over_view(part, fts, content, wanted, err);
  return wanted ? rebuild_one(part, fts, err) : LB_OK;
}

int lb_part_rebuild_fulltext(lb_sqlite_part *part, lb_error *err)
{
  lb_buf names = { 0 };
  bool any = part->indexes.len > 0;
  for (int i = 0; i < part->count; i++) any = any || part->tables[i].touched;
  if (any) lb_part_list_indexes(part->request->to, part->request->to_label, &names, err);
  for (size_t at = 0; at < names.len && !err->code;) {
    const char *fts = names.data + at, *content = fts + strlen(fts) + 1;
    at += strlen(fts) + strlen(content) + 2;
    rebuild_if_stale(part, fts, content, err);
  }
  lb_buf_free(&names);
  return err->code;
}

/* Some tables of a backup into a PostgreSQL database that goes on living. The steps: open the backup, find what is
** wanted in it, look at the target, copy the rows into temporary tables; only then keep writers out, save what is
** there, move the rows, commit. All that is written is written in one transaction.
*/
#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "job/postgres.h"
#include "job/restoration.h"
#include "postgres/merge.h"

typedef struct restoring {
  lb_restoration *r;
  const char *uri;
  lb_content content;
  lb_pg_outline outline;
  lb_pg_wanted *wanted;
  int wanted_count;
  lb_pg *pg;
  lb_pg_merge_request request;
  lb_pg_merge *merge;
} restoring;

static int find_tables(restoring *s, lb_error *err)
{
  lb_restoration *r = s->r;
  const lb_pg_contents *table = s->content.has_table ? &s->content.table : NULL;
  int count = 0;
  lb_task_phase(&r->job->task, "reading the script", 0);
  lb_pg_outline_read(&s->content.source, table, &r->job->task, &s->outline, err);
  char **names = err->code ? NULL : lb_restoration_tables(r, &count, err);
  if (!err->code) lb_pg_outline_find(&s->outline, names, count, &s->wanted, &s->wanted_count, err);
  lb_restoration_free_tables(names, count);
  lb_error_prefix(err, "%s: ", r->backup.path);
  return err->code ? err->code : lb_restore_postgres_check_end(r, s->outline.complete, err);
}

static int open_target(restoring *s, lb_error *err)
{
  lb_restoration *r = s->r;
  lb_task_phase(&r->job->task, "connecting", 0);
  r->label = lb_config_scrub_url(s->uri, err);
  s->pg = err->code ? NULL : lb_pg_open(s->uri, &r->job->task, err);
  if (!s->pg) return err->code;
  if (s->pg->standby) {
    return lb_fail(err, LB_MISUSE, "%s: is a standby, which takes no writes: name the primary", s->pg->label);
  }
  return lb_pg_target_claim(s->pg, err);
}

/* Of what is the owner's alone the steps tell by themselves. */
static int advise(lb_error *err)
{
  if (err->code != LB_PERM || err->advised) return err->code;
  if (strstr(err->message, "row-level security")) {
    lb_error_advise(err, "not all rows would be seen: connect as a superuser, or ALTER ROLE … BYPASSRLS");
  } else {
    lb_error_advise(err, "GRANT the user SELECT, INSERT, UPDATE, DELETE on the tables, USAGE on their schemas, SELECT, "
                    "UPDATE on their sequences, TEMPORARY on the database");
  }
  return err->code;
}

static int open_merge(restoring *s, lb_error *err)
{
  lb_restoration *r = s->r;
  s->request = (lb_pg_merge_request){
    .pg = s->pg, .source = &s->content.source, .contents = s->content.has_table ? &s->content.table : NULL,
    .outline = &s->outline, .wanted = s->wanted, .wanted_count = s->wanted_count, .mode = lb_rows_mode_of(r->o.rows),
    .partial = r->backup.about.manifest.scope || !s->content.has_table,
    .common_columns = r->o.columns && r->o.columns[0] == 'c', .lock_timeout = lb_restore_postgres_lock_timeout(r),
    .task = &r->job->task, .notes = &r->job->notes,
  };
  s->merge = lb_pg_merge_open(&s->request, err);
  return advise(err);
}

static int load_and_lock(restoring *s, lb_error *err)
{
  if (lb_pg_merge_load(s->merge, err) == LB_OK) lb_pg_merge_lock(s->merge, err);
  return advise(err);
}

static int write(restoring *s, lb_error *err)
{
  lb_restoration *r = s->r;
  if (lb_restore_postgres_save(r, s->pg->database, s->uri, err)) return err->code;
  if (lb_pg_merge_run(s->merge, &r->tables, err)) {
    bool gone = PQstatus(s->pg->conn) == CONNECTION_BAD;  /* without a COMMIT: it has changed nothing */
    lb_restore_postgres_undo(r, gone ? NULL : s->pg);
    return advise(err);
  }
  if (!lb_pg_merge_changed(s->merge)) {
    lb_restore_postgres_undo(r, s->pg);
    return LB_OK;
  }
  return lb_restore_postgres_commit(r, s->pg, err);
}

static int restore(restoring *s, const char *backup, lb_error *err)
{
  lb_restoration *r = s->r;
  if (lb_restore_postgres_open(r, backup, s->uri, &s->content, err) || find_tables(s, err) || open_target(s, err) ||
      open_merge(s, err) || lb_restore_postgres_verify(r, &s->content, s->uri, err) ||
      load_and_lock(s, err) || write(s, err)) {
    return lb_postgres_lock_refused(s->pg) ? lb_postgres_advise_lock(s->pg, "EXCLUSIVE", err) : err->code;
  }
  r->bytes = s->content.bytes;
  r->check = s->content.has_table ? "ok" : NULL;  /* rows were held against the table of contents */
  return LB_OK;
}

int lb_restore_part_postgres(lb_restoration *r, const char *backup, const char *uri, lb_error *err)
{
  restoring s = { .r = r, .uri = uri };
  restore(&s, backup, err);
  lb_pg_merge_close(s.merge);
  lb_pg_close(s.pg);  /* what is open is rolled back */
  lb_pg_wanted_free(s.wanted, s.wanted_count);
  lb_pg_outline_free(&s.outline);
  lb_content_close(&s.content);
  return err->code;
}

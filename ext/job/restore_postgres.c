/* A backup's content into a PostgreSQL database. The steps, in this order because nothing is destroyed before its
** replacement is proven: open the backup, read what its script needs, look at the target, save what is there, then one
** of three ways.
**
** empty        the database has nothing of a user's (or was made just now): loaded at once on several connections.
** transaction  one transaction drops everything and loads: it happens whole or not at all.
** swap         a new database is loaded on several connections, then the two change names in one transaction.
*/
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/file.h"
#include "job/postgres.h"
#include "job/restoration.h"
#include "postgres/replication.h"
#include "postgres/target.h"

enum { UNDO_LOCK_TIMEOUT_MS = 5000, DATABASE_NAME_MAX = 63, NAMES_TRIED = 100 };

#define NO_SUCH_SCHEMA "3F000"  /* SQLSTATE */

typedef struct restoring {
  lb_restoration *r;
  const char *uri;
  lb_content content;
  lb_pg_survey survey;
  lb_pg *pg;             /* the target; NULL: there is none yet */
  lb_pg *maintenance;
  char *database;        /* its name */
  int64_t objects;       /* of users, in the target */
} restoring;

int lb_restore_postgres_open(lb_restoration *r, const char *backup, const char *uri, lb_content *content, lb_error *err)
{
  char *source = lb_pg_source_of_uri(uri, err);
  if (source) lb_restoration_open(r, backup, LB_TYPE_POSTGRES, source, err);
  free(source);
  if (err->code) return err->code;
  return lb_content_open(content, r->backup.reader, r->backup.path, r->job, r->threads, err);
}

/* With verify, the whole file first. Without, every block is checked as it is read: a bad one ends the restore before
** anything that was there is gone. */
int lb_restore_postgres_verify(lb_restoration *r, lb_content *content, const char *uri, lb_error *err)
{
  const char *level = r->o.verify;
  if (!level || strcmp(level, "false") == 0) return LB_OK;
  int64_t raw = lb_reader_raw_bytes(r->backup.reader);
  lb_reader_report report = { 0 };
  lb_task_phase(&r->job->task, "verifying", raw > 0 ? raw : 0);
  if (lb_reader_pass(r->backup.reader, r->threads, NULL, NULL, &r->job->task, &report, err)) return err->code;
  if (strcmp(level, "full") != 0) return LB_OK;
  return lb_postgres_verify_full(r->job, content, &r->backup.about.manifest, uri, lb_job_jobs(r->o.jobs), err);
}

int lb_restore_postgres_check_end(const lb_restoration *r, bool complete, lb_error *err)
{
  if (complete || (r->o.verify && strcmp(r->o.verify, "false") == 0)) return LB_OK;
  return lb_fail(err, LB_CORRUPT, "%s: the last line of pg_dump is missing: the dump was not finished (pass "
                                  "{\"verify\":false} if you know that it is whole)", r->backup.path);
}

static int read_script(restoring *s, lb_error *err)
{
  lb_task_phase(&s->r->job->task, "reading the script", 0);
  const lb_pg_contents *table = s->content.has_table ? &s->content.table : NULL;
  if (lb_pg_survey_read(&s->content.source, table, &s->r->job->task, &s->survey, err)) {
    lb_error_prefix(err, "%s: ", s->r->backup.path);
    return err->code;
  }
  return lb_restore_postgres_check_end(s->r, s->survey.complete, err);
}

/* ---- the target ---- */

static int open_target(restoring *s, lb_error *err)
{
  lb_restoration *r = s->r;
  lb_error why = LB_ERROR_INIT;
  r->label = lb_config_scrub_url(s->uri, err);
  if (!r->label) return err->code;
  s->pg = lb_pg_open(s->uri, &r->job->task, &why);
  if (s->pg) {
    s->database = lb_text_copy(s->pg->database, err);
    if (err->code || lb_pg_target_claim(s->pg, err)) return err->code;
    return lb_pg_target_count(s->pg, &s->objects, err);
  }
  if (why.code != LB_NOTFOUND || !r->o.create) return lb_fail(err, why.code, "%s", why.message);
  s->maintenance = lb_pg_maintenance_open(s->uri, &r->job->task, err);
  if (s->maintenance) s->database = lb_pg_database_of_uri(s->uri, err);
  return err->code;
}

/* Replacing all with a part would lose the rest; and rows alone need tables to go to. */
static int check_scope(restoring *s, lb_error *err)
{
  const char *scope = s->r->backup.about.manifest.scope, *path = s->r->backup.path;
  if (!scope) return LB_OK;
  if (strcmp(scope, "data_only") == 0) {
    return lb_fail(err, LB_UNSUPPORTED, "%s: holds rows without their tables: load it into a database that has them, "
                   "with psql (gunzip -c FILE | psql -v ON_ERROR_STOP=1 DATABASE)", path);
  }
  if (!s->objects) return LB_OK;
  return lb_fail(err, LB_UNSUPPORTED, "%s: holds only a part of a database (%s), which does not replace a whole one: "
                 "restore it into an empty database, or a new one with {\"create\":true}", path, scope);
}

static int check_target(restoring *s, lb_error *err)
{
  const lb_restore_options *o = &s->r->o;
  if (s->pg && s->pg->standby) {
    return lb_fail(err, LB_MISUSE, "%s: is a standby, which takes no writes: name the primary", s->pg->label);
  }
  if (check_scope(s, err)) return err->code;
  if (s->objects && !o->overwrite) {
    return lb_fail(err, LB_EXISTS,
                   "target is not empty: %s has %lld objects (pass {\"overwrite\":true} to replace them)", s->pg->label,
                   (long long)s->objects);
  }
  return lb_pg_survey_check(&s->survey, s->pg ? s->pg : s->maintenance, o->no_owner, o->no_privileges, err);
}

int lb_restore_postgres_save(lb_restoration *r, const char *database, const char *uri, lb_error *err)
{
  if (!r->o.pre_restore) return LB_OK;
  if (!r->dir) {
    return lb_fail(err, LB_NOTFOUND, "no folder to save the target in: name one with BACKUP_DIR or the option dir "
                                     "({\"pre_restore\":false} goes without)");
  }
  const char *given = r->o.name ? r->o.name : lb_config_text(r->job->config, LB_CONFIG_NAME);
  char *name = given ? lb_text_copy(given, err) : lb_postgres_name(database, err);
  if (name && lb_postgres_save(r->job, r->dir, name, uri, lb_job_jobs(r->o.jobs), &r->saved, err)) {
    lb_error_prefix(
        err, "the target could not be saved first (nothing was changed; {\"pre_restore\":false} goes without): ");
  }
  free(name);
  return err->code;
}

/* ---- loading ---- */

static int load_fresh(restoring *s, lb_pg *pg, lb_error *err)
{
  const lb_restore_options *o = &s->r->o;
  lb_postgres_loading loading = { .job = s->r->job, .content = &s->content, .jobs = lb_job_jobs(o->jobs),
                                  .no_owner = o->no_owner, .no_privileges = o->no_privileges };
  if (lb_postgres_load_fresh(&loading, pg, err)) return err->code;
  return lb_pg_subscriptions_detach(pg, &s->r->job->notes, err);
}

/* A database of a passing name: what a crash leaves of it is never taken for the real one, and a later run drops it. */
static char *make_scratch(restoring *s, const lb_pg_properties *properties, lb_error *err)
{
  char *fresh = NULL;
  lb_pg_scratch_sweep(s->maintenance);
  lb_pg_scratch_create(s->maintenance, "restore", properties, &fresh, err);
  return fresh;
}

static void drop_scratch(restoring *s, const char *fresh)
{
  lb_error why = LB_ERROR_INIT;
  if (lb_pg_scratch_drop(s->maintenance, fresh, &why)) {
    lb_job_note(s->r->job, "the database %s is left over, a later restore will drop it: %s", fresh, why.message);
  }
}

/* It gets its name when it is whole. */
static int restore_missing(restoring *s, lb_error *err)
{
  lb_pg_properties properties = lb_postgres_properties(&s->r->backup.about.manifest);
  if (!properties.encoding) properties.encoding = s->survey.encoding;
  char *fresh = make_scratch(s, &properties, err);
  if (!fresh) return err->code;
  lb_pg *pg = lb_pg_open_again(s->maintenance, fresh, err);
  if (pg) load_fresh(s, pg, err);
  lb_pg_close(pg);
  if (err->code || lb_pg_database_settle(s->maintenance, fresh, s->database, err)) drop_scratch(s, fresh);
  s->r->created = err->code == LB_OK;
  free(fresh);
  return err->code;
}

/* A new database has a schema public, which scripts do not make. */
static bool has_public(lb_pg *pg)
{
  lb_error ignored = LB_ERROR_INIT;
  char *found = lb_pg_value(pg, &ignored, "SELECT 1 FROM pg_catalog.pg_namespace WHERE nspname = 'public'", 0, NULL);
  bool there = found || ignored.code;
  free(found);
  return there;
}

static int empty_again(lb_pg *pg, bool had_public, lb_error *err)
{
  if (lb_pg_execf(pg, err, "BEGIN; SET LOCAL lock_timeout = %d", UNDO_LOCK_TIMEOUT_MS) ||
      lb_pg_subscriptions_detach(pg, NULL, err) || lb_pg_target_empty(pg, err) ||
      (!had_public && lb_pg_exec(pg, "DROP SCHEMA public", err))) {
    return err->code;
  }
  return lb_pg_exec(pg, "COMMIT", err);
}

/* Not where somebody else may have made objects: those are not ours to drop. claimant: the session that had the claim
** for us, which may be lost. */
static void undo_load(restoring *s, bool had_public, const char *claimant)
{
  lb_error why = LB_ERROR_INIT;
  lb_task deaf = { 0 };  /* the interrupt that got us here would end this as well */
  s->pg->task = &deaf;
  lb_pg *pg = lb_pg_open_again(s->pg, NULL, &why);
  if (pg && !lb_pg_target_alone(pg, claimant)) {
    lb_job_note(s->r->job, "what was loaded so far is left, since others are connected to the database");
  } else if (pg) {
    empty_again(pg, had_public, &why);
  }
  s->pg->task = &s->r->job->task;
  if (why.code) lb_job_note(s->r->job, "what was loaded so far could not be removed again: %s", why.message);
  lb_pg_close(pg);
}

/* A failure leaves it empty again, as it was. */
static int restore_empty(restoring *s, lb_error *err)
{
  bool had_public = has_public(s->pg);
  char *claimant = lb_pg_target_session(s->pg, err);
  if (!claimant || load_fresh(s, s->pg, err) == LB_OK) goto done;
  if (!had_public && strcmp(s->pg->state, NO_SUCH_SCHEMA) == 0) {
    lb_error_prefix(err, "the database has no schema public, as a new one has (CREATE SCHEMA public in it, and try "
                    "again): ");
  }
  if (err->code == LB_EXISTS) {
    lb_job_note(s->r->job, "what was loaded so far is left, since the database had objects of others meanwhile");
  } else {
    undo_load(s, had_public, claimant);
  }
done:
  free(claimant);
  return err->code;
}

/* Not to be broken off: whoever is told of a failure may rely on the old content being there. */
int lb_restore_postgres_commit(lb_restoration *r, lb_pg *pg, lb_error *err)
{
  lb_task deaf = { 0 };
  lb_error why = LB_ERROR_INIT;
  pg->task = &deaf;
  lb_pg_exec(pg, "COMMIT", &why);
  pg->task = &r->job->task;
  if (why.code == LB_IO) {
    return lb_fail(err, LB_IO, "%s; it may hold the old or the new content, whole: look before you go on", why.message);
  }
  return why.code ? lb_fail(err, (lb_code)why.code, "%s", why.message) : LB_OK;
}

/* What has not changed need not be kept: whoever mends an error and tries again would fill the folder with copies. */
void lb_restore_postgres_undo(lb_restoration *r, lb_pg *pg)
{
  lb_error why = LB_ERROR_INIT;
  lb_task deaf = { 0 };
  if (!r->saved) return;
  if (pg) {
    pg->task = &deaf;  /* the interrupt that got us here would end this as well */
    lb_pg_exec(pg, "ROLLBACK", &why);
    pg->task = &r->job->task;
  }
  if (!why.code && lb_postgres_unsave(r->saved)) lb_restoration_unsaved(r);
}

int64_t lb_restore_postgres_lock_timeout(const lb_restoration *r)
{
  enum { DEFAULT_MS = 60000 };
  return r->o.lock_timeout < 0 ? DEFAULT_MS : r->o.lock_timeout;
}

/* Opens the transaction, and keeps writers out before the target is saved: what they commit afterwards would be in no
** copy. Readers go on until everything is dropped. */
static int begin_transaction(restoring *s, lb_error *err)
{
  int64_t timeout = lb_restore_postgres_lock_timeout(s->r);
  uint64_t locks = lb_pg_locks_sum(&s->survey.locks, s->pg->version);
  if (lb_pg_target_fits_one_transaction(s->pg, locks, err)) return err->code;
  lb_task_phase(&s->r->job->task, "locking tables", 0);
  if (lb_pg_exec(s->pg, "BEGIN", err) ||
      lb_pg_execf(s->pg, err, "SET LOCAL lock_timeout = %lld", (long long)timeout)) {
    return err->code;
  }
  if (lb_pg_target_keep_writers_out(s->pg, err) == LB_OK) return LB_OK;
  return lb_postgres_lock_refused(s->pg) ? lb_postgres_advise_lock(s->pg, "EXCLUSIVE", err) : err->code;
}

static int restore_in_transaction(restoring *s, lb_error *err)
{
  lb_restoration *r = s->r;
  const lb_restore_options *o = &r->o;
  lb_pg_load load = { .pg = s->pg, .source = &s->content.source, .task = &r->job->task, .notes = &r->job->notes,
                      .contents = s->content.has_table ? &s->content.table : NULL, .jobs = 1,
                      .no_owner = o->no_owner, .no_privileges = o->no_privileges };
  lb_task_phase(&r->job->task, "dropping", 0);
  if (lb_pg_target_empty(s->pg, err)) {  /* readers have not been kept out */
    return lb_postgres_lock_refused(s->pg) ? lb_postgres_advise_lock(s->pg, "ACCESS EXCLUSIVE", err) : err->code;
  }
  lb_task_phase(&r->job->task, "loading", s->content.bytes);
  if (lb_pg_load_serial(&load, err) || lb_pg_subscriptions_detach(s->pg, &r->job->notes, err)) return err->code;
  return lb_postgres_analyze(r->job, &load, err) ? err->code : lb_restore_postgres_commit(r, s->pg, err);
}

/* NAME_WORD_STAMP, from the second one on with _2, _3, …; NAME cut so that it fits PostgreSQL's limit. */
static char *derived_name(const char *database, const char *word, int number, lb_error *err)
{
  char stamp[LB_STAMP_BYTES], suffix[16] = "";
  lb_clock_stamp(lb_clock_now(), stamp);
  if (number > 1) snprintf(suffix, sizeof suffix, "_%d", number);
  int tail = (int)(strlen(word) + strlen(stamp) + strlen(suffix)) + 2;
  int room = DATABASE_NAME_MAX - tail, n = (int)strlen(database);
  if (n > room) {
    n = room;
    while (n > 0 && ((unsigned char)database[n] & 0xc0) == 0x80) n--;  /* not within a character of UTF-8 */
  }
  return lb_text_printf(err, "%.*s_%s_%s%s", n, database, word, stamp, suffix);
}

/* The first of these names that no database has: two swaps may be done within a second. */
static char *free_name(restoring *s, const char *word, lb_error *err)
{
  for (int number = 1; number < NAMES_TRIED; number++) {
    char *name = derived_name(s->database, word, number, err);
    if (!name) return NULL;
    char *there = lb_pg_value(s->maintenance, err, "SELECT 1 FROM pg_catalog.pg_database WHERE datname = $1", 1,
                              (const char *const[]){ name });
    if (!there && !err->code) return name;
    free(there);
    free(name);
    if (err->code) return NULL;
  }
  lb_fail(err, LB_EXISTS, "database \"%s\": no name is free for the old one (try again in a second)", s->database);
  return NULL;
}

/* The old database stays, with its subscriptions and slots. */
static int keep_old(restoring *s, const char *aside, lb_error *err)
{
  lb_error why = LB_ERROR_INIT;
  if (lb_pg_replication_notes(s->maintenance, aside, false, &s->r->job->notes, &why)) {
    lb_job_note(s->r->job, "whether the old database has slots or subscriptions could not be read: %s", why.message);
  }
  s->r->previous = lb_text_copy(aside, err);
  return err->code;
}

/* Somebody with more rights may have given the old database settings or privileges that its owner may not give the new
** one: better told before the load than behind it. */
static int try_dress(restoring *s, const char *fresh, const lb_pg_properties *properties, lb_error *err)
{
  if (lb_pg_database_try_dress(s->maintenance, fresh, properties, s->r->o.no_owner, err) == LB_PERM) {
    lb_error_advise(err, "connect as a superuser, or pass {\"mode\":\"transaction\"}, which leaves them as they are");
  }
  return err->code;
}

static int load_and_swap(restoring *s, const char *fresh, const char *aside, lb_pg_properties *properties,
                         lb_error *err)
{
  lb_restoration *r = s->r;
  if (try_dress(s, fresh, properties, err)) return err->code;
  lb_pg *pg = lb_pg_open_again(s->pg, fresh, err);
  if (pg) load_fresh(s, pg, err);
  lb_pg_close(pg);
  if (err->code) return err->code;
  lb_pg_close(s->pg);  /* it may not be in use while it changes its name */
  s->pg = NULL;
  if (lb_pg_database_dress(s->maintenance, fresh, properties, r->o.no_owner, err)) return err->code;
  lb_task_phase(&r->job->task, "swapping", 0);
  return lb_pg_database_swap(s->maintenance, s->database, fresh, aside, r->o.force, err);
}

/* What cannot be dropped is kept: by then the new database is in place. */
static int drop_old(restoring *s, const char *aside, lb_error *err)
{
  lb_restoration *r = s->r;
  lb_buf gone = { 0 };
  lb_error why = LB_ERROR_INIT;
  if (lb_pg_replication_notes(s->maintenance, aside, true, &gone, &why) == LB_OK) {
    lb_pg_database_drop(s->maintenance, aside, &why);
  }
  if (why.code) lb_job_note(r->job, "the old database is kept: %s", why.message);
  else if (gone.len) lb_buf_printf(&r->job->notes, "%s%s", r->job->notes.len ? "\n" : "", gone.data);
  lb_buf_free(&gone);
  return why.code ? keep_old(s, aside, err) : LB_OK;
}

static int restore_by_swap(restoring *s, lb_error *err)
{
  lb_restoration *r = s->r;
  lb_pg_properties properties = { 0 };
  char *fresh = NULL, *aside = NULL;
  s->maintenance = lb_pg_maintenance_open(s->uri, &r->job->task, err);
  if (s->maintenance) aside = free_name(s, "before_restore", err);
  if (aside && lb_pg_properties_read(s->pg, &properties, err) == LB_OK) {
    fresh = make_scratch(s, &properties, err);
    if (fresh && load_and_swap(s, fresh, aside, &properties, err)) drop_scratch(s, fresh);
  }
  if (!err->code) r->o.drop_old ? drop_old(s, aside, err) : keep_old(s, aside, err);
  else if (err->code != LB_IO) lb_restore_postgres_undo(r, NULL);  /* a lost connection may have changed the names */
  lb_pg_properties_free(&properties);
  free(fresh);
  free(aside);
  return err->code;
}

/* ---- all of it ---- */

static int restore(restoring *s, const char *backup, lb_error *err)
{
  lb_restoration *r = s->r;
  if (lb_restore_postgres_open(r, backup, s->uri, &s->content, err) ||
      lb_restore_postgres_verify(r, &s->content, s->uri, err) || read_script(s, err)) {
    return err->code;
  }
  lb_task_phase(&r->job->task, "connecting", 0);
  if (open_target(s, err) || check_target(s, err)) return err->code;
  bool swap = r->o.mode && strcmp(r->o.mode, "swap") == 0;
  if (s->objects && swap && lb_pg_swap_check(s->pg, r->o.no_owner, err)) return err->code;
  if (s->objects && !swap && begin_transaction(s, err)) return err->code;
  if (s->objects && lb_restore_postgres_save(r, s->database, s->uri, err)) return err->code;
  if (!s->pg) restore_missing(s, err);
  else if (!s->objects) restore_empty(s, err);
  else if (swap) restore_by_swap(s, err);
  else if (restore_in_transaction(s, err)) lb_restore_postgres_undo(r, s->pg);
  if (err->code) return err->code;
  r->bytes = s->content.bytes;
  r->check = s->content.has_table ? "ok" : NULL;  /* rows of each table were held against the table of contents */
  return LB_OK;
}

int lb_restore_postgres(lb_restoration *r, const char *backup, const char *uri, lb_error *err)
{
  restoring s = { .r = r, .uri = uri };
  restore(&s, backup, err);
  lb_pg_close(s.pg);
  lb_pg_close(s.maintenance);
  lb_pg_survey_free(&s.survey);
  lb_content_close(&s.content);
  free(s.database);
  return err->code;
}

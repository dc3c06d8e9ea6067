/* See postgres.h. */
#include "job/postgres.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "catalog/names.h"
#include "core/file.h"
#include "job/creation.h"
#include "postgres/dump.h"
#include "postgres/target.h"

#define NO_FUNCTION "42883"   /* SQLSTATE */
#define LOCK_REFUSED "55P03"

char *lb_postgres_name(const char *database, lb_error *err)
{
  char *name = lb_text_copy(database, err);
  for (char *p = name; p && *p; p++) {
    if ((unsigned char)*p < 0x20 || *p == 0x7f || *p == '/' || (p[0] == '.' && (p == name || p[1] == '.'))) *p = '_';
  }
  return name;
}

int lb_postgres_load_fresh(const lb_postgres_loading *l, lb_pg *pg, lb_error *err)
{
  lb_pg_load load = { .pg = pg, .source = &l->content->source, .task = &l->job->task, .notes = &l->job->notes,
                      .contents = l->content->has_table ? &l->content->table : NULL, .jobs = l->jobs,
                      .no_owner = l->no_owner, .no_privileges = l->no_privileges, .no_roles = l->no_roles,
                      .no_policies = l->no_policies, .no_tablespaces = l->no_tablespaces };
  lb_task_phase(&l->job->task, "loading", l->content->bytes);
  if (l->content->has_table) lb_pg_load_parallel(&load, err);
  else lb_pg_load_serial(&load, err);
  return err->code ? err->code : lb_postgres_analyze(l->job, &load, err);
}

lb_pg_properties lb_postgres_properties(const lb_manifest *about)
{
  lb_pg_properties p = { .encoding = about->encoding, .collate = about->collate, .ctype = about->ctype,
                         .provider = about->locale_provider, .locale = about->locale, .rules = about->icu_rules };
  if (p.provider && strcmp(p.provider, "libc") != 0 && !p.locale) p.provider = NULL;  /* not enough to go by */
  return p;
}

int lb_postgres_analyze(lb_job *job, lb_pg_load *load, lb_error *err)
{
  lb_error why = LB_ERROR_INIT;
  bool inside = PQtransactionStatus(load->pg->conn) == PQTRANS_INTRANS;
  lb_task_phase(&job->task, "analyzing", 0);
  if (inside && lb_pg_exec(load->pg, "SAVEPOINT lifeboat_analyze", err)) return err->code;
  if (lb_pg_load_analyze(load, &why) == LB_OK) return LB_OK;
  if (why.code == LB_INTERRUPT || why.code == LB_IO || why.code == LB_NOMEM) {
    return lb_fail(err, (lb_code)why.code, "%s", why.message);
  }
  lb_job_note(job, "ANALYZE did not succeed: %s", why.message);
  return inside ? lb_pg_exec(load->pg, "ROLLBACK TO SAVEPOINT lifeboat_analyze", err) : LB_OK;
}

int lb_postgres_save(lb_job *job, const char *dir, const char *name, const char *uri, int jobs, char **path,
                     lb_error *err)
{
  lb_run run = job->run;  /* the restore's, not the copy's */
  lb_creation c = { .job = job, .type = LB_TYPE_POSTGRES, .kind = LB_KIND_BEFORE_RESTORE, .file = LB_PARTIAL_INIT,
                    .o = { .lock_timeout = -1, .jobs = jobs } };
  c.o.dir = lb_text_copy(dir, err);
  c.o.name = lb_text_copy(name, err);
  if (!err->code && lb_creation_begin(&c, err) == LB_OK && lb_create_postgres(&c, uri, err) == LB_OK) {
    *path = c.path;
    c.path = NULL;
  }
  job->run = run;
  lb_creation_close(&c);
  free(c.o.dir);
  free(c.o.name);
  return err->code;
}

/* One that cannot be removed is a copy too many, and nothing else. */
bool lb_postgres_unsave(const char *path)
{
  return unlink(path) == 0 || errno == ENOENT;
}

bool lb_postgres_lock_refused(const lb_pg *pg)
{
  return pg && strcmp(pg->state, LOCK_REFUSED) == 0;
}

int lb_postgres_advise_lock(lb_pg *pg, const char *lock, lb_error *err)
{
  lb_error ignored = LB_ERROR_INIT;
  lb_buf holders = { 0 };
  if (strstr(err->message, "\"lock_timeout\"")) return err->code;  /* told already */
  if (PQtransactionStatus(pg->conn) != PQTRANS_IDLE) lb_pg_exec(pg, "ROLLBACK", &ignored);
  lb_pg_relations_blockers(pg, lock, &holders);
  bool known = holders.len && !holders.failed;
  lb_error_advise(err, "end what locks tables, or raise \"lock_timeout\"%s%s", known ? "; locked: " : "",
                  known ? holders.data : "");
  lb_buf_free(&holders);
  return err->code;
}

/* ---- full verification ---- */

static int fail_checksum(const lb_pg_table *t, uint64_t restored, lb_error *err)
{
  return lb_fail(err, LB_CORRUPT, "table %s.%s: restored it has the checksum %llx, in the backup's contents %llx",
                 t->schema, t->name, (unsigned long long)restored, (unsigned long long)t->checksum);
}

static bool is_ascii(const char *text)
{
  while (*text && (unsigned char)*text < 0x80) text++;
  return !*text;
}

static int compare_names(const void *a, const void *b)
{
  const lb_pg_table *x = a, *y = b;
  int order = strcmp(x->name, y->name);
  return order ? order : strcmp(x->schema, y->schema);
}

/* The tables of restored are in the order of their names. A name that is not UTF-8 is not found in JSON as it is in the
** database: those tables were held against the number of their rows while they were loaded. */
static int compare_table(const lb_pg_contents *restored, const lb_pg_table *t, bool checksums, lb_error *err)
{
  const lb_pg_table *r = restored->table_count ? bsearch(t, restored->tables, (size_t)restored->table_count, sizeof *t,
                                                         compare_names) : NULL;
  if (r) {
    if (t->rows != r->rows) {
      return lb_fail(err, LB_CORRUPT, "table %s.%s: restored it has %llu rows, in the backup's contents %llu",
                     t->schema, t->name, (unsigned long long)r->rows, (unsigned long long)t->rows);
    }
    return checksums && t->checksum != r->checksum ? fail_checksum(t, r->checksum, err) : (int)LB_OK;
  }
  if (!t->rows || !is_ascii(t->name) || !is_ascii(t->schema)) return LB_OK;
  return lb_fail(err, LB_CORRUPT, "table %s.%s: it is in the backup's contents, and not in what was restored",
                 t->schema, t->name);
}

static int compare(lb_job *job, lb_content *content, lb_pg *pg, int jobs, lb_error *err)
{
  lb_pg_filter all = { 0 };
  lb_pg_snapshot snapshot = { 0 };
  lb_pg_relations relations = { 0 };
  lb_pg_contents found = { 0 };
  lb_task_phase(&job->task, "comparing", content->bytes);
  if (lb_pg_snapshot_take(pg, 0, &snapshot, err) == LB_OK &&
      lb_pg_relations_read(pg, job->json, &all, &relations, err) == LB_OK &&
      lb_pg_relations_weigh(pg, &relations, err) == LB_OK &&
      lb_pg_snapshot_widen(&snapshot, jobs, &job->notes, err) == LB_OK) {
    lb_pg_dump dump = { .snapshot = &snapshot, .filter = &all, .relations = &relations, .task = &job->task,
                        .notes = &job->notes };
    lb_pg_dump_measure(&dump, &found, err);
  }
  if (found.table_count) qsort(found.tables, (size_t)found.table_count, sizeof *found.tables, compare_names);
  const lb_pg_contents *table = &content->table;
  for (int i = 0; i < table->table_count && !err->code; i++) {
    compare_table(&found, &table->tables[i], table->checksums, err);
  }
  lb_pg_snapshot_end(&snapshot);
  lb_pg_relations_free(&relations);
  lb_pg_contents_free(&found);
  return err->code;
}

/* The survey counts on the roles that the script makes, which a verification leaves out. */
static bool brings_roles(const lb_content *content)
{
  return content->table.part_count && content->table.parts[0].kind == LB_PART_ROLES;
}

/* Whoever owns what tells nothing of the backup, nor where on the server's disks it lies. */
static int leave_out(lb_postgres_loading *l, const lb_pg_survey *survey, lb_pg *scratch, lb_error *err)
{
  lb_pg_lacks lacks = { 0 };
  lb_job *job = l->job;
  if (lb_pg_survey_lacks(survey, scratch, &lacks, err) == LB_OK) {
    l->no_policies = brings_roles(l->content) || lacks.roles.len;
    l->no_owner = l->no_policies || lacks.owners.len;
    l->no_privileges = l->no_owner || lacks.grantors.len;
    l->no_tablespaces = lacks.tablespaces.len;
  }
  if (l->no_policies) {
    lb_job_note(job, "verified without owners and privileges, policies and user mappings of roles: %s%s",
                lacks.roles.len ? "missing roles: " : "it brings its roles, which are not made for this",
                lacks.roles.len ? lacks.roles.data : "");
  } else if (l->no_owner) {
    lb_job_note(job, "verified without owners and privileges, as the user is no superuser: %s", lacks.owners.data);
  } else if (l->no_privileges) {
    lb_job_note(job, "verified without privileges, as the user is no superuser: granted by %s", lacks.grantors.data);
  }
  if (l->no_tablespaces) lb_job_note(job, "verified without tablespaces: the user has no %s", lacks.tablespaces.data);
  lb_pg_lacks_free(&lacks);
  return err->code;
}

/* Major versions by which the server is newer than the one that was backed up; 0: it is not known. */
static int newer_by(const lb_pg *pg, const lb_manifest *about, const lb_pg_survey *survey)
{
  const char *source = about->server_version ? about->server_version : survey->version;
  return source ? pg->version / 10000 - (int)strtol(source, NULL, 10) : 0;
}

static int fail_version(const lb_pg *pg, int newer, lb_error *err)
{
  err->code = LB_UNSUPPORTED;
  lb_error_prefix(err, "server %s is %s than the one that was backed up, and cannot judge the backup (let another "
                  "one: backup_verify with verify_uri): ", pg->version_text, newer > 0 ? "newer" : "older");
  return err->code;
}

static int fail_lacking(lb_error *err)
{
  lb_error_prefix(err, "the server cannot judge the backup, as it or its user lacks something (give it that, or let "
                  "another one: backup_verify with verify_uri): ");
  return err->code;
}

/* An extension may refuse to be made in a database of another name, or be here in a version that has less. */
static bool tells_of_extension(const lb_pg *pg, const lb_pg_survey *survey, const lb_error *err)
{
  return strstr(err->message, "(CREATE EXTENSION ") || (survey->extension_count && !strcmp(pg->state, NO_FUNCTION));
}

/* What a part of a database refers to may be in what was left out. */
static int fail_partial(lb_error *err)
{
  err->code = LB_UNSUPPORTED;
  lb_error_prefix(err, "only a part of a database, which does not restore on its own: ");
  return err->code;
}

/* Of what ends a load, only that tells of the backup which would end a restore on any server of its version. */
static int judge_load(const lb_pg *pg, const lb_pg_survey *survey, int newer, bool partial, lb_error *err)
{
  bool refused = err->code == LB_REFUSED || err->code == LB_EXISTS;
  if (refused && newer) return fail_version(pg, newer, err);
  if (refused && partial) return fail_partial(err);
  if (refused) err->code = tells_of_extension(pg, survey, err) ? LB_ERROR : LB_CORRUPT;
  return err->code == LB_ERROR || err->code == LB_PERM ? fail_lacking(err) : err->code;
}

static int verify_in(lb_postgres_loading *l, const lb_pg_survey *survey, const lb_manifest *about, lb_pg *scratch,
                     lb_error *err)
{
  int newer = newer_by(scratch, about, survey);
  if (leave_out(l, survey, scratch, err) || lb_pg_survey_check_needs(survey, scratch, err)) return err->code;
  if (lb_postgres_load_fresh(l, scratch, err)) return judge_load(scratch, survey, newer, about->scope, err);
  if (l->content->has_table && compare(l->job, l->content, scratch, l->jobs, err) == LB_PERM) return fail_lacking(err);
  /* It may write the same values in another way: 11 does so with floating point numbers of 12. */
  return err->code == LB_CORRUPT && newer < 0 ? fail_version(scratch, newer, err) : err->code;
}

static const char *choose_server(lb_job *job, const char *uri, lb_error *err)
{
  if (!uri) uri = lb_config_text(job->config, LB_CONFIG_DATABASE_URL);
  if (!uri || !lb_job_is_postgres(uri)) {
    lb_fail(err, LB_MISUSE, "a full verification of a Postgres backup restores it into a scratch database: say on "
                            "which server with {\"verify_uri\":\"postgresql://…\"} or ADMIN_DATABASE_URL");
    return NULL;
  }
  return uri;
}

static lb_pg *open_judge(lb_job *job, const char *uri, lb_error *err)
{
  lb_pg *pg = lb_pg_maintenance_open(uri, &job->task, err);
  char *lacking = pg ? lb_pg_lacks_createdb(pg, err) : NULL;
  if (lacking) {
    lb_fail(err, LB_PERM, "a full verification makes a scratch database, which \"%s\" may not (ALTER ROLE %s CREATEDB, "
            "or let another server judge: \"verify_uri\")", lacking, lacking);
  }
  free(lacking);
  if (!err->code) return pg;
  lb_pg_close(pg);
  return NULL;
}

static int check_scope(const char *scope, lb_error *err)
{
  if (!scope || strcmp(scope, "data_only") != 0) return LB_OK;
  return lb_fail(err, LB_UNSUPPORTED, "rows without their tables cannot be restored on their own: only quick can "
                 "verify them");
}

int lb_postgres_verify_check(lb_job *job, const char *scope, const char *uri, lb_error *err)
{
  if (check_scope(scope, err) == LB_OK) lb_pg_close(open_judge(job, uri, err));
  return err->code;
}

int lb_postgres_verify_full(lb_job *job, lb_content *content, const lb_manifest *about, const char *uri, int jobs,
                            lb_error *err)
{
  lb_pg_survey survey = { 0 };
  lb_pg_properties properties = lb_postgres_properties(about);
  lb_pg *maintenance = NULL, *scratch = NULL;
  char *name = NULL;
  if (check_scope(about->scope, err)) return err->code;
  uri = choose_server(job, uri, err);
  const lb_pg_contents *table = content->has_table ? &content->table : NULL;
  if (!uri || lb_pg_survey_read(&content->source, table, &job->task, &survey, err)) return err->code;
  maintenance = open_judge(job, uri, err);
  if (maintenance) {
    lb_pg_scratch_sweep(maintenance);
    if (!properties.encoding) properties.encoding = survey.encoding;
    lb_pg_scratch_create(maintenance, "verify", &properties, &name, err);
  }
  if (name) scratch = lb_pg_open_again(maintenance, name, err);
  if (scratch) {
    lb_postgres_loading loading = { .job = job, .content = content, .jobs = jobs, .no_roles = true };
    verify_in(&loading, &survey, about, scratch, err);
    lb_pg_close(scratch);
  }
  if (name) {
    lb_error why = LB_ERROR_INIT;
    if (lb_pg_scratch_drop(maintenance, name, &why)) lb_job_note(job, "scratch database %s: %s", name, why.message);
  }
  free(name);
  lb_pg_close(maintenance);
  lb_pg_survey_free(&survey);
  return err->code;
}

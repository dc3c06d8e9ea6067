/* A backup of a PostgreSQL database. The steps: connect, find a pg_dump that is new enough, look where to, take the
** snapshot and lock what it is about, write the script through the compressors, publish it.
*/
#include <math.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "archive/reader.h"
#include "core/clock.h"
#include "job/creation.h"
#include "job/postgres.h"
#include "postgres/dump.h"
#include "postgres/target.h"

enum { LOCK_TIMEOUT_MS = 60000, LOCK_WAIT_MS = 1000, LOCK_WAIT_MAX_MS = 8000, PAUSE_MAX_MS = 16000, QUICK_MAX = 10 };
#define CANCELLED "57014"  /* SQLSTATE */

typedef struct creating {
  lb_creation *c;
  lb_pg *pg;
  lb_pg_tools tools;
  lb_pg_filter wanted, filter;  /* as it was asked for; as it is in the snapshot */
  lb_pg_snapshot snapshot;
  lb_pg_relations relations;
  lb_pg_contents contents;
  lb_pg_dump dump;
  lb_pg_dumping *dumping;
  double locked;         /* since when our locks are held; 0: they are not */
  lb_partial spool;
  int64_t expected;      /* bytes of the database, for progress and space */
} creating;

static int read_filter(creating *s, lb_error *err)
{
  const lb_create_options *o = &s->c->o;
  s->wanted = (lb_pg_filter){ o->schemas, o->tables, o->exclude_tables, o->data_only, o->schema_only };
  if (o->schemas && o->tables) {
    return lb_fail(err, LB_MISUSE, "options schemas and tables exclude each other: pass one of them "
                   "({\"tables\":[\"app.*\"]} is all tables of a schema)");
  }
  if (o->data_only && o->schema_only) {
    return lb_fail(err, LB_MISUSE, "options data_only and schema_only exclude each other");
  }
  return LB_OK;
}

/* What a manifest says of a backup that is not all of its database. */
static char *scope_of(const lb_create_options *o)
{
  if (o->data_only) return "data_only";
  if (o->schema_only) return "schema_only";
  return o->schemas || o->tables || o->exclude_tables ? "some_tables" : NULL;
}

static lb_pg_roles choose_roles(const lb_create_options *o)
{
  if (!o->roles || strcmp(o->roles, "false") == 0) return LB_PG_ROLES_NONE;
  return strcmp(o->roles, "passwords") == 0 ? LB_PG_ROLES_PASSWORDS : LB_PG_ROLES_BARE;
}

/* Before anything is read: with pg_dump there is pg_dumpall, unless somebody has packed them apart. */
static int check_dumpall(const creating *s, lb_error *err)
{
  if (choose_roles(&s->c->o) == LB_PG_ROLES_NONE || access(s->tools.dumpall, X_OK) == 0) return LB_OK;
  return lb_fail(err, LB_UNSUPPORTED, "no %s that runs, which the option roles needs (pg_dump's package brings it)",
                 s->tools.dumpall);
}

static int check_space(creating *s, lb_error *err)
{
  char *size = lb_pg_value(s->pg, err, "SELECT pg_catalog.pg_database_size(pg_catalog.current_database())", 0, NULL);
  s->expected = size ? strtoll(size, NULL, 10) : 0;
  free(size);
  if (err->code || s->wanted.schema_only) return err->code;
  /* What a filter leaves out is not known yet; then the guess would be too large to insist on. */
  if (s->wanted.schemas || s->wanted.tables || s->wanted.exclude_tables) return LB_OK;
  return lb_space_check(s->c->dir, (int64_t)((double)s->expected * s->c->ratio) + 65536, "the backup", err);
}

/* What waits there is never needed again: without a name nothing of it is left whatever happens. */
static int open_spool(creating *s, lb_error *err)
{
  if (lb_partial_create(&s->spool, s->c->dir, s->c->name, err)) return err->code;
  unlink(s->spool.path);
  return LB_OK;
}

/* pg_dump waits behind somebody who waits for us. */
static int fail_blocked(creating *s, const lb_error *why, lb_error *err)
{
  lb_error ignored = LB_ERROR_INIT;
  char *waiter = why->code == LB_BUSY ? lb_pg_snapshot_waiter(&s->snapshot, &ignored) : NULL;
  if (waiter) {
    lb_fail(err, LB_BUSY, "%s: %s, which this backup reads, and pg_dump waits behind it (back up when no tables are "
            "changed, end that process, or raise \"lock_timeout\"): %s", s->pg->label, waiter, why->message);
  } else {
    lb_fail(err, (lb_code)why->code, "%s", why->message);
  }
  free(waiter);
  return err->code;
}

/* Locks of ours, then those of pg_dump, which waits for a short time only: where an ALTER TABLE has come in between, it
** waits for us and pg_dump for it. */
static int take_snapshot(creating *s, int64_t timeout, int64_t wait, lb_error *err)
{
  lb_creation *c = s->c;
  s->locked = 0;
  s->pg->state[0] = 0;
  if (lb_pg_snapshot_take(s->pg, timeout, &s->snapshot, err) ||
      lb_pg_filter_expand(s->pg, c->job->json, &s->wanted, &s->filter, err) ||
      lb_pg_relations_read(s->pg, c->job->json, &s->filter, &s->relations, err) ||
      lb_pg_relations_lock(s->pg, &s->filter, &s->relations, err)) {
    return err->code;
  }
  s->locked = lb_clock_monotonic();
  lb_error why = LB_ERROR_INIT;
  s->dumping = lb_pg_dump_begin(&s->dump, wait, &why);
  if (s->dumping) return LB_OK;
  /* Without the snapshot's connection pg_dump fails as well, in words that do not tell why. */
  if (why.code != LB_BUSY && lb_pg_exec(s->pg, "SELECT 1", err)) return err->code;
  return fail_blocked(s, &why, err);
}

static void drop_snapshot(creating *s)
{
  lb_pg_dump_end(s->dumping);
  s->dumping = NULL;
  lb_pg_snapshot_end(&s->snapshot);
  lb_pg_relations_free(&s->relations);
  lb_pg_filter_free(&s->filter);
}

/* Without locks, for twice as long as they were held: whoever waited for us, and those behind, are to get on. Another
** try of that length has to fit before the end. */
static int make_way(creating *s, double held, double until, lb_error *err)
{
  double end = lb_clock_monotonic() + fmin(held * 2, PAUSE_MAX_MS / 1000.0);
  drop_snapshot(s);
  while (!lb_task_poll(&s->c->job->task, err) && lb_clock_monotonic() < fmin(end, until - held)) poll(NULL, 0, 20);
  return err->code;
}

/* The snapshot is gone, and so are our locks: whoever still has one, or waits for one, was in the way. */
static int fail_begin(creating *s, const lb_error *why, lb_error *err)
{
  bool dump_waited = s->locked > 0 && why->code == LB_BUSY;
  bool refused = dump_waited || lb_postgres_lock_refused(s->pg);
  drop_snapshot(s);
  lb_fail(err, (lb_code)why->code, "%s", why->message);
  return refused ? lb_postgres_advise_lock(s->pg, "ACCESS SHARE", err) : err->code;
}

/* Until no change of a table comes in between, or the time is over. The first tries are short, since nobody gets to a
** table meanwhile; later ones have time for a database of very many tables. What fails at once, and not because of
** somebody's lock, is not tried for ever. */
static int lock_all(creating *s, lb_error *err)
{
  int64_t timeout = s->c->o.lock_timeout < 0 ? LOCK_TIMEOUT_MS : s->c->o.lock_timeout, wait = LOCK_WAIT_MS;
  double until = timeout ? lb_clock_monotonic() + (double)timeout / 1000 : HUGE_VAL;
  for (int quick = 0;;) {
    lb_error why = LB_ERROR_INIT;
    double left = until - lb_clock_monotonic();
    int64_t ours = timeout ? (int64_t)fmax(left * 1000, 100) : 0, theirs = ours && ours < wait ? ours : wait;
    if (take_snapshot(s, ours, theirs, &why) == LB_OK) return LB_OK;
    double held = s->locked > 0 ? lb_clock_monotonic() - s->locked : 0;
    quick += held * 1000 < (double)theirs;
    bool cancelled = strcmp(s->pg->state, CANCELLED) == 0;  /* our own session, by an administrator */
    if (why.code != LB_BUSY || cancelled || !s->snapshot.id || quick > QUICK_MAX ||
        lb_clock_monotonic() + held > until) {
      return fail_begin(s, &why, err);
    }
    if (make_way(s, held, until, err)) return err->code;
    if (wait < LOCK_WAIT_MAX_MS) wait += wait / 4;
  }
}

static int begin_dump(creating *s, lb_error *err)
{
  lb_creation *c = s->c;
  s->dump = (lb_pg_dump){ .snapshot = &s->snapshot, .tools = &s->tools, .filter = &s->filter,
                          .relations = &s->relations, .roles = choose_roles(&c->o), .spool_fd = s->spool.fd,
                          .spool_path = s->spool.path, .task = &c->job->task, .notes = &c->job->notes };
  lb_task_phase(&c->job->task, "locking tables", 0);
  if (lock_all(s, err) || lb_pg_relations_note_mappings(s->pg, &s->filter, &c->job->notes, err)) return err->code;
  lb_pg_relations_note_circle(&s->relations, &c->job->notes);
  if (s->pg->standby) lb_job_note(c->job, "taken from a standby: rows of unlogged tables are not there");
  int lanes = s->filter.schema_only || s->filter.data_only ? 1 : lb_job_jobs(c->o.jobs);
  return lb_pg_snapshot_widen(&s->snapshot, lanes, &c->job->notes, err);
}

static char *format_manifest(creating *s, lb_error *err)
{
  char hash[40];
  lb_manifest m;
  lb_pg_properties properties = { 0 };
  lb_creation_manifest(s->c, hash, &m);
  m.server_version = s->pg->version_text;
  m.pg_dump_version = s->tools.version_text;
  m.database = s->pg->database;
  m.encoding = s->pg->encoding;
  m.tables = s->contents.table_count;
  m.scope = scope_of(&s->c->o);
  char *text = NULL;
  if (lb_pg_properties_read(s->pg, &properties, err) == LB_OK) {
    m.locale_provider = properties.provider;
    m.collate = properties.collate;
    m.ctype = properties.ctype;
    m.locale = properties.locale;
    m.icu_rules = properties.rules;
    text = lb_manifest_format(&m, err);
  }
  lb_pg_properties_free(&properties);
  return text;
}

static int write_file(creating *s, lb_error *err)
{
  lb_creation *c = s->c;
  lb_writer_options how = { .codec = c->codec, .level = c->level, .threads = c->threads,
                            .raw_expected = s->expected, .varying = true };
  lb_writer *writer = lb_writer_open(c->file.fd, c->file.path, &how, &c->job->task, err);
  if (!writer) return err->code;
  char *manifest = NULL, *contents = NULL;
  lb_task_phase(&c->job->task, "dumping", s->expected);
  if (lb_pg_dump_run(s->dumping, lb_writer_sink(writer), &s->contents, err) == LB_OK &&
      lb_writer_end_data(writer, &c->figures, err) == LB_OK) {
    manifest = format_manifest(s, err);
    contents = err->code ? NULL : lb_pg_contents_format(&s->contents, err);
  }
  c->job->run.snapshot_seconds = lb_clock_monotonic() - s->snapshot.taken;
  lb_pg_snapshot_end(&s->snapshot);
  if (contents && !err->code) lb_writer_finish(writer, manifest, contents, err);
  free(manifest);
  free(contents);
  lb_writer_close(writer);
  return err->code;
}

static bool verifies_fully(const creating *s)
{
  const char *level = s->c->o.verify;
  return level && strcmp(level, "full") == 0;
}

static const char *judge_of(const creating *s)
{
  return s->c->o.verify_uri ? s->c->o.verify_uri : s->pg->uri;
}

static int verify_full(creating *s, lb_error *err)
{
  lb_creation *c = s->c;
  lb_content content = { 0 };
  lb_manifest about;
  lb_manifest_init(&about);
  about.encoding = s->pg->encoding;
  about.server_version = s->pg->version_text;
  about.scope = scope_of(&s->c->o);
  lb_reader *reader = lb_reader_open(c->file.fd, c->file.path, err);
  if (reader && lb_content_open(&content, reader, c->file.path, c->job, c->threads, err) == LB_OK) {
    lb_postgres_verify_full(c->job, &content, &about, judge_of(s), lb_job_jobs(c->o.jobs), err);
  }
  lb_content_close(&content);
  lb_reader_close(reader);
  lb_error_prefix(err, "the new backup did not verify: ");
  return err->code;
}

static int verify_and_publish(creating *s, lb_error *err)
{
  lb_creation *c = s->c;
  bool any = c->o.verify && strcmp(c->o.verify, "false") != 0, full = verifies_fully(s);
  if (any) lb_creation_verify_quick(c, err);
  if (full && !err->code) verify_full(s, err);
  if (err->code || lb_creation_publish(c, err)) return err->code;
  if (any) lb_creation_remember(c, full ? "full" : "quick");
  return LB_OK;
}

/* What its user may not read is the commonest trouble of a first backup. The words are the server's, and may be in any
** language: then the advice is of the general kind. */
static int advise(const creating *s, lb_error *err)
{
  static const char few[] = "a backup takes a connection and two of pg_dump, three with large objects: end idle "
    "sessions, or raise the limit";
  static const char standby[] = "the standby puts what the primary has done before reading: raise its "
    "max_standby_streaming_delay, set hot_standby_feedback, or back up the primary";
  static const struct { const char *words, *advice; } known[] = {
    { "raise max_connections)", NULL },  /* a connection of ours: it has its advice */
    { "too many connections for", few }, { "too many clients", few }, { "connection slots", few },
    { "row-level security", "rows would be missing: back up as a superuser, or ALTER ROLE … BYPASSRLS" },
    { "conflict with recovery", standby },
    { "permission denied for large object", "back up as its owner or as a superuser" },
    { "permission denied for", "GRANT pg_read_all_data TO the user; before server 14 USAGE on schemas, SELECT on "
      "tables and sequences" },
  };
  for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
    if (!strstr(err->message, known[i].words)) continue;
    if (known[i].advice) lb_error_advise(err, "%s", known[i].advice);
    return err->code;
  }
  if (err->code == LB_PERM) lb_error_advise(err, "GRANT pg_read_all_data TO the user, or back up as a superuser");
  /* A session that is ended while the server waits for us to read is ended without a word. */
  if (err->code == LB_IO && s->pg->standby) lb_error_advise(err, "if the server still runs: %s", standby);
  return err->code;
}

static int create(creating *s, lb_error *err)
{
  lb_creation *c = s->c;
  if (scope_of(&c->o)) c->kind = LB_KIND_PARTIAL;
  c->source = lb_text_copy(s->pg->source, err);
  c->job->run.source = c->source;
  c->label = s->pg->label;
  if (!c->source || lb_pg_tools_find(s->pg, &s->tools, err) || check_dumpall(s, err)) return err->code;
  if (verifies_fully(s) && lb_postgres_verify_check(c->job, scope_of(&c->o), judge_of(s), err)) return err->code;
  char *usual = lb_postgres_name(s->pg->database, err);
  if (usual) lb_creation_name(c, usual, err);
  free(usual);
  if (err->code || check_space(s, err) || open_spool(s, err)) return err->code;
  c->created = lb_clock_now();
  if (begin_dump(s, err) || write_file(s, err)) return advise(s, err);
  return verify_and_publish(s, err);
}

int lb_create_postgres(lb_creation *c, const char *uri, lb_error *err)
{
  creating s = { .c = c, .spool = LB_PARTIAL_INIT };
  if (read_filter(&s, err)) return err->code;
  lb_task_phase(&c->job->task, "connecting", 0);
  s.pg = lb_pg_open(uri, &c->job->task, err);
  if (s.pg) create(&s, err);
  drop_snapshot(&s);
  lb_pg_contents_free(&s.contents);
  lb_pg_tools_free(&s.tools);
  lb_partial_close(&s.spool);
  lb_pg_close(s.pg);
  c->label = NULL;
  return err->code;
}

/* See load_data.h. A thread a lane: it takes the next part, inflates its blocks, turns its rows into what the server
** takes fastest, and sends them, all on the lane's own connection. The caller's thread waits, and polls for an
** interrupt, which ends them all. With one thread for all lanes the server's processes waited, all of them, while it
** prepared a piece for one: a quarter of the processors' time was idle.
**
** Parts of one table may be in several lanes at once: COPY takes no lock that excludes another COPY.
**
** A part is read by the script reader, not trusted to have a known form: it must hold one COPY and nothing else.
*/
#include "postgres/load_data.h"

#include <stdlib.h>

#include "core/thread.h"
#include "postgres/execute.h"
#include "postgres/results.h"

enum { WAIT_MS = 100 };

typedef struct loading {
  lb_pg_load *load;
  const lb_pg_kept *kept;
  atomic_bool stop;        /* somebody failed, or the caller was interrupted */
  pthread_mutex_t mutex;   /* of what follows, and of load's notes */
  pthread_cond_t ended;    /* a lane has */
  int running;
  int64_t part;            /* the next one to look at */
  uint64_t offset;         /* of that, in the script */
  lb_error first;          /* what went wrong first */
} loading;

typedef struct lane {
  loading *all;
  const lb_pg_load *load;
  lb_pg *pg;
  pthread_t thread;
  bool started;
  lb_task task;            /* the connection's, while it is used here: the caller's is polled by the caller's thread */
  const lb_pg_part *part;
  lb_buf what;             /* the COPY at hand, for messages; empty: none yet */
  lb_copy_in copy;
  const char *keeper;      /* the extension that has the table: the rows are left out */
  bool copy_ended;
  uint64_t sent;           /* rows of the part */
  uint64_t statements, rows;
} lane;

/* ---- a part's script ---- */

static int fail_part(const lane *l, const char *what, lb_error *err)
{
  const lb_pg_table *t = &l->load->contents->tables[l->part->table];
  return lb_fail(err, LB_CORRUPT, "block %llu of the backup: the data of table %s.%s %s",
                 (unsigned long long)l->part->block, t->schema, t->name, what);
}

static int take_statement(void *ctx, const char *sql, size_t len, uint64_t offset, bool copy, const char *comment,
                          lb_error *err)
{
  lane *l = ctx;
  (void)comment;
  if (!copy || l->what.len) return fail_part(l, "is not one COPY statement", err);
  lb_statement_describe(sql, len, offset, &l->what);
  if (l->what.failed) return lb_fail_nomem(err);
  if (lb_execute_keeper(l->all->kept, sql, len, &l->keeper, err) || l->keeper) return err->code;
  return lb_copy_in_begin(&l->copy, l->pg, sql, len, (int64_t)l->part->bytes, l->what.data, err);
}

static int take_data(void *ctx, const char *data, size_t len, lb_error *err)
{
  lane *l = ctx;
  return l->keeper ? LB_OK : lb_copy_in_put(&l->copy, data, len, err);
}

/* The server is told only once the whole part was seen to hold nothing else. */
static int take_copy_end(void *ctx, uint64_t rows, lb_error *err)
{
  lane *l = ctx;
  (void)err;
  l->sent = rows;
  l->copy_ended = true;
  return LB_OK;
}

static int take_meta(void *ctx, const char *line, uint64_t offset, lb_error *err)
{
  (void)line;
  (void)offset;
  return fail_part(ctx, "is not one COPY statement", err);
}

static const lb_script_ops part_ops = { take_statement, take_data, take_copy_end, take_meta };

/* ---- a part ---- */

static bool next_part(lane *l, uint64_t *offset)
{
  loading *d = l->all;
  const lb_pg_contents *c = l->load->contents;
  pthread_mutex_lock(&d->mutex);
  while (d->part < c->part_count && c->parts[d->part].kind != LB_PART_DATA) d->offset += c->parts[d->part++].bytes;
  bool more = d->part < c->part_count && !atomic_load(&d->stop);
  if (more) {
    l->part = &c->parts[d->part++];
    *offset = d->offset;
    d->offset += l->part->bytes;
  }
  pthread_mutex_unlock(&d->mutex);
  return more;
}

static int send_part(lane *l, uint64_t offset, lb_error *err)
{
  lb_source *source = l->load->source;
  const unsigned char *data = NULL;
  size_t n = 1;
  lb_script *script = lb_script_open(&part_ops, l, offset, err);
  lb_source_range *range = script ? source->range(source, l->part->block, l->part->blocks, err) : NULL;
  while (range && n && lb_task_poll(&l->task, err) == LB_OK && range->read(range, &data, &n, err) == LB_OK) {
    lb_task_advance(l->load->task, (int64_t)n);
    if (n && lb_script_feed(script, data, n, err)) break;
  }
  if (!err->code && lb_script_end(script, err) == LB_OK && !l->copy_ended) {
    fail_part(l, "has no COPY statement", err);
  }
  if (range) range->close(range);
  lb_script_close(script);
  return err->code;
}

static int leave_out(lane *l, lb_error *err)
{
  loading *d = l->all;
  pthread_mutex_lock(&d->mutex);
  lb_execute_note_kept(d->load, l->what.data, l->keeper, l->sent);
  pthread_mutex_unlock(&d->mutex);
  return lb_execute_check_rows(l->load, l->part, l->what.data, l->sent, l->sent, err);
}

static int load_part(lane *l, uint64_t offset, lb_error *err)
{
  uint64_t stored = 0;
  l->what.len = 0;
  l->copy_ended = false;
  if (send_part(l, offset, err)) return err->code;
  if (l->keeper) return leave_out(l, err);
  if (lb_copy_in_end(&l->copy, err) || lb_results_wait(l->pg, l->copy.what, &stored, err)) return err->code;
  stored += l->copy.stored;
  l->statements++;
  l->rows += stored;
  return lb_execute_check_rows(l->load, l->part, l->what.data, l->sent, stored, err);
}

/* ---- threads ---- */

static bool lane_stopped(void *ctx)
{
  return atomic_load(&((loading *)ctx)->stop);
}

static void *run_lane(void *ctx)
{
  lane *l = ctx;
  loading *d = l->all;
  lb_error err = LB_ERROR_INIT;
  uint64_t offset;
  while (!err.code && next_part(l, &offset)) load_part(l, offset, &err);
  pthread_mutex_lock(&d->mutex);
  if (err.code) {
    if (!d->first.code) d->first = err;
    atomic_store(&d->stop, true);
  }
  d->running--;
  pthread_cond_signal(&d->ended);
  pthread_mutex_unlock(&d->mutex);
  return NULL;
}

/* Fewer lanes than there are connections will do, but not none. */
static int start_lanes(loading *d, lane *lanes, int count, lb_error *err)
{
  int rc = 0;
  d->running = count;
  for (int i = 0; i < count; i++) {
    rc = rc ? rc : lb_thread_start(&lanes[i].thread, run_lane, &lanes[i]);
    lanes[i].started = rc == 0;
  }
  pthread_mutex_lock(&d->mutex);
  for (int i = 0; i < count; i++) d->running -= !lanes[i].started;
  pthread_mutex_unlock(&d->mutex);
  return lanes[0].started ? LB_OK : lb_fail_errno(err, rc, "cannot start a thread");
}

/* An interrupt of the caller's is what went wrong first, unless a lane was faster. */
static void wait_for_lanes(loading *d)
{
  lb_error err = LB_ERROR_INIT;
  pthread_mutex_lock(&d->mutex);
  while (d->running) {
    lb_cond_wait(&d->ended, &d->mutex, WAIT_MS);
    if (err.code || lb_task_poll(d->load->task, &err) == LB_OK) continue;
    if (!d->first.code) d->first = err;
    atomic_store(&d->stop, true);
  }
  pthread_mutex_unlock(&d->mutex);
}

static void end_lane(lane *l, lb_error *err)
{
  l->pg->task = l->load->task;
  if (err->code) lb_copy_settle(l->pg);
  l->all->load->statements += l->statements;
  l->all->load->rows += l->rows;
  lb_buf_free(&l->what);
  lb_copy_in_free(&l->copy);
}

int lb_load_data(lb_pg_load *load, const lb_pg_kept *kept, lb_lanes *lanes, lb_error *err)
{
  loading d = { .load = load, .kept = kept, .mutex = PTHREAD_MUTEX_INITIALIZER };
  lane *all = calloc((size_t)lanes->count, sizeof *all);
  if (!all) return lb_fail_nomem(err);
  lb_cond_init(&d.ended);
  for (int i = 0; i < lanes->count; i++) {
    lane *l = &all[i];
    l->all = &d;
    l->load = load;
    l->pg = lanes->pg[i];
    l->task.interrupted = lane_stopped;
    l->task.interrupted_ctx = &d;
    l->pg->task = &l->task;
  }
  if (start_lanes(&d, all, lanes->count, err) == LB_OK) wait_for_lanes(&d);
  for (int i = 0; i < lanes->count; i++) if (all[i].started) pthread_join(all[i].thread, NULL);
  if (!err->code) *err = d.first;
  for (int i = 0; i < lanes->count; i++) end_lane(&all[i], err);
  pthread_cond_destroy(&d.ended);
  pthread_mutex_destroy(&d.mutex);
  free(all);
  return err->code;
}

/* See dump_data.h.
**
** Each lane, a thread with a connection, copies one piece (dump_pieces.h) after the other, in COPY's binary form where
** that can be read (copy_out.h). A chunk of rows that is full waits in the lane until the caller's thread has written
** it, and the lane goes on with the next one. A backup of data alone is loaded with keys and triggers in place: there
** one lane copies every table, in the order of the references.
**
** Each lane locks a table without waiting before it copies it: behind an ALTER TABLE that waits for the leader's lock,
** waiting would be for ever. What a lane may not lock for that reason is the leader's to copy, which has the lock.
**
** A savepoint is gone back to before each piece: after a lock that was refused, and so that no lock is kept which the
** COPY took. That of a query locks all indexes of its table, and a server has room for so many locks only.
*/
#include "postgres/dump_data.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/thread.h"
#include "postgres/dump_long.h"
#include "postgres/dump_pieces.h"
#include "postgres/quote.h"

#define WAIT_MS 50
#define COLLECT_NS 500000
#define FLOWING_BYTES ((size_t)4 << 10)
#define PLENTY_BYTES ((size_t)96 << 10)

struct dumping;

typedef struct lane {
  struct dumping *all;
  lb_pg *pg;
  lb_task task;           /* the connection's, while it is used here: the caller's is polled by the caller's thread */
  pthread_t thread;
  bool started, leads;
  bool saved;             /* the savepoint is set */
  bool lost;              /* the connection; what the server said before is still to be read */
  lb_dump_piece piece;    /* the one that is being copied */
  lb_dump_rows rows;
  bool waits;             /* for the caller to write the chunk; guarded by the mutex */
  lb_dump_chunk chunk;    /* the caller's while it does, else the lane's */
} lane;

typedef struct dumping {
  const lb_pg_dump *dump;
  lb_dump_tables tables;
  lane *lanes;
  int lane_count;
  atomic_bool stop;        /* somebody failed, or the caller was interrupted */
  lane *unfinished;        /* whose part is not at its end: the next chunk has to be its own; the caller's */
  pthread_mutex_t mutex;   /* of what follows */
  pthread_cond_t news;     /* for the caller: a chunk, or the end of a lane */
  pthread_cond_t turn;     /* for lanes: a chunk was written, or what the leader waits for */
  int running;
  lb_dump_piece *pieces;
  size_t piece_count, next_piece;
  lb_dump_piece *handed;           /* to the leader */
  size_t handed_count;
  lb_error first;          /* what went wrong first */
} dumping;

static const lb_pg_relation *relation_of(const dumping *d, int number)
{
  return &d->dump->relations->tables[number];
}

static int plan(dumping *d, lb_error *err)
{
  const lb_pg_relations *r = d->dump->relations;
  if (d->tables.whole) lb_dump_pieces_whole(r, &d->pieces, &d->piece_count, err);
  else lb_dump_pieces_plan(r, d->lane_count, d->dump->snapshot->lanes[0]->version, &d->pieces, &d->piece_count, err);
  d->handed = calloc(d->piece_count + 1, sizeof *d->handed);
  return d->handed || err->code ? err->code : lb_fail_nomem(err);
}

/* ---- a piece ---- */

static int fail_copy(lane *l, const PGresult *result, lb_error *err)
{
  const lb_pg_relation *t = relation_of(l->all, l->piece.relation);
  lb_buf what = { 0 };
  lb_buf_text(&what, "reading ");
  lb_pg_put_qualified(&what, t->schema, t->name);
  const char *text = what.data ? what.data : "reading a table";
  if (result) lb_pg_fail_result(l->pg, result, text, err);
  else lb_pg_fail_connection(l->pg, text, err);
  lb_buf_free(&what);
  return err->code;
}

static void put_copy(lb_buf *sql, const lb_pg_relation *t, const lb_dump_piece *p, const char *name)
{
  const char *what = t->marked ? t->marked : t->expressions ? t->expressions : t->columns;
  if (!p->ranged && !t->condition && strcmp(what, t->columns) == 0) {
    lb_buf_printf(sql, "COPY %s", name);
    if (what[0]) lb_buf_printf(sql, " (%s)", what);
  } else {
    lb_buf_printf(sql, "COPY (SELECT %s FROM ONLY %s", what, name);
    if (t->condition) lb_buf_printf(sql, " %s", t->condition);
    if (p->ranged) lb_buf_printf(sql, " WHERE ctid >= '(%llu,0)'::pg_catalog.tid", (unsigned long long)p->from);
    if (p->to) lb_buf_printf(sql, " AND ctid < '(%llu,0)'::pg_catalog.tid", (unsigned long long)p->to);
    lb_buf_text(sql, ")");
  }
  lb_buf_text(sql, t->expressions ? " TO STDOUT WITH (FORMAT binary)" : " TO STDOUT");
}

/* The leader has its locks from before the savepoint. */
static int send_copy(lane *l, lb_error *err)
{
  const lb_pg_relation *t = relation_of(l->all, l->piece.relation);
  lb_buf name = { 0 }, sql = { 0 };
  lb_pg_put_qualified(&name, t->schema, t->name);
  lb_buf_text(&sql, l->saved ? "ROLLBACK TO SAVEPOINT lifeboat; " : "SAVEPOINT lifeboat; ");
  l->saved = true;
  if (!l->leads) {
    lb_buf_printf(&sql, "LOCK TABLE ONLY %s IN ACCESS SHARE MODE NOWAIT; ", name.data ? name.data : "");
  }
  put_copy(&sql, t, &l->piece, name.data ? name.data : "");
  if (name.failed || sql.failed) lb_fail_nomem(err);
  else lb_pg_send(l->pg, sql.data, err);
  lb_buf_free(&name);
  lb_buf_free(&sql);
  return err->code;
}

static int receive(lane *l, lb_error *err)
{
  if (l->lost) return fail_copy(l, NULL, err);
  if (lb_pg_wait(l->pg, false, err)) return err->code;
  l->lost = !PQconsumeInput(l->pg->conn);
  return LB_OK;
}

/* A server sends 8 KiB at a time. Rows that flow collect in the socket for a moment, unless it was full already, so
** that neither side is woken for each of them. */
static void let_collect(size_t taken)
{
  const struct timespec moment = { .tv_nsec = COLLECT_NS };
  if (taken >= FLOWING_BYTES && taken < PLENTY_BYTES) nanosleep(&moment, NULL);
}

static int take_rows(lane *l, lb_error *err)
{
  size_t taken = 0;  /* since the last wait */
  int n = 0;
  while (n != -1 && !err->code) {
    char *row = NULL;
    n = PQgetCopyData(l->pg->conn, &row, 1);
    if (n > 0) {
      taken += (size_t)n;
      lb_dump_rows_take(&l->rows, row, (size_t)n, err);
    } else if (n == 0) {
      let_collect(taken);
      taken = 0;
      receive(l, err);
    } else if (n != -1) {
      fail_copy(l, NULL, err);
    }
    PQfreemem(row);
  }
  return err->code;
}

static bool is_failure(const PGresult *result)
{
  ExecStatusType status = PQresultStatus(result);
  return status != PGRES_COMMAND_OK && status != PGRES_COPY_OUT && status != PGRES_SINGLE_TUPLE &&
         status != PGRES_TUPLES_OK;
}

/* Somebody waits to change the table: the leader's lock is in their way, and they are in ours. */
static bool is_refused_lock(const lane *l, const PGresult *result)
{
  const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
  return !l->leads && state && strcmp(state, "55P03") == 0;
}

/* refused: whether a lock was, before any row came; NULL: that is a failure as well. */
static int take_results(lane *l, bool *refused, lb_error *err)
{
  bool copied = !refused;
  if (refused) *refused = false;
  while (!err->code) {
    while (!err->code && PQisBusy(l->pg->conn)) receive(l, err);
    PGresult *result = err->code ? NULL : PQgetResult(l->pg->conn);
    if (!result) break;
    if (PQresultStatus(result) == PGRES_COPY_OUT) {
      copied = true;
      take_rows(l, err);
    } else if (PQresultStatus(result) == PGRES_SINGLE_TUPLE) {
      lb_dump_rows_take_piece(&l->rows, result, err);
    } else if (is_failure(result)) {
      if (!copied && is_refused_lock(l, result)) *refused = true;
      else fail_copy(l, result, err);
    }
    PQclear(result);
  }
  return err->code;
}

static void hand_over(lane *l)
{
  dumping *d = l->all;
  pthread_mutex_lock(&d->mutex);
  d->handed[d->handed_count++] = l->piece;
  pthread_cond_broadcast(&d->turn);
  pthread_mutex_unlock(&d->mutex);
}

static int take_long_rows(lane *l, lb_error *err)
{
  lb_buf sql = { 0 };
  if (lb_dump_long_query(&l->rows, &sql, err) == LB_OK &&
      lb_pg_send_query(l->pg, sql.data, l->rows.rest.places.data, err) == LB_OK) {
    take_results(l, NULL, err);
  }
  lb_buf_free(&sql);
  return err->code;
}

static int copy_piece(lane *l, lb_error *err)
{
  bool refused;
  if (lb_dump_rows_begin(&l->rows, l->piece.relation, err) || send_copy(l, err)) return err->code;
  if (take_results(l, &refused, err)) return err->code;
  if (refused) {
    hand_over(l);
    return LB_OK;
  }
  if (l->rows.rest.left && take_long_rows(l, err)) return err->code;
  return lb_dump_rows_end(&l->rows, err);
}

/* ---- a lane ---- */

static bool lane_stopped(void *ctx)
{
  return atomic_load(&((dumping *)ctx)->stop);
}

/* The leader waits for what others may hand to it. */
static bool next_piece(lane *l)
{
  dumping *d = l->all;
  bool found = true;
  pthread_mutex_lock(&d->mutex);
  while (l->leads && !d->handed_count && d->next_piece == d->piece_count && d->running > 1 && !lane_stopped(d)) {
    lb_cond_wait(&d->turn, &d->mutex, WAIT_MS);
  }
  if (lane_stopped(d)) found = false;
  else if (l->leads && d->handed_count) l->piece = d->handed[--d->handed_count];
  else if (d->next_piece < d->piece_count) l->piece = d->pieces[d->next_piece++];
  else found = false;
  pthread_mutex_unlock(&d->mutex);
  return found;
}

/* Into the hands of the caller; what was there is written. */
static int give_chunk(void *ctx, lb_dump_chunk *chunk, lb_error *err)
{
  lane *l = ctx;
  dumping *d = l->all;
  pthread_mutex_lock(&d->mutex);
  while (l->waits && !lane_stopped(d)) lb_cond_wait(&d->turn, &d->mutex, WAIT_MS);
  if (!l->waits) {
    lb_dump_chunk written = l->chunk;
    l->chunk = *chunk;
    *chunk = written;
    l->waits = true;
    pthread_cond_signal(&d->news);
  } else {
    lb_fail(err, LB_INTERRUPT, "interrupted");
  }
  pthread_mutex_unlock(&d->mutex);
  return err->code;
}

static void *run_lane(void *ctx)
{
  lane *l = ctx;
  dumping *d = l->all;
  lb_error err = LB_ERROR_INIT;
  while (!err.code && next_piece(l)) copy_piece(l, &err);
  if (!err.code) lb_dump_rows_flush(&l->rows, &err);
  pthread_mutex_lock(&d->mutex);
  if (err.code) {
    if (!d->first.code) d->first = err;
    atomic_store(&d->stop, true);
  }
  d->running--;
  pthread_cond_signal(&d->news);
  pthread_cond_broadcast(&d->turn);
  pthread_mutex_unlock(&d->mutex);
  return NULL;
}

/* Fewer lanes than there are connections will do, but not none. */
static int start_lanes(dumping *d, lb_error *err)
{
  int rc = 0;
  d->running = d->lane_count;
  for (int i = 0; i < d->lane_count; i++) {
    rc = rc ? rc : lb_thread_start(&d->lanes[i].thread, run_lane, &d->lanes[i]);
    d->lanes[i].started = rc == 0;
  }
  pthread_mutex_lock(&d->mutex);
  for (int i = 0; i < d->lane_count; i++) d->running -= !d->lanes[i].started;
  pthread_mutex_unlock(&d->mutex);
  return d->lanes[0].started ? LB_OK : lb_fail_errno(err, rc, "cannot start a thread");
}

/* ---- the caller's thread ---- */

/* In turns, so that none waits for long behind the others. */
static lane *find_waiting(dumping *d, int *last)
{
  if (d->unfinished) return d->unfinished->waits ? d->unfinished : NULL;
  for (int i = 1; i <= d->lane_count; i++) {
    int at = (*last + i) % d->lane_count;
    if (!d->lanes[at].waits) continue;
    *last = at;
    return &d->lanes[at];
  }
  return NULL;
}

static void stop_lanes(dumping *d, const lb_error *err)
{
  if (!d->first.code) d->first = *err;
  atomic_store(&d->stop, true);
  pthread_cond_broadcast(&d->turn);
}

/* Until all lanes have ended; after a failure nothing is written any more. */
static void write_chunks(dumping *d, lb_pg_parts *parts, lb_pg_meanwhile *meanwhile)
{
  lb_error err = LB_ERROR_INIT;
  int last = 0;
  pthread_mutex_lock(&d->mutex);
  for (;;) {
    lane *l = find_waiting(d, &last);
    if (!l && !d->running) break;
    if (!l) lb_cond_wait(&d->news, &d->mutex, WAIT_MS);
    pthread_mutex_unlock(&d->mutex);
    if (l) d->unfinished = l->chunk.ends ? NULL : l;
    if (l && !err.code) lb_dump_chunk_write(&d->tables, parts, &l->chunk, &err);
    if (meanwhile && !err.code) meanwhile->tick(meanwhile->ctx, &err);
    if (!err.code) lb_task_poll(d->dump->task, &err);
    pthread_mutex_lock(&d->mutex);
    if (err.code) stop_lanes(d, &err);
    if (!l) continue;
    l->waits = false;
    pthread_cond_broadcast(&d->turn);
  }
  pthread_mutex_unlock(&d->mutex);
}

static void open_lane(dumping *d, int number)
{
  lane *l = &d->lanes[number];
  l->all = d;
  l->leads = number == 0;
  l->pg = d->dump->snapshot->lanes[number];
  l->rows = (lb_dump_rows){ .tables = &d->tables, .give = give_chunk, .ctx = l };
  l->task.interrupted = lane_stopped;
  l->task.interrupted_ctx = d;
  l->pg->task = &l->task;
}

static void close_lane(lane *l, const lb_error *err)
{
  l->pg->task = l->all->dump->task;
  if (err->code) lb_pg_cancel(l->pg);
  lb_dump_rows_close(&l->rows);
  lb_buf_free(&l->chunk.text);
}

static int run(dumping *d, lb_pg_parts *parts, lb_pg_meanwhile *meanwhile, lb_error *err)
{
  for (int i = 0; i < d->lane_count; i++) open_lane(d, i);
  if (start_lanes(d, err) == LB_OK) write_chunks(d, parts, meanwhile);
  for (int i = 0; i < d->lane_count; i++) if (d->lanes[i].started) pthread_join(d->lanes[i].thread, NULL);
  if (!err->code) *err = d->first;
  for (int i = 0; i < d->lane_count; i++) close_lane(&d->lanes[i], err);
  return err->code;
}

int lb_pg_dump_data(const lb_pg_dump *dump, lb_pg_parts *parts, lb_pg_meanwhile *meanwhile, lb_pg_contents *contents,
                    lb_error *err)
{
  dumping d = { .dump = dump, .mutex = PTHREAD_MUTEX_INITIALIZER };
  lb_cond_init(&d.news);
  lb_cond_init(&d.turn);
  lb_dump_tables_open(&d.tables, dump, parts, contents, err);
  d.lane_count = d.tables.whole ? 1 : dump->snapshot->lane_count;
  d.lanes = calloc((size_t)d.lane_count, sizeof *d.lanes);
  if (!d.lanes && !err->code) lb_fail_nomem(err);
  if (!err->code && plan(&d, err) == LB_OK) run(&d, parts, meanwhile, err);
  lb_dump_tables_close(&d.tables);
  pthread_cond_destroy(&d.news);
  pthread_cond_destroy(&d.turn);
  pthread_mutex_destroy(&d.mutex);
  free(d.lanes);
  free(d.pieces);
  free(d.handed);
  return err->code;
}

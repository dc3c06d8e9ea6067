/* See load_data.h. One thread, one event loop: a lane whose connection has sent all that was queued gets the next block
** of its part, decoded at that moment; libpq's queue is the lane's buffer, so memory is one block a lane. While a lane
** waits, the server works on what lies in the socket's buffer.
**
** Parts of one table may be in several lanes at once: COPY takes no lock that excludes another COPY.
**
** A part is read by the script reader, not trusted to have a known form: it must hold one COPY and nothing else.
*/
#include "postgres/load_data.h"

#include <stdlib.h>

#include "postgres/execute.h"
#include "postgres/results.h"

typedef enum lane_state { IDLE, FEEDING, ENDING } lane_state;

typedef struct lane {
  lb_pg_load *load;
  lb_pg *pg;
  lane_state state;
  const lb_pg_part *part;
  uint64_t next;           /* block */
  lb_script *script;
  lb_buf what;             /* the COPY at hand, for messages; empty: none yet */
  bool copy_ended;
  uint64_t sent, stored;   /* rows */
} lane;

typedef struct loading {
  lb_pg_load *load;
  lb_lanes *lanes;
  lane *lane;
  int64_t part;            /* the next one to look at */
  uint64_t offset;         /* of that, in the script */
} loading;

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
  return lb_copy_begin(l->pg, sql, l->what.data, err);
}

static int take_data(void *ctx, const char *data, size_t len, lb_error *err)
{
  lane *l = ctx;
  return lb_copy_put(l->pg, l->what.data, data, len, err);
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

/* ---- lanes ---- */

static int start_part(loading *d, lane *l, lb_error *err)
{
  const lb_pg_contents *c = d->load->contents;
  while (d->part < c->part_count && c->parts[d->part].kind != LB_PART_DATA) d->offset += c->parts[d->part++].bytes;
  if (d->part == c->part_count) return LB_OK;
  l->part = &c->parts[d->part++];
  l->next = l->part->block;
  l->what.len = 0;
  l->copy_ended = false;
  l->sent = l->stored = 0;
  l->script = lb_script_open(&part_ops, l, d->offset, err);
  d->offset += l->part->bytes;
  l->state = FEEDING;
  return err->code;
}

static int end_feeding(lane *l, lb_error *err)
{
  int rc = lb_script_end(l->script, err);
  lb_script_close(l->script);
  l->script = NULL;
  l->state = ENDING;
  if (rc) return rc;
  if (!l->copy_ended) return fail_part(l, "has no COPY statement", err);
  return lb_copy_end(l->pg, l->what.data, NULL, err);
}

static int feed(loading *d, lane *l, bool *waits, lb_error *err)
{
  const unsigned char *data = NULL;
  size_t n = 0;
  /* Notices must be read away, and a connection that broke seen; what has gone wrong is told by the results. */
  PQconsumeInput(l->pg->conn);
  if (l->what.len && lb_copy_flush(l->pg, l->what.data, waits, err)) return err->code;
  if (*waits) return LB_OK;
  if (l->next == l->part->block + l->part->blocks) return end_feeding(l, err);
  if (d->load->source->block(d->load->source, l->next, &data, &n, err)) return err->code;
  l->next++;
  lb_task_advance(d->load->task, (int64_t)n);
  return lb_script_feed(l->script, data, n, err);
}

static int take_results(loading *d, lane *l, bool *waits, lb_error *err)
{
  bool done = false;
  if (lb_results_step(l->pg, l->what.data, &l->stored, &done, err)) return err->code;
  *waits = !done;
  if (!done) return LB_OK;
  l->state = IDLE;
  d->load->statements++;
  d->load->rows += l->stored;
  return lb_execute_check_rows(d->load, l->part, l->what.data, l->sent, l->stored, err);
}

/* As far as the lane goes without waiting, at most one block. */
static int step(loading *d, int i, bool *waits, lb_error *err)
{
  lane *l = &d->lane[i];
  *waits = false;
  if (l->state == IDLE && start_part(d, l, err)) return err->code;
  if (l->state == FEEDING) feed(d, l, waits, err);
  else if (l->state == ENDING) take_results(d, l, waits, err);
  struct pollfd *p = &d->lanes->polls[i];
  p->fd = l->state == IDLE ? -1 : PQsocket(l->pg->conn);
  p->events = POLLIN | (l->state == FEEDING || PQflush(l->pg->conn) == 1 ? POLLOUT : 0);
  return err->code;
}

static int run(loading *d, lb_error *err)
{
  for (;;) {
    int busy = 0, waiting = 0;
    for (int i = 0; i < d->lanes->count; i++) {
      bool waits;
      if (step(d, i, &waits, err)) return err->code;
      bool idle = d->lane[i].state == IDLE, more = d->part < d->load->contents->part_count;
      busy += !idle || more;
      waiting += waits || (idle && !more);
    }
    if (!busy) return LB_OK;
    if (waiting == d->lanes->count ? lb_lanes_wait(d->lanes, err) : lb_task_poll(d->load->task, err)) return err->code;
  }
}

int lb_load_data(lb_pg_load *load, lb_lanes *lanes, lb_error *err)
{
  loading d = { .load = load, .lanes = lanes };
  d.lane = calloc((size_t)lanes->count, sizeof *d.lane);
  if (!d.lane) return lb_fail_nomem(err);
  for (int i = 0; i < lanes->count; i++) {
    d.lane[i].load = load;
    d.lane[i].pg = lanes->pg[i];
  }
  run(&d, err);
  for (int i = 0; i < lanes->count; i++) {
    if (err->code) lb_copy_settle(lanes->pg[i]);
    lb_script_close(d.lane[i].script);
    lb_buf_free(&d.lane[i].what);
  }
  free(d.lane);
  return err->code;
}

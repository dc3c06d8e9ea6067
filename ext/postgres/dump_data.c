/* See dump_data.h.
**
** A piece is a table, or a ctid range of a big heap table (from server 14 on, which reads such a range without scanning
** the rest). Each lane copies one piece after the other. Its rows collect in its chunk; a full chunk becomes a part of
** the script: COPY … FROM stdin, the rows, \. on its own. A row that is larger than a chunk makes a part alone and
** is written from libpq's memory. A backup of data alone is loaded with keys and triggers in place: there every table
** is one part, on one lane, in the order of the references.
**
** Each lane locks a table without waiting before it copies it: behind an ALTER TABLE that waits for the leader's lock,
** waiting would be for ever. What a lane may not lock for that reason is the leader's to copy, which has the lock.
*/
#include "postgres/dump_data.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/file.h"
#include "core/hash.h"
#include "postgres/quote.h"

#define CHUNK_BYTES ((size_t)4 << 20)
#ifndef LB_PIECE_PAGES            /* a test makes it small */
#define LB_PIECE_PAGES 8192       /* 64 MiB */
#endif
#define TURN_BYTES ((size_t)1 << 20)
#define WAIT_MS 100
#define COLLECT_NS 200000

typedef struct piece {
  int relation;        /* what is read */
  uint64_t from, to;   /* pages; to 0: to the end */
  bool ranged;
} piece;

typedef struct lane {
  lb_pg *pg;
  bool running, copying;
  bool saved;          /* a savepoint is set, to go back to when a lock is refused */
  bool refused, retreating;   /* a lock was refused; going back to the savepoint */
  piece piece;         /* the one that is being copied */
  int relation;        /* whose rows are in the chunk */
  lb_buf chunk;
  uint64_t rows;       /* in the chunk, or in the part that is being streamed */
  bool keyed;          /* its table's parts tell the range of keys */
  lb_key_range keys;   /* of those rows */
} lane;

typedef struct dumping {
  const lb_pg_dump *dump;
  lb_pg_parts *parts;  /* NULL: only measure */
  lb_pg_contents *contents;
  int *tables;         /* of each relation: its table in contents, which several may share */
  lane *lanes;
  int lane_count, running;
  piece *pieces;
  size_t piece_count, next_piece;
  piece *handed;       /* to the leader */
  size_t handed_count;
  bool whole_tables;   /* one part a table, whatever its size */
  bool flowing;        /* rows came since the last wait */
} dumping;

static const lb_pg_relation *relation_of(const dumping *d, int number)
{
  return &d->dump->relations->tables[number];
}

/* Where rows are loaded, and counted. */
static const char *schema_into(const lb_pg_relation *t) { return t->root_name ? t->root_schema : t->schema; }
static const char *name_into(const lb_pg_relation *t) { return t->root_name ? t->root_name : t->name; }

/* ---- planning ---- */

static size_t pieces_of(const dumping *d, const lb_pg_relation *t)
{
  bool splits = t->heap && !t->condition && !d->whole_tables && d->dump->snapshot->lanes[0]->version >= 140000;
  return splits && t->pages >= 2 * LB_PIECE_PAGES ? (size_t)(t->pages / LB_PIECE_PAGES) : 1;
}

/* Partitions that are loaded through one table are that table in contents. */
static int add_table(dumping *d, const lb_pg_relation *t, int *index, lb_error *err)
{
  for (int i = 0; t->root_name && i < d->contents->table_count; i++) {
    *index = i;
    if (strcmp(d->contents->tables[i].name, t->root_name) == 0 &&
        strcmp(d->contents->tables[i].schema, t->root_schema) == 0) {
      return LB_OK;
    }
  }
  if (lb_pg_contents_add_table(d->contents, schema_into(t), name_into(t), index, err) || !t->key) return err->code;
  char **key = &d->contents->tables[*index].key;
  *key = lb_text_copy(t->key, err);
  return err->code;
}

/* Not so of a partition whose key is another one than that of those before it in the same table of contents. */
static bool is_keyed(const dumping *d, int relation)
{
  const char *key = relation_of(d, relation)->key, *listed = d->contents->tables[d->tables[relation]].key;
  return key && listed && strcmp(key, listed) == 0;
}

static int plan(dumping *d, lb_error *err)
{
  const lb_pg_relations *r = d->dump->relations;
  size_t count = 0;
  for (int i = 0; i < r->table_count; i++) count += pieces_of(d, &r->tables[i]);
  d->pieces = calloc(count + 1, sizeof *d->pieces);
  d->handed = calloc(count + 1, sizeof *d->handed);
  d->tables = calloc((size_t)r->table_count + 1, sizeof *d->tables);
  if (!d->pieces || !d->handed || !d->tables) return lb_fail_nomem(err);
  for (int i = 0; i < r->table_count; i++) {
    if (add_table(d, &r->tables[i], &d->tables[i], err)) return err->code;
    size_t n = pieces_of(d, &r->tables[i]);
    for (size_t k = 0; k < n; k++) {
      /* The last is open: the table may have grown since it was weighed, and what was added may be in the snapshot. */
      uint64_t end = k + 1 < n ? (k + 1) * LB_PIECE_PAGES : 0;
      d->pieces[d->piece_count++] =
          (piece){ .relation = i, .from = k * LB_PIECE_PAGES, .to = end, .ranged = n > 1 };
    }
  }
  return LB_OK;
}

/* ---- a part ---- */

static int begin_part(dumping *d, int relation, lb_error *err)
{
  const lb_pg_relation *t = relation_of(d, relation);
  lb_buf head = { 0 };
  lb_buf_text(&head, "--\n-- Data for Name: ");
  lb_pg_put_comment(&head, name_into(t));
  lb_buf_text(&head, "; Type: TABLE DATA; Schema: ");
  lb_pg_put_comment(&head, schema_into(t));
  lb_buf_text(&head, "\n--\n\nCOPY ");
  lb_pg_put_qualified(&head, schema_into(t), name_into(t));
  if (t->columns[0]) lb_buf_printf(&head, " (%s)", t->columns);
  lb_buf_text(&head, " FROM stdin;\n");
  lb_pg_parts_begin(d->parts, LB_PART_DATA, d->tables[relation]);
  if (head.failed) lb_fail_nomem(err);
  else lb_pg_parts_write(d->parts, head.data, head.len, err);
  lb_buf_free(&head);
  return err->code;
}

static int end_part(dumping *d, uint64_t rows, lb_key_range *keys, lb_error *err)
{
  static const char end[] = "\\.\n\n\n";
  bool known = keys->kind == LB_KEYS_INTEGERS || keys->kind == LB_KEYS_TEXTS;
  d->parts->part.keys = known ? keys : NULL;
  if (lb_pg_parts_write(d->parts, end, sizeof end - 1, err)) return err->code;
  return lb_pg_parts_end(d->parts, rows, err);
}

static int write_part(dumping *d, int relation, const char *rows, size_t n, uint64_t count, lb_key_range *keys,
                      lb_error *err)
{
  if (begin_part(d, relation, err) || lb_pg_parts_write(d->parts, rows, n, err)) return err->code;
  return end_part(d, count, keys, err);
}

static int flush_chunk(dumping *d, lane *l, lb_error *err)
{
  if (l->rows && write_part(d, l->relation, l->chunk.data, l->chunk.len, l->rows, &l->keys, err)) return err->code;
  l->chunk.len = 0;
  l->rows = 0;
  l->keys = (lb_key_range){ 0 };
  return LB_OK;
}

/* ---- rows ---- */

static void count_row(dumping *d, int relation, const char *row, size_t n)
{
  lb_pg_table *t = &d->contents->tables[d->tables[relation]];
  t->rows++;
  t->bytes += n;
  if (d->contents->checksums) t->checksum += lb_hash64(row, n - 1);
}

static void take_key(const dumping *d, const lane *l, const char *row, size_t n, lb_key_range *keys)
{
  const lb_pg_relation *t = relation_of(d, l->relation);
  if (l->keyed) lb_key_range_take(keys, t->key_kind, t->key_field, row, n);
}

static int write_large_row(dumping *d, lane *l, const char *row, size_t n, lb_error *err)
{
  lb_key_range keys = { 0 };
  take_key(d, l, row, n, &keys);
  return write_part(d, l->relation, row, n, 1, &keys, err);
}

static int take_row(dumping *d, lane *l, const char *row, size_t n, lb_error *err)
{
  if (n == 0 || row[n - 1] != '\n') return lb_fail(err, LB_ERROR, "%s: a row of COPY has no end", l->pg->label);
  count_row(d, l->relation, row, n);
  if (!d->parts) return LB_OK;
  if (d->whole_tables) {
    l->rows++;
    take_key(d, l, row, n, &l->keys);
    return lb_pg_parts_write(d->parts, row, n, err);
  }
  if (n >= CHUNK_BYTES) return write_large_row(d, l, row, n, err);
  if (l->chunk.len + n > CHUNK_BYTES && flush_chunk(d, l, err)) return err->code;
  lb_buf_append(&l->chunk, row, n);
  l->rows++;
  take_key(d, l, row, n, &l->keys);
  return l->chunk.failed ? lb_fail_nomem(err) : LB_OK;
}

static int fail_copy(dumping *d, lane *l, const PGresult *result, lb_error *err)
{
  lb_buf what = { 0 };
  lb_buf_text(&what, "reading ");
  lb_pg_put_qualified(&what, relation_of(d, l->relation)->schema, relation_of(d, l->relation)->name);
  const char *text = what.data ? what.data : "reading a table";
  if (result) lb_pg_fail_result(l->pg, result, text, err);
  else lb_pg_fail_connection(l->pg, text, err);
  lb_buf_free(&what);
  return err->code;
}

/* ---- a lane ---- */

static void put_copy(lb_buf *sql, const lb_pg_relation *t, const piece *p, const char *name)
{
  if (!p->ranged && !t->condition) {
    lb_buf_printf(sql, "COPY %s", name);
    if (t->columns[0]) lb_buf_printf(sql, " (%s)", t->columns);
  } else {
    lb_buf_printf(sql, "COPY (SELECT %s FROM ONLY %s", t->columns, name);
    if (t->condition) lb_buf_printf(sql, " %s", t->condition);
    if (p->ranged) lb_buf_printf(sql, " WHERE ctid >= '(%llu,0)'::pg_catalog.tid", (unsigned long long)p->from);
    if (p->to) lb_buf_printf(sql, " AND ctid < '(%llu,0)'::pg_catalog.tid", (unsigned long long)p->to);
    lb_buf_text(sql, ")");
  }
  lb_buf_text(sql, " TO STDOUT");
}

/* The leader has its locks and needs no savepoint. */
static int send_copy(dumping *d, lane *l, lb_error *err)
{
  const lb_pg_relation *t = relation_of(d, l->piece.relation);
  lb_buf name = { 0 }, sql = { 0 };
  lb_pg_put_qualified(&name, t->schema, t->name);
  if (l != d->lanes) {
    if (l->saved) lb_buf_text(&sql, "RELEASE SAVEPOINT lifeboat; ");
    lb_buf_printf(&sql, "SAVEPOINT lifeboat; LOCK TABLE ONLY %s IN ACCESS SHARE MODE NOWAIT; ",
                  name.data ? name.data : "");
    l->saved = true;
  }
  put_copy(&sql, t, &l->piece, name.data ? name.data : "");
  if (name.failed || sql.failed) lb_fail_nomem(err);
  else lb_pg_send(l->pg, sql.data, err);
  lb_buf_free(&name);
  lb_buf_free(&sql);
  return err->code;
}

static bool take_piece(dumping *d, lane *l)
{
  if (l == d->lanes && d->handed_count) l->piece = d->handed[--d->handed_count];
  else if (d->next_piece < d->piece_count) l->piece = d->pieces[d->next_piece++];
  else return false;
  return true;
}

/* A chunk lives on from one piece of a table to the next, so that small ranges fill it; never into another table. */
static int start_piece(dumping *d, lane *l, bool *waits, lb_error *err)
{
  if (!take_piece(d, l)) {
    *waits = true;
    return flush_chunk(d, l, err);
  }
  if (l->relation != l->piece.relation && flush_chunk(d, l, err)) return err->code;
  l->relation = l->piece.relation;
  l->keyed = is_keyed(d, l->relation);
  if (send_copy(d, l, err)) return err->code;
  l->running = true;
  d->running++;
  return d->whole_tables && d->parts ? begin_part(d, l->relation, err) : LB_OK;
}

static int end_piece(dumping *d, lane *l, lb_error *err)
{
  l->running = l->retreating = false;
  d->running--;
  if (!d->whole_tables) return LB_OK;
  if (d->parts) end_part(d, l->rows, &l->keys, err);
  l->rows = 0;
  l->keys = (lb_key_range){ 0 };
  return err->code;
}

/* Somebody waits to change the table: the leader's lock is in their way, and they are in ours. */
static bool is_refused_lock(const dumping *d, const lane *l, const PGresult *result)
{
  const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
  return l != d->lanes && !l->copying && !l->retreating && state && strcmp(state, "55P03") == 0;
}

/* Takes the rows that libpq has, up to a turn's worth. *waits: nothing more without new bytes from the server. */
static int take_rows(dumping *d, lane *l, bool *waits, lb_error *err)
{
  size_t taken = 0;
  while (taken < TURN_BYTES && !err->code) {
    char *row = NULL;
    int n = PQgetCopyData(l->pg->conn, &row, 1);
    if (n > 0) {
      taken += (size_t)n;
      d->flowing = true;
      take_row(d, l, row, (size_t)n, err);
      PQfreemem(row);
    } else {
      if (n == 0) *waits = true;
      else if (n == -1) l->copying = false;
      else fail_copy(d, l, NULL, err);
      break;
    }
  }
  return err->code;
}

static int take_result(dumping *d, lane *l, bool *waits, lb_error *err)
{
  if (PQisBusy(l->pg->conn)) {
    *waits = true;
    return LB_OK;
  }
  PGresult *result = PQgetResult(l->pg->conn);
  ExecStatusType status = result ? PQresultStatus(result) : PGRES_EMPTY_QUERY;
  if (!result && l->refused) {
    l->refused = false;
    l->retreating = true;
    return lb_pg_send(l->pg, "ROLLBACK TO SAVEPOINT lifeboat", err);
  }
  if (!result) end_piece(d, l, err);
  else if (status == PGRES_COPY_OUT) l->copying = true;
  else if (status != PGRES_COMMAND_OK && is_refused_lock(d, l, result)) {
    l->refused = true;
    d->handed[d->handed_count++] = l->piece;
  } else if (status != PGRES_COMMAND_OK) fail_copy(d, l, result, err);
  PQclear(result);
  return err->code;
}

/* One turn of a lane: from what has arrived, and without waiting. */
static int turn(dumping *d, lane *l, bool *waits, lb_error *err)
{
  *waits = false;
  if (!l->running) return start_piece(d, l, waits, err);
  bool lost = !PQconsumeInput(l->pg->conn);  /* what the server said before it went away is still to be read */
  while (l->running && !*waits && !err->code) {
    if (!l->copying) take_result(d, l, waits, err);
    else if (take_rows(d, l, waits, err) == LB_OK && l->copying) break;
  }
  if (lost && *waits && !err->code) fail_copy(d, l, NULL, err);
  return err->code;
}

/* ---- the loop ---- */

/* A server sends 8 KiB at a time. Rows that flow collect in the socket for a moment, so that neither side is woken for
** each of them: a seventh less processor time on both sides together. */
static void let_collect(dumping *d)
{
  const struct timespec moment = { .tv_nsec = COLLECT_NS };
  if (d->flowing) nanosleep(&moment, NULL);
  d->flowing = false;
}

static int wait_for_any(dumping *d, const lb_pg_meanwhile *meanwhile, lb_error *err)
{
  struct pollfd fds[65];
  nfds_t count = 0;
  for (int i = 0; i < d->lane_count && count < 64; i++) {
    if (d->lanes[i].running) fds[count++] = (struct pollfd){ .fd = PQsocket(d->lanes[i].pg->conn), .events = POLLIN };
  }
  if (meanwhile && meanwhile->fd >= 0) fds[count++] = (struct pollfd){ .fd = meanwhile->fd, .events = POLLIN };
  poll(fds, count, WAIT_MS);  /* whatever it says, the next turn looks for itself */
  let_collect(d);
  return lb_task_poll(d->dump->task, err);
}

/* Rows that no part has yet. */
static bool has_rows(const dumping *d)
{
  for (int i = 0; i < d->lane_count; i++) if (d->lanes[i].rows) return true;
  return false;
}

static bool has_work(const dumping *d)
{
  return d->running || d->handed_count || d->next_piece < d->piece_count || has_rows(d);
}

static int run(dumping *d, lb_pg_meanwhile *meanwhile, lb_error *err)
{
  while (has_work(d) && !err->code) {
    bool all_wait = true;
    for (int i = 0; i < d->lane_count && !err->code; i++) {
      bool waits;
      turn(d, &d->lanes[i], &waits, err);
      if (!waits) all_wait = false;
    }
    if (meanwhile && !err->code) meanwhile->tick(meanwhile->ctx, err);
    if (err->code || !has_work(d)) break;
    all_wait ? wait_for_any(d, meanwhile, err) : lb_task_poll(d->dump->task, err);
  }
  return err->code;
}

int lb_pg_dump_data(const lb_pg_dump *dump, lb_pg_parts *parts, lb_pg_meanwhile *meanwhile, lb_pg_contents *contents,
                    lb_error *err)
{
  dumping d = { .dump = dump, .parts = parts, .contents = contents, .whole_tables = dump->filter->data_only };
  contents->checksums = lb_hash_available();
  d.lane_count = d.whole_tables ? 1 : dump->snapshot->lane_count;
  d.lanes = calloc((size_t)d.lane_count, sizeof *d.lanes);
  if (!d.lanes) return lb_fail_nomem(err);
  for (int i = 0; i < d.lane_count; i++) d.lanes[i].pg = dump->snapshot->lanes[i];
  if (plan(&d, err) == LB_OK) run(&d, meanwhile, err);
  for (int i = 0; i < d.lane_count; i++) {
    if (err->code && d.lanes[i].running) lb_pg_cancel(d.lanes[i].pg);
    lb_buf_free(&d.lanes[i].chunk);
  }
  free(d.lanes);
  free(d.tables);
  free(d.pieces);
  free(d.handed);
  return err->code;
}

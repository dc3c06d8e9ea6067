/* See load.h, lb_pg_load_parallel. The parts in their order: roles and pre-data one statement after the other on the
** caller's connection; data on all lanes (load_data.c); sequences and large objects in order again; post-data by
** load_schema.c. The settings that pre-data leaves in force are said on every other lane before it does anything.
*/
#include "postgres/load.h"

#include <stdlib.h>

#include "postgres/execute.h"
#include "postgres/lanes.h"
#include "postgres/load_data.h"
#include "postgres/load_schema.h"

/* One part's blocks through a script reader. */
static int read_part(lb_pg_load *load, int64_t number, uint64_t offset, const lb_script_ops *ops, void *ctx,
                     lb_error *err)
{
  const lb_pg_part *part = &load->contents->parts[number];
  lb_script *script = lb_script_open(ops, ctx, offset, err);
  for (uint64_t i = 0; i < part->blocks && !err->code; i++) {
    const unsigned char *data = NULL;
    size_t n = 0;
    if (lb_task_poll(load->task, err) || load->source->block(load->source, part->block + i, &data, &n, err)) break;
    lb_task_advance(load->task, (int64_t)n);
    lb_script_feed(script, data, n, err);
  }
  if (!err->code) lb_script_end(script, err);
  lb_script_close(script);
  return err->code;
}

/* The parts of the kinds from first to last, in order. */
static int read_parts(lb_pg_load *load, lb_part_kind first, lb_part_kind last, const lb_script_ops *ops, void *ctx,
                      lb_error *err)
{
  const lb_pg_contents *c = load->contents;
  uint64_t offset = 0;
  for (int64_t i = 0; i < c->part_count && !err->code; i++) {
    if (c->parts[i].kind >= first && c->parts[i].kind <= last) read_part(load, i, offset, ops, ctx, err);
    offset += c->parts[i].bytes;
  }
  return err->code;
}

/* ---- post-data is collected ---- */

static int collect_statement(void *ctx, const char *sql, size_t len, uint64_t offset, bool copy, const char *comment,
                             lb_error *err)
{
  (void)comment;
  if (copy) {
    return lb_fail(err, LB_CORRUPT, "byte %llu of the script: data behind the data", (unsigned long long)offset);
  }
  return lb_schema_add(ctx, sql, len, offset, err);
}

static int collect_data(void *ctx, const char *data, size_t len, lb_error *err)
{
  (void)ctx;
  (void)data;
  (void)len;
  return lb_fail(err, LB_CORRUPT, "data behind the data");
}

static int collect_copy_end(void *ctx, uint64_t rows, lb_error *err)
{
  (void)rows;
  return collect_data(ctx, NULL, 0, err);
}

static int collect_meta(void *ctx, const char *line, uint64_t offset, lb_error *err)
{
  (void)ctx;
  (void)line;
  (void)offset;
  (void)err;
  return LB_OK;
}

static const lb_script_ops collect_ops = { collect_statement, collect_data, collect_copy_end, collect_meta };

static int load_post_data(lb_execute *x, lb_lanes *lanes, lb_error *err)
{
  lb_schema schema = { 0 };
  if (read_parts(x->load, LB_PART_POST_DATA, LB_PART_POST_DATA, &collect_ops, &schema, err) == LB_OK) {
    lb_schema_run(&schema, x, lanes, err);
  }
  lb_schema_free(&schema);
  return err->code;
}

static int load_all(lb_execute *x, lb_lanes *lanes, lb_error *err)
{
  lb_pg_load *load = x->load;
  x->keep = true;
  lb_part_kind first = load->no_roles ? LB_PART_PRE_DATA : LB_PART_ROLES;
  if (read_parts(load, first, LB_PART_PRE_DATA, &lb_execute_ops, x, err)) return err->code;
  x->keep = false;
  if (x->preamble.failed) return lb_fail_nomem(err);
  if (x->script_block) return lb_fail(err, LB_CORRUPT, "the script's pre-data ends inside a transaction");
  if (lb_lanes_open(lanes, load, load->jobs, x->preamble.data, err) || lb_load_data(load, &x->kept, lanes, err)) {
    return err->code;
  }
  if (read_parts(load, LB_PART_SEQUENCES, LB_PART_LARGE_OBJECTS, &lb_execute_ops, x, err)) return err->code;
  return load_post_data(x, lanes, err);
}

int lb_pg_load_parallel(lb_pg_load *load, lb_error *err)
{
  lb_execute x;
  lb_lanes lanes = { 0 };
  if (PQtransactionStatus(load->pg->conn) != PQTRANS_IDLE || !load->contents || !load->source->range) {
    return lb_fail(err, LB_MISUSE, "loading in parallel needs a backup with a table of contents, and no open "
                   "transaction");
  }
  if (lb_execute_begin(&x, load, err) == LB_OK && load_all(&x, &lanes, err) == LB_OK) lb_execute_end(&x, err);
  lb_lanes_close(&lanes);
  lb_execute_free(&x);
  return err->code;
}

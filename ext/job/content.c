/* See content.h. */
#include "job/content.h"

#include <stdlib.h>
#include <string.h>

#include "postgres/script.h"
#include "sqlite/recognize.h"

typedef struct forwarding {
  lb_source_take take;
  void *ctx;
} forwarding;

static int forward(void *ctx, uint64_t offset, const void *data, size_t n, lb_error *err)
{
  forwarding *f = ctx;
  (void)offset;
  return f->take(f->ctx, data, n, err);
}

static int stream(lb_source *source, lb_source_take take, void *ctx, lb_error *err)
{
  lb_content *c = (lb_content *)source;
  forwarding f = { take, ctx };
  uint64_t taken;
  if (lb_reader_stream(c->reader, c->threads, forward, &f, c->task, &taken, err) == LB_OK) c->bytes = (int64_t)taken;
  return err->code;
}

static int block(lb_source *source, uint64_t number, const unsigned char **data, size_t *n, lb_error *err)
{
  return lb_cursor_read(((lb_content *)source)->cursor, number, data, n, err);
}

/* ---- a range of blocks ---- */

typedef struct range {
  lb_source_range base;  /* first: an lb_source_range* is a range* */
  lb_cursor *cursor;
  uint64_t next, end;
} range;

static int read_range(lb_source_range *base, const unsigned char **data, size_t *n, lb_error *err)
{
  range *r = (range *)base;
  *n = 0;
  return r->next == r->end ? LB_OK : lb_cursor_read(r->cursor, r->next++, data, n, err);
}

static void close_range(lb_source_range *base)
{
  lb_cursor_close(((range *)base)->cursor);
  free(base);
}

static lb_source_range *open_range(lb_source *source, uint64_t first, uint64_t count, lb_error *err)
{
  range *r = malloc(sizeof *r);
  if (!r) {
    lb_fail_nomem(err);
    return NULL;
  }
  *r = (range){ .base = { read_range, close_range }, .next = first, .end = first + count };
  r->cursor = lb_cursor_open(((lb_content *)source)->reader, err);
  if (r->cursor) return &r->base;
  free(r);
  return NULL;
}

/* ---- what it is ---- */

bool lb_content_is_script(const lb_opened *backup, lb_error *err)
{
  char head[4096];
  size_t n = 0;
  const lb_backup *about = &backup->about;
  if (lb_reader_contents(backup->reader)) return true;
  if (about->manifest.type != LB_TYPE_NONE) return about->manifest.type == LB_TYPE_POSTGRES;
  if (about->name.type == LB_TYPE_POSTGRES) return true;
  return lb_reader_peek(backup->reader, head, sizeof head, &n, err) == LB_OK &&
         (lb_script_looks_like_dump(head, n) || lb_script_other_format(head, n));
}

static int check_script(lb_reader *reader, const char *path, lb_error *err)
{
  char head[4096];
  size_t n = 0;
  lb_sqlite_header header;
  if (lb_reader_peek(reader, head, sizeof head, &n, err)) return err->code;
  if (lb_script_looks_like_dump(head, n)) return LB_OK;
  const char *other = lb_script_other_format(head, n);
  if (other) return lb_fail(err, LB_UNSUPPORTED, "%s: %s", path, other);
  if (n >= 100 && lb_sqlite_header_read(head, n, &header)) {
    return lb_fail(err, LB_MISUSE, "%s: holds a SQLite database, not a PostgreSQL dump: backup_restore with a path or "
                   "a schema as target restores it", path);
  }
  return lb_fail(err, LB_CORRUPT, "%s: what is inside is not a PostgreSQL dump in SQL", path);
}

/* Where there is a table of contents the first block is enough: the next one may be a table's that nobody asks for. */
static int check_first_block(lb_cursor *cursor, lb_reader *reader, const char *path, lb_error *err)
{
  const unsigned char *data = NULL;
  size_t n = 0;
  if (lb_reader_block_count(reader) && lb_cursor_read(cursor, 0, &data, &n, err)) return err->code;
  return data && lb_script_looks_like_dump(data, n) ? LB_OK : check_script(reader, path, err);
}

int lb_content_open(lb_content *c, lb_reader *reader, const char *path, lb_job *job, int threads, lb_error *err)
{
  const char *contents = lb_reader_contents(reader);
  *c = (lb_content){ .source = { .stream = stream }, .reader = reader, .task = &job->task, .threads = threads,
                     .bytes = lb_reader_raw_bytes(reader) };
  if (!contents) return check_script(reader, path, err);
  c->cursor = lb_cursor_open(reader, err);
  c->source.block = block;
  c->source.range = open_range;
  if (!c->cursor || check_first_block(c->cursor, reader, path, err)) return err->code;
  if (lb_pg_contents_parse(job->json, contents, lb_reader_block_count(reader), &c->table, err)) {
    lb_error_prefix(err, "%s: ", path);
  }
  c->has_table = !err->code;
  return err->code;
}

void lb_content_close(lb_content *c)
{
  lb_cursor_close(c->cursor);
  lb_pg_contents_free(&c->table);
  memset(c, 0, sizeof *c);
}

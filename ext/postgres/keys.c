/* See keys.h. */
#include "postgres/keys.h"

#include <stdlib.h>
#include <string.h>

#include "postgres/script.h"
#include "postgres/statement.h"

typedef struct key {
  char *schema, *name;
  char **columns;
  int count;
} key;

struct lb_pg_keys {
  key *list;            /* by schema and name, once all are read */
  size_t count, capacity;
};

static int add_column(key *k, lb_span name, lb_error *err)
{
  char **grown = realloc(k->columns, ((size_t)k->count + 1) * sizeof *grown);
  if (!grown) return lb_fail_nomem(err);
  k->columns = grown;
  k->columns[k->count] = lb_span_text(name, err);
  if (k->columns[k->count]) k->count++;
  return err->code;
}

static int add_key(lb_pg_keys *keys, const lb_statement *st, lb_error *err)
{
  if (keys->count == keys->capacity) {
    size_t capacity = keys->capacity ? keys->capacity * 2 : 64;
    key *grown = realloc(keys->list, capacity * sizeof *grown);
    if (!grown) return lb_fail_nomem(err);
    keys->list = grown;
    keys->capacity = capacity;
  }
  key *k = &keys->list[keys->count++];
  *k = (key){ .schema = lb_span_text(st->table.schema, err), .name = lb_span_text(st->table.name, err) };
  lb_tokens t = lb_tokens_begin(st->columns.at, st->columns.len);
  lb_span name;
  while (!err->code && t.type != LB_TOKEN_END) {
    lb_token_next(&t);  /* the parenthesis, a comma */
    if (lb_token_name(&t, &name)) add_column(k, name, err);
    while (t.type != LB_TOKEN_END && !lb_token_is_symbol(&t, ',')) lb_token_next(&t);  /* WITHOUT OVERLAPS */
  }
  return err->code;
}

static int take_statement(void *ctx, const char *sql, size_t len, uint64_t offset, bool copy, const char *comment,
                          lb_error *err)
{
  lb_statement st;
  (void)offset, (void)copy, (void)comment;
  lb_statement_read(sql, len, &st);
  /* INCLUDE and the like behind the columns make no other key, but are not plain. */
  if (st.kind != LB_STATEMENT_KEY || !st.primary || !st.columns.len || !st.table.schema.len) return LB_OK;
  return add_key(ctx, &st, err);
}

static int take_data(void *ctx, const char *data, size_t len, lb_error *err)
{
  (void)ctx, (void)data, (void)len;
  return err->code;
}

static int take_copy_end(void *ctx, uint64_t rows, lb_error *err)
{
  (void)ctx, (void)rows;
  return err->code;
}

static int take_meta(void *ctx, const char *line, uint64_t offset, lb_error *err)
{
  (void)ctx, (void)line, (void)offset;
  return err->code;
}

static const lb_script_ops ops = { take_statement, take_data, take_copy_end, take_meta };

static int read_part(lb_pg_keys *keys, lb_source *source, const lb_pg_part *part, uint64_t offset, lb_task *task,
                     lb_error *err)
{
  lb_script *script = lb_script_open(&ops, keys, offset, err);
  for (uint64_t b = 0; script && b < part->blocks && !err->code; b++) {
    const unsigned char *data;
    size_t n;
    if (lb_task_poll(task, err) == LB_OK && source->block(source, part->block + b, &data, &n, err) == LB_OK) {
      lb_script_feed(script, data, n, err);
    }
  }
  if (!err->code) lb_script_end(script, err);
  lb_script_close(script);
  return err->code;
}

static int order_of(const void *a, const void *b)
{
  const key *x = a, *y = b;
  int order = strcmp(x->schema, y->schema);
  return order ? order : strcmp(x->name, y->name);
}

lb_pg_keys *lb_pg_keys_read(lb_source *source, const lb_pg_contents *contents, lb_task *task, lb_error *err)
{
  uint64_t offset = 0;
  lb_pg_keys *keys = calloc(1, sizeof *keys);
  if (!keys) lb_fail_nomem(err);
  for (int64_t i = 0; i < contents->part_count && !err->code; i++) {
    const lb_pg_part *part = &contents->parts[i];
    if (part->kind == LB_PART_POST_DATA) read_part(keys, source, part, offset, task, err);
    offset += part->bytes;
  }
  if (err->code) {
    lb_pg_keys_close(keys);
    return NULL;
  }
  if (keys->count) qsort(keys->list, keys->count, sizeof *keys->list, order_of);
  return keys;
}

void lb_pg_keys_close(lb_pg_keys *keys)
{
  if (!keys) return;
  for (size_t i = 0; i < keys->count; i++) {
    key *k = &keys->list[i];
    for (int c = 0; c < k->count; c++) free(k->columns[c]);
    free(k->columns);
    free(k->schema);
    free(k->name);
  }
  free(keys->list);
  free(keys);
}

char *const *lb_pg_keys_find(const lb_pg_keys *keys, const char *schema, const char *name, int *count)
{
  key wanted = { .schema = (char *)schema, .name = (char *)name };
  const key *found = keys->count ? bsearch(&wanted, keys->list, keys->count, sizeof wanted, order_of) : NULL;
  *count = found ? found->count : 0;
  return found ? found->columns : NULL;
}

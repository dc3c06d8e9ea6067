/* See contents.h. The JSON:
**
**     {"checksums":1,
**      "tables":[{"schema":"public","name":"t","rows":3,"bytes":120,"key":"id","checksum":"00c0ffee00c0ffee"}],
**      "parts":[["pre-data",null,0,1,0,2048],["data",0,1,1,3,170,1,42],["post-data",null,2,1,0,512]]}
**
** A part: kind, table or null, first block, blocks, rows, bytes; where they are known, the lowest and the highest value
** of the table's key, two integers or two texts.
*/
#include "postgres/contents.h"

#include <sqlite3ext.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

SQLITE_EXTENSION_INIT3

static const char *const kind_texts[] = { "roles", "pre-data", "data", "sequences", "large-objects", "post-data" };
enum { KINDS = sizeof kind_texts / sizeof kind_texts[0] };

const char *lb_part_kind_text(lb_part_kind kind)
{
  return kind_texts[kind];
}

/* ---- building ---- */

int lb_pg_contents_add_table(lb_pg_contents *c, const char *schema, const char *name, int *index, lb_error *err)
{
  if (c->table_count == c->table_capacity) {
    int capacity = c->table_capacity ? c->table_capacity * 2 : 64;
    lb_pg_table *tables = realloc(c->tables, (size_t)capacity * sizeof *tables);
    if (!tables) return lb_fail_nomem(err);
    c->tables = tables;
    c->table_capacity = capacity;
  }
  lb_pg_table *t = &c->tables[c->table_count];
  *t = (lb_pg_table){ .schema = strdup(schema), .name = strdup(name) };
  c->table_count++;  /* counted at once: what there is of it is freed with the rest */
  if (!t->schema || !t->name) return lb_fail_nomem(err);
  *index = c->table_count - 1;
  return LB_OK;
}

int lb_pg_contents_add_part(lb_pg_contents *c, const lb_pg_part *part, lb_error *err)
{
  if (c->part_count == c->part_capacity) {
    int64_t capacity = c->part_capacity ? c->part_capacity * 2 : 256;
    lb_pg_part *parts = realloc(c->parts, (size_t)capacity * sizeof *parts);
    if (!parts) return lb_fail_nomem(err);
    c->parts = parts;
    c->part_capacity = capacity;
  }
  lb_pg_part *added = &c->parts[c->part_count++];
  *added = *part;
  if (!part->keys) return LB_OK;
  added->keys = malloc(sizeof *added->keys);
  if (!added->keys) return lb_fail_nomem(err);
  *added->keys = *part->keys;
  return LB_OK;
}

void lb_pg_contents_free(lb_pg_contents *c)
{
  for (int i = 0; i < c->table_count; i++) {
    free(c->tables[i].schema);
    free(c->tables[i].name);
    free(c->tables[i].key);
  }
  for (int64_t i = 0; i < c->part_count; i++) free(c->parts[i].keys);
  free(c->tables);
  free(c->parts);
  memset(c, 0, sizeof *c);
}

/* ---- writing ---- */

static void put_table(const lb_pg_contents *c, const lb_pg_table *t, lb_buf *out)
{
  char checksum[17];
  snprintf(checksum, sizeof checksum, "%016llx", (unsigned long long)t->checksum);
  lb_buf_text(out, "{");
  lb_json_put_text(out, "schema", t->schema);
  lb_json_put_text(out, "name", t->name);
  lb_json_put_int(out, "rows", (int64_t)t->rows);
  lb_json_put_int(out, "bytes", (int64_t)t->bytes);
  if (t->key) lb_json_put_text(out, "key", t->key);
  if (c->checksums) lb_json_put_text(out, "checksum", checksum);
  lb_buf_text(out, "}");
}

static void put_part(const lb_pg_part *p, lb_buf *out)
{
  char table[16] = "null";
  if (p->table >= 0) snprintf(table, sizeof table, "%d", p->table);
  lb_buf_printf(out, "[\"%s\",%s,%llu,%llu,%llu,%llu", kind_texts[p->kind], table, (unsigned long long)p->block,
                (unsigned long long)p->blocks, (unsigned long long)p->rows, (unsigned long long)p->bytes);
  if (p->keys && p->keys->kind == LB_KEYS_INTEGERS) {
    lb_buf_printf(out, ",%lld,%lld", (long long)p->keys->low, (long long)p->keys->high);
  } else if (p->keys) {
    lb_json_put_item(out, p->keys->low_text);
    lb_json_put_item(out, p->keys->high_text);
  }
  lb_buf_text(out, "]");
}

char *lb_pg_contents_format(const lb_pg_contents *c, lb_error *err)
{
  lb_buf out = { 0 };
  lb_buf_printf(&out, "{\"checksums\":%d,\"tables\":[", c->checksums);
  for (int i = 0; i < c->table_count; i++) {
    if (i) lb_buf_text(&out, ",");
    put_table(c, &c->tables[i], &out);
  }
  lb_buf_text(&out, "],\"parts\":[");
  for (int64_t i = 0; i < c->part_count; i++) {
    if (i) lb_buf_text(&out, ",");
    put_part(&c->parts[i], &out);
  }
  lb_buf_text(&out, "]}");
  char *text = lb_buf_take(&out);
  if (!text) lb_fail_nomem(err);
  return text;
}

/* ---- reading ---- */

typedef struct parsing {
  lb_pg_contents *c;
  uint64_t next_block, block_count;
} parsing;

static int damaged(lb_error *err, const char *what)
{
  return lb_fail(err, LB_CORRUPT, "the table of contents is damaged: %s", what);
}

/* A whole number from 0. */
static bool number_at(sqlite3_stmt *row, int column, uint64_t *value)
{
  if (sqlite3_column_type(row, column) != SQLITE_INTEGER || sqlite3_column_int64(row, column) < 0) return false;
  *value = (uint64_t)sqlite3_column_int64(row, column);
  return true;
}

static int take_head(void *ctx, sqlite3_stmt *row, lb_error *err)
{
  parsing *p = ctx;
  (void)err;
  p->c->checksums = sqlite3_column_int(row, 0) == 1;
  return LB_OK;
}

static int take_table(void *ctx, sqlite3_stmt *row, lb_error *err)
{
  parsing *p = ctx;
  bool named = sqlite3_column_type(row, 0) == SQLITE_TEXT && sqlite3_column_type(row, 1) == SQLITE_TEXT;
  const char *schema = (const char *)sqlite3_column_text(row, 0), *name = (const char *)sqlite3_column_text(row, 1);
  const char *checksum = (const char *)sqlite3_column_text(row, 4);
  int index;
  if (!named || !schema || !name || p->c->table_count == INT32_MAX) return damaged(err, "a table's name");
  if (lb_pg_contents_add_table(p->c, schema, name, &index, err)) return err->code;
  lb_pg_table *t = &p->c->tables[index];
  if (!number_at(row, 2, &t->rows) || !number_at(row, 3, &t->bytes)) return damaged(err, "a table's figures");
  char *end = NULL;
  if (checksum) t->checksum = strtoull(checksum, &end, 16);
  if (p->c->checksums && (!checksum || strlen(checksum) != 16 || *end)) return damaged(err, "a table's checksum");
  if (sqlite3_column_type(row, 5) == SQLITE_NULL) return LB_OK;
  const char *key = sqlite3_column_type(row, 5) == SQLITE_TEXT ? (const char *)sqlite3_column_text(row, 5) : NULL;
  if (!key) return damaged(err, "a table's key");
  t->key = strdup(key);
  return t->key ? LB_OK : lb_fail_nomem(err);
}

static bool text_at(sqlite3_stmt *row, int column, char *text)
{
  const char *value = (const char *)sqlite3_column_text(row, column);
  size_t n = value ? strlen(value) : 0;
  if (!value || n > LB_KEY_TEXT_MAX || !lb_key_text_is_plain(value, n)) return false;
  memcpy(text, value, n + 1);
  return true;
}

/* Columns 6 and 7: the lowest and the highest key; both may be missing. */
static bool keys_at(sqlite3_stmt *row, lb_key_range *keys)
{
  int low = sqlite3_column_type(row, 6), high = sqlite3_column_type(row, 7);
  *keys = (lb_key_range){ 0 };
  if (low != high) return false;
  if (low == SQLITE_NULL) return true;
  keys->kind = low == SQLITE_INTEGER ? LB_KEYS_INTEGERS : LB_KEYS_TEXTS;
  keys->low = sqlite3_column_int64(row, 6);
  keys->high = sqlite3_column_int64(row, 7);
  if (low != SQLITE_INTEGER &&
      (low != SQLITE_TEXT || !text_at(row, 6, keys->low_text) || !text_at(row, 7, keys->high_text))) {
    return false;
  }
  return lb_key_range_is_sound(keys);
}

static int take_part(void *ctx, sqlite3_stmt *row, lb_error *err)
{
  parsing *p = ctx;
  const char *kind = (const char *)sqlite3_column_text(row, 0);
  lb_pg_part part = { .table = -1 };
  uint64_t table;
  int k = 0;
  while (kind && k < KINDS && strcmp(kind, kind_texts[k]) != 0) k++;
  if (!kind || k == KINDS) return damaged(err, "a part of an unknown kind");
  part.kind = (lb_part_kind)k;
  if (p->c->part_count && part.kind < p->c->parts[p->c->part_count - 1].kind) return damaged(err, "the parts' order");
  if (part.kind == LB_PART_DATA) {
    if (!number_at(row, 1, &table) || table >= (uint64_t)p->c->table_count) return damaged(err, "a part's table");
    part.table = (int)table;
  }
  if (!number_at(row, 2, &part.block) || !number_at(row, 3, &part.blocks) || !number_at(row, 4, &part.rows) ||
      !number_at(row, 5, &part.bytes)) {
    return damaged(err, "a part's figures");
  }
  if (part.block != p->next_block || part.blocks == 0 || part.blocks > p->block_count - part.block) {
    return damaged(err, "the place of a part");
  }
  lb_key_range keys;
  bool keyed = part.table >= 0 && p->c->tables[part.table].key;
  if (!keys_at(row, &keys) || (keys.kind != LB_KEYS_NONE && !keyed)) return damaged(err, "a part's keys");
  if (keys.kind != LB_KEYS_NONE) part.keys = &keys;
  p->next_block += part.blocks;
  return lb_pg_contents_add_part(p->c, &part, err);
}

/* What the parts of a table have makes the table. */
static int check_sums(const lb_pg_contents *c, lb_error *err)
{
  uint64_t *rows = calloc((size_t)c->table_count + 1, sizeof *rows);
  if (!rows) return lb_fail_nomem(err);
  for (int64_t i = 0; i < c->part_count; i++) {
    if (c->parts[i].table >= 0) rows[c->parts[i].table] += c->parts[i].rows;
  }
  for (int i = 0; i < c->table_count; i++) if (rows[i] != c->tables[i].rows) damaged(err, "the rows of a table");
  free(rows);
  return err->code;
}

int lb_pg_contents_parse(lb_json *json, const char *text, uint64_t block_count, lb_pg_contents *c, lb_error *err)
{
  parsing p = { c, 0, block_count };
  memset(c, 0, sizeof *c);
  if (lb_json_rows(json, "SELECT json_extract(?1, '$.checksums')", text, take_head, &p, err) == LB_OK &&
      lb_json_rows(json,
                   "SELECT json_extract(value, '$.schema'), json_extract(value, '$.name'), "
                   "json_extract(value, '$.rows'), json_extract(value, '$.bytes'), json_extract(value, '$.checksum'), "
                   "json_extract(value, '$.key') "
                   "FROM json_each(?1, '$.tables')",
                   text, take_table, &p, err) == LB_OK &&
      lb_json_rows(json,
                   "SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]'), json_extract(value, '$[2]'), "
                   "json_extract(value, '$[3]'), json_extract(value, '$[4]'), json_extract(value, '$[5]'), "
                   "json_extract(value, '$[6]'), json_extract(value, '$[7]') "
                   "FROM json_each(?1, '$.parts')",
                   text, take_part, &p, err) == LB_OK &&
      p.next_block != block_count) {
    damaged(err, "blocks that no part has");
  }
  if (!err->code) check_sums(c, err);
  if (err->code) lb_pg_contents_free(c);
  return err->code;
}

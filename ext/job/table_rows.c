/* See table_rows.h: opening. The steps: open the backup; read what its script defines; choose the table; note its
** columns, the tables whose rows are its own, and the parts of the backup that hold them. Reading is row_scan.c's.
*/
#include "job/table_rows.h"

#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "job/table_name.h"
#include "job/table_parts.h"
#include "postgres/script.h"
#include "postgres/session.h"

enum { PARTITION_DEPTH_MAX = 100 };

/* ---- names ---- */

static int compare_names(const void *a, const void *b)
{
  const lb_raw_name *x = a, *y = b;
  int order = strcmp(x->schema, y->schema);
  return order ? order : strcmp(x->name, y->name);
}

bool lb_raw_names_have(const lb_raw_names *names, const char *schema, const char *name)
{
  lb_raw_name wanted = { (char *)schema, (char *)name };
  return names->count && bsearch(&wanted, names->list, names->count, sizeof wanted, compare_names);
}

static int copy_name(const lb_pg_definition *d, lb_raw_name *name, lb_error *err)
{
  name->schema = lb_text_copy(d->schema, err);
  name->name = lb_text_copy(d->name, err);
  return err->code;
}

static void free_name(lb_raw_name *name)
{
  free(name->schema);
  free(name->name);
}

static void free_names(lb_raw_names *names)
{
  for (size_t i = 0; i < names->count; i++) free_name(&names->list[i]);
  free(names->list);
}

/* ---- what the script defines ---- */

typedef struct defining {
  lb_table_rows *rows;
  lb_job *job;
  lb_pg_definitions *definitions;
  lb_pg_session session;
  lb_script *script;
  bool data_seen;      /* what defines tables is over, in a dump of pg_dump's */
  int chosen;          /* the definition; -1: none yet */
} defining;

static int take_statement(void *ctx, const char *sql, size_t len, uint64_t offset, bool copy, const char *comment,
                          lb_error *err)
{
  defining *d = ctx;
  lb_ddl ddl;
  (void)copy, (void)comment;
  lb_ddl_read(sql, len, &ddl);
  d->data_seen = d->data_seen || ddl.kind == LB_DDL_COPY || ddl.kind == LB_DDL_INSERT;
  if (lb_pg_session_statement(&d->session, &ddl, offset, err)) return err->code;
  return lb_pg_definitions_take(d->definitions, &ddl, err);
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
  return lb_pg_session_meta(&((defining *)ctx)->session, line, offset, err);
}

static const lb_script_ops defining_ops = { take_statement, take_data, take_copy_end, take_meta };

/* What is wrong with the script itself, told of the file it is in. */
static int feed(defining *d, const unsigned char *data, size_t n, lb_error *err)
{
  int rc = n ? lb_script_feed(d->script, data, n, err) : lb_script_end(d->script, err);
  if (rc) lb_error_prefix(err, "%s: ", d->rows->backup.path);
  return rc;
}

/* A part of the backup, or with first_copy only so much of it that its COPY is known. */
static int read_part(defining *d, const lb_pg_part *part, uint64_t offset, bool first_copy, lb_error *err)
{
  lb_content *content = &d->rows->content;
  bool done = false;
  d->data_seen = false;
  d->script = lb_script_open(&defining_ops, d, offset, err);
  for (uint64_t b = 0; d->script && b < part->blocks && !done && !err->code; b++) {
    const unsigned char *data;
    size_t n;
    if (lb_task_poll(&d->job->task, err) || lb_cursor_read(content->cursor, part->block + b, &data, &n, err)) break;
    feed(d, data, n, err);
    done = first_copy && d->data_seen;
  }
  if (!err->code && !done) feed(d, NULL, 0, err);
  lb_script_close(d->script);
  d->script = NULL;
  return err->code;
}

static int read_pre_data(defining *d, lb_error *err)
{
  const lb_pg_contents *c = &d->rows->content.table;
  uint64_t offset = 0;
  for (int64_t i = 0; i < c->part_count && !err->code; i++) {
    if (c->parts[i].kind == LB_PART_PRE_DATA) read_part(d, &c->parts[i], offset, false, err);
    offset += c->parts[i].bytes;
  }
  lb_pg_definitions_settle(d->definitions);
  return err->code;
}

/* Data without a definition (of an extension, or in a backup of data alone): its first COPY tells the columns. */
static int read_first_copy(defining *d, int table, lb_error *err)
{
  const lb_pg_contents *c = &d->rows->content.table;
  uint64_t offset = 0;
  int64_t i = 0;
  for (; i < c->part_count && c->parts[i].table != table; i++) offset += c->parts[i].bytes;
  if (i == c->part_count) {
    return lb_fail(err, LB_UNSUPPORTED, "%s: nothing in it tells the columns of %s.%s, which has no rows",
                   d->rows->backup.path, c->tables[table].schema, c->tables[table].name);
  }
  read_part(d, &c->parts[i], offset, true, err);
  lb_pg_definitions_settle(d->definitions);
  return err->code;
}

/* ---- choosing ---- */

static lb_tables tables_of(const defining *d)
{
  const lb_table_rows *r = d->rows;
  return (lb_tables){ r->backup.path, d->definitions, r->content.has_table ? &r->content.table : NULL, r->encoding };
}

static int open_encoding(defining *d, lb_error *err)
{
  lb_pg_encoding_close(d->rows->encoding);
  d->rows->encoding = lb_pg_encoding_open(d->session.encoding, err);
  if (!d->rows->encoding) lb_error_prefix(err, "%s: ", d->rows->backup.path);
  return err->code;
}

static int choose_listed(defining *d, const char *wanted, lb_error *err)
{
  lb_table_choice choice;
  if (read_pre_data(d, err) || open_encoding(d, err)) return err->code;
  lb_tables tables = tables_of(d);
  if (lb_tables_choose(&tables, wanted, &choice, err)) return err->code;
  if (choice.table >= 0) {
    if (read_first_copy(d, choice.table, err)) return err->code;
    const lb_pg_table *listed = &d->rows->content.table.tables[choice.table];
    for (int i = 0; i < lb_pg_definitions_count(d->definitions) && choice.definition < 0 && !err->code; i++) {
      lb_pg_definition def = lb_pg_definition_at(d->definitions, i);
      if (lb_tables_is_listed(listed, def.schema, def.name, err)) choice.definition = i;
    }
  }
  d->chosen = choice.definition;
  return d->chosen < 0 ? lb_tables_fail_unknown(&tables, wanted, err) : LB_OK;
}

/* From the front of a dump of another tool: its definitions come first; where the table is not among them, there may be
** data of it further on. */
static int choose_scanned(defining *d, const char *wanted, lb_error *err)
{
  lb_table_choice choice = { -1, -1 };
  lb_front *front = lb_front_open(d->rows->content.reader, &d->job->task, err);
  d->script = front ? lb_script_open(&defining_ops, d, 0, err) : NULL;
  bool looked = false;
  size_t n = 1;
  lb_task_phase(&d->job->task, "looking for the table", lb_reader_raw_bytes(d->rows->content.reader));
  while (n && choice.definition < 0 && !err->code) {
    const unsigned char *data;
    if (lb_front_read(front, &data, &n, err)) break;
    if (feed(d, data, n, err)) break;
    lb_task_advance(&d->job->task, (int64_t)n);
    if (n && (looked || !d->data_seen)) continue;
    looked = true;
    lb_pg_definitions_settle(d->definitions);
    if (open_encoding(d, err)) break;
    lb_tables tables = tables_of(d);
    if (lb_tables_choose(&tables, wanted, &choice, err)) break;
    /* Another schema may have data of that name yet. */
    if (n && choice.definition >= 0 && lb_pg_definition_at(d->definitions, choice.definition).kind == LB_DDL_COPY) {
      choice.definition = -1;
    }
    if (!n && choice.definition < 0 && !err->code) lb_tables_fail_unknown(&tables, wanted, err);
  }
  d->chosen = choice.definition;
  lb_script_close(d->script);
  d->script = NULL;
  lb_front_close(front);
  return err->code;
}

/* ---- what the table is ---- */

static int note_columns(defining *d, lb_error *err)
{
  lb_table_rows *r = d->rows;
  lb_pg_column *columns = NULL;
  int count = 0;
  if (lb_pg_definition_columns(d->definitions, d->chosen, &columns, &count, err)) {
    lb_error_prefix(err, "%s: table %s: ", r->backup.path, r->name);
  }
  r->columns = err->code ? NULL : calloc((size_t)count + 1, sizeof *r->columns);
  if (!err->code && !r->columns) lb_fail_nomem(err);
  for (int i = 0; i < count && !err->code; i++) {
    lb_buf name = { 0 };
    lb_pg_encoding_name(r->encoding, columns[i].name, &name);
    r->columns[r->column_count++] =
        (lb_table_column){ lb_text_copy(columns[i].name, err), lb_buf_take(&name), columns[i].kind };
    if (!r->columns[i].name) lb_fail_nomem(err);
  }
  free(columns);
  return err->code;
}

static int add_name(lb_raw_names *names, const lb_pg_definition *d, lb_error *err)
{
  if (!names->list || (names->count & (names->count - 1)) == 0) {  /* grows at each power of two */
    lb_raw_name *grown = realloc(names->list, (names->count ? names->count * 2 : 1) * sizeof *grown);
    if (!grown) return lb_fail_nomem(err);
    names->list = grown;
  }
  return copy_name(d, &names->list[names->count++], err);
}

/* Whether i is a partition of `of`, at any depth. */
static bool is_below(const lb_pg_definitions *d, int i, int of, lb_error *err)
{
  int depth = 0;
  while ((i = lb_pg_definition_parent(d, i)) >= 0 && i != of) {
    if (++depth < PARTITION_DEPTH_MAX) continue;
    lb_fail(err, LB_UNSUPPORTED, "partitions are more than %d deep", PARTITION_DEPTH_MAX);
    return false;
  }
  return i >= 0;
}

/* Tables whose rows are its own, and those above it. */
static int note_family(defining *d, lb_error *err)
{
  lb_table_rows *r = d->rows;
  lb_pg_definition own = lb_pg_definition_at(d->definitions, d->chosen);
  r->has_data = own.kind != LB_DDL_PARTITIONED;
  if (copy_name(&own, &r->own, err) || add_name(&r->sources, &own, err)) return err->code;
  for (int i = 0; i < lb_pg_definitions_count(d->definitions) && !err->code; i++) {
    lb_pg_definition other = lb_pg_definition_at(d->definitions, i);
    if (is_below(d->definitions, d->chosen, i, err)) add_name(&r->above, &other, err);
    else if (!err->code && i != d->chosen && is_below(d->definitions, i, d->chosen, err)) {
      add_name(&r->sources, &other, err);
      r->has_data = r->has_data || other.kind == LB_DDL_TABLE;  /* foreign ones have none */
    }
  }
  if (r->above.count) qsort(r->above.list, r->above.count, sizeof *r->above.list, compare_names);
  qsort(r->sources.list, r->sources.count, sizeof *r->sources.list, compare_names);
  return err->code;
}

/* Whether a table of contents is one of these. */
static bool is_one_of(const lb_raw_names *names, const lb_pg_table *listed, lb_error *err)
{
  if (lb_raw_names_have(names, listed->schema, listed->name)) return true;
  for (size_t i = 0; i < names->count && strstr(listed->name, "\xEF\xBF\xBD") && !err->code; i++) {
    if (lb_tables_is_listed(listed, names->list[i].schema, names->list[i].name, err)) return true;
  }
  return false;
}

/* The column of that name in a table of contents, where what was no UTF-8 is U+FFFD and may be another name. */
static int key_column(const lb_table_rows *r, const char *key)
{
  if (!key || strstr(key, "\xEF\xBF\xBD")) return -1;
  for (int i = 0; i < r->column_count; i++) if (strcmp(r->columns[i].raw, key) == 0) return i;
  return -1;
}

/* The parts with its rows. */
static int note_parts(lb_table_rows *r, lb_error *err)
{
  const lb_pg_contents *c = &r->content.table;
  bool *wanted = calloc((size_t)c->table_count + 1, sizeof *wanted), listed = false;
  int *keys = calloc((size_t)c->table_count + 1, sizeof *keys);
  r->parts = calloc((size_t)c->part_count + 1, sizeof *r->parts);
  if (!wanted || !keys || !r->parts) lb_fail_nomem(err);
  for (int i = 0; i < c->table_count && !err->code; i++) {
    wanted[i] = is_one_of(&r->sources, &c->tables[i], err);
    listed = listed || wanted[i];
    keys[i] = wanted[i] ? key_column(r, c->tables[i].key) : -1;
    if (c->tables[i].rows && is_one_of(&r->above, &c->tables[i], err)) {
      lb_fail(err, LB_UNSUPPORTED, "%s: rows of %s are in it among those of %s.%s, which it is a partition of: ask for "
              "that table", r->backup.path, r->name, c->tables[i].schema, c->tables[i].name);
    }
  }
  for (int64_t i = 0; i < c->part_count && !err->code; i++) {
    const lb_pg_part *part = &c->parts[i];
    if (part->kind != LB_PART_DATA || !wanted[part->table]) continue;
    r->parts[r->part_count++] = (lb_table_part){ part, r->count, part->keys ? keys[part->table] : -1 };
    if (part->rows > (uint64_t)(INT64_MAX - r->count)) lb_fail(err, LB_CORRUPT, "the table of contents is damaged");
    else r->count += (int64_t)part->rows;
  }
  free(wanted);
  free(keys);
  if (!err->code && !listed && r->has_data) {
    lb_fail(err, LB_NOTFOUND, "%s: rows of %s were left out when it was made", r->backup.path, r->name);
  }
  return err->code;
}

static int note_table(defining *d, lb_error *err)
{
  lb_table_rows *r = d->rows;
  lb_buf name = { 0 };
  lb_pg_definition own = lb_pg_definition_at(d->definitions, d->chosen);
  lb_tables_put_name(r->encoding, own.schema, own.name, &name);
  r->name = lb_buf_take(&name);
  if (!r->name) return lb_fail_nomem(err);
  if (note_columns(d, err) == LB_OK && note_family(d, err) == LB_OK && r->content.has_table) note_parts(r, err);
  if (!r->content.has_table) r->count = -1;
  if (d->session.encoding) r->encoding_name = lb_text_copy(d->session.encoding, err);
  return err->code;
}

/* ---- the whole ---- */

static int open_file(lb_job *job, const char *backup, lb_table_rows *r, lb_error *err)
{
  if (lb_job_find_backup(job, backup, LB_TYPE_POSTGRES, &r->backup, err)) return err->code;
  bool script = lb_content_is_script(&r->backup, err);
  if (err->code) return err->code;
  if (!script) {
    return lb_fail(err, LB_MISUSE, "%s: holds no PostgreSQL dump; one of SQLite is attached: ATTACH backup_uri('%s')",
                   r->backup.path, r->backup.path);
  }
  return lb_content_open(&r->content, r->backup.reader, r->backup.path, job, 1, err);
}

static int find_table(lb_job *job, const char *table, lb_table_rows *r, lb_error *err)
{
  defining d = { .rows = r, .job = job, .chosen = -1, .definitions = lb_pg_definitions_open(err) };
  if (!err->code && r->content.has_table) choose_listed(&d, table, err);
  else if (!err->code) choose_scanned(&d, table, err);
  if (!err->code) note_table(&d, err);
  lb_pg_definitions_close(d.definitions);
  lb_pg_session_free(&d.session);
  return err->code;
}

int lb_table_rows_open(lb_job *job, const char *backup, const char *table, lb_table_rows **rows, lb_error *err)
{
  lb_table_rows *r = *rows = calloc(1, sizeof *r);
  if (!r) return lb_fail_nomem(err);
  r->backup.fd = -1;
  lb_job_begin(job, "table", backup, err);
  if (!err->code && open_file(job, backup, r, err) == LB_OK) find_table(job, table, r, err);
  lb_job_end(job, NULL, err);
  /* What served this call only: a scan has a cursor of its own. */
  lb_cursor_close(r->content.cursor);
  r->content.cursor = NULL;
  r->content.task = NULL;
  if (!err->code) lb_file_unlock(r->backup.fd);
  if (!err->code) return LB_OK;
  lb_table_rows_close(r);
  *rows = NULL;
  return err->code;
}

void lb_table_rows_close(lb_table_rows *r)
{
  if (!r) return;
  lb_content_close(&r->content);
  lb_job_close_backup(&r->backup);
  lb_pg_encoding_close(r->encoding);
  for (int i = 0; i < r->column_count; i++) {
    free(r->columns[i].raw);
    free(r->columns[i].name);
  }
  free(r->columns);
  free_name(&r->own);
  free_names(&r->sources);
  free_names(&r->above);
  free(r->encoding_name);
  free(r->name);
  free(r->parts);
  free(r);
}

const char *lb_table_rows_schema(const lb_table_rows *r) { return r->own.schema; }
const char *lb_table_rows_name(const lb_table_rows *r) { return r->own.name; }
int lb_table_rows_columns(const lb_table_rows *r) { return r->column_count; }
const char *lb_table_rows_column(const lb_table_rows *r, int i) { return r->columns[i].name; }
lb_pg_kind lb_table_rows_kind(const lb_table_rows *r, int i) { return r->columns[i].kind; }
int64_t lb_table_rows_count(const lb_table_rows *r) { return r->count; }

int lb_table_rows_key(const lb_table_rows *r, int64_t *rows_at_once)
{
  if (r->part_count == 0) return -1;
  *rows_at_once = r->count / r->part_count;
  return r->parts[0].key;
}

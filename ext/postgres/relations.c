/* See relations.h. */
#include "postgres/relations.h"

#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "postgres/key_range.h"
#include "postgres/quote.h"
#include "sql/hidden_mappings.h"
#include "sql/lock_holders.h"
#include "sql/references.h"
#include "sql/sequences.h"
#include "sql/sizes.h"
#include "sql/tables.h"

enum { LOCKED_AT_ONCE = 100, CIRCLE_TOLD = 5 };
#define NO_SUCH_TABLE "42P01"  /* SQLSTATE */

static int put_oids(const lb_pg_relations *r, lb_buf *array, lb_error *err)
{
  for (int i = 0; i < r->table_count; i++) lb_pg_put_element(array, r->tables[i].oid);
  lb_pg_end_array(array);
  return array->failed ? lb_fail_nomem(err) : LB_OK;
}

/* ---- reading ---- */

static int take_key(const PGresult *result, int row, lb_pg_relation *t, lb_error *err)
{
  t->key_field = atoi(PQgetvalue(result, row, 9));
  t->key_kind = lb_pg_kind_of(PQgetvalue(result, row, 10));
  if (!lb_key_kind_has_ranges(t->key_kind)) return LB_OK;
  t->key = lb_text_copy(PQgetvalue(result, row, 8), err);
  return err->code;
}

/* types: their numbers, with blanks between. What marks a row is text. */
static int take_wires(const char *expressions, const char *types, lb_pg_relation *t, lb_error *err)
{
  t->wires = calloc(strlen(types) / 2 + 2, sizeof *t->wires);
  if (!t->wires) return lb_fail_nomem(err);
  for (char *next; *types; types = next) {
    t->wires[t->wire_count++] = lb_wire_of((uint32_t)strtoul(types, &next, 10));
    while (*next == ' ') next++;
  }
  if (t->marked) t->wires[t->wire_count++] = LB_WIRE_STRING;
  t->expressions = lb_text_copy(expressions, err);
  return err->code;
}

/* How to ask for its rows. */
static int take_forms(const PGresult *result, int row, lb_pg_relation *t, lb_error *err)
{
  if (!PQgetisnull(result, row, 14)) {
    t->marked = lb_text_copy(PQgetvalue(result, row, 13), err);
    t->pieces = lb_text_copy(PQgetvalue(result, row, 14), err);
  }
  if (err->code || PQgetisnull(result, row, 11)) return err->code;
  return take_wires(PQgetvalue(result, row, 11), PQgetvalue(result, row, 12), t, err);
}

static int take_tables(const PGresult *result, lb_pg_relations *r, lb_error *err)
{
  int rows = PQntuples(result);
  r->tables = calloc((size_t)rows + 1, sizeof *r->tables);
  if (!r->tables) return lb_fail_nomem(err);
  for (int i = 0; i < rows; i++) {
    lb_pg_relation *t = &r->tables[r->table_count++];
    t->oid = strdup(PQgetvalue(result, i, 0));
    t->schema = strdup(PQgetvalue(result, i, 1));
    t->name = strdup(PQgetvalue(result, i, 2));
    t->columns = strdup(PQgetvalue(result, i, 3));
    bool conditional = !PQgetisnull(result, i, 4);
    if (conditional) t->condition = strdup(PQgetvalue(result, i, 4));
    t->heap = PQgetvalue(result, i, 5)[0] == 't';
    bool rooted = !PQgetisnull(result, i, 7);
    if (rooted) t->root_schema = strdup(PQgetvalue(result, i, 6));
    if (rooted) t->root_name = strdup(PQgetvalue(result, i, 7));
    if (!PQgetisnull(result, i, 8)) take_key(result, i, t, err);
    /* A condition may mean columns by their places: WHERE … ORDER BY 1. */
    if (!conditional) take_forms(result, i, t, err);
    if (err->code || !t->oid || !t->schema || !t->name || !t->columns || (conditional && !t->condition) ||
        (rooted && (!t->root_schema || !t->root_name))) {
      return lb_fail_nomem(err);
    }
  }
  return LB_OK;
}

static int take_sequences(const PGresult *result, lb_pg_relations *r, lb_error *err)
{
  int rows = PQntuples(result);
  r->sequences = calloc((size_t)rows + 1, sizeof *r->sequences);
  if (!r->sequences) return lb_fail_nomem(err);
  for (int i = 0; i < rows; i++) {
    lb_pg_sequence *s = &r->sequences[r->sequence_count++];
    s->schema = strdup(PQgetvalue(result, i, 0));
    s->name = strdup(PQgetvalue(result, i, 1));
    if (!s->schema || !s->name) return lb_fail_nomem(err);
  }
  return LB_OK;
}

static int read_tables(lb_pg *pg, const lb_pg_patterns *p, lb_pg_relations *r, lb_error *err)
{
  PGresult *result = lb_pg_patterns_query(pg, lb_sql_tables, p, err);
  if (result) take_tables(result, r, err);
  PQclear(result);
  return err->code;
}

/* pg_dump tells late, and from 18 on in words of its own, which name no privilege of the server's. */
static int check_readable(const lb_pg *pg, const PGresult *result, lb_error *err)
{
  for (int i = 0; i < PQntuples(result); i++) {
    if (*PQgetvalue(result, i, 2) == 't') continue;
    return lb_fail(err, LB_PERM, "%s: permission denied for sequence %s.%s", pg->label, PQgetvalue(result, i, 0),
                   PQgetvalue(result, i, 1));
  }
  return LB_OK;
}

static int read_sequences(lb_pg *pg, const lb_pg_filter *filter, const lb_pg_patterns *p, lb_pg_relations *r,
                          lb_error *err)
{
  PGresult *result = lb_pg_patterns_query(pg, lb_sql_sequences, p, err);
  if (result && (filter->schema_only || check_readable(pg, result, err) == LB_OK)) take_sequences(result, r, err);
  PQclear(result);
  return err->code;
}

static int read_large_objects(lb_pg *pg, lb_pg_relations *r, lb_error *err)
{
  char *any = lb_pg_value(pg, err, "SELECT 1 FROM pg_catalog.pg_largeobject_metadata LIMIT 1", 0, NULL);
  r->large_objects = any != NULL;
  free(any);
  return err->code;
}

int lb_pg_relations_read(lb_pg *pg, lb_json *json, const lb_pg_filter *filter, lb_pg_relations *r, lb_error *err)
{
  lb_pg_patterns p;
  bool selective = filter->schemas || filter->tables;
  memset(r, 0, sizeof *r);
  if (lb_pg_patterns_read(json, filter, &p, err)) return err->code;
  if (read_tables(pg, &p, r, err) == LB_OK && read_sequences(pg, filter, &p, r, err) == LB_OK && !selective) {
    read_large_objects(pg, r, err);
  }
  lb_pg_patterns_free(&p);
  if (!err->code && filter->tables && filter->data_only && r->table_count == 0 && r->sequence_count == 0) {
    lb_fail(err, LB_NOTFOUND, "%s: nothing that \"tables\" names has rows", pg->label);
  }
  if (err->code) lb_pg_relations_free(r);
  return err->code;
}

/* A part of a database has no servers. */
int lb_pg_relations_note_mappings(lb_pg *pg, const lb_pg_filter *filter, lb_buf *notes, lb_error *err)
{
  if (filter->schemas || filter->tables || filter->data_only) return LB_OK;
  char *hidden = lb_pg_value(pg, err, lb_sql_hidden_mappings, 0, NULL);
  if (hidden) {
    lb_buf_printf(notes, "%soptions of user mappings, which only their user or a superuser may read, are left out: %s",
                  notes->len ? "\n" : "", hidden);
  }
  free(hidden);
  return err->code;
}

/* ---- locking, weighing, sorting ---- */

static int lock_some(lb_pg *pg, const lb_pg_relation *tables, int count, lb_error *err)
{
  lb_buf sql = { 0 };
  for (int i = 0; i < count; i++) {
    lb_buf_text(&sql, i ? ", ONLY " : "LOCK TABLE ONLY ");
    lb_pg_put_qualified(&sql, tables[i].schema, tables[i].name);
  }
  lb_buf_text(&sql, " IN ACCESS SHARE MODE");
  if (sql.failed) lb_fail_nomem(err);
  else lb_pg_exec(pg, sql.data, err);
  if (err->code && strcmp(pg->state, NO_SUCH_TABLE) == 0) err->code = LB_BUSY;  /* dropped since the snapshot */
  lb_buf_free(&sql);
  return err->code;
}

/* A table that was rewritten (ALTER TABLE, TRUNCATE) or made anew between the snapshot and the lock is empty to the
** snapshot. The catalogue is read in the snapshot; the function tells what is there now. */
static int check_unchanged(lb_pg *pg, const char *oids, lb_error *err)
{
  char *name = lb_pg_value(pg, err, "SELECT c.oid::pg_catalog.regclass FROM pg_catalog.pg_class c"
                           " WHERE c.oid = ANY ($1::pg_catalog.oid[]) AND c.relfilenode <> 0"
                           " AND pg_catalog.pg_relation_filenode(c.oid) IS DISTINCT FROM c.relfilenode LIMIT 1",
                           1, &oids);
  if (name) {
    lb_fail(err, LB_BUSY, "%s: table %s was written anew (ALTER TABLE, TRUNCATE) while the backup took its locks: back "
            "up when no tables are changed", pg->label, name);
  }
  free(name);
  return err->code;
}

static int weigh(lb_pg *pg, lb_pg_relations *r, const char *oids, lb_error *err)
{
  PGresult *result = lb_pg_query(pg, err, lb_sql_sizes, 1, &oids);
  for (int i = 0; result && i < r->table_count && i < PQntuples(result); i++) {
    r->tables[i].pages = strtoull(PQgetvalue(result, i, 0), NULL, 10);
    r->tables[i].bytes = strtoull(PQgetvalue(result, i, 1), NULL, 10);
  }
  PQclear(result);
  return err->code;
}

/* A foreign key: child refers to parent. */
typedef struct reference {
  lb_pg_relation *child, *parent;
} reference;

static int compare_oids(const void *left, const void *right)
{
  const lb_pg_relation *const *a = left, *const *b = right;
  return strcmp((*a)->oid, (*b)->oid);
}

static lb_pg_relation *find_oid(lb_pg_relation *const *by_oid, int count, char *oid)
{
  lb_pg_relation wanted = { .oid = oid }, *key = &wanted;
  lb_pg_relation *const *found = bsearch(&key, by_oid, (size_t)count, sizeof *by_oid, compare_oids);
  return found ? *found : NULL;
}

/* Those between two tables; a table that refers to itself is marked. NULL: err is set. */
static reference *take_references(const PGresult *result, lb_pg_relations *r, int *count, lb_error *err)
{
  int rows = PQntuples(result);
  reference *all = calloc((size_t)rows + 1, sizeof *all);
  lb_pg_relation **by_oid = calloc((size_t)r->table_count + 1, sizeof *by_oid);
  *count = 0;
  if (all && by_oid) {
    for (int i = 0; i < r->table_count; i++) by_oid[i] = &r->tables[i];
    qsort(by_oid, (size_t)r->table_count, sizeof *by_oid, compare_oids);
    for (int i = 0; i < rows; i++) {
      reference *one = &all[*count];
      one->child = find_oid(by_oid, r->table_count, PQgetvalue(result, i, 0));
      one->parent = find_oid(by_oid, r->table_count, PQgetvalue(result, i, 1));
      if (one->child && one->child == one->parent) one->child->circular = true;
      else if (one->child && one->parent) ++*count;
    }
  } else {
    lb_fail_nomem(err);
    free(all);
    all = NULL;
  }
  free(by_oid);
  return all;
}

/* Tables in a circle of references get some order: nobody can load them one by one with the keys in place. They, and
** those that refer to them, end up as deep as there are tables, or deeper; others cannot. */
static int find_depths(lb_pg *pg, lb_pg_relations *r, const char *oids, lb_error *err)
{
  int count = 0;
  PGresult *result = lb_pg_query(pg, err, lb_sql_references, 1, &oids);
  reference *all = result ? take_references(result, r, &count, err) : NULL;
  bool changed = all != NULL;
  for (int round = 0; changed && round < r->table_count && lb_task_poll(pg->task, err) == LB_OK; round++) {
    changed = false;
    for (const reference *one = all; one < all + count; one++) {
      if (one->child->depth > one->parent->depth) continue;
      one->child->depth = one->parent->depth + 1;
      one->child->circular |= one->child->depth >= r->table_count;
      changed = true;
    }
  }
  free(all);
  PQclear(result);
  return err->code;
}

void lb_pg_relations_note_circle(const lb_pg_relations *r, lb_buf *notes)
{
  int told = 0;
  for (int i = 0; i < r->table_count && told <= CIRCLE_TOLD; i++) {
    if (!r->tables[i].circular) continue;
    if (told++ == 0) {
      lb_buf_printf(notes, "%sforeign keys go round in a circle, so that rows may not load while keys are there: ",
                    notes->len ? "\n" : "");
    }
    if (told > CIRCLE_TOLD) lb_buf_text(notes, ", …");
    else lb_buf_printf(notes, "%s%s.%s", told > 1 ? ", " : "", r->tables[i].schema, r->tables[i].name);
  }
}

static int compare_tables(const void *left, const void *right)
{
  const lb_pg_relation *a = left, *b = right;
  if (a->depth != b->depth) return a->depth < b->depth ? -1 : 1;
  if (a->bytes != b->bytes) return a->bytes > b->bytes ? -1 : 1;
  int order = strcmp(a->schema, b->schema);
  return order ? order : strcmp(a->name, b->name);
}

static void sort_tables(lb_pg_relations *r)
{
  if (r->table_count) qsort(r->tables, (size_t)r->table_count, sizeof *r->tables, compare_tables);
}

int lb_pg_relations_lock(lb_pg *pg, const lb_pg_filter *filter, lb_pg_relations *r, lb_error *err)
{
  lb_buf oids = { 0 };
  for (int i = 0; i < r->table_count && !err->code; i += LOCKED_AT_ONCE) {
    int count = r->table_count - i < LOCKED_AT_ONCE ? r->table_count - i : LOCKED_AT_ONCE;
    lock_some(pg, &r->tables[i], count, err);
  }
  if (!err->code && put_oids(r, &oids, err) == LB_OK && check_unchanged(pg, oids.data, err) == LB_OK &&
      weigh(pg, r, oids.data, err) == LB_OK && filter->data_only) {
    find_depths(pg, r, oids.data, err);
  }
  if (!err->code) sort_tables(r);
  lb_buf_free(&oids);
  return err->code;
}

int lb_pg_relations_weigh(lb_pg *pg, lb_pg_relations *r, lb_error *err)
{
  lb_buf oids = { 0 };
  if (put_oids(r, &oids, err) == LB_OK && weigh(pg, r, oids.data, err) == LB_OK) sort_tables(r);
  lb_buf_free(&oids);
  return err->code;
}

void lb_pg_relations_blockers(lb_pg *pg, const char *lock, lb_buf *text)
{
  lb_error ignored = LB_ERROR_INIT;
  PGresult *r = lb_pg_query(pg, &ignored, lb_sql_lock_holders, 1, (const char *const[]){ lock });
  for (int i = 0; r && i < PQntuples(r); i++) {
    bool prepared = PQgetisnull(r, i, 4);
    const char *who = PQgetvalue(r, i, prepared ? 5 : 3);
    lb_buf_text(text, i ? ", " : "");
    lb_pg_put_qualified(text, PQgetvalue(r, i, 0), PQgetvalue(r, i, 1));
    lb_buf_text(text, prepared ? " by the prepared transaction " : " by ");
    lb_pg_put_comment(text, *who || prepared ? who : "a session");
    lb_buf_text(text, " (user ");
    lb_pg_put_comment(text, PQgetvalue(r, i, 2));
    if (prepared) lb_buf_text(text, ")");
    else lb_buf_printf(text, ", pid %s)", PQgetvalue(r, i, 4));
  }
  PQclear(r);
}

void lb_pg_relations_free(lb_pg_relations *r)
{
  for (int i = 0; i < r->table_count; i++) {
    lb_pg_relation *t = &r->tables[i];
    free(t->oid);
    free(t->schema);
    free(t->name);
    free(t->root_schema);
    free(t->root_name);
    free(t->columns);
    free(t->expressions);
    free(t->wires);
    free(t->marked);
    free(t->pieces);
    free(t->condition);
    free(t->key);
  }
  for (int i = 0; i < r->sequence_count; i++) {
    free(r->sequences[i].schema);
    free(r->sequences[i].name);
  }
  free(r->tables);
  free(r->sequences);
  memset(r, 0, sizeof *r);
}

/* See table_name.h. */
#include "job/table_name.h"

#include <stdlib.h>
#include <string.h>

enum { NEAR_MOST = 5, LISTED_MOST = 10, NAME_BYTES = 64 };

/* ---- names as SQL writes them ---- */

static bool is_plain(const char *name)
{
  bool plain = (*name >= 'a' && *name <= 'z') || *name == '_';
  for (; *name && plain; name++) {
    plain = (*name >= 'a' && *name <= 'z') || (*name >= '0' && *name <= '9') || *name == '_' || *name == '$';
  }
  return plain;
}

static void put_identifier(lb_pg_encoding *encoding, const char *name, lb_buf *out)
{
  lb_buf text = { 0 };
  lb_pg_encoding_name(encoding, name, &text);
  if (!text.data || !is_plain(text.data)) {
    lb_buf_text(out, "\"");
    for (const char *p = text.data ? text.data : ""; *p; p++) {
      bool quote = *p == '"';
      lb_buf_append(out, quote ? "\"\"" : p, quote ? 2 : 1);
    }
    lb_buf_text(out, "\"");
  } else {
    lb_buf_text(out, text.data);
  }
  out->failed = out->failed || text.failed;
  lb_buf_free(&text);
}

void lb_tables_put_name(lb_pg_encoding *encoding, const char *schema, const char *name, lb_buf *out)
{
  put_identifier(encoding, schema, out);
  lb_buf_text(out, ".");
  put_identifier(encoding, name, out);
}

/* What is asked for; parts are without quotes. */
typedef struct question {
  lb_buf schema, name;
  bool has_schema;
} question;

static void free_question(question *q)
{
  lb_buf_free(&q->schema);
  lb_buf_free(&q->name);
}

/* One part of the name: plain letters become lower case. NULL: an open quote, or nothing. */
static const char *take_part(const char *p, lb_buf *out)
{
  size_t before = out->len;
  if (*p != '"') {
    for (; *p && *p != '.' && *p != '"'; p++) {
      char c = *p >= 'A' && *p <= 'Z' ? (char)(*p + 32) : *p;
      lb_buf_append(out, &c, 1);
    }
    return out->len > before ? p : NULL;
  }
  for (p++; *p && (*p != '"' || p[1] == '"'); p++) {
    lb_buf_append(out, p, 1);
    p += *p == '"';
  }
  return *p && out->len > before ? p + 1 : NULL;
}

static int read_question(const char *wanted, question *q, lb_error *err)
{
  *q = (question){ 0 };
  const char *p = take_part(wanted, &q->name);
  if (p && *p == '.') {
    q->schema = q->name;
    q->name = (lb_buf){ 0 };
    q->has_schema = true;
    p = take_part(p + 1, &q->name);
  }
  if (q->schema.failed || q->name.failed) lb_fail_nomem(err);
  else if (!p || *p) {
    lb_fail(err, LB_MISUSE, "\"%s\" is no name of a table: pass schema.table, with names that are not in lower case in "
            "double quotes: public.\"Agents\"", wanted);
  }
  if (err->code) free_question(q);
  return err->code;
}

/* ---- what there is ---- */

/* A name of the script is what is asked for: as UTF-8, or as it looks in backup_contents. */
static bool same_name(lb_pg_encoding *encoding, const char *name, const char *wanted, lb_error *err)
{
  lb_buf text = { 0 }, listed = { 0 };
  if (strcmp(name, wanted) == 0) return true;
  lb_pg_encoding_name(encoding, name, &text);
  lb_pg_name_in_json(name, &listed);
  bool same = (text.data && strcmp(text.data, wanted) == 0) || (listed.data && strcmp(listed.data, wanted) == 0);
  if (text.failed || listed.failed) lb_fail_nomem(err);
  lb_buf_free(&text);
  lb_buf_free(&listed);
  return same;
}

/* Whether a text of contents is this name. */
static bool is_listed_as(const char *listed, const char *name, lb_error *err)
{
  lb_buf text = { 0 };
  if (strcmp(listed, name) == 0) return true;
  if (!strstr(listed, "\xEF\xBF\xBD")) return false;
  lb_pg_name_in_json(name, &text);
  bool same = text.data && strcmp(text.data, listed) == 0;
  if (text.failed) lb_fail_nomem(err);
  lb_buf_free(&text);
  return same;
}

bool lb_tables_is_listed(const lb_pg_table *listed, const char *schema, const char *name, lb_error *err)
{
  return is_listed_as(listed->name, name, err) && is_listed_as(listed->schema, schema, err);
}

static bool has_rows(lb_ddl_kind kind)
{
  return kind == LB_DDL_TABLE || kind == LB_DDL_PARTITIONED || kind == LB_DDL_COPY;
}

/* Whether something defines a table of contents. */
static bool is_defined(const lb_tables *t, int table, lb_error *err)
{
  const lb_pg_table *c = &t->contents->tables[table];
  bool exact = !strstr(c->schema, "\xEF\xBF\xBD") && !strstr(c->name, "\xEF\xBF\xBD");
  if (exact) return lb_pg_definition_find(t->definitions, c->schema, c->name) >= 0;
  for (int i = 0; i < lb_pg_definitions_count(t->definitions) && !err->code; i++) {
    lb_pg_definition d = lb_pg_definition_at(t->definitions, i);
    if (lb_tables_is_listed(c, d.schema, d.name, err)) return true;
  }
  return false;
}

/* Tells all tables that may have rows, and of definitions the others as well. Goes on while each returns LB_OK. */
typedef struct told { lb_ddl_kind kind; const char *schema, *name; lb_table_choice choice; } told;

static int each_table(const lb_tables *t, int (*each)(void *ctx, const told *item, lb_error *err), void *ctx,
                      lb_error *err)
{
  for (int i = 0; i < lb_pg_definitions_count(t->definitions) && !err->code; i++) {
    lb_pg_definition d = lb_pg_definition_at(t->definitions, i);
    each(ctx, &(told){ d.kind, d.schema, d.name, { i, -1 } }, err);
  }
  for (int i = 0; t->contents && i < t->contents->table_count && !err->code; i++) {
    const lb_pg_table *c = &t->contents->tables[i];
    if (!is_defined(t, i, err) && !err->code) each(ctx, &(told){ LB_DDL_COPY, c->schema, c->name, { -1, i } }, err);
  }
  return err->code;
}

/* ---- choosing ---- */

typedef struct choosing {
  const lb_tables *tables;
  const question *q;
  lb_table_choice choice;
  int found;
  lb_buf list;         /* of those that were found */
} choosing;

static int choose(void *ctx, const told *item, lb_error *err)
{
  choosing *c = ctx;
  lb_pg_encoding *encoding = c->tables->encoding;
  if (!has_rows(item->kind) || !same_name(encoding, item->name, c->q->name.data, err) ||
      (c->q->has_schema && !same_name(encoding, item->schema, c->q->schema.data, err))) {
    return err->code;
  }
  c->choice = item->choice;
  if (c->found++ < LISTED_MOST) {
    if (c->list.len) lb_buf_text(&c->list, ", ");
    lb_tables_put_name(encoding, item->schema, item->name, &c->list);
  }
  return c->list.failed ? lb_fail_nomem(err) : err->code;
}

int lb_tables_choose(const lb_tables *t, const char *wanted, lb_table_choice *choice, lb_error *err)
{
  question q;
  *choice = (lb_table_choice){ -1, -1 };
  if (read_question(wanted, &q, err)) return err->code;
  choosing c = { .tables = t, .q = &q, .choice = *choice };
  if (each_table(t, choose, &c, err) == LB_OK && c.found > 1) {
    lb_fail(err, LB_MISUSE, "%s: several tables are called \"%s\": %s%s (say which, with its schema)", t->path, wanted,
            c.list.data, c.found > LISTED_MOST ? ", …" : "");
  }
  if (!err->code) *choice = c.choice;
  lb_buf_free(&c.list);
  free_question(&q);
  return err->code;
}

/* ---- none ---- */

/* The least number of letters that are added, left out, changed or change places between a and b, case aside; of long
** names the first 63 bytes. */
static int distance(const char *a, const char *b)
{
  int rows[3][NAME_BYTES];
  size_t n = strnlen(a, NAME_BYTES - 1), m = strnlen(b, NAME_BYTES - 1);
  for (size_t j = 0; j <= m; j++) rows[0][j] = (int)j;
  for (size_t i = 1; i <= n; i++) {
    int *now = rows[i % 3], *before = rows[(i + 2) % 3], *earlier = rows[(i + 1) % 3];
    now[0] = (int)i;
    for (size_t j = 1; j <= m; j++) {
      int same = (a[i - 1] | 32) == (b[j - 1] | 32);
      int least = before[j - 1] + !same;
      if (before[j] + 1 < least) least = before[j] + 1;
      if (now[j - 1] + 1 < least) least = now[j - 1] + 1;
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] && earlier[j - 2] + 1 < least) {
        least = earlier[j - 2] + 1;
      }
      now[j] = least;
    }
  }
  return rows[n % 3][m];
}

typedef struct near {
  const lb_tables *tables;
  const question *q;
  const char *what;    /* of what is called so, and has no rows; NULL: nothing */
  int count, all;
  struct { int distance; told item; } best[NEAR_MOST];   /* nearest first */
} near;

static void keep_near(near *n, const told *item, int far)
{
  int at = n->count;
  while (at > 0 && n->best[at - 1].distance > far) at--;
  if (at == NEAR_MOST) return;
  if (n->count < NEAR_MOST) n->count++;
  for (int i = n->count - 1; i > at; i--) n->best[i] = n->best[i - 1];
  n->best[at].distance = far;
  n->best[at].item = *item;
}

static int look_near(void *ctx, const told *item, lb_error *err)
{
  near *n = ctx;
  lb_buf name = { 0 };
  lb_pg_encoding_name(n->tables->encoding, item->name, &name);
  if (name.failed || !name.data) return lb_fail_nomem(err);
  bool schema = !n->q->has_schema || strcmp(item->schema, n->q->schema.data) == 0;
  int far = distance(name.data, n->q->name.data), most = 1 + (int)n->q->name.len / 4;
  if (!has_rows(item->kind)) {
    bool called = schema && strcmp(name.data, n->q->name.data) == 0;
    if (called && item->kind == LB_DDL_VIEW) n->what = "is a view, whose rows are in no backup";
    if (called && item->kind == LB_DDL_FOREIGN) n->what = "is a foreign table, whose rows are in no backup";
  } else {
    n->all++;
    if (far > most && strstr(name.data, n->q->name.data)) far = most;
    if (far <= most) keep_near(n, item, far + !schema);
  }
  lb_buf_free(&name);
  return err->code;
}

int lb_tables_fail_unknown(const lb_tables *t, const char *wanted, lb_error *err)
{
  question q;
  lb_buf list = { 0 };
  if (read_question(wanted, &q, err)) return err->code;
  near n = { .tables = t, .q = &q };
  each_table(t, look_near, &n, err);
  for (int i = 0; i < n.count; i++) {
    lb_buf_text(&list, i ? ", " : "; near: ");
    lb_tables_put_name(t->encoding, n.best[i].item.schema, n.best[i].item.name, &list);
  }
  if (list.failed) lb_fail_nomem(err);
  const char *near_ones = list.data ? list.data : "";
  if (n.what) {
    lb_fail(err, LB_NOTFOUND, "%s: %s %s", t->path, wanted, n.what);
  } else if (t->contents) {
    lb_fail(err, LB_NOTFOUND, "%s: no table %s in it%s (SELECT * FROM backup_contents('%s') lists its tables)", t->path,
            wanted, near_ones, t->path);
  } else {
    lb_fail(err, LB_NOTFOUND, "%s: no table %s in it%s (it has %d tables)", t->path, wanted, near_ones, n.all);
  }
  lb_buf_free(&list);
  free_question(&q);
  return err->code;
}

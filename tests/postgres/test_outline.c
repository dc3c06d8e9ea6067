/* What a script holds the rows of, told without a server; and tables found by the names that people write. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "postgres/outline.h"
#include "postgres/statement.h"

/* ---- statements ---- */

static bool join(void *ctx, lb_span name)
{
  lb_buf *out = ctx;
  lb_buf text = { 0 };
  lb_span_name(name, &text);
  lb_buf_printf(out, "%s;", text.data);
  lb_buf_free(&text);
  return true;
}

static void expect_copy(const char *sql, const char *table, const char *columns)
{
  lb_qualified name;
  lb_span list;
  lb_buf out = { 0 };
  assert_true(lb_statement_copy(sql, strlen(sql), &name, &list));
  assert_int_equal(name.whole.len, strlen(table));
  assert_memory_equal(name.whole.at, table, name.whole.len);
  if (columns) {
    assert_true(lb_statement_names(list, join, &out));
    assert_string_equal(out.data, columns);
  } else {
    assert_int_equal(list.len, 0);
  }
  lb_buf_free(&out);
}

static void test_statements(void **state)
{
  static const char *const no_copies[] = {
    "COPY t TO stdout", "COPY (SELECT 1) TO stdout", "COPY t (a, b + 1) FROM stdin", "COPY t (a,) FROM stdin",
    "COPY t (a; DROP TABLE x) FROM stdin", "COPY t (a FROM stdin", "COPY", "SELECT 1", "COPY t () FROM stdin",
  };
  lb_qualified a;
  lb_span list;
  (void)state;
  expect_copy("COPY public.t (id, \"us\"\"er\", Text) FROM stdin", "public.t", "id;us\"er;text;");
  expect_copy("copy \"a.b\".\"c (d)\" ( \"e,f\" /* x */ ) from stdin", "\"a.b\".\"c (d)\"", "e,f;");
  expect_copy("COPY t FROM stdin", "t", NULL);
  for (size_t i = 0; i < sizeof no_copies / sizeof *no_copies; i++) {
    assert_false(lb_statement_copy(no_copies[i], strlen(no_copies[i]), &a, &list));
  }
}

/* ---- a script ---- */

static const char script[] =
  "SET client_encoding = 'LATIN1';\n"
  "SELECT pg_catalog.set_config('search_path', '', false);\n"
  "CREATE TABLE public.ev (id int) PARTITION BY RANGE (id);\n"
  "ALTER TABLE ONLY public.ev ATTACH PARTITION public.ev_a FOR VALUES FROM (1) TO (2);\n"
  "ALTER TABLE ONLY public.ev_a ATTACH PARTITION audit.ev_a_1 FOR VALUES FROM (1) TO (2);\n"
  "COPY public.messages (id, \"user\") FROM stdin;\n1\t2\n\\.\n"
  "COPY audit.ev_a_1 (id) FROM stdin;\n\\.\n"
  "COPY public.messages (id, \"user\") FROM stdin;\n3\t4\n\\.\n"
  "COPY public.\"Messages\" (x) FROM stdin;\n\\.\n"
  "COPY audit.messages (x) FROM stdin;\n\\.\n"
  "COPY audit.\"Plain\" (x) FROM stdin;\n\\.\n"
  "SET search_path = old, pg_catalog;\n"
  "CREATE TABLE plain PARTITION OF top FOR VALUES IN (1);\n"
  "COPY plain (y) FROM stdin;\n\\.\n"
  "--\n-- PostgreSQL database dump complete\n--\n";

static int stream(lb_source *source, lb_source_take take, void *ctx, lb_error *err)
{
  (void)source;
  for (size_t at = 0; at < sizeof script - 1; at += 7) {
    size_t n = sizeof script - 1 - at;
    if (take(ctx, script + at, n < 7 ? n : 7, err)) break;
  }
  return err->code;
}

static lb_task task;

static void read_outline(lb_pg_outline *o)
{
  lb_error err = LB_ERROR_INIT;
  lb_source source = { .stream = stream };
  assert_int_equal(lb_pg_outline_read(&source, NULL, &task, o, &err), LB_OK);
}

static void test_outline(void **state)
{
  lb_pg_outline o;
  (void)state;
  read_outline(&o);
  assert_string_equal(o.encoding, "LATIN1");
  assert_true(o.complete);
  assert_int_equal(o.table_count, 6);
  assert_string_equal(o.tables[0].schema, "public");
  assert_string_equal(o.tables[0].columns[1], "user");
  assert_string_equal(o.tables[5].schema, "old");
  assert_string_equal(o.tables[5].name, "plain");
  assert_int_equal(o.copy_count, 7);
  assert_int_equal(o.copies[2].table, 0);
  assert_int_equal(o.copies[2].offset, strstr(strstr(script, "COPY public.messages") + 1, "COPY public.messages") - script);
  assert_int_equal(o.partition_count, 3);
  assert_string_equal(o.partitions[1].schema, "old");
  assert_string_equal(o.partitions[1].parent_schema, "old");
  assert_string_equal(o.partitions[1].parent, "top");
  lb_pg_outline_free(&o);
}

static void expect_found(const lb_pg_outline *o, const char *name, const char *schema, const char *table, int tables)
{
  lb_error err = LB_ERROR_INIT;
  lb_pg_wanted *wanted;
  int count;
  char *names[] = { (char *)(uintptr_t)name };
  assert_int_equal(lb_pg_outline_find(o, names, 1, &wanted, &count, &err), LB_OK);
  assert_int_equal(count, 1);
  assert_string_equal(wanted[0].schema, schema);
  assert_string_equal(wanted[0].name, table);
  assert_int_equal(wanted[0].count, tables);
  lb_pg_wanted_free(wanted, count);
}

static void expect_not(const lb_pg_outline *o, char **names, int n, const char *message)
{
  lb_error err = LB_ERROR_INIT;
  lb_pg_wanted *wanted;
  int count;
  assert_int_equal(lb_pg_outline_find(o, names, n, &wanted, &count, &err), LB_MISUSE);
  assert_string_equal(err.message, message);
  lb_pg_wanted_free(wanted, count);
}

static void test_find(void **state)
{
  lb_error err = LB_ERROR_INIT;
  lb_pg_outline o;
  lb_pg_wanted *wanted;
  int count;
  (void)state;
  read_outline(&o);
  expect_found(&o, "public.messages", "public", "messages", 1);
  expect_found(&o, "PUBLIC.MESSAGES", "public", "messages", 1);
  expect_found(&o, "\"Messages\"", "public", "Messages", 1);
  expect_found(&o, "\"public\".\"Messages\"", "public", "Messages", 1);
  expect_found(&o, "plain", "old", "plain", 1);
  expect_found(&o, "ev", "public", "ev", 1);
  expect_found(&o, "ev_a", "public", "ev_a", 1);
  expect_found(&o, "ev_a_1", "audit", "ev_a_1", 1);
  expect_not(&o, (char *[]){ "messages" }, 1, "there are several tables \"messages\": public.messages, audit.messages "
             "(name the schema as well, and put what is not in lower case in double quotes)");
  expect_not(&o, (char *[]){ "Plain" }, 1, "there are several tables \"Plain\": old.plain, audit.Plain "
             "(name the schema as well, and put what is not in lower case in double quotes)");
  expect_found(&o, "\"Plain\"", "audit", "Plain", 1);
  expect_not(&o, (char *[]){ "other.plain" }, 1, "it has no rows of a table \"other.plain\" (it has those of: "
             "public.messages, audit.ev_a_1, public.Messages, audit.messages, audit.Plain, old.plain)");
  expect_not(&o, (char *[]){ "a.b.c" }, 1, "it has no rows of a table \"a.b.c\" (it has those of: public.messages, "
             "audit.ev_a_1, public.Messages, audit.messages, audit.Plain, old.plain)");
  expect_not(&o, (char *[]){ "plain", "ev", "ev_a_1" }, 3, "of the tables ev_a_1 and ev one is part of the other: name "
             "one of them");
  assert_int_equal(lb_pg_outline_find(&o, (char *[]){ "plain", "OLD.plain" }, 2, &wanted, &count, &err), LB_OK);
  assert_int_equal(count, 1);
  lb_pg_wanted_free(wanted, count);
  lb_pg_outline_free(&o);
}

/* Partitions that are each other's: a script may say so, a search has an end. */
static void test_circle(void **state)
{
  lb_pg_attached circle[] = { { "s", "a", "s", "b" }, { "s", "b", "s", "a" } };
  lb_pg_outlined table = { .schema = "s", .name = "a", .table = -1 };
  lb_pg_outline o = { .tables = &table, .table_count = 1, .partitions = circle, .partition_count = 2 };
  (void)state;
  expect_found(&o, "b", "s", "b", 1);
  table.name = "c";
  expect_not(&o, (char *[]){ "b" }, 1, "it has no rows of a table \"b\" (it has those of: s.c)");
}

int main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_statements), cmocka_unit_test(test_outline), cmocka_unit_test(test_find),
    cmocka_unit_test(test_circle),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

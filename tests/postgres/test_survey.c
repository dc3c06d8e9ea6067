/* Statements are recognised by their tokens, and a script is surveyed without a server. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "postgres/statement.h"
#include "postgres/survey.h"

/* ---- statements ---- */

static lb_statement_kind kind(const char *sql)
{
  lb_statement st;
  lb_statement_read(sql, strlen(sql), &st);
  return st.kind;
}

static void test_kinds(void **state)
{
  (void)state;
  static const struct { const char *sql; lb_statement_kind kind; } known[] = {
    { "SET statement_timeout = 0", LB_STATEMENT_SET },
    { "set /* = */ \"a b\" to 'x'", LB_STATEMENT_SET },
    { "SET SESSION AUTHORIZATION 'joe'", LB_STATEMENT_AUTHORIZATION },
    { "RESET SESSION AUTHORIZATION", LB_STATEMENT_AUTHORIZATION },
    { "SET TIME ZONE 'UTC'", LB_STATEMENT_SESSION },
    { "SELECT pg_catalog.set_config('search_path', '', false)", LB_STATEMENT_SESSION },
    { "SELECT pg_catalog.set_config('a', '', false) FROM t", LB_STATEMENT_OTHER },
    { "SELECT pg_catalog.setval('s.\"S q\"', 1, true)", LB_STATEMENT_SETVAL },
    { "SELECT pg_catalog.setval('it''s', 1)", LB_STATEMENT_OTHER }, { "SELECT setval(q, 1)", LB_STATEMENT_OTHER },
    { "SELECT setval('s; x', 1)", LB_STATEMENT_OTHER }, { "SELECT setval(E's', 1)", LB_STATEMENT_OTHER },
    { "SELECT pg_catalog.lo_create('16400')", LB_STATEMENT_RELATION },
    { "INSERT INTO s.t (a) VALUES (1)", LB_STATEMENT_INSERT },
    { "BEGIN", LB_STATEMENT_BEGIN }, { "start transaction", LB_STATEMENT_BEGIN }, { "COMMIT WORK", LB_STATEMENT_COMMIT },
    { "END", LB_STATEMENT_COMMIT }, { "COMMIT AND CHAIN", LB_STATEMENT_CONTROL }, { "ABORT", LB_STATEMENT_CONTROL },
    { "COMMIT PREPARED 'x'", LB_STATEMENT_CONTROL }, { "PREPARE TRANSACTION 'x'", LB_STATEMENT_CONTROL },
    { "ROLLBACK TO s", LB_STATEMENT_CONTROL }, { "PREPARE p AS SELECT 1", LB_STATEMENT_OTHER },
    { "CREATE DATABASE x WITH TEMPLATE = template0", LB_STATEMENT_DATABASE },
    { "ALTER DATABASE x OWNER TO y", LB_STATEMENT_DATABASE },
    { "GRANT CONNECT ON DATABASE x TO y", LB_STATEMENT_DATABASE },
    { "COMMENT ON DATABASE x IS 'on index'", LB_STATEMENT_DATABASE },
    { "ALTER TABLE public.t OWNER TO joe", LB_STATEMENT_OWNER },
    { "ALTER FUNCTION public.f(\"owner to\" integer, b text) OWNER TO \"Jo \"\"e\"", LB_STATEMENT_OWNER },
    { "ALTER TABLE public.\" OWNER TO x\" ENABLE ROW LEVEL SECURITY", LB_STATEMENT_OTHER },
    { "ALTER TABLE t ADD CONSTRAINT c CHECK ((a <> ' OWNER TO x'::text))", LB_STATEMENT_OTHER },
    { "GRANT SELECT ON TABLE public.t TO joe", LB_STATEMENT_PRIVILEGE },
    { "REVOKE ALL ON LARGE OBJECT 5 FROM PUBLIC", LB_STATEMENT_PRIVILEGE },
    { "GRANT \"on\" TO b", LB_STATEMENT_MEMBERSHIP }, { "REVOKE a FROM b", LB_STATEMENT_OTHER },
    { "GRANT a TO \"b\" WITH ADMIN OPTION GRANTED BY c", LB_STATEMENT_MEMBERSHIP },
    { "GRANT a TO b, c", LB_STATEMENT_OTHER }, { "REFRESH MATERIALIZED VIEW s.v", LB_STATEMENT_REFRESH },
    { "ALTER DEFAULT PRIVILEGES FOR ROLE a GRANT SELECT ON TABLES TO b", LB_STATEMENT_PRIVILEGE },
    { "CREATE POLICY \"to\" ON public.t FOR SELECT TO joe, PUBLIC USING ((a = 1))", LB_STATEMENT_POLICY },
    { "CREATE POLICY p ON public.t TO PUBLIC", LB_STATEMENT_OTHER },
    { "CREATE POLICY p ON public.t USING (((a)::text = ' TO joe'::text))", LB_STATEMENT_OTHER },
    { "COMMENT ON POLICY p ON public.t IS 'x'", LB_STATEMENT_POLICY },
    { "CREATE USER MAPPING FOR joe SERVER s", LB_STATEMENT_POLICY },
    { "CREATE USER MAPPING FOR PUBLIC SERVER s", LB_STATEMENT_OTHER },
    { "ALTER ROLE x IN DATABASE d SET a TO 'b'", LB_STATEMENT_DATABASE },
    { "CREATE ROLE x", LB_STATEMENT_ROLE }, { "ALTER ROLE x WITH LOGIN", LB_STATEMENT_ROLE_CHANGE },
    { "CREATE SCHEMA s", LB_STATEMENT_SCHEMA }, { "CREATE SCHEMA IF NOT EXISTS s", LB_STATEMENT_OTHER },
    { "CREATE SCHEMA s AUTHORIZATION a", LB_STATEMENT_OTHER },
    { "CREATE EXTENSION IF NOT EXISTS citext WITH SCHEMA public", LB_STATEMENT_EXTENSION },
    { "COMMENT ON EXTENSION citext IS 'x'", LB_STATEMENT_EXTENSION },
    { "COMMENT ON SCHEMA s IS 'x'", LB_STATEMENT_SCHEMA_COMMENT }, { "DROP SCHEMA IF EXISTS s", LB_STATEMENT_DROP },
    { "CREATE UNLOGGED TABLE t (a int)", LB_STATEMENT_RELATION }, { "CREATE FOREIGN TABLE t ()", LB_STATEMENT_RELATION },
    { "CREATE FOREIGN DATA WRAPPER w", LB_STATEMENT_OTHER }, { "CREATE OR REPLACE VIEW v AS", LB_STATEMENT_RELATION },
    { "CREATE UNIQUE INDEX i ON ONLY s.t USING btree (a)", LB_STATEMENT_INDEX },
    { "CREATE INDEX IF NOT EXISTS i ON t (a)", LB_STATEMENT_OTHER },
    { "ALTER TABLE ONLY s.t ADD CONSTRAINT k PRIMARY KEY (a)", LB_STATEMENT_KEY },
    { "ALTER TABLE ONLY s.t ADD CONSTRAINT k EXCLUDE USING gist (a WITH &&)", LB_STATEMENT_OTHER },
    { "ALTER TABLE ONLY s.t ADD CONSTRAINT k FOREIGN KEY (a) REFERENCES s.u(b) NOT VALID", LB_STATEMENT_FOREIGN_KEY },
    { "COMMENT ON CONSTRAINT k ON s.t IS 'x'", LB_STATEMENT_FOLLOWER },
    { "COMMENT ON TABLE s.t IS 'x'", LB_STATEMENT_OTHER },
    { "ALTER INDEX s.i ATTACH PARTITION s.j", LB_STATEMENT_OTHER },
    { "ALTER INDEX s.i ALTER COLUMN 1 SET STATISTICS 100", LB_STATEMENT_FOLLOWER },
    { "ALTER TABLE s.t CLUSTER ON i", LB_STATEMENT_FOLLOWER },
    { "ALTER TABLE ONLY s.t DROP CONSTRAINT k", LB_STATEMENT_DROP }, { "DROP TABLE s.t", LB_STATEMENT_DROP },
    { "ALTER TABLE s.t ALTER COLUMN c DROP DEFAULT", LB_STATEMENT_DROP }, { "DROP DATABASE d", LB_STATEMENT_DATABASE },
    { "ALTER DOMAIN d DROP CONSTRAINT k", LB_STATEMENT_DROP },
    { "SELECT pg_catalog.lo_unlink('16400')", LB_STATEMENT_DROP },
    { "", LB_STATEMENT_OTHER }, { "\"SET\" a = 1", LB_STATEMENT_OTHER }, { "$$", LB_STATEMENT_OTHER },
  };
  for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
    if (kind(known[i].sql) != known[i].kind) fail_msg("%s: %d", known[i].sql, kind(known[i].sql));
  }
}

static void expect_key(const char *sql, bool plain, bool primary)
{
  lb_statement st;
  lb_statement_read(sql, strlen(sql), &st);
  assert_int_equal(st.kind, LB_STATEMENT_KEY);
  assert_int_equal(st.plain, plain);
  assert_int_equal(st.primary, primary);
}

/* Only these may be built as an index first. */
static void test_plain_keys(void **state)
{
  (void)state;
  expect_key("ALTER TABLE ONLY s.t ADD CONSTRAINT k PRIMARY KEY (a, \"b )\")", true, true);
  expect_key("ALTER TABLE ONLY s.t ADD CONSTRAINT k UNIQUE (a)", true, false);
  expect_key("ALTER TABLE ONLY s.t ADD CONSTRAINT k UNIQUE (a) DEFERRABLE", false, false);
  expect_key("ALTER TABLE ONLY s.t ADD CONSTRAINT k UNIQUE (a) INCLUDE (b)", false, false);
  expect_key("ALTER TABLE ONLY s.t ADD CONSTRAINT k UNIQUE NULLS NOT DISTINCT (a)", false, false);
  expect_key("ALTER TABLE ONLY s.t ADD CONSTRAINT k PRIMARY KEY (a, b WITHOUT OVERLAPS)", false, true);
  expect_key("ALTER TABLE ONLY s.t ADD CONSTRAINT k PRIMARY KEY (a) WITH (fillfactor='50')", false, true);
}

static void test_placeholders(void **state)
{
  (void)state;
  static const struct { const char *sql; bool placeholder; } views[] = {
    { "CREATE OR REPLACE VIEW public.v AS\nSELECT\n    NULL::integer AS id", true },
    { "CREATE VIEW public.v AS\nSELECT\n    NULL::integer AS id", false },
    { "CREATE OR REPLACE VIEW public.v AS SELECT id FROM t", false },
  };
  for (size_t i = 0; i < sizeof views / sizeof *views; i++) {
    lb_statement st;
    lb_statement_read(views[i].sql, strlen(views[i].sql), &st);
    assert_int_equal(st.kind, LB_STATEMENT_RELATION);
    assert_int_equal(st.placeholder, views[i].placeholder);
  }
}

static void test_names(void **state)
{
  (void)state;
  static const char sql[] = "CREATE INDEX \"I\" ON \"S \"\"1\".Tab USING btree (a)";
  lb_statement st;
  lb_buf name = { 0 };
  lb_statement_read(sql, strlen(sql), &st);
  lb_span_name(st.table.schema, &name);
  assert_string_equal(name.data, "S \"1");
  name.len = 0;
  lb_span_name(st.table.name, &name);
  assert_string_equal(name.data, "tab");
  lb_buf_free(&name);
}

static void collect(void *ctx, lb_span name)
{
  lb_buf *out = ctx;
  lb_buf_text(out, "[");
  lb_span_name(name, out);
  lb_buf_text(out, "]");
}

static void expect_roles(const char *sql, const char *roles)
{
  lb_buf out = { 0 };
  lb_buf_text(&out, "");
  lb_statement_roles(sql, strlen(sql), collect, &out);
  if (strcmp(out.data, roles)) fail_msg("%s: %s", sql, out.data);
  lb_buf_free(&out);
}

static void test_roles(void **state)
{
  (void)state;
  expect_roles("ALTER TABLE a.owner OWNER TO \"Jo \"\"e\"", "[Jo \"e]");
  expect_roles("GRANT SELECT(\"to\"),INSERT ON TABLE \"to x\" TO a, GROUP b, PUBLIC WITH GRANT OPTION", "[a][b]");
  expect_roles("REVOKE ALL ON FUNCTION f(a integer) FROM c GRANTED BY d", "[c][d]");
  expect_roles("ALTER DEFAULT PRIVILEGES FOR ROLE a IN SCHEMA s GRANT SELECT ON TABLES TO b", "[a][b]");
  expect_roles("ALTER DEFAULT PRIVILEGES FOR ROLE a REVOKE ALL ON TABLES FROM b", "[a][b]");
  expect_roles("CREATE POLICY p ON t FOR SELECT TO a, CURRENT_USER USING ((x = 'TO z'))", "[a]");
  expect_roles("CREATE SCHEMA s AUTHORIZATION a", "[a]");
  expect_roles("CREATE USER MAPPING FOR a SERVER s OPTIONS (password 'to b')", "[a]");
  expect_roles("SET SESSION AUTHORIZATION 'jo''e'", "[jo'e]");
  expect_roles("GRANT a, b TO c", "[a][b][c]");
  expect_roles("COMMENT ON TABLE t IS 'OWNER TO x'", "");
}

static void expect_tablespace(const char *sql, const char *name)
{
  lb_span span;
  lb_buf out = { 0 };
  lb_buf_text(&out, "");
  if (lb_statement_tablespace(sql, strlen(sql), &span)) lb_span_name(span, &out);
  if (strcmp(out.data, name)) fail_msg("%s: %s", sql, out.data);
  lb_buf_free(&out);
}

static void test_tablespaces(void **state)
{
  (void)state;
  expect_tablespace("SET default_tablespace = \"My ts\"", "My ts");
  expect_tablespace("SET default_tablespace = 'it''s'", "it's");
  expect_tablespace("SET default_tablespace TO fast", "fast");
  expect_tablespace("SET default_tablespace = ''", "");
  expect_tablespace("SET default_tablespace TO DEFAULT", "");
  expect_tablespace("SET default_tablespace", "");
  expect_tablespace("SET search_path = tablespace, x", "");
  expect_tablespace("CREATE UNLOGGED TABLE t (tablespace x) TABLESPACE Fast", "fast");
  expect_tablespace("CREATE UNIQUE INDEX tablespace ON t USING btree (a) TABLESPACE fast", "fast");
  expect_tablespace("CREATE TABLE t (a text DEFAULT 'TABLESPACE x')", "");
  expect_tablespace("CREATE VIEW v AS SELECT a FROM tablespace t", "");
}

static void expect_description(const char *sql, const char *text)
{
  lb_buf out = { 0 };
  lb_statement_describe(sql, strlen(sql), 7, &out);
  assert_string_equal(out.data, text);
  lb_buf_free(&out);
}

static void test_descriptions(void **state)
{
  (void)state;
  expect_description("CREATE TABLE t (\n\ta \x1b int)", "statement at byte 7 (CREATE TABLE t (  a   int))");
  expect_description("ALTER ROLE x PASSWORD 'secret'", "statement at byte 7 (ALTER ROLE x PASSWORD …)");
  expect_description("SELECT \"\xc3\xbc\xe9\"", "statement at byte 7 (SELECT \"\xc3\xbc?\")");
}

/* ---- surveys ---- */

typedef struct text_source {
  lb_source source;
  const char *text;
  size_t piece;
} text_source;

static int stream(lb_source *source, lb_source_take take, void *ctx, lb_error *err)
{
  text_source *s = (text_source *)source;
  size_t len = strlen(s->text);
  for (size_t at = 0; at < len && !err->code; at += s->piece) {
    take(ctx, s->text + at, len - at < s->piece ? len - at : s->piece, err);
  }
  return err->code;
}

static int read_script(const char *text, size_t piece, lb_pg_survey *survey, lb_error *err)
{
  text_source s = { { .stream = stream }, text, piece };
  lb_task task = { 0 };
  return lb_pg_survey_read(&s.source, NULL, &task, survey, err);
}

static const char script[] =
  "--\n-- PostgreSQL database dump\n--\n\n-- Dumped from database version 15.20 (Debian)\n"
  "-- Dumped by pg_dump version 16.1\n\nSET client_encoding = 'LATIN1';\n"
  "CREATE DATABASE d WITH TEMPLATE = template0;\nALTER DATABASE d OWNER TO dbowner;\n\\connect d\n"
  "CREATE ROLE made;\nCREATE EXTENSION IF NOT EXISTS citext WITH SCHEMA public;\nCREATE TABLE public.t (a text);\n"
  "ALTER TABLE public.t OWNER TO joe;\nALTER TABLE public.u OWNER TO made;\nALTER TABLE public.u OWNER TO joe;\n"
  "COPY public.t (a) FROM stdin;\nALTER TABLE t OWNER TO nobody;\n\\\\connect\n\\.\n\n"
  "SET default_tablespace = \"Fast one\";\nSET default_tablespace = '';\n"
  "ALTER DEFAULT PRIVILEGES FOR ROLE ann GRANT SELECT ON TABLES TO PUBLIC;\n"
  "CREATE INDEX i ON public.t USING btree (a);\nGRANT SELECT ON TABLE public.t TO \"re ader\";\n";

static void test_survey(void **state)
{
  (void)state;
  for (size_t piece = 1; piece < 64; piece += 9) {
    lb_pg_survey v;
    lb_error err = LB_ERROR_INIT;
    assert_int_equal(read_script(script, piece, &v, &err), LB_OK);
    assert_int_equal(v.role_count, 3);
    assert_string_equal(v.roles[0], "joe");
    assert_string_equal(v.roles[1], "ann");
    assert_string_equal(v.roles[2], "re ader");
    assert_int_equal(v.role_uses[0], LB_ROLE_OWNS | LB_ROLE_GIVEN);
    assert_int_equal(v.role_uses[1], LB_ROLE_GRANTS | LB_ROLE_DEFAULTS);
    assert_int_equal(v.role_uses[2], LB_ROLE_GRANTS);
    assert_int_equal(v.tablespace_count, 1);
    assert_string_equal(v.tablespaces[0], "Fast one");
    assert_int_equal(v.extension_count, 1);
    assert_string_equal(v.extensions[0], "citext");
    assert_string_equal(v.encoding, "LATIN1");
    assert_string_equal(v.version, "15.20");
    assert_string_equal(v.dump_version, "16.1");
    assert_string_equal(v.connects_to, "d");
    assert_int_equal(v.rows, 2);
    assert_int_equal(v.locks.made, 53);
    assert_int_equal(v.statements, 15);
    lb_pg_survey_free(&v);
  }
}

static uint64_t locks(const char *sql, int version)
{
  lb_pg_survey v;
  lb_error err = LB_ERROR_INIT;
  assert_int_equal(read_script(sql, 100, &v, &err), LB_OK);
  lb_pg_locks none = { 0 };
  uint64_t n = lb_pg_locks_sum(&v.locks, version) - lb_pg_locks_sum(&none, version);
  lb_pg_survey_free(&v);
  return n;
}

/* How many they really take is measured in one_transaction.bats. */
static void test_locks(void **state)
{
  (void)state;
  static const struct { const char *sql; uint64_t n; } known[] = {
    { "CREATE TABLE s.t (a int);", 3 }, { "CREATE UNLOGGED TABLE t ();", 3 }, { "CREATE FOREIGN TABLE t ();", 1 },
    { "CREATE MATERIALIZED VIEW s.v AS SELECT 1 WITH NO DATA; REFRESH MATERIALIZED VIEW s.v;", 8 },
    { "CREATE VIEW v AS SELECT 1;", 1 }, { "CREATE SEQUENCE s;", 1 }, { "CREATE UNIQUE INDEX i ON t (a);", 1 },
    { "ALTER TABLE ONLY s.t ADD CONSTRAINT k PRIMARY KEY (a);", 1 }, { "ALTER TABLE t ADD CONSTRAINT k UNIQUE (a);", 1 },
    { "ALTER TABLE ONLY t ADD CONSTRAINT k EXCLUDE USING gist (a WITH =);", 1 },
    { "ALTER TABLE t ADD CONSTRAINT c CHECK (a > 0);", 0 },
    { "ALTER TABLE t ADD CONSTRAINT f FOREIGN KEY (a) REFERENCES u(a);", 0 },
    { "ALTER TABLE t ALTER COLUMN a ADD GENERATED ALWAYS AS IDENTITY (SEQUENCE NAME s);", 1 },
    { "ALTER TABLE t ENABLE ROW LEVEL SECURITY; ALTER TABLE t ATTACH PARTITION u DEFAULT;", 0 },
    { "CREATE FUNCTION f() RETURNS int; ALTER FUNCTION f() OWNER TO CURRENT_USER; COMMENT ON FUNCTION f() IS 'x';", 1 },
    { "SELECT pg_catalog.lo_create('5'); COMMENT ON LARGE OBJECT 5 IS 'x';", 1 }, { "CREATE TRIGGER t;", 1 },
    { "COMMENT ON CONSTRAINT c ON t IS 'x'; COMMENT ON COLUMN t.a IS 'x'; COMMENT ON TRIGGER c ON t IS 'x';", 1 },
    { "CREATE TYPE t AS (a int); COMMENT ON TYPE t IS 'x';", 2 }, { "ALTER TABLE t OWNER TO joe;", 1 },
  };
  for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
    if (locks(known[i].sql, 180000) != known[i].n) print_error("%s\n", known[i].sql);
    assert_int_equal(locks(known[i].sql, 180000), known[i].n);
  }
  const char *granted = "REVOKE ALL ON FUNCTION f(a \"to\") FROM PUBLIC; GRANT ALL ON FUNCTION f(a \"to\") TO PUBLIC;"
                        "GRANT ALL ON TYPE t TO PUBLIC; GRANT SELECT ON TABLE t TO PUBLIC;";
  assert_int_equal(locks(granted, 170000), 0);
  assert_int_equal(locks(granted, 180000), 2);
}

static void test_owner_of_schema(void **state)
{
  (void)state;
  lb_pg_survey v;
  lb_error err = LB_ERROR_INIT;
  assert_int_equal(read_script("ALTER SCHEMA public OWNER TO joe;\nALTER TYPE schema OWNER TO ann;\n", 7, &v, &err),
                   LB_OK);
  assert_int_equal(v.role_uses[0], LB_ROLE_OWNS);
  assert_int_equal(v.role_uses[1], LB_ROLE_OWNS | LB_ROLE_GIVEN);
  lb_pg_survey_free(&v);
}

static void test_connects(void **state)
{
  (void)state;
  static const struct { const char *line, *name; } lines[] = {
    { "\\connect plain\n", "plain" }, { "\\connect \"we \"\"ird\"\n", "we \"ird" },
    { "\\connect -reuse-previous=on \"dbname='a \\'b'\"\n", "a 'b" },
    { "\\connect d\nSET a = 1;\n\\connect d\n", "d" },
  };
  lb_pg_survey v;
  for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
    lb_error err = LB_ERROR_INIT;
    assert_int_equal(read_script(lines[i].line, 5, &v, &err), LB_OK);
    assert_string_equal(v.connects_to, lines[i].name);
    lb_pg_survey_free(&v);
  }
  lb_error err = LB_ERROR_INIT;
  assert_int_equal(read_script("\\connect a\n\\connect b\n", 100, &v, &err), LB_UNSUPPORTED);
  assert_non_null(strstr(err.message, "\"b\" after \"a\""));
}

/* Many names, some twice: the table grows. */
static void test_many_roles(void **state)
{
  (void)state;
  lb_buf text = { 0 };
  lb_pg_survey v;
  lb_error err = LB_ERROR_INIT;
  for (int i = 0; i < 2000; i++) lb_buf_printf(&text, "ALTER TABLE t OWNER TO r%d;\n", i % 1000);
  assert_int_equal(read_script(text.data, 4096, &v, &err), LB_OK);
  assert_int_equal(v.role_count, 1000);
  assert_string_equal(v.roles[999], "r999");
  lb_pg_survey_free(&v);
  lb_buf_free(&text);
}

static void test_refused(void **state)
{
  (void)state;
  static const struct { const char *text; lb_code code; } bad[] = {
    { "\\! rm -rf /\n", LB_UNSUPPORTED }, { "COPY t FROM PROGRAM 'id';\n", LB_UNSUPPORTED },
    { "COPY t FROM stdin;\n1\n", LB_CORRUPT }, { "SELECT 'x", LB_CORRUPT },
  };
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    lb_pg_survey v;
    lb_error err = LB_ERROR_INIT;
    assert_int_equal(read_script(bad[i].text, 3, &v, &err), bad[i].code);
    assert_null(v.roles);
  }
}

int main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_kinds), cmocka_unit_test(test_plain_keys), cmocka_unit_test(test_placeholders),
    cmocka_unit_test(test_names), cmocka_unit_test(test_roles), cmocka_unit_test(test_tablespaces),
    cmocka_unit_test(test_descriptions), cmocka_unit_test(test_survey), cmocka_unit_test(test_locks),
    cmocka_unit_test(test_owner_of_schema),
    cmocka_unit_test(test_connects),
    cmocka_unit_test(test_many_roles), cmocka_unit_test(test_refused),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

/* The reader of SQL scripts: where statements end, COPY data, psql's commands, what is refused. Every script is fed
** whole, byte by byte, and in pieces of three and seven bytes; all must tell the same.
*/
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "core/buffer.h"
#include "postgres/script.h"

typedef struct heard {
  lb_buf log;      /* "OFFSET{text}", "COPY{…}", "<data>", "=rows", "META{…}", one after the other */
  bool comments;   /* log entries' names as well */
  bool discard;    /* of data: keep only its length */
  uint64_t bytes, rows;
  int fail_after;  /* calls that succeed; -1: all */
  const char *script;  /* what is fed, and the offset of its first byte */
  uint64_t at;
} heard;

static int count_call(heard *h, lb_error *err)
{
  if (h->fail_after == 0) return lb_fail(err, LB_BUSY, "told to fail");
  if (h->fail_after > 0) h->fail_after--;
  return LB_OK;
}

static int hear_statement(void *ctx, const char *sql, size_t len, uint64_t offset, bool copy, const char *comment,
                          lb_error *err)
{
  heard *h = ctx;
  assert_int_equal(len, strlen(sql));
  assert_memory_equal(h->script + (offset - h->at), sql, len);
  if (h->comments) lb_buf_printf(&h->log, "[%s]", comment);
  lb_buf_printf(&h->log, "%llu%s{%s}", (unsigned long long)offset, copy ? "COPY" : "", sql);
  if (copy) lb_buf_text(&h->log, "<");
  return count_call(h, err);
}

static int hear_data(void *ctx, const char *data, size_t len, lb_error *err)
{
  heard *h = ctx;
  assert_true(len > 0);
  h->bytes += len;
  if (!h->discard) lb_buf_append(&h->log, data, len);
  return count_call(h, err);
}

static int hear_end(void *ctx, uint64_t rows, lb_error *err)
{
  heard *h = ctx;
  h->rows += rows;
  lb_buf_printf(&h->log, ">=%llu", (unsigned long long)rows);
  return count_call(h, err);
}

static int hear_meta(void *ctx, const char *line, uint64_t offset, lb_error *err)
{
  heard *h = ctx;
  assert_memory_equal(h->script + (offset - h->at), line, strlen(line));
  lb_buf_printf(&h->log, "%lluMETA{%s}", (unsigned long long)offset, line);
  return count_call(h, err);
}

static int hear(heard *h, const char *script, size_t n, size_t piece, uint64_t at, lb_error *err)
{
  static const lb_script_ops ops = { hear_statement, hear_data, hear_end, hear_meta };
  lb_buf_text(&h->log, "");
  h->script = script;
  h->at = at;
  lb_script *s = lb_script_open(&ops, h, at, err);
  assert_non_null(s);
  int rc = LB_OK;
  for (size_t i = 0; !rc && i < n; i += piece) {
    size_t len = n - i < piece ? n - i : piece;
    char *copy = malloc(len);  /* of its own, so that sanitizers see a look beyond it */
    assert_non_null(copy);
    memcpy(copy, script + i, len);
    rc = lb_script_feed(s, copy, len, err);
    free(copy);
  }
  if (!rc) rc = lb_script_end(s, err);
  lb_script_close(s);
  assert_int_equal(rc, err->code);
  return rc;
}

static const size_t pieces[] = { SIZE_MAX / 2, 1, 3, 7 };
#define PIECES (sizeof pieces / sizeof *pieces)

static void expect_bytes(const char *script, size_t n, bool comments, const char *log)
{
  for (size_t i = 0; i < PIECES; i++) {
    lb_error err = LB_ERROR_INIT;
    heard h = { .comments = comments, .fail_after = -1 };
    hear(&h, script, n, pieces[i], 0, &err);
    assert_string_equal(err.message, "");
    assert_string_equal(h.log.data, log);
    lb_buf_free(&h.log);
  }
}

static void expect(const char *script, const char *log)
{
  expect_bytes(script, strlen(script), false, log);
}

static void expect_error_of(const char *script, size_t n, lb_code code, const char *message)
{
  for (size_t i = 0; i < PIECES; i++) {
    lb_error err = LB_ERROR_INIT;
    heard h = { .fail_after = -1 };
    assert_int_equal(hear(&h, script, n, pieces[i], 0, &err), code);
    if (!strstr(err.message, message)) assert_string_equal(err.message, message);
    lb_buf_free(&h.log);
  }
}

static void expect_error(const char *script, lb_code code, const char *message)
{
  expect_error_of(script, strlen(script), code, message);
}

static void test_statements(void **state)
{
  (void)state;
  expect("", "");
  expect(" \n;; -- x\n/* ; */ ;", "");
  expect("SELECT 1;SELECT 2 ; \n SELECT 3", "0{SELECT 1}9{SELECT 2}22{SELECT 3}");
  expect("-- a;\nSELECT 1 -- b;\n, 2;", "6{SELECT 1 -- b;\n, 2}");
  expect("-- a;\rSELECT 1;--", "6{SELECT 1}");
  expect("SELECT 1-1/2*3 @- 4;-1;/2;-", "0{SELECT 1-1/2*3 @- 4}20{-1}23{/2}26{-}");
  expect("SELECT (1;2);SELECT ((1);)\n;)a;", "0{SELECT (1;2)}13{SELECT ((1);)}28{)a}");
  expect("\xef\xbb\xbfSELECT 1;", "3{SELECT 1}");
  expect("CREATE RULE r AS ON INSERT TO v DO INSTEAD ( INSERT INTO a VALUES (1);\n DELETE FROM b;\n);\nSELECT 1;",
         "0{CREATE RULE r AS ON INSERT TO v DO INSTEAD ( INSERT INTO a VALUES (1);\n DELETE FROM b;\n)}90{SELECT 1}");
}

static void test_comments(void **state)
{
  (void)state;
  expect("/* a; /* b; */ ; */SELECT/*;*/1;/**/2;/*/;*/3;", "19{SELECT/*;*/1}36{2}44{3}");
  expect("/* **/1;/* /*/ */ */2;/***/3;", "6{1}20{2}27{3}");
  expect("SELECT '/*', \"--\", 1 */* ;*/ 2;3;", "0{SELECT '/*', \"--\", 1 */* ;*/ 2}31{3}");
  expect("SELECT 1+--;\n2;", "0{SELECT 1+--;\n2}");
}

static void test_quotes(void **state)
{
  (void)state;
  expect("SELECT 'a;''b;\\';1;", "0{SELECT 'a;''b;\\'}17{1}");
  expect("SELECT E'a;\\';''b\\\\';1;", "0{SELECT E'a;\\';''b\\\\'}21{1}");
  expect("SELECT e'\\'';1;", "0{SELECT e'\\''}13{1}");
  expect("SELECT xe'\\';1;", "0{SELECT xe'\\'}13{1}");
  expect("SELECT U&'\\';U&\"\\\";N'\\';B'1';X'f';", "0{SELECT U&'\\'}13{U&\"\\\"}19{N'\\'}24{B'1'}29{X'f'}");
  expect("SELECT U&'d!0061;' UESCAPE '!';1;", "0{SELECT U&'d!0061;' UESCAPE '!'}31{1}");
  expect("COMMENT ON TABLE \"a\"\";\\\n--b\" IS 'x';1;", "0{COMMENT ON TABLE \"a\"\";\\\n--b\" IS 'x'}36{1}");
  /* Strings on lines that follow are parts of the first one, escapes included. */
  expect("SELECT E'a'\n '\\';' ;1;", "0{SELECT E'a'\n '\\';'}20{1}");
  expect("SELECT E'a' -- '\n\t'\\';' ;1;", "0{SELECT E'a' -- '\n\t'\\';'}25{1}");
  expect("SELECT E'a'\n/**/'\\';1;", "0{SELECT E'a'\n/**/'\\'}20{1}");
  expect("SELECT E'a', '\\';1;", "0{SELECT E'a', '\\'}17{1}");
  expect("SELECT E'a'\n, '\\';1;", "0{SELECT E'a'\n, '\\'}18{1}");
}

static void test_dollar_quotes(void **state)
{
  (void)state;
  expect("DO $$;'$x$;$$;1;", "0{DO $$;'$x$;$$}14{1}");
  expect("DO $a$;$$a$;1;", "0{DO $a$;$$a$}12{1}");
  expect("DO $a$;$$;$b$a;$a $a$;1;", "0{DO $a$;$$;$b$a;$a $a$}22{1}");
  expect("DO $_1\xc3\xa9$;$_1$;$_1\xc3\xa9$;1;", "0{DO $_1\xc3\xa9$;$_1$;$_1\xc3\xa9$}22{1}");
  expect("SELECT a$b$;c$$;1;", "0{SELECT a$b$}12{c$$}16{1}");
  expect("SELECT \xc3\xa9$b$;1;", "0{SELECT \xc3\xa9$b$}13{1}");
  expect("SELECT $1$a$;$a$;1;", "0{SELECT $1$a$;$a$}17{1}");
  expect("SELECT 1$a$;$a$;$1;$;$a ;$ a$;", "0{SELECT 1$a$;$a$}16{$1}19{$}21{$a}25{$ a$}");
  expect("SELECT $e'\\'';1;", "0{SELECT $e'\\''}14{1}");
}

static void test_routines(void **state)
{
  (void)state;
  expect("CREATE FUNCTION f() RETURNS int LANGUAGE sql\n BEGIN ATOMIC SELECT 1; SELECT 2; END;1;",
         "0{CREATE FUNCTION f() RETURNS int LANGUAGE sql\n BEGIN ATOMIC SELECT 1; SELECT 2; END}83{1}");
  expect("create or replace procedure p() begin/**/atomic select case case 1 when 1 then 2 end when 2 then 3 end; end;1;",
         "0{create or replace procedure p() begin/**/atomic select case case 1 when 1 then 2 end when 2 then 3 end; "
         "end}108{1}");
  expect("CREATE FUNCTION f() BEGIN ATOMIC SELECT (CASE WHEN 1 THEN 2 END); SELECT 'end', \"end\"; END;1;",
         "0{CREATE FUNCTION f() BEGIN ATOMIC SELECT (CASE WHEN 1 THEN 2 END); SELECT 'end', \"end\"; END}91{1}");
  expect("CREATE FUNCTION f(begin atomic) RETURNS int AS 'x';1;", 
         "0{CREATE FUNCTION f(begin atomic) RETURNS int AS 'x'}51{1}");
  /* A column or function may be called begin; psql would go on to the end of the script. */
  expect("CREATE FUNCTION s.begin(begin int) RETURNS int AS $$begin$$;1;",
         "0{CREATE FUNCTION s.begin(begin int) RETURNS int AS $$begin$$}60{1}");
  expect("CREATE FUNCTION f() BEGIN ATOMIC SELECT begin, t.begin AS begin FROM t; END;1;",
         "0{CREATE FUNCTION f() BEGIN ATOMIC SELECT begin, t.begin AS begin FROM t; END}76{1}");
  expect("BEGIN;BEGIN ATOMIC;CREATE TABLE t(a int);END;CREATE VIEW function BEGIN ATOMIC;2;",
         "0{BEGIN}6{BEGIN ATOMIC}19{CREATE TABLE t(a int)}41{END}45{CREATE VIEW function BEGIN ATOMIC}79{2}");
  expect_error("CREATE FUNCTION f() BEGIN ATOMIC SELECT 1;", LB_CORRUPT,
               "in the middle of a statement, which began at byte 0");
}

static void test_copy(void **state)
{
  (void)state;
  expect("COPY t (a, b) FROM stdin;\n1\t2\n\\N\t\\\\.\n\\.\nSELECT 1;",
         "0COPY{COPY t (a, b) FROM stdin}<1\t2\n\\N\t\\\\.\n>=240{SELECT 1}");
  expect("copy t from STDIN ; \r\n\\.\n", "0COPY{copy t from STDIN}<>=0");
}

static void test_copy_lines(void **state)
{
  (void)state;
  expect("COPY t FROM stdin;\n\n\n\\.\n1;", "0COPY{COPY t FROM stdin}<\n\n>=224{1}");
  expect("COPY t FROM stdin;\r\na\r\n\\.\r\n1;", "0COPY{COPY t FROM stdin}<a\r\n>=127{1}");
  expect("COPY t FROM stdin;\n\\.a\n\\\n.\n\\..\n\\.\r\r\n\\\\.\nx\\.\n\\.\n1;",
         "0COPY{COPY t FROM stdin}<\\.a\n\\\n.\n\\..\n\\.\r\r\n\\\\.\nx\\.\n>=747{1}");
  expect("COPY t FROM stdin;\n1\n\\.", "0COPY{COPY t FROM stdin}<1\n>=1");
  expect("COPY a FROM stdin;\n1\n\\.\nCOPY b FROM stdin;\n2\n\\.\n",
         "0COPY{COPY a FROM stdin}<1\n>=124COPY{COPY b FROM stdin}<2\n>=1");
  expect("COPY t FROM stdin;\n';$$/*\n\\.\n1;", "0COPY{COPY t FROM stdin}<';$$/*\n>=129{1}");
}

static void test_copy_statements(void **state)
{
  (void)state;
  static const char *const taken[] = {
    "COPY \"a\"\"(b FROM 'x\".\"to\" (\"from\", \"stdin)\") FROM stdin", "copy/* from 'x' */t--to\nfrom stdin",
    "COPY t FROM stdin WITH (FORMAT text, DELIMITER ',', NULL E'\\\\N', FREEZE on, ENCODING 'UTF8')",
    "COPY t FROM STDIN WITH DELIMITER AS '|' NULL AS ''", "COPY t FROM stdin (format 'TEXT')",
    "COPY stdin.from FROM stdin", "COPY t FROM stdin NULL E'\\' csv '",
  };
  for (size_t i = 0; i < sizeof taken / sizeof *taken; i++) {
    lb_buf script = { 0 }, log = { 0 };
    lb_buf_printf(&script, "%s;\nx\n\\.\n", taken[i]);
    lb_buf_printf(&log, "0COPY{%s}<x\n>=1", taken[i]);
    expect(script.data, log.data);
    lb_buf_free(&script);
    lb_buf_free(&log);
  }
  expect("COPYING t FROM stdin;\"copy\" t FROM stdin;", "0{COPYING t FROM stdin}21{\"copy\" t FROM stdin}");
}

static void test_copy_refused(void **state)
{
  (void)state;
  static const struct { const char *sql, *message; } refused[] = {
    { "COPY t FROM '/etc/passwd';", "COPY at byte 1 of the script reads a file or runs a program on the server" },
    { "COPY t FROM PROGRAM 'id';", "runs a program on the server: only COPY … FROM stdin is taken" },
    { "COPY t FROM stdout;", "reads a file" }, { "COPY t TO stdout;", "writes data out" },
    { "COPY t (a) TO PROGRAM 'x';", "writes data out" }, { "COPY (SELECT 1) TO stdout;", "the result of a query" },
    { "COPY t WHERE stdin;", "is not understood" }, { "COPY t (a;", "in the middle of a statement" },
    { "COPY t FROM stdin WITH (FORMAT csv);", "in csv, binary or another format than text" },
    { "COPY t FROM stdin (FORMAT 'binary');", "another format" }, { "COPY t FROM stdin CSV;", "another format" },
    { "COPY BINARY t FROM stdin;", "another format" }, { "COPY t FROM stdin BINARY;", "another format" },
    { "COPY t FROM stdin (FORMAT);", "another format" }, { "COPY t FROM stdin (\"format\" csv);", "has \"format\"" },
    { "COPY t FROM stdin (HEADER);", "has \"HEADER\" among its options" },
    { "COPY t FROM stdin WHERE a > 1;", "has \"WHERE\" among its options" },
    { "COPY t FROM stdin; SELECT 1;\n\\.\n", "something behind COPY … FROM stdin; (data must begin on the next line), at "
      "byte 20 of the script" },
  };
  for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
    lb_buf script = { 0 };
    lb_buf_printf(&script, " %s", refused[i].sql);
    expect_error(script.data, strstr(refused[i].message, "middle") ? LB_CORRUPT : LB_UNSUPPORTED, refused[i].message);
    lb_buf_free(&script);
  }
}

static void test_meta(void **state)
{
  (void)state;
  expect("\\restrict aB9\n\\connect \"a\"\"; \\b\"\r\nSELECT 1;\n\\connect -reuse-previous=on \"dbname='x\\\\y'\"\n"
         "\\unrestrict aB9", "0META{\\restrict aB9}14META{\\connect \"a\"\"; \\b\"}34{SELECT 1}"
         "44META{\\connect -reuse-previous=on \"dbname='x\\\\y'\"}88META{\\unrestrict aB9}");
  expect("COPY t FROM stdin;\n\\.\n\\connect x\n", "0COPY{COPY t FROM stdin}<>=022META{\\connect x}");
  static const char *const refused[] = {
    "\n\\! id\n", "\n\\i x\n", "\n\\copy t from x\n", "\n\\connectx\n", "\n\\c x\n", "\n\\connect\n", "\n\\\n", "\n\\",
    "\n\\connect x \\! id\n", "\n\\connect `id`\n", "\n\\connect \"x\n", "\n\\restrict\n", "\n\\restrict a b\n",
    "\n\\restrict 'a'\n", "\n\\.\n", "\n\\CONNECT x\n",
  };
  for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
    expect_error(refused[i], LB_UNSUPPORTED, " at byte 1 of the script: only \\connect");
  }
  expect_error(" \\connect x\n", LB_UNSUPPORTED, "a backslash in the middle of a line or statement");
  expect_error("SELECT 1; \\connect x\n", LB_UNSUPPORTED, "at byte 10 of the script");
  expect_error("/**/\\connect x\n", LB_UNSUPPORTED, "at byte 4 of the script");
  expect_error("SELECT 1\n\\connect x\n", LB_UNSUPPORTED, "at byte 9 of the script");
  expect_error("SELECT 1\\; SELECT 2;", LB_UNSUPPORTED, "at byte 8 of the script");
}

static void test_entries(void **state)
{
  (void)state;
  static const char script[] =
    "SET a = 1;\n--\n-- Name: t; Type: TABLE; Schema: s; Owner: o\n--\n\nCREATE TABLE t ();\n\nALTER TABLE t OWNER TO o;\n"
    "-- Name: no type\nSELECT '\n-- Name: in; Type: a string\n';\n/*\n-- Name: in; Type: a comment\n*/\n"
    " -- Name: indented; Type: X\nSELECT 1;\n--\n-- Data for Name: t; Type: TABLE DATA; Schema: s; Owner: o\n--\n\n"
    "COPY t FROM stdin;\n-- Name: data; Type: X\n\\.\nSELECT 2;\n"
    "-- Statistics for Name: t; Type: STATISTICS DATA; Schema: s\n"
    "SELECT 3;\n--\n-- PostgreSQL database dump complete\n--\n\nSELECT 4;\n";
  expect_bytes(script, strlen(script), true,
    "[]0{SET a = 1}[Name: t; Type: TABLE; Schema: s; Owner: o]63{CREATE TABLE t ()}"
    "[Name: t; Type: TABLE; Schema: s; Owner: o]83{ALTER TABLE t OWNER TO o}"
    "[Name: t; Type: TABLE; Schema: s; Owner: o]126{SELECT '\n-- Name: in; Type: a string\n'}"
    "[Name: t; Type: TABLE; Schema: s; Owner: o]229{SELECT 1}"
    "[Data for Name: t; Type: TABLE DATA; Schema: s; Owner: o]305COPY{COPY t FROM stdin}<-- Name: data; Type: X\n>=1"
    "[Data for Name: t; Type: TABLE DATA; Schema: s; Owner: o]350{SELECT 2}"
    "[Statistics for Name: t; Type: STATISTICS DATA; Schema: s]420{SELECT 3}[]474{SELECT 4}");
}

static void test_cut(void **state)
{
  (void)state;
  expect_error("SELECT 1;\nSELECT (2", LB_CORRUPT, "the script ends in the middle of a statement, which began at byte "
               "10: it is cut off");
  expect_error("SELECT 'a;", LB_CORRUPT, "a quoted string, which began at byte 7");
  expect_error("SELECT E'a\\'", LB_CORRUPT, "a quoted string");
  expect_error("SELECT \"a", LB_CORRUPT, "a quoted identifier, which began at byte 7");
  expect_error("SELECT $a$ $a", LB_CORRUPT, "a dollar-quoted string, which began at byte 7");
  expect_error("1; /* /* */", LB_CORRUPT, "a comment, which began at byte 3");
  expect_error(" COPY t FROM stdin;", LB_CORRUPT, "COPY, which began at byte 1");
  expect_error(" COPY t FROM stdin", LB_CORRUPT, "COPY, which began at byte 1");
  expect_error("COPY t FROM stdin;\n1\n", LB_CORRUPT, "COPY, which began at byte 0");
  expect_error("COPY t FROM stdin;\n\\", LB_CORRUPT, "COPY, which began at byte 0");
  expect_error_of("SELECT 'a\0b';", 13, LB_CORRUPT, "the statement at byte 0 of the script has a zero byte");
  expect_error_of("SELECT 1;\0", 10, LB_CORRUPT, "a zero byte at byte 9 of the script");
  expect_error("\xef\xbb", LB_CORRUPT, "byte order mark");
  expect_error("\xef\xbbx;", LB_CORRUPT, "byte order mark");
}

static void test_callers(void **state)
{
  (void)state;
  static const char script[] = "SELECT 1;\n\\connect x\nCOPY t FROM stdin;\n1\n\\.\n";
  for (int calls = 0; calls <= 5; calls++) {
    lb_error err = LB_ERROR_INIT;
    heard h = { .fail_after = calls };
    assert_int_equal(hear(&h, script, strlen(script), 1000, 0, &err), calls < 5 ? LB_BUSY : LB_OK);
    lb_buf_free(&h.log);
  }
  lb_error err = LB_ERROR_INIT;
  heard h = { .fail_after = -1 };
  hear(&h, "SELECT 1;\n\\connect x\n\xef\xbb\xbf;", 25, 2, UINT64_C(5000000000), &err);
  assert_string_equal(h.log.data, "5000000000{SELECT 1}5000000010META{\\connect x}5000000021{\xef\xbb\xbf}");
  lb_buf_free(&h.log);

  static const lb_script_ops ops = { hear_statement, hear_data, hear_end, hear_meta };
  lb_script *s = lb_script_open(&ops, &h, 0, &err);
  assert_int_equal(lb_script_feed(s, "\\x\n", 3, &err), LB_UNSUPPORTED);
  lb_error_clear(&err);
  assert_int_equal(lb_script_feed(s, "SELECT 1;", 9, &err), LB_MISUSE);
  lb_error_clear(&err);
  assert_int_equal(lb_script_end(s, &err), LB_MISUSE);
  lb_script_close(s);
  lb_script_close(NULL);
}

/* Rows of many lengths, so that newlines and the marker come at every place of a vector and of a stride. */
static void test_long_data(void **state)
{
  (void)state;
  lb_buf script = { 0 };
  uint64_t bytes = 0, rows = 0;
  for (int table = 0; table < 70; table++) {
    lb_buf_text(&script, "COPY t FROM stdin;\n");
    size_t begin = script.len;
    for (int i = 0; i < 40 + table; i++, rows++) lb_buf_printf(&script, "%*d\\.\\N\n", (i * 37 + table) % 1500, i);
    bytes += script.len - begin;
    lb_buf_text(&script, "\\.\n");
  }
  /* A table without columns: more newlines than a vector can count in a byte. */
  lb_buf_text(&script, "COPY zero FROM stdin;\n");
  for (int i = 0; i < 9000; i++, rows++, bytes++) lb_buf_text(&script, "\n");
  lb_buf_text(&script, "\\.\n");
  assert_false(script.failed);
  for (size_t piece = 1; piece < 100000; piece = piece * 5 + 2) {
    lb_error err = LB_ERROR_INIT;
    heard h = { .discard = true, .fail_after = -1 };
    assert_int_equal(hear(&h, script.data, script.len, piece, 0, &err), LB_OK);
    assert_int_equal(h.bytes, bytes);
    assert_int_equal(h.rows, rows);
    lb_buf_free(&h.log);
  }
  lb_buf_free(&script);
}

static void test_recognized(void **state)
{
  (void)state;
  static const struct { const char *head; bool dump; } heads[] = {
    { "--\n-- PostgreSQL database dump\n--\n", true }, { "\xef\xbb\xbf\r\n-- PostgreSQL database cluster dump\r\n", true },
    { "--\n\n\\restrict abc\n--\n-- PostgreSQL database dump", true },
    { "-- a comment\n-- PostgreSQL database dump\n", true },
    { "", false }, { "--\n", false }, { "SELECT 1;\n-- PostgreSQL database dump\n", false }, { "PGDMP", false },
    { "-- PostgreSQL database", false }, { "SQLite format 3", false },
    { "\\connect x\n-- PostgreSQL database dump\n", false },
  };
  for (size_t i = 0; i < sizeof heads / sizeof *heads; i++) {
    assert_int_equal(lb_script_looks_like_dump(heads[i].head, strlen(heads[i].head)), heads[i].dump);
    assert_int_equal(lb_script_other_format(heads[i].head, strlen(heads[i].head)) != NULL, !strcmp(heads[i].head, "PGDMP"));
  }
  assert_non_null(strstr(lb_script_other_format("PGDMP\1\16", 7), "custom format"));
  assert_null(lb_script_other_format("PGDMX\1\16", 7));
  assert_null(lb_script_other_format("PGDM", 4));
}

int main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_statements), cmocka_unit_test(test_comments), cmocka_unit_test(test_quotes),
    cmocka_unit_test(test_dollar_quotes), cmocka_unit_test(test_routines), cmocka_unit_test(test_copy),
    cmocka_unit_test(test_copy_lines), cmocka_unit_test(test_copy_statements), cmocka_unit_test(test_copy_refused),
    cmocka_unit_test(test_meta), cmocka_unit_test(test_entries), cmocka_unit_test(test_cut),
    cmocka_unit_test(test_callers), cmocka_unit_test(test_long_data), cmocka_unit_test(test_recognized),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

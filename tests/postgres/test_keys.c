/* Primary keys out of the statements behind a backup's data. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "postgres/keys.h"

static const char script[] =
    "SELECT 1;\n"
    "ALTER TABLE ONLY public.t\n    ADD CONSTRAINT t_pkey PRIMARY KEY (id);\n"
    "ALTER TABLE ONLY public.\"T\" ADD CONSTRAINT x PRIMARY KEY (\"B \"\"q\"\"\", a) INCLUDE (c);\n"
    "ALTER TABLE ONLY s.t ADD CONSTRAINT y UNIQUE (id);\n"
    "ALTER TABLE ONLY s.rent ADD CONSTRAINT v PRIMARY KEY (room, \"at\" WITHOUT OVERLAPS);\n"
    "ALTER TABLE ONLY unqualified ADD CONSTRAINT z PRIMARY KEY (id);\n"
    "ALTER TABLE ONLY a.fk ADD CONSTRAINT f FOREIGN KEY (id) REFERENCES public.t(id);\n";

enum { CUT = 142 };  /* within a name in quotes */

/* Three blocks: some data, and the script in two. */
static int block(lb_source *source, uint64_t number, const unsigned char **data, size_t *n, lb_error *err)
{
  (void)source, (void)err;
  assert_true(number == 1 || number == 2);
  *data = (const unsigned char *)script + (number == 2 ? CUT : 0);
  *n = number == 1 ? CUT : sizeof script - 1 - CUT;
  return LB_OK;
}

static void check(const lb_pg_keys *keys, const char *schema, const char *name, const char *want)
{
  int count;
  char text[64] = "";
  char *const *columns = lb_pg_keys_find(keys, schema, name, &count);
  for (int i = 0; i < count; i++) {
    strcat(text, columns[i]);
    strcat(text, ";");
  }
  assert_string_equal(text, want);
}

static void test_keys(void **state)
{
  (void)state;
  lb_error err = LB_ERROR_INIT;
  lb_task task = { .stop = false };
  lb_source source = { .block = block };
  lb_pg_part parts[] = { { LB_PART_DATA, 0, 0, 1, 0, 10, NULL }, { LB_PART_POST_DATA, -1, 1, 2, 0, sizeof script - 1, NULL } };
  lb_pg_contents contents = { .parts = parts, .part_count = 2 };
  lb_pg_keys *keys = lb_pg_keys_read(&source, &contents, &task, &err);
  assert_string_equal(err.message, "");
  assert_non_null(keys);
  check(keys, "public", "t", "id;");
  check(keys, "public", "T", "B \"q\";a;");
  check(keys, "s", "t", "");
  check(keys, "s", "rent", "room;at;");  /* no two rows share a room and a whole time */
  check(keys, "", "unqualified", "");
  check(keys, "a", "fk", "");
  lb_pg_keys_close(keys);
  lb_pg_keys_close(NULL);
}

static void test_cut_off(void **state)
{
  (void)state;
  lb_error err = LB_ERROR_INIT;
  lb_task task = { .stop = false };
  lb_source source = { .block = block };
  lb_pg_part parts[] = { { LB_PART_POST_DATA, -1, 1, 1, 0, CUT, NULL } };
  lb_pg_contents contents = { .parts = parts, .part_count = 1 };
  assert_null(lb_pg_keys_read(&source, &contents, &task, &err));
  assert_non_null(strstr(err.message, "ends in the middle of"));
}

int main(void)
{
  const struct CMUnitTest tests[] = { cmocka_unit_test(test_keys), cmocka_unit_test(test_cut_off) };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

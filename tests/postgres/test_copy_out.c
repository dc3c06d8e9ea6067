/* COPY's binary form into rows of text: where its pieces come together or apart, and what is none of it. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "postgres/copy_out.h"

#define HEADER "PGCOPY\n\377\r\n\0" "\0\0\0\0" "\0\0\0\0"
#define ROW "\0\2" "\0\0\0\2ab" "\0\0\0\2\1\2"
#define NULLS "\0\2" "\377\377\377\377" "\377\377\377\377"
#define TRAILER "\377\377"

static const lb_wire wires[] = { LB_WIRE_STRING, LB_WIRE_INT2 };

typedef struct piece { const char *data; size_t n; } piece;
#define PIECE(text) { text, sizeof(text) - 1 }

/* The text of all pieces, or the message. */
static void expect(const piece *pieces, size_t count, bool ended, const char *want)
{
  lb_copy_out copy = { .wires = wires, .count = 2 };
  lb_buf rows = { 0 };
  lb_error err = LB_ERROR_INIT;
  for (size_t i = 0; i < count && !err.code; i++) {
    char *own = malloc(pieces[i].n ? pieces[i].n : 1);  /* so that sanitizers see a look beyond it */
    memcpy(own, pieces[i].data, pieces[i].n);
    lb_copy_out_take(&copy, own, pieces[i].n, &rows, &err);
    free(own);
  }
  if (err.code) assert_int_equal(err.code, LB_ERROR);
  else assert_int_equal(copy.ended, ended);
  assert_string_equal(err.code ? err.message : rows.data ? rows.data : "", want);
  lb_buf_free(&rows);
}

#define EXPECT(ended, want, ...) \
  do { \
    const piece pieces[] = { __VA_ARGS__ }; \
    expect(pieces, sizeof pieces / sizeof *pieces, ended, want); \
  } while (0)

static void test_rows(void **state)
{
  (void)state;
  EXPECT(true, "ab\t258\nab\t258\n", PIECE(HEADER ROW), PIECE(ROW), PIECE(TRAILER));
  EXPECT(true, "ab\t258\n\\N\t\\N\n", PIECE(HEADER), PIECE(ROW), PIECE(NULLS), PIECE(TRAILER));
  EXPECT(true, "", PIECE(HEADER TRAILER));
  EXPECT(false, "ab\t258\n", PIECE(HEADER ROW));
  /* An extension of the header is passed over. */
  EXPECT(true, "ab\t258\n", PIECE("PGCOPY\n\377\r\n\0" "\0\0\0\0" "\0\0\0\3xyz" ROW), PIECE(TRAILER));
}

static void test_damage(void **state)
{
  const char *header = "COPY began with no header that is known";
  (void)state;
  EXPECT(false, header, PIECE(""));
  EXPECT(false, header, PIECE("ab\t258\n"));
  EXPECT(false, header, PIECE("PGCOPY\n\377\r\n\0\0\0\0\0\0\0\0"));
  EXPECT(false, header, PIECE("PGCOPY\n\377\r\n\0" "\0\1\0\0" "\0\0\0\0"));
  EXPECT(false, header, PIECE("PGCOPY\n\377\r\n\0" "\0\0\0\0" "\0\0\0\4xyz"));
  EXPECT(false, "a row has not the 2 columns that were asked for", PIECE(HEADER "\0\3"));
  EXPECT(false, "a row has not the 2 columns that were asked for", PIECE(HEADER "\0"));
  EXPECT(false, "a row has not the 2 columns that were asked for", PIECE(HEADER ROW), PIECE(""));
  EXPECT(false, "a row has not the 2 columns that were asked for", PIECE(HEADER TRAILER), PIECE(ROW));
  EXPECT(false, "column 1 of a row ends early", PIECE(HEADER "\0\2"));
  EXPECT(false, "column 1 of a row ends early", PIECE(HEADER "\0\2" "\0\0\0\2a"));
  EXPECT(false, "column 1 of a row ends early", PIECE(HEADER "\0\2" "\377\377\377\376" "a"));
  EXPECT(false, "column 2 of a row ends early", PIECE(HEADER "\0\2" "\0\0\0\1a" "\0\0\0"));
  EXPECT(false, "column 2 of a row has 1 bytes that are no value of its type", PIECE(HEADER "\0\2" "\0\0\0\1a" "\0\0\0\1a"));
  EXPECT(false, "a row goes on behind its last column", PIECE(HEADER ROW "x"));
  EXPECT(false, "a row goes on behind its last column", PIECE(HEADER TRAILER ROW));
}

int main(void)
{
  const struct CMUnitTest tests[] = { cmocka_unit_test(test_rows), cmocka_unit_test(test_damage) };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

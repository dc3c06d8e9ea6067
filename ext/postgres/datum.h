/* A value of PostgreSQL, from its text to what SQLite can hold.
**
** Nothing is lost: what a kind cannot hold exactly stays text as it stands. A number is held as one where it is the
** same number when SQLite prints it (INTEGER: 64 bits; REAL: at most 15 digits that count, or a value that was a double
** to begin with), so that 1.10 is 1.1; NaN and infinity are text. Source: PostgreSQL's manual, "Data Types".
*/
#ifndef LB_POSTGRES_DATUM_H
#define LB_POSTGRES_DATUM_H

#include "postgres/encoding.h"

typedef enum lb_pg_kind {
  LB_PG_TEXT,      /* all that is none of the others */
  LB_PG_INTEGER, LB_PG_BOOLEAN, LB_PG_REAL, LB_PG_NUMERIC, LB_PG_BYTEA
} lb_pg_kind;

/* Of a built-in type by its name ("bigint", "double", "pg_catalog.int8" without its schema). */
lb_pg_kind lb_pg_kind_of(const char *type);

/* -?digits that 64 bits hold. */
bool lb_pg_datum_integer(const char *text, size_t len, int64_t *integer);

/* How SQLite is to be told of a column: "INTEGER", "REAL", "NUMERIC", "BLOB", "TEXT". */
const char *lb_pg_kind_affinity(lb_pg_kind kind);

typedef enum lb_pg_datum_type { LB_PG_IS_NULL, LB_PG_IS_INTEGER, LB_PG_IS_REAL, LB_PG_IS_TEXT, LB_PG_IS_BLOB }
  lb_pg_datum_type;

typedef struct lb_pg_datum {
  lb_pg_datum_type type;
  int64_t integer;
  double real;
  const char *data;  /* of TEXT, in UTF-8, and BLOB: not ended by a zero byte; valid as long as what it was made of */
  size_t len;
} lb_pg_datum;

/* buf is for what had to be converted. Text that is none in the encoding is a BLOB of its bytes; a bytea that is
** none, or memory that is missing, is an error without the value's place. */
int lb_pg_datum_read(lb_pg_kind kind, const char *text, size_t len, lb_pg_encoding *encoding, lb_buf *buf,
                     lb_pg_datum *value, lb_error *err);

#endif

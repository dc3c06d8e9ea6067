/* Values of a result row: compared as SQLite's BINARY order has them, told in JSON without loss.
**
** Two values are equal when storage class and value are: 1 and 1.0 differ, 'a' and x'61' do, NULL equals NULL, 0.0 and
** -0.0 are one. Text is compared by its bytes in an encoding, which is that of one of the databases.
*/
#ifndef LB_SQLITE_VALUE_H
#define LB_SQLITE_VALUE_H

#include <stdbool.h>

#include "core/buffer.h"
#include "sqlite/connection.h"

typedef enum lb_encoding { LB_UTF8, LB_UTF16LE, LB_UTF16BE } lb_encoding;

/* That of a connection, which all its databases share. */
int lb_encoding_of(sqlite3 *db, const char *label, lb_encoding *encoding, lb_error *err);

typedef struct lb_value {
  int type;            /* SQLITE_INTEGER, …, SQLITE_NULL */
  int64_t integer;
  double real;
  const void *bytes;   /* of a text or blob; text in UTF-16 is in the machine's byte order. Valid until the next step */
  size_t n;
} lb_value;

/* false: out of memory. */
bool lb_value_at(sqlite3_stmt *row, int column, lb_encoding encoding, lb_value *value);

/* Below, above or 0, as ORDER BY … COLLATE BINARY has it in a database of this encoding: an integer and a real of one
** value are 0. */
int lb_value_order(const lb_value *a, const lb_value *b, lb_encoding encoding);

/* The order among values that lb_value_order does not tell apart: integers come before reals, as typeof() has it. */
int lb_value_class_order(const lb_value *a, const lb_value *b);

/* Two texts of the encoding, as the collation of that order. */
int lb_value_text_order(const void *a, size_t n, const void *b, size_t m, lb_encoding encoding);

/* Appends the value of a column as JSON: numbers and texts as such, a real always with a point or an exponent, a blob
** as {"blob":"cafe"}, a text that is no UTF-8 as {"text":"ff"}, both in hexadecimal digits. */
void lb_value_json(sqlite3_stmt *row, int column, lb_buf *out);

#endif

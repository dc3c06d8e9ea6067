/* JSON, by SQLite's own functions on a private in-memory connection.
**
** The connection has nothing to do with the host's: it is safe to use while the host's connection is inside a call.
** One lb_json serves one thread at a time.
*/
#ifndef LB_CORE_JSON_H
#define LB_CORE_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/buffer.h"
#include "core/error.h"

typedef struct lb_json lb_json;
struct sqlite3_stmt;

lb_json *lb_json_open(lb_error *err);
void lb_json_close(lb_json *json);  /* accepts NULL */

/* ---- reading ---- */

typedef enum lb_json_type { LB_JSON_NULL, LB_JSON_TRUE, LB_JSON_FALSE, LB_JSON_INTEGER, LB_JSON_REAL, LB_JSON_TEXT,
                            LB_JSON_ARRAY, LB_JSON_OBJECT } lb_json_type;

typedef struct lb_json_member {
  const char *key;       /* valid during the callback only, like text */
  lb_json_type type;
  int64_t integer;       /* of an integer */
  const char *text;      /* of a text; the JSON source text of an array or object; else NULL */
  size_t text_len;
} lb_json_member;

/* Calls each() for every member of the object at the top, in order. Fails with LB_MISUSE when text is not a JSON
** object ("options: …" is for the caller to prefix) or has \u0000 in a text, or with what each() set. A key that comes
** twice is told twice. each() may use the same lb_json, but not for lb_json_each. */
int lb_json_each(lb_json *json, const char *text, int (*each)(void *ctx, const lb_json_member *m, lb_error *err),
                 void *ctx, lb_error *err);

/* Calls each() for every text of the array at the top, in order; texts may be empty, and are valid during the callback
** only. Fails with LB_MISUSE when array is not a JSON array, has anything but texts in it (those before it were told),
** or has \u0000 in a text, or with what each() set. each() may use the same lb_json. */
int lb_json_each_text(lb_json *json, const char *array, int (*each)(void *ctx, const char *text, lb_error *err),
                      void *ctx, lb_error *err);

/* For nested JSON out of a file: runs sql, one SELECT of ours whose only parameter ?1 is the text, and calls each() for
** every row; it reads columns by sqlite3_column_…, NULL and other types included, whose texts are valid during the
** callback. Text that is no JSON, that has \u0000 in a text, or that makes the SQL fail (json_each of a text) is
** LB_CORRUPT; else it fails with what each() set. each() may use the same lb_json. */
int lb_json_rows(lb_json *json, const char *sql, const char *text,
                 int (*each)(void *ctx, struct sqlite3_stmt *row, lb_error *err), void *ctx, lb_error *err);

/* ---- writing: flat objects, and arrays of texts ---- */

/* Each appends `"key":value` with the comma it needs; begin with "{" in buf, end with "}". A NULL text is null. Bytes
** of a text that are no UTF-8 become U+FFFD. */
void lb_json_put_text(lb_buf *buf, const char *key, const char *value);
void lb_json_put_int(lb_buf *buf, const char *key, int64_t value);
void lb_json_put_key(lb_buf *buf, const char *key);     /* `"key":`; the value is the caller's to append */
void lb_json_put_item(lb_buf *buf, const char *value);  /* a text of an array, which begins with "[" */
void lb_json_put_real(lb_buf *buf, const char *key, double value);  /* three decimals */

/* A value: n bytes as a string, a NUL among them too; behind them is a NUL. false, and nothing appended, where they are
** no UTF-8. */
bool lb_json_put_bytes(lb_buf *buf, const char *text, size_t n);

#endif

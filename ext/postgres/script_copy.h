/* The two things that a script's reader must know of COPY: whether a statement takes data from the script, and where
** that data ends. For script.c only.
*/
#ifndef LB_POSTGRES_SCRIPT_COPY_H
#define LB_POSTGRES_SCRIPT_COPY_H

#include "postgres/script.h"

/* Whether sql (NUL-terminated, beginning at its first token) is a COPY. */
bool lb_copy_is(const char *sql);

/* LB_OK for a COPY … FROM stdin in text format, with no option that changes what a row or the end of data is. Anything
** else is LB_UNSUPPORTED; the message has offset and what to do. */
int lb_copy_check(const char *sql, uint64_t offset, lb_error *err);

/* Where the reader is in the data of one COPY. All zero is its beginning. */
typedef struct lb_copy_lines {
  bool inside;    /* of a line; else at its beginning, of which `held` bytes may be those of an end marker */
  int held;
  uint64_t rows;  /* lines told so far */
} lb_copy_lines;

/* Tells rows by copy_data until the line that ends them: *used is how much of data was taken, all of it unless *ended,
** when the marker and its newline are. */
int lb_copy_feed(lb_copy_lines *lines, const char *data, size_t n, const lb_script_ops *ops, void *ctx, size_t *used,
                 bool *ended, lb_error *err);

/* Whether a script that ends here ends with the marker, only its newline missing. */
bool lb_copy_at_marker(const lb_copy_lines *lines);

#endif

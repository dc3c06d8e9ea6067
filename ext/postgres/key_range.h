/* The lowest and the highest key of some rows, so that who looks for a key need not read parts that cannot have it.
**
** Keys are compared as the values that datum.h makes of them, the way SQLite compares: integers by size, texts byte by
** byte. Texts are short and plain ASCII, so that they stand in the same order in every encoding of a database; rows
** with any other key have no range.
*/
#ifndef LB_POSTGRES_KEY_RANGE_H
#define LB_POSTGRES_KEY_RANGE_H

#include "postgres/datum.h"

#define LB_KEY_TEXT_MAX 40   /* bytes; a uuid has 36 */

typedef enum lb_key_kind {
  LB_KEYS_NONE,      /* no row yet */
  LB_KEYS_INTEGERS, LB_KEYS_TEXTS,
  LB_KEYS_UNKNOWN    /* a row has a key that is neither, or NULL */
} lb_key_kind;

typedef struct lb_key_range {
  lb_key_kind kind;
  int64_t low, high;                                                     /* INTEGERS */
  char low_text[LB_KEY_TEXT_MAX + 1], high_text[LB_KEY_TEXT_MAX + 1];    /* TEXTS */
} lb_key_range;

/* Whether columns of that kind can have ranges. */
bool lb_key_kind_has_ranges(lb_pg_kind kind);

/* A row of COPY text, with its newline, whose field `field` (from 0) is the key. */
void lb_key_range_take(lb_key_range *range, lb_pg_kind kind, int field, const char *row, size_t n);

/* Of INTEGERS or TEXTS as a file tells them: whether take() may have made it. */
bool lb_key_text_is_plain(const char *text, size_t n);
bool lb_key_range_is_sound(const lb_key_range *range);

/* Whether rows with that range, of a column of that kind, may have a value that is neither below low nor above high;
** a bound that is neither INTEGER nor TEXT bounds nothing. */
bool lb_key_range_meets(const lb_key_range *range, lb_pg_kind kind, const lb_pg_datum *low, const lb_pg_datum *high);

#endif

/* The tokens of one SQL statement, for what has to understand it: statement.c and ddl.c.
**
** Nothing inside a string, a quoted name or a comment is taken for a word. Spans point into the text; nothing is
** allocated but by lb_span_text. Syntax is not checked. A lb_tokens is copied to look ahead and go back. Source:
** PostgreSQL's manual, "Lexical Structure", with standard_conforming_strings on.
*/
#ifndef LB_POSTGRES_TOKENS_H
#define LB_POSTGRES_TOKENS_H

#include <stdbool.h>
#include <stddef.h>

#include "core/buffer.h"
#include "core/error.h"

typedef struct lb_span { const char *at; size_t len; } lb_span;

/* [schema.]name as it stands, and its parts (quotes still on). schema.len 0: none. */
typedef struct lb_qualified { lb_span whole, schema, name; } lb_qualified;

typedef enum lb_token_type {
  LB_TOKEN_END, LB_TOKEN_WORD, LB_TOKEN_QUOTED, LB_TOKEN_STRING, LB_TOKEN_SYMBOL
} lb_token_type;

typedef struct lb_tokens {
  const char *p, *end;  /* behind the current token; behind the text */
  lb_token_type type;   /* of the current token */
  lb_span span;
} lb_tokens;

lb_tokens lb_tokens_begin(const char *sql, size_t len);  /* at the first token */
lb_token_type lb_token_next(lb_tokens *t);

bool lb_token_is(const lb_tokens *t, const char *word);  /* a word without quotes, given in lower case */
bool lb_token_is_symbol(const lb_tokens *t, char c);

/* Each steps over what it names and returns true, or stays and returns false. */
bool lb_token_take(lb_tokens *t, const char *word);
bool lb_token_both(lb_tokens *t, const char *first, const char *second);  /* two words */
bool lb_token_name(lb_tokens *t, lb_span *name);                          /* a word or a quoted name */

/* Where it returns false, it may have stepped over a part. */
bool lb_token_qualified(lb_tokens *t, lb_qualified *q);                /* [schema.]name */
bool lb_token_parentheses(lb_tokens *t, lb_span *span, bool *simple);  /* (…); simple: only names and commas in it */

/* Goes on to the next place outside parentheses where `word` stands, and steps over it; else to the end. */
bool lb_token_seek(lb_tokens *t, const char *word);

/* Whether a word without quotes is `word` (lower case). */
bool lb_span_is(lb_span span, const char *word);
/* A name without its quotes, or in lower case where it had none. */
void lb_span_name(lb_span span, lb_buf *out);
/* The same as a new text, which the caller frees. NULL: err is set. */
char *lb_span_text(lb_span span, lb_error *err);

#endif

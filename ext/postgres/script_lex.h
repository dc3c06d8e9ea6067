/* Where SQL statements end: the lexical part of script.c, for it only.
**
** A state machine over bytes that can stop after any of them: whatever looks ahead (the second dash, a closing tag, the
** word after BEGIN) is a state instead, so that pieces may be cut anywhere.
*/
#ifndef LB_POSTGRES_SCRIPT_LEX_H
#define LB_POSTGRES_SCRIPT_LEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/buffer.h"

typedef enum lb_lex_state {
  LB_LEX_PLAIN,          /* between tokens; between statements where `begun` is false */
  LB_LEX_WORD,           /* in an identifier */
  LB_LEX_DASH, LB_LEX_SLASH,  /* behind the first byte of what may be a comment */
  LB_LEX_LINE_COMMENT, LB_LEX_BLOCK_COMMENT,
  LB_LEX_STRING,         /* in single quotes */
  LB_LEX_ESCAPED,        /* the same behind an E */
  LB_LEX_NAME,           /* in double quotes */
  LB_LEX_DOLLAR,         /* behind a $, in what may be a tag */
  LB_LEX_DOLLAR_STRING
} lb_lex_state;

typedef enum lb_lex_event {
  LB_LEX_MORE,       /* all bytes were taken */
  LB_LEX_SEMICOLON,  /* the last byte taken ends the statement; lb_lex_reset is due */
  LB_LEX_BACKSLASH,  /* the last byte taken is a backslash outside quotes */
  LB_LEX_COMMENT,    /* the last bytes taken are the dashes of a comment that begins a line outside statements */
  LB_LEX_ZERO,       /* the last byte taken is a zero byte outside quotes and comments */
  LB_LEX_NOMEM
} lb_lex_event;

/* How a statement began, as far as BEGIN ATOMIC is concerned. */
typedef enum lb_lex_head {
  LB_LEX_NOTHING, LB_LEX_CREATE, LB_LEX_OR, LB_LEX_REPLACE, LB_LEX_ROUTINE, LB_LEX_OTHER
} lb_lex_head;

/* What may continue an escaped string that was closed: a quote at once (it was doubled), or one on another line. */
typedef enum lb_lex_joint { LB_LEX_APART, LB_LEX_CLOSED, LB_LEX_BLANK, LB_LEX_NEWLINE } lb_lex_joint;

#define LB_LEX_WORD_MAX 12  /* more than any keyword that matters has */

/* All zero but line_start (true) and offset is the beginning of a script. */
typedef struct lb_lex {
  lb_lex_state state;
  uint64_t offset;          /* of the first byte of the piece at hand: the caller's to move on */
  bool line_start;          /* outside statements: the next byte is the first of its line */
  uint64_t token_at;        /* where the string or comment began */

  bool begun;               /* a statement has */
  uint64_t begun_at;        /* may be the last byte of the piece before, when it then could have been a comment's */
  char lead;                /* that byte */
  lb_lex_head head;
  bool begin_seen;          /* the last token was BEGIN */
  uint64_t begins, parens;  /* open ones */

  char word[LB_LEX_WORD_MAX];  /* lower case; word_len may be more than what is kept */
  size_t word_len;
  lb_lex_joint joint;
  bool backslash;           /* the last byte of an escaped string was one that counts */
  lb_buf tag;               /* "$tag$" */
  size_t tag_matched;
  uint64_t comment_depth;
  char comment_last;        /* byte of a block comment; 0: it was part of a pair */
} lb_lex;

/* Takes bytes of the piece from *i on, until something happens. */
lb_lex_event lb_lex_take(lb_lex *lex, const char *data, size_t n, size_t *i);

/* At the end of the script: finishes what needed more bytes to be known. */
void lb_lex_end(lb_lex *lex);

/* Forgets the statement. */
void lb_lex_reset(lb_lex *lex);
void lb_lex_free(lb_lex *lex);

#endif

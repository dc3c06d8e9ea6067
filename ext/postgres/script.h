/* Reads an SQL script as pg_dump writes it: pushed in pieces of any size, it tells of statements, COPY data, and psql's
** commands. Memory: the longest statement.
**
** It is no parser of SQL: it knows what lexical structure it takes to find where a statement ends (PostgreSQL's manual,
** "Lexical Structure", and psqlscan.l for BEGIN ATOMIC and parentheses): '…' with standard_conforming_strings on, E'…',
** U&'…', "…", $tag$…$tag$, -- and nested comments, ( ) (a rule with several statements), BEGIN ATOMIC … END with
** CASE … END inside CREATE FUNCTION or PROCEDURE, psql's \; is refused. Comments before a statement are not part of it.
** `SET standard_conforming_strings = off` in the script is refused by whoever executes statements, not here; so is a
** client_encoding that no server has (SJIS, BIG5, GBK, UHC, GB18030, JOHAB): bytes below 128 must mean ASCII.
** BEGIN counts only before ATOMIC, where psql counts any BEGIN: a column may be called that.
**
** Backslash commands are known at the beginning of a line outside any statement: \connect, \restrict KEY, \unrestrict
** KEY are told as meta; any other is LB_UNSUPPORTED with its offset. A backslash elsewhere outside quotes inside a
** statement is an error too (psql would take it for a command), and so is what psql would run or take for a second
** command in the arguments of one: a backquote or a backslash outside quotes. The key is one word.
**
** COPY … FROM stdin: the statement is told by statement() with copy = true, then its lines by copy_data, as they stand
** (with their newlines, several lines or parts of lines at once), up to a line that is exactly \. ; CR LF line ends are
** not changed, and `\.` with CR LF ends it as well. The data begins on the next line: more behind the semicolon, and
** COPY from anything but stdin, COPY … TO, and stdin with FORMAT csv, binary or options that change what a row is, are
** LB_UNSUPPORTED.
**
** The script is hostile. Offsets count bytes of the script from 0 and are told for the first byte of a statement.
*/
#ifndef LB_POSTGRES_SCRIPT_H
#define LB_POSTGRES_SCRIPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/error.h"

#define LB_SCRIPT_STATEMENT_MAX ((size_t)1 << 30)  /* the server takes no longer one either */

typedef struct lb_script_ops {
  /* One statement without its semicolon, NUL-terminated, len bytes (no NUL inside: that is LB_CORRUPT). comment: the
  ** last `-- Name: …; Type: …` line of pg_dump above it ("Data for Name: …", "Statistics for Name: …" as well), without
  ** the "-- ", or "" (one per entry: it is told for every statement of the entry). Any call that does not return LB_OK
  ** ends the reading: its code is what feed returns. */
  int (*statement)(void *ctx, const char *sql, size_t len, uint64_t offset, bool copy, const char *comment,
                   lb_error *err);
  int (*copy_data)(void *ctx, const char *data, size_t len, lb_error *err);
  int (*copy_end)(void *ctx, uint64_t rows, lb_error *err);  /* rows: lines that were told */
  int (*meta)(void *ctx, const char *line, uint64_t offset, lb_error *err);  /* "\\connect \"x\"", without newline */
} lb_script_ops;

typedef struct lb_script lb_script;

/* at: the offset of the first byte that will be fed (a reader may begin at a member in the middle of a file). */
lb_script *lb_script_open(const lb_script_ops *ops, void *ctx, uint64_t at, lb_error *err);
int lb_script_feed(lb_script *script, const void *data, size_t n, lb_error *err);

/* The end: an unfinished statement, string, comment or COPY is LB_CORRUPT ("ends in the middle of …, which began at
** byte N"). A last statement without a semicolon counts as one. */
int lb_script_end(lb_script *script, lb_error *err);
void lb_script_close(lb_script *script);  /* accepts NULL */

/* The first bytes of a script: whether they can be a plain-text dump (pg_dump's, pg_dumpall's or ours). */
bool lb_script_looks_like_dump(const void *head, size_t n);
/* What they are instead and what to do ("is compressed by xz (unxz it first)"), where they are those of a format that
** others read: pg_dump's custom and tar formats, foreign compressors. Of a tar archive it takes 262 bytes. NULL: of
** none. */
const char *lb_script_other_format(const void *head, size_t n);

#endif

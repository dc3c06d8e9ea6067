/* Names and texts of a catalogue, made safe to stand in SQL that we write. Bytes are the database's encoding, which is
** always a superset of ASCII on a server; nothing here interprets bytes above 127.
*/
#ifndef LB_POSTGRES_QUOTE_H
#define LB_POSTGRES_QUOTE_H

#include <stdbool.h>

#include "core/buffer.h"

/* "name", always in double quotes, those inside doubled. */
void lb_pg_put_identifier(lb_buf *out, const char *name);
/* "schema"."name" */
void lb_pg_put_qualified(lb_buf *out, const char *schema, const char *name);
/* 'text', quotes doubled; E'…' with doubled backslashes where it has backslashes. */
void lb_pg_put_literal(lb_buf *out, const char *text);
/* A text[] as a parameter, element by element; at the end it is closed, {} where there was none. */
void lb_pg_put_element(lb_buf *array, const char *text);
void lb_pg_end_array(lb_buf *array);
/* For a comment of ours: control bytes become '?' so that a name never begins a line of its own. */
void lb_pg_put_comment(lb_buf *out, const char *name);

/* A pattern of pg_dump's -n, -t, -T (psql's rules: * and ?, double quotes keep case, unquoted letters fold down, a dot
** parts schema and name) as two POSIX regular expressions, anchored. schema gets nothing when the pattern has no dot.
** false: more than one dot, an unclosed quote, or an empty part. */
bool lb_pg_pattern(const char *pattern, lb_buf *schema, lb_buf *name);

#endif

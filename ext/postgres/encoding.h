/* Text of a script in the encoding that it names, as UTF-8: by iconv of the system.
**
** In an encoding that is not known here, and in SQL_ASCII, which is none, text is what is UTF-8 anyway, or ASCII. Bytes
** that are no text in their encoding are told as such; what to do with them is the caller's to say.
** Source: PostgreSQL's manual, "Character Set Support".
*/
#ifndef LB_POSTGRES_ENCODING_H
#define LB_POSTGRES_ENCODING_H

#include "core/buffer.h"
#include "core/error.h"

typedef struct lb_pg_encoding lb_pg_encoding;

/* name: as in SET client_encoding; NULL: UTF8. Those in which a byte below 128 may be a part of a character (SJIS,
** BIG5, GBK, UHC, GB18030, JOHAB, SHIFT_JIS_2004) are LB_UNSUPPORTED: no server keeps data in them, and a script's
** reader could not tell its quotes. */
bool lb_pg_encoding_has_ascii(const char *name);  /* whether it is none of these */
lb_pg_encoding *lb_pg_encoding_open(const char *name, lb_error *err);
void lb_pg_encoding_close(lb_pg_encoding *encoding);  /* accepts NULL */

/* Whether n bytes are text without a zero byte. Then *text, *len is it in UTF-8: the bytes themselves, or in buf, whose
** content is lost. buf->failed: out of memory. One thread at a time. */
bool lb_pg_encoding_text(lb_pg_encoding *encoding, const char *data, size_t n, lb_buf *buf, const char **text,
                         size_t *len);

/* A name, for messages and for comparing: what is no text in it becomes U+FFFD, byte by byte. Appended to out. */
void lb_pg_encoding_name(lb_pg_encoding *encoding, const char *name, lb_buf *out);

/* The same without converting it: as a name that is no UTF-8 looks in a table of contents, which is JSON. */
void lb_pg_name_in_json(const char *name, lb_buf *out);

#endif

/* A value of PostgreSQL, from the binary form that its type's send function gives (COPY … (FORMAT binary)) to a field
** of COPY's text format: what the type's output function gives under the settings of lb_pg_fix_settings (DateStyle ISO,
** TimeZone UTC, bytea_output hex), with backslashes and control characters escaped as COPY escapes them.
**
** Source: PostgreSQL's manual, "COPY", "Text Format" and "Binary Format", and its source, the functions TYPEsend and
** TYPEout in src/backend/utils/adt and CopyAttributeOutText; the same in every server from 10 on.
*/
#ifndef LB_POSTGRES_WIRE_TEXT_H
#define LB_POSTGRES_WIRE_TEXT_H

#include "postgres/wire.h"

/* Appends the text. false: these bytes are no value of that type, or are of one that has no text here (NONE and
** floating point numbers, whose digits are best left to the server), or out has failed; nothing was appended. */
bool lb_wire_text(lb_wire wire, const unsigned char *value, size_t len, lb_buf *out);

/* Appends what follows of a value whose first bytes were given to lb_wire_text: of STRING and BYTEA. false: out has
** failed. */
bool lb_wire_text_more(lb_wire wire, const unsigned char *value, size_t len, lb_buf *out);

static inline uint16_t lb_wire_get_u16(const unsigned char *p)
{
  return (uint16_t)(p[0] << 8 | p[1]);
}

static inline uint32_t lb_wire_get_u32(const unsigned char *p)
{
  return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static inline uint64_t lb_wire_get_u64(const unsigned char *p)
{
  return (uint64_t)lb_wire_get_u32(p) << 32 | lb_wire_get_u32(p + 4);
}

/* Two decimal digits of 0 to 99. */
static inline char *lb_wire_put_two(unsigned value, char *to)
{
  to[0] = (char)('0' + value / 10);
  to[1] = (char)('0' + value % 10);
  return to + 2;
}

/* wire_time.c: at most LB_WIRE_TIME_BYTES from `to` on; the end, or NULL: no such time of day. */
enum { LB_WIRE_TIME_BYTES = 48 };
char *lb_wire_put_date(int32_t days, char *to);
char *lb_wire_put_time(int64_t microseconds, char *to);
char *lb_wire_put_timestamp(int64_t microseconds, bool zone, char *to);

#endif

/* A value of PostgreSQL, from its text to the binary form that its type's receive function takes (COPY … (FORMAT
** binary)).
**
** Only text as the server itself writes it is turned, and always into what the server would have read from it; whatever
** else a type may be given as (a year of five digits or before Christ, an escaped bytea, blanks, other spellings) is
** refused here, and is for the server to read as text. Source: PostgreSQL's manual, "COPY", "Binary Format", and its
** source, the functions TYPErecv in src/backend/utils/adt; the same in every server from 10 on.
*/
#ifndef LB_POSTGRES_WIRE_H
#define LB_POSTGRES_WIRE_H

#include "core/buffer.h"

typedef enum lb_wire {
  LB_WIRE_NONE,    /* a type that is not known here */
  LB_WIRE_STRING,  /* text, character varying, character, json, enumerations: the bytes as they stand */
  LB_WIRE_BOOL, LB_WIRE_INT2, LB_WIRE_INT4, LB_WIRE_INT8, LB_WIRE_FLOAT4, LB_WIRE_FLOAT8, LB_WIRE_NUMERIC,
  LB_WIRE_BYTEA, LB_WIRE_UUID, LB_WIRE_JSONB, LB_WIRE_INET, LB_WIRE_CIDR, LB_WIRE_DATE, LB_WIRE_TIME,
  LB_WIRE_TIMESTAMP, LB_WIRE_TIMESTAMPTZ
} lb_wire;

/* Of a built-in type by its number in pg_type. */
lb_wire lb_wire_of(uint32_t oid);

/* Appends a field: its length in four bytes (numbers are big-endian), then the value. false: nothing was appended, or
** out has failed. */
bool lb_wire_put(lb_wire wire, const char *text, size_t len, lb_buf *out);
void lb_wire_put_null(lb_buf *out);

void lb_wire_u16(unsigned char *p, uint16_t v);
void lb_wire_u32(unsigned char *p, uint32_t v);
void lb_wire_u64(unsigned char *p, uint64_t v);

/* Digits only, n of them, at most 9. */
bool lb_wire_digits(const char *p, size_t n, int *value);

/* wire_time.c: days and microseconds from 2000-01-01. */
bool lb_wire_date(const char *p, size_t n, int32_t *days);
bool lb_wire_time(const char *p, size_t n, int64_t *microseconds);
bool lb_wire_timestamp(const char *p, size_t n, bool zone, int64_t *microseconds);

#endif

/* Time: UTC seconds for names and records, a monotonic clock for durations. */
#ifndef LB_CORE_CLOCK_H
#define LB_CORE_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

int64_t lb_clock_now(void);         /* seconds since 1970, UTC */
double lb_clock_monotonic(void);    /* seconds, from an unspecified start */

#define LB_DATETIME_BYTES 20        /* "YYYY-MM-DD HH:MM:SS" and NUL, as SQLite's datetime() writes it */
#define LB_STAMP_BYTES 16           /* "YYYYMMDD_HHMMSS" and NUL, as in file names */

void lb_clock_datetime(int64_t t, char out[LB_DATETIME_BYTES]);
void lb_clock_stamp(int64_t t, char out[LB_STAMP_BYTES]);

/* Reads exactly 15 characters "YYYYMMDD_HHMMSS"; false when they are no valid time. */
bool lb_clock_parse_stamp(const char *text, int64_t *t);

/* Reads "YYYY-MM-DD HH:MM:SS"; false when it is no valid time. */
bool lb_clock_parse_datetime(const char *text, int64_t *t);

#endif

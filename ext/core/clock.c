/* See clock.h. */
#include "core/clock.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

int64_t lb_clock_now(void)
{
  return (int64_t)time(NULL);
}

double lb_clock_monotonic(void)
{
  struct timespec ts;
  clock_gettime(CLOCK_MONOTONIC, &ts);
  return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

/* Years outside 0000-9999 do not fit the formats; they are clamped, which only a hostile file can ask for. */
static struct tm utc(int64_t t)
{
  const int64_t last = 253402300799; /* 9999-12-31 23:59:59 */
  time_t tt = (time_t)(t < 0 ? 0 : t > last ? last : t);
  struct tm tm;
  gmtime_r(&tt, &tm);
  return tm;
}

void lb_clock_datetime(int64_t t, char out[LB_DATETIME_BYTES])
{
  struct tm tm = utc(t);
  strftime(out, LB_DATETIME_BYTES, "%Y-%m-%d %H:%M:%S", &tm);
}

void lb_clock_stamp(int64_t t, char out[LB_STAMP_BYTES])
{
  struct tm tm = utc(t);
  strftime(out, LB_STAMP_BYTES, "%Y%m%d_%H%M%S", &tm);
}

/* Follows a pattern in which '0' stands for a digit and every other character for itself; collects the digits. */
static bool parse(const char *text, const char *pattern, int64_t *t)
{
  int digits[14];
  int n = 0;
  for (size_t i = 0; pattern[i]; i++) {
    if (pattern[i] == '0') {
      if (!isdigit((unsigned char)text[i])) return false;
      digits[n++] = text[i] - '0';
    } else if (text[i] != pattern[i]) {
      return false;
    }
  }
  struct tm tm = {
    .tm_year = digits[0] * 1000 + digits[1] * 100 + digits[2] * 10 + digits[3] - 1900,
    .tm_mon = digits[4] * 10 + digits[5] - 1,
    .tm_mday = digits[6] * 10 + digits[7],
    .tm_hour = digits[8] * 10 + digits[9],
    .tm_min = digits[10] * 10 + digits[11],
    .tm_sec = digits[12] * 10 + digits[13],
  };
  struct tm given = tm;
  time_t value = timegm(&tm);
  /* timegm accepts February 30 and makes it March: what came back must be what was given. */
  if (tm.tm_mon != given.tm_mon || tm.tm_mday != given.tm_mday || tm.tm_hour != given.tm_hour ||
      tm.tm_min != given.tm_min || tm.tm_sec != given.tm_sec) return false;
  *t = (int64_t)value;
  return true;
}

bool lb_clock_parse_stamp(const char *text, int64_t *t)
{
  return strlen(text) >= 15 && parse(text, "00000000_000000", t);
}

bool lb_clock_parse_datetime(const char *text, int64_t *t)
{
  return strlen(text) >= 19 && parse(text, "0000-00-00 00:00:00", t);
}

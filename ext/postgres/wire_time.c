/* See wire.h: dates and times, in the form of DateStyle ISO.
**
** Days by the proleptic Gregorian calendar, counted in years that begin in March, so that the leap day is the last one
** of a year (the usual arithmetic; PostgreSQL's date2j gives the same).
*/
#include "postgres/wire.h"

#include <string.h>

enum { DATE_BYTES = 10, TIME_BYTES = 8, ZONE_HOURS_MOST = 15 };

#define SECOND INT64_C(1000000)
#define DAY (86400 * SECOND)

static bool is(const char *p, size_t n, const char *text)
{
  return n == strlen(text) && memcmp(p, text, n) == 0;
}

static int days_in(int year, int month)
{
  static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
  bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
  return days[month - 1] + (month == 2 && leap);
}

/* 2000-03-01 is day 60 of 2000, and begins a cycle of 400 years. */
static int32_t day_number(int year, int month, int day)
{
  int y = year - (month <= 2), m = (month + 9) % 12;
  return 365 * y + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + day - 1 -
         (365 * 2000 + 2000 / 4 - 2000 / 100 + 2000 / 400) + 60;
}

/* YYYY-MM-DD, all ten bytes of it. */
static bool read_day(const char *p, int32_t *days)
{
  int year, month, day;
  if (p[4] != '-' || p[7] != '-' || !lb_wire_digits(p, 4, &year) || !lb_wire_digits(p + 5, 2, &month) ||
      !lb_wire_digits(p + 8, 2, &day)) {
    return false;
  }
  if (year < 1 || month < 1 || month > 12 || day < 1 || day > days_in(year, month)) return false;
  *days = day_number(year, month, day);
  return true;
}

/* HH:MM:SS[.f], up to six digits; *used: its bytes. */
static bool read_clock(const char *p, size_t n, int64_t *microseconds, size_t *used)
{
  int hour, minute, second, fraction = 0;
  size_t digits = 0;
  if (n < TIME_BYTES || p[2] != ':' || p[5] != ':' || !lb_wire_digits(p, 2, &hour) ||
      !lb_wire_digits(p + 3, 2, &minute) || !lb_wire_digits(p + 6, 2, &second)) {
    return false;
  }
  if (hour > 23 || minute > 59 || second > 59) return false;
  *used = TIME_BYTES;
  if (n > TIME_BYTES && p[TIME_BYTES] == '.') {
    const char *f = p + TIME_BYTES + 1;
    while (digits < n - TIME_BYTES - 1 && f[digits] >= '0' && f[digits] <= '9') digits++;
    if (digits < 1 || digits > 6 || !lb_wire_digits(f, digits, &fraction)) return false;
    for (size_t i = digits; i < 6; i++) fraction *= 10;
    *used += 1 + digits;
  }
  *microseconds = ((hour * INT64_C(60) + minute) * 60 + second) * SECOND + fraction;
  return true;
}

/* +HH, +HH:MM or +HH:MM:SS, and the same with a minus; all n bytes. */
static bool read_zone(const char *p, size_t n, int64_t *microseconds)
{
  int part[3] = { 0 };
  if ((n != 3 && n != 6 && n != 9) || (p[0] != '+' && p[0] != '-')) return false;
  for (size_t i = 0; i < n / 3; i++) {
    if ((i && p[3 * i] != ':') || !lb_wire_digits(p + 3 * i + 1, 2, &part[i])) return false;
  }
  if (part[0] > ZONE_HOURS_MOST || part[1] > 59 || part[2] > 59) return false;
  int64_t offset = ((part[0] * INT64_C(60) + part[1]) * 60 + part[2]) * SECOND;
  *microseconds = p[0] == '-' ? -offset : offset;
  return true;
}

bool lb_wire_date(const char *p, size_t n, int32_t *days)
{
  bool before = is(p, n, "-infinity");
  if (before || is(p, n, "infinity")) {
    *days = before ? INT32_MIN : INT32_MAX;
    return true;
  }
  return n == DATE_BYTES && read_day(p, days);
}

bool lb_wire_time(const char *p, size_t n, int64_t *microseconds)
{
  size_t used;
  return read_clock(p, n, microseconds, &used) && used == n;
}

bool lb_wire_timestamp(const char *p, size_t n, bool zone, int64_t *microseconds)
{
  int32_t days;
  int64_t clock, offset = 0;
  size_t used;
  bool before = is(p, n, "-infinity");
  if (before || is(p, n, "infinity")) {
    *microseconds = before ? INT64_MIN : INT64_MAX;
    return true;
  }
  if (n < DATE_BYTES + 1 || p[DATE_BYTES] != ' ' || !read_day(p, &days)) return false;
  p += DATE_BYTES + 1;
  n -= DATE_BYTES + 1;
  if (!read_clock(p, n, &clock, &used) || (zone ? !read_zone(p + used, n - used, &offset) : used != n)) return false;
  *microseconds = days * DAY + clock - offset;
  return true;
}

/* See wire.h and wire_text.h: dates and times, in the form of DateStyle ISO.
**
** Days by the proleptic Gregorian calendar, counted in years that begin in March, so that the leap day is the last one
** of a year (the usual arithmetic; PostgreSQL's date2j gives the same).
*/
#include <string.h>

#include "postgres/wire_text.h"

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

/* ---- and back ---- */

enum { DAYS_OF_400_YEARS = 146097, DAYS_TO_2000_03_01 = 60 };

static char *put_year(int64_t year, char *to)
{
  char digits[20], *p = digits + sizeof digits;
  for (; year || p > digits + sizeof digits - 4; year /= 10) *--p = (char)('0' + year % 10);
  size_t n = (size_t)(digits + sizeof digits - p);
  memcpy(to, p, n);
  return to + n;
}

/* *before_christ: the year before 1 is 1 BC. Undoes day_number: in a cycle of 400 years that begins in March the day
** that leaps is the last one of its year, its century and its cycle. */
static char *put_day(int64_t days, bool *before_christ, char *to)
{
  int64_t since = days - DAYS_TO_2000_03_01;
  int64_t cycle = (since >= 0 ? since : since - DAYS_OF_400_YEARS + 1) / DAYS_OF_400_YEARS;
  int day = (int)(since - cycle * DAYS_OF_400_YEARS);
  int year_in = (day - day / 1460 + day / 36524 - day / 146096) / 365;
  int day_in = day - (365 * year_in + year_in / 4 - year_in / 100);
  int month = (5 * day_in + 2) / 153;
  int64_t year = 2000 + 400 * cycle + year_in + (month >= 10);
  *before_christ = year < 1;
  to = put_year(year < 1 ? 1 - year : year, to);
  *to++ = '-';
  to = lb_wire_put_two((unsigned)(month < 10 ? month + 3 : month - 9), to);
  *to++ = '-';
  return lb_wire_put_two((unsigned)(day_in - (153 * month + 2) / 5 + 1), to);
}

static char *put_text(const char *text, char *to)
{
  size_t n = strlen(text);
  memcpy(to, text, n);
  return to + n;
}

/* Zeros at the end of a fraction are left out. */
static char *put_clock(int64_t microseconds, char *to)
{
  unsigned seconds = (unsigned)(microseconds / SECOND), fraction = (unsigned)(microseconds % SECOND);
  to = lb_wire_put_two(seconds / 3600, to);
  *to++ = ':';
  to = lb_wire_put_two(seconds / 60 % 60, to);
  *to++ = ':';
  to = lb_wire_put_two(seconds % 60, to);
  if (!fraction) return to;
  *to++ = '.';
  to = lb_wire_put_two(fraction / 10000, to);
  to = lb_wire_put_two(fraction / 100 % 100, to);
  to = lb_wire_put_two(fraction % 100, to);
  while (to[-1] == '0') to--;
  return to;
}

char *lb_wire_put_date(int32_t days, char *to)
{
  bool before_christ;
  if (days == INT32_MIN) return put_text("-infinity", to);
  if (days == INT32_MAX) return put_text("infinity", to);
  to = put_day(days, &before_christ, to);
  return before_christ ? put_text(" BC", to) : to;
}

/* 24:00:00 is one. */
char *lb_wire_put_time(int64_t microseconds, char *to)
{
  return microseconds < 0 || microseconds > DAY ? NULL : put_clock(microseconds, to);
}

char *lb_wire_put_timestamp(int64_t microseconds, bool zone, char *to)
{
  bool before_christ;
  if (microseconds == INT64_MIN) return put_text("-infinity", to);
  if (microseconds == INT64_MAX) return put_text("infinity", to);
  int64_t days = microseconds / DAY - (microseconds % DAY < 0);
  to = put_day(days, &before_christ, to);
  *to++ = ' ';
  to = put_clock(microseconds - days * DAY, to);
  if (zone) to = put_text("+00", to);
  return before_christ ? put_text(" BC", to) : to;
}

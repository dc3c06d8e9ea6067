/* See bar.h. */
#include "core/bar.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "core/utf8.h"

enum { BAR_CELLS = 20, SUBJECT_COLUMNS = 40, SUBJECT_LEAST = 8, SUBJECT_BYTES = 4 * SUBJECT_COLUMNS + 1 };

/* Columns of the character of n bytes at p. Which are wide is the terminal's to know: those of three bytes and more may
** be. */
static int columns_of(size_t n) { return n >= 3 ? 2 : 1; }

static bool is_control(const unsigned char *p, size_t n)
{
  return n == 1 ? p[0] < 0x20 || p[0] == 0x7f : n == 2 && p[0] == 0xc2 && p[1] < 0xa0;
}

/* The beginning of text, as it may be shown, in at most `limit` columns. Returns how many it has. */
static int shown(const char *text, int limit, char out[SUBJECT_BYTES])
{
  int columns = 0;
  size_t left = strlen(text), to = 0;
  while (left) {
    size_t n = lb_utf8_length(text, left);
    bool bad = n == 0 || is_control((const unsigned char *)text, n);
    int wide = bad ? 1 : columns_of(n);
    if (columns + wide > limit) break;
    if (bad) out[to++] = '?';
    else memcpy(out + to, text, n), to += n;
    columns += wide;
    if (n == 0) n = 1;
    text += n;
    left -= n;
  }
  out[to] = 0;
  return columns;
}

static int least(int a, int b) { return a < b ? a : b; }
static int most(int a, int b) { return a > b ? a : b; }

static int percent_of(const lb_activity *a)
{
  return a->total <= 0 ? 0 : a->done >= a->total ? 100 : (int)(a->done * 100 / a->total);
}

int lb_bar_compose(const lb_activity *a, int columns, char line[LB_BAR_BYTES])
{
  char end[64], subject[SUBJECT_BYTES], cells[BAR_CELLS + 1];
  const char *slash = strrchr(a->subject, '/'), *name = slash ? slash + 1 : a->subject;
  int n = snprintf(end, sizeof end, "] %3d%%  %.1f MB/s", percent_of(a), a->rate / 1e6);
  if (a->eta >= 0 && n < (int)sizeof end) snprintf(end + n, sizeof end - (size_t)n, "  eta %.0f s", a->eta);

  int rest = (int)(strlen(a->operation) + strlen(a->phase) + strlen(end)) + 5;  /* " ", ": ", " [" */
  int wide = shown(name, SUBJECT_COLUMNS, subject), bar = BAR_CELLS;
  if (columns && rest + wide + bar > columns) {
    wide = shown(name, most(columns - rest - bar, least(wide, SUBJECT_LEAST)), subject);
    bar = most(0, least(bar, columns - rest - wide));
    wide = shown(name, most(0, least(wide, columns - rest)), subject);
  }
  for (int i = 0; i < bar; i++) cells[i] = i < percent_of(a) * bar / 100 ? '#' : '.';
  cells[bar] = 0;
  snprintf(line, LB_BAR_BYTES, "%s %s: %s [%s%s", a->operation, subject, a->phase, cells, end);
  if (!columns || rest + wide + bar <= columns) return rest + wide + bar;
  line[columns] = 0;  /* without a subject it is ASCII */
  return columns;
}

/* One column stays free: in the last one some terminals go to the next line. 0: not a terminal. */
static int terminal_columns(void)
{
  struct winsize size;
  if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size)) return 0;
  return most(1, (size.ws_col ? size.ws_col : 80) - 1);
}

/* Returns false where nobody listens. A pipe that was closed at its other end would end the host by a signal, which is
** taken back here: it goes to the thread that writes. */
static bool write_quietly(const char *text, int n)
{
  static const struct timespec at_once = { 0 };
  sigset_t pipe, pending, before;
  sigemptyset(&pipe);
  sigaddset(&pipe, SIGPIPE);
  sigpending(&pending);
  pthread_sigmask(SIG_BLOCK, &pipe, &before);
  bool written = write(STDERR_FILENO, text, (size_t)n) == n;
  if (!written && errno == EPIPE && !sigismember(&pending, SIGPIPE)) {
    while (sigtimedwait(&pipe, NULL, &at_once) < 0 && errno == EINTR) continue;
  }
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  return written;
}

bool lb_bar_draw(const lb_activity *a, int *drawn)
{
  char line[LB_BAR_BYTES], text[2 * LB_BAR_BYTES];
  int columns = terminal_columns(), wide = lb_bar_compose(a, columns, line);
  int over = columns ? least(*drawn, columns) : *drawn;  /* it may have become narrower meanwhile */
  int n = snprintf(text, sizeof text, "\r%s%*s", line, most(0, over - wide), "");
  *drawn = wide;
  return write_quietly(text, n);
}

void lb_bar_wipe(int *drawn)
{
  char text[LB_BAR_BYTES + 2];
  int columns = terminal_columns();
  if (*drawn == 0) return;
  int n = snprintf(text, sizeof text, "\r%*s\r", columns ? least(*drawn, columns) : *drawn, "");
  *drawn = 0;
  write_quietly(text, n);
}

/* See error.h. */
#include "core/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/utf8.h"

/* What is no UTF-8, a name of another encoding or a cut character, is told as ?: hosts may refuse all of it. */
static void keep_text(lb_error *err)
{
  size_t n = strlen(err->message);
  for (size_t i = 0, k; i < n; i += k) {
    k = lb_utf8_length(err->message + i, n - i);
    if (!k) err->message[i] = '?';
    if (!k) k = 1;
  }
}

int lb_fail(lb_error *err, lb_code code, const char *format, ...)
{
  if (err->code == LB_OK) {
    va_list args;
    va_start(args, format);
    vsnprintf(err->message, sizeof err->message, format, args);
    va_end(args);
    keep_text(err);
    err->code = code;
  }
  return err->code;
}

static lb_code code_of_errno(int errnum)
{
  switch (errnum) {
  case ENOSPC: case EDQUOT: case EFBIG: return LB_FULL;
  case EACCES: case EPERM: case EROFS:  return LB_PERM;
  case ENOENT: case ENOTDIR:            return LB_NOTFOUND;
  case EEXIST:                          return LB_EXISTS;
  case ENOMEM:                          return LB_NOMEM;
  case EWOULDBLOCK: case EBUSY: case ETXTBSY: return LB_BUSY;
  case EINTR:                           return LB_INTERRUPT;
  default:                              return LB_IO;
  }
}

int lb_fail_errno(lb_error *err, int errnum, const char *format, ...)
{
  if (err->code == LB_OK) {
    char reason[128];
    va_list args;
    va_start(args, format);
    vsnprintf(err->message, sizeof err->message, format, args);
    va_end(args);
    size_t used = strlen(err->message);
    snprintf(err->message + used, sizeof err->message - used, ": %s", strerror_r(errnum, reason, sizeof reason));
    keep_text(err);
    err->code = code_of_errno(errnum);
  }
  return err->code;
}

int lb_fail_nomem(lb_error *err)
{
  return lb_fail(err, LB_NOMEM, "out of memory");
}

void lb_error_prefix(lb_error *err, const char *format, ...)
{
  if (err->code == LB_OK || err->code == LB_INTERRUPT) return;
  char old[LB_MESSAGE_MAX];
  memcpy(old, err->message, sizeof old);
  va_list args;
  va_start(args, format);
  vsnprintf(err->message, sizeof err->message, format, args);
  va_end(args);
  size_t used = strlen(err->message);
  snprintf(err->message + used, sizeof err->message - used, "%s", old);
  keep_text(err);
}

void lb_error_advise(lb_error *err, const char *format, ...)
{
  if (err->code == LB_OK) return;
  char advice[LB_MESSAGE_MAX];
  va_list args;
  va_start(args, format);
  vsnprintf(advice, sizeof advice, format, args);
  va_end(args);
  size_t used = strlen(err->message);
  snprintf(err->message + used, sizeof err->message - used, " (%s)", advice);
  keep_text(err);
  err->advised = true;
}

void lb_error_clear(lb_error *err)
{
  err->code = LB_OK;
  err->advised = false;
  err->message[0] = 0;
}

/* The one error type of Lifeboat, passed down as the last parameter of whatever can fail.
**
** The first failure wins: lb_fail on an error that is already set changes nothing, so a cleanup path
** that fails as well never hides the cause. Messages are lowercase, name the object, and say what to do.
** ext/api translates codes to SQLite's, once.
*/
#ifndef LB_CORE_ERROR_H
#define LB_CORE_ERROR_H

#include <stdbool.h>

typedef enum lb_code {
  LB_OK = 0,
  LB_ERROR,       /* none of the below */
  LB_MISUSE,      /* a bad argument or option: the caller can mend it */
  LB_NOTFOUND,    /* no such file, backup or database */
  LB_EXISTS,      /* something is there already */
  LB_BUSY,        /* locked by somebody; trying again later may work */
  LB_FULL,        /* no space left */
  LB_PERM,        /* permission denied, or a read-only file system */
  LB_IO,          /* the operating system reported an error */
  LB_CORRUPT,     /* the content of a file is damaged or not what it claims to be */
  LB_NOMEM,       /* out of memory */
  LB_INTERRUPT,   /* sqlite3_interrupt() was called */
  LB_UNSUPPORTED, /* understood, but not built in or not possible */
  LB_REFUSED      /* a server does not take what it was given, for what that is: it tells of the content */
} lb_code;

#define LB_MESSAGE_MAX 4096

typedef struct lb_error {
  int code;                      /* an lb_code */
  bool advised;                  /* the message says what to do, or whose right it takes */
  char message[LB_MESSAGE_MAX];  /* NUL-terminated UTF-8; cut when longer */
} lb_error;

/* An error that is not set. */
#define LB_ERROR_INIT { LB_OK, false, "" }

/* Sets err unless it is set already. Returns err->code, never LB_OK, so that `return lb_fail(…)` reads well. */
int lb_fail(lb_error *err, lb_code code, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* The same for a failed system call: the code follows errnum, and ": " and its text are appended. */
int lb_fail_errno(lb_error *err, int errnum, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Out of memory; needs no memory itself. */
int lb_fail_nomem(lb_error *err);

/* Puts a prefix such as "admin.db: " before the message of an error that is set. Not before that of an interrupt, which
** tells of nothing that has to be mended. */
void lb_error_prefix(lb_error *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Puts what to do, in parentheses, behind the message of an error that is set: " (raise lock_timeout)". */
void lb_error_advise(lb_error *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

void lb_error_clear(lb_error *err);

#endif

/* UTF-8 as RFC 3629 has it: no overlong forms, no surrogates, nothing above U+10FFFF. */
#ifndef LB_CORE_UTF8_H
#define LB_CORE_UTF8_H

#include <stdbool.h>
#include <stddef.h>

#include "core/error.h"

/* Bytes of the character that begins at p, of which n bytes are there (1 or more); 0: none begins there. */
size_t lb_utf8_length(const void *p, size_t n);

bool lb_utf8_is_ascii(const void *data, size_t n);
bool lb_utf8_is_valid(const void *data, size_t n);

/* text with U+FFFD for each byte that is none, as it comes back from JSON of ours (core/json.h): the name of a file may
** be anything. Allocated; NULL: err is set. */
char *lb_utf8_mended(const char *text, lb_error *err);

#endif

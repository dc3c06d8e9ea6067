/* UTF-8 as RFC 3629 has it: no overlong forms, no surrogates, nothing above U+10FFFF. */
#ifndef LB_CORE_UTF8_H
#define LB_CORE_UTF8_H

#include <stdbool.h>
#include <stddef.h>

/* Bytes of the character that begins at p, of which n bytes are there (1 or more); 0: none begins there. */
size_t lb_utf8_length(const void *p, size_t n);

bool lb_utf8_is_ascii(const void *data, size_t n);
bool lb_utf8_is_valid(const void *data, size_t n);

#endif

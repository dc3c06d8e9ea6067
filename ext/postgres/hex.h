/* One digit of a hexadecimal number, in either case; -1: it is none. */
#ifndef LB_POSTGRES_HEX_H
#define LB_POSTGRES_HEX_H

static inline int lb_hex_digit(char c)
{
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

#endif

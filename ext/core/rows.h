/* Restoring rows into tables that are there: what is to happen with them, and what did, whatever the database. */
#ifndef LB_CORE_ROWS_H
#define LB_CORE_ROWS_H

#include <stdint.h>

#include "core/error.h"

typedef enum lb_rows_mode {
  LB_ROWS_REPLACE,  /* the table's rows become the backup's */
  LB_ROWS_MISSING,  /* rows whose key is gone come back */
  LB_ROWS_MERGE     /* rows of the backup are inserted, or take the place of those with their key */
} lb_rows_mode;

typedef struct lb_rows_count {
  char *table;
  int64_t added, changed, removed;
  int64_t kept;     /* left as they were */
} lb_rows_count;

/* A list by table; all zero to begin with. */
typedef struct lb_rows_counts {
  lb_rows_count *list;
  int count;
} lb_rows_counts;

/* "replace", "missing", "merge"; NULL is replace. */
lb_rows_mode lb_rows_mode_of(const char *text);

/* One more, with zeros; valid until the next one. NULL: err is set. */
lb_rows_count *lb_rows_counts_add(lb_rows_counts *counts, const char *table, lb_error *err);
void lb_rows_counts_free(lb_rows_counts *counts);

#endif

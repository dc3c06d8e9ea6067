/* See rows.h. */
#include "core/rows.h"

#include <stdlib.h>
#include <string.h>

lb_rows_mode lb_rows_mode_of(const char *text)
{
  if (text && strcmp(text, "missing") == 0) return LB_ROWS_MISSING;
  return text && strcmp(text, "merge") == 0 ? LB_ROWS_MERGE : LB_ROWS_REPLACE;
}

lb_rows_count *lb_rows_counts_add(lb_rows_counts *counts, const char *table, lb_error *err)
{
  lb_rows_count *list = realloc(counts->list, ((size_t)counts->count + 1) * sizeof *list);
  if (list) counts->list = list;
  char *name = list ? strdup(table) : NULL;
  if (!name) {
    lb_fail_nomem(err);
    return NULL;
  }
  list[counts->count] = (lb_rows_count){ .table = name };
  return &list[counts->count++];
}

void lb_rows_counts_free(lb_rows_counts *counts)
{
  for (int i = 0; i < counts->count; i++) free(counts->list[i].table);
  free(counts->list);
  *counts = (lb_rows_counts){ 0 };
}

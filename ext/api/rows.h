/* Rows of a table: all of a scan, or as many as were made at once, collected before SQLite asks for the first. */
#ifndef LB_API_ROWS_H
#define LB_API_ROWS_H

#include <stdbool.h>
#include <stdint.h>

typedef enum lb_cell_type { LB_CELL_NULL, LB_CELL_INTEGER, LB_CELL_REAL, LB_CELL_TEXT } lb_cell_type;

typedef struct lb_cell {
  lb_cell_type type;
  int64_t integer;
  double real;
  char *text;   /* owned */
} lb_cell;

typedef struct lb_rows {
  lb_cell *cells;   /* row after row */
  int columns;
  int64_t used, capacity;
  bool failed;      /* out of memory: the rows are not complete */
} lb_rows;

/* Each appends one cell; a row is complete after `columns` of them. */
void lb_rows_null(lb_rows *rows);
void lb_rows_integer(lb_rows *rows, int64_t value);
void lb_rows_integer_or_null(lb_rows *rows, int64_t value);  /* negative: NULL */
void lb_rows_real(lb_rows *rows, double value);
void lb_rows_real_or_null(lb_rows *rows, double value);      /* negative: NULL */
void lb_rows_text(lb_rows *rows, const char *value);         /* copied; NULL: NULL */
void lb_rows_time(lb_rows *rows, int64_t seconds);           /* as datetime() writes it; 0: NULL */

int64_t lb_rows_count(const lb_rows *rows);
const lb_cell *lb_rows_cell(const lb_rows *rows, int64_t row, int column);
void lb_rows_clear(lb_rows *rows);  /* no rows, but the memory for as many */
void lb_rows_free(lb_rows *rows);

#endif

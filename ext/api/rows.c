/* See rows.h. */
#include "api/rows.h"

#include <stdlib.h>
#include <string.h>

#include "core/clock.h"

static void add(lb_rows *rows, lb_cell cell)
{
  if (!rows->failed && rows->used == rows->capacity) {
    int64_t capacity = rows->capacity ? rows->capacity * 2 : 64;
    lb_cell *grown = realloc(rows->cells, (size_t)capacity * sizeof *grown);
    if (grown) {
      rows->cells = grown;
      rows->capacity = capacity;
    } else {
      rows->failed = true;
    }
  }
  if (rows->failed) free(cell.text);
  else rows->cells[rows->used++] = cell;
}

void lb_rows_null(lb_rows *rows)
{
  add(rows, (lb_cell){ .type = LB_CELL_NULL });
}

void lb_rows_integer(lb_rows *rows, int64_t value)
{
  add(rows, (lb_cell){ .type = LB_CELL_INTEGER, .integer = value });
}

void lb_rows_integer_or_null(lb_rows *rows, int64_t value)
{
  if (value < 0) lb_rows_null(rows);
  else lb_rows_integer(rows, value);
}

void lb_rows_real(lb_rows *rows, double value)
{
  add(rows, (lb_cell){ .type = LB_CELL_REAL, .real = value });
}

void lb_rows_real_or_null(lb_rows *rows, double value)
{
  if (value < 0) lb_rows_null(rows);
  else lb_rows_real(rows, value);
}

void lb_rows_text(lb_rows *rows, const char *value)
{
  if (!value) {
    lb_rows_null(rows);
    return;
  }
  char *copy = strdup(value);
  if (!copy) rows->failed = true;
  else add(rows, (lb_cell){ .type = LB_CELL_TEXT, .text = copy });
}

void lb_rows_time(lb_rows *rows, int64_t seconds)
{
  char text[LB_DATETIME_BYTES];
  if (!seconds) {
    lb_rows_null(rows);
    return;
  }
  lb_clock_datetime(seconds, text);
  lb_rows_text(rows, text);
}

int64_t lb_rows_count(const lb_rows *rows)
{
  return rows->used / rows->columns;
}

const lb_cell *lb_rows_cell(const lb_rows *rows, int64_t row, int column)
{
  return &rows->cells[row * rows->columns + column];
}

void lb_rows_clear(lb_rows *rows)
{
  for (int64_t i = 0; i < rows->used; i++) free(rows->cells[i].text);
  rows->used = 0;
}

void lb_rows_free(lb_rows *rows)
{
  lb_rows_clear(rows);
  free(rows->cells);
  memset(rows, 0, sizeof *rows);
}

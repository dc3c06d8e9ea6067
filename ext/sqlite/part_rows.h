/* Moving the rows of one table. For the part modules only. */
#ifndef LB_SQLITE_PART_ROWS_H
#define LB_SQLITE_PART_ROWS_H

#include "sqlite/part_plan.h"

int lb_part_move_rows(lb_sqlite_part *part, lb_part_table *table, lb_rows_count *count, lb_error *err);

#endif

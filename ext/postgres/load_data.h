/* The data of a backup's tables, loaded over several connections at once. Private to the loading modules. */
#ifndef LB_POSTGRES_LOAD_DATA_H
#define LB_POSTGRES_LOAD_DATA_H

#include "postgres/kept.h"
#include "postgres/lanes.h"

/* All parts of kind DATA, in their order, each by whichever lane is free; not those of tables that are kept. */
int lb_load_data(lb_pg_load *load, const lb_pg_kept *kept, lb_lanes *lanes, lb_error *err);

#endif

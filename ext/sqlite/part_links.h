/* What hangs on the tables of a partial restore: foreign keys, triggers, full-text indexes, AUTOINCREMENT. For the part
** modules only. */
#ifndef LB_SQLITE_PART_LINKS_H
#define LB_SQLITE_PART_LINKS_H

#include "sqlite/part_plan.h"

/* Remembers which rows are orphans before anything moves; afterwards new ones are an error that names the first and
** says which tables would mend it. */
int lb_part_orphans_before(lb_sqlite_part *part, lb_error *err);
int lb_part_orphans_after(lb_sqlite_part *part, lb_error *err);

/* Rebuilds full-text indexes over tables that were touched, and tells what triggers were not run. */
int lb_part_rebuild(lb_sqlite_part *part, lb_error *err);

/* Its two halves: the first one notes which indexes it told of, the second one does not tell of these again. */
int lb_part_rebuild_fulltext(lb_sqlite_part *part, lb_error *err);
int lb_part_note_triggers(const lb_sqlite_part *part, const lb_part_table *table, lb_error *err);

/* Names of the tables that triggers of a table write to, directly or through other triggers; without those that are
** restored or rebuilt. why: not all of them can be known here. */
int lb_part_find_writes(const lb_sqlite_part *part, const lb_part_table *table, lb_buf *names, lb_buf *why,
                        lb_error *err);

/* sqlite_sequence of a table becomes what is larger, the target's or the backup's. */
int lb_part_raise_sequence(const lb_sqlite_part *part, const lb_part_table *table, lb_error *err);

#endif

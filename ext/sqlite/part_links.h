/* What hangs on the tables of a partial restore: foreign keys, triggers, full-text indexes, AUTOINCREMENT. For the part
** modules only. */
#ifndef LB_SQLITE_PART_LINKS_H
#define LB_SQLITE_PART_LINKS_H

#include "sqlite/part_plan.h"

/* Remembers which rows are orphans before anything moves; afterwards new ones are an error that names the first and
** says which tables would mend it. */
int lb_part_orphans_before(lb_sqlite_part *part, lb_error *err);
int lb_part_orphans_after(lb_sqlite_part *part, lb_error *err);

/* ---- part_indexes.c: full-text indexes that the request names, or that are missing ---- */

/* Whether those that are named can be made and rebuilt. */
int lb_part_match_indexes(const lb_sqlite_part *part, lb_error *err);

/* Makes those that are named, are over a table that was made, or are written to by triggers of a restored one. */
int lb_part_make_indexes(lb_sqlite_part *part, lb_error *err);

/* Each index of a database with external content, and that, NUL-terminated one after another. */
int lb_part_list_indexes(sqlite3 *db, const char *label, lb_buf *names, lb_error *err);

/* Views are off, as a schema is hostile: on while one is looked at. */
void lb_part_allow_views(sqlite3 *db, bool allow);

/* ---- what is done when all rows are there ---- */

/* Makes and rebuilds full-text indexes, and tells what triggers were not run. */
int lb_part_rebuild(lb_sqlite_part *part, lb_error *err);

/* Two steps of it: the first one notes which indexes it told of, the second one does not tell of these again. */
int lb_part_rebuild_fulltext(lb_sqlite_part *part, lb_error *err);
int lb_part_note_triggers(const lb_sqlite_part *part, const lb_part_table *table, lb_error *err);

/* Names of the tables that triggers of a table write to, directly or through other triggers; without those that are
** restored or rebuilt. why: not all of them can be known here. */
int lb_part_find_writes(const lb_sqlite_part *part, const lb_part_table *table, lb_buf *names, lb_buf *why,
                        lb_error *err);

/* sqlite_sequence of a table becomes what is larger, the target's or the backup's. */
int lb_part_raise_sequence(const lb_sqlite_part *part, const lb_part_table *table, lb_error *err);

#endif

/* SQLite's own checks of a database, with damage told apart from what is merely odd about the data.
*/
#ifndef LB_SQLITE_CHECK_H
#define LB_SQLITE_CHECK_H

#include <stdbool.h>

#include "core/buffer.h"
#include "sqlite/connection.h"

typedef enum lb_check_level { LB_CHECK_NONE, LB_CHECK_QUICK, LB_CHECK_FULL } lb_check_level;

/* Runs quick_check or integrity_check on a schema. Damage goes line by line into `damage` (untouched when all is well).
** Into `notes`: tables that could not be checked because they use a collation or a module unknown here, how many rows
** break a rule of their table (a CHECK only where db may write: SQLite does not look at them else), and for
** LB_CHECK_FULL foreign keys without their parent: the data's troubles, not the file's. err: the check could not
** run. */
int lb_sqlite_check(sqlite3 *db, const char *schema, lb_check_level level, const char *label, lb_buf *damage,
                    lb_buf *notes, lb_error *err);

/* The same of one table of schema main, with its indexes; foreign keys are not looked at. */
int lb_sqlite_check_table(sqlite3 *db, const char *table, lb_check_level level, const char *label, lb_buf *damage,
                          lb_buf *notes, lb_error *err);

/* The same on a file that nobody else uses, on a connection of its own. */
int lb_sqlite_check_file(const char *path, lb_check_level level, lb_task *task, const char *label, lb_buf *damage,
                         lb_buf *notes, lb_error *err);

#endif

/* The module backup_table: the rows of one table inside a PostgreSQL backup.
**
**     CREATE VIRTUAL TABLE temp.old_agents USING backup_table('latest', 'public.agents');
**     SELECT * FROM temp.old_agents WHERE id = 7;
*/
#ifndef LB_API_BACKUP_TABLE_H
#define LB_API_BACKUP_TABLE_H

#include <sqlite3ext.h>

#include "api/session.h"

int lb_backup_table_register(sqlite3 *db, lb_session *session);

#endif

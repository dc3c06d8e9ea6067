/* What a script has set so far that says how the rest of it is to be read.
**
** One encoding and one database a script: that of pg_dumpall goes on to others, whose tables may have the same names.
*/
#ifndef LB_POSTGRES_SESSION_H
#define LB_POSTGRES_SESSION_H

#include "core/error.h"
#include "postgres/ddl.h"

typedef struct lb_pg_session {
  char *encoding;    /* of SET client_encoding; NULL: none was set */
  char *connect;     /* psql's command that connects; NULL: none was met */
} lb_pg_session;

/* Each takes the next statement, or command, of the script, at its offset; what cannot be read on is LB_UNSUPPORTED. */
int lb_pg_session_statement(lb_pg_session *session, const lb_ddl *ddl, uint64_t offset, lb_error *err);
int lb_pg_session_meta(lb_pg_session *session, const char *line, uint64_t offset, lb_error *err);
void lb_pg_session_free(lb_pg_session *session);

#endif

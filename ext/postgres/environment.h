/* What libpq makes of a URI, before and after it connects: checked, named for messages and manifests, and handed on to
** a child process. Inner part of connection.h, which has lb_pg_source_of_uri and lb_pg_environment themselves.
*/
#ifndef LB_POSTGRES_ENVIRONMENT_H
#define LB_POSTGRES_ENVIRONMENT_H

#include "postgres/connection.h"

/* Whether uri is a postgresql:// or postgres:// URI that libpq understands, and understands as it was meant: a raw "@"
** or "/" inside a password, which would make a part of it a host or a port, is refused. LB_MISUSE; shows nothing of it.
** */
int lb_pg_check_uri(const char *uri, lb_error *err);

/* lb_pg_source_of_uri with another database in place of the URI's; NULL: its own. */
char *lb_pg_source_of(const char *uri, const char *database, lb_error *err);

/* "database \"app\" on db:5432" of a connection that at least began. Allocated. */
char *lb_pg_label_of(PGconn *conn, lb_error *err);

/* A message of libpq, a server or a program on one line, without its last newline; bytes that are no UTF-8 become '?'.
** Allocated; NULL without memory. */
char *lb_pg_one_line(const char *text);

/* The variables that any child of ours gets: PATH, HOME, TZ, what TLS and Kerberos read, the locale C. `room` more
** entries of the array are left for the caller. */
char **lb_pg_environment_base(size_t room, lb_error *err);

#endif

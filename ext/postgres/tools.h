/* Inner part of program.h: a child process without a connection, for asking a program its version.
*/
#ifndef LB_POSTGRES_TOOLS_H
#define LB_POSTGRES_TOOLS_H

#include "postgres/program.h"

/* Starts argv[0] with this environment and, where there is a password, a passfile as descriptor 9. task may be NULL.
** is_dump: lb_pg_program_finish wants the completion line. */
lb_pg_program *lb_pg_program_run(lb_task *task, const char *const *argv, char *const *environment, const char *password,
                                 bool is_dump, lb_error *err);

#endif

/* pg_dump and pg_dumpall: finding the right one, running it, reading what it writes.
**
** Found in PG_BINDIR (environment only: SQL must not choose what is executed), else the newest of PATH and
** /usr/lib/postgresql/N/bin. Started by posix_spawn with an environment of its own (lb_pg_environment), default signal
** dispositions, an empty mask, standard input from /dev/null. The password reaches it as a passfile: an anonymous
** memory file (memfd, mode 0600) that the child has open as descriptor 9, named PGPASSFILE=/proc/self/fd/9.
**
** What says that it went well is its last comment, "-- PostgreSQL database dump complete" (pg_dumpall: "…database
** cluster dump complete"): a host may reap our child before we do, so that its exit status may be lost; where there is
** one, it must be 0 as well.
*/
#ifndef LB_POSTGRES_PROGRAM_H
#define LB_POSTGRES_PROGRAM_H

#include "core/buffer.h"
#include "postgres/connection.h"

typedef struct lb_pg_tools {
  char *dump;       /* paths; dumpall is beside dump */
  char *dumpall;
  int version;      /* major: 15 */
  char *version_text;
} lb_pg_tools;

/* Fails (LB_UNSUPPORTED) where there is none, or the newest is older than the server's major version: the message has
** both versions, where it was looked for, and the package that brings it (postgresql-client-18). pg NULL: any version
** will do. */
int lb_pg_tools_find(const lb_pg *pg, lb_pg_tools *tools, lb_error *err);
void lb_pg_tools_free(lb_pg_tools *tools);

typedef struct lb_pg_program lb_pg_program;

/* Starts argv[0] (NULL-terminated argv) against the same place as pg: the database that pg is connected to. */
lb_pg_program *lb_pg_program_start(const lb_pg *pg, const char *const *argv, lb_error *err);

/* Reads some of its output: *got 0 at the end. again may be NULL with wait true. Waits, polling the task; with wait
** false returns at once, *got 0 and *again true when there is nothing yet. An interrupt ends the child (SIGTERM, by
** pid, only while it is known to live). */
int lb_pg_program_read(lb_pg_program *program, void *data, size_t size, bool wait, size_t *got, bool *again,
                       lb_error *err);

/* The descriptor of its output, for poll. */
int lb_pg_program_fd(const lb_pg_program *program);

/* After the last byte was read: waits for it; fails with what it wrote to standard error (at most 2 KiB kept; password
** free, since it never had it in an argument) unless its completion line came last. */
int lb_pg_program_finish(lb_pg_program *program, lb_error *err);

/* After it went well: what it wrote to standard error becomes notes, a line each, once each. */
void lb_pg_program_warnings(const lb_pg_program *program, lb_buf *notes);

/* Ends it if it still runs, frees. Accepts NULL. */
void lb_pg_program_close(lb_pg_program *program);

#endif

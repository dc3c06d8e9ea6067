/* Sending statements and COPY data to a server, and judging what it answers: the part that loading on one connection
** and loading on several have in common. Private to the loading modules.
**
** Whatever a statement gives back in rows is thrown away row by row, so that a script cannot fill our memory.
*/
#ifndef LB_POSTGRES_RESULTS_H
#define LB_POSTGRES_RESULTS_H

#include "postgres/connection.h"

/* Hands out what has arrived, without waiting. *done: the statement is over, all its results were read. *tuples is set
** by a statement that counts rows. The first failure (err) does not end it: go on until done. what begins the message;
** of a failed COPY it has the server's context (which line) as well. */
int lb_results_step(lb_pg *pg, const char *what, uint64_t *tuples, bool *done, lb_error *err);

/* The same to the end, waiting. On an interrupt or a broken connection it returns before the end. */
int lb_results_wait(lb_pg *pg, const char *what, uint64_t *tuples, lb_error *err);

/* Sends one statement and waits for its end. */
int lb_results_run(lb_pg *pg, const char *sql, const char *what, lb_error *err);

/* Sends sql, a COPY … FROM stdin, and waits until the server takes data. */
int lb_copy_begin(lb_pg *pg, const char *sql, const char *what, lb_error *err);

/* Queues data, having waited until what was queued before is on its way, so that no more than one piece waits in
** memory. A broken connection is seen here or by lb_results_…, with the server's last words where it had any. */
int lb_copy_put(lb_pg *pg, const char *what, const void *data, size_t n, lb_error *err);

/* Queues the end of the data; the results tell how it went. reason: NULL, or why the COPY is to fail. */
int lb_copy_end(lb_pg *pg, const char *what, const char *reason, lb_error *err);

/* Gives up what the connection is in the middle of, a COPY or another statement, if anything: it is cancelled. */
void lb_copy_settle(lb_pg *pg);

#endif

/* A connection to a PostgreSQL server: libpq, waited on with poll, so that an interrupt ends any wait.
**
** Passwords, services and TLS settings are libpq's own business (PGPASSWORD, PGPASSFILE, PGSERVICE, the URI); a message
** of ours never shows a password. Every wait polls the task; an interrupted statement is cancelled on the server and
** drained before the call returns. Source: PostgreSQL's manual, chapter "libpq".
*/
#ifndef LB_POSTGRES_CONNECTION_H
#define LB_POSTGRES_CONNECTION_H

#include <libpq-fe.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/buffer.h"
#include "core/error.h"
#include "core/task.h"

typedef struct lb_pg {
  PGconn *conn;
  lb_task *task;
  char *uri;           /* as given: may hold a password; never shown */
  char *label;         /* "database \"app\" on db:5432" for messages; no password */
  char *source;        /* what a manifest and a listing call it: postgresql://HOST[:PORT]/DB, or with a socket folder
                       ** postgresql:///DB?host=FOLDER&port=N; percent-encoded; no user, no password */
  char *database;
  char *encoding;      /* server_encoding of the database */
  int version;         /* 150020, as PQserverVersion */
  char *version_text;  /* "15.20", as server_version begins */
  bool standby;        /* in recovery */
  char state[6];       /* SQLSTATE of the last result that failed; "": none so far */
  char *farewell;      /* the server's words where it ended the session while no statement ran; else NULL */
  bool unheard;        /* a cancel has had no effect in time: it is not waited for again */
  bool escapes;        /* backslashes escape in plain strings, where nobody says otherwise */
} lb_pg;

/* Connects, in non-blocking mode (PQsetnonblocking): whoever sends COPY data flushes it, waiting by lb_pg_wait. task
** may be NULL. connect_timeout of the URI counts, else 30 s. application_name is lifeboat unless the URI has one.
** Notices are dropped, but for a farewell. Of the session's settings these are made: an empty search_path (so that no
** operator of a user's is taken for the server's), strings without backslashes, transactions that may write, and no
** timeouts but lock_timeout. A server below 10 is LB_UNSUPPORTED. A database that is missing is LB_NOTFOUND, a
** refused login LB_PERM, a server that is not there LB_BUSY; the message has the server's words and what to do. NULL:
** err is set. */
lb_pg *lb_pg_open(const char *uri, lb_task *task, lb_error *err);

/* Another connection with the same parameters to the very same server, also where the URI names several; database NULL:
** the same one. */
lb_pg *lb_pg_open_again(const lb_pg *pg, const char *database, lb_error *err);

/* Accepts NULL. Cancels what still runs. */
void lb_pg_close(lb_pg *pg);

/* Runs statements that give no rows of interest (several at once are one simple query). */
int lb_pg_exec(lb_pg *pg, const char *sql, lb_error *err);
int lb_pg_execf(lb_pg *pg, lb_error *err, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Runs one statement; params are texts, 16 at most (NULL: SQL NULL), all of type text unless the SQL casts. The result
** has PGRES_TUPLES_OK or PGRES_COMMAND_OK and is freed with PQclear. NULL: err is set. */
PGresult *lb_pg_query(lb_pg *pg, lb_error *err, const char *sql, int count, const char *const *params);

/* One value: the first column of the first row as a new text (the caller frees), NULL without err where there is no row
** or it is NULL. */
char *lb_pg_value(lb_pg *pg, lb_error *err, const char *sql, int count, const char *const *params);

/* The codes of failed results: 57014 (somebody cancelled it), 55P03, 55006, 40P01 and 53300 LB_BUSY, a server that goes
** away (classes 08, 57P, 58) LB_IO, 53100 (disk full) LB_FULL, 42501 and class 28 LB_PERM, 3D000 LB_NOTFOUND, 42P04,
** 42P06, 42P07, 42710 and 42723 LB_EXISTS, what is wrong with a statement or its data (classes 21, 22, 23, 2B, 3F, 42,
** 44, P0) LB_REFUSED, but for 42704 and 22023, which tell that the server has no such role, tablespace or locale:
** LB_ERROR like anything else. The message: what, then the server's primary message, detail and hint. */
int lb_pg_fail_result(lb_pg *pg, const PGresult *result, const char *what, lb_error *err);
/* The same for a connection that broke: the server's farewell, else libpq's words ("the server closed the
** connection …"). */
int lb_pg_fail_connection(lb_pg *pg, const char *what, lb_error *err);

/* Waits until the socket is readable (or, with write, readable or writable), at most 100 ms, polling the task. Reads
** nothing: PQconsumeInput is the caller's next step. */
int lb_pg_wait(lb_pg *pg, bool write, lb_error *err);

/* Sends a statement without waiting; its results come by PQgetResult once PQisBusy says no. For event loops. */
int lb_pg_send(lb_pg *pg, const char *sql, lb_error *err);

/* The same of a query with a parameter, whose rows come each as a result (PGRES_SINGLE_TUPLE), in binary form. */
int lb_pg_send_query(lb_pg *pg, const char *sql, const char *param, lb_error *err);

/* Cancels the running statement and reads all its results away; gives up after 5 s. Never fails. */
void lb_pg_cancel(lb_pg *pg);

/* SET LOCAL, inside an open transaction, of everything that pg_dump fixes before it reads: client_encoding (that of the
** database), DateStyle, IntervalStyle, extra_float_digits, search_path '', timeouts 0, row_security off,
** synchronize_seqscans off, bytea_output, quote_all_identifiers, and jit off (compiling takes longer than what our
** queries do with a row), whichever the server's version knows. lock_timeout in ms, 0: none. */
int lb_pg_fix_settings(lb_pg *pg, int64_t lock_timeout, lb_error *err);

/* Whether name of this database may be connected to as a URI's text: a cheap look, no connection. Two texts name the
** same source when this gives the same text: lb_pg.source without connecting (service files and environment counted);
** allocated. NULL: err is set (LB_MISUSE: not a URI libpq understands). */
char *lb_pg_source_of_uri(const char *uri, lb_error *err);

/* The database that a URI names, as libpq has it (the user's name where it names none). Allocated. */
char *lb_pg_database_of_uri(const char *uri, lb_error *err);

/* The environment of a child process of ours that connects to the same place: NULL-terminated "KEY=value" texts made of
** PATH, HOME, TZ, locale C, and libpq's PG… variables for the parameters in force, without the password. database NULL:
** the same. Freed by lb_pg_environment_free. The password, where there is one, goes separately: *password is a copy to
** be wiped and freed (NULL: none). */
char **lb_pg_environment(const lb_pg *pg, const char *database, char **password, lb_error *err);
void lb_pg_environment_free(char **environment);

#endif

/* Executes a script's statements in order on one connection. Private to the loading modules.
**
** It is the receiving end of the script reader (lb_execute_ops with an lb_execute as context). Which statements are
** left out, refused or noted is decided by lb_execute_admit alone, which loading in parallel asks as well.
*/
#ifndef LB_POSTGRES_EXECUTE_H
#define LB_POSTGRES_EXECUTE_H

#include "postgres/copy_in.h"
#include "postgres/kept.h"
#include "postgres/load.h"
#include "postgres/script.h"
#include "postgres/statement.h"

typedef struct lb_execute {
  lb_pg_load *load;
  bool inside;             /* the caller has a transaction open, which the script must not end */
  bool script_block;       /* between the script's own BEGIN and COMMIT */
  bool keep;               /* settings are kept in preamble */
  lb_buf preamble;         /* settings in force, each ended by ";\n": what another connection has to say first */
  lb_buf settings;         /* names that were asked about: +name or -name (unknown), NUL-terminated one after another */
  lb_buf roles;            /* names of roles that were there already, NUL-terminated */
  int unknown;             /* settings */
  bool database_noted;
  bool made;               /* something: the statements that pg_dump --clean begins with are over */
  int absent;              /* of these, that were about what is not there */
  lb_pg_kept kept;         /* what was there already and stays */
  lb_buf what;             /* the statement at hand, for messages */
  lb_copy_in copy;
  const char *keeper;      /* the extension whose rows the COPY at hand has: they are left out; NULL: they are not */
  const char *inserts;     /* the same of the last INSERT that was left out: one note is enough for all of a table */
  int64_t part;            /* the next part of DATA, where there are contents */
} lb_execute;

extern const lb_script_ops lb_execute_ops;

/* Session settings for loading (execute.c says which); inside: of a transaction of the caller's. */
int lb_execute_settings(lb_pg *pg, bool inside, lb_error *err);

int lb_execute_begin(lb_execute *x, lb_pg_load *load, lb_error *err);

/* For messages, kept in x->what: as lb_statement_describe. */
const char *lb_execute_describe(lb_execute *x, const char *sql, size_t len, uint64_t offset);

/* *run: whether the statement is to be executed (execute_admit.c). */
int lb_execute_admit(lb_execute *x, const lb_statement *st, const char *sql, size_t len, uint64_t offset, bool *run,
                     lb_error *err);

/* One statement that was admitted. sql: what is executed for it. */
int lb_execute_statement(lb_execute *x, const lb_statement *st, const char *sql, const char *what, lb_error *err);

/* After the last statement: the script must have ended what it began. Outside of the caller's transaction, makes all
** commits so far durable. */
int lb_execute_end(lb_execute *x, lb_error *err);

/* Cancels what is still open. */
void lb_execute_free(lb_execute *x);

/* Rows that a COPY of `part` has stored against those the contents have, and those that were told. */
int lb_execute_check_rows(const lb_pg_load *load, const lb_pg_part *part, const char *what, uint64_t sent,
                          uint64_t stored, lb_error *err);

/* *extension: the one whose table a COPY fills, and which stays as it is, so that the rows are left out; NULL: none. */
int lb_execute_keeper(const lb_pg_kept *kept, const char *copy, size_t len, const char **extension, lb_error *err);

/* Rows that were left out. */
void lb_execute_note_kept(lb_pg_load *load, const char *what, const char *extension, uint64_t rows);

void lb_load_note(lb_pg_load *load, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif

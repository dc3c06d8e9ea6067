/* What every restore has in common, whatever its target: options, backup, what the report needs. restore.c chooses the
** way: restore_sqlite.c or restore_postgres.c, with tables restore_part.c or restore_part_postgres.c, which also use
** steps of the former two. All of them call restoration.c, and it calls none.
*/
#ifndef LB_JOB_RESTORATION_H
#define LB_JOB_RESTORATION_H

#include "core/options.h"
#include "core/rows.h"
#include "job/job.h"

typedef struct lb_restore_options {
  char *dir, *verify;
  int overwrite, pre_restore;
  int64_t threads;
  char *tables;                /* a JSON array; NULL: all of the database */
  char *rows, *columns;        /* with tables */
  int64_t timeout_ms;          /* SQLite; -1: the setting */
  char *mode, *name;           /* Postgres, like all that follows */
  int create, force, drop_old, no_owner, no_privileges;
  int64_t jobs, lock_timeout;  /* 0 and -1: not given */
} lb_restore_options;

typedef struct lb_restoration {
  lb_job *job;
  lb_restore_options o;
  char *dir;                   /* of backups; NULL: there is none, and none is needed so far */
  int threads;
  lb_opened backup;
  char *label;                 /* of the target, for report and history; owned */
  bool created;                /* nothing was there: a file or a database was made */
  char *saved;                 /* where what was there before is kept; NULL: nowhere */
  char *previous;              /* Postgres: the name that the old database has now; NULL: it is gone */
  int64_t bytes;               /* of content */
  const char *check;           /* "ok"; NULL: nothing was checked */
  lb_rows_counts tables;       /* of a part */
} lb_restoration;

extern const lb_option lb_restore_sqlite_options[], lb_restore_postgres_options[];

int lb_restore_sqlite(lb_restoration *r, const char *backup, const char *target, lb_error *err);
int lb_restore_postgres(lb_restoration *r, const char *backup, const char *uri, lb_error *err);

/* Only the tables that the options name. */
int lb_restore_part(lb_restoration *r, const char *backup, const char *target, lb_error *err);
int lb_restore_part_postgres(lb_restoration *r, const char *backup, const char *uri, lb_error *err);

/* Opens the backup; source: the target's, for `latest`. Sets what history wants to know of it. */
int lb_restoration_open(lb_restoration *r, const char *backup, lb_type type, const char *source, lb_error *err);

/* The names in option `tables`: an array of texts and its length, freed by lb_restoration_free_tables. */
char **lb_restoration_tables(lb_restoration *r, int *count, lb_error *err);
void lb_restoration_free_tables(char **tables, int count);

/* The copy that r->saved names was removed again, since the target has not changed. */
void lb_restoration_unsaved(lb_restoration *r);

/* ---- SQLite ---- */

struct lb_target;

int lb_restore_sqlite_open_target(lb_restoration *r, const char *spec, struct lb_target *target, lb_error *err);
int lb_restore_sqlite_refuse_itself(const struct lb_target *target, const char *backup, lb_error *err);

/* Saves what is there, unless option pre_restore says otherwise: r->saved. */
int lb_restore_sqlite_save(lb_restoration *r, struct lb_target *target, lb_error *err);

/* Removes the copy that was saved of a target that has not changed. */
void lb_restore_sqlite_unsave(lb_restoration *r, const struct lb_target *target);

/* Removes all but the newest saved copies. */
void lb_restore_sqlite_prune(lb_restoration *r, const struct lb_target *target);

/* ---- PostgreSQL ---- */

struct lb_content;
struct lb_pg;

int lb_restore_postgres_open(lb_restoration *r, const char *backup, const char *uri, struct lb_content *content,
                             lb_error *err);

/* The whole backup, as option verify asks for. */
int lb_restore_postgres_verify(lb_restoration *r, struct lb_content *content, const char *uri, lb_error *err);

/* complete: whether the end of a dump of another tool is there. */
int lb_restore_postgres_check_end(const lb_restoration *r, bool complete, lb_error *err);

/* Saves the database, unless option pre_restore says otherwise: r->saved. */
int lb_restore_postgres_save(lb_restoration *r, const char *database, const char *uri, lb_error *err);

/* Ends the transaction of pg; not to be interrupted. */
int lb_restore_postgres_commit(lb_restoration *r, struct lb_pg *pg, lb_error *err);

/* Rolls back what is open on pg (NULL: nothing is), and removes the copy of a target that is as it was. */
void lb_restore_postgres_undo(lb_restoration *r, struct lb_pg *pg);

int64_t lb_restore_postgres_lock_timeout(const lb_restoration *r);  /* ms */

#endif

/* What several jobs do with PostgreSQL databases. */
#ifndef LB_JOB_POSTGRES_H
#define LB_JOB_POSTGRES_H

#include "job/content.h"
#include "postgres/connection.h"
#include "postgres/load.h"
#include "postgres/survey.h"
#include "postgres/target.h"

/* The default NAME of backups of a database: its name, with what a NAME may not hold made '_'. Allocated. */
char *lb_postgres_name(const char *database, lb_error *err);

/* Whether the connection's last failure was that of a lock that was not had in time. */
bool lb_postgres_lock_refused(const lb_pg *pg);

/* Puts behind the error that tells of such a lock who is in the way, and what to do. Rolls back what is open on pg.
** lock: as for lb_pg_relations_blockers. */
int lb_postgres_advise_lock(lb_pg *pg, const char *lock, lb_error *err);

/* How a script is brought into a database that nobody uses yet. */
typedef struct lb_postgres_loading {
  lb_job *job;
  lb_content *content;
  int jobs;
  bool no_owner, no_privileges;
  bool no_roles;           /* roles belong to the server: a verification leaves them alone */
  bool no_policies, no_tablespaces;  /* what a verification can do without where the server lacks it */
} lb_postgres_loading;

/* What a manifest tells of the database that was backed up; the texts stay the manifest's. */
lb_pg_properties lb_postgres_properties(const lb_manifest *about);

/* ANALYZE. What fails in it is a note: the rows are there. */
int lb_postgres_analyze(lb_job *job, lb_pg_load *load, lb_error *err);

/* On all connections at once where the backup has a table of contents, else one statement after the other; then
** ANALYZE. */
int lb_postgres_load_fresh(const lb_postgres_loading *loading, lb_pg *pg, lb_error *err);

/* Restores into a scratch database on the server of uri (NULL: the configured one), compares rows and checksums with
** the table of contents, drops it. What is wrong with the backup is LB_CORRUPT; what keeps this server from judging it,
** because it lacks something or is too old, has another code. Notes go to the job. */
int lb_postgres_verify_full(lb_job *job, lb_content *content, const lb_manifest *about, const char *uri, int jobs,
                            lb_error *err);

/* Whether a backup of that scope (lb_manifest; NULL: all) can be so verified, and that server lets its user make the
** database: asked before the backup is made. */
int lb_postgres_verify_check(lb_job *job, const char *scope, const char *uri, lb_error *err);

/* Saves the database of uri as NAME_postgres_before_restore_… in dir: a normal backup. *path is allocated. */
int lb_postgres_save(lb_job *job, const char *dir, const char *name, const char *uri, int jobs, char **path,
                     lb_error *err);

/* Removes what lb_postgres_save has made, of a database that has not changed since. false: it is still there. */
bool lb_postgres_unsave(const char *path);

#endif

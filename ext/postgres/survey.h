/* What a script needs before it can be loaded, found by reading it without executing anything.
**
** Also where a script is refused as a whole: psql commands, COPY from programs, unfinished statements, several
** \connect. A script is code: nothing here makes a hostile one safe to execute (docs/postgres.md).
*/
#ifndef LB_POSTGRES_SURVEY_H
#define LB_POSTGRES_SURVEY_H

#include "core/source.h"
#include "postgres/connection.h"
#include "postgres/contents.h"
#include "postgres/locks.h"

/* What a script names a role for: which option of a restore goes without it. */
enum {
  LB_ROLE_OWNS = 1,       /* no_owner */
  LB_ROLE_GRANTS = 2,     /* no_privileges: grantees and grantors */
  LB_ROLE_ACTS = 4,       /* either: SET SESSION AUTHORIZATION */
  LB_ROLE_NAMED = 8,      /* none: policies, user mappings, memberships */
  LB_ROLE_DEFAULTS = 16,  /* no_privileges, as of LB_ROLE_GRANTS: ALTER DEFAULT PRIVILEGES FOR ROLE */
  LB_ROLE_GIVEN = 32      /* no_owner, as of LB_ROLE_OWNS: anything but a schema, which the role may have already */
};

typedef struct lb_pg_survey {
  char **roles;           /* that it names; PUBLIC, CURRENT_USER and the like left out. No duplicates */
  unsigned char *role_uses;  /* what for: LB_ROLE_… of each */
  int role_count;
  char **tablespaces;
  int tablespace_count;
  char **extensions;
  int extension_count;
  char *encoding;         /* of SET client_encoding; NULL: none */
  char *connects_to;      /* the database of the only \connect; NULL: none */
  char *version;          /* "Dumped from database version 15.20" */
  char *dump_version;     /* "Dumped by pg_dump version 15.20" */
  bool complete;          /* pg_dump's last comment ("… dump complete") was there; always with contents */
  uint64_t statements, rows;
  lb_pg_locks locks;      /* that it takes when it is executed in one transaction */
} lb_pg_survey;

/* contents NULL: reads all of it (source->stream), else only the blocks that are not data: large objects are counted,
** and have owners. survey need not be initialised; after a failure it is empty. */
int lb_pg_survey_read(lb_source *source, const lb_pg_contents *contents, lb_task *task, lb_pg_survey *survey,
                      lb_error *err);
void lb_pg_survey_free(lb_pg_survey *survey);

/* The same, and tells of every statement that is read; copy: it is a COPY … FROM stdin. */
typedef struct lb_pg_watch {
  int (*statement)(void *ctx, const char *sql, size_t len, uint64_t offset, bool copy, lb_error *err);
  void *ctx;
} lb_pg_watch;
int lb_pg_survey_watch(lb_source *source, const lb_pg_contents *contents, lb_task *task, const lb_pg_watch *watch,
                       lb_pg_survey *survey, lb_error *err);

/* What of it the server of pg lacks, before anything is touched: roles (but those that the two options go without;
** those that the script makes itself are none of survey->roles), tablespaces, extensions that are not available, a
** client_encoding that the server cannot convert to its own. One LB_NOTFOUND that names all of them and says what to do
** (CREATE ROLE …, {"no_owner":true,"no_privileges":true}, which package). LB_PERM: it lacks nothing, but the user the
** right to give to roles, or to grant in their name. */
int lb_pg_survey_check(const lb_pg_survey *survey, lb_pg *pg, bool no_owner, bool no_privileges, lb_error *err);

/* The same of what a verification cannot go without: extensions and the encoding. */
int lb_pg_survey_check_needs(const lb_pg_survey *survey, lb_pg *pg, lb_error *err);

/* And what it can go without: names, separated by commas. Zeroed first; freed by lb_pg_lacks_free. */
typedef struct lb_pg_lacks {
  lb_buf roles;           /* that the server has not */
  lb_buf owners;          /* other than the user, who is no superuser: he may not give them everything. Being their
                          ** member is not enough, where they in turn may not create in a schema */
  lb_buf grantors;        /* in whose name the user may not grant, or set default privileges */
  lb_buf tablespaces;     /* that the server has not, or the user may not make anything in */
} lb_pg_lacks;
int lb_pg_survey_lacks(const lb_pg_survey *survey, lb_pg *pg, lb_pg_lacks *lacks, lb_error *err);
void lb_pg_lacks_free(lb_pg_lacks *lacks);

#endif

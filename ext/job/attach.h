/* backup_uri: a SQLite backup as something to ATTACH, and what that takes from the cache of the VFS. */
#ifndef LB_JOB_ATTACH_H
#define LB_JOB_ATTACH_H

#include "job/job.h"

/* The URI that opens the backup through the VFS `lifeboat`; allocated. Its file is looked at: a backup of PostgreSQL,
** or a file without a database inside, is an error. It is no run in history. */
int lb_job_uri(lb_job *job, const char *backup, char **uri, lb_error *err);

/* Puts the setting cache_mb into force, for the process. */
int lb_job_cache_limit(const lb_config *config, lb_error *err);

#endif

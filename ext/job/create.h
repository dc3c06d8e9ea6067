/* backup_create: one snapshot of a database becomes one file in the folder of backups. */
#ifndef LB_JOB_CREATE_H
#define LB_JOB_CREATE_H

#include "job/job.h"

/* source: as the user wrote it, NULL: the configured one. options: JSON or NULL. *path is allocated. */
int lb_job_create(lb_job *job, const char *source, const char *options, char **path, lb_error *err);

#endif

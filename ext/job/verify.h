/* backup_verify: is this backup whole, and (full) is the database inside sound? */
#ifndef LB_JOB_VERIFY_H
#define LB_JOB_VERIFY_H

#include "job/job.h"

/* level_or_options: NULL, "quick", "full" or a JSON object. *result is "ok" or what is wrong, line by line; allocated.
** Damage is a result; with {"raise":true} it is an error too. */
int lb_job_verify(lb_job *job, const char *backup, const char *level_or_options, char **result, lb_error *err);

/* The same, quick, of one in a listing of dir, within another job: its verify_result is set, and remembered. What keeps
** it from being read is an error. */
int lb_job_verify_listed(lb_job *job, const char *dir, lb_backup *backup, lb_error *err);

#endif

/* backup_restore: a backup's content takes the place of a database, or becomes a new one. */
#ifndef LB_JOB_RESTORE_H
#define LB_JOB_RESTORE_H

#include "job/job.h"

/* backup and target: as the user wrote them; NULL: what the configuration names. options: JSON or NULL. *report is the
** JSON result, allocated. */
int lb_job_restore(lb_job *job, const char *backup, const char *target, const char *options, char **report,
                   lb_error *err);

#endif

/* backup_plan, backup_rotate, backup_delete: what may go, and letting it go. Deciding is catalog/retention.h's. */
#ifndef LB_JOB_ROTATE_H
#define LB_JOB_ROTATE_H

#include "catalog/retention.h"
#include "job/job.h"

typedef struct lb_plan {
  lb_listing listing;
  lb_decision *decisions;
  int count;
} lb_plan;

int lb_job_plan(lb_job *job, const char *options, lb_plan *plan, lb_error *err);
void lb_plan_free(lb_plan *plan);

/* *removed: how many backups went (with dry_run: would go). One that is in use stays; one that cannot be removed is an
** error, after the others were. */
int lb_job_rotate(lb_job *job, const char *options, int64_t *removed, lb_error *err);
int lb_job_delete(lb_job *job, const char *backup, int64_t *removed, lb_error *err);

#endif

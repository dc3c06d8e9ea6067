/* See rotate.h. */
#include "job/rotate.h"

#include <stdlib.h>
#include <string.h>

#include "catalog/marks.h"
#include "catalog/resolve.h"
#include "core/clock.h"
#include "core/file.h"
#include "core/options.h"
#include "job/verify.h"

enum { BEFORE_RESTORE_DAYS = 30 };

typedef struct rotate_options {
  char *dir, *name, *type;
  int64_t retention_days, keep_last, before_restore_days;
  int dry_run;
} rotate_options;

static const lb_option known[] = {
  { "dir", LB_OPTION_TEXT, offsetof(rotate_options, dir), 0, 0, NULL },
  { "name", LB_OPTION_TEXT, offsetof(rotate_options, name), 0, 0, NULL },
  { "type", LB_OPTION_TEXT, offsetof(rotate_options, type), 0, 0, "sqlite|postgres" },
  { "retention_days", LB_OPTION_INT, offsetof(rotate_options, retention_days), 0, 36500, NULL },
  { "keep_last", LB_OPTION_INT, offsetof(rotate_options, keep_last), 1, 1000000, NULL },
  { "before_restore_days", LB_OPTION_INT, offsetof(rotate_options, before_restore_days), 1, 36500, NULL },
  { "dry_run", LB_OPTION_BOOL, offsetof(rotate_options, dry_run), 0, 0, NULL },
  { NULL, 0, 0, 0, 0, NULL },
};

/* Which backup is the newest good one depends on what verifications found: without it nothing may go. */
static int read_listing(lb_job *job, const char *dir, lb_listing *listing, lb_error *err)
{
  if (lb_listing_read(dir, job->json, listing, err) || !listing->history.code) return err->code;
  return lb_fail(err, (lb_code)listing->history.code,
                 "results of verifications cannot be read, so nothing is removed: %s", listing->history.message);
}

/* One reading of the options serves plan and rotate; *dir is allocated. */
static int make_plan(lb_job *job, const char *options, lb_plan *plan, char **dir, bool *dry_run, lb_error *err)
{
  rotate_options o = { .retention_days = -1, .before_restore_days = BEFORE_RESTORE_DAYS };
  memset(plan, 0, sizeof *plan);
  if (lb_options_parse(job->json, options, known, &o, err) == LB_OK) *dir = lb_job_dir(job, o.dir, err);
  /* With keep_last and no age of its own, the number alone decides. */
  if (!err->code && o.retention_days < 0 && o.keep_last) o.retention_days = 0;
  if (!err->code && o.retention_days < 0)
    lb_config_integer(job->config, LB_CONFIG_RETENTION_DAYS, 7, &o.retention_days, err);
  if (!err->code && read_listing(job, *dir, &plan->listing, err) == LB_OK) {
    lb_policy policy = { o.name ? o.name : lb_config_text(job->config, LB_CONFIG_NAME),
                         o.type ? lb_type_of_text(o.type) : LB_TYPE_NONE, o.retention_days, o.keep_last,
                         o.before_restore_days };
    lb_retention_plan(&plan->listing, &policy, lb_clock_now(), &plan->decisions, &plan->count, err);
  }
  *dry_run = o.dry_run;
  lb_options_free(known, &o);
  return err->code;
}

void lb_plan_free(lb_plan *plan)
{
  lb_listing_free(&plan->listing);
  free(plan->decisions);
  memset(plan, 0, sizeof *plan);
}

int lb_job_plan(lb_job *job, const char *options, lb_plan *plan, lb_error *err)
{
  char *dir = NULL;
  bool dry_run;
  lb_job_begin(job, "plan", "", err);
  if (!err->code) make_plan(job, options, plan, &dir, &dry_run, err);
  lb_job_end(job, NULL, err);
  free(dir);
  return err->code;
}

/* Reads through what a removal relies on, once. Only what is then known to be whole lets others go. */
static bool is_proven(lb_job *job, const char *dir, lb_listing *listing, const lb_decision *decision, lb_error *err)
{
  if (decision->relies_on < 0) return true;
  lb_backup *basis = &listing->items[decision->relies_on];
  if (!basis->verify_result && !basis->unread) {
    lb_error one = LB_ERROR_INIT;
    if (lb_job_verify_listed(job, dir, basis, &one) == LB_OK) {
      lb_job_note(job, "verified %s before others go: %s", basis->file, basis->verify_result);
    } else {
      basis->unread = one.code;
      if (one.code != LB_INTERRUPT) {
        lb_error_prefix(&one, "%s could not be verified, so nothing goes on its account: ", basis->file);
      }
      if (!err->code) *err = one;
    }
  }
  return lb_backup_is_known_whole(basis);
}

/* A pin or a restore may have come since the plan was made: then it stays. */
static bool remove_one(lb_job *job, const lb_backup *backup, lb_error *err)
{
  lb_error one = LB_ERROR_INIT;
  if (lb_mark_remove_backup(backup->path, &one) == LB_OK) {
    lb_job_note(job, "removed %s", backup->file);
    return true;
  } else if (one.code == LB_BUSY) {
    lb_job_note(job, "%s", one.message);
  } else if (one.code != LB_NOTFOUND && !err->code) {  /* not found: another rotation was faster */
    *err = one;
  }
  return false;
}

int lb_job_rotate(lb_job *job, const char *options, int64_t *removed, lb_error *err)
{
  lb_plan plan = { 0 };
  char *dir = NULL;
  bool dry_run = false;
  *removed = 0;
  lb_job_begin(job, "rotate", "", err);
  if (!err->code && make_plan(job, options, &plan, &dir, &dry_run, err) == LB_OK) {
    for (int i = 0; i < plan.count && err->code != LB_INTERRUPT; i++) {
      const lb_decision *d = &plan.decisions[i];
      const lb_backup *backup = &plan.listing.items[d->item];
      if (backup->problem && backup->unread && backup->unread != LB_UNSUPPORTED) {
        lb_fail(err, backup->unread, "%s could not be read, so it is kept: %s%s", backup->file, backup->problem,
                backup->unread == LB_PERM ? " (somebody else made it: chown it to the owner of the others)" : "");
      }
      if (!d->remove) continue;
      if (dry_run || (is_proven(job, dir, &plan.listing, d, err) && remove_one(job, backup, err))) ++*removed;
    }
  }
  lb_job_end(job, dry_run ? NULL : dir, err);
  lb_plan_free(&plan);
  free(dir);
  return err->code;
}

static int delete_listed(lb_job *job, const char *dir, lb_listing *listing, const char *path, lb_error *err)
{
  lb_decision decision;
  for (int i = 0; i < listing->count; i++) {
    if (strcmp(listing->items[i].path, path) != 0) continue;
    lb_retention_may_delete(listing, i, lb_clock_now(), &decision);
    if (!decision.remove) return lb_fail(err, LB_MISUSE, "%s is kept: %s", listing->items[i].file, decision.reason);
    if (!is_proven(job, dir, listing, &decision, err)) {
      if (err->code) return err->code;
      const lb_backup *basis = &listing->items[decision.relies_on];
      return lb_fail(err, LB_MISUSE, "%s is kept: %s, which counted as the newest good one, is damaged: %s",
                     listing->items[i].file, basis->file, basis->verify_result);
    }
    if (lb_mark_remove_backup(path, err) == LB_OK) lb_job_note(job, "removed %s", lb_path_base(path));
    return err->code;
  }
  return lb_fail(err, LB_MISUSE, "%s: not the name of a backup file, so it is not deleted here", path);
}

/* The folder that counts for the safety rules is the one the backup lies in. */
int lb_job_delete(lb_job *job, const char *backup, int64_t *removed, lb_error *err)
{
  lb_listing listing = { 0 };
  char *dir = NULL, *path = NULL, *folder = NULL, *whole = NULL;
  lb_error why = LB_ERROR_INIT;
  *removed = 0;
  lb_job_begin(job, "delete", backup, err);
  if (!err->code) dir = lb_job_dir(job, NULL, &why);
  if (!err->code && !dir && !strchr(backup, '/')) *err = why;
  if (!err->code && lb_resolve(dir ? dir : ".", backup, NULL, LB_TYPE_NONE, job->json, &path, err) == LB_OK) {
    folder = lb_path_dir(path, err);
    char *real = folder ? lb_path_absolute(folder, err) : NULL;
    whole = real ? lb_path_join(real, lb_path_base(path), err) : NULL;
    if (whole && read_listing(job, real, &listing, err) == LB_OK) {
      delete_listed(job, real, &listing, whole, err);
    }
    free(real);
    job->run.backup = lb_path_base(path);
  }
  if (!err->code) *removed = 1;
  lb_job_end(job, dir, err);
  lb_listing_free(&listing);
  free(dir);
  free(path);
  free(folder);
  free(whole);
  return err->code;
}

/* Retention: which backups may go. A pure function of a listing, a policy and a clock: it touches no file.
**
** Whatever the policy says, it keeps: one that could not be read (its keep_until is not known); a pinned backup; one
** whose keep_until has not passed; the newest good full backup of every source, and when that one has no verification
** on record, also the newest that was verified ok; everything when there is no good backup of that source at all. A
** damaged backup ages like any other; a damaged newer one never pushes the newest good one out.
**
** Where the newest good one is not known to be whole (another tool's, never verified), the newest that is known to be
** stays too, and what is not older than that may go only after the newest good one was verified: the decision names it.
**
** Partial backups are kept by the same rules among themselves. before_restore copies have their own clock
** (before_restore_days) and are counted apart. The listing is newest first, as lb_listing_read makes it.
**
** One whose date lies in the future stays, and stands for no other: a clock was ahead once, and what is newest by its
** date may be old. Where all good ones of a source are so, it is this clock that is behind, and they count as any.
*/
#ifndef LB_CATALOG_RETENTION_H
#define LB_CATALOG_RETENTION_H

#include "catalog/listing.h"

typedef struct lb_policy {
  const char *name;            /* only backups of this NAME; NULL: all */
  lb_type type;                /* only of this type; LB_TYPE_NONE: all */
  int64_t retention_days;      /* older than this many days go; 0: age removes nothing (keep_last alone decides) */
  int64_t keep_last;           /* at least so many newest full backups of a source stay, damaged ones not
                               ** counted; with retention_days 0: all beyond them go */
  int64_t before_restore_days; /* the same for before_restore copies */
} lb_policy;

typedef struct lb_decision {
  int item;                    /* index into listing->items */
  bool remove;
  int relies_on;               /* index of a backup that has to be verified, and ok, before this one goes; -1: none */
  char reason[160];            /* a sentence: "newest good backup of admin", "9 days old, limit 7" */
} lb_decision;

/* One decision per item that the policy's name and type select, in the listing's order; allocated, the caller frees. */
int lb_retention_plan(const lb_listing *listing, const lb_policy *policy, int64_t now, lb_decision **plan, int *count,
                      lb_error *err);

/* Whether item may be deleted on request (backup_delete): the same safety rules without age. */
void lb_retention_may_delete(const lb_listing *listing, int item, int64_t now, lb_decision *decision);

#endif

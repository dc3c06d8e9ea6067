/* See retention.h. The plan is made in two passes over the listing, newest first: the first finds for each source what
** must stay (its newest good backup, its newest whole and verified ones), the second decides about each backup in
** turn. */
#include "catalog/retention.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"

#define DAY 86400

/* What the first pass knows of one source's full backups, or of its partial ones; items are indexes into the
** listing, -1: there is none. */
typedef struct source {
  int newest_good;
  int newest_whole;     /* known to be */
  int newest_verified;
  bool only_ahead;      /* every good one is dated in the future */
  int64_t good_seen;    /* second pass: good full backups passed so far */
} source;

typedef struct survey {
  int *group;      /* of each item */
  source *sources; /* two a group */
} survey;

/* Partial ones have a succession of their own: none of them stands for a full one, or pushes one out. */
static bool is_saved(const lb_backup *b) { return b->name.kind == LB_KIND_BEFORE_RESTORE; }

static source *source_of(const survey *s, const lb_listing *listing, int item)
{
  return &s->sources[2 * s->group[item] + (listing->items[item].name.kind == LB_KIND_PARTIAL)];
}

static void survey_free(survey *s)
{
  free(s->group);
  free(s->sources);
}

/* Dated by a clock that was wrong, unless this one is. */
static bool is_ahead(const lb_backup *b, int64_t now) { return b->created > now; }

/* Newest first, so that the first one of a kind is the newest. */
static void take_good(source *of, const lb_backup *b, int item)
{
  if (of->newest_good < 0) of->newest_good = item;
  if (of->newest_whole < 0 && lb_backup_is_known_whole(b)) of->newest_whole = item;
  if (of->newest_verified < 0 && b->verify_result) of->newest_verified = item;
}

/* Those that are dated in the future count only where there are no others: what they stand for may be old. */
static void find_newest(const lb_listing *listing, survey *s, int count, int64_t now)
{
  for (int ahead = 0; ahead < 2; ahead++) {
    for (int g = 0; g < count; g++) s->sources[g].only_ahead = s->sources[g].newest_good < 0;
    for (int i = 0; i < listing->count; i++) {
      const lb_backup *b = &listing->items[i];
      source *of = source_of(s, listing, i);
      if (!is_saved(b) && lb_backup_is_good(b) && is_ahead(b, now) == ahead && of->only_ahead) take_good(of, b, i);
    }
  }
}

static int survey_listing(const lb_listing *listing, int64_t now, survey *s, lb_error *err)
{
  int count;
  memset(s, 0, sizeof *s);
  if (lb_listing_group(listing, &s->group, &count, err)) return err->code;
  count *= 2;
  s->sources = calloc((size_t)count + 1, sizeof *s->sources);
  if (!s->sources) {
    survey_free(s);
    return lb_fail_nomem(err);
  }
  for (int g = 0; g < count; g++) s->sources[g] = (source){ -1, -1, -1, false, 0 };
  find_newest(listing, s, count, now);
  return LB_OK;
}

static void __attribute__((format(printf, 2, 3))) say(char reason[160], const char *format, ...)
{
  va_list args;
  va_start(args, format);
  vsnprintf(reason, 160, format, args);
  va_end(args);
}

/* The rules that hold whatever a policy says. True: it stays, and reason says why. */
static bool must_stay(const lb_listing *listing, const survey *s, int item, int64_t now, char reason[160])
{
  const lb_backup *b = &listing->items[item];
  const source *of = source_of(s, listing, item);
  const char *name = b->name.name, *type = lb_type_text(b->name.type);
  if (b->unread) {
    say(reason, "it could not be read: %.120s", b->problem ? b->problem : "");
  } else if (b->pinned) {
    say(reason, "pinned");
  } else if (b->manifest.keep_until > 0 && b->manifest.keep_until >= now) {
    char until[LB_DATETIME_BYTES];
    lb_clock_datetime(b->manifest.keep_until, until);
    say(reason, "kept until %.10s (asked for when it was made)", until);
  } else if (of->newest_good < 0) {
    say(reason, "there is no good backup of this source");
  } else if (of->newest_good == item) {
    bool is_known = of->newest_whole == item;
    say(reason, "newest good backup of %.100s (%s)%s", name, type, is_known ? "" : ", not verified yet");
  } else if (of->newest_verified == item && !listing->items[of->newest_good].verify_result) {
    say(reason, "newest verified backup of %.100s (%s)", name, type);
  } else if (of->newest_whole == item && !lb_backup_is_known_whole(&listing->items[of->newest_good])) {
    say(reason, "newest backup of %.100s (%s) that is known to be whole", name, type);
  } else {
    return false;
  }
  return true;
}

/* What is to be verified before item goes, or -1. A good one that is newer than all that are known to be whole may be
** the newest that is: the one that counts as such has not been read. */
static int relies_on(const lb_listing *listing, const survey *s, int item)
{
  const lb_backup *b = &listing->items[item];
  const source *of = source_of(s, listing, item);
  bool counts = !is_saved(b) && lb_backup_is_good(b);
  if (of->newest_whole >= 0 && (!counts || of->newest_whole < item || of->newest_whole == of->newest_good)) return -1;
  return of->newest_good;
}

/* Older than limit days, to the second; the age is told in whole days. */
static bool is_too_old(int64_t created, int64_t now, int64_t limit, char reason[160])
{
  int64_t age = now > created ? now - created : 0;
  int64_t days = age / DAY;
  bool too_old = days > limit || (days == limit && age % DAY > 0);
  say(reason, "%s%lld day%s old, limit %lld", too_old && days == limit ? "over " : "", (long long)days,
      days == 1 ? "" : "s", (long long)limit);
  return too_old;
}

static bool decide_full(const lb_backup *b, int64_t rank, const lb_policy *policy, int64_t now, char reason[160])
{
  if (rank < policy->keep_last) {
    if (policy->keep_last == 1) say(reason, "the last one");
    else say(reason, "one of the last %lld", (long long)policy->keep_last);
    return false;
  }
  if (policy->retention_days > 0) return is_too_old(b->created, now, policy->retention_days, reason);
  if (policy->keep_last > 0) {
    say(reason, "not one of the last %lld", (long long)policy->keep_last);
    return true;
  }
  say(reason, "no limit is set");
  return false;
}

static bool decide_before_restore(const lb_backup *b, const lb_policy *policy, int64_t now, char reason[160])
{
  if (policy->before_restore_days > 0) return is_too_old(b->created, now, policy->before_restore_days, reason);
  say(reason, "no limit is set for what restores saved");
  return false;
}

static bool is_selected(const lb_backup *b, const lb_policy *policy)
{
  if (policy->type != LB_TYPE_NONE && b->name.type != policy->type) return false;
  return !policy->name || strcmp(b->name.name, policy->name) == 0;
}

static void rely(const lb_listing *listing, const survey *s, int item, lb_decision *decision)
{
  decision->relies_on = relies_on(listing, s, item);
  size_t used = strlen(decision->reason);
  if (decision->relies_on >= 0) {
    snprintf(decision->reason + used, sizeof decision->reason - used, "; the newest good one is verified first");
  }
}

/* Ranks count good backups only: a damaged one takes no place among the last that are kept, nor does one that is dated
** in the future beside others that are not: it would push out each new one. */
static void decide(const lb_listing *listing, survey *s, int item, const lb_policy *policy, int64_t now,
                   lb_decision *decision)
{
  const lb_backup *b = &listing->items[item];
  source *of = source_of(s, listing, item);
  bool counts = !is_saved(b) && lb_backup_is_good(b), ahead = counts && is_ahead(b, now) && !of->only_ahead;
  decision->item = item;
  decision->relies_on = -1;
  if (must_stay(listing, s, item, now, decision->reason)) decision->remove = false;
  else if (ahead) say(decision->reason, "its date lies in the future");
  else if (!is_saved(b)) decision->remove = decide_full(b, of->good_seen, policy, now, decision->reason);
  else decision->remove = decide_before_restore(b, policy, now, decision->reason);
  if (decision->remove) rely(listing, s, item, decision);
  if (counts && !ahead) of->good_seen++;
}

int lb_retention_plan(const lb_listing *listing, const lb_policy *policy, int64_t now, lb_decision **plan, int *count,
                      lb_error *err)
{
  survey s;
  *plan = NULL;
  *count = 0;
  if (survey_listing(listing, now, &s, err)) return err->code;
  *plan = calloc((size_t)listing->count + 1, sizeof **plan);
  if (!*plan) lb_fail_nomem(err);
  for (int i = 0; *plan && i < listing->count; i++) {
    if (is_selected(&listing->items[i], policy)) decide(listing, &s, i, policy, now, &(*plan)[(*count)++]);
  }
  survey_free(&s);
  return err->code;
}

void lb_retention_may_delete(const lb_listing *listing, int item, int64_t now, lb_decision *decision)
{
  survey s;
  lb_error err = LB_ERROR_INIT;
  *decision = (lb_decision){ .item = item, .relies_on = -1 };
  if (survey_listing(listing, now, &s, &err)) {
    say(decision->reason, "%.150s", err.message);
    return;
  }
  decision->remove = !must_stay(listing, &s, item, now, decision->reason);
  if (decision->remove) {
    say(decision->reason, "nothing keeps it");
    rely(listing, &s, item, decision);
  }
  survey_free(&s);
}

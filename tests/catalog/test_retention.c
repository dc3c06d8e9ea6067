/* Retention: each rule and its words, then thousands of random listings against the safety rules, which are written
** here a second time, as plainly as possible. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "catalog/retention.h"

#define DAY 86400
#define NOW 1762257600
#define MANY 24

static lb_backup items[MANY];
static lb_listing listing = { .items = items };

static lb_backup *add(const char *name, int64_t age)
{
  lb_backup *b = &items[listing.count++];
  memset(b, 0, sizeof *b);
  lb_manifest_init(&b->manifest);
  strcpy(b->name.name, name);
  b->name.type = LB_TYPE_SQLITE;
  b->created = NOW - age;
  b->indexed = true;
  return b;
}

/* The plan in short: "K:reason" or "R:reason" of the n-th decision. */
static const char *decided(const lb_policy *policy, int n)
{
  static char text[200];
  lb_decision *plan;
  int count;
  lb_error err = LB_ERROR_INIT;
  assert_int_equal(lb_retention_plan(&listing, policy, NOW, &plan, &count, &err), LB_OK);
  assert_true(n < count);
  snprintf(text, sizeof text, "%c:%s", plan[n].remove ? 'R' : 'K', plan[n].reason);
  free(plan);
  return text;
}

static void test_age(void **state)
{
  (void)state;
  lb_policy policy = { .retention_days = 7 };
  listing.count = 0;
  add("admin", 0);
  add("admin", DAY);
  add("admin", 7 * DAY);
  add("admin", 7 * DAY + 1);
  add("admin", 9 * DAY + 100);
  assert_string_equal(decided(&policy, 0), "K:newest good backup of admin (sqlite)");
  assert_string_equal(decided(&policy, 1), "K:1 day old, limit 7");
  assert_string_equal(decided(&policy, 2), "K:7 days old, limit 7");
  assert_string_equal(decided(&policy, 3), "R:over 7 days old, limit 7");
  assert_string_equal(decided(&policy, 4), "R:9 days old, limit 7");
  policy.retention_days = INT64_MAX;
  assert_string_equal(decided(&policy, 4), "K:9 days old, limit 9223372036854775807");
}

static void test_marks_and_promises(void **state)
{
  (void)state;
  lb_policy policy = { .retention_days = 7 };
  listing.count = 0;
  add("admin", 0);
  add("admin", 30 * DAY)->pinned = true;
  add("admin", 30 * DAY)->manifest.keep_until = NOW;
  add("admin", 30 * DAY)->manifest.keep_until = NOW - 1;
  assert_string_equal(decided(&policy, 1), "K:pinned");
  assert_string_equal(decided(&policy, 2), "K:kept until 2025-11-04 (asked for when it was made)");
  assert_string_equal(decided(&policy, 3), "R:30 days old, limit 7");
}

static void test_newest_good_and_verified(void **state)
{
  (void)state;
  lb_policy policy = { .retention_days = 1 };
  listing.count = 0;
  add("admin", 0)->problem = "truncated";
  add("admin", 2 * DAY)->verify_result = "block 3 is damaged";
  add("admin", 30 * DAY);
  add("admin", 31 * DAY)->verify_result = "ok";
  add("admin", 32 * DAY)->verify_result = "ok";
  assert_string_equal(decided(&policy, 0), "K:0 days old, limit 1");
  assert_string_equal(decided(&policy, 1), "R:2 days old, limit 1");
  assert_string_equal(decided(&policy, 2), "K:newest good backup of admin (sqlite)");
  assert_string_equal(decided(&policy, 3), "K:newest verified backup of admin (sqlite)");
  assert_string_equal(decided(&policy, 4), "R:32 days old, limit 1");
  items[2].verify_result = "ok"; /* once the newest is verified, the older one is needed no more */
  assert_string_equal(decided(&policy, 3), "R:31 days old, limit 1");
}

/* Of another tool's file only the beginning was seen, until it is verified. */
static void test_not_known_to_be_whole(void **state)
{
  (void)state;
  lb_policy policy = { .retention_days = 1 };
  listing.count = 0;
  add("admin", 2 * DAY)->problem = "truncated";
  add("admin", 30 * DAY)->indexed = false;
  add("admin", 31 * DAY)->indexed = false;
  add("admin", 32 * DAY);
  add("admin", 33 * DAY)->indexed = false;
  add("admin", 34 * DAY)->verify_result = "ok";
  add("admin", 35 * DAY);
  add("admin", 36 * DAY)->name.kind = LB_KIND_BEFORE_RESTORE;
  policy.before_restore_days = 1;
  assert_string_equal(decided(&policy, 0), "R:2 days old, limit 1");
  assert_string_equal(decided(&policy, 1), "K:newest good backup of admin (sqlite), not verified yet");
  assert_string_equal(decided(&policy, 2), "R:31 days old, limit 1; the newest good one is verified first");
  assert_string_equal(decided(&policy, 3), "K:newest backup of admin (sqlite) that is known to be whole");
  assert_string_equal(decided(&policy, 4), "R:33 days old, limit 1");
  assert_string_equal(decided(&policy, 5), "K:newest verified backup of admin (sqlite)");
  assert_string_equal(decided(&policy, 6), "R:35 days old, limit 1");
  assert_string_equal(decided(&policy, 7), "R:36 days old, limit 1");

  items[3].indexed = items[6].indexed = false; /* none is known to be, or only the one that was verified */
  assert_string_equal(decided(&policy, 4), "R:33 days old, limit 1; the newest good one is verified first");
  items[5].verify_result = NULL;
  items[5].indexed = false;
  assert_string_equal(decided(&policy, 0), "R:2 days old, limit 1; the newest good one is verified first");
  assert_string_equal(decided(&policy, 7), "R:36 days old, limit 1; the newest good one is verified first");

  items[1].verify_result = "ok";
  assert_string_equal(decided(&policy, 1), "K:newest good backup of admin (sqlite)");
  for (int i = 2; i < 8; i++) assert_null(strstr(decided(&policy, i), "verified first"));
  items[1].verify_result = "truncated"; /* its turn is the next one's */
  assert_string_equal(decided(&policy, 2), "K:newest good backup of admin (sqlite), not verified yet");
}

static void test_no_good_one(void **state)
{
  (void)state;
  lb_policy policy = { .retention_days = 1 };
  listing.count = 0;
  add("shop", 0);
  add("admin", 30 * DAY)->problem = "truncated";
  assert_string_equal(decided(&policy, 1), "K:there is no good backup of this source");
}

static void test_keep_last(void **state)
{
  (void)state;
  lb_policy policy = { .retention_days = 0, .keep_last = 2 };
  listing.count = 0;
  add("admin", 10 * DAY);
  add("admin", 11 * DAY)->problem = "truncated";
  add("admin", 12 * DAY);
  add("admin", 13 * DAY);
  assert_string_equal(decided(&policy, 2), "K:one of the last 2"); /* the damaged one takes no place */
  assert_string_equal(decided(&policy, 3), "R:not one of the last 2");
  policy.retention_days = 7;
  assert_string_equal(decided(&policy, 2), "K:one of the last 2");
  assert_string_equal(decided(&policy, 3), "R:13 days old, limit 7");
  policy.retention_days = 20;
  assert_string_equal(decided(&policy, 3), "K:13 days old, limit 20");
  policy.retention_days = policy.keep_last = 0;
  assert_string_equal(decided(&policy, 3), "K:no limit is set");
}

/* A clock was ahead once, and made backups; or it is behind now. */
static void test_dated_in_the_future(void **state)
{
  (void)state;
  lb_policy policy = { .keep_last = 1 };
  listing.count = 0;
  add("admin", -300 * DAY);
  add("admin", -299 * DAY)->problem = "truncated";
  add("admin", -298 * DAY);
  add("admin", 0);
  add("admin", 1 * DAY);
  assert_string_equal(decided(&policy, 0), "K:its date lies in the future");
  assert_string_equal(decided(&policy, 1), "K:the last one");
  assert_string_equal(decided(&policy, 2), "K:its date lies in the future");
  assert_string_equal(decided(&policy, 3), "K:newest good backup of admin (sqlite)");
  assert_string_equal(decided(&policy, 4), "R:not one of the last 1");
  lb_decision d;
  lb_retention_may_delete(&listing, 0, NOW, &d);
  assert_true(d.remove);
  assert_int_equal(d.relies_on, -1);
  lb_retention_may_delete(&listing, 3, NOW, &d);
  assert_false(d.remove);
  items[3].problem = items[4].problem = "truncated";
  assert_string_equal(decided(&policy, 0), "K:newest good backup of admin (sqlite)");
  assert_string_equal(decided(&policy, 2), "R:not one of the last 1");
}

static void test_before_restore(void **state)
{
  (void)state;
  lb_policy policy = { .retention_days = 30, .keep_last = 5, .before_restore_days = 7 };
  listing.count = 0;
  add("admin", 0)->name.kind = LB_KIND_BEFORE_RESTORE;
  add("admin", 1 * DAY);
  add("admin", 8 * DAY)->name.kind = LB_KIND_BEFORE_RESTORE;
  assert_string_equal(decided(&policy, 0), "K:0 days old, limit 7");
  assert_string_equal(decided(&policy, 1), "K:newest good backup of admin (sqlite)");
  assert_string_equal(decided(&policy, 2), "R:8 days old, limit 7");
  policy.before_restore_days = 0;
  assert_string_equal(decided(&policy, 2), "K:no limit is set for what restores saved");
}

static void test_sources_and_selection(void **state)
{
  (void)state;
  lb_policy policy = { .retention_days = 1 };
  listing.count = 0;
  add("admin", 10 * DAY)->manifest.source = "/a/admin.db";
  add("admin", 11 * DAY); /* of an old script: the one known source of this name takes it in */
  add("admin", 12 * DAY)->name.type = LB_TYPE_POSTGRES;
  add("shop", 13 * DAY);
  assert_string_equal(decided(&policy, 0), "K:newest good backup of admin (sqlite)");
  assert_string_equal(decided(&policy, 1), "R:11 days old, limit 1");
  assert_string_equal(decided(&policy, 2), "K:newest good backup of admin (postgres)");
  assert_string_equal(decided(&policy, 3), "K:newest good backup of shop (sqlite)");
  add("admin", 14 * DAY)->manifest.source = "/b/admin.db"; /* now nobody can tell whose the second is */
  assert_string_equal(decided(&policy, 1), "K:newest good backup of admin (sqlite)");
  assert_string_equal(decided(&policy, 4), "K:newest good backup of admin (sqlite)");

  lb_decision *plan;
  int count;
  lb_error err = LB_ERROR_INIT;
  policy.name = "admin";
  policy.type = LB_TYPE_SQLITE;
  lb_retention_plan(&listing, &policy, NOW, &plan, &count, &err);
  assert_int_equal(count, 3);
  assert_int_equal(plan[0].item, 0);
  assert_int_equal(plan[1].item, 1);
  assert_int_equal(plan[2].item, 4);
  free(plan);
}

static void test_may_delete(void **state)
{
  (void)state;
  lb_decision d;
  listing.count = 0;
  add("admin", 0);
  add("admin", 10);
  add("admin", 20)->pinned = true;
  add("shop", 0)->problem = "truncated";
  lb_retention_may_delete(&listing, 0, NOW, &d);
  assert_false(d.remove);
  assert_string_equal(d.reason, "newest good backup of admin (sqlite)");
  lb_retention_may_delete(&listing, 1, NOW, &d);
  assert_true(d.remove);
  assert_int_equal(d.relies_on, -1);
  lb_retention_may_delete(&listing, 2, NOW, &d);
  assert_false(d.remove);
  assert_string_equal(d.reason, "pinned");
  lb_retention_may_delete(&listing, 3, NOW, &d);
  assert_false(d.remove);
  items[0].indexed = items[1].indexed = items[2].indexed = false;
  lb_retention_may_delete(&listing, 1, NOW, &d);
  assert_true(d.remove);
  assert_int_equal(d.relies_on, 0);
}

/* ---- random listings ---- */

static uint32_t seed = 12345;

static int below(int n)
{
  seed = seed * 1664525u + 1013904223u;
  return (int)((seed >> 8) % (uint32_t)n);
}

static void random_listing(void)
{
  static char *const sources[] = { NULL, "/a", "/b" };
  static char *const results[] = { NULL, NULL, "ok", "damaged" };
  static const char *const names[] = { "admin", "shop" };
  int64_t age = 0;
  listing.count = 0;
  for (int n = below(MANY + 1); n > 0; n--) {
    age += below(4) * DAY / 2 + below(3);
    lb_backup *b = add(names[below(2)], age);
    b->name.type = below(4) ? LB_TYPE_SQLITE : LB_TYPE_POSTGRES;
    b->name.kind = below(5) ? LB_KIND_FULL : LB_KIND_BEFORE_RESTORE;
    b->pinned = below(8) == 0;
    b->problem = below(4) == 0 ? "damaged" : NULL;
    b->verify_result = results[below(4)];
    b->indexed = below(2) == 0;
    b->manifest.source = sources[below(3)];
    b->manifest.keep_until = below(8) == 0 ? NOW + below(3) - 1 : 0;
  }
}

static bool is_good_full(const lb_backup *b)
{
  return lb_backup_is_good(b) && b->name.kind == LB_KIND_FULL;
}

/* Whether one that is known to be whole, and stays, is older than no more than item; or the removal names the newest. */
static void check_relies(const lb_decision *d, const bool *gone)
{
  int first = 0;
  bool whole = false;
  while (!is_good_full(&items[first]) || !lb_backup_same_source(&items[first], &items[d->item])) first++;
  for (int i = 0; i < (is_good_full(&items[d->item]) ? d->item : listing.count); i++) {
    whole |= !gone[i] && is_good_full(&items[i]) && (items[i].indexed || items[i].verify_result) &&
      lb_backup_same_source(&items[i], &items[d->item]);
  }
  if (whole) assert_int_equal(d->relies_on, -1);
  else assert_int_equal(d->relies_on, first);
}

/* Good full backups that are newer and can stand in for item, those verified only if so wanted. */
static int newer_good(int item, bool verified)
{
  int n = 0;
  for (int i = 0; i < item; i++) {
    if (verified && !items[i].verify_result) continue;
    n += is_good_full(&items[i]) && lb_backup_same_source(&items[i], &items[item]);
  }
  return n;
}

static void check_decision(const lb_decision *d, const lb_policy *policy)
{
  const lb_backup *b = &items[d->item];
  int64_t age = NOW - b->created;
  bool full = b->name.kind == LB_KIND_FULL;
  assert_true(d->reason[0] != 0);
  if (!d->remove) {
    /* What is neither protected nor young nor among the last goes: a plan that keeps all would be safe and useless. */
    bool plain = full && !b->pinned && !b->manifest.keep_until && newer_good(d->item, false) > policy->keep_last + 2 &&
                 newer_good(d->item, true) > 0 && policy->retention_days && age > policy->retention_days * DAY;
    bool known = b->manifest.source != NULL; /* with unknown sources about, groups are not this simple */
    for (int i = 0; i < listing.count; i++) known = known && items[i].manifest.source;
    assert_false(plain && known);
    return;
  }
  assert_false(b->pinned);
  assert_false(b->manifest.keep_until >= NOW);
  int64_t days = full ? policy->retention_days : policy->before_restore_days;
  assert_true(days || (full && policy->keep_last));
  if (days) assert_true(age > days * DAY);
  int good = 0;
  for (int i = 0; i < listing.count; i++) {
    good += is_good_full(&items[i]) && lb_backup_same_source(&items[i], b);
  }
  assert_true(good > 0);
  if (!full) return;
  assert_true(newer_good(d->item, false) >= policy->keep_last);
  if (!is_good_full(b)) return;
  assert_true(newer_good(d->item, false) > 0);
  if (b->verify_result) assert_true(newer_good(d->item, true) > 0);
}

/* Every source that had a good backup has one afterwards, its newest. */
static void check_survivors(const lb_decision *plan, int count)
{
  bool gone[MANY] = { false };
  bool known = true; /* with unknown sources about, groups are not this simple */
  for (int i = 0; i < count; i++) gone[plan[i].item] = plan[i].remove;
  for (int i = 0; i < listing.count; i++) known = known && items[i].manifest.source;
  for (int i = 0; i < count; i++) if (known && plan[i].remove) check_relies(&plan[i], gone);
  for (int i = 0; i < listing.count; i++) {
    const char *source = items[i].manifest.source;
    if (!gone[i] || !is_good_full(&items[i]) || !source) continue;
    bool stands_in = false;
    for (int j = 0; j < i; j++) {
      stands_in |= !gone[j] && is_good_full(&items[j]) && lb_backup_same_source(&items[j], &items[i]);
    }
    assert_true(stands_in);
  }
}

static void test_random_listings(void **state)
{
  (void)state;
  int removed = 0;
  for (int round = 0; round < 20000; round++) {
    random_listing();
    lb_policy policy = { .retention_days = below(12), .keep_last = below(4), .before_restore_days = below(6) };
    lb_decision *plan;
    int count;
    lb_error err = LB_ERROR_INIT;
    assert_int_equal(lb_retention_plan(&listing, &policy, NOW, &plan, &count, &err), LB_OK);
    assert_int_equal(count, listing.count);
    for (int i = 0; i < count; i++) {
      assert_int_equal(plan[i].item, i);
      check_decision(&plan[i], &policy);
      lb_decision alone;
      lb_retention_may_delete(&listing, i, NOW, &alone);
      if (plan[i].remove) assert_true(alone.remove && alone.relies_on == plan[i].relies_on);
      removed += plan[i].remove;
    }
    check_survivors(plan, count);
    free(plan);
  }
  assert_true(removed > 20000);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_age), cmocka_unit_test(test_marks_and_promises),
    cmocka_unit_test(test_newest_good_and_verified), cmocka_unit_test(test_no_good_one),
    cmocka_unit_test(test_not_known_to_be_whole),
    cmocka_unit_test(test_keep_last), cmocka_unit_test(test_dated_in_the_future), cmocka_unit_test(test_before_restore),
    cmocka_unit_test(test_sources_and_selection), cmocka_unit_test(test_may_delete),
    cmocka_unit_test(test_random_listings),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

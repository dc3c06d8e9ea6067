/* See target_lock.h, and target.h for lb_target_begin and what ends it. */
#include "sqlite/target_lock.h"

#include <stdlib.h>

#include "core/clock.h"
#include "core/holders.h"

SQLITE_EXTENSION_INIT3

enum { SAVE_ATTEMPTS = 3, WAIT_MS = 20 };

int lb_target_wait_lock(lb_target *t, int (*try_lock)(void *ctx), void *ctx, lb_error *err)
{
  double until = lb_clock_monotonic() + (double)t->timeout_ms / 1000.0;
  for (;;) {
    int rc = try_lock(ctx);
    if (rc == SQLITE_OK) return LB_OK;
    if ((rc & 0xff) != SQLITE_BUSY && (rc & 0xff) != SQLITE_LOCKED) return lb_db_fail(NULL, rc, t->label, err);
    if (lb_task_poll(t->task, err)) return err->code;
    if (lb_clock_monotonic() >= until) {
      lb_buf holders = { 0 };
      if (t->path) lb_holders_of_locks(t->path, &holders);
      lb_fail(err, LB_BUSY, "%s: database is locked%s; waited %lld ms (option timeout_ms), nothing was changed",
              t->label, holders.data ? holders.data : "", (long long)t->timeout_ms);
      lb_buf_free(&holders);
      return err->code;
    }
    sqlite3_sleep(WAIT_MS);
  }
}

bool lb_target_changed(lb_target *t, lb_error *err)
{
  uint64_t now = 0;
  if (!t->saved || !t->before.db) return false;
  lb_sqlite_source_stamp(&t->before, &now, err);
  return !err->code && now != t->saved_stamp;
}

int lb_target_fail_copied(const lb_target *t, lb_error *err)
{
  return lb_fail(err, LB_BUSY, "%s: somebody wrote to it meanwhile, nothing was changed: try again", t->label);
}

int lb_target_attempt(lb_target *t, lb_target_try attempt, void *ctx, lb_buf *notes, lb_error *err)
{
  for (int count = 1; !err->code; count++) {
    bool again = false;
    if (attempt(t, ctx, &again, err) || !again) break;
    if (count == SAVE_ATTEMPTS) {
      return lb_fail(err, LB_BUSY,
                     "%s: somebody keeps writing to it, so that it cannot be saved and replaced as it is: "
                     "stop the writers, or pass {\"pre_restore\":false}",
                     t->label);
    }
    char *saved = NULL;
    lb_target_save(t, &saved, notes, err);
    if (saved)
      lb_buf_printf(notes, "%sthe target changed meanwhile and was saved again: %s", notes->len ? "\n" : "", saved);
    free(saved);
  }
  return err->code;
}

/* ---- a transaction ---- */

/* EXCLUSIVE, as the Backup API takes it: with a rollback journal SQLite could else not write pages before the commit,
** and would keep all of them in memory while somebody reads. */
static int try_begin(void *db)
{
  return sqlite3_exec(db, "BEGIN EXCLUSIVE", NULL, NULL, NULL);
}

static int begin(lb_target *t, void *ctx, bool *again, lb_error *err)
{
  (void)ctx;
  if (lb_target_wait_lock(t, try_begin, t->db, err)) return err->code;
  *again = lb_target_changed(t, err);
  if (*again || err->code) lb_target_rollback(t);
  else t->touched = true;
  return err->code;
}

int lb_target_begin(lb_target *t, lb_buf *notes, lb_error *err)
{
  sqlite3_busy_timeout(t->db, 0);
  return lb_target_attempt(t, begin, NULL, notes, err);
}

int lb_target_commit(lb_target *t, lb_error *err)
{
  return lb_db_exec(t->db, "COMMIT", t->label, err);
}

void lb_target_rollback(lb_target *t)
{
  if (!sqlite3_get_autocommit(t->db)) sqlite3_exec(t->db, "ROLLBACK", NULL, NULL, NULL);
}

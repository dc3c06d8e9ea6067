/* Writing to a target without losing what somebody commits between the saved copy and the lock. For the target modules
** only. */
#ifndef LB_SQLITE_TARGET_LOCK_H
#define LB_SQLITE_TARGET_LOCK_H

#include "sqlite/target.h"

/* Calls try_lock, which gives a SQLite result code, until it is SQLITE_OK: up to timeout_ms, in a way that can be
** interrupted. */
int lb_target_wait_lock(lb_target *target, int (*try_lock)(void *ctx), void *ctx, lb_error *err);

/* Whether somebody committed after what was there was saved, or copied; on a connection of our own asked under the
** lock. Never while the caller's connection is the destination of a backup: SQLite would end that one's transaction
** with the statement that asks. */
bool lb_target_changed(lb_target *target, lb_error *err);

/* Runs one attempt; while it says *again (and has let go of the lock), saves the target once more and repeats it, three
** times in all. */
typedef int (*lb_target_try)(lb_target *target, void *ctx, bool *again, lb_error *err);
int lb_target_attempt(lb_target *target, lb_target_try attempt, void *ctx, lb_buf *notes, lb_error *err);

/* What was copied is no longer what is there. */
int lb_target_fail_copied(const lb_target *target, lb_error *err);

#endif

/* Chosen blocks of an INDEXED file in the order in which the caller wants them, inflated ahead of him by workers.
**
** It lives as long as a scan does, from one call of the host to the next, where everything else in Lifeboat ends with
** the call. So its threads begin only when a scan has gone on for some blocks, touch nothing but the file and memory of
** their own, and are joined by close. A child of fork() has no such threads: there a scan goes on without them, and
** what they held is left alone.
*/
#ifndef LB_ARCHIVE_AHEAD_H
#define LB_ARCHIVE_AHEAD_H

#include "archive/reader.h"

/* The number of the block that is wanted next; false: no more. Called on the caller's thread, in order. */
typedef bool (*lb_ahead_plan)(void *ctx, uint64_t *block);

typedef struct lb_ahead lb_ahead;

/* threads: how many may inflate ahead; 0: none. At most 2 × threads + 2 blocks are ahead. task is polled, and may
** not be NULL. The reader must stay open as long. */
lb_ahead *lb_ahead_open(lb_reader *reader, int threads, lb_ahead_plan plan, void *ctx, lb_task *task, lb_error *err);

/* The next block of the plan, checked as in a pass, valid until the next call; *n is 0 behind the last. Damage is an
** error when its block's turn comes, not earlier. Nothing more can be read after a failure. */
int lb_ahead_read(lb_ahead *ahead, uint64_t *block, const unsigned char **data, size_t *n, lb_error *err);
void lb_ahead_close(lb_ahead *ahead);  /* accepts NULL */

#endif

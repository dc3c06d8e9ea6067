/* The interface that joins a source of bytes to whatever stores them, so that neither knows the other.
**
** A sink takes blocks in order. The producer asks for the next block's buffer (claim waits for room: that is
** the back-pressure), fills it and submits it. Every block but the last must be full, but for the head; a sink that
** was opened for blocks of varying length takes any that are not empty, and no head. A submit of 0 bytes makes no
** block: the next claim hands out the same buffer.
**
** The head: a SQLite database's first page is final only at the end of a backup, though it comes first in the
** file. A producer that needs this reserves the first bytes of the content before its first claim, and fills
** them in at the end. Blocks then begin behind the head.
*/
#ifndef LB_CORE_STREAM_H
#define LB_CORE_STREAM_H

#include <stddef.h>
#include <stdint.h>

#include "core/error.h"

#define LB_HEAD_MAX 65536  /* the largest page of SQLite */

typedef struct lb_sink {
  size_t block_bytes;  /* what claim hands out */
  int (*reserve_head)(struct lb_sink *sink, size_t bytes, lb_error *err);  /* at most LB_HEAD_MAX, once, first */
  unsigned char *(*claim)(struct lb_sink *sink, lb_error *err);            /* NULL: err is set */
  unsigned char *(*try_claim)(struct lb_sink *sink, lb_error *err);        /* NULL without err: it would have to wait */
  int (*submit)(struct lb_sink *sink, size_t bytes, lb_error *err);        /* of the block last claimed */
  int (*fill_head)(struct lb_sink *sink, const void *data, lb_error *err); /* as many bytes as were reserved */
} lb_sink;

#endif

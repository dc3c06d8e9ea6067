/* The interface that joins stored content to whatever takes it, so that neither knows the other: the counterpart of
** stream.h's sink.
*/
#ifndef LB_CORE_SOURCE_H
#define LB_CORE_SOURCE_H

#include <stddef.h>
#include <stdint.h>

#include "core/error.h"

typedef int (*lb_source_take)(void *ctx, const void *data, size_t n, lb_error *err);

/* Blocks one after the other. read: data is valid until the next call; *n is 0 behind the last one. */
typedef struct lb_source_range {
  int (*read)(struct lb_source_range *range, const unsigned char **data, size_t *n, lb_error *err);
  void (*close)(struct lb_source_range *range);
} lb_source_range;

typedef struct lb_source {
  /* All content from its beginning, in order, on the caller's thread; ends early with what take failed with. */
  int (*stream)(struct lb_source *source, lb_source_take take, void *ctx, lb_error *err);

  /* One block by its number; data is valid until the next call. NULL where the content has no blocks. */
  int (*block)(struct lb_source *source, uint64_t number, const unsigned char **data, size_t *n, lb_error *err);

  /* `count` blocks from `first` on. Several ranges may be open, each used by a thread of its own; nothing is polled.
  ** NULL from the call: err is set; where the content has no blocks, it is NULL itself. */
  lb_source_range *(*range)(struct lb_source *source, uint64_t first, uint64_t count, lb_error *err);
} lb_source;

#endif

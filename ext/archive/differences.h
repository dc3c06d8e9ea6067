/* Where the contents of two backup files may differ, told from their indexes: no block is read.
**
** Blocks of one length at one place whose hashes (XXH3-64) are equal have equal content. That is as good as the hash
** and the index: two blocks that differ by accident have equal hashes once in 2^64; a file that was forged may claim
** any hash, which only reading the block shows (docs/format.md).
*/
#ifndef LB_ARCHIVE_DIFFERENCES_H
#define LB_ARCHIVE_DIFFERENCES_H

#include "archive/index.h"
#include "archive/reader.h"

/* A stretch of content that is not known to be equal. Anything but LB_OK ends the comparison with it. */
typedef int (*lb_stretch_take)(void *ctx, uint64_t offset, uint64_t n, lb_error *err);

/* Tells all such stretches in order, each as long as can be, up to the end of the longer content; what only one of them
** has is one. All of it where an index has no hashes. */
int lb_index_differences(const lb_index *a, const lb_index *b, lb_stretch_take each, void *ctx, lb_error *err);

/* The same for two readers of INDEXED files. */
int lb_reader_differences(const lb_reader *a, const lb_reader *b, lb_stretch_take each, void *ctx, lb_error *err);

/* Whether an INDEXED file has a block of n bytes at this place of its content, with this hash. */
bool lb_reader_has_block(const lb_reader *reader, uint64_t offset, size_t n, uint64_t hash);

/* Of an INDEXED file: the bytes of its blocks but the head and the last; whether they have hashes. */
size_t lb_reader_block_bytes(const lb_reader *reader);
bool lb_reader_has_hashes(const lb_reader *reader);

#endif

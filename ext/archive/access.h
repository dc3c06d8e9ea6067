/* The content of a backup file at any place, by blocks: one face for a file of ours, which has an index, and for gzip
** of another tool, for which one is made when it is opened (gzip_index.h). zstd of another tool has no such access.
**
** An access does not change after it was opened: any number of threads may use one, each with a decoder of its own.
*/
#ifndef LB_ARCHIVE_ACCESS_H
#define LB_ARCHIVE_ACCESS_H

#include <stddef.h>
#include <stdint.h>

#include "core/error.h"

typedef struct lb_access lb_access;

/* fd is open for reading and stays the caller's, as long as the access. path is for messages. Fails as lb_reader_open
** does; LB_UNSUPPORTED where the file can only be read from its front, LB_MISUSE where it is not compressed. */
lb_access *lb_access_open(int fd, const char *path, lb_error *err);
void lb_access_close(lb_access *access);  /* accepts NULL */

uint64_t lb_access_bytes(const lb_access *access);    /* of content */
uint64_t lb_access_count(const lb_access *access);    /* of blocks */
size_t lb_access_largest(const lb_access *access);    /* content bytes of the largest block */

/* The block with the content byte at offset, which is below lb_access_bytes; where a block begins, and its bytes. */
uint64_t lb_access_find(const lb_access *access, uint64_t offset);
void lb_access_extent(const lb_access *access, uint64_t block, uint64_t *offset, size_t *n);

/* What inflates, for one thread at a time; closed before its access. Memory: the largest block as it is stored, and a
** decompressor's state. */
typedef struct lb_decoder lb_decoder;
lb_decoder *lb_decoder_open(const lb_access *access, lb_error *err);
void lb_decoder_close(lb_decoder *decoder);  /* accepts NULL */

/* A block that exists into raw, which has room for it, every checksum checked. Damage is LB_CORRUPT ("a.db.gz: block
** 12 at byte 3145728: …"). The decoder is usable after a failure. */
int lb_decoder_read(lb_decoder *decoder, uint64_t block, unsigned char *raw, lb_error *err);

#endif

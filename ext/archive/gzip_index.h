/* Random access to a gzip file without an index of ours: that of the old script, of gzip, of pigz.
**
** One pass over the file, with every checksum of gzip's own checked, notes points from which inflating can begin again:
** a place in the file to the bit, and the 32 KiB of content before it. This is what zlib documents (inflate() with
** Z_BLOCK, inflatePrime(), inflateSetDictionary(); its examples/zran.c). Points are about 1 MiB of content apart; from
** 512 of them on, 16 MiB of memory, every other one is given up and the distance doubles. The content is then read in
** blocks of one size, whose checksums were noted in the pass: a file that changes afterwards is noticed.
**
** It does not keep what it found: a pass takes about as long as gunzip does.
*/
#ifndef LB_ARCHIVE_GZIP_INDEX_H
#define LB_ARCHIVE_GZIP_INDEX_H

#include <stddef.h>
#include <stdint.h>

#include "core/error.h"

#define LB_GZIP_INDEX_BLOCK (256u << 10)  /* content bytes of every block but the last */

typedef struct lb_gzip_index lb_gzip_index;

/* fd is open for reading and stays the caller's, as long as the index; size: of the file. Damage is LB_CORRUPT. The
** index does not change once it was built: any thread may use it. */
lb_gzip_index *lb_gzip_index_build(int fd, uint64_t size, lb_error *err);
void lb_gzip_index_free(lb_gzip_index *index);  /* accepts NULL */
uint64_t lb_gzip_index_bytes(const lb_gzip_index *index);  /* of content */
size_t lb_gzip_index_points(const lb_gzip_index *index);

/* A place in the stream, for one thread at a time; closed before its index. Reading goes on from the block before
** without starting again. Memory: about 128 KiB. */
typedef struct lb_gzip_place lb_gzip_place;
lb_gzip_place *lb_gzip_place_open(const lb_gzip_index *index, lb_error *err);
void lb_gzip_place_close(lb_gzip_place *place);  /* accepts NULL */

/* Inflates a block that exists into raw, which has room for it. Usable after a failure. */
int lb_gzip_place_read(lb_gzip_place *place, uint64_t block, unsigned char *raw, lb_error *err);

#endif

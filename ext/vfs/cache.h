/* Inflated blocks, shared by all connections of the process: bounded, least recently used first out.
**
** A file is what was opened: device, inode, size and modification time, so that connections to one backup share its
** blocks and its index, and another file under the same name does not. A block in use by a reader is pinned. The
** cache's limit counts all blocks alike; where nothing can go it is exceeded by what is in use only. It does not count
** indexes and decompressors.
**
** Read-ahead runs on threads of the cache's own, one or two and none where there is one processor: started when a scan
** first asks, joined when the last file is closed; in a child of fork() they are started anew (threads do not survive
** a fork; what they were at is given up there by pthread_atfork). A reader who has to wait for a block that is being
** inflated does one of those that are wanted next meanwhile, so that no processor is idle.
*/
#ifndef LB_VFS_CACHE_H
#define LB_VFS_CACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/error.h"

#define LB_CACHE_DEFAULT ((size_t)32 << 20)  /* bytes; as the setting cache_mb has it */

typedef struct lb_cached_file lb_cached_file;

/* Where one connection has been reading, for read-ahead; all zero to begin with. One thread at a time. */
typedef struct lb_cache_trail {
  struct { uint64_t next; unsigned run; } streams[4];  /* next: the block that would follow; 0: none */
  unsigned turn;
} lb_cache_trail;

/* Opens a backup's file, or another reference to one that is open. Fails as lb_access_open does. A file that SQLite
** has open in this process must not come here: closing it again would drop SQLite's locks on it. */
lb_cached_file *lb_cache_open(const char *path, lb_error *err);
void lb_cache_close(lb_cached_file *file);  /* accepts NULL; the last one waits for what is being inflated */

uint64_t lb_cache_content_bytes(const lb_cached_file *file);

/* Copies n bytes of content from offset; what lies behind the end is zeros (*short_read tells). Any thread. */
int lb_cache_read(lb_cached_file *file, lb_cache_trail *trail, uint64_t offset, void *data, size_t n, bool *short_read,
                  lb_error *err);

/* The limit in bytes for all files together, from now on. */
void lb_cache_limit(size_t bytes);

/* The limit, bytes of all blocks now, how often one was inflated, how many threads read ahead. */
typedef struct lb_cache_figures {
  size_t limit, bytes;
  uint64_t inflated;
  int threads;
} lb_cache_figures;
lb_cache_figures lb_cache_look(void);

#endif

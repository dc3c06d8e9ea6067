/* Writes a backup file: blocks compressed in parallel, written in order, then the index, the manifest, the footer.
**
** lb_writer_sink() takes the content. The caller's thread writes: whenever it claims a block it first writes what the
** workers have done. Memory: about 2 × slots × block_bytes (slots = 2 × threads + 2). After the content, end_data
** gives the figures that a manifest needs, and finish writes the rest. The writer neither creates, syncs nor renames
** the file: that is lb_partial's.
*/
#ifndef LB_ARCHIVE_WRITER_H
#define LB_ARCHIVE_WRITER_H

#include <stdbool.h>
#include <stdint.h>

#include "codec/codec.h"
#include "core/stream.h"
#include "core/task.h"

typedef struct lb_writer lb_writer;

typedef struct lb_writer_options {
  const lb_codec *codec;
  int level;            /* within the codec's range */
  int threads;          /* 1 or more */
  int64_t raw_expected; /* bytes of content expected, 0 when unknown: chooses the block size */
  bool varying;         /* any block may be short, not only the last; no head; finish needs contents */
} lb_writer_options;

typedef struct lb_writer_figures {
  uint64_t raw_bytes, stored_bytes, blocks;
  size_t block_bytes;
  uint64_t content_hash;  /* XXH3-64 over the blocks' hashes (docs/format.md); 0 without xxhash */
} lb_writer_figures;

/* fd is open for writing, empty, and stays the caller's; path is for messages. */
lb_writer *lb_writer_open(int fd, const char *path, const lb_writer_options *options, lb_task *task, lb_error *err);
lb_sink *lb_writer_sink(lb_writer *writer);

/* Waits for all blocks and writes them. */
int lb_writer_end_data(lb_writer *writer, lb_writer_figures *figures, lb_error *err);

/* Writes index, manifest (a JSON object, UTF-8), contents (JSON, UTF-8; NULL: none) and footer. Contents tell a reader
** that blocks may be of any length: a varying writer must have some, one with a head must not. */
int lb_writer_finish(lb_writer *writer, const char *manifest, const char *contents, lb_error *err);

/* Joins the workers and frees. Accepts NULL. */
void lb_writer_close(lb_writer *writer);

/* The block size for a content of raw_expected bytes: from 256 KiB, doubling with the size so that an index stays
** below about 128 Ki blocks; at most 4 MiB. */
size_t lb_writer_block_bytes(const lb_codec *codec, int64_t raw_expected);

#endif

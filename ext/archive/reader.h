/* Reads a backup file, ours or another tool's. Every field of the file is hostile.
**
** Three kinds of file: INDEXED (ours: footer, index, manifest), STREAM (gzip or zstd of another tool: no index, read
** from the front on one thread), PLAIN (not compressed). A file that carries our mark but has no whole footer and index
** is damaged: it does not open, and the message says so.
**
** A reader does not change after it was opened, and reads without moving the file's position: several threads may use
** one at once, each with cursors, passes and streams of its own.
*/
#ifndef LB_ARCHIVE_READER_H
#define LB_ARCHIVE_READER_H

#include <stdbool.h>
#include <stdint.h>

#include "codec/codec.h"
#include "core/buffer.h"
#include "core/task.h"

typedef enum lb_reader_kind { LB_READER_INDEXED, LB_READER_STREAM, LB_READER_PLAIN } lb_reader_kind;

typedef struct lb_reader lb_reader;

/* fd is open for reading and stays the caller's; it must stay open as long as the reader. path is for messages. */
lb_reader *lb_reader_open(int fd, const char *path, lb_error *err);
void lb_reader_close(lb_reader *reader);  /* accepts NULL */

lb_reader_kind lb_reader_kind_of(const lb_reader *reader);
const lb_codec *lb_reader_codec(const lb_reader *reader);   /* NULL for PLAIN */
const char *lb_reader_manifest(const lb_reader *reader);    /* JSON text; NULL where there is none */
const char *lb_reader_contents(const lb_reader *reader);    /* the same; with some, blocks may be of any length */
uint64_t lb_reader_block_count(const lb_reader *reader);    /* 0 where there is no index */
uint64_t lb_reader_stored_bytes(const lb_reader *reader);   /* size of the file */

/* Bytes of content: exact for INDEXED and PLAIN. STREAM: what the file claims, or -1; only good for an estimate. */
int64_t lb_reader_raw_bytes(const lb_reader *reader);

/* Takes a piece of content, which begins at offset. lb_reader_pass calls it for INDEXED on the workers' threads, in any
** order and at once; in every other case it is called on the caller's, in order. */
typedef int (*lb_reader_take)(void *ctx, uint64_t offset, const void *data, size_t n, lb_error *err);

/* What a pass over the whole content found. */
typedef struct lb_reader_report {
  uint64_t raw_bytes;     /* content bytes that were read */
  lb_buf *damage;         /* in: NULL: the first damage is an error. Else one line each, ended by a newline, is
                          ** appended, and the pass goes on */
  int damaged;            /* lines in damage; the pass ends at 100 */
} lb_reader_report;

/* One pass over all content on `threads` workers: every byte of the file is read and checked (stored checksums, the
** codec's own, lengths, the content hash where both sides have it; STREAM: the stream to its very end). take may be
** NULL: check only. Damage is LB_CORRUPT and names the block and its offset in the file; I/O errors, interrupts and
** failures of take are always errors, never damage lines. */
int lb_reader_pass(lb_reader *reader, int threads, lb_reader_take take, void *ctx, lb_task *task,
                   lb_reader_report *report, lb_error *err);

/* The whole content in order, to take (not NULL) on the caller's thread, checked as it goes; task may not be NULL.
** INDEXED: by blocks, each checked before it is taken, decoded by `threads` workers ahead of the caller where
** threads > 1 (at most 2 × threads + 2 blocks). STREAM: a piece may be taken before the checksum behind it is seen to
** be wrong. Any damage is an error, as without report->damage above. *raw_bytes: what was taken, also on failure. */
int lb_reader_stream(lb_reader *reader, int threads, lb_reader_take take, void *ctx, lb_task *task,
                     uint64_t *raw_bytes, lb_error *err);

/* The first n bytes of the content (fewer only when there are no more); *got tells how many. */
int lb_reader_peek(lb_reader *reader, void *data, size_t n, size_t *got, lb_error *err);

/* The content of a STREAM or PLAIN from its front, in pieces that the caller asks for; *n is 0 behind the last. data is
** valid until the next read or close. What is wrong with a file may be seen only behind the piece that it is in. One
** front serves one thread at a time; it must be closed before its reader. task: polled, may be NULL. */
typedef struct lb_front lb_front;
lb_front *lb_front_open(const lb_reader *reader, lb_task *task, lb_error *err);
int lb_front_read(lb_front *front, const unsigned char **data, size_t *n, lb_error *err);
void lb_front_close(lb_front *front);  /* accepts NULL */

/* Single blocks of an INDEXED file, in any order; of another one LB_MISUSE. One cursor serves one thread at a time; it
** must be closed before its reader. Memory: the largest block, stored and raw. NULL: err is set. */
typedef struct lb_cursor lb_cursor;
lb_cursor *lb_cursor_open(lb_reader *reader, lb_error *err);

/* A block's content, checked as in a pass; valid until the next read or close. Damage is LB_CORRUPT ("a.db.gz: block 12
** at byte 3145728: stored checksum does not match"), a number beyond the last LB_MISUSE. The cursor is usable after a
** failure. */
int lb_cursor_read(lb_cursor *cursor, uint64_t block, const unsigned char **data, size_t *n, lb_error *err);
void lb_cursor_close(lb_cursor *cursor);  /* accepts NULL */

#endif

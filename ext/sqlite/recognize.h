/* What a file is, told from its first bytes before SQLite touches it.
**
** SQLite deletes what it takes for a stale -journal or -wal as soon as it reads a file, garbage included; what is to be
** kept byte for byte has to be recognised before. Files are read through SQLite's own VFS: a descriptor of ours, once
** closed, would drop every lock that SQLite holds on the file in this process (POSIX locks belong to the process).
*/
#ifndef LB_SQLITE_RECOGNIZE_H
#define LB_SQLITE_RECOGNIZE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/error.h"

/* What the first bytes of a database say (sqlite.org/fileformat2.html, section 1.3). */
typedef struct lb_sqlite_header {
  int64_t page_size, page_count;  /* page_count 0: written by a SQLite before 3.7.0, not known */
  bool wal;
} lb_sqlite_header;

#define LB_SQLITE_HEADER_BYTES 100

/* false: these are not the first bytes of a SQLite database. */
bool lb_sqlite_header_read(const void *data, size_t n, lb_sqlite_header *header);

/* Offsets 18 and 19 of the header: 1 rollback journal, 2 WAL. */
#define LB_SQLITE_MODE_OFFSET 18

/* Sets err (LB_CORRUPT, naming path) where SQLite cannot make a database of the file at path: garbage, cut short, or
** empty beside a -wal or -journal that SQLite would delete. A journal or WAL that looks like one may still mend it:
** then it is SQLite's to try, and err is left alone. whole: also where the file is shorter than its header says; a
** file that somebody is just writing may look so for a moment. LB_BUSY: a database in WAL mode that is in use
** without a -wal beside it. To be called before a connection of ours has read the file. */
int lb_sqlite_recognize(const char *path, bool whole, lb_error *err);

/* Whether a -journal with content lies beside the file: of a transaction that is being written, or of a writer that
** crashed. What journal_mode=PERSIST and TRUNCATE leave there is none. */
bool lb_sqlite_has_hot_journal(const char *path);

/* LB_BUSY for a database in WAL mode that is in use, but not with a -wal beside path: under another name (a hard link,
** a file that is mounted elsewhere). What is committed there would be missing, and two -wal files for one database end
** in damage. lb_sqlite_recognize asks it as well. */
int lb_sqlite_refuse_without_wal(const char *path, lb_error *err);

/* LB_PERM for a database in WAL mode, without a -shm, that this process may not write: SQLite would make a -shm and a
** -wal for reading it and leave them there, and as this user's they lock the owner out. */
int lb_sqlite_refuse_shm(const char *path, lb_error *err);

/* Puts in place of SQLite's error for a database in WAL mode that this process may only read (it says of the database
** that it is missing, or of the reader that he wants to write), or that lies on a full disk, one that says what is
** missing, and what to do. Every other error is left as it is. */
void lb_sqlite_explain_wal(const char *path, lb_error *err);

/* Whether the file is a SQLite database as it is, or empty. A file that cannot be read: false. */
bool lb_sqlite_is_plain(const char *path);

/* Whether the file begins like gzip or zstd, as backups do. A file that cannot be read: false. */
bool lb_sqlite_is_packed(const char *path);

/* Whether the file begins like a SQLite database and this process has it open. A file that cannot be read: false. */
bool lb_sqlite_is_open_here(const char *path);

#endif

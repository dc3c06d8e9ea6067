/* A backup's content as a SQLite file in a folder: unpacked, checked, in rollback mode, not yet under any final name.
** And in place, as a connection through the VFS, where that will do.
*/
#ifndef LB_JOB_STAGE_H
#define LB_JOB_STAGE_H

#include "core/file.h"
#include "job/job.h"
#include "sqlite/check.h"
#include "sqlite/recognize.h"

typedef struct lb_stage {
  lb_partial file;
  lb_sqlite_header header;   /* all zero for an empty database */
  uint64_t bytes;
} lb_stage;

/* Fails, before a byte is written, where the content is no SQLite database; then unpacks it into dir on `threads`
** workers, every block checked. name: the partial is .NAME.XXXXXX.partial. keep: it will be renamed into place, so that
** writing it to disk had better begin early; else it is scratch, and need never reach the disk. */
int lb_stage_unpack(lb_job *job, lb_opened *backup, const char *dir, const char *name, int threads, bool keep,
                    lb_stage *stage, lb_error *err);

/* Names for what is unpacked beside its backup only to be looked into. */
#define LB_STAGE_VERIFY "verify"
#define LB_STAGE_CONTENTS "contents"

/* Removes what crashed runs have left of these in dir: no run of their kind need ever follow. */
void lb_stage_sweep(const char *dir);

/* SQLite's check of it. Damage is LB_CORRUPT, with all lines in the message; notes go to the job. */
int lb_stage_check(lb_job *job, lb_stage *stage, lb_check_level level, const char *label, lb_error *err);

/* A PostgreSQL dump where a SQLite database is wanted. */
int lb_stage_fail_dump(const lb_opened *backup, lb_error *err);

/* Only looks whether the content can be a SQLite database. */
int lb_stage_peek(lb_opened *backup, lb_sqlite_header *header, lb_error *err);

/* Whether a content of so many bytes can be what its header says. */
int lb_stage_check_length(const lb_opened *backup, const lb_sqlite_header *header, uint64_t bytes, lb_error *err);

void lb_stage_close(lb_stage *stage);

/* Whether a check of a database of so many bytes is done in place, through the VFS: it reads at random, and where not
** all content fits the cache, blocks would be inflated many times. */
bool lb_stage_fits_cache(const lb_opened *backup, uint64_t bytes);

/* The database inside, in place, through the VFS. NULL: err is set. */
sqlite3 *lb_stage_attach(lb_job *job, const lb_opened *backup, lb_error *err);

/* "false" (or NULL with fallback NONE), "quick", "true", "full" as a level. */
lb_check_level lb_stage_level(const char *text, lb_check_level fallback, lb_check_level of_true);

#endif

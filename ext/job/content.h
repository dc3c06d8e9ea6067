/* An opened backup as a source of bytes (core/source.h), and the table of contents of a Postgres one. */
#ifndef LB_JOB_CONTENT_H
#define LB_JOB_CONTENT_H

#include "archive/reader.h"
#include "core/source.h"
#include "job/job.h"
#include "postgres/contents.h"

typedef struct lb_content {
  lb_source source;         /* first: an lb_source* is an lb_content* */
  lb_reader *reader;
  lb_cursor *cursor;        /* NULL: read from the front only */
  lb_task *task;
  int threads;
  int64_t bytes;            /* of the script: as its file says (-1: it does not), once it was streamed as it is */
  lb_pg_contents table;     /* of contents */
  bool has_table;
} lb_content;

/* Whether a backup is to be read as a script: by its index, its manifest, its name, else by how it begins. */
bool lb_content_is_script(const lb_opened *backup, lb_error *err);

/* Fails where what is inside is no script that PostgreSQL could load: a SQLite database, pg_dump's custom format,
** anything else. path is for messages. The reader must stay open as long as the content. */
int lb_content_open(lb_content *content, lb_reader *reader, const char *path, lb_job *job, int threads, lb_error *err);
void lb_content_close(lb_content *content);

#endif

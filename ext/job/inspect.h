/* backup_contents: what is inside a backup, table by table. */
#ifndef LB_JOB_INSPECT_H
#define LB_JOB_INSPECT_H

#include "job/job.h"

/* Texts are valid during the callback only. */
typedef struct lb_inspected {
  const char *kind;      /* "table", "index", "view" */
  const char *schema;    /* NULL in SQLite */
  const char *name;
  int64_t rows, bytes;   /* -1: there are none, not known here, or not asked for */
} lb_inspected;

typedef struct lb_inspect {
  bool rows, bytes;      /* whether these are wanted: counting takes its time */
  int (*each)(void *ctx, const lb_inspected *item, lb_error *err);
  void *ctx;
} lb_inspect;

/* Of PostgreSQL: the tables whose rows are in the backup, from its index alone; no data is read. A dump of another tool
** is LB_UNSUPPORTED. Of SQLite: sqlite_schema and what it lists; the database is unpacked beside the backup, every
** block checked, and removed again. It is no run in history. */
int lb_job_inspect(lb_job *job, const char *backup, const lb_inspect *inspect, lb_error *err);

#endif

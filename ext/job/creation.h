/* What every new backup has in common, whatever it is of: options, codec, name, the file in the making, its manifest,
** verification, publication. create_sqlite.c and create_postgres.c fill in the content.
*/
#ifndef LB_JOB_CREATION_H
#define LB_JOB_CREATION_H

#include "archive/writer.h"
#include "core/file.h"
#include "core/options.h"
#include "job/job.h"

typedef struct lb_create_options {
  char *dir, *name, *compress, *verify, *note;
  int64_t level, threads, retention_days;
  int64_t timeout_ms;                               /* SQLite; -1: the setting */
  int check;
  char *schemas, *tables, *exclude_tables, *roles;  /* Postgres, like all that follows; lists as JSON */
  char *verify_uri;
  int data_only, schema_only;
  int64_t jobs, lock_timeout;
} lb_create_options;

typedef struct lb_creation {
  lb_job *job;
  lb_create_options o;
  lb_type type;
  lb_kind kind;
  char *dir, *name;
  const lb_codec *codec;
  int level, threads;
  char *source;             /* what the manifest calls it; owned; NULL: an in-memory database */
  const char *label;        /* for messages; only while the source is open */
  double ratio;             /* how small it may become: of the last backup of the source, else a guess */
  int64_t created;
  lb_partial file;
  lb_writer_figures figures;
  char *path;               /* of the published backup */
} lb_creation;

/* Folder, codec, level, threads from options and settings; the type is set by then. */
int lb_creation_begin(lb_creation *c, lb_error *err);

/* NAME of the options, else of the settings, else usual; fails where it belongs to another source. source and label are
** set by then. Creates the partial. */
int lb_creation_name(lb_creation *c, const char *usual, lb_error *err);

/* The manifest's fields that do not depend on the type. Texts belong to c. */
void lb_creation_manifest(const lb_creation *c, char hash[40], lb_manifest *manifest);

/* NAME_TYPE_STAMP, then _2, _3, … where that second has one already. Sets path. */
int lb_creation_publish(lb_creation *c, lb_error *err);

/* A reader's pass over the new file, before it is published. */
int lb_creation_verify_quick(lb_creation *c, lb_error *err);

/* Notes in history that it verified. */
void lb_creation_remember(const lb_creation *c, const char *level);
void lb_creation_close(lb_creation *c);

/* ---- the kinds of source ---- */

extern const lb_option lb_create_sqlite_options[], lb_create_postgres_options[];

int lb_create_sqlite(lb_creation *c, const char *source, lb_error *err);
int lb_create_postgres(lb_creation *c, const char *uri, lb_error *err);

#endif

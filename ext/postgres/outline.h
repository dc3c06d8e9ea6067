/* The tables whose rows a script holds, and how partitions go together: what a restore of some tables chooses from.
**
** With a table of contents nothing but the schema is read; a script of another tool is read whole, once. Names are in
** the script's encoding. The script is hostile.
*/
#ifndef LB_POSTGRES_OUTLINE_H
#define LB_POSTGRES_OUTLINE_H

#include "core/source.h"
#include "postgres/contents.h"
#include "postgres/survey.h"

typedef struct lb_pg_outlined {
  char *schema, *name;        /* schema: "" where the script names none */
  char **columns;             /* that its COPY brings; read by lb_pg_outline_columns where there are contents */
  int column_count;
  int table;                  /* of the contents; -1: none */
  bool has_columns;
} lb_pg_outlined;

typedef struct lb_pg_attached {
  char *schema, *name;        /* the partition */
  char *parent_schema, *parent;
} lb_pg_attached;

/* A COPY of a script of another tool: where it begins, and the rows of which table it brings. */
typedef struct lb_pg_copied { uint64_t offset; int table; } lb_pg_copied;

typedef struct lb_pg_outline {
  lb_pg_outlined *tables;
  int table_count;
  lb_pg_copied *copies;       /* in their order */
  int64_t copy_count;
  lb_pg_attached *partitions; /* sorted by the partition's schema and name */
  int partition_count;
  char *encoding;             /* SET client_encoding; NULL: none */
  bool inserts;               /* some of its rows are INSERT statements, which are none of these tables' */
  bool complete;              /* its end is there (lb_pg_survey) */
} lb_pg_outline;

/* outline need not be initialised; after a failure it is empty. */
int lb_pg_outline_read(lb_source *source, const lb_pg_contents *contents, lb_task *task, lb_pg_outline *outline,
                       lb_error *err);
void lb_pg_outline_free(lb_pg_outline *outline);

/* What somebody wants to have restored: a table, by its own name or by that of the partitioned table above it. */
typedef struct lb_pg_wanted {
  char *schema, *name;
  int *tables;                /* of the outline: whose rows belong to it */
  int count;
} lb_pg_wanted;

/* Finds tables by names as psql takes them: [schema.]name, in lower case unless in double quotes; without a schema the
** only one of that name. A name that stands there exactly as it is written counts as well: Users is an error where
** there is users, too, and "Users" is none. One that comes twice is told once. *wanted is freed by
** lb_pg_wanted_free. */
int lb_pg_outline_find(const lb_pg_outline *outline, char *const *names, int count, lb_pg_wanted **wanted,
                       int *wanted_count, lb_error *err);
void lb_pg_wanted_free(lb_pg_wanted *wanted, int count);

/* Learns the columns of a table from the first block of its rows. */
int lb_pg_outline_columns(lb_pg_outline *outline, int table, lb_source *source, const lb_pg_contents *contents,
                          lb_error *err);

#endif

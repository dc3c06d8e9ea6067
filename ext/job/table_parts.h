/* What an opened table is made of. Private to table_rows.c, which opens, and row_scan.c, which reads. */
#ifndef LB_JOB_TABLE_PARTS_H
#define LB_JOB_TABLE_PARTS_H

#include "job/content.h"
#include "job/table_rows.h"

/* A table as the script calls it, in its own bytes. */
typedef struct lb_raw_name { char *schema, *name; } lb_raw_name;

/* Sorted, so that one can be found. */
typedef struct lb_raw_names { lb_raw_name *list; size_t count; } lb_raw_names;

bool lb_raw_names_have(const lb_raw_names *names, const char *schema, const char *name);

/* A part of the backup with rows of the table. */
typedef struct lb_table_part {
  const lb_pg_part *part;
  int64_t before;     /* how many rows come before it */
  int key;            /* the column whose range it tells; -1: none */
} lb_table_part;

typedef struct lb_table_column {
  char *raw;       /* as the script calls it */
  char *name;      /* UTF-8 */
  lb_pg_kind kind;
} lb_table_column;

struct lb_table_rows {
  lb_opened backup;
  lb_content content;        /* the reader, and the table of contents */
  char *encoding_name;       /* of the script; NULL: none is set */
  lb_pg_encoding *encoding;
  char *name;                /* schema.table, for messages */
  lb_raw_name own;
  lb_table_column *columns;
  int column_count;
  lb_raw_names sources;      /* itself and its partitions */
  lb_raw_names above;        /* tables that it is a partition of */
  lb_table_part *parts;      /* with a table of contents */
  int64_t part_count;
  int64_t count;             /* of rows; -1: not known */
  bool has_data;             /* data of it should be there: not so of a partitioned table without partitions */
};

#endif

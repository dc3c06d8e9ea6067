/* The rows of one table inside a PostgreSQL backup, one at a time, without a server.
**
** A backup of ours is read by its table of contents: only the blocks that hold rows of the table. A dump of another
** tool is read from its front for every scan. Rows have numbers, from 1, in the order of the backup: the same ones in
** every scan of the same file.
**
** A partitioned table has the rows of those of its partitions that are in the backup; a table that others inherit from
** has its own rows only.
**
** The file stays open and is not locked: rotation may remove it, and reading goes on. Nothing here is for two threads
** at once; several scans of a table may be open.
*/
#ifndef LB_JOB_TABLE_ROWS_H
#define LB_JOB_TABLE_ROWS_H

#include "job/job.h"
#include "postgres/datum.h"

typedef struct lb_table_rows lb_table_rows;

/* backup: as the user calls it, a PostgreSQL one; table: as in SQL (table_name.h). Reads the definitions, and of a dump
** of another tool as much as it takes to find the table. It is no run in history. */
int lb_table_rows_open(lb_job *job, const char *backup, const char *table, lb_table_rows **rows, lb_error *err);
void lb_table_rows_close(lb_table_rows *rows);  /* accepts NULL; after all of its scans */

/* What it is called, as the script writes it. */
const char *lb_table_rows_schema(const lb_table_rows *rows);
const char *lb_table_rows_name(const lb_table_rows *rows);

int lb_table_rows_columns(const lb_table_rows *rows);   /* how many; 0: rows have nothing but a number */
const char *lb_table_rows_column(const lb_table_rows *rows, int i);   /* its name, UTF-8 */
lb_pg_kind lb_table_rows_kind(const lb_table_rows *rows, int i);
int64_t lb_table_rows_count(const lb_table_rows *rows);  /* -1: not known */

/* The column by which parts of the backup can be told apart: -1 if there is none. *rows_at_once: as many rows, about,
** are read for one value of it. */
int lb_table_rows_key(const lb_table_rows *rows, int64_t *rows_at_once);

typedef struct lb_row_scan lb_row_scan;

/* Which rows a scan is for. It gives at least these, and numbers from first to last only. */
typedef struct lb_row_wish {
  int64_t first, last;      /* numbers; first from 1, last may be INT64_MAX */
  lb_pg_datum low, high;    /* the key's value, if there is a key, is neither below low nor above high; NULL: any */
} lb_row_wish;

#define LB_ROW_WISH_ALL { .first = 1, .last = INT64_MAX }

/* threads: how many may inflate ahead. task is polled as it goes on, and stopped by an interrupt: it serves this scan
** only. */
lb_row_scan *lb_row_scan_open(lb_table_rows *rows, const lb_row_wish *wish, int threads, lb_task *task, lb_error *err);
void lb_row_scan_close(lb_row_scan *scan);  /* accepts NULL */

/* The next row: *found, or there are no more. Damage, and rows that do not fit the table, are LB_CORRUPT; the message
** names table and block, or row. Nothing more can be read after a failure. */
int lb_row_scan_next(lb_row_scan *scan, bool *found, lb_error *err);

/* Of the row at hand: its number; a value, valid until the next call for this scan. One of more than `most` bytes is
** LB_UNSUPPORTED, as what a host cannot hold. */
int64_t lb_row_scan_number(const lb_row_scan *scan);
int lb_row_scan_value(lb_row_scan *scan, int column, size_t most, lb_pg_datum *value, lb_error *err);

#endif

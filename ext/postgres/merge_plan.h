/* What the merge modules share. For these modules only. */
#ifndef LB_POSTGRES_MERGE_PLAN_H
#define LB_POSTGRES_MERGE_PLAN_H

#include "postgres/merge.h"

typedef struct lb_merge_column {
  char *name;          /* quoted, as SQL wants it */
  char *plain;
  char *number;        /* attnum */
  char *operator;      /* that tells equal keys; of key columns */
  int key;             /* place in the primary key, from 1; 0: not part of it */
  bool generated, needed;
  bool always;         /* an identity GENERATED ALWAYS: no UPDATE may give it a value, */
  bool loosened;       /*   but for the time of this restore */
  bool common;         /* the script has it as well, and it can be written */
} lb_merge_column;

/* A column that is NULL for a moment, where rows have exchanged unique values. */
typedef struct lb_merge_cleared {
  const lb_merge_column *column;
  char *numbers;       /* of the columns of its UNIQUE */
  char *constraint;    /* NOT NULL by this name; "" without one; NULL: it may be NULL */
} lb_merge_cleared;

typedef struct lb_merge_table {
  const lb_pg_wanted *wanted;
  char *label;         /* public.messages */
  char *sql;           /* as SQL wants it, with ONLY where it has no partitions */
  char *quoted;        /* without */
  char *oid;
  char *temp;          /* the temporary table, as SQL wants it */
  bool partitioned;
  lb_merge_column *columns;
  int column_count, key_count;
  char **lacking;      /* columns of the script that cannot be written here; quoted */
  int lacking_count;
  int64_t before;      /* rows */
  int64_t added, changed, removed;
  bool late;           /* rows that go are in the way of those that change */
  bool exchanges;      /* rows that change are in each other's way */
  bool dragged;        /* some of these may have gone before, along with those that they refer to */
  bool disturbed;      /* rows may have followed what they refer to, when that changed */
  lb_merge_cleared *cleared;
  int cleared_count;
} lb_merge_table;

struct lb_pg_merge {
  const lb_pg_merge_request *request;
  lb_merge_table *tables;
  int count;
  char *below;         /* an array of oids: the tables and all partitions below them */
  PGresult *triggers, *references;  /* what was switched off and is to be set back */
  bool sequences_moved;
  bool again;          /* a table was found to exchange values: all begins anew */
};

/* Reads the tables of the target, which nobody may alter from here on, and matches their columns with the script's. */
int lb_merge_plan(lb_pg_merge *merge, lb_error *err);

/* Learns m->below, and holds the partitions against the script's. Final once the tables are locked. */
int lb_merge_find_below(lb_pg_merge *merge, lb_error *err);

void lb_merge_note(const lb_pg_merge *merge, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Runs a statement whose text is taken and freed. *rows: that it wrote; may be NULL. */
int lb_merge_run_sql(const lb_pg_merge *merge, lb_buf *sql, int64_t *rows, lb_error *err);

/* After a statement that is the owner's alone: where the right to it lacks, why says what it is for. No right that can
** be granted would do. */
int lb_merge_takes_owner(lb_error *err, const char *why);

/* Whether a query, whose text is taken and freed, finds a row. */
bool lb_merge_finds(const lb_pg_merge *merge, lb_buf *sql, lb_error *err);

/* t.key = s.key AND …; a: the alias of one row, b: of the other. */
void lb_merge_put_key(lb_buf *sql, const lb_merge_table *table, const char *a, const char *b);

/* Between two ROW(…): whether they differ in their bytes. The casts keep the server from comparing them column by
** column, which takes an operator that not every type has. */
#define LB_MERGE_IMAGE_DIFFERS "::pg_catalog.record OPERATOR(pg_catalog.*<>) "

/* Whether row t of the target differs from row s: as bytes, since not every type can tell equal values. */
void lb_merge_put_differs(lb_buf *sql, const lb_merge_table *table);

/* The column of a number; NULL: none. */
const lb_merge_column *lb_merge_column_of(const lb_merge_table *table, const char *number, size_t n);

/* The same of some columns, by their numbers with spaces in between; nothing where none of them is in both. */
void lb_merge_put_changes(lb_buf *sql, const lb_merge_table *table, const char *numbers);

/* ---- rows ---- */

/* Copies the script's rows into the temporary tables, which are made. */
int lb_merge_load(lb_pg_merge *merge, lb_error *err);

int lb_merge_move(lb_pg_merge *merge, lb_error *err);

/* What a constraint refused: that nothing was changed, and what to do. Any other error stays as it is. */
int lb_merge_explain(const lb_pg_merge *merge, lb_error *err);

/* Rows that differ become the script's. */
int lb_merge_update(const lb_pg_merge *merge, lb_merge_table *table, lb_error *err);

/* The same in two steps, between taking NOT NULL from columns and giving it back. */
int lb_merge_exchange_begin(const lb_pg_merge *merge, lb_merge_table *table, lb_error *err);
int lb_merge_exchange(const lb_pg_merge *merge, lb_merge_table *table, lb_error *err);
int lb_merge_exchange_end(const lb_pg_merge *merge, const lb_merge_table *table, lb_error *err);
void lb_merge_exchange_free(lb_merge_table *table);

/* ---- identities ---- */

/* Identities GENERATED ALWAYS whose values will change take them, and take none any more. */
int lb_merge_identities_begin(const lb_pg_merge *merge, lb_merge_table *table, lb_error *err);
int lb_merge_identities_end(const lb_pg_merge *merge, const lb_merge_table *table, lb_error *err);

/* ---- links ---- */

/* Triggers off, foreign keys among the tables deferred; and everything back as it was. */
int lb_merge_unlink(lb_pg_merge *merge, lb_error *err);
int lb_merge_relink(lb_pg_merge *merge, lb_error *err);
void lb_merge_forget_links(lb_pg_merge *merge);

/* An error where rows that are to stay as they are would be deleted or changed along: rows go, or what is referred to
** changes. Tables of the list that may be touched are marked. */
int lb_merge_guard_delete(lb_pg_merge *merge, const lb_merge_table *table, lb_error *err);
int lb_merge_guard_update(lb_pg_merge *merge, const lb_merge_table *table, lb_error *err);

/* The first of these, of tables without a key: what goes is not known before it is this table's turn. */
int lb_merge_guard_keyless(lb_pg_merge *merge, const lb_merge_table *table, lb_error *err);

/* After lb_merge_unlink: whether a foreign key leads from a to b. */
bool lb_merge_refers(const lb_pg_merge *merge, const lb_merge_table *a, const lb_merge_table *b);

int lb_merge_move_sequences(lb_pg_merge *merge, const lb_merge_table *table, lb_error *err);

#endif

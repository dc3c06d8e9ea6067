/* What of a database holds data that a backup must carry: tables with their columns, sequences, large objects.
** Asked of the catalogue by the files in sql/postgres, inside the snapshot.
*/
#ifndef LB_POSTGRES_RELATIONS_H
#define LB_POSTGRES_RELATIONS_H

#include "core/json.h"
#include "postgres/connection.h"
#include "postgres/datum.h"
#include "postgres/filter.h"
#include "postgres/wire.h"

typedef struct lb_pg_relation {
  char *schema, *name;
  char *root_schema, *root_name;  /* the partitioned table that its rows are loaded through; NULL: none */
  char *columns;      /* "a", "b": quoted, generated ones left out; "" for a table without columns */
  char *expressions;  /* what to ask for in COPY's binary form (copy_out.h): "a", pg_catalog.float8out("b"); NULL: its
                      ** rows are to be had as text alone */
  lb_wire *wires;     /* what comes then */
  int wire_count;
  char *marked;       /* what to ask for, in either form, of a table that may have rows too long for one message, and */
  char *pieces;       /* such a row's values (dump_long.h); NULL: it has none */
  char *condition;    /* WHERE … of an extension's configuration table; NULL: all rows */
  char *oid;
  char *key;          /* the first column of its primary key, if that can have ranges (key_range.h); NULL: none */
  int key_field;      /* which one of columns it is, from 0 */
  lb_pg_kind key_kind;
  bool heap;          /* can be read by ctid range */
  uint64_t pages;     /* of its main fork; known after locking, like bytes */
  uint64_t bytes;     /* with TOAST: its weight */
  int depth;          /* of a data_only backup: tables that refer to it are deeper */
  bool circular;      /* and whether references lead from it back to itself, or to a table where they do */
} lb_pg_relation;

typedef struct lb_pg_sequence { char *schema, *name; } lb_pg_sequence;

typedef struct lb_pg_relations {
  lb_pg_relation *tables;
  int table_count;
  lb_pg_sequence *sequences;
  int sequence_count;
  bool large_objects;
} lb_pg_relations;

/* filter: one that lb_pg_filter_expand has filled, or one for all. */
int lb_pg_relations_read(lb_pg *pg, lb_json *json, const lb_pg_filter *filter, lb_pg_relations *relations,
                         lb_error *err);

/* ACCESS SHARE on all tables, as pg_dump takes it; then their sizes. LB_BUSY also where a table is no longer what the
** snapshot has: a new snapshot is needed. They are in order afterwards: heaviest first, or
** with data_only parents before those that refer to them. */
int lb_pg_relations_lock(lb_pg *pg, const lb_pg_filter *filter, lb_pg_relations *relations, lb_error *err);

/* Their sizes and the order alone, where nobody else is in the database: a server has room for so many locks only. */
int lb_pg_relations_weigh(lb_pg *pg, lb_pg_relations *relations, lb_error *err);

/* A note, where tables of a data_only backup have foreign keys that no order of theirs can satisfy. */
void lb_pg_relations_note_circle(const lb_pg_relations *relations, lb_buf *notes);

/* A note of user mappings whose options the user may not read: pg_dump leaves them out and says nothing. They may be
** passwords. */
int lb_pg_relations_note_mappings(lb_pg *pg, const lb_pg_filter *filter, lb_buf *notes, lb_error *err);

void lb_pg_relations_free(lb_pg_relations *relations);

/* Appends who holds, or waits for, a lock that keeps others from that lock ("ACCESS SHARE", "EXCLUSIVE", "ACCESS
** EXCLUSIVE") on a table, at most five of them: "public.t by app (user ann, pid 12), …"; nothing where that is not
** known. */
void lb_pg_relations_blockers(lb_pg *pg, const char *lock, lb_buf *text);

#endif

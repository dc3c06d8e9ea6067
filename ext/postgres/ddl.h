/* One statement of a script as a definition: which table or type it makes, of which columns, and what a COPY loads.
**
** It knows the forms that pg_dump writes of CREATE TABLE, TYPE and DOMAIN, ALTER TABLE … ATTACH PARTITION, CREATE VIEW
** and the like, COPY, and settings that say how to read on; anything else is LB_DDL_NONE. Nothing is allocated: spans
** point into the text, and lists are read from copies of where they begin. It does not check syntax. Source:
** PostgreSQL's manual, "SQL Commands".
*/
#ifndef LB_POSTGRES_DDL_H
#define LB_POSTGRES_DDL_H

#include "postgres/tokens.h"

typedef enum lb_ddl_kind {
  LB_DDL_NONE,
  LB_DDL_TABLE,         /* CREATE TABLE: name, columns, inherits; of: its type (typed) or its parent (partition) */
  LB_DDL_PARTITIONED,   /* the same with PARTITION BY: it has no rows of its own */
  LB_DDL_FOREIGN,       /* CREATE FOREIGN TABLE: rows are elsewhere */
  LB_DDL_VIEW,          /* CREATE [MATERIALIZED] VIEW: name */
  LB_DDL_TYPE,          /* CREATE TYPE name AS (columns) */
  LB_DDL_DOMAIN,        /* CREATE DOMAIN name AS type */
  LB_DDL_ATTACH,        /* ALTER TABLE name ATTACH PARTITION of */
  LB_DDL_SEARCH_PATH,   /* SET search_path, set_config('search_path', …): name.name is the first schema, or empty */
  LB_DDL_ENCODING,      /* SET client_encoding: name.name is its value, without quotes */
  LB_DDL_BACKSLASHES,   /* SET standard_conforming_strings = off */
  LB_DDL_INSERT,        /* INSERT INTO name */
  LB_DDL_COPY           /* COPY name (columns) FROM stdin */
} lb_ddl_kind;

/* A type as it stands. */
typedef struct lb_ddl_type {
  lb_qualified name;    /* of several words the first: "double", "timestamp"; len 0: none is told (typed tables) */
  bool array;
} lb_ddl_type;

typedef struct lb_ddl_column {
  lb_span name;
  lb_ddl_type type;
  bool generated;       /* GENERATED ALWAYS AS (…): COPY has no values of it */
} lb_ddl_column;

typedef struct lb_ddl {
  lb_ddl_kind kind;
  lb_qualified name, of;
  bool typed, partition;
  bool has_columns;     /* a list is there, be it an empty one */
  lb_tokens columns;    /* behind its parenthesis */
  lb_tokens inherits;   /* behind that of INHERITS (; .p is NULL without */
  lb_ddl_type type;     /* of a domain */
  bool plain;           /* of COPY: nothing stands behind FROM stdin */
} lb_ddl;

void lb_ddl_read(const char *sql, size_t len, lb_ddl *ddl);

/* The next of ddl->columns or ddl->inherits, from a copy of it; false: no more. Constraints of a table are skipped. */
bool lb_ddl_next_column(lb_tokens *columns, lb_ddl_column *column);
bool lb_ddl_next_parent(lb_tokens *inherits, lb_qualified *parent);

#endif

/* What the caller wants of a database: patterns (quote.h), and what they come to in the database as it is.
**
** A pattern that fits a partitioned table means its partitions at every level, as with pg_dump's --table-and-children,
** which only its newest versions have: they are added to the patterns, each by its name, before anybody uses these.
*/
#ifndef LB_POSTGRES_FILTER_H
#define LB_POSTGRES_FILTER_H

#include "core/json.h"
#include "postgres/connection.h"

/* Lists are JSON arrays of patterns; NULL: all. */
typedef struct lb_pg_filter {
  char *schemas, *tables, *exclude_tables;
  bool data_only, schema_only;
} lb_pg_filter;

/* Fills expanded with texts of its own. A pattern of schemas or tables that fits nothing, or nothing that
** exclude_tables leaves, is LB_NOTFOUND: what is there would be less than what was asked for. Patterns of tables may
** fit views, sequences and foreign tables as well, as in pg_dump. */
int lb_pg_filter_expand(lb_pg *pg, lb_json *json, const lb_pg_filter *wanted, lb_pg_filter *expanded, lb_error *err);
void lb_pg_filter_free(lb_pg_filter *expanded);  /* safe on a zeroed one */

/* A filter as parameters of a query, arrays of regular expressions: $1 schemas, $2 and $3 schema and name of tables, $4
** and $5 of those left out; NULL where there is no list. */
enum { LB_PG_PATTERNS = 5 };
typedef struct lb_pg_patterns {
  lb_buf text[LB_PG_PATTERNS];
  bool given[LB_PG_PATTERNS];
} lb_pg_patterns;

int lb_pg_patterns_read(lb_json *json, const lb_pg_filter *filter, lb_pg_patterns *patterns, lb_error *err);
PGresult *lb_pg_patterns_query(lb_pg *pg, const char *sql, const lb_pg_patterns *patterns, lb_error *err);
void lb_pg_patterns_free(lb_pg_patterns *patterns);

#endif

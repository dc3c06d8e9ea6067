/* See kept.h. */
#include "postgres/kept.h"

#include <string.h>

#include "postgres/quote.h"
#include "sql/kept_extensions.h"
#include "sql/kept_relations.h"
#include "sql/kept_schemas.h"

enum { RELATION_SCHEMA, RELATION_NAME, RELATION_EXTENSION };

int lb_pg_kept_read(lb_pg *pg, lb_pg_kept *kept, lb_error *err)
{
  kept->extensions = lb_pg_query(pg, err, lb_sql_kept_extensions, 0, NULL);
  if (kept->extensions) kept->schemas = lb_pg_query(pg, err, lb_sql_kept_schemas, 0, NULL);
  if (kept->schemas) kept->relations = lb_pg_query(pg, err, lb_sql_kept_relations, 0, NULL);
  return err->code;
}

void lb_pg_kept_free(lb_pg_kept *kept)
{
  PQclear(kept->extensions);
  PQclear(kept->schemas);
  PQclear(kept->relations);
  memset(kept, 0, sizeof *kept);
}

void lb_pg_kept_put_schemas(const lb_pg_kept *kept, lb_buf *array)
{
  for (int i = 0; i < PQntuples(kept->schemas); i++) lb_pg_put_element(array, PQgetvalue(kept->schemas, i, 0));
  lb_pg_end_array(array);
}

static bool has(const PGresult *rows, int column, const char *value)
{
  for (int i = 0; i < PQntuples(rows); i++) {
    if (strcmp(PQgetvalue(rows, i, column), value) == 0) return true;
  }
  return false;
}

bool lb_pg_kept_extension(const lb_pg_kept *kept, const char *name)
{
  return has(kept->extensions, LB_KEPT_NAME, name);
}

bool lb_pg_kept_schema(const lb_pg_kept *kept, const char *name)
{
  return has(kept->schemas, 0, name);
}

int lb_pg_kept_relation(const lb_pg_kept *kept, const lb_qualified *name, const char **extension, lb_error *err)
{
  lb_buf schema = { 0 }, relation = { 0 };
  int count = PQntuples(kept->relations);
  *extension = NULL;
  if (!count || !name->schema.len) return LB_OK;
  lb_buf_text(&schema, "");
  lb_buf_text(&relation, "");
  lb_span_name(name->schema, &schema);
  lb_span_name(name->name, &relation);
  if (schema.failed || relation.failed) lb_fail_nomem(err);
  for (int i = 0; i < count && !err->code && !*extension; i++) {
    bool same = strcmp(PQgetvalue(kept->relations, i, RELATION_SCHEMA), schema.data) == 0 &&
                strcmp(PQgetvalue(kept->relations, i, RELATION_NAME), relation.data) == 0;
    if (same) *extension = PQgetvalue(kept->relations, i, RELATION_EXTENSION);
  }
  lb_buf_free(&schema);
  lb_buf_free(&relation);
  return err->code;
}

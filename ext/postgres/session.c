/* See session.h. */
#include "postgres/session.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

static int take_encoding(lb_pg_session *s, lb_span value, uint64_t offset, lb_error *err)
{
  if (s->encoding && strlen(s->encoding) == value.len && strncasecmp(s->encoding, value.at, value.len) == 0) {
    return LB_OK;
  }
  if (s->encoding) {
    return lb_fail(err, LB_UNSUPPORTED, "byte %llu of the script: it goes on in another encoding than %s",
                   (unsigned long long)offset, s->encoding);
  }
  s->encoding = strndup(value.at, value.len);
  return s->encoding ? LB_OK : lb_fail_nomem(err);
}

int lb_pg_session_statement(lb_pg_session *s, const lb_ddl *ddl, uint64_t offset, lb_error *err)
{
  if (ddl->kind == LB_DDL_ENCODING) return take_encoding(s, ddl->name.name, offset, err);
  if (ddl->kind != LB_DDL_BACKSLASHES) return LB_OK;
  return lb_fail(err, LB_UNSUPPORTED, "byte %llu of the script: one with backslashes in plain strings cannot be read "
                 "safely; dump again with standard_conforming_strings = on", (unsigned long long)offset);
}

int lb_pg_session_meta(lb_pg_session *s, const char *line, uint64_t offset, lb_error *err)
{
  if (strncmp(line, "\\connect", strlen("\\connect")) != 0) return LB_OK;
  if (!s->connect) {
    s->connect = strdup(line);
    return s->connect ? LB_OK : lb_fail_nomem(err);
  }
  if (strcmp(s->connect, line) == 0) return LB_OK;
  return lb_fail(err, LB_UNSUPPORTED, "byte %llu of the script: it goes on to another database, as pg_dumpall writes "
                 "them: restore such a script with psql, or dump each database by itself", (unsigned long long)offset);
}

void lb_pg_session_free(lb_pg_session *s)
{
  free(s->encoding);
  free(s->connect);
  memset(s, 0, sizeof *s);
}

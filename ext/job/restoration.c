/* See restoration.h. What the ways of restoring share; it knows none of them. */
#include "job/restoration.h"

#include <stdlib.h>

#include "archive/reader.h"
#include "core/file.h"

int lb_restoration_open(lb_restoration *r, const char *backup, lb_type type, const char *source, lb_error *err)
{
  if (lb_job_open_backup(r->job, r->dir ? r->dir : ".", backup, type, source, &r->backup, err)) return err->code;
  r->job->run.backup = lb_path_base(r->backup.path);
  r->job->run.source = r->backup.about.manifest.source;
  r->job->run.bytes = (int64_t)lb_reader_stored_bytes(r->backup.reader);
  return LB_OK;
}

void lb_restoration_unsaved(lb_restoration *r)
{
  free(r->saved);
  r->saved = NULL;
  lb_job_note(r->job, "nothing was changed, so the copy that was saved first was removed again");
}

/* ---- the option `tables` ---- */

typedef struct collecting {
  char **list;
  int count;
} collecting;

static int collect(void *ctx, const char *text, lb_error *err)
{
  collecting *c = ctx;
  char **list = realloc(c->list, ((size_t)c->count + 1) * sizeof *list);
  if (!list) return lb_fail_nomem(err);
  c->list = list;
  list[c->count] = lb_text_copy(text, err);
  if (list[c->count]) c->count++;
  return err->code;
}

char **lb_restoration_tables(lb_restoration *r, int *count, lb_error *err)
{
  collecting c = { 0 };
  lb_json_each_text(r->job->json, r->o.tables, collect, &c, err);
  *count = c.count;
  return c.list;
}

void lb_restoration_free_tables(char **tables, int count)
{
  for (int i = 0; i < count; i++) free(tables[i]);
  free(tables);
}

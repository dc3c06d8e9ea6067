/* See create.h. Which kind of source it is, and what history keeps of it; creation.h has the rest. */
#include "job/create.h"

#include <stdlib.h>
#include <sys/stat.h>

#include "job/creation.h"

/* Everything that history wants of the file. */
static void describe_run(lb_creation *c)
{
  struct stat st;
  lb_run *run = &c->job->run;
  run->backup = c->path ? lb_path_base(c->path) : NULL;
  if (c->path && stat(c->path, &st) == 0) run->bytes = (int64_t)st.st_size;
  if (c->path) run->raw_bytes = (int64_t)c->figures.raw_bytes;
}

int lb_job_create(lb_job *job, const char *source, const char *options, char **path, lb_error *err)
{
  lb_creation c = { .job = job, .o = { .timeout_ms = -1, .lock_timeout = -1 }, .file = LB_PARTIAL_INIT };
  *path = NULL;
  if (!source) source = lb_job_configured_database(job, "source", err);
  else if (lb_job_check_database(source, err)) source = NULL;
  char *subject = source ? lb_config_scrub_url(source, err) : NULL;
  lb_job_begin(job, "create", subject ? subject : "", err);
  bool postgres = source && lb_job_is_postgres(source);
  c.type = postgres ? LB_TYPE_POSTGRES : LB_TYPE_SQLITE;
  const lb_option *known = postgres ? lb_create_postgres_options : lb_create_sqlite_options;
  if (!err->code && lb_options_parse(job->json, options, known, &c.o, err) == LB_OK &&
      lb_creation_begin(&c, err) == LB_OK) {
    if (postgres) lb_create_postgres(&c, source, err);
    else lb_create_sqlite(&c, source, err);
  }
  describe_run(&c);
  lb_job_end(job, c.dir, err);
  if (!err->code) {
    *path = c.path;
    c.path = NULL;
  }
  job->run.backup = job->run.source = NULL;
  lb_creation_close(&c);
  lb_options_free(known, &c.o);
  free(subject);
  return err->code;
}

/* Which pg_dump: see program.h.
**
** Debian's /usr/bin/pg_dump is a wrapper that picks a version by the cluster it believes to be meant: it is passed over
** for the real ones below /usr/lib/postgresql. Each candidate is asked its version; the newest wins, of equal ones the
** first. Relative entries of PATH are passed over: what they name depends on the working directory.
*/
#include "postgres/tools.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/file.h"
#include "postgres/environment.h"

#define DEBIAN_ROOT "/usr/lib/postgresql"
#define CANDIDATES_MAX 64

typedef struct search {
  lb_task *task;
  lb_pg_tools *best;
  int best_minor;
  int tried;
  lb_error last;   /* why a candidate could not be asked */
} search;

void lb_pg_tools_free(lb_pg_tools *tools)
{
  free(tools->dump);
  free(tools->dumpall);
  free(tools->version_text);
  memset(tools, 0, sizeof *tools);
}

/* "pg_dump (PostgreSQL) 15.20 (Debian 15.20-0+deb12u1)", "… 18beta1", "… 9.6.1" */
static bool parse_version(const char *text, int *major, int *minor, char version[16])
{
  static const char before[] = "pg_dump (PostgreSQL) ";
  if (strncmp(text, before, sizeof before - 1) != 0) return false;
  text += sizeof before - 1;
  *minor = 0;
  if (sscanf(text, "%4d.%4d", major, minor) < 1 || *major < 1) return false;
  snprintf(version, 16, "%.*s", (int)strcspn(text, " \n"), text);
  return true;
}

/* What `path --version` prints. */
static int ask_version(search *s, const char *path, char *text, size_t size, lb_error *err)
{
  const char *argv[] = { path, "--version", NULL };
  char **environment = lb_pg_environment_base(0, err);
  lb_pg_program *program = environment ? lb_pg_program_run(s->task, argv, environment, NULL, false, err) : NULL;
  size_t used = 0, got = 1;
  while (program && got > 0 && used < size - 1) {
    if (lb_pg_program_read(program, text + used, size - 1 - used, true, &got, NULL, err)) break;
    used += got;
  }
  text[used] = 0;
  if (program && !err->code) lb_pg_program_finish(program, err);
  lb_pg_program_close(program);
  lb_pg_environment_free(environment);
  return err->code;
}

static int take(search *s, const char *dir, const char *path, int major, const char *version, lb_error *err)
{
  lb_pg_tools_free(s->best);
  s->best->dump = lb_text_copy(path, err);
  s->best->dumpall = lb_path_join(dir, "pg_dumpall", err);
  s->best->version_text = lb_text_copy(version, err);
  s->best->version = major;
  return err->code;
}

/* Fails only for what has nothing to do with the candidate: an interrupt, no memory. */
static int try_folder(search *s, const char *dir, lb_error *err)
{
  char text[256], version[16];
  int major = 0, minor = 0;
  if (dir[0] != '/' || s->tried >= CANDIDATES_MAX) return LB_OK;
  char *path = lb_path_join(dir, "pg_dump", err);
  char *real = path ? realpath(path, NULL) : NULL;
  bool wrapper = real && strcmp(lb_path_base(real), "pg_wrapper") == 0;
  bool asked = path && s->best->dump && strcmp(s->best->dump, path) == 0;
  if (real && !wrapper && !asked && access(path, X_OK) == 0) {
    lb_error failed = LB_ERROR_INIT;
    s->tried++;
    if (ask_version(s, path, text, sizeof text, &failed)) {
      if (failed.code == LB_INTERRUPT || failed.code == LB_NOMEM) *err = failed;
      else s->last = failed;
    } else if (!parse_version(text, &major, &minor, version)) {
      lb_error_clear(&s->last);
      lb_fail(&s->last, LB_UNSUPPORTED, "%s: does not say its version", path);
    } else if (major > s->best->version || (major == s->best->version && minor > s->best_minor)) {
      s->best_minor = minor;
      take(s, dir, path, major, version, err);
    }
  }
  free(real);
  free(path);
  return err->code;
}

static int try_path(search *s, lb_error *err)
{
  const char *variable = getenv("PATH");
  char *copy = lb_text_copy(variable ? variable : "", err), *rest = NULL;
  for (char *dir = copy ? strtok_r(copy, ":", &rest) : NULL; dir && !err->code; dir = strtok_r(NULL, ":", &rest)) {
    try_folder(s, dir, err);
  }
  free(copy);
  return err->code;
}

static int try_debian(search *s, lb_error *err)
{
  DIR *root = opendir(DEBIAN_ROOT);
  struct dirent *entry;
  while (root && !err->code && (entry = readdir(root))) {
    if (entry->d_name[0] < '0' || entry->d_name[0] > '9') continue;
    char *dir = lb_text_printf(err, "%s/%s/bin", DEBIAN_ROOT, entry->d_name);
    if (dir) try_folder(s, dir, err);
    free(dir);
  }
  if (root) closedir(root);
  return err->code;
}

/* The minor part of a server's version is left out: any pg_dump of its major version will do. */
static int judge(const lb_pg *pg, const search *s, const char *bindir, lb_error *err)
{
  int server = pg ? pg->version / 10000 : 0;
  char package[48] = "postgresql-client";
  if (server) snprintf(package, sizeof package, "postgresql-client-%d", server);
  if (!s->best->dump) {
    const char *why = s->last.code ? s->last.message : "";
    return lb_fail(err, LB_UNSUPPORTED, "no pg_dump in %s%s%s%s%s (install the package %s, or name pg_dump's folder in "
                   "the environment variable PG_BINDIR)", bindir ? "PG_BINDIR=" : "PATH or " DEBIAN_ROOT "/*/bin",
                   bindir ? bindir : "", why[0] ? " that runs (" : "", why, why[0] ? ")" : "", package);
  }
  if (s->best->version < server) {
    return lb_fail(err, LB_UNSUPPORTED, "%s is version %s, older than the server (%s), which it cannot dump: install "
                   "the package %s, or name a newer pg_dump's folder in the environment variable PG_BINDIR (looked in "
                   "%s%s)",
                   s->best->dump, s->best->version_text, pg->version_text, package,
                   bindir ? "PG_BINDIR=" : "PATH and " DEBIAN_ROOT "/*/bin", bindir ? bindir : "");
  }
  return LB_OK;
}

int lb_pg_tools_find(const lb_pg *pg, lb_pg_tools *tools, lb_error *err)
{
  search s = { .task = pg ? pg->task : NULL, .best = tools, .last = LB_ERROR_INIT };
  memset(tools, 0, sizeof *tools);
  const char *bindir = getenv("PG_BINDIR");
  if (bindir && !bindir[0]) bindir = NULL;
  if (bindir && bindir[0] != '/') {
    return lb_fail(err, LB_MISUSE, "PG_BINDIR must be an absolute path, not \"%s\"", bindir);
  }
  if (bindir) try_folder(&s, bindir, err);
  else if (try_path(&s, err) == LB_OK) try_debian(&s, err);
  if (!err->code) judge(pg, &s, bindir, err);
  if (err->code) lb_pg_tools_free(tools);
  return err->code;
}

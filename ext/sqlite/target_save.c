/* See target.h. Here: keeping what is there as PATH.before_restore.STAMP, and removing old ones. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/spool.h"
#include "sqlite/target.h"

static const char *const siblings[] = { "-wal", "-journal" };

/* A readable database: a snapshot of it, as a plain SQLite file with its owner. The connection stays open: it tells
** later whether somebody committed after the copy. */
static int save_database(lb_target *t, const char *name, lb_partial *partial, lb_error *err)
{
  if (t->before.db) lb_sqlite_source_close(&t->before);
  if (lb_sqlite_source_open(&t->before, t->own ? NULL : t->db, t->own ? t->path : t->schema, t->timeout_ms, t->task,
                            err)) {
    return err->code;
  }
  lb_sqlite_source *source = &t->before;
  if (lb_partial_create(partial, t->dir, name, err)) return err->code;
  lb_spool *spool = lb_spool_open(partial->fd, partial->path, t->task, err);
  if (spool && lb_sqlite_source_begin(source, err) == LB_OK) {
    lb_task_phase(t->task, "saving the target", source->page_size * source->page_count);
    lb_sqlite_source_stamp(source, &t->saved_stamp, err);
    lb_sqlite_source_copy(source, lb_spool_sink(spool), err);
  }
  lb_sqlite_source_end(source);
  lb_spool_close(spool);
  /* Only root may give files away; for others the copy is theirs, as everything they make. */
  if (!err->code && geteuid() == 0 && fchown(partial->fd, (uid_t)t->uid, (gid_t)t->gid)) {
    lb_fail_errno(err, errno, "cannot give %s to the owner of the target", partial->path);
  }
  return err->code;
}

/* A file that SQLite cannot open keeps its very inode under the second name: instantly, byte for byte. */
static int link_file(const lb_target *t, const char *saved, lb_error *err)
{
  if (link(t->path, saved) == 0) return LB_OK;
  return lb_fail_errno(err, errno, "cannot keep %s as %s", t->path, saved);
}

static int keep_siblings(const lb_target *t, const char *saved, bool *any, lb_error *err)
{
  for (size_t i = 0; i < sizeof siblings / sizeof *siblings && !err->code; i++) {
    char *from = lb_text_printf(err, "%s%s", t->path, siblings[i]),
         *to = lb_text_printf(err, "%s%s", saved, siblings[i]);
    if (from && to) {
      if (rename(from, to) == 0) *any = true;
      else if (errno != ENOENT) lb_fail_errno(err, errno, "cannot keep %s as %s", from, to);
    }
    free(from);
    free(to);
  }
  return err->code;
}

/* Tries STAMP, STAMP_2, … until one is free. */
static int save_as(lb_target *t, int serial, lb_partial *partial, char **saved, lb_error *err)
{
  char stamp[LB_STAMP_BYTES], suffix[16] = "";
  lb_clock_stamp(lb_clock_now(), stamp);
  if (serial > 1) snprintf(suffix, sizeof suffix, "_%d", serial);
  free(*saved);
  *saved = lb_text_printf(err, "%s.before_restore.%s%s", t->path, stamp, suffix);
  if (!*saved) return err->code;
  bool any = true;
  switch (t->kind) {
  case LB_TARGET_DATABASE:
    return lb_partial_publish(partial, lb_path_base(*saved), err);
  case LB_TARGET_UNREADABLE:
    if (link_file(t, *saved, err)) return err->code;
    keep_siblings(t, *saved, &any, err);
    return lb_dir_sync(t->dir, err);
  default:
    any = false;
    keep_siblings(t, *saved, &any, err);
    if (!any) {
      free(*saved);
      *saved = NULL;
    }
    return err->code;
  }
}

int lb_target_save(lb_target *t, char **saved, lb_error *err)
{
  *saved = NULL;
  if (t->kind == LB_TARGET_MEMORY) return LB_OK;
  lb_partial partial = LB_PARTIAL_INIT;
  char *name = lb_text_printf(err, "%s.before_restore", lb_path_base(t->path));
  if (name && t->kind == LB_TARGET_DATABASE) save_database(t, name, &partial, err);
  for (int serial = 1; !err->code && serial <= 100; serial++) {
    lb_error one = LB_ERROR_INIT;
    save_as(t, serial, &partial, saved, &one);
    if (one.code == LB_EXISTS && serial < 100) continue;
    if (one.code) *err = one;
    break;
  }
  lb_partial_close(&partial);
  free(name);
  t->saved = err->code == LB_OK;
  if (err->code) {
    free(*saved);
    *saved = NULL;
  }
  return err->code;
}

/* ---- removing old copies ---- */

static bool is_saved_copy(const char *file, const char *prefix)
{
  size_t n = strlen(prefix);
  int64_t when;
  if (strncmp(file, prefix, n) != 0 || !lb_clock_parse_stamp(file + n, &when)) return false;
  const char *rest = file + n + 15;
  return rest[0] == 0 ||
         (rest[0] == '_' && rest[1] >= '2' && rest[1] <= '9' && strspn(rest + 1, "0123456789") == strlen(rest + 1));
}

static int newer_first(const void *a, const void *b)
{
  /* Stamps sort as text; a serial (_2) is longer and so sorts after its stamp, as it should. */
  return strcmp(*(char *const *)b, *(char *const *)a);
}

static void remove_copy(const lb_target *t, const char *file, lb_buf *notes)
{
  lb_error err = LB_ERROR_INIT;
  char *path = lb_path_join(t->dir, file, &err);
  if (path && unlink(path) && errno != ENOENT)
    lb_buf_printf(notes, "%scannot remove the old copy %s", notes->len ? "\n" : "", path);
  for (size_t i = 0; path && i < sizeof siblings / sizeof *siblings; i++) {
    char *sibling = lb_text_printf(&err, "%s%s", path, siblings[i]);
    if (sibling) unlink(sibling);
    free(sibling);
  }
  free(path);
}

void lb_target_prune(const lb_target *t, int keep, lb_buf *notes)
{
  if (!t->path) return;
  lb_error err = LB_ERROR_INIT;
  char *prefix = lb_text_printf(&err, "%s.before_restore.", lb_path_base(t->path));
  DIR *d = prefix ? opendir(t->dir) : NULL;
  char **files = NULL;
  int count = 0;
  struct dirent *item;
  while (d && (item = readdir(d))) {
    if (!is_saved_copy(item->d_name, prefix)) continue;
    char **grown = realloc(files, ((size_t)count + 1) * sizeof *files);
    if (!grown) break;
    files = grown;
    files[count] = strdup(item->d_name);
    if (!files[count]) break;
    count++;
  }
  if (d) closedir(d);
  if (count) qsort(files, (size_t)count, sizeof *files, newer_first);
  for (int i = keep; i < count; i++) remove_copy(t, files[i], notes);
  for (int i = 0; i < count; i++) free(files[i]);
  free(files);
  free(prefix);
}

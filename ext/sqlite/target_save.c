/* See target.h. Here: keeping what is there as PATH.before_restore.STAMP, and removing old ones.
**
** A copy may have a -wal and a -journal beside it, or these may lie there alone: what a NEW target had of a database
** that was gone. All of them take part in choosing a name that is free; only whole copies are counted and pruned.
*/
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/spool.h"
#include "sqlite/recognize.h"
#include "sqlite/target_lock.h"

static const char *const siblings[] = { "-wal", "-journal" };

/* What is there is looked at more than once: a copy to work on, and one to keep. */
static void take_stamp(lb_target *t, lb_error *err)
{
  uint64_t stamp = 0;
  lb_sqlite_source_stamp(&t->before, &stamp, err);
  if (!err->code && t->copied && stamp != t->saved_stamp) lb_target_fail_copied(t, err);
  t->saved_stamp = stamp;
}

/* A readable database: a snapshot of it, as a plain SQLite file. The connection stays open: it tells later whether
** somebody committed after the copy. */
static int copy_database(lb_target *t, const char *dir, const char *name, lb_partial *partial, lb_error *err)
{
  if (t->before.db) lb_sqlite_source_close(&t->before);
  if (lb_sqlite_source_open(&t->before, t->own ? NULL : t->db, t->own ? t->path : t->schema, t->timeout_ms, t->task,
                            err)) {
    return err->code;
  }
  lb_sqlite_source *source = &t->before;
  lb_partial_sweep(dir, name);
  if (lb_partial_create(partial, dir, name, err)) return err->code;
  lb_spool *spool = lb_spool_open(partial->fd, partial->path, NULL, t->task, err);
  if (spool && lb_sqlite_source_begin(source, err) == LB_OK) {
    lb_task_phase(t->task, "saving the target", source->page_size * source->page_count);
    take_stamp(t, err);
    if (!err->code) lb_sqlite_source_copy(source, lb_spool_sink(spool), err);
  }
  lb_sqlite_source_end(source);
  lb_spool_close(spool);
  return err->code;
}

static int save_database(lb_target *t, const char *name, lb_partial *partial, lb_error *err)
{
  if (copy_database(t, t->dir, name, partial, err)) return err->code;
  /* Only root may give files away; for others the copy is theirs, as everything they make. */
  if (geteuid() == 0 && fchown(partial->fd, (uid_t)t->uid, (gid_t)t->gid)) {
    lb_fail_errno(err, errno, "cannot give %s to the owner of the target", partial->path);
  }
  return err->code;
}

int lb_target_copy(lb_target *t, const char *dir, lb_partial *file, lb_error *err)
{
  static const unsigned char rollback[2] = { 1, 1 };
  char *name = lb_text_printf(err, "%s.restore", t->path ? lb_path_base(t->path) : "memory");
  if (name && copy_database(t, dir, name, file, err) == LB_OK) {
    t->saved = t->copied = true;
    if (t->before.page_count) lb_file_write(file->fd, rollback, 2, LB_SQLITE_MODE_OFFSET, file->path, err);
  }
  free(name);
  return err->code;
}

enum { SIBLINGS = sizeof siblings / sizeof *siblings };

/* What lies beside `from` goes beside `to`, from the i-th sibling on: all of it or, with an error, nothing. Each that
** is there gets a line of notes (which may be NULL). */
static int move_siblings(const char *from, const char *to, int i, lb_buf *notes, lb_error *err)
{
  if (i == SIBLINGS || err->code) return err->code;
  char *old = lb_text_printf(err, "%s%s", from, siblings[i]), *new = lb_text_printf(err, "%s%s", to, siblings[i]);
  bool moved = old && new && lb_file_rename_new(old, new) == 0;
  if (old && new && !moved && errno != ENOENT) lb_fail_errno(err, errno, "cannot keep %s as %s", old, new);
  move_siblings(from, to, i + 1, notes, err);
  if (moved && err->code) lb_file_rename_new(new, old);
  else if (moved && notes) {
    lb_buf_printf(notes, "%s%s lay there without its database: it was moved to %s", notes->len ? "\n" : "", old, new);
  }
  free(old);
  free(new);
  return err->code;
}

/* A file that SQLite cannot open keeps its very inode under the second name: instantly, byte for byte. */
static int link_file(const lb_target *t, const char *saved, lb_error *err)
{
  if (link(t->path, saved)) return lb_fail_errno(err, errno, "cannot keep %s as %s", t->path, saved);
  if (move_siblings(t->path, saved, 0, NULL, err)) unlink(saved);
  return err->code;
}

/* Under PATH.before_restore.STAMP, or STAMP_serial. LB_EXISTS: that name is taken. *saved is NULL in the end where no
** file of that very name was made. */
static int save_as(lb_target *t, const char *stamp, int serial, lb_partial *partial, char **saved, lb_buf *notes,
                   lb_error *err)
{
  char suffix[16] = "";
  if (serial > 1) snprintf(suffix, sizeof suffix, "_%d", serial);
  free(*saved);
  *saved = lb_text_printf(err, "%s.before_restore.%s%s", t->path, stamp, suffix);
  if (!*saved) return err->code;
  switch (t->kind) {
  case LB_TARGET_DATABASE:
    return lb_partial_publish(partial, lb_path_base(*saved), err);
  case LB_TARGET_UNREADABLE:
    return link_file(t, *saved, err) ? err->code : lb_dir_sync(t->dir, err);
  default:
    move_siblings(t->path, *saved, 0, notes, err);
    free(*saved);
    *saved = NULL;
    return err->code;
  }
}

/* ---- the copies that are there ---- */

typedef struct copy {
  char *file;
  char stamp[LB_STAMP_BYTES];
  long serial;
  bool sibling;  /* a -wal or -journal of it */
} copy;

/* What stands behind the stamp and the serial: nothing, or which sibling it is. */
static bool parse_end(const char *rest, bool *sibling)
{
  *sibling = *rest != 0;
  for (int i = 0; i < SIBLINGS; i++) {
    if (strcmp(rest, siblings[i]) == 0) return true;
  }
  return !*sibling;
}

static bool parse_copy(const char *file, const char *prefix, copy *c)
{
  size_t n = strlen(prefix);
  int64_t when;
  if (strncmp(file, prefix, n) != 0 || !lb_clock_parse_stamp(file + n, &when)) return false;
  char *rest = (char *)file + n + LB_STAMP_BYTES - 1;
  snprintf(c->stamp, sizeof c->stamp, "%.*s", LB_STAMP_BYTES - 1, file + n);
  c->serial = 1;
  if (rest[0] == '_') {
    if (rest[1] < '1' || rest[1] > '9') return false;
    c->serial = strtol(rest + 1, &rest, 10);
    if (c->serial < 2 || c->serial >= 1000000) return false;
  }
  return parse_end(rest, &c->sibling);
}

static int newer_first(const void *a, const void *b)
{
  const copy *x = a, *y = b;
  int by_stamp = strcmp(y->stamp, x->stamp);
  return by_stamp ? by_stamp : y->serial > x->serial ? 1 : y->serial < x->serial ? -1 : 0;
}

/* The saved copies of this target, newest first, with or without their siblings; *copies is allocated, and each file.
*/
static int list_copies(const lb_target *t, bool with_siblings, copy **copies, int *count, lb_error *err)
{
  char *prefix = lb_text_printf(err, "%s.before_restore.", lb_path_base(t->path));
  DIR *d = prefix ? opendir(t->dir) : NULL;
  struct dirent *item;
  copy one;
  *copies = NULL;
  *count = 0;
  if (prefix && !d) lb_fail_errno(err, errno, "cannot open folder %s", t->dir);
  while (d && !err->code && (item = readdir(d))) {
    if (!parse_copy(item->d_name, prefix, &one) || (one.sibling && !with_siblings)) continue;
    copy *grown = realloc(*copies, ((size_t)*count + 1) * sizeof *grown);
    if (grown) *copies = grown;
    one.file = grown ? lb_text_copy(item->d_name, err) : NULL;
    if (!one.file) lb_fail_nomem(err);
    else grown[(*count)++] = one;
  }
  if (d) closedir(d);
  free(prefix);
  if (*count) qsort(*copies, (size_t)*count, sizeof **copies, newer_first);
  return err->code;
}

static void free_copies(copy *copies, int count)
{
  for (int i = 0; i < count; i++) free(copies[i].file);
  free(copies);
}

/* A serial beyond every one of this second, also of copies that were pruned meanwhile: newer copies sort as newer. */
static int next_serial(const lb_target *t, const char *stamp, lb_error *err)
{
  copy *copies;
  int count;
  long serial = 1;
  list_copies(t, true, &copies, &count, err);
  for (int i = 0; i < count; i++) {
    if (strcmp(copies[i].stamp, stamp) == 0 && copies[i].serial >= serial) serial = copies[i].serial + 1;
  }
  free_copies(copies, count);
  return (int)serial;
}

/* Under a name that is free. */
static void save_new(lb_target *t, lb_partial *partial, char **saved, lb_buf *notes, lb_error *err)
{
  for (int attempt = 1; !err->code; attempt++) {
    lb_error one = LB_ERROR_INIT;
    char stamp[LB_STAMP_BYTES];
    lb_clock_stamp(lb_clock_now(), stamp);
    int serial = next_serial(t, stamp, &one);
    if (!one.code) save_as(t, stamp, serial, partial, saved, notes, &one);
    if (one.code == LB_EXISTS && attempt < 100) continue;  /* another process was faster */
    if (one.code) *err = one;
    break;
  }
  if (!err->code && *saved) {
    const char *file = lb_path_base(*saved);
    lb_buf_append(&t->copy, file, strlen(file) + 1);
    if (t->copy.failed) lb_fail_nomem(err);
  }
}

/* What is there has changed since it was saved: the new copy takes the place of the one that this restore has made. Two
** or three of one restore would push out those of earlier ones. */
static void save_again(lb_target *t, lb_partial *partial, char **saved, lb_error *err)
{
  *saved = lb_path_join(t->dir, t->copy.data, err);
  lb_partial_replace(partial, t->copy.data, err);
}

int lb_target_save(lb_target *t, char **saved, lb_buf *notes, lb_error *err)
{
  *saved = NULL;
  if (t->kind == LB_TARGET_MEMORY) return LB_OK;
  lb_partial partial = LB_PARTIAL_INIT;
  char *name = lb_text_printf(err, "%s.before_restore", lb_path_base(t->path));
  if (name && t->kind == LB_TARGET_DATABASE) save_database(t, name, &partial, err);
  if (!err->code && t->copy.len) save_again(t, &partial, saved, err);
  else if (!err->code) save_new(t, &partial, saved, notes, err);
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

static bool remove_copy(const lb_target *t, const char *file, lb_buf *notes)
{
  lb_error err = LB_ERROR_INIT;
  char *path = lb_path_join(t->dir, file, &err);
  bool gone = path && (unlink(path) == 0 || errno == ENOENT);
  if (path && !gone) lb_buf_printf(notes, "%scannot remove the old copy %s", notes->len ? "\n" : "", path);
  for (int i = 0; path && i < SIBLINGS; i++) {
    char *sibling = lb_text_printf(&err, "%s%s", path, siblings[i]);
    if (sibling) unlink(sibling);
    free(sibling);
  }
  free(path);
  return gone;
}

/* Those that are dated in the future are counted apart: a clock was ahead, or is behind now, and nobody knows which of
** both are the newer ones. */
void lb_target_prune(const lb_target *t, const char *saved, int keep, lb_buf *notes)
{
  lb_error err = LB_ERROR_INIT;
  copy *copies;
  int count, kept[2] = { 0 };
  char now[LB_STAMP_BYTES];
  if (!t->path) return;
  lb_clock_stamp(lb_clock_now(), now);
  list_copies(t, false, &copies, &count, &err);
  for (int i = 0; i < count && !err.code; i++) {
    bool just_made = saved && strcmp(lb_path_base(saved), copies[i].file) == 0;  /* the clock may have gone back */
    if (kept[strcmp(copies[i].stamp, now) > 0]++ >= keep && !just_made) remove_copy(t, copies[i].file, notes);
  }
  free_copies(copies, count);
}

bool lb_target_unsave(const lb_target *t, lb_buf *notes)
{
  return !t->copy.len || remove_copy(t, t->copy.data, notes);
}

/* An interrupt is asked for between pages: nothing was committed then. With a rollback journal the pages that were
** written have to be taken back, and if that failed the journal is still there. */
bool lb_target_is_as_it_was(const lb_target *t, const lb_error *why)
{
  if (t->kind != LB_TARGET_DATABASE || t->touched) return false;
  if (!t->written) return true;
  if (!t->own || why->code != LB_INTERRUPT) return false;
  lb_error err = LB_ERROR_INIT;
  char *journal = lb_text_printf(&err, "%s-journal", t->path);
  bool none = t->wal || (journal && access(journal, F_OK) && errno == ENOENT);
  free(journal);
  return none;
}

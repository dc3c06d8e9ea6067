/* See resolve.h. The forms of `latest` are one question with different filters: a wish tells which backups are meant,
** and the newest of them is the answer when they are all of one source. */
#include "catalog/resolve.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/buffer.h"
#include "core/config.h"
#include "core/file.h"
#include "core/utf8.h"

enum { NAMES_TOLD = 5 };

/* Which backups are meant by a form of `latest`. */
typedef struct wish {
  const char *name;           /* NULL: any */
  lb_type type;               /* LB_TYPE_NONE: any */
  const char *target_source;  /* narrows where it is a source of some of them */
  lb_kind kind;
} wish;

/* ---- latest ---- */

static bool is_meant(const lb_backup *b, const wish *w)
{
  if (b->name.kind != w->kind) return false;
  if (w->type != LB_TYPE_NONE && b->name.type != w->type) return false;
  return !w->name || strcmp(b->name.name, w->name) == 0;
}

/* Partial backups are meant only where no full one can be. */
static void choose_kind(const lb_listing *listing, wish *w)
{
  w->kind = LB_KIND_FULL;
  for (int i = 0; i < listing->count; i++) if (is_meant(&listing->items[i], w)) return;
  w->kind = LB_KIND_PARTIAL;
}

/* The source that the wish is narrowed to: the target's, where some good backup meant is of it; -1: none. */
static int group_of_target(const lb_listing *listing, const int *groups, const wish *w)
{
  for (int i = 0; w->target_source && i < listing->count; i++) {
    const lb_backup *b = &listing->items[i];
    const char *source = b->manifest.source;
    if (source && strcmp(source, w->target_source) == 0 && is_meant(b, w) && lb_backup_is_good(b)) return groups[i];
  }
  return -1;
}

static void put_source(lb_buf *buf, const lb_backup *b)
{
  lb_buf_printf(buf, "%s%s (%s%s%s)", buf->len ? "; " : "", b->name.name, lb_type_text(b->name.type),
                b->manifest.source ? ", of " : "", b->manifest.source ? b->manifest.source : "");
}

/* Whether an earlier one of the listing has its name and type. */
static bool is_told(const lb_listing *listing, int item)
{
  const lb_name *n = &listing->items[item].name;
  for (int i = 0; i < item; i++) {
    const lb_backup *b = &listing->items[i];
    if (b->name.kind != LB_KIND_BEFORE_RESTORE && b->name.type == n->type && strcmp(b->name.name, n->name) == 0) {
      return true;
    }
  }
  return false;
}

/* Names and types of what could be asked for. */
static void put_names(lb_buf *buf, const lb_listing *listing)
{
  int told = 0;
  for (int i = 0; i < listing->count; i++) {
    const lb_backup *b = &listing->items[i];
    if (b->name.kind == LB_KIND_BEFORE_RESTORE || is_told(listing, i)) continue;
    if (told++ == NAMES_TOLD) {
      lb_buf_text(buf, ", …");
      return;
    }
    lb_buf_printf(buf, "%s%s (%s)", told > 1 ? ", " : "", b->name.name, lb_type_text(b->name.type));
  }
  if (told == 0) lb_buf_text(buf, listing->count ? "what restores saved, to be named by file" : "nothing");
}

/* Whether it is only the type that keeps what there is from being meant. */
static bool lacks_type(const lb_listing *listing, const wish *w)
{
  wish any = { .name = w->name };
  choose_kind(listing, &any);
  for (int i = 0; i < listing->count; i++) if (is_meant(&listing->items[i], &any)) return w->type != LB_TYPE_NONE;
  return false;
}

/* unread: one of them that cannot be read here, by this user or this build, which is no damage; NULL. */
static int fail_no_good(const char *dir, const char *asked, int bad, const lb_backup *unread, lb_error *err)
{
  const char *are = bad == 1 ? "is" : "are";
  if (!unread) {
    return lb_fail(err, LB_NOTFOUND, "no good backup for \"%s\" in %s: the %d found %s damaged", asked, dir, bad, are);
  }
  return lb_fail(err, (lb_code)unread->unread, "no good backup for \"%s\" in %s: the %d found %s damaged, or cannot be "
                 "read here: %s", asked, dir, bad, are, unread->problem);
}

static int fail_none(const lb_listing *listing, const wish *w, const char *dir, const char *asked, lb_error *err)
{
  lb_buf names = { 0 };
  put_names(&names, listing);
  bool typed = lacks_type(listing, w);
  if (names.failed) lb_fail_nomem(err);
  else lb_fail(err, LB_NOTFOUND, "no backup for \"%s\" in %s (it has: %s%s%s%s)", asked, dir, names.data,
               typed ? "; " : "", typed ? lb_type_text(w->type) : "", typed ? " is needed" : "");
  lb_buf_free(&names);
  return err->code;
}

/* A name that several sources share narrows nothing. */
static int fail_several(const wish *w, const char *dir, const char *asked, const lb_buf *sources, lb_error *err)
{
  if (sources->failed) return lb_fail_nomem(err);
  return lb_fail(err, LB_MISUSE,
                 w->name ? "\"%s\" fits several sources in %s: %s (pass a file name: SELECT file, source FROM backups)"
                         : "\"%s\" fits several sources in %s: %s (pass latest:NAME or a file name)",
                 asked, dir, sources->data);
}

/* The newest good backup that is meant: index into the listing, or -1 with err set. */
static int choose(const lb_listing *listing, const int *groups, int count, const wish *w, const char *dir,
                  const char *asked, lb_error *err)
{
  int found = -1, sources = 0, bad = 0, only = group_of_target(listing, groups, w);
  const lb_backup *unread = NULL;
  lb_buf text = { 0 };
  bool *seen = calloc((size_t)count + 1, sizeof *seen);
  if (!seen) lb_fail_nomem(err);
  for (int i = 0; seen && i < listing->count; i++) {
    const lb_backup *b = &listing->items[i];
    if (!is_meant(b, w) || (only >= 0 && groups[i] != only)) continue;
    if (!lb_backup_is_good(b)) {
      bad++;
      if (!unread && b->problem && b->unread) unread = b;
    } else if (!seen[groups[i]]) {
      seen[groups[i]] = true;
      if (++sources == 1) found = i;
      put_source(&text, b);
    }
  }
  if (seen && sources == 0 && bad) fail_no_good(dir, asked, bad, unread, err);
  if (seen && sources == 0 && !bad) fail_none(listing, w, dir, asked, err);
  if (sources > 1) fail_several(w, dir, asked, &text, err);
  lb_buf_free(&text);
  free(seen);
  return err->code == LB_OK ? found : -1;
}

static int resolve_latest(const char *dir, const char *asked, wish *w, lb_json *json, char **path, lb_error *err)
{
  lb_listing listing = { 0 };
  int *groups = NULL, count = 0;
  if (lb_listing_read(dir, json, &listing, err) == LB_OK &&
      lb_listing_group(&listing, &groups, &count, err) == LB_OK) {
    choose_kind(&listing, w);
    int found = choose(&listing, groups, count, w, dir, asked, err);
    if (found >= 0) *path = lb_text_copy(listing.items[found].path, err);
  }
  free(groups);
  lb_listing_free(&listing);
  return err->code;
}

/* ---- files ---- */

/* A folder of pg_dump's: who has been given one has a dump, though none for us. */
static bool is_directory_dump(const char *path)
{
  struct stat st;
  lb_error ignored = LB_ERROR_INIT;
  char *toc = lb_text_printf(&ignored, "%s/toc.dat", path);
  bool is = toc && stat(toc, &st) == 0;
  free(toc);
  return is;
}

static int check_regular(const char *path, lb_error *err)
{
  struct stat st;
  if (stat(path, &st)) {
    if (errno == ENOENT || errno == ENOTDIR) return lb_fail(err, LB_NOTFOUND, "no such backup: %s", path);
    return lb_fail_errno(err, errno, "cannot open backup %s", path);
  }
  if (S_ISREG(st.st_mode)) return LB_OK;
  if (is_directory_dump(path)) {
    return lb_fail(err, LB_UNSUPPORTED, "not a backup: %s is in pg_dump's directory format (pg_restore -f dump.sql "
                   "FOLDER makes a script of it)", path);
  }
  return lb_fail(err, LB_MISUSE, "not a backup: %s is not a regular file", path);
}

static int resolve_path(const char *asked, char **path, lb_error *err)
{
  if (check_regular(asked, err) == LB_OK) *path = lb_text_copy(asked, err);
  return err->code;
}

static bool has_control(const char *text)
{
  for (; *text; text++) {
    if ((unsigned char)*text < 0x20 || *text == 0x7f) return true;
  }
  return false;
}

/* A name in the folder. Hidden files are never backups: they are work in progress. */
static int resolve_file(const char *dir, const char *asked, char **path, lb_error *err)
{
  struct stat st;
  if (*asked == '.') return lb_fail(err, LB_MISUSE, "not the name of a backup: \"%s\" begins with a dot", asked);
  char *whole = lb_path_join(dir, asked, err);
  if (!whole) return err->code;
  if (lstat(whole, &st) && (errno == ENOENT || errno == ENOTDIR)) {
    lb_fail(err, LB_NOTFOUND, "no backup \"%s\" in %s (for a file elsewhere pass a path with '/', such as ./%s)", asked,
            dir, asked);
  } else if (check_regular(whole, err) == LB_OK) {
    *path = whole;
    whole = NULL;
  }
  free(whole);
  return err->code;
}

static int resolve(const char *dir, const char *backup, const char *target_source, lb_type type, lb_json *json,
                   char **path, lb_error *err)
{
  lb_name name;
  wish w = { .type = type, .target_source = target_source };
  if (!*backup) return lb_fail(err, LB_MISUSE, "the name of a backup may not be empty");
  if (lb_config_is_uri(backup) || lb_config_is_address(backup)) {
    return lb_fail(err, LB_MISUSE, "not a backup but the address of a server: pass latest, a file name or a path");
  }
  if (strncmp(backup, "latest:", 7) == 0) {
    w.name = backup + 7;
    if (lb_name_check(w.name, err)) return err->code;
    return resolve_latest(dir, backup, &w, json, path, err);
  }
  if (strchr(backup, '/')) return resolve_path(backup, path, err);
  if (has_control(backup)) return lb_fail(err, LB_MISUSE, "the name of a backup may not hold control characters");
  if (strstr(backup, "..")) {
    return lb_fail(err, LB_MISUSE, "the name of a backup may not contain \"..\": \"%s\"", backup);
  }
  if (strcmp(backup, "latest") == 0) return resolve_latest(dir, backup, &w, json, path, err);
  if (lb_name_parse_latest(backup, &name)) {
    if (type != LB_TYPE_NONE && type != name.type) {
      return lb_fail(err, LB_MISUSE, "\"%s\" names a %s backup; a %s one is needed", backup, lb_type_text(name.type),
                     lb_type_text(type));
    }
    w.name = name.name;
    w.type = name.type;
    return resolve_latest(dir, backup, &w, json, path, err);
  }
  return resolve_file(dir, backup, path, err);
}

/* The source is compared with those of manifests. */
int lb_resolve(const char *dir, const char *backup, const char *target_source, lb_type type, lb_json *json, char **path,
               lb_error *err)
{
  char *source = target_source ? lb_utf8_mended(target_source, err) : NULL;
  *path = NULL;
  if (!err->code) resolve(dir, backup, source, type, json, path, err);
  free(source);
  return err->code;
}

/* See listing.h.
**
** A listing opens every file once and reads its end (ours) or its beginning (other tools'), never the content: whether
** the content is whole is what verification finds out, and its results are merged in from the history.
** What is wrong with one file, or with the history, never fails the listing of the others. */
#include "catalog/listing.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "archive/reader.h"
#include "catalog/history.h"
#include "catalog/marks.h"
#include "core/file.h"
#include "core/holders.h"

/* The least that a file of another tool can measure: an empty gzip member, an empty zstd frame, one page of SQLite. */
#define GZIP_LEAST 20
#define ZSTD_LEAST 9
#define SQLITE_LEAST 512

/* ---- verification results ---- */

typedef struct verified {
  char *file, *result;
  int64_t bytes, mtime, at;
} verified;

typedef struct verified_list {
  verified *items;
  int count, capacity;
  const char *only;  /* only of this file; NULL: all */
} verified_list;

static void free_verified(verified_list *list)
{
  for (int i = 0; i < list->count; i++) {
    free(list->items[i].file);
    free(list->items[i].result);
  }
  free(list->items);
}

static int take_verified(void *ctx, const lb_verification *v, lb_error *err)
{
  verified_list *list = ctx;
  if (list->only && strcmp(v->file, list->only) != 0) return LB_OK;
  if (list->count == list->capacity) {
    int capacity = list->capacity ? list->capacity * 2 : 64;
    verified *items = realloc(list->items, (size_t)capacity * sizeof *items);
    if (!items) return lb_fail_nomem(err);
    list->items = items;
    list->capacity = capacity;
  }
  verified *item = &list->items[list->count];
  item->file = lb_text_copy(v->file, err);
  item->result = strndup(v->result, strcspn(v->result, "\n"));
  if (!item->file || !item->result) {
    free(item->file);
    free(item->result);
    return lb_fail_nomem(err);
  }
  item->bytes = v->bytes;
  item->mtime = v->mtime;
  item->at = v->at;
  list->count++;
  return LB_OK;
}

static int compare_verified(const void *a, const void *b)
{
  return strcmp(((const verified *)a)->file, ((const verified *)b)->file);
}

/* A history that is lost or damaged is as good as none. One that is there and cannot be read is not, nor is a folder in
** which none can be kept: *unread tells. */
static int load_verified(const char *dir, verified_list *list, lb_error *unread, lb_error *err)
{
  lb_error own = LB_ERROR_INIT;
  lb_history_each_verification(dir, take_verified, list, &own);
  if (own.code == LB_NOMEM) return lb_fail_nomem(err);
  if (own.code && own.code != LB_CORRUPT) *unread = own;
  if (list->count) qsort(list->items, (size_t)list->count, sizeof *list->items, compare_verified);
  return LB_OK;
}

static int merge_verified(const verified_list *list, const struct stat *st, lb_backup *backup, lb_error *err)
{
  if (!list->count) return LB_OK;
  verified key = { .file = backup->file };
  const verified *found = bsearch(&key, list->items, (size_t)list->count, sizeof key, compare_verified);
  if (!found || found->bytes != backup->bytes || !lb_history_same_mtime(found->mtime, st)) return LB_OK;
  backup->verify_result = lb_text_copy(found->result, err);
  backup->verified_at = found->at;
  return err->code;
}

/* ---- one file ---- */

static int set_problem(lb_backup *backup, const char *text, lb_error *err)
{
  if (!backup->problem) backup->problem = lb_text_copy(text, err);
  return err->code;
}

/* An error about the file is its problem; only a lack of memory is ours. */
static int problem_of_error(lb_backup *backup, const lb_error *own, lb_error *err)
{
  if (own->code != LB_CORRUPT) backup->unread = own->code;
  return own->code == LB_NOMEM ? lb_fail_nomem(err) : set_problem(backup, own->message, err);
}

/* The name tells the codec; NULL where the file is what its name says. */
static const char *codec_fault(const lb_name *name, const lb_codec *codec)
{
  const char *actual = codec ? codec->name : "";
  if (strcmp(name->suffix, ".gz") == 0) return strcmp(actual, "gzip") == 0 ? NULL : "not a gzip file";
  if (strcmp(name->suffix, ".zst") == 0) return strcmp(actual, "zstd") == 0 ? NULL : "not a zstd file";
  return codec ? "compressed, though its name does not say so" : NULL;
}

static const char *size_fault(const lb_codec *codec, int64_t bytes)
{
  if (!codec) return NULL;
  if (strcmp(codec->name, "gzip") == 0 && bytes < GZIP_LEAST) return "truncated gzip file";
  if (strcmp(codec->name, "zstd") == 0 && bytes < ZSTD_LEAST) return "truncated zstd file";
  return NULL;
}

static const char *sqlite_fault(int fd, const lb_backup *backup)
{
  static const char magic[16] = "SQLite format 3";
  char head[sizeof magic];
  lb_error own = LB_ERROR_INIT;
  if (backup->bytes < SQLITE_LEAST) return "truncated SQLite database";
  if (lb_file_read(fd, head, sizeof head, 0, backup->path, &own)) return "cannot be read";
  return memcmp(head, magic, sizeof head) == 0 ? NULL : "not a SQLite database";
}

/* What a file without our index must at least look like. */
static const char *foreign_fault(int fd, const lb_reader *reader, const lb_backup *backup)
{
  const lb_codec *codec = lb_reader_codec(reader);
  const char *fault = size_fault(codec, backup->bytes);
  if (!fault && !codec && backup->name.type == LB_TYPE_SQLITE) fault = sqlite_fault(fd, backup);
  return fault;
}

static int take_manifest(const lb_reader *reader, lb_json *json, lb_backup *backup, lb_error *err)
{
  const char *text = lb_reader_manifest(reader);
  lb_error own = LB_ERROR_INIT;
  backup->indexed = true;
  if (!text) return set_problem(backup, "it has no manifest", err);
  if (lb_manifest_parse(json, text, &backup->manifest, &own)) {
    /* Its index is whole, so this is no damage of the file, and how long it is to be kept is not known. */
    backup->unread = own.code;
    return problem_of_error(backup, &own, err);
  }
  const lb_manifest *m = &backup->manifest;
  if (backup->name.type == LB_TYPE_NONE) {
    backup->name.type = m->type;
    backup->name.kind = m->kind;
    if (m->name) memcpy(backup->name.name, m->name, strlen(m->name) + 1); /* lb_name_check has bounded it */
  } else if (m->type != LB_TYPE_NONE && m->type != backup->name.type) {
    set_problem(backup, "its name and its manifest tell different types of database", err);
  }
  if (m->created > 0) backup->created = m->created;
  return err->code;
}

static int read_content(int fd, lb_json *json, bool named, lb_backup *backup, lb_error *err)
{
  if (backup->bytes == 0) return set_problem(backup, "empty file", err);
  lb_error own = LB_ERROR_INIT;
  lb_reader *reader = lb_reader_open(fd, backup->path, &own);
  if (!reader) return problem_of_error(backup, &own, err);
  const char *fault = named ? codec_fault(&backup->name, lb_reader_codec(reader)) : NULL;
  if (lb_reader_kind_of(reader) == LB_READER_INDEXED) take_manifest(reader, json, backup, err);
  else if (!fault) fault = foreign_fault(fd, reader, backup);
  if (fault) set_problem(backup, fault, err);
  lb_reader_close(reader);
  return err->code;
}

static int read_marks(lb_backup *backup, lb_error *err)
{
  lb_error own = LB_ERROR_INIT;
  backup->pinned = lb_mark_is_pinned(backup->path);
  if (lb_mark_read_note(backup->path, &backup->note, &own) == LB_NOMEM) return lb_fail_nomem(err);
  if (!backup->note && backup->manifest.note) backup->note = lb_text_copy(backup->manifest.note, err);
  return err->code;
}

/* No file is older than what it holds. The earlier scripts wrote local time into names, which east of Greenwich is
** ahead by up to 14 hours: such a file would be newer than backups that were made after it. */
static int64_t created_by_name(int64_t stamp, int64_t modified)
{
  enum { AHEAD_MOST = 14 * 60 * 60 };
  return modified < stamp && stamp - modified <= AHEAD_MOST ? modified : stamp;
}

/* Fills backup from an open file. Its path and name are set; fd may be -1, and open_error then tells why. */
static int read_backup(int fd, int open_error, const struct stat *st, bool named, lb_json *json,
                       const verified_list *list, lb_backup *backup, lb_error *err)
{
  backup->bytes = st->st_size;
  backup->modified = lb_history_mtime(st);
  backup->created = named ? created_by_name(backup->name.created, st->st_mtim.tv_sec) : st->st_mtim.tv_sec;
  if (fd >= 0) {
    read_content(fd, json, named, backup, err);
  } else {
    lb_error own = LB_ERROR_INIT;
    lb_fail_errno(&own, open_error, "cannot open %s", backup->path);
    problem_of_error(backup, &own, err);
  }
  if (err->code == LB_OK) read_marks(backup, err);
  if (err->code == LB_OK) merge_verified(list, st, backup, err);
  return err->code;
}

static int init_backup(lb_backup *backup, char *path, lb_error *err)
{
  memset(backup, 0, sizeof *backup);
  lb_manifest_init(&backup->manifest);
  backup->path = path;
  if (!path) return err->code;
  backup->file = lb_text_copy(lb_path_base(path), err);
  return err->code;
}

void lb_backup_free(lb_backup *backup)
{
  free(backup->path);
  free(backup->file);
  free(backup->problem);
  free(backup->note);
  free(backup->verify_result);
  lb_manifest_free(&backup->manifest);
  memset(backup, 0, sizeof *backup);
  lb_manifest_init(&backup->manifest);
}

int lb_backup_read(const char *path, lb_json *json, lb_backup *backup, lb_error *err)
{
  struct stat st;
  verified_list list = { 0 };
  lb_error unread = LB_ERROR_INIT;  /* of one file nothing is concluded from a missing result */
  char *dir = NULL;
  int fd = -1;
  if (init_backup(backup, lb_text_copy(path, err), err)) goto done;
  if (stat(path, &st)) {
    lb_fail_errno(err, errno, "cannot open backup %s", path);
    goto done;
  }
  if (!S_ISREG(st.st_mode)) {
    lb_fail(err, LB_MISUSE, "not a backup: %s is not a regular file", path);
    goto done;
  }
  bool named = lb_name_parse(backup->file, &backup->name);
  if (!named) memset(&backup->name, 0, sizeof backup->name);
  if (!named) backup->name.suffix = "";
  list.only = backup->file;
  dir = lb_path_dir(path, err);
  if (!dir || load_verified(dir, &list, &unread, err)) goto done;
  fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  read_backup(fd, errno, &st, named, json, &list, backup, err);

done:
  if (fd >= 0) close(fd);
  free(dir);
  free_verified(&list);
  if (err->code != LB_OK) lb_backup_free(backup);
  return err->code;
}

bool lb_backup_is_good(const lb_backup *backup)
{
  return !backup->problem && (!backup->verify_result || strcmp(backup->verify_result, "ok") == 0);
}

bool lb_backup_is_known_whole(const lb_backup *backup)
{
  return lb_backup_is_good(backup) && (backup->indexed || backup->verify_result);
}

/* ---- the folder ---- */

static lb_backup *add_item(lb_listing *listing, int *capacity, lb_error *err)
{
  if (listing->count == *capacity) {
    int larger = *capacity ? *capacity * 2 : 64;
    lb_backup *items = larger < INT_MAX / 2 ? realloc(listing->items, (size_t)larger * sizeof *items) : NULL;
    if (!items) {
      lb_fail_nomem(err);
      return NULL;
    }
    listing->items = items;
    *capacity = larger;
  }
  return &listing->items[listing->count];
}

/* Adds one entry of the folder where it is a backup. A file that vanishes meanwhile (rotation) is none. */
static int read_entry(DIR *d, const char *dir, const char *file, lb_json *json, const verified_list *list,
                      lb_listing *listing, int *capacity, lb_error *err)
{
  lb_name name;
  struct stat st;
  if (!lb_name_parse(file, &name)) return LB_OK;
  bool seen = fstatat(dirfd(d), file, &st, AT_SYMLINK_NOFOLLOW) == 0;
  int stat_error = errno;
  if (seen ? !S_ISREG(st.st_mode) : stat_error == ENOENT) return LB_OK;
  if (!seen) memset(&st, 0, sizeof st);  /* no search permission, or a disk that fails: its name is all that is known */
  /* Closing a descriptor of ours would drop SQLite's locks on a database that this process has open. */
  char *path = lb_path_join(dir, file, err);
  bool live = path && !*name.suffix && lb_holders_open_here(path);
  int fd = live || !path || !seen ? -1 : openat(dirfd(d), file, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
  int open_error = !seen ? stat_error : live ? EBUSY : errno;
  bool gone = fd < 0 && (open_error == ENOENT || open_error == ELOOP);
  if (fd >= 0) gone = fstat(fd, &st) || !S_ISREG(st.st_mode); /* what was opened counts, not what was seen before */
  if (!gone && path) {
    lb_backup *backup = add_item(listing, capacity, err);
    if (backup) {
      listing->count++;
      if (init_backup(backup, path, err) == LB_OK) {
        backup->name = name;
        read_backup(fd, open_error, &st, true, json, list, backup, err);
      }
      path = NULL;  /* the listing's now */
    }
  }
  free(path);
  if (fd >= 0) close(fd);
  return err->code;
}

/* Of one second the higher serial is the newer; files that were copied may all have another time. */
static int compare_newest_first(const void *a, const void *b)
{
  const lb_backup *x = a, *y = b;
  if (x->created != y->created) return x->created < y->created ? 1 : -1;
  if (x->name.serial != y->name.serial) return x->name.serial < y->name.serial ? 1 : -1;
  if (x->modified != y->modified) return x->modified < y->modified ? 1 : -1;
  return strcmp(y->file, x->file);
}

int lb_listing_read(const char *dir, lb_json *json, lb_listing *listing, lb_error *err)
{
  int capacity = 0;
  verified_list list = { 0 };
  memset(listing, 0, sizeof *listing);
  DIR *d = opendir(dir);
  if (!d) return lb_fail_errno(err, errno, "cannot open folder %s", dir);
  load_verified(dir, &list, &listing->history, err);
  if (listing->history.code) lb_history_warn("results of verifications are not known", &listing->history);
  while (err->code == LB_OK) {
    errno = 0;
    struct dirent *entry = readdir(d);
    if (!entry) {
      if (errno) lb_fail_errno(err, errno, "cannot read folder %s", dir);
      break;
    }
    read_entry(d, dir, entry->d_name, json, &list, listing, &capacity, err);
  }
  closedir(d);
  free_verified(&list);
  if (err->code != LB_OK) lb_listing_free(listing);
  else if (listing->count) qsort(listing->items, (size_t)listing->count, sizeof *listing->items, compare_newest_first);
  return err->code;
}

void lb_listing_free(lb_listing *listing)
{
  for (int i = 0; i < listing->count; i++) lb_backup_free(&listing->items[i]);
  free(listing->items);
  listing->items = NULL;
  listing->count = 0;
}

/* ---- sources ---- */

static bool same_name(const lb_backup *a, const lb_backup *b)
{
  return a->name.type == b->name.type && strcmp(a->name.name, b->name.name) == 0;
}

bool lb_backup_same_source(const lb_backup *a, const lb_backup *b)
{
  const char *x = a->manifest.source, *y = b->manifest.source;
  return same_name(a, b) && (!x || !y || strcmp(x, y) == 0);
}

static bool same_known_source(const lb_backup *a, const lb_backup *b)
{
  return !a->manifest.source == !b->manifest.source && lb_backup_same_source(a, b);
}

int lb_listing_group(const lb_listing *listing, int **groups, int *count, lb_error *err)
{
  size_t n = (size_t)listing->count + 1; /* an empty listing is not a failed allocation */
  int *group = calloc(n, sizeof *group), *first = calloc(n, sizeof *first), *merged = calloc(n, sizeof *merged);
  *groups = NULL;
  *count = 0;
  if (!group || !first || !merged) {
    free(group);
    group = NULL;
    lb_fail_nomem(err);
    goto done;
  }
  for (int i = 0; i < listing->count; i++) {
    int g = 0;
    while (g < *count && !same_known_source(&listing->items[first[g]], &listing->items[i])) g++;
    if (g == *count) first[(*count)++] = i;
    group[i] = g;
  }
  /* The unknown join the known, where it is certain which. */
  for (int g = 0; g < *count; g++) {
    int known = 0;
    merged[g] = g;
    if (listing->items[first[g]].manifest.source) continue;
    for (int other = 0; other < *count; other++) {
      if (other == g || !same_name(&listing->items[first[g]], &listing->items[first[other]])) continue;
      merged[g] = ++known == 1 ? other : g;
    }
  }
  for (int i = 0; i < listing->count; i++) group[i] = merged[group[i]];
  *groups = group;

done:
  free(first);
  free(merged);
  return err->code;
}

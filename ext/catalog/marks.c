/* See marks.h. The marks are files, not rows of a database, so that rotation can trust them when all else is lost, and
** so that they travel with a copy of the folder. */
#include "catalog/marks.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "codec/codec.h"
#include "core/file.h"
#include "core/holders.h"

#define NOTE_BYTES 4096
#define REMOVAL_MS 5000      /* far more than a removal takes */

static int check_exists(const char *path, lb_error *err)
{
  struct stat st;
  if (stat(path, &st)) return lb_fail_errno(err, errno, "cannot open backup %s", path);
  if (!S_ISREG(st.st_mode)) return lb_fail(err, LB_MISUSE, "not a backup: %s is not a regular file", path);
  return LB_OK;
}

/* Where the marks of a backup are: rotation looks beside the file itself, not beside a symbolic link to it. */
static char *find_file(const char *path, lb_error *err)
{
  char *file = check_exists(path, err) == LB_OK ? realpath(path, NULL) : NULL;
  if (!file && !err->code) lb_fail_errno(err, errno, "cannot open backup %s", path);
  return file;
}

/* Writes FILE + ending, durably. */
static int put_mark(const char *path, const char *ending, const char *text, lb_error *err)
{
  char *dir = lb_path_dir(path, err);
  char *name = lb_text_printf(err, "%s%s", lb_path_base(path), ending);
  if (dir && name) lb_file_put(dir, name, text, strlen(text), err);
  free(dir);
  free(name);
  return err->code;
}

/* Removes FILE + ending where it exists; *removed tells the caller to sync the folder. */
static int unlink_mark(const char *path, const char *ending, bool *removed, lb_error *err)
{
  char *mark = lb_text_printf(err, "%s%s", path, ending);
  if (!mark) return err->code;
  if (unlink(mark) == 0) *removed = true;
  else if (errno != ENOENT) lb_fail_errno(err, errno, "cannot remove %s", mark);
  free(mark);
  return err->code;
}

static int sync_folder(const char *path, lb_error *err)
{
  char *dir = lb_path_dir(path, err);
  if (dir) lb_dir_sync(dir, err);
  free(dir);
  return err->code;
}

static int remove_mark(const char *path, const char *ending, lb_error *err)
{
  bool removed = false;
  unlink_mark(path, ending, &removed, err);
  if (removed) sync_folder(path, err);
  return err->code;
}

/* Waits for whoever has the file locked for itself, which a removal has from its look for a pin until the file is gone.
** Where it cannot be locked at all, nothing is removed either. */
static int wait_for_removal(int fd, const char *file, lb_error *err)
{
  static const struct timespec moment = { .tv_nsec = 1000 * 1000 };
  for (int i = 0; i < REMOVAL_MS; i++) {
    if (lb_file_lock(fd, false) || errno != EWOULDBLOCK) return LB_OK;
    nanosleep(&moment, NULL);
  }
  return lb_fail(err, LB_BUSY, "backup %s is being written or removed by another process", file);
}

/* A rotation that had looked before there was a pin may be about to remove the file. Closing a descriptor of ours would
** drop SQLite's locks on a plain database that this process has open: that one is not looked at, and not removed. */
static int check_stays(const char *file, lb_error *err)
{
  bool live = !lb_codec_by_suffix(file) && lb_holders_open_here(file);
  int fd = live ? -1 : open(file, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
  if (fd >= 0) {
    wait_for_removal(fd, file, err);
    lb_file_close_locked(fd);
  }
  return err->code ? err->code : check_exists(file, err);
}

int lb_mark_pin(const char *path, bool pinned, lb_error *err)
{
  char *file = find_file(path, err);
  if (!file) return err->code;
  if (pinned) {
    put_mark(file, ".pin", "", err);
    if (!err->code) check_stays(file, err);
  } else {
    remove_mark(file, ".pin", err);
  }
  free(file);
  return err->code;
}

bool lb_mark_is_pinned(const char *path)
{
  lb_error err = LB_ERROR_INIT;
  struct stat st;
  char *mark = lb_text_printf(&err, "%s.pin", path);
  /* When in doubt (no memory, no permission), it is pinned: that removes nothing. */
  bool pinned = !mark || lstat(mark, &st) == 0 || (errno != ENOENT && errno != ENOTDIR);
  free(mark);
  return pinned;
}

int lb_mark_note(const char *path, const char *text, lb_error *err)
{
  char *file = find_file(path, err);
  if (!file) return err->code;
  if (!text || !*text) remove_mark(file, ".note", err);
  else if (strlen(text) > NOTE_BYTES) lb_fail(err, LB_MISUSE, "a note may have %d bytes, not more", NOTE_BYTES);
  else put_mark(file, ".note", text, err);
  free(file);
  return err->code;
}

int lb_mark_read_note(const char *path, char **text, lb_error *err)
{
  *text = NULL;
  struct stat st;
  char *mark = lb_text_printf(err, "%s.note", path);
  if (!mark) return err->code;
  if (lstat(mark, &st) == 0) *text = lb_file_slurp(mark, NOTE_BYTES, err);
  else if (errno != ENOENT && errno != ENOTDIR) lb_fail_errno(err, errno, "cannot read %s", mark);
  free(mark);
  return err->code;
}

/* ---- removing a backup ---- */

/* Locks the file that path names at this moment, and no other: it may have been removed or replaced since the open. */
static int lock_for_removal(int fd, const char *path, lb_error *err)
{
  struct stat opened, named;
  if (fstat(fd, &opened)) return lb_fail_errno(err, errno, "cannot open backup %s", path);
  if (!S_ISREG(opened.st_mode)) return lb_fail(err, LB_BUSY, "not removed: %s is not a regular file", path);
  if (!lb_file_lock(fd, true)) {
    if (errno == EWOULDBLOCK) return lb_fail(err, LB_BUSY, "not removed: %s is in use by another process", path);
    return lb_fail_errno(err, errno, "cannot lock %s", path);
  }
  if (lstat(path, &named)) return lb_fail_errno(err, errno, "cannot open backup %s", path);
  if (named.st_dev != opened.st_dev || named.st_ino != opened.st_ino) {
    return lb_fail(err, LB_BUSY, "not removed: %s is in use by another process", path);
  }
  return LB_OK;
}

int lb_mark_remove_backup(const char *path, lb_error *err)
{
  int flags = O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC;
  int fd = open(path, O_RDWR | flags); /* for writing: NFS grants an exclusive lock only then */
  if (fd < 0 && (errno == EACCES || errno == EPERM)) fd = open(path, O_RDONLY | flags);
  if (fd < 0) {
    if (errno == ELOOP || errno == EISDIR) return lb_fail(err, LB_BUSY, "not removed: %s is not a regular file", path);
    return lb_fail_errno(err, errno, "cannot open backup %s", path);
  }
  bool removed = false;
  if (lock_for_removal(fd, path, err) == LB_OK && lb_mark_is_pinned(path))
    lb_fail(err, LB_BUSY, "not removed: %s is pinned", path);
  if (!err->code && unlink(path)) lb_fail_errno(err, errno, "cannot remove %s", path);
  if (err->code == LB_OK) {
    /* The marks go last: a pin without its backup is harmless, a backup that lost its pin is not. */
    unlink_mark(path, ".pin", &removed, err);
    unlink_mark(path, ".note", &removed, err);
    sync_folder(path, err);
  }
  close(fd);
  return err->code;
}

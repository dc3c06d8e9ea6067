/* What users say of a backup, as plain files beside it: FILE.pin (empty) and FILE.note (UTF-8 text, at most 4096
** bytes). */
#ifndef LB_CATALOG_MARKS_H
#define LB_CATALOG_MARKS_H

#include <stdbool.h>

#include "core/error.h"

int lb_mark_pin(const char *path, bool pinned, lb_error *err);
bool lb_mark_is_pinned(const char *path);
/* text NULL or "": removes the note. */
int lb_mark_note(const char *path, const char *text, lb_error *err);
/* *text is NULL where there is no note; allocated otherwise. */
int lb_mark_read_note(const char *path, char **text, lb_error *err);

/* Removes a backup file and its marks, then syncs the folder. Fails with LB_BUSY when another process is writing it or
** restoring from it (flock), when it is pinned, or when it is not a regular file. */
int lb_mark_remove_backup(const char *path, lb_error *err);

#endif

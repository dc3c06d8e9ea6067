/* From what a user calls a backup to a file.
**
** In this order: a path (it contains '/'), `latest`, `latest:NAME`, NAME_TYPE_latest.EXT (EXT is ignored: the newest of
** any codec), else a file name in the folder. `latest` forms choose the newest good full backup (a partial one only
** where there is no full one at all); plain `latest` where the folder has several sources is
** LB_MISUSE and lists them, unless target_source or type narrows it to one. Names with control bytes or "..", and names
** that exist neither in the folder nor (when they are a path) on disk, are errors that say what was looked for and
** where.
*/
#ifndef LB_CATALOG_RESOLVE_H
#define LB_CATALOG_RESOLVE_H

#include "catalog/listing.h"

/* dir: the folder of backups. target_source: the absolute path (or scrubbed URI) that is about to be restored, or NULL;
** when it is the source of some backup, `latest` means the newest of that source. type: LB_TYPE_NONE for any. *path is
** allocated; the caller frees. */
int lb_resolve(const char *dir, const char *backup, const char *target_source, lb_type type, lb_json *json, char **path,
               lb_error *err);

#endif

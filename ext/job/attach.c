/* See attach.h. */
#include "job/attach.h"

#include <stdlib.h>
#include <string.h>

#include "archive/reader.h"
#include "job/stage.h"
#include "vfs/cache.h"
#include "vfs/vfs.h"

static int check_content(lb_opened *backup, lb_error *err)
{
  lb_sqlite_header header;
  const lb_backup *about = &backup->about;
  lb_type type = about->manifest.type != LB_TYPE_NONE ? about->manifest.type : about->name.type;
  if (type == LB_TYPE_POSTGRES || lb_reader_contents(backup->reader)) return lb_stage_fail_dump(backup, err);
  return lb_stage_peek(backup, &header, err);
}

int lb_job_cache_limit(const lb_config *config, lb_error *err)
{
  int64_t megabytes = 0;
  if (lb_config_integer(config, LB_CONFIG_CACHE_MB, 0, &megabytes, err) == LB_OK && megabytes > 0) {
    lb_cache_limit((size_t)megabytes << 20);
  }
  return err->code;
}

int lb_job_uri(lb_job *job, const char *name, char **uri, lb_error *err)
{
  lb_opened backup = { .fd = -1 };
  *uri = NULL;
  lb_job_begin(job, "uri", name, err);
  if (!err->code && lb_job_find_backup(job, name, LB_TYPE_NONE, &backup, err) == LB_OK &&
      check_content(&backup, err) == LB_OK) {
    char *path = lb_path_absolute(backup.path, err);
    if (path) *uri = lb_vfs_uri(path, err);
    free(path);
  }
  lb_job_end(job, NULL, err);
  lb_job_close_backup(&backup);
  return err->code;
}

/* See holders.h. /proc/locks: "1: POSIX  ADVISORY  WRITE 4242 08:01:131089 0 EOF" (proc(5)). */
#include "core/holders.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

static void name_process(long pid, lb_buf *out)
{
  char path[64], comm[64] = "";
  if (pid == (long)getpid()) {
    lb_buf_text(out, "this process");
    return;
  }
  snprintf(path, sizeof path, "/proc/%ld/comm", pid);
  FILE *f = fopen(path, "re");
  if (f) {
    if (fgets(comm, sizeof comm, f)) comm[strcspn(comm, "\n")] = 0;
    fclose(f);
  }
  for (char *c = comm; *c; c++) {
    if ((unsigned char)*c < ' ') *c = '?';
  }
  if (comm[0]) lb_buf_printf(out, "pid %ld (%s)", pid, comm);
  else lb_buf_printf(out, "pid %ld", pid);
}

static void add_lock_holders(const struct stat *st, lb_buf *out, long *seen, int *count)
{
  char line[256];
  FILE *f = fopen("/proc/locks", "re");
  if (!f) return;
  while (fgets(line, sizeof line, f) && *count < 16) {
    long pid;
    unsigned dev_major, dev_minor;
    unsigned long long inode;
    if (sscanf(line, "%*d: %*s %*s %*s %ld %x:%x:%llu", &pid, &dev_major, &dev_minor, &inode) != 4) continue;
    if (inode != st->st_ino || dev_major != major(st->st_dev) || dev_minor != minor(st->st_dev) || pid <= 0) continue;
    bool known = false;
    for (int i = 0; i < *count; i++) known = known || seen[i] == pid;
    if (known) continue;
    lb_buf_text(out, *count ? ", " : " (locked by ");
    name_process(pid, out);
    seen[(*count)++] = pid;
  }
  fclose(f);
}

void lb_holders_of_locks(const char *path, lb_buf *out)
{
  static const char *const files[] = { "", "-wal", "-shm" };
  long seen[16];
  int count = 0;
  for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
    char name[4200];
    struct stat st;
    if (snprintf(name, sizeof name, "%s%s", path, files[i]) < (int)sizeof name && stat(name, &st) == 0) {
      add_lock_holders(&st, out, seen, &count);
    }
  }
  if (count) lb_buf_text(out, ")");
}

static int count_descriptors(long pid, const struct stat *file)
{
  char path[64];
  snprintf(path, sizeof path, "/proc/%ld/fd", pid);
  DIR *d = opendir(path);
  if (!d) return 0;
  int count = 0;
  struct dirent *item;
  while ((item = readdir(d))) {
    struct stat st;
    if (item->d_name[0] != '.' && fstatat(dirfd(d), item->d_name, &st, 0) == 0 && st.st_ino == file->st_ino &&
        st.st_dev == file->st_dev) count++;
  }
  closedir(d);
  return count;
}

int lb_holders_of_file(const char *path, int own, lb_buf *out)
{
  struct stat st;
  DIR *proc = stat(path, &st) == 0 ? opendir("/proc") : NULL;
  if (!proc) return 0;
  int holders = 0;
  struct dirent *item;
  while ((item = readdir(proc))) {
    char *end;
    long pid = strtol(item->d_name, &end, 10);
    if (pid <= 0 || *end) continue;
    int open_here = count_descriptors(pid, &st);
    if (open_here <= (pid == (long)getpid() ? own : 0)) continue;
    if (holders++) lb_buf_text(out, ", ");
    name_process(pid, out);
  }
  closedir(proc);
  return holders;
}

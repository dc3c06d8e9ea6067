/* See holders.h. /proc/locks: "1: POSIX  ADVISORY  WRITE 4242 08:01:131089 0 EOF" (proc(5)). Those of flock() are none
** of SQLite's: we hold them on backups, which may be plain databases. */
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

enum { HOLDERS_MAX = 16 };

typedef struct holder {
  long pid;
  bool excludes;  /* holds a write lock */
} holder;

static int find_lock_holders(const struct stat *st, holder *found, int count)
{
  char line[256], type[16], kind[16];
  FILE *f = fopen("/proc/locks", "re");
  if (!f) return count;
  while (fgets(line, sizeof line, f)) {
    long pid;
    unsigned dev_major, dev_minor;
    unsigned long long inode;
    if (sscanf(line, "%*d: %15s %*s %15s %ld %x:%x:%llu", type, kind, &pid, &dev_major, &dev_minor, &inode) != 6 ||
        strcmp(type, "FLOCK") == 0) {
      continue;
    }
    if (inode != st->st_ino || dev_major != major(st->st_dev) || dev_minor != minor(st->st_dev) || pid <= 0) continue;
    int i = 0;
    while (i < count && found[i].pid != pid) i++;
    if (i == HOLDERS_MAX) continue;
    if (i == count) found[count++] = (holder){ pid, false };
    if (strcmp(kind, "WRITE") == 0) found[i].excludes = true;
  }
  fclose(f);
  return count;
}

void lb_holders_of_locks(const char *path, lb_buf *out)
{
  static const char *const files[] = { "", "-wal", "-shm" };
  holder found[HOLDERS_MAX];
  int count = 0, named = 0;
  for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
    char name[4200];
    struct stat st;
    if (snprintf(name, sizeof name, "%s%s", path, files[i]) < (int)sizeof name && stat(name, &st) == 0) {
      count = find_lock_holders(&st, found, count);
    }
  }
  long self = (long)getpid();
  /* Three rounds, of which the first that finds anybody counts. */
  for (int round = 0; round < 3 && !named; round++) {
    for (int i = 0; i < count; i++) {
      if (round == 2 ? found[i].pid != self : found[i].pid == self || (round == 0 && !found[i].excludes)) continue;
      lb_buf_text(out, named++ ? ", " : " (locked by ");
      name_process(found[i].pid, out);
    }
  }
  if (named) lb_buf_text(out, ")");
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

bool lb_holders_open_here(const char *path)
{
  struct stat st;
  return stat(path, &st) == 0 && count_descriptors((long)getpid(), &st) > 0;
}

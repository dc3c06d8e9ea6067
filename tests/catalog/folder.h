/* A scratch folder for the tests of the catalogue, and small files in it. Any failure ends the test. */
#ifndef TESTS_CATALOG_FOLDER_H
#define TESTS_CATALOG_FOLDER_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "archive/writer.h"
#include "catalog/history.h"
#include "catalog/listing.h"

static char folder[64];

static inline int folder_make(void **state)
{
  (void)state;
  strcpy(folder, "/tmp/lb-catalog-XXXXXX");
  return mkdtemp(folder) ? 0 : -1;
}

static inline int folder_remove(void **state)
{
  (void)state;
  char path[512];
  DIR *d = opendir(folder);
  struct dirent *item;
  while (d && (item = readdir(d))) {
    snprintf(path, sizeof path, "%s/%s", folder, item->d_name);
    if (strcmp(item->d_name, ".") && strcmp(item->d_name, "..")) remove(path);
  }
  if (d) closedir(d);
  return rmdir(folder);
}

/* The path of a name in the folder; the result lives until the fourth call from now. */
static inline char *in_folder(const char *name)
{
  static char paths[4][512];
  static int next;
  char *path = paths[next++ % 4];
  snprintf(path, sizeof paths[0], "%s/%s", folder, name);
  return path;
}

static inline void put_file(const char *name, const void *data, size_t n)
{
  FILE *f = fopen(in_folder(name), "wb");
  assert_non_null(f);
  assert_int_equal(fwrite(data, 1, n, f), n);
  assert_int_equal(fclose(f), 0);
}

static inline bool file_exists(const char *name)
{
  struct stat st;
  return lstat(in_folder(name), &st) == 0;
}

/* A backup of ours, with content of a few bytes and the given manifest. */
static inline void put_backup(const char *name, const char *manifest)
{
  lb_error err = LB_ERROR_INIT;
  lb_task task = { 0 };
  lb_task_begin(&task, "create", "test");
  int fd = open(in_folder(name), O_RDWR | O_CREAT | O_EXCL, 0600);
  assert_true(fd >= 0);
  lb_writer_options options = { .codec = lb_codec_get("gzip", &err), .level = 1, .threads = 1 };
  lb_writer *writer = lb_writer_open(fd, in_folder(name), &options, &task, &err);
  assert_non_null(writer);
  lb_sink *sink = lb_writer_sink(writer);
  unsigned char *block = sink->claim(sink, &err);
  assert_non_null(block);
  memset(block, 'x', 1000);
  sink->submit(sink, 1000, &err);
  lb_writer_figures figures;
  lb_writer_end_data(writer, &figures, &err);
  lb_writer_finish(writer, manifest, NULL, &err);
  assert_string_equal(err.message, "");
  lb_writer_close(writer);
  lb_task_end(&task);
  close(fd);
}

/* The same for a source and a time ("YYYY-MM-DD HH:MM:SS"). */
static inline void put_backup_of(const char *name, const char *source, const char *created)
{
  char manifest[512];
  snprintf(manifest, sizeof manifest, "{\"format\":1,\"source\":\"%s\",\"type\":\"%s\",\"created\":\"%s\"}", source,
           strstr(name, "_postgres_") ? "postgres" : "sqlite", created);
  put_backup(name, manifest);
}

static inline int add_verification(const char *name, const char *level, const char *result, lb_error *err)
{
  struct stat st;
  assert_int_equal(stat(in_folder(name), &st), 0);
  return lb_history_verified(folder, in_folder(name), &st, level, result, err);
}

/* What `gzip` makes of no bytes: a whole gzip file of another tool. */
static inline void put_foreign_gzip(const char *name)
{
  static const unsigned char empty[] = { 0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0 };
  put_file(name, empty, sizeof empty);
}

#endif

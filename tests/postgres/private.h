/* For unit tests: a private folder with programs of their own, and a task that is interrupted when they say so. To be
** included behind cmocka.h and the headers of what is tested, by one source of a program. */
#ifndef TESTS_POSTGRES_PRIVATE_H
#define TESTS_POSTGRES_PRIVATE_H

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/task.h"

static char folder[] = "/tmp/lifeboat-test.XXXXXX";
static double interrupt_at;  /* 0: never */

static bool is_interrupted(void *ctx)
{
  (void)ctx;
  return interrupt_at > 0 && lb_clock_monotonic() > interrupt_at;
}

static lb_task task = { .interrupted = is_interrupted };

/* A program of our own in PG_BINDIR. */
static void put_program(const char *name, const char *script)
{
  char path[80];
  snprintf(path, sizeof path, "%s/%s", folder, name);
  FILE *f = fopen(path, "w");
  assert_non_null(f);
  fprintf(f, "#!/bin/sh\n%s\n", script);
  fclose(f);
  assert_int_equal(chmod(path, 0755), 0);
  setenv("PG_BINDIR", folder, 1);
}

static int make_folder(void **state)
{
  (void)state;
  lb_task_begin(&task, "test", folder);
  return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
  (void)state;
  static const char *const names[] = { "service", "pg_dump", "play", "spy", "spy.real" };
  char path[80];
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
    snprintf(path, sizeof path, "%s/%s", folder, names[i]);
    unlink(path);
  }
  lb_task_end(&task);
  return rmdir(folder);
}

#endif

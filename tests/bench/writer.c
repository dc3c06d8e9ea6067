/* An application that commits all the time, and tells how long its commits took.
**
**     writer DATABASE SECONDS
**
** Adds one audit row and changes one message a transaction, back to back, in the journal mode that the database has,
** with synchronous=FULL and without a busy timeout: a database that is locked is counted, not waited for. Prints
** `ready` once it has warmed up; then it measures until SECONDS have passed or SIGTERM comes, and prints one line of
** JSON: commits, busy, p50_ms, p99_ms, max_ms, seconds.
*/
#include <signal.h>
#include <sqlite3.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { WARM_UP = 200, SAMPLES_MOST = 1 << 22 };

static volatile sig_atomic_t stopped;

static void on_stop(int signal_number)
{
  (void)signal_number;
  stopped = 1;
}

static double now(void)
{
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void check(sqlite3 *db, int rc, const char *what)
{
  if (rc == SQLITE_OK) return;
  fprintf(stderr, "writer: %s: %s\n", what, sqlite3_errmsg(db));
  exit(1);
}

/* One transaction. SQLITE_BUSY is a result; anything else that is wrong ends the program. */
static int commit_one(sqlite3 *db, sqlite3_stmt *statements[4], int64_t number)
{
  int rc = SQLITE_OK;
  for (int i = 0; i < 4 && rc == SQLITE_OK; i++) {
    if (i == 1 || i == 2) sqlite3_bind_int64(statements[i], 1, number);
    sqlite3_step(statements[i]);
    rc = sqlite3_reset(statements[i]);
  }
  if (rc != SQLITE_BUSY) check(db, rc, "commit");
  else if (!sqlite3_get_autocommit(db)) sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
  return rc;
}

static int by_value(const void *a, const void *b)
{
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static void report(double *samples, int64_t count, int64_t busy, double seconds)
{
  qsort(samples, (size_t)count, sizeof *samples, by_value);
  double p50 = count ? samples[count / 2] : 0, p99 = count ? samples[count - 1 - count / 100] : 0;
  printf("{\"commits\":%lld,\"busy\":%lld,\"p50_ms\":%.4f,\"p99_ms\":%.4f,\"max_ms\":%.4f,"
         "\"seconds\":%.3f}\n",
         (long long)count, (long long)busy, p50 * 1e3, p99 * 1e3, count ? samples[count - 1] * 1e3 : 0, seconds);
}

int main(int argc, char **argv)
{
  static const char *const sql[4] = {
    "BEGIN IMMEDIATE",
    "INSERT INTO audit(at, actor, action, entity, detail) VALUES(?1, 1, 'bench', 'bench', 'one more row')",
    "UPDATE messages SET created_at=created_at+1 WHERE id=1+(?1*7919)%(SELECT max(id) FROM messages)",
    "COMMIT",
  };
  if (argc != 3) {
    fprintf(stderr, "usage: writer DATABASE SECONDS\n");
    return 2;
  }
  sqlite3 *db = NULL;
  sqlite3_stmt *statements[4];
  double *samples = malloc(sizeof *samples * SAMPLES_MOST), limit = atof(argv[2]);
  if (!samples) return 1;
  check(db, sqlite3_open_v2(argv[1], &db, SQLITE_OPEN_READWRITE, NULL), argv[1]);
  check(db, sqlite3_exec(db, "PRAGMA synchronous=FULL", NULL, NULL, NULL), "synchronous");
  for (int i = 0; i < 4; i++) check(db, sqlite3_prepare_v2(db, sql[i], -1, &statements[i], NULL), sql[i]);
  signal(SIGTERM, on_stop);
  for (int64_t i = 0; i < WARM_UP; i++) commit_one(db, statements, i);
  puts("ready");
  fflush(stdout);

  int64_t count = 0, busy = 0;
  double began = now(), before = began, after = began;
  while (!stopped && count < SAMPLES_MOST && after - began < limit) {
    before = now();
    int rc = commit_one(db, statements, WARM_UP + count + busy);
    after = now();
    if (rc == SQLITE_BUSY) busy++;
    else samples[count++] = after - before;
  }
  report(samples, count, busy, after - began);
  for (int i = 0; i < 4; i++) sqlite3_finalize(statements[i]);
  sqlite3_close(db);
  free(samples);
  return 0;
}

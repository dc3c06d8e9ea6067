/* Backups read in place by a C program: many connections and threads at once, and across a fork.
**
**     readers EXTENSION threads BACKUP PLAIN [BACKUP PLAIN]   eight threads, each opening, asking and closing in turn
**     readers EXTENSION fork BACKUP PLAIN                     a scan that is half done goes on in parent and child
**
** A BACKUP of "-" is made of the database behind it, into BACKUP_DIR. Every answer is compared with what the plain
** database says of its table t(id, name, amount, body). Backups are opened by their plain path, with the VFS as an
** argument: no URIs. Prints "ok"; any failure is a message and status 1. */
#include <pthread.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { THREADS = 8, ROUNDS = 3, LOOKUPS = 150, BACKUPS = 2, FORKS = 8 };

static const char scan[] = "SELECT count(*), sum(id * length(body)), sum(length(name)) FROM t";
static const char lookup[] = "SELECT name || '/' || hex(body) FROM t WHERE id = ?";

typedef struct subject {
  const char *backup, *plain;
  long long rows, sum, names;
  char **values;   /* by id from 1 */
} subject;

static subject subjects[BACKUPS];
static int subject_count;

static void die(sqlite3 *db, const char *what)
{
  fprintf(stderr, "%s: %s\n", what, db ? sqlite3_errmsg(db) : "");
  exit(1);
}

static sqlite3 *connect_to(const char *path, const char *vfs)
{
  sqlite3 *db = NULL;
  if (sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, vfs)) die(db, path);
  return db;
}

static sqlite3_stmt *prepare(sqlite3 *db, const char *sql)
{
  sqlite3_stmt *stmt = NULL;
  if (sqlite3_prepare_v2(db, sql, -1, &stmt, NULL)) die(db, sql);
  return stmt;
}

static char *make(sqlite3 *db, const char *plain)
{
  sqlite3_stmt *stmt = prepare(db, "SELECT backup_create(?)");
  sqlite3_bind_text(stmt, 1, plain, -1, SQLITE_STATIC);
  if (sqlite3_step(stmt) != SQLITE_ROW) die(db, plain);
  char *path = strdup((const char *)sqlite3_column_text(stmt, 0));
  sqlite3_finalize(stmt);
  return path;
}

static void learn(subject *s)
{
  sqlite3 *db = connect_to(s->plain, NULL);
  sqlite3_stmt *stmt = prepare(db, scan);
  if (sqlite3_step(stmt) != SQLITE_ROW) die(db, scan);
  s->rows = sqlite3_column_int64(stmt, 0);
  s->sum = sqlite3_column_int64(stmt, 1);
  s->names = sqlite3_column_int64(stmt, 2);
  sqlite3_finalize(stmt);
  s->values = calloc((size_t)s->rows + 1, sizeof *s->values);
  stmt = prepare(db, lookup);
  for (long long id = 1; id <= s->rows; id++) {
    sqlite3_bind_int64(stmt, 1, id);
    if (sqlite3_step(stmt) != SQLITE_ROW) die(db, lookup);
    s->values[id] = strdup((const char *)sqlite3_column_text(stmt, 0));
    sqlite3_reset(stmt);
  }
  sqlite3_finalize(stmt);
  sqlite3_close(db);
}

static void check_scan(sqlite3 *db, const subject *s)
{
  sqlite3_stmt *stmt = prepare(db, scan);
  if (sqlite3_step(stmt) != SQLITE_ROW) die(db, scan);
  if (sqlite3_column_int64(stmt, 0) != s->rows || sqlite3_column_int64(stmt, 1) != s->sum ||
      sqlite3_column_int64(stmt, 2) != s->names) {
    die(NULL, "a scan gave other rows");
  }
  sqlite3_finalize(stmt);
}

static void check_lookups(sqlite3 *db, const subject *s, unsigned seed)
{
  sqlite3_stmt *stmt = prepare(db, lookup);
  for (int i = 0; i < LOOKUPS; i++) {
    seed = seed * 1664525u + 1013904223u;
    long long id = 1 + (seed >> 8) % s->rows;
    sqlite3_bind_int64(stmt, 1, id);
    if (sqlite3_step(stmt) != SQLITE_ROW) die(db, lookup);
    if (strcmp((const char *)sqlite3_column_text(stmt, 0), s->values[id]) != 0) die(NULL, "a lookup gave another row");
    sqlite3_reset(stmt);
  }
  sqlite3_finalize(stmt);
}

static void *work(void *argument)
{
  int number = *(int *)argument;
  for (int round = 0; round < ROUNDS; round++) {
    const subject *s = &subjects[(number + round) % subject_count];
    sqlite3 *db = connect_to(s->backup, "lifeboat");
    if ((number + round) % 2) check_scan(db, s);
    check_lookups(db, s, (unsigned)(number * 1000 + round));
    if (number % 2) check_scan(db, s);
    if (sqlite3_close(db)) die(db, "close");
  }
  return NULL;
}

static void hammer(void)
{
  pthread_t threads[THREADS];
  int numbers[THREADS];
  for (int i = 0; i < THREADS; i++) {
    numbers[i] = i;
    if (pthread_create(&threads[i], NULL, work, &numbers[i])) die(NULL, "cannot start a thread");
  }
  for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
}

/* The rest of a scan by rows, then all else on old and new connections. */
static void go_on(sqlite3 *db, sqlite3_stmt *rows, long long seen, const subject *s)
{
  while (sqlite3_step(rows) == SQLITE_ROW) seen++;
  if (sqlite3_finalize(rows) || seen != s->rows) die(db, "the scan did not go on");
  check_scan(db, s);
  check_lookups(db, s, 7);
}

/* Many forks along one scan: some of them while a thread of the cache inflates, which the child lacks. A child that waits
** for it for ever is ended by its alarm. */
static void fork_amid(const subject *s)
{
  sqlite3 *db = connect_to(s->backup, "lifeboat");
  sqlite3_stmt *rows = prepare(db, "SELECT id, body FROM t");
  long long seen = 0;
  for (int i = 1; i <= FORKS; i++) {
    int status = 1;
    while (seen < s->rows * i / (FORKS + 1) && sqlite3_step(rows) == SQLITE_ROW) seen++;
    pid_t child = fork();
    if (child < 0) die(NULL, "cannot fork");
    if (child == 0) {
      alarm(30);
      go_on(db, rows, seen, s);
      if (i == FORKS / 2) hammer();
      exit(sqlite3_close(db));
    }
    if (waitpid(child, &status, 0) != child || status != 0) die(NULL, "the child failed");
  }
  go_on(db, rows, seen, s);
  hammer();
  sqlite3_close(db);
}

int main(int argc, char **argv)
{
  char *message = NULL;
  sqlite3 *first = NULL;
  if (argc < 5) return 2;
  if (sqlite3_open(":memory:", &first)) die(first, "open");
  sqlite3_db_config(first, SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 1, NULL);
  if (sqlite3_load_extension(first, argv[1], NULL, &message)) die(NULL, message);
  /* So small that blocks come and go; for a fork, large enough for read-ahead to be ahead. */
  const char *limit = strcmp(argv[2], "fork") == 0 ? "SELECT backup_set('cache_mb', 8)"
                                                   : "SELECT backup_set('cache_mb', 1)";
  sqlite3_exec(first, limit, NULL, NULL, NULL);
  for (int i = 3; i + 1 < argc && subject_count < BACKUPS; i += 2) {
    subjects[subject_count].backup = strcmp(argv[i], "-") == 0 ? make(first, argv[i + 1]) : argv[i];
    subjects[subject_count].plain = argv[i + 1];
    learn(&subjects[subject_count++]);
  }
  sqlite3_close(first);
  if (strcmp(argv[2], "fork") == 0) fork_amid(&subjects[0]);
  else hammer();
  puts("ok");
  return 0;
}

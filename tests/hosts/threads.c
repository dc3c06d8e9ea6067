/* Lifeboat in a C program: many connections, eight threads at once, the loading connection closed meanwhile.
**
** Each thread opens its own connection and database, loads the extension (into one that has it already, for most), and
** creates, verifies, lists, restores and rotates in the one folder that BACKUP_DIR names. Prints "ok"; any failure is a
** message and status 1. */
#include <pthread.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { THREADS = 8, ROUNDS = 5 };

static const char *extension;

static void die(sqlite3 *db, const char *what)
{
  fprintf(stderr, "%s: %s\n", what, db ? sqlite3_errmsg(db) : "");
  exit(1);
}

static sqlite3 *connect_to(const char *path)
{
  sqlite3 *db = NULL;
  char *message = NULL;
  if (sqlite3_open(path, &db)) die(db, path);
  sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 1, NULL);
  if (sqlite3_load_extension(db, extension, NULL, &message)) die(NULL, message);
  return db;
}

/* Runs sql, with %d for the number of the thread; its first value must be want, where that is given. */
static void run(sqlite3 *db, int number, const char *sql, const char *want)
{
  char text[512];
  sqlite3_stmt *stmt = NULL;
  snprintf(text, sizeof text, sql, number, number);
  if (sqlite3_prepare_v2(db, text, -1, &stmt, NULL)) die(db, text);
  int rc = sqlite3_step(stmt);
  if (rc != SQLITE_ROW && rc != SQLITE_DONE) die(db, text);
  const char *got = rc == SQLITE_ROW ? (const char *)sqlite3_column_text(stmt, 0) : NULL;
  if (want && (!got || strcmp(got, want) != 0)) {
    fprintf(stderr, "%s: %s instead of %s\n", text, got ? got : "NULL", want);
    exit(1);
  }
  sqlite3_finalize(stmt);
}

static void *work(void *argument)
{
  int number = *(int *)argument;
  char path[32];
  snprintf(path, sizeof path, "app%d.db", number);
  for (int round = 0; round < ROUNDS; round++) {
    sqlite3 *db = connect_to(path);
    run(db, number, "CREATE TABLE IF NOT EXISTS t(a)", NULL);
    run(db, number, "INSERT INTO t VALUES(%d)", NULL);
    run(db, number, "SELECT substr(backup_create('main', '{\"threads\":2,\"verify\":true}'), -3)", ".gz");
    run(db, number, "SELECT backup_verify('latest:app%d', 'full')", "ok");
    run(db, number, "SELECT count(*) > 0 FROM backups WHERE name = 'app%d'", "1");
    run(db, number, "SELECT count(*) > 0 FROM backup_history", "1");
    run(db, number, "SELECT count(*) >= 0 FROM backup_activity", "1");
    run(db, number, "SELECT backup_restore('latest:app%d', 'restored%d.db', '{\"overwrite\":true}') ->> 'check'", "ok");
    run(db, number, "SELECT backup_rotate('{\"name\":\"app%d\",\"keep_last\":2}') >= 0", "1");
    if (sqlite3_close(db)) die(db, "close");
  }
  return NULL;
}

int main(int argc, char **argv)
{
  pthread_t threads[THREADS];
  int numbers[THREADS];
  if (argc < 2) return 2;
  extension = argv[1];
  sqlite3 *first = connect_to(":memory:");
  for (int i = 0; i < THREADS; i++) {
    numbers[i] = i;
    if (pthread_create(&threads[i], NULL, work, &numbers[i])) return 1;
  }
  sqlite3_close(first);  /* the one that loaded it goes; the others work on */
  for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);

  /* Many connections at once, each with the extension. */
  sqlite3 *many[100];
  for (int i = 0; i < 100; i++) many[i] = connect_to(":memory:");
  for (int i = 0; i < 100; i++) run(many[i], i, "SELECT count(*) > 0 FROM backups", "1");
  for (int i = 0; i < 100; i++) sqlite3_close(many[i]);
  puts("ok");
  return 0;
}

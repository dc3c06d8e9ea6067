/* Makes the database that `make bench` measures: that of an application with messages, an audit trail, files, indexes.
**
**     generate FILE MEGABYTES [SEED]
**
** The same arguments give the same rows on every machine: all chance comes from a generator of its own. Text is made
** of a vocabulary with few frequent and many rare words; ids are UUIDs; about a fifth of the bytes are random blobs,
** so that gzip -6 leaves somewhat more than two fifths of the file. Tables are filled until they have their share of
** the size, then the indexes are built on them: the size is met within a few per cent. The file has 4096-byte pages
** and a rollback journal. It is written without syncing: whoever measures on it syncs first.
*/
#include <sqlite3.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WORDS = 1000, WORD_MAX = 16, BODY_MAX = 1200, UUID_TEXT = 37 };

static const double TABLES_SHARE = 0.85;  /* of the file; the rest is what the indexes below take */

static const char schema[] =
  "PRAGMA page_size=4096; PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; PRAGMA locking_mode=EXCLUSIVE;"
  "PRAGMA cache_size=-200000;"
  "CREATE TABLE users(id INTEGER PRIMARY KEY, uuid TEXT, email TEXT, created_at INTEGER);"
  "CREATE TABLE messages(id INTEGER PRIMARY KEY, uuid TEXT, conversation TEXT, sender INTEGER, "
  "created_at INTEGER, body TEXT);"
  "CREATE TABLE audit(id INTEGER PRIMARY KEY, at INTEGER, actor INTEGER, action TEXT, entity TEXT, detail TEXT);"
  "CREATE TABLE files(id INTEGER PRIMARY KEY, message TEXT, name TEXT, data BLOB);";

static const char indexes[] =
  "CREATE INDEX messages_by_conversation ON messages(conversation, created_at);"
  "CREATE INDEX messages_by_sender ON messages(sender);"
  "CREATE INDEX audit_by_entity ON audit(entity);"
  "CREATE INDEX audit_by_time ON audit(at);"
  "CREATE INDEX files_by_message ON files(message);";

typedef struct maker {
  sqlite3 *db;
  sqlite3_stmt *user, *message, *audit, *file;
  uint64_t state;
  int64_t now;             /* milliseconds; moves on with each row */
  char words[WORDS][WORD_MAX];
  char conversation[UUID_TEXT];
} maker;

static void check(sqlite3 *db, int rc, const char *what)
{
  if (rc == SQLITE_OK || rc == SQLITE_DONE || rc == SQLITE_ROW) return;
  fprintf(stderr, "generate: %s: %s\n", what, sqlite3_errmsg(db));
  exit(1);
}

/* splitmix64 (Steele, Lea, Flood 2014): tiny, and good enough for rows. */
static uint64_t chance(maker *m)
{
  uint64_t z = m->state += 0x9e3779b97f4a7c15u;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

static unsigned below(maker *m, unsigned n)
{
  return (unsigned)((chance(m) >> 32) * n >> 32);
}

static void make_words(maker *m)
{
  static const char *const onset[] = { "b", "c", "d", "f", "g", "h", "l", "m", "n", "p", "r", "s", "t", "v", "st", "tr",
                                       "pr", "ch", "th", "" };
  static const char *const rhyme[] = { "a", "e", "i", "o", "u", "er", "an", "en", "on", "ing", "ed", "al", "is", "or",
                                       "ation" };
  for (int i = 0; i < WORDS; i++) {
    int syllables = 1 + (i > 100) + (int)below(m, 2);
    m->words[i][0] = '\0';
    for (int s = 0; s < syllables && strlen(m->words[i]) < WORD_MAX - 9; s++) {
      strcat(m->words[i], onset[below(m, 20)]);
      strcat(m->words[i], rhyme[below(m, 15)]);
    }
  }
}

/* Frequent words have low numbers: the cube of a uniform number, near enough to Zipf. */
static const char *word(maker *m)
{
  double u = (double)(chance(m) >> 11) / 9007199254740992.0;
  return m->words[(int)(u * u * u * WORDS)];
}

static int make_text(maker *m, char *out, int words)
{
  int n = 0;
  for (int i = 0; i < words && n < BODY_MAX - 2 * WORD_MAX; i++) {
    n += sprintf(out + n, "%s%s", word(m), i + 1 == words ? "." : below(m, 9) == 0 ? ", " : " ");
  }
  return n;
}

static void make_uuid(maker *m, char out[UUID_TEXT])
{
  uint64_t a = chance(m), b = chance(m);
  snprintf(out, UUID_TEXT, "%08x-%04x-4%03x-%04x-%012llx", (unsigned)(a >> 32), (unsigned)(a >> 16) & 0xffff,
           (unsigned)a & 0xfff, 0x8000 | ((unsigned)(b >> 48) & 0x3fff), (unsigned long long)(b & 0xffffffffffff));
}

static void text(sqlite3_stmt *s, int column, const char *value)
{
  sqlite3_bind_text(s, column, value, -1, SQLITE_TRANSIENT);
}

static void run(maker *m, sqlite3_stmt *s)
{
  check(m->db, sqlite3_step(s), "insert");
  sqlite3_reset(s);
}

static void add_message(maker *m, char uuid[UUID_TEXT])
{
  char body[BODY_MAX];
  make_uuid(m, uuid);
  if (below(m, 12) == 0) make_uuid(m, m->conversation);
  make_text(m, body, 5 + (int)below(m, 40));
  text(m->message, 1, uuid);
  text(m->message, 2, m->conversation);
  sqlite3_bind_int(m->message, 3, 1 + (int)below(m, 5000));
  sqlite3_bind_int64(m->message, 4, m->now += below(m, 4000));
  text(m->message, 5, body);
  run(m, m->message);
}

static void add_audit(maker *m, const char *entity)
{
  static const char *const action[] = { "message.create", "message.update", "login", "logout", "settings.change",
                                        "file.read" };
  char detail[BODY_MAX];
  sprintf(detail, "{\"request\":{\"ip\":\"10.%u.%u.%u\",\"agent\":\"Mozilla/5.0 (X11; "
          "Linux x86_64; rv:%u.0) Gecko/20100101\"},"
          "\"result\":{\"status\":%u,\"milliseconds\":%u,\"cache\":\"%s\"},"
          "\"before\":null,\"after\":{\"state\":\"%s\"}}",
          below(m, 4), below(m, 256), below(m, 256), 100 + below(m, 12), 200 + below(m, 5), below(m, 900),
          below(m, 3) ? "hit" : "miss", below(m, 4) ? "active" : "archived");
  sqlite3_bind_int64(m->audit, 1, m->now + below(m, 50));
  sqlite3_bind_int(m->audit, 2, 1 + (int)below(m, 5000));
  text(m->audit, 3, action[below(m, 6)]);
  text(m->audit, 4, entity);
  text(m->audit, 5, detail);
  run(m, m->audit);
}

static void add_file(maker *m, const char *message)
{
  static uint64_t data[2048];
  char name[64];
  int bytes = 2048 + (int)below(m, 14000);
  for (int i = 0; i * 8 < bytes; i++) data[i] = chance(m);
  snprintf(name, sizeof name, "%s_%s.jpg", word(m), word(m));
  text(m->file, 1, message);
  text(m->file, 2, name);
  sqlite3_bind_blob(m->file, 3, data, bytes, SQLITE_TRANSIENT);
  run(m, m->file);
}

static void add_users(maker *m)
{
  char uuid[UUID_TEXT], email[64];
  for (int i = 0; i < 5000; i++) {
    make_uuid(m, uuid);
    snprintf(email, sizeof email, "%s.%s%u@example.org", word(m), word(m), below(m, 1000));
    text(m->user, 1, uuid);
    text(m->user, 2, email);
    sqlite3_bind_int64(m->user, 3, m->now);
    run(m, m->user);
  }
}

static sqlite3_stmt *prepare(maker *m, const char *sql)
{
  sqlite3_stmt *s = NULL;
  check(m->db, sqlite3_prepare_v2(m->db, sql, -1, &s, NULL), sql);
  return s;
}

static int64_t bytes_so_far(sqlite3_stmt *count)
{
  int64_t pages = sqlite3_step(count) == SQLITE_ROW ? sqlite3_column_int64(count, 0) : 0;
  sqlite3_reset(count);
  return pages * 4096;
}

static void fill(maker *m, int64_t bytes)
{
  char uuid[UUID_TEXT];
  sqlite3_stmt *count = prepare(m, "PRAGMA page_count");
  make_uuid(m, m->conversation);
  add_users(m);
  for (int i = 0; i % 64 || bytes_so_far(count) < bytes; i++) {
    add_message(m, uuid);
    add_audit(m, uuid);
    if (below(m, 2)) add_audit(m, m->conversation);
    if (below(m, 38) == 0) add_file(m, uuid);
  }
  sqlite3_finalize(count);
}

int main(int argc, char **argv)
{
  int64_t megabytes = argc > 2 ? atoll(argv[2]) : 0;
  if (argc < 3 || argc > 4 || megabytes < 1 || megabytes > 1000000) {
    fprintf(stderr, "usage: generate FILE MEGABYTES [SEED]\n");
    return 2;
  }
  static maker made;
  maker *m = &made;
  m->state = argc > 3 ? (uint64_t)atoll(argv[3]) : 1;
  m->now = 1700000000000;
  remove(argv[1]);
  check(m->db, sqlite3_open(argv[1], &m->db), argv[1]);
  check(m->db, sqlite3_exec(m->db, schema, NULL, NULL, NULL), "schema");
  m->user = prepare(m, "INSERT INTO users(uuid, email, created_at) VALUES(?,?,?)");
  m->message = prepare(m, "INSERT INTO messages(uuid, conversation, sender, created_at, body) VALUES(?,?,?,?,?)");
  m->audit = prepare(m, "INSERT INTO audit(at, actor, action, entity, detail) VALUES(?,?,?,?,?)");
  m->file = prepare(m, "INSERT INTO files(message, name, data) VALUES(?,?,?)");
  make_words(m);
  check(m->db, sqlite3_exec(m->db, "BEGIN", NULL, NULL, NULL), "begin");
  fill(m, (int64_t)((double)megabytes * 1e6 * TABLES_SHARE));
  check(m->db, sqlite3_exec(m->db, indexes, NULL, NULL, NULL), "indexes");
  check(m->db, sqlite3_exec(m->db, "COMMIT", NULL, NULL, NULL), "commit");
  sqlite3_finalize(m->user);
  sqlite3_finalize(m->message);
  sqlite3_finalize(m->audit);
  sqlite3_finalize(m->file);
  check(m->db, sqlite3_close(m->db), "close");
  return 0;
}

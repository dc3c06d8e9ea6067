# A backup read where it lies: backup_uri, the VFS `lifeboat`, what it refuses, and what it keeps from harm.
load ../helper
load ../api/expect

setup() { api_setup; }

here=$BATS_TEST_DIRNAME

# backup FILE [OPTIONS]: makes a backup and prints its path.
backup() { sql "SELECT backup_create('$1'${2:+, '$2'})"; }

# ask URI SQL…: in a shell of its own, on :memory: with the URI attached as old.
ask() {
  local uri=$1
  shift
  sql "ATTACH '$uri' AS old" "$@"
}

uri_of() { sql "SELECT backup_uri('$1')"; }

@test "some hundred generated queries: a database and its gzip, zstd and one-member backups answer alike" {
  run -0 python "$here/queries.py" "$T"
  [ "${output% answers}" -ge 700 ]
}

@test "backup_uri: percent-encoded, for latest, a name and a path; ATTACH in the same session" {
  mkdir "odd % ?#&ä"
  make_db "odd % ?#&ä/app.db" 50
  BACKUP_DIR="$T/odd % ?#&ä" gives 'file:T/odd%20%25%20%3F%23%26%C3%A4/app_sqlite_STAMP.db.gz?vfs=lifeboat' \
    "SELECT backup_create('$T/odd % ?#&ä/app.db') IS NULL WHERE 0" \
    "SELECT backup_uri(backup_create('$T/odd % ?#&ä/app.db'))"
  BACKUP_DIR="$T/odd % ?#&ä" gives 50 "ATTACH backup_uri('latest:app') AS old" "SELECT count(*) FROM old.t"
}

@test "backup_uri refuses what is no SQLite backup, and says what to do" {
  printf -- '--\n-- PostgreSQL database dump\n--\nSET statement_timeout = 0;\n' | gzip >backups/app_postgres_20250101_000000.sql.gz
  fails "T/backups/app_postgres_STAMP.sql.gz: holds a PostgreSQL dump, not a SQLite database: backup_restore with a postgresql:// target loads it, backup_table reads its tables without a server" \
    "SELECT backup_uri('app_postgres_20250101_000000.sql.gz')"
  echo "just text" | gzip >text.db.gz
  fails "T/text.db.gz: what is inside is not a SQLite database" "SELECT backup_uri('$T/text.db.gz')"
  run -1 ask "file:$T/text.db.gz?vfs=lifeboat" "SELECT 1 FROM old.t"
  fails "no such backup: T/none.db.gz" "SELECT backup_uri('$T/none.db.gz')"
  fails "argument 1 is NULL" "SELECT backup_uri(NULL)"
  run -1 ask "file:$T/none.db.gz?vfs=lifeboat" "SELECT 1"
  [ ! -e none.db.gz ]
}

@test "UTF-16: attached where the main database has that encoding, and opened as the main one" {
  sqlite3 wide.db "PRAGMA encoding = 'UTF-16le'; CREATE TABLE t(a); INSERT INTO t VALUES ('grün')"
  local path uri
  path=$(backup wide.db)
  uri=$(uri_of "$path")
  run -1 ask "$uri" "SELECT a FROM old.t"
  [[ $output == *"attached databases must use the same text encoding as main database"* ]]
  gives grün "PRAGMA encoding = 'UTF-16le'" "ATTACH '$uri' AS old" "SELECT a FROM old.t"
  [ "$(python -c "
import os, sqlite3
a = sqlite3.connect(':memory:')
a.enable_load_extension(True)
a.load_extension(os.environ['LIFEBOAT_SO'])
print(sqlite3.connect('$uri', uri=True).execute('SELECT a FROM t').fetchone()[0])")" = grün ]
}

@test "writing is refused, and nothing appears beside the backup" {
  make_db app.db 100
  local path
  path=$(backup app.db)
  for change in "DELETE FROM old.t" "CREATE TABLE old.x(a)" "DROP TABLE old.t" "PRAGMA old.user_version=7" \
    "UPDATE old.t SET name = 'x' WHERE id = 1" "VACUUM old"; do
    run -1 ask "$(uri_of "$path")" "$change"
    [[ $output == *"attempt to write a readonly database"* ]]
  done
  same delete "$(ask "$(uri_of "$path")" "PRAGMA old.journal_mode=WAL")"
  same "$(printf '%s\n' "${path##*/}" catalog.db)" "$(ls backups)"
  same ok "$(sql "SELECT backup_verify('$path', 'full')")"
}

@test "a WAL-mode backup opens; a planted -wal or -journal is not looked at" {
  make_db app.db 100 wal
  make_db other.db 5 wal
  local path
  path=$(backup app.db)
  sqlite3 other.db "PRAGMA wal_autocheckpoint=0; DELETE FROM t;" ".shell cp other.db-wal '$path-wal'; cp other.db-wal $T/kept" >/dev/null
  [ -s "$path-wal" ]
  head -c 4096 /dev/urandom >"$path-journal"
  cp "$path-journal" journal
  same "100|5050
ok" "$(ask "$(uri_of "$path")" "SELECT count(*), sum(id) FROM old.t" "PRAGMA old.integrity_check")"
  cmp kept "$path-wal"
  cmp journal "$path-journal"
}

@test "a plain .db is read as it is; with a -wal or -journal beside it, it is refused" {
  make_db app.db 100 wal
  sqlite3 app.db "PRAGMA wal_checkpoint(TRUNCATE)" >/dev/null
  rm -f app.db-wal app.db-shm
  same 100 "$(ask "file:$T/app.db?vfs=lifeboat" "SELECT count(*) FROM old.t")"
  run -1 ask "file:$T/app.db?vfs=lifeboat" "DELETE FROM old.t"
  [ ! -e app.db-wal ] && [ ! -e app.db-shm ]
  echo something >app.db-wal
  run -1 ask "file:$T/app.db?vfs=lifeboat" "SELECT count(*) FROM old.t"
  rm app.db-wal
  echo something >app.db-journal
  run -1 ask "file:$T/app.db?vfs=lifeboat" "SELECT count(*) FROM old.t"
}

@test "a database that this process has open keeps its locks when it is looked at through the VFS" {
  make_db app.db 10
  python - <<'PY'
import os, sqlite3, subprocess
def connect(path):
    db = sqlite3.connect(path, uri=True, isolation_level=None)
    db.enable_load_extension(True)
    db.load_extension(os.environ["LIFEBOAT_SO"])
    return db
writer = connect("app.db")
writer.execute("BEGIN IMMEDIATE")
reader = connect("file:app.db?vfs=lifeboat")
assert reader.execute("SELECT count(*) FROM t").fetchone() == (10,)
reader.close()
other = subprocess.run(["sqlite3", "app.db", "BEGIN IMMEDIATE"], env=dict(os.environ, LD_PRELOAD=""), stderr=subprocess.PIPE)
assert b"locked" in other.stderr, other
PY
}

@test "a backup that is deleted while it is attached goes on working; rotation may take it" {
  make_db app.db 60000
  local path
  path=$(backup app.db)
  same "60000
1
60000|1800030000" "$(sql "ATTACH '$(uri_of "$path")' AS old" "SELECT count(*) FROM old.t" \
    "SELECT substr(backup_create('app.db'), -3) = '.gz'" ".shell rm '$path'" \
    "SELECT count(*), sum(id) FROM old.t")"
}

@test "lost rows come back from an attached backup" {
  make_db app.db 100
  local path
  path=$(backup app.db)
  db app.db "DELETE FROM t WHERE id > 60; UPDATE t SET name = 'new' WHERE id = 1"
  sqlite3 -init /dev/null -batch -bail app.db ".load ${LIFEBOAT_SO%.so}" "ATTACH backup_uri('latest') AS old" \
    "INSERT INTO main.t SELECT * FROM old.t AS o WHERE NOT EXISTS (SELECT 1 FROM main.t WHERE id = o.id)"
  same "100|new" "$(db app.db "SELECT count(*), (SELECT name FROM t WHERE id = 1) FROM t")"
}

@test "the VFS as the main database: temporary tables, a transaction on two others, loading extensions" {
  make_db app.db 100
  local path
  path=$(backup app.db)
  make_db one.db 1
  make_db two.db 1
  same "100
2|2" "$(sqlite3 -init /dev/null -batch -bail "file:$T/one.db" ".load ${LIFEBOAT_SO%.so}" ".open '$(uri_of "$path")'" \
    "PRAGMA temp_store=FILE" "PRAGMA cache_size=10" "CREATE TEMP TABLE x AS SELECT * FROM t" \
    "SELECT count(*) FROM x" "ATTACH 'file:$T/one.db?vfs=unix' AS one" "ATTACH 'file:$T/two.db?vfs=unix' AS two" \
    "BEGIN; INSERT INTO one.t(id) VALUES(2); INSERT INTO two.t(id) VALUES(2); COMMIT" \
    "SELECT (SELECT count(*) FROM one.t), (SELECT count(*) FROM two.t)")"
  [ -z "$(find . -name '*-mj*')" ]
}

# bats test_tags=long
@test "past 1 GiB, over the lock-byte page" {
  sqlite3 -init /dev/null -batch -bail big.db "PRAGMA page_size=65536; PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF;
    CREATE TABLE z(id INTEGER PRIMARY KEY, body BLOB);
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 540)
    INSERT INTO z SELECT i, zeroblob(2000000) FROM n;
    INSERT INTO z SELECT id + 1000, CAST('row ' || id AS BLOB) FROM z;" >/dev/null
  [ "$(stat -c %s big.db)" -gt 1074000000 ]
  local path
  path=$(backup big.db)
  rm big.db
  same "540|row 540
270|row 270
1080|1080003672" "$(ask "$(uri_of "$path")" "SELECT id - 1000, CAST(body AS TEXT) FROM old.z WHERE id = 1540" \
    "SELECT id - 1000, CAST(body AS TEXT) FROM old.z WHERE id = 1270" "SELECT count(*), sum(length(body)) FROM old.z")"
}

@test "cache_mb: checked, and in force" {
  gives "32
4" "SELECT value FROM backup_config WHERE key = 'cache_mb'" "SELECT backup_set('cache_mb', 4)"
  fails 'setting cache_mb must be a whole number from 1 to 4096, not "0"' "SELECT backup_set('cache_mb', 0)"
}

@test "a full verification of what fits the cache needs no scratch file, and finds damage inside" {
  make_db app.db 60000
  cp app.db bad.db
  printf '\xff%.0s' {1..64} | dd of=bad.db bs=1 seek=$(($(stat -c %s bad.db) - 600)) conv=notrunc status=none
  local path bad
  path=$(backup app.db)
  bad=$(backup bad.db)
  # a file of more than 256 KiB cannot be written here: the database has 5 MB
  same ok "$(ulimit -f 256 && sql "SELECT backup_verify('$path', 'full')")"
  [[ $(ulimit -f 256 && sql "SELECT backup_verify('$bad', 'full')") == *"the database inside is damaged"* ]]
  same ok "$(sql "SELECT backup_set('cache_mb', 1) IS NULL WHERE 0" "SELECT backup_verify('$path', 'full')")"
  run ! bash -c "ulimit -f 256 && sqlite3 -init /dev/null -batch -bail :memory: '.load ${LIFEBOAT_SO%.so}' \
    \"SELECT backup_set('cache_mb', 1)\" \"SELECT backup_verify('$path', 'full')\""
}

@test "a scan from Python goes on in both processes after os.fork, and threads end with the last connection" {
  make_db app.db 100000
  python "$here/fork.py" "$(backup app.db)"
}

readers() { LD_PRELOAD=${LIFEBOAT_PRELOAD:-} ./readers "$LIFEBOAT_SO" "$@"; }

# bats test_tags=long,threads
@test "C: eight threads on two backups and one cache" {
  skip_without cc
  compile -o readers "$ROOT/tests/hosts/readers.c" -lsqlite3 -lpthread
  make_db one.db 15000
  make_db two.db 12000 wal
  local one two
  one=$(backup one.db)
  two=$(backup two.db)
  gzip -c one.db >old.db.gz
  same ok "$(readers threads "$one" one.db "$two" two.db)"
  same ok "$(readers threads "$one" one.db "$T/old.db.gz" one.db)"
}

# bats test_tags=long
@test "C: a fork amid a scan" {
  skip_without cc
  compile -o readers "$ROOT/tests/hosts/readers.c" -lsqlite3 -lpthread
  make_db large.db 120000
  same ok "$(readers fork - large.db)"
}

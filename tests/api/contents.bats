# backup_contents: what is in a backup, held against the database itself, SQLite's dbstat, and a PostgreSQL server.
load ../helper
load expect
load ../postgres/server

setup() { api_setup; }

teardown() {
  if [ -n "${PG_NAME:-}" ]; then pg_server_stop immediate || true; fi
  cd / && rm -rf "$T"
}

nothing_left() { [ "$(ls -A "$BACKUP_DIR" | grep -vc '_sqlite_\|_postgres_\|^catalog')" = 0 ]; }

# A database of every kind of tree: long and empty rows, overflow in tables and indexes, WITHOUT ROWID, gaps. edge has
# rows around the lengths from which on they overflow in pages of 512 bytes.
make_trees() {
  local file=$1
  shift
  sqlite3 -init /dev/null -batch -bail "$file" "$@" "
PRAGMA synchronous=off;
BEGIN;
CREATE TABLE blobs(id INTEGER PRIMARY KEY, b BLOB);
INSERT INTO blobs VALUES(1, randomblob(300000)), (2, randomblob(70000)), (3, NULL), (4, zeroblob(1));
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 300) INSERT INTO blobs(b) SELECT zeroblob(i * 23) FROM n;
CREATE TABLE t(a TEXT UNIQUE, b, c);
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000)
INSERT INTO t SELECT 'key ' || i, hex(zeroblob(i % 90)), i FROM n;
CREATE INDEX t_b ON t(b) WHERE c % 2;
CREATE INDEX t_long ON t(a || printf('%.*c', c % 3000, 'x'));
CREATE TABLE w(k TEXT, v, PRIMARY KEY(v, k)) WITHOUT ROWID;
INSERT INTO w SELECT a, substr(hex(zeroblob(1000)), 1, c) FROM t;
CREATE TABLE edge(x);
WITH RECURSIVE n(i) AS (SELECT 60 UNION ALL SELECT i + 1 FROM n WHERE i < 560) INSERT INTO edge SELECT zeroblob(i) FROM n;
CREATE INDEX edge_x ON edge(x);
CREATE TABLE \"odd \"\"name'\" (x);
CREATE TABLE empty(x PRIMARY KEY);
DELETE FROM t WHERE c BETWEEN 500 AND 800;
ANALYZE;
COMMIT"
}

like_dbstat() {
  local want got
  want=$(db "$1" 'SELECT name, sum(pgsize) FROM dbstat GROUP BY 1 ORDER BY 1') || return 1
  [ "$(wc -l <<<"$want")" -gt 2 ]
  got=$(sql "SELECT name, bytes FROM backup_contents('./$1') WHERE bytes IS NOT NULL ORDER BY 1") || return 1
  same "$want" "$got"
}

@test "tables, indexes and views of a SQLite backup, with rows and bytes" {
  sqlite3 admin.db "CREATE TABLE t(id INTEGER PRIMARY KEY, name TEXT UNIQUE); INSERT INTO t VALUES(1, 'a'), (2, 'b');
    CREATE INDEX t_name ON t(name); CREATE VIEW v AS SELECT * FROM t; CREATE TABLE w(a PRIMARY KEY) WITHOUT ROWID;
    CREATE TRIGGER g AFTER INSERT ON t BEGIN SELECT 1; END; CREATE VIRTUAL TABLE f USING fts5(x); INSERT INTO f VALUES('one');"
  sql "SELECT backup_create('admin.db')" >path
  listed='table||sqlite_schema|12|4096
table||t|2|4096
index||sqlite_autoindex_t_1||4096
index||t_name||4096
view||v||
table||w|0|4096
table||f|1|
table||f_data|3|4096
table||f_idx|1|4096
table||f_content|1|4096
table||f_docsize|1|4096
table||f_config|1|4096'
  gives "$listed" "SELECT * FROM backup_contents('latest')"
  gives "$listed" "SELECT * FROM backup_contents('latest:admin')"
  BACKUP_DIR=/nonexistent gives "$listed" "SELECT * FROM backup_contents('$(cat path)')"
  gives 12 "SELECT count(*) FROM backup_contents('latest')"
  gives 2 "SELECT c.rows FROM backups b, backup_contents(b.path) c WHERE c.name = 't'"
  gives create "SELECT operation FROM backup_history"
  nothing_left
}

@test "bytes are dbstat's: page sizes, auto-vacuum, encodings, reserved bytes" {
  for form in "512 0 UTF-8" "512 1 UTF-16le" "1024 2 UTF-8" "4096 1 UTF-16be" "65536 0 UTF-8"; do
    read -r page vacuum encoding <<<"$form"
    make_trees "db$page$vacuum" -cmd "PRAGMA page_size=$page; PRAGMA auto_vacuum=$vacuum; PRAGMA encoding='$encoding'"
    like_dbstat "db$page$vacuum"
  done
  make_trees reserved -cmd 'PRAGMA page_size=512' -cmd '.filectrl reserve_bytes 32'
  [ "$(od -An -tu1 -j20 -N1 reserved | tr -d ' ')" = 32 ]
  like_dbstat reserved
}

@test "rows are count(*)'s; a zstd one, one from WAL mode, one of the old script" {
  make_trees trees.db
  sqlite3 trees.db 'PRAGMA journal_mode=WAL' >/dev/null
  rows='blobs|304
edge|501
empty|0
odd "name'"'"'|0
sqlite_stat1|6
t|1699
w|2000'
  [ "$(db trees.db 'SELECT count(*) FROM t')" = 1699 ]
  if has_zstd; then
    gives "$rows" "CREATE TEMP TABLE x AS SELECT backup_create('trees.db', '{\"compress\":\"zstd\"}')" \
      "SELECT name, rows FROM backup_contents('latest') WHERE kind = 'table' AND name <> 'sqlite_schema' ORDER BY name"
  fi
  gives "$rows" "CREATE TEMP TABLE x AS SELECT backup_create('trees.db')" \
    "SELECT name, rows FROM backup_contents('trees_sqlite_latest.db.gz') WHERE kind = 'table' AND name <> 'sqlite_schema' ORDER BY name"
  db trees.db 'PRAGMA journal_mode=DELETE' >/dev/null
  gives "$rows" "SELECT name, rows FROM backup_contents('$(old_backup old 3 trees.db)') WHERE kind = 'table' AND name <> 'sqlite_schema' ORDER BY name"
  nothing_left
}

@test "an empty database; one with nothing but a page" {
  touch empty.db
  gives 'table||sqlite_schema|0|0' "SELECT * FROM backup_contents('./empty.db')"
  sqlite3 one.db 'PRAGMA user_version=1'
  gives 'table||sqlite_schema|0|4096' "SELECT * FROM backup_contents('./one.db')"
}

@test "what is not asked for is not computed" {
  make_db admin.db 3000
  # Root pages of tables as of no kind: neither counting nor walking can do with them.
  local page
  page=$(db admin.db "SELECT rootpage FROM sqlite_schema WHERE name = 't'")
  printf '\177' | dd of=admin.db bs=1 seek=$(((page - 1) * 4096)) conv=notrunc status=none
  page=$(db admin.db "SELECT rootpage FROM sqlite_schema WHERE name = 't_name'")
  printf '\177' | dd of=admin.db bs=1 seek=$(((page - 1) * 4096)) conv=notrunc status=none
  gives 't,t_name' "SELECT group_concat(name) FROM backup_contents('./admin.db') WHERE kind <> 'view' AND name LIKE 't%'"
  gives 3 "SELECT count(*) FROM backup_contents('./admin.db')"
  fails './admin.db: database disk image is malformed' "SELECT rows FROM backup_contents('./admin.db')"
  fails './admin.db: database disk image is malformed' "SELECT name FROM backup_contents('./admin.db') ORDER BY rows"
  fails "./admin.db: the database is damaged: page 2 of t: it is no page of a b-tree" "SELECT bytes FROM backup_contents('./admin.db')"
  fails "./admin.db: the database is damaged: page 2 of t: it is no page of a b-tree" \
    "SELECT name FROM backup_contents('./admin.db') WHERE bytes > 5"
}

@test "names alone take the schema's blocks: what is damaged elsewhere is not read, and nothing is unpacked" {
  db admin.db "CREATE TABLE t(a); CREATE VIEW v AS SELECT 1; WITH n(i) AS (VALUES(1) UNION ALL SELECT i + 1 FROM n WHERE i < 900)
    INSERT INTO t SELECT randomblob(1000) FROM n"
  backup=$(sql "SELECT backup_create('admin.db')")
  printf '\377\000\377' | dd of="$backup" bs=1 seek=$(($(stat -c %s "$backup") / 2)) conv=notrunc status=none
  gives 'sqlite_schema,t,v' "SELECT group_concat(name) FROM (SELECT name FROM backup_contents('$backup') ORDER BY 1)"
  gives 1 "SELECT count(*) FROM backup_contents('$backup') WHERE kind = 'view'"
  run -1 sql "SELECT name, rows FROM backup_contents('$backup')"
  [[ $output == *": block "*"checksum"* ]]
  run -1 sql "SELECT name, bytes FROM backup_contents('$backup')"
  [[ $output == *": block "*"checksum"* ]]
  nothing_left
}

@test "a module that is not here leaves the rows unknown; a function that is not, nothing" {
  sqlite3 odd.db "CREATE VIRTUAL TABLE f USING fts5(x); CREATE TABLE c(a); INSERT INTO c VALUES(1); PRAGMA writable_schema=1;
    UPDATE sqlite_schema SET sql = 'CREATE VIRTUAL TABLE f USING of_elsewhere(x)' WHERE name = 'f';
    INSERT INTO sqlite_schema VALUES('view', 'v', 'v', 0, 'CREATE VIEW v AS SELECT of_elsewhere()');
    UPDATE sqlite_schema SET sql = 'CREATE TABLE c(a, b AS (of_elsewhere(a)) CHECK (of_elsewhere(b)))' WHERE name = 'c';"
  gives "f|||
c|1|4096|
v|||" "SELECT name, rows, bytes, schema FROM backup_contents('./odd.db') WHERE name IN ('f', 'c', 'v') ORDER BY kind, name DESC"
}

@test "rows are counted whatever collation their key has" {
  sqlite3 odd.db "CREATE TABLE w(k TEXT COLLATE NOCASE PRIMARY KEY) WITHOUT ROWID; CREATE TABLE r(k TEXT COLLATE NOCASE PRIMARY KEY, v);
    INSERT INTO w VALUES('a'), ('b'); INSERT INTO r VALUES('a', 1); PRAGMA writable_schema=1; UPDATE sqlite_schema SET sql = replace(sql, 'NOCASE', 'of_elsewhere')"
  gives "r|1
w|2" "SELECT name, rows FROM backup_contents('./odd.db') WHERE name IN ('r', 'w') ORDER BY 1"
}

# damage PAGE OFFSET BYTES…: overwrites bytes (two hex digits each) of bad.db, which has pages of 512 bytes.
damage() {
  local at=$((($1 - 1) * 512 + $2))
  cp good.db bad.db
  shift 2
  printf "$(printf '\\x%s' "$@")" | dd of=bad.db bs=1 seek=$at conv=notrunc status=none
}

# says WHAT: the error of walking bad.db.
says() { fails "./bad.db: the database is damaged: $1" "SELECT sum(bytes) FROM backup_contents('./bad.db')"; }

@test "hostile pages end in an error that names the page" {
  # Page 2 is the root of t with two levels below; page 3 that of the index; the blob overflows.
  sqlite3 good.db "PRAGMA page_size=512; CREATE TABLE t(a); CREATE INDEX i ON t(a);
    INSERT INTO t VALUES(zeroblob(9000)); WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 400)
    INSERT INTO t SELECT printf('%.*c', 50, i) FROM n"
  pages=$(db good.db 'PRAGMA page_count')
  kinds() { db good.db "SELECT pageno FROM dbstat WHERE name = '$1' AND pagetype = '$2' ORDER BY path LIMIT 1"; }
  leaf=$(kinds t leaf) chain=$(kinds t overflow) index_leaf=$(kinds i leaf)
  damage 2 0 0a && says 'page 2 of t: a cell outside of it'
  damage 2 8 00 00 00 02 && says 'page 2 of t: it is in use twice'
  damage 2 8 00 00 00 00 && says "page 2 of t points to page 0 of $pages"
  damage 2 8 ff ff ff ff && says "page 2 of t points to page 4294967295 of $pages"
  damage 2 8 00 00 00 03 && says "page 3 of t: a table's page in an index, or the reverse"
  damage 2 3 ff ff && says 'page 2 of t: more cells than fit'
  damage 2 12 00 01 && says 'page 2 of t: a cell outside of it'
  damage 2 12 01 ff && says 'page 2 of t: a cell outside of it'
  damage "$leaf" 0 00 && says "page $leaf of t: it is no page of a b-tree"
  damage "$chain" 0 00 00 00 01 && says 'page 1 of t: it is in use twice'
  printf -v self '%02x' "$chain"
  [ "$chain" -lt 256 ]
  damage "$chain" 0 00 00 00 "$self" && says "page $chain of t: it is in use twice"
  damage "$chain" 0 7f 00 00 00 && says "page $chain of t points to page 2130706432 of $pages"
  # The first cell of the leaf with the blob: a length that the file does not have, one without an end.
  cell=$(od -An -tu1 -j$(((leaf - 1) * 512 + 8)) -N2 good.db | awk '{ print $1 * 256 + $2 }')
  damage "$leaf" "$cell" ff ff ff ff ff ff ff ff ff && says "page $leaf of t: a row longer than the file"
  damage "$leaf" 8 01 fc
  printf '\377\377\377\377' | dd of=bad.db bs=1 seek=$((leaf * 512 - 4)) conv=notrunc status=none
  says "page $leaf of t: a cell goes beyond its end"
  damage "$index_leaf" 0 0d && says "page $index_leaf of i: a table's page in an index, or the reverse"
  damage 1 20 ff
  run sql "SELECT sum(bytes) FROM backup_contents('./bad.db')"
  [ "$status" -ne 0 ]
  cp good.db bad.db
  like_dbstat bad.db
  [ -z "$(ls -A | grep partial)" ]
}

@test "two trees on one page" {
  sqlite3 sick.db "CREATE TABLE t(a UNIQUE); INSERT INTO t VALUES(1), (2);
    PRAGMA writable_schema=1; UPDATE sqlite_schema SET rootpage = 2 WHERE type = 'index';"
  fails './sick.db: the database is damaged: page 2 of sqlite_autoindex_t_1: it is in use twice' \
    "SELECT * FROM backup_contents('./sick.db')"
}

@test "no backup named, none there, garbage, a dump of another tool, a damaged one" {
  needs="backup_contents needs a backup: pass 'latest', a file name or a path, as in SELECT * FROM backup_contents('latest')"
  fails "$needs" "SELECT * FROM backup_contents"
  fails "$needs" "SELECT * FROM backup_contents(NULL)"
  fails 'argument backup is not a text' "SELECT * FROM backup_contents(x'61')"
  fails 'argument backup is not a text' "SELECT * FROM backup_contents('a' || char(0))"
  fails 'no backup for "latest" in T/backups (it has: nothing)' "SELECT * FROM backup_contents('latest')"
  fails 'no such backup: ./nope.db' "SELECT * FROM backup_contents('./nope.db')"
  echo 'no database at all' >text.db
  fails './text.db: what is inside is not a SQLite database' "SELECT * FROM backup_contents('./text.db')"
  printf -- '--\n-- PostgreSQL database dump\n--\n' | gzip >dump.gz
  fails './dump.gz: a dump of another tool has no table of contents: restore it into an empty database to see what is inside' \
    "SELECT * FROM backup_contents('./dump.gz')"
  make_db admin.db 3000
  file=$(sql "SELECT backup_create('admin.db')")
  printf '\377\000\377' | dd of="$file" bs=1 seek=$(($(stat -c %s "$file") / 2)) conv=notrunc status=none
  run sql "SELECT name FROM backup_contents('latest')"
  [ "$status" -ne 0 ]
  [[ $output == *"block "* ]]
  nothing_left
}

@test "a table of contents that does not fit its blocks" {
  python "$ROOT/tests/fuzz/varying.py" v.sql.gz
  fails './v.sql.gz: the table of contents is damaged: a part'"'"'s table' "SELECT * FROM backup_contents('./v.sql.gz')"
}

@test "an interrupt while unpacking, and while looking inside, leaves nothing" {
  sqlite3 big.db "PRAGMA page_size=512; PRAGMA journal_mode=off; CREATE TABLE b(x); BEGIN;
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100) INSERT INTO b SELECT zeroblob(1000000) FROM n;
    COMMIT" >/dev/null
  sql "SELECT backup_create('big.db', '{\"level\":1}')" >/dev/null
  python - <<'PY'
import os, sqlite3, threading
def connect():
    db = sqlite3.connect(':memory:', check_same_thread=False)
    db.enable_load_extension(True)
    db.load_extension(os.environ['LIFEBOAT_SO'])
    return db
db, watcher = connect(), connect()

def look(phase):
    return watcher.execute("SELECT done, total FROM backup_activity WHERE operation = 'contents' AND phase = ?", (phase,)).fetchone()

# Interrupts once the phase is under way, and goes on looking: how far did it come?
def stop(phase, over, reached):
    told = False
    while not over.is_set():
        now = look(phase)
        if now and now[0] > 1000000 and not told:
            db.interrupt()
            told = True
        if now and told:
            reached.append(now[0] / now[1])

def interrupted(phase):
    over, reached = threading.Event(), []
    thread = threading.Thread(target=stop, args=(phase, over, reached))
    thread.start()
    try:
        db.execute("SELECT sum(bytes) FROM backup_contents('latest')").fetchall()
        raise SystemExit('was not interrupted: ' + phase)
    except sqlite3.OperationalError as e:
        assert str(e) == 'interrupted', e
    finally:
        over.set()
        thread.join()
    return max(reached, default=0) < 0.9

# On a busy machine an interrupt may come late: one of five in time will do.
for phase in 'unpacking', 'looking inside':
    assert any(interrupted(phase) for _ in range(5)), phase
PY
  nothing_left
}

@test "PostgreSQL: the tables with rows and bytes, from the index alone" {
  require_pg "$PG_DEFAULT"
  pg_server_start
  newdb app
  q app "CREATE SCHEMA s; CREATE TABLE s.\"T\"(a int, b text); INSERT INTO s.\"T\" SELECT i, 'row' FROM generate_series(1, 1000) AS i;
    CREATE TABLE none(a int); CREATE VIEW v AS SELECT 1; CREATE INDEX ON s.\"T\"(a);"
  bytes=$(q app 'COPY s."T" TO stdout' | wc -c)
  file=$(sql "SELECT backup_create('$(url app)')")
  listed="table|public|none|0|0
table|s|T|1000|$bytes"
  gives "$listed" "SELECT * FROM backup_contents('latest') ORDER BY schema, name"
  gives "$listed" "SELECT * FROM backup_contents('latest:app') ORDER BY schema, name"
  # The content is destroyed, the index is not: the listing does not look at it.
  dd if=/dev/zero of="$file" bs=1 seek=40 count=200 conv=notrunc status=none
  run -0 sql "SELECT backup_verify('$file')"
  [ "$output" != ok ]
  gives "$listed" "SELECT * FROM backup_contents('$file') ORDER BY schema, name"
  rm "$file"
  sql "SELECT backup_create('$(url app)', '{\"schema_only\":true}')"
  gives 0 "SELECT count(*) FROM backup_contents('latest')"
}

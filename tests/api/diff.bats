# backup_diff: what is told of tables and rows, which sides there are, what is refused, and what damage does. Random edits
# held against a model are in tests/job/diff.bats, blocks that are not read in tests/job/test_diff.c.
load ../helper
load expect

setup() { api_setup; }

backup() { sql "SELECT backup_create('$1'${2:+, '$2'})"; }

# on FILE SQL…: in a shell on that database, with the extension.
on() {
  local file=$1
  shift
  printf '%s\n;\n' "$@" | sqlite3 -init /dev/null -batch -bail "$file" -cmd ".load '${LIFEBOAT_SO%.so}'" 2>&1 |
    sed -E 's/^(Runtime|Parse) error near line [0-9]+: //; s/ \([0-9]+\)$//' | plain
}

# A database, a backup of it, and changes of all kinds.
make_changed() {
  db app.db "CREATE TABLE agents(id INTEGER PRIMARY KEY, name TEXT, state); CREATE TABLE gone(a); CREATE TABLE still(a, b);
    CREATE TABLE w(a, b, v, PRIMARY KEY(a, b)) WITHOUT ROWID; CREATE TABLE mail(id TEXT PRIMARY KEY, v); CREATE VIEW v AS SELECT 1;
    INSERT INTO agents VALUES(1, 'one', 0), (2, 'two', 0), (3, 'three', 0), (4, 'four', x'00ff'); INSERT INTO gone VALUES(1), (2);
    INSERT INTO w VALUES(1, 'x', 1), (1, 'y', 2), (2, 'x', 3); INSERT INTO mail VALUES('a@b', 1), ('c@d', 2); INSERT INTO still VALUES(1, 2);"
  backup app.db >/dev/null
  db app.db "DELETE FROM agents WHERE id = 2; UPDATE agents SET name = 'THREE', state = 1 WHERE id = 3; INSERT INTO agents VALUES(9, 'nine', 0);
    UPDATE agents SET state = 0.0 WHERE id = 1; DROP TABLE gone; CREATE TABLE fresh(a); INSERT INTO fresh VALUES(1); DELETE FROM w WHERE b = 'x';
    UPDATE mail SET v = 3 WHERE id = 'c@d';"
}

@test "a row for each table; from a to b, and back" {
  make_changed
  same '|agents|changed|1|1|2|primary key (id)|["name","state"]|
|fresh|only in b|1|0|0|||
|gone|only in a|0|2|0|||
|mail|changed|0|0|1|primary key (id)|["v"]|
|still|same|0|0|0|rowid||
|w|changed|0|2|0|primary key (a, b)||' "$(on app.db "SELECT * FROM backup_diff('latest', 'main')")"
  same 'agents|changed|1|1|2
fresh|only in a|0|1|0
gone|only in b|2|0|0
mail|changed|0|0|1
still|same|0|0|0
w|changed|2|0|0' "$(on app.db "SELECT name, change, added, removed, changed FROM backup_diff('main', 'latest:app')")"
  same 'agents|changed
mail|changed
w|changed' "$(on app.db "SELECT name, change FROM backup_diff('latest', './app.db') WHERE change = 'changed'")"
}

@test "with a table: a row for each row that differs" {
  make_changed
  same '|agents|changed|0|0|1|{"id":1}|["state"]|
|agents|removed|0|1|0|{"id":2}||
|agents|changed|0|0|1|{"id":3}|["name","state"]|
|agents|added|1|0|0|{"id":9}||' "$(on app.db "SELECT * FROM backup_diff('latest', 'main', 'agents')")"
  same 'removed|{"a":1,"b":"x"}
removed|{"a":2,"b":"x"}' "$(on app.db "SELECT change, key FROM backup_diff('latest', 'main', 'W')")"
  same 'changed|{"id":"c@d"}' "$(on app.db "SELECT change, key FROM backup_diff('latest', 'main', 'mail')")"
  same 'removed|{"rowid":1}
removed|{"rowid":2}' "$(on app.db "SELECT change, key FROM backup_diff('latest', 'main', 'gone')")"
  same 'added|{"rowid":1}' "$(on app.db "SELECT change, key FROM backup_diff('latest', 'main', 'fresh')")"
  same 0 "$(on app.db "SELECT count(*) FROM backup_diff('latest', 'main', 'still')")"
  same '2
3' "$(on app.db "SELECT key ->> 'id' FROM backup_diff('latest', 'main', 'agents') LIMIT 2 OFFSET 1")"
}

@test "keys without loss: blobs, numbers, texts, no UTF-8" {
  db k.db "PRAGMA encoding='UTF-8'; CREATE TABLE k(a, b, PRIMARY KEY(a, b)) WITHOUT ROWID; CREATE TABLE other(x)"
  cp k.db l.db
  db l.db "INSERT INTO k VALUES(1, 1.0), (9223372036854775807, -0.1), (1e100, 9e999), (x'00ff', x''), ('', 'q\"\\' || char(10, 0, 1, 127)),
    (CAST(x'ff61' AS TEXT), 'ä😀'), (1e15, 123456789.125), (0.1 + 0.2, 1e-7)"
  same '{"a":0.30000000000000004,"b":1e-07}
{"a":1,"b":1.0}
{"a":1e+15,"b":123456789.125}
{"a":9223372036854775807,"b":-0.1}
{"a":1e+100,"b":9e999}
{"a":"","b":"q\"\\\u000a\u0000\u0001'$'\x7f''"}
{"a":{"text":"ff61"},"b":"ä😀"}
{"a":{"blob":"00ff"},"b":{"blob":""}}' "$(on :memory: "SELECT key FROM backup_diff('./k.db', './l.db', 'k')")"
  same '8|8|8' "$(on :memory: "SELECT sum(json_valid(key)), count(DISTINCT key), sum(added) FROM backup_diff('./k.db', './l.db', 'k')")"
}

@test "whole rows: no rowid to reach, keys that differ, a NULL in the key" {
  db a.db "CREATE TABLE h(rowid, oid, _rowid_); INSERT INTO h VALUES(1, 2, 3), (1, 2, 3), (1, 2, 3), (4, 5, 6);
    CREATE TABLE p(a PRIMARY KEY, b); INSERT INTO p VALUES(1, 1), (2, 2); CREATE TABLE n(k PRIMARY KEY, v); INSERT INTO n VALUES(NULL, 1), (NULL, 1), (NULL, 2), (7, 7)"
  db b.db "CREATE TABLE h(rowid, oid, _rowid_); INSERT INTO h VALUES(4, 5, 6), (1, 2, 3), (1, 2, 3.0);
    CREATE TABLE p(a, b PRIMARY KEY); INSERT INTO p VALUES(2, 2), (3, 3); CREATE TABLE n(k PRIMARY KEY, v); INSERT INTO n VALUES(NULL, 2), (7, 8), (NULL, 1), (NULL, 3)"
  same 'h|changed|1|2|0|whole rows||the rowid cannot be reached: whole rows are compared
n|changed|1|1|1|primary key (k)|["v"]|
p|changed|1|1|0|whole rows||the CREATE statements differ
the primary keys differ: whole rows are compared' \
    "$(on :memory: "SELECT name, change, added, removed, changed, key, columns, notes FROM backup_diff('./a.db', './b.db')")"
  same 'removed|{"rowid":1,"oid":2,"_rowid_":3}
removed|{"rowid":1,"oid":2,"_rowid_":3}
added|{"rowid":1,"oid":2,"_rowid_":3.0}' "$(on :memory: "SELECT change, key FROM backup_diff('./a.db', './b.db', 'h')")"
  same 'removed|{"k":null}
added|{"k":null}
changed|{"k":7}' "$(on :memory: "SELECT change, key FROM backup_diff('./a.db', './b.db', 'n')")"
}

@test "numbers of one value and two classes are told apart, and do not mix rows up" {
  db a.db "CREATE TABLE h(rowid, oid, _rowid_); INSERT INTO h VALUES(1, 0, 'x'), (1.0, 0, 'x'), (1, 0.0, 'y'), (2, 2, 2);
    CREATE TABLE k(k PRIMARY KEY, v); INSERT INTO k VALUES(1, 'x'), (2.0, 'y'), (9007199254740993, 'z');
    CREATE TABLE w(a, b, v, PRIMARY KEY(a, b)) WITHOUT ROWID; INSERT INTO w VALUES(1.0, 'a', 1), (1, 'b', 2), (2, 'c', 3);"
  db b.db "CREATE TABLE h(rowid, oid, _rowid_); INSERT INTO h VALUES(2, 2, 2.0), (1, 0.0, 'y'), (1.0, 0, 'x'), (1, 0, 'x');
    CREATE TABLE k(k PRIMARY KEY, v); INSERT INTO k VALUES(9007199254740993.0, 'z'), (1.0, 'x'), (2.0, 'y');
    CREATE TABLE w(a, b, v, PRIMARY KEY(a, b)); INSERT INTO w VALUES(2, 'c', 3), (1, 'b', 2), (1.0, 'a', 1), (1, 'c', 2);"
  same 'removed|{"rowid":2,"oid":2,"_rowid_":2}
added|{"rowid":2,"oid":2,"_rowid_":2.0}' "$(on :memory: "SELECT change, key FROM backup_diff('./a.db', './b.db', 'h')")"
  same 'removed|{"k":1}
added|{"k":1.0}
added|{"k":9007199254740992.0}
removed|{"k":9007199254740993}' "$(on :memory: "SELECT change, key FROM backup_diff('./a.db', './b.db', 'k')")"
  same 'added|{"a":1,"b":"c"}' "$(on :memory: "SELECT change, key FROM backup_diff('./a.db', './b.db', 'w')")"
}

@test "columns that only one side has; a collation; nothing in common" {
  db a.db "CREATE TABLE t(id INTEGER PRIMARY KEY, name, old); INSERT INTO t VALUES(1, 'x', 1); CREATE TABLE c(k TEXT COLLATE NOCASE PRIMARY KEY) WITHOUT ROWID;
    INSERT INTO c VALUES('A'), ('b'); CREATE TABLE x(a, b); INSERT INTO x VALUES(1, 1); CREATE TABLE y(a PRIMARY KEY); INSERT INTO y VALUES(1)"
  db b.db "CREATE TABLE t(id INTEGER PRIMARY KEY, new, NAME); INSERT INTO t VALUES(1, 2, 'x'); CREATE TABLE c(k TEXT COLLATE NOCASE PRIMARY KEY) WITHOUT ROWID;
    INSERT INTO c VALUES('a'), ('b'); CREATE TABLE X(a, c); INSERT INTO x VALUES(1, 1); CREATE TABLE y(b PRIMARY KEY); INSERT INTO y VALUES(1)"
  same 'c|changed|1|1|0|primary key (k)|keys are told apart by their bytes, whatever their collation
t|changed|0|0|0|primary key (id)|columns only in a: old/columns only in b: new
x|changed|0|0|0|rowid|columns only in a: b/columns only in b: c
y|changed|1|1|0|whole rows|columns only in a: a/columns only in b: b/the primary keys differ: whole rows are compared' \
    "$(on :memory: "SELECT name, change, added, removed, changed, key, replace(notes, char(10), '/') FROM backup_diff('./a.db', './b.db')")"
}

@test "the same pages under another CREATE statement are read" {
  db app.db "CREATE TABLE more(id INTEGER PRIMARY KEY, a); INSERT INTO more VALUES(1, 1); CREATE TABLE renamed(id INTEGER PRIMARY KEY, a, b);
    INSERT INTO renamed VALUES(1, 1, 2); CREATE TABLE typed(id INTEGER PRIMARY KEY, a INT); INSERT INTO typed VALUES(1, 1), (2, 'x'); CREATE TABLE same(a); INSERT INTO same VALUES(1)"
  backup app.db >/dev/null
  db app.db "ALTER TABLE more ADD COLUMN b DEFAULT 5; ALTER TABLE renamed RENAME COLUMN b TO c; PRAGMA writable_schema=1;
    UPDATE sqlite_schema SET sql = replace(sql, 'a INT)', 'a REAL)') WHERE name = 'typed'"
  for sides in "'latest', 'main'" "'main', 'latest'"; do
    same 'more|changed|0|
renamed|changed|0|
same|same|0|
typed|changed|1|["a"]' "$(on app.db "SELECT name, change, changed, columns FROM backup_diff($sides)")"
    same '{"id":1}' "$(on app.db "SELECT key FROM backup_diff($sides, 'typed')")"
  done
}

@test "virtual tables are what their own tables are; SQLite's own tables by name" {
  db a.db "CREATE VIRTUAL TABLE same USING fts5(x); INSERT INTO same VALUES('word'); CREATE VIRTUAL TABLE words USING fts5(x);
    INSERT INTO words VALUES('one'); CREATE VIRTUAL TABLE same_too USING fts5(x); CREATE VIRTUAL TABLE left USING fts5(x); CREATE TABLE words_of(a); CREATE TABLE s(a INTEGER PRIMARY KEY AUTOINCREMENT);
    INSERT INTO s VALUES(5); CREATE VIRTUAL TABLE odd USING fts5(x); PRAGMA writable_schema=1;
    UPDATE sqlite_schema SET sql = 'CREATE VIRTUAL TABLE odd USING of_elsewhere(x)' WHERE name = 'odd'"
  cp a.db b.db
  db b.db "INSERT INTO words VALUES('two'); INSERT INTO same_too VALUES('three'); DROP TABLE left; INSERT INTO s VALUES(6)"
  same 'left|only in a||virtual table
odd|not compared||virtual table: what it keeps its content in is not known here
s|changed|1|
same|same||virtual table: compared by the tables that it keeps its content in
same_too|changed||virtual table: compared by the tables that it keeps its content in
words|changed||virtual table: compared by the tables that it keeps its content in
words_of|same|0|' "$(on :memory: "SELECT name, change, added, notes FROM backup_diff('./a.db', './b.db') WHERE name NOT LIKE 'odd\\_%' ESCAPE '\\'")"
  same 'added|{"id":2}' "$(on :memory: "SELECT change, key FROM backup_diff('./a.db', './b.db', 'words_content')")"
  same 'changed|{"rowid":1}|["seq"]' "$(on :memory: "SELECT change, key, columns FROM backup_diff('./a.db', './b.db', 'sqlite_sequence')")"
  same "\"words\" is a virtual table in T/a.db: name one of the tables that it keeps its content in (backup_contents lists them)" \
    "$(on :memory: "SELECT * FROM backup_diff('./a.db', './b.db', 'words')")"
}

@test "a table that is a view now, or a part of a virtual table, is told of: its rows are gone" {
  db app.db "CREATE TABLE t(a); INSERT INTO t VALUES (1), (2); CREATE TABLE f_content(id INTEGER PRIMARY KEY, c0); CREATE VIEW v AS SELECT 1;
    INSERT INTO f_content VALUES (1, 'mine'); CREATE TABLE f_data(a); CREATE VIEW w AS SELECT 1"
  backup app.db >/dev/null
  db app.db "DROP TABLE t; CREATE VIEW t AS SELECT 1 AS a; DROP TABLE f_content; DROP TABLE f_data; CREATE VIRTUAL TABLE f USING fts5(c);
    DROP VIEW v; CREATE TABLE v(a); INSERT INTO v VALUES (1)"
  same 'f|only in b||
f_content|changed|0|1
f_data|changed|2|0
t|only in a|0|2
v|only in b|1|0' "$(on app.db "SELECT name, change, added, removed FROM backup_diff('latest', 'main')")"
  same $'t|only in b\nv|only in a' "$(on app.db "SELECT name, change FROM backup_diff('main', 'latest') WHERE name IN ('t', 'v')")"
}

@test "what is not committed, what is only in memory, what is attached" {
  make_changed
  same 'agents|changed|1|1|2
agents|changed|0|4|0
agents|changed|1|1|2' "$(on app.db "SELECT name, change, added, removed, changed FROM backup_diff('latest', 'main') WHERE name = 'agents'" \
    "BEGIN; DELETE FROM agents" "SELECT name, change, added, removed, changed FROM backup_diff('latest', 'main') WHERE name = 'agents'" \
    "ROLLBACK" "SELECT name, change, added, removed, changed FROM backup_diff('latest', 'main') WHERE name = 'agents'")"
  same 'removed|{"id":1}
changed|{"id":3}' "$(on app.db "ATTACH ':memory:' AS \"my mem\"" "CREATE TABLE \"my mem\".agents(id INTEGER PRIMARY KEY, name TEXT, state)" \
    "INSERT INTO \"my mem\".agents SELECT id, 'n', state FROM main.agents WHERE id = 3; INSERT INTO \"my mem\".agents SELECT * FROM main.agents WHERE id > 3" \
    "SELECT change, key FROM backup_diff('main', 'my mem', 'agents')")"
  same 'agents|changed|2
agents|changed|2' "$(on app.db "ATTACH backup_uri('latest') AS old" "ATTACH '$T/app.db' AS again" \
    "SELECT name, change, changed FROM backup_diff('old', 'main') WHERE name = 'agents'" \
    "SELECT name, change, changed FROM backup_diff('old', 'again') WHERE name = 'agents'")"
  same '1|0' "$(on app.db "CREATE TEMP TABLE agents(id INTEGER PRIMARY KEY, name, state)" "INSERT INTO temp.agents SELECT * FROM main.agents WHERE id > 1" \
    "SELECT sum(removed), sum(changed) FROM backup_diff('main', 'temp', 'agents')")"
}

@test "which side is meant: a schema first, then a file; latest of the database that the other side is" {
  make_changed
  make_db other.db 10
  backup other.db >/dev/null
  same '5' "$(on app.db "SELECT count(*) FROM backup_diff('latest', 'main') WHERE change <> 'same'")"
  same '5' "$(on :memory: "SELECT count(*) FROM backup_diff('./app.db', 'latest') WHERE change <> 'same'")"
  run -1 sql "SELECT * FROM backup_diff('latest', 'latest:app')"
  [[ $output == *'"latest" fits several sources in '*' (pass latest:NAME or a file name)'* ]]
  cp app.db main
  same 't|only in b
t|only in b' "$(on other.db "SELECT name, change FROM backup_diff('./main', 'main') WHERE name = 't'" \
    "ATTACH ':memory:' AS latest" "SELECT name, change FROM backup_diff('latest', 'main') WHERE name = 't'")"
  cp app.db backups/copy.db
  same '0' "$(on app.db "SELECT count(*) FROM backup_diff('copy.db', 'main') WHERE change <> 'same'")"
}

@test "the same file twice; a backup in a hurry; an empty database" {
  make_changed
  file=$(ls backups/*.gz)
  same '5|0' "$(on :memory: "SELECT count(*), sum(added + removed + changed) FROM backup_diff('./$file', './$file') WHERE change = 'same'")"
  same '5|0' "$(on app.db "SELECT count(*), sum(added + removed + changed) FROM backup_diff('main', 'main') WHERE change = 'same'")"
  same '5|0' "$(on :memory: "SELECT count(*), sum(added + removed + changed) FROM backup_diff('./app.db', './app.db') WHERE change = 'same'")"
  touch empty.db
  gzip -k empty.db
  same '5|9' "$(on :memory: "SELECT count(*), sum(added) FROM backup_diff('./empty.db', './app.db') WHERE change = 'only in b'")"
  same '5|12' "$(on :memory: "SELECT count(*), sum(removed) FROM backup_diff('./$file', './empty.db.gz') WHERE change = 'only in a'")"
}

@test "a table that is called like a function says how it is called" {
  for name in backups backup_list backup_plan backup_config backup_activity backup_history backup_contents backup_diff; do
    fails "$name is a table, not a function: SELECT * FROM $name(…)" "SELECT $name('latest', 'main')"
    fails "$name is a table, not a function: SELECT * FROM $name" "SELECT $name()"
  done
  gives 0 "SELECT count(*) FROM backup_list('$T/backups')"
}

@test "what is refused" {
  make_changed
  for call in "backup_diff" "backup_diff('latest')" "backup_diff('latest', NULL)" "backup_diff(NULL, 'main', 'agents')"; do
    fails "backup_diff compares two sides, as in SELECT * FROM backup_diff('latest', 'main')" "SELECT * FROM $call"
  done
  fails 'argument table is not a text' "SELECT * FROM backup_diff('latest', 'latest', x'00')"
  fails 'no table "nope" in T/app.db, nor in T/backups/app_sqlite_STAMP.db.gz' "SELECT * FROM backup_diff('./app.db', 'latest', 'nope')"
  fails '"V" is a view in T/app.db' "SELECT * FROM backup_diff('./app.db', 'latest', 'V')"
  fails "backup_diff compares backups, not a server: make one with backup_create('postgresql://…') and compare it with another" \
    "SELECT * FROM backup_diff('latest', 'postgresql://app@db/app')"
  fails 'no backup "nope" in T/backups (for a file elsewhere pass a path with '"'/'"', such as ./nope)' "SELECT * FROM backup_diff('./app.db', 'nope')"
  printf -- '--\n-- PostgreSQL database dump\n--\n' | gzip >dump.sql.gz
  fails 'one side is a backup of PostgreSQL, the other of SQLite: they cannot be compared' "SELECT * FROM backup_diff('./dump.sql.gz', './app.db')"
  fails 'no backup for "latest" in T/backups (it has: app (sqlite); postgres is needed)' "SELECT * FROM backup_diff('./dump.sql.gz', 'latest')"
  echo text | gzip >text.db.gz
  fails './text.db.gz: what is inside is not a SQLite database' "SELECT * FROM backup_diff('./text.db.gz', 'latest')"
  fails 'unsafe use of virtual table "backup_diff"' "CREATE TEMP VIEW v AS SELECT 1" "CREATE VIEW w AS SELECT * FROM backup_diff('latest', 'main')" "SELECT * FROM w"
}

@test "nothing is left: no lock, no file, no task, no row in history; a statement may write what it compares" {
  for mode in delete wal; do
    make_db $mode.db 2000 $mode
    backup $mode.db >/dev/null
    db $mode.db "DELETE FROM t WHERE id > 1500; UPDATE t SET amount = 0 WHERE id < 11" >/dev/null
    same '500
510|0
2000
1
' "$(on $mode.db "INSERT INTO main.t(id) SELECT key ->> 'id' FROM backup_diff('latest', 'main', 't') WHERE change = 'removed'" "SELECT changes()" \
      "UPDATE t SET name = 'x' WHERE id IN (SELECT key ->> 'id' FROM backup_diff('latest', 'main', 't'))" \
      "SELECT changes(), (SELECT count(*) FROM backup_activity)" "SELECT count(*) FROM t" \
      "DELETE FROM t WHERE id = (SELECT key ->> 'id' FROM backup_diff('latest', 'main', 't') LIMIT 1)" "SELECT changes()" \
      "SELECT * FROM backup_activity")
"
  done
  same create "$(sql "SELECT DISTINCT operation FROM backup_history")"
  same 'backups delete.db wal.db' "$(ls | tr '\n' ' ' | sed 's/ $//')"
}

@test "counts only where they are asked for: the first row that differs is enough" {
  db a.db "PRAGMA page_size=512; CREATE TABLE t(id INTEGER PRIMARY KEY, a); WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000)
    INSERT INTO t SELECT i, 'row ' || i FROM n"
  cp a.db b.db
  db b.db "UPDATE t SET a = 'x' WHERE id = 1"
  # The last leaf is destroyed.
  printf '\xff%.0s' {1..512} | dd of=b.db bs=1 seek=$(($(stat -c %s b.db) - 512)) conv=notrunc status=none
  same 't|changed' "$(on :memory: "SELECT name, change FROM backup_diff('./a.db', './b.db')")"
  same 'T/b.db: database disk image is malformed' "$(on :memory: "SELECT changed FROM backup_diff('./a.db', './b.db')")"
  same 'T/b.db: database disk image is malformed' "$(on :memory: "SELECT name FROM backup_diff('./a.db', './b.db') WHERE columns IS NULL")"
}

# wreck FILE BLOCK: changes a byte of that block of a backup.
wreck() {
  python - "$1" "$2" <<'PY'
import subprocess, sys, os
sys.path.insert(0, os.path.join(os.environ['ROOT'], 'tests', 'archive'))
import lbformat
data = bytearray(open(sys.argv[1], 'rb').read())
for number, offset, member in lbformat.walk(bytes(data)):
    if number == int(sys.argv[2]):
        data[offset + 60] ^= 1
open(sys.argv[1], 'wb').write(data)
PY
}

@test "damage: a block that is read is named, one that need not be is not read" {
  db app.db "CREATE TABLE busy(id INTEGER PRIMARY KEY, a); CREATE TABLE quiet(id INTEGER PRIMARY KEY, a);
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 400) INSERT INTO busy SELECT i, hex(randomblob(1000)) FROM n;
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000) INSERT INTO quiet SELECT i, hex(randomblob(1000)) FROM n"
  a=$(backup app.db)
  db app.db "UPDATE busy SET a = 'x' WHERE id = 7"
  sleep 1
  b=$(backup app.db)
  cp "$a" whole.db.gz
  # In the middle of quiet, on both sides: nothing there needs to be read.
  wreck "$a" 15
  wreck "$b" 17
  if [[ $(sql "SELECT backup_version()") != *xxhash* ]]; then
    # Without hashes all pages are compared.
    run on app.db "SELECT name, change, changed FROM backup_diff('$a', '$b')"
    [[ $output == *"app_sqlite_STAMP.db.gz: block "1[57]" at byte "*": stored checksum does not match"* ]]
    return
  fi
  same 'busy|changed|1
quiet|same|0' "$(on app.db "SELECT name, change, changed FROM backup_diff('$a', '$b')")"
  same 'busy|changed|1
quiet|same|0' "$(on app.db "SELECT name, change, changed FROM backup_diff('$a', 'main')")"
  same 0 "$(on app.db "SELECT count(*) FROM backup_diff('$a', '$b', 'quiet')")"
  run -0 on app.db "SELECT sum(changed) FROM backup_diff('$a', './whole.db')"
  db app.db "UPDATE quiet SET a = 'y' WHERE id = 1500"
  run -0 on app.db "SELECT name, change, changed FROM backup_diff('$a', 'main')"
  [[ $output == *"app_sqlite_STAMP.db.gz: block 15 at byte "*": stored checksum does not match" ]]
  run -0 on app.db "SELECT count(*) FROM backup_diff('$a', 'main', 'quiet')"
  [[ $output == *"block 15 at byte "* ]]
  db app.db "PRAGMA page_size=8192; VACUUM"
  run -0 on app.db "SELECT count(*) FROM backup_diff('$b', 'main', 'quiet')"
  [[ $output == *"app_sqlite_STAMP.db.gz: block 17 at byte "* ]]
}

@test "a collation that is not here, functions that are not, a table without rows" {
  db a.db "CREATE TABLE c(k TEXT COLLATE NOCASE, v, PRIMARY KEY(k)) WITHOUT ROWID; CREATE TABLE r(k TEXT COLLATE NOCASE PRIMARY KEY, v, g AS (abs(v)), CHECK (abs(v) > 0));
    INSERT INTO c VALUES('A', 1), ('b', 2); INSERT INTO r VALUES('A', 1), ('b', 2); CREATE TABLE none(a, b, PRIMARY KEY(a, b)); PRAGMA writable_schema=1;
    UPDATE sqlite_schema SET sql = replace(replace(sql, 'NOCASE', 'of_elsewhere'), 'abs(', 'of_elsewhere(')"
  cp a.db b.db
  db b.db "CREATE TABLE c2(k TEXT PRIMARY KEY, v) WITHOUT ROWID; INSERT INTO c2 VALUES('B', 2), ('a', 1), ('b', 3); PRAGMA writable_schema=1;
    UPDATE sqlite_schema SET rootpage = (SELECT rootpage FROM sqlite_schema WHERE name = 'c2') WHERE name = 'c'; DELETE FROM sqlite_schema WHERE name = 'c2'"
  same 'c|changed|2|1|1
none|same|0|0|0
r|same|0|0|0' "$(on :memory: "SELECT name, change, added, removed, changed FROM backup_diff('./a.db', './b.db')")"
  db empty.db 'CREATE TABLE none(a, b, PRIMARY KEY(a, b))'
  same $'c|only in a|2\nnone|same|0\nr|only in a|2' "$(on :memory: "SELECT name, change, removed FROM backup_diff('./a.db', './empty.db')")"
}

@test "a schema that was made to deceive: pragmas, tables and sides keep to their own" {
  db a.db "CREATE TABLE pragma_table_info(a); CREATE TABLE pragma_table_xinfo(name, pk); CREATE TABLE lifeboat_stretches(first, last);
    CREATE TABLE \"x'); DROP TABLE y; --\"(\"a\"\"b\", \"]\" PRIMARY KEY); CREATE TABLE y(a); INSERT INTO y VALUES(1); INSERT INTO lifeboat_stretches VALUES(1, 2);
    INSERT INTO \"x'); DROP TABLE y; --\" VALUES(1, 2)"
  cp a.db b.db
  db b.db "UPDATE \"x'); DROP TABLE y; --\" SET \"a\"\"b\" = 3"
  same 'changed|{"]":2}|["a\"b"]' "$(on :memory: "SELECT change, key, columns FROM backup_diff('./a.db', './b.db', 'x''); DROP TABLE y; --')")"
  same '5|1' "$(on :memory: "SELECT count(*), sum(changed) FROM backup_diff('./a.db', './b.db')")"
}

@test "rows out of order, a key twice: an error, not other rows" {
  db a.db "PRAGMA page_size=512; CREATE TABLE w(k TEXT PRIMARY KEY, v) WITHOUT ROWID; INSERT INTO w VALUES('aaaa', 1), ('bbbb', 2), ('cccc', 3);
    CREATE TABLE t(k, v); INSERT INTO t VALUES('x', 1), ('x', 2), ('y', 3)"
  cp a.db b.db
  python - <<'PY'
data = open('b.db', 'rb').read()
open('b.db', 'wb').write(data.replace(b'bbbb', b'dddd'))
PY
  wrong='are not in the order of their key, or a key is there twice: the database is damaged (PRAGMA integrity_check tells where)'
  fails "T/b.db: the rows of w $wrong" "SELECT count(*) FROM backup_diff('./a.db', './b.db', 'w')"
  fails "T/b.db: the rows of w $wrong" "SELECT count(*) FROM backup_diff('./b.db', './a.db', 'w')"
  db b.db "PRAGMA writable_schema=1; UPDATE sqlite_schema SET sql = 'CREATE TABLE t(k TEXT NOT NULL, v, PRIMARY KEY(k))' WHERE name = 't';
    INSERT INTO sqlite_schema VALUES('index', 'sqlite_autoindex_t_1', 't', (SELECT rootpage FROM sqlite_schema WHERE name = 'w'), NULL)"
  cp b.db c.db
  fails "T/b.db: the rows of t $wrong" "SELECT count(*) FROM backup_diff('./b.db', './c.db', 't')"
}

# damage PAGE OFFSET BYTES…: bad.db.gz, a plain gzip of good.db with these bytes (two hex digits each) in a page of 512.
damage() {
  local at=$((($1 - 1) * 512 + $2))
  cp good.db bad.db
  shift 2
  printf "$(printf '\\x%s' "$@")" | dd of=bad.db bs=1 seek=$at conv=notrunc status=none
  gzip -nf bad.db
}

@test "hostile b-trees end in an error" {
  # t begins at page 2, with two levels above its leaves.
  sqlite3 good.db "PRAGMA page_size=512; CREATE TABLE t(id INTEGER PRIMARY KEY, a); CREATE TABLE u(a);
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 9000) INSERT INTO t SELECT i, printf('%.*c', i % 60, 'x') FROM n; INSERT INTO u VALUES(1)"
  gzip -nk good.db
  pages=$(db good.db 'PRAGMA page_count')
  wrong() { fails "$1" "SELECT count(*), sum(changed) FROM backup_diff('./bad.db.gz', './good.db.gz'$2)"; }
  for table in "" ", 't'"; do
    damage 2 8 00 00 00 02 && wrong './bad.db.gz: the database is damaged: page 2 of t: its keys are out of order' "$table"
    damage 2 8 ff ff ff ff && wrong "./bad.db.gz: the database is damaged: page 2 of t points to page 4294967295 of $pages" "$table"
    damage 2 0 7f && wrong './bad.db.gz: database disk image is malformed' "$table"
    damage 2 0 0a && wrong './bad.db.gz: database disk image is malformed' "$table"
  done
  damage 2 3 ff ff && wrong './bad.db.gz: the database is damaged: page 2 of t: more cells than fit'
  # The page above some leaves, equal on both sides: each leaf is where it was, but the keys say otherwise.
  interior=$(db good.db "SELECT pageno FROM dbstat WHERE name = 't' AND pagetype = 'internal' AND pageno > 2 ORDER BY pageno LIMIT 1")
  damage "$interior" 8 00 00 00 02 && cp bad.db.gz other.db.gz
  damage "$interior" 8 00 00 00 02 && gunzip -k bad.db.gz && db bad.db "UPDATE u SET a = 2" && gzip -nf bad.db
  run -1 sql "SELECT * FROM backup_diff('./bad.db.gz', './other.db.gz', 't')"
  [[ $output == *'bad.db.gz: the database is damaged: page 2 of t: it is in use twice'* ]]
}

@test "an interrupt ends it; backup_activity tells what it is at" {
  sqlite3 one.db "PRAGMA journal_mode=off; CREATE TABLE t(k PRIMARY KEY, a); WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 200000)
    INSERT INTO t SELECT i * 7919 % 200003, 'row ' || i FROM n" >/dev/null
  cp one.db two.db
  python - <<'PY'
import os, sqlite3, threading, time
def connect():
    db = sqlite3.connect(':memory:', check_same_thread=False)
    db.enable_load_extension(True)
    db.load_extension(os.environ['LIFEBOAT_SO'])
    return db
db, watcher = connect(), connect()
seen = []

def stop():
    while True:
        now = watcher.execute("SELECT operation, subject, phase FROM backup_activity").fetchone()
        if now and now[2] == 'comparing rows':
            seen.append(now)
            time.sleep(0.02)
            db.interrupt()
            return

def interrupted():
    thread = threading.Thread(target=stop)
    thread.start()
    begun = time.monotonic()
    try:
        db.execute("SELECT count(*) FROM backup_diff('./one.db', './two.db', 't')").fetchall()
        return False
    except sqlite3.OperationalError as e:
        assert str(e) == 'interrupted', e
        return True
    finally:
        thread.join()
assert any(interrupted() for _ in range(5))
assert seen[0] == ('diff', './one.db, ./two.db', 'comparing rows'), seen
assert watcher.execute("SELECT count(*) FROM backup_activity").fetchone() == (0,)
# A statement that is given up in the middle lets go of both databases.
cursor = db.execute("SELECT * FROM backup_diff('./one.db', './one.db')")
cursor.close()
sqlite3.connect('one.db').execute('BEGIN EXCLUSIVE')
PY
}

@test "what a comparison may not read is left as it was: a -wal that is all there is, a folder of somebody else" {
  make_db app.db 10 wal
  sql "SELECT backup_create('app.db')"
  python - <<'PY'
import shutil, sqlite3
db = sqlite3.connect('app.db', isolation_level=None)
db.execute("INSERT INTO t(name) VALUES ('only in the -wal')")
shutil.copy('app.db-wal', 'lost.db-wal')
PY
  : >lost.db
  before=$(sha256sum <lost.db-wal)
  fails 'T/lost.db: empty, but a -wal or -journal lies beside it: not a whole database' \
    "SELECT * FROM backup_diff('latest:app', './lost.db')"
  same "$before" "$(sha256sum <lost.db-wal)"

  chmod 444 app.db
  run held sqlite3 -init /dev/null -batch :memory: ".load '${LIFEBOAT_SO%.so}'" \
    "SELECT * FROM backup_diff('latest:app', './app.db')"
  [[ $output == *'permission denied: reading a database in WAL mode that nobody has open takes write permission'* ]]
  [ ! -e app.db-shm ] && [ ! -e app.db-wal ]
}

# SQLite lists all tables to tell of one, and tries again for each where a view cannot be compiled.
@test "many tables, beside a view that is broken: the time does not grow with their square" {
  {
    echo 'BEGIN;'
    for i in $(seq 1500); do echo "CREATE TABLE t$i(a); INSERT INTO t$i VALUES ($i);"; done
    echo "CREATE VIEW broken AS SELECT nowhere(a) FROM t1; COMMIT;"
  } | sqlite3 -init /dev/null -bail app.db
  backup app.db >/dev/null
  db app.db "UPDATE t7 SET a = 0; DROP TABLE t8; CREATE TABLE \"T8\"(a); DROP TABLE t9"
  run -0 timeout 20 env ${LIFEBOAT_PRELOAD:+"LD_PRELOAD=$LIFEBOAT_PRELOAD"} sqlite3 -init /dev/null -batch :memory: ".load '${LIFEBOAT_SO%.so}'" \
    "SELECT name, change, removed FROM backup_diff('latest', './app.db') WHERE change <> 'same'" \
    "SELECT count(*) FROM backup_diff('latest', './app.db')"
  same $'t7|changed|0\nt8|changed|1\nt9|only in a|1\n1500' "$output"
}

@test "many virtual tables: which tables belong to one is not looked for again and again" {
  {
    echo 'BEGIN;'
    for i in $(seq 700); do echo "CREATE VIRTUAL TABLE f$i USING fts5(a);"; done
    echo "CREATE VIRTUAL TABLE f7_old USING fts5(a); COMMIT;"
  } | sqlite3 -init /dev/null -bail app.db
  backup app.db >/dev/null
  db app.db "INSERT INTO f7_old VALUES ('x'); INSERT INTO f9 VALUES ('y')"
  run -0 timeout 20 env ${LIFEBOAT_PRELOAD:+"LD_PRELOAD=$LIFEBOAT_PRELOAD"} sqlite3 -init /dev/null -batch :memory: ".load '${LIFEBOAT_SO%.so}'" \
    "SELECT name, change FROM backup_diff('latest', './app.db') WHERE change <> 'same'"
  same $'f7_old|changed\nf9|changed' "$output"
}

@test "a thousand columns and more, by a key that may be NULL: compared like any other" {
  columns=$(printf ', c%d' $(seq 1900))
  db app.db "CREATE TABLE wide(k TEXT PRIMARY KEY$columns); CREATE TABLE other(a);
    INSERT INTO wide(k, c7, c1500) VALUES ('a', 1, 1), (NULL, 2, 2), (NULL, 2, 2.0), ('d', 1, 1)"
  backup app.db >/dev/null
  db app.db "UPDATE wide SET c1500 = c1500 * 1.0 WHERE k = 'a'; UPDATE wide SET c1500 = 3 WHERE rowid = 3; INSERT INTO other VALUES (1)"
  same 'other|changed|1|0|0|
wide|changed|1|1|1|["c1500"]' "$(on app.db "SELECT name, change, added, removed, changed, columns FROM backup_diff('latest', 'main')")"
}

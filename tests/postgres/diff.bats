# backup_diff of two PostgreSQL backups: by their tables of contents.
load ../helper
load ../api/expect
load server

setup() { api_setup; }

teardown() {
  if [ -n "${PG_NAME:-}" ]; then pg_server_stop immediate || true; fi
  cd / && rm -rf "$T"
}

@test "tables that are the same, that changed, that only one backup has; no row is read" {
  require_pg "$PG_DEFAULT"
  pg_server_start
  newdb app
  q app "CREATE SCHEMA s; CREATE TABLE t(id int PRIMARY KEY, v text); INSERT INTO t SELECT i, 'row ' || i FROM generate_series(1, 1000) AS i;
    CREATE TABLE s.t(id int PRIMARY KEY, v text); INSERT INTO s.t SELECT * FROM t; CREATE TABLE moved(a text); INSERT INTO moved SELECT v FROM t;
    CREATE TABLE none(a int); CREATE TABLE gone(a int); INSERT INTO gone VALUES(1), (2); CREATE TABLE \"T\"(a int)"
  a=$(sql "SELECT backup_create('$(url app)')")
  # The same rows in another order; a change of as many bytes; a table that went and one that came.
  q app "CREATE TABLE again AS SELECT * FROM moved ORDER BY a DESC; TRUNCATE moved; INSERT INTO moved SELECT * FROM again; DROP TABLE again, gone;
    UPDATE s.t SET v = 'wor ' || substr(v, 5) WHERE id = 500; CREATE TABLE fresh(a int); INSERT INTO fresh VALUES(1)"
  b=$(sql "SELECT backup_create('$(url app)')")
  told='public|T|same|0|0|0
public|fresh|only in b|1|0|0
public|gone|only in a|0|2|0
public|moved|same|0|0|0
public|none|same|0|0|0
public|t|same|0|0|0
s|t|changed|||'
  if [[ $(sql "SELECT backup_version()") != *xxhash* ]]; then
    skip 'not built with xxhash: equal counts prove nothing'
  fi
  gives "$told" "SELECT schema, name, change, added, removed, changed FROM backup_diff('$a', '$b')"
  gives '6|0' "SELECT count(*), sum(added + removed + changed) FROM backup_diff('$a', '$a') WHERE change = 'same'"
  gives 'only in b|0|2' "SELECT change, removed, added FROM backup_diff('$b', '$a') WHERE name = 'gone'"
  gives '4' "SELECT count(*) FROM backup_diff('latest', 'latest:app') WHERE schema = 'public' AND name <> 'T'"
  # The content is destroyed, the index is not.
  for file in "$a" "$b"; do dd if=/dev/zero of="$file" bs=1 seek=40 count=200 conv=notrunc status=none; done
  gives "$told" "SELECT schema, name, change, added, removed, changed FROM backup_diff('$a', '$b')"
  fails "the rows of PostgreSQL backups are not compared, only their tables: leave the table's name out, or restore both and compare there" \
    "SELECT * FROM backup_diff('$a', '$b', 't')"
}

@test "a dump of another tool" {
  printf -- '--\n-- PostgreSQL database dump\n--\n' | gzip >dump.sql.gz
  fails './dump.sql.gz: a dump of another tool has no table of contents to compare: restore it and back it up with backup_create' \
    "SELECT * FROM backup_diff('./dump.sql.gz', './dump.sql.gz')"
}

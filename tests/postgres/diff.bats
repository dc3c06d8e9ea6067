# backup_diff of two PostgreSQL backups: by their tables of contents, and row by row where they differ.
load ../helper
load ../api/expect
load server

setup() { api_setup; }

teardown() {
  if [ -n "${PG_NAME:-}" ]; then pg_server_stop immediate || true; fi
  cd / && rm -rf "$T"
}

@test "tables that are the same, that changed, that only one backup has; equal ones are not read" {
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
  gives 'public|T|same|0|0|0||
public|fresh|only in b|1|0|0||
public|gone|only in a|0|2|0||
public|moved|same|0|0|0||
public|none|same|0|0|0||
public|t|same|0|0|0||
s|t|changed|0|0|1|primary key (id)|["v"]' \
    "SELECT schema, name, change, added, removed, changed, iif(change = 'same', NULL, key), columns FROM backup_diff('$a', '$b')"
  gives '6|0' "SELECT count(*), sum(added + removed + changed) FROM backup_diff('$a', '$a') WHERE change = 'same'"
  gives 's|t|changed|{"id":500}|["v"]' "SELECT schema, name, change, key, columns FROM backup_diff('$a', '$b', 's.t')"
  gives 'public|gone|removed|{"a":1}
public|gone|removed|{"a":2}' "SELECT schema, name, change, key FROM backup_diff('$a', '$b', 'gone')"
  gives 'added|{"a":1}' "SELECT change, key FROM backup_diff('$a', '$b', 'fresh')"
  gives 0 "SELECT count(*) FROM backup_diff('$a', '$b', 'moved')"
  gives '4' "SELECT count(*) FROM backup_diff('latest', 'latest:app') WHERE schema = 'public' AND name <> 'T'"
  run -1 sql "SELECT * FROM backup_diff('$b', '$b', 'nope')"
  [[ $output == *"$b: no table nope in it; near: public.none"* ]]
  if [[ $(sql "SELECT backup_version()") == *xxhash* ]]; then
    # The content is destroyed, the index is not: what is told without counts needs no row.
    for file in "$a" "$b"; do dd if=/dev/zero of="$file" bs=1 seek=40 count=200 conv=notrunc status=none; done
    gives 'changed|1
only in a|1
only in b|1
same|4' "SELECT change, count(*) FROM backup_diff('$a', '$b') GROUP BY 1"
    run -1 sql "SELECT changed FROM backup_diff('$a', '$b')"
    [[ $output == *"block 0 at byte 0: "* ]]
  fi
}

@test "rows: keys of several columns, none, one that changed; values; columns that came and went; upper case" {
  require_pg "$PG_DEFAULT"
  pg_server_start
  newdb app
  q app "CREATE TABLE pairs(a int, \"B\" text, b bytea, PRIMARY KEY(\"B\", a)); INSERT INTO pairs VALUES(1, 'x', '\\xff00'), (1, 'y', NULL), (2, 'x', ''), (3, E'tab\t\"quote\"', 'z');
    CREATE TABLE bare(v numeric, t timestamptz); INSERT INTO bare VALUES(1.10, '2025-01-01 00:00+00'), (2, NULL), (2, NULL), (3, NULL);
    CREATE TABLE rekeyed(a int PRIMARY KEY, b int); INSERT INTO rekeyed VALUES(1, 1), (2, 2);
    CREATE TABLE columns(id int PRIMARY KEY, old text, stays text); INSERT INTO columns VALUES(1, 'o', 's'), (2, 'o', 's');
    CREATE TABLE p(id int, part int, PRIMARY KEY(id, part)) PARTITION BY LIST(part); CREATE TABLE p1 PARTITION OF p FOR VALUES IN (1); CREATE TABLE p2 PARTITION OF p FOR VALUES IN (2);
    INSERT INTO p SELECT i, 1 + i % 2 FROM generate_series(1, 100) AS i; CREATE TABLE written(id int PRIMARY KEY, n numeric); INSERT INTO written VALUES(1, 1.1)"
  a=$(sql "SELECT backup_create('$(url app)')")
  q app "UPDATE pairs SET b = '\\x00' WHERE a = 1; DELETE FROM pairs WHERE a = 2; DELETE FROM bare WHERE ctid = (SELECT ctid FROM bare WHERE v = 2 LIMIT 1); INSERT INTO bare VALUES(4, NULL);
    ALTER TABLE rekeyed DROP CONSTRAINT rekeyed_pkey; ALTER TABLE rekeyed ADD PRIMARY KEY (b); UPDATE rekeyed SET a = 9 WHERE b = 2;
    ALTER TABLE columns DROP old; ALTER TABLE columns ADD new int; UPDATE columns SET stays = 't' WHERE id = 2; DELETE FROM p WHERE id = 7; UPDATE written SET n = 1.10"
  b=$(sql "SELECT backup_create('$(url app)')")
  gives 'bare|changed|1|1|0|whole rows||
columns|changed|0|0|1|primary key (id)|["stays"]|columns only in a: old/columns only in b: new
p1|same|0|0|0|||
p2|changed|0|1|0|primary key (id, part)||
pairs|changed|0|1|2|primary key (B, a)|["b"]|
rekeyed|changed|1|1|0|whole rows||the primary keys differ: whole rows are compared
written|changed|0|0|0|primary key (id)||rows differ only in how numbers are written, as 1.1 and 1.10' \
    "SELECT name, change, added, removed, changed, iif(change = 'same', NULL, key), columns, replace(notes, char(10), '/') FROM backup_diff('$a', '$b')"
  gives 'changed|{"B":"x","a":1}|["b"]
removed|{"B":"x","a":2}|
changed|{"B":"y","a":1}|["b"]' "SELECT change, key, columns FROM backup_diff('$a', '$b', 'pairs')"
  gives 'removed|{"v":2,"t":null}
added|{"v":4,"t":null}' "SELECT change, key FROM backup_diff('$a', '$b', 'public.bare')"
  gives 'p|removed|{"id":7,"part":2}' "SELECT name, change, key FROM backup_diff('$a', '$b', 'p')"
  # Several in one session; nothing of one is left for the next.
  gives '3|7
1|1
7|0' "SELECT (SELECT count(*) FROM backup_diff('$a', '$b', 'pairs')), (SELECT count(*) FROM backup_diff('$a', '$b'))" \
    "SELECT (SELECT count(*) FROM backup_diff('$a', '$b', 'p')), (SELECT count(*) FROM backup_diff('$a', '$b', 'columns'))" \
    "SELECT (SELECT count(*) FROM backup_diff('$b', '$b') WHERE change = 'same'), (SELECT count(*) FROM backup_activity)"
}

@test "tables that share no column: renamed, made anew, without any" {
  require_pg "$PG_DEFAULT"
  pg_server_start
  newdb app
  q app "CREATE TABLE renamed(a int); INSERT INTO renamed VALUES(1), (2); CREATE TABLE bare(); INSERT INTO bare DEFAULT VALUES; CREATE TABLE lost(a int); INSERT INTO lost VALUES(1);
    CREATE TABLE computed(c int GENERATED ALWAYS AS (1) STORED); INSERT INTO computed DEFAULT VALUES; CREATE TABLE anew(x int PRIMARY KEY); INSERT INTO anew VALUES(7);
    CREATE TABLE other(id int PRIMARY KEY, v int); INSERT INTO other VALUES(1, 1)"
  a=$(sql "SELECT backup_create('$(url app)')")
  q app "ALTER TABLE renamed RENAME a TO b; INSERT INTO renamed VALUES(3); INSERT INTO bare SELECT FROM generate_series(1, 3); INSERT INTO computed DEFAULT VALUES; ALTER TABLE lost DROP a;
    DROP TABLE anew; CREATE TABLE anew(y text PRIMARY KEY); INSERT INTO anew VALUES('u'), ('v'); UPDATE other SET v = 2"
  b=$(sql "SELECT backup_create('$(url app)')")
  gives 'anew|changed|2|1|0|columns only in a: x/columns only in b: y/the primary keys differ: whole rows are compared
bare|changed|3|0|0|
computed|changed|1|0|0|
lost|changed|1|1|0|columns only in a: a
other|changed|0|0|1|
renamed|changed|3|2|0|columns only in a: a/columns only in b: b' \
    "SELECT name, change, added, removed, changed, replace(notes, char(10), '/') FROM backup_diff('$a', '$b')"
  gives 'added|{}' "SELECT DISTINCT change, key FROM backup_diff('$a', '$b', 'bare')"
  gives 'removed|3' "SELECT change, count(*) FROM backup_diff('$b', '$a', 'bare')"
  gives 'removed|2
added|3' "SELECT change, count(*) FROM backup_diff('$a', '$b', 'renamed') GROUP BY 1 ORDER BY 1 DESC"
  gives 0 "SELECT count(*) FROM backup_diff('$b', '$b', 'bare')"
}

@test "some hundred thousand rows against the server's own answer" {
  require_pg "$PG_DEFAULT"
  pg_server_start
  newdb app
  q app "CREATE TABLE t(id text PRIMARY KEY, v text); INSERT INTO t SELECT md5(i::text), repeat('row ' || i, 3) FROM generate_series(1, 100000) AS i; CREATE TABLE before AS SELECT * FROM t"
  a=$(sql "SELECT backup_create('$(url app)')")
  q app "DELETE FROM t WHERE id LIKE '00%'; UPDATE t SET v = 'x' WHERE id LIKE 'ff%'; INSERT INTO t SELECT 'new ' || i, i FROM generate_series(1, 500) AS i"
  b=$(sql "SELECT backup_create('$(url app)')")
  want=$(q app "SELECT (SELECT count(*) FROM t WHERE id NOT IN (SELECT id FROM before)) || '|' || (SELECT count(*) FROM before WHERE id NOT IN (SELECT id FROM t)) || '|' ||
    (SELECT count(*) FROM t JOIN before USING (id) WHERE t.v <> before.v)")
  gives "$want" "SELECT added, removed, changed FROM backup_diff('$a', '$b') WHERE name = 't'"
  want=$(q app "SELECT id FROM before WHERE id NOT IN (SELECT id FROM t) ORDER BY id COLLATE \"C\"" | md5sum)
  same "$want" "$(sql "SELECT key ->> 'id' FROM backup_diff('$a', '$b', 't') WHERE change = 'removed'" | md5sum)"
}

@test "a dump of another tool" {
  printf -- '--\n-- PostgreSQL database dump\n--\n' | gzip >dump.sql.gz
  fails './dump.sql.gz: a dump of another tool has no table of contents to compare: restore it and back it up with backup_create' \
    "SELECT * FROM backup_diff('./dump.sql.gz', './dump.sql.gz')"
}

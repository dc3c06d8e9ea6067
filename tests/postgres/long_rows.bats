# Rows that are too long for one message of a server: their values come in pieces.
load ../helper
load server
load oracle

setup_file() {
  pg_server_start --set max_connections=60
  newdb long
  fill long
}
teardown_file() { pg_server_stop_all; }
setup() {
  lifeboat_setup
  pg_server_use main
  export BACKUP_DIR=$T
}

# The most memory, in MiB, that the shell had while it did that.
peak() {
  python - "${LIFEBOAT_SO%.so}" "$1" <<'PY'
import resource, subprocess, sys
shell = ["sqlite3", "-init", "/dev/null", "-batch", "-bail", ":memory:", "-cmd", ".load '%s'" % sys.argv[1], sys.argv[2]]
subprocess.run(shell, check=True, stdout=sys.stderr)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024)
PY
}

# Values of every kind, long ones in every place of a row, among short ones: text whose every byte is escaped, in the
# form that is longer, around the size of a piece (1 MiB), empty, NULL, composite of nothing but NULLs; %s in a name.
fill() {
  q "$1" <<'SQL'
CREATE TYPE pair AS (a int, b text);
CREATE DOMAIN words AS text;
CREATE TABLE anything (id int PRIMARY KEY, gone text, "%s '%2$s" text, b bytea, j jsonb, p pair, w words, x int[], f float8,
  t tsvector, v varchar, c char(5), "last ""one""" text, made text GENERATED ALWAYS AS (repeat('m', 2000)) STORED);
ALTER TABLE anything DROP COLUMN gone;
INSERT INTO anything SELECT n, E'\t\\x', '\x00ff', '{"a": 1}', (NULL, NULL)::pair, 'w', ARRAY[n, NULL], n / 7.0, 'a b', 'v', 'c',
  E'\b\f\n\r\t\v\\.' FROM generate_series(1, 50) AS n;
INSERT INTO anything VALUES (100, repeat(E'a\tb\\\n', 300000), decode(repeat('00ff5c', 700000), 'hex'),
  jsonb_build_object('k', repeat(E'xy"\\', 400000)), (1, repeat('z"\', 500000)), repeat('d', 1500000),
  array_fill(7, ARRAY[600000]), 'NaN', to_tsvector('simple', (SELECT string_agg('w' || g, ' ') FROM generate_series(1, 50000) g)),
  repeat('v', 500000), 'e', '');
INSERT INTO anything (id, "last ""one""") VALUES (101, repeat(E'\\', 2000000)), (102, '');
INSERT INTO anything (id, b) VALUES (103, decode(repeat('ab', 2000000), 'hex')), (104, '');
INSERT INTO anything (id, p) VALUES (105, (NULL, repeat('p', 1200000))), (106, NULL);
INSERT INTO anything (id, "%s '%2$s") SELECT 200 + n, repeat('x', 1048576 * 2 + n) FROM generate_series(-2, 2) AS n;
INSERT INTO anything SELECT n, '', '', 'null', NULL, '', '{}', '-0', '', '', '', '' FROM generate_series(300, 310) AS n;

-- Nothing that the binary form would gain.
CREATE TABLE by_text (x int[], k text);
INSERT INTO by_text VALUES (array_fill(7, ARRAY[1200000]), 'a'), (NULL, repeat(E'\b', 3000000)), ('{1}', 'b'), (NULL, NULL);

CREATE TABLE parent (id int, t text);
CREATE TABLE child (more bytea) INHERITS (parent);
INSERT INTO parent VALUES (1, repeat('p', 4500000)), (2, 'p');
INSERT INTO child VALUES (3, repeat('c', 2500000), decode(repeat('cc', 2500000), 'hex')), (4, 'c', NULL);
CREATE TABLE parted (id int, t text) PARTITION BY HASH (id);
CREATE TABLE parted_0 PARTITION OF parted FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE parted_1 PARTITION OF parted FOR VALUES WITH (MODULUS 2, REMAINDER 1);
INSERT INTO parted SELECT n, repeat(n::text, 4500000) FROM generate_series(1, 3) AS n;
CREATE TABLE "Refers" (id int PRIMARY KEY, up int REFERENCES "Refers", t text);
INSERT INTO "Refers" VALUES (1, 2, repeat('r', 4500000)), (2, 1, 's'), (3, 1, repeat('t', 4500000));
SQL
}

# bats test_tags=threads
@test "long rows are in a backup, to the byte, as the server writes them as text" {
  local table options backup tables=(anything by_text child parted_0 parted_1 Refers)
  for table in "${tables[@]}"; do
    rows_of_server long "public.\"$table\"" >"want.$table"
    [ "$(wc -c <"want.$table")" -gt 4000000 ]
  done
  for options in '{}' '{"jobs":1,"data_only":true}' '{"jobs":8}'; do
    backup=$(sql "SELECT backup_create('$(url long)', '$options')")
    for table in "${tables[@]}"; do
      rows_of_backup "$backup" "public.$table" >got
      cmp "want.$table" got || { echo "$table of $options"; return 1; }
    done
    rm "$backup"
  done
}

# bats test_tags=threads
@test "long rows are restored: by us in every mode, by psql, and a full verification finds them the same" {
  sql "SELECT backup_create('$(url long)')"
  [ "$(sql "SELECT backup_verify('latest', '{\"level\":\"full\",\"verify_uri\":\"$(url postgres)\"}')")" = ok ]
  newdb back
  sql "SELECT backup_restore('latest', '$(url back)')"
  pg_same long back
  [ "$(sql "SELECT sum(rows) FROM backup_contents('latest')")" = "$(q long \
    'SELECT (SELECT count(*) FROM anything) + (SELECT count(*) FROM by_text) + (SELECT count(*) FROM parent) +
      (SELECT count(*) FROM parted) + (SELECT count(*) FROM "Refers")')" ]
  for mode in transaction swap; do
    q back 'DROP TABLE anything'
    sql "SELECT backup_restore('latest:long', '$(url back)', '{\"overwrite\":true,\"mode\":\"$mode\"}')"
    pg_same long back
  done
  newdb psql
  gunzip -c long_postgres_*.gz | q psql
  pg_same long psql
}

@test "of an older server too, and of a newer one" {
  for version in 13 18; do
    require_pg $version
    pg_server_start --name "v$version" "$version"
    newdb long
    fill long
    if [ "$version" = 18 ]; then
      # No pg_dump here is so new: rows alone pass, through the reading that a verification does.
      pg_server_use main
      sql "SELECT backup_create('$(url long)')"
      pg_server_use "v$version"
    else
      sql "SELECT backup_create('$(url long)')"
    fi
    [ "$(sql "SELECT backup_verify('latest', '{\"level\":\"full\",\"verify_uri\":\"$(url postgres)\"}')")" = ok ]
    rm long_postgres_*
    pg_server_stop immediate
    pg_server_use main
  done
}

@test "bytes that are no characters of the database's encoding come through" {
  q postgres "CREATE DATABASE bytes TEMPLATE template0 ENCODING 'SQL_ASCII' LOCALE 'C'"
  q bytes "SET client_encoding = 'SQL_ASCII'; CREATE TABLE t (t text, w varchar);
    INSERT INTO t VALUES (repeat(E'\\xe4\\xff\\\\', 2000000), E'\\xfc')"
  rows_of_server bytes public.t >want
  rows_of_backup "$(sql "SELECT backup_create('$(url bytes)')")" public.t >got
  cmp want got
}

@test "a row is found by its key, long or not" {
  newdb keys
  q keys "CREATE TABLE t (body text, k text PRIMARY KEY); INSERT INTO t
    SELECT repeat(n::text, CASE n % 5 WHEN 0 THEN 2200000 ELSE 2 END), 'key-' || n FROM generate_series(10, 60) AS n"
  sql "SELECT backup_create('$(url keys)')"
  [ "$(sql "CREATE VIRTUAL TABLE temp.t USING backup_table('latest', 't');
    SELECT k, length(body) FROM t WHERE k IN ('key-20', 'key-21', 'key-60') ORDER BY k")" = $'key-20|4400000\nkey-21|4\nkey-60|4400000' ]
  [ "$(sql "SELECT rows FROM backup_contents('latest')")" = 51 ]
}

# The ordinary way needs none of them.
@test "where functions that long rows are read with are taken from everybody, rows come whole" {
  newdb rights
  q rights "CREATE TABLE t (t text, x int[]); INSERT INTO t VALUES (repeat('x', 4500000), array_fill(7, ARRAY[600000]));
    CREATE ROLE reader LOGIN; GRANT SELECT ON t TO reader"
  rows_of_server rights public.t >want
  for function in 'octet_length(text)' 'pg_column_size("any")' 'num_nulls("any")' 'tidout(tid)'; do
    q rights "REVOKE EXECUTE ON FUNCTION pg_catalog.$function FROM PUBLIC"
    rows_of_backup "$(sql "SELECT backup_create('$(url rights | sed s/user=postgres/user=reader/)')")" \
      public.t >got
    cmp want got
    q rights "GRANT EXECUTE ON FUNCTION pg_catalog.$function TO PUBLIC"
  done
}

# Whole in memory, this row would take five times its size.
@test "memory stays bounded, however long a row is" {
  [ -z "${LIFEBOAT_PRELOAD:-}" ] || skip "a sanitizer's memory is counted as well"
  newdb wide
  q wide "CREATE TABLE t (id int PRIMARY KEY, b bytea, t text); ALTER TABLE t ALTER b SET STORAGE EXTERNAL;
    INSERT INTO t VALUES (1, decode(repeat(md5('a') || md5('b'), 1000000), 'hex'), repeat(md5('c'), 800000))"
  [ "$(peak "SELECT backup_create('$(url wide)')")" -lt 64 ]
  [ "$(peak "SELECT backup_verify('latest', '{\"level\":\"full\",\"verify_uri\":\"$(url postgres)\"}')")" -lt 64 ]
  newdb back
  [ "$(peak "SELECT backup_restore('latest', '$(url back)')")" -lt 64 ]
  pg_same wide back
}

# The query that has the pieces is the last that a table is asked; the table is whole, or the backup is none.
@test "a server that goes away between the pieces leaves nothing behind" {
  newdb cut
  q cut "CREATE TABLE t (t text); INSERT INTO t SELECT repeat('x', 50000000) FROM generate_series(1, 4)"
  (
    await answers "SELECT count(*) > 0 FROM pg_stat_activity WHERE query LIKE '%CROSS JOIN LATERAL%' AND pid <> pg_backend_pid()"
    q postgres "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%CROSS JOIN LATERAL%' AND pid <> pg_backend_pid()" >ended
  ) &
  run -1 sql "SELECT backup_create('$(url cut)')"
  wait $!
  [ "$(cat ended)" = t ]
  [[ $output == *'reading "public"."t"'* ]]
  [ -z "$(ls -A | grep cut_)" ]
}

# Only then is the index of the table asked for that has such values.
@test "a lock that is not had between the pieces is what the error tells" {
  newdb busy
  q busy "CREATE TABLE first AS SELECT g, md5(g::text) AS a, md5((g + 1)::text) AS b FROM generate_series(1, 1500000) AS g;
    CREATE TABLE t1 (t text); INSERT INTO t1 VALUES (repeat('x', 5000000)); CREATE TABLE t2 AS TABLE t1;
    CREATE TABLE t3 AS TABLE t1; CREATE TABLE t4 AS TABLE t1; CREATE TABLE t5 AS TABLE t1"
  q busy "DO \$\$ BEGIN
    WHILE NOT EXISTS (SELECT FROM pg_stat_activity WHERE query LIKE '%COPY%first%' AND pid <> pg_backend_pid()) LOOP
      PERFORM pg_sleep(0.01), pg_stat_clear_snapshot(); END LOOP;
    REINDEX TABLE t1; REINDEX TABLE t2; REINDEX TABLE t3; REINDEX TABLE t4; REINDEX TABLE t5;
    PERFORM pg_sleep(5); END \$\$" >/dev/null 2>&1 3>&- &
  run sql "SELECT backup_create('$(url busy)', '{\"lock_timeout\":500,\"jobs\":6}')"
  q postgres "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'DO %REINDEX%'"
  wait $! || true
  echo "$output"
  [ "$status" -ne 0 ]
  [[ $output == *'lock timeout'* ]]
}

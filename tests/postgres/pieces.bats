# Tables that are read in ranges by several connections at once. An extension whose ranges are 8 pages long is linked
# from the objects that are there, so that small tables have many.
load ../helper
load server
load oracle

setup_file() {
  local objects=${LIFEBOAT_SO%/*}/obj
  cc -c -std=c11 -O2 -g -D_GNU_SOURCE -fPIC -fvisibility=hidden -pthread -I"$ROOT/ext" -I/usr/include/postgresql \
    -DLB_PIECE_PAGES=8 -DLB_SHARE_MOST=0 $(pkg-config --cflags libpq libxxhash 2>/dev/null) \
    -o "$BATS_FILE_TMPDIR/dump_pieces.o" "$ROOT/ext/postgres/dump_pieces.c"
  cc -shared -Wl,-z,nodelete -o "$BATS_FILE_TMPDIR/lifeboat.so" "$BATS_FILE_TMPDIR/dump_pieces.o" \
    $(find "$objects" -name '*.o' ! -name dump_pieces.o) -lz -lpthread \
    $(pkg-config --libs libpq libisal libzstd 2>/dev/null)
  pg_server_start --set max_connections=60
  newdb many
  # Forty tables of the same columns and sizes: a row under the wrong table's name would load without an error.
  q many "DO \$\$ BEGIN FOR i IN 1..40 LOOP
    EXECUTE format('CREATE TABLE t%s AS SELECT g AS id, %s AS which, md5(g::text) AS text
                      FROM generate_series(1, %s) g', i, i, 900 + 37 * i); END LOOP; END \$\$" >/dev/null
}

teardown_file() { pg_server_stop_all; }

setup() {
  lifeboat_setup
  export LIFEBOAT_SO=$BATS_FILE_TMPDIR/lifeboat.so BACKUP_DIR=$T
}

@test "ranges: every row under its own table's name, whatever the number of connections" {
  local jobs
  for jobs in 1 2 3 5 8; do
    sql "SELECT backup_create('$(url many)', '{\"jobs\":$jobs,\"name\":\"j$jobs\"}')" >/dev/null
    [ "$(sql "SELECT sum(rows), count(*) FROM backup_contents('latest:j$jobs')")" = "$(q many \
      "SELECT sum(n_live)::text || '|' || count(*) FROM (SELECT 900 + 37 * i AS n_live FROM generate_series(1, 40) i) x")" ]
    newdb "back$jobs"
    gunzip -c "$T/j$jobs"_postgres_*.gz | q "back$jobs" >/dev/null
    [ "$(q "back$jobs" "SELECT string_agg(format('SELECT 1 FROM t%s WHERE which <> %s', i, i), ' UNION ALL ')
                          FROM generate_series(1, 40) i" | q "back$jobs")" = '' ]
    pg_same many "back$jobs"
  done
}

@test "ranges: a table that somebody waits to change is left to the connection that has the lock" {
  q postgres 'CREATE DATABASE waiting TEMPLATE many'
  # Of the tables that are cut, the largest is read first: while that lasts, somebody asks for the locks of two others.
  q waiting 'CREATE TABLE large AS SELECT g, md5(g::text) AS a, md5((g + 1)::text) AS b FROM generate_series(1, 600000) g'
  (
    for try in $(seq 500); do
      [ -z "$(q waiting "SELECT 1 FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND query LIKE '%COPY%large%'")" ] || break
      sleep 0.01
    done
    q waiting 'BEGIN; LOCK TABLE t40, t33 IN ACCESS EXCLUSIVE MODE; SELECT now(); COMMIT' >"$T/locked"
  ) &
  local locking=$!
  sql "SELECT backup_create('$(url waiting)', '{\"jobs\":4}')" >/dev/null
  wait $locking
  [ -s "$T/locked" ]
  [ "$(sql "SELECT sum(rows) FROM backup_contents('latest') WHERE name <> 'large'")" = "$(q many \
    'SELECT sum(900 + 37 * i) FROM generate_series(1, 40) i')" ]
}

# Rows that are read in COPY's binary form: what is in the backup is, to the byte, what the server itself writes as text.
load ../helper
load server
load oracle

setup_file() {
  pg_server_start --set log_statement=all --set "timezone='America/New_York'"
  pg_fill_src
}
teardown_file() { pg_server_stop_all; }
setup() {
  lifeboat_setup
  pg_server_use main
  export BACKUP_DIR=$T
}

pg_fill_src() {
  newdb src
  q src <"$PG_HERE/binary.sql"
  q src <"$PG_HERE/binary_out.sql"
}

mark() { MARK=$(wc -l <"$PG_LOG"); }
# The names of tables of which a COPY was asked for in binary form since then, and in text.
asked() { tail -n "+$((MARK + 1))" "$PG_LOG" | grep -o 'COPY .* TO STDOUT.*' | grep "$@" | sed -E 's/.*("far"|"public"|far|public)\."?([a-z_]+)"?.*/\2/' | LC_ALL=C sort; }

check_all() {
  local backup table
  mark
  backup=$(sql "SELECT backup_create('$(url src)', '${1:-{\}}')")
  [ "$(asked 'FORMAT binary')" = "$(printf '%s\n' addresses addresses arrays numbers strings strings times times)" ]
  [ "$(asked -v 'FORMAT binary')" = "$(printf '%s\n' floats integers numerics only_text_nothing only_text_numbers only_text_odd only_text_own)" ]
  for table in public.{addresses,floats,integers,numerics,strings,times} far.{addresses,arrays,numbers,strings,times} far.only_text_{numbers,odd,own}; do
    rows_of_server src "$table" >want
    [ -s want ]
    rows_of_backup "$backup" "$table" >got
    cmp want got || { diff want got | head -5; echo "$table"; return 1; }
  done
}

# bats test_tags=threads
@test "rows of a backup are, to the byte, what the server writes as text" {
  check_all
  check_all '{"jobs":1}'
  check_all '{"jobs":8}'
}

@test "so they are of an older server" {
  require_pg 13
  pg_server_start --name older --set log_statement=all 13
  pg_fill_src
  check_all '{"data_only":true}'
  pg_server_stop immediate
  pg_server_use main
}

# A newer one than pg_dump: what it sends is compared by the checksums of a verification.
@test "a newer server sends the same" {
  require_pg 18
  sql "SELECT backup_create('$(url src)', '{\"exclude_tables\":[\"far.only_text_own\",\"far.only_text_odd\"]}')"
  pg_server_start --name newer --set log_statement=all 18
  mark
  [ "$(sql "SELECT backup_verify('latest', '{\"level\":\"full\",\"verify_uri\":\"$(url postgres)\"}')")" = ok ]
  [ "$(asked 'FORMAT binary')" = "$(printf '%s\n' addresses addresses arrays numbers strings strings times times)" ]
  pg_server_stop immediate
  pg_server_use main
}

# bats test_tags=threads
@test "what is read is restored: by us, by psql, and a full verification finds it the same" {
  [ "$(sql "SELECT backup_create('$(url src)') IS NOT NULL" \
    "SELECT backup_verify('latest', '{\"level\":\"full\",\"verify_uri\":\"$(url postgres)\"}')")" = $'1\nok' ]
  newdb ours
  sql "SELECT backup_restore('latest', '$(url ours)')"
  pg_same src ours
  newdb psql
  gunzip -c src_postgres_*.gz | q psql
  pg_same src psql
}

@test "where a function that makes text may not be called, the table is read as text" {
  newdb closed
  q closed "CREATE TABLE t AS SELECT md5(n::text)::uuid AS u, ARRAY[n] AS a FROM generate_series(1, 100) AS n"
  q closed "DROP ROLE IF EXISTS reader; CREATE ROLE reader LOGIN; GRANT SELECT ON t TO reader;
    REVOKE EXECUTE ON FUNCTION pg_catalog.array_out(anyarray) FROM PUBLIC"
  mark
  sql "SELECT backup_create('$(url closed | sed s/user=postgres/user=reader/)')"
  [ "$(asked 'FORMAT binary')" = "" ] && [ "$(asked -v 'FORMAT binary')" = t ]
  [ "$(gunzip -c closed_postgres_*.gz | grep -c '{[0-9]*}$')" = 100 ]
}

# COPY of a query, which the form needs for some types, is planned: an index that has all columns would be the cheapest.
@test "rows are read from the table, whatever an index has, and in the table's order" {
  newdb thin
  q thin "CREATE TABLE t (a float8, u uuid, PRIMARY KEY (a, u), wide text GENERATED ALWAYS AS (repeat('x', 500)) STORED);
    INSERT INTO t SELECT hashint4(n), md5(n::text)::uuid FROM generate_series(1, 20000) AS n;
    UPDATE pg_index SET indisready = false WHERE indrelid = 't'::regclass"
  q thin "INSERT INTO t VALUES (0.5, md5('missing')::uuid);
    UPDATE pg_index SET indisready = true WHERE indrelid = 't'::regclass"
  q thin "VACUUM (ANALYZE, INDEX_CLEANUP off) t"
  [[ $(q thin "SET enable_sort = off; EXPLAIN SELECT float8out(a), u FROM t") == 'Index Only Scan'* ]]
  q thin "COPY t (a, u) TO STDOUT" >want
  mark
  rows_of_backup "$(sql "SELECT backup_create('$(url thin)')")" public.t cat >got
  [ "$(asked 'FORMAT binary')" = t ]
  cmp want got
  # Many columns to make text of, where workers might do it together.
  q thin "ALTER DATABASE thin SET parallel_setup_cost = 0; ALTER DATABASE thin SET parallel_tuple_cost = 0;
    ALTER DATABASE thin SET min_parallel_table_scan_size = 0; ALTER DATABASE thin SET enable_seqscan = off"
  [[ $(q thin "SET enable_seqscan = on; SET enable_indexonlyscan = off; EXPLAIN SELECT float8out(a), u FROM t") == Gather* ]]
  rows_of_backup "$(sql "SELECT backup_create('$(url thin)')")" public.t cat >got
  cmp want got
}

@test "a table of an extension whose condition means a column by its place is read as text" {
  local folder
  folder=$(pg_runnable "$PG_VERSION")/share/postgresql
  [ "$PG_VERSION" != "$PG_DEFAULT" ] || folder+=/$PG_VERSION
  printf '%s\n' "default_version = '1.0'" >"$folder/extension/lifeboat_order.control"
  printf '%s\n' 'CREATE TABLE ranked (i interval, u uuid);' \
    "SELECT pg_extension_config_dump('ranked', 'WHERE i > ''3 s'' ORDER BY 1');" >"$folder/extension/lifeboat_order--1.0.sql"
  chmod 644 "$folder"/extension/lifeboat_order*
  newdb ranks
  q ranks "CREATE EXTENSION lifeboat_order; INSERT INTO ranked SELECT n * interval '1 s' FROM generate_series(9, 1, -1) AS n"
  rm "$folder"/extension/lifeboat_order*
  rows_of_backup "$(sql "SELECT backup_create('$(url ranks)')")" public.ranked cat >got
  [ "$(cut -c1-8 got | tr '\n' ' ')" = '00:00:04 00:00:05 00:00:06 00:00:07 00:00:08 00:00:09 ' ]
}

@test "a row that no server could load again is an error that says so" {
  local objects=${LIFEBOAT_SO%/*}/obj
  cc -c -std=c11 -O2 -g -D_GNU_SOURCE -fPIC -fvisibility=hidden -pthread -I"$ROOT/ext" -I/usr/include/postgresql \
    -DLB_ROW_MOST=3000000 $(pkg-config --cflags libpq libxxhash 2>/dev/null) -o dump_rows.o "$ROOT/ext/postgres/dump_rows.c"
  mkdir so
  cc -shared -Wl,-z,nodelete -o so/lifeboat.so dump_rows.o $(find "$objects" -name '*.o' ! -name dump_rows.o) -lz -lpthread \
    $(pkg-config --libs libpq libisal libzstd 2>/dev/null)
  newdb big
  q big "CREATE TABLE \"T t\" (n int, b bytea); INSERT INTO \"T t\" SELECT 1, decode(repeat('00', 1400000), 'hex')"
  export LIFEBOAT_SO=$T/so/lifeboat.so
  sql "SELECT backup_create('$(url big)')"
  q big "UPDATE \"T t\" SET b = b || b"
  run -1 sql "SELECT backup_create('$(url big)', '{\"name\":\"no\"}')"
  [[ $output == *'reading "public"."T t": as text a row has more than 3000000 bytes, which is all that a server takes: leave the table out with "exclude_tables"'* ]]
  [ -z "$(ls -A | grep no_)" ]
}

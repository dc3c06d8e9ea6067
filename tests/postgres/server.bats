# The helpers of this folder themselves: servers that start, crash and go away; an oracle that notices differences.
load ../helper
load server
load oracle

setup_file() {
  pg_server_start
  newdb objects
  load_objects objects
}
teardown_file() { pg_server_stop_all; }

# A server for one test, which goes away with it also when the test fails.
own_server() {
  OWN_WORLD=yes
  unset PG_WORLD PG_NAME
  pg_server_start "$@"
}
teardown() {
  if [ -n "${OWN_WORLD:-}" ]; then pg_server_stop immediate || true; fi
  cd / && rm -rf "$T"
}

@test "server: answers, as an unprivileged user, at the addresses that are given out" {
  [ "$(q postgres 'SELECT 1 + 1')" = 2 ]
  [ "$(psql -XAtq "$(url postgres)" -c 'SHOW listen_addresses')" = '' ]
  [ "$(stat -c %U "$PG_DATA")" != root ]
  [ "$(psql -XAtq -d postgres -c 'SHOW data_directory')" = "$PG_DATA" ]
  local socket=$PGHOST/.s.PGSQL.$PGPORT
  [ -S "$socket" ]
  [ ${#socket} -lt 100 ]
}

@test "server: q stops at the first error" {
  run q postgres 'SELECT 1; SELECT nothing; SELECT 2'
  [ "$status" -ne 0 ]
  [[ $output == *'"nothing" does not exist'* ]]
  [[ $output != *$'\n2'* ]]
}

@test "server: databases of any name, replaced, with options" {
  local name
  for name in 'a b=' 'qu"o%c?&/' "ümla't"; do
    newdb "$name"
    [ "$(q "$name" 'SELECT current_database()')" = "$name" ]
    q "$name" 'CREATE TABLE t ()'
    newdb "$name"
    [ "$(q "$name" "SELECT count(*) FROM pg_tables WHERE tablename = 't'")" = 0 ]
  done
  newdb latin "ENCODING 'LATIN1' LOCALE 'C'"
  [ "$(q latin 'SHOW server_encoding')" = LATIN1 ]
}

@test "server: settings; restart and crash keep what was committed, and nothing else" {
  own_server --set 'wal_level = logical' --set 'max_connections = 7'
  [ "$(q postgres 'SHOW wal_level; SHOW max_connections')" = $'logical\n7' ]
  q postgres 'CREATE TABLE kept AS SELECT 1 AS a'
  # One that is in the middle of a transaction when the server dies.
  (q postgres 'BEGIN; INSERT INTO kept VALUES (2); SELECT pg_sleep(30)' >/dev/null 2>&1 || echo lost >client) 3>&- &
  local client=$! first
  until [ "$(q postgres "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'")" = 1 ]; do
    sleep 0.02
  done
  first=$(pg_server_pid)
  pg_server_kill9
  wait "$client"
  [ "$(cat client)" = lost ]
  run ! q postgres 'SELECT 1'
  pg_server_restart
  [ "$(pg_server_pid)" != "$first" ]
  grep -q 'was not properly shut down' "$PG_LOG"
  [ "$(q postgres 'SELECT a FROM kept')" = 1 ]
  pg_server_restart immediate
  [ "$(q postgres 'SELECT a FROM kept')" = 1 ]
  pg_server_halt
  run ! q postgres 'SELECT 1'
  pg_server_restart
  [ "$(q postgres 'SELECT a FROM kept')" = 1 ]
}

@test "server: nothing is left when it has stopped" {
  own_server
  local world=$PG_WORLD pid
  pid=$(pg_server_pid)
  [ -d "$world/main/data" ]
  pg_server_stop immediate
  [ ! -e "$world" ]
  ! pg_alive "$pid"
}

@test "server: all that were started stop at once, whichever is in use" {
  own_server
  local world=$PG_WORLD first second
  first=$(pg_server_pid)
  pg_server_start --name "other one"
  second=$(pg_server_pid)
  pg_server_stop_all
  [ ! -e "$world" ]
  ! pg_alive "$first"
  ! pg_alive "$second"
  pg_server_stop_all  # where there are none
}

@test "server: passwords over the socket and TCP; the helpers know it" {
  own_server --scram --tcp
  [ "$(q postgres 'SELECT 5')" = 5 ]
  [ "$(psql -XAtq "$(url_tcp postgres postgres "$PG_PASSWORD")" -c 'SELECT 6')" = 6 ]
  run psql -Xw "$(url_tcp postgres postgres wrong)" -c 'SELECT 6'
  [ "$status" -ne 0 ]
  [[ $output == *'password authentication failed'* ]]
  PGPASSFILE=/dev/null run psql -Xw "$(url postgres)" -c 'SELECT 6'
  [ "$status" -ne 0 ]
  pg_server_restart
  [ "$(q postgres 'SELECT 7')" = 7 ]
}

@test "server: several at once" {
  own_server
  pg_server_start --name second
  newdb only_here
  pg_server_use main
  run ! q only_here 'SELECT 1'
  pg_server_use second
  [ "$(q only_here 'SELECT 1')" = 1 ]
  pg_server_stop
  pg_server_use main
  [ "$(q postgres 'SELECT 1')" = 1 ]
}

@test "objects: all kinds are there" {
  local kinds
  kinds=$(q objects "SELECT string_agg(DISTINCT relkind::text, '' ORDER BY relkind::text) FROM pg_class
                     WHERE relnamespace IN ('app'::regnamespace, 'kinds'::regnamespace)")
  [ "$kinds" = IScfimprv ]
  [ "$(q objects "SELECT string_agg(DISTINCT typtype::text, '' ORDER BY typtype::text) FROM pg_type
                  WHERE typnamespace = 'kinds'::regnamespace")" = bcdempr ]
  [ "$(q objects "SELECT string_agg(DISTINCT contype::text, '' ORDER BY contype::text) FROM pg_constraint
                  WHERE connamespace IN ('app'::regnamespace, 'kinds'::regnamespace)")" = cfptux ]
  local table
  for table in pg_cast pg_conversion pg_collation pg_operator pg_opclass pg_opfamily pg_transform pg_ts_parser \
    pg_ts_template pg_ts_dict pg_ts_config pg_am pg_language pg_event_trigger pg_publication pg_subscription \
    pg_foreign_data_wrapper pg_foreign_server pg_user_mapping pg_policy pg_default_acl pg_statistic_ext \
    pg_largeobject_metadata pg_extension; do
    [ "$(q objects "SELECT count(*) > 0 FROM $table WHERE oid >= 16384")" = t ] || { echo "nothing in $table"; false; }
  done
}

@test "oracle: a copy by pg_dump and psql is the same; every difference is noticed" {
  newdb copy
  pg_dump -d "$(url objects)" | q copy >/dev/null 2>&1
  pg_same objects copy
  # Each of these changes one line that no other one changes.
  q copy >/dev/null <<'SQL'
UPDATE data.numbers SET f8 = '-0' WHERE i2 = 0;
UPDATE data.texts SET t = NULL WHERE id = 2;
INSERT INTO app.zero_columns DEFAULT VALUES;
UPDATE app.moods SET n = -n WHERE n = 7;
SELECT setval('app.huge', 9223372036854775806, false);
SELECT setval('app.fresh', 1001, false);
ALTER LARGE OBJECT 70001 OWNER TO lb_reader;
GRANT SELECT ON LARGE OBJECT 70002 TO lb_reader;
COMMENT ON LARGE OBJECT 70003 IS 'x';
SELECT lo_put(70004, 0, '\x01');
COMMENT ON TABLE app.people IS 'x';
ALTER TABLE app.people ENABLE TRIGGER t2_disabled;
REFRESH MATERIALIZED VIEW app.a_third WITH NO DATA;
SQL
  run pg_same objects copy
  [ "$status" = 1 ]
  local expected
  for expected in 'table|data.numbers|7|' 'table|data.texts|20|' 'table|app.zero_columns|3' 'table|app.moods|200' \
    'sequence|app.huge|9223372036854775806|f' 'sequence|app.fresh|1001|f' 'large object|70001|lb_reader' \
    'large object|70002|lb_owner|640000' 'large object|70003|postgres|5|e67fcd61553c4ca2db2c924472b4793f|x|' \
    'large object|70004|' "COMMENT ON TABLE app.people IS 'x'" 'materialized view|app.a_third|f'; do
    grep -qaF -- "+$expected" <<<"$output" || { echo "not noticed: $expected in: $output"; false; }
  done
  grep -qa -- '-ALTER TABLE app.people DISABLE TRIGGER t2_disabled' <<<"$output"
  # Nothing else is said to differ.
  [ "$(grep -ac '^+[a-z]* *[a-z]*|' <<<"$output")" = 11 ]
}

@test "oracle: the order of rows and where they lie do not matter" {
  newdb one
  newdb two
  q one 'CREATE TABLE t AS SELECT i, md5(i::text) FROM generate_series(1, 1000) AS i'
  q two 'CREATE TABLE t AS SELECT i, md5(i::text) FROM generate_series(1, 1000) AS i ORDER BY i DESC;
UPDATE t SET i = i WHERE i % 3 = 0'
  pg_same one two
  # The same values in other rows.
  q two "UPDATE t SET md5 = CASE i WHEN 1 THEN md5('2') ELSE md5('1') END WHERE i IN (1, 2)"
  run ! pg_data_same one two
}

@test "oracle: a database that is not there is not the same as another" {
  run ! pg_same objects missing
  run ! pg_same missing missing
  run ! pg_data_same missing missing
}

@test "oracle: databases of bytes" {
  local encoding
  for encoding in LATIN1 SQL_ASCII; do
    newdb bytes1 "ENCODING '$encoding' LOCALE 'C'"
    newdb bytes2 "ENCODING '$encoding' LOCALE 'C'"
    load_bytes bytes1
    [ "$(q bytes1 "SELECT count(*), max(octet_length(\"$(printf '\374')\")) FROM \"$(printf 'n\351m')\"")" = '3|255' ]
    pg_dump -d "$(url bytes1)" | q bytes2 >/dev/null
    pg_same bytes1 bytes2
    printf 'UPDATE "n\351m" SET "\374" = \047\345\047 WHERE id = 1' | q bytes2
    run ! pg_same bytes1 bytes2
  done
}

@test "oracle: what belongs to a database from outside" {
  newdb one
  newdb two
  pg_properties_same one two
  q one "ALTER DATABASE one SET work_mem = '7MB'"
  run pg_properties_same one two
  [ "$status" -ne 0 ]
  [[ $output == *work_mem=7MB* ]]
}

@test "extension: a table of configuration is dumped with its condition" {
  install_test_extension
  newdb extended
  newdb copy
  q extended "CREATE EXTENSION lifeboat_test; INSERT INTO lifeboat_test.setting VALUES ('mine', 'x');
INSERT INTO lifeboat_test.log (line) VALUES ('a'), ('b')"
  pg_dump -d "$(url extended)" >dump.sql
  grep -q mine dump.sql
  run ! grep -q colour dump.sql
  q copy <dump.sql >/dev/null
  pg_same extended copy
  [ "$(q copy 'SELECT count(*) FROM lifeboat_test.setting')" = 3 ]
}

@test "bigtable: as large as was asked for, six tenths of it one table" {
  newdb big
  pg_bigtable big 20
  local megabytes share
  megabytes=$(q big 'SELECT pg_database_size(current_database()) / 1000000')
  share=$(q big "SELECT 100 * pg_total_relation_size('messages') / sum(pg_total_relation_size(oid)) FROM pg_class
                 WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace")
  echo "$megabytes MB, share $share"
  [ "$megabytes" -ge 17 ]
  [ "$megabytes" -le 30 ]
  [ "${share%.*}" -ge 55 ]
  [ "${share%.*}" -le 65 ]
}

@test "versions: a newer and an older server start and hold the objects" {
  local version
  for version in 18 13; do require_pg "$version"; done
  own_server --name v18 18
  [ "$(q postgres 'SHOW server_version_num')" -ge 180000 ]
  newdb objects
  load_objects objects
  install_test_extension
  q objects 'CREATE EXTENSION lifeboat_test'
  pg_data_same objects objects
  # pg_dump is older than this one.
  run pg_dump -d "$(url objects)"
  [ "$status" -ne 0 ]
  [[ $output == *'server version mismatch'* ]]
  pg_server_stop
  pg_server_start --name v13 13
  [ "$(q postgres 'SHOW server_version_num')" -lt 140000 ]
  newdb objects
  newdb copy
  load_objects objects
  pg_dump -d "$(url objects)" | q copy >/dev/null 2>&1
  pg_data_same objects copy
}

# Other versions: servers 13 and 18, and dumps of pg_dump 13 to 18 (fixtures/, which say how they were made).
load ../helper
load server
load oracle

setup_file() {
  pg_server_start
  ! pg_version 18 || pg_server_start --name v18 18
  ! pg_version 13 || pg_server_start --name v13 13
}
teardown_file() { pg_server_stop_all; }
setup() {
  lifeboat_setup
  pg_server_use main
  mkdir b
  export BACKUP_DIR=$T/b
}

create() { sql "SELECT backup_create('$(url "$1")'${2:+, '$2'})"; }
restore() {
  sql "SELECT coalesce(json_extract(backup_restore('$1', '$(url "$2")', '${3:-{\}}'), '\$.${4:-check}'), '')"
}

# What each of the fixtures holds.
message_is_there() {
  q "$1" "SELECT * FROM message ORDER BY id; SELECT nextval('message_id_seq'); SELECT twice(21);
    SELECT lo_get(16400); SELECT indexname FROM pg_indexes WHERE tablename = 'message' ORDER BY 1" >got
  cat got
  diff - got <<'EOF'
1|plain|2
2|tab 	, newline 
, \.|4
3||6
4|grüße; -- \! no command|8
5
42
\x6c6966650a626f6174
message_pkey
message_twice
EOF
}

old_name() { echo "admin_postgres_202501${version}_000000.sql.gz"; }

# Each fixture into an empty database, as the old script packed it, and over something, on the current server.
restore_fixtures() {
  local version
  for version in 13 14 16 17 18; do
    gzip -c "$PG_HERE/fixtures/pg_dump_$version.sql" >"b/$(old_name)"
    [ "$(sql "SELECT backup_verify('$(old_name)')")" = ok ]
    newdb d
    run -0 restore "$(old_name)" d '{}' notes
    echo "pg_dump $version: $output"
    case $version-$PG_VERSION in
      1[78]-1[35]) [[ $output == *"transaction_timeout is not known to server $PG_VERSION"*skipped* ]] ;;
      *) [ -z "$output" ] ;;
    esac
    message_is_there d
    newdb d
    q d 'CREATE TABLE message (other int); CREATE SCHEMA more'
    restore "$PG_HERE/fixtures/pg_dump_$version.sql" d '{"overwrite":true,"pre_restore":false}'
    message_is_there d
  done
}

@test "dumps of pg_dump 13 to 18 into server 15" {
  restore_fixtures
}

@test "dumps of pg_dump 13 to 18 into server 13" {
  require_pg 13
  pg_server_use v13
  restore_fixtures
}

@test "dumps of pg_dump 13 to 18 into server 18" {
  require_pg 18
  pg_server_use v18
  restore_fixtures
}

@test "a server newer than pg_dump: an error with both versions and the package, before any work" {
  require_pg 18
  pg_server_use v18
  newdb d
  q d 'CREATE TABLE t (id int)'
  failing 'older than the server (18' create d
  [[ $output == *'is version 15.'* ]]
  [[ $output == *postgresql-client-18* ]]
  [[ $output == *PG_BINDIR* ]]
  [ -z "$(find b -name '*d_postgres*' -o -name '*.partial')" ]
  failing 'could not be saved first' restore "$PG_HERE/fixtures/pg_dump_18.sql" d '{"overwrite":true}'
  [[ $output == *'nothing was changed'* ]]
  [ "$(q d 'SELECT count(*) FROM t')" = 0 ]
}

@test "server 13, backed up by pg_dump 15, comes back to 13 in every way" {
  require_pg 13
  pg_server_use v13
  newdb objects
  load_objects objects
  local file
  file=$(create objects)
  newdb d
  gunzip -c "$file" | psql -XAtq -v ON_ERROR_STOP=1 -d "$(url d)" >psql.out 2>&1
  pg_same objects d
  restore latest:objects d '{"overwrite":true,"pre_restore":false}'
  pg_same objects d
  newdb d
  restore latest:objects d
  pg_same objects d
  restore latest:objects d '{"overwrite":true,"pre_restore":false,"mode":"swap"}'
  pg_same objects d
  [ "$(sql "SELECT backup_verify('latest:objects', '{\"level\":\"full\",\"verify_uri\":\"$(url postgres)\"}')")" = ok ]
}

@test "from an older server to a newer one" {
  require_pg 13
  require_pg 18
  pg_server_use v13
  newdb shop
  q shop <"$PG_HERE/fixtures/shop.sql"
  create shop
  q shop "SELECT lo_from_bytea(70002, 'text')" >/dev/null
  create shop '{"name":"second"}'
  pg_data shop >want
  local server
  for server in main v18; do
    pg_server_use $server
    newdb d
    restore latest:second d
    pg_data d >got
    diff want got
    restore latest:shop d '{"overwrite":true,"pre_restore":false,"mode":"swap","drop_old":true}'
    restore latest:second d '{"overwrite":true,"pre_restore":false}'
    pg_data d >got
    diff want got
  done
}

# pg_dump 15 says more of them than a server knows that is older than itself.
@test "an unlogged table's identity comes back on the old server that it is from" {
  require_pg 13
  pg_server_use v13
  newdb fast
  q fast 'CREATE UNLOGGED TABLE t (logged int GENERATED ALWAYS AS IDENTITY (START 5), id int); INSERT INTO t (id) VALUES (1);
    CREATE UNLOGGED TABLE identity (identity int GENERATED ALWAYS AS IDENTITY)'
  create fast
  gunzip -c b/fast_*.sql.gz | grep -qx '    LOGGED'
  [ "$(sql "SELECT backup_verify('latest:fast', '{\"level\":\"full\",\"verify_uri\":\"$(url postgres)\"}')")" = ok ]
  newdb d
  restore latest:fast d
  pg_same fast d
  pg_server_use main
  newdb d
  restore latest:fast d
  [ "$(q d "SELECT relpersistence FROM pg_class WHERE relname = 't_logged_seq'")" = p ]
}

@test "from a newer server to an older one, as far as its statements go" {
  require_pg 13
  newdb shop
  q shop <"$PG_HERE/fixtures/shop.sql"
  create shop
  newdb modern
  q modern 'CREATE TABLE u (a int UNIQUE NULLS NOT DISTINCT)'
  create modern
  pg_data shop >want
  pg_server_use v13
  newdb d
  restore latest:shop d
  pg_data d >got
  diff want got
  failing 'statement at byte' restore latest:modern d '{"overwrite":true}'
  [[ $output == *'syntax error'* ]]
  pg_data d >got
  diff want got
}

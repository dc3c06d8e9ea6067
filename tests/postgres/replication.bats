# Restores and logical replication: the slot on a publisher is never dropped, nor used by a copy, and nothing is left over.
load ../helper
load server

setup_file() {
  pg_server_start --set wal_level=logical
  mkdir "$BATS_FILE_TMPDIR/b"
  export BACKUP_DIR=$BATS_FILE_TMPDIR/b
  newdb pub
  q pub "CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1); CREATE PUBLICATION p FOR TABLE t"
}
teardown_file() { pg_server_stop_all; }
setup() {
  lifeboat_setup
  export BACKUP_DIR=$BATS_FILE_TMPDIR/b
}

restore() {  # restore BACKUP DB [OPTIONS [FIELD]]
  local call="backup_restore('$1', '$(url "$2")', '${3:-{\}}')"
  sql "SELECT ${4:+json_extract(}$call${4:+, '\$.$4')}"
}
has() { [ "$(q "$1" "$2")" = "$3" ]; }  # has DB SQL VALUE
leftovers() { q postgres "SELECT datname FROM pg_database WHERE datname ~ '^lifeboat_'"; }
slots() { q postgres 'SELECT slot_name FROM pg_replication_slots ORDER BY 1'; }
subscriptions() {
  q postgres "SELECT datname, subname, subenabled, subslotname FROM pg_subscription s JOIN pg_database d ON d.oid = subdbid
    ORDER BY 1, 2"
}

# A subscription that is at work: table, backup, and the rows that come afterwards.
subscribe() {  # subscribe DB SLOT
  newdb "$1"
  q "$1" 'CREATE TABLE t (id int PRIMARY KEY)'
  q pub "SELECT pg_create_logical_replication_slot('$2', 'pgoutput')" >/dev/null
  q "$1" "CREATE SUBSCRIPTION \"The sub\" CONNECTION 'host=$PGHOST port=$PGPORT user=postgres dbname=pub' PUBLICATION p
    WITH (slot_name = '$2', create_slot = false)"
  await has "$1" "SELECT count(*) FROM pg_subscription_rel WHERE srsubstate = 'r'" 1
  sql "SELECT backup_create('$(url "$1")')"
}
unsubscribe() {  # unsubscribe DB…: its subscriptions, and all slots
  local db
  for db; do
    q "$db" "ALTER SUBSCRIPTION \"The sub\" DISABLE; ALTER SUBSCRIPTION \"The sub\" SET (slot_name = NONE);
      DROP SUBSCRIPTION \"The sub\""
  done
  await has postgres 'SELECT count(*) FROM pg_replication_slots WHERE active' 0
  q postgres 'SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots' >/dev/null
}

@test "a copy of a subscription has no slot, and the note says how to attach it" {
  subscribe app app_slot
  newdb copy
  run -0 restore latest:app copy '{"jobs":3}' notes
  echo "$output"
  [ "$output" = 'subscription "The sub" has no slot here: "app_slot" on its publisher is that of the database that was backed up (once that one does not use it any more: ALTER SUBSCRIPTION "The sub" SET (slot_name = '\''app_slot'\''); ALTER SUBSCRIPTION "The sub" ENABLE; ALTER SUBSCRIPTION "The sub" REFRESH PUBLICATION WITH (copy_data = false))' ]
  local attach=${output#*any more: }
  [ "$(subscriptions)" = $'app|The sub|t|app_slot\ncopy|The sub|f|' ]
  # Over such a copy in one transaction, and by swap; dropping one takes nothing from production.
  run -0 restore latest:app copy '{"overwrite":true,"pre_restore":false}' notes
  [[ $output == 'subscription "The sub" has no slot here'* ]]
  [ "$(subscriptions)" = $'app|The sub|t|app_slot\ncopy|The sub|f|' ]
  restore latest:app copy '{"overwrite":true,"pre_restore":false,"mode":"swap","drop_old":true}'
  [ "$(subscriptions)" = $'app|The sub|t|app_slot\ncopy|The sub|f|' ]
  [ "$(slots)" = app_slot ]
  q pub 'INSERT INTO t VALUES (2)'
  await has app 'SELECT max(id) FROM t' 2
  # The other one gives it up.
  q app 'ALTER SUBSCRIPTION "The sub" DISABLE; ALTER SUBSCRIPTION "The sub" SET (slot_name = NONE)'
  await has postgres 'SELECT count(*) FROM pg_replication_slots WHERE active' 0
  q copy "${attach%)}"
  q pub 'INSERT INTO t VALUES (3)'
  await has copy 'SELECT max(id) FROM t' 3
  unsubscribe app copy
}

@test "one that is at work is not dropped with its slot: the refusal's advice keeps that" {
  subscribe app app_slot
  run restore latest:app app '{"overwrite":true,"pre_restore":false}'
  echo "$output"
  [ "$status" -ne 0 ]
  [[ $output == *'subscription "The sub" uses the slot "app_slot" on its publisher and cannot be dropped inside a transaction (drop it first, so that the slot stays as it is: '*'; or pass {"mode":"swap"}'* ]]
  local advice=${output#*stays as it is: }
  psql -Xq -v ON_ERROR_STOP=1 -d "$(url app)" -f - <<<"${advice%%; or pass*}"
  [ "$(slots)" = app_slot ]
  restore latest:app app '{"overwrite":true,"pre_restore":false}'
  [ "$(slots)" = app_slot ]
  unsubscribe app
}

@test "a swap tells what becomes of the old database's slots and subscriptions" {
  subscribe app app_slot
  q app "SELECT pg_create_logical_replication_slot('served', 'test_decoding')" >/dev/null
  local report notes old
  report=$(restore latest:app app '{"overwrite":true,"pre_restore":false,"mode":"swap","force":true}')
  report=${report//\'/\'\'}
  notes=$(sql "SELECT '$report' ->> 'notes'") old=$(sql "SELECT '$report' ->> 'previous'")
  echo "$notes"
  [[ $(sed -n 1p <<<"$notes") == 'subscription "The sub" has no slot here: '* ]]
  [ "$(sed -n '2,$p' <<<"$notes")" = 'logical replication slot "served" (test_decoding) stays with the old database "'"$old"'": its subscribers get nothing more (make them a slot in the new database, and copy the tables again; then drop this one, which keeps WAL on the server: SELECT pg_drop_replication_slot('\''served'\''))
subscription "The sub" stays with the old database "'"$old"'", and so does its slot "app_slot" on the publisher: the new one gets nothing (to give the slot free, there: ALTER SUBSCRIPTION "The sub" DISABLE; ALTER SUBSCRIPTION "The sub" SET (slot_name = NONE); DROP SUBSCRIPTION "The sub")' ]
  [ "$(sql 'SELECT notes FROM backup_history ORDER BY id DESC LIMIT 1')" = "$notes" ]
  [ "$(slots)" = $'app_slot\nserved' ]
  unsubscribe "$old" app
  q postgres "DROP DATABASE \"$old\""
}

@test "drop_old takes a subscription at work along, and leaves its slot on the publisher" {
  subscribe app app_slot
  q app "SELECT pg_create_logical_replication_slot('served', 'test_decoding')" >/dev/null
  run -0 restore latest:app app '{"overwrite":true,"pre_restore":false,"mode":"swap","force":true,"drop_old":true}' notes
  echo "$output"
  [ "$(sed -n '2,$p' <<<"$output")" = 'logical replication slot "served" (test_decoding) was dropped with the old database: its subscribers get nothing more (make them a slot in the new database, and copy the tables again)
subscription "The sub" was dropped with the old database; its slot "app_slot" stays on the publisher and keeps WAL there (attach one of the new database to it, or drop it there: SELECT pg_drop_replication_slot('\''app_slot'\''))' ]
  [ "$(subscriptions)" = 'app|The sub|f|' ]
  [ "$(slots)" = app_slot ]
  [ "$(q postgres "SELECT count(*) FROM pg_database WHERE datname ~ '^app_'")" = 0 ]
  unsubscribe app
}

# Dropping a database takes several steps, of which the last may be refused.
@test "a database that somebody is in, and so cannot be dropped, keeps its subscriptions, and stays a template" {
  subscribe app app_slot
  q postgres 'ALTER DATABASE app IS_TEMPLATE true'
  hold app
  run "${LIFEBOAT_SO%/*}/tests/postgres/test_target" "$(url postgres)" drop app
  echo "$output"
  [ "$(subscriptions)" = 'app|The sub|t|app_slot' ]
  [[ $output == *'database "app" could not be dropped: it is in use: "holder" (user postgres, pid '* ]]
  [ "$(q postgres "SELECT datistemplate FROM pg_database WHERE datname = 'app'")" = t ]
  release
  "${LIFEBOAT_SO%/*}/tests/postgres/test_target" "$(url postgres)" drop app
  [ "$(subscriptions)" = '' ]
  await has postgres 'SELECT count(*) FROM pg_replication_slots WHERE active' 0
  q postgres 'SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots' >/dev/null
}

@test "drop_old drops a template, and the new database is one" {
  newdb stamp
  q stamp 'CREATE TABLE t (a int)'
  q postgres 'ALTER DATABASE stamp IS_TEMPLATE true'
  sql "SELECT backup_create('$(url stamp)')"
  run -0 restore latest:stamp stamp '{"overwrite":true,"pre_restore":false,"mode":"swap","drop_old":true}'
  echo "$output"
  [[ $output != *previous* ]]
  [ "$(q postgres "SELECT datname, datistemplate FROM pg_database WHERE datname ~ '^(stamp|lifeboat)'")" = 'stamp|t' ]
  q postgres 'ALTER DATABASE stamp IS_TEMPLATE false'
}

# The subscriptions of a scratch database have their slots' names until it is whole.
make_sx() {
  newdb sx
  q sx "CREATE TABLE t (a int); CREATE SUBSCRIPTION sxs CONNECTION 'host=/nowhere dbname=x' PUBLICATION p
    WITH (connect = false)"
}
leave_nothing() {  # leave_nothing BACKUP
  local name backup=$1
  hold sx
  run restore "$backup" sx '{"overwrite":true,"mode":"swap","pre_restore":false}'
  echo "$output"
  [ "$status" -ne 0 ]
  [[ $output == *'is in use'* ]]
  [ "$(leftovers)" = '' ]
  release
  # What a crash has left is dropped by the next one.
  name=$("${LIFEBOAT_SO%/*}/tests/postgres/test_target" "$(url postgres)" scratch restore)
  q "$name" "CREATE SUBSCRIPTION left_over CONNECTION 'host=/nowhere' PUBLICATION p WITH (connect = false);
    ALTER SUBSCRIPTION left_over ENABLE"
  await has postgres "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'" 0
  restore "$backup" sx '{"overwrite":true,"mode":"swap","pre_restore":false,"drop_old":true}'
  [ "$(leftovers)" = '' ] || { tail -30 "$PG_LOG"; false; }
  [ "$(sql "SELECT backup_verify('$backup', '{\"level\":\"full\",\"verify_uri\":\"$(url sx)\"}')")" = ok ]
  [ "$(subscriptions)" = 'sx|sxs|f|' ]
}

@test "nothing is left of a scratch database with a subscription" {
  make_sx
  leave_nothing "$(sql "SELECT backup_create('$(url sx)')")"
}

@test "the same on servers 13 and 18" {
  local version backup
  require_pg 13
  require_pg 18
  make_sx
  backup=$(sql "SELECT backup_create('$(url sx)')")
  for version in 13 18; do
    pg_server_start --name v$version --set wal_level=logical $version
    make_sx
    leave_nothing "$backup"
    pg_server_stop immediate
    pg_server_use main
  done
}

@test "a role of no rights restores as well on every version: what is asked, everybody may read" {
  local version
  require_pg 13
  require_pg 18
  newdb plain
  q plain 'CREATE TABLE t (); INSERT INTO t DEFAULT VALUES'
  sql "SELECT backup_create('$(url plain)')"
  for version in 13 18; do
    pg_server_start --name v$version $version
    q postgres 'CREATE ROLE small LOGIN CREATEDB'
    newdb plain OWNER small
    local uri
    uri=$(url plain)
    uri=${uri/user=postgres/user=small}
    sql "SELECT backup_restore('latest:plain', '$uri', '{\"no_owner\":true}')"
    sql "SELECT backup_restore('latest:plain', '$uri',
      '{\"no_owner\":true,\"overwrite\":true,\"mode\":\"swap\",\"pre_restore\":false,\"drop_old\":true}')"
    [ "$(q plain 'SELECT count(*) FROM t')" = 1 ]
    pg_server_stop immediate
    pg_server_use main
  done
}

@test "a load that fails behind a subscription leaves an empty database empty" {
  newdb sub
  q sub "CREATE TABLE t (); CREATE SUBSCRIPTION s CONNECTION 'host=/nowhere' PUBLICATION p WITH (connect = false)"
  pg_dump -d "$(url sub)" | sed '/dump complete/d' >broken.sql
  printf '%s\n' 'SELECT no_such_thing();' '-- PostgreSQL database dump complete' >>broken.sql
  newdb bare
  run restore "$T/broken.sql" bare
  [ "$status" -ne 0 ]
  [ "$(q bare 'SELECT count(*) FROM pg_class WHERE oid >= 16384')" = 0 ]
  [ "$(subscriptions | grep -c '^bare')" = 0 ]
}

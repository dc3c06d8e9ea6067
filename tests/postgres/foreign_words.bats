# A server whose words are in another language (lc_messages): what Lifeboat decides by, it has from SQLSTATEs.
load ../helper
load server
load oracle

setup_file() {
  pg_server_start --set max_connections=6 --set superuser_reserved_connections=0
  newdb shop
  q shop <"$PG_HERE/fixtures/shop.sql"
  FOREIGN=$(mktemp -d "$PGHOST/words.XXXXXX")
  export FOREIGN
  /usr/bin/python3 "$PG_HERE/foreign_words.py" "$FOREIGN/.s.PGSQL.$PGPORT" "$PGHOST/.s.PGSQL.$PGPORT" 3>&- &
  echo $! >"$BATS_FILE_TMPDIR/pid"
  await test -S "$FOREIGN/.s.PGSQL.$PGPORT"
}
teardown_file() {
  kill "$(cat "$BATS_FILE_TMPDIR/pid")"
  pg_server_stop_all
}
setup() {
  lifeboat_setup
  mkdir b
  export BACKUP_DIR=$T/b
}
teardown() {
  [ -z "${holder:-}" ] || release
  cd / && rm -rf "$T"
}

foreign() { echo "postgresql:///$1?host=$FOREIGN&port=$PGPORT&user=${2:-postgres}"; }
create() { sql "SELECT backup_create('$(foreign shop "${2:-}")', '{\"jobs\":2,\"lock_timeout\":300${1:-}}')"; }
restore() { sql "SELECT backup_restore('latest:shop', '$(foreign "$1")', '{\"jobs\":2,\"lock_timeout\":300${2:-}}')"; }

@test "its words are not English" {
  failing 'pbyhza "abguvat" qbrf abg rkvfg' q "$(foreign shop)" 'SELECT nothing'
}

@test "a database that is not there is made; one that is there is replaced" {
  create
  failing 'create it, or to restore into a new database pass {"create":true}' restore fresh
  restore fresh ',"create":true'
  pg_same shop fresh
  restore fresh ',"overwrite":true,"pre_restore":false'
  pg_same shop fresh
  restore fresh ',"overwrite":true,"pre_restore":false,"mode":"swap","drop_old":true'
  pg_same shop fresh
  [ "$(sql "SELECT backup_verify('latest:shop', '{\"level\":\"full\",\"verify_uri\":\"$(foreign postgres)\"}')")" = ok ]
  q postgres 'DROP DATABASE fresh'
}

@test "fewer connections than jobs: the backup goes on with those that it gets" {
  create ',"jobs":9'
  [[ $(sql "SELECT notes FROM backup_history WHERE operation = 'create' ORDER BY id DESC LIMIT 1") == *'of 9 connections'* ]]
}

@test "who holds a lock is named, to a backup and to a restore" {
  create
  hold shop 'LOCK TABLE shop.orders'
  failing '(end what locks tables, or raise "lock_timeout"; locked: "shop"."orders" by holder (user postgres, pid ' create
  failing '(end what locks tables, or raise "lock_timeout"; locked: "shop"."orders" by holder (user postgres, pid ' \
    restore shop ',"overwrite":true,"pre_restore":false'
  failing '(end what locks tables, or raise "lock_timeout"; locked: "shop"."orders" by holder (user postgres, pid ' \
    restore shop ',"tables":["shop.orders"],"rows":"missing","pre_restore":false'
  release
  # Somebody who has only read is in nobody's way before the tables are dropped.
  hold shop 'SELECT count(*) FROM shop.orders'
  failing '(end what locks tables, or raise "lock_timeout"; locked: "shop"."orders" by holder (user postgres, pid ' \
    restore shop ',"overwrite":true,"pre_restore":false'
}

@test "what the user may not read ends a backup with a word on what to grant" {
  q postgres 'CREATE ROLE stranger LOGIN'
  failing 'permission denied for sequence shop.customer_id_seq (GRANT pg_read_all_data TO the user; ' create '' stranger
  q shop 'GRANT SELECT ON ALL SEQUENCES IN SCHEMA shop, stock TO stranger'
  failing '(GRANT pg_read_all_data TO the user, or back up as a superuser)' create '' stranger
  [ -z "$(ls b | grep -v catalog)" ]
}

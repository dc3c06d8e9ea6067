# Behind a pooler (PgBouncer): by sessions it is as good as the server; by transactions it hands each statement to
# another session, which no snapshot survives.
load ../helper
load server

setup_file() {
  PATH=$PATH:/usr/sbin:/sbin
  skip_without pgbouncer
  pg_server_start
  newdb app
  q app "CREATE TABLE t AS SELECT i AS id, 'row ' || i AS name FROM generate_series(1, 5000) i"
}

teardown_file() { pg_server_stop_all; }

setup() {
  lifeboat_setup
  export BACKUP_DIR=$T/backups
  mkdir "$BACKUP_DIR"
}

teardown() {
  [ -z "${pooler:-}" ] || { kill "$pooler" && wait "$pooler"; } 2>/dev/null || true
  cd / && rm -rf "$T"
}

# pooler MODE: a PgBouncer of our own in front of the server, on a socket beside the server's; $uri leads through it.
pooler() {
  local dir
  dir=$(mktemp -d "$PGHOST/pooler.XXXXXX")
  cat >"$dir/ini" <<INI
[databases]
* = host=$PGHOST port=$PGPORT user=postgres
[pgbouncer]
pool_mode = $1
unix_socket_dir = $dir
listen_addr =
listen_port = 6432
auth_type = any
ignore_startup_parameters = extra_float_digits,options
INI
  pg_give "$dir"
  pg_exec pgbouncer "$dir/ini" >"$T/pooler.log" 2>&1 3>&- &
  pooler=$!
  uri="postgresql:///app?host=$dir&port=6432&user=postgres"
  for _ in $(seq 100); do
    q "$uri" "SELECT 1" >/dev/null 2>>"$T/pooler.log" && return
    sleep 0.05
  done
  cat "$T/pooler.log"
  return 1
}

@test "by sessions: backup, and restore into an empty database" {
  pooler session
  sql "SELECT backup_create('$uri')"
  newdb copy
  sql "SELECT backup_restore('latest:app', '${uri/\/app\?//copy?}')" 
  [ "$(q copy 'SELECT count(*), max(name) FROM t')" = '5000|row 999' ]
}

@test "by transactions: refused before anything is set in sessions of others, nothing left behind" {
  local before said
  pooler transaction
  before=$(q "$uri" 'SHOW search_path')
  said="the pooler in between (PgBouncer, for example) gives each transaction another session, where our settings \
would stay for others: connect to the server itself, or to a pool of sessions"
  run sql "SELECT backup_create('$uri')"
  [ "$status" != 0 ]
  [[ $output == *"database \"app\" on "*": $said"* ]]
  newdb copy
  sql "SELECT backup_create('$(url app)')"
  run sql "SELECT backup_restore('latest:app', '${uri/\/app\?//copy?}')"
  [ "$status" != 0 ]
  [[ $output == *"database \"copy\" on "*": $said"* ]]
  [ "$(q "$uri" 'SHOW search_path')" = "$before" ]
  [ "$(q copy "SELECT count(*) FROM pg_class WHERE relname = 't'")" = 0 ]
  [ "$(ls "$BACKUP_DIR" | grep -c gz)" = 1 ]
  [ "$(ls -A "$BACKUP_DIR" | grep -c partial)" = 0 ]
}

@test "by statements: refused with the pooler's words" {
  pooler statement
  run sql "SELECT backup_create('$uri')"
  [ "$status" != 0 ]
  [[ $output == *"database \"app\" on "*"transaction blocks not allowed in statement pooling mode"* ]]
}

# A server that takes TLS only: every connection of ours, and pg_dump, has to come with the URI's settings for it.
load ../helper
load server

setup_file() {
  skip_without openssl
  pg_server_start --tcp
  newdb app
  q app "CREATE TABLE t AS SELECT i AS id, 'row ' || i AS name FROM generate_series(1, 20000) i"
  KEYS=$(mktemp -d "$PGHOST/tls.XXXXXX")
  export KEYS
  openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=lifeboat-test -addext 'subjectAltName=IP:127.0.0.1' \
    -keyout "$KEYS/server.key" -out "$KEYS/server.crt" 2>/dev/null
  openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=other -addext 'subjectAltName=IP:127.0.0.1' \
    -keyout "$KEYS/other.key" -out "$KEYS/other.crt" 2>/dev/null
  chmod 600 "$KEYS/server.key"
  chmod 711 "$KEYS"
  pg_give "$KEYS"
  q postgres "ALTER SYSTEM SET ssl_cert_file = '$KEYS/server.crt'"
  q postgres "ALTER SYSTEM SET ssl_key_file = '$KEYS/server.key'"
  q postgres 'ALTER SYSTEM SET ssl = on'
  printf '%s\n' 'local all all trust' 'hostssl all all 127.0.0.1/32 trust' >"$PG_DATA/pg_hba.conf"
  pg_server_restart
}

teardown_file() { pg_server_stop_all; }

setup() {
  lifeboat_setup
  export BACKUP_DIR=$T/backups
  mkdir "$BACKUP_DIR"
  tcp=postgresql://postgres@127.0.0.1:$PGPORT
}

@test "backup and restore over verified TLS" {
  local how="sslmode=verify-full&sslrootcert=$KEYS/server.crt"
  sql "SELECT backup_create('$tcp/app?$how', '{\"jobs\":3}')"
  sql "SELECT backup_restore('latest:app', '$tcp/copy?$how', '{\"create\":true,\"jobs\":3}')"
  [ "$(q copy 'SELECT count(*) FROM t')" = 20000 ]
  # Nothing of ours came without: the server would have turned it away, and said so.
  ! grep 'no pg_hba.conf entry' "$PG_LOG"
}

@test "a server that is not who it should be is refused, and so is one without TLS asked for" {
  run sql "SELECT backup_create('$tcp/app?sslmode=verify-full&sslrootcert=$KEYS/other.crt')"
  [ "$status" != 0 ]
  [[ $output == *'database "app" on 127.0.0.1:'*'certificate verify failed'* ]]
  run sql "SELECT backup_create('$tcp/app?sslmode=disable')"
  [ "$status" != 0 ]
  [[ $output == *'no pg_hba.conf entry for host "127.0.0.1"'*'no encryption'* ]]
  [ -z "$(ls -A "$BACKUP_DIR" | grep -v catalog)" ]
}

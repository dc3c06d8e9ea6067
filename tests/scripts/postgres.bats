# scripts/db_backup.sh and db_restore.sh with ADMIN_DB_TYPE=postgres, against a private server that asks for passwords.
load ../helper
load ../postgres/server
load ../postgres/oracle

setup_file() {
  pg_server_start --tcp --scram
  fill sample
}
teardown_file() { pg_server_stop_all; }

# A database of this name with content.
fill() {
  newdb "$1"
  q "$1" <<'SQL'
CREATE TABLE users (id bigserial PRIMARY KEY, email text NOT NULL UNIQUE);
CREATE TABLE messages (id bigserial PRIMARY KEY, "user" bigint NOT NULL REFERENCES users, body text);
INSERT INTO users (email) SELECT 'user' || i || '@example.org' FROM generate_series(1, 100) AS i;
INSERT INTO messages ("user", body) SELECT i % 100 + 1, 'message ' || i FROM generate_series(1, 1000) AS i;
SQL
}

# The configured database is `app`; its password is in $PGPASSFILE.
setup() {
  lifeboat_setup
  pg_server_use main
  fill app
  ADMIN_DATABASE_URL=$(url_tcp app)
  export ADMIN_DB_TYPE=postgres BACKUP_DIR=$T/backups ADMIN_DATABASE_URL
}

backup() { "$ROOT/scripts/db_backup.sh" "$@"; }
restore() { "$ROOT/scripts/db_restore.sh" "$@"; }
messages() { q "$1" 'SELECT count(*) FROM messages'; }
newest() {
  local files=("$BACKUP_DIR"/admin_postgres_2*.sql.gz)
  [ ! -e "${files[-1]}" ] || printf '%s\n' "${files[-1]}"
}

# What the guide's script left behind, made N days ago.
old_dump() {
  mkdir -p "$BACKUP_DIR"
  pg_dump -d "$ADMIN_DATABASE_URL" | gzip >"$BACKUP_DIR/admin_postgres_$(date -u -d "$1 days ago" +%Y%m%d_%H%M%S).sql.gz"
}

# ---- backing up ----

@test "postgres: a backup: named as of old, checked, a summary; psql alone restores it" {
  run -0 backup
  local file
  file=$(newest)
  [[ ${file##*/} =~ ^admin_postgres_[0-9]{8}_[0-9]{6}\.sql\.gz$ ]]
  [[ $output == *'Backup finished'* ]]
  [[ $output == *"  database   postgresql://127.0.0.1:$PGPORT/app"* ]]
  [[ $output == *"  backup     ${file##*/}"* ]]
  [[ $output =~ '  size       '[0-9.]+' '(bytes|KiB)', '[0-9.]+':1 of ' ]]
  [[ $output == *'  verified   ok'* ]]
  [[ $output == *'  kept       1'*'  removed    0'*'  retention  7 days (the default)'* ]]
  [ "$(stat -c %a "$file")" = 600 ]
  newdb byhand
  gunzip -c "$file" | psql -XAtq -v ON_ERROR_STOP=1 -d "$(url byhand)" >/dev/null
  pg_same app byhand
}

@test "postgres: rotation: old dumps of this type only; --quiet prints nothing" {
  old_dump 20
  old_dump 5
  local other=$BACKUP_DIR/admin_sqlite_20200101_000000.db.gz
  make_db old.db 10
  gzip -c old.db >"$other"
  run -0 backup --quiet --retention-days 10
  [ -z "$output" ]
  [ "$(find "$BACKUP_DIR" -name 'admin_postgres_*.sql.gz' | wc -l)" = 2 ]
  [ -e "$other" ]
  RETENTION_DAYS=3 run -0 backup
  [[ $output == *'  kept       2'*'  removed    1'* ]]
}

@test "postgres: settings from .env alone; a password in the URL shows nowhere" {
  cat >.env <<ENV
ADMIN_DB_TYPE=postgres
ADMIN_DATABASE_URL='$(url_tcp app postgres "$PG_PASSWORD")'
BACKUP_DIR=kept
ENV
  # A pg_dump that writes down what others could see of it, and of the processes above it.
  mkdir bin
  cat >bin/pg_dump <<STUB
#!/bin/sh
{ ps axww -o args; tr '\\0' '\\n' </proc/\$\$/environ; } >>"$T/seen"
exec "$PG_DEBIAN/bin/pg_dump" "\$@"
STUB
  chmod +x bin/pg_dump
  unset ADMIN_DB_TYPE ADMIN_DATABASE_URL BACKUP_DIR PGPASSFILE
  PG_BINDIR=$T/bin run -0 backup
  [[ $output != *Gehe1m* ]]
  grep -q -- --section=pre-data seen
  run -1 grep -q Gehe1m seen
  BACKUP_DIR=$T/kept
  [ -n "$(newest)" ]
  # In no manifest, history, or file at all.
  gunzip -c "$(newest)" >plain.sql
  run -1 grep -raq Gehe1m kept plain.sql
}

@test "postgres: a wrong password, no password, no such database, a server that is not there: say so, no backup" {
  PGPASSFILE=/dev/null ADMIN_DATABASE_URL=$(url_tcp app postgres hunter2) run -1 backup
  [[ ${lines[-3]} == 'db_backup.sh: database "app" on 127.0.0.1:'*'password authentication failed'* ]]
  [[ $output != *hunter2* ]]
  PGPASSFILE=/dev/null run -1 backup
  [[ $output == *'set PGPASSWORD or PGPASSFILE'* ]]
  ADMIN_DATABASE_URL=$(url_tcp nothing) run -1 backup
  [[ $output == *'"nothing" does not exist'* ]]
  ADMIN_DATABASE_URL=postgresql://postgres@127.0.0.1:1/app run -1 backup
  [[ $output == *'Connection refused'*'is the server up'*'db_backup.sh: backup failed'* ]]
  [ -z "$(newest)" ]
}

@test "postgres: pg_dump is missing, or older than the server: which package to install, nothing left behind" {
  mkdir bin
  PG_BINDIR=$T/bin run -1 backup
  [[ $output == *"no pg_dump in PG_BINDIR=$T/bin"*"postgresql-client-$PG_DEFAULT"* ]]
  printf '#!/bin/sh\necho "pg_dump (PostgreSQL) 9.6.1"\n' >bin/pg_dump
  chmod +x bin/pg_dump
  PG_BINDIR=$T/bin run -1 backup
  [[ $output == *'9.6.1, older than the server'*"postgresql-client-$PG_DEFAULT"* ]]
  [ -z "$(find backups -name '*admin*')" ]
}

# ---- restoring ----

@test "postgres: shows what is about to happen and asks; no changes nothing" {
  backup --quiet
  ADMIN_DATABASE_URL=$(url_tcp app postgres "$PG_PASSWORD")
  q app 'DELETE FROM messages WHERE id > 10'
  run -1 restore latest <<<no
  [[ $output == *"  backup     $(basename "$(newest)")"* ]]
  [[ $output == *"  target     postgresql://postgres@127.0.0.1:$PGPORT/app, whose content will be replaced"* ]]
  [[ $output == *'  mode       transaction'* ]]
  [[ $output == *"  will save  $BACKUP_DIR/admin_postgres_before_restore_YYYYMMDD_HHMMSS.sql.gz"* ]]
  [[ $output == *'Are you sure you want to continue? (yes/no) '*'Restore cancelled: nothing was changed.' ]]
  [[ $output != *Gehe1m* ]]
  [ "$(messages app)" = 10 ]
  [ "$(find "$BACKUP_DIR" -name '*before_restore*')" = '' ]
}

@test "postgres: Yes brings the old content back and saves the present, which is a backup itself" {
  backup --quiet
  q app 'DELETE FROM messages WHERE id > 10; CREATE TABLE newer AS SELECT 7 AS n'
  run -0 restore admin_postgres_latest.sql.gz <<<Yes
  [[ $output == *'Restore finished'*"  saved as   $BACKUP_DIR/admin_postgres_before_restore_"*'  check      ok'* ]]
  pg_same sample app
  local saved
  saved=$(find "$BACKUP_DIR" -name '*before_restore*')
  [[ ${saved##*/} =~ ^admin_postgres_before_restore_[0-9]{8}_[0-9]{6}\.sql\.gz$ ]]
  # Back again, and that copy is not taken for the newest backup.
  run -0 restore --yes --no-pre-restore "${saved##*/}"
  [ "$(messages app)" = 10 ]
  [ "$(q app 'SELECT n FROM newer')" = 7 ]
  run -0 restore --yes --no-pre-restore latest
  [[ $output == *"  backup     $(basename "$(newest)")"* ]]
  pg_same sample app
}

@test "postgres: a file of the guide's script: pg_dump | gzip" {
  old_dump 2
  q app 'DROP TABLE messages'
  run -0 restore --yes "$(newest)"
  [[ $output == *'  check      loaded without an error; this file has no counts to compare with'* ]]
  pg_same sample app
  [ "$(sql "SELECT backup_verify('$(newest)')")" = ok ]
  # One that was cut off, and one whose pg_dump did not end: refused before anything is touched.
  q app 'DROP TABLE messages'
  head -c 1500 "$(newest)" >cut.sql.gz
  gunzip -c "$(newest)" | head -n 60 | gzip >short.sql.gz
  local file
  for file in cut.sql.gz short.sql.gz; do
    run -1 restore --yes "./$file"
    [[ $output == *'db_restore.sh: restore failed'* ]]
    [ "$(q app "SELECT count(*) FROM pg_tables WHERE tablename IN ('users', 'messages')")" = 1 ]
  done
  run -0 sql "SELECT backup_verify('$T/short.sql.gz')"
  [[ $output == *'the last line of pg_dump is missing'* ]]
}

@test "postgres: --mode swap: the old database stays under another name; sessions in it are an error without --force" {
  backup --quiet
  q app 'DELETE FROM messages'
  mkfifo hold
  psql -XAtq -d "$(url app)" <hold >held 2>&1 &
  local holder=$!
  exec 9>hold
  printf 'SELECT 1;\n' >&9
  while ! grep -q 1 held; do sleep 0.05; done
  run -1 restore --yes --mode swap latest
  [[ $output == *'is in use'*'--force'* ]]
  [ "$(messages app)" = 0 ]
  run -0 restore --yes --mode=swap --force latest
  exec 9>&-
  wait $holder || true
  [[ $output =~ '  previous   '(app_before_restore_[0-9_]+)' is the old database' ]]
  pg_same sample app
  [ "$(messages "${BASH_REMATCH[1]}")" = 0 ]
  q postgres "DROP DATABASE ${BASH_REMATCH[1]}"
}

@test "postgres: a database that is gone is made again; --target leaves the configured one alone" {
  backup --quiet
  q postgres 'DROP DATABASE app'
  run -0 restore --yes latest
  [[ $output == *'  saved as   nothing'* ]]
  pg_same sample app
  q app 'DELETE FROM messages'
  fill elsewhere
  q elsewhere 'DROP TABLE messages; CREATE TABLE of_its_own ()'
  run -0 restore --yes --target "$(url_tcp elsewhere)" latest
  [[ $output == *"  saved as   $BACKUP_DIR/elsewhere_postgres_before_restore_"* ]]
  pg_same sample elsewhere
  [ "$(messages app)" = 0 ]
}

@test "postgres: a role that is missing: which, and --no-owner; nothing was touched" {
  q postgres 'CREATE ROLE keeper'
  q app 'ALTER TABLE messages OWNER TO keeper; GRANT SELECT ON users TO keeper'
  backup --quiet
  q app 'DROP OWNED BY keeper'
  q postgres 'DROP ROLE keeper'
  run -1 restore --yes latest
  [[ $output == *'missing roles: keeper'*'--no-owner'* ]]
  [ "$(q app "SELECT count(*) FROM pg_tables WHERE tablename = 'messages'")" = 0 ]
  run -0 restore --yes --no-owner latest
  pg_data_same sample app
}

@test "postgres: the wrong kinds together are refused before the question is answered or anything is touched" {
  backup --quiet
  make_db old.db 10
  gzip -c old.db >"$BACKUP_DIR/admin_sqlite_20200102_030405.db.gz"
  run -1 restore --yes admin_sqlite_latest.db.gz
  [ "${lines[0]}" = 'db_restore.sh: admin_sqlite_latest.db.gz is not for a postgres database' ]
  run -1 restore --yes admin_sqlite_20200102_030405.db.gz
  [[ $output == *'holds a SQLite database, not a PostgreSQL dump'* ]]
  run -1 restore --yes --target "$T/new.db" "$(newest)"
  [[ $output == *'holds a PostgreSQL dump, not a SQLite database'* ]]
  [ ! -e new.db ]
  pg_same sample app
  run -2 restore --mode slow latest
  [ "${lines[0]}" = 'db_restore.sh: --mode is slow: it must be transaction or swap' ]
  run -2 restore --force latest
  run -2 restore --mode swap --target x.db latest
  [ "${lines[0]}" = 'db_restore.sh: --mode, --force and --no-owner are for Postgres' ]
}

@test "postgres: a database that has moved is saved all the same; the next backup says what to do" {
  backup --quiet
  ADMIN_DATABASE_URL=${ADMIN_DATABASE_URL/127.0.0.1/localhost}
  q app 'DELETE FROM messages'
  run -0 restore --yes latest
  [[ $output == *"  saved as   $BACKUP_DIR/admin_postgres_before_restore_"* ]]
  pg_same sample app
  run -1 backup
  [[ $output == *'belongs to another source'*'move the old backups away'* ]]
}

@test "postgres: nightly.sql and restore.sql do the same in plain SQL" {
  mkdir build backups
  ln -s "$LIFEBOAT_SO" build/lifeboat.so
  run -0 sqlite3 -init /dev/null -batch -bail :memory: <"$ROOT/sql/nightly.sql"
  [[ ${lines[0]} == "$BACKUP_DIR"/app_postgres_*.sql.gz ]]
  [ "${lines[1]}" = ok ]
  [ "${lines[2]}" = 0 ]
  q app 'DROP TABLE messages'
  export RESTORE_BACKUP=latest
  RESTORE_OPTIONS='{}' run -1 sqlite3 -init /dev/null -batch -bail :memory: <"$ROOT/sql/restore.sql"
  [[ $output == *'target is not empty'* ]]
  RESTORE_OPTIONS='{"overwrite":true}' run -0 sqlite3 -init /dev/null -batch -bail :memory: <"$ROOT/sql/restore.sql"
  [[ $output == *'"check":"ok"'* ]]
  pg_same sample app
}

# What the suites share that cut off, hold up or crowd backups and restores (crash, lost_connections, interrupts,
# limits, at_once): a database to back up and another one to restore over, how to start and slow down what is disturbed
# then, and what must hold afterwards. Moments are random within what the operation takes; the seed is printed ($SEED
# repeats a run). After `load ../helper`, `load server`, `load oracle`.

setup_file() {
  pg_server_start --set max_connections=30 || return 1
  newdb src && pg_bigtable src 15
  # A row of table slow takes as long to load as slowly says: see there.
  q src "CREATE FUNCTION public.wait(i int) RETURNS bool LANGUAGE plpgsql
AS 'BEGIN PERFORM pg_catalog.pg_sleep(pg_catalog.current_setting(''test.slow'', true)::float); RETURN true; END';
CREATE TABLE slow(i int PRIMARY KEY CHECK (public.wait(i))); INSERT INTO slow SELECT generate_series(1, 1000)"
  newdb old && q old "CREATE TABLE messages(id int PRIMARY KEY, body text);
INSERT INTO messages SELECT i, repeat(md5(i::text), 20) FROM generate_series(1, 4000) AS i;
CREATE VIEW v AS SELECT body FROM messages; CREATE SEQUENCE s START 7; CREATE SCHEMA audit; CREATE TABLE audit.t(a int)"
  export STATE_NEW STATE_OLD
  STATE_NEW=$(state src)
  STATE_OLD=$(state old)
  export BACKUP=$PG_WORLD/src.sql.gz BACKUP_DIR
  mkdir "$PG_WORLD/backups"
  mv "$(BACKUP_DIR=$PG_WORLD/backups sql "SELECT backup_create('$(url src)')")" "$BACKUP"
}
teardown_file() { pg_server_stop_all; }

setup() {
  lifeboat_setup
  mkdir backups
  export BACKUP_DIR=$T/backups
  SEED=${SEED:-$RANDOM}
  RANDOM=$SEED
  echo "SEED=$SEED"
}

teardown() {
  [ -z "${client:-}" ] || kill -9 "$client" 2>/dev/null || true
  [ -z "${slow:-}" ] || at_once
  cd / && rm -rf "$T"
}

# ---- what is there ----

# state DB: a digest of all of it; "none" where there is no such database.
state() {
  [ -n "$(q postgres "SELECT 1 FROM pg_database WHERE datname = '$1'")" ] || { echo none; return; }
  { pg_schema "$1" && pg_data "$1"; } | md5sum | cut -d' ' -f1
}

# fill DB: the old content.
fill() {
  q postgres "SET client_min_messages = error; DROP DATABASE IF EXISTS \"$1\" WITH (FORCE);
CREATE DATABASE \"$1\" TEMPLATE old"
}

scratches() { q postgres "SELECT datname FROM pg_database WHERE datname ~ '^lifeboat_|restoring'"; }
partials() { find "$BACKUP_DIR" -name '.*partial*'; }
finals() { find "$BACKUP_DIR" -name '*_postgres_*.gz'; }

# Sessions of ours end soon, also those of a client that is gone.
no_sessions() {
  local left
  for _ in {1..100}; do
    left=$(q postgres "SELECT pid, application_name, query FROM pg_stat_activity
WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()")
    [ -n "$left" ] || return 0
    sleep 0.05
  done
  echo "sessions left: $left"
  return 1
}

# Everything that has a final name is whole.
finals_whole() {
  local file
  for file in $(finals); do
    [ "$(sql "SELECT backup_verify('$file')")" = ok ] || { echo "$file is not whole"; return 1; }
  done
}

# ---- doing ----

# start SQL: in the background; $client is the process.
start() {
  printf '%s\n;\n' "$1" >"$T/sql"
  env ${LIFEBOAT_PRELOAD:+LD_PRELOAD=$LIFEBOAT_PRELOAD} sqlite3 -init /dev/null -batch -bail :memory: \
    -cmd ".load '${LIFEBOAT_SO%.so}'" <"$T/sql" >"$T/out" 2>&1 3>&- &
  client=$!
}

# Waits for the client: its status, its words in $output.
finish() {
  local status=0
  wait "$client" || status=$?
  client=
  output=$(cat "$T/out")
  echo "status $status: $output"
  return $status
}

# A random moment of at most $1 ms.
moment() {
  local ms=$((RANDOM % $1))
  echo "after $ms ms:"
  sleep "$(printf '0.%03d' "$ms")"
}

# A load takes at least two seconds after slowly, until at_once: whoever waits for its middle finds it, however busy
# the machine is. A backup with the options of SLOW takes about as long.
slowly() { slow=1 && q postgres "ALTER ROLE postgres SET test.slow = '0.002'"; }
at_once() { slow= && q postgres "ALTER ROLE postgres RESET test.slow"; }
SLOW='{"compress":"gzip","level":9,"threads":1}'

kill_client() {
  kill -9 "$client" 2>/dev/null || true
  wait "$client" || true
  client=
}

# until_true SECONDS COMMAND…
until_true() {
  local until=$((SECONDS + $1))
  shift
  while ((SECONDS <= until)); do
    "$@" && return
    sleep 0.01
  done
  echo "never: $*"
  return 1
}

restore() { echo "SELECT backup_restore('$BACKUP', '$(url target)', '$1')"; }
TRANSACTION='{"overwrite":true}'
SWAP='{"overwrite":true,"mode":"swap"}'

# The target is whole: old or new, and if it is new by a swap, the old one is there under another name.
old_or_new() {
  local now aside
  now=$(state target)
  [ "$now" = "$STATE_OLD" ] || [ "$now" = "$STATE_NEW" ] || { echo "target is neither old nor new: $now"; return 1; }
  [ "$1" = "$SWAP" ] && [ "$now" = "$STATE_NEW" ] || return 0
  aside=$(q postgres "SELECT datname FROM pg_database WHERE datname LIKE 'target_before_restore_%' LIMIT 1")
  [ "$(state "$aside")" = "$STATE_OLD" ]
}

# A run that nobody disturbs succeeds, and leaves nothing of those before.
all_is_well() {
  sql "$(restore "$1")" && [ "$(state target)" = "$STATE_NEW" ] && [ -z "$(scratches)" ] && [ -z "$(partials)" ] &&
    finals_whole
}

drop_asides() {
  q postgres "SELECT format('DROP DATABASE %I', datname) FROM pg_database
WHERE datname ~ '^target(_before_restore_.*)?\$' \\gexec"
}

# ---- who is at it ----

LOADING='^COPY .* FROM stdin'
loading() { [ -n "$(q postgres "SELECT 1 FROM pg_stat_activity WHERE query ~ '$LOADING'")" ]; }
dumping() {
  [ -n "$(q postgres "SELECT 1 FROM pg_stat_activity WHERE query ~ '; COPY .* TO STDOUT' AND pid <> pg_backend_pid()")" ]
}
claimed() { [ -n "$(q postgres "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND classid = 1818588276 AND granted")" ]; }

# sleeping, let_go: somebody else's session, which pg_sleep holds open.
sleeping() { [ -n "$(q postgres "SELECT 1 FROM pg_stat_activity WHERE wait_event = 'PgSleep'")" ]; }
let_go() { q postgres "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event = 'PgSleep'"; }

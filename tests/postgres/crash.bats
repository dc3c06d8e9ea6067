# Backups and restores of PostgreSQL that are cut off: kill -9 of the client, of the server, of one connection, of
# pg_dump, a server that shuts down, limits, full disks. Moments are random within what the operation takes; the seed is
# printed ($SEED repeats a run, $ROUNDS says how many of each). What must hold afterwards: nothing half under a final
# name, a target that is what it was or the new one, and whatever is left behind is swept by the next run.
load ../helper
load server
load oracle

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

# ---- kill -9 of the client ----

@test "kill -9 of the client while it creates" {
  for ((i = 0; i < ${ROUNDS:-4}; i++)); do
    start "SELECT backup_create('$(url src)')"
    moment 300
    kill_client
    finals_whole
  done
  no_sessions
  sql "SELECT backup_create('$(url src)')"
  [ -z "$(partials)" ]
  finals_whole
}

@test "kill -9 of the client while it restores in one transaction, its copy included" {
  fill target
  for ((i = 0; i < ${ROUNDS:-2}; i++)); do
    start "$(restore "$TRANSACTION")"
    moment 900
    kill_client
    no_sessions
    old_or_new "$TRANSACTION"
    finals_whole
    [ "$(state target)" = "$STATE_OLD" ] || fill target
  done
  all_is_well "$TRANSACTION"
}

@test "kill -9 of the client while it swaps" {
  fill target
  for ((i = 0; i < ${ROUNDS:-2}; i++)); do
    start "$(restore "$SWAP")"
    moment 700
    kill_client
    no_sessions
    old_or_new "$SWAP"
    drop_asides
    fill target
  done
  all_is_well "$SWAP"
}

@test "kill -9 of the client while it makes a new database: none of that name, or a whole one" {
  for ((i = 0; i < ${ROUNDS:-2}; i++)); do
    drop_asides
    start "$(restore '{"create":true}')"
    moment 450
    kill_client
    no_sessions
    [[ $(state target) == @(none|"$STATE_NEW") ]]
  done
  drop_asides
  all_is_well '{"create":true}'
}

@test "kill -9 of the client while it fills an empty database: the next one says what is there" {
  newdb target
  slowly
  start "$(restore '{}')"
  until_true 5 loading
  kill_client
  at_once
  no_sessions
  run -1 sql "$(restore '{}')"
  [[ $output == *"target is not empty"*"objects (pass {\"overwrite\":true} to replace them)"* ]]
  all_is_well "$TRANSACTION"
}

@test "kill -9 of the client while it brings back some tables" {
  local how before
  for how in replace missing merge; do
    for ((i = 0; i < ${ROUNDS:-1}; i++)); do
      drop_asides
      q postgres "CREATE DATABASE target TEMPLATE src"
      q target "DELETE FROM messages WHERE id % 3 = 0; DELETE FROM slow WHERE i > 10"
      [ $how = missing ] || q target "UPDATE messages SET body = 'spoilt' WHERE id % 5 = 0; UPDATE audit SET action = 'x'"
      before=$(state target)
      start "$(restore "{\"tables\":[\"messages\",\"audit\",\"slow\"],\"rows\":\"$how\",\"pre_restore\":false}")"
      moment 900
      kill_client
      no_sessions
      now=$(state target)
      [ "$now" = "$before" ] || [ "$now" = "$STATE_NEW" ] || { echo "$how: neither as before nor restored"; false; }
      [ "$now" = "$before" ] || echo "restored before it was killed"
    done
    sql "$(restore "{\"tables\":[\"messages\",\"audit\",\"slow\"],\"rows\":\"$how\",\"pre_restore\":false}")"
    [ "$(state target)" = "$STATE_NEW" ]
  done
}

LOADING='^COPY .* FROM stdin'
loading() { [ -n "$(q postgres "SELECT 1 FROM pg_stat_activity WHERE query ~ '$LOADING'")" ]; }
dumping() {
  [ -n "$(q postgres "SELECT 1 FROM pg_stat_activity WHERE query ~ '; COPY .* TO STDOUT' AND pid <> pg_backend_pid()")" ]
}

# ---- kill -9 of the server ----

# server_dies SQL MS: the error is told in the server's words or libpq's, and nothing is left in the folder.
server_dies() {
  start "$1"
  moment "$2"
  local pid
  pid=$(pg_server_pid)
  pg_server_kill9
  if finish; then echo "done before"
  else
    [[ $output =~ (server closed|connection|starting up|recovery|not accepting|shutting down|postmaster exit|pg_dump) ]]
  fi
  [ -z "$(partials)" ]
  # As long as the shell has not taken note of its end, another server takes it for running.
  until_true 5 [ ! -e "/proc/$pid" ]
  pg_server_restart
}

@test "kill -9 of the server while it is backed up" {
  for ((i = 0; i < ${ROUNDS:-2}; i++)); do server_dies "SELECT backup_create('$(url src)')" 300; done
  finals_whole
  [ "$(state src)" = "$STATE_NEW" ]
  sql "SELECT backup_create('$(url src)')"
}

@test "kill -9 of the server while it is restored to" {
  local how
  fill target
  for how in "$TRANSACTION" "$SWAP"; do
    server_dies "$(restore "$how")" 900
    old_or_new "$how"
    drop_asides
    fill target
  done
  all_is_well "$SWAP"
  drop_asides
  server_dies "$(restore '{"create":true}')" 450
  [[ $(state target) == @(none|"$STATE_NEW") ]]
  drop_asides
  all_is_well '{"create":true}'
}

# ---- one connection, one child ----

# A random session of ours that is at work; with $1, at that statement.
end_one() {
  [ "$(q postgres "SELECT count(pg_terminate_backend(pid)) FROM (SELECT pid FROM pg_stat_activity
WHERE application_name IN ('lifeboat', 'pg_dump') AND state <> 'idle' AND query ~ '${1:-}'
ORDER BY md5(pid::text || '$RANDOM') LIMIT 1) AS x")" = 1 ]
}

# The server's last words, or libpq's where a child of ours or the kernel's buffer kept them from us.
tells_of_the_end() {
  [[ $output == *"terminating connection due to administrator command"* || $output == *"closed the connection"* ||
    $output == *"the connection to the server was lost"* ]]
}

@test "one connection is ended: the server's words, nothing left" {
  fill target
  start "SELECT backup_create('$(url src)', '$SLOW')"
  # One that copies rows: a pg_dump may have told all that it had when it is ended, and the backup succeeds.
  until_true 5 end_one 'COPY .* TO STDOUT'
  finish && false
  tells_of_the_end
  [ -z "$(partials)$(finals)" ]
  slowly
  for how in "$TRANSACTION" "$SWAP"; do
    start "$(restore "${how%\}},\"pre_restore\":false}")"
    until_true 5 end_one "$LOADING"
    finish && false
    tells_of_the_end
    no_sessions
    [ "$(state target)" = "$STATE_OLD" ]
    [ -z "$(scratches)" ]
  done
  newdb target
  start "$(restore '{}')"
  until_true 5 end_one "$LOADING"
  finish && false
  at_once
  tells_of_the_end
  # A database that was empty is empty again.
  sql "$(restore '{}')"
  [ "$(state target)" = "$STATE_NEW" ]
}

@test "the connection that brings back some tables is ended: the copy that was saved first goes" {
  drop_asides
  q postgres "CREATE DATABASE target TEMPLATE src"
  q target "DELETE FROM slow"
  before=$(state target)
  slowly
  start "$(restore '{"tables":["slow"]}')"
  until_true 5 end_one '^INSERT INTO'
  finish && false
  at_once
  tells_of_the_end
  no_sessions
  [ "$(state target)" = "$before" ]
  [ -z "$(partials)$(finals)" ]
}

@test "all connections are ended, and another restore comes at once: what that one makes stays" {
  newdb target
  slowly
  start "$(restore '{}')"
  until_true 5 loading
  PGAPPNAME=lifeboat psql -Xq "$(url target)" -c "SELECT pg_advisory_lock(1818588276, 1)" -c "CREATE TABLE theirs()" \
    -c "SELECT pg_sleep(60)" >/dev/null 2>&1 3>&- &
  other=$!
  await answers "SELECT count(*) > 0 FROM pg_stat_activity WHERE wait_event = 'advisory'"
  q postgres "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE application_name = 'lifeboat' AND wait_event IS DISTINCT FROM 'advisory'"
  finish && false
  at_once
  tells_of_the_end
  [ "$(sql 'SELECT notes FROM backup_history LIMIT 1')" = \
    'what was loaded so far is left, since others are connected to the database' ]
  q target 'TABLE theirs; SELECT FROM slow LIMIT 0'
  let_go
  wait $other || true
}

# The one that works on databases is idle while rows are loaded.
@test "the connection that makes databases is ended in the middle: no scratch database is left" {
  fill target
  slowly
  for what in "$(restore "$SWAP")" "SELECT backup_verify('$BACKUP', '{\"level\":\"full\",\"verify_uri\":\"$(url target)\"}')"; do
    start "$what"
    until_true 5 loading
    [ "$(q postgres "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
WHERE application_name = 'lifeboat' AND datname = 'postgres'")" = 1 ]
    if finish; then [ "$output" = ok ]; else tells_of_the_end; fi
    no_sessions
    [ -z "$(scratches)" ]
    [ "$(state target)" = "$STATE_OLD" ]
  done
}

child_of_client() {
  child=$(cat "/proc/$client/task/$client/children" 2>/dev/null)
  child=${child%% *}
  [ -n "$child" ] && [[ $(tr '\0' ' ' <"/proc/$child/cmdline") == *--section* ]]
}

@test "pg_dump is killed: said, nothing left" {
  start "SELECT backup_create('$(url src)', '$SLOW')"
  until_true 5 child_of_client
  kill -9 "$child"
  finish && false
  [[ $output == *"pg_dump failed (ended by signal 9)"* ]]
  [ -z "$(partials)$(finals)" ]
  no_sessions
}

@test "a server that shuts down says so in our error" {
  fill target
  start "SELECT backup_create('$(url src)', '$SLOW')"
  until_true 5 dumping
  pg_server_halt fast
  finish && false
  tells_of_the_end
  [ -z "$(partials)$(finals)" ]
  pg_server_restart
  slowly
  start "$(restore "$TRANSACTION")"
  until_true 5 loading
  pg_server_halt fast
  finish && false
  tells_of_the_end
  pg_server_restart
  [ "$(state target)" = "$STATE_OLD" ]
}

# ---- interrupts ----

crash() { python -B "$ROOT/tests/postgres/crash.py" "$@"; }

# nothing_left STATE: of an interrupted call.
nothing_left() {
  no_sessions && [ -z "$(partials)$(scratches)" ] && [ "$(state target)" = "$1" ]
}

# hold_lock DB, let_go: somebody who holds table messages exclusively.
hold_lock() {
  psql -XAtqc "BEGIN; LOCK TABLE messages; SELECT pg_sleep(20)" "$1" >/dev/null 2>&1 3>&- &
  until_true 5 sleeping
}
sleeping() { [ -n "$(q postgres "SELECT 1 FROM pg_stat_activity WHERE wait_event = 'PgSleep'")" ]; }
let_go() { q postgres "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event = 'PgSleep'"; }

@test "an interrupt of a backup is heard in every phase, and leaves nothing" {
  crash interrupt dumping 0 "SELECT backup_create('$(url src)')"
  crash interrupt dumping 0.3 "SELECT backup_create('$(url src)', '$SLOW')"
  hold_lock src
  crash interrupt lock 0.05 "SELECT backup_create('$(url src)')"
  let_go
  # A pg_dump that says nothing.
  mkdir bin
  printf '#!/bin/sh\ncase "$*" in *--version*) exec %s --version ;; esac\nexec sleep 60\n' "$(command -v pg_dump)" >bin/pg_dump
  chmod +x bin/pg_dump
  PG_BINDIR=$T/bin crash interrupt "locking tables" 0.2 "SELECT backup_create('$(url src)')"
  [ -z "$(partials)$(finals)" ]
  [ -z "$(ps -eo args= | grep -xF 'sleep 60')" ]
}

@test "an interrupt of a restore is heard in every phase, and leaves the target as it was" {
  fill target
  slowly
  for how in "$TRANSACTION" "$SWAP"; do
    how=${how%\}},\"pre_restore\":false}
    for at in 0 0.3; do
      crash interrupt loading $at "$(restore "$how")"
      nothing_left "$STATE_OLD"
    done
  done
  crash interrupt dumping 0.01 "$(restore "$TRANSACTION")"
  crash interrupt connecting 0 "$(restore "$SWAP")"
  nothing_left "$STATE_OLD"
  # Somebody else's lock, which dropping waits for.
  hold_lock target
  crash interrupt lock 0.05 "SELECT backup_restore('$BACKUP', '$(url target)', '{\"overwrite\":true,\"pre_restore\":false}')"
  let_go
  nothing_left "$STATE_OLD"
  newdb target
  empty=$(state target)
  for at in 0.02 0.3; do
    crash interrupt loading $at "$(restore '{}')"
    nothing_left "$empty"
  done
}

@test "an interrupt while the new database is made" {
  local maker
  fill target
  how=${SWAP%\}},\"pre_restore\":false}
  hold postgres "BEGIN; LOCK TABLE pg_database IN SHARE MODE"
  crash interrupt lock 0.05 "$(restore "$how")"
  release
  nothing_left "$STATE_OLD"
  # Its comment is waited for; whatever comes next hears of the interrupt.
  hold postgres "BEGIN; LOCK TABLE pg_shdescription IN SHARE MODE"
  crash interrupt lock 0 "$(restore "$how")" 3>&- &
  maker=$!
  await answers "SELECT count(*) > 0 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE 'COMMENT %'"
  sleep 0.3
  release
  wait $maker
  nothing_left "$STATE_OLD"
}

@test "an interrupt while an index is built, and while statistics are made" {
  newdb slow
  q slow "CREATE FUNCTION public.wait(i int) RETURNS int LANGUAGE plpgsql IMMUTABLE
AS 'BEGIN PERFORM pg_catalog.pg_sleep(0.003); RETURN i; END';
CREATE TABLE t(i int); CREATE INDEX ON t(wait(i)); INSERT INTO t SELECT generate_series(1, 300);"
  file=$(sql "SELECT backup_create('$(url slow)')")
  newdb target
  empty=$(state target)
  crash interrupt loading 0.5 "SELECT backup_restore('$file', '$(url target)')"
  nothing_left "$empty"
  crash interrupt analyzing 0.3 "SELECT backup_restore('$file', '$(url target)')"
  nothing_left "$empty"
}

@test "an interrupt while the server stands still does not wait for it" {
  local processes began took
  fill target
  slowly
  start "$(restore "${SWAP%\}},\"pre_restore\":false,\"jobs\":1}")"
  until_true 5 loading
  mapfile -t processes < <(pg_server_pid; ps -o pid= --ppid "$(pg_server_pid)" | tr -d ' ')
  kill -STOP "${processes[@]}"
  (sleep 40; kill -CONT "${processes[@]}") >/dev/null 2>&1 3>&- &
  waker=$!
  began=$SECONDS
  kill -INT "$client"
  finish && false
  took=$((SECONDS - began))
  kill "$waker"
  kill -CONT "${processes[@]}"
  at_once
  [[ $output == *interrupted* ]]
  [ $took -lt 30 ]
  no_sessions
  [ "$(state target)" = "$STATE_OLD" ]
  # What could not be dropped then is by the next one.
  all_is_well "$SWAP"
}

@test "Control-C in the sqlite3 shell" {
  newdb target
  slowly
  start "$(restore '{}')"
  until_true 5 loading
  kill -INT "$client"
  finish && false
  [[ $output == *interrupted* ]]
  no_sessions
}

@test "hosts that ignore SIGCHLD, reap every child, fork" {
  for kind in ignore reap fork; do
    crash $kind "SELECT backup_create('$(url src)')"
    [ -z "$(partials)" ]
  done
  finals_whole
}

# ---- limits ----

@test "timeouts that are set for a role or a database end neither a backup nor a restore" {
  fill target
  q postgres "CREATE ROLE hasty SUPERUSER LOGIN; ALTER ROLE hasty SET test.slow = '0.002'"
  for setting in "statement_timeout = '500ms'" "idle_in_transaction_session_timeout = '500ms'" \
    "idle_session_timeout = '500ms'" "lock_timeout = '1ms'" "standard_conforming_strings = off"; do
    q postgres "ALTER ROLE hasty SET $setting; ALTER DATABASE target SET $setting"
  done
  url=$(url src)
  run -0 sql "SELECT backup_create('${url/user=postgres/user=hasty}', '$SLOW')"
  url=$(url target)
  for how in "$TRANSACTION" "$SWAP"; do
    run -0 sql "SELECT backup_restore('$BACKUP', '${url/user=postgres/user=hasty}', '${how%\}},\"force\":true}')"
    PGUSER=postgres q postgres "ALTER DATABASE target RESET ALL"
    [ "$(state target)" = "$STATE_NEW" ]
  done
  drop_asides
  q postgres "DROP ROLE hasty"
}

@test "few connections: fewer lanes and a note, or an error that says what to do" {
  q postgres "CREATE ROLE few LOGIN; GRANT pg_read_all_data TO few"
  url=$(url src)
  url=${url/user=postgres/user=few}
  for limit in 1 2 3 4 5; do
    q postgres "ALTER ROLE few CONNECTION LIMIT $limit"
    run sql "SELECT backup_create('$url', '{\"jobs\":4}') IS NOT NULL"
    echo "limit $limit: $output"
    [ "$status" = 0 ] || [[ $output == *"too many connections for role"* ]]
    [ -z "$(partials)" ]
    results+=$status
  done
  [ "$results" = 11000 ]
  run sql "SELECT count(*) FROM backup_history WHERE notes LIKE '%only % of 4 connections%'"
  echo "$output"
  [ "$output" -ge 1 ]
  q postgres "DROP OWNED BY few; DROP ROLE few"
}

# disk MB COMMAND…: runs it where $T/disk is a file system of its own, of that size; skips where that is not allowed.
disk() {
  local enter=(unshare -m) size=$1
  shift
  [ "$(id -u)" = 0 ] || enter=(unshare -rm)
  mkdir -p disk
  if ! "${enter[@]}" mount -t tmpfs -o size=1m none "$T/disk"; then
    [ -z "${CI:-}" ] || return 1
    skip "mounting is not allowed here"
  fi
  # shellcheck disable=SC2016
  "${enter[@]}" bash -c 'mount -t tmpfs -o size="$1"m none "$2/disk" || exit 9; shift 2; "$@"' _ "$size" "$T" "$@"
}

@test "a full disk in the folder of backups, foreseen and met on the way" {
  export -f sql
  cat >"$T/full.bash" <<EOF
cd "$T/disk" || exit 9
for options in '"level":2' '"exclude_tables":["none"]' '"exclude_tables":["none"],"level":9'; do
  sql "SELECT backup_create('$(url src)', '{\"dir\":\"$T/disk\",\$options}')" 2>&1
  echo "status \$?, left: \$(ls -A | grep -v catalog)"
done
EOF
  run -0 disk 3 bash "$T/full.bash"
  echo "$output"
  [ "$(grep -cE 'space|full' <<<"$output")" = 3 ]
  [ "$(grep -c 'status 1, left: $' <<<"$output")" = 3 ]
  no_sessions
}

# ---- at once ----

@test "two backups of one database at once" {
  start "SELECT backup_create('$(url src)')"
  sql "SELECT backup_create('$(url src)')"
  finish
  [ "$(finals | wc -l)" = 2 ]
  finals_whole
  [ -z "$(partials)" ]
}

@test "two restores of one database at once: one is turned away, whatever the mode" {
  local how
  slowly
  for how in '{}' "$TRANSACTION" "$SWAP"; do
    if [ "$how" = '{}' ]; then newdb target; else fill target; fi
    start "$(restore "$how")"
    until_true 5 claimed
    run -1 sql "$(restore "$TRANSACTION")"
    [[ $output == *"another restore of Lifeboat is at work there"* ]]
    finish
    [ "$(state target)" = "$STATE_NEW" ]
  done
  drop_asides
  at_once
  start "$(restore '{"create":true}')"
  run sql "$(restore '{"create":true}')"
  first=$output
  finish || true
  [ "$(state target)" = "$STATE_NEW" ]
  [ -z "$(scratches)" ]
}

# Its session, which has the claim, may be there for a moment.
@test "a restore right after another one that has ended waits until that one's session is gone" {
  fill target
  PGAPPNAME=holder psql -Xq "$(url target)" -c "SELECT pg_advisory_lock(1818588276, 1)" -c "SELECT pg_sleep(0.7)" \
    >/dev/null 2>&1 3>&- &
  holder=$!
  until_true 5 claimed
  sql "$(restore "$TRANSACTION")"
  wait $holder
  holder=
  [ "$(state target)" = "$STATE_NEW" ]
}

claimed() { [ -n "$(q postgres "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND classid = 1818588276 AND granted")" ]; }

@test "rotation leaves alone what a restore reads" {
  for _ in 1 2; do sql "SELECT backup_create('$(url src)')"; done
  oldest=$(finals | sort | head -1)
  newdb target
  slowly
  start "SELECT backup_restore('$oldest', '$(url target)')"
  until_true 5 claimed
  sql "SELECT backup_rotate('{\"keep_last\":1}')"
  finish
  [ "$(state target)" = "$STATE_NEW" ]
}

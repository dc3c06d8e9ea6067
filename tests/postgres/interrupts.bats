# Backups and restores of PostgreSQL that are interrupted, in each of their phases; and hosts that have a way of their
# own with signals and children.
load ../helper
load server
load oracle
load disturbed

host() { python -B "$ROOT/tests/postgres/interrupts.py" "$@"; }

# nothing_left STATE: of an interrupted call.
nothing_left() {
  no_sessions && [ -z "$(partials)$(scratches)" ] && [ "$(state target)" = "$1" ]
}

# hold_lock DB: somebody who holds table messages exclusively, until let_go.
hold_lock() {
  psql -XAtqc "BEGIN; LOCK TABLE messages; SELECT pg_sleep(20)" "$1" >/dev/null 2>&1 3>&- &
  until_true 5 sleeping
}

@test "an interrupt of a backup is heard in every phase, and leaves nothing" {
  host interrupt dumping 0 "SELECT backup_create('$(url src)')"
  host interrupt dumping 0.3 "SELECT backup_create('$(url src)', '$SLOW')"
  hold_lock src
  host interrupt lock 0.05 "SELECT backup_create('$(url src)')"
  let_go
  # A pg_dump that says nothing.
  mkdir bin
  printf '#!/bin/sh\ncase "$*" in *--version*) exec %s --version ;; esac\nexec sleep 60\n' "$(command -v pg_dump)" >bin/pg_dump
  chmod +x bin/pg_dump
  PG_BINDIR=$T/bin host interrupt "locking tables" 0.2 "SELECT backup_create('$(url src)')"
  [ -z "$(partials)$(finals)" ]
  [ -z "$(ps -eo args= | grep -xF 'sleep 60')" ]
}

@test "an interrupt of a restore is heard in every phase, and leaves the target as it was" {
  fill target
  slowly
  for how in "$TRANSACTION" "$SWAP"; do
    how=${how%\}},\"pre_restore\":false}
    for at in 0 0.3; do
      host interrupt loading $at "$(restore "$how")"
      nothing_left "$STATE_OLD"
    done
  done
  host interrupt dumping 0.01 "$(restore "$TRANSACTION")"
  host interrupt connecting 0 "$(restore "$SWAP")"
  nothing_left "$STATE_OLD"
  # Somebody else's lock, which dropping waits for.
  hold_lock target
  host interrupt lock 0.05 "SELECT backup_restore('$BACKUP', '$(url target)', '{\"overwrite\":true,\"pre_restore\":false}')"
  let_go
  nothing_left "$STATE_OLD"
  newdb target
  empty=$(state target)
  for at in 0.02 0.3; do
    host interrupt loading $at "$(restore '{}')"
    nothing_left "$empty"
  done
}

@test "an interrupt while the new database is made" {
  local maker
  fill target
  how=${SWAP%\}},\"pre_restore\":false}
  hold postgres "BEGIN; LOCK TABLE pg_database IN SHARE MODE"
  host interrupt lock 0.05 "$(restore "$how")"
  release
  nothing_left "$STATE_OLD"
  # Its comment is waited for; whatever comes next hears of the interrupt.
  hold postgres "BEGIN; LOCK TABLE pg_shdescription IN SHARE MODE"
  host interrupt lock 0 "$(restore "$how")" 3>&- &
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
  host interrupt loading 0.5 "SELECT backup_restore('$file', '$(url target)')"
  nothing_left "$empty"
  host interrupt analyzing 0.3 "SELECT backup_restore('$file', '$(url target)')"
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
    host $kind "SELECT backup_create('$(url src)')"
    [ -z "$(partials)" ]
  done
  finals_whole
}

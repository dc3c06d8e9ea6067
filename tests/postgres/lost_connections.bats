# One of the connections of a backup or a restore ends, or its pg_dump does, or the server shuts down: the error has the
# server's words, and nothing is left.
load ../helper
load server
load oracle
load disturbed

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

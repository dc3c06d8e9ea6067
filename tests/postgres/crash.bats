# Backups and restores of PostgreSQL that kill -9 cuts off, of the client or of the server, at random moments ($ROUNDS
# says how many of each). What must hold afterwards: nothing half under a final name, a target that is what it was or the
# new one, and whatever is left behind is swept by the next run.
load ../helper
load server
load oracle
load disturbed

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

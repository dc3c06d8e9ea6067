# Two of us at once: backups, restores, a rotation.
load ../helper
load server
load oracle
load disturbed

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

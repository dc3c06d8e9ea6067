# What a server, a role or a disk has too little of: time, connections, room.
load ../helper
load server
load oracle
load disturbed

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

# A hot standby as the source of a backup, and as a target that refuses.
load ../helper
load server
load oracle

setup_file() {
  pg_server_start --name primary || return 1
  newdb src
  q src <<'SQL'
CREATE TABLE kept AS SELECT i AS id, 'row ' || i AS text FROM generate_series(1, 3000) AS i;
CREATE UNLOGGED TABLE passing AS SELECT 1 AS a;
CREATE UNLOGGED TABLE counted (id serial);
CREATE SEQUENCE numbers START 7;
SELECT nextval('numbers');
SELECT lo_from_bytea(70001, 'a large object');
SQL
  local dir=$PG_WORLD/standby primary=$PG_WORLD/primary
  mkdir "$dir" && pg_give "$dir" || return 1
  (cd / && pg_drop "$PG_DEBIAN/bin/pg_basebackup" -R -X stream -c fast --no-sync -D "$dir/data" -d "$(url postgres)") ||
    return 1
  sed -i "s#$primary#$dir#" "$dir/data/postgresql.conf"
  cp "$primary/version" "$primary/port" "$dir/"
  PG_VERSION=$(cat "$dir/version")
  pg_server_use standby
  pg_server_launch
}
teardown_file() { pg_server_stop_all; }

# Whether the standby has all that the primary has written.
caught_up() {
  local written
  pg_server_use primary
  written=$(q postgres 'SELECT pg_current_wal_lsn()')
  pg_server_use standby
  answers "SELECT pg_last_wal_replay_lsn() >= '$written'"
}

setup() {
  lifeboat_setup
  pg_server_use standby
  export BACKUP_DIR=$T
}

@test "standby: a backup of all but the rows of unlogged tables, which a note says" {
  [ "$(q postgres 'SELECT pg_is_in_recovery()')" = t ]
  run -0 sql "SELECT backup_create('$(url src)', '{\"jobs\":3}')" "SELECT notes FROM backup_history"
  [ "${lines[1]}" = 'taken from a standby: rows of unlogged tables are not there' ]
  pg_server_use primary
  newdb dst
  run -0 sql "SELECT backup_restore('latest', '$(url dst)') ->> '$.check'"
  [ "$output" = ok ]
  [ "$(q dst 'SELECT count(*) FROM passing')" = 0 ]
  q src 'TRUNCATE passing; SELECT setval($$counted_id_seq$$, 1, false)' >/dev/null
  pg_same src dst
}

@test "standby: as a target: an error that says what it is" {
  pg_server_use primary
  sql "SELECT backup_create('$(url src)')"
  pg_server_use standby
  run -1 sql "SELECT backup_restore('latest:src', '$(url src)', '{\"overwrite\":true,\"pre_restore\":false}')"
  [[ $output == *'is a standby, which takes no writes: name the primary'* ]]
}

@test "standby: a read that the primary's changes end is an error that says what to set, and leaves no backup" {
  local killer
  pg_server_use primary
  newdb busy
  q busy "CREATE TABLE long AS SELECT repeat(md5(i::text), 20) AS text FROM generate_series(1, 200000) AS i"
  pg_server_use standby
  q postgres 'ALTER SYSTEM SET max_standby_streaming_delay = 0'
  q postgres 'SELECT pg_reload_conf()'
  await caught_up
  (
    await answers "SELECT count(*) > 0 FROM pg_stat_activity WHERE query LIKE '%COPY%long%' AND pid <> pg_backend_pid()"
    pg_server_use primary
    q busy 'TRUNCATE long'
  ) >/dev/null 2>&1 3>&- &
  killer=$!
  failing 'max_standby_streaming_delay' sql "SELECT backup_create('$(url busy)', '{\"level\":9,\"threads\":1,\"jobs\":1}')"
  wait $killer
  # Without the server's words where it waited for us to read.
  [[ $output == *"conflict with recovery"* || $output == *"(if the server still runs: the standby puts"* ]]
  [[ $output == *"raise its max_standby_streaming_delay, set hot_standby_feedback, or back up the primary)"* ]]
  [ -z "$(ls -A "$T" | grep busy)" ]
}

# backup_create of a PostgreSQL database whose tables others lock, change and write anew meanwhile.
load ../helper
load server

setup_file() {
  pg_server_start
  newdb shop
  q shop <"$PG_HERE/fixtures/shop.sql"
}
teardown_file() { pg_server_stop_all; }
setup() {
  lifeboat_setup
  mkdir b
  export BACKUP_DIR=$T/b
}
teardown() {
  [ -z "${holder:-}" ] || release
  cd / && rm -rf "$T"
}

create() { sql "SELECT backup_create('$(url "$1")'${2:+, '$2'})"; }
backups() { find b -name '*.sql.*' | wc -l; }
nothing_left() { [ -z "$(find b -name '*.sql*' -o -name '*.partial')" ]; }

@test "lock_timeout: a locked table ends the backup within the time, and is named" {
  hold shop 'LOCK TABLE shop.orders'
  SECONDS=0
  failing 'orders' create shop '{"lock_timeout":300}'
  [[ $output == *'lock timeout'*'or raise "lock_timeout"; locked: "shop"."orders" by holder (user postgres, pid '*'))'* ]]
  [ $SECONDS -lt 5 ]
  nothing_left
  release
  run -0 create shop '{"lock_timeout":300}'
}

@test "a table that is left out may be locked: nobody waits for it" {
  hold shop 'TRUNCATE shop.orders CASCADE'
  run -0 create shop '{"lock_timeout":300,"schemas":["public"]}'
  run -0 create shop '{"lock_timeout":300,"exclude_tables":["shop.*"],"name":"rest"}'
  release
}

@test "a table that a prepared transaction has locked: it is named, as no session holds it" {
  q shop "BEGIN; LOCK TABLE shop.orders; SELECT txid_current(); PREPARE TRANSACTION 'half done'"
  failing 'locked: "shop"."orders" by the prepared transaction half done (user postgres))' \
    create shop '{"lock_timeout":300}'
  q shop "ROLLBACK PREPARED 'half done'"
}

@test "a table that is written anew while the backup waits for its lock is backed up as it is then" {
  local change alter n=0
  for change in 'ALTER TABLE t ALTER v TYPE bigint' 'TRUNCATE t; INSERT INTO t SELECT i, i FROM generate_series(1, 1000) AS i' \
    'DROP TABLE t; CREATE TABLE t (id int PRIMARY KEY, v int); INSERT INTO t SELECT i, i FROM generate_series(1, 1000) AS i'; do
    newdb anew
    q anew 'CREATE TABLE t (id int PRIMARY KEY, v int); INSERT INTO t SELECT i, i FROM generate_series(1, 1000) AS i; CREATE TABLE z (a int)'
    q anew "BEGIN; $change; SELECT pg_sleep(1.5); COMMIT" >/dev/null 3>&- &
    alter=$!
    await answers "SELECT count(*) > 0 FROM pg_stat_activity WHERE wait_event = 'PgSleep'"
    run create anew "{\"name\":\"anew$((n += 1))\"}"
    echo "$change: $output"
    [ "$status" = 0 ]
    wait $alter
    [ "$(sql "SELECT rows FROM backup_contents('latest:anew$n') WHERE name = 't'")" = 1000 ]
  done
}

@test "somebody who waits for a lock in the middle does not make it wait for ever" {
  newdb wait
  q wait 'CREATE TABLE a (id int); CREATE TABLE z (id int)'
  hold wait 'LOCK TABLE z'
  # The backup has a and waits for z; the ALTER waits for a; pg_dump will wait behind the ALTER.
  create wait '{"lock_timeout":2000}' >out 2>&1 3>&- &
  local backup=$! alter
  await answers "SELECT count(*) > 0 FROM pg_locks
    WHERE relation IS NOT NULL AND NOT granted AND mode = 'AccessShareLock'"
  q wait 'ALTER TABLE a ADD COLUMN more int' 3>&- &
  alter=$!
  await answers "SELECT count(*) > 0 FROM pg_locks WHERE NOT granted AND mode = 'AccessExclusiveLock'"
  SECONDS=0
  release
  wait $backup || true
  cat out
  [ $SECONDS -lt 8 ]
  wait $alter
  [ "$(q wait "SELECT count(*) FROM pg_attribute WHERE attrelid = 'a'::regclass AND attname = 'more'")" = 1 ]
  # Either it came through whole or it said what it waited for.
  if [ "$(backups)" = 0 ]; then grep -qi 'lock' out; else sql "SELECT backup_verify('latest', '{\"raise\":true}')"; fi
}

# A pg_dump that waits for a lock as long as it may, and gives up as the real one does: with all tables in one line.
blocked_pg_dump() {
  mkdir -p bin
  cat >bin/pg_dump <<'EOF'
#!/bin/sh
[ "$1" != --version ] || { echo 'pg_dump (PostgreSQL) 15.1'; exit; }
for word; do case $word in --lock-wait-timeout=*) sleep $((${word#*=} / 1000)).1 ;; esac; done
{
  echo 'pg_dump: error: query failed: ERROR:  canceling statement due to statement timeout'
  printf 'pg_dump: detail: Query was: LOCK TABLE public.a'
  seq -f ', public.a_table_with_a_name_%g' -s '' 500
  echo ' IN ACCESS SHARE MODE'
} >&2
exit 1
EOF
  chmod +x bin/pg_dump
  export PG_BINDIR=$T/bin
}
has_a() { answers "SELECT count(*) > 0 FROM pg_locks l JOIN pg_database d ON d.oid = l.database
  WHERE datname = 'wait' AND mode = 'AccessShareLock' AND relation > 16383"; }

# A backup with such a pg_dump, that has its own locks: the process $backup.
begin_blocked() {  # begin_blocked LOCK-TIMEOUT
  newdb wait
  q wait 'CREATE TABLE a (id int)'
  blocked_pg_dump
  create wait "{\"lock_timeout\":$1}" >out 2>&1 3>&- &
  backup=$!
  await has_a
}

@test "while somebody is always in the way, tables are open to others most of the time" {
  local backup i closed=0
  begin_blocked 0
  for ((i = 0; i < 40; i++)); do
    ! has_a || closed=$((closed + 1))
    sleep 0.2
  done
  echo "closed $closed times of 40"
  [ $closed -ge 2 ] && [ $closed -le 24 ]
  # And it goes on until nobody is.
  ln -sf "$PG_DEBIAN/bin/pg_dump" bin/pg_dump
  wait $backup
  cat out
  [ "$(backups)" = 1 ]
}

@test "who waits in the middle is named" {
  local backup alter
  begin_blocked 1500
  q wait 'ALTER TABLE a ADD COLUMN more int' 3>&- &
  alter=$!
  not wait $backup
  wait $alter
  cat out
  grep -qE 'process [0-9]+ waits for AccessExclusiveLock on public\.a, which this backup reads.*LOCK TABLE' out
  nothing_left
}

# As a server says it in any language; it is not a lock of somebody's that a later try could get.
@test "where the server has no room for pg_dump's locks, a backup says so and does not try again" {
  blocked_pg_dump
  cat >bin/pg_dump <<'EOF'
#!/bin/sh
[ "$1" != --version ] || { echo 'pg_dump (PostgreSQL) 15.1'; exit; }
echo again >>tried
{
  echo 'pg_dump: Fehler: Anfrage fehlgeschlagen: ERROR:  Shared Memory aufgebraucht'
  echo 'HINT:  Sie müssen möglicherweise max_locks_per_transaction erhöhen.'
  echo 'pg_dump: Detail: Anfrage war: LOCK TABLE public.a IN ACCESS SHARE MODE'
} >&2
exit 1
EOF
  newdb full
  failing 'max_locks_per_transaction' create full '{"lock_timeout":3000}'
  [[ $output != *lock_timeout* ]]
  [ "$(wc -l <tried)" -le 2 ]
}

# A server has room for so many locks of all sessions together. COPY of a query locks the indexes as well.
@test "the locks of a backup are those of tables, not of their indexes too" {
  pg_server_start --name narrow --set max_locks_per_transaction=10 --set max_connections=20
  newdb indexes
  q indexes "DO \$\$ BEGIN FOR i IN 1..150 LOOP
    EXECUTE format('CREATE TABLE t%s AS SELECT %s AS id, md5(''x'')::uuid AS u, ARRAY[1.5] AS a', i, i);
    COMMIT; FOR k IN 1..15 LOOP EXECUTE format('CREATE INDEX ON t%s (id)', i); END LOOP; COMMIT; END LOOP; END \$\$"
  for jobs in 1 3; do
    run -0 create indexes "{\"jobs\":$jobs,\"name\":\"j$jobs\"}"
    [ "$(sql "SELECT sum(rows) FROM backup_contents('latest:j$jobs')")" = 150 ]
  done
  pg_server_stop immediate
  pg_server_use main
}

# Nobody else is in the database that is verified.
@test "a full verification does not hold locks on all tables at once" {
  newdb crowd
  q crowd "DO \$\$ BEGIN FOR i IN 1..1500 LOOP
    EXECUTE format('CREATE TABLE t%s AS SELECT %s AS i', i, i); COMMIT; END LOOP; END \$\$"
  create crowd
  pg_server_start --name narrow --set max_locks_per_transaction=10 --set max_connections=20
  [ "$(sql "SELECT backup_verify('latest:crowd', '{\"level\":\"full\",\"verify_uri\":\"$(url postgres)\"}')")" = ok ]
  pg_server_stop immediate
  pg_server_use main
}

# What is not all of a database, and what a full verification or a restore must not stumble over.
load ../helper
load server
load oracle

setup_file() {
  pg_server_start
  newdb src
  q src >/dev/null <<'SQL'
CREATE TABLE owner (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text);
CREATE TABLE thing (id serial PRIMARY KEY, owner int REFERENCES owner, at timestamptz DEFAULT now());
INSERT INTO owner (name) SELECT 'o' || g FROM generate_series(1, 20) g;
INSERT INTO thing (owner) SELECT 1 + g % 20 FROM generate_series(1, 100) g;
CREATE SEQUENCE alone START 77;
SQL
}

teardown_file() { pg_server_stop_all; }

setup() {
  lifeboat_setup
  export BACKUP_DIR=$T
}

backup() { sql "SELECT backup_create('$(url src)', '${1:-{\}}')"; }

@test "a partial backup is no full one: not for latest, not for rotation, and it replaces nothing" {
  local full part
  full=$(backup)
  for options in '{"schema_only":true}' '{"tables":["thing","owner"]}' '{"exclude_tables":["thing"]}'; do
    part=$(backup "$options")
    [[ $part == */src_postgres_partial_* ]]
    [ "$(sql "SELECT backup_restore('latest', '$(url src)', '{\"overwrite\":true}') ->> '$.backup'")" = "$full" ]
    run sql "SELECT backup_restore('$part', '$(url src)', '{\"overwrite\":true}')"
    [ "$status" != 0 ] && [[ $output == *'only a part of a database'* ]]
    newdb dst
    sql "SELECT backup_restore('$part', '$(url dst)')" >/dev/null
  done
  [ "$(sql "SELECT count(*) FROM backups WHERE kind = 'partial'")" = 3 ]
  run sql "SELECT backup_delete('$full')"
  [ "$status" != 0 ] && [[ $output == *'newest good backup of src'* ]]
  part=$(backup '{"data_only":true}')
  newdb dst
  run sql "SELECT backup_restore('$part', '$(url dst)')"
  [ "$status" != 0 ] && [[ $output == *'rows without their tables'* ]]
  run sql "SELECT backup_verify('$part', '{\"level\":\"full\",\"verify_uri\":\"$(url postgres)\"}')"
  [ "$status" != 0 ] && [[ $output == *'only quick can verify'* ]]
  [ "$(sql "SELECT count(*) FROM backups WHERE verify_result <> 'ok'")" = 0 ]
}

@test "sequences go with their tables, as in pg_dump" {
  local part
  part=$(backup '{"exclude_tables":["owner"]}')
  [ "$(gunzip -c "$part" | grep -c "owner_id_seq")" = 0 ]
  gunzip -c "$part" | grep -qF "setval('\"public\".\"thing_id_seq\"', 100, true)"
  part=$(backup '{"exclude_tables":["thing_id_seq"]}')
  gunzip -c "$part" | grep -qF "setval('\"public\".\"thing_id_seq\"', 100, true)"
  part=$(backup '{"tables":["owner"]}')
  newdb dst
  gunzip -c "$part" | q dst >/dev/null
  [ "$(q dst 'SELECT last_value FROM owner_id_seq')" = 20 ]
  [ "$(gunzip -c "$part" | grep -c 'alone')" = 0 ]
}

@test "another time zone, an ICU locale, roles: a full verification finds nothing wrong and leaves nothing" {
  q postgres "DROP DATABASE IF EXISTS other; CREATE DATABASE other TEMPLATE template0 LOCALE_PROVIDER icu ICU_LOCALE 'de'"
  q other 'CREATE ROLE passing LOGIN; CREATE TABLE t (at timestamptz, name text); ALTER TABLE t OWNER TO passing'
  q other "INSERT INTO t SELECT now() + g * interval '1 day', 'ä' || g FROM generate_series(1, 300) g"
  q postgres "ALTER DATABASE other SET timezone = 'America/New_York'"
  sql "SELECT backup_create('$(url other)', '{\"roles\":true,\"verify\":\"full\"}')" >/dev/null
  sql "SELECT backup_restore('latest', '$(url icu_copy)', '{\"create\":true}')" >/dev/null
  [ "$(q icu_copy "SELECT datlocprovider, daticulocale FROM pg_database WHERE datname = 'icu_copy'")" = 'i|de' ]
  q postgres 'DROP DATABASE other' 
  q postgres 'DROP DATABASE icu_copy'
  q postgres 'DROP ROLE passing'
  run sql "SELECT backup_verify('latest', '{\"level\":\"full\",\"verify_uri\":\"$(url postgres)\"}')"
  [ "$output" = ok ] || { echo "$output"; false; }
  [ -z "$(q postgres "SELECT 1 FROM pg_roles WHERE rolname = 'passing'")" ]
}

@test "an ANALYZE that fails is a note" {
  newdb odd
  q odd "CREATE FUNCTION h(int) RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT \$1'"
  q odd "CREATE FUNCTION f(int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS 'BEGIN RETURN h(\$1); END'"
  q odd 'CREATE TABLE t AS SELECT g AS a FROM generate_series(1, 50) g; CREATE STATISTICS s ON (f(a)) FROM t'
  sql "SELECT backup_create('$(url odd)')" >/dev/null
  for how in '{"create":true}' '{"overwrite":true}' '{"overwrite":true,"mode":"swap","drop_old":true}'; do
    run -0 sql "SELECT backup_restore('latest', '$(url odd2)', '$how') ->> '$.notes'"
    [[ $output == *'ANALYZE did not succeed'* ]]
    pg_same odd odd2
  done
}

@test "writers are kept out before the target is saved" {
  sql "SELECT backup_create('$(url src)')" >/dev/null
  q postgres 'DROP DATABASE IF EXISTS busy'
  q postgres 'CREATE DATABASE busy TEMPLATE src'
  psql -XAtqc 'BEGIN; DELETE FROM thing WHERE id = 1; SELECT pg_sleep(20)' busy >/dev/null 2>&1 3>&- &
  for try in $(seq 100); do
    [ -z "$(q postgres "SELECT 1 FROM pg_stat_activity WHERE datname = 'busy' AND wait_event = 'PgSleep'")" ] || break
    sleep 0.05
  done
  run sql "SELECT backup_restore('latest:src', '$(url busy)', '{\"overwrite\":true,\"lock_timeout\":300}')"
  [ "$status" != 0 ] && [[ $output == *'lock timeout'* ]]
  [ -z "$(ls "$T" | grep before_restore)" ]
  q postgres "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event = 'PgSleep'" >/dev/null
  wait
  [ "$(q busy 'SELECT count(*) FROM thing')" = 100 ]
}

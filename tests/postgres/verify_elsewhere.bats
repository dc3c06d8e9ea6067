# Full verification on another server than the backup's: what that one lacks, or what goes wrong on it, says nothing of
# the backup. It is an error, or left out with a note; it is never remembered as damage.
load ../helper
load server
load oracle

setup_file() { pg_server_start --tcp; }
teardown_file() { pg_server_stop_all; }
setup() {
  lifeboat_setup
  pg_server_use main
  mkdir b
  export BACKUP_DIR=$T/b
}

# other VERSION [OPTION…]: a server that stays for the tests after this one; $OTHER is the URI of it.
other() {
  require_pg "$1"
  if [ -d "$PG_WORLD/v$1" ]; then pg_server_use "v$1"; else pg_server_start --name "v$1" --tcp "$1"; fi
  OTHER=$(url postgres)
  pg_server_use main
}
full() { sql "SELECT backup_verify('latest:$1', '{\"level\":\"full\",\"verify_uri\":\"$2\"}')"; }
notes() { sql 'SELECT notes FROM backup_history ORDER BY id DESC LIMIT 1'; }
# refuses NAME URI WORD…: an error that has these words; the backup stays as good as it was, and nothing is left over.
refuses() {
  local word
  run full "$1" "$2"
  echo "$output"
  [ "$status" -ne 0 ]
  for word in "${@:3}"; do [[ $output == *"$word"* ]] || return 1; done
  [ "$(sql "SELECT verify_result IS NULL FROM backups WHERE name = '$1'")" = 1 ]
  [ "$(sql "SELECT count(*) FROM backup_contents('latest:$1')")" -ge 0 ]
  [ "$(for word in "$(url postgres)" ${OTHER:+"$OTHER"}; do
    q "$word" "SELECT datname FROM pg_database WHERE datname LIKE 'lifeboat%'"
  done)" = '' ]
}

# ---- what the server lacks ----

@test "policies and user mappings of roles that are not there are left out, with a note" {
  other 18
  q postgres "SET client_min_messages = error; CREATE ROLE polrole"
  newdb pol
  q pol "CREATE TABLE t (a int); INSERT INTO t VALUES (1); ALTER TABLE t ENABLE ROW LEVEL SECURITY;
    CREATE POLICY \"to\" ON t TO polrole USING (true); COMMENT ON POLICY \"to\" ON t IS 'of somebody';
    CREATE POLICY everybody ON t TO PUBLIC USING (true);
    CREATE EXTENSION postgres_fdw; CREATE SERVER far FOREIGN DATA WRAPPER postgres_fdw;
    CREATE USER MAPPING FOR polrole SERVER far OPTIONS (user 'x'); CREATE USER MAPPING FOR PUBLIC SERVER far"
  sql "SELECT backup_create('$(url pol)')"
  [ "$(full pol "$OTHER")" = ok ]
  [ "$(notes)" = 'verified without owners and privileges, policies and user mappings of roles: missing roles: polrole' ]
  sql "SELECT backup_create('$(url pol)', '{\"roles\":true,\"name\":\"with_roles\"}')"
  [ "$(full with_roles "$OTHER")" = ok ]
  [[ $(notes) == *'policies and user mappings of roles: it brings its roles'* ]]
  [ "$(full pol "$(url postgres)")" = ok ]
  [ -z "$(notes)" ]
}

@test "a tablespace that is not there is left out, with a note" {
  other 18
  mkdir -p "$PG_WORLD/main/space" && pg_give "$PG_WORLD/main/space"
  q postgres "CREATE TABLESPACE \"Fast one\" LOCATION '$PG_WORLD/main/space'"
  newdb spaced
  q spaced "CREATE TABLE t (a int PRIMARY KEY USING INDEX TABLESPACE \"Fast one\") TABLESPACE \"Fast one\";
    INSERT INTO t SELECT generate_series(1, 100); CREATE INDEX ON t ((a + 1)) TABLESPACE \"Fast one\""
  sql "SELECT backup_create('$(url spaced)')"
  [ "$(full spaced "$OTHER")" = ok ]
  [ "$(notes)" = 'verified without tablespaces: the user has no Fast one' ]
  [ "$(full spaced "$(url postgres)")" = ok ]
  [ -z "$(notes)" ]
}

@test "a role that is missing in the rows themselves: an error that says what to do" {
  other 18
  q postgres "SET client_min_messages = error; CREATE ROLE deep"
  newdb deep
  q deep "CREATE TABLE t (a regrole); INSERT INTO t VALUES ('deep')"
  sql "SELECT backup_create('$(url deep)')"
  refuses deep "$OTHER" 'role "deep" does not exist' 'cannot judge the backup' verify_uri
}

@test "an older server: what it does not know is no damage" {
  other 13
  newdb newer
  q newer "CREATE FUNCTION one() RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT 1; END"
  sql "SELECT backup_create('$(url newer)')"
  refuses newer "$OTHER" 'server 13' 'older than the one that was backed up' verify_uri
  [ "$(full newer "$(url postgres)")" = ok ]
}

@test "a newer server: what it no longer knows is no damage" {
  other 13
  # array_append takes other types from 14 on.
  (
    pg_server_use v13
    newdb before
    q before "CREATE AGGREGATE public.collect(anyelement) (sfunc = array_append, stype = anyarray, initcond = '{}')"
    sql "SELECT backup_create('$(url before)')"
  )
  refuses before "$(url postgres)" 'newer than the one that was backed up' verify_uri
  [ "$(full before "$OTHER")" = ok ]
}

# The hash of an enum's value is another one there.
@test "rows that get into another partition, whose columns stand in another order, are no damage" {
  newdb moods
  q moods "CREATE TYPE mood AS ENUM ($(printf "'m%s'," {1..29})'m30');
    CREATE TABLE moods (mood mood, id int, t text) PARTITION BY HASH (mood);
    CREATE TABLE moods_0 PARTITION OF moods (PRIMARY KEY (id)) FOR VALUES WITH (MODULUS 2, REMAINDER 0);
    CREATE TABLE moods_1 (gone int, t text, id int PRIMARY KEY, mood mood); ALTER TABLE moods_1 DROP gone;
    ALTER TABLE moods ATTACH PARTITION moods_1 FOR VALUES WITH (MODULUS 2, REMAINDER 1);
    INSERT INTO moods SELECT ('m' || i)::mood, i, repeat('t', 200000 * i) FROM generate_series(1, 30) AS i"
  sql "SELECT backup_create('$(url moods)')"
  [ "$(full moods "$(url postgres)")" = ok ]
  [ "$(sql "CREATE VIRTUAL TABLE temp.t USING backup_table('latest', 'moods');
    SELECT mood, id, length(t) FROM t WHERE id IN (7, 29) ORDER BY id")" = $'m7|7|1400000\nm29|29|5800000' ]
}

@test "an extension that refuses to be made elsewhere is no damage" {
  tree=$(pg_runnable "$PG_VERSION")
  dir=$tree/share/postgresql/$PG_VERSION/extension
  printf "default_version = '1.0'\nrelocatable = false\n" >"$dir/lbhome.control"
  echo "DO \$\$ BEGIN IF current_database() <> 'home' THEN RAISE EXCEPTION 'only in database home'; END IF; END \$\$;" >"$dir/lbhome--1.0.sql"
  chmod 644 "$dir"/lbhome*
  newdb home
  q home 'CREATE EXTENSION lbhome; CREATE TABLE t (a int); INSERT INTO t VALUES (1)'
  sql "SELECT backup_create('$(url home)')"
  refuses home "$(url postgres)" 'only in database home' 'cannot judge the backup' verify_uri
  rm "$dir"/lbhome*
}

@test "a user without rights: owners are left out, what is forbidden is an error" {
  q postgres "SET client_min_messages = error; CREATE ROLE lb_owner; CREATE ROLE judge LOGIN CREATEDB"
  newdb owned
  q owned "CREATE TABLE t (a int); INSERT INTO t VALUES (1); ALTER TABLE t OWNER TO lb_owner;
    ALTER DEFAULT PRIVILEGES FOR ROLE lb_owner GRANT SELECT ON TABLES TO PUBLIC"
  sql "SELECT backup_create('$(url owned)')"
  [ "$(full owned "$(url_tcp postgres judge)")" = ok ]
  [ "$(notes)" = 'verified without owners and privileges, as the user is no superuser: lb_owner' ]
  q postgres 'GRANT lb_owner TO judge'  # who may still not create in public
  [ "$(full owned "$(url_tcp postgres judge)")" = ok ]
  newdb barred
  q barred "CREATE FUNCTION f() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';
    CREATE EVENT TRIGGER e ON ddl_command_start EXECUTE FUNCTION f()"
  sql "SELECT backup_create('$(url barred)')"
  refuses barred "$(url_tcp postgres judge)" 'permission denied' 'cannot judge the backup' verify_uri
  newdb hidden
  q hidden "CREATE TABLE t (a int); INSERT INTO t VALUES (1);
    ALTER TABLE t ENABLE ROW LEVEL SECURITY; ALTER TABLE t FORCE ROW LEVEL SECURITY"
  sql "SELECT backup_create('$(url hidden)')"
  refuses hidden "$(url_tcp postgres judge)" 'row-level security' 'cannot judge the backup' verify_uri
  q postgres 'ALTER ROLE judge NOCREATEDB'
  refuses barred "$(url_tcp postgres judge)" 'a full verification makes a scratch database, which "judge" may not (ALTER ROLE judge CREATEDB, or let another server judge: "verify_uri")'
}

@test "a user without rights: what others granted is left out, and so are others' default privileges" {
  local uri
  q postgres "SET client_min_messages = error; CREATE ROLE keeper LOGIN CREATEDB; CREATE ROLE giver; CREATE ROLE taker;
    CREATE ROLE stranger; GRANT giver TO keeper"
  newdb kept OWNER keeper
  uri=$(url_tcp kept keeper)
  q "$uri" "CREATE TABLE t (a int); INSERT INTO t VALUES (1); GRANT SELECT ON t TO taker;
    ALTER DEFAULT PRIVILEGES FOR ROLE giver GRANT SELECT ON TABLES TO taker"
  sql "SELECT backup_create('$uri')"
  [ "$(full kept "$uri")" = ok ]
  [ -z "$(notes)" ]
  q kept 'ALTER DEFAULT PRIVILEGES FOR ROLE stranger GRANT SELECT ON TABLES TO taker'
  sql "SELECT backup_create('$uri')"
  [ "$(full kept "$uri")" = ok ]
  [ "$(notes)" = 'verified without privileges, as the user is no superuser: granted by stranger' ]
  q kept 'ALTER DEFAULT PRIVILEGES FOR ROLE stranger REVOKE SELECT ON TABLES FROM taker;
    GRANT SELECT ON t TO giver WITH GRANT OPTION; SET ROLE giver; GRANT SELECT ON t TO taker'
  sql "SELECT backup_create('$uri')"
  [ "$(full kept "$uri")" = ok ]
  [ "$(notes)" = 'verified without privileges, as the user is no superuser: granted by giver' ]
  [ "$(full kept "$(url postgres)")" = ok ]
  [ -z "$(notes)" ]
}

# ---- what goes wrong there ----

# fails_with SQLSTATE: a backup `odd`, whose load fails elsewhere in this way.
fails_with() {
  newdb odd
  q odd "CREATE FUNCTION ok(int) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS \$\$ BEGIN
      IF current_database() <> 'odd' THEN RAISE 'it went wrong' USING ERRCODE = '$1'; END IF;
      RETURN true;
    END \$\$;
    CREATE TABLE a (id int CHECK (ok(id))); INSERT INTO a VALUES (1)"
  sql "SELECT backup_create('$(url odd)')"
}

@test "disk, memory, connections, locks, deadlocks, settings: none of it is damage" {
  local state
  for state in 53100 53200 53300 53400 55P03 40P01 40001 57014 54001 55000 58P01 58030 0A000 25006 XX000 XX001; do
    echo "$state"
    rm -f b/odd*
    fails_with "$state"
    refuses odd "$(url postgres)" 'it went wrong'
  done
  # Held against one that is.
  rm -f b/odd*
  fails_with 23514
  [[ $(full odd "$(url postgres)") == *'it went wrong'* ]]
  run ! sql "SELECT count(*) FROM backup_contents('latest:odd')"
  [[ $output == *damaged* ]]
}

slow() {
  newdb slow
  q slow "CREATE FUNCTION slow(i int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS
      \$\$ BEGIN IF current_database() <> 'slow' THEN PERFORM pg_sleep(60); END IF; RETURN i; END \$\$;
    CREATE TABLE a (id int); INSERT INTO a VALUES (1); CREATE INDEX ON a (public.slow(id))"
  sql "SELECT backup_create('$(url slow)')"
}
# while_loading WORDS COMMAND…: done with the process that loads as its last argument; what the error has.
while_loading() {
  local tries pid=
  full slow "$(url postgres)" >out 2>&1 3>&- &
  local shell=$!
  for ((tries = 0; tries < 500; tries++)); do
    pid=$(q postgres "SELECT pid FROM pg_stat_activity WHERE wait_event = 'PgSleep'")
    [ -z "$pid" ] || break
    sleep 0.02
  done
  "${@:2}" "$pid"
  ! wait $shell || return 1
  cat out
  [[ $(cat out) == *"$1"* ]] || return 1
  [ "$(sql "SELECT verify_result IS NULL FROM backups WHERE name = 'slow'")" = 1 ]
}
tell() { q postgres "SELECT $1($2)"; }

@test "the session that loads is cancelled, ended by the administrator, or crashes: no damage" {
  slow
  while_loading 'canceling statement' tell pg_cancel_backend
  while_loading 'terminating connection' tell pg_terminate_backend
  while_loading 'server closed the connection' kill -9
  await answers 'SELECT true'  # after its recovery
  # The next one drops what the crash has left.
  newdb plain
  sql "SELECT backup_create('$(url plain)')"
  [ "$(full plain "$(url postgres)")" = ok ]
  [ "$(q postgres "SELECT count(*) FROM pg_database WHERE datname LIKE 'lifeboat%'")" = 0 ]
}

@test "no connection is free; a locale or encoding is not known there: no damage" {
  newdb plain
  sql "SELECT backup_create('$(url plain)')"
  q postgres "SET client_min_messages = error; CREATE ROLE alone LOGIN CREATEDB CONNECTION LIMIT 0"
  refuses plain "$(url_tcp postgres alone)" 'too many connections'
  other 18
  newdb there "LOCALE_PROVIDER icu ICU_LOCALE 'en-x-icu' LOCALE 'C'"
  sql "SELECT backup_create('$(url there)')"
  other 13
  refuses there "$OTHER" 'locale' 13
}

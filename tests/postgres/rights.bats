# The table of rights in docs/postgres.md, row by row: what is said there is enough, and one less is an error that says
# so before anything is loaded.
load ../helper
load server
load oracle

setup_file() {
  pg_server_start --tcp
  q postgres "CREATE ROLE app LOGIN; CREATE ROLE maker LOGIN CREATEDB; CREATE ROLE ender LOGIN CREATEDB"
  newdb src OWNER app
  q "$(url_tcp src app)" <"$PG_HERE/fixtures/shop.sql"
  mkdir "$BATS_FILE_TMPDIR/b"
  BACKUP_DIR=$BATS_FILE_TMPDIR/b sql "SELECT backup_create('$(url src)')"
}
teardown_file() { pg_server_stop_all; }
setup() {
  lifeboat_setup
  cp -a "$BATS_FILE_TMPDIR/b" b
  export BACKUP_DIR=$T/b
}

# as ROLE DB [OPTIONS]: a restore, without a copy of what was there
as() {
  local options=${3:-{\}}
  options="${options%\}}${3:+,}\"pre_restore\":false}"
  sql "SELECT backup_restore('latest:src', '$(url_tcp "$2" "$1")', '$options')"
}
# filled DB OWNER: with something in it that is not the backup's
filled() {
  newdb "$1" OWNER "$2"
  q "$(url_tcp "$1" "$2")" 'CREATE TABLE old (id int); INSERT INTO old VALUES (1)'
}
databases() { q postgres 'SELECT datname FROM pg_database ORDER BY 1'; }

@test "into an empty database: its owner, and a member of the owners' roles" {
  newdb mine OWNER app
  as app mine
  pg_same src mine
  newdb theirs OWNER maker
  failing 'nothing was touched; objects go to roles that the user may not give to: app (pass {"no_owner":true}, con' \
    as maker theirs
  as maker theirs '{"no_owner":true}'
  newdb guest
  failing "permission denied for database guest (connect as the database's owner, or GRANT CREATE ON DATABASE … TO the" \
    as app guest
  q guest 'GRANT CREATE ON DATABASE guest TO app'
  failing "permission denied for schema public (connect as the database's owner, or GRANT CREATE ON SCHEMA … TO the" \
    as app guest
  q guest 'GRANT CREATE ON SCHEMA public TO app'
  as app guest
}

@test "create: CREATEDB, and a database to connect to" {
  failing 'permission denied to create database' as app made '{"create":true}'
  q postgres 'ALTER ROLE app CREATEDB'
  as app made '{"create":true}'
  q postgres 'ALTER ROLE app NOCREATEDB; GRANT app TO maker'
  pg_same src made
  # A member of app: who may not create in public of what is not his.
  failing 'permission denied for schema public' as maker elsewhere '{"create":true}'
  q postgres 'REVOKE app FROM maker'
  as maker elsewhere '{"create":true,"no_owner":true}'
}

@test "a member of the owners' roles: what they may do in schemas of others comes too late" {
  local uri backup
  q postgres "CREATE ROLE chief LOGIN CREATEDB; CREATE ROLE worker; GRANT worker TO chief"
  newdb shared OWNER chief
  uri=$(url_tcp shared chief)
  q "$uri" 'CREATE SCHEMA w; CREATE TABLE w.t (a int); CREATE SCHEMA c; CREATE TABLE c.t (a int)'
  q shared 'ALTER SCHEMA w OWNER TO worker; ALTER TABLE w.t OWNER TO worker; CREATE EXTENSION pgcrypto'
  backup=$(sql "SELECT backup_create('$uri')")
  sql "SELECT backup_restore('$backup', '$(url_tcp one chief)', '{\"create\":true}')"
  pg_same shared one
  q shared 'GRANT USAGE, CREATE ON SCHEMA c TO worker; SET ROLE worker; CREATE TABLE c.u (a int)'
  backup=$(sql "SELECT backup_create('$uri')")
  failing 'permission denied for schema c (pass {"no_owner":true}, or connect as a superuser)' \
    sql "SELECT backup_restore('$backup', '$(url_tcp two chief)', '{\"create\":true}')"
  q shared 'ALTER TABLE c.u OWNER TO chief; ALTER DEFAULT PRIVILEGES FOR ROLE app GRANT SELECT ON TABLES TO worker'
  backup=$(sql "SELECT backup_create('$uri')")
  failing '(pass {"no_privileges":true}, or connect as a superuser)' \
    sql "SELECT backup_restore('$backup', '$(url_tcp two chief)', '{\"create\":true}')"
  sql "SELECT backup_restore('$backup', '$(url_tcp two chief)', '{\"create\":true,\"no_privileges\":true}')"
}

@test "owners and grantors that the user may not give to are told before anything is touched or saved" {
  local uri backup mode
  filled lacking maker
  uri=$(url_tcp lacking maker)
  q lacking 'ALTER DEFAULT PRIVILEGES FOR ROLE app GRANT SELECT ON TABLES TO maker'
  backup=$(sql "SELECT backup_create('$uri', '{\"name\":\"defaults\"}')")
  q lacking 'ALTER DEFAULT PRIVILEGES FOR ROLE app REVOKE SELECT ON TABLES FROM maker'
  for mode in transaction swap; do
    failing 'nothing was touched; objects go to roles that the user may not give to: app (pass {"no_owner":true}, connect as' \
      sql "SELECT backup_restore('latest:src', '$uri', '{\"overwrite\":true,\"mode\":\"$mode\"}')"
    failing 'nothing was touched; the user may not grant in the name of: app (pass {"no_privileges":true}, or connect' \
      sql "SELECT backup_restore('$backup', '$uri', '{\"overwrite\":true,\"mode\":\"$mode\"}')"
  done
  [ -z "$(find b -name '*before_restore*')" ]
  q "$uri" 'TABLE old'
  # Whose public is already, as after pg_upgrade, need not be given it.
  script() {
    printf -- '--\n-- PostgreSQL database dump\n--\n\n%s\n--\n-- PostgreSQL database dump complete\n--\n' "$1" >own.sql
  }
  newdb lacking OWNER maker
  q lacking 'ALTER SCHEMA public OWNER TO postgres'
  # So does a schema that stays with an extension.
  q lacking 'CREATE SCHEMA extensions; CREATE EXTENSION pgcrypto SCHEMA extensions'
  script 'ALTER SCHEMA public OWNER TO postgres; CREATE SCHEMA extensions; ALTER SCHEMA extensions OWNER TO postgres;
    CREATE SCHEMA s; CREATE TABLE s.t (a int);'
  sql "SELECT backup_restore('$T/own.sql', '$uri')"
  # Owned by whoever owns the database, which is not there yet.
  script 'ALTER SCHEMA public OWNER TO pg_database_owner; CREATE TABLE t (a int); ALTER TABLE t OWNER TO pg_database_owner;'
  as_script() { sql "SELECT backup_restore('$T/own.sql', '$(url_tcp lacked maker)', '{\"create\":true}')"; }
  as_script
  script 'SET SESSION AUTHORIZATION app; CREATE TABLE t (a int);'
  failing 'may not grant in the name of: app' sql "SELECT backup_restore('$T/own.sql', '$uri', '{\"overwrite\":true}')"
  script 'SET SESSION AUTHORIZATION maker; CREATE SCHEMA s;'
  q lacking 'DROP SCHEMA s CASCADE'
  sql "SELECT backup_restore('$T/own.sql', '$uri')"
}

@test "full verification: CREATEDB alone" {
  [ "$(sql "SELECT backup_verify('latest:src', '{\"level\":\"full\",\"verify_uri\":\"$(url_tcp postgres maker)\"}')")" = ok ]
  failing 'a full verification makes a scratch database, which "app" may not (ALTER ROLE app CREATEDB' \
    sql "SELECT backup_verify('latest:src', '{\"level\":\"full\",\"verify_uri\":\"$(url_tcp postgres app)\"}')"
  # Not after an hour of reading.
  failing 'near line 1: a full verification makes a scratch database, which "app" may not' \
    sql "SELECT backup_create('$(url_tcp src app)', '{\"verify\":\"full\"}')"
  failing 'near line 1: rows without their tables cannot be restored on their own' \
    sql "SELECT backup_create('$(url src)', '{\"verify\":\"full\",\"data_only\":true}')"
}

@test "transaction: the owner of all that is in it" {
  filled full app
  as app full '{"overwrite":true}'
  pg_same src full
  filled full app
  q full "CREATE TABLE foreign_one (id int)"
  failing 'permission denied for table foreign_one (connect as the owner of everything in it or as a superuser, or pass {"' \
    as app full '{"overwrite":true}'
  q full 'TABLE old'
}

@test "a restore that is refused leaves no copy of what has not changed" {
  local mode uri
  filled refused maker
  uri=$(url_tcp refused maker)
  databases >before
  printf -- '--\n-- PostgreSQL database dump\n--\n\n%s\n--\n-- PostgreSQL database dump complete\n--\n' \
    'CREATE TABLE t (a int); CREATE FUNCTION f() RETURNS int LANGUAGE c AS $$a$$, $$b$$;' >one.sql
  for mode in transaction swap; do
    failing 'permission denied for language c (connect as somebody who may, such as a superuser; psql goes on without' \
      sql "SELECT backup_restore('$T/one.sql', '$uri', '{\"overwrite\":true,\"mode\":\"$mode\"}')"
    [ "$(sql "SELECT notes FROM backup_history ORDER BY id DESC LIMIT 1")" = \
      'nothing was changed, so the copy that was saved first was removed again' ]
  done
  [ -z "$(find b -name '*before_restore*')" ]
  databases | diff before -
  q "$uri" 'TABLE old'
  sed -i 's/CREATE FUNCTION.*//' one.sql
  for mode in transaction swap; do
    sql "SELECT backup_restore('$T/one.sql', '$uri', '{\"overwrite\":true,\"mode\":\"$mode\"}')"
  done
  [ "$(find b -name '*before_restore*' | wc -l)" = 2 ]
}

@test "transaction: a schema public that is somebody else's, as after pg_upgrade, is emptied and stays as it is" {
  newdb upgraded OWNER app
  q upgraded "ALTER SCHEMA public OWNER TO postgres; GRANT ALL ON SCHEMA public TO app; COMMENT ON SCHEMA public IS 'ours'"
  q "$(url_tcp upgraded app)" 'CREATE TABLE old (id int)'
  as app upgraded '{"overwrite":true}'
  [ -z "$(q upgraded "SELECT 1 FROM pg_class WHERE relname = 'old'")" ]
  [ "$(q upgraded 'SELECT count(*) FROM shop.orders')" = 200 ]
  [ "$(q upgraded "SELECT nspowner::regrole, has_schema_privilege('maker', oid, 'CREATE'), obj_description(oid)
    FROM pg_namespace WHERE nspname = 'public'")" = 'postgres|f|ours' ]
  # Its own backup brings all three of them.
  local backup report
  q upgraded "GRANT USAGE ON SCHEMA public TO ender; COMMENT ON SCHEMA public IS 'theirs'"
  backup=$(sql "SELECT backup_create('$(url_tcp upgraded app)')")
  q upgraded "COMMENT ON SCHEMA public IS 'ours'"
  report=$(sql "SELECT backup_restore('$backup', '$(url_tcp upgraded app)', '{\"overwrite\":true}')")
  [[ $report == *'schema public belongs to postgres: its comment stays as it is'* ]]
  newdb upgraded OWNER app
  q upgraded 'ALTER SCHEMA public OWNER TO postgres; GRANT ALL ON SCHEMA public TO app'
  sql "SELECT backup_restore('$backup', '$(url_tcp upgraded app)')"
}

@test "swap: CREATEDB and the owner of the database, which is seen before anything is loaded" {
  filled swapped app
  databases >before
  failing 'objects go to roles that the user may not give to: app' as maker swapped '{"overwrite":true,"mode":"swap"}'
  failing 'database "swapped" belongs to "app"' as maker swapped '{"overwrite":true,"mode":"swap","no_owner":true}'
  [[ $output == *'GRANT app TO maker'* ]]
  databases | diff before -
  failing 'a swap makes a new one, which "app" may not (ALTER ROLE app CREATEDB, or pass {"mode":"transaction"})' \
    as app swapped '{"overwrite":true,"mode":"swap"}'
  q swapped 'TABLE old'
  q postgres 'GRANT app TO maker'
  as maker swapped '{"overwrite":true,"mode":"swap","drop_old":true,"no_owner":true}'
  filled swapped app
  q postgres 'REVOKE app FROM maker; ALTER ROLE app CREATEDB'
  as app swapped '{"overwrite":true,"mode":"swap","drop_old":true}'
  q postgres 'ALTER ROLE app NOCREATEDB'
  pg_same src swapped
  [ "$(q postgres "SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = 'swapped'")" = app ]
}

@test "swap: from server 16 on, the GRANT that the refusal tells is enough for who has one without INHERIT" {
  require_pg 18
  pg_server_start --name granted --tcp 18
  q postgres 'CREATE ROLE app; CREATE ROLE maker LOGIN CREATEDB; GRANT app TO maker WITH INHERIT FALSE, SET TRUE'
  newdb swapped OWNER app
  q swapped 'CREATE TABLE old (id int)'
  printf -- '--\n-- PostgreSQL database dump\n--\n\n%s\n--\n-- PostgreSQL database dump complete\n--\n' \
    'CREATE TABLE public.t (a int);' >one.sql
  local restore="SELECT backup_restore('$T/one.sql', '$(url_tcp swapped maker)',
    '{\"overwrite\":true,\"mode\":\"swap\",\"pre_restore\":false}')"
  failing 'database "swapped" belongs to "app"' sql "$restore"
  [[ $output =~ (GRANT app TO maker[^\(]*)\  ]]
  q postgres "${BASH_REMATCH[1]}"
  sql "$restore"
  q swapped 'TABLE t'
  # To give to them takes the same.
  printf -- '--\n-- PostgreSQL database dump\n--\n\n%s\n--\n-- PostgreSQL database dump complete\n--\n' \
    'CREATE SCHEMA s; ALTER SCHEMA s OWNER TO app; CREATE TABLE s.t (a int); ALTER TABLE s.t OWNER TO app;' >one.sql
  newdb given OWNER maker
  local with
  restore="SELECT backup_restore('$T/one.sql', '$(url_tcp given maker)')"
  for with in 'INHERIT FALSE, SET TRUE' 'INHERIT TRUE, SET FALSE'; do
    q postgres "GRANT app TO maker WITH $with"
    failing 'objects go to roles that the user may not give to: app (pass {"no_owner":true}, connect as a' \
      sql "$restore"
    [[ $output == *'GRANT those that are none to the user WITH INHERIT TRUE, SET TRUE)'* ]]
  done
  q postgres 'GRANT app TO maker WITH INHERIT TRUE, SET TRUE'
  sql "$restore"
  pg_server_stop immediate
  pg_server_use main
}

@test "swap: settings that only a superuser may give are seen before anything is loaded" {
  printf -- '--\n-- PostgreSQL database dump\n--\n\nSELECT never_come_to();\n--\n-- PostgreSQL database dump complete\n--\n' \
    >late.sql
  filled logged maker
  q postgres 'ALTER DATABASE logged SET log_min_duration_statement = 100'
  databases >before
  failing 'permission denied to set parameter "log_min_duration_statement" (connect as a superuser, or pass {"mode":"tran' \
    sql "SELECT backup_restore('$T/late.sql', '$(url_tcp logged maker)',
      '{\"overwrite\":true,\"mode\":\"swap\",\"pre_restore\":false}')"
  databases | diff before -
  as maker logged '{"overwrite":true,"no_owner":true}'
  [ "$(q logged 'SHOW log_min_duration_statement')" = 100ms ]
}

# It makes way for a rename; who has no rights is told of it, but not what it is.
@test "swap: an autovacuum worker is in nobody's way" {
  pg_server_start --name tidy --tcp --set autovacuum=on --set autovacuum_naptime=1 --set autovacuum_vacuum_cost_delay=100 \
    --set autovacuum_vacuum_cost_limit=1
  q postgres 'CREATE ROLE app LOGIN CREATEDB'
  filled full app
  q full "CREATE TABLE long (t text) WITH (autovacuum_vacuum_threshold = 0); ALTER TABLE long OWNER TO app;
    INSERT INTO long SELECT repeat('x', 1000) FROM generate_series(1, 5000); DELETE FROM long"
  await answers "SELECT count(*) > 0 FROM pg_stat_activity WHERE datname = 'full' AND backend_type = 'autovacuum worker'
    AND query LIKE '%public.long%'"
  as app full '{"overwrite":true,"mode":"swap"}'
  pg_server_stop immediate
  pg_server_use main
}

@test "swap with force: sessions of the same role, or pg_signal_backend" {
  filled forced ender
  psql -Xq -d "$(url forced)" -c 'SELECT pg_sleep(60)' >/dev/null 2>&1 3>&- &
  local sitter=$!
  for ((tries = 0; tries < 300; tries++)); do
    [ "$(q postgres "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'")" = 0 ] || break
    sleep 0.02
  done
  failing 'pg_signal_backend' as ender forced '{"overwrite":true,"mode":"swap","force":true,"no_owner":true}'
  q forced 'TABLE old'
  q postgres "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event = 'PgSleep'"
  wait $sitter || true
  PGAPPNAME=own psql -Xq -d "$(url_tcp forced ender)" -c 'SELECT pg_sleep(60)' >/dev/null 2>&1 3>&- &
  sitter=$!
  for ((tries = 0; tries < 300; tries++)); do
    [ "$(q postgres "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'own'")" = 0 ] || break
    sleep 0.02
  done
  as ender forced '{"overwrite":true,"mode":"swap","force":true,"drop_old":true,"no_owner":true}'
  wait $sitter || true
  [ "$(q forced 'SELECT count(*) FROM shop.orders')" = 200 ]
}

@test "a materialized view over rows that its owner does not see all of" {
  local backup mode
  q postgres 'CREATE ROLE analyst'
  newdb secured OWNER app
  q secured 'GRANT CREATE ON SCHEMA public TO analyst; GRANT CREATE ON SCHEMA public TO app; SET ROLE app;
    CREATE TABLE t (a int); INSERT INTO t SELECT generate_series(1, 9); GRANT SELECT ON t TO analyst;
    ALTER TABLE t ENABLE ROW LEVEL SECURITY; CREATE POLICY p ON t USING (a < 4); SET ROLE analyst;
    CREATE MATERIALIZED VIEW few AS SELECT a FROM t; SET ROLE app; CREATE MATERIALIZED VIEW every AS SELECT a FROM t'
  backup=$(sql "SELECT backup_create('$(url secured)')")
  newdb filled_again
  sql "SELECT backup_restore('$backup', '$(url filled_again)')"
  [ "$(q filled_again 'SELECT (SELECT count(*) FROM few), (SELECT count(*) FROM every)')" = '3|9' ]
  sql "SELECT backup_restore('$backup', '$(url filled_again)', '{\"overwrite\":true}')"
  [ "$(q filled_again 'SELECT (SELECT count(*) FROM few), (SELECT count(*) FROM every)')" = '3|9' ]
  [ "$(sql "SELECT backup_verify('$backup', '{\"level\":\"full\",\"verify_uri\":\"$(url)\"}')")" = ok ]
  # Somebody else would own it, and may see less than the view had.
  q postgres 'ALTER ROLE app CREATEDB'
  q secured 'ALTER TABLE t FORCE ROW LEVEL SECURITY'
  backup=$(sql "SELECT backup_create('$(url secured)')")
  failing 'affected by row-level security' \
    sql "SELECT backup_restore('$backup', '$(url_tcp filled_more app)', '{\"create\":true,\"no_owner\":true}')"
  q postgres 'ALTER ROLE app NOCREATEDB'
}

@test "a backup with roles: who may not make them, once they are there" {
  local backup
  newdb roled OWNER app
  q postgres 'CREATE ROLE lead; CREATE ROLE hand; GRANT hand TO lead; CREATE ROLE gone; ALTER ROLE app CREATEDB'
  backup=$(sql "SELECT backup_create('$(url src)', '{\"name\":\"roled\",\"roles\":true}')")
  q postgres 'DROP ROLE gone'
  failing 'permission denied to create role (let a superuser make the roles first: those that are there stay as they are)' \
    sql "SELECT backup_restore('$backup', '$(url_tcp roled app)')"
  [ "$(sql "SELECT backup_verify('$backup', '{\"level\":\"full\",\"verify_uri\":\"$(url_tcp roled app)\"}')")" = ok ]
  q postgres 'CREATE ROLE gone; ALTER ROLE app NOCREATEDB'
  # Roles that are there stay as they are, and so does what they are members of.
  q postgres 'REVOKE hand FROM lead'
  sql "SELECT backup_restore('$backup', '$(url_tcp roled app)')"
  sql "SELECT backup_restore('$backup', '$(url roled)', '{\"overwrite\":true}')"
  [ "$(q postgres "SELECT pg_has_role('lead', 'hand', 'MEMBER')")" = f ]
  q postgres 'DROP ROLE gone, lead, hand'
  sql "SELECT backup_restore('$backup', '$(url roled)', '{\"overwrite\":true}')"
  [ "$(q postgres "SELECT pg_has_role('lead', 'hand', 'MEMBER')")" = t ]
}

@test "a passfile has to name all databases, as more than one is connected to" {
  pg_server_start --name asking --scram --tcp
  newdb app
  q app "CREATE TABLE t (a int)"
  local uri
  uri=$(url_tcp app)
  sed 's/^\*:\*:\*:/*:*:app:/' "$PGPASSFILE" >one
  cp "$PGPASSFILE" all
  chmod 600 one all
  PGPASSFILE=$T/one sql "SELECT backup_create('$uri')"
  PGPASSFILE=$T/one failing 'wants a password' \
    sql "SELECT backup_verify('latest:app', '{\"level\":\"full\",\"verify_uri\":\"$uri\"}')"
  [ "$(PGPASSFILE=$T/all sql "SELECT backup_verify('latest:app', '{\"level\":\"full\",\"verify_uri\":\"$uri\"}')")" = ok ]
  PGPASSFILE=$T/all sql "SELECT backup_restore('latest:app', '$uri', '{\"overwrite\":true,\"mode\":\"swap\"}')"
  pg_server_stop immediate
  pg_server_use main
}

@test "extensions of others stay: into an empty database, over one with content, and from a script of pg_dump" {
  local backup uri
  install_test_extension
  newdb held OWNER app
  q held 'CREATE EXTENSION lifeboat_test; CREATE EXTENSION pgcrypto; CREATE EXTENSION postgres_fdw'
  q held "INSERT INTO lifeboat_test.setting VALUES ('size', '7'); INSERT INTO lifeboat_test.log (line) VALUES ('mine')"
  q held "GRANT CREATE, USAGE ON SCHEMA lifeboat_test TO app; GRANT USAGE ON FOREIGN DATA WRAPPER postgres_fdw TO app"
  q held "COMMENT ON SCHEMA lifeboat_test IS 'settings'"
  q "$(url_tcp held app)" "CREATE TABLE public.t (a int, b text DEFAULT public.gen_salt('md5')); INSERT INTO t VALUES (1);
    CREATE TABLE lifeboat_test.u (a int); CREATE SERVER s FOREIGN DATA WRAPPER postgres_fdw"
  backup=$(sql "SELECT backup_create('$(url held)')")
  pg_dump -d "$(url held)" --clean --if-exists >held.sql
  pg_dump -d "$(url held)" --inserts >inserts.sql

  newdb bare OWNER app
  uri=$(url_tcp bare app)
  failing 'permission denied to create extension' sql "SELECT backup_restore('$backup', '$uri', '{\"no_owner\":true}')"
  [[ $output == *'let a superuser make it in a database, where a restore leaves it then'* ]]

  q bare 'CREATE EXTENSION lifeboat_test; CREATE EXTENSION pgcrypto; CREATE EXTENSION postgres_fdw'
  q bare "INSERT INTO lifeboat_test.setting VALUES ('here', '1')"
  q bare "GRANT CREATE, USAGE ON SCHEMA lifeboat_test TO app; GRANT USAGE ON FOREIGN DATA WRAPPER postgres_fdw TO app"
  loaded() {  # what is the user's came, what is others' stayed
    [ "$(q bare "SELECT count(*), min(b) FROM t")" = "$(q held "SELECT count(*), min(b) FROM t")" ]
    q bare 'TABLE lifeboat_test.u'
    [ "$(q bare "SELECT srvname FROM pg_foreign_server")" = s ]
    [ "$(q bare "SELECT key FROM lifeboat_test.setting WHERE NOT standard")" = here ]
    [ "$(q bare "SELECT is_called FROM lifeboat_test.log_id")" = f ]
    [ "$(q bare "SELECT count(*) FROM pg_extension WHERE extowner = 'postgres'::regrole")" = 4 ]
  }
  noted() {
    for note in 'extension lifeboat_test belongs to postgres: it stays as it is' \
      'extension pgcrypto belongs to postgres: it stays as it is' 'schema lifeboat_test is there already: not made' \
      'schema lifeboat_test belongs to postgres: its comment stays as it is' \
      'setting (key, value, standard) FROM stdin): 1 rows are not loaded: the table belongs to extension lifeboat_test' \
      'log (id, line) FROM stdin): 1 rows are not loaded: the table belongs to extension lifeboat_test, which stays' \
      'sequence lifeboat_test.log_id is not set: it belongs to extension lifeboat_test, which stays as it is'; do
      [[ ${1//\\\"/} == *"$note"* ]] || { echo "$note in $1"; return 1; }
    done
    [[ $1 != *plpgsql* ]]
  }
  local options='{"no_owner":true,"no_privileges":true,"pre_restore":false}'
  noted "$(sql "SELECT backup_restore('$backup', '$uri', '$options')")"
  loaded

  q "$uri" "CREATE TABLE gone (x int); CREATE TABLE lifeboat_test.gone (x int); UPDATE t SET b = ''"
  failing 'target is not empty' sql "SELECT backup_restore('$backup', '$uri', '$options')"
  options='{"no_owner":true,"no_privileges":true,"overwrite":true}'
  q bare 'GRANT SELECT ON ALL TABLES IN SCHEMA lifeboat_test TO app; GRANT SELECT ON SEQUENCE lifeboat_test.log_id TO app'
  noted "$(sql "SELECT backup_restore('$backup', '$uri', '$options')")"
  loaded
  [ -z "$(q bare "SELECT oid::regclass FROM pg_class WHERE relname = 'gone'")" ]

  q "$uri" 'CREATE TABLE gone (x int)'
  noted "$(sql "SELECT backup_restore('./held.sql', '$uri', '$options')")"
  loaded
  [ -z "$(q bare "SELECT oid::regclass FROM pg_class WHERE relname = 'gone'")" ]
  local report
  report=$(sql "SELECT backup_restore('./inserts.sql', '$uri', '$options')")
  [[ $report == *'rows of lifeboat_test.setting are not loaded: the table belongs to extension lifeboat_test, which'* ]]
  [[ $report == *'rows of lifeboat_test.log are not loaded: '* ]]
  loaded
}

@test "extensions of others stay: in schemas that they have made, and with parts in a schema of the user's" {
  local backup uri
  newdb plain OWNER app
  q "$(url_tcp plain app)" 'CREATE TABLE t (a int)'
  backup=$(sql "SELECT backup_create('$(url plain)')")
  newdb parts OWNER app
  uri=$(url_tcp parts app)
  q parts 'CREATE EXTENSION pgcrypto; CREATE SCHEMA made; ALTER EXTENSION pgcrypto ADD SCHEMA made; CREATE TABLE made.part (a int);
    ALTER EXTENSION pgcrypto ADD TABLE made.part; GRANT CREATE, USAGE ON SCHEMA made TO app'
  sql "SELECT backup_restore('$backup', '$uri')"

  q "$uri" 'DROP TABLE t; CREATE TABLE made.mine (a int); INSERT INTO made.mine VALUES (1)'
  failing 'target is not empty' sql "SELECT backup_restore('$backup', '$uri')"
  q "$uri" 'CREATE SCHEMA own; CREATE TABLE own.gone (a int)'
  q parts 'CREATE FUNCTION own.part() RETURNS int LANGUAGE sql RETURN 1; ALTER EXTENSION pgcrypto ADD FUNCTION own.part'
  sql "SELECT backup_restore('$backup', '$uri', '{\"overwrite\":true,\"pre_restore\":false}')"
  [ "$(q parts "SELECT own.part(), count(*) FROM made.part")" = '1|0' ]
  [ "$(q parts "SELECT array_agg(oid::regclass) FROM pg_class WHERE relname IN ('t', 'gone', 'mine')")" = '{t}' ]
  # What one of them depends on is the user's to drop, and would take it along.
  q "$uri" 'CREATE EXTENSION cube'
  q parts 'CREATE EXTENSION earthdistance'
  failing 'extension earthdistance, which belongs to postgres, would go with what it depends on' \
    sql "SELECT backup_restore('$backup', '$uri', '{\"overwrite\":true,\"pre_restore\":false}')"
  [ "$(q parts "SELECT count(*) FROM pg_extension WHERE extname IN ('cube', 'earthdistance', 'pgcrypto')")" = 3 ]
}

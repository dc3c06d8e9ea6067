# The database of a restore: counted, emptied, made like another, exchanged; scratch databases. tests/postgres/test_target
# calls the functions one by one.
load ../helper
load server
load oracle

setup_file() {
  pg_server_start --set wal_level=logical
  q postgres "CREATE ROLE alice LOGIN CREATEDB; CREATE ROLE \"bob \\ \"\"x\"; CREATE ROLE carol"
}
teardown_file() { pg_server_stop_all; }

program() { echo "${LIFEBOAT_SO%/*}/tests/postgres/test_target"; }
target() { "$(program)" "$(url "$1")" "${@:2}"; }

fails() {  # fails CODE TEXT DB COMMAND…: with this error
  run target "${@:3}"
  echo "$output"
  [ "$status" -eq 1 ] && [[ $output == "error $1: "* ]] && [[ $output == *"$2"* ]]
}

names() { q postgres "SELECT datname FROM pg_database WHERE datname ~ '$1' ORDER BY 1"; }

fill() {
  load_objects "$1"
  q "$1" 'ALTER SUBSCRIPTION to_nowhere SET (slot_name = NONE)'
  q "$1" <<'SQL'
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO PUBLIC;
ALTER DEFAULT PRIVILEGES GRANT ALL ON TYPES TO carol WITH GRANT OPTION;
ALTER DEFAULT PRIVILEGES FOR ROLE carol REVOKE ALL ON TABLES FROM carol;
ALTER SCHEMA public OWNER TO carol; GRANT ALL ON SCHEMA public TO PUBLIC; COMMENT ON SCHEMA public IS 'mine';
CREATE TABLE public."odd ; ""name"""(id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, s serial);
GRANT USAGE ON LANGUAGE plpgsql TO carol; REVOKE ALL ON pg_catalog.pg_class FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION pg_catalog.pg_sleep(float8) FROM PUBLIC; GRANT ALL ON pg_catalog.pg_authid TO carol;
SQL
}

no_leftovers() {
  q "$1" "SELECT oid, proname FROM pg_proc WHERE oid >= 16384 UNION ALL
    SELECT oid, relname FROM pg_class WHERE oid >= 16384 UNION ALL SELECT oid, typname FROM pg_type WHERE oid >= 16384
    UNION ALL SELECT oid, nspname FROM pg_namespace WHERE oid >= 16384
    UNION ALL SELECT oid, amname FROM pg_am WHERE oid >= 16384 UNION ALL SELECT oid, '' FROM pg_cast WHERE oid >= 16384
    UNION ALL SELECT oid, '' FROM pg_default_acl UNION ALL SELECT oid, evtname FROM pg_event_trigger
    UNION ALL SELECT oid, '' FROM pg_largeobject_metadata" >left
  cat left
  [ ! -s left ]
}

standard() {
  q "$1" "SELECT nspname, nspowner::regrole, nspacl, obj_description(oid, 'pg_namespace') FROM pg_namespace
    WHERE nspname = 'public'; SELECT extname FROM pg_extension;
    SELECT relname, x.* FROM pg_class, aclexplode(relacl) x WHERE relname IN ('pg_class', 'pg_authid') ORDER BY 1, 2, 3, 4;
    SELECT o.name, ARRAY(SELECT x::text FROM aclexplode(o.acl) AS x ORDER BY 1) FROM (
      SELECT oid::regclass::text, relacl FROM pg_class WHERE oid < 16384
      UNION ALL SELECT oid::regprocedure::text, coalesce(proacl, acldefault('f', proowner)) FROM pg_proc WHERE oid < 16384
      UNION ALL SELECT nspname, nspacl FROM pg_namespace WHERE oid < 16384 AND nspname <> 'public') AS o(name, acl)
    ORDER BY 1"
}

@test "an emptied database is a new one, with every kind of object" {
  local odd='we"ird \ DB'$'\n''x'
  newdb pristine
  newdb "$odd"
  [ "$(target "$odd" count)" = 0 ]
  fill "$odd"
  [ "$(target "$odd" count)" -gt 100 ]
  target "$odd" empty
  [ "$(target "$odd" count)" = 0 ]
  pg_same pristine "$odd"
  no_leftovers "$odd"
  [ "$(standard "$odd")" = "$(standard pristine)" ]
}

# pg_dump 15 does not read 18; what a new database looks like is asked of the catalogue instead.
@test "the same on servers 13 and 18" {
  local version
  require_pg 13
  require_pg 18
  for version in 13 18; do
    pg_server_start --name v$version --set wal_level=logical $version
    q postgres 'CREATE ROLE carol'
    newdb pristine
    newdb every
    fill every
    target every empty
    [ "$(target every count)" = 0 ]
    no_leftovers every
    [ "$(standard every)" = "$(standard pristine)" ]
    [ $version != 13 ] || pg_same pristine every
    target every copy copied
    pg_properties_same every copied
    target every recreate old every
    pg_properties_same old every
    q every 'SELECT pg_sleep(60)' >/dev/null 2>&1 3>&- &
    sleep 0.2
    target every swap every old aside force
    [ "$(names '^(every|old|aside)$')" = $'aside\nevery' ]
    target every scratch verify >gone
    target every sweep
    [ "$(names '^lifeboat')" = '' ]
    pg_server_stop immediate
    pg_server_use main
  done
}

@test "objects of every kind in public, and a public that was dropped" {
  newdb pristine
  newdb pub
  q pub <<'SQL'
CREATE TYPE public.e AS ENUM ('a'); CREATE TYPE public.c AS (x int); CREATE TYPE public.r AS RANGE (SUBTYPE = float8);
CREATE DOMAIN public.d AS int CHECK (VALUE > 0);
CREATE TABLE public.p(i int, e public.e, d public.d) PARTITION BY LIST (i);
CREATE TABLE public.p1 PARTITION OF public.p FOR VALUES IN (1);
CREATE TABLE public.k(i int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, s serial, t text);
CREATE VIEW public.v AS SELECT * FROM public.k; CREATE MATERIALIZED VIEW public.m AS SELECT * FROM public.v;
CREATE FUNCTION public.f(public.e, public.c DEFAULT NULL) RETURNS int LANGUAGE sql AS 'SELECT 1';
CREATE PROCEDURE public.pr() LANGUAGE sql AS 'SELECT 1';
CREATE FUNCTION public.plus(public.c, public.c) RETURNS public.c LANGUAGE sql AS 'SELECT $1';
CREATE AGGREGATE public.sumc(public.c) (SFUNC = public.plus, STYPE = public.c);
CREATE AGGREGATE public.n(*) (SFUNC = int8inc, STYPE = int8, INITCOND = 0);
CREATE OPERATOR public.=== (FUNCTION = public.plus, LEFTARG = public.c, RIGHTARG = public.c);
CREATE OPERATOR FAMILY public.fam USING btree; CREATE COLLATION public.co FROM "C";
CREATE TEXT SEARCH CONFIGURATION public.ts (COPY = simple); CREATE TEXT SEARCH DICTIONARY public.td (TEMPLATE = simple);
CREATE STATISTICS public.st ON i, t FROM public.k; CREATE CONVERSION public.cv FOR 'LATIN1' TO 'UTF8' FROM iso8859_1_to_utf8;
CREATE CAST (public.e AS public.d) WITH INOUT; CREATE ACCESS METHOD am TYPE TABLE HANDLER heap_tableam_handler;
DO $$ BEGIN PERFORM lo_create(0) FROM generate_series(1, 20); END $$;
SQL
  [ "$(target pub count)" = 44 ]
  [ "$(target pub locks)" -gt 100 ]
  [ "$(target pub count)" = 44 ]
  target pub empty
  pg_same pristine pub
  q pub 'DROP SCHEMA public; DROP EXTENSION plpgsql'
  target pub empty
  pg_schema pub | grep -v plpgsql >pub.sql
  [ "$(q pub "SELECT extname FROM pg_extension")" = plpgsql ]
  [ "$(q pub "SELECT nspacl, obj_description(oid, 'pg_namespace') FROM pg_namespace WHERE nspname = 'public'")" = \
    "$(q pristine "SELECT nspacl, obj_description(oid, 'pg_namespace') FROM pg_namespace WHERE nspname = 'public'")" ]
}

@test "what cannot be dropped is an error that says what to do, and nothing is gone" {
  newdb sub
  q sub "CREATE TABLE t(); CREATE SUBSCRIPTION s CONNECTION 'host=/nowhere' PUBLICATION p
    WITH (connect = false, slot_name = 'a_slot'); SELECT pg_create_logical_replication_slot('mine', 'test_decoding')"
  target sub replication >notes
  [[ $(sed -n 1p notes) == 'logical replication slot "mine" (test_decoding) stays with the old database "sub": '* ]]
  [[ $(sed -n 2p notes) == 'subscription "s" stays with the old database "sub", and so does its slot "a_slot" on '* ]]
  target sub replication dropped >notes
  [[ $(sed -n 1p notes) == 'logical replication slot "mine" (test_decoding) was dropped with the old database: '* ]]
  [[ $(sed -n 2p notes) == 'subscription "s" was dropped with the old database; its slot "a_slot" stays on '* ]]
  fails 12 'subscription "s" uses the slot "a_slot" on its publisher' sub empty
  [[ $output == *'ALTER SUBSCRIPTION "s" SET (slot_name = NONE); DROP SUBSCRIPTION "s"; or pass'* ]]
  [[ $output == *'{"mode":"swap"}'* ]]
  [ "$(q sub 'SELECT count(*) FROM pg_class WHERE relname = '"'t'")" = 1 ]
  q sub "ALTER SUBSCRIPTION s SET (slot_name = NONE); SELECT pg_drop_replication_slot('mine')"
  target sub empty
  [ "$(target sub replication)" = '' ]
  newdb theirs OWNER alice
  q theirs 'CREATE SCHEMA b CREATE TABLE t(); CREATE SCHEMA a AUTHORIZATION alice CREATE TABLE mine()'
  run "$(program)" "$(url theirs | sed s/user=postgres/user=alice/)" empty
  echo "$output"
  [[ $output == 'error 7: '*'connect as the owner'*'must be owner of schema b' ]]
  [ "$(target theirs count)" = 4 ]
  q theirs 'DROP SCHEMA b CASCADE; CREATE TABLE t()'
  run "$(program)" "$(url theirs | sed s/user=postgres/user=alice/)" empty
  echo "$output"
  [ "$status" -eq 0 ]
  [ "$(target theirs count)" = 0 ]
}

# Statistics that are older than the objects: nobody has analyzed the catalogue yet.
@test "many objects are counted, and listed to be dropped, without comparing each with all others" {
  newdb crowd
  q crowd "DO \$\$ BEGIN FOR i IN 1..8000 LOOP EXECUTE format('CREATE TYPE e%s AS ENUM ()', i); END LOOP; END \$\$"
  [ "$(timeout 2 "$(program)" "$(url crowd)" count)" = 8000 ]
  q crowd "PREPARE drops(int, text[]) AS $(cat "$ROOT/sql/postgres/target_drops.sql"); SET statement_timeout = '3s';
    EXECUTE drops(5, '{}')" >listed
  [ "$(grep -c '^DROP TYPE' listed)" = 8000 ]
}

@test "locks of one transaction are counted before they run out" {
  newdb locks
  q locks "DO \$\$ BEGIN FOR i IN 1..60 LOOP EXECUTE format('CREATE TABLE t%s(id serial PRIMARY KEY, t text UNIQUE
    DEFAULT 1, CHECK (id > 0))', i); END LOOP; END \$\$"
  target locks fits 2000
  fails 6 'and nine tenths of the server'"'"'s lock table are 3798 (max_locks_per_transaction 64 x 66 processes)' locks fits 3500
  [[ $output == *'{"mode":"swap"}'* ]]
  # The estimate is about right; reading the catalogue adds a few dozen.
  counted=$(sed -E 's/.*\(([0-9]+) to drop.*/\1/' <<<"$output")
  taken=$(target locks locks)
  echo "$counted counted, $taken taken"
  [ "$taken" -le $((counted + 80)) ] && [ "$counted" -le $((taken * 2)) ]
}

dress_up() {
  q postgres <<SQL
SELECT format('%I', '${1//\'/\'\'}') AS db \gset
ALTER DATABASE :db SET search_path TO "\$user", 'a;DROP', "q""uo te", '', public;
ALTER DATABASE :db SET work_mem TO '17MB';
ALTER DATABASE :db SET my.own TO E'a\'b\\\\c\nd';
ALTER ROLE "bob \ ""x" IN DATABASE :db SET DateStyle TO 'German';
COMMENT ON DATABASE :db IS E'it''s \\\\ \$DB\$\n;';
REVOKE TEMPORARY ON DATABASE :db FROM PUBLIC;
GRANT CONNECT ON DATABASE :db TO carol WITH GRANT OPTION;
GRANT CREATE ON DATABASE :db TO "bob \ ""x";
SET ROLE carol;
GRANT CONNECT ON DATABASE :db TO "bob \ ""x";
RESET ROLE;
SQL
}

@test "a database like another: owner, settings, privileges, comment, encoding, locale" {
  local odd
  for odd in 'we"ird \ DB' 'we"ird \ DB'$'\n''x'; do
    newdb "$odd" ENCODING UTF8 LOCALE_PROVIDER icu ICU_LOCALE "'de-DE'" LOCALE "'C.UTF-8'" OWNER alice CONNECTION LIMIT 7
    dress_up "$odd"
    target "$odd" copy copied
    pg_properties_same "$odd" copied
    # pg_dump does not go near names with a newline.
    case $odd in *$'\n'*) ;; *) pg_dump --create -s -d "$(url "$odd")" | sed '/restrict/d' >before ;; esac
    target "$odd" recreate old "$odd"
    pg_properties_same old "$odd"
    case $odd in *$'\n'*) ;; *) diff before <(pg_dump --create -s -d "$(url "$odd")" | sed '/restrict/d') ;; esac
    [ "$(names '^(lifeboat_|old)')" = old ]
    q postgres 'DROP DATABASE copied' && q postgres 'DROP DATABASE old'
  done
  grep -q 'ALTER ROLE "bob' before
  for how in "ENCODING SQL_ASCII LOCALE 'C'" "ENCODING LATIN1 LOCALE 'C'"; do
    newdb copied && q postgres 'DROP DATABASE copied'
    newdb plain "$how"
    target plain copy copied
    pg_properties_same plain copied
  done
  fails 4 'exists already' plain copy copied
  fails 2 '1 to 63 bytes, this one 64' plain copy "$(printf '%064d' 0)"
}

@test "two databases are exchanged, or everything stays as it was" {
  newdb app CONNECTION LIMIT 5
  newdb fresh
  newdb taken
  q app 'CREATE TABLE old()'
  q fresh 'CREATE TABLE new()'
  fails 4 taken app swap app fresh taken
  fails 2 'this one 70' app swap app fresh "$(printf '%070d' 0)"
  fails 2 maintenance app swap postgres fresh aside
  fails 3 missing app swap app missing aside
  [ "$(names '^(app|fresh|taken|aside)$')" = $'app\nfresh\ntaken' ]
  q app 'SELECT 1 FROM old'
  target app swap app fresh aside
  [ "$(names '^(app|fresh|aside)$')" = $'app\naside' ]
  q app 'SELECT 1 FROM new'
  q aside 'SELECT 1 FROM old'
  [ "$(q postgres "SELECT datconnlimit, datallowconn FROM pg_database WHERE datname = 'aside'")" = '5|t' ]
  target app drop aside
  target app drop aside
  [ "$(names '^aside$')" = '' ]
}

# A client that connects again and again: one pid a line while it lives.
hammer() { while [ ! -e stop ]; do psql -XAtq -d "$(url "$1")" -c 'SELECT pg_sleep(0.3)' >/dev/null 2>&1; done; }

@test "sessions make it wait, and are ended with force" {
  newdb app
  newdb fresh
  q fresh 'CREATE TABLE new()'
  PGAPPNAME='the "app"' psql -XAtq -d "$(url app)" -c 'SELECT pg_sleep(60)' >/dev/null 2>&1 3>&- &
  local client=$!
  for _ in {1..100}; do
    [ "$(q postgres "SELECT count(*) FROM pg_stat_activity WHERE datname = 'app'")" = 1 ] && break
    sleep 0.02
  done
  fails 5 'database "app" is in use: "the "app"" (user postgres, pid ' app swap app fresh aside
  [[ $output == *'pass {"force":true}'* ]]
  [ "$(names '^(app|fresh|aside)$')" = $'app\nfresh' ]
  # Undone as well when it fails after the sessions were ended.
  hammer app 3>&- & local one=$!
  hammer app 3>&- & local two=$!
  run target app swap app missing aside force
  [ "$status" -eq 1 ]
  [ "$(names '^(app|fresh|aside)$')" = $'app\nfresh' ]
  ! kill -0 "$client" 2>/dev/null
  target app swap app fresh aside force
  touch stop
  wait "$one" "$two" || true
  q app 'SELECT 1 FROM new'
  [ "$(q postgres "SELECT bool_and(datallowconn) FROM pg_database WHERE datname IN ('app', 'aside')")" = t ]
  newdb fresh
  q app "BEGIN; CREATE TABLE x(); PREPARE TRANSACTION 'two'"
  run target app swap app fresh aside2 force
  [[ $output == *'prepared transaction "two" (user postgres)'*'ROLLBACK PREPARED'* ]]
  q app "ROLLBACK PREPARED 'two'"
}

@test "scratch databases of those who are gone are dropped, no others" {
  target postgres scratch verify hold >held 3>&- &
  local alive=$!
  target postgres scratch verify hold >killed 3>&- &
  local dead=$!
  for _ in {1..200}; do [ -s held ] && [ -s killed ] && break; sleep 0.05; done
  [[ $(cat held) =~ ^lifeboat_verify_[0-9]+_[0-9]{8}_[0-9]{6}$ ]]
  q "$(cat killed)" 'CREATE TABLE t()'
  kill -9 "$(pgrep -P "$dead" || echo "$dead")"
  wait "$dead" || true
  # Without a mark: dropped when there is nothing in it. Not ours: an unlike name, a comment of somebody.
  newdb lifeboat_verify_1_20250101_000000
  newdb lifeboat_verify_2_20250101_000000
  q lifeboat_verify_2_20250101_000000 'CREATE TABLE t()'
  newdb lifeboat_verify_3_20250101_000000
  q postgres "COMMENT ON DATABASE lifeboat_verify_3_20250101_000000 IS 'mine'"
  newdb lifeboat_mine
  for _ in {1..100}; do
    [ "$(q postgres "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'")" = 1 ] && break
    sleep 0.02
  done
  target postgres sweep
  [ "$(names '^lifeboat_' | sort)" = "$(printf '%s\n' lifeboat_mine lifeboat_verify_2_20250101_000000 \
    lifeboat_verify_3_20250101_000000 "$(cat held)" | sort)" ]
  kill "$(pgrep -P "$alive" || echo "$alive")"
  fails 2 'not a purpose' postgres scratch 'Ver;ify'
}

@test "the maintenance connection goes where it may" {
  newdb app
  [ "$(target app where)" = postgres ]
  [ "$(target postgres where)" = template1 ]
  q app 'ALTER DATABASE postgres ALLOW_CONNECTIONS false'
  run target app where
  q app 'ALTER DATABASE postgres ALLOW_CONNECTIONS true'
  [ "$output" = template1 ]
}

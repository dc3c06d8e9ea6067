# Restores that meet what a database or server lacks, or has set against them: what they say, and what they leave.
load ../helper
load server
load oracle

setup_file() {
  pg_server_start
  newdb shop
  q shop <"$PG_HERE/fixtures/shop.sql"
  mkdir "$BATS_FILE_TMPDIR/b"
  export BACKUP_DIR=$BATS_FILE_TMPDIR/b
  sql "SELECT backup_create('$(url shop)')"
}
teardown_file() { pg_server_stop_all; }
setup() {
  lifeboat_setup
  pg_server_use main
  export BACKUP_DIR=$BATS_FILE_TMPDIR/b
}

restore() {  # restore BACKUP DB [OPTIONS [FIELD]]
  local call="backup_restore('$1', '$(url "$2")', '${3:-{\}}')"
  sql "SELECT ${4:+json_extract(}$call${4:+, '\$.$4')}"
}
empty_db() {
  [ "$(q "$1" "SELECT (SELECT count(*) FROM pg_namespace WHERE oid >= 16384)
    + (SELECT count(*) FROM pg_class WHERE oid >= 16384) + (SELECT count(*) FROM pg_proc WHERE oid >= 16384)")" = 0 ]
}
script() { printf -- '--\n-- PostgreSQL database dump\n--\n\n'; cat "$@"; finish; }
finish() { printf -- '--\n-- PostgreSQL database dump complete\n--\n'; }

@test "roles that no option leaves out are missed with these options too" {
  script >named.sql <<'SQL'
CREATE TABLE public.t (id integer);
ALTER TABLE public.t OWNER TO owns;
CREATE POLICY p ON public.t TO polly USING (true);
GRANT SELECT ON TABLE public.t TO grantee;
SET SESSION AUTHORIZATION acts;
GRANT SELECT ON TABLE public.t TO postgres;
RESET SESSION AUTHORIZATION;
SQL
  newdb e
  failing 'nothing was touched; missing roles: owns, grantee, acts (CREATE ROLE them, or pass {"no_owner":true,"no_privileges":true}); missing roles that policies, user mappings or memberships name: polly (CREATE ROLE them)' \
    restore "$T/named.sql" e
  failing 'nothing was touched; missing roles: owns (CREATE ROLE' restore "$T/named.sql" e '{"no_privileges":true}'
  failing 'nothing was touched; missing roles: grantee (CREATE ROLE' restore "$T/named.sql" e '{"no_owner":true}'
  failing 'nothing was touched; missing roles that policies, user mappings or memberships name: polly (CREATE ROLE them)' \
    restore "$T/named.sql" e '{"no_owner":true,"no_privileges":true}'
  empty_db e
  # A verification leaves the policy out, and says so in history.
  [ "$(sql "SELECT backup_verify('$T/named.sql', '{\"level\":\"full\",\"verify_uri\":\"$(url e)\"}')")" = ok ]
  q postgres 'CREATE ROLE polly'
  restore "$T/named.sql" e '{"no_owner":true,"no_privileges":true}'
  [ "$(q e 'SELECT polroles::regrole[] FROM pg_policy')" = '{polly}' ]
  newdb e
  q postgres 'CREATE ROLE owns'
  restore "$T/named.sql" e '{"no_privileges":true}'
}

@test "a setting of a role in a database is that database's: a restore of a dump leaves it" {
  newdb from
  q from "CREATE TABLE t (); ALTER ROLE postgres IN DATABASE \"from\" SET work_mem = '5MB'"
  pg_dump -C -d "$(url from)" >create.sql
  grep -q 'ALTER ROLE postgres IN DATABASE' create.sql
  q postgres "ALTER ROLE postgres IN DATABASE \"from\" SET work_mem = '6MB'"
  newdb e
  restore "$T/create.sql" e
  [ "$(q from 'SHOW work_mem')" = 6MB ]
}

@test "missing tablespaces are found before anything is touched" {
  script >space.sql <<'SQL'
SET default_tablespace = "Fast disk";
CREATE TABLE public.t (id integer);
SET default_tablespace = '';
CREATE TABLE public.u (id integer);
CREATE INDEX i ON public.u USING btree (id) TABLESPACE slow;
SQL
  newdb e
  failing 'nothing was touched; missing tablespaces: Fast disk, slow (CREATE TABLESPACE them)' restore "$T/space.sql" e
  empty_db e
  pg_drop mkdir "$PG_DATA/../slow" "$PG_DATA/../fast"
  q postgres <<<"CREATE TABLESPACE \"Fast disk\" LOCATION '$(realpath "$PG_DATA/../fast")';
    CREATE TABLESPACE slow LOCATION '$(realpath "$PG_DATA/../slow")';"
  restore "$T/space.sql" e
  [ "$(q e "SELECT string_agg(spcname, ',' ORDER BY spcname) FROM pg_class c JOIN pg_tablespace s ON s.oid = reltablespace
    WHERE relname IN ('t', 'u', 'i')")" = 'Fast disk,slow' ]
}

@test "a database, or a role, whose transactions only read is restored all the same" {
  newdb ro
  q postgres 'ALTER DATABASE ro SET default_transaction_read_only = on'
  restore latest:shop ro '{"jobs":3}'
  pg_data_same shop ro
  restore latest:shop ro '{"overwrite":true,"pre_restore":false}'
  restore latest:shop ro '{"overwrite":true,"mode":"swap","drop_old":true}'
  pg_data_same shop ro
  [ "$(q ro 'SHOW default_transaction_read_only')" = on ]
  q postgres 'CREATE ROLE reader SUPERUSER LOGIN; ALTER ROLE reader SET default_transaction_read_only = on'
  local uri
  uri=$(url by_reader)
  sql "SELECT backup_restore('latest:shop', '${uri/user=postgres/user=reader}', '{\"create\":true}')"
  pg_data_same shop by_reader
}

@test "what fails in an empty database is taken back, whatever our sessions are called; not with others in it" {
  local uri
  printf 'CREATE TABLE public.t (id int);\nSELECT public.no_such();\n' | script >broken.sql
  newdb e
  not sql "SELECT backup_restore('$T/broken.sql', '$(url e)&application_name=mine')"
  empty_db e
  PGAPPNAME=mine not restore "$T/broken.sql" e
  empty_db e
  # Of a session of somebody else's not everybody is told what it is.
  q postgres 'CREATE ROLE lodger LOGIN'
  newdb e OWNER lodger
  hold e 'SELECT 1'
  uri=$(url e)
  not sql "SELECT backup_restore('$T/broken.sql', '${uri/user=postgres/user=lodger}')"
  [ "$(sql 'SELECT notes FROM backup_history LIMIT 1')" = \
    'what was loaded so far is left, since others are connected to the database' ]
  q e 'TABLE t'
  release
}

@test "an element of an array that is NULL stays one, where array_nulls is off" {
  local how
  newdb gaps
  q gaps "CREATE TABLE t (a text[], b int[]); INSERT INTO t VALUES (ARRAY['x', NULL, 'NULL'], ARRAY[1, NULL])"
  sql "SELECT backup_create('$(url gaps)')"
  newdb filled
  q postgres 'ALTER DATABASE filled SET array_nulls = off; CREATE ROLE odd SUPERUSER LOGIN; ALTER ROLE odd SET array_nulls = off'
  for how in '{}' '{"overwrite":true}' '{"overwrite":true,"mode":"swap","drop_old":true}'; do
    restore latest:gaps filled "$how"
    pg_data_same gaps filled
  done
  how=$(url filled)
  [ "$(sql "SELECT backup_verify('latest:gaps', '{\"level\":\"full\",\"verify_uri\":\"${how/user=postgres/user=odd}\"}')")" = ok ]
}

# What comes while the restore waits for its locks has to go with the rest.
@test "a database whose transactions see one moment only is emptied as it is when the locks are there" {
  local level waiter
  for level in 'repeatable read' serializable; do
    newdb moment
    q moment 'CREATE TABLE t (id int)'
    q postgres "ALTER DATABASE moment SET default_transaction_isolation = '$level'"
    hold moment 'BEGIN; LOCK TABLE t IN ROW EXCLUSIVE MODE'
    restore latest:shop moment '{"overwrite":true,"pre_restore":false}' >report 2>&1 3>&- &
    waiter=$!
    await answers "SELECT count(*) > 0 FROM pg_locks WHERE NOT granted AND mode = 'ExclusiveLock'"
    q moment 'CREATE TABLE late (id int)'
    release
    wait "$waiter" || { cat report; false; }
    pg_same shop moment
  done
}

# Keys, defaults, a circle of a view and a table's key, types, functions, large objects, schemas.
cleaned() {
  newdb clean
  q clean <<'SQL'
CREATE SCHEMA s; CREATE TYPE s.e AS ENUM ('a'); CREATE DOMAIN s.d AS int CONSTRAINT positive CHECK (VALUE > 0);
CREATE TABLE public.c (id int PRIMARY KEY, n int); CREATE TABLE public.a (id serial PRIMARY KEY, e s.e); CREATE TABLE s.b (id int REFERENCES public.a, d s.d);
CREATE VIEW s.v AS SELECT id, e FROM public.a GROUP BY id;
CREATE VIEW public.w AS SELECT n FROM public.c GROUP BY id;
CREATE FUNCTION s.f(s.e) RETURNS int LANGUAGE sql AS 'SELECT 1';
CREATE TRIGGER tr BEFORE UPDATE ON public.a FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger();
CREATE POLICY p ON public.a USING (true); CREATE INDEX i ON s.b (d); CREATE AGGREGATE s.n(*) (SFUNC = int8inc, STYPE = int8, INITCOND = 0);
INSERT INTO public.a (e) VALUES ('a'), (NULL); INSERT INTO s.b VALUES (1, 5); SELECT lo_from_bytea(16400, '\x01');
SQL
}

@test "pg_dump --clean without --if-exists, where there is nothing to drop" {
  cleaned
  pg_dump --clean -d "$(url clean)" >clean.sql
  grep -q '^DROP TABLE public.a;' clean.sql
  [ "$(sed '/^CREATE TABLE/,$d' clean.sql | grep -cE '^CREATE OR REPLACE VIEW (s.v|public.w) AS')" = 2 ]
  newdb e
  run -0 restore "$T/clean.sql" e '{}' notes
  echo "$output"
  [[ $output =~ ^'statements that drop what is not there: skipped ('[0-9]+')'$ ]]
  pg_same clean e
  # In one transaction, and over itself: emptied by then.
  restore "$T/clean.sql" e '{"overwrite":true,"pre_restore":false}'
  pg_same clean e
  [ "$(sql "SELECT backup_verify('$T/clean.sql', '{\"level\":\"full\",\"verify_uri\":\"$(url clean)\"}')")" = ok ]
  # pg_restore -c -1 makes a transaction of it.
  pg_dump -Fc -d "$(url clean)" -f clean.dump
  pg_restore -c -1 -f begun.sql clean.dump
  grep -q '^BEGIN;' begun.sql
  newdb e
  restore "$T/begun.sql" e
  pg_same clean e
  # Where something has been made, what is not there is an error; nor is any other error forgiven.
  { cat clean.sql; echo 'DROP TABLE public.nothing;'; finish; } >late.sql
  newdb e
  failing 'DROP TABLE public.nothing' restore "$T/late.sql" e
  empty_db e
  script >other.sql <<<'DROP TABLE pg_catalog.pg_class;'
  failing 'DROP TABLE pg_catalog.pg_class' restore "$T/other.sql" e
}

@test "a database without a schema public: says so, and is left without" {
  newdb bare
  q bare 'DROP SCHEMA public'
  q shop 'CREATE TABLE IF NOT EXISTS public.in_public ()'
  sql "SELECT backup_create('$(url shop)', '{\"name\":\"with-public\"}')"
  failing 'has no schema public, as a new one has (CREATE SCHEMA public in it, and try again): ' \
    restore latest:with-public bare
  [ "$(q bare "SELECT count(*) FROM pg_namespace WHERE nspname = 'public'")" = 0 ]
  empty_db bare
  # A script that needs none goes in.
  script >own.sql <<<'CREATE SCHEMA own; CREATE TABLE own.t (id integer);'
  restore "$T/own.sql" bare
  q bare 'DROP SCHEMA own CASCADE; CREATE SCHEMA public'
  restore latest:with-public bare
}

@test "a database that may not be made, or not like this" {
  q postgres 'CREATE ROLE small LOGIN'
  local uri
  uri=$(url none)
  failing '(this takes CREATEDB; a restore goes without, into a database that is there, with {"mode":"transaction"}): ' \
    sql "SELECT backup_restore('latest:shop', '${uri/user=postgres/user=small}', '{\"create\":true,\"no_owner\":true}')"
  newdb german ENCODING UTF8 LOCALE_PROVIDER icu ICU_LOCALE "'de-DE'" LOCALE "'C.UTF-8'"
  sql "SELECT backup_create('$(url german)')"
  require_pg 13
  pg_server_start --name v13 13
  failing '(make the database yourself, with a locale that it knows, and restore into it)' \
    restore latest:german german '{"create":true}'
  newdb german
  restore latest:german german
}

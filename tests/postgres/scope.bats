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

# refused WORDS OPTIONS: no backup of src with these options, an error with these words.
refused() {
  run sql "SELECT backup_create('$(url "${3:-src}")', '$2')"
  echo "$output"
  [ "$status" != 0 ] && [[ $output == *"$1"* ]]
}

@test "partitions go with their table, at every level: taken, and left out" {
  local part
  newdb parted
  q parted <<'SQL'
CREATE TABLE m (id serial, d int) PARTITION BY RANGE (d);
CREATE TABLE m1 PARTITION OF m FOR VALUES FROM (0) TO (10);
CREATE TABLE "M two" PARTITION OF m FOR VALUES FROM (10) TO (30) PARTITION BY RANGE (d);
CREATE TABLE deep PARTITION OF "M two" FOR VALUES FROM (10) TO (20);
CREATE SCHEMA side;
CREATE TABLE side."a.b""c" PARTITION OF "M two" FOR VALUES FROM (20) TO (30);
CREATE TABLE other (id int);
CREATE TABLE below (more int) INHERITS (other);
INSERT INTO m (d) SELECT g % 30 FROM generate_series(1, 90) g;
INSERT INTO other VALUES (1);
INSERT INTO below VALUES (2, 3);
SQL
  for options in '{"tables":["m"]}' '{"tables":["public.m","other"]}' '{"tables":["m","m1","deep","side.*"]}'; do
    part=$(sql "SELECT backup_create('$(url parted)', '$options')")
    newdb dst
    q dst 'CREATE SCHEMA side'  # which pg_dump -t leaves to others
    gunzip -c "$part" | q dst >/dev/null
    [ "$(q dst 'SELECT count(*), sum(d) FROM m')" = "$(q parted 'SELECT count(*), sum(d) FROM m')" ]
    [ "$(q dst 'SELECT count(*) FROM side."a.b""c"')" = 30 ]
    [ -z "$(q dst "SELECT to_regclass('below')")" ]
  done
  part=$(sql "SELECT backup_create('$(url parted)', '{\"exclude_tables\":[\"m\"],\"verify\":\"full\"}')")
  newdb dst
  sql "SELECT backup_restore('$part', '$(url dst)')" >/dev/null
  [ "$(q dst "SELECT string_agg(relname, ',' ORDER BY relname) FROM pg_class WHERE relkind IN ('r', 'p')
    AND relnamespace::regnamespace::text IN ('public', 'side')")" = below,other ]
  part=$(sql "SELECT backup_create('$(url parted)', '{\"exclude_tables\":[\"\\\"M two\\\"\"],\"verify\":\"full\"}')")
  newdb dst
  sql "SELECT backup_restore('$part', '$(url dst)')" >/dev/null
  [ "$(q dst 'SELECT count(*) FROM m')" = 30 ]
  # One that is left out of a table that is taken.
  part=$(sql "SELECT backup_create('$(url parted)', '{\"tables\":[\"m\"],\"exclude_tables\":[\"\\\"M two\\\"\"]}')")
  newdb dst
  sql "SELECT backup_restore('$part', '$(url dst)')" >/dev/null
  [ "$(q dst 'SELECT count(*) FROM m')" = 30 ]
}

@test "a selection that is smaller than it was asked for is an error that names the pattern" {
  refused 'no schema fits "typo"' '{"schemas":["public","typo"]}'
  refused 'no table fits "typo", "public.slip*"' '{"tables":["thing","typo","owner","public.slip*"]}'
  refused 'options schemas and tables exclude each other' '{"schemas":["public"],"tables":["thing"]}'
  refused 'exclude_tables leaves nothing of what fits "thing"' '{"tables":["owner","thing"],"exclude_tables":["t*"]}'
  refused 'option "tables" must be a text or an array of texts, and not empty' '{"tables":[]}'
  refused 'option "schemas" must be a text or an array of texts, and not empty' '{"schemas":[]}'
  refused 'no table fits "pg_class"' '{"tables":["pg_class"]}'
  [ "$(sql 'SELECT count(*) FROM backups')" = 0 ]
  backup '{"exclude_tables":["typo"]}'
  backup '{"tables":["th?ng","public.own*"],"exclude_tables":["typo"]}'
}

@test "views and sequences that are named go along, as in pg_dump" {
  local part
  newdb seen
  q seen 'CREATE TABLE t AS SELECT 1 AS a; CREATE VIEW v AS SELECT a FROM t; CREATE SEQUENCE s;
    CREATE MATERIALIZED VIEW mv AS SELECT 2 AS b'
  part=$(sql "SELECT backup_create('$(url seen)', '{\"tables\":[\"t\",\"v\"]}')")
  newdb dst
  sql "SELECT backup_restore('$part', '$(url dst)')" >/dev/null
  [ "$(q dst 'SELECT a FROM v')" = 1 ]
  part=$(sql "SELECT backup_create('$(url seen)', '{\"tables\":[\"mv\"]}')")
  newdb dst
  sql "SELECT backup_restore('$part', '$(url dst)')" >/dev/null
  [ "$(q dst 'SELECT b FROM mv')" = 2 ]
  refused 'nothing that "tables" names has rows' '{"tables":["v"],"data_only":true}' seen
}

@test "a function that makes a schema public keeps its text" {
  newdb maker
  q maker <<'SQL'
CREATE SCHEMA app;
CREATE FUNCTION app.f() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
DROP SCHEMA IF EXISTS public CASCADE;

CREATE SCHEMA public;
END $$;
SQL
  file=$(sql "SELECT backup_create('$(url maker)', '{\"schemas\":[\"app\"]}')")
  [ "$(gunzip -c "$file" | grep 'CREATE SCHEMA.*public')" = 'CREATE SCHEMA public;' ]
}

@test "the schema public, chosen by name, restores into a new database, also by psql and from pg_dump -n" {
  local part i
  newdb open
  q open <<'SQL'
CREATE TABLE t AS SELECT 1 AS a;
CREATE SCHEMA also; CREATE TABLE also.u AS SELECT 2 AS a;
CREATE FUNCTION f() RETURNS text LANGUAGE sql AS '

CREATE SCHEMA public;
SELECT ''x''::text';
SQL
  # So many schemas that the statement lies across a border of what is read at once, whichever that is.
  for ((i = 0; i < 1500; i++)); do echo "CREATE SCHEMA $(printf 'a%020d' "$i");"; done | q open
  for options in '{"schemas":["public"],"verify":"full"}' '{"schemas":["a*","public"],"verify":"full"}'; do
    part=$(sql "SELECT backup_create('$(url open)', '$options')")
    newdb dst
    sql "SELECT backup_restore('$part', '$(url dst)')" >/dev/null
    newdb hand
    gunzip -c "$part" | psql -Xq -v ON_ERROR_STOP=1 -d "$(url hand)" >out 2>&1
    [ "$(grep -c ERROR out)" = 0 ]
    for db in dst hand; do
      [ "$(q $db 'SELECT a FROM t')" = 1 ]
      [ "$(q $db "SELECT prosrc FROM pg_proc WHERE proname = 'f'")" = \
        "$(q open "SELECT prosrc FROM pg_proc WHERE proname = 'f'")" ]
    done
  done
  [ "$(gunzip -c "$part" | grep -c '^CREATE SCHEMA IF NOT EXISTS public;')" = 1 ]
  pg_dump -n public -d "$(url open)" | gzip >"$T/foreign.sql.gz"
  newdb dst
  run -0 sql "SELECT backup_restore('$T/foreign.sql.gz', '$(url dst)') ->> '$.notes'"
  [[ $output == *'schema public is there already: not made'* ]]
  [ "$(q dst 'SELECT a FROM t')" = 1 ]
  run -0 sql "SELECT backup_restore('$T/foreign.sql.gz', '$(url dst)', '{\"overwrite\":true}') ->> '$.check'"
  run -0 sql "SELECT backup_verify('$T/foreign.sql.gz', '{\"level\":\"full\",\"verify_uri\":\"$(url postgres)\"}')"
  [ "$output" = ok ]
}

notes() { sql 'SELECT notes FROM backup_history ORDER BY id DESC LIMIT 1'; }

@test "what pg_dump warns of is a note, once: subscriptions that may not be read" {
  newdb subscribed
  q subscribed "CREATE TABLE t (id int); CREATE SUBSCRIPTION news CONNECTION 'password=Secr3t dbname=x host=/nowhere'
    PUBLICATION p WITH (connect = false)" 2>/dev/null
  q postgres 'DROP ROLE IF EXISTS plain; CREATE ROLE plain LOGIN'
  q subscribed 'GRANT SELECT ON t TO plain'
  local uri
  uri=$(url subscribed)
  sql "SELECT backup_create('${uri/user=postgres/user=plain}')" >/dev/null
  notes
  [ "$(notes | grep -c 'pg_dump: warning: subscriptions not dumped')" = 1 ]
  [[ $(notes) != *Secr3t* ]]
  sql "SELECT backup_create('$uri')" >/dev/null
  [ -z "$(notes)" ]
  q subscribed "ALTER SUBSCRIPTION news SET (slot_name = NONE); DROP SUBSCRIPTION news" 2>/dev/null
}

@test "rows only, with foreign keys in a circle: a note" {
  newdb round
  q round 'CREATE TABLE a (id int PRIMARY KEY, b int); CREATE TABLE b (id int PRIMARY KEY, a int REFERENCES a);
    ALTER TABLE a ADD FOREIGN KEY (b) REFERENCES b; CREATE TABLE tree (id int PRIMARY KEY, up int REFERENCES tree);
    CREATE TABLE top (id int PRIMARY KEY); CREATE TABLE leaf (top int REFERENCES top)'
  sql "SELECT backup_create('$(url round)', '{\"data_only\":true}')" >/dev/null
  [[ $(notes) == *'foreign keys go round in a circle'* && $(notes) == *public.a* && $(notes) == *public.b* ]]
  [[ $(notes) == *public.tree* && $(notes) != *public.top* && $(notes) != *public.leaf* ]]
  sql "SELECT backup_create('$(url round)', '{\"data_only\":true,\"tables\":[\"top\",\"leaf\"]}')" >/dev/null
  [ -z "$(notes)" ]
}

@test "rows only, of many tables in a circle: their order takes no time to speak of" {
  newdb ring
  q ring <<'SQL'
DO $$ BEGIN
  FOR i IN 1..1500 LOOP EXECUTE format('CREATE TABLE t%s (id int UNIQUE, other int)', i); END LOOP;
END $$;
DO $$ BEGIN
  FOR i IN 1..1500 LOOP
    EXECUTE format('ALTER TABLE t%s ADD FOREIGN KEY (other) REFERENCES t%s (id)', i, i % 1500 + 1);
  END LOOP;
END $$;
SQL
  # Seconds of the processor, of this process alone: not the server's, nor those of a busy machine.
  ( ulimit -t 3; sql "SELECT backup_create('$(url ring)', '{\"data_only\":true}')" >/dev/null )
  [[ $(notes) == *'foreign keys go round in a circle'* ]]
}

@test "roles: without pg_dumpall, and what else it fails of than rights, are errors" {
  mkdir bin
  ln -s "$PG_DEBIAN/bin/pg_dump" bin/pg_dump
  export PG_BINDIR=$T/bin
  refused "no $T/bin/pg_dumpall that runs, which the option roles needs" '{"roles":true}'
  printf '#!/bin/sh\necho "pg_dumpall: error: out of cheese" >&2; exit 1\n' >bin/pg_dumpall
  chmod +x bin/pg_dumpall
  refused 'out of cheese' '{"roles":true}'
  refused 'out of cheese' '{"roles":"passwords"}'
  [ "$(sql 'SELECT count(*) FROM backups')" = 0 ]
  backup
}

@test "a role whose name has two lines may be there already" {
  local part name=$'odd\n"CREATE ROLE x;'
  q postgres "CREATE ROLE \"${name//\"/\"\"}\""
  part=$(backup '{"roles":true}')
  newdb dst
  gunzip -c "$part" | q dst >/dev/null  # the role is there
  newdb dst
  q postgres "DROP ROLE \"${name//\"/\"\"}\""
  sql "SELECT backup_restore('$part', '$(url dst)')" >/dev/null
  [ "$(q dst "SELECT count(*) FROM pg_roles WHERE rolname = '$name'")" = 1 ]
  q postgres "DROP ROLE \"${name//\"/\"\"}\""
}

@test "a connection for replication is refused" {
  local uri
  uri=$(url src)
  for mode in database true on; do
    run sql "SELECT backup_create('$uri&replication=$mode')"
    [ "$status" != 0 ] && [[ $output == *'with the parameter replication a connection takes no queries: leave it out'* ]]
  done
  sql "SELECT backup_create('$uri&replication=false')" >/dev/null
}

@test "latest:NAME of the other type says which type is needed" {
  backup
  make_db a3.db 10
  sql "SELECT backup_create('a3.db')" >/dev/null
  run sql "SELECT backup_restore('latest:a3', '$(url src)')"
  echo "$output"
  [ "$status" != 0 ] && [[ $output == *'a3 (sqlite)'*'; postgres is needed)'* ]]
}

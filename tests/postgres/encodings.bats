# Encodings: bytes come back as they were, and characters where they are converted.
load ../helper
load server
load oracle

setup_file() { pg_server_start; }
teardown_file() { pg_server_stop_all; }
setup() {
  lifeboat_setup
  mkdir b
  export BACKUP_DIR=$T/b
}

create() { sql "SELECT backup_create('$(url "$1")'${2:+, '$2'})"; }
restore() { sql "SELECT json_extract(backup_restore('$1', '$(url "$2")', '${3:-{\}}'), '\$.check')"; }
absent() { q postgres "SET client_min_messages = error; DROP DATABASE IF EXISTS \"$1\" WITH (FORCE)"; }
rows() { PGCLIENTENCODING=${3:-UTF8} psql -XAtq -d "$(url "$1")" -c "$2"; }

# A database of this encoding through every way there is.
every_way() {
  local encoding=$1 file
  newdb d "ENCODING '$encoding' LOCALE 'C'"
  file=$(create source '{"jobs":2}')
  gunzip -c "$file" | psql -XAtq -v ON_ERROR_STOP=1 -d "$(url d)" >psql.out
  pg_same source d
  newdb d "ENCODING '$encoding' LOCALE 'C'"
  restore latest:source d '{"jobs":2}'
  pg_same source d
  restore latest:source d '{"overwrite":true}'
  pg_same source d
  restore latest:source d '{"overwrite":true,"mode":"swap","drop_old":true}'
  pg_same source d
  pg_properties_same source d
  absent d
  restore latest:source d '{"create":true}'
  pg_same source d
  pg_properties_same source d
  [ "$(sql "SELECT backup_verify('latest:source', '{\"level\":\"full\",\"verify_uri\":\"$(url postgres)\"}')")" = ok ]
  [ "$(sql "SELECT count(*) FROM backups WHERE problem IS NOT NULL")" = 0 ]
}

@test "LATIN1, byte for byte, in every way" {
  newdb source "ENCODING 'LATIN1' LOCALE 'C'"
  load_bytes source
  every_way LATIN1
}

@test "SQL_ASCII, byte for byte, in every way; what is no UTF-8 in names too" {
  newdb source "ENCODING 'SQL_ASCII' LOCALE 'C'"
  load_bytes source
  every_way SQL_ASCII
}

@test "EUC_JP" {
  newdb source "ENCODING 'EUC_JP' LOCALE 'C'"
  PGCLIENTENCODING=UTF8 psql -Xq -v ON_ERROR_STOP=1 -d "$(url source)" <<'SQL'
CREATE TABLE "表" ("列" text); INSERT INTO "表" VALUES ('日本語'), ('能'), ('\');
SQL
  every_way EUC_JP
  [ "$(rows d 'SELECT * FROM "表" LIMIT 1')" = 日本語 ]
}

@test "the environment's client encoding and other settings of the session change nothing" {
  newdb source
  q source "CREATE TABLE t (a text, d date, f float8, b bytea, i interval);
    INSERT INTO t VALUES ('grüße €', '2024-03-04', 0.1 + 0.2, '\\x00ff', '1 day 02:03:04')"
  create source '{"name":"plain"}'
  PGCLIENTENCODING=LATIN1 PGDATESTYLE='German, DMY' PGTZ=Asia/Tokyo \
    PGOPTIONS='-c extra_float_digits=-10 -c bytea_output=escape -c intervalstyle=sql_standard' \
    create source '{"name":"odd"}'
  diff <(gunzip -c b/plain_*.gz | grep -a -A3 '^COPY') <(gunzip -c b/odd_*.gz | grep -a -A3 '^COPY')
  newdb d
  PGCLIENTENCODING=LATIN1 PGDATESTYLE='German, DMY' restore latest:odd d
  pg_same source d
  q postgres "ALTER DATABASE source SET client_encoding = 'LATIN1'; ALTER DATABASE source SET datestyle = 'German';
    ALTER DATABASE source SET standard_conforming_strings = off; ALTER DATABASE source SET search_path = pg_temp"
  q source "SET search_path = public;
    INSERT INTO t (a) VALUES (E'back\\\\slash');
    ALTER TABLE t ALTER a SET DEFAULT E'\\\\'; COMMENT ON TABLE t IS E'\\\\'"
  create source '{"name":"set"}'
  [ "$(gunzip -c b/set_*.gz | grep -ac 'standard_conforming_strings = off')" -eq 0 ]
  newdb d
  restore latest:set d
  q postgres 'ALTER DATABASE source RESET ALL'
  pg_same source d
}

@test "a client encoding that cannot tell a name in the database, or the database's, is in no restore's way" {
  local uri how
  newdb source
  q source 'CREATE TABLE "☃" ("ü" text); INSERT INTO "☃" VALUES ($$☃$$)'
  create source
  newdb schnee-ö
  q postgres "ALTER DATABASE \"schnee-ö\" SET client_encoding = 'LATIN1'"
  uri="$(url schnee-ö)&client_encoding=LATIN1"
  for how in '{}' '{"overwrite":true}' '{"overwrite":true,"mode":"swap","drop_old":true}'; do
    sql "SELECT backup_restore('latest:source', '$uri', '$how')"
  done
  [ "$(sql "SELECT backup_verify('latest:source', '{\"level\":\"full\",\"verify_uri\":\"$uri\"}')")" = ok ]
  q postgres 'ALTER DATABASE "schnee-ö" RESET ALL'
  pg_same source schnee-ö
}

@test "LATIN1 into UTF8: the characters are the same; a conversion that fails leaves the target whole" {
  newdb source "ENCODING 'LATIN1' LOCALE 'C'"
  PGCLIENTENCODING=UTF8 psql -Xq -v ON_ERROR_STOP=1 -d "$(url source)" -c \
    "CREATE TABLE \"näme\" (id int, \"ü\" text);
     INSERT INTO \"näme\" SELECT i, 'ÄÖÜ ß ' || i FROM generate_series(1, 5) AS i"
  create source
  newdb d
  restore latest:source d
  [ "$(rows d 'SELECT * FROM "näme" ORDER BY id')" = "$(rows source 'SELECT * FROM "näme" ORDER BY id')" ]
  newdb euro
  q euro "CREATE TABLE t (a text); INSERT INTO t VALUES ('€')"
  create euro
  failing 'LATIN1' restore latest:euro source '{"overwrite":true}'
  [ "$(rows source 'SELECT count(*) FROM "näme"')" = 5 ]
  newdb ascii "ENCODING 'SQL_ASCII' LOCALE 'C'"
  load_bytes ascii
  create ascii
  failing 'UTF8' restore latest:ascii d '{"overwrite":true}'
  [ "$(rows d 'SELECT count(*) FROM "näme"')" = 5 ]
}

@test "databases of odd names, and of 63 bytes" {
  local name
  for name in 'Grüße "x" 100% = \y;' "it's a/b" 'sixty-three-bytes-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaäääxyz'; do
    newdb "$name"
    q "$name" 'CREATE TABLE t (id serial PRIMARY KEY); INSERT INTO t DEFAULT VALUES'
    run -0 create "$name"
    [ -f "$output" ]
    [[ ${output#"$T/b/"} != */* ]]
    local file=$output
    q "$name" 'DROP TABLE t; CREATE TABLE other (id int)'
    sql "SELECT backup_restore('${file//\'/\'\'}', '$(url "$name")',
      '{\"overwrite\":true,\"mode\":\"swap\",\"drop_old\":true}')"
    [ "$(q "$name" 'TABLE t')" = 1 ]
    absent "${name//\"/\"\"}"
    sql "SELECT backup_restore('${file//\'/\'\'}', '$(url "$name")', '{\"create\":true}')"
    [ "$(q "$name" 'TABLE t')" = 1 ]
    absent "${name//\"/\"\"}"
    rm b/*.sql.gz
  done
}

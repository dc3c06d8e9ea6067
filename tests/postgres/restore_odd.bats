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
teardown_file() {
  local server
  for server in v13 main; do
    [ ! -d "${PG_WORLD:-/nowhere}/$server" ] || { pg_server_use "$server" && pg_server_stop immediate; }
  done
}
setup() {
  lifeboat_setup
  pg_server_use main
  export BACKUP_DIR=$BATS_FILE_TMPDIR/b
}

restore() {  # restore BACKUP DB [OPTIONS [FIELD]]
  local call="backup_restore('$1', '$(url "$2")', '${3:-{\}}')"
  sql "SELECT ${4:+json_extract(}$call${4:+, '\$.$4')}"
}
failing() {  # failing TEXT COMMAND…: status not 0, with this in what it says
  run "${@:2}"
  echo "$output"
  [ "$status" -ne 0 ] && [[ $output == *"$1"* ]]
}
empty_db() {
  [ "$(q "$1" "SELECT (SELECT count(*) FROM pg_namespace WHERE oid >= 16384)
    + (SELECT count(*) FROM pg_class WHERE oid >= 16384) + (SELECT count(*) FROM pg_proc WHERE oid >= 16384)")" = 0 ]
}
script() { printf -- '--\n-- PostgreSQL database dump\n--\n\n'; cat "$@"; finish; }
finish() { printf -- '--\n-- PostgreSQL database dump complete\n--\n'; }

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
    sql "SELECT backup_restore('latest:shop', '${uri/user=postgres/user=small}', '{\"create\":true}')"
  newdb german ENCODING UTF8 LOCALE_PROVIDER icu ICU_LOCALE "'de-DE'" LOCALE "'C.UTF-8'"
  sql "SELECT backup_create('$(url german)')"
  require_pg 13
  pg_server_start --name v13 13
  failing '(make the database yourself, with a locale that it knows, and restore into it)' \
    restore latest:german german '{"create":true}'
  newdb german
  restore latest:german german
}

# Names, comments, functions and settings that want to be more than they are. The database "src" is full of them; its
# backup is restored by psql alone and by Lifeboat, and nothing of it is executed: there is no file $CANARY, no role evil,
# and nobody called what lies in wait for the catalogue's functions and operators.
load ../helper
load server
load oracle

setup_file() {
  export CANARY
  pg_server_start || return 1
  CANARY=$PG_WORLD/canary
}
teardown_file() { pg_server_stop_all; }

setup() {
  lifeboat_setup
  mkdir backups
  export BACKUP_DIR=$T/backups
}

# Texts that break out of a comment, a quoted name or a string if anything does.
texts() {
  local nl=$'\n'
  printf '%s\0' "a${nl}\\! touch $CANARY${nl}" "x'); CREATE ROLE evil; --" "\"; CREATE ROLE evil; --" "\\" "\\'; --" \
    '$lifeboat$' '$$' "/* open" "*/ CREATE ROLE evil; /*" "--" "a${nl}\\.${nl}\\! touch $CANARY" "tab	and${nl}CREATE ROLE evil;" \
    "äöüäöüäöüäöüäöüäöüäöüäöüäöüäöüä" "%s%n" "a;b" "\\unrestrict x${nl}\\! touch $CANARY" $'\r\\! touch '"$CANARY"
}

# As an identifier and as a literal.
name() { printf '"%s"' "${1//\"/\"\"}"; }
text() {
  local quoted=${1//\\/\\\\}
  printf "E'%s'" "${quoted//\'/\'\'}"
}

hostile_names() {
  local one n=0
  while IFS= read -r -d '' one; do
    n=$((n + 1))
    printf 'CREATE SCHEMA %s;\nCREATE TABLE %s.%s(%s int PRIMARY KEY, t text DEFAULT %s);\n' "$(name "$one")" \
      "$(name "$one")" "$(name "$one")" "$(name "$one")" "$(text "$one")"
    printf 'INSERT INTO %s.%s VALUES (1, %s);\n' "$(name "$one")" "$(name "$one")" "$(text "$one")"
    printf 'COMMENT ON TABLE %s.%s IS %s;\nCOMMENT ON SCHEMA %s IS %s;\n' "$(name "$one")" "$(name "$one")" \
      "$(text "$one")" "$(name "$one")" "$(text "$one")"
    printf 'CREATE SEQUENCE %s.s%d;\nCREATE INDEX %s ON %s.%s(t);\n' "$(name "$one")" $n "$(name "i$one")" \
      "$(name "$one")" "$(name "$one")"
    printf 'CREATE FUNCTION %s.f() RETURNS text LANGUAGE sql AS %s;\n' "$(name "$one")" \
      "$(text "SELECT $(text "$one")")"
    printf 'COMMENT ON LARGE OBJECT %d IS %s;\n' "$(q "$1" "SELECT lo_from_bytea($((5000 + n)), 'x')")" "$(text "$one")"
  done < <(texts)
}

nothing_ran() {
  [ ! -e "$CANARY" ] && [ -z "$(q postgres "SELECT 1 FROM pg_roles WHERE rolname = 'evil'")" ]
}

# round_trips DB: its backup, by psql alone and in every mode, gives the same.
round_trips() {
  local file
  file=$(sql "SELECT backup_create('$(url "$1")', '{\"name\":\"hostile\"}')") || return 1
  [ "$(sql "SELECT backup_verify('$file', '{\"level\":\"full\",\"verify_uri\":\"$(url postgres)\"}')")" = ok ] || return 1
  newdb copy "$2"
  gunzip -c "$file" | psql -XAtq -v ON_ERROR_STOP=1 copy >/dev/null || return 1
  pg_same "$1" copy || return 1
  for how in '"mode":"transaction"' '"mode":"swap","drop_old":true'; do
    sql "SELECT backup_restore('$file', '$(url copy)', '{\"overwrite\":true,\"pre_restore\":false,$how}')" || return 1
    pg_same "$1" copy || return 1
  done
  newdb copy "$2"
  sql "SELECT backup_restore('$file', '$(url copy)')" || return 1
  pg_same "$1" copy || return 1
  sql "SELECT count(*) > 0 FROM backup_contents('$file')"
  nothing_ran
}

@test "names and comments that would break out" {
  newdb src
  hostile_names src >"$T/names.sql"
  q src <"$T/names.sql"
  round_trips src
}

@test "names and comments that would break out, in SQL_ASCII with bytes that are no UTF-8" {
  newdb ascii "ENCODING 'SQL_ASCII' LOCALE 'C'"
  { echo "SET client_encoding = 'SQL_ASCII';"; hostile_names ascii; } >"$T/names.sql"
  printf 'CREATE TABLE "\377\300" ("\200\n\\! touch %s" text); COMMENT ON TABLE "\377\300" IS E'"'"'\376\n\\\\! touch %s'"'"';\n' \
    "$CANARY" "$CANARY" >>"$T/names.sql"
  printf 'INSERT INTO "\377\300" VALUES (E'"'"'\377\\n\\\\.\\n'"'"');\n' >>"$T/names.sql"
  q ascii <"$T/names.sql"
  round_trips ascii "ENCODING 'SQL_ASCII' LOCALE 'C'"
}

@test "databases and roles with such names" {
  local one n=0
  while IFS= read -r -d '' one; do
    n=$((n + 1))
    # Each takes a second: those that differ most.
    [[ $n == @(1|3|6|12) ]] || continue
    q postgres <<<"SET client_min_messages = warning; DROP DATABASE IF EXISTS $(name "$one");
CREATE ROLE $(name "r$one");
COMMENT ON ROLE $(name "r$one") IS $(text "it's"$'\nCREATE ROLE evil;\n"'"$one");
CREATE DATABASE $(name "$one") TEMPLATE template0;
COMMENT ON DATABASE $(name "$one") IS $(text "$one");"
    q "$one" <<<"CREATE TABLE t(a int); ALTER TABLE t OWNER TO $(name "r$one"); INSERT INTO t VALUES ($n);
GRANT SELECT ON t TO $(name "r$one");"
    newdb copy
    gunzip -c "$(sql "SELECT backup_create('$(url "$one")', '{\"name\":\"p$n\"}')")" |
      psql -XAtq -v ON_ERROR_STOP=1 copy >/dev/null
    file=$(sql "SELECT backup_create('$(url "$one")', '{\"name\":\"n$n\",\"roles\":true}')")
    pg_same "$one" copy
    # Over itself, by a swap: the database keeps its name and its comment.
    sql "SELECT backup_restore('$file', '$(url "$one")',
      '{\"overwrite\":true,\"pre_restore\":false,\"mode\":\"swap\",\"drop_old\":true}')" >report
    # Each note is one line.
    not grep -av '^role .* is there already: left as it is$' <<<"$(sql "SELECT readfile('report') ->> '$.notes'")"
    pg_same "$one" copy
    [ "$(q "$one" "SELECT shobj_description(oid, 'pg_database') = $(text "$one") FROM pg_database
WHERE datname = current_database()")" = t ]
    nothing_ran
    newdb copy
    q postgres <<<"DROP DATABASE $(name "$one"); DROP ROLE $(name "r$one");"
  done < <(texts)
}

# What lies in wait: a function and operators that are nearer to our arguments than the catalogue's, in public and in a
# schema that the search_path names before pg_catalog.
traps() {
  local schema
  echo "CREATE TABLE public.caught(what text); CREATE SCHEMA trap;"
  for schema in public trap; do
    cat <<SQL
CREATE FUNCTION $schema.trap(a text, b text) RETURNS boolean LANGUAGE plpgsql
  AS \$\$ BEGIN INSERT INTO public.caught VALUES ('operator'); RETURN false; END \$\$;
CREATE FUNCTION $schema.trap(a name, b text) RETURNS boolean LANGUAGE sql AS 'SELECT $schema.trap(\$1::text, \$2)';
CREATE FUNCTION $schema.trap(a oid, b oid) RETURNS boolean LANGUAGE sql AS 'SELECT $schema.trap(\$1::text, \$2::text)';
CREATE FUNCTION $schema.trap(a "char", b "char") RETURNS boolean LANGUAGE sql
  AS 'SELECT $schema.trap(\$1::text, \$2::text)';
CREATE FUNCTION $schema.trap(a bigint, b integer) RETURNS boolean LANGUAGE sql
  AS 'SELECT $schema.trap(\$1::text, \$2::text)';
SQL
    for operator in '=' '<>' '~' '!~' '~~' '!~~' '<' '>='; do
      for types in 'text, text' 'name, text' 'oid, oid' '"char", "char"' 'bigint, integer'; do
        echo "CREATE OPERATOR $schema.$operator (FUNCTION = $schema.trap, LEFTARG = ${types%,*}, RIGHTARG = ${types#*, });"
      done
    done
    for call in 'format(text, name)' 'current_setting(text)' 'current_setting(text, boolean)' 'quote_ident(name)' \
      'quote_ident(text)' 'current_database()' 'pg_export_snapshot()' 'set_config(text, text, boolean)' 'hashtext(text)' \
      'pg_try_advisory_lock(integer, integer)' 'coalesce_(text)' 'upper(text)' 'length(text)' 'pg_is_in_recovery()'; do
      echo "CREATE FUNCTION $schema.$call RETURNS text LANGUAGE plpgsql
  AS \$\$ BEGIN INSERT INTO public.caught VALUES (\$t\$$call\$t\$); RETURN 'trapped'; END \$\$;"
    done
    echo "CREATE TABLE $schema.pg_class(oid oid, relname name); CREATE TABLE $schema.pg_database(datname name);"
  done
}

@test "functions, operators and tables in wait for our queries are not called" {
  newdb src
  traps | q src
  q postgres "ALTER DATABASE src SET search_path = trap, public, pg_catalog"
  # Proof that the traps work: a query with bare names falls into one.
  [ "$(psql -XAtqc "SELECT quote_ident('a'::name)" src)" = trapped ]
  psql -XAtqc "BEGIN; SET LOCAL search_path TO ''; DELETE FROM public.caught; COMMIT" src
  newdb copy
  file=$(sql "SELECT backup_create('$(url src)')")
  [ "$(sql "SELECT backup_verify('$file', '{\"level\":\"full\",\"verify_uri\":\"$(url postgres)\"}')")" = ok ]
  sql "SELECT backup_restore('$file', '$(url copy)')"
  q postgres "ALTER DATABASE copy SET search_path = trap, public, pg_catalog"
  for how in transaction swap; do
    sql "SELECT backup_restore('$file', '$(url copy)',
      '{\"overwrite\":true,\"mode\":\"$how\",\"drop_old\":true,\"name\":\"copy_$how\"}')"
  done
  for db in src copy; do
    [ "$(psql -XAtc "SET search_path TO ''" -c "SELECT count(*), min(what) FROM public.caught" "$db")" = "SET
0|" ]
  done
}

@test "event triggers, default privileges and settings of the target do not reach the restore" {
  newdb src && q src "CREATE TABLE t(a int); INSERT INTO t VALUES (1), (2)"
  file=$(sql "SELECT backup_create('$(url src)')")
  newdb target && q target <<'SQL'
CREATE ROLE greedy;
CREATE TABLE old(a int);
CREATE FUNCTION trap() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'trapped'; END $$;
ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO greedy;
CREATE EVENT TRIGGER e1 ON ddl_command_start EXECUTE FUNCTION trap();
SQL
  q target "CREATE EVENT TRIGGER e2 ON sql_drop EXECUTE FUNCTION trap()"  # event triggers do not fire for their own kind
  q postgres "ALTER DATABASE target SET standard_conforming_strings = off; ALTER DATABASE target SET row_security = off;
ALTER DATABASE target SET check_function_bodies = on; ALTER DATABASE target SET default_tablespace = ''"
  sql "SELECT backup_restore('$file', '$(url target)', '{\"overwrite\":true}')"
  q postgres "ALTER DATABASE target RESET ALL"  # pg_dump shows some of them
  pg_same src target
  q postgres "DROP DATABASE target; DROP ROLE greedy"
}

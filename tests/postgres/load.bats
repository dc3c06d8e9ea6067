# Loading scripts: what load_driver.c (through ext/postgres/load.h) makes of a database's script is the database.
load ../helper
load server
load oracle

setup_file() {
  local build=${LIFEBOAT_SO%/*}
  pg_server_start
  install_test_extension
  newdb src
  load_objects src
  export WORK=$BATS_FILE_TMPDIR DRIVER=$BATS_FILE_TMPDIR/load_driver
  # shellcheck disable=SC2046
  compile -std=c11 -D_GNU_SOURCE $(pkg-config --cflags libpq) -I"$ROOT/ext" -o "$DRIVER" \
    "$BATS_TEST_DIRNAME/load_driver.c" "$build/tests/lifeboat.a" $(pkg-config --libs libpq) -lsqlite3 -lpthread
  script src
  q src "CREATE DATABASE rows TEMPLATE template0"
  q rows "CREATE TABLE t (a int, b text); INSERT INTO t SELECT i, repeat('x', 200) FROM generate_series(1, 20000) AS i;
ALTER TABLE t ADD PRIMARY KEY (a);"
  script rows 1000
}

teardown_file() { pg_server_stop_all; }

# script DB [ROWS]: makes $WORK/DB.sql and its parts
script() { /usr/bin/python3 "$BATS_TEST_DIRNAME/load_parts.py" "$(url "$1")" "$WORK/$1.sql" "${2:-200}"; }

# load MODE DB [OPTION…] of the script $WORK/$SCRIPT.sql
load_into() { "$DRIVER" "$1" "$(url "$2")" "$WORK/${SCRIPT:-src}.sql" "${@:3}"; }

# A script of one pre-data part, from standard input.
hostile() {
  cat >"$WORK/hostile.sql"
  printf 'pre-data\t-\t-\t0\t%s\n' "$(stat -c %s "$WORK/hostile.sql")" >"$WORK/hostile.sql.parts"
  SCRIPT=hostile
}

# Tells what there is where it is not.
is_empty() {
  local found
  found=$(q "$1" "SELECT relname, xmin FROM pg_class WHERE relnamespace = 'public'::regnamespace") || return
  [ -z "$found" ] || { echo "$1 holds $found; $output"; return 1; }
}

# Nobody is left on the server who should not be: no lane, no statement.
nobody_left() {
  local tries
  for ((tries = 0; tries < 100; tries++)); do
    [ "$(q postgres "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'lifeboat'")" = 0 ] && return
    sleep 0.05
  done
  return 1
}

# bats test_tags=threads
@test "every kind of object comes through, in order, in a transaction, and over several connections" {
  local mode
  for mode in foreign serial transaction parallel; do
    newdb copy
    run -0 load_into "$mode" copy jobs=3
    [[ $output != *skipped* ]]
    pg_same src copy
  done
}

@test "a single connection loads in parallel mode as well" {
  newdb copy
  load_into parallel copy jobs=1
  pg_same src copy
}

@test "other connections say the settings of the script: bytes of LATIN1 and SQL_ASCII arrive as they are" {
  local encoding
  for encoding in LATIN1 SQL_ASCII; do
    newdb bytes "ENCODING '$encoding' LOCALE 'C'"
    load_bytes bytes
    script bytes 1
    newdb copy "ENCODING '$encoding' LOCALE 'C'"
    SCRIPT=bytes load_into parallel copy jobs=3
    pg_same bytes copy
  done
  newdb bytes "ENCODING 'LATIN1' LOCALE 'C'"
  load_bytes bytes
  PGCLIENTENCODING=UTF8 script bytes 1
  newdb copy "ENCODING 'LATIN1' LOCALE 'C'"
  SCRIPT=bytes load_into parallel copy jobs=3
  pg_same bytes copy
}

@test "no_owner and no_privileges leave out owners and grants" {
  newdb copy
  load_into parallel copy no_owner no_privileges jobs=2
  [ "$(pg_dump -s -d "$(url copy)" | grep -cE '^(GRANT|REVOKE|ALTER DEFAULT PRIVILEGES)')" = 0 ]
  [ "$(q copy "SELECT count(*) FROM pg_class WHERE relowner <> 'postgres'::regrole")" = 0 ]
  pg_data_same src copy | grep -v '^[-+ @].*large object' >diff || true
  run ! grep -E '^[-+](table|sequence)' diff
}

@test "a setting that the server does not know is a note, once, and skipped" {
  newdb copy
  hostile <<'SQL'
SET transaction_timeout = 0;
SET transaction_timeout = 0;
SET "New Thing" = 'x';
SET session_replication_role = 'origin';
CREATE TABLE t (a int);
SQL
  run -0 load_into transaction copy
  [ "$(grep -c 'transaction_timeout is not known' <<<"$output")" = 1 ]
  [[ $output == *"setting New Thing is not known"* ]]
  [[ $output == *"statements 2"* ]]
}

@test "statements on the database itself are skipped, behind \\connect too" {
  newdb copy
  hostile <<'SQL'
CREATE DATABASE elsewhere;
ALTER DATABASE elsewhere OWNER TO nobody;
\connect elsewhere
CREATE TABLE t (a int);
SQL
  run -0 load_into transaction copy
  [[ $output == *'CREATE DATABASE elsewhere) and others on the database itself: skipped'* ]]
  [ "$(q copy "SELECT count(*) FROM t")" = 0 ]
  [ "$(q postgres "SELECT count(*) FROM pg_database WHERE datname = 'elsewhere'")" = 0 ]
}

@test "a role that is there stays as it is" {
  newdb copy
  q copy 'CREATE ROLE lb_there NOLOGIN'
  hostile <<'SQL'
CREATE ROLE lb_there;
ALTER ROLE lb_there WITH SUPERUSER LOGIN;
CREATE ROLE lb_new;
ALTER ROLE lb_new WITH LOGIN;
SQL
  run -0 load_into transaction copy
  [ "$(q copy "SELECT rolname, rolsuper, rolcanlogin FROM pg_roles WHERE rolname ~ '^lb_(there|new)' ORDER BY 1")" = \
    $'lb_new|f|t\nlb_there|f|f' ]
  q copy 'DROP ROLE lb_new; DROP ROLE lb_there'
}

@test "the survey tells roles, extensions and what is missing before anything is touched" {
  newdb copy
  run -0 load_into survey copy
  [[ $output == *'[lb_odd "role"]'*'[citext]'*"encoding UTF8"* ]]
  hostile <<'SQL'
SET client_encoding = 'UTF8';
CREATE EXTENSION no_such_thing;
CREATE TABLE t (a int);
ALTER TABLE t OWNER TO lb_missing;
SQL
  run -1 load_into check copy
  [[ $output == *'missing roles: lb_missing (CREATE ROLE'*'no_such_thing (install'* ]]
  newdb latin "ENCODING 'LATIN1' LOCALE 'C'"
  hostile <<<"SET client_encoding = 'EUC_JP';"
  run -1 load_into check latin
  [[ $output == *"encoding EUC_JP of the script cannot be converted to LATIN1"* ]]
}

@test "an error names the statement, its offset, the server's words, and for rows the line" {
  newdb copy
  hostile <<<$'CREATE TABLE public.t (a int);\nCREATE TABLE public.t\n(b "no such");'
  run -1 load_into transaction copy
  [[ $output == *'statement at byte 31 (CREATE TABLE public.t (b "no such")): type "no such" does not exist'* ]]
  is_empty copy
  hostile <<<$'CREATE TABLE t (a int);\nCOPY t FROM stdin;\n1\n2\nx\n\\.\n'
  run -1 "$DRIVER" foreign "$(url copy)" "$WORK/hostile.sql"
  [[ $output == *'invalid input syntax for type integer: "x"; COPY t, line 3, column a: "x"'* ]]
  is_empty copy
}

@test "hostile scripts are refused" {
  local text
  newdb copy
  for text in $'\\! touch pwned' "COPY t FROM PROGRAM 'touch pwned';" 'SET standard_conforming_strings = off;' 'COMMIT;' \
    'ROLLBACK;' 'BEGIN; COMMIT; COMMIT;' 'PREPARE TRANSACTION $$x$$;' 'COPY pg_class TO stdout;' 'END AND CHAIN;'; do
    hostile <<<$'CREATE TABLE a (a int);\n'"$text"
    run -1 load_into transaction copy
    [[ $output != *"left busy"* ]]
    is_empty copy
  done
  [ ! -e pwned ]
}

@test "BEGIN and COMMIT around large objects do not end the caller's transaction" {
  newdb copy
  hostile <<<$'CREATE TABLE a (a int);\nBEGIN;\nCREATE TABLE b (a int);\nCOMMIT;\nSELECT 1/0;'
  run -1 load_into transaction copy
  [[ $output == *"division by zero"* ]]
  is_empty copy
}

# bats test_tags=threads
@test "rows that are not those of the table of contents are damage, in every mode" {
  local mode
  sed 's/^\(data\tpublic\tt\t\)1000\t/\1999\t/' "$WORK/rows.sql.parts" >"$WORK/less.sql.parts"
  cp "$WORK/rows.sql" "$WORK/less.sql"
  for mode in transaction parallel; do
    newdb copy
    SCRIPT=less run -1 load_into $mode copy jobs=2
    [[ $output == *"table public.t has 1000 rows there, 999 by the table of contents"* ]]
    nobody_left
  done
}

@test "a part of data must be one COPY and nothing else" {
  newdb copy
  q copy 'CREATE TABLE t (a int)'
  local text
  for text in 'SELECT 1;' $'COPY t FROM stdin;\n1\n\\.\nDROP TABLE t;' ''; do
    printf '%s\n' "$text" >"$WORK/odd.sql"
    printf 'data\tpublic\tt\t1\t%s\n' "$(stat -c %s "$WORK/odd.sql")" >"$WORK/odd.sql.parts"
    SCRIPT=odd run -1 load_into parallel copy jobs=2
    [[ $output == *"the data of table public.t "* ]]
  done
  [ "$(q copy 'SELECT count(*) FROM t')" = 0 ]
}

# bats test_tags=threads
@test "an interrupt and a damaged file end the load at once and leave nothing running" {
  local mode what
  for mode in transaction parallel; do
    for what in interrupt fail; do
      newdb copy
      SCRIPT=rows run -1 load_into $mode copy jobs=3 $what=1500000
      if [ $what = fail ]; then [[ $output == *"the file is damaged here"* ]]; else [[ $output == *"11: "* ]]; fi
      [[ $output != *"left busy"* ]]
      nobody_left
      [ $mode = parallel ] || is_empty copy
    done
  done
}

# bats test_tags=threads
@test "a connection that is ended in the middle is an error with the server's words" {
  # Its last words are lost where the kernel throws the socket's buffer away before they are read.
  local mode
  printf 'psql -XAtq -d "%s" -c "%s"\n' "$(url postgres)" \
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'COPY%' LIMIT 1" >"$WORK/end.sh"
  for mode in transaction parallel; do
    newdb copy
    SCRIPT=rows run -1 load_into $mode copy jobs=2 run=1500000:"sh $WORK/end.sh >/dev/null"
    [[ $output == *"terminating connection due to administrator command"* || $output == *"closed the connection"* ||
      $output == *"connection to the server was lost"* ]]
    nobody_left
  done
}

# bats test_tags=threads
@test "one failing index ends the others; keys that share a table are built" {
  newdb copy
  hostile <<'SQL'
CREATE TABLE a (i int, j int);
CREATE TABLE b (i int);
INSERT INTO a SELECT i, i / 2 FROM generate_series(1, 1000) AS i;
SQL
  local pre
  pre=$(stat -c %s "$WORK/hostile.sql")
  {
    echo 'ALTER TABLE ONLY public.a ADD CONSTRAINT a_i PRIMARY KEY (i);'
    echo 'CREATE INDEX a_x ON public.a USING btree (i);'
    echo 'ALTER TABLE ONLY public.a ADD CONSTRAINT a_j UNIQUE (j);'
  } >>"$WORK/hostile.sql"
  printf 'post-data\t-\t-\t0\t%s\n' "$(($(stat -c %s "$WORK/hostile.sql") - pre))" >>"$WORK/hostile.sql.parts"
  run -1 load_into parallel copy jobs=3
  [[ $output == *'(ALTER TABLE ONLY public.a ADD CONSTRAINT a_j UNIQUE (j)): could not create unique index'*'(j)=('* ]]
  nobody_left
}

@test "ANALYZE looks at every table, but not at foreign ones" {
  newdb copy
  load_into parallel copy jobs=2
  load_into analyze copy jobs=2
  [ "$(q copy "SELECT relname FROM pg_stat_user_tables WHERE last_analyze IS NULL AND n_live_tup > 0 AND
    relid NOT IN (SELECT inhparent FROM pg_inherits)")" = '' ]
}

# bats test_tags=threads
@test "a server that is killed in the middle is an error" {
  pg_server_start --name crash
  newdb copy
  printf 'kill -STOP %s; kill -9 $(ps -o pid= --ppid %s) %s\n' "$(pg_server_pid)" "$(pg_server_pid)" "$(pg_server_pid)" \
    >"$WORK/kill.sh"
  SCRIPT=rows run -1 load_into parallel copy jobs=2 run=1500000:"sh $WORK/kill.sh"
  [[ $output == *"server closed the connection"* || $output == *"connection to the server was lost"* ]]
  rm -f "$PG_WORLD/crash/pid"
  pg_server_stop
  pg_server_use main
}

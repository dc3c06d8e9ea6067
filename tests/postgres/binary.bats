# Rows that are loaded in COPY's binary form: what comes out is, to the byte, what the server has from their text; and
# whatever is not written as the server writes it goes as text, from that row on.
load ../helper
load server
load oracle

TABLES="integers floats numerics strings addresses times"

setup_file() {
  pg_server_start --set log_statement=all --set "timezone='America/New_York'"
  newdb src
  q src <"$PG_HERE/binary.sql"
  mkdir "$BATS_FILE_TMPDIR/b"
  export BACKUP_DIR=$BATS_FILE_TMPDIR/b
  sql "SELECT backup_create('$(url src)')"
}
teardown_file() { pg_server_stop_all; }
setup() {
  lifeboat_setup
  pg_server_use main
  export BACKUP_DIR=$BATS_FILE_TMPDIR/b
}

# How many COPY the server was asked for in either form since the log had MARK lines.
mark() { MARK=$(wc -l <"$PG_LOG"); }
binary_copies() { tail -n "+$((MARK + 1))" "$PG_LOG" | grep -c 'statement: COPY .*FROM stdin WITH (FORMAT binary)' || true; }
text_copies() { tail -n "+$((MARK + 1))" "$PG_LOG" | grep -c 'statement: COPY .*FROM stdin;\?$' || true; }

# The bytes that the server holds, by every type's own function.
held() {
  local table
  for table in $TABLES; do
    echo "$table"
    q "$1" "COPY (SELECT * FROM $table AS t ORDER BY t::text COLLATE \"C\") TO STDOUT WITH (FORMAT binary)" | md5sum
  done
}

# restore DB [OPTIONS]
restore() {
  local options=${2:-{\}}
  sql "SELECT backup_restore('${BACKUP:-latest}', '$(url "$1")', '$options')"
}

# A script of one table, with more rows of the value PLAIN before and behind those that are told than go as text anyway.
# script TYPE PLAIN VALUE…  (as COPY has them)
script() {
  local type=$1 plain=$2 rows=20000 value
  shift 2
  printf -- '-- PostgreSQL database dump\n\nCREATE TABLE public.odd (n integer, v %s);\n\n' "$type"
  echo 'COPY public.odd (n, v) FROM stdin;'
  yes "$plain" | head -n $rows | sed 's/^/1\t/'
  for value in "$@"; do printf '2\t%s\n' "$value"; done
  yes "$plain" | head -n $rows | sed 's/^/3\t/'
  printf '\\.\n\n-- PostgreSQL database dump complete\n'
}

@test "values at the ends of every type's range, and many between, arrive byte for byte" {
  held src >src
  newdb plain
  mark
  restore plain
  [ "$(binary_copies)" = 6 ] && [ "$(text_copies)" = 0 ]
  held plain | diff src -
  pg_same src plain
  mark
  restore plain '{"overwrite":true,"mode":"transaction","pre_restore":false}'
  [ "$(binary_copies)" = 6 ] && [ "$(text_copies)" = 0 ]
  held plain | diff src -
  mark
  restore plain '{"overwrite":true,"mode":"swap","drop_old":true,"pre_restore":false}'
  [ "$(binary_copies)" = 6 ]
  held plain | diff src -
}

@test "a newer and an older server take the same bytes" {
  local version source
  source=$(url src)
  held src >src
  for version in 18 13; do
    require_pg $version
    pg_server_start --name other --set log_statement=all $version
    newdb there
    mark
    sql "SELECT backup_restore('latest', '$(url there)')"
    [ "$(binary_copies)" = 6 ]
    held there | diff src -
    pg_server_stop immediate
    pg_server_use main
  done
}

@test "what the server writes otherwise is loaded as text, from its row on" {
  local type plain
  check() {
    script "$@" >odd.sql
    newdb psql
    newdb ours
    q psql <odd.sql
    mark
    BACKUP=$PWD/odd.sql restore ours
    [ "$(binary_copies) $(text_copies)" = "1 1" ]
    q psql 'TABLE odd' >want
    q ours 'TABLE odd' | cmp want -
    [ "$(wc -l <want)" -gt 40000 ]
  }
  check integer 5 ' 42' '+7' '007 ' '\061'
  check 'double precision' 1.5 NaN Infinity -Infinity ' 1e5' 4.9e-324
  check real 1.5 NaN 1e-45
  check numeric 1.50 NaN 1e5 ' 12' .5 "$(printf '9%.0s' {1..2000})"
  check boolean t yes TRUE 1 off
  check bytea '\\x00ff' 'abc\\000' '\\x 00 ff' ''
  check uuid 00112233-4455-6677-8899-aabbccddeeff '{00112233-4455-6677-8899-aabbccddeeff}' 00112233445566778899aabbccddeeff
  check date 2021-01-05 '0044-03-15 BC' 10000-01-01 'Jan 5 2021' 20210105
  check time 12:00:00 24:00:00 12:00 '1:2:3 PM'
  check timestamp '2021-01-05 00:00:00' '0044-03-15 00:00:00 BC' 2021-01-05 '2021-01-05T01:02:03' '294276-12-31 23:59:59.999999'
  check timestamptz '2021-01-05 00:00:00+00' '2021-07-05 00:00:00' '2021-07-05 00:00 Europe/Berlin' '0044-03-15 00:00:00+00 BC'
  check inet 10.0.0.1 '10.1/16'
  check cidr 10.0.0.0/8 10 192.168
  check text plain '\x41'
  check text plain '\102'
  check text plain "$(head -c 3000000 /dev/zero | tr '\0' x)"
}

@test "a table with a column of another type, or another form of COPY, goes as text" {
  local form
  as_text() {  # TYPE FORM
    script "$1" '{1,2}' '{}' | sed "s/^COPY .*/COPY public.odd $2;/" >odd.sql
    newdb ours
    mark
    BACKUP=$PWD/odd.sql restore ours
    [ "$(binary_copies)" = 0 ]
    [ "$(q ours 'SELECT count(*), min(v::text), max(v::text) FROM odd')" = '40001|{1,2}|{}' ]
  }
  as_text 'int[]' '(n, v) FROM stdin'
  for form in 'FROM stdin' '(n, v) FROM stdin WITH (FORMAT text)' "(n, v) FROM stdin NULL '\\\\N'"; do as_text text "$form"; done
}

@test "lines that end with CR LF are loaded as the server takes them" {
  script text plain 'odd' | sed '/^1\t/,/^\\\\\./ s/$/\r/' >odd.sql
  newdb ours
  newdb psql
  q psql <odd.sql
  BACKUP=$PWD/odd.sql restore ours
  [ "$(q ours "SELECT count(*) FROM odd WHERE v IN ('plain', 'odd')")" = 40001 ]
  [ "$(q ours 'TABLE odd' | md5sum)" = "$(q psql 'TABLE odd' | md5sum)" ]
}

@test "a row that the server refuses is told in its words, with the row" {
  newdb ours
  script integer 5 abc >odd.sql
  BACKUP=$PWD/odd.sql run -1 restore ours
  [[ $output == *"COPY public.odd (n, v) FROM"*", from its row 20001 on: "*'invalid input syntax for type integer: "abc"; COPY odd, line 1, column v: "abc"'* ]]
  script integer 5 $'6\t7' >odd.sql
  BACKUP=$PWD/odd.sql run -1 restore ours
  [[ $output == *"from its row 20001 on: "*"extra data after last expected column; COPY odd, line 1"* ]]
  script 'integer CHECK (v < 10)' 5 11 >odd.sql
  BACKUP=$PWD/odd.sql run -1 restore ours
  [[ $output == *'violates check constraint "odd_v_check"'*"COPY odd, line 20001"* ]]
  script integer 5 99999999999 >odd.sql
  BACKUP=$PWD/odd.sql run -1 restore ours
  [[ $output == *'value "99999999999" is out of range for type integer'* ]]
  script text ok $'bad \xff byte' >odd.sql
  BACKUP=$PWD/odd.sql run -1 restore ours
  [[ $output == *'invalid byte sequence for encoding "UTF8": 0xff'* ]]
  [ -z "$(q ours "SELECT relname FROM pg_class WHERE relname = 'odd'")" ]
}

@test "a database of another encoding, and an operator of the script's own that says no" {
  newdb latin "ENCODING 'LATIN1' LOCALE 'C'"
  q latin "CREATE TABLE \"t\" AS SELECT n, 'h' || chr(228) || n AS t FROM generate_series(1, 9000) AS n"
  sql "SELECT backup_create('$(url latin)')"
  newdb utf8
  mark
  BACKUP=latest:latin restore utf8
  [ "$(binary_copies)" -ge 1 ]
  [ "$(q latin 'SELECT md5(string_agg(t, chr(10) ORDER BY n)) FROM t' | md5sum)" = \
    "$(q utf8 "SELECT md5(convert_to(string_agg(t, chr(10) ORDER BY n), 'LATIN1')) FROM t" | md5sum)" ]
  {
    script text plain 'odd' | sed "s/^CREATE/CREATE FUNCTION public.no(oid, oid) RETURNS boolean LANGUAGE sql AS 'SELECT false';\\
CREATE OPERATOR public.= (FUNCTION = public.no, LEFTARG = oid, RIGHTARG = oid);\\
SET search_path = public, pg_catalog;\\
CREATE/"
  } >odd.sql
  newdb ours
  mark
  BACKUP=$PWD/odd.sql restore ours
  [ "$(binary_copies)" = 1 ]
  [ "$(q ours 'SELECT count(*) FROM odd')" = 40001 ]
}

# as_psql: the restored database is what psql makes of odd.sql, by this query; so many COPY were binary.
as_psql() {  # QUERY BINARY
  newdb psql
  newdb ours
  q psql <odd.sql
  mark
  BACKUP=$PWD/odd.sql restore ours
  [ "$(binary_copies)" = "$2" ]
  q psql "$1" >want
  [ -s want ]
  q ours "$1" | cmp want -
}

@test "an encoding in which a backslash may be part of a character goes as text" {
  local name bytes
  # Their characters with 5C as the second byte.
  for name in SJIS:'\225\134\216\246' BIG5:'\245\134\257\340' GBK:'\225\134'; do
    bytes=${name#*:} name=${name%%:*}
    {
      printf -- '-- PostgreSQL database dump\n\nSET client_encoding = '"'%s'"';\nCREATE TABLE public.odd (n integer, v text);\n' "$name"
      printf 'COPY public.odd (n, v) FROM stdin;\n'
      yes "1	$(printf "$bytes")x" | head -n 20000
      printf '\\.\n\n-- PostgreSQL database dump complete\n'
    } >odd.sql
    as_psql 'SELECT v, count(*) FROM odd GROUP BY 1' 0
  done
}

@test "where it matters which rows one COPY has, they stay together" {
  local extra
  script 'double precision' 1.5 NaN >plain.sql
  cp plain.sql odd.sql
  as_psql "TABLE odd" 1
  # A row refers to one behind it: the end of a COPY looks for it.
  {
    printf -- '-- PostgreSQL database dump\n\nCREATE TABLE public.odd (n int PRIMARY KEY, up int REFERENCES public.odd, v float8);\n'
    echo 'COPY public.odd (n, up, v) FROM stdin;'
    seq 20000 | awk '{ print $1 "\t" 20001 - $1 "\t" ($1 == 9000 ? "NaN" : 1.5) }'
    printf '\\.\n\n-- PostgreSQL database dump complete\n'
  } >odd.sql
  as_psql 'SELECT count(*), sum(up), min(v) FROM odd' 0
  for extra in 'CREATE TRIGGER seen AFTER INSERT ON public.odd REFERENCING NEW TABLE AS new FOR EACH STATEMENT EXECUTE FUNCTION public.seen()' \
    'CREATE RULE seen AS ON UPDATE TO public.odd DO ALSO NOTHING'; do
    awk -v extra="$extra" '/^COPY/ { print "CREATE TABLE public.log (c bigint);"
      print "CREATE FUNCTION public.seen() RETURNS trigger LANGUAGE plpgsql AS '"'"'BEGIN INSERT INTO public.log SELECT count(*) FROM new; RETURN NULL; END'"'"';"
      print extra ";" } { print }' plain.sql >odd.sql
    as_psql 'SELECT count(*), (SELECT array_agg(c) FROM log) FROM odd' 0
  done
  sed 's/^CREATE TABLE.*/CREATE TABLE public.all_of_it (n int, v float8) PARTITION BY LIST (n);\
CREATE TABLE public.odd PARTITION OF public.all_of_it DEFAULT;/' plain.sql >odd.sql
  as_psql 'SELECT count(*), min(v) FROM odd' 1
  sed -i 's/^COPY public.odd/COPY public.all_of_it/' odd.sql
  as_psql 'SELECT count(*), min(v) FROM odd' 0
}

@test "looking up the columns fails where the COPY does, and nowhere else" {
  # Another column's name has no place in the script's encoding; a comment with a quote inside the name.
  script text plain 'odd' >plain.sql
  sed "s/^CREATE TABLE.*/SET client_encoding = 'UTF8';\nCREATE TABLE public.odd (n integer, v text, \"日本\" int);\nSET client_encoding = 'LATIN1';/" \
    plain.sql >odd.sql
  as_psql 'SELECT count(*) FROM odd' 1
  sed 's|^COPY public.odd|COPY public/* " */.odd|' plain.sql >odd.sql
  as_psql 'SELECT count(*) FROM odd' 1
  sed 's|^COPY public.odd|SET search_path = public;\nCOPY "odd"|' plain.sql >odd.sql
  as_psql 'SELECT count(*) FROM odd' 1
  sed 's|^COPY public.odd (n, v)|COPY public.odd (n, "")|' plain.sql >odd.sql
  newdb ours
  BACKUP=$PWD/odd.sql run -1 restore ours
  [[ $output == *"COPY public.odd (n, \"\") FROM"*"zero-length delimited identifier"* ]]
  q postgres "SET client_min_messages = error; DROP ROLE IF EXISTS stranger; CREATE ROLE stranger"
  sed 's|^COPY public.odd|CREATE SCHEMA hidden; ALTER TABLE public.odd SET SCHEMA hidden; SET ROLE stranger;\nCOPY hidden.odd|' \
    plain.sql >odd.sql
  BACKUP=$PWD/odd.sql run -1 restore ours
  [[ $output == *"COPY hidden.odd (n, v) FROM"*"permission denied for schema hidden"* ]]
  sed 's|^COPY public.odd|COPY public.gone|' plain.sql >odd.sql
  BACKUP=$PWD/odd.sql run -1 restore ours
  [[ $output == *"COPY public.gone (n, v) FROM"*'relation "public.gone" does not exist'* ]]
}

@test "a little data of a script that does not say how much is not worth a question" {
  newdb ours
  printf -- '-- PostgreSQL database dump\n\nCREATE TABLE public.odd (n integer);\nCOPY public.odd (n) FROM stdin;\n1\n2\n\\.\n
-- PostgreSQL database dump complete\n' >odd.sql
  mark
  BACKUP=$PWD/odd.sql restore ours
  [ "$(binary_copies) $(text_copies)" = "0 1" ]
  [ "$(tail -n "+$((MARK + 1))" "$PG_LOG" | grep -c typbasetype)" = 0 ]
  [ "$(q ours 'SELECT sum(n) FROM odd')" = 3 ]
}

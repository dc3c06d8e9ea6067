# backup_create of a PostgreSQL database: what is in the file, judged by restoring it with psql alone; its options.
load ../helper
load server
load oracle

setup_file() {
  pg_server_start
  install_test_extension
  newdb objects
  load_objects objects
  newdb shop
  q shop <"$PG_HERE/fixtures/shop.sql"
}
teardown_file() { pg_server_stop_all; }
setup() {
  lifeboat_setup
  pg_server_use main
  mkdir b
  export BACKUP_DIR=$T/b
}
teardown() {
  [ -z "${holder:-}" ] || release
  cd / && [ -n "${T:-}" ] && chmod -R u+rwx "$T" && rm -rf "$T"
}

create() { sql "SELECT backup_create('$(url "$1")'${2:+, '$2'})"; }

# into FILE DB [SQL]: into a new database (where this SQL came before), by psql and nothing else.
into() {
  local file=$1 db=$2
  newdb "$db"
  [ -z "${3:-}" ] || q "$db" "$3"
  case $file in
    *.gz) gunzip -c "$file" ;;
    *.zst) zstd -dcq "$file" ;;
  esac | psql -XAtq -v ON_ERROR_STOP=1 -d "$(url "$db")" >psql.out 2>psql.err || { cat psql.err; return 1; }
}

backups() { find b -name '*.sql.*' | wc -l; }
nothing_left() { [ -z "$(find b -name '*.sql*' -o -name '*.partial')" ]; }

@test "every kind of object, restored by gunzip and psql alone" {
  run -0 create objects
  [[ $output =~ ^$T/b/objects_postgres_[0-9]{8}_[0-9]{6}\.sql\.gz$ ]]
  [ "$(stat -c %a "$output")" = 600 ]
  gzip -t "$output"
  [[ $(python "$ROOT/tests/archive/lbformat.py" index "$output") == *'"level":1,'* ]]  # the server has work to do
  into "$output" copy
  not grep -v 'subscri\|publish' psql.err  # wal_level is too low for those
  pg_same objects copy
  [ "$(sql "SELECT type, kind, name, codec, typeof(source), bytes > 0, raw_bytes > bytes, problem IS NULL
    FROM backups")" \
    = 'postgres|full|objects|gzip|text|1|1|1' ]
}

@test "zstd, one connection, four connections" {
  [[ $(sql 'SELECT backup_version()') == *zstd* ]] || skip 'built without zstd'
  skip_without zstd
  run -0 create objects '{"compress":"zstd","jobs":1,"name":"one"}'
  [[ $output == *.sql.zst ]]
  into "$output" copy
  pg_same objects copy
  run -0 create objects '{"jobs":4,"name":"four"}'
  into "$output" copy
  pg_same objects copy
}

@test "a table of more than 128 MiB is read by ranges of pages on all connections" {
  newdb big
  # One row a page, most of it empty: as large as the splitting asks for, but quickly made.
  q big "CREATE TABLE wide (id int, body text) WITH (fillfactor = 10);
    ALTER TABLE wide ALTER body SET STORAGE plain;
    INSERT INTO wide SELECT i, repeat(md5(i::text), 26) FROM generate_series(1, 17000) AS i;
    ALTER DATABASE big SET log_statement = 'all'; CHECKPOINT"
  [ "$(q big "SELECT pg_relation_size('wide') >= 128 << 20")" = t ]
  local log
  log=$(wc -l <"$PG_LOG")
  run -0 create big '{"jobs":2}'
  tail -n "+$log" "$PG_LOG" | grep -a 'COPY.*ctid' >ranges
  [ "$(wc -l <ranges)" -ge 2 ]
  [ "$(grep -ao '\[[0-9]*\]' ranges | sort -u | wc -l)" -eq 2 ]
  into "$output" copy
  pg_same big copy
  [ "$(sql "SELECT rows FROM backup_contents('latest') WHERE name = 'wide'")" = 17000 ]
  q postgres 'DROP DATABASE big; DROP DATABASE copy'
}

@test "rows that are larger than a block, tables without columns, empty tables" {
  newdb rows
  q rows "CREATE TABLE wide (id int, a text, b bytea); CREATE TABLE none (); CREATE TABLE nothing (id int);
    INSERT INTO none SELECT FROM generate_series(1, 5000);
    INSERT INTO wide SELECT i, repeat(E'\\\\\\t\\n' || i, 1500000 * (i % 2)), decode(repeat('00ff', 1000000 * i), 'hex')
      FROM generate_series(1, 3) AS i; INSERT INTO wide VALUES (4, '\\.', ''), (5, NULL, NULL)"
  run -0 create rows
  into "$output" copy
  pg_same rows copy
  [ "$(sql "SELECT name, rows FROM backup_contents('latest') ORDER BY 1")" = $'none|5000\nnothing|0\nwide|5' ]
}

@test "of an extension's tables the configuration, with its condition" {
  newdb config
  q config "CREATE SCHEMA lifeboat_test; CREATE EXTENSION lifeboat_test;
    INSERT INTO lifeboat_test.setting VALUES ('own', 'kept', false);
    INSERT INTO lifeboat_test.log VALUES (nextval('lifeboat_test.log_id'), 'a line');
    INSERT INTO lifeboat_test.internal VALUES (2)"
  run -0 create config
  into "$output" copy
  q copy 'TABLE lifeboat_test.setting; TABLE lifeboat_test.log; TABLE lifeboat_test.internal' >got
  cat got
  [ "$(cat got)" = $'colour|blue|t\ndepth|3|t\nown|kept|f\n1|a line\n1' ]
  [ "$(q copy "SELECT nextval('lifeboat_test.log_id')")" = 2 ]
}

@test "row security that hides rows of the one who backs up is an error, not a smaller backup" {
  newdb secure
  q postgres "DROP ROLE IF EXISTS plain; CREATE ROLE plain LOGIN"
  q secure "CREATE TABLE mine (id int); INSERT INTO mine VALUES (1), (2); ALTER TABLE mine OWNER TO plain;
    ALTER TABLE mine ENABLE ROW LEVEL SECURITY; CREATE POLICY p ON mine USING (id = 1)"
  local uri
  uri=$(url secure)
  uri=${uri/user=postgres/user=plain}
  run -0 sql "SELECT backup_create('$uri')"  # an owner is not bound by it
  into "$output" copy
  [ "$(q copy 'SELECT count(*) FROM mine')" = 2 ]
  rm b/*.sql.gz
  q secure 'ALTER TABLE mine FORCE ROW LEVEL SECURITY'
  failing 'row-level security' sql "SELECT backup_create('$uri')"
  [[ $output == *mine*'(rows would be missing: back up as a superuser, or ALTER ROLE … BYPASSRLS)'* ]]
  nothing_left
  q secure 'ALTER TABLE mine OWNER TO postgres; GRANT SELECT ON mine TO plain'
  failing 'row-level security' sql "SELECT backup_create('$uri')"
  nothing_left
  q postgres 'ALTER ROLE plain BYPASSRLS'
  run -0 sql "SELECT backup_create('$uri')"
}

@test "a table that may not be read is named" {
  newdb secret
  q postgres "DROP ROLE IF EXISTS poor; CREATE ROLE poor LOGIN"
  q secret 'CREATE TABLE hidden (id int)'
  local uri
  uri=$(url secret)
  failing 'hidden' sql "SELECT backup_create('${uri/user=postgres/user=poor}')"
  [[ $output == *'permission denied'*'(GRANT pg_read_all_data TO the user; before server 14'* ]]
  nothing_left
  q secret 'GRANT SELECT ON hidden TO poor; CREATE SEQUENCE counted'
  failing 'counted (GRANT pg_read_all_data TO' sql "SELECT backup_create('${uri/user=postgres/user=poor}')"
  q postgres 'GRANT pg_read_all_data TO poor'
  run -0 sql "SELECT backup_create('${uri/user=postgres/user=poor}')"
  rm b/*.sql.gz
  q secret 'SELECT lo_create(4711)'
  failing '(back up as its owner or as a superuser)' sql "SELECT backup_create('${uri/user=postgres/user=poor}')"
  nothing_left
}

@test "names in a script do not become commands of psql" {
  local canary=$T/canary name
  for name in $'x\n\\! touch '"$canary"$'\n' \
    $'\\!touch '"$canary" $'"\n\\! touch '"$canary"$'\n--' $'*/ \\! touch '"$canary"; do
    newdb odd
    q postgres "DROP ROLE IF EXISTS \"${name//\"/\"\"}\""
    {
      printf 'CREATE SCHEMA "%s";\n' "${name//\"/\"\"}"
      printf 'SET search_path = "%s";\n' "${name//\"/\"\"}"
      printf 'CREATE TABLE "%s" ("%s" text, id serial);\n' "${name//\"/\"\"}" "${name//\"/\"\"}"
      printf 'INSERT INTO "%s" VALUES (%s);\n' "${name//\"/\"\"}" "'${name//\'/\'\'}'"
      printf 'COMMENT ON TABLE "%s" IS %s;\n' "${name//\"/\"\"}" "'${name//\'/\'\'}'"
      printf 'CREATE ROLE "%s"; ALTER TABLE "%s" OWNER TO "%s";\n' \
        "${name//\"/\"\"}" "${name//\"/\"\"}" "${name//\"/\"\"}"
    } | sed 's/\\/\\/g' >odd.sql
    q odd <odd.sql
    run -0 create odd "{\"name\":\"odd\"}"
    into "$output" copy
    pg_same odd copy
    [ ! -e "$canary" ]
    rm b/*.sql.gz
    q postgres "DROP DATABASE odd; DROP DATABASE copy; DROP ROLE \"${name//\"/\"\"}\""
  done
}

# as_pg_dump OPTIONS ARGUMENT…: ours with these options is the same as pg_dump's with these arguments.
as_pg_dump() {
  local before=''
  [ "$2" != -t ] || before='CREATE SCHEMA shop; CREATE SCHEMA stock'  # which pg_dump -t leaves to others
  run -0 create shop "$1"
  into "$output" ours "$before"
  rm -f "$output"
  newdb theirs
  q theirs "$before"
  pg_dump -d "$(url shop)" "${@:2}" | q theirs >/dev/null || return 1
  pg_same ours theirs
}

@test "schemas, tables, exclude_tables choose what pg_dump's options choose" {
  as_pg_dump '{"schemas":["shop"]}' -n shop
  as_pg_dump '{"schemas":["s*"],"exclude_tables":["shop.order_*"]}' -n 's*' -T 'shop.order_*'
  as_pg_dump '{"tables":["stock.item"]}' -t stock.item
  as_pg_dump '{"tables":["shop.customer*","stock.delivery"]}' -t 'shop.customer*' -t stock.delivery
  as_pg_dump '{"exclude_tables":["shop.order_line","public.item"]}' -T shop.order_line -T public.item
  # Without a dot in any schema, as the reference says: not only where the search_path finds it.
  run -0 create shop '{"tables":["item"]}'
  [ "$(sql "SELECT schema, name FROM backup_contents('latest') ORDER BY 1")" = $'public|item\nstock|item' ]
}

@test "what fits no table or schema is an error" {
  failing 'nosuch' create shop '{"tables":["nosuch"]}'
  nothing_left
  failing 'no schema fits "nosuch"' create shop '{"schemas":["nosuch"]}'
  nothing_left
}

@test "schema_only has no rows; data_only loads beside keys that are in place" {
  run -0 create shop '{"schema_only":true}'
  into "$output" copy
  pg_schema_same shop copy
  [ "$(q copy 'SELECT count(*) FROM shop.customer')" = 0 ]
  run -0 create shop '{"data_only":true}'
  gunzip -c "$output" | psql -XAtq -v ON_ERROR_STOP=1 -d "$(url copy)" >out
  pg_same shop copy
  failing 'exclude each other' create shop '{"schema_only":true,"data_only":true}'
}

@test "roles only when asked for, passwords only by their own word; psql alone makes them on another server" {
  q postgres "SET client_min_messages = error; DROP ROLE IF EXISTS clerk; CREATE ROLE clerk LOGIN PASSWORD 'stamp';
    GRANT lb_reader TO clerk"
  local plain bare secret hash
  hash=$(q postgres "SELECT rolpassword FROM pg_authid WHERE rolname = 'clerk'")
  plain=$(create objects '{"name":"plain","schema_only":true}')
  bare=$(create objects '{"name":"bare","roles":true,"jobs":2}')
  secret=$(create objects '{"name":"secret","roles":"passwords"}')
  [ "$(gunzip -c "$plain" | grep -c 'CREATE ROLE')" -eq 0 ]
  gunzip -c "$bare" | grep -q 'CREATE ROLE clerk'
  [ "$(gunzip -c "$bare" | grep -cF "$hash")" -eq 0 ]
  gunzip -c "$secret" | grep -qF "$hash"
  pg_schema objects >before
  pg_data objects >>before
  pg_server_start --name other
  into "$bare" copy
  pg_schema copy >after
  pg_data copy >>after
  diff before after
  [ "$(q postgres "SELECT rolcanlogin, rolpassword IS NULL, pg_has_role('clerk', 'lb_reader', 'member')
    FROM pg_authid WHERE rolname = 'clerk'")" = 't|t|t' ]
  # Once more, with the roles there by now, and with Lifeboat on a server that lacks them again.
  into "$bare" copy
  newdb copy
  q postgres 'DROP ROLE clerk, lb_owner, lb_reader, "lb_odd ""role"""'
  sql "SELECT backup_restore('$secret', '$(url copy)')"
  [ "$(q postgres "SELECT rolpassword FROM pg_authid WHERE rolname = 'clerk'")" = "$hash" ]
  pg_schema copy >after
  pg_data copy >>after
  diff before after
  pg_server_stop immediate
}

@test "roles that may not be read are left out, with a note" {
  local uri
  q postgres 'SET client_min_messages = error; DROP ROLE IF EXISTS middle;
    CREATE ROLE middle LOGIN'
  q shop 'GRANT USAGE ON SCHEMA shop, stock TO middle;
    GRANT SELECT ON ALL TABLES IN SCHEMA shop, stock, public TO middle;
    GRANT SELECT ON ALL SEQUENCES IN SCHEMA shop, stock TO middle'
  uri=$(url shop)
  run -0 sql "SELECT backup_create('${uri/user=postgres/user=middle}', '{\"roles\":\"passwords\"}')"
  into "$output" copy
  pg_same shop copy
  sql 'SELECT notes FROM backup_history'
  [[ $(sql 'SELECT notes FROM backup_history') == *'roles were left out'*'permission denied'* ]]
}

@test "a sequence that may not be read is an error before pg_dump begins, with what to grant" {
  q postgres 'SET client_min_messages = error; DROP ROLE IF EXISTS counter; CREATE ROLE counter LOGIN'
  newdb counted OWNER counter
  q counted 'CREATE SEQUENCE hidden'
  local uri
  uri=$(url counted)
  failing ': permission denied for sequence public.hidden (GRANT pg_read_all_data TO the user;' \
    sql "SELECT backup_create('${uri/user=postgres/user=counter}')"
  [[ $output != *'pg_dump failed'* ]]
  sql "SELECT backup_create('${uri/user=postgres/user=counter}', '{\"schema_only\":true}')"
  q counted 'GRANT SELECT ON SEQUENCE hidden TO counter'
  sql "SELECT backup_create('${uri/user=postgres/user=counter}')"
}

@test "options of user mappings that may not be read are left out, with a note" {
  q postgres 'SET client_min_messages = error; DROP ROLE IF EXISTS reader; CREATE ROLE reader LOGIN'
  newdb mapped OWNER reader
  q mapped "CREATE EXTENSION postgres_fdw; CREATE SERVER far FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host 'h');
    GRANT USAGE ON FOREIGN SERVER far TO reader;
    CREATE USER MAPPING FOR reader SERVER far OPTIONS (password 'own');
    CREATE USER MAPPING FOR postgres SERVER far OPTIONS (password 'hidden')"
  local uri file
  uri=$(url mapped)
  notes() { sql "SELECT coalesce(notes, 'none') FROM backup_history ORDER BY id DESC LIMIT 1"; }
  file=$(sql "SELECT backup_create('${uri/user=postgres/user=reader}')")
  notes | grep -x 'options of user mappings, which only their user or a superuser may read, are left out: postgres on server far'
  [[ $(zcat "$file") == *"password 'own'"* ]]
  # Options may be those of the server: then the owner's view of PUBLIC's counts.
  q mapped "CREATE USER MAPPING FOR PUBLIC SERVER far OPTIONS (password 'all'); DROP USER MAPPING FOR postgres SERVER far"
  sql "SELECT backup_create('${uri/user=postgres/user=reader}')"
  notes | grep 'left out: public on server far'
  q mapped 'ALTER SERVER far OWNER TO reader'
  sql "SELECT backup_create('${uri/user=postgres/user=reader}')"
  [ "$(notes)" = none ]
  q mapped "CREATE USER MAPPING FOR postgres SERVER far OPTIONS (password 'hidden')"
  sql "SELECT backup_create('${uri/user=postgres/user=reader}', '{\"schemas\":[\"public\"]}')"
  [ "$(notes)" = none ]
  sql "SELECT backup_create('$uri')"
  [ "$(notes)" = none ]
}

@test "with writers at work the backup is one point in time" {
  newdb bank
  q bank "CREATE TABLE account (id int PRIMARY KEY, amount int); CREATE TABLE branch (id int PRIMARY KEY, amount int);
    CREATE TABLE log (id serial, at int); 
    CREATE TABLE filler AS SELECT i, md5(i::text) FROM generate_series(1, 150000) AS i;
    INSERT INTO account SELECT i, 100 FROM generate_series(1, 200) AS i;
    INSERT INTO branch SELECT i, 0 FROM generate_series(1, 10) AS i"
  echo '\set a random(1, 200)
\set b random(1, 10)
BEGIN;
UPDATE account SET amount = amount - 7 WHERE id = :a;
UPDATE branch SET amount = amount + 7 WHERE id = :b;
INSERT INTO log (at) VALUES (:a);
END;' >transfer.sql
  "$PG_DEBIAN/bin/pgbench" -n -f transfer.sql -c 2 -T 60 "$(url bank)" >/dev/null 2>&1 3>&- &
  local bench=$!
  await answers "SELECT xact_commit > 100 FROM pg_stat_database WHERE datname = 'bank'"
  local i files=()
  for i in 1 2 3; do files+=("$(create bank "{\"jobs\":$((i + 1))}")"); done
  kill -0 $bench  # they wrote all the time
  kill $bench
  wait $bench || true
  for i in "${files[@]}"; do
    into "$i" copy
    [ "$(q copy 'SELECT (SELECT sum(amount) FROM account) + (SELECT sum(amount) FROM branch) = 20000,
      (SELECT sum(amount) FROM branch) = 7 * (SELECT count(*) FROM log), (SELECT count(*) > 0 FROM log)')" = 't|t|t' ]
  done
}

@test "two databases under one name are refused; a name of its own keeps them apart" {
  newdb one
  newdb two
  create one '{"name":"app"}'
  failing 'belongs to another source' create two '{"name":"app"}'
  [[ $output == *'{"name":'* ]]
  [ "$(backups)" = 1 ]
  create two '{"name":"app2"}'
  failing 'two' sql "SELECT backup_verify('latest')"
  # A Postgres target chooses its own source's newest.
  newdb empty
  q two 'CREATE TABLE t2 (id int)'
  create two '{"name":"app2"}'
  failing 'latest' sql "SELECT backup_restore('latest', '$(url empty)')"
  run -0 sql "SELECT json_extract(backup_restore('latest', '$(url two)', '{\"overwrite\":true}'), '\$.backup')"
  [[ $output == *app2_postgres_* ]]
}

@test "rotation by type leaves the other type alone; keep_until is kept" {
  make_db app.db
  sql "SELECT backup_create('$T/app.db', '{\"name\":\"app\"}')"
  newdb app
  create app
  touch -d '2020-01-01' b/*
  local day
  for day in 01 02 03; do
    cp b/app_postgres_2*.sql.gz old && mv old "b/app_postgres_202001${day}_000000.sql.gz"
    cp b/app_sqlite_2*.db.gz old && mv old "b/app_sqlite_202001${day}_000000.db.gz"
    break
  done
  [ "$(sql "SELECT type, count(*) FROM backups GROUP BY 1")" = $'postgres|2\nsqlite|2' ]
  sql "SELECT type, name FROM backups" >list
  sql "SELECT backup_rotate('{\"type\":\"postgres\",\"keep_last\":1}')"
  [ "$(sql "SELECT type, count(*) FROM backups GROUP BY 1")" = $'postgres|1\nsqlite|2' ]
  create app '{"retention_days":9}'
  [ "$(sql "SELECT count(*) FROM backups WHERE type = 'postgres' AND keep_until > datetime('now', '+8 days')")" = 1 ]
}

@test "history tells of a run and of a failure" {
  create shop '{"note":"before the move"}'
  failing 'nowhere' create nowhere
  sql "SELECT operation, source, backup IS NOT NULL, snapshot_seconds > 0, bytes > 0, raw_bytes > bytes,
    error FROM backup_history ORDER BY id" >rows
  cat rows
  grep -q '^create|.*shop.*|1|1|1|1|$' rows
  grep -q 'nowhere.*does not exist' rows
  [ "$(sql "SELECT note FROM backups")" = 'before the move' ]
}

@test "backup_activity shows a run to another connection" {
  hold shop 'LOCK TABLE shop.orders'
  python - "$LIFEBOAT_SO" "$(url shop)" <<'PY' >out 3>&- &
import sqlite3, sys, threading, time

def connect():
    db = sqlite3.connect(":memory:", check_same_thread=False)
    db.enable_load_extension(True)
    db.load_extension(sys.argv[1][:-3])
    return db

def work():
    print(connect().execute("SELECT backup_create(?)", (sys.argv[2],)).fetchone()[0])

thread = threading.Thread(target=work)
thread.start()
watcher, rows = connect(), []
while thread.is_alive():
    rows += watcher.execute("SELECT operation, subject, phase FROM backup_activity").fetchall()
    time.sleep(0.005)
thread.join()
for row in sorted(set(rows)):
    print(*row, sep="|")
print("left", watcher.execute("SELECT count(*) FROM backup_activity").fetchone()[0])
PY
  local pid=$!
  await answers "SELECT count(*) > 0 FROM pg_locks WHERE NOT granted AND mode = 'AccessShareLock'"
  release
  wait $pid
  cat out
  grep -q "^create|postgresql:///shop.*|locking tables$" out
  grep -q '^left 0$' out
}

# A pg_dump in $T/bin that tells what it was started with, and then is the real one.
spy() {
  mkdir -p bin
  local tool
  for tool in pg_dump pg_dumpall; do
    cat >bin/$tool <<EOF
#!/bin/sh
{ tr '\\0' '\\n' </proc/\$\$/cmdline; tr '\\0' '\\n' </proc/\$\$/environ; } >>$T/spied
exec $PG_DEBIAN/bin/$tool "\$@"
EOF
    chmod +x bin/$tool
  done
  export PG_BINDIR=$T/bin
}

@test "a password reaches server and pg_dump, and nobody else" {
  pg_server_start --name scram --scram --tcp
  newdb safe
  q safe "CREATE TABLE t (id int); INSERT INTO t VALUES (1)"
  local password=$PG_PASSWORD file=$PGPASSFILE uri bare
  uri=$(url_tcp safe postgres "$password")
  bare=$(url_tcp safe postgres)
  unset PGPASSFILE
  export HOME=$T
  spy
  local secret='Gehe1m'  # how it begins; the rest may come percent-encoded
  sql "SELECT backup_create('$uri', '{\"roles\":true}')" >out 2>&1
  PGPASSWORD=$password sql "SELECT backup_create('$bare', '{\"name\":\"env\"}')" >>out 2>&1
  PGPASSFILE=$file sql "SELECT backup_create('$bare', '{\"name\":\"file\"}')" >>out 2>&1
  [ "$(backups)" = 3 ]
  [ "$(grep -c -- '--section' spied)" -ge 6 ]
  newdb copy 2>/dev/null || { export PGPASSFILE=$file; newdb copy; }
  unset PGPASSFILE
  sql "SELECT backup_restore('latest:safe', '$(url_tcp copy postgres "$password")')" >>out 2>&1
  sql 'SELECT * FROM backups' 'SELECT * FROM backup_history' >>out
  # What fails shows it no more than what works.
  run sql "SELECT backup_create('${uri/safe/nowhere}')"
  echo "$output" >>out
  run sql "SELECT backup_create('$(url_tcp safe nobody "$password")')"
  [[ $output == *'check user name and password'* ]]
  echo "$output" >>out
  run sql "SELECT backup_create('$bare')"
  [[ $output == *'PGPASSWORD or PGPASSFILE'* ]]
  run sql "SELECT backup_create('$uri', '{\"name\":\"env\"}')" "SELECT backup_create('$uri', '{\"tables\":[\"no\"]}')"
  echo "$output" >>out
  grep -q nowhere out
  for file in b/*.gz; do gunzip -c "$file" >>scripts; done
  not grep -a "$secret" out spied scripts b/*
  grep -q '^PGPASSFILE=/proc/self/fd/' spied  # memory, not a file
  export PGPASSFILE=$PG_WORLD/scram/pgpass
  pg_same safe copy
  pg_server_stop immediate
}

@test "pg_dump comes from PG_BINDIR of the environment, and from nothing that SQL can say" {
  spy
  run -0 create shop
  grep -q -- '--section=pre-data' spied
  mkdir empty
  PG_BINDIR=$T/empty failing 'no pg_dump in PG_BINDIR=' create shop '{"name":"other"}'
  [[ $output == *postgresql-client-15* ]]
  PG_BINDIR=empty failing 'absolute path' create shop '{"name":"other"}'
  unset PG_BINDIR
  : >spied
  failing 'pg_bindir' create shop "{\"pg_bindir\":\"$T/bin\"}"
  failing 'PG_BINDIR' sql "SELECT backup_set('PG_BINDIR', '$T/bin')" "SELECT backup_create('$(url shop)')"
  [ ! -s spied ]
}

@test "a pg_dump that fails, that dies, that stops in the middle: its words, and nothing is left" {
  local what
  spy
  while IFS='|' read -r what said; do
    printf '#!/bin/sh\n[ "$1" != --version ] || { echo "pg_dump (PostgreSQL) 15.1"; exit; }\n%s\n' "$what" >bin/pg_dump
    failing "$said" create shop
    nothing_left
  done <<'EOF'
echo 'pg_dump: error: out of cheese' >&2; exit 1|out of cheese
kill -9 $$|pg_dump
exit 0|pg_dump
echo '-- PostgreSQL database dump'; exit 0|pg_dump
echo 'CREATE TABLE x ('; exec sleep 0.1|pg_dump
EOF
}

@test "a role of few connections: three are enough, fewer an error that says so" {
  local limit
  newdb narrow
  q narrow 'CREATE TABLE t (a int); INSERT INTO t VALUES (1)'
  few() {  # few LIMIT: a role for each, as sessions take a moment to end
    local uri
    uri=$(url narrow)
    sql "SELECT backup_create('${uri/user=postgres/user=narrow$1}', '{\"jobs\":4}')"
  }
  for limit in 0 1 3; do
    q postgres "CREATE ROLE narrow$limit LOGIN CONNECTION LIMIT $limit; GRANT pg_read_all_data TO narrow$limit"
  done
  failing 'too many connections for role "narrow0" (lower "jobs", end idle sessions, or raise max_connections)' few 0
  failing 'too many connections for role "narrow1" (a backup takes a connection and two of pg_dump, three with' few 1
  few 3
  [[ $(sql 'SELECT notes FROM backup_history LIMIT 1') == 'only '[1-3]' of 4 connections: '* ]]
}

# backup_restore into PostgreSQL databases: every way, what it refuses, and what is left when it fails.
load ../helper
load server
load oracle

setup_file() {
  pg_server_start
  newdb objects
  load_objects objects
  newdb shop
  q shop <"$PG_HERE/fixtures/shop.sql"
  newdb old
  q old "CREATE SCHEMA mine; CREATE TABLE mine.before (id int PRIMARY KEY, t text); CREATE VIEW v AS TABLE mine.before;
    INSERT INTO mine.before SELECT i, 'old ' || i FROM generate_series(1, 50) AS i; CREATE TABLE shopping (id serial)"
  mkdir "$BATS_FILE_TMPDIR/b"
  export BACKUP_DIR=$BATS_FILE_TMPDIR/b
  sql "SELECT backup_create('$(url objects)', '{\"jobs\":2}')" "SELECT backup_create('$(url shop)')"
}
teardown_file() { pg_server_stop_all; }
setup() {
  lifeboat_setup
  pg_server_use main
  cp -a "$BATS_FILE_TMPDIR/b" b
  export BACKUP_DIR=$T/b
}
teardown() {
  [ -z "${holder:-}" ] || release
  cd / && [ -n "${T:-}" ] && chmod -R u+rwx "$T" && rm -rf "$T"
}

# restore BACKUP DB [OPTIONS [FIELD]]: its report, or one field of it
restore() {
  local call="backup_restore('$1', '$(url "$2")', '${3:-{\}}')"
  sql "SELECT ${4:+json_extract(}$call${4:+, '\$.$4')}"
}

# A database with the content of old, quickly.
olddb() {
  absent "$1"
  q postgres "CREATE DATABASE $1 TEMPLATE old"
}
absent() { q postgres "SET client_min_messages = error; DROP DATABASE IF EXISTS $1 WITH (FORCE)"; }
there() { [ "$(q postgres "SELECT count(*) FROM pg_database WHERE datname = '$1'")" = 1 ]; }
databases() { q postgres 'SELECT datname FROM pg_database ORDER BY 1'; }
empty_db() {
  [ "$(q "$1" "SELECT (SELECT count(*) FROM pg_namespace WHERE oid >= 16384)
    + (SELECT count(*) FROM pg_class WHERE oid >= 16384) + (SELECT count(*) FROM pg_proc WHERE oid >= 16384)")" = 0 ]
}
saves() { find b -name '*_before_restore_*.sql.gz' | wc -l; }

@test "into an empty database, on one connection and on four" {
  newdb e1
  run -0 restore latest:objects e1 '{"jobs":1}'
  [ "$(sql "SELECT r ->> 'check', r ->> 'pre_restore' IS NULL FROM (SELECT '${output//\'/\'\'}' AS r)")" = 'ok|1' ]
  pg_same objects e1
  newdb e4
  restore latest:objects e4 '{"jobs":4}'
  pg_same objects e4
  [ "$(q e4 "SELECT reltuples FROM pg_class WHERE oid = 'app.people'::regclass")" = 300 ]  # analyzed
  [ "$(saves)" = 0 ]
}

@test "into a missing database, which has the encoding and locale of the old one" {
  absent fresh
  failing 'does not exist' restore latest:shop fresh
  [[ $output == *'"create":true'* ]]
  not there fresh
  newdb latin "ENCODING 'LATIN1' LOCALE 'C'"
  q latin <"$PG_HERE/fixtures/shop.sql"
  sql "SELECT backup_create('$(url latin)')"
  restore latest:latin fresh '{"create":true}'
  pg_same latin fresh
  pg_properties_same latin fresh
  absent fresh
  [ "$(restore latest:objects fresh '{"create":true,"jobs":3}' created)" = 1 ]
  pg_same objects fresh
}

@test "over what is there in one transaction; it is saved first, by a backup like any other" {
  olddb over
  failing 'not empty' restore latest:objects over
  [[ $output == *'"overwrite":true'* ]]
  pg_same old over
  [ "$(saves)" = 0 ]
  run -0 restore latest:objects over '{"overwrite":true,"create":true}'
  [[ $output == *'"created":false'* ]]
  output=$(sql "SELECT '${output//\'/\'\'}' ->> 'pre_restore'")
  [[ $output =~ /b/over_postgres_before_restore_[0-9_]+\.sql\.gz$ ]]
  pg_same objects over
  [ "$(sql "SELECT kind, type, name FROM backups WHERE path = '$output'")" = 'before_restore|postgres|over' ]
  sql "SELECT backup_restore('$output', '$(url over)', '{\"overwrite\":true,\"pre_restore\":false}')"
  pg_same old over
  [ "$(saves)" = 1 ]
}

@test "by swap: the new one takes the name, the old one stays, properties are carried over" {
  olddb swapped
  q postgres "SET client_min_messages = error; DROP ROLE IF EXISTS dbowner, dbuser;
    CREATE ROLE dbowner; CREATE ROLE dbuser;
    ALTER DATABASE swapped OWNER TO dbowner; ALTER DATABASE swapped SET work_mem = '7MB';
    ALTER ROLE dbuser IN DATABASE swapped SET search_path = 'a, b', \"C\";
    REVOKE ALL ON DATABASE swapped FROM PUBLIC; GRANT CONNECT ON DATABASE swapped TO dbuser WITH GRANT OPTION;
    COMMENT ON DATABASE swapped IS E'it''s\\nmine'; ALTER DATABASE swapped CONNECTION LIMIT 17"
  pg_properties swapped >before
  local report aside
  report=$(restore latest:objects swapped '{"overwrite":true,"mode":"swap","jobs":3}')
  aside=$(sql "SELECT json_extract('${report//\'/\'\'}', '\$.previous')")
  [[ $aside =~ ^swapped_before_restore_[0-9_]+$ ]]
  pg_same objects swapped
  pg_same old "$aside"
  pg_properties swapped >after
  diff before after
  [ "$(saves)" = 1 ]
  q postgres "DROP DATABASE \"$aside\""
  q swapped 'ALTER SUBSCRIPTION to_nowhere SET (slot_name = NONE); DROP SUBSCRIPTION to_nowhere'
  report=$(restore latest:shop swapped '{"overwrite":true,"mode":"swap","drop_old":true}')
  [[ $report != *previous* ]]
  pg_same shop swapped
  [[ $(databases) != *swapped_* ]]
}

@test "several swaps within a second keep all of the old databases" {
  local name i
  name=$(printf 'n%.0s' {1..63})
  for i in swapped $name; do
    olddb "$i"
    sql "SELECT backup_restore('latest:shop', '$(url "$i")', '{\"overwrite\":true,\"mode\":\"swap\",\"pre_restore\":false}')
      ->> '\$.previous' FROM (VALUES (1), (2), (3), (4), (5), (6))" >kept
    cat kept
    [ "$(sort -u kept | wc -l)" = 6 ]
  done
  databases >all
  [ "$(grep -cE '^(swapped|n+)_before_restore_' all)" = 12 ]
  for i in $(grep -E '^(swapped|n+)(_before|$)' all); do absent "$i"; done
}

@test "swap with sessions in the way: an error that names them, or they are ended" {
  olddb busy
  hold busy
  databases >before
  failing 'holder' restore latest:shop busy '{"overwrite":true,"mode":"swap"}'
  [[ $output == *'"force":true'* ]]
  databases >after
  diff before after
  pg_same old busy
  restore latest:shop busy '{"overwrite":true,"mode":"swap","force":true,"drop_old":true}'
  pg_same shop busy
}

@test "a locked table makes a transaction wait no longer than lock_timeout" {
  olddb locked
  hold locked 'LOCK TABLE mine.before'
  SECONDS=0
  failing 'lock timeout (end what locks tables, or raise "lock_timeout"; locked: "mine"."before" by holder (user ' \
    restore latest:shop locked '{"overwrite":true,"lock_timeout":300,"pre_restore":false}'
  [ $SECONDS -lt 5 ]
  release
  pg_same old locked
}

# A dump of shop whose last statement fails.
broken() {
  gunzip -c b/shop_postgres_2*.sql.gz >broken.sql
  printf '%s\n' 'ALTER TABLE shop.orders ADD CONSTRAINT positive CHECK (total < 100);' '' \
    '-- PostgreSQL database dump complete' >>broken.sql
  offset=$(grep -abo 'ALTER TABLE shop.orders ADD CONSTRAINT positive' broken.sql | cut -d: -f1)
}

@test "an error in the script names statement and offset; the target is as it was" {
  broken
  olddb whole
  failing "statement at byte $offset" restore "$T/broken.sql" whole '{"overwrite":true}'
  [[ $output == *'positive'*'is violated by some row'* ]]
  pg_same old whole
  newdb bare
  failing "statement at byte $offset" restore "$T/broken.sql" bare
  empty_db bare
  databases >before
  failing "statement at byte $offset" restore "$T/broken.sql" whole '{"overwrite":true,"mode":"swap"}'
  failing "statement at byte $offset" restore "$T/broken.sql" fresh2 '{"create":true}'
  databases >after
  diff before after
  pg_same old whole
}

@test "what fails while many connections load leaves an empty database empty" {
  newdb bad
  q bad "CREATE FUNCTION ok(int) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS
      \$\$ BEGIN RETURN current_database() = 'bad'; END \$\$;
    CREATE TABLE a (id int CHECK (ok(id))); INSERT INTO a VALUES (1); CREATE TABLE b AS SELECT 1 AS x"
  sql "SELECT backup_create('$(url bad)')"
  newdb bare
  failing 'violates check constraint' restore latest:bad bare '{"jobs":3}'
  empty_db bare
  olddb whole
  failing 'violates check constraint' restore latest:bad whole '{"overwrite":true,"mode":"swap","jobs":3}'
  pg_same old whole
}

@test "a script that is not compressed, and one with what no pg_dump wrote around it" {
  gunzip -c b/shop_postgres_2*.sql.gz >shop.sql
  newdb plain
  restore "$T/shop.sql" plain
  pg_same shop plain
  newdb plain
  { printf '\xef\xbb\xbf'; cat shop.sql; } >bom.sql
  restore "$T/bom.sql" plain
  pg_same shop plain
}

@test "missing roles and extensions are found before anything is touched" {
  gunzip -c b/shop_postgres_2*.sql.gz | sed 's/OWNER TO postgres/OWNER TO "no ""body"/' |
    sed '0,/^CREATE SCHEMA/s//CREATE EXTENSION IF NOT EXISTS nothing_like_it;\nCREATE SCHEMA/' >other.sql
  echo 'GRANT ALL ON TABLE shop.orders TO spirit;' >>other.sql
  echo '-- PostgreSQL database dump complete' >>other.sql
  olddb whole
  failing 'nothing was touched' restore "$T/other.sql" whole '{"overwrite":true}'
  [[ $output == *'no "body'* ]]
  [[ $output == *spirit* ]]
  [[ $output == *nothing_like_it* ]]
  [ "$(saves)" = 0 ]
  pg_same old whole
  sed -i '/nothing_like_it/d' other.sql
  failing 'missing roles' restore "$T/other.sql" whole '{"overwrite":true,"no_owner":true}'
  restore "$T/other.sql" whole '{"overwrite":true,"no_owner":true,"no_privileges":true}'
  pg_data_same shop whole
}

@test "no_owner and no_privileges leave an object to who restores" {
  q postgres "SET client_min_messages = error; DROP ROLE IF EXISTS restorer; CREATE ROLE restorer LOGIN CREATEDB"
  q postgres "SET client_min_messages = error; DROP DATABASE IF EXISTS his; CREATE DATABASE his OWNER restorer"
  local uri
  uri=$(url his)
  sql "SELECT backup_restore('latest:shop', '${uri/user=postgres/user=restorer}',
    '{\"no_owner\":true,\"no_privileges\":true}')"
  pg_data_same shop his
  [ "$(q his "SELECT DISTINCT relowner::regrole FROM pg_class WHERE relnamespace = 'shop'::regnamespace")" = restorer ]
  run -0 pg_dump --schema-only -O -x -d "$(url his)"
  [ "$(pg_dump --schema-only -O -x -d "$(url shop)" | grep -v '^\\')" = "$(grep -v '^\\' <<<"$output")" ]
}

@test "a SQLite backup for a Postgres target, and the reverse" {
  make_db app.db
  sql "SELECT backup_create('$T/app.db')"
  olddb whole
  failing 'no backup for' restore latest:app whole '{"overwrite":true}'
  failing 'SQLite' sql "SELECT backup_restore('$(ls b/app_sqlite_*.gz)', '$(url whole)', '{\"overwrite\":true}')"
  pg_same old whole
  content app.db >before
  failing 'PostgreSQL' sql "SELECT backup_restore('$(ls "$T"/b/shop_postgres_2*.gz)', '$T/app.db',
    '{\"overwrite\":true}')"
  content app.db >after
  diff before after
  gunzip -c b/shop_postgres_2*.gz >shop.sql
  failing 'PostgreSQL' sql "SELECT backup_restore('$T/shop.sql', '$T/app.db', '{\"overwrite\":true}')"
  failing 'SQLite' restore "$T/app.db" whole '{"overwrite":true}'
  [ "$(saves)" = 0 ]
}

@test "a name that says another type than the content" {
  make_db app.db
  gzip -c app.db >b/admin_postgres_20250101_000000.sql.gz
  olddb whole
  failing 'SQLite' restore admin_postgres_20250101_000000.sql.gz whole '{"overwrite":true}'
  pg_same old whole
  [ "$(saves)" = 0 ]
}

@test "commands of psql and programs of the server are refused before anything is touched" {
  olddb whole
  local canary=$T/canary line
  while read -r line; do
    { gunzip -c b/shop_postgres_2*.sql.gz | sed '/dump complete/d'; printf '%s\n' "$line"
      printf -- '--\n-- PostgreSQL database dump complete\n--\n'; } >evil.sql
    run restore "$T/evil.sql" whole '{"overwrite":true}'
    echo "$line: $output"
    [ "$status" -ne 0 ]
    [[ $output == *'script'* ]]
    [ ! -e "$canary" ]
    [ "$(saves)" = 0 ]
  done <<EOF
\\! touch $canary
SELECT 1; \\! touch $canary
\\i /etc/passwd
\\copy shop.orders from program 'touch $canary'
SELECT 1 \\g |touch $canary
COPY shop.orders FROM PROGRAM 'touch $canary';
COPY shop.orders TO PROGRAM 'touch $canary';
copy /* */ shop.orders from '/etc/passwd';
COPY (SELECT 1) TO '$canary';
\\connect other \`touch $canary\`
EOF
  pg_same old whole
}

@test "bytes of a report are those that were read, whatever the file tells" {
  gunzip -c b/shop_postgres_2*.sql.gz >shop.sql
  gzip -k shop.sql
  for file in shop.sql.zst shop.sql.gz shop.sql; do
    [ $file != shop.sql.zst ] || { [[ $(sql 'SELECT backup_version()') == *zstd* ]] || continue; zstd -q <shop.sql >$file; }
    absent sized
    [ "$(restore "$T/$file" sized '{"create":true}' bytes)" = "$(stat -c %s shop.sql)" ]
    [ "$(sql "SELECT raw_bytes FROM backup_history ORDER BY id DESC LIMIT 1")" = "$(stat -c %s shop.sql)" ]
  done
}

@test "a dump that was cut off, in pg_dump's other formats, of nothing" {
  olddb whole
  gunzip -c b/shop_postgres_2*.sql.gz >shop.sql
  head -c $(($(stat -c %s shop.sql) / 2)) shop.sql >cut.sql
  failing 'cut.sql' restore "$T/cut.sql" whole '{"overwrite":true}'
  sed '/^ALTER TABLE ONLY/,$d' shop.sql >cut.sql  # between two statements
  failing 'not finished' restore "$T/cut.sql" whole '{"overwrite":true}'
  gzip -c shop.sql | head -c 1500 >cut.sql.gz
  failing 'cut.sql.gz' restore "$T/cut.sql.gz" whole '{"overwrite":true}'
  pg_dump -Fc -d "$(url shop)" >shop.dump
  failing 'pg_restore' restore "$T/shop.dump" whole '{"overwrite":true}'
  gzip shop.dump
  failing 'pg_restore' restore "$T/shop.dump.gz" whole '{"overwrite":true}'
  pg_dump -Ft -d "$(url shop)" >shop.tar
  failing 'shop.tar: is a tar archive (if it is pg_dump'"'"'s, pg_restore -f dump.sql FILE' \
    restore "$T/shop.tar" whole '{"overwrite":true}'
  pg_dump -Fd -f shop.dir -d "$(url shop)"
  failing "shop.dir is in pg_dump's directory format (pg_restore -f dump.sql FOLDER" \
    restore "$T/shop.dir" whole '{"overwrite":true}'
  python -c 'import bz2, lzma
sql = open("shop.sql", "rb").read()
open("shop.sql.bz2", "wb").write(bz2.compress(sql))
open("shop.sql.xz", "wb").write(lzma.compress(sql))'
  failing 'shop.sql.bz2: is compressed by bzip2 (bunzip2 it first)' \
    restore "$T/shop.sql.bz2" whole '{"overwrite":true}'
  failing 'shop.sql.xz: is compressed by xz (unxz it first)' restore "$T/shop.sql.xz" whole '{"overwrite":true}'
  failing 'is compressed by xz' sql "SELECT backup_verify('$T/shop.sql.xz')"
  pg_restore -f made.sql shop.tar
  restore "$T/made.sql" made '{"create":true}'
  pg_same shop made
  : >nothing.sql
  failing 'nothing.sql' restore "$T/nothing.sql" whole '{"overwrite":true}'
  pg_same old whole
  [ "$(saves)" = 0 ]
}

@test "what pg_dump 15 wrote for the old script: text, -C, --inserts, -c" {
  newdb d
  pg_dump -d "$(url objects)" | gzip >b/admin_postgres_20250101_000000.sql.gz
  restore admin_postgres_20250101_000000.sql.gz d
  pg_same objects d
  newdb d
  pg_dump --rows-per-insert=20 -d "$(url shop)" >inserts.sql
  restore "$T/inserts.sql" d
  pg_same shop d
  olddb d
  pg_dump -C --clean --if-exists -d "$(url shop)" >create.sql
  run -0 restore "$T/create.sql" d '{"overwrite":true}' notes
  [[ $output == *'database itself'* ]]
  pg_same shop d
  [ "$(sql "SELECT file, problem IS NULL, type FROM backups WHERE file LIKE 'admin%'")" = \
    'admin_postgres_20250101_000000.sql.gz|1|postgres' ]
}

@test "a script for several databases is refused" {
  olddb whole
  pg_dumpall --no-role-passwords >all.sql
  failing 'another database' restore "$T/all.sql" whole '{"overwrite":true}'
  pg_same old whole
}

@test "history tells of a restore and of what was saved" {
  olddb over
  failing 'not empty' restore latest:shop over
  restore latest:shop over '{"overwrite":true}'
  sql "SELECT operation, backup LIKE 'shop_postgres_%', target LIKE '%over%', bytes > 0, raw_bytes > bytes,
    error IS NULL FROM backup_history WHERE operation = 'restore' ORDER BY id" >rows
  cat rows
  [ "$(tail -1 rows)" = 'restore|1|1|1|1|1' ]
  [ "$(wc -l <rows)" = 2 ]
}

@test "the target's own newest backup is what latest means" {
  olddb app
  sql "SELECT backup_create('$(url app)')"
  q app 'DROP SCHEMA mine CASCADE'
  run -0 restore latest app '{"overwrite":true}' backup
  [[ $output == */app_postgres_2* ]]
  pg_same old app
}

@test "wrong options name themselves" {
  newdb e1
  failing 'mode' restore latest:shop e1 '{"mode":"other"}'
  failing 'swaps' restore latest:shop e1 '{"swaps":1}'
  failing 'jobs' restore latest:shop e1 '{"jobs":0}'
  failing 'timeout_ms' restore latest:shop e1 '{"timeout_ms":5}'
  empty_db e1
}

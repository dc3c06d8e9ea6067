# backup_table: the rows of a table inside a backup, held against the server, against damage and against forgery. What
# takes a program is in table.py (every value), table_damage.py (blocks and forged parts) and table_host.py (hosts).
load ../helper
load ../api/expect
load server

setup_file() {
  pg_server_start
  install_test_extension
  newdb objects && load_objects objects
  newdb shop && q shop <"$PG_HERE/fixtures/shop.sql"
  newdb types && q types <<'SQL'
CREATE TYPE mood AS ENUM ('sad', 'it''s');
CREATE DOMAIN yes AS boolean;
CREATE TABLE kinds (id bigint, i2 smallint, n numeric, p numeric(10,2), f double precision, r real, b boolean, d yes,
  t text, y bytea, a int[], j jsonb, ts timestamptz, m mood, vc varchar(9), u uuid, o oid, iv interval);
INSERT INTO kinds VALUES
  (9223372036854775807, -1, 123456789012345678901234567890.5, 1.10, 0.1, 0.1, true, false, E'tab\t, newline\n, \\. \\N',
   '\x005c2e0aff', '{1,NULL}', '{"a": [1, null]}', 'infinity', 'it''s', 'vär', '00000000-0000-0000-0000-000000000001', 7,
   '1 day'),
  (-1, NULL, 'NaN', 5, 'NaN', '-Infinity', false, NULL, '', '\x', '{}', 'null', '2024-02-29 12:00:00.5+02', 'sad', '',
   NULL, NULL, NULL),
  (0, 0, 0.000, -0.5, 1e300, 1.5, NULL, true, '\N', NULL, NULL, NULL, NULL, NULL, NULL, NULL, 0, NULL);
SQL
  export KEPT=$BATS_FILE_TMPDIR/b
  mkdir "$KEPT"
  BACKUP_DIR=$KEPT sql "SELECT backup_create('$(url objects)')" "SELECT backup_create('$(url shop)')" \
    "SELECT backup_create('$(url types)')" >/dev/null
}
teardown_file() { pg_server_stop_all; }

setup() {
  lifeboat_setup
  export BACKUP_DIR=$KEPT
}

# What the shell's prefix and the folder differ in.
plain() {
  sed -E "s|$KEPT|KEPT|g; s|$T|T|g; s/20[0-9]{6}_[0-9]{6}(_[0-9]+)?/STAMP/g; s/^ *length/length/; s/^(Runtime|Parse) error near line [0-9]+: //; s/ \([0-9]+\)$//"
}

# made BACKUP TABLE SQL…: with the table as temp.x.
made() { sql "CREATE VIRTUAL TABLE temp.x USING backup_table('${1//\'/\'\'}', '${2//\'/\'\'}')" "${@:3}"; }
# rows WANT BACKUP TABLE SQL…, refused WANT BACKUP TABLE [SQL…]
rows() {
  local got
  got=$(made "${@:2}" 2>&1) || { printf 'failed: %s\n' "$got" >&2; return 1; }
  same "$1" "$(plain <<<"$got")"
}
refused() {
  local got
  if got=$(made "${@:2}" 2>&1 >out); then
    printf 'did not fail: %s\n' "$(cat out)" >&2
    return 1
  fi
  same "$1" "$(head -n 1 <<<"$got" | plain)"  # below it a parse error shows where
}

# dump NAME [LINES…]: a hand-made dump of pg_dump's kind as NAME in $T.
dump() {
  { printf -- '--\n-- PostgreSQL database dump\n--\n\n'; printf '%s\n' "${@:2}"; } >"$1"
}

@test "every table, column and value is the server's: in ours, in pg_dump's, plain and compressed, in ours unpacked" {
  local ours
  ours=$(ls "$KEPT"/objects*.gz)
  pg_dump -f o.sql "$(url objects)"
  gzip -k o.sql
  gunzip -c "$ours" >ours.sql
  run -0 python -B "$PG_HERE/table.py" "$(url objects)" "$ours" "$T/o.sql" "$T/o.sql.gz" "$T/ours.sql"
  echo "$output"
  [ "$(uniq <<<"$output" | wc -l)" = 1 ]
  [[ ${lines[0]} =~ ^([0-9]+)\ tables.*\ 3\ elsewhere,\ 0\ wrong$ ]] && [ "${BASH_REMATCH[1]}" -gt 30 ]
}

@test "zstd, ours and another tool's" {
  has_zstd || return 0
  export BACKUP_DIR=$T
  local ours
  ours=$(sql "SELECT backup_create('$(url shop)', '{\"compress\":\"zstd\"}')")
  rows '200|20100|1' "$ours" shop.orders 'SELECT count(*), sum(id), min(id) FROM x'
  zstd -dcq "$ours" | zstd -q >shop.sql.zst
  rows '200|20100|1' ./shop.sql.zst shop.orders 'SELECT count(*), sum(id), min(id) FROM x'
}

@test "types: what becomes of them, and the columns' affinities" {
  rows "integer|-1|text|123456789012345678901234567890.5|real|1.1|real|0.1|real|0.1
integer|NULL|text|'NaN'|integer|5|text|'NaN'|text|'-Infinity'
integer|0|integer|0|real|-0.5|real|1.0e+300|real|1.5" latest:types kinds \
    "SELECT typeof(id), quote(i2), typeof(n), CASE typeof(n) WHEN 'text' THEN replace(quote(n), quote('123456789012345678901234567890.5'), n) ELSE quote(n) END, typeof(p), quote(p), typeof(f), quote(f), typeof(r), quote(r) FROM x"
  rows "1|0|integer|X'005C2E0AFF'|'{1,NULL}'|'{\"a\": [1, null]}'|'infinity'|'it''s'|'vär'|'00000000-0000-0000-0000-000000000001'|7|'1 day'
0|NULL|integer|X''|'{}'|'null'|'2024-02-29 10:00:00.5+00'|'sad'|''|NULL|NULL|NULL
NULL|1|null|NULL|NULL|NULL|NULL|NULL|NULL|NULL|0|NULL" latest:types kinds \
    'SELECT quote(b), quote(d), typeof(b), quote(y), quote(a), quote(j), quote(ts), quote(m), quote(vc), quote(u), quote(o), quote(iv) FROM x'
  rows "'tab	, newline
, \. \N'
''
'\N'" latest:types kinds 'SELECT quote(t) FROM x'
  rows 'id INTEGER, i2 INTEGER, n NUMERIC, p NUMERIC, f REAL, r REAL, b INTEGER, d INTEGER, t TEXT, y BLOB, a TEXT, j TEXT, ts TEXT, m TEXT, vc TEXT, u TEXT, o INTEGER, iv TEXT' \
    latest:types kinds "SELECT group_concat(name || ' ' || type, ', ') FROM pragma_table_info('x')"
  rows '9223372036854775807' latest:types kinds "SELECT id FROM x WHERE id = '9223372036854775807' AND p < 2 AND t LIKE 'tab%'"
}

@test "names: with and without a schema, quoted, near ones, several, none" {
  rows 100 latest:shop CUSTOMER 'SELECT count(*) FROM x'
  rows 100 latest:shop Shop.Customer 'SELECT count(*) FROM x'
  rows 100 latest:shop '"shop"."customer"' 'SELECT count(*) FROM x'
  rows 100 latest:shop stock.item 'SELECT count(*) FROM x'
  refused 'KEPT/shop_postgres_STAMP.sql.gz: several tables are called "item": public.item, stock.item (say which, with its schema)' latest:shop item
  refused "KEPT/shop_postgres_STAMP.sql.gz: no table shop.cutsomer in it; near: shop.customer (SELECT * FROM backup_contents('KEPT/shop_postgres_STAMP.sql.gz') lists its tables)" latest:shop shop.cutsomer
  refused "KEPT/shop_postgres_STAMP.sql.gz: no table shop.item in it; near: public.item, stock.item (SELECT * FROM backup_contents('KEPT/shop_postgres_STAMP.sql.gz') lists its tables)" latest:shop shop.item
  refused "KEPT/shop_postgres_STAMP.sql.gz: no table order in it; near: shop.orders, shop.order_line (SELECT * FROM backup_contents('KEPT/shop_postgres_STAMP.sql.gz') lists its tables)" latest:shop order
  refused "KEPT/shop_postgres_STAMP.sql.gz: no table \"Customer\" in it; near: shop.customer (SELECT * FROM backup_contents('KEPT/shop_postgres_STAMP.sql.gz') lists its tables)" latest:shop '"Customer"'
  refused "KEPT/shop_postgres_STAMP.sql.gz: no table elephants in it (SELECT * FROM backup_contents('KEPT/shop_postgres_STAMP.sql.gz') lists its tables)" latest:shop elephants
  refused 'KEPT/shop_postgres_STAMP.sql.gz: shop.spent is a view, whose rows are in no backup' latest:shop shop.spent
  refused 'KEPT/objects_postgres_STAMP.sql.gz: app.far_table is a foreign table, whose rows are in no backup' latest:objects app.far_table
  local name
  for name in '' . a. .a 'a.b.c' '"a' '"a"b' 'a"b"' '""'; do
    refused "\"$name\" is no name of a table: pass schema.table, with names that are not in lower case in double quotes: public.\"Agents\"" latest:shop "$name"
  done
  rows "select
6" latest:objects '"Odd "" schema; --"."table"' "SELECT name FROM pragma_table_info('x')" 'SELECT count(*) FROM x'
  rows '1|b|ä|"|new
line|\|--|1' latest:objects '"Odd "" schema; --"."Odd
table \. $$ %s '"'"' /*"' 'SELECT * FROM x'
  sql "CREATE VIRTUAL TABLE temp.x USING backup_table(latest:objects, public.\"UPPER\")" 'SELECT * FROM x' >bare
  [ "$(cat bare)" = 'u|1' ]
  q shop 'CREATE TABLE "Same" ("Id" int, id int, "ID" text, "id:1" int); INSERT INTO "Same" VALUES (1, 2, 3, 4)'
  BACKUP_DIR=$T sql "SELECT backup_create('$(url shop)', '{\"tables\":[\"\\\"Same\\\"\"]}')" >path
  rows '1|2|3|4' "$(cat path)" '"Same"' 'SELECT "Id", "id:1", "ID:2", "id:1:1" FROM x'
}

@test "partitions: those that are in the backup, under the parent, at each level" {
  rows '400|400|event 1' latest:objects app.event 'SELECT count(*), count(DISTINCT id), min(body) FROM x'
  rows "$(q objects 'SELECT count(*), sum(id) FROM app.event_2023')" latest:objects app.event_2023 'SELECT count(*), sum(id) FROM x'
  rows "$(q objects 'SELECT count(*), sum(id), min(body) FROM app.event_2024')" latest:objects app.event_2024 'SELECT count(*), sum(id), min(body) FROM x'
  rows 'body|region|at|id' latest:objects app.event_2024 "SELECT group_concat(name, '|') FROM pragma_table_info('x')"
  rows 0 latest:objects app.empty_parent 'SELECT count(*) FROM x'
  rows "$(q objects 'SELECT count(*) FROM app.moods')" latest:objects app.moods 'SELECT count(*) FROM x'
  refused 'KEPT/objects_postgres_STAMP.sql.gz: rows of app.moods_1 are in it among those of app.moods, which it is a partition of: ask for that table' latest:objects app.moods_1
  pg_dump -f o.sql "$(url objects)"
  rows "$(q objects 'SELECT count(*) FROM app.moods')" ./o.sql app.moods 'SELECT count(*) FROM x'
  refused "./o.sql: table app.moods_1, byte $(grep -abo '^COPY app.moods ' o.sql | head -1 | cut -d: -f1) of the script: its rows are among those of a table that it is a partition of: ask for that table" ./o.sql app.moods_1 'SELECT * FROM x'
  # Inheritance is another thing: a table has its own rows.
  rows '1|base' latest:objects app.base 'SELECT * FROM x'
}

@test "no columns: a row is a row" {
  rows $'2\n1\n2' latest:objects app.zero_columns 'SELECT count(*) FROM x' 'SELECT rowid FROM x'
  rows $'NULL\nNULL' latest:objects app.all_dropped 'SELECT quote("no columns") FROM x'
  rows 'no columns' latest:objects app.only_generated "SELECT name FROM pragma_table_info('x')"
}

@test "rowid: equal, from, to, in between, odd values; its order; LIMIT and OFFSET" {
  rows '7|8' latest:shop shop.orders 'SELECT rowid, id + 1 FROM x WHERE rowid = 7'
  rows 195 latest:shop shop.orders 'SELECT count(*) FROM x WHERE rowid > 5'
  rows $'196\n4\n5|6|7\n0\n0\n0\n200\n3\n200' latest:shop shop.orders 'SELECT count(*) FROM x WHERE rowid >= 5' \
    'SELECT count(*) FROM x WHERE rowid < 5' \
    "SELECT group_concat(rowid, '|') FROM x WHERE rowid BETWEEN 5 AND 7" 'SELECT count(*) FROM x WHERE rowid = NULL' \
    'SELECT count(*) FROM x WHERE rowid = 2.5' 'SELECT count(*) FROM x WHERE rowid > 200' \
    'SELECT count(*) FROM x WHERE rowid > -1e300' "SELECT count(*) FROM x WHERE rowid IN (1, 200, '3', 'x', 201)" \
    'SELECT count(*) FROM x WHERE rowid < 9223372036854775807'
  rows $'2\n3\n0\n0' latest:shop shop.orders 'SELECT count(*) FROM x WHERE rowid > 2.5 AND rowid < 4.5' \
    'SELECT count(*) FROM x WHERE rowid >= 2 AND rowid < 4.5' 'SELECT count(*) FROM x WHERE rowid = 0' \
    'SELECT count(*) FROM x WHERE rowid = -9223372036854775808'
  rows $'200\n1' latest:shop shop.orders 'SELECT rowid FROM x ORDER BY rowid DESC LIMIT 1' 'SELECT rowid FROM x ORDER BY rowid LIMIT 1'
  rows $'101\n102' latest:shop shop.orders 'SELECT rowid FROM x LIMIT 2 OFFSET 100'
  made latest:shop shop.orders 'EXPLAIN QUERY PLAN SELECT * FROM x WHERE rowid > 5 AND rowid < 9 ORDER BY rowid' >plan
  grep -q 'VIRTUAL TABLE INDEX 198:' plan
  [ "$(grep -c B-TREE plan)" = 0 ]
}

@test "beside a live table: join, and lost rows put back" {
  gives $'3|390.0|151.5\n5\n100' "CREATE TABLE customer(id INTEGER PRIMARY KEY, name TEXT)" \
    "CREATE VIRTUAL TABLE temp.old USING backup_table('latest:shop', 'shop.customer')" \
    "CREATE VIRTUAL TABLE temp.paid USING backup_table('latest:shop', 'shop.orders')" \
    "INSERT INTO customer SELECT * FROM old WHERE id > 5" \
    "SELECT count(*), sum(total), max(CASE WHEN total < 200 THEN total END) FROM paid JOIN old ON old.id = paid.customer WHERE paid.id IN (100, 101) AND name <> 'x' OR old.name = 'customer 60' AND paid.id < 100" \
    "SELECT count(*) FROM old WHERE id NOT IN (SELECT id FROM customer)" \
    "INSERT INTO customer SELECT * FROM old WHERE id NOT IN (SELECT id FROM main.customer)" \
    "SELECT count(*) FROM customer"
}

@test "rows go back into the server as CSV, as docs/recover.md tells: nothing is lost" {
  q types 'CREATE TABLE back (LIKE kinds)'
  made latest:types kinds '.mode csv' '.once rows.csv' "SELECT id, i2, n, p, CASE typeof(f) WHEN 'real' THEN printf('%!.17g', f) ELSE f END,
    CASE typeof(r) WHEN 'real' THEN printf('%!.17g', r) ELSE r END, b, d, t, CASE WHEN y IS NOT NULL THEN '\x' || hex(y) END, a, j, ts, m, vc, u, o, iv FROM x"
  q types '\copy back FROM rows.csv (FORMAT csv)'
  [ "$(q types 'SELECT count(*) FROM back')" = 3 ]
  # As texts, because json has no equality. The scale of a numeric that has none of its own is not kept.
  q types 'UPDATE kinds SET n = trim_scale(n)'
  run -0 q types 'SELECT was::text FROM kinds AS was EXCEPT SELECT now::text FROM back AS now'
  [ -z "$output" ]
}

@test "only in temp, read-only, out of reach of what is stored in a database" {
  fails 'backup_table makes tables in the schema temp only: CREATE VIRTUAL TABLE temp.…' \
    "CREATE VIRTUAL TABLE x USING backup_table('latest:shop', 'shop.orders')"
  needs="backup_table needs a backup and a table: CREATE VIRTUAL TABLE temp.old USING backup_table('latest', 'public.agents')"
  fails "$needs" "CREATE VIRTUAL TABLE temp.x USING backup_table"
  fails "$needs" "CREATE VIRTUAL TABLE temp.x USING backup_table('latest')"
  fails "$needs" "CREATE VIRTUAL TABLE temp.x USING backup_table('latest', 'a', 'b')"
  fails 'no such table: backup_table' 'SELECT * FROM backup_table'
  for statement in 'INSERT INTO x(id) VALUES (1)' 'DELETE FROM x' 'UPDATE x SET id = 1'; do
    refused 'table x may not be modified' latest:shop shop.orders "$statement"
  done
  refused 'view v cannot reference objects in database temp' latest:shop shop.orders 'CREATE VIEW main.v AS SELECT * FROM temp.x'
  refused 'no such table: main.x' latest:shop shop.orders 'CREATE VIEW main.v AS SELECT * FROM x' 'SELECT * FROM v'
  rows 200 latest:shop shop.orders 'CREATE TEMP VIEW v AS SELECT * FROM x' 'SELECT count(*) FROM v'
  # A file in whose schema somebody planted one, by a tool that knows no such rule.
  sqlite3 planted.db "CREATE TABLE t(a); PRAGMA writable_schema = on;
    INSERT INTO sqlite_schema VALUES('table', 'x', 'x', 0, 'CREATE VIRTUAL TABLE x USING backup_table(''latest:shop'', ''shop.orders'')')"
  fails 'backup_table makes tables in the schema temp only: CREATE VIRTUAL TABLE temp.…' "ATTACH 'planted.db' AS p" 'SELECT * FROM p.x'
  gives 200 "ATTACH 'planted.db' AS p" "SELECT backup_version() IS NULL WHERE 0" "CREATE VIRTUAL TABLE temp.y USING backup_table('latest:shop', 'shop.orders')" 'SELECT count(*) FROM y'
}

@test "a table stays what it was: newer backups, deletion, ATTACH, RENAME, DROP, ROLLBACK" {
  export BACKUP_DIR=$T
  sql "SELECT backup_create('$(url shop)')" >path
  gives $'20\n20\n0\n20\n20\n21' "CREATE VIRTUAL TABLE temp.x USING backup_table('latest', 'public.item')" \
    'SELECT count(*) FROM x' "SELECT backup_create('$(url shop)') IS NULL WHERE 0" \
    ".shell env -u LD_PRELOAD psql -Xqc 'INSERT INTO public.item VALUES (21)' shop" \
    "CREATE TEMP TABLE made AS SELECT backup_create('$(url shop)')" \
    "ATTACH ':memory:' AS other" 'SELECT count(*) FROM x' ".shell rm '$(cat path)'; ls '$(cat path)' 2>/dev/null | wc -l" \
    'DETACH other' 'SELECT count(*) FROM x' 'ALTER TABLE x RENAME TO y' "ATTACH ':memory:' AS other" \
    'SELECT count(*) FROM y' 'DROP TABLE y' 'BEGIN' \
    "CREATE VIRTUAL TABLE temp.x USING backup_table('latest', 'public.item')" ROLLBACK \
    "CREATE VIRTUAL TABLE temp.x USING backup_table('latest', 'public.item')" 'SELECT count(*) FROM x'
  q shop 'DELETE FROM public.item WHERE id = 21'
}

@test "it does not keep a backup from rotation" {
  export BACKUP_DIR=$T
  sql "SELECT backup_create('$(url shop)')" >path
  sql "SELECT backup_create('$(url shop)')" >newer
  rows $'20\n1\n20' "$(cat path)" public.item 'SELECT count(*) FROM x' \
    ".shell sqlite3 -init /dev/null -batch :memory: -cmd '.load ${LIFEBOAT_SO%.so}' \"SELECT backup_delete('$(cat path)')\"" \
    'SELECT count(*) FROM x'
  [ ! -e "$(cat path)" ]
}

@test "dumps of pg_dump 13 to 18" {
  local file
  for file in "$PG_HERE"/fixtures/pg_dump_*.sql; do
    rows '1|plain
2|tab 	, newline 
, \.
3|
4|grüße; -- \! no command
id INTEGER, body TEXT' "$file" message 'SELECT * FROM x' "SELECT group_concat(name || ' ' || type, ', ') FROM pragma_table_info('x')"
    gzip -c "$file" >one.sql.gz
    rows '4|1' ./one.sql.gz public.message 'SELECT count(*), min(rowid) FROM x'
  done
  refused "./one.sql.gz: no table massage in it; near: public.message (it has 1 tables)" ./one.sql.gz massage
}

@test "dumps that have not what is asked for say so" {
  pg_dump --inserts -f inserts.sql "$(url shop)"
  refused "./inserts.sql: table public.item, byte $(grep -abo '^INSERT INTO public.item ' inserts.sql | head -1 | cut -d: -f1) of the script: its rows are INSERT statements: load the script into a database to query it" ./inserts.sql public.item 'SELECT * FROM x'
  pg_dump --schema-only -f schema.sql "$(url shop)"
  refused './schema.sql: the dump has no data of table public.item' ./schema.sql public.item 'SELECT * FROM x'
  pg_dump --exclude-table-data=public.item -f without.sql "$(url shop)"
  refused './without.sql: the dump has no data of table public.item' ./without.sql public.item 'SELECT * FROM x'
  pg_dump --data-only -f data.sql "$(url shop)"
  rows $'20\n1|note 1\nTEXT' ./data.sql public.item 'SELECT count(*) FROM x' 'SELECT * FROM x WHERE id = 1' "SELECT type FROM pragma_table_info('x') WHERE name = 'id'"
  refused './data.sql: several tables are called "item": public.item, stock.item (say which, with its schema)' ./data.sql item
  # The second one lies far behind: the first is not taken before the end was seen.
  dump far.sql 'COPY a.t (x) FROM stdin;' 1 '\.' 'COPY a.wide (x) FROM stdin;' "$(seq 100000)" '\.' 'COPY b.t (x) FROM stdin;' 2 '\.'
  refused './far.sql: several tables are called "t": a.t, b.t (say which, with its schema)' ./far.sql t
  rows 2 ./far.sql b.t 'SELECT x FROM x'
  pg_dump -Fc -f custom.dump "$(url shop)"
  refused "./custom.dump: is in pg_dump's custom format (pg_restore -f dump.sql FILE makes a script of it)" ./custom.dump public.item
  gzip -c without.sql | head -c -20 >cut.sql.gz
  refused "table stock.item: ./cut.sql.gz: truncated: the gzip data goes on after the file's end" ./cut.sql.gz stock.item 'SELECT * FROM x'
  pg_dump -f whole.sql "$(url shop)"
  head -c $(($(grep -abo '^COPY stock.item ' whole.sql | cut -d: -f1) + 60)) whole.sql >short.sql
  refused "./short.sql: table stock.item: the script ends in the middle of COPY, which began at byte $(grep -abo '^COPY stock.item ' whole.sql | cut -d: -f1): it is cut off" ./short.sql stock.item 'SELECT * FROM x'
  sqlite3 lite.db 'CREATE TABLE t(a)'
  refused "./lite.db: holds no PostgreSQL dump; one of SQLite is attached: ATTACH backup_uri('./lite.db')" ./lite.db t
  refused 'no such backup: ./nothing.sql' ./nothing.sql t
  refused 'no backup for "latest:nobody" in KEPT (it has: types (postgres), shop (postgres), objects (postgres))' latest:nobody t
}

@test "scripts by hand: an old search_path, CR LF, encodings, several databases, options of COPY" {
  dump old.sql 'SET search_path = public, pg_catalog;' 'CREATE TABLE item (id integer, ok boolean);' \
    'SET search_path = stock, pg_catalog;' 'CREATE TABLE item (id integer);' 'SET search_path = public, pg_catalog;' \
    'COPY item (ok, id) FROM stdin;' $'t\t1' '\.' 'SET search_path = stock, pg_catalog;' 'COPY item (id) FROM stdin;' 5 6 '\.'
  rows '1|1' ./old.sql public.item 'SELECT * FROM x'
  rows '2|11' ./old.sql stock.item 'SELECT count(*), sum(id) FROM x'
  dump crlf.sql 'CREATE TABLE t (a text, b int);' 'COPY t FROM stdin;' $'x\\r\t1' $'y\t2' '\.'
  sed -i 's/$/\r/' crlf.sql
  rows "'x'|1
'y'|2" ./crlf.sql t "SELECT quote(rtrim(a, char(13))), b FROM x"
  rows "x$(printf '\r')" ./crlf.sql t 'SELECT a FROM x LIMIT 1'
  dump latin.sql "SET client_encoding = 'LATIN1';" $'CREATE TABLE "n\xe9m" ("\xfc" text);' $'COPY "n\xe9m" ("\xfc") FROM stdin;' $'gr\xfc\xdf' '\.'
  rows $'grüß\nü' ./latin.sql '"ném"' 'SELECT * FROM x' "SELECT name FROM pragma_table_info('x')"
  dump sjis.sql "SET client_encoding = 'SJIS';" 'CREATE TABLE t (a text);' 'COPY t (a) FROM stdin;' '\.'
  refused './sjis.sql: the script is in SJIS, in which quotes cannot be told from parts of characters: dump again in UTF8 (pg_dump --encoding=UTF8)' ./sjis.sql t
  dump strings.sql 'SET standard_conforming_strings = off;' 'CREATE TABLE t (a text);' 'COPY t (a) FROM stdin;' '\.'
  refused './strings.sql: byte 35 of the script: one with backslashes in plain strings cannot be read safely; dump again with standard_conforming_strings = on' ./strings.sql t
  dump two.sql '\connect one' 'CREATE TABLE t (a text);' 'COPY t (a) FROM stdin;' 1 '\.' '\connect two' 'CREATE TABLE t (a text);' 'COPY t (a) FROM stdin;' 2 '\.'
  refused './two.sql: byte 101 of the script: it goes on to another database, as pg_dumpall writes them: restore such a script with psql, or dump each database by itself' ./two.sql t
  dump options.sql 'CREATE TABLE t (a text);' "COPY t (a) FROM stdin WITH (DELIMITER ',');" 1 '\.'
  refused './options.sql: table public.t, byte 60 of the script: its COPY has options: only plain COPY … FROM stdin is read' ./options.sql t 'SELECT * FROM x'
  dump columns.sql 'CREATE TABLE t (a text, b int);' 'COPY t (a, c) FROM stdin;' $'1\t2' '\.'
  refused './columns.sql: table public.t, byte 67 of the script: its COPY has other columns than the definition of the table' ./columns.sql t 'SELECT * FROM x'
  dump width.sql 'CREATE TABLE t (a text, b int);' 'COPY t (a, b) FROM stdin;' $'1\t2' $'3' '\.'
  refused './width.sql: table public.t, row 2: it has 1 field, its COPY 2 columns' ./width.sql t 'SELECT * FROM x'
  dump escape.sql 'CREATE TABLE t (a text, b bytea);' 'COPY t (a, b) FROM stdin;' $'x\t\\\\x00' $'a\\\\\\.\t\\\\x0' '\.'
  refused './escape.sql: table public.t, row 2: column a: it has \. inside, which ends a COPY' ./escape.sql t 'SELECT a FROM x'
  refused './escape.sql: table public.t, row 2: column b: this is no bytea' ./escape.sql t 'SELECT b FROM x'
  rows 2 ./escape.sql t 'SELECT count(*) FROM x'
}

@test "LATIN1 and SQL_ASCII databases: characters, and bytes where there are none" {
  export BACKUP_DIR=$T
  newdb latin "ENCODING 'LATIN1' LOCALE 'C'" && load_bytes latin
  newdb ascii "ENCODING 'SQL_ASCII' LOCALE 'C'" && load_bytes ascii
  sql "SELECT backup_create('$(url latin)')" "SELECT backup_create('$(url ascii)')" >/dev/null
  rows "$(PGCLIENTENCODING=UTF8 psql -XAtqc $'SELECT id, length("\xc3\xbc") FROM "n\xc3\xa9m" ORDER BY id' "$(url latin)")
äöü Ã¤
ü" latest:latin '"ném"' 'SELECT id, length("ü") FROM x ORDER BY id' 'SELECT "ü" FROM x WHERE id = 1' "SELECT name FROM pragma_table_info('x') WHERE type = 'TEXT'"
  rows 3 latest:latin "$(sql "SELECT '\"' || name || '\"' FROM backup_contents('latest:latin')")" 'SELECT count(*) FROM x'
  rows "blob|E4F6FC20C3A4" latest:ascii "$(sql "SELECT '\"' || name || '\"' FROM backup_contents('latest:ascii')")" 'SELECT typeof(t), hex(t) FROM (SELECT * FROM (SELECT 0 AS i, NULL AS t) WHERE i UNION ALL SELECT * FROM x) WHERE i = 1'
  run -0 python -B "$PG_HERE/table.py" "$(url latin)" "$(ls "$T"/latin*.gz)"
  [ "$output" = '1 tables, 3 rows, 6 values, 0 elsewhere, 0 wrong' ]
}

@test "backups of a part: what was left out is an error, data without definitions is text" {
  export BACKUP_DIR=$T
  sql "SELECT backup_create('$(url shop)', '{\"exclude_tables\":[\"public.item\"],\"name\":\"part\"}')" \
    "SELECT backup_create('$(url shop)', '{\"schema_only\":true,\"name\":\"schema\"}')" \
    "SELECT backup_create('$(url shop)', '{\"data_only\":true,\"name\":\"data\"}')" >/dev/null
  rows 100 latest:part item 'SELECT count(*) FROM x'
  refused "T/part_postgres_partial_STAMP.sql.gz: no table public.item in it; near: stock.item (SELECT * FROM backup_contents('T/part_postgres_partial_STAMP.sql.gz') lists its tables)" latest:part public.item
  refused 'T/schema_postgres_partial_STAMP.sql.gz: rows of public.item were left out when it was made' latest:schema public.item
  rows $'20\nTEXT' latest:data public.item 'SELECT count(*) FROM x' "SELECT DISTINCT type FROM pragma_table_info('x')"
  refused 'T/data_postgres_partial_STAMP.sql.gz: several tables are called "item": public.item, stock.item (say which, with its schema)' latest:data item
  newdb ext && q ext 'CREATE SCHEMA lifeboat_test; CREATE EXTENSION lifeboat_test SCHEMA lifeboat_test; INSERT INTO lifeboat_test.setting VALUES ($$mine$$, 1)'
  sql "SELECT backup_create('$(url ext)')" >/dev/null
  rows 'mine|1|f' latest:ext setting 'SELECT * FROM x'
  refused 'T/ext_postgres_STAMP.sql.gz: nothing in it tells the columns of lifeboat_test.log, which has no rows' latest:ext log
}

@test "a value that is longer than SQLite takes" {
  refused 'KEPT/objects_postgres_STAMP.sql.gz: table data.texts, row 18: column t: it has 500000 bytes, and this connection takes 100000 at most (SQLITE_LIMIT_LENGTH)' \
    latest:objects data.texts '.limit length 100000' 'SELECT id, t FROM x'
  rows $'length 100000\n20' latest:objects data.texts '.limit length 100000' 'SELECT count(id) FROM x'
}

@test "only the table's own blocks are read, and a damaged one of them is an error that names it" {
  newdb big && q big "CREATE TABLE wanted AS SELECT i AS id, md5(i::text) AS a, md5((-i)::text) AS b FROM generate_series(1, 150000) AS i;
    CREATE TABLE other AS SELECT i AS id, md5(i::text) AS a FROM generate_series(1, 120000) AS i"
  export BACKUP_DIR=$T
  python -B "$PG_HERE/table_damage.py" blocks "$(sql "SELECT backup_create('$(url big)', '{\"jobs\":2}')")"
}

@test "forged backups, their checksums sound: an error or the rows, never others" {
  export BACKUP_DIR=$T
  newdb small && q small "CREATE TABLE t(a int, b text, c bytea); INSERT INTO t SELECT i, 'row ' || i, '\x00' FROM generate_series(1, 60) AS i;
    CREATE TABLE u(a int, b text, c bytea); INSERT INTO u VALUES (1, 'u', NULL)"
  python -B "$PG_HERE/table_damage.py" forge "$(sql "SELECT backup_create('$(url small)')")"
}

@test "hosts: interrupts, fork in the middle, many scans at once, memory" {
  export BACKUP_DIR=$T
  newdb big && q big "CREATE TABLE wanted AS SELECT i AS id, md5(i::text) AS a, md5((-i)::text) AS b FROM generate_series(1, 150000) AS i"
  python -B "$PG_HERE/table_host.py" "$(sql "SELECT backup_create('$(url big)')")"
}

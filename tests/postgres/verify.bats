# backup_verify of Postgres backups: quick reads the file, full restores it into a scratch database and compares.
load ../helper
load server
load oracle

setup_file() {
  pg_server_start
  newdb objects
  load_objects objects
  newdb shop
  q shop <"$PG_HERE/fixtures/shop.sql"
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
  databases >databases.before
}

verify() { sql "SELECT backup_verify('$1')"; }
full() { sql "SELECT backup_verify('$1', '{\"level\":\"full\",\"verify_uri\":\"$(url "${2:-postgres}")\"}')"; }
databases() { q postgres 'SELECT datname FROM pg_database ORDER BY 1'; }
no_scratch() { databases | diff databases.before -; }
shop_file() { ls "$T"/b/shop_postgres_2*.gz; }

# lie FILE FROM TO: the table of contents says TO where it said FROM; every checksum of the file is right.
lie() {
  PYTHONPATH=$ROOT/tests/archive python - "$@" <<'PY'
import struct, sys, zlib
import lbformat as f

path, old, new = sys.argv[1:]
data = open(path, "rb").read()
codec, crc, offset, stored, length = f.read_footer(data)
stream = f.read_stream(data, codec, crc, offset, stored, length)
assert len(old) == len(new) and stream.count(old.encode()) == 1, stream.count(old.encode())
stream = stream.replace(old.encode(), new.encode())
record = f.CODECS[codec][0]
out = data[:offset]
for at in range(0, len(stream), f.RECORD_MAX):
    out += record(f.INDEX, stream[at:at + f.RECORD_MAX])
payload = b"LBFOOTR\0" + struct.pack("<IIQQQ", 1, zlib.crc32(stream), offset, stored, length)
out += record(f.FOOTER, payload + struct.pack("<I", zlib.crc32(payload)))
open(path, "wb").write(out)
PY
}
contents() { python "$ROOT/tests/archive/lbformat.py" index "$1" | sed -n 's/^contents //p'; }

@test "a whole backup: quick and full, remembered, the scratch database gone" {
  [ "$(verify latest:objects)" = ok ]
  [ "$(sql "SELECT verified_at IS NOT NULL, verify_result FROM backups WHERE name = 'objects'")" = '1|ok' ]
  [ "$(full latest:objects)" = ok ]
  no_scratch
  [ "$(sql "SELECT operation, backup LIKE 'objects_%', error IS NULL FROM backup_history
    ORDER BY id DESC LIMIT 1")" = 'verify|1|1' ]
  q objects "SELECT 1 FROM app.people LIMIT 1"  # the source is as it was
}

@test "full: the server is the one that is configured; none: a word on how to name one" {
  failing 'verify_uri' sql "SELECT backup_verify('latest:shop', 'full')"
  [[ $output == *ADMIN_DATABASE_URL* ]]
  [ "$(ADMIN_DATABASE_URL=$(url postgres) sql "SELECT backup_verify('latest:shop', 'full')")" = ok ]
  failing 'nowhere' sql "SELECT backup_verify('latest:shop',
    '{\"level\":\"full\",\"verify_uri\":\"postgresql:///x?host=/nowhere\"}')"
  # Any database of the server will do, also one that does not exist: its server is what is meant.
  [ "$(full latest:shop shop)" = ok ]
  no_scratch
}

@test "create with verify: nothing is published that did not verify" {
  sql "SELECT backup_create('$(url shop)', '{\"name\":\"checked\",\"verify\":\"full\"}')"
  [ "$(sql "SELECT verify_result FROM backups WHERE name = 'checked'")" = ok ]
  no_scratch
  newdb liar
  q liar "CREATE FUNCTION ok(int) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS
      \$\$ BEGIN RETURN current_database() = 'liar'; END \$\$;
    CREATE TABLE a (id int CHECK (ok(id))); INSERT INTO a VALUES (1)"
  failing 'did not verify' sql "SELECT backup_create('$(url liar)', '{\"verify\":\"full\"}')"
  [[ $output == *'violates check constraint'* ]]
  [ -z "$(find b -name 'liar*' -o -name '*.partial')" ]
  q postgres 'DROP DATABASE liar'
  no_scratch
}

@test "what a server refuses to load is damage, though every byte is right" {
  newdb liar
  q liar "CREATE FUNCTION ok(int) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS
      \$\$ BEGIN RETURN current_database() = 'liar'; END \$\$;
    CREATE TABLE a (id int CHECK (ok(id))); INSERT INTO a VALUES (1)"
  sql "SELECT backup_create('$(url liar)')"
  q postgres 'DROP DATABASE liar'
  [ "$(verify latest:liar)" = ok ]
  run -0 full latest:liar
  [[ $output == *'violates check constraint'* ]]
  [[ $(sql "SELECT verify_result FROM backups WHERE name = 'liar'") == *'check constraint'* ]]
  failing 'check constraint' sql "SELECT backup_verify('$(ls b/liar*.gz)',
    '{\"level\":\"full\",\"verify_uri\":\"$(url postgres)\",\"raise\":true}')"
  no_scratch
}

@test "a damaged block: said by quick and by full, and no scratch database is made for it" {
  local file size
  file=$(ls b/objects_postgres_2*.gz)
  size=$(stat -c %s "$file")
  # Another byte than the one that is there, whichever that is.
  printf "\\$(printf %o $(($(od -An -tu1 -j $((size / 2)) -N 1 "$file") ^ 255)))" |
    dd of="$file" bs=1 seek=$((size / 2)) conv=notrunc status=none
  log=$(wc -l <"$PG_LOG")
  run -0 verify latest:objects
  [[ $output != ok ]]
  [[ $output == *block* ]]
  run -0 full "$T/$file"
  [[ $output != ok ]]
  [[ $output == *block* ]]
  [ "$(tail -n "+$((log + 1))" "$PG_LOG" | grep -c 'CREATE DATABASE')" -eq 0 ]
  truncate -s -100 "$file"
  run -0 verify "$T/$file"
  [[ $output != ok ]]
}

@test "contents that do not fit the rows are found by full alone" {
  local file sum other part
  file=$(shop_file)
  sum=$(contents "$file" | python -c 'import json, sys
t = [t for t in json.load(sys.stdin)["tables"] if t["name"] == "orders"][0]
del t["schema"]
print(json.dumps(t, separators=(",", ":"))[1:-1])')
  other="${sum%??}$([ "${sum: -2:1}" = 0 ] && echo 1 || echo 0)\""
  cp "$file" kept
  lie "$file" "$sum" "$other"
  [ "$(verify "$file")" = ok ]
  run -0 full "$file"
  [[ $output == *'shop.orders'* ]]
  [[ $output == *checksum* ]]
  no_scratch
  cp kept "$file"
  lie "$file" "$sum" "${sum/\"rows\":200/\"rows\":201}"
  run -0 full "$file"
  echo "$output"
  [[ $output == *rows* ]]
  no_scratch
  cp kept "$file"
  lie "$file" "$sum" "${sum/orders/orderz}"
  run -0 full "$file"
  [[ $output == *'orderz'* ]]
  no_scratch
  part=$(sql "SELECT backup_create('$(url shop)', '{\"schemas\":[\"shop\"]}')")
  [ "$(full "$part")" = ok ]
  lie "$part" "$sum" "$other"
  run -0 full "$part"
  [[ $output == *'shop.orders'*checksum* ]]
  no_scratch
}

@test "a server without its roles verifies the rest; one without its extensions says which" {
  q postgres "SET client_min_messages = error; CREATE ROLE nobody_else"
  q shop 'ALTER TABLE shop.orders OWNER TO nobody_else; GRANT SELECT ON shop.customer TO nobody_else'
  sql "SELECT backup_create('$(url shop)', '{\"name\":\"owned\"}')"
  q shop 'REASSIGN OWNED BY nobody_else TO postgres; DROP OWNED BY nobody_else'
  q postgres 'DROP ROLE nobody_else'
  [ "$(full latest:owned)" = ok ]
  run -0 sql 'SELECT notes FROM backup_history ORDER BY id DESC LIMIT 1'
  [[ $output == *'without owners and privileges'*nobody_else* ]]
  gunzip -c "$(shop_file)" |
    sed '0,/^CREATE SCHEMA/s//CREATE EXTENSION nothing_like_it;\nCREATE SCHEMA/' >ext.sql
  failing 'nothing_like_it' full "$T/ext.sql"
  no_scratch
}

@test "a dump of another tool: quick reads it to its end, full loads it" {
  pg_dump -d "$(url shop)" | gzip >b/admin_postgres_20250101_000000.sql.gz
  [ "$(verify admin_postgres_20250101_000000.sql.gz)" = ok ]
  [ "$(full admin_postgres_20250101_000000.sql.gz)" = ok ]
  gunzip -c b/admin_postgres_20250101_000000.sql.gz | sed '/^ALTER TABLE ONLY/,$d' |
    gzip >b/admin_postgres_20250102_000000.sql.gz
  run -0 verify admin_postgres_20250102_000000.sql.gz
  [[ $output == *'not finished'* ]]
  gunzip -c b/admin_postgres_20250101_000000.sql.gz | head -c 5000 | gzip >b/admin_postgres_20250103_000000.sql.gz
  run -0 verify admin_postgres_20250103_000000.sql.gz
  [[ $output == *'cut off'* ]]
  no_scratch
}

@test "restore with verify full proves the backup before the target is touched" {
  newdb target
  q target 'CREATE TABLE old (id int)'
  cp "$(shop_file)" lying.sql.gz
  local rows
  rows=$(contents lying.sql.gz | grep -o '"checksum":"[0-9a-f]*"' | head -1)
  lie lying.sql.gz "$rows" "${rows%???}$([ "${rows: -2:1}" = 0 ] && echo 11 || echo 00)\""
  failing 'checksum' sql "SELECT backup_restore('$T/lying.sql.gz', '$(url target)',
    '{\"overwrite\":true,\"verify\":\"full\"}')"
  q target 'TABLE old'
  [ -z "$(find b -name '*before_restore*')" ]
  sql "SELECT backup_restore('latest:shop', '$(url target)', '{\"overwrite\":true,\"verify\":\"full\"}')"
  pg_same shop target
  q postgres 'DROP DATABASE target'
  no_scratch
}

# A scratch database is being loaded, and takes its time.
busy() {
  answers "SELECT count(*) > 0 FROM pg_stat_activity WHERE datname LIKE 'lifeboat_verify_%' AND wait_event = 'PgSleep'"
}

@test "scratch databases: gone after an interrupt; after kill -9 the next verification drops them" {
  newdb slow
  # Quick where it was made, slow where it is restored.
  q slow "CREATE FUNCTION slow(i int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS
      \$\$ BEGIN IF current_database() <> 'slow' THEN PERFORM pg_sleep(60); END IF; RETURN i; END \$\$;
    CREATE TABLE a (id int); INSERT INTO a VALUES (1); CREATE INDEX ON a (public.slow(id))"
  sql "SELECT backup_create('$(url slow)')"
  q postgres 'DROP DATABASE slow'
  full latest:slow >out 2>&1 3>&- &
  local shell=$!
  await busy
  kill -INT "$(pgrep -P $shell -x sqlite3)"
  wait $shell || true
  no_scratch
  full latest:slow >out 2>&1 3>&- &
  shell=$!
  await busy
  # While its maker lives, another verification leaves it alone.
  [ "$(full latest:shop)" = ok ]
  [ "$(databases | grep -c lifeboat_verify_)" = 1 ]
  kill -KILL "$(pgrep -P $shell -x sqlite3)"
  wait $shell || true
  [ "$(databases | grep -c lifeboat_verify_)" = 1 ]
  await answers "SELECT count(*) = 0 FROM pg_locks WHERE locktype = 'advisory'"
  [ "$(full latest:shop)" = ok ]
  no_scratch
}

# backup_verify: what it says of whole and of damaged files, and how it is called.
load ../helper
load expect

setup() {
  api_setup
  make_db admin.db 3000
  BACKUP=$(sql "SELECT backup_create('admin.db')")
}

@test "ok: quick, full, as options, by each kind of name" {
  file=${BACKUP##*/}
  gives ok "SELECT backup_verify('latest')"
  gives ok "SELECT backup_verify('latest', 'quick')"
  gives ok "SELECT backup_verify('latest', 'full')"
  gives ok "SELECT backup_verify('latest', '{\"level\":\"full\",\"threads\":2,\"raise\":true}')"
  gives ok "SELECT backup_verify('latest:admin')"
  gives ok "SELECT backup_verify('admin_sqlite_latest.db.gz')"
  gives ok "SELECT backup_verify('admin_sqlite_latest.db.zst')"
  gives ok "SELECT backup_verify('$file')"
  gives ok "SELECT backup_verify('$BACKUP')"
  gives ok "SELECT backup_verify('backups/$file')"
  BACKUP_DIR=/nonexistent gives ok "SELECT backup_verify('backups/$file', 'full')"
  [ "$(ls -A "$BACKUP_DIR" | grep -vc '^catalog')" = 1 ]  # nothing unpacked is left
}

@test "the result is remembered with the file, and forgotten when the file changes" {
  gives "1" "SELECT verified_at IS NULL FROM backups"
  gives "ok
ok|ok" "SELECT backup_verify('latest')" "SELECT verify_result, CASE WHEN verified_at >= created_at THEN 'ok' END FROM backups"
  touch -d '1 hour' "$BACKUP"
  gives "1" "SELECT verified_at IS NULL FROM backups"
}

@test "the result is not forgotten where the folder was moved by a tool that carries whole seconds only" {
  touch -d '2026-01-02 03:04:05.678901234' "$BACKUP"
  sql "SELECT backup_verify('latest')" >/dev/null
  touch -d '2026-01-02 03:04:05' "$BACKUP"
  gives "ok" "SELECT verify_result FROM backups"
  touch -d '2026-01-02 03:04:05.5' "$BACKUP"
  gives "1" "SELECT verified_at IS NULL FROM backups"
  touch -d '2026-01-02 03:04:06' "$BACKUP"
  gives "1" "SELECT verified_at IS NULL FROM backups"
}

@test "the result is remembered whatever path led to the backup, and not where it only lies elsewhere" {
  path=$(sql "SELECT backup_create('admin.db')")
  file=${path##*/}
  ln -s backups by_link
  ln -s "$path" file_link.db.gz
  for way in "backups/$file" "./backups/../backups/$file" "$T/by_link/$file" ./file_link.db.gz; do
    rm -f "$BACKUP_DIR/catalog.db"
    gives "ok
1" "SELECT backup_verify('$way')" "SELECT count(*) FROM backups WHERE verify_result = 'ok'"
  done
  mkdir elsewhere
  cp "$path" elsewhere
  rm "$BACKUP_DIR/catalog.db"
  gives "ok
0" "SELECT backup_verify('elsewhere/$file')" "SELECT count(verified_at) FROM backups"
}

@test "a file that took the backup's name meanwhile does not inherit the result" {
  python "$BATS_TEST_DIRNAME/replaced.py"
}

@test "a flipped bit is named with the block it is in; raise makes it an error" {
  size=$(stat -c %s "$BACKUP")
  printf '\377\000\377' | dd of="$BACKUP" bs=1 seek=$((size / 2)) conv=notrunc status=none
  run sql "SELECT backup_verify('$BACKUP')"
  [ "$status" = 0 ]
  [ "$output" != ok ]
  [[ $output =~ (block|offset|checksum) ]]
  said=$output
  run sql "SELECT backup_verify('$BACKUP', '{\"raise\":true}')"
  [ "$status" -ne 0 ]
  [[ $output == *"backup $BACKUP is damaged: $said"* ]]
  gives 1 "SELECT verify_result = '$said' OR instr('${said//$'\n'/ }', verify_result) = 1 FROM backups"
}

@test "truncated, empty, trailing rubbish, garbage, a text, a Postgres dump" {
  size=$(stat -c %s "$BACKUP")
  for length in 0 1 10 100 $((size / 2)) $((size - 1)); do
    head -c "$length" "$BACKUP" >cut.db.gz
    run sql "SELECT backup_verify('./cut.db.gz')"
    [ "$status" = 0 ]
    [ "$output" != ok ] && [ -n "$output" ]
  done
  { cat "$BACKUP"; echo rubbish; } >long.db.gz
  run sql "SELECT backup_verify('./long.db.gz')"
  [ "$output" != ok ]
  head -c 5000 /dev/urandom >garbage.db
  gives './garbage.db: what is inside is not a SQLite database' "SELECT backup_verify('./garbage.db')"
  printf -- '--\n-- PostgreSQL database dump\n--\n' | gzip >dump.gz
  gives './dump.gz: the last line of pg_dump is missing: the dump was not finished' "SELECT backup_verify('./dump.gz')"
  fails 'backup ./dump.gz is damaged: ./dump.gz: the last line of pg_dump is missing: the dump was not finished' \
    "SELECT backup_verify('./dump.gz', '{\"raise\":true}')"
}

@test "full finds what is wrong with the database inside, quick cannot" {
  sqlite3 sick.db "CREATE TABLE t(a UNIQUE); INSERT INTO t VALUES(1),(2);
    PRAGMA writable_schema=1; UPDATE sqlite_schema SET rootpage=2 WHERE type='index';"
  path=$(sql "SELECT backup_create('sick.db')")
  gives ok "SELECT backup_verify('$path')"
  run sql "SELECT backup_verify('$path', 'full')"
  [ "$status" = 0 ]
  [ "$output" != ok ] && [ -n "$output" ]
  # Nor does a quick one take back what a full one has found; of other bytes it knows nothing.
  gives "ok
0" "SELECT backup_verify('$path')" "SELECT verify_result = 'ok' FROM backups WHERE path = '$path'"
  touch -d "@$(stat -c %Y "$path")" "$path"  # as tar leaves it
  gives "ok
0" "SELECT backup_verify('$path')" "SELECT verify_result = 'ok' FROM backups WHERE path = '$path'"
  touch -d '1 hour' "$path"
  gives "ok
1" "SELECT backup_verify('$path')" "SELECT verify_result = 'ok' FROM backups WHERE path = '$path'"
}

@test "foreign key violations and unknown collations are the data's: ok, with a note" {
  sqlite3 fk.db "CREATE TABLE p(id INTEGER PRIMARY KEY); CREATE TABLE c(p REFERENCES p); INSERT INTO c VALUES(7)"
  path=$(sql "SELECT backup_create('fk.db')")
  gives 'ok
1 foreign key violations in the data' "SELECT backup_verify('$path', 'full')" \
    "SELECT notes FROM backup_history WHERE operation = 'verify' AND backup LIKE 'fk%'"
  python - <<'PY'
import sqlite3
db = sqlite3.connect('coll.db')
db.create_collation('klingon', lambda a, b: (a > b) - (a < b))
db.executescript("CREATE TABLE t(a TEXT COLLATE klingon); CREATE INDEX i ON t(a); INSERT INTO t VALUES('x'),('y'); CREATE TABLE u(b)")
PY
  path=$(sql "SELECT backup_create('coll.db')")
  gives 'ok
table t not checked: no such collation sequence: klingon' "SELECT backup_verify('$path', 'full')" \
    "SELECT notes FROM backup_history WHERE operation = 'verify' AND backup LIKE 'coll%'"
}

@test "rows that break a CHECK are the data's: found good in place and unpacked, and restored" {
  sqlite3 odd.db "CREATE TABLE t(id INTEGER PRIMARY KEY, a CHECK (a > 0)); CREATE TABLE big AS SELECT randomblob(2000000) AS x;
    PRAGMA ignore_check_constraints=1; INSERT INTO t VALUES(1, -5)"
  path=$(sql "SELECT backup_create('odd.db', '{\"check\":true,\"verify\":\"full\"}')")
  gives 'ok' "SELECT backup_verify('$path', 'full')"
  gives '1
ok' "SELECT backup_set('cache_mb', 1)" "SELECT backup_verify('$path', 'full')"
  gives ok "SELECT backup_restore('$path', './back.db') ->> 'check'"
  same -5 "$(db back.db 'SELECT a FROM t')"
  for cache in 1 32; do
    gives "$cache
ok" "SELECT backup_set('cache_mb', $cache)" \
      "SELECT backup_restore('$path', './back.db', '{\"tables\":[\"t\"],\"verify\":\"full\"}') ->> 'check'"
  done
  # The target's own CHECK holds for what a restore of some tables writes.
  db back.db 'DELETE FROM t'
  fails "T/back.db: table t: the backup's row id=1 does not fit, nothing was changed: CHECK constraint failed: a > 0" \
    "SELECT backup_restore('$path', './back.db', '{\"tables\":[\"t\"]}')"
}

@test "rows that break a rule of their table are the data's: such a database is backed up, verified and restored" {
  sqlite3 rules.db "CREATE TABLE t(id INTEGER PRIMARY KEY, n CHECK (n > 0), s TEXT);
    PRAGMA ignore_check_constraints=ON; INSERT INTO t VALUES (1, -5, 'a'), (2, 3, NULL);
    PRAGMA writable_schema=ON; UPDATE sqlite_schema SET sql = replace(sql, 's TEXT', 's TEXT NOT NULL')"
  path=$(sql "SELECT backup_create('rules.db', '{\"check\":true,\"verify\":\"full\"}')")
  gives '2 rows in the data break a rule of their table, the first one: CHECK constraint failed in t
ok
T/backups/rules_sqlite_STAMP.db.gz' "SELECT notes FROM backup_history WHERE backup LIKE 'rules%'" \
    "SELECT backup_verify('$path', 'full')" "SELECT path FROM backups WHERE name = 'rules' AND verify_result = 'ok'"
  for level in full quick; do
    rm -f new.db
    gives 'ok' "SELECT backup_restore('latest:rules', './new.db', '{\"verify\":\"$level\"}') ->> '\$.check'"
    same "$(content rules.db)" "$(content new.db)"
  done
  gives '[{"table":"t","added":0,"changed":0,"removed":0,"kept":2}]' \
    "SELECT backup_restore('latest:rules', './new.db', '{\"tables\":[\"t\"]}') -> '\$.tables'"
}

@test "a long name in the note on rows that break a rule is cut behind a whole character" {
  name=$(printf 'ж%.0s' {1..90})
  sqlite3 rules.db "CREATE TABLE $name(x); INSERT INTO $name VALUES (NULL); PRAGMA writable_schema=ON;
    UPDATE sqlite_schema SET sql = replace(sql, '(x)', '(x NOT NULL)')"
  gives ok "SELECT backup_verify(backup_create('rules.db'), 'full')"
  sql "SELECT notes FROM backup_history WHERE operation = 'verify' LIMIT 1" | iconv -f utf-8 -t utf-16 >/dev/null
}

@test "however many rows break a rule, damage behind them is found" {
  sqlite3 rules.db "CREATE TABLE a(x, y); CREATE INDEX i ON a(x); INSERT INTO a VALUES (1, 2);
    CREATE TABLE z(n CHECK (n > 0)); PRAGMA ignore_check_constraints=ON;
    WITH RECURSIVE c(n) AS (SELECT 0 UNION ALL SELECT n - 1 FROM c WHERE n > -500) INSERT INTO z SELECT n FROM c;
    PRAGMA writable_schema=ON; UPDATE sqlite_schema SET sql = 'CREATE INDEX i ON a(y)' WHERE name = 'i'"
  gzip -c rules.db >rules.db.gz
  fails './rules.db.gz: the database inside is damaged: row 1 missing from index i' \
    "SELECT backup_restore('./rules.db.gz', './new.db')"
  [ ! -e new.db ]
  # docs/recover.md: what can be done about it.
  sql "SELECT backup_restore('./rules.db.gz', './new.db', '{\"verify\":false}')"
  db new.db 'REINDEX'
  same ok "$(db new.db "SELECT integrity_check FROM pragma_integrity_check(10000) WHERE integrity_check NOT LIKE 'CHECK %'
    UNION ALL SELECT 'ok'")"
}

@test "a CHECK that ends in an error keeps no backup from being verified and restored" {
  sqlite3 json.db "CREATE TABLE t(id INTEGER PRIMARY KEY, x CHECK (json_extract(x, '\$.a') > 0), y); CREATE INDEX i ON t(y);
    PRAGMA ignore_check_constraints=ON; INSERT INTO t VALUES (1, '{a:1', 2), (2, 'none', 3)"
  path=$(sql "SELECT backup_create('json.db', '{\"check\":true,\"verify\":\"full\"}')")
  gives 'CHECK constraints not checked: malformed JSON' "SELECT notes FROM backup_history LIMIT 1"
  for level in full quick; do
    gives '["ok","CHECK constraints not checked: malformed JSON"]' \
      "SELECT json_array(r ->> 'check', r ->> 'notes') FROM (SELECT backup_restore('$path', './$level.db',
        '{\"verify\":\"$level\"}') AS r)"
  done
  # What else there is to say of it is said.
  sqlite3 json.db "PRAGMA writable_schema=ON; UPDATE sqlite_schema SET sql = 'CREATE INDEX i ON t(id)' WHERE name = 'i'"
  gzip -c json.db >json.db.gz
  fails './json.db.gz: the database inside is damaged: row 1 missing from index i
row 2 missing from index i' "SELECT backup_restore('./json.db.gz', './new.db', '{\"verify\":\"full\"}')"
  # An error of an index is still there without, and is told.
  sqlite3 json.db "PRAGMA writable_schema=ON;
    UPDATE sqlite_schema SET sql = 'CREATE INDEX i ON t(json_extract(x, ''\$.b''))' WHERE name = 'i'"
  gzip -c json.db >json.db.gz
  fails './json.db.gz: malformed JSON' "SELECT backup_restore('./json.db.gz', './new.db', '{\"verify\":\"full\"}')"
}

@test "a table that is checked by itself, and has many rows that break a rule: what was not looked at is told" {
  # Without its collation the database is checked table by table. The index is damaged from row 101 on.
  sqlite3 rules.db "CREATE TABLE t(id INTEGER PRIMARY KEY, a, b); CREATE INDEX i ON t(b);
    WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < 200)
    INSERT INTO t SELECT n, iif(n > 100, n, NULL), n FROM c;
    CREATE TABLE other(x COLLATE nocase); CREATE INDEX j ON other(x); PRAGMA writable_schema=ON;
    UPDATE sqlite_schema SET sql = replace(replace(sql, 'nocase', 'klingon'), 'a, b)', 'a NOT NULL, b)');
    UPDATE sqlite_schema SET sql = replace(sql, 't(b)', 't(iif(id > 100, 0, b))') WHERE name = 'i'"
  path=$(sql "SELECT backup_create('rules.db')")
  gives 'ok
table t not checked to its end: 100 rows or more break a rule of it
table other not checked: no such collation sequence: klingon
100 rows in the data break a rule of their table, the first one: NULL value in t.a' \
    "SELECT backup_verify('$path', 'full')" \
    "SELECT notes FROM backup_history WHERE operation = 'verify' AND backup LIKE 'rules%'"
}

@test "old backups: one gzip member, an uncompressed .db, zstd" {
  old=$(old_backup old 3 admin.db)
  gives 'ok
ok' "SELECT backup_verify('$old')" "SELECT backup_verify('latest:old', 'full')"
  gives ok "SELECT backup_verify('./admin.db', 'full')"
  has_zstd || return 0
  zst=$(sql "SELECT backup_create('admin.db', '{\"compress\":\"zstd\"}')")
  gives ok "SELECT backup_verify('$zst', 'full')"
  zstd -q -c admin.db >"$BACKUP_DIR/plain_sqlite_20250101_000000.db.zst"
  gives ok "SELECT backup_verify('latest:plain', 'full')"
}

@test "zstd that takes too much memory to read is no damage, and the error tells what to do" {
  has_zstd || return 0
  # As zstd --long=31 makes it: a window of 2 GiB.
  printf '\x28\xb5\x2f\xfd\x00\xa8\x09\x00\x00x' >"$BACKUP_DIR/long_sqlite_20250101_000000.db.zst"
  fails 'T/backups/long_sqlite_STAMP.db.zst: zstd data that takes more than 128 MiB of memory to read (made with zstd --long): unpack it first, with zstd -d --long=31' \
    "SELECT backup_verify('latest:long')"
}

@test "errors in the call" {
  fails 'level "slow": must be quick, full, or a JSON object of options' "SELECT backup_verify('latest', 'slow')"
  fails 'unknown option "leve" (valid: level, raise, dir, threads, jobs, verify_uri)' "SELECT backup_verify('latest', '{\"leve\":1}')"
  fails 'no backup "none.db.gz" in T/backups (for a file elsewhere pass a path with '"'/'"', such as ./none.db.gz)' \
    "SELECT backup_verify('none.db.gz')"
  fails 'no such backup: ./none.db.gz' "SELECT backup_verify('./none.db.gz')"
  fails 'argument 1 is NULL' "SELECT backup_verify(NULL)"
}

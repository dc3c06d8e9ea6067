# backup_restore as it is called: its report, its options, what it accepts and refuses. How targets in use behave is in
# tests/sqlite/target.bats.
load ../helper
load expect

setup() {
  api_setup
  make_db admin.db 50
  GOOD=$(content admin.db)
  BACKUP=$(sql "SELECT backup_create('admin.db')")
  db admin.db "DELETE FROM t WHERE id > 3"
  DAMAGED=$(content admin.db)
}

@test "the report of a restore over an existing database, and the saved copy" {
  sql "SELECT backup_restore('latest', 'admin.db', '{\"overwrite\":true}')" >report
  same "{\"backup\":\"T/backups/admin_sqlite_STAMP.db.gz\",\"target\":\"T/admin.db\",\
\"pre_restore\":\"T/admin.db.before_restore.STAMP\",\"created\":false,\"bytes\":$(stat -c %s admin.db),\"seconds\":S,\
\"check\":\"ok\",\"notes\":null}" "$(plain <report | sed -E 's/"seconds":[0-9]+\.[0-9]{3},/"seconds":S,/')"
  [ "$(content admin.db)" = "$GOOD" ]
  saved=$(echo admin.db.before_restore.*)
  [ "$(content "$saved")" = "$DAMAGED" ]
  [ "$(head -c 15 "$saved")" = 'SQLite format 3' ]
}

@test "an existing target needs overwrite" {
  fails 'target exists: T/admin.db (pass {"overwrite":true} to replace it)' "SELECT backup_restore('latest', 'admin.db')"
  fails 'target exists: T/admin.db (pass {"overwrite":true} to replace it)' \
    "SELECT backup_restore('latest', 'admin.db', '{\"overwrite\":false}')"
  [ "$(content admin.db)" = "$DAMAGED" ]
  : >empty.db
  fails 'target exists: T/empty.db (pass {"overwrite":true} to replace it)' "SELECT backup_restore('latest', 'empty.db')"
  gives ok "SELECT backup_restore('latest', 'empty.db', '{\"overwrite\":true}') ->> 'check'"
  [ "$(content empty.db)" = "$GOOD" ]
}

@test "a new target takes mode and owner from the manifest" {
  chmod 640 admin.db
  path=$(sql "SELECT backup_create('admin.db')")
  gives '|1|ok|' "SELECT r ->> 'pre_restore', r ->> 'created', r ->> 'check', r ->> 'notes' FROM (SELECT backup_restore('$path', 'new.db') AS r)"
  [ "$(stat -c %a:%u:%g new.db)" = "$(stat -c %a:%u:%g admin.db)" ]
  [ "$(content new.db)" = "$DAMAGED" ]
  [ -z "$(ls -A | grep -E 'partial|new.db.')" ]
}

@test "a new target keeps the content's journal mode" {
  db admin.db "PRAGMA journal_mode=wal"
  path=$(sql "SELECT backup_create('admin.db')")
  sql "SELECT backup_restore('$path', 'new.db')"
  gives wal ".open new.db" "PRAGMA journal_mode"
  sql "SELECT backup_restore('$BACKUP', 'new2.db')"
  gives delete ".open new2.db" "PRAGMA journal_mode"
}

@test "options: pre_restore, verify, dir, threads; the check is in the result" {
  gives 1 "SELECT backup_restore('$BACKUP', 'admin.db', '{\"overwrite\":true,\"pre_restore\":false}') ->> 'pre_restore' IS NULL"
  [ -z "$(ls | grep before_restore)" ]
  [ "$(content admin.db)" = "$GOOD" ]
  for verify in true '"quick"' '"full"'; do
    gives ok "SELECT backup_restore('$BACKUP', 'n.db', '{\"verify\":$verify,\"threads\":2}') ->> 'check'"
    rm n.db
  done
  gives 1 "SELECT backup_restore('$BACKUP', 'n.db', '{\"verify\":false}') ->> 'check' IS NULL"
  BACKUP_DIR=/nonexistent gives ok "SELECT backup_restore('latest', 'm.db', '{\"dir\":\"$T/backups\"}') ->> 'check'"
  BACKUP_DIR=/nonexistent gives ok "SELECT backup_restore('$BACKUP', 'o.db') ->> 'check'"
  fails 'unknown option "overwirte" (valid: overwrite, pre_restore, verify, dir, threads, tables, rows, columns, timeout_ms)' \
    "SELECT backup_restore('latest', 'admin.db', '{\"overwirte\":true}')"
  fails 'option "overwrite" must be true or false' "SELECT backup_restore('latest', 'admin.db', '{\"overwrite\":\"yes\"}')"
}

@test "a content that fails integrity_check is refused, and the target is as it was" {
  sqlite3 sick.db "CREATE TABLE t(a UNIQUE); INSERT INTO t VALUES(1),(2);
    PRAGMA writable_schema=1; UPDATE sqlite_schema SET rootpage=2 WHERE type='index';"
  path=$(sql "SELECT backup_create('sick.db')")
  before=$(sha256sum admin.db)
  run sql "SELECT backup_restore('$path', 'admin.db', '{\"overwrite\":true}')"
  [ "$status" -ne 0 ]
  [ "$(sha256sum admin.db)" = "$before" ]
  run sql "SELECT backup_restore('$path', 'new.db')"
  [ "$status" -ne 0 ]
  [ -z "$(ls -A | grep -E 'new.db|before_restore|partial')" ]
}

@test "what it accepts: one gzip member, an uncompressed .db, gzip and zstd of ours, plain zstd" {
  old=$(old_backup old 3 admin.db)
  cp admin.db plain.db
  backups=("$old" "$BACKUP" ./plain.db)
  if has_zstd; then
    zstd -q -k plain.db
    backups+=("$(sql "SELECT backup_create('admin.db', '{\"compress\":\"zstd\"}')")" ./plain.db.zst)
  fi
  for backup in "${backups[@]}"; do
    rm -f out.db
    gives ok "SELECT backup_restore('$backup', 'out.db') ->> 'check'"
    want=$DAMAGED
    [ "$backup" != "$BACKUP" ] || want=$GOOD
    [ "$(content out.db)" = "$want" ]
  done
}

@test "what it refuses: it says what and where, and the target is untouched" {
  before=$(sha256sum admin.db)
  size=$(stat -c %s "$BACKUP")
  head -c $((size - 7)) "$BACKUP" >cut.gz
  head -c $((size / 2)) "$BACKUP" >half.gz
  { cat "$BACKUP"; echo rubbish; } >long.gz
  cp "$BACKUP" flip.gz
  printf '\377\000\377' | dd of=flip.gz bs=1 seek=$((size / 3)) conv=notrunc status=none
  printf -- '--\n-- PostgreSQL database dump\n--\n' | gzip >dump.gz
  echo hello | gzip >text.gz
  head -c 5000 /dev/urandom >garbage.db
  gzip -c admin.db >old.gz
  head -c 300 old.gz >oldcut.gz
  { cat old.gz; echo rubbish; } >oldlong.gz
  head -c 4096 admin.db >short.db
  for f in cut.gz half.gz long.gz flip.gz oldcut.gz oldlong.gz short.db; do
    run sql "SELECT backup_restore('./$f', 'admin.db', '{\"overwrite\":true}')"
    echo "$f: $output"
    [ "$status" -ne 0 ]
    [[ $output == *"./$f"* ]]
  done
  # One sentence, whoever asks, and no code of damage.
  local dump='holds a PostgreSQL dump, not a SQLite database: backup_restore with a postgresql:// target loads it, backup_table reads its tables without a server'
  cp dump.gz backups/pg_postgres_20250101_000000.sql.gz
  fails "./dump.gz: $dump" "SELECT backup_restore('./dump.gz', 'admin.db', '{\"overwrite\":true}')"
  fails "./dump.gz: $dump" "SELECT backup_restore('./dump.gz', 'admin.db', '{\"tables\":[\"t\"]}')"
  fails "./dump.gz: $dump" "SELECT backup_uri('./dump.gz')"
  fails "T/backups/pg_postgres_STAMP.sql.gz: $dump" "SELECT backup_uri('latest:pg')"
  fails "T/backups/pg_postgres_STAMP.sql.gz: $dump" "SELECT backup_restore('pg_postgres_20250101_000000.sql.gz', 'new.db')"
  rm backups/pg_postgres_*
  run sql "SELECT backup_restore('./dump.gz', 'admin.db', '{\"overwrite\":true}')"
  [[ $output != *'(11)'* ]]
  fails './text.gz: what is inside is not a SQLite database' "SELECT backup_restore('./text.gz', 'admin.db', '{\"tables\":[\"t\"]}')"
  fails './text.gz: what is inside is not a SQLite database' "SELECT backup_restore('./text.gz', 'admin.db', '{\"overwrite\":true}')"
  fails './garbage.db: what is inside is not a SQLite database' "SELECT backup_restore('./garbage.db', 'admin.db', '{\"overwrite\":true}')"
  [ "$(sha256sum admin.db)" = "$before" ]
  [ -z "$(ls -A | grep -E 'before_restore|partial')" ]
}

@test "targets that cannot be one" {
  fails 'T/backups: not a regular file' "SELECT backup_restore('latest', 'backups', '{\"overwrite\":true}')"
  fails 'T/backups: not a regular file' "SELECT backup_restore('latest', 'backups/', '{\"overwrite\":true}')"
  fails 'target is empty: pass the path of a database, or main' "SELECT backup_restore('latest', '')"
  fails 'target file:x: pass a plain path, not a URI' "SELECT backup_restore('latest', 'file:x')"
  run sql "SELECT backup_restore('./$(basename "$BACKUP")', 'postgresql://u:secret@127.0.0.1:1/db')"
  [ "$status" -ne 0 ] && [[ $output != *secret* ]]
  run sql "SELECT backup_restore('latest', '/no/such/dir/x.db')"
  [ "$status" -ne 0 ]
  [[ $output == *"/no/such/dir"*"No such file or directory"* ]]
  cp admin.db copy.db
  fails 'T/copy.db: backup and target are the same file' "SELECT backup_restore('./copy.db', 'copy.db', '{\"overwrite\":true}')"
  ln copy.db hard.db
  fails 'T/hard.db: backup and target are the same file' "SELECT backup_restore('./copy.db', 'hard.db', '{\"overwrite\":true}')"
  ln -s copy.db soft.db
  run sql "SELECT backup_restore('./soft.db', 'copy.db', '{\"overwrite\":true}')"
  [ "$status" -ne 0 ]
  [[ $output == *'backup and target are the same file'* ]]
}

@test "a word that names neither a schema nor a file is a slip, not a new file" {
  local wanted='mian: neither a schema of this connection nor a file (for a new file write ./mian)' before
  before=$(ls -A)
  fails "$wanted" "SELECT backup_restore('latest', 'mian')"
  fails "$wanted" "SELECT backup_restore('latest', 'mian', '{\"tables\":[\"t\"]}')"
  fails "$wanted" "SELECT backup_restore('latest', 'mian', '{\"overwrite\":true,\"verify\":false}')"
  [ "$(ls -A)" = "$before" ]
  gives 1 "SELECT backup_restore('latest', './mian') ->> 'created'"
  [ "$(content mian)" = "$GOOD" ]
  gives 0 "SELECT backup_restore('latest', 'mian', '{\"overwrite\":true}') ->> 'created'"
  gives 1 "SELECT backup_restore('latest', '.hidden') ->> 'created'"
  gives 1 "ATTACH ':memory:' AS word" "SELECT backup_restore('latest', 'word') ->> 'check' = 'ok'"
}

@test "a live database is no backup: its newest commits lie in the -wal" {
  make_db live.db 10 wal
  sqlite3 live.db "PRAGMA wal_autocheckpoint=0; INSERT INTO t(name) VALUES('newest');" ".system cp live.db l.db; cp live.db-wal l.db-wal"
  [ -s l.db-wal ]
  fails "./l.db: has a -wal file beside it, so it is a database in use and not a whole backup: back it up with backup_create('./l.db') and restore that" \
    "SELECT backup_restore('./l.db', 'out.db')"
  [ ! -e out.db ]
}

@test "without arguments: what the configuration names" {
  export RESTORE_BACKUP=latest RESTORE_TARGET=$T/admin.db RESTORE_OPTIONS='{"overwrite":true}'
  gives ok "SELECT backup_restore() ->> 'check'"
  [ "$(content admin.db)" = "$GOOD" ]
  unset RESTORE_TARGET
  ADMIN_DB_PATH=$T/fresh.db gives "T/fresh.db" "SELECT backup_restore('latest:admin') ->> 'target'"
  [ "$(content fresh.db)" = "$GOOD" ]
  fails 'no database named: set ADMIN_DB_PATH, or pass a target (main, a path)' "SELECT backup_restore('latest')"
  unset RESTORE_BACKUP
  fails "no backup named: pass one ('latest', a file name or a path)" "SELECT backup_restore()"
  fails 'argument 1 is NULL' "SELECT backup_restore(NULL, 'x.db')"
  fails 'argument 2 is NULL' "SELECT backup_restore('latest', NULL)"
}

@test "to main, to an attached schema, to an in-memory schema" {
  gives "50|ok" ".open admin.db" ".load ${LIFEBOAT_SO%.so}" ".once /dev/null" \
    "SELECT backup_restore('latest', 'main', '{\"overwrite\":true}')" "SELECT count(*), (SELECT * FROM pragma_integrity_check) FROM t"
  db admin.db "DELETE FROM t"
  gives "50" "ATTACH 'admin.db' AS a" ".once /dev/null" "SELECT backup_restore('$BACKUP', 'a', '{\"overwrite\":true}')" \
    "SELECT count(*) FROM a.t"
  gives "main (in memory)|
50" "SELECT r ->> 'target', r ->> 'notes' FROM (SELECT backup_restore('$BACKUP', 'main') AS r)" "SELECT count(*) FROM main.t"
  gives "an in-memory database is not saved before it is replaced
50" "CREATE TABLE gone(a)" "SELECT backup_restore('$BACKUP', 'main', '{\"overwrite\":true}') ->> 'notes'" "SELECT count(*) FROM t"
  fails 'target exists: main (in memory) (pass {"overwrite":true} to replace it)' "CREATE TABLE here(a)" \
    "SELECT backup_restore('$BACKUP', 'main')"
  gives "50" "ATTACH ':memory:' AS m" ".once /dev/null" "SELECT backup_restore('$BACKUP', 'm')" "SELECT count(*) FROM m.t"
}

@test "arguments that were exchanged do not replace the backup by the database" {
  make_db app.db 10
  sql "SELECT backup_create('app.db', '{\"compress\":\"gzip\"}')" >path
  gzip -c app.db >old.db.gz
  cp "$(cat path)" kept
  for target in "$(cat path)" "$T/old.db.gz"; do
    shown=$(sed -E "s|$T|T|; s/[0-9]{8}_[0-9]{6}/STAMP/" <<<"$target")
    fails "target $shown: is a compressed file, such as a backup, and no database: the backup is the first argument (to put a database there, move the file away)" \
      "SELECT backup_restore('./app.db', '$target', '{\"overwrite\":true}')"
  done
  cmp "$(cat path)" kept
  [ -z "$(find . -name '*before_restore*')" ]
}

@test "an attached backup is no target; of what else may only be read the path is" {
  for options in '' ", '{\"overwrite\":true}'" ", '{\"tables\":[\"t\"]}'"; do
    fails "old: is a backup, which is no target: T/backups/admin_sqlite_STAMP.db.gz (name a database: main, a path)" \
      "ATTACH backup_uri('$BACKUP') AS old" "SELECT backup_restore('latest', 'old'$options)"
  done
  fails 'ro: this connection may only read it: pass its path to restore over it' \
    "ATTACH 'file:admin.db?mode=ro' AS ro" "SELECT backup_restore('latest', 'ro', '{\"overwrite\":true}')"
  for options in '{"overwrite":true}' '{"tables":["t"]}'; do
    fails 'a: this connection may only read it: pass its path to restore over it' "ATTACH 'admin.db' AS a" \
      'PRAGMA query_only = 1' "SELECT backup_restore('latest', 'a', '$options')"
  done
  gives 'ok' "ATTACH 'admin.db' AS a" 'PRAGMA query_only = 1' 'PRAGMA query_only = 0' \
    "SELECT backup_restore('latest', 'a', '{\"overwrite\":true}') ->> 'check'"
}

@test "inside a transaction on the target it is refused" {
  for begin in "BEGIN; SELECT count(*) FROM t" "BEGIN IMMEDIATE" "BEGIN; DELETE FROM t"; do
    fails 'main: this connection has an open transaction on it: COMMIT or ROLLBACK first' \
      ".open admin.db" ".load ${LIFEBOAT_SO%.so}" ".once /dev/null" "$begin" "SELECT backup_restore('latest', 'main', '{\"overwrite\":true}')"
  done
  [ "$(content admin.db)" = "$DAMAGED" ]
}

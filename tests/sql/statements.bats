# The files of sql/: run as their headers say; what they print, and that a failure ends in a status other than 0.
load ../helper

setup() {
  lifeboat_setup
  # Their .load names ./build/lifeboat.
  mkdir "$T/build" "$T/backups"
  ln -s "$LIFEBOAT_SO" "$T/build/lifeboat.so"
  export ADMIN_DB_PATH=$T/admin.db BACKUP_DIR=$T/backups
  make_db admin.db 500
}

file() { sqlite3 -init /dev/null -batch -bail :memory: <"$ROOT/sql/$1.sql"; }

@test "nightly.sql: path, ok, number removed; the backup is whole" {
  run -0 file nightly
  [ "${#lines[@]}" = 3 ]
  [[ ${lines[0]} == "$BACKUP_DIR"/admin_sqlite_*.db.gz ]]
  [ "${lines[1]}" = ok ]
  [ "${lines[2]}" = 0 ]
  gunzip -c "${lines[0]}" >copy.db
  [ "$(content copy.db)" = "$(content admin.db)" ]
}

@test "nightly.sql: removes what is older than RETENTION_DAYS" {
  gzip -c admin.db >"backups/admin_sqlite_$(date -u -d '9 days ago' +%Y%m%d_%H%M%S).db.gz"
  RETENTION_DAYS=10 run -0 file nightly
  [ "${lines[2]}" = 0 ]
  RETENTION_DAYS=8 run -0 file nightly
  [ "${lines[2]}" = 1 ]
}

@test "nightly.sql: removes nothing of another database, nor of the other type" {
  local stamp others
  for stamp in 20200101_000000 20200102_000000; do
    gzip -c admin.db >"backups/ledger_sqlite_$stamp.db.gz"
    echo '-- PostgreSQL database dump' | gzip >"backups/admin_postgres_$stamp.sql.gz"
    gzip -c admin.db >"backups/admin_sqlite_$stamp.db.gz"
  done
  others=$(ls backups/ledger_* backups/*_postgres_*)
  BACKUP_DIR=backups run -0 file nightly
  [ "${lines[2]}" = 2 ]
  [ "$(ls backups/ledger_* backups/*_postgres_*)" = "$others" ]
}

@test "nightly.sql: no database, no folder, damage in the database: not 0, nothing removed" {
  local old
  old=backups/admin_sqlite_20200102_030405.db.gz
  gzip -c admin.db >"$old"
  ADMIN_DB_PATH=$T/nothing.db run -1 file nightly
  [[ $output == *nothing.db* ]]
  BACKUP_DIR=/proc/nothing run -1 file nightly
  # A page of the index t_name overwritten: backed up as it is, found by the full verification.
  printf '\xff%.0s' {1..64} | dd of=admin.db bs=1 seek=$(($(stat -c %s admin.db) - 600)) conv=notrunc status=none
  [ "$(db admin.db 'PRAGMA integrity_check' 2>&1)" != ok ]
  run -1 file nightly
  [ -e "$old" ]
}

@test "restore.sql: prints the report, brings the rows back" {
  file nightly
  db admin.db 'DELETE FROM t'
  export RESTORE_BACKUP=latest RESTORE_TARGET=$ADMIN_DB_PATH
  RESTORE_OPTIONS='{"overwrite":true}' run -0 file restore
  [ "${#lines[@]}" = 1 ]
  run -0 db :memory: "SELECT json_extract('${lines[0]//\'/\'\'}', '$.check')"
  [ "$output" = ok ]
  [ "$(db admin.db 'SELECT count(*) FROM t')" = 500 ]
}

@test "restore.sql: an existing target without leave, a backup that is missing: not 0, target untouched" {
  file nightly
  db admin.db 'DELETE FROM t WHERE id > 3'
  RESTORE_BACKUP=latest RESTORE_TARGET=$ADMIN_DB_PATH run -1 file restore
  [[ $output == *overwrite* ]]
  RESTORE_BACKUP=nothing.db.gz RESTORE_TARGET=$ADMIN_DB_PATH RESTORE_OPTIONS='{"overwrite":true}' run -1 file restore
  [[ $output == *nothing.db.gz* ]]
  [ "$(db admin.db 'SELECT count(*) FROM t')" = 3 ]
}

@test "restore.sql: a backup whose database is damaged is a failure, and the target stays" {
  file nightly
  printf garbagegarbagegarbage | dd of=admin.db bs=1 seek=4096 conv=notrunc status=none
  gzip -c admin.db >"backups/admin_sqlite_20200102_030405.db.gz"
  db new.db 'CREATE TABLE t(x); INSERT INTO t VALUES (1)'
  export RESTORE_BACKUP=admin_sqlite_20200102_030405.db.gz RESTORE_TARGET=$T/new.db RESTORE_OPTIONS='{"overwrite":true}'
  run -1 sqlite3 -init /dev/null -batch -bail :memory: <"$ROOT/sql/restore.sql"
  [ "$(db new.db 'SELECT count(*) FROM t')" = 1 ]
}

@test "list.sql: one line a backup, newest first" {
  file nightly
  gzip -c admin.db >backups/shop_sqlite_20200102_030405.db.gz
  run -0 file list
  [ "${#lines[@]}" = 2 ]
  local pattern='^admin_sqlite_[0-9_]+\.db\.gz  [0-9]{4}-[0-9]{2}-[0-9]{2} [0-9:]{8}  [0-9.]+ MiB  checked .*: ok'
  [[ ${lines[0]} =~ $pattern ]]
  [[ ${lines[1]} == 'shop_sqlite_20200102_030405.db.gz  2020-01-02 03:04:05  '*' MiB  never checked'* ]]
}

@test "list.sql: an empty folder is no error, one that is missing is" {
  run -0 file list
  [ -z "$output" ]
  BACKUP_DIR=$T/nothing run -1 file list
  [[ $output == *nothing* ]]
}

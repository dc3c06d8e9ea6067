# scripts/db_restore.sh: what it asks, restores, saves and refuses.
load ../helper

setup() {
  lifeboat_setup
  export ADMIN_DB_PATH=$T/data/admin.db BACKUP_DIR=$T/backups
  mkdir "$T/data" "$T/backups"
}

restore() { "$ROOT/scripts/db_restore.sh" "$@"; }

# What the shell script of old left behind: one gzip member.
old_backup() {
  gzip -c "$ADMIN_DB_PATH" >"$BACKUP_DIR/admin_sqlite_$1.db.gz"
}

rows() { db "$1" 'SELECT count(*) FROM t'; }

# ---- without the extension ----

@test "restore: --help says how, status 0" {
  run -0 restore --help
  [[ $output == 'Usage: db_restore.sh FILE'* ]]
}

@test "restore: wrong options, no FILE, two: status 2" {
  run -2 restore --quickly x
  [ "${lines[0]}" = 'db_restore.sh: unknown option: --quickly' ]
  run -2 restore
  [ "${lines[0]}" = 'db_restore.sh: FILE is missing: say which backup to restore, or latest' ]
  run -2 restore a b
  [ "${lines[0]}" = 'db_restore.sh: more than one FILE: b' ]
  run -2 restore a --target
  [ "${lines[0]}" = 'db_restore.sh: --target needs a value' ]
}

@test "restore: no database named" {
  unset ADMIN_DB_PATH
  run -1 restore latest
  [ "${lines[0]}" = 'db_restore.sh: ADMIN_DB_PATH is not set' ]
}

@test "restore: the extension is not built" {
  LIFEBOAT_SO=$T/nothing.so run -1 restore latest
  [ "${lines[0]}" = "db_restore.sh: LIFEBOAT_SO names no file: $T/nothing.so" ]
}

# ---- up to the question: what is shown, and what "no" means ----

@test "restore: shows backup, time, size, target, where the present goes; then asks" {
  make_db data/admin.db 100
  old_backup 20200102_030405
  local before
  before=$(sha256sum data/admin.db)
  run -1 restore admin_sqlite_20200102_030405.db.gz <<<no
  [[ $output == *'  backup     admin_sqlite_20200102_030405.db.gz'* ]]
  [[ $output == *'  made       2020-01-02 03:04:05 UTC'* ]]
  [[ $output =~ '  size       '[0-9.]+' '(bytes|KiB) ]]
  [[ $output == *"  folder     $BACKUP_DIR"* ]]
  [[ $output == *"  target     $ADMIN_DB_PATH, whose content will be replaced"* ]]
  [[ $output == *"  will save  $ADMIN_DB_PATH.before_restore.YYYYMMDD_HHMMSS"* ]]
  [[ $output == *'Are you sure you want to continue? (yes/no) '*'Restore cancelled: nothing was changed.' ]]
  [ "$(sha256sum data/admin.db)" = "$before" ]
  [ "$(ls data)" = admin.db ]
}

@test "restore: anything but yes cancels: y, empty, end of input, a command" {
  make_db data/admin.db 100
  old_backup 20200102_030405
  local answer
  for answer in y '' 'yes please' 'yess' '$(echo yes)' '*'; do
    run -1 restore admin_sqlite_20200102_030405.db.gz <<<"$answer"
    [[ $output == *'Restore cancelled: nothing was changed.' ]]
  done
  run -1 restore admin_sqlite_20200102_030405.db.gz </dev/null
  [[ $output == *'Restore cancelled: nothing was changed.' ]]
  [ "$(ls data)" = admin.db ]
}

@test "restore: a Postgres target is shown without its password" {
  make_db data/admin.db 10
  old_backup 20200102_030405
  run -1 restore admin_sqlite_20200102_030405.db.gz --target 'postgresql://u:hunter2@h/d' <<<no
  [[ $output == *'  target     postgresql://u@h/d, whose content will be replaced'* ]]
  [[ $output != *hunter2* ]]
}

@test "restore: a backup that is missing, a folder, not readable as a file name" {
  make_db data/admin.db 10
  run -1 restore backups/nothing.db.gz
  [ "${lines[0]}" = 'db_restore.sh: backup not found: backups/nothing.db.gz' ]
  mkdir backups/folder.db.gz
  run -1 restore folder.db.gz
  [ "${lines[0]}" = "db_restore.sh: not a file: $BACKUP_DIR/folder.db.gz" ]
}

@test "restore: folders that may not be searched: of the backup, of the target" {
  make_db data/admin.db 10
  old_backup 20200102_030405
  chmod 000 backups
  local file
  for file in admin_sqlite_20200102_030405.db.gz "$BACKUP_DIR/admin_sqlite_20200102_030405.db.gz"; do
    run -1 held "$ROOT/scripts/db_restore.sh" --yes "$file"
    [ "${lines[0]}" = "db_restore.sh: cannot look into the folder $BACKUP_DIR: permission denied" ]
  done
  chmod 700 backups
  chmod 000 data
  run -1 held "$ROOT/scripts/db_restore.sh" --yes admin_sqlite_20200102_030405.db.gz
  [[ $output == *"db_restore.sh: cannot look into the folder $T/data: permission denied"* ]]
}

# ---- restoring ----

@test "restore: a backup that is missing: the newest ones are listed" {
  make_db data/admin.db 10
  old_backup 20200102_030405
  run -1 restore admin_sqlite_20200102_030409.db.gz
  [ "${lines[0]}" = 'db_restore.sh: backup not found: admin_sqlite_20200102_030409.db.gz' ]
  [ "${lines[1]}" = "Newest backups in $BACKUP_DIR:" ]
  [[ ${lines[2]} == *'admin_sqlite_20200102_030405.db.gz  2020-01-02 03:04:05  '*' MiB' ]]
}

@test "restore: YES brings the old content back and saves the present as a plain database" {
  make_db data/admin.db 100
  "$ROOT/scripts/db_backup.sh" --quiet
  local then now saved
  then=$(content data/admin.db)
  db data/admin.db 'DELETE FROM t WHERE id > 30'
  now=$(content data/admin.db)
  run -0 restore latest <<<YES
  [[ $output == *'Restore finished'* ]]
  [[ $output == *'  check      ok'* ]]
  [ "$(content data/admin.db)" = "$then" ]
  saved=$(ls data/admin.db.before_restore.*)
  [[ $saved =~ ^data/admin\.db\.before_restore\.[0-9]{8}_[0-9]{6} ]]
  [[ $output == *"  saved as   $T/$saved"* ]]
  [ "$(content "$saved")" = "$now" ]
}

@test "restore: yes at the end of CRLF input; --yes asks nothing and reads nothing" {
  make_db data/admin.db 100
  old_backup 20200102_030405
  run -0 restore admin_sqlite_20200102_030405.db.gz <<<$'yEs\r'
  run -0 restore --yes admin_sqlite_20200102_030405.db.gz </dev/null
  [[ $output != *'Are you sure'* ]]
}

@test "restore: the file of old by path, by name in the folder, by name in the working directory" {
  make_db data/admin.db 100
  old_backup 20200102_030405
  cp backups/admin_sqlite_20200102_030405.db.gz mine.db.gz
  local file
  for file in "$T/backups/admin_sqlite_20200102_030405.db.gz" backups/admin_sqlite_20200102_030405.db.gz \
    admin_sqlite_20200102_030405.db.gz mine.db.gz ./mine.db.gz; do
    db data/admin.db 'DELETE FROM t WHERE id > 30'
    run -0 restore --yes "$file"
    [ "$(rows data/admin.db)" = 100 ]
  done
}

@test "restore: latest in its three forms is the newest of the scripts' own" {
  make_db data/admin.db 10
  old_backup 20200102_030405
  db data/admin.db 'INSERT INTO t(name) VALUES (1)'
  old_backup 20210102_030405
  db data/admin.db 'INSERT INTO t(name) VALUES (1)'
  gzip -c data/admin.db >backups/shop_sqlite_20220102_030405.db.gz
  gzip -c data/admin.db >backups/admin_x_sqlite_20220102_030405.db.gz
  local file
  for file in latest admin_sqlite_latest.db.gz "$BACKUP_DIR/admin_sqlite_latest.db.gz"; do
    rm -f data/admin.db
    run -0 restore --yes "$file"
    [[ $output == *'  backup     admin_sqlite_20210102_030405.db.gz'* ]]
    [ "$(rows data/admin.db)" = 11 ]
  done
}

@test "restore: latest is no backup that the listing calls damaged, nor one whose verification failed" {
  make_db data/admin.db 100
  "$ROOT/scripts/db_backup.sh" --quiet
  local good file
  good=$(ls backups/admin_sqlite_*.db.gz)
  head -c 2000 "$good" >backups/admin_sqlite_20990101_000000.db.gz
  gzip -c data/admin.db | head -c 1000 >backups/admin_sqlite_20990102_000000.db.gz
  sql "SELECT backup_verify('admin_sqlite_20990102_000000.db.gz') <> 'ok'"
  for file in latest admin_sqlite_latest.db.gz "$BACKUP_DIR/admin_sqlite_latest.db.gz"; do
    rm -f data/admin.db
    run -0 restore --yes "$file"
    [[ $output == *"  backup     ${good##*/}"* ]]
  done
  rm "$good"
  run -1 restore --yes latest
  [ "${lines[0]}" = "db_restore.sh: no good backup of admin (sqlite) in $BACKUP_DIR" ]
}

@test "restore: latest where there is none, where the folder is missing" {
  run -1 restore --yes latest
  [ "${lines[0]}" = "db_restore.sh: no good backup of admin (sqlite) in $BACKUP_DIR" ]
  rmdir backups
  run -1 restore --yes latest
  [ "${lines[0]}" = "db_restore.sh: the folder of backups is missing: $BACKUP_DIR" ]
}

@test "restore: a new target: nothing to save" {
  make_db data/admin.db 100
  old_backup 20200102_030405
  rm data/admin.db
  run -0 restore --yes admin_sqlite_20200102_030405.db.gz
  [[ $output == *'  target     '*', which does not exist yet'* ]]
  [[ $output == *'Restore finished'*"  created    $ADMIN_DB_PATH, which was not there before"* ]]
  [ "$(rows data/admin.db)" = 100 ]
  [ "$(ls data)" = admin.db ]
}

@test "restore: stale files of a database that is gone are moved aside, and no copy of it is claimed" {
  make_db data/admin.db 100
  old_backup 20200102_030405
  local run
  for run in 1 2; do
    rm data/admin.db
    echo "stale $run" >data/admin.db-wal
    run -0 restore --yes admin_sqlite_20200102_030405.db.gz
    [[ $output == *"  will save  its stale -wal or -journal, as $ADMIN_DB_PATH.before_restore."* ]]
    [[ $output == *'  saved as   nothing'* ]]
    [[ $output == *"  notes      $ADMIN_DB_PATH-wal lay there without its database: it was moved to "*-wal* ]]
  done
  [ "$(cat data/admin.db.before_restore.*-wal)" = $'stale 1\nstale 2' ]
}

@test "restore: --target leaves the configured database alone; --no-pre-restore saves nothing" {
  make_db data/admin.db 100
  old_backup 20200102_030405
  local before
  before=$(sha256sum data/admin.db)
  make_db other.db 5
  run -0 restore --yes --target other.db --no-pre-restore admin_sqlite_20200102_030405.db.gz
  [[ $output != *'created '* ]]
  [ "$(rows other.db)" = 100 ]
  [ "$(sha256sum data/admin.db)" = "$before" ]
  run -0 find . -name '*before_restore*'
  [ -z "$output" ]
}

@test "restore: a backup of another database is told before the question" {
  make_db data/admin.db 100
  mkdir elsewhere
  make_db elsewhere/admin.db 5
  ln -s "$T/data/admin.db" link.db
  "$ROOT/scripts/db_backup.sh" --quiet
  local own=$'\n'"  made " file
  file=$(cd backups && echo admin_*.db.gz)
  for target in data/admin.db "$T/data/admin.db" link.db; do
    ADMIN_DB_PATH=$target run -1 restore latest <<<no
    [[ $output == *"  folder     $BACKUP_DIR$own"* ]]
  done
  export ADMIN_DB_PATH=elsewhere/admin.db
  for target in latest "$file" "backups/$file"; do
    run -1 restore "$target" <<<no
    [[ $output == *"  source     $T/data/admin.db, which is not the target$own"* ]]
  done
  run -0 restore latest --yes --target look.db
  [[ $output == *"  folder     $BACKUP_DIR$own"* ]]
  old_backup 20200102_030405  # which does not tell
  run -1 restore admin_sqlite_20200102_030405.db.gz <<<no
  [[ $output == *"  folder     $BACKUP_DIR$own"* ]]
}

@test "restore: leftovers in the environment choose nothing" {
  make_db data/admin.db 100
  old_backup 20200102_030405
  make_db other.db 5
  export RESTORE_TARGET=$T/other.db RESTORE_BACKUP=$T/nothing.gz RESTORE_OPTIONS='{"pre_restore":false}'
  db data/admin.db 'DELETE FROM t'
  run -0 restore --yes admin_sqlite_20200102_030405.db.gz
  [ "$(rows data/admin.db)" = 100 ]
  [ "$(rows other.db)" = 5 ]
  [ -n "$(ls data/admin.db.before_restore.*)" ]
}

# Runs the restore where not a byte can be written to a file, as on a disk that is full.
restore_on_full_disk() {
  (ulimit -f 0; trap '' XFSZ; restore "$@")
}

@test "restore: /tmp is full: says so, not 0; nothing was restored, and that is no lack of backups" {
  make_db data/admin.db 10
  old_backup 20251104_120000
  rm data/admin.db
  run -1 restore_on_full_disk "$BACKUP_DIR/admin_sqlite_20251104_120000.db.gz" --yes
  [[ $output == *'db_restore.sh: cannot write to /tmp, so nothing was done'* ]]
  [[ $output != *'Restore finished'* ]]
  run -1 restore_on_full_disk latest --yes
  [[ $output == *'db_restore.sh: cannot write to /tmp, so nothing was done'* ]]
  [[ $output != *'no good backup'* ]]
  [ ! -e data/admin.db ]
}

@test "restore: a truncated backup, one with a flipped byte, a text: refused, the target untouched" {
  make_db data/admin.db 500
  old_backup 20200102_030405
  local file=backups/admin_sqlite_20200102_030405.db.gz before
  before=$(sha256sum data/admin.db)
  head -c 2000 "$file" >cut.db.gz
  cp "$file" flip.db.gz
  printf '\xff' | dd of=flip.db.gz bs=1 seek=1500 conv=notrunc status=none
  cmp -s "$file" flip.db.gz && printf '\x00' | dd of=flip.db.gz bs=1 seek=1500 conv=notrunc status=none
  echo 'CREATE TABLE t(x);' | gzip >text.sql.gz
  for file in cut.db.gz flip.db.gz text.sql.gz; do
    run -1 restore --yes "./$file"
    [[ $output == *'db_restore.sh: restore failed'* ]]
    [ "$(sha256sum data/admin.db)" = "$before" ]
  done
}

@test "restore: hostile paths of backup and target are just characters" {
  make_db data/admin.db 50
  local name
  for name in 'a b' "it's" 'say "hi"' '$(touch pwned)' '`touch pwned`' $'new\nline' '-rf' "x';DROP TABLE t;--" '.load' \
    'a%20b?mode=x#y'; do
    mkdir -p -- "./$name"
    gzip -c data/admin.db >"./$name/$name.gz"
    ADMIN_DB_PATH=$name/target.db BACKUP_DIR=$name run -0 restore --yes -- "$name/$name.gz"
    [ "$(rows "./$name/target.db")" = 50 ]
    ADMIN_DB_PATH=$name/second.db BACKUP_DIR=$name run -0 restore --yes "--target=$name/third.db" -- "$name.gz"
    [ "$(rows "./$name/third.db")" = 50 ]
    [ ! -e "./$name/second.db" ]
  done
  [ ! -e pwned ]
}

@test "restore: a target that is locked: says so, not 0, nothing changed" {
  make_db data/admin.db 10 delete
  old_backup 20200102_030405
  mkfifo hold
  sqlite3 -init /dev/null -batch data/admin.db <hold >locked 2>&1 &
  local holder=$!
  exec 9>hold
  printf 'BEGIN EXCLUSIVE;\nSELECT 1;\n' >&9
  while ! grep -q 1 locked; do sleep 0.05; done
  run -1 restore --yes admin_sqlite_20200102_030405.db.gz
  exec 9>&-
  wait $holder
  [[ $output == *locked* ]]
  [ "$(rows data/admin.db)" = 10 ]
}

@test "restore: a signal ends it, with what it has begun: the target as it was, status 128 and the number" {
  make_db data/admin.db 10 delete
  old_backup 20200102_030405
  db data/admin.db 'DELETE FROM t WHERE id > 5'
  mkfifo hold
  sqlite3 -init /dev/null -batch data/admin.db <hold >locked 2>&1 &
  local holder=$! signal script
  exec 9>hold
  printf 'BEGIN;\nSELECT count(*) FROM t;\n' >&9
  while ! grep -q 5 locked; do sleep 0.05; done
  for signal in HUP:129 INT:130 TERM:143; do
    env --default-signal=HUP,INT,TERM "$ROOT/scripts/db_restore.sh" --yes latest >out 2>&1 9>&- &
    script=$!
    # It has unpacked the backup, and saved what is there: now it waits for the reader.
    until [ -n "$(find data -name '*.before_restore.*')" ]; do sleep 0.02; done
    kill -"${signal%:*}" $script
    status=0
    wait $script || status=$?
    [ $status = "${signal#*:}" ]
    [ "$(tail -n 1 out)" = "db_restore.sh: stopped by SIG${signal%:*} (SELECT * FROM backup_history tells what was done)" ]
    [ "$(ls -A data)" = admin.db ]
  done
  exec 9>&-
  wait $holder
  sleep 0.5
  [ "$(rows data/admin.db)" = 5 ]
}

@test "a URI where a path is wanted is refused at once" {
  make_db data/admin.db 10
  sql "SELECT backup_create('$T/data/admin.db')"
  run timeout 20 env ADMIN_DB_PATH=file:/x/c.db "$ROOT/scripts/db_restore.sh" latest --yes
  echo "$status $output"
  [ "$status" = 1 ]
  [[ $output == *"pass a plain path, not a URI"* ]]
}

# scripts/db_backup.sh: what it makes, prints and refuses.
load ../helper

setup() {
  lifeboat_setup
  export ADMIN_DB_PATH=$T/data/admin.db BACKUP_DIR=$T/backups
  mkdir "$T/data"
}

backup() { "$ROOT/scripts/db_backup.sh" "$@"; }

# An old backup of the scripts' name, N days ago, as the shell script of old made it.
old_backup() {
  mkdir -p "$BACKUP_DIR"
  local file
  file=$BACKUP_DIR/admin_sqlite_$(date -u -d "$1 days ago" +%Y%m%d_%H%M%S).db.gz
  gzip -c "$ADMIN_DB_PATH" >"$file"
  printf '%s\n' "$file"
}

newest() {
  local files=("$BACKUP_DIR"/admin_sqlite_*.db.gz)
  [ ! -e "${files[-1]}" ] || printf '%s\n' "${files[-1]}"
}

# ---- without the extension ----

@test "backup: --help says how, status 0" {
  run -0 backup --help
  [[ $output == 'Usage: db_backup.sh [--retention-days N]'* ]]
}

@test "sh db_backup.sh, sh db_restore.sh: in bash all the same" {
  make_db "data/admin.db" 10
  mkdir backups
  run -0 sh "$ROOT/scripts/db_backup.sh" --quiet --retention-days '5'
  [ -z "$output" ]
  run -0 sh "$ROOT/scripts/db_restore.sh" latest --yes --target "a copy.db"
  [ "$(content "a copy.db")" = "$(content data/admin.db)" ]
  run -2 sh "$ROOT/scripts/db_backup.sh" 'a  b'
  [ "${lines[0]}" = 'db_backup.sh: unknown option: a  b' ]
}

@test "backup: wrong options: status 2, a hint" {
  run -2 backup --frequency 3
  [ "${lines[0]}" = 'db_backup.sh: unknown option: --frequency' ]
  [ "${lines[1]}" = '  hint: db_backup.sh --help' ]
  run -2 backup --retention-days
  [ "${lines[0]}" = 'db_backup.sh: --retention-days needs a value' ]
  run -2 backup surplus
}

@test "backup: a retention that is no number is refused before anything is done" {
  make_db data/admin.db 10
  run -2 backup --retention-days abc
  [ "${lines[0]}" = 'db_backup.sh: --retention-days is abc: it must be a number of days, 0 to 36500' ]
  run -2 backup --retention-days=36501
  RETENTION_DAYS=-1 run -1 backup
  [ "$output" = 'db_backup.sh: RETENTION_DAYS is -1: it must be a number of days, 0 to 36500' ]
  [ ! -e backups ]
}

@test "backup: no database named, a type that is none" {
  unset ADMIN_DB_PATH
  run -1 backup
  [ "${lines[0]}" = 'db_backup.sh: ADMIN_DB_PATH is not set' ]
  ADMIN_DATABASE_URL=postgresql://u:hunter2@h/d run -1 backup
  [[ ${lines[0]} == 'db_backup.sh: ADMIN_DATABASE_URL is set, but ADMIN_DB_TYPE says sqlite (the default)'* ]]
  [ "${lines[1]}" = '  hint: for Postgres export ADMIN_DB_TYPE=postgres, or write that line into .env' ]
  ADMIN_DB_TYPE=postgres run -1 backup
  [ "${lines[0]}" = 'db_backup.sh: ADMIN_DATABASE_URL is not set' ]
  ADMIN_DB_TYPE='mysql; touch pwned' run -1 backup
  [ "$output" = 'db_backup.sh: ADMIN_DB_TYPE is mysql; touch pwned: it must be sqlite or postgres' ]
  [ ! -e pwned ]
}

@test "backup: the database is missing, is a folder, may not be read" {
  run -1 backup
  [ "${lines[0]}" = "db_backup.sh: database not found: $T/data/admin.db" ]
  mkdir data/admin.db
  run -1 backup
  [ "${lines[0]}" = "db_backup.sh: not a file: $T/data/admin.db" ]
  rmdir data/admin.db
  make_db data/admin.db 10
  chmod 000 data/admin.db
  run -1 held "$ROOT/scripts/db_backup.sh"
  [ "${lines[0]}" = "db_backup.sh: cannot read the database: $T/data/admin.db: permission denied" ]
  [ ! -e backups ]
}

@test "backup: a folder that may not be searched is no missing database, nor a missing folder of backups" {
  make_db data/admin.db 10
  chmod 000 data
  run -1 held "$ROOT/scripts/db_backup.sh"
  [ "${lines[0]}" = "db_backup.sh: cannot look into the folder $T/data: permission denied" ]
  ADMIN_DB_PATH=$T/data/sub/admin.db run -1 held "$ROOT/scripts/db_backup.sh"
  [ "${lines[0]}" = "db_backup.sh: cannot look into the folder $T/data: permission denied" ]
  chmod 700 data
  mkdir closed
  chmod 000 closed
  BACKUP_DIR=$T/closed/backups run -1 held "$ROOT/scripts/db_backup.sh"
  [ "${lines[0]}" = "db_backup.sh: cannot look into the folder $T/closed: permission denied" ]
}

@test "backup: the extension is not built, sqlite3 is missing" {
  make_db data/admin.db 10
  LIFEBOAT_SO=$T/nothing.so run -1 backup
  [ "${lines[0]}" = "db_backup.sh: LIFEBOAT_SO names no file: $T/nothing.so" ]
  mkdir -p copy/scripts bin
  cp "$ROOT"/scripts/*.sh copy/scripts/
  if [ ! -e /usr/local/lib/lifeboat/lifeboat.so ]; then
    run -1 env -u LIFEBOAT_SO copy/scripts/db_backup.sh
    [ "${lines[0]}" = 'db_backup.sh: the extension is not built: found no build/lifeboat.so' ]
  fi
  local tool
  for tool in bash readlink env; do ln -s "$(command -v $tool)" "bin/$tool"; done
  PATH=$T/bin run -1 "$ROOT/scripts/db_backup.sh"
  [ "${lines[0]}" = 'db_backup.sh: the sqlite3 command is missing' ]
}

@test "backup: a file that is no extension: its loader's message, nothing left in /tmp" {
  make_db data/admin.db 10
  echo rubbish >lifeboat.so
  local before after
  before=$(find /tmp -maxdepth 1 -name 'lifeboat.??????????' -user "$(id -u)" | wc -l)
  LIFEBOAT_SO=$T/lifeboat.so run -1 backup
  [[ $output == *'db_backup.sh: '*'lifeboat'* ]]
  [[ $output == *'db_backup.sh: backup failed'* ]]
  after=$(find /tmp -maxdepth 1 -name 'lifeboat.??????????' -user "$(id -u)" | wc -l)
  [ "$before" -eq "$after" ]
}

# ---- with it ----

@test "backup: makes a whole backup, checks it, prints a summary" {
  make_db data/admin.db 2000 wal
  run -0 backup
  local file
  file=$(newest)
  [[ ${file##*/} =~ ^admin_sqlite_[0-9]{8}_[0-9]{6}\.db\.gz$ ]]
  [[ $output == *'Backup finished'* ]]
  [[ $output == *"  database   $T/data/admin.db"* ]]
  [[ $output == *"  backup     ${file##*/}"* ]]
  [[ $output =~ '  size       '[0-9.]+' '(bytes|KiB|MiB)', '[0-9.]+':1 of ' ]]
  [[ $output =~ '  seconds    '[0-9]+\.[0-9][0-9] ]]
  [[ $output == *'  verified   ok'* ]]
  [[ $output == *'  kept       1'* ]]
  [[ $output == *'  removed    0'* ]]
  [[ $output == *'  retention  7 days (the default)'* ]]
  [[ $output == *"  folder     $BACKUP_DIR"* ]]
  gunzip -c "$file" >copy.db
  [ "$(content copy.db)" = "$(content data/admin.db)" ]
  [ "$(stat -c %a backups)" = 700 ]
  [ "$(stat -c %a "$file")" = 600 ]
}

@test "backup: the name is admin whatever the file and BACKUP_NAME" {
  make_db data/other.db 10
  export BACKUP_NAME=else ADMIN_DB_PATH=$T/data/other.db
  run -0 backup
  [ -n "$(newest)" ]
}

@test "backup: --quiet prints nothing" {
  make_db data/admin.db 10
  mkdir backups
  run -0 backup --quiet
  [ -z "$output" ]
  [ -n "$(newest)" ]
}

@test "backup: rotation: option before environment before .env, of the scripts' name only" {
  make_db data/admin.db 10
  local a b other
  a=$(old_backup 5)
  b=$(old_backup 20)
  other=$BACKUP_DIR/shop_sqlite_20200101_000000.db.gz
  cp "$b" "$other"
  cp "$b" "$BACKUP_DIR/unrelated.gz"
  echo RETENTION_DAYS=100 >.env
  run -0 backup
  [[ $output == *'  kept       3'*'  removed    0'*"  retention  100 days ($T/.env)"* ]]
  RETENTION_DAYS=10 run -0 backup
  [[ $output == *'  kept       3'*'  removed    1'*'  retention  10 days (the environment)'* ]]
  [ -e "$a" ]
  [ ! -e "$b" ]
  RETENTION_DAYS=10 run -0 backup --retention-days=3
  [[ $output == *'  removed    1'*'  retention  3 days (--retention-days)'* ]]
  [ ! -e "$a" ]
  [ -e "$other" ]
  [ -e "$BACKUP_DIR/unrelated.gz" ]
}

@test "backup: another database in the same folder: what to do about it here" {
  make_db data/admin.db 10
  make_db other.db 10
  backup --quiet 2>/dev/null
  ADMIN_DB_PATH=other.db run -1 backup
  [[ ${lines[0]} == 'db_backup.sh: the name "admin" in '*' belongs to another source, '* ]]
  [[ $output == *'what it calls {"name":"…"} is another folder, by --dir or BACKUP_DIR' ]]
  ADMIN_DB_PATH=other.db run -0 backup --dir others
}

@test "backup: --dir goes before BACKUP_DIR; a folder that is missing is made, parents too" {
  make_db data/admin.db 10
  run -0 backup --dir "$T/new/er folder"
  [ "${lines[0]}" = "Created the folder of backups $T/new/er folder" ]
  BACKUP_DIR="$T/new/er folder"
  [ -n "$(newest)" ]
  # Backups are for their owner only; the folders above are made as anybody makes folders.
  [ "$(stat -c %a "$BACKUP_DIR")" = 700 ]
  (umask 022; backup --quiet --dir "$T/data2/of/backups/" 2>/dev/null)
  [ "$(stat -c '%a' data2 data2/of data2/of/backups | tr '\n' ' ')" = '755 755 700 ' ]
  [ ! -e backups ]
  # A slip in a crontab is told even so, once.
  run -0 --separate-stderr backup --quiet --dir "$T/slip"
  [ -z "$output" ]
  [ "$stderr" = "db_backup.sh: created the folder of backups $T/slip" ]
  run -0 backup --quiet --dir "$T/slip"
  [ -z "$output" ]
}

@test "backup: a folder that may not be written, or cannot be made" {
  make_db data/admin.db 10
  mkdir backups
  chmod 500 backups
  run -1 held "$ROOT/scripts/db_backup.sh"
  [ "${lines[0]}" = "db_backup.sh: cannot write to the folder of backups: $BACKUP_DIR: permission denied" ]
  BACKUP_DIR=$T/data/admin.db/x run -1 backup
  [ "${lines[0]}" = "db_backup.sh: cannot create the folder of backups: $T/data/admin.db/x" ]
}

@test "backup: a ~ or \$HOME that nobody expands makes no folder of that name; one that is there is used" {
  make_db data/admin.db 10
  local folder
  for folder in '~/backups' '$HOME/backups' '${HOME}/backups'; do
    printf 'BACKUP_DIR=%s\n' "$folder" >.env
    BACKUP_DIR= run -1 backup
    [ "${lines[0]}" = "db_backup.sh: the folder of backups is missing: $T/$folder, where ~ and \$HOME are not expanded" ]
    [ ! -e "./${folder%/*}" ]
  done
  mkdir -p './~/backups'
  run -0 backup --dir '~/backups'
  [ "$(find './~/backups' -name 'admin_sqlite_*.db.gz' | wc -l)" -eq 1 ]
}

@test "backup: hostile paths are just characters" {
  local name
  for name in 'a b' "it's" 'say "hi"' '$(touch pwned)' '`touch pwned`' $'new\nline' '-rf' "x';DROP TABLE t;--" '.load' \
    'a%20b?mode=x#y'; do
    mkdir -p -- "./$name/out"
    make_db "./$name/data.db" 50
    export ADMIN_DB_PATH=$name/data.db BACKUP_DIR=$name/out
    run -0 backup
    BACKUP_DIR=$T/$name/out
    gunzip -c "$(newest)" >copy.db
    [ "$(content copy.db)" = "$(content "./$name/data.db")" ]
    [[ $output != *$'\n'"line/"* ]]
  done
  [ ! -e pwned ]
  run -0 db "$T/x';DROP TABLE t;--/data.db" 'SELECT count(*) FROM t'
  [ "$output" = 50 ]
}

@test "backup: a database called main, -x.db, :memory: in the working directory is that file" {
  local name
  for name in main -x.db :memory:; do
    make_db "./$name" 20
    rm -rf "$BACKUP_DIR"
    ADMIN_DB_PATH=$name run -0 backup
    gunzip -c "$(newest)" >copy.db
    [ "$(content copy.db)" = "$(content "./$name")" ]
  done
}

@test "backup: settings from .env alone, from another folder" {
  mkdir -p app/scripts app/data elsewhere
  ln -s "$ROOT"/scripts/lib.sh app/scripts/
  cp "$ROOT"/scripts/db_backup.sh app/scripts/
  make_db app/data/admin.db 10
  unset ADMIN_DB_PATH BACKUP_DIR
  printf 'export ADMIN_DB_PATH="data/admin.db"\r\nBACKUP_DIR=kept # here\r\n' >app/.env
  cd elsewhere
  run -0 "$T/app/scripts/db_backup.sh"
  BACKUP_DIR=$T/app/kept
  [ -n "$(newest)" ]
}

@test "backup: a file that is no database, and a damaged one: not 0, no backup" {
  head -c 5000 /dev/urandom >data/admin.db
  run -1 backup
  [[ $output == *'db_backup.sh: backup failed'* ]]
  [ -z "$(newest)" ]
}

@test "backup: a locked database: says so, not 0" {
  make_db data/admin.db 10 delete
  mkfifo hold
  sqlite3 -init /dev/null -batch data/admin.db <hold >locked 2>&1 &
  local holder=$!
  exec 9>hold
  printf 'PRAGMA locking_mode=exclusive;\nBEGIN EXCLUSIVE;\nSELECT 1;\n' >&9
  while ! grep -q 1 locked; do sleep 0.05; done
  run -1 backup
  exec 9>&-
  wait $holder
  [[ $output == *locked* ]]
  [ -z "$(newest)" ]
}

@test "backup: a failed verification: not 0, nothing is rotated" {
  # Every statement is there; backup_verify is what a damaged disk would make of it.
  make_db data/admin.db 10
  local old
  old=$(old_backup 30)
  mkdir bin
  cat >bin/sqlite3 <<STUB
#!/bin/sh
sed 's/backup_verify(path, .{"raise":true}.)/json(path)/' | "$(command -v sqlite3)" "\$@"
STUB
  chmod +x bin/sqlite3
  PATH=$T/bin:$PATH run -1 backup
  [[ $output == *'db_backup.sh: malformed JSON'* ]]
  [[ $output == *'db_backup.sh: backup failed'* ]]
  [ -e "$old" ]
}

@test "backup: an error of a newer sqlite3, which calls it otherwise, is told as well without what is the shell's" {
  make_db data/admin.db 10
  backup --quiet 2>/dev/null
  mkdir bin
  cat >bin/sqlite3 <<STUB
#!/bin/sh
"$(command -v sqlite3)" "\$@" 2>"$T/errors"
status=\$?
sed -E 's/^Runtime error near/Error near/; s/ [(][0-9]+[)]\$//' "$T/errors" >&2
exit \$status
STUB
  chmod +x bin/sqlite3
  make_db other.db 10
  ADMIN_DB_PATH=other.db PATH=$T/bin:$PATH run -1 backup
  [[ ${lines[0]} == 'db_backup.sh: the name "admin" in '* ]]
}

# A sqlite3 that takes its time: one thread at the highest level.
slow_sqlite() {
  mkdir bin
  cat >bin/sqlite3 <<STUB
#!/bin/sh
sed "s/^CREATE TEMP TABLE begun/SELECT backup_set('threads', 1), backup_set('level', 9);&/" >"$T/slow.sql.\$\$"
exec "$(command -v sqlite3)" "\$@" <"$T/slow.sql.\$\$"
STUB
  chmod +x bin/sqlite3
}

@test "backup: a signal ends it, with what it has begun: status 128 and its number" {
  db data/admin.db "CREATE TABLE t(x); WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 60000)
    INSERT INTO t SELECT hex(randomblob(500)) FROM n"
  mkdir backups
  slow_sqlite
  local signal
  for signal in HUP:129 INT:130 TERM:143; do
    PATH=$T/bin:$PATH env --default-signal=HUP,INT,TERM "$ROOT/scripts/db_backup.sh" >out 2>&1 &
    local script=$!
    until [ -n "$(find backups -name '.*.partial')" ]; do sleep 0.02; done
    kill -"${signal%:*}" $script
    status=0
    wait $script || status=$?
    [ $status = "${signal#*:}" ]
    [ "$(ls -A backups | grep -v catalog)" = '' ]
    [ "$(tail -n 1 out)" = "db_backup.sh: stopped by SIG${signal%:*} (SELECT * FROM backup_history tells what was done)" ]
  done
}

@test "backup: a signal to all of its processes ends it as well as one to the script" {
  db data/admin.db "CREATE TABLE t(x); WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 60000)
    INSERT INTO t SELECT hex(randomblob(500)) FROM n"
  mkdir backups
  slow_sqlite
  local signal
  for signal in TERM INT; do
    PATH=$T/bin:$PATH run env --default-signal=HUP,INT,TERM timeout -s $signal 1.2 "$ROOT/scripts/db_backup.sh"
    echo "$output"
    [[ $output == *"db_backup.sh: stopped by SIG$signal (SELECT * FROM backup_history tells what was done)" ]]
    [ "$(ls -A backups | grep -v catalog)" = '' ]
  done
}

@test "backup: Postgres in a build or place without it: the extension's error, no password in it" {
  unset ADMIN_DB_PATH
  export ADMIN_DB_TYPE=postgres ADMIN_DATABASE_URL='postgresql://u:hunter2@127.0.0.1:1/d'
  run -1 backup
  [[ $output == *'db_backup.sh: backup failed'* ]]
  [[ $output != *hunter2* ]]
}

@test "backup: a history that cannot be kept is told, also with --quiet, and nothing is removed" {
  make_db data/admin.db 10
  mkdir backups
  db backups/catalog.db "CREATE TABLE product(a)"
  foreign="$T/backups/catalog.db is not Lifeboat's: it is a database of something else (move it, or choose another folder of backups)"
  run -1 --separate-stderr backup --quiet
  [ -z "$output" ] && [ -n "$(newest)" ]
  [ "${stderr_lines[0]}" = "db_backup.sh: results of verifications cannot be read, so nothing is removed: $foreign" ]
  [[ $stderr == *"db_backup.sh: warning: history was not written: $foreign"* ]]
  [[ $stderr == *"db_backup.sh: warning: the result of the verification was not recorded: $foreign"* ]]
  rm backups/catalog.db
  run -0 --separate-stderr backup
  [ -z "$stderr" ]
}

@test "backup: a removal that fails is not called a failed backup" {
  make_db data/admin.db 10
  old_backup 3 >/dev/null
  local theirs
  theirs=$(old_backup 2)
  chmod 000 "$theirs"  # as root's are for others
  run -1 --separate-stderr held "$ROOT/scripts/db_backup.sh" --retention-days 1
  [ -z "$output" ]
  [[ ${stderr_lines[0]} == "db_backup.sh: ${theirs##*/} could not be read, so it is kept: "*' (somebody else made it: chown it to the owner of the others)'* ]]
  [ "${stderr_lines[1]}" = 'db_backup.sh: the backup was made, but the removal of old ones failed' ]
  local new
  new=$(newest)
  [ "${stderr_lines[2]}" = "  hint: the message above says why; ${new##*/} is whole and checked" ]
  gunzip -c "$new" >copy.db
  [ "$(content copy.db)" = "$(content data/admin.db)" ]
}

@test "backup: a history that cannot be read stops the rotation" {
  make_db data/admin.db 10
  run -0 backup
  old=$(old_backup 20)
  chmod 000 backups/catalog.db
  run -1 held "$ROOT/scripts/db_backup.sh"
  [[ $output == *"db_backup.sh: results of verifications cannot be read, so nothing is removed: history \
$T/backups/catalog.db: unable to open database file (let the owner of its folder have it, or move it away: it is made anew)"* ]]
  [ -e "$old" ]
}

# Runs the commands of lifeboat.cron as cron does, here.
run_crontab() {
  local command
  while IFS= read -r command; do
    command=${command//\/srv\/app/$T}
    command=${command//\/usr\/local\/bin\/db_backup.sh/$ROOT/scripts/db_backup.sh}
    env -u ADMIN_DB_PATH -u BACKUP_DIR PATH=/usr/bin:/bin sh -c "${command//\/data\/backups/$T/backups}" </dev/null
  done < <(sed -n 's/^[0-9][^a-z]*root  //p' "$ROOT/scripts/lifeboat.cron")
}

@test "lifeboat.cron: the nightly job keeps backups for as long as .env says" {
  make_db data/admin.db 10
  printf '%s\n' "ADMIN_DB_PATH=$ADMIN_DB_PATH" "BACKUP_DIR=$BACKUP_DIR" RETENTION_DAYS=90 >.env
  local young old
  young=$(old_backup 80)
  old=$(old_backup 100)
  mkdir backups/weekly
  run -0 run_crontab
  [ -z "$output" ]
  [ -e "$young" ]
  [ ! -e "$old" ]
  [ -n "$(ls backups/weekly/admin_sqlite_*.db.gz)" ]
}

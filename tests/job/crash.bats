# The world at its worst: kill -9, full disks, missing rights, locks, several processes, interrupts, hostile databases.
# What needs timing or many rounds is in crash.py.
load ../helper

crash() { /usr/bin/python3 -B "$ROOT/tests/job/crash.py" "$@"; }

# no_debris DIR: no partial, and nothing under the name of a backup.
no_debris() { [ -z "$(ls -A "$1" | grep -E 'partial|_sqlite_')" ]; }

@test "kill -9 at random moments of creating a large backup" { crash kill-create "$T"; }
@test "kill -9 at random moments of restoring onto a large WAL database" {
  ROUNDS=${ROUNDS:-4} crash kill-restore "$T" wal
}
@test "kill -9 at random moments of restoring onto a large rollback database" {
  ROUNDS=${ROUNDS:-4} crash kill-restore "$T" delete
}
@test "kill -9 in the middle of the copy into a WAL database, straight from the backup" {
  crash kill-copy "$T" wal
}
@test "kill -9 in the middle of the copy into a WAL database, when part of the unpacked file is gone" {
  crash kill-copy "$T" wal verify
}
@test "kill -9 in the middle of the copy into a rollback database, when part of the unpacked file is gone" {
  crash kill-copy "$T" delete
}
@test "three processes create and rotate in one folder at once" { crash together "$T"; }
@test "an interrupt is heard promptly and leaves nothing behind" { crash interrupt "$T"; }

@test "a real full disk, at every level" {
  mkdir "$T/disk" "$T/elsewhere"
  local enter=(unshare -m)
  [ "$(id -u)" = 0 ] || enter=(unshare -rm)
  if ! "${enter[@]}" mount -t tmpfs -o size=10m none "$T/disk"; then
    [ -z "${CI:-}" ] || return 1
    skip "mounting is not allowed here"
  fi
  export -f crash
  ELSEWHERE=$T/elsewhere "${enter[@]}" bash -c 'mount -t tmpfs -o size=10m none "$T/disk" && crash full "$T/disk"'
}

# as_nobody SQL…: like sql, as a user without privileges (the one that runs the tests, where that is not root).
as_nobody() {
  local user=()
  [ "$(id -u)" != 0 ] || user=(setpriv --reuid=65534 --regid=65534 --clear-groups)
  (cd "$P" && printf '%s\n;\n' "$@" | "${user[@]}" sqlite3 -init /dev/null -batch -bail :memory: -cmd ".load '$P/lifeboat'")
}

# A folder that such a user can reach, which that of bats is not.
public_folder() {
  skip_without setpriv
  P=$(mktemp -d /tmp/lifeboat-test.XXXXXX)
  chmod 755 "$P"
  cp "$LIFEBOAT_SO" "$P/lifeboat.so"
  mkdir -m 777 "$P/backups" "$P/data"
  make_db "$P/data/app.db" 50
}

teardown() {
  cd / || return 1
  [ -z "${P:-}" ] || { chmod -R u+rwx "$P" && rm -rf "$P"; }
  chmod -R u+rwx "$T" && rm -rf "$T"
}

@test "without permission: a clear word, nothing left, nothing touched" {
  public_folder
  local option="{\"dir\":\"$P/backups\"}" before
  # The source may not be read.
  chmod 600 "$P/data/app.db"
  [ "$(id -u)" = 0 ] || chmod 000 "$P/data/app.db"
  run -1 as_nobody "SELECT backup_create('$P/data/app.db', '$option')"
  [[ $output == *"$P/data/app.db"* && $output == *ermission* ]]
  no_debris "$P/backups"
  chmod 644 "$P/data/app.db"
  # The folder may not be written.
  chmod 555 "$P/backups"
  run -1 as_nobody "SELECT backup_create('$P/data/app.db', '$option')"
  [[ $output == *"$P/backups"* && $output == *ermission* ]]
  no_debris "$P/backups"
  chmod 777 "$P/backups"
  # A source that may only be read, in a folder that may not be written, can be backed up all the same.
  chmod 555 "$P/data"
  run -0 as_nobody "SELECT backup_create('$P/data/app.db', '$option')"
  [ "$(gunzip -c "$output" | wc -c)" = "$(stat -c %s "$P/data/app.db")" ]
  # Restoring: the target may not be written; its folder may not.
  before=$(sha256sum "$P/data/app.db")
  chmod 444 "$P/data/app.db"
  run -1 as_nobody "SELECT backup_restore('$output', '$P/data/app.db', '{\"overwrite\":true}')"
  [[ $output == *"$P/data/app.db"* && $output == *ermission* ]]
  run -1 as_nobody "SELECT backup_restore('$P/backups/$(ls "$P/backups" | grep _sqlite_)', '$P/data/new.db')"
  [[ $output == *"$P/data"* && $output == *ermission* ]]
  [ "$before" = "$(sha256sum "$P/data/app.db")" ]
  [ "$(ls -A "$P/data")" = app.db ]
}

@test "a missing folder, a missing database, a folder that is a file" {
  make_db app.db 10
  run -1 sql "SELECT backup_create('$T/app.db', '{\"dir\":\"$T/none\"}')"
  [[ $output == *"$T/none does not exist"* ]]
  run -1 sql "SELECT backup_create('$T/app.db', '{\"dir\":\"$T/app.db\"}')"
  [[ $output == *"$T/app.db: not a folder"* ]]
  run -1 sql "SELECT backup_create('$T/none.db', '{\"dir\":\"$T\"}')"
  [[ $output == *"$T/none.db: no such database file"* ]]
  run -1 sql "SELECT backup_restore('latest', '$T/new.db', '{\"dir\":\"$T/none\"}')"
  [[ $output == *"$T/none does not exist"* ]]
  [ "$(ls -A | grep -v catalog.db)" = app.db ]
}

# Holds FILE exclusively until the descriptor is closed; $holder is its pid.
hold() {
  mkfifo "$T/say"
  sqlite3 -init /dev/null "$1" <"$T/say" >"$T/said" &
  holder=$!
  exec 7>"$T/say"
  echo "PRAGMA locking_mode=EXCLUSIVE; BEGIN EXCLUSIVE; SELECT 'held';" >&7
  for _ in {1..100}; do grep -q held "$T/said" && return; sleep 0.05; done
  return 1
}

@test "a locked database: the message names who holds it, and the wait is bounded" {
  make_db app.db 20
  mkdir backups
  sql "SELECT backup_create('$T/app.db', '{\"dir\":\"$T/backups\"}')"
  hold app.db
  run -1 sql "SELECT backup_create('$T/app.db', '{\"dir\":\"$T/backups\",\"timeout_ms\":200}')"
  [[ $output == *"$T/app.db: database is locked"*"pid $holder"* ]]
  run -1 sql "SELECT backup_restore('latest', '$T/app.db', '{\"dir\":\"$T/backups\",\"overwrite\":true,\"timeout_ms\":200}')"
  [[ $output == *"$T/app.db"*"locked"*"pid $holder"* ]]
  [ "$(ls backups | grep -c _sqlite_)" = 1 ]
  exec 7>&-
  wait "$holder"
  [ -z "$(ls -A . backups | grep -E 'partial|before_restore')" ]
  [ "$(db app.db 'SELECT count(*) FROM t')" = 20 ]
}

# hostile NAME SQL…: a database whose schema was made where functions and tables of our names did nothing.
hostile() {
  /usr/bin/python3 -B - "$@" <<'PY'
import sqlite3, sys
db = sqlite3.connect(sys.argv[1], isolation_level=None)
for name in ("backup_create", "backup_rotate", "backup_delete", "backup_set"):
    for arguments in (1, 2):
        db.create_function(name, arguments, lambda *a: "harmless", deterministic=True)
for sql in sys.argv[2:]:
    db.execute(sql)
PY
}

# refused FILE SQL: running SQL in FILE with the extension loaded fails because of what FILE would have called, and the
# three backups of app.db are still there, alone. ("prohibited": SQLite finds our functions unfit for the place first.)
refused() {
  run sqlite3 -init /dev/null -batch -bail "$1" -cmd ".load '${LIFEBOAT_SO%.so}'" "$2"
  [[ $status != 0 && $output == *@("unsafe use of"|prohibited)* ]] || { echo "not refused: $1, $2: $output"; return 1; }
  [ "$(ls backups | grep -c _sqlite_)" = 3 ]
}

@test "a hostile database cannot call our functions or read our tables" {
  local call="backup_rotate('{\"keep_last\":1}')"
  mkdir backups
  export BACKUP_DIR=$T/backups
  make_db app.db 5
  for _ in 1 2 3; do sql "SELECT backup_create('$T/app.db')"; done
  hostile trigger.db "CREATE TABLE t(a)" "INSERT INTO t VALUES(1)" \
    "CREATE TRIGGER x AFTER INSERT ON t BEGIN SELECT $call; END" \
    "CREATE TRIGGER y AFTER UPDATE ON t BEGIN INSERT INTO t SELECT name FROM backups; END" \
    "CREATE TRIGGER z AFTER DELETE ON t BEGIN SELECT backup_set('dir', '/tmp'); END"
  refused trigger.db "INSERT INTO t VALUES(2)"
  refused trigger.db "UPDATE t SET a = 3"
  refused trigger.db "DELETE FROM t"
  hostile view.db "CREATE TABLE t(a)" "CREATE VIEW v AS SELECT $call" "CREATE VIEW w AS SELECT * FROM backups" \
    "CREATE VIEW x AS SELECT * FROM backup_history" "CREATE VIEW y AS SELECT * FROM backup_config"
  for view in v w x y; do refused view.db "SELECT * FROM $view"; done
  hostile generated.db "CREATE TABLE t(a, b AS ($call))" "INSERT INTO t VALUES('main')"
  refused generated.db "SELECT b FROM t"
  hostile index.db "CREATE TABLE t(a)" "CREATE INDEX i ON t(backup_create(a))"
  refused index.db "INSERT INTO t VALUES('main')"
}

@test "a hostile CHECK or DEFAULT cannot call our functions" {
  local call="backup_rotate('{\"keep_last\":1}')"
  mkdir backups
  export BACKUP_DIR=$T/backups
  make_db app.db 5
  for _ in 1 2 3; do sql "SELECT backup_create('$T/app.db')"; done
  hostile check.db "CREATE TABLE t(a, CHECK ($call <> a))" "INSERT INTO t VALUES(1)"
  refused check.db "PRAGMA integrity_check"
  refused check.db "INSERT INTO t VALUES(1)"
  refused check.db "UPDATE t SET a = 2"
  hostile default.db "CREATE TABLE t(a, b DEFAULT ($call))"
  refused default.db "INSERT INTO t(a) VALUES(1)"
}

@test "a hostile database is backed up, verified and restored without running what is in it" {
  mkdir backups
  export BACKUP_DIR=$T/backups
  hostile app.db "CREATE TABLE t(a, b AS (backup_rotate(a)), CHECK (backup_delete(a) <> 'x'))" \
    "INSERT INTO t(a) VALUES('main')" "CREATE VIEW v AS SELECT backup_set('dir', '/tmp')" \
    "CREATE TRIGGER x AFTER INSERT ON t BEGIN SELECT backup_delete('latest'); END"
  run -0 sql "SELECT backup_create('$T/app.db') IS NOT NULL" "SELECT backup_verify('latest')" \
    "SELECT backup_verify('latest', 'full')" "SELECT backup_restore('latest', '$T/new.db') IS NOT NULL"
  [ "$output" = $'1\nok\nok\n1' ]
  cmp <(gunzip -c backups/*.gz) new.db
}

# backup_plan, backup_rotate, backup_delete: what goes, what stays, and the reason of each.
load ../helper
load expect

setup() {
  api_setup
  make_db admin.db 10
}

# What the old script made was never seen whole: the words of a plan for its files.
unverified=', not verified yet'
first='; the newest good one is verified first'

plan() { sql "SELECT CASE action WHEN 'keep' THEN '+' ELSE '-' END || cast(round(julianday('now') - julianday(created_at)) AS int)
  || ' ' || name || ': ' || reason FROM backup_plan${1:+('$1')}"; }

@test "age: older than retention_days goes, the newest good one never" {
  for days in 5 6 8 9; do old_backup admin $days admin.db >/dev/null; done
  same "+5 admin: newest good backup of admin (sqlite)$unverified
+6 admin: 6 days old, limit 7
-8 admin: 8 days old, limit 7$first
-9 admin: 9 days old, limit 7$first" "$(plan)"
  gives 2 "SELECT backup_rotate('{\"dry_run\":true}')"
  [ "$(ls "$BACKUP_DIR" | grep -c gz$)" = 4 ]
  gives 2 "SELECT backup_rotate()"
  [ "$(ls "$BACKUP_DIR" | grep -c gz$)" = 2 ]
  gives 0 "SELECT backup_rotate()"
  gives 1 "SELECT backup_rotate('{\"retention_days\":1}')"
  gives 0 "SELECT backup_rotate('{\"retention_days\":1}')"
  gives "admin_sqlite_STAMP.db.gz" "SELECT file FROM backups"
}

@test "retention_days: the option beats backup_set, which beats the environment" {
  for days in 1 3 5 8; do old_backup admin $days admin.db >/dev/null; done
  export RETENTION_DAYS=4
  gives 2 "SELECT backup_rotate('{\"dry_run\":true}')"
  gives "2
1" "SELECT backup_set('retention_days', '2')" "SELECT backup_rotate('{\"dry_run\":true,\"retention_days\":6}')"
  gives "2
3" "SELECT backup_set('retention_days', '2')" "SELECT backup_rotate('{\"dry_run\":true}')"
  RETENTION_DAYS=seven
  fails 'environment variable RETENTION_DAYS must be a whole number from 0 to 36500, not "seven"' "SELECT backup_rotate()"
  RETENTION_DAYS=-1
  fails 'environment variable RETENTION_DAYS must be a whole number from 0 to 36500, not "-1"' "SELECT backup_rotate()"
}

@test "keep_last, alone and with an age" {
  for days in 1 2 3 4 5 20; do old_backup admin $days admin.db >/dev/null; done
  same "+1 admin: newest good backup of admin (sqlite)$unverified
+2 admin: one of the last 2
-3 admin: not one of the last 2$first
-4 admin: not one of the last 2$first
-5 admin: not one of the last 2$first
-20 admin: not one of the last 2$first" "$(plan '{"keep_last":2}')"
  sql "SELECT backup_verify('latest')"
  same "+1 admin: newest good backup of admin (sqlite)
+2 admin: one of the last 2
-3 admin: over 3 days old, limit 3
-4 admin: 4 days old, limit 3
-5 admin: 5 days old, limit 3
-20 admin: 20 days old, limit 3" "$(sleep 1; plan '{"keep_last":2,"retention_days":3}')"
  same "+20 admin: one of the last 6" "$(plan '{"keep_last":6,"retention_days":3}' | tail -1)"
}

@test "what a clock that was ahead has dated in the future pushes nothing out" {
  for days in -400 -399 0 1; do old_backup admin $days admin.db >/dev/null; done
  same "+-400 admin: its date lies in the future
+-399 admin: its date lies in the future
+0 admin: newest good backup of admin (sqlite)$unverified
-1 admin: not one of the last 1$first" "$(plan '{"keep_last":1}')"
  gives 1 "SELECT backup_rotate('{\"keep_last\":1}')"
  gives "3|0" "SELECT count(*), count(*) FILTER (WHERE created_at < datetime('now', '-1 hour')) FROM backups"
  # Where there is no other, it is this clock that is behind.
  rm "$BACKUP_DIR"/admin_sqlite_"$(date -u +%Y)"*.gz
  same "newest good backup of admin (sqlite)$unverified" "$(sql "SELECT reason FROM backup_plan LIMIT 1")"
}

@test "pins and keep_until hold whatever the policy says" {
  for days in 1 8 9; do old_backup admin $days admin.db >/dev/null; done
  pinned=$(old_backup admin 10 admin.db)
  gives 1 "SELECT backup_pin('$pinned')"
  same "+1 admin: newest good backup of admin (sqlite)$unverified
-8 admin: 8 days old, limit 7$first
-9 admin: 9 days old, limit 7$first
+10 admin: pinned" "$(plan)"
  gives 2 "SELECT backup_rotate()"
  [ -e "$pinned" ] && [ -e "$pinned.pin" ]
  gives "0
1" "SELECT backup_pin('$pinned', 0)" "SELECT backup_rotate()"
  [ ! -e "$pinned" ]
  # Two of ours: the older has keep_until, so that even keep_last 1 leaves it.
  sql "SELECT backup_create('admin.db', '{\"retention_days\":30,\"name\":\"kept\"}')" \
      "SELECT backup_create('admin.db', '{\"name\":\"kept\"}')" "SELECT backup_create('admin.db', '{\"name\":\"kept\"}')"
  until=$(date -u -d '30 days' +%F)
  same "+0 kept: newest good backup of kept (sqlite)
-0 kept: not one of the last 1
+0 kept: kept until $until (asked for when it was made)" "$(plan '{"keep_last":1,"name":"kept"}')"
}

@test "only files of its own naming scheme, of that name and type" {
  for name in admin shop; do for days in 1 20 30; do old_backup $name $days admin.db >/dev/null; done; done
  stamp=$(old_stamp 40)
  for other in notes.txt "admin_$stamp.db.gz" "admin_sqlite_$stamp.db.gz.bak" "admin_sqlite_$stamp.sql.gz" "admin_sqlite_20251399_000000.db.gz" \
               ".admin_sqlite_$stamp.db.gz" "admin_mysql_$stamp.sql.gz" "admin_sqlite_$stamp.DB.GZ" "_sqlite_$stamp.db.gz"; do
    cp admin.db "$BACKUP_DIR/$other"
  done
  mkdir "$BACKUP_DIR/admin_sqlite_$stamp.db.gz"
  ln -s "$T/admin.db" "$BACKUP_DIR/admin_sqlite_${stamp}_2.db.gz"
  for days in 2 50; do
    printf -- '-- PostgreSQL database dump\n-- PostgreSQL database dump complete\n' | gzip >"$BACKUP_DIR/admin_postgres_$(old_stamp $days).sql.gz"
  done
  find "$BACKUP_DIR" ! -name 'shop_*' ! -name 'catalog*' | sort >before
  gives 2 "SELECT backup_rotate('{\"name\":\"shop\"}')"
  find "$BACKUP_DIR" ! -name 'shop_*' ! -name 'catalog*' | sort | cmp - before
  gives 2 "SELECT backup_rotate('{\"name\":\"admin\",\"type\":\"sqlite\"}')"
  [ "$(ls "$BACKUP_DIR"/admin_postgres_*.sql.gz | wc -l)" = 2 ]
  gives 1 "SELECT backup_rotate('{\"type\":\"postgres\"}')"
  gives 0 "SELECT backup_rotate()"
  # 9 strangers, a folder, a link; one of each of the three sources.
  [ "$(find "$BACKUP_DIR" -mindepth 1 ! -name 'catalog*' | wc -l)" = 14 ]
}

@test "the newest good backup stays though expired, and a damaged newer one does not push it out" {
  old_backup admin 60 admin.db >/dev/null
  good=$(old_backup admin 50 admin.db)
  bad=$(old_backup admin 2 admin.db)
  echo 'not gzip' >"$bad"
  same "+2 admin: 2 days old, limit 7
+50 admin: newest good backup of admin (sqlite)$unverified
-60 admin: 60 days old, limit 7$first" "$(plan)"
  gives 1 "SELECT backup_rotate()"
  [ -e "$good" ] && [ -e "$bad" ]
  # Damage that only a verification finds counts as well.
  rm "$bad"
  worse=$(old_backup admin 1 admin.db)
  printf '\377\377\377' | dd of="$worse" bs=1 seek=200 conv=notrunc status=none
  run sql "SELECT backup_verify('$worse')"
  [ "$output" != ok ]
  gives 0 "SELECT backup_rotate()"
  [ -e "$good" ]
  # No good one at all: everything stays.
  echo 'not gzip' >"$good"
  same "+1 admin: there is no good backup of this source
+50 admin: there is no good backup of this source" "$(plan '{"retention_days":1}')"
}

@test "until the newest is verified, the newest verified one stays too" {
  old_backup admin 1 admin.db >/dev/null
  verified=$(old_backup admin 20 admin.db)
  old_backup admin 30 admin.db >/dev/null
  sql "SELECT backup_verify('$verified')"
  same "+1 admin: newest good backup of admin (sqlite)$unverified
+20 admin: newest verified backup of admin (sqlite)
-30 admin: 30 days old, limit 7" "$(plan)"
  sql "SELECT backup_verify('latest')"
  same "-20 admin: 20 days old, limit 7" "$(plan | sed -n 2p)"
}

# Cuts a gzip file in the middle: it still begins as one.
cut_off() { head -c $(($(stat -c %s "$1") / 2)) "$1" >cut && cat cut >"$1"; }

@test "an old script's backup that was cut off does not push the last whole one out" {
  whole=$(old_backup admin 20 admin.db)
  cut=$(old_backup admin 19 admin.db)
  cut_off "$cut"
  same "+19 admin: newest good backup of admin (sqlite)$unverified
-20 admin: 20 days old, limit 7$first" "$(plan)"
  gives 0 "SELECT backup_rotate()"
  [ -e "$whole" ] && [ -e "$cut" ]
  gives "verified admin_sqlite_STAMP.db.gz before others go: truncated: the gzip data goes on after the file's end" \
    "SELECT notes FROM backup_history"
  # What was found is remembered, so the next one goes by the whole one, and reads that once.
  same "-19 admin: 19 days old, limit 7$first
+20 admin: newest good backup of admin (sqlite)$unverified" "$(plan)"
  gives 1 "SELECT backup_rotate()"
  [ -e "$whole" ] && [ ! -e "$cut" ]
  gives 0 "SELECT backup_rotate()"
  gives 2 "SELECT count(*) FROM backup_history WHERE notes LIKE 'verified %'"
}

@test "of many files of another tool at most one is read in a rotation, and none where one is known to be whole" {
  for days in 8 9 10 11; do cut_off "$(old_backup admin $days admin.db)"; done
  for days in 12 13; do old_backup admin $days admin.db >/dev/null; done
  for left in 3 2 1 0; do
    gives 0 "SELECT backup_rotate()"
    gives "$left" "SELECT count(*) FROM backups WHERE verified_at IS NULL AND created_at > datetime('now', '-11.5 days')"
  done
  gives 5 "SELECT backup_rotate()"
  gives 5 "SELECT count(*) FROM backup_history WHERE notes LIKE 'verified %'"
  ours=$(sql "SELECT backup_create('admin.db')")
  sleep 1.1
  cut_off "$(old_backup admin 0 admin.db)"
  same "+0 admin: newest good backup of admin (sqlite)$unverified
+0 admin: newest backup of admin (sqlite) that is known to be whole
+12 admin: newest verified backup of admin (sqlite)" "$(plan '{"keep_last":1}')"
  sql "SELECT backup_verify('$ours')"
  gives 1 "SELECT backup_rotate('{\"keep_last\":1}')"
  gives 5 "SELECT count(*) FROM backup_history WHERE notes LIKE 'verified %'"
  [ -e "$ours" ]
}

@test "a deletion asks for the same proof" {
  whole=$(old_backup admin 20 admin.db)
  cut=$(old_backup admin 19 admin.db)
  cut_off "$cut"
  fails "admin_sqlite_STAMP.db.gz is kept: admin_sqlite_STAMP.db.gz, which counted as the newest good one, is damaged:\
 truncated: the gzip data goes on after the file's end" "SELECT backup_delete('$whole')"
  fails "admin_sqlite_STAMP.db.gz is kept: newest good backup of admin (sqlite)$unverified" "SELECT backup_delete('$whole')"
  gives 1 "SELECT backup_delete('$cut')"
  # One that cannot be read proves nothing, and says so.
  older=$(old_backup admin 21 admin.db)
  rm "$BACKUP_DIR/catalog.db"
  exec 9<"$whole"
  flock -x 9
  fails "admin_sqlite_STAMP.db.gz could not be verified, so nothing goes on its account: backup T/backups/admin_sqlite_STAMP.db.gz is being written or removed by another process" \
    "SELECT backup_rotate()"
  exec 9<&-
  [ -e "$older" ]
}

@test "before_restore copies have their own clock, and never count as the newest" {
  old_backup admin 20 admin.db >/dev/null
  old_backup admin 21 admin.db >/dev/null
  for days in 1 29 31; do gzip -c admin.db >"$BACKUP_DIR/admin_sqlite_before_restore_$(old_stamp $days).db.gz"; done
  same "+1 admin: 1 day old, limit 30
+20 admin: newest good backup of admin (sqlite)$unverified
-21 admin: 21 days old, limit 7$first
+29 admin: 29 days old, limit 30
-31 admin: 31 days old, limit 30$first" "$(plan)"
  sql "SELECT backup_verify('latest')"
  same "-29 admin: 29 days old, limit 10" "$(plan '{"before_restore_days":10}' | sed -n 4p)"
}

@test "one that another process reads or writes stays" {
  old_backup admin 1 admin.db >/dev/null
  held=$(old_backup admin 9 admin.db)
  free=$(old_backup admin 10 admin.db)
  exec 9<"$held"
  flock -s 9  # as a restore holds what it reads
  gives 1 "SELECT backup_rotate()"
  [ -e "$held" ] && [ ! -e "$free" ]
  gives "verified admin_sqlite_STAMP.db.gz before others go: ok
not removed: T/backups/admin_sqlite_STAMP.db.gz is in use by another process
removed admin_sqlite_STAMP.db.gz" "SELECT notes FROM backup_history WHERE operation = 'rotate'"
  fails "not removed: T/backups/admin_sqlite_STAMP.db.gz is in use by another process" "SELECT backup_delete('$held')"
  [ -e "$held" ]
  exec 9<&-
  gives 1 "SELECT backup_delete('$held')"
}

@test "a process forked while a backup was made does not hold it for as long as it lives" {
  db admin.db "CREATE TABLE big(a); INSERT INTO big
    SELECT hex(randomblob(2000)) FROM (WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 8000) SELECT i FROM n)"
  python - <<'PY'
import os, sqlite3, threading, time
def connect():
    db = sqlite3.connect(':memory:', check_same_thread=False)
    db.enable_load_extension(True)
    db.load_extension(os.environ['LIFEBOAT_SO'])
    return db
paths, db, other = [], connect(), connect()
def run():
    paths.extend(db.execute('''SELECT backup_create('admin.db', '{"level":9,"threads":1}')''').fetchone())
thread = threading.Thread(target=run)
thread.start()
while other.execute('SELECT count(*) FROM backup_activity WHERE done > 0').fetchone() != (1,):
    time.sleep(0.001)
from_parent, to_child = os.pipe()
child = os.fork()
if child == 0:
    os.close(to_child)
    os.read(from_parent, 1)  # until the parent ends
    os._exit(0)
thread.join()
db.execute("SELECT backup_create('admin.db')").fetchone()
assert db.execute('SELECT backup_delete(?)', paths).fetchone() == (1,)
os.close(to_child)
os.waitpid(child, 0)
PY
}

@test "two rotations at once remove each file once" {
  for days in $(seq 1 60); do old_backup admin "$days" admin.db >/dev/null; done
  sql "SELECT backup_rotate()" >one & sql "SELECT backup_rotate()" >two & wait
  [ $(($(cat one) + $(cat two))) = 53 ] || [ $(($(cat one) + $(cat two))) = 54 ]
  [ "$(ls "$BACKUP_DIR" | grep -c gz$)" -ge 6 ]
}

# Two of one content, the newer damaged, which only a verification has found.
verified_pair() {
  good=$(sql "SELECT backup_create('admin.db')")
  bad=$(sql "SELECT backup_create('admin.db')")
  printf '\377\377\377' | dd of="$bad" bs=1 seek=600 conv=notrunc status=none
  [ "$(sql "SELECT count(*) FROM backups WHERE backup_verify(path) = 'ok'")" = 1 ]
}

@test "that a backup is damaged is known as long as it is there, whatever is verified after it" {
  verified_pair
  db "$BACKUP_DIR/catalog.db" "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10500)
    INSERT INTO verification(file, bytes, mtime, at, level, result)
    SELECT 'gone_sqlite_' || i || '.db.gz', 1, 1, 1, 'quick', 'ok' FROM n"
  make_db shop.db 10
  sql "SELECT backup_create('shop.db', '{\"verify\":true}')"
  gives "1|1" "SELECT count(*) FILTER (WHERE verify_result = 'ok'), count(*) FILTER (WHERE verify_result <> 'ok')
    FROM backups WHERE name = 'admin'"
  gives 0 "SELECT backup_rotate('{\"keep_last\":1,\"name\":\"admin\"}')"
  [ -e "$good" ]
  # Results of files that are gone are what is forgotten.
  rm "$bad"
  sql "SELECT backup_verify('latest:shop')"
  same "10000|0" "$(db "$BACKUP_DIR/catalog.db" "SELECT count(*), count(*) FILTER (WHERE result <> 'ok') FROM verification")"
}

# bats test_tags=long
@test "a history that is locked: nothing is removed, and the error says so" {
  verified_pair
  why="results of verifications cannot be read, so nothing is removed: history T/backups/catalog.db: database is locked\
 (another process is using it: try again when it is done)"
  python - <<'PY' &
import os, sqlite3, time
c = sqlite3.connect(os.environ['BACKUP_DIR'] + '/catalog.db', isolation_level=None)
c.execute('BEGIN EXCLUSIVE')
open('held', 'w')
while os.path.exists('held'): time.sleep(0.05)
PY
  while [ ! -e held ]; do sleep 0.05; done
  # Each waits for the lock, so both at once.
  fails "$why" "SELECT backup_rotate('{\"keep_last\":1}')" &
  local rotating=$!
  fails "$why" "SELECT backup_delete('$good')" &
  wait $!
  wait $rotating
  rm held
  wait
  [ -e "$good" ] && [ -e "$bad" ]
  gives 0 "SELECT backup_rotate('{\"keep_last\":1,\"dry_run\":true}')"
}

@test "a history that may not be read: plan, rotation and deletion stop, a listing says that it goes on without" {
  verified_pair
  chmod 000 "$BACKUP_DIR/catalog.db"
  sqlite3() { held sqlite3 "$@"; }
  unread="history T/backups/catalog.db: unable to open database file (let the owner of its folder have it, or move it\
 away: it is made anew)"
  why="results of verifications cannot be read, so nothing is removed: $unread"
  fails "$why" "SELECT * FROM backup_plan"
  fails "$why" "SELECT backup_rotate('{\"keep_last\":1}')"
  fails "$why" "SELECT backup_delete('$good')"
  gives "2|" "SELECT count(*), max(verify_result) FROM backups"
  sql ".log stderr" "SELECT count(*) FROM backups" 2>&1 | plain >log
  grep -qxF "(28) lifeboat: results of verifications are not known:" log
  grep -qxF "(28) lifeboat: $unread" log
  # One that is missing counts as none.
  rm "$BACKUP_DIR/catalog.db"
  gives 1 "SELECT backup_rotate('{\"keep_last\":1,\"dry_run\":true}')"
}

@test "backup_delete follows the same rules" {
  newest=$(old_backup admin 1 admin.db)
  other=$(old_backup admin 2 admin.db)
  fails "admin_sqlite_STAMP.db.gz is kept: newest good backup of admin (sqlite)$unverified" "SELECT backup_delete('latest')"
  sql "SELECT backup_pin('$other'), backup_note('$other', 'why')"
  fails "admin_sqlite_STAMP.db.gz is kept: pinned" "SELECT backup_delete('$other')"
  gives "0
1" "SELECT backup_pin('$other', 0)" "SELECT backup_delete('${other##*/}')"
  [ -z "$(ls "$BACKUP_DIR" | grep -v '^catalog' | grep -v "^${newest##*/}$")" ]
  fails "T/admin.db: not the name of a backup file, so it is not deleted here" "SELECT backup_delete('./admin.db')"
  sql "SELECT backup_create('admin.db', '{\"name\":\"k\",\"retention_days\":3}')" "SELECT backup_create('admin.db', '{\"name\":\"k\"}')" >two
  fails "k_sqlite_STAMP.db.gz is kept: kept until $(date -u -d '3 days' +%F) (asked for when it was made)" \
    "SELECT backup_delete('$(head -1 two)')"
}

@test "errors in the call" {
  fails 'unknown option "days" (valid: dir, name, type, retention_days, keep_last, before_restore_days, dry_run)' \
    "SELECT backup_rotate('{\"days\":1}')"
  fails 'unknown option "days" (valid: dir, name, type, retention_days, keep_last, before_restore_days, dry_run)' \
    "SELECT * FROM backup_plan('{\"days\":1}')"
  fails 'option "type" must be one of sqlite, postgres' "SELECT backup_rotate('{\"type\":\"mysql\"}')"
  fails 'option "keep_last" must be a whole number from 1 to 1000000' "SELECT backup_rotate('{\"keep_last\":0}')"
  fails 'no folder for backups: T/none does not exist (make it: mkdir -p T/none; or name another with BACKUP_DIR or the option dir)' \
    "SELECT backup_rotate('{\"dir\":\"$T/none\"}')"
  gives 0 "SELECT backup_rotate()"
  gives "" "SELECT * FROM backup_plan"
}

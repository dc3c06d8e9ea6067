# backup_pin and backup_note: plain files beside the backup.
load ../helper
load expect

setup() {
  api_setup
  make_db admin.db 10
  BACKUP=$(sql "SELECT backup_create('admin.db', '{\"note\":\"from the manifest\"}')")
}

@test "a pin is NAME.pin, set and removed, twice is no error" {
  gives "1
1
1" "SELECT backup_pin('latest')" "SELECT backup_pin('$BACKUP', 1)" "SELECT pinned FROM backups"
  [ -e "$BACKUP.pin" ]
  gives "0
0
0" "SELECT backup_pin('latest', 0)" "SELECT backup_pin('latest', 0)" "SELECT pinned FROM backups"
  [ ! -e "$BACKUP.pin" ]
  touch "$BACKUP.pin"  # by hand is as good
  gives 1 "SELECT pinned FROM backups"
}

@test "a note is NAME.note; NULL or nothing removes it, and the manifest's shows again" {
  gives "from the manifest" "SELECT note FROM backups"
  gives "before the move, ünï
before the move, ünï" "SELECT backup_note('latest', 'before the move, ünï')" "SELECT note FROM backups"
  [ "$(cat "$BACKUP.note")" = 'before the move, ünï' ]
  [ "$(stat -c %a "$BACKUP.note")" = 600 ]
  gives "
from the manifest" "SELECT backup_note('latest', NULL)" "SELECT note FROM backups"
  [ ! -e "$BACKUP.note" ]
  gives "x

from the manifest" "SELECT backup_note('latest', 'x')" "SELECT backup_note('latest', '')" "SELECT note FROM backups"
  fails 'a note may have 4096 bytes, not more' "SELECT backup_note('latest', printf('%4097s', 'x'))"
  gives 4096 "SELECT length(backup_note('latest', printf('%4096s', 'x')))"
}

@test "both go with the backup" {
  sql "SELECT backup_create('admin.db')" "SELECT backup_note('$BACKUP', 'x')" "SELECT backup_delete('$BACKUP')"
  [ -z "$(ls "$BACKUP_DIR"/*.note "$BACKUP_DIR"/*.pin 2>/dev/null)" ]
}

@test "one that is just being removed is not called pinned" {
  python - <<'PY'
import fcntl, glob, os, sqlite3, threading
path, = glob.glob(os.environ['BACKUP_DIR'] + '/*.gz')
db = sqlite3.connect(':memory:')
db.enable_load_extension(True)
db.load_extension(os.environ['LIFEBOAT_SO'])
held = os.open(path, os.O_RDWR)
fcntl.flock(held, fcntl.LOCK_EX)  # as a rotation does, before it looks for a pin
def remove():
    os.remove(path)
    os.close(held)
threading.Timer(0.3, remove).start()
try:
    db.execute('SELECT backup_pin(?)', (path,))
    assert False, 'called pinned'
except sqlite3.Error as error:
    assert 'No such file' in str(error), error
PY
}

@test "a backup outside the folder can be marked by its path" {
  mkdir off
  cp "$BACKUP" off/
  gives 1 "SELECT backup_pin('off/${BACKUP##*/}')"
  [ -e "off/${BACKUP##*/}.pin" ]
  gives "1|0" "SELECT (SELECT pinned FROM backups('off')), (SELECT pinned FROM backups)"
}

@test "marks through a symbolic link are those of the backup it leads to" {
  ln -s "${BACKUP##*/}" "$BACKUP_DIR/latest.db.gz"
  gives "1
x
1|x" "SELECT backup_pin('latest.db.gz')" "SELECT backup_note('latest.db.gz', 'x')" "SELECT pinned, note FROM backups"
  gives "0
0" "SELECT backup_pin('latest.db.gz', 0)" "SELECT pinned FROM backups"
}

@test "errors" {
  fails 'no backup "none" in T/backups (for a file elsewhere pass a path with '"'/'"', such as ./none)' "SELECT backup_pin('none')"
  fails 'argument 1 is NULL' "SELECT backup_note(NULL, 'x')"
  run sql "SELECT backup_note('latest')"
  [[ $output == *'wrong number of arguments to function backup_note()'* ]]
}

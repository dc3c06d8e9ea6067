# backup_history: every run; backup_activity and the progress bar: what is running now.
load ../helper
load expect

# big.db takes seconds to compress, by one thread at level 9.
setup_file() {
  sqlite3 "$BATS_FILE_TMPDIR/big.db" "PRAGMA page_size=65536; CREATE TABLE b(x); WITH RECURSIVE n(i) AS (SELECT 1 UNION
    ALL SELECT i + 1 FROM n WHERE i < 40) INSERT INTO b SELECT hex(randomblob(500000)) FROM n"
}

setup() {
  api_setup
  make_db admin.db 100
}

@test "every run is a row: what, when, how long, bytes, the snapshot, errors, notes" {
  sql "SELECT backup_create('admin.db')" "SELECT backup_verify('latest')" "SELECT backup_restore('latest', 'new.db')" \
      "SELECT backup_rotate()"
  ! sql "SELECT backup_create('none.db')" 2>/dev/null
  size=$(stat -c %s "$BACKUP_DIR"/admin_*.gz)
  raw=$(stat -c %s admin.db)
  gives "create|||1||||none.db: no such database file
rotate|||1||||
restore|admin_sqlite_STAMP.db.gz|T/new.db|1||$size|$raw|
verify|admin_sqlite_STAMP.db.gz||1||$size|$raw|
create|admin_sqlite_STAMP.db.gz||1|1|$size|$raw|" \
    "SELECT operation, backup, target, seconds BETWEEN 0 AND 10, snapshot_seconds < seconds, bytes, raw_bytes, error FROM backup_history"
  gives "T/admin.db|T/admin.db|T/admin.db|1" "SELECT group_concat(source, '|'), max(started_at) >= datetime('now', '-1 minute')
    FROM backup_history WHERE source IS NOT NULL"
}

@test "a lost or damaged catalog costs nothing but history" {
  sql "SELECT backup_create('admin.db')"
  rm "$BACKUP_DIR/catalog.db"
  gives "1|0" "SELECT (SELECT count(*) FROM backups), (SELECT count(*) FROM backup_history)"
  sql "SELECT backup_restore('latest', 'new.db')"
  head -c 5000 /dev/urandom | dd of="$BACKUP_DIR/catalog.db" bs=100 seek=1 conv=notrunc status=none  # all but the header
  sql "SELECT backup_create('admin.db')"
  sql "SELECT backup_restore('latest', 'new2.db')"
  gives "2|2" "SELECT (SELECT count(*) FROM backups), (SELECT count(*) FROM backup_history)"
  [ -e "$BACKUP_DIR/catalog.db.damaged" ]
}

@test "an application's own catalog.db in the folder is left alone, while it is open in this process too" {
  db "$BACKUP_DIR/catalog.db" "CREATE TABLE product(a); INSERT INTO product VALUES(1); PRAGMA user_version=1"
  before=$(sha256sum <"$BACKUP_DIR/catalog.db")
  python - <<'PY'
import os, sqlite3, subprocess
catalog = os.environ['BACKUP_DIR'] + '/catalog.db'
held = sqlite3.connect(catalog, isolation_level=None)
held.execute('BEGIN IMMEDIATE')
db = sqlite3.connect('admin.db')
db.enable_load_extension(True)
db.load_extension(os.environ['LIFEBOAT_SO'])
path = db.execute("SELECT backup_create('main')").fetchone()[0]
assert db.execute('SELECT backup_verify(?)', (path,)).fetchone() == ('ok',)
try:  # which backup is good cannot be remembered here: nothing goes
    db.execute('SELECT backup_rotate()')
    assert False
except sqlite3.Error as error:
    assert 'results of verifications cannot be read, so nothing is removed: ' in str(error) and "is not Lifeboat's" in str(error), error
# Closing a descriptor of our own on it would have dropped the application's lock.
other = subprocess.run(['sqlite3', '-init', '/dev/null', '-batch', catalog, 'BEGIN IMMEDIATE'], capture_output=True)
assert b'locked' in other.stderr, other
PY
  [ "$(sha256sum <"$BACKUP_DIR/catalog.db")" = "$before" ]
  fails "T/backups/catalog.db is not Lifeboat's: it is a database of something else (move it, or choose another folder of backups)" \
    "SELECT * FROM backup_history"
  gives "1|" "SELECT count(*), max(verify_result) FROM backups"
}

@test "a program whose connections share their caches: its threads wait for each other's rows of history" {
  sql "SELECT backup_create('admin.db')"
  python -W ignore - <<'PY'
import os, sqlite3, threading
sqlite3.enable_shared_cache(True)
db = sqlite3.connect('admin.db')
db.enable_load_extension(True)
db.load_extension(os.environ['LIFEBOAT_SO'])
# Another thread is at its own row.
other = sqlite3.connect(os.environ['BACKUP_DIR'] + '/catalog.db', isolation_level=None, check_same_thread=False)
for statement in ('''SELECT backup_create('main', '{"verify":true}')''', 'SELECT backup_rotate()'):
    other.execute('BEGIN EXCLUSIVE')
    threading.Timer(0.3, other.execute, ['COMMIT']).start()
    db.execute(statement).fetchone()
PY
  gives "rotate|
create|
create|" "SELECT operation, notes FROM backup_history"
  gives 1 "SELECT count(verified_at) FROM backups"
}

@test "a history that cannot be written is told: in the report of a restore, and in the host's log" {
  path=$(sql "SELECT backup_create('admin.db')")
  rm "$BACKUP_DIR/catalog.db"
  mkdir "$BACKUP_DIR/catalog.db"
  foreign="T/backups/catalog.db is not Lifeboat's: it is not a regular file (move it, or choose another folder of backups)"
  gives "history was not written: $foreign
nothing was changed, so the copy that was saved first was removed again
history was not written: $foreign" \
    "SELECT json_extract(backup_restore('latest', 'new.db'), '$.notes')" \
    "SELECT json_extract(backup_restore('latest', 'new.db', '{\"tables\":[\"t\"],\"overwrite\":true}'), '$.notes')"
  warned="(28) lifeboat: the result of the verification was not recorded:
(28) lifeboat: $foreign
(28) lifeboat: history was not written:
(28) lifeboat: $foreign"
  gives "$warned
ok" ".log stderr" "SELECT backup_verify('$path')"
  gives "(28) lifeboat: results of verifications are not known:
(28) lifeboat: $foreign
$warned
T/backups/admin_sqlite_STAMP.db.gz" ".log stderr" "SELECT backup_create('admin.db', '{\"verify\":true}')"
}

@test "a history that cannot be opened for want of descriptors: it is not said to be in the way" {
  sql "SELECT backup_create('admin.db')"
  python - >got <<'PY'
import os, resource, sqlite3
db = sqlite3.connect(':memory:')
db.enable_load_extension(True)
db.load_extension(os.environ['LIFEBOAT_SO'])
resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
taken = []
try:
    while True:
        taken.append(os.open('/dev/null', os.O_RDONLY))
except OSError:
    os.close(taken.pop())  # one is left, for the folder
try:
    db.execute('SELECT backup_rotate()')
except sqlite3.Error as error:
    print(error)
PY
  same "results of verifications cannot be read, so nothing is removed: history T/backups/catalog.db:\
 unable to open database file: Too many open files" "$(plain <got)"
}

@test "root makes catalog.db for the owner of the folder, as readable as the folder is" {
  [ "$(id -u)" = 0 ] || skip 'needs root'
  chown 65534:65533 "$BACKUP_DIR"
  for modes in 700:600 750:640 2770:660 777:664; do
    chmod "${modes%:*}" "$BACKUP_DIR"
    sql "SELECT backup_create('admin.db')"
    [ "$(stat -c %u:%g:%a "$BACKUP_DIR/catalog.db")" = "65534:65533:${modes#*:}" ]
    rm "$BACKUP_DIR/catalog.db"
  done
  chown 0:0 "$BACKUP_DIR"
  sql "SELECT backup_create('admin.db')"
  [ "$(stat -c %u:%g:%a "$BACKUP_DIR/catalog.db")" = 0:0:600 ]
}

@test "activity polled from a second connection shows rising figures and a sane estimate; nothing is left" {
  python "$BATS_TEST_DIRNAME/activity.py"
}

# bats test_tags=long
@test "the progress bar rises on standard error, and is wiped; nothing is printed unless it is asked for" {
  ln -s "$BATS_FILE_TMPDIR/big.db" big.db
  sql "SELECT backup_set('progress', 'on')" "SELECT backup_create('big.db', '{\"level\":9,\"threads\":1}')" 2>bar >/dev/null
  tr '\r' '\n' <bar | grep ': compressing ' | grep -o '[0-9]*%' >percent  # a phase before it counts for itself
  [ "$(wc -l <percent)" -ge 3 ]
  sort -n -c <(tr -d % <percent)
  [ "$(tail -1 percent)" != "$(head -1 percent)" ]
  tr '\r' '\n' <bar | grep -qE '^create big.db: [a-z]+ \[#+\.*\] +[0-9]+%  [0-9.]+ MB/s  eta [0-9]+ s'
  [[ $(tr '\r' '\n' <bar | tail -n 1) =~ ^\ +$ ]]
  sql "SELECT backup_create('big.db')" 2>bar >/dev/null
  [ ! -s bar ]
}

@test "a progress bar that nobody reads any more costs nothing but itself" {
  ln -s "$BATS_FILE_TMPDIR/big.db" big.db
  python - <<'PY'
import os, subprocess
reader, writer = os.pipe()
os.close(reader)
shell = ['sqlite3', '-init', '/dev/null', '-batch', '-bail', ':memory:', '-cmd', f".load '{os.environ['LIFEBOAT_SO'][:-3]}'",
         "SELECT backup_set('progress', 'on')", '''SELECT backup_create('big.db', '{"level":9,"threads":1}')''']
done = subprocess.run(shell, stdout=subprocess.PIPE, stderr=writer)  # it does not ignore SIGPIPE
assert done.returncode == 0 and b'big_sqlite_' in done.stdout, done
PY
}

@test "the progress bar keeps to the width of the terminal, and to what every terminal knows" {
  ln -s "$BATS_FILE_TMPDIR/big.db" big.db
  mv big.db $'a-database-with-a-name-\e[2J-of-many-letters.db'
  python - <<'PY'
import fcntl, os, pty, re, struct, termios

pid, terminal = pty.fork()
if pid == 0:
    fcntl.ioctl(2, termios.TIOCSWINSZ, struct.pack('HHHH', 24, 60, 0, 0))
    extension = os.environ['LIFEBOAT_SO'].removesuffix('.so')
    os.execvp('sqlite3', ['sqlite3', '-init', '/dev/null', '-batch', ':memory:', f".load '{extension}'",
                          "SELECT backup_set('progress', 'on');",
                          """SELECT backup_create('./a-database-with-a-name-\033[2J-of-many-letters.db',
                               '{"level":9,"threads":1}');"""])
output = b''
try:
    while chunk := os.read(terminal, 65536):
        output += chunk
except OSError:
    pass  # the terminal of a process that has ended
assert os.waitpid(pid, 0)[1] == 0, output
assert b'\033' not in output, output
lines = re.findall(rb'\r(create [^\r\n]*)', output)
assert len(lines) >= 2, output
assert max(map(len, lines)) <= 59, lines
PY
}

@test "an interrupt stops a long backup and leaves nothing" {
  ln -s "$BATS_FILE_TMPDIR/big.db" big.db
  python - <<'PY'
import os, sqlite3, threading, time
db = sqlite3.connect(':memory:', check_same_thread=False)
db.enable_load_extension(True)
db.load_extension(os.environ['LIFEBOAT_SO'])
threading.Timer(0.3, db.interrupt).start()
began = time.time()
try:
    db.execute("""SELECT backup_create('big.db', '{"level":9,"threads":1}')""").fetchall()
    raise SystemExit('was not interrupted')
except sqlite3.OperationalError as e:
    assert str(e) == 'interrupted', e
assert time.time() - began < 2
assert db.execute('SELECT count(*) FROM backups').fetchone() == (0,)
assert db.execute('SELECT error FROM backup_history').fetchall() == [('interrupted',)]
PY
  [ "$(ls -A "$BACKUP_DIR")" = catalog.db ]
}

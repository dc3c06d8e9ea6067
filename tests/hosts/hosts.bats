# The extension as a guest: in the sqlite3 shell, C, Python, Node and PHP; loaded twice, from many threads, beside a
# second SQLite library, into an old one.
load ../helper
load ../api/expect

setup() { api_setup; }

here=$BATS_TEST_DIRNAME

@test "the sqlite3 shell: loading twice, with and without suffix, by its entry point" {
  gives 1 ".load ${LIFEBOAT_SO%.so}" ".load $LIFEBOAT_SO" ".load $LIFEBOAT_SO sqlite3_lifeboat_init" \
    "SELECT backup_version() LIKE 'lifeboat %' AND (SELECT count(*) FROM backups) = 0"
}

@test "only the entry point is exported" {
  [ "$(nm -D --defined-only "$LIFEBOAT_SO" | awk '{print $3}')" = sqlite3_lifeboat_init ]
  ! ldd "$LIFEBOAT_SO" | grep sqlite
}

@test "Python's sqlite3" {
  /usr/bin/python3 "$here/python.py"
}

@test "Node's SQLite, which is newer" {
  skip_without "$NODE"
  "$NODE" --no-warnings "$here/node.mjs"
}

@test "PHP's SQLite3 class" {
  skip_without php
  same ok "$(php -d "sqlite3.extension_dir=${LIFEBOAT_SO%/*}" "$here/app.php")"
}

# bats test_tags=threads
@test "C: eight threads at once, a hundred connections, the first closed meanwhile" {
  skip_without cc
  compile -o threads "$here/threads.c" -lsqlite3 -lpthread
  same ok "$(./threads "$LIFEBOAT_SO")"
  [ -z "$(find . -name '*.partial*')" ]
}

@test "C: a program whose functions are on every connection, and called in its schema" {
  skip_without cc
  cc -Wall -Wextra -Werror -o functions "$here/functions.c" -lsqlite3
  mkdir -p folder
  same ok "$(BACKUP_DIR=$PWD/folder ./functions "$LIFEBOAT_SO")"
}

host_of() {
  cc -Wall -Wextra -Werror -shared -fPIC -o host.so "$here/versions.c" -ldl
  MODE=$1 sqlite3 -init /dev/null -batch :memory: ".load ./host sqlite3_extension_init"
}

@test "a second SQLite library in one process is refused" {
  skip_without cc
  same "1: lifeboat is already loaded into another SQLite library in this process
256" "$(host_of second)"
}

@test "a SQLite older than 3.40 is refused with both versions named, and spoils nothing" {
  skip_without cc
  same "1: lifeboat $(sql "SELECT substr(backup_version(), 10, instr(substr(backup_version(), 10), ' ') - 1)") needs SQLite 3.40.0 or newer, this is 3.39.4
256" "$(host_of old)"
}

@test "a host that has closed its standard streams, and prints all the same" {
  make_db src.db 50000
  gzip -c src.db >old.db.gz
  BACKUP_DIR=$T/none python - <<'PY'
import os, sqlite3, threading
db = sqlite3.connect(':memory:', check_same_thread=False)
db.enable_load_extension(True)
db.load_extension(os.environ['LIFEBOAT_SO'])
for stream in 0, 1, 2:
    os.close(stream)
done = threading.Event()

def chatter():
    while not done.wait(0.0002):
        for stream in 1, 2:
            try:
                os.write(stream, b'a line of the log\n')
            except OSError:
                pass

thread = threading.Thread(target=chatter)
thread.start()
try:
    db.execute("""SELECT backup_restore('./old.db.gz', './new.db', '{"verify":false}')""").fetchone()
except sqlite3.Error as e:
    open('failed', 'w').write(str(e))
done.set()
thread.join()
PY
  [ ! -e failed ] || { cat failed; return 1; }
  cmp src.db new.db
}

@test "the host keeps its signal handlers, umask, locale and working directory, and nothing is printed" {
  make_db admin.db 2000
  /usr/bin/python3 - >out 2>err <<'PY'
import locale, os, signal, sqlite3, time
db = sqlite3.connect(':memory:')
db.enable_load_extension(True)
db.load_extension(os.environ['LIFEBOAT_SO'])
os.umask(0o027)
def host():
    umask = os.umask(0)
    os.umask(umask)
    return ([signal.getsignal(s) for s in (signal.SIGINT, signal.SIGPIPE, signal.SIGBUS, signal.SIGTERM)], umask,
            locale.setlocale(locale.LC_ALL), os.getcwd(), sorted(os.listdir('/proc/self/task')),
            [os.readlink(f) for n in os.listdir('/proc/self/fd') if os.path.islink(f := f'/proc/self/fd/{n}')])
before = host()
db.execute("SELECT backup_create('admin.db')").fetchone()
db.execute("SELECT backup_verify('latest', 'full')").fetchone()
db.execute("SELECT backup_restore('latest', 'new.db')").fetchone()
db.execute("SELECT backup_rotate()").fetchone()
db.execute("SELECT * FROM backups, backup_history").fetchall()
until = time.monotonic() + 5
while host() != before and time.monotonic() < until:
    time.sleep(0.01)  # a thread that was joined is still listed for a moment
assert host() == before, (before, host())
PY
  [ ! -s out ] && [ ! -s err ]
}

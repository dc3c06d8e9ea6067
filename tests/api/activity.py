# A backup of 300 MB, watched through backup_activity from a second connection in another thread. Run in an empty folder
# with BACKUP_DIR and LIFEBOAT_SO set; any failed assertion is the result.
import os
import sqlite3
import threading
import time


def connect():
    db = sqlite3.connect(':memory:', check_same_thread=False, isolation_level=None)
    db.enable_load_extension(True)
    db.load_extension(os.environ['LIFEBOAT_SO'])
    return db


def make(path, megabytes):
    db = sqlite3.connect(path, isolation_level=None)
    db.executescript('PRAGMA page_size=65536; PRAGMA journal_mode=off; PRAGMA synchronous=off; CREATE TABLE b(x)')
    db.execute('BEGIN')
    noise = os.urandom(250_000)
    blob = noise + bytes(range(256)) * 2930
    for i in range(megabytes):
        db.execute('INSERT INTO b VALUES(?)', (i.to_bytes(8, 'big') + blob,))
    db.execute('COMMIT')
    db.close()
    return os.path.getsize(path)


size = make('big.db', 300)
result = []


def backup():
    began = time.time()
    path, = connect().execute("""SELECT backup_create('big.db', '{"level":6,"threads":2}')""").fetchone()
    result.append((path, time.time() - began))


worker = threading.Thread(target=backup)
watcher = connect()
assert watcher.execute('SELECT count(*) FROM backup_activity').fetchone() == (0,)
began = time.time()
worker.start()
seen = []
while worker.is_alive():
    for row in watcher.execute('SELECT operation, subject, phase, done, total, rate, eta, elapsed, id FROM backup_activity'):
        seen.append((time.time() - began,) + row)
    time.sleep(0.01)
worker.join()
path, seconds = result[0]
# Only the phases that count bytes: copying, then compressing where the source was spooled.
last = [s for s in seen if s[3] == 'compressing']
done = [s[4] for s in last]
assert len(last) >= 5, (len(last), seconds, seen[-3:])
assert done == sorted(done), 'done went down'
assert len(set(done)) >= 4, done
assert all(s[1] == 'create' and s[2].endswith('big.db') for s in seen), seen[0]
assert {s[5] for s in last} == {size}, ({s[5] for s in last}, size)
assert all(0 <= s[4] <= size for s in last)
assert len({s[9] for s in seen}) == 1
for s in last:
    if size * 0.4 < s[4] < size * 0.9:
        left = seconds - s[0]
        assert s[7] is not None and s[7] <= 4 * left + 1 and s[7] >= left / 4 - 1, ('eta', s, 'really left', left)
        assert s[6] > 0
assert any(size * 0.2 < d < size * 0.95 for d in done), done
assert watcher.execute('SELECT count(*) FROM backup_activity').fetchone() == (0,)

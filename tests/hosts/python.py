# Lifeboat in Python's sqlite3. Run in an empty folder with BACKUP_DIR and LIFEBOAT_SO set.
import gzip
import json
import os
import sqlite3
import threading
import time


def load(path):
    db = sqlite3.connect(path, check_same_thread=False)
    db.enable_load_extension(True)
    db.load_extension(os.environ['LIFEBOAT_SO'])
    return db


db = load('app.db')
db.execute('CREATE TABLE t(a)')
db.executemany('INSERT INTO t VALUES(?)', [(i,) for i in range(1000)])
try:
    db.execute('SELECT backup_create(?)', ('main',)).fetchone()
    raise SystemExit('an uncommitted transaction was backed up')
except sqlite3.OperationalError as e:
    assert 'COMMIT first' in str(e), e
db.commit()
path, = db.execute('SELECT backup_create(?, ?)', ('main', json.dumps({'verify': 'full', 'note': 'ünï "q"'}))).fetchone()
assert gzip.open(path).read(15) == b'SQLite format 3'
assert db.execute('SELECT note, verify_result FROM backups').fetchall() == [('ünï "q"', 'ok')]
db.execute('DELETE FROM t')
db.commit()
report = json.loads(db.execute('SELECT backup_restore(?, ?, ?)', ('latest', 'main', '{"overwrite":true}')).fetchone()[0])
assert report['check'] == 'ok', report
assert db.execute('SELECT count(*) FROM t').fetchone() == (1000,)

# Loading twice is nothing special.
db.load_extension(os.environ['LIFEBOAT_SO'])
assert db.execute('SELECT count(*) FROM backups').fetchone() == (1,)

# The connection that loaded first closes while another one works.
other = load('app.db')
done = []
worker = threading.Thread(target=lambda: done.append(other.execute(
    """SELECT backup_create('main', '{"name":"worker","compress":"zstd","level":19}')""").fetchone()[0]))
worker.start()
db.close()
worker.join()
assert done and other.execute("SELECT backup_verify(?)", (done[0],)).fetchone() == ('ok',)
# Not one thread, nor a descriptor, is left behind; one that was joined is still listed for a moment.
until = time.monotonic() + 5
while len(os.listdir('/proc/self/task')) > 1 and time.monotonic() < until:
    time.sleep(0.01)
assert len(os.listdir('/proc/self/task')) == 1
assert not [n for n in os.listdir('/proc/self/fd') if '.partial' in os.path.realpath(f'/proc/self/fd/{n}')]

# While a backup is verified, another file takes its name: the result is not that one's. Run in a folder with a backup in
# BACKUP_DIR and LIFEBOAT_SO set; any failed assertion is the result.
import os
import shutil
import sqlite3
import threading
import time


def connect(path=':memory:'):
    return sqlite3.connect(path, check_same_thread=False, isolation_level=None)


def target_of(fd):
    try:
        return os.readlink(f'/proc/self/fd/{fd}')
    except FileNotFoundError:  # the other thread has closed it
        return None


def is_open(path):
    return any(target_of(fd) == path for fd in os.listdir('/proc/self/fd'))


db = connect()
db.enable_load_extension(True)
db.load_extension(os.environ['LIFEBOAT_SO'])
[(backup, verified_at)] = db.execute('SELECT path, verified_at FROM backups').fetchall()
assert verified_at is None
shutil.copy(backup, 'other')
with open('other', 'r+b') as f:
    f.truncate(1000)

# A lock on catalog.db stops the verification when it has opened the backup.
catalog = connect(os.path.join(os.path.dirname(backup), 'catalog.db'))
catalog.execute('BEGIN EXCLUSIVE')
result = []
verification = threading.Thread(target=lambda: result.extend(db.execute('SELECT backup_verify(?)', (backup,))))
verification.start()
until = time.monotonic() + 4
while not is_open(backup) and time.monotonic() < until:
    time.sleep(0.01)
os.rename('other', backup)
catalog.execute('COMMIT')
verification.join()
assert result == [('ok',)], result
assert db.execute('SELECT verified_at, verify_result FROM backups').fetchall() == [(None, None)]
assert db.execute('SELECT backup_verify(?)', (backup,)).fetchone()[0] != 'ok'

# Restores over databases that others use, and over what is no database. See lifeboat.py; target.bats runs them.
import glob
import hashlib
import json
import os
import re
import shutil
import sqlite3
import threading
import time
import warnings

from lifeboat import Holder, connect, create, main, make, old_and_new, query, restore, restore_error, saved_copies, value


def digest(path):
    with open(path, 'rb') as f:
        return hashlib.sha256(f.read()).hexdigest()


def busy_message(holder, ms):
    return (f'{os.path.abspath("app.db")}: database is locked (locked by pid {holder.pid} (python3)); waited {ms} ms '
            '(option timeout_ms), nothing was changed')


def wal_reader():
    backup = old_and_new('wal')
    with Holder('app.db') as reader, Holder('app.db') as idle:
        assert idle('SELECT max(a) FROM t') == 'new'
        assert reader('BEGIN') == '-'
        assert reader('SELECT max(a) FROM t') == 'new'
        report = restore(backup, 'app.db', timeout_ms=300)
        assert report['check'] == 'ok' and report['pre_restore'] == os.path.abspath(saved_copies()[0]), report
        assert reader('SELECT max(a) FROM t') == 'new'       # goes on with what it had
        assert idle('SELECT max(a) FROM t') == 'old'         # sees the new content at once
        assert reader('COMMIT') == '-'
        assert reader('SELECT max(a) FROM t') == 'old'
        assert idle("INSERT INTO t VALUES('later', 1)") == '-'
        assert reader('PRAGMA journal_mode') == 'wal'
    assert query(saved_copies()[0], 'SELECT max(a) FROM t') == 'new'
    assert query('app.db', "SELECT count(*) FROM t WHERE a = 'later'") == 1
    assert query('app.db', 'PRAGMA integrity_check') == 'ok'


def wal_writer():
    backup = old_and_new('wal')
    before = digest('app.db')
    with Holder('app.db') as writer:
        assert writer('BEGIN IMMEDIATE') == '-'
        assert writer("UPDATE t SET a = 'newer'") == '-'
        began = time.time()
        message = restore_error(backup, 'app.db', timeout_ms=300)
        assert 0.25 < time.time() - began < 3, time.time() - began
        assert message == busy_message(writer, 300), message
        assert digest('app.db') == before
        assert writer('COMMIT') == '-'
        assert query('app.db', 'SELECT max(a) FROM t') == 'newer'
        restore(backup, 'app.db')
        assert writer('SELECT max(a) FROM t') == 'old'


def in_place(compress):
    """Without a check of the database inside, pages come straight from the backup, also those of another size."""
    make('big.db', 'old', rows=3000, mode='wal', size=500)
    make('odd.db', 'odd', rows=3000, page=1024, size=500)
    big, odd = create('big.db', compress=compress), create('odd.db', compress=compress)
    make('app.db', 'new', rows=50, mode='wal')
    with Holder('app.db') as reader:
        assert reader('BEGIN') == '-'
        assert reader('SELECT max(a) FROM t') == 'new'
        report = restore(big, 'app.db', verify=False)
        assert report['check'] is None and report['bytes'] == os.path.getsize('big.db'), report
        assert reader('SELECT max(a) FROM t') == 'new'
        assert reader('COMMIT') == '-'
        assert reader('SELECT min(a) || max(a) || count(*) FROM t') == 'oldold3000'
        assert reader('PRAGMA journal_mode') == 'wal'
    assert query(report['pre_restore'], 'SELECT max(a) || count(*) FROM t') == 'new50'
    restore(odd, 'app.db', verify=False)
    assert query('app.db', 'PRAGMA page_size') == 1024 and query('app.db', 'PRAGMA journal_mode') == 'wal'
    assert query('app.db', "SELECT min(a) || count(*) FROM t") == 'odd3000'
    assert query('app.db', 'PRAGMA integrity_check') == 'ok'
    assert not glob.glob('.*partial'), glob.glob('.*')


def in_place_damaged(compress):
    """The last block is bad: found when most pages are written, named, and rolled back."""
    make('big.db', 'old', rows=9000, mode='wal', size=500)
    backup = create('big.db', compress=compress)
    make('app.db', 'new', rows=50, mode='wal')
    before = digest('app.db')
    with connect() as db:
        stored = value(db, 'SELECT bytes FROM backups')
    with open(backup, 'r+b') as f:
        f.seek(stored - 20000)
        byte = f.read(1)
        f.seek(-1, os.SEEK_CUR)
        f.write(bytes([byte[0] ^ 1]))
    with Holder('app.db') as reader:
        assert reader('SELECT max(a) FROM t') == 'new'
        message = restore_error(backup, 'app.db', verify=False, pre_restore=False)
        assert message.startswith(backup + ': block ') and message.endswith(': stored checksum does not match'), message
        assert reader('SELECT min(a) || max(a) || count(*) FROM t') == 'newnew50'
        assert reader("INSERT INTO t VALUES('on', 1)") == '-'
    assert query('app.db', 'SELECT count(*) FROM t') == 51 and query('app.db', 'PRAGMA integrity_check') == 'ok'
    assert digest('app.db') != before


def rollback_reader():
    backup = old_and_new('delete')
    before = digest('app.db')
    with Holder('app.db') as reader:
        assert reader('BEGIN') == '-'
        assert reader('SELECT max(a) FROM t') == 'new'
        began = time.time()
        message = restore_error(backup, 'app.db', timeout_ms=300)
        assert 0.25 < time.time() - began < 3, time.time() - began
        assert message == busy_message(reader, 300), message
        assert digest('app.db') == before
        assert reader('COMMIT') == '-'
        # An idle connection is no obstacle, and sees the new content.
        restore(backup, 'app.db', timeout_ms=300)
        assert reader('SELECT max(a) FROM t') == 'old'


def rollback_reserved():
    backup = old_and_new('delete')
    with Holder('app.db') as writer:
        assert writer('BEGIN IMMEDIATE') == '-'
        assert writer("INSERT INTO t VALUES('mine', 1)") == '-'
        message = restore_error(backup, 'app.db', timeout_ms=300)
        assert message == busy_message(writer, 300), message
        assert writer('COMMIT') == '-'
    assert query('app.db', "SELECT count(*) FROM t WHERE a = 'mine'") == 1


def rollback_waits():
    """A reader that finishes within timeout_ms only delays the restore."""
    backup = old_and_new('delete')
    with Holder('app.db') as reader:
        assert reader('BEGIN') == '-'
        assert reader('SELECT max(a) FROM t') == 'new'
        threading.Timer(0.4, lambda: reader.send('COMMIT')).start()
        began = time.time()
        assert restore(backup, 'app.db', timeout_ms=5000)['check'] == 'ok'
        assert time.time() - began >= 0.35
        assert reader.answer() == '-'
    assert query('app.db', 'SELECT max(a) FROM t') == 'old'


def exclusive_holder():
    """Somebody who holds it exclusively makes it wait, then fail; nothing changes."""
    backup = old_and_new('delete')
    before = digest('app.db')
    with Holder('app.db') as writer:
        assert writer('BEGIN EXCLUSIVE') == '-'
        message = restore_error(backup, 'app.db', timeout_ms=300)
        assert message.startswith(f'{os.path.abspath("app.db")}: ') and f'pid {writer.pid} (python3)' in message, message
        assert digest('app.db') == before and not saved_copies()


def same_process_reader():
    """The caller's own process holds it through another connection."""
    backup = old_and_new('delete')
    db = sqlite3.connect('app.db', isolation_level=None)
    db.execute('BEGIN')
    assert value(db, 'SELECT max(a) FROM t') == 'new'
    message = restore_error(backup, 'app.db', timeout_ms=200)
    assert 'database is locked (locked by this process); waited 200 ms' in message, message
    db.execute('COMMIT')
    restore(backup, 'app.db')
    assert value(db, 'SELECT max(a) FROM t') == 'old'


def page_size(mode, size):
    """Another page size, nobody else there: it works, and the journal mode stays."""
    make('app.db', 'new', mode=mode)
    make('other.db', 'old', page=int(size))
    backup = create('other.db')
    for options in {'pre_restore': False}, {}:
        report = restore(backup, 'app.db', **options)
        assert report['check'] == 'ok' and report['notes'] is None, report
        assert query('app.db', 'PRAGMA page_size') == int(size)
        assert query('app.db', 'PRAGMA journal_mode') == mode
        assert query('app.db', 'SELECT max(a) FROM t') == 'old'
        assert query('app.db', 'PRAGMA integrity_check') == 'ok'
        os.unlink('app.db')
        make('app.db', 'new', mode=mode)


def page_size_rollback_connected():
    """In rollback mode an idle connection of another page size notices."""
    make('app.db', 'new')
    make('other.db', 'old', page=1024)
    backup = create('other.db')
    with Holder('app.db') as idle:
        assert idle('SELECT max(a) FROM t') == 'new'
        restore(backup, 'app.db')
        assert idle('SELECT max(a) FROM t') == 'old'
        assert idle('PRAGMA page_size') == '1024'


def page_size_wal_connected():
    make('app.db', 'new', mode='wal')
    make('other.db', 'old', page=1024)
    backup = create('other.db')
    with Holder('app.db') as other:
        assert other('SELECT max(a) FROM t') == 'new'
        message = restore_error(backup, 'app.db', timeout_ms=200)
        assert message == (f'{os.path.abspath("app.db")}: the target has pages of 4096 bytes and the backup of 1024; changing '
                           'that in WAL mode needs the database alone: close its other connections and try again'), message
        assert other('SELECT max(a) FROM t') == 'new'
        assert other('PRAGMA journal_mode') == 'wal'
        assert other("INSERT INTO t VALUES('on', 1)") == '-'


def contents(path):
    if not os.path.exists(path):
        return None
    with open(path, 'rb') as f:
        return f.read()


def refused_while_open(backup, before):
    """Another process that has the file open, without any lock, is enough."""
    ready, told = os.pipe()
    child = os.fork()
    if child == 0:
        os.open('app.db', os.O_RDWR)
        os.write(told, b'!')
        time.sleep(20)
        os._exit(0)
    os.read(ready, 1)
    message = restore_error(backup, 'app.db', timeout_ms=200)
    os.kill(child, 9)
    os.waitpid(child, 0)
    assert message == (f'{os.path.abspath("app.db")}: cannot be read as a database, and cannot be replaced while it is open (by '
                       f'pid {child} (python3)): close it there first'), message
    now = {s: contents('app.db' + s) for s in before}
    assert now == before, [s or 'app.db' for s in before if now[s] != before[s]]


def garbage(length):
    """What SQLite cannot open is kept byte for byte with its -wal and -journal; never replaced while it is open."""
    make('good.db', 'old')
    backup = create('good.db')
    if length == 'truncated':
        make('app.db', 'new', rows=2000)
        os.truncate('app.db', 100)
    else:
        with open('app.db', 'wb') as f:
            f.write(os.urandom(int(length)))
    os.chmod('app.db', 0o644)
    if os.geteuid() == 0:
        os.chown('app.db', 1234, 4321)
    for sibling in '-wal', '-journal':
        with open('app.db' + sibling, 'wb') as f:
            f.write(b'precious' + sibling.encode())
    before = {s: contents('app.db' + s) for s in ('', '-wal', '-journal')}
    owner = os.stat('app.db')
    refused_while_open(backup, before)
    report = restore(backup, 'app.db')
    saved = report['pre_restore']
    assert {s: contents(saved + s) for s in before} == before
    for sibling in '-wal', '-journal', '-shm':
        assert not os.path.exists('app.db' + sibling)
    now = os.stat('app.db')
    assert (now.st_mode, now.st_uid, now.st_gid) == (owner.st_mode, owner.st_uid, owner.st_gid)
    assert query('app.db', 'SELECT max(a) FROM t') == 'old'


def moved_aside(report):
    """What a restore to nothing found beside it: no copy of a database is claimed, each file is named with its place."""
    assert report['pre_restore'] is None and report['created'], report
    words = os.path.abspath('app.db') + r'-(wal|journal) lay there without its database: it was moved to (.*-\1)'
    found = [re.fullmatch(words, line) for line in report['notes'].split('\n')]
    assert all(found), report['notes']
    return [f.group(2) for f in found]


def stale_again():
    """Many restores within one second: what was moved aside first is never replaced by what comes later."""
    make('old.db', 'old')
    backup = create('old.db')
    for i in range(12):
        if os.path.exists('app.db'):
            os.unlink('app.db')
        suffixes = ('-wal', '-journal') if i % 3 else ('-journal',)
        for s in suffixes:
            with open('app.db' + s, 'w') as f:
                f.write(f'{s} {i}')
        moved = moved_aside(restore(backup, 'app.db', overwrite=False))
        assert [contents(p) for p in moved] == [f'{s} {i}'.encode() for s in reversed(suffixes)], (i, moved)
    for s, count in ('-wal', 8), ('-journal', 12):
        assert len(glob.glob('app.db.before_restore.*' + s)) == count
    # A copy of a database takes no name that has such a file beside it, which would be taken for its own.
    saved = restore(backup, 'app.db')['pre_restore']
    assert os.path.exists(saved) and not glob.glob(saved + '-*'), glob.glob('app.db*')


def stale_siblings():
    """Beside a target that is gone: never replayed, kept."""
    make('app.db', 'old', mode='wal')
    backup = create('app.db')
    db = sqlite3.connect('app.db', isolation_level=None)
    db.execute('PRAGMA wal_autocheckpoint=0')
    db.execute("UPDATE t SET a = 'stale'")
    for s in '', '-wal', '-shm':
        shutil.copy('app.db' + s, 'copy.db' + s)
    db.close()
    for s in '', '-wal', '-shm':
        if os.path.exists('app.db' + s):
            os.unlink('app.db' + s)
    shutil.copy('copy.db-wal', 'app.db-wal')
    shutil.copy('copy.db-shm', 'app.db-shm')
    with open('app.db-journal', 'wb') as f:
        f.write(b'stale journal')
    report = restore(backup, 'app.db', overwrite=False)
    moved = moved_aside(report)
    assert [digest(p) for p in moved if p.endswith('-wal')] == [digest('copy.db-wal')], moved
    assert [contents(p) for p in moved if p.endswith('-journal')] == [b'stale journal'], moved
    assert not [s for s in ('-wal', '-shm', '-journal') if os.path.exists('app.db' + s)]
    assert query('app.db', 'SELECT min(a) || max(a) FROM t') == 'oldold'
    # Told not to keep them, it removes them all the same.
    os.unlink('app.db')
    shutil.copy('copy.db-wal', 'app.db-wal')
    restore(backup, 'app.db', overwrite=False, pre_restore=False)
    assert query('app.db', 'SELECT min(a) || max(a) FROM t') == 'oldold'


def crash(path, mode):
    """Leaves path as a killed writer does: hot journal, or a WAL that nobody checkpointed."""
    child = os.fork()
    if child == 0:
        db = sqlite3.connect(path, isolation_level=None)
        if mode == 'wal':
            db.execute('PRAGMA wal_autocheckpoint=0')
            db.execute("UPDATE t SET a = 'committed'")
        db.execute('PRAGMA cache_size=5')
        db.execute('BEGIN')
        db.execute("UPDATE t SET a = 'uncommitted', b = randomblob(100)")
        os.kill(os.getpid(), 9)
    os.waitpid(child, 0)


def hot_journal():
    backup = old_and_new('delete')
    make('app2.db', 'new', rows=3000)
    os.replace('app2.db', 'app.db')
    crash('app.db', 'delete')
    assert os.path.getsize('app.db-journal') > 512
    report = restore(backup, 'app.db')
    assert query(report['pre_restore'], "SELECT count(*) || min(a) || max(a) FROM t") == '3000newnew'
    assert query('app.db', 'SELECT min(a) || max(a) FROM t') == 'oldold'
    assert not os.path.exists('app.db-journal')


def crashed_wal():
    backup = old_and_new('wal')
    crash('app.db', 'wal')
    os.unlink('app.db-shm')
    report = restore(backup, 'app.db')
    assert query(report['pre_restore'], 'SELECT min(a) || max(a) FROM t') == 'committedcommitted'
    assert query('app.db', 'SELECT min(a) || max(a) || count(*) FROM t') == 'oldold100'
    assert query('app.db', 'PRAGMA journal_mode') == 'wal'


def keeps(mode):
    """Journal mode, mode bits, owner of the target; its inode too, for it is never renamed over."""
    make('app.db', 'old', mode='wal' if mode == 'delete' else 'delete')
    backup = create('app.db')
    os.unlink('app.db')
    make('app.db', 'new', mode=mode)
    os.chmod('app.db', 0o664)
    if os.geteuid() == 0:
        os.chown('app.db', 1234, 4321)
    before = os.stat('app.db')
    restore(backup, 'app.db')
    after = os.stat('app.db')
    assert (after.st_ino, after.st_mode, after.st_uid, after.st_gid) == (before.st_ino, before.st_mode, before.st_uid, before.st_gid)
    saved = os.stat(saved_copies()[0])
    assert (saved.st_uid, saved.st_gid) == (before.st_uid, before.st_gid) and saved.st_mode & 0o777 == 0o600, saved
    assert query('app.db', 'PRAGMA journal_mode') == mode
    assert query('app.db', 'SELECT max(a) FROM t') == 'old'
    assert not [s for s in ('-wal', '-shm', '-journal') if os.path.exists('app.db' + s)]


def busy_writer(mode, verify='full'):
    """Every commit that was acknowledged before the restore took the lock is in before_restore, or in the result."""
    make('app.db', 'old', rows=3000, mode=mode, size=2000)
    db = sqlite3.connect('app.db')
    db.execute('CREATE TABLE log(n INTEGER PRIMARY KEY)')
    db.commit()
    db.close()
    backup = create('app.db')
    stop = threading.Event()
    acknowledged = []

    def write():
        db = sqlite3.connect('app.db', isolation_level=None, timeout=20)
        n = 0
        while not stop.is_set():
            n += 1
            db.execute('INSERT INTO log VALUES(?)', (n,))
            acknowledged.append(n)
            time.sleep(0.03)
        db.close()

    writer = threading.Thread(target=write)
    writer.start()
    time.sleep(0.2)
    outcome = None
    try:
        outcome = restore(backup, 'app.db', timeout_ms=10000, verify=False if verify == 'false' else verify)
    except sqlite3.OperationalError as e:
        assert 'somebody keeps writing to it' in str(e), e
    time.sleep(0.2)
    stop.set()
    writer.join()
    kept = set()
    for path in saved_copies() + ['app.db']:
        db = sqlite3.connect(path)
        kept |= {n for n, in db.execute('SELECT n FROM log')}
        db.close()
    lost = set(acknowledged) - kept
    assert not lost, (outcome, sorted(lost))
    if outcome:
        # Later commits went into the restored database, and only those.
        first = query('app.db', 'SELECT min(n) FROM log')
        newest = query(saved_copies()[-1], 'SELECT max(n) FROM log')
        assert first == newest + 1, (first, newest)


def caller_connected():
    """The caller's own connection has the target open as main: it sees the new content, statements work on."""
    for mode in 'delete', 'wal':
        if os.path.exists('app.db'):
            os.unlink('app.db')
        make('app.db', 'old', mode=mode)
        backup = create('app.db', name=mode)
        db = connect('app.db')
        db.execute('CREATE TABLE extra(x)')
        db.execute("UPDATE t SET a = 'new'")
        restore(backup, 'main', db)
        assert value(db, 'SELECT max(a) FROM t') == 'old'
        assert value(db, "SELECT count(*) FROM sqlite_schema WHERE name = 'extra'") == 0
        db.execute("INSERT INTO t VALUES('more', 1)")
        assert value(db, 'PRAGMA integrity_check') == 'ok'
        assert value(db, 'PRAGMA journal_mode') == mode
        db.close()


def encodings():
    """Connections that are open cannot take another encoding, and a note says so."""
    db = sqlite3.connect('utf16.db')
    db.execute("PRAGMA encoding='UTF-16le'")
    db.execute('CREATE TABLE t(a, b)')
    db.execute("INSERT INTO t VALUES ('old', 1)")
    db.commit()
    db.close()
    backup = create('utf16.db')
    for mode in 'delete', 'wal':
        for verify in True, False:
            if os.path.exists('app.db'):
                os.unlink('app.db')
            make('app.db', 'new', mode=mode)
            other = sqlite3.connect('app.db')
            assert value(other, 'SELECT count(*) FROM t') == 100
            report = restore(backup, 'app.db', verify=verify)
            assert report['notes'] == ('its text encoding was UTF-8 and is UTF-16le now: connections that are open have to be '
                                       'opened again'), report
            try:
                value(other, 'SELECT count(*) FROM t')
                raise AssertionError('the note is not needed')
            except sqlite3.OperationalError as e:
                assert 'encoding' in str(e), e
            other.close()
            assert query('app.db', 'SELECT max(a) FROM t') == 'old'
            assert query('app.db', 'PRAGMA integrity_check') == 'ok'
            assert restore(backup, 'app.db', verify=verify)['notes'] is None


def shared_cache():
    """A program whose connections share their caches: those of Lifeboat are alone all the same."""
    warnings.simplefilter('ignore', DeprecationWarning)
    sqlite3.enable_shared_cache(True)
    for mode in 'delete', 'wal':
        if os.path.exists('app.db'):
            os.unlink('app.db')
        make('app.db', 'old', mode=mode)
        db, other = connect('app.db'), connect('app.db')
        other.execute('BEGIN')
        other.execute("UPDATE t SET a = 'not committed'")
        assert_locked(db)
        backup = value(db, 'SELECT backup_create(?, ?)', 'main', json.dumps({'name': mode}))
        other.execute('COMMIT')
        restore(backup, 'main', db)
        assert value(db, 'SELECT max(a) FROM t') == 'old'
        db.execute('DELETE FROM t')
        assert restore(backup, 'main', db, overwrite=None, tables=['t'])['tables'][0]['added'] == 100
        assert value(other, 'SELECT count(*) FROM t') == 100
        db.close()
        other.close()


def assert_locked(db):
    """The test is of no use unless the caches are shared, which is what makes this an error."""
    try:
        value(db, 'SELECT count(*) FROM t')
    except sqlite3.OperationalError as e:
        assert 'table is locked' in str(e), e
    else:
        raise AssertionError('no shared cache')


main(globals())

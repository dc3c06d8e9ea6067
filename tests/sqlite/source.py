# What backing up does to its source: nothing. And sources in odd states. See lifeboat.py; source.bats runs them.
import errno
import hashlib
import json
import os
import shutil
import sqlite3
import threading
import time

from lifeboat import Holder, connect, create, main, make, query, restore, restore_error, value


def state(folder):
    """Every file of the folder: bytes, mode, owner, times of change; the folder's own too."""
    result = {}
    for name in sorted(os.listdir(folder)) + ['.']:
        path = os.path.join(folder, name)
        s = os.stat(path)
        if name == '.':
            result[name] = s.st_mode, s.st_uid, s.st_gid
            continue
        with open(path, 'rb') as f:
            content = hashlib.sha256(f.read()).hexdigest()
        # The wal-index is shared memory: readers mark there where they read.
        result[name] = None if name.endswith('-shm') else content, s.st_size, s.st_mode, s.st_uid, s.st_gid
        if not name.endswith('-shm'):
            result[name] += s.st_mtime_ns,
    return result


def leave_wal(folder, rows=50):
    """folder/app.db with a -wal that has content and no -shm, as a machine that lost power leaves it."""
    os.makedirs('scratch')
    make('scratch/app.db', 'old', rows=rows, mode='wal')
    db = sqlite3.connect('scratch/app.db', isolation_level=None)
    db.execute('PRAGMA wal_autocheckpoint=0')
    db.execute("UPDATE t SET a = 'new'")
    for s in '', '-wal':
        shutil.copy('scratch/app.db' + s, f'{folder}/app.db' + s)
    db.close()
    assert os.path.getsize(f'{folder}/app.db-wal') > 0


def prepare(kind):
    """Makes src/app.db in some state; what is returned must be kept open meanwhile."""
    os.mkdir('src')
    held = []
    if kind == 'rollback' or kind == 'rollback_held':
        make('src/app.db', 'new')
    elif kind == 'persist':
        make('src/app.db', 'new')
        db = sqlite3.connect('src/app.db', isolation_level=None)
        db.execute('PRAGMA journal_mode=persist')
        db.execute('INSERT INTO t VALUES(?, 1)', ('new',))
        db.close()
        assert os.path.exists('src/app.db-journal')
    elif kind == 'wal' or kind == 'wal_idle':
        make('src/app.db', 'new', mode='wal')
    elif kind == 'wal_held':
        make('src/app.db', 'old', mode='wal')
    elif kind == 'wal_left':
        leave_wal('src')
    if kind.endswith('_held') or kind.endswith('_idle'):
        holder = Holder('src/app.db')
        held.append(holder)
        if kind == 'wal_held':
            assert holder('PRAGMA wal_autocheckpoint=0') == '0'
            assert holder("UPDATE t SET a = 'new'") == '-'
        else:
            assert holder('SELECT count(*) FROM t') == '100'
    return held


def untouched(kind):
    held = prepare(kind)
    before = state('src')
    for options in {}, {'check': True, 'verify': 'full'}, {'compress': 'zstd', 'level': 19}:
        backup = create('src/app.db', name='x', **options)
        assert state('src') == before, (before, state('src'))
    for h in held:
        h.close()
    restore(backup, 'restored.db', overwrite=False)
    assert query('restored.db', 'SELECT min(a) || max(a) FROM t') == 'newnew'


def untouched_other_owner(kind):
    """As root, of a database that belongs to somebody else: not one file of root's there, and the owner can go on."""
    held = prepare(kind)
    for folder, _, names in os.walk('src'):
        for path in [folder] + [os.path.join(folder, n) for n in names]:
            os.chown(path, 1234, 1234)
    before = state('src')
    create('src/app.db', name='x')
    assert state('src') == before, (before, state('src'))
    assert all(os.stat(os.path.join('src', n)).st_uid == 1234 for n in os.listdir('src'))
    for h in held:
        h.close()
    child = os.fork()
    if child == 0:
        os.chdir('src')
        os.setgid(1234)
        os.setuid(1234)
        db = sqlite3.connect('app.db')
        db.execute('INSERT INTO t VALUES(1, 1)')
        db.commit()
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def garbage_untouched():
    """What cannot be backed up is left alone as well, with what lies beside it."""
    os.mkdir('src')
    with open('src/app.db', 'wb') as f:
        f.write(os.urandom(5000))
    for s in '-wal', '-journal':
        with open('src/app.db' + s, 'wb') as f:
            f.write(b'precious')
    before = state('src')
    try:
        create('src/app.db')
        raise AssertionError('did not fail')
    except sqlite3.Error as e:
        assert 'file is not a database' in str(e), e
    assert state('src') == before, (sorted(before), sorted(state('src')))


def leave_journal(path):
    """A database whose last writer was killed in the middle of a transaction whose pages had reached the file."""
    make(path, 'old', rows=3000)
    child = os.fork()
    if child == 0:
        db = sqlite3.connect(path, isolation_level=None)
        db.execute('PRAGMA cache_size=5')
        db.execute('BEGIN')
        db.execute("UPDATE t SET a = 'half', b = randomblob(100)")
        os.kill(os.getpid(), 9)
    os.waitpid(child, 0)
    with open(path, 'rb') as f:
        assert b'half' in f.read()
    assert os.path.getsize(path + '-journal') > 512


def hot_journal():
    leave_journal('app.db')
    restore(create('app.db'), 'restored.db', overwrite=False)
    assert query('restored.db', 'SELECT count(*) || min(a) || max(a) FROM t') == '3000oldold'


def half_a_transaction_is_no_backup():
    """What is in a plain file beside a -journal was not committed, and only the journal can take it back. One that was
    done with (journal_mode=PERSIST) is in nobody's way."""
    leave_journal('app.db')
    path = os.path.abspath('app.db')
    wanted = ('./app.db: has a -journal beside it, of a transaction that did not end, so it is a database in use and not '
              "a whole backup: back it up with backup_create('./app.db') and restore that")
    for verify in True, False:
        error = restore_error('./app.db', 'out.db', overwrite=False, verify=verify)
        assert error == wanted and not os.path.exists('out.db'), error
    make('target.db', 'new', rows=3)
    error = restore_error('./app.db', 'target.db', overwrite=None, tables=['t'])
    assert error == wanted and query('target.db', 'SELECT group_concat(a) FROM t') == 'new,new,new', error
    try:
        value(connect(), "SELECT backup_verify(?, 'full')", path)
        raise AssertionError('half a transaction was called ok')
    except sqlite3.Error as e:
        assert 'has a -journal beside it' in str(e), e
    assert query('app.db', 'SELECT min(a) || max(a) FROM t') == 'oldold'  # SQLite, with the journal
    make('kept.db', 'old', mode='persist')
    assert os.path.getsize('kept.db-journal') > 512
    restore('./kept.db', 'out.db', overwrite=False)
    assert query('out.db', 'SELECT min(a) || max(a) FROM t') == 'oldold'


def hot_journal_read_only():
    """Who may only read cannot roll back, and is told so; the copy that the error advises can be backed up."""
    os.mkdir('src')
    leave_journal('src/app.db')
    path = os.path.abspath('src/app.db')
    os.chmod('src/app.db', 0o444)
    before = state('src')
    error = create_error('src/app.db')
    assert error == (f'{path}: its last writer crashed, and its -journal has to be rolled back before it can be read, which '
                     'takes write permission on both and on their folder (do this as the owner of the database, or copy '
                     'both to a folder of your own and use the copy)'), error
    assert state('src') == before
    for end in '', '-journal':
        shutil.copyfile('src/app.db' + end, 'copy.db' + end)
    restore(create('copy.db'), 'restored.db', overwrite=False)
    assert query('restored.db', 'SELECT count(*) || min(a) || max(a) FROM t') == '3000oldold'


def crashed_wal():
    """Killed in WAL mode: commits that nobody checkpointed are in the backup, what was not committed is not."""
    make('app.db', 'old', mode='wal')
    child = os.fork()
    if child == 0:
        db = sqlite3.connect('app.db', isolation_level=None)
        db.execute('PRAGMA wal_autocheckpoint=0')
        db.execute("UPDATE t SET a = 'committed'")
        db.execute('PRAGMA cache_size=5')
        db.execute('BEGIN')
        db.execute("UPDATE t SET a = 'half', b = randomblob(2000)")
        os.kill(os.getpid(), 9)
    os.waitpid(child, 0)
    os.unlink('app.db-shm')
    restore(create('app.db'), 'restored.db', overwrite=False)
    assert query('restored.db', 'SELECT count(*) || min(a) || max(a) FROM t') == '100committedcommitted'


def create_error(source):
    try:
        return f'did not fail: {create(source)}'
    except sqlite3.Error as e:
        return str(e)


def wal_permissions():
    """Reading in WAL mode takes more than a file that may be read: what, says the error."""
    make('other.db', 'old')
    backup = create('other.db')
    os.mkdir('src')
    make('src/app.db', 'new', mode='wal')
    path = os.path.abspath('src/app.db')
    os.chmod('src', 0o555)
    wanted = (f'{path}: permission denied: reading a database in WAL mode that nobody has open takes write '
              'permission on it and on its folder, for the -shm file (grant that, or do this as the owner of the database)')
    for error in create_error('src/app.db'), restore_error(backup, 'src/app.db'):
        assert error == wanted, error
    os.chmod('src', 0o755)
    os.chmod('src/app.db', 0o444)
    before = state('src')
    error = create_error('src/app.db')
    assert error == wanted, error
    assert state('src') == before, sorted(state('src'))
    create(f'file:{path}?immutable=1')
    with sqlite3.connect('src/app.db') as db:   # somebody has it open: nothing is left that was not there
        db.execute('SELECT * FROM t').fetchone()
        before = state('src')
        create('src/app.db')
        assert state('src') == before, sorted(state('src'))
    db.close()
    os.chmod('src/app.db', 0o644)
    create('src/app.db')
    leave_wal('src')
    os.chmod('src/app.db-wal', 0)
    error = create_error('src/app.db')
    assert error == (f'{path}: permission denied: a database in WAL mode is read with its -wal file, which this user may not '
                     'read (grant that, or do this as the owner of the database)'), error
    # Other errors are SQLite's own.
    os.chmod('src/app.db', 0)
    error = create_error('src/app.db')
    assert error == f'{path}: unable to open database file: Permission denied', error
    os.chmod('src', 0)
    assert create_error('src/app.db') == 'src/app.db: Permission denied'
    os.chmod('src', 0o755)


def wal_read_only():
    """src is a file system of its own."""
    make('src/app.db', 'new', mode='wal')
    path = os.path.abspath('src/app.db')
    assert os.system('mount -o remount,ro src') == 0
    error = create_error('src/app.db')
    advice = f"file:{path}?immutable=1"
    assert error == (f'{path}: a database in WAL mode on a read-only file system, where SQLite cannot make its -shm file: if '
                     f"nobody writes to it elsewhere, back it up with backup_create('{advice}')"), error
    restore(create(advice), 'restored.db', overwrite=False)
    assert query('restored.db', 'SELECT max(a) FROM t') == 'new'
    assert os.system('mount -o remount,rw src') == 0
    leave_wal('src')
    assert os.system('mount -o remount,ro src') == 0
    error = create_error('src/app.db')
    assert error == (f'{path}: a database in WAL mode on a read-only file system, with a -wal beside it: copy both to a folder '
                     'that can be written, and use the copy'), error


def fill(path):
    with open(path, 'wb', buffering=0) as filler:
        try:
            while filler.write(b'x' * 4096):
                pass
        except OSError as e:
            assert e.errno == errno.ENOSPC, e


def wal_no_room():
    """src is a small file system of its own, and full."""
    make('src/app.db', 'new', mode='wal')
    path = os.path.abspath('src/app.db')
    fill('src/filler')
    before = sorted(os.listdir('src'))
    error = create_error('src/app.db')
    advice = f'file:{path}?immutable=1'
    assert error == (f'{path}: the disk is full: there is no room for its -shm file, without which SQLite does not read a '
                     "database in WAL mode (32 KiB will do; to back it up while nobody has it open, "
                     f"backup_create('{advice}') goes without)"), error
    assert sorted(os.listdir('src')) == before, os.listdir('src')
    restore(create(advice), 'restored.db', overwrite=False)
    assert query('restored.db', 'SELECT max(a) FROM t') == 'new'
    os.unlink('src/filler')
    leave_wal('src')
    fill('src/filler')
    before = state('src')['app.db-wal']
    error = create_error('src/app.db')
    assert error.endswith('(32 KiB will do)'), error
    assert state('src')['app.db-wal'] == before
    os.unlink('src/filler')
    assert sorted(os.listdir('src')) == ['app.db', 'app.db-wal'], os.listdir('src')
    create('src/app.db')


def without_wal():
    """What is in the -wal beside one name of a database is not seen under another: nothing is read or written there."""
    os.mkdir('src')
    make('src/app.db', 'old', rows=3, mode='wal')
    make('other.db', 'other', rows=1)
    os.link('src/app.db', 'src/link.db')
    path, backup = os.path.abspath('src/link.db'), create('src/app.db')
    with Holder('src/app.db') as h:
        h("INSERT INTO t VALUES('new', 1)")
        wanted = (f': in use (locked by pid {h.pid} (python3)), but without a -wal beside this name, so that its commits are '
                  'not seen here: it is in use under another name (a hard link, a file that is mounted elsewhere): pass that '
                  'one; or somebody has removed its -wal')
        before = state('src')
        assert create_error('src/link.db') == path + wanted, create_error('src/link.db')
        for options in {'overwrite': True}, {'overwrite': None, 'tables': ['t']}:
            assert restore_error(backup, path, **options) == path + wanted
        assert restore_error(path, 'other.db') == path + wanted
        assert state('src') == before
        restore(create('src/app.db'), 'new.db', overwrite=False)
        assert query('new.db', 'SELECT count(*) FROM t') == 4
        os.rename('src/app.db-wal', 'src/elsewhere')
        assert 'or somebody has removed its -wal' in create_error('src/app.db')
        os.rename('src/elsewhere', 'src/app.db-wal')
    # With nobody there, or with a rollback journal, one name is as good as the other.
    restore(create('src/link.db', name='link'), 'src/link.db')
    restore(path, 'new.db')  # a plain file, which a restore locks itself
    make('plain.db', 'old', rows=3)
    os.link('plain.db', 'plain2.db')
    with Holder('plain.db') as h:
        h("INSERT INTO t VALUES('new', 1)")
        restore(create('plain2.db'), 'new.db')
        assert query('new.db', 'SELECT count(*) FROM t') == 4


def busy_wal_writer():
    """A writer that commits all the time is never told to wait, and the backup is one moment of it."""
    make('app.db', 'old', rows=4000, mode='wal', size=2000)
    db = sqlite3.connect('app.db')
    db.execute('CREATE TABLE a(n)')
    db.execute('CREATE TABLE b(n)')
    db.commit()
    db.close()
    stop, errors, count = threading.Event(), [], [0]

    def write():
        w = sqlite3.connect('app.db', isolation_level=None, timeout=0)
        try:
            while not stop.is_set():
                w.execute('BEGIN IMMEDIATE')
                w.execute('INSERT INTO a VALUES(1)')
                w.execute('INSERT INTO b VALUES(1)')
                w.execute('COMMIT')
                count[0] += 1
        except sqlite3.Error as e:
            errors.append(e)
        w.close()

    thread = threading.Thread(target=write)
    thread.start()
    backups = [create('app.db') for _ in range(4)]
    stop.set()
    thread.join()
    assert not errors, errors
    assert count[0] > 10
    last = -1
    for i, backup in enumerate(backups):
        restore(backup, f'r{i}.db', overwrite=False)
        a, b = query(f'r{i}.db', 'SELECT count(*) FROM a'), query(f'r{i}.db', 'SELECT count(*) FROM b')
        assert a == b and a >= last, (a, b, last)
        last = a


def locked():
    """Held exclusively by another process: an error that names it, after timeout_ms."""
    make('app.db', 'new')
    with Holder('app.db') as other:
        assert other('BEGIN EXCLUSIVE') == '-'
        began = time.time()
        try:
            create('app.db', timeout_ms=300)
            raise AssertionError('did not fail')
        except sqlite3.OperationalError as e:
            assert str(e) == f'{os.path.abspath("app.db")}: database is locked (locked by pid {other.pid} (python3)); ' \
                'waited 300 ms (option timeout_ms)', e
        assert 0.25 < time.time() - began < 3
        assert other('COMMIT') == '-'
        create('app.db', timeout_ms=300)


def reserved():
    """A writer that has not begun to write to the file is no obstacle, and its work is not in the backup."""
    make('app.db', 'new')
    with Holder('app.db') as other:
        assert other('BEGIN IMMEDIATE') == '-'
        assert other("UPDATE t SET a = 'later'") == '-'
        restore(create('app.db', timeout_ms=0), 'restored.db', overwrite=False)
        assert other('COMMIT') == '-'
    assert query('restored.db', 'SELECT max(a) FROM t') == 'new'


def keeps_locks():
    """POSIX locks are the process's: a backup in the same process may not drop those of another connection."""
    make('app.db', 'new')
    db = connect('app.db')
    db.execute('BEGIN IMMEDIATE')
    other = connect()
    value(other, "SELECT backup_create('app.db')")
    with Holder('app.db') as third:
        assert third('BEGIN IMMEDIATE') == 'error: database is locked'
    db.execute('COMMIT')
    db.execute('BEGIN')
    value(db, 'SELECT count(*) FROM t')
    value(other, "SELECT backup_create('app.db')")
    value(other, "SELECT count(*) FROM backups")
    with Holder('app.db') as third:
        assert third('BEGIN EXCLUSIVE') == 'error: database is locked'


def keeps_locks_of_named_file():
    """The same when the very file of a live database is given where a backup is meant: refused or not, locks stay."""
    make('app.db', 'new')
    db = connect('app.db')
    db.execute('BEGIN')
    value(db, 'SELECT count(*) FROM t')
    for sql in ("SELECT backup_verify('./app.db')", "SELECT backup_restore('./app.db', 'new.db')",
                "SELECT backup_restore('./app.db', 'app.db', '{\"overwrite\":true}')"):
        try:
            value(connect(), sql)
        except sqlite3.Error:
            pass
        with Holder('app.db') as third:
            assert third('BEGIN EXCLUSIVE') == 'error: database is locked', sql


def moved():
    """A file that was renamed under an open connection: that connection still reads it, and so does the backup."""
    make('app.db', 'first')
    db = connect('app.db')
    assert value(db, 'SELECT max(a) FROM t') == 'first'
    os.rename('app.db', 'gone.db')
    make('app.db', 'second')
    backup = value(db, 'SELECT backup_create(?, ?)', 'main', json.dumps({'name': 'moved'}))
    restore(backup, 'restored.db', overwrite=False)
    assert query('restored.db', 'SELECT max(a) FROM t') == 'first'


def python_transaction():
    """Python opens transactions by itself: what is not committed would be missing, so the error says COMMIT first."""
    make('app.db', 'new')
    db = sqlite3.connect('app.db')
    db.enable_load_extension(True)
    db.load_extension(os.environ['LIFEBOAT_SO'])
    db.execute("INSERT INTO t VALUES('pending', 1)")
    try:
        db.execute("SELECT backup_create('main')").fetchone()
        raise AssertionError('did not fail')
    except sqlite3.OperationalError as e:
        assert str(e) == (f'{os.path.abspath("app.db")}: this connection has an open write transaction: COMMIT first, then '
                          'back up'), e
    db.commit()
    db.execute("SELECT backup_create('main')").fetchone()
    assert not db.in_transaction


main(globals())

# Restoring some tables: what backup and target may be like, who else is there, and what cuts it short.
import glob
import gzip
import os
import re
import shutil
import signal
import sqlite3
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '../sqlite'))
from lifeboat import Holder, connect, create, main, query, saved_copies, value  # noqa: E402
from part_shared import FTS, SHOP, T, UNSAVED, counts, everything, has_zstd, part, refused  # noqa: E402
from part_shared import rows, run, shop, sound  # noqa: E402

# ---- the backup ----

def kinds():
    """What a backup may be: ours in gzip and zstd, one gzip member, zstd of another tool, a plain file."""
    backup = shop()
    whole = everything('app.db')
    backups = [backup, './plain.db', './old.db.gz']
    shutil.copy('app.db', 'plain.db')
    with open('app.db', 'rb') as f, gzip.open('old.db.gz', 'wb') as g:
        g.write(f.read())
    if has_zstd():
        backups.append(create('app.db', compress='zstd'))
        assert os.system('zstd -q -k plain.db') == 0
        backups.append('./plain.db.zst')
    for b in backups:
        for verify in False, 'quick', 'full':
            run('app.db', "DELETE FROM messages; UPDATE users SET email = 'x' WHERE id = 1")
            report = part(b, 'app.db', ['messages', 'users'], verify=verify, pre_restore=False)
            assert everything('app.db') == whole, b
            assert report['check'] == ('ok' if verify else None) and report['bytes'] == os.path.getsize('plain.db')
    assert sorted(os.listdir('.')) == sorted({'app.db', 'backups', 'plain.db', 'old.db.gz', 'plain.db.zst'} &
                                             set(os.listdir('.')))
    # A database in use is no backup.
    run('live.db', 'PRAGMA journal_mode=wal; PRAGMA wal_autocheckpoint=0; CREATE TABLE messages(id INTEGER PRIMARY KEY)')
    db = sqlite3.connect('live.db')
    db.execute('INSERT INTO messages VALUES (1)')
    db.commit()
    for suffix in '', '-wal':
        shutil.copy('live.db' + suffix, 'l.db' + suffix)
    assert 'has a -wal file beside it' in refused('./l.db', 'app.db', ['messages'])


def damaged():
    """A damaged backup changes nothing, wherever the damage is; without a check only what is read must be sound."""
    run('app.db', 'CREATE TABLE big(id INTEGER PRIMARY KEY, b); CREATE TABLE small(id INTEGER PRIMARY KEY, b);')
    db = sqlite3.connect('app.db')
    db.executemany('INSERT INTO small VALUES (?, ?)', [(i, os.urandom(100)) for i in range(100)])
    db.executemany('INSERT INTO big VALUES (?, ?)', [(i, os.urandom(4000)) for i in range(400)])
    db.commit()
    db.close()
    backup = create('app.db')
    run('app.db', 'DELETE FROM small WHERE id < 50; DELETE FROM big WHERE id % 2; UPDATE small SET b = 1 WHERE id = 60')
    before = everything('app.db')
    data = bytearray(open(backup, 'rb').read())
    at = len(data) * 2 // 3
    data[at:at + 4] = b'XXXX'
    with open('bad.db.gz', 'wb') as f:
        f.write(data)
    for table in 'small', 'big':
        for verify in 'quick', 'full':
            message = refused('./bad.db.gz', 'app.db', [table], verify=verify)
            assert re.match(r'./bad.db.gz: block \d+ at byte \d+: ', message), message
    message = refused('./bad.db.gz', 'app.db', ['small', 'big'], verify=False)
    assert re.match(r'./bad.db.gz: block \d+ at byte \d+: ', message), message
    assert everything('app.db') == before and not saved_copies()
    assert counts(part('./bad.db.gz', 'app.db', ['small'], verify=False)) == (50, 1, 0, 49)
    with open('bad.db.gz', 'wb') as f:
        f.write(data[:len(data) // 2])
    assert 'the footer is missing' in refused('./bad.db.gz', 'app.db', ['small'])
    # Blocks that are as they were written, of a database that was not well: its tables are looked at.
    shutil.copy('app.db', 'sick.db')
    root = query('sick.db', "SELECT rootpage FROM sqlite_schema WHERE name = 'big'")
    with open('sick.db', 'r+b') as f:
        f.seek((root - 1) * 4096 + 8)
        f.write(b'\xff' * 40)
    sick = create('sick.db')
    before = everything('app.db')
    assert 'the database inside is damaged' in refused(sick, 'app.db', ['big'])
    assert everything('app.db') == before
    assert counts(part(sick, 'app.db', ['small'])) == (0, 0, 0, 100)
    assert 'the database inside is damaged' in refused(sick, 'app.db', ['small'], verify='full')


def sound_for_quick_check():
    """SQLite 3.40's quick_check sees a NULL in such a table, where there is none."""
    run('app.db', 'CREATE TABLE w(a, b, c, PRIMARY KEY (a, c, b)) WITHOUT ROWID; INSERT INTO w VALUES (1, 2, 3)')
    backup = value(connect(), 'SELECT backup_create(?, ?)', './app.db', '{"check":true}')
    run('app.db', 'DELETE FROM w')
    assert counts(part(backup, 'app.db', ['w'])) == (1, 0, 0, 0)
    value(connect(), 'SELECT backup_restore(?, ?, ?)', backup, './other.db', '{"verify":"quick"}')
    assert rows('other.db', 'SELECT * FROM w') == [(1, 2, 3)]


def stale_index():
    """Rows are read from the table itself, whatever an index of the backup says."""
    run('app.db', "CREATE TABLE s(a, b, c TEXT); INSERT INTO s VALUES (1, 2, 'x'), (3, 4, 'y'); CREATE INDEX i ON s(a, b);")
    shutil.copy('app.db', 'old.db')
    db = sqlite3.connect('old.db')
    db.execute('CREATE TABLE empty(a, b)')
    db.execute('CREATE INDEX e ON empty(a, b)')
    db.execute('PRAGMA writable_schema=ON')
    db.execute("UPDATE sqlite_schema SET rootpage = (SELECT rootpage FROM sqlite_schema WHERE name = 'e') WHERE name = 'i'")
    db.commit()
    db.close()
    assert rows('old.db', 'SELECT a, b FROM s') == []
    run('app.db', 'DELETE FROM s WHERE a = 1; ALTER TABLE s DROP COLUMN c')
    assert counts(part('./old.db', 'app.db', ['s'], rows='merge', columns='common')) == (1, 0, 0, 1)
    message = refused('./old.db', 'app.db', ['s'], verify='full', columns='common')
    assert 'the database inside is damaged' in message, message


def hostile():
    """A schema may hold any words that SQLite takes for a CREATE when it opens the file."""
    run('old.db', "CREATE TABLE good(a); INSERT INTO good VALUES (1); CREATE TABLE bad(a); CREATE INDEX i ON good(a);"
                  "CREATE TRIGGER t AFTER INSERT ON good BEGIN SELECT 1; END")
    run('app.db', "CREATE TABLE precious(a); INSERT INTO precious VALUES (1)")
    before = everything('app.db')
    for name, sql, message in (
            ('good', 'CREATE TABLE good(a); DROP TABLE precious', 'the table good is more than one statement'),
            ('good', 'CREATE TABLE precious2(a)', 'it has no table'),
            ('good', 'CREATE TEMP TABLE good(a)', 'the table good is not made by a CREATE table'),
            ('i', 'CREATE INDEX i ON good(a); DROP TABLE precious', 'the index i is more than one statement'),
            ('t', 'CREATE TRIGGER t AFTER INSERT ON good BEGIN SELECT 1; END; DELETE FROM precious',
             'the trigger t is more than one statement')):
        shutil.copy('old.db', 'evil.db')
        db = sqlite3.connect('evil.db')
        db.execute('PRAGMA writable_schema=ON')
        db.execute('UPDATE sqlite_schema SET sql = ? WHERE name = ?', (sql, name))
        db.commit()
        db.close()
        message_got = refused('./evil.db', 'app.db', ['good'], verify=False)
        assert message in message_got or 'malformed' in message_got, message_got
        assert everything('app.db') == before
    # A full-text index that has another name than it says, or brings something along.
    run('old.db', "CREATE VIRTUAL TABLE f USING fts5(a, content='good')")
    run('app.db', 'CREATE TABLE good(a)')
    before = everything('app.db')
    for sql, message in (("CREATE VIRTUAL TABLE g USING fts5(a, content='good')", 'makes something else'),
                         ("CREATE VIRTUAL TABLE temp.f USING fts5(a, content='good')", 'makes something else'),
                         ("CREATE VIRTUAL TABLE f USING fts5(a, content='good'); DROP TABLE precious",
                          'the virtual table f is more than one statement')):
        shutil.copy('old.db', 'evil.db')
        db = sqlite3.connect('evil.db')
        db.execute('PRAGMA writable_schema=ON')
        db.execute("UPDATE sqlite_schema SET sql = ? WHERE name = 'f'", (sql,))
        db.commit()
        db.close()
        message_got = refused('./evil.db', 'app.db', ['f'], verify=False)
        assert message in message_got or 'malformed' in message_got, message_got
        assert everything('app.db') == before


# ---- the target ----

def callers_own():
    """What only the caller's connection reaches: in memory, or locked by it."""
    backup = shop(FTS)
    db = connect()
    db.executescript("CREATE TABLE users(id INTEGER PRIMARY KEY, email TEXT NOT NULL UNIQUE); INSERT INTO users "
                     "VALUES (1, 'z'), (9, 'mine'); CREATE TABLE other(x); INSERT INTO other VALUES (5);")
    report = part(backup, 'main', ['users'], db, rows='merge')
    assert counts(report) == (2, 1, 0, 1) and report['pre_restore'] is None and report['target'] == 'main (in memory)'
    assert report['notes'] == 'an in-memory database is not saved before it is changed', report
    assert db.execute('SELECT * FROM users').fetchall() == [(1, 'a'), (2, 'b'), (3, 'c'), (9, 'mine')]
    assert db.execute('SELECT x FROM other').fetchall() == [(5,)]
    db.execute("ATTACH ':memory:' AS m")
    assert 'table messages was missing and was made' in part(backup, 'm', ['users', 'messages'], db)['notes']
    assert value(db, 'SELECT count(*) FROM m.messages') == 5
    db.close()
    for mode in 'delete', 'wal':
        run('app.db', f'PRAGMA journal_mode={mode}')
        db = connect('app.db')
        db.execute('PRAGMA locking_mode=EXCLUSIVE')
        db.execute('DELETE FROM messages WHERE id = 1')
        report = part(backup, 'main', ['messages'], db)
        assert counts(report) == (1, 0, 0, 4)
        assert value(db, 'SELECT count(*) FROM messages') == 5 and value(db, 'PRAGMA journal_mode') == mode
        assert value(db, 'PRAGMA integrity_check') == 'ok'
        db.execute('DELETE FROM users')
        db.execute('DELETE FROM messages WHERE id = 1')
        assert 'rows would refer to rows' in refused(backup, 'main', ['messages'], db)
        db.execute("INSERT INTO users VALUES (1, 'a'), (2, 'b'), (3, 'c')")
        part(backup, 'main', ['messages'], db)
        db.close()
        assert query(report['pre_restore'], 'SELECT count(*) FROM messages') == 4
        assert query('app.db', 'PRAGMA journal_mode') == mode
    db = connect('app.db')
    db.execute("ATTACH 'app.db' AS again")
    run('app.db', 'DELETE FROM messages WHERE id = 2')
    assert counts(part(backup, 'again', ['messages'], db)) == (1, 0, 0, 4)
    db.execute('DETACH again')
    db.execute('BEGIN IMMEDIATE')
    assert refused(backup, 'main', ['messages'], db) == (
        'main: this connection has an open transaction on it: COMMIT or ROLLBACK first')
    db.close()
    sound()


def connected(mode):
    """Others are there: in WAL mode readers go on with the old content, with a rollback journal they are waited for."""
    run('app.db', f'PRAGMA journal_mode={mode};' + SHOP)
    backup = create('app.db')
    run('app.db', 'DELETE FROM messages WHERE id = 1')
    with Holder('app.db') as reader, Holder('app.db') as idle:
        assert idle('SELECT count(*) FROM messages') == '2'
        assert reader('BEGIN') == '-' and reader('SELECT count(*) FROM messages') == '2'
        if mode == 'wal':
            assert counts(part(backup, 'app.db', ['messages'], timeout_ms=300)) == (1, 0, 0, 2)
            assert reader('SELECT count(*) FROM messages') == '2'
        else:
            message = refused(backup, 'app.db', ['messages'], timeout_ms=300)
            assert message == (f'T/app.db: database is locked (locked by pid {reader.pid} (python3)); waited 300 ms '
                               '(option timeout_ms), nothing was changed'), message
            assert not saved_copies()
        assert reader('COMMIT') == '-'
        if mode != 'wal':
            part(backup, 'app.db', ['messages'], timeout_ms=300)
        assert reader('SELECT count(*) FROM messages') == '3' and idle('SELECT count(*) FROM messages') == '3'
        assert reader('BEGIN IMMEDIATE') == '-'
        message = refused(backup, 'app.db', ['messages'], timeout_ms=200)
        assert f'locked by pid {reader.pid}' in message, message
        assert reader('COMMIT') == '-'
    sound()


def busy_writer(mode):
    """No acknowledged commit is lost: it is in the result, or in a saved copy."""
    run('app.db', f'PRAGMA journal_mode={mode}; CREATE TABLE log(n INTEGER PRIMARY KEY, b); INSERT INTO log VALUES '
                  '(0, zeroblob(3000000));')
    backup = create('app.db')
    stop, acknowledged = threading.Event(), []

    def write():
        db = sqlite3.connect('app.db', isolation_level=None, timeout=20)
        while not stop.is_set():
            db.execute('INSERT INTO log VALUES (?, 1)', (len(acknowledged) + 1,))
            acknowledged.append(len(acknowledged) + 1)
            time.sleep(0.01)
        db.close()

    writer = threading.Thread(target=write)
    writer.start()
    time.sleep(0.1)
    try:
        part(backup, 'app.db', ['log'], timeout_ms=10000)
    except sqlite3.OperationalError as e:
        assert 'somebody keeps writing to it' in str(e), e
    stop.set()
    writer.join()
    kept = set()
    for path in saved_copies() + ['app.db']:
        kept |= {n for n, in rows(path, 'SELECT n FROM log')}
    assert not set(acknowledged) - kept, sorted(set(acknowledged) - kept)
    sound()


def schema_changes_meanwhile():
    """A column that comes between the look and the lock is not overlooked."""
    backup = shop()
    run('app.db', 'DELETE FROM messages WHERE id = 1')
    with Holder('app.db') as other:
        assert other('BEGIN IMMEDIATE') == '-'
        outcome = []
        thread = threading.Thread(target=lambda: outcome.append(part(backup, 'app.db', ['messages'])))
        thread.start()
        time.sleep(0.3)
        assert other('ALTER TABLE messages ADD COLUMN late DEFAULT 7') == '-'
        assert other('COMMIT') == '-'
        thread.join()
    assert rows('app.db', 'SELECT id, late FROM messages') == [(1, 7), (2, 7), (3, 7)]
    assert 'new rows have the default: late' in outcome[0]['notes'], outcome


def shape():
    """Many columns; long rows; another page size."""
    columns = ', '.join(f'c{i}' for i in range(1900))
    run('app.db', f'PRAGMA page_size=512; CREATE TABLE wide(id INTEGER PRIMARY KEY, {columns}); CREATE TABLE long(a '
                  'TEXT PRIMARY KEY, b)')
    db = sqlite3.connect('app.db')
    db.executemany(f'INSERT INTO wide VALUES ({", ".join("?" * 1901)})', [[i] + list(range(1900)) for i in range(5)])
    db.executemany('INSERT INTO long VALUES (?, ?)', [('k' * i, os.urandom(i * 1000)) for i in range(0, 3000, 500)])
    db.commit()
    db.close()
    backup, whole = create('app.db'), everything('app.db')
    run('app.db', ''.join(f'UPDATE wide SET c{i} = -1, c{1899 - i} = -1 WHERE id = {i % 5};' for i in range(30)))
    run('app.db', 'UPDATE long SET b = substr(b, 2) WHERE length(b) > 1000; DELETE FROM wide WHERE id = 4')
    report = part(backup, 'app.db', ['wide', 'long'])
    assert counts(report, 'wide') == (1, 4, 0, 0) and counts(report, 'long') == (0, 5, 0, 1), report
    assert everything('app.db') == whole
    run('app.db', ''.join(f'INSERT OR IGNORE INTO wide(id) VALUES ({i}); UPDATE wide SET c{i} = 1 WHERE id = {i};'
                          for i in range(40)))
    # More sets of columns that differ than there are statements for.
    again = create('app.db')
    run('app.db', 'UPDATE wide SET c7 = 2, c8 = 3 WHERE id % 2; ' +
        ''.join(f'UPDATE wide SET c{i} = -5 WHERE id = {i};' for i in range(40)))
    whole = everything('app.db')
    assert counts(part(again, 'app.db', ['wide'])) == (0, 40, 0, 0)
    assert counts(part(again, 'app.db', ['wide'])) == (0, 0, 0, 40)


def told():
    """History, activity, the caches of the report."""
    backup = shop()
    run('app.db', 'DELETE FROM messages WHERE id = 1')
    part(backup, 'app.db', ['messages'])
    db = connect()
    assert db.execute("SELECT operation, target, error, notes FROM backup_history LIMIT 1").fetchone() == (
        'restore', T + '/app.db', None, 'table messages: 1 rows added, 0 changed, 0 removed, 2 kept')
    refused(backup, 'app.db', ['nothing'])
    assert 'it has no table "nothing"' in value(db, 'SELECT error FROM backup_history LIMIT 1')
    assert len(saved_copies()) == 1
    for _ in range(5):
        run('app.db', 'DELETE FROM messages WHERE id = 1')
        part(backup, 'app.db', ['messages'])
    assert len(saved_copies()) == 3


def nothing_to_do(mode):
    """A restore that changes nothing leaves no copy, and pushes none out; one that changes anything keeps its own."""
    backup = shop()
    run('app.db', f'PRAGMA journal_mode={mode}; CREATE TABLE empty(id INTEGER PRIMARY KEY);'
                  'CREATE TABLE auto(id INTEGER PRIMARY KEY AUTOINCREMENT); INSERT INTO auto VALUES (9)')
    backup = create('app.db')
    for _ in range(3):
        run('app.db', 'DELETE FROM messages WHERE id = 1')
        part(backup, 'app.db', ['messages'])
    copies = saved_copies()
    assert len(copies) == 3
    before = open('app.db', 'rb').read()
    for rows_mode in 'replace', 'missing', 'merge':
        report = part(backup, 'app.db', ['messages', 'users', 'auto', 'empty'], rows=rows_mode)
        assert report['pre_restore'] is None and report['notes'] == UNSAVED, report
        assert saved_copies() == copies and open('app.db', 'rb').read() == before
    assert part(backup, 'app.db', ['users'], pre_restore=False)['notes'] is None
    assert UNSAVED in value(connect(), "SELECT group_concat(notes) FROM backup_history WHERE operation = 'restore'")
    db = connect('app.db')
    db.execute('PRAGMA locking_mode=EXCLUSIVE')
    db.execute('SELECT count(*) FROM users').fetchall()
    report = part(backup, 'main', ['messages'], db)
    assert report['pre_restore'] is None and report['notes'] == UNSAVED and saved_copies() == copies, report
    db.close()
    # No row, and yet a change: a sequence, a table without rows.
    for sql, table in ('UPDATE sqlite_sequence SET seq = 2; DELETE FROM auto; INSERT INTO auto VALUES (9); '
                       'UPDATE sqlite_sequence SET seq = 2', 'auto'), ('DROP TABLE empty', 'empty'):
        run('app.db', sql)
        report = part(backup, 'app.db', [table])
        assert (counts(report)[:3] == (0, 0, 0) and report['pre_restore'] in
                [T + '/' + name for name in saved_copies()]), report
    assert len(saved_copies()) == 3 and saved_copies() != copies
    sound()


# ---- kill -9, interrupts ----

def large(megabytes):
    db = sqlite3.connect('app.db', isolation_level=None)
    db.execute('CREATE TABLE t(id INTEGER PRIMARY KEY, name TEXT UNIQUE, body BLOB)')
    db.execute("INSERT INTO t WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?) "
               "SELECT i, 'name ' || i, randomblob(900) FROM n", (megabytes * 1000,))
    db.close()


def written():
    return sum(os.path.getsize(p) for p in ('app.db-journal', 'app.db-wal') if os.path.exists(p))


def kill(mode):
    """Killed when pages are on their way: the table is as it was, or as in the backup; never in between."""
    run('app.db', f'PRAGMA journal_mode={mode}')
    large(25)
    digest = "SELECT count(*), sum(id), sum(name LIKE 'new%'), sum(body = zeroblob(900)) FROM t"
    backup, new = create('app.db'), rows('app.db', digest)
    run('app.db', "UPDATE t SET body = zeroblob(900), name = 'new ' || id; DELETE FROM t WHERE id % 7 = 0")
    old, unfinished = rows('app.db', digest), 0
    os.rename('app.db', 'spoiled.db')
    for turn in range(4):
        for p in glob.glob('app.db*'):
            os.unlink(p)
        shutil.copy('spoiled.db', 'app.db')
        child = os.fork()
        if child == 0:
            part(backup, 'app.db', ['t'], pre_restore=False, verify=False)
            os._exit(0)
        while written() < 1 << 20 and os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
            time.sleep(0.002)
        time.sleep(turn * 0.05)
        os.kill(child, signal.SIGKILL)
        killed = os.WIFSIGNALED(os.waitpid(child, 0)[1])
        now = rows('app.db', digest)
        assert now == new or (killed and now == old), now
        assert query('app.db', 'PRAGMA integrity_check') == 'ok'
        unfinished += now == old
    assert unfinished, 'nothing was killed in the middle'
    part(backup, 'app.db', ['t'])
    assert rows('app.db', digest) == new
    sound()


def interrupted():
    """Heard at any moment: the old content, or where the commit was faster all of the new one."""
    large(3)
    backup, new = create('app.db'), everything('app.db')[1]['t']
    run('app.db', "UPDATE t SET body = zeroblob(900); CREATE VIRTUAL TABLE f USING fts5(name, content='t')")
    old, unfinished = everything('app.db')[1]['t'], 0
    shutil.copy('app.db', 'spoiled.db')
    began = time.monotonic()
    part(backup, 'app.db', ['t'])
    seconds = time.monotonic() - began
    for step in range(6):
        shutil.copy('spoiled.db', 'app.db')
        db = connect(check_same_thread=False)
        timer = threading.Timer(seconds * step / 12, db.interrupt)
        timer.start()
        try:
            part(backup, 'app.db', ['t'], db)
            heard = False
        except sqlite3.OperationalError as e:
            assert str(e).endswith('interrupted'), e
            heard = True
        timer.join()
        now = everything('app.db')[1]['t']
        assert now == new or (heard and now == old)
        unfinished += now == old
        assert now == new or len(saved_copies()) == 0, saved_copies()
        for p in saved_copies():
            os.unlink(p)
        sound()
    assert unfinished > 1, unfinished


main(globals())

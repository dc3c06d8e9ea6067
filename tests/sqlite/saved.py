# The copies that restores save of what was there. See lifeboat.py; saved.bats runs them.
import os
import sqlite3
import threading
import time

from lifeboat import Holder, connect, create, main, make, old_and_new, query, restore, restore_error, saved_copies, value


def keeps_three():
    """Older copies are there from other days; a restore leaves the newest three, its own among them."""
    backup = old_and_new('delete')
    stamps = ['20250101_000000', '20250102_000000', '20250102_000000_2', '20250102_000000_10']
    for stamp in stamps:
        make(f'app.db.before_restore.{stamp}', stamp)
    strangers = ['app.db.before_restore.mine', 'app.db.before_restore.20250101_000000.gz', 'other.db.before_restore.20250101_000000']
    for name in strangers:
        open(name, 'w').close()
    saved = restore(backup, 'app.db')['pre_restore']
    kept = [p for p in saved_copies() if p not in strangers]
    assert kept == sorted([os.path.basename(saved)] + [f'app.db.before_restore.{s}' for s in stamps[2:]]), kept
    assert query(saved, 'SELECT max(a) FROM t') == 'new'
    assert all(os.path.exists(name) for name in strangers)


def keeps_three_beside_the_future():
    """What was saved while a clock was ahead takes no place of what is saved now."""
    backup = old_and_new('delete')
    for day in range(1, 6):
        make(f'app.db.before_restore.2100010{day}_000000', 'ahead')
    saved = [os.path.basename(restore(backup, 'app.db')['pre_restore']) for _ in range(5)]
    ahead = [f'app.db.before_restore.2100010{day}_000000' for day in (3, 4, 5)]
    assert saved_copies() == sorted(saved[2:] + ahead), saved_copies()


def keeps_the_newest():
    """Many restores within one second: the copy that a report names is there, and is the last three's."""
    backup = old_and_new('delete')
    for i in range(15):
        db = sqlite3.connect('app.db')
        db.execute('UPDATE t SET a = ?', (f'v{i}',))
        db.commit()
        db.close()
        saved = restore(backup, 'app.db')['pre_restore']
        assert os.path.exists(saved), (i, saved, saved_copies())
        assert query(saved, 'SELECT max(a) FROM t') == f'v{i}'
    assert sorted(query(p, 'SELECT max(a) FROM t') for p in saved_copies()) == ['v12', 'v13', 'v14']


def failures_keep_nothing(mode):
    """Whoever tries again until nobody is in the way has the copy from before the accident all the same."""
    backup = old_and_new(mode)
    first = restore(backup, 'app.db')['pre_restore']
    with Holder('app.db') as other:
        other('BEGIN IMMEDIATE')
        for _ in range(4):
            assert 'nothing was changed' in restore_error(backup, 'app.db', timeout_ms=50)
            assert saved_copies() == [os.path.basename(first)]
        other('COMMIT')
    notes, = connect().execute("SELECT notes FROM backup_history WHERE operation = 'restore' LIMIT 1").fetchone()
    assert notes == 'nothing was changed, so the copy that was saved first was removed again', notes
    restore(backup, 'app.db')
    assert len(saved_copies()) == 2 and query(first, 'SELECT max(a) FROM t') == 'new'


def interrupted(mode):
    """Taken back in the middle of writing the target: it is as it was, and so is what earlier restores have saved."""
    make('app.db', 'old', rows=20000, mode=mode, size=2000)
    backup = create('app.db')
    db = sqlite3.connect('app.db')
    db.execute("UPDATE t SET a = 'new'")
    db.commit()
    db.close()
    stopped = False
    for _ in range(20):
        caller, watcher = connect(check_same_thread=False), connect(check_same_thread=False)
        done = threading.Event()

        def interrupt():
            while not done.is_set():
                phases = watcher.execute('SELECT phase, done FROM backup_activity').fetchall()
                if any(phase == 'writing the target' and pages for phase, pages in phases):
                    caller.interrupt()
                    return

        thread = threading.Thread(target=interrupt)
        thread.start()
        try:
            restore(backup, 'app.db', caller)
        except sqlite3.OperationalError as e:
            assert str(e) == 'interrupted', e
        done.set()
        thread.join()
        if query('app.db', 'SELECT max(a) FROM t') == 'new':
            stopped = True
            assert saved_copies() == [] and query('app.db', 'PRAGMA integrity_check') == 'ok', saved_copies()
            break
        for path in saved_copies():  # it was too late
            os.remove(path)
        db = sqlite3.connect('app.db')
        db.execute("UPDATE t SET a = 'new'")
        db.commit()
        db.close()
    assert stopped


def saved_again_once(mode):
    """Somebody commits between the copy and the lock: one restore leaves one copy, and it has what was replaced."""
    backup = old_and_new(mode)
    first = restore(backup, 'app.db')['pre_restore']
    outcome = []
    with Holder('app.db') as other:
        other('BEGIN IMMEDIATE')
        other("INSERT INTO t VALUES('meanwhile', 1)")
        thread = threading.Thread(target=lambda: outcome.append(restore(backup, 'app.db', timeout_ms=20000)))
        thread.start()
        while len(saved_copies()) < 2:
            time.sleep(0.005)
        other('COMMIT')
        thread.join()
    report, = outcome
    assert report['notes'] == f"the target changed meanwhile and was saved again: {report['pre_restore']}", report
    assert saved_copies() == sorted(os.path.basename(path) for path in (first, report['pre_restore'])), saved_copies()
    assert query(report['pre_restore'], "SELECT count(*) FROM t WHERE a = 'meanwhile'") == 1
    assert query(first, 'SELECT max(a) FROM t') == 'new' and query('app.db', 'SELECT max(a) FROM t') == 'old'


def exclusive_caller():
    """The caller's connection locks others out, so it is the target's only door: what is there is saved all the same."""
    backup = old_and_new('delete')
    db = connect('app.db')
    db.execute('PRAGMA locking_mode=EXCLUSIVE')
    db.execute("INSERT INTO t VALUES('new', 1)")
    report = restore(backup, 'main', db)
    assert value(db, 'SELECT max(a) FROM t') == 'old'
    db.close()
    assert report['pre_restore'], report
    assert query(report['pre_restore'], 'SELECT min(a) || count(*) FROM t') == 'new101'


main(globals())

# What the Python drivers of these tests share. Each driver runs in an empty folder with BACKUP_DIR and LIFEBOAT_SO set,
# takes the name of one of its functions, and fails by an assertion.
import glob
import json
import os
import sqlite3
import subprocess
import sys


def connect(path=':memory:', **more):
    db = sqlite3.connect(path, isolation_level=None, **more)
    db.enable_load_extension(True)
    db.load_extension(os.environ['LIFEBOAT_SO'])
    return db


def value(db, sql, *args):
    row = db.execute(sql, args).fetchone()
    return row[0] if row else None


def create(source, **options):
    return value(connect(), 'SELECT backup_create(?, ?)', source, json.dumps(options))


def restore(backup, target, db=None, **options):
    options = {'overwrite': True, **options}
    return json.loads(value(db or connect(), 'SELECT backup_restore(?, ?, ?)', backup, target, json.dumps(options)))


def restore_error(backup, target, db=None, **options):
    try:
        report = restore(backup, target, db, **options)
    except sqlite3.Error as e:
        return str(e)
    raise AssertionError(f'did not fail: {report}')


def make(path, value, rows=100, mode='delete', page=4096, size=100):
    """A table t(a, b) whose every a is value."""
    db = sqlite3.connect(path, isolation_level=None)
    db.execute(f'PRAGMA page_size={page}')
    db.execute(f'PRAGMA journal_mode={mode}')
    db.execute('CREATE TABLE t(a, b)')
    db.execute('BEGIN')
    db.executemany('INSERT INTO t VALUES(?, randomblob(?))', [(value, size)] * rows)
    db.execute('COMMIT')
    db.close()


def query(path, sql):
    db = sqlite3.connect(path)
    try:
        return db.execute(sql).fetchone()[0]
    finally:
        db.close()


def old_and_new(mode, page=4096):
    """app.db holds 'new' rows now, the backup 'old' ones."""
    make('app.db', 'old', mode=mode, page=page)
    backup = create('app.db')
    db = sqlite3.connect('app.db')
    db.execute("UPDATE t SET a = 'new'")
    db.commit()
    db.close()
    return backup


def saved_copies():
    """Of app.db."""
    return sorted(glob.glob('app.db.before_restore.*'))


class Holder:
    """A connection of another process."""

    def __init__(self, path, timeout=0):
        here = os.path.dirname(os.path.abspath(__file__))
        self.process = subprocess.Popen([sys.executable, os.path.join(here, 'hold.py'), path, str(timeout)], text=True,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self.process.stdout.readline() == 'ready\n'
        self.pid = self.process.pid

    def __call__(self, sql):
        self.send(sql)
        return self.answer()

    def send(self, sql):
        self.process.stdin.write(sql + '\n')
        self.process.stdin.flush()

    def answer(self):
        return self.process.stdout.readline().rstrip('\n')

    def close(self):
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()


def main(namespace):
    """Runs the function that the command line names."""
    function = namespace.get(sys.argv[1])
    assert function, f'no such test: {sys.argv[1]}'
    function(*sys.argv[2:])

# What the drivers of part_*.bats share: restoring some tables, what a database holds afterwards, one with a shop in it.
import json
import os
import re
import sqlite3
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '../sqlite'))
from lifeboat import connect, create, query, value  # noqa: E402

T = os.path.realpath('.')
UNSAVED = 'nothing was changed, so the copy that was saved first was removed again'


def qi(name):
    return '"' + name.replace('"', '""') + '"'


def part(backup, target, tables, db=None, **options):
    options = {'tables': tables, **options}
    text = value(db or connect(), 'SELECT backup_restore(?, ?, ?)', backup, target, json.dumps(options))
    report = json.loads(text)
    if report['pre_restore'] and os.path.dirname(report['pre_restore']) == T:
        assert os.path.exists(report['pre_restore']), report
    return report


def refused(*args, **options):
    """The message, with $T as T and stamps as STAMP."""
    try:
        report = part(*args, **options)
    except sqlite3.Error as e:
        return re.sub(r'20\d{6}_\d{6}(_\d+)?', 'STAMP', str(e).replace(T, 'T'))
    raise AssertionError(f'did not fail: {report}')


def has_zstd():
    return 'zstd' in value(connect(), 'SELECT backup_version()')


def counts(report, table=None):
    """added, changed, removed, kept: of one table, or of the only one."""
    found = [t for t in report['tables'] if table is None or t['table'] == table]
    assert len(found) == 1, report
    return tuple(found[0][k] for k in ('added', 'changed', 'removed', 'kept'))


def run(path, sql):
    db = sqlite3.connect(path, isolation_level=None)
    db.executescript(sql)
    db.close()


def rows(path, sql):
    db = sqlite3.connect(path)
    db.text_factory = lambda b: b.decode('utf-8', 'surrogateescape')
    try:
        return db.execute(sql).fetchall()
    finally:
        db.close()


def everything(path):
    """All that a database holds: its schema, and every row of every table that has a b-tree."""
    db = sqlite3.connect(path)
    try:
        schema = db.execute('SELECT type, name, sql FROM sqlite_schema ORDER BY 1, 2').fetchall()
        content = {}
        for _, name, sql in schema:
            if sql and sql.startswith('CREATE TABLE'):
                columns = [c[1] for c in db.execute(f'PRAGMA table_xinfo({qi(name)})')]
                content[name] = sorted(db.execute(
                    f'SELECT {", ".join(f"quote({qi(c)})" for c in columns)} FROM {qi(name)}').fetchall())
        return schema, content
    finally:
        db.close()


def sound(path='app.db'):
    assert query(path, 'PRAGMA integrity_check') == 'ok'
    assert not [p for p in os.listdir('.') if p.endswith(('.partial', '-journal'))], os.listdir('.')


FTS = """
CREATE VIRTUAL TABLE five USING fts5(body, content='messages', content_rowid='id', tokenize = "unicode61");
CREATE VIRTUAL TABLE four USING fts4(content="messages", body);
CREATE VIRTUAL TABLE other USING fts5(body);
CREATE TRIGGER ai AFTER INSERT ON messages BEGIN
  INSERT INTO five(rowid, body) VALUES (new.id, new.body); INSERT INTO four(docid, body) VALUES (new.id, new.body); END;
CREATE TRIGGER ad BEFORE DELETE ON messages BEGIN
  INSERT INTO five(five, rowid, body) VALUES ('delete', old.id, old.body); DELETE FROM four WHERE docid = old.id; END;
CREATE TRIGGER au BEFORE UPDATE ON messages BEGIN SELECT RAISE(FAIL, 'never'); END;
INSERT INTO messages VALUES (4, 1, 'quick fox'), (5, 1, 'lazy dog');
INSERT INTO five(five) VALUES ('rebuild'); INSERT INTO four(four) VALUES ('rebuild');
"""


SHOP = """
CREATE TABLE users(id INTEGER PRIMARY KEY, email TEXT NOT NULL UNIQUE);
CREATE TABLE messages(id INTEGER PRIMARY KEY AUTOINCREMENT, user INT REFERENCES users(id), body TEXT);
CREATE INDEX messages_user ON messages(user);
INSERT INTO users VALUES (1, 'a'), (2, 'b'), (3, 'c');
INSERT INTO messages VALUES (1, 1, 'one'), (2, 2, 'two'), (3, 3, 'three');
"""


def shop(more=''):
    """app.db, and its backup."""
    run('app.db', SHOP + more)
    return create('app.db')

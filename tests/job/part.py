# Restoring some tables: each mode against a model in Python over random small databases, then what is special about a
# table, one test each. part.bats runs them; lifeboat.py of tests/sqlite has what the drivers share.
import glob
import gzip
import json
import os
import random
import re
import shutil
import signal
import sqlite3
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '../sqlite'))
from lifeboat import Holder, connect, create, main, query, value  # noqa: E402

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


def saved_copies():
    return sorted(glob.glob('app.db.before_restore.*'))


def sound(path='app.db'):
    assert query(path, 'PRAGMA integrity_check') == 'ok'
    assert not [p for p in os.listdir('.') if p.endswith(('.partial', '-journal'))], os.listdir('.')


# ---- each mode against a model ----

NAMES = ['t', 'select', 'a"b', "it's", 'über', 'x y', 'order', 'ROWID', '[z]', 'lb_aside', '%w', '2']
KEYS = ['int', 'autoincrement', 'text', 'nocase', 'pair', 'pair without rowid', 'text without rowid',
        'nocase without rowid', 'any', 'none', 'nullable', 'desc', 'integer without rowid']


class World:
    """A table in a random shape, its rows in the backup, and what became of them."""

    def __init__(self, seed):
        self.r = r = random.Random(seed)
        self.kind = KEYS[seed % len(KEYS)]
        names = r.sample(NAMES, 8)
        self.table, self.k1, self.k2, self.a, self.b, self.c, self.g, self.extra = names
        self.two = self.kind.startswith('pair')
        self.unique = r.random() < 0.5
        self.generated = r.random() < 0.4
        self.encoding = r.choice(['UTF-8', 'UTF-8', 'UTF-16le', 'UTF-16be'])
        self.page = r.choice([512, 1024, 4096, 8192])
        self.mode = r.choice(['wal', 'delete'])
        self.has_extra = r.random() < 0.4
        self.only_rowid = self.kind == 'none'
        self.columns = ([] if self.only_rowid else [self.k1]) + ([self.k2] if self.two else []) + [self.a, self.b, self.c]

    def schema(self):
        kind, k1, k2 = self.kind, qi(self.k1), qi(self.k2)
        keys = {
            'int': f'{k1} INTEGER PRIMARY KEY', 'autoincrement': f'{k1} INTEGER PRIMARY KEY AUTOINCREMENT',
            'desc': f'{k1} INTEGER PRIMARY KEY DESC', 'integer without rowid': f'{k1} INTEGER PRIMARY KEY',
            'text': f'{k1} TEXT PRIMARY KEY NOT NULL', 'nullable': f'{k1} TEXT PRIMARY KEY',
            'text without rowid': f'{k1} TEXT PRIMARY KEY',
            'nocase': f'{k1} TEXT NOT NULL COLLATE NOCASE PRIMARY KEY',
            'nocase without rowid': f'{k1} TEXT COLLATE NOCASE PRIMARY KEY',
            'any': f'{k1} PRIMARY KEY NOT NULL', 'none': None,
            'pair': f'{k1} INT NOT NULL, {k2} TEXT NOT NULL, PRIMARY KEY({k2}, {k1})',
            'pair without rowid': f'{k1} INT, {k2} TEXT, PRIMARY KEY({k2} COLLATE NOCASE, {k1})',
        }[kind]
        parts = [f'{qi(self.a)}', f'{qi(self.b)} NUMERIC COLLATE NOCASE', f'{qi(self.c)} TEXT' + (' UNIQUE' if self.unique else '')]
        if self.generated:
            parts.append(f'{qi(self.g)} AS (quote({qi(self.a)})) ' + self.r.choice(['STORED', 'VIRTUAL']))
        if keys and 'PRIMARY KEY(' in keys:
            columns, constraint = keys.split(', PRIMARY KEY', 1)
            parts = [columns] + parts + ['PRIMARY KEY' + constraint]
        elif keys:
            parts = [keys] + parts
        end = ' WITHOUT ROWID' if kind.endswith('without rowid') else ''
        return f'CREATE TABLE {qi(self.table)}({", ".join(parts)}){end}'

    def key_value(self, i):
        r, kind = self.r, self.kind
        if kind in ('int', 'autoincrement', 'desc', 'integer without rowid'):
            return [i - 3]
        if self.two:
            return [i // 4, r.choice(['k', 'K']) + 'abcd'[i % 4]]
        if 'nocase' in kind:
            return [r.choice(['Key', 'KEY', 'key']) + str(i)]
        if kind == 'any':
            return [[i, f'k{i}', f'b{i}'.encode(), i + 0.5][i % 4]]
        if kind == 'nullable':
            return [None if i % 5 == 0 else f'k{i}']
        return [f'k{i}']

    def values(self, i):
        r = self.r
        a = r.choice([None, 1, 1.0, '1', b'1', b'', '', 'é' * 50, 'x' * 900, -2**63, 2**63 - 1, 1e300, 'a\0b', i])
        b = r.choice([None, 1, 2.5, '3', 'text', b'\xff'])
        c = r.choice([None, f'c{r.randrange(40)}']) if not self.unique else None if r.random() < 0.2 else f'c{i}'
        return [a, b, c]

    def insert(self, db, i):
        row = ([] if self.only_rowid else self.key_value(i)) + self.values(i)
        names, marks = ', '.join(map(qi, self.columns)), ', '.join('?' * len(row))
        if self.only_rowid or self.kind == 'nullable':
            db.execute(f'INSERT INTO {qi(self.table)}(_rowid_, {names}) VALUES (?, {marks})', [i * 2] + row)
        else:
            db.execute(f'INSERT INTO {qi(self.table)}({names}) VALUES ({marks})', row)

    def make(self, path):
        db = sqlite3.connect(path, isolation_level=None)
        db.execute(f"PRAGMA encoding='{self.encoding}'")
        db.execute(f'PRAGMA page_size={self.page}')
        db.execute(f'PRAGMA journal_mode={self.mode}')
        db.execute('BEGIN')
        db.execute(self.schema())
        db.execute('CREATE TABLE bystander(x)')
        db.execute('INSERT INTO bystander VALUES (1), (2)')
        for i in range(self.r.choice([0, 1] + [30] * 8)):
            self.insert(db, i)
        db.execute('COMMIT')
        db.close()

    def where(self):
        return f'_rowid_ IN (SELECT _rowid_ FROM {qi(self.table)} ORDER BY random() LIMIT ?)'

    def spoil(self, path):
        """What happened since: rows went, changed, came, exchanged a unique value; a column was added."""
        r, t = self.r, qi(self.table)
        db = sqlite3.connect(path, isolation_level=None)
        db.execute('UPDATE bystander SET x = 3')
        if self.has_extra:
            db.execute(f"ALTER TABLE {t} ADD COLUMN {qi(self.extra)} DEFAULT 'default'")
            db.execute(f"UPDATE {t} SET {qi(self.extra)} = 'own ' || abs(random() % 100)")
        keys = db.execute(f'SELECT {self.identity()} FROM {t}').fetchall()
        r.shuffle(keys)
        where = ' AND '.join(f'{k} IS ?' for k in self.identity().split(', '))
        for key in keys[:r.randrange(8)]:
            db.execute(f'DELETE FROM {t} WHERE {where}', key)
        for key in keys[8:8 + r.randrange(6)]:
            db.execute(f'UPDATE {t} SET {qi(self.a)} = ?, {qi(self.b)} = ? WHERE {where}', ['changed', 7, *key])
        if len(keys) > 20:
            self.exchange(db, t, where, keys[14:18])
            self.change_a_little(db, t, where, keys[18:21])
        for i in range(r.randrange(4)):
            self.insert(db, 100 + i)
        if r.random() < 0.15:
            db.execute(f'DELETE FROM {t}')
        db.close()

    def change_a_little(self, db, t, where, keys):
        """What SQLite may take for equal."""
        a, b = qi(self.a), qi(self.b)
        db.execute(f"UPDATE {t} SET {a} = CASE {a} WHEN 1 THEN iif(typeof({a}) = 'real', 1, 1.0) ELSE 1 END WHERE {where}",
                   keys[0])
        db.execute(f"UPDATE {t} SET {b} = iif({b} = 'text', upper({b}), 'text') WHERE {where}", keys[1])
        if 'nocase' in self.kind:
            db.execute(f'UPDATE {t} SET {qi(self.k1)} = upper(substr({qi(self.k1)}, 1, 1)) || '
                       f"iif(unicode(substr({qi(self.k1)}, 2)) > 90, 'EY', 'ey') || substr({qi(self.k1)}, 4) WHERE {where}",
                       keys[2])

    def exchange(self, db, t, where, keys):
        one = f'SELECT {qi(self.c)} FROM {t} WHERE {where}'
        old = [db.execute(one, k).fetchone()[0] for k in keys]
        for k in keys:
            db.execute(f'UPDATE {t} SET {qi(self.c)} = NULL WHERE {where}', k)
        for k, c in zip(keys, old[1:] + old[:1]):
            db.execute(f'UPDATE {t} SET {qi(self.c)} = ? WHERE {where}', [c, *k])
        if self.unique and self.r.random() < 0.3:  # a row of another key has it now
            db.execute(f'UPDATE {t} SET {qi(self.c)} = NULL WHERE {where}', keys[0])
            self.insert(db, 200)
            db.execute(f'UPDATE {t} SET {qi(self.c)} = ? WHERE {qi(self.c)} = ?', [old[1], 'c200'])

    def identity(self):
        if self.kind.endswith('without rowid'):
            return ', '.join([qi(self.k1)] + ([qi(self.k2)] if self.two else []))
        return '_rowid_'

    # ---- the model ----

    def read(self, path, extra):
        """{key: (columns, extra)}, in the order of the table."""
        names = [qi(c) for c in self.columns]
        rowid = '_rowid_' if not self.kind.endswith('without rowid') else 'NULL'
        own = qi(self.extra) if extra else 'NULL'
        found = {}
        for row in rows(path, f'SELECT {rowid}, {own}, {", ".join(f"quote({n})" for n in names)}, '
                              f'{", ".join(names)} FROM {qi(self.table)}'):
            n = len(names)
            key = self.fold(row[0], row[2 + n:], row[2:2 + n])
            assert key not in found
            found[key] = (row[2:2 + n], row[1])
        return found

    def fold(self, rowid, values, quoted):
        if self.only_rowid:
            return rowid
        if 'nocase' in self.kind or self.kind == 'pair without rowid':
            return tuple(v.lower() for v in quoted[:2 if self.two else 1])
        if self.kind in ('nullable', 'desc') and values[0] is None:
            return ('null', rowid)
        return quoted[:2 if self.two else 1]

    def expect(self, old, now, mode):
        """The rows that there should be, and the counts; None where two rows would share a unique value."""
        want, added, changed, removed = dict(now), 0, 0, 0
        default = 'default' if self.has_extra else None
        if mode == 'replace':
            want = {k: v for k, v in want.items() if k in old}
            removed = len(now) - len(want)
        for key, (columns, _) in old.items():
            if key not in want:
                want[key] = (columns, default)
                added += 1
            elif mode != 'missing' and want[key][0] != columns:
                want[key] = (columns, want[key][1])
                changed += 1
        taken = [v[0][-1] for v in want.values() if v[0][-1] != 'NULL']
        if self.unique and len(taken) != len(set(taken)):
            return None, None
        return want, (added, changed, removed, len(now) - changed - removed)


def one_world(seed):
    w = World(seed)
    w.make('old.db')
    shutil.copy('old.db', 'now.db')
    ways = [{}, {}, {'compress': 'zstd'} if has_zstd() else {}, {'level': 6}]
    backup = create('old.db', **w.r.choice(ways)) if seed % 4 else 'old.db.gz'
    if not seed % 4:
        with open('old.db', 'rb') as f, gzip.open(backup, 'wb') as g:
            g.write(f.read())
        backup = './' + backup
    w.spoil('now.db')
    old, now = w.read('old.db', False), w.read('now.db', w.has_extra)
    outcome = []
    for mode in 'replace', 'missing', 'merge':
        shutil.copy('now.db', 'app.db')
        want, want_counts = w.expect(old, now, mode)
        options = {} if mode == 'replace' and w.r.random() < 0.5 else {'rows': mode}
        options['pre_restore'] = w.r.random() < 0.1
        name = w.table if w.r.random() < 0.5 else w.table.upper() if w.table.isascii() else w.table
        before = everything('app.db')
        if want is None:
            message = refused(backup, 'app.db', [name], **options)
            assert 'UNIQUE constraint failed' in message and 'nothing was changed' in message, message
            assert everything('app.db') == before
            outcome.append('collision')
            continue
        report = part(backup, 'app.db', [name], **options)
        got = w.read('app.db', w.has_extra)
        assert got == want, (mode, {k: (got.get(k), want.get(k)) for k in {*got, *want} if got.get(k) != want.get(k)})
        assert report['tables'] == [{'table': w.table, **dict(zip(('added', 'changed', 'removed', 'kept'),
                                                                  want_counts))}], (mode, want_counts, report)
        assert rows('app.db', 'SELECT x FROM bystander') == [(3,), (3,)]
        assert query('app.db', 'PRAGMA journal_mode') == w.mode
        sound()
        # Once more: nothing is left to do.
        again = counts(part(backup, 'app.db', [name], **{**options, 'pre_restore': False}))
        assert again == (0, 0, 0, len(want)), (mode, again)
        outcome.append(want_counts)
    for p in glob.glob('*.db*'):
        os.unlink(p)
    return outcome


def model(first, count):
    seen = []
    for seed in range(int(first), int(first) + int(count)):
        try:
            seen += one_world(seed)
        except BaseException:
            print('seed', seed, World(seed).kind, World(seed).schema())
            raise
    assert 'collision' in seen and any(c[2] for c in seen if c != 'collision'), seen



# ---- what is special about a table ----

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


def differing_columns():
    backup = shop("CREATE TABLE gone(id INTEGER PRIMARY KEY, a, b, c); INSERT INTO gone VALUES (1, 2, 3, 4);")
    run('app.db', """ALTER TABLE messages ADD COLUMN stars INT NOT NULL DEFAULT 5;
        UPDATE messages SET stars = id; DELETE FROM messages WHERE id = 1; UPDATE messages SET body = 'x' WHERE id = 2;
        ALTER TABLE gone DROP COLUMN b; ALTER TABLE gone DROP COLUMN c; UPDATE gone SET a = 9;
        CREATE TABLE new(id INTEGER PRIMARY KEY, tenant TEXT NOT NULL); """)
    report = part(backup, 'app.db', ['messages'])
    assert report['notes'] == ('messages: columns that only the target has kept their values, new rows have the '
                               'default: stars'), report
    assert rows('app.db', 'SELECT * FROM messages') == [(1, 1, 'one', 5), (2, 2, 'two', 2), (3, 3, 'three', 3)]
    assert counts(report) == (1, 1, 0, 1)
    before = everything('app.db')
    assert refused(backup, 'app.db', ['users', 'gone']) == (
        'T/app.db: table gone: it lacks columns that the backup has: b, c (ALTER TABLE … ADD COLUMN, or pass '
        '{"columns":"common"} to leave them out)')
    assert everything('app.db') == before
    report = part(backup, 'app.db', ['gone'], columns='common')
    assert report['notes'] == 'gone: columns of the backup that the target lacks were left out: b, c', report
    assert rows('app.db', 'SELECT * FROM gone') == [(1, 2)]
    run('app.db', "DROP TABLE gone; CREATE TABLE gone(id INTEGER PRIMARY KEY, a, b, c, tenant TEXT NOT NULL)")
    assert refused(backup, 'app.db', ['gone']) == (
        'T/app.db: table gone: the backup lacks a column that is NOT NULL and has no default: tenant')
    run('app.db', "DROP TABLE gone; CREATE TABLE gone(x)")
    assert refused(backup, 'app.db', ['gone'], columns='common') == (
        'T/app.db: table gone: no column is in the backup as well')
    run('app.db', "DROP TABLE gone; CREATE VIEW gone AS SELECT 1 AS id")
    assert refused(backup, 'app.db', ['gone']) == (
        'T/app.db: table gone: it is a table in the backup, and something else here')


def converted():
    """What becomes of values in columns of another type, or that are computed in the target: a note."""
    backup = shop("CREATE TABLE c(id INTEGER PRIMARY KEY, a, n INT, t TEXT, r REAL, g INT, s INT AS (n + 1), k BLOB);"
                  "INSERT INTO c(id, a, n, t, r, g, k) VALUES (1, '7', 7, '007', 7.5, 1, x'07');")
    assert part(backup, 'app.db', ['c'])['notes'] == UNSAVED
    run('app.db', "DROP TABLE c; CREATE TABLE c(id INTEGER PRIMARY KEY, a INT, n TEXT, t INT, r REAL, "
                  "g INT AS (r * 2), s INT AS (n + 1), k)")
    report = part(backup, 'app.db', ['c'])
    assert report['notes'].split('\n') == [
        "c: values get the type of the target's column: a (none in the backup, INTEGER here), n (INTEGER in the backup, "
        'TEXT here), t (TEXT in the backup, INTEGER here)',
        'c: columns that are generated in the target are computed, whatever the backup has in them: g'], report
    assert rows('app.db', 'SELECT * FROM c') == [(1, 7, '7', 7, 7.5, 15, 8, b'\x07')]


def differing_keys():
    backup = shop('CREATE TABLE p(a TEXT, b INT, PRIMARY KEY(a)); CREATE TABLE h(rowid, oid, _rowid_);')
    for declaration, key in (('a TEXT, b INT, PRIMARY KEY(b)', 'b'), ('a TEXT, b INT, PRIMARY KEY(a, b)', 'a, b'),
                             ('a TEXT, b INT', 'rowid'), ('a INT PRIMARY KEY, b INT', 'a'),
                             ('a TEXT PRIMARY KEY COLLATE NOCASE, b INT', 'a COLLATE NOCASE')):
        run('app.db', f'DROP TABLE p; CREATE TABLE p({declaration})')
        assert refused(backup, 'app.db', ['p']) == (
            f'T/app.db: table p: its key is not the backup\'s, so rows cannot be told apart: (a) in the backup, ({key}) '
            'in the target, or of another type (ATTACH backup_uri(…) and copy what you need)')
    assert refused(backup, 'app.db', ['h']) == (
        'T/app.db: table h: it has no PRIMARY KEY, and its columns hide the rowid')
    run('app.db', 'DROP TABLE p; CREATE TABLE p(b INT, a TEXT PRIMARY KEY) WITHOUT ROWID')
    assert counts(part(backup, 'app.db', ['p'])) == (0, 0, 0, 0)


def key_with_a_column_twice():
    for options in '', 'WITHOUT ROWID':
        run('app.db', f"""DROP TABLE IF EXISTS d; CREATE TABLE d(a TEXT, v, PRIMARY KEY (a COLLATE NOCASE, a)) {options};
                          INSERT INTO d VALUES ('x', 1), ('X', 2);""")
        backup = create('app.db')
        run('app.db', "DELETE FROM d WHERE v = 2; UPDATE d SET v = 0; INSERT INTO d VALUES ('y', 3)")
        assert counts(part(backup, 'app.db', ['d'])) == (1, 1, 1, 0)
        assert rows('app.db', 'SELECT a, v FROM d ORDER BY v') == [('x', 1), ('X', 2)]


def no_key():
    """Rows are told apart by rowid, and keep it; with a key, the rowid is the backup's where it is free."""
    run('app.db', """CREATE TABLE log(line); INSERT INTO log(rowid, line) VALUES (7, 'a'), (9, 'b'), (11, 'c');
        CREATE TABLE k(name TEXT PRIMARY KEY, v); INSERT INTO k(rowid, name) VALUES (10, 'x'), (20, 'y'), (30, 'z');""")
    backup = create('app.db')
    run('app.db', """DELETE FROM log WHERE line = 'b'; UPDATE log SET line = 'd' WHERE line = 'c';
        DELETE FROM k; INSERT INTO k(rowid, name) VALUES (20, 'z'), (21, 'new');""")
    report = part(backup, 'app.db', ['log', 'k'], rows='merge')
    assert report['notes'] == 'log has no PRIMARY KEY: its rows were told apart by rowid', report
    assert counts(report, 'log') == (1, 1, 0, 1)
    assert rows('app.db', 'SELECT rowid, line FROM log') == [(7, 'a'), (9, 'b'), (11, 'c')]
    assert counts(report, 'k') == (2, 0, 0, 2)
    assert rows('app.db', 'SELECT name, rowid FROM k ORDER BY name') == [('new', 21), ('x', 10), ('y', 22), ('z', 20)]


def missing_table():
    """It comes back with its indexes and triggers, and AUTOINCREMENT goes on where it was."""
    backup = shop("""CREATE UNIQUE INDEX "in dex" ON messages(body) WHERE id > 1; CREATE TABLE log(x);
        CREATE TRIGGER "tri""g" AFTER INSERT ON messages BEGIN INSERT INTO log VALUES (new.id); END;
        INSERT INTO messages VALUES (90, 1, 'ninety'); DELETE FROM messages WHERE id = 90; DELETE FROM log;
        CREATE TABLE "we""ird t"(a INT, b INT AS (a * 2) STORED, UNIQUE(a)) STRICT;
        INSERT INTO "we""ird t"(a) VALUES (4), (5);""")
    whole = everything('app.db')
    run('app.db', 'DROP TABLE messages; DROP TABLE "we""ird t"')
    assert query('app.db', "SELECT count(*) FROM sqlite_sequence") == 0
    report = part(backup, 'app.db', ['messages', 'WE"IRD T'])
    assert report['notes'] == ('table messages was missing and was made, with index messages_user, index in dex, '
                               'trigger tri"g\ntable we"ird t was missing and was made\n'
                               'triggers on messages did not run: tri"g'), report
    assert counts(report, 'messages') == (3, 0, 0, 0) and counts(report, 'we"ird t') == (2, 0, 0, 0)
    assert everything('app.db') == whole
    run('app.db', "INSERT INTO messages(user, body) VALUES (1, 'next')")
    assert rows('app.db', 'SELECT max(id) FROM messages') == [(91,)] and rows('app.db', 'SELECT x FROM log') == [(91,)]
    # What has its name stands in its way.
    run('app.db', 'DROP TABLE messages; CREATE TABLE other(x); CREATE INDEX messages_user ON other(x)')
    before = everything('app.db')
    assert refused(backup, 'app.db', ['messages']) == (
        'the index messages_user could not be made: T/app.db: index messages_user already exists')
    assert everything('app.db') == before


def sequence():
    backup = shop()
    run('app.db', "INSERT INTO messages VALUES (500, 1, 'x'); DELETE FROM messages WHERE id = 500;")
    part(backup, 'app.db', ['messages'])
    assert rows('app.db', 'SELECT name, seq FROM sqlite_sequence') == [('messages', 500)]
    run('app.db', "UPDATE sqlite_sequence SET seq = 1 WHERE name = 'messages'")
    part(backup, 'app.db', ['messages'])
    assert rows('app.db', 'SELECT name, seq FROM sqlite_sequence') == [('messages', 3)]


def refusals():
    backup = shop("""CREATE VIEW v AS SELECT * FROM users; CREATE VIRTUAL TABLE r USING rtree(id, a, b);
        CREATE VIRTUAL TABLE f USING fts5(body, content='messages');""")
    b, before = 'T/backups/app_sqlite_STAMP.db.gz', everything('app.db')
    by_itself = 'which is not restored by itself: ATTACH backup_uri(…) and copy its rows, or restore the whole database'
    for table, message in {
        'agents': f'{b}: it has no table "agents" (its tables: messages, users)',
        'v': f'{b}: v is a view: restore the tables that it reads',
        'r': f'{b}: r is a virtual table (rtree), {by_itself}',
        'R_node': f'{b}: r_node belongs to r; r is a virtual table (rtree), {by_itself}',
        'f': f'{b}: f is a virtual table (fts5) over messages: restore messages, and it is rebuilt',
        'f_data': f'{b}: f_data belongs to f; f is a virtual table (fts5) over messages: restore messages, and it is '
                  'rebuilt',
        'sqlite_sequence': f"{b}: sqlite_sequence is SQLite's own and not restored by itself",
        'sqlite_master': f"{b}: sqlite_master is SQLite's own and not restored by itself",
    }.items():
        assert refused(backup, 'app.db', ['users', table]) == message, refused(backup, 'app.db', [table])
    assert refused(backup, 'app.db', []) == 'option "tables" must be a text or an array of texts, and not empty'
    assert refused(backup, 'app.db', ['users'], rows='all') == 'option "rows" must be one of replace, missing, merge'
    assert refused(backup, 'app.db', ['users'], columns='x') == 'option "columns" must be one of all, common'
    for option in 'rows', 'columns':
        assert refused(backup, 'app.db', None, **{option: 'merge' if option == 'rows' else 'common'}) == (
            f'option "{option}" is for a restore of some tables: pass "tables" too')
    assert refused(backup, 'new.db', ['users']) == (
        'T/new.db: no such database: "tables" are restored into one that is there (without "tables" a new one is made)')
    with open('garbage.db', 'wb') as f:
        f.write(b'no database at all. ' * 500)
    assert refused(backup, 'garbage.db', ['users']) == (
        'T/garbage.db: cannot be read as a database, so no part of it can be restored (restore all of it, without '
        '"tables")')
    assert refused('./app.db', 'app.db', ['users']) == 'T/app.db: backup and target are the same file'
    assert everything('app.db') == before and not saved_copies() and not os.path.exists('new.db')
    # A name once or twice, in any case.
    assert [t['table'] for t in part(backup, 'app.db', ['USERS', 'users'])['tables']] == ['users']
    assert [t['table'] for t in part(backup, 'app.db', 'users')['tables']] == ['users']


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


def fulltext():
    """Indexes over a restored table are rebuilt; triggers do not run, and are named."""
    backup = shop(FTS)
    for mode, found in ('replace', [4]), ('missing', [4]), ('merge', [4]):
        run('app.db', """DELETE FROM messages WHERE id = 4; DROP TRIGGER au; UPDATE messages SET body = 'cat' WHERE id = 5;
            INSERT INTO messages VALUES (6, 1, 'a fox too');
            CREATE TRIGGER au BEFORE UPDATE ON messages BEGIN SELECT RAISE(FAIL, 'never'); END;""")
        report = part(backup, 'app.db', ['messages'], rows=mode)
        assert report['notes'] == ('triggers on messages did not run: ad, ai, au\nfull-text index five was rebuilt\n'
                                   'full-text index four was rebuilt'), report
        found = found + ([6] if mode != 'replace' else [])
        for index in 'five', 'four':
            sql = f"SELECT rowid FROM {index} WHERE {index} MATCH 'fox' ORDER BY 1"
            assert [r[0] for r in rows('app.db', sql)] == found, (mode, rows('app.db', sql))
            run('app.db', f"INSERT INTO {index}({index}) VALUES ('integrity-check')")
        run('app.db', 'DELETE FROM messages WHERE id = 6')
        sound()
    report = part(backup, 'app.db', ['messages'])
    report = part(backup, 'app.db', ['messages'])
    assert report['notes'] == UNSAVED and counts(report) == (0, 0, 0, 5), report
    # Over a view, options abbreviated.
    run('app.db', """CREATE VIEW v AS SELECT m.id, m.body FROM (SELECT * FROM messages) AS m;
        CREATE VIEW w AS SELECT * FROM v WHERE id IN (SELECT id FROM users) OR id > 3; CREATE VIEW u AS SELECT * FROM users;
        CREATE VIRTUAL TABLE overview USING fts5(body, cont=w, content_r=id);
        CREATE VIRTUAL TABLE short USING fts5(body, c='messages', content_rowid=id);
        CREATE VIRTUAL TABLE others USING fts5(email, content=u, content_rowid=id);
        CREATE VIEW app AS SELECT id, body, nowhere(body) AS x FROM messages;
        INSERT INTO overview(overview) VALUES ('rebuild'); INSERT INTO short(short) VALUES ('rebuild');
        INSERT INTO others(others) VALUES ('rebuild'); CREATE VIRTUAL TABLE apps USING fts5(x, content=app, content_rowid=id);
        DELETE FROM messages WHERE id = 4; CREATE VIEW circle AS SELECT * FROM missing;
        CREATE VIRTUAL TABLE round USING fts5(a, content=circle)""")
    report = part(backup, 'app.db', ['messages'])
    notes = report['notes'].split('\n')
    assert [n for n in notes if 'was rebuilt' in n] == [f'full-text index {n} was rebuilt' for n in
                                                        ('five', 'four', 'overview', 'short')], report
    assert [n for n in notes if 'could not' in n] == [
        f'full-text index {n} could not be rebuilt here, run INSERT INTO "{n}"("{n}") VALUES (\'rebuild\') where it can: '
        + why for n, why in (('apps', 'no such function: nowhere'), ('round', 'no such table: main.missing'))], report
    for index in 'overview', 'short':
        assert rows('app.db', f"SELECT rowid FROM {index} WHERE {index} MATCH 'fox'") == [(4,)]
    report = part(backup, 'app.db', ['users'])
    assert report['notes'] == UNSAVED
    run('app.db', "UPDATE users SET email = 'owl' WHERE id = 1")
    report = part(backup, 'app.db', ['users'])
    assert [n for n in report['notes'].split('\n') if 'was rebuilt' in n] == [
        'full-text index overview was rebuilt', 'full-text index others was rebuilt'], report
    assert rows('app.db', "SELECT rowid FROM others WHERE others MATCH 'a'") == [(1,)]
    run('app.db', 'DROP TABLE apps; DROP TABLE round; DROP VIEW app; DROP VIEW circle; DROP TABLE overview; '
                  'DROP TABLE short; DROP TABLE others')
    # A tokenizer that only the application has.
    db = sqlite3.connect('app.db', isolation_level=None)
    db.execute('DELETE FROM messages WHERE id = 4')
    db.execute('PRAGMA writable_schema=ON')
    db.execute("UPDATE sqlite_schema SET sql = replace(sql, 'unicode61', 'mine') WHERE name = 'five'")
    db.close()
    report = part(backup, 'app.db', ['messages'])
    assert counts(report) == (1, 0, 0, 4)
    assert 'full-text index five could not be rebuilt here, run INSERT INTO "five"("five") VALUES (\'rebuild\') where ' \
           'it can: no such tokenizer: mine' in report['notes'].split('\n'), report
    assert 'full-text index four was rebuilt' in report['notes'].split('\n'), report


def foreign_keys():
    backup = shop("CREATE TABLE notes(id INTEGER PRIMARY KEY, message INT REFERENCES messages) WITHOUT ROWID;")
    # Parents go that children refer to.
    run('app.db', "INSERT INTO users VALUES (4, 'd'); INSERT INTO messages VALUES (9, 4, 'nine'), (10, 4, 'ten');")
    before = everything('app.db')
    assert refused(backup, 'app.db', ['users']) == (
        'T/app.db: rows would refer to rows that are not there, nothing was changed: messages row 9 refers to users; '
        'messages row 10 refers to users (restore as well: messages)')
    assert everything('app.db') == before and not saved_copies()
    assert counts(part(backup, 'app.db', ['users'], rows='merge')) == (0, 0, 0, 4)
    part(backup, 'app.db', ['users', 'messages'])
    # Children come whose parents are gone.
    run('app.db', 'DELETE FROM messages; DELETE FROM users WHERE id > 1')
    assert refused(backup, 'app.db', ['messages']) == (
        'T/app.db: rows would refer to rows that are not there, nothing was changed: messages row 2 refers to users; '
        'messages row 3 refers to users (restore as well: users)')
    assert counts(part(backup, 'app.db', ['messages', 'users']), 'messages') == (3, 0, 0, 0)
    # Many of them, of a table that SQLite does not tell rows of.
    run('app.db', "INSERT INTO messages SELECT value + 100, 1, 1 FROM json_each('[1,2,3,4,5,6,7,8,9]')")
    run('app.db', 'INSERT INTO notes SELECT id, id FROM messages WHERE id > 100')
    message = refused(backup, 'app.db', ['messages'])
    assert message == ('T/app.db: rows would refer to rows that are not there, nothing was changed: notes refers to '
                       'messages (restore as well: notes)'), message


def orphans():
    """Those that were there before, or are orphans in the backup as well, are nobody's fault."""
    run('app.db', SHOP + 'INSERT INTO messages VALUES (7, 77, NULL), (8, 88, NULL), (9, 1, NULL);')
    backup = create('app.db')
    run('app.db', 'DELETE FROM messages WHERE id = 7; DELETE FROM messages WHERE id = 1; UPDATE messages SET user = 99 '
                  'WHERE id = 9')
    report = part(backup, 'app.db', ['messages'], rows='missing')
    assert counts(report) == (2, 0, 0, 4)
    assert report['notes'] == 'rows that refer to rows which are not there, as they did in the backup: 1', report
    assert counts(part(backup, 'app.db', ['messages'])) == (0, 1, 0, 5)
    run('app.db', 'DELETE FROM messages WHERE id = 2; DELETE FROM users WHERE id = 2')
    assert 'messages row 2 refers to users (restore as well: users)' in refused(backup, 'app.db', ['messages'])
    # A schema that SQLite cannot check.
    run('app.db', 'CREATE TABLE odd(a REFERENCES users(nick)); INSERT INTO odd VALUES (1); DROP TABLE users; '
                  'CREATE TABLE users(id INTEGER PRIMARY KEY, email TEXT NOT NULL UNIQUE, nick)')
    report = part(backup, 'app.db', ['users'])
    assert 'foreign keys of odd were not checked: foreign key mismatch - "odd" referencing "users"' in report['notes'], report


def orphans_beside_orphans():
    """Two keys of a row lead to one parent: that one of them led nowhere before hides nothing of the other."""
    sql = """CREATE TABLE p(id INTEGER PRIMARY KEY); INSERT INTO p VALUES (2);
             CREATE TABLE c(id INTEGER PRIMARY KEY, a REFERENCES p, b REFERENCES p);
             CREATE TABLE w(id INTEGER PRIMARY KEY, a REFERENCES p, b REFERENCES p) WITHOUT ROWID;"""
    run('app.db', sql)
    backup = create('app.db')
    for table in 'c', 'w':
        run('app.db', f'DELETE FROM c; DELETE FROM w; INSERT OR IGNORE INTO p VALUES (1); '
                      f'INSERT INTO {table} VALUES (1, 99, 1)')
        before = everything('app.db')
        assert f'{table}{" row 1" if table == "c" else ""} refers to p' in refused(backup, 'app.db', ['p'])
        assert everything('app.db') == before


def cycles():
    sql = """CREATE TABLE a(id INTEGER PRIMARY KEY, b INT REFERENCES b ON DELETE CASCADE, up INT REFERENCES a);
             CREATE TABLE b(id INTEGER PRIMARY KEY, a INT REFERENCES a ON DELETE SET NULL);
             INSERT INTO a VALUES (1, 1, 2), (2, 2, 1); INSERT INTO b VALUES (1, 2), (2, 1);"""
    run('app.db', sql)
    backup, whole = create('app.db'), everything('app.db')
    run('app.db', 'DELETE FROM a; UPDATE b SET a = NULL; INSERT INTO b VALUES (3, NULL)')
    report = part(backup, 'app.db', ['a', 'b'])
    assert counts(report, 'a') == (2, 0, 0, 0) and counts(report, 'b') == (0, 2, 1, 0)
    assert everything('app.db') == whole
    run('app.db', 'DELETE FROM a WHERE id = 2')
    assert counts(part(backup, 'app.db', ['a'], rows='missing')) == (1, 0, 0, 1)
    assert everything('app.db') == whole


def collisions():
    """What collides in another UNIQUE at the end is an error with a way out, and REPLACE in a schema takes no row away."""
    backup = shop("CREATE TABLE r(id INTEGER PRIMARY KEY, u UNIQUE ON CONFLICT REPLACE, n NOT NULL ON CONFLICT REPLACE "
                  "DEFAULT 0); INSERT INTO r VALUES (1, 'a', 1);")
    run('app.db', "UPDATE users SET email = 'moved' WHERE id = 2; INSERT INTO users VALUES (7, 'b');"
                  "DELETE FROM r; INSERT INTO r VALUES (5, 'a', 1)")
    before = everything('app.db')
    for mode in 'merge', 'missing':
        if mode == 'missing':
            run('app.db', 'DELETE FROM users WHERE id = 2')
            before = everything('app.db')
        assert refused(backup, 'app.db', ['users'], rows=mode) == (
            "T/app.db: table users: the backup's row id=2 does not fit, nothing was changed: UNIQUE constraint failed: "
            'users.email (another row of the target is in its way: change or delete that, or pass {"rows":"replace"})')
        assert refused(backup, 'app.db', ['r'], rows=mode) == (
            "T/app.db: table r: the backup's row id=1 does not fit, nothing was changed: UNIQUE constraint failed: r.u "
            '(another row of the target is in its way: change or delete that, or pass {"rows":"replace"})')
    assert everything('app.db') == before and not saved_copies()
    assert counts(part(backup, 'app.db', ['users'])) == (1, 0, 1, 2)
    run('app.db', "DROP TABLE messages; CREATE TABLE messages(id INTEGER PRIMARY KEY AUTOINCREMENT, user INT, body TEXT, "
                  "CHECK(body <> 'two'))")
    assert refused(backup, 'app.db', ['messages']) == (
        "T/app.db: table messages: the backup's row id=2 does not fit, nothing was changed: CHECK constraint failed: "
        "body <> 'two'")
    run('app.db', 'CREATE TABLE k(a TEXT, b BLOB, c, PRIMARY KEY(a, b)) WITHOUT ROWID;')
    run('old.db', f"CREATE TABLE k(a TEXT, b BLOB, c, PRIMARY KEY(a, b)) WITHOUT ROWID; "
                  f"INSERT INTO k VALUES ('{'é' * 60}', x'0102', 1), ('z', x'', 1);")
    run('app.db', 'CREATE UNIQUE INDEX kc ON k(c)')
    assert refused('./old.db', 'app.db', ['k']) == (
        f"T/app.db: table k: the backup's row a={'é' * 20}…, b=a blob of 2 bytes does not fit, nothing was changed: "
        "UNIQUE constraint failed: k.c (two rows of the backup are in each other's way here)")


def unknown_here():
    """A collation or function that only the application has."""
    db = sqlite3.connect('app.db', isolation_level=None)
    db.create_collation('mine', lambda a, b: (a > b) - (a < b))
    db.executescript("CREATE TABLE c(id INTEGER PRIMARY KEY, a TEXT COLLATE mine UNIQUE); INSERT INTO c VALUES (1, 'a')")
    backup = create('app.db')
    db.execute('DELETE FROM c')
    db.close()
    assert refused(backup, 'app.db', ['c'], verify=False) == (
        'table c cannot be restored by itself here: T/app.db: no such collation sequence: mine')


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

# Restoring some tables: each mode against a model in Python over random small databases.
import glob
import gzip
import os
import random
import shutil
import sqlite3
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '../sqlite'))
from lifeboat import create, main, query  # noqa: E402
from part_shared import counts, everything, has_zstd, part, qi, refused, rows, sound  # noqa: E402

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


main(globals())

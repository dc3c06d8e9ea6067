"""backup_diff held against a model: random edits of databases of every kind, compared in every combination of sides.

    diff.py random SEED ROUNDS
    diff.py memory                in an empty folder, with BACKUP_DIR and LIFEBOAT_SO set

The model reads all rows of both databases with plain SQLite and matches them in dictionaries. Values count by storage
class: 1, 1.0, '1' and x'31' are four. What is compared: the row for each table, with and without its counts, and for
each table all rows that differ, with their keys and columns.
"""
import collections
import functools
import gzip
import json
import os
import random
import resource
import shutil
import sqlite3
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'sqlite'))
from lifeboat import connect, value  # noqa: E402

# name: (CREATE, key columns; None: the rowid; (): whole rows)
TABLES = {
    'plain': ('CREATE TABLE plain(id INTEGER PRIMARY KEY, a, b TEXT, c)', ['id']),
    'texts': ('CREATE TABLE texts(a, k TEXT PRIMARY KEY, b)', ['k']),
    'anything': ('CREATE TABLE anything(k PRIMARY KEY, a)', ['k']),
    'pairs': ('CREATE TABLE pairs(a, b, v, w, PRIMARY KEY(b, a)) WITHOUT ROWID', ['b', 'a']),
    'down': ('CREATE TABLE down(a, b, v, PRIMARY KEY(a DESC, b)) WITHOUT ROWID', ['a', 'b']),
    'nocase': ('CREATE TABLE nocase(k TEXT PRIMARY KEY COLLATE NOCASE, v) WITHOUT ROWID', ['k']),
    'rtrim': ('CREATE TABLE rtrim(k TEXT COLLATE RTRIM, j, v, PRIMARY KEY(k, j))', ['k', 'j']),
    'bare': ('CREATE TABLE bare(a, b)', None),
    'hidden': ('CREATE TABLE hidden(rowid, oid, _rowid_)', ()),
    'odd "name"': ('CREATE TABLE "odd ""name"""("the ""key""" INTEGER PRIMARY KEY, "select", "it''s")', ['the "key"']),
    'made': ('CREATE TABLE made(id INTEGER PRIMARY KEY, a, b AS (a || 1), c AS (a || 2) STORED)', ['id']),
    'big': ('CREATE TABLE big(id INTEGER PRIMARY KEY, body, n)', ['id']),
    'quiet': ('CREATE TABLE quiet(id INTEGER PRIMARY KEY, body)', ['id']),
    'uuids': ('CREATE TABLE uuids(id TEXT NOT NULL PRIMARY KEY, body, n)', ['id']),
}
BIG = 1400  # rows
SMALL = [t for t in TABLES if t not in ('big', 'quiet', 'uuids')]
chance = random.Random()


def quoted(name):
    return '"' + name.replace('"', '""') + '"'


def columns_of(db, table):
    return [row[1] for row in db.execute('PRAGMA main.table_info(%s)' % quoted(table))]


# ---- making and editing ----

def some_value():
    n = chance.randrange(40)
    return chance.choice([None, n, float(n), n + 0.5, str(n), str(n).encode(), 'Key %d' % n, 'KEY %d' % n, 'key %d  ' % n,
                          'ä\U0001f600%d' % n, '\uffee%d' % n, '\ue000', 2 ** 53 + n, float(2 ** 53), -n, 1e300 * n, '', b'',
                          'with "quotes" \\ and \n', 2 ** 63 - 1, -2 ** 63, float('inf'), 0.1 * n, 'x' * n * 30])


def insert(db, table, count):
    names = [c for c in columns_of(db, table)]
    sql = 'INSERT OR IGNORE INTO %s(%s) VALUES(%s)' % (quoted(table), ', '.join(map(quoted, names)),
                                                       ', '.join('?' * len(names)))
    for _ in range(count):
        row = [some_value() for _ in names]
        try:
            db.execute(sql, row)
        except sqlite3.IntegrityError:  # a type that INTEGER PRIMARY KEY does not take
            pass


def edit_small(db, table):
    names = columns_of(db, table)
    for _ in range(chance.randrange(6)):
        column = quoted(chance.choice(names))
        where = '%s IN (SELECT %s FROM %s ORDER BY random() LIMIT 3)' % (column, column, quoted(table))
        what = chance.randrange(4)
        if what == 0:
            db.execute('DELETE FROM %s WHERE %s' % (quoted(table), where))
        elif what == 1:
            insert(db, table, 4)
        else:
            try:
                db.execute('UPDATE OR IGNORE %s SET %s = ? WHERE %s' % (quoted(table), column, where), (some_value(),))
            except sqlite3.IntegrityError:
                pass


def random_text(n):
    return chance.randbytes(n // 2 + 1).hex()[:n]


def edit_big(db, in_place):
    for _ in range(chance.randrange(1, 6)):
        at = chance.randrange(BIG * 5 // 4)
        what = chance.randrange(7)
        if what == 0:
            db.execute('DELETE FROM big WHERE id BETWEEN ? AND ?', (at, at + chance.randrange(200)))
        elif what == 1:
            db.execute("UPDATE big SET n = n + 1 WHERE id BETWEEN ? AND ?", (at, at + 5))
        elif what == 2:
            db.execute("UPDATE big SET body = ? WHERE id = ?", (random_text(chance.randrange(20000)), at))
        elif what == 3:
            db.executemany('INSERT INTO big(body, n) VALUES(?, 0)', [(random_text(100),) for _ in range(50)])
        elif what == 4:
            db.execute('DELETE FROM uuids WHERE rowid BETWEEN ? AND ?', (at, at + 60))
        elif what == 5:
            db.execute('UPDATE uuids SET n = n + 1 WHERE rowid % 500 = ?', (at % 500,))
        else:
            db.execute('INSERT INTO uuids VALUES(?, ?, 1)', (random_text(32), random_text(60)))
    if in_place:
        with db.blobopen('quiet', 'body', 790) as blob:
            blob.seek(chance.randrange(780))
            blob.write(b'#')


def make(path, page_size, encoding, vacuum, mode):
    db = sqlite3.connect(path, isolation_level=None)
    db.executescript("PRAGMA page_size=%d; PRAGMA encoding='%s'; PRAGMA auto_vacuum=%d; PRAGMA synchronous=off; "
                     "PRAGMA journal_mode=%s; BEGIN;" % (page_size, encoding, vacuum, mode))
    for create, _ in TABLES.values():
        db.execute(create)
    db.execute('CREATE INDEX big_body ON big(body)')
    for table in SMALL:
        insert(db, table, chance.choice([0, 5, 60]))
    db.executemany('INSERT INTO big(body, n) VALUES(?, 0)',
                   ((random_text(chance.choice([10, 100, 300, 300, 4000])),) for _ in range(BIG)))
    db.executemany('INSERT INTO quiet(body) VALUES(?)', ((random_text(i % 2000),) for i in range(795)))
    db.executemany('INSERT INTO uuids VALUES(?, ?, 0)', ((random_text(32), random_text(60)) for _ in range(BIG)))
    db.execute('DELETE FROM big WHERE id BETWEEN 1000 AND 1100')
    db.execute('COMMIT')
    return db


# ---- the model ----

def tagged(v):
    return (type(v).__name__, v)


@functools.cache
def read_all(path, table):
    """Column names, and rows as (rowid, values)."""
    db = sqlite3.connect('file:%s?mode=ro' % path, uri=True)
    db.text_factory = lambda b: b.decode('utf-8', 'surrogateescape')
    names = columns_of(db, table)
    rowid = 'NULL' if TABLES[table][1] is not None else 'rowid'
    rows = db.execute('SELECT %s, %s FROM main.%s' % (rowid, ', '.join(map(quoted, names)), quoted(table))).fetchall()
    db.close()
    return names, [(r[0], tuple(map(tagged, r[1:]))) for r in rows]


@functools.cache
def differences(path_a, path_b, table):
    """The rows that differ, as a Counter of (kind, key, columns)."""
    found = collections.Counter()
    names, rows_a = read_all(path_a, table)
    _, rows_b = read_all(path_b, table)
    key = TABLES[table][1]
    if key is None:
        by_a = {(('rowid', tagged(r)),): v for r, v in rows_a}
        by_b = {(('rowid', tagged(r)),): v for r, v in rows_b}
    else:
        places = [names.index(k) for k in key] or list(range(len(names)))
        pick = lambda v: tuple((names[i], v[i]) for i in places)  # noqa: E731
        with_null = lambda k: key == () or any(x[1][1] is None for x in k)  # noqa: E731
        count_a = collections.Counter(v for _, v in rows_a if with_null(pick(v)))
        count_b = collections.Counter(v for _, v in rows_b if with_null(pick(v)))
        for row, n in (count_a - count_b).items():
            found[('removed', pick(row), None)] += n
        for row, n in (count_b - count_a).items():
            found[('added', pick(row), None)] += n
        by_a = {pick(v): v for _, v in rows_a if not with_null(pick(v))}
        by_b = {pick(v): v for _, v in rows_b if not with_null(pick(v))}
    for k in by_a.keys() - by_b.keys():
        found[('removed', k, None)] += 1
    for k in by_b.keys() - by_a.keys():
        found[('added', k, None)] += 1
    for k in by_a.keys() & by_b.keys():
        columns = tuple(n for n, x, y in zip(names, by_a[k], by_b[k]) if x != y)
        if columns:
            found[('changed', k, columns)] += 1
    return found


# ---- what backup_diff says ----

def from_json(v):
    if not isinstance(v, dict):
        return tagged(v)
    (kind, digits), = v.items()
    data = bytes.fromhex(digits)
    return tagged(data if kind == 'blob' else data.decode('utf-8', 'surrogateescape'))


def told(db, a, b, table):
    found = collections.Counter()
    for name, change, added, removed, changed, key, columns, notes in db.execute(
            'SELECT name, change, added, removed, changed, key, columns, notes FROM backup_diff(?, ?, ?)', (a, b, table)):
        assert name == table and notes is None
        assert (added, removed, changed) == tuple(int(change == c) for c in ('added', 'removed', 'changed'))
        pairs = tuple((k, from_json(v)) for k, v in json.loads(key).items())
        found[(change, pairs, tuple(json.loads(columns)) if columns else None)] += 1
    return found


def check(db, a, b, path_a, path_b, some=2):
    """some: of about so many tables the rows are compared as well; None: of all."""
    overview = {row[0]: row[1:] for row in db.execute(
        'SELECT name, change, added, removed, changed, columns FROM backup_diff(?, ?)', (a, b))}
    assert list(overview) == sorted(TABLES, key=str.lower), overview
    changes = dict(db.execute('SELECT name, change FROM backup_diff(?, ?)', (a, b)))
    for table in TABLES:
        want = differences(path_a, path_b, table)
        got = told(db, a, b, table) if some is None or chance.randrange(len(TABLES)) < some else want
        if got != want:
            raise SystemExit('%s, %s: %s\nwanted %.1500s\ngot    %.1500s' % (a, b, table, want - got, got - want))
        counts = [sum(n for k, n in want.items() if k[0] == kind) for kind in ('added', 'removed', 'changed')]
        change = 'changed' if any(counts) else 'same'
        names = columns_of(sqlite3.connect(path_a), table)
        columns = {c for k in want for c in (k[2] or ())}
        columns = json.dumps([n for n in names if n in columns], ensure_ascii=False, separators=(',', ':'))
        expected = (change, *counts, columns if columns != '[]' else None)
        assert overview[table] == expected, (a, b, table, overview[table], expected)
        assert changes[table] == change, (a, b, table)


def plain_gzip(path):
    with open(path, 'rb') as source, gzip.open(path + '.gz', 'wb', 1) as target:
        shutil.copyfileobj(source, target)
    return path + '.gz'


def as_other_kind(path, other, page_size, encoding):
    """The same rows in another file: page size, encoding, order of pages."""
    make_empty = sqlite3.connect(other, isolation_level=None)
    make_empty.executescript("PRAGMA page_size=%d; PRAGMA encoding='%s'; PRAGMA synchronous=off;" % (page_size, encoding))
    source, shapes = sqlite3.connect(path), sqlite3.connect(path)
    source.text_factory = bytes
    for create, _ in TABLES.values():
        make_empty.execute(create)
    make_empty.execute('BEGIN')
    for table in TABLES:
        names = columns_of(shapes, table)
        if TABLES[table][1] is None:
            names = ['rowid'] + names
        typed = ', '.join("typeof(%s), %s" % (quoted(n), quoted(n)) for n in names)
        for row in source.execute('SELECT %s FROM %s' % (typed, quoted(table))):
            values = [v.decode() if t == b'text' else v for t, v in zip(row[::2], row[1::2])]
            make_empty.execute('INSERT INTO %s(%s) VALUES(%s)' % (
                quoted(table), ', '.join(map(quoted, names)), ', '.join('?' * len(values))), values)
    make_empty.execute('COMMIT')
    make_empty.close()


KINDS = [(512, 'UTF-8', 0, 'wal'), (4096, 'UTF-16le', 1, 'delete'), (1024, 'UTF-16be', 2, 'wal'),
         (4096, 'UTF-8', 0, 'delete'), (65536, 'UTF-8', 0, 'wal'), (8192, 'UTF-8', 2, 'delete')]


def one_round(number):
    read_all.cache_clear()
    differences.cache_clear()
    page_size, encoding, vacuum, mode = KINDS[number % len(KINDS)]
    for name in os.listdir('.'):
        if name.startswith(('live', 'before', 'after', 'other')):
            os.remove(name)
    db = make('live.db', page_size, encoding, vacuum, mode)
    caller = connect('live.db', uri=True)
    codec = 'zstd' if 'zstd' in value(caller, 'SELECT backup_version()') and chance.randrange(2) else 'gzip'
    first = value(caller, "SELECT backup_create('main', json_object('compress', ?))", codec)
    db.execute('VACUUM INTO ?', ('before.db',)) if number % 5 == 4 else value(
        caller, "SELECT backup_restore(?, 'before.db')", first)
    db.execute('BEGIN')
    for table in SMALL:
        edit_small(db, table)
    edit_big(db, number % 2)
    db.execute('COMMIT')
    second = value(caller, "SELECT backup_create('main')")
    value(caller, "SELECT backup_restore(?, 'after.db')", second)
    check(caller, first, 'main', 'before.db', 'after.db', None)
    check(caller, 'main', first, 'after.db', 'before.db')
    check(caller, first, second, 'before.db', 'after.db', None)
    check(caller, './before.db', second, 'before.db', 'after.db')
    check(caller, './' + plain_gzip('before.db'), './' + plain_gzip('after.db'), 'before.db', 'after.db', 1)
    check(caller, './before.db.gz', 'main', 'before.db', 'after.db', 1)
    check(caller, first, first, 'before.db', 'before.db')
    as_other_kind('after.db', 'other.db', *chance.choice([(512, 'UTF-16be'), (4096, 'UTF-8'), (8192, 'UTF-16le')]))
    check(caller, first, './other.db', 'before.db', 'other.db', None)
    check(caller, './other.db', 'main', 'other.db', 'after.db')
    caller.close()
    db.close()


# ---- memory ----

def memory():
    """Every row of two tables differs, one by rowid and one that has to be sorted."""
    db = connect()
    value(db, "SELECT backup_set('cache_mb', 4)")
    for name, word in ('a', 'old'), ('b', 'new'):
        made = sqlite3.connect(name + '.db', isolation_level=None)
        made.executescript("PRAGMA synchronous=off; PRAGMA journal_mode=off; CREATE TABLE t(id INTEGER PRIMARY KEY, v);"
                           "CREATE TABLE k(k TEXT PRIMARY KEY, v) WITHOUT ROWID; CREATE TABLE s(k TEXT PRIMARY KEY, v);"
                           "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 150000)"
                           "  INSERT INTO t SELECT i, '%s ' || i FROM n;"
                           "INSERT INTO s SELECT printf('key %%06d', id * 7919 %% 150001), v FROM t;" % word)
        made.close()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for table in 't', 's':
        assert value(db, "SELECT count(key) FROM backup_diff('./a.db', './b.db', ?)", table) == 150000
    assert db.execute("SELECT name, changed FROM backup_diff('./a.db', './b.db')").fetchall() == [
        ('k', 0), ('s', 150000), ('t', 150000)]
    # two sorts of 8 MB each, two page caches, rows on their way
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    assert grown < 45, '%d MiB' % grown


def main():
    if sys.argv[1] == 'memory':
        return memory()
    chance.seed(int(sys.argv[2]))
    for number in range(int(sys.argv[3])):
        one_round(number)
    return print('ok')


main()

# Databases of every kind, backed up and restored: compared by content with the source, and byte by byte with what the
# sqlite3 shell's .backup makes of it. See lifeboat.py; roundtrip.bats runs them.
#
# .backup reads through the same Online Backup API, so the files are equal to the last byte, header included. Against the
# source itself they are not: SQLite stamps counters into page 1 of a file that it writes.
import gzip
import json
import os
import subprocess

from lifeboat import connect, create, main, query, restore, value


def shell(path, *sql):
    return subprocess.run(['sqlite3', '-init', '/dev/null', '-batch', '-bail', path], input='\n'.join(sql), text=True,
                          capture_output=True, check=True).stdout


def dump(path):
    return shell(path, '.dump', 'PRAGMA page_size;', 'PRAGMA encoding;', 'PRAGMA auto_vacuum;', 'PRAGMA user_version;',
                 'PRAGMA application_id;', 'PRAGMA freelist_count;', 'PRAGMA page_count;')


def differences(a, b):
    assert len(a) == len(b), (len(a), len(b))
    if a == b:
        return []
    return [i for i in range(len(a)) if a[i] != b[i]][:200]


def compare(path, **options):
    """One round trip; returns the offsets at which the backup differs from .backup's file."""
    backup = create(path, **options)
    shell(path, '.backup plain.db')
    with open('plain.db', 'rb') as f:
        plain = f.read()
    if backup.endswith('.gz'):
        with gzip.open(backup) as f:
            ours = f.read()
        assert ours == subprocess.run(['gunzip', '-c', backup], capture_output=True, check=True).stdout
    else:
        ours = subprocess.run(['zstd', '-dc', backup], capture_output=True, check=True).stdout
    assert value(connect(), "SELECT backup_verify(?, 'full')", backup) == 'ok'
    for name in 'restored.db', 'restored.db-wal', 'restored.db-shm', 'plain.db':
        if os.path.exists(name):
            os.unlink(name)
    report = restore(backup, 'restored.db', overwrite=False)
    assert report['check'] == 'ok' and report['bytes'] == len(ours), report
    assert dump('restored.db') == dump(path)
    # Over a database that is there already.
    shell('over.db', 'CREATE TABLE IF NOT EXISTS other(a);')
    restore(backup, 'over.db', pre_restore=False)
    assert dump('over.db') == dump(path)
    return differences(ours, plain)


FILL = '''CREATE TABLE t(id INTEGER PRIMARY KEY, name TEXT, amount REAL, body BLOB); CREATE INDEX i ON t(name);
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 700)
INSERT INTO t SELECT i, 'name ü ' || i, i * 1.5, CASE WHEN i % 50 THEN zeroblob(30) ELSE randomblob(9000) END FROM n;
DELETE FROM t WHERE id BETWEEN 300 AND 400;'''


def page_sizes():
    for size in 512, 1024, 2048, 4096, 8192, 16384, 32768, 65536:
        path = f'p{size}.db'
        shell(path, f'PRAGMA page_size={size};', FILL)
        assert query(path, 'PRAGMA page_size') == size
        if os.path.exists('over.db'):
            os.unlink('over.db')
        assert compare(path) == [], size


def modes():
    for mode in 'delete', 'truncate', 'persist', 'memory', 'off', 'wal':
        path = f'm{mode}.db'
        shell(path, f'PRAGMA journal_mode={mode};', FILL)
        assert compare(path) == [], mode
    assert query('restored.db', 'PRAGMA journal_mode') == 'wal'


def exclusive():
    """Only the connection that locks others out can read it; it serves as the source itself."""
    for mode in 'delete', 'wal':
        path = f'x{mode}.db'
        shell(path, f'PRAGMA journal_mode={mode};', FILL)
        db = connect(path)
        db.execute('PRAGMA locking_mode=EXCLUSIVE')
        db.execute("INSERT INTO t(name) VALUES('exclusive')")
        backup = value(db, "SELECT backup_create('main')")
        db.execute("INSERT INTO t(name) VALUES('later')")
        report = restore(backup, f'r{mode}.db', overwrite=False)
        assert report['check'] == 'ok'
        assert query(f'r{mode}.db', "SELECT group_concat(name) FROM t WHERE name IN ('exclusive', 'later')") == 'exclusive'
        db.close()


def kinds():
    for name, sql in {
        'utf16le': "PRAGMA encoding='UTF-16le';" + FILL,
        'utf16be': "PRAGMA encoding='UTF-16be';" + FILL,
        'full': 'PRAGMA auto_vacuum=FULL;' + FILL,
        'incremental': 'PRAGMA auto_vacuum=INCREMENTAL;' + FILL + 'DELETE FROM t WHERE id < 200; PRAGMA incremental_vacuum(5);',
        'without_rowid': "CREATE TABLE w(k TEXT PRIMARY KEY, v) WITHOUT ROWID; INSERT INTO w VALUES('a', 1), ('b', zeroblob(9999));",
        'strict': "CREATE TABLE s(a INT, b ANY, c INT AS (a * 2) STORED) STRICT; INSERT INTO s(a, b) VALUES(1, x'00'), (2, NULL);",
        'fts5': "CREATE VIRTUAL TABLE f USING fts5(a, b); INSERT INTO f VALUES('the quick', 'brown fox'), ('lazy', 'dog');",
        'rtree': 'CREATE VIRTUAL TABLE r USING rtree(id, x0, x1); INSERT INTO r VALUES(1, 0, 1), (2, 5, 9.5);',
        'views': 'CREATE TABLE t(a); CREATE VIEW v AS SELECT a FROM t; CREATE TRIGGER g AFTER INSERT ON t BEGIN DELETE FROM t; END;',
        'meta': FILL + 'PRAGMA user_version=77; PRAGMA application_id=12345;',
        'reserved': '.filectrl reserve_bytes 16\n' + 'VACUUM;\n' + FILL,
        'nothing': 'CREATE TABLE t(a); DROP TABLE t;',
    }.items():
        path = f'{name}.db'
        shell(path, sql)
        assert compare(path) == [], name
        if name == 'fts5':
            assert query('restored.db', "SELECT b FROM f WHERE f MATCH 'quick'") == 'brown fox'
        if name == 'rtree':
            assert query('restored.db', 'SELECT id FROM r WHERE x0 > 2') == 2


def json_functions():
    """In CHECK, in generated columns, in indexes. SQLite 3.40 takes its own JSON functions for unsafe ones where a schema
    is not trusted, and then reads no table of such a database."""
    shell('j.db', """
        CREATE TABLE t(id INTEGER PRIMARY KEY, j CHECK (json_valid(j)), v AS (j ->> '$.v'),
                       s AS (json_extract(j, '$.s')) STORED);
        CREATE INDEX x ON t(json_array_length(j, '$.a')) WHERE j ->> 's' > 0;
        CREATE TRIGGER g AFTER DELETE ON t BEGIN SELECT json_object('id', old.id); END;
        INSERT INTO t(id, j) VALUES(1, '{"v":"one","s":1,"a":[1,2]}'), (2, '{"v":null,"s":2,"a":[]}');""")
    backup = create('j.db', check=True, verify='full')
    assert value(connect(), "SELECT backup_verify(?, 'full')", backup) == 'ok'
    assert compare('j.db') == []
    main = connect('j.db')
    main.execute('DELETE FROM t WHERE id = 1')
    main.commit()
    assert main.execute("SELECT change, key FROM backup_diff(?, 'main', 't')", (backup,)).fetchall() == [
        ('removed', '{"id":1}')]
    assert restore(backup, 'main', main, tables=['t'], rows='missing', overwrite=None)['tables'][0]['added'] == 1
    assert restore(backup, 'main', main)['check'] == 'ok'
    assert query('j.db', 'SELECT v FROM t WHERE id = 1') == 'one'


def zstd():
    shell('z.db', FILL)
    assert compare('z.db', compress='zstd') == []


def levels():
    """Every level of each codec, one thread and several: the same content."""
    shell('l.db', FILL)
    for compress, levels in ('gzip', (1, 3, 4, 9)), ('zstd', (1, 3, 19)):
        for level in levels:
            for threads in 1, 3:
                assert compare('l.db', compress=compress, level=level, threads=threads) == []


def empty():
    open('zero.db', 'w').close()
    backup = create('zero.db')
    with gzip.open(backup) as f:
        assert f.read() == b''
    assert value(connect(), "SELECT backup_verify(?, 'full')", backup) == 'ok'
    report = restore(backup, 'restored.db', overwrite=False)
    assert report['bytes'] == 0 and os.path.getsize('restored.db') == 0, report
    assert os.path.getsize('zero.db') == 0
    # Over one that holds something: empty it is, then.
    shell('over.db', FILL)
    restore(backup, 'over.db')
    assert query('over.db', 'SELECT count(*) FROM sqlite_schema') == 0
    shell('page.db', 'PRAGMA user_version=3;')
    assert os.path.getsize('page.db') == 4096
    assert compare('page.db') == []


def memory():
    db = connect()
    db.executescript(FILL)
    db.execute("ATTACH ':memory:' AS other")
    db.execute('CREATE TABLE other.o AS SELECT 1 AS x')
    db.execute("ATTACH '' AS temporary")
    db.execute('CREATE TABLE temporary.o AS SELECT 2 AS x')
    restore(value(db, "SELECT backup_create('main')"), 'a.db', overwrite=False)
    assert query('a.db', 'SELECT count(*) FROM t') == 599
    for schema, x in ('other', 1), ('temporary', 2):
        backup = value(db, 'SELECT backup_create(?, ?)', schema, json.dumps({'name': schema}))
        assert os.path.basename(backup).startswith(schema + '_sqlite_')
        restore(backup, f'{schema}.db', overwrite=False)
        assert query(f'{schema}.db', 'SELECT x FROM o') == x
    back = connect()
    restore('latest:other', 'main', back)
    assert value(back, 'SELECT x FROM o') == 1


def attached():
    shell('a.db', 'PRAGMA journal_mode=wal;', FILL)
    shell('b.db', 'CREATE TABLE b(x); INSERT INTO b VALUES(5);')
    db = connect('a.db')
    db.execute("ATTACH 'b.db' AS beta")
    db.execute("UPDATE t SET name = 'live' WHERE id = 1")
    for schema, sql, want in ('main', 'SELECT name FROM t WHERE id = 1', 'live'), ('beta', 'SELECT x FROM b', 5):
        restore(value(db, 'SELECT backup_create(?)', schema), f'{schema}.db', overwrite=False)
        assert query(f'{schema}.db', sql) == want


def past_the_lock_byte_page():
    """A little more than 1 GiB; what matters are the pages around the lock-byte page, which SQLite never writes. The file
    is made long by hand before the last pages are written, so that most of it is a hole."""
    page = 65536
    shell('big.db', f'PRAGMA page_size={page};', FILL)
    pages = 2**30 // page - 16
    with open('big.db', 'r+b') as f:
        f.truncate(pages * page)
        f.seek(28)
        f.write(pages.to_bytes(4, 'big'))
    shell('big.db', 'CREATE TABLE b(x); INSERT INTO b SELECT randomblob(100000) FROM t LIMIT 30;', 'CREATE TABLE after(a);',
          "INSERT INTO after SELECT 'row ' || id FROM t;")
    size = os.path.getsize('big.db')
    assert size > 2**30 + 2**20, size
    want = query('big.db', 'SELECT sum(length(x)) || min(hex(x)) FROM b')
    backup = create('big.db', level=1)
    report = restore(backup, 'restored.db', overwrite=False, verify=False)
    assert report['bytes'] == size == os.path.getsize('restored.db'), report
    with open('big.db', 'rb') as f, open('restored.db', 'rb') as g:
        for at in page, 2**30 - 2**20, 2**30, size - 2**20:
            f.seek(at)
            g.seek(at)
            assert f.read(2**20) == g.read(2**20), at
        g.seek(2**30)
        assert g.read(page) == bytes(page)
    assert query('restored.db', 'SELECT sum(length(x)) || min(hex(x)) FROM b') == want
    assert query('restored.db', 'SELECT count(*) || min(a) FROM after') == '599row 1'


main(globals())

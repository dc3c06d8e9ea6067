# Restoring some tables: what is special about a table, or differs between backup and target; one test each.
import gzip
import os
import sqlite3
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '../sqlite'))
from lifeboat import connect, create, main, query, saved_copies  # noqa: E402
from part_shared import FTS, T, UNSAVED, counts, everything, part, refused, rows, run, shop, sound  # noqa: E402


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


def long_notes():
    """A note is told whole, however long it is."""
    backup = shop('CREATE TABLE w(id INTEGER PRIMARY KEY); INSERT INTO w VALUES (1);')
    names = [f'a column that only the target has, of a name with an é, {i}' for i in range(100)]
    run('app.db', 'DELETE FROM w;' + ''.join(f'ALTER TABLE w ADD COLUMN "{name}";' for name in names))
    assert part(backup, 'app.db', ['w'])['notes'] == (
        'w: columns that only the target has kept their values, new rows have the default: ' + ', '.join(names))


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
                               'triggers on messages did not run: tri"g (they write to: log)'), report
    assert counts(report, 'messages') == (3, 0, 0, 0) and counts(report, 'we"ird t') == (2, 0, 0, 0)
    assert everything('app.db') == whole
    run('app.db', "INSERT INTO messages(user, body) VALUES (1, 'next')")
    assert rows('app.db', 'SELECT max(id) FROM messages') == [(91,)] and rows('app.db', 'SELECT x FROM log') == [(91,)]
    # What has its name stands in its way.
    run('app.db', 'DROP TABLE messages; CREATE TABLE other(x); CREATE INDEX messages_user ON other(x)')
    before = everything('app.db')
    assert refused(backup, 'app.db', ['messages']) == (
        'the index messages_user could not be made: T/app.db: index messages_user already exists (rename or drop that one '
        'in the target, and try again)')
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
        CREATE VIRTUAL TABLE f USING fts5(body, content='messages');
        CREATE TABLE own_content(body); CREATE VIRTUAL TABLE own USING fts5(body, content='own_content');""")
    b, before = 'T/backups/app_sqlite_STAMP.db.gz', everything('app.db')
    by_itself = 'which is not restored by itself: ATTACH backup_uri(…) and copy its rows, or restore the whole database'
    for table, message in {
        'agents': f'{b}: it has no table "agents" (its tables: messages, users)',
        'v': f'{b}: v is a view: restore the tables that it reads',
        'r': f'{b}: r is a virtual table (rtree), {by_itself}',
        'R_node': f'{b}: r_node belongs to r; r is a virtual table (rtree), {by_itself}',
        'f_data': f'{b}: f_data belongs to f; f is a virtual table (fts5) over messages: restore f, and it is rebuilt',
        'own_content': (f'{b}: own_content has the name of a table that belongs to own, a virtual table (fts5) over it, and is '
                        'not restored by itself: ATTACH backup_uri(…) and copy its rows, or restore the whole database'),
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
    # The same on a connection that has it open, as a shell that was started on it: nothing is to be closed for that.
    for db, target in (None, 'garbage.db'), (connect('garbage.db'), 'main'):
        assert refused(backup, target, ['users'], db) == (
            'T/garbage.db: cannot be read as a database, so no part of it can be restored (restore all of it, without '
            '"tables")')
    assert refused('./app.db', 'app.db', ['users']) == 'T/app.db: backup and target are the same file'
    assert everything('app.db') == before and not saved_copies() and not os.path.exists('new.db')
    # A name once or twice, in any case.
    assert [t['table'] for t in part(backup, 'app.db', ['USERS', 'users'])['tables']] == ['users']
    assert [t['table'] for t in part(backup, 'app.db', 'users')['tables']] == ['users']


def fulltext():
    """Indexes over a restored table are rebuilt; triggers do not run, and are named."""
    backup = shop(FTS)
    for mode, found in ('replace', [4]), ('missing', [4]), ('merge', [4]):
        run('app.db', """DELETE FROM messages WHERE id = 4; DROP TRIGGER au; UPDATE messages SET body = 'cat' WHERE id = 5;
            INSERT INTO messages VALUES (6, 1, 'a fox too');
            CREATE TRIGGER au BEFORE UPDATE ON messages BEGIN SELECT RAISE(FAIL, 'never'); END;""")
        report = part(backup, 'app.db', ['messages'], rows=mode)
        assert report['notes'] == ('full-text index five was rebuilt\nfull-text index four was rebuilt\n'
                                   'triggers on messages did not run: ad, ai, au'), report
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


def indexes():
    """Full-text indexes with external content, named: rebuilt, and made where they are missing."""
    backup = shop("""INSERT INTO messages VALUES (4, 1, 'a fox'); CREATE VIEW v AS SELECT id, body FROM messages;
        CREATE VIRTUAL TABLE f USING fts5(body, content=messages, content_rowid=id);
        CREATE VIRTUAL TABLE "g ""4" USING fts4(content=messages);
        CREATE VIRTUAL TABLE over USING fts5(body, content=v, content_rowid=id); INSERT INTO f(f) VALUES ('rebuild');
        INSERT INTO "g ""4"("g ""4") VALUES ('rebuild'); INSERT INTO over(over) VALUES ('rebuild')""")

    def found(index):
        return [r for r, in rows('app.db', f"SELECT rowid FROM {index} WHERE {index} MATCH 'fox'")]

    made = 'full-text index {0} was missing and was made\nfull-text index {0} was rebuilt'.format
    for name, index in ('F', 'f'), ('g "4', '"g ""4"'), ('over', 'over'):
        run('app.db', "INSERT INTO messages VALUES (9, 1, 'fox too')")
        assert found(index) == [4]
        report = part(backup, 'app.db', [name])
        assert report['notes'] == f'full-text index {name.lower()} was rebuilt' and report['tables'] == [], report
        assert report['pre_restore'] and found(index) == [4, 9]
        run('app.db', f'DROP TABLE {index}')
        assert part(backup, 'app.db', [name, name])['notes'] == made(name.lower())
        assert found(index) == [4, 9]
        # Nobody needs it: it may be gone on purpose.
        run('app.db', f'DROP TABLE {index}; DELETE FROM messages WHERE id = 9')
        assert part(backup, 'app.db', ['messages'])['notes'] == UNSAVED
        assert part(backup, 'app.db', ['messages', name])['notes'] == made(name.lower())
        assert found(index) == [4]
    whole = everything('app.db')[0]
    # What it is over is gone.
    run('app.db', 'DROP TABLE f; DROP TABLE messages')
    assert refused(backup, 'app.db', ['f']) == (
        'T/app.db: f is a virtual table (fts5) over messages, which is not here: restore messages as well')
    report = part(backup, 'app.db', ['f', 'messages'])
    assert made('f').split('\n')[0] in report['notes'] and found('f') == [4] and everything('app.db')[0] == whole
    run('app.db', 'DROP TABLE over; DROP VIEW v')
    assert refused(backup, 'app.db', ['over']) == (
        'T/app.db: over is a virtual table (fts5) over the view v, which is not here: make that view first (the backup has '
        'its CREATE VIEW)')
    # Its name is something else's.
    for sql in 'CREATE TABLE f(x)', 'CREATE VIRTUAL TABLE f USING fts5(body)', 'CREATE VIEW f AS SELECT 1':
        run('app.db', f'DROP TABLE f; {sql}')
        assert refused(backup, 'app.db', ['f']) == (
            'T/app.db: table f: it is a virtual table (fts5) over messages in the backup, and something else here')
        run('app.db', 'DROP VIEW f; CREATE TABLE f(x)' if 'VIEW' in sql else '')
    run('app.db', 'DROP TABLE f; CREATE TABLE f_data(x)')
    before = everything('app.db')
    message = refused(backup, 'app.db', ['f'])
    assert message.startswith('the virtual table f could not be made: T/app.db: ') and 'f_data' in message, message
    assert everything('app.db') == before
    sound()


def missing_indexes():
    """An index that triggers write to, or whose table is made, comes back with its table."""
    sql = """CREATE TABLE m(id INTEGER PRIMARY KEY, body); INSERT INTO m VALUES (1, 'fox');
        CREATE VIRTUAL TABLE f USING fts5(body, content=m, content_rowid=id);
        CREATE VIRTUAL TABLE e USING fts5(body, content=m, content_rowid=id);
        CREATE TRIGGER ai AFTER INSERT ON m BEGIN INSERT INTO f(rowid, body) VALUES (new.id, new.body);
          INSERT INTO e(rowid, body) VALUES (new.id, new.body); END;
        INSERT INTO e(e) VALUES ('rebuild'); INSERT INTO f(f) VALUES ('rebuild');"""
    run('app.db', sql)
    backup = create('app.db')
    for drop, first in (('DROP TABLE f; DROP TABLE e', ''), ('DROP TABLE f; DROP TABLE e; DROP TABLE m',
                                                             'table m was missing and was made, with trigger ai\n')):
        run('app.db', drop)
        notes = part(backup, 'app.db', ['m'])['notes']
        assert notes.startswith(first) and all(f'full-text index {name} was {what}' in notes.split('\n') for name in 'fe'
                                               for what in ('missing and was made', 'rebuilt')), notes
        run('app.db', "INSERT INTO m(body) VALUES ('a fox'); INSERT INTO f(f) VALUES ('integrity-check')")
        assert rows('app.db', "SELECT count(*) FROM e WHERE e MATCH 'fox'") == rows('app.db', 'SELECT count(*) FROM m')
    # A tokenizer that is not here: the rows come, without the index, unless that was asked for.
    with gzip.open(backup) as old, open('unknown.db', 'wb') as new:
        new.write(old.read())
    db = sqlite3.connect('unknown.db', isolation_level=None)
    db.execute('PRAGMA writable_schema=ON')
    db.execute("UPDATE sqlite_schema SET sql = replace(sql, 'content_rowid=id', 'tokenize=mine') WHERE name = 'e'")
    db.close()
    run('app.db', 'DROP TABLE e; DELETE FROM m')
    report = part('./unknown.db', 'app.db', ['m'])
    assert counts(report) == (1, 0, 0, 0)
    why = 'the virtual table e could not be made: T/app.db: '
    assert report['notes'].replace(T, 'T').startswith(f'full-text index e is missing: {why}'), report
    assert refused('./unknown.db', 'app.db', ['e', 'm']).startswith(why)
    sound()


def triggers():
    """Every table that triggers would have written to is named, unless it is restored or rebuilt as well."""
    sql = """CREATE TABLE m(id INTEGER PRIMARY KEY, body, n INT AS (id + 1)); INSERT INTO m VALUES (1, 'one'), (2, 'two');
        CREATE VIRTUAL TABLE f USING fts5(body); CREATE VIRTUAL TABLE r USING rtree(id, a, b);
        CREATE VIRTUAL TABLE four USING fts4(body); CREATE TABLE audit(x); CREATE TABLE "odd, one"(x);
        CREATE TABLE counted(n); CREATE VIEW v AS SELECT * FROM audit; CREATE TABLE behind(x); CREATE TABLE never(x);
        CREATE TABLE kept(x INTEGER PRIMARY KEY AUTOINCREMENT);"""
    triggers = """CREATE TRIGGER ai AFTER INSERT ON m BEGIN INSERT INTO f(rowid, body) VALUES (new.id, new.body);
          UPDATE m SET body = body WHERE id = new.id; INSERT INTO four(docid, body) VALUES (new.id, new.body); END;
        CREATE TRIGGER ad BEFORE DELETE ON m BEGIN DELETE FROM f WHERE rowid = old.id; DELETE FROM r WHERE id = old.id;
          INSERT INTO kept VALUES (NULL); END;
        CREATE TRIGGER au AFTER UPDATE OF body ON m BEGIN INSERT INTO v VALUES (1); UPDATE "odd, one" SET x = x + 1; END;
        CREATE TRIGGER instead INSTEAD OF INSERT ON v BEGIN INSERT INTO behind VALUES (new.x); END;
        CREATE TRIGGER further AFTER INSERT ON behind BEGIN REPLACE INTO counted VALUES (1); END;"""
    run('app.db', sql + triggers)
    backup = create('app.db')
    run('app.db', 'DELETE FROM m')
    report = part(backup, 'app.db', ['m'])
    note, written = report['notes'].split(' (they write to: ')
    assert note == 'triggers on m did not run: ad, ai, au', report
    assert sorted(written[:-1].replace('odd, one', 'odd one').split(', ')) == [
        'behind', 'counted', 'f', 'four', 'kept', 'odd one', 'r', 'v'], report
    run('app.db', 'DROP TRIGGER ad; DROP TRIGGER au; DELETE FROM m')
    assert part(backup, 'app.db', ['m'])['notes'] == 'triggers on m did not run: ai (they write to: f, four)'
    # What only the application knows, or what is gone.
    run('app.db', 'CREATE TRIGGER az AFTER DELETE ON m BEGIN INSERT INTO audit VALUES (nowhere()); END; UPDATE m SET body = 1')
    assert part(backup, 'app.db', ['m'])['notes'] == (
        'triggers on m did not run: ai, az (they write to: f, four, audit; what else is not known here: no such function: '
        'nowhere)')
    run('app.db', 'DROP TRIGGER az; DROP TRIGGER ai; CREATE TRIGGER ai AFTER INSERT ON m BEGIN INSERT INTO gone '
                  'VALUES (1); END; UPDATE m SET body = 1')
    assert part(backup, 'app.db', ['m'])['notes'] == (
        'triggers on m did not run: ai (what they write to is not known here: no such table: main.gone)')
    # Restored along.
    run('app.db', f'DROP TRIGGER ai; {triggers[:triggers.index("CREATE TRIGGER instead")]} DROP TRIGGER ad; UPDATE m SET '
                  'body = 1')
    report = part(backup, 'app.db', ['m', 'odd, one', 'behind', 'counted'])
    assert report['notes'].split('\n')[-2:] == [
        'triggers on m did not run: ai, au (they write to: f, v, four)', 'triggers on behind did not run: further'], report
    assert rows('app.db', 'SELECT (SELECT count(*) FROM behind), (SELECT count(*) FROM audit)') == [(0, 0)]
    sound()
    # A virtual table that is damaged, which its module says with a code of its own.
    run('place.db', '''CREATE TABLE place(id INTEGER PRIMARY KEY, x); INSERT INTO place VALUES (1, 2);
                       CREATE VIRTUAL TABLE r USING rtree(id, a, b);
                       CREATE TRIGGER pr AFTER INSERT ON place BEGIN INSERT INTO r VALUES (new.id, 1, 2); END;''')
    backup = create('place.db')
    run('place.db', "DELETE FROM place; UPDATE r_node SET data = x'00'")
    report = part(backup, 'place.db', ['place'], rows='missing')
    assert report['tables'][0]['added'] == 1 and report['notes'] == (
        'triggers on place did not run: pr (they write to: r; what else is not known here: undersize RTree blobs in "r_node")'
        ), report


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


def byte_order_marks():
    """Texts that begin with U+FEFF, as those from some files do, in every encoding: of keys, and of other columns."""
    texts = ['\ufeffid', '\ufeff', '\ufeff\ufeffx', 'id', '']
    for encoding in 'UTF-8', 'UTF-16le', 'UTF-16be':
        path = encoding + '.db'
        db = sqlite3.connect(path, isolation_level=None)
        db.execute(f"PRAGMA encoding='{encoding}'")
        db.executescript('CREATE TABLE t(k TEXT PRIMARY KEY, v); CREATE TABLE swapped(k TEXT PRIMARY KEY)')
        db.executemany('INSERT INTO t VALUES (?, ?)', zip(texts, reversed(texts)))
        db.execute("INSERT INTO swapped VALUES (CAST(x'fffe6100' AS TEXT)), (CAST(x'fefffffe0061' AS TEXT)), (char(65534, 97))")
        everything = 'SELECT rowid, hex(k), hex(v) FROM t UNION ALL SELECT rowid, hex(k), NULL FROM swapped'
        before = db.execute(everything).fetchall()
        backup = create(path)
        assert part(backup, path, ['t', 'swapped'], rows='replace')['pre_restore'] is None, encoding  # all is equal
        db.executescript("DELETE FROM t WHERE rowid IN (1, 3); UPDATE t SET v = 'lost' WHERE rowid = 2; DELETE FROM swapped")
        assert counts(part(backup, path, ['t', 'swapped'], rows='merge'), 't') == (2, 1, 0, 2), encoding
        assert db.execute(everything).fetchall() == before, (encoding, before)
        db.close()


def unknown_here():
    """A collation or function that only the application has."""
    db = sqlite3.connect('app.db', isolation_level=None)
    db.create_collation('mine', lambda a, b: (a > b) - (a < b))
    db.executescript("""CREATE TABLE c(id INTEGER PRIMARY KEY, a TEXT COLLATE mine UNIQUE); INSERT INTO c VALUES (1, 'a');
        CREATE TABLE k(i, a TEXT COLLATE mine, PRIMARY KEY(i, a)) WITHOUT ROWID; INSERT INTO k VALUES (1, 'a');
        CREATE TABLE n(i, a TEXT, PRIMARY KEY(i, a)) WITHOUT ROWID; INSERT INTO n VALUES (1, 'a');""")
    db.create_function('own', 1, lambda x: x, deterministic=True)
    db.execute('CREATE TABLE s(id INTEGER PRIMARY KEY, a AS (own(id)) STORED)')
    backup = create('app.db')
    db.executescript('DELETE FROM c; DELETE FROM k; DELETE FROM n')
    db.close()
    for verify in False, 'quick':
        assert refused(backup, 'app.db', ['k'], verify=verify) == (
            'table k cannot be restored by itself here: T/backups/app_sqlite_STAMP.db.gz: '
            'no such collation sequence: mine')
    assert refused(backup, 'app.db', ['s']) == (
        'table s cannot be restored by itself here: T/app.db: unknown function: own()')
    assert counts(part(backup, 'app.db', ['n'])) == (1, 0, 0, 0)
    assert refused(backup, 'app.db', ['c'], verify=False) == (
        'table c cannot be restored by itself here: T/app.db: no such collation sequence: mine')


main(globals())

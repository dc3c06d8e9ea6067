# Restoring some tables: foreign keys, and rows that refer to nothing; one test each.
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '../sqlite'))
from lifeboat import create, main, saved_copies  # noqa: E402
from part_shared import SHOP, counts, everything, part, refused, rows, run, shop  # noqa: E402


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


def orphans_by_the_thousand():
    """What would mend them is looked up once for two tables, not for each row, which takes the longer the more tables
    there are."""
    run('app.db', 'BEGIN;' + ''.join(f'CREATE TABLE beside{i}(a, b, c);' for i in range(1000)) +
        """CREATE TABLE p(id INTEGER PRIMARY KEY); CREATE TABLE c(id INTEGER PRIMARY KEY, p REFERENCES p);
           INSERT INTO c WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 60000) SELECT i, i FROM n;
           COMMIT;""")
    backup = create('app.db')
    run('app.db', 'DELETE FROM c')
    began = time.monotonic()
    assert part(backup, 'app.db', ['c'])['notes'] == 'rows that refer to rows which are not there, as they did in the backup: 60000'
    run('app.db', 'DELETE FROM c; ALTER TABLE c RENAME TO d; CREATE TABLE c(id INTEGER PRIMARY KEY, p REFERENCES d)')
    assert '; and 59995 more' in refused(backup, 'app.db', ['c'])
    assert time.monotonic() - began < 20, time.monotonic() - began


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


def orphans_that_changed():
    """A rowid that held an orphan before excuses neither another row there, nor the same row that leads elsewhere."""
    for key, row in ('k TEXT PRIMARY KEY', 1), ('k INTEGER PRIMARY KEY', 2), ('k', 1):
        run('app.db', f"""DROP TABLE IF EXISTS c; DROP TABLE IF EXISTS p; CREATE TABLE p(id INTEGER PRIMARY KEY);
            CREATE TABLE c({key}, p REFERENCES p); INSERT INTO p VALUES (5); INSERT INTO c VALUES (2, 5)""")
        backup = create('app.db')
        for spoil in 'DELETE FROM c; INSERT INTO c VALUES (3, 99)', 'UPDATE c SET p = 99':
            run('app.db', f'{spoil}; DELETE FROM p')
            before = everything('app.db')
            assert refused(backup, 'app.db', ['c']).endswith(
                f'nothing was changed: c row {row} refers to p (restore as well: p)'), (key, spoil)
            assert everything('app.db') == before
            part(backup, 'app.db', ['c', 'p'])
    # Another row at the same rowid, which leads nowhere in the same way.
    run('app.db', 'DROP TABLE c; DROP TABLE p; CREATE TABLE p(id INTEGER PRIMARY KEY); INSERT INTO p VALUES (99); '
                  "CREATE TABLE c(k TEXT PRIMARY KEY, p REFERENCES p); INSERT INTO c VALUES ('y', 99)")
    backup = create('app.db')
    run('app.db', "DELETE FROM p; UPDATE c SET k = 'x'")
    assert 'c row 1 refers to p' in refused(backup, 'app.db', ['c'])
    # Keys of several columns that read alike in one piece.
    run('app.db', 'DROP TABLE c; DROP TABLE p; CREATE TABLE p(id INTEGER PRIMARY KEY); INSERT INTO p VALUES (9); '
                  'CREATE TABLE c(a INT, b INT, p REFERENCES p, PRIMARY KEY(a, b)); INSERT INTO c VALUES (1, 23, 9), (12, 3, 9)')
    backup = create('app.db')
    run('app.db', 'DELETE FROM p; DELETE FROM c WHERE a <> 1')
    assert 'refers to p' in refused(backup, 'app.db', ['c'])


def orphans_that_stay():
    """Rows that lead nowhere in the backup as well come back, at whatever rowid, and after changes of the schema."""
    run('app.db', """CREATE TABLE p(id INTEGER PRIMARY KEY); CREATE TABLE c(k TEXT, n INT, p TEXT REFERENCES p,
                     b BLOB, PRIMARY KEY (k, n)); INSERT INTO c VALUES ('y', 1, '99', 1), ('z', NULL, '98', 1);""")
    backup = create('app.db')
    run('app.db', """DROP TABLE c; CREATE TABLE c(k TEXT, n INT, p INT REFERENCES p, b BLOB, q REFERENCES p,
                     PRIMARY KEY (k, n)); INSERT INTO c VALUES ('x', 7, NULL, NULL, NULL);""")
    report = part(backup, 'app.db', ['c'], rows='missing')
    assert counts(report) == (2, 0, 0, 1)
    assert 'rows that refer to rows which are not there, as they did in the backup: 2' in report['notes'].split('\n')
    assert rows('app.db', "SELECT rowid, p FROM c WHERE k = 'y'") == [(3, 99)]


def advice_that_can_be_taken():
    """No table is advised that the backup does not have."""
    run('app.db', 'CREATE TABLE c(id INTEGER PRIMARY KEY, v); INSERT INTO c VALUES (1, 1)')
    backup = create('app.db')
    run('app.db', """DELETE FROM c; CREATE TABLE p(id INTEGER PRIMARY KEY);
                     ALTER TABLE c ADD COLUMN pid NOT NULL DEFAULT 9 REFERENCES p;""")
    assert refused(backup, 'app.db', ['c']) == (
        'T/app.db: rows would refer to rows that are not there, nothing was changed: c row 1 refers to p')
    run('app.db', 'DROP TABLE c; CREATE TABLE c(id INTEGER PRIMARY KEY, v); INSERT INTO c VALUES (1, 1), (2, 2); '
                  'CREATE TABLE d(c REFERENCES c); INSERT INTO d VALUES (2)')
    assert refused(backup, 'app.db', ['c']) == (
        'T/app.db: rows would refer to rows that are not there, nothing was changed: d row 1 refers to c')


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


main(globals())

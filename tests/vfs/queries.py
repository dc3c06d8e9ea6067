"""The same questions to a database and to its backups, read in place: the answers have to be equal.

    queries.py DIR [SEED]

Makes databases of many kinds in DIR (page sizes, encodings, auto-vacuum, WAL mode, WITHOUT ROWID, FTS5, R-Tree, rows
that overflow), backs each up as gzip, as zstd where that is built in, and as the old script did (one gzip member), and
asks each the same generated queries: of the database with Python's sqlite3, of the backups through the VFS. The
queries are the same in every run: all chance comes from SEED. The extension is LIFEBOAT_SO's. Prints how many answers
were compared; ends with status 1 at the first that differs.
"""
import gzip
import os
import random
import shutil
import sqlite3
import sys

ROWS = 1500
QUERIES = 40
# name, page size, encoding, auto_vacuum, journal mode
KINDS = [
    ("p512", 512, "UTF-8", 0, "delete"), ("p1024wal", 1024, "UTF-8", 1, "wal"), ("p2048", 2048, "UTF-16le", 2, "delete"),
    ("p4096", 4096, "UTF-8", 0, "delete"), ("p4096wal", 4096, "UTF-8", 0, "wal"), ("p8192", 8192, "UTF-16be", 1, "wal"),
    ("p16384", 16384, "UTF-8", 2, "delete"), ("p32768", 32768, "UTF-8", 0, "wal"),
    ("p65536", 65536, "UTF-8", 0, "delete"),
]
WORDS = "river stone amber quiet lantern harbour winter copper meadow signal thunder velvet orchard compass".split()


def connect(encoding="UTF-8"):
    db = sqlite3.connect(":memory:", uri=True)
    db.execute("PRAGMA encoding='%s'" % encoding)  # what is attached has to have that of main
    db.enable_load_extension(True)
    db.load_extension(os.environ["LIFEBOAT_SO"])
    return db


def fill(db, chance):
    def text(n):
        return " ".join(chance.choice(WORDS) for _ in range(n))
    db.executescript("""
        CREATE TABLE t(id INTEGER PRIMARY KEY, name TEXT, amount REAL, kind INTEGER, body BLOB);
        CREATE TABLE w(k TEXT PRIMARY KEY, n INTEGER, other TEXT) WITHOUT ROWID;
        CREATE VIRTUAL TABLE docs USING fts5(title, content);
        CREATE VIRTUAL TABLE boxes USING rtree(id, x0, x1, y0, y1);
        CREATE VIEW sums AS SELECT kind, count(*) AS n, sum(amount) AS total FROM t GROUP BY kind;
    """)
    db.executemany("INSERT INTO t VALUES(?, ?, ?, ?, ?)", (
        (i * 3, "%s %d" % (text(2), i), chance.random() * 1000 if i % 7 else None, chance.randrange(20),
         chance.randbytes(chance.choice((0, 10, 100, 700, 5000, 90000 if i % 100 == 0 else 10)))) for i in range(ROWS)))
    db.executemany("INSERT OR IGNORE INTO w VALUES(?, ?, ?)", (
        ("k%06d" % chance.randrange(10 ** 6), i, text(5)) for i in range(ROWS)))
    db.executemany("INSERT INTO docs VALUES(?, ?)", ((text(3), text(30)) for _ in range(ROWS // 4)))
    corners = [(chance.random() * 100, chance.random() * 100) for _ in range(ROWS)]
    db.executemany("INSERT INTO boxes VALUES(?, ?, ?, ?, ?)", (
        (i, x, x + 1, y, y + 2) for i, (x, y) in enumerate(corners)))
    db.executescript("CREATE INDEX t_name ON t(name); CREATE INDEX t_kind ON t(kind, amount);")
    db.execute("DELETE FROM t WHERE kind = 3")
    db.commit()


def make(path, page_size, encoding, vacuum, mode, chance):
    db = sqlite3.connect(path)
    db.executescript("PRAGMA page_size=%d; PRAGMA encoding='%s'; PRAGMA auto_vacuum=%d; PRAGMA synchronous=OFF;"
                     % (page_size, encoding, vacuum))
    db.execute("PRAGMA journal_mode=" + mode)
    fill(db, chance)
    db.close()


def questions(chance):
    i, word, other = (lambda: chance.randrange(3 * ROWS)), (lambda: chance.choice(WORDS)), (lambda: chance.choice(WORDS))
    shapes = [
        lambda: "SELECT id, name, amount, hex(body) FROM S.t WHERE id = %d" % i(),
        lambda: "SELECT id, length(body) FROM S.t WHERE id BETWEEN %d AND %d" % tuple(sorted((i(), i()))),
        lambda: "SELECT count(*), sum(length(body)), max(name) FROM S.t WHERE id > %d" % i(),
        lambda: "SELECT id, name FROM S.t ORDER BY id DESC LIMIT %d" % chance.randrange(1, 400),
        lambda: "SELECT id FROM S.t WHERE name >= '%s' ORDER BY name, id LIMIT 50" % word(),
        lambda: "SELECT id, amount FROM S.t WHERE kind = %d AND amount > %d" % (chance.randrange(20),
                                                                                chance.randrange(1000)),
        lambda: "SELECT kind, count(*), group_concat(id) FROM S.t WHERE name LIKE '%%%s%%' GROUP BY kind" % word(),
        lambda: "SELECT * FROM S.w WHERE k >= 'k%06d' LIMIT 40" % chance.randrange(10 ** 6),
        lambda: "SELECT w.k, t.id FROM S.w JOIN S.t ON t.id = w.n WHERE w.k < 'k%06d'" % chance.randrange(10 ** 5),
        lambda: "SELECT * FROM S.sums WHERE kind < %d" % chance.randrange(1, 20),
        lambda: "SELECT rowid, title FROM S.docs('%s %s') ORDER BY rank, rowid LIMIT 20" % (word(), other()),
        lambda: "SELECT rowid, content FROM S.docs WHERE rowid = %d" % chance.randrange(1, ROWS // 4),
        lambda: "SELECT id FROM S.boxes WHERE x0 < %d AND y1 > %d ORDER BY id" % (chance.randrange(100),
                                                                                  chance.randrange(100)),
        lambda: "SELECT hex(body) FROM S.t WHERE length(body) > 4000 AND id > %d ORDER BY id LIMIT 5" % i(),
        lambda: "SELECT type, name, sql FROM S.sqlite_schema ORDER BY rowid",
    ]
    return [shapes[n % len(shapes)]() for n in range(QUERIES)]


def answer(db, sql):
    """What the query gives, or that it fails: both sides have to do the same."""
    try:
        return db.execute(sql.replace("S.", "old.")).fetchall()
    except sqlite3.Error as e:
        return str(e)


def backups_of(directory, path):
    db = connect()
    codecs = ["gzip"] + (["zstd"] if "zstd" in db.execute("SELECT backup_version()").fetchone()[0] else [])
    made = [db.execute("SELECT backup_create(?, ?)", (path, '{"dir":"%s","compress":"%s"}' % (directory, codec)))
            .fetchone()[0] for codec in codecs]
    db.close()
    plain = sqlite3.connect(path)
    plain.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    plain.close()
    old = path + ".old.gz"
    with open(path, "rb") as source, gzip.open(old, "wb", 6) as target:
        shutil.copyfileobj(source, target)
    return made + [old]


def compare(directory, kind, chance):
    name, page_size, encoding, vacuum, mode = kind
    path = os.path.join(directory, name + ".db")
    make(path, page_size, encoding, vacuum, mode, chance)
    files = backups_of(directory, path)
    asked = questions(chance)
    plain = connect(encoding)
    plain.execute("ATTACH ? AS old", ("file:" + path,))
    wanted = [answer(plain, sql) for sql in asked]
    if sum(1 for w in wanted if w and not isinstance(w, str)) < QUERIES * 3 // 4:
        sys.exit("%s: most queries find nothing: they prove nothing" % name)
    for file in files:
        db = connect(encoding)
        uri = db.execute("SELECT backup_uri(?)", (file,)).fetchone()[0]
        db.execute("ATTACH ? AS old", (uri,))
        for sql, want in zip(asked, wanted):
            got = answer(db, sql)
            if got != want:
                sys.exit("%s: %s: %s\nwanted %.400s\ngot    %.400s" % (file, kind, sql, want, got))
        if db.execute("PRAGMA old.integrity_check").fetchall() != [("ok",)]:
            sys.exit("%s: integrity_check" % file)
        db.close()
    plain.close()
    return len(files) * QUERIES


def main():
    chance = random.Random(int(sys.argv[2]) if len(sys.argv) > 2 else 20251104)
    total = sum(compare(sys.argv[1], kind, chance) for kind in KINDS)
    print("%d answers" % total)


main()

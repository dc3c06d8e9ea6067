"""Damaged backups, read in place: an error or the right rows, never others, never a crash.

    damage.py gzip|zstd|old DIR

Flips bits all over a small backup (data, index, manifest, footer), and cuts it off at many lengths; each file is
attached and read whole. `old` is one gzip member without an index. At last a block is damaged while the backup is
attached: SQLITE_IOERR_DATA, and rows of other blocks are still there.
"""
import gzip
import os
import random
import shutil
import sqlite3
import sys

kind, directory = sys.argv[1:3]
chance = random.Random(4)
SCANS = ["SELECT * FROM old.t ORDER BY id", "SELECT name FROM old.t ORDER BY name"]
IOERR_DATA = 10 | 32 << 8


def connect():
    db = sqlite3.connect(":memory:", uri=True)
    db.enable_load_extension(True)
    db.load_extension(os.environ["LIFEBOAT_SO"])
    db.execute("SELECT backup_set('cache_mb', 1)").fetchone()
    return db


def make():
    path = os.path.join(directory, "app.db")
    db = sqlite3.connect(path)
    db.execute("CREATE TABLE t(id INTEGER PRIMARY KEY, name TEXT, body BLOB)")
    db.executemany("INSERT INTO t VALUES(?, ?, ?)", ((i, "name %d" % i, chance.randbytes(40) * 12) for i in range(5000)))
    db.execute("CREATE INDEX t_name ON t(name)")
    db.commit()
    db.close()
    if kind != "old":
        return connect().execute("SELECT backup_create(?, json_object('compress', ?, 'dir', ?))",
                                 (path, kind, directory)).fetchone()[0]
    with open(path, "rb") as source, gzip.open(path + ".gz", "wb", 6) as target:
        shutil.copyfileobj(source, target)
    return path + ".gz"


def read(path):
    """Everything, or None where it failed as it should."""
    db = connect()
    try:
        db.execute("ATTACH ? AS old", ("file:%s?vfs=lifeboat" % path,))
        return [db.execute(sql).fetchall() for sql in SCANS]
    except sqlite3.DatabaseError:
        return None
    finally:
        db.close()


def try_file(name, content, wanted, what):
    with open(name, "wb") as f:
        f.write(content)
    got = read(name)
    if got is not None and got != wanted:
        sys.exit("%s: other rows came out" % what)
    return got is None


def flips(content, wanted, name):
    size, refused = len(content), 0
    # all over the file, and densely at its end, where index and footer are
    places = [chance.randrange(size) for _ in range(150)] + [size - 1 - chance.randrange(900) for _ in range(100)] + \
        list(range(24))
    for place in places:
        damaged = bytearray(content)
        damaged[place] ^= 1 << chance.randrange(8)
        refused += try_file(name, damaged, wanted, "bit flipped at byte %d" % place)
    # of gzip's own header some bits mean nothing
    if refused < len(places) * 9 // 10:
        sys.exit("only %d of %d flips were noticed" % (refused, len(places)))


def cuts(content, wanted, name):
    for length in [chance.randrange(len(content)) for _ in range(40)] + list(range(len(content) - 20, len(content))):
        if not try_file(name, content[:length], wanted, "cut at %d" % length):
            sys.exit("cut at %d of %d bytes: not noticed" % (length, len(content)))
    for more in (b"\0", b"x" * 100, content[:1000]):
        if not try_file(name, content + more, wanted, "%d bytes more" % len(more)):
            sys.exit("%d bytes more: not noticed" % len(more))


def while_attached(path):
    db = connect()
    db.execute("ATTACH ? AS old", ("file:%s?vfs=lifeboat" % path,))
    first = db.execute("SELECT * FROM old.t WHERE id = 0").fetchone()
    with open(path, "r+b") as f:
        f.seek(os.path.getsize(path) // 2)
        byte = f.read(1)[0]
        f.seek(-1, os.SEEK_CUR)
        f.write(bytes([byte ^ 0x10]))
    try:
        db.execute(SCANS[0]).fetchall()
        sys.exit("damage while it was attached: not noticed")
    except sqlite3.DatabaseError as e:
        if e.sqlite_errorcode != IOERR_DATA:
            sys.exit("error code %d" % e.sqlite_errorcode)
    if db.execute("SELECT * FROM old.t WHERE id = 0").fetchone() != first:
        sys.exit("rows of other blocks are gone")


path = make()
wanted = read(path)
if not wanted or len(wanted[0]) != 5000:
    sys.exit("the whole file does not read")
with open(path, "rb") as f:
    content = f.read()
suffix = ".db.zst" if kind == "zstd" else ".db.gz"
flips(content, wanted, os.path.join(directory, "flipped" + suffix))
cuts(content, wanted, os.path.join(directory, "cut" + suffix))
while_attached(path)

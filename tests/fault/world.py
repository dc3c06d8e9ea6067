"""What the hostile-world tests share: databases to back up, and the questions asked after every mishap.

Standard library only, for Debian's /usr/bin/python3 (its sqlite3 can load extensions). LIFEBOAT_SO names the extension.
"""
import glob
import gzip
import hashlib
import os
import re
import shutil
import sqlite3

SO = os.environ["LIFEBOAT_SO"]
FINAL = re.compile(r"_sqlite_\d{8}_\d{6}(_\d+)?\.db\.(gz|zst)$")


class Broken(AssertionError):
    """An invariant that does not hold."""


def require(true, *what):
    if not true:
        raise Broken(" ".join(str(w) for w in what))


def connect(path=":memory:"):
    """A connection that has the extension."""
    db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    db.enable_load_extension(True)
    db.load_extension(SO)
    return db


def quote(text):
    return "'" + str(text).replace("'", "''") + "'"


def make_db(path, tag, rows=150, mode="delete", page=512, body=30):
    """A small database; tag tells its content from another's."""
    db = sqlite3.connect(path, isolation_level=None)
    db.execute(f"PRAGMA page_size={page}")
    db.execute(f"PRAGMA journal_mode={mode}")
    db.execute("BEGIN")
    db.execute("CREATE TABLE t(id INTEGER PRIMARY KEY, name TEXT, body BLOB)")
    db.execute("CREATE INDEX t_name ON t(name)")
    db.executemany("INSERT INTO t VALUES(?, ?, ?)", ((i, f"{tag} {i}", os.urandom(body)) for i in range(rows)))
    db.execute("COMMIT")
    db.close()
    return path


def file_digest(path):
    with open(path, "rb") as f:
        return hashlib.sha256(f.read()).hexdigest()


def unpacked_digest(path):
    with gzip.open(path) as f:
        return hashlib.sha256(f.read()).hexdigest()


def content(path):
    """A digest of what plain SQLite finds there (table t of make_db) after its own recovery; None: no database.
    Asserts that it is sound."""
    if not os.path.exists(path):
        return None
    db = sqlite3.connect(f"file:{path}?mode=rw", uri=True, isolation_level=None)
    try:
        result = db.execute("PRAGMA integrity_check").fetchall()
        require(result == [("ok",)], path, "is damaged:", result[:3])
        schema = db.execute("SELECT sql FROM sqlite_schema ORDER BY name").fetchall()
        digest = hashlib.sha256(repr(schema).encode())
        for row in db.execute("SELECT id, typeof(name), name, typeof(body), length(body), CAST(body AS BLOB) "
                              "FROM t ORDER BY id"):
            digest.update(repr(row[:5]).encode() + (row[5] or b""))
        return digest.hexdigest()
    except sqlite3.DatabaseError as error:
        if "not a database" in str(error):
            return None
        raise Broken(f"{path}: {error}") from error
    finally:
        db.close()


def finals(folder):
    return sorted(p for p in glob.glob(folder + "/*") if FINAL.search(p))


def partials(folder):
    return sorted(p for p in glob.glob(folder + "/.*") if p.endswith(".partial"))


def check_finals(db, folder, known=()):
    """Everything under a final name is whole. known: digests of content that it may have."""
    for path in finals(folder):
        result = db.execute("SELECT backup_verify(?)", (path,)).fetchone()[0]
        require(result == "ok", path, "has its final name and is not whole:", result)
        if path.endswith(".gz"):
            digest = unpacked_digest(path)
            require(not known or digest in known, path, "holds something else")
        else:
            require(os.path.getsize(path) > 0, path, "is empty")


def fresh(template, place):
    shutil.rmtree(place, ignore_errors=True)
    shutil.copytree(template, place)

"""A host that forks while it reads a backup: parent and child both go on, on old connections and on new ones.

    fork.py BACKUP      a backup of make_db's table t with 100000 rows
"""
import os
import sqlite3
import sys

ROWS, SUM = 100000, 5000050000


def connect():
    db = sqlite3.connect("file:%s?vfs=lifeboat" % sys.argv[1], uri=True)
    return db


def threads():
    return len(os.listdir("/proc/self/task"))


def ask(db):
    assert db.execute("SELECT count(*), sum(id), sum(length(body)) > 0 FROM t").fetchone() == (ROWS, SUM, 1)
    for i in range(1, ROWS, 9973):
        assert db.execute("SELECT name FROM t WHERE id = ?", (i,)).fetchone() == ("name %d" % i,)


loader = sqlite3.connect(":memory:")
loader.enable_load_extension(True)
loader.load_extension(os.environ["LIFEBOAT_SO"])
loader.execute("SELECT backup_set('cache_mb', 2)").fetchone()
before = threads()
db = connect()
rows = db.execute("SELECT id FROM t WHERE body IS NOT NULL")
seen = sum(rows.fetchone()[0] for _ in range(ROWS // 2))
if os.cpu_count() > 1:
    assert threads() > before, "nothing reads ahead"
child = os.fork()
if child == 0:
    assert threads() == 1
seen += sum(row[0] for row in rows)
assert seen == SUM, seen
ask(db)
other = connect()
ask(other)
other.close()
grandchild = os.fork() if child == 0 else None
if grandchild == 0:
    ask(db)
    ask(connect())
    os._exit(0)
if child == 0:
    os._exit(os.waitstatus_to_exitcode(os.waitpid(grandchild, 0)[1]))
assert os.waitpid(child, 0)[1] == 0, "the child failed"
db.close()
assert threads() == before, "threads were left"

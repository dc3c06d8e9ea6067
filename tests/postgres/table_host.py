"""A host that reads backup_table for long: interrupts, fork(), several scans at once, and how much memory it takes.

    LIFEBOAT_SO=… /usr/bin/python3 table_host.py BACKUP

BACKUP has a table wanted(id, a, b) of 150000 rows. Makes a dump of another tool beside it, of 40 MB, in which it comes last.
"""
import gzip
import os
import resource
import sqlite3
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "../fault")]
from world import connect, require  # noqa: E402

ROWS = 150000


def table(db, path, name="wanted", as_="x"):
    db.execute(f"CREATE VIRTUAL TABLE temp.{as_} USING backup_table('{path}', '{name}')")


def write_dump(path):
    with open(path, "w") as file:
        file.write("--\n-- PostgreSQL database dump\n--\n\nCREATE TABLE other (a text);\nCREATE TABLE wanted (id int);\n"
                   "COPY other (a) FROM stdin;\n")
        for _ in range(400):
            digits = os.urandom(49000).hex()
            file.write("\n".join(digits[at:at + 98] for at in range(0, len(digits), 98)) + "\n")
        file.write("\\.\n\nCOPY wanted (id) FROM stdin;\n1\n2\n\\.\n")


def threads_of_this_process():
    return len(os.listdir("/proc/self/task"))


def no_threads_left():
    """One that was joined is still listed for a moment."""
    deadline = time.monotonic() + 5
    while threads_of_this_process() > 1 and time.monotonic() < deadline:
        time.sleep(0.001)
    require(threads_of_this_process() == 1, "threads are left")


def check_fork(path):
    db = connect()
    table(db, path)
    scan = db.execute("SELECT id FROM x")
    seen = [scan.fetchone()[0] for _ in range(60000)]
    require(os.cpu_count() == 1 or threads_of_this_process() > 1, "nothing is read ahead")
    child = os.fork()
    if child == 0:
        code = 1
        try:
            rest = [row[0] for row in scan]
            again = db.execute("SELECT count(*) FROM x").fetchone()[0]
            code = 0 if len(set(seen + rest)) == ROWS and again == ROWS else 2
            scan.close()
            db.close()
        finally:
            os._exit(code)
    rest = [row[0] for row in scan]
    require(len(set(seen + rest)) == ROWS, "rows of the parent:", len(rest))
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid:
            break
        time.sleep(0.01)
    else:
        os.kill(child, 9)
        require(False, "the child of a fork hangs")
    require(status == 0, "the child of a fork read other rows:", status)
    db.close()
    no_threads_left()


def check_interrupt(path, sql, rows):
    """An interrupt ends it, and the table can be read afterwards."""
    db = connect()
    table(db, path)
    for _ in range(10):  # on a busy machine the interrupt may come too late
        timer = threading.Timer(0.01, db.interrupt)
        timer.start()
        try:
            db.execute(sql).fetchall()
        except sqlite3.OperationalError as error:
            require(str(error) == "interrupted", error)
            break
        finally:
            timer.join()
    else:
        require(False, "is not interrupted:", sql)
    require(db.execute("SELECT count(*) FROM x").fetchone()[0] == rows, "rows after an interrupt")


def check_many(path):
    db = connect()
    table(db, path)
    scans = [db.execute("SELECT id FROM x") for _ in range(5)]
    firsts = [[scan.fetchone()[0] for _ in range(20000)] for scan in scans]
    require(all(first == firsts[0] for first in firsts), "scans disturb each other")
    both = db.execute("SELECT count(*) FROM x AS p JOIN x AS q ON q.rowid = p.rowid WHERE p.rowid IN (1, 70000, 149999)")
    require(both.fetchone()[0] == 3, "a table joined with itself")
    # A statement that is over, and one that is given up, leave no threads.
    del scans, both
    db.execute("DROP TABLE x")
    no_threads_left()


def check_memory(path):
    """Peak, in MB, of scanning a dump of another tool: nothing that grows with it."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            db = connect()
            before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            table(db, path)
            require(db.execute("SELECT sum(id), count(*) FROM x").fetchone() == (3, 2), "rows of the dump")
            table(db, path, "other", "y")
            require(db.execute("SELECT count(*), max(length(a)) FROM y").fetchone() == (400000, 98), "rows of other")
            grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
            code = 0 if grown < 16000 or "asan" in os.environ.get("LD_PRELOAD", "") else 3
        finally:
            os._exit(code)
    require(os.waitpid(child, 0)[1] == 0, "memory, or rows, of", path)


def main():
    os.environ["BACKUP_DIR"] = os.getcwd()
    backup, plain = sys.argv[1], os.path.abspath("plain.sql")
    write_dump(plain)
    with open(plain, "rb") as file, gzip.open("plain.sql.gz", "wb", 1) as out:
        out.write(file.read())
    check_fork(backup)
    check_many(backup)
    check_memory(plain)
    check_memory(plain + ".gz")
    # All of the dump is read for a row that is not there.
    check_interrupt(plain + ".gz", "SELECT * FROM x WHERE id = 7", 2)
    check_interrupt(backup, "SELECT count(*) FROM x AS p JOIN x AS q WHERE q.rowid = p.rowid", ROWS)


if __name__ == "__main__":
    sys.exit(main())

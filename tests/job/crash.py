"""Kills, interrupts, fills disks and runs at once: what has to hold when the world does not.

    LIFEBOAT_SO=… /usr/bin/python3 crash.py kill-create|kill-restore|kill-copy|full|together|interrupt FOLDER [MODE]

kill-*: SIGKILL at random moments of operations on about 60 MB; ROUNDS says how many (default 10).
kill-copy: on 24 MB, while pages are copied into the target and holes punched where they were.
full: FOLDER is the root of a small file system of its own; it is filled to every level.
"""
import glob
import hashlib
import json
import os
import random
import signal
import sqlite3
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../fault"))
from world import connect, content, file_digest, finals, make_db, partials, require  # noqa: E402

ROUNDS = int(os.environ.get("ROUNDS", "10"))
MB = 1 << 20


def make_large(path, tag, megabytes, mode):
    db = sqlite3.connect(path, isolation_level=None)
    db.execute(f"PRAGMA journal_mode={mode}")
    db.execute("PRAGMA synchronous=OFF")
    db.execute("CREATE TABLE t(id INTEGER PRIMARY KEY, name TEXT, body BLOB)")
    db.execute("""INSERT INTO t WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)
                  SELECT i, ? || i, randomblob(25000) || zeroblob(7000) FROM n""", (megabytes * MB // 32768, tag))
    db.close()
    return path


def large_content(path):
    """A digest of the rows; asserts that the database is sound, after SQLite's own recovery."""
    db = sqlite3.connect(f"file:{path}?mode=rw", uri=True, isolation_level=None)
    try:
        require(db.execute("PRAGMA integrity_check").fetchall() == [("ok",)], path, "is damaged")
        digest = hashlib.sha256()
        for row in db.execute("SELECT id, name, hex(substr(body, 1, 64)) FROM t ORDER BY id"):
            digest.update(repr(row).encode())
        return digest.hexdigest()
    finally:
        db.close()


def call(db, sql, *args):
    """(result, None) or (None, error)."""
    try:
        return db.execute(sql, args).fetchone()[0], None
    except sqlite3.Error as error:
        return None, str(error)


def in_child(sql, args, kill_after=None):
    """Seconds that it took, and whether it was killed."""
    began = time.monotonic()
    child = os.fork()
    if child == 0:
        _, error = call(connect(), sql, *args)
        if error:
            print(error, flush=True)
        os._exit(1 if error else 0)
    if kill_after is not None:
        time.sleep(kill_after)
        os.kill(child, signal.SIGKILL)  # a child that has ended is still ours to wait for
    _, status = os.waitpid(child, 0)
    killed = os.WIFSIGNALED(status)
    require(not killed or os.WTERMSIG(status) == signal.SIGKILL, "died of signal", status)
    require(killed or os.WEXITSTATUS(status) == 0, "failed")
    return time.monotonic() - began, killed


# ---- kill -9 ----

def kill_create(folder):
    source = make_large(folder + "/app.db", "a", 60, "wal")
    before, backups = file_digest(source), folder + "/backups"
    os.mkdir(backups)
    sql, args = "SELECT backup_create(?, json_object('dir', ?))", (source, backups)
    seconds, _ = in_child(sql, args)
    db, kills = connect(), 0
    for _ in range(ROUNDS):
        kills += in_child(sql, args, random.random() * seconds)[1]
        require(file_digest(source) == before, "the source was changed")
        for path in finals(backups):
            require(call(db, "SELECT backup_verify(?)", path)[0] == "ok", path, "has its final name and is not whole")
            os.remove(path)
    in_child(sql, args)
    require(not partials(backups), "left behind:", partials(backups))
    require(os.path.exists(finals(backups)[0]), "no backup at the end")
    print(f"{kills} of {ROUNDS} killed")
    require(kills > 0, "nothing was killed")


def kill_restore(folder, mode):
    """Two backups, A and B: the target is always one of them, each round restores the other."""
    db, known, backups = connect(), {}, {}
    for tag in "ab":
        source = make_large(f"{folder}/{tag}.db", tag, 60 if tag == "a" else 45, mode)
        known[large_content(source)] = tag
        backups[tag] = db.execute("SELECT backup_create(?, json_object('dir', ?))", (source, folder)).fetchone()[0]
        os.remove(source)
    target, sql = folder + "/target.db", "SELECT backup_restore(?, ?, ?)"
    options = json.dumps({"overwrite": True, "dir": folder})
    in_child(sql, (backups["a"], target, options))
    seconds, _ = in_child(sql, (backups["b"], target, options))
    now, kills = "b", 0
    for _ in range(ROUNDS):
        other = "a" if now == "b" else "b"
        kills += in_child(sql, (backups[other], target, options), random.random() * seconds)[1]
        now = known.get(large_content(target))
        require(now, "the target is neither old nor new")
    for copy in glob.glob(target + ".before_restore.*"):
        require(known.get(large_content(copy)), copy, "is not what was there")
    in_child(sql, (backups["a"], target, options))
    require(known[large_content(target)] == "a", "the last restore did nothing")
    require(not partials(folder), "left behind:", partials(folder))
    print(f"{kills} of {ROUNDS} killed")
    require(kills > 0, "nothing was killed")


def holes_appear(child, folder):
    """Waits until the unpacked file loses blocks again; False when the child ends before."""
    most = 0
    while os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
        for path in partials(folder):
            try:
                blocks = os.stat(path).st_blocks
            except FileNotFoundError:
                continue
            if blocks < most:
                return True
            most = max(most, blocks)
    return False


def wal_grows(child, target):
    """Waits until pages of the transaction are in the -wal; False when the child ends before."""
    while os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
        if os.path.exists(target + "-wal") and os.path.getsize(target + "-wal") > MB:
            return True
    return False


def kill_copy(folder, mode, verify):
    """Killed when the first pages are in the target: straight from the backup (WAL, unchecked), or from the unpacked
    file, which has holes where they were."""
    db, known, backups = connect(), {}, {}
    for tag, megabytes in (("a", 24), ("b", 22)):
        source = make_large(f"{folder}/{tag}.db", tag, megabytes, mode)
        known[large_content(source)] = tag
        backups[tag] = db.execute("SELECT backup_create(?, json_object('dir', ?))", (source, folder)).fetchone()[0]
        os.remove(source)
    target, sql = folder + "/target.db", "SELECT backup_restore(?, ?, ?)"
    options = json.dumps({"overwrite": True, "dir": folder, "verify": verify and "quick", "pre_restore": False})
    in_place = mode == "wal" and not verify
    in_child(sql, (backups["a"], target, options))
    now, kills, unfinished = "a", 0, 0
    for turn in range(ROUNDS):
        other = "a" if now == "b" else "b"
        child = os.fork()
        if child == 0:
            os._exit(1 if call(connect(), sql, backups[other], target, options)[1] else 0)
        if wal_grows(child, target) if in_place else holes_appear(child, folder):
            time.sleep(turn * 0.015)  # from the first pages, or a third of the copy, to the commit and behind it
            os.kill(child, signal.SIGKILL)
        status = os.waitpid(child, 0)[1]
        require(os.WIFSIGNALED(status) or status == 0, "failed")
        before, now = now, known.get(large_content(target))
        require(now, "the target is neither old nor new")
        require(os.WIFSIGNALED(status) or now == other, "success was reported, and the target is not new")
        kills += os.WIFSIGNALED(status)
        unfinished += os.WIFSIGNALED(status) and now == before
    in_child(sql, (backups["a"], target, options))
    require(known[large_content(target)] == "a", "the last restore did nothing")
    require(not partials(folder), "left behind:", partials(folder))
    print(f"{kills} of {ROUNDS} killed, {unfinished} of them before the commit")
    require(unfinished > 0, "nothing was killed in the middle of the copy")


# ---- a full disk ----

def fill(folder, free):
    """Leaves about `free` bytes."""
    path = folder + "/filler"
    if os.path.exists(path):
        os.remove(path)
    fs = os.statvfs(folder)
    with open(path, "wb") as f:
        os.posix_fallocate(f.fileno(), 0, max(1, fs.f_bavail * fs.f_bsize - free))


def full_backups(folder):
    """The folder of backups is full: at every level an error that says so, or a whole backup."""
    elsewhere = os.environ["ELSEWHERE"]
    source = make_db(elsewhere + "/app.db", "a", rows=300, page=4096, body=4000)
    db, outcomes = connect(), set()
    for free in range(0, 2 * MB, 64 * 1024):
        fill(folder, free)
        path, error = call(db, "SELECT backup_create(?, json_object('dir', ?))", source, folder)
        outcomes.add(error is None)
        require(path or "space" in error or "full" in error, error)
        require(not partials(folder), "left behind:", partials(folder))
        require(len(finals(folder)) == (1 if path else 0), "failed, and yet:", finals(folder))
        if path:
            os.remove(folder + "/filler")
            require(call(db, "SELECT backup_verify(?)", path)[0] == "ok", path, "is not whole")
            os.remove(path)
        for left in glob.glob(folder + "/catalog.db*"):
            os.remove(left)
    require(outcomes == {True, False}, "only one outcome:", outcomes)


def full_target(folder, kind):
    """The target's folder is full, at every level: restored, or an error and the target as it was."""
    elsewhere = os.environ["ELSEWHERE"]
    db = connect()
    source = make_db(elsewhere + f"/{kind}.db", "new", rows=300, page=4096, body=4000)
    new = content(source)
    backup = db.execute("SELECT backup_create(?, json_object('dir', ?))", (source, elsewhere)).fetchone()[0]
    target, outcomes = folder + "/target.db", set()
    for free in range(0, 8 * MB, 256 * 1024):
        for left in glob.glob(target + "*"):
            os.remove(left)
        if os.path.exists(folder + "/filler"):
            os.remove(folder + "/filler")
        old = None
        if kind == "garbage":
            with open(target, "wb") as f:
                f.write(b"no database " * 100000)
            old = file_digest(target)
        elif kind != "new":
            make_db(target, "old", rows=100, page=4096, body=4000, mode=kind)
            old = content(target)
        fill(folder, free)
        report, error = call(db, """SELECT backup_restore(?, ?, '{"overwrite":true}')""", backup, target)
        outcomes.add(error is None)
        os.remove(folder + "/filler")
        # "I/O error": SQLite's own word where it cannot make the -shm of a WAL database.
        require(report or "space" in error or "full" in error or "I/O error" in error, error)
        require(not partials(folder), "left behind:", partials(folder))
        if report:
            require(content(target) == new, "success was reported, and the target is not new")
        elif kind == "garbage":
            require(file_digest(target) == old, free, "free: the target was touched:", error)
        else:
            require(content(target) == old, free, "free: the target was touched:", error)
    require(outcomes == {True, False}, kind, "only one outcome:", outcomes)


# ---- at once ----

def together(folder):
    """Three processes back two databases up into one folder and rotate it, all at once."""
    sources = [make_db(f"{folder}/{name}.db", name, rows=50, mode="wal") for name in ("one", "two")]
    backups, children = folder + "/backups", []
    os.mkdir(backups)
    for number in range(3):
        children.append(os.fork())
        if children[-1] == 0:
            db = connect()
            for turn in range(8):
                for sql in ("SELECT backup_create(?1, json_object('dir', ?2))",
                            "SELECT backup_rotate(json_object('dir', ?2, 'keep_last', 2)) + length(?1) * 0"):
                    _, error = call(db, sql, sources[(number + turn) % 2], backups)
                    if error:
                        print(sql, error, flush=True)
                        os._exit(1)
            os._exit(0)
    for child in children:
        require(os.waitpid(child, 0)[1] == 0, "a process failed")
    db = connect()
    require(not partials(backups), "left behind:", partials(backups))
    for name in ("one", "two"):
        mine = [p for p in finals(backups) if os.path.basename(p).startswith(name)]
        require(2 <= len(mine) <= 5, "not what rotation leaves:", mine)
        for path in mine:
            require(call(db, "SELECT backup_verify(?)", path)[0] == "ok", path, "is not whole")
    runs = call(db, "SELECT count(*) FROM backup_history(?) WHERE operation IN ('create', 'rotate') AND error IS NULL",
                backups)
    require(runs == (48, None), "history has", runs, "of 48 runs")


# ---- interrupts ----

def interrupted(db, sql, args, after):
    """Whether the interrupt came before the end; asserts that it was heard promptly."""
    at = [0.0]

    def stop():
        at[0] = time.monotonic()
        db.interrupt()

    timer = threading.Timer(after, stop)
    timer.start()
    _, error = call(db, sql, *args)
    ended = time.monotonic()
    timer.join()
    if error is None:
        return False
    require("interrupted" in error, error)
    require(ended - at[0] < 1.5, "heard after", ended - at[0], "seconds")
    return True


def ended_well(db, backups, operation, backup):
    """What the history says. SQLite itself lets a statement fail that was interrupted after the call's last look."""
    runs = db.execute("SELECT backup FROM backup_history(?) WHERE operation = ? AND error IS NULL", (backups, operation))
    return os.path.basename(backup) in [os.path.basename(run[0]) for run in runs]


def interrupt_each(folder):
    source = make_large(folder + "/app.db", "a", 100, "wal")
    db, backups, target = connect(), folder + "/backups", folder + "/target.db"
    os.mkdir(backups)
    backup = db.execute("SELECT backup_create(?, json_object('dir', ?))", (source, backups)).fetchone()[0]
    make_db(target, "old")
    old = content(target)
    into, slow = json.dumps({"dir": backups}), json.dumps({"dir": backups, "level": 9})
    over = json.dumps({"dir": backups, "overwrite": True, "pre_restore": False})
    for sql, args, delays in (
            ("SELECT backup_create(?, ?)", (source, slow), (0.2, 0.6)),
            ("SELECT backup_create(?, ?)", (source, into), (0.02, 0.05)),
            ("SELECT backup_verify(?, ?)", (backup, json.dumps({"dir": backups, "threads": 1})), (0.01, 0.03)),
            ("SELECT backup_verify(?, ?)", (backup, json.dumps({"dir": backups, "level": "full"})), (0.05, 0.1, 0.2)),
            ("SELECT backup_restore(?, ?, ?)", (backup, target, over), (0.02, 0.05, 0.1))):
        heard = [interrupted(db, sql, args, after) for after in delays]
        require(any(heard), sql, args[-1], "was never interrupted")
        require(not partials(backups) + partials(folder), "left behind:", partials(backups) + partials(folder))
        for path in finals(backups):
            if path != backup:
                require(ended_well(db, backups, "create", path), "interrupted, and yet there is", path)
                require(call(db, "SELECT backup_verify(?)", path)[0] == "ok", path, "is not whole")
                os.remove(path)
        if target in args and not ended_well(db, backups, "restore", backup):
            require(content(target) == old, "interrupted, and yet the target was changed")
    require(call(db, "SELECT backup_verify(?)", backup)[0] == "ok", "the backup does not verify any more")


def main():
    what, folder = sys.argv[1], os.path.realpath(sys.argv[2])
    if what == "kill-create":
        kill_create(folder)
    elif what == "kill-restore":
        kill_restore(folder, sys.argv[3])
    elif what == "kill-copy":
        kill_copy(folder, sys.argv[3], sys.argv[4:] == ["verify"])
    elif what == "full":
        full_backups(folder)
        for kind in ("new", "wal", "delete", "garbage"):
            full_target(folder, kind)
    elif what == "together":
        together(folder)
    elif what == "interrupt":
        interrupt_each(folder)
    else:
        sys.exit("crash.py: " + what + "?")


if __name__ == "__main__":
    main()

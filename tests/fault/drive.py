"""Makes every system call and allocation of one small operation fail in turn, and looks at what is left.

    LD_PRELOAD=shim.so LIFEBOAT_SO=… /usr/bin/python3 drive.py SCENARIO FOLDER
    LD_PRELOAD=shim.so LIFEBOAT_SO=… /usr/bin/python3 drive.py trace FOLDER

For every class of operation (write, sync, rename, unlink, open, size, read, map, thread, alloc), every way to fail
(an errno once; an errno from then on, as a full disk does; SIGKILL in the middle) and every N until nothing fails any
more: a fresh copy of the scenario's folder; a forked child runs the SQL with the N-th operation failing; then the
invariants are asked for, and a run without fault must succeed and leave no .partial behind.
Each step is a fork of this process, so that nothing is loaded twice and a crash is a wait status.
Allocations are thousands, most of them SQLite's own: every 79th fails (every 237th with all that follow), beginning
with another in every scenario; of what is read and opened, of which each fails alone, every third fails with all that
follow. FAULT_ALL=1 walks all of them. FAULT_CLASS=write walks that class alone.
"""
import ctypes
import errno
import glob
import gzip
import json
import os
import shutil
import signal
import sqlite3
import sys
import time

from world import (Broken, check_finals, connect, content, file_digest, finals, fresh, make_db, partials, quote,
                   require, unpacked_digest, SO)

ONCE, FROM_THEN_ON, KILL = range(3)
CLASSES = ["nothing", "write", "sync", "rename", "unlink", "open", "size", "read", "map", "thread", "alloc"]
WAYS = [
    ("write", errno.ENOSPC, FROM_THEN_ON), ("write", errno.EIO, ONCE), ("write", 0, KILL),
    ("sync", errno.EIO, ONCE), ("sync", errno.EIO, FROM_THEN_ON), ("sync", 0, KILL),
    ("rename", errno.EIO, ONCE), ("rename", errno.ENOSPC, FROM_THEN_ON), ("rename", 0, KILL),
    ("unlink", errno.EIO, ONCE), ("unlink", errno.EIO, FROM_THEN_ON), ("unlink", 0, KILL),
    ("open", errno.EMFILE, ONCE), ("open", errno.ENOSPC, FROM_THEN_ON), ("open", 0, KILL),
    ("size", errno.ENOSPC, ONCE), ("size", 0, KILL),
    ("read", errno.EIO, ONCE), ("read", errno.EIO, FROM_THEN_ON),
    ("map", errno.ENOMEM, ONCE),
    ("thread", errno.EAGAIN, ONCE),
    ("alloc", errno.ENOMEM, ONCE), ("alloc", errno.ENOMEM, FROM_THEN_ON),
]
HANG_SECONDS = 60
STRIDE = {("alloc", ONCE): 79, ("alloc", FROM_THEN_ON): 237, ("read", FROM_THEN_ON): 3, ("open", FROM_THEN_ON): 3}
WRONG_MAX = 10
SQLITE_OK, SQLITE_ROW, SQLITE_DONE = 0, 100, 101


# ---- one call with a fault ----

def shim():
    lib = ctypes.CDLL(None)
    lib.fault_arm.argtypes = [ctypes.c_int, ctypes.c_long, ctypes.c_int, ctypes.c_int]
    lib.fault_step.argtypes = [ctypes.c_void_p]
    lib.fault_report.restype = ctypes.c_char_p
    lib.fault_counted.restype = ctypes.c_long
    lib.fault_shift_clock.argtypes = [ctypes.c_long]
    return lib


def sqlite_library():
    """The library that Python's sqlite3 uses too, reached directly: nothing of Python runs while a fault is armed."""
    lib = ctypes.CDLL("libsqlite3.so.0", mode=ctypes.RTLD_GLOBAL)
    lib.sqlite3_column_text.restype = lib.sqlite3_errmsg.restype = ctypes.c_char_p
    lib.sqlite3_column_text.argtypes = [ctypes.c_void_p, ctypes.c_int]
    for name in ("sqlite3_errmsg", "sqlite3_finalize", "sqlite3_close"):
        getattr(lib, name).argtypes = [ctypes.c_void_p]
    lib.sqlite3_enable_load_extension.argtypes = [ctypes.c_void_p, ctypes.c_int]
    lib.sqlite3_load_extension.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_void_p]
    lib.sqlite3_prepare_v2.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int, ctypes.c_void_p,
                                       ctypes.c_void_p]
    return lib


def open_files():
    return len(os.listdir("/proc/self/fd"))


def threads_left():
    """A thread that was joined is listed by the kernel for a moment more."""
    until = time.monotonic() + 2
    while len(os.listdir("/proc/self/task")) > 1 and time.monotonic() < until:
        time.sleep(0.001)
    return len(os.listdir("/proc/self/task"))


def run_armed(sql, fault):
    """In the child: the result, as a dictionary."""
    lib, sqlite = shim(), sqlite_library()
    db, stmt = ctypes.c_void_p(), ctypes.c_void_p()
    sqlite.sqlite3_open(b":memory:", ctypes.byref(db))
    sqlite.sqlite3_enable_load_extension(db, 1)
    if sqlite.sqlite3_load_extension(db, SO.encode(), None, None):
        return {"rc": -1, "message": sqlite.sqlite3_errmsg(db).decode()}
    if sqlite.sqlite3_prepare_v2(db, sql.encode(), -1, ctypes.byref(stmt), None):
        return {"rc": -1, "message": sqlite.sqlite3_errmsg(db).decode()}
    before = open_files()
    lib.fault_arm(CLASSES.index(fault[0]), fault[1], fault[2], fault[3])
    rc = lib.fault_step(stmt)
    text = sqlite.sqlite3_column_text(stmt, 0) if rc == SQLITE_ROW else None
    result = {"fault": fault[0], "rc": rc, "text": text.decode() if text else None, "message": sqlite.sqlite3_errmsg(db).decode(),
              "happened": lib.fault_happened(), "counted": lib.fault_counted(), "report": lib.fault_report().decode()}
    sqlite.sqlite3_finalize(stmt)
    result["close"] = sqlite.sqlite3_close(db)
    result["leaked_files"] = open_files() - before
    result["threads"] = threads_left()
    return result


def run_child(sql, fault):
    """Forks; (wait status, result or None)."""
    from_child, to_parent = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(from_child)
        signal.alarm(HANG_SECONDS)
        try:
            answer = run_armed(sql, fault)
        except BaseException as error:  # whatever it is, the parent has to hear of it
            answer = {"rc": -1, "message": repr(error)}
        os.write(to_parent, json.dumps(answer).encode())
        os._exit(0)
    os.close(to_parent)
    with os.fdopen(from_child, "rb") as f:
        answer = f.read()
    _, status = os.waitpid(child, 0)
    return status, json.loads(answer) if answer else None


# ---- scenarios ----

class Scenario:
    """One operation in a folder of its own: prepare() makes the template, check() asks after each run."""

    def __init__(self, folder):
        self.template = folder + "/template"
        self.place = folder + "/place"
        self.backups = self.place + "/backups"
        os.makedirs(self.template + "/backups")
        self.db = connect()
        self.prepare()
        self.sql = self.statement()

    def in_template(self, name):
        return f"{self.template}/{name}"

    def in_place(self, name):
        return f"{self.place}/{name}"

    def back_up(self, source, options="{}"):
        """A backup in the template, made without faults; its path."""
        options = {**json.loads(options), "dir": self.template + "/backups"}
        return self.db.execute("SELECT backup_create(?, ?)", (source, json.dumps(options))).fetchone()[0]

    def check(self, done, answer):
        """done: whether the statement reported success (False: an error, or it was killed); answer: see run_armed."""
        raise NotImplementedError


class Create(Scenario):
    """more than one block, and one piece of core/appender.c and some, in few pages"""
    mode, options, size = "wal", {"threads": 2}, {"rows": 120, "page": 65536, "body": 9500}

    def prepare(self):
        self.source = make_db(self.in_template("app.db"), "source", mode=self.mode, **self.size)
        self.bytes = file_digest(self.source)
        self.content = content(self.source)
        # Not the very bytes of the source: SQLite's Backup API counts the schema cookie up.
        model = self.back_up(self.source, json.dumps(self.options))
        self.known = {unpacked_digest(model)} if model.endswith(".gz") else set()
        shutil.rmtree(self.template + "/backups")
        os.mkdir(self.template + "/backups")

    def statement(self):
        return (f"SELECT backup_create({quote(self.in_place('app.db'))}, "
                f"{quote(json.dumps({**self.options, 'dir': self.backups}))})")

    def check(self, done, answer):
        require(file_digest(self.in_place("app.db")) == self.bytes, "the source was changed")
        check_finals(self.db, self.backups, self.known)
        require(not done or answer["text"] in finals(self.backups), "success was reported, and there is no backup")
        fewer = answer and answer.get("fault") == "thread" and answer["counted"] > 1
        require(done or not fewer or self.options["threads"] == 1, "one thread was there, and did not do")
        if done:
            require(content(self.in_place("app.db")) == self.content, "the source has other content")


class CreateZstd(Create):
    """Compressing by one thread in rollback mode goes through a copy first; verified in full."""
    mode, size = "delete", {"rows": 16}
    options = {"threads": 1, "compress": "zstd", "verify": "full", "check": True}


class Restore(Scenario):
    """onto a database in WAL mode"""
    mode, page = "wal", 512
    options = {"overwrite": True}

    def prepare(self):
        source = make_db(self.in_template("source.db"), "new", rows=24)
        self.new = content(source)
        self.name = os.path.basename(self.back_up(source, '{"name":"app"}'))
        os.remove(source)
        self.make_target(self.in_template("app.db"))

    def make_target(self, path):
        make_db(path, "old", rows=12, mode=self.mode, page=self.page)
        self.old = content(path)

    def statement(self):
        options = json.dumps({**self.options, "dir": self.backups, "threads": 2, "timeout_ms": 300})
        return (f"SELECT backup_restore({quote(self.backups + '/' + self.name)}, {quote(self.in_place('app.db'))}, "
                f"{quote(options)})")

    def check(self, done, answer):
        now = content(self.in_place("app.db"))
        require(now == self.new or (not done and now == self.old), "the target is neither old nor new:",
                "success was reported" if done else "an error was reported", os.listdir(self.place))
        self.check_saved(now)
        check_finals(self.db, self.backups)

    def saved(self):
        copies = glob.glob(self.in_place("app.db.before_restore.*"))
        return [c for c in copies if not c.endswith(("-wal", "-journal"))]

    def check_saved(self, now):
        for copy in self.saved():
            require(content(copy) in (self.old, self.new), copy, "is not what was there")
        require(now == self.old or self.old is None or any(content(c) == self.old for c in self.saved()),
                "the old content is gone")


class RestoreInPlace(Restore):
    """onto a database in WAL mode, straight from the backup"""
    options = {"overwrite": True, "verify": False}


class RestoreNew(Restore):
    """where there is nothing"""

    def make_target(self, path):
        self.old = None


class RestoreRollback(Restore):
    """onto a database with a rollback journal"""
    mode = "delete"


class RestorePages(Restore):
    """onto a database in WAL mode with pages of another size"""
    page = 1024


class RestorePart(Restore):
    """a table into a database in WAL mode: rows come, change and go"""
    options = {"tables": ["t"]}

    def make_target(self, path):
        make_db(path, "old", rows=12, mode=self.mode, page=self.page)
        target = sqlite3.connect(path, isolation_level=None)
        target.execute("UPDATE t SET id = id + 30 WHERE id > 8")
        target.close()
        self.old = content(path)


class RestoreGarbage(Restore):
    """onto a file that is no database, beside a -wal that is valid and would be replayed into whatever lies there"""

    def make_target(self, path):
        make_db(path, "garbage", rows=12, mode="wal")
        writer = sqlite3.connect(path, isolation_level=None)
        writer.execute("UPDATE t SET name = 'stale' WHERE id = 3")
        shutil.copy(path + "-wal", path + ".kept")
        writer.close()
        os.rename(path + ".kept", path + "-wal")
        with open(path, "wb") as f:
            f.write(b"this is no database at all. " * 200)
        self.old, self.garbage, self.wal = None, file_digest(path), file_digest(path + "-wal")

    def check(self, done, answer):
        if done or self.is_new():
            require(self.is_new(), "success was reported, and the target is not new")
            require(not os.path.exists(self.in_place("app.db-wal")), "a stale -wal lies beside the new database")
            require(content(self.in_place("app.db")) == self.new, "the target is damaged")
        else:
            require(file_digest(self.in_place("app.db")) == self.garbage, "the target is neither old nor new")
        kept = {file_digest(p) for p in glob.glob(self.in_place("app.db*"))}
        require(self.garbage in kept, "the bytes that were there are gone")
        require(self.wal in kept, "the -wal that was there is gone")
        check_finals(self.db, self.backups)

    def is_new(self):
        with open(self.in_place("app.db"), "rb") as f:
            return f.read(16) == b"SQLite format 3\0"


class Verify(Scenario):
    """what cannot be read, or has no memory, is an error and no verdict on a sound backup"""

    def prepare(self):
        self.name = os.path.basename(self.back_up(make_db(self.in_template("app.db"), "source", rows=600)))

    def statement(self):
        return f"SELECT backup_verify({quote(self.backups + '/' + self.name)}, 'full')"

    def check(self, done, answer):
        if done:
            require(answer["text"] == "ok", "a sound backup was called damaged:", answer["text"])


class VerifyForeign(Verify):
    """of another tool: it is unpacked; its schema takes more than the first page"""

    def prepare(self):
        self.name = "app.db.gz"
        path = make_db(self.in_template("app.db"), "source")
        db = sqlite3.connect(path, isolation_level=None)
        for i in range(12):
            db.execute(f"CREATE TABLE of_many_{i}(a INTEGER PRIMARY KEY, b TEXT)")
        db.close()
        with gzip.open(self.in_template("backups/" + self.name), "wb") as f, open(path, "rb") as source:
            f.write(source.read())


class Rotate(Scenario):
    """of four old backups: the newest stays whatever happens, and so does the one that is to be kept for years"""

    def prepare(self):
        source = make_db(self.in_template("app.db"), "source")
        made = []
        for days, options in ((40, "{}"), (30, '{"retention_days":3650}'), (20, "{}"), (10, "{}")):
            shim().fault_shift_clock(-days * 86400)
            made.append(self.back_up(source, options))
        shim().fault_shift_clock(0)
        self.known = {unpacked_digest(made[0])}
        self.stay = sorted(os.path.basename(path) for path in (made[1], made[3]))

    def statement(self):
        return f"SELECT backup_rotate({quote(json.dumps({'dir': self.backups, 'retention_days': 1}))})"

    def check(self, done, answer):
        left = [os.path.basename(p) for p in finals(self.backups)]
        for name in self.stay:
            require(name in left, name, "must stay, and is gone")
        if done and answer["happened"]:
            require(4 - len(left) == int(answer["text"]), "removed", 4 - len(left), "but reported", answer["text"])
            require(left == self.stay or "alloc" in answer["fault"], "success was reported, and these are left:", left)
        elif done:
            require(left == self.stay, "without a fault these are left:", left)
        check_finals(self.db, self.backups, self.known)


class RotateDamaged(Scenario):
    """where the newest is known to be damaged: the last good one stays, and what was known is known afterwards"""

    def prepare(self):
        source = make_db(self.in_template("app.db"), "source")
        made = []
        for days in (40, 30, 20):
            shim().fault_shift_clock(-days * 86400)
            made.append(self.back_up(source))
        shim().fault_shift_clock(0)
        with open(made[-1], "r+b") as f:
            f.seek(600)
            f.write(b"damage")
        options = json.dumps({"dir": self.template + "/backups"})
        found = self.db.execute("SELECT backup_verify(?, ?)", (made[-1], options)).fetchone()[0]
        require(found != "ok", "the damage was not found")
        self.good = os.path.basename(made[1])

    def statement(self):
        return f"SELECT backup_rotate({quote(json.dumps({'dir': self.backups, 'retention_days': 1}))})"

    def check(self, done, answer):
        left = [os.path.basename(p) for p in finals(self.backups)]
        require(self.good in left, "the last good one is gone; left are", left)
        require(not glob.glob(self.backups + "/catalog.db.damaged*"), "a sound history was set aside")
        require(not done or answer["happened"] or left == [self.good], "without a fault these are left:", left)


SCENARIOS = {
    "create": Create, "create-zstd": CreateZstd, "restore-wal": Restore, "restore-new": RestoreNew,
    "restore-in-place": RestoreInPlace, "restore-rollback": RestoreRollback, "restore-pages": RestorePages,
    "restore-garbage": RestoreGarbage, "restore-part": RestorePart, "rotate": Rotate,
    "rotate-damaged": RotateDamaged,
    "verify": Verify, "verify-foreign": VerifyForeign,
}


# ---- the walk ----

def check_answer(status, answer, fault):
    """Whether success was reported; raises where the process did not end as it should."""
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        require(fault[3] == KILL and number == signal.SIGKILL, "died of signal", number)
        return False
    require(answer, "died without a word")
    require(answer["rc"] != -1, answer["message"])
    require(answer["close"] == 0, "the connection could not be closed: a statement was left open")
    require(answer["leaked_files"] == 0, answer["leaked_files"], "descriptors were left open")
    require(answer["threads"] == 1, answer["threads"], "threads are left")
    if answer["rc"] == SQLITE_ROW:
        require(answer["text"] is not None, "NULL instead of a result or an error")
        return True
    require(answer["message"] not in ("", "not an error", "unknown error"), "no reason was given:", answer)
    require("internal" not in answer["message"], answer["message"])
    return False


def one_fault(scenario, fault):
    """Whether the fault happened at all."""
    fresh(scenario.template, scenario.place)
    status, answer = run_child(scenario.sql, fault)
    done = check_answer(status, answer, fault)
    killed = os.WIFSIGNALED(status)
    happened = killed or answer["happened"]
    scenario.check(done, answer)
    if done and not partials(scenario.place) + partials(scenario.backups):
        return happened
    try:
        text = scenario.db.execute(scenario.sql).fetchone()[0]
    except sqlite3.Error as error:
        raise Broken(f"the run after it failed: {error}") from error
    scenario.check(True, {"text": str(text), "happened": False})
    for folder in (scenario.place, scenario.backups):
        require(not partials(folder), "a following run leaves behind", partials(folder))
    return happened


def walk(scenario, way):
    """Every N of one way to fail: how many faults happened, and what was wrong."""
    name, errnum, mode = way
    stride = 1 if os.environ.get("FAULT_ALL") else STRIDE.get((name, mode), 1)
    n, count, wrong = 1 + len(type(scenario).__name__) % stride, 0, []
    while len(wrong) < WRONG_MAX:
        try:
            if not one_fault(scenario, (name, n, errnum, mode)):
                break
        except Broken as broken:
            how = {ONCE: "once", FROM_THEN_ON: "from then on", KILL: "killed"}[mode]
            wrong.append(f"{name} {n}, {errno.errorcode.get(errnum, '')} {how}: {broken}")
        count += 1
        n += stride
    return count, wrong


def walk_all(scenario):
    total, failed = 0, False
    only = os.environ.get("FAULT_CLASS")
    for way in WAYS:
        if (way[0] == "alloc" and os.environ.get("FAULT_NO_ALLOC")) or (only and way[0] != only):
            continue
        count, wrong = walk(scenario, way)
        total += count
        for line in wrong:
            failed = True
            print(line)
    print(f"{total} faults")
    return failed or total < 10


def trace_all(folder):
    """What is written is flushed before it gets its name, and its folder after it."""
    failed = False
    for name, kind in SCENARIOS.items():
        scenario = kind(f"{folder}/{name}")
        fresh(scenario.template, scenario.place)
        status, answer = run_child(scenario.sql, ("nothing", 0, 0, ONCE))
        require(check_answer(status, answer, ("nothing", 0, 0, ONCE)), name, answer["message"])
        if answer["report"]:
            failed = True
            print(f"{name}: {answer['report']}")
    return failed


def main():
    os.environ.pop("BACKUP_DIR", None)
    what, folder = sys.argv[1], os.path.realpath(sys.argv[2])
    return trace_all(folder) if what == "trace" else walk_all(SCENARIOS[what](f"{folder}/{what}"))


if __name__ == "__main__":
    sys.exit(main())

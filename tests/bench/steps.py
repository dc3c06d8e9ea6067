"""The steps of run.py: what peers do with a SQLite database, what Lifeboat does, and what they do it with.

Each leaves nothing but what the next ones need. Environment: BENCH_DIR, SIZE_MB.
"""
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import time

from results import BUILD, LIFEBOAT, SHELL, TOOLS, Result, folder_size, fsync, quote, timed, warm

WORK = os.path.abspath(os.environ.get("BENCH_DIR") or os.path.join(BUILD, "bench"))
SIZE_MB = int(os.environ.get("SIZE_MB") or 1000)
CPUS = sorted(os.sched_getaffinity(0))


def path(*names):
    return os.path.join(WORK, *names)


def run(argv, output=None, env=None, cpu=None):
    """Runs a command to its end; its stdout goes to the file `output`; `cpu` pins it to a processor. Returns its peak
    memory in MiB."""
    pinned = ["taskset", "-c", str(cpu)] if cpu is not None else []
    with open(output or os.devnull, "wb") as out:
        status = subprocess.call([os.path.join(TOOLS, "peak"), path("peak")] + pinned + argv,
                                 stdin=subprocess.DEVNULL,
                                 stdout=out, env=dict(os.environ, **(env or {})))
    if status != 0:
        sys.exit("bench: exit status %d of %s" % (status, " ".join(argv)))
    with open(path("peak")) as f:
        return int(f.read()) / 1024


def remove(*names):
    for name in names:
        shutil.rmtree(name, ignore_errors=True) if os.path.isdir(name) else None
        for each in (name, name + "-wal", name + "-shm", name + "-journal"):
            if os.path.lexists(each):
                os.unlink(each)


def settle(*inputs):
    """Nothing left to write, everything to read in memory, and memory at hand."""
    os.sync()
    warm()
    for name in inputs:
        with open(name, "rb", buffering=0) as f:
            while f.read(1 << 20):
                pass


def lifeboat(sql, directory, output=None, **how):
    """One statement in a sqlite3 shell of its own. Returns peak memory of that process."""
    argv = SHELL + [":memory:", "-cmd", ".load " + quote(LIFEBOAT), sql]
    return run(argv, output=output, env={"BACKUP_DIR": directory}, **how)


def ask(sql, directory):
    out = path("answer")
    lifeboat(sql, directory, output=out)
    with open(out) as f:
        return f.read().strip()


def generate(db, megabytes, seed):
    run([os.path.join(TOOLS, "generate"), db, str(megabytes), str(seed)])


# ---- the peers ----

def peer_cp(s):
    remove(path("copy.db"))
    settle(s.db)
    parts = {}

    def work():
        began = time.monotonic()
        memory = run(["cp", s.db, path("copy.db")])
        parts["copied"] = time.monotonic() - began
        fsync(path("copy.db"))
        return memory
    result = timed(work)
    result.size, result.more = os.path.getsize(path("copy.db")), parts
    return result


def old_script(s, program):
    plain, packed = path("old.db"), path("old.db.gz")
    remove(plain, packed)
    settle(s.db)

    def work():
        memory = run(SHELL + [s.db, ".backup " + quote(plain)])
        memory = max(memory, run([program, "-6", plain]))
        fsync(packed)
        return memory
    result = timed(work)
    result.size = os.path.getsize(packed)
    if program == "gzip":
        os.replace(packed, s.gzip_file)
    return result


def peer_vacuum(s):
    remove(path("vacuum.db"))
    settle(s.db)

    def work():
        memory = run(SHELL + [s.db, "VACUUM INTO " + quote(path("vacuum.db"))])
        fsync(path("vacuum.db"))
        return memory
    result = timed(work)
    result.size = os.path.getsize(path("vacuum.db"))
    remove(path("vacuum.db"))
    return result


def peer_gunzip(s):
    remove(path("gunzip.db"))
    settle(s.gzip_file)

    def work():
        memory = run(["gunzip", "-c", s.gzip_file], output=path("gunzip.db"))
        fsync(path("gunzip.db"))
        return memory
    result = timed(work)
    remove(path("gunzip.db"))
    return result


def peer_gunzip_check(s):
    """What stands for a full verification where there is none."""
    remove(path("gunzip.db"))
    settle(s.gzip_file)

    def work():
        memory = run(["gunzip", "-c", s.gzip_file], output=path("gunzip.db"))
        return max(memory, run(SHELL + [path("gunzip.db"), "PRAGMA integrity_check"]))
    result = timed(work)
    remove(path("gunzip.db"))
    return result


def peer_gunzip_test(s):
    settle(s.gzip_file)
    return timed(lambda: run(["gunzip", "-t", s.gzip_file]))


def restic(*arguments):
    env = {"RESTIC_REPOSITORY": path("restic"), "RESTIC_PASSWORD": "bench", "RESTIC_CACHE_DIR": path("restic-cache"),
           "RESTIC_PROGRESS_FPS": "0.1"}
    return run(["restic", "--quiet"] + list(arguments), env=env)


def peer_restic(s):
    remove(path("restic"), path("restic-cache"))
    settle(s.db)

    def work():
        memory = max(restic("init"), restic("backup", s.db))
        os.sync()  # a repository is many files
        return memory
    result = timed(work)
    result.size = folder_size(path("restic"))
    return result


def peer_restic_restore(s):
    remove(path("restic-out"))
    settle()

    def work():
        memory = restic("restore", "latest", "--target", path("restic-out"))
        fsync(path("restic-out") + s.db)
        return memory
    result = timed(work)
    remove(path("restic-out"), path("restic"), path("restic-cache"))
    return result


def prepare_existing(s, wal, other=None):
    """The database to be replaced: as large, and of other rows."""
    target = path("existing.db")
    remove(target)
    shutil.copyfile(other or s.other_db, target)
    if wal:
        run(SHELL + [target, "PRAGMA journal_mode=WAL"])
    return target


def peer_restore_over(s, wal):
    target = prepare_existing(s, wal)
    settle(s.db, target)
    result = timed(lambda: run(SHELL + [target, ".restore " + quote(s.db)]))
    remove(target)
    return result


# ---- ours ----

def create(s, options, directory="backups", source=None, cpu=None):
    """One backup; more: how long the snapshot was held. Leaves the file, its path in more["path"]."""
    directory = path(directory)
    os.makedirs(directory, exist_ok=True)
    for name in os.listdir(directory):
        remove(os.path.join(directory, name))
    source = source or s.db
    settle(source)
    sql = "SELECT backup_create(%s, %s)" % (quote(source), quote(json.dumps(options)))
    result = timed(lambda: lifeboat(sql, directory, output=path("created"), cpu=cpu))
    with open(path("created")) as f:
        made = f.read().strip()
    held = ask("SELECT snapshot_seconds FROM backup_history WHERE operation='create' ORDER BY id DESC LIMIT 1",
               directory)
    result.size, result.more = os.path.getsize(made), {"path": made, "held": float(held)}
    return result


def create_default(s):
    result = create(s, {})
    os.replace(result.more["path"], s.our_file)
    return result


def create_zstd(s):
    result = create(s, {"compress": "zstd", "level": 3})
    os.replace(result.more["path"], s.our_zstd_file)
    return result


# ---- reading in place ----

SCAN = "SELECT count(*), sum(length(detail)), max(entity) FROM old.audit"  # the largest table
FILLED = "scan of the largest table, pages among those of others"  # as rows came: nearly all blocks hold some of it
CONTIGUOUS = "scan of the largest table, contiguous"               # after VACUUM
LOOKUP = "SELECT uuid FROM old.messages WHERE id = 40000"
LOAD = "loading the extension, new process"


def in_place(s, name, sql, times=1):
    """The median of so many new processes that attach the file of that name and ask; without a name they only load."""
    seconds, memory = [], 0
    if name:
        settle(name)
        uri = "file:" + name + ("?mode=ro" if name.endswith(".db") else "?vfs=lifeboat")
        sql = "ATTACH %s AS old; %s" % (quote(uri), sql)
    for _ in range(times):
        result = timed(lambda: lifeboat(sql, path("backups")))
        seconds.append(result.seconds)
        memory = max(memory, result.memory)
    return Result(statistics.median(seconds), memory)


def restore_new(s, verify, backup=None, name="restored.db"):
    target = path(name)
    remove(target)
    backup = backup or s.our_file
    settle(backup)
    options = json.dumps({"verify": verify})
    sql = "SELECT backup_restore(%s, %s, %s)" % (quote(backup), quote(target), quote(options))
    result = timed(lambda: lifeboat(sql, path("backups")))
    remove(target)
    return result


def prepare_contiguous(s):
    """The same rows, each table in one piece, and backups of that, once for all rounds."""
    if s.contiguous:
        return
    plain = path("contiguous.db")
    remove(plain)
    run(SHELL + [s.db, "VACUUM INTO " + quote(plain)])
    s.contiguous["plain"] = plain
    for codec in s.codecs:
        made = create(s, {"compress": codec}, "contiguous", plain).more["path"]
        s.contiguous[codec] = path(os.path.basename(made))
        os.replace(made, s.contiguous[codec])


def verify(s, backup=None, level="quick"):
    backup = backup or s.our_file
    settle(backup)
    out, sql = path("verified"), "SELECT backup_verify(%s, %s)" % (quote(backup), quote(level))
    result = timed(lambda: lifeboat(sql, path("backups"), output=out))
    with open(out) as f:
        if f.read().strip() != "ok":
            sys.exit("bench: backup_verify did not say ok")
    return result


def restore_over(s, wal, backup=None, other=None):
    backup, target = backup or s.our_file, prepare_existing(s, wal, other)
    settle(backup, target)
    options = json.dumps({"overwrite": True, "pre_restore": False, "verify": False})
    sql = "SELECT backup_restore(%s, %s, %s)" % (quote(backup), quote(target), quote(options))
    result = timed(lambda: lifeboat(sql, path("backups")))
    remove(target)
    return result


def bound(s, codec, level, threads, which):
    argv = [os.path.join(TOOLS, "bound"), s.db, codec, str(level), str(threads)]
    key = tuple(argv)
    if s.bounds.get(key, (0,))[0] != s.round:
        settle(s.db)
        memory = run(argv, output=path("bound"))
        with open(path("bound")) as f:
            lines = dict((line.split()[0], line.split()[1:]) for line in f)
        s.bounds[key] = (s.round, memory, lines)
    seconds, size = s.bounds[key][2][which]
    return Result(float(seconds), s.bounds[key][1], int(size) if which == "compress" else None)


# ---- a writer beside a backup ----

class Writer:
    """Commits all the time on a processor of its own, from start to stop."""

    def __init__(self, db, seconds):
        argv = ["taskset", "-c", str(CPUS[0]), os.path.join(TOOLS, "writer"), db, str(seconds)]
        self.process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
        if self.process.stdout.readline().strip() != "ready":
            sys.exit("bench: the writer did not start")

    def report(self, stop):
        if stop:
            self.process.send_signal(signal.SIGTERM)
        text = self.process.stdout.read()
        if self.process.wait() != 0:
            sys.exit("bench: the writer failed")
        return json.loads(text)


def fresh_wal(s):
    db = path("live.db")
    remove(db)
    shutil.copyfile(s.db, db)
    run(SHELL + [db, "PRAGMA journal_mode=WAL"])
    settle(db)
    return db


def writer_alone(s):
    report = Writer(fresh_wal(s), max(2.0, SIZE_MB / 200)).report(stop=False)
    return Result(report["seconds"], 0, more=report)


def writer_beside_backup(s):
    db = fresh_wal(s)

    def work():
        directory = path("live-backups")
        os.makedirs(directory, exist_ok=True)
        sql = "SELECT backup_create(%s, '{\"threads\":1}')" % quote(db)
        return lifeboat(sql, directory, cpu=CPUS[-1])
    remove(path("live-backups"))
    writer = Writer(db, 3600)
    result = timed(work)
    result.more = writer.report(stop=True)
    remove(db, path("live-backups"))
    return result

#!/usr/bin/python3
"""make bench: Lifeboat and its peers on one database in one run.

    SIZE_MB=1000 ROUNDS=3 BUILD=build tests/bench/run.py

Every round runs every step once, so that a slow minute of the machine hits all alike; the tables show medians, and
against a target counts the median of the rounds' own ratios. What is timed ends with its result on disk: peers get the
fsync of file and folder that Lifeboat does itself. Before each step old results are removed, dirty pages are written
out, and what the step reads is in the page cache. Peak memory is that of the largest process of a step, as the kernel
counts it (peak.c). Targets are those of the project: docs/performance.md has them in prose. The result is printed and
written to BUILD/bench.md. Reaching or missing a target does not change the exit status; a step that fails does.

Environment: SIZE_MB, ROUNDS, BUILD; BENCH_DIR (where the databases go: about 8 times SIZE_MB, default BUILD/bench);
BENCH_LEVELS (default "1 2 6 9": gzip levels whose lock is measured, those above 6 in the first round only),
BENCH_ONLY (a regular expression: only such steps).
"""
import json
import os
import re
import shutil
import signal
import statistics
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
BUILD = os.path.abspath(os.environ.get("BUILD") or os.path.join(ROOT, "build"))
WORK = os.path.abspath(os.environ.get("BENCH_DIR") or os.path.join(BUILD, "bench"))
SIZE_MB = int(os.environ.get("SIZE_MB") or 1000)
ROUNDS = int(os.environ.get("ROUNDS") or 3)
LEVELS = [int(x) for x in (os.environ.get("BENCH_LEVELS") or "1 2 6 9").split()]
ONLY = re.compile(os.environ.get("BENCH_ONLY") or "")
CPUS = sorted(os.sched_getaffinity(0))
TOOLS = os.path.join(BUILD, "tests", "bench")
LIFEBOAT = os.path.join(BUILD, "lifeboat")
SHELL = ["sqlite3", "-init", "/dev/null", "-batch", "-bail"]


def path(*names):
    return os.path.join(WORK, *names)


def quote(text):
    return "'" + text.replace("'", "''") + "'"


# ---- steps: what runs, how long, how much memory ----

class Result:
    def __init__(self, seconds, memory, size=None, more=None):
        self.seconds, self.memory, self.size, self.more = seconds, memory, size, more or {}


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


def fsync(name):
    for each, flags in ((name, os.O_RDONLY), (os.path.dirname(name), os.O_RDONLY | os.O_DIRECTORY)):
        fd = os.open(each, flags)
        os.fsync(fd)
        os.close(fd)


def remove(*names):
    for name in names:
        shutil.rmtree(name, ignore_errors=True) if os.path.isdir(name) else None
        for each in (name, name + "-wal", name + "-shm", name + "-journal"):
            if os.path.lexists(each):
                os.unlink(each)


def settle(*inputs):
    """Nothing left to write, and everything to read in memory."""
    os.sync()
    for name in inputs:
        with open(name, "rb", buffering=0) as f:
            while f.read(1 << 20):
                pass


def timed(work):
    """Runs work(), which returns MiB of memory."""
    began = time.monotonic()
    memory = work()
    return Result(time.monotonic() - began, memory)


def lifeboat(sql, directory, output=None, **how):
    """One statement in a sqlite3 shell of its own. Returns peak memory of that process."""
    argv = SHELL + [":memory:", "-cmd", ".load " + quote(LIFEBOAT), sql]
    return run(argv, output=output, env={"BACKUP_DIR": directory}, **how)


def ask(sql, directory):
    out = path("answer")
    lifeboat(sql, directory, output=out)
    with open(out) as f:
        return f.read().strip()


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


def folder_size(name):
    return sum(os.path.getsize(os.path.join(d, f)) for d, _, files in os.walk(name) for f in files)


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


# ---- the run ----

class State:
    """What the steps share, and what they found."""

    def __init__(self):
        self.round, self.bounds, self.results, self.order = 0, {}, {}, []
        self.db, self.other_db = path("bench.db"), path("other.db")
        self.gzip_file, self.our_file = path("bench.db.gz"), path("ours_sqlite_20000101_000000.db.gz")
        self.our_zstd_file = path("ours_sqlite_20000101_000000.db.zst")
        self.as_filled = {"plain": self.db, "gzip": self.our_file, "zstd": self.our_zstd_file}
        self.contiguous = {}

    def measure(self, name, step, *arguments):
        if not ONLY.search(name):
            return
        if name not in self.results:
            self.results[name] = []
            self.order.append(name)
        result = step(self, *arguments)
        result.round = self.round
        self.results[name].append(result)
        size = "%8.1f MB" % (result.size / 1e6) if result.size is not None else " " * 11
        print("round %d  %-46s %8.2f s %s %7.0f MiB" % (self.round, name, result.seconds, size, result.memory),
              flush=True)

    def values(self, name, what="seconds"):
        """By round."""
        found = [(r.round, getattr(r, what) if hasattr(r, what) else r.more.get(what)) for r in
                 self.results.get(name, [])]
        return {number: value for number, value in found if value is not None}

    def median(self, name, what="seconds"):
        return statistics.median(self.values(name, what).values()) if self.values(name, what) else None

    def ratio(self, a, b, what="seconds", of="seconds"):
        """The median of the rounds' own ratios: what was measured minutes apart is not compared."""
        dividends, divisors = self.values(a, what), self.values(b, of)
        ratios = [dividends[n] / divisors[n] for n in dividends if divisors.get(n)]
        return statistics.median(ratios) if ratios else None


def have(program):
    return shutil.which(program) is not None


def set_journal(s, mode):
    run(SHELL + [s.db, "PRAGMA journal_mode=" + mode])


def one_round(s):
    threads = len(CPUS)
    set_journal(s, "WAL")
    s.measure("bound: gzip level 2, from memory", bound, "gzip", 2, threads, "compress")
    s.measure("create, default (gzip level 2)", create_default)
    s.measure("cp", peer_cp)
    if "zstd" in s.codecs:
        s.measure("bound: zstd level 3, from memory", bound, "zstd", 3, threads, "compress")
        s.measure("create, zstd level 3", create_zstd)
    s.measure(".backup, gzip -6", old_script, "gzip")
    if have("pigz"):
        s.measure(".backup, pigz -6", old_script, "pigz")
    s.measure("VACUUM INTO", peer_vacuum)
    if have("restic"):
        s.measure("restic init, backup", peer_restic)
        s.measure("restic restore", peer_restic_restore)
    s.measure("bound: inflating in memory", bound, "gzip", 2, threads, "inflate")
    s.measure("gunzip to a file", peer_gunzip)
    s.measure("restore to a new file, verify false", restore_new, False)
    s.measure("restore to a new file, verify quick", restore_new, "quick")
    s.measure("restore to a new file, verify full (default)", restore_new, "full")
    s.measure("gunzip -t", peer_gunzip_test)
    s.measure("verify quick", verify)
    s.measure("gunzip to a file, integrity_check", peer_gunzip_check)
    s.measure("verify full", verify, None, "full")
    s.measure(LOAD, in_place, None, "SELECT 1", 21)
    for codec in s.codecs:
        s.measure("lookup in place, new process, " + codec, in_place, s.as_filled[codec], LOOKUP, 21)
    for kind in ["plain"] + s.codecs:
        s.measure("%s, %s" % (FILLED, kind), in_place, s.as_filled[kind], SCAN, 3)
    prepare_contiguous(s)
    for kind in ["plain"] + s.codecs:
        s.measure("%s, %s" % (CONTIGUOUS, kind), in_place, s.contiguous[kind], SCAN, 3)
    for mode, wal in (("rollback", False), ("WAL", True)):
        s.measure(".restore over an existing one, " + mode, peer_restore_over, wal)
        s.measure("restore over an existing one, " + mode, restore_over, wal)
    # In rollback mode a snapshot keeps writers waiting: what counts there is how long.
    set_journal(s, "DELETE")
    for level in LEVELS:
        if s.round == 1 or level <= 6:
            s.measure("create, rollback mode, gzip level %d" % level, create, {"compress": "gzip", "level": level})
    if "zstd" in s.codecs:
        s.measure("create, rollback mode, zstd level 3", create, {"compress": "zstd", "level": 3})
    s.measure("writer alone", writer_alone)
    s.measure("writer beside a backup", writer_beside_backup)


def memory_at(s, megabytes):
    """Once: memory does not depend on the noise of the machine."""
    label = "%d MB" % megabytes
    names = ["memory at %s: %s" % (label, step) for step in ("create", "restore", "verify", "restore over WAL")]
    if not any(ONLY.search(name) for name in names):
        return
    db, backup = path("memory.db"), None
    generate(db, megabytes, 3)
    s.measure(names[0], create, {}, "memory-backups", db)
    backup = s.results[names[0]][-1].more["path"]
    s.measure(names[1], restore_new, False, backup, "memory-restored.db")
    s.measure(names[2], verify, backup)
    s.measure(names[3], restore_over, True, backup, db)
    remove(db, path("memory-backups"))


def generate(db, megabytes, seed):
    run([os.path.join(TOOLS, "generate"), db, str(megabytes), str(seed)])


# ---- what was aimed at ----

def targets(s):
    """(what, value or None, comparison, target, unit)"""
    m, x = s.median, s.ratio
    ours, zstd, old = "create, default (gzip level 2)", "create, zstd level 3", ".backup, gzip -6"
    rows = [
        ("create, default: time against the bound", x(ours, "bound: gzip level 2, from memory"), "<=", 1.25, "×"),
        ("create, default: faster than " + old, x(old, ours), ">=", 18, "×"),
        ("create, default: size against gzip -6", x(ours, old, "size", "size"), "<=", 1.08, "×"),
        (zstd + ": size against gzip -6", x(zstd, old, "size", "size"), "<", 1.0, "×"),
        (zstd + ": faster than " + old, x(old, zstd), ">=", 11, "×"),
        ("restore to a new file: faster than gunzip", x("gunzip to a file", "restore to a new file, verify false"), ">=",
         3.5, "×"),
        ("verify quick: faster than gunzip -t", x("gunzip -t", "verify quick"), ">=", 5.5, "×"),
        ("verify full: time against gunzip, integrity_check", x("verify full", "gunzip to a file, integrity_check"),
         "<=", 1.0, "×"),
    ]
    loading = m(LOAD)
    for codec, most in (("gzip", 1.8), ("zstd", 1.4)):
        lookup = "lookup in place, new process, " + codec
        rows.append((lookup + ": more than loading", (m(lookup) - loading) * 1000 if m(lookup) and loading else None,
                     "<=", 8, " ms"))
        for layout in (CONTIGUOUS, FILLED):
            scan = "%s, %s" % (layout, codec)
            rows.append((scan + ": time against the plain file", x(scan, layout + ", plain"), "<=", most, "×"))
        rows.append((scan + ": memory, with cache_mb 32", m(scan, "memory"), "<=", 64, " MiB"))
    for mode in ("rollback", "WAL"):
        over = "restore over an existing one, " + mode
        rows.append((over + ": time against .restore", x(over, "." + over), "<=", 1.0, "×"))
    for name in s.order:
        if name.startswith("memory at"):
            rows.append((name, m(name, "memory"), "<=", 64, " MiB"))
    beside = "writer beside a backup"
    rows.append((beside + ": SQLITE_BUSY", max(s.values(beside, "busy").values(), default=None), "<=", 0, ""))
    rows.append((beside + ": p99 commit time against alone", x(beside, "writer alone", "p99_ms", "p99_ms"), "<=", 2,
                 "×"))
    for name in s.order:
        if name.startswith("create, rollback mode"):
            rows.append((name + ": lock held against cp", x(name, "cp", "held"), "<=", 1.5, "×"))
    return rows


def reached(value, comparison, target):
    if value is None:
        return "not measured"
    holds = {"<": value < target, "<=": value <= target, ">=": value >= target}[comparison]
    return "reached" if holds else "NOT reached"


# ---- the report ----

def table(header, rows):
    yield "| " + " | ".join(header) + " |"
    yield "|" + "---|" * len(header)
    for row in rows:
        yield "| " + " | ".join(row) + " |"


def number(value, form):
    return "" if value is None else form % value


def first_line(argv):
    try:
        text = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              stdin=subprocess.DEVNULL).stdout
    except OSError:
        return "%s: absent" % argv[0]
    return text.strip().split("\n")[0]


def versions():
    sqlite = first_line(["sqlite3", "-version"]).split()
    yield ask("SELECT backup_version()", path("backups"))
    yield "sqlite3 " + (sqlite[0] if sqlite else "")
    for argv in (["gzip", "--version"], ["pigz", "--version"], ["restic", "version"]):
        yield first_line(argv)


def report(s):
    m = s.median
    yield "# Benchmark"
    yield ""
    yield "%s, %d processors, a database of %.0f MB, medians of %d round%s." % (
        time.strftime("%Y-%m-%d", time.gmtime()), len(CPUS), os.path.getsize(s.db) / 1e6, ROUNDS,
        "" if ROUNDS == 1 else "s")
    yield ""
    yield from ("- " + v for v in versions())
    yield ""
    yield "## Times, sizes, memory"
    yield ""
    yield ("Everything that is written is on disk when the clock stops. `gunzip` checks no database, so `verify "
           "false` is what compares with it.")
    yield ""
    rows = [[name, number(m(name), "%.2f"), number(min(r.seconds for r in s.results[name]), "%.2f"),
             number(max(r.seconds for r in s.results[name]), "%.2f"),
             number(m(name, "size") and m(name, "size") / 1e6, "%.1f"), number(m(name, "memory"), "%.0f"),
             number(m(name, "held"), "%.2f")]
            for name in s.order if not name.startswith(("writer", "memory"))]
    yield from table(["what", "seconds", "least", "most", "MB", "peak MiB", "lock held s"], rows)
    yield ""
    yield "`cp` alone, without its fsync: %s s." % number(m("cp", "copied"), "%.2f")
    yield ""
    yield "## A writer that commits all the time, WAL mode"
    yield ""
    figures = (("seconds", "%.1f"), ("commits", "%.0f"), ("busy", "%.0f"), ("p50_ms", "%.3f"), ("p99_ms", "%.3f"),
               ("max_ms", "%.1f"))
    rows = [[name] + [number(m(name, key), form) for key, form in figures] for name in s.order if name.startswith("writer")]
    yield from table(["what", "seconds", "commits", "SQLITE_BUSY", "p50 ms", "p99 ms", "most ms"], rows)
    yield ""
    yield "## Targets"
    yield ""
    rows = [[what, number(value, "%.2f" + unit), comparison + " %g%s" % (target, unit), reached(value, comparison,
                                                                                                target)]
            for what, value, comparison, target, unit in targets(s)]
    yield from table(["what", "measured", "target", ""], rows)


def main():
    if not os.path.exists(LIFEBOAT + ".so"):
        sys.exit("bench: %s.so is missing: run make bench" % LIFEBOAT)
    os.makedirs(path("backups"), exist_ok=True)
    s = State()
    s.codecs = ["gzip"] + (["zstd"] if "zstd" in ask("SELECT backup_version()", path("backups")) else [])
    print("making a database of %d MB" % SIZE_MB, flush=True)
    generate(s.db, SIZE_MB, 1)
    generate(s.other_db, SIZE_MB, 2)
    for s.round in range(1, ROUNDS + 1):
        one_round(s)
    for megabytes in [100] + ([2000] if SIZE_MB >= 1000 else []):
        memory_at(s, megabytes)
    text = "\n".join(report(s)) + "\n"
    with open(os.path.join(BUILD, "bench.md"), "w") as f:
        f.write(text)
    shutil.rmtree(WORK)
    print("\n" + text)


if __name__ == "__main__":
    main()

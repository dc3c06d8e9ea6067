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
import os
import shutil
import sys

from results import LIFEBOAT, ONLY, ROUNDS, SHELL, Results, first_line, number, publish, table, target_table
from results import when
from steps import CONTIGUOUS, CPUS, FILLED, LOAD, LOOKUP, SCAN, SIZE_MB, WORK, ask, generate, path, remove, run
import steps

LEVELS = [int(x) for x in (os.environ.get("BENCH_LEVELS") or "1 2 6 9").split()]


# ---- the run ----

class State(Results):
    """What the steps share, and what they found."""

    def __init__(self):
        Results.__init__(self)
        self.bounds, self.contiguous = {}, {}
        self.db, self.other_db = path("bench.db"), path("other.db")
        self.gzip_file, self.our_file = path("bench.db.gz"), path("ours_sqlite_20000101_000000.db.gz")
        self.our_zstd_file = path("ours_sqlite_20000101_000000.db.zst")
        self.as_filled = {"plain": self.db, "gzip": self.our_file, "zstd": self.our_zstd_file}


def have(program):
    return shutil.which(program) is not None


def set_journal(s, mode):
    run(SHELL + [s.db, "PRAGMA journal_mode=" + mode])


def one_round(s):
    threads = len(CPUS)
    set_journal(s, "WAL")
    s.measure("bound: gzip level 2, from memory", steps.bound, "gzip", 2, threads, "compress")
    s.measure("create, default (gzip level 2)", steps.create_default)
    s.measure("cp", steps.peer_cp)
    if "zstd" in s.codecs:
        s.measure("bound: zstd level 3, from memory", steps.bound, "zstd", 3, threads, "compress")
        s.measure("create, zstd level 3", steps.create_zstd)
    s.measure(".backup, gzip -6", steps.old_script, "gzip")
    if have("pigz"):
        s.measure(".backup, pigz -6", steps.old_script, "pigz")
    s.measure("VACUUM INTO", steps.peer_vacuum)
    if have("restic"):
        s.measure("restic init, backup", steps.peer_restic)
        s.measure("restic restore", steps.peer_restic_restore)
    s.measure("bound: inflating in memory", steps.bound, "gzip", 2, threads, "inflate")
    s.measure("gunzip to a file", steps.peer_gunzip)
    s.measure("restore to a new file, verify false", steps.restore_new, False)
    s.measure("restore to a new file, verify quick", steps.restore_new, "quick")
    s.measure("restore to a new file, verify full (default)", steps.restore_new, "full")
    s.measure("gunzip -t", steps.peer_gunzip_test)
    s.measure("verify quick", steps.verify)
    s.measure("gunzip to a file, integrity_check", steps.peer_gunzip_check)
    s.measure("verify full", steps.verify, None, "full")
    s.measure(LOAD, steps.in_place, None, "SELECT 1", 21)
    for codec in s.codecs:
        s.measure("lookup in place, new process, " + codec, steps.in_place, s.as_filled[codec], LOOKUP, 21)
    for kind in ["plain"] + s.codecs:
        s.measure("%s, %s" % (FILLED, kind), steps.in_place, s.as_filled[kind], SCAN, 3)
    steps.prepare_contiguous(s)
    for kind in ["plain"] + s.codecs:
        s.measure("%s, %s" % (CONTIGUOUS, kind), steps.in_place, s.contiguous[kind], SCAN, 3)
    for mode, wal in (("rollback", False), ("WAL", True)):
        s.measure(".restore over an existing one, " + mode, steps.peer_restore_over, wal)
        s.measure("restore over an existing one, " + mode, steps.restore_over, wal)
    # In rollback mode a snapshot keeps writers waiting: what counts there is how long.
    set_journal(s, "DELETE")
    for level in LEVELS:
        if s.round == 1 or level <= 6:
            s.measure("create, rollback mode, gzip level %d" % level, steps.create, {"compress": "gzip", "level": level})
    if "zstd" in s.codecs:
        s.measure("create, rollback mode, zstd level 3", steps.create, {"compress": "zstd", "level": 3})
    s.measure("writer alone", steps.writer_alone)
    s.measure("writer beside a backup", steps.writer_beside_backup)


def memory_at(s, megabytes):
    """Once: memory does not depend on the noise of the machine."""
    label = "%d MB" % megabytes
    names = ["memory at %s: %s" % (label, step) for step in ("create", "restore", "verify", "restore over WAL")]
    if not any(ONLY.search(name) for name in names):
        return
    db, backup = path("memory.db"), None
    generate(db, megabytes, 3)
    s.measure(names[0], steps.create, {}, "memory-backups", db)
    backup = s.results[names[0]][-1].more["path"]
    s.measure(names[1], steps.restore_new, False, backup, "memory-restored.db")
    s.measure(names[2], steps.verify, backup)
    s.measure(names[3], steps.restore_over, True, backup, db)
    remove(db, path("memory-backups"))


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


# ---- the report ----

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
    yield when(os.path.getsize(s.db) / 1e6)
    yield ""
    yield from ("- " + v for v in versions())
    yield ""
    yield "## Times, sizes, memory"
    yield ""
    yield ("Everything that is written is on disk when the clock stops. `gunzip` checks no database, so `verify "
           "false` is what compares with it.")
    yield ""
    rows = [[name] + s.row(name) + [number(m(name, "held"), "%.2f")] for name in s.order
            if not name.startswith(("writer", "memory"))]
    yield from table(["what"] + s.COLUMNS + ["lock held s"], rows)
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
    yield from target_table(targets(s))


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
    publish(report(s), "bench.md")
    shutil.rmtree(WORK)


if __name__ == "__main__":
    main()

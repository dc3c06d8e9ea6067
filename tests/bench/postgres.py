#!/usr/bin/python3
"""make bench-postgres: Lifeboat, pg_dump, psql and pg_restore on one PostgreSQL database in one run.

    SIZE_MB=950 ROUNDS=3 BUILD=build tests/bench/postgres.py

Starts a private server (Debian's, on a socket in a temporary folder, as an unprivileged user when run by root), fills
a database of SIZE_MB on disk (tests/postgres/bigtable.sql: one table is six tenths of it) and runs every step once per
round, so that a slow minute of the machine hits all alike; the tables show medians, and against a target counts the
median of the rounds' own ratios. All steps have the same server with the same settings (SETTINGS below), fsync on.
Before each step: CHECKPOINT, dirty pages written out, what the step reads in the page cache, memory touched (results.py).
What is timed ends with its result on disk: a dump's files, a restore's last COMMIT. Every restore goes into a database made for it and dropped
afterwards; those of modes swap and transaction replace a database of the same content (swap keeps the old one, as it
does by default; dropping it is not timed). After a restore, outside of the time, rows are counted and compared. Ours
includes what it does besides: ANALYZE, counting, its own verification. Peak memory is that of the largest process of a
step, the server's not counted (peak.c).

Targets are those of the project: docs/performance.md has them in prose. The result is printed and written to
BUILD/bench-postgres.md. Reaching or missing a target does not change the exit status; a step of Lifeboat that fails is
reported, the others go on, and the status is 1 at the end. A peer's step that fails ends the run.

Environment: SIZE_MB, ROUNDS, BUILD; BENCH_DIR (about 6 times SIZE_MB, where the server's user can enter it, default
BUILD/bench-postgres); BENCH_ONLY (a regular expression: only such steps; what they need is made all the same);
BENCH_CREATE, BENCH_RESTORE (JSON: more options for backup_create and backup_restore).
"""
import glob
import json
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time

from results import BUILD, LIFEBOAT, ROOT, ROUNDS, SHELL, TOOLS, Results, StepFailed, first_line, folder_size, fsync
from results import publish, quote, table, target_table, timed, warm, when

WORK = os.path.abspath(os.environ.get("BENCH_DIR") or os.path.join(BUILD, "bench-postgres"))
SIZE_MB = int(os.environ.get("SIZE_MB") or 950)
CREATE = json.loads(os.environ.get("BENCH_CREATE") or "{}")
RESTORE = json.loads(os.environ.get("BENCH_RESTORE") or "{}")
PEAK = os.path.join(TOOLS, "peak")
JOBS = 2
SETTINGS = {
    "shared_buffers": "512MB", "maintenance_work_mem": "128MB", "max_wal_size": "4GB", "checkpoint_timeout": "1h",
    "autovacuum": "off", "max_connections": "40", "fsync": "on", "wal_level": "replica",
    "max_parallel_maintenance_workers": "2", "max_locks_per_transaction": "256",
}
TABLES = ("customers", "conversations", "messages", "audit", "files", "rates")


def path(*names):
    return os.path.join(WORK, *names)


# ---- the server ----

def newest_programs():
    """The folder of Debian's 15, which figures are told for, else the newest."""
    found = [d for d in glob.glob("/usr/lib/postgresql/*/bin") if os.path.exists(os.path.join(d, "initdb"))]
    found.sort(key=lambda d: (d.split("/")[-2] == "15", float(d.split("/")[-2])))
    if not found:
        sys.exit("bench-postgres: no PostgreSQL server: run scripts/bootstrap.sh bench-postgres")
    return found[-1]


class Server:
    PORT = "54321"

    def __init__(self):
        self.bin = newest_programs()
        self.sockets = tempfile.mkdtemp(prefix="lbpg.", dir="/tmp")
        self.data, self.process, self.log = path("data"), None, path("server.log")
        os.environ.update(PATH=self.bin + ":" + os.environ["PATH"], PGHOST=self.sockets, PGPORT=self.PORT,
                          PGUSER="postgres")
        for name in ("PGDATABASE", "PGPASSWORD", "PGSERVICE", "PGOPTIONS", "PGCLIENTENCODING", "PG_BINDIR"):
            os.environ.pop(name, None)
        # postgres refuses to run as root.
        self.drop = []
        if os.getuid() == 0:
            user = "postgres" if any(u.pw_name == "postgres" for u in pwd.getpwall()) else "nobody"
            who = pwd.getpwnam(user)
            self.drop = ["setpriv", "--reuid=%d" % who.pw_uid, "--regid=%d" % who.pw_gid, "--clear-groups", "--"]
            os.mkdir(self.data)
            for name in (self.data, self.sockets):
                os.chown(name, who.pw_uid, who.pw_gid)

    def start(self):
        check(self.drop + [os.path.join(self.bin, "initdb"), "-D", self.data, "-U", "postgres", "-A", "trust",
                           "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync"])
        with open(os.path.join(self.data, "postgresql.conf"), "a") as f:
            for name, value in SETTINGS.items():
                f.write("%s = '%s'\n" % (name, value))
        log = open(self.log, "ab")
        self.process = subprocess.Popen(
            self.drop + [os.path.join(self.bin, "postgres"), "-D", self.data, "-k", self.sockets, "-p", self.PORT,
                         "-c", "listen_addresses="], stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/")
        log.close()
        for _ in range(600):
            if subprocess.call(["pg_isready", "-q"]) == 0:
                return
            if self.process.poll() is not None:
                break
            time.sleep(0.05)
        with open(self.log) as f:
            sys.exit("bench-postgres: the server did not start:\n" + f.read())

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            self.process.wait(120)
        shutil.rmtree(self.sockets, ignore_errors=True)

    def url(self, name):
        return "postgresql:///%s?host=%s&port=%s&user=postgres" % (name, self.sockets, self.PORT)


def check(argv):
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          cwd="/")
    if done.returncode != 0:
        sys.exit("bench-postgres: %s: %s" % (" ".join(argv), done.stdout.strip()))
    return done.stdout.strip()


def psql(database, *statements):
    argv = ["psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-d", database]
    for each in statements:
        argv += ["-c", each]
    return check(argv)


def new_database(name, template="template0"):
    drop_database(name)
    # Copied as files: the other strategy writes a gigabyte of WAL, for which the next step would pay.
    strategy = " STRATEGY file_copy" if template != "template0" else ""
    psql("postgres", "CREATE DATABASE %s TEMPLATE %s%s" % (name, template, strategy))


def drop_database(name):
    """And what mode swap has put aside."""
    for each in psql("postgres", "SELECT quote_ident(datname) FROM pg_database WHERE datname = '%s'"
                     " OR datname LIKE '%s\\_before\\_restore\\_%%'" % (name, name)).split():
        psql("postgres", "DROP DATABASE %s WITH (FORCE)" % each)


def counts(database):
    return psql(database, " UNION ALL ".join("SELECT '%s', count(*) FROM %s" % (t, t) for t in TABLES) +
                " ORDER BY 1")


# ---- steps ----

def run(argv, output=None):
    """Runs a command to its end; its stdout goes to the file `output`. Returns status, stderr, peak memory in MiB."""
    with open(output or os.devnull, "wb") as out, open(path("stderr"), "w+b") as err:
        status = subprocess.call([PEAK, path("peak")] + argv, stdin=subprocess.DEVNULL, stdout=out, stderr=err)
        err.seek(0)
        said = err.read().decode(errors="replace").strip()
    memory = 0.0
    if os.path.exists(path("peak")):
        with open(path("peak")) as f:
            memory = int(f.read() or 0) / 1024
    return status, said, memory


def peer(argv, output=None):
    status, said, memory = run(argv, output)
    if status != 0:
        sys.exit("bench-postgres: exit status %d of %s: %s" % (status, " ".join(argv), said))
    return memory


def pipeline(text):
    return ["bash", "-o", "pipefail", "-c", text]


def settle(*inputs):
    """Nothing left to write, and everything to read in memory."""
    psql("postgres", "CHECKPOINT")
    os.sync()
    warm()
    for name in inputs:
        for each in glob.glob(os.path.join(name, "*")) if os.path.isdir(name) else [name]:
            with open(each, "rb", buffering=0) as f:
                while f.read(1 << 20):
                    pass


def remove(name):
    if os.path.isdir(name):
        shutil.rmtree(name)
    elif os.path.lexists(name):
        os.unlink(name)


def dump_gzip(s):
    remove(s.gzip_file)
    settle(s.database)

    def work():
        memory = peer(pipeline("pg_dump -d bench | gzip >'%s'" % s.gzip_file))
        fsync(s.gzip_file)
        return memory
    result = timed(work)
    result.size = os.path.getsize(s.gzip_file)
    return result


def dump_folder(s, folder, *options):
    """pg_dump syncs what it writes itself."""
    remove(folder)
    settle(s.database)
    result = timed(lambda: peer(["pg_dump", "-d", "bench", "-Fd", "-j%d" % JOBS, "-f", folder] + list(options)))
    result.size = folder_size(folder)
    return result


def restored(s, name, work, target):
    result = timed(work)
    if counts(target) != s.counts:
        raise StepFailed("%s: other numbers of rows than in the source" % name)
    drop_database(target)
    return result


def restore_psql(s, *options):
    if not os.path.exists(s.gzip_file):
        dump_gzip(s)
    new_database("restored")
    settle(s.gzip_file)
    command = "gunzip -c '%s' | psql -Xq -v ON_ERROR_STOP=1 -o /dev/null -d restored %s" % (s.gzip_file,
                                                                                      " ".join(options))
    return restored(s, "psql", lambda: peer(pipeline(command)), "restored")


def restore_pg_restore(s):
    if not os.path.exists(s.folder):
        dump_folder(s, s.folder)
    new_database("restored")
    settle(s.folder)
    return restored(s, "pg_restore",
                    lambda: peer(["pg_restore", "-e", "-j%d" % JOBS, "-d", "restored", s.folder]), "restored")


def lifeboat(sql, output=None):
    """One statement in a sqlite3 shell of its own. Returns peak memory of that process and of the pg_dump it runs."""
    os.environ["BACKUP_DIR"] = path("backups")
    status, said, memory = run(SHELL + [":memory:", "-cmd", ".load " + quote(LIFEBOAT), sql], output)
    if status != 0:
        raise StepFailed(said or "exit status %d" % status)
    return memory


def create(s, options, keep=False):
    directory = path("backups")
    remove(directory)
    os.mkdir(directory)
    settle(s.database)
    options = dict(options, dir=directory, jobs=JOBS, **CREATE)
    sql = "SELECT backup_create(%s, %s)" % (quote(s.server.url("bench")), quote(json.dumps(options)))
    result = timed(lambda: lifeboat(sql, path("created")))
    with open(path("created")) as f:
        made = f.read().strip()
    result.size = os.path.getsize(made)
    if keep:
        s.our_file = path(os.path.basename(made))
        os.replace(made, s.our_file)
    return result


def restore_ours(s, options, existing):
    if not s.our_file:
        create(s, {}, keep=True)
    new_database("restored", "bench" if existing else "template0")
    settle(s.our_file)
    options = dict(options, jobs=JOBS, **RESTORE)
    sql = "SELECT backup_restore(%s, %s, %s)" % (quote(s.our_file), quote(s.server.url("restored")),
                                                 quote(json.dumps(options)))
    return restored(s, "backup_restore", lambda: lifeboat(sql), "restored")


# ---- the run ----

CREATED = "create, default (gzip level 1)"
ZSTD = "create, zstd"
GZIP = "pg_dump | gzip"
FOLDER = "pg_dump -Fd -j%d" % JOBS
FOLDER_FAST = FOLDER + " -Z1"
PSQL, PSQL_ONE = "gunzip | psql", "gunzip | psql -1"
PG_RESTORE = "pg_restore -j%d" % JOBS
INTO_EMPTY, SWAP, TRANSACTION = "restore into an empty database", "restore, mode swap", "restore, mode transaction"
REPLACING = {"overwrite": True, "pre_restore": False}
OURS = (CREATED, ZSTD, INTO_EMPTY, SWAP, TRANSACTION)


class Bench(Results):
    """What the steps share, and what they found."""

    def __init__(self, server):
        Results.__init__(self)
        self.server, self.counts, self.our_file = server, "", None
        self.database = ""  # the folder of its files: some virtual machines page out what was not read for a minute
        self.gzip_file, self.folder = path("bench.sql.gz"), path("bench.folder")


def one_round(s):
    s.measure(CREATED, create, {}, True)
    s.measure(GZIP, dump_gzip)
    if s.has_zstd:
        s.measure(ZSTD, create, {"compress": "zstd"})
    s.measure(FOLDER, lambda s: dump_folder(s, s.folder))
    s.measure(FOLDER_FAST, lambda s: dump_folder(s, path("fast.folder"), "-Z1"))
    remove(path("fast.folder"))
    s.measure(INTO_EMPTY, restore_ours, {}, False)
    s.measure(PG_RESTORE, restore_pg_restore)
    s.measure(SWAP, restore_ours, dict(REPLACING, mode="swap"), True)
    s.measure(PSQL, restore_psql)
    s.measure(TRANSACTION, restore_ours, dict(REPLACING, mode="transaction"), True)
    s.measure(PSQL_ONE, restore_psql, "-1")


def targets(s):
    """(what, value or None, comparison, target, unit)"""
    m, x = s.median, s.ratio
    rows = [
        ("create: faster than " + GZIP, x(GZIP, CREATED), ">=", 8.5, "×"),
        ("create: faster than " + FOLDER_FAST, x(FOLDER_FAST, CREATED), ">=", 2.3, "×"),
        ("create: size against " + GZIP, x(CREATED, GZIP, "size", "size"), "<=", 1.08, "×"),
        (INTO_EMPTY + ": faster than " + PG_RESTORE, x(PG_RESTORE, INTO_EMPTY), ">=", 1.1, "×"),
        (SWAP + ": faster than " + PG_RESTORE, x(PG_RESTORE, SWAP), ">=", 1.1, "×"),
        (TRANSACTION + ": time against " + PSQL_ONE, x(TRANSACTION, PSQL_ONE), "<=", 1.0, "×"),
    ]
    return rows + [("peak memory: " + name, m(name, "memory"), "<=", 128, " MiB")
                   for name in OURS if name in s.results]


def report(s):
    yield "# PostgreSQL"
    yield ""
    yield when(s.bytes / 1e6, " on disk (%s of it one table)" % s.share)
    yield ""
    yield "- " + s.version
    for argv in (["postgres", "--version"], ["pg_dump", "--version"], ["gzip", "--version"]):
        yield "- " + first_line(argv)
    yield "- " + ", ".join("%s = %s" % pair for pair in SETTINGS.items())
    yield ""
    yield "## Times, sizes, memory"
    yield ""
    rows = [[name.replace("|", "\\|")] + (s.row(name) if s.results[name] else ["failed"] + [""] * (len(s.COLUMNS) - 1))
            for name in s.order]
    yield from table(["what"] + s.COLUMNS, rows)
    yield ""
    yield "## Targets"
    yield ""
    yield from target_table(targets(s))
    if s.failures:
        yield ""
        yield "## Failed"
        yield ""
        yield from ("- %s: %s" % pair for pair in s.failures.items())


def prepare(s):
    print("making a database of %d MB" % SIZE_MB, flush=True)
    new_database("bench")
    check(["psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-v", "megabytes=%d" % SIZE_MB, "-d", "bench",
           "-f", os.path.join(ROOT, "tests", "postgres", "bigtable.sql")])
    psql("bench", "VACUUM")
    s.counts = counts("bench")
    s.bytes = int(psql("bench", "SELECT pg_database_size('bench')"))
    s.database = path("data", "base", psql("bench", "SELECT oid FROM pg_database WHERE datname = 'bench'"))
    s.share = "%.0f %%" % (100 * int(psql("bench", "SELECT pg_total_relation_size('messages')")) / s.bytes)
    try:
        lifeboat("SELECT backup_version()", path("answer"))
        with open(path("answer")) as f:
            s.version = f.read().strip()
    except StepFailed as e:
        sys.exit("bench-postgres: " + str(e))
    s.has_zstd = "zstd" in s.version


def enterable(name):
    """Whether others can enter every folder above name: the server's user is another one than root."""
    while name != "/":
        name = os.path.dirname(name)
        if not os.stat(name).st_mode & 0o001:
            return False
    return True


def main():
    for needed in (LIFEBOAT + ".so", PEAK):
        if not os.path.exists(needed):
            sys.exit("bench-postgres: %s is missing: run make bench-postgres" % needed)
    remove(WORK)
    os.makedirs(WORK)
    os.chmod(WORK, 0o755)
    if os.getuid() == 0 and not enterable(WORK):
        sys.exit("bench-postgres: the server's user cannot enter %s: set BENCH_DIR to a folder elsewhere" % WORK)
    # So that the server does not outlive a run that is ended.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    server = Server()
    s = Bench(server)
    try:
        server.start()
        prepare(s)
        for s.round in range(1, ROUNDS + 1):
            one_round(s)
        publish(report(s), "bench-postgres.md")
    finally:
        server.stop()
        shutil.rmtree(WORK)
    sys.exit(1 if s.failures else 0)


if __name__ == "__main__":
    main()

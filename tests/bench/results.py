"""What a benchmark measures and tells: steps, their figures by round, medians, ratios, tables, targets.

Every round runs every step once, so that a slow minute of the machine hits all alike. Tables show medians; against a
target counts the median of the rounds' own ratios.

Environment: BUILD, ROUNDS (default 3), BENCH_ONLY (a regular expression: only such steps).
"""
import mmap
import os
import re
import statistics
import subprocess
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.path.abspath(os.environ.get("BUILD") or os.path.join(ROOT, "build"))
ROUNDS = int(os.environ.get("ROUNDS") or 3)
ONLY = re.compile(os.environ.get("BENCH_ONLY") or "")
TOOLS = os.path.join(BUILD, "tests", "bench")
LIFEBOAT = os.path.join(BUILD, "lifeboat")
SHELL = ["sqlite3", "-init", "/dev/null", "-batch", "-bail"]


def quote(text):
    return "'" + text.replace("'", "''") + "'"


# ---- measuring ----

class StepFailed(Exception):
    """A step of Lifeboat that did not work; the run goes on."""


WARM_BYTES = 4 << 30


def warm():
    """Touches memory and gives it back. A virtual machine may have lost to its host what it had no use for, and pays for
    the first touch of every page, up to ten times what it costs otherwise: that would be counted against whichever step
    comes after a pause, or needs more than those before."""
    with open("/proc/meminfo") as f:
        free = {line.split(":")[0]: int(line.split()[1]) << 10 for line in f}["MemFree"]
    size = min(WARM_BYTES, free // 2)
    if size:
        mmap.mmap(-1, size, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | mmap.MAP_POPULATE).close()


class Result:
    """stolen: what the host of a virtual machine took of its processors, in per cent; None: it was not looked at."""

    def __init__(self, seconds, memory, size=None, more=None, stolen=None):
        self.seconds, self.memory, self.size, self.more, self.stolen = seconds, memory, size, more or {}, stolen


STEAL = 7


def processor_times():
    """What all processors together spent in user, nice, system, idle, iowait, irq, softirq, steal (proc(5))."""
    with open("/proc/stat") as f:
        return [int(word) for word in f.readline().split()[1:STEAL + 2]]


def timed(work):
    """Runs work(), which returns MiB of memory."""
    before, began = processor_times(), time.monotonic()
    memory = work()
    seconds, spent = time.monotonic() - began, [b - a for a, b in zip(before, processor_times())]
    return Result(seconds, memory, stolen=100 * spent[STEAL] / max(sum(spent), 1))


def fsync(name):
    for each, flags in ((name, os.O_RDONLY), (os.path.dirname(name), os.O_RDONLY | os.O_DIRECTORY)):
        fd = os.open(each, flags)
        os.fsync(fd)
        os.close(fd)


def folder_size(name):
    return sum(os.path.getsize(os.path.join(d, f)) for d, _, files in os.walk(name) for f in files)


class Results:
    """What was found, by step and round; failures by step."""

    COLUMNS = ["seconds", "least", "most", "stolen %", "MB", "peak MiB"]

    def __init__(self):
        self.round, self.results, self.order, self.failures = 0, {}, [], {}

    def measure(self, name, step, *arguments):
        """step(self, …) gives a Result."""
        if not ONLY.search(name):
            return
        if name not in self.results:
            self.results[name] = []
            self.order.append(name)
        try:
            result = step(self, *arguments)
        except StepFailed as e:
            self.failures[name] = str(e)
            print("round %d  %-46s FAILED: %s" % (self.round, name, e), flush=True)
            return
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

    def row(self, name):
        """The columns COLUMNS of a table."""
        seconds, size = [r.seconds for r in self.results[name]], self.median(name, "size")
        return [number(self.median(name), "%.2f"), number(min(seconds, default=None), "%.2f"),
                number(max(seconds, default=None), "%.2f"), number(self.median(name, "stolen"), "%.0f"),
                number(size and size / 1e6, "%.1f"), number(self.median(name, "memory"), "%.0f")]


# ---- telling ----

def reached(value, comparison, target):
    if value is None:
        return "not measured"
    holds = {"<": value < target, "<=": value <= target, ">=": value >= target}[comparison]
    return "reached" if holds else "NOT reached"


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


def when(megabytes, more=""):
    return "%s, %d processors, a database of %.0f MB%s, medians of %d round%s." % (
        time.strftime("%Y-%m-%d", time.gmtime()), len(os.sched_getaffinity(0)), megabytes, more, ROUNDS,
        "" if ROUNDS == 1 else "s")


def target_table(targets):
    """Of (what, value or None, comparison, target, unit)."""
    rows = [[what.replace("|", "\\|"), number(value, "%.2f" + unit), comparison + " %g%s" % (target, unit),
             reached(value, comparison, target)] for what, value, comparison, target, unit in targets]
    yield from table(["what", "measured", "target", ""], rows)


def publish(report, name):
    text = "\n".join(report) + "\n"
    with open(os.path.join(BUILD, name), "w") as f:
        f.write(text)
    print("\n" + text)

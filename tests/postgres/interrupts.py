"""Hosts that the sqlite3 shell cannot play, for interrupts.bats.

    LIFEBOAT_SO=… /usr/bin/python3 interrupts.py interrupt PHASE SECONDS SQL   interrupts SQL so long after PHASE began
    LIFEBOAT_SO=… /usr/bin/python3 interrupts.py ignore|reap|fork SQL          SIGCHLD ignored; a thread that waits for
                                                                               every child; a host that forks meanwhile

interrupt: status 0 when it was heard within 1.5 s. The phase is seen in backup_activity by another connection; with
PHASE "lock" it is the server that tells that a session of ours waits. The others: status 0 when SQL succeeds; its
result is printed.
"""
import os
import signal
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../fault"))
from world import connect  # noqa: E402

PATIENCE = 20
PROMPT = 1.5


def call(db, sql):
    try:
        return db.execute(sql).fetchone()[0], None
    except Exception as error:  # sqlite3.Error, or what an interrupt becomes
        return None, str(error)


def reached(watch, phase):
    if phase == "lock":
        query = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND application_name = 'lifeboat'"
        environment = {key: value for key, value in os.environ.items() if key != "LD_PRELOAD"}  # of a sanitizer
        return subprocess.run(["psql", "-XAtqc", query, "postgres"], capture_output=True, text=True, check=True,
                              env=environment).stdout.strip() != "0"
    return phase in [row[0] for row in watch.execute("SELECT phase FROM backup_activity")]


def interrupt(phase, seconds, sql):
    db, watch, said = connect(), connect(), {}

    def stop():
        until = time.monotonic() + PATIENCE
        while not reached(watch, phase):
            if time.monotonic() > until or "over" in said:
                return
            time.sleep(0.001)
        time.sleep(seconds)
        said["at"] = time.monotonic()
        db.interrupt()

    thread = threading.Thread(target=stop)
    thread.start()
    result, error = call(db, sql)
    said["over"] = time.monotonic()
    thread.join()
    print(f"{phase}: {result or error}")
    if "at" not in said:
        sys.exit("the phase never came")
    if error != "interrupted":
        sys.exit("not interrupted")
    took = said["over"] - said["at"]
    print(f"heard after {took:.3f} s")
    if took > PROMPT:
        sys.exit("too late")
    if watch.execute("SELECT count(*) FROM backup_activity").fetchone()[0]:
        sys.exit("still active")


def reap():
    def wait():
        while True:
            try:
                os.waitpid(-1, 0)
            except ChildProcessError:
                time.sleep(0.001)

    threading.Thread(target=wait, daemon=True).start()


def fork_often(stop):
    children = 0
    while not stop.is_set():
        child = os.fork()
        if child == 0:
            os._exit(0)
        os.waitpid(child, 0)
        children += 1
        time.sleep(0.01)
    return children


def host(kind, sql):
    db, stop = connect(), threading.Event()
    if kind == "ignore":
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    elif kind == "reap":
        reap()
    else:
        threading.Thread(target=fork_often, args=(stop,)).start()
    result, error = call(db, sql)
    stop.set()
    if kind == "fork" and error is None:
        # The child has the connection to SQLite as well as its parent; both back up, at once.
        child = os.fork()
        _, error = call(connect(), sql)
        if child == 0:
            os._exit(1 if error else 0)
        if os.waitpid(child, 0)[1]:
            error = error or "the child failed"
    print(error or result)
    sys.exit(1 if error else 0)


if __name__ == "__main__":
    if sys.argv[1] == "interrupt":
        interrupt(sys.argv[2], float(sys.argv[3]), sys.argv[4])
    else:
        host(sys.argv[1], sys.argv[2])

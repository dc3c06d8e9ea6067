"""Prints the peak memory in MiB of this process, which scans table t of BACKUP twice and looks rows up, with cache_mb 4.

    memory.py BACKUP
"""
import os
import resource
import sqlite3
import sys

db = sqlite3.connect(":memory:", uri=True)
db.enable_load_extension(True)
db.load_extension(os.environ["LIFEBOAT_SO"])
db.execute("SELECT backup_set('cache_mb', 4)").fetchone()
db.execute("ATTACH ? AS old", (db.execute("SELECT backup_uri(?)", (sys.argv[1],)).fetchone()[0],))
for _ in range(2):
    assert db.execute("SELECT count(*), sum(length(body)) FROM old.t").fetchone() == (50000, 50000 * 3900)
for i in range(1, 50000, 4999):
    body = db.execute("SELECT body FROM old.t WHERE id = ?", (i,)).fetchone()[0]
    assert int(body[:3500]) == i
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)

# A connection held by another process, for tests of locks. Speaks on standard input and output: each line is one SQL
# statement; its answer is one line, the first column of the first row, "-" where there is none, or "error: …".
import sqlite3
import sys

db = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=float(sys.argv[2]) if len(sys.argv) > 2 else 0)
print('ready', flush=True)
for line in sys.stdin:
    try:
        row = db.execute(line).fetchone()
        print(row[0] if row else '-', flush=True)
    except sqlite3.Error as e:
        print(f'error: {e}', flush=True)

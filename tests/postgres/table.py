"""Holds backup_table against the server: every table of a database, every column, every value.

    LIFEBOAT_SO=… /usr/bin/python3 table.py URI BACKUP…

Tables: all of users that hold rows, partitioned ones too. What the server has comes as CSV, which it writes and Python
reads, and is turned into what docs/reference.md promises for its type. Prints of each backup how many tables, rows and
values there were, and what differs; tables whose rows are with the one they are a partition of are counted apart.
"""
import collections
import csv
import decimal
import functools
import io
import os
import sqlite3
import subprocess
import sys

csv.field_size_limit(1 << 30)
NULL = "lb-null-lb"
TABLES = """
SELECT c.oid, n.nspname, c.relname, c.relkind FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('r', 'p') AND c.relpersistence <> 't' AND n.nspname NOT IN ('pg_catalog', 'information_schema')
   AND n.nspname !~ '^pg_toast' AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = c.oid AND d.deptype = 'e')
   AND NOT EXISTS (SELECT FROM pg_inherits i JOIN pg_class f ON f.oid = i.inhrelid WHERE i.inhparent = c.oid
                    AND f.relkind = 'f')  -- the server would have to ask another
 ORDER BY 2, 3"""
COLUMNS = """
WITH RECURSIVE base(num, typ) AS (
  SELECT attnum, atttypid FROM pg_attribute WHERE attrelid = %s AND attnum > 0 AND NOT attisdropped
     AND coalesce(to_jsonb(pg_attribute) ->> 'attgenerated', '') = ''
  UNION ALL SELECT num, typbasetype FROM base JOIN pg_type t ON t.oid = typ AND typtype = 'd')
SELECT a.attname, t.typname FROM base JOIN pg_type t ON t.oid = typ AND typtype <> 'd'
  JOIN pg_attribute a ON a.attrelid = %s AND a.attnum = num ORDER BY num"""


@functools.lru_cache(maxsize=None)
def ask(uri, sql):
    """Rows of texts; NULL is None."""
    environment = {key: value for key, value in os.environ.items() if key != "LD_PRELOAD"}
    environment["PGCLIENTENCODING"] = "UTF8"
    environment["PGOPTIONS"] = "-c extra_float_digits=3 -c timezone=UTC -c datestyle=iso -c intervalstyle=postgres"
    copy = f"COPY ({sql}) TO STDOUT (FORMAT csv, FORCE_QUOTE *, NULL '{NULL}')"
    done = subprocess.run(["psql", "-Xq", "-c", copy, uri], capture_output=True, check=True, env=environment)
    text = io.StringIO(done.stdout.decode("utf-8"), newline="")
    return [tuple(None if value == NULL else value for value in row) for row in csv.reader(text)]


def quoted(name):
    return '"' + name.replace('"', '""') + '"'


def number(text):
    """A numeric: exact as SQLite holds it, or the text."""
    try:
        value = decimal.Decimal(text)
    except decimal.InvalidOperation:
        return text
    if not value.is_finite():
        return text
    if value == value.to_integral_value() and -2 ** 63 <= value < 2 ** 63:
        return int(value)
    digits = "".join(map(str, value.as_tuple().digits)).strip("0")
    return float(value) if len(digits) <= 15 and len(text) <= 290 else text


def real(text):
    return text if text.lstrip("-") in ("NaN", "Infinity") else float(text)


def expected(kind, text):
    if text is None:
        return None
    if kind in ("int2", "int4", "int8", "oid"):
        return int(text)
    if kind == "bool":
        return {"t": 1, "f": 0}[text]
    if kind in ("float4", "float8"):
        return real(text)
    if kind == "numeric":
        return number(text)
    return bytes.fromhex(text[2:]) if kind == "bytea" else text


def key(row):
    return tuple((type(value).__name__, repr(value)) for value in row)


class Comparison:
    def __init__(self, backup, uri):
        self.backup, self.uri = backup, uri
        self.db = sqlite3.connect(":memory:")
        self.db.enable_load_extension(True)
        self.db.load_extension(os.environ["LIFEBOAT_SO"])
        self.counts, self.wrong = collections.Counter(), []

    def elsewhere(self, error):
        if "it is a partition of" not in str(error):
            raise error
        self.counts["elsewhere"] += 1

    def compare(self, oid, schema, name, kind):
        table = quoted(schema) + "." + quoted(name)
        columns = ask(self.uri, COLUMNS % (oid, oid))
        try:
            self.db.execute("CREATE VIRTUAL TABLE temp.t USING backup_table('%s', '%s')" %
                            (self.backup.replace("'", "''"), table.replace("'", "''")))
        except sqlite3.Error as error:
            self.elsewhere(error)
            return
        got = self.db.execute("SELECT * FROM temp.t LIMIT 0")
        names = [column[0] for column in got.description]
        if columns and names != [column for column, _ in columns]:
            self.wrong.append(f"{table} has the columns {names}, not {columns}")
        try:
            rows = self.db.execute("SELECT * FROM temp.t").fetchall()
        except sqlite3.Error as error:
            self.elsewhere(error)
            return
        finally:
            self.db.execute("DROP TABLE temp.t")
        source = table if kind == "p" else "ONLY " + table
        if not columns:
            want = int(ask(self.uri, f"SELECT count(*) FROM {source}")[0][0])
            if len(rows) != want:
                self.wrong.append(f"{table} has {len(rows)} rows, not {want}")
            self.counts.update(tables=1, rows=want)
            return
        want = [tuple(expected(t, value) for (_, t), value in zip(columns, row))
                for row in ask(self.uri, f"SELECT {', '.join(quoted(c) for c, _ in columns)} FROM {source}")]
        self.counts.update(tables=1, rows=len(want), values=len(want) * len(columns))
        difference = collections.Counter(map(key, rows))
        difference.subtract(map(key, want))
        for row, n in difference.items():
            if n:
                self.wrong.append(f"{table}: {n:+d} {str(row)[:300]}")


def main():
    uri, status = sys.argv[1], 0
    for backup in sys.argv[2:]:
        comparison = Comparison(backup, uri)
        for table in ask(uri, TABLES):
            comparison.compare(*table)
        counts = comparison.counts
        for line in comparison.wrong[:20]:
            print(line)
        print("%d tables, %d rows, %d values, %d elsewhere, %d wrong" % (
            counts["tables"], counts["rows"], counts["values"], counts["elsewhere"], len(comparison.wrong)))
        status = status or bool(comparison.wrong)
    return status


if __name__ == "__main__":
    sys.exit(main())

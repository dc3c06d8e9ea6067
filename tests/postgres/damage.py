"""Damages and forges small PostgreSQL backups: `verify` never says ok, and a restore never changes its target.

    LIFEBOAT_SO=… /usr/bin/python3 damage.py flip|cut|forge BACKUP TARGET-URI EVERY

flip: every EVERYth byte of the file, and each byte of the last KB (the index's end and the footer). cut: at as many
lengths. forge: files that are sound by docs/format.md, checksums and all, but whose contents lie: about their places,
tables, rows and bytes, in JSON of wrong types and huge numbers, and whose blocks hold other SQL than they should. Those are
found when they are read for what they say: verify is asked for as well, but need not see it; the restore must refuse.
BACKUP is one whose restore over TARGET succeeds. The target is compared by the server's own figures after every
restore that was not refused before it connected.

Forged parts are restored in three ways: in one transaction over what is there, at once into an empty database, whose URI is
TARGET's with "empty" in place of "target", and two tables of them into TARGET.
"""
import json
import os
import random
import sqlite3
import struct
import subprocess
import sys
import zlib

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "../fault"), os.path.join(HERE, "../archive")]
import lbformat  # noqa: E402
from world import connect, partials, require  # noqa: E402

FIGURES = """SELECT string_agg(x, ';' ORDER BY x) FROM (
SELECT format('%s %s %s', relname, relkind, relfilenode) AS x FROM pg_class WHERE oid >= 16384
UNION ALL SELECT 'rows ' || count(*) || ' ' || coalesce(sum(hashtext(m::text)), 0) FROM messages AS m) AS y"""
EMPTY = "SELECT count(*) FROM pg_class WHERE oid >= 16384"


def psql(uri, sql):
    environment = {key: value for key, value in os.environ.items() if key != "LD_PRELOAD"}  # of a sanitizer: ours alone
    return subprocess.run(["psql", "-XAtqc", sql, uri], capture_output=True, text=True, check=True,
                          env=environment).stdout


# ---- writing by docs/format.md ----

def gzip_member(content, number):
    squeeze = zlib.compressobj(6, zlib.DEFLATED, -15)
    packed = squeeze.compress(content) + squeeze.flush()
    mark = struct.pack("<BBHIQ", lbformat.DATA, 1, 0, 32 + len(packed) + 8, number)
    return (lbformat.GZIP_FIXED + struct.pack("<H2sH", 20, b"LB", 16) + mark + packed +
            struct.pack("<II", zlib.crc32(content), len(content)))


def write_file(blocks, manifest, contents):
    """A whole file of these blocks; without section 3, whose hashes the standard library cannot make."""
    data, table = b"", b""
    for number, content in enumerate(blocks):
        member = gzip_member(content, number)
        table += struct.pack("<QIII", len(data), len(member), len(content), zlib.crc32(member))
        data += member
    sections = [(1, table), (2, manifest), (4, contents)]
    stream = b"LBINDEX\0" + struct.pack("<IIIIQQ", 1, 4 << 20, 0, len(sections), len(blocks), sum(map(len, blocks)))
    for number, text in sections:
        stream += struct.pack("<IIQ", number, 0, len(text)) + text
    index = b"".join(lbformat.gzip_record(lbformat.INDEX, stream[at:at + lbformat.RECORD_MAX])
                     for at in range(0, len(stream), lbformat.RECORD_MAX))
    footer = b"LBFOOTR\0" + struct.pack("<IIQQQ", 1, zlib.crc32(stream), len(data), len(index), len(stream))
    return data + index + lbformat.gzip_record(lbformat.FOOTER, footer + struct.pack("<I", zlib.crc32(footer)))


def read_file(data):
    codec, crc, offset, stored, length = lbformat.read_footer(data)
    stream = lbformat.read_stream(data, codec, crc, offset, stored, length)
    _, _, _, table, manifest, contents = lbformat.parse_stream(stream)
    blocks = [lbformat.gzip_content(data[at:at + n], number) for number, (at, n, _, _) in enumerate(table)]
    return blocks, json.loads(manifest), json.loads(contents)


# ---- forgeries ----

def without_hash(manifest):
    manifest = dict(manifest)
    manifest.pop("content_hash", None)
    return json.dumps(manifest).encode()


def forged_contents(contents):
    """(what, JSON text)."""
    tables, parts = contents["tables"], contents["parts"]
    data = next(i for i, p in enumerate(parts) if p[0] == "data")
    huge = [1 << 62, (1 << 63) - 1, (1 << 64) - 1, 10 ** 30, -1, 1.5, "1", None, True, [], {}]

    def changed(**keys):
        return json.dumps({**contents, **keys})

    def part(number, column, value):
        copy = [list(p) for p in parts]
        copy[number][column] = value
        return changed(parts=copy)

    def table(column, value):
        return changed(tables=[{**t, column: value} for t in tables])

    for column in (1, 2, 3):
        for value in huge + [len(tables), 7]:
            if value == parts[data][column]:
                continue  # True is 1, to JSON as well as to Python
            yield f"data part's column {column} is {value!r}", part(data, column, value)
    for value in huge:
        yield f"rows of a part are {value!r}", part(data, 4, value)
        if value not in ("1", [], {}):  # a name is for messages only: their text is one
            yield f"schema is {value!r}", table("schema", value)
        yield f"tables are {value!r}", changed(tables=value)
        yield f"parts are {value!r}", changed(parts=value)
        yield f"all is {value!r}", json.dumps(value)
        yield f"a part is {value!r}", changed(parts=parts + [value])
        yield f"kind is {value!r}", part(data, 0, value)
    yield "a kind nobody knows", part(data, 0, "data2")
    yield "out of order", changed(parts=parts[::-1])
    yield "twice", changed(parts=parts + parts)
    yield "overlapping", part(data, 2, parts[data][2] - 1)
    yield "the first is missing", changed(parts=parts[1:])
    yield "the last is missing", changed(parts=parts[:-1])
    yield "no parts", changed(parts=[])
    yield "no tables", changed(tables=[])
    yield "one row more", part(data, 4, parts[data][4] + 1)
    more = [list(p) for p in parts]
    more[data][4] += 1
    yield "one row more, of the table too", changed(
        parts=more, tables=[{**t, "rows": t["rows"] + (i == parts[data][1])} for i, t in enumerate(tables)])
    for keys in [(2, 1), ("b", "a"), (1, "a"), (1, None), (None, 1), (1.5, 2), (10 ** 30, 10 ** 30),
                 ("a" * 41, "b" * 41), ("ä", "ö"), ("\\", "a"), ("\n", "a")]:
        copy = [list(p) for p in parts]
        copy[data][6:] = keys
        yield f"keys of a part are {keys!r}", changed(parts=copy, tables=[{**t, "key": "id"} for t in tables])
    copy = [list(p) for p in parts]
    copy[data][6:] = [1, 2]
    yield "keys of a table without", changed(parts=copy, tables=[{**t, "key": None} for t in tables])
    for value in (1, 1.5, True):
        yield f"a table's key is {value!r}", table("key", value)
    yield "no JSON", json.dumps(contents)[:-2]
    yield "deep", "[" * 100000
    yield "nothing", ""
    yield "a data part said to be a sequence", part(data, 0, "pre-data")
    merged = [list(p) for p in parts]
    if data + 1 < len(parts) and parts[data + 1][0] == "data":
        merged[data][3] += merged[data + 1][3]
        merged[data][5] += merged[data + 1][5]
        del merged[data + 1]
        yield "two parts as one", changed(parts=merged)


def forged_blocks(blocks, contents):
    """(what, blocks): a data part that is not one COPY."""
    part = next(p for p in contents["parts"] if p[0] == "data")
    number, whole = part[2], blocks[part[2]]
    evil = b"CREATE TABLE public.evil(a int);\n"
    copies = {"SQL before": evil + whole, "SQL behind": whole + evil, "only SQL": evil, "twice": whole + whole,
              "COPY from a program": b"COPY public.messages FROM PROGRAM 'touch /tmp/evil';\n",
              "COPY to a program": b"COPY public.messages TO PROGRAM 'touch /tmp/evil';\n",
              "COPY from a file": b"COPY public.messages FROM '/etc/passwd';\n",
              "a psql command": b"\\! touch /tmp/evil\n" + whole, "another": whole + b"\\! touch /tmp/evil\n",
              "\\connect": b"\\connect postgres\n" + whole,
              "no end": whole[:whole.rindex(b"\\.")], "a COMMIT": b"COMMIT;\n" + whole, "nothing but blanks": b"\n\n",
              "a row less": whole[::-1].replace(b"\n", b" ", 3)[::-1], "an open string": b"'" + whole}
    for what, block in copies.items():
        yield what, blocks[:number] + [block] + blocks[number + 1:]
    # Data in post-data, other SQL in front of and behind it.
    yield "data in post-data", blocks[:-1] + [blocks[-1] + whole]
    yield "unfinished", blocks[:-1] + [blocks[-1] + b"SELECT 'a"]
    yield "a COMMIT in post-data", blocks[:-1] + [b"COMMIT;\n" + blocks[-1] + b"SELECT 1/0;\n"]


# ---- asking ----

# A script is code. Read from its beginning to its end, as psql does, it may have statements between its data.
TAKEN_IN_ORDER = ("SQL before", "SQL behind", "\\connect")
# Where only the rows of one table are wanted, what comes behind all rows is not read.
NOT_OF_THE_TABLE = ("data in post-data", "unfinished", "a COMMIT in post-data")

class Ground:
    def __init__(self, backup, target):
        os.environ["BACKUP_DIR"] = "/nonexistent"  # no folder, so no history is written
        self.db, self.target, self.empty = connect(), target, target.replace("/target?", "/empty?")
        self.path = os.path.join(os.getcwd(), "src_postgres_20250101_000000.sql.gz")
        self.before = psql(target, FIGURES)
        with open(backup, "rb") as file:
            self.data = file.read()
        self.count = self.wrong = 0

    def ask(self, sql, *args):
        try:
            return self.db.execute(sql, args).fetchone()[0], None
        except sqlite3.Error as error:
            return None, str(error)

    def fail(self, *what):
        self.wrong += 1
        if self.wrong <= 20:
            print(*what)

    def check(self, what, data, sound=False):
        self.count += 1
        with open(self.path, "wb") as file:
            file.write(data)
        result, error = self.ask("""SELECT backup_verify(?, '{"threads":1}')""", self.path)
        if not sound and result == "ok":
            self.fail(what, "is ok to verify")
        error = "not asked"
        if what not in TAKEN_IN_ORDER:
            _, error = self.ask("""SELECT backup_restore(?, ?, '{"overwrite":true,"pre_restore":false,"jobs":2}')""",
                                self.path, self.target)
        if error is None:
            self.fail(what, "was restored")
        elif "out of memory" in error:
            self.fail(what, error)
        if sound:
            _, error = self.ask("""SELECT backup_restore(?, ?, '{"jobs":2}')""", self.path, self.empty)
            if error is None:
                self.fail(what, "was restored into an empty database")
            _, error = self.ask("""SELECT backup_restore(?, ?, '{"tables":["messages","other"],"columns":"common",
                                   "pre_restore":false}')""", self.path, self.target)
            if error is None and what not in NOT_OF_THE_TABLE:
                self.fail(what, "gave the rows of two tables")
            if error is None:
                psql(self.target, "DELETE FROM messages WHERE id > 9; DELETE FROM other")
                self.before = psql(self.target, FIGURES)
            if self.count % 4 == 0 and psql(self.empty, EMPTY) != "0\n":
                self.fail(what, "or one of the 3 before left something in the empty database:", error)
        # That nothing changed is asked of the server now and then: if it did, one of those before is to blame.
        if self.count % 8 == 0 and psql(self.target, FIGURES) != self.before:
            self.fail(what, "or one of the 7 before changed the target:", error)
            self.before = psql(self.target, FIGURES)

    def finish(self):
        if psql(self.target, FIGURES) != self.before or psql(self.empty, EMPTY) != "0\n":
            self.fail("a target was changed")
        with open(self.path, "wb") as file:
            file.write(self.data)
        require(self.ask("SELECT backup_verify(?)", self.path)[0] == "ok", "the whole file does not verify")
        require(not partials(os.getcwd()), "left behind:", partials(os.getcwd()))
        print(f"{self.count} files, {self.wrong} wrong")
        return self.wrong > 0


def main():
    kind, every = sys.argv[1], int(sys.argv[4])
    ground = Ground(sys.argv[2], sys.argv[3])
    data, size = ground.data, len(ground.data)
    start = random.randrange(every)
    places = sorted(set(range(start, size, every)) | set(range(max(0, size - 1024), size, max(1, every // 8))))
    if kind == "flip":
        for at in places:
            ground.check(f"byte {at}", data[:at] + bytes([data[at] ^ (1 << at % 8)]) + data[at + 1:])
    elif kind == "cut":
        for at in places:
            ground.check(f"cut at {at}", data[:at])
    else:
        blocks, manifest, contents = read_file(data)
        plain = without_hash(manifest)
        with open(ground.path, "wb") as file:
            file.write(write_file(blocks, plain, json.dumps(contents).encode()))
        require(ground.ask("SELECT backup_verify(?)", ground.path) == ("ok", None), "our own writer does not write well")
        for what, text in forged_contents(contents):
            ground.check(what, write_file(blocks, plain, text.encode()), sound=True)
        for what, other in forged_blocks(blocks, contents):
            ground.check(what, write_file(other, plain, json.dumps(contents).encode()), sound=True)
    return ground.finish()


if __name__ == "__main__":
    sys.exit(main())

"""Reads tables out of damaged and forged backups: backup_table gives an error, or what is true.

    LIFEBOAT_SO=… /usr/bin/python3 table_damage.py blocks|forge BACKUP

blocks: BACKUP has tables wanted(id, a, b), of several parts, and other. All blocks but those of `wanted`, and of the
definitions, are overwritten: its rows are all there, so nothing else was read. Then one of its own is. forge: BACKUP has
tables t(a int, b text, c bytea) of 60 rows and u(a, b, c); files are made that are sound by docs/format.md and whose contents or
blocks lie (damage.py has more of them).
"""
import json
import os
import re
import sqlite3
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "../fault"), os.path.join(HERE, "../archive")]
import lbformat  # noqa: E402
from damage import forged_blocks, forged_contents, read_file, without_hash, write_file  # noqa: E402
from world import connect, require  # noqa: E402

PATH = os.path.join(os.getcwd(), "forged_postgres_20250101_000000.sql.gz")


def write(data):
    if os.path.exists(PATH):
        os.remove(PATH)  # not over it: a table may have it open
    with open(PATH, "wb") as file:
        file.write(data)


class Table:
    """The table `name` of a backup; what fails is a text instead of rows."""

    def __init__(self, name):
        self.db = connect()
        self.error = None
        try:
            self.db.execute(f"CREATE VIRTUAL TABLE temp.x USING backup_table('{PATH}', '{name}')")
        except sqlite3.Error as error:
            self.error = str(error)

    def ask(self, sql):
        """Rows, and the error that ended them."""
        rows = []
        if self.error:
            return rows, self.error
        try:
            for row in self.db.execute(sql):
                rows.append(row)
        except sqlite3.Error as error:
            return rows, str(error)
        return rows, None


# ---- blocks ----

def places(data):
    """Of each block (offset, stored bytes), and the contents."""
    stream = lbformat.read_stream(data, *lbformat.read_footer(data))
    _, _, _, table, _, contents = lbformat.parse_stream(stream)
    return [(at, n) for at, n, _, _ in table], json.loads(contents)


def overwrite(data, blocks, numbers):
    data = bytearray(data)
    for number in numbers:
        at, n = blocks[number]
        data[at + n // 2] ^= 0xff
    return bytes(data)


def check_blocks(data):
    blocks, contents = places(data)
    number = [t["name"] for t in contents["tables"]].index("wanted")
    parts = [p for p in contents["parts"] if p[0] == "data" and p[1] == number]
    own = {b for p in parts for b in range(p[2], p[2] + p[3])}
    before = {b for p in contents["parts"] if p[0] == "pre-data" for b in range(p[2], p[2] + p[3])}
    rest = set(range(len(blocks))) - own - before
    require(len(parts) >= 3 and len(rest) > 10, "the backup is too small:", len(parts), len(rest))
    sums = "SELECT count(*), sum(id), min(a), max(b), count(DISTINCT rowid), max(rowid) FROM x"
    write(data)
    truth = Table("wanted").ask(sums)[0]
    require(truth[0][0] == 150000 and truth[0][4:] == (150000, 150000), "the whole file:", truth)

    write(overwrite(data, blocks, rest))
    got = Table("wanted").ask(sums)
    require(got == (truth, None), "not all of wanted:", got)
    rows, error = Table("other").ask("SELECT * FROM x")
    require(error and "block" in error, "other is read from damaged blocks:", error)

    bad = parts[1][2] + 2
    at = blocks[bad][0]
    write(overwrite(data, blocks, [bad]))
    table = Table("public.wanted")
    rows, error = table.ask("SELECT rowid, id FROM x")
    require(error == f"table public.wanted: {PATH}: block {bad} at byte {at}: stored checksum does not match", error)
    require(parts[0][4] < len(rows) < parts[0][4] + parts[1][4], "rows before the block:", len(rows))
    require([r[0] for r in rows] == list(range(1, len(rows) + 1)), "numbers of rows")
    behind = parts[0][4] + parts[1][4]
    rows, error = table.ask(f"SELECT rowid FROM x WHERE rowid > {behind} LIMIT 5")
    require((rows, error) == ([(behind + i,) for i in range(1, 6)], None), "rows behind it:", rows, error)
    rows, error = table.ask(f"SELECT count(*) FROM x WHERE rowid <= {parts[0][4]}")
    require((rows, error) == ([(parts[0][4],)], None), "rows of the part before it:", rows, error)
    rows, error = table.ask("SELECT id FROM x LIMIT 3")
    require(len(rows) == 3 and error is None, "the first rows:", rows, error)

    write(overwrite(data, blocks, before))
    require("block 0" in (Table("wanted").error or ""), "definitions are damaged:", Table("wanted").error)

    # Cut off while it is open: what is left is read, then there is an error.
    write(data)
    table = Table("wanted")
    os.truncate(PATH, blocks[bad][0] + 10)
    rows, error = table.ask("SELECT id FROM x")
    require(error and "the file ends before it does" in error, "cut off while it is open:", error)


# ---- forgeries ----

def changed_rows(block):
    """(what, block, error): data that is sound as a file and is no data of t."""
    text = block.decode()
    head, rows = re.match(r"(.*?FROM stdin;\n)(.*)\\\.\n", text, re.S).groups()
    lines = rows.splitlines()

    def with_line(line, number=30):
        return (head + "\n".join(lines[:number] + [line] + lines[number + 1:]) + "\n\\.\n\n\n").encode()

    row = ": table public.t, row 31: "
    yield "a field less", with_line("1\tx"), row + "it has 2 fields, its COPY 3 columns"
    yield "a field more", with_line("1\tx\t\\N\t"), row + "it has 4 fields, its COPY 3 columns"
    yield "no field", with_line(""), row + "it has 1 field, its COPY 3 columns"
    yield "a backslash last", with_line("1\tx\t\\"), row + "a backslash at its end escapes nothing"
    yield "a marker inside", with_line("1\tx\\.y\t\\N"), row + "column b: it has \\. inside, which ends a COPY"
    yield "a zero byte", with_line("1\t\0\t\\N"), row + "column b: it has a zero byte"
    yield "an escaped zero byte", with_line("1\t\\0\t\\N"), row + "column b: it has a zero byte"
    yield "no bytea", with_line("1\tx\t\\\\xabc"), row + "column c: this is no bytea"
    yield "CR LF", with_line("1\tx\t\\N\r"), row + "it ends with CR LF, and rows before it do not"
    rows_of = ": table public.t, block 1: it does not have the rows that the table of contents tells of"
    yield "a row less", (head + "\n".join(lines[:-1]) + "\n\\.\n\n\n").encode(), rows_of
    yield "a row more", (head + "\n".join(lines + lines[:1]) + "\n\\.\n\n\n").encode(), rows_of
    copy = head[head.index("COPY"):]
    for what, other, error in [
            ("another table", 'COPY "public"."u" ("a", "b", "c") FROM stdin;\n', "its rows are those of another table"),
            ("a column less", 'COPY "public"."t" ("a", "b") FROM stdin;\n', "its COPY has other columns than the definition of the table"),
            ("a column twice", 'COPY "public"."t" ("a", "b", "b") FROM stdin;\n', "its COPY has other columns than the definition of the table"),
            ("a column too many", 'COPY "public"."t" ("a", "b", "c", "d") FROM stdin;\n', "its COPY has other columns than the definition of the table"),
            ("options", 'COPY "public"."t" ("a", "b", "c") FROM stdin WITH (FREEZE);\n', "its COPY has options: only plain COPY … FROM stdin is read"),
            ("an INSERT", "INSERT INTO public.t VALUES (1);\n" + copy, "it is not one COPY statement")]:
        yield what, text.replace(copy, other).encode(), ": table public.t, block 1: " + error


def definitions():
    """Pre-data that lies: (what, SQL)."""
    yield "none", ""
    yield "of another table", "CREATE TABLE public.u (a int);"
    yield "a circle", "CREATE TABLE public.t (a int) INHERITS (public.t);"
    yield "an endless type", "CREATE DOMAIN public.d AS public.d; CREATE TABLE public.t (a public.d, b public.d, c public.d);"
    yield "columns without number", "CREATE TABLE public.t (%s);" % ", ".join(f"c{i} int" for i in range(3000))
    yield "a partition of itself", "CREATE TABLE public.t (a int, b text, c bytea); ALTER TABLE public.t ATTACH PARTITION public.t DEFAULT;"
    yield "a chain", "CREATE TABLE public.t (a int, b text, c bytea);" + "".join(
        f"CREATE TABLE public.p{i} PARTITION OF public.{'p%d' % (i - 1) if i else 't'} DEFAULT PARTITION BY LIST (a);" for i in range(300))
    yield "of a view", "CREATE VIEW public.t AS SELECT 1;"
    yield "open", "CREATE TABLE public.t (a int, "
    yield "a long name", "CREATE TABLE public.t (%s int);" % ("n" * 100000)
    yield "another encoding", "SET client_encoding = 'EUC_JP'; CREATE TABLE public.t (a int, b text, c bytea);"


def check_forgeries(data):
    blocks, manifest, contents = read_file(data)
    manifest = without_hash(manifest)
    number = [t["name"] for t in contents["tables"]].index("t")
    part = next(p for p in contents["parts"] if p[0] == "data" and p[1] == number)
    # t's rows in block 1, whatever the order was.
    require(part[3] == 1 and contents["parts"][0][:4] == ["pre-data", None, 0, 1], "the backup has another form")
    order = [0, part[2]] + [b for b in range(1, len(blocks)) if b != part[2]]
    contents["parts"] = sorted(contents["parts"], key=lambda p: order.index(p[2]))
    for p in contents["parts"]:
        p[2] = order.index(p[2])
    blocks = [blocks[b] for b in order]
    write(write_file(blocks, manifest, json.dumps(contents).encode()))
    truth = Table("t").ask("SELECT * FROM x")
    require(truth[1] is None and len(truth[0]) == 60 and truth[0][2] == (3, "row 3", b"\0"), "the whole file:", truth)
    count = 0

    def look(what, data, want=None):
        nonlocal count
        count += 1
        write(data)
        rows, error = Table("t").ask("SELECT * FROM x")
        require(error is None or not re.search("out of memory|malformed", error), what, error)
        if want:
            require(error == PATH + want, f"{what}: {error} and not {want}")
            require(rows == truth[0][:len(rows)], what, "gives other rows", rows)
        elif error is None:
            # Without types what was a number is text.
            texts = [(str(a), b, "\\x00") for a, b, _ in truth[0]]
            require(rows == truth[0] or rows == texts, what, "gives other rows", rows[:5])

    for what, block, want in changed_rows(blocks[1]):
        look(what, write_file([blocks[0], block] + blocks[2:], manifest, json.dumps(contents).encode()), want)
    for what, text in forged_contents(contents):
        look(what, write_file(blocks, manifest, text.encode()))
    for what, other in forged_blocks(blocks, contents):
        look(what, write_file(other, manifest, json.dumps(contents).encode()))
    for what, sql in definitions():
        look("definition: " + what, write_file([b"SET client_encoding = 'UTF8';\n" + sql.encode()] + blocks[1:], manifest,
                                               json.dumps(contents).encode()))
    print(count, "files")


def main():
    os.environ["BACKUP_DIR"] = os.getcwd()
    with open(sys.argv[2], "rb") as file:
        data = file.read()
    check_blocks(data) if sys.argv[1] == "blocks" else check_forgeries(data)


if __name__ == "__main__":
    sys.exit(main())

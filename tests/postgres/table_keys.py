"""Looks for rows of a backup by their key: the parts that cannot have them are not read, and nothing is missed.

    LIFEBOAT_SO=… /usr/bin/python3 table_keys.py model|blocks BACKUP [SEED]

model: every table of BACKUP is copied; conditions on its columns, drawn at random, give the same rows of the table in
the backup as of the copy, in databases of two encodings. blocks: BACKUP has numbers(id, …), of several parts in the order
of id, and shuffled(id, …), of several in none. Parts are damaged: who reads one gets an error.
"""
import json
import os
import random
import sqlite3
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "../fault")]
from table_damage import PATH, Table, overwrite, places, write  # noqa: E402
from world import connect, quote, require  # noqa: E402

QUERIES = 14  # of each table


def quoted(name):
    return '"' + name.replace('"', '""') + '"'


# ---- model ----

def literal(rng, values):
    """Something to compare with: near what is there, or of another type."""
    value = rng.choice(values)
    kind = rng.randrange(10)
    if kind == 0:
        return rng.choice(["NULL", "x'31'", "''", "9223372036854775807", "-9223372036854775808", "1e300", "-1e19", "'Ā'", "'é'"])
    if isinstance(value, int):
        value += rng.choice([0, 0, 0, 1, -1, 700])
        return rng.choice([str(value), str(value), f"{value}.5", f"{value}.0", f"'{value}'"])
    if isinstance(value, str):
        return quote(rng.choice([value, value, value[:-1], value + "0", value.upper()]))
    return "NULL" if value is None else repr(value) if isinstance(value, float) else quote(value)


def condition(rng, column, values):
    def one():
        return literal(rng, values)
    kind = rng.randrange(8)
    if kind == 0:
        return f"{column} BETWEEN {one()} AND {one()}"
    if kind == 1:
        return f"{column} IN ({one()}, {one()}, {one()})"
    if kind == 2:
        return f"{column} {rng.choice(['=', '<', '>'])} {one()} COLLATE NOCASE"
    if kind == 3:
        return f"{column} > {one()} AND {column} <= {one()} AND rowid {rng.choice('<>')} {rng.randrange(9000)}"
    return f"{column} {rng.choice(['=', '=', '=', '<', '<=', '>', '>=', 'IS'])} {one()}"


def check_table(db, rng, backup, name):
    """How many rows its queries gave."""
    db.execute(f"CREATE VIRTUAL TABLE temp.x USING backup_table({quote(backup)}, {quote(name)})")
    columns = db.execute("SELECT name, type FROM pragma_table_info('x') WHERE name <> 'pad'").fetchall()
    names = ", ".join(quoted(c) for c, _ in columns)
    db.execute("CREATE TEMP TABLE copy(number INTEGER PRIMARY KEY, %s)" % ", ".join(f"{quoted(c)} {t}" for c, t in columns))
    db.execute(f"INSERT INTO copy SELECT rowid, {names} FROM x")
    given = 0
    for _ in range(QUERIES):
        column = quoted(rng.choice(columns)[0])
        values = [row[0] for row in db.execute(f"SELECT {column} FROM copy ORDER BY random() LIMIT 8")]
        where = condition(rng, column, values)
        order = rng.choice(["number", "number DESC", f"{column}, number"])
        want = db.execute(f"SELECT number, {names} FROM copy WHERE {where.replace('rowid', 'number')} ORDER BY {order}").fetchall()
        got = db.execute(f"SELECT rowid AS number, {names} FROM x WHERE {where} ORDER BY {order}").fetchall()
        require(got == want, name, where, order, "gives", len(got), "rows and not", len(want))
        given += len(got)
    column = quoted(columns[0][0])
    joined = [db.execute(f"SELECT count(*), sum(a.number) FROM copy AS a JOIN {t} AS b ON b.{column} = a.{column} "
                         "WHERE a.number % 400 = 3").fetchall() for t in ("x", "copy")]
    require(joined[0] == joined[1], name, "joined gives", joined)
    db.execute("DROP TABLE temp.x")
    db.execute("DROP TABLE temp.copy")
    return given


def check_model(backup, seed):
    contents = places(open(backup, "rb").read())[1]
    names = ["%s.%s" % (quoted(t["schema"]), quoted(t["name"])) for t in contents["tables"]] + ["public.parted"]
    given = 0
    for encoding in ("UTF-8", "UTF-16le"):
        db = connect()
        db.execute(f"PRAGMA encoding = '{encoding}'")
        rng = random.Random(f"{seed} {encoding}")
        for name in names:
            given += check_table(db, rng, backup, name)
        db.close()
    keyed = {t["name"]: t.get("key") for t in contents["tables"]}
    print(json.dumps(keyed, sort_keys=True))
    require(given > 1000, "too few rows were found to say anything:", given)


# ---- blocks ----

def parts_of(contents, name):
    number = [t["name"] for t in contents["tables"]].index(name)
    parts = [p for p in contents["parts"] if p[0] == "data" and p[1] == number]
    require(len(parts) >= 3, "too few parts:", len(parts))
    return parts


def blocks_of(parts):
    return {block for p in parts for block in range(p[2], p[2] + p[3])}


def check_blocks(data):
    blocks, contents = places(data)
    parts = sorted(parts_of(contents, "numbers"), key=lambda p: p[6])
    require(all(a[7] < b[6] for a, b in zip(parts, parts[1:])), "numbers is in no order:", parts)
    low, high = parts[1][6:8]
    write(overwrite(data, blocks, blocks_of(parts[:1] + parts[2:])))
    table = Table("numbers")
    for where, count in [
            (f"id = {low}", 1), (f"id = {high}", 1), (f"id = {low}.0", 1), (f"id = {low}.5", 0), ("id = NULL", 0),
            (f"id IN ({low}, {high})", 2), (f"id BETWEEN {low} AND {high}", parts[1][4]),
            (f"id > {low} AND id < {high}", parts[1][4] - 2), (f"id >= {low} AND id <= {high} AND rowid > 0", parts[1][4]),
            ("id > 99999999", 0), ("id < -1", 0), (f"id = {low} COLLATE NOCASE", None), (f"id = '{low}'", None),
            (f"id >= {low - 1}", None), ("+id = 1", None), (f"id IS {low}", None)]:
        rows, error = table.ask(f"SELECT id FROM x WHERE {where}")
        if count is None:
            require(error and "block" in error, where, "reads no other part:", len(rows), error)
        else:
            require(error is None and len(rows) == count, where, "gives", len(rows), error)
    rows, error = table.ask(f"SELECT rowid, id FROM x WHERE id = {low}")
    require(rows == [(low, low)] and error is None, "the number of a row behind what was passed over:", rows, error)

    # Each part of it may have any key.
    parts = parts_of(contents, "shuffled")
    key = parts[0][6]
    for part in parts:
        write(overwrite(data, blocks, blocks_of([part])))
        rows, error = Table("shuffled").ask(f"SELECT id FROM x WHERE id = {max(p[6] for p in parts)}")
        require(error, "a part that may have", key, "is not read")
    os.remove(PATH)


def main():
    os.environ["BACKUP_DIR"] = os.getcwd()
    if sys.argv[1] == "blocks":
        with open(sys.argv[2], "rb") as file:
            check_blocks(file.read())
    else:
        seed = sys.argv[3] if len(sys.argv) > 3 else "1"
        print("seed", seed, "SQLite", sqlite3.sqlite_version)
        check_model(sys.argv[2], seed)


if __name__ == "__main__":
    sys.exit(main())

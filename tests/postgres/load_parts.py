"""Makes what load_driver.c reads out of a database: FILE, a script in the order of a backup, and FILE.parts.

    load_parts.py URI FILE [ROWS]

Everything is pg_dump's own text, cut into parts; a table with more than ROWS rows (200) becomes several COPY statements.
"""
import re
import subprocess
import sys

uri, path = sys.argv[1:3]
most = int(sys.argv[3]) if len(sys.argv) > 3 else 200


def section(name):
    return subprocess.run(["pg_dump", "--section=" + name, "-d", uri], check=True, stdout=subprocess.PIPE).stdout


parts = [(b"pre-data", b"-", b"-", 0, section("pre-data"))]
data, sequences, large = section("data"), [], []
name = rb"(?:\"((?:[^\"]|\"\")+)\"|(\w+))"
columns = rb"(?:\((?:[^\")]|\"(?:[^\"]|\"\")+\")*\) )?"
copy = re.compile(rb"^(COPY " + name + rb"\." + name + rb" " + columns + rb" ?FROM stdin;\n)", re.M)
at = 0
while True:
    found = copy.search(data, at)
    rest = data[at:found.start() if found else len(data)]
    begin = rest.find(b"\nBEGIN;\n")
    lines = rest if begin < 0 else rest[:begin]
    large.append(rest[begin:] if begin >= 0 else b"")
    sequences += re.findall(rb"^SELECT pg_catalog\.setval\([\s\S]*?, (?:true|false)\);\n", lines, re.M)
    large += re.findall(rb"^SELECT pg_catalog\.lo_.*\);\n|^ALTER LARGE OBJECT .*;\n", lines, re.M)
    if not found:
        break
    end = data.index(b"\\.\n", found.end() - 1) if data[found.end():found.end() + 3] == b"\\.\n" else \
        data.index(b"\n\\.\n", found.end() - 1) + 1
    rows = data[found.end():end].splitlines(True) if b"\r" not in data[found.end():end] else \
        [r + b"\n" for r in data[found.end():end].split(b"\n")[:-1]]
    names = [re.sub(rb"[\t\n]", b"?", found[2] or found[3]), re.sub(rb"[\t\n]", b"?", found[4] or found[5])]
    for first in range(0, max(len(rows), 1), most):
        some = rows[first:first + most]
        if some:
            parts.append((b"data", *names, len(some), b"--\n\n" + found[1] + b"".join(some) + b"\\.\n\n\n"))
    at = end + 3
if sequences:
    parts.append((b"sequences", b"-", b"-", 0, b"".join(sequences)))
if any(large):
    parts.append((b"large-objects", b"-", b"-", 0, b"".join(large)))
parts.append((b"post-data", b"-", b"-", 0, section("post-data")))
with open(path, "wb") as script, open(path + ".parts", "wb") as index:
    for kind, schema, table, rows, text in parts:
        script.write(text)
        index.write(b"%s\t%s\t%s\t%d\t%d\n" % (kind, schema, table, rows, len(text)))

#!/usr/bin/env python3
"""Holds the source tree against the layers of docs/architecture.md and some rules of style.

Every #include "FOLDER/…" must point to a folder that ALLOWED lists for the folder it stands in; every .c file opens
with a comment; lines are at most 120 columns; files at most 600 lines. Prints what is wrong; status 1 if anything is.
"""
import pathlib
import re
import sys

BELOW_JOB = {"vfs", "sqlite", "postgres", "catalog", "archive", "codec", "core"}
ALLOWED = {
    ".": {"api", "vfs", "core"},
    "api": {"api", "job", "catalog", "codec", "core"},
    "job": {"job"} | BELOW_JOB,
    "vfs": {"vfs", "archive", "codec", "core"},
    "sqlite": {"sqlite", "core"},
    "postgres": {"postgres", "core", "sql"},  # "sql/NAME.h": made from sql/postgres/NAME.sql
    "catalog": {"catalog", "archive", "codec", "core"},
    "archive": {"archive", "codec", "core"},
    "codec": {"codec", "core"},
    "core": {"core"},
}
# Only the api layer sees what SQLite calls us with.
API_ONLY = re.compile(r"\b(sqlite3_context|sqlite3_vtab|sqlite3_value)\b")
UNFINISHED = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")

root = pathlib.Path(__file__).resolve().parent.parent
problems = []
for path in sorted((root / "ext").rglob("*.[ch]")):
    name = path.relative_to(root)
    folder = path.parent.relative_to(root / "ext").as_posix()
    lines = path.read_text().split("\n")
    if folder not in ALLOWED:
        problems.append(f"{name}: no layer is called {folder}")
        continue
    if not lines[0].startswith("/*"):
        problems.append(f"{name}:1: a file opens with a comment that says what it is for")
    if len(lines) > 600:
        problems.append(f"{name}: {len(lines)} lines: split it by phase")
    for number, line in enumerate(lines, 1):
        include = re.match(r'\s*#include "([^"]+)"', line)
        if include and include.group(1).split("/")[0] not in ALLOWED[folder]:
            problems.append(f"{name}:{number}: {folder}/ may not include {include.group(1)}")
        if len(line) > 120:
            problems.append(f"{name}:{number}: {len(line)} columns, 120 at most")
        if UNFINISHED.search(line):
            problems.append(f"{name}:{number}: unfinished: {line.strip()}")
        if folder not in (".", "api") and API_ONLY.search(line.split("/*")[0]):
            problems.append(f"{name}:{number}: only ext/api sees {API_ONLY.search(line).group(1)}")
for problem in problems:
    print(problem)
sys.exit(1 if problems else 0)

"""Damages a small backup in every way and asks for it: verify never says ok, restore never touches the target.

    LIFEBOAT_SO=… /usr/bin/python3 damage.py gzip|zstd|old FOLDER

gzip, zstd: our own files; every byte of them is covered by a checksum. old: a file as gzip writes it, with one member,
whose header has bytes that say nothing (time, system): there "ok" is right as long as the content is the same.
"""
import gzip
import os
import sqlite3
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../fault"))
from world import Broken, connect, file_digest, make_db, partials, require  # noqa: E402


def unpacked(data):
    try:
        return gzip.decompress(data)
    except Exception:  # whatever a damaged file makes of zlib
        return None


def flipped(data):
    for at in range(len(data)):
        for mask in (0xFF, 1 << at % 8):
            yield f"byte {at} ^ {mask:#x}", data[:at] + bytes([data[at] ^ mask]) + data[at + 1:]


def truncated(data):
    for n in range(len(data)):
        yield f"cut off at {n}", data[:n]


def lengthened(data, kind):
    for tail in (b"\0", b"x", b"\0" * 512, b"rubbish" * 100, data[-28:], data[:100], data, gzip.compress(b""),
                 gzip.compress(b"more")):
        if kind != "old" or tail[:2] != b"\x1f\x8b":  # further members of a plain gzip file are content: tested below
            yield f"{len(tail)} bytes longer ({tail[:8]!r})", data + tail
    if kind == "old":
        yield "more content", data + gzip.compress(b"more")
    yield "shifted by one", b"\0" + data
    yield "without its first byte", data[1:]
    yield "nothing but zeros", b"\0" * len(data)


class Ground:
    def __init__(self, kind, folder):
        self.kind, self.folder, self.db = kind, folder, connect()
        os.environ["BACKUP_DIR"] = folder + "/none"  # no folder, so no history is written: thousands of calls
        self.target = make_db(folder + "/target.db", "old", rows=20)
        self.before = file_digest(self.target)
        source = make_db(folder + "/app.db", "new", rows=12)
        self.damaged = folder + "/app_sqlite_20250101_000000.db." + ("zst" if kind == "zstd" else "gz")
        if kind == "old":
            with open(source, "rb") as f:
                self.data = gzip.compress(f.read(), mtime=1)
        else:
            path = self.db.execute("SELECT backup_create(?, json_object('dir', ?, 'compress', ?))",
                                   (source, folder, kind)).fetchone()[0]
            with open(path, "rb") as f:
                self.data = f.read()
            os.remove(path)
        self.content = unpacked(self.data) if kind != "zstd" else None

    def write(self, data):
        with open(self.damaged, "wb") as f:
            f.write(data)

    def verify(self, options="{}"):
        try:
            return self.db.execute("SELECT backup_verify(?, ?)", (self.damaged, options)).fetchone()[0]
        except sqlite3.Error as error:
            return f"error: {error}"

    def restore(self):
        """The error, or None."""
        try:
            self.db.execute("""SELECT backup_restore(?, ?, '{"overwrite":true,"threads":1,"pre_restore":false}')""",
                            (self.damaged, self.target)).fetchone()
        except sqlite3.Error as error:
            return str(error)
        return None

    def check(self, what, data):
        self.write(data)
        result = self.verify('{"threads":1}')
        require(result, what, "empty result")
        if result == "ok":
            require(self.kind == "old" and unpacked(data) == self.content, what, "is ok to verify")
            return
        error = self.restore()
        require(error, what, "was restored, and verify says:", result)
        require(file_digest(self.target) == self.before, what, "changed the target:", error)


def main():
    kind, folder = sys.argv[1], os.path.realpath(sys.argv[2])
    ground = Ground(kind, folder)
    ground.write(ground.data)
    require(ground.verify() == "ok", "undamaged:", ground.verify())
    wrong = count = 0
    for make in (flipped(ground.data), truncated(ground.data), lengthened(ground.data, kind)):
        for what, data in make:
            count += 1
            try:
                ground.check(what, data)
            except Broken as broken:
                wrong += 1
                if wrong <= 20:
                    print(broken)
    print(f"{count} files, {wrong} wrong")
    require(count > 1000, "too few files")
    require(not partials(folder), "left behind:", partials(folder))
    # The ground holds at the end as at the beginning: the same target, restorable from the whole file.
    ground.write(ground.data)
    require(ground.restore() is None, "the whole file does not restore")
    require(file_digest(ground.target) != ground.before, "restoring changed nothing")
    return wrong > 0


if __name__ == "__main__":
    sys.exit(main())

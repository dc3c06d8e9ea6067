#!/usr/bin/env python3
"""Writes a small gzip backup with blocks of any length and contents, by docs/format.md alone: `varying.py FILE`.

A seed for the fuzzer; XXH3 hashes are left out, as by a writer without xxhash.
"""
import os
import struct
import sys
import zlib

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../archive"))
from lbformat import DATA, FOOTER, GZIP_FIXED, INDEX, gzip_record  # noqa: E402

PARTS = [b"SET client_encoding = 'UTF8';\n", b"COPY public.t (i) FROM stdin;\n1\n2\n\\.\n", b"x", b"-- the end\n" * 20]
CONTENTS = b'{"parts":[["pre-data",null,0,1,0,30],["data",0,1,1,2,39]]}'


def data_member(number, raw):
    deflate = zlib.compressobj(6, zlib.DEFLATED, -15)
    packed = deflate.compress(raw) + deflate.flush()
    mark = struct.pack("<BBHIQ", DATA, 1, 0, 32 + len(packed) + 8, number)
    header = GZIP_FIXED + struct.pack("<H2sH", 20, b"LB", 16) + mark
    return header + packed + struct.pack("<II", zlib.crc32(raw), len(raw))


def section(number, payload):
    return struct.pack("<IIQ", number, 0, len(payload)) + payload


def main():
    data = table = b""
    for number, raw in enumerate(PARTS):
        member = data_member(number, raw)
        table += struct.pack("<QIII", len(data), len(member), len(raw), zlib.crc32(member))
        data += member
    stream = b"LBINDEX\0" + struct.pack("<IIIIQQ", 1, 1 << 18, 0, 3, len(PARTS), sum(map(len, PARTS)))
    stream += section(1, table) + section(2, b"{}") + section(4, CONTENTS)
    record = gzip_record(INDEX, stream)
    footer = b"LBFOOTR\0" + struct.pack("<IIQQQ", 1, zlib.crc32(stream), len(data), len(record), len(stream))
    footer += struct.pack("<I", zlib.crc32(footer))
    with open(sys.argv[1], "wb") as file:
        file.write(data + record + gzip_record(FOOTER, footer))


if __name__ == "__main__":
    main()

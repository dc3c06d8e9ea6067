#!/usr/bin/env python3
"""Reads Lifeboat backup files by docs/format.md alone; Python's standard library only.

    lbformat.py index FILE    verifies footer, index and blocks; prints manifest, contents and blocks
    lbformat.py walk FILE     finds the data blocks of a gzip file by their marks, whatever became of its index
    lbformat.py cat FILE      the same walk; writes the content to standard output

Exit status 1, and what is wrong on standard error, when a file is not whole. zstd blocks are checked by their stored
checksums only, and XXH3 hashes not at all: the standard library has neither.
"""
import struct
import sys
import zlib

GZIP_FIXED = bytes.fromhex("1f8b08040000000000ff")
RECORD_MAX = 8192
FOOTER_BYTES = 44
DATA, INDEX, FOOTER = 1, 2, 3


class Damaged(Exception):
    pass


def need(condition, what):
    if not condition:
        raise Damaged(what)


def gzip_record(kind, payload):
    mark = struct.pack("<BBH", kind, 1, 0) + payload
    return GZIP_FIXED + struct.pack("<H2sH", len(mark) + 4, b"LB", len(mark)) + mark + b"\x03\x00" + bytes(8)


def zstd_record(kind, payload):
    mark = struct.pack("<BBH", kind, 1, 0) + payload
    return struct.pack("<II2sH", 0x184D2A50, len(mark) + 4, b"LB", 0) + mark


CODECS = {"gzip": (gzip_record, 20, 10), "zstd": (zstd_record, 16, 0)}  # record, bytes before and behind the payload


def read_footer(data):
    for codec, (record, before, behind) in CODECS.items():
        size = before + FOOTER_BYTES + behind
        tail = data[-size:]
        payload = tail[before:before + FOOTER_BYTES]
        if len(tail) == size and tail == record(FOOTER, payload) and payload[:8] == b"LBFOOTR\0":
            version, crc, offset, stored, length, own = struct.unpack("<IIQQQI", payload[8:])
            need(own == zlib.crc32(payload[:40]), "footer: checksum")
            need(version == 1, "footer: version")
            need(offset + stored + size == len(data), "footer: place of the index")
            return codec, crc, offset, stored, length
    raise Damaged("no footer")


def read_stream(data, codec, crc, offset, stored, length):
    record, before, behind = CODECS[codec]
    stream, at = b"", offset
    while len(stream) < length:
        n = min(RECORD_MAX, length - len(stream))
        piece = data[at + before:at + before + n]
        need(data[at:at + before + n + behind] == record(INDEX, piece), "index: a record")
        stream += piece
        at += before + n + behind
    need(at == offset + stored, "index: its length")
    need(zlib.crc32(stream) == crc, "index: checksum")
    return stream


def parse_stream(stream):
    need(len(stream) >= 40 and stream[:8] == b"LBINDEX\0", "index: magic")
    version, block, head, count, blocks, raw = struct.unpack("<IIIIQQ", stream[8:40])
    need(version == 1 and 1 <= block <= 4 << 20 and head <= 65536, "index: header")
    sections, at = {}, 40
    for _ in range(count):
        need(len(stream) - at >= 16, "index: too short")
        number, reserved, n = struct.unpack("<IIQ", stream[at:at + 16])
        at += 16
        need(reserved == 0 and n <= len(stream) - at and number not in sections, "index: section %d" % number)
        sections[number] = stream[at:at + n]
        at += n
    need(at == len(stream) and 1 in sections, "index: sections")
    need(len(sections[1]) == 20 * blocks, "index: blocks")
    need(3 not in sections or len(sections[3]) == 8 * blocks, "index: hashes")
    for number in (2, 4):
        need(b"\0" not in sections.get(number, b""), "index: a NUL in section %d" % number)
    need(not (head and 4 in sections), "index: a head beside contents")
    contents = sections[4].decode() if 4 in sections else None
    return block, head, raw, list(struct.iter_unpack("<QIII", sections[1])), sections.get(2, b"").decode(), contents


def check_places(block, head, raw, table, end, varying):
    at = total = 0
    for number, (offset, stored, size, _) in enumerate(table):
        need(offset == at and 1 <= stored <= size + size // 128 + 1024, "block %d: place" % number)
        if number == 0 and head:
            need(size == head, "block 0: not the head")
        elif number + 1 < len(table) and not varying:
            need(size == block, "block %d: length" % number)
        else:
            need(1 <= size <= block, "block %d: length" % number)
        at += stored
        total += size
    need(at == end, "blocks do not end at the index")
    need(total == raw, "lengths do not add up")


def gzip_content(member, number):
    """The content of a data member that is exactly `member`."""
    mark = struct.pack("<BBHIQ", DATA, 1, 0, len(member), number)
    header = GZIP_FIXED + struct.pack("<H2sH", 20, b"LB", 16) + mark
    need(member[:32] == header, "block %d: header" % number)
    inflate = zlib.decompressobj(-15)
    try:
        content = inflate.decompress(member[32:-8])
    except zlib.error as error:
        raise Damaged("block %d: %s" % (number, error))
    need(inflate.eof and not inflate.unused_data, "block %d: deflate data" % number)
    need(struct.pack("<II", zlib.crc32(content), len(content)) == member[-8:], "block %d: trailer" % number)
    return content


def command_index(data):
    codec, crc, offset, stored, length = read_footer(data)
    stream = read_stream(data, codec, crc, offset, stored, length)
    block, head, raw, table, manifest, contents = parse_stream(stream)
    check_places(block, head, raw, table, offset, contents is not None)
    print("codec %s block %d head %d blocks %d raw %d" % (codec, block, head, len(table), raw))
    print("manifest %s" % manifest)
    if contents is not None:
        print("contents %s" % contents)
    for number, (at, n, size, check) in enumerate(table):
        member = data[at:at + n]
        need(zlib.crc32(member) == check, "block %d: stored checksum" % number)
        if codec == "gzip":
            need(len(gzip_content(member, number)) == size, "block %d: length" % number)
        print("block %d offset %d stored %d raw %d" % (number, at, n, size))
    print("ok")


def walk(data):
    """Yields (number, offset, member) of the data members from the beginning."""
    at = expected = 0
    while at < len(data):
        header = data[at:at + 32]
        if len(header) < 20 or header[:10] != GZIP_FIXED or header[12:14] != b"LB":
            raise Damaged("no member of ours at byte %d" % at)
        if header[16] != DATA:
            return
        need(len(header) == 32, "block %d is cut off at byte %d" % (expected, at))
        size, number = struct.unpack("<IQ", header[20:32])
        need(number == expected, "block %d expected at byte %d, not %d" % (expected, at, number))
        need(40 < size <= len(data) - at, "block %d is cut off at byte %d" % (number, at))
        yield number, at, data[at:at + size]
        at += size
        expected += 1


def command_walk(data):
    for number, at, member in walk(data):
        print("block %d offset %d stored %d raw %d" % (number, at, len(member), len(gzip_content(member, number))))


def command_cat(data):
    for number, _, member in walk(data):
        sys.stdout.buffer.write(gzip_content(member, number))


def main():
    commands = {"index": command_index, "walk": command_walk, "cat": command_cat}
    if len(sys.argv) != 3 or sys.argv[1] not in commands:
        sys.exit(__doc__)
    with open(sys.argv[2], "rb") as file:
        data = file.read()
    try:
        commands[sys.argv[1]](data)
        sys.stdout.flush()
    except Damaged as damage:
        sys.exit("%s: %s" % (sys.argv[2], damage))


if __name__ == "__main__":
    main()

"""Damages to an RDB file."""

import struct

MARKER = b"a value of which one letter will be another"


def without_checksum(file):
    return file[:-8] + bytes(8)


def flipped(file):
    at = file.index(MARKER) + 3
    return file[:at] + bytes([file[at] ^ 1]) + file[at + 1 :]


def of_yesterday(file):
    at = file.index(b"\xfa\x05ctime\xc2") + 8
    (seconds,) = struct.unpack("<I", file[at : at + 4])
    return without_checksum(file[:at] + struct.pack("<I", seconds - 86_400) + file[at + 4 :])


DAMAGES = [
    ("RDB: it is of yesterday", of_yesterday),
    ("RDB: it is cut", lambda file: file[: len(file) * 2 // 3]),
    ("RDB: a bit of a value is flipped", flipped),
    ("RDB: the same, written without checksum", lambda file: without_checksum(flipped(file))),
    ("RDB: something is appended", lambda file: file + b"more"),
    ("RDB: it is empty", lambda file: b""),
    ("RDB: it is something else", lambda file: b"disk quota exceeded\n" * 20),
]

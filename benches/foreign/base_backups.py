"""Damages to a base backup and to the archive of its log. Each changes a copy of the folder that holds both."""

import json
import shutil

PAGE = 8192


def overwrite(path, at, content):
    with open(path, "r+b") as file:
        file.seek(at)
        file.write(content)


def segment(place):
    """The segment that is replayed between the base backup and the newest one."""
    return sorted(path for path in (place / "wal").iterdir() if len(path.name) == 24)[-2]


def of_another_file(place):
    manifest = place / "base" / "backup_manifest"
    manifest.write_text(manifest.read_text().replace("PG_VERSION", "PG_VERSIOM", 1))


def no_log(place):
    shutil.rmtree(place / "base" / "pg_wal")
    (place / "base" / "pg_wal").mkdir()
    for path in (place / "wal").iterdir():
        path.unlink()


def cut(path):
    with open(path, "r+b") as file:
        file.truncate(1 << 20)


def table(place):
    return place / "base" / json.loads((place / "facts.json").read_text())["lines"]


DAMAGES = [
    ("base: a byte of a table is changed", lambda place: overwrite(table(place), PAGE + 4000, b"X")),
    ("base: a page of a table is zeroed", lambda place: overwrite(table(place), PAGE, bytes(PAGE))),
    ("base: the file of a table is missing", lambda place: table(place).unlink()),
    ("base: backup_label is missing", lambda place: (place / "base" / "backup_label").unlink()),
    ("base: pg_control is damaged", lambda place: overwrite(place / "base" / "global" / "pg_control", 60, b"XX")),
    ("base: its manifest names another file", of_another_file),
    ("base: its log is missing", no_log),
    ("log: a segment is missing", lambda place: segment(place).unlink()),
    ("log: a segment is cut", lambda place: cut(segment(place))),
    ("log: a record is changed", lambda place: overwrite(segment(place), 72, b"X!X!")),
]

#!/usr/bin/env python3
"""Damages to backups of other people, found by Comeback and by firedrill on the same files.

Usage: benches/foreign_damages.py [path of comeback]

Needs Docker, the image comeback-servers:bookworm (`make setup`) and PyPI. firedrill starts images by the entry point
of the official one, which ours lacks: the script builds one on top, and removes it. Each tool is run on each file as it
comes, and with what it can be given of the intact one. A cell says `found` if the exit code is not 0; a dash stands for
a kind of backup that the tool does not read, or says no to without questions, whatever it holds. Exits 1 if a tool says
no to an intact backup, which makes its column worthless.
"""

import concurrent.futures
import pathlib
import shutil
import sys
import tempfile

from foreign import base_backups, dumps, rdb, tools
from foreign.tools import must

AT_ONCE = 3
WIDTHS = (48, 13, 13, 15, 13, 13)


class Table:
    """Prints a line for each damage, and counts."""

    def __init__(self, names):
        self.found, self.asked, self.wrong = [0] * len(names), [0] * len(names), False
        self.line(("damage", *names))

    @staticmethod
    def line(cells):
        print("".join(f"{cell:<{width}}" for cell, width in zip(cells, WIDTHS)), flush=True)

    def row(self, name, codes):
        says = {None: "-", 0: "passed"}
        self.line((name, *(says.get(code, f"found ({code})") for code in codes)))
        if name.startswith("intact"):
            self.wrong |= any(codes)
            return
        for column, code in enumerate(codes):
            self.asked[column] += code is not None
            self.found[column] += bool(code)

    def rows(self, cases, codes):
        """A row for each case, which begins with its name. Some run at once; they are printed in order."""
        with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
            for case, found in zip(cases, pool.map(codes, cases)):
                self.row(case[0], found)

    def sum(self):
        self.line(("found", *(f"{found} of {asked}" for found, asked in zip(self.found, self.asked))))


def of_dumps(table, folder, source, comeback, firedrill):
    taken = source.dumps()
    for name, content in taken.files.items():
        (folder / name).write_bytes(content)
        comeback.record(folder / name, name)
    firedrill.prepare(folder / dumps.PLAIN, source)
    cases = [(f"intact {name}", name, folder / name) for name in taken.files]
    for number, (damage, name, change) in enumerate(dumps.DAMAGES):
        damaged = folder / f"{number}.{name}"
        damaged.write_bytes(taken.damaged(damage, name, change))
        cases.append((damage, name, damaged))

    def codes(case):
        _, name, file = case
        return comeback.codes(file, name) + firedrill.codes(file)

    table.rows(cases, codes)


def of_base_backups(table, folder, source, comeback, firedrill):
    intact = folder / "physical"
    moment = source.base_backup(intact)

    def options(place):
        return ("--log", place / "wal", "--at", moment.replace(" ", "T") + "Z")

    def codes(case):
        name, change = case
        place = folder / name.replace(" ", "-").replace(":", "")
        must("cp", "-a", intact, place)
        change(place)
        found = comeback.codes(place / "base", "base", *options(place)) + firedrill.codes_of_recovery(place, moment)
        shutil.rmtree(place)
        return found

    comeback.record(intact / "base", "base", *options(intact))
    table.rows([("intact base backup and log", lambda place: None), *base_backups.DAMAGES], codes)


def of_rdb(table, folder, source, comeback):
    intact = source.rdb()

    def codes(case):
        name, change = case
        file = folder / f"{name.replace(' ', '-').replace(':', '')}.rdb"
        file.write_bytes(change(intact))
        return [comeback.verify(file), None, None, None, None]

    table.rows([("intact RDB", lambda file: file), *rdb.DAMAGES], codes)


def compare(binary, folder):
    tools.build_image(folder)
    source = tools.Source()
    try:
        comeback, firedrill = tools.Comeback(binary, folder, source), tools.Firedrill(folder)
        table = Table(comeback.names + firedrill.names)
        of_dumps(table, folder, source, comeback, firedrill)
        of_base_backups(table, folder, source, comeback, firedrill)
        of_rdb(table, folder, source, comeback)
        table.sum()
        return 1 if table.wrong else 0
    finally:
        source.remove()
        tools.run("docker", "rmi", tools.PEER)


def main():
    binary = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else "target/release/comeback").resolve()
    with tempfile.TemporaryDirectory() as folder:
        return compare(str(binary), pathlib.Path(folder))


if __name__ == "__main__":
    sys.exit(main())

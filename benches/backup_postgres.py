#!/usr/bin/env python3
"""The time of `comeback backup postgres` into a folder against the bare tool, in turns in one run.

Usage: benches/backup_postgres.py [path of comeback] [base|dump]…

- base: against `pg_basebackup --wal-method=stream --checkpoint=fast` into a folder;
- dump: against `pg_dump --format=custom`.

Comeback also reads and fingerprints every row. The goal is the larger of 1.15 x the tool and of the tool plus one bare
COPY of everything to nowhere, over one connection. A last round writes to the server during the backup, and tells the
longest time that a writer needed for a row, with and without a backup.

`COMEBACK_BENCH_MB` says how large the database is (default 1000), `COMEBACK_BENCH_ROUNDS` how many turns (default 3),
TMPDIR where everything lies. Run it as root: the server runs as `postgres`.
"""

import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

from verify import CUSTOMERS_PER_MB, PROGRAMS, Server, as_postgres

DATABASE = "shop"
# The database is larger than its dump, which the filling script counts.
PER_MB = CUSTOMERS_PER_MB * 0.62


def timed(command, **options):
    begun = time.monotonic()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, **options)
    return time.monotonic() - begun


class Source(Server):
    """The server that is backed up, its tools, and Comeback."""

    def __init__(self, folder, binary, megabytes):
        super().__init__(folder)
        self.binary, self.out = binary, folder / "out"
        self.out.mkdir()
        shutil.chown(self.out, "postgres", "postgres")
        self.init()
        self.start({"max_wal_size": "4GB", "shared_buffers": "256MB"})
        self.run("createdb", DATABASE)
        with open(pathlib.Path(__file__).parent / "verify_fill.sql") as script:
            self.run("psql", "-Xq", "-v", "ON_ERROR_STOP=1", "-v", f"n={int(megabytes * PER_MB)}", "-d", DATABASE, stdin=script)
        self.run("psql", "-Xq", "-d", DATABASE, "-c", "create table written (at timestamptz default clock_timestamp())")

    def ask(self, sql):
        ask = as_postgres(PROGRAMS / "psql", "-XAt", "-h", self.folder, "-U", "postgres", "-d", DATABASE, "-c", sql)
        return subprocess.run(ask, check=True, capture_output=True, text=True, cwd="/").stdout.split()

    def clear(self):
        shutil.rmtree(self.out)
        self.out.mkdir()
        shutil.chown(self.out, "postgres", "postgres")
        os.sync()

    def tool(self, kind):
        login = ("-h", self.folder, "-U", "postgres")
        if kind == "base":
            return as_postgres(PROGRAMS / "pg_basebackup", *login, "-D", self.out / "bare", "--checkpoint=fast")
        return as_postgres(PROGRAMS / "pg_dump", *login, "-Fc", "-f", self.out / "bare", DATABASE)

    def comeback(self, kind):
        url = f"postgres://postgres@/{DATABASE}?host={self.folder}"
        return as_postgres(self.binary, "backup", "postgres", "--from", url, "--format", kind, "--repository",
                           self.out / "repository")

    def copy(self):
        """One bare COPY of everything."""
        tables = self.ask("select oid::regclass from pg_class where relkind = 'r' and relnamespace = 'public'::regnamespace")
        commands = [word for table in tables for word in ("-c", f"copy {table} to stdout (format binary)")]
        return as_postgres(PROGRAMS / "psql", "-Xq", "-h", self.folder, "-U", "postgres", "-d", DATABASE, *commands)

    def longest_write(self, command):
        """The longest time that a row took to be written while a command ran, in milliseconds."""
        script = self.out / "insert.sql"
        script.write_text("insert into written default values;\n")
        writer = subprocess.Popen(
            as_postgres(PROGRAMS / "pgbench", "-n", "-c", "2", "-T", "3600", "-l", "--log-prefix", self.out / "log", "-f", script,
                        "-h", self.folder, "-U", "postgres", DATABASE), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/")
        time.sleep(2)
        begun = time.time()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd="/", env={**os.environ, "TMPDIR": str(self.out)})
        ended = time.time()
        writer.terminate()
        writer.wait()
        longest = 0
        for log in self.out.glob("log*"):
            for line in log.read_text().splitlines():
                words = line.split()
                if len(words) >= 6 and begun <= int(words[4]) <= ended + 1:
                    longest = max(longest, int(words[2]))
        return longest / 1000


def bench(source, kind, rounds):
    environment = {**os.environ, "TMPDIR": str(source.out)}
    tool, ours, copies = [], [], []
    for turn in range(rounds + 1):
        source.clear()
        bare = timed(source.tool(kind), cwd="/")
        source.clear()
        own = timed(source.comeback(kind), cwd="/", env=environment)
        copy = timed(source.copy(), cwd="/")
        # The first turn warms the caches.
        if turn:
            tool.append(bare), ours.append(own), copies.append(copy)
            print(f"{kind}: bare {bare:.1f} s, comeback {own:.1f} s, COPY {copy:.1f} s", flush=True)
    bare, own, copy = (statistics.median(times) for times in (tool, ours, copies))
    goal = max(1.15 * bare, bare + copy)
    print(f"{kind}: {own / bare:.2f} x the tool, {own / goal:.2f} of the goal of {goal:.1f} s "
          f"({own / (bare + copy):.2f} x the tool and a COPY)", flush=True)
    source.clear()
    idle = source.longest_write(["sleep", "5"])
    source.clear()
    beside = source.longest_write(source.tool(kind))
    source.clear()
    print(f"{kind}: the longest write took {idle:.0f} ms without a backup, {beside:.0f} ms beside the tool, "
          f"{source.longest_write(source.comeback(kind)):.0f} ms beside comeback", flush=True)


def main():
    named = [word for word in sys.argv[1:] if word not in ("base", "dump")]
    kinds = [word for word in sys.argv[1:] if word in ("base", "dump")] or ["base", "dump"]
    binary = pathlib.Path(named[0] if named else "target/release/comeback").resolve()
    megabytes, rounds = int(os.environ.get("COMEBACK_BENCH_MB", "1000")), int(os.environ.get("COMEBACK_BENCH_ROUNDS", "3"))
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        # Every user can reach it there.
        program = pathlib.Path(folder) / "comeback"
        shutil.copy(binary, program)
        source = Source(pathlib.Path(folder) / "server", program, megabytes)
        try:
            size = int(source.ask(f"select pg_database_size('{DATABASE}')")[0])
            print(f"a database of {size / 1e6:.0f} MB", flush=True)
            for kind in kinds:
                bench(source, kind, rounds)
        finally:
            source.remove()


if __name__ == "__main__":
    main()

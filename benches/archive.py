#!/usr/bin/env python3
"""The time of `comeback archive push` against `pgbackrest archive-push`, in pairs in one run.

Usage: benches/archive.py [path of comeback]

A server writes the log of pgbench. Each segment of it is pushed by both tools in turn, the order changing, into
repositories on the same disk, each push a process of its own as the server starts it. Both compress with zstd, level 1,
hash what they store, and make it durable. pgBackRest runs without asynchronous archiving, as its default is.

`COMEBACK_BENCH_SEGMENTS` says how many segments (default 40), TMPDIR where everything lies. Run it as root: the server
runs as `postgres`.
"""

import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

from verify import PROGRAMS, Server, as_postgres

SEGMENT_MB = 16.777216


def timed(command, data):
    begun = time.monotonic()
    subprocess.run(command, check=True, cwd=data, stdout=subprocess.DEVNULL)
    return time.monotonic() - begun


def write_log(server, count):
    """Lets pgbench write until there are enough whole segments; returns their paths."""
    server.run("pgbench", "-i", "-q", "-s", "20", "postgres")
    while True:
        ask = as_postgres(PROGRAMS / "psql", "-XAtc", "select pg_walfile_name(pg_switch_wal())", "-h", server.folder, "-U", "postgres")
        current = subprocess.run(ask, check=True, capture_output=True, text=True, cwd="/").stdout.strip()
        segments = sorted(path.name for path in (server.data / "pg_wal").iterdir() if len(path.name) == 24 and path.name < current)
        if len(segments) >= count:
            return segments[-count:]
        server.run("pgbench", "-n", "-c", "4", "-T", "5", "postgres")


def main():
    binary = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else "target/release/comeback").resolve()
    count = int(os.environ.get("COMEBACK_BENCH_SEGMENTS", "40"))
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        folder = pathlib.Path(folder)
        program = folder / "comeback"
        shutil.copy(binary, program)
        server = Server(folder / "server")
        ours, theirs = server.folder / "ours", server.folder / "theirs"
        for path in (ours, theirs):
            path.mkdir()
            shutil.chown(path, "postgres", "postgres")
        backrest = ["pgbackrest", "--no-config", "--stanza=bench", f"--pg1-path={server.data}", f"--repo1-path={theirs}",
                    "--log-level-console=off", "--log-level-file=off", f"--lock-path={server.folder}/lock"]
        try:
            server.init()
            server.start({"archive_mode": "on", "archive_command": "true", "wal_keep_size": "8GB", "max_wal_size": "8GB"})
            create = as_postgres(*backrest, f"--pg1-socket-path={server.folder}", "stanza-create")
            subprocess.run(create, check=True, cwd="/")
            segments = write_log(server, count)
            server.run("psql", "-qXc", "checkpoint", "postgres")
            os.sync()
            times = {"ours": [], "theirs": []}
            for turn, name in enumerate(segments):
                path = f"pg_wal/{name}"
                pushes = [("ours", as_postgres(program, "archive", "push", path, "--repository", ours)),
                          ("theirs", as_postgres(*backrest, "--compress-type=zst", "--compress-level=1", "archive-push", path))]
                for whose, command in pushes if turn % 2 else reversed(pushes):
                    times[whose].append(timed(command, server.data))
            stored = {whose: sum(file.stat().st_size for file in path.rglob("*") if file.is_file()) / 1e6
                      for whose, path in (("ours", ours), ("theirs", theirs))}
            for whose, label in (("ours", "comeback archive push"), ("theirs", "pgbackrest archive-push")):
                each = times[whose]
                print(f"{label}: {SEGMENT_MB * count / sum(each):.0f} MB/s, {1000 * statistics.median(each):.0f} ms a segment "
                      f"(median), {stored[whose]:.0f} MB stored")
            print(f"comeback has {sum(times['theirs']) / sum(times['ours']):.2f} x the throughput of pgBackRest "
                  f"over {count} segments")
        finally:
            server.remove()


if __name__ == "__main__":
    main()

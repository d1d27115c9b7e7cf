#!/usr/bin/env python3
"""The time to a verdict against the bare restore of the same file, in turns in one run.

Usage: benches/verify.py [path of comeback] [first|custom|plain|base]…

- first: a plain dump of a tenth of the size on each substrate, without settings (goal: 100 MB within 60 s);
- custom: against a new server, `createdb` and `pg_restore --jobs` (goals: 1.25 x without amcheck, 1.6 x with it);
- plain: against the same with `psql -f`, which loads over one connection;
- base: a base backup against its bare copy, start and recovery (the same goals).

The peers run with the settings that Comeback gives its servers. Without amcheck is with `--skip structure`. CPU seconds
are those of all processes: they say what a time on a quiet machine would be where others work on this one. Memory is the
most that the process of Comeback itself had resident.

`COMEBACK_BENCH_MB` says how large the plain dump is (default 1000), `COMEBACK_BENCH_ROUNDS` how many turns (default 3),
TMPDIR where everything lies. Run it as root: servers run as `postgres`.
"""

import os
import pathlib
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

PROGRAMS = max(pathlib.Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: float(path.parent.name))
JOBS = os.cpu_count()
# Those of harness/stores/postgres/src/server/fast.rs.
FAST = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "autovacuum": "off",
        "checkpoint_timeout": "1h", "max_wal_size": "2GB"}
LOADING = {**FAST, "wal_level": "minimal", "max_wal_senders": "0", "maintenance_work_mem": "128MB",
           "shared_buffers": "256MB"}
CUSTOMERS_PER_MB = 815


def as_postgres(*command):
    return ["setpriv", "--reuid", "postgres", "--regid", "postgres", "--clear-groups", *map(str, command)]


class Server:
    """A server in a folder of its own."""

    def __init__(self, folder):
        self.folder = folder
        self.data = folder / "data"
        folder.mkdir()
        shutil.chown(folder, "postgres", "postgres")

    def run(self, program, *args, stdin=None):
        environment = {**os.environ, "PGHOST": str(self.folder), "PGUSER": "postgres"}
        command = as_postgres(PROGRAMS / program, *args)
        subprocess.run(command, check=True, env=environment, stdin=stdin, stdout=subprocess.DEVNULL, cwd="/")

    def init(self):
        self.run("initdb", "-D", self.data, "-A", "trust", "-U", "postgres", "--encoding", "UTF8", "--locale", "C.UTF-8",
                 "--data-checksums", "--no-sync")

    def start(self, settings):
        options = [f"-c{name}={value}" for name, value in settings.items()]
        command = as_postgres(PROGRAMS / "postgres", "-D", self.data, "-k", self.folder, "-clisten_addresses=", *options)
        log = open(self.folder / "log", "wb")
        self.process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, cwd="/")
        ready = as_postgres(PROGRAMS / "psql", "-XAtc", "select pg_is_in_recovery()", "-h", self.folder, "-U", "postgres")
        while subprocess.run(ready, capture_output=True, cwd="/").stdout != b"f\n":
            if self.process.poll() is not None:
                sys.exit((self.folder / "log").read_text())
            time.sleep(0.02)

    def remove(self):
        self.process.send_signal(2)
        self.process.wait()
        shutil.rmtree(self.folder)


class Took:
    """Seconds, seconds of processors, and the most memory in MB."""

    def __init__(self, wall, cpu, peak_mb=None):
        self.wall, self.cpu, self.peak_mb = wall, cpu, peak_mb


def children_cpu():
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def timed_peer(folder, restore):
    """Times a restore into a new server; its end and removal are not part of the time."""
    before, begin = children_cpu(), time.monotonic()
    server = Server(folder / "peer")
    restore(server)
    wall = time.monotonic() - begin
    server.remove()
    return Took(wall, children_cpu() - before)


def peak_of(process):
    """Waits for a process; its peak of resident memory in MB."""
    peak, status = 0, pathlib.Path(f"/proc/{process.pid}/status")
    while process.poll() is None:
        try:
            lines = dict(line.split(":", 1) for line in status.read_text().splitlines())
            peak = max(peak, int(lines["VmHWM"].split()[0]))
        except (OSError, KeyError):
            pass
        time.sleep(0.05)
    return peak / 1000


def timed_verify(binary, folder, backup, *options):
    evidence = folder / "evidence"
    shutil.rmtree(evidence, ignore_errors=True)
    before, begin = children_cpu(), time.monotonic()
    command = [binary, "verify", str(backup), "--evidence-dir", str(evidence), *options]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd=folder)
    # What it prints is less than a pipe holds.
    peak = peak_of(process)
    wall = time.monotonic() - begin
    if process.returncode != 0:
        sys.exit(process.stdout.read().decode())
    return Took(wall, children_cpu() - before, peak)


def fill(folder, megabytes):
    server = Server(folder)
    server.init()
    server.start({**FAST, "wal_level": "replica", "max_wal_size": "8GB"})
    server.run("createdb", "shop")
    script = pathlib.Path(__file__).with_name("verify_fill.sql")
    with open(script, "rb") as text:
        server.run("psql", "-Xq", "-vON_ERROR_STOP=1", f"-vn={CUSTOMERS_PER_MB * megabytes}", "-f", "-", "shop", stdin=text)
    return server


def rounds_of(name, count, peer, verify):
    print(f"\n{name}", flush=True)
    peers, whole, without = [], [], []
    turns = [(peers, peer), (whole, verify), (without, lambda: verify("--skip", "structure"))]
    for _ in range(count):
        for took, turn in turns:
            subprocess.run(["sync"], check=True)
            took.append(turn())
        seconds = [f"{took[-1].wall:6.1f} s ({took[-1].cpu:.1f} s of CPU)" for took, _ in turns]
        print(f"  bare restore {seconds[0]}; comeback {seconds[1]}; without amcheck {seconds[2]}", flush=True)
    ratio = lambda ours, figure: statistics.median(figure(one) / figure(other) for one, other in zip(ours, peers))
    print("  medians: " + "; ".join(
        f"{ratio(ours, lambda took: took.wall):.2f} x {what}, {ratio(ours, lambda took: took.cpu):.2f} x the CPU"
        for ours, what in [(whole, "with amcheck"), (without, "without it")]
    ) + f"; most memory {max(took.peak_mb for took in whole + without):.0f} MB", flush=True)


def first_verdict(binary, folder, megabytes):
    source = fill(folder / "small", megabytes)
    dump = folder / "small.sql"
    with open(dump, "wb") as file:
        subprocess.run(as_postgres(PROGRAMS / "pg_dump", "-h", source.folder, "-U", "postgres", "shop"), check=True, stdout=file)
    source.remove()
    for substrate in ["local", "docker"]:
        took = timed_verify(binary, folder, dump, "--substrate", substrate)
        print(f"first verdict on {dump.stat().st_size / 1e6:.0f} MB, {substrate}: {took.wall:.1f} s, "
              f"memory {took.peak_mb:.0f} MB", flush=True)


def load(server, *command):
    server.init()
    server.start(LOADING)
    server.run("createdb", "shop")
    server.run(*command)


def copy(server, backup):
    subprocess.run(as_postgres("cp", "-a", backup, server.data), check=True)
    server.start(FAST)


def main():
    arguments = sys.argv[1:]
    wanted = [one for one in arguments if one in ("first", "custom", "plain", "base")]
    paths = [one for one in arguments if one not in wanted]
    binary = str(pathlib.Path(paths[0] if paths else "target/release/comeback").resolve())
    megabytes = int(os.environ.get("COMEBACK_BENCH_MB", "1000"))
    count = int(os.environ.get("COMEBACK_BENCH_ROUNDS", "3"))
    wanted = wanted or ["first", "custom", "plain", "base"]
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        folder.chmod(0o755)
        if "first" in wanted:
            first_verdict(binary, folder, megabytes // 10)
        if wanted == ["first"]:
            return
        source = fill(folder / "source", megabytes)
        custom, plain, base = source.folder / "shop.dump", source.folder / "shop.sql", source.folder / "base"
        source.run("pg_dump", "--format=custom", f"--file={custom}", "shop")
        source.run("pg_dump", f"--file={plain}", "shop")
        source.run("pg_basebackup", "--checkpoint=fast", "--wal-method=stream", f"--pgdata={base}")
        source.process.send_signal(2)
        source.process.wait()
        print(f"dumps of {custom.stat().st_size / 1e6:.0f} MB (custom) and {plain.stat().st_size / 1e6:.0f} MB (plain)")
        verify = lambda backup: lambda *more: timed_verify(binary, folder, backup, "--substrate", "local", *more)
        if "custom" in wanted:
            bare = lambda server: load(server, "pg_restore", "-d", "shop", f"--jobs={JOBS}", custom)
            rounds_of("custom dump", count, lambda: timed_peer(folder, bare), verify(custom))
        if "plain" in wanted:
            bare = lambda server: load(server, "psql", "-Xq", "-vON_ERROR_STOP=1", "-f", plain, "shop")
            rounds_of("plain dump", count, lambda: timed_peer(folder, bare), verify(plain))
        if "base" in wanted:
            rounds_of("base backup", count, lambda: timed_peer(folder, lambda server: copy(server, base)), verify(base))


if __name__ == "__main__":
    main()

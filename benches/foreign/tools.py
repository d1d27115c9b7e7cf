"""The two tools, and the servers that the backups are taken of."""

import json
import pathlib
import subprocess
import sys
import time

from . import dumps, rdb

BASE = "comeback-servers:bookworm"
# firedrill finds its image by the major version, and `pitr` by this name alone.
FLAVOUR = "-comeback-peer"
PEER = f"postgres:15{FLAVOUR}"
FIREDRILL = "firedrill==0.6.0"
# The only one in which `firedrill pitr` asks its questions.
DATABASE = "postgres"
# On a busy machine a server takes its time, which is no fault of the backup.
PATIENCE = ("--ready-timeout", "600")
# What firedrill expects of the official image. ICU has a version: where there is none, firedrill says no to the order
# of text even on the intact dump, as its reference differs from itself by a space.
INIT = """#!/bin/sh
set -e
initdb --no-sync -U postgres --data-checksums -A trust --locale=C.UTF-8 --locale-provider=icu --icu-locale=en-US -D /new
echo 'host all all all trust' >> /new/pg_hba.conf
printf "archive_mode = on\\narchive_command = 'cp %%p /wal/%%f'\\n" >> /new/postgresql.conf
"""
ENTRY = """#!/bin/sh
set -e
[ -s "$PGDATA/PG_VERSION" ] || cp -a /new/. "$PGDATA"
exec setpriv --reuid postgres --regid postgres --clear-groups postgres -c listen_addresses='*' -c fsync=off -k /tmp
"""
DOCKERFILE = f"""FROM {BASE}
ENV PATH=/usr/lib/postgresql/15/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin PGHOST=/tmp PGDATA=/pg
COPY init.sh /init.sh
RUN mkdir /new /pg /wal && chmod 700 /new /pg && chown postgres /new /pg /wal && \\
    setpriv --reuid postgres --regid postgres --clear-groups sh /init.sh
COPY entry.sh /usr/local/bin/docker-entrypoint.sh
ENTRYPOINT ["/bin/sh", "/usr/local/bin/docker-entrypoint.sh", "postgres"]
"""


def run(*args, **options):
    return subprocess.run([str(arg) for arg in args], capture_output=True, check=False, **options)


def must(*args, **options):
    done = run(*args, **options)
    if done.returncode != 0:
        sys.exit(f"{' '.join(map(str, args))}: {done.stderr.decode(errors='replace')}")
    return done.stdout


def build_image(folder):
    (folder / "image").mkdir()
    (folder / "image" / "init.sh").write_text(INIT)
    (folder / "image" / "entry.sh").write_text(ENTRY)
    # `firedrill pitr` runs it as a program.
    (folder / "image" / "entry.sh").chmod(0o755)
    (folder / "image" / "Dockerfile").write_text(DOCKERFILE)
    must("docker", "build", "--quiet", "--tag", PEER, folder / "image")


class Source:
    """A server with the shop in it. It runs until the end, as `--source` asks it."""

    def __init__(self):
        self.container = must("docker", "run", "--detach", "--rm", PEER).decode().strip()
        self.until(lambda: self.runs("pg_isready", "-q", "-h", "127.0.0.1"))
        self.inside("psql", "-U", "postgres", "-v", "ON_ERROR_STOP=1", "-q", DATABASE, input=dumps.SCHEMA.encode())

    def runs(self, *command):
        return run("docker", "exec", "-u", "postgres", self.container, *command).returncode == 0

    def inside(self, *command, **options):
        return must("docker", "exec", "-i", "-u", "postgres", self.container, *command, **options)

    def sql(self, statement):
        return self.inside("psql", "-U", "postgres", "-qAtX", "-c", statement, DATABASE).decode().strip()

    @staticmethod
    def until(condition):
        deadline = time.monotonic() + 120
        while not condition():
            if time.monotonic() > deadline:
                sys.exit("the source does not get ready")
            time.sleep(0.2)

    def url(self):
        form = "{{.NetworkSettings.IPAddress}}"
        address = must("docker", "inspect", "--format", form, self.container).decode().strip()
        return f"postgres://postgres@{address}/{DATABASE}?sslmode=disable"

    def dumps(self):
        dump = ("pg_dump", "-U", "postgres")
        return dumps.Dumps(self.inside(*dump, DATABASE), self.inside(*dump, "-Fc", "-Z0", DATABASE))

    def base_backup(self, place):
        """Puts a base backup and the archive of its log into a folder. Returns a moment that the log reaches."""
        self.inside("pg_basebackup", "-U", "postgres", "-c", "fast", "-D", "/tmp/base")
        facts = {"lines": self.sql("select pg_relation_filepath('lines')")}
        switch = "select pg_walfile_name(pg_switch_wal())"
        self.sql("insert into visits values (501, 'page 1')")
        self.sql(switch)
        self.sql("insert into visits values (502, 'page 2')")
        moment = self.sql("select to_char(clock_timestamp() at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS.US')")
        self.sql("insert into visits values (503, 'page 3')")
        last = self.sql(switch)
        self.until(lambda: self.sql("select last_archived_wal from pg_stat_archiver") >= last)
        place.mkdir()
        must("docker", "cp", f"{self.container}:/tmp/base", place / "base")
        must("docker", "cp", f"{self.container}:/wal", place / "wal")
        (place / "facts.json").write_text(json.dumps(facts))
        return moment

    def rdb(self):
        self.inside("sh", "-c", "redis-server --save '' --dir /tmp --port 7777 > /dev/null 2>&1 &")
        self.until(lambda: self.runs("redis-cli", "-p", "7777", "ping"))
        self.inside("redis-cli", "-p", "7777", "set", "marker", rdb.MARKER.decode())
        self.inside("redis-cli", "-p", "7777", "save")
        return self.inside("cat", "/tmp/dump.rdb")

    def remove(self):
        run("docker", "rm", "--force", "--volumes", self.container)


class Comeback:
    """A column for each evidence: none, a reference, a reference and the live database."""

    names = ("comeback", "+ reference", "+ live source")

    def __init__(self, binary, folder, source):
        self.binary, self.folder, self.live = binary, folder, source.url()
        self.frozen = [word for table in dumps.FROZEN for word in ("--frozen", f"public.{table}")]

    def verify(self, backup, *options):
        command = (self.binary, "verify", backup, "--substrate", "local", "--evidence-dir", self.folder / "evidence")
        return run(*command, *options, cwd=self.folder).returncode

    def record(self, backup, form, *options):
        reference = self.folder / f"{form}.reference.json"
        self.verify(backup, "--record", "--reference", reference, *self.frozen, *options)

    def codes(self, backup, form, *options):
        compared = ("--reference", self.folder / f"{form}.reference.json", *self.frozen)
        return [
            self.verify(backup, *options),
            self.verify(backup, *compared, *options),
            self.verify(backup, *compared, "--source", self.live, *options),
        ]


class Firedrill:
    """By default, and with all that it has: a structure, fewest rows, and sums of the tables in which nothing changes."""

    names = ("firedrill", "at its best")

    def __init__(self, folder):
        self.folder = folder
        must(sys.executable, "-m", "venv", folder / "venv")
        must(folder / "venv/bin/pip", "install", "--quiet", FIREDRILL)
        self.program = folder / "venv/bin/firedrill"

    def run(self, dump, *options):
        return run(self.program, "run", dump, "--image", f"postgres:{{major}}{FLAVOUR}", "--quiet", *PATIENCE, *options, cwd=self.folder)

    def prepare(self, intact, source):
        structure = self.folder / "structure.txt"
        self.run(intact, "--no-config", "--write-reference", structure)
        lines = ["version: 1", "structure:", f"  reference: {structure}", "volume:", "  tables:"]
        lines += [f"    {table}: {{min_rows: {rows}}}" for table, rows in dumps.ROWS.items()]
        lines += ["semantics:"]
        for table in dumps.FROZEN:
            rows = f"md5(string_agg(t::text, ',' order by id))"
            sql = f"select ('x' || left({rows}, 12))::bit(48)::int8 from {table} t"
            lines += [f"- {{name: {table}, sql: \"{sql}\", expect: '== {source.sql(sql)}'}}"]
        (self.folder / "firedrill.yml").write_text("\n".join(lines) + "\n")
        (self.folder / "pitr.yml").write_text("\n".join(["version: 1", *lines[lines.index("semantics:") :]]) + "\n")

    def codes(self, dump):
        best = ("--config", self.folder / "firedrill.yml", "--fail-on", "low")
        return [self.run(dump, "--no-config").returncode, self.run(dump, *best).returncode]

    def codes_of_recovery(self, place, moment):
        """Only at its best: without questions of the user, `pitr` says no to every base backup."""
        command = ("pitr", "--base", place / "base", "--wal", place / "wal", "--target", moment, "--quiet")
        command = (self.program, *command, f"--image-flavour={FLAVOUR}", *PATIENCE)
        return [None, run(*command, "--config", self.folder / "pitr.yml", "--fail-on", "low").returncode]

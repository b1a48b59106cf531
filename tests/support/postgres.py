"""Debian's PostgreSQL, on a free port in a folder that goes with it.

`python -m tests.support.postgres COMMAND …` runs a command with `MERPATI_DATABASE__URL` set to a
database of such a server, or says that it could not and runs nothing. Nothing of it outlives the
program that started it; what it stores it does not sync, since it is thrown away.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from merpati.adapters.secret_key import ensure_secret_key
from merpati.runtime.process import die_with_parent
from tests.support.prepared import migrate

USER = "merpati"
TEMPLATE = "prepared"
GUARDED = "guarded"  # a role that needs a password, once somebody makes it
START_SECONDS = 30.0
FAST = {
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "off",
    "autovacuum": "off",
    "max_connections": "100",  # as Debian's own
}


class CannotStart(Exception):
    """There is no server here, and why."""


@dataclass(frozen=True)
class Server:
    """A running server that trusts local clients."""

    port: int

    def url(self, name: str) -> str:
        return f"postgresql://{USER}@127.0.0.1:{self.port}/{name}"

    def connect(self, name: str = "postgres") -> psycopg.Connection[Any]:
        return psycopg.connect(self.url(name), autocommit=True)

    def copy(self, name: str) -> str:
        """Make a database with Merpati's tables, unless it is there, and return its URL."""
        with self.connect() as db:
            db.execute("SELECT pg_advisory_lock(1)")  # another process may be making them
            names = {found for (found,) in db.execute("SELECT datname FROM pg_database")}
            if TEMPLATE not in names:
                with tempfile.TemporaryDirectory() as folder:
                    migrate(Path(folder), {"MERPATI_DATABASE__URL": self.make(TEMPLATE)})
            if name not in {*names, TEMPLATE}:
                db.execute(f'CREATE DATABASE "{name}" TEMPLATE "{TEMPLATE}"')
        return self.url(name)

    def make(self, name: str) -> str:
        """Make an empty database unless it is there, and return its URL."""
        with self.connect() as db, suppress(psycopg.errors.DuplicateDatabase):
            db.execute(f'CREATE DATABASE "{name}"')
        return self.url(name)


def given() -> Server | None:
    """Return the server that this run of the tests is for, if it is for one."""
    url = os.environ.get("MERPATI_DATABASE__URL")
    if url is None:
        return None
    return Server(int(str(psycopg.conninfo.conninfo_to_dict(url)["port"])))


def database_for(data: Path) -> dict[str, str]:
    """Return what the environment says of a data folder's database in this run: a URL, or nothing.

    Each folder has a database of its own, with Merpati's tables in it.
    """
    server = given()
    if server is None:
        return {}
    name = "folder_" + hashlib.sha256(str(data.resolve()).encode()).hexdigest()[:16]
    data.mkdir(mode=0o700, parents=True, exist_ok=True)
    ensure_secret_key(data / "secret.key")
    return {"MERPATI_DATABASE__URL": server.copy(name)}


@contextmanager
def running(kept: Path | None = None) -> Iterator[Server]:
    """Run a server on a folder of its own, or on one that is kept. Raises CannotStart."""
    programs = _programs()
    owner = _owner()
    with tempfile.TemporaryDirectory(prefix="merpati-postgres-", dir="/tmp") as folder:
        place = Path(folder)
        place.chmod(0o755)
        data = kept or place / "data"
        if not data.exists():
            _make(programs, data, owner)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        ours = os.getpid()
        settings = [f"-c{name}={value}" for name, value in FAST.items()]
        where = ["-p", str(port), "-clisten_addresses=127.0.0.1", "-cunix_socket_directories="]
        with (place / "log").open("w") as log:
            process = subprocess.Popen(
                [programs / "postgres", "-D", str(data), *where, *settings],
                user=owner,
                cwd="/",
                stdout=log,
                stderr=log,
                preexec_fn=lambda: die_with_parent(ours),  # noqa: PLW1509 - no thread is started yet
            )
        try:
            _wait(Server(port), process, place / "log")
            yield Server(port)
        finally:
            # At once where nothing is kept.
            process.send_signal(signal.SIGINT if kept else signal.SIGQUIT)
            process.wait(60)


def _make(programs: Path, data: Path, owner: str | None) -> None:
    data.mkdir(mode=0o700)
    if owner:
        shutil.chown(data, owner)
    arguments = ["-D", str(data), "-U", USER, "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8"]
    made = subprocess.run(
        [programs / "initdb", *arguments, "--no-sync", "--no-instructions"],
        user=owner,
        cwd="/",
        check=False,
        capture_output=True,
        text=True,
    )
    if made.returncode:
        raise CannotStart(f"initdb: {made.stderr.strip()}")
    (data / "pg_hba.conf").write_text(
        f"host all {GUARDED} all scram-sha-256\nhost all all 127.0.0.1/32 trust\n"
    )


def _programs() -> Path:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=_version)
    if found:
        return found[-1].parent
    if (elsewhere := shutil.which("postgres")) is not None:
        return Path(elsewhere).resolve().parent
    raise CannotStart("PostgreSQL is not installed (Debian: apt-get install postgresql)")


def _version(program: Path) -> int:
    name = program.parent.parent.name
    return int(name) if name.isdigit() else 0


def _owner() -> str | None:
    """Return as whom the server runs: it refuses root."""
    return "nobody" if os.geteuid() == 0 else None


def _wait(server: Server, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            server.connect().close()
            return
        except psycopg.OperationalError:
            if process.poll() is not None or time.monotonic() > deadline:
                raise CannotStart(f"postgres: {log.read_text().strip()}") from None
            time.sleep(0.05)


def main() -> int:
    """Run a command beside a server."""
    try:
        with running() as server:
            environment = os.environ | {"MERPATI_DATABASE__URL": server.make("merpati")}
            return subprocess.run(sys.argv[1:], check=False, env=environment).returncode
    except CannotStart as error:
        print(f"NOT TESTED HERE: the service on PostgreSQL: {error}", file=sys.stderr)
        return 0


if __name__ == "__main__":
    sys.exit(main())

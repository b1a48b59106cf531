"""Data folders with a control database in them already: migrating one takes seconds of CPU.

The first that asks migrates a database, kept under `.pytest_cache` by what it was made from; all
others get a copy. What the first start of a folder does besides is still done.
"""

from __future__ import annotations

import atexit
import fcntl
import functools
import hashlib
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

from harness.customer import DOMAIN, Customer, sign_up
from harness.service import Merpati
from merpati.adapters.secret_key import ensure_secret_key
from merpati.runtime.paths import DataFolder

ROOT = Path(__file__).parents[2]
KEPT = ROOT / ".pytest_cache" / "merpati"
_MAKERS = (
    "src/merpati/*/migrations/*.py",
    "src/merpati/desk/case_index.py",
    "requirements/dev.lock",
)


def prepared(data: Path) -> Path:
    """Return a data folder, made if need be, with a database unless it has one."""
    data.mkdir(mode=0o700, parents=True, exist_ok=True)
    control, key = data / "control.sqlite3", data / "secret.key"
    if not control.exists() and not key.exists():
        ensure_secret_key(key)
        shutil.copyfile(template(), control)
        control.chmod(0o600)
    return data


def made(data: Path) -> DataFolder:
    """Return a data folder as any command leaves it that has nothing to do."""
    folder = DataFolder(prepared(data))
    for path in (folder.spool, folder.run, folder.tls):
        path.mkdir(mode=0o700, exist_ok=True)
    return folder


def signed_up(data: Path, *also: tuple[str, ...], domain: str = DOMAIN) -> Customer:
    """Make a data folder with a customer, as `sign_up` does; return it. also: further commands."""
    template, customer = _with_customer(also, domain)
    shutil.copytree(template, data)
    return customer


@functools.cache
def _with_customer(also: tuple[tuple[str, ...], ...], domain: str) -> tuple[Path, Customer]:
    folder = tempfile.mkdtemp()
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    data = prepared(Path(folder, "data"))
    return data, sign_up(Merpati(data), domain=domain, also=also)


@functools.cache
def template() -> Path:
    """Return a control database that is migrated and holds nothing."""
    files = sorted(path for pattern in _MAKERS for path in ROOT.glob(pattern))
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()[:16]
    kept = KEPT / f"control-{digest}.sqlite3"
    KEPT.mkdir(parents=True, exist_ok=True)
    with (KEPT / "lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not kept.exists():
            _make(kept)
    return kept


def migrate(data: Path, environment: Mapping[str, str]) -> None:
    """Set a data folder up as any command does, in a process of its own."""
    kept = {name: v for name, v in os.environ.items() if not name.startswith("MERPATI_")}
    code = "import pathlib, sys; from merpati.runtime.setup import setup; "
    code += "setup(pathlib.Path(sys.argv[1]))"
    command = [sys.executable, "-c", code, str(data)]
    subprocess.run(command, env=kept | dict(environment), check=True)


def _make(template: Path) -> None:
    for old in KEPT.glob("control-*"):
        old.unlink()
    with tempfile.TemporaryDirectory() as folder:
        migrate(Path(folder), {})
        made = Path(folder, "control.sqlite3")
        with closing(sqlite3.connect(made)) as db:
            db.execute("PRAGMA journal_mode = DELETE").fetchone()
        shutil.copyfile(made, template.with_suffix(".new"))
    template.with_suffix(".new").rename(template)

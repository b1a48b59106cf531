"""desk: server time of each page with 100,000 cases, on SQLite and on PostgreSQL.

The filled desks take minutes to make, so they are kept under bench/results and used again until
the code that makes them changes.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

from bench.options import Figures, Options, say
from tests.support.postgres import CannotStart, running

KEPT = Path(__file__).parents[1] / "results" / "desks"
_MAKERS = (
    "bench/desk/filling.py",
    "src/merpati/*/migrations/*.py",
    "src/merpati/desk/case_words.py",
)


def measure(options: Options) -> list[Figures]:
    """Return one line a page and database."""
    folder = KEPT / f"{options.cases}-{_version()}"
    data = folder / "data"
    if not (folder / "complete").exists():
        shutil.rmtree(folder, ignore_errors=True)
        data.mkdir(parents=True, mode=0o700)
        say(f"desk: fills {data} with {options.cases:,} cases, once")
        _run(["bench.desk.pages", "--data", str(data), "--fill", str(options.cases)], {})
        (folder / "complete").touch()
    lines = _lines("SQLite", _run(["bench.desk.pages", "--data", str(data)], {}))
    try:
        with running(folder / "postgres") as server:
            url = server.make("desk")
            there = {"MERPATI_DATABASE__URL": url}
            if not (folder / "moved").exists():
                say("desk: moves it to PostgreSQL, once")
                _run(["merpati.cli.main", "migrate-db", url, "--data", str(data)], {})
                with server.connect("desk") as db:
                    db.execute("VACUUM ANALYZE")
                (folder / "moved").touch()
            lines += _lines("PostgreSQL", _run(["bench.desk.pages", "--data", str(data)], there))
    except CannotStart as error:
        say(f"desk: not measured on PostgreSQL: {error}")
    return lines


def _version() -> str:
    root = Path(__file__).parents[2]
    files = sorted(path for pattern in _MAKERS for path in root.glob(pattern))
    return hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()[:12]


def _run(words: list[str], environment: dict[str, str]) -> str:
    kept = {name: v for name, v in os.environ.items() if not name.startswith("MERPATI_")}
    return subprocess.run(
        [sys.executable, "-m", *words],
        env=kept | environment,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    ).stdout


def _lines(database: str, printed: str) -> list[Figures]:
    found = [json.loads(line) for line in printed.splitlines()]
    return [
        {"row": "desk", "variant": f"{one.pop('page')} ({database})", "round": 0, **one}
        for one in found
    ]

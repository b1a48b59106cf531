"""Control data for tests: accounts made by the real actions, and scripts on a real data folder."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

from django.db import connection, transaction

from harness import preloaded
from merpati.accounts.models import Account
from tests.support.postgres import database_for
from tests.support.prepared import prepared

NOW = datetime(2026, 2, 3, 4, 5, 6, tzinfo=UTC)
BY = "test:somebody"

_numbers = itertools.count(1)

PREAMBLE = """
import json, os, sys
from datetime import UTC, datetime
from pathlib import Path
from merpati.runtime.setup import setup
DATA = Path(os.environ["MERPATI_DATA"])
setup(DATA)
NOW = datetime(2026, 2, 3, 4, 5, 6, tzinfo=UTC)
BY = "test:somebody"
"""


def make_account(name: str = "") -> Account:
    """Return a new premium account, with its default pool and a first key."""
    from merpati.accounts.actions import create_account  # noqa: PLC0415

    return create_account(
        name or f"Account no. {next(_numbers)}", "premium", "uk", by=BY, now=NOW
    ).account


def make_domain(account_id: int, name: str, now: datetime = NOW) -> None:
    """Give an account a verified domain, as `add_domain` does; but making a key takes a while."""
    from merpati.sending import policy  # noqa: PLC0415
    from merpati.sending.models import DkimKey, KeyAlgorithm, KeyState, SendingDomain  # noqa: PLC0415

    with transaction.atomic():
        domain = SendingDomain.objects.create(
            account_id=account_id, domain=name, verified_at=now, created_at=now
        )
        DkimKey.objects.create(
            domain=domain,
            algorithm=KeyAlgorithm.RSA,
            selector="s1",
            private_key=b"",
            public_key="",
            state=KeyState.ACTIVE,
            created_at=now,
            state_since=now,
        )
        policy.bump()


def everything_stored() -> str:
    """Return all rows of the control database as text, bytes in hexadecimal."""
    rows: list[str] = []
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f'SELECT * FROM "{table}"')
            for row in cursor.fetchall():
                values = [bytes(v).hex() if isinstance(v, bytes | memoryview) else v for v in row]
                rows.append(f"{table}: {values}")
    return "\n".join(rows)


def start_script(data: Path, code: str, *arguments: str) -> subprocess.Popen[str]:
    """Start Python code with Django set up for a data folder, in a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-c", PREAMBLE + code, *arguments],
        env=_environment(data),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def run_script(data: Path, code: str, *arguments: str) -> str:
    """Run Python code with Django set up for a data folder; return what it printed."""
    done = preloaded.run(PREAMBLE + code, arguments, _environment(data), timeout=180)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def _environment(data: Path) -> dict[str, str]:
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("MERPATI_", "DJANGO_"))}
    where = database_for(data)
    if not where:
        prepared(data)
    return environment | {"MERPATI_DATA": str(data)} | where

"""A database is brought to what the models say, also one that has a past."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from importlib import import_module
from pathlib import Path

import pytest
from django.core.management import call_command

from tests.support.prepared import prepared
from tests.support.shell import Shell

ROOMS = ("accounts", "sending", "events", "plans", "desk")
REPLACED = [
    step
    for room in ROOMS
    for step in import_module(f"merpati.{room}.migrations.0001_tables").Migration.replaces
]


@contextmanager
def applied(data: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(prepared(data) / "control.sqlite3")) as db, db:
        yield db


def with_past(data: Path, steps: list[tuple[str, str]]) -> Shell:
    """Make a data folder whose database says that it was made in those steps."""
    with applied(data) as db:
        db.executemany("DELETE FROM django_migrations WHERE app = ?", [(room,) for room in ROOMS])
        db.executemany("INSERT INTO django_migrations VALUES (NULL, ?, ?, '2026-11-28')", steps)
    return Shell(data)


@pytest.mark.django_db
def test_migrations_make_what_the_models_say() -> None:
    call_command("makemigrations", check=True, dry_run=True, verbosity=0)


@pytest.mark.sqlite
def test_a_database_of_before_the_steps_were_joined_goes_on(tmp_path: Path) -> None:
    shell = with_past(tmp_path / "data", REPLACED)
    assert shell.json("account", "list") == {"accounts": []}
    with applied(shell.data) as db:
        (count,) = db.execute(
            "SELECT count(*) FROM django_migrations WHERE name = '0001_tables'"
        ).fetchone()
    assert count == len(ROOMS)


@pytest.mark.sqlite
@pytest.mark.parametrize("missing", [REPLACED[1], REPLACED[-1]])
def test_a_database_that_never_came_that_far_is_refused_with_the_way_out(
    tmp_path: Path, missing: tuple[str, str]
) -> None:
    shell = with_past(tmp_path / "data", [step for step in REPLACED if step != missing])
    assert "start commit" in shell.refused("account", "list")

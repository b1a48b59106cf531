"""What an operator reads when the control database cannot be used, and what keeps two apart."""

from __future__ import annotations

import re
import socket
import sys
from pathlib import Path

import pytest

from merpati.control import opening
from merpati.control.claim import claimed
from merpati.control.errors import ControlUnreadable, DatabaseInUse, DatabaseUnusable
from merpati.control.opening import connect, is_made
from merpati.control.place import PostgresPlace, SqlitePlace, parse_url
from merpati.control.reading import ControlReader
from tests.support.postgres import Server
from tests.support.shell import Shell

ONE = {"postgresql": "SELECT 1", "sqlite": "SELECT 1"}


@pytest.fixture
def place(postgres: Server) -> PostgresPlace:
    return parse_url(postgres.url("postgres"))  # type: ignore[return-value]


def closed_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("postgresql://merpati@127.0.0.1:{closed}/m", "see that the server runs"),
        ("postgresql://merpati@127.0.0.1:{port}/nowhere", "createdb nowhere"),
        ("postgresql://guarded:s3cret@127.0.0.1:{port}/postgres", "give the right password"),
    ],
)
def test_a_database_that_cannot_be_used_says_which_setting_and_why(
    postgres: Server, tmp_path: Path, url: str, why: str
) -> None:
    with postgres.connect() as db:
        if not db.execute("SELECT 1 FROM pg_roles WHERE rolname = 'guarded'").fetchone():
            db.execute("CREATE ROLE guarded LOGIN PASSWORD 'other'")
    url = url.format(closed=closed_port(), port=postgres.port)
    shell = Shell(tmp_path / "data")
    shell.environment["MERPATI_DATABASE__URL"] = url
    answer = shell.refused("account", "list")
    assert re.search(rf"Error: database.url postgresql://.*{why}", answer), answer
    assert "s3cret" not in answer
    assert "Traceback" not in answer


def test_a_missing_driver_names_the_extra(
    place: PostgresPlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "path", [])
    monkeypatch.delitem(sys.modules, "psycopg")
    with pytest.raises(DatabaseUnusable, match=r"pip install 'merpati\[pg\]'"):
        connect(place)


def test_an_old_server_is_refused(place: PostgresPlace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opening, "OLDEST_SERVER", 99)
    with pytest.raises(DatabaseUnusable, match="Merpati needs 99 or newer"):
        connect(place)


def test_a_database_is_made_once_it_has_tables(postgres: Server, tmp_path: Path) -> None:
    place = parse_url(postgres.make("is_made"))
    assert not is_made(place)
    with postgres.connect("is_made") as db:
        db.execute("CREATE TABLE django_migrations ()")
    assert is_made(place)
    assert not is_made(SqlitePlace(tmp_path / "control.sqlite3"))


def test_one_merpati_runs_on_a_database(place: PostgresPlace) -> None:
    with claimed(place), pytest.raises(DatabaseInUse, match="another Merpati runs"), claimed(place):
        pass
    with claimed(place):  # free again
        pass


def test_a_reader_rests_after_a_failure_and_then_connects_anew(
    postgres: Server, place: PostgresPlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 100.0
    monkeypatch.setattr("merpati.control.reading.time.monotonic", lambda: now)
    reader = ControlReader(place)
    assert reader.ask(ONE, ()) == [(1,)]
    with postgres.connect() as db:
        db.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
        )
    with pytest.raises(ControlUnreadable, match="terminating connection"):
        reader.ask(ONE, ())
    with pytest.raises(ControlUnreadable, match="terminating connection"):
        reader.ask(ONE, ())  # not even tried
    now += 5.0
    assert reader.ask(ONE, ()) == [(1,)]
    reader.close()


def test_a_reader_cannot_write(place: PostgresPlace) -> None:
    reader = ControlReader(place)
    with pytest.raises(ControlUnreadable, match="read-only"):
        reader.ask({"postgresql": "CREATE TABLE a ()"}, ())
    reader.close()

"""What all tests share.

Skips for missing programs are counted where nobody overlooks them; no property test is judged by
its time, since tests share the machine.

`make test` runs the tests that use the control database a second time, on PostgreSQL
(`tests/support/postgres.py`): where `MERPATI_DATABASE__URL` names one, all others are left out. Of
a test with many cases the first runs there: the others send the same statements. Where it is the
case that may differ between databases, the test is marked `control_database` and runs with all.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from xdist.scheduler import LoadGroupScheduling

from harness import programs
from scripts.catalogues import compile_all
from tests.support.postgres import TEMPLATE, CannotStart, Server, given, running
from tests.support.prepared import template

# `pytest --hypothesis-profile long TESTS` tries more.
hypothesis.settings.register_profile("merpati", deadline=None, max_examples=50)
hypothesis.settings.register_profile("long", deadline=None, max_examples=2_000)
hypothesis.settings.load_profile("merpati")

programs.fork_them()


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):  # once, before xdist's workers start
        compile_all()


# Some of their tests take a minute.
SLOW_ROOMS = ("chaos", "browser", "journeys", "bench", "fuzz", "rehearsal", "upkeep", "docs")
# Where nothing uses the control database in the tests' own process: not even read for PostgreSQL.
ROOMS_WITHOUT_DATABASE = (
    *("adapters", "delivery", "locale", "message", "providers", "reputation", "runtime"),
    *("sandbox", "spool", *SLOW_ROOMS),
)


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    is_there = collection_path.parent == Path(__file__).parent
    is_without = is_there and collection_path.name in ROOMS_WITHOUT_DATABASE
    return True if is_without and _is_on_postgresql() else None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    # The longest first: begun last, one of them would keep a worker busy while the others idle.
    items.sort(key=lambda item: item.path.parent.name not in SLOW_ROOMS)
    for item in items:
        if item.path.parent.name in ROOMS_WITHOUT_DATABASE and _uses_control_database(item):
            raise pytest.UsageError(f"{item.nodeid} is in ROOMS_WITHOUT_DATABASE of conftest.py")
    if _is_on_postgresql():
        kept = _first_cases(item for item in items if _uses_control_database(item))
        config.hook.pytest_deselected(items=list({*items} - {*kept}))
        items[:] = kept


# Tests that share what is dear to start: one worker does them all. pytest 9.2 does not heed the
# marks by which pytest-xdist 3.8 would group them.
TOGETHER = {
    "browser": ("tests/browser/",),
    "dialogues": ("tests/journeys/test_dialogues.py",),
    "running": ("tests/journeys/test_running_and_stopping.py",),
    "a server of PostgreSQL": (
        "tests/control/test_claim.py",
        "tests/control/test_opening.py",
        "tests/journeys/test_on_postgresql.py",
        "tests/upkeep/test_transfer.py",
    ),
}


class Together(LoadGroupScheduling):
    """Hands the tests of a group in TOGETHER to one worker, the others one by one."""

    def _split_scope(self, nodeid: str) -> str:
        groups = (name for name, places in TOGETHER.items() if nodeid.startswith(places))
        return next(groups, nodeid)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Together | None:
    return Together(config, log) if config.getoption("dist") == "loadgroup" else None


def _is_on_postgresql() -> bool:
    return "MERPATI_DATABASE__URL" in os.environ


def _uses_control_database(item: pytest.Item) -> bool:
    if item.get_closest_marker("sqlite") is not None:
        return False
    fixtures = getattr(item, "fixturenames", ())
    return (
        item.get_closest_marker("django_db") is not None
        or item.get_closest_marker("control_database") is not None
        or "db" in fixtures
        or "transactional_db" in fixtures
    )


def _first_cases(items: Iterable[pytest.Item]) -> list[pytest.Item]:
    """Return each test with its first case; with all where it is marked `control_database`."""
    kept: list[pytest.Item] = []
    seen: set[str] = set()
    for item in items:
        test = item.nodeid.partition("[")[0]
        if test not in seen or item.get_closest_marker("control_database") is not None:
            kept.append(item)
        seen.add(test)
    return kept


@pytest.fixture(scope="session")
def django_db_modify_db_settings(django_db_modify_db_settings: None) -> Iterator[None]:
    """Have the tests' own database begin with its tables: migrating takes seconds."""
    from django.db import connection  # noqa: PLC0415 - once pytest-django has set it up

    if server := given():
        server.copy(TEMPLATE)
        connection.settings_dict["TEST"]["TEMPLATE"] = TEMPLATE
        yield
        return
    name = "file:memorydb_default?mode=memory&cache=shared"  # as Django names it
    with closing(sqlite3.connect(name, uri=True)) as tables:
        with closing(sqlite3.connect(template())) as made:
            made.backup(tables)
        yield


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    """A server of PostgreSQL for tests that name one themselves."""
    try:
        with running() as server:
            yield server
    except CannotStart as error:
        pytest.skip(str(error))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Name at the very end what could not be tested on this machine."""
    reasons: dict[str, int] = {}
    for report in terminalreporter.stats.get("skipped", []):
        text = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        text = text.removeprefix("Skipped: ")
        reasons[text] = reasons.get(text, 0) + 1
    for reason, count in sorted(reasons.items()):
        terminalreporter.write_line(f"NOT TESTED HERE ({count}): {reason}", yellow=True)

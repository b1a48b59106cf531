"""Control data moved to PostgreSQL and back: all of it, checked, or none."""

from __future__ import annotations

import json
import sqlite3
import tomllib
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from merpati.control.claim import claimed
from merpati.control.place import parse_url
from tests.support.control import run_script
from tests.support.postgres import Server
from tests.support.shell import Shell

pytestmark = pytest.mark.timeout(300)  # several commands each, on a machine that many share

FILL = """
from tests.desk.cases import Desk, MONDAY
from tests.support.control import make_domain
from merpati.sending.models import Suppression, SuppressionSource, SuppressionType
from merpati.sending.pools import create_pool, delete_pool
desk = Desk(DATA)
desk.resolved()
desk.opens(subject="Café ☕ \\U0001f54a")
account = desk.account.pk
make_domain(account, "kirim.example")
Suppression.objects.bulk_create(
    Suppression(account_id=account, recipient=f"u{n}@x.example", created_at=NOW, updated_at=NOW,
                type=SuppressionType.TRANSACTIONAL, source=SuppressionSource.BOUNCE_RULE,
                description="550 5.1.1 no")
    for n in range(1500))
delete_pool(account, create_pool(account, "Gone", by=BY, now=NOW).slug, by=BY, now=NOW)
print(account)
"""
SEEN = """
from merpati.desk.case_search import Wanted
from merpati.desk.models import Case, ResolutionRecord
from merpati.sending.models import Suppression
from merpati.sending.pools import create_pool
pool = create_pool(1, sys.argv[1], by=BY, now=NOW)
print(json.dumps([
    list(Case.objects.order_by("pk").values_list("number", "subject", "status")),
    Suppression.objects.count(), pool.pk, ResolutionRecord.objects.get().document,
    [case.pk for case in Wanted(words="penerima flows").page(5)],
]))
"""


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with some of everything."""
    data = tmp_path_factory.mktemp("filled") / "data"
    data.mkdir(mode=0o700)
    run_script(data, FILL)
    return data


@pytest.fixture
def shell(filled: Path, tmp_path: Path) -> Shell:
    """Commands on a copy of it."""
    data = tmp_path / "data"
    data.mkdir(mode=0o700)
    for name in ("control.sqlite3", "secret.key", "policy.msgpack"):
        (data / name).write_bytes((filled / name).read_bytes())
        (data / name).chmod(0o600)
    return Shell(data)


def seen(shell: Shell, pool: str) -> Any:
    return json.loads(run_script(shell.data, SEEN, pool))


def test_control_data_move_to_postgresql_and_back(shell: Shell, postgres: Server) -> None:
    before = (shell.data / "control.sqlite3").read_bytes()
    url = postgres.make("moved")
    tried = shell.json("migrate-db", url, "--dry-run")
    assert tried["dry_run"]
    done = shell.json("migrate-db", url, "--switch")
    assert done["tables"] == tried["tables"]
    rows = {one["table"]: one["rows"] for one in done["tables"]}
    assert rows["desk_case"] == 2
    assert rows["sending_suppression"] == 1500
    assert (shell.data / "control.sqlite3").read_bytes() == before
    settings = tomllib.loads((shell.data / "merpati.toml").read_text())
    assert settings == {"database": {"url": url}}

    (shell.data / "control.sqlite3").rename(shell.data / "old.sqlite3")
    cases, suppressed, pool, record, found = seen(shell, "Next")
    assert cases == [
        [1, "Mail to Penerima waits", "resolved"],
        [2, "Café ☕ \U0001f54a", "open"],
    ]
    assert suppressed == 1500
    assert found == [1]
    assert pool == 3  # 2 was given out once, and mail that waits may name it

    back = shell.json("migrate-db", "sqlite", "--switch")
    assert {one["table"]: one["rows"] for one in back["tables"]}["desk_case"] == 2
    with closing(sqlite3.connect(shell.data / "control.sqlite3")) as db:
        assert db.execute("SELECT max(id) FROM sending_ippool").fetchone() == (3,)
        assert db.execute("PRAGMA foreign_key_check").fetchall() == []
    assert seen(shell, "Last") == [cases, suppressed, 4, record, found]


def test_a_database_that_holds_data_is_refused(shell: Shell, postgres: Server) -> None:
    url = postgres.copy("taken")
    shell.json("migrate-db", url)
    said = shell.refused("migrate-db", url)
    assert "holds Merpati's data already" in said
    assert not shell.json("config", "show")["database.url"]


def test_a_running_merpati_is_not_moved_nor_moved_onto(shell: Shell, postgres: Server) -> None:
    url = postgres.make("runs")
    with claimed(parse_url(url)):
        assert "another Merpati runs" in shell.refused("migrate-db", url)


def test_what_postgresql_cannot_keep_is_named_before_anything_is_written(
    shell: Shell, postgres: Server
) -> None:
    url = postgres.copy("unfit")
    with closing(sqlite3.connect(shell.data / "control.sqlite3")) as db, db:
        db.execute("UPDATE sending_suppression SET description = 'a' || char(0) WHERE id = 7")
        db.execute("UPDATE desk_case SET subject = ? WHERE number = 1", ["x" * 201])
    for extra in (["--dry-run"], []):
        said = shell.refused("migrate-db", url, *extra)
        assert "sending_suppression 7, description: it holds a NUL character." in said
        assert "desk_case 1, subject: it has 201 characters, and the column takes 200." in said
    with postgres.connect("unfit") as db:
        assert db.execute("SELECT to_regclass('desk_case')").fetchone() == (None,) or (
            db.execute("SELECT count(*) FROM desk_case").fetchone() == (0,)
        )


def test_a_backup_from_postgresql_is_restored_without_it(shell: Shell, postgres: Server) -> None:
    """The copy has all cases, in a file of its own, and does not know the original's database."""
    shell.json("migrate-db", postgres.copy("original"), "--switch")
    (shell.data / "control.sqlite3").unlink()
    backup, copy = shell.data.with_name("backup"), Shell(shell.data.with_name("copy"))
    assert shell.json("backup", str(backup))["unbalanced"] == 0
    assert (backup / "control.sqlite3").stat().st_mode & 0o777 == 0o600
    assert not list(backup.glob("control.sqlite3-*"))
    copy.environment["MERPATI_DATABASE__URL"] = postgres.url("original")
    assert "MERPATI_DATABASE__URL is set" in copy.refused("restore", str(backup))
    del copy.environment["MERPATI_DATABASE__URL"]
    copy.json("restore", str(backup))
    assert "original" in (copy.data / "merpati.toml").read_text()  # as a comment
    assert not copy.json("config", "show")["database.url"]
    assert copy.json("case", "list") == shell.json("case", "list")

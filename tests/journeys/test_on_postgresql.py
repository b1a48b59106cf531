"""Merpati on PostgreSQL: mail flows, a second one is refused, the server may be restarted."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from harness.customer import Customer, sign_up
from harness.service import Merpati, wait_until
from tests.support.http_calls import send, transmission
from tests.support.postgres import GUARDED, Server
from tests.support.sink import Sink, sink

pytestmark = pytest.mark.journey

PASSWORD = "s3cret-of-the-database"


@pytest.fixture
def url(postgres: Server) -> str:
    with postgres.connect() as db:
        db.execute("DROP DATABASE IF EXISTS journey")
        db.execute(f"DROP ROLE IF EXISTS {GUARDED}")
        db.execute(f"CREATE ROLE {GUARDED} LOGIN PASSWORD '{PASSWORD}'")
        db.execute(f"CREATE DATABASE journey OWNER {GUARDED}")
    return f"postgresql://{GUARDED}:{PASSWORD}@127.0.0.1:{postgres.port}/journey"


@pytest.fixture
def receiver(tmp_path: Path) -> Iterator[Sink]:
    with sink(tmp_path) as it:
        yield it


@pytest.fixture
def merpati(tmp_path: Path, url: str) -> Iterator[Merpati]:
    file = tmp_path / "url"
    file.write_text(url + "\n")
    data = tmp_path / "data"
    data.mkdir(mode=0o700)
    (data / "merpati.toml").write_text(f'[database]\nurl_file = "{file}"\n')
    it = Merpati(data, "--workers", "1")
    it.start()
    yield it
    assert it.stop() == 0, it.log.read_text()[-2000:]
    assert PASSWORD not in it.log.read_text()


def sent(merpati: Merpati, customer: Customer, address: str) -> int:
    status, _ = send(merpati.addresses["http"], customer.api_key, transmission(address))
    return status


@pytest.mark.timeout(300)
def test_merpati_runs_on_postgresql(
    merpati: Merpati, receiver: Sink, url: str, tmp_path: Path
) -> None:
    customer = sign_up(merpati)
    merpati.command("route", "add", "*", f"127.0.0.1:{receiver.port}")
    assert sent(merpati, customer, "first@example.net") == 200
    assert not (merpati.data / "control.sqlite3").exists()
    shown = merpati.command("config", "show")["database.url"]
    assert PASSWORD not in shown
    assert shown == url.replace(f":{PASSWORD}", "")

    other = Merpati(tmp_path / "other", environment={"MERPATI_DATABASE__URL": url})
    other.data.mkdir(mode=0o700)
    (other.data / "secret.key").write_bytes((merpati.data / "secret.key").read_bytes())
    with pytest.raises(RuntimeError, match="another Merpati runs on the database"):
        other.start()

    with psycopg.connect(url, autocommit=True) as db:  # as a restart of the server does
        db.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'journey'"
            " AND pid <> pg_backend_pid() AND application_name <> 'merpati run'"
        )
    deadline = time.monotonic() + 20
    while sent(merpati, customer, "second@example.net") != 200:  # 503: repeat it
        assert time.monotonic() < deadline
    rows = lambda: merpati.command("accounts", "balance")["rows"]  # noqa: E731
    wait_until(lambda: sum(row["delivered"] for row in rows()) == 2, "both messages")

"""What the API's tests share: two customers, and a client that speaks JSON."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from merpati.accounts.actions import create_account, create_api_key
from merpati.adapters.codec import pack
from merpati.adapters.crypto import SecretBox
from merpati.adapters.rpc import Handler, RpcServer
from merpati.api import services
from merpati.api.watch import Watch
from merpati.contracts.batch import Accepted, Batch
from merpati.desk.evidence import Sources
from merpati.events.campaign_outlook import Outlooks
from merpati.events.transmissions import Transmissions
from merpati.sending.directory import Directory
from merpati.sending.errors import DnsLookupFailed
from merpati.sending.policy import build
from merpati.sending.sending_ips import add_sending_ip
from merpati.sending.transmission_id import TransmissionIds
from merpati.spool.errors import SpoolError
from tests.support.control import make_domain

NOW = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)


class SteppingClock:
    """Time as a test sets it; monotonic time moves on with each look, so nothing is remembered."""

    def __init__(self) -> None:
        self.moment = NOW
        self._elapsed = 0.0

    def now(self) -> int:
        return int(self.moment.timestamp() * 1000)

    def elapsed(self) -> float:
        self._elapsed += 1.0
        return self._elapsed


class CollectingSpool:
    """Takes batches as the worker does, without a disk; `failure` is raised instead."""

    def __init__(self) -> None:
        self.batches: list[tuple[int, Batch]] = []
        self.cancelled: list[tuple[int, int, str, str]] = []
        self.failure: Exception | None = None

    def append(self, shard: int, batch: Batch) -> Accepted:
        if self.failure is not None:
            raise self.failure
        self.batches.append((shard, batch))
        return Accepted(base_id=1)

    async def append_all(self, shard: int, batches: Sequence[Batch]) -> list[Accepted | SpoolError]:
        return [self.append(shard, batch) for batch in batches]

    def cancel(
        self, shard: int, account_id: int, campaign_id: str, transmission_id: str = ""
    ) -> None:
        if self.failure is not None:
            raise self.failure
        self.cancelled.append((shard, account_id, campaign_id, transmission_id))

    @property
    def last(self) -> Batch:
        return self.batches[-1][1]


@dataclass
class Answer:
    status: int
    body: Any
    headers: Any

    @property
    def error(self) -> dict[str, str]:
        """The only error of the answer."""
        (item,) = self.body["errors"]
        return dict(item)


@dataclass
class Customer:
    """An account with one warm IP, one verified domain and a key with all grants."""

    account_id: int
    key: str
    domain: str
    client: Client = field(default_factory=lambda: Client(raise_request_exception=False))

    def call(self, method: str, path: str, body: Any = None, **headers: Any) -> Answer:
        """headers: as in CGI; HTTP_AUTHORIZATION is the key unless given."""
        data = body if isinstance(body, (bytes, str)) else json.dumps(body)
        headers.setdefault("HTTP_AUTHORIZATION", self.key)
        content_type = headers.pop("CONTENT_TYPE", "application/json")
        response = self.client.generic(
            method, path, b"" if body is None else data, content_type=content_type, **headers
        )
        parsed = json.loads(response.content) if response.content else None
        return Answer(response.status_code, parsed, response.headers)

    def send(self, body: Any, query: str = "", **headers: Any) -> Answer:
        return self.call("POST", f"/api/v1/transmissions{query}", body, **headers)

    def key_with(self, *grants: str) -> str:
        return create_api_key(self.account_id, "few", grants, by="test", now=NOW).key


@pytest.fixture
def clock() -> SteppingClock:
    return SteppingClock()


@pytest.fixture
def spool() -> CollectingSpool:
    return CollectingSpool()


@pytest.fixture
def zone() -> dict[str, list[str]]:
    """TXT values by name, as DNS has them."""
    return {}


@pytest.fixture
def serving(
    clock: SteppingClock,
    spool: CollectingSpool,
    zone: dict[str, list[str]],
    tmp_path: Path,
    settings: Any,
) -> Iterator[None]:
    settings.ROOT_URLCONF, settings.MIDDLEWARE = "merpati.api.urls", []  # as `ApiHandler` has it
    ids = TransmissionIds(tmp_path, clock)

    def lookup(name: str) -> list[str]:
        if "broken" in name:
            raise DnsLookupFailed(name, "no server answers")
        return zone.get(name, [])

    services.use(
        services.Services(
            clock=clock,
            directory=Directory(clock),
            spool=spool,
            transmission_ids=ids,
            secret_box=SecretBox(tmp_path / "secret.key"),
            txt_lookup=lookup,
            evidence=Sources(tmp_path / "events.sqlite3", tmp_path / "spool"),
            transmissions=Transmissions(tmp_path / "events.sqlite3", tmp_path / "spool"),
            outlooks=Outlooks(tmp_path / "spool", lambda: build("bounces.example")),
        )
    )
    yield
    services.use(None)
    ids.close()


def _customer(name: str, address: str) -> Customer:
    created = create_account(name, "premium", "uk", by="test", now=NOW)
    domain = f"{name}.example"
    account_id = created.account.pk
    make_domain(account_id, domain, NOW)
    add_sending_ip(account_id, address, f"mta.{domain}", by="test", now=NOW)
    return Customer(account_id, created.api_key, domain)


@pytest.fixture
def acme(db: None, serving: None) -> Customer:
    return _customer("acme", "127.0.0.2")


@pytest.fixture
def rival(db: None, serving: None) -> Customer:
    return _customer("rival", "127.0.0.3")


def transmission(*recipients: Any, **content: Any) -> dict[str, Any]:
    """A valid transmission of acme; content fields as keywords, `sender` for `from`."""
    if "sender" in content:
        content["from"] = content.pop("sender")
    return {
        "content": {"from": "news@acme.example", "subject": "Hello", "text": "Hi"} | content,
        "recipients": list(recipients or [{"address": "sari@example.net"}]),
    }


Serve = Callable[[str, Mapping[str, Any]], None]


@pytest.fixture
def run_dir(tmp_path: Path) -> Path:
    folder = tmp_path / "run"
    folder.mkdir()
    return folder


@pytest.fixture
def serve(run_dir: Path) -> Iterator[Serve]:
    """Give `serve(socket, {operation: answer})`; an answer may be changed while it is served."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    servers: list[RpcServer] = []

    def start(socket: str, answers: Mapping[str, Any]) -> None:
        def handler(op: str) -> Handler:
            async def answer(_: bytes) -> bytes:
                return pack(answers[op])

            return answer

        server = RpcServer(run_dir / socket, {op: handler(op) for op in answers})
        asyncio.run_coroutine_threadsafe(server.start(), loop).result(10)
        servers.append(server)

    yield start
    for server in servers:
        asyncio.run_coroutine_threadsafe(server.close(), loop).result(10)
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


@pytest.fixture
def watched(serving: None, run_dir: Path) -> None:
    """Have the API ask two workers and the clock process."""
    watch = Watch(run_dir, 2, run_dir, reserve_bytes=0)
    services.use(replace(services.services(), watch=watch))

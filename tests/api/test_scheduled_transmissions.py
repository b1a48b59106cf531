"""Scheduled mail over the API: accepted for its moment, listed, shown, cancelled in time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from merpati.accounts.models import AuditEntry
from merpati.adapters.codec import pack
from merpati.contracts.event import Event, EventType, Settlement
from merpati.spool.shard import Shard
from tests.api.conftest import NOW, CollectingSpool, Customer, SteppingClock, transmission

HOUR = timedelta(hours=1)
PATH = "/api/v1/transmissions"


class Storing:
    """Stores what the spool of the API's tests collected, and settles it, in a real shard."""

    def __init__(self, spool: CollectingSpool, clock: SteppingClock, folder: Path) -> None:
        self._spool, self._clock, self._folder = spool, clock, folder
        self._stored = 0

    def all(self) -> None:
        """Store what came since the last time."""
        batches, self._stored = self._spool.batches[self._stored :], len(self._spool.batches)
        for number, batch in batches:
            self._use(number, lambda shard, batch=batch: shard.append(pack(batch)))

    def settle(self, number: int, *events: Event) -> None:
        ids = [event.message_id for event in events]
        self._use(number, lambda shard: shard.settle(ids, (), events))

    def cancel(self, number: int, *wanted: Any) -> None:
        self._use(number, lambda shard: shard.cancel(*wanted))

    def _use(self, number: int, use: Callable[[Shard], Coroutine[Any, Any, Any]]) -> None:
        async def run() -> None:
            shard = Shard(self._folder / "spool", number, self._clock)
            await use(shard)
            await shard.close()

        asyncio.run(run())


@pytest.fixture
def store(spool: CollectingSpool, clock: SteppingClock, tmp_path: Path) -> Storing:
    return Storing(spool, clock, tmp_path)


def scheduled(start: timedelta, *recipients: str, **fields: Any) -> dict[str, Any]:
    given = [{"address": address} for address in recipients or ("sari@example.net",)]
    options = {"start_time": (NOW + start).isoformat()}
    return transmission(*given) | {"options": options} | fields


def ended(spool: CollectingSpool, index: int, kind: EventType, settlement: Settlement) -> Event:
    batch = spool.last
    return Event(
        *(kind, batch.starts_at, batch.account_id, 1 + index, batch.transmission_id),
        *(batch.injected_at, "sari@example.net", settlement),
    )


def test_a_batch_says_when_it_starts(acme: Customer, spool: CollectingSpool) -> None:
    assert acme.send(scheduled(2 * HOUR)).status == 200
    starts_at = int((NOW + 2 * HOUR).timestamp() * 1000)
    assert spool.last.starts_at == starts_at == spool.last.messages[0].due_at
    assert spool.last.injected_at == int(NOW.timestamp() * 1000)


@pytest.mark.parametrize("start_time", ["now", " now ", None, "2020-01-01T00:00:00Z"])
def test_what_is_due_already_starts_at_once(
    acme: Customer, spool: CollectingSpool, start_time: str | None
) -> None:
    assert acme.send(transmission() | {"options": {"start_time": start_time}}).status == 200
    assert spool.last.starts_at == 0
    assert spool.last.messages[0].due_at == spool.last.injected_at


@pytest.mark.parametrize(
    "start_time", ["2026-03-02T18:30:00+07:00", "2026-03-02T11:30:00+0000", "2026-03-02T11:30:00"]
)
def test_offsets_are_read(acme: Customer, spool: CollectingSpool, start_time: str) -> None:
    assert acme.send(transmission() | {"options": {"start_time": start_time}}).status == 200
    assert spool.last.starts_at == int((NOW + 2 * HOUR).timestamp() * 1000)


def test_a_scheduled_transmission_is_shown_as_far_as_it_is(
    acme: Customer, spool: CollectingSpool, clock: SteppingClock, store: Storing
) -> None:
    body = scheduled(2 * HOUR, "a@x.example", "b@x.example")
    body |= {"campaign_id": "spring", "description": "Spring sale", "metadata": {"n": 1}}
    transmission_id = acme.send(body).body["results"]["id"]
    store.all()
    found = acme.call("GET", f"{PATH}/{transmission_id}")
    assert found.status == 200
    assert found.body["results"]["transmission"] == {
        "id": transmission_id,
        "state": "submitted",
        "campaign_id": "spring",
        "description": "Spring sale",
        "content": {"template_id": "inline"},
        "rcpt_list_chunk_size": 2,
        "rcpt_list_total_chunks": 1,
        "num_rcpts": 2,
        "num_generated": 0,
        "num_failed_gen": 0,
        "generation_start_time": "2026-03-02T11:30:00+00:00",
        "metadata": {"n": 1},
        "options": {
            "start_time": "2026-03-02T11:30:00+00:00",
            "transactional": False,
            "ip_pool": "default",
        },
    }
    clock.moment = NOW + 3 * HOUR
    shown = acme.call("GET", f"{PATH}/{transmission_id}").body["results"]["transmission"]
    assert shown["state"] == "Generating"
    number = acme.account_id % 16
    store.settle(
        number,
        ended(spool, 0, EventType.DELIVERY, Settlement.DELIVERED),
        ended(spool, 1, EventType.GENERATION_FAILURE, Settlement.FAILED),
    )
    shown = acme.call("GET", f"{PATH}/{transmission_id}").body["results"]["transmission"]
    assert (shown["state"], shown["num_generated"], shown["num_failed_gen"]) == ("Success", 1, 1)


def test_the_list_holds_what_is_not_sent_yet(acme: Customer, store: Storing) -> None:
    first = acme.send(scheduled(HOUR, campaign_id="spring", description="One"))
    acme.send(scheduled(HOUR, campaign_id="autumn"))
    store.all()
    listed = acme.call("GET", f"{PATH}?campaign_id=spring").body["results"]
    assert listed == [
        {
            "id": first.body["results"]["id"],
            "state": "submitted",
            "campaign_id": "spring",
            "description": "One",
            "content": {"template_id": "inline"},
        }
    ]
    everything = acme.call("GET", PATH).body["results"]
    assert [each["campaign_id"] for each in everything] == ["autumn", "spring"]
    assert acme.call("GET", f"{PATH}?template_id=welcome").body["results"] == []


def test_a_scheduled_transmission_is_deleted(
    acme: Customer, spool: CollectingSpool, store: Storing
) -> None:
    transmission_id = acme.send(scheduled(HOUR)).body["results"]["id"]
    store.all()
    answer = acme.call("DELETE", f"{PATH}/{transmission_id}")
    assert (answer.status, answer.body) == (204, None)
    number = acme.account_id % 16
    assert spool.cancelled == [(number, acme.account_id, "", transmission_id)]
    entry = AuditEntry.objects.get(action="cancel_transmission")
    assert (entry.subject, entry.account_id) == (transmission_id, acme.account_id)
    store.cancel(number, acme.account_id, "", transmission_id)  # asked, and not done yet
    shown = acme.call("GET", f"{PATH}/{transmission_id}").body["results"]["transmission"]
    assert shown["state"] == "Canceled"
    store.settle(number, ended(spool, 0, EventType.BOUNCE, Settlement.CANCELLED))
    shown = acme.call("GET", f"{PATH}/{transmission_id}").body["results"]["transmission"]
    assert (shown["state"], shown["num_generated"]) == ("Canceled", 0)
    again = acme.call("DELETE", f"{PATH}/{transmission_id}")
    assert (again.status, again.error) == (
        409,
        {
            "message": "Unable to delete a transmission that is in progress (state=Canceled)",
            "code": "2006",
        },
    )


@pytest.mark.parametrize(
    ("start", "code", "message"),
    [
        pytest.param(
            timedelta(seconds=659),
            "2003",
            "Deletion time window (660 seconds) doesn't permit transmission deletion",
            id="too close",
        ),
        pytest.param(
            timedelta(0),
            "2006",
            "Unable to delete a transmission that is in progress (state=Generating)",
            id="under way",
        ),
    ],
)
def test_a_transmission_is_deleted_in_time_or_not_at_all(
    acme: Customer,
    spool: CollectingSpool,
    store: Storing,
    start: timedelta,
    code: str,
    message: str,
) -> None:
    transmission_id = acme.send(scheduled(start)).body["results"]["id"]
    store.all()
    answer = acme.call("DELETE", f"{PATH}/{transmission_id}")
    assert (answer.status, answer.error) == (409, {"message": message, "code": code})
    assert spool.cancelled == []


def test_660_seconds_before_its_moment_it_can_be_deleted(acme: Customer, store: Storing) -> None:
    transmission_id = acme.send(scheduled(timedelta(seconds=660))).body["results"]["id"]
    store.all()
    assert acme.call("DELETE", f"{PATH}/{transmission_id}").status == 204


@pytest.mark.parametrize("call", [("GET", ""), ("GET", "/7"), ("DELETE", "/7")])
def test_what_cannot_be_read_is_told_as_such(
    acme: Customer, tmp_path: Path, call: tuple[str, str]
) -> None:
    (tmp_path / "events.sqlite3").write_bytes(b"no database" * 100)
    assert acme.call(call[0], PATH + call[1]).status == 503


@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_another_accounts_transmission_is_not_found(
    acme: Customer, rival: Customer, store: Storing, method: str
) -> None:
    transmission_id = acme.send(scheduled(HOUR)).body["results"]["id"]
    store.all()
    for who, wanted in ((rival, transmission_id), (acme, "102293692714480130")):
        answer = who.call(method, f"{PATH}/{wanted}")
        message = f"Resource not found:transmission id {wanted}"
        assert (answer.status, answer.error) == (404, {"message": message, "code": "1600"})

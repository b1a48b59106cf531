"""A run's claim on its database: lost with a restart of the server, noticed, and taken anew."""

from __future__ import annotations

import asyncio
from contextlib import closing

import psycopg
import pytest

from merpati.control.claim import Claim, claimed
from merpati.control.errors import DatabaseInUse
from merpati.control.opening import connect
from merpati.control.place import PostgresPlace, parse_url
from merpati.runtime.claim_keeper import keep_claim
from tests.support.postgres import Server


@pytest.fixture
def place(postgres: Server) -> PostgresPlace:
    return parse_url(postgres.url("postgres"))  # type: ignore[return-value]


def end_session(place: PostgresPlace, claim: Claim) -> None:
    """End a claim's session at the server, as its restart does."""
    with closing(connect(place)) as db:
        db.execute("SELECT pg_terminate_backend(%s, 5000)", [claim._db.info.backend_pid])


def is_taken(place: PostgresPlace) -> bool:
    try:
        with claimed(place):
            return False
    except DatabaseInUse:
        return True


def test_a_claim_that_a_restarted_server_forgot_is_taken_anew(place: PostgresPlace) -> None:
    with claimed(place) as claim:
        assert claim is not None
        assert not claim.renew()
        end_session(place, claim)
        assert not is_taken(place)
        assert claim.renew()
        assert is_taken(place)
        assert not claim.renew()


def test_a_session_of_ours_whose_connection_broke_is_ended(place: PostgresPlace) -> None:
    """The server believes in it for minutes: it is no other Merpati."""
    with claimed(place) as claim:
        assert claim is not None
        broken, claim._db = claim._db, connect(place)
        claim._db.close()
        assert claim.renew()
        with pytest.raises(psycopg.OperationalError):
            broken.execute("SELECT 1")
        assert is_taken(place)


async def test_a_run_takes_a_lost_claim_anew_and_stops_when_another_was_quicker(
    place: PostgresPlace,
) -> None:
    stopped = asyncio.Event()
    with claimed(place) as claim:
        assert claim is not None
        lost = claim._db
        keeper = asyncio.create_task(keep_claim(claim, stopped.set, look_seconds=0.01))
        end_session(place, claim)
        async with asyncio.timeout(20):
            while claim._db is lost:  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0.01)
            keeper.cancel()
            await asyncio.gather(keeper, return_exceptions=True)
        assert not stopped.is_set()
        end_session(place, claim)
        with claimed(place), pytest.raises(DatabaseInUse):
            await keep_claim(claim, stopped.set, look_seconds=0.01)
    assert stopped.is_set()

"""Watches that the database stays this run's own: a restarted server forgets who held it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from merpati.control.claim import Claim
from merpati.control.errors import DatabaseInUse, DatabaseUnusable

log = logging.getLogger(__name__)

LOOK_SECONDS = 5.0


async def keep_claim(
    claim: Claim, stop: Callable[[], None], look_seconds: float = LOOK_SECONDS
) -> None:
    """Look again and again until cancelled, and take a lost claim anew.

    While the server is away nobody else can take it either, and all waits. Calls `stop` and raises
    DatabaseInUse once another Merpati has it.
    """
    is_away = False
    while True:
        await asyncio.sleep(look_seconds)
        try:
            was_lost = await asyncio.to_thread(claim.renew)
        except DatabaseUnusable as error:
            if not is_away:
                log.error("database_away error=%r effect=waits", error.message)  # noqa: TRY400
            is_away = True
        except DatabaseInUse:
            log.error("database_taken effect=stops")  # noqa: TRY400 - the command says the rest
            stop()
            raise
        else:
            if was_lost:
                log.warning("database_claimed_anew")
            is_away = False

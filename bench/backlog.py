"""Mail that waits: loaded with a start time ahead, so that loading and delivering part cleanly."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from bench.load import newsletter_body
from bench.merpati_server import MerpatiServer
from bench.options import say

_SLOWEST_LOAD = 20_000  # recipients a second that loading is trusted to reach, JSON included
_MARGIN_SECONDS = 8.0


class LoadTooSlow(Exception):
    """The mail fell due before all of it was loaded, so delivery's figures would be mixed."""


@dataclass(frozen=True, slots=True)
class Backlog:
    """What was loaded. due_at: monotonic seconds; accept_seconds: spent in calls alone."""

    messages: int
    due_at: float
    accept_seconds: float

    def wait_until_due(self) -> None:
        """Sleep until the mail falls due."""
        time.sleep(max(0.0, self.due_at - time.monotonic()))


def in_the_future(seconds: float) -> str:
    """Return a start time as the API takes it."""
    return (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat(timespec="seconds")


def load_backlog(server: MerpatiServer, messages: int, per_call: int) -> Backlog:
    """Hand in newsletters which all fall due at one moment. Raises LoadTooSlow."""
    ahead = messages / _SLOWEST_LOAD + _MARGIN_SECONDS
    start_time = in_the_future(ahead)
    # The API's times have whole seconds.
    due_at = time.monotonic() + datetime.fromisoformat(start_time).timestamp() - time.time()
    client = server.client()
    spent = 0.0
    for first in range(0, messages, per_call):
        size = min(per_call, messages - first)
        body = newsletter_body(first, size, start_time)
        called = time.monotonic()
        client.submit(body, size)
        spent += time.monotonic() - called
        if first and first % 100_000 == 0:
            say(f"  {first:,} of {messages:,} loaded")
    client.close()
    if time.monotonic() > due_at - 1:
        raise LoadTooSlow(f"{messages:,} messages took over {ahead:.0f} s to load")
    return Backlog(messages, due_at, spent)

"""Threads that take messages from the loop, in groups: what came while they were busy.

Each message that waits in a thread of its own for its commit costs some ten changes of thread; of
fifty clients at once a few threads take all, and a message alone waits for nobody.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import NamedTuple

from merpati.smtp.session import Envelope

log = logging.getLogger(__name__)

BUSY = 4  # groups under way: while one waits for its commit the next are read
GROUP = 64  # messages
GROUP_BYTES = 1 << 20  # so that nobody's small message waits for many large ones

INTERNAL_ERROR = "451 4.3.0 Internal error: try again later"


class Incoming(NamedTuple):
    """A message that came in whole, and the client's address."""

    envelope: Envelope
    peer: str


Take = Callable[[Sequence[Incoming]], Sequence[str]]
Answered = Callable[[str], None]


class Takers:
    """Used on the loop. take: stores messages and returns their replies; called in threads.

    most: messages of one group; 1 where `take` waits for one after the other.
    """

    def __init__(self, take: Take, threads: ThreadPoolExecutor, most: int = GROUP) -> None:
        self._take = take
        self._most = most
        self._threads = threads
        self._waiting: deque[tuple[Incoming, Answered]] = deque()
        self._busy = 0

    def take(self, message: Incoming, answered: Answered) -> None:
        """Have a message stored; `answered` gets its reply."""
        self._waiting.append((message, answered))
        if len(self._waiting) == 1:
            # After what else came in with this round of the loop.
            asyncio.get_running_loop().call_soon(self._begin)

    def _begin(self) -> None:
        while self._waiting and self._busy < BUSY:
            group = self._next_group()
            self._busy += 1
            asyncio.get_running_loop().run_in_executor(
                self._threads, self._take, [message for message, _ in group]
            ).add_done_callback(partial(self._done, group))

    def _next_group(self) -> list[tuple[Incoming, Answered]]:
        group: list[tuple[Incoming, Answered]] = []
        size = 0
        while self._waiting and len(group) < self._most and size < GROUP_BYTES:
            size += len(self._waiting[0][0].envelope.data)
            group.append(self._waiting.popleft())
        return group

    def _done(
        self, group: list[tuple[Incoming, Answered]], done: asyncio.Future[Sequence[str]]
    ) -> None:
        self._busy -= 1
        self._begin()
        try:
            replies = done.result()
        except asyncio.CancelledError:
            replies = [INTERNAL_ERROR] * len(group)
        except Exception:  # a defect of ours must not leave clients without an answer
            log.exception("smtp_service_failed messages=%d", len(group))
            replies = [INTERNAL_ERROR] * len(group)
        for (_, answered), reply in zip(group, replies, strict=True):
            answered(reply)

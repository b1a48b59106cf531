"""The spool's writer without its thread: each piece of work is done and durable when it is asked.

In production a thread gathers what came during one fsync; on virtual time nothing comes meanwhile.
What it commits, and how, is the same `spool/store.py`.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from typing import Any

from merpati.adapters.clock import Clock
from merpati.spool.errors import SpoolError, SpoolUnavailable
from merpati.spool.files import ShardLock
from merpati.spool.operations import Operation, Sweep
from merpati.spool.store import Store
from merpati.spool.writer import SWEEP_SECONDS, Arrivals, Read


class AtOnce:
    """Stands in for `spool.writer.Writer`. trouble: the first failure, which is not mended."""

    def __init__(
        self,
        name: str,
        clock: Clock,
        take_lock: Callable[[], ShardLock],
        open_store: Callable[[], Store],
        announce: Callable[[Arrivals], None],
    ) -> None:
        self.store: Store | None = None
        self.latest: Store | None = None
        self.trouble = ""
        self._clock = clock
        self._take_lock = take_lock
        self._open_store = open_store
        self._announce = announce
        self._lock: ShardLock | None = None
        self._sweep_at = SWEEP_SECONDS

    def submit(self, work: Operation | Read) -> asyncio.Future[Any]:
        """Do one piece of work; the future is done."""
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        try:
            if self.trouble:
                raise SpoolUnavailable(self.trouble)
            store = self._opened()
            if callable(work):
                future.set_result(work(store))
            else:
                done = store.commit([work])
                (answer,) = done.answers
                if isinstance(answer, SpoolError):
                    future.set_exception(answer)
                else:
                    future.set_result(answer)
                if done.arrivals:
                    asyncio.get_running_loop().call_soon(self._announce, done.arrivals)
                self._sweep(store)
        except (sqlite3.Error, OSError) as error:
            self.trouble = f"{type(error).__name__}: {error}"
            future.set_exception(SpoolUnavailable(self.trouble))
        except Exception as error:
            future.set_exception(error)
        return future

    def known(self) -> Store:
        """Return the store. Raises SpoolUnavailable."""
        if self.latest is None:
            raise SpoolUnavailable(self.trouble or "the shard is not open yet")
        return self.latest

    async def close(self) -> None:
        """Close the file, give the lock back."""
        if self.store is not None:
            self.store.close()
        if self._lock is not None:
            self._lock.release()

    def _opened(self) -> Store:
        if self.store is None:
            self._lock = self._take_lock()
            self.store = self.latest = self._open_store()
        return self.store

    def _sweep(self, store: Store) -> None:
        if self._clock.elapsed() >= self._sweep_at:
            self._sweep_at = self._clock.elapsed() + SWEEP_SECONDS
            store.commit([Sweep()])
            store.forget_empty_queues()

"""The shard's thread: takes what gathered, commits it as one group, answers all at once.

It opens the file when the first call comes. After any trouble it refuses what waits, closes the
file and opens it again after a growing pause, so that no sync that failed is ever taken for done.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import queue
import sqlite3
import threading
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from merpati.adapters.clock import Clock
from merpati.contracts.batch import Accepted
from merpati.spool.errors import SpoolError, SpoolUnavailable
from merpati.spool.files import ShardLock
from merpati.spool.operations import Append, Operation, Record, Settle, Sweep
from merpati.spool.shapes import Arrival
from merpati.spool.store import Store

log = logging.getLogger(__name__)

GROUP_BYTES = 1 << 20  # taken in by one group: some 2,000 small batches
GROUP_SETTLES = 4_000  # messages
LARGE_BYTES = 128 << 10  # such a batch is a group of its own, small ones in between
PATIENCE_SECONDS = 10.0  # a call that waited longer is refused, not done late
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.1, 5.0  # before the file is opened again
SWEEP_SECONDS = 60.0

Read = Callable[[Store], Any]


@dataclass(slots=True, eq=False)
class Call:
    """One caller's wish and where its answer goes."""

    work: Operation | Read
    future: asyncio.Future[Any]
    asked_at: float  # clock.elapsed()


@dataclass(slots=True)
class _Answer:
    call: Call
    value: Any = None
    error: BaseException | None = None


Arrivals = list[Arrival]


class AnyWriter(Protocol):
    """Who does the work of a shard."""

    store: Store | None
    latest: Store | None
    trouble: str

    def __init__(
        self,
        name: str,
        clock: Clock,
        take_lock: Callable[[], ShardLock],
        open_store: Callable[[], Store],
        announce: Callable[[Arrivals], None],
    ) -> None: ...

    def submit(self, work: Operation | Read) -> asyncio.Future[Any]:
        """Hand over one piece of work from the loop; the future gets its answer."""

    def known(self) -> Store:
        """Return the store opened last. Raises SpoolUnavailable."""

    async def close(self) -> None:
        """Finish what waits, close the file, give the lock back."""


class Writer:
    """One thread for one shard, started with the first call."""

    def __init__(
        self,
        name: str,
        clock: Clock,
        take_lock: Callable[[], ShardLock],
        open_store: Callable[[], Store],
        announce: Callable[[Arrivals], None],
    ) -> None:
        """announce: called on the loop with what came."""
        self.store: Store | None = None  # while it is open
        self.latest: Store | None = None  # the one opened last; others may look at its counts
        self.trouble = ""
        self._name = name
        self._clock = clock
        self._take_lock = take_lock
        self._open_store = open_store
        self._announce = announce
        self._inbox: queue.SimpleQueue[Call | None] = queue.SimpleQueue()
        self._reads: deque[Call] = deque()
        self._small: deque[Call] = deque()
        self._large: deque[Call] = deque()
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._lock: ShardLock | None = None
        self._was_open = False
        self._stopping = False
        self._refusal: type[SpoolUnavailable] = SpoolUnavailable
        self._pause = FIRST_PAUSE_SECONDS
        self._retry_at = float("-inf")
        self._sweep_at = float("-inf")

    def submit(self, work: Operation | Read) -> asyncio.Future[Any]:
        """Hand over one piece of work from the loop; the future gets its answer."""
        loop = asyncio.get_running_loop()
        if self._stopping:
            raise SpoolUnavailable("the shard is closed")
        if self._thread is None:
            self._loop = loop
            self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
            self._thread.start()
        call = Call(work, loop.create_future(), self._clock.elapsed())
        self._inbox.put(call)
        return call.future

    def known(self) -> Store:
        """Return the store opened last, for what it has in memory. Raises SpoolUnavailable."""
        if self.latest is None:
            raise SpoolUnavailable(self.trouble or "the shard is not open yet")
        return self.latest

    async def close(self) -> None:
        """Finish what waits, close the file, give the lock back."""
        self._stopping = True  # on the loop, as in submit(): nothing can come behind the None
        if self._thread is not None:
            self._inbox.put(None)
            await asyncio.to_thread(self._thread.join)

    # Everything below runs in the thread.

    def _run(self) -> None:
        last = False
        while not last:
            last = self._gather()
            while True:
                try:
                    self._round()
                except Exception as error:  # the loop must go on, and nobody may wait for ever
                    log.exception("spool_failed spool=%s", self._name)
                    self._fail(error)
                if not (self._reads or self._small or self._large):
                    break
                last |= self._drain()
        if self.store is not None:
            self.store.close()
        if self._lock is not None:
            self._lock.release()

    def _gather(self) -> bool:
        """Wait for work or for the next chore; return whether this is the end."""
        now = self._clock.elapsed()
        if self.store is not None:
            wait = max(0.0, self._sweep_at - now)
        else:
            wait = max(0.0, self._retry_at - now) if self._was_open else SWEEP_SECONDS
        try:
            call = self._inbox.get(timeout=wait)
        except queue.Empty:
            return False
        return self._sort(call) | self._drain()

    def _drain(self) -> bool:
        last = False
        with contextlib.suppress(queue.Empty):
            while True:
                last |= self._sort(self._inbox.get_nowait())
        return last

    def _sort(self, call: Call | None) -> bool:
        if call is None:
            return True
        if callable(call.work):
            self._reads.append(call)
        elif _largest_bytes(call.work) > LARGE_BYTES:
            self._large.append(call)
        else:
            self._small.append(call)
        return False

    def _round(self) -> None:
        store = self._opened()
        if store is None:
            self._refuse_all()
            return
        self._serve(store, self._take_all(self._reads))
        if self.store is store and (group := self._take_group()):
            self._commit(store, group)
        # One large batch a round: meanwhile small ones gather, for the next round's first group.
        if (
            self.store is store
            and self._large
            and (group := self._patient([self._large.popleft()]))
        ):
            self._commit(store, group)
        if self.store is store and self._clock.elapsed() >= self._sweep_at:
            self._sweep(store)

    def _opened(self) -> Store | None:
        if self.store is not None or self._clock.elapsed() < self._retry_at:
            return self.store
        try:
            if self._lock is None:
                self._lock = self._take_lock()
            self.store = self.latest = self._open_store()
        except (sqlite3.Error, OSError, SpoolUnavailable) as error:
            self._fail(error)
            return None
        if self._was_open:
            log.info("spool_open_again spool=%s", self._name)
            found = self.store.queues().values()
            self._post([], [Arrival(one.queue_id, one.count, one.earliest_due_at) for one in found])
        self.trouble, self._refusal = "", SpoolUnavailable
        self._pause, self._was_open = FIRST_PAUSE_SECONDS, True
        self._sweep_at = self._clock.elapsed() + SWEEP_SECONDS
        return self.store

    def _take_all(self, lane: deque[Call]) -> list[Call]:
        calls = list(lane)
        lane.clear()
        return self._patient(calls)

    def _take_group(self) -> list[Call]:
        group: list[Call] = []
        size_bytes = messages = 0
        while self._small and size_bytes < GROUP_BYTES and messages < GROUP_SETTLES:
            call = self._small.popleft()
            group.append(call)
            size_bytes += _size_bytes(call.work)
            if isinstance(call.work, Settle):
                messages += len(call.work.settled) + len(call.work.postponed)
        return self._patient(group)

    def _patient(self, calls: Iterable[Call]) -> list[Call]:
        """Drop calls nobody waits for; refuse those that waited too long to be done now."""
        oldest = self._clock.elapsed() - PATIENCE_SECONDS
        wanted = [call for call in calls if not call.future.cancelled()]
        late = [call for call in wanted if call.asked_at < oldest]
        if late:
            self._refuse(late, "the disk is too slow")
            wanted = [call for call in wanted if call.asked_at >= oldest]
        return wanted

    def _serve(self, store: Store, calls: list[Call]) -> None:
        answers: list[_Answer] = []
        for call in calls:
            try:
                answers.append(_Answer(call, call.work(store)))  # type: ignore[operator]
            except (sqlite3.Error, OSError) as error:
                self._fail(error, calls[len(answers) :])
                break
            except Exception as error:  # the caller's own, as KeyError for content that is gone
                answers.append(_Answer(call, error=error))
        self._post(answers)

    def _commit(self, store: Store, group: list[Call]) -> None:
        try:
            done = store.commit([call.work for call in group])  # type: ignore[misc]
        except (sqlite3.Error, OSError) as error:
            self._fail(error, group)
            return
        except Exception as error:
            # One of them is defective; alone it cannot fail its neighbours.
            if len(group) > 1:
                for call in group:
                    if self.store is store:
                        self._commit(store, [call])
                    else:
                        self._refuse([call], self.trouble)
            elif isinstance(group[0].work, Append):
                self._append_singly(store, group[0], group[0].work.batches)
            else:
                log.exception("operation_refused spool=%s", self._name)
                self._post([_Answer(group[0], error=error)])
            return
        answers = [
            _Answer(call, error=value) if isinstance(value, SpoolError) else _Answer(call, value)
            for call, value in zip(group, done.answers, strict=True)
        ]
        self._post(answers, done.arrivals)

    def _append_singly(self, store: Store, call: Call, batches: Sequence[bytes]) -> None:
        outcomes: list[Accepted | SpoolError] = []
        for batch in batches:
            try:
                done = store.commit([Append((batch,))])
            except (sqlite3.Error, OSError) as error:
                self._fail(error)
                refusal = self._refusal(self.trouble)
                outcomes += [refusal] * (len(batches) - len(outcomes))
                break
            except Exception:
                log.exception("batch_refused spool=%s", self._name)
                outcomes.append(SpoolUnavailable("the worker failed; its log says how"))
            else:
                outcomes += done.answers[0]  # type: ignore[arg-type]
                self._post([], done.arrivals)
        self._post([_Answer(call, outcomes)])

    def _sweep(self, store: Store) -> None:
        try:
            more = store.commit([Sweep()]).answers[0]
        except (sqlite3.Error, OSError) as error:
            self._fail(error)
            return
        store.forget_empty_queues()
        self._sweep_at = self._clock.elapsed() + (0.0 if more else SWEEP_SECONDS)

    def _fail(self, error: BaseException, group: Iterable[Call] = ()) -> None:
        """Close the file, refuse the group and all that waits, and set the time of the next try."""
        if isinstance(error, SpoolUnavailable):
            self.trouble, self._refusal = error.reason, type(error)
        else:
            self.trouble, self._refusal = f"{type(error).__name__}: {error}", SpoolUnavailable
        log.error(
            "spool_trouble spool=%s trouble=%s next_try_seconds=%s",
            self._name,
            self.trouble,
            self._pause,
        )
        if self.store is not None:
            self.store.close()
            self.store = None
        self._retry_at = self._clock.elapsed() + self._pause
        self._pause = min(2 * self._pause, LONGEST_PAUSE_SECONDS)
        self._refuse(group, self.trouble)
        self._refuse_all()

    def _refuse_all(self) -> None:
        for lane in (self._reads, self._small, self._large):
            self._refuse(lane, self.trouble)
            lane.clear()

    def _refuse(self, calls: Iterable[Call], reason: str) -> None:
        self._post([_Answer(call, error=self._refusal(reason)) for call in calls])

    def _post(self, answers: list[_Answer], arrivals: Arrivals | None = None) -> None:
        """Wake the loop once for a whole group."""
        if self._loop is None or not (answers or arrivals):
            return
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits
            self._loop.call_soon_threadsafe(self._deliver, answers, arrivals)

    def _deliver(self, answers: list[_Answer], arrivals: Arrivals | None) -> None:
        for answer in answers:
            if answer.call.future.done():
                continue
            if answer.error is not None:
                answer.call.future.set_exception(answer.error)
            else:
                answer.call.future.set_result(answer.value)
        if arrivals:
            self._announce(arrivals)


def _size_bytes(work: Operation | Read) -> int:
    """Return how much the caller brings."""
    match work:
        case Append(batches):
            return sum(map(len, batches))
        case Record(_, data):
            return len(data)
        case _:
            return 0


def _largest_bytes(work: Operation) -> int:
    """Return how much of it cannot be parted."""
    return max(map(len, work.batches)) if isinstance(work, Append) else _size_bytes(work)

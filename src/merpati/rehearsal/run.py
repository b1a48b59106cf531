"""Plays all parts of a scenario in processes; the result does not depend on their number."""

from __future__ import annotations

import logging
import multiprocessing
import shutil
import signal
import tempfile
import time
from collections.abc import Callable
from multiprocessing.sharedctypes import Synchronized
from pathlib import Path
from typing import Any

from merpati.rehearsal.playing import play
from merpati.rehearsal.result import PlayedPart, Result, Took
from merpati.rehearsal.scenario import RehearsalError, Scenario

MEMORY_FOLDER = Path("/dev/shm")  # noqa: S108 - what is synced there costs nothing
MEMORY_BYTES = 1 << 30  # that must be free there
LOOK_SECONDS = 0.2


def usual_folder() -> Path:
    """Return where a rehearsal keeps its spool while it runs: in memory if there is room."""
    try:
        if shutil.disk_usage(MEMORY_FOLDER).free >= MEMORY_BYTES:
            return MEMORY_FOLDER
    except OSError:
        pass
    return Path(tempfile.gettempdir())


def rehearse(
    scenario: Scenario,
    *,
    plan: str,
    providers: str,
    processes: int,
    folder: Path,
    progress: Callable[[float], None],
) -> tuple[Result, Took]:
    """Return what the rehearsal comes to, and what it took; its folder is gone afterwards.

    plan, providers: the files, as the result names them. progress: called with the share done, 0 to
    1. Raises RehearsalError when it cannot go on, KeyboardInterrupt when it is not to.
    """
    began = time.monotonic()
    try:
        work = Path(tempfile.mkdtemp(prefix="merpati-rehearsal-", dir=folder))
    except OSError as error:
        raise RehearsalError(
            f"no folder can be made in {folder}: {error.strerror}; name another with --work"
        ) from None
    try:
        parts = _play_all(scenario, work, processes, progress)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    order = {ip: number for number, ip in enumerate(scenario.ips.values())}
    streams = [stream for part in parts for stream in part.streams]
    streams.sort(key=lambda one: [order[ip] for ip in one.sending_ips])
    result = Result(
        plan=plan,
        providers=providers,
        starts_on=scenario.starts_on.isoformat(),
        days=scenario.days,
        seed=scenario.seed,
        streams=streams,
        messages=sum(part.messages for part in parts),
    )
    cpu_seconds = sum(part.cpu_seconds for part in parts)
    return result, Took(time.monotonic() - began, cpu_seconds)


def _play_all(
    scenario: Scenario, work: Path, processes: int, progress: Callable[[float], None]
) -> list[PlayedPart]:
    weights = {part.number: part.messages_per_day for part in scenario.parts}
    total = sum(weights.values()) * scenario.days
    days = {number: _SPAWN.Value("i", 0) for number in weights}
    # The largest first, so that no process ends with it alone.
    numbers = sorted(weights, key=lambda number: -weights[number])
    pool = _SPAWN.Pool(min(processes, len(numbers)), _begin, (scenario, work, days))
    try:
        played = pool.map_async(_play, numbers, chunksize=1)
        while not played.ready():
            played.wait(LOOK_SECONDS)
            done = sum(days[number].value * weight for number, weight in weights.items())
            progress(done / total)
        found: list[PlayedPart] = played.get()
    finally:
        pool.terminate()
        pool.join()
    return sorted(found, key=lambda part: part.number)


_SPAWN: Any = multiprocessing.get_context("spawn")
_job: tuple[Scenario, Path, dict[int, Synchronized[int]]]


def _begin(scenario: Scenario, work: Path, days: dict[int, Synchronized[int]]) -> None:
    """Make a process ready; Ctrl-C is for the one who started it."""
    global _job  # noqa: PLW0603 - a process has one
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    logging.disable(logging.ERROR)  # each block of a played provider would be a line
    _job = scenario, work, days


def _play(number: int) -> PlayedPart:
    scenario, work, days = _job
    part = next(one for one in scenario.parts if one.number == number)

    def tell(done: int) -> None:
        days[number].value = done

    return play(scenario, part, work / str(number), tell)

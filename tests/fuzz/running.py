"""Running one input against one target: within its time, with no error but those it declares."""

from __future__ import annotations

import contextlib
import hashlib
import signal
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

from tests.fuzz.targets import TARGETS

CORPUS = Path(__file__).parent / "corpus"
CPU_SECONDS = 1.0  # F1: no hang; a busy machine does not count


class TookTooLong(BaseException):
    """Not an Exception, so that nothing under test answers it."""


def corpus(name: str) -> dict[str, bytes]:
    """Return the kept inputs of a target by file name."""
    return {path.name: path.read_bytes() for path in sorted((CORPUS / name).iterdir())}


def keep(name: str, data: bytes, why: str) -> Path:
    """Write an input into the corpus; `why` begins its name."""
    path = CORPUS / name / f"{why}-{hashlib.sha256(data).hexdigest()[:12]}"
    path.write_bytes(data)
    return path


def run(name: str, data: bytes) -> None:
    """Run one input. Raises whatever the target does not declare, TookTooLong."""
    with _limited_time():
        TARGETS[name](data)


@contextlib.contextmanager
def _limited_time() -> Iterator[None]:
    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise TookTooLong

    before = signal.signal(signal.SIGVTALRM, interrupt)
    signal.setitimer(signal.ITIMER_VIRTUAL, CPU_SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)

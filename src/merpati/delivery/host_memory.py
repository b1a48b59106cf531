"""Which of a provider's addresses are dead, as one sending IP found them: those are tried last.

A dead address is looked at again after a while, by one connection at a time, so that a host that
takes nothing costs a wait now and then instead of one for every connection. Times are monotonic
seconds that the caller passes.

Source: RFC 5321 section 5.1 (the next host is tried when one fails).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

FIRST_REST, LONGEST_REST = 60.0, 1_800.0  # seconds; doubled after each failure in a row
MOST_REMEMBERED = 1_000  # addresses


@dataclass(slots=True)
class _Failures:
    count: int
    until: float
    is_tried: bool = False  # by one connection, since the rest was over


class HostMemory:
    """Remembers failures by address."""

    def __init__(self) -> None:
        self._dead: dict[str, _Failures] = {}

    def failed(self, address: str, now: float) -> None:
        """Count a failure; those of attempts begun before the rest do not lengthen it."""
        known = self._dead.get(address)
        if known is None:
            if len(self._dead) >= MOST_REMEMBERED:
                del self._dead[next(iter(self._dead))]
            self._dead[address] = _Failures(1, now + FIRST_REST)
        elif known.is_tried or now >= known.until:
            known.count += 1
            known.until = now + _rest(known.count)
            known.is_tried = False

    def worked(self, address: str) -> None:
        """Forget the failures of an address that was of use."""
        self._dead.pop(address, None)

    def order(self, where: Sequence[tuple[str, str]], now: float) -> list[tuple[str, str]]:
        """Return (name, address) pairs in the order to try them: as given, the dead last.

        An address whose rest is over is in its place again, for this caller alone: others find it
        resting until it worked or failed anew.
        """
        if not self._dead:
            return list(where)
        resting = []
        living = []
        for pair in where:
            known = self._dead.get(pair[1])
            if known is None:
                living.append(pair)
            elif now < known.until:
                resting.append(pair)
            else:
                known.until = now + _rest(known.count)
                known.is_tried = True
                living.append(pair)
        return living + resting


def _rest(count: int) -> float:
    return min(FIRST_REST * (1 << min(count - 1, 20)), LONGEST_REST)

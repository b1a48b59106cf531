"""Brakes on clients: on those who guess passwords, and on those who send too much at our door.

Wrong passwords cost more time each than the one before, then the address is cut off. Failures are
counted by client address (IPv6 by /64, of which one host may own all) and by the beginning of the
key that was tried, so that many addresses guessing at one key are slowed too. By key nobody is cut
off: whoever holds the right one gets in. All is forgotten ten minutes after the last failure. Test
case S11.
"""

from __future__ import annotations

import hashlib
import ipaddress
import threading
from collections import Counter, OrderedDict
from collections.abc import Callable
from functools import lru_cache

FORGOTTEN_SECONDS = 600.0
FAILURES_TO_CUT = 20
LONGEST_DELAY_SECONDS = 8.0
KEY_PREFIX = 8
MOST_ENTRIES = 10_000  # of each kind; the oldest leave first


class Brakes:
    """What one process remembers. elapsed: monotonic seconds. Used on the loop only."""

    def __init__(self, elapsed: Callable[[], float], first_delay_seconds: float = 0.25) -> None:
        self._elapsed = elapsed
        self._first_delay_seconds = first_delay_seconds
        self._by_address = _Failures()
        self._by_key = _Failures()

    def is_cut(self, address: str) -> bool:
        """Return whether this address may not try again for now."""
        return self._by_address.count(network_of(address), self._elapsed()) >= FAILURES_TO_CUT

    def failed(self, address: str, key: str) -> float:
        """Count a wrong password; return how many seconds to wait before saying so."""
        now = self._elapsed()
        prefix = key[:KEY_PREFIX].encode("utf-8", "surrogatepass")
        failures = max(
            self._by_address.add(network_of(address), now),
            self._by_key.add(hashlib.blake2s(prefix, digest_size=8).hexdigest(), now),
        )
        return float(min(self._first_delay_seconds * 2 ** (failures - 1), LONGEST_DELAY_SECONDS))


class Rate:
    """How often something may happen in a window of time, by name. Any thread may call."""

    def __init__(self, elapsed: Callable[[], float], most: int, window_seconds: float) -> None:
        self._elapsed = elapsed
        self._most = most
        self._window_seconds = window_seconds
        self._counts: Counter[str] = Counter()
        self._window = 0  # the one that is counted: memory holds the names of this one only
        self._lock = threading.Lock()

    def is_spent(self, name: str) -> bool:
        """Return whether it has happened as often as it may in this window."""
        with self._lock:
            return self._now()[name] >= self._most

    def count(self, name: str) -> None:
        """Count that it happens."""
        with self._lock:
            self._now()[name] += 1

    def _now(self) -> Counter[str]:
        window = int(self._elapsed() // self._window_seconds)
        if window != self._window:
            self._window = window
            self._counts.clear()
        return self._counts


class _Failures:
    """Counts by name, the one that failed last at the end."""

    def __init__(self) -> None:
        self._entries: OrderedDict[str, tuple[int, float]] = OrderedDict()

    def count(self, name: str, now: float) -> int:
        count, last = self._entries.get(name, (0, 0.0))
        return count if now - last < FORGOTTEN_SECONDS else 0

    def add(self, name: str, now: float) -> int:
        count = min(self.count(name, now) + 1, FAILURES_TO_CUT)
        self._entries[name] = (count, now)
        self._entries.move_to_end(name)
        if len(self._entries) > MOST_ENTRIES:
            self._entries.popitem(last=False)
        return count


@lru_cache(maxsize=MOST_ENTRIES)
def network_of(address: str) -> str:
    """Return what is one client to us: an IPv4 address, or an IPv6 network of 64 bits."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped is not None:
            return str(parsed.ipv4_mapped)
        return str(ipaddress.ip_network((parsed, 64), strict=False))
    return address

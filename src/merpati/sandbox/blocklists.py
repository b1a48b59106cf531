"""Blocklists that the sandbox's DNS server answers for, as mail hosts and Merpati ask them.

Source: RFC 5782 (an address's octets in reverse below the list's zone; 127.0.0.2: listed).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

import dns.reversename

from merpati.sandbox.dns_answers import DnsAnswers
from merpati.sandbox.providers_file import PlayedBlocklist

DAY_MS = 86_400_000
HOUR_MS = 3_600_000
_LISTED = "127.0.0.2"
_REVERSE_ZONES = (".in-addr.arpa", ".ip6.arpa")


class Blocklists:
    """Who is listed where, until when. Times: milliseconds since the epoch."""

    def __init__(self, lists: Sequence[PlayedBlocklist]) -> None:
        self._lists = {one.zone: one for one in lists}
        self._until: dict[tuple[str, str], int] = {}  # zone and IP
        self._complaints: Counter[tuple[str, str, int]] = Counter()  # and day
        self._published: set[tuple[str, str]] = set()

    def is_listed(self, zone: str, sending_ip: str, now: int) -> bool:
        """Return whether an IP is on a list."""
        return sending_ip in self._lists[zone].listed or now < self._until.get(
            (zone, sending_ip), 0
        )

    def complaint(self, zones: Iterable[str], sending_ip: str, now: int) -> None:
        """Count a complaint; too many of one day put the IP on the lists."""
        for zone in zones:
            of_today = zone, sending_ip, now // DAY_MS
            self._complaints[of_today] += 1
            most = self._lists[zone].complaints
            if most is not None and self._complaints[of_today] >= most:
                hours = self._lists[zone].listed_hours
                self._until[zone, sending_ip] = now + int(hours * HOUR_MS)

    def publish(self, answers: DnsAnswers, now: int) -> None:
        """Have a DNS server say who is listed now."""
        listed = {(zone, ip) for zone, one in self._lists.items() for ip in one.listed}
        listed |= {place for place, until in self._until.items() if now < until}
        for zone, ip in self._published - listed:
            answers.remove(query_name(zone, ip))
        for zone, ip in listed - self._published:
            name = query_name(zone, ip)
            answers.add(name, "A", _LISTED)
            answers.add_txt(name, f"{ip} is listed by the sandbox's {zone}")
        self._published = listed


def query_name(zone: str, ip: str) -> str:
    """Return what is asked of a list about an IP: query_name("bl.test", "127.0.0.9")."""
    reverse = dns.reversename.from_address(ip).to_text(omit_final_dot=True)
    for below in _REVERSE_ZONES:
        reverse = reverse.removesuffix(below)
    return f"{reverse}.{zone}"

"""How many sending IPs a migration needs, and which stream goes by which pool.

Source: SparkPost, "IP Warm-up Strategy Overview" and "Dedicated IP Pools" (2 to 5 million messages
a day on an IP; a pool for each stream; below 500,000 a month no dedicated IP is kept warm).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from merpati.reputation.migration_plan import MOST_IPS, Pool, Traffic

PER_IP = 2_000_000  # messages a day, comfortably
MOST_PER_IP = 5_000_000
MOST_PER_DAY = MOST_IPS * MOST_PER_IP
KEEPS_AN_IP_WARM = 500_000 // 30  # messages a day
DEFAULT = "default"  # takes the streams that have no pool of their own


@dataclass(frozen=True, slots=True)
class _Group:
    streams: tuple[str, ...]
    messages_per_day: int

    def ips(self, per_ip: int) -> int:
        return math.ceil(self.messages_per_day / per_ip)


def pools_for(traffic: Traffic, starts_on: date) -> list[Pool]:
    """Return the pools with their IPs, at most six. Traffic: no more than MOST_PER_DAY."""
    groups = _grouped(traffic)
    per_ip = PER_IP
    while sum(group.ips(per_ip) for group in groups) > MOST_IPS:
        if per_ip < MOST_PER_IP:
            per_ip = MOST_PER_IP
        else:
            groups = _joined(groups)
    return [
        Pool(_name(group), group.streams, group.ips(per_ip), _start(traffic, group, starts_on))
        for group in groups
    ]


def pools_as_they_are(traffic: Traffic, ips: dict[str, int], starts_on: date) -> list[Pool]:
    """Return the pools of an account as the streams use them.

    ips: sending IPs of each pool by its name. A stream goes by the pool of its name, the rest by
    the default pool.
    """
    streams: dict[str, list[str]] = {}
    for stream in traffic.streams:
        streams.setdefault(stream if stream in ips else DEFAULT, []).append(stream)
    groups = {name: _Group(tuple(names), 0) for name, names in streams.items()}
    return [
        Pool(name, group.streams, ips.get(name, 0), _start(traffic, group, starts_on))
        for name, group in groups.items()
    ]


def _grouped(traffic: Traffic) -> list[_Group]:
    """Give each stream that can keep an IP warm a group of its own, all small ones one together."""
    volumes = {
        stream: sum(flow.target_per_day for flow in traffic.flows if flow.stream == stream)
        for stream in traffic.streams
    }
    small = tuple(stream for stream, volume in volumes.items() if volume < KEEPS_AN_IP_WARM)
    groups = [
        _Group((stream,), volume) for stream, volume in volumes.items() if stream not in small
    ]
    if small:
        groups.append(_Group(small, sum(volumes[stream] for stream in small)))
    return groups


def _joined(groups: Sequence[_Group]) -> list[_Group]:
    """Return one group less: the smallest joins those who share already, or the next smallest."""
    largest_first = sorted(groups, key=lambda group: -group.messages_per_day)
    together = next((group for group in groups if len(group.streams) > 1), largest_first[-2])
    smallest = [group for group in largest_first if group is not together][-1]
    rest = [group for group in groups if group not in (smallest, together)]
    volume = together.messages_per_day + smallest.messages_per_day
    return [*rest, _Group((*together.streams, *smallest.streams), volume)]


def _name(group: _Group) -> str:
    return group.streams[0] if len(group.streams) == 1 else DEFAULT


def _start(traffic: Traffic, group: _Group, starts_on: date) -> date:
    """Return when a pool starts: with the last of its streams, for its share must not fall."""
    return max(
        flow.starts_on or starts_on for flow in traffic.flows if flow.stream in group.streams
    )

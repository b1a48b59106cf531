"""Evidence of a case as tables and a small plot: what the traffic looked like when it was taken.

The plot is drawn here, as SVG without style or script, so that the strict policy of the pages holds
and paper shows it too; the table beside it says the same in numbers.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from merpati.desk.models import CaseLink
from merpati.events.around import WINDOWS

WIDTH = 100.0  # of the longest bar, in units of the plot


@dataclass(frozen=True, slots=True)
class Bar:
    """What happened how often, by window; length, y: of the bar in the plot."""

    what: str
    counts: tuple[int, ...]
    length: float
    y: int


@dataclass(frozen=True, slots=True)
class Refusals:
    """Refusals of one bounce class with their newest reply."""

    bounce_class: int
    count: int
    reply: str
    provider: str


@dataclass(frozen=True, slots=True)
class Evidence:
    """What was taken of one link. complete_since: how far back events were looked at."""

    link: CaseLink
    taken_at: datetime | None
    complete_since: datetime | None
    unavailable: bool
    traffic: tuple[Bar, ...]
    account: tuple[Bar, ...]
    refusals: tuple[Refusals, ...]
    events: tuple[Mapping[str, Any], ...]
    queues: tuple[Mapping[str, Any], ...]


def evidence_tables(links: Iterable[CaseLink]) -> list[Evidence]:
    """Return what was taken of a case's links, as pages show it. Pure."""
    return [_evidence(link) for link in links]


def _evidence(link: CaseLink) -> Evidence:
    found = link.evidence
    traffic = found.get("traffic", {})
    longest = list(WINDOWS)[-1]
    return Evidence(
        link=link,
        taken_at=_moment(found.get("taken_at")),
        complete_since=_moment(traffic.get("complete_since")),
        unavailable="unavailable" in found,
        traffic=_bars({name: traffic.get(name, {}).get("counts", {}) for name in WINDOWS}),
        account=_bars({name: found.get("account", {}).get(name, {}) for name in WINDOWS}),
        refusals=tuple(_refusals(row) for row in traffic.get(longest, {}).get("refusals", ())),
        events=tuple(found.get("events", ())),
        queues=tuple(found.get("queues", ())),
    )


def _bars(windows: Mapping[str, Mapping[str, int]]) -> tuple[Bar, ...]:
    names = dict.fromkeys(name for counts in windows.values() for name in counts)
    rows = [(name, tuple(counts.get(name, 0) for counts in windows.values())) for name in names]
    rows = [(name, counts) for name, counts in rows if any(counts)]
    most = max((counts[-1] for _, counts in rows), default=0) or 1
    return tuple(
        Bar(name, counts, round(WIDTH * counts[-1] / most, 2), index)
        for index, (name, counts) in enumerate(rows)
    )


def _refusals(row: Mapping[str, Any]) -> Refusals:
    sample = row["sample"]
    return Refusals(
        row["bounce_class"], row["count"], sample["reply"], sample["mailbox_provider"] or ""
    )


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None

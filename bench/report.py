"""Figures as Markdown: medians of the rounds with their range, ratios to the peer, aims."""

from __future__ import annotations

import statistics
from collections.abc import Iterable
from dataclasses import dataclass

from bench.merpati_server import MerpatiServer
from bench.options import Figures
from bench.peers import Postfix, PostfixOpenDkim

PEER = PostfixOpenDkim.name
# What the other variants of a row are compared with.
_REFERENCES = {
    "bulk": PEER,
    "relay": Postfix.name,
    "relay-tls": Postfix.name,
    "bulk-dns": "one route",
    "dead-mx": "two hosts",
}


@dataclass(frozen=True, slots=True)
class Column:
    """One column: its head, the key of the figure, and how a value is written."""

    head: str
    key: str
    digits: int = 0
    with_range: bool = False


_RELAY = (
    Column("messages/s", "messages_per_second", 0, with_range=True),
    Column("ratio", "messages_per_second_ratio", 2),
    Column("CPU s / 1,000", "cpu_per_1000", 3, with_range=True),
    Column("ratio", "cpu_per_1000_ratio", 3),
    Column("foreign CPU", "foreign_share", 2),
    Column("durable before success", "durability"),
)
_PROVIDERS = (
    Column("messages/s", "messages_per_second", 0, with_range=True),
    Column("ratio", "messages_per_second_ratio", 2),
    Column("CPU s / 1,000 with injector", "cpu_per_1000", 3, with_range=True),
    Column("ratio", "cpu_per_1000_ratio", 2),
    Column("told to come back", "deferred"),
    Column("refused", "refused"),
    Column("peak RSS MB, all processes", "peak_rss_mb"),
    Column("foreign CPU", "foreign_share", 2),
)
_COLUMNS: dict[str, tuple[Column, ...]] = {
    "bulk": (
        Column("messages/s", "messages_per_second", 0, with_range=True),
        Column("ratio", "messages_per_second_ratio", 2),
        Column("CPU s / 1,000 with injector", "cpu_per_1000", 3, with_range=True),
        Column("ratio", "cpu_per_1000_ratio", 3),
        Column("of which injector", "cpu_per_1000_injector", 3),
        Column("handed in after s", "handing_in_seconds", 2),
        Column("peak RSS MB, all processes", "peak_rss_mb"),
        Column("bytes at the sink", "size_bytes"),
        Column("foreign CPU", "foreign_share", 2),
        Column("durable before success", "durability"),
    ),
    "accept-one": (
        Column("requests/s", "requests_per_second", 0, with_range=True),
        Column("p50 ms", "p50_ms", 1),
        Column("p99 ms", "p99_ms", 1, with_range=True),
        Column("delivered/s meanwhile", "delivered_per_second"),
        Column("refused", "refused"),
        Column("broken", "broken"),
        Column("foreign CPU", "foreign_share", 2),
    ),
    "accept-bulk": (
        Column("recipients/s", "recipients_per_second", 0, with_range=True),
        Column("longest call ms", "longest_call_ms"),
        Column("delivered/s meanwhile", "delivered_per_second"),
        Column("worker peak MB", "worker_peak_mb"),
        Column("foreign CPU", "foreign_share", 2),
    ),
    "depth": (
        Column("queued", "messages"),
        Column("us a message, end to end", "us_per_message"),
        Column("ratio", "us_per_message_ratio", 2),
        Column("CPU us a message", "cpu_us_per_message"),
        Column("ratio", "cpu_us_per_message_ratio", 2),
        Column("of which loading", "cpu_us_per_message_loading"),
        Column("loaded/s", "loaded_per_second"),
        Column("delivered/s", "delivered_per_second"),
        Column("worker peak MB", "worker_peak_mb"),
        Column("disk bytes a recipient", "disk_bytes_per_recipient"),
        Column("above its own data", "extra_bytes_per_recipient"),
        Column("foreign CPU", "foreign_share", 2),
    ),
    "recovery": (
        Column("queued", "messages"),
        Column("ready after s", "ready_seconds", 2),
        Column("first delivery after s", "first_delivery_seconds", 2),
        Column("worker peak MB before", "worker_peak_mb_loaded"),
        Column("and after", "worker_peak_mb"),
    ),
    "relay": _RELAY,
    "relay-tls": _RELAY,
    "bulk-dns": _PROVIDERS,
    "dead-mx": _PROVIDERS,
    "desk": (
        Column("ms, median", "ms", 1),
        Column("slowest", "slowest_ms", 1),
        Column("CPU ms", "cpu_ms", 1),
        Column("of PostgreSQL besides", "server_cpu_ms", 1),
        Column("queries", "queries"),
    ),
}


@dataclass(frozen=True, slots=True)
class Aim:
    """What the median of one figure should reach; exactly one of the bounds is given."""

    row: str
    variant: str
    key: str
    what: str
    at_least: float | None = None
    at_most: float | None = None

    def text(self) -> str:
        """Return the aim in words."""
        bound = f"≥ {self.at_least:,g}" if self.at_least is not None else f"≤ {self.at_most:,g}"
        return f"{self.what} {bound}"

    def is_reached(self, value: float) -> bool:
        """Return whether a figure keeps the bound."""
        return (self.at_least is None or value >= self.at_least) and (
            self.at_most is None or value <= self.at_most
        )


_US, _CALLS = MerpatiServer.name, "delivering and bulk calls"
_BY_DNS, _DEAD = "1,000 domains", "one of two dead"
AIMS = (
    Aim("bulk", _US, "messages_per_second_ratio", "messages/s against the peer", at_least=8),
    Aim("bulk", _US, "cpu_per_1000_ratio", "CPU against the peer", at_most=0.12),
    Aim("accept-one", "idle", "requests_per_second", "requests/s", at_least=2500),
    Aim("accept-one", "idle", "p99_ms", "p99 ms", at_most=50),
    Aim("accept-one", "delivering", "requests_per_second", "requests/s", at_least=2500),
    Aim("accept-one", "delivering", "p99_ms", "p99 ms", at_most=50),
    Aim("accept-one", _CALLS, "p99_ms", "p99 ms", at_most=80),
    Aim("accept-bulk", "idle", "recipients_per_second", "recipients/s", at_least=40_000),
    Aim("accept-bulk", "delivering", "recipients_per_second", "recipients/s", at_least=40_000),
    Aim("depth", "deep", "us_per_message_ratio", "time against the shallow queue", at_most=1.5),
    Aim("depth", "deep", "cpu_us_per_message_ratio", "CPU against it", at_most=1.5),
    Aim("depth", "deep", "worker_peak_mb", "worker's peak MB", at_most=200),
    Aim("depth", "deep", "extra_bytes_per_recipient", "disk bytes above own data", at_most=1024),
    Aim("relay", _US, "messages_per_second_ratio", "messages/s against the peer", at_least=4),
    Aim("relay", _US, "cpu_per_1000_ratio", "CPU against the peer", at_most=0.2),
    Aim("relay-tls", _US, "messages_per_second_ratio", "messages/s against the peer", at_least=2),
    Aim("bulk-dns", _BY_DNS, "messages_per_second_ratio", "rate against one route", at_least=0.7),
    Aim("dead-mx", _DEAD, "messages_per_second_ratio", "rate against two hosts", at_least=0.8),
    Aim("recovery", "kill -9", "first_delivery_seconds", "first delivery after s", at_most=5),
)


def medians(lines: Iterable[Figures]) -> dict[str, dict[str, Figures]]:
    """Return row → variant → figures: medians of numbers (range under `KEY_range`), first of texts.

    Rounds with an `error` are left out and counted as `failed_rounds`.
    """
    gathered: dict[str, dict[str, list[Figures]]] = {}
    for line in lines:
        gathered.setdefault(line["row"], {}).setdefault(line["variant"], []).append(line)
    found: dict[str, dict[str, Figures]] = {}
    for row, variants in gathered.items():
        for variant, rounds in variants.items():
            good = [line for line in rounds if "error" not in line]
            figures = _median(good) if good else {}
            figures["rounds"] = len(good)
            figures["failed_rounds"] = len(rounds) - len(good)
            found.setdefault(row, {})[variant] = figures
    for row, reference in _REFERENCES.items():
        _add_ratios(found, row, reference, "messages_per_second", "cpu_per_1000")
    _add_ratios(found, "depth", "shallow", "us_per_message", "cpu_us_per_message")
    return found


def _median(rounds: list[Figures]) -> Figures:
    figures: Figures = {}
    for key, first in rounds[0].items():
        values = [line[key] for line in rounds]
        if isinstance(first, int | float) and all(isinstance(v, int | float) for v in values):
            figures[key] = statistics.median(values)
            figures[f"{key}_range"] = (min(values), max(values))
        else:
            figures[key] = first
    return figures


def _add_ratios(found: dict[str, dict[str, Figures]], row: str, reference: str, *keys: str) -> None:
    variants = found.get(row, {})
    for key in keys:
        base = variants.get(reference, {}).get(key)
        for figures in variants.values():
            if base and key in figures:
                figures[f"{key}_ratio"] = figures[key] / base


def markdown(lines: list[Figures], machine: dict[str, str]) -> str:
    """Return the whole report."""
    rows = medians(lines)
    parts = [
        "Machine: {cpu}, {memory}, {system}; scratch on {file_system}; "
        "load before the run {load_before}.".format(**machine)
    ]
    for row, variants in rows.items():
        parts.append(f"### {row}\n\n{_table(row, variants)}")
    if failures := [line for line in lines if "error" in line]:
        parts.append("\n".join(f"- {x['row']} {x['variant']}: {x['error']}" for x in failures))
    parts.append(f"### Aims\n\n{_aims(rows)}")
    return "\n\n".join(parts) + "\n"


def _table(row: str, variants: dict[str, Figures]) -> str:
    columns = _COLUMNS[row]
    heads = ["", "rounds", *(column.head for column in columns)]
    lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    for variant, figures in variants.items():
        rounds = str(figures["rounds"])
        if figures["failed_rounds"]:
            rounds += f" (and {figures['failed_rounds']} failed)"
        cells = [variant, rounds, *(_cell(column, figures) for column in columns)]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _cell(column: Column, figures: Figures) -> str:
    value = figures.get(column.key)
    if value is None:
        return "–"
    if isinstance(value, str):
        return value
    text = f"{value:,.{column.digits}f}"
    if column.with_range and figures["rounds"] > 1:
        low, high = figures[f"{column.key}_range"]
        text += f" ({low:,.{column.digits}f}-{high:,.{column.digits}f})"
    return text


def _aims(rows: dict[str, dict[str, Figures]]) -> str:
    lines = ["| row | variant | aim | measured | |", "|---|---|---|---|---|"]
    for aim in AIMS:
        if aim.row not in rows:
            continue
        value = rows[aim.row].get(aim.variant, {}).get(aim.key)
        if value is None:
            measured, verdict = "not measured", ""
        else:
            measured = f"{value:,.0f}" if value >= 100 else f"{value:,.3g}"
            verdict = "reached" if aim.is_reached(value) else "**missed**"
        lines.append(f"| {aim.row} | {aim.variant} | {aim.text()} | {measured} | {verdict} |")
    return "\n".join(lines)

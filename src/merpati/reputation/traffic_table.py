"""Traffic written as the CSV that `traffic_csv.py` reads, with the columns that say something."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator

from merpati.reputation.migration_plan import Flow, Traffic
from merpati.reputation.traffic_csv import COLUMNS, ENGAGED, NEEDED, WEEKDAYS


def written(traffic: Traffic) -> str:
    """Return traffic as CSV, which reads as the same traffic."""
    rows = [dict(_cells(flow)) for flow in traffic.flows]
    columns = [name for name in COLUMNS if name in NEEDED or any(name in row for row in rows)]
    file = io.StringIO()
    table = csv.DictWriter(file, columns, restval="", lineterminator="\n")
    table.writeheader()
    table.writerows(rows)
    return file.getvalue()


def _cells(flow: Flow) -> Iterator[tuple[str, str]]:
    yield "stream", flow.stream
    yield "provider", flow.provider
    yield "messages_per_day", str(flow.messages_per_day)
    if flow.target_per_day != flow.messages_per_day:
        yield "target_per_day", str(flow.target_per_day)
    if flow.starts_on:
        yield "starts_on", flow.starts_on.isoformat()
    if flow.engaged:
        of_it = flow.engaged
        shares = (of_it.within_7, of_it.within_30, of_it.within_60, of_it.within_90)
        yield from zip(ENGAGED, (_per_cent(share) for share in shares), strict=True)
    if flow.weekdays:
        yield from zip(WEEKDAYS, map(str, flow.weekdays), strict=True)


def _per_cent(share: float) -> str:
    return f"{100 * share:.6f}".rstrip("0").rstrip(".")

"""Traffic that is written reads as the same traffic."""

from __future__ import annotations

from datetime import date, timedelta

from hypothesis import given
from hypothesis import strategies as st

from merpati.providers.directory import directory
from merpati.reputation.migration_plan import Engaged, Flow, Traffic
from merpati.reputation.traffic_csv import MOST_PER_DAY, read_traffic
from merpati.reputation.traffic_table import written

TODAY = date(2026, 12, 1)
VOLUMES = st.integers(1, MOST_PER_DAY // 2)
SHARES = st.lists(st.integers(0, 100_00), min_size=4, max_size=4).map(
    lambda shares: Engaged(*(float(f"{share}e-2") / 100 for share in sorted(shares)))
)


@st.composite
def flows(draw: st.DrawFn, stream: str, starts_on: date | None, provider: str) -> Flow:
    now = draw(VOLUMES)
    days = st.lists(st.integers(0, now), min_size=7, max_size=7).filter(any).map(tuple)
    return Flow(
        stream=stream,
        provider=provider,
        messages_per_day=now,
        target_per_day=now + draw(st.integers(0, 1_000)),
        starts_on=starts_on,
        engaged=draw(st.none() | SHARES),
        weekdays=draw(st.none() | days),
    )


@st.composite
def traffics(draw: st.DrawFn) -> Traffic:
    found: list[Flow] = []
    for stream in draw(st.lists(st.sampled_from(["news", "receipts"]), min_size=1, unique=True)):
        after = draw(st.none() | st.integers(0, 300))
        starts_on = None if after is None else TODAY + timedelta(days=after)
        providers = st.lists(st.sampled_from(["google", "mx.example", "other"]), min_size=1)
        found += [draw(flows(stream, starts_on, one)) for one in sorted(set(draw(providers)))]
    return Traffic(tuple(found))


@given(traffics())
def test_what_is_written_reads_as_it_was(traffic: Traffic) -> None:
    assert read_traffic(written(traffic).encode(), directory(), TODAY) == traffic


def test_only_what_says_something_is_written() -> None:
    flow = Flow(stream="news", provider="google", messages_per_day=9, target_per_day=9)
    assert written(Traffic((flow,))) == "stream,provider,messages_per_day\nnews,google,9\n"
